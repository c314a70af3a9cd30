"""Reports as JSON: the wire models, which the OpenAPI document shows too, and the rendering every caller gets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from app.contract.check import Outcome, Severity
from app.contract.fix.model import Fix
from app.contract.migrations import MigrationState
from app.diagnostics import SchemaReport

FIX_PATH = "/api/runner/schema/fix"


class Wire(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True, alias_generator=to_camel, validate_by_name=True)


OmittedWhenNone = Annotated[str | None, Field(exclude_if=lambda value: value is None)]


class WireCheck(Wire):
    key: str = Field(examples=["strategy_tick_runs.column.strategy_run_id.references"])
    table: str | None = Field(description="null for checks on roles and migrations")
    severity: Severity
    outcome: Outcome
    expected: str
    actual: str | None
    message: str = Field(description="one or two sentences for a person")
    because: OmittedWhenNone = Field(default=None, description="the key of the failed check a skipped one depends on")
    hint: OmittedWhenNone = Field(default=None, description="the next step")


class WireDatabase(Wire):
    server_version: str | None
    login: str | None
    role: str | None = Field(description="the role rows are read as")
    schema_name: str = Field(alias="schema", validation_alias="schema")
    bypasses_row_security: bool | None


class WireContract(Wire):
    name: str
    digest: str = Field(description="changes exactly when what the contract says changes")


class WireSummary(Wire):
    passed: int = Field(alias="pass", validation_alias="passed")
    fail: int = Field(description="failed errors")
    warning: int = Field(description="failed warnings")
    unknown: int
    skipped: int


class WireMigration(Wire):
    version: str
    name: str
    state: MigrationState


class WireMigrations(Wire):
    source: str | None
    readable: bool
    expected: tuple[WireMigration, ...]


class WireFix(Wire):
    available: bool = Field(description="something can be mended without a person's decision")
    href: str | None = Field(description="where the fix is, decisions included; null where nothing failed")


def _fix_summary(fix: Fix | WireFix) -> WireFix:
    if isinstance(fix, WireFix):
        return fix
    return WireFix(available=fix.available, href=FIX_PATH if fix.parts or fix.decisions else None)


class WireSchemaReport(Wire):
    """Whether the database conforms: false when an error failed, null when one is unknown, else true."""

    checked_at: datetime
    duration_ms: int
    conformant: bool | None
    database: WireDatabase
    contract: WireContract
    summary: WireSummary
    migrations: WireMigrations
    checks: tuple[WireCheck, ...]
    fix: Annotated[WireFix, BeforeValidator(_fix_summary)]


class WireSchemaResponse(WireSchemaReport):
    """The report, and how it came to this caller."""

    ok: Literal[True]
    request_id: str | None
    cached: bool


def schema_report_json(report: SchemaReport) -> bytes:
    """The report as a JSON object, without the parts that differ from answer to answer; see `enveloped`."""
    return WireSchemaReport.model_validate(report).model_dump_json(by_alias=True).encode()


def enveloped(report: bytes, *, request_id: str | None, cached: bool) -> bytes:
    """One answer: a rendered report with `ok`, `requestId` and `cached` put in front of its members."""
    head = to_json({"ok": True, "requestId": request_id, "cached": cached})
    return head[:-1] + b"," + report[1:]
