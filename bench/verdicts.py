"""What was found, as docs/comparison.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from bench.tools import Tool

COMMAND = ".venv/bin/python -m bench.comparison"

MADE = """\
`{command}` made this page: it changes {drifts} copies of the documented database, one drift each,
runs every tool against each copy, and writes down what came of it. `--tools FOLDER` says where pip and npm installed
them, `--evidence FILE` keeps what each tool said. The versions, as read from the tools:
{versions}.

The drifts are in `bench/drifts.py`. Their SQL is what the tests run: every entry of the tests' tables of near misses,
values, policies and promotions, one mutation for each kind of fact, and a few of the history and of grants. So ours
finds them all because the tests demand it; what is measured here is the others.

Each tool says nothing of the undrifted database, or what it says there is subtracted. A drift counts as detected

- by ours, if the checks in the first column fail; failing others is not enough;
- by pgTAP, if an assertion fails or the script breaks off. The assertions are generated from the
  contract and, for what pgTAP compares exactly, from the documented database (`bench/assertions.py`). It has none for
  the condition of a policy or the content of a CHECK. The second column adds tests written by hand for this schema,
  which bring their own rows, try values and play callers (`bench/behaviour.py`);
- by migra, with privileges, if it prints a statement about one of the tables on the way to the documented database,
  which it needs beside the drifted one;
- by `supabase db advisors`, of all types and levels, if there is a lint about one of the tables that the undrifted
  database does not have, also if it warns of something else, such as the speed of the policy that leaks or locks out.
  `unused_index` is left out: on a copy that nobody has queried every index is unused.

"crashed" is a tool that ended with an error of its own.
"""

LOOK_ALIKES = """\
These look different and leave every documented statement true; "yes" is a false alarm. They are every entry of the
tests' tables that must pass as a whole, and one of which ours warns without reason. Where a test by hand breaks off
because its own rows are refused, it has learnt something true about the database that the contract leaves open.
"""

BETTER_FOR = """\
## What the others are better for

- **pgTAP** tests whatever one cares to write down, functions and triggers too, before a release and on rows of the
  test's own; with tests by hand it comes close to ours, for the price of writing and keeping them. It can write to the
  database, which a check of a live one must not. A team that has the tests should keep them.
- **migra** shows every difference between two databases, also in what no contract mentions, and prints the statements
  that remove it. Where two databases are meant to be equal, what is a false alarm here is what one wants to know.
- **Supabase's advisors** need to be told nothing, and look at every table, also those that no contract names: missing
  indexes on foreign keys, tables exposed without row security, policies that are slow. They know what is unwise in
  general, and cannot know what was promised here.
- **Ours** knows one contract, and says nothing of what it leaves open.
"""


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What each tool `said` of one database, by the tool's name, and what that comes to."""

    about: str
    keys: tuple[str, ...]
    said: dict[str, frozenset[str] | None]
    answers: dict[str, Answer]


@dataclass(frozen=True, slots=True)
class Comparison:
    server: str
    tools: Sequence[Tool]
    drifts: Sequence[Verdict]
    look_alikes: Sequence[Verdict]


def answer(said: frozenset[str] | None, enough: set[str] | None = None) -> Answer:
    """Whether a tool said anything, or all that is asked of it."""
    if said is None:
        return Answer.CRASHED
    return Answer.YES if said and said >= (enough or set()) else Answer.NO


def evidence(comparison: Comparison) -> bytes:
    verdicts = [*comparison.drifts, *comparison.look_alikes]
    said = {verdict.about: {"keys": verdict.keys, "said": verdict.said} for verdict in verdicts}
    return msgspec.json.format(msgspec.json.encode(said, order="sorted"))


def comparison_document(comparison: Comparison) -> str:
    names = [tool.name for tool in comparison.tools]
    drifts, look_alikes = comparison.drifts, comparison.look_alikes
    versions = ", ".join(dict.fromkeys([comparison.server, *(tool.version for tool in comparison.tools)]))
    return "\n".join(
        [
            "# Which drifts are detected, and by what",
            "",
            MADE.format(command=COMMAND, versions=versions, drifts=len(drifts), look_alikes=len(look_alikes)),
            "## Drifted databases",
            "",
            *_table(["drift", "what was done", *names], _drift_rows(drifts, names)),
            "",
            "## Look-alikes",
            "",
            LOOK_ALIKES,
            *_table(["what was done", *names], _look_alike_rows(look_alikes, names)),
            "",
            BETTER_FOR,
        ]
    )


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield _line(head)
    yield _line(["---"] * len(head))
    for row in rows:
        yield _line([cell.replace("|", "\\|") for cell in row])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _drift_rows(verdicts: Sequence[Verdict], names: list[str]) -> Iterator[list[str]]:
    for verdict in verdicts:
        keys = ", ".join(f"`{key}`" for key in verdict.keys)
        yield [keys, verdict.about, *(verdict.answers[name] for name in names)]
    yield ["**detected**", f"of {len(verdicts)}", *_totals(verdicts, names)]


def _look_alike_rows(verdicts: Sequence[Verdict], names: list[str]) -> Iterator[list[str]]:
    for verdict in verdicts:
        yield [verdict.about, *(verdict.answers[name] for name in names)]
    yield [f"**false alarms**, of {len(verdicts)}", *_totals(verdicts, names)]


def _totals(verdicts: Sequence[Verdict], names: list[str]) -> Iterator[str]:
    for name in names:
        answers = [verdict.answers[name] for verdict in verdicts]
        crashed = answers.count(Answer.CRASHED)
        yield f"**{answers.count(Answer.YES)}**" + (f" and {crashed} crashed" if crashed else "")
