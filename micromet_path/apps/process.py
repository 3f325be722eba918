"""What a process of our own is told before its work begins, and before it ends.

None of it is done on import: in a notebook these choices are the user's.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys

__all__ = ["leave", "settle"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # options of mallopt in the C library of GNU
_LARGE_BYTES = 1 << 22
_SPARE_BYTES = 1 << 23


def settle() -> None:
    """Look for cycles of garbage less often than an interactive session does, and hand large arrays back when freed.

    A slide makes few cycles and many objects that stay. The C library of GNU keeps what large arrays leave behind,
    unless it is told their size: a third of the memory of an analysis was nobody's. It gives back whatever is free
    at the end of its memory, too, and asks for it again a moment later; with some megabytes to spare it does not, and
    an analysis is a tenth faster. And it keeps up to eight memories a processor for threads, each of which holds on to
    what was freed in it: two for four threads are 20 MB less, and as fast. Arrow's own memory held on to another 40.
    """
    gc.set_threshold(50_000, 20, 100)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries of Linux have none
        if set_option is not None:
            set_option(_MMAP_THRESHOLD, _LARGE_BYTES)
            set_option(_TRIM_THRESHOLD, _SPARE_BYTES)
            set_option(_ARENA_MAX, max(2, (os.cpu_count() or 2) // 2))


def leave() -> None:
    """Spare the search for garbage in all that the system takes back anyway: a fifth of a second."""
    gc.freeze()
    gc.disable()
