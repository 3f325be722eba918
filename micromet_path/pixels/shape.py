"""Form of a mask in microns: distance, discs, filled holes, perimeter, and how sharp its rims are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, Region
from micromet_path.kernels import kernel
from micromet_path.pixels.label import filled_and_left

__all__ = [
    "between_pixels",
    "bounding_box",
    "closed",
    "closed_in_steps",
    "coarse",
    "dilated",
    "distance_um",
    "edge_widths_um",
    "edged",
    "filled",
    "gradient_per_um",
    "held_in_boxes",
    "opened",
    "padded",
    "painted",
    "perimeter_um",
    "rim_of",
    "smooth_in_place",
    "smoothed",
]

Mask = NDArray[np.bool_]
_Kind = TypeVar("_Kind", bound=np.generic)
Map = NDArray[np.float64]

_FAR = 1e20
_ENOUGH_PLACES = 500
_SQRT_2_PI = float(np.sqrt(2 * np.pi))


def painted(row: NDArray[np.int32], start: NDArray[np.int32], stop: NDArray[np.int32], region: Region) -> Mask:
    """Runs as a mask of a region; what lies outside of it is left out.

    Parameters
    ----------
    row, start, stop : ndarray of shape (R,), int32
        Of level 0, half-open.
    region : Region

    Examples
    --------
    >>> painted(*np.array([[1], [3], [9]], np.int32), Region(2, 1, 6, 2))
    array([[False,  True,  True,  True]])
    """
    mask = np.zeros(region.shape, np.bool_)
    _paint(mask, row, start, stop, region.x0, region.y0)
    return mask


@kernel("b1[:,::1], i4[::1], i4[::1], i4[::1], i8, i8")
def _paint(mask: Any, row: Any, start: Any, stop: Any, x0: Any, y0: Any) -> None:
    rows, columns = mask.shape
    for i in range(len(row)):
        if 0 <= row[i] - y0 < rows:
            mask[row[i] - y0, max(start[i] - x0, 0) : max(min(stop[i] - x0, columns), 0)] = True


def distance_um(mask: Mask, spacing: PixelSpacing) -> Map:
    """Distance from each pixel of a mask to the nearest pixel centre outside; the picture's border is no outside.

    Parameters
    ----------
    mask : ndarray of shape (M, N), bool

    Returns
    -------
    ndarray of shape (M, N)
        0 outside; very large where there is no outside at all.

    Examples
    --------
    >>> distance_um(np.array([[False, True, True]]), PixelSpacing(0.5, 0.5))
    array([[0. , 0.5, 1. ]])
    """
    squared = np.empty(mask.shape)
    _down_columns(mask, spacing.y_um, squared)
    _along_rows(squared, spacing.x_um)
    return np.asarray(np.sqrt(squared))


@kernel("b1[:,::1], f8, f8[:,::1]")
def _down_columns(mask: Any, step: Any, squared: Any) -> None:
    """Squared distance to the nearest pixel outside in the same column; row by row, as memory lies."""
    rows, columns = mask.shape
    for row in range(rows):
        for column in range(columns):
            above = squared[row - 1, column] + 1.0 if row else _FAR
            squared[row, column] = min(above, _FAR) if mask[row, column] else 0.0
    for row in range(rows - 1, -1, -1):
        for column in range(columns):
            steps = squared[row, column]
            if row < rows - 1:
                steps = min(steps, squared[row + 1, column] + 1.0)
            squared[row, column] = steps
    for row in range(rows):
        for column in range(columns):
            steps = squared[row, column]
            squared[row, column] = _FAR if steps >= _FAR else (steps * step) * (steps * step)


@kernel("f8[:,::1], f8")
def _along_rows(squared: Any, step: Any) -> None:
    """Lower envelope of parabolas in each row (Felzenszwalb and Huttenlocher 2012), in place."""
    rows, columns = squared.shape
    vertex = np.empty(columns, np.int64)
    begins = np.empty(columns + 1)
    height = np.empty(columns)
    for row in range(rows):
        k = -1
        for q in range(columns):
            height[q] = squared[row, q]
            if height[q] >= 1e20:
                continue
            if height[q] == 0.0 and 0 < q < columns - 1 and squared[row, q - 1] == 0.0 and squared[row, q + 1] == 0.0:
                continue  # those at the ends of a stretch are nearer to all that is not in it
            begin = -1e30
            while k >= 0:
                p = vertex[k]
                begin = ((height[q] - height[p]) / (step * step) + q * q - p * p) / (2.0 * (q - p))
                if begin > begins[k]:
                    break
                k -= 1
                begin = -1e30
            k += 1
            vertex[k] = q
            begins[k] = begin
        if k < 0:
            continue
        begins[k + 1] = 1e30
        i = 0
        for q in range(columns):
            if height[q] == 0.0:
                continue
            while begins[i + 1] < q:
                i += 1
            away = (q - vertex[i]) * step
            squared[row, q] = away * away + height[vertex[i]]


def dilated(mask: Mask, reach_um: float, spacing: PixelSpacing) -> Mask:
    """Pixels within a distance of a mask, both ends included; `distance_um` of what is outside, many times faster.

    Examples
    --------
    >>> dilated(np.array([[False, True, False, False]]), 0.5, PixelSpacing(0.5, 0.5))
    array([[ True,  True,  True, False]])
    """
    return np.asarray(_dilated(np.ascontiguousarray(mask), _half_widths(reach_um, spacing)))


@lru_cache(1024)
def _half_widths(reach_um: float, spacing: PixelSpacing) -> NDArray[np.int32]:
    """Columns that a disc reaches to either side, row by row from its middle down."""
    down = np.arange(int(reach_um / spacing.y_um) + 1)[:, None] * spacing.y_um
    across = np.arange(int(reach_um / spacing.x_um) + 1) * spacing.x_um
    return np.asarray(np.count_nonzero(np.sqrt(down * down + across * across) <= reach_um, axis=1) - 1, np.int32)


@kernel("b1[:,::1], i4[::1]")
def _dilated(mask: Any, widths: Any) -> Any:
    """Each row is widened for each row that it reaches; the inner loops run along memory."""
    rows, columns = mask.shape
    far = np.int32(1 << 30)
    away = np.empty((rows, columns), np.int32)
    result = np.zeros((rows, columns), np.bool_)
    for row in range(rows):
        steps, held = far, 0
        for column in range(columns):
            steps = np.int32(0) if mask[row, column] else min(far, steps + np.int32(1))
            away[row, column] = steps
            held += steps == 0
        if held == 0:
            continue
        for column in range(columns - 1, -1, -1):
            steps = min(away[row, column], steps + np.int32(1))
            away[row, column] = steps
        for distance in range(len(widths)):
            width = widths[distance]
            for side in range(-1 if distance else 1, 2, 2):
                target = row + side * distance
                if 0 <= target < rows and width >= 0:
                    for column in range(columns):
                        result[target, column] |= away[row, column] <= width
    return result


def opened(mask: Mask, radius_um: float, spacing: PixelSpacing) -> Mask:
    """The part of a mask that discs of a radius reach without leaving it: what is not thinner than twice that."""
    below_um = float(np.nextafter(radius_um + 0.25 * (spacing.x_um + spacing.y_um), 0.0))
    return np.asarray(mask & dilated(~dilated(~mask, below_um, spacing), below_um, spacing))


def closed(mask: Mask, gap_um: float, spacing: PixelSpacing) -> Mask:
    """A mask with gaps up to a width bridged."""
    near = dilated(mask, gap_um / 2, spacing)
    return np.asarray(mask | ~dilated(~near, gap_um / 2, spacing))


def closed_in_steps(mask: Mask, steps: int) -> Mask:
    """A mask with gaps bridged that so many steps from each side cross, each to one of four neighbours.

    Examples
    --------
    >>> closed_in_steps(np.array([[True, False, True, False]] * 3), 1)[1]
    array([ True,  True,  True, False])
    """
    near = padded(mask, steps)
    for _ in range(steps):
        near = _with_four_neighbours(near)
    far = ~near
    for _ in range(steps):
        far = _with_four_neighbours(far)
    return np.asarray(~far[steps:-steps, steps:-steps])


def _with_four_neighbours(mask: Mask) -> Mask:
    """A mask grown by a step to four sides."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def filled(mask: Mask, hole_um2: float, spacing: PixelSpacing) -> Mask:
    """A mask with holes up to an area filled; what reaches the picture's border is no hole."""
    return filled_and_left(mask, hole_um2 / spacing.pixel_area_um2)[0]


def rim_of(mask: Mask) -> Mask:
    """Pixels of a mask with a 4-neighbour outside; the picture's border is an outside."""
    inner = np.zeros_like(mask)
    middle = mask[1:-1, 1:-1]
    inner[1:-1, 1:-1] = middle & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return np.asarray(mask & ~inner)


def padded(mask: NDArray[_Kind], margin: int) -> NDArray[_Kind]:
    """A mask or labels in a frame of nothing; numpy's own is ten times slower on small pictures."""
    rows, columns = mask.shape
    result = np.zeros((rows + 2 * margin, columns + 2 * margin), mask.dtype)
    result[margin : margin + rows, margin : margin + columns] = mask
    return result


def edged(values: NDArray[_Kind], rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[_Kind]:
    """A picture with its border's values repeated outside, above and below, to the left and right."""
    for axis, (before, after) in enumerate((rows, columns)):
        if before or after:
            size = values.shape[axis]
            values = values.take(np.arange(-before, size + after).clip(0, size - 1), axis)
    return values


def smoothed(values: NDArray[Any], sigma_um: float, spacing: PixelSpacing) -> Map:
    """Gaussian of a width in microns; the border's value goes on outside."""
    down, across = (_gaussian(sigma_um / um) for um in (spacing.y_um, spacing.x_um))
    return np.asarray(_convolved(np.ascontiguousarray(values, dtype=np.float64), down, across))


@lru_cache(1024)
def _gaussian(sigma_px: float) -> Map:
    """Weights of a Gaussian out to three widths."""
    reach = int(3.0 * sigma_px + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma_px, 1e-9)) ** 2)
    return np.asarray(weights / weights.sum())


@kernel("f8[:,::1], f8[::1], f8[::1]")
def _convolved(values: Any, down: Any, across: Any) -> Any:
    """Rows and columns weighted; each inner loop runs along memory, which makes it three times as fast as scipy's."""
    rows, columns = values.shape
    reach_y, reach_x = len(down) // 2, len(across) // 2
    upright = np.zeros((rows, columns))
    for row in range(rows):
        for k in range(len(down)):
            source = min(max(row + k - reach_y, 0), rows - 1)
            weight = down[k]
            for column in range(columns):
                upright[row, column] += weight * values[source, column]
    result = np.zeros((rows, columns))
    line = np.empty(columns + 2 * reach_x)
    for row in range(rows):
        for column in range(columns + 2 * reach_x):
            line[column] = upright[row, min(max(column - reach_x, 0), columns - 1)]
        for k in range(len(across)):
            weight = across[k]
            for column in range(columns):
                result[row, column] += weight * line[column + k]
    return result


def smooth_in_place(values: NDArray[np.float32], sigma_px: float) -> None:
    """Gaussian of a large picture out to four widths, in no more memory; the border mirrors.

    The values are those of scipy's filter to the last bit.
    """
    reach = int(4.0 * sigma_px + 0.5)
    weights = np.exp(-0.5 / (sigma_px * sigma_px) * np.arange(-reach, reach + 1) ** 2)
    weights /= weights.sum()
    down, across = (_mirrored(size, reach) for size in values.shape)
    if len(weights) > 1 and values.size:
        _smooth_columns(values, weights, down)
        _smooth_rows(values, weights, across)


def _mirrored(size: int, margin: int) -> NDArray[np.int64]:
    """Where the value of each pixel comes from, a margin on both sides included; the border pixel comes twice."""
    there_and_back = np.arange(-margin, size + margin) % (2 * max(size, 1))
    return np.minimum(there_and_back, 2 * size - 1 - there_and_back)


@kernel("f4[:,::1], f8[::1], i8[::1]")
def _smooth_columns(values: Any, weights: Any, source: Any) -> None:
    """A few columns at a time, so that what lies below is read before it is written."""
    rows, columns = values.shape
    reach, width = len(weights) // 2, 64
    block, line = np.empty((len(source), width)), np.empty(width)
    for first in range(0, columns, width):
        here = min(width, columns - first)
        for row in range(len(source)):
            for c in range(here):
                block[row, c] = values[source[row], first + c]
        for row in range(rows):
            for c in range(here):
                line[c] = block[row + reach, c] * weights[reach]
            for k in range(reach):
                for c in range(here):
                    line[c] += (block[row + k, c] + block[row + 2 * reach - k, c]) * weights[k]
            for c in range(here):
                values[row, first + c] = line[c]


@kernel("f4[:,::1], f8[::1], i8[::1]")
def _smooth_rows(values: Any, weights: Any, source: Any) -> None:
    """A row at a time."""
    rows, columns = values.shape
    reach = len(weights) // 2
    padded_row, line = np.empty(len(source)), np.empty(columns)
    for row in range(rows):
        for c in range(len(source)):
            padded_row[c] = values[row, source[c]]
        for c in range(columns):
            line[c] = padded_row[c + reach] * weights[reach]
        for k in range(reach):
            for c in range(columns):
                line[c] += (padded_row[c + k] + padded_row[c + 2 * reach - k]) * weights[k]
        for c in range(columns):
            values[row, c] = line[c]


def between_pixels(values: Map, points: NDArray[np.float64]) -> Map:
    """Values at points (row, column) between the centres of pixels, by straight lines.

    Parameters
    ----------
    values : ndarray of shape (M, N)
    points : ndarray of shape (..., 2)
        No point lies beyond the outermost centres.
    """
    flat = np.ascontiguousarray(points.reshape(-1, 2))
    return np.asarray(_between(np.ascontiguousarray(values), flat)).reshape(points.shape[:-1])


@kernel("f8[:,::1], f8[:,::1]")
def _between(values: Any, points: Any) -> Any:
    """Bilinear interpolation."""
    rows, columns = values.shape
    result = np.empty(len(points))
    for i in range(len(points)):
        row, column = int(points[i, 0]), int(points[i, 1])
        below, right = min(row + 1, rows - 1), min(column + 1, columns - 1)
        down, across = points[i, 0] - row, points[i, 1] - column
        upper = values[row, column] * (1 - across) + values[row, right] * across
        lower = values[below, column] * (1 - across) + values[below, right] * across
        result[i] = upper * (1 - down) + lower * down
    return result


def gradient_per_um(values: Map, spacing: PixelSpacing) -> Map:
    """Length of the gradient; central differences."""
    return np.asarray(_slope(values, spacing.y_um, spacing.x_um))


@kernel("f8[:,::1], f8, f8")
def _slope(values: Any, step_y: Any, step_x: Any) -> Any:
    """Both differences of each pixel, without a padded copy; the border's value goes on outside."""
    rows, columns = values.shape
    result = np.empty((rows, columns))
    for row in range(rows):
        above, below = max(row - 1, 0), min(row + 1, rows - 1)
        for column in range(columns):
            left, right = max(column - 1, 0), min(column + 1, columns - 1)
            across = (values[row, right] - values[row, left]) / (2 * step_x)
            down = (values[below, column] - values[above, column]) / (2 * step_y)
            result[row, column] = np.sqrt(across * across + down * down)
    return result


def perimeter_um(mask: Mask, spacing: PixelSpacing) -> float:
    """Length of a mask's outline, the same in every direction: the integral of the gradient of the smoothed mask."""
    soft = smoothed(padded(mask, 4), 0.75 * max(spacing.x_um, spacing.y_um), spacing)
    return float(gradient_per_um(soft, spacing).sum() * spacing.pixel_area_um2)


def edge_widths_um(values: Map, places: Mask, reach_um: float, spacing: PixelSpacing) -> tuple[Map, Map]:
    """Width of the sharpest edge near each of some places, and its height.

    Parameters
    ----------
    values : ndarray of shape (M, N)
        A smoothed map.
    places : ndarray of shape (M, N), bool
        Of many, an even choice is looked at.
    reach_um : float
        How far from a place its edge may lie.

    Returns
    -------
    width_um : ndarray of shape (K,)
        Standard deviation of the blur that makes a step that soft; cut off at about 0.8 of `reach_um`.
    height : ndarray of shape (K,)
        Difference of the highest and lowest value within reach.

    Notes
    -----
    A step of height ``a`` blurred by ``s`` has a steepest slope of ``a / (s sqrt(2 pi))``.
    """
    reach_y, reach_x = (max(1, round(reach_um / um)) for um in (spacing.y_um, spacing.x_um))
    at = np.flatnonzero(places)
    at = np.ascontiguousarray(at[:: len(at) // _ENOUGH_PLACES + 1])  # along a long outline
    steepest, height = _extremes_near(values, _slope(values, spacing.y_um, spacing.x_um), at, reach_y, reach_x)
    return height / np.maximum(steepest * _SQRT_2_PI, 1e-9), height


@kernel("f8[:,::1], f8[:,::1], i8[::1], i8, i8")
def _extremes_near(values: Any, slopes: Any, places: Any, reach_y: Any, reach_x: Any) -> Any:
    """Steepest slope, and highest less lowest value, in a box around each place of a flat index."""
    rows, columns = values.shape
    steepest, height = np.empty(len(places)), np.empty(len(places))
    for i in range(len(places)):
        row, column = places[i] // columns, places[i] % columns
        slope, high, low = 0.0, values[row, column], values[row, column]
        left, right = max(column - reach_x, 0), min(column + reach_x + 1, columns)
        for r in range(max(row - reach_y, 0), min(row + reach_y + 1, rows)):
            for c in range(left, right):
                slope = max(slope, slopes[r, c])
                high, low = max(high, values[r, c]), min(low, values[r, c])
        steepest[i], height[i] = slope, high - low
    return steepest, height


def held_in_boxes(mask: Mask, down: int, across: int) -> NDArray[np.uint16]:
    """Pixels of a mask in each box of so many rows and columns; boxes that the border cuts hold what is left of them.

    Examples
    --------
    >>> held_in_boxes(np.array([[True, True, False], [False, True, True]]), 2, 2)
    array([[3, 1]], dtype=uint16)
    """
    rows, columns = mask.shape
    held = np.zeros((-(-rows // down), -(-columns // across)), np.uint16)
    for row in range(min(down, rows)):
        for column in range(min(across, columns)):
            part = mask[row::down, column::across]
            held[: part.shape[0], : part.shape[1]] += part
    return held


def coarse(values: NDArray[Any], spacing: PixelSpacing, target_um: float = 1.5) -> tuple[Map, PixelSpacing]:
    """Means over blocks of an odd number of pixels, near a target spacing and not above it.

    Odd blocks and even padding put the grid at the same place when the picture is turned or mirrored.
    """
    steps = [max(1, (int(target_um / um + 1) // 2) * 2 - 1) for um in (spacing.y_um, spacing.x_um)]
    if steps == [1, 1]:
        return np.asarray(values, np.float64), spacing
    pads = [_padding(size, step) for size, step in zip(values.shape[:2], steps, strict=True)]
    framed = edged(np.asarray(values, np.float64), (pads[0], pads[0]), (pads[1], pads[1]))
    total = np.zeros(framed[:: steps[0], :: steps[1]].shape)
    for row in range(steps[0]):
        for column in range(steps[1]):
            total += framed[row :: steps[0], column :: steps[1]]
    return total / (steps[0] * steps[1]), spacing.downsampled(steps[1], steps[0])


def _padding(size: int, step: int) -> int:
    """Pixels to add at either end so that whole steps fit; there is always one for an odd step."""
    return next(pad for pad in range(step) if (size + 2 * pad) % step == 0)


def bounding_box(mask: Mask, margin_um: float, spacing: PixelSpacing) -> tuple[slice, slice]:
    """Rows and columns around a mask that is not empty."""
    slices = []
    for axis, um in ((1, spacing.y_um), (0, spacing.x_um)):
        used = np.flatnonzero(mask.any(axis=axis))
        margin = int(np.ceil(margin_um / um))
        slices.append(slice(max(0, int(used[0]) - margin), int(used[-1]) + margin + 1))
    return slices[0], slices[1]
