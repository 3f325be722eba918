"""JPEG 2000 code streams: what their header says, and the stream of the same picture at half its size, or less.

A stream holds its picture as wavelets, the coarsest resolution first where its packets are in that order. A header that
states fewer resolutions makes any decoder stop before the finest ones, which take nearly all of the time. The samples
of a coarser resolution lie at the first pixel of each square, not in its middle: the picture is displaced by less than
half of one of its own pixels.
Markers and segments are those of ISO/IEC 15444-1 (2019), annex A.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Header", "halved", "read_header"]

_SOC, _SIZ, _COD, _QCD, _COM = 0xFF4F, 0xFF51, 0xFF52, 0xFF5C, 0xFF64
_SOT, _SOD, _EOC, _PLT = 0xFF90, 0xFF93, 0xFFD9, 0xFF58

_LRCP, _RLCP, _RPCL = 0, 1, 2
"""Orders of packets by layer, resolution, component and position."""

_OWN_PRECINCTS = 0x01
_STYLE, _NO_QUANTISATION, _DERIVED, _EXPOUNDED = 0x1F, 0, 1, 2
_BYTES_A_BAND = {_NO_QUANTISATION: 1, _DERIVED: 0, _EXPOUNDED: 2}
_BANDS_A_RESOLUTION = 3


@dataclass(frozen=True, slots=True)
class Header:
    """What a stream says of itself before its first packet.

    Parameters
    ----------
    width, height : int
    steps : tuple of (int, int)
        Pixels along x and y that a sample of each component stands for.
    halvings : int
        How often the picture can be halved by `halved`.
    """

    width: int
    height: int
    steps: tuple[tuple[int, int], ...]
    halvings: int


def read_header(stream: bytes) -> Header:
    """Read the header, the size first: a damaged one would make a decoder fill gigabytes.

    Raises
    ------
    ValueError
        If it is no JPEG 2000 stream.
    """
    start = stream.find(struct.pack(">2H", _SOC, _SIZ))  # behind boxes where there is a file around it
    if start < 0 or len(stream) < start + 42:
        raise ValueError("not a JPEG 2000 stream")
    x1, y1, x0, y0 = struct.unpack_from(">4I", stream, start + 8)
    (components,) = struct.unpack_from(">H", stream, start + 40)
    parts = stream[start + 42 : start + 42 + 3 * components]
    return Header(x1 - x0, y1 - y0, tuple(zip(parts[1::3], parts[2::3], strict=False)), _halvings(stream, start))


def halved(stream: bytes, times: int) -> bytes:
    """The stream with a header that leaves out the finest resolutions; its data is as it was.

    Parameters
    ----------
    stream : bytes
    times : int
        At most `Header.halvings`.

    Raises
    ------
    ValueError
        If it cannot be halved so often.
    """
    if not 0 <= times <= _halvings(stream, 0):
        raise ValueError(f"a JPEG 2000 stream that cannot be halved {times} times")
    parts, segments = [stream[:2]], list(_segments(stream))
    for marker, place, end in segments:
        segment = bytearray(stream[place:end])
        if marker == _SIZ:
            sizes = (-(-size >> times) for size in struct.unpack_from(">8I", segment, 6))
            struct.pack_into(">8I", segment, 6, *sizes)
        elif marker == _COD:
            segment[9] -= times
            segment = _shortened(segment, times if segment[4] & _OWN_PRECINCTS else 0)
        elif marker == _QCD:
            segment = _shortened(segment, times * _BANDS_A_RESOLUTION * _BYTES_A_BAND[segment[4] & _STYLE])
        parts.append(bytes(segment))
    return b"".join([*parts, stream[segments[-1][-1] :]])


def _shortened(segment: bytearray, by: int) -> bytearray:
    """A segment without its last bytes."""
    shorter = segment[: len(segment) - by]
    struct.pack_into(">H", shorter, 2, len(shorter) - 2)
    return shorter


def _halvings(stream: bytes, start: int) -> int:
    """How often a stream can be halved by its header alone; 0 where that would take more than what is done here.

    The packets of lower resolutions must come before all others, in one part of one tile that covers the picture, and
    nothing but the main header may speak of resolutions.
    """
    if start:
        return 0
    try:
        segments = list(_segments(stream))
        seen = {marker: place for marker, place, _ in segments if marker != _COM}
        if len(seen) != sum(marker != _COM for marker, *_ in segments) or not seen.keys() <= {_SIZ, _COD, _QCD}:
            return 0
        width, height, left, top, tile_width, tile_height, tile_left, tile_top = struct.unpack_from(
            ">8I", stream, seen[_SIZ] + 6
        )
        order, layers, levels = struct.unpack_from(">BHxB", stream, seen[_COD] + 5)
        style = stream[seen[_QCD] + 4] & _STYLE
        has_all_bands = _BYTES_A_BAND[style] * (1 + levels * _BANDS_A_RESOLUTION) <= _length(stream, seen[_QCD]) - 3
        is_one_part = _is_one_part(stream, segments[-1][-1])
    except (struct.error, LookupError):  # it ends before its header does, or lacks a segment
        return 0
    is_one_tile = not (left or top or tile_left or tile_top) and tile_width >= width and tile_height >= height
    is_coarse_first = order in {_RLCP, _RPCL} or (order == _LRCP and layers == 1)
    return levels if is_one_tile and is_coarse_first and is_one_part and has_all_bands else 0


def _length(stream: bytes, place: int) -> int:
    """Bytes of the segment at a place, those of its marker not counted."""
    return int.from_bytes(stream[place + 2 : place + 4], "big")


def _segments(stream: bytes) -> Iterator[tuple[int, int, int]]:
    """Segments of the main header: marker, first byte, end."""
    place = 2
    while True:
        (marker,) = struct.unpack_from(">H", stream, place)
        if marker == _SOT:
            return
        end = place + 2 + max(2, _length(stream, place))
        yield marker, place, end
        place = end


def _is_one_part(stream: bytes, place: int) -> bool:
    """Whether the tile part that begins at a place is the only one, and its header without anything of its own."""
    (length,) = struct.unpack_from(">6xI", stream, place)
    behind = stream[place + length : place + length + 2] if length else b""
    if behind not in {b"", struct.pack(">H", _EOC)}:
        return False
    place += 12
    while (marker := struct.unpack_from(">H", stream, place)[0]) in {_COM, _PLT}:
        place += 2 + _length(stream, place)
    return bool(marker == _SOD)
