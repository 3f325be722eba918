"""Compiled kernels under `geometry`: convex hulls, farthest pairs, bounding circles.

Many small point sets are handled at once in *ragged* form: ``points`` of all sets one after the
other, and ``offsets`` (sets + 1), set ``i`` being ``points[offsets[i]:offsets[i + 1]]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel

__all__ = [
    "bounding_circle_um",
    "convex_hull",
    "farthest_pair",
    "hull_area_px",
    "ragged_diameters",
    "ragged_hulls",
    "ragged_measures",
]


def convex_hull(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Vertices of the convex hull of (N, 2) integer points, in lexicographic-first ring order.

    Andrew's monotone chain (1979). Collinear points are left out; one or two distinct points give
    one or two vertices. Exact while coordinates stay below 2^30.
    """
    # Sorting stays outside of the compiled part: compiling numba's sorts takes longer than all of the rest.
    in_order = points[np.lexsort((points[:, 1], points[:, 0]))]
    ring = np.empty((2 * len(points) + 1, 2), np.int64)
    size: int = _chain(in_order, 0, len(points), ring)
    return ring[:size].copy()


@kernel()
def _chain(points: Any, begin: Any, end: Any, ring: Any) -> Any:
    """Put the hull of some sorted points into a ring with room for it; the number of its vertices."""
    size = np.int64(0)  # a plain 0 would be a kind of its own, and what is called with it compiled once more
    for i in range(begin, end):
        x, y = points[i, 0], points[i, 1]
        if size > 0 and ring[size - 1, 0] == x and ring[size - 1, 1] == y:
            continue
        while size >= 2 and _turn(ring, size, x, y) <= 0:
            size -= 1
        ring[size, 0], ring[size, 1] = x, y
        size += 1
    if size == 1:
        return size
    lower = size
    for i in range(end - 2, begin - 1, -1):
        x, y = points[i, 0], points[i, 1]
        if ring[size - 1, 0] == x and ring[size - 1, 1] == y:
            continue
        while size > lower and _turn(ring, size, x, y) <= 0:
            size -= 1
        ring[size, 0], ring[size, 1] = x, y
        size += 1
    return size - 1


@kernel()
def _turn(ring: Any, size: Any, x: Any, y: Any) -> Any:
    """Cross product at the last vertex: positive for a left turn towards (x, y)."""
    ax, ay = ring[size - 2, 0], ring[size - 2, 1]
    return (ring[size - 1, 0] - ax) * (y - ay) - (ring[size - 1, 1] - ay) * (x - ax)


@kernel()
def farthest_pair(points: NDArray[np.int64], x_um: float, y_um: float) -> tuple[float, int, int]:
    """Largest distance in microns and the indices of its points, each pair and the ties ordered."""
    first: Any = np.int64(0)
    best, second = -1.0, first
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


@kernel()
def _before(points: Any, i: Any, j: Any) -> Any:
    """Whether point i is lexicographically smaller than point j."""
    if points[i, 0] != points[j, 0]:
        return points[i, 0] < points[j, 0]
    return points[i, 1] < points[j, 1]


@kernel()
def hull_area_px(vertices: NDArray[np.int64]) -> float:
    """Area of a ring of vertices in square pixels (shoelace formula)."""
    doubled = 0
    for i in range(vertices.shape[0]):
        j = (i + 1) % vertices.shape[0]
        doubled += vertices[i, 0] * vertices[j, 1] - vertices[j, 0] * vertices[i, 1]
    area: float = abs(doubled) / 2.0
    return area


@kernel()
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
    order = np.lexsort((points[:, 1], points[:, 0], set_of))
    order = order[np.count_nonzero(set_of < 0) :]
    starts = np.searchsorted(set_of[order], np.arange(n_sets + 1))
    hulls, offsets = _hulls(points[order], starts)
    return hulls[: offsets[-1]].copy(), offsets


@kernel("i8[:,::1], i8[::1]")
def _hulls(points: Any, starts: Any) -> Any:
    """Hulls of sets of sorted points, one after the other in the place of these."""
    n_sets = starts.shape[0] - 1
    offsets = np.zeros(n_sets + 1, np.int64)
    most = 0
    for s in range(n_sets):
        most = max(most, starts[s + 1] - starts[s])
    ring = np.empty((2 * most + 1, 2), np.int64)
    for s in range(n_sets):
        size = 0
        if starts[s + 1] > starts[s]:
            size = _chain(points, starts[s], starts[s + 1], ring)
        # A hull has no more vertices than its set has points, so it fits where they were.
        for k in range(size):
            points[offsets[s] + k, 0], points[offsets[s] + k, 1] = ring[k, 0], ring[k, 1]
        offsets[s + 1] = offsets[s] + size
    return points, offsets


@kernel("i8[:,::1], i8[::1], f8, f8")
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


@kernel("i8[:,::1], i8[::1], f8, f8")
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
