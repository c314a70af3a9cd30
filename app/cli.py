"""The command line: arguments in, exit codes out. Commands import what they need, so that `check` starts fast."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli_fix import write_fix
from app.cli_options import DatabaseUrl
from app.cli_output import examples, fail, progress, write, write_text
from app.cli_ticks import ticks
from app.errors import ConfigurationError, DatabaseTimeoutError, DatabaseUnavailableError, DiagnosticsError

if TYPE_CHECKING:
    from app.diagnostics import SchemaReport
    from app.runner.grid import RunsReport
    from app.runner.report import StatusReport
    from app.settings import Settings

cli = typer.Typer(
    name="runner-diagnostics",
    help="Verify that a Supabase Postgres has the schema the strategy runner expects, and see what is wrong.",
    epilog=examples(
        "runner-diagnostics demo          # try it, without a database of yours",
        "runner-diagnostics check         # is the schema right? (needs DATABASE_URL)",
        "runner-diagnostics status        # does the runner tick, and who does not?",
        "runner-diagnostics ticks --follow --status error   # errors as they happen",
        "runner-diagnostics --install-completion            # the shell completes it",
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@cli.command(
    epilog=examples(
        "runner-diagnostics check",
        "runner-diagnostics check --format json | jq .summary",
        "runner-diagnostics check --format junit > schema.xml",
    )
)
def check(
    database_url: DatabaseUrl = None,
    output_format: Annotated[
        Literal["text", "json", "junit", "github", "sarif"],
        typer.Option("--format", help="text for people; the others for programs, the last three for CI."),
    ] = "text",
) -> None:
    """Compare the database with what the runner expects.

    Exit code 0: it conforms. 1: it does not. 2: it could not be told, or the database was out of reach.
    """
    from app.render.text import exit_code, schema_report_text
    from app.settings import load_settings

    settings = load_settings(database_url=database_url)
    report = asyncio.run(_check(settings))
    if output_format == "text":
        write_text(schema_report_text(report))
    else:
        write(_rendered(report, output_format))
    raise typer.Exit(exit_code(report.conformant))


def _rendered(report: "SchemaReport", output_format: Literal["json", "junit", "github", "sarif"]) -> str:
    if output_format == "json":
        from app.render.json import enveloped, schema_report_json

        return enveloped(schema_report_json(report), request_id=None, cached=False).decode() + "\n"
    from app.render.github import github_commands
    from app.render.junit import junit_xml
    from app.render.sarif import sarif_json

    return {"junit": junit_xml, "github": github_commands, "sarif": sarif_json}[output_format](report)


@cli.command(
    epilog=examples(
        "runner-diagnostics fix | less",
        "runner-diagnostics fix --output supabase/migrations",
    )
)
def fix(
    output: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the migration files, made if need be; without it they are printed.", show_default=False
        ),
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write a migration that mends what `check` finds, for you to review. Nothing is run.

    Exit codes as those of `check`: 0 where there is nothing to mend.
    """
    from app.render.text import exit_code
    from app.settings import load_settings

    report = asyncio.run(_check(load_settings(database_url=database_url)))
    write_fix(report, output)
    raise typer.Exit(exit_code(report.conformant))


@cli.command(
    epilog=examples(
        "runner-diagnostics status --window 24h",
        "runner-diagnostics status --all",
        "runner-diagnostics status --format json | jq .reasons",
    )
)
def status(
    database_url: DatabaseUrl = None,
    window: Annotated[
        Literal["15m", "1h", "6h", "24h", "7d"], typer.Option(help="The time that figures are of.")
    ] = "1h",
    output_format: Annotated[Literal["text", "json"], typer.Option("--format")] = "text",
    everything: Annotated[bool, typer.Option("--all", help="Show the strategies that are on time, too.")] = False,
) -> None:
    """Tell whether the runner ticks as it should, and which strategies do not.

    Exit code 0: it does. 1: it is degraded or down. 2: it could not be told, or the database was out of reach.
    """
    from app.render.status_text import status_exit_code, status_text
    from app.settings import load_settings

    settings = load_settings(database_url=database_url)
    report, runs = asyncio.run(_status(settings, window, with_runs=output_format == "text"))
    if output_format == "json":
        from app.render.json import enveloped
        from app.render.status_json import status_report_json

        write(enveloped(status_report_json(report), request_id=None, cached=False).decode() + "\n")
    else:
        write_text(status_text(report, runs, error_streak=settings.status_error_streak, everything=everything))
    raise typer.Exit(status_exit_code(report.verdict))


cli.command(
    epilog=examples(
        "runner-diagnostics ticks --status error --status blocked --follow",
        "runner-diagnostics ticks --since 2026-11-25T09:00 --reason user_paused",
        "runner-diagnostics ticks --format json --limit 1000 | jq .latency_ms",
    )
)(ticks)


@cli.command(epilog=examples("runner-diagnostics serve --host 0.0.0.0 --port 8000 --workers 2"))
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes; each has its own pool.", min=1, max=64)] = 1,
) -> None:
    """Serve the HTTP interface. All settings come from the environment or `.env`."""
    from app.cli_serve import run_service

    run_service(host=host, port=port, workers=workers)


@cli.command(epilog=examples("runner-diagnostics demo --drift two-migrations --port 8001"))
def demo(
    port: Annotated[int, typer.Option(help="The port to serve on.", min=1, max=65535)] = 8000,
    drift: Annotated[
        str | None,
        typer.Option(
            help="Start with a database that is wrong: two-migrations, policy-recurses, policy-leaks,"
            " policy-locks-out or self-promotion."
        ),
    ] = None,
) -> None:
    """Serve with a database of its own that is thrown away: nothing to set up, nothing to break."""
    try:
        from app.demo.run import run_demo
    except ModuleNotFoundError as error:
        fail(f"The demo needs the package {error.name}: pip install 'runner-diagnostics[demo]'.")
    run_demo(port=port, drift=drift)


@cli.command(epilog=examples("runner-diagnostics contract > my.toml", "runner-diagnostics contract my.toml"))
def contract(
    file: Annotated[Path | None, typer.Argument(help="A contract file to look at, instead of RUNNER_CONTRACT.")] = None,
) -> None:
    """Print the contract in force, after checking it."""
    from app.contract.load import contract_text, load_contract
    from app.settings import load_contract_path

    path = file or load_contract_path()
    load_contract(path)
    write(contract_text(path))


def main() -> None:
    """The console script. Every error is one line on standard error and exit code 2: 1 would mean drift."""
    try:
        cli()
    except DiagnosticsError as error:
        fail(_told(error))
    except Exception as error:  # noqa: BLE001 - the outermost edge
        # Its words are left out: nobody foresaw what they may repeat.
        fail(f"This is a fault of the program: {type(error).__name__}.")


def _told(error: DiagnosticsError) -> str:
    """An error's words and the next step, as sentences."""
    words, step = str(error), next_step(error)
    return f"{words}{'' if words.endswith('.') else '.'} {step}" if step else words


def next_step(error: DiagnosticsError) -> str:
    """What to do about an error, for those whose words do not say it."""
    if isinstance(error, DatabaseTimeoutError):
        return "Try again; DATABASE_TIMEOUT_MS allows it more."
    if isinstance(error, DatabaseUnavailableError):
        return "Is DATABASE_URL that of the database you mean, and is it up?"
    if isinstance(error, ConfigurationError) and "DATABASE_URL" in str(error):
        return "Set it in the environment or in .env (see .env.example); all but serve take --database-url, too."
    return ""


async def _check(settings: "Settings") -> "SchemaReport":
    from app.contract.load import load_contract
    from app.diagnostics import Diagnostics
    from app.postgres.pool import Database

    contract = load_contract(settings.runner_contract)
    database = Database(settings)
    try:
        diagnostics = Diagnostics(settings, contract, database)
        return await progress("Reading the catalogue, and trying what it says", diagnostics.check_schema())
    finally:
        await database.close()


async def _status(settings: "Settings", window: str, *, with_runs: bool) -> "tuple[StatusReport, RunsReport | None]":
    from app.postgres.pool import Database
    from app.pulse import Pulse
    from app.runner.figures import Window

    database = Database(settings)
    pulse = Pulse(settings, database)
    try:
        report = await progress("Reading how the runner ticks", pulse.status(Window(window)))
        return report, await progress("Reading each strategy's slots", pulse.runs()) if with_runs else None
    finally:
        await database.close()


if __name__ == "__main__":
    main()
