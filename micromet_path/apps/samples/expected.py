"""What a reader of a sample slide should conclude."""

from __future__ import annotations

from typing import Any

import numpy as np

from micromet_path.apps.samples.focus import Focus
from micromet_path.apps.samples.layout import Layout
from micromet_path.apps.samples.looks import LOOKS, SHARP_UM
from micromet_path.apps.samples.masks import gap_um, max_diameter_um, union

__all__ = ["SUB_CELLULAR", "expected_of", "gap_of", "size_category"]

GAPS_UM = (0.0, 7.0, 15.0, 25.0, 50.0, 75.0)
DEFAULT_GAP_UM = 7.0
SUB_CELLULAR = ("dot_like", "single_dot")
"""Kinds that are dots smaller than a cell: no clusters come of them."""

# AJCC Cancer Staging Manual, 8th edition (2017): up to 0.2 mm, above 0.2 up to 2 mm, above 2 mm.
LIMITS_UM = ((200.0, "itc"), (2000.0, "micrometastasis"), (float("inf"), "macrometastasis"))

Gaps = dict[tuple[int, int], float]


def expected_of(layout: Layout, in_focus: list[bool]) -> dict[str, Any]:
    """The conclusion at the default gap and at others; foci of control tissue have no part in it."""
    because = _not_assessable(layout, in_focus)
    gaps = _gaps(layout)
    at_gaps = [(gap, _clusters(layout, gaps, gap)) for gap in GAPS_UM]
    clusters = dict(at_gaps)[DEFAULT_GAP_UM]
    patient = [focus for focus in layout.foci if not focus.on_control]
    return {
        "category": "not_assessable" if because else size_category(_largest(clusters)),
        "not_assessable_because": because,
        "gap_um": DEFAULT_GAP_UM,
        "max_diameter_um": _largest(clusters),
        "clusters": clusters,
        "dot_patterns": [index + 1 for index, focus in enumerate(layout.foci) if focus.kind == "dot_like"],
        "n_cells": sum(focus.n_cells for focus in patient),
        "by_gap": [
            {
                "gap_um": gap,
                "n_clusters": len(found),
                "max_diameter_um": (size := _largest(found)),
                "category": size_category(size),
            }
            for gap, found in at_gaps
        ],
    }


def gap_of(layout: Layout, first: int, second: int) -> float:
    """Gap of two masks."""
    spec, foci = layout.spec, layout.foci
    return gap_um(foci[first].mask, foci[second].mask, spec.spacing_um, spec.aspect)


def _not_assessable(layout: Layout, in_focus: list[bool]) -> str | None:
    """Why nothing can be concluded: never where tumour can be seen; None where something can."""
    spec, look = layout.spec, LOOKS[layout.spec.look]
    if spec.profile in ("empty", "he"):
        return {"empty": "no tissue", "he": "not H-DAB"}[spec.profile]
    if not look.chromogen_gain:
        return "control tissue is not stained" if spec.profile == "control" else "nothing is stained"
    seen = any(sharp and not focus.on_control for focus, sharp in zip(layout.foci, in_focus, strict=True))
    return "out of focus" if look.blur_um >= SHARP_UM and not seen else None


def _gaps(layout: Layout) -> Gaps:
    """Gaps of all pairs within the widest one asked for; different families are far apart by construction."""
    spec, foci = layout.spec, layout.foci
    spacing = np.array([spec.spacing_um, spec.spacing_of_rows_um])
    counted = [index for index, focus in enumerate(foci) if focus.kind not in SUB_CELLULAR and not focus.on_control]
    families: dict[object, list[int]] = {}
    for index in counted:
        families.setdefault((foci[index].family, foci[index].serial is None or index), []).append(index)
    gaps: Gaps = {}
    for members in families.values():
        boxes = np.array([foci[index].mask.bbox for index in members], np.float64).reshape(-1, 2, 2) * spacing
        for place, index in enumerate(members):
            apart = np.maximum(boxes[:place, 0] - boxes[place, 1], boxes[place, 0] - boxes[:place, 1])
            near = np.hypot(*np.maximum(apart, 0).T) <= GAPS_UM[-1] + spacing.max()
            gaps.update(
                {(members[other], index): gap_of(layout, members[other], index) for other in np.flatnonzero(near)}
            )
    return gaps


def _clusters(layout: Layout, gaps: Gaps, limit_um: float) -> list[dict[str, Any]]:
    """Foci joined where their gap is within a limit, largest first."""
    groups = {
        index: [index]
        for index, focus in enumerate(layout.foci)
        if focus.kind not in SUB_CELLULAR and not focus.on_control
    }
    for (first, second), gap in gaps.items():
        if gap <= limit_um and groups[first] is not groups[second]:
            groups[first].extend(groups[second])
            groups.update(dict.fromkeys(list(groups[second]), groups[first]))
    joined = {id(group): sorted(group) for group in groups.values()}
    records = [_cluster(layout, group) for group in joined.values()]
    return sorted(records, key=lambda record: (-record["max_diameter_um"], record["focus_ids"]))


def _cluster(layout: Layout, group: list[int]) -> dict[str, Any]:
    """One record."""
    spec = layout.spec
    foci: list[Focus] = [layout.foci[index] for index in group]
    size = round(max_diameter_um(union([focus.mask for focus in foci]), spec.spacing_um, spec.aspect), 4)
    return {
        "focus_ids": [index + 1 for index in group],
        "max_diameter_um": size,
        "n_cells": sum(focus.n_cells for focus in foci),
        "category": size_category(size),
    }


def _largest(clusters: list[dict[str, Any]]) -> float | None:
    """Size of the largest cluster."""
    return clusters[0]["max_diameter_um"] if clusters else None


def size_category(max_diameter_um: float | None) -> str:
    """Category by size."""
    if max_diameter_um is None:
        return "negative"
    return next(name for limit, name in LIMITS_UM if max_diameter_um <= limit)
