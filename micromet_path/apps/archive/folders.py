"""The folders of an archive: one a slide, beside those of the cases and the runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from micromet_path.errors import ResultError
from micromet_path.results.sums import FAILURE_FILE

__all__ = ["CASES_FOLDER", "RESERVED_NAMES", "RUNS_FOLDER", "archive_id", "case_folders", "is_settled", "slide_folders"]

CASES_FOLDER, RUNS_FOLDER = "cases", "runs"
_ID_FILE = "archive-id"
RESERVED_NAMES = frozenset({CASES_FOLDER, RUNS_FOLDER})
"""Folders of an archive that are no slide's."""


def archive_id(out: Path) -> str:
    """What tells this archive from others, whatever it is called; made where there is none."""
    path = out / RUNS_FOLDER / _ID_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(str(uuid4()))
    except FileExistsError:
        pass
    return path.read_text(encoding="utf-8")


def slide_folders(out: Path) -> Iterator[str]:
    """Names of the folders that hold a result, or word of why there is none; sorted."""
    if not out.is_dir():
        raise ResultError(f"there is no folder {out}; name the one that was given to `micromet batch -o`")
    for path in sorted(out.iterdir()):
        if path.name.startswith(".") or path.name in RESERVED_NAMES or not path.is_dir():
            continue
        if is_settled(out, path.name):
            yield path.name


def is_settled(out: Path, slide_id: str) -> bool:
    """Whether a slide has a result, or word of why there is none."""
    return (out / slide_id / "result.json").is_file() or (out / slide_id / FAILURE_FILE).is_file()


def case_folders(out: Path) -> Iterator[Path]:
    """Folders of the cases that were staged, sorted."""
    for path in sorted((out / CASES_FOLDER).glob("*")):
        if path.is_dir() and not path.name.startswith("."):
            yield path
