"""The pass over level 0: every block, or the cells that a lower level chose, closed and audited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config
from micromet_path.errors import OverstainedSlideError, UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.model import Audit, Dropped, Runs
from micromet_path.pipeline.candidates import blocks_of, cells_of, choose_cells, draw_audit, spacing_for_candidates
from micromet_path.pipeline.reading import Block, BlockOutcome, BlockReader, ScannedPart
from micromet_path.pixels.area import Extent
from micromet_path.pixels.candidates import cells_near
from micromet_path.pixels.fragments import (
    JoinedPieces,
    dropped_in_all,
    is_eligible,
    join,
    may_link,
    sieve_joined,
)
from micromet_path.pixels.runs import join_runs, keep_runs, runs_of
from micromet_path.pixels.stain import StainTables
from micromet_path.slides.base import Slide
from micromet_path.threads import in_threads

__all__ = ["Progress", "ScanOutcome", "scan_slide"]

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all) from the thread that called the analysis."""

_RUN_COLUMNS = 4

_NEAR_UM = 25.0
"""Around what may link everything is decoded this far: what a finding is at this gap does not hang on a lower level."""


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """What one pass over level 0 gave.

    Parameters
    ----------
    pieces : JoinedPieces
        Everything stained that is at least as large as a dot, joined over seams.
    runs : Runs
        Of the pieces, which stand for fragments here.
    strong_specks, weak_specks : Dropped
        What was smaller than a dot, with and without a strong pixel.
    unread : tuple of Region
        Stored tiles that could not be decoded.
    mode : {"full", "candidates"}
        Whether every tile was decoded, or those that a lower level chose.
    audit : Audit or None
        What a sample of the tiles that were passed over held; None where no lower level was asked.
    rim, trimmed : ndarray of shape (N,), bool, or None
        Which pieces are dried rims, and from which one was cut off, once rims are told.
    """

    pieces: JoinedPieces
    runs: Runs
    strong_specks: Dropped
    weak_specks: Dropped
    unread: tuple[Region, ...]
    mode: str = "full"
    audit: Audit | None = None
    rim: NDArray[np.bool_] | None = None
    trimmed: NDArray[np.bool_] | None = None

    def without_runs(self) -> ScanOutcome:
        """The outcome without the largest part of it, once the runs are those of fragments."""
        none = np.empty(0, np.int32)
        return replace(self, runs=Runs(none, none, none, none))


def scan_slide(
    slide: Slide,
    tables: StainTables,
    config: Config,
    area: Extent,
    workers: int = 1,
    progress: Progress | None = None,
    blocks: Sequence[Region] | None = None,
    seed: int = 0,
) -> ScanOutcome:
    """One pass over level 0.

    Parameters
    ----------
    slide : Slide
    tables : StainTables
    config : Config
    area : Extent
        Outside of it pixels are taken for glass.
    workers : int
        Threads; each decodes and scans blocks of its own.
    progress : callable, optional
    blocks : sequence of Region, optional
        Blocks that tile the slide, in any order; whole stored tiles by default. With them, and where only a
        part of the slide is asked for, every block is decoded.
    seed : int
        Of the audit.

    Raises
    ------
    UnreadableSlideError
        If no tile at all can be decoded.
    """
    scan = _Scan(slide, BlockReader(slide, tables, config, area), config, workers, progress)
    audit: Audit | None = None
    spacing = spacing_for_candidates(slide, config.scan) if blocks is None and area.is_whole else None
    if spacing is not None:
        chosen = choose_cells(slide, spacing, tables, config.scan, workers)
        outcome = scan.candidates(chosen, seed)
        if outcome.audit is not None and outcome.audit.missed == 0 and not outcome.unread:
            return outcome
        audit = outcome.audit
    regions = slide.tiles.strips(config.scan.block_px**2) if blocks is None else blocks
    return replace(scan.full(regions), audit=audit)


@dataclass(frozen=True, slots=True)
class _Scan:
    """A slide, and how it is walked."""

    slide: Slide
    read_block: BlockReader
    config: Config
    workers: int
    progress: Progress | None

    def full(self, regions: Iterable[Region]) -> ScanOutcome:
        """Every pixel."""
        with closing(TemporaryFile()) as file:
            found = _Found(file)
            self._walk([Block.whole(region) for region in regions], found)
            unread, info = found.unread, self.slide.info
            if sum(region.width * region.height for region in unread) == info.width_px0 * info.height_px0:
                raise UnreadableSlideError(
                    f"{info.name}: none of its {len(unread)} tiles can be decoded; the file is damaged, copy it again"
                )
            return found.joined(info.spacing, self.config)

    def candidates(self, chosen: NDArray[np.bool_], seed: int) -> ScanOutcome:
        """The chosen cells, an audit of the others, and whatever stain leads to from there.

        What reaches the border of a decoded cell is followed into the next, and around every fragment that may
        link everything near is decoded, until nothing new is found: every fragment is found whole, and with all that
        it is one focus with.
        """
        params, cells = self.config.scan, cells_of(self.slide)
        audited = draw_audit(chosen, params, seed)
        decoded = chosen | audited
        wanted = decoded
        with closing(TemporaryFile()) as file:
            found = _Found(file)
            while wanted.any():
                new = self._walk(list(blocks_of(wanted, cells, params.block_px**2)), found)
                wanted = self._followed(new, cells) & ~decoded
                decoded = decoded | wanted
            outcome = found.joined(self.slide.info.spacing, self.config)
        audit = Audit(
            cells=len(cells),
            decoded=int(np.count_nonzero(decoded)),
            passed_over=int(np.count_nonzero(~chosen)),
            audited=int(np.count_nonzero(audited)),
            missed=_missed(outcome, chosen, cells, self.slide.info.spacing, self.config),
        )
        return replace(outcome, mode="candidates", audit=audit)

    def _followed(self, parts: Sequence[ScannedPart], cells: TileGrid) -> NDArray[np.bool_]:
        """Cells that stain at the lower threshold reaches out to, and those near what may link."""
        if not parts:
            return np.zeros((cells.rows, cells.columns), bool)
        seams = [part.scan.lenient for part in parts]
        row, start, stop = (
            np.concatenate([getattr(seam, name) for seam in seams]) for name in ("seam_row", "seam_start", "seam_stop")
        )
        spacing, params = self.slide.info.spacing, self.config.fragments
        boxes = [scan.bbox_px0[may_link(scan.sums, spacing, params)] for scan in (part.scan for part in parts)]
        near_um = max(_NEAR_UM, self.config.clusters.gap_um)
        margin_px = np.ceil(near_um / np.array([spacing.x_um, spacing.y_um])).astype(int)
        neighbours = cells_near(np.stack([start, row, stop, row + 1], axis=1), np.ones(2, int), cells)
        return neighbours | cells_near(np.concatenate(boxes), margin_px, cells)

    def _walk(self, blocks: Sequence[Block], found: _Found) -> list[ScannedPart]:
        """Read, scan and keep blocks; what was new."""
        before, n_blocks = len(found.parts), found.n_blocks + len(blocks)
        for outcome in in_threads(self.read_block, blocks, self.workers):
            found.add(outcome)
            if found.n_runs > self.config.scan.most_runs:
                raise OverstainedSlideError(
                    f"{self.slide.info.name}: more than {self.config.scan.most_runs:,} stained runs of pixels after "
                    f"{found.n_blocks:,} of {n_blocks:,} blocks: a pattern, or a threshold in the "
                    "background; look at the slide, raise [stain] threshold_od, or raise [scan] most_runs where there "
                    "is memory for it (some 150 bytes a run)"
                )
            if self.progress is not None:
                self.progress(found.n_blocks, n_blocks)
        return found.parts[before:]


def _missed(
    outcome: ScanOutcome, chosen: NDArray[np.bool_], cells: TileGrid, spacing: PixelSpacing, config: Config
) -> int:
    """Pieces that matter and of which no part lies in a cell that the lower level chose."""
    pieces = outcome.pieces
    column, line = (pieces.first_px // (cells.tile_width, cells.tile_height)).T
    in_doubt = is_eligible(pieces.sums, spacing, config.fragments) & ~chosen[line, column]
    if not in_doubt.any():  # nearly always the first pixel tells
        return 0
    runs = runs_of(outcome.runs, in_doubt)
    row, first, last = (
        runs.row // cells.tile_height,
        runs.start // cells.tile_width,
        (runs.stop - 1) // cells.tile_width,
    )
    chosen_before = np.zeros((cells.rows, cells.columns + 1), np.int32)
    chosen.cumsum(axis=1, out=chosen_before[:, 1:])
    in_chosen = chosen_before[row, last + 1] > chosen_before[row, first]
    was_chosen = np.bincount(runs.fragment, in_chosen, minlength=len(pieces)) > 0
    return int(np.count_nonzero(in_doubt & ~was_chosen))


class _Found:
    """What the blocks gave so far; their runs on disk, since memory holds pieces, not their pixels."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sizes: list[int] = []
        self._n_runs = 0
        self._unread: list[Region] = []
        self.parts: list[ScannedPart] = []
        self.n_blocks = 0

    def add(self, outcome: BlockOutcome) -> None:
        """Keep a block."""
        self.n_blocks += 1
        self._unread += outcome.unread
        for part in outcome.parts:
            scan = part.scan
            if len(scan.lenient):
                self._sizes.append(len(scan.row))
            if len(scan.row):
                np.stack([scan.row, scan.start, scan.stop, scan.piece]).tofile(self._file)
                self._n_runs += len(scan.row)
            self.parts.append(_without_runs(part))

    @property
    def n_runs(self) -> int:
        """Runs kept so far."""
        return self._n_runs

    @property
    def unread(self) -> tuple[Region, ...]:
        """Tiles that could not be decoded, in the order of their places."""
        return tuple(sorted(self._unread))

    def joined(self, spacing: PixelSpacing, config: Config) -> ScanOutcome:
        """Everything that is at least as large as a dot, joined over the seams."""
        joined = join([part.scan for part in self.parts if len(part.scan.lenient)])
        pieces, strong_specks, weak_specks = sieve_joined(joined, spacing, config.fragments)
        return ScanOutcome(
            pieces=pieces,
            runs=join_runs(*self._runs(pieces)),
            strong_specks=dropped_in_all([strong_specks, *(part.strong_specks for part in self.parts)]),
            weak_specks=dropped_in_all([weak_specks, *(part.weak_specks for part in self.parts)]),
            unread=self.unread,
        )

    def _runs(self, pieces: JoinedPieces) -> tuple[NDArray[np.int32], ...]:
        """All runs of the pieces that are left, with the piece of each: row, start, stop, piece."""
        self._file.seek(0)
        columns = np.empty((_RUN_COLUMNS, sum(self._sizes)), np.int32)
        at = 0
        for size, offset in zip(self._sizes, pieces.piece_offsets, strict=False):
            part = np.fromfile(self._file, np.int32, _RUN_COLUMNS * size).reshape(_RUN_COLUMNS, size)
            at = keep_runs(*part, pieces.joined_of_piece[offset:], columns, at)
        return tuple(columns[:, :at])


def _without_runs(part: ScannedPart) -> ScannedPart:
    """The part without its runs, which are on disk."""
    none = np.empty(0, np.int32)
    return replace(part, scan=replace(part.scan, row=none, start=none, stop=none, piece=none))
