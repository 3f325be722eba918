"""Slides damaged in every way that a disk, a network or somebody who means harm can damage them; seeded."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["KINDS", "bomb", "damaged", "plain_tiff"]

_WIDTH, _LENGTH, _STRIP_OFFSETS, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 273, 322, 323
_TILE_OFFSETS, _TILE_BYTES, _STRIP_BYTES = 324, 325, 279
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}
_HUGE = (0xFFFFFFFF, 0x7FFFFFFF, 1_000_000, 65_536, 0)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a directory of a TIFF: where it stands, what it says, and where its values are."""

    at: int
    tag: int
    kind: int
    count: int
    values_at: int


def damaged(data: bytes, kind: str, seed: int) -> bytes:
    """A damaged copy of a slide.

    Parameters
    ----------
    data : bytes
        A little-endian TIFF or BigTIFF.
    kind : str
        One of `KINDS`.
    seed : int
    """
    changed = bytearray(data)
    made = KINDS[kind](changed, random.Random(f"{kind} {seed}"))
    return bytes(changed) + b"%08d" % seed if made is None else made  # the same damage is another slide


class _Form(NamedTuple):
    """How a TIFF or a BigTIFF is laid out: formats of a count, an entry, an offset; and where the first offset is."""

    n_entries: str
    entry: str
    offset: str
    first_at: int


_CLASSIC, _BIG = _Form("<H", "<HHI", "<I", 4), _Form("<Q", "<HHQ", "<Q", 8)


def _form(data: bytes | bytearray) -> _Form:
    return _BIG if data[2] == 43 else _CLASSIC


def _directories(data: bytes | bytearray) -> Iterator[tuple[int, list[_Entry], int]]:
    """Each directory: where it is, its entries, and where the offset of the next one stands."""
    form = _form(data)
    head, room = struct.calcsize(form.entry), struct.calcsize(form.offset)
    (at,) = struct.unpack_from(form.offset, data, form.first_at)
    while at:
        (count,) = struct.unpack_from(form.n_entries, data, at)
        begin = at + struct.calcsize(form.n_entries)
        entries = []
        for place in range(begin, begin + count * (head + room), head + room):
            tag, kind, values = struct.unpack_from(form.entry, data, place)
            (elsewhere,) = struct.unpack_from(form.offset, data, place + head)
            is_inside = values * _SIZES.get(kind, 1) <= room
            entries.append(_Entry(place, tag, kind, values, place + head if is_inside else elsewhere))
        following = begin + count * (head + room)
        yield at, entries, following
        (at,) = struct.unpack_from(form.offset, data, following)


def _entries(data: bytes | bytearray, *tags: int) -> list[_Entry]:
    return [entry for _, entries, _ in _directories(data) for entry in entries if not tags or entry.tag in tags]


def _put(data: bytearray, entry: _Entry, index: int, value: int) -> None:
    """Write one value of an entry, cut to what its kind can hold."""
    size = _SIZES[entry.kind]
    at = entry.values_at + index * size
    data[at : at + size] = (value & (256**size - 1)).to_bytes(size, "little")


def _truncated(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data[: rng.choice((rng.randrange(300), rng.randrange(len(data)), rng.randrange(len(data))))])


def _flipped(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 8, 64, 1000))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _flipped_directory(data: bytearray, rng: random.Random) -> None:
    entries = _entries(data)
    for _ in range(rng.choice((1, 3, 10))):
        data[rng.choice(entries).at + rng.randrange(12)] ^= 1 << rng.randrange(8)


def _swapped_tags(data: bytearray, rng: random.Random) -> None:
    entries = _entries(data)
    one = rng.choice(entries)
    other = rng.choice([entry for entry in entries if entry.tag != one.tag])
    first, second = data[one.at : one.at + 2], data[other.at : other.at + 2]
    data[one.at : one.at + 2], data[other.at : other.at + 2] = second, first


def _huge(data: bytearray, rng: random.Random) -> None:
    for entry in rng.choices(_entries(data, _WIDTH, _LENGTH, _TILE_WIDTH, _TILE_LENGTH), k=rng.choice((1, 2, 4))):
        _put(data, entry, 0, rng.choice(_HUGE))


def _huge_counts(data: bytearray, rng: random.Random) -> None:
    entry = rng.choice(_entries(data))
    count = rng.choice((0xFFFFFFFF, 0x10000000, 0x1000000))
    struct.pack_into(_form(data).offset, data, entry.at + 4, count)


def _cyclic(data: bytearray, rng: random.Random) -> None:
    places = [(at, following) for at, _, following in _directories(data)]
    last = rng.randrange(len(places))
    struct.pack_into(_form(data).offset, data, places[last][1], places[rng.randrange(last + 1)][0])


def _no_tiles(data: bytearray, rng: random.Random) -> None:
    for entry in _entries(data, rng.choice((_TILE_OFFSETS, _TILE_BYTES))):
        for index in range(entry.count):
            if rng.random() < 0.9:
                _put(data, entry, index, 0)


def _wrong_lengths(data: bytearray, rng: random.Random) -> None:
    for entry in _entries(data, _TILE_OFFSETS, _TILE_BYTES, _STRIP_OFFSETS, _STRIP_BYTES):
        for index in range(entry.count):
            if rng.random() < 0.2:
                _put(
                    data,
                    entry,
                    index,
                    rng.choice((1, 2, 100, len(data), len(data) + 1, 0xFFFFFFFF, rng.randrange(2**32))),
                )


def _torn_tiles(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data) // 2)
    length = rng.randrange(1, len(data) // 3)
    data[start : start + length] = rng.choice((bytes(length), rng.randbytes(length)))


def _random_bytes(data: bytearray, rng: random.Random) -> bytes:
    return rng.choice((b"", b"II*\0", b"MM\0*", b"II+\0", bytes(data[:512]))) + rng.randbytes(rng.randrange(20_000))


def _bomb(data: bytearray, rng: random.Random) -> bytes:
    return bomb(rng.randrange(50, 400) << 20, rng.randrange(16))


KINDS: Mapping[str, Callable[[bytearray, random.Random], bytes | None]] = {
    "truncated": _truncated,
    "bits flipped": _flipped,
    "bits of the directory flipped": _flipped_directory,
    "tags swapped": _swapped_tags,
    "huge sizes": _huge,
    "huge counts": _huge_counts,
    "directories in a circle": _cyclic,
    "no tiles": _no_tiles,
    "wrong lengths": _wrong_lengths,
    "torn": _torn_tiles,
    "random bytes": _random_bytes,
    "zip bomb": _bomb,
}


def bomb(size: int, index: int) -> bytes:
    """A slide with a tile that unpacks to so many bytes instead of those of a tile."""
    made = bytearray(plain_tiff())
    packed = zlib.compress(bytes(size), 9)
    at = len(made)
    made += packed
    _put(made, _entries(made, _TILE_OFFSETS)[0], index, at)
    _put(made, _entries(made, _TILE_BYTES)[0], index, len(packed))
    return bytes(made)


def plain_tiff(side_px: int = 1024, tile_px: int = 256) -> bytes:
    """A small slide of clear glass in deflated tiles, half a micron a pixel."""
    count = (side_px // tile_px) ** 2
    tile = zlib.compress(b"\xf2" * (3 * tile_px**2))
    entries = [
        (_WIDTH, 4, 1, side_px), (_LENGTH, 4, 1, side_px), (258, 3, 3, None), (259, 3, 1, 8), (262, 3, 1, 2),
        (277, 3, 1, 3), (282, 5, 1, None), (283, 5, 1, None), (296, 3, 1, 3), (_TILE_WIDTH, 4, 1, tile_px),
        (_TILE_LENGTH, 4, 1, tile_px), (_TILE_OFFSETS, 4, count, None), (_TILE_BYTES, 4, count, None),
    ]  # fmt: skip
    end = 8 + 2 + 12 * len(entries) + 4
    first_tile = end + 8 + 16 + 8 * count
    values = {
        258: struct.pack("<3H", 8, 8, 8).ljust(8, b"\0"),
        282: struct.pack("<2I", 20_000, 1),  # pixels a centimetre
        283: struct.pack("<2I", 20_000, 1),
        _TILE_OFFSETS: struct.pack(f"<{count}I", *(first_tile + len(tile) * number for number in range(count))),
        _TILE_BYTES: struct.pack(f"<{count}I", *[len(tile)] * count),
    }
    places, at = {}, end
    for tag, packed in values.items():
        places[tag] = at
        at += len(packed)
    head = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries))
    head += b"".join(struct.pack("<HHII", tag, kind, n, places.get(tag, value or 0)) for tag, kind, n, value in entries)
    return head + bytes(4) + b"".join(values.values()) + tile * count
