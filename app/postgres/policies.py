"""What policies decide: their conditions, joined as Postgres joins them, evaluated by Postgres."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from app.contract.model import AUTHENTICATED
from app.contract.observed import Policy, Proposal, Relation
from app.postgres.rehearsal import ObstacleError, Rehearsal
from app.postgres.statements import statement

ALWAYS, NEVER = "true", "false"


class PolicyReader:
    """Conditions of policies for one role and command, over tables of one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._conditions = statement("policy_conditions")

    async def select_condition(
        self,
        rehearsal: Rehearsal,
        relation: Relation,
        role: str,
        *,
        alone: str | None = None,
        beside: Proposal | None = None,
    ) -> str:
        """When a row is shown to a role: with `alone`, by that one of the permissive policies; with `beside`, by one
        more than there are.
        """
        conditions = {name: using for name, (using, _) in (await self._read(rehearsal, relation)).items()}
        kept = [policy for policy in relation.policies if alone in (None, policy.name) or not policy.permissive]
        if beside is not None:
            conditions[beside.name] = beside.condition
            kept.append(Policy(beside.name, permissive=True, command="r", applies_to=(AUTHENTICATED,)))
        return self._joined(msgspec.structs.replace(relation, policies=tuple(kept)), role, "r", conditions)

    async def write_conditions(
        self, rehearsal: Rehearsal, relation: Relation, role: str, command: str
    ) -> tuple[str, str]:
        """When a row may be changed by a command (w or a), and what it may become; USING is both where it is alone."""
        conditions = await self._read(rehearsal, relation)
        using = {name: using for name, (using, _) in conditions.items()}
        check = {name: check or using for name, (using, check) in conditions.items()}
        return self._joined(relation, role, command, using), self._joined(relation, role, command, check)

    async def decide(self, rehearsal: Rehearsal, relation: Relation, condition: str, row: Mapping[str, Any]) -> bool:
        """Evaluate a condition on a row given as a mapping, as whatever role the connection has."""
        query = statement(
            "policy_decision", {"schema": self._schema, "table": relation.name}, condition=f"({condition})"
        )
        return bool(await rehearsal.connection.fetchval(query, json.dumps(row)))

    async def _read(self, rehearsal: Rehearsal, relation: Relation) -> dict[str, tuple[str | None, str | None]]:
        rows = await rehearsal.connection.fetch(self._conditions, self._schema, relation.name)
        found = {row["name"]: (row["using_condition"], row["check_condition"]) for row in rows}
        if found.keys() != {policy.name for policy in relation.policies}:
            raise ObstacleError("the policies changed meanwhile")
        return found

    def _joined(self, relation: Relation, role: str, command: str, conditions: Mapping[str, str | None]) -> str:
        """Any permissive policy, and every restrictive one; without a permissive one, nothing (CREATE POLICY)."""
        if not relation.row_security:
            return ALWAYS
        governing = [policy for policy in relation.policies if policy.governs(role, command)]
        permissive = _each(conditions, (policy for policy in governing if policy.permissive))
        restrictive = _each(conditions, (policy for policy in governing if not policy.permissive))
        return " and ".join([f"({' or '.join(permissive) or NEVER})", *restrictive])


def _each(conditions: Mapping[str, str | None], policies: Iterable[Policy]) -> list[str]:
    return [f"({conditions[policy.name] or ALWAYS})" for policy in policies]
