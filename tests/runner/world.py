"""A small world for stories: runs, their ticks, and what a perfect reading of them would be."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.runner.figures import Window
from app.runner.grid import GridRow, runs_report
from app.runner.model import (
    Activity,
    Ahead,
    History,
    Lock,
    PausedUser,
    Reading,
    Run,
    Runs,
    Section,
    SectionResult,
    Thresholds,
    Tick,
    history_of,
)
from app.runner.report import StatusReport
from app.runner.served import WORD_BITS, ServedSlots, SlotWord
from app.runner.situation import Situation
from app.runner.status import status_report
from app.runner.timeframes import LEAD, slot_of

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC)
LONG_AGO = NOW - 30 * DAY
USER, STRANGER = UUID(int=1000), UUID(int=2000)
READ = SectionResult(1)
DEFAULTS = Thresholds()


def make_run(number: int = 1, timeframe: str | None = "1m", status: str = "active", **times: datetime | None) -> Run:
    given: dict[str, datetime | None] = {
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
        "last_run_at": None,
        **times,
    }
    return Run(UUID(int=number), USER, "BTC-USD", timeframe, status, **given)


def every(period: int, since: timedelta, until: timedelta = timedelta(), status: str = "ok") -> list[Tick]:
    """Ticks as the runner leaves them, 4 s before each boundary, from `since` ago to `until` ago."""
    first, last = NOW - since, NOW - until
    slot = slot_of(first, period) + 1
    ticks = []
    while (at := datetime.fromtimestamp(slot * period - 4, UTC)) <= last:
        ticks.append(Tick(at, status))
        slot += 1
    return ticks


@dataclass(frozen=True)
class World:
    """`ticks` are own ones; all times may lie anywhere."""

    runs: tuple[Run, ...]
    ticks: Mapping[UUID, Sequence[Tick]]
    locks: tuple[Lock, ...] = ()
    paused: tuple[UUID, ...] = ()
    foreign: Mapping[UUID, int] | None = None
    others_newest_at: datetime | None = None
    enabled: bool | None = None
    as_of: datetime = NOW
    broken: tuple[Section, ...] = ()
    thresholds: Thresholds = DEFAULTS

    def reading(self) -> Reading:
        horizon = self.thresholds.horizon([run for run in self.runs if run.status == "active"])
        seen = {
            run: [tick for tick in ticks if tick.scheduled_at <= self.as_of + LEAD] for run, ticks in self.ticks.items()
        }
        near = {
            run: [tick for tick in ticks if tick.scheduled_at > self.as_of - horizon] for run, ticks in seen.items()
        }
        ahead = sum(len(ticks) - len(seen[run]) for run, ticks in self.ticks.items())
        errors = {section: SectionResult(1, "it is locked.") for section in self.broken}
        return Reading(
            as_of=self.as_of,
            sections={**dict.fromkeys(Section, READ), **errors},
            runs=Runs(Counter(run.status for run in self.runs), self.runs),
            locks=self.locks,
            paused_users=None
            if Section.RISK in self.broken
            else tuple(PausedUser(user, "user_paused: limit") for user in self.paused),
            ahead=Ahead(ahead, ()),
            activity=None
            if Section.ACTIVITY in self.broken
            else Activity(
                histories=_histories(near),
                by_status=Counter(tick.status for ticks in near.values() for tick in ticks),
                foreign=self.foreign or {},
                others_newest_at=self.others_newest_at,
            ),
            stored=None if Section.STORED in self.broken else _histories(seen),
            slots={run.id: served_by(run, seen.get(run.id, ())) for run in self.runs},
        )

    @property
    def situation(self) -> Situation:
        return Situation.of(self.reading(), self.thresholds, enabled=self.enabled)

    def report(self, window: Window = Window.HOUR) -> StatusReport:
        return status_report(self.situation, window, duration_ms=1)

    def rows(self) -> tuple[GridRow, ...]:
        rows = runs_report(self.situation, duration_ms=1).runs
        assert rows is not None
        return rows

    def row(self, run: Run) -> GridRow:
        return next(row for row in self.rows() if row.strategy_run_id == run.id)

    def with_ticks(self, run: Run, ticks: Iterable[Tick]) -> "World":
        return replace(self, ticks={**self.ticks, run.id: [*self.ticks.get(run.id, ()), *ticks]})


RUN = make_run(last_run_at=NOW - 34 * SECOND)
HEALTHY = World((RUN,), {RUN.id: every(60, 2 * HOUR)})
QUIET = make_run(2, last_run_at=NOW - 2 * HOUR)
"""Not ticked for two hours, where no ticks are given."""


def rules(report: StatusReport) -> list[str]:
    return [reason.rule for reason in report.reasons]


def served_by(run: Run, ticks: Iterable[Tick]) -> ServedSlots:
    """As the database folds them."""
    found: dict[int, dict[str, int]] = {}
    for tick in ticks:
        word, bit = divmod(slot_of(tick.scheduled_at, run.period), WORD_BITS)
        bits = found.setdefault(word, Counter())
        bits["served"] |= 1 << bit
        bits[tick.status] |= 1 << bit
    return ServedSlots.of(
        SlotWord(word, bits["served"], bits["ok"], bits["blocked"], bits["error"])
        for word, bits in sorted(found.items())
    )


def _histories(ticks: Mapping[UUID, Sequence[Tick]]) -> dict[UUID, History]:
    return {run: history for run, some in ticks.items() if (history := history_of(some)) is not None}
