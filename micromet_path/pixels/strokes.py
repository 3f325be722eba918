"""Form of a candidate's stain: strokes, parts, and what they enclose."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.label import filled_and_left, labelled
from micromet_path.pixels.shape import (
    bounding_box,
    closed,
    distance_um,
    opened,
    padded,
    perimeter_um,
)

__all__ = ["Strokes"]

_MEMBRANE_GAP_UM = 1.5  # a membrane is torn for about its own width
_CELL_HOLE_UM2 = 400.0  # the inside of a membrane around a large carcinoma cell, 22 um across; nuclei are smaller


class Strokes:
    """Form of a candidate's stain, closed over gaps of a membrane and filled over nuclei and cells.

    As in `Evidence`, each measure is taken when it is first asked for.

    Parameters
    ----------
    stained : ndarray of shape (M, N), bool
        At least one pixel.
    stroke_um : float
        Width of a stroke.
    spacing : PixelSpacing
    """

    def __init__(self, stained: NDArray[np.bool_], stroke_um: float, spacing: PixelSpacing) -> None:
        own = stained[bounding_box(stained, 2 * _MEMBRANE_GAP_UM, spacing)]  # the rest of a view is no part of the form
        self._stroke_um, self._spacing = stroke_um, spacing
        self._form, self._enclosed_px = filled_and_left(
            closed(padded(own, 2), _MEMBRANE_GAP_UM, spacing), _CELL_HOLE_UM2 / spacing.pixel_area_um2
        )
        self._form_px = int(np.count_nonzero(self._form))

    @property
    def enclosed_ratio(self) -> float:
        """Area of the holes that are left, over that of the form: a membrane goes round, processes end."""
        return self._enclosed_px / self._form_px

    @cached_property
    def thin_share(self) -> float:
        """Share of the form that is thinner than the width of a stroke."""
        thick = int(np.count_nonzero(opened(self._form, self._stroke_um / 2, self._spacing)))
        return 1 - thick / self._form_px

    @cached_property
    def width_um(self) -> float:
        """Mean width: that of a strip which has the same mean distance to its border."""
        half_pixel = 0.25 * (self._spacing.x_um + self._spacing.y_um)
        return 4 * float(np.mean(distance_um(self._form, self._spacing)[self._form]) - half_pixel / 2)

    @property
    def length_um(self) -> float:
        """Area over width of the largest part."""
        return self.largest_um2 / self.width_um

    @cached_property
    def compactness(self) -> float:
        """``4 pi area / perimeter**2`` of the largest part: 1 for a disc, near 0 for branches."""
        labels, parts_um2 = self._parts
        around_um = perimeter_um(labels == int(np.argmax(parts_um2)), self._spacing)
        return 4 * float(np.pi) * self.largest_um2 / around_um**2

    @property
    def n_parts(self) -> int:
        """Parts of at least 1 um2."""
        return len(self._whole_um2)

    @property
    def size_spread(self) -> float:
        """Standard deviation of the natural logarithm of their areas."""
        return float(np.log(self._whole_um2).std()) if self.n_parts else 0.0

    @property
    def largest_um2(self) -> float:
        """Area of the largest part."""
        return float(self._parts[1].max())

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Number of the part of each pixel, 0 for none; and the areas by number."""
        labels, pixels = labelled(self._form, is_eight=True)
        return labels, np.asarray(pixels * self._spacing.pixel_area_um2)

    @property
    def _whole_um2(self) -> NDArray[np.float64]:
        areas = self._parts[1]
        return areas[areas >= 1.0]
