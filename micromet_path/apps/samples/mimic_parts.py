"""What mimics are made of, around the origin and in microns: pigment in macrophages, flecks, odd cells, dust.

Sizes and looks follow descriptions of benign and reactive sentinel nodes: carbon and iron pigment lie
in macrophages of the sinuses; keratin-positive reticulum cells are thin and branched, in the
paracortex and about sinuses (Gould et al. 1995, Virchows Arch 425:617; Linden and Zarbo 2001, Appl
Immunohistochem Mol Morphol 9:297); plasma cells take some keratin antibodies (Xu et al. 2000, Arch
Pathol Lab Med 124:1310); precipitated chromogen knows no cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.mimic_records import Parts, extent_um
from micromet_path.apps.samples.planes import BLOOD, CHROMOGEN, HAEMOSIDERIN, MELANIN, NEUTRAL

__all__ = ["BUILDERS"]

Floats = NDArray[np.float64]

MACROPHAGE_HAEM = 15.0
"""Haematoxylin of a macrophage's pale body, in units."""
LUMEN_HAEM = 3.0
"""The same of what flows around red cells."""
NO_NUCLEUS = 1e-3
"""Radius of the nucleus of a cell that has none, in microns."""


def _parts(members: list[Floats], grains: Floats, strokes: Floats | None = None, cells: Floats | None = None) -> Parts:
    """Parts from the outlines of their members and what is to be painted."""
    return Parts(
        cover=np.concatenate(members),
        n=len(members),
        largest_um=max(extent_um(member) for member in members),
        grains=grains.reshape(-1, 9),
        strokes=np.empty((0, 9)) if strokes is None else strokes.reshape(-1, 9),
        cells=np.empty((0, 11)) if cells is None else cells.reshape(-1, 11),
    )


def _rings(grains: Floats) -> Floats:
    """Points on the outlines of ellipses, (N, 2)."""
    turn = np.arange(12) * (pi / 6)
    u, v = grains[:, 3, None] * np.cos(turn), grains[:, 4, None] * np.sin(turn)
    cosine, sine = np.cos(grains[:, 5, None]), np.sin(grains[:, 5, None])
    x, y = grains[:, 1, None] + u * cosine - v * sine, grains[:, 2, None] + u * sine + v * cosine
    return np.column_stack((x.ravel(), y.ravel()))


def _bodies(cells: Floats) -> Floats:
    """The outlines of cells as rows of grains."""
    return np.column_stack((np.zeros(len(cells)), cells[:, :5], np.zeros((len(cells), 3))))


def _direction(angle: Floats | float) -> Floats:
    """Unit vectors (x, y)."""
    return np.stack((np.cos(angle), np.sin(angle)), axis=-1)


def _turned(points: Floats, angle: float) -> Floats:
    """Points (x, y) turned around the origin."""
    return np.asarray(points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def _scattered(rng: np.random.Generator, count: int, length_um: float, aspect: float, apart_um: float) -> Floats:
    """Up to ``count`` places in a turned ellipse, no two closer than ``apart_um``; denser towards the middle."""
    angle, places = rng.uniform(0, pi), np.zeros((1, 2))
    for _ in range(60 * count):
        if len(places) == count:
            break
        inside = rng.random() ** 0.6 * _direction(rng.uniform(0, 2 * pi)) * (length_um / 2, length_um / 2 * aspect)
        place = np.array([inside @ (np.cos(angle), -np.sin(angle)), inside @ (np.sin(angle), np.cos(angle))])
        if (np.hypot(*(places - place).T) > apart_um).all():
            places = np.vstack((places, place))
    return places


def _macrophages(rng: np.random.Generator, centres: Floats, diameter_um: Floats, aspect: tuple[float, float]) -> Floats:
    """Pale bodies, each with a pale nucleus pushed aside."""
    count, half = len(centres), diameter_um / 2
    nucleus = np.minimum(rng.uniform(2.6, 3.6, count), 0.45 * half)
    return np.column_stack((
        centres, half, half * rng.uniform(*aspect, count), rng.uniform(0, 2 * pi, count),
        np.full(count, MACROPHAGE_HAEM), np.zeros(count),
        0.5 * half, nucleus, rng.uniform(38, 54, count), np.zeros(count),
    ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Pigment:
    """Granules of one kind: plane, sizes, amounts in units, granules a cell, softness and hollowness."""

    plane: int
    size_um: tuple[float, float]
    amount: tuple[float, float]
    a_cell: tuple[int, int]
    hollow: float = 0.0


def _granules(rng: np.random.Generator, pigment: _Pigment, cell: Floats) -> Floats:
    """Granules clumped on one side of a cell and wholly inside; small ones are the most."""
    x, y, a, b, angle = cell[:5]
    count = int(rng.integers(*pigment.a_cell) * (a / 10) ** 1.5) + 4
    low, high = pigment.size_um
    size = low + (high - low) * rng.beta(1.2, 2.6, count)
    spot = np.array([-0.25, 0.0]) + rng.normal(0, 0.12, 2)
    where = spot + rng.normal(0, 0.30, (count, 2))
    radius = np.hypot(*where.T)
    where *= np.minimum(1.0, 0.94 / np.maximum(radius, 1e-9) * (1 - size / 2 / b))[:, None].clip(0, 1)
    u, v = where[:, 0] * a, where[:, 1] * b
    place = (x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle))
    return _ellipses(rng, pigment.plane, np.column_stack(place), size, pigment.amount, hollow=pigment.hollow)


def _ellipses(
    rng: np.random.Generator,
    plane: int,
    centres: Floats,
    size_um: Floats,
    amount: tuple[float, float],
    aspect: tuple[float, float] = (0.65, 1.0),
    edge_um: Floats | float = 0.25,
    hollow: float = 0.0,
) -> Floats:
    """Rows of grains ``size_um`` long."""
    count, half = len(centres), size_um / 2
    return np.column_stack((
        np.full(count, float(plane)), centres, half, half * rng.uniform(*aspect, count), rng.uniform(0, pi, count),
        rng.uniform(*amount, count), np.broadcast_to(edge_um, count), np.full(count, hollow),
    ))  # fmt: skip


def _laden(rng: np.random.Generator, cells: Floats, pigment: _Pigment, loose: int) -> Parts:
    """Macrophages full of pigment, and some granules that lie loose among them."""
    grains = [_granules(rng, pigment, cell) for cell in cells]
    members = [_rings(body[None]) for body in _bodies(cells)]
    near = cells[rng.integers(len(cells), size=loose), :2] + rng.normal(0, 12.0, (loose, 2))
    size = rng.uniform(pigment.size_um[0], np.mean(pigment.size_um), loose)
    grains.append(_ellipses(rng, pigment.plane, near, size, pigment.amount, hollow=pigment.hollow))
    parts = _parts(members, np.concatenate(grains), cells=cells)
    return replace(parts, cover=np.concatenate((parts.cover, near)))


def carbon(rng: np.random.Generator) -> Parts:
    """Anthracosis: black grains of 0.5 to 3 um in macrophages of 10 to 25 um, in a group of 100 to 300 um."""
    centres = _scattered(rng, int(rng.integers(9, 24)), rng.uniform(100, 275), rng.uniform(0.35, 0.8), 12.0)
    cells = _macrophages(rng, centres, rng.uniform(10, 25, len(centres)), (0.6, 1.0))
    return _laden(rng, cells, _Pigment(NEUTRAL, (0.5, 3.0), (190, 255), (40, 130)), int(rng.integers(30, 120)))


def melanin(rng: np.random.Generator) -> Parts:
    """Melanophages of 15 to 25 um, packed with brown-black granules of 1 to 2 um, and small clumps."""
    centres = _scattered(rng, int(rng.integers(4, 13)), rng.uniform(80, 220), rng.uniform(0.3, 0.8), 17.0)
    cells = _macrophages(rng, centres, rng.uniform(15, 25, len(centres)), (0.45, 0.8))
    parts = _laden(rng, cells, _Pigment(MELANIN, (1.0, 2.0), (120, 255), (60, 150)), int(rng.integers(6, 20)))
    where = centres[rng.integers(len(centres), size=int(rng.integers(2, 7)))]
    clumps = [_clump(rng, MELANIN, at + rng.normal(0, 5.0, 2), rng.uniform(4, 9), (150, 255), 0.3) for at in where]
    grains = np.concatenate((parts.grains, *clumps))
    return replace(parts, grains=grains, cover=np.concatenate((parts.cover, *(_rings(clump) for clump in clumps))))


def haemosiderin(rng: np.random.Generator) -> Parts:
    """Siderophages of 15 to 30 um in a row along a sinus, with golden-brown granules of 1 to 5 um."""
    count = int(rng.integers(5, 31))
    along = np.cumsum(rng.uniform(7, 20, count))
    along -= along.mean()
    bend = rng.uniform(10, 30) * np.sin(along / rng.uniform(40, 90) + rng.uniform(0, 6.28))
    angle = rng.uniform(0, pi)
    x, y = along, bend + rng.normal(0, 9, count)
    centres = np.column_stack((x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)))
    cells = _macrophages(rng, centres, rng.uniform(15, 30, count), (0.6, 1.0))
    pigment = _Pigment(HAEMOSIDERIN, (1.0, 5.0), (80, 220), (15, 55), hollow=0.3)
    return _laden(rng, cells, pigment, int(rng.integers(0, 10)))


def _clump(
    rng: np.random.Generator, plane: int, at: Floats, length_um: float, amount: tuple[float, float], edge_um: float
) -> Floats:
    """An irregular lump: small ellipses of one density that hang together, ``length_um`` across at most."""
    count = int(rng.integers(3, 6) + length_um)
    size = length_um * rng.uniform(0.2, 0.5, count)
    where = rng.random((count, 1)) ** 0.5 * _direction(rng.uniform(0, 2 * pi, count))
    where *= (length_um - size)[:, None] / 2 * (1, rng.uniform(0.35, 1.0))
    density = rng.uniform(*amount)
    lump = _ellipses(
        rng, plane, _turned(where, rng.uniform(0, pi)), size, (0.85 * density, density), (0.3, 0.9), edge_um
    )
    lump[:, 1:5] *= length_um / extent_um(_rings(lump))
    lump[:, 1:3] += at
    return lump


def precipitate(rng: np.random.Generator) -> Parts:
    """Precipitated chromogen: irregular flecks of 1 to 6 um over 150 to 700 um and a few lumps of up to 20 um."""
    length, aspect = rng.uniform(150, 700), rng.uniform(0.3, 1.0)
    count = int(np.clip(length**2 * aspect * rng.uniform(0.6e-3, 2.0e-3), 40, 420))
    places = rng.random((count, 1)) ** 0.8 * _direction(rng.uniform(0, 2 * pi, count)) * length / 2
    places = _turned(places * (1, aspect), rng.uniform(0, pi))
    size = 1.0 + 5.0 * rng.beta(1.0, 2.5, count)
    lumps = int(rng.integers(3, 9))
    size[:lumps] = rng.uniform(8, 20, lumps)
    edge = np.where(rng.random(count) < 0.4, rng.uniform(1.0, 2.0, count), 0.2)  # partly above the plane of focus
    flecks = [
        _clump(rng, CHROMOGEN, place, length, (110, 250), min(soft, length / 3))
        for place, length, soft in zip(places, size, edge, strict=True)
    ]
    return _parts([_rings(fleck) for fleck in flecks], np.concatenate(flecks))


def reticulum(rng: np.random.Generator) -> Parts:
    """A loose net of keratin-positive reticulum cells, 20 to 150 um apart, each 30 to 70 um across."""
    count = int(rng.integers(4, 17))
    centres = _scattered(rng, count, 46.0 * count**0.5 * rng.uniform(1.4, 2.2), rng.uniform(0.5, 1.0), 30.0)
    drawn = [_stellate(rng, centre) for centre in centres]
    strokes, cells = np.concatenate([strokes for strokes, _ in drawn]), np.array([cell for _, cell in drawn])
    members = [np.concatenate((strokes[:, 1:3], strokes[:, 4:6])) for strokes, _ in drawn]
    return _parts(members, np.empty((0, 9)), strokes, cells)


def _stellate(rng: np.random.Generator, centre: Floats) -> tuple[Floats, Floats]:
    """Processes and body of one reticulum cell."""
    amount, half = rng.uniform(50, 120), rng.uniform(3.2, 4.6)
    cell = np.array([
        *centre, half, half * rng.uniform(0.6, 0.9), rng.uniform(0, 2 * pi), 12.0, amount * 0.9,
        0.1 * half, 0.58 * half, rng.uniform(28, 44), 0.0,
    ])  # fmt: skip
    first = rng.uniform(0, 2 * pi)
    arms = int(rng.integers(3, 7))
    segments: list[list[float]] = []
    for arm in range(arms):
        angle = first + (arm + rng.uniform(-0.25, 0.25)) * 2 * pi / arms
        root = 0.6 * half * _direction(angle)
        _grow(rng, segments, root, angle, rng.uniform(14, 28), 0.9, depth=2)
    strokes = np.array(segments)
    ends = np.concatenate((strokes[:, :2], strokes[:, 3:5]))
    scale = rng.uniform(32, 68) / extent_um(ends)
    strokes[:, [0, 1, 3, 4]] *= scale
    strokes[:, [0, 1, 3, 4]] += np.tile(centre, 2)
    extra = np.column_stack((np.full(len(strokes), amount), np.full(len(strokes), 0.4)))
    return np.column_stack((np.full(len(strokes), float(CHROMOGEN)), strokes, extra)), cell


def _grow(
    rng: np.random.Generator,
    segments: list[list[float]],
    at: Floats,
    angle: float,
    length: float,
    half: float,
    depth: int,
) -> None:
    """Add a winding process that thins from its root to 0.35 um of half width, with side branches."""
    steps = max(3, round(length / 3.5))
    widths = np.linspace(half, max(0.35, 0.45 * half), steps + 1)
    for step in range(steps):
        angle += rng.normal(0, 0.28)
        new = at + length / steps * _direction(angle)
        segments.append([*at, widths[step], *new, widths[step + 1]])
        at = new
        if depth and 0 < step < steps - 1 and rng.random() < 0.28:
            turn = angle + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
            _grow(rng, segments, at, turn, 0.5 * length, float(widths[step + 1]), depth - 1)


def plasma_cells(rng: np.random.Generator) -> Parts:
    """Plasma cells of 9 to 14 um: round nucleus at one end, moderate stain at the other; singly and in groups."""
    sites = _scattered(rng, int(rng.integers(3, 9)), rng.uniform(80, 260), rng.uniform(0.4, 1.0), 26.0)
    places = [
        site + offset for site in sites for offset in _scattered(rng, int(rng.choice([1, 1, 2, 3, 5])), 30, 0.8, 12.5)
    ]
    centres = _thinned(np.array(places), 11.5)
    count = len(centres)
    half, radius = rng.uniform(4.5, 7.0, count), rng.uniform(2.5, 3.0, count)
    cells = np.column_stack((
        centres, half, np.maximum(half * rng.uniform(0.68, 0.82, count), radius + 0.6), rng.uniform(0, 2 * pi, count),
        np.full(count, 14.0), rng.uniform(50, 100, count),
        half - radius - 0.5, radius, rng.uniform(86, 110, count), np.ones(count),
    ))  # fmt: skip
    return _parts([_rings(body[None]) for body in _bodies(cells)], np.empty((0, 9)), cells=cells)


def _thinned(places: Floats, apart_um: float) -> Floats:
    """Places that keep their distance from all before them."""
    kept = places[:1]
    for place in places[1:]:
        if (np.hypot(*(kept - place).T) > apart_um).all():
            kept = np.vstack((kept, place))
    return kept


def dust(rng: np.random.Generator) -> Parts:
    """Grey-brown blobs of 10 to 60 um and fibres, all far above the plane of focus."""
    places = _scattered(rng, int(rng.integers(5, 13)), rng.uniform(250, 800), rng.uniform(0.4, 1.0), 40.0)
    size = 10 + 50 * rng.beta(1.3, 2.0, len(places))
    shade = rng.uniform(24, 100, len(places))
    brown = shade * rng.uniform(0.05, 0.30, len(places))
    grains = []
    for place, length, grey, tint in zip(places, size, shade, brown, strict=True):
        soft, hollow, narrow = length * rng.uniform(0.22, 0.4), rng.uniform(0, 0.35), rng.uniform(0.55, 1.0)
        angle, half = rng.uniform(0, pi), length / 2
        blob = [*place, half, half * narrow, angle]
        grains += [[NEUTRAL, *blob, grey, soft, hollow], [CHROMOGEN, *blob, tint, soft, hollow]]
    members = [_rings(np.array([grain])) for grain in grains[::2]]
    strokes = [_fibre(rng, rng.normal(0, 90, 2)) for _ in range(int(rng.integers(0, 3)))]
    members += [np.concatenate((fibre[:, 1:3], fibre[:, 4:6])) for fibre in strokes]
    return _parts(members, np.array(grains), np.concatenate([np.empty((0, 9)), *strokes]))


def _fibre(rng: np.random.Generator, at: Floats) -> Floats:
    """A curved fibre 80 to 300 um long, seen unsharp."""
    length, half = rng.uniform(80, 300), rng.uniform(2.5, 5.0)
    steps = max(8, round(length / 8))
    angle = rng.uniform(0, 2 * pi) + np.cumsum(rng.normal(0, 0.05, steps) + rng.normal(0, 0.05))
    points = at + np.vstack((np.zeros(2), np.cumsum(length / steps * _direction(angle), axis=0)))
    grey = rng.uniform(30, 80)
    widths = np.full(steps, half)
    both = [
        np.column_stack((np.full(steps, float(plane)), points[:-1], widths, points[1:], widths,
                         np.full(steps, amount), np.full(steps, 1.4 * half)))
        for plane, amount in ((NEUTRAL, grey), (CHROMOGEN, 0.15 * grey))
    ]  # fmt: skip
    return np.concatenate(both)


def red_cells(rng: np.random.Generator) -> Parts:
    """Red cells of 5.5 to 8 um in a vessel or sinus: packed or loose, one as pale as the next, paler in the middle."""
    length, width = rng.uniform(60, 320), rng.uniform(14, 60)
    count = int(np.clip(length * width / 45 * rng.uniform(0.4, 1.6), 12, 400))
    angle, sag, phase = rng.uniform(0, pi), rng.uniform(0, 0.15) * length, rng.uniform(0, 1)

    def inside(along: Floats, across: Floats | float) -> Floats:
        bend = sag * np.sin(pi * (along + phase))
        return _turned(np.column_stack((along * length, across * width * np.sqrt(1 - 4 * along**2) + bend)), angle)

    paleness = rng.uniform(28, 56)
    discs = _ellipses(
        rng, BLOOD, inside(*rng.uniform(-0.5, 0.5, (2, count))), rng.uniform(5.5, 8.0, count),
        (0.9 * paleness, 1.1 * paleness), (0.7, 1.0), 0.5, 0.35,
    )  # fmt: skip
    steps = np.linspace(-0.49, 0.49, max(6, round(length / 8)))
    half = width / 2 * np.sqrt(1 - 4 * steps**2) + 5.0
    nothing = np.tile([0.0, LUMEN_HAEM, 0.0, 0.0, NO_NUCLEUS, 0.0, 0.0], (len(steps), 1))
    lumen = np.column_stack((inside(steps, 0.0), half, half, nothing))
    members = [_rings(disc[None]) for disc in discs]
    parts = _parts(members, discs, cells=lumen)
    return replace(parts, cover=np.concatenate((parts.cover, _rings(_bodies(lumen)))))


BUILDERS: dict[str, Callable[[np.random.Generator], Parts]] = {
    "carbon": carbon,
    "melanin": melanin,
    "haemosiderin": haemosiderin,
    "precipitate": precipitate,
    "precipitate_off_tissue": precipitate,
    "reticulum": reticulum,
    "plasma_cells": plasma_cells,
    "dust": dust,
    "red_cells": red_cells,
}
"""How to draw each kind that needs to know nothing of the tissue around it."""
