"""The files of a fix: where `runner-diagnostics fix` writes them, and what it says of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.cli_output import fail, note, write

if TYPE_CHECKING:
    from app.diagnostics import SchemaReport


def write_fix(report: "SchemaReport", output: Path | None) -> None:
    """The files into a folder, and their paths to standard output; without a folder, their text.

    Decisions alone are no file: a migration of comments would do nothing, and be recorded all the same.
    """
    from app.render.fix import fix_sql

    files = [(part.file, fix_sql(report, part.number) or "") for part in report.fix.parts]
    if not files:
        if report.fix.decisions:
            write(fix_sql(report, 1) or "")
        note(_why_nothing(report, to_folder=output is not None))
    elif output is None:
        write("\n".join(sql for _, sql in files))
    else:
        _save(output, files)
        said = "1 file is" if len(files) == 1 else f"{len(files)} files are"
        note(f"{said} written. {_what_is_left(report)}Read before you apply.")


def _what_is_left(report: "SchemaReport") -> str:
    decisions = len(report.fix.decisions)
    return f"What you must decide ({decisions}) stands at the end of the last. " if decisions else ""


def _why_nothing(report: "SchemaReport", *, to_folder: bool) -> str:
    nothing = "Nothing was written" if to_folder else "There is no migration to write"
    if report.fix.decisions:
        return f"{nothing}: all that failed waits for a person's decision, which standard output explains."
    if report.summary.unknown:
        return f"{nothing}: nothing failed, but not all could be checked ({report.summary.unknown} unknown); see check."
    return f"{nothing}: there is nothing to mend."


def _save(folder: Path, files: list[tuple[str, str]]) -> None:
    """New files, in a folder that is made if need be; one that is there already is somebody's work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"{folder} cannot be made: {error.strerror}.")
    for name, text in files:
        path = folder / name
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}.")
        write(f"{path}\n")
