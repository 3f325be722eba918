"""The page and the tables that are made from the database."""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from micromet_path.apps.archive.database import ArchiveDatabase
from micromet_path.apps.archive.schema import TABLES, VIEWS
from micromet_path.results.case_table import inert

__all__ = ["SUMMARY_FILE", "export_tables", "write_summary"]

SUMMARY_FILE = "summary.html"


def write_summary(out: Path, database: ArchiveDatabase) -> Path:
    """Write the page of the archive, in place of the one before."""
    from micromet_path.results.archive_page import ArchiveContent, render_archive

    content = ArchiveContent(**{column.name: database.records(column.name) for column in fields(ArchiveContent)})
    path = out / SUMMARY_FILE
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(render_archive(content), encoding="utf-8", newline="\n")
        aside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            aside.unlink()
    return path


def export_tables(database: ArchiveDatabase, folder: Path) -> list[Path]:
    """Write every table and every view as CSV in UTF-8; absent values are empty.

    Parameters
    ----------
    database : ArchiveDatabase
    folder : Path
        Made where it is not there; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in [*(name for name in TABLES if name != "meta"), *VIEWS]:
        columns, rows = database.rows(name)
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(columns)
            lines.writerows([_cell(value) for value in row] for row in rows)
        written.append(path)
    return written


def _cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula; truth as 0 and 1, the same from both databases."""
    if isinstance(value, bool):
        return int(value)
    return inert(value) if isinstance(value, str) else value
