"""Foci that are drawn as one family: nests between septa of stroma, and cells scattered one by one.

Lengths in microns; every function takes a random generator and returns polygons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples import shapes
from micromet_path.apps.samples.places import CELL_UM, FreeMap

__all__ = ["nests_between_septa", "scattered"]

Floats = NDArray[np.float64]

SEPTA_UM = (16.0, 30.0)
"""Width of a septum between straight borders: what it becomes as they are rounded stays within 15 to 40."""
NEST_PITCH_UM = (62.0, 100.0)
LEAST_NEST_UM2 = 700.0
REACH = 0.72
"""Most that a nest extends from its middle, in pitches."""

SITE_PITCH_UM = 57.0
SPARSE_UM = (20.5, 58.0)
"""Distance of a scattered cell or file from the nearest other one."""
BAND_UM = (1250.0, 330.0)
"""Half length and half width of the band in which cells are scattered; less where the slide is small."""
NEAR_UM = 125.0
"""Foci whose middles are farther apart than that are not neighbours."""
FILE_SHARE = 0.4


def nests_between_septa(rng: np.random.Generator, length_um: float, width_um: float) -> tuple[Floats, list[Floats]]:
    """Outline of the stroma around the origin, and of the nests in it."""
    pitch = float(rng.uniform(*NEST_PITCH_UM))
    sites = _sites(rng, max(length_um / 2 - 0.5 * pitch, pitch), max(width_um / 2 - 0.5 * pitch, 0.9 * pitch), pitch)
    septa = rng.uniform(*SEPTA_UM, (len(sites), len(sites)))
    septa = np.minimum(septa, septa.T)
    nests = []
    for index, site in enumerate(sites):
        turn = np.linspace(0, 2 * pi, 40, endpoint=False)
        nest = site + REACH * pitch * np.column_stack((np.cos(turn), np.sin(turn)))
        for other in np.flatnonzero((np.hypot(*(sites - site).T) < 2.2 * pitch) & (np.arange(len(sites)) != index)):
            apart = np.hypot(*(sites[other] - site))
            normal = (sites[other] - site) / apart
            nest = _cut(nest, normal, float(normal @ site + apart / 2 - septa[index, other] / 2))
        if len(nest) >= 3 and _area(nest) >= LEAST_NEST_UM2:
            nests.append(_dented(rng, _rounded(_rounded(nest))))
    return shapes.blob(rng, length_um + 70.0, (width_um + 70.0) / (length_um + 70.0), 0.05), nests


def scattered(rng: np.random.Generator, places: FreeMap, side_um: float) -> list[list[Floats]]:
    """Cells and short files of cells over a band of free places: polygons of each focus, where they lie."""
    middle = _middle(places)
    if middle is None:
        return []
    half_width, half_length = (min(half, 0.5 * side_um) for half in BAND_UM[::-1])
    foci: list[list[Floats]] = []
    crowd = _Crowd()
    for site in middle + _sites(rng, half_width, half_length, SITE_PITCH_UM):
        count = int(rng.integers(2, 5)) if rng.random() < FILE_SHARE else 1
        focus = [shapes.moved(cell, site) for cell in _file(rng, count)]
        cover = np.concatenate(focus)
        if places.fits(cover) and crowd.nearest_um(cover) >= SPARSE_UM[0]:
            foci.append(focus)
            crowd.join(cover)
    return _in_company(foci)


@dataclass(slots=True)
class _Crowd:
    """Points on the outlines of foci, found by their middles."""

    covers: list[Floats] = field(default_factory=list)
    middles: list[Floats] = field(default_factory=list)

    def join(self, cover: Floats) -> None:
        """Add the outline of a focus; every other point says as much as all."""
        self.covers.append(cover[::2])
        self.middles.append(cover.mean(axis=0))

    def nearest_um(self, cover: Floats, but: int = -1) -> float:
        """Distance to the nearest of those that are not far (infinite without), leaving one out."""
        if not self.middles:
            return float("inf")
        near = np.flatnonzero(np.abs(np.array(self.middles) - cover.mean(axis=0)).max(axis=1) < NEAR_UM)
        points = [self.covers[index] for index in near if index != but]
        if not points:
            return float("inf")
        apart = cover[::2, None, :] - np.concatenate(points)[None, :, :]
        return float(np.sqrt((apart**2).sum(axis=2).min()))


def _in_company(foci: list[list[Floats]]) -> list[list[Floats]]:
    """Foci without those that have no other one nearby."""
    while True:
        crowd = _Crowd()
        for focus in foci:
            crowd.join(np.concatenate(focus))
        apart = [crowd.nearest_um(np.concatenate(focus), but=index) for index, focus in enumerate(foci)]
        kept = [focus for focus, gap in zip(foci, apart, strict=True) if gap <= SPARSE_UM[1]]
        if len(kept) == len(foci):
            return kept
        foci = kept


def _file(rng: np.random.Generator, count: int) -> list[Floats]:
    """Cells in a row that overlap a little, as between fibres."""
    direction, place, last = rng.uniform(0, 2 * pi), np.zeros(2), 0.0
    cells = []
    for _ in range(count):
        size = float(rng.uniform(13.0, 17.0))
        place = place + 0.42 * (last + size) * np.array([np.cos(direction), np.sin(direction)]) * (last > 0)
        cells.append(shapes.moved(shapes.cell(rng, size), place))
        direction, last = direction + rng.normal(0, 0.25), size
    return cells


def _middle(places: FreeMap) -> Floats | None:
    """Middle of the largest free square, in microns."""
    from scipy import ndimage

    if not places.free.any():
        return None
    depth = ndimage.distance_transform_edt(np.pad(places.free, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (np.array([column, row], np.float64) + 0.5) * CELL_UM


def _sites(rng: np.random.Generator, half_x: float, half_y: float, pitch: float) -> Floats:
    """Jittered hexagonal lattice over an ellipse around the origin."""
    rows, columns = ceil(half_y / (0.87 * pitch)), ceil(half_x / pitch) + 1
    y, x = np.mgrid[-rows : rows + 1, -columns : columns + 1].reshape(2, -1).astype(np.float64)
    sites = np.column_stack((x + 0.5 * (y % 2), 0.87 * y)) * pitch
    sites += rng.uniform(-0.13, 0.13, sites.shape) * pitch
    return np.asarray(sites[np.hypot(sites[:, 0] / max(half_x, 1.0), sites[:, 1] / max(half_y, 1.0)) <= 1.0])


def _cut(polygon: Floats, normal: Floats, limit: float) -> Floats:
    """The part of a convex polygon where the product with a normal stays within a limit."""
    beyond = polygon @ normal - limit
    kept: list[Floats] = []
    for index in range(len(polygon)):
        here, there = index - 1, index
        if (beyond[here] > 0) != (beyond[there] > 0):
            part = beyond[here] / (beyond[here] - beyond[there])
            kept.append(polygon[here] + part * (polygon[there] - polygon[here]))
        if beyond[there] <= 0:
            kept.append(polygon[there])
    return np.array(kept).reshape(-1, 2)


def _rounded(polygon: Floats) -> Floats:
    """The polygon with its corners cut off a quarter of the way (Chaikin); it stays within the old one."""
    following = np.roll(polygon, -1, axis=0)
    return np.stack((0.75 * polygon + 0.25 * following, 0.25 * polygon + 0.75 * following), axis=1).reshape(-1, 2)


def _dented(rng: np.random.Generator, polygon: Floats) -> Floats:
    """The polygon with its margin drawn inwards here and there, by up to 4 um."""
    middle = polygon.mean(axis=0)
    spoke = polygon - middle
    length, turn = np.hypot(*spoke.T), np.arctan2(spoke[:, 1], spoke[:, 0])
    dent = sum(rng.uniform(0.3, 1.0) * (1 + np.cos(order * turn + rng.uniform(0, 2 * pi))) for order in (3, 5, 8))
    return np.asarray(middle + spoke * (1 - np.minimum(dent * 0.7, 4.0) / length)[:, None])


def _area(polygon: Floats) -> float:
    """Area of a polygon."""
    x, y = polygon.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
