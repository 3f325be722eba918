"""The slides of a run: those that are given, or drawn ones of a kind whose figures are asked for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from micromet_path.apps.samples import SampleSpec, write_sample
from micromet_path.errors import MicrometError
from micromet_path.geometry import PixelSpacing
from micromet_path.slides import TiffSlide, open_slide

__all__ = ["Subject", "bytes_needed", "draw", "require_space", "subject_of"]

_BYTES_A_PIXEL = 0.4
"""Of a drawn slide while it is written, lower levels and results included; twice what the default profile takes."""

_BYTES_BESIDE = 200_000_000
"""For results, compiled code and the small slide."""

_BOX_PX = 1024
_MOST_BOXES = 64
_SAMPLE = re.compile(r"(?P<profile>[a-z-]+)-(?P<side>\d+)-seed\d+")


@dataclass(frozen=True, slots=True)
class Subject:
    """A slide that is measured.

    Parameters
    ----------
    path : Path
    name : str
    width_px, height_px : int
    reader : str
        As `SlideInfo.reader` names it.
    has_own_tiles : bool
        Whether the program decodes its tiles itself.
    boxes : tuple of (x0, y0, x1, y1)
        Some blocks of whole tiles of about 1024 pixels a side, spread over the slide.
    profile : str
        Of a drawn sample; empty for any other slide.
    """

    path: Path
    name: str
    width_px: int
    height_px: int
    reader: str
    has_own_tiles: bool
    boxes: tuple[tuple[int, int, int, int], ...]
    profile: str = ""

    @property
    def pixels(self) -> int:
        """Of level 0."""
        return self.width_px * self.height_px

    @property
    def box_pixels(self) -> int:
        """Of all boxes together."""
        return sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in self.boxes)

    @property
    def is_jpeg2000(self) -> bool:
        """Whether its tiles are JPEG 2000."""
        return self.reader == "tiff/jpeg2000"


def subject_of(path: Path, spacing: PixelSpacing | None = None) -> Subject:
    """What a slide is, without decoding it.

    Raises
    ------
    SlideError
        If it cannot be opened.
    """
    with open_slide(path, spacing) as slide:
        info, blocks = slide.info, slide.tiles.merged(_BOX_PX)
        places = np.unique(np.linspace(0, len(blocks) - 1, min(len(blocks), _MOST_BOXES)).round().astype(int))
        regions = [blocks[divmod(place, blocks.columns)] for place in places.tolist()]
        return Subject(
            path=path,
            name=info.name,
            width_px=info.width_px0,
            height_px=info.height_px0,
            reader=info.reader,
            has_own_tiles=isinstance(slide, TiffSlide),
            boxes=tuple((region.x0, region.y0, region.x1, region.y1) for region in regions),
            profile=_profile_of(path, info.width_px0, info.height_px0),
        )


def _profile_of(path: Path, width_px: int, height_px: int) -> str:
    """Profile of a slide that `micromet samples` drew and named; empty for others."""
    named = _SAMPLE.fullmatch(path.stem)
    is_sample = named is not None and int(named["side"]) == width_px == height_px
    return named["profile"] if named is not None and is_sample else ""


def draw(folder: Path, profile: str, side_px: int, progress: Callable[[int, int], None] | None = None) -> Path:
    """Draw a sample slide; its truth is of no interest here."""
    paths = write_sample(folder, SampleSpec(profile=profile, side_px=side_px), progress)
    paths.truth.unlink()
    return paths.slide


def bytes_needed(sides_px: Sequence[int]) -> int:
    """Room that the largest drawn slide and what is made beside it may take: slides are drawn one after the other."""
    return round(_BYTES_A_PIXEL * max(sides_px, default=0) ** 2) + _BYTES_BESIDE


def require_space(folder: Path, sides_px: Sequence[int]) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises
    ------
    MicrometError
        If there is too little room.
    """
    needed, free = bytes_needed(sides_px), shutil.disk_usage(folder).free
    if free < needed:
        raise MicrometError(
            f"drawing the slides needs about {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free; set "
            "TMPDIR to a folder with more room or pass a smaller --side"
        )
