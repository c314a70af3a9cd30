"""A folder that a kept cluster may lie in."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own folder, which only root may enter, while Postgres runs as another user."""
    folder = Path(tempfile.mkdtemp(prefix="runner-bench-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
