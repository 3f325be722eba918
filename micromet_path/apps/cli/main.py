"""The command and its verbs; each verb's work is imported when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import click

from micromet_path import __version__
from micromet_path.apps.cli.archive import archive
from micromet_path.apps.cli.bench import bench
from micromet_path.apps.cli.options import ShardType, SpacingType
from micromet_path.errors import MicrometError

__all__ = ["cli", "main"]

_FILE = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="micromet")
def cli() -> None:
    """Find, measure and classify keratin-positive foci on slides of sentinel lymph nodes.

    For research use only: it suggests, a pathologist decides.
    """


@cli.command()
@click.argument("slides", nargs=-1, required=True, metavar="SLIDE...")
@click.option("-o", "--out", type=_FILE, required=True, help="Folder that receives one folder a slide.")
@click.option("-c", "--config", type=_FILE, help="Settings as a TOML file; see `micromet config`.")
@click.option("--mpp", "spacing", type=SpacingType(), help="Microns per pixel of level 0; overrules the file.")
@click.option("--workers", type=click.IntRange(1, 256), help="Threads; all processors by default.")
@click.option("--region", type=_FILE, help="GeoJSON outlines: only what lies inside is analysed.")
@click.option("--exclude", type=_FILE, help="GeoJSON outlines: what lies inside is left out.")
@click.option(
    "--origin",
    type=click.Choice(["auto", "level0", "bounds"]),
    default="auto",
    show_default=True,
    help="Corner from which clusters.geojson counts; auto is what QuPath uses for the slide.",
)
@click.option(
    "--hash", "hash_mode", type=click.Choice(["sampled", "full"]), default="sampled", show_default=True,
    help="Fingerprint sampled blocks of the slide, or every byte.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print result.json, one line a slide, on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no table.")
def analyze(slides: tuple[str, ...], **options: Any) -> None:
    """Analyse slides; write report, overview, tables and outlines of each.

    A SLIDE may be a pattern such as "archive/*.svs". A slide that was analysed before with the same
    settings is not read again.
    """
    from micromet_path.apps.cli.analyze import AnalyzeCommand, run

    sys.exit(run(AnalyzeCommand(slides=slides, **options)))


@cli.command()
@click.argument("cases", nargs=-1, required=True, metavar="CASE...", type=_FILE)
@click.option("--results", type=_FILE, help="Folder with the results of the slides that the cases name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line a case.")
@click.option("--fhir", "as_fhir", is_flag=True, help="Print a FHIR R4B bundle (mCODE), one line a case.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table with one row a case.")
@click.option("--synoptic", "as_synoptic", is_flag=True, help="Print a synoptic text to paste.")
@click.option("--html", type=_FILE, help="Write one page for one case.")
@click.option("--context", is_flag=True, help="Add studies whose population the case matches or misses.")
@click.option("--prognostic-table", type=_FILE, help="Your own table of the prognostic stage, as CSV.")
def stage(
    cases: tuple[Path, ...], html: Path | None, as_json: bool, as_fhir: bool, as_csv: bool, as_synoptic: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Stage cases: pN, stage groups, and why.

    A CASE is a .toml or .json file with one case, or a .csv with many, one row a node. Nodes are described by
    category, by size and cells, or by slides that were analysed before.

    Exit status: 0 done, 1 nothing could be staged, 2 usage, 3 some of several cases failed.
    """
    from micromet_path.apps.cli.stage import StageCommand, run

    forms = {"json": as_json, "fhir": as_fhir, "csv": as_csv, "synoptic": as_synoptic}
    sys.exit(run(StageCommand.of(cases, html, forms, **options)))


@cli.command()
@click.argument("out", type=_FILE)
@click.option(
    "--origin", type=click.Choice(["auto", "level0", "bounds"]), default="auto", show_default=True,
    help="Corner from which clusters.geojson counts.",
)  # fmt: skip
def report(out: Path, origin: Any) -> None:
    """Make report, pictures, tables and outlines again from a stored result.

    OUT is the folder of one slide, or the one that was given to `analyze -o`. The slide is not needed.
    """
    from micromet_path.apps.cli.report import run

    sys.exit(run(out, origin))


@cli.command()
@click.argument("file", type=_FILE, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of TOML.")
def config(file: Path | None, as_json: bool) -> None:
    """Check a configuration and print it with every default filled in; without FILE, the defaults."""
    import json

    from micromet_path.config import load_config

    settings = load_config(file)
    if as_json:
        click.echo(json.dumps({"fingerprint": settings.fingerprint, **settings.to_dict()}, indent=2))
    else:
        click.echo(f"# fingerprint {settings.fingerprint}\n\n{settings.to_toml()}", nl=False)


@cli.command()
@click.argument("out", type=_FILE)
@click.option("--profile", default="default", show_default=True, help="Kind of slide; an unknown one lists them.")
@click.option("--side", type=int, default=10000, show_default=True, help="Width and height in pixels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses among the slides of a profile.")
@click.option("--spacing", type=float, default=0.25, show_default=True, help="Microns per pixel.")
@click.option("--spacing-y", type=float, help="Microns per pixel downwards, where another.")
@click.option("--look", default="default", show_default=True, help="Stain and optics; an unknown one lists them.")
@click.option("--outlines", type=_FILE, help="Real outlines (gzip JSON) that foci are shaped by.")
def samples(
    out: Path, profile: str, side: int, seed: int, spacing: float, spacing_y: float | None, look: str,
    outlines: Path | None,
) -> None:  # fmt: skip
    """Generate a sample slide with known truth: a pyramidal SVS and its truth.json."""
    from micromet_path.apps.cli.console import progress_bar
    from micromet_path.apps.samples import SampleSpec, write_sample

    spec = SampleSpec(
        profile=profile,
        side_px=side,
        seed=seed,
        spacing_um=spacing,
        look=look,
        spacing_y_um=spacing_y,
        outlines=outlines,
    )
    with progress_bar("drawing") as progress:
        paths = write_sample(out, spec, progress)
    click.echo(paths.slide)
    click.echo(paths.truth)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def doctor(as_json: bool) -> None:
    """Show versions, readers and decoders, and run a self-test."""
    from micromet_path.apps.cli.doctor import run

    sys.exit(run(as_json))


@cli.command()
@click.argument("archives", nargs=-1, metavar="ARCHIVE...")
@click.option("-o", "--out", type=_FILE, required=True, help="Folder that receives one folder a slide.")
@click.option("-c", "--config", type=_FILE, help="Settings as a TOML file; see `micromet config`.")
@click.option("--manifest", type=_FILE, help="What is known of the slides, as CSV with one row a slide.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes, one slide each; all processors by default.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a dask cluster that does the work, such as tcp://head:8786.")
@click.option("--shard", type=ShardType(), help="Do every N-th slide only, from the K-th on.")
@click.option("--retry-failed", is_flag=True, help="Try again what failed before and is the same now.")
@click.option("--database", metavar="URL", help="PostgreSQL instead of archive.sqlite in the folder.")
@click.option(
    "--hash",
    "hash_mode",
    type=click.Choice(["sampled", "full"]),
    default="sampled",
    show_default=True,
    help="Fingerprint sampled blocks of each slide, or every byte.",
)
@click.option(
    "--time-limit",
    "seconds",
    type=click.FloatRange(1),
    default=3600.0,
    show_default=True,
    help="Seconds that a slide may take.",
)
@click.option(
    "--memory-limit", "memory_mib", type=click.IntRange(256), default=4096, show_default=True,
    help="MiB that a slide may take.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON a slide on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table.")
def batch(archives: tuple[str, ...], workers: int | None, **options: Any) -> None:
    """Analyse an archive: folders, patterns or files of slides, or what a manifest lists.

    A slide that fails costs itself, never the run. A rerun does what is missing or stale and nothing else.

    Exit status: 0 done, 1 nothing could be done, 2 usage, 3 some slides or cases failed, a folder could not be read, or
    the database is behind, and the rest is done.
    """
    from micromet_path.api import default_workers
    from micromet_path.apps.cli.batch import BatchCommand, run

    sys.exit(run(BatchCommand(archives=archives, workers=workers or default_workers(), **options)))


cli.add_command(archive)
cli.add_command(bench)


def main() -> None:
    """Run the command; an error raised on purpose becomes one line and exit status 1."""
    from micromet_path.apps.cli.words import complain

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal's encoding does not have
    try:
        cli(standalone_mode=False)
    except MicrometError as error:
        complain(str(error))
        sys.exit(1)
    except OSError as error:
        complain(f"{error.filename or 'a file'}: {error.strerror or error}; check the path, its rights and free space")
        sys.exit(1)
    except click.exceptions.Abort:
        click.echo("micromet: stopped", err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        click.echo("micromet: stopped", err=True)
        sys.exit(130)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
