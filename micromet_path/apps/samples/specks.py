"""Grains that are not tumour: pigment scattered over boxes of tissue, dust on empty glass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.places import FreeMap, footprint_um
from micromet_path.apps.samples.spec import SampleSpec

__all__ = ["SpeckPatch", "dust", "pigment"]

PER_MM2 = 500
COARSE_SHARE = 0.06
"""Share of pigment grains of 5 to 8 um: too large to be dropped for their size alone."""
COARSE_LEAST = 2
DUST_GRAINS = 12


@dataclass(frozen=True, slots=True)
class SpeckPatch:
    """Grains scattered over a box.

    Parameters
    ----------
    kind : str
        ``pigment`` or ``dust``.
    bbox_px0 : tuple of int
        Half-open box (x0, y0, x1, y1).
    specks : ndarray of shape (N, 7)
        x, y in pixels, half axes in widths of a pixel, angle, neutral density and DAB on top of it in
        units of 0.005.
    """

    kind: str
    bbox_px0: tuple[int, int, int, int]
    specks: NDArray[np.float64]


def pigment(rng: np.random.Generator, spec: SampleSpec, places: FreeMap, side_um: float) -> list[SpeckPatch]:
    """A box with carbon-like grains, 500 a mm2; an empty list when no place is left for the box."""
    square = side_um * np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    cover = footprint_um([square])
    for _ in range(400):
        corner = places.anywhere(rng)
        if corner is not None and places.fits(cover + corner - side_um / 2):
            places.take(cover + corner - side_um / 2)
            spacing = np.array([spec.spacing_um, spec.spacing_of_rows_um])
            x0, y0 = (int(value) for value in (corner - side_um / 2) / spacing)
            width, height = (int(value) for value in side_um / spacing)
            return [_pigment_in(rng, spec, (x0, y0, x0 + width, y0 + height))]
    return []


def dust(rng: np.random.Generator, spec: SampleSpec) -> SpeckPatch:
    """A few pale grey grains anywhere on the glass."""
    box = (0, 0, spec.side_px, spec.side_px)
    diameter = rng.uniform(6.0, 24.0, DUST_GRAINS)
    return SpeckPatch("dust", box, _grains(rng, spec, box, diameter, density=(30, 90)))


def _pigment_in(rng: np.random.Generator, spec: SampleSpec, box: tuple[int, int, int, int]) -> SpeckPatch:
    """Grains of 1 to 4 um and a few of 5 to 8 um, grey-black to brown-black."""
    area_mm2 = (box[2] - box[0]) * (box[3] - box[1]) * spec.pixel_area_um2 * 1e-6
    count = max(1, round(PER_MM2 * area_mm2))
    diameter = rng.uniform(1.0, 4.0, count)
    coarse = (rng.random(count) < COARSE_SHARE) | (np.arange(count) < COARSE_LEAST)
    diameter[coarse] = rng.uniform(5.0, 8.0, int(coarse.sum()))
    specks = _grains(rng, spec, box, diameter, density=(150, 220))
    specks[:, 6] = rng.uniform(0, 14, count)
    return SpeckPatch("pigment", box, specks)


def _grains(
    rng: np.random.Generator,
    spec: SampleSpec,
    box: tuple[int, int, int, int],
    diameter_um: NDArray[np.float64],
    density: tuple[int, int],
) -> NDArray[np.float64]:
    """Ellipses of given length at random places of a box, wholly inside."""
    count, half = len(diameter_um), diameter_um / 2 / spec.spacing_um
    reach = half[:, None] / (1.0, spec.aspect)
    low, high = np.array(box[:2]) + reach, np.array(box[2:]) - reach
    places = rng.uniform(low, high)
    narrow, angle = half * rng.uniform(0.6, 1.0, count), rng.uniform(0, np.pi, count)
    return np.column_stack((places, half, narrow, angle, rng.uniform(*density, count), np.zeros(count)))
