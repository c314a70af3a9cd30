"""What is served to everyone: the shell and its files, and nothing else."""

import re
from collections.abc import Iterator

import pytest

from app.web.routes import POLICY, asset, assets_digest
from tests.api.service import Service, claimed, serving_project
from tests.databases import Project

KEY = "an-anon-key-<\"&'>"
FOREIGN = re.compile(r"""(?:src|href|from|import)\s*[=(]?\s*["'](?:https?:)?//""")


@pytest.fixture
def service(project: Project) -> Iterator[Service]:
    with serving_project(project, supabase_url="https://project.supabase.co/", supabase_anon_key=KEY) as service:
        yield service


def test_the_shell_says_nothing_of_the_database_and_escapes_what_it_says(service: Service, project: Project) -> None:
    answer = service.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "an-anon-key-&lt;&quot;&amp;&#x27;&gt;" in answer.text
    assert "{{" not in answer.text
    for secret in (project.name, project.cluster.password, "a-secret-only-for-tests"):
        assert secret not in answer.text


def test_its_policy_lets_it_speak_to_itself_and_to_supabase_alone(service: Service) -> None:
    policy = service.get("/").headers["content-security-policy"]
    assert policy == POLICY.format(connect="'self' https://project.supabase.co")
    for unsafe in ("unsafe-inline", "unsafe-eval", "*"):
        assert unsafe not in policy


def test_every_file_the_shell_names_is_served_whole_and_from_here(service: Service) -> None:
    shell = service.get("/").text
    names = set(re.findall(r'(?:src|href)="(assets/[^"]+)"', shell))
    assert len(names) > 25
    for name in names:
        plain = service.get(f"/{name}", headers={"Accept-Encoding": "identity"})
        packed = service.get(f"/{name}", headers={"Accept-Encoding": "gzip"})
        assert plain.status_code == 200
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content
        assert FOREIGN.search(plain.text) is None, name
        assert service.get(f"/{name}", method="HEAD").content == b""
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert service.get("/").headers["cache-control"] == "no-store"


def test_files_lie_elsewhere_once_one_of_them_has_changed() -> None:
    one = {"js/a.js": asset("js/a.js", b"1"), "js/b.js": asset("js/b.js", b"2")}
    changed = {**one, "js/b.js": asset("js/b.js", b"3")}
    moved = {"js/a.js": asset("js/a.js", b"2"), "js/b.js": asset("js/b.js", b"1")}
    assert len({assets_digest(files) for files in (one, changed, moved, {"js/a.js": one["js/a.js"]})}) == 4


@pytest.mark.parametrize(
    "path", ["assets/", "assets/none.js", "assets/..%2froutes.py", "assets/index.html", "assets/js"]
)
def test_what_is_no_file_of_the_page_is_not_found(service: Service, path: str) -> None:
    answer = service.get(f"/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


def test_reports_come_compressed_to_those_who_take_it(project: Project) -> None:
    """A page that reads every few seconds is sent a tenth; curl gets what it always got."""
    with serving_project(project, report_cache_ms=60_000) as service:
        plain = service.get("/api/runner/schema", claimed(), headers={"Accept-Encoding": "identity"})
        packed = service.get("/api/runner/schema", claimed(), headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json()["checks"] == plain.json()["checks"]
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 4
