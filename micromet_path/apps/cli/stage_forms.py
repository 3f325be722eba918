"""Forms in which a staged case is told: the text of one case by itself, and what stands around the texts of many."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from micromet_path.clinical.case_stage import CaseStage
from micromet_path.errors import ConfigError, ResultError

if TYPE_CHECKING:
    from micromet_path.clinical.context import StudyMatch  # imported for those who ask

__all__ = ["RENDER", "print_texts", "write_page"]

CASE_PAGE = b"micromet_path, page of a case"
"""What the first lines of every page of a case hold."""


def _json(staged: CaseStage, context: Sequence[StudyMatch]) -> str:
    from micromet_path.results.case_json import encode_case

    return _json_line(encode_case(staged, context))


def _fhir(staged: CaseStage, context: Sequence[StudyMatch]) -> str:
    from micromet_path.results.fhir import case_bundle

    return _json_line(case_bundle(staged))


def _json_line(content: Mapping[str, object]) -> str:
    """A line of JSON. ASCII: pipes of Windows speak an encoding of their own."""
    from pydantic_core import to_json  # five times as fast as the encoder of Python, which took a tenth of a stream

    return to_json(content, ensure_ascii=True, inf_nan_mode="null").decode("ascii") + "\n"


def _csv(staged: CaseStage, context: Sequence[StudyMatch]) -> str:
    from micromet_path.results.case_table import case_line

    return case_line(staged)


def _synoptic(staged: CaseStage, context: Sequence[StudyMatch]) -> str:
    return staged.synoptic() + "\n"


def _text(staged: CaseStage, context: Sequence[StudyMatch]) -> str:
    from micromet_path.apps.cli.case_text import print_case, terminal

    screen = terminal()
    with screen.capture() as captured:
        print_case(screen, staged, context)
    return captured.get()


def _page(staged: CaseStage, context: Sequence[StudyMatch]) -> str:
    from micromet_path.results.case_page import render_case

    return render_case(staged, context)


RENDER: Mapping[str, Callable[[CaseStage, Sequence[StudyMatch]], str]] = {
    "text": _text,
    "json": _json,
    "fhir": _fhir,
    "csv": _csv,
    "synoptic": _synoptic,
    "html": _page,
}
"""The text of a case, by form. It leans on no other case, so that any process can make it."""


# -- many ----------------------------------------------------------------------------------------


def print_texts(form: str, texts: Iterable[str]) -> None:
    """Print the cases, each as soon as it is there."""
    for number, text in enumerate(texts):
        if form == "text":
            click.echo(text, sys.stdout, nl=False, color=True)  # styles, also where Windows knows no escapes
        else:
            sys.stdout.write(_before(form, is_first=number == 0) + text)


def _before(form: str, is_first: bool) -> str:
    """What stands before a case."""
    if form == "csv" and is_first:  # a table of no case is no table
        from micromet_path.results.case_table import header_line

        return header_line()
    return "\n" if form == "synoptic" and not is_first else ""


def write_page(page: Path, texts: Iterable[str], read: Iterable[Path]) -> None:
    """Write the page of a case, which replaces another page but none of the files that are read."""
    with _told_of(page):
        target = _target(page, read)
    for text in texts:
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


def _target(page: Path, read: Iterable[Path]) -> Path:
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
    for given in read:
        if given.exists() and target.samefile(given):
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
