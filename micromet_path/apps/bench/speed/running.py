"""A whole run: slides are opened or drawn, measured in rounds, and what came of it is put together."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from micromet_path.api import default_workers
from micromet_path.apps.bench.speed.asked import Figure
from micromet_path.apps.bench.speed.figures import Measured, figures_of
from micromet_path.apps.bench.speed.peers import PeerOptions, peer_runs
from micromet_path.apps.bench.speed.plans import (
    Conditions,
    empty_cache_run,
    full_command_run,
    small_runs,
    subject_runs,
)
from micromet_path.apps.bench.speed.rounds import run_rounds
from micromet_path.apps.bench.speed.subjects import Subject, draw, require_space, subject_of
from micromet_path.apps.samples import SampleSpec
from micromet_path.geometry import PixelSpacing

__all__ = ["Request", "SpeedReport", "machine", "run"]

_SMALL_PX = 2000

Progress = Callable[[int, int], None]
Bar = Callable[[str], AbstractContextManager[Progress | None]]
"""Shows how far something of this name is."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured.

    Parameters
    ----------
    slides : tuple of Path
        Given slides; without any, slides are drawn.
    sides_px : tuple of int
        Of the drawn ones.
    profile : str
        Of the drawn ones.
    spacing : PixelSpacing or None
        Overrules the scale that given slides state.
    threads, repeats : int
    peers : PeerOptions or None
        None for no other programs.
    with_empty_cache : bool
        Whether a process that has to compile everything is measured: that takes a minute or more.
    """

    slides: tuple[Path, ...]
    sides_px: tuple[int, ...]
    profile: str = "default"
    spacing: PixelSpacing | None = None
    threads: int = 2
    repeats: int = 5
    peers: PeerOptions | None = None
    with_empty_cache: bool = True

    def __post_init__(self) -> None:
        for side_px in () if self.slides else self.sides_px:
            SampleSpec(profile=self.profile, side_px=side_px)  # says what is wrong before an hour is spent


@dataclass(frozen=True)
class SpeedReport:
    """A finished run: what was measured, and on which machine."""

    threads: int
    repeats: int
    machine: dict[str, str]
    slides: tuple[Measured, ...]
    beside: Measured

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """Ratios, memory and growth."""
        return tuple(figures_of(self.slides, self.beside, self.threads))


def run(request: Request, bar: Bar) -> SpeedReport:
    """Measure everything that is asked for.

    Raises
    ------
    MicrometError
        If a slide cannot be used, or there is no room to draw one.
    """
    given = [subject_of(path, request.spacing) for path in request.slides]
    with TemporaryDirectory(prefix="micromet-speed-") as name:
        folder = Path(name)
        require_space(folder, [] if given else request.sides_px)
        small = subject_of(draw(folder, "default", _SMALL_PX))
        conditions = Conditions(request.threads, small.path, request.spacing)
        beside = _beside(small, request, conditions, bar)
        slides = tuple(
            _measured(subject, request, conditions, bar) for subject in given or _drawn(folder, request, bar)
        )
    return SpeedReport(request.threads, request.repeats, machine(), slides, beside)


def _drawn(folder: Path, request: Request, bar: Bar) -> Iterator[Subject]:
    """Slides one after the other, each deleted when the next is asked for: the disk holds one."""
    for side_px in dict.fromkeys(request.sides_px):
        with bar(f"drawing {side_px} px") as progress:
            path = draw(folder / "drawn", request.profile, side_px, progress)
        yield subject_of(path)
        path.unlink()


def _beside(small: Subject, request: Request, conditions: Conditions, bar: Bar) -> Measured:
    """What does not depend on the slide. First of all: it also compiles and stores what is not compiled yet."""
    with bar("start") as progress:
        run_rounds(small_runs(small, conditions), 1)
        taken = run_rounds(small_runs(small, conditions), request.repeats, progress)
        if request.with_empty_cache:
            taken |= run_rounds([empty_cache_run(small, conditions)], 1)
    return Measured(small, taken)


def _measured(subject: Subject, request: Request, conditions: Conditions, bar: Bar) -> Measured:
    """All rounds of one slide."""
    runs = subject_runs(subject, conditions)
    if request.peers is not None:
        runs += peer_runs(subject, request.peers, request.threads)
    with bar(subject.name) as progress:
        taken = run_rounds(runs, request.repeats, progress)
        taken |= run_rounds([full_command_run(subject, conditions)], 1)
    return Measured(subject, taken)


def machine() -> dict[str, str]:
    """What of the machine matters to speed; nothing that names it."""
    libraries = ("numpy", "numba", "simplejpeg", "imagecodecs", "openslide-bin")
    return {
        "processors": f"{default_workers()} of {os.cpu_count() or 1}",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{library: metadata.version(library) for library in libraries},
    }
