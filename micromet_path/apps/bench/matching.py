"""Which cluster of the program is which focus of the truth, by the pixels that they share.

Boxes would do for blobs far apart, not for dispersed cells between which others lie, nor for a small focus
in the bend of a long one. Both sides are therefore horizontal spans of pixels with a label, and what is
compared is how many pixels a pair of labels has in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COVERED_SHARE", "OWN_SHARE", "Matching", "Overlap", "Spans", "joined", "match", "overlap_of"]

Integers = NDArray[np.int64]

COVERED_SHARE = 0.1
"""A focus is found when clusters cover this share of it at least. Low, because the truth counts the nuclei and the
pale insides of cells as part of a focus, and a ring of membrane stain is a third of its cell."""

OWN_SHARE = 0.5
"""A cluster belongs to a focus when it covers `COVERED_SHARE` of it, or lies on it with this share of itself."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Labelled pixels as horizontal spans.

    Parameters
    ----------
    row, start, stop : ndarray of shape (N,), int64
        Pixels ``start`` to ``stop - 1`` of a row; spans of one set do not share pixels.
    label : ndarray of shape (N,), int64
        What each span is part of, 0 or more.
    """

    row: Integers
    start: Integers
    stop: Integers
    label: Integers

    def area_px(self, n_labels: int) -> Integers:
        """Pixels of each label, shape (n_labels,)."""
        area = np.zeros(n_labels, dtype=np.int64)
        np.add.at(area, self.label, self.stop - self.start)
        return area


@dataclass(frozen=True, slots=True)
class Overlap:
    """Pixels that labels of two sets share; pairs that share none are left out.

    Parameters
    ----------
    first, second, pixels : ndarray of shape (P,), int64
        Sorted by `first`, then `second`.
    """

    first: Integers
    second: Integers
    pixels: Integers


@dataclass(frozen=True, slots=True)
class Matching:
    """Foci of the truth and things of the program that belong together.

    Parameters
    ----------
    holder : ndarray of shape (T,), int64
        The thing that covers most of each focus, of equals the first; -1 for a focus that was not found.
    parts : tuple of T ndarrays
        Things that belong to each focus, the largest share first; more than one is a split.
    focus_of : tuple of F ndarrays
        Foci that each thing belongs to; none is a false one, more than one a merger.
    """

    holder: Integers
    parts: tuple[Integers, ...]
    focus_of: tuple[Integers, ...]

    @property
    def is_false(self) -> NDArray[np.bool_]:
        """Things that belong to no focus, shape (F,)."""
        return np.array([len(foci) == 0 for foci in self.focus_of], dtype=bool)

    def relation(self, focus: int) -> str:
        """``missed``, ``merged`` (its holder belongs to other foci too), ``split``, or ``one``."""
        if self.holder[focus] < 0:
            return "missed"
        if len(self.focus_of[self.holder[focus]]) > 1:
            return "merged"
        return "split" if len(self.parts[focus]) > 1 else "one"


def overlap_of(first: Spans, second: Spans) -> Overlap:
    """Count the pixels that each pair of labels shares.

    Examples
    --------
    >>> one = Spans(*(np.array([value]) for value in (5, 0, 10, 0)))
    >>> other = Spans(*(np.array(values) for values in ((5, 5, 6), (8, 20, 0), (14, 25, 10), (3, 4, 5))))
    >>> overlap_of(one, other)
    Overlap(first=array([0]), second=array([3]), pixels=array([2]))
    """
    if len(first.row) == 0 or len(second.row) == 0:
        none = np.empty(0, dtype=np.int64)
        return Overlap(none, none, none)
    width = int(max(first.stop.max(), second.stop.max())) + 1
    order = np.lexsort((second.start, second.row))
    begin, end = (second.row * width + second.start)[order], (second.row * width + second.stop)[order]
    low, high = first.row * width + first.start, first.row * width + first.stop
    earliest = np.searchsorted(end, low, side="right")
    count = np.maximum(np.searchsorted(begin, high, side="left") - earliest, 0)
    mine = np.repeat(np.arange(len(low)), count)
    theirs = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(earliest, count)
    shared = np.minimum(high[mine], end[theirs]) - np.maximum(low[mine], begin[theirs])
    return _summed(first.label[mine], second.label[order][theirs], shared)


def _summed(first: Integers, second: Integers, pixels: Integers) -> Overlap:
    """One row a pair of labels."""
    pairs, index = np.unique(np.column_stack((first, second)), axis=0, return_inverse=True)
    total = np.zeros(len(pairs), dtype=np.int64)
    np.add.at(total, index.ravel(), pixels)
    return Overlap(pairs[:, 0], pairs[:, 1], total)


def match(overlap: Overlap, focus_px: Integers, thing_px: Integers) -> Matching:
    """Decide what belongs together.

    Parameters
    ----------
    overlap : Overlap
        Foci first, things of the program second.
    focus_px : ndarray of shape (T,), int64
        Pixels of each focus.
    thing_px : ndarray of shape (F,), int64
        Pixels of each thing.

    Returns
    -------
    Matching
        A thing belongs to a focus when it covers `COVERED_SHARE` of it or lies on it with `OWN_SHARE` of itself;
        the focus is found when all that belongs to it covers `COVERED_SHARE`.
    """
    covers = overlap.pixels >= COVERED_SHARE * focus_px[overlap.first]
    belongs = covers | (overlap.pixels >= OWN_SHARE * thing_px[overlap.second])
    first, second, pixels = overlap.first[belongs], overlap.second[belongs], overlap.pixels[belongs]
    parts = []
    holder = np.full(len(focus_px), -1, dtype=np.int64)
    for focus in range(len(focus_px)):
        mine = np.flatnonzero(first == focus)
        mine = mine[np.lexsort((second[mine], -pixels[mine]))]
        parts.append(second[mine])
        if len(mine) and pixels[mine].sum() >= COVERED_SHARE * focus_px[focus]:
            holder[focus] = second[mine[0]]
    return Matching(holder, tuple(parts), _inverted(first, second, len(thing_px)))


def _inverted(first: Integers, second: Integers, n_second: int) -> tuple[Integers, ...]:
    """Values of `first` for each value of `second`."""
    return tuple(np.sort(first[second == value]) for value in range(n_second))


def joined(parts: Sequence[Spans]) -> Spans:
    """Several sets of spans as one."""
    columns = [[getattr(part, name) for part in parts] for name in ("row", "start", "stop", "label")]
    return Spans(*(np.concatenate([np.empty(0, dtype=np.int64), *column]).astype(np.int64) for column in columns))
