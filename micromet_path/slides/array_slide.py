"""An array as a slide: what a notebook holds, and what the tests cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.slides.base import SlideInfo
from micromet_path.slides.pyramid import PyramidSlide, levels_of_sizes
from micromet_path.slides.scale import settle_scale

__all__ = ["ArraySlide"]


class ArraySlide(PyramidSlide):
    """Pixels in memory behind the interface of a slide.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Not copied; must not change while the slide is in use.
    spacing : PixelSpacing
        Microns per pixel, 0.1 to 2.0.
    name : str, default "array"
    tile_px : int, default 256
        Side of the tiles that the array pretends to be stored in.
    scanned : ndarray of shape (M, N), dtype bool, optional
        Where the scanner recorded something; everywhere by default.
    vendor : str, default "array"
        Where the pixels came from, for the records.

    Raises
    ------
    UnsupportedSlideError
        If the array is not 8-bit RGB.
    ImplausibleScaleError
        If the spacing is outside 0.1 to 2.0 um.

    Examples
    --------
    >>> slide = ArraySlide(np.full((100, 300, 3), 240, np.uint8), PixelSpacing(0.5, 0.5))
    >>> slide.read(slide.info.region, PixelSpacing(2.0, 2.0)).rgb.shape
    (25, 75, 3)
    """

    def __init__(
        self,
        rgb: NDArray[np.uint8],
        spacing: PixelSpacing,
        name: str = "array",
        tile_px: int = 256,
        scanned: NDArray[np.bool_] | None = None,
        vendor: str = "array",
    ) -> None:
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise UnsupportedSlideError(
                f"{name} is an array of {rgb.dtype} {rgb.shape}, "
                "expected uint8 of rows x columns x 3 (red, green, blue)"
            )
        if scanned is not None and (scanned.shape != rgb.shape[:2] or scanned.dtype != np.bool_):
            raise ValueError(f"scanned must be bool {rgb.shape[:2]}, got {scanned.dtype} {scanned.shape}")
        height, width = rgb.shape[:2]
        scale = settle_scale(name, [], spacing)
        info = SlideInfo(
            name=name,
            width_px0=width,
            height_px0=height,
            spacing=scale.spacing,
            spacing_source=scale.source,
            vendor=vendor,
            reader=vendor,
            levels=levels_of_sizes([(width, height)]),
            bounds_px0=Region(0, 0, width, height),
            warnings=scale.warnings,
        )
        super().__init__(info, TileGrid(width, height, min(tile_px, width), min(tile_px, height)))
        self.rgb = rgb
        self.scanned = scanned

    def _fill(self, level: int, box: Region, out: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        rows, columns = slice(box.y0, box.y1), slice(box.x0, box.x1)
        out[...] = self.rgb[rows, columns]
        if self.scanned is None or self.scanned[rows, columns].all():
            return None
        mask = self.scanned[rows, columns].copy()
        out[~mask] = 255
        return mask
