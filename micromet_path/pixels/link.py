"""The contiguity tree: which fragments are how far apart.

Only the minimum spanning forest of the gaps is kept. Cutting it at a gap gives the clusters at that gap,
exactly and without looking at a pixel again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.model import LINK_LIMIT_UM, Runs, Tree
from micromet_path.pixels.near import border_parts, in_reach, near_pairs
from micromet_path.pixels.order import order_by
from micromet_path.pixels.union import joined

__all__ = ["contiguity_tree", "cut"]

_FIRST_RADIUS_UM = LINK_LIMIT_UM / 64


def contiguity_tree(runs: Runs, n_fragments: int, spacing: PixelSpacing, limit_um: float = LINK_LIMIT_UM) -> Tree:
    """Minimum spanning forest of the gaps between fragments.

    Parameters
    ----------
    runs : Runs
        Stained runs of the fragments that may link.
    n_fragments : int
        Fragments are numbered 0 to this, exclusive; one without runs stays alone.
    spacing : PixelSpacing
    limit_um : float
        Longest gap of the tree.

    Returns
    -------
    Tree
        Edges ordered by (gap, first, second). Of equal gaps the smaller pair wins, so the tree is unique.

    Notes
    -----
    The gap of two pixels is the distance between their closed squares, ``(|d| - 1) * mpp`` along an axis
    and never negative; that of two fragments is the smallest between their pixels, which border pixels
    attain. The search radius doubles: what lies nearer is one component by then, so that few components
    meet in a 3 x 3 neighbourhood of cells as large as the radius, and a neighbourhood inside one
    component costs nothing. Edges enter by Kruskal's rule (1956).

    Examples
    --------
    >>> rows = np.zeros(3, np.int32)
    >>> starts, stops = np.array([0, 9, 50], np.int32), np.array([5, 12, 60], np.int32)
    >>> runs = Runs(rows, starts, stops, np.arange(3, dtype=np.int32))
    >>> contiguity_tree(runs, 3, PixelSpacing(0.5, 0.5)).gap_um
    array([ 2., 19.])
    """
    runs = in_reach(runs, limit_um, spacing)
    by_row = order_by(runs.row, runs.start)
    row, start, stop, fragment = border_parts(
        runs.row[by_row], runs.start[by_row], runs.stop[by_row], runs.fragment[by_row]
    )
    component = np.arange(n_fragments, dtype=np.int64)
    edges: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    radius = min(_FIRST_RADIUS_UM, limit_um)
    while len(row):
        first, second, gap = near_pairs(row, start, stop, fragment, component, radius, spacing.x_um, spacing.y_um)
        order = np.lexsort((second, first, gap))
        first, second, gap = first[order], second[order], gap[order]
        taken, component = joined(component, first, second)
        edges.append((first[taken], second[taken], gap[taken]))
        if radius >= limit_um or np.all(component[runs.fragment] == component[runs.fragment[0]]):
            break
        radius = min(2 * radius, limit_um)
    if not edges:
        return Tree(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
    first, second, gap = (np.concatenate(columns) for columns in zip(*edges, strict=True))
    order = np.lexsort((second, first, gap))
    return Tree(first[order], second[order], gap[order])


def cut(tree: Tree, n_fragments: int, gap_um: float) -> NDArray[np.int64]:
    """Component of each fragment when gaps up to ``gap_um`` count as contiguous.

    Returns
    -------
    component : ndarray of shape (n_fragments,), int64
        The smallest fragment of the component each belongs to.

    Examples
    --------
    >>> tree = Tree(np.array([0, 1]), np.array([1, 2]), np.array([3.0, 8.0]))
    >>> cut(tree, 3, 7.0)
    array([0, 0, 2])
    """
    inside = tree.gap_um <= gap_um
    component: NDArray[np.int64]
    _, component = joined(np.arange(n_fragments, dtype=np.int64), tree.first[inside], tree.second[inside])
    return component
