"""Room for decoded pixels, at addresses where decoding is fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["room_for_pixels"]

_WIDEST_STORE, _OFF_BY = 32, 8


def room_for_pixels(rows: int, columns: int) -> NDArray[np.uint8]:
    """An uninitialised, contiguous (rows, columns, 3) array that no vector store of a decoder is aligned to.

    libjpeg-turbo writes rows that begin at a multiple of its vector's width (16 or 32 bytes) past the caches, straight
    to memory, where whoever looks at the pixels next has to wait for them: decoding alone takes an eighth longer so,
    and decoding with a look at every pixel a fifth. What an allocator hands out is a multiple of 16, and of 32 by
    chance.

    Examples
    --------
    >>> room_for_pixels(256, 256).ctypes.data % 16
    8
    """
    size = 3 * rows * columns
    room = np.empty(size + _WIDEST_STORE, np.uint8)
    first = (_OFF_BY - room.ctypes.data) % _WIDEST_STORE
    return room[first : first + size].reshape(rows, columns, 3)
