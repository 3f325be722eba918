"""Intended stained areas as row spans, and their sizes.

A `SpanMask` is what the generator means to stain, on the pixel grid of level 0: the pixel in
column c and row r belongs to a shape when its centre (c + 0.5, r + 0.5) lies inside the outline.
The truth is measured on these masks by the few lines below, which share nothing with the code that
analyses slides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpanMask", "gap_um", "max_diameter_um", "rasterise", "union"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SpanMask:
    """Pixels as horizontal spans, sorted by row and column, disjoint and apart.

    Parameters
    ----------
    row, start, stop : ndarray of shape (N,), int64
        Span i holds the pixels ``start[i]`` to ``stop[i] - 1`` of row ``row[i]``.
    """

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        return int((self.stop - self.start).sum())

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """Half-open box (x0, y0, x1, y1)."""
        return int(self.start.min()), int(self.row[0]), int(self.stop.max()), int(self.row[-1]) + 1

    def image(self, margin: int) -> tuple[NDArray[np.bool_], tuple[int, int]]:
        """Pixels of the box with a margin around it, and the column and row where that begins."""
        x0, y0, x1, y1 = self.bbox
        left, top = x0 - margin, y0 - margin
        turns = np.zeros((y1 + margin - top, x1 + margin - left + 1), np.int8)
        turns[self.row - top, self.start - left] = 1  # spans of a row are apart: no place turns twice
        turns[self.row - top, self.stop - left] = -1
        return np.cumsum(turns, axis=1, dtype=np.int8)[:, :-1].astype(bool), (left, top)

    @classmethod
    def of(cls, image: NDArray[np.bool_], left: int, top: int) -> SpanMask:
        """Mask of an image that begins at a column and row."""
        turns = np.diff(np.pad(image, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        row, start = np.nonzero(turns == 1)
        stop = np.nonzero(turns == -1)[1]
        return cls(row + top, start + left, stop + left)

    def contains(self, points: Floats) -> NDArray[np.bool_]:
        """Which of (N, 2) points (x, y) lie on pixels of the mask."""
        key = _key(self.row, self.start)
        column = np.floor(points[:, 0]).astype(np.int64)
        row = np.floor(points[:, 1]).astype(np.int64)
        span = np.searchsorted(key, _key(row, column), side="right") - 1
        found = np.maximum(span, 0)
        return np.asarray((span >= 0) & (self.row[found] == row) & (column < self.stop[found]))


def rasterise(polygons: Sequence[Floats]) -> SpanMask:
    """Union of polygons given as (N, 2) vertices (x, y) in pixels; each one must not cross itself."""
    parts = [_spans(polygon) for polygon in polygons]
    return _merged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def union(masks: Sequence[SpanMask]) -> SpanMask:
    """Pixels of any of the masks."""
    columns = zip(*((mask.row, mask.start, mask.stop) for mask in masks), strict=True)
    return _merged(*(np.concatenate(column) for column in columns))


def max_diameter_um(mask: SpanMask, spacing_um: float, aspect: float = 1.0) -> float:
    """Largest distance between two pixel corners: vertices of the hull, compared pair by pair.

    ``spacing_um`` is the width of a pixel, ``aspect`` its height in widths.
    """
    hull = _hull(*_extents(mask)) * (1.0, aspect)
    apart = hull[:, None, :] - hull[None, :, :]
    return float(np.sqrt((apart**2).sum(axis=2).max())) * spacing_um


def gap_um(first: SpanMask, second: SpanMask, spacing_um: float, aspect: float = 1.0) -> float:
    """Smallest distance between pixel squares: every span of one against every span of the other."""
    down = np.abs(first.row[:, None] - second.row[None, :]) - 1
    across = np.maximum(first.start[:, None] - second.stop[None, :], second.start[None, :] - first.stop[:, None])
    squared = (np.maximum(down, 0) * aspect) ** 2 + np.maximum(across, 0) ** 2
    return float(np.sqrt(squared.min())) * spacing_um


def _key(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.int64]:
    """One sortable number for a pixel; columns may be a little below zero."""
    return (row + 2**20) * 2**32 + column + 2**20


def _spans(polygon: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Row, start and stop where the rows' centre lines run inside a polygon."""
    (x_a, y_a), (x_b, y_b) = polygon.T, np.roll(polygon, -1, axis=0).T
    first = np.ceil(np.minimum(y_a, y_b) - 0.5).astype(np.int64)
    count = np.ceil(np.maximum(y_a, y_b) - 0.5).astype(np.int64) - first
    edge = np.repeat(np.arange(len(polygon)), count)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    x = x_a[edge] + (row + 0.5 - y_a[edge]) / (y_b - y_a)[edge] * (x_b - x_a)[edge]
    order = np.lexsort((x, row))
    row, column = row[order][0::2], np.ceil(x[order] - 0.5).astype(np.int64)
    start, stop = column[0::2], column[1::2]
    kept = stop > start
    return row[kept], start[kept], stop[kept]


def _merged(row: NDArray[np.int64], start: NDArray[np.int64], stop: NDArray[np.int64]) -> SpanMask:
    """Spans of any order and overlap as a mask: a running maximum of the ends finds the breaks."""
    if len(row) == 0:
        return SpanMask(row, start, stop)
    begin, end = _key(row, start), _key(row, stop)
    order = np.argsort(begin, kind="stable")
    begin, reach = begin[order], np.maximum.accumulate(end[order])
    opens = np.flatnonzero(np.concatenate(([True], begin[1:] > reach[:-1])))
    closes = np.concatenate((opens[1:] - 1, [len(begin) - 1]))
    row, start = row[order][opens], start[order][opens]
    return SpanMask(row, start, start + reach[closes] - begin[opens])


def _extents(mask: SpanMask) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Leftmost and rightmost pixel corner on each line between rows."""
    top, bottom = mask.row[0], mask.row[-1]
    left = np.full(bottom - top + 2, np.iinfo(np.int64).max)
    right = np.full(bottom - top + 2, np.iinfo(np.int64).min)
    for line in (mask.row - top, mask.row - top + 1):
        np.minimum.at(left, line, mask.start)
        np.maximum.at(right, line, mask.stop)
    lines = np.flatnonzero(left <= right)
    return lines + top, left[lines], right[lines]


def _hull(lines: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Corners of the convex hull, from the extremes of each line, top to bottom on either side."""
    chains = [
        _chain(list(zip(left.tolist(), lines.tolist(), strict=True)), 1),
        _chain(list(zip(right.tolist(), lines.tolist(), strict=True)), -1),
    ]
    return np.array(chains[0] + chains[1], dtype=np.int64)


def _chain(points: list[tuple[int, int]], side: int) -> list[tuple[int, int]]:
    """Points of one convex side, walked downwards: turns to the wrong hand are dropped."""
    kept: list[tuple[int, int]] = []
    for x, y in points:
        while len(kept) > 1:
            (x_a, y_a), (x_b, y_b) = kept[-2], kept[-1]
            if side * ((x_b - x_a) * (y - y_a) - (y_b - y_a) * (x - x_a)) < 0:
                break
            kept.pop()
        kept.append((x, y))
    return kept
