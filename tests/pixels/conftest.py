"""Pictures with known stain, cut into blocks in every way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from micromet_path.geometry import Region, TileGrid
from micromet_path.model import BlockScan, Runs
from micromet_path.pixels.scan import scan_block
from micromet_path.pixels.stain import StainModel, StainParams, StainTables, WhitePoint, make_tables

Mask = NDArray[np.bool_]

PARAMS = StainParams()
WHITE = WhitePoint((245.0, 244.0, 246.0), "slide")
MODEL = StainModel.from_dyes(WHITE, PARAMS.haematoxylin, PARAMS.chromogen, "fixed")


@dataclass(frozen=True)
class Picture:
    """Colours, and which pixels reach the lower, the configured, the higher and the strong threshold."""

    rgb: NDArray[np.uint8]
    low: Mask
    mid: Mask
    high: Mask
    strong: Mask

    def scan(self, region: Region, tables: StainTables, rows_a_band: int = 1000) -> list[BlockScan]:
        """The parts of a block, none where it shows no stain."""
        rgb = self.rgb[region.y0 : region.y1, region.x0 : region.x1]
        firsts = range(0, region.height, rows_a_band)
        bands = [(first, np.ascontiguousarray(rgb[first : first + rows_a_band])) for first in firsts]
        return list(scan_block(bands, region, tables))

    @property
    def region(self) -> Region:
        return Region(0, 0, self.rgb.shape[1], self.rgb.shape[0])


def colour_of(*amounts_od: float) -> NDArray[np.uint8]:
    """RGB of amounts of haematoxylin, chromogen and residual."""
    density = np.asarray(amounts_od) @ np.asarray(MODEL.vectors)[: len(amounts_od)]
    return np.clip(np.rint(np.asarray(WHITE.rgb) * 10**-density), 0, 255).astype(np.uint8)


def draw(seed: int, longest: int = 150) -> Picture:
    """Specks and blobs of every size at four nested thresholds, often touching the border."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.random(rng.integers(1, longest, size=2)), sigma=rng.choice([0, 0.7, 2]))
    low, mid, high, strong = (field >= q for q in np.quantile(field, np.sort(rng.uniform(0.3, 0.99, 4))))
    rgb = np.empty((*field.shape, 3), np.uint8)
    rgb[...] = colour_of(0.1, 0.0)
    for mask, dab_od in ((low, 0.18), (mid, 0.225), (high, 0.30), (strong, 0.6)):
        rgb[mask] = colour_of(0.05, dab_od)
    rgb[strong & (rng.random(field.shape) < 0.5)] = colour_of(0.3, 0.8)
    return Picture(rgb, low, mid, high, strong)


@pytest.fixture(scope="session")
def tables() -> StainTables:
    return make_tables(MODEL, PARAMS)


@pytest.fixture(scope="session")
def colour() -> Callable[..., NDArray[np.uint8]]:
    return colour_of


@pytest.fixture(scope="session")
def model() -> StainModel:
    return MODEL


@pytest.fixture(scope="session")
def picture() -> Callable[..., Picture]:
    return draw


def runs_of_labels(labels: NDArray[np.int_]) -> Runs:
    """Runs of labels 1..n as fragments 0..n-1."""
    change = np.diff(np.pad(labels, ((0, 0), (1, 1))), axis=1) != 0
    row, start = np.nonzero(change & (np.pad(labels, ((0, 0), (0, 1))) > 0))
    stop = np.nonzero(change & (np.pad(labels, ((0, 0), (1, 0))) > 0))[1]
    fragment = labels[row, start] - 1
    order = np.lexsort((start, row, fragment))
    columns = (row, start, stop, fragment)
    return Runs(*(np.ascontiguousarray(column[order], np.int32) for column in columns))


@pytest.fixture(scope="session")
def runs_of() -> Callable[[NDArray[np.int_]], Runs]:
    return runs_of_labels


def cut_up(region: Region, tile_px: int | str, rng: np.random.Generator) -> list[Region]:
    """Blocks that cover a region once, shuffled: a grid, or halves of halves at random places."""
    if tile_px == "uneven":
        blocks = _halved(region, rng)
    elif tile_px == "whole":
        blocks = [region]
    else:
        assert isinstance(tile_px, int)
        blocks = list(TileGrid(region.width, region.height, tile_px, tile_px))
    rng.shuffle(blocks)  # type: ignore[arg-type]
    return blocks


def _halved(region: Region, rng: np.random.Generator) -> list[Region]:
    if max(region.width, region.height) < 3 or rng.random() < 0.1:
        return [region]
    x, y = int(rng.integers(region.x0, region.x1 + 1)), int(rng.integers(region.y0, region.y1 + 1))
    if region.width > region.height:
        parts = [Region(region.x0, region.y0, x, region.y1), Region(x, region.y0, region.x1, region.y1)]
    else:
        parts = [Region(region.x0, region.y0, region.x1, y), Region(region.x0, y, region.x1, region.y1)]
    return [block for part in parts if not part.is_empty for block in _halved(part, rng)] or [region]


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[Region, int | str, np.random.Generator], list[Region]]:
    return cut_up
