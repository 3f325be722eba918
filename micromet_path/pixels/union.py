"""Union-find: the smallest member of a set stands for it, so the outcome does not depend on the order of unions."""

from __future__ import annotations

from typing import Any

import numpy as np

from micromet_path.kernels import kernel

__all__ = ["find_root", "joined", "unite"]


@kernel("i8[::1], i8", "i4[::1], i8", "i4[::1], i4")
def find_root(parent: Any, i: Any) -> Any:
    """Representative of i, halving the path on the way (Tarjan 1975)."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel("i8[::1], i8, i8", "i4[::1], i8, i8")
def unite(parent: Any, i: Any, j: Any) -> bool:
    """Make one set of two; whether they were two."""
    one, two = find_root(parent, i), find_root(parent, j)
    if one < two:
        parent[two] = one
    else:
        parent[one] = two
    return one != two  # type: ignore[no-any-return]


@kernel("i8[::1], i8[::1], i8[::1]")
def joined(component: Any, first: Any, second: Any) -> Any:
    """Which pairs joined two sets, taken in order (Kruskal's rule), and the sets after them.

    Parameters
    ----------
    component : ndarray of shape (N,), int64
        Smallest member of the set that each belongs to.
    first, second : ndarray of shape (P,), int64

    Returns
    -------
    taken : ndarray of shape (P,), bool
    component : ndarray of shape (N,), int64

    Examples
    --------
    >>> joined(np.arange(4), np.array([3, 1, 1]), np.array([1, 3, 2]))
    (array([ True, False,  True]), array([0, 1, 1, 1]))
    """
    parent = component.copy()
    taken = np.zeros(first.shape[0], np.bool_)
    for e in range(first.shape[0]):
        taken[e] = unite(parent, first[e], second[e])
    for i in range(parent.shape[0]):
        parent[i] = find_root(parent, i)
    return taken, parent
