"""Clusters at a gap: cut from the contiguity tree and measured from the sums of their fragments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path import hull
from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.model import LINK_LIMIT_UM, ClusterMeasures, Dropped, Fragments, Tree
from micromet_path.pixels.groups import filled_px, hulls_of
from micromet_path.pixels.link import cut

__all__ = ["ClusterParams", "below_area", "components", "measure"]


_MIMICS = (
    *("pigment_like", "pigment_hue", "off_tissue", "ink", "precipitate", "edge_haze", "stellate"),
    *("granular", "deposit", "red_cell_like", "fringe"),
)
"""Flags of what is probably no tumour; it comes after what is."""

_LARGEST_SMALLEST_AREA_UM2 = 1000.0  # some ten cells: a setting above it would hide what the program is for


@dataclass(frozen=True, slots=True)
class ClusterParams:
    """How fragments become clusters, and how sure a size is.

    Parameters
    ----------
    gap_um : float
        Fragments up to this far apart are one cluster. 7 um is one small lymphocyte: what a benign
        cell can separate is not contiguous (after Turner 2008); no staging body gives a number.
    smallest_area_um2 : float
        Smaller clusters are not tumour cells; they are counted in ``dropped``.
    scale_uncertainty, scale_uncertainty_given : float
        Share of a size by which the scale may be off: the scanner's own, or typed in.
    """

    gap_um: float = 7.0
    smallest_area_um2: float = 25.0
    scale_uncertainty: float = 0.01
    scale_uncertainty_given: float = 0.03

    def __post_init__(self) -> None:
        if not 0 <= self.gap_um <= LINK_LIMIT_UM:
            raise ConfigError(f"clusters.gap_um must lie between 0 and {LINK_LIMIT_UM:g}, found {self.gap_um}")
        if not 0 <= self.smallest_area_um2 <= _LARGEST_SMALLEST_AREA_UM2:
            raise ConfigError(
                f"clusters.smallest_area_um2 must lie between 0 and {_LARGEST_SMALLEST_AREA_UM2:g}, "
                f"found {self.smallest_area_um2}"
            )
        for name in ("scale_uncertainty", "scale_uncertainty_given"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"clusters.{name} must be a share from 0 to below 1, found {getattr(self, name)}")

    def scale_share(self, source: str) -> float:
        """Uncertainty of a scale of this source, as `SlideInfo.spacing_source` names it."""
        return self.scale_uncertainty_given if source == "given" else self.scale_uncertainty


def components(fragments: Fragments, tree: Tree, gap_um: float) -> NDArray[np.int64]:
    """Component of each fragment at a gap: by the tree, or the dot pattern it is gathered in.

    Returns
    -------
    component : ndarray of shape (F,), int64
        Numbered 0..n-1 by the first fragment.
    """
    component = cut(tree, len(fragments), gap_um)
    for group in np.unique(fragments.dot_group[fragments.dot_group >= 0]):
        members = np.flatnonzero(fragments.dot_group == group)
        component[members] = members[0]
    return np.unique(component, return_inverse=True)[1].astype(np.int64)


def measure(
    fragments: Fragments, tree: Tree, gap_um: float, spacing: PixelSpacing, scale_share: float, params: ClusterParams
) -> ClusterMeasures:
    """Cut the tree at a gap and measure what results.

    Parameters
    ----------
    fragments : Fragments
    tree : Tree
    gap_um : float
        0 to 100.
    spacing : PixelSpacing
    scale_share : float
        Uncertainty of the scale as a share of the size.
    params : ClusterParams

    Returns
    -------
    ClusterMeasures
        Largest first, ties by first pixel; without clusters below the smallest area.
    """
    if not 0 <= gap_um <= LINK_LIMIT_UM:
        raise ConfigError(f"a gap must lie between 0 and {LINK_LIMIT_UM:g} um, found {gap_um:g}")
    component = components(fragments, tree, gap_um)
    area_um2 = np.bincount(component, fragments.area_px) * spacing.pixel_area_um2
    kept = np.flatnonzero(area_um2 >= params.smallest_area_um2)
    row_of = np.full(len(area_um2), -1, np.int64)
    row_of[kept] = np.arange(len(kept))
    row = row_of[component]
    hulls, offsets = hulls_of(fragments.hull_px, fragments.hull_offsets, row, len(kept))
    diameter = hull.ragged_diameters(hulls, offsets, spacing.x_um, spacing.y_um)
    # Components are numbered by their first fragment and fragments by their first pixel: a stable sort breaks ties.
    order = np.argsort(-diameter, kind="stable")
    rank = np.full(len(order) + 1, -1, np.int64)  # the last one answers for row -1
    rank[order] = np.arange(len(order))
    return _table(fragments, rank[row], gap_um, spacing, scale_share)


def _table(
    fragments: Fragments,
    row: NDArray[np.int64],
    gap_um: float,
    spacing: PixelSpacing,
    scale_share: float,
) -> ClusterMeasures:
    """Every column of the table; ``row`` is the cluster of each fragment."""
    n = int(row.max(initial=-1)) + 1
    member, f = row[row >= 0], np.flatnonzero(row >= 0)

    def total(column: NDArray[np.int64]) -> NDArray[np.int64]:
        sums = np.zeros((n, *column.shape[1:]), np.int64)
        np.add.at(sums, member, column[f])
        return sums

    hulls, offsets = hulls_of(fragments.hull_px, fragments.hull_offsets, row, n)
    diameter, axis, circle, hull_um2 = hull.ragged_measures(hulls, offsets, spacing.x_um, spacing.y_um)
    area_px = total(fragments.area_px)
    area_um2 = area_px.astype(np.float64) * spacing.pixel_area_um2
    filled_um2 = filled_px(fragments, row, n).astype(np.float64) * spacing.pixel_area_um2
    low, high = _interval(fragments, row, diameter, spacing, scale_share)
    mean = np.maximum(area_px, 1)[:, None]
    max_dab = np.zeros(n, np.int64)
    np.maximum.at(max_dab, member, fragments.max_dab[f])
    box = np.empty((n, 4), np.int64)
    box[:, :2], box[:, 2:] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    np.minimum.at(box[:, :2], member, fragments.bbox_px0[f, :2])
    np.maximum.at(box[:, 2:], member, fragments.bbox_px0[f, 2:])
    flags = _flags(fragments, row, n)
    mean_dab = total(fragments.sum_stain)[:, 1] / mean[:, 0] / fragments.od_scale
    return ClusterMeasures(
        gap_um=float(gap_um),
        cluster_of_fragment=row,
        piece_id=_largest_member(fragments, row, n, fragments.piece),
        n_fragments=np.bincount(member, minlength=n).astype(np.int64),
        max_diameter_um=diameter,
        diameter_low_um=low,
        diameter_high_um=high,
        axis_px0=axis,
        min_bounding_circle_um=circle,
        area_um2=area_um2,
        area_filled_um2=filled_um2,
        centroid_px0=total(fragments.sum_xy_px) / mean + 0.5,
        bbox_px0=box,
        mean_rgb=total(fragments.sum_rgb) / mean,
        mean_dab_od=mean_dab,
        max_dab_od=max_dab / fragments.od_scale,
        solidity=area_um2 / np.where(hull_um2 > 0, hull_um2, 1.0),
        cells=np.maximum(1.0, np.bincount(member, fragments.cells[f], minlength=n)),
        cells_low=np.maximum(1.0, np.bincount(member, fragments.cells_low[f], minlength=n)),
        cells_high=np.maximum(1.0, np.bincount(member, fragments.cells_high[f], minlength=n)),
        size_is_minimum=np.asarray((flags["scan_edge"] > 0) | (flags["tissue_edge"] > 0)),
        rank_score=_rank(diameter, mean_dab, flags),
        flags=flags,
    )


def _interval(
    fragments: Fragments,
    row: NDArray[np.int64],
    diameter: NDArray[np.float64],
    spacing: PixelSpacing,
    scale_share: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Size at the higher and at the lower threshold, a pixel at either end, and the scale's uncertainty.

    At the lower threshold a cluster is the components that hold its fragments; at the higher one the
    pixels of its fragments that reach it, nothing where none does.
    """
    n = len(diameter)
    high_hulls, high_offsets = hulls_of(fragments.high_hull_px, fragments.high_hull_offsets, row, n)
    at_high = hull.ragged_diameters(high_hulls, high_offsets, spacing.x_um, spacing.y_um)
    f = np.flatnonzero(row >= 0)
    pairs = np.unique(np.column_stack([row[f], fragments.low_component[f]]), axis=0)
    sizes = np.diff(fragments.low_hull_offsets)[pairs[:, 1]]
    starts = fragments.low_hull_offsets[pairs[:, 1]]
    index = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(starts, sizes)
    points = np.concatenate([fragments.low_hull_px[index], fragments.hull_px])
    rows = np.concatenate([np.repeat(pairs[:, 0], sizes), np.repeat(row, np.diff(fragments.hull_offsets))])
    at_low = hull.ragged_diameters(*hull.ragged_hulls(points, rows, n), spacing.x_um, spacing.y_um)
    pixel = 2 * max(spacing.x_um, spacing.y_um)
    low = np.maximum(0.0, np.minimum(at_high, diameter) * (1 - scale_share) - pixel)
    high = np.maximum(at_low, diameter) * (1 + scale_share) + pixel
    return low, high


def _largest_member(
    fragments: Fragments, row: NDArray[np.int64], n: int, values: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The value of each cluster's largest fragment, the first of equals."""
    result = np.zeros(n, np.int64)
    order = np.lexsort((-np.arange(len(row)), fragments.area_px))
    order = order[row[order] >= 0]
    result[row[order]] = values[order]
    return result


def _flags(fragments: Fragments, row: NDArray[np.int64], n: int) -> dict[str, NDArray[np.float64]]:
    """Strength of each flag: the share of the cluster's area that shows it; edges and dots are yes or no."""
    member, f = row[row >= 0], np.flatnonzero(row >= 0)
    area = np.maximum(np.bincount(member, fragments.area_px[f], minlength=n), 1)

    def share(column: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(member, np.where(column[f], fragments.area_px[f], 0), minlength=n) / area

    def mean(strength: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(member, strength[f] * fragments.area_px[f], minlength=n) / area

    def anywhere(column: NDArray[np.bool_]) -> NDArray[np.float64]:
        return (np.bincount(member, column[f], minlength=n) > 0).astype(np.float64)

    looked_at = {name: np.minimum(mean(strength), 1.0) for name, strength in fragments.flags.items()}
    by_sums = share(fragments.pigment_like)
    zeros, at_margin = np.zeros(n), anywhere(fragments.tissue_edge)
    pigment = np.maximum(by_sums, looked_at.get("pigment_like", by_sums))
    return {
        **looked_at,
        "pigment_like": pigment,
        "pigment_hue": np.maximum(0.0, looked_at.get("pigment_hue", zeros) - pigment),  # black says it all
        "off_tissue": share(fragments.off_tissue),
        "weak": (share(fragments.weak) == 1).astype(np.float64),
        "dot_pattern": anywhere(fragments.dot_group >= 0),
        "tissue_edge": at_margin,
        "scan_edge": anywhere(fragments.scan_edge),
    }


def _rank(
    diameter: NDArray[np.float64], mean_dab: NDArray[np.float64], flags: dict[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Order for the eye: large and brown first, what looks like a mimic later."""
    doubt = 1 - 0.9 * np.max([flags.get(name, np.zeros(len(diameter))) for name in _MIMICS], axis=0)
    return np.asarray(np.log1p(diameter) * np.clip(mean_dab, 0.0, 1.5) * doubt)


def below_area(fragments: Fragments, tree: Tree, spacing: PixelSpacing, params: ClusterParams) -> Dropped:
    """What the smallest area removes at the configured gap."""
    component = components(fragments, tree, params.gap_um)
    area_um2 = np.bincount(component, fragments.area_px) * spacing.pixel_area_um2
    small = np.flatnonzero(area_um2 < params.smallest_area_um2)
    if not len(small):
        return Dropped()
    row_of = np.full(len(area_um2), -1, np.int64)
    row_of[small] = np.arange(len(small))
    hulls, offsets = hulls_of(fragments.hull_px, fragments.hull_offsets, row_of[component], len(small))
    diameter = hull.ragged_diameters(hulls, offsets, spacing.x_um, spacing.y_um)
    return Dropped(len(small), float(diameter.max()))
