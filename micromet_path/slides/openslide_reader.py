"""Every other scanner format, through OpenSlide."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ReaderError, UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.slides.base import SlideInfo
from micromet_path.slides.messages import one_line
from micromet_path.slides.pyramid import PyramidSlide, levels_of_sizes
from micromet_path.slides.scale import (
    Scale,
    magnification,
    objective_warning,
    resolution_scale,
    settle_scale,
    stated_scale,
)

__all__ = ["OpenSlideSlide", "check_openslide", "detect_vendor", "open_openslide"]

_OLDEST = (4, 0, 1)
"""Earlier versions have memory-safety defects on crafted files."""

_PIECE_PX = 1024
"""Side of one read: larger ones leave the cache, smaller ones pay the call."""

_DEFAULT_TILE_PX = 256

_MODEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]{1,31}")  # a product, not a sentence
_MODEL_TAGS = (
    "aperio.ScannerModel",
    "dicom.ManufacturerModelName",
    "hamamatsu.Product",
    "leica.device-model",
    "philips.DICOM_MANUFACTURERS_MODEL_NAME",
    "ventana.ScannerModel",
    "tiff.Model",
)
"""The technical names that may leave the file; serial numbers, dates and comments never do."""


def check_openslide() -> str:
    """The version of OpenSlide, if it can be used.

    Raises
    ------
    ReaderError
        If OpenSlide is missing or older than 4.0.1.
    """
    advice = "install it with: pip install 'openslide-bin>=4.0.1' openslide-python"
    try:
        import openslide
    except (ImportError, OSError) as error:
        raise ReaderError(f"OpenSlide cannot be loaded ({one_line(error)}); {advice}") from error
    version = str(openslide.__library_version__)
    if tuple(int(part) for part in version.split("-")[0].split(".")[:3] if part.isdigit()) < _OLDEST:
        raise ReaderError(f"OpenSlide {version} has known memory defects, expected 4.0.1 or later; {advice}")
    return version


def detect_vendor(path: Path) -> str | None:
    """The scanner family as OpenSlide names it, None where it does not know the file."""
    check_openslide()
    from openslide import OpenSlide, OpenSlideError

    try:
        return OpenSlide.detect_format(path)
    except OpenSlideError:
        return None


def open_openslide(path: Path, spacing: PixelSpacing | None = None) -> OpenSlideSlide:
    """Open a slide through OpenSlide.

    Raises
    ------
    UnsupportedSlideError
        If OpenSlide does not know the format or its compression.
    UnreadableSlideError
        If the file is damaged.
    """
    check_openslide()
    return OpenSlideSlide(path, _open(path), spacing)


class OpenSlideSlide(PyramidSlide):
    """A slide behind OpenSlide. Use `open_openslide`.

    Parameters
    ----------
    path : Path
    handle : openslide.OpenSlide
    spacing : PixelSpacing, optional
        Overrules the file's scale.
    """

    def __init__(self, path: Path, handle: Any, spacing: PixelSpacing | None = None) -> None:
        tags: Mapping[str, str] = handle.properties
        width, height = handle.dimensions
        scale = _scale_of(path.name, tags, spacing)
        power = tags.get("openslide.objective-power")
        doubt = objective_warning(power, scale.spacing)
        info = SlideInfo(
            name=path.name,
            width_px0=width,
            height_px0=height,
            spacing=scale.spacing,
            spacing_source=scale.source,
            vendor=tags.get("openslide.vendor", "openslide"),
            reader="openslide",
            levels=levels_of_sizes(handle.level_dimensions),
            bounds_px0=_bounds_of(tags, width, height),
            properties=_technical(tags, power),
            warnings=(*scale.warnings, *([doubt] if doubt else [])),
        )
        super().__init__(info, _tiles_of(tags, width, height))
        self._path = path
        self._handle = handle
        self._downsamples = tuple(handle.level_downsamples)
        self._lock = threading.Lock()

    @property
    def icc_profile(self) -> bytes | None:
        """The ICC profile that the file embeds."""
        # OpenSlide puts its bytes on every picture, an empty one included, for which nothing is decoded.
        profile: bytes | None = self._handle.read_region((0, 0), 0, (0, 0)).info.get("icc_profile")
        return profile

    def close(self) -> None:
        """Release the file."""
        self._handle.close()

    def _fill(self, level: int, box: Region, out: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        scanned: NDArray[np.bool_] | None = None
        for piece in TileGrid(box.width, box.height, _PIECE_PX, _PIECE_PX):
            place = (slice(piece.y0, piece.y1), slice(piece.x0, piece.x1))
            rgba = self._read(level, Region(box.x0 + piece.x0, box.y0 + piece.y0, box.x0 + piece.x1, box.y0 + piece.y1))
            alpha = rgba[..., 3]
            if alpha.min() == 255:
                out[place] = rgba[..., :3]
                continue
            out[place] = _over_white(rgba)
            scanned = np.ones(box.shape, np.bool_) if scanned is None else scanned
            scanned[place] = alpha > 0
        return scanned

    def _read(self, level: int, box: Region) -> NDArray[np.uint8]:
        from openslide import OpenSlideError

        factor = self._downsamples[level]
        request = ((round(box.x0 * factor), round(box.y0 * factor)), level, (box.width, box.height))
        handle = self._handle
        try:
            return np.asarray(handle.read_region(*request))
        except OpenSlideError:
            # After an error a handle fails for ever and for every thread: ask a fresh one.
            return self._read_again(handle, request)

    def _read_again(self, failed: Any, request: Any) -> NDArray[np.uint8]:
        from openslide import OpenSlideError

        with self._lock:
            if self._handle is failed:
                self._handle = _open(self._path)
            fresh = _open(self._path)  # private, so that its error is about this request
        try:
            return np.asarray(fresh.read_region(*request))
        except OpenSlideError as error:
            (x, y), level, (width, height) = request
            factor = self._downsamples[level]
            raise UnreadableSlideError(
                f"{self._info.name}: x {x}-{x + round(width * factor)}, y {y}-{y + round(height * factor)} "
                f"cannot be decoded ({one_line(error)})"
            ) from error
        finally:
            fresh.close()


def _open(path: Path) -> Any:
    from openslide import OpenSlide, OpenSlideError, OpenSlideUnsupportedFormatError

    try:
        return OpenSlide(path)
    except OpenSlideUnsupportedFormatError as error:
        raise UnsupportedSlideError(f"{path.name} is not a slide that OpenSlide knows") from error
    except OpenSlideError as error:
        if "nsupported" in str(error) or "not supported" in str(error):
            raise UnsupportedSlideError(f"{path.name} cannot be used: {one_line(error)}") from error
        raise UnreadableSlideError(f"{path.name} is damaged: {one_line(error)}") from error


def _scale_of(name: str, tags: Mapping[str, str], given: PixelSpacing | None) -> Scale:
    x, y = tags.get("openslide.mpp-x"), tags.get("openslide.mpp-y")
    resolution = _resolution_of(tags)
    if tags.get("openslide.vendor") == "generic-tiff":
        return settle_scale(name, [resolution], given)  # its mpp is nothing else, defaults included
    return settle_scale(name, [stated_scale(x, y, "openslide.mpp"), resolution], given)


def _resolution_of(tags: Mapping[str, str]) -> Any:
    unit = {"inch": 2, "centimeter": 3}.get(tags.get("tiff.ResolutionUnit", ""), 1)
    try:
        return resolution_scale(float(tags["tiff.XResolution"]), float(tags["tiff.YResolution"]), unit)
    except (KeyError, ValueError):
        return None


def _bounds_of(tags: Mapping[str, str], width: int, height: int) -> Region:
    whole = Region(0, 0, width, height)
    try:
        x, y, across, down = (int(tags[f"openslide.bounds-{key}"]) for key in ("x", "y", "width", "height"))
    except (KeyError, ValueError):
        return whole
    inside = Region(x, y, x + across, y + down).intersection(whole)
    return whole if inside.is_empty else inside


def _tiles_of(tags: Mapping[str, str], width: int, height: int) -> TileGrid:
    tile_width, tile_height = (
        int(tags.get(f"openslide.level[0].tile-{side}", _DEFAULT_TILE_PX)) for side in ("width", "height")
    )
    return TileGrid(width, height, min(tile_width, width), min(tile_height, height))


def _technical(tags: Mapping[str, str], power: str | None) -> tuple[tuple[str, str], ...]:
    number = magnification(power)
    found = [("objective_power", number)] if number else []
    model = next((tags[key] for key in _MODEL_TAGS if _MODEL_NAME.fullmatch(tags.get(key, ""))), None)
    return tuple([*found, ("scanner_model", model)] if model else found)


def _over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours blended over white by their opacity (they are not premultiplied)."""
    opacity = rgba[..., 3:].astype(np.uint16)
    blended = (rgba[..., :3].astype(np.uint16) * opacity + 255 * (255 - opacity) + 127) // 255
    return blended.astype(np.uint8)
