"""Reports as Prometheus metrics. No label holds a user, a run, or any text that the database could make up."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

from app.contract.check import Outcome, Severity
from app.diagnostics import SchemaReport
from app.render.text import by_table
from app.runner.figures import Distribution
from app.runner.model import RUN_STATUSES, SIGNALS, TICK_STATUSES
from app.runner.report import LockFigures, RunFigures, StatusReport, TickFigures
from app.runner.verdict import RULES, Verdict

PREFIX = "runner_diagnostics_"
CONFORMANCE = {True: "conformant", False: "drift", None: "unknown"}
UNREACHABLE = "database_unreachable"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a scrape found. A report is None where it could not be read; ages are seconds since one last was."""

    database_up: bool
    schema: SchemaReport | None
    status: StatusReport | None
    schema_age: float
    status_age: float


def metrics(findings: Findings) -> Iterator[Metric]:
    """Gauges of what is known. What could not be read has no sample: a 0 would look like a fact."""
    schema, status = findings.schema, findings.status
    yield _gauge("database_up", "Whether the watched database gave an answer.", findings.database_up)
    yield _labelled(
        "report_age_seconds",
        "Seconds since a report was last read, or since the start of the process where none ever was.",
        "report",
        {"schema": findings.schema_age, "status": findings.status_age},
    )
    yield _labelled(
        "report_duration_seconds",
        "Seconds that reading and judging took.",
        "report",
        {
            name: report.duration_ms / 1000
            for name, report in (("schema", schema), ("status", status))
            if report is not None
        },
    )
    yield from _schema_metrics(schema)
    yield from _status_metrics(status)


def _schema_metrics(report: SchemaReport | None) -> Iterator[Metric]:
    state = CONFORMANCE[report.conformant if report is not None else None]
    yield _one_of("schema_conformance", "1 at what the schema is.", "state", CONFORMANCE.values(), state)
    if report is None:
        return
    # The tables are the contract's.
    failed = GaugeMetricFamily(
        PREFIX + "schema_failed_checks", "Failed checks of a table.", labels=("table", "severity")
    )
    unknown = GaugeMetricFamily(
        PREFIX + "schema_unknown_checks", "Checks of a table that could not be made.", labels=("table",)
    )
    for table, checks in by_table(report.checks).items():
        for severity in Severity:
            number = sum(check.outcome is Outcome.FAIL and check.severity is severity for check in checks)
            failed.add_metric((table, severity.value), number)
        unknown.add_metric((table,), sum(check.outcome is Outcome.UNKNOWN for check in checks))
    yield failed
    yield unknown


def _status_metrics(report: StatusReport | None) -> Iterator[Metric]:
    verdict = report.verdict if report is not None else Verdict.UNKNOWN
    yield _one_of("verdict", "1 at the verdict on the runner.", "verdict", Verdict, verdict)
    if report is None:
        return
    found = {reason.rule for reason in report.reasons}
    rules = (*(rule.__name__ for rule in RULES), UNREACHABLE)
    yield _labelled("rule", "Whether a rule is why.", "rule", {rule: rule in found for rule in rules})
    yield from _run_metrics(report.runs)
    yield _gauge(
        "window_seconds", "The length of the window in which ticks are counted.", report.window.length.total_seconds()
    )
    yield from _tick_metrics(report.ticks)
    yield from _lock_metrics(report.locks)
    if report.risk is not None:
        yield _gauge("paused_users", "Users paused by their risk state today.", report.risk.paused_users)
    if report.last_run_at is not None:
        yield _gauge(
            "last_tick_timestamp_seconds",
            "When the newest tick was scheduled, in Unix time.",
            report.last_run_at.timestamp(),
        )


def _run_metrics(runs: RunFigures) -> Iterator[Metric]:
    if runs.by_status is not None:
        yield _labelled("runs", "Runs by status.", "status", _bounded(runs.by_status, RUN_STATUSES))
    if runs.active is not None:
        states = {"onTime": runs.active.on_time, "late": runs.active.late, "overdue": runs.active.overdue}
        yield _labelled("active_runs", "Active runs by how they tick.", "state", states)


def _tick_metrics(ticks: TickFigures) -> Iterator[Metric]:
    if ticks.by_status is not None:
        by_status = _bounded(ticks.by_status, TICK_STATUSES)
        yield _labelled("window_ticks", "Ticks in the window by status.", "status", by_status)
    if ticks.by_signal is not None:
        by_signal = _bounded(ticks.by_signal, SIGNALS)
        yield _labelled("window_signals", "Ticks in the window by signal, of those with one.", "signal", by_signal)
    if ticks.error_rate is not None:
        yield _gauge("window_error_ratio", "error / (ok + error) in the window.", ticks.error_rate)
    if ticks.expected is not None and ticks.missed is not None:
        yield _gauge("window_expected_slots", "Slots of active runs that came due in the window.", ticks.expected)
        yield _gauge("window_missed_slots", "Those of them that no tick served.", ticks.missed)
    yield from _distribution("window_tick_latency_seconds", "Latency of ticks in the window.", ticks.latency_ms)
    yield from _distribution(
        "window_tick_finish_delay_seconds",
        "Delay between a tick's schedule and its end, in the window.",
        ticks.finish_delay_ms,
    )


def _lock_metrics(locks: LockFigures | None) -> Iterator[Metric]:
    if locks is not None:
        states = {
            "held": locks.held,
            "expired": locks.expired,
            "orphaned": locks.orphaned,
            "overlong": locks.overlong,
        }
        yield _labelled("locks", "Locks by state; orphaned and overlong ones are held, too.", "state", states)


def _distribution(name: str, about: str, found: Distribution | None) -> Iterator[Metric]:
    """Gauges, for a summary would have to know the sum; so `quantile`, which is a summary's label, is not theirs."""
    if found is not None:
        values = {"p50": found.p50, "p95": found.p95, "p99": found.p99, "max": found.max}
        seconds = {rank: value / 1000 for rank, value in values.items() if value is not None}
        yield _labelled(name, about, "percentile", seconds)


def _bounded(counts: Mapping[str, int], documented: Iterable[str]) -> dict[str, int]:
    """The documented values by name and all others together: a column may hold any text."""
    named = {name: counts.get(name, 0) for name in documented}
    return {**named, "other": sum(counts.values()) - sum(named.values())}


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, about, value=value)


def _labelled(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, about, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family


def _one_of(name: str, about: str, label: str, names: Iterable[str], chosen: str) -> Metric:
    """A sample for each name, so that an alert on a bad one has a series while all is well."""
    return _labelled(name, about, label, {name: name == chosen for name in names})
