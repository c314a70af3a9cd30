"""What the contract says of roles: who reads, past row security, and with which grants."""

from collections.abc import Iterator

from app.contract.check import Expectation, Judgement, Severity, failed, passed, skipped, unknown
from app.contract.identifiers import quote_identifier
from app.contract.model import Contract, Table
from app.contract.observed import Observation

ASSUMABLE = "role.assumable"


def role_expectations(contract: Contract, *, reading_role: str | None) -> Iterator[Expectation]:
    """The `role.*` checks. `reading_role` is the configured one; None stays as logged in."""
    yield _assumable(reading_role)
    yield _login()
    if contract.service_role.bypasses_row_security:
        yield _bypasses_row_security()
    for table in contract.tables:
        if table.privileges:
            yield _privileges(contract, table, reading_role)


def _assumable(reading_role: str | None) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        login = observation.catalogue.login.name
        if reading_role is None:
            return passed("no role to assume", f"Rows are read as the login {login} itself.")
        if observation.catalogue.reading_role is None:
            return failed(
                "no such role",
                f"There is no role {reading_role} in this cluster.",
                hint="Set DATABASE_ROLE to the role the runner's backend works as.",
            )
        if observation.assumption.possible is None:
            return unknown(f"Becoming {reading_role} could not be tried: {observation.assumption.obstacle}.")
        if not observation.assumption.possible:
            return failed(
                "refused",
                f"The login {login} may not become {reading_role}: {observation.assumption.obstacle}.",
                hint=f"GRANT {quote_identifier(reading_role)} TO {quote_identifier(login)};",
            )
        return passed("assumable", f"The login {login} can become {reading_role}.")

    expected = "no role to assume" if reading_role is None else f"the login can become {reading_role}"
    return Expectation(ASSUMABLE, None, Severity.ERROR, expected, judge)


def _login() -> Expectation:
    def judge(observation: Observation) -> Judgement:
        login = observation.catalogue.login
        if login.superuser:
            return failed(
                "superuser",
                f"The login {login.name} is a superuser: a leak of this service's password would be"
                " a leak of the whole cluster.",
                hint="Create a login of its own with nothing but membership in the reading role.",
            )
        return passed("not a superuser", f"The login {login.name} is not a superuser.")

    return Expectation("role.login", None, Severity.WARNING, "not a superuser", judge)


def _bypasses_row_security() -> Expectation:
    def judge(observation: Observation) -> Judgement:
        role = observation.catalogue.reading_role
        if role is None:
            return skipped(ASSUMABLE)
        if not role.bypasses_row_security:
            return failed(
                "subject to row security",
                f"{role.name} does not bypass row security: the runner sees only the rows its policies show it.",
                hint=f"ALTER ROLE {quote_identifier(role.name)} BYPASSRLS;",
            )
        return passed("bypasses row security", f"{role.name} bypasses row security.")

    return Expectation("role.bypasses_row_security", None, Severity.ERROR, "bypasses row security", judge)


def _privileges(contract: Contract, table: Table, reading_role: str | None) -> Expectation:
    wanted = table.privileges if reading_role == contract.service_role.name else ("SELECT",)

    def judge(observation: Observation) -> Judgement:
        role, schema = observation.catalogue.reading_role, observation.catalogue.schema
        relation = observation.catalogue.relation(table.name)
        if role is None:
            return skipped(ASSUMABLE)
        if schema is None or relation is None:
            return skipped(table.key)
        missing = [privilege for privilege in wanted if privilege not in relation.privileges]
        grants = []
        if not schema.usage:
            grants.append(f"GRANT USAGE ON SCHEMA {quote_identifier(schema.name)} TO {quote_identifier(role.name)};")
        if missing:
            name = f"{quote_identifier(schema.name)}.{quote_identifier(table.name)}"
            grants.append(f"GRANT {', '.join(missing)} ON {name} TO {quote_identifier(role.name)};")
        if not grants:
            return passed(", ".join(relation.privileges), f"{role.name} may {_spoken(wanted)} {table.name}.")
        lacks = ([] if schema.usage else [f"USAGE on schema {schema.name}"]) + list(missing)
        return failed(
            f"lacks {', '.join(lacks)}",
            f"{role.name} lacks {', '.join(lacks)}, which it needs for {table.name}.",
            hint=" ".join(grants),
        )

    return Expectation(
        key=f"role.privileges.{table.name}",
        table=table.name,
        severity=Severity.ERROR,
        expected=", ".join(wanted),
        judge=judge,
        requires=table.key,
    )


def _spoken(privileges: tuple[str, ...]) -> str:
    return ", ".join(privilege.lower() for privilege in privileges)
