"""Mimics that are one structure: folds, stain at the margin, pen strokes and marking ink.

Each is a band along a line (its spine) given in microns; amounts are laid down on a lattice a few
microns wide, between whose points the painter interpolates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.mimic_records import FOLD_LAYER, Parts, Sheet, extent_um
from micromet_path.apps.samples.planes import CHROMOGEN, INK, NEUTRAL, UNIT_OD

__all__ = ["edge_effect", "fold", "fold_spine", "margin_ink", "pen", "strip_points"]

Floats = NDArray[np.float64]

STRAY_UM = 14.0
LEAST = 0.25
"""Amounts below this, in units, are as good as none."""
COVER_UM = 12.0
"""Distance between the points that hold a structure's room."""


@dataclass(frozen=True, slots=True)
class _Band:
    """Points of a lattice seen from the spine of a band.

    Parameters
    ----------
    left_um, top_um, step_um : float
        The lattice.
    points_um : ndarray of shape (R, C, 2)
        Its points (x, y).
    along : ndarray of shape (R, C)
        Place of the nearest point of the spine, 0 to 1.
    across_um : ndarray of shape (R, C)
        Distance from it, positive to the right hand of the spine's direction.
    """

    left_um: float
    top_um: float
    step_um: float
    points_um: Floats
    along: Floats
    across_um: Floats

    def sheet(
        self, plane: int, values: Floats, flaky: float = 0.0, grain_um: float = 4.0, on_tissue: bool = False
    ) -> Sheet:
        """Amounts on the lattice, cut to where there are any, with a seam of zeros around."""
        values = np.where(np.isfinite(self.across_um), values, 0.0).astype(np.float64)
        values[[0, -1]], values[:, [0, -1]] = 0.0, 0.0
        rows, columns = (np.flatnonzero((values > LEAST).any(axis=axis)) for axis in (1, 0))
        top, bottom = max(rows[0] - 1, 0), rows[-1] + 2
        left, right = max(columns[0] - 1, 0), columns[-1] + 2
        x, y = self.left_um + left * self.step_um, self.top_um + top * self.step_um
        return Sheet(plane, x, y, self.step_um, values[top:bottom, left:right], flaky, grain_um, on_tissue)


def _band(spine_um: Floats, reach_um: float, step_um: float) -> _Band:
    """Lattice around a spine as far as ``reach_um``; across_um is infinite beyond."""
    from scipy.spatial import cKDTree

    spine = _resampled(spine_um, step_um / 2)
    low = np.floor((spine.min(axis=0) - reach_um) / step_um - 1) * step_um
    wide, high = (int(count) for count in np.ceil((spine.max(axis=0) + reach_um - low) / step_um) + 2)
    x, y = low[0] + np.arange(wide) * step_um, low[1] + np.arange(high) * step_um
    points = np.stack(np.meshgrid(x, y), axis=-1)
    away, nearest = cKDTree(spine).query(points.reshape(-1, 2), distance_upper_bound=reach_um)
    nearest = np.minimum(nearest, len(spine) - 1)
    heading = np.gradient(spine, axis=0)[nearest]
    offset = points.reshape(-1, 2) - spine[nearest]
    right = np.sign(heading[:, 0] * offset[:, 1] - heading[:, 1] * offset[:, 0])
    across = np.where(np.isfinite(away), away * np.where(right == 0, 1.0, right), np.inf)
    along = nearest / (len(spine) - 1)
    return _Band(float(low[0]), float(low[1]), step_um, points, along.reshape(high, wide), across.reshape(high, wide))


def _resampled(line_um: Floats, step_um: float) -> Floats:
    """The line with points at equal steps."""
    length = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line_um, axis=0).T))))
    at = np.linspace(0, length[-1], max(8, ceil(length[-1] / step_um)))
    return np.column_stack([np.interp(at, length, line_um[:, axis]) for axis in (0, 1)])


def _smooth(value: Floats) -> Floats:
    """0 below 0, 1 above 1, smooth between."""
    part = np.clip(value, 0.0, 1.0)
    return np.asarray(part * part * (3 - 2 * part))


def _slow(rng: np.random.Generator, points_um: Floats, wave_um: float) -> Floats:
    """Slow unevenness of the plane, about -1 to 1: a few plane waves."""
    total = np.zeros(points_um.shape[:-1])
    for angle in rng.uniform(0, 2 * pi, 6):
        wave = 2 * pi / (wave_um * rng.uniform(0.7, 1.8))
        total += np.sin(wave * (points_um @ (np.cos(angle), np.sin(angle))) + rng.uniform(0, 2 * pi))
    return np.asarray(total / 3.5)


def _wave(rng: np.random.Generator, along: Floats, length_um: float, wave_um: float) -> Floats:
    """Slow variation along a line, about -1 to 1."""
    total = np.zeros_like(along)
    for factor in (1.0, 0.55, 0.3):
        total += factor * np.sin(2 * pi * along * length_um / (wave_um * factor) + rng.uniform(0, 2 * pi))
    return np.asarray(total / 1.6)


def _one(cover: Floats, sheets: tuple[Sheet, ...], largest_um: float) -> Parts:
    """Parts that are sheets alone, cut to the points that hold anything."""
    empty = (np.empty((0, 9)), np.empty((0, 9)), np.empty((0, 11)))
    return Parts(cover, 1, largest_um, *empty, sheets)


def _cover(band: _Band, held: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Points that hold the room of a structure, and its extent."""
    every = max(1, int(COVER_UM / band.step_um))
    inside = band.points_um[held]
    coarse = band.points_um[::every, ::every][held[::every, ::every]]
    return (coarse if len(coarse) else inside), extent_um(inside)


def fold_spine(rng: np.random.Generator, length_um: float) -> Floats:
    """A slightly bent and wavy line around the origin, for a fold to run along."""
    x = np.linspace(-0.5, 0.5, 80)
    bend = rng.uniform(-0.12, 0.12) * length_um
    y = bend * (1 - 4 * x**2) + 0.012 * length_um * np.sin(rng.uniform(6, 14) * x + rng.uniform(0, 6.28))
    angle = rng.uniform(0, 2 * pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(np.column_stack((x * length_um, y)) @ turn)


def strip_points(spine_um: Floats, width_um: float) -> Floats:
    """Points that hold the room of a band along a line."""
    spine = _resampled(spine_um, COVER_UM)
    heading = np.gradient(spine, axis=0)
    right = np.column_stack((-heading[:, 1], heading[:, 0])) / np.maximum(np.hypot(*heading.T), 1e-9)[:, None]
    across = np.linspace(-0.5, 0.5, max(2, ceil(width_um / COVER_UM) + 1)) * width_um
    return np.asarray((spine[:, None] + across[None, :, None] * right[:, None]).reshape(-1, 2))


def fold(rng: np.random.Generator, spine: Floats, width: float) -> Parts:
    """Tissue lying double along a line, a band that is ``width`` microns at its widest."""
    length = float(np.hypot(*np.diff(spine, axis=0).T).sum())
    band = _band(spine, width / 2 + 40.0, 3.0)
    taper = np.sqrt(np.maximum(1 - np.abs(2 * band.along - 1) ** 5, 0))
    half = width / 2 * taper * (0.88 + 0.12 * _wave(rng, band.along, length, 500.0))
    half = np.clip(half, 0.0, width / 2)
    inside = half - np.abs(band.across_um)
    weight = _smooth(inside / 4.0 + 0.5) * (half > 2.0)
    core = rng.uniform(-0.5, 0.5) * half
    line = np.exp(-0.5 * ((band.across_um - core) / rng.uniform(4, 9)) ** 2) * weight
    rim = np.exp(-0.5 * (inside / rng.uniform(4, 9)) ** 2) * _smooth(half / 8.0)
    shadow = rng.uniform(0.10, 0.30) / UNIT_OD * np.maximum(line, 0.35 * weight)
    brown = (
        rng.uniform(0.05, 0.25) / UNIT_OD * np.maximum(rim, 0.5 * weight) * (0.9 + 0.2 * _slow(rng, band.points_um, 90))
    )
    sheets = (
        band.sheet(FOLD_LAYER, weight),
        band.sheet(NEUTRAL, shadow, on_tissue=True),
        band.sheet(CHROMOGEN, brown, on_tissue=True),
    )
    cover, extent = _cover(band, weight > 0.5)
    return _one(cover, sheets, extent)


def edge_effect(
    rng: np.random.Generator, margin_um: Floats, reach: float, inside_um: Callable[[Floats], Floats]
) -> Parts:
    """Diffuse chromogen along a stretch of the margin that fades inwards over ``reach`` microns."""
    band = _band(margin_um, reach + 30.0, 4.0)
    length = float(np.hypot(*np.diff(margin_um, axis=0).T).sum())
    inside = inside_um(band.points_um.reshape(-1, 2)).reshape(band.along.shape)
    depth = np.maximum(inside, 0.0)
    local = reach * np.clip(0.8 + 0.25 * _wave(rng, band.along, length, 450.0), 0.4, 1.0)
    ends = _smooth(np.minimum(band.along, 1 - band.along) * length / 150.0)
    fall = np.maximum(1 - depth / local, 0.0) ** rng.uniform(1.0, 1.8)
    uneven = np.clip(0.85 + 0.15 * _slow(rng, band.points_um, 110.0), 0.4, 1.0)
    # The drawn margin strays from the smooth one: the sheet reaches out as far, and glass does not take it.
    amount = rng.uniform(0.25, 0.55) / UNIT_OD * fall * ends * uneven * (inside > -STRAY_UM)
    sheet = band.sheet(CHROMOGEN, amount, on_tissue=True)
    cover, extent = _cover(band, np.isfinite(band.across_um) & (depth < local) & (inside > 0) & (ends > 0.5))
    return _one(cover, (sheet,), extent)


def margin_ink(
    rng: np.random.Generator, margin_um: Floats, thick: float, inside_um: Callable[[Floats], Floats]
) -> Parts:
    """Marking ink on a cut margin: a flaky layer ``thick`` microns deep, mostly outside, with black lumps."""
    band = _band(margin_um, thick + 25.0, 3.0)
    length = float(np.hypot(*np.diff(margin_um, axis=0).T).sum())
    out = -inside_um(band.points_um.reshape(-1, 2)).reshape(band.along.shape)
    local = thick * np.clip(0.7 + 0.4 * _wave(rng, band.along, length, 350.0), 0.12, 1.0)
    ends = _smooth(np.minimum(band.along, 1 - band.along) * length / 60.0)
    layer = _smooth((out + 0.3 * local) / 5.0) * _smooth((0.7 * local - out) / 8.0) * ends
    layer = layer * np.isfinite(band.across_um)
    lumps = _smooth(1.6 * _slow(rng, band.points_um, 90.0) - 0.2)
    uneven = np.clip(0.85 + 0.25 * _slow(rng, band.points_um, 60.0), 0.4, 1.2)
    sheets = (
        band.sheet(INK, rng.uniform(0.7, 1.05) / UNIT_OD * layer * uneven, flaky=0.9, grain_um=9.0),
        band.sheet(NEUTRAL, rng.uniform(0.25, 0.5) / UNIT_OD * layer * lumps, flaky=0.9, grain_um=9.0),
    )
    cover, extent = _cover(band, layer > 0.5)
    return _one(cover, sheets, extent)


def pen(rng: np.random.Generator, spine_um: Floats, width_um: float, opaque: float) -> Parts:
    """A felt-pen stroke on the glass, soft as it lies out of focus; ``opaque`` adds grey to a black one."""
    soft = rng.uniform(18, 50)
    band = _band(spine_um, width_um / 2 + soft, 6.0)
    length = float(np.hypot(*np.diff(spine_um, axis=0).T).sum())
    half = width_um / 2 * (0.9 + 0.1 * _wave(rng, band.along, length, 4000.0))
    body = _smooth((half - np.abs(band.across_um)) / soft + 0.5)
    across = np.where(np.isfinite(band.across_um), band.across_um / width_um, 0.0)
    streaks = _wave(rng, across, width_um, width_um / rng.uniform(2.0, 5.0))
    ends = 1 + 0.25 * np.exp(-np.minimum(band.along, 1 - band.along) * length / 200.0)
    rims = 1 + 0.25 * np.exp(-0.5 * ((half - np.abs(band.across_um)) / (0.1 * width_um)) ** 2)
    amount = rng.uniform(0.45, 0.85) * body * rims * ends * (1 + 0.18 * streaks)
    amount = np.minimum(amount * (1 + 0.1 * _slow(rng, band.points_um, 400.0)), 1.25) / UNIT_OD
    sheets = (band.sheet(INK, amount),) + ((band.sheet(NEUTRAL, opaque * amount),) if opaque else ())
    cover, extent = _cover(band, body > 0.5)
    return _one(cover, sheets, extent)
