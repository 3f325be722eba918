"""Plain PNG, JPEG and TIFF images: slides only when the user gives their scale."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import MissingScaleError, UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing
from micromet_path.slides.array_slide import ArraySlide
from micromet_path.slides.checks import Samples, require_brightfield
from micromet_path.slides.ome import parse_ome

__all__ = ["open_image"]

_LARGEST_MPX = 400
"""Held in memory as a whole: 1.2 GB."""

_PNG_START, _JPEG_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_SUFFIXES = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg", ".jpe"), "TIFF": (".tif", ".tiff", ".btf", ".tf8", ".tf2")}

_Decode = Callable[[], NDArray[Any]]


def open_image(path: Path, start: bytes, spacing: PixelSpacing | None) -> ArraySlide:
    """Load a plain image as a slide of one level.

    Parameters
    ----------
    path : Path
    start : bytes
        The first 32 bytes of the file.
    spacing : PixelSpacing or None
        Required, except for an OME-TIFF that states it.

    Raises
    ------
    UnsupportedSlideError
        If the file is no image, not what its name says, not RGB of 8 bits, or too large.
    MissingScaleError
        If no spacing is given.
    UnreadableSlideError
        If the pixels cannot be decoded.
    """
    kind = _kind_of(start)
    if kind is None:
        raise UnsupportedSlideError(
            f"{path.name} is not in a format that a reader here knows; expected a whole-slide image "
            "(such as SVS, NDPI, MRXS, SCN, DICOM, OME-TIFF, OME-Zarr)"
        )
    if path.suffix.lower() not in _SUFFIXES[kind]:
        raise UnsupportedSlideError(_misnamed(path.name, kind))
    examine = {"PNG": _examine_png, "JPEG": _examine_jpeg, "TIFF": _examine_tiff}[kind]
    try:
        (width, height), stated, decode = examine(path)
        spacing = spacing or stated
        if spacing is None:
            raise MissingScaleError(f"{path.name} states no microns per pixel; pass --mpp with the scanner's value")
        _require_size(path.name, width, height)
        return _as_slide(path, decode(), spacing, kind)
    except (ValueError, TypeError, RuntimeError, OSError, LookupError, ArithmeticError, struct.error) as error:
        raise UnreadableSlideError(f"{path.name} is damaged: its pixels cannot be decoded") from error


def _kind_of(start: bytes) -> str | None:
    if start.startswith(_PNG_START):
        return "PNG"
    if start.startswith(_JPEG_START):
        return "JPEG"
    return "TIFF" if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") else None


def _misnamed(name: str, kind: str) -> str:
    if kind == "TIFF":  # most scanner formats are TIFFs inside
        return (
            f"{name} is a TIFF that no slide reader knows (cut short?); copy the slide again or export it as OME-TIFF"
        )
    return (
        f"{name} is not a slide but a plain {kind} image under another name; "
        f"rename it to {_SUFFIXES[kind][0]} and pass --mpp if it is meant"
    )


def _require_size(name: str, width: int, height: int) -> None:
    if width * height > _LARGEST_MPX * 1e6:
        raise UnsupportedSlideError(
            f"{name} is a plain image of {width} x {height} px ({width * height / 1e6:,.0f} Mpx), expected at most "
            f"{_LARGEST_MPX} Mpx; convert it to a tiled pyramid (OME-TIFF)"
        )


class _ImageSlide(ArraySlide):
    """A plain image: its pixels in memory, its ICC profile in the file until it is asked for."""

    def __init__(self, path: Path, kind: str, pixels: NDArray[np.uint8], spacing: PixelSpacing, scanned: Any) -> None:
        super().__init__(pixels, spacing, path.name, scanned=scanned, vendor=f"image/{kind.lower()}")
        self._path = path
        self._kind = kind

    @property
    def icc_profile(self) -> bytes | None:
        """The ICC profile that the file embeds."""
        try:
            return _icc_of_tiff(self._path) if self._kind == "TIFF" else _icc_of_image(self._path, self._kind)
        except (SyntaxError, ValueError, TypeError, OSError, LookupError, struct.error) as error:  # Pillow's for damage
            raise UnreadableSlideError(f"{self._path.name} is damaged: its ICC profile cannot be read") from error


def _icc_of_tiff(path: Path) -> bytes | None:
    from tifffile import TiffFile

    with TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        profile: bytes | None = page.iccprofile
        return profile


def _icc_of_image(path: Path, kind: str) -> bytes | None:
    """From the header of a PNG or JPEG; without Pillow's limit of pixels, since none is decoded."""
    from PIL import JpegImagePlugin, PngImagePlugin

    reader = PngImagePlugin.PngImageFile if kind == "PNG" else JpegImagePlugin.JpegImageFile
    with reader(path) as image:
        # Where the parts of a profile do not fit together Pillow states None.
        return (image.info["icc_profile"] or b"") if "icc_profile" in image.info else None


def _as_slide(path: Path, pixels: NDArray[Any], spacing: PixelSpacing, kind: str) -> ArraySlide:
    """Opaque pixels as they are, transparent ones white and not scanned."""
    scanned = None
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        opacity = pixels[..., 3:].astype(np.uint16)
        scanned = pixels[..., 3] > 0
        pixels = ((pixels[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return _ImageSlide(path, kind, np.ascontiguousarray(pixels), spacing, scanned)


def _examine_png(path: Path) -> tuple[tuple[int, int], PixelSpacing | None, _Decode]:
    import imagecodecs

    data = path.read_bytes()
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    bits, colour = data[24], data[25]
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)  # PNG, second edition (2003), table 11.1
    samples = Samples(channels, bits, is_palette=colour == 3, has_alpha=colour == 6)
    require_brightfield(path.name, samples)
    return (width, height), None, lambda: np.asarray(imagecodecs.png_decode(data))


def _examine_jpeg(path: Path) -> tuple[tuple[int, int], PixelSpacing | None, _Decode]:
    import simplejpeg

    data = path.read_bytes()
    height, width, colour, _ = simplejpeg.decode_jpeg_header(data)
    require_brightfield(path.name, Samples({"Gray": 1, "CMYK": 4, "YCCK": 4}.get(colour, 3), 8))
    return (width, height), None, lambda: np.asarray(simplejpeg.decode_jpeg(data, "RGB"))


def _examine_tiff(path: Path) -> tuple[tuple[int, int], PixelSpacing | None, _Decode]:
    from tifffile import TiffFile

    with TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        width, height = int(page.imagewidth), int(page.imagelength)
        ome = parse_ome(tiff.ome_metadata, width, height) if tiff.is_ome else None
        stated = PixelSpacing(ome.scale.x_um, ome.scale.y_um) if ome and ome.scale else None

    def decode() -> NDArray[Any]:
        with TiffFile(path) as again:
            return again.pages[0].asarray()

    return (width, height), stated, decode
