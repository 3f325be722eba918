"""Writing a sample: two threads draw and compress strips, one writes them in order."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.expected import size_category
from micromet_path.apps.samples.kernels import box_reduced
from micromet_path.apps.samples.layout import Layout, lay_out
from micromet_path.apps.samples.render import Painter, painter
from micromet_path.apps.samples.spec import SamplePaths, SampleSpec
from micromet_path.apps.samples.svs import REDUCTION, PyramidLevel, encoded, pyramid_of, write_svs
from micromet_path.apps.samples.tissue import tissue_of
from micromet_path.apps.samples.truth import truth_of
from micromet_path.errors import ConfigError
from micromet_path.geometry import Region

__all__ = ["layout_of", "write"]

Progress = Callable[[int, int], None]

THREADS = 2
STRIP_PX = 4096
"""Width of one piece of work, about: large enough to amortise its margins."""
AHEAD = 4
"""Strips in work or waiting to be written."""

# What the name of a profile promises, and the side in microns from which it can be kept.
PROMISES = {"itc": ("itc", 300), "micro": ("micrometastasis", 800), "macro": ("macrometastasis", 2700)}


@dataclass(frozen=True, slots=True)
class _Strip:
    """Compressed tiles side by side, and their pixels for the level below."""

    region: Region
    tiles: list[bytes]
    quarter: NDArray[np.uint8]


def layout_of(spec: SampleSpec) -> Layout:
    """What lies where on the slide of a specification."""
    return lay_out(spec, tissue_of(spec))


def write(folder: Path, spec: SampleSpec, progress: Progress | None) -> SamplePaths:
    """Write slide and truth under temporary names, then rename both."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, expected a folder for the sample; pass another one")
    layout = layout_of(spec)
    truth = truth_of(layout)
    _check_promise(spec, size_category(truth["expected"]["max_diameter_um"]))
    folder.mkdir(parents=True, exist_ok=True)
    paths = SamplePaths(folder / f"{spec.stem}.svs", folder / f"{spec.stem}.truth.json")
    parts = [path.with_name(f".{path.name}.part") for path in (paths.slide, paths.truth)]
    try:
        with ExitStack() as stack:
            levels = pyramid_of(spec, folder, stack)
            write_svs(parts[0], spec, _level_0(painter(layout), levels[0], progress), levels)
        parts[1].write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
        for part, path in zip(parts, (paths.slide, paths.truth), strict=True):
            os.replace(part, path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return paths


def _check_promise(spec: SampleSpec, category: str) -> None:
    """Refuse a slide that is too small for what its profile is named after."""
    promised, least_um = PROMISES.get(spec.profile, (category, 0))  # whether or not the look lets it be seen
    if category != promised:
        raise ConfigError(
            f"profile {spec.profile!r} found no room for its foci on a slide of {spec.side_um:g} um a side "
            f"(the result would be {category}), expected about {least_um} um or more; pass a larger --side"
        )


def _level_0(paint: Painter, below: PyramidLevel, progress: Progress | None) -> Iterator[bytes]:
    """Tiles of level 0 in the order of the file; fills the level below on the way."""
    regions = list(_strips(paint.layout.spec))
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = iter(regions)
        running: deque[Future[_Strip]] = deque(pool.submit(_drawn, paint, region) for region in islice(waiting, AHEAD))
        done = 0
        while running:
            strip = running.popleft().result()
            running.extend(pool.submit(_drawn, paint, region) for region in islice(waiting, 1))
            below.put(strip.region.x0 // REDUCTION, strip.quarter)
            if strip.region.x1 >= paint.layout.spec.side_px:
                below.advance(len(strip.quarter))
            done += 1
            if progress is not None:
                progress(done, len(regions))
            yield from strip.tiles  # last: who has the last tile does not come back


def _strips(spec: SampleSpec) -> Iterator[Region]:
    """Regions one tile high and some tiles wide, row by row; the last ones reach over the slide's edge."""
    tile = spec.tile_px
    columns = -(-spec.side_px // tile)
    wide = max(1, STRIP_PX // tile)
    for y0 in range(0, spec.side_px, tile):
        for first in range(0, columns, wide):
            yield Region(first * tile, y0, min(first + wide, columns) * tile, y0 + tile)


def _drawn(paint: Painter, region: Region) -> _Strip:
    """Draw, reduce and compress one strip."""
    tiles = paint.strip(region)
    quarter = np.empty((region.height // REDUCTION, region.width // REDUCTION, 3), np.uint8)
    box_reduced(tiles, quarter)
    return _Strip(region, [encoded(tile, paint.layout.spec.quality) for tile in tiles], quarter)
