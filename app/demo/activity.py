"""What the demo's runner does, and a day of it: pure, so that the day can be played in a moment.

Nothing here is random: what happens to a strategy at a boundary follows from the two, so that a demo differs from
another only by the hour in which it was started. `sql/5_activity.sql` makes the users and strategies named here.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
PERIODS = {"1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": 60 * MINUTE}
UNKNOWN_PERIOD = PERIODS["5m"]
ERRORS_UNTIL_PAUSED = 3

SERVED_EXCHANGES = ("bybit",)
"""Those that a runner is left for: whoever trades elsewhere is no longer ticked."""
SLOW_KEY = "order_book_replay"
NEWS_KEY = "news_sentiment"

_RUN, _USER = "20000000-0000-4000-8000-00000000{}", "00000000-0000-4000-8000-000000000{}"
SILENT_RUN = uuid.UUID(_RUN.format(1191))
SLOW_RUN = uuid.UUID(_RUN.format(1194))
STUBBORN_RUN = uuid.UUID(_RUN.format(1190))
"""Its owner switches it on again whenever the runner has paused it, and so its errors go on."""
GIVEN_UP_RUNS = (uuid.UUID(_RUN.format(1192)), uuid.UUID(_RUN.format(1193)))
"""Paused after three errors, and left so."""
ORPHANED_RUN = uuid.UUID(_RUN.format(1195))
PAUSED_USER = uuid.UUID(_USER.format(157))
PAUSED_REASON = "daily loss limit reached"

# Out of 256 ticks.
COOLDOWNS, ERRORS, BUYS, SELLS = 14, 1, 12, 12

# How long before the start of the demo.
SILENT_FOR = timedelta(hours=3)
PAUSED_FOR = timedelta(hours=6)
NEWS_DOWN_FOR = timedelta(minutes=40)
KILL_SWITCH_FROM, KILL_SWITCH_TO = timedelta(hours=9), timedelta(hours=8, minutes=45)
SWITCHED_ON_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Strategy:
    """A row of strategy_runs, as far as the runner looks at it."""

    id: uuid.UUID
    user_id: uuid.UUID
    exchange: str
    timeframe: str
    strategy_key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a tick ends, and how many milliseconds it takes by itself."""

    status: str
    reason: str | None
    signal: str | None
    milliseconds: int

    @property
    def engine_ran(self) -> bool:
        return self.status in ("ok", "error")

    @property
    def traded(self) -> bool:
        return self.signal in ("buy", "sell")


@dataclass(frozen=True, slots=True)
class Tick:
    """A row of strategy_tick_runs."""

    id: uuid.UUID
    strategy: Strategy
    scheduled_at: datetime
    ended_at: datetime
    outcome: Outcome

    @property
    def latency_ms(self) -> int | None:
        """From the start of the cycle; none where nothing was tried."""
        if self.outcome.status == "skipped":
            return None
        return (self.ended_at - self.scheduled_at) // timedelta(milliseconds=1)


@dataclass(slots=True)
class RunState:
    """What the runner has written into strategy_runs. `changed_at` is that of the status, None if it never changed."""

    status: str = "active"
    errors: int = 0
    changed_at: datetime | None = None
    last_run_at: datetime | None = None
    last_signal_at: datetime | None = None


@dataclass(slots=True)
class PastDay:
    """All that happened in the day before the demo: its ticks by the order in which they ended, and what they left."""

    ticks: list[Tick] = field(default_factory=list)
    states: dict[uuid.UUID, RunState] = field(default_factory=dict)


def cycle_start(boundary: datetime) -> datetime:
    """When the cycle for a boundary starts, which is the `scheduled_at` of all its ticks: 1 to 4.5 s before it."""
    return boundary - timedelta(microseconds=1_000_000 + int.from_bytes(_draw(boundary)[:4]) % 3_500_000)


def is_due(strategy: Strategy, boundary: datetime) -> bool:
    """Whether a candle of the strategy closes at the boundary. Candles are counted from the epoch."""
    period = PERIODS.get(strategy.timeframe, UNKNOWN_PERIOD)
    return int(boundary.timestamp()) % int(period.total_seconds()) == 0


def outcome(strategy: Strategy, boundary: datetime, *, blocked: str | None = None, news_down: bool = True) -> Outcome:
    """What becomes of a tick whose lock was acquired; `blocked` is why its user may not trade, None where they may."""
    draw = _draw(boundary, strategy)
    if blocked is not None:
        return Outcome("blocked", blocked, None, 1 + draw[0] % 3)
    if draw[0] < COOLDOWNS:
        return Outcome("skipped", "cooldown", None, 1)
    milliseconds = 4 + draw[1] % 16
    if strategy.strategy_key == SLOW_KEY:
        milliseconds = 4000 + 30 * draw[1]
    if strategy.strategy_key == NEWS_KEY and news_down:
        return Outcome("error", "news_unavailable: the feed answered with 503", None, milliseconds)
    if draw[2] < ERRORS:
        return Outcome("error", "exchange_unavailable: the connection was reset", None, milliseconds)
    signal = "buy" if draw[3] < BUYS else "sell" if draw[3] < BUYS + SELLS else "hold"
    return Outcome("ok", None, signal, milliseconds)


def last_boundary(now: datetime) -> datetime:
    """The newest whose cycle has started."""
    boundary = floor_to_minute(now) + MINUTE
    return boundary if cycle_start(boundary) <= now else boundary - MINUTE


def floor_to_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def past_day(strategies: Iterable[Strategy], now: datetime) -> PastDay:
    """The day before `now`, of strategies that were active when it began. `now` is in UTC."""
    runs = sorted(strategies, key=lambda strategy: strategy.id)
    day = PastDay(states={strategy.id: RunState() for strategy in runs})
    newest = last_boundary(now)
    boundary = floor_to_minute(now - DAY)
    while boundary < newest:
        boundary += MINUTE
        ended_at = cycle_start(boundary)
        for strategy in _ticked(runs, day, boundary, now):
            result = outcome(
                strategy,
                boundary,
                blocked=_blocked(strategy, boundary, now),
                news_down=boundary > now - NEWS_DOWN_FOR,
            )
            ended_at += timedelta(milliseconds=result.milliseconds)
            identifier = uuid.UUID(bytes=_draw(boundary, strategy), version=4)
            day.ticks.append(Tick(identifier, strategy, cycle_start(boundary), ended_at, result))
            _leave_behind(day.states[strategy.id], strategy, result, ended_at)
    return day


def _ticked(runs: Iterable[Strategy], day: PastDay, boundary: datetime, now: datetime) -> Iterator[Strategy]:
    for strategy in runs:
        served = strategy.exchange in SERVED_EXCHANGES or boundary <= now - SILENT_FOR
        if served and is_due(strategy, boundary) and day.states[strategy.id].status == "active":
            yield strategy


def _blocked(strategy: Strategy, boundary: datetime, now: datetime) -> str | None:
    if now - KILL_SWITCH_FROM < boundary <= now - KILL_SWITCH_TO:
        return "platform_kill_switch"
    if strategy.user_id == PAUSED_USER and boundary > now - PAUSED_FOR:
        return paused(PAUSED_REASON)
    return None


def paused(reason: str | None) -> str:
    """The reason of a tick whose user is paused for this one."""
    return f"user_paused: {reason or 'no reason given'}"


def _leave_behind(state: RunState, strategy: Strategy, result: Outcome, ended_at: datetime) -> None:
    """As `sql/runner_ran.sql` and `sql/runner_pause.sql` do it to a real row."""
    if not result.engine_ran:
        return
    state.last_run_at = ended_at
    if result.traded:
        state.last_signal_at = ended_at
    state.errors = state.errors + 1 if result.status == "error" else 0
    if state.errors >= ERRORS_UNTIL_PAUSED:
        state.errors, state.changed_at = 0, ended_at
        if strategy.id == STUBBORN_RUN:
            state.changed_at = ended_at + SWITCHED_ON_AFTER
        else:
            state.status = "paused"


def _draw(boundary: datetime, strategy: Strategy | None = None) -> bytes:
    """Sixteen bytes that look random and are always the same."""
    seed = int(boundary.astimezone(UTC).timestamp()).to_bytes(8) + (strategy.id.bytes if strategy else b"")
    return blake2b(seed, digest_size=16).digest()
