"""Shutting the other names by which rows of a table are read, past its policies."""

from collections.abc import Sequence
from dataclasses import replace

from app.contract.access import named
from app.contract.fix.model import Decision
from app.contract.fix.situation import Subject
from app.contract.identifiers import quote_identifier
from app.contract.model import ANONYMOUS, SelectPolicy
from app.contract.observed import Detour

FOREIGN = "f"  # A foreign table has no row security.


def detours_of(subject: Subject, policy: SelectPolicy, who: str) -> tuple[Detour, ...]:
    """Those without row security, of the role that `access.<who>` is about."""
    role = ANONYMOUS if who == "anonymous" else policy.role
    return subject.relation.detours_of(role, row_security=False)


def past_policies(subject: Subject, who: str, detours: Sequence[Detour], leak: Decision | None) -> Decision:
    """One decision, with that about the table's own policies where they leak as well.

    The runner goes on as before: it uses the table's own name, for which row security of the others is not asked.
    """
    why = (
        f"Its policies do not count for who reads its rows by another name ({named(detours)}). With row security there"
        " it shows whoever does not bypass that what its own policies let them see, and nothing without any."
    )
    proposal = "\n".join(map(_shutting, detours))
    if leak is None:
        return Decision((subject.key(f"access.{who}"),), why, proposal)
    return replace(leak, why=f"{why} {leak.why}", proposal=f"{proposal}\n{leak.proposal or ''}".rstrip())


def _shutting(detour: Detour) -> str:
    if detour.kind == FOREIGN:
        return f"revoke select on table {detour.in_sql} from public, {quote_identifier(detour.role)};"
    return f"alter table {detour.in_sql} enable row level security;"
