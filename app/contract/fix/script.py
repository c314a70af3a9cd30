"""A part of a fix as a migration file: a header, the statements, and at the end what a person must decide."""

import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime

from app.contract.fix.model import PARTS, Fix, Hazard, Part
from app.contract.fix.sql import comment

WIDTH = 116


def script(fix: Fix, part: Part, *, checked_at: datetime, schema: str) -> str:
    """The text of one part. It can be run again, by psql as well as by the Supabase CLI."""
    sections = [
        *_header(fix, part, checked_at, schema),
        *(
            "\n".join(
                [_listed(f"{number}. ", [statement.about]), *_about(statement.mends, statement.hazards), statement.sql]
            )
            for number, statement in enumerate(part.statements, 1)
        ),
        *(_decisions(fix) if part.number == fix.parts[-1].number else []),
    ]
    return "\n\n".join(sections) + "\n"


def decisions_script(fix: Fix, *, checked_at: datetime, schema: str) -> str:
    """The same where nothing can be mended without a person: comments alone."""
    head = f"A fix of schema {schema}, as it was at {checked_at:%Y-%m-%d %H:%M:%S} UTC. It has no statement to run."
    head += "" if fix.decisions else " Nothing failed; what could not be checked is not planned for."
    return "\n\n".join([comment(_wrapped(head)), *_hazards(fix.hazards), *_decisions(fix)]) + "\n"


def _header(fix: Fix, part: Part, checked_at: datetime, schema: str) -> Iterator[str]:
    yield comment(
        f"{part.file}\n"
        + _wrapped(
            f"Part {part.number} of {len(fix.parts)} of a fix of schema {schema}, as it was at"
            f" {checked_at:%Y-%m-%d %H:%M:%S} UTC. Read it before you apply it; nothing has been changed yet. Every"
            " statement looks before it acts, and may be run again. Apply it as the owner of the tables: supabase db"
            " push, or psql -v ON_ERROR_STOP=1 -f. Part 2 may follow part 1 at once. Then: runner-diagnostics check."
        )
    )
    mends = [key for statement in part.statements for key in statement.mends if key in fix.mends]
    if mends:
        then = " once both parts are applied" if len(fix.parts) == len(PARTS) else ""
        yield "\n".join([comment(f"It mends{then}:"), _listed("  ", mends)])
    if fix.leaves:
        yield "\n".join(
            [
                comment("It does not mend, for a person must decide (see the end of the last part):"),
                _listed("  ", sorted(fix.leaves)),
            ]
        )
    if part.number == fix.parts[0].number:
        yield from _hazards(fix.hazards)


def _hazards(hazards: Iterable[Hazard]) -> list[str]:
    lines = [_listed("Hazard: ", [hazard.message]) for hazard in hazards]
    return ["\n".join(lines)] if lines else []


def _about(mends: tuple[str, ...], hazards: tuple[Hazard, ...]) -> Iterator[str]:
    if mends:
        yield _listed("   Mends: ", [", ".join(mends)])
    yield from (_listed("   Hazard: ", [hazard.message]) for hazard in hazards)


def _decisions(fix: Fix) -> list[str]:
    if not fix.decisions:
        return []
    sections = [comment("What a person must decide:")]
    for number, decision in enumerate(fix.decisions, 1):
        lines = [_listed(f"{number}. ", [decision.why])]
        if decision.leaves:
            lines.append(_listed("   Leaves: ", [", ".join(decision.leaves)]))
        if decision.proposal is not None:
            lines.append(comment("   To start from:"))
            lines.append(comment("\n".join(f"   {line}" for line in decision.proposal.split("\n"))))
        sections.append("\n".join(lines))
    return sections


def _listed(label: str, texts: Iterable[str]) -> str:
    """Each text behind a label, its later lines below its first."""
    return "\n".join(comment(_wrapped(text.replace("\n", "\\n"), label, " " * len(label))) for text in texts)


def _wrapped(text: str, first: str = "", later: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
