"""Whether tissue has the colours of haematoxylin and DAB, and not those of another stain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.pixels.planes import density_of, residual_of
from micromet_path.pixels.stain import StainModel

__all__ = ["StainCheck", "check_h_dab"]


@dataclass(frozen=True, slots=True)
class StainCheck:
    """Whether tissue has the colours of haematoxylin and DAB; None where there is too little tissue."""

    is_h_dab: bool | None
    note: str


def check_h_dab(tissue_rgb: NDArray[np.uint8], model: StainModel, own: StainModel | None = None) -> StainCheck:
    """Tell H-DAB from other stains by the share of colour that the two dyes leave unexplained.

    Parameters
    ----------
    tissue_rgb : ndarray of shape (N, 3), dtype uint8
        Pixels of tissue; some hundred thousand are enough (`thinned`).
    model : StainModel
        Of the laboratory.
    own : StainModel, optional
        Of the slide, where it is to be believed on its dyes; of the same white.

    Notes
    -----
    Eosin absorbs green alone and lands on the negative side of the residual axis: in H&E the median
    residual is -8 to -20 % of the whole density, in H-DAB -2 to +8 %. The limits lie between. A purple haematoxylin
    lies beyond them too; with its own vector nothing of it is left unexplained (the lower quartile lies above -2 %),
    while of H&E, whose nuclei are purple as well, the pink between them is (-3 to -12 %).
    """
    pixels = tissue_rgb[None]
    density = density_of(pixels, model)
    is_stained = density > 0.2
    if np.count_nonzero(is_stained) < 50:
        return StainCheck(None, "too little stained tissue to tell the stain")

    def unexplained(by: StainModel) -> NDArray[np.float64]:
        """Share of each density that the two dyes do not explain, negative towards green."""
        return np.asarray(residual_of(pixels, by)[is_stained] / density[is_stained])

    share = float(np.median(unexplained(model)))
    if share < -0.045 and (own is None or np.quantile(unexplained(own), 0.25) < -0.02):
        return StainCheck(False, "the tissue is pink, red or purple, as in H&E")
    if share > 0.16:
        return StainCheck(False, "the tissue is neither blue nor brown")
    return StainCheck(True, "the colours fit haematoxylin and DAB")
