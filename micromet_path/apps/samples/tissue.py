"""Where tissue lies on the glass and how its architecture varies, as functions of a place.

Nothing here is an image of the slide: a piece is a table of radii around a centre, and follicles,
sinuses and the ragged margin come from hashed lattices, so that any block can be drawn alone and
memory does not depend on the slide's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.kernels import kernel

__all__ = ["CONTROL_ZONE", "CROWDED", "Piece", "Tissue", "mixed", "survey", "tissue_of"]

Boxes = tuple[tuple[float, float, float, float], ...]

ANGLES = 2048
"""Entries of a table of radii."""

RAGGED_UM = 6.0
"""Most that the drawn margin leaves the smooth one, in microns."""

# Centre, half axes (as shares of the side) of the three pieces; together about 45 % of the slide.
THREE_PIECES = ((0.24, 0.5, 0.172, 0.455), (0.71, 0.255, 0.22, 0.165), (0.71, 0.745, 0.20, 0.155))
# Large pieces, 60 to 70 % of the slide, where as many foci as possible are to fit.
TWO_PIECES = ((0.265, 0.5, 0.225, 0.455), (0.75, 0.5, 0.205, 0.445))
ONE_PIECE = ((0.5, 0.5, 0.468, 0.468),)
# The patient's three pieces, and control tissue at the right edge.
WITH_CONTROL = ((0.20, 0.5, 0.145, 0.44), (0.55, 0.27, 0.165, 0.19), (0.55, 0.74, 0.15, 0.18), (0.895, 0.5, 0.07, 0.32))
CROWDED: dict[str, Boxes] = {
    **dict.fromkeys(("foci", "lobular"), ONE_PIECE),
    **dict.fromkeys(("dots", "membranous", "desmoplastic"), TWO_PIECES),
}
"""Profiles with large pieces."""
CONTROL_ZONE = (0.79, 0.0, 1.0, 1.0)
"""Part of the glass that is kept for control tissue, as shares of the side."""
CUT_COLUMNS = (0.26, 0.74)
"""Where two serial cuts of a node lie side by side; nodes lie below each other."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a piece of tissue is.

    Parameters
    ----------
    node, cut : int, optional
        Number of the node and of its serial cut, from 1, on slides that have them.
    is_control : bool
        Whether it is control tissue.
    """

    node: int | None = None
    cut: int | None = None
    is_control: bool = False

    @property
    def where(self) -> str:
        """The name by which wishes ask for it."""
        if self.is_control:
            return "control"
        return "patient" if self.node is None else f"node {self.node}" + (f" cut {self.cut}" if self.cut != 1 else "")


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
    pieces : tuple of Piece
        What each is.
    """

    centre_um: NDArray[np.float64]
    radius_um: NDArray[np.float64]
    slope: NDArray[np.float64]
    pieces: tuple[Piece, ...]

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

    def only(self, chosen: list[int]) -> Tissue:
        """Some of the pieces."""
        pieces = tuple(self.pieces[index] for index in chosen)
        return Tissue(self.centre_um[chosen], self.radius_um[chosen], self.slope[chosen], pieces)

    def piece_at(self, point_um: NDArray[np.float64]) -> int | None:
        """Index of the piece that a point lies in or next to; None without tissue."""
        if not self.pieces:
            return None
        depth = [self.only([index]).inside_um(point_um[None])[0] for index in range(len(self.pieces))]
        return int(np.argmax(depth))


def tissue_of(spec: SampleSpec) -> Tissue:
    """Pieces of a slide: irregular ovals."""
    rng = np.random.default_rng([spec.seed, 1])
    angle = np.asarray(np.arange(ANGLES) * (2 * pi / ANGLES), np.float64)
    shares, pieces = _arranged(spec)
    boxes = np.array(shares, np.float64).reshape(-1, 4) * np.float64(spec.side_um)
    if rng.random() < 0.5 and not any(piece.is_control or piece.cut for piece in pieces):
        boxes[:, 0] = spec.side_um - boxes[:, 0]
    ovals: list[NDArray[np.float64]] = []
    for box, piece in zip(boxes, pieces, strict=True):
        again = piece.cut is not None and piece.cut > 1
        ovals.append(_oval(rng, angle, *box[2:]) if not again else ovals[-1] * _drift(rng, angle))
    radius = np.array(ovals).reshape(-1, ANGLES)
    derivative = (np.roll(radius, -1, axis=1) - np.roll(radius, 1, axis=1)) / (4 * pi / ANGLES)
    return Tissue(boxes[:, :2], radius, radius / np.hypot(radius, derivative), pieces)


def _arranged(spec: SampleSpec) -> tuple[Boxes, tuple[Piece, ...]]:
    """Centre and half axes of the pieces as shares of the side, and what they are."""
    if spec.profile == "empty":
        return (), ()
    if spec.profile == "control":
        return WITH_CONTROL, (*[Piece()] * 3, Piece(is_control=True))
    if spec.profile == "serial":
        nodes = 2 + spec.seed % 2
        rows = [(node + 0.5) / nodes * 0.96 + 0.02 for node in range(nodes)]
        cuts = [(node, cut) for node in range(nodes) for cut in range(len(CUT_COLUMNS))]
        boxes = tuple((CUT_COLUMNS[cut], rows[node], 0.185, 0.39 / nodes) for node, cut in cuts)
        return boxes, tuple(Piece(node + 1, cut + 1) for node, cut in cuts)
    boxes = CROWDED.get(spec.profile, THREE_PIECES)
    return boxes, (Piece(),) * len(boxes)


def _drift(rng: np.random.Generator, angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """How an outline changes from one cut to the next: by a few percent, slowly."""
    drift = np.full_like(angle, 1 + rng.uniform(-0.02, 0.02))
    for order in range(2, 6):
        drift += 0.012 / order * np.cos(order * angle + rng.uniform(0, 2 * pi))
    return drift


def _oval(rng: np.random.Generator, angle: NDArray[np.float64], half_x: float, half_y: float) -> NDArray[np.float64]:
    """Radii of an ellipse with a few percent of slow ripple."""
    radius = np.hypot(np.cos(angle) / half_x, np.sin(angle) / half_y) ** -1.0
    ripple = np.zeros_like(angle)
    for order in range(2, 12):
        ripple += 0.06 / order * rng.uniform(0.3, 1) * np.cos(order * angle + rng.uniform(0, 2 * pi))
    return np.asarray(radius * (1 + ripple))


@kernel(inline="always")
def mixed(column, row, seed):  # type: ignore[no-untyped-def]
    """Hash of a lattice point: 64 well mixed bits."""
    value = np.uint64(column) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row) * np.uint64(0xC2B2AE3D27D4EB4F)
    value ^= np.uint64(seed) * np.uint64(0x165667B19E3779F9)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel()
def _unit_hash(column, row, seed):  # type: ignore[no-untyped-def]
    """Hash of a lattice point as a number from 0 to 1."""
    return np.float64(mixed(column, row, seed) >> np.uint64(40)) / 16777216.0


@kernel()
def _noise(x, y, seed):  # type: ignore[no-untyped-def]
    """Smooth value noise from 0 to 1 on the unit lattice."""
    column, row = np.floor(x), np.floor(y)
    u, v = x - column, y - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    c, r = np.int64(column), np.int64(row)
    top = _unit_hash(c, r, seed) * (1 - u) + _unit_hash(c + 1, r, seed) * u
    bottom = _unit_hash(c, r + 1, seed) * (1 - u) + _unit_hash(c + 1, r + 1, seed) * u
    return top * (1 - v) + bottom * v


@kernel()
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


@kernel()
def _inside(centre, radius, slope, points):  # type: ignore[no-untyped-def]
    """Distance inside the margin for many points."""
    out = np.empty(len(points))
    for index in range(len(points)):
        out[index] = _piece_distance(centre, radius, slope, points[index, 0], points[index, 1])
    return out


@kernel()
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


@kernel()
def _step(value, low, high):  # type: ignore[no-untyped-def]
    """0 below low, 1 above high, smooth between."""
    part = min(max((value - low) / (high - low), 0.0), 1.0)
    return part * part * (3 - 2 * part)


@kernel()
def survey(centre, radius, slope, seed, x0_um, y0_um, step_um, step_y_um, out):  # type: ignore[no-untyped-def]
    """Describe the tissue on a coarse lattice.

    Fills ``out`` of shape (4, rows, columns): distance inside the ragged margin in microns, share
    of sites with a nucleus, haematoxylin of the ground between nuclei, share of large pale nuclei.
    """
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            x, y = x0_um + column * step_um, y0_um + row * step_y_um
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
