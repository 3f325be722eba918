"""A batch of slides that are all broken: each ends as a result with its coverage, or as a failure with one line."""

from __future__ import annotations

import json
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from micromet_path.apps.bench.archive.damage import KINDS, damaged, plain_tiff
from micromet_path.apps.bench.archive.figures import Figure
from micromet_path.apps.bench.archive.process import run
from micromet_path.apps.bench.archive.slides import bases

__all__ = ["corrupted", "write_damaged"]

_SECONDS, _MEMORY_MIB = 60, 1536
_LIMIT_S = 3600.0


def write_damaged(folder: Path, bases_folder: Path, count: int, seed: int) -> dict[str, str]:
    """Write damaged slides; the kind of damage by slide id."""
    sources = [*(path.read_bytes() for path in bases(bases_folder, ("itc", "negative"))), plain_tiff()]
    folder.mkdir(parents=True)
    kinds = {}
    for number, kind in zip(range(count), cycle(KINDS), strict=False):
        name = f"{number:04d}-{kind.replace(' ', '-')}"
        content = damaged(sources[number // len(KINDS) % len(sources)], kind, seed + number)
        (folder / f"{name}.{'tif' if number % 2 else 'svs'}").write_bytes(content)
        kinds[name] = kind
    return kinds


def corrupted(folder: Path, count: int, seed: int, told: Callable[[int, int], object]) -> list[Figure]:
    """Run so many damaged slides.

    Parameters
    ----------
    folder : Path
        Empty.
    count, seed : int
    told : callable
        Called with (steps done, steps in all).
    """
    kinds = write_damaged(folder / "archive", folder / "bases", count, seed)
    told(1, 3)
    out = folder / "out"
    limits = ("--time-limit", _SECONDS, "--memory-limit", _MEMORY_MIB)
    ran = run("batch", folder / "archive", "-o", out, "--workers", 2, "--json", "-q", *limits, limit_s=_LIMIT_S)
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
    told(2, 3)
    states = Counter(_ended_as(line) for line in ran.lines)
    problems = list(_problems(out, ran.lines))
    if ran.status not in (1, 3):
        problems.append(f"exit status {ran.status}: {ran.said.splitlines()[-1:]}")
    verified = run("archive", "verify", out, limit_s=_LIMIT_S)
    if verified.status != 0:
        problems.append(f"does not verify: {verified.said.splitlines()[-1:]}")
    told(3, 3)
    # The same content twice (an empty file, for one) is one slide with a warning.
    duplicates = sum("is the same slide as" in line for line in ran.said.splitlines())
    ended = len(ran.lines) + duplicates
    how = ", ".join(f"{count} {name}" for name, count in states.most_common())
    return [
        Figure(
            f"damaged slides that ended as a result or a failure of one line (seeds {seed} to {seed + count - 1})",
            f"{ended - len(problems)} of {len(kinds)}",
            f"{len(kinds)} of {len(kinds)}",
            ended == len(kinds) and not problems,
            "; ".join([f"{how}, {duplicates} of the same content", *problems[:5]]),
        ),
        Figure(
            "peak memory of a worker", f"{peak_mib:.0f} MiB", f"<= {_MEMORY_MIB} MiB", peak_mib <= _MEMORY_MIB,
            f"limits: {_SECONDS} s and {_MEMORY_MIB} MiB a slide",
        ),
        Figure("seconds a damaged slide, two workers", f"{ran.seconds / max(1, len(ran.lines)):.2f}"),
    ]  # fmt: skip


def _ended_as(line: dict[str, Any]) -> str:
    return f"failed ({line['failure']['kind']})" if "failure" in line else str(line["state"])


def _problems(out: Path, lines: list[dict[str, Any]]) -> Iterator[str]:
    """What should not be: a failure that is a defect, or of several lines; a negative that was not read."""
    for line in lines:
        failure, slide_id = line.get("failure"), line["slide_id"]
        if failure is not None:
            if failure["kind"] == "defect" or not failure["line"].strip() or "\n" in failure["line"]:
                yield f"{slide_id}: {failure['line']}"
            continue
        result = json.loads((out / slide_id / "result.json").read_text(encoding="utf-8"))
        finding, coverage = result["finding"], result["scan"]["coverage"]
        if finding["category"] == "negative" and (coverage is None or coverage < 0.98):
            yield f"{slide_id}: negative with a coverage of {coverage}"
