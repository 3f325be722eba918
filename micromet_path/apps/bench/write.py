"""The files of a run, each written aside and put in place whole."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from micromet_path.apps.bench.plot import plot
from micromet_path.apps.bench.tables import Report, csv_files, markdown
from micromet_path.errors import ReaderError, ResultError

__all__ = ["prepare", "write_report", "write_texts"]


def prepare(folder: Path) -> None:
    """Make the folder before the work begins, so that hours are not lost on a path that cannot be written.

    Raises
    ------
    ResultError
        If it is a file, or cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise ResultError(f"{folder} is a file; name a folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{folder} cannot be made: {error.strerror or error}") from error


def write_report(folder: Path, report: Report) -> str | None:
    """Write tables and picture.

    Returns
    -------
    str or None
        Why there is no picture, where there is none.
    """
    texts = {**csv_files(report), "accuracy.md": markdown(report)}
    write_texts(folder, texts)
    try:
        _whole(folder / "accuracy.png", lambda part: plot(report, part))
    except ReaderError as error:
        return str(error)
    return None


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by name, each whole or not at all."""
    for name, text in texts.items():
        _whole(folder / name, lambda part, text=text: part.write_text(text, encoding="utf-8", newline="\n"))  # type: ignore[misc]


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name and rename it."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
