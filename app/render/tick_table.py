"""Ticks as lines of a table: at most 79 columns on a terminal, everything in full elsewhere."""

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from app.contract.identifiers import printable
from app.postgres.ticks import TickPage
from app.render.text import STYLES
from app.render.ticks import missing_hint, page_lines

# Widths on a terminal, 79 in all with two spaces between them; elsewhere those of whole times and ids.
COLUMNS = {"SCHEDULED AT": 19, "STATUS": 7, "SIGNAL": 6, "LATENCY": 7, "RUN": 8, "REASON": 22}
FULL_COLUMNS = {**COLUMNS, "SCHEDULED AT": 32, "RUN": 36}
STATUS_STYLES = {**STYLES, "blocked": STYLES["warning"]}
SECONDS = len("2026-01-29T17:00:00")
RUN = 8  # Of a run's id, enough to tell runs apart.


class Row(msgspec.Struct):
    """What the table shows of a tick. Columns that the database has in another type than documented are shown too."""

    scheduled_at: str
    status: object = None
    signal: object = None
    latency_ms: object = None
    strategy_run_id: object = None
    reason: object = None


_row = msgspec.json.Decoder(Row)


def table_head(*, full: bool) -> Text:
    columns = FULL_COLUMNS if full else COLUMNS
    return Text("  ".join(f"{name:<{width}}" for name, width in columns.items()).rstrip() + "\n", "dim")


def table_row(line: str, *, full: bool) -> Text:
    """One tick. In full: times to the microsecond, whole ids and reasons."""
    row = _row.decode(line)
    time, run = row.scheduled_at, _shown(row.strategy_run_id)
    latency = "-" if row.latency_ms is None else f"{_shown(row.latency_ms)}ms"
    cells = [
        printable(time) if full else printable(time[:SECONDS]).replace("T", " "),
        _shown(row.status),
        _shown(row.signal),
        latency,
        run if full else run[:RUN],
        _shown(row.reason),
    ]
    widths = (FULL_COLUMNS if full else COLUMNS).values()
    text = Text()
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        fitting = cell if full or cell_len(cell) <= width else set_cell_size(cell, width - 1) + "…"
        last = place == len(cells) - 1
        padded = fitting if last else fitting + " " * max(0, width - cell_len(fitting)) + "  "
        text.append(padded, STATUS_STYLES.get(cell) if place == 1 else None)
    text.rstrip()
    return text.append("\n")


def page_text(page: TickPage, *, next_cursor: str | None) -> str:
    """A page in full, and how to get the next one."""
    text = table_head(full=True)
    for line in page_lines(page):
        text.append_text(table_row(line, full=True))
    if page.missing:
        text.append(f"\n{missing_hint(page.missing)}\n")
    if next_cursor is not None:
        text.append(f"\nMore with cursor={next_cursor}\n")
    return text.plain


def _shown(value: object) -> str:
    return "-" if value is None else printable(str(value))
