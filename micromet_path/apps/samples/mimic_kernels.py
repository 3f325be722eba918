"""Compiled loops that paint what only looks like tumour into a block of dye amounts.

Everything that is painted is given in microns on the slide, so that pixels need not be square; a
block says where it lies by its upper left pixel. What is drawn at a pixel depends on its place and
on the amounts that are there already, never on the block's borders.
"""

from __future__ import annotations

import numpy as np

from micromet_path.apps.samples.planes import CHROMOGEN, HAEM
from micromet_path.apps.samples.tissue import mixed
from micromet_path.kernels import kernel

__all__ = ["PALE_EDGE_UM", "paint_cells", "paint_fold", "paint_grains", "paint_sheet", "paint_strokes"]

SHARPEST_PX = 0.8
"""Least width of an edge in pixels: a pixel takes the mean over its square."""
STAINED_EDGE_UM = 0.7
PALE_EDGE_UM = 2.0
"""Width of the margin of a stained cell and of one that only its contents show."""
UNSTAINED = 4.0
"""Chromogen of a nucleus in a stained cell, in units."""
FOLD_PITCH_UM = 7.0
"""Steps of the lattice on which nuclei of the upper layer of a fold lie."""
FOLD_GROUND = 18.0
FOLD_NUCLEUS = 66.0
"""Haematoxylin of that layer between nuclei and in the middle of one, in units."""
FOLD_BLUR_UM = 2.4
"""Standard deviation of a nucleus there: it lies outside the plane of focus."""


@kernel(inline="always")
def _smooth(value):  # type: ignore[no-untyped-def]
    """0 below 0, 1 above 1, smooth between."""
    part = min(max(value, 0.0), 1.0)
    return part * part * (3 - 2 * part)


@kernel(inline="always")
def _chance(column, row, seed):  # type: ignore[no-untyped-def]
    """A number from 0 to 1 for a lattice point."""
    return np.float64(mixed(column, row, seed) >> np.uint64(40)) / 16777216.0


@kernel()
def _uneven(x, y, seed):  # type: ignore[no-untyped-def]
    """Smooth noise from 0 to 1 on the unit lattice."""
    c, r = np.int64(np.floor(x)), np.int64(np.floor(y))
    u, v = _smooth(x - c), _smooth(y - r)
    top = _chance(c, r, seed) * (1 - u) + _chance(c + 1, r, seed) * u
    bottom = _chance(c, r + 1, seed) * (1 - u) + _chance(c + 1, r + 1, seed) * u
    return top * (1 - v) + bottom * v


@kernel(inline="always")
def _first_last(low_um, high_um, spacing_um, origin, count):  # type: ignore[no-untyped-def]
    """Pixels of a block whose centres may lie from low to high."""
    first = np.int64(np.floor(low_um / spacing_um - 0.5)) - origin
    last = np.int64(np.ceil(high_um / spacing_um + 0.5)) - origin
    return max(first, 0), min(last, count)


@kernel(inline="always")
def _laid_on(line, column, amount):  # type: ignore[no-untyped-def]
    """Opaque matter: the denser of what is there and what is added."""
    line[column] = max(line[column], np.uint8(min(amount + 0.5, 255.0)))


@kernel()
def paint_grains(planes, x0, y0, um_x, um_y, grains):  # type: ignore[no-untyped-def]
    """Ellipses: rows of (plane, x, y, half axes a and b, angle, amount, width of the edge, hollowness)."""
    _, rows, columns = planes.shape
    sharpest = SHARPEST_PX * max(um_x, um_y)
    for index in range(len(grains)):
        plane, x, y, a, b, angle, amount, edge, hollow = grains[index]
        soft = max(edge, sharpest)
        reach = a + soft
        top, bottom = _first_last(y - reach, y + reach, um_y, y0, rows)
        left, right = _first_last(x - reach, x + reach, um_x, x0, columns)
        cosine, sine = np.cos(angle), np.sin(angle)
        for row in range(top, bottom):
            dy = (row + y0 + 0.5) * um_y - y
            line = planes[np.int64(plane), row]
            for column in range(left, right):
                dx = (column + x0 + 0.5) * um_x - x
                radius = np.hypot((dx * cosine + dy * sine) / a, (dy * cosine - dx * sine) / b)
                share = _smooth((1 - radius) * b / soft + 0.5)
                if share > 0:
                    _laid_on(line, column, amount * share * (1 - hollow * max(1 - radius * radius, 0.0)))


@kernel()
def paint_strokes(planes, x0, y0, um_x, um_y, strokes):  # type: ignore[no-untyped-def]
    """Tapering lines: rows of (plane, from x, y, half width, to x, y, half width, amount, width of the edge)."""
    _, rows, columns = planes.shape
    sharpest = SHARPEST_PX * max(um_x, um_y)
    for index in range(len(strokes)):
        plane, x_a, y_a, w_a, x_b, y_b, w_b, amount, edge = strokes[index]
        soft = max(edge, sharpest)
        reach = max(w_a, w_b) + soft
        along_x, along_y = x_b - x_a, y_b - y_a
        squared = max(along_x * along_x + along_y * along_y, 1e-9)
        top, bottom = _first_last(min(y_a, y_b) - reach, max(y_a, y_b) + reach, um_y, y0, rows)
        left, right = _first_last(min(x_a, x_b) - reach, max(x_a, x_b) + reach, um_x, x0, columns)
        for row in range(top, bottom):
            dy = (row + y0 + 0.5) * um_y - y_a
            line = planes[np.int64(plane), row]
            for column in range(left, right):
                dx = (column + x0 + 0.5) * um_x - x_a
                part = min(max((dx * along_x + dy * along_y) / squared, 0.0), 1.0)
                away = np.hypot(dx - part * along_x, dy - part * along_y)
                share = _smooth((w_a + (w_b - w_a) * part - away) / soft + 0.5)
                if share > 0:
                    _laid_on(line, column, amount * share)


@kernel()
def paint_cells(planes, x0, y0, um_x, um_y, cells):  # type: ignore[no-untyped-def]
    """Cells that take the place of what was there.

    Rows of (x, y, half axes a and b, angle, haematoxylin and chromogen of the cytoplasm, nucleus's
    place along the first axis, its radius, its haematoxylin, one-sidedness): with one-sidedness 1
    the cytoplasm is stained only on the side of the nucleus that looks to the cell's middle.
    """
    _, rows, columns = planes.shape
    sharpest = SHARPEST_PX * max(um_x, um_y)
    for index in range(len(cells)):
        x, y, a, b, angle, haem, chromogen, at, radius, ink, sided = cells[index]
        soft = max(STAINED_EDGE_UM if chromogen > 0 else PALE_EDGE_UM, sharpest)
        cosine, sine = np.cos(angle), np.sin(angle)
        top, bottom = _first_last(y - a - soft, y + a + soft, um_y, y0, rows)
        left, right = _first_last(x - a - soft, x + a + soft, um_x, x0, columns)
        for row in range(top, bottom):
            dy = (row + y0 + 0.5) * um_y - y
            for column in range(left, right):
                dx = (column + x0 + 0.5) * um_x - x
                u, v = dx * cosine + dy * sine, dy * cosine - dx * sine
                share = _smooth((1 - np.hypot(u / a, v / b)) * b / soft + 0.5)
                if share <= 0:
                    continue
                away = np.hypot(u - at, v)
                nucleus = _smooth((radius - away) / soft + 0.5)
                # Chromatin lies in clumps under the membrane; the place beside the nucleus stays pale.
                clumps = 1 + 0.28 * (away / radius) ** 2 * np.cos(6 * np.arctan2(v, u - at) + 9 * angle)
                side = 1 - sided * _smooth((u - at) / radius + 0.2)
                pale = 1 - 0.6 * sided * np.exp(-((np.hypot(u - at + 1.25 * radius, v) / (0.5 * radius)) ** 2))
                brown = chromogen * side * pale * (1 - nucleus) + min(UNSTAINED, chromogen) * nucleus
                blue = haem * (1 - nucleus) + ink * clumps * nucleus
                for plane, amount in ((HAEM, blue), (CHROMOGEN, brown)):
                    mean = planes[plane, row, column] * (1 - share) + amount * share
                    planes[plane, row, column] = np.uint8(min(mean + 0.5, 255.0))


@kernel(inline="always")
def _between(values, x, y):  # type: ignore[no-untyped-def]
    """Value at a place of a lattice, bilinear; 0 outside."""
    c, r = np.int64(np.floor(x)), np.int64(np.floor(y))
    if c < 0 or r < 0 or c + 1 >= values.shape[1] or r + 1 >= values.shape[0]:
        return 0.0
    u, v = x - c, y - r
    top = values[r, c] * (1 - u) + values[r, c + 1] * u
    bottom = values[r + 1, c] * (1 - u) + values[r + 1, c + 1] * u
    return top * (1 - v) + bottom * v


@kernel()
def paint_sheet(planes, x0, y0, um_x, um_y, plane, left_um, top_um, step_um, values, flaky, grain_um, seed, on_tissue):  # type: ignore[no-untyped-def]
    """Add a sheet that is given on a coarse lattice; ``flaky`` 0 leaves it smooth, 1 tears it into flakes.

    With ``on_tissue`` only pixels that hold some haematoxylin take it: glass does not.
    """
    _, rows, columns = planes.shape
    high, wide = values.shape
    top, bottom = _first_last(top_um, top_um + (high - 1) * step_um, um_y, y0, rows)
    left, right = _first_last(left_um, left_um + (wide - 1) * step_um, um_x, x0, columns)
    for row in range(top, bottom):
        y = (row + y0 + 0.5) * um_y
        for column in range(left, right):
            x = (column + x0 + 0.5) * um_x
            amount = _between(values, (x - left_um) / step_um, (y - top_um) / step_um)
            if amount < 0.25 or (on_tissue and planes[HAEM, row, column] == 0):
                continue
            if flaky > 0:
                noise = 0.6 * _uneven(x / grain_um, y / grain_um, seed)
                noise += 0.4 * _uneven(2.7 * x / grain_um, 2.7 * y / grain_um, seed + 1)
                amount *= 1 - flaky + flaky * _smooth((noise - 0.38) / 0.18) * (0.6 + 0.8 * noise)
            total = planes[plane, row, column] + amount
            planes[plane, row, column] = np.uint8(min(total + 0.5, 255.0))


@kernel()
def paint_fold(planes, x0, y0, um_x, um_y, left_um, top_um, step_um, weight, seed):  # type: ignore[no-untyped-def]
    """Lay a second, unsharp layer of the same tissue over a band; ``weight`` is 1 where it lies, 0 elsewhere."""
    count, rows, columns = planes.shape
    high, wide = weight.shape
    top, bottom = _first_last(top_um, top_um + (high - 1) * step_um, um_y, y0, rows)
    left, right = _first_last(left_um, left_um + (wide - 1) * step_um, um_x, x0, columns)
    for row in range(top, bottom):
        y = (row + y0 + 0.5) * um_y
        for column in range(left, right):
            x = (column + x0 + 0.5) * um_x
            share = _between(weight, (x - left_um) / step_um, (y - top_um) / step_um)
            if share < 0.01 or planes[HAEM, row, column] == 0:
                continue
            for plane in range(count):
                # Part of the layer below seen again; the rest of the haematoxylin is the unsharp nuclei above.
                again = 0.2 if plane == HAEM else 1.0
                amount = planes[plane, row, column] * (1 + again * share)
                if plane == HAEM:
                    amount += share * _upper_layer(x, y, seed)
                planes[plane, row, column] = np.uint8(min(amount + 0.5, 255.0))


@kernel()
def _upper_layer(x, y, seed):  # type: ignore[no-untyped-def]
    """Haematoxylin of unsharp tissue at a place: ground and nuclei of a jittered lattice."""
    home_column, home_row = np.int64(np.floor(x / FOLD_PITCH_UM)), np.int64(np.floor(y / FOLD_PITCH_UM))
    total = 0.0
    for c in range(home_column - 1, home_column + 2):
        for r in range(home_row - 1, home_row + 2):
            if _chance(c, r, seed) < 0.75:
                dx = x - (c + 0.1 + 0.8 * _chance(c, r, seed + 1)) * FOLD_PITCH_UM
                dy = y - (r + 0.1 + 0.8 * _chance(c, r, seed + 2)) * FOLD_PITCH_UM
                total += np.exp(-0.5 * (dx * dx + dy * dy) / FOLD_BLUR_UM**2)
    return FOLD_GROUND + FOLD_NUCLEUS * min(total, 1.3)
