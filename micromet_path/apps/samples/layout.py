"""Placing: which focus lies where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import pi
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples import outlines as real
from micromet_path.apps.samples import shapes
from micromet_path.apps.samples.families import nests_between_septa, scattered
from micromet_path.apps.samples.focus import Bed, Focus, bed_of, focus_of
from micromet_path.apps.samples.looks import FAINTEST, LOOKS
from micromet_path.apps.samples.masks import gap_um, max_diameter_um, rasterise
from micromet_path.apps.samples.places import FreeMap, footprint_um, free_maps
from micromet_path.apps.samples.profiles import wishes_of
from micromet_path.apps.samples.scenes import mimic_kinds_of
from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.apps.samples.specks import SpeckPatch, dust, pigment
from micromet_path.apps.samples.tissue import CROWDED, Tissue
from micromet_path.apps.samples.wish import Wish

if TYPE_CHECKING:
    from micromet_path.apps.samples.mimics import Mimic

__all__ = ["Layout", "lay_out"]

Floats = NDArray[np.float64]

SHAPES = 40
"""Shapes that are tried for one wish."""
PLACES_A_SHAPE = 12
LOST_SHARE = 0.3
"""Share of small foci that the next cut of a node no longer meets."""
SMALL = ("cell", "group")
DRIFT_UM = 12.0
"""How far a focus strays from one cut to the next."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything on a slide."""

    spec: SampleSpec
    tissue: Tissue
    foci: tuple[Focus, ...]
    patches: tuple[SpeckPatch, ...]
    beds: tuple[Bed, ...] = ()
    mimics: tuple[Mimic, ...] = ()


def lay_out(spec: SampleSpec, tissue: Tissue) -> Layout:
    """Place the wishes of the profile in their order; what finds no place is left out."""
    rng = np.random.default_rng([spec.seed, 2])
    maps = free_maps(tissue, spec.side_um)
    foci: list[Focus] = []
    beds: list[Bed] = []
    patches: list[SpeckPatch] = [dust(rng, spec)] if spec.profile == "empty" else []
    failed: list[Wish] = []
    for family, wish in enumerate(wishes_of(spec)):
        places = maps[wish.where]
        if any(_asks_more(wish, other) for other in failed):
            continue
        if wish.form == "specks":
            patches += pigment(rng, spec, places, wish.length_um)
            continue
        placed = _scattered(rng, spec, places) if wish.form == "lobular" else _placed(rng, spec, places, wish)
        if not placed and spec.profile in CROWDED:
            failed.append(wish)
        if wish.form == "desmoplastic" and placed:
            beds.append(bed_of(rng, spec, placed.pop(0)))
        foci += [focus_of(rng, spec, wish, family, outline) for outline in placed]
        if f"{wish.where} cut 2" in maps and placed:
            foci[-1] = replace(foci[-1], serial=family)
            foci += _next_cut(rng, spec, tissue, maps, wish, family, placed[0])
    mimics = _mimics(spec, tissue, maps["patient"]) if mimic_kinds_of(spec) else ()
    return Layout(spec, tissue, _with_faint(spec, foci), tuple(patches), tuple(beds), mimics)


def _asks_more(wish: Wish, failed: Wish) -> bool:
    """Whether a wish needs the room that another one did not find, or more."""
    alike = wish.form == failed.form and wish.where == failed.where
    return alike and wish.length_um >= failed.length_um and wish.n_cells >= failed.n_cells


def _mimics(spec: SampleSpec, tissue: Tissue, places: FreeMap) -> tuple[Mimic, ...]:
    """Mimics in the room that the foci leave."""
    from micromet_path.apps.samples.mimics import place_mimics

    return place_mimics(np.random.default_rng([spec.seed, 9]), spec, tissue, places, mimic_kinds_of(spec))


def _with_faint(spec: SampleSpec, foci: list[Focus]) -> tuple[Focus, ...]:
    """Some foci stain less than the others, where the look has such."""
    share, rng = LOOKS[spec.look].faint_share, np.random.default_rng([spec.seed, 6])
    faint = rng.random(len(foci)) < share
    factor = np.where(faint, rng.uniform(FAINTEST, 0.9, len(foci)), 1.0)
    return tuple(
        replace(focus, level=round(focus.level * part)) if part < 1 else focus
        for focus, part in zip(foci, factor.tolist(), strict=True)
    )


def _next_cut(
    rng: np.random.Generator,
    spec: SampleSpec,
    tissue: Tissue,
    maps: dict[str, FreeMap],
    wish: Wish,
    family: int,
    outline: list[Floats],
) -> list[Focus]:
    """The same focus in the second cut of its node: a little moved, grown or shrunk; small ones may be gone."""
    if wish.form in SMALL and rng.random() < LOST_SHARE:
        return []
    node = int(wish.where.split()[-1])
    first, second = (
        next(index for index, piece in enumerate(tissue.pieces) if (piece.node, piece.cut) == (node, cut))
        for cut in (1, 2)
    )
    spacing = _spacing(spec)
    grown = 1.0 if wish.form in SMALL else float(rng.uniform(0.9, 1.08))
    middle = np.concatenate(outline).mean(axis=0)
    for _ in range(PLACES_A_SHAPE):
        shift = (tissue.centre_um[second] - tissue.centre_um[first] + rng.normal(0, DRIFT_UM, 2)) / spacing
        again = [(polygon - middle) * grown + middle + shift for polygon in outline]
        cover = footprint_um(_scaled(again, spacing))
        if maps[f"{wish.where} cut 2"].fits(cover):
            maps[f"{wish.where} cut 2"].take(cover)
            return [replace(focus_of(rng, spec, wish, family, again), serial=family)]
    return []


def _scattered(rng: np.random.Generator, spec: SampleSpec, places: FreeMap) -> list[list[Floats]]:
    """Cells and files of a band, each an outline of its own."""
    foci = scattered(rng, places, spec.side_um)
    if foci:
        places.take(np.concatenate([footprint_um(focus) for focus in foci]))
    return [_scaled(focus, 1 / _spacing(spec)) for focus in foci]


def _placed(rng: np.random.Generator, spec: SampleSpec, places: FreeMap, wish: Wish) -> list[list[Floats]]:
    """Outlines of one wish at a place that holds them, in level-0 pixels; an empty list when none does."""
    for _ in range(SHAPES):
        angle = _angle(rng, spec, wish)
        members = [_turned(member, angle) for member in _drawn(rng, spec, wish)]
        centre = _room(rng, spec, places, wish, _reach(members, angle, wish))
        if centre is not None:
            outlines = _settled(members, angle, centre, wish, spec)
            places.take(np.concatenate([footprint_um(_scaled(outline, _spacing(spec))) for outline in outlines]))
            return outlines
    return []


def _spacing(spec: SampleSpec) -> Floats:
    """Microns per pixel along x and y."""
    return np.array([spec.spacing_um, spec.spacing_of_rows_um])


def _room(rng: np.random.Generator, spec: SampleSpec, places: FreeMap, wish: Wish, reach_um: Floats) -> Floats | None:
    """A place where points around it are all free; None when none was found."""
    tight = spec.profile in CROWDED and wish.form != "specks"
    for place in places.tight(rng) if tight else (places.anywhere(rng) for _ in range(PLACES_A_SHAPE)):
        centre = _anchored(place, spec, wish)
        if centre is not None and places.fits(reach_um + centre):
            return centre
    return None


def _drawn(rng: np.random.Generator, spec: SampleSpec, wish: Wish) -> list[list[Floats]]:
    """Outlines of each member of a family, each around the origin (nests and their stroma: together), in microns."""
    if wish.form == "desmoplastic":
        stroma, nests = nests_between_septa(rng, wish.length_um, wish.width_um)
        return [[stroma], *[[nest] for nest in nests]]
    if wish.form == "perinuclear":
        return [shapes.dots(rng, wish.n_cells, wish.length_um, apart_um=11.5)]
    if wish.form == "blob" and spec.outlines is not None:
        return [[real.like(rng, real.load(spec.outlines), wish.length_um)]]
    if wish.form == "blob":
        return [[shapes.blob(rng, wish.length_um, wish.width_um / wish.length_um)]]
    if wish.form == "ribbon":
        return [[shapes.ribbon(rng, wish.length_um, wish.width_um)]]
    if wish.form == "pair":
        return [[shapes.blob(rng, wish.length_um, wish.width_um / wish.length_um)] for _ in range(2)]
    if wish.form == "chain":
        return [[shapes.cell(rng)] for _ in range(wish.n_cells)]
    if wish.form == "dots":
        return [shapes.dots(rng, wish.n_cells, wish.length_um, apart_um=9.0)]
    return [shapes.cell_group(rng, wish.n_cells)]


def _angle(rng: np.random.Generator, spec: SampleSpec, wish: Wish) -> float:
    """Long foci lie along the long piece, all others anyhow."""
    if wish.length_um > 0.25 * spec.side_um:
        return float(rng.normal(pi / 2, 0.12))
    return float(rng.uniform(0, 2 * pi))


def _anchored(place_um: Floats | None, spec: SampleSpec, wish: Wish) -> Floats | None:
    """The place in microns, moved onto a tile corner or seam where the wish asks for it."""
    if place_um is None or wish.anchor in ("free", "offgrid"):
        return place_um
    tile_um = spec.tile_px * _spacing(spec)
    column, row = place_um / tile_um
    row = round(row) if wish.anchor == "corner" else np.floor(row) + 0.5
    return np.asarray(np.array([round(column), row]) * tile_um)


def _reach(members: list[list[Floats]], angle: float, wish: Wish) -> Floats:
    """Points that the members may cover around the place, in microns."""
    points = [footprint_um(member) for member in members]
    if len(members) == 1:
        return points[0]
    if wish.form == "desmoplastic":
        return np.concatenate(points)
    step = np.array([np.cos(angle), np.sin(angle)]) * (max(wish.length_um, 21.0) + wish.gap_um)
    return np.concatenate([cover + index * step for index, cover in enumerate(points)])


def _settled(
    members: list[list[Floats]], angle: float, centre_um: Floats, wish: Wish, spec: SampleSpec
) -> list[list[Floats]]:
    """Members at their final size and place, in level-0 pixels."""
    centre_px = centre_um / _spacing(spec)
    outlines: list[list[Floats]] = []
    for member in members:
        member_px = _scaled(member, 1 / _spacing(spec))
        if wish.form in ("blob", "ribbon"):
            member_px = _sized(member_px, centre_px, wish.length_um, spec)
        outline = _shifted(member_px, centre_px)
        if outlines and wish.form != "desmoplastic":
            outline = _neighbour(outlines[-1], outline, angle, wish.gap_um, spec)
            centre_px = np.concatenate(outline).mean(axis=0)
        outlines.append(outline)
    return [_off_grid(outline) for outline in outlines] if wish.anchor == "offgrid" else outlines


def _sized(outline: list[Floats], centre_px: Floats, length_um: float, spec: SampleSpec) -> list[Floats]:
    """The outline scaled until its mask measures what was asked for."""
    for _ in range(3):
        reached = max_diameter_um(rasterise(_shifted(outline, centre_px)), spec.spacing_um, spec.aspect)
        outline = _scaled(outline, length_um / reached)
    return outline


def _neighbour(
    first: list[Floats], second: list[Floats], angle: float, target_um: float, spec: SampleSpec
) -> list[Floats]:
    """The second outline moved along a direction until the gap of the masks is what was asked for."""
    anchor = rasterise(first)
    direction = np.array([np.cos(angle), np.sin(angle)]) / _spacing(spec)
    near, far = 0.0, 400.0
    for _ in range(14):
        middle = (near + far) / 2
        moved = rasterise(_shifted(second, middle * direction))
        gap = gap_um(anchor, moved, spec.spacing_um, spec.aspect)
        near, far = (near, middle) if gap >= target_um else (middle, far)
    return _shifted(second, far * direction)


def _off_grid(outline: list[Floats]) -> list[Floats]:
    """The outline moved by a few pixels until its box begins at a prime column and row."""
    x0, y0, _, _ = rasterise(outline).bbox
    return _shifted(outline, np.array([_next_prime(x0) - x0, _next_prime(y0) - y0], dtype=np.float64))


def _next_prime(number: int) -> int:
    """The smallest prime that is not below a number."""
    while number < 2 or any(number % factor == 0 for factor in range(2, int(number**0.5) + 1)):
        number += 1
    return number


def _turned(polygons: Iterable[Floats], angle: float) -> list[Floats]:
    """All polygons turned around the origin."""
    return [shapes.turned(polygon, angle) for polygon in polygons]


def _scaled(polygons: Iterable[Floats], factor: float | Floats) -> list[Floats]:
    """All polygons scaled around the origin."""
    return [polygon * factor for polygon in polygons]


def _shifted(polygons: Iterable[Floats], by: Floats) -> list[Floats]:
    """All polygons moved by (x, y)."""
    return [shapes.moved(polygon, by) for polygon in polygons]
