"""Dried rims are told and cut from what they touch, so that a nest beside one has its own size, and a rim none.

The parts of a fragment are scanned again, each with the other taken for glass: their sums and hulls are as exact as
those of any fragment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.policy import DECIDING_STRENGTH
from micromet_path.config import Config
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.model import Runs
from micromet_path.pipeline.candidates import cells_of
from micromet_path.pipeline.gathering import Gathered, gather_fragments
from micromet_path.pipeline.glass import Glass
from micromet_path.pipeline.scanning import ScanOutcome, scan_slide
from micromet_path.pixels.area import Extent
from micromet_path.pixels.candidates import cells_near
from micromet_path.pixels.fragments import JoinedPieces, merged, picked
from micromet_path.pixels.planes import density_of
from micromet_path.pixels.rims import (
    CELL_PX,
    DEEPEST_UM,
    GLASS_OD,
    PICTURE_UM,
    REACH_UM,
    RimParams,
    rim_cells,
    rim_strength,
    sum_cells,
)
from micromet_path.pixels.runs import join_runs, runs_of, runs_renumbered
from micromet_path.pixels.shape import dilated
from micromet_path.pixels.stain import StainTables
from micromet_path.slides.base import Slide
from micromet_path.threads import in_threads

__all__ = ["trim_rims"]

_WINDOW = 256  # cells along a side: some 1 mm
_STRIP = 32  # cells that are read at once
_CLOSE = 24  # cells around what is looked at, some 0.1 mm: small pieces are judged with it
_PALER = 2  # cells around what is cut: the paler stain of its parts
_MOST = 0.75  # of a piece that is not cut, for it to be one with a rim
_LEAST_PART_UM2 = 60.0  # a small tumour cell: less than that is no part of its own
_ROWS = 256  # of the overview at once: a large one has millions of cells
_CROWD_UM = 64.0  # within which fragments together make what is looked at
_LEAST_NUCLEAR_OD, _NUCLEAR_SHARE = 0.15, 0.5  # of the darker nuclei of the slide


def trim_rims(
    slide: Slide,
    glass: Glass,
    tables: StainTables,
    found: tuple[ScanOutcome, Gathered],
    config: Config,
    area: Extent,
    workers: int,
) -> tuple[ScanOutcome, Gathered]:
    """What was found, with dried rims told and cut from what they touch; as it was where there is none.

    Parameters
    ----------
    slide : Slide
    glass : Glass
    tables : StainTables
    found : ScanOutcome, Gathered
        With all runs.
    config : Config
    area : Extent
    workers : int
    """
    scan, gathered = found
    rims = _find_rims(slide, glass, gathered, config, workers)
    if rims is None:
        return found
    pieces, spacing = scan.pieces, slide.info.spacing
    in_rim_um2 = _held(scan.runs, len(pieces), rims) * spacing.pixel_area_um2
    area_um2 = pieces.sums[:, 0] * spacing.pixel_area_um2
    is_cut = np.minimum(in_rim_um2, area_um2 - in_rim_um2) >= _LEAST_PART_UM2
    is_rim = ~is_cut & (in_rim_um2 >= _MOST * area_um2)
    if is_cut.any():
        boxes = _boxes(runs_of(scan.runs, is_cut))
        close = rims.close_to(boxes)
        cells, (x, y) = cells_of(slide), close.margin_px0
        regions = [cells[place] for place in _places_near(boxes, (2 * x, 2 * y), cells)]  # whole cells of the raster
        sides = [_Side(rims, close, is_inside, area) for is_inside in (True, False)]
        parts = [scan_slide(slide, tables, config, side, workers, blocks=regions) for side in sides]
        if any(set(part.unread) - set(scan.unread) for part in parts):
            return found  # what cannot be read again is left as it was read
        scan = _with_parts(scan, parts, (is_cut, is_rim), spacing)
    else:
        scan = replace(scan, rim=is_rim)
    return scan, gather_fragments(scan, spacing, config, glass.register)


@dataclass(frozen=True, slots=True)
class _Raster:
    """Places of a slide: masks of cells, window by window."""

    windows: TileGrid
    cell_px0: tuple[int, int]
    masks: dict[tuple[int, int], NDArray[np.bool_]]

    @property
    def margin_px0(self) -> tuple[int, int]:
        """Pixels of level 0 along x and y around stain in which what is paler is one with it."""
        return _PALER * self.cell_px0[0], _PALER * self.cell_px0[1]

    def close_to(self, boxes: NDArray[np.int64]) -> _Raster:
        """Cells that hold boxes, from top to bottom, or lie so near: wherever tiles end, no more is looked at."""
        masks = {
            place: _cells_close(boxes, self.windows[place], self.margin_px0, self.cell_px0)
            for place in _places_near(boxes, self.margin_px0, self.windows)
        }
        return replace(self, masks=masks)

    def covers(self, region: Region) -> NDArray[np.bool_]:
        """Pixels of a region that lie in it."""
        covered = np.zeros(region.shape, bool)
        x, y = self.cell_px0
        width, height = self.windows.tile_width, self.windows.tile_height
        for place in product(
            range(region.y0 // height, (region.y1 - 1) // height + 1),
            range(region.x0 // width, (region.x1 - 1) // width + 1),
        ):
            if place not in self.masks:
                continue
            window = self.windows[place]
            part = window.intersection(region)
            rows = (np.arange(part.y0, part.y1) - window.y0) // y
            columns = (np.arange(part.x0, part.x1) - window.x0) // x
            at = np.s_[part.y0 - region.y0 : part.y1 - region.y0, part.x0 - region.x0 : part.x1 - region.x0]
            covered[at] = self.masks[place][rows[:, None], columns]
        return covered


def _places_near(boxes: NDArray[np.int64], margin_px0: tuple[int, int], grid: TileGrid) -> list[tuple[int, int]]:
    """Rows and columns of a grid that hold some of the boxes or lie within a margin of them."""
    return [(row, column) for row, column in np.argwhere(cells_near(boxes, np.array(margin_px0), grid)).tolist()]


def _cells_close(
    boxes: NDArray[np.int64], window: Region, margin_px0: tuple[int, int], cell_px0: tuple[int, int]
) -> NDArray[np.bool_]:
    """Cells of a window that hold some of the boxes, which come from top to bottom, or lie within a margin of them."""
    x, y = margin_px0
    first, last = np.searchsorted(boxes[:, 1], [window.y0 - y, window.y1 + y])
    band = boxes[first:last]
    own = band[(band[:, 0] < window.x1 + x) & (band[:, 2] > window.x0 - x)]
    corner = (window.x0, window.y0, window.x0, window.y0)
    return cells_near(own - corner, np.array(margin_px0), TileGrid(window.width, window.height, *cell_px0))


@dataclass(frozen=True, slots=True)
class _Side:
    """The inside of rims, or what is outside of them, close to what is cut."""

    rims: _Raster
    close: _Raster
    is_inside: bool
    area: Extent
    is_whole: bool = False

    def mask(self, region: Region, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Pixels of a region on this side."""
        covered, asked = self.rims.covers(region), self.area.mask(region, shape)
        side = self.close.covers(region) & (covered if self.is_inside else ~covered)
        return side if asked is None else side & asked


def _find_rims(slide: Slide, glass: Glass, gathered: Gathered, config: Config, workers: int) -> _Raster | None:
    """Look for rims wherever something brown may be one; None where there is none, or no nuclei to tell them by."""
    native = slide.info.spacing
    steps = native.steps_to(PICTURE_UM)
    cell_px0 = CELL_PX * steps[0], CELL_PX * steps[1]
    holds_a_cell = slide.info.width_px0 >= cell_px0[0] and slide.info.height_px0 >= cell_px0[1]
    if glass.dyes.counterstain_od is None or not holds_a_cell:
        return None
    windows = TileGrid(slide.info.width_px0, slide.info.height_px0, _WINDOW * cell_px0[0], _WINDOW * cell_px0[1])
    boxes = _boxes(_worth_a_look(gathered, glass, native, config.rims))
    look = _Looker(slide, glass, config.rims, windows, steps, boxes)
    wanted = _places_near(boxes, look.margin_px0, windows)
    masks = {place: mask for place, mask in in_threads(look, wanted, workers) if mask.any()}
    return _Raster(windows, cell_px0, masks) if masks else None


def _worth_a_look(gathered: Gathered, glass: Glass, native: PixelSpacing, params: RimParams) -> Runs:
    """Runs near glass of what may be a rim: much of it together, bluer than most tumour, or long, narrow and bluish."""
    fragments = gathered.fragments
    area_um2 = fragments.area_px * native.pixel_area_um2
    boxes = fragments.bbox_px0
    length_um = np.hypot(*native.to_um(boxes[:, 2:] - boxes[:, :2]).T)
    is_long = (length_um >= params.long_um) & (area_um2 <= params.narrow_um * length_um)
    least_blue = np.where(is_long, params.least_blue / 2, params.least_blue)
    chosen = fragments.sum_stain[:, 0] >= least_blue * fragments.sum_stain[:, 1]
    chosen &= (fragments.dot_group < 0) & ~fragments.pigment_like
    centre_um = native.to_um(fragments.sum_xy_px / fragments.area_px[:, None])
    column, row = (centre_um // _CROWD_UM).astype(np.int64).T
    _, crowd = np.unique((row << 32) + column, return_inverse=True)
    chosen &= np.bincount(crowd, np.where(chosen, area_um2, 0.0))[crowd] >= params.least_um2
    runs = runs_of(gathered.runs, chosen)
    if not len(runs):
        return runs
    near = _near_glass(glass)[glass.overview.cells_of(np.stack([(runs.start + runs.stop) / 2, runs.row], axis=1))]
    return Runs(runs.row[near], runs.start[near], runs.stop[near], runs.fragment[near])


def _near_glass(glass: Glass) -> NDArray[np.bool_]:
    """Cells of the overview within reach of bare glass."""
    overview = glass.overview
    rows = (overview.rgb[first : first + _ROWS] for first in range(0, len(overview.rgb), _ROWS))
    bare = np.concatenate([density_of(some, glass.model) < 3 * GLASS_OD for some in rows])
    return dilated(bare, DEEPEST_UM, overview.spacing.downsampled(*overview.cell_px0))


def _boxes(runs: Runs) -> NDArray[np.int64]:
    """Half-open boxes of runs, from top to bottom."""
    boxes = np.stack([runs.start, runs.row, runs.stop, runs.row + 1], axis=1).astype(np.int64)
    return np.asarray(boxes[np.argsort(runs.row, kind="stable")])


@dataclass(frozen=True, slots=True)
class _Looker:
    """Looks for rims in one window; called from several threads.

    Parameters
    ----------
    slide : Slide
    glass : Glass
    params : RimParams
    windows : TileGrid
    steps : (int, int)
        Pixels of level 0 along x and y that make one of the picture.
    boxes : ndarray of shape (N, 4), int64
        Runs of what is to be looked at, from top to bottom.
    """

    slide: Slide
    glass: Glass
    params: RimParams
    windows: TileGrid
    steps: tuple[int, int]
    boxes: NDArray[np.int64]

    @property
    def cell_px0(self) -> tuple[int, int]:
        """Pixels of level 0 along x and y that make a cell."""
        return CELL_PX * self.steps[0], CELL_PX * self.steps[1]

    def __call__(self, place: tuple[int, int]) -> tuple[tuple[int, int], NDArray[np.bool_]]:
        """Cells of a window that lie in rims, in the stain and close to it; none where it cannot be read."""
        window, native = self.windows[place], self.slide.info.spacing
        x, y = self.cell_px0
        inside = _cells_close(self.boxes, window, self.margin_px0, self.cell_px0)
        rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        left, right = window.x0 // x + int(columns[0]), window.x0 // x + int(columns[-1]) + 1
        top, bottom = window.y0 // y + int(rows[0]), window.y0 // y + int(rows[-1]) + 1
        margin_x, margin_y = ceil(REACH_UM / native.x_um / x), ceil(REACH_UM / native.y_um / y)
        region = Region(
            max(0, left - margin_x) * x,
            max(0, top - margin_y) * y,
            min(right + margin_x, self.slide.info.width_px0 // x) * x,
            min(bottom + margin_y, self.slide.info.height_px0 // y) * y,
        )
        pitch = native.downsampled(x, y)
        try:
            sums = np.concatenate(list(self._summed(region)), axis=1)
        except UnreadableSlideError:
            return place, np.zeros_like(inside)
        cells = np.zeros((bottom - top, right - left), bool)
        rims = rim_cells(rim_strength(sums, pitch, self.params), DECIDING_STRENGTH, pitch)
        core = rims[top - region.y0 // y : bottom - region.y0 // y, left - region.x0 // x : right - region.x0 // x]
        cells[: core.shape[0], : core.shape[1]] = core  # what is left of a cell at the slide's border is none
        inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] &= cells
        return place, inside

    @property
    def margin_px0(self) -> tuple[int, int]:
        """Pixels of level 0 along x and y around what is looked at, in which what else is stained is judged with it."""
        return _CLOSE * self.cell_px0[0], _CLOSE * self.cell_px0[1]

    def _summed(self, region: Region) -> Iterator[NDArray[np.float64]]:
        """Sums of the cells of a region, some rows of them after the other, each read with a cell above and below."""
        model, stain, counterstain_od = self.glass.model, self.glass.stain_params, self.glass.dyes.counterstain_od
        assert counterstain_od is not None  # asked before any window is
        nuclear_od = max(_LEAST_NUCLEAR_OD, _NUCLEAR_SHARE * counterstain_od)
        spacing, height = self.slide.info.spacing.downsampled(*self.steps), self.cell_px0[1]
        for top in range(region.y0, region.y1, _STRIP * height):
            bottom = min(top + _STRIP * height, region.y1)
            first, last = max(region.y0, top - height), min(region.y1, bottom + height)
            rgb = self.slide.read(Region(region.x0, first, region.x1, last), spacing).rgb
            sums = sum_cells(rgb, model, stain.threshold_od, nuclear_od, spacing)
            yield sums[:, (top - first) // height : (bottom - first) // height]


def _held(runs: Runs, n: int, rims: _Raster) -> NDArray[np.int64]:
    """Pixels of each piece that lie in rims."""
    held = np.zeros(n, np.int64)
    x, y = rims.cell_px0
    width, height = rims.windows.tile_width, rims.windows.tile_height
    has_rims = np.zeros((rims.windows.rows, rims.windows.columns), bool)
    has_rims[tuple(np.array(list(rims.masks)).T)] = True
    lines = runs.row // height
    chosen = has_rims[lines, runs.start // width] | has_rims[lines, (runs.stop - 1) // width]
    order = np.flatnonzero(chosen | (runs.stop - runs.start > width))  # millions of others are not sorted
    order = order[np.argsort(runs.row[order], kind="stable")]
    row = runs.row[order]
    for (window_row, window_column), mask in rims.masks.items():
        window = rims.windows[window_row, window_column]
        band = order[np.searchsorted(row, window.y0) : np.searchsorted(row, window.y1)]
        band = band[(runs.start[band] < window.x1) & (runs.stop[band] > window.x0)]
        line = (runs.row[band] - window.y0) // y
        whole = np.zeros((len(mask), mask.shape[1] + 1), np.int64)
        np.cumsum(mask * x, axis=1, out=whole[:, 1:])
        first, last = ((at[band].clip(window.x0, window.x1) - window.x0) for at in (runs.start, runs.stop))
        edged = np.pad(mask, ((0, 0), (0, 1)))
        inside = [whole[line, at // x] + edged[line, at // x] * (at % x) for at in (first, last)]
        np.add.at(held, runs.fragment[band], inside[1] - inside[0])
    return held


def _with_parts(
    scan: ScanOutcome,
    parts: Sequence[ScanOutcome],  # inside of rims, and outside
    kinds: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    spacing: PixelSpacing,
) -> ScanOutcome:
    """The scan with some pieces replaced by their parts; less than a cell that is left outside stays with a rim."""
    is_cut, is_rim = kinds
    cut_runs = runs_of(scan.runs, is_cut)
    kept = [_part(scan, ~is_cut), *(_part(part, _starts_in(part.pieces.first_px, cut_runs)) for part in parts)]
    tables, runs = [pieces for pieces, _ in kept], [own for _, own in kept]
    is_small = tables[2].sums[:, 0] * spacing.pixel_area_um2 < _LEAST_PART_UM2
    pieces, number = merged(tables)
    offsets = np.cumsum([0, *(len(table) for table in tables)])
    row, start, stop = (np.concatenate([getattr(one, name) for one in runs]) for name in ("row", "start", "stop"))
    owner = np.concatenate([number[one.fragment + first] for one, first in zip(runs, offsets, strict=False)])
    rim, trimmed = np.zeros(len(pieces), bool), np.zeros(len(pieces), bool)
    rim[number] = np.concatenate([is_rim[~is_cut], np.ones(len(tables[1]), bool), is_small])
    trimmed[number[offsets[2] :]] = ~is_small
    return replace(
        scan, pieces=pieces, runs=join_runs(row, start, stop, owner.astype(np.int32)), rim=rim, trimmed=trimmed
    )


def _part(scan: ScanOutcome, kept: NDArray[np.bool_]) -> tuple[JoinedPieces, Runs]:
    """Kept pieces and their runs, numbered anew."""
    return picked(scan.pieces, kept), runs_renumbered(scan.runs, np.where(kept, np.cumsum(kept) - 1, -1))


def _starts_in(first_px: NDArray[np.int64], runs: Runs) -> NDArray[np.bool_]:
    """Which first pixels lie in runs."""
    width = int(max(runs.stop.max(initial=0), first_px[:, 0].max(initial=0))) + 1
    key = runs.row.astype(np.int64) * width + runs.start
    order = np.argsort(key)
    at = first_px[:, 1] * width + first_px[:, 0]
    nearest = order[np.searchsorted(key[order], at, side="right") - 1]
    return np.asarray(
        (runs.row[nearest] == first_px[:, 1]) & (runs.stop[nearest] > first_px[:, 0]) & (at >= key[nearest])
    )
