"""Truth and result of a slide side by side: what ought to be found, and what of it the program covers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from micromet_path.apps.bench.matching import Matching, Overlap, Spans, joined, match, overlap_of
from micromet_path.clinical.counting import category_by_size
from micromet_path.clinical.policy import DEFAULTS
from micromet_path.model import Analysis, Category, Clusters, Runs

__all__ = ["Box", "Comparison", "Subject", "Unit", "area_of", "holds", "home_of", "rank_of", "shared_area"]

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
class Unit:
    """What ought to be found as one: foci that are one at the default gap, or a dot pattern."""

    focus_ids: tuple[int, ...]
    max_diameter_um: float
    n_cells: int
    category: str
    is_dots: bool


@dataclass(frozen=True)
class Comparison:
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
    def units(self) -> list[Unit]:
        """Clusters of the truth, then its dot patterns, then the foci of control tissue, which must not count."""
        expected = self.subject.truth["expected"]
        clusters = [
            Unit(tuple(c["focus_ids"]), c["max_diameter_um"], c["n_cells"], c["category"], False)
            for c in expected["clusters"]
        ]
        dots = [self._alone(number, is_dots=True) for number in expected["dot_patterns"]]
        held = {number for unit in clusters + dots for number in unit.focus_ids}
        control = [number for number, focus in self.foci.items() if focus.get("on_control") and number not in held]
        return clusters + dots + [self._alone(number, is_dots=False) for number in control]

    def _alone(self, number: int, is_dots: bool) -> Unit:
        focus = self.foci[number]
        category = category_by_size(focus["max_diameter_um"]).value
        return Unit((number,), focus["max_diameter_um"], focus["n_cells"], category, is_dots)

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

    def box_of(self, unit: Unit) -> list[int]:
        """Box that holds all foci of a unit."""
        boxes = np.array([self.foci[number]["bbox_px0"] for number in unit.focus_ids])
        return [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]

    @cached_property
    def patient_units(self) -> list[Unit]:
        """Units that a finding is made of."""
        return [unit for unit in self.units if not self.is_on_control(unit)]

    @property
    def truth_category(self) -> Category:
        """What the slide ought to be called."""
        return self.category_of(self.patient_units) if self.subject.is_assessable else Category.NOT_ASSESSABLE

    def category_of(self, units: Sequence[Unit]) -> Category:
        """Category of several units: by the largest, and by the cells of one section (AJCC 8, 2017)."""
        category = max((Category(unit.category) for unit in units), key=rank_of, default=Category.NEGATIVE)
        if self.most_cells(units) > DEFAULTS.cell_limit:
            category = max(category, Category.MICROMETASTASIS, key=rank_of)
        return category

    def most_cells(self, units: Sequence[Unit]) -> int:
        """Cells of units on the piece of tissue that has most of them."""
        cells: Counter[int] = Counter()
        for unit in units:
            home = self.piece_of(unit, self.subject.truth["tissue"]["pieces"])
            cells[0 if home is None else home["id"]] += unit.n_cells
        return max(cells.values(), default=0)

    @property
    def is_unclear(self) -> bool:
        """Whether tumour is there and out of focus all over: to call it and to refuse are both right."""
        ids = [number for unit in self.patient_units for number in unit.focus_ids]
        return not self.subject.is_assessable and any(self.foci[number].get("dab_od", 0) for number in ids)

    def piece_of(self, unit: Unit, pieces: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """The piece of tissue that a unit lies on, of some."""
        stated = self.foci[unit.focus_ids[0]].get("piece")
        if stated is None:
            return home_of(pieces, self.box_of(unit))
        return next((piece for piece in pieces if piece["id"] == stated), None)

    def is_on_control(self, unit: Unit) -> bool:
        """Whether a unit lies on control tissue."""
        return all(self.foci[number].get("on_control", False) for number in unit.focus_ids)

    def is_judged(self, unit: Unit) -> bool:
        """Whether a unit ought to be found: on the patient's tissue, in focus, on a slide that can show it."""
        if not self.subject.is_assessable or self.is_on_control(unit):
            return False
        return all(self.foci[number].get("in_focus", True) for number in unit.focus_ids)


def rank_of(category: Category) -> int:
    """Severity of a category, for comparing."""
    return category.rank


def home_of(pieces: Sequence[Mapping[str, Any]], box: Box) -> Mapping[str, Any] | None:
    """The piece whose box shares most with a box; of equals that about whose middle it lies."""
    shared = [(shared_area(piece["bbox_px0"], box), -_apart(piece["bbox_px0"], box)) for piece in pieces]
    if not shared or max(shared)[0] <= 0:
        return None
    return pieces[shared.index(max(shared))]


# -- boxes ---------------------------------------------------------------------------------------


def holds(outer: Box, inner: Box) -> bool:
    """Whether a box lies inside another."""
    return bool(outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3])


def area_of(box: Box) -> float:
    """Area of a box."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def shared_area(first: Box, second: Box) -> float:
    """Area that two boxes share."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    return float(max(across, 0) * max(down, 0))


def _apart(first: Box, second: Box) -> float:
    """Distance of the middles of two boxes, in sides of the first."""
    across = (first[0] + first[2] - second[0] - second[2]) / max(first[2] - first[0], 1)
    down = (first[1] + first[3] - second[1] - second[3]) / max(first[3] - first[1], 1)
    return float(np.hypot(across, down)) / 2
