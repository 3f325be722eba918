"""Placing: which focus lies where, its exact mask, its nuclei and its size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples import shapes
from micromet_path.apps.samples.kernels import count_ellipses
from micromet_path.apps.samples.masks import SpanMask, gap_um, max_diameter_um, rasterise
from micromet_path.apps.samples.places import FreeMap, footprint_um, free_map
from micromet_path.apps.samples.profiles import Wish, wishes_of
from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.apps.samples.specks import SpeckPatch, dust, pigment
from micromet_path.apps.samples.tissue import Tissue

__all__ = ["Focus", "Layout", "lay_out"]

Floats = NDArray[np.float64]

SHAPES = 40
"""Shapes that are tried for one wish."""
PLACES_A_SHAPE = 12
NUCLEUS_PITCH_UM = 16.5
NUCLEUS_RIM_UM = 1.6
"""Cytoplasm that surrounds each nucleus at least."""
DAB_LEVELS = (150, 195)
"""Mean amount of DAB of a focus in units of 0.005: 0.75 to 0.98; its cells vary around that."""


@dataclass(frozen=True, slots=True)
class Focus:
    """A stained thing with its exact mask.

    Parameters
    ----------
    kind : str
        What it is there to show.
    family : int
        Foci of one family were placed together; all others are `APART_UM` or more away.
    mask : SpanMask
        Intended stained pixels, with the nuclei filled.
    nuclei : ndarray of shape (N, 6)
        Unstained nuclei: x, y, half axes, angle, haematoxylin units; pixels.
    n_cells : int
        Cells it stands for.
    max_diameter_um : float
        Largest distance between pixel corners of the mask.
    level : int
        Mean amount of DAB.
    """

    kind: str
    family: int
    mask: SpanMask
    nuclei: Floats
    n_cells: int
    max_diameter_um: float
    level: int

    @property
    def stained_px(self) -> int:
        """Pixels of the mask without the nuclei."""
        return self.mask.area_px - int(count_ellipses(self.nuclei))


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything on a slide."""

    spec: SampleSpec
    tissue: Tissue
    foci: tuple[Focus, ...]
    patches: tuple[SpeckPatch, ...]


def lay_out(spec: SampleSpec, tissue: Tissue) -> Layout:
    """Place the wishes of the profile in their order; what finds no place is left out."""
    rng = np.random.default_rng([spec.seed, 2])
    places = free_map(tissue, spec.side_um)
    foci: list[Focus] = []
    patches: list[SpeckPatch] = [dust(rng, spec)] if spec.profile == "empty" else []
    for family, wish in enumerate(wishes_of(spec)):
        if wish.form == "specks":
            patches += pigment(rng, spec, places, wish.length_um)
        else:
            foci += _placed(rng, spec, places, wish, family)
    return Layout(spec, tissue, tuple(foci), tuple(patches))


def _placed(rng: np.random.Generator, spec: SampleSpec, places: FreeMap, wish: Wish, family: int) -> list[Focus]:
    """Foci of one wish at a place that holds them; an empty list when none does."""
    for _ in range(SHAPES):
        angle = _angle(rng, spec, wish)
        members = [_turned(member, angle) for member in _drawn(rng, wish)]
        centre = _room(rng, spec, places, wish, _reach(members, angle, wish))
        if centre is not None:
            outlines = _settled(members, angle, centre, wish, spec)
            places.take(np.concatenate([footprint_um(_scaled(outline, spec.spacing_um)) for outline in outlines]))
            return [_focus(rng, spec, wish, family, outline) for outline in outlines]
    return []


def _room(rng: np.random.Generator, spec: SampleSpec, places: FreeMap, wish: Wish, reach_um: Floats) -> Floats | None:
    """A place where points around it are all free; None when none was found."""
    for _ in range(PLACES_A_SHAPE):
        centre = _anchored(places.anywhere(rng), spec, wish)
        if centre is not None and places.fits(reach_um + centre):
            return centre
    return None


def _drawn(rng: np.random.Generator, wish: Wish) -> list[list[Floats]]:
    """Outlines of each member of a family, each around the origin, in microns."""
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
    tile_um = spec.tile_px * spec.spacing_um
    column = round(place_um[0] / tile_um)
    row = round(place_um[1] / tile_um) if wish.anchor == "corner" else np.floor(place_um[1] / tile_um) + 0.5
    return np.array([column * tile_um, row * tile_um])


def _reach(members: list[list[Floats]], angle: float, wish: Wish) -> Floats:
    """Points that the members may cover around the place, in microns."""
    points = [footprint_um(member) for member in members]
    if len(members) == 1:
        return points[0]
    step = np.array([np.cos(angle), np.sin(angle)]) * (max(wish.length_um, 21.0) + wish.gap_um)
    return np.concatenate([cover + index * step for index, cover in enumerate(points)])


def _settled(
    members: list[list[Floats]], angle: float, centre_um: Floats, wish: Wish, spec: SampleSpec
) -> list[list[Floats]]:
    """Members at their final size and place, in level-0 pixels."""
    centre_px = centre_um / spec.spacing_um
    outlines: list[list[Floats]] = []
    for member in members:
        member_px = _scaled(member, 1 / spec.spacing_um)
        if wish.form in ("blob", "ribbon"):
            member_px = _sized(member_px, centre_px, wish.length_um, spec.spacing_um)
        outline = _shifted(member_px, centre_px)
        if outlines:
            outline = _neighbour(outlines[-1], outline, angle, wish.gap_um, spec.spacing_um)
            centre_px = np.concatenate(outline).mean(axis=0)
        outlines.append(outline)
    return [_off_grid(outline) for outline in outlines] if wish.anchor == "offgrid" else outlines


def _sized(outline: list[Floats], centre_px: Floats, length_um: float, spacing_um: float) -> list[Floats]:
    """The outline scaled until its mask measures what was asked for."""
    for _ in range(3):
        reached = max_diameter_um(rasterise(_shifted(outline, centre_px)), spacing_um)
        outline = _scaled(outline, length_um / reached)
    return outline


def _neighbour(
    first: list[Floats], second: list[Floats], angle: float, target_um: float, spacing_um: float
) -> list[Floats]:
    """The second outline moved along a direction until the gap of the masks is what was asked for."""
    anchor = rasterise(first)
    direction = np.array([np.cos(angle), np.sin(angle)]) / spacing_um
    near, far = 0.0, 400.0
    for _ in range(14):
        middle = (near + far) / 2
        gap = gap_um(anchor, rasterise(_shifted(second, middle * direction)), spacing_um)
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


def _focus(rng: np.random.Generator, spec: SampleSpec, wish: Wish, family: int, outline: list[Floats]) -> Focus:
    """Mask, nuclei and size of a placed outline."""
    mask = rasterise(outline)
    if wish.form in ("blob", "ribbon", "pair"):
        nuclei = _nuclei(rng, mask, _lattice(rng, mask, spec.spacing_um), spec.spacing_um, (4.0, 5.4))
        n_cells = max(1, len(nuclei))
    elif wish.form == "dots":
        nuclei, n_cells = np.empty((0, 6)), len(outline)
    else:
        centres = np.array([polygon.mean(axis=0) for polygon in outline])
        nuclei = _nuclei(rng, mask, centres, spec.spacing_um, (3.0, 4.0))
        n_cells = len(outline)
    size = max_diameter_um(mask, spec.spacing_um)
    return Focus(wish.kind, family, mask, nuclei, n_cells, size, int(rng.integers(*DAB_LEVELS)))


def _lattice(rng: np.random.Generator, mask: SpanMask, spacing_um: float) -> Floats:
    """Jittered places for nuclei over the box of a mask, a cell apart, in pixels."""
    x0, y0, x1, y1 = mask.bbox
    pitch = NUCLEUS_PITCH_UM / spacing_um
    rows, columns = np.indices((int((y1 - y0) / pitch / 0.87) + 2, int((x1 - x0) / pitch) + 2)).reshape(2, -1)
    places = np.column_stack(((columns + rows % 2 / 2) * pitch + x0, rows * pitch * 0.87 + y0))
    return np.asarray(places + rng.uniform(-0.16, 0.16, places.shape) * pitch - rng.uniform(0, pitch, 2))


def _nuclei(
    rng: np.random.Generator, mask: SpanMask, places: Floats, spacing_um: float, radius_um: tuple[float, float]
) -> Floats:
    """Nuclei at those places that leave cytoplasm all around."""
    half = rng.uniform(*radius_um, len(places)) / spacing_um
    narrow = half * rng.uniform(0.75, 1.0, len(places))
    angle, ink = rng.uniform(0, pi, len(places)), rng.uniform(80, 112, len(places))
    kept = np.ones(len(places), bool)
    for turn in np.arange(0, 2 * pi, pi / 6):
        ring = places + (half + NUCLEUS_RIM_UM / spacing_um)[:, None] * (np.cos(turn), np.sin(turn))
        kept &= mask.contains(ring)
    nuclei = np.column_stack((places, half, narrow, angle, ink))[kept]
    return nuclei[np.argsort(nuclei[:, 1], kind="stable")]


def _turned(polygons: Iterable[Floats], angle: float) -> list[Floats]:
    """All polygons turned around the origin."""
    return [shapes.turned(polygon, angle) for polygon in polygons]


def _scaled(polygons: Iterable[Floats], factor: float) -> list[Floats]:
    """All polygons scaled around the origin."""
    return [polygon * factor for polygon in polygons]


def _shifted(polygons: Iterable[Floats], by: Floats) -> list[Floats]:
    """All polygons moved by (x, y)."""
    return [shapes.moved(polygon, by) for polygon in polygons]
