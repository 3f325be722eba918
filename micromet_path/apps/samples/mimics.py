"""What looks like tumour and is not: pigments, precipitate, keratin-positive native cells, folds, ink, dust.

`place_mimics` decides what lies where; `paint_mimic` draws one of them into a block. A mimic keeps
its distance from everything else that was placed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor, pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples import mimic_kernels, mimic_sheets
from micromet_path.apps.samples.mimic_parts import BUILDERS
from micromet_path.apps.samples.mimic_records import FOLD_LAYER, Parts, Sheet
from micromet_path.apps.samples.places import APART_UM, CELL_UM, EDGE_UM, FreeMap
from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.apps.samples.tissue import Tissue

__all__ = ["INK_COLOURS", "MIMIC_KINDS", "Mimic", "ink_colour", "ink_name", "paint_mimic", "place_mimics"]

Floats = NDArray[np.float64]

MIMIC_KINDS: tuple[str, ...] = (
    "carbon",
    "melanin",
    "haemosiderin",
    "precipitate",
    "precipitate_off_tissue",
    "reticulum",
    "plasma_cells",
    "edge_effect",
    "fold",
    "ink",
    "dust",
    "red_cells",
)
"""Names of what is not tumour."""

INK_COLOURS: dict[str, tuple[float, float, float]] = {
    "black": (0.515, 0.567, 0.643),
    "blue": (0.839, 0.531, 0.123),
    "green": (0.909, 0.252, 0.331),
    "brown": (0.269, 0.520, 0.811),
}
"""Absorbance of inks in red, green and blue: medians over pen strokes and an inked margin of two scanned slides."""

LARGE = ("ink", "fold", "edge_effect")
"""Kinds that need much room."""
TRIES = 30
PLACES_A_TRY = 30
SHORTEST = 0.2
"""Structures that find no room are tried shorter and shorter, down to this share."""
OFF_TISSUE_UM = 25.0
"""Least distance of what lies on glass from the smooth margin; the drawn one strays by up to 10 um."""
NEAR_TISSUE_UM = 900.0
"""Most of what lies on glass is looked for this near to tissue."""
SLIDE_EDGE_UM = 20.0


@dataclass(frozen=True, slots=True)
class Mimic:
    """A patch or structure that is not tumour.

    Parameters
    ----------
    kind : str
        One of `MIMIC_KINDS`.
    bbox_px0 : tuple of int
        Half-open box (x0, y0, x1, y1) in level-0 pixels; nothing is painted outside.
    on_tissue : bool
        Whether any of it lies on tissue.
    n : int
        Members: cells, flecks, specks; 1 for a fold, ink or an edge effect.
    largest_um : float
        Largest extent of a member, between points of half its density.
    parts : Parts
        What is painted, in microns on the slide.
    """

    kind: str
    bbox_px0: tuple[int, int, int, int]
    on_tissue: bool
    n: int
    largest_um: float
    parts: Parts


def ink_name(spec: SampleSpec) -> str:
    """Name of the ink of a slide; one colour a slide."""
    return tuple(INK_COLOURS)[spec.seed % len(INK_COLOURS)]


def ink_colour(spec: SampleSpec) -> tuple[float, float, float]:
    """Absorbance of the slide's ink in red, green and blue, of length about one.

    Examples
    --------
    >>> ink_colour(SampleSpec(seed=1)) == INK_COLOURS["blue"]
    True
    """
    return INK_COLOURS[ink_name(spec)]


def place_mimics(
    rng: np.random.Generator, spec: SampleSpec, tissue: Tissue, places: FreeMap, kinds: Sequence[str]
) -> tuple[Mimic, ...]:
    """Find room for one mimic of each kind in the list.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides on everything.
    spec : SampleSpec
        The slide.
    tissue : Tissue
        Where its tissue lies.
    places : FreeMap
        Room inside tissue; what is placed takes its room, on the margin and on glass as well.
    kinds : sequence of str
        Names from `MIMIC_KINDS`; names may come again. Large structures take their room first.

    Returns
    -------
    tuple of Mimic
        In the order of ``kinds``, without those that found no room.
    """
    ground = _Ground(rng, spec, tissue, places, _untaken(tissue, places))
    rounds = [kinds[:index].count(kind) for index, kind in enumerate(kinds)]
    order = sorted(range(len(kinds)), key=lambda index: (rounds[index], kinds[index] not in LARGE, index))
    found = {index: _place(ground, kinds[index]) for index in order}
    return tuple(mimic for _, mimic in sorted(found.items()) if mimic is not None)


def paint_mimic(mimic: Mimic, planes: NDArray[np.uint8], x0: int, y0: int, spec: SampleSpec) -> None:
    """Draw what falls into a block.

    Parameters
    ----------
    mimic : Mimic
        What to draw.
    planes : ndarray of shape (N_PLANES, rows, columns), uint8
        Amounts of dye, changed in place; tissue must be there already, as edge effects and folds need it.
    x0, y0 : int
        The block's upper left pixel.
    spec : SampleSpec
        Gives the pixels' size.
    """
    _, rows, columns = planes.shape
    left, top, right, bottom = mimic.bbox_px0
    if left >= x0 + columns or right <= x0 or top >= y0 + rows or bottom <= y0:
        return
    block = (planes, x0, y0, *_spacing_um(spec))
    mimic_kernels.paint_cells(*block, mimic.parts.cells)
    mimic_kernels.paint_strokes(*block, mimic.parts.strokes)
    mimic_kernels.paint_grains(*block, mimic.parts.grains)
    for sheet in mimic.parts.sheets:
        _paint_sheet(block, sheet, spec.seed)


def _paint_sheet(block: tuple[NDArray[np.uint8], int, int, float, float], sheet: Sheet, seed: int) -> None:
    """A dye on a lattice, or a second layer of tissue."""
    lattice = (sheet.left_um, sheet.top_um, sheet.step_um, sheet.values)
    if sheet.plane == FOLD_LAYER:
        mimic_kernels.paint_fold(*block, *lattice, seed + 101)
    else:
        left, top, step, values = lattice
        mimic_kernels.paint_sheet(
            *block, sheet.plane, left, top, step, values, sheet.flaky, sheet.grain_um, seed + 103, sheet.on_tissue
        )


def _spacing_um(spec: SampleSpec) -> tuple[float, float]:
    """Width and height of a pixel."""
    return spec.spacing_um, spec.spacing_of_rows_um


@dataclass(frozen=True, slots=True)
class _Ground:
    """The slide while things are being placed: ``places`` inside tissue, ``untaken`` anywhere."""

    rng: np.random.Generator
    spec: SampleSpec
    tissue: Tissue
    places: FreeMap
    untaken: FreeMap

    @property
    def size_um(self) -> Floats:
        """Width and height of the slide."""
        return self.spec.side_px * np.array(_spacing_um(self.spec))

    def holds(self, points_um: Floats) -> bool:
        """Whether points lie on the slide where nothing else was placed."""
        inside = (points_um > SLIDE_EDGE_UM).all() and (points_um < self.size_um - SLIDE_EDGE_UM).all()
        return bool(inside) and self.untaken.fits(points_um)

    def taken_by(self, kind: str, parts: Parts, on_tissue: bool) -> Mimic:
        """Take the room and give the mimic."""
        self.places.take(parts.cover)
        self.untaken.take(parts.cover)
        um_x, um_y = _spacing_um(self.spec)
        left, top, right, bottom = parts.box_um(max(um_x, um_y))
        box = (floor(left / um_x) - 1, floor(top / um_y) - 1, ceil(right / um_x) + 1, ceil(bottom / um_y) + 1)
        last = self.spec.side_px
        clipped = (max(box[0], 0), max(box[1], 0), min(box[2], last), min(box[3], last))
        return Mimic(kind, clipped, on_tissue, parts.n, parts.largest_um, parts)


def _untaken(tissue: Tissue, places: FreeMap) -> FreeMap:
    """All of the slide except near what was placed in tissue already.

    Places by the margin and outside are never free in the map of tissue. They are untaken when tissue
    is free as near to them as it can be.
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.indices(places.free.shape)
    centres = np.asarray((np.column_stack((columns.ravel(), rows.ravel())) + 0.5) * CELL_UM, np.float64)
    depth = tissue.inside_um(centres).reshape(places.free.shape)
    to_free = distance_transform_edt(~places.free) * CELL_UM if places.free.any() else np.full(depth.shape, np.inf)
    lacking = EDGE_UM + 0.75 * CELL_UM - depth
    near_free = to_free <= np.where(lacking < -CELL_UM, 0.0, np.maximum(lacking, 0.0) + 1.5 * CELL_UM)
    return replace(places, free=near_free | (depth < EDGE_UM - APART_UM))


def _place(ground: _Ground, kind: str) -> Mimic | None:
    """One mimic of a kind; None when no room was found."""
    if kind == "ink":
        return _margin(ground, kind) if ink_name(ground.spec) == "brown" else _stroke(ground)
    if kind == "edge_effect":
        return _margin(ground, kind)
    if kind == "precipitate_off_tissue" or (kind == "dust" and ground.rng.random() < 0.5):
        return _on_glass(ground, kind)
    return _in_tissue(ground, kind) or (_on_glass(ground, kind) if kind == "dust" else None)


def _shrunk(attempt: int) -> float:
    """Share of a structure's length that is tried at an attempt."""
    return 1 - (1 - SHORTEST) * attempt / TRIES


def _drafted(ground: _Ground, kind: str, attempt: int) -> tuple[Floats, Callable[[], Parts]]:
    """Room that a mimic around the origin needs, and what draws it up."""
    rng = ground.rng
    if kind == "fold":
        length = min(rng.uniform(500, 2500), 0.4 * float(ground.size_um.min())) * _shrunk(attempt)
        width = min(rng.uniform(30, 150), length / 3)
        spine = mimic_sheets.fold_spine(rng, length)
        return mimic_sheets.strip_points(spine, width), partial(mimic_sheets.fold, rng, spine, width)
    parts = BUILDERS[kind](rng)
    return parts.cover, lambda: parts


def _in_tissue(ground: _Ground, kind: str) -> Mimic | None:
    """A mimic at a free place well inside tissue."""
    for attempt in range(TRIES):
        cover, build = _drafted(ground, kind, attempt)
        for _ in range(PLACES_A_TRY):
            centre = ground.places.anywhere(ground.rng)
            if centre is None:
                return None
            if ground.places.fits(cover + centre) and ground.holds(cover + centre):
                return ground.taken_by(kind, build().moved(centre), on_tissue=True)
    return None


def _on_glass(ground: _Ground, kind: str) -> Mimic | None:
    """A mimic on clear glass, near tissue if there is any."""
    for attempt in range(TRIES):
        parts = BUILDERS[kind](ground.rng)
        for _ in range(PLACES_A_TRY):
            centre = ground.rng.uniform(0, 1, 2) * ground.size_um
            points = np.asarray(parts.cover + centre, np.float64)
            if not ground.holds(points):
                continue
            away = -ground.tissue.inside_um(points)
            near = attempt > TRIES // 2 or len(ground.tissue.centre_um) == 0 or away.min() < NEAR_TISSUE_UM
            if near and away.min() > OFF_TISSUE_UM:
                return ground.taken_by(kind, parts.moved(centre), on_tissue=False)
    return None


def _margin(ground: _Ground, kind: str) -> Mimic | None:
    """Edge effect or marking ink along 1 to 3 mm of a margin (less where there is less room)."""
    rng, inside_um = ground.rng, ground.tissue.inside_um
    build, depth = (
        (mimic_sheets.edge_effect, (20, 120)) if kind == "edge_effect" else (mimic_sheets.margin_ink, (20, 80))
    )
    for attempt in range(8 * TRIES if len(ground.tissue.centre_um) else 0):
        arc = _arc(ground, min(rng.uniform(1000, 3000), 0.4 * float(ground.size_um.min())) * _shrunk(attempt // 8))
        reach = rng.uniform(*depth)
        if ground.holds(mimic_sheets.strip_points(arc, 2 * reach)):
            return ground.taken_by(kind, build(rng, arc, reach, inside_um), on_tissue=True)
    return None


def _arc(ground: _Ground, length_um: float) -> Floats:
    """A stretch of a margin; large pieces have it more often."""
    area = ground.tissue.area_um2
    outline = ground.tissue.outline_um(int(ground.rng.choice(len(area), p=area / area.sum())))
    outline = np.roll(outline, -int(ground.rng.integers(len(outline))), axis=0)
    reached = np.cumsum(np.hypot(*np.diff(outline, axis=0).T))
    return outline[: max(3, int(np.searchsorted(reached, min(length_um, 0.6 * reached[-1]))) + 2)]


def _stroke(ground: _Ground) -> Mimic | None:
    """A pen stroke 0.3 to 1 mm wide that crosses a margin or runs beside one."""
    rng, opaque = ground.rng, 0.7 if ink_name(ground.spec) == "black" else 0.0
    for attempt in range(8 * TRIES):
        width = max(300.0, min(rng.uniform(300, 1000), 0.12 * float(ground.size_um.min())) * _shrunk(attempt // 8))
        length = max(1.5 * width, min(rng.uniform(1500, 5000), 0.4 * ground.size_um.min()) * _shrunk(attempt // 8))
        spine = _stroke_spine(ground, length, width)
        if ground.holds(mimic_sheets.strip_points(spine, width)):
            parts = mimic_sheets.pen(rng, spine, width, opaque)
            if ground.holds(parts.cover):  # the round ends as well
                return ground.taken_by("ink", parts, bool(ground.tissue.inside_um(parts.cover).max() > -OFF_TISSUE_UM))
    return None


def _stroke_spine(ground: _Ground, length_um: float, width_um: float) -> Floats:
    """A slightly bent line through a margin, or along it a pen's width away; anywhere without tissue."""
    rng, behind = ground.rng, ground.rng.uniform(0.1, 0.65)
    if len(ground.tissue.centre_um):
        arc = _arc(ground, 200.0)
        along = float(np.arctan2(*(arc[-1] - arc[0])[::-1]))
        outward = np.array([np.sin(along), -np.cos(along)])  # outlines turn from x to y, so this looks out
        beside = rng.random() < 0.4
        at = arc[0] + outward * (width_um / 2 + rng.uniform(60, 400)) * beside
        # Across the margin, the smaller part of the stroke lies on tissue.
        angle = along + (rng.normal(0, 0.1) if beside else -rng.uniform(0.3, pi - 0.3))
    else:
        at, angle = rng.uniform(0.2, 0.8, 2) * ground.size_um, rng.uniform(0, pi)
    x = (np.linspace(0, 1, 60) - behind) * length_um
    y = rng.uniform(-0.1, 0.1) * length_um * (x / length_um) ** 2 + 0.01 * length_um * np.sin(4 * x / length_um)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(at + np.column_stack((x * cosine - y * sine, x * sine + y * cosine)))
