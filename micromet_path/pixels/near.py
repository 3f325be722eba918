"""Which fragments lie near each other: the search behind the contiguity tree.

Runs are cut down twice before any two are compared: to those with another fragment in reach, and to the
stretches on the border of their fragment, since only these can be nearest to another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.kernels import kernel
from micromet_path.model import Runs
from micromet_path.pixels.search import ONE, ZERO, first_from

__all__ = ["border_parts", "in_reach", "near_pairs"]

_LEAST_CELL_UM = 50.0  # smaller ones would be many on a large slide
_SHORTEST_INNER_PX = 24  # a shorter inner stretch stays: one part more to look at costs more than a longer one


def in_reach(runs: Runs, limit_um: float, spacing: PixelSpacing) -> Runs:
    """Runs that may lie within a distance of another fragment; of a large focus these are few.

    Parameters
    ----------
    runs : Runs
    limit_um : float
    spacing : PixelSpacing

    Returns
    -------
    Runs
        A part of the runs: those in cells at least as large as the limit with a second fragment in the 3 x 3 around.
    """
    if not len(runs.row):
        return runs
    size_um = max(limit_um, _LEAST_CELL_UM)
    width, height = int(size_um / spacing.x_um) + 1, int(size_um / spacing.y_um) + 1
    shape = (int(runs.row.max()) // height + 1, int(runs.stop.max() - 1) // width + 1)
    lowest, highest = np.full(shape, np.iinfo(np.int32).max, np.int32), np.full(shape, -1, np.int32)
    # From tables, as hundreds of thousands of runs would be divided three times each, twice.
    line_of = np.arange(shape[0] * height, dtype=np.int32) // np.int32(height)
    column_of = np.arange(shape[1] * width, dtype=np.int32) // np.int32(width)
    _extremes(runs.row, runs.start, runs.stop, runs.fragment, line_of, column_of, lowest, highest)
    meets = _neighbourhood(lowest, np.minimum) != _neighbourhood(highest, np.maximum)
    kept = _through(runs.row, runs.start, runs.stop, line_of, column_of, meets)
    return Runs(runs.row[kept], runs.start[kept], runs.stop[kept], runs.fragment[kept])


@kernel("i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[:,::1], i4[:,::1]")
def _extremes(
    row: Any, start: Any, stop: Any, fragment: Any, line_of: Any, column_of: Any, lowest: Any, highest: Any
) -> None:
    """Lowest and highest fragment in each cell that runs go through."""
    for i in range(len(row)):
        line = line_of[row[i]]
        for column in range(column_of[start[i]], column_of[stop[i] - 1] + 1):
            lowest[line, column] = min(lowest[line, column], fragment[i])
            highest[line, column] = max(highest[line, column], fragment[i])


@kernel("i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], b1[:,::1]")
def _through(row: Any, start: Any, stop: Any, line_of: Any, column_of: Any, cells: Any) -> Any:
    """Which runs go through any of some cells."""
    result = np.zeros(len(row), np.bool_)
    for i in range(len(row)):
        line = line_of[row[i]]
        for column in range(column_of[start[i]], column_of[stop[i] - 1] + 1):
            result[i] |= cells[line, column]
    return result


def _neighbourhood(cells: NDArray[np.int32], extreme: np.ufunc) -> NDArray[np.int32]:
    """Extreme of the 3 x 3 cells around each."""
    framed = np.pad(cells, 1, mode="edge")
    rows = extreme(extreme(framed[:-2], framed[1:-1]), framed[2:])
    return np.asarray(extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]))


@kernel("i4[::1], i4[::1], i4[::1], i4[::1]")
def border_parts(row: Any, start: Any, stop: Any, fragment: Any) -> Any:
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
        above, above_end = _neighbour_line(row, line_of, first, i, -ONE)
        below, below_end = _neighbour_line(row, line_of, first, i, ONE)
        above = first_from(stop, above, above_end, start[i] + 1)
        below = first_from(stop, below, below_end, start[i] + 1)
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


@kernel()
def _grown(values: Any, room: Any) -> Any:
    """The same values in a longer array."""
    longer = np.empty(room, values.dtype)
    for i in range(values.shape[0]):
        longer[i] = values[i]
    return longer


@kernel()
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


@kernel()
def _neighbour_line(row: Any, line_of: Any, first: Any, i: Any, step: Any) -> Any:
    """Index range of the runs one row above (-1) or below (+1) run i; empty where there are none."""
    line = line_of[i] + step
    if line < 0 or line + 1 >= first.shape[0] or row[first[line]] != row[i] + step:
        return 0, 0
    return first[line], first[line + 1]


@kernel("i4[::1], i4[::1], i4[::1], i4[::1], i8[::1], f8, f8, f8")
def near_pairs(
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
    begin = _band_end(row, ZERO, -ONE, cell_h)
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


@kernel()
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


@kernel()
def _band_end(row: Any, begin: Any, band: Any, cell_h: Any) -> Any:
    """Index after the last part of a band of cells."""
    end = begin
    while end < row.shape[0] and row[end] // cell_h <= band:
        end += 1
    return end


@kernel()
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


@kernel()
def _meets_another(mono: Any, cell: Any, c: Any) -> bool:
    """Whether the 3 x 3 cells around a cell hold anything but one component."""
    for band in range(3):
        for near in range(cell - 1, cell + 2):
            if mono[band, near] != -1 and mono[band, near] != c:
                return True
    return False


@kernel()
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
    for cell in range(1, n_cells + 2):
        first_of_cell[cell] += first_of_cell[cell - 1]
    return cells, components, boxes, first_of_cell, parts, offsets


@kernel()
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


@kernel()
def _square_gap(
    a0: Any, a1: Any, b0: Any, b1: Any, ar0: Any, ar1: Any, br0: Any, br1: Any, x_um: Any, y_um: Any
) -> Any:
    """Squared distance of two closed rectangles of pixels [rows ar0:ar1, columns a0:a1] and b."""
    dx = max(0, b0 - a1, a0 - b1) * x_um
    dy = max(0, br0 - ar1, ar0 - br1) * y_um
    return dx * dx + dy * dy


@kernel()
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
        x0, x1, y0 = np.int64(start[i]), np.int64(stop[i]), np.int64(row[i])
        if _square_gap(x0, x1, box_h[0], box_h[2], y0, y0 + 1, box_h[1], box_h[3], x_um, y_um) > best:
            continue
        for m in range(others[5][h], others[5][h + 1]):
            j = others[4][m]
            left, right, top = np.int64(start[j]), np.int64(stop[j]), np.int64(row[j])
            squared = _square_gap(x0, x1, left, right, y0, y0 + 1, top, top + 1, x_um, y_um)
            if squared > best:
                continue
            a, b = min(fragment[i], fragment[j]), max(fragment[i], fragment[j])
            if squared < best or best_a < 0 or a < best_a or (a == best_a and b < best_b):
                best, best_a, best_b = squared, a, b
    distance = np.sqrt(best)
    return best_a >= 0 and distance <= radius, best_a, best_b, distance
