"""What policies decide: their conditions, joined as Postgres joins them, evaluated by Postgres."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.contract.model import AUTHENTICATED
from app.contract.observed import Policy, Proposal, Relation
from app.postgres.pool import Connection
from app.postgres.rehearsal import ObstacleError, Rehearsal
from app.postgres.statements import statement

ALWAYS, NEVER = "true", "false"
WHOLE_ROW = re.compile(r"\.\*")
Claims: TypeAlias = Mapping[str, Any]
Document: TypeAlias = Mapping[str, Any]
# A role, None to stay as logged in, and its claims, None where it is no caller of the API.
Who: TypeAlias = tuple[str | None, Claims | None]


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a table's policies by their names, in the server's own text; None where there is none."""

    relation: Relation
    using: Mapping[str, str | None]
    check: Mapping[str, str | None]

    def select(self, role: str, *, beside: Proposal | None = None) -> list[str]:
        """When a row is shown to a role, and then what each policy says of it; with `beside`, there is one more."""
        policies, using = list(self.relation.policies), dict(self.using)
        if beside is not None:
            using[beside.name] = beside.condition
            policies.append(Policy(beside.name, permissive=True, command="r", applies_to=(AUTHENTICATED,)))
        governing = [] if self._is_above(role) else [policy for policy in policies if policy.governs(role, "r")]
        return [self._joined(policies, role, "r", using), *_each(using, governing)]

    def select_alone(self, role: str, name: str) -> str:
        """When a row would be shown to a role by one of the permissive policies."""
        policies = [policy for policy in self.relation.policies if policy.name == name or not policy.permissive]
        return self._joined(policies, role, "r", self.using)

    def write(self, role: str, command: str) -> tuple[str, str]:
        """When a row may be changed by a command (w or a), and what it may become; USING is both where it is alone."""
        check = {name: self.check[name] or using for name, using in self.using.items()}
        policies = self.relation.policies
        return self._joined(policies, role, command, self.using), self._joined(policies, role, command, check)

    def named(self, role: str, command: str) -> frozenset[str] | None:
        """The columns on which it depends what a role may do; None where it may be any of them."""
        if self._is_above(role):
            return frozenset()
        governing = [policy for policy in self.relation.policies if policy.governs(role, command)]
        texts = [self.using[policy.name] or "" for policy in governing] + [
            self.check[policy.name] or "" for policy in governing
        ]
        if any(WHOLE_ROW.search(text) for text in texts):
            return None
        return frozenset(column for policy in governing for column in policy.columns)

    def _joined(self, policies: Iterable[Policy], role: str, command: str, conditions: Mapping[str, str | None]) -> str:
        """Any permissive policy, and every restrictive one; without a permissive one, nothing (CREATE POLICY)."""
        if self._is_above(role):
            return ALWAYS
        governing = [policy for policy in policies if policy.governs(role, command)]
        permissive = _each(conditions, (policy for policy in governing if policy.permissive))
        restrictive = _each(conditions, (policy for policy in governing if not policy.permissive))
        return " and ".join([f"({' or '.join(permissive) or NEVER})", *restrictive])

    def _is_above(self, role: str) -> bool:
        return not self.relation.row_security or self.relation.granted(role).bypasses_row_security


class PolicyReader:
    """Policies of tables in one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._conditions = statement("policy_conditions")

    async def read(self, connection: Connection, relation: Relation) -> Conditions:
        """Read once for all who are tried. Raises ObstacleError when they are not those of the catalogue's reading."""
        rows = await connection.fetch(self._conditions, self._schema, relation.name)
        if {row["name"] for row in rows} != {policy.name for policy in relation.policies}:
            raise ObstacleError("the policies changed meanwhile")
        return Conditions(
            relation,
            {row["name"]: row["using_condition"] for row in rows},
            {row["name"]: row["check_condition"] for row in rows},
        )

    async def decide(
        self,
        rehearsal: Rehearsal,
        who: Who,
        relation: Relation,
        conditions: Sequence[str],
        rows: Sequence[Document],
    ) -> list[list[bool | None]]:
        """For each row what each condition comes to, as a role with claims. Only what is true lets anybody do a thing:
        null, as in SQL, is not known.
        """
        identifiers = {"schema": self._schema, "table": relation.name}
        query = statement("policy_decisions", identifiers, condition=", ".join(f"({one})" for one in conditions))
        found = await rehearsal.ask(*who, query, json.dumps(rows))
        return [list(results) for results in found["results"]]


def _each(conditions: Mapping[str, str | None], policies: Iterable[Policy]) -> list[str]:
    return [f"({conditions[policy.name] or ALWAYS})" for policy in policies]
