"""Light to dye: the white point, optical density, unmixing, and the tables that *define* stained.

Conventions are those of QuPath: optical density is ``-log10(max(I, 1) / I0)``, never negative; the
stain vectors of Ruifrok and Johnston (2001) are normalised and the third one is the cross product of
the first two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError

__all__ = [
    "BOUND_UNIT",
    "FIELD_BITS",
    "OD_SCALE",
    "StainModel",
    "StainParams",
    "StainTables",
    "WhitePoint",
    "blue_line",
    "density_tables",
    "dye_tables",
    "find_white",
    "make_tables",
    "optical_density",
    "thinned",
    "unmix",
]

OD_SCALE = 1 << 15
"""Fixed-point unit of the tables: a density in a sum is a whole number of 1/32768."""

BOUND_UNIT = 64
"""Unit of the straight bound on blue: small enough that its terms fit into 16 bits."""

FIELD_BITS = 21
"""Width of one dye in `StainTables.packed`: three fit into 63 bits."""

Vector = tuple[float, float, float]

_LEAST_TURN = 0.07  # sine of 4 degrees; from there on each dye of each colour fits its field

_PARALLEL = "the haematoxylin and chromogen vectors are nearly parallel; they cannot be told apart"

_ENOUGH_PIXELS = 200_000

_LEVELS = np.maximum(np.arange(256), 1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class StainParams:
    """How dye is told from light.

    Parameters
    ----------
    haematoxylin, chromogen : tuple of float
        Absorbance of the two dyes in red, green and blue (Ruifrok and Johnston 2001; QuPath's
        "H-DAB default").
    vectors : {"estimated", "fixed"}
        Which vectors decide: the slide's own where it shows enough of a dye (see `dyes`), else these; or always
        these. What was estimated is recorded in either case.
    thresholds : {"normalised", "fixed"}
        Whether the four densities below are lowered together on a slide whose stain is weak.
    white : tuple of float or None
        Light through clear glass; None finds it on the slide.
    threshold_od : float
        Chromogen density from which a pixel is stained; 0.2 is where QuPath starts to call DAB weak positive.
    threshold_low_od, threshold_high_od : float
        Densities that give the ends of the size interval.
    strong_od : float
        Density that at least one pixel of a small fragment must reach.
    """

    haematoxylin: Vector = (0.650, 0.704, 0.286)
    chromogen: Vector = (0.268, 0.570, 0.776)
    vectors: Literal["estimated", "fixed"] = "estimated"
    thresholds: Literal["normalised", "fixed"] = "normalised"
    white: Vector | None = None
    threshold_od: float = 0.20
    threshold_low_od: float = 0.16
    threshold_high_od: float = 0.25
    strong_od: float = 0.35

    def __post_init__(self) -> None:
        ordered = (0.0, self.threshold_low_od, self.threshold_od, self.threshold_high_od, self.strong_od)
        if not all(low < high for low, high in pairwise((*ordered, 2.4))):
            raise ConfigError(
                "stain thresholds must rise: 0 < threshold_low_od < threshold_od < threshold_high_od < strong_od "
                f"< 2.4, found {ordered[1:]}"
            )
        if self.white is not None and not all(64 <= light <= 255 for light in self.white):
            raise ConfigError(f"stain.white must be three values of 64 to 255, found {self.white}")
        for name in ("haematoxylin", "chromogen"):
            dye = getattr(self, name)
            if not (all(0 <= absorbance < inf for absorbance in dye) and max(dye) > 0):
                raise ConfigError(f"stain.{name} must be three absorbances >= 0, found {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class WhitePoint:
    """Light through clear glass (red, green, blue), and where the value comes from."""

    rgb: Vector
    source: Literal["slide", "config", "assumed"]


@dataclass(frozen=True, slots=True)
class StainModel:
    """White and dye vectors of one slide.

    Parameters
    ----------
    white : WhitePoint
    vectors : tuple of three vectors
        Haematoxylin, chromogen, residual; unit length.
    source : {"estimated", "estimated: <the one dye>", "fixed", "fixed: estimate refused"}
    """

    white: WhitePoint
    vectors: tuple[Vector, Vector, Vector]
    source: str

    @classmethod
    def from_dyes(cls, white: WhitePoint, haematoxylin: Vector, chromogen: Vector, source: str) -> StainModel:
        """Normalise two dye vectors and add the residual, their cross product."""
        first, second = np.asarray(haematoxylin, float), np.asarray(chromogen, float)
        first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
        third = np.cross(first, second)
        if np.linalg.norm(third) < _LEAST_TURN:
            raise ConfigError(_PARALLEL)
        third = third / np.linalg.norm(third)
        return cls(white, (_vector(first), _vector(second), _vector(third)), source)

    @property
    def unmixing(self) -> NDArray[np.float64]:
        """(3, 3) matrix: densities (RGB) times this are amounts of dye."""
        return _inverse(self.vectors)


@lru_cache
def _inverse(vectors: tuple[Vector, Vector, Vector]) -> NDArray[np.float64]:
    """Inverse of a matrix; asked for with every picture that is unmixed."""
    inverse = np.linalg.inv(np.asarray(vectors))
    inverse.flags.writeable = False
    return inverse


@dataclass(frozen=True, slots=True)
class StainTables:
    """Whole-number tables: the sum of three look-ups is a dye's amount in units of 1 / `OD_SCALE`.

    Parameters
    ----------
    dyes : ndarray of shape (3 dyes, 3 channels, 256), dtype int32
    blue_line : ndarray of shape (2,), dtype int16
        Slope and offset of a straight bound, in units of 1 / `BOUND_UNIT`: a pixel whose blue is above
        ``(slope * red + offset) / BOUND_UNIT`` is below the lower threshold whatever its green. The scan
        rejects with it before it looks closer.
    packed : ndarray of shape (3 channels, 256), dtype int64
        Chromogen, haematoxylin and residual of ``dyes`` side by side in fields of `FIELD_BITS`, the lowest first: three
        look-ups give all of a pixel.
    field_zero : ndarray of shape (3 dyes,), dtype int64
        What the field of a dye holds where the dye is 0.
    low, mid, high, strong : int
        Thresholds in the same unit.
    """

    dyes: NDArray[np.int32]
    packed: NDArray[np.int64]
    field_zero: NDArray[np.int64]
    blue_line: NDArray[np.int16]
    low: int
    mid: int
    high: int
    strong: int


def _vector(values: NDArray[np.float64]) -> Vector:
    """Three plain floats."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def optical_density(rgb: NDArray[np.uint8], white: Vector) -> NDArray[np.float64]:
    """Absorbance of each pixel against the slide's own white.

    Parameters
    ----------
    rgb : ndarray of shape (..., 3), dtype uint8
    white : tuple of float
        Light through clear glass, 0-255.

    Returns
    -------
    od : ndarray of shape (..., 3)
        ``-log10(max(rgb, 1) / white)``, never negative.

    Examples
    --------
    >>> optical_density(np.full((1, 3), 25, np.uint8), (250.0, 250.0, 250.0))
    array([[1., 1., 1.]])
    """
    planes = np.empty((3, *rgb.shape[:-1]))  # most of what follows asks for one colour alone
    for channel, clear in enumerate(white):  # a logarithm a level, not a pixel
        planes[channel] = np.maximum(0.0, np.log10(clear / _LEVELS))[rgb[..., channel]]
    return np.moveaxis(planes, 0, -1)


def unmix(od: NDArray[np.float64], model: StainModel) -> NDArray[np.float64]:
    """Amounts of haematoxylin, chromogen and residual: the float reference of `make_tables`.

    Parameters
    ----------
    od : ndarray of shape (..., 3)

    Returns
    -------
    dyes : ndarray of shape (..., 3)
        Negative where a colour lies outside the wedge of the two dyes.
    """
    # No product of matrices: its library would take all cores for what several threads do side by side.
    return np.moveaxis(np.einsum("cd,c...->d...", model.unmixing, np.moveaxis(od, -1, 0)), 0, -1)


@lru_cache
def density_tables(white: Vector) -> NDArray[np.float64]:
    """Absorbance of each level of each colour, (3, 256): 768 logarithms in place of those of every pixel."""
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    tables = np.ascontiguousarray(optical_density(levels, white).T)
    tables.flags.writeable = False
    return tables


@lru_cache
def dye_tables(model: StainModel) -> NDArray[np.float64]:
    """What each level of each colour adds to each dye, (3 dyes, 3 colours, 256); their sum is `unmix`, to the bit."""
    tables = np.ascontiguousarray(density_tables(model.white.rgb)[None] * model.unmixing.T[..., None])
    tables.flags.writeable = False
    return tables


def make_tables(model: StainModel, params: StainParams) -> StainTables:
    """Tables of a slide's stain model; within 1e-4 of `unmix`."""
    dyes = np.rint(dye_tables(model) * OD_SCALE).astype(np.int32)
    low = ceil(params.threshold_low_od * OD_SCALE)
    packed, field_zero = _side_by_side(dyes)
    return StainTables(
        dyes=np.ascontiguousarray(dyes),
        packed=packed,
        field_zero=field_zero,
        blue_line=blue_line(dyes[1], low),
        low=low,
        mid=ceil(params.threshold_od * OD_SCALE),
        high=ceil(params.threshold_high_od * OD_SCALE),
        strong=ceil(params.strong_od * OD_SCALE),
    )


def _side_by_side(dyes: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tables of all dyes as one, raised so that no field is ever below 0; and by how much each was raised."""
    lowest = dyes.min(axis=2).astype(np.int64)
    if (dyes.max(axis=2) - lowest).sum(axis=1).max() >> FIELD_BITS:
        raise ConfigError(_PARALLEL)
    haematoxylin, chromogen, residual = dyes - lowest[..., None]
    packed = chromogen + (haematoxylin << FIELD_BITS) + (residual << 2 * FIELD_BITS)
    return np.ascontiguousarray(packed), -lowest.sum(axis=1)


def blue_line(chromogen: NDArray[np.int32], threshold: int) -> NDArray[np.int16]:
    """Straight bound above the largest blue that a pixel of each red can have, tight where tissue lies.

    Parameters
    ----------
    chromogen : ndarray of shape (3, 256), int32
        Row of `StainTables.dyes`.
    threshold : int
        Amount of chromogen that such a pixel has at least.

    Returns
    -------
    ndarray of shape (2,), int16
        As in `StainTables`.
    """
    red, green, blue = chromogen
    reachable = red[:, None].astype(np.int64) + int(green.max()) + blue[None, :] >= threshold
    largest = np.where(reachable.any(axis=1), 255 - np.argmax(reachable[:, ::-1], axis=1), -1) * BOUND_UNIT
    levels = np.arange(256)
    slopes = np.arange(BOUND_UNIT - 4)  # with these neither end leaves 16 bits
    offsets = np.array([(largest - slope * levels).max() for slope in slopes])
    slack = [(slope * levels + offset - largest)[120:245].sum() for slope, offset in zip(slopes, offsets, strict=True)]
    best = int(np.argmin(slack))
    return np.array([slopes[best], offsets[best]], np.int16)


def thinned(rgb: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Every k-th of the pixels (of a mask), so that about 200 000 are left: enough for any median or percentile here.

    Returns
    -------
    ndarray of shape (N, 3), dtype uint8
    """
    pixels = rgb.reshape(-1, 3)
    if mask is None or mask.all():
        return pixels[:: max(1, len(pixels) // _ENOUGH_PIXELS)]
    places = np.flatnonzero(mask)
    return pixels.take(places[:: max(1, len(places) // _ENOUGH_PIXELS)], axis=0)


def find_white(rgb: NDArray[np.uint8], scanned: NDArray[np.bool_] | None, given: Vector | None) -> WhitePoint:
    """Light through clear glass.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Overview of the slide.
    scanned : ndarray of shape (M, N) or None
    given : tuple of float or None
        Wins when stated.

    Notes
    -----
    Glass is bright, nearly without colour, and the brightest such peak of the slide: pale tissue makes
    a second peak below it, never above. Where less than 0.2 % of the picture qualifies the white is
    assumed to be 245, and the result says so.
    """
    if given is not None:
        return WhitePoint(_vector(np.asarray(given, float)), "config")
    channels = np.ascontiguousarray(thinned(rgb, scanned).T)  # the least of three is found many times faster in rows
    enough = max(16, 0.002 * channels.shape[1])
    darkest, lightest = channels.min(axis=0), channels.max(axis=0)
    is_bright = (darkest > 140) & (lightest - darkest < 64)
    is_glass = is_bright & (darkest < 255)  # exact white is what stitching and readers paint, not light
    bright = _chosen(channels, is_glass if np.count_nonzero(is_glass) >= enough else is_bright)
    if bright.shape[1] < enough:
        return WhitePoint((245.0, 245.0, 245.0), "assumed")
    brightness = (bright[0].astype(np.int32) + bright[1] + bright[2]) // 3
    counts = np.convolve(np.bincount(brightness, minlength=256), np.ones(5), mode="same")
    is_peak = (counts >= np.roll(counts, 1)) & (counts >= np.roll(counts, -1)) & (counts >= 0.1 * counts.max())
    peak = int(np.flatnonzero(is_peak)[-1])
    return WhitePoint(_vector(np.median(_chosen(bright, np.abs(brightness - peak) <= 4), axis=1)), "slide")


def _chosen(channels: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Some columns of a few long rows, row by row: an index of both axes takes eight times as long."""
    return np.stack([channel[chosen] for channel in channels])
