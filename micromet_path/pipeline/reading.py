"""Walking a slide: the overview, and one pass over level 0 in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.model import BlockScan, Dropped
from micromet_path.pixels.area import Area
from micromet_path.pixels.fragments import JoinedPieces, dropped_in_all, join, sieve_block, sieve_joined
from micromet_path.pixels.scan import scan_block
from micromet_path.pixels.stain import StainTables
from micromet_path.pixels.tissue import Overview
from micromet_path.slides.base import Slide

__all__ = ["Progress", "ScanOutcome", "read_overview", "scan_slide"]

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all) from the thread that called the analysis."""

_RUN_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """What one pass over level 0 gave.

    Parameters
    ----------
    pieces : JoinedPieces
        Everything stained that is at least as large as a dot, joined over seams.
    row, start, stop : ndarray of shape (R,), int32
        Runs of the pieces.
    piece : ndarray of shape (R,), int64
        Joined piece of each run.
    strong_specks, weak_specks : Dropped
        What was smaller than a dot, with and without a strong pixel.
    unread : tuple of Region
        Stored tiles that could not be decoded.
    """

    pieces: JoinedPieces
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    piece: NDArray[np.int64]
    strong_specks: Dropped
    weak_specks: Dropped
    unread: tuple[Region, ...]


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


class _RunFile:
    """Runs on disk while the slide is walked: memory holds pieces, not their pixels."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sizes: list[int] = []

    def append(self, block: BlockScan) -> None:
        """Add a block's runs."""
        np.stack([block.row, block.start, block.stop, block.piece]).tofile(self._file)
        self._sizes.append(len(block.row))

    def read(self, pieces: JoinedPieces) -> tuple[NDArray[np.int32], ...]:
        """All runs of the pieces that are left, with the piece of each: row, start, stop, piece."""
        self._file.seek(0)
        total = sum(self._sizes)
        columns = np.empty((_RUN_COLUMNS, total), np.int32)
        at = 0
        for size, offset in zip(self._sizes, pieces.piece_offsets, strict=False):
            part = np.fromfile(self._file, np.int32, _RUN_COLUMNS * size).reshape(_RUN_COLUMNS, size)
            part[3] = pieces.joined_of_piece[part[3] + offset]
            part = part[:, part[3] >= 0]
            columns[:, at : at + part.shape[1]] = part
            at += part.shape[1]
        return tuple(columns[:, :at])


class _Buffers(threading.local):
    """One reused block of pixels a thread: allocating per block costs a third of the decoding."""

    pixels: NDArray[np.uint8] | None = None

    def of(self, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """A contiguous buffer of this many rows and columns: tiles are decoded straight into it."""
        size = 3 * shape[0] * shape[1]
        if self.pixels is None or len(self.pixels) < size:
            self.pixels = np.empty(size, np.uint8)
        return self.pixels[:size].reshape(*shape, 3)


@dataclass(frozen=True, slots=True)
class _BlockOutcome:
    """A scanned and sieved block."""

    block: BlockScan
    strong_specks: Dropped
    weak_specks: Dropped
    unread: tuple[Region, ...]


class _BlockReader:
    """Reads, scans and sieves one block; called from several threads."""

    def __init__(self, slide: Slide, tables: StainTables, config: Config, area: Area) -> None:
        self._slide = slide
        self._tables = tables
        self._fragments = config.fragments
        self._area = area
        self._buffers = _Buffers()

    def __call__(self, region: Region) -> _BlockOutcome:
        mask = self._area.mask(region, region.shape)
        unread: tuple[Region, ...] = ()
        try:
            rgb = self._read(region, mask)
        except UnreadableSlideError:
            rgb, unread = self._read_tiles(region, mask)
        if mask is not None:
            rgb[~mask] = 255
        block = scan_block(np.ascontiguousarray(rgb), region, self._tables)
        return _BlockOutcome(*sieve_block(block, self._slide.info.spacing, self._fragments), unread)

    def _read(self, region: Region, mask: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
        """The block in a reused buffer; without looking where nothing of it is to be analysed."""
        buffer = self._buffers.of(region.shape)
        if mask is not None and not mask.any():
            return buffer[: region.height, : region.width]
        return self._slide.read(region, out=buffer).rgb

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


def scan_slide(
    slide: Slide,
    tables: StainTables,
    config: Config,
    area: Area,
    workers: int = 1,
    progress: Progress | None = None,
    blocks: Sequence[Region] | None = None,
) -> ScanOutcome:
    """One pass over level 0.

    Parameters
    ----------
    slide : Slide
    tables : StainTables
    config : Config
    area : Area
        Outside of it pixels are taken for glass.
    workers : int
        Threads; each decodes and scans blocks of its own.
    progress : callable, optional
    blocks : sequence of Region, optional
        Blocks that tile the slide, in any order; whole stored tiles by default.

    Raises
    ------
    UnreadableSlideError
        If no tile at all can be decoded.
    """
    blocks = list(slide.tiles.strips(config.scan.block_px**2)) if blocks is None else list(blocks)
    read_block = _BlockReader(slide, tables, config, area)
    outcomes: list[_BlockOutcome] = []
    with closing(TemporaryFile()) as file:
        runs = _RunFile(file)
        for outcome in _in_threads(read_block, blocks, workers):
            runs.append(outcome.block)
            outcomes.append(_without_runs(outcome))
            if progress is not None:
                progress(len(outcomes), len(blocks))
        unread = tuple(sorted(region for outcome in outcomes for region in outcome.unread))
        if sum(region.width * region.height for region in unread) == slide.info.width_px0 * slide.info.height_px0:
            raise UnreadableSlideError(
                f"{slide.info.name}: none of its {len(unread)} tiles can be decoded; the file is damaged, copy it again"
            )
        joined = join([outcome.block for outcome in outcomes])
        pieces, strong_specks, weak_specks = sieve_joined(joined, slide.info.spacing, config.fragments)
        row, start, stop, piece = runs.read(pieces)
    return ScanOutcome(
        pieces=pieces,
        row=row,
        start=start,
        stop=stop,
        piece=piece.astype(np.int64),
        strong_specks=dropped_in_all([strong_specks, *(outcome.strong_specks for outcome in outcomes)]),
        weak_specks=dropped_in_all([weak_specks, *(outcome.weak_specks for outcome in outcomes)]),
        unread=unread,
    )


def _without_runs(outcome: _BlockOutcome) -> _BlockOutcome:
    """The outcome without the runs, which are on disk."""
    none = np.empty(0, np.int32)
    return replace(outcome, block=replace(outcome.block, row=none, start=none, stop=none, piece=none))


def _in_threads(
    work: Callable[[Region], _BlockOutcome], blocks: Sequence[Region], workers: int
) -> Iterator[_BlockOutcome]:
    """Results as they come, never more than a few blocks ahead of the reader of this iterator."""
    if workers <= 1:
        yield from map(work, blocks)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="micromet") as pool:
        pending: set[Future[_BlockOutcome]] = set()
        try:
            for block in blocks:
                if len(pending) >= 2 * workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
                pending.add(pool.submit(work, block))
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in pending:
                future.cancel()
