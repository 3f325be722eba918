"""Files in, RGB out. The only folder that knows OpenSlide and file formats.

`open_slide` picks the reader; `Slide` is what every reader looks like from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from micromet_path.slides.array_slide import ArraySlide
    from micromet_path.slides.base import Level, Raster, Slide, SlideInfo
    from micromet_path.slides.checks import check_brightfield
    from micromet_path.slides.colour import SrgbSlide, in_srgb
    from micromet_path.slides.fingerprint import array_fingerprint, pixels_fingerprint, slide_fingerprint
    from micromet_path.slides.opening import open_slide
    from micromet_path.slides.openslide_reader import OpenSlideSlide, check_openslide
    from micromet_path.slides.tiff_reader import TiffSlide
    from micromet_path.slides.zarr_reader import ZarrSlide

_HOME = {
    "ArraySlide": "array_slide",
    "Level": "base",
    "OpenSlideSlide": "openslide_reader",
    "Raster": "base",
    "Slide": "base",
    "SlideInfo": "base",
    "SrgbSlide": "colour",
    "TiffSlide": "tiff_reader",
    "ZarrSlide": "zarr_reader",
    "array_fingerprint": "fingerprint",
    "check_brightfield": "checks",
    "check_openslide": "openslide_reader",
    "in_srgb": "colour",
    "open_slide": "opening",
    "pixels_fingerprint": "fingerprint",
    "slide_fingerprint": "fingerprint",
}

__all__ = [
    "ArraySlide",
    "Level",
    "OpenSlideSlide",
    "Raster",
    "Slide",
    "SlideInfo",
    "SrgbSlide",
    "TiffSlide",
    "ZarrSlide",
    "array_fingerprint",
    "check_brightfield",
    "check_openslide",
    "in_srgb",
    "open_slide",
    "pixels_fingerprint",
    "slide_fingerprint",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: readers load libraries of their own."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
