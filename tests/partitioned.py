"""A table of ticks partitioned by month, made by the SQL that docs/deployment.md shows."""

import re
from pathlib import Path

import sqlparse

from app.demo.database import OWNER
from tests.databases import Project
from tests.proof import OWN

_, PREPARING, PARTITIONING = re.findall(
    r"^```sql\n(.*?)^```$", (Path(__file__).parent.parent / "docs/deployment.md").read_text(), re.DOTALL | re.MULTILINE
)


async def partition(project: Project, now: str = "now()") -> None:
    """As a reader applies it; `now` is an expression for the time at which they do."""
    await project.execute(OWN)
    async with project.connect(OWNER) as connection:
        for command in sqlparse.split(PREPARING):
            await connection.execute(command.replace("now()", now))
        await connection.execute(PARTITIONING.replace("now()", now))
