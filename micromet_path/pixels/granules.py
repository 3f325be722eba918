"""How granular a stain is: dots of the width of a micron or two, as pigment in macrophages has and cytoplasm has not.

At a dot the chromogen falls off to all sides, along a membrane or a process to two only, within cytoplasm to none.
What it falls off by is the smaller of the two principal curvatures of chromogen, seen through a blur of a dot's size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.shape import smoothed

__all__ = ["Granularity", "granularity"]

_DOT_UM = 0.6  # standard deviation of the blur: what is half as wide is grain, what is three times as wide a nucleus
_WIDEST_PIXEL_UM = 0.75  # of a scan that shows dots: between wider ones no chromogen falls off


class Granularity(NamedTuple):
    """Both are 0 where nothing falls off, or pixels are too wide to show it.

    Parameters
    ----------
    depth : float
        By how much of the mean chromogen it falls off to all sides, at the 90th percentile of the stain.
    roundness : float
        Fall to all sides over fall to any, summed over the stain: of lines next to 0, of noise 0.15, of dots 0.2 up.
    """

    depth: float
    roundness: float


def granularity(chromogen: NDArray[np.float64], stained: NDArray[np.bool_], spacing: PixelSpacing) -> Granularity:
    """How granular the stain of a picture is.

    Parameters
    ----------
    chromogen : ndarray of shape (M, N)
        With a few microns around the stain.
    stained : ndarray of shape (M, N), bool
        At least one pixel.
    spacing : PixelSpacing

    Examples
    --------
    >>> y, x = np.mgrid[:40, :40] * 0.5
    >>> dots = 0.3 + 0.3 * np.cos(2.5 * x) * np.cos(2.5 * y)
    >>> lines = 0.3 + 0.3 * np.cos(2.5 * x)
    >>> stain = np.ones((40, 40), bool)
    >>> [granularity(plane, stain, PixelSpacing(0.5, 0.5)).depth > 0.1 for plane in (dots, lines)]
    [True, False]
    """
    if max(spacing.x_um, spacing.y_um) > _WIDEST_PIXEL_UM:
        return Granularity(0.0, 0.0)
    soft = smoothed(chromogen, _DOT_UM, spacing)
    down, across = ((_DOT_UM / um) ** 2 for um in (spacing.y_um, spacing.x_um))  # curvatures for lengths of a dot
    inner = soft[1:-1, 1:-1]
    yy = (soft[2:, 1:-1] + soft[:-2, 1:-1] - 2 * inner) * down
    xx = (soft[1:-1, 2:] + soft[1:-1, :-2] - 2 * inner) * across
    xy = (soft[2:, 2:] + soft[:-2, :-2] - soft[2:, :-2] - soft[:-2, 2:]) / 4 * np.sqrt(down * across)
    own = stained[1:-1, 1:-1]
    mean, spread = (xx + yy)[own] / 2, np.hypot((xx - yy)[own] / 2, xy[own])
    to_all, to_any = np.maximum(-mean - spread, 0), np.maximum(spread - mean, 0)
    typical = float(chromogen[stained].mean())
    if not len(to_all) or typical <= 0 or not to_any.any():
        return Granularity(0.0, 0.0)
    return Granularity(float(np.quantile(to_all, 0.9)) / typical, float(to_all.sum() / to_any.sum()))
