"""Form of a candidate's stain: strokes, parts, and what they enclose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.shape import (
    bounding_box,
    closed,
    distance_um,
    filled_and_left,
    opened,
    padded,
    perimeter_um,
)

__all__ = ["Strokes", "strokes_of"]

_MEMBRANE_GAP_UM = 1.5  # a membrane is torn for about its own width
_CELL_HOLE_UM2 = 400.0  # the inside of a membrane around a large carcinoma cell, 22 um across; nuclei are smaller


@dataclass(frozen=True, slots=True)
class Strokes:
    """Form of a candidate's stain, closed over gaps of a membrane and filled over nuclei and cells.

    Parameters
    ----------
    filled_um2 : float
        Of the closed and filled form.
    enclosed_ratio : float
        Area of the holes that are left, over that of the form: a membrane goes round, processes end.
    thin_share : float
        Share of the form that is thinner than the width of a stroke.
    width_um : float
        Mean width: that of a strip which has the same mean distance to its border.
    length_um : float
        Area over width of the largest part.
    compactness : float
        ``4 pi area / perimeter**2`` of the largest part: 1 for a disc, near 0 for branches.
    n_parts : int
        Parts of at least 1 um2.
    size_spread : float
        Standard deviation of the natural logarithm of their areas.
    largest_um2 : float
        Area of the largest one.
    """

    filled_um2: float
    enclosed_ratio: float
    thin_share: float
    width_um: float
    length_um: float
    compactness: float
    n_parts: int
    size_spread: float
    largest_um2: float


def strokes_of(stained: NDArray[np.bool_], stroke_um: float, spacing: PixelSpacing) -> Strokes:
    """Measure the form of stained pixels, of which there is at least one."""
    from scipy import ndimage

    own = stained[bounding_box(stained, 2 * _MEMBRANE_GAP_UM, spacing)]  # the rest of a view is no part of the form
    pixel_um2 = spacing.pixel_area_um2
    form, enclosed_px = filled_and_left(closed(padded(own, 2), _MEMBRANE_GAP_UM, spacing), _CELL_HOLE_UM2 / pixel_um2)
    labels, _ = ndimage.label(form, np.ones((3, 3)))
    pixels = np.bincount(labels.ravel())
    pixels[0] = 0
    largest = labels == int(np.argmax(pixels))
    half_pixel = 0.25 * (spacing.x_um + spacing.y_um)
    width_um = 4 * float(np.mean(distance_um(form, spacing)[form]) - half_pixel / 2)
    thick = int(np.count_nonzero(opened(form, stroke_um / 2, spacing)))
    largest_um2 = float(pixels.max()) * pixel_um2
    around_um = perimeter_um(largest, spacing)
    parts_um2 = pixels[pixels * pixel_um2 >= 1.0] * pixel_um2
    form_px = int(np.count_nonzero(form))
    return Strokes(
        filled_um2=form_px * pixel_um2,
        enclosed_ratio=enclosed_px / form_px,
        thin_share=1 - thick / form_px,
        width_um=width_um,
        length_um=largest_um2 / width_um,
        compactness=4 * float(np.pi) * largest_um2 / around_um**2,
        n_parts=len(parts_um2),
        size_spread=float(np.log(parts_um2).std()) if len(parts_um2) else 0.0,
        largest_um2=largest_um2,
    )
