"""Reading a slide: the overview, and blocks of level 0, each scanned as soon as it is decoded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.model import BlockScan, Dropped
from micromet_path.pixels.area import Area
from micromet_path.pixels.fragments import sieve_block
from micromet_path.pixels.scan import scan_block
from micromet_path.pixels.stain import StainTables
from micromet_path.pixels.tissue import Overview
from micromet_path.slides.base import Slide

__all__ = ["Block", "BlockOutcome", "BlockReader", "Buffers", "in_threads", "read_overview"]

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")


def read_overview(slide: Slide, spacing: PixelSpacing) -> Overview:
    """Small picture of the whole slide; what cannot be read is marked, not fatal."""
    info = slide.info
    try:
        raster = slide.read(info.region, spacing)
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
            self.pixels = np.empty(size, np.uint8)
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
class BlockOutcome:
    """A scanned and sieved block."""

    block: BlockScan
    strong_specks: Dropped
    weak_specks: Dropped
    unread: tuple[Region, ...]


class BlockReader:
    """Reads, scans and sieves one block; called from several threads."""

    def __init__(self, slide: Slide, tables: StainTables, config: Config, area: Area) -> None:
        self._slide = slide
        self._tables = tables
        self._fragments = config.fragments
        self._area = area
        self._buffers = Buffers()

    def __call__(self, block: Block) -> BlockOutcome:
        """Read, scan and sieve."""
        region = block.region
        mask = self._area.mask(region, region.shape)
        unread: tuple[Region, ...] = ()
        try:
            rgb = self._read(block, mask)
        except UnreadableSlideError:
            rgb, unread = self._read_tiles(region, mask)
        if mask is not None:
            rgb[~mask] = 255
        scanned = scan_block(np.ascontiguousarray(rgb), region, self._tables, block.bands)
        return BlockOutcome(*sieve_block(scanned, self._slide.info.spacing, self._fragments), unread)

    def _read(self, block: Block, mask: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
        """The block in a reused buffer; without looking where nothing of it is to be analysed."""
        region = block.region
        buffer = self._buffers.of(region.shape)
        if mask is None or mask.any():
            for first, last in block.bands:
                band = Region(region.x0, region.y0 + first, region.x1, region.y0 + last)
                self._slide.read(band, out=buffer[first:last])
        return buffer

    def _read_tiles(
        self, region: Region, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.uint8], tuple[Region, ...]]:
        """The block tile by tile, white where a tile cannot be decoded; and those tiles, if they are to be analysed."""
        tiles = self._slide.tiles
        rgb = np.full((*region.shape, 3), 255, np.uint8)
        unread = []
        for tile in _tiles_of(tiles, region):
            part = tile.intersection(region)
            at = np.s_[part.y0 - region.y0 : part.y1 - region.y0, part.x0 - region.x0 : part.x1 - region.x0]
            try:
                rgb[at] = self._slide.read(part).rgb
            except UnreadableSlideError:
                if mask is None or mask[at].any():
                    unread.append(part)
        return rgb, tuple(unread)


def _tiles_of(tiles: TileGrid, region: Region) -> Iterator[Region]:
    """Stored tiles that a region touches."""
    for row in range(region.y0 // tiles.tile_height, -(-region.y1 // tiles.tile_height)):
        for column in range(region.x0 // tiles.tile_width, -(-region.x1 // tiles.tile_width)):
            yield tiles[row, column]


def in_threads(work: Callable[[_Job], _Done], jobs: Iterable[_Job], workers: int) -> Iterator[_Done]:
    """Results as they come, never more than a few jobs ahead of the reader of this iterator."""
    if workers <= 1:
        yield from map(work, jobs)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="micromet") as pool:
        pending: set[Future[_Done]] = set()
        try:
            for job in jobs:
                if len(pending) >= 2 * workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
                pending.add(pool.submit(work, job))
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in pending:
                future.cancel()
