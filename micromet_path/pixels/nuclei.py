"""Tumour cells of a stained cluster: nuclei counted where they show, the rest by area, with an interval.

A keratin stain colours the cell and spares its nucleus, so a tumour nucleus is a spot of nuclear size in
which blue has a larger share of the dye than in the stain around it: it holds for the unstained hole, for
the hole under a film of chromogen in a thick section, and whatever the strength of either dye. Spots are
found in scale space (Lindeberg 1998) and kept where stain surrounds them, which lymphocytes beside the
cluster are not. Where chromogen hides the nuclei, cells are taken from the area.

Windows of one cluster give tallies that add up; `cells_of` turns the sum into a count.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.neighbours import nearest_other
from micromet_path.pixels.nuclei_spots import (
    NucleiParams,
    NucleiView,
    Spots,
    enclosed_spots,
    filled_pieces,
    reduced,
    view_of,
)
from micromet_path.pixels.shape import dilated, padded
from micromet_path.pixels.stain import StainModel

__all__ = [
    "MARGIN_UM",
    "NO_NUCLEI",
    "CellCount",
    "NucleiParams",
    "NucleiTally",
    "NucleiView",
    "cells_of",
    "count_cells",
    "exact_cells",
    "tally_nuclei",
    "view_of",
]

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]
Points = NDArray[np.float64]
Core = tuple[slice, slice]

MARGIN_UM = 25.0
"""What a window shows around its core, so that the core's tally does not depend on where windows are cut."""

_CELL_STEPS = float(1 << 20)

_LIMITS = (1.5, 1.0, 0.7)
"""Shares of the contrast limit at which nuclei are certain, counted and possible."""


@dataclass(frozen=True, slots=True)
class NucleiTally:
    """What one window adds to a count; tallies of windows whose cores do not overlap add up.

    Parameters
    ----------
    centres_um : ndarray of shape (N, 2)
        Nuclei counted, (x, y) from the corner of the picture that was looked at, for overlays.
    seen, certain, possible : int
        Nuclei at the threshold in use, at a stricter one and at a more lenient one.
    shown_um2, hidden_um2 : float
        Filled area of cells whose nuclei show, and filled area too far from any nucleus.
    bare : float
        Cells of small stained pieces without a nucleus: one or two each, less than one for a scrap.
    """

    centres_um: Points
    seen: int = 0
    certain: int = 0
    possible: int = 0
    shown_um2: float = 0.0
    hidden_um2: float = 0.0
    bare: float = 0.0

    def __add__(self, other: NucleiTally) -> NucleiTally:
        return NucleiTally(
            np.concatenate([self.centres_um, other.centres_um]),
            self.seen + other.seen,
            self.certain + other.certain,
            self.possible + other.possible,
            self.shown_um2 + other.shown_um2,
            self.hidden_um2 + other.hidden_um2,
            self.bare + other.bare,
        )


NO_NUCLEI = NucleiTally(np.empty((0, 2)))
"""What nothing adds to a count."""


@dataclass(frozen=True, slots=True)
class CellCount:
    """Estimated cells of a cluster.

    Parameters
    ----------
    value, low, high : float
        Estimate and the interval that is meant to hold the truth 19 times in 20; 1 or more.
    counted : int
        Nuclei seen.
    solid_share : float
        Share of the filled area where none show and cells were taken from the area.
    """

    value: float
    low: float
    high: float
    counted: int
    solid_share: float


def count_cells(
    rgb: NDArray[np.uint8], stained: Mask, model: StainModel, spacing: PixelSpacing, params: NucleiParams
) -> CellCount:
    """Estimate the tumour cells of one cluster.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Level-0 picture of the cluster with a margin of 15 um or more.
    stained : ndarray of shape (M, N), bool
        Its stained pixels.
    model : StainModel
    spacing : PixelSpacing
    params : NucleiParams

    Notes
    -----
    For clusters larger than memory likes: `tally_nuclei` of windows with cores, added, then `cells_of`.
    """
    return cells_of(tally_nuclei(view_of(rgb, model, spacing, params), stained, params), params)


def cells_of(tally: NucleiTally, params: NucleiParams) -> CellCount:
    """The count that a tally, or a sum of tallies, amounts to.

    Examples
    --------
    >>> cells_of(NucleiTally(np.empty((0, 2)), hidden_um2=12300.0), NucleiParams())
    CellCount(value=100.0, low=49.2, high=153.75, counted=0, solid_share=1.0)
    """
    trust = _trust(tally.certain, tally.possible)
    weight = trust * tally.seen / (tally.seen + 4.0)
    own = tally.shown_um2 / max(tally.seen, 1)
    area, small, large = (
        weight * share * own + (1 - weight) * usual
        for share, usual in (
            (1.0, params.cell_area_um2),
            (0.75, params.cell_area_low_um2),
            (1.35, params.cell_area_high_um2),
        )
    )
    value = tally.seen + tally.bare + tally.hidden_um2 / area
    spread = 0.5 * sqrt(tally.seen) + 0.06 * tally.seen
    unsure = 1 - tally.certain / max(tally.seen, 1)
    low = tally.certain - spread + 0.35 * tally.bare + (tally.hidden_um2 + unsure * tally.shown_um2) / large
    high = tally.possible + spread + 1.6 * tally.bare + tally.hidden_um2 / small
    filled = tally.shown_um2 + tally.hidden_um2
    return CellCount(
        value=max(1.0, value),
        low=max(1.0, min(low, value)),
        high=max(1.0, high),
        counted=tally.seen,
        solid_share=tally.hidden_um2 / filled if filled else 0.0,
    )


def exact_cells(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers of cells as multiples of a small power of two, whose sums are the same bits in any order."""
    return np.asarray(np.rint(cells * _CELL_STEPS) / _CELL_STEPS)


def _trust(certain: int, possible: int) -> float:
    """Whether the spots are nuclei: the contrast of nuclei lies well above the limit, that of grain at it."""
    return float(np.clip(2.5 * certain / max(possible, 1) - 0.5, 0, 1))


def tally_nuclei(view: NucleiView, stained: Mask, params: NucleiParams, core: Core | None = None) -> NucleiTally:
    """Count the nuclei of one window of a cluster, and measure the area that shows none.

    Parameters
    ----------
    view : NucleiView
        Of the window, by `view_of`.
    stained : ndarray of shape (M, N), bool
        In pixels of the picture that the view was made of.
    params : NucleiParams
        Those of the view.
    core : tuple of two slices, optional
        Rows and columns of the picture that count: nuclei with their centre there, and their area. The
        window should show `MARGIN_UM` around its core wherever the cluster goes on.
    """
    pieces = filled_pieces(reduced(stained, view), view, params)
    spots = enclosed_spots(view, pieces, params)
    limit = _contrast_limit(spots.contrast, params)
    inside = _core_plane(view, core)
    owned = inside[tuple(spots.centres.astype(np.intp).T)]
    certain, seen, possible = (spots.contrast >= share * limit for share in _LIMITS)
    trust = _trust(int(np.count_nonzero(certain)), int(np.count_nonzero(possible)))
    shown, hidden, bare = _areas(pieces, spots.where(seen), trust, inside, view, params)
    return NucleiTally(
        (spots.centres[seen & owned] + 0.5)[:, ::-1] * np.asarray(view.um[::-1]),
        seen=int(np.count_nonzero(owned & seen)),
        certain=int(np.count_nonzero(owned & certain)),
        possible=int(np.count_nonzero(owned & possible)),
        shown_um2=shown,
        hidden_um2=hidden,
        bare=bare,
    )


def _contrast_limit(contrast: NDArray[np.float64], params: NucleiParams) -> float:
    """Contrast from which a spot is a nucleus, by that of the cluster's clear ones.

    Where most spots lie just above the limit they are the grain of the stain, and only what stands out counts.
    """
    if not len(contrast):
        return params.least_contrast
    limit = max(params.least_contrast, params.relative_contrast * float(np.quantile(contrast, 0.75)))
    certain, possible = (np.count_nonzero(contrast >= share * limit) for share in (_LIMITS[0], _LIMITS[-1]))
    return limit if certain >= 0.4 * possible else _LIMITS[0] * limit


def _core_plane(view: NucleiView, core: Core | None) -> Mask:
    """Pixels of the working grid whose centres lie in the core."""
    inside = np.zeros(view.blue.shape, bool)
    if core is None:
        inside[:] = True
        return inside
    rows, columns = (
        slice(*(None if end is None else ceil(end / step - 0.5) for end in (part.start, part.stop)))
        for part, step in zip(core, view.factor, strict=True)
    )
    inside[rows, columns] = True
    return inside


def _areas(
    pieces: Labels, nuclei: Spots, trust: float, inside: Mask, view: NucleiView, params: NucleiParams
) -> tuple[float, float, float]:
    """Area whose nuclei show, area whose nuclei do not, and cells of small pieces without any."""
    pixel_um2 = view.um[0] * view.um[1]
    n = int(pieces.max(initial=0))
    whole = np.bincount(pieces.ravel(), minlength=n + 1) * pixel_um2
    part = np.bincount(pieces[inside], minlength=n + 1) * pixel_um2
    is_bare = np.ones(n + 1, bool)
    is_bare[nuclei.piece] = False
    is_bare[0] = False
    # A piece by itself is a whole cell and larger than its share of a nest: it is one up to one and a half areas.
    size = whole / params.cell_area_um2
    small = is_bare & (size < 3.0)
    cells = np.interp(size, (0.0, 0.5, 1.5, 3.0), (0.0, 1.0, 1.0, 3.0))
    bare = float((cells[small] * part[small] / whole[small]).sum())
    hidden = float(part[is_bare & ~small].sum())
    shown = float(part[1:].sum()) - float(part[is_bare].sum())
    if len(nuclei.centres):
        far = _far_from_nuclei(pieces, is_bare, nuclei, trust, inside, view, params) * pixel_um2
        shown, hidden = shown - far, hidden + far
    return shown, hidden, bare


def _far_from_nuclei(
    pieces: Labels, is_bare: Mask, nuclei: Spots, trust: float, inside: Mask, view: NucleiView, params: NucleiParams
) -> int:
    """Pixels of the core that belong to cells whose nuclei do not show, in pieces where others do.

    Cells lie as far apart as the nuclei that show; what is farther than that from any of them is somebody
    else's, and so is the half cell around it.
    """
    apart = _apart_um(nuclei, trust, view, params)
    is_nucleus = np.zeros(pieces.shape, bool)
    is_nucleus[tuple(nuclei.centres.astype(np.intp).T)] = True
    candidate = (pieces > 0) & ~is_bare[pieces]
    void = candidate & ~dilated(is_nucleus, 0.95 * apart, view.spacing)
    if void.any():  # a nucleus keeps off the outline, so that a margin without any is not a cell
        void &= ~dilated(~padded(candidate, 1), 0.3 * apart, view.spacing)[1:-1, 1:-1]
    if not void.any():
        return 0
    around = dilated(void, 0.45 * apart, view.spacing)
    return int(np.count_nonzero(around & candidate & inside))


def _apart_um(nuclei: Spots, trust: float, view: NucleiView, params: NucleiParams) -> float:
    """Typical distance of neighbouring cells: the cluster's own where eight or more nuclei show."""
    usual = sqrt(params.cell_area_um2 * 2 / sqrt(3))
    if len(nuclei.centres) < 8:
        return 1.3 * usual  # a single cell is larger than one in a nest, and its nucleus lies to one side
    nearest = nearest_other(nuclei.centres * view.um)
    own = float(np.clip(1.15 * np.median(nearest), 0.65 * usual, 2.2 * usual))
    return trust * own + (1 - trust) * usual
