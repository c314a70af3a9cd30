"""The fix as SQL and as JSON. Both are renderings of the plan in a report."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.contract.fix.model import HazardKind
from app.contract.fix.script import decisions_script, script
from app.diagnostics import SchemaReport
from app.render.json import Wire


class WireHazard(Wire):
    kind: HazardKind
    message: str


class WireStatement(Wire):
    number: int
    about: str
    mends: tuple[str, ...] = Field(description="keys of the checks that pass once all parts are applied")
    hazards: tuple[WireHazard, ...]
    sql: str


class WirePart(Wire):
    part: int
    file_name: str
    sql: str = Field(description="the whole file: header, statements and decisions")
    statements: tuple[WireStatement, ...]


class WireDecision(Wire):
    number: int
    leaves: tuple[str, ...] = Field(description="keys of the checks that stay as they are")
    why: str
    proposal: str | None = Field(description="SQL to start from; no part contains it but as a comment")


class WireFixReport(Wire):
    """A plan from what failed at `checkedAt`. Nothing of it has been run."""

    checked_at: datetime
    available: bool
    mends: tuple[str, ...]
    leaves: tuple[str, ...]
    hazards: tuple[WireHazard, ...]
    parts: tuple[WirePart, ...]
    decisions: tuple[WireDecision, ...]


class WireFixResponse(WireFixReport):
    """The plan, and how it came to this caller."""

    ok: Literal[True]
    request_id: str | None
    cached: bool


def fix_sql(report: SchemaReport, number: int) -> str | None:
    """The file of a part; None where the fix has no such part. Where there are only decisions, they are part 1."""
    part, schema = report.fix.part(number), report.database.schema
    if part is not None:
        return script(report.fix, part, checked_at=report.checked_at, schema=schema)
    if number == 1 and not report.fix.parts:
        return decisions_script(report.fix, checked_at=report.checked_at, schema=schema)
    return None


def fix_json(report: SchemaReport) -> bytes:
    """The plan as a JSON object, without the parts that differ from answer to answer; see `enveloped`."""
    fix = report.fix
    wire = WireFixReport(
        checked_at=report.checked_at,
        available=fix.available,
        mends=tuple(sorted(fix.mends)),
        leaves=tuple(sorted(fix.leaves)),
        hazards=tuple(map(WireHazard.model_validate, fix.hazards)),
        parts=tuple(
            WirePart(
                part=part.number,
                file_name=part.file,
                sql=script(fix, part, checked_at=report.checked_at, schema=report.database.schema),
                statements=tuple(
                    WireStatement(
                        number=number,
                        about=statement.about,
                        mends=statement.mends,
                        hazards=tuple(map(WireHazard.model_validate, statement.hazards)),
                        sql=statement.sql,
                    )
                    for number, statement in enumerate(part.statements, 1)
                ),
            )
            for part in fix.parts
        ),
        decisions=tuple(
            WireDecision(number=number, leaves=decision.leaves, why=decision.why, proposal=decision.proposal)
            for number, decision in enumerate(fix.decisions, 1)
        ),
    )
    return wire.model_dump_json(by_alias=True).encode()
