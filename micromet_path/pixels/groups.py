"""Fragments taken together: their sums, the hull of all of them, and the groups that a second look is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path import hull
from micromet_path.geometry import PixelSpacing
from micromet_path.model import Fragments, Tree
from micromet_path.pixels.link import cut

__all__ = ["Groups", "filled_px", "group_fragments", "hulls_of"]

_GAP_UM = 7.0  # one small lymphocyte, whatever gap a result is cut at


@dataclass(frozen=True, slots=True)
class Groups:
    """Fragments within a fixed gap of each other, so that what is seen of a group holds at any gap of a result.

    Parameters
    ----------
    of_fragment : ndarray of shape (F,), int64
        Group of each fragment, numbered by the first of its fragments; -1 for what is in none.
    area_px : ndarray of shape (G,), int64
        Stained pixels.
    filled_um2 : ndarray of shape (G,), float64
        With holes filled.
    hull_um2, extent_um : ndarray of shape (G,), float64
        Area and maximum Feret diameter of the convex hull of all.
    """

    of_fragment: NDArray[np.int64]
    area_px: NDArray[np.int64]
    filled_um2: NDArray[np.float64]
    hull_um2: NDArray[np.float64]
    extent_um: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.area_px)

    @property
    def elongation(self) -> NDArray[np.float64]:
        """Extent squared over filled area, however it lies: 1.3 of a disc, 10 of a band ten times as long as wide."""
        return np.asarray(self.extent_um**2 / self.filled_um2)

    def share_of(self, fragments: Fragments, is_so: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Share of the stained pixels of each group that lies in fragments of which something holds."""
        grouped = self.of_fragment >= 0
        held = np.where(is_so, fragments.area_px, 0)[grouped]
        return np.asarray(np.bincount(self.of_fragment[grouped], held, minlength=len(self)) / self.area_px)


def group_fragments(fragments: Fragments, tree: Tree, alone: NDArray[np.bool_], spacing: PixelSpacing) -> Groups:
    """Group the fragments.

    Parameters
    ----------
    fragments : Fragments
    tree : Tree
    alone : ndarray of shape (F,), bool
        What belongs in no group.
    spacing : PixelSpacing

    Returns
    -------
    Groups
    """
    component = np.where(alone, -1, cut(tree, len(fragments), _GAP_UM))
    roots, row = np.unique(component, return_inverse=True)
    row = row.astype(np.int64) - int(len(roots) > 0 and roots[0] < 0)
    n = int(row.max(initial=-1)) + 1
    hulls, offsets = hulls_of(fragments.hull_px, fragments.hull_offsets, row, n)
    extent_um, _, _, hull_um2 = hull.ragged_measures(hulls, offsets, spacing.x_um, spacing.y_um)
    area_px = np.bincount(row[row >= 0], fragments.area_px[row >= 0], minlength=n).astype(np.int64)
    filled_um2 = filled_px(fragments, row, n).astype(np.float64) * spacing.pixel_area_um2
    return Groups(row, area_px, filled_um2, hull_um2, extent_um)


def hulls_of(
    points: NDArray[np.int64], offsets: NDArray[np.int64], row: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hull of each of n sets of fragments from the hulls of these; `row` is the set of each, -1 for none."""
    return hull.ragged_hulls(points, np.repeat(row, np.diff(offsets)), n)


def filled_px(fragments: Fragments, row: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Pixels of each of n sets of fragments with holes filled; `row` is the set of each, -1 for none."""
    filled = np.where((row < 0) | _is_nested(fragments, row), 0, fragments.filled_px)
    return np.bincount(np.maximum(row, 0), filled, minlength=n)[:n].astype(np.int64)


def _is_nested(fragments: Fragments, row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Fragments inside a hole of another one of the same set: filling the outer one covers them."""
    nested = np.zeros(len(row), bool)
    around = fragments.enclosed_by.copy()
    while np.any(around >= 0):
        has = around >= 0
        nested[has] |= row[around[has]] == row[has]
        around[has] = fragments.enclosed_by[around[has]]
    return nested
