"""The use cases of the pulse: is the runner healthy, and how is each strategy doing."""

import time
from datetime import timedelta

from app.postgres.activity import ActivityReader, GridSlots
from app.postgres.pool import Database
from app.runner.figures import Window
from app.runner.grid import LONGEST_LOOKBACK, MOST_SLOTS, RunsReport, runs_report
from app.runner.model import Thresholds
from app.runner.report import StatusReport
from app.runner.situation import Situation
from app.runner.status import status_report, unreachable_report
from app.settings import Settings


class Pulse:
    """What this product says of a running runner, over one database."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._enabled = settings.enable_strategy_runner
        self.thresholds = thresholds(settings)
        self._reader = ActivityReader(database, settings, self.thresholds)

    async def status(self, window: Window) -> StatusReport:
        """Read, and judge. Raises DatabaseError when nothing could be read."""
        started = time.perf_counter()
        reading = await self._reader.read(window=window)
        situation = Situation.of(reading, self.thresholds, enabled=self._enabled)
        return status_report(situation, window, duration_ms=_milliseconds_since(started))

    async def runs(self) -> RunsReport:
        """Every active run with its slots. Raises DatabaseError when nothing could be read."""
        started = time.perf_counter()
        reading = await self._reader.read(grid=GridSlots(MOST_SLOTS, LONGEST_LOOKBACK))
        situation = Situation.of(reading, self.thresholds, enabled=self._enabled)
        return runs_report(situation, duration_ms=_milliseconds_since(started))

    def unreachable(self, detail: str, window: Window) -> StatusReport:
        """The report of a runner whose database is out of reach, which `status` cannot give."""
        return unreachable_report(detail, window, enabled=self._enabled, duration_ms=0)


def thresholds(settings: Settings) -> Thresholds:
    """The STATUS_... settings as what they mean."""
    return Thresholds(
        grace_min=timedelta(seconds=settings.status_grace_min_seconds),
        grace_share=settings.status_grace_share,
        grace_max=timedelta(seconds=settings.status_grace_max_seconds),
        horizon_periods=settings.status_horizon_periods,
        horizon_min=timedelta(seconds=settings.status_horizon_min_seconds),
        horizon_max=timedelta(seconds=settings.status_horizon_max_seconds),
        silence_periods=settings.status_silence_periods,
        error_streak=settings.status_error_streak,
        not_working_ticks=settings.status_not_working_ticks,
        error_rate=settings.status_error_rate,
        error_rate_ticks=settings.status_error_rate_ticks,
        lock_periods=settings.status_lock_periods,
        lock_min=timedelta(seconds=settings.status_lock_min_seconds),
    )


def _milliseconds_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
