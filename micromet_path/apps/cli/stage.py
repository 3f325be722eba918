"""``micromet stage``: cases, each on its own; one that cannot be staged does not stop the others."""

from __future__ import annotations

import os
import secrets
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from micromet_path.api import stage
from micromet_path.apps.cli.words import complain
from micromet_path.clinical.case import Case
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.groups import PrognosticTable
from micromet_path.errors import ConfigError, MicrometError, ResultError
from micromet_path.results.case_files import read_cases

__all__ = ["StageCommand", "run"]

_WITH_CONTEXT = ("text", "json", "html")

CASE_PAGE = b"micromet_path, page of a case"
"""What the first lines of every page of a case hold."""


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
    own = command.prognostic_table
    tally = _Tally(None if own is None else PrognosticTable.read(own))  # a wrong table is wrong for all cases
    try:
        _FORMS[command.form](command, _staged(command, tally))
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
    """Cases that were staged, and those that could not be, with the table that is used for all."""

    table: PrognosticTable | None
    done: int = 0
    failed: int = 0


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _staged(command: StageCommand, tally: _Tally) -> Iterator[CaseStage]:
    """Every case that can be staged, in order; why another cannot is said on stderr."""
    for path in command.cases:
        for name, case in _read(path):
            try:
                staged = _stage_one(command, tally.table, path, case)
            except MicrometError as error:
                tally.failed += 1
                complain(str(error) if path.name in str(error) else f"{name}: {error}")
            except OSError as error:
                tally.failed += 1
                complain(f"{name}: {error.filename or 'a file'}: {error.strerror or error}")
            except Exception as error:
                # A defect of the program: told in full, and the other cases are staged all the same.
                tally.failed += 1
                traceback.print_exception(error)
                complain(f"{name}: this is a defect of micromet_path ({type(error).__name__}); please report it")
            else:
                tally.done += 1
                yield staged


def _read(path: Path) -> Iterator[tuple[str, Path | Case | Exception]]:
    """Each case of a file with its name for messages; what keeps it from being read stands in its place."""
    if not _is_table(path):
        yield path.name, path
        return
    try:
        for entry in read_cases(path):
            yield path.name if isinstance(entry, ConfigError) else f"{path.name}: case {entry.case_id}", entry
    except (MicrometError, OSError) as error:
        yield path.name, error


def _stage_one(
    command: StageCommand, table: PrognosticTable | None, path: Path, case: Path | Case | Exception
) -> CaseStage:
    """Stage a case; a row of a table names results from the table's folder, as a case file does from its own."""
    if isinstance(case, Exception):
        raise case
    return stage(case, command.results, table, home=path.parent)


# -- forms of output -----------------------------------------------------------------------------


def _print_json(command: StageCommand, stages: Iterable[CaseStage]) -> None:
    from micromet_path.results.case_json import encode_case

    _print_lines(encode_case(staged, _context(command, staged)) for staged in stages)


def _print_fhir(command: StageCommand, stages: Iterable[CaseStage]) -> None:
    from micromet_path.results.fhir import case_bundle

    _print_lines(case_bundle(staged) for staged in stages)


def _print_lines(contents: Iterable[Mapping[str, Any]]) -> None:
    """JSON lines. ASCII: pipes of Windows speak an encoding of their own."""
    from pydantic_core import to_json  # five times as fast as the encoder of Python, which took a tenth of a stream

    for content in contents:
        sys.stdout.write(to_json(content, ensure_ascii=True).decode("ascii") + "\n")


def _print_csv(command: StageCommand, stages: Iterable[CaseStage]) -> None:
    from micromet_path.results.case_table import write_case_rows

    write_case_rows(sys.stdout, stages)


def _print_synoptic(command: StageCommand, stages: Iterable[CaseStage]) -> None:
    for number, staged in enumerate(stages):
        sys.stdout.write(("\n" if number else "") + staged.synoptic() + "\n")


def _print_text(command: StageCommand, stages: Iterable[CaseStage]) -> None:
    from micromet_path.apps.cli.case_text import print_case, terminal

    screen = terminal()
    for staged in stages:
        print_case(screen, staged, _context(command, staged))


def _write_html(command: StageCommand, stages: Iterable[CaseStage]) -> None:
    from micromet_path.results.case_page import render_case

    page = Path(command.html or "")
    with _told_of(page):
        target = _target(page, command)
    for staged in stages:
        text = render_case(staged, _context(command, staged))
        with _told_of(page):
            _replace(target, text)
        click.echo(page)


@contextmanager
def _told_of(page: Path) -> Iterator[None]:
    """Say of the page, not of a hidden file beside it, why it cannot be written."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError before Python 3.13
        raise ResultError(f"{page} cannot be written: {getattr(error, 'strerror', None) or error}") from error


def _target(page: Path, command: StageCommand) -> Path:
    """The file that a page goes to, behind all links: one that is there is replaced, nothing else is."""
    target = page.resolve()
    if not target.parent.is_dir():
        raise ResultError(f"there is no folder {page.parent} for {page.name}; make it first")
    if target.is_dir():
        raise ResultError(f"{page} is a folder; name a file for the page")
    if not target.exists():
        return target
    if not target.is_file():
        raise ConfigError(f"{page} is no ordinary file; name another for the page")
    for given in (*command.cases, command.prognostic_table):
        if given is not None and given.exists() and target.samefile(given):
            raise ConfigError(f"--html {page} is the file {given} that is read; name another for the page")
    with target.open("rb") as file:
        if CASE_PAGE not in file.read(4096):
            raise ConfigError(f"{page} is there and is no page of a case; name another file, or delete it first")
    return target


def _replace(path: Path, text: str) -> None:
    """Write a file aside and put it in place whole."""
    new = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.new")
    try:
        new.write_text(text, encoding="utf-8", newline="\n")
        new.replace(path)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()


def _context(command: StageCommand, staged: CaseStage) -> Sequence[Any]:
    """Studies beside the case: only for those who ask."""
    if not command.context:
        return ()
    from micromet_path.clinical.context import match_studies

    return match_studies(staged)


_FORMS: Mapping[str, Callable[[StageCommand, Iterable[CaseStage]], None]] = {
    "text": _print_text,
    "json": _print_json,
    "fhir": _print_fhir,
    "csv": _print_csv,
    "synoptic": _print_synoptic,
    "html": _write_html,
}
