"""The part of a slide that is analysed, given as polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import Region

__all__ = ["Area", "Extent", "Polygon"]

Ring = tuple[tuple[float, float], ...]
Polygon = tuple[Ring, ...]
"""Outer ring first, then holes; points are (x, y) in level-0 pixels."""


class Extent(Protocol):
    """What of a slide is looked at; `Area` is one that polygons give."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        ...

    def mask(self, region: Region, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Which cells of a grid over a region belong to it; None for all of them."""
        ...


@dataclass(frozen=True, slots=True)
class Area:
    """Polygons inside which is analysed, and polygons inside which is not.

    Parameters
    ----------
    inside : tuple of Polygon
        The whole slide when empty.
    outside : tuple of Polygon

    Examples
    --------
    >>> square = (((2.0, 2.0), (6.0, 2.0), (6.0, 6.0), (2.0, 6.0)),)
    >>> Area(inside=(square,)).mask(Region(0, 0, 8, 8), (8, 8)).sum()
    np.int64(16)
    >>> Area().mask(Region(0, 0, 8, 8), (8, 8)) is None
    True
    """

    inside: tuple[Polygon, ...] = ()
    outside: tuple[Polygon, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return not self.inside and not self.outside

    def mask(self, region: Region, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Which cells of a grid over a region have their centre in the area; None for all of them.

        Parameters
        ----------
        region : Region
        shape : tuple of int
            Rows and columns of the grid: those of the region for its pixels.
        """
        if self.is_whole:
            return None
        keep = _covered(self.inside, region, shape) if self.inside else np.ones(shape, bool)
        keep &= ~_covered(self.outside, region, shape)
        return None if keep.all() else keep


def _covered(polygons: tuple[Polygon, ...], region: Region, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Cells whose centre lies in any of the polygons, holes left out."""
    covered = np.zeros(shape, bool)
    for polygon in polygons:
        outer = _filled(polygon[0], region, shape)
        for hole in polygon[1:]:
            outer &= ~_filled(hole, region, shape)
        covered |= outer
    return covered


def _filled(ring: Ring, region: Region, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Cells whose centre lies in a ring."""
    from skimage.draw import polygon2mask

    points = np.asarray(ring, np.float64)
    if not (
        points[:, 0].max() > region.x0
        and points[:, 0].min() < region.x1
        and points[:, 1].max() > region.y0
        and points[:, 1].min() < region.y1
    ):
        return np.zeros(shape, bool)
    rows = (points[:, 1] - region.y0) * (shape[0] / region.height) - 0.5
    columns = (points[:, 0] - region.x0) * (shape[1] / region.width) - 0.5
    mask: NDArray[np.bool_] = polygon2mask(shape, np.column_stack([rows, columns]))  # type: ignore[no-untyped-call]
    return mask
