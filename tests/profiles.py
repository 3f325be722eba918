"""ICC profiles made from their parts, so that what they do to a pixel can be worked out apart from any library."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

MARKER = "Mar1e Muster, Ward 7"
"""Stands in the free text of every profile made here; it must be in no file that the program writes."""

SRGB = ((0.4360747, 0.2225045, 0.0139322), (0.3850649, 0.7168786, 0.0971045), (0.1430804, 0.0606169, 0.7141733))
"""XYZ of sRGB's red, green and blue under D50 (Lindbloom, Bradford adaptation)."""

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""IEC 61966-2-1 as ICC's parametric curve of type 3: g, a, b, c, d."""


def matrix_profile(
    primaries: Sequence[Sequence[float]] = SRGB,
    curve: Sequence[float] = SRGB_CURVE,
    text: str = MARKER,
    space: bytes = b"RGB ",
    intent: int = 1,
) -> bytes:
    """A display profile of version 4: three primaries (XYZ, D50) and one curve (a power alone, or five numbers)."""
    said = text.encode("utf-16-be")
    words = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(said), 28) + said
    kind = {1: 0, 5: 3}[len(curve)]
    response = b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, curve))
    tags = [(b"desc", words), (b"cprt", words), (b"wtpt", _xyz((0.9642, 1.0, 0.8249)))]
    tags += [(name, _xyz(primary)) for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)]
    tags += [(name, response) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags:
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    return _header(start + len(body), space, intent) + table + body


def swapped_profile() -> bytes:
    """Of a scanner that stores blue where others store red: to sRGB by it is red and blue changed for each other."""
    red, green, blue = SRGB
    return matrix_profile((blue, green, red))


def srgb_of_power(rgb: np.ndarray, power: float) -> np.ndarray:
    """What `matrix_profile(curve=(power,))` makes of 8-bit pixels, by the formula of IEC 61966-2-1; not rounded."""
    light = (rgb / 255) ** power
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _header(size: int, space: bytes, intent: int) -> bytes:
    start = struct.pack(">I4sI4s4s4s6H", size, b"\0" * 4, 0x04200000, b"mntr", space, b"XYZ ", 2020, 1, 1, 0, 0, 0)
    rest = b"acsp" + b"\0" * 24 + struct.pack(">I", intent) + _numbers((0.9642, 1.0, 0.8249))
    return (start + rest).ljust(128, b"\0")


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + _numbers(values)


def _numbers(values: Sequence[float]) -> bytes:
    return b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    """ICC's s15Fixed16Number."""
    return struct.pack(">i", round(value * 65536))
