"""Seconds and memory of the process that asks."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Lap", "Stopwatch", "peak_bytes"]


@dataclass(frozen=True, slots=True)
class Lap:
    """Wall and CPU seconds (user and system; all threads, and children that have ended) since something."""

    wall_s: float
    cpu_s: float


class Stopwatch:
    """Runs from its making on; each lap begins where the last one ended."""

    def __init__(self) -> None:
        self._start = self._last = _now()

    def total(self) -> Lap:
        """From the beginning to the end of the last lap."""
        return _between(self._start, self._last)

    def lap(self) -> Lap:
        """Since the last lap."""
        before, self._last = self._last, _now()
        return _between(before, self._last)


def _now() -> Lap:
    times = os.times()
    return Lap(time.perf_counter(), time.process_time() + times.children_user + times.children_system)


def _between(first: Lap, second: Lap) -> Lap:
    return Lap(second.wall_s - first.wall_s, second.cpu_s - first.cpu_s)


def peak_bytes() -> int | None:
    """Most memory that this process has held so far; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not ru_maxrss: Linux starts that of a child at what its parent held.
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
