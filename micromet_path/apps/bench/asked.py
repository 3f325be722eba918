"""A line of the table of accuracy, and what is asked of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from micromet_path.apps.bench.statistics import Estimate

__all__ = ["ALL", "ASKED", "Asked", "Measure"]

ALL = "all"
"""Name of the profile of a figure that is pooled over all of them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A figure that is asked for: at least or at most `limit`."""

    limit: float
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether a figure is as good."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


def _most(limit: float) -> Asked:
    return Asked(limit, at_least=False)


ASKED: dict[str, Asked] = {
    "sensitivity, foci of 2 cells or more": Asked(0.99),
    "sensitivity, single cells": Asked(0.95),
    "sensitivity, foci above 200 um": Asked(1.0),
    "sensitivity, foci of 2 cells or more, worst profile": Asked(0.97),
    "class right, away from the limits": Asked(0.995),
    "class right or borderline": Asked(0.999),
    "size error below 300 um, 0.25 um scans, median": _most(0.75),
    "size error below 300 um, 0.25 um scans, 95th percentile": _most(1.5),
    "size error below 300 um, 0.5 um scans, median": _most(1.0),
    "size error below 300 um, 0.5 um scans, 95th percentile": _most(2.0),
    "size error from 300 um, 0.25 um scans, median": _most(0.005),
    "size error from 300 um, 0.25 um scans, 95th percentile": _most(0.015),
    "size error from 300 um, 0.5 um scans, median": _most(0.005),
    "size error from 300 um, 0.5 um scans, 95th percentile": _most(0.015),
    "truth inside the size interval": Asked(0.95),
    "false clusters a slide, not flagged": _most(1.0),
    "negative slides with a false finding above 200 um": _most(0.0),
    "not assessable slides called negative": _most(0.0),
    "control tissue in a finding": _most(0.0),
    "cells within 20 % of the truth": Asked(0.9),
    "slide category, kappa": Asked(0.98),
}
"""What the project asks of itself, pooled over all profiles."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the table.

    Parameters
    ----------
    name : str
    profile : str
        `ALL`, or what it is restricted to.
    estimate : Estimate
    unit : str
        ``share``, ``um``, ``kappa``, ``a slide`` or ``count``; shares and relative errors are 0 to 1.
    asked : Asked or None
    note : str
        The profile that was the worst, for instance.
    """

    name: str
    profile: str
    estimate: Estimate
    unit: str
    asked: Asked | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether it is as asked; None where nothing is asked, or there was nothing to measure."""
        if self.asked is None or not isfinite(self.estimate.value):
            return None
        return self.asked.is_met(self.estimate.value)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; absent ones are None."""
        numbers = {key: value if isfinite(value) else None for key, value in asdict(self.estimate).items()}
        asked = None if self.asked is None else str(self.asked)
        return {"measure": self.name, "profile": self.profile, "unit": self.unit, **numbers, "asked": asked,
                "met": self.is_met, "note": self.note}  # fmt: skip
