"""What a second look measures of one candidate at level 0: colour, form, sharpness, and what lies around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.examine_params import ExamineParams
from micromet_path.pixels.hue import UNKNOWN_HUE, Hue, SlideHue, density_and_dyes, hue_of
from micromet_path.pixels.shape import (
    Strokes,
    bounding_box,
    coarse,
    edge_widths_um,
    gradient_per_um,
    smoothed,
    strokes_of,
)
from micromet_path.pixels.stain import StainModel
from micromet_path.pixels.surroundings import Around, Beside, around, beside

__all__ = ["Evidence", "View", "evidence"]

_OPTICS_UM = 0.5  # smoothing before slopes of nuclei are measured: keeps what a 0.5 aperture resolves
_RIM_OPTICS_UM = 1.5  # of chromogen: compression keeps colour in blocks of 16 pixels, coarser than light
_RIM_REACH_UM = 5.0


@dataclass(frozen=True, slots=True)
class View:
    """One candidate at level 0.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        With some 25 um around the candidate, as far as the slide goes.
    stained : ndarray of shape (M, N), bool
        The candidate's own stained pixels, at least one.
    spacing : PixelSpacing
    hue : SlideHue
        The chromogen of the slide, from the sums of all fragments.
    is_at_border : bool
        Whether it lies on the border of the tissue.
    """

    rgb: NDArray[np.uint8]
    stained: NDArray[np.bool_]
    spacing: PixelSpacing
    hue: SlideHue = UNKNOWN_HUE
    is_at_border: bool = False

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise ConfigError(f"a view needs (M, N, 3) uint8 pixels, found {self.rgb.shape} {self.rgb.dtype}")
        if self.stained.dtype != np.bool_ or self.stained.shape != self.rgb.shape[:2]:
            raise ConfigError(
                f"a view of {self.rgb.shape[:2]} pixels needs a mask of that shape, found {self.stained.shape} "
                f"{self.stained.dtype}"
            )
        if not self.stained.any():
            raise ConfigError("a view needs at least one stained pixel of its candidate, found none")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is measured of a candidate.

    Parameters
    ----------
    hue : Hue
        Colour of the stain.
    slide_hue : SlideHue
        The chromogen it is compared with.
    strokes : Strokes
        Form of the stain.
    around : Around
        What the stain is like at the scale of cells, and the tissue around it.
    beside : Beside
        Nuclei in it and next to it.
    chromogen_od, chromogen_high_od : float
        Median and 90th percentile of the stained pixels.
    density_od : float
        Median of the mean density of the three colours.
    rim_width_um : float
        Width of the stain's sharpest edges (standard deviation).
    around_width_um : float or None
        The same of nuclear edges in the view; None where there are none.
    is_at_border : bool
        As of the view.
    """

    hue: Hue
    slide_hue: SlideHue
    strokes: Strokes
    around: Around
    beside: Beside
    chromogen_od: float
    chromogen_high_od: float
    density_od: float
    rim_width_um: float
    around_width_um: float | None
    is_at_border: bool = False


def evidence(view: View, model: StainModel, params: ExamineParams | None = None) -> Evidence:
    """Measure one candidate.

    Parameters
    ----------
    view : View
    model : StainModel
    params : ExamineParams, optional
        Only what decides of single pixels is used: colours, and the width of a stroke.
    """
    params = params or ExamineParams()
    od, dyes = density_and_dyes(view.rgb, model)
    chromogen = dyes[..., 1][view.stained]
    typical_od, high_od = np.quantile(chromogen, [0.5, 0.9])
    rows, columns = bounding_box(view.stained, _RIM_REACH_UM + 3 * _RIM_OPTICS_UM, view.spacing)
    own, own_dyes = view.stained[rows, columns], dyes[rows, columns]
    return Evidence(
        hue=hue_of(od, dyes, view.stained, model, params, view.hue),
        slide_hue=view.hue,
        strokes=strokes_of(own, params.stroke_um, view.spacing),
        around=around(od, dyes, view.stained, view.spacing),
        beside=beside(dyes[..., 0], view.stained, view.spacing),
        chromogen_od=float(typical_od),
        chromogen_high_od=float(high_od),
        density_od=float(np.median(od[view.stained] @ np.full(3, 1 / 3))),
        rim_width_um=_rim_width_um(own_dyes[..., 1], own, view.spacing),
        around_width_um=_nuclear_width_um(dyes[..., 0], view.stained, view.spacing),
        is_at_border=view.is_at_border,
    )


def _rim_width_um(chromogen: NDArray[np.float64], stained: NDArray[np.bool_], spacing: PixelSpacing) -> float:
    """Median width of the edges at the outline of the stain, high ones counting more."""
    from scipy import ndimage

    level, pitch = coarse(chromogen, spacing, _RIM_OPTICS_UM / 2)  # as fine as the smoothing leaves it
    form = coarse(stained, spacing, _RIM_OPTICS_UM / 2)[0] > 0
    outline = form & ~ndimage.binary_erosion(form, border_value=True)
    if not outline.any():
        return _RIM_REACH_UM  # the stain fills the window: no edge at all
    soft = smoothed(level, _RIM_OPTICS_UM, pitch)
    width_um, height = edge_widths_um(soft, outline, _RIM_REACH_UM, pitch)
    return float(np.sqrt(max(0.0, np.average(width_um, weights=height + 1e-9) ** 2 - _RIM_OPTICS_UM**2)))


def _nuclear_width_um(
    haematoxylin: NDArray[np.float64], stained: NDArray[np.bool_], spacing: PixelSpacing
) -> float | None:
    """Width of the steepest edges of haematoxylin beside the stain: how sharp this place of the scan is."""
    soft = smoothed(haematoxylin, _OPTICS_UM, spacing)
    beside_stain = ~stained
    if np.count_nonzero(beside_stain) * spacing.pixel_area_um2 < 200:
        return None
    low, high = np.quantile(soft[beside_stain], [0.2, 0.97])
    steep = float(np.quantile(gradient_per_um(soft, spacing)[beside_stain], 0.97))
    if high - low < 0.15:
        return None
    width_um = (high - low) / (steep * float(np.sqrt(2 * np.pi)))
    return float(np.sqrt(max(0.04, width_um**2 - _OPTICS_UM**2)))
