"""From the focus of some places to that of the slide: where to look, the map, the share with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, TileGrid
from micromet_path.pixels.focus import WIDEST_UM, FocusParams
from micromet_path.pixels.neighbours import nearest_of
from micromet_path.pixels.tissue import Overview, summed_up

__all__ = ["Focus", "draw_places", "focus_map", "grid_of_places", "number_of_places", "tissue_share"]

_PLACE_UM = 128.0  # nine windows of ten nuclei: one of them may be odd
_FULL, _PARTIAL = 0.7, 0.2  # share of a place that is tissue
_Z_95 = 1.959964

Places = NDArray[np.int64]
"""(K, 2) rows and columns of places in their grid."""


@dataclass(frozen=True, slots=True)
class Focus:
    """Focus of a slide's tissue.

    Parameters
    ----------
    share : float or None
        Share of the tissue in focus, of that for which it is known; None where nothing could be measured.
    low, high : float or None
        95 % interval of `share` (Wilson 1927), as far as a sample of places can tell.
    known_share : float
        Share of the tissue near enough to a place that could be measured.
    n_places, n_measured : int
        Places looked at, and those with enough structure to tell.
    largest_blur_um : float
        Up to which tissue counts as in focus.
    grid : TileGrid
        The cells of the map on level 0.
    tissue : ndarray of shape (grid.rows, grid.columns), dtype float32
        Share of each cell that is tissue.
    blur_um : ndarray of shape (grid.rows, grid.columns), dtype float32
        Width of the edges at the nearest place, NaN off tissue and where it is not known.
    """

    share: float | None
    low: float | None
    high: float | None
    known_share: float
    n_places: int
    n_measured: int
    largest_blur_um: float
    grid: TileGrid
    tissue: NDArray[np.float32]
    blur_um: NDArray[np.float32]

    @property
    def states(self) -> NDArray[np.uint8]:
        """The map in whole numbers: 0 no tissue, 1 in focus, 2 out of focus, 3 not known; (rows, columns)."""
        states = np.where(self.blur_um <= self.largest_blur_um, 1, 2)
        states[np.isnan(self.blur_um)] = 3
        states[self.tissue <= 0] = 0
        return states.astype(np.uint8)

    def on(self, overview: Overview) -> NDArray[np.float32]:
        """Width of the edges for each cell of an overview, NaN where it is not known."""
        x, y = overview.cell_px0
        rows = ((np.arange(overview.shape[0]) + 0.5) * y / self.grid.tile_height).astype(int)
        columns = ((np.arange(overview.shape[1]) + 0.5) * x / self.grid.tile_width).astype(int)
        return np.asarray(self.blur_um[np.ix_(rows, columns)])


def grid_of_places(tiles: TileGrid, spacing: PixelSpacing) -> TileGrid:
    """Places of about 128 um: whole stored tiles, several or an equal part of one, so that few are decoded for each.

    Examples
    --------
    >>> stored = TileGrid(width=40000, height=40000, tile_width=256, tile_height=256)
    >>> grid = grid_of_places(stored, PixelSpacing(0.25, 0.25))
    >>> grid.tile_width, grid.tile_height
    (512, 512)
    >>> stored = TileGrid(width=40000, height=40000, tile_width=1024, tile_height=16)
    >>> grid = grid_of_places(stored, PixelSpacing(0.5, 0.25))
    >>> grid.tile_width, grid.tile_height
    (256, 512)
    """
    return TileGrid(
        tiles.width,
        tiles.height,
        _side(tiles.tile_width, _PLACE_UM / spacing.x_um),
        _side(tiles.tile_height, _PLACE_UM / spacing.y_um),
    )


def _side(tile_px: int, wanted_px: float) -> int:
    """Pixels along one axis: a multiple of the tile or, of a large one, the part nearest to what is wanted."""
    if tile_px <= wanted_px:
        return tile_px * max(1, round(wanted_px / tile_px))
    return -(-tile_px // max(1, round(tile_px / wanted_px)))


def tissue_share(overview: Overview, tissue: NDArray[np.bool_], grid: TileGrid) -> NDArray[np.float32]:
    """Share of each place that is tissue and was scanned.

    Parameters
    ----------
    tissue : ndarray of shape (M, N), bool

    Returns
    -------
    ndarray of shape (grid.rows, grid.columns), dtype float32
    """
    summed = summed_up(tissue & overview.read)
    x, y = overview.cell_px0
    first_row, last_row = _cells(grid.rows, grid.tile_height, y, overview.shape[0])
    first_column, last_column = _cells(grid.columns, grid.tile_width, x, overview.shape[1])
    inside = summed[last_row][:, last_column] - summed[first_row][:, last_column]
    inside -= summed[last_row][:, first_column] - summed[first_row][:, first_column]
    return np.asarray(inside / np.outer(last_row - first_row, last_column - first_column), np.float32)


def _cells(n: int, side_px0: int, cell_px0: float, n_cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First cell of each place along one axis, and the one after its last; each has one at least."""
    first = np.minimum((np.arange(n) * side_px0 / cell_px0).round().astype(np.int64), n_cells - 1)
    last = (np.arange(1, n + 1) * side_px0 / cell_px0).round().astype(np.int64)
    return first, np.clip(last, first + 1, n_cells)


def number_of_places(tissue_mm2: float, params: FocusParams) -> int:
    """Places to look at for this much tissue.

    Examples
    --------
    >>> [number_of_places(area_mm2, FocusParams()) for area_mm2 in (0.3, 60, 400)]
    [48, 60, 96]
    """
    return int(min(max(round(tissue_mm2 * params.places_per_mm2), params.least_places), params.most_places))


def draw_places(share: NDArray[np.float32], n: int, rng: np.random.Generator) -> list[Places]:
    """Divide the tissue into parts of equal area, and put the places of each in the order in which to look.

    Parameters
    ----------
    share : ndarray of shape (rows, columns), dtype float32
        As `tissue_share` gives it.
    n : int
        Parts; fewer where there are not so many places.
    rng : Generator

    Returns
    -------
    list of ndarray of shape (K, 2), int64
        Rows and columns of the places of each part, shuffled; the first one is drawn, the others are in reserve.
    """
    places = np.argwhere(share >= _FULL)
    if len(places) < n:
        places = np.argwhere(share >= _PARTIAL)
    if not len(places):
        places = np.argwhere(share > 0)
    return [rng.permutation(part) for part in _divided(places, min(n, len(places)))]


def _divided(places: Places, n: int) -> list[Places]:
    """Compact parts with equal numbers of places: halves of halves, across the longer side."""
    if n <= 1:
        return [places] if n == 1 else []
    axis = int(np.argmax(np.ptp(places, axis=0)))
    places = places[np.lexsort((places[:, 1 - axis], places[:, axis]))]
    cut = round(len(places) * (n // 2) / n)
    return _divided(places[:cut], n // 2) + _divided(places[cut:], n - n // 2)


def focus_map(
    places: Places,
    blur_um: NDArray[np.float64],
    tissue: NDArray[np.float32],
    grid: TileGrid,
    spacing: PixelSpacing,
    params: FocusParams,
) -> Focus:
    """Spread what was measured over the tissue.

    Parameters
    ----------
    places : ndarray of shape (K, 2), int64
        Rows and columns of what was looked at.
    blur_um : ndarray of shape (K,), float
        Width of the edges there as `edge_width` gives it: NaN where there was too little tissue, ``inf`` where
        there was no edge in it.
    tissue : ndarray of shape (grid.rows, grid.columns), dtype float32
        As `tissue_share` gives it; the weight of each cell.
    grid : TileGrid
    spacing : PixelSpacing
        Of level 0.
    params : FocusParams

    Notes
    -----
    A place without an edge tells nothing as long as most others have some. Where most of the tissue has none it is
    out of focus beyond measuring: no node is so even, and nothing could be found there.

    Each cell takes the value of the nearest place; the share is by area. The interval is that of a share in as
    many independent places as would weigh alike (Kish 1965).
    """
    is_even = np.isinf(blur_um)
    is_lost = np.count_nonzero(is_even) > np.count_nonzero(np.isfinite(blur_um))
    blur_um = np.where(is_even, WIDEST_UM if is_lost else np.nan, blur_um)
    seen = ~np.isnan(blur_um)
    spread = np.full(tissue.shape, np.nan, np.float32)
    cells = np.argwhere(tissue > 0)
    nearest = _nearest(cells, places[seen], grid, spacing, params.reach_um)
    known = nearest >= 0
    spread[tuple(cells[known].T)] = blur_um[seen][nearest[known]]
    area = tissue[tuple(cells.T)].astype(np.float64)
    area_of_place = np.bincount(nearest[known], area[known], minlength=np.count_nonzero(seen))
    total = float(area_of_place.sum())
    share = low = high = None
    if total > 0:
        share = float(area_of_place @ (blur_um[seen] <= params.largest_blur_um)) / total
        low, high = _interval(share, total**2 / float(area_of_place @ area_of_place))
    return Focus(
        share=share,
        low=low,
        high=high,
        known_share=total / float(area.sum()) if len(area) else 0.0,
        n_places=len(places),
        n_measured=int(np.count_nonzero(seen)),
        largest_blur_um=params.largest_blur_um,
        grid=grid,
        tissue=tissue,
        blur_um=spread,
    )


def _nearest(
    cells: Places, places: Places, grid: TileGrid, spacing: PixelSpacing, reach_um: float
) -> NDArray[np.int64]:
    """Row of the nearest place of each cell, -1 where none is near enough."""
    if not len(places):
        return np.full(len(cells), -1)
    step_um = np.array([grid.tile_height * spacing.y_um, grid.tile_width * spacing.x_um])
    nearest, distance_um = nearest_of(places * step_um, cells * step_um)
    return np.where(distance_um <= reach_um, nearest, -1)


def _interval(share: float, n: float) -> tuple[float, float]:
    """95 % score interval of a share seen in n places (Wilson 1927).

    Examples
    --------
    >>> tuple(round(end, 3) for end in _interval(1.0, 96))
    (0.962, 1.0)
    """
    shrink = 1 + _Z_95**2 / n
    middle = (share + _Z_95**2 / (2 * n)) / shrink
    half = _Z_95 / shrink * sqrt(share * (1 - share) / n + _Z_95**2 / (4 * n * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
