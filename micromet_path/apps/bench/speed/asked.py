"""What the project asks of its own speed, and under which conditions each figure is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from micromet_path.apps.bench.asked import Asked

__all__ = ["TARGETS", "Figure", "Target", "Unit"]

Unit = Literal["times", "s", "MiB", "exponent", "yes"]

_ENDINGS: dict[str, str] = {"MiB": " MiB", "s": " s"}


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that is asked for.

    Parameters
    ----------
    asked : Asked
        At least or at most how much.
    meaning : str
        Why this is asked.
    side_px : int or None
        Of the drawn slide on which it is asked; None for any.
    threads : int or None
        With which it is asked; None for any.
    """

    asked: Asked
    meaning: str
    side_px: int | None = None
    threads: int | None = 2

    def applies(self, side_px: int | None, threads: int) -> bool:
        """Whether it is asked of a slide of this side; None where there is no slide, or it was not drawn."""
        return self.side_px in (None, side_px) and self.threads in (None, threads)

    def text(self, unit: Unit) -> str:
        """The limit in words, and on which slide."""
        limit = "yes" if unit == "yes" else f"{self.asked}{_ENDINGS.get(unit, '')}"
        return limit if self.side_px is None else f"{limit} at {self.side_px} px"


def _most(limit: float, meaning: str, side_px: int | None = None, threads: int | None = 2) -> Target:
    return Target(Asked(limit, at_least=False), meaning, side_px, threads)


def _least(limit: float, meaning: str, side_px: int | None = None, threads: int | None = 2) -> Target:
    return Target(Asked(limit), meaning, side_px, threads)


TARGETS: dict[str, Target] = {
    "scan, candidates first / decode floor, wall": _most(0.6, "most of level 0 need not be decoded", 40000),
    "scan, candidates first / decode floor, CPU": _most(0.55, "nor be paid for", 40000),
    "scan, full / decode floor, wall": _most(1.2, "looking at a pixel costs a fifth of decoding it", 40000),
    "scan, full / decode floor, CPU": _most(1.2, "on all threads together", 40000),
    "whole command, warm / decode floor, wall": _most(1.5, "a second look and all files cost no more", 40000),
    "clusters identical in both modes": _least(1.0, "candidates first changes no result", None, None),
    "own reader (jpeg) / OpenSlide, Mpx per CPU second": _least(6.0, "tiles decode without detours", None, None),
    "scan, candidates first / OpenSlide reading level 0, wall": _most(0.5, "JPEG 2000 is passed over as well"),
    "two threads against one, scan, full": _least(1.7, "threads do not wait for each other", 40000),
    "HistomicsTK, positive pixel count / whole command": _least(
        30.0, "counting pixels is less than is done here", 40000
    ),
    "scikit-image, tile by tile / whole command": _least(12.0, "what one writes oneself", 20000),
    "scikit-image, whole image / whole command": _least(25.0, "what one writes first", 10000),
    "peak memory, whole command": _most(350.0, "several at a time on a small machine"),
    "peak memory, whole command, heavy": _most(700.0, "a slide full of tumour too", 40000),
    "growth of peak memory, largest / smallest side": _most(1.3, "memory does not grow with the slide"),
    "growth of CPU time with pixels": _most(1.05, "twice the slide, twice the time", None, None),
    "small slide, fresh process": _most(1.5, "the first slide of the day"),
    "kernels not compiled yet, more": _most(3.0, "once after installing", None, None),
    "import micromet_path": _most(0.3, "help and errors come at once", None, None),
}
"""Ratios are those of one run on the default JPEG sample; what has no row here is told, and nothing is asked of it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one slide, or of the whole run.

    Parameters
    ----------
    name : str
    slide : str
        Empty for the whole run.
    value : float or None
        None where it could not be measured; `note` says why.
    low, high : float or None
        Smallest and largest over the rounds.
    unit : str
        ``times`` (a ratio), ``s``, ``MiB``, ``exponent``, or ``yes`` (1 for yes, 0 for no).
    target : Target or None
    is_asked : bool
        Whether the conditions of the target are those of this slide and run.
    note : str
    """

    name: str
    slide: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: Unit = "times"
    target: Target | None = None
    is_asked: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether it is as asked; None where nothing is asked here, or there was nothing to measure."""
        if self.target is None or not self.is_asked or self.value is None:
            return None
        return self.target.asked.is_met(self.value)
