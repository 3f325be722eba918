"""Compiled kernels under `geometry`: convex hulls, farthest pairs, bounding circles.

Many small point sets are handled at once in *ragged* form: ``points`` of all sets one after the
other, and ``offsets`` (sets + 1), set ``i`` being ``points[offsets[i]:offsets[i + 1]]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "bounding_circle_um",
    "convex_hull",
    "farthest_pair",
    "hull_area_px",
    "ragged_diameters",
    "ragged_hulls",
    "ragged_measures",
]


@njit(cache=True, nogil=True)
def convex_hull(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Vertices of the convex hull of (N, 2) integer points, in lexicographic-first ring order.

    Andrew's monotone chain (1979). Collinear points are left out; one or two distinct points give
    one or two vertices. Exact while coordinates stay below 2^30.
    """
    n = points.shape[0]
    order = np.argsort(points[:, 1], kind="mergesort")
    order = order[np.argsort(points[order, 0], kind="mergesort")]
    ring = np.empty((2 * n + 1, 2), np.int64)
    size = 0
    for i in range(n):
        x, y = points[order[i], 0], points[order[i], 1]
        if size > 0 and ring[size - 1, 0] == x and ring[size - 1, 1] == y:
            continue
        while size >= 2 and _turn(ring, size, x, y) <= 0:
            size -= 1
        ring[size, 0], ring[size, 1] = x, y
        size += 1
    if size == 1:
        return ring[:size].copy()
    lower = size
    for k in range(n - 2, -1, -1):
        x, y = points[order[k], 0], points[order[k], 1]
        if ring[size - 1, 0] == x and ring[size - 1, 1] == y:
            continue
        while size > lower and _turn(ring, size, x, y) <= 0:
            size -= 1
        ring[size, 0], ring[size, 1] = x, y
        size += 1
    return ring[: size - 1].copy()


@njit(cache=True, nogil=True)
def _turn(ring: Any, size: Any, x: Any, y: Any) -> Any:
    """Cross product at the last vertex: positive for a left turn towards (x, y)."""
    ax, ay = ring[size - 2, 0], ring[size - 2, 1]
    return (ring[size - 1, 0] - ax) * (y - ay) - (ring[size - 1, 1] - ay) * (x - ax)


@njit(cache=True, nogil=True)
def farthest_pair(points: NDArray[np.int64], x_um: float, y_um: float) -> tuple[float, int, int]:
    """Largest distance in microns and the indices of its points, each pair and the ties ordered."""
    best, first, second = -1.0, 0, 0
    for i in range(points.shape[0]):
        for j in range(i, points.shape[0]):
            dx = (points[j, 0] - points[i, 0]) * x_um
            dy = (points[j, 1] - points[i, 1]) * y_um
            squared = dx * dx + dy * dy
            if squared < best:
                continue
            a, b = (i, j) if _before(points, i, j) else (j, i)
            if squared > best or _before(points, a, first) or (a == first and _before(points, b, second)):
                best, first, second = squared, a, b
    return np.sqrt(best), first, second


@njit(cache=True, nogil=True)
def _before(points: Any, i: Any, j: Any) -> Any:
    """Whether point i is lexicographically smaller than point j."""
    if points[i, 0] != points[j, 0]:
        return points[i, 0] < points[j, 0]
    return points[i, 1] < points[j, 1]


@njit(cache=True, nogil=True)
def hull_area_px(vertices: NDArray[np.int64]) -> float:
    """Area of a ring of vertices in square pixels (shoelace formula)."""
    doubled = 0
    for i in range(vertices.shape[0]):
        j = (i + 1) % vertices.shape[0]
        doubled += vertices[i, 0] * vertices[j, 1] - vertices[j, 0] * vertices[i, 1]
    area: float = abs(doubled) / 2.0
    return area


@njit(cache=True, nogil=True)
def bounding_circle_um(points: NDArray[np.int64], x_um: float, y_um: float) -> float:
    """Diameter of the smallest circle around (N, 2) points, scaled per axis (Welzl 1991, move to front)."""
    n = points.shape[0]
    x, y = points[:, 0] * x_um, points[:, 1] * y_um
    cx, cy, radius2 = x[0], y[0], 0.0
    slack = 1.0 + 1e-12
    for i in range(1, n):
        if (x[i] - cx) ** 2 + (y[i] - cy) ** 2 <= radius2 * slack:
            continue
        cx, cy, radius2 = x[i], y[i], 0.0
        for j in range(i):
            if (x[j] - cx) ** 2 + (y[j] - cy) ** 2 <= radius2 * slack:
                continue
            cx, cy = (x[i] + x[j]) / 2, (y[i] + y[j]) / 2
            radius2 = (x[j] - cx) ** 2 + (y[j] - cy) ** 2
            for k in range(j):
                if (x[k] - cx) ** 2 + (y[k] - cy) ** 2 <= radius2 * slack:
                    continue
                bx, by, px, py = x[j] - x[i], y[j] - y[i], x[k] - x[i], y[k] - y[i]
                cross = 2 * (bx * py - by * px)
                if cross == 0.0:
                    continue
                ux = (py * (bx * bx + by * by) - by * (px * px + py * py)) / cross
                uy = (bx * (px * px + py * py) - px * (bx * bx + by * by)) / cross
                cx, cy, radius2 = x[i] + ux, y[i] + uy, ux * ux + uy * uy
    diameter: float = 2.0 * np.sqrt(radius2)
    return diameter


@njit(cache=True, nogil=True)
def ragged_hulls(
    points: NDArray[np.int64], set_of: NDArray[np.int64], n_sets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Convex hull of each of ``n_sets`` point sets.

    Parameters
    ----------
    points : ndarray of shape (N, 2)
    set_of : ndarray of shape (N,)
        Set of each point, 0..n_sets-1 in any order; -1 leaves a point out.

    Returns
    -------
    points, offsets
        The hulls in ragged form.
    """
    counts = np.zeros(n_sets + 1, np.int64)
    for s in set_of:
        if s >= 0:
            counts[s + 1] += 1
    starts = np.cumsum(counts)
    cursor = starts[:-1].copy()
    grouped = np.empty((starts[-1], 2), np.int64)
    for i in range(points.shape[0]):
        s = set_of[i]
        if s >= 0:
            grouped[cursor[s], 0], grouped[cursor[s], 1] = points[i, 0], points[i, 1]
            cursor[s] += 1
    offsets = np.zeros(n_sets + 1, np.int64)
    for s in range(n_sets):
        size = 0
        if starts[s + 1] > starts[s]:
            ring = convex_hull(grouped[starts[s] : starts[s + 1]])
            size = ring.shape[0]
            # A hull has no more vertices than its set has points, so it fits where they were.
            grouped[offsets[s] : offsets[s] + size] = ring
        offsets[s + 1] = offsets[s] + size
    return grouped[: offsets[n_sets]].copy(), offsets


@njit(cache=True, nogil=True)
def ragged_measures(
    hulls: NDArray[np.int64], offsets: NDArray[np.int64], x_um: float, y_um: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Maximum Feret, its end points, bounding circle and hull area of ragged hulls.

    Returns
    -------
    diameter_um : ndarray of shape (S,)
    axis_px : ndarray of shape (S, 2, 2), two (x, y) points
    circle_um : ndarray of shape (S,)
    hull_area_um2 : ndarray of shape (S,)
        An empty set measures 0.
    """
    n_sets = offsets.shape[0] - 1
    diameter = np.zeros(n_sets, np.float64)
    axis = np.zeros((n_sets, 2, 2), np.int64)
    circle = np.zeros(n_sets, np.float64)
    area = np.zeros(n_sets, np.float64)
    for s in range(n_sets):
        ring = hulls[offsets[s] : offsets[s + 1]]
        if ring.shape[0] == 0:
            continue
        diameter[s], first, second = farthest_pair(ring, x_um, y_um)
        axis[s, 0, 0], axis[s, 0, 1] = ring[first, 0], ring[first, 1]
        axis[s, 1, 0], axis[s, 1, 1] = ring[second, 0], ring[second, 1]
        circle[s] = bounding_circle_um(ring, x_um, y_um)
        area[s] = hull_area_px(ring) * x_um * y_um
    return diameter, axis, circle, area


@njit(cache=True, nogil=True)
def ragged_diameters(
    points: NDArray[np.int64], offsets: NDArray[np.int64], x_um: float, y_um: float
) -> NDArray[np.float64]:
    """Maximum Feret diameter of each ragged point set, 0 where it is empty."""
    n_sets = offsets.shape[0] - 1
    diameter = np.zeros(n_sets, np.float64)
    for s in range(n_sets):
        if offsets[s + 1] > offsets[s]:
            diameter[s] = farthest_pair(points[offsets[s] : offsets[s + 1]], x_um, y_um)[0]
    return diameter
