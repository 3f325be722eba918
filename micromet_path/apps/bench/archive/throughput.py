"""How much faster two workers are than one, and what the batch itself costs a slide."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median

from micromet_path.apps.bench.archive.figures import Figure
from micromet_path.apps.bench.archive.process import Ran, run
from micromet_path.apps.bench.archive.slides import bases, copies

__all__ = ["throughput"]

_ROUNDS = 3
_LIMIT_S = 3600.0


def throughput(folder: Path, count: int, told: Callable[[int, int], object]) -> list[Figure]:
    """Analyse so many slides with one worker, with two, and by `analyze` with one thread, in interleaved rounds.

    Parameters
    ----------
    folder : Path
        Empty.
    count : int
    told : callable
        Called with (rounds done, rounds in all).
    """
    slides = list(copies(bases(folder / "bases", ("itc", "negative", "he")), folder / "archive", count))
    out = folder / "out"
    seconds: dict[str, list[float]] = {"one": [], "two": [], "analyze": [], "again": []}
    inside: list[float] = []
    batch = ("batch", folder / "archive", "-o", out, "-q", "--json", "--workers")
    for number in range(_ROUNDS):
        alone = _done("analyze", *slides, "-o", out, "--workers", 1, "-q")
        seconds["analyze"].append(alone.seconds)
        shutil.rmtree(out)
        one = _done(*batch, 1)
        seconds["one"].append(one.seconds)
        inside.append(sum(line["seconds"] for line in one.lines))
        shutil.rmtree(out)
        seconds["two"].append(_done(*batch, 2).seconds)
        seconds["again"].append(_done(*batch, 2).seconds)
        shutil.rmtree(out)
        told(number + 1, _ROUNDS)
    ratios = [one / two for one, two in zip(seconds["one"], seconds["two"], strict=True)]
    outside = [1000 * (one - own) / count for one, own in zip(seconds["one"], inside, strict=True)]
    beside = [1000 * (one - alone) / count for one, alone in zip(seconds["one"], seconds["analyze"], strict=True)]
    again = [1000 * one / count for one in seconds["again"]]
    start = "start of the processes included"
    return [
        Figure(f"throughput of two workers over one, {count} slides", _spread(ratios), ">= 1.8", median(ratios) >= 1.8),
        Figure("ms a slide outside of its worker's job", _spread(outside, 0), "< 50", median(outside) < 50, start),
        Figure("ms a slide more than `analyze --workers 1`", _spread(beside, 0), note=start),
        Figure("seconds a slide, one worker", _spread([one / count for one in seconds["one"]])),
        Figure("ms a slide of a rerun with nothing to do, two workers", _spread(again, 0)),
    ]


def _done(*arguments: object) -> Ran:
    ran = run(*arguments, limit_s=_LIMIT_S)
    if ran.status != 0:
        raise RuntimeError(f"a run ended with {ran.status}: {ran.said[-500:]}")
    return ran


def _spread(values: list[float], digits: int = 2) -> str:
    return f"{median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"
