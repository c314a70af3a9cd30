"""Mending policies and row security: who reads rows. Nothing here shows more to an anonymous visitor."""

from collections.abc import Iterator, Sequence

from app.contract.fix.columns import SHORT_LOCK
from app.contract.fix.model import Decision, Hazard, HazardKind, Statement, Step
from app.contract.fix.situation import Situation, Subject, free_name
from app.contract.fix.sql import block, literal, literals, when
from app.contract.identifiers import quote_identifier
from app.contract.model import ANONYMOUS, SelectPolicy, Table
from app.contract.observed import Caller, Relation, Sight

OWNERS, ADMINS = "runner_fix_owners_read", "runner_fix_admins_read"
WIDENS = Hazard(HazardKind.CHANGES_ACCESS, "Shows callers of the platform's API rows that they could not read before.")
NARROWS = Hazard(
    HazardKind.CHANGES_ACCESS, "From then on whoever does not bypass row security sees only what a policy shows."
)
NO_FUNCTIONS = "There is no auth.uid() or auth.jwt() by which a policy could tell who is asking."
UID = "(select auth.uid())"
READERS = {
    "owner": (OWNERS, (Caller.OWNER,)),
    "admin": (ADMINS, (Caller.ADMIN_BY_PROFILE, Caller.ADMIN_BY_CLAIM)),
}
KEPT_OUT = {"other": (Caller.OTHER, Caller.INVENTED), "anonymous": (Caller.ANONYMOUS,)}


def policies(subject: Subject) -> Iterator[Step]:
    """Policies before row security, so that nobody is shut out in between."""
    policy, enables = subject.table.select_policy, subject.failed("row_security")
    checks = ("policy.select", "row_security", *(f"access.{who}" for who in (*READERS, *KEPT_OUT)))
    if policy is not None and subject.situation.open(*(subject.key(check) for check in checks)):
        readers = READERS if policy.admins else {"owner": READERS["owner"]}
        for who, (name, callers) in readers.items():
            yield from _reading(subject, policy, who, name, callers)
        for who, callers in KEPT_OUT.items():
            failed = subject.failed(f"access.{who}")
            if (failed or enables) and not (enables and _are_kept_out(subject, callers)):
                yield _leak(subject, who, callers)
    if enables:
        hidden = [f"access.{who}" for who, callers in KEPT_OUT.items() if _are_kept_out(subject, callers)]
        mends = (subject.key("row_security"), *subject.situation.open(*map(subject.key, hidden)))
        sql = block(f"alter table {subject.target.name} enable row level security;")
        yield Statement(1, mends, f"Enable row security on {subject.name}.", sql, (SHORT_LOCK, NARROWS))


def new_policies(situation: Situation, table: Table) -> tuple[list[str], list[Decision]]:
    """For a new table: the commands that let owners and admins read, and what stands in their way."""
    policy = table.select_policy
    if policy is None:
        return [], []
    commands, decisions = [], []
    for who, (name, _) in READERS.items():
        condition = _condition(situation, policy, who)
        if condition is not None:
            commands.append(_create(situation, table, policy, name, condition))
        elif who == "owner" or policy.admins:
            decisions.append(Decision((f"{table.name}.access.{who}",), NO_FUNCTIONS))
    return [*commands, _grant(situation, table, policy)], decisions


def _reading(subject: Subject, policy: SelectPolicy, who: str, name: str, callers: Sequence[Caller]) -> Iterator[Step]:
    """As the policies alone would have it: row security that is off and grants that lack hide what they decide."""
    situation, sights = subject.situation, subject.situation.surroundings.sights(subject.name)
    keys = [subject.key(f"access.{who}"), *([subject.key("policy.select")] if who == "owner" else [])]
    seen = [sights[caller] for caller in callers if caller in sights]
    granted = "SELECT" in subject.relation.granted(policy.role).privileges
    condition, obstacle = _condition(situation, policy, who), _obstacle(subject, policy, seen)
    if any(sight.visible for sight in seen):
        if not granted and situation.open(*keys):
            yield _granting(subject, policy, situation.open(*keys))
    elif obstacle is not None or condition is None:
        yield Decision(situation.open(*keys) or (keys[0],), obstacle or NO_FUNCTIONS)
    else:
        free = free_name(name, (found.name for found in subject.relation.policies))
        missing = (
            "not exists (\n"
            "  select from pg_catalog.pg_policy as policy\n"
            f"  where policy.polrelid = {subject.target.regclass} and policy.polname = {literal(free)}\n"
            ")"
        )
        sql = block(when(missing, _create(situation, subject.table, policy, free, condition)))
        about = f"Let {'owners' if who == 'owner' else 'admins'} read {subject.name}."
        yield Statement(1, situation.open(*keys), about, sql, (WIDENS, SHORT_LOCK))
        if not granted:
            yield _granting(subject, policy, ())


def _obstacle(subject: Subject, policy: SelectPolicy, seen: Sequence[Sight]) -> str | None:
    """Why one more permissive policy would not help, or could not be made; None where it would."""
    governing = [found for found in subject.relation.policies if found.governs(policy.role, "r")]
    owner = next(column for column in subject.table.columns if column.name == policy.owner_column)
    restrictive = ", ".join(quote_identifier(found.name) for found in governing if not found.permissive)
    raised = next((sight.refusal for sight in seen if sight.refusal is not None), None)
    unknown = next((sight.obstacle for sight in seen if sight.obstacle is not None), None)
    if not subject.situation.is_right(subject.name, owner.name, owner.type):
        return f"{owner.name} must be {owner.type} before a policy can compare it with the caller's id."
    if not seen:
        return "What the policies decide could not be tried; mend the primary key first."
    if raised is not None:
        names = ", ".join(quote_identifier(found.name) for found in governing)
        return f"A policy raises an error ({raised}), and would do so beside any other. Look at {names}."
    if restrictive:
        return f"A restrictive policy shuts them out, whatever others allow: {restrictive}."
    return f"What the policies decide could not be tried: {unknown}." if unknown is not None else None


def _leak(subject: Subject, who: str, callers: Sequence[Caller]) -> Decision:
    """Too much is shown: whether the policy is dropped or narrowed is for a person to say."""
    target = subject.target.name
    names = subject.situation.surroundings.leaking(subject.name, callers)
    proposals = [f"drop policy {quote_identifier(name)} on {target};" for name in names]
    if who == "anonymous":
        proposals.append(f"revoke select on table {target} from {quote_identifier(ANONYMOUS)};")
    listed = ", ".join(map(quote_identifier, names)) or "which one could not be told"
    why = f"A policy shows rows to people they do not belong to ({listed}). Narrow or drop it."
    return Decision((subject.key(f"access.{who}"),), why, "\n".join(proposals) or None)


def _are_kept_out(subject: Subject, callers: Sequence[Caller]) -> bool:
    """The policies, once they are in force, show these callers nothing."""
    sights = subject.situation.surroundings.sights(subject.name)
    seen = [sights[caller] for caller in callers if caller in sights]
    return bool(seen) and all(sight.visible == 0 and sight.obstacle is None and sight.refusal is None for sight in seen)


def _condition(situation: Situation, policy: SelectPolicy, who: str) -> str | None:
    """By whom a row may be read, in SQL; None where the database has no way to tell."""
    if who == "owner":
        known = situation.surroundings.user_function
        return f"{UID} = {quote_identifier(policy.owner_column)}" if known else None
    rule = situation.admins
    profiles = situation.observation.catalogue.relation(rule.profile_table) if rule.profile_table is not None else None
    if profiles is not None and situation.surroundings.user_function and _are_readable(situation, profiles, policy):
        value = f"profile.{quote_identifier(rule.profile_column)}::text in ({literals(rule.values)})"
        return (
            "exists (\n"
            f"  select from {situation.target(profiles.name).name} as profile\n"
            f"  where profile.id = {UID} and {value}\n"
            ")"
        )
    if situation.surroundings.token_function:
        return f"(select auth.jwt()) #>> array[{literals(rule.claim)}] in ({literals(rule.values)})"
    return None


def _are_readable(situation: Situation, profiles: Relation, policy: SelectPolicy) -> bool:
    """The subquery of a policy runs with the caller's rights: without them it would raise for everybody."""
    has_columns = all(profiles.column(name) is not None for name in ("id", situation.admins.profile_column))
    shown = not profiles.row_security or any(found.governs(policy.role, "r") for found in profiles.policies)
    return has_columns and shown and "SELECT" in profiles.granted(policy.role).privileges


def _create(situation: Situation, table: Table, policy: SelectPolicy, name: str, condition: str) -> str:
    target, role = situation.target(table.name).name, quote_identifier(policy.role)
    return f"create policy {quote_identifier(name)} on {target} for select to {role} using (\n{condition}\n);"


def _grant(situation: Situation, table: Table, policy: SelectPolicy) -> str:
    return f"grant select on table {situation.target(table.name).name} to {quote_identifier(policy.role)};"


def _granting(subject: Subject, policy: SelectPolicy, mends: tuple[str, ...]) -> Statement:
    about = f"Let {policy.role} select from {subject.name}; its policies say which rows."
    return Statement(1, mends, about, _grant(subject.situation, subject.table, policy), (WIDENS,))
