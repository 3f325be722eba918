"""Focus of the whole slide, from a sample of places: little is decoded, and more where it looks blurred."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import Region, TileGrid
from micromet_path.pipeline.glass import Glass
from micromet_path.pixels.focus import FocusParams, edge_width
from micromet_path.pixels.focus_map import (
    Focus,
    Places,
    draw_places,
    focus_map,
    grid_of_places,
    number_of_places,
    tissue_share,
)
from micromet_path.pixels.stain import WhitePoint
from micromet_path.slides.base import Slide
from micromet_path.threads import in_threads

__all__ = ["blurred_regions", "measure_focus"]

_MOST_FURTHER = 0.5  # further places, as a share of those drawn at first


def measure_focus(slide: Slide, glass: Glass, params: FocusParams, workers: int = 1, seed: int = 0) -> Focus:
    """How much of a slide's tissue is in focus, and where.

    Parameters
    ----------
    slide : Slide
    glass : Glass
        Tells the light, and where there is tissue that can be asked.
    params : FocusParams
    workers : int
        Threads.
    seed : int
        Of the sample: the same seed looks at the same places.

    Notes
    -----
    The tissue is divided into parts of equal area and one place in each is drawn. Where it is blurred, or shows
    too little to tell, further places of the same part are looked at: a slide is lost by a share of two in a
    hundred, and one place of mucus must not be that. What cannot be decoded tells nothing here; it is missing
    from the share of the tissue that was read.
    """
    spacing = slide.info.spacing
    grid = grid_of_places(slide.tiles, spacing)
    tissue = tissue_share(glass.overview, glass.plain_tissue, grid)
    rng = np.random.default_rng(seed)
    place_mm2 = grid.tile_width * grid.tile_height * spacing.pixel_area_um2 / 1e6
    parts = draw_places(tissue, number_of_places(float(tissue.sum()) * place_mm2, params), rng)
    look = _Look(slide, grid, glass.model.white, params, workers)
    places = np.array([part[0] for part in parts], np.int64).reshape(-1, 2)
    blur_um = look(places)
    doubtful = np.flatnonzero(~(blur_um <= params.largest_blur_um))
    further = _further(parts, rng.permutation(doubtful).tolist(), params)
    places = np.concatenate([places, further])
    return focus_map(places, np.concatenate([blur_um, look(further)]), tissue, grid, spacing, params)


def blurred_regions(focus: Focus) -> tuple[Region, ...]:
    """Where tissue is out of focus: cells of the map side by side as one region each."""
    is_blurred = (focus.tissue > 0) & (focus.blur_um > focus.largest_blur_um)
    regions = []
    for row, line in enumerate(np.pad(is_blurred, ((0, 0), (1, 1)))):
        begins, ends = (np.flatnonzero(np.diff(line.astype(np.int8)) == step) for step in (1, -1))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            first, last = focus.grid[row, begin], focus.grid[row, end - 1]
            regions.append(Region(first.x0, first.y0, last.x1, last.y1))
    return tuple(regions)


def _further(parts: Sequence[Places], doubtful: Sequence[int], params: FocusParams) -> Places:
    """Places in reserve of the doubtful parts, as far as the effort allows: a blurred slide needs no second look."""
    reserve = [parts[index][1 : 1 + params.second_look] for index in doubtful]
    limit = int(_MOST_FURTHER * len(parts))
    return np.concatenate([np.empty((0, 2), np.int64), *reserve])[:limit]


class _Look:
    """Measures places, in threads."""

    def __init__(self, slide: Slide, grid: TileGrid, white: WhitePoint, params: FocusParams, workers: int) -> None:
        self._slide = slide
        self._grid = grid
        self._white = white
        self._params = params
        self._workers = workers

    def __call__(self, places: Places) -> NDArray[np.float64]:
        """Width of the edges at each place in um, as `edge_width` gives it."""
        blur_um = np.full(len(places), nan)
        for index, width_um in in_threads(self._one, enumerate(places.tolist()), self._workers):
            blur_um[index] = width_um
        return blur_um

    def _one(self, job: tuple[int, list[int]]) -> tuple[int, float]:
        """One place, with its number: threads end in any order."""
        index, (row, column) = job
        try:
            rgb = self._slide.read(self._grid[row, column]).rgb
        except UnreadableSlideError:
            return index, nan
        return index, edge_width(rgb, self._slide.info.spacing, self._white, self._params)
