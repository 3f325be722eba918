"""``micromet archive``: the folder that a batch filled, asked, checked, and its database made again."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

__all__ = ["archive"]

_FOLDER = click.Path(path_type=Path)
_DATABASE = click.option("--database", metavar="URL", help="PostgreSQL, where it is not archive.sqlite in the folder.")


@click.group()
def archive() -> None:
    """Look after a folder that `micromet batch` filled.

    The folders of the slides are the truth; the database is made from them and can be made again at any time.
    """


@archive.command()
@click.argument("out", type=_FOLDER)
@_DATABASE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def status(out: Path, database: str | None, as_json: bool) -> None:
    """Say how many slides are done, failed, missing, and what was found."""
    from micromet_path.apps.cli.console import console

    with _opened(out, database) as opened:
        slides, runs = opened.records("slides"), opened.records("runs")
        counting = [row for row in slides if row["state"] == "done" and row["superseded_by"] is None]
        content: dict[str, Any] = {
            "slides": dict(sorted(Counter(row["state"] for row in slides).items())),
            "superseded": sum(row["superseded_by"] is not None for row in slides),
            "findings": dict(sorted(Counter(row["category"] for row in counting).items())),
            "failures": dict(sorted(Counter(row["kind"] for row in opened.records("failures")).items())),
            "cases": dict(sorted(Counter(row["status"] for row in opened.records("cases")).items())),
            "runs": len(runs),
            "latest_run": runs[-1] if runs else None,
        }
    if as_json:
        click.echo(json.dumps(content))
        return
    terminal = console()
    for name in ("slides", "findings", "failures", "cases"):
        told = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in content[name].items())
        terminal.print(f"{name:<10} {told or 'none'}", soft_wrap=True)
    if content["superseded"]:
        terminal.print(f"{'':<10} {content['superseded']} superseded by a newer scan")
    if runs:
        latest = runs[-1]
        terminal.print(
            f"{'runs':<10} {len(runs)}; the last began {latest['started']} and is {latest['state']}", soft_wrap=True
        )


@archive.command()
@click.argument("out", type=_FOLDER)
@_DATABASE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def verify(out: Path, database: str | None, as_json: bool) -> None:
    """Check every file by its SHA-256 and every row of the database by its folder.

    Exit status 1 if anything is not as it was written.
    """
    from micromet_path.apps.archive.verify import verify as look
    from micromet_path.apps.cli.console import progress_bar
    from micromet_path.apps.cli.words import printable

    with _opened(out, database) as opened, progress_bar("verifying") as progress:
        problems = list(look(out, opened, progress))
    if as_json:
        click.echo(json.dumps({"ok": not problems, "problems": problems}))
    else:
        for problem in problems:
            click.echo(printable(problem))
        click.echo("Everything is as it was written." if not problems else f"{len(problems)} findings.", err=True)
    sys.exit(1 if problems else 0)


@archive.command()
@click.argument("out", type=_FOLDER)
@_DATABASE
def reindex(out: Path, database: str | None) -> None:
    """Make database and summary again from the folders; after the last shard of a run, for instance."""
    from micromet_path.apps.archive.reindex import reindex as fill
    from micromet_path.apps.archive.summary import write_summary
    from micromet_path.apps.cli.console import progress_bar

    with _opened(out, database, is_to_fill=True) as opened, progress_bar("reading") as progress:
        fill(out, opened, progress)
        click.echo(write_summary(out, opened))


@archive.command()
@click.argument("out", type=_FOLDER)
@click.option("--to", "folder", type=_FOLDER, required=True, help="Folder that receives one CSV a table and a view.")
@_DATABASE
def export(out: Path, folder: Path, database: str | None) -> None:
    """Write every table and every standing question as CSV."""
    from micromet_path.apps.archive.summary import export_tables

    with _opened(out, database) as opened:
        for path in export_tables(opened, folder):
            click.echo(path)


@contextmanager
def _opened(out: Path, database: str | None, is_to_fill: bool = False) -> Iterator[Any]:
    """The database of an archive that is there; to fill it nobody else may be at work."""
    from micromet_path.apps.archive.database import DATABASE_FILE, open_database
    from micromet_path.apps.archive.folders import slide_folders
    from micromet_path.apps.batch.locking import locked
    from micromet_path.errors import ResultError

    _ = next(slide_folders(out), None)  # says so where this is no folder
    advice = f"run `micromet archive reindex {out}`"
    if database is None and not is_to_fill and not (out / DATABASE_FILE).exists():
        raise ResultError(f"{out} holds no {DATABASE_FILE}; {advice}, or name its --database")
    with locked(out) if is_to_fill else nullcontext():
        opened = open_database(out, database)
        try:
            if opened.is_new and not is_to_fill:
                raise ResultError(f"{opened.name} does not hold what the folders do; {advice}")
            yield opened
        finally:
            opened.close()
