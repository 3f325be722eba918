"""The picture of a run: what is found by profile, how sizes err, and how classes are confused.

matplotlib draws it and is no dependency of the program: the extra ``bench`` brings it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from micromet_path.apps.bench.asked import ALL, ASKED
from micromet_path.apps.bench.measures import focus_confusion
from micromet_path.apps.bench.records import FocusRow
from micromet_path.apps.bench.tables import Report
from micromet_path.errors import ReaderError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

_MET, _MISSED, _COARSE = "#2b6ca3", "#c0392b", "#d98b2b"
_ERRORS = (-1000, -100, -10, -2, -1, 0, 1, 2, 10, 100, 1000)
_SENSITIVITY = "sensitivity, foci of 2 cells or more"
_WORST = "sensitivity, foci of 2 cells or more, worst profile"


def plot(report: Report, path: Path) -> None:
    """Draw the picture as a PNG.

    Raises
    ------
    ReaderError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ReaderError("accuracy.png needs matplotlib; install micromet-path with the extra 'bench'") from error
    figure = Figure(figsize=(13, 10), layout="constrained")
    FigureCanvasAgg(figure)  # no window, whatever the machine's settings say
    axes = figure.subplot_mosaic([["found", "size"], ["found", "size"], ["found", "classes"]], width_ratios=[1, 1.3])
    _found(axes["found"], report)
    _sizes(axes["size"], report)
    _classes(axes["classes"], report)
    figure.suptitle("Synthetic slides drawn by the program: no evidence of clinical performance", fontsize=11)
    figure.savefig(path, dpi=110, format="png")


def _found(axes: Axes, report: Report) -> None:
    """Sensitivity of each profile with its interval."""
    own = [m for m in report.measures if m.name == _SENSITIVITY and m.profile != ALL][::-1]
    least = ASKED[_WORST].limit
    for height, measure in enumerate(own):
        estimate = measure.estimate
        colour = _MET if estimate.value >= least else _MISSED
        axes.plot([100 * estimate.low, 100 * estimate.high], [height, height], color=colour, linewidth=1.5)
        axes.plot(100 * estimate.value, height, "o", color=colour, markersize=5)
    axes.axvline(100 * least, color="0.4", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(own)), [f"{m.profile} ({m.estimate.n})" for m in own], fontsize=9)
    axes.set_xlabel(f"foci of 2 cells or more found, % (asked of each profile: {100 * least:g})")
    axes.set_title("Found, by profile", fontsize=10)
    axes.grid(axis="x", color="0.9")


def _sizes(axes: Axes, report: Report) -> None:
    """Error of size against true size (Bland and Altman 1986, with the truth in place of the mean)."""
    rows = [row for o in report.outcomes for row in o.foci if row.is_judged and row.is_found and not row.is_dots]
    for is_coarse, colour, label in ((False, _MET, "0.25 um scans"), (True, _COARSE, "0.5 um scans")):
        own = [row for row in rows if (row.spacing_um > 0.35) == is_coarse]
        if own:
            _scatter(axes, own, colour, label)
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=2.0)
    axes.set_yticks(_ERRORS, [f"{tick:g}" for tick in _ERRORS])
    farthest = 1.2 * max([2.0, *(abs(row.error_um) for row in rows)])
    axes.set_ylim(-farthest, farthest)
    for limit in (200, 2000):
        axes.axvline(limit, color="0.6", linestyle=":", linewidth=1)
    axes.set_xlabel("true maximum diameter, um")
    axes.set_ylabel("found - true, um (logarithmic beyond 2)")
    axes.set_title("Error of size", fontsize=10)
    if rows:
        axes.legend(fontsize=8, loc="upper left")


def _scatter(axes: Axes, rows: list[FocusRow], colour: str, label: str) -> None:
    """Errors as points."""
    truth, error = np.array([(row.truth_um, row.error_um) for row in rows]).T
    axes.plot(truth, error, ".", color=colour, markersize=4, alpha=0.5, label=f"{label} ({len(rows)})")


def _classes(axes: Axes, report: Report) -> None:
    """Foci by true class and by class as found."""
    table = focus_confusion(report.outcomes)
    counts = np.array([list(row.values()) for row in table.values()], dtype=float)
    share: Any = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.6 else "black"
        axes.text(column, row, f"{count:.0f}", ha="center", va="center", color=colour)
    columns = list(next(iter(table.values())))
    axes.set_xticks(range(len(columns)), columns, fontsize=9)
    axes.set_yticks(range(len(table)), list(table), fontsize=9)
    axes.set_xlabel("as found")
    axes.set_ylabel("truth")
    axes.set_title("Class of each focus", fontsize=10)
