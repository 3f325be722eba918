"""How a laboratory stains and a scanner sees: what may differ while the same things lie on the glass.

A look changes colours, amounts and optics only; layout and truth of a slide are those of the same
specification with the look ``default``. Densities are ``-log10(I / white)`` along unit vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["LOOKS", "Look", "Vector"]

Vector = tuple[float, float, float]

# Ruifrok and Johnston (2001) as QuPath uses them.
HAEMATOXYLIN: Vector = (0.650, 0.704, 0.286)
DAB: Vector = (0.268, 0.570, 0.776)
# As G. Landini's colour deconvolution for ImageJ has them, measured on slides of one stain.
AEC: Vector = (0.2743, 0.6796, 0.6803)
FAST_RED: Vector = (0.2139, 0.8511, 0.4779)


@dataclass(frozen=True, slots=True)
class Look:
    """Stain, glass and optics of a slide.

    Parameters
    ----------
    white : tuple of int
        RGB of clear glass (in the middle of a camera field where it is shaded).
    haematoxylin, chromogen : tuple of float
        Their absorbance in red, green and blue; normalised where it is used.
    chromogen_name : str
        ``dab``, ``aec`` or ``fast_red``.
    haematoxylin_gain, chromogen_gain : float
        Factors on the amounts of the default look, where foci have a mean density of 0.75 to 0.98.
    faint_share : float
        Share of foci, 0 to 1, that are paler still: 0.75 to 0.9 of their amount.
    blur_um : float
        Standard deviation of the Gaussian that spreads the light, in microns; 0 is sharp.
    blurred_half : bool
        Whether only one half of the slide is spread so, with a change-over of `CHANGE_OVER_UM`.
    shade : float
        Share of light missing in the corners of each camera field of `FIELD_UM`.
    displaced_um : (float, float)
        Along x and y, how far red lies from green, and blue the other way.
    thick : bool
        Whether a second layer of nuclei lies out of focus, and the chromogen has a haze around it.

    Examples
    --------
    >>> LOOKS["weak-dab"].chromogen_gain < LOOKS["pale-dab"].chromogen_gain < LOOKS["default"].chromogen_gain
    True
    """

    white: tuple[int, int, int] = (243, 241, 238)
    haematoxylin: Vector = HAEMATOXYLIN
    chromogen: Vector = DAB
    chromogen_name: str = "dab"
    haematoxylin_gain: float = 1.0
    chromogen_gain: float = 1.0
    faint_share: float = 0.0
    blur_um: float = 0.0
    blurred_half: bool = False
    shade: float = 0.0
    displaced_um: tuple[float, float] = (0.0, 0.0)
    thick: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether light passes straight: nothing is spread, shaded, displaced or stacked."""
        return not (self.blur_um or self.shade or any(self.displaced_um) or self.thick)


_DEFAULT = Look()

CHANGE_OVER_UM = 400.0
FIELD_UM = 2000.0
FAINTEST = 0.75
SECOND_LAYER_UM = 3.0
"""Spread of the light by nuclei that lie out of focus."""
HAZE_UM = 7.0
"""Spread of the haze of chromogen around foci of a thick section."""
HAZE_OD = (0.3, 0.09)
"""Density of the haze as a share of that nearby, and its most."""
SHARP_UM = 1.5
"""Light that is spread less than this is in focus: a nucleus still has its margin."""

LOOKS: dict[str, Look] = {
    "default": _DEFAULT,
    "weak-dab": replace(_DEFAULT, chromogen_gain=0.45, faint_share=0.25),
    "pale-dab": replace(_DEFAULT, chromogen_gain=0.62, faint_share=0.25),
    "dark-dab": replace(_DEFAULT, chromogen_gain=1.85),
    "strong-counterstain": replace(_DEFAULT, haematoxylin_gain=1.7),
    "weak-counterstain": replace(_DEFAULT, haematoxylin_gain=0.45),
    "warm-glass": replace(_DEFAULT, white=(245, 236, 220)),
    "cold-glass": replace(_DEFAULT, white=(228, 236, 244)),
    "grey-glass": replace(_DEFAULT, white=(205, 206, 208), shade=0.12),
    "blurred": replace(_DEFAULT, blur_um=0.6),
    "half-blurred": replace(_DEFAULT, blur_um=5.0, blurred_half=True),
    "out-of-focus": replace(_DEFAULT, blur_um=5.0),
    "displaced": replace(_DEFAULT, haematoxylin_gain=1.35, displaced_um=(0.2, -0.1)),
    "thick": replace(_DEFAULT, haematoxylin_gain=1.35, blur_um=0.8, thick=True),
    "other-stain": replace(_DEFAULT, haematoxylin=(0.57, 0.72, 0.39), chromogen=(0.33, 0.58, 0.74)),
    "failed-stain": replace(_DEFAULT, chromogen_gain=0.0),
    "aec": replace(_DEFAULT, chromogen=AEC, chromogen_name="aec"),
    "fast-red": replace(_DEFAULT, chromogen=FAST_RED, chromogen_name="fast_red"),
}
"""``weak-dab`` 0.27 to 0.44 and ``pale-dab`` 0.38 to 0.61 of mean density, ``dark-dab`` 1.4 to 1.8; counterstain 1.7
and 0.45 times; warm, cold, and grey glass (with shaded corners); light spread by 0.6 um, by 5 um everywhere or on
one half; red and blue 0.45 um apart; a thick section; the dyes of another laboratory, 8 and 4 degrees off; no
chromogen at all; the red chromogens AEC and Fast Red."""
