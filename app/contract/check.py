"""A check: one statement of the contract, put to one observation; and how a list of them is worked through."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.contract.identifiers import printable
from app.contract.model import Migration
from app.contract.observed import Observation


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a report. `table` is None where a check is about a role or the migrations."""

    key: str
    table: str | None
    severity: Severity
    outcome: Outcome
    expected: str
    actual: str | None
    message: str
    because: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an expectation found. A `severity` of None means the expectation's own."""

    outcome: Outcome
    actual: str | None
    message: str
    severity: Severity | None = None
    because: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """A check before it is made. `severity` is the highest it can reach, which it also has when it cannot be made.

    `requires` is the key of the one check without which this one has no meaning. `introduced_by` is the migration that
    brings the thing, for the hint.
    """

    key: str
    table: str | None
    severity: Severity
    expected: str
    judge: Callable[[Observation], Judgement]
    requires: str | None = None
    introduced_by: Migration | None = None


def passed(actual: str, message: str) -> Judgement:
    return Judgement(Outcome.PASS, actual, message)


def failed(actual: str | None, message: str, *, severity: Severity | None = None, hint: str | None = None) -> Judgement:
    return Judgement(Outcome.FAIL, actual, message, severity, hint=hint)


def unknown(message: str, *, hint: str | None = None) -> Judgement:
    return Judgement(Outcome.UNKNOWN, None, message, hint=hint)


def skipped(because: str) -> Judgement:
    return Judgement(Outcome.SKIPPED, None, f"Not checked: it depends on {because}, which failed.", because=because)


def make_checks(expectations: Iterable[Expectation], observation: Observation | None) -> tuple[Check, ...]:
    """Judge every expectation in order; without an observation all are unknown.

    The one place where one check waits on another: behind a failed check the next is skipped and names it, behind a
    skipped one it names the same root, and behind an unknown one nothing can be known either.
    """
    made: dict[str, Check] = {}
    for expectation in expectations:
        required = made.get(expectation.requires) if expectation.requires is not None else None
        made[expectation.key] = _check(expectation, _judgement(expectation, required, observation))
    return tuple(made.values())


def _judgement(expectation: Expectation, required: Check | None, observation: Observation | None) -> Judgement:
    if observation is None:
        return unknown("The catalogue kept changing while it was read, so nothing can be said; ask again.")
    if required is None or required.outcome is Outcome.PASS:
        return expectation.judge(observation)
    if required.outcome is Outcome.UNKNOWN:
        return unknown(f"It depends on {required.key}, which could not be checked.")
    return skipped(required.because or required.key)


def _check(expectation: Expectation, judgement: Judgement) -> Check:
    """Its words may repeat names out of the catalogue, which are hostile."""
    return Check(
        key=expectation.key,
        table=expectation.table,
        severity=judgement.severity or expectation.severity,
        outcome=judgement.outcome,
        expected=expectation.expected,
        actual=printable(judgement.actual) if judgement.actual is not None else None,
        message=printable(judgement.message),
        because=judgement.because,
        hint=printable(judgement.hint) if judgement.hint is not None else None,
    )
