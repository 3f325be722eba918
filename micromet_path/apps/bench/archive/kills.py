"""Runs that are killed at random moments and started again: whether anything is lost, done twice, or half there."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from micromet_path.apps.bench.archive.compare import contents
from micromet_path.apps.bench.archive.figures import Figure
from micromet_path.apps.bench.archive.process import run, started
from micromet_path.apps.bench.archive.slides import bases, copies
from micromet_path.results.folders import leftovers

__all__ = ["kills"]

_SLIDES = 8
_VICTIMS = ("main", "worker", "group")
_LIMIT_S = 300.0


def kills(folder: Path, moments: int, seed: int, told: Callable[[int, int], object]) -> list[Figure]:
    """Kill so many runs, finish each, and compare it with one that nobody disturbed.

    Parameters
    ----------
    folder : Path
        Empty.
    moments : int
    seed : int
        Of the moments and of who is killed.
    told : callable
        Called with (runs done, runs in all).
    """
    slides = list(copies(bases(folder / "bases"), folder / "archive", _SLIDES))
    table = folder / "manifest.csv"
    rows = [f"{path.name},case-{number // 3},node-{number % 3},all" for number, path in enumerate(slides)]
    table.write_text("\n".join(["slide,accession,node_id,pieces", *rows]) + "\n")
    arguments = ("batch", folder / "archive", "--manifest", table, "--workers", 2, "-q", "-o")
    undisturbed = folder / "undisturbed"
    first = run(*arguments, undisturbed, limit_s=_LIMIT_S)
    expected = contents(undisturbed)
    rng = random.Random(seed)
    lost: list[str] = []
    for number in range(moments):
        out, victim = folder / "out", _VICTIMS[number % len(_VICTIMS)]
        problems = list(_one([*arguments, out], out, victim, rng.uniform(0.2, first.seconds), expected))
        lost += [f"moment {number}, {victim}: {problem}" for problem in problems]
        shutil.rmtree(out)
        told(number + 1, moments)
    broken = {problem.split(":")[0] for problem in lost}
    found, asked = f"{moments - len(broken)} of {moments}", f"{moments} of {moments}"
    return [Figure("runs killed and finished as if nothing had been", found, asked, not lost, "; ".join(lost[:5]))]


def _one(arguments: list[object], out: Path, victim: str, moment: float, expected: dict[str, object]) -> Iterator[str]:
    """Kill one run and finish it; what is wrong then."""
    with started(arguments, out.with_name("log")) as batch:
        time.sleep(moment)
        _kill(batch.pid, victim, out)
        if victim == "worker":
            batch.wait(_LIMIT_S)
    complete = {path: path.stat().st_mtime_ns for path in out.glob("[!.cr]*/result.json")}
    again = run(*arguments, limit_s=_LIMIT_S)
    if again.status != 0:
        yield f"exit status {again.status}: {again.said.splitlines()[-1:]}"
    if twice := [path.parent.name for path, changed in complete.items() if path.stat().st_mtime_ns != changed]:
        yield f"done twice: {', '.join(twice)}"
    if left := leftovers(out):
        yield f"left half-written: {', '.join(sorted(left))}"
    if run("archive", "verify", out, limit_s=_LIMIT_S).status != 0:
        yield "does not verify"
    if contents(out) != expected:
        yield "is not what an undisturbed run leaves"


def _kill(main: int, victim: str, out: Path) -> None:
    """Kill the process that began the run, one that has a slide in hand, or all."""
    if victim == "group":
        with suppress(ProcessLookupError):
            os.killpg(main, signal.SIGKILL)
        return
    chosen = main
    if victim == "worker":
        for note in sorted((out / ".batch" / "notes").glob("*/*")):
            with suppress(OSError, ValueError, IndexError):
                chosen = int(note.read_text().split()[1])
    with suppress(ProcessLookupError):
        os.kill(chosen, signal.SIGKILL)
