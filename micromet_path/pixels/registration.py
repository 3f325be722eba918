"""Colours out of register: how far red and blue of a scan lie from green, and pixels with all three in one place.

Lenses bend colours differently, and some sensors see them one after the other, so that they lie a part of a pixel
apart. At the rim of whatever is dark one colour is then left over: beside each blue nucleus a crescent of brown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.kernels import kernel
from micromet_path.model import Runs
from micromet_path.pixels.search import ZERO
from micromet_path.pixels.stain import Vector, density_tables

__all__ = ["IN_REGISTER", "Register", "StainLeft", "agreed_register", "register_of", "stain_left"]

_LEAST_APART_PX = 0.3
"""Red from blue: fringes of less stay below the threshold of stain."""

_MOST_APART_PX = 1.6
"""From there on crescents are so broad that they touch the cells beside them, and what is one with a cell stays."""

_LEAST_WINDOWS, _LEAST_SHARE = 5, 0.7
"""Windows that must tell, and the share of them that must agree to within half of what they tell."""

_ERROR_PX = 0.1  # of one window

_MOST_OD = 1.5  # beyond it a sensor says little of a colour
_LEAST_CONTRAST = 1e-4  # mean square of the slope of a density, per pixel: glass and blurred tissue have less


@dataclass(frozen=True, slots=True)
class Register:
    """How far the red and the blue picture are displaced against the green one.

    Parameters
    ----------
    red_px, blue_px : (float, float)
        Along x and y, in pixels.
    """

    red_px: tuple[float, float] = (0.0, 0.0)
    blue_px: tuple[float, float] = (0.0, 0.0)

    @property
    def apart_px(self) -> float:
        """Distance of red and blue."""
        return hypot(self.red_px[0] - self.blue_px[0], self.red_px[1] - self.blue_px[1])

    @property
    def is_undone(self) -> bool:
        """Whether dyes and the second look take the colours in register."""
        return 0 < self.apart_px <= _MOST_APART_PX

    def plus(self, rest: Register) -> Register:
        """The same with what was found once it was undone."""
        red, blue = (
            (one[0] + other[0], one[1] + other[1])
            for one, other in ((self.red_px, rest.red_px), (self.blue_px, rest.blue_px))
        )
        return Register(red, blue)

    def notes(self, spacing: PixelSpacing) -> tuple[str, ...]:
        """What to say of it: nothing where the colours lie in one place."""
        if self == IN_REGISTER:
            return ()
        (red_x, red_y), (blue_x, blue_y) = self.red_px, self.blue_px
        apart_um = hypot((red_x - blue_x) * spacing.x_um, (red_y - blue_y) * spacing.y_um)
        found = f"red and blue of the scan lie {self.apart_px:.1f} px ({apart_um:.2f} um) apart"
        if not self.is_undone:
            return (f"{found}, too far to be put in register: brown crescents beside nuclei may count",)
        return (f"{found}; the second look puts them in register, and fringes beside nuclei are not counted",)

    def in_steps(self, steps: tuple[int, int]) -> Register:
        """The same in pixels that are so many times as wide and high."""
        red, blue = ((x / steps[0], y / steps[1]) for x, y in (self.red_px, self.blue_px))
        return Register(red, blue)

    def applied(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels (M, N, 3) with red and blue moved back onto green, linear between pixels; the border goes on outside.

        Examples
        --------
        >>> step = np.repeat(np.array([[200, 200, 100, 100]], np.uint8)[..., None], 3, axis=2)
        >>> Register(red_px=(0.5, 0.0)).applied(step)[0, :, 0]
        array([200, 150, 100, 100], dtype=uint8)
        """
        return np.asarray(_moved(np.ascontiguousarray(rgb), *self.red_px, *self.blue_px))


IN_REGISTER = Register()
"""Of a scan whose colours lie in one place."""


def register_of(rgb: NDArray[np.uint8], white: Vector) -> Register | None:
    """Displacement of the colours in one window, None where it shows too little.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        With structure on all sides: nuclei.
    white : (float, float, float)
        Light through clear glass.

    Notes
    -----
    To first order a displaced density is the density minus the displacement times its slope. That of red, and of blue,
    is fitted by least squares with that of green, the slopes of green along x and y, and a constant. A second dye
    leaves a rest, which has no direction: closed shapes have each slope and its opposite.
    """
    tables = np.minimum(density_tables(white), _MOST_OD)
    moments, by_red, by_blue, n = _moments(np.ascontiguousarray(rgb), tables)
    if n == 0 or moments[1, 1] + moments[2, 2] < _LEAST_CONTRAST * n:
        return None
    try:
        red, blue = np.linalg.solve(moments, np.stack([by_red, by_blue], axis=1)).T
    except np.linalg.LinAlgError:
        return None
    if min(red[0], blue[0]) <= 0:  # nothing that absorbs all three
        return None
    (red_x, red_y), (blue_x, blue_y) = ((-fit[1:3] / fit[0]).tolist() for fit in (red, blue))
    return Register((red_x, red_y), (blue_x, blue_y))


def agreed_register(windows: Sequence[Register | None], least_px: float = _LEAST_APART_PX) -> Register:
    """The displacement on which windows agree; none where it is smaller than asked for, or they do not."""
    seen = np.array([(*window.red_px, *window.blue_px) for window in windows if window is not None]).reshape(-1, 4)
    if len(seen) < _LEAST_WINDOWS:
        return IN_REGISTER
    red_x, red_y, blue_x, blue_y = np.median(seen, axis=0).tolist()
    found = Register((red_x, red_y), (blue_x, blue_y))
    off = np.hypot(*(seen[:, :2] - seen[:, 2:] - (red_x - blue_x, red_y - blue_y)).T)
    agrees = np.count_nonzero(off <= max(found.apart_px / 2, _ERROR_PX)) >= _LEAST_SHARE * len(seen)
    return found if found.apart_px >= least_px and agrees else IN_REGISTER


@dataclass(frozen=True, slots=True)
class StainLeft:
    """Stain of some fragments as it was found, and once the colours lie on each other; sums over pixels of level 0.

    Parameters
    ----------
    found, left : ndarray of shape (F,), float64
        Chromogen.
    left_px : ndarray of shape (F,), int64
        Pixels that are stained still.
    """

    found: NDArray[np.float64]
    left: NDArray[np.float64]
    left_px: NDArray[np.int64]

    def __add__(self, other: StainLeft) -> StainLeft:
        return StainLeft(self.found + other.found, self.left + other.left, self.left_px + other.left_px)

    @property
    def share_gone(self) -> NDArray[np.float64]:
        """Share of the chromogen that is gone; 0 of what was not seen."""
        seen = np.maximum(self.found, 1e-9)
        return np.asarray(np.where(self.found > 0, 1 - np.clip(self.left, 0, seen) / seen, 0.0))


def stain_left(
    runs: Runs,
    n_fragments: int,
    corner_px0: tuple[int, int],
    steps: tuple[int, int],
    planes: tuple[NDArray[np.float64], NDArray[np.float64]],
    least_od: float,
) -> StainLeft:
    """Stain along the runs of fragments within a window.

    Parameters
    ----------
    runs : Runs
        Of fragments 0 to ``n_fragments``, exclusive.
    n_fragments : int
    corner_px0 : (int, int)
        Where the window begins on level 0.
    steps : (int, int)
        Pixels of level 0 along x and y that make one of the window.
    planes : two ndarrays of shape (M, N)
        Chromogen as it was scanned, and in register.
    least_od : float
        From which a pixel is stained.
    """
    found, left, left_px = np.zeros(n_fragments), np.zeros(n_fragments), np.zeros(n_fragments, np.int64)
    _along(runs.row, runs.start, runs.stop, runs.fragment, corner_px0, steps, *planes, least_od, found, left, left_px)
    return StainLeft(found, left, left_px)


@kernel(
    "i4[::1], i4[::1], i4[::1], i4[::1], UniTuple(i8, 2), UniTuple(i8, 2), f8[:,::1], f8[:,::1], f8, f8[::1], f8[::1], "
    "i8[::1]"
)
def _along(
    row: Any,
    start: Any,
    stop: Any,
    fragment: Any,
    corner: Any,
    steps: Any,
    scanned: Any,
    moved: Any,
    least: Any,
    found: Any,
    left: Any,
    left_px: Any,
) -> None:
    """Add up both planes, and count what is stained still, over the part of each run that lies in the window."""
    rows, columns = scanned.shape
    for i in range(len(row)):
        line = (row[i] - corner[1]) // steps[1]
        if row[i] < corner[1] or line >= rows:
            continue
        f = fragment[i]
        for x in range(max(start[i] - corner[0], 0), min(stop[i] - corner[0], columns * steps[0])):
            column = x // steps[0]
            found[f] += scanned[line, column]
            left[f] += moved[line, column]
            left_px[f] += moved[line, column] >= least


@kernel("u1[:,:,::1], f8[:,::1]")
def _moments(rgb: Any, tables: Any) -> Any:
    """Normal equations of both fits: products of the regressors, of each with red and with blue; every other row."""
    products, by_red, by_blue = np.zeros((4, 4)), np.zeros(4), np.zeros(4)
    red, green, blue = tables[0], tables[1], tables[2]
    n = ZERO
    for row in range(1, rgb.shape[0] - 1, 2):
        for column in range(1, rgb.shape[1] - 1):
            g = green[rgb[row, column, 1]]
            x = 0.5 * (green[rgb[row, column + 1, 1]] - green[rgb[row, column - 1, 1]])
            y = 0.5 * (green[rgb[row + 1, column, 1]] - green[rgb[row - 1, column, 1]])
            r, b = red[rgb[row, column, 0]], blue[rgb[row, column, 2]]
            products[0, 0] += g * g
            products[0, 1] += g * x
            products[0, 2] += g * y
            products[0, 3] += g
            products[1, 1] += x * x
            products[1, 2] += x * y
            products[1, 3] += x
            products[2, 2] += y * y
            products[2, 3] += y
            by_red[0] += g * r
            by_red[1] += x * r
            by_red[2] += y * r
            by_red[3] += r
            by_blue[0] += g * b
            by_blue[1] += x * b
            by_blue[2] += y * b
            by_blue[3] += b
            n += 1
    products[3, 3] = n
    for i in range(4):
        for j in range(i):
            products[i, j] = products[j, i]
    return products, by_red, by_blue, n


@kernel("u1[:,:,::1], f8, f8, f8, f8")
def _moved(rgb: Any, red_x: Any, red_y: Any, blue_x: Any, blue_y: Any) -> Any:
    """Red and blue taken from where they lie."""
    out = rgb.copy()
    _take(rgb, 0, red_x, red_y, out)
    _take(rgb, 2, blue_x, blue_y, out)
    return out


@kernel()
def _take(rgb: Any, channel: Any, right: Any, down: Any, out: Any) -> None:
    """A colour from so far to the right and below, linear between pixels."""
    rows, columns = rgb.shape[:2]
    whole_x, whole_y = int(np.floor(right)), int(np.floor(down))
    part_x, part_y = right - whole_x, down - whole_y
    for row in range(rows):
        upper = min(max(row + whole_y, 0), rows - 1)
        lower = min(max(row + whole_y + 1, 0), rows - 1)
        for column in range(columns):
            left = min(max(column + whole_x, 0), columns - 1)
            other = min(max(column + whole_x + 1, 0), columns - 1)
            above = (1 - part_x) * rgb[upper, left, channel] + part_x * rgb[upper, other, channel]
            below = (1 - part_x) * rgb[lower, left, channel] + part_x * rgb[lower, other, channel]
            out[row, column, channel] = np.uint8((1 - part_y) * above + part_y * below + 0.5)
