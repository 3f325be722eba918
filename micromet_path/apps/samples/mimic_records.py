"""What a mimic is once it is drawn up: grains, lines, cells and sheets of dye, all in microns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.mimic_kernels import PALE_EDGE_UM

__all__ = ["FOLD_LAYER", "Parts", "Sheet", "extent_um"]

Floats = NDArray[np.float64]

FOLD_LAYER = -1
"""In place of a plane: the sheet is not a dye but a second layer of tissue."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Amounts on a coarse lattice.

    Parameters
    ----------
    plane : int
        Of which dye, or `FOLD_LAYER`.
    left_um, top_um, step_um : float
        Place of the first point and distance between points.
    values : ndarray of shape (R, C)
        Units of dye (share of a layer for `FOLD_LAYER`).
    flaky : float
        0 smooth to 1 torn into flakes of about ``grain_um``.
    on_tissue : bool
        Whether glass stays clean.
    """

    plane: int
    left_um: float
    top_um: float
    step_um: float
    values: Floats
    flaky: float = 0.0
    grain_um: float = 4.0
    on_tissue: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """One mimic in microns.

    Parameters
    ----------
    cover : ndarray of shape (N, 2)
        Points (x, y) that lie on it, close enough to keep other things off.
    n : int
        Members: pigmented or stained cells, flecks, specks of dust; 1 for a structure.
    largest_um : float
        Largest extent of a member between points of half its density.
    grains : ndarray of shape (N, 9)
        See `mimic_kernels.paint_grains`.
    strokes : ndarray of shape (N, 9)
        See `mimic_kernels.paint_strokes`.
    cells : ndarray of shape (N, 11)
        See `mimic_kernels.paint_cells`.
    sheets : tuple of Sheet
        Painted last, in this order.
    """

    cover: Floats
    n: int
    largest_um: float
    grains: Floats
    strokes: Floats
    cells: Floats
    sheets: tuple[Sheet, ...] = ()

    def moved(self, by_um: Floats) -> Parts:
        """The same at another place."""
        x, y = float(by_um[0]), float(by_um[1])
        grains, strokes, cells = self.grains.copy(), self.strokes.copy(), self.cells.copy()
        for rows, columns in ((grains, (1, 2)), (strokes, (1, 2)), (strokes, (4, 5)), (cells, (0, 1))):
            rows[:, columns] += (x, y)
        sheets = tuple(replace(sheet, left_um=sheet.left_um + x, top_um=sheet.top_um + y) for sheet in self.sheets)
        return replace(self, cover=self.cover + (x, y), grains=grains, strokes=strokes, cells=cells, sheets=sheets)

    def box_um(self, pixel_um: float) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of all that may be painted; edges are at least a pixel wide."""
        grains, strokes, cells = self.grains, self.strokes, self.cells
        ends = np.concatenate((strokes[:, [1, 2, 3, 8]], strokes[:, [4, 5, 6, 8]]))
        reach = (
            (grains[:, 1:3], grains[:, 3] + np.maximum(grains[:, 7], pixel_um)),
            (ends[:, :2], ends[:, 2] + np.maximum(ends[:, 3], pixel_um)),
            (cells[:, :2], cells[:, 2] + max(PALE_EDGE_UM, pixel_um)),
        )
        low = [(centre - r[:, None]).min(axis=0) for centre, r in reach if len(centre)]
        high = [(centre + r[:, None]).max(axis=0) for centre, r in reach if len(centre)]
        for sheet in self.sheets:
            corner = np.array([sheet.left_um, sheet.top_um])
            low.append(corner)
            high.append(corner + (np.array(sheet.values.shape[::-1]) - 1) * sheet.step_um)
        return (*np.min(low, axis=0), *np.max(high, axis=0))


def extent_um(points: Floats) -> float:
    """Largest distance between points, found as the widest shadow over a fan of directions.

    Examples
    --------
    >>> round(extent_um(np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]])), 2)
    5.0
    """
    angle = np.arange(0, pi, pi / 360)
    shadow = points @ np.array([np.cos(angle), np.sin(angle)])
    return float((shadow.max(axis=0) - shadow.min(axis=0)).max())
