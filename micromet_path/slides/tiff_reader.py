"""The fast path: tiles of a TIFF straight from the file into the decoder.

OpenSlide spends most of its time on copying and blending; here a tile is read by position and decoded straight into
the caller's buffer where that takes whole tiles, one by one or in columns one tile wide, since a decoder fills
contiguous rows only. Else its part is copied, from a buffer that the thread keeps or, where decoding is dear, from one
that is kept for the next who asks.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.slides.base import SlideInfo
from micromet_path.slides.memory import room_for_pixels
from micromet_path.slides.messages import one_line
from micromet_path.slides.pyramid import PyramidSlide, levels_of_sizes
from micromet_path.slides.scale import objective_warning, settle_scale
from micromet_path.slides.tiff_decode import mean_of_squares
from micromet_path.slides.tiff_layout import TiffLayout, TiffLevel, read_layout

__all__ = ["PositionedFile", "TiffSlide", "open_tiff"]

_DEAR_CODECS = ("jpeg2000",)  # a pixel takes five times as long to decode as one of JPEG
_KEPT_BYTES = 16 << 20
_TURNS = 64  # of tiles that are decoded at once; two that share one wait for each other, no more


def open_tiff(path: Path, spacing: PixelSpacing | None = None) -> TiffSlide | None:
    """Open a tiled RGB TIFF, or return None when its structure is left to another reader.

    Raises
    ------
    SlideError
        If the structure is damaged, the pixels are not brightfield RGB, or there is no usable scale.
    """
    layout = read_layout(path)
    return None if layout is None else TiffSlide(path, layout, spacing)


class PositionedFile:
    """A file that many threads read at once, by position."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._lock = threading.Lock()
        self.size = os.fstat(self._file.fileno()).st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes from an offset; fewer at the end of the file."""
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, offset)
        return self.read_in_turn(offset, size)

    def read_in_turn(self, offset: int, size: int) -> bytes:
        """The same where the system has no positioned read (Windows): one thread after the other."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()  # in a notebook nobody closes a slide, and nobody should be warned


class _TileBuffers(threading.local):
    """Decoded tiles of the calling thread: a fresh buffer a tile would cost a third of the speed."""

    def __init__(self) -> None:
        self._of_shape: dict[tuple[int, int], NDArray[np.uint8]] = {}

    def get(self, rows: int, columns: int) -> NDArray[np.uint8]:
        buffer = self._of_shape.get((rows, columns))
        if buffer is None:
            buffer = self._of_shape[rows, columns] = room_for_pixels(rows, columns)
        return buffer


class _DecodedTiles:
    """Tiles decoded of late, for reads of parts of tiles: neighbouring windows share them."""

    def __init__(self) -> None:
        self._tiles: OrderedDict[tuple[int, int], NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(_TURNS)]

    def get(self, key: tuple[int, int], decode: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The tile of a level and an index, which nobody may write to; who wants the same one waits for the first."""
        pixels = self._kept(key)
        if pixels is None:
            with self._turns[hash(key) % _TURNS]:
                pixels = self._kept(key)
                if pixels is None:
                    pixels = decode()
                    self._keep(key, pixels)
        return pixels

    def _kept(self, key: tuple[int, int]) -> NDArray[np.uint8] | None:
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
            return self._tiles.get(key)

    def _keep(self, key: tuple[int, int], pixels: NDArray[np.uint8]) -> None:
        """Keep a tile; where there are too many, the one that nobody asked for the longest goes."""
        with self._lock:
            self._tiles[key] = pixels
            self._bytes += pixels.nbytes
            while self._bytes > _KEPT_BYTES and len(self._tiles) > 1:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._tiles.clear()
            self._bytes = 0


class TiffSlide(PyramidSlide):
    """A tiled TIFF of brightfield RGB: Aperio SVS, generic pyramids, OME-TIFF.

    Parameters
    ----------
    path : Path
    layout : TiffLayout
        From `read_layout`.
    spacing : PixelSpacing, optional
        Overrules the file's scale.
    """

    def __init__(self, path: Path, layout: TiffLayout, spacing: PixelSpacing | None = None) -> None:
        first = layout.levels[0]
        scale = settle_scale(path.name, layout.stated, spacing)
        doubt = objective_warning(layout.objective_power, scale.spacing)
        info = SlideInfo(
            name=path.name,
            width_px0=first.width,
            height_px0=first.height,
            spacing=scale.spacing,
            spacing_source=scale.source,
            vendor=layout.vendor,
            reader=f"tiff/{first.codec}",
            levels=levels_of_sizes((level.width, level.height) for level in layout.levels),
            bounds_px0=Region(0, 0, first.width, first.height),
            properties=(("objective_power", layout.objective_power),) if layout.objective_power else (),
            is_truncated=layout.is_truncated,
            warnings=(*layout.warnings, *scale.warnings, *([doubt] if doubt else [])),
        )
        super().__init__(info, TileGrid(first.width, first.height, first.tile_width, first.tile_height))
        self._levels = layout.levels
        self._icc_place = layout.icc_place
        self._file = PositionedFile(path)
        self._buffers = _TileBuffers()
        self._decoded = _DecodedTiles() if first.codec in _DEAR_CODECS else None

    @property
    def icc_profile(self) -> bytes | None:
        """The ICC profile that the file embeds."""
        return None if self._icc_place is None else self._file.read_at(*self._icc_place)

    def close(self) -> None:
        """Release the file."""
        if self._decoded is not None:
            self._decoded.clear()
        self._file.close()

    def _can_serve(self, level: int, region: Region) -> bool:
        """Aperio leaves tiles out of lower levels now and then; the finer level has them."""
        if self._info.vendor != "aperio":
            return True
        stored, factors = self._levels[level], self._info.levels[level]
        rows = slice(
            int(region.y0 / factors.downsample_y) // stored.tile_height,
            int(region.y1 / factors.downsample_y) // stored.tile_height + 1,
        )
        columns = slice(
            int(region.x0 / factors.downsample_x) // stored.tile_width,
            int(region.x1 / factors.downsample_x) // stored.tile_width + 1,
        )
        return bool(stored.sizes.reshape(stored.rows, stored.columns)[rows, columns].all())

    def _fill(self, level: int, box: Region, out: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        stored = self._levels[level]
        tile_width, tile_height, columns = stored.tile_width, stored.tile_height, stored.columns
        scanned: NDArray[np.bool_] | None = None
        # Plain integers: this loop runs once a tile, and records would cost a tenth of the decoding.
        for row in range(box.y0 // tile_height, -(-box.y1 // tile_height)):
            top, bottom = max(row * tile_height, box.y0), min((row + 1) * tile_height, box.y1)
            for column in range(box.x0 // tile_width, -(-box.x1 // tile_width)):
                left, right = max(column * tile_width, box.x0), min((column + 1) * tile_width, box.x1)
                target = out[top - box.y0 : bottom - box.y0, left - box.x0 : right - box.x0]
                pixels = self._tile(level, row * columns + column, target)
                if pixels is target:
                    continue
                if pixels is None:
                    scanned = np.ones(box.shape, np.bool_) if scanned is None else scanned
                    scanned[top - box.y0 : bottom - box.y0, left - box.x0 : right - box.x0] = False
                    target[...] = 255
                else:
                    x0, y0 = column * tile_width, row * tile_height
                    target[...] = pixels[top - y0 : bottom - y0, left - x0 : right - x0]
        return scanned

    def _tile(self, level: int, index: int, target: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """One whole tile: in the target if it fits, else the thread's or one that is kept; None if not scanned."""
        stored = self._levels[level]
        if stored.sizes.item(index) == 0:
            return None
        shape = (stored.tile_height, stored.tile_width)
        if target.shape[:2] == shape and target.flags.c_contiguous:
            return self._decode(stored, index, target)
        if self._decoded is None:
            return self._decode(stored, index, self._buffers.get(*shape))
        return self._decoded.get((level, index), lambda: self._decode(stored, index, room_for_pixels(*shape)))

    def _decode(self, stored: TiffLevel, index: int, out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A tile in a buffer of its shape."""
        if stored.whole is not None and _reaches_beyond(stored.whole, index):
            return self._decode_cut(stored, stored.whole, index, out)
        offset, size = stored.offsets.item(index), stored.sizes.item(index)
        if offset + size > self._file.size:
            reason = f"the file ends at byte {self._file.size:,}, the tile at {offset + size:,}"
            raise self._unreadable(stored, index, reason)
        data = self._file.read_at(offset, size)
        try:
            stored.decode(data, out)
        except (ValueError, RuntimeError, IndexError) as error:
            raise self._unreadable(stored, index, one_line(error)) from error
        return out

    def _decode_cut(self, stored: TiffLevel, whole: TiffLevel, index: int, out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A tile of means, of what the picture has of it: its border goes on where the tile is filled up."""
        row, column = divmod(index, whole.columns)
        pixels = self._decode(whole, index, self._buffers.get(whole.tile_height, whole.tile_width))
        bottom, right = whole.height - row * whole.tile_height, whole.width - column * whole.tile_width
        if bottom < whole.tile_height:
            pixels[bottom:] = pixels[bottom - 1]
        if right < whole.tile_width:
            pixels[:, right:] = pixels[:, right - 1, None]
        out[...] = mean_of_squares(pixels, whole.tile_width // stored.tile_width)
        return out

    def _unreadable(self, level: TiffLevel, index: int, reason: str) -> UnreadableSlideError:
        tile = TileGrid(level.width, level.height, level.tile_width, level.tile_height)[divmod(index, level.columns)]
        place = f"x {tile.x0}-{tile.x1}, y {tile.y0}-{tile.y1}"
        if level is not self._levels[0]:
            place += f" of level {self._levels.index(level)}"
        return UnreadableSlideError(f"{self._info.name}: the tile at {place} cannot be decoded ({reason})")


def _reaches_beyond(level: TiffLevel, index: int) -> bool:
    """Whether a stored tile is larger than what is left of the picture."""
    row, column = divmod(index, level.columns)
    return (row + 1) * level.tile_height > level.height or (column + 1) * level.tile_width > level.width
