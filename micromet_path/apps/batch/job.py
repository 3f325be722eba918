"""One slide, start to end: the work of a worker. It may be done twice, anywhere, and comes to the same."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from micromet_path.api import AnalyzeOptions, analyze_into, is_current, settings_key
from micromet_path.apps.batch.limits import Limits, Note, held, read_note
from micromet_path.config import Config
from micromet_path.errors import MicrometError
from micromet_path.geometry import PixelSpacing
from micromet_path.pipeline import StepDone
from micromet_path.results.encode import as_text
from micromet_path.results.failures import Failure, failure_of, read_failure
from micromet_path.results.store import recover
from micromet_path.slides import slide_fingerprint

__all__ = ["Job", "Outcome", "OutcomeState", "run_job"]

OutcomeState = Literal["done", "reused", "failed", "failed_before"]

_MOST_DEATHS = 2
_PHASE_AFTER = {
    "open": "glass", "glass": "scan", "scan": "gather", "gather": "link", "link": "focus", "focus": "examine",
    "examine": "pictures", "pictures": "judge", "judge": "write",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is asked to do.

    Parameters
    ----------
    path : Path
    slide_id : str
    out : Path
        Folder of the results.
    note : Path
        Where the worker notes how far it is.
    config : Config
    spacing : PixelSpacing or None
    hash_all : bool
    limits : Limits
    retry_failed : bool
        Whether to try again what failed before and would, as far as can be told, fail again.
    attempt : int
    """

    path: Path
    slide_id: str
    out: Path
    note: Path
    config: Config = field(default_factory=Config)
    spacing: PixelSpacing | None = None
    hash_all: bool = False
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False
    attempt: int = 1

    def options(self, told: StepDone | None = None) -> AnalyzeOptions:
        """How its slide is analysed: by one thread."""
        return AnalyzeOptions(spacing=self.spacing, workers=1, hash_all=self.hash_all, on_step=told)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    Parameters
    ----------
    slide_id : str
    state : OutcomeState
    fingerprint : str or None
    seconds : float
        That the worker had it in hand.
    failure : Failure or None
    """

    slide_id: str
    state: OutcomeState
    fingerprint: str | None = None
    seconds: float = 0.0
    failure: Failure | None = None


def run_job(job: Job) -> Outcome:
    """Analyse a slide into its folder, or take what is there; whatever goes wrong is an outcome too."""
    begin = time.monotonic()
    deaths = read_note(job.note)
    if deaths is not None and len(deaths.processes) >= _MOST_DEATHS:
        job.note.unlink(missing_ok=True)
        return Outcome(job.slide_id, "failed", failure=deaths.failure(as_text(job.path.name), job.limits))
    try:
        note = Note(job.note)
    except OSError as error:
        return Outcome(job.slide_id, "failed", failure=failure_of(error, "start", job.path))
    try:
        outcome = _held(job, note)
    except Exception as error:  # of the holding itself
        outcome = Outcome(job.slide_id, "failed", failure=failure_of(error, note.phase, job.path))
    finally:
        note.close()
    return replace(outcome, seconds=time.monotonic() - begin)


def _held(job: Job, note: Note) -> Outcome:
    with held(job.limits, note):
        try:
            return _done(job, note)
        except Exception as error:
            return _failed(job, failure_of(error, note.phase, job.path))


def _failed(job: Job, failure: Failure) -> Outcome:
    """The failure with what it is the failure of, where that can be told."""
    limit = float(job.limits.memory_mib) if failure.kind == "memory" else None
    failure = replace(failure, attempts=job.attempt, limit=limit)
    try:
        fingerprint = slide_fingerprint(job.path, full=job.hash_all)
    except (MicrometError, OSError, MemoryError):
        return Outcome(job.slide_id, "failed", failure=failure)
    keyed = replace(failure, fingerprint=fingerprint, config_fingerprint=settings_key(job.config, job.options()))
    return Outcome(job.slide_id, "failed", fingerprint, failure=keyed)


def _done(job: Job, note: Note) -> Outcome:
    note.reach("identify")
    folder = job.out / job.slide_id
    recover(job.out, job.slide_id)
    fingerprint, key = slide_fingerprint(job.path, full=job.hash_all), settings_key(job.config, job.options())
    note.identify(fingerprint, key)
    if is_current(folder, fingerprint, job.config, job.options()):
        return Outcome(job.slide_id, "reused", fingerprint)
    before = read_failure(folder)
    if before is not None and not job.retry_failed and before.is_final_for(fingerprint, key, job.limits.by_kind):
        return Outcome(job.slide_id, "failed_before", fingerprint, failure=before)
    note.reach("open")
    options = replace(job.options(lambda step: note.reach(_PHASE_AFTER[step])), fingerprint=fingerprint)
    result = analyze_into(job.out, job.path, job.config, options, job.slide_id)
    return Outcome(job.slide_id, "done", result.slide.fingerprint)
