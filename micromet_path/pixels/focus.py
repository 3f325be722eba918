"""Whether a picture of tissue is in focus: the width of its edges in microns.

A blurred step of light has a slope that falls with its width: blurring it once more by a known amount tells
how wide it was. Two such amounts ask for no knowledge of the stain, of how strong it is, or of how many nuclei
there are, since all of these cancel in a ratio (after Zhuo and Sim, Pattern Recognition 2011).

::

    slope across a step of blur s, after a further blur t:   h / sqrt(2 pi v) exp(-x^2 / 2 v),  v = s^2 + t^2
    its power p, summed over the area:                       M(t) = c v^((1 - p) / 2),  c of all the edges together
    ratio for two amounts:  R = (M(t1) / M(t2))^(2 / (p - 1)) = v2 / v1   =>   s^2 = (t2^2 - R t1^2) / (R - 1)

With the power 4 the steepest edges count, which focus sets, and neither the smooth shades between them nor the
noise. What disturbs this makes an edge look sharper than it is, never wider: noise and the borders of compressed
blocks at the fine pair of amounts, neighbouring nuclei that run into each other at the coarse pair. So of the
two answers the larger holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.kernels import kernel
from micromet_path.pixels.stain import WhitePoint

__all__ = ["WIDEST_UM", "FocusParams", "edge_width", "sharpness"]

_LUMA = np.array([0.299, 0.587, 0.114])  # the channel that JPEG keeps at full resolution
_WORK_UM = 0.5  # finer pictures are averaged down to about this: a rim of 1 um needs no more
_REBLUR_UM = (0.6, 1.0, 2.0)  # from a pixel of the work up to a third of a lymphocyte's nucleus
_TRUNCATE = 3.0  # standard deviations
_POWER = 4  # of the slopes
_STEEP = 1.46  # of slopes spread like those of noise, the steepest twentieth exceeds so many times their power mean
_CURVED = 1.25  # a nucleus has a curved rim and neighbours: it reads a fifth narrower than a straight step
_TYPICAL = 0.35  # quantile of the windows that stands for a patch
_STRIDE = 2  # of the pixels in a window: blurred neighbours are alike
_BARE_CELL_UM = 4.0
_BARE_OD = 0.025  # pale tissue absorbs 0.03 to 0.06
_RIM_CELLS = 3  # a cell is bare from 6 um beyond a border; as much again on the other side
_LEAST_TISSUE = 0.5  # share of a window
_LEAST_WINDOWS = 2  # a single one may hold no more than the smooth rim of a section

WIDEST_UM = 6.0
"""Wider edges cannot be told apart."""


@dataclass(frozen=True, slots=True)
class FocusParams:
    """When tissue is in focus, and on how many places of a slide that is asked.

    Parameters
    ----------
    largest_blur_um : float
        Tissue is in focus up to this width of its edges, as `sharpness` gives it. Defocus of 0.8 um reads as 0.3
        to 1.1 um, one of 1.5 um, at which the rims of lymphocytes begin to merge, as 1.0 to 1.5.
    least_contrast : float
        Edges of less than this share of the white light, over 2 um, are too faint to have a width.
    window_um : float
        Side of the windows in which edges are compared: some ten nuclei.
    places_per_mm2 : float
        Places looked at in a square millimetre of tissue.
    least_places, most_places : int
        Limits of their number, where there is room for so many.
    second_look : int
        Further places around one that is blurred or shows nothing: a single one may be mucus or a fold.
    reach_um : float
        A place speaks for the tissue that is nearer to it than to any other, up to this distance. Focus is held
        or lost over a field or a strip of the scan, a millimetre or more.
    """

    largest_blur_um: float = 1.2
    least_contrast: float = 0.01
    window_um: float = 32.0
    places_per_mm2: float = 1.0
    least_places: int = 48
    most_places: int = 96
    second_look: int = 3
    reach_um: float = 1500.0

    def __post_init__(self) -> None:
        if not 0.5 <= self.largest_blur_um <= 3:
            raise ConfigError(f"focus.largest_blur_um must lie between 0.5 and 3, found {self.largest_blur_um}")
        if not 0 < self.least_contrast < 1:
            raise ConfigError(f"focus.least_contrast must lie between 0 and 1, found {self.least_contrast}")
        if not 16 <= self.window_um <= 256:
            raise ConfigError(f"focus.window_um must lie between 16 and 256, found {self.window_um}")
        if not 1 <= self.least_places <= self.most_places <= 10_000:
            raise ConfigError(
                "focus: expected 1 <= least_places <= most_places <= 10000, found "
                f"{self.least_places}, {self.most_places}"
            )
        if not 0 <= self.second_look <= 100:
            raise ConfigError(f"focus.second_look must lie between 0 and 100, found {self.second_look}")
        for name in ("places_per_mm2", "reach_um"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigError(f"focus.{name} must be above 0, found {getattr(self, name)}")


def sharpness(
    rgb: NDArray[np.uint8], spacing: PixelSpacing, white: WhitePoint, params: FocusParams | None = None
) -> float | None:
    """Width of the edges in a picture of tissue.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Some nuclei across: 64 um or more.
    spacing : PixelSpacing
    white : WhitePoint
    params : FocusParams, optional

    Returns
    -------
    float or None
        Standard deviation of the blur of the edges, in um: optics, thickness of the section and defocus together;
        0 to 6. Scaled for nuclei of 6 to 7 um, on which a Gaussian blur of 2 um reads as 1.3 to 2.3; straight steps
        read a quarter too wide, and what a scanner has sharpened reads as 0. None where too little can be seen to
        tell: bare glass, fat, an even tone, a sliver, or pixels above 1 um.

    Notes
    -----
    Light, not absorbance, since light is what a lens blurs. The border between tissue and glass is left out: it is
    as wide as the section is torn. The answer is that of the lower third of the windows, because tissue in focus
    may have smooth places, but tissue out of focus has no crisp ones.

    Examples
    --------
    >>> step = np.full((256, 512, 3), 200, np.uint8)
    >>> step[:, 64:128], step[:, 192:256], step[:, 320:] = 120, 120, 120
    >>> white = WhitePoint((240.0, 240.0, 240.0), "config")
    >>> sharpness(step, PixelSpacing(0.25, 0.25), white) < 0.3
    True
    >>> sharpness(np.full((256, 256, 3), 180, np.uint8), PixelSpacing(0.25, 0.25), white) is None
    True
    """
    width_um = edge_width(rgb, spacing, white, FocusParams() if params is None else params)
    return width_um if isfinite(width_um) else None


def edge_width(rgb: NDArray[np.uint8], spacing: PixelSpacing, white: WhitePoint, params: FocusParams) -> float:
    """As `sharpness`, with the reason where there is no width.

    Returns
    -------
    float
        NaN where there is too little tissue, ``inf`` where there is tissue and not one edge in it: an even
        substance, or cells so far out of focus that none is left.
    """
    light, work = _light(rgb, spacing, white)
    sides_um = (light.shape[0] * work.y_um, light.shape[1] * work.x_um)
    if max(work.x_um, work.y_um) > 2 * _WORK_UM or min(sides_um) < params.window_um:
        return nan
    tissue = _away_from_glass(light, work)
    slopes = [_slope(light, spacing, work, amount) for amount in _REBLUR_UM]
    widths, n_even = [], 0
    for window in _windows(light.shape, work, params.window_um):
        inside = tissue[window]
        if np.count_nonzero(inside) < _LEAST_TISSUE * inside.size:
            continue
        fine, middle, coarse = (_power_mean(slope[window][inside]) for slope in slopes)
        if _STEEP * coarse ** (1 / _POWER) * _REBLUR_UM[2] >= params.least_contrast:
            widths.append(max(_width(fine, middle, 0), _width(middle, coarse, 1)))
        else:
            n_even += 1
    if len(widths) >= _LEAST_WINDOWS:
        return sorted(widths)[int(_TYPICAL * (len(widths) - 1))]
    return inf if n_even >= _LEAST_WINDOWS else nan


def _light(
    rgb: NDArray[np.uint8], spacing: PixelSpacing, white: WhitePoint
) -> tuple[NDArray[np.float32], PixelSpacing]:
    """Share of the white light that comes through, averaged down to the scale of the work."""
    red, green, blue = (_LUMA / (_LUMA @ np.asarray(white.rgb))).tolist()
    across, down = (max(1, round(_WORK_UM / size)) for size in (spacing.x_um, spacing.y_um))
    return np.asarray(_reduce(rgb, red, green, blue, across, down)), spacing.downsampled(across, down)


@kernel("u1[:,:,::1], f8, f8, f8, i8, i8")
def _reduce(rgb: Any, red: Any, green: Any, blue: Any, across: Any, down: Any) -> Any:
    """Weighted sum of the channels, mean over rectangles of pixels; what is left over at the far edges is dropped."""
    rows, columns = rgb.shape[0] // down, rgb.shape[1] // across
    out = np.empty((rows, columns), np.float32)
    scale = 1.0 / (across * down)
    for row in range(rows):
        for column in range(columns):
            total = np.float64(0.0)
            for y in range(row * down, (row + 1) * down):
                for x in range(column * across, (column + 1) * across):
                    total += red * rgb[y, x, 0] + green * rgb[y, x, 1] + blue * rgb[y, x, 2]
            out[row, column] = total * scale
    return out


def _away_from_glass(light: NDArray[np.float32], work: PixelSpacing) -> NDArray[np.bool_]:
    """Pixels with tissue on all sides: cells of 4 um that are not next to ones whose surroundings are bare."""
    across, down = (max(1, round(_BARE_CELL_UM / size)) for size in (work.x_um, work.y_um))
    rows, columns = np.arange(light.shape[0]) // down, np.arange(light.shape[1]) // across
    cells = np.add.reduceat(
        np.add.reduceat(light, np.arange(0, len(rows), down), axis=0), np.arange(0, len(columns), across), axis=1
    )
    counts = np.outer(np.bincount(rows), np.bincount(columns))
    bare = _of_neighbours(cells) > 10**-_BARE_OD * _of_neighbours(counts)
    for _ in range(_RIM_CELLS):
        bare = _of_neighbours(bare) > 0
    return np.asarray(~bare[np.ix_(rows, columns)])


def _of_neighbours(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Sum of each cell and its eight neighbours; nothing lies beyond the border."""
    padded = np.pad(cells.astype(np.float64), 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:])


def _slope(
    light: NDArray[np.float32], native: PixelSpacing, work: PixelSpacing, amount_um: float
) -> NDArray[np.float32]:
    """Magnitude of the gradient per um after a blur; 0 along the border, where half of the blur would be missing."""
    down, across = (
        _taps(_sigma_px(amount_um, fine, coarse))
        for fine, coarse in ((native.y_um, work.y_um), (native.x_um, work.x_um))
    )
    return np.asarray(_gradient(light, down, across, work.y_um, work.x_um))


def _sigma_px(amount_um: float, native_um: float, work_um: float) -> float:
    """Blur that is still to be applied: averaging pixels and taking differences over two of them blur as well."""
    already = work_um**2 / 3 + (work_um**2 - native_um**2) / 12
    return sqrt(max(amount_um**2 - already, 0.0)) / work_um


def _taps(sigma_px: float) -> NDArray[np.float32]:
    """One half of a Gaussian, from its middle outwards; the whole sums to 1."""
    at = np.arange(ceil(_TRUNCATE * sigma_px) + 1)
    taps = np.exp(-0.5 * (at / max(sigma_px, 1e-3)) ** 2)
    return np.asarray(taps / (2 * taps.sum() - taps[0]), np.float32)


@kernel("f4[:,::1], f4[::1], f4[::1], f8, f8", fastmath=True)
def _gradient(light: Any, down: Any, across: Any, step_y: Any, step_x: Any) -> Any:
    """Blur along both axes, rows first, then central differences."""
    rows, columns = light.shape
    reach_y, reach_x = down.shape[0], across.shape[0]
    blurred = np.zeros_like(light)
    line = np.empty(columns, np.float32)
    for row in range(reach_y - 1, rows - reach_y + 1):
        for x in range(columns):
            line[x] = down[0] * light[row, x]
        for k in range(1, reach_y):
            for x in range(columns):
                line[x] += down[k] * (light[row - k, x] + light[row + k, x])
        for x in range(reach_x - 1, columns - reach_x + 1):
            blurred[row, x] = across[0] * line[x]
        for k in range(1, reach_x):
            for x in range(reach_x - 1, columns - reach_x + 1):
                blurred[row, x] += across[k] * (line[x - k] + line[x + k])
    out = np.zeros_like(light)
    half_y, half_x = np.float32(0.5 / step_y), np.float32(0.5 / step_x)
    for row in range(reach_y, rows - reach_y):
        for x in range(reach_x, columns - reach_x):
            dy = (blurred[row + 1, x] - blurred[row - 1, x]) * half_y
            dx = (blurred[row, x + 1] - blurred[row, x - 1]) * half_x
            out[row, x] = np.sqrt(dy * dy + dx * dx)
    return out


def _windows(shape: tuple[int, int], work: PixelSpacing, side_um: float) -> list[tuple[slice, slice]]:
    """Equal windows of about this side over the part of the picture that every blur reaches."""
    edges = []
    for size, step in zip(shape, (work.y_um, work.x_um), strict=True):
        margin = min(ceil(_TRUNCATE * _REBLUR_UM[-1] / step) + 1, size // 4)
        n = max(1, round((size - 2 * margin) * step / side_um))
        edges.append(np.linspace(margin, size - margin, n + 1).astype(int).tolist())
    rows, columns = ([slice(a, b, _STRIDE) for a, b in pairwise(along)] for along in edges)
    return [(row, column) for row in rows for column in columns]


def _power_mean(slopes: NDArray[np.float32]) -> float:
    """Mean of the slopes to the fourth power."""
    squares = slopes.astype(np.float64) ** 2
    return float((squares * squares).mean())


def _width(fine: float, coarse: float, pair: int) -> float:
    """Width of the edges by the power means after two amounts of blur; ideal steps or less read as 0."""
    first, second = _REBLUR_UM[pair] ** 2, _REBLUR_UM[pair + 1] ** 2
    ratio = (fine / coarse) ** (2 / (_POWER - 1))
    if ratio <= 1:
        return WIDEST_UM
    return min(WIDEST_UM, _CURVED * sqrt(max(0.0, (second - ratio * first) / (ratio - 1))))
