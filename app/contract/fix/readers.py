"""Who may read rows, as the conditions of policies that a fix could add. Each is tried before it is proposed."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.contract.fix.situation import AdminRule, free_name
from app.contract.fix.sql import Target, literals
from app.contract.identifiers import quote_identifier
from app.contract.model import SelectPolicy, Table
from app.contract.observed import Caller, Observation, Proposal, Relation

# The checks that say who reads a table.
ABOUT_ACCESS = ("policy.select", "row_security", "access.owner", "access.admin", "access.other", "access.anonymous")
UID = "(select auth.uid())"


@dataclass(frozen=True, slots=True)
class Reader:
    """Those of whom a check says that they read; one of the callers getting in is enough."""

    who: str
    in_words: str
    policy_name: str
    callers: tuple[Caller, ...]


OWNERS = Reader("owner", "owners", "runner_fix_owners_read", (Caller.OWNER,))
ADMINS = Reader("admin", "admins", "runner_fix_admins_read", (Caller.ADMIN_BY_PROFILE, Caller.ADMIN_BY_CLAIM))


def readers(policy: SelectPolicy) -> tuple[Reader, ...]:
    return (OWNERS, ADMINS) if policy.admins else (OWNERS,)


def candidates(observation: Observation, admins: AdminRule, table: Table, reader: Reader) -> Iterator[Proposal]:
    """The policies that could let a reader in, the best first. Whether one does is for a trial to tell."""
    policy, relation = table.select_policy, observation.catalogue.relation(table.name)
    if policy is None:
        return
    name = free_name(reader.policy_name, (found.name for found in relation.policies) if relation is not None else ())
    if reader is OWNERS:
        yield Proposal(table.name, name, by_owner(policy))
        return
    profiles = profile_relation(observation, admins)
    if profiles is not None:
        yield Proposal(table.name, name, by_profile(observation.schema, profiles, admins))
    yield Proposal(table.name, name, by_claim(admins))


def profile_relation(observation: Observation, admins: AdminRule) -> Relation | None:
    """The table of profiles, where it can tell who is an admin."""
    profiles = observation.catalogue.relation(admins.profile_table) if admins.profile_table is not None else None
    if profiles is None or any(profiles.column(name) is None for name in ("id", admins.profile_column)):
        return None
    return profiles


def by_owner(policy: SelectPolicy) -> str:
    return f"{UID} = {quote_identifier(policy.owner_column)}"


def by_profile(schema: str, profiles: Relation, admins: AdminRule) -> str:
    value = f"profile.{quote_identifier(admins.profile_column)}::text in ({literals(admins.values)})"
    return (
        "exists (\n"
        f"  select from {Target(schema, profiles.name).name} as profile\n"
        f"  where profile.id = {UID} and {value}\n"
        ")"
    )


def by_claim(admins: AdminRule) -> str:
    return f"(select auth.jwt()) #>> array[{literals(admins.claim)}] in ({literals(admins.values)})"
