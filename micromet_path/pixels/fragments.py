"""From pieces of blocks to fragments of the slide: joined over seams, sieved, and numbered.

Whatever the blocks were and in whatever order they came, the result is the same to the bit: sums are
whole numbers, joins are unions, and fragments are numbered by their first pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path import hull
from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.kernels import kernel
from micromet_path.model import BlockScan, Dropped, Pieces
from micromet_path.pixels.order import order_by
from micromet_path.pixels.union import find_root, unite

__all__ = [
    "BROWNEST",
    "FragmentParams",
    "JoinedPieces",
    "dropped",
    "dropped_in_all",
    "is_eligible",
    "is_pigment_like",
    "join",
    "may_link",
    "merged",
    "picked",
    "ragged_rows",
    "sieve_block",
    "sieve_joined",
]

BROWNEST = 10
"""Things with most chromogen that every result shows, whatever they are."""

_LARGEST_MINIMUM_UM2 = 1000.0  # some ten cells: a setting above it would hide what the program is for


@dataclass(frozen=True, slots=True)
class FragmentParams:
    """Which fragments take part, decided before any are linked.

    Parameters
    ----------
    link_minimum_um2 : float
        Smaller fragments never link: specks at 2 000 a mm2 would chain tissue into one focus.
    weak_minimum_um2 : float
        A fragment without a strong pixel stays from this area on, and is flagged.
    dot_minimum_um2 : float
        Smallest dot that can be part of a dot pattern; what is smaller is only counted.
    pigment_share, pigment_residual : float
        A fragment looks like carbon when haematoxylin makes up at least this share of its two dyes
        and the residual at least this share of its chromogen. Black (equal absorbance in all channels)
        has 0.53 and 0.27, saturated DAB 0.39 and 0.17, DAB over nuclei a residual near 0.
    """

    link_minimum_um2: float = 10.0
    weak_minimum_um2: float = 100.0
    dot_minimum_um2: float = 2.0
    pigment_share: float = 0.44
    pigment_residual: float = 0.18

    def __post_init__(self) -> None:
        if not 0 <= self.dot_minimum_um2 <= self.link_minimum_um2 <= self.weak_minimum_um2 <= _LARGEST_MINIMUM_UM2:
            raise ConfigError(
                "fragments: expected 0 <= dot_minimum_um2 <= link_minimum_um2 <= weak_minimum_um2 <= "
                f"{_LARGEST_MINIMUM_UM2:g}, found "
                f"{self.dot_minimum_um2}, {self.link_minimum_um2}, {self.weak_minimum_um2}"
            )
        if not (0 < self.pigment_share < 1 and self.pigment_residual > 0):
            raise ConfigError(
                "fragments: expected 0 < pigment_share < 1 and pigment_residual > 0, found "
                f"{self.pigment_share}, {self.pigment_residual}"
            )


@dataclass(frozen=True, slots=True)
class JoinedPieces:
    """Pieces of all blocks joined over the seams, in the order of their first pixel.

    Parameters
    ----------
    first_px, bbox_px0, sums, max_dab
        As in `BlockScan`, one row a joined piece.
    hull_px, hull_offsets, high_hull_px, high_hull_offsets
        Convex hulls, ragged.
    low_component : ndarray of shape (N,), int64
        Row of the components at the lower threshold.
    low_hull_px, low_hull_offsets
        Their hulls.
    piece_offsets : tuple of int
        Where the pieces of each block start in `joined_of_piece`.
    joined_of_piece : ndarray of int64
        Joined piece of every block's every piece, -1 where it was left out.
    """

    first_px: NDArray[np.int64]
    bbox_px0: NDArray[np.int64]
    sums: NDArray[np.int64]
    max_dab: NDArray[np.int64]
    hull_px: NDArray[np.int64]
    hull_offsets: NDArray[np.int64]
    high_hull_px: NDArray[np.int64]
    high_hull_offsets: NDArray[np.int64]
    low_component: NDArray[np.int64]
    low_hull_px: NDArray[np.int64]
    low_hull_offsets: NDArray[np.int64]
    piece_offsets: tuple[int, ...]
    joined_of_piece: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.max_dab)


def sieve_block(block: BlockScan, spacing: PixelSpacing, params: FragmentParams) -> tuple[BlockScan, Dropped, Dropped]:
    """Leave out what can take no part and cannot grow, because it touches no border of its block.

    That is what is smaller than a dot, and pigment that is too small to link; of the latter the brownest stay, since
    the brownest things of a slide are shown whatever they are.

    Returns
    -------
    block : BlockScan
        Without those pieces, their runs, and the lenient pieces that held nothing else.
    strong, weak : Dropped
        How many were left out with and without a strong pixel, and the largest of them.
    """
    if not len(block.lenient):
        return block, Dropped(), Dropped()
    keep = block.sums[:, 0] * spacing.pixel_area_um2 >= params.dot_minimum_um2
    keep[_lost_pigment(block.sums, spacing, params)] = False
    keep[block.stained.seam_piece] = True
    points, offsets = ragged_rows(block.stained.hull_px, block.stained.hull_offsets, ~keep)
    is_strong = block.sums[~keep, 9] > 0
    diameter_um = hull.ragged_diameters(points, offsets, spacing.x_um, spacing.y_um)
    keep_low = np.zeros(len(block.lenient), bool)
    keep_low[block.lenient.seam_piece] = True
    keep_low[block.lenient_of[keep]] = True
    kept_runs = keep[block.piece]
    renumbered, renumbered_low = np.cumsum(keep) - 1, np.cumsum(keep_low) - 1
    high_hull, high_offsets = ragged_rows(block.high_hull_px, block.high_hull_offsets, keep)
    return (
        replace(
            block,
            stained=_kept_pieces(block.stained, keep, renumbered),
            lenient=_kept_pieces(block.lenient, keep_low, renumbered_low),
            high_hull_px=high_hull,
            high_hull_offsets=high_offsets,
            lenient_of=renumbered_low[block.lenient_of[keep]],
            first_px=block.first_px[keep],
            bbox_px0=block.bbox_px0[keep],
            sums=block.sums[keep],
            max_dab=block.max_dab[keep],
            row=block.row[kept_runs],
            start=block.start[kept_runs],
            stop=block.stop[kept_runs],
            piece=renumbered[block.piece[kept_runs]].astype(np.int32),
        ),
        dropped(diameter_um[is_strong]),
        dropped(diameter_um[~is_strong]),
    )


def sieve_joined(
    pieces: JoinedPieces, spacing: PixelSpacing, params: FragmentParams
) -> tuple[JoinedPieces, Dropped, Dropped]:
    """Leave out what stayed smaller than a dot although it touched a border of its block.

    After this nothing tells where the borders were. Runs of what is left out belong to piece -1.

    Returns
    -------
    pieces : JoinedPieces
    strong, weak : Dropped
        As in `sieve_block`.
    """
    keep = pieces.sums[:, 0] * spacing.pixel_area_um2 >= params.dot_minimum_um2
    points, offsets = ragged_rows(pieces.hull_px, pieces.hull_offsets, ~keep)
    diameter_um = hull.ragged_diameters(points, offsets, spacing.x_um, spacing.y_um)
    is_strong = pieces.sums[~keep, 9] > 0
    return picked(pieces, keep), dropped(diameter_um[is_strong]), dropped(diameter_um[~is_strong])


def picked(pieces: JoinedPieces, keep: NDArray[np.bool_]) -> JoinedPieces:
    """The pieces that are kept, numbered anew in their order; runs of the others belong to piece -1."""
    hull_px, hull_offsets = ragged_rows(pieces.hull_px, pieces.hull_offsets, keep)
    high_hull_px, high_hull_offsets = ragged_rows(pieces.high_hull_px, pieces.high_hull_offsets, keep)
    n_low = len(pieces.low_hull_offsets) - 1
    low_component, low_rows = _renumbered(pieces.low_component[keep], np.arange(n_low))
    n_kept_low = int(low_component.max(initial=-1)) + 1
    low_hulls = _joined_hulls([(pieces.low_hull_px, pieces.low_hull_offsets)], low_rows, n_kept_low)
    number = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1)  # the last for what was left out before
    return replace(
        pieces,
        first_px=pieces.first_px[keep],
        bbox_px0=pieces.bbox_px0[keep],
        sums=pieces.sums[keep],
        max_dab=pieces.max_dab[keep],
        hull_px=hull_px,
        hull_offsets=hull_offsets,
        high_hull_px=high_hull_px,
        high_hull_offsets=high_hull_offsets,
        low_component=low_component,
        low_hull_px=low_hulls[0],
        low_hull_offsets=low_hulls[1],
        joined_of_piece=number[pieces.joined_of_piece],
    )


def merged(tables: Sequence[JoinedPieces]) -> tuple[JoinedPieces, NDArray[np.int64]]:
    """Pieces of several tables, no two of which hold the same pixel, as one table in the order of first pixels.

    Returns
    -------
    pieces : JoinedPieces
        It tells nothing of blocks.
    number : ndarray of int64
        Of each piece of the tables, one table after the other, in the new one.
    """
    first_px = _stacked([table.first_px for table in tables], (0, 2))
    order = np.lexsort((first_px[:, 0], first_px[:, 1]))
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    low = _among_all([t.low_component for t in tables], _offsets([len(t.low_hull_offsets) - 1 for t in tables]))
    low_component, low_rows = _renumbered(low[order], np.arange(sum(len(t.low_hull_offsets) - 1 for t in tables)))
    hulls = _joined_hulls([(t.hull_px, t.hull_offsets) for t in tables], number, len(order))
    high_hulls = _joined_hulls([(t.high_hull_px, t.high_hull_offsets) for t in tables], number, len(order))
    low_hulls = _joined_hulls(
        [(t.low_hull_px, t.low_hull_offsets) for t in tables], low_rows, int(low_component.max(initial=-1)) + 1
    )
    return (
        JoinedPieces(
            first_px=first_px[order],
            bbox_px0=_stacked([table.bbox_px0 for table in tables], (0, 4))[order],
            sums=_stacked([table.sums for table in tables], (0, 10))[order],
            max_dab=_stacked([table.max_dab for table in tables], (0,))[order],
            hull_px=hulls[0],
            hull_offsets=hulls[1],
            high_hull_px=high_hulls[0],
            high_hull_offsets=high_hulls[1],
            low_component=low_component,
            low_hull_px=low_hulls[0],
            low_hull_offsets=low_hulls[1],
            piece_offsets=(),
            joined_of_piece=np.empty(0, np.int64),
        ),
        number,
    )


def dropped(diameter_um: NDArray[np.float64]) -> Dropped:
    """How many, and the largest."""
    return Dropped(len(diameter_um), float(diameter_um.max())) if len(diameter_um) else Dropped()


def dropped_in_all(parts: Iterable[Dropped]) -> Dropped:
    """Several counts as one, in any order."""
    n, largest = 0, None
    for part in parts:
        n += part.n
        if part.largest_um is not None:
            largest = part.largest_um if largest is None else max(largest, part.largest_um)
    return Dropped(n, largest)


def _kept_pieces(pieces: Pieces, keep: NDArray[np.bool_], renumbered: NDArray[np.int64]) -> Pieces:
    """The pieces that are kept; seam pieces always are."""
    hull_px, offsets = ragged_rows(pieces.hull_px, pieces.hull_offsets, keep)
    return replace(
        pieces, hull_px=hull_px, hull_offsets=offsets, seam_piece=renumbered[pieces.seam_piece].astype(np.int32)
    )


def ragged_rows(
    points: NDArray[np.int64], offsets: NDArray[np.int64], keep: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chosen rows of a ragged table."""
    sizes = np.diff(offsets)
    return points[np.repeat(keep, sizes)], np.concatenate([[0], np.cumsum(sizes[keep])])


def join(blocks: Sequence[BlockScan]) -> JoinedPieces:
    """Join the pieces of all blocks over the seams between them (8-connected, four corners included)."""
    piece_offsets = _offsets([len(block.stained) for block in blocks])
    low_offsets = _offsets([len(block.lenient) for block in blocks])
    joined = _united([block.stained for block in blocks], piece_offsets)
    low_joined = _united([block.lenient for block in blocks], low_offsets)
    first_px = _stacked([block.first_px for block in blocks], (0, 2))
    joined, order = _by_first_pixel(joined, first_px)
    n = len(order)
    bbox = _stacked([block.bbox_px0 for block in blocks], (0, 4))
    boxes = np.empty((n, 4), np.int64)
    boxes[:, :2], boxes[:, 2:] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    np.minimum.at(boxes[:, :2], joined, bbox[:, :2])
    np.maximum.at(boxes[:, 2:], joined, bbox[:, 2:])
    sums = np.zeros((n, 10), np.int64)
    np.add.at(sums, joined, _stacked([block.sums for block in blocks], (0, 10)))
    max_dab = np.zeros(n, np.int64)
    np.maximum.at(max_dab, joined, _stacked([block.max_dab for block in blocks], (0,)))
    hulls = _joined_hulls([(b.stained.hull_px, b.stained.hull_offsets) for b in blocks], joined, n)
    high_hulls = _joined_hulls([(b.high_hull_px, b.high_hull_offsets) for b in blocks], joined, n)
    lenient_of = _among_all([block.lenient_of for block in blocks], low_offsets)
    low_component = np.full(n, -1, np.int64)
    low_component[joined] = low_joined[lenient_of]
    low_component, low_rows = _renumbered(low_component, low_joined)
    low_hulls = _joined_hulls(
        [(b.lenient.hull_px, b.lenient.hull_offsets) for b in blocks], low_rows, int(low_component.max(initial=-1)) + 1
    )
    return JoinedPieces(
        first_px=first_px[order],
        bbox_px0=boxes,
        sums=sums,
        max_dab=max_dab,
        hull_px=hulls[0],
        hull_offsets=hulls[1],
        high_hull_px=high_hulls[0],
        high_hull_offsets=high_hulls[1],
        low_component=low_component,
        low_hull_px=low_hulls[0],
        low_hull_offsets=low_hulls[1],
        piece_offsets=tuple(piece_offsets),
        joined_of_piece=joined,
    )


def _renumbered(
    component: NDArray[np.int64], all_components: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Components that are used, numbered by the first piece that uses them; the others become -1."""
    used, first_use, index = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(len(used), np.int64)
    rank[np.argsort(first_use)] = np.arange(len(used))
    rows = np.searchsorted(used, all_components)
    rows[rows == len(used)] = 0
    found = used[rows] == all_components if len(used) else np.zeros(len(all_components), bool)
    return rank[index], np.where(found, rank[rows] if len(used) else -1, -1)


def _offsets(sizes: Sequence[int]) -> list[int]:
    """Running starts of consecutive tables, the total last."""
    return [0, *np.cumsum(sizes, dtype=np.int64).tolist()]


def _stacked(columns: list[NDArray[np.int64]], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Tables one below the other; of the given shape when there are none."""
    return np.concatenate([np.empty(shape, np.int64), *columns])


def _among_all(numbers: Sequence[NDArray[np.integer]], offsets: Sequence[int]) -> NDArray[np.int64]:
    """Numbers that each block gave its own, as numbers among those of all blocks."""
    first_of_block = np.repeat(np.array(offsets[:-1], np.int64), [len(own) for own in numbers])
    return np.asarray(np.concatenate([np.empty(0, np.int32), *numbers]) + first_of_block)


def _united(pieces: Sequence[Pieces], offsets: Sequence[int]) -> NDArray[np.int64]:
    """Representative of every piece after joining over seams."""
    row, start, stop = (
        np.concatenate([np.empty(0, np.int32), *(getattr(p, name) for p in pieces)])
        for name in ("seam_row", "seam_start", "seam_stop")
    )
    piece = _among_all([p.seam_piece for p in pieces], offsets)
    order = order_by(row, start)
    parent = np.arange(offsets[-1], dtype=np.int64)
    _unite(row[order], start[order], stop[order], piece[order], parent)
    return parent


@kernel("i4[::1], i4[::1], i4[::1], i8[::1], i8[::1]")
def _unite(row: Any, start: Any, stop: Any, piece: Any, parent: Any) -> None:
    """Unite pieces whose seam runs are 8-neighbours; runs come sorted by row and column."""
    n = row.shape[0]
    above_begin, above_end, begin = 0, 0, 0
    while begin < n:
        end = begin
        while end < n and row[end] == row[begin]:
            if end > begin and start[end] == stop[end - 1]:
                unite(parent, piece[end], piece[end - 1])
            end += 1
        if above_end > above_begin and row[above_begin] == row[begin] - 1:
            a = above_begin
            for i in range(begin, end):
                while a < above_end and stop[a] < start[i]:
                    a += 1
                b = a
                while b < above_end and start[b] <= stop[i]:
                    if piece[b] != piece[i]:  # most runs lie below one of their own piece
                        unite(parent, piece[b], piece[i])
                    b += 1
        above_begin, above_end, begin = begin, end, end
    for i in range(parent.shape[0]):
        parent[i] = find_root(parent, i)


def _by_first_pixel(
    joined: NDArray[np.int64], first_px: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number joined pieces by their first pixel; also the piece that holds each first pixel."""
    order = np.lexsort((first_px[:, 0], first_px[:, 1]))
    _, first_seen, index = np.unique(joined[order], return_index=True, return_inverse=True)
    rank = np.empty(len(first_seen), np.int64)
    rank[np.argsort(first_seen)] = np.arange(len(first_seen))
    renumbered = np.empty(len(joined), np.int64)
    renumbered[order] = rank[index]
    return renumbered, order[np.sort(first_seen)]


def _joined_hulls(
    ragged: list[tuple[NDArray[np.int64], NDArray[np.int64]]], joined: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Convex hulls of the joined pieces."""
    points = _stacked([points for points, _ in ragged], (0, 2))
    sizes = _stacked([offsets[1:] - offsets[:-1] for _, offsets in ragged], (0,))
    return hull.ragged_hulls(points, np.repeat(joined, sizes), n)


def is_eligible(sums: NDArray[np.int64], spacing: PixelSpacing, params: FragmentParams) -> NDArray[np.bool_]:
    """Which pieces can take part in a finding, be it as one dot of a pattern.

    Parameters
    ----------
    sums : ndarray of shape (N, 10), int64
        As in `BlockScan`.
    """
    return _is_large(sums, spacing, params.dot_minimum_um2, params.weak_minimum_um2)


def may_link(sums: NDArray[np.int64], spacing: PixelSpacing, params: FragmentParams) -> NDArray[np.bool_]:
    """Which pieces take part one by one, and link: not the dots of a pattern.

    Parameters
    ----------
    sums : ndarray of shape (N, 10), int64
        As in `BlockScan`.
    """
    return _is_large(sums, spacing, params.link_minimum_um2, params.weak_minimum_um2)


def _is_large(sums: NDArray[np.int64], spacing: PixelSpacing, strong_um2: float, weak_um2: float) -> NDArray[np.bool_]:
    """Whether a piece has the area that it needs with a strong pixel, or without one."""
    return np.asarray(sums[:, 0] * spacing.pixel_area_um2 >= np.where(sums[:, 9] > 0, strong_um2, weak_um2))


def _lost_pigment(sums: NDArray[np.int64], spacing: PixelSpacing, params: FragmentParams) -> NDArray[np.intp]:
    """Pieces of pigment too small to link, but for those with most chromogen in all."""
    is_small = sums[:, 0] * spacing.pixel_area_um2 < params.link_minimum_um2
    pigment = np.flatnonzero(is_small & is_pigment_like(sums[:, 6:9], params))
    order = np.argsort(-sums[pigment, 7], kind="stable")
    return np.asarray(pigment[order[BROWNEST:]])


def is_pigment_like(sum_stain: NDArray[np.int64], params: FragmentParams) -> NDArray[np.bool_]:
    """Whether colours are those of carbon rather than of DAB, by the sums of the three dyes.

    Parameters
    ----------
    sum_stain : ndarray of shape (F, 3), int64
        Haematoxylin, chromogen, residual.

    Notes
    -----
    Black absorbs red, green and blue alike, which the dyes explain only with a residual; brown over a
    blue nucleus has as much haematoxylin but no residual.
    """
    haematoxylin, chromogen, residual = sum_stain.T.astype(np.float64)
    return np.asarray(
        (haematoxylin >= params.pigment_share * (haematoxylin + chromogen))
        & (residual >= params.pigment_residual * chromogen)
    )
