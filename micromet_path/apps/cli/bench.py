"""``micromet bench``: draw slides whose truth is known, analyse them, and say how well that went."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from micromet_path.apps.bench import DEFAULT_SLIDES, FIRST_SEED

__all__ = ["AccuracyCommand", "bench", "run_accuracy"]

_FILE = click.Path(path_type=Path)


@click.group()
def bench() -> None:
    """Measure the program itself on synthetic slides."""


@bench.command()
@click.option("--out", type=_FILE, help="Folder for the tables and the picture; without it they are only printed.")
@click.option(
    "--slides", type=click.IntRange(1), default=DEFAULT_SLIDES, show_default=True,
    help="How many, dealt out over the profiles; small slides without tumour are added in proportion.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=FIRST_SEED, show_default=True, help="Of the first slide.")
@click.option("--workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Processes.")
@click.option("--profile", "profiles", multiple=True, help="Only this kind of slide; may be given several times.")
@click.option("--side", "side_px", type=int, help="Pixels of all slides, instead of each profile's own.")
@click.option("--outlines", type=_FILE, help="Real outlines of foci, which the generator then draws.")
@click.option("--keep", is_flag=True, help="Keep the slides, in OUT/slides.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def accuracy(**options: Any) -> None:
    """Find out how well foci are found, sized and classified when stain, scanner and section change.

    Every slide is drawn, analysed with the default settings and compared with what is known to be on it. These are
    synthetic slides: the figures are no evidence of clinical performance. That a figure falls short of what is asked
    is a result, not an error.
    """
    sys.exit(run_accuracy(AccuracyCommand(**options)))


@dataclass(frozen=True, slots=True)
class AccuracyCommand:
    """What the command line asked for."""

    out: Path | None
    slides: int
    seed: int
    workers: int
    profiles: tuple[str, ...]
    side_px: int | None
    outlines: Path | None
    keep: bool
    as_json: bool
    quiet: bool

    def __post_init__(self) -> None:
        if self.keep and self.out is None:
            raise click.UsageError("--keep needs --out: the slides are kept in OUT/slides")


def run_accuracy(command: AccuracyCommand) -> int:
    """Run the benchmark; the exit status: 3 when some slides failed, 1 when all did."""
    from micromet_path.apps.bench.running import run_plan
    from micromet_path.apps.bench.suite import Request, plan
    from micromet_path.apps.bench.tables import Report
    from micromet_path.apps.bench.write import prepare
    from micromet_path.apps.cli.console import progress_bar
    from micromet_path.apps.cli.words import complain

    if command.out is not None:
        prepare(command.out)
    slides = plan(Request(command.slides, command.seed, command.profiles, command.side_px, command.outlines))
    keep = command.out / "slides" if command.keep and command.out is not None else None
    with progress_bar("slides", shown=not command.quiet) as progress:
        outcomes, failures = run_plan(slides, command.workers, keep, progress)
    for failure in failures:
        complain(f"{failure.slide}: {failure.because}")
    if not outcomes:
        return 1
    _show(command, Report.of(command.seed, outcomes, failures, slides.left_out))
    return 3 if failures else 0


def _show(command: AccuracyCommand, report: Any) -> None:
    """Write the files and print the figures."""
    from micromet_path.apps.bench.tables import plain, to_json
    from micromet_path.apps.bench.write import write_report
    from micromet_path.apps.cli.words import complain

    if command.out is not None:
        no_picture = write_report(command.out, report)
        if no_picture is not None:
            complain(no_picture)
    if command.as_json:
        click.echo(json.dumps(to_json(report), allow_nan=False, separators=(",", ":")))
        return
    click.echo(plain(report))
    if command.out is not None:
        click.echo(f"written to {command.out}")
