"""Union-find: the smallest member of a set stands for it, so the outcome does not depend on the order of unions."""

from __future__ import annotations

from typing import Any

from micromet_path.kernels import kernel

__all__ = ["find_root", "unite"]


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
