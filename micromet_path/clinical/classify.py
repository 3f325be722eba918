"""What clusters, pieces and a slide are called, and whether the slide could have shown tumour.

::

    ClusterMeasures --judge--> Clusters --judge_pieces--> Piece(s) --find--> Finding

A category comes from the largest contiguous focus and from the cells of one profile, never from a sum
of sizes or the extent of scatter:

    size > 2.0 mm: macrometastasis; else size > 0.2 mm or cells > 200: micrometastasis;
    else anything counted: ITC; else negative

(AJCC Cancer Staging Manual, 8th edition, 2017, breast.) Unrounded values decide. Flags never delete a
cluster: they decide whether it counts, and what is said of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import fsum

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.assessable import Sight, assess, codes_of, sight_of, withhold
from micromet_path.clinical.counting import NOT_THE_PATIENT, category_by_size, deciding_flags, judge, strength_of
from micromet_path.clinical.policy import DECIDING_STRENGTH, DEFAULTS, SENSITIVE_GAPS_UM, ClassifyParams
from micromet_path.clinical.wording import Facts, Uncounted, headline, square_millimetres
from micromet_path.model import (
    Assessable,
    Category,
    CellEstimate,
    Clusters,
    Counting,
    Dropped,
    Finding,
    GapFinding,
    Piece,
    Quality,
)

__all__ = [
    "ClassifyParams",
    "FindingInputs",
    "assess",
    "category_by_size",
    "find",
    "judge",
    "judge_pieces",
    "summarise_gap",
    "withhold",
]


@dataclass(frozen=True, slots=True)
class FindingInputs:
    """What a finding is made from.

    Parameters
    ----------
    clusters : Clusters
        Judged, at the configured gap.
    pieces : tuple of Piece
        With their roles.
    quality : Quality
    by_gap : tuple of GapFinding
        From `summarise_gap` at each of `model.GAPS_UM`.
    scatter_extent_um : float or None
        Feret diameter of the counted clusters linked at 100 um.
    below_area, no_strong_pixel : Dropped
        What was removed before it was measured.
    smallest_area_um2 : float
    params : ClassifyParams
    """

    clusters: Clusters
    pieces: tuple[Piece, ...]
    quality: Quality
    by_gap: tuple[GapFinding, ...] = ()
    scatter_extent_um: float | None = None
    below_area: Dropped = field(default_factory=Dropped)
    no_strong_pixel: Dropped = field(default_factory=Dropped)
    smallest_area_um2: float = 25.0
    params: ClassifyParams = DEFAULTS


def judge_pieces(pieces: tuple[Piece, ...], clusters: Clusters, params: ClassifyParams = DEFAULTS) -> tuple[Piece, ...]:
    """Give each piece its own finding over the clusters counted on it; control and excluded pieces get none.

    A piece with nothing counted is negative without a size and without a number of cells. Whether the
    slide allows to call it so is for `withhold` to say.
    """
    return tuple(_judged_piece(piece, clusters, params) for piece in pieces)


def summarise_gap(clusters: Clusters, params: ClassifyParams = DEFAULTS) -> GapFinding:
    """Category, by size and by cells, and largest counted diameter of clusters cut at one gap."""
    counted = clusters.is_counted
    row = _largest(clusters, counted)
    size_um = None if row is None else float(clusters.max_diameter_um[row])
    return GapFinding(clusters.gap_um, _worst(*_categories(clusters, counted, params)), size_um)


def find(inputs: FindingInputs) -> Finding:
    """Make the finding of a slide.

    Parameters
    ----------
    inputs : FindingInputs

    Returns
    -------
    Finding
        The category is the worse of the one by size and the one by cells, over every profile. Estimated
        cells raise it only when the whole interval of a profile is above the limit. `estimated_cells` is
        that of the profile that decides, or has most cells: cells are never added over pieces. Where the slide
        is not assessable, no size is given and nothing is called negative; the counts stay.

    Notes
    -----
    Flags, in this order: ``uncounted_large`` (a cluster that is not counted is over the ITC limit or larger than the
    finding), ``area_limited``, ``incomplete`` and ``out_of_focus`` (of the slide), ``doubtful_only``, ``borderline``,
    ``near_200_cells`` (the cell limit lies inside the interval or near the estimate, where size alone says ITC),
    ``diffuse_pattern``, ``contiguity_sensitive``. Clusters on control and excluded pieces play no part in
    ``uncounted_large`` and `if_all_counted`: a positive control is no reason for doubt.
    """
    clusters, params, counted = inputs.clusters, inputs.params, inputs.clusters.is_counted
    assessable = _assess_slide(inputs, would_be_positive=bool(counted.any()))
    sight = sight_of(inputs.quality, params)
    if _too_little_patient_tissue(inputs) is not None:
        sight = Sight(blind=sight.blind or not _has_patient_tissue(inputs.pieces), partial=True)
    by_size, by_cells = (sight.of(category) for category in _categories(clusters, counted, params))
    by_gap = tuple(sight.of_gap(gap) for gap in inputs.by_gap)
    category = _worst(by_size, by_cells)
    size = _largest_size(clusters, assessable) if category.rank > Category.NEGATIVE.rank else _Size()
    finding = Finding(
        category=category,
        assessable=assessable,
        max_diameter_um=size.max_diameter_um,
        diameter_interval_um=size.interval_um,
        borderline=size.borderline,
        near_limit=size.near_limit,
        size_is_minimum=size.is_minimum,
        cluster_id=size.cluster_id,
        category_by_size=by_size,
        category_by_cells=by_cells,
        n_clusters=int(counted.sum()),
        n_itc=_count(clusters, Category.ITC),
        n_micro=_count(clusters, Category.MICROMETASTASIS),
        n_macro=_count(clusters, Category.MACROMETASTASIS),
        estimated_cells=_most_cells(clusters, counted, params),
        by_gap=by_gap,
        contiguity_sensitive=any(_is_higher(gap, category) for gap in by_gap),
        if_all_counted=sight.of(_worst(*_categories(clusters, counted | _set_aside(inputs), params))),
        scatter_extent_um=inputs.scatter_extent_um,
        headline="",
    )
    finding = replace(finding, flags=tuple(_finding_flags(finding, inputs)))
    return replace(finding, headline=headline(_facts(finding, inputs)))


def _assess_slide(inputs: FindingInputs, would_be_positive: bool) -> Assessable:
    """`assess`, and that enough of the tissue must be the patient's."""
    assessable = assess(inputs.quality, would_be_positive, inputs.params)
    reason = _too_little_patient_tissue(inputs)
    if reason is None or not assessable.ok or (would_be_positive and _has_patient_tissue(inputs.pieces)):
        return assessable
    return Assessable(False, (f"no_tissue: {reason}", *assessable.reasons))


def _too_little_patient_tissue(inputs: FindingInputs) -> str | None:
    """Say that what is left without control and excluded pieces is nothing, or too little for a negative."""
    if not _has_patient_tissue(inputs.pieces):
        return "every piece is control or excluded tissue"
    area_mm2 = fsum(piece.area_mm2 for piece in inputs.pieces if piece.role not in NOT_THE_PATIENT)
    if inputs.pieces and area_mm2 < inputs.params.minimum_tissue_mm2:
        needed = square_millimetres(inputs.params.minimum_tissue_mm2)
        return f"{square_millimetres(area_mm2)} of the patient's tissue was found, {needed} is needed"
    return None


def _has_patient_tissue(pieces: tuple[Piece, ...]) -> bool:
    """Whether a piece may be the patient's; without pieces the tissue's area decides alone."""
    return not pieces or any(piece.role not in NOT_THE_PATIENT for piece in pieces)


def _judged_piece(piece: Piece, clusters: Clusters, params: ClassifyParams) -> Piece:
    """The piece with what is counted on it."""
    if piece.role in NOT_THE_PATIENT:
        return replace(piece, category=None, max_diameter_um=None, estimated_cells=None)
    counted = clusters.is_counted & (clusters.piece_id == piece.id)
    row = _largest(clusters, counted)
    return replace(
        piece,
        category=_worst(*_categories(clusters, counted, params)),
        max_diameter_um=None if row is None else float(clusters.max_diameter_um[row]),
        estimated_cells=_most_cells(clusters, counted, params),
    )


def _categories(clusters: Clusters, rows: NDArray[np.bool_], params: ClassifyParams) -> tuple[Category, Category]:
    """Category by size and by cells when these rows count."""
    row = _largest(clusters, rows)
    if row is None:
        return Category.NEGATIVE, Category.NEGATIVE
    many = any(cells.low > params.cell_limit for cells in _profiles(clusters, rows))
    return clusters.category[row], Category.MICROMETASTASIS if many else Category.ITC


def _profiles(clusters: Clusters, rows: NDArray[np.bool_]) -> Iterator[CellEstimate]:
    """Cells of each piece; a cluster on no piece is a profile of its own, as nothing joins it to another."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(rows).tolist():
        piece_id = int(clusters.piece_id[row])
        members[piece_id if piece_id > 0 else -1 - row].append(row)
    for group in members.values():
        # fsum: the same bits whatever order the clusters are in
        value, low, high = (fsum(cells[group]) for cells in (clusters.cells, clusters.cells_low, clusters.cells_high))
        yield CellEstimate(value, low, high)


def _most_cells(clusters: Clusters, rows: NDArray[np.bool_], params: ClassifyParams) -> CellEstimate | None:
    """The profile that decides by cells, of those and else the one with most."""
    return max(
        _profiles(clusters, rows),
        key=lambda cells: (cells.low > params.cell_limit, cells.value, cells.low),
        default=None,
    )


def _largest(clusters: Clusters, rows: NDArray[np.bool_]) -> int | None:
    """Row of the largest of these, of equals the first."""
    chosen = np.flatnonzero(rows)
    return int(chosen[np.argmax(clusters.max_diameter_um[chosen])]) if len(chosen) else None


def _worst(*categories: Category) -> Category:
    """The most severe of the categories."""
    return max(categories, key=lambda category: category.rank)


def _count(clusters: Clusters, category: Category) -> int:
    """Counted clusters of one class by size."""
    return int((clusters.is_counted & np.array([value is category for value in clusters.category], dtype=bool)).sum())


def _set_aside(inputs: FindingInputs) -> NDArray[np.bool_]:
    """Clusters on the patient's tissue that the policy does not count."""
    elsewhere = [piece.id for piece in inputs.pieces if piece.role in NOT_THE_PATIENT]
    return ~inputs.clusters.is_counted & ~np.isin(inputs.clusters.piece_id, elsewhere)


def _is_higher(gap: GapFinding, category: Category) -> bool:
    """Whether a gap within the range of judgement gives a higher class."""
    return SENSITIVE_GAPS_UM[0] <= gap.gap_um <= SENSITIVE_GAPS_UM[1] and gap.category.rank > category.rank


@dataclass(frozen=True, slots=True)
class _Size:
    """The size of a finding; as it stands, that of none."""

    max_diameter_um: float | None = None
    interval_um: tuple[float, float] | None = None
    borderline: bool = False
    near_limit: bool = False
    is_minimum: bool = False
    cluster_id: int | None = None


def _largest_size(clusters: Clusters, assessable: Assessable) -> _Size:
    """The size of the largest counted cluster; a minimum too when part of the slide was not read."""
    row = _largest(clusters, clusters.is_counted)
    if row is None:
        return _Size()
    return _Size(
        max_diameter_um=float(clusters.max_diameter_um[row]),
        interval_um=(float(clusters.diameter_low_um[row]), float(clusters.diameter_high_um[row])),
        borderline=bool(clusters.borderline[row]),
        near_limit=bool(clusters.near_limit[row]),
        is_minimum="incomplete" in codes_of(assessable) or bool(clusters.size_is_minimum[row]),
        cluster_id=row + 1,
    )


def _finding_flags(finding: Finding, inputs: FindingInputs) -> Iterator[str]:
    """What a reader of the finding must know, in the order in which it is told."""
    clusters, params, counted = inputs.clusters, inputs.params, inputs.clusters.is_counted
    aside = clusters.max_diameter_um[_set_aside(inputs)]
    known_um = params.itc_limit_um if finding.max_diameter_um is None else finding.max_diameter_um
    if aside.max(initial=0.0) > min(params.itc_limit_um, known_um):
        yield "uncounted_large"
    if inputs.quality.is_area_limited:
        yield "area_limited"
    codes = codes_of(finding.assessable)
    yield from (code for code in ("incomplete", "out_of_focus") if code in codes)
    if finding.category.rank <= Category.NEGATIVE.rank:
        if finding.contiguity_sensitive:
            yield "contiguity_sensitive"
        return
    if all(value is Counting.DOUBTFUL for value in clusters.counting[counted]):
        yield "doubtful_only"
    if finding.borderline:
        yield "borderline"
    yield from _cell_flags(finding, inputs)
    if finding.contiguity_sensitive:
        yield "contiguity_sensitive"


def _cell_flags(finding: Finding, inputs: FindingInputs) -> Iterator[str]:
    """What the number of cells adds where size does not settle the class."""
    params, cells = inputs.params, finding.estimated_cells
    if cells is None:
        return
    inside = cells.low <= params.cell_limit <= cells.high
    near = abs(cells.value - params.cell_limit) <= params.near_cells_share * params.cell_limit
    if finding.category_by_size is Category.ITC and (inside or near):
        yield "near_200_cells"
    dispersed = cells.value > params.cell_limit and (inputs.scatter_extent_um or 0.0) > params.diffuse_extent_um
    if dispersed and finding.category_by_size is not Category.MACROMETASTASIS:
        yield "diffuse_pattern"


def _facts(finding: Finding, inputs: FindingInputs) -> Facts:
    """What the headline is made from."""
    clusters, params = inputs.clusters, inputs.params
    aside = _set_aside(inputs)
    reasons = deciding_flags(clusters, params.not_counted_flags)
    rows = sorted(np.flatnonzero(aside).tolist(), key=lambda row: -clusters.max_diameter_um[row])
    doubts = {name: strength_of(clusters, name) >= DECIDING_STRENGTH for name in params.doubtful_flags}
    largest = None if finding.cluster_id is None else finding.cluster_id - 1
    dropped = (inputs.below_area, inputs.no_strong_pixel)
    return Facts(
        finding=finding,
        quality=inputs.quality,
        params=params,
        gap_um=clusters.gap_um,
        uncounted=tuple(
            Uncounted(row + 1, reasons[row] or "set aside", float(clusters.max_diameter_um[row])) for row in rows
        ),
        n_on_other_tissue=int((~clusters.is_counted & ~aside).sum()),
        doubts=() if largest is None else tuple(name for name, deciding in doubts.items() if deciding[largest]),
        specks=Dropped(
            sum(kind.n for kind in dropped),
            max((kind.largest_um for kind in dropped if kind.largest_um is not None), default=None),
        ),
        smallest_area_um2=inputs.smallest_area_um2,
    )
