"""``python -m micromet_path.apps.bench.speed.worker JOB``: do one job in this process and print what it took."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from micromet_path.apps.bench.speed.jobs import Job
from micromet_path.apps.bench.speed.usage import Stopwatch, peak_bytes
from micromet_path.apps.process import leave, settle
from micromet_path.errors import MicrometError

__all__ = ["main", "measure"]


def measure(job: Job) -> dict[str, Any]:
    """Do a job, after the warm-up that it asks for.

    Returns
    -------
    dict
        ``wall_s``, ``cpu_s``, ``peak_bytes``, ``steps`` as rows of name, wall and CPU seconds, and what the work itself
        tells.
    """
    from micromet_path.apps.bench.speed.work import WORK, config_of

    if job.warm_up is not None:
        # A command loads whatever a scan may come upon; what a small slide shows a scan is less.
        kind = "command" if job.kind == "scan" else job.kind
        small = replace(job, kind=kind, slide=job.warm_up, spacing_um=None, boxes=((0, 0, 256, 256),))
        WORK[kind](small, config_of(job, is_warm_up=True), lambda _: None)
        _open(job)
    config = config_of(job)
    steps: list[tuple[str, float, float]] = []
    watch = Stopwatch()

    def tell(step: str) -> None:
        lap = watch.lap()
        steps.append((step, lap.wall_s, lap.cpu_s))

    facts = WORK[job.kind](job, config, tell)
    total = watch.total()  # up to the last step: what a job tidies up after itself is none of it
    return {"wall_s": total.wall_s, "cpu_s": total.cpu_s, "peak_bytes": peak_bytes(), "steps": steps, **facts}


def _open(job: Job) -> None:
    """Load the libraries of this slide's own format."""
    from micromet_path.slides import open_slide

    with open_slide(job.slide, job.spacing) as slide:
        slide.read(slide.tiles[0, 0])


def main() -> int:
    """Do the job of the command line as the command does, from first to last; the exit status."""
    settle()
    try:
        answer = measure(Job.from_json(sys.argv[1]))
    except (MicrometError, OSError) as error:
        answer = {"error": str(error)}
    leave()
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
