"""Random rows for the second opinion: mostly a runner at work, and every odd moment and stranger the rules speak of."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from uuid import UUID

from tests.runner.oracle import (
    DAY,
    HOUR,
    LEAD,
    MINUTE,
    SECOND,
    WINDOWS,
    Lock,
    Risk,
    Rows,
    Run,
    Tick,
    grace_of,
    period_of,
    slot_of,
)

USERS = tuple(UUID(int=(0xA << 124) + number) for number in range(6))
KNOWN = ("1m", "1m", "1m", "5m", "5m", "15m", "1h")
OTHERS = ("30s", "90s", "30m", "4h", "1d", "2w", "3d", "10h")
UNPARSABLE = ("", "5", "m", "1H", "0m", "1.5h", " 5m", "5m\n", "-5m", "٣m", "1mo", "🕔", "5 m", "+1h")
REASONS = ("cooldown", "lock_not_acquired", "platform_kill_switch", "user_paused: limit", "näh\x01\x1b[31m", "", None)
EDGES = (-1, 0, 1)


@dataclass(frozen=True)
class Shape:
    """What is special about a world."""

    runs: int
    others: float
    """The share of runs with a timeframe the runner does not know, a tenth of them unreadable."""
    silent_for: int
    """How long nobody has been ticked."""
    kept_for: int
    """The age at which ticks are deleted."""
    strangers: int
    """How many odd ticks there are: of a foreign user, without a run, from the future, at the edge of a window."""


@dataclass
class World:
    """Makes the rows of one world, as of a moment."""

    random: Random
    as_of: int
    shape: Shape

    def rows(self) -> Rows:
        runs = tuple(self._run() for _ in range(self.shape.runs))
        ticks = [tick for run in runs for tick in self._ticks(run)]
        runs = tuple(self._ran(run, ticks) for run in runs)
        if runs:
            ticks += [self._stranger(runs) for _ in range(self.shape.strangers)]
        kept = tuple(tick for tick in ticks if tick.at >= self.as_of - self.shape.kept_for)
        return Rows(runs, kept, tuple(self._locks(runs)), tuple(self._risks()))

    def _id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128))

    def _some(self, chance: float) -> bool:
        return self.random.random() < chance

    def _moment(self, period: int) -> int:
        """An odd one about now: at the edge of a slot, its lead or its grace, or anywhere in the last periods."""
        boundary = self.as_of // period * period - self.random.randrange(4) * period
        edges = (boundary, boundary - LEAD, boundary - grace_of(period), self.as_of, self.as_of - grace_of(period))
        edge = self.random.choice(edges) + self.random.choice(EDGES)
        return edge if self._some(0.5) else self.as_of - self.random.randrange(4 * period)

    def _run(self) -> Run:
        pool = KNOWN if not self._some(self.shape.others) else UNPARSABLE if self._some(0.2) else OTHERS
        timeframe = self.random.choice(pool)
        period = period_of(timeframe) or 5 * MINUTE
        created = self.as_of - 30 * DAY if self._some(0.8) else self._moment(period)
        updated = created if self._some(0.6) else self._moment(period) if self._some(0.9) else self.as_of + HOUR
        return Run(
            id=self._id(),
            user_id=self.random.choice(USERS[:-1]),
            symbol=self.random.choice(("BTC-USD", "ETH-USD")),
            timeframe=timeframe,
            status=self.random.choice(("active",) * 7 + ("draft", "paused", "paused", "stopped")),
            last_run_at=None,
            created_at=None if self._some(0.05) else created,
            updated_at=None if self._some(0.05) else updated,
        )

    def _ticks(self, run: Run) -> Iterator[Tick]:
        """A tick at most boundaries until some moment, by habit of one outcome for a while."""
        random, period = self.random, period_of(run.timeframe) or 5 * MINUTE
        if run.status == "draft" or self._some(0.05):
            return
        habit, gaps = random.choice(("ok", "ok", "mixed", "error", "blocked", "skipped")), random.choice((0, 0, 0.3))
        quiet = max(self.shape.silent_for, random.choice((0, 0, 0, 1, 2, 5, 60)) * period)
        boundary = slot_of(self.as_of, period)
        for back in range(random.choice((2, 5, 20, 70))):
            at = boundary - back * period
            if (at > self.as_of - quiet and quiet) or self._some(gaps):
                continue
            status = habit if back < random.choice((2, 4, 30)) else "ok"
            yield self._tick(run, min(self._in_slot(at, period), self.as_of + LEAD), status)
            if self._some(0.05):
                yield self._tick(run, self._in_slot(at, period), "mixed")

    def _in_slot(self, boundary: int, period: int) -> int:
        """Mostly when the runner ticks, as all others of this boundary; now and then at an edge of the slot."""
        if self._some(0.85):
            return boundary - (1 + boundary // MINUTE % 4) * SECOND
        return self.random.choice((boundary - LEAD, boundary, boundary - LEAD + period - 1, boundary + period // 2))

    def _tick(self, run: Run | None, at: int, status: str, user_id: UUID | None = None) -> Tick:
        random = self.random
        if status == "mixed":
            status = random.choice(("ok", "skipped", "blocked", "error"))
        took = random.choice((random.randrange(400), random.randrange(90_000), 0))
        finished = at + took * 1000 + random.randrange(1000) if self._some(0.9) else at - random.randrange(3 * SECOND)
        return Tick(
            id=self._id(),
            run_id=run.id if run else None,
            user_id=user_id or (run.user_id if run else random.choice(USERS)),
            at=at,
            finished_at=None if self._some(0.05) else finished,
            status=status,
            reason=random.choice(REASONS) if status != "ok" else None,
            signal=random.choice(("buy", "sell", "hold", "hold")) if status == "ok" else None,
            latency_ms=None if status == "skipped" else took,
        )

    def _ran(self, run: Run, ticks: list[Tick]) -> Run:
        """With `last_run_at` as the engine left it, or not: long before, while nothing was recorded, or ahead."""
        at = max(
            (t.finished_at or t.at for t in ticks if t.run_id == run.id and t.status in ("ok", "error")), default=0
        )
        if self._some(0.15):
            odd = self._moment(period_of(run.timeframe) or 5 * MINUTE)
            at = self.random.choice((0, odd, odd, self.as_of - 9 * DAY, self.as_of + HOUR))
        return Run(**{**vars(run), "last_run_at": at or None})

    def _stranger(self, runs: tuple[Run, ...]) -> Tick:
        random, run = self.random, self.random.choice(runs)
        edge = random.choice(EDGES)
        at = self.as_of - random.randrange(8 * DAY if self._some(0.5) else 2 * HOUR)
        kind = random.randrange(6)
        if kind == 0:
            return self._tick(run, self._moment(period_of(run.timeframe) or 5 * MINUTE), "mixed", USERS[-1])
        if kind == 1:
            return self._tick(None, at, "mixed")
        if kind == 2:
            at = self.as_of - random.choice(list(WINDOWS.values())) + edge
        if kind == 3:
            at = self.as_of + random.choice((0, LEAD)) + edge
        if kind == 4 and self._some(0.2):
            at = self.as_of + random.choice((LEAD + 1, HOUR, 365 * DAY))
        return self._tick(run, at, "mixed", USERS[-1] if self._some(0.1) else None)

    def _locks(self, runs: tuple[Run, ...]) -> Iterator[Lock]:
        random = self.random
        for run in runs:
            if not self._some(0.4):
                continue
            period = period_of(run.timeframe) or 5 * MINUTE
            held = random.choice((SECOND, max(2 * period, 10 * MINUTE) + random.choice(EDGES), 9 * DAY, -HOUR))
            until = self.as_of + random.choice((*EDGES, 2 * MINUTE, 2 * MINUTE, DAY, -DAY))
            yield Lock(run.id, random.choice(("runner-1", "runner-2\x1b[0m")), until, self.as_of - held)
        if self._some(0.2):
            yield Lock(self._id(), "nobody's", self.as_of + HOUR, self.as_of - random.choice((SECOND, HOUR)))

    def _risks(self) -> Iterator[Risk]:
        for user_id in USERS:
            for day in (-1, 0, 1):
                until = self.random.choice((None, None, *(self.as_of + edge for edge in EDGES), self.as_of + DAY))
                if self._some(0.5):
                    reason = self.random.choice(("daily loss limit", "by support", "x\x01", None))
                    yield Risk(user_id, self.as_of // DAY + day, self._some(0.5), reason, until)
