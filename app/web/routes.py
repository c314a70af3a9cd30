"""`GET /`: the page. A public shell without data; everything it shows comes from the API, with the reader's token."""

import gzip
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response

from app.settings import Settings

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

# In place of the policy of every other answer (app/api/headers.py). Nothing a browser may be talked into: no inline
# script or style, no frame, no foreign host, and no string that becomes markup or code (Trusted Types). `data:` is for
# the icon, which is drawn by the page to carry the verdict.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src {connect};"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)


# What lies under the digest of all files never changes there, so a browser that has it need not ask again.
KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent, and compressed. Nothing secret is in it, so compressing tells nobody anything."""

    media_type: str
    plain: bytes
    compressed: bytes


def web_routes(router: APIRouter, settings: Settings) -> None:
    """The page's routes, not part of the OpenAPI document. The files are read and compressed once, here."""
    static = resources.files("app.web") / "static"
    headers = {
        "Content-Security-Policy": POLICY.format(connect=" ".join(_connects_to(settings))),
        "Vary": "Accept-Encoding",
    }
    assets = {name: asset(name, file.read_bytes()) for name, file in _files(static)}
    template = assets.pop("index.html").plain.decode()
    digest = assets_digest(assets)
    shell = asset("index.html", _filled(template, settings, sorted(assets), digest).encode())

    async def page(request: Request) -> Response:
        return _answer(shell, request, headers)

    async def file(request: Request, asked: str, name: str) -> Response:
        found = assets.get(name)
        if found is None:
            raise HTTPException(404)
        # While a deployment goes on, a shell of another version may ask: it gets what is here, and does not keep it.
        return _answer(found, request, headers | KEPT if asked == digest else headers)

    router.add_api_route("/", page, methods=["GET", "HEAD"], include_in_schema=False)
    router.add_api_route("/assets/{asked}/{name:path}", file, methods=["GET", "HEAD"], include_in_schema=False)


def _answer(found: Asset, request: Request, headers: Mapping[str, str]) -> Response:
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.compressed, media_type=found.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.plain, media_type=found.media_type, headers=dict(headers))


def asset(name: str, content: bytes) -> Asset:
    return Asset(MEDIA_TYPES[name.rsplit(".", 1)[-1]], content, gzip.compress(content, mtime=0))


def assets_digest(assets: Mapping[str, Asset]) -> str:
    """Another where any file has changed, was added or is gone."""
    digest = hashlib.sha256()
    for name, content in sorted((name, asset.plain) for name, asset in assets.items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """Every file that a browser may ask for, by its path below the folder: a path that is not among them is none."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.rsplit(".", 1)[-1] in MEDIA_TYPES:
            yield prefix + entry.name, entry


def _filled(template: str, settings: Settings, names: Iterable[str], digest: str) -> str:
    """The shell with what sign-in by e-mail needs: both values are public by their nature, and empty without both.

    And with every module named, so that a browser asks for all at once instead of finding one in another; those that
    the template names come first. All of them lie under the digest, and name one another from there.
    """
    url, key = _sign_in(settings) or ("", "")
    others = (name for name in names if name.startswith("js/") and f"assets/{name}" not in template)
    modules = "\n".join(f'<link rel="modulepreload" href="assets/{digest}/{name}">' for name in others)
    template = template.replace("assets/", f"assets/{digest}/")
    values = {"supabase_url": html.escape(url), "supabase_anon_key": html.escape(key), "modules": modules}
    for name, value in values.items():
        template = template.replace(f"{{{{{name}}}}}", value)
    return template


def _sign_in(settings: Settings) -> tuple[str, str] | None:
    if settings.supabase_url is None or settings.supabase_anon_key is None:
        return None
    return settings.supabase_url.rstrip("/"), settings.supabase_anon_key


def _connects_to(settings: Settings) -> Iterator[str]:
    yield "'self'"
    sign_in = _sign_in(settings)
    if sign_in is not None:
        parts = urlsplit(sign_in[0])
        yield f"{parts.scheme}://{parts.netloc}"
