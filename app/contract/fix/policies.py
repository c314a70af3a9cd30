"""Mending policies and row security: who reads rows. Nothing here shows more to an anonymous visitor."""

from collections.abc import Iterator, Sequence

from app.contract.fix.columns import SHORT_LOCK
from app.contract.fix.detours import detours_of, past_policies
from app.contract.fix.model import Decision, Hazard, HazardKind, Statement, Step
from app.contract.fix.readers import (
    ABOUT_ACCESS,
    OWNERS,
    Reader,
    by_claim,
    by_owner,
    by_profile,
    candidates,
    profile_relation,
    readers,
)
from app.contract.fix.situation import Situation, Subject
from app.contract.fix.sql import block, literal, when
from app.contract.identifiers import quote_identifier
from app.contract.model import ANONYMOUS, SelectPolicy, Table
from app.contract.observed import Access, Caller, Detour, Proposal, Relation, Sight

WIDENS = Hazard(HazardKind.CHANGES_ACCESS, "Shows callers of the platform's API rows that they could not read before.")
NARROWS = Hazard(
    HazardKind.CHANGES_ACCESS, "From then on whoever does not bypass row security sees only what a policy shows."
)
SHUTS_OUT = Hazard(
    HazardKind.CHANGES_ACCESS, "Shuts out owners or admins, until what is left to a person about them is settled."
)
NO_FUNCTIONS = "There is no auth.uid() or auth.jwt() by which a policy could tell who is asking."
OTHERS, VISITORS = (Caller.OTHER, Caller.INVENTED), (Caller.ANONYMOUS,)
KEPT_OUT = {"other": OTHERS, "anonymous": VISITORS}
LET_IN = ("access.owner", "access.admin")


def policies(subject: Subject) -> Iterator[Step]:
    """Policies before row security, so that nobody is shut out in between."""
    steps = tuple(_deciding(subject))
    yield from steps
    if subject.failed("row_security"):
        left = {key for step in steps if isinstance(step, Decision) for key in step.leaves}
        yield _enabling(subject, shuts_out=not left.isdisjoint(map(subject.key, LET_IN)))


def _deciding(subject: Subject) -> Iterator[Step]:
    policy = subject.table.select_policy
    about_access = subject.situation.open(*map(subject.key, ABOUT_ACCESS))
    untried = _why_untried(subject, policy) if policy is not None else None
    if untried is not None and (leaves := tuple(key for key in about_access if key != subject.key("row_security"))):
        yield Decision(leaves, untried)
    elif untried is None and policy is not None and about_access:
        yield from _reading(subject, policy)
        for who, callers in KEPT_OUT.items():
            detours = detours_of(subject, policy, who)
            leak = _leak(subject, who, callers) if _leaks(subject, who, callers, beside=detours) else None
            step = past_policies(subject, who, detours, leak) if detours else leak
            if step is not None:
                yield step


def _leaks(subject: Subject, who: str, callers: Sequence[Caller], *, beside: Sequence[Detour]) -> bool:
    """Whether policies of the table itself show too much: once they are in force, or as it was seen."""
    if subject.failed("row_security"):
        return not _are_kept_out(subject, callers)
    # With a detour the check has failed in any case.
    return _were_let_in(subject, callers) if beside else subject.failed(f"access.{who}")


def _why_untried(subject: Subject, policy: SelectPolicy) -> str | None:
    """Why nobody's view of the table says anything yet; None where it does."""
    owner = next(column for column in subject.table.columns if column.name == policy.owner_column)
    if not subject.situation.is_right(subject.name, owner.name, owner.type):
        return f"Whose a row is cannot be told before {owner.name} is there as {owner.type}, and filled."
    if not subject.situation.surroundings.sights(subject.name):
        return "What the policies decide could not be tried; mend the primary key first."
    return None


def shuts_out_the_runner(situation: Situation) -> str | None:
    """Why row security must not be enabled before something else is settled; None where it may be."""
    if not situation.failed("role.bypasses_row_security"):
        return None
    return f"Row security would hide every row from {situation.observation.wanted_role}, which does not bypass it."


def new_policies(situation: Situation, table: Table) -> tuple[list[str], list[Decision]]:
    """For a new table: the commands that let owners and admins read, and what stands in their way. There is no table
    yet on which they could be tried, so that only what cannot fail is made.
    """
    policy = table.select_policy
    if policy is None:
        return [], []
    commands, decisions = [], []
    for reader in readers(policy):
        condition = _new_condition(situation, policy, reader)
        if condition is not None:
            commands.append(_create(situation, policy, Proposal(table.name, reader.policy_name, condition)))
        else:
            decisions.append(Decision(_keys(table, reader), NO_FUNCTIONS))
    return [*commands, _grant(situation, table, policy)], decisions


def _reading(subject: Subject, policy: SelectPolicy) -> Iterator[Step]:
    """Policies for those who lack one, then one grant for all of them, which takes effect for everybody at once."""
    granted = "SELECT" in subject.relation.granted(policy.role).privileges
    waiting: list[str] = []
    for reader in readers(policy):
        step = _letting_in(subject, policy, reader, granted=granted)
        if step is not None:
            yield step
        if not isinstance(step, Decision):
            waiting += _keys(subject.table, reader)
    keys = subject.situation.open(*waiting)
    if granted or not keys:
        return
    if not _are_kept_out(subject, OTHERS):
        why = f"{policy.role} may not select, which is all that keeps users from the rows of others."
        yield Decision(keys, f"{why} Narrow the policies first.", _grant(subject.situation, subject.table, policy))
        return
    about = f"Let {policy.role} select from {subject.name}; its policies say which rows."
    yield Statement(1, keys, about, _grant(subject.situation, subject.table, policy), (WIDENS,))


def _letting_in(subject: Subject, policy: SelectPolicy, reader: Reader, *, granted: bool) -> Step | None:
    """As the policies alone would have it: row security that is off and grants that lack hide what they decide. None
    where they let the reader in already.
    """
    situation = subject.situation
    sights = situation.surroundings.sights(subject.name)
    keys = _keys(subject.table, reader)
    seen = [sights[caller] for caller in reader.callers if caller in sights]
    if _get_in(seen):
        return None
    obstacle = _obstacle(subject, policy, seen)
    if obstacle is not None:
        return Decision(situation.open(*keys) or keys[:1], obstacle)
    proposal = next((found for found in _candidates(subject, reader) if _works(subject, reader, found)), None)
    if proposal is None:
        return Decision(situation.open(*keys) or keys[:1], _why_none_works(subject, reader))
    missing = (
        "not exists (\n"
        "  select from pg_catalog.pg_policy as policy\n"
        f"  where policy.polrelid = {subject.target.regclass} and policy.polname = {literal(proposal.name)}\n"
        ")"
    )
    sql = block(when(missing, _create(situation, policy, proposal)))
    mends = situation.open(*keys) if granted else ()
    return Statement(1, mends, f"Let {reader.in_words} read {subject.name}.", sql, (WIDENS, SHORT_LOCK))


def _keys(table: Table, reader: Reader) -> tuple[str, ...]:
    """The checks that fail while a reader does not get in."""
    keys = (f"{table.name}.access.{reader.who}",)
    return (*keys, f"{table.name}.policy.select") if reader is OWNERS else keys


def _candidates(subject: Subject, reader: Reader) -> Iterator[Proposal]:
    situation = subject.situation
    return candidates(situation.observation, situation.admins, subject.table, reader)


def _works(subject: Subject, reader: Reader, proposal: Proposal) -> bool:
    """It was seen to let the reader in, and to show nobody else more than before."""
    trial, before = subject.situation.surroundings.trial(proposal), subject.situation.surroundings.sights(subject.name)
    if trial is None or _recurses(subject.situation, proposal):
        return False
    strangers = [sight for sight in _those_of(trial, (*OTHERS, *VISITORS)) if sight.caller in before]
    widened = any(sight.visible > before[sight.caller].visible for sight in strangers)
    return _get_in(_those_of(trial, reader.callers)) and not widened


def _those_of(trial: Access, callers: Sequence[Caller]) -> list[Sight]:
    """Without profiles nobody is an admin by profile."""
    return [sight for sight in trial.sights if sight.caller in callers]


def _recurses(situation: Situation, proposal: Proposal) -> bool:
    """The profiles' own policies read the table in question: a policy of it that reads profiles would go in circles,
    which Postgres refuses for everybody. A trial cannot show that, for it adds no policy.
    """
    profiles = profile_relation(situation.observation, situation.admins)
    if profiles is None or proposal.condition != by_profile(situation.observation.schema, profiles, situation.admins):
        return False
    around = situation.surroundings.around(profiles.name)
    return around is None or proposal.table in around.reaches


def _why_none_works(subject: Subject, reader: Reader) -> str:
    trials = [subject.situation.surroundings.trial(proposal) for proposal in _candidates(subject, reader)]
    raised = [_raised(trial, reader) for trial in trials if trial is not None]
    reason = next((refusal for refusal in raised if refusal is not None), None)
    tried = f"A policy for {reader.in_words} was tried, and let nobody in"
    return f"{tried}: {reason}." if reason is not None else f"{tried} whom it should."


def _raised(trial: Access, reader: Reader) -> str | None:
    reasons = [sight.refusal or sight.obstacle for sight in _those_of(trial, reader.callers)]
    return next((str(reason) for reason in reasons if reason is not None), None)


def _get_in(sights: Sequence[Sight]) -> bool:
    """One way in is enough, and shows every row that was tried."""
    return any(sight.visible == sight.tried > 0 for sight in sights)


def _obstacle(subject: Subject, policy: SelectPolicy, seen: Sequence[Sight]) -> str | None:
    """Why one more permissive policy would not help, or could not be made; None where it might."""
    governing = [found for found in subject.relation.policies if found.governs(policy.role, "r")]
    restrictive = ", ".join(quote_identifier(found.name) for found in governing if not found.permissive)
    raised = next((sight.refusal for sight in seen if sight.refusal is not None), None)
    unknown = next((sight.obstacle for sight in seen if sight.obstacle is not None), None)
    if raised is not None:
        names = ", ".join(quote_identifier(found.name) for found in governing)
        return f"A policy raises an error ({raised}), and would do so beside any other. Look at {names}."
    if restrictive:
        return f"A restrictive policy shuts them out, whatever others allow: {restrictive}."
    return f"What the policies decide could not be tried: {unknown}." if unknown is not None else None


def _were_let_in(subject: Subject, callers: Sequence[Caller]) -> bool:
    """As they were tried on the table itself."""
    tried = [access for access in subject.situation.observation.access if access.table == subject.name]
    sights = [sight for access in tried for sight in _those_of(access, callers)]
    return any(sight.visible or sight.surprises for sight in sights)


def _leak(subject: Subject, who: str, callers: Sequence[Caller]) -> Decision:
    """Too much is shown: whether the policy is dropped or narrowed is for a person to say."""
    target = subject.target.name
    names = subject.situation.surroundings.leaking(subject.name, callers)
    proposals = [f"drop policy {quote_identifier(name)} on {target};" for name in names]
    if who == "anonymous":
        # What PUBLIC may do, everybody may.
        proposals.append(f"revoke select on table {target} from public, {quote_identifier(ANONYMOUS)};")
    listed = ", ".join(map(quote_identifier, names)) or "which one could not be told"
    why = f"A policy shows rows to people they do not belong to ({listed}). Narrow or drop it."
    return Decision((subject.key(f"access.{who}"),), why, "\n".join(proposals) or None)


def _enabling(subject: Subject, *, shuts_out: bool) -> Step:
    command = f"alter table {subject.target.name} enable row level security;"
    obstacle = shuts_out_the_runner(subject.situation)
    if obstacle is not None:
        return Decision((subject.key("row_security"),), obstacle, command)
    hazards = (SHORT_LOCK, NARROWS, SHUTS_OUT) if shuts_out else (SHORT_LOCK, NARROWS)
    policy = subject.table.select_policy
    hidden = [
        f"access.{who}"
        for who, callers in KEPT_OUT.items()
        if _are_kept_out(subject, callers) and not (policy is not None and detours_of(subject, policy, who))
    ]
    mends = (subject.key("row_security"), *subject.situation.open(*map(subject.key, hidden)))
    return Statement(1, mends, f"Enable row security on {subject.name}.", block(command), hazards)


def _are_kept_out(subject: Subject, callers: Sequence[Caller]) -> bool:
    """The policies, once they are in force, show these callers nothing."""
    sights = subject.situation.surroundings.sights(subject.name)
    seen = [sights[caller] for caller in callers if caller in sights]
    return bool(seen) and all(sight.visible == 0 and sight.obstacle is None and sight.refusal is None for sight in seen)


def _new_condition(situation: Situation, policy: SelectPolicy, reader: Reader) -> str | None:
    """None where the database has no way to tell who is asking."""
    surroundings = situation.surroundings
    if reader is OWNERS:
        return by_owner(policy) if surroundings.user_function else None
    profiles = profile_relation(situation.observation, situation.admins)
    if profiles is not None and surroundings.user_function and _are_readable(profiles, policy):
        return by_profile(situation.observation.schema, profiles, situation.admins)
    return by_claim(situation.admins) if surroundings.token_function else None


def _are_readable(profiles: Relation, policy: SelectPolicy) -> bool:
    """The subquery of a policy runs with the caller's rights: without them it would raise for everybody."""
    shown = not profiles.row_security or any(found.governs(policy.role, "r") for found in profiles.policies)
    return shown and "SELECT" in profiles.granted(policy.role).privileges


def _create(situation: Situation, policy: SelectPolicy, proposal: Proposal) -> str:
    target, role = situation.target(proposal.table).name, quote_identifier(policy.role)
    name = quote_identifier(proposal.name)
    return f"create policy {name} on {target} for select to {role} using (\n{proposal.condition}\n);"


def _grant(situation: Situation, table: Table, policy: SelectPolicy) -> str:
    return f"grant select on table {situation.target(table.name).name} to {quote_identifier(policy.role)};"
