"""Planes of a picture: what a table for each colour says of the light of a pixel, one dye or density at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.pixels.stain import StainModel, density_tables, dye_tables

__all__ = ["chromogen_of", "density_of", "haematoxylin_of", "plane_of", "residual_of"]

Map = NDArray[np.float64]
_KEPT_TABLE = "Array(f8, 1, 'C', readonly=True)"


def density_of(rgb: NDArray[np.uint8], model: StainModel) -> Map:
    """Optical density of each pixel, the sum over the three colours."""
    return plane_of(rgb, density_tables(model.white.rgb))


def haematoxylin_of(rgb: NDArray[np.uint8], model: StainModel) -> Map:
    """Amount of haematoxylin of each pixel; as the first of `stain.unmix`."""
    return plane_of(rgb, dye_tables(model)[0])


def chromogen_of(rgb: NDArray[np.uint8], model: StainModel) -> Map:
    """Amount of chromogen of each pixel; as the second of `stain.unmix`."""
    return plane_of(rgb, dye_tables(model)[1])


def residual_of(rgb: NDArray[np.uint8], model: StainModel) -> Map:
    """What neither dye explains of each pixel; as the third of `stain.unmix`."""
    return plane_of(rgb, dye_tables(model)[2])


def plane_of(rgb: NDArray[np.uint8], table: NDArray[Any]) -> NDArray[Any]:
    """Sum of what a table says of red, green and blue of each pixel.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
    table : ndarray of shape (3, 256), floating
        For each colour and level of light.

    Returns
    -------
    ndarray of shape (M, N)
        Of the type of the table.

    Examples
    --------
    >>> plane_of(np.array([[[1, 2, 3]]], np.uint8), np.arange(768.0).reshape(3, 256))
    array([[774.]])
    """
    plane = np.empty(rgb.shape[:2], table.dtype)
    _look_up(rgb, table[0], table[1], table[2], plane)
    return plane


@kernel(
    "u1[:,:,::1], f4[::1], f4[::1], f4[::1], f4[:,::1]",
    f"u1[:,:,::1], {_KEPT_TABLE}, {_KEPT_TABLE}, {_KEPT_TABLE}, f8[:,::1]",
)
def _look_up(rgb: Any, red: Any, green: Any, blue: Any, plane: Any) -> None:
    rows, columns = plane.shape
    for row in range(rows):
        for column in range(columns):
            plane[row, column] = red[rgb[row, column, 0]] + green[rgb[row, column, 1]] + blue[rgb[row, column, 2]]
