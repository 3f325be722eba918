"""What a second look measures of one candidate at level 0: colour, form, sharpness, and what lies around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.examine_params import ExamineParams
from micromet_path.pixels.granules import Granularity, granularity
from micromet_path.pixels.hue import UNKNOWN_HUE, Hue, SlideHue, hue_of
from micromet_path.pixels.planes import chromogen_of, density_of, haematoxylin_of
from micromet_path.pixels.shape import (
    bounding_box,
    coarse,
    edge_widths_um,
    gradient_per_um,
    rim_of,
    smoothed,
)
from micromet_path.pixels.stain import StainModel, optical_density
from micromet_path.pixels.strokes import Strokes
from micromet_path.pixels.surroundings import Around, Beside, around, beside

__all__ = ["SMALLEST_CELL_UM2", "Evidence", "View"]

SMALLEST_CELL_UM2 = 25.0
"""What of a stain may be a cell: by so much of it one is seen among paler things."""

_OPTICS_UM = 0.5  # smoothing before slopes of nuclei are measured: keeps what a 0.5 aperture resolves
_RIM_OPTICS_UM = 1.5  # of chromogen: compression keeps colour in blocks of 16 pixels, coarser than light
_RIM_REACH_UM = 5.0
_GRAIN_UM = 0.7  # of the sensor and of compression: the darkest of many pixels is its


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
    elongation : float
        Of the whole candidate, as of `Groups`.
    """

    rgb: NDArray[np.uint8]
    stained: NDArray[np.bool_]
    spacing: PixelSpacing
    hue: SlideHue = UNKNOWN_HUE
    is_at_border: bool = False
    elongation: float = 1.0

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


class Evidence:
    """What is measured of one candidate, each measure when it is first asked for.

    Most flags are ruled out by one cheap measure, and the dear ones are then never taken.

    Parameters
    ----------
    view : View
    model : StainModel
    params : ExamineParams, optional
        Only what decides of single pixels is used: colours, and the width of a stroke.
    """

    def __init__(self, view: View, model: StainModel, params: ExamineParams | None = None) -> None:
        self.view = view
        self._model = model
        self._params = params or ExamineParams()

    @property
    def slide_hue(self) -> SlideHue:
        """The chromogen that the stain is compared with."""
        return self.view.hue

    @property
    def is_at_border(self) -> bool:
        """As of the view."""
        return self.view.is_at_border

    @cached_property
    def area_um2(self) -> float:
        """Area of the stained pixels."""
        return int(np.count_nonzero(self.view.stained)) * self.view.spacing.pixel_area_um2

    @cached_property
    def hue(self) -> Hue:
        """Colour of the stain."""
        return hue_of(self.view.rgb, self.view.stained, self._model, self._params, self.view.hue)

    @cached_property
    def strokes(self) -> Strokes:
        """Form of the stain."""
        return Strokes(self._own, self._params.stroke_um, self.view.spacing)

    @cached_property
    def granularity(self) -> Granularity:
        """How granular the stain is."""
        return granularity(self.chromogen[self._box], self._own, self.view.spacing)

    @cached_property
    def around(self) -> Around:
        """What the stain is like at the scale of cells, and the tissue around it."""
        density = density_of(self.view.rgb, self._model)
        return around(density, self._haematoxylin, self.chromogen, self.view.stained, self.view.spacing)

    @cached_property
    def beside(self) -> Beside:
        """Nuclei in it and next to it."""
        return beside(self._haematoxylin, self.view.stained, self.view.spacing)

    @property
    def chromogen_od(self) -> float:
        """Median chromogen of the stained pixels."""
        return self._chromogen_quantiles[0]

    @property
    def chromogen_high_od(self) -> float:
        """90th percentile of it."""
        return self._chromogen_quantiles[1]

    @cached_property
    def darkest_cell_od(self) -> float:
        """Chromogen that a tenth of the stain exceeds, or as much as a small cell: one is seen among paler ones."""
        share = SMALLEST_CELL_UM2 / self.area_um2
        if share >= 0.1:
            return self.chromogen_high_od
        soft = smoothed(self.chromogen[self._box], _GRAIN_UM, self.view.spacing)
        return max(self.chromogen_high_od, float(np.quantile(soft[self._own], 1 - share)))

    @cached_property
    def dyes_together(self) -> float:
        """Correlation of chromogen and haematoxylin over the stained pixels; 0 where either is even."""
        stained = self.view.stained
        brown, blue = (dye[stained] - dye[stained].mean() for dye in (self.chromogen, self._haematoxylin))
        spread = float(np.sqrt((brown**2).sum() * (blue**2).sum()))
        return float((brown * blue).sum()) / spread if spread > 1e-9 else 0.0

    @cached_property
    def chromogen(self) -> NDArray[np.float64]:
        """Density of chromogen, (M, N)."""
        return chromogen_of(self.view.rgb, self._model)

    @cached_property
    def density_od(self) -> float:
        """Median of the mean density of the three colours."""
        stain = self.view.rgb[self.view.stained]
        return float(np.median(optical_density(stain, self._model.white.rgb).mean(axis=1)))

    @cached_property
    def rim_width_um(self) -> float:
        """Width of the stain's sharpest edges (standard deviation)."""
        return _rim_width_um(self.chromogen[self._box], self._own, self.view.spacing)

    @cached_property
    def around_width_um(self) -> float | None:
        """The same of nuclear edges in the view; None where there are none."""
        return _nuclear_width_um(self._haematoxylin, self.view.stained, self.view.spacing)

    @cached_property
    def _haematoxylin(self) -> NDArray[np.float64]:
        return haematoxylin_of(self.view.rgb, self._model)

    @cached_property
    def _chromogen_quantiles(self) -> tuple[float, float]:
        typical, high = np.quantile(self.chromogen[self.view.stained], [0.5, 0.9])
        return float(typical), float(high)

    @cached_property
    def _box(self) -> tuple[slice, slice]:
        """The stain with as much beside it as its rims need."""
        return bounding_box(self.view.stained, _RIM_REACH_UM + 3 * _RIM_OPTICS_UM, self.view.spacing)

    @property
    def _own(self) -> NDArray[np.bool_]:
        return self.view.stained[self._box]


def _rim_width_um(chromogen: NDArray[np.float64], stained: NDArray[np.bool_], spacing: PixelSpacing) -> float:
    """Median width of the edges at the outline of the stain, high ones counting more."""
    level, pitch = coarse(chromogen, spacing, _RIM_OPTICS_UM / 2)  # as fine as the smoothing leaves it
    form = coarse(stained, spacing, _RIM_OPTICS_UM / 2)[0] > 0
    outline = rim_of(form)
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
