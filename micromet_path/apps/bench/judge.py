"""One slide: what the program found, beside what is known to be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from micromet_path.apps.bench.matching import Matching, Overlap, Spans, joined, match, overlap_of
from micromet_path.apps.bench.records import FalseRow, FocusRow, NodeRow, SlideOutcome, SlideRow
from micromet_path.clinical.counting import category_by_size
from micromet_path.model import Analysis, Category, Clusters, Counting, Role, Runs

__all__ = ["Subject", "compare"]

Box = Sequence[float]


@dataclass(frozen=True, slots=True)
class Subject:
    """A slide whose truth is known.

    Parameters
    ----------
    name, profile : str
        Of the slide, and of the bench profile it belongs to.
    is_negative_batch : bool
        Whether it is one of the many small slides without tumour.
    truth : mapping
        Content of ``truth.json``; see `micromet_path.apps.samples`.
    masks : sequence of Spans
        Pixels of each focus of the truth, in the order of their ids; labels are ignored.
    """

    name: str
    profile: str
    is_negative_batch: bool
    truth: Mapping[str, Any]
    masks: Sequence[Spans]

    @property
    def spacing_um(self) -> float:
        """The coarser side of a pixel."""
        return float(max(self.truth["mpp_x"], self.truth["mpp_y"]))

    @property
    def is_assessable(self) -> bool:
        """Whether tumour could be seen on it."""
        return bool(self.truth["expected"]["category"] != Category.NOT_ASSESSABLE)


@dataclass(frozen=True, slots=True)
class _Unit:
    """What ought to be found as one: foci that are one at the default gap, or a dot pattern."""

    focus_ids: tuple[int, ...]
    max_diameter_um: float
    n_cells: int
    category: str
    is_dots: bool


@dataclass(frozen=True)
class _Comparison:
    """Truth and result of a slide side by side; all else is read from this."""

    subject: Subject
    analysis: Analysis
    runs: Runs

    @property
    def clusters(self) -> Clusters:
        """Measured clusters of the program."""
        return self.analysis.clusters

    @cached_property
    def foci(self) -> dict[int, dict[str, Any]]:
        """Foci of the truth by id."""
        return {focus["id"]: focus for focus in self.subject.truth["foci"]}

    @cached_property
    def units(self) -> list[_Unit]:
        """Clusters of the truth, then its dot patterns, then the foci of control tissue, which must not count."""
        expected = self.subject.truth["expected"]
        clusters = [
            _Unit(tuple(c["focus_ids"]), c["max_diameter_um"], c["n_cells"], c["category"], False)
            for c in expected["clusters"]
        ]
        dots = [self._alone(number, is_dots=True) for number in expected["dot_patterns"]]
        held = {number for unit in clusters + dots for number in unit.focus_ids}
        control = [number for number, focus in self.foci.items() if focus.get("on_control") and number not in held]
        return clusters + dots + [self._alone(number, is_dots=False) for number in control]

    def _alone(self, number: int, is_dots: bool) -> _Unit:
        focus = self.foci[number]
        category = category_by_size(focus["max_diameter_um"]).value
        return _Unit((number,), focus["max_diameter_um"], focus["n_cells"], category, is_dots)

    @cached_property
    def truth_spans(self) -> Spans:
        """Pixels of the units, labelled by their place in `units`."""
        masks = [(index, self.subject.masks[number - 1]) for index, unit in enumerate(self.units)
                 for number in unit.focus_ids]  # fmt: skip
        return joined([Spans(m.row, m.start, m.stop, np.full(len(m.row), index)) for index, m in masks])

    @cached_property
    def found_spans(self) -> Spans:
        """Stained runs, labelled by cluster row; those of no cluster bear the number of clusters."""
        row = self.clusters.cluster_of_fragment[self.runs.fragment]
        label = np.where(row < 0, len(self.clusters), row)
        return Spans(*(column.astype(np.int64) for column in (self.runs.row, self.runs.start, self.runs.stop, label)))

    @cached_property
    def overlap(self) -> Overlap:
        """Pixels that units and clusters share."""
        return overlap_of(self.truth_spans, self.found_spans)

    @cached_property
    def matching(self) -> Matching:
        """Units against counted clusters; rows of `clusters` that are not counted belong to nothing."""
        counted = np.append(self.clusters.is_counted, False)
        kept = counted[self.overlap.second]
        overlap = Overlap(self.overlap.first[kept], self.overlap.second[kept], self.overlap.pixels[kept])
        n_found = len(self.clusters)
        return match(overlap, self.truth_spans.area_px(len(self.units)), self.found_spans.area_px(n_found + 1))

    @cached_property
    def control_box(self) -> Box | None:
        """Where control tissue is mounted, in level-0 pixels."""
        zone = self.subject.truth.get("control_zone_mm")
        if not zone:
            return None
        across, down = 1000 / self.subject.truth["mpp_x"], 1000 / self.subject.truth["mpp_y"]
        return [zone[0] * across, zone[1] * down, zone[2] * across, zone[3] * down]

    def box_of(self, unit: _Unit) -> list[int]:
        """Box that holds all foci of a unit."""
        boxes = np.array([self.foci[number]["bbox_px0"] for number in unit.focus_ids])
        return [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]

    def piece_of(self, unit: _Unit, pieces: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The piece of tissue that a unit lies on, of some."""
        stated = self.foci[unit.focus_ids[0]].get("piece")
        if stated is None:
            return _home(pieces, self.box_of(unit))
        return next((piece for piece in pieces if piece["id"] == stated), None)

    def is_on_control(self, unit: _Unit) -> bool:
        """Whether a unit lies on control tissue."""
        return all(self.foci[number].get("on_control", False) for number in unit.focus_ids)

    def is_judged(self, unit: _Unit) -> bool:
        """Whether a unit ought to be found: on the patient's tissue, in focus, on a slide that can show it."""
        if not self.subject.is_assessable or self.is_on_control(unit):
            return False
        return all(self.foci[number].get("in_focus", True) for number in unit.focus_ids)


def compare(subject: Subject, analysis: Analysis, runs: Runs) -> SlideOutcome:
    """Say of each focus what became of it, and of each counted cluster whether it is one.

    Parameters
    ----------
    subject : Subject
    analysis : Analysis
        What the program found on the slide.
    runs : Runs
        Its stained pixels.
    """
    both = _Comparison(subject, analysis, runs)
    foci = tuple(_focus_row(both, index) for index in range(len(both.units)))
    false = tuple(_false_rows(both))
    return SlideOutcome(_slide_row(both, foci, false), foci, false, tuple(_node_rows(both)))


# -- foci ----------------------------------------------------------------------------------------


def _focus_row(both: _Comparison, index: int) -> FocusRow:
    """What became of one unit."""
    unit, matching = both.units[index], both.matching
    kinds = sorted({both.foci[number]["kind"] for number in unit.focus_ids})
    patterns = sorted({str(both.foci[number].get("pattern") or "") for number in unit.focus_ids} - {""})
    densities = [both.foci[number].get("dab_od") for number in unit.focus_ids]
    box = both.box_of(unit)
    return FocusRow(
        slide=both.subject.name,
        profile=both.subject.profile,
        spacing_um=both.subject.spacing_um,
        focus_ids=" ".join(map(str, unit.focus_ids)),
        kind="+".join(kinds),
        pattern="+".join(patterns),
        dab_od=next((float(density) for density in densities if density is not None), None),
        is_dots=unit.is_dots,
        is_judged=both.is_judged(unit),
        is_on_control=both.is_on_control(unit),
        x_px0=(box[0] + box[2]) // 2,
        y_px0=(box[1] + box[3]) // 2,
        n_cells=unit.n_cells,
        truth_um=unit.max_diameter_um,
        truth_category=unit.category,
        relation=matching.relation(index),
        n_parts=len(matching.parts[index]),
        missed_because="" if matching.holder[index] >= 0 else _why_missed(both, index),
        **_found_columns(both.clusters, int(matching.holder[index])),
    )


def _found_columns(clusters: Clusters, row: int) -> dict[str, Any]:
    """Columns about the cluster that holds a focus; empty where there is none."""
    if row < 0:
        return {}
    return {
        "cluster_id": row + 1,
        "counting": clusters.counting[row].value,
        "found_um": float(clusters.max_diameter_um[row]),
        "low_um": float(clusters.diameter_low_um[row]),
        "high_um": float(clusters.diameter_high_um[row]),
        "found_category": clusters.category[row].value,
        "borderline": bool(clusters.borderline[row]),
        "cells": float(clusters.cells[row]),
        "cells_low": float(clusters.cells_low[row]),
        "cells_high": float(clusters.cells_high[row]),
        "flags": _flags(clusters, row),
    }


def _flags(clusters: Clusters, row: int) -> str:
    """Flags of a cluster with their strengths."""
    return " ".join(f"{name}={strength:.2f}" for name, strength in clusters.flags_of(row).items())


def _why_missed(both: _Comparison, index: int) -> str:
    """What lies where a focus was not found."""
    here = both.overlap.first == index
    if not here.any():
        return "no stained fragment"
    row = int(both.overlap.second[here][np.argmax(both.overlap.pixels[here])])
    if row == len(both.clusters):
        return "below the smallest area"
    if both.clusters.counting[row] is Counting.NOT_COUNTED:
        return f"not counted: {_flags(both.clusters, row)}"
    return "a part too small to stand for it"


# -- what is counted and is no focus -------------------------------------------------------------


def _false_rows(both: _Comparison) -> list[FalseRow]:
    """Counted clusters that lie on no unit, and not where control tissue is.

    Where nothing could be seen and the program says so, its clusters are no finding and none of them is false.
    """
    if not both.subject.is_assessable and not both.analysis.finding.assessable.ok:
        return []
    clusters, rows = both.clusters, []
    is_false = both.matching.is_false[: len(clusters)] & clusters.is_counted
    for row in np.flatnonzero(is_false):
        x, y = clusters.centroid_px0[row]
        if both.control_box is not None and _holds(both.control_box, (x, y, x, y)):
            continue
        rows.append(
            FalseRow(
                slide=both.subject.name,
                profile=both.subject.profile,
                cluster_id=int(row) + 1,
                mimic=_mimic_at(both, clusters.bbox_px0[row].tolist()),
                counting=clusters.counting[row].value,
                found_um=float(clusters.max_diameter_um[row]),
                found_category=clusters.category[row].value,
                area_um2=float(clusters.area_um2[row]),
                mean_dab_od=float(clusters.mean_dab_od[row]),
                x_px0=round(float(x)),
                y_px0=round(float(y)),
                flags=_flags(clusters, int(row)),
            )
        )
    return rows


def _mimic_at(both: _Comparison, box: Box) -> str:
    """Kind of the mimic whose box shares most with a cluster's; ``none`` where it has nothing to stand for."""
    truth = both.subject.truth
    in_units = {number for unit in both.units for number in unit.focus_ids}
    specks = [focus for number, focus in both.foci.items() if number not in in_units]
    things = [*truth.get("mimics", ()), *truth.get("patches", ()), *specks]
    shared = [_shared(thing["bbox_px0"], box) / max(_area(thing["bbox_px0"]), 1) ** 0.5 for thing in things]
    if not shared or max(shared) <= 0:
        return "none"
    return str(things[int(np.argmax(shared))]["kind"])


# -- slide and nodes -----------------------------------------------------------------------------


def _slide_row(both: _Comparison, foci: Sequence[FocusRow], false: Sequence[FalseRow]) -> SlideRow:
    """The slide as a whole."""
    truth, finding = both.subject.truth, both.analysis.finding
    return SlideRow(
        slide=both.subject.name,
        profile=both.subject.profile,
        scene=truth["profile"],
        look=truth.get("look", "default"),
        seed=truth["seed"],
        side_px=truth["side_px"],
        mpp_x=truth["mpp_x"],
        mpp_y=truth["mpp_y"],
        is_negative_batch=both.subject.is_negative_batch,
        truth_category=truth["expected"]["category"],
        truth_um=truth["expected"]["max_diameter_um"],
        found_category=finding.category.value,
        found_um=finding.max_diameter_um,
        n_foci=sum(row.is_judged for row in foci),
        n_missed=sum(row.is_judged and not row.is_found for row in foci),
        n_false_unflagged=sum(row.counting == Counting.COUNTED for row in false),
        n_false_flagged=sum(row.counting == Counting.DOUBTFUL for row in false),
        n_control=sum(row.is_on_control for row in foci),
        n_control_counted=_n_control_counted(both, foci),
        in_focus_truth=truth.get("in_focus_share"),
        in_focus_found=both.analysis.scan.in_focus,
        reasons=" ".join(reason.partition(":")[0] for reason in finding.assessable.reasons),
        flags=" ".join(finding.flags),
        seconds=round(both.analysis.provenance.seconds, 2),
    )


def _n_control_counted(both: _Comparison, foci: Sequence[FocusRow]) -> int:
    """Counted clusters on control tissue: on its foci, or anywhere in its zone."""
    rows = {row.cluster_id for row in foci if row.is_on_control and row.is_found}
    if both.control_box is not None:
        x, y = both.clusters.centroid_px0.T
        x0, y0, x1, y1 = both.control_box
        inside = both.clusters.is_counted & (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        rows |= {int(row) + 1 for row in np.flatnonzero(inside)}
    return len(rows)


def _node_rows(both: _Comparison) -> list[NodeRow]:
    """Category of each node: the worst of its pieces, in truth and as the program's pieces say."""
    if not both.subject.is_assessable or not both.analysis.finding.assessable.ok:
        return []
    pieces = [piece for piece in both.subject.truth["tissue"]["pieces"] if piece.get("role") != Role.CONTROL]
    truth = {_node_of(piece): Category.NEGATIVE for piece in pieces}
    found = dict(truth)
    for unit in both.units:
        home = both.piece_of(unit, pieces)
        if home is not None and not both.is_on_control(unit):
            truth[_node_of(home)] = max(truth[_node_of(home)], Category(unit.category), key=_rank)
    for piece in both.analysis.pieces:
        home = _home(pieces, piece.bbox_px0)
        if home is not None and piece.category is not None and piece.role not in (Role.CONTROL, Role.EXCLUDE):
            found[_node_of(home)] = max(found[_node_of(home)], piece.category, key=_rank)
    return [
        NodeRow(both.subject.name, both.subject.profile, node, truth[node].value, found[node].value) for node in truth
    ]


def _rank(category: Category) -> int:
    return category.rank


def _node_of(piece: Mapping[str, Any]) -> str:
    """Name of the node that a piece is a cut of; a piece that names none is one of its own."""
    return str(piece.get("node") or f"piece {piece['id']}")


def _home(pieces: Sequence[Mapping[str, Any]], box: Box) -> Mapping[str, Any] | None:
    """The piece whose box shares most with a box; of equals that about whose middle it lies."""
    shared = [(_shared(piece["bbox_px0"], box), -_apart(piece["bbox_px0"], box)) for piece in pieces]
    if not shared or max(shared)[0] <= 0:
        return None
    return pieces[shared.index(max(shared))]


# -- boxes ---------------------------------------------------------------------------------------


def _holds(outer: Box, inner: Box) -> bool:
    """Whether a box lies inside another."""
    return bool(outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3])


def _area(box: Box) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _shared(first: Box, second: Box) -> float:
    """Area that two boxes share."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    return float(max(across, 0) * max(down, 0))


def _apart(first: Box, second: Box) -> float:
    """Distance of the middles of two boxes, in sides of the first."""
    across = (first[0] + first[2] - second[0] - second[2]) / max(first[2] - first[0], 1)
    down = (first[1] + first[3] - second[1] - second[3]) / max(first[3] - first[1], 1)
    return float(np.hypot(across, down)) / 2
