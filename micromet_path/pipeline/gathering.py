"""From the joined pieces of a scan to the fragments that take part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config
from micromet_path.geometry import PixelSpacing
from micromet_path.hull import ragged_diameters
from micromet_path.model import Dropped, Fragments, Runs
from micromet_path.pipeline.scanning import ScanOutcome
from micromet_path.pixels.dots import gather_dots, is_crumb
from micromet_path.pixels.fragments import (
    JoinedPieces,
    dropped,
    dropped_in_all,
    is_pigment_like,
    may_link,
    ragged_rows,
)
from micromet_path.pixels.holes import fill_holes
from micromet_path.pixels.link import contiguity_tree, cut
from micromet_path.pixels.nuclei import NucleiParams, exact_cells
from micromet_path.pixels.registration import IN_REGISTER, Register
from micromet_path.pixels.runs import runs_of, runs_renumbered
from micromet_path.pixels.stain import OD_SCALE

_STEP_UM = 5.0  # far below the distance within which a dot is a crumb

__all__ = ["Gathered", "gather_fragments", "linkable_runs"]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What takes part, and what does not.

    Parameters
    ----------
    fragments : Fragments
        Without their places, which the tissue map gives.
    runs : Runs
    piece_of_fragment : ndarray of shape (F,), int64
        Joined piece that each fragment was.
    rim, trimmed : ndarray of shape (F,), bool
        Which fragments are dried rims, and from which one was cut off.
    below_area, no_strong_pixel : Dropped
    """

    fragments: Fragments
    runs: Runs
    piece_of_fragment: NDArray[np.int64]
    rim: NDArray[np.bool_]
    trimmed: NDArray[np.bool_]
    below_area: Dropped
    no_strong_pixel: Dropped


def gather_fragments(scan: ScanOutcome, spacing: PixelSpacing, config: Config, register: Register) -> Gathered:
    """Decide which pieces take part, gather dots, and drop the rest with a count.

    Parameters
    ----------
    scan : ScanOutcome
        With all runs.
    spacing : PixelSpacing
    config : Config
    register : Register
        How the colours of the slide lie on each other.
    """
    params, pieces = config.fragments, scan.pieces
    area_um2 = pieces.sums[:, 0].astype(np.float64) * spacing.pixel_area_um2
    is_strong = pieces.sums[:, 9] > 0
    is_pigment = is_pigment_like(pieces.sums[:, 6:9], params)
    is_rim, is_trimmed = (np.zeros(len(pieces), bool) if one is None else one for one in (scan.rim, scan.trimmed))
    takes_part = may_link(pieces.sums, spacing, params)
    may_be_dot = ~is_pigment & ~is_rim
    is_dot = is_strong & ~takes_part & (area_um2 >= params.dot_minimum_um2) & may_be_dot
    may_be_pale = is_dot & (register == IN_REGISTER)
    is_dot |= _alone(scan, takes_part & may_be_dot, area_um2, spacing, config)
    is_dot &= _at_least(pieces, config.dots.strong_od)
    is_dot |= may_be_pale & _at_least(pieces, config.dots.pale_od)
    is_dot[is_dot] = ~_beside_cells(scan, is_dot, takes_part & ~is_dot & ~is_pigment, spacing, config)
    dot_group = np.full(len(pieces), -1, np.int64)
    dot_group[is_dot] = gather_dots(_centres_um(scan, is_dot, spacing), config.dots)
    kept = takes_part | (dot_group >= 0)
    runs = _piece_runs(scan, kept)
    points, offsets = ragged_rows(pieces.hull_px, pieces.hull_offsets, ~kept)
    diameter_um = ragged_diameters(points, offsets, spacing.x_um, spacing.y_um)
    strong = is_strong[~kept]
    return Gathered(
        fragments=_fragments(scan, runs, kept, dot_group, is_pigment, spacing, config.nuclei),
        runs=runs,
        piece_of_fragment=np.flatnonzero(kept),
        rim=is_rim[kept],
        trimmed=is_trimmed[kept],
        below_area=dropped_in_all([scan.strong_specks, dropped(diameter_um[strong])]),
        no_strong_pixel=dropped_in_all([scan.weak_specks, dropped(diameter_um[~strong])]),
    )


def linkable_runs(gathered: Gathered, apart: NDArray[np.bool_] | None = None) -> Runs:
    """Runs of the fragments that may link: pigment, gathered dots, rims and what else lies apart never bridge."""
    fragments = gathered.fragments
    may_bridge = ~fragments.pigment_like & (fragments.dot_group < 0) & ~gathered.rim
    return runs_of(gathered.runs, may_bridge if apart is None else may_bridge & ~apart)


def _at_least(pieces: JoinedPieces, mean_od: float) -> NDArray[np.bool_]:
    """Pieces of at least some mean density of chromogen."""
    return np.asarray(pieces.sums[:, 7] >= mean_od * OD_SCALE * pieces.sums[:, 0])


def _centres_um(scan: ScanOutcome, chosen: NDArray[np.bool_], spacing: PixelSpacing) -> NDArray[np.float64]:
    """Centroids of chosen pieces."""
    sums = scan.pieces.sums[chosen]
    return spacing.to_um(sums[:, 1:3] / sums[:, :1] + 0.5)


def _beside_cells(
    scan: ScanOutcome,
    is_dot: NDArray[np.bool_],
    is_cell: NDArray[np.bool_],
    spacing: PixelSpacing,
    config: Config,
) -> NDArray[np.bool_]:
    """Which of the dots lie beside a fragment of cell size."""
    if np.count_nonzero(is_dot) < config.dots.minimum_count:
        return np.zeros(np.count_nonzero(is_dot), bool)
    hulls = ragged_rows(scan.pieces.hull_px, scan.pieces.hull_offsets, is_cell)
    return is_crumb(_centres_um(scan, is_dot, spacing), _along_hulls(*hulls, spacing), config.dots)


def _along_hulls(points: NDArray[np.int64], offsets: NDArray[np.int64], spacing: PixelSpacing) -> NDArray[np.float64]:
    """Points along the edges of ragged hulls, in microns: a hull's corners may lie far apart."""
    following = np.arange(1, len(points) + 1)
    has_points = np.diff(offsets) > 0
    following[offsets[1:][has_points] - 1] = offsets[:-1][has_points]
    start, end = spacing.to_um(points), spacing.to_um(points[following])
    steps = np.ceil(np.hypot(*(end - start).T) / _STEP_UM).astype(np.int64).clip(1)
    within = np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)
    share = (within / np.repeat(steps, steps))[:, None]
    return np.asarray(np.repeat(start, steps, axis=0) * (1 - share) + np.repeat(end, steps, axis=0) * share)


def _piece_runs(scan: ScanOutcome, kept: NDArray[np.bool_]) -> Runs:
    """Runs of the kept pieces, which become fragments 0, 1, ... in their order."""
    return runs_renumbered(scan.runs, np.where(kept, np.cumsum(kept) - 1, -1))


def _alone(
    scan: ScanOutcome,
    linked: NDArray[np.bool_],
    area_um2: NDArray[np.float64],
    spacing: PixelSpacing,
    config: Config,
) -> NDArray[np.bool_]:
    """Pieces whose cluster at the dots' own gap is smaller than a cell, or holds none larger than two dots."""
    alone = np.zeros(len(linked), bool)
    chosen = np.flatnonzero(linked)
    if not np.any(area_um2[chosen] < max(config.clusters.smallest_area_um2, config.dots.largest_um2)):
        return alone
    tree = contiguity_tree(_piece_runs(scan, linked), len(chosen), spacing, config.dots.gap_um)
    cluster = cut(tree, len(chosen), config.dots.gap_um)
    total = np.bincount(cluster, area_um2[chosen], minlength=len(chosen))
    largest = np.zeros(len(chosen))
    np.maximum.at(largest, cluster, area_um2[chosen])
    alone[chosen] = ((total < config.clusters.smallest_area_um2) | (largest < config.dots.largest_um2))[cluster]
    return alone


def _fragments(
    scan: ScanOutcome,
    runs: Runs,
    kept: NDArray[np.bool_],
    dot_group: NDArray[np.int64],
    is_pigment: NDArray[np.bool_],
    spacing: PixelSpacing,
    params: NucleiParams,
) -> Fragments:
    """The kept pieces as fragments, cells by their area; places, and what a second look tells, are filled in later."""
    pieces = scan.pieces
    sums = pieces.sums[kept]
    first_px = pieces.first_px[kept]
    filled_px, enclosed_by = fill_holes(runs, first_px)
    hull_px, hull_offsets = ragged_rows(pieces.hull_px, pieces.hull_offsets, kept)
    high_px, high_offsets = ragged_rows(pieces.high_hull_px, pieces.high_hull_offsets, kept)
    used = np.zeros(len(pieces.low_hull_offsets) - 1, bool)
    used[pieces.low_component[kept]] = True
    low_px, low_offsets = ragged_rows(pieces.low_hull_px, pieces.low_hull_offsets, used)
    n = len(sums)
    filled_um2 = filled_px.astype(np.float64) * spacing.pixel_area_um2
    return Fragments(
        od_scale=OD_SCALE,
        first_px=first_px,
        bbox_px0=pieces.bbox_px0[kept],
        area_px=sums[:, 0],
        filled_px=filled_px,
        strong_px=sums[:, 9],
        sum_xy_px=sums[:, 1:3],
        sum_rgb=sums[:, 3:6],
        sum_stain=sums[:, 6:9],
        max_dab=pieces.max_dab[kept],
        hull_px=hull_px,
        hull_offsets=hull_offsets,
        high_hull_px=high_px,
        high_hull_offsets=high_offsets,
        low_component=(np.cumsum(used) - 1)[pieces.low_component[kept]],
        low_hull_px=low_px,
        low_hull_offsets=low_offsets,
        enclosed_by=enclosed_by,
        weak=sums[:, 9] == 0,
        pigment_like=is_pigment[kept],
        scan_edge=np.zeros(n, bool),
        tissue_edge=np.zeros(n, bool),
        off_tissue=np.zeros(n, bool),
        dot_group=dot_group[kept],
        piece=np.zeros(n, np.int64),
        cells=exact_cells(filled_um2 / params.cell_area_um2),
        cells_low=exact_cells(filled_um2 / params.cell_area_high_um2),
        cells_high=exact_cells(filled_um2 / params.cell_area_low_um2),
        flags={},
    )
