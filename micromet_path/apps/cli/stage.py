"""``micromet stage``: cases, each on its own; one that cannot be staged does not stop the others."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from micromet_path.api import default_workers, stage
from micromet_path.apps.cli.stage_forms import RENDER, print_texts, write_page
from micromet_path.apps.cli.stage_pool import in_order, leave_if_run_again
from micromet_path.apps.cli.words import complain
from micromet_path.clinical.case import Case
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.groups import PrognosticTable
from micromet_path.errors import MicrometError
from micromet_path.results.case_files import read_case_rows
from micromet_path.results.case_of_rows import CaseRows

if TYPE_CHECKING:
    from micromet_path.clinical.context import StudyMatch  # imported for those who ask

__all__ = ["StageCommand", "run"]

_WITH_CONTEXT = ("text", "json", "html")

_ALONE = 2000
"""Cases that are staged before a second process is started: they take as long as it takes to start one."""

_MOST_WORKERS = 6
"""Of a case, a sixth of the work is to read its rows and to print it, which one process does for all."""


@dataclass(frozen=True, slots=True)
class StageCommand:
    """What the command line asked for; `form` is text, json, fhir, csv, synoptic or html."""

    cases: tuple[Path, ...]
    form: str
    html: Path | None
    results: Path | None
    context: bool
    prognostic_table: Path | None

    @classmethod
    def of(cls, cases: tuple[Path, ...], html: Path | None, forms: Mapping[str, bool], **options: Any) -> StageCommand:
        """The command with its one form of output.

        Raises
        ------
        click.UsageError
            If two forms exclude each other, or one does not go with the rest.
        """
        asked = [*(name for name, is_asked in forms.items() if is_asked), *(["html"] if html else [])]
        if len(asked) > 1:
            raise click.UsageError(f"--{asked[0]} and --{asked[1]} exclude each other; give one")
        command = cls(cases=cases, form=asked[0] if asked else "text", html=html, **options)
        if command.context and command.form not in _WITH_CONTEXT:
            raise click.UsageError(f"--context goes with the text, --json and --html, not with --{command.form}")
        if html and (len(cases) > 1 or _is_table(cases[0])):
            raise click.UsageError("--html takes one case, as a .toml or .json file")
        return command


def run(command: StageCommand) -> int:
    """Stage the cases; the exit status."""
    leave_if_run_again()
    own = command.prognostic_table
    work = _Work(command, None if own is None else PrognosticTable.read(own))  # a wrong table is wrong for all cases
    tally = _Tally()
    with closing(in_order(work, _entries(command), _Entry.size, _workers(command), _ALONE)) as outcomes:
        texts = _told(outcomes, tally)
        try:
            if command.html is None:
                print_texts(command.form, texts)
            else:
                write_page(command.html, texts, [*command.cases, *([own] if own else [])])
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has enough, as `head` has; what is left in the buffer must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
    if tally.failed == 0:
        return 0
    return 3 if tally.done else 1


@dataclass(slots=True)
class _Tally:
    """Cases that were staged, and those that could not be."""

    done: int = 0
    failed: int = 0


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _workers(command: StageCommand) -> int:
    """Processes that may share the cases of tables; one for a pipe, whose cases are told as they come."""
    tables = [path for path in command.cases if _is_table(path)]
    if not tables or any(os.path.exists(path) and not os.path.isfile(path) for path in tables):
        return 1
    return min(default_workers(), _MOST_WORKERS)


# -- in ------------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """A case as its file has it: the file, or rows of a table, or what keeps them from being read."""

    path: Path
    content: Path | CaseRows | MicrometError | OSError

    def size(self) -> int:
        """Rows, each of them a node or more to check, to stage and to tell of."""
        return len(self.content.rows) if isinstance(self.content, CaseRows) else 1


def _entries(command: StageCommand) -> Iterator[_Entry]:
    """Every case of every file, in order."""
    for path in command.cases:
        if not _is_table(path):
            yield _Entry(path, path)
            continue
        try:
            for rows in read_case_rows(path):
                yield _Entry(path, rows)
        except (MicrometError, OSError) as error:
            yield _Entry(path, error)


# -- each, in whichever process ------------------------------------------------------------------


class _Outcome(NamedTuple):
    """What is to be told of a case: the text of its form, or why there is none."""

    text: str | None = None
    complaint: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done with each case: plain data, which a process can be sent."""

    command: StageCommand
    table: PrognosticTable | None

    def __call__(self, entry: _Entry) -> _Outcome:
        name = entry.path.name
        try:
            case = self._case(entry)
            if isinstance(case, Case):
                name = f"{name}: case {case.case_id}"
            # A row of a table names results from the table's folder, as a case file does from its own.
            staged = stage(case, self.command.results, self.table, home=entry.path.parent)
            return _Outcome(RENDER[self.command.form](staged, self._context(staged)))
        except MicrometError as error:
            return _Outcome(None, str(error) if entry.path.name in str(error) else f"{name}: {error}")
        except OSError as error:
            return _Outcome(None, f"{name}: {error.filename or 'a file'}: {error.strerror or error}")
        except Exception as error:
            # A defect of the program: told in full, and the other cases are staged all the same.
            complaint = f"{name}: this is a defect of micromet_path ({type(error).__name__}); please report it"
            return _Outcome(None, complaint, "".join(traceback.format_exception(error)))

    @staticmethod
    def _case(entry: _Entry) -> Path | Case:
        if isinstance(entry.content, Exception):
            raise entry.content
        return entry.content.check() if isinstance(entry.content, CaseRows) else entry.content

    def _context(self, staged: CaseStage) -> list[StudyMatch]:
        """Studies beside the case: only for those who ask."""
        if not self.command.context:
            return []
        from micromet_path.clinical.context import match_studies

        return list(match_studies(staged))


# -- out -----------------------------------------------------------------------------------------


def _told(outcomes: Iterable[_Outcome], tally: _Tally) -> Iterator[str]:
    """The text of every case that could be staged; why another could not is said on stderr."""
    for outcome in outcomes:
        if outcome.text is not None:
            tally.done += 1
            yield outcome.text
            continue
        tally.failed += 1
        sys.stderr.write(outcome.trace)
        complain(outcome.complaint)
