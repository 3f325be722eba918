"""``micromet report``: stored results drawn again; one that is damaged does not stop the others."""

from __future__ import annotations

from pathlib import Path

import click

from micromet_path.api import rebuild, result_folders
from micromet_path.apps.cli.words import complain
from micromet_path.errors import MicrometError
from micromet_path.results.qupath import Origin

__all__ = ["run"]


def run(out: Path, origin: Origin) -> int:
    """Make the derived files of every result; the exit status."""
    folders, failed = list(result_folders(out)), 0
    for folder in folders:
        try:
            rebuild(folder, origin=origin)
        except MicrometError as error:
            failed += 1
            complain(str(error))
        else:
            click.echo(folder / "report.html")
    if failed == 0:
        return 0
    return 1 if failed == len(folders) else 3
