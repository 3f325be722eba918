"""Colour of what is stained against the slide's own chromogen: black, melanin, iron, ink, or DAB.

Densities are split into the two dyes and the residual of a `StainModel`; only densities that the camera
could still measure count, because dark DAB is black to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.pixels.examine_params import ExamineParams, ramp, ramps
from micromet_path.pixels.planes import plane_of
from micromet_path.pixels.stain import StainModel, dye_tables, optical_density

__all__ = [
    "OWN_HUE",
    "UNKNOWN_HUE",
    "Hue",
    "SlideHue",
    "hue_of",
    "off_hue_strength",
    "slide_hue",
]

Floats = NDArray[np.float64]

_TYPICAL_RESIDUAL = 0.05  # of either dye: between Ruifrok's vectors (0) and those of real slides (0.06 to 0.11)
_FEW_PIXELS = 100
_ENOUGH_STAINED = 8000
_ENOUGH_AROUND = 20_000
_RESIDUAL_RANGE = (-0.05, 0.12)  # of the DAB of any laboratory: a slide full of melanin must not be its own measure
_HAEMATOXYLIN_RANGE = (-0.08, 0.0)


@dataclass(frozen=True, slots=True)
class SlideHue:
    """Where the chromogen of a slide lies beside the model's vector, per unit of chromogen.

    Parameters
    ----------
    haematoxylin, residual : float
        Apparent amounts of the other two dyes in a pixel of pure chromogen.
    is_known : bool
        Whether the slide told; otherwise typical values.
    is_own : bool
        Whether the model's vector is the slide's own chromogen, so that nothing but noise lies beside it.
    """

    haematoxylin: float = 0.0
    residual: float = _TYPICAL_RESIDUAL
    is_known: bool = False
    is_own: bool = False


UNKNOWN_HUE = SlideHue()
"""The hue of a slide that does not tell: typical DAB."""

OWN_HUE = SlideHue(haematoxylin=0.0, residual=0.0, is_known=True, is_own=True)
"""The hue of a slide whose vectors are its own."""


@dataclass(frozen=True, slots=True)
class Hue:
    """Colour of stained pixels.

    Parameters
    ----------
    neutral_share : float
        Share of the stain (by density) that absorbs red, green and blue alike.
    off_wedge_share : float
        Share with a colour that no mixture of the two dyes has.
    residual : float
        Median residual over chromogen, without the part that haematoxylin brings.
    haematoxylin : float
        Median haematoxylin over chromogen.
    unsaturated_share : float
        Share of the stain whose densities the camera could measure; the medians stand on it.
    """

    neutral_share: float
    off_wedge_share: float
    residual: float
    haematoxylin: float
    unsaturated_share: float


def hue_of(
    rgb: NDArray[np.uint8], stained: NDArray[np.bool_], model: StainModel, params: ExamineParams, slide: SlideHue
) -> Hue:
    """Colour of the stained pixels of a view.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
    stained : ndarray of shape (M, N), bool
        At least one pixel.
    model : StainModel
    params : ExamineParams
    slide : SlideHue
        Vectors that miss a scanner's dyes miss both the same way.
    """
    few = _thinned(stained.shape, np.count_nonzero(stained) / _ENOUGH_STAINED)  # shares and medians need no more
    pixels = _gathered(rgb, stained, True, *few)
    stain_od = optical_density(pixels, model.white.rgb).T
    stain = np.stack(_dyes_of(pixels, model))
    total = np.maximum(stain_od.sum(axis=0), 1e-6)
    # Below a tenth of the light, glare and the blur of dark grains make every colour greyer: such a pixel counts in
    # part.
    trust = np.clip((1.3 - stain_od.max(axis=0)) / 0.4, 0.05, 1.0)
    weight = trust * total
    brought = _residual_of_haematoxylin(rgb, stained, model, slide.residual)
    chromogen = np.maximum(stain[1], 0.05)
    residual = (stain[2] - brought * np.maximum(stain[0], 0.0)) / chromogen
    neutral = ramps(_degrees_from_grey(stain_od), params.neutral_deg)
    off_wedge = ramps(np.abs(stain[2]) / np.sqrt((stain_od**2).sum(axis=0) + 1e-12), params.off_wedge)
    return Hue(
        # Black saturates all colours alike; chromogen that is dark in blue still lets red through.
        neutral_share=_mean(neutral, total),
        off_wedge_share=_mean(off_wedge, weight),
        residual=_weighted_median(residual, weight),
        haematoxylin=_weighted_median(stain[0] / chromogen, weight),
        unsaturated_share=_mean(trust, total),
    )


def _dyes_of(pixels: NDArray[np.uint8], model: StainModel) -> tuple[Floats, ...]:
    """Haematoxylin, chromogen and residual of pixels, (N, 3)."""
    return tuple(plane_of(pixels[None], table)[0] for table in dye_tables(model))


def _residual_of_haematoxylin(
    rgb: NDArray[np.uint8], stained: NDArray[np.bool_], model: StainModel, typical: float
) -> float:
    """Residual over haematoxylin of the blue pixels of a view; where there are few, towards that of the other dye."""
    rows, columns = _thinned(stained.shape, stained.size / _ENOUGH_AROUND)
    haematoxylin, chromogen, residual = _dyes_of(_gathered(rgb, stained, False, rows, columns), model)
    is_blue = (haematoxylin > 0.2) & (chromogen < 0.3 * haematoxylin)
    blue = float(np.count_nonzero(is_blue) * (stained.size / (len(rows) * len(columns))))
    if not blue:
        return typical
    ratio = float(np.clip(np.median(residual[is_blue] / haematoxylin[is_blue]), -0.15, 0.15))
    return (ratio * blue + typical * _FEW_PIXELS) / (blue + _FEW_PIXELS)


def _thinned(shape: tuple[int, ...], times: float) -> tuple[NDArray[np.intp], ...]:
    """Rows and columns that leave so many times fewer pixels, the same ones when a picture is turned or mirrored."""
    step = max(1, int(times**0.5))
    return tuple(np.flatnonzero(np.minimum(np.arange(size), np.arange(size)[::-1]) % step == 0) for size in shape)


@kernel("u1[:,:,::1], b1[:,::1], b1, i8[::1], i8[::1]")
def _gathered(rgb: Any, mask: Any, wanted: Any, rows: Any, columns: Any) -> Any:
    """Pixels (N, 3) of some rows and columns where a mask has the value wanted."""
    pixels = np.empty((len(rows) * len(columns), 3), np.uint8)
    n = 0
    for row in rows:
        for column in columns:
            if mask[row, column] == wanted:
                pixels[n, 0], pixels[n, 1], pixels[n, 2] = rgb[row, column, 0], rgb[row, column, 1], rgb[row, column, 2]
                n += 1
    return pixels[:n]


def _degrees_from_grey(od: Floats) -> Floats:
    """Angle of each density, (3, N), from a colour that absorbs all light alike."""
    along = od.sum(axis=0) / np.sqrt(3.0)
    across = np.sqrt(np.maximum((od * od).sum(axis=0) - along * along, 0.0))
    return np.asarray(np.degrees(np.arctan2(across, along)))


def _mean(values: Floats, weights: Floats) -> float:
    """Mean by weights."""
    return float((values * weights).sum() / weights.sum())


def _weighted_median(values: Floats, weights: Floats) -> float:
    """Value with half of the weight on either side; of many values from a fine histogram."""
    if len(values) > 5000:
        low, high = float(values.min()), float(values.max())
        bins = np.minimum(((values - low) * (20_000 / max(high - low, 1e-9))).astype(np.int64), 19_999)
        values = np.asarray(low + (np.arange(20_000) + 0.5) * (max(high - low, 1e-9) / 20_000), np.float64)
        weights = np.bincount(bins, weights, minlength=20_000).astype(weights.dtype)
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(np.interp(total[-1] / 2, total - weights[order] / 2, values[order]))


def slide_hue(sum_stain: NDArray[np.int64], od_scale: int) -> SlideHue:
    """Hue of a slide's chromogen from the sums of all its fragments.

    Parameters
    ----------
    sum_stain : ndarray of shape (F, 3), int64
        Haematoxylin, chromogen, residual.
    od_scale : int
        Unit of the sums.

    Returns
    -------
    SlideHue
        Medians over fragments, each counting with its chromogen but the largest few not alone; within the
        range of known DAB. Unknown with fewer than five fragments: one pigmented cell must not be its own measure.
    """
    dyes = sum_stain.astype(np.float64) / od_scale
    dyes = dyes[dyes[:, 1] > 0]
    if len(dyes) < 5:
        return UNKNOWN_HUE
    weight = np.minimum(dyes[:, 1], np.quantile(dyes[:, 1], 0.75))
    residual = _weighted_median(dyes[:, 2] / dyes[:, 1], weight)
    # Nuclei under the stain add haematoxylin and never take it away: the purest fragments tell.
    haematoxylin = float(np.quantile(dyes[:, 0] / dyes[:, 1], 0.1))
    return SlideHue(
        haematoxylin=float(np.clip(haematoxylin, *_HAEMATOXYLIN_RANGE)),
        residual=float(np.clip(residual, *_RESIDUAL_RANGE)),
        is_known=True,
    )


def off_hue_strength(residual: float, haematoxylin: float, slide: SlideHue, params: ExamineParams) -> float:
    """How sure a brown is another one than the slide's chromogen: melanin's or iron's.

    Parameters
    ----------
    residual, haematoxylin : float
        Over chromogen, as in `Hue`.
    slide : SlideHue
    params : ExamineParams

    Examples
    --------
    >>> slide = SlideHue(haematoxylin=0.0, residual=0.0, is_known=True)
    >>> [off_hue_strength(r, h, slide, ExamineParams()) for r, h in ((0.0, 0.1), (0.13, 0.3), (0.04, -0.33))]
    [0.0, 1.0, 1.0]
    >>> [off_hue_strength(0.04, 0.1, hue, ExamineParams()) >= 0.5 for hue in (slide, OWN_HUE)]
    [False, True]
    """
    margin = 0.0 if slide.is_known else params.unknown_hue
    other_brown = params.own_residual if slide.is_own else params.melanin_residual
    melanin = ramp(residual - slide.residual - margin, other_brown)
    golden = ramp(haematoxylin - slide.haematoxylin, params.golden_haematoxylin)
    return max(melanin, golden)
