"""How light reaches the sensor where it does not pass straight: spread, shaded or through two layers.

Light is spread as intensity, after the dyes have absorbed it and before the sensor adds its grain,
as a lens out of focus does. Every pixel is the same sum in the same order wherever the block it is
drawn in begins, so that strips of any shape give the same slide.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.kernels import PERIOD_MASK
from micromet_path.apps.samples.looks import (
    CHANGE_OVER_UM,
    FIELD_UM,
    HAZE_OD,
    HAZE_UM,
    LOOKS,
    SECOND_LAYER_UM,
    SHARP_UM,
    Look,
)
from micromet_path.apps.samples.planes import UNIT_OD
from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.apps.samples.textures import NEUTRAL_ZERO, OD_ENTRIES, OD_STEP
from micromet_path.kernels import kernel

__all__ = ["Optics", "haze", "optics_of"]

Bytes = NDArray[np.uint8]
Light = NDArray[np.float32]

REACH = 3.0
"""Tails of a Gaussian are cut at so many standard deviations."""
STEPS = (0.0, 0.25, 0.5, 1.0)
"""Spreads that are computed where it changes over the slide, as shares of the most; between them light is mixed."""

_TRANSMITTED = (10.0 ** -(np.arange(OD_ENTRIES) * OD_STEP)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Optics:
    """Lens, lamp and sensor of a slide with a look that is not plain.

    Parameters
    ----------
    look : Look
        What they do.
    spacing_um : tuple of float
        Microns per pixel, x and y.
    width_um : float
        Of the slide.
    blurred_left : bool
        Which half is out of focus, where only one is.
    """

    look: Look
    spacing_um: tuple[float, float]
    width_um: float
    blurred_left: bool

    @property
    def margin_px(self) -> int:
        """Pixels around a block that its own light comes from."""
        spread = max(self.look.blur_um, SECOND_LAYER_UM if self.look.thick else 0.0)
        haze_um = HAZE_UM if self.look.thick else 0.0
        displaced_um = max(map(abs, self.look.displaced_um))
        reaches_um = REACH * spread + displaced_um, REACH * haze_um
        return sum(ceil(reach_um / min(self.spacing_um)) + 1 for reach_um in reaches_um)

    def sharp_um(self) -> tuple[float, float] | None:
        """Columns of the slide that are in focus, from and to in microns; None when there are none."""
        if self.look.blur_um < SHARP_UM:
            return 0.0, self.width_um
        if not self.look.blurred_half:
            return None
        columns = np.arange(0.0, self.width_um, 1.0)
        sharp = columns[self._blur_um(columns) < SHARP_UM]
        return float(sharp.min()), float(sharp.max() + 1.0)

    def image(
        self,
        planes: Bytes,
        used: tuple[int, ...],
        absorbance: NDArray[np.int32],
        second_layer: Bytes | None,
        grain: Bytes,
        margin: int,
        place: tuple[int, int],
        tiles: Bytes,
    ) -> None:
        """Fill tiles with the picture of a block whose inner corner lies at ``place``.

        Parameters
        ----------
        planes : ndarray of shape (N_PLANES, R, C), uint8
            Amounts, with ``margin`` pixels around what the tiles show.
        used : tuple of int
            Planes that hold anything.
        absorbance : ndarray of shape (N_PLANES, 3, 256), int32
            In steps of `OD_STEP`.
        second_layer : ndarray of shape (R, C), uint8 or None
            Haematoxylin that lies out of focus above or below.
        grain : ndarray of uint8
            Of the sensor.
        tiles : ndarray of shape (N, side, side, 3), uint8
            Filled.
        """
        light = np.empty((3, *planes.shape[1:]), np.float32)
        _transmit(planes, np.array(used, np.int64), absorbance, _TRANSMITTED, light)
        shape = tiles.shape[1], len(tiles) * tiles.shape[1]
        x_um = (np.arange(shape[1]) + place[0] + 0.5) * self.spacing_um[0]
        y_um = (np.arange(shape[0]) + place[1] + 0.5) * self.spacing_um[1]
        light = self._through_lens(light, margin, shape, x_um)
        if second_layer is not None:
            above = np.empty((3, *planes.shape[1:]), np.float32)
            _transmit(second_layer[None], np.zeros(1, np.int64), absorbance[:1], _TRANSMITTED, above)
            light *= self._spread(above, SECOND_LAYER_UM, margin, shape)
        noise = (10.0 ** (-(np.arange(2 * NEUTRAL_ZERO + 1) - NEUTRAL_ZERO) * UNIT_OD)).astype(np.float32)
        white = np.array(self.look.white, np.float32)
        across, down = (self.look.shade * _field(np.asarray(um, np.float64)) for um in (x_um, y_um))
        _expose(light, *place, grain, noise, white, across, down, tiles)

    def _through_lens(self, light: Light, margin: int, shape: tuple[int, int], x_um: NDArray[np.float64]) -> Light:
        """Light spread as much as the look says at each column."""
        if not self.look.blurred_half:
            return self._spread(light, self.look.blur_um, margin, shape)
        blur_um = self._blur_um(x_um)
        steps_um = np.array(STEPS) * self.look.blur_um
        mixed = np.zeros((3, *shape), np.float32)
        for index, step_um in enumerate(steps_um):
            share = np.interp(blur_um, steps_um, np.eye(len(steps_um))[index]).astype(np.float32)
            if share.any():
                mixed += share * self._spread(light, step_um, margin, shape)
        return mixed

    def _blur_um(self, x_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation at columns of a half blurred slide: none, then more and more, then all."""
        part = np.clip((x_um - self.width_um / 2) / CHANGE_OVER_UM + 0.5, 0.0, 1.0)
        part = 1 - part if self.blurred_left else part
        return np.asarray(self.look.blur_um * part * part * (3 - 2 * part))

    def _spread(self, light: Light, sigma_um: float, margin: int, shape: tuple[int, int]) -> Light:
        """Light spread by a Gaussian and displaced by its colour, cut to what the tiles show."""
        spread = np.empty((3, *shape), np.float32)
        for channel, side in enumerate((1.0, 0.0, -1.0)):
            across, down = (
                _weights(sigma_um / spacing, side * moved_um / spacing)
                for spacing, moved_um in zip(self.spacing_um, self.look.displaced_um, strict=True)
            )
            one = light[channel : channel + 1]
            spread[channel] = _convolved(one, down, across, margin, margin, shape[0], shape[1])[0]
        return spread


def optics_of(spec: SampleSpec) -> Optics:
    """Optics of a specification."""
    spacing = spec.spacing_um, spec.spacing_of_rows_um
    return Optics(LOOKS[spec.look], spacing, spec.side_px * spec.spacing_um, blurred_left=bool(spec.seed % 2))


def haze(chromogen: Bytes, spacing_um: tuple[float, float]) -> None:
    """Surround stain with a pale haze of itself, in place; the outermost `HAZE_UM` x `REACH` are left alone."""
    across, down = (_weights(HAZE_UM / spacing) for spacing in spacing_um)
    left, top = len(across) // 2, len(down) // 2
    rows, columns = chromogen.shape
    shape = rows - 2 * top, columns - 2 * left
    cloud = _convolved(chromogen[None].astype(np.float32), down, across, top, left, *shape)[0]
    share, most = HAZE_OD
    inner = chromogen[top : top + shape[0], left : left + shape[1]]
    np.maximum(inner, np.minimum(cloud * share, most / UNIT_OD).astype(np.uint8), out=inner)


def _weights(sigma_px: float, moved_px: float = 0.0) -> Light:
    """Weights of a Gaussian around what has moved so far, odd in number, summing to one; linear without a width."""
    half = ceil(REACH * sigma_px + abs(moved_px))
    offset = np.arange(-half, half + 1) + moved_px
    weight = np.exp(-0.5 * (offset / sigma_px) ** 2) if sigma_px > 0 else np.maximum(1 - np.abs(offset), 0.0)
    return np.asarray(weight / weight.sum(), np.float32)


def _field(place_um: NDArray[np.float64]) -> Light:
    """Half the squared distance from the middle of the camera field: 0.5 at its sides."""
    part = 2 * (place_um / FIELD_UM % 1.0) - 1
    return np.asarray(part * part / 2, np.float32)


@kernel()
def _transmit(planes, used, absorbance, transmitted, out):  # type: ignore[no-untyped-def]
    """Share of light that passes, by channel: shape (3, R, C)."""
    last = len(transmitted) - 1
    for channel in range(3):
        for row in range(out.shape[1]):
            for column in range(out.shape[2]):
                index = 0
                for plane in used:
                    index += absorbance[plane, channel, planes[plane, row, column]]
                out[channel, row, column] = transmitted[min(index, last)]


@kernel()
def _convolved(light, down, across, top, left, rows, columns):  # type: ignore[no-untyped-def]
    """Separable sum around each pixel of a window that begins at (top, left): rows first, then columns."""
    half_down, half_across = len(down) // 2, len(across) // 2
    wide = columns + 2 * half_across
    out = np.empty((len(light), rows, columns), np.float32)
    line = np.empty(wide, np.float32)
    for channel in range(len(light)):
        for row in range(rows):
            line[:] = 0
            for tap in range(len(down)):
                weight = down[tap]
                source = light[channel, top + row + tap - half_down, left - half_across : left - half_across + wide]
                for column in range(wide):
                    line[column] += weight * source[column]
            target = out[channel, row]
            target[:] = 0
            for tap in range(len(across)):
                weight = across[tap]
                for column in range(columns):
                    target[column] += weight * line[column + tap]
    return out


@kernel()
def _expose(light, x0, y0, grain, noise, white, across, down, tiles):  # type: ignore[no-untyped-def]
    """Shade, grain and rounding: light as tiles of bytes."""
    side = tiles.shape[1]
    for tile in range(len(tiles)):
        for row in range(side):
            y = (y0 + row) & PERIOD_MASK
            for column in range(side):
                c = tile * side + column
                gain = noise[grain[y, (x0 + c) & PERIOD_MASK]] * (1 - across[c] - down[row])
                for channel in range(3):
                    value = light[channel, row, c] * white[channel] * gain
                    tiles[tile, row, column, channel] = np.uint8(min(max(value + np.float32(0.5), 0.0), 255.0))
