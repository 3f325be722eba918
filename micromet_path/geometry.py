"""Lengths and places: pixels become microns here and nowhere else.

Coordinate planes, named once:

``px0``
    level-0 pixels, x to the right and y down; a pixel is the square between its corners, so the
    centre of the first one is at (0.5, 0.5) and a region is half-open.
``um``
    microns in the same directions; `PixelSpacing` is the only bridge, x and y apart.

Arrays are indexed ``[row, column]``; points are ``(x, y)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf, isfinite

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError, MissingScaleError

__all__ = ["Feret", "PixelSpacing", "Region", "TileGrid", "max_feret"]


@dataclass(frozen=True, slots=True)
class PixelSpacing:
    """Physical size of one pixel.

    Parameters
    ----------
    x_um, y_um : float
        Width and height of a pixel in microns (the scanner's mpp), > 0.

    Raises
    ------
    MissingScaleError
        If either is zero, negative or not finite.

    Examples
    --------
    >>> PixelSpacing(0.25, 0.25).downsampled(4)
    PixelSpacing(x_um=1.0, y_um=1.0)
    """

    x_um: float
    y_um: float

    def __post_init__(self) -> None:
        if not all(isfinite(size) and size > 0 for size in (self.x_um, self.y_um)):
            raise MissingScaleError(
                f"pixel spacing must be above 0 um, found {self.x_um} x {self.y_um}; "
                "pass --mpp with the scanner's value"
            )

    @classmethod
    def parse(cls, text: str) -> PixelSpacing:
        """The scale that a person typed: ``X`` or ``X,Y``.

        Raises
        ------
        ConfigError
            If it is neither, or not above 0.

        Examples
        --------
        >>> PixelSpacing.parse("0.2501,0.2499")
        PixelSpacing(x_um=0.2501, y_um=0.2499)
        """
        parts = text.split(",")
        try:
            sizes = [float(part) for part in parts]
        except ValueError:
            sizes = []
        if len(sizes) not in (1, 2) or not all(0 < size < inf for size in sizes):
            raise ConfigError(f"{text[:40]!r} is not a scale; expected microns per pixel such as 0.25 or 0.2501,0.2499")
        return cls(sizes[0], sizes[-1])

    @property
    def pixel_area_um2(self) -> float:
        """Area of one pixel."""
        return self.x_um * self.y_um

    def downsampled(self, factor_x: float, factor_y: float | None = None) -> PixelSpacing:
        """Spacing of the same image reduced ``factor_x`` (and ``factor_y``) times."""
        return PixelSpacing(self.x_um * factor_x, self.y_um * (factor_x if factor_y is None else factor_y))

    def steps_to(self, target_um: float) -> tuple[int, int]:
        """Pixels along x and y of which one is made that is as large as the target at most, at least one.

        Examples
        --------
        >>> PixelSpacing(0.25, 0.46).steps_to(1.0)
        (4, 2)
        """
        x, y = (max(1, int(target_um / um + 0.01)) for um in (self.x_um, self.y_um))
        return x, y

    def to_um(self, points_px: NDArray[np.generic]) -> NDArray[np.float64]:
        """Scale (N, 2) points from (x, y) pixels to (x, y) microns."""
        return np.asarray(points_px, dtype=np.float64) * (self.x_um, self.y_um)

    def to_px(self, points_um: NDArray[np.generic]) -> NDArray[np.float64]:
        """Scale (N, 2) points from (x, y) microns to (x, y) pixels."""
        return np.asarray(points_um, dtype=np.float64) / (self.x_um, self.y_um)


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """Half-open rectangle of level-0 pixels: columns x0..x1-1, rows y0..y1-1.

    Examples
    --------
    >>> Region(0, 0, 10, 4).intersection(Region(8, 2, 20, 20))
    Region(x0=8, y0=2, x1=10, y1=4)
    >>> Region(0, 0, 10, 4).intersection(Region(10, 0, 20, 4)).is_empty
    True
    """

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Columns, never negative."""
        return max(0, self.x1 - self.x0)

    @property
    def height(self) -> int:
        """Rows, never negative."""
        return max(0, self.y1 - self.y0)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), as an array of the region has it."""
        return self.height, self.width

    @property
    def is_empty(self) -> bool:
        """Whether no pixel is inside."""
        return self.width == 0 or self.height == 0

    def intersection(self, other: Region) -> Region:
        """Pixels in both."""
        return Region(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def grown(self, margin_x: int, margin_y: int | None = None) -> Region:
        """The region with a margin on all four sides (negative margins shrink it)."""
        margin_y = margin_x if margin_y is None else margin_y
        return Region(self.x0 - margin_x, self.y0 - margin_y, self.x1 + margin_x, self.y1 + margin_y)


@dataclass(frozen=True, slots=True)
class TileGrid:
    """A raster cut into tiles; edge tiles are as small as what is left.

    Parameters
    ----------
    width, height : int
        Size of the raster in pixels, > 0.
    tile_width, tile_height : int
        Size of a tile in pixels, > 0.

    Examples
    --------
    >>> grid = TileGrid(width=10, height=4, tile_width=4, tile_height=4)
    >>> len(grid), grid[0, 2]
    (3, Region(x0=8, y0=0, x1=10, y1=4))
    >>> [tile.x0 for tile in grid]
    [0, 4, 8]
    """

    width: int
    height: int
    tile_width: int
    tile_height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.tile_width, self.tile_height) <= 0:
            raise ValueError(f"a tile grid needs sizes above 0, got {self}")

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return ceil(self.width / self.tile_width)

    @property
    def rows(self) -> int:
        """Tiles on top of each other."""
        return ceil(self.height / self.tile_height)

    def __len__(self) -> int:
        return self.columns * self.rows

    def __getitem__(self, row_column: tuple[int, int]) -> Region:
        row, column = row_column
        if not (0 <= row < self.rows and 0 <= column < self.columns):
            raise IndexError(f"tile {row_column} is outside a grid of {self.rows} x {self.columns}")
        x0, y0 = column * self.tile_width, row * self.tile_height
        return Region(x0, y0, min(x0 + self.tile_width, self.width), min(y0 + self.tile_height, self.height))

    def __iter__(self) -> Iterator[Region]:
        for row in range(self.rows):
            for column in range(self.columns):
                yield self[row, column]

    def strips(self, area_px: int) -> TileGrid:
        """The same raster in upright strips of whole tiles, at least 256 px wide and of about this area.

        Whole tiles on top of each other are one piece of memory: they decode in place.

        Examples
        --------
        >>> TileGrid(width=1000, height=100000, tile_width=240, tile_height=240).strips(4_000_000)[0, 0]
        Region(x0=0, y0=0, x1=480, y1=8400)
        """
        width = self.tile_width * ceil(256 / self.tile_width)
        height = self.tile_height * max(1, round(area_px / width / self.tile_height))
        return TileGrid(self.width, self.height, width, height)

    def enlarged(self, times: int) -> TileGrid:
        """The same raster in tiles so many times as wide and as high."""
        return TileGrid(self.width, self.height, self.tile_width * times, self.tile_height * times)

    def merged(self, target_px: int) -> TileGrid:
        """The same raster in blocks of whole tiles, each side near ``target_px``.

        A tile that is larger than the target stays one block.
        """
        return TileGrid(
            self.width,
            self.height,
            self.tile_width * max(1, round(target_px / self.tile_width)),
            self.tile_height * max(1, round(target_px / self.tile_height)),
        )


@dataclass(frozen=True, slots=True)
class Feret:
    """A maximum Feret diameter with the two points it lies between, in the pixels of the input."""

    diameter_um: float
    start_px: tuple[int, int]
    end_px: tuple[int, int]


def max_feret(corners_px: NDArray[np.integer], spacing: PixelSpacing) -> Feret:
    """Largest distance between two pixel corners.

    Parameters
    ----------
    corners_px : ndarray of shape (N, 2), integer
        Corner points (x, y) of pixels, N >= 1; those of the rows' outermost pixels are enough.
    spacing : PixelSpacing
        Scale of the two axes, applied before measuring.

    Returns
    -------
    Feret
        The diameter in microns and its end points. Of equal diameters the lexicographically
        smallest pair of points is returned, each pair ordered.

    Notes
    -----
    The hull is exact (integer cross products). Its vertices are compared pair by pair: a shape of
    side n pixels has at most about n^(2/3) times 3.5 of them, so that 10 mm at 0.25 um cost some
    milliseconds and no memory. Squares of scaled integer differences make mirrored and rotated
    shapes equal to the last bit.

    Examples
    --------
    >>> square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    >>> max_feret(square, PixelSpacing(0.5, 0.5))
    Feret(diameter_um=7.0710678118654755, start_px=(0, 0), end_px=(10, 10))
    """
    from micromet_path import hull  # compiled: only where something is measured

    vertices = hull.convex_hull(np.ascontiguousarray(corners_px, dtype=np.int64))
    distance_um, first, second = hull.farthest_pair(vertices, spacing.x_um, spacing.y_um)
    (x_a, y_a), (x_b, y_b) = vertices[first].tolist(), vertices[second].tolist()
    return Feret(float(distance_um), (x_a, y_a), (x_b, y_b))
