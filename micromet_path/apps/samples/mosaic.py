"""Slides of any size on little disk: few distinct tiles, laid out by a map, each stored once.

A TIFF tells the place of every tile in the file, and nothing forbids that many tiles are at one place. So a slide of
200 000 pixels a side is a file of megabytes, and every reader decodes it as any other slide.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.svs import REDUCTION, SMALLEST_PX, encoded

__all__ = ["TILE_PX", "Mosaic", "write_mosaic"]

TILE_PX = 256

Bytes = NDArray[np.uint8]

_QUALITY = 80
_LONG, _LONG8, _SHORT, _RATIONAL, _ASCII = 4, 16, 3, 5, 2
_SIZES = {_LONG: 4, _LONG8: 8, _SHORT: 2, _RATIONAL: 8, _ASCII: 1}


@dataclass(frozen=True, slots=True)
class Mosaic:
    """One level of a slide.

    Parameters
    ----------
    tiles : ndarray of shape (T, 256, 256, 3), uint8
        Distinct tiles.
    places : ndarray of shape (rows, columns), integer
        Which of them lies where.
    """

    tiles: Bytes
    places: NDArray[np.integer]

    def reduced(self) -> Mosaic:
        """The level below, of box means: tiles of which the same sixteen lie above are one."""
        rows, columns = (-(-size // REDUCTION) for size in self.places.shape)
        blank = len(self.tiles)  # beyond the border
        places = np.full((rows * REDUCTION, columns * REDUCTION), blank, np.int64)
        places[: self.places.shape[0], : self.places.shape[1]] = self.places
        blocks = places.reshape(rows, REDUCTION, columns, REDUCTION).swapaxes(1, 2).reshape(rows * columns, -1)
        kinds, number = np.unique(blocks, axis=0, return_inverse=True)
        side = TILE_PX // REDUCTION
        small = np.full((blank + 1, side, side, 3), 255, np.uint8)
        for index, tile in enumerate(self.tiles):
            small[index] = tile.reshape(side, REDUCTION, side, REDUCTION, 3).mean(axis=(1, 3)).round()
        tiles = small[kinds.reshape(-1, REDUCTION, REDUCTION)].swapaxes(2, 3).reshape(-1, TILE_PX, TILE_PX, 3)
        return Mosaic(tiles, number.reshape(rows, columns))


def write_mosaic(path: Path, level0: Mosaic, spacing_um: float = 0.25) -> None:
    """Write a pyramid as a BigTIFF of JPEG tiles.

    Parameters
    ----------
    path : Path
    level0 : Mosaic
    spacing_um : float
    """
    levels = [level0]
    while min(levels[-1].places.shape) * TILE_PX // REDUCTION >= SMALLEST_PX:
        levels.append(levels[-1].reduced())
    with path.open("wb") as file:
        file.write(b"II" + struct.pack("<HHHQ", 43, 8, 0, 0))
        directories = [_directory(file, level, index, spacing_um) for index, level in enumerate(levels)]
        _chain(file, directories)


def _directory(file: IO[bytes], level: Mosaic, index: int, spacing_um: float) -> bytes:
    """Write the tiles of a level and their places; its directory but for where the next one is."""
    streams = [encoded(np.ascontiguousarray(tile), _QUALITY) for tile in level.tiles]
    begins = np.cumsum([file.tell(), *(len(stream) for stream in streams)]).astype(np.uint64)
    file.writelines(streams)
    sizes = np.array([len(stream) for stream in streams], np.uint64)
    rows, columns = level.places.shape
    per_cm = round(1e4 / spacing_um * 1000 / REDUCTION**index)
    entries: list[tuple[int, int, bytes]] = [
        (254, _LONG, struct.pack("<I", int(index > 0))),
        (256, _LONG, struct.pack("<I", columns * TILE_PX)),
        (257, _LONG, struct.pack("<I", rows * TILE_PX)),
        (258, _SHORT, struct.pack("<3H", 8, 8, 8)),
        (259, _SHORT, struct.pack("<H", 7)),
        (262, _SHORT, struct.pack("<H", 6)),
        (277, _SHORT, struct.pack("<H", 3)),
        (282, _RATIONAL, struct.pack("<2I", per_cm, 1000)),
        (283, _RATIONAL, struct.pack("<2I", per_cm, 1000)),
        (296, _SHORT, struct.pack("<H", 3)),
        (322, _LONG, struct.pack("<I", TILE_PX)),
        (323, _LONG, struct.pack("<I", TILE_PX)),
        (324, _LONG8, begins[level.places].tobytes()),
        (325, _LONG8, sizes[level.places].tobytes()),
        (530, _SHORT, struct.pack("<2H", 2, 1)),
    ]
    return struct.pack("<Q", len(entries)) + b"".join(_entries(file, entries))


def _entries(file: IO[bytes], entries: Sequence[tuple[int, int, bytes]]) -> Iterable[bytes]:
    """Entries of a directory; values that do not fit into one stand before it."""
    for tag, kind, value in entries:
        count = len(value) // _SIZES[kind]
        if len(value) > 8:
            place = file.tell()
            file.write(value)
            value = struct.pack("<Q", place)
        yield struct.pack("<HHQ", tag, kind, count) + value.ljust(8, b"\0")


def _chain(file: IO[bytes], directories: Sequence[bytes]) -> None:
    """Write the directories, each with the place of the next, and the place of the first into the header."""
    first = file.tell()
    for index, directory in enumerate(directories):
        is_last = index == len(directories) - 1
        file.write(directory + struct.pack("<Q", 0 if is_last else file.tell() + len(directory) + 8))
    file.seek(8)
    file.write(struct.pack("<Q", first))
