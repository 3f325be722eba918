"""Which places of a slide are worth a look at level 0, told from a lower level of its pyramid.

The choice is lenient on purpose: three touching pixels of the lower level well below the threshold are enough, or one
near it, and the cells of their neighbours count as well, since a pyramid may have been made with any filter and be off
by a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import Region, TileGrid
from micromet_path.kernels import kernel
from micromet_path.pixels.reject import SEGMENT_PX, may_stain
from micromet_path.pixels.search import ONE
from micromet_path.pixels.stain import StainTables, blue_line

__all__ = ["Hint", "cells_near", "mark_cells"]

_MARGIN_PX = 1  # pixels of the lower level
_TOUCHING = 3  # in 3 x 3 pixels: noise comes alone
_FAINT, _CLEAR = 1, 2


@dataclass(frozen=True, slots=True)
class Hint:
    """What a lower level must show.

    Parameters
    ----------
    chromogen : ndarray of shape (3, 256), int32
        Row of `StainTables.dyes`.
    faint, clear : int
        Chromogen density, in units of 1 / `stain.OD_SCALE`, from which three touching pixels are a reason to look, and
        one alone.
    line : ndarray of shape (2,), int16
        Straight bound of what may be faint.
    """

    chromogen: NDArray[np.int32]
    faint: int
    clear: int
    line: NDArray[np.int16]

    @classmethod
    def of(cls, tables: StainTables, touching_share: float, alone_share: float) -> Hint:
        """The hint of a slide, by shares of its threshold."""
        faint, clear = round(touching_share * tables.mid), round(alone_share * tables.mid)
        return cls(tables.dyes[1], faint, clear, blue_line(tables.dyes[1], min(faint, clear)))


def mark_cells(rgb: NDArray[np.uint8], region: Region, hint: Hint, cells: TileGrid, chosen: NDArray[np.bool_]) -> None:
    """Mark the cells in which a picture of a lower level shows chromogen.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Picture of the region. What lies beyond its border is taken to be like the border, so that two pixels are
        enough there: the third may be in the next picture.
    region : Region
    hint : Hint
    cells : TileGrid
    chosen : ndarray of shape (rows, columns), dtype bool
        One entry a cell; entries are set, never cleared.
    """
    step_x, step_y = region.width / rgb.shape[1], region.height / rgb.shape[0]
    _mark(
        np.ascontiguousarray(rgb),
        hint.chromogen,
        hint.line,
        (hint.faint, hint.clear),
        (region.x0 / cells.tile_width, step_x / cells.tile_width),
        (region.y0 / cells.tile_height, step_y / cells.tile_height),
        chosen,
    )


@kernel("u1[:,:,::1], i4[:,::1], i2[::1], UniTuple(i8, 2), UniTuple(f8, 2), UniTuple(f8, 2), b1[:,::1]")
def _mark(rgb: Any, dab: Any, line: Any, thresholds: Any, along_x: Any, along_y: Any, chosen: Any) -> None:
    """Mark the cells around every pixel that is clear, run by run, and around those that are faint among others."""
    red, green, blue = dab[0], dab[1], dab[2]
    height, width = rgb.shape[:2]
    flat = rgb.reshape(height, 3 * width)
    slope, offset = line[0], line[1]
    faint, clear = thresholds
    seen = np.zeros((height + 2, width + 2), np.uint8)  # one beyond each border
    in_doubt = np.zeros(height, np.bool_)  # rows with what is faint and no more
    for r in range(height):
        clear_from = -ONE
        for begin in range(0, width, SEGMENT_PX):
            end = min(width, begin + SEGMENT_PX)
            if not may_stain(flat[r, 3 * begin : 3 * end], slope, offset):
                if clear_from >= 0:
                    _mark_around(r, clear_from, begin, along_x, along_y, chosen)
                clear_from = -ONE
                continue
            for c in range(begin, end):
                level = red[rgb[r, c, 0]] + green[rgb[r, c, 1]] + blue[rgb[r, c, 2]]
                if level >= clear:
                    seen[r + 1, c + 1] = _CLEAR
                    if clear_from < 0:
                        clear_from = c
                    continue
                if clear_from >= 0:
                    _mark_around(r, clear_from, c, along_x, along_y, chosen)
                    clear_from = -ONE
                if level >= faint:
                    seen[r + 1, c + 1] = _FAINT
                    in_doubt[r] = True
        if clear_from >= 0:
            _mark_around(r, clear_from, width, along_x, along_y, chosen)
    # In loops: an assignment of slices takes a second longer to compile.
    for c in range(1, width + 1):
        seen[0, c], seen[height + 1, c] = seen[1, c], seen[height, c]
    for r in range(height + 2):
        seen[r, 0], seen[r, width + 1] = seen[r, 1], seen[r, width]
    for r in range(height):
        if not in_doubt[r]:
            continue
        for c in range(width):
            if seen[r + 1, c + 1] == _FAINT:
                touching = 0
                for column in range(c, c + 3):
                    touching += (seen[r, column] > 0) + (seen[r + 1, column] > 0) + (seen[r + 2, column] > 0)
                if touching >= _TOUCHING:
                    _mark_around(r, c, c + 1, along_x, along_y, chosen)


@kernel()
def _mark_around(r: Any, start: Any, stop: Any, along_x: Any, along_y: Any, chosen: Any) -> None:
    """Mark every cell that a run of pixels may speak of; where a picture begins and a pixel's width come in cells."""
    x0, y0 = along_x[0] + (start - _MARGIN_PX) * along_x[1], along_y[0] + (r - _MARGIN_PX) * along_y[1]
    x1 = along_x[0] + (stop - 1 - _MARGIN_PX) * along_x[1] + (1 + 2 * _MARGIN_PX) * along_x[1]  # as of its last pixel
    y1 = y0 + (1 + 2 * _MARGIN_PX) * along_y[1]
    for row in range(max(0, int(np.floor(y0))), min(chosen.shape[0], int(np.ceil(y1)))):
        for column in range(max(0, int(np.floor(x0))), min(chosen.shape[1], int(np.ceil(x1)))):
            chosen[row, column] = True


def cells_near(bbox_px0: NDArray[np.int64], margin_px: NDArray[np.int64], cells: TileGrid) -> NDArray[np.bool_]:
    """Cells that boxes reach when they grow by a margin.

    Parameters
    ----------
    bbox_px0 : ndarray of shape (N, 4), int64
        x0, y0, x1, y1, half-open.
    margin_px : ndarray of shape (2,), int
        Along x and y.
    cells : TileGrid

    Returns
    -------
    ndarray of shape (rows, columns), dtype bool

    Examples
    --------
    >>> grid = TileGrid(width=12, height=8, tile_width=4, tile_height=4)
    >>> cells_near(np.array([[5, 1, 6, 2]]), np.array([2, 1]), grid).astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    >>> cells_near(np.array([[3, 3, 4, 4]]), np.array([1, 1]), grid).astype(int)
    array([[1, 1, 0],
           [1, 1, 0]])
    """
    steps = np.zeros((cells.rows + 1, cells.columns + 1), np.int64)
    _step_around(bbox_px0.astype(np.int64, copy=False), margin_px, cells.tile_width, cells.tile_height, steps)
    return np.asarray(steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0)


@kernel("i8[:,::1], i8[::1], i8, i8, i8[:,::1]")
def _step_around(boxes: Any, margin: Any, width: Any, height: Any, steps: Any) -> None:
    """A step at each corner of a rectangle of cells: summed up both ways they count the rectangles over a cell."""
    last_row, last_column = steps.shape[0] - 2, steps.shape[1] - 2
    for i in range(len(boxes)):
        left = min(max((boxes[i, 0] - margin[0]) // width, 0), last_column)
        top = min(max((boxes[i, 1] - margin[1]) // height, 0), last_row)
        right = min(max((boxes[i, 2] + margin[0] - 1) // width, 0), last_column) + 1
        bottom = min(max((boxes[i, 3] + margin[1] - 1) // height, 0), last_row) + 1
        steps[top, left] += 1
        steps[top, right] -= 1
        steps[bottom, left] -= 1
        steps[bottom, right] += 1
