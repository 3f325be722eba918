"""The database made again from the folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from micromet_path.apps.archive.cases import CaseBoard
from micromet_path.apps.archive.database import ArchiveDatabase
from micromet_path.apps.archive.folders import case_folders
from micromet_path.apps.archive.listing import ListedSlide, read_listing
from micromet_path.apps.archive.rows import case_rows, run_row, slide_rows
from micromet_path.apps.archive.runs import read_runs
from micromet_path.apps.archive.superseding import ScanOfGlass, superseded_by

__all__ = ["in_chunks", "refresh_superseded", "reindex"]

_CHUNK = 200
_One = TypeVar("_One")


def reindex(
    out: Path,
    database: ArchiveDatabase,
    told: Callable[[int, int], object] | None = None,
    is_to_stage: bool = True,
) -> None:
    """Make the database again from the folders of an archive; cases are staged first, by all that is there.

    Parameters
    ----------
    out : Path
    database : ArchiveDatabase
    told : callable, optional
        Called with (slides done, slides in all).
    is_to_stage : bool
        False where slides may be missing from the list: then cases stay as they are.
    """
    listed = read_listing(out)
    folders = _staged(out, listed) if is_to_stage else list(case_folders(out))
    with database.filled_anew():
        for run in read_runs(out):
            database.put_run(run_row(run))
        done = 0
        for chunk in in_chunks(listed):
            database.put_slides(slide_rows(out, one) for one in chunk)
            done += len(chunk)
            if told is not None:
                told(done, len(listed))
        for folder in folders:
            database.put_case(case_rows(folder))
        refresh_superseded(database)


def _staged(out: Path, listed: list[ListedSlide]) -> list[Path]:
    board = CaseBoard(out, listed)
    board.withdraw()
    return [board.stage(case_id) for case_id in board.case_ids]


def refresh_superseded(database: ArchiveDatabase) -> None:
    """Find out which scan of each glass counts, by what the database holds."""
    database.mark_superseded(
        superseded_by(
            ScanOfGlass(
                row["slide_id"], row["rescan_of"], row["scan_time"], row["state"] == "done", bool(row["assessable"])
            )
            for row in database.records("slides")
        )
    )


def in_chunks(items: Iterable[_One], size: int = _CHUNK) -> Iterator[list[_One]]:
    """Lists of so many items, the last of what is left."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
