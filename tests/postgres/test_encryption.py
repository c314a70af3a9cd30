"""The way to the database: encrypted, with a server that has shown to be the one; or the report says that it is not.

Against Debian's Postgres 15: the embedded ones are built without TLS.
"""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from app.contract.check import Outcome, Severity
from app.demo.server import EmbeddedPostgres
from app.diagnostics import SchemaReport
from app.errors import DatabaseUnavailableError
from tests.api.keys_server import certificate
from tests.databases import Project, running_cluster

HERE = "127.0.0.1"
# This machine, by a name that says nothing of it.
ELSEWHERE = "0.0.0.0"


@dataclass(frozen=True)
class Encrypted:
    """A server with a certificate made out to 127.0.0.1; `authority` vouches for it, `foreign` does not."""

    project: Project
    authority: Path
    foreign: Path

    def url(self, host: str, options: str = "") -> str:
        return self.project.url().replace(HERE, host) + options

    async def check(self, host: str, options: str = "", root: Path | None = None) -> SchemaReport:
        return await self.project.check(database_url=self.url(host, options), database_ssl_root_cert=root)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    ours, foreign = (certificate(tmp_path_factory.mktemp(name)) for name in ("ours", "foreign"))
    with running_cluster(15) as cluster:
        asyncio.run(encrypt(cluster, ours))
        yield Encrypted(Project(cluster, "documented"), ours, foreign)


async def encrypt(cluster: EmbeddedPostgres, file: Path) -> None:
    connection = await asyncpg.connect(cluster.url())
    try:
        install(file, Path(await connection.fetchval("show data_directory")))
        for name, value in {"ssl_cert_file": "server.pem", "ssl_key_file": "server.pem", "ssl": "on"}.items():
            await connection.execute(f"alter system set {name} = '{value}'")
        await connection.execute("select pg_reload_conf()")
        for _ in range(200):
            if await connection.fetchval("show ssl") == "on":
                return
            await asyncio.sleep(0.02)
        pytest.fail("the server does not encrypt")
    finally:
        await connection.close()


def install(file: Path, data: Path) -> None:
    copy = data / "server.pem"
    shutil.copy(file, copy)
    copy.chmod(0o600)
    shutil.chown(copy, data.owner(), data.group())


def protection(report: SchemaReport) -> tuple[Outcome, str | None]:
    check = next(check for check in report.checks if check.key == "connection.encrypted")
    assert check.severity is Severity.WARNING
    assert (check.hint is not None) == (check.outcome is Outcome.FAIL)
    # It never decides.
    assert report.conformant is True
    return check.outcome, check.actual


async def sessions_are_encrypted(encrypted: Encrypted, root: Path) -> bool:
    """As the server has it, on a connection made as the service makes its own."""
    settings = encrypted.project.settings(database_url=encrypted.url(HERE), database_ssl_root_cert=root)
    connection = await asyncpg.connect(settings.database.for_driver)
    try:
        return bool(await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("options", "actual"),
    [
        ("", "not required"),
        ("?sslmode=prefer", "not required"),
        ("?sslmode=disable", "not required"),
        ("?sslmode=require", "not verified"),
        ("?sslmode=verify-ca&sslrootcert={authority}", "issuer verified, host not"),
    ],
)
async def test_a_server_elsewhere_that_is_not_verified_is_a_warning(
    encrypted: Encrypted, options: str, actual: str
) -> None:
    report = await encrypted.check(ELSEWHERE, options.format(authority=encrypted.authority))
    assert protection(report) == (Outcome.FAIL, actual)


@pytest.mark.parametrize("options", ["", "?sslmode=disable", "?sslmode=require"])
async def test_what_does_not_leave_the_machine_needs_no_encryption(encrypted: Encrypted, options: str) -> None:
    assert protection(await encrypted.check(HERE, options)) == (Outcome.PASS, "local")


@pytest.mark.parametrize("options", ["", "?sslmode=require", "?sslmode=disable", "?channel_binding=require"])
async def test_with_its_authority_a_server_is_verified_whatever_the_url_says(
    encrypted: Encrypted, options: str
) -> None:
    await encrypted.check(HERE, options, encrypted.authority)
    assert await sessions_are_encrypted(encrypted, encrypted.authority)
    settings = encrypted.project.settings(
        database_url=encrypted.url(ELSEWHERE, options), database_ssl_root_cert=encrypted.authority
    )
    assert settings.database.ssl_mode == "verify-full"


async def test_a_server_with_another_certificate_or_name_gets_no_password(encrypted: Encrypted) -> None:
    for host, root in ((HERE, encrypted.foreign), (ELSEWHERE, encrypted.authority)):
        with pytest.raises(DatabaseUnavailableError, match="is not one that DATABASE_SSL_ROOT_CERT vouches for"):
            await encrypted.check(host, "", root)


async def test_a_server_that_does_not_encrypt_gets_no_password(project: Project, encrypted: Encrypted) -> None:
    with pytest.raises(DatabaseUnavailableError, match="does not encrypt"):
        await project.check(database_ssl_root_cert=encrypted.authority)
