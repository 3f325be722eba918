"""Which reader serves a file."""

from __future__ import annotations

from pathlib import Path

from micromet_path.errors import MissingSlideError, UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing
from micromet_path.slides.base import Slide

__all__ = ["open_slide"]

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FAST_VENDORS = (None, "aperio", "generic-tiff")
"""What OpenSlide calls the TIFFs whose tiles simply lie side by side; None is OME-TIFF, for one."""


def open_slide(path: str | Path, spacing: PixelSpacing | None = None) -> Slide:
    """Open a whole-slide image.

    Parameters
    ----------
    path : str or Path
        A slide file, or the folder of an OME-Zarr image. Plain PNG, JPEG and TIFF images are
        slides only with an explicit spacing.
    spacing : PixelSpacing, optional
        Microns per pixel of level 0, 0.1 to 2.0; overrules what the file states.

    Returns
    -------
    Slide
        Close it, or use it in a ``with`` statement.

    Raises
    ------
    MissingSlideError
        If there is nothing under this name.
    UnsupportedSlideError
        If no reader knows the file, or it is not a brightfield RGB slide.
    UnreadableSlideError
        If the file is damaged.
    MissingScaleError, ImplausibleScaleError
        If there is no scale, or not one in which foci can be measured.
    ReaderError
        If OpenSlide is missing or too old.
    """
    path = Path(path)
    if not path.exists():
        raise MissingSlideError(f"{path} does not exist; check the name and whether the disk is mounted")
    if path.is_dir():
        return _open_folder(path, spacing)
    if not path.is_file():  # to open a pipe may take for ever
        raise UnsupportedSlideError(f"{path.name} is a pipe or a device; expected a slide file")
    return _open_file(path, spacing)


def _open_folder(path: Path, spacing: PixelSpacing | None) -> Slide:
    if not any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zattrs")):
        raise UnsupportedSlideError(
            f"{path.name or path} is a folder and not an OME-Zarr image; "
            "name the slide file itself (MIRAX: the .mrxs file)"
        )
    from micromet_path.slides.zarr_reader import open_zarr

    return open_zarr(path, spacing)


def _open_file(path: Path, spacing: PixelSpacing | None) -> Slide:
    start = _first_bytes(path)
    if path.suffix.lower() == ".vsi":
        raise UnsupportedSlideError(
            f"{path.name} is an Olympus VSI: the slide's pixels are in its .ets files, for which there is no reader; "
            "export it as OME-TIFF"
        )
    from micromet_path.slides.openslide_reader import detect_vendor, open_openslide

    vendor = detect_vendor(path)
    if start[:4] in _TIFF_STARTS and vendor in _FAST_VENDORS:
        from micromet_path.slides.tiff_reader import open_tiff

        slide = open_tiff(path, spacing)
        if slide is not None:
            return slide
    if vendor is not None:
        return open_openslide(path, spacing)
    from micromet_path.slides.image_reader import open_image

    return open_image(path, start, spacing)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError as error:
        raise UnreadableSlideError(f"{path.name} cannot be read: {error.strerror or error}") from error
    if not start:
        raise UnreadableSlideError(f"{path.name} is empty (0 bytes); copy the slide again")
    return start
