"""``micromet analyze``: several slides, each on its own; one that fails does not stop the others."""

from __future__ import annotations

import glob
import json
import traceback
from dataclasses import dataclass
from pathlib import Path

import click

from micromet_path.api import AnalyzeOptions, SlideResult, analyze_into, default_workers, unique_slide_ids
from micromet_path.apps.cli.console import print_result, progress_bar
from micromet_path.apps.cli.words import complain
from micromet_path.config import Config, load_config
from micromet_path.errors import MicrometError, MissingSlideError, ResultError
from micromet_path.geometry import PixelSpacing
from micromet_path.results.qupath import Origin

__all__ = ["AnalyzeCommand", "run"]


@dataclass(frozen=True, slots=True)
class AnalyzeCommand:
    """What the command line asked for."""

    slides: tuple[str, ...]
    out: Path
    config: Path | None
    spacing: PixelSpacing | None
    workers: int | None
    region: Path | None
    exclude: Path | None
    origin: Origin
    hash_mode: str
    as_json: bool
    quiet: bool


def run(command: AnalyzeCommand) -> int:
    """Analyse the slides; the exit status."""
    settings = load_config(command.config)
    if command.out.exists() and not command.out.is_dir():
        raise ResultError(f"{command.out} is a file; name a folder with -o")
    _ = AnalyzeOptions(region=command.region, exclude=command.exclude).area  # wrong outlines are wrong for all slides
    paths = _expanded(command.slides)
    failed = 0
    seen: dict[str, Path] = {}
    for path, slide_id in zip(paths, unique_slide_ids(paths), strict=True):
        try:
            result = _analyze_one(command, settings, path, slide_id)
        except MicrometError as error:
            failed += 1
            complain(str(error))
        except OSError as error:
            # A full disk or a share that went away costs this slide, not the run.
            failed += 1
            complain(f"{path.name}: {error.strerror or error}; nothing was written for it")
        except Exception as error:
            # A defect of the program: told in full, and the other slides are done all the same.
            failed += 1
            traceback.print_exception(error)
            complain(f"{path.name}: this is a defect of micromet_path ({type(error).__name__}); please report it")
        else:
            first = seen.setdefault(result.slide.fingerprint, path)
            if first != path:
                complain(f"{path} is the same slide as {first} under another name; count it once")
            _show(command, result)
    if failed == 0:
        return 0
    return 1 if failed == len(paths) else 3


def _expanded(names: tuple[str, ...]) -> list[Path]:
    """Paths of the arguments; a pattern that the shell did not expand is expanded here."""
    paths: list[Path] = []
    for name in names:
        if Path(name).exists() or not glob.has_magic(name):
            paths.append(Path(name))
            continue
        found = sorted(glob.glob(name, recursive=True))
        if not found:
            raise MissingSlideError(f"no file matches {name}; check the pattern and the folder")
        paths += [Path(path) for path in found]
    return list(dict.fromkeys(paths))


def _analyze_one(command: AnalyzeCommand, settings: Config, path: Path, slide_id: str) -> SlideResult:
    with progress_bar(path.name, shown=not command.quiet) as progress:
        options = AnalyzeOptions(
            spacing=command.spacing,
            region=command.region,
            exclude=command.exclude,
            workers=command.workers or default_workers(),
            hash_all=command.hash_mode == "full",
            origin=command.origin,
            progress=progress,
        )
        return analyze_into(command.out, path, settings, options, slide_id)


def _show(command: AnalyzeCommand, result: SlideResult) -> None:
    if command.as_json:
        from micromet_path.results.store import to_json

        # ASCII: pipes of Windows speak an encoding of their own.
        click.echo(json.dumps(to_json(result.analysis), separators=(",", ":")))
    if not command.quiet and result.folder is not None:
        print_result(result.analysis, result.folder, result.was_reused)
