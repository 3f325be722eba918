"""The truth about a sample, as the document that is written beside it."""

from __future__ import annotations

from math import hypot
from typing import Any

import numpy as np

from micromet_path.apps.samples.expected import SUB_CELLULAR, expected_of, gap_of
from micromet_path.apps.samples.focus import Focus
from micromet_path.apps.samples.kernels import summed_amount
from micromet_path.apps.samples.layout import Layout
from micromet_path.apps.samples.looks import LOOKS
from micromet_path.apps.samples.optics import optics_of
from micromet_path.apps.samples.planes import UNIT_OD
from micromet_path.apps.samples.profiles import second_stain_of
from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.apps.samples.textures import EOSIN, textures
from micromet_path.apps.samples.tissue import CONTROL_ZONE

__all__ = ["VERSION", "truth_of"]

VERSION = "micromet-truth/1"


def truth_of(layout: Layout) -> dict[str, Any]:
    """Everything that is known about the slide; see the package docstring for the fields."""
    spec = layout.spec
    pieces = [layout.tissue.piece_at(_centre_um(layout, focus)) for focus in layout.foci]
    return {
        "version": VERSION,
        "profile": spec.profile,
        "look": spec.look,
        "seed": spec.seed,
        "side_px": spec.side_px,
        "mpp_x": spec.spacing_um,
        "mpp_y": spec.spacing_of_rows_um,
        "spacing": {
            "square": spec.aspect == 1,
            "stated_by": "aperio.MPP" if spec.aspect == 1 else "tiff.resolution",
        },
        "tile_px": spec.tile_px,
        "jpeg_quality": spec.quality,
        "outlines": "drawn" if spec.outlines is None else "real",
        "white": list(LOOKS[spec.look].white),
        "stain_vectors": _vectors(layout),
        "in_focus_share": _in_focus_share(layout),
        "sharp_box_px0": _sharp_box(layout),
        "control_zone_mm": _control_zone(spec),
        "tissue": _tissue(layout),
        "foci": _foci(layout, pieces),
        "patches": _patches(layout),
        "mimics": _mimics(layout),
        "expected": expected_of(layout, _in_focus(layout)),
    }


def _vectors(layout: Layout) -> dict[str, list[float]]:
    """Unit vectors of the stains that were drawn with."""
    look, second = LOOKS[layout.spec.look], second_stain_of(layout.spec)
    used = {"haematoxylin": look.haematoxylin, second: EOSIN if second == "eosin" else look.chromogen}
    return {name: [round(part / hypot(*vector), 6) for part in vector] for name, vector in used.items()}


def _tissue(layout: Layout) -> dict[str, Any]:
    """Pieces by their smooth outlines, and how much of slide and tissue is stained."""
    spec, tissue = layout.spec, layout.tissue
    pieces = []
    for index, (area, piece) in enumerate(zip(tissue.area_um2, tissue.pieces, strict=True)):
        outline = tissue.outline_um(index) / (spec.spacing_um, spec.spacing_of_rows_um)
        low, high = np.floor(outline.min(axis=0)).astype(int), np.ceil(outline.max(axis=0)).astype(int)
        pieces.append(
            {
                "id": index + 1,
                "bbox_px0": [*low.tolist(), *high.tolist()],
                "area_mm2": round(area * 1e-6, 4),
                "role": "control" if piece.is_control else "patient",
                "node": piece.node,
                "cut": piece.cut,
            }
        )
    total, slide = float(tissue.area_um2.sum()), spec.side_px**2 * spec.pixel_area_um2
    stained = sum(focus.stained_px(spec.aspect) for focus in layout.foci) * spec.pixel_area_um2
    filled = sum(focus.mask.area_px for focus in layout.foci) * spec.pixel_area_um2
    return {
        "pieces": pieces,
        "share_of_slide": round(total / slide, 5),
        "stained_share_of_slide": round(stained / slide, 6),
        "stained_share_of_tissue": round(stained / total, 6) if total else 0.0,
        "tumour_share_of_tissue": round(filled / total, 6) if total else 0.0,
    }


def _foci(layout: Layout, pieces: list[int | None]) -> list[dict[str, Any]]:
    """One record a focus, ids from 1 in the order of placing."""
    spec, foci, in_focus = layout.spec, layout.foci, _in_focus(layout)
    records = []
    for index, focus in enumerate(foci):
        partner = _other(index, [other.family for other in foci]) if focus.kind == "pair" else None
        again = _other(index, [other.serial for other in foci]) if focus.serial is not None else None
        x0, y0, x1, y1 = focus.mask.bbox
        piece = pieces[index]
        records.append(
            {
                "id": index + 1,
                "kind": focus.kind,
                "pattern": "dot_like" if focus.kind in SUB_CELLULAR else focus.pattern,
                "is_tumour": True,
                "on_control": focus.on_control,
                "piece": None if piece is None else piece + 1,
                "n_cells": focus.n_cells,
                "max_diameter_um": round(focus.max_diameter_um, 4),
                "area_um2": round(focus.stained_px(spec.aspect) * spec.pixel_area_um2, 4),
                "area_filled_um2": round(focus.mask.area_px * spec.pixel_area_um2, 4),
                "dab_od": _density(layout, focus),
                "in_focus": in_focus[index],
                "centre_px0": _centre(focus),
                "bbox_px0": [x0, y0, x1, y1],
                "family": focus.family,
                "partner": None if partner is None else partner + 1,
                "gap_um": None if partner is None else round(gap_of(layout, index, partner), 4),
                "in_other_cut": None if again is None else again + 1,
                "crosses": _crosses(focus, spec.tile_px),
            }
        )
    return records


def _other(index: int, marks: list[int | None] | list[int]) -> int | None:
    """Index of another focus with the same mark; None when there is none."""
    return next((other for other, mark in enumerate(marks) if mark == marks[index] and other != index), None)


def _density(layout: Layout, focus: Focus) -> float:
    """Mean density of chromogen over the stained pixels, before the lens."""
    spec = layout.spec
    look, mask = LOOKS[spec.look], focus.mask if focus.stain is None else focus.stain
    nuclei = focus.nuclei if focus.stain is None else focus.nuclei[:0]
    x0, y0, _, _ = focus.mask.bbox
    cytoplasm = textures(spec.seed, spec.spacing_um, spec.spacing_of_rows_um).cytoplasm
    total, count = summed_amount(
        mask.row, mask.start, mask.stop, nuclei, spec.aspect, cytoplasm, focus.level, 37 * y0, 53 * x0
    )
    return round(float(total / max(count, 1)) * UNIT_OD * look.chromogen_gain, 4)


def _in_focus_share(layout: Layout) -> float:
    """Share of the tissue's area (of the slide's without tissue) that is in focus."""
    spec, sharp = layout.spec, optics_of(layout.spec).sharp_um()
    if sharp is None:
        return 0.0
    width, height = spec.side_px * spec.spacing_um, spec.side_px * spec.spacing_of_rows_um
    step = max(width, height) / 400
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(step / 2, width, step), np.arange(step / 2, height, step)))
    counted = layout.tissue.inside_um(np.column_stack((x, y))) > 0
    counted = counted if counted.any() else np.ones_like(counted)
    return round(float(((x >= sharp[0]) & (x < sharp[1]))[counted].mean()), 4)


def _sharp_box(layout: Layout) -> list[int] | None:
    """Box of what is in focus on a slide of which half is; null on others."""
    spec, sharp = layout.spec, optics_of(layout.spec).sharp_um()
    if sharp is None or not LOOKS[spec.look].blurred_half:
        return None
    return [round(sharp[0] / spec.spacing_um), 0, min(round(sharp[1] / spec.spacing_um), spec.side_px), spec.side_px]


def _in_focus(layout: Layout) -> list[bool]:
    """Which foci lie wholly in focus."""
    spacing, sharp = layout.spec.spacing_um, optics_of(layout.spec).sharp_um()
    if sharp is None:
        return [False] * len(layout.foci)
    boxes = [focus.mask.bbox for focus in layout.foci]
    return [sharp[0] <= box[0] * spacing and box[2] * spacing <= sharp[1] for box in boxes]


def _control_zone(spec: SampleSpec) -> list[float] | None:
    """Part of the glass for control tissue, in millimetres from the upper left corner."""
    if spec.profile != "control":
        return None
    return [round(share * spec.side_um * 1e-3, 6) for share in CONTROL_ZONE]


def _mimics(layout: Layout) -> list[dict[str, Any]]:
    """What looks like tumour and is not."""
    return [
        {
            "kind": mimic.kind,
            "is_tumour": False,
            "bbox_px0": list(mimic.bbox_px0),
            "n": mimic.n,
            "largest_um": round(mimic.largest_um, 3),
            "on_tissue": mimic.on_tissue,
        }
        for mimic in layout.mimics
    ]


def _centre_um(layout: Layout, focus: Focus) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Centre of a focus in microns."""
    return np.array(_centre(focus)) * (layout.spec.spacing_um, layout.spec.spacing_of_rows_um)


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
