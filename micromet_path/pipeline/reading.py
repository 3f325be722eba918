"""Reading a slide: the overview, and blocks of level 0, each scanned as soon as it is decoded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.model import BlockScan, Dropped
from micromet_path.pixels.area import Extent
from micromet_path.pixels.fragments import sieve_block
from micromet_path.pixels.scan import Band, scan_block
from micromet_path.pixels.stain import StainTables
from micromet_path.pixels.tissue import Overview
from micromet_path.slides.base import Slide
from micromet_path.slides.memory import room_for_pixels

__all__ = ["Block", "BlockOutcome", "BlockReader", "Buffers", "ScannedPart", "read_overview"]

_BAND_PX = 1 << 20
"""Pixels that are decoded and looked at in one go: 3 MB, which come back from a cache that cores share.

A quarter of it, which a core's own would hold, takes a twentieth longer: a band has steps under the interpreter's lock.
"""


def read_overview(slide: Slide, spacing: PixelSpacing, workers: int = 1) -> Overview:
    """Small picture of the whole slide; what cannot be read is marked, not fatal."""
    info = slide.info
    try:
        raster = slide.read(info.region, spacing, workers=workers)
        rgb, read = raster.rgb, np.ones(raster.rgb.shape[:2], bool) if raster.scanned is None else raster.scanned.copy()
    except UnreadableSlideError:
        rgb, read = _overview_in_parts(slide, spacing)
    return Overview(rgb, read, info.width_px0, info.height_px0, info.spacing)


def _overview_in_parts(slide: Slide, spacing: PixelSpacing) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The overview of a damaged slide, stored tile by stored tile; white where nothing could be read."""
    info = slide.info
    rows = max(1, round(info.height_px0 * info.spacing.y_um / spacing.y_um))
    columns = max(1, round(info.width_px0 * info.spacing.x_um / spacing.x_um))
    rgb, read = np.full((rows, columns, 3), 255, np.uint8), np.zeros((rows, columns), bool)
    for region in slide.tiles:
        y0, y1 = (y * rows // info.height_px0 for y in (region.y0, region.y1))
        x0, x1 = (x * columns // info.width_px0 for x in (region.x0, region.x1))
        if y1 <= y0 or x1 <= x0:
            continue
        try:
            part = slide.read(region).rgb
        except UnreadableSlideError:
            continue
        at_rows = np.linspace(0, part.shape[0] - 1, y1 - y0).astype(int)
        at_columns = np.linspace(0, part.shape[1] - 1, x1 - x0).astype(int)
        rgb[y0:y1, x0:x1], read[y0:y1, x0:x1] = part[np.ix_(at_rows, at_columns)], True
    return rgb, read


class Buffers(threading.local):
    """One reused block of pixels a thread: allocating per block costs a third of the decoding."""

    pixels: NDArray[np.uint8] | None = None

    def of(self, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """A contiguous buffer of this many rows and columns: tiles are decoded straight into it."""
        size = 3 * shape[0] * shape[1]
        if self.pixels is None or len(self.pixels) < size:
            self.pixels = room_for_pixels(*shape).reshape(size)
        return self.pixels[:size].reshape(*shape, 3)


@dataclass(frozen=True, slots=True)
class Block:
    """A region of level 0, and the bands of its rows that are to be read."""

    region: Region
    bands: tuple[tuple[int, int], ...]

    @classmethod
    def whole(cls, region: Region) -> Block:
        """All rows of a region."""
        return cls(region, ((0, region.height),))


@dataclass(frozen=True, slots=True)
class ScannedPart:
    """A part of a block, scanned and sieved."""

    scan: BlockScan
    strong_specks: Dropped
    weak_specks: Dropped


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """What was found in a block, none where it shows no stain, and the stored tiles that could not be decoded."""

    parts: tuple[ScannedPart, ...]
    unread: tuple[Region, ...]


class BlockReader:
    """Reads, scans and sieves one block; called from several threads."""

    def __init__(self, slide: Slide, tables: StainTables, config: Config, area: Extent) -> None:
        self._slide = slide
        self._tables = tables
        self._fragments = config.fragments
        self._area = area
        self._buffers = Buffers()

    def __call__(self, block: Block) -> BlockOutcome:
        """Read, scan and sieve."""
        unread: list[Region] = []
        scanned = scan_block(self._bands(block, unread), block.region, self._tables)
        parts = [ScannedPart(*sieve_block(part, self._slide.info.spacing, self._fragments)) for part in scanned]
        return BlockOutcome(tuple(parts), tuple(unread))

    def _bands(self, block: Block, unread: list[Region]) -> Iterator[Band]:
        """Some tiles after the other in a reused buffer; those in which nothing is to be analysed are left out."""
        region, height = block.region, self._slide.tiles.tile_height
        mask = self._area.mask(region, region.shape)
        step = height * max(1, round(_BAND_PX / (region.width * height)))
        for top, bottom in block.bands:
            for first in range(top, bottom, step):
                last = min(first + step, bottom)
                asked = None if mask is None else mask[first:last]
                if asked is None or asked.any():
                    band = Region(region.x0, region.y0 + first, region.x1, region.y0 + last)
                    yield first, self._read(band, asked, unread)

    def _read(self, band: Region, asked: NDArray[np.bool_] | None, unread: list[Region]) -> NDArray[np.uint8]:
        """A band in the thread's buffer, white where it is not asked for or cannot be decoded."""
        rgb = self._buffers.of(band.shape)
        try:
            self._slide.read(band, out=rgb)
        except UnreadableSlideError:
            rgb[:] = 255
            unread += self._read_tiles(band, asked, rgb)
        if asked is not None:
            rgb[~asked] = 255
        return rgb

    def _read_tiles(self, region: Region, asked: NDArray[np.bool_] | None, out: NDArray[np.uint8]) -> Iterator[Region]:
        """Fill a region tile by tile; the tiles that cannot be decoded, if they are to be analysed."""
        for tile in _tiles_of(self._slide.tiles, region):
            part = tile.intersection(region)
            at = np.s_[part.y0 - region.y0 : part.y1 - region.y0, part.x0 - region.x0 : part.x1 - region.x0]
            try:
                out[at] = self._slide.read(part).rgb
            except UnreadableSlideError:
                if asked is None or asked[at].any():
                    yield part


def _tiles_of(tiles: TileGrid, region: Region) -> Iterator[Region]:
    """Stored tiles that a region touches."""
    for row in range(region.y0 // tiles.tile_height, -(-region.y1 // tiles.tile_height)):
        for column in range(region.x0 // tiles.tile_width, -(-region.x1 // tiles.tile_width)):
            yield tiles[row, column]
