"""Points and their neighbours: which lie within a distance of one another, and which is the nearest.

For some hundred points, or some thousand: they are sorted by height, and a point looks no farther up and down than
what it has found. A tree asks less of millions, and importing scipy's takes as long as reading a small slide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel

__all__ = ["nearest_of", "nearest_other", "pairs_within"]

Points = NDArray[np.float64]
Indices = NDArray[np.int64]


def pairs_within(points: Points, reach: float) -> Indices:
    """Pairs of points that lie no farther apart than a distance.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Height first, in any unit of length.
    reach : float

    Returns
    -------
    ndarray of shape (P, 2)
        The lower index first, each pair once, in no order.

    Examples
    --------
    >>> pairs_within(np.array([[0.0, 0.0], [9.0, 9.0], [3.0, 4.0]]), 5.0).tolist()
    [[0, 2]]
    """
    order, points = _by_height(points)
    return np.sort(order[_pairs(points, float(reach))], axis=1)


def nearest_other(points: Points) -> NDArray[np.float64]:
    """Distance of each point to the nearest of the others; infinite where there is none."""
    order, points = _by_height(points)
    away = np.empty(len(points))
    away[order] = _nearest(points, order, points, np.arange(len(points)), True)[1]
    return away


def nearest_of(points: Points, places: Points) -> tuple[Indices, NDArray[np.float64]]:
    """Which of the points is nearest to each place, the first of several, and how far it is.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        At least one.
    places : ndarray of shape (m, 2)

    Returns
    -------
    index, distance : ndarray of shape (m,)
    """
    order, points = _by_height(points)
    places = np.ascontiguousarray(places, np.float64)
    index, away = _nearest(points, order, places, np.searchsorted(points[:, 0], places[:, 0]), False)
    return index, away


def _by_height(points: Points) -> tuple[Indices, Points]:
    order = np.argsort(points[:, 0], kind="stable")
    return order, np.ascontiguousarray(points[order], np.float64)


@kernel("f8[:,::1], f8")
def _pairs(points: Any, reach: Any) -> Any:
    """Rows of the pairs: counted first, then written."""
    n, limit = len(points), reach * reach
    room = 0
    for i in range(n):
        j = i + 1
        while j < n and points[j, 0] - points[i, 0] <= reach:
            room += _squared(points, i, points, j) <= limit
            j += 1
    pairs = np.empty((room, 2), np.int64)
    k = 0
    for i in range(n):
        j = i + 1
        while j < n and points[j, 0] - points[i, 0] <= reach:
            if _squared(points, i, points, j) <= limit:
                pairs[k, 0], pairs[k, 1] = i, j
                k += 1
            j += 1
    return pairs


@kernel("f8[:,::1], i8[::1], f8[:,::1], i8[::1], b1")
def _nearest(points: Any, order: Any, places: Any, begin: Any, is_own: Any) -> Any:
    """Index and distance of the nearest point of each place, from a row on downwards and upwards.

    With ``is_own`` the point in the row that a place begins with is the place itself.
    """
    index, distance = np.full(len(places), -1, np.int64), np.empty(len(places))
    for i in range(len(places)):
        nearest = np.inf
        for step in (1, -1):
            j = begin[i] if step == 1 and not is_own else begin[i] + step
            while 0 <= j < len(points) and (points[j, 0] - places[i, 0]) ** 2 <= nearest:
                away = _squared(points, j, places, i)
                if away < nearest or (away == nearest and order[j] < index[i]):
                    nearest, index[i] = away, order[j]
                j += step
        distance[i] = np.sqrt(nearest)
    return index, distance


@kernel()
def _squared(points: Any, i: Any, others: Any, j: Any) -> Any:
    """Squared distance of two points."""
    down, across = points[i, 0] - others[j, 0], points[i, 1] - others[j, 1]
    return down * down + across * across
