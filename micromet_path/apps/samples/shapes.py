"""Outlines in microns around the origin: rounded shapes, ribbons, cells and groups of cells.

Every function takes a random generator and returns polygons, each an (N, 2) array of (x, y).
"""

from __future__ import annotations

from math import ceil, pi

import numpy as np
from numpy.typing import NDArray

__all__ = ["blob", "cell", "cell_group", "dots", "moved", "ribbon", "turned"]

Floats = NDArray[np.float64]

CELL_DIAMETER_UM = (13.0, 21.0)
"""A carcinoma cell in a node: a few times a lymphocyte."""


def blob(rng: np.random.Generator, length_um: float, aspect: float, roughness: float = 0.12) -> Floats:
    """A rounded nest: an ellipse ``length_um`` long with an irregular margin."""
    count = max(48, ceil(length_um / 2.0))
    angle = np.linspace(0, 2 * pi, count, endpoint=False)
    radius = np.hypot(np.cos(angle), np.sin(angle) / aspect) ** -1.0
    radius *= 1 + _ripple(rng, angle, roughness, orders=range(2, 9))
    radius += _scallop(rng, angle / (2 * pi), margin_um=pi * length_um * (1 + aspect) / 2) / (length_um / 2)
    return length_um / 2 * np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))


def ribbon(rng: np.random.Generator, length_um: float, width_um: float, bend: float = 0.08) -> Floats:
    """A band along a gentle curve, as tumour lies in a sinus: width varies, ends are rounded."""
    along = np.linspace(-1, 1, max(24, ceil(length_um / 2.0)))
    taper = np.sqrt(np.maximum(1 - np.abs(along) ** 6, 0))
    upper, lower = (
        (_wavy(rng, along) * width_um / 2 + _scallop(rng, along / 2, margin_um=length_um)) * taper for _ in range(2)
    )
    middle = bend * length_um * (1 - along**2) * rng.choice([-1, 1])
    x = along * length_um / 2
    return np.concatenate((np.column_stack((x, middle - upper)), np.column_stack((x, middle + lower))[::-1][1:-1]))


def cell(rng: np.random.Generator, diameter_um: float | None = None) -> Floats:
    """One tumour cell."""
    diameter_um = float(rng.uniform(*CELL_DIAMETER_UM)) if diameter_um is None else diameter_um
    return turned(blob(rng, diameter_um, aspect=float(rng.uniform(0.8, 1.0)), roughness=0.05), rng.uniform(0, 2 * pi))


def cell_group(rng: np.random.Generator, n_cells: int) -> list[Floats]:
    """Cells grown together: each overlaps one that is there already; the middle one lies on the origin."""
    diameters = rng.uniform(*CELL_DIAMETER_UM, size=n_cells)
    centres = np.zeros((n_cells, 2))
    for index in range(1, n_cells):
        centres[index] = _beside(rng, centres[:index], diameters[: index + 1])
    centres -= centres[np.hypot(*(centres - centres.mean(axis=0)).T).argmin()]
    return [moved(cell(rng, size), centre) for size, centre in zip(diameters, centres, strict=True)]


def dots(rng: np.random.Generator, n_dots: int, extent_um: float, apart_um: float) -> list[Floats]:
    """Sub-cellular dots of 2 to 3.6 um inside a disc, edges ``apart_um`` or more from each other."""
    centres: list[Floats] = []
    for _ in range(4000):
        if len(centres) == n_dots:
            break
        place = (extent_um / 2 - 2) * np.sqrt(rng.random()) * _unit(rng.uniform(0, 2 * pi))
        if all(np.hypot(*(place - other)) > apart_um + 3.6 for other in centres):
            centres.append(place)
    return [moved(blob(rng, rng.uniform(2.0, 3.6), 0.9, 0.03), centre) for centre in centres]


def moved(polygon: Floats, by: Floats) -> Floats:
    """The polygon shifted by (x, y)."""
    return polygon + by


def turned(polygon: Floats, angle: float) -> Floats:
    """The polygon turned around the origin."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(polygon @ np.array([[cosine, sine], [-sine, cosine]]))


def _ripple(rng: np.random.Generator, angle: Floats, size: float, orders: range) -> Floats:
    """Sum of low harmonics, weaker the finer: the irregular margin."""
    total = np.zeros_like(angle)
    for order in orders:
        total += size * 2 / order * rng.uniform(0.3, 1) * np.cos(order * angle + rng.uniform(0, 2 * pi))
    return np.clip(total, -0.5, 0.5)


def _scallop(rng: np.random.Generator, position: Floats, margin_um: float) -> Floats:
    """Bulges of single cells along a margin of ``margin_um``, in microns; none on a single cell."""
    total = np.zeros_like(position)
    if margin_um > 4 * CELL_DIAMETER_UM[1]:
        for wave_um in (19.0, 27.0, 43.0):
            order = round(margin_um / wave_um)
            total += wave_um / 30 * rng.uniform(0.6, 1) * np.cos(2 * pi * order * position + rng.uniform(0, 2 * pi))
    return total


def _wavy(rng: np.random.Generator, along: Floats) -> Floats:
    """Half widths around 1 for one side of a ribbon."""
    total = np.ones(len(along))
    for waves in (1.3, 2.1, 3.7, 6.3):
        total += 0.5 / waves * rng.uniform(0.3, 1) * np.sin(waves * pi * along + rng.uniform(0, 2 * pi))
    return np.clip(total, 0.45, 1.8)


def _beside(rng: np.random.Generator, centres: Floats, diameters: Floats) -> Floats:
    """Place for a further cell that overlaps a cell at hand and crowds none."""
    new = diameters[-1]
    place = centres[0]
    for _ in range(40):
        host = int(rng.integers(len(centres)))
        place = centres[host] + 0.4 * (diameters[host] + new) * _unit(rng.uniform(0, 2 * pi))
        others = np.delete(np.arange(len(centres)), host)
        if (np.hypot(*(centres[others] - place).T) > 0.36 * (diameters[others] + new)).all():
            break
    return np.asarray(place)


def _unit(angle: float) -> Floats:
    """Direction of length one."""
    return np.array([np.cos(angle), np.sin(angle)])
