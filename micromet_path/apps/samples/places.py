"""The map of free places: what keeps foci apart from each other and off the tissue margin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.masks import rasterise
from micromet_path.apps.samples.tissue import Tissue

__all__ = ["APART_UM", "CELL_UM", "EDGE_UM", "FreeMap", "footprint_um", "free_map", "free_maps"]

Floats = NDArray[np.float64]

APART_UM = 120.0
"""Least distance between things that do not belong together."""
EDGE_UM = 45.0
"""Least distance from the smooth tissue margin; the drawn one strays from it by a few microns."""
TIGHT_PLACES = 60
"""Places that are tried for a shape where as much as possible is to fit."""
CELL_UM = 16.0
"""Grain of the map; distances are kept with this much to spare."""


@dataclass(frozen=True, slots=True)
class FreeMap:
    """Lattice of `CELL_UM` over the slide, true where something may still be put.

    Parameters
    ----------
    free : ndarray of shape (N, N), bool
        Changed in place by `take`.
    """

    free: NDArray[np.bool_]

    def fits(self, points_um: Floats) -> bool:
        """Whether all (N, 2) points (x, y) lie on free places."""
        cells = np.floor(points_um / CELL_UM).astype(np.int64)
        if cells.min() < 0 or cells.max() >= len(self.free):
            return False
        return bool(self.free[cells[:, 1], cells[:, 0]].all())

    def take(self, points_um: Floats) -> None:
        """Block everything within `APART_UM` of the points."""
        last = len(self.free) - 1
        reach = ceil(APART_UM / CELL_UM) + 2
        cells = np.unique(np.floor(points_um / CELL_UM).astype(np.int64), axis=0)
        down, across = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
        near = np.hypot(down, across) * CELL_UM <= APART_UM + 1.5 * CELL_UM
        for dy, dx in zip(down[near], across[near], strict=True):
            self.free[np.clip(cells[:, 1] + dy, 0, last), np.clip(cells[:, 0] + dx, 0, last)] = False

    def anywhere(self, rng: np.random.Generator) -> Floats | None:
        """A random free place (x, y) in microns; None when all is taken."""
        places = np.flatnonzero(self.free)
        if len(places) == 0:
            return None
        row, column = divmod(int(rng.choice(places)), len(self.free))
        return (np.array([column, row]) + rng.random(2)) * CELL_UM

    def tight(self, rng: np.random.Generator) -> Iterator[Floats]:
        """Some random free places in microns, those beside what is taken first, so that much fits."""
        from scipy import ndimage

        places = np.flatnonzero(self.free)
        if len(places):
            depth = ndimage.distance_transform_edt(np.pad(self.free, 1))[1:-1, 1:-1].ravel()
            chosen = rng.choice(places, TIGHT_PLACES)
            for place in chosen[np.argsort(depth[chosen], kind="stable")]:
                row, column = divmod(int(place), len(self.free))
                yield (np.array([column, row]) + rng.random(2)) * CELL_UM


def free_map(tissue: Tissue, side_um: float) -> FreeMap:
    """Everything well inside tissue is free."""
    count = ceil(side_um / CELL_UM)
    centres = np.asarray((np.indices((count, count)).reshape(2, -1)[::-1].T + 0.5) * CELL_UM, np.float64)
    return FreeMap((tissue.inside_um(centres) > EDGE_UM + 0.75 * CELL_UM).reshape(count, count))


def free_maps(tissue: Tissue, side_um: float) -> dict[str, FreeMap]:
    """One map for each kind of tissue: ``patient``, ``control``, and ``node 1`` for the first cut of a node.

    Things on different pieces are apart because pieces are; so each map is taken from alone.
    """
    maps: dict[str, FreeMap] = {}
    for name in dict.fromkeys(piece.where for piece in tissue.pieces):
        chosen = [index for index, piece in enumerate(tissue.pieces) if piece.where == name]
        maps[name] = free_map(tissue.only(chosen), side_um)
    return maps or {"patient": free_map(tissue, side_um)}


def footprint_um(polygons: list[Floats]) -> Floats:
    """Points that cover polygons given in microns: their vertices and a lattice inside."""
    mask = rasterise([polygon / (CELL_UM / 2) for polygon in polygons])
    count = mask.stop - mask.start
    row = np.repeat(mask.row, count)
    column = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(mask.start, count)
    return np.concatenate([*polygons, (np.column_stack((column, row)) + 0.5) * (CELL_UM / 2)])
