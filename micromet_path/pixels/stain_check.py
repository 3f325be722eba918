"""Whether tissue has the colours of haematoxylin and DAB, and not those of another stain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.pixels.planes import density_of, residual_of
from micromet_path.pixels.stain import StainModel

__all__ = ["PINK", "StainCheck", "check_h_dab", "shows_eosin"]

_STAINED_OD = 0.2


@dataclass(frozen=True, slots=True)
class StainCheck:
    """Whether tissue has the colours of haematoxylin and DAB; None where it shows too little to tell."""

    is_h_dab: bool | None
    note: str


PINK = StainCheck(False, "the tissue is pink, red or purple, as in H&E")


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
    unexplained = _unexplained(tissue_rgb, model)
    if len(unexplained) < 50:
        return StainCheck(None, "too little stained tissue to tell the stain")
    share = float(np.median(unexplained))
    if share < -0.045 and (own is None or np.quantile(_unexplained(tissue_rgb, own), 0.25) < -0.02):
        return PINK
    if share > 0.16:
        return StainCheck(False, "the tissue is neither blue nor brown")
    return StainCheck(True, "the colours fit haematoxylin and DAB")


def shows_eosin(tissue_rgb: NDArray[np.uint8], own: StainModel) -> bool:
    """Whether tissue without chromogen is that of H&E although its nuclei are as blue as those of H-DAB.

    Parameters
    ----------
    tissue_rgb : ndarray of shape (N, 3), dtype uint8
    own : StainModel
        With the slide's own haematoxylin.

    Notes
    -----
    Fibres and red cells take eosin, and a twentieth of the tissue is far from both dyes (-16 to -27 %); in H-DAB it
    is not, however pink its collagen (-1 to -9 %), or ink lies there, and then the rest does not lean towards pink.
    """
    unexplained = _unexplained(tissue_rgb, own)
    if len(unexplained) < 50:
        return False
    pinkest, middle = np.quantile(unexplained, (0.05, 0.5))
    return bool(pinkest < -0.12 and middle < -0.01)


def _unexplained(tissue_rgb: NDArray[np.uint8], model: StainModel) -> NDArray[np.float64]:
    """Share of each stained pixel's density that the two dyes do not explain, negative towards green."""
    pixels = np.ascontiguousarray(tissue_rgb)[None]  # one kind of array is compiled for
    density = density_of(pixels, model)
    is_stained = density > _STAINED_OD
    return np.asarray(residual_of(pixels, model)[is_stained] / density[is_stained])
