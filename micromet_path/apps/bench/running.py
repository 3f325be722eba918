"""Draw, analyse and compare every slide of a plan, some at a time, each in a process of one thread."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import print_exc
from typing import Any

import numpy as np

from micromet_path.apps.bench.judge import compare
from micromet_path.apps.bench.matching import Spans
from micromet_path.apps.bench.records import Failure, SlideOutcome
from micromet_path.apps.bench.sides import Subject
from micromet_path.apps.bench.suite import BenchSlide, Plan
from micromet_path.apps.samples import SampleSpec, write_sample
from micromet_path.errors import MicrometError

__all__ = ["judge_slide", "run_plan"]

Progress = Callable[[int, int], None]


def run_plan(
    plan: Plan, workers: int = 2, keep: Path | None = None, progress: Progress | None = None
) -> tuple[list[SlideOutcome], list[Failure]]:
    """Judge every slide of a plan.

    Parameters
    ----------
    plan : Plan
    workers : int
        Processes.
    keep : Path, optional
        Folder in which slides and truths stay; otherwise they are deleted when judged.
    progress : callable, optional
        Called with the slides that are done and their total.

    Returns
    -------
    outcomes, failures
        In the order of the plan, however many processes there were. A slide that fails does not stop the others.
    """
    if workers == 1 or len(plan.slides) == 1:
        return _sorted_out([_told(judge_or_fail(slide, keep), index, plan, progress)
                            for index, slide in enumerate(plan.slides)])  # fmt: skip
    # Spawned rather than forked: threads of compiled code do not survive a fork, and Windows has none.
    with ProcessPoolExecutor(min(workers, len(plan.slides)), mp_context=get_context("spawn")) as pool:
        return _sorted_out(_gathered(pool, plan, keep, progress))


def _gathered(pool: Executor, plan: Plan, keep: Path | None, progress: Progress | None) -> list[SlideOutcome | Failure]:
    """Results of all slides in their order."""
    futures: list[Future[SlideOutcome | Failure]] = [pool.submit(judge_or_fail, slide, keep) for slide in plan.slides]
    try:
        for done, future in enumerate(as_completed(futures)):
            _told(future.result(), done, plan, progress)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return [future.result() for future in futures]


def _told(result: SlideOutcome | Failure, done: int, plan: Plan, progress: Progress | None) -> SlideOutcome | Failure:
    """The result, after saying that one more is done."""
    if progress is not None:
        progress(done + 1, len(plan.slides))
    return result


def _sorted_out(results: list[SlideOutcome | Failure]) -> tuple[list[SlideOutcome], list[Failure]]:
    """What succeeded, and what did not."""
    outcomes = [result for result in results if isinstance(result, SlideOutcome)]
    return outcomes, [result for result in results if isinstance(result, Failure)]


def judge_or_fail(slide: BenchSlide, keep: Path | None) -> SlideOutcome | Failure:
    """Judge one slide; why that is not possible is a result as well, for the others are to be done all the same."""
    try:
        return judge_slide(slide, keep)
    except (MicrometError, OSError) as error:
        return Failure(slide.name, slide.profile, str(error))
    except Exception as error:
        print_exc()  # a defect of the program: told in full
        return Failure(slide.name, slide.profile, f"a defect of micromet_path: {type(error).__name__}: {error}")


def judge_slide(slide: BenchSlide, keep: Path | None = None) -> SlideOutcome:
    """Draw one slide, analyse it as `micromet analyze` would, and compare the result with the truth."""
    from micromet_path.api import analyze
    from micromet_path.config import Config

    with TemporaryDirectory(prefix="micromet-bench-") as folder:
        paths = write_sample(Path(folder), slide.spec)
        truth = json.loads(paths.truth.read_text(encoding="utf-8"))
        if keep is not None:
            _kept(paths.slide, keep / f"{slide.name}.svs")
            _kept(paths.truth, keep / f"{slide.name}.truth.json")
        settings = {**slide.settings, **_control_zone(truth)}
        result = analyze(paths.slide, Config.from_dict(settings, slide.name), workers=1)
        subject = Subject(slide.name, slide.profile, slide.is_negative_batch, truth, masks_of(slide.spec, truth))
        return compare(subject, result.analysis, result.runs)


def masks_of(spec: SampleSpec, truth: dict[str, Any]) -> list[Spans]:
    """Pixels of each focus: the layout is a function of the specification, so they need not be written."""
    from micromet_path.apps.samples.write import layout_of

    masks = [focus.mask for focus in layout_of(spec).foci]
    boxes = [focus["bbox_px0"] for focus in truth["foci"]]
    if [list(mask.bbox) for mask in masks] != boxes:
        raise ValueError(f"layout and truth of {spec.stem} are not the same")
    return [Spans(mask.row, mask.start, mask.stop, np.zeros(len(mask.row), dtype=np.int64)) for mask in masks]


def _control_zone(truth: dict[str, Any]) -> dict[str, Any]:
    """Setting that names the place of the control tissue, as a laboratory that mounts it would."""
    zone = truth.get("control_zone_mm")
    if not zone:
        return {}
    corners = dict(zip(("x0_mm", "y0_mm", "x1_mm", "y1_mm"), zone, strict=True))
    return {"zones": [{"role": "control", **corners}]}


def _kept(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)
