"""A table of ticks partitioned by month, made by the SQL that docs/deployment.md shows."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlparse

from app.demo.database import OWNER
from tests.databases import Project
from tests.proof import OWN

_, PREPARING, PARTITIONING = re.findall(
    r"^```sql\n(.*?)^```$", (Path(__file__).parent.parent / "docs/deployment.md").read_text(), re.DOTALL | re.MULTILINE
)


async def partition(project: Project) -> None:
    """As a reader applies it."""
    await project.execute(OWN)
    async with project.connect(OWNER) as connection:
        for command in sqlparse.split(PREPARING):
            await connection.execute(command)
        await connection.execute(PARTITIONING)


def border() -> datetime:
    """Where the first partition, of all that was there, ends and the second begins."""
    return (datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(
        day=1
    )
