"""Whether a file is a brightfield RGB slide: by what it states, and by what it shows.

A fluorescence picture, a channel stack or a preview that poses as the slide would be measured
without complaint and mean nothing, so it is refused with one line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import UnsupportedSlideError
from micromet_path.slides.base import SlideInfo

__all__ = ["Samples", "check_brightfield", "require_brightfield"]

_ENOUGH_PIXELS = 200_000
_DARK_BACKGROUND = 64
"""A brightfield overview whose median is darker than this has no glass in it (white is 255)."""

_GLASS = 150
"""Even grey glass and pale tissue reach this in all three channels; fluorescence signal is coloured."""

_LEAST_GLASS = 0.005
_SIGNAL = 16
"""Grey levels by which signal stands out of a dark background."""


@dataclass(frozen=True, slots=True)
class Samples:
    """How a file says a pixel is stored."""

    channels: int
    bits: int
    is_integer: bool = True
    is_planar: bool = False
    is_palette: bool = False
    has_alpha: bool = False

    @property
    def is_rgb8(self) -> bool:
        """Red, green and blue of 8 bits, side by side, nothing else."""
        return self.channels == 3 and self.bits == 8 and self.is_integer and not self.is_planar


def require_brightfield(name: str, samples: Samples) -> None:
    """Refuse what cannot be the picture of a stained slide.

    Raises
    ------
    UnsupportedSlideError
        If pixels are not red, green and blue of 8 bits side by side.

    Examples
    --------
    >>> require_brightfield("a.tif", Samples(channels=3, bits=8))
    >>> require_brightfield("a.tif", Samples(channels=3, bits=16))
    Traceback (most recent call last):
    micromet_path.errors.UnsupportedSlideError: a.tif has 3 channels of 16 bits; expected ...
    """
    if samples.is_rgb8 or (samples.channels == 4 and samples.bits == 8 and samples.has_alpha and not samples.is_planar):
        return
    kind = "" if samples.is_integer else " (signed or floating point)"
    if samples.is_palette:
        found = "palette colours"
    elif samples.channels == 1:
        found = f"one channel of {samples.bits} bits{kind} (grey, or fluorescence)"
    else:
        found = f"{samples.channels} {'separate ' if samples.is_planar else ''}channels of {samples.bits} bits{kind}"
    raise UnsupportedSlideError(
        f"{name} has {found}; expected a brightfield slide: red, green and blue of 8 bits in each pixel"
    )


def check_brightfield(overview: NDArray[np.uint8], info: SlideInfo, scanned: NDArray[np.bool_] | None = None) -> None:
    """Refuse a picture of light on darkness.

    A picture without signal (all black, uniform) passes: it is a slide that shows nothing, not a
    wrong kind of slide.

    Parameters
    ----------
    overview : ndarray of shape (M, N, 3), dtype uint8
        The whole slide at a low power.
    info : SlideInfo
        For the message.
    scanned : ndarray of shape (M, N), dtype bool, optional
        What the scanner recorded: readers paint the rest white, which must not pass for glass.

    Raises
    ------
    UnsupportedSlideError
        If the background is dark, there is signal on it, and nowhere is there bright glass.
    """
    recorded = overview.reshape(-1, 3) if scanned is None or scanned.all() else overview[scanned]
    if len(recorded) == 0:
        return
    colours = np.ascontiguousarray(recorded[:: len(recorded) // _ENOUGH_PIXELS + 1].T)  # extremes are found along rows
    median, signal = np.percentile(colours.max(axis=0), [50, 99.5])
    has_glass = np.mean(colours.min(axis=0) >= _GLASS) >= _LEAST_GLASS
    if median < _DARK_BACKGROUND and signal - median >= _SIGNAL and not has_glass:
        raise UnsupportedSlideError(
            f"{info.name} shows light on a dark background (fluorescence or dark field: median brightness "
            f"{median:.0f} of 255); expected a brightfield slide with bright glass"
        )
