"""``micromet bench``: how well slides whose truth is known are analysed, and how fast."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from micromet_path.apps.bench import DEFAULT_SLIDES, FIRST_SEED
from micromet_path.apps.bench.speed import DEFAULT_SIDES, DEFAULT_THREADS, LEAST_REPEATS
from micromet_path.apps.cli.options import SpacingType

__all__ = ["AccuracyCommand", "ScaleCommand", "SpeedCommand", "bench", "run_accuracy", "run_scale", "run_speed"]

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
    _print(command, to_json if command.as_json else plain, report)


def _print(
    command: AccuracyCommand | SpeedCommand | ScaleCommand | ArchiveCommand, form: Callable[[Any], Any], report: Any
) -> None:
    """The figures on stdout, as one JSON object or as lines."""
    content = form(report)
    if command.as_json:
        click.echo(json.dumps(content, allow_nan=False, separators=(",", ":")))
        return
    click.echo(content)
    if command.out is not None:
        click.echo(f"written to {command.out}")


@bench.command()
@click.argument("slides", nargs=-1, metavar="[SLIDE]...", type=_FILE)
@click.option(
    "--side", "sides_px", type=int, multiple=True, default=DEFAULT_SIDES, show_default=True,
    help="Pixels a side of a slide to draw where no SLIDE is given; may be given several times.",
)  # fmt: skip
@click.option("--profile", default="default", show_default=True, help="Kind of the slides that are drawn.")
@click.option("--mpp", "spacing", type=SpacingType(), help="Microns per pixel of level 0 of the given slides.")
@click.option("--threads", type=click.IntRange(1, 256), default=DEFAULT_THREADS, show_default=True, help="Threads.")
@click.option(
    "--repeats", type=click.IntRange(1), default=LEAST_REPEATS, show_default=True,
    help="Rounds, each of every measurement once.",
)  # fmt: skip
@click.option("--peers", is_flag=True, help="Measure other programs too, as far as they are installed.")
@click.option("--peers-python", type=_FILE, help="Interpreter of the environment that holds them; our own by default.")
@click.option(
    "--peer-limit", "peer_limit_s", type=click.FloatRange(1), default=300.0, show_default=True,
    help="Seconds after which another program is stopped.",
)  # fmt: skip
@click.option("--no-empty-cache", is_flag=True, help="Leave out the run that compiles everything: a minute or more.")
@click.option("--out", type=_FILE, help="Folder for the tables; without it they are only printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def speed(**options: Any) -> None:
    """Find out how fast slides are analysed: against decoding alone, against OpenSlide and other programs.

    Without SLIDE, sample slides are drawn into a temporary folder. Every measurement runs in a process of its own, in
    rounds, so that seconds are those of this machine and ratios hold on others. That a figure falls short of what is
    asked is a result, not an error.
    """
    run_speed(SpeedCommand(**options))


@dataclass(frozen=True, slots=True)
class SpeedCommand:
    """What the command line asked for."""

    slides: tuple[Path, ...]
    sides_px: tuple[int, ...]
    profile: str
    spacing: Any
    threads: int
    repeats: int
    peers: bool
    peers_python: Path | None
    peer_limit_s: float
    no_empty_cache: bool
    out: Path | None
    as_json: bool
    quiet: bool

    def __post_init__(self) -> None:
        if self.spacing is not None and not self.slides:
            raise click.UsageError("--mpp is the scale of given slides; name one, drawn ones have their own")


def run_speed(command: SpeedCommand) -> None:
    """Measure, print and write."""
    from micromet_path.apps.bench.speed.peers import PeerOptions
    from micromet_path.apps.bench.speed.running import Request, run
    from micromet_path.apps.bench.speed.tables import plain, to_json
    from micromet_path.apps.bench.speed.write import write_speed
    from micromet_path.apps.bench.write import prepare
    from micromet_path.apps.cli.console import progress_bar

    if command.out is not None:
        prepare(command.out)
    python = str(command.peers_python or sys.executable)
    peers = PeerOptions(python, command.peer_limit_s) if command.peers or command.peers_python else None
    request = Request(
        command.slides, command.sides_px, command.profile, command.spacing, command.threads, command.repeats,
        peers, not command.no_empty_cache,
    )  # fmt: skip
    report = run(request, lambda title: progress_bar(title, shown=not command.quiet))
    if command.out is not None:
        write_speed(command.out, report)
    _print(command, to_json if command.as_json else plain, report)


@bench.command()
@click.option("--case", "cases", multiple=True, help="Only this kind of slide; may be given several times.")
@click.option(
    "--side", "sides_px", type=click.IntRange(6000), multiple=True,
    help="About so many pixels a side, instead of each slide's own; may be given several times.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 256), default=DEFAULT_THREADS, show_default=True, help="Threads.")
@click.option("--out", type=_FILE, help="Folder for the tables; without it they are only printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def scale(**options: Any) -> None:
    """Find out what very large slides take, and slides that are a pattern: a checkerboard, two million specks.

    Slides are drawn of few distinct tiles, so that the largest takes megabytes of disk. Some ten minutes.
    """
    run_scale(ScaleCommand(**options))


@dataclass(frozen=True, slots=True)
class ScaleCommand:
    """What the command line asked for."""

    cases: tuple[str, ...]
    sides_px: tuple[int, ...]
    threads: int
    out: Path | None
    as_json: bool
    quiet: bool


def run_scale(command: ScaleCommand) -> None:
    """Measure, print and write."""
    from micromet_path.apps.bench.scale import CASES, markdown, plain, run, to_json
    from micromet_path.apps.bench.write import prepare, write_texts
    from micromet_path.apps.cli.console import progress_bar

    if unknown := [name for name in command.cases if name not in CASES]:
        raise click.UsageError(f"there is no case {unknown[0]!r}; there are {', '.join(CASES)}")
    if command.out is not None:
        prepare(command.out)
    with progress_bar("slides", shown=not command.quiet) as progress:
        rows = run(command.cases or tuple(CASES), command.sides_px, command.threads, progress)
    if command.out is not None:
        texts = {"scale.json": json.dumps(to_json(rows), indent=1) + "\n", "scale.md": markdown(rows) + "\n"}
        write_texts(command.out, texts)
    _print(command, to_json if command.as_json else plain, rows)


@bench.command()
@click.option(
    "--case",
    "cases",
    type=click.Choice(["throughput", "kills", "corrupted", "many"]),
    multiple=True,
    help="Only this part; may be given several times.",
)
@click.option("--slides", type=click.IntRange(10), default=200, show_default=True, help="Slides, of throughput.")
@click.option("--kills", "moments", type=click.IntRange(1), default=30, show_default=True, help="Runs that are killed.")
@click.option("--damaged", type=click.IntRange(12), default=1000, show_default=True, help="Slides that are damaged.")
@click.option(
    "--many", "count", type=click.IntRange(100), default=10_000, show_default=True, help="Slides of the part many."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of moments and damages.")
@click.option("--out", type=_FILE, help="Folder for the table; without it it is only printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def archive(**options: Any) -> None:
    """Find out how fast batches are, and break them: kill them, feed them damaged slides, and thousands of slides.

    Some half an hour. That something does not hold is a result, not an error.
    """
    run_archive(ArchiveCommand(**options))


@dataclass(frozen=True, slots=True)
class ArchiveCommand:
    """What the command line asked for."""

    cases: tuple[str, ...]
    slides: int
    moments: int
    damaged: int
    count: int
    seed: int
    out: Path | None
    as_json: bool
    quiet: bool


def run_archive(command: ArchiveCommand) -> None:
    """Break, print and write."""
    from tempfile import TemporaryDirectory

    from micromet_path.apps.bench.archive.corrupted import corrupted
    from micromet_path.apps.bench.archive.figures import markdown, plain, to_json
    from micromet_path.apps.bench.archive.kills import kills
    from micromet_path.apps.bench.archive.many import many
    from micromet_path.apps.bench.archive.throughput import throughput
    from micromet_path.apps.bench.write import prepare, write_texts
    from micromet_path.apps.cli.console import progress_bar

    if command.out is not None:
        prepare(command.out)
    parts: dict[str, Callable[[Path, Any], Any]] = {
        "throughput": lambda folder, told: throughput(folder, command.slides, told),
        "kills": lambda folder, told: kills(folder, command.moments, command.seed, told),
        "corrupted": lambda folder, told: corrupted(folder, command.damaged, command.seed, told),
        "many": lambda folder, told: many(folder, command.count, told),
    }
    figures: list[Any] = []
    for name in command.cases or parts:
        bar = progress_bar(name, shown=not command.quiet)
        with TemporaryDirectory(prefix="micromet-bench-") as folder, bar as progress:
            figures += parts[name](Path(folder), progress or (lambda done, total: None))
    if command.out is not None:
        texts = {"archive.json": json.dumps(to_json(figures), indent=1) + "\n", "archive.md": markdown(figures) + "\n"}
        write_texts(command.out, texts)
    _print(command, to_json if command.as_json else plain, figures)
