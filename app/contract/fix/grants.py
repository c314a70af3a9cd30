"""Mending grants. None of them lets a user write the column that makes admins."""

from collections.abc import Iterator

from app.contract.fix.model import Decision, Hazard, HazardKind, Statement, Step
from app.contract.fix.situation import Situation, Subject
from app.contract.fix.sql import block, identifiers, literal, stop, when
from app.contract.identifiers import quote_identifier
from app.contract.model import ANONYMOUS, AUTHENTICATED, Table
from app.contract.observed import Grants

GRANTS = Hazard(HazardKind.CHANGES_ACCESS, "Gives a role rights that it did not have.")
# Whoever calls the platform's API is one of these: what they get, everybody gets.
CALLERS = frozenset({ANONYMOUS, AUTHENTICATED})
CLUSTER_ROLES = ("role.assumable", "role.login", "role.bypasses_row_security")


def grants(subject: Subject) -> Iterator[Step]:
    """What the reading role lacks."""
    key, catalogue = f"role.privileges.{subject.name}", subject.situation.observation.catalogue
    role, schema = catalogue.reading_role, catalogue.schema
    if not subject.situation.failed(key) or role is None or schema is None:
        return
    is_service = role.name == subject.situation.contract.service_role.name
    wanted = subject.table.privileges if is_service else ("SELECT",)
    missing = [privilege.lower() for privilege in wanted if privilege not in subject.relation.privileges]
    to = f"to {quote_identifier(role.name)};"
    commands = [] if schema.usage else [f"grant usage on schema {quote_identifier(schema.name)} {to}"]
    if missing:
        commands.append(f"grant {', '.join(missing)} on table {subject.target.name} {to}")
    if role.name in CALLERS:
        why = f"The service reads as {role.name}, as any caller of the API does. Let DATABASE_ROLE be another role."
        yield Decision((key,), why)
        return
    about = f"Grant {role.name} what it needs of {subject.name}."
    commands.append(_arrived(subject, role.name, missing))
    yield Statement(1, (key,), about, "\n".join(commands), (GRANTS,))


def _arrived(subject: Subject, role: str, privileges: list[str]) -> str:
    """Postgres only warns when somebody grants what is not theirs to grant."""
    table, name = literal(subject.target.name), literal(role)
    lacking = [
        f"not pg_catalog.has_schema_privilege({name}, {literal(subject.situation.observation.schema)}, 'usage')",
        *(f"not pg_catalog.has_table_privilege({name}, {table}, {literal(privilege)})" for privilege in privileges),
    ]
    return block(
        when(
            " or\n  ".join(lacking),
            stop(f"{role} still lacks rights on {subject.name}: apply this as the owner of the table and its schema."),
        )
    )


def service_grants(situation: Situation, table: Table) -> Iterator[str]:
    """For a new table: what the service role needs, where there is one; and SELECT for another reading role."""
    service, reader = situation.contract.service_role.name, situation.observation.catalogue.reading_role
    needs = [(service, ", ".join(table.privileges).lower())] if table.privileges else []
    if reader is not None and reader.name != service and reader.name not in CALLERS:
        needs.append((reader.name, "select"))
    for role, privileges in needs:
        yield when(
            f"exists (select from pg_catalog.pg_roles as roles where roles.rolname = {literal(role)})",
            f"grant {privileges} on table {situation.target(table.name).name} to {quote_identifier(role)};",
        )


def promotion(situation: Situation) -> Iterator[Step]:
    """Users who can make themselves admins: their grants are proposed again, column by column, without the one."""
    profile_table = situation.admins.profile_table
    key = f"{profile_table}.access.promote"
    if profile_table is None or not situation.failed(key):
        return
    relation = situation.observation.catalogue.relation(profile_table)
    proposals = [
        command
        for granted in (relation.grants if relation is not None else ())
        for command in _without_promotion(situation, profile_table, granted)
    ]
    why = (
        f"Decide who may write {situation.admins.profile_column}. Taken away and granted column by column, the rest"
        " of a profile stays writable."
    )
    yield Decision((key,), why, "\n".join(proposals) or None)


def roles(situation: Situation) -> Iterator[Step]:
    """Roles belong to the cluster, and changing them takes more rights than a migration has."""
    for key in CLUSTER_ROLES:
        if situation.failed(key):
            check = situation.checks[key]
            proposal = check.hint if check.hint is not None and check.hint.endswith(";") else None
            yield Decision((key,), f"{check.message} An administrator of the cluster changes roles.", proposal)


def _without_promotion(situation: Situation, profile_table: str, granted: Grants) -> Iterator[str]:
    table, role = situation.target(profile_table).name, quote_identifier(granted.role)
    for command, writable in (("update", granted.updatable), ("insert", granted.insertable)):
        # Whoever may change an id can make an admin's profile their own.
        taken = {situation.admins.profile_column, *(("id",) if command == "update" else ())}
        kept = [column for column in writable if column not in taken]
        if len(kept) < len(writable):
            yield f"revoke {command} on table {table} from public, {role};"
            if kept:
                yield f"grant {command} ({identifiers(kept)}) on table {table} to {role};"
