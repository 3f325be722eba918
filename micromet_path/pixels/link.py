"""The contiguity tree: which fragments are how far apart.

Only the minimum spanning forest of the gaps is kept. Cutting it at a gap gives the clusters at that gap,
exactly and without looking at a pixel again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.model import LINK_LIMIT_UM, Runs, Tree
from micromet_path.pixels.union import find_root, unite

__all__ = ["contiguity_tree", "cut"]

_FIRST_RADIUS_UM = LINK_LIMIT_UM / 64
_SHORTEST_INNER_PX = 24  # a shorter inner stretch stays: one part more to look at costs more than a longer one


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
    by_row = np.argsort((runs.row.astype(np.int64) << 32) + runs.start, kind="stable")
    row, start, stop, fragment = _border_parts(
        runs.row[by_row], runs.start[by_row], runs.stop[by_row], runs.fragment[by_row]
    )
    component = np.arange(n_fragments, dtype=np.int64)
    edges: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    radius = min(_FIRST_RADIUS_UM, limit_um)
    while len(row):
        first, second, gap = _near_pairs(row, start, stop, fragment, component, radius, spacing.x_um, spacing.y_um)
        order = np.lexsort((second, first, gap))
        first, second, gap = first[order], second[order], gap[order]
        taken, component = _kruskal(component, first, second)
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
    _, component = _kruskal(np.arange(n_fragments, dtype=np.int64), tree.first[inside], tree.second[inside])
    return component


@njit(cache=True, nogil=True)
def _kruskal(component: Any, first: Any, second: Any) -> Any:
    """Which edges join two components, taken in order; and the components after them."""
    parent = component.copy()
    taken = np.zeros(first.shape[0], np.bool_)
    for e in range(first.shape[0]):
        taken[e] = unite(parent, first[e], second[e])
    for i in range(parent.shape[0]):
        parent[i] = find_root(parent, i)
    return taken, parent


@njit(cache=True, nogil=True)
def _border_parts(row: Any, start: Any, stop: Any, fragment: Any) -> Any:
    """Stretches of runs that have a free 4-neighbour; only these can be nearest to another fragment.

    Runs come sorted by row and column. A stretch is inner where runs above and below both cover it and
    it is not an end of its run.
    """
    n = row.shape[0]
    room = n + 16
    p_row, p_start = np.empty(room, np.int32), np.empty(room, np.int32)
    p_stop, p_fragment = np.empty(room, np.int32), np.empty(room, np.int32)
    size = 0
    line_of, first = _lines(row)
    for i in range(n):
        above, above_end = _neighbour_line(row, line_of, first, i, -1)
        below, below_end = _neighbour_line(row, line_of, first, i, 1)
        above = _first_ending_after(stop, above, above_end, start[i])
        below = _first_ending_after(stop, below, below_end, start[i])
        open_from = start[i]
        while above < above_end and below < below_end:
            left = max(start[above], start[below], start[i] + 1)
            right = min(stop[above], stop[below], stop[i] - 1)
            if left >= stop[i]:
                break
            if right - left >= _SHORTEST_INNER_PX:
                if left > open_from:
                    if size + 2 > room:
                        room *= 2
                        p_row, p_start = _grown(p_row, room), _grown(p_start, room)
                        p_stop, p_fragment = _grown(p_stop, room), _grown(p_fragment, room)
                    p_row[size], p_start[size], p_stop[size], p_fragment[size] = row[i], open_from, left, fragment[i]
                    size += 1
                open_from = right
            if stop[above] < stop[below]:
                above += 1
            else:
                below += 1
        if size + 2 > room:
            room *= 2
            p_row, p_start = _grown(p_row, room), _grown(p_start, room)
            p_stop, p_fragment = _grown(p_stop, room), _grown(p_fragment, room)
        p_row[size], p_start[size], p_stop[size], p_fragment[size] = row[i], open_from, stop[i], fragment[i]
        size += 1
    return p_row[:size].copy(), p_start[:size].copy(), p_stop[:size].copy(), p_fragment[:size].copy()


@njit(cache=True, nogil=True)
def _grown(values: Any, room: Any) -> Any:
    """The same values in a longer array."""
    longer = np.empty(room, values.dtype)
    for i in range(values.shape[0]):
        longer[i] = values[i]
    return longer


@njit(cache=True, nogil=True)
def _lines(row: Any) -> Any:
    """Line of each run, and the first run of each line with the number of runs last."""
    n = row.shape[0]
    line_of, first = np.empty(n, np.int32), np.empty(n + 1, np.int64)
    size = 0
    for i in range(n):
        if i == 0 or row[i] != row[i - 1]:
            first[size] = i
            size += 1
        line_of[i] = size - 1
    first[size] = n
    return line_of, first[: size + 1].copy()


@njit(cache=True, nogil=True)
def _neighbour_line(row: Any, line_of: Any, first: Any, i: Any, step: Any) -> Any:
    """Index range of the runs one row above (-1) or below (+1) run i; empty where there are none."""
    line = line_of[i] + step
    if line < 0 or line + 1 >= first.shape[0] or row[first[line]] != row[i] + step:
        return 0, 0
    return first[line], first[line + 1]


@njit(cache=True, nogil=True)
def _first_ending_after(stop: Any, begin: Any, end: Any, column: Any) -> Any:
    """First run in a range whose end lies right of a column."""
    while begin < end:
        middle = (begin + end) // 2
        if stop[middle] <= column:
            begin = middle + 1
        else:
            end = middle
    return begin


@njit(cache=True, nogil=True)
def _near_pairs(
    row: Any, start: Any, stop: Any, fragment: Any, component: Any, radius: Any, x_um: Any, y_um: Any
) -> Any:
    """Nearest fragments of every two components that meet in neighbouring cells within the radius."""
    cell_w, cell_h = int(radius / x_um) + 1, int(radius / y_um) + 1
    farthest = 0
    for column in stop:
        farthest = max(farthest, column)
    n_cells = farthest // cell_w + 3  # one empty column of cells at either side
    first, second = np.empty(1024, np.int64), np.empty(1024, np.int64)
    gap = np.empty(1024, np.float64)
    size = 0
    n = row.shape[0]
    mono = np.full((3, n_cells), -1, np.int64)  # -1 empty, -2 several components, else the only one
    previous = _no_groups(n_cells)
    begin = _band_end(row, 0, -1, cell_h)
    current_band = row[0] // cell_h if n else 0
    end = _band_end(row, begin, current_band, cell_h)
    _fill_mono(mono[1], start, stop, fragment, component, begin, end, cell_w)
    while begin < n:
        next_end = _band_end(row, end, current_band + 1, cell_h)
        _fill_mono(mono[2], start, stop, fragment, component, end, next_end, cell_w)
        groups = _group(row, start, stop, fragment, component, begin, end, cell_w, mono)
        for g in range(groups[0].shape[0]):
            cell = groups[0][g]
            for other_band in range(2):
                others = groups if other_band == 0 else previous
                lowest = cell if other_band == 0 else cell - 1
                for h in range(others[3][lowest], others[3][cell + 2]):
                    if groups[1][g] == others[1][h] or (other_band == 0 and h <= g):
                        continue
                    found, a, b, distance = _nearest(
                        row, start, stop, fragment, groups, g, others, h, radius, x_um, y_um
                    )
                    if not found:
                        continue
                    if size == first.shape[0]:
                        first, second, gap = _grown(first, 2 * size), _grown(second, 2 * size), _grown(gap, 2 * size)
                    first[size], second[size], gap[size] = min(a, b), max(a, b), distance
                    size += 1
        previous = groups
        for cell in range(n_cells):
            mono[0, cell], mono[1, cell] = mono[1, cell], mono[2, cell]
        current_band += 1
        begin, end = end, next_end
        if begin == end and begin < n:  # rows without parts: jump to the next band that has some
            current_band = row[begin] // cell_h
            end = _band_end(row, begin, current_band, cell_h)
            for cell in range(n_cells):
                mono[0, cell] = -1
            _fill_mono(mono[1], start, stop, fragment, component, begin, end, cell_w)
            previous = _no_groups(n_cells)
    return first[:size].copy(), second[:size].copy(), gap[:size].copy()


@njit(cache=True, nogil=True)
def _no_groups(n_cells: Any) -> Any:
    """An empty band: cell, component and box of each group, first group of each cell, parts, part offsets."""
    return (
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty((0, 4), np.int64),
        np.zeros(n_cells + 2, np.int64),
        np.empty(0, np.int64),
        np.zeros(1, np.int64),
    )


@njit(cache=True, nogil=True)
def _band_end(row: Any, begin: Any, band: Any, cell_h: Any) -> Any:
    """Index after the last part of a band of cells."""
    end = begin
    while end < row.shape[0] and row[end] // cell_h <= band:
        end += 1
    return end


@njit(cache=True, nogil=True)
def _fill_mono(
    mono: Any, start: Any, stop: Any, fragment: Any, component: Any, begin: Any, end: Any, cell_w: Any
) -> None:
    """Which cells of a band hold one component only."""
    for cell in range(mono.shape[0]):
        mono[cell] = -1
    for i in range(begin, end):
        c = component[fragment[i]]
        for cell in range(start[i] // cell_w + 1, (stop[i] - 1) // cell_w + 2):
            if mono[cell] == -1:
                mono[cell] = c
            elif mono[cell] != c:
                mono[cell] = -2


@njit(cache=True, nogil=True)
def _meets_another(mono: Any, cell: Any, c: Any) -> bool:
    """Whether the 3 x 3 cells around a cell hold anything but one component."""
    for band in range(3):
        for near in range(cell - 1, cell + 2):
            if mono[band, near] != -1 and mono[band, near] != c:
                return True
    return False


@njit(cache=True, nogil=True)
def _group(
    row: Any, start: Any, stop: Any, fragment: Any, component: Any, begin: Any, end: Any, cell_w: Any, mono: Any
) -> Any:
    """Parts of a band by cell and component, with boxes; cells inside one component are left out."""
    n_cells = mono.shape[1]
    interesting = np.zeros(n_cells, np.bool_)
    for cell in range(1, n_cells - 1):
        c = mono[1, cell]
        interesting[cell] = c == -2 or (c != -1 and _meets_another(mono, cell, c))
    size = 0
    for i in range(begin, end):
        for cell in range(start[i] // cell_w + 1, (stop[i] - 1) // cell_w + 2):
            size += interesting[cell]
    keys, parts = np.empty(size, np.int64), np.empty(size, np.int64)
    size = 0
    for i in range(begin, end):
        for cell in range(start[i] // cell_w + 1, (stop[i] - 1) // cell_w + 2):
            if interesting[cell]:
                keys[size], parts[size] = cell * np.int64(component.shape[0]) + component[fragment[i]], i
                size += 1
    _sort_together(keys, parts)
    n_groups = 0
    for k in range(size):
        n_groups += k == 0 or keys[k] != keys[k - 1]
    cells, components = np.empty(n_groups, np.int64), np.empty(n_groups, np.int64)
    boxes, offsets = np.empty((n_groups, 4), np.int64), np.zeros(n_groups + 1, np.int64)
    first_of_cell = np.zeros(n_cells + 2, np.int64)
    g = -1
    for k in range(size):
        i = parts[k]
        cell = keys[k] // component.shape[0]
        # Only what lies in the cell itself: a long part is entered once in each of its cells.
        x0, x1 = max(start[i], (cell - 1) * cell_w), min(stop[i], cell * cell_w)
        if k == 0 or keys[k] != keys[k - 1]:
            g += 1
            cells[g], components[g] = cell, keys[k] % component.shape[0]
            boxes[g, 0], boxes[g, 1], boxes[g, 2], boxes[g, 3] = x0, row[i], x1, row[i] + 1
            first_of_cell[cell + 1] += 1
        boxes[g, 0], boxes[g, 2] = min(boxes[g, 0], x0), max(boxes[g, 2], x1)
        boxes[g, 1], boxes[g, 3] = min(boxes[g, 1], row[i]), max(boxes[g, 3], row[i] + 1)
        offsets[g + 1] = k + 1
    return cells, components, boxes, np.cumsum(first_of_cell), parts, offsets


@njit(cache=True, nogil=True)
def _sort_together(keys: Any, values: Any) -> None:
    """Sort keys, each with its value, in place (Shell 1959); numba's own sorts take seconds to compile."""
    n = keys.shape[0]
    step = 1
    while step < n // 3:
        step = 3 * step + 1
    while step > 0:
        for i in range(step, n):
            key, value = keys[i], values[i]
            k = i
            while k >= step and keys[k - step] > key:
                keys[k], values[k] = keys[k - step], values[k - step]
                k -= step
            keys[k], values[k] = key, value
        step //= 3


@njit(cache=True, nogil=True)
def _square_gap(
    a0: Any, a1: Any, b0: Any, b1: Any, ar0: Any, ar1: Any, br0: Any, br1: Any, x_um: Any, y_um: Any
) -> Any:
    """Squared distance of two closed rectangles of pixels [rows ar0:ar1, columns a0:a1] and b."""
    dx = max(0, b0 - a1, a0 - b1) * x_um
    dy = max(0, br0 - ar1, ar0 - br1) * y_um
    return dx * dx + dy * dy


@njit(cache=True, nogil=True)
def _nearest(
    row: Any,
    start: Any,
    stop: Any,
    fragment: Any,
    groups: Any,
    g: Any,
    others: Any,
    h: Any,
    radius: Any,
    x_um: Any,
    y_um: Any,
) -> Any:
    """Nearest pair of fragments of two groups within the radius, ties by fragment."""
    box_g, box_h = groups[2][g], others[2][h]
    best, best_a, best_b = radius * radius * (1 + 1e-12), -1, -1
    if _square_gap(box_g[0], box_g[2], box_h[0], box_h[2], box_g[1], box_g[3], box_h[1], box_h[3], x_um, y_um) > best:
        return False, 0, 0, 0.0
    for k in range(groups[5][g], groups[5][g + 1]):
        i = groups[4][k]
        if (
            _square_gap(start[i], stop[i], box_h[0], box_h[2], row[i], row[i] + 1, box_h[1], box_h[3], x_um, y_um)
            > best
        ):
            continue
        for m in range(others[5][h], others[5][h + 1]):
            j = others[4][m]
            squared = _square_gap(
                start[i], stop[i], start[j], stop[j], row[i], row[i] + 1, row[j], row[j] + 1, x_um, y_um
            )
            if squared > best:
                continue
            a, b = min(fragment[i], fragment[j]), max(fragment[i], fragment[j])
            if squared < best or best_a < 0 or a < best_a or (a == best_a and b < best_b):
                best, best_a, best_b = squared, a, b
    distance = np.sqrt(best)
    return best_a >= 0 and distance <= radius, best_a, best_b, distance
