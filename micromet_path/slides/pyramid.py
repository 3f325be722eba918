"""What all readers share: from a region and a spacing to a level, a box on it, and an area mean.

Two planes: ``px0`` are pixels of level 0, ``level`` coordinates are pixels of the level that is
read. A reader only has to fill a box of one level.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from math import ceil, floor
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.slides.base import Level, Raster, SlideInfo
from micromet_path.slides.memory import room_for_pixels
from micromet_path.threads import in_threads

__all__ = ["PyramidSlide", "area_mean", "levels_of_sizes"]

_PIECE_PX, _PIECE_TILES, _LARGEST_PIECE_PX = 1024, 4, 4096
"""Side of the pieces in which a level is read when it is averaged down: 3 MB each, or four tiles, 50 MB at most.

The edges of pieces lie inside of tiles, so that each costs a row and a column of tiles more.
"""

_EPSILON = 1e-6

_Box = tuple[float, float, float, float]


class PyramidSlide(ABC):
    """A slide with one or more levels; subclasses say how a box of one level is filled.

    Parameters
    ----------
    info : SlideInfo
    tiles : TileGrid
        Stored tiles of level 0.
    """

    def __init__(self, info: SlideInfo, tiles: TileGrid) -> None:
        self._info = info
        self._tiles = tiles

    def __repr__(self) -> str:
        info = self._info
        return f"<{type(self).__name__} {info.name!r} {info.width_px0} x {info.height_px0} px, {info.reader}>"

    @property
    def info(self) -> SlideInfo:
        """Scale, size, levels."""
        return self._info

    @property
    def tiles(self) -> TileGrid:
        """The stored tiles of level 0; reads along this grid decode nothing twice."""
        return self._tiles

    @property
    def icc_profile(self) -> bytes | None:
        """The ICC profile that the file embeds; None where it does not, or its format has no place for one."""
        return None

    def read(
        self,
        region: Region,
        spacing: PixelSpacing | None = None,
        out: NDArray[np.uint8] | None = None,
        *,
        workers: int = 1,
    ) -> Raster:
        """Pixels of a region; see `Slide.read`."""
        if region.is_empty or region.intersection(self._info.region) != region:
            raise ValueError(f"{region} is empty or reaches outside {self._info.region} of {self._info.name}")
        at_level0 = spacing is None or spacing == self._info.spacing
        shape = region.shape if at_level0 else _shape_at(region, self._info.spacing, spacing or self._info.spacing)
        rgb = room_for_pixels(*shape) if out is None else _corner(out, shape)
        if spacing is None or at_level0:
            return Raster(rgb, self._fill(0, region, rgb))
        return Raster(rgb, self._fill_averaged(self._level_for(region, spacing), region, rgb, workers))

    def close(self) -> None:  # noqa: B027 - not every slide holds a file
        """Release the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _fill(self, level: int, box: Region, out: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        """Fill ``out`` with a box of level pixels; return what was scanned, None for everything."""

    def _can_serve(self, level: int, region: Region) -> bool:
        """Whether the level holds the region; level 0 is always asked last and always serves."""
        return True

    def _level_for(self, region: Region, spacing: PixelSpacing) -> int:
        """The coarsest level that is not coarser than the spacing (by more than rounding)."""
        native = self._info.spacing
        for index, level in reversed(list(enumerate(self._info.levels))):
            fine_x = level.downsample_x * native.x_um <= spacing.x_um * 1.01
            fine_y = level.downsample_y * native.y_um <= spacing.y_um * 1.01
            if index and fine_x and fine_y and self._can_serve(index, region):
                return index
        return 0

    def _fill_averaged(
        self, index: int, region: Region, out: NDArray[np.uint8], workers: int
    ) -> NDArray[np.bool_] | None:
        """Fill ``out`` with the area means of the region, piece by piece so that memory stays flat."""
        level = self._info.levels[index]
        rows, columns = out.shape[:2]
        left, top = region.x0 / level.downsample_x, region.y0 / level.downsample_y
        step_x = region.width / level.downsample_x / columns
        step_y = region.height / level.downsample_y / rows

        def fill(piece: Region) -> tuple[Region, NDArray[np.bool_] | None]:
            edges = (
                left + step_x * piece.x0,
                top + step_y * piece.y0,
                left + step_x * piece.x1,
                top + step_y * piece.y1,
            )
            box = _covering(edges, level)
            source = room_for_pixels(*box.shape)
            mask = self._fill(index, box, source)
            local = _relative(edges, box)
            out[piece.y0 : piece.y1, piece.x0 : piece.x1] = area_mean(source, local, piece.shape)
            if mask is None:
                return piece, None
            return piece, area_mean(mask.astype(np.uint8) * np.uint8(255), local, piece.shape) >= 128

        scanned: NDArray[np.bool_] | None = None
        for piece, covered in in_threads(fill, TileGrid(columns, rows, *self._piece_size(step_x, step_y)), workers):
            if covered is not None:
                scanned = np.ones((rows, columns), np.bool_) if scanned is None else scanned
                scanned[piece.y0 : piece.y1, piece.x0 : piece.x1] = covered
        return scanned

    def _piece_size(self, step_x: float, step_y: float) -> tuple[int, int]:
        """Columns and rows of the answer that a piece of whole tiles becomes."""
        blocks = self._tiles.merged(max(_PIECE_PX, _PIECE_TILES * max(self._tiles.tile_width, self._tiles.tile_height)))
        return (
            max(1, round(min(blocks.tile_width, _LARGEST_PIECE_PX) / step_x)),
            max(1, round(min(blocks.tile_height, _LARGEST_PIECE_PX) / step_y)),
        )


def levels_of_sizes(sizes: Iterable[tuple[int, int]]) -> tuple[Level, ...]:
    """Levels of a pyramid from their (width, height), level 0 first.

    Writers halve a size and drop the remainder, so 4443 becomes 2221 at a factor of exactly 2: the
    ratio of the sizes (2.0005) would shift the far edge by a pixel.

    Examples
    --------
    >>> [level.downsample_x for level in levels_of_sizes([(4443, 3567), (2221, 1783)])]
    [1.0, 2.0]
    """
    (width0, height0), *lower = list(sizes)
    levels = [Level(width0, height0, 1.0, 1.0)]
    levels += [Level(w, h, _downsample(width0, w), _downsample(height0, h)) for w, h in lower]
    return tuple(levels)


def area_mean(pixels: NDArray[np.uint8], box: _Box, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Mean of the pixels under each cell of a grid laid over a box.

    Parameters
    ----------
    pixels : ndarray of shape (M, N) or (M, N, 3), dtype uint8
    box : tuple of float
        Left, top, right and bottom in pixels, inside the array.
    shape : (int, int)
        Rows and columns of the answer.

    Examples
    --------
    >>> area_mean(np.array([[0, 100], [200, 100]], np.uint8), (0, 0, 2, 2), (1, 1))
    array([[100]], dtype=uint8)
    """
    rows, columns = shape
    whole = (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0]))
    if box == whole and pixels.shape[:2] == shape:
        return pixels
    from PIL import Image  # loaded only when something is reduced

    image = Image.fromarray(pixels)
    if box == whole and pixels.shape[0] % rows == 0 and pixels.shape[1] % columns == 0:
        return np.asarray(image.reduce((pixels.shape[1] // columns, pixels.shape[0] // rows)))
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX, box=box))


def _downsample(size0: int, size: int) -> float:
    factor = round(size0 / size)
    return float(factor) if size in (size0 // factor, ceil(size0 / factor)) else size0 / size


def _shape_at(region: Region, native: PixelSpacing, spacing: PixelSpacing) -> tuple[int, int]:
    return (
        max(1, round(region.height * native.y_um / spacing.y_um)),
        max(1, round(region.width * native.x_um / spacing.x_um)),
    )


def _corner(out: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    rows, columns = shape
    if out.ndim != 3 or out.shape[0] < rows or out.shape[1] < columns or out.shape[2] != 3 or out.dtype != np.uint8:
        raise ValueError(f"out must be uint8 of at least {rows} x {columns} x 3, got {out.dtype} {out.shape}")
    return out[:rows, :columns]


def _covering(edges: _Box, level: Level) -> Region:
    """Whole level pixels under the edges; the last pixel where a writer dropped the remainder."""
    left, top, right, bottom = edges
    x0 = min(floor(left + _EPSILON), level.width - 1)
    y0 = min(floor(top + _EPSILON), level.height - 1)
    x1 = min(max(ceil(right - _EPSILON), x0 + 1), level.width)
    y1 = min(max(ceil(bottom - _EPSILON), y0 + 1), level.height)
    return Region(x0, y0, x1, y1)


def _relative(edges: _Box, box: Region) -> _Box:
    """Edges inside their box, rounding noise removed, never empty."""
    x0, x1 = _within(edges[0] - box.x0, edges[2] - box.x0, box.width)
    y0, y1 = _within(edges[1] - box.y0, edges[3] - box.y0, box.height)
    return x0, y0, x1, y1


def _within(low: float, high: float, size: int) -> tuple[float, float]:
    low, high = (float(round(edge)) if abs(edge - round(edge)) < 2 * _EPSILON else edge for edge in (low, high))
    low, high = max(0.0, low), min(float(size), high)
    return (low, high) if high > low else (size - 1.0, float(size))
