"""Whether an archive is still what was written: every file by its SHA-256, every row by its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from micromet_path.apps.archive.cases import CaseBoard
from micromet_path.apps.archive.database import ArchiveDatabase
from micromet_path.apps.archive.folders import case_folders, slide_folders
from micromet_path.apps.archive.listing import ListedSlide, read_listing
from micromet_path.apps.archive.rows import case_rows, run_row, slide_rows
from micromet_path.apps.archive.runs import read_runs
from micromet_path.apps.archive.schema import TABLES
from micromet_path.errors import ResultError
from micromet_path.results.folders import leftovers
from micromet_path.results.sums import FAILURE_FILE, check_sums

__all__ = ["verify"]

_ADVICE = "run `micromet archive reindex`"


def verify(
    out: Path, database: ArchiveDatabase | None, told: Callable[[int, int], object] | None = None
) -> Iterator[str]:
    """Look for what is not as it was written.

    Parameters
    ----------
    out : Path
    database : ArchiveDatabase or None
        Compared with the folders where it is given.
    told : callable, optional
        Called with (folders done, folders in all).

    Yields
    ------
    str
        One sentence a finding.
    """
    for name in sorted(leftovers(out)):
        yield f"{name}: something was left half-written; the next run tidies it up"
    folders = list(slide_folders(out))
    cases = list(case_folders(out))
    for done, folder in enumerate([*(out / name for name in folders), *cases], start=1):
        if (folder / "result.json").is_file() or not (folder / FAILURE_FILE).is_file():
            yield from (f"{folder.relative_to(out).as_posix()}: {problem}" for problem in check_sums(folder))
        if told is not None:
            told(done, len(folders) + len(cases))
    listing = read_listing(out)
    listed = listing.slides(folders)
    board = CaseBoard(out, listed, listing.unread)
    for case_id in board.case_ids:
        if not board.is_staged(case_id):
            yield f"case {case_id} is not staged; {_ADVICE}"
        elif not board.is_current(case_id):
            yield f"case {case_id} is not what its slides say now, or cannot be staged; {_ADVICE}"
    if database is not None:
        yield from _database(out, database, listed, cases)


def _database(out: Path, database: ArchiveDatabase, slides: Sequence[ListedSlide], cases: list[Path]) -> Iterator[str]:
    """Rows that are missing, or say something else than the folders; superseded is what other rows make of them."""
    listed = {one.slide_id: one for one in slides}
    expected: dict[str, dict[object, dict[str, object]]] = {
        "slides": {},
        "failures": {},
        "runs": {run.number: run_row(run) for run in read_runs(out)},
        "cases": {},
    }
    n_clusters = dict.fromkeys(listed, 0)
    for slide_id, one in listed.items():
        rows = slide_rows(out, one)
        expected["slides"][slide_id] = rows.slide
        n_clusters[slide_id] = len(rows.clusters)
        if rows.failure is not None:
            expected["failures"][slide_id] = rows.failure
    for folder in cases:
        try:
            row = case_rows(folder).case
        except ResultError as error:
            yield str(error)
            continue
        expected["cases"][row["case_id"]] = row
    for table, wanted in expected.items():
        key = next(iter(TABLES[table].primary_key)).name
        found = {row[key]: row for row in database.records(table)}
        for name in sorted({*found, *wanted}, key=str):
            if name not in found:
                yield f"database, {table}: {name} is missing; {_ADVICE}"
            elif name not in wanted:
                yield f"database, {table}: {name} is not in the folders; {_ADVICE}"
            elif any(found[name][column] != value for column, value in wanted[name].items()):
                yield f"database, {table}: {name} is not as in its folder; {_ADVICE}"
    for slide_id, count in database.cluster_counts():
        if n_clusters.pop(slide_id, 0) != count:
            yield f"database, clusters: {slide_id} has {count}, which is not as in its folder; {_ADVICE}"
    yield from (
        f"database, clusters: {slide_id} has none; {_ADVICE}" for slide_id, missing in n_clusters.items() if missing
    )
