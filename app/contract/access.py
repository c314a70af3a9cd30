"""What the contract says of policies, judged by what callers saw."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.contract.check import Expectation, Judgement, Outcome, Severity, failed, passed, skipped, unknown
from app.contract.identifiers import few_of, quote_identifier
from app.contract.model import ANONYMOUS as ANONYMOUS_ROLE
from app.contract.model import SelectPolicy, Table
from app.contract.observed import Caller, Detour, Observation, Relation, Sight


@dataclass(frozen=True, slots=True)
class Trial:
    """What is expected of some callers' views, and how they are judged together."""

    expected: str
    callers: tuple[Caller, ...]
    verdict: Callable[[list[Sight]], Outcome]


def _reading(sights: list[Sight]) -> Outcome:
    """One way in is enough. A way that could not be tried may be the one that is open."""
    if any(sight.complete for sight in sights):
        return Outcome.PASS
    return Outcome.UNKNOWN if any(sight.obstacle is not None for sight in sights) else Outcome.FAIL


def _kept_out(sights: list[Sight]) -> Outcome:
    """Nobody may see a row. A missing grant on the table keeps out for good; an error, only until it is mended."""
    if any(sight.visible or sight.surprises for sight in sights):
        return Outcome.FAIL
    if any(sight.obstacle is not None or (sight.refusal is not None and not sight.table_denied) for sight in sights):
        return Outcome.UNKNOWN
    return Outcome.PASS


OWNER = Trial("an owner reads their own rows", (Caller.OWNER,), _reading)
OTHER = Trial("nobody reads another user's rows", (Caller.OTHER, Caller.INVENTED), _kept_out)
ADMIN = Trial("an admin reads every row", (Caller.ADMIN_BY_PROFILE, Caller.ADMIN_BY_CLAIM), _reading)
ANONYMOUS = Trial("an anonymous visitor reads no row", (Caller.ANONYMOUS,), _kept_out)


def access_expectations(table: Table, policy: SelectPolicy) -> Iterator[Expectation]:
    """The `.policy.select` and `.access.*` checks of a table whose policy the contract states."""
    yield _policy(table, policy)
    yield _access(table, policy, "owner", OWNER)
    yield _access(table, policy, "other", OTHER, shut_to=policy.role)
    if policy.admins:
        yield _access(table, policy, "admin", ADMIN)
    yield _access(table, policy, "anonymous", ANONYMOUS, shut_to=ANONYMOUS_ROLE)


def promotion_expectation(profile_table: str) -> Expectation:
    """The check that users cannot make themselves admins."""

    def judge(observation: Observation) -> Judgement:
        promotion = observation.promotion
        if promotion is None:
            return passed("profiles make no admins", f"There is no {profile_table} that makes anyone an admin.")
        if promotion.obstacle is not None:
            return unknown(f"Whether users can make themselves admins cannot be told: {promotion.obstacle}.")
        if promotion.ways:
            ways = "; ".join(promotion.ways)
            return failed(
                ways,
                f"Users can make themselves admins: {ways}, and the policies of {profile_table} let them.",
                hint="Revoke the table's INSERT and UPDATE and grant them column by column, without the one that"
                " makes admins.",
            )
        return passed("nobody can", "No user can make themselves an admin.")

    return Expectation(
        f"{profile_table}.access.promote",
        profile_table,
        Severity.ERROR,
        "no user can make themselves an admin",
        judge,
    )


def _policy(table: Table, policy: SelectPolicy) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        governing = [found for found in observation.table(table.name).policies if found.governs(policy.role, "r")]
        permissive = [found.name for found in governing if found.permissive]
        if not permissive:
            return failed(
                "no such policy",
                f"No permissive SELECT policy of {table.name} applies to {policy.role}: under row security"
                " its members read nothing.",
            )
        names = ", ".join(map(quote_identifier, permissive))
        return passed(names, f"{names} lets {policy.role} read {table.name}.")

    return Expectation(
        key=f"{table.name}.policy.select",
        table=table.name,
        severity=Severity.ERROR,
        expected=f"a permissive SELECT policy for {policy.role}",
        judge=judge,
        requires=table.key,
    )


def _access(table: Table, policy: SelectPolicy, who: str, trial: Trial, *, shut_to: str | None = None) -> Expectation:
    """`shut_to` is the role that must not read the rows by another table's name either."""

    def judge(observation: Observation) -> Judgement:
        relation = observation.table(table.name)
        if not relation.primary_key:
            return skipped(f"{table.name}.primary_key")
        judgement = _by_sights(observation, table, trial)
        return judgement if shut_to is None else _beside_detours(judgement, relation, shut_to)

    return Expectation(
        key=f"{table.name}.access.{who}",
        table=table.name,
        severity=Severity.ERROR,
        expected=trial.expected,
        judge=judge,
        requires=f"{table.name}.column.{policy.owner_column}.present",
    )


def _by_sights(observation: Observation, table: Table, trial: Trial) -> Judgement:
    seen = [access for access in observation.access if access.table == table.name]
    sights = [sight for access in seen for sight in access.sights if sight.caller in trial.callers]
    if not sights:
        return unknown(f"Nobody's view of {table.name} was tried.")
    actual = ", ".join(f"{sight.caller}: {_seen(sight)}" for sight in sights)
    message = "; ".join(_spoken(sight) for sight in sights) + "."
    match trial.verdict(sights):
        case Outcome.PASS:
            return passed(actual, message)
        case Outcome.FAIL:
            return failed(actual, f"{message} {_policies(observation, table)}")
        case _:
            return unknown(message)


def _beside_detours(judgement: Judgement, relation: Relation, role: str) -> Judgement:
    """A query asks for rights on the table that it names, and for its policies, alone (Postgres, "Inheritance")."""
    if unguarded := relation.detours_of(role, row_security=False):
        past = f"{role} reads rows of {relation.name} by way of {named(unguarded)}, where row security is off."
        return failed(f"by way of {named(unguarded)}", f"{past} Of {relation.name} itself: {judgement.message}")
    guarded = relation.detours_of(role, row_security=True)
    if guarded and judgement.outcome is Outcome.PASS:
        return unknown(f"{judgement.message} What the policies of {named(guarded)} show of its rows was not tried.")
    return judgement


def named(detours: Sequence[Detour]) -> str:
    return few_of([detour.in_sql for detour in detours])


def _seen(sight: Sight) -> str:
    if sight.obstacle is not None:
        return "not tried"
    if sight.table_denied:
        return "no SELECT"
    if sight.refusal is not None:
        return f"error {sight.refusal.sqlstate}"
    rows = f"{sight.visible} of {sight.tried} rows"
    return f"{rows}, {_imagined(sight)}" if sight.surprises else rows


def _spoken(sight: Sight) -> str:
    if sight.obstacle is not None:
        return f"{sight.caller} could not be tried ({sight.obstacle})"
    if sight.table_denied:
        return f"{sight.caller} has no SELECT on the table"
    if sight.refusal is not None:
        return f"{sight.caller} gets an error ({sight.refusal})"
    what = f"{sight.visible} of {sight.tried}"
    seen = f"would see {what} rows that could be there" if sight.evaluated else f"sees {what} sampled rows"
    factor = ", with a second factor (aal2)" if sight.second_factor else ""
    rare = f", and {_imagined(sight)}" if sight.surprises else ""
    return f"{sight.caller} {seen}{factor}{rare}"


def _imagined(sight: Sight) -> str:
    verb = "would see" if sight.visible == 0 else "would not see"
    return f"{verb} them with {' or '.join(sight.surprises)}"


def _policies(observation: Observation, table: Table) -> str:
    """The policies that could be at fault, by name."""
    relation: Relation = observation.table(table.name)
    if not relation.row_security:
        return "Row security is off."
    names = [policy.name for policy in relation.policies if policy.command in ("r", "*")]
    return f"Policies involved: {', '.join(map(quote_identifier, names))}." if names else "There is no SELECT policy."
