"""Compiled loops that paint stain amounts into a block and turn them into light.

All take the block's origin in level-0 pixels and draw only what falls inside; what they draw at a
pixel depends on its place on the slide alone, so blocks may be cut anywhere and drawn in any order.
"""

from __future__ import annotations

import numpy as np

from micromet_path.apps.samples.planes import CHROMOGEN, HAEM, NEUTRAL
from micromet_path.apps.samples.tissue import mixed
from micromet_path.kernels import kernel

__all__ = [
    "box_reduced",
    "count_ellipses",
    "develop",
    "paint_ellipses",
    "paint_ground",
    "paint_nuclei",
    "paint_spans",
    "paint_specks",
    "softened",
    "summed_amount",
]

PERIOD_MASK = 1023
"""Columns and rows wrap in the periodic textures (a power of two less one)."""
JITTER = 0.85
"""How far a nucleus may leave its lattice place, in steps of the lattice."""


@kernel()
def paint_ground(haem, second, x0, y0, offset, inside, tone, step, ground, ragged, um, wash):  # type: ignore[no-untyped-def]
    """Fill tissue with its ground: haematoxylin haze and, for H&E, a pink wash of the second stain."""
    rows, columns = haem.shape
    for row in range(rows):
        r, v = (row + offset[1]) // step, ((row + offset[1]) % step) / step
        y = (y0 + row) & PERIOD_MASK
        for cell in range((columns + offset[0] + step - 1) // step):
            left = inside[r, cell] * (1 - v) + inside[r + 1, cell] * v
            right = inside[r, cell + 1] * (1 - v) + inside[r + 1, cell + 1] * v
            if max(left, right) < -8.0:
                continue
            tone_left = tone[r, cell] * (1 - v) + tone[r + 1, cell] * v
            tone_right = tone[r, cell + 1] * (1 - v) + tone[r + 1, cell + 1] * v
            begin = cell * step - offset[0]
            for column in range(max(begin, 0), min(begin + step, columns)):
                u, x = (column - begin) / step, (x0 + column) & PERIOD_MASK
                edge = left + (right - left) * u + (np.int64(ragged[y, x]) - 128) * 0.03
                if edge > 0:
                    fibril = 1 + (np.int64(ground[y, x]) - 128) * 0.0045
                    amount = (tone_left + (tone_right - tone_left) * u) * fibril * min(1.0, 0.4 + 0.4 * edge / um)
                    haem[row, column] = np.uint8(max(amount, 0.0))
                    if wash > 0:
                        second[row, column] = np.uint8(wash * max(fibril * fibril, 0.2))


@kernel()
def paint_nuclei(haem, x0, y0, offset, fields, step, stamps, stamp_px, pitch, aspect, seed):  # type: ignore[no-untyped-def]
    """Scatter nuclei of the node over a jittered lattice: their share and kind follow the survey.

    ``pitch`` is that of columns; the one of rows is smaller by ``aspect``, a pixel's height in widths.
    """
    rows, columns = haem.shape
    kinds = len(stamps) // 3
    reach = stamps.shape[1]
    pitch_y = pitch / aspect
    for site_row in range(int(np.floor((y0 - reach) / pitch_y)), int(np.ceil((y0 + rows + reach) / pitch_y))):
        for site_column in range(int(np.floor((x0 - reach) / pitch)), int(np.ceil((x0 + columns + reach) / pitch))):
            code = mixed(site_column, site_row, seed)
            x = (site_column + 0.5 * (site_row & 1) + ((code & np.uint64(255)) / 255.0 - 0.5) * JITTER) * pitch - x0
            y = (site_row + 0.5 + ((code >> np.uint64(8) & np.uint64(255)) / 255.0 - 0.5) * JITTER) * pitch_y - y0
            c, r = int((x + offset[0]) / step + 0.5), int((y + offset[1]) / step + 0.5)
            if not (0 <= r < fields.shape[1] and 0 <= c < fields.shape[2]):
                continue  # farther away than the largest nucleus reaches
            if fields[0, r, c] < 3.0 or (code >> np.uint64(16) & np.uint64(1023)) / 1023.0 >= fields[1, r, c]:
                continue
            pale = (code >> np.uint64(26) & np.uint64(1023)) / 1023.0 < fields[3, r, c]
            kind = 2 if fields[0, r, c] < 16.0 else (1 if pale else 0)
            stamp = kind * kinds + int((code >> np.uint64(36)) % np.uint64(kinds))
            _blit(haem, stamps[stamp], stamp_px[stamp], int(np.floor(x)), int(np.floor(y)))


@kernel(inline="always")
def _blit(haem, stamp, side, x, y):  # type: ignore[no-untyped-def]
    """Darken the block by a stamp centred on a pixel."""
    left, top = x - side // 2, y - side // 2
    first, last = max(0, -left), min(side, haem.shape[1] - left)
    if last <= first:
        return
    for row in range(max(0, -top), min(side, haem.shape[0] - top)):
        line = haem[top + row, left + first : left + last]
        ink = stamp[row, first:last]
        for column in range(len(line)):
            line[column] = max(line[column], ink[column])


@kernel()
def paint_spans(haem, second, x0, y0, row, start, stop, cytoplasm, level, shift_x, shift_y):  # type: ignore[no-untyped-def]
    """Stain the spans of a focus: brown cytoplasm takes the place of what was there."""
    for span in range(len(row)):
        r = row[span] - y0
        if r < 0 or r >= haem.shape[0]:
            continue
        y = (row[span] + shift_y) & PERIOD_MASK
        for column in range(max(start[span] - x0, 0), min(stop[span] - x0, haem.shape[1])):
            x = (column + x0 + shift_x) & PERIOD_MASK
            second[r, column] = np.uint8(min(level * cytoplasm[y, x] / 128, 235))
            haem[r, column] = np.uint8(10 + (cytoplasm[x, y] >> 4))


@kernel()
def paint_ellipses(haem, second, x0, y0, ellipses, ground, aspect):  # type: ignore[no-untyped-def]
    """Draw unstained nuclei of tumour cells: rows of (x, y, half axes a and b, angle, haematoxylin).

    Places are in pixels, half axes in widths of a pixel; ``aspect`` is a pixel's height in widths.
    """
    for index in range(len(ellipses)):
        x, y, a, b, angle, ink = ellipses[index]
        cosine, sine = np.cos(angle), np.sin(angle)
        for row in range(max(int(y - a / aspect - 1) - y0, 0), min(int(y + a / aspect + 2) - y0, haem.shape[0])):
            for column in range(max(int(x - a - 1) - x0, 0), min(int(x + a + 2) - x0, haem.shape[1])):
                dx, dy = column + x0 + 0.5 - x, (row + y0 + 0.5 - y) * aspect
                u, v = (dx * cosine + dy * sine) / a, (dy * cosine - dx * sine) / b
                away = u * u + v * v
                if away < 1.0:
                    fibril = ground[(row + y0) & PERIOD_MASK, (column + x0) & PERIOD_MASK]
                    haem[row, column] = np.uint8(ink * (0.8 + 0.25 * away) * (0.6 + fibril / 320.0))
                    second[row, column] = 4


@kernel()
def count_ellipses(ellipses, aspect):  # type: ignore[no-untyped-def]
    """Pixels whose centres lie inside ellipses that do not overlap."""
    total = 0
    for index in range(len(ellipses)):
        x, y, a, b, angle, _ = ellipses[index]
        cosine, sine = np.cos(angle), np.sin(angle)
        for row in range(int(y - a / aspect - 1), int(y + a / aspect + 2)):
            for column in range(int(x - a - 1), int(x + a + 2)):
                dx, dy = column + 0.5 - x, (row + 0.5 - y) * aspect
                u, v = (dx * cosine + dy * sine) / a, (dy * cosine - dx * sine) / b
                total += u * u + v * v < 1.0
    return total


@kernel()
def summed_amount(row, start, stop, ellipses, aspect, cytoplasm, level, shift_x, shift_y):  # type: ignore[no-untyped-def]
    """Stain that `paint_spans` lays down, less where ellipses are left out, and the pixels that hold it."""
    total, count = 0, 0
    for span in range(len(row)):
        y = (row[span] + shift_y) & PERIOD_MASK
        for column in range(start[span], stop[span]):
            total += int(min(level * cytoplasm[y, (column + shift_x) & PERIOD_MASK] / 128, 235))
        count += stop[span] - start[span]
    for index in range(len(ellipses)):
        x, y_middle, a, b, angle, _ = ellipses[index]
        cosine, sine = np.cos(angle), np.sin(angle)
        for r in range(int(y_middle - a / aspect - 1), int(y_middle + a / aspect + 2)):
            y = (r + shift_y) & PERIOD_MASK
            for column in range(int(x - a - 1), int(x + a + 2)):
                dx, dy = column + 0.5 - x, (r + 0.5 - y_middle) * aspect
                u, v = (dx * cosine + dy * sine) / a, (dy * cosine - dx * sine) / b
                if u * u + v * v < 1.0:
                    total -= int(min(level * cytoplasm[y, (column + shift_x) & PERIOD_MASK] / 128, 235))
                    count -= 1
    return total, count


@kernel()
def paint_specks(second, neutral, x0, y0, specks, aspect):  # type: ignore[no-untyped-def]
    """Draw grains of pigment or dust: rows of (x, y, half axes a and b, angle, density, brown) in pixels and units."""
    rows, columns = neutral.shape
    for index in range(len(specks)):
        x, y, a, b, angle, ink, brown = specks[index]
        cosine, sine = np.cos(angle), np.sin(angle)
        for row in range(max(int(y - a / aspect - 1) - y0, 0), min(int(y + a / aspect + 2) - y0, rows)):
            for column in range(max(int(x - a - 1) - x0, 0), min(int(x + a + 2) - x0, columns)):
                dx, dy = column + x0 + 0.5 - x, (row + y0 + 0.5 - y) * aspect
                u, v = (dx * cosine + dy * sine) / a, (dy * cosine - dx * sine) / b
                away = u * u + v * v
                if away < 1.0:
                    neutral[row, column] = np.uint8(ink * min(1.0, 1.6 - away))
                    second[row, column] = max(second[row, column], np.uint8(brown))


@kernel()
def softened(amounts, out):  # type: ignore[no-untyped-def]
    """Spread each pixel a little to its four neighbours, as a lens does; the border is copied."""
    rows, columns = amounts.shape
    out[0], out[rows - 1] = amounts[0], amounts[rows - 1]
    for row in range(1, rows - 1):
        out[row, 0], out[row, columns - 1] = amounts[row, 0], amounts[row, columns - 1]
        for column in range(1, columns - 1):
            around = np.int64(amounts[row - 1, column]) + amounts[row + 1, column]
            around += np.int64(amounts[row, column - 1]) + amounts[row, column + 1]
            out[row, column] = np.uint8((4 * np.int64(amounts[row, column]) + around + 4) >> 3)


@kernel()
def develop(planes, margin, x0, y0, grain, absorbance, more, light, tiles):  # type: ignore[no-untyped-def]
    """Turn amounts into RGB tiles of shape (N, side, side, 3), side by side in the block.

    ``more`` names the planes beyond haematoxylin, chromogen and neutral that hold anything.
    """
    side, last = tiles.shape[1], light.shape[1] - 1
    for tile in range(len(tiles)):
        for row in range(side):
            r = row + margin
            y = (y0 + r) & PERIOD_MASK
            for column in range(side):
                c = tile * side + column + margin
                a, b = planes[HAEM, r, c], planes[CHROMOGEN, r, c]
                n = min(np.int64(planes[NEUTRAL, r, c]) + np.int64(grain[y, (x0 + c) & PERIOD_MASK]), 255)
                for channel in range(3):
                    index = absorbance[HAEM, channel, a] + absorbance[CHROMOGEN, channel, b]
                    index += absorbance[NEUTRAL, channel, n]
                    for plane in more:
                        index += absorbance[plane, channel, planes[plane, r, c]]
                    tiles[tile, row, column, channel] = light[channel, min(index, last)]


@kernel()
def box_reduced(tiles, out):  # type: ignore[no-untyped-def]
    """Mean of 4 x 4 pixels of tiles lying side by side: out has shape (side // 4, N * side // 4, 3)."""
    quarter = tiles.shape[1] // 4
    for row in range(quarter):
        for column in range(out.shape[1]):
            tile, c = column // quarter, (column % quarter) * 4
            for channel in range(3):
                total = 8
                for down in range(4):
                    for across in range(4):
                        total += tiles[tile, row * 4 + down, c + across, channel]
                out[row, column, channel] = total >> 4
