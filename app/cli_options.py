"""Options that several commands take."""

from typing import Annotated

import typer

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        help="The database to look at, instead of DATABASE_URL. It shows in the process list; the variable does not.",
        show_default=False,
    ),
]
