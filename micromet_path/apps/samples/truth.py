"""The truth about a sample, as the document that is written beside it."""

from __future__ import annotations

from math import hypot
from typing import Any

import numpy as np

from micromet_path.apps.samples.layout import Focus, Layout
from micromet_path.apps.samples.masks import gap_um, max_diameter_um, union
from micromet_path.apps.samples.profiles import second_stain_of
from micromet_path.apps.samples.textures import DAB, EOSIN, HAEMATOXYLIN, WHITE

__all__ = ["VERSION", "truth_of"]

VERSION = "micromet-truth/1"

GAPS_UM = (0.0, 7.0, 15.0, 25.0, 50.0, 75.0)
DEFAULT_GAP_UM = 7.0
SUB_CELLULAR = ("dot_like", "single_dot")
"""Kinds that are dots smaller than a cell: no clusters come of them."""

# AJCC Cancer Staging Manual, 8th edition (2017): up to 0.2 mm, above 0.2 up to 2 mm, above 2 mm.
LIMITS_UM = ((200.0, "itc"), (2000.0, "micrometastasis"), (float("inf"), "macrometastasis"))


def truth_of(layout: Layout) -> dict[str, Any]:
    """Everything that is known about the slide; see the package docstring for the fields."""
    spec = layout.spec
    return {
        "version": VERSION,
        "profile": spec.profile,
        "seed": spec.seed,
        "side_px": spec.side_px,
        "mpp_x": spec.spacing_um,
        "mpp_y": spec.spacing_um,
        "tile_px": spec.tile_px,
        "jpeg_quality": spec.quality,
        "white": list(WHITE),
        "stain_vectors": _vectors(layout),
        "tissue": _tissue(layout),
        "foci": _foci(layout),
        "patches": _patches(layout),
        "expected": _expected(layout),
    }


def _vectors(layout: Layout) -> dict[str, list[float]]:
    """Unit vectors of the stains that were drawn with."""
    second = second_stain_of(layout.spec)
    used = {"haematoxylin": HAEMATOXYLIN, second: EOSIN if second == "eosin" else DAB}
    return {name: [round(part / hypot(*vector), 6) for part in vector] for name, vector in used.items()}


def _tissue(layout: Layout) -> dict[str, Any]:
    """Pieces by their smooth outlines, and how much of slide and tissue is stained."""
    spec, tissue = layout.spec, layout.tissue
    pieces = []
    for index, area in enumerate(tissue.area_um2):
        outline = tissue.outline_um(index) / spec.spacing_um
        low, high = np.floor(outline.min(axis=0)).astype(int), np.ceil(outline.max(axis=0)).astype(int)
        pieces.append({"id": index + 1, "bbox_px0": [*low.tolist(), *high.tolist()], "area_mm2": round(area * 1e-6, 4)})
    total, slide = float(tissue.area_um2.sum()), spec.side_um**2
    stained = sum(focus.stained_px for focus in layout.foci) * spec.spacing_um**2
    filled = sum(focus.mask.area_px for focus in layout.foci) * spec.spacing_um**2
    return {
        "pieces": pieces,
        "share_of_slide": round(total / slide, 5),
        "stained_share_of_slide": round(stained / slide, 6),
        "stained_share_of_tissue": round(stained / total, 6) if total else 0.0,
        "tumour_share_of_tissue": round(filled / total, 6) if total else 0.0,
    }


def _foci(layout: Layout) -> list[dict[str, Any]]:
    """One record a focus, ids from 1 in the order of placing."""
    records = []
    for index, focus in enumerate(layout.foci):
        family = [i for i, other in enumerate(layout.foci) if other.family == focus.family and i != index]
        partner = family[0] if focus.kind == "pair" else None
        x0, y0, x1, y1 = focus.mask.bbox
        records.append(
            {
                "id": index + 1,
                "kind": focus.kind,
                "is_tumour": True,
                "n_cells": focus.n_cells,
                "max_diameter_um": round(focus.max_diameter_um, 4),
                "area_um2": round(focus.stained_px * layout.spec.spacing_um**2, 4),
                "area_filled_um2": round(focus.mask.area_px * layout.spec.spacing_um**2, 4),
                "centre_px0": _centre(focus),
                "bbox_px0": [x0, y0, x1, y1],
                "family": focus.family,
                "partner": None if partner is None else partner + 1,
                "gap_um": None if partner is None else round(_gap(layout, index, partner), 4),
                "crosses": _crosses(focus, layout.spec.tile_px),
            }
        )
    return records


def _centre(focus: Focus) -> list[float]:
    """Centre of area of the filled mask; a pixel's centre is at +0.5."""
    mask = focus.mask
    weight = (mask.stop - mask.start).astype(np.float64)
    x = (weight * (mask.start + mask.stop) / 2).sum() / weight.sum()
    y = (weight * (mask.row + 0.5)).sum() / weight.sum()
    return [round(float(x), 2), round(float(y), 2)]


def _crosses(focus: Focus, tile_px: int) -> str:
    """Whether the mask covers the ``corner`` of four tiles, a ``seam``, or neither."""
    mask = focus.mask
    x0, y0, x1, y1 = mask.bbox
    columns, rows = np.arange(-(-x0 // tile_px), -(-x1 // tile_px)), np.arange(-(-y0 // tile_px), -(-y1 // tile_px))
    corners = np.array([(column, row) for column in columns for row in rows], float).reshape(-1, 2) * tile_px
    if len(corners):
        around = [mask.contains(corners + shift) for shift in ((0.5, 0.5), (-0.5, 0.5), (0.5, -0.5), (-0.5, -0.5))]
        if np.all(around, axis=0).any():
            return "corner"
    return "seam" if x0 // tile_px != (x1 - 1) // tile_px or y0 // tile_px != (y1 - 1) // tile_px else "none"


def _patches(layout: Layout) -> list[dict[str, Any]]:
    """Boxes of grains."""
    unit = layout.spec.spacing_um
    return [
        {
            "kind": patch.kind,
            "is_tumour": False,
            "bbox_px0": list(patch.bbox_px0),
            "count": len(patch.specks),
            "largest_um": round(2 * float(patch.specks[:, 2].max()) * unit, 3),
        }
        for patch in layout.patches
    ]


def _expected(layout: Layout) -> dict[str, Any]:
    """What a reader of the slide should conclude, at the default gap and at others."""
    assessable = {"empty": "no tissue", "he": "not H-DAB"}.get(layout.spec.profile)
    at_gaps = [(gap, _clusters(layout, gap)) for gap in GAPS_UM]
    clusters = dict(at_gaps)[DEFAULT_GAP_UM]
    dots = [index + 1 for index, focus in enumerate(layout.foci) if focus.kind == "dot_like"]
    return {
        "category": "not_assessable" if assessable else _category(_largest(clusters)),
        "not_assessable_because": assessable,
        "gap_um": DEFAULT_GAP_UM,
        "max_diameter_um": _largest(clusters),
        "clusters": clusters,
        "dot_patterns": dots,
        "n_cells": sum(focus.n_cells for focus in layout.foci),
        "by_gap": [
            {
                "gap_um": gap,
                "n_clusters": len(found),
                "max_diameter_um": (size := _largest(found)),
                "category": _category(size),
            }
            for gap, found in at_gaps
        ],
    }


def _clusters(layout: Layout, limit_um: float) -> list[dict[str, Any]]:
    """Foci joined where their gap is within a limit, largest first."""
    linked: list[list[int]] = []
    for index, focus in enumerate(layout.foci):
        if focus.kind in SUB_CELLULAR:
            continue
        near = [group for group in linked if any(_linked(layout, index, other, limit_um) for other in group)]
        linked = [group for group in linked if group not in near] + [[index] + [i for group in near for i in group]]
    records = []
    for group in linked:
        foci = [layout.foci[index] for index in sorted(group)]
        size = max_diameter_um(union([focus.mask for focus in foci]), layout.spec.spacing_um)
        records.append(
            {
                "focus_ids": [index + 1 for index in sorted(group)],
                "max_diameter_um": round(size, 4),
                "n_cells": sum(focus.n_cells for focus in foci),
                "category": _category(round(size, 4)),
            }
        )
    return sorted(records, key=lambda record: (-record["max_diameter_um"], record["focus_ids"]))


def _linked(layout: Layout, first: int, second: int, limit_um: float) -> bool:
    """Whether two foci are one at a gap; those of different families are far apart by construction."""
    return layout.foci[first].family == layout.foci[second].family and _gap(layout, first, second) <= limit_um


def _gap(layout: Layout, first: int, second: int) -> float:
    """Gap of two masks."""
    return gap_um(layout.foci[first].mask, layout.foci[second].mask, layout.spec.spacing_um)


def _largest(clusters: list[dict[str, Any]]) -> float | None:
    """Size of the largest cluster."""
    return clusters[0]["max_diameter_um"] if clusters else None


def _category(max_diameter_um: float | None) -> str:
    """Category by size."""
    if max_diameter_um is None:
        return "negative"
    return next(name for limit, name in LIMITS_UM if max_diameter_um <= limit)
