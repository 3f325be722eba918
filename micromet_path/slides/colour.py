"""A slide in the colours that its scanner meant: from the ICC profile in the file to sRGB.

A slide around a slide, so that whatever reads one does not know. Regions are averaged before they are
transformed: the lower levels in the file were averaged so as well, and both kinds then agree.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ReaderError, SlideError, UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.slides.base import Raster, Slide, SlideInfo

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

__all__ = ["EMBEDDED_TO_SRGB", "SrgbSlide", "in_srgb"]

EMBEDDED_TO_SRGB = "sRGB from the embedded profile"
"""What `SlideInfo.colour` says of a slide whose pixels were transformed."""

_NO_PROFILE = 'the slide embeds no ICC profile: its colours are used as stored, although scan.icc is "to_srgb"'

_BAND_PX = 2**18
"""Pixels that are transformed at once: Pillow holds them in 4 bytes each, and a megabyte stays in the cache."""


def in_srgb(slide: Slide) -> Slide:
    """The same slide in sRGB, by the profile that its file embeds.

    Parameters
    ----------
    slide : Slide
        Stays open as long as the answer is used; to close that one is to close this.

    Returns
    -------
    Slide
        Its ``info`` says how its colours came about. Without a profile the pixels are those of the slide, and
        ``info.warnings`` says that.

    Raises
    ------
    UnreadableSlideError
        If the profile is damaged.
    UnsupportedSlideError
        If it is not a profile of red, green and blue.
    ReaderError
        If Pillow comes without LittleCMS.
    """
    profile, info = slide.icc_profile, slide.info
    if profile is None:
        return _DescribedSlide(slide, replace(info, warnings=(*info.warnings, _NO_PROFILE)))
    transform = _transform_of(profile, info.name)
    digest = hashlib.sha256(profile).hexdigest()
    return SrgbSlide(slide, replace(info, colour=EMBEDDED_TO_SRGB, icc_sha256=digest), transform)


class _DescribedSlide:
    """A slide of which something else is said.

    Parameters
    ----------
    slide : Slide
    info : SlideInfo
        In place of the slide's own.
    """

    def __init__(self, slide: Slide, info: SlideInfo) -> None:
        self._slide = slide
        self._info = info

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._slide!r}>"

    @property
    def info(self) -> SlideInfo:
        """Scale, size, levels."""
        return self._info

    @property
    def tiles(self) -> TileGrid:
        """The stored tiles of level 0."""
        return self._slide.tiles

    @property
    def icc_profile(self) -> bytes | None:
        """None: what the file embeds, if anything, was used already."""
        return None

    def read(
        self,
        region: Region,
        spacing: PixelSpacing | None = None,
        out: NDArray[np.uint8] | None = None,
        *,
        workers: int = 1,
    ) -> Raster:
        """Pixels of a region; see `Slide.read`."""
        return self._slide.read(region, spacing, out, workers=workers)

    def close(self) -> None:
        """Release the file."""
        self._slide.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SrgbSlide(_DescribedSlide):
    """A slide whose pixels are transformed as they are read. Use `in_srgb`.

    Parameters
    ----------
    slide : Slide
    info : SlideInfo
    transform : ImageCmsTransform
        From stored RGB to sRGB, 8 bits each; used by several threads at once.
    """

    def __init__(self, slide: Slide, info: SlideInfo, transform: ImageCmsTransform) -> None:
        super().__init__(slide, info)
        self._transform = transform

    def read(
        self,
        region: Region,
        spacing: PixelSpacing | None = None,
        out: NDArray[np.uint8] | None = None,
        *,
        workers: int = 1,
    ) -> Raster:
        """Pixels of a region in sRGB; see `Slide.read`. What was not scanned stays white.

        Only a buffer that the caller gave is changed in place: any other may be the slide's own.
        """
        raster = self._slide.read(region, spacing, out, workers=workers)
        rgb = np.empty(raster.rgb.shape, np.uint8) if out is None else raster.rgb
        self._convert(raster.rgb, rgb)
        if raster.scanned is not None:
            rgb[~raster.scanned] = 255  # white that no scanner saw: it has no colour to be corrected
        return Raster(rgb, raster.scanned)

    def _convert(self, source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
        """Transform pixels of shape (M, N, 3) into an array that may be the same."""
        from PIL import Image

        rows = max(1, _BAND_PX // source.shape[1])
        for top in range(0, len(source), rows):
            band = Image.fromarray(source[top : top + rows])  # a copy
            target[top : top + rows] = np.asarray(self._transform.apply_in_place(band))


def _transform_of(profile: bytes, name: str) -> ImageCmsTransform:
    """The transform from a profile to sRGB, by the intent that the profile states."""
    from PIL import ImageCms

    if (stated := int.from_bytes(profile[:4], "big")) > len(profile):  # LittleCMS would read on with what is left
        raise _refusal(UnreadableSlideError, name, profile, f"is cut short (it states {stated:,} bytes)")
    try:
        source = ImageCms.getOpenProfile(BytesIO(profile))
        if source.profile.xcolor_space != "RGB ":
            raise _refusal(UnsupportedSlideError, name, profile, "describes other colours than red, green and blue")
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
        # Without its cache of the last pixel a transform holds no state, and threads can share it.
        flags = ImageCms.Flags.NOCACHE
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB", intent, flags)
    except ImportError as error:
        raise ReaderError(
            'Pillow comes without LittleCMS, which scan.icc = "to_srgb" needs; install its published wheel with: '
            "pip install --force-reinstall pillow"
        ) from error
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        # Not the library's own words: they may quote the profile's text, and that may name a person.
        raise _refusal(UnreadableSlideError, name, profile, "cannot be read") from error


def _refusal(kind: type[SlideError], name: str, profile: bytes, what: str) -> SlideError:
    """One line: what was found, what was expected, what to do."""
    return kind(
        f"{name} embeds an ICC profile of {len(profile):,} bytes that {what}; expected a profile of red, green and "
        'blue; export the slide again, or set icc = "ignore" under [scan] to use its colours as stored'
    )
