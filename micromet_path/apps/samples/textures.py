"""Colours and small periodic textures: stains to light, cytoplasm, ground and nuclei.

What amounts of stain mean says `planes`; which colours they have, `looks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.looks import Look, Vector
from micromet_path.apps.samples.planes import CHROMOGEN, COLOURS, HAEM, INK, N_PLANES, NEUTRAL, UNIT_OD
from micromet_path.kernels import kernel

__all__ = ["EOSIN", "GROUND_PX", "Stains", "Textures", "stains", "textures"]

EOSIN = (0.216, 0.801, 0.558)
"""As in QuPath's H&E default."""

GROUND_PX = 1024
"""Period of the textures."""

OD_STEP = 0.0025
OD_ENTRIES = 2048
NEUTRAL_ZERO = 1
"""Neutral amount that is clear glass: sensor noise goes a little either way."""

STAMPS_PER_KIND = 24


@dataclass(frozen=True, slots=True)
class Stains:
    """Tables from amounts to light.

    Parameters
    ----------
    absorbance : ndarray of shape (N_PLANES, 3, 256), int32
        [plane, channel, amount] in steps of 0.0025.
    light : ndarray of shape (3, OD_ENTRIES), uint8
        Grey level by channel and summed absorbance.
    """

    absorbance: NDArray[np.int32]
    light: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Textures:
    """Periodic textures and nucleus stamps at the slide's spacing.

    Parameters
    ----------
    ground, ragged, cytoplasm : ndarray of shape (GROUND_PX, GROUND_PX), uint8
        Fine fibrils around 128; slower noise around 128; cytoplasm, where 128 is the cell's mean.
    grain : ndarray of shape (GROUND_PX, GROUND_PX), uint8
        Sensor noise, 0 to 2 * NEUTRAL_ZERO neutral units.
    stamps : ndarray of shape (3 * STAMPS_PER_KIND, S, S), uint8
        Haematoxylin of small round, large pale and slender nuclei.
    stamp_px : ndarray of shape (3 * STAMPS_PER_KIND,), int64
        Side of the used upper left part of each stamp.
    """

    ground: NDArray[np.uint8]
    ragged: NDArray[np.uint8]
    cytoplasm: NDArray[np.uint8]
    grain: NDArray[np.uint8]
    stamps: NDArray[np.uint8]
    stamp_px: NDArray[np.int64]


def stains(look: Look, ink: Vector, with_eosin: bool) -> Stains:
    """Tables for a look; with eosin in the place of the chromogen."""
    dyes = {
        HAEM: (look.haematoxylin, look.haematoxylin_gain),
        CHROMOGEN: (EOSIN, 1.0) if with_eosin else (look.chromogen, look.chromogen_gain),
        INK: (ink, 1.0),
        **{plane: (colour, 1.0) for plane, colour in COLOURS.items()},
    }
    amount = np.arange(256) * UNIT_OD
    absorbance = np.empty((N_PLANES, 3, 256))
    for plane, (colour, gain) in dyes.items():
        vector = np.array(colour) / np.linalg.norm(colour)
        absorbance[plane] = np.rint(amount * gain * vector[:, None] / OD_STEP)
    absorbance[NEUTRAL] = np.rint(amount * 1.0 / OD_STEP)
    base = NEUTRAL_ZERO * UNIT_OD
    light = np.array(look.white)[:, None] * 10 ** -(np.arange(OD_ENTRIES) * OD_STEP - base)
    return Stains(absorbance.astype(np.int32), np.clip(np.rint(light), 0, 255).astype(np.uint8))


@lru_cache(maxsize=2)
def textures(seed: int, spacing_um: float, spacing_y_um: float) -> Textures:
    """Textures of a slide; isotropic in microns whatever the shape of its pixels."""
    rng = np.random.default_rng([seed, 77])
    spacing = spacing_um, spacing_y_um
    stamps, stamp_px = _stamps(rng, spacing)
    return Textures(
        ground=_bytes(128 + 40 * _filtered(rng, 0.5, spacing) + 30 * _filtered(rng, 1.6, spacing)),
        ragged=_bytes(128 + 50 * _filtered(rng, 2.5, spacing)),
        cytoplasm=_cytoplasm(rng, spacing),
        grain=rng.choice(2 * NEUTRAL_ZERO + 1, (GROUND_PX, GROUND_PX), p=(0.25, 0.5, 0.25)).astype(np.uint8),
        stamps=stamps,
        stamp_px=stamp_px,
    )


def _bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values as bytes."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _filtered(rng: np.random.Generator, sigma_um: float, spacing_um: tuple[float, float]) -> NDArray[np.float64]:
    """Periodic Gaussian noise of a grain size, standard deviation one."""
    sigma_px, aspect = sigma_um / spacing_um[0], spacing_um[1] / spacing_um[0]
    down, across = np.fft.fftfreq(GROUND_PX) / aspect, np.fft.rfftfreq(GROUND_PX)
    power = np.exp(-2 * (np.pi * sigma_px) ** 2 * (down[:, None] ** 2 + across[None, :] ** 2))
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((GROUND_PX, GROUND_PX))) * power)
    return np.asarray(noise / noise.std())


def _cytoplasm(rng: np.random.Generator, spacing_um: tuple[float, float]) -> NDArray[np.uint8]:
    """Cells of uneven stain with darker membranes and a fine grain."""
    shape = tuple(max(4, round(GROUND_PX * spacing / 15.0)) for spacing in spacing_um[::-1])
    sites = (np.indices(shape).transpose(1, 2, 0) + rng.uniform(0.1, 0.9, (*shape, 2))) / shape
    strength = rng.uniform(0.80, 1.20, shape)
    shade, ridge = np.empty((GROUND_PX, GROUND_PX)), np.empty((GROUND_PX, GROUND_PX))
    _voronoi(sites * GROUND_PX, strength, spacing_um[1] / spacing_um[0], shade, ridge)
    membrane = 0.16 * np.exp(-ridge * spacing_um[0] / 1.2)
    fine = 0.05 * _filtered(rng, 0.6, spacing_um) + 0.05 * _filtered(rng, 2.0, spacing_um)
    return _bytes(128 * np.clip(shade + membrane + fine, 0.68, 1.4))


@kernel()
def _voronoi(sites, strength, aspect, shade, ridge):  # type: ignore[no-untyped-def]
    """Strength of the nearest of periodic sites, and how much farther the second nearest is, in pixel widths."""
    side, down, across = shade.shape[0], sites.shape[0], sites.shape[1]
    for row in range(side):
        for column in range(side):
            first, second = 1e9, 1e9
            home_row, home_column = row * down // side, column * across // side
            for r in range(home_row - 1, home_row + 2):
                for c in range(home_column - 1, home_column + 2):
                    site = sites[r % down, c % across]
                    dy = ((row - site[0] + side / 2) % side - side / 2) * aspect
                    dx = (column - site[1] + side / 2) % side - side / 2
                    distance = np.sqrt(dx * dx + dy * dy)
                    if distance < first:
                        first, second = distance, first
                        shade[row, column] = strength[r % down, c % across]
                    elif distance < second:
                        second = distance
            ridge[row, column] = second - first


def _stamps(rng: np.random.Generator, spacing_um: tuple[float, float]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Nuclei of small lymphocytes, of germinal centre blasts, and of stroma."""
    kinds = (
        {"diameter_um": (5.6, 7.0), "aspect": (0.86, 1.0), "density": (0.44, 0.58)},
        {"diameter_um": (7.5, 10.0), "aspect": (0.8, 1.0), "density": (0.26, 0.36)},
        {"diameter_um": (9.0, 13.0), "aspect": (0.26, 0.36), "density": (0.34, 0.44)},
    )
    drawn = [_nucleus(rng, spacing_um, **kind) for kind in kinds for _ in range(STAMPS_PER_KIND)]
    side = max(len(stamp) for stamp in drawn)
    stamps = np.zeros((len(drawn), side, side), np.uint8)
    for stamp, image in zip(stamps, drawn, strict=True):
        stamp[: len(image), : len(image)] = image
    return stamps, np.array([len(image) for image in drawn], np.int64)


def _nucleus(
    rng: np.random.Generator,
    spacing_um: tuple[float, float],
    diameter_um: tuple[float, float],
    aspect: tuple[float, float],
    density: tuple[float, float],
) -> NDArray[np.uint8]:
    """One nucleus with clumped chromatin and a soft rim, haematoxylin units."""
    diameter, narrow, angle = rng.uniform(*diameter_um), rng.uniform(*aspect), rng.uniform(0, np.pi)
    side = int(np.ceil((diameter * 1.06 + 2.0) / min(spacing_um) + 2)) | 1
    y, x = (np.indices((side, side)) - side // 2) * np.array(spacing_um[::-1])[:, None, None]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(u, v / narrow)
    bump = 1 + 0.06 * np.cos(3 * np.arctan2(v, u) + rng.uniform(0, 6.28))
    width = max(1.1, 2.6 * max(spacing_um))  # of the rim: sharper ones leave brown seams after chroma is halved
    rim = np.clip((diameter / 2 * bump - radius) / width * narrow + 0.5, 0, 1)
    clumps = rng.normal(0, diameter / 5, (7, 2))
    clump = sum(np.exp(-((u - along) ** 2 + (v - across) ** 2) / 0.8) for along, across in clumps)
    amount = rng.uniform(*density) * (0.86 + 0.22 * np.minimum(clump, 1.5))
    return _bytes(rim * rim * (3 - 2 * rim) * amount / UNIT_OD)
