"""One measurement in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from micromet_path.apps.bench.speed.jobs import Job, Sample
from micromet_path.errors import MicrometError

__all__ = ["Missing", "answer_of", "import_seconds", "run_job", "try_job"]

_WORKER = "micromet_path.apps.bench.speed.worker"
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_IMPORT = (
    "import time, json; start = time.perf_counter(); import micromet_path; "
    "print(json.dumps({'wall_s': time.perf_counter() - start, 'cpu_s': 0.0, 'peak_bytes': None}))"
)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no sample."""

    because: str


def run_job(job: Job, environment: Mapping[str, str] | None = None) -> Sample:
    """Do a job in a fresh process.

    Raises
    ------
    MicrometError
        If it fails; the text is what it said.
    """
    sample = try_job(job, environment=environment)
    if isinstance(sample, Missing):
        raise MicrometError(f"{os.path.basename(job.slide)} could not be measured ({job.kind}): {sample.because}")
    return sample


def try_job(job: Job, limit_s: float | None = None, environment: Mapping[str, str] | None = None) -> Sample | Missing:
    """Do a job in a fresh process, which is stopped at the limit; what it took, or why there is no answer."""
    return answer_of([sys.executable, "-m", _WORKER, job.to_json()], job.threads, limit_s, environment)


def import_seconds(threads: int) -> Sample:
    """Import the package in a fresh process."""
    sample = answer_of([sys.executable, "-c", _IMPORT], threads)
    if isinstance(sample, Missing):
        raise MicrometError(f"micromet_path could not be imported in a process of its own: {sample.because}")
    return sample


def answer_of(
    command: Sequence[str], threads: int, limit_s: float | None = None, environment: Mapping[str, str] | None = None
) -> Sample | Missing:
    """Run a program that prints one JSON object as its last line; what it took, or why there is no answer."""
    pools = dict.fromkeys(_POOLS, str(threads))  # linear algebra takes no more threads than is asked for
    before, start = os.times(), time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=limit_s,
            env={**os.environ, **pools, **(environment or {})}, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Missing(f"not finished in {limit_s:g} s")
    except OSError as error:
        return Missing(f"{os.path.basename(command[0])} cannot be run: {error.strerror or error}")
    wall_s, after = time.perf_counter() - start, os.times()
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    answer = _last_object(done.stdout)
    if answer is None or not answer.keys() >= {"wall_s", "cpu_s", "peak_bytes"}:
        told = answer.get("error") if answer else None
        return Missing(_without_folders(str(told or _last_line(done.stderr, done.returncode))))
    return Sample(answer.pop("wall_s"), answer.pop("cpu_s"), answer.pop("peak_bytes"), wall_s, cpu_s, answer)


def _without_folders(text: str) -> str:
    """One line of at most 200 characters in which paths are names: folders tell of a machine and its users."""
    return re.sub(r"(?:[A-Za-z]:)?[/\\](?:[^\s/\\:'\"]+[/\\])+", "", " ".join(text.split()))[:200]


def _last_object(text: str) -> dict[str, Any] | None:
    """The JSON object in the last line, None where there is none."""
    lines = text.strip().splitlines()
    try:
        content = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _last_line(text: str, status: int) -> str:
    """What a program that failed said last."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else f"it ended with status {status} and said nothing"
