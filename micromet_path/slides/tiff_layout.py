"""What a TIFF says of itself: levels, where their tiles lie, and the scale. No pixel is decoded.

tifffile reads the tags; which page is a level of the slide is decided here. Thumbnail, label and
macro images are never levels and their pixels are never touched.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import UnreadableSlideError
from micromet_path.slides.checks import Samples, require_brightfield
from micromet_path.slides.jpeg2000 import read_header
from micromet_path.slides.messages import one_line
from micromet_path.slides.ome import OmeImage, parse_ome
from micromet_path.slides.scale import StatedScale, magnification, resolution_scale, stated_scale
from micromet_path.slides.tiff_decode import CODEC_NAMES, TileDecoder, decoder_for

__all__ = ["TiffLayout", "TiffLevel", "read_layout"]

# Without a handler, Python prints a library's warnings on stderr; what matters of them is raised here.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MOST_PAGES = 1000
"""More pages than any pyramid has: a stack."""

_LARGEST_TILE_PX = 64 * 2**20
"""A tile is decoded as a whole into memory, so that a damaged tag must not ask for all of it."""

_MOST_HALVINGS = 3
"""A picture an eighth as wide and high takes a fiftieth of the time; another halving would save nothing more."""

_LARGEST_STREAM = 2**22
"""Bytes of a tile that are read to tell whether its header can be rewritten; where it is larger, it is not."""

_SHORTEST_SIDE_PX = 16
"""Of a level that is worth having; the factors of smaller ones could not be told from their sizes."""

_LEAST_STEP = 1.5
"""A level this much wider than the next stored one is worth having."""

_ICC_TAG = 34675  # ICC.1:2010, annex B.4

_LARGEST_PROFILE = 64 * 2**20
"""Many times what a scanner writes: of a profile that claims more, this much is read, and found cut short."""


@dataclass(frozen=True, slots=True, eq=False)
class TiffLevel:
    """One level: its size, its tiles and their decoder.

    Parameters
    ----------
    width, height, tile_width, tile_height : int
        In pixels of the level. Edge tiles are stored in full size.
    offsets, sizes : ndarray of shape (tiles,), dtype int64
        Where each tile lies in the file, row by row; size 0 where none was scanned.
    decode : TileDecoder
    codec : str
    decode_halved : tuple of TileDecoder
        Decoders of the same tiles at half their width and height, at a quarter and so on, in a fraction of the time;
        none of most codecs.
    whole : TiffLevel or None
        The stored level whose tiles these are at a part of their size; None of a stored one. At the end of a row or a
        column they must be decoded whole: what fills a tile up beyond the picture would be mixed into it.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    decode: TileDecoder
    codec: str
    decode_halved: tuple[TileDecoder, ...] = ()
    whole: TiffLevel | None = None

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return -(-self.width // self.tile_width)

    @property
    def rows(self) -> int:
        """Tiles on top of each other."""
        return -(-self.height // self.tile_height)


@dataclass(frozen=True, slots=True, eq=False)
class TiffLayout:
    """Everything of a tiled RGB TIFF that reading needs; ``icc_place`` is (offset, bytes) of its ICC profile."""

    vendor: str
    levels: tuple[TiffLevel, ...]
    stated: tuple[StatedScale | None, ...]
    objective_power: str | None
    is_truncated: bool
    warnings: tuple[str, ...]
    icc_place: tuple[int, int] | None = None


def read_layout(path: Path) -> TiffLayout | None:
    """Structure of a TIFF when its tiles can be decoded here; None to leave it to another reader.

    Raises
    ------
    UnreadableSlideError
        If the structure is damaged.
    UnsupportedSlideError
        If the pixels are not brightfield RGB of 8 bits.
    """
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as tiff:
            if any(getattr(tiff, f"is_{kind}", False) for kind in ("ndpi", "scn", "bif", "philips")):
                return None  # tiles that overlap, or lie elsewhere than the tags say
            return _layout_of(tiff, path.name)
    except UnreadableSlideError:
        raise
    except (TiffFileError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, struct.error) as error:
        # Not the library's own words: they may quote a tag, and a tag may name a patient.
        raise UnreadableSlideError(f"{path.name} is damaged: its TIFF structure cannot be read") from error
    except OSError as error:
        raise UnreadableSlideError(f"{path.name} cannot be read: {error.strerror or one_line(error)}") from error


def _layout_of(tiff: Any, name: str) -> TiffLayout | None:
    pages = _main_pages(tiff, name)
    first = pages[0]
    require_brightfield(name, _samples_of(first))
    if not first.is_tiled:
        return None
    _require_sound_tiles(name, first)
    is_aperio = str(first.description).startswith("Aperio")
    ome = parse_ome(tiff.ome_metadata, first.imagewidth, first.imagelength) if tiff.is_ome else None
    if ome is not None:
        require_brightfield(name, ome.samples)
    levels = [_level_of(first, tiff.filehandle)]
    if levels[0] is None:
        return None
    levels += [_level_of(page, tiff.filehandle) for page in _reduced_pages(pages, is_aperio)]
    kept = _descending([level for level in levels if level is not None])
    vendor = "aperio" if is_aperio else "ome-tiff" if ome else "generic-tiff"
    tags = _aperio_tags(first.description) if is_aperio else {}
    doubts = (*_lost_tiles(kept, tiff.filehandle.size), *_broken_chain(tiff, pages))
    return TiffLayout(
        vendor=vendor,
        levels=tuple(_with_halves(kept)),
        stated=_stated_scales(first, tags, ome),
        objective_power=magnification(tags.get("AppMag") or (ome.objective_power if ome else None)),
        is_truncated=bool(doubts) or _has_lost_data(tiff, pages),
        warnings=doubts,
        icc_place=_icc_place(tiff, first),
    )


def _icc_place(tiff: Any, page: Any) -> tuple[int, int] | None:
    """Where the ICC profile of a page lies: offset and bytes; none of them where the file no longer holds it."""
    tag = page.tags.get(_ICC_TAG)
    if tag is not None:
        return int(tag.valueoffset), min(int(tag.valuebytecount), _LARGEST_PROFILE)
    # A tag whose value lies beyond the file's end is left out without an error: a lost profile is not none.
    entries, order = _directory(tiff, page)
    return (0, 0) if any(int.from_bytes(entry[:2], order) == _ICC_TAG for entry in entries) else None


def _main_pages(tiff: Any, name: str) -> list[Any]:
    pages: list[Any] = []
    offsets: set[int] = set()
    for page in tiff.pages:
        if page.offset in offsets or len(pages) == _MOST_PAGES:
            break
        pages.append(page)
        offsets.add(page.offset)
    if not pages:
        raise UnreadableSlideError(
            f"{name} is damaged: its TIFF directory lies beyond the end of the file "
            f"({tiff.filehandle.size:,} bytes); copy the slide again"
        )
    return pages


def _samples_of(page: Any) -> Samples:
    return Samples(
        channels=int(page.samplesperpixel),
        bits=_single(page.bitspersample),
        is_integer=int(_single(page.sampleformat)) == 1,
        is_planar=int(page.planarconfig) == 2 and int(page.samplesperpixel) > 1,
        is_palette=int(page.photometric) == 3,
        has_alpha=len(page.extrasamples) == 1,
    )


def _single(value: Any) -> int:
    """A tag that holds one number, or one a sample: the largest."""
    return max(int(item) for item in value) if isinstance(value, tuple) else int(value or 0)


def _tile_count(page: Any) -> int:
    """How many tiles the stated size needs; 0 where the sizes cannot be."""
    sizes: list[int] = [page.imagewidth, page.imagelength, page.tilewidth, page.tilelength]
    if not all(isinstance(size, int) and size > 0 for size in sizes) or sizes[2] * sizes[3] > _LARGEST_TILE_PX:
        return 0
    width, height, tile_width, tile_height = sizes
    return -(-width // tile_width) * -(-height // tile_height)


def _require_sound_tiles(name: str, page: Any) -> None:
    """Refuse sizes that cannot be, before a library asks for as much memory as they state."""
    count, found = _tile_count(page), len(page.dataoffsets)
    if count == 0 or found < count:
        raise UnreadableSlideError(
            f"{name} is damaged: the sizes of its picture and of its tiles do not fit the {found:,} tiles that it lists"
        )


def _level_of(page: Any, handle: Any) -> TiffLevel | None:
    """A level when its tiles can be decoded here."""
    samples = _samples_of(page)
    if not page.is_tiled or not samples.is_rgb8 or int(page.fillorder) != 1:
        return None
    compression = int(page.compression)
    how = (compression, int(page.photometric), int(page.predictor), page.jpegtables)
    decode = decoder_for(*how)
    count = _tile_count(page)
    offsets = np.asarray(page.dataoffsets, np.int64)
    sizes = np.asarray(page.databytecounts, np.int64)
    if decode is None or not 0 < count <= min(len(offsets), len(sizes)):
        return None
    sizes = np.where(offsets[:count] > 0, sizes[:count], 0)
    width, height, codec = int(page.tilewidth), int(page.tilelength), CODEC_NAMES[compression]
    halvings = _halvings(handle, offsets, sizes, width | height) if codec == "jpeg2000" else 0
    return TiffLevel(
        width=int(page.imagewidth),
        height=int(page.imagelength),
        tile_width=width,
        tile_height=height,
        offsets=offsets[:count],
        sizes=sizes,
        decode=decode,
        codec=codec,
        decode_halved=tuple(made for n in range(1, halvings + 1) if (made := decoder_for(*how, n)) is not None),
    )


def _halvings(handle: Any, offsets: NDArray[np.int64], sizes: NDArray[np.int64], side: int) -> int:
    """How often the tiles of a level can be halved by their header, as its first tile tells; others are averaged."""
    index = int(np.argmax(sizes > 0))
    if sizes[index] > _LARGEST_STREAM:
        return 0
    handle.seek(int(offsets[index]))
    try:
        halvings = read_header(handle.read(int(sizes[index]))).halvings
    except ValueError:
        return 0
    in_whole_pixels = (side & -side).bit_length() - 1
    return min(halvings, in_whole_pixels, _MOST_HALVINGS)


def _with_halves(levels: tuple[TiffLevel, ...]) -> Iterator[TiffLevel]:
    """Levels, and between them what their codec decodes at half their size as fast as a stored level."""
    for level, following in zip_longest(levels, levels[1:]):
        yield level
        for times, decode in enumerate(level.decode_halved, start=1):
            width, height = -(-level.width >> times), -(-level.height >> times)
            is_stored = following is not None and width < _LEAST_STEP * following.width
            if is_stored or min(width, height) < _SHORTEST_SIDE_PX:
                break
            yield replace(
                level,
                width=width,
                height=height,
                tile_width=level.tile_width >> times,
                tile_height=level.tile_height >> times,
                decode=decode,
                decode_halved=(),
                whole=level,
            )


def _reduced_pages(pages: list[Any], is_aperio: bool) -> Iterator[Any]:
    """Pages that may be lower levels of the first one.

    Aperio: every tiled page (thumbnail, label and macro are stored in strips). Others: those that
    say they are reduced, and sub-directories (OME-TIFF 6.0).
    """
    for page in pages[1:]:
        if is_aperio or int(page.subfiletype) & 1:
            yield page
    if pages[0].subifds:
        yield from pages[0].pages


def _descending(levels: list[TiffLevel]) -> tuple[TiffLevel, ...]:
    """Levels by size; what has another shape than level 0 is another picture."""
    first = levels[0]
    kept = [first]
    for level in sorted(levels[1:], key=lambda level: -level.width):
        ratio_x, ratio_y = first.width / level.width, first.height / level.height
        # Writers round sizes down (or up) by less than one pixel a level.
        slack = 0.01 + 2 / min(level.width, level.height)
        if level.width < kept[-1].width and level.height < kept[-1].height and abs(ratio_x / ratio_y - 1) <= slack:
            kept.append(level)
    return tuple(kept)


def _aperio_tags(description: str) -> dict[str, str]:
    """The ``key = value`` pairs behind the first line of an Aperio description."""
    pairs = (part.split("=", 1) for part in description.split("|")[1:] if "=" in part)
    return {key.strip(): value.strip() for key, value in pairs}


def _stated_scales(page: Any, tags: dict[str, str], ome: OmeImage | None) -> tuple[StatedScale | None, ...]:
    mpp = tags.get("MPP")
    return (
        stated_scale(mpp, mpp, "aperio.MPP") if mpp else None,
        ome.scale if ome else None,
        _resolution_of(page),
    )


def _resolution_of(page: Any) -> StatedScale | None:
    values = [page.tags.valueof(code) for code in (282, 283)]
    if not all(isinstance(value, tuple) and len(value) == 2 and value[1] for value in values):
        return None
    (x, x_of), (y, y_of) = values
    return resolution_scale(x / x_of, y / y_of, int(page.tags.valueof(296, 2)))


def _lost_tiles(levels: tuple[TiffLevel, ...], file_size: int) -> Iterator[str]:
    """A warning for each level of which tiles lie beyond the end of the file."""
    for index, level in enumerate(levels):
        lost = int(np.count_nonzero(level.offsets + level.sizes > file_size))
        if lost:
            yield f"the file is truncated: {lost} of {len(level.sizes)} tiles of level {index} lie beyond its end"


def _has_lost_data(tiff: Any, pages: list[Any]) -> bool:
    """Whether data of any picture in the file, were it the label, lies beyond its end."""
    size = tiff.filehandle.size
    return any(
        offset + count > size
        for page in pages
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
    )


def _broken_chain(tiff: Any, pages: list[Any]) -> tuple[str, ...]:
    """A warning when the last page names a successor that the file no longer holds, or one that came before."""
    _, order = _directory(tiff, pages[-1])
    handle = tiff.filehandle
    successor = int.from_bytes(handle.read(8 if tiff.is_bigtiff else 4), order)
    if successor in {page.offset for page in pages}:
        return ("the directories of the file run in a circle: lower levels may be missing",)
    if successor < os.fstat(handle.fileno()).st_size:
        return ()
    return ("the file ends before its structure does (truncated?): lower levels may be missing",)


def _directory(tiff: Any, page: Any) -> tuple[list[bytes], Literal["little", "big"]]:
    """The entries of a page's directory as they are stored, and their byte order; the file stands behind them."""
    count_size, entry_size = (8, 20) if tiff.is_bigtiff else (2, 12)
    order: Literal["little", "big"] = "little" if tiff.byteorder == "<" else "big"
    handle = tiff.filehandle
    handle.seek(page.offset)
    count = int.from_bytes(handle.read(count_size), order)
    return [handle.read(entry_size) for _ in range(count)], order
