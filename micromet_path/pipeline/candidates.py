"""Which cells of level 0 are decoded: those in which a lower level shows chromogen, and a sample of the rest.

A cell is a stored tile, or some small ones side by side. The sample is the audit: it is drawn with a
seed that belongs to the slide, and what it holds tells whether the lower level can be believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import ScanParams
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.pipeline.reading import Block
from micromet_path.pixels.candidates import Hint, mark_cells
from micromet_path.pixels.stain import StainTables
from micromet_path.slides.base import Slide
from micromet_path.threads import in_threads

__all__ = ["blocks_of", "cells_of", "choose_cells", "draw_audit", "spacing_for_candidates"]

_LEAST_FACTOR = 1.9  # a level of half the size takes a quarter of the time; one hardly smaller saves nothing
_LEAST_CELLS = 4  # for each one that the smallest audit takes: where that is a good part of the slide, read it all


def cells_of(slide: Slide) -> TileGrid:
    """The grid on which level 0 is decoded or left alone."""
    return slide.tiles.strips(1)


def spacing_for_candidates(slide: Slide, params: ScanParams) -> PixelSpacing | None:
    """Scale of the level that chooses the cells; None where the whole of level 0 is to be decoded.

    The coarsest level that is fine enough for single cells, of a slide large enough, and in cells enough, to gain by
    it. A truncated file is read in full, so that what it lost is known.
    """
    info = slide.info
    if params.mode == "full" or info.is_truncated or info.width_px0 * info.height_px0 < params.full_below_px:
        return None
    if len(cells_of(slide)) < _LEAST_CELLS * params.least_audited:
        return None
    fit = [
        spacing
        for level in info.levels
        if min(level.downsample_x, level.downsample_y) >= _LEAST_FACTOR
        for spacing in [info.spacing.downsampled(level.downsample_x, level.downsample_y)]
        if max(spacing.x_um, spacing.y_um) <= params.candidate_spacing_um
    ]
    return fit[-1] if fit else None


def choose_cells(
    slide: Slide, spacing: PixelSpacing, tables: StainTables, params: ScanParams, workers: int
) -> NDArray[np.bool_]:
    """Cells in which a picture at the spacing shows chromogen, or shows nothing because it cannot be read.

    Returns
    -------
    ndarray of shape (rows, columns), dtype bool
        One entry a cell of `cells_of`.
    """
    cells = cells_of(slide)
    chosen = np.zeros((cells.rows, cells.columns), bool)
    factor = ceil(spacing.x_um / slide.info.spacing.x_um)
    squares = slide.tiles.enlarged(factor)
    hint = Hint.of(tables, params.candidate_share, params.candidate_alone)

    def mark(strip: Region) -> None:
        try:
            raster = slide.read(strip, spacing)
        except UnreadableSlideError:
            chosen[_rows_and_columns(strip, cells)] = True
            return
        # Square by square, so that the choice does not depend on how many of them are read at once.
        for square, rgb in _parts(strip, squares, raster.rgb):
            mark_cells(rgb, square, hint, cells, chosen)
        if raster.scanned is not None and not raster.scanned.all():
            chosen[_rows_and_columns(strip, cells)] = True

    # Held whole, unlike a block of level 0, which is read in bands: a sixteenth of its pixels.
    for _ in in_threads(mark, squares.strips((params.block_px * factor) ** 2 // 16), workers):
        pass
    return chosen


def _parts(region: Region, squares: TileGrid, rgb: NDArray[np.uint8]) -> Iterator[tuple[Region, NDArray[np.uint8]]]:
    """The squares of a region with their part of its picture."""
    rows, columns = rgb.shape[:2]
    for y0 in range(region.y0, region.y1, squares.tile_height):
        for x0 in range(region.x0, region.x1, squares.tile_width):
            square = Region(x0, y0, min(x0 + squares.tile_width, region.x1), min(y0 + squares.tile_height, region.y1))
            top, bottom = ((y - region.y0) * rows // region.height for y in (square.y0, square.y1))
            left, right = ((x - region.x0) * columns // region.width for x in (square.x0, square.x1))
            if bottom > top and right > left:
                yield square, rgb[top:bottom, left:right]


def _rows_and_columns(region: Region, cells: TileGrid) -> tuple[slice, slice]:
    """The cells that a region touches."""
    return (
        slice(region.y0 // cells.tile_height, ceil(region.y1 / cells.tile_height)),
        slice(region.x0 // cells.tile_width, ceil(region.x1 / cells.tile_width)),
    )


def draw_audit(chosen: NDArray[np.bool_], params: ScanParams, seed: int) -> NDArray[np.bool_]:
    """A sample of the cells that were not chosen, without replacement; never so small that it says little."""
    passed_over = np.flatnonzero(~chosen)
    size = min(len(passed_over), max(params.least_audited, ceil(params.audit_share * len(passed_over))))
    drawn = np.random.default_rng(seed).choice(passed_over, size, replace=False)
    audited = np.zeros(chosen.shape, bool)
    audited.flat[drawn] = True
    return audited


def blocks_of(wanted: NDArray[np.bool_], cells: TileGrid, area_px: int) -> Iterator[Block]:
    """Upright strips that hold the wanted cells, as bands of their rows.

    The area is that of the bands: where few cells are wanted a strip is long, since every block has its price.
    """
    rows_a_block = max(1, round(area_px / cells.tile_width / cells.tile_height))
    for column in np.flatnonzero(wanted.any(axis=0)).tolist():
        in_column = np.flatnonzero(wanted[:, column])
        for first in range(0, len(in_column), rows_a_block):
            rows = in_column[first : first + rows_a_block]
            top, bottom = cells[int(rows[0]), column], cells[int(rows[-1]), column]
            breaks = np.flatnonzero(np.diff(rows) > 1)
            begins, ends = rows[np.append(0, breaks + 1)], rows[np.append(breaks, len(rows) - 1)]
            yield Block(
                Region(top.x0, top.y0, top.x1, bottom.y1),
                tuple(
                    (cells[begin, column].y0 - top.y0, cells[end, column].y1 - top.y0)
                    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
                ),
            )
