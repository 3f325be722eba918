"""What is measured on a slide, and once a run beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from micromet_path.apps.bench.speed.jobs import Job, Sample
from micromet_path.apps.bench.speed.peers import OPENSLIDE_ALL, OPENSLIDE_READS, openslide_run
from micromet_path.apps.bench.speed.process import Missing, import_seconds, run_job
from micromet_path.apps.bench.speed.rounds import Run
from micromet_path.apps.bench.speed.subjects import Subject
from micromet_path.geometry import PixelSpacing

__all__ = [
    "COLD", "EMPTY_CACHE", "FLOOR", "FULL_COMMAND", "IMPORT", "ONE_THREAD", "OWN_READS", "SCAN", "SCAN_FULL",
    "SMALL_COLD", "SMALL_WARM", "WARM", "Conditions", "empty_cache_run", "full_command_run", "small_runs",
    "subject_runs",
]  # fmt: skip

FLOOR = "decode floor"
SCAN_FULL = "scan, full"
SCAN = "scan, candidates first"
ONE_THREAD = "scan, full, one thread"
COLD = "whole command, cold"
WARM = "whole command, warm"
FULL_COMMAND = "whole command, full"
OWN_READS = "own reader, single reads"

IMPORT = "import micromet_path"
SMALL_WARM = "small slide, warm"
SMALL_COLD = "small slide, cold"
EMPTY_CACHE = "small slide, cold, no kernel compiled"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is the same in all measurements of a run.

    Parameters
    ----------
    threads : int
    warm_up : Path
        A small slide.
    spacing : PixelSpacing or None
        Given scale of the slides.
    """

    threads: int
    warm_up: Path
    spacing: PixelSpacing | None = None

    def job_of(self, subject: Subject) -> Job:
        """A scan in the default mode; other jobs are variants of it."""
        spacing = None if self.spacing is None or subject.profile else (self.spacing.x_um, self.spacing.y_um)
        return Job("scan", str(subject.path), self.threads, spacing_um=spacing, warm_up=str(self.warm_up))


def _run(name: str, job: Job) -> Run:
    return Run(name, lambda: run_job(job))


def subject_runs(subject: Subject, conditions: Conditions) -> list[Run]:
    """What is measured of our own program on a slide, and OpenSlide where it is the measure of something."""
    base = conditions.job_of(subject)
    command = replace(base, kind="command")
    runs = [
        _run(FLOOR, replace(base, kind="floor")),
        _run(SCAN_FULL, replace(base, mode="full")),
        _run(SCAN, base),
        _run(COLD, replace(command, warm_up=None)),
        _run(WARM, command),
    ]
    if conditions.threads > 1:
        runs.append(_run(ONE_THREAD, replace(base, mode="full", threads=1)))
    if subject.has_own_tiles:
        runs.append(_run(OWN_READS, replace(base, kind="reads", threads=1, boxes=subject.boxes)))
        runs.append(openslide_run(OPENSLIDE_READS, subject, 1))
    if subject.is_jpeg2000:
        runs.append(openslide_run(OPENSLIDE_ALL, subject, conditions.threads))
    return runs


def full_command_run(subject: Subject, conditions: Conditions) -> Run:
    """The command that decodes everything: what its clusters are is what the default mode's have to be."""
    return _run(FULL_COMMAND, replace(conditions.job_of(subject), kind="command", mode="full"))


def small_runs(small: Subject, conditions: Conditions) -> list[Run]:
    """What does not grow with a slide: import, start, and a slide so small that it is nearly nothing."""
    command = replace(conditions.job_of(small), kind="command")
    return [
        Run(IMPORT, lambda: import_seconds(conditions.threads)),
        _run(SMALL_COLD, replace(command, warm_up=None)),
        _run(SMALL_WARM, command),
    ]


def empty_cache_run(small: Subject, conditions: Conditions) -> Run:
    """The small slide where no compiled code is stored."""
    job = replace(conditions.job_of(small), kind="command", warm_up=None)

    def measure() -> Sample | Missing:
        with TemporaryDirectory(prefix="micromet-kernels-") as folder:
            return run_job(job, {"NUMBA_CACHE_DIR": folder})

    return Run(EMPTY_CACHE, measure)
