"""Points and their neighbours: which lie within a distance of one another, how many, and which is the nearest.

Points are put in order once and walked along; scipy's trees take as long to import as a small slide to read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.pixels.search import ZERO, first_from

__all__ = ["count_within", "nearest_of", "nearest_other", "pairs_within"]

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
    band, order, points = _in_bands(points, reach)
    return np.sort(order[_pairs(band, points, float(reach))], axis=1)


def count_within(points: Points, places: Points, reach: float) -> Indices:
    """How many of the points lie no farther from each place than a distance.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    places : ndarray of shape (m, 2)
    reach : float

    Returns
    -------
    ndarray of shape (m,)

    Examples
    --------
    >>> count_within(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [9.0, 9.0]]), 5.0)
    array([2, 0])
    """
    band, _, points = _in_bands(points, reach)
    places = np.ascontiguousarray(places, np.float64)
    return np.asarray(_counted(band, points, _band_of(places, reach), places, float(reach)))


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


def _in_bands(points: Points, reach: float) -> tuple[Indices, Indices, Points]:
    """Band of each point, their order, and the points: band by band, from left to right in each.

    Who is within reach of a point lies in its own band or in one of the two beside it.
    """
    band = _band_of(points, reach)
    order = np.lexsort((points[:, 1], band))
    return band[order], order, np.ascontiguousarray(points[order], np.float64)


def _band_of(points: Points, reach: float) -> Indices:
    height = 1.000001 * reach if reach > 0 else 1.0  # what is just within reach must not lie two bands away by rounding
    return np.asarray(np.floor(points[:, 0] / height).astype(np.int64))


@kernel("i8[::1], f8[:,::1], f8")
def _pairs(band: Any, points: Any, reach: Any) -> Any:
    """Rows of the pairs: counted first, then written."""
    pairs = np.empty((_walk(band, points, reach, np.empty((0, 2), np.int64)), 2), np.int64)
    _walk(band, points, reach, pairs)
    return pairs


@kernel()
def _walk(band: Any, points: Any, reach: Any, pairs: Any) -> Any:
    """Write as many pairs as there is room for; and how many there are."""
    n, k, below = len(band), ZERO, ZERO
    for i in range(n):
        if i == 0 or band[i] != band[i - 1]:
            below = first_from(band, i, n, band[i] + 1)
        while below < n and band[below] == band[i] + 1 and points[below, 1] < points[i, 1] - reach:
            below += 1
        for start, its_band in ((i + 1, band[i]), (below, band[i] + 1)):
            j = start
            while j < n and band[j] == its_band and points[j, 1] - points[i, 1] <= reach:
                if _squared(points, i, points, j) <= reach * reach:
                    if k < len(pairs):
                        pairs[k, 0], pairs[k, 1] = i, j
                    k += 1
                j += 1
    return k


@kernel("i8[::1], f8[:,::1], i8[::1], f8[:,::1], f8")
def _counted(band: Any, points: Any, place_band: Any, places: Any, reach: Any) -> Any:
    """Points within reach of each place, in its band and the two beside it."""
    n = len(band)
    found = np.zeros(len(places), np.int64)
    for i in range(len(places)):
        for its_band in range(place_band[i] - 1, place_band[i] + 2):
            begin = first_from(band, ZERO, n, its_band)
            end = first_from(band, begin, n, its_band + 1)
            j = first_from(points[:, 1], begin, end, places[i, 1] - reach)
            while j < end and points[j, 1] <= places[i, 1] + reach:
                found[i] += _squared(points, j, places, i) <= reach * reach
                j += 1
    return found


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
