"""The measuring of growth, on databases that are hardly different, and the drawing of it."""

from pathlib import Path

import pytest
import uvloop

from bench import growth, kept
from bench.growth import measure_growth, print_growth
from bench.kept import LARGEST, Size, kept_ticks


def test_every_database_is_asked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"small": Size(10, 20), LARGEST: Size(10, 200)}
    monkeypatch.setattr(kept, "SIZES", sizes)
    monkeypatch.setattr(growth, "SIZES", sizes)
    monkeypatch.setattr(growth, "SWEEPS", {"ticks": tuple(sizes)})
    monkeypatch.setattr(growth, "ASKED", {"50 ticks": "/api/runner/tick-runs"})
    monkeypatch.setattr(growth, "ROUNDS", 1)
    with kept_ticks(folder) as ticks:
        costs = uvloop.run(measure_growth(ticks, tmp_path))
    asked = {"50 ticks, cold", "50 ticks, again"}
    assert {name: set(found) for name, found in costs.items()} == dict.fromkeys(sizes, asked)
    print_growth(costs, None)
    printed = capsys.readouterr().out
    assert "200 |" in printed
    assert "2,000 |" in printed
