"""How cost grows with the ticks there are, and with the strategies that are active. Ten minutes or so.

Two tables of milliseconds, the median of the rounds, and of how many times the least the most is; drawn, too, as
`growth-ticks.svg` and `growth-strategies.svg`.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench.kept import LARGEST, SIZES, KeptTicks
from bench.kept_stage import KeptStage
from bench.load import LoadGenerator

ROUNDS = 5
WARM = 3  # requests a round
STATUS = "/api/runner/status?window="
# What is asked of a new process, then of one that has answered it before. No answer is reused: the cache is off.
ASKED = {
    "status of 1 h": f"{STATUS}1h",
    "status of 24 h": f"{STATUS}24h",
    "runs": "/api/runner/runs",
    "50 ticks": "/api/runner/tick-runs",
    "50 ticks of a reason": "/api/runner/tick-runs?reason=cooldown",
    "schema": "/api/runner/schema?refresh=true",
}
# Gives a new process its connections and its first imports, without reading what is measured after it.
BEFORE = "/api/runner/status?window=15m"
SWEEPS = {
    "ticks": ("hundred_thousand_ticks", "million_ticks", LARGEST),
    "strategies": ("hundred_strategies", "million_ticks", "ten_thousand_strategies"),
}
TITLES = {"ticks": "ticks of 1,000 strategies", "strategies": "active strategies with 1,000,000 ticks"}

# One for each of what is asked, apart from one another for the colour-blind, too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")

# By database: by what was asked, cold or again, the median in milliseconds.
Costs = Mapping[str, Mapping[str, float]]


def print_growth(costs: Costs, draw: Path | None) -> None:
    """Two tables, and as many drawings where there is a folder for them."""
    console = Console(width=200, highlight=False, markup=False)
    for sweep, databases in SWEEPS.items():
        console.print(_table(sweep, databases, costs))
        if draw is not None:
            draw.joinpath(f"growth-{sweep}.svg").write_bytes(_drawing(sweep, databases, costs))


async def measure_growth(ticks: KeptTicks, directory: Path) -> Costs:
    """In turns, so that what else the machine does falls on all of them."""
    databases = list(dict.fromkeys(database for sweep in SWEEPS.values() for database in sweep))
    load = LoadGenerator()
    rounds = []
    for _ in range(ROUNDS):
        costs = {}
        for database in databases:
            await ticks.bring_up_to_date(database)
            costs[database] = await _of_database(KeptStage.of(ticks, directory, database), load)
        rounds.append(costs)
    return {
        database: {name: statistics.median(costs[database][name] for costs in rounds) for name in rounds[0][database]}
        for database in databases
    }


async def _of_database(stage: KeptStage, load: LoadGenerator) -> dict[str, float]:
    costs = {}
    for name, path in ASKED.items():
        with stage.service(cache_ms=0) as service:
            await load.batch(service.port, stage.request(BEFORE), requests=1, callers=1)
            cold = await load.batch(service.port, stage.request(path), requests=1, callers=1)
            again = await load.batch(service.port, stage.request(path), requests=WARM, callers=1)
        costs[f"{name}, cold"] = cold * 1000
        costs[f"{name}, again"] = again / WARM * 1000
    return costs


def _number(sweep: str, database: str) -> int:
    return SIZES[database].ticks if sweep == "ticks" else SIZES[database].strategies


def _table(sweep: str, databases: Sequence[str], costs: Costs) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column(TITLES[sweep], no_wrap=True)
    for database in databases:
        table.add_column(f"{_number(sweep, database):,}", justify="right", no_wrap=True)
    table.add_column("growth", justify="right", no_wrap=True)
    for name in costs[databases[0]]:
        values = [costs[database][name] for database in databases]
        table.add_row(name, *(f"{value:,.1f} ms" for value in values), f"{values[-1] / values[0]:.1f}")
    return table


def _drawing(sweep: str, databases: Sequence[str], costs: Costs) -> bytes:
    """By powers of ten: what costs in proportion rises as steeply as the numbers beside it."""
    # Imported, it leaves a finder behind of a kind that Python warns of at every import from then on.
    import pygal  # noqa: PLC0415
    from pygal.style import Style  # noqa: PLC0415

    chart = pygal.Line(
        title=f"Milliseconds by {TITLES[sweep]}",
        logarithmic=True,
        width=820,
        height=420,
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        show_minor_y_labels=False,
        pretty_print=True,
        js=(),
        style=Style(
            background="#ffffff",
            plot_background="#ffffff",
            font_family="sans-serif",
            colors=tuple(colour for colour in COLOURS for _ in ("cold", "again")),
        ),
    )
    chart.x_labels = [f"{_number(sweep, database):,}" for database in databases]
    for name in costs[databases[0]]:
        dashes = {} if name.endswith("cold") else {"dasharray": "4, 4"}
        chart.add(name, [costs[database][name] for database in databases], stroke_style=dashes)
    drawn: bytes = chart.render()
    return drawn
