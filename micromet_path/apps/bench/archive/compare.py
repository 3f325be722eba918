"""What a batch left, but for what may differ: times, and the numbers of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from micromet_path.apps.archive.database import open_database

__all__ = ["contents"]

_APART = (".batch/", "runs/", "archive.sqlite", "summary.html")
_TELL_WHEN = {"SHA256SUMS", "report.html", "inputs.json"}
_TABLES = ("slides", "clusters", "failures", "cases", "nodes")


def contents(out: Path, url: str | None = None) -> dict[str, Any]:
    """Every file of slides and cases by name, and the tables of the database.

    Parameters
    ----------
    out : Path
        Folder of results.
    url : str or None
        Of its database.

    Returns
    -------
    dict
        Two runs came to the same when these are equal. Files that state times are there by name alone, and so are the
        hashes of these.
    """
    left: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        if name.startswith(_APART):
            continue
        if path.name in _TELL_WHEN:
            left[name] = None
        elif path.name == "result.json":
            left[name] = json.loads(path.read_bytes())
            del left[name]["provenance"]["started"], left[name]["provenance"]["seconds"]
        else:
            left[name] = path.read_bytes()
    database = open_database(out, url)
    try:
        left |= {table: database.records(table) for table in _TABLES}
    finally:
        database.close()
    return left
