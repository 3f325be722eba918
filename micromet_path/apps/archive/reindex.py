"""The database made again from the folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from micromet_path.apps.archive.cases import CaseBoard
from micromet_path.apps.archive.database import ArchiveDatabase
from micromet_path.apps.archive.folders import slide_folders
from micromet_path.apps.archive.listing import read_listing
from micromet_path.apps.archive.rows import case_rows, run_row, slide_rows
from micromet_path.apps.archive.runs import read_runs
from micromet_path.apps.archive.superseding import ScanOfGlass, superseded_by

__all__ = ["in_chunks", "refresh_superseded", "reindex"]

_CHUNK = 200
_One = TypeVar("_One")


def reindex(out: Path, database: ArchiveDatabase, told: Callable[[int, int], object] | None = None) -> None:
    """Make the database again from the folders of an archive; cases are staged first, by all that is there.

    Parameters
    ----------
    out : Path
    database : ArchiveDatabase
    told : callable, optional
        Called with (slides done, slides in all).
    """
    listing = read_listing(out)
    listed = listing.slides(slide_folders(out))
    board = CaseBoard(out, listed, listing.unread)
    board.withdraw()
    folders = [board.stage(case_id) for case_id in board.case_ids]
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


def refresh_superseded(database: ArchiveDatabase) -> None:
    """Find out which scan of each glass counts, case by case, by what the database holds."""
    by_case: dict[str | None, list[ScanOfGlass]] = defaultdict(list)
    for row in database.records("slides"):
        if row["role"] == "patient" and row["state"] in ("done", "failed", "pending"):
            state, is_assessable = row["state"], bool(row["assessable"])
            scan = ScanOfGlass(
                row["slide_id"], row["rescan_of"], row["scan_time"], state == "done", is_assessable, state == "pending"
            )
            by_case[row["accession"]].append(scan)
    replaced: dict[str, str] = {}
    for scans in by_case.values():
        replaced |= superseded_by(scans)
    database.mark_superseded(replaced)


def in_chunks(items: Iterable[_One], size: int = _CHUNK) -> Iterator[list[_One]]:
    """Lists of so many items, the last of what is left."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
