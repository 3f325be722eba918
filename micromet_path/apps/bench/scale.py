"""How memory and time hold on slides that are very large, and on slides that are a pattern.

Each slide is drawn of few distinct tiles (`mosaic`) and analysed in a process of its own, which is stopped after a
while. That a pattern is refused, with the limit and the setting that raises it, is an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.bench.speed.jobs import Job, Sample
from micromet_path.apps.bench.speed.process import Missing, try_job
from micromet_path.apps.bench.tables import aligned, markdown_table
from micromet_path.apps.samples.mosaic import TILE_PX, Mosaic, write_mosaic
from micromet_path.pixels.stain import StainParams

__all__ = ["CASES", "LIMIT_S", "ScaleRow", "markdown", "mosaic_of", "plain", "run", "to_json"]

LIMIT_S = 1200.0
"""Seconds after which an analysis is stopped."""

_HEADER = ("slide", "side, px", "wall, s", "CPU, s", "peak, MiB", "answer")
_WHITE = np.array([243.0, 242.0, 240.0])
_CARBON = np.full(3, 3**-0.5)
_MIB = 1 << 20

Plane = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ScaleRow:
    """What one slide took; numbers are None where the analysis was refused or stopped."""

    slide: str
    side_px: int
    wall_s: float | None
    cpu_s: float | None
    peak_mib: float | None
    answer: str


def _painted(seed: int, brown: Plane | float = 0.0, black: Plane | float = 0.0) -> NDArray[np.uint8]:
    """A tile of tissue with nuclei, and what is laid over it, as densities."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    nuclei = gaussian_filter(rng.random((TILE_PX, TILE_PX)), 5, mode="wrap") > 0.515
    dyes = StainParams()
    layers = ((0.06 + 0.25 * nuclei, dyes.haematoxylin), (brown, dyes.chromogen), (black, _CARBON))
    od = sum(np.broadcast_to(amount, nuclei.shape)[..., None] * np.asarray(colour) for amount, colour in layers)
    return np.asarray(np.clip(_WHITE * 10 ** -np.asarray(od), 0, 255).round(), np.uint8)


def _grid() -> tuple[Plane, Plane]:
    """Rows and columns of a tile."""
    rows, columns = np.mgrid[:TILE_PX, :TILE_PX].astype(np.float64)
    return rows, columns


def _tissue(side: int) -> Mosaic:
    """Tissue everywhere, and one focus of a millimetre in its middle."""
    rows, columns = _grid()
    tiles = [_painted(seed) for seed in range(4)]
    places = np.add.outer(np.arange(side) // 2 % 2 * 2, np.arange(side) // 2 % 2)
    reach = 8  # tiles of 64 um from the middle of the focus to its border
    for row in range(-reach, reach):
        for column in range(-reach, reach):
            apart = np.hypot(rows + row * TILE_PX, columns + column * TILE_PX)
            places[side // 2 + row, side // 2 + column] = len(tiles)
            tiles.append(_painted(len(tiles), 0.7 * (apart < reach * TILE_PX)))
    return Mosaic(np.stack(tiles), places)


def _brown(side: int) -> Mosaic:
    """Stained throughout."""
    rng = np.random.default_rng(0)
    tiles = np.stack([_painted(seed, 0.6 + 0.1 * rng.random((TILE_PX, TILE_PX))) for seed in range(4)])
    return Mosaic(tiles, rng.integers(0, len(tiles), (side, side)))


def _checkerboard(side: int) -> Mosaic:
    """Fields of four microns, stained and not."""
    rows, columns = _grid()
    fields = 0.6 * ((rows // 16 + columns // 16) % 2)
    return Mosaic(np.stack([_painted(seed, fields) for seed in range(4)]), np.zeros((side, side), int))


def _specks(side: int) -> Mosaic:
    """A hundred specks of pigment a tile, 2 to 4 um across: two million on 40 000 px a side."""
    rows, columns = _grid()
    tiles = []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        black = np.zeros((TILE_PX, TILE_PX))
        for x, y in rng.uniform(8, TILE_PX - 8, (100, 2)):
            black[np.hypot(rows - y, columns - x) < rng.uniform(4, 8)] = 1.0
        tiles.append(_painted(seed, 0.0, black))
    return Mosaic(np.stack(tiles), np.random.default_rng(0).integers(0, len(tiles), (side, side)))


def _winding(side: int) -> Mosaic:
    """One line of stain through every tile, to and fro."""
    rows, columns = _grid()
    middle = (TILE_PX - 1) / 2
    left, right, up, down = (
        (np.abs(across - middle) < 10) & (sign * (along - middle) < 10)
        for across, along, sign in ((rows, columns, 1), (rows, columns, -1), (columns, rows, 1), (columns, rows, -1))
    )
    ways = (left | right, left | down, left | up, right | down, right | up)
    places = np.zeros((side, side), int)
    places[::2, -1], places[1::2, -1] = 1, 2
    places[1::2, 0], places[2::2, 0] = 3, 4
    return Mosaic(np.stack([_painted(0, 0.7 * way) for way in ways]), places)


CASES: dict[str, tuple[Callable[[int], Mosaic], tuple[int, ...]]] = {
    "tissue with one focus": (_tissue, (10_000, 40_000, 100_000, 200_000)),
    "one winding focus": (_winding, (40_000,)),
    "stained throughout": (_brown, (40_000,)),
    "specks of pigment": (_specks, (40_000,)),
    "checkerboard of stain": (_checkerboard, (40_000,)),
}
"""Slides, each with its sides in pixels."""


def mosaic_of(name: str, side_px: int) -> Mosaic:
    """A slide of about this side, with a border of glass."""
    inner = CASES[name][0](max(24, round(side_px / TILE_PX / 1.1)))
    glass = np.full((1, TILE_PX, TILE_PX, 3), 243, np.uint8)
    border = max(1, round(0.05 * len(inner.places)))
    places = np.pad(inner.places, border, constant_values=len(inner.tiles))
    return Mosaic(np.concatenate([inner.tiles, glass]), places)


def run(
    names: Sequence[str], sides_px: Sequence[int], threads: int, progress: Callable[[int, int], None] | None = None
) -> list[ScaleRow]:
    """Draw and analyse slides, one after the other.

    Parameters
    ----------
    names : sequence of str
        Of `CASES`.
    sides_px : sequence of int
        Instead of each slide's own, where there are any.
    threads : int
    progress : callable, optional
        Called with (slides done, slides in all).
    """
    plan = [(name, side) for name in names for side in (sides_px or CASES[name][1])]
    rows = []
    for done, (name, side) in enumerate(plan, start=1):
        rows.append(_row(name, side, threads))
        if progress is not None:
            progress(done, len(plan))
    return rows


def _row(name: str, side_px: int, threads: int) -> ScaleRow:
    """One slide."""
    with TemporaryDirectory(prefix="micromet-scale-") as folder:
        path = Path(folder) / "slide.tif"
        mosaic = mosaic_of(name, side_px)
        write_mosaic(path, mosaic)
        answer = try_job(Job("command", str(path), threads), LIMIT_S)
    side = mosaic.places.shape[0] * TILE_PX
    if isinstance(answer, Missing):
        return ScaleRow(name, side, None, None, None, answer.because)
    return ScaleRow(name, side, answer.wall_s, answer.cpu_s, _mib(answer), _answer(answer))


def _mib(sample: Sample) -> float | None:
    return None if sample.peak_bytes is None else sample.peak_bytes / _MIB


def _answer(sample: Sample) -> str:
    """What was found."""
    n = sample.facts["clusters"]["n"]
    return f"{n:,} cluster{'' if n == 1 else 's'}"


def _lines(rows: Sequence[ScaleRow]) -> Iterator[list[str]]:
    """Rows as text."""
    for row in rows:
        numbers = (row.wall_s, row.cpu_s, row.peak_mib)
        wall, cpu, peak = ("" if number is None else f"{number:.0f}" for number in numbers)
        yield [row.slide, f"{row.side_px:,}", wall, cpu, peak, row.answer]


def plain(rows: Sequence[ScaleRow]) -> str:
    """The table as lines."""
    return aligned([_HEADER, *_lines(rows)])


def markdown(rows: Sequence[ScaleRow]) -> str:
    """The table for a README."""
    return markdown_table(_HEADER, _lines(rows))


def to_json(rows: Sequence[ScaleRow]) -> dict[str, Any]:
    """The table for machines."""
    return {"schema": "micromet-bench-scale/1", "slides": [asdict(row) for row in rows]}
