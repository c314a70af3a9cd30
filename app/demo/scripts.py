"""The SQL files of the demo."""

from importlib import resources


def script(folder: str, file: str) -> str:
    """The text of one of them, in `sql` or `migrations`."""
    return (resources.files("app.demo") / folder / file).read_text(encoding="utf-8")
