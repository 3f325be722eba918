"""Where the tissue is, on an overview; which piece each fragment lies on; what borders it touches.

The map reports and assigns. It never hides a pixel: the scan reads everything, and stained pixels count
as tissue whatever the overview says of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.kernels import kernel
from micromet_path.model import Piece, Role, Runs
from micromet_path.pixels.label import boxes_of, filled_and_left, labelled
from micromet_path.pixels.planes import plane_of
from micromet_path.pixels.shape import closed_in_steps, smooth_in_place
from micromet_path.pixels.stain import WhitePoint, density_tables

__all__ = [
    "FragmentPlaces",
    "Overview",
    "TissueParams",
    "cells_of_pieces",
    "fill_enclosed",
    "find_pieces",
    "find_tissue",
    "is_off_tissue",
    "mark_runs",
    "place_fragments",
    "summed_up",
    "without_foreign",
]

_FOREIGN_SHARE = 0.5  # of a piece: pens and dust have a soft rim of any colour
_ROWS = 128  # of an overview at a time: numpy looks up and counts by wider numbers


@dataclass(frozen=True, slots=True)
class TissueParams:
    """How tissue is told from glass.

    Parameters
    ----------
    spacing_um : float
        Scale of the overview.
    largest_side_px : int
        The overview is coarser where it would be larger than this.
    minimum_od : float
        Mean absorbance of the three channels from which smoothed glass is tissue. Pale IHC tissue
        absorbs 0.03 to 0.06, glass with JPEG noise below 0.01.
    closing_um, hole_mm2 : float
        Gaps and holes up to this belong to the tissue.
    minimum_piece_mm2 : float
        Smaller pieces are debris unless something stained lies on them.
    foreign_od : float
        Mean absorbance from which the colour of a cell of the overview tells that it is no tissue.
    foreign_deg : float
        Angle of its density from grey up to which it is none. Brown over blue has 7 degrees by Ruifrok's vectors.
    foreign_share : float
        Pieces of such cells are not asked of focus and dyes, unless they are this share of the tissue.
    ring_um : float
        A small fragment is off tissue when less than a tenth of what lies within this distance is tissue.
    """

    spacing_um: float = 8.0
    largest_side_px: int = 4096
    minimum_od: float = 0.025
    closing_um: float = 24.0
    hole_mm2: float = 0.05
    minimum_piece_mm2: float = 0.002
    foreign_od: float = 0.12
    foreign_deg: float = 5.0
    foreign_share: float = 0.4
    ring_um: float = 40.0

    def __post_init__(self) -> None:
        if not 1 <= self.spacing_um <= 64 or not 256 <= self.largest_side_px <= 16384:
            raise ConfigError(
                "tissue: expected spacing_um between 1 and 64 and largest_side_px between 256 and 16384, found "
                f"{self.spacing_um} and {self.largest_side_px}"
            )
        if not 0 < self.minimum_od < 1:
            raise ConfigError(f"tissue.minimum_od must lie between 0 and 1, found {self.minimum_od}")
        if not (0 <= self.foreign_deg <= 7 and 0.05 <= self.foreign_od <= 3 and 0 <= self.foreign_share <= 1):
            raise ConfigError(
                "tissue: expected foreign_deg from 0 to 7, foreign_od from 0.05 to 3 and foreign_share from 0 to 1, "
                f"found {self.foreign_deg}, {self.foreign_od} and {self.foreign_share}"
            )
        for name in ("closing_um", "hole_mm2", "minimum_piece_mm2", "ring_um"):
            if not 0 <= getattr(self, name) < inf:
                raise ConfigError(f"tissue.{name} must be 0 or more, found {getattr(self, name)}")

    def overview_spacing(self, width_um: float, height_um: float) -> PixelSpacing:
        """Scale of the overview of a slide of this size."""
        size = max(self.spacing_um, width_um / self.largest_side_px, height_um / self.largest_side_px)
        return PixelSpacing(size, size)


@dataclass(frozen=True, slots=True)
class Overview:
    """A small picture of the whole slide with its grid on level 0.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
    read : ndarray of shape (M, N), bool
        Where level 0 was or will be read: scanned, decodable, inside the analysed region.
    width_px0, height_px0 : int
        Size of the slide; a cell spans ``width_px0 / N`` by ``height_px0 / M`` pixels of level 0.
    spacing : PixelSpacing
        Of level 0.
    """

    rgb: NDArray[np.uint8]
    read: NDArray[np.bool_]
    width_px0: int
    height_px0: int
    spacing: PixelSpacing

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.read.shape[0], self.read.shape[1]

    @property
    def cell_px0(self) -> tuple[float, float]:
        """Width and height of a cell in level-0 pixels."""
        return self.width_px0 / self.shape[1], self.height_px0 / self.shape[0]

    @property
    def cell_area_mm2(self) -> float:
        """Area of a cell."""
        x, y = self.cell_px0
        return x * y * self.spacing.pixel_area_um2 / 1e6

    def cells_of(self, points_px0: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the cells that hold (K, 2) points (x, y)."""
        points = np.asarray(points_px0, np.float64)
        columns = (points[:, 0] * (self.shape[1] / self.width_px0)).astype(np.int64)
        rows = (points[:, 1] * (self.shape[0] / self.height_px0)).astype(np.int64)
        return np.clip(rows, 0, self.shape[0] - 1), np.clip(columns, 0, self.shape[1] - 1)

    def slices_of(self, region: Region) -> tuple[slice, slice]:
        """Cells that a region touches."""
        x, y = self.cell_px0
        return (
            slice(max(0, int(region.y0 / y)), max(0, int(np.ceil(region.y1 / y)))),
            slice(max(0, int(region.x0 / x)), max(0, int(np.ceil(region.x1 / x)))),
        )


def find_tissue(overview: Overview, white: WhitePoint, params: TissueParams) -> NDArray[np.bool_]:
    """Cells of the overview that absorb more than glass, small gaps closed.

    Returns
    -------
    mask : ndarray of shape (M, N), bool
    """
    tables = (density_tables(white.rgb) / 3).astype(np.float32)  # the overview may have tens of millions of cells
    od = plane_of(overview.rgb, tables)
    od[~overview.read] = 0.0
    cell_um = overview.cell_px0[0] * overview.spacing.x_um
    smooth_in_place(od, 8.0 / cell_um)
    mask = od > params.minimum_od
    del od
    steps = max(1, round(params.closing_um / 2 / cell_um))
    return np.asarray(
        filled_and_left(closed_in_steps(mask, steps), params.hole_mm2 / overview.cell_area_mm2)[0] & overview.read
    )


def without_foreign(
    mask: NDArray[np.bool_], overview: Overview, white: WhitePoint, params: TissueParams
) -> NDArray[np.bool_]:
    """Tissue without pieces that are pens, dust or edges of the coverslip, which say nothing of focus and dyes.

    These are pieces most of which have a colour that no mixture of dyes has. What lies on tissue or touches it stays:
    below a film of dirt a section may be out of focus, and pieces that are grey may be those of a grey stain.

    Parameters
    ----------
    mask : ndarray of shape (M, N), bool
        From `find_tissue`.
    overview : Overview
    white : WhitePoint
    params : TissueParams

    Returns
    -------
    ndarray of shape (M, N), bool
        The mask itself where nothing is taken off it, or where that would be much of it.
    """
    tables = density_tables(white.rgb).astype(np.float32)
    grey = np.float32(np.tan(np.radians(params.foreign_deg)) ** 2)
    foreign = mask & _off_dyes(overview.rgb, tables, np.float32(params.foreign_od), grey)
    if not foreign.any():
        return mask
    labels, cells = labelled(mask, is_eight=True)
    is_foreign = cells_of_pieces(labels, len(cells) - 1, foreign) > _FOREIGN_SHARE * cells
    is_foreign[0] = False
    if not 0 < cells[is_foreign].sum() < params.foreign_share * np.count_nonzero(mask):
        return mask
    plain = mask.copy()
    for first in range(0, len(labels), _ROWS):
        rows = slice(first, first + _ROWS)
        plain[rows] &= ~is_foreign[labels[rows]]
    return plain


@kernel("u1[:,:,::1], f4[:,::1], f4, f4")
def _off_dyes(rgb: Any, tables: Any, least: Any, grey: Any) -> Any:
    """Cells that are grey, absorb green least, or red by far the most; dyes of sections absorb green more than one."""
    out = np.empty(rgb.shape[:2], np.bool_)
    for row in range(rgb.shape[0]):
        for column in range(rgb.shape[1]):
            red, green, blue = (
                tables[0, rgb[row, column, 0]],
                tables[1, rgb[row, column, 1]],
                tables[2, rgb[row, column, 2]],
            )
            total = red + green + blue
            along = total * total / 3
            is_grey = red * red + green * green + blue * blue - along < grey * along
            is_inked = green < 0.75 * min(red, blue) or red > 1.35 * green
            out[row, column] = total > 3 * least and (is_grey or is_inked)
    return out


def _with_neighbours(mask: NDArray[np.bool_], outside: bool) -> NDArray[np.bool_]:
    """Cells of a mask with all eight neighbours, the same as scipy's erosion in a tenth of the time.

    Parameters
    ----------
    mask : ndarray of shape (M, N), bool
    outside : bool
        What the neighbours beyond the border are taken for.

    Examples
    --------
    >>> _with_neighbours(np.ones((1, 3), bool), outside=True), _with_neighbours(np.ones((1, 3), bool), outside=False)
    (array([[ True,  True,  True]]), array([[False, False, False]]))
    """
    framed = np.pad(mask, 1, constant_values=outside)
    rows = framed[:-2] & framed[1:-1] & framed[2:]
    return np.asarray(rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:])


def fill_enclosed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask with all that it encloses."""
    return filled_and_left(mask, np.inf)[0]


def mark_runs(overview: Overview, runs: Runs) -> NDArray[np.bool_]:
    """Cells of the overview that hold a stained pixel of the runs."""
    marked = np.zeros(overview.shape, np.bool_)
    _mark(marked, runs.row, runs.start, runs.stop, *overview.cell_px0)
    return marked


@kernel("b1[:,::1], i4[::1], i4[::1], i4[::1], f8, f8")
def _mark(marked: Any, row: Any, start: Any, stop: Any, cell_x: Any, cell_y: Any) -> None:
    """Mark every cell that a run crosses."""
    last_row, last_column = marked.shape[0] - 1, marked.shape[1] - 1
    for i in range(row.shape[0]):
        y = min(int(row[i] / cell_y), last_row)
        for x in range(int(start[i] / cell_x), min(int((stop[i] - 1) / cell_x), last_column) + 1):
            marked[y, x] = True


def find_pieces(
    overview: Overview, tissue: NDArray[np.bool_], stained: NDArray[np.bool_], params: TissueParams
) -> tuple[NDArray[np.int32], tuple[Piece, ...]]:
    """Connected pieces of tissue, stained cells included, from the top left.

    Returns
    -------
    labels : ndarray of shape (M, N), int32
        Piece of each cell, 0 for none.
    pieces : tuple of Piece
        Roles are not known here.
    """
    labels, cells = labelled(tissue | stained, is_eight=True)
    area = cells * overview.cell_area_mm2
    with_stain = _present(labels, stained, len(cells))
    # Debris without stain is left out; a stained speck on bare glass must have brought its own cells.
    has_tissue = _present(labels, tissue, len(cells))
    kept = (area >= params.minimum_piece_mm2) | (with_stain & has_tissue)
    kept[0] = False
    renumbered = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    for first in range(0, len(labels), _ROWS):
        labels[first : first + _ROWS] = renumbered[labels[first : first + _ROWS]]
    x, y = overview.cell_px0
    beyond = ~_with_neighbours(overview.read, outside=False)
    at_edge = _present(labels, beyond, len(renumbered))
    own_mm2, pieces = area[kept], []
    for index, (left, top, right, bottom) in enumerate(boxes_of(labels, len(own_mm2)).tolist(), start=1):
        box = (
            int(left * x),
            int(top * y),
            min(overview.width_px0, int(np.ceil(right * x))),
            min(overview.height_px0, int(np.ceil(bottom * y))),
        )
        pieces.append(Piece(index, box, float(own_mm2[index - 1]), Role.UNKNOWN, bool(at_edge[index])))
    return labels, tuple(pieces)


def cells_of_pieces(labels: NDArray[np.int32], n: int, where: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Cells of each of the pieces 1 to n, and of none first.

    Parameters
    ----------
    labels : ndarray of shape (M, N), int32
        As `find_pieces` gives them.
    n : int
    where : ndarray of shape (M, N), bool, optional
        Cells that count.
    """
    cells = np.zeros(n + 1, np.int64)
    for first in range(0, len(labels), _ROWS):
        rows = slice(first, first + _ROWS)
        part = labels[rows].ravel() if where is None else labels[rows][where[rows]]
        cells += np.bincount(part, minlength=n + 1)
    return cells


def _present(labels: NDArray[np.int32], mask: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Which of n labels lie on a mask."""
    found = np.zeros(n, bool)
    for first in range(0, len(labels), _ROWS):
        found[labels[first : first + _ROWS][mask[first : first + _ROWS]]] = True
    return found


def is_off_tissue(
    overview: Overview,
    maps: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    hulls: tuple[NDArray[np.int64], NDArray[np.int64]],
    centroid_px0: NDArray[np.float64],
    params: TissueParams,
) -> NDArray[np.bool_]:
    """Small fragments that bare glass surrounds.

    Parameters
    ----------
    maps : tissue, stained
        As `find_tissue` and `mark_runs` give them.
    hulls : points and offsets
        Ragged hulls of the fragments.
    centroid_px0 : ndarray of shape (F, 2)
    """
    tissue, stained = maps
    points, offsets = hulls
    of_point = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    extent = np.zeros((len(offsets) - 1, 2))
    np.maximum.at(extent, of_point, np.abs(points - centroid_px0[of_point]))
    is_small = (extent * (overview.spacing.x_um, overview.spacing.y_um)).max(axis=1) < params.ring_um
    cell_um = overview.cell_px0[0] * overview.spacing.x_um
    reach = max(1, round(params.ring_um / cell_um))
    centre = overview.cells_of(centroid_px0)
    free = _number_around(~stained, reach, *centre)
    plain = _number_around(tissue & ~stained, reach, *centre)
    return np.asarray(is_small & (plain < 0.1 * free) & (free > 0.2 * (2 * reach + 1) ** 2))


def _number_around(
    mask: NDArray[np.bool_], reach: int, row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cells of a mask in a square around each of some cells; none beyond the border."""
    summed = summed_up(mask)
    rows, columns = mask.shape
    top, bottom = (row - reach).clip(0), (row + reach + 1).clip(None, rows)
    left, right = (column - reach).clip(0), (column + reach + 1).clip(None, columns)
    inside = summed[bottom, right] - summed[top, right] - summed[bottom, left] + summed[top, left]
    return np.asarray(inside, np.int64)


def summed_up(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """How many cells of a mask lie above and to the left of each corner of the grid, (M + 1, N + 1)."""
    summed = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    summed[1:, 1:] = mask
    for axis in (0, 1):  # in place: a large slide has millions of cells
        summed.cumsum(axis=axis, dtype=np.int32, out=summed)
    return summed


@dataclass(frozen=True, slots=True)
class FragmentPlaces:
    """Where fragments lie: piece (0 for none) and the borders they touch; columns of `Fragments`."""

    piece: NDArray[np.int64]
    scan_edge: NDArray[np.bool_]
    tissue_edge: NDArray[np.bool_]


def place_fragments(
    overview: Overview,
    maps: tuple[NDArray[np.bool_], NDArray[np.int32]],
    hulls: tuple[NDArray[np.int64], NDArray[np.int64]],
    centroid_px0: NDArray[np.float64],
) -> FragmentPlaces:
    """Piece and borders of each fragment.

    Parameters
    ----------
    maps : tissue with all that is stained, labels
        The latter as `find_pieces` gives them.
    hulls : points and offsets
        Ragged hulls of the fragments.
    centroid_px0 : ndarray of shape (F, 2)
    """
    tissue, labels = maps
    points, offsets = hulls
    n = len(offsets) - 1
    of_point = np.repeat(np.arange(n), np.diff(offsets))
    inward = centroid_px0[of_point] - points  # corners lie on the pixels' outer edge: half a pixel towards the middle
    corner_cells = overview.cells_of(points + np.clip(inward, -0.5, 0.5))
    at_centre = labels[overview.cells_of(centroid_px0)]
    piece = np.zeros(n, np.int64)
    np.maximum.at(piece, of_point, labels[corner_cells])

    def touches(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
        found = np.zeros(n, bool)
        np.logical_or.at(found, of_point, cells[corner_cells])
        return found

    x, y = points[:, 0], points[:, 1]
    at_border = (x <= 0) | (y <= 0) | (x >= overview.width_px0) | (y >= overview.height_px0)
    scan_edge = touches(~_with_neighbours(overview.read, outside=True))
    np.logical_or.at(scan_edge, of_point, at_border)
    inner = _with_neighbours(fill_enclosed(tissue), outside=True)
    return FragmentPlaces(np.where(at_centre > 0, at_centre, piece), scan_edge, touches(~inner))
