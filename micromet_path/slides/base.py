"""What a slide is to the rest of the program: a scale, a size, and RGB at any region and spacing."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, Region, TileGrid

__all__ = ["AS_STORED", "Level", "Raster", "Slide", "SlideInfo"]

AS_STORED = "as stored"
"""What `SlideInfo.colour` says of pixels that are those of the file."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the pyramid: its size and how many level-0 pixels one of its pixels spans."""

    width: int
    height: int
    downsample_x: float
    downsample_y: float


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """What is known of a slide without decoding a pixel. Holds nothing that could name a patient.

    Parameters
    ----------
    name : str
        File name without its folder.
    width_px0, height_px0 : int
    spacing : PixelSpacing
        Microns per pixel of level 0, x and y apart.
    spacing_source : str
        Where the scale was found: ``"given"``, ``"aperio.MPP"``, ``"openslide.mpp"``, ``"ome"``,
        ``"tiff.resolution"``, ``"ome-zarr"``.
    vendor : str
        Scanner family as OpenSlide names it, or ``"generic-tiff"``, ``"ome-tiff"``, ``"ome-zarr"``, ``"array"``,
        ``"image/png"`` (plain images likewise).
    reader : str
        Which reader and decoder serve the pixels, for the records: ``"tiff/jpeg"``, ``"openslide"``, ...
    levels : tuple of Level
        Level 0 first.
    bounds_px0 : Region
        The scanned rectangle; QuPath opens some formats at its corner. The whole raster where not stated.
    properties : tuple of (str, str)
        Allow-listed technical tags (objective power, scanner model...), never free text, dates or serials.
    is_truncated : bool
        Whether the file ends before what it announces; what was lost is not known to be unimportant.
    warnings : tuple of str
        What was doubtful about the file's own statements.
    colour : str
        How the pixels that are read relate to those of the file: ``"as stored"``, or
        ``"sRGB from the embedded profile"``.
    icc_sha256 : str or None
        Which profile was applied, in hexadecimal digits; its own text is never told. None where none was.
    """

    name: str
    width_px0: int
    height_px0: int
    spacing: PixelSpacing
    spacing_source: str
    vendor: str
    reader: str
    levels: tuple[Level, ...]
    bounds_px0: Region
    properties: tuple[tuple[str, str], ...] = ()
    is_truncated: bool = False
    warnings: tuple[str, ...] = ()
    colour: str = AS_STORED
    icc_sha256: str | None = None

    @property
    def region(self) -> Region:
        """The whole of level 0."""
        return Region(0, 0, self.width_px0, self.height_px0)


@dataclass(frozen=True, slots=True)
class Raster:
    """Pixels of a region.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Where nothing was scanned the value is (255, 255, 255).
    scanned : ndarray of shape (M, N), dtype bool, or None
        Which pixels the scanner recorded; None when all were.
    """

    rgb: NDArray[np.uint8]
    scanned: NDArray[np.bool_] | None = None


@runtime_checkable
class Slide(Protocol):
    """A readable slide. Every method may be called from several threads at once."""

    @property
    def info(self) -> SlideInfo:
        """Scale, size, levels."""
        ...

    @property
    def tiles(self) -> TileGrid:
        """The stored tiles of level 0; reads along this grid decode nothing twice."""
        ...

    @property
    def icc_profile(self) -> bytes | None:
        """The ICC profile of the pixels as the file embeds it, not checked; None where there is none."""
        ...

    def read(
        self,
        region: Region,
        spacing: PixelSpacing | None = None,
        out: NDArray[np.uint8] | None = None,
        *,
        workers: int = 1,
    ) -> Raster:
        """Pixels of a region.

        Parameters
        ----------
        region : Region
            In level-0 pixels, inside the slide.
        spacing : PixelSpacing, optional
            Scale of the answer; that of level 0 by default. The answer has
            ``max(1, round(region.width * info.spacing.x_um / spacing.x_um))`` columns, and rows likewise,
            averaged down (area mean) from the nearest finer level.
        out : ndarray of shape (>= M, >= N, 3), dtype uint8, optional
            A buffer to fill (reads at level 0 only); ``Raster.rgb`` is then a view of its corner.
        workers : int
            Threads among which a large region is divided that is averaged down.

        Raises
        ------
        UnreadableSlideError
            If a tile in the region cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
