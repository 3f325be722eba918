"""A pyramidal JPEG TIFF as Aperio scanners write it, from strips of tiles that arrive in order.

Level 0 goes straight into the file. Lower levels are filled row by row as the box mean of the level
above; a finished row of their tiles is compressed at once and waits in a temporary file, so that
memory holds one row of tiles a level whatever the size of the slide. Nothing in the file tells the
time, the host or the user: the same pixels give the same bytes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import IO, Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from tifffile import TiffWriter

from micromet_path.apps.samples.kernels import box_reduced
from micromet_path.apps.samples.spec import SampleSpec

__all__ = ["PyramidLevel", "encoded", "pyramid_of", "write_svs"]

Bytes = NDArray[np.uint8]

REDUCTION = 4
"""Each level is a quarter of the one above, as Aperio's first ones are."""
SMALLEST_PX = 256
"""No level is smaller than that."""


def encoded(image: Bytes, quality: int) -> bytes:
    """One JPEG stream, YCbCr with chroma halved along rows (4:2:2)."""
    return bytes(
        simplejpeg.encode_jpeg(image, quality=quality, colorspace="RGB", colorsubsampling="422", fastdct=False)
    )


@dataclass(slots=True)
class PyramidLevel:
    """One lower level while it is being filled.

    Parameters
    ----------
    width, height : int
        Size in its own pixels.
    tile_px, quality : int
        Of its JPEG tiles.
    spill : file
        Where compressed tiles wait.
    below : PyramidLevel or None
        The next smaller level.
    """

    width: int
    height: int
    tile_px: int
    quality: int
    spill: IO[bytes]
    below: PyramidLevel | None
    sizes: list[int] = field(default_factory=list)
    filled: int = 0
    rows: Bytes = field(init=False)

    def __post_init__(self) -> None:
        columns = ceil(self.width / self.tile_px)
        self.rows = np.full((columns, self.tile_px, self.tile_px, 3), 255, np.uint8)

    def put(self, column_px: int, quarter: Bytes) -> None:
        """Copy reduced pixels into the open row of tiles at a column; `advance` closes the line."""
        height, side = len(quarter), self.tile_px
        for tile in range(column_px // side, min(ceil((column_px + quarter.shape[1]) / side), len(self.rows))):
            first, last = max(column_px, tile * side), min(column_px + quarter.shape[1], (tile + 1) * side)
            self.rows[tile, self.filled : self.filled + height, first - tile * side : last - tile * side] = quarter[
                :, first - column_px : last - column_px
            ]

    def advance(self, height: int) -> None:
        """Count lines that are complete; compress the row of tiles when it is full."""
        self.filled += height
        if self.filled == self.tile_px:
            self.flush()

    def flush(self) -> None:
        """Compress the open row of tiles, reduce it into the level below, and start the next."""
        if self.filled and len(self.sizes) < len(self.rows) * ceil(self.height / self.tile_px):
            for tile in self.rows:
                stream = encoded(tile, self.quality)
                self.sizes.append(self.spill.write(stream))
            if self.below is not None:
                quarter = np.empty((self.tile_px // REDUCTION, len(self.rows) * self.tile_px // REDUCTION, 3), np.uint8)
                box_reduced(self.rows, quarter)
                self.below.put(0, quarter)
                self.below.advance(len(quarter))
        self.filled = 0
        self.rows[:] = 255

    def tiles(self) -> Iterator[bytes]:
        """Compressed tiles in the order of the file."""
        self.spill.seek(0)
        for size in self.sizes:
            yield self.spill.read(size)

    def finish(self) -> None:
        """Flush what is still open, here and below."""
        self.flush()
        if self.below is not None:
            self.below.finish()


def pyramid_of(spec: SampleSpec, folder: Path, stack: ExitStack) -> list[PyramidLevel]:
    """Empty lower levels, largest first, down to about one tile; their spills close with the stack."""
    sides = [spec.side_px // REDUCTION]
    while sides[-1] // REDUCTION >= SMALLEST_PX:
        sides.append(sides[-1] // REDUCTION)
    levels: list[PyramidLevel] = []
    for side in reversed(sides):
        spill = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
        below = levels[-1] if levels else None
        levels.append(PyramidLevel(side, side, spec.tile_px, spec.quality, spill, below))
    return levels[::-1]


def write_svs(path: Path, spec: SampleSpec, tiles: Iterable[bytes], levels: list[PyramidLevel]) -> None:
    """Write level 0 from its stream of tiles, then the thumbnail and the levels it has filled."""
    with TiffWriter(path, bigtiff=True) as writer:
        _write_tiled(writer, spec, spec.side_px, tiles)
        levels[0].finish()
        _write_thumbnail(writer, spec, _whole(levels[-1]))
        for level in levels:
            _write_tiled(writer, spec, level.width, level.tiles())


def _whole(level: PyramidLevel) -> Bytes:
    """Pixels of the smallest level."""
    side, columns = level.tile_px, len(level.rows)
    image = np.empty((ceil(level.height / side) * side, columns * side, 3), np.uint8)
    for index, stream in enumerate(level.tiles()):
        row, column = divmod(index, columns)
        image[row * side : (row + 1) * side, column * side : (column + 1) * side] = simplejpeg.decode_jpeg(stream)
    return np.ascontiguousarray(image[: level.height, : level.width])


def _write_tiled(writer: TiffWriter, spec: SampleSpec, side: int, tiles: Iterable[bytes]) -> None:
    """One level as a directory of tiles."""
    whole = f"{spec.side_px}x{spec.side_px} [0,0 {spec.side_px}x{spec.side_px}] ({spec.tile_px}x{spec.tile_px})"
    reduced = "" if side == spec.side_px else f" -> {side}x{side}"
    writer.write(
        iter(tiles),
        shape=(side, side, 3),
        tile=(spec.tile_px, spec.tile_px),
        description=_description(spec, f"{whole}{reduced} JPEG/RGB Q={spec.quality}"),
        **_resolution(spec, spec.side_px / side),
        **_COMMON,
    )


def _write_thumbnail(writer: TiffWriter, spec: SampleSpec, image: Bytes) -> None:
    """The small picture that follows level 0 in a scanner's file, one strip."""
    height, width = image.shape[:2]
    writer.write(
        iter([encoded(image, spec.quality)]),
        shape=image.shape,
        rowsperstrip=height,
        description=_description(spec, f"{spec.side_px}x{spec.side_px} -> {width}x{height} - "),
        **_COMMON,
    )


def _description(spec: SampleSpec, text: str) -> str:
    """Image description in Aperio's form: readers take the vendor and the scale from it."""
    power = round(10 / spec.spacing_um)
    mpp = f"|MPP = {spec.spacing_um:.4f}" if spec.aspect == 1 else ""  # has no room for two: see the tags
    return f"Aperio Image Library v12.0.15\r\n{text}|AppMag = {power}{mpp}"


def _resolution(spec: SampleSpec, reduction: float) -> dict[str, Any]:
    """Resolution tags where pixels are not square; Aperio's files have none that mean anything."""
    if spec.aspect == 1:
        return {}
    per_cm = tuple(1e4 / (spacing * reduction) for spacing in (spec.spacing_um, spec.spacing_of_rows_um))
    return {"resolution": per_cm, "resolutionunit": "CENTIMETER"}


_COMMON: dict[str, Any] = {
    "dtype": "uint8",
    "photometric": "ycbcr",
    "compression": "jpeg",
    "subsampling": (2, 1),
    "metadata": None,
    "software": False,
}
