"""Where tissue lies on the glass and how its architecture varies, as functions of a place.

Nothing here is an image of the slide: a piece is a table of radii around a centre, and follicles,
sinuses and the ragged margin come from hashed lattices, so that any block can be drawn alone and
memory does not depend on the slide's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Tissue", "mixed", "survey", "tissue_of"]

ANGLES = 2048
"""Entries of a table of radii."""

RAGGED_UM = 6.0
"""Most that the drawn margin leaves the smooth one, in microns."""

# Centre, half axes (as shares of the side) of the three pieces; together about 45 % of the slide.
THREE_PIECES = ((0.24, 0.5, 0.172, 0.455), (0.71, 0.255, 0.22, 0.165), (0.71, 0.745, 0.20, 0.155))


@dataclass(frozen=True, slots=True)
class Tissue:
    """Smooth outlines of the pieces.

    Parameters
    ----------
    centre_um : ndarray of shape (P, 2)
        Centres (x, y).
    radius_um : ndarray of shape (P, ANGLES)
        Radius at equal steps of angle.
    slope : ndarray of shape (P, ANGLES)
        Cosine between the radius and the normal there: makes radial distances perpendicular.
    """

    centre_um: NDArray[np.float64]
    radius_um: NDArray[np.float64]
    slope: NDArray[np.float64]

    @property
    def area_um2(self) -> NDArray[np.float64]:
        """Area of each piece."""
        return np.asarray((self.radius_um**2).sum(axis=1) * pi / ANGLES)

    def outline_um(self, piece: int) -> NDArray[np.float64]:
        """Vertices (x, y) of a piece."""
        angle = np.arange(ANGLES) * (2 * pi / ANGLES)
        unit = np.column_stack((np.cos(angle), np.sin(angle)))
        return np.asarray(self.centre_um[piece] + self.radius_um[piece][:, None] * unit)

    def inside_um(self, points_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of points to the smooth margin, positive inside (a close estimate near the margin)."""
        return np.asarray(_inside(self.centre_um, self.radius_um, self.slope, points_um))


def tissue_of(rng: np.random.Generator, side_um: float, pieces: int) -> Tissue:
    """Pieces of a slide: three irregular ovals, or none."""
    angle = np.asarray(np.arange(ANGLES) * (2 * pi / ANGLES), np.float64)
    boxes = np.array(THREE_PIECES[:pieces], np.float64).reshape(-1, 4) * np.float64(side_um)
    if rng.random() < 0.5:
        boxes[:, 0] = side_um - boxes[:, 0]
    radius = np.array([_oval(rng, angle, *box[2:]) for box in boxes]).reshape(-1, ANGLES)
    derivative = (np.roll(radius, -1, axis=1) - np.roll(radius, 1, axis=1)) / (4 * pi / ANGLES)
    return Tissue(boxes[:, :2], radius, radius / np.hypot(radius, derivative))


def _oval(rng: np.random.Generator, angle: NDArray[np.float64], half_x: float, half_y: float) -> NDArray[np.float64]:
    """Radii of an ellipse with a few percent of slow ripple."""
    radius = np.hypot(np.cos(angle) / half_x, np.sin(angle) / half_y) ** -1.0
    ripple = np.zeros_like(angle)
    for order in range(2, 12):
        ripple += 0.06 / order * rng.uniform(0.3, 1) * np.cos(order * angle + rng.uniform(0, 2 * pi))
    return np.asarray(radius * (1 + ripple))


@njit(cache=True, nogil=True, inline="always")
def mixed(column, row, seed):  # type: ignore[no-untyped-def]
    """Hash of a lattice point: 64 well mixed bits."""
    value = np.uint64(column) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row) * np.uint64(0xC2B2AE3D27D4EB4F)
    value ^= np.uint64(seed) * np.uint64(0x165667B19E3779F9)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _unit_hash(column, row, seed):  # type: ignore[no-untyped-def]
    """Hash of a lattice point as a number from 0 to 1."""
    return np.float64(mixed(column, row, seed) >> np.uint64(40)) / 16777216.0


@njit(cache=True, nogil=True)
def _noise(x, y, seed):  # type: ignore[no-untyped-def]
    """Smooth value noise from 0 to 1 on the unit lattice."""
    column, row = np.floor(x), np.floor(y)
    u, v = x - column, y - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    c, r = np.int64(column), np.int64(row)
    top = _unit_hash(c, r, seed) * (1 - u) + _unit_hash(c + 1, r, seed) * u
    bottom = _unit_hash(c, r + 1, seed) * (1 - u) + _unit_hash(c + 1, r + 1, seed) * u
    return top * (1 - v) + bottom * v


@njit(cache=True, nogil=True)
def _piece_distance(centre, radius, slope, x, y):  # type: ignore[no-untyped-def]
    """Distance inside the nearest piece's margin; far outside without pieces."""
    best = -1e9
    for piece in range(len(centre)):
        dx, dy = x - centre[piece, 0], y - centre[piece, 1]
        turn = np.arctan2(dy, dx) / (2 * np.pi)
        position = (turn - np.floor(turn)) * ANGLES
        first = int(position) % ANGLES
        part = position - np.floor(position)
        second = (first + 1) % ANGLES
        edge = radius[piece, first] * (1 - part) + radius[piece, second] * part
        best = max(best, (edge - np.hypot(dx, dy)) * slope[piece, first])
    return best


@njit(cache=True, nogil=True)
def _inside(centre, radius, slope, points):  # type: ignore[no-untyped-def]
    """Distance inside the margin for many points."""
    out = np.empty(len(points))
    for index in range(len(points)):
        out[index] = _piece_distance(centre, radius, slope, points[index, 0], points[index, 1])
    return out


@njit(cache=True, nogil=True)
def _follicle(x, y, seed):  # type: ignore[no-untyped-def]
    """Distance from the nearest follicle's centre in units of its radius (9 when there is none near)."""
    pitch = 520.0
    column, row = np.int64(np.floor(x / pitch)), np.int64(np.floor(y / pitch))
    best = 9.0
    for c in range(column - 1, column + 2):
        for r in range(row - 1, row + 2):
            if _unit_hash(c, r, seed + 11) < 0.55:
                centre_x = (c + 0.3 + 0.4 * _unit_hash(c, r, seed + 12)) * pitch
                centre_y = (r + 0.3 + 0.4 * _unit_hash(c, r, seed + 13)) * pitch
                size = 90.0 + 110.0 * _unit_hash(c, r, seed + 14)
                best = min(best, np.hypot(x - centre_x, y - centre_y) / size)
    return best + 0.25 * (_noise(x / 70.0, y / 70.0, seed + 15) - 0.5)


@njit(cache=True, nogil=True)
def _step(value, low, high):  # type: ignore[no-untyped-def]
    """0 below low, 1 above high, smooth between."""
    part = min(max((value - low) / (high - low), 0.0), 1.0)
    return part * part * (3 - 2 * part)


@njit(cache=True, nogil=True)
def survey(centre, radius, slope, seed, x0_um, y0_um, step_um, out):  # type: ignore[no-untyped-def]
    """Describe the tissue on a coarse lattice.

    Fills ``out`` of shape (4, rows, columns): distance inside the ragged margin in microns, share
    of sites with a nucleus, haematoxylin of the ground between nuclei, share of large pale nuclei.
    """
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            x, y = x0_um + column * step_um, y0_um + row * step_um
            inside = _piece_distance(centre, radius, slope, x, y)
            if inside > -60.0:
                stray = 0.6 * _noise(x / 90.0, y / 90.0, seed) + 0.4 * _noise(x / 23.0, y / 23.0, seed + 1)
                inside += 2 * RAGGED_UM * (stray - 0.5)
            follicle = _follicle(x, y, seed)
            centre_share = 1 - _step(follicle, 0.55, 0.72)
            mantle = (1 - _step(follicle, 0.9, 1.1)) * (1 - centre_share)
            ridge = abs(_noise(x / 260.0, y / 260.0, seed + 2) + 0.35 * _noise(x / 80.0, y / 80.0, seed + 3) - 0.67)
            sinus = (1 - _step(ridge, 0.012, 0.04)) * (1 - mantle) * (1 - centre_share)
            sinus = max(sinus, _step(inside, 14.0, 18.0) * (1 - _step(inside, 30.0, 36.0)))
            capsule = 1 - _step(inside, 12.0, 18.0)
            slow = _noise(x / 150.0, y / 150.0, seed + 4)
            share = 0.74 + 0.14 * slow + 0.12 * mantle - 0.22 * centre_share - 0.5 * sinus
            out[0, row, column] = inside
            out[1, row, column] = share * (1 - capsule) + 0.10 * capsule
            out[2, row, column] = 0.10 + 0.05 * slow + 0.05 * mantle - 0.035 * centre_share - 0.06 * sinus
            out[3, row, column] = max(0.92 * centre_share, 0.10 * slow + 0.10 * sinus)
