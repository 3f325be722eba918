"""Where a slide is asked about its colours: small windows of level 0, anywhere on tissue and where it is brownest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import Region
from micromet_path.pixels.dyes import DyeParams, WindowDyes
from micromet_path.pixels.planes import plane_of
from micromet_path.pixels.registration import IN_REGISTER, Register, agreed_register, register_of
from micromet_path.pixels.stain import StainModel, dye_tables
from micromet_path.pixels.tissue import Overview
from micromet_path.slides.base import Slide
from micromet_path.threads import in_threads

__all__ = ["measure_windows"]

_SIDE_UM = 64.0
_ANYWHERE = 24
_BROWNEST = 40
_AT_ONCE = 1 << 20
_SEED = 20260601  # the same windows whenever the same slide is read


def measure_windows(
    slide: Slide,
    overview: Overview,
    tissue: NDArray[np.bool_],
    profile: StainModel,
    params: DyeParams,
    workers: int,
) -> tuple[Register, list[WindowDyes]]:
    """What windows of level 0 say of how the colours lie, and of the dyes; those that cannot be read are left out.

    Where the colours lie apart the windows are read once more and put in register, since fringes beside nuclei pass for
    chromogen; what is seen to be left, or too much, is added to what was found.

    Parameters
    ----------
    slide : Slide
    overview : Overview
    tissue : ndarray of shape (M, N), bool
    profile : StainModel
        Tells brown on the overview, and one dye from the other.
    params : DyeParams
    workers : int
        Threads.
    """
    around = [_around(overview, row, column) for row, column in _cells(overview, tissue, profile)]
    regions, asked = sorted(set(around)), frozenset(around[:_ANYWHERE])  # the others show more brown than nuclei

    # One thread reads what begins in a tile: two would decode it twice, or wait for each other.
    tiles = slide.tiles
    beside = defaultdict(list)
    for region in regions:
        beside[region.y0 // tiles.tile_height, region.x0 // tiles.tile_width].append(region)

    def read(together: Sequence[Region]) -> list[tuple[Region, NDArray[np.uint8]]]:
        found = []
        for region in together:
            with suppress(UnreadableSlideError):
                found.append((region, slide.read(region).rgb))
        return found

    def measured(register: Register) -> list[tuple[Register | None, WindowDyes]]:
        windows = []
        # Threads decode and no more: the many small steps of measuring would only wait for each other.
        for region, rgb in chain.from_iterable(in_threads(read, beside.values(), workers)):
            pixels = register.applied(rgb) if register.is_undone else rgb
            found = register_of(pixels, profile.white.rgb) if region in asked else None
            windows.append((found, WindowDyes.of(pixels, slide.info.spacing.pixel_area_um2, profile, params)))
        return windows

    windows = measured(IN_REGISTER)
    register = agreed_register([found for found, _ in windows])
    if register.is_undone:
        windows = measured(register)
        register = register.plus(agreed_register([found for found, _ in windows], least_px=0.0))
    return register, [dyes for _, dyes in windows]


def _cells(overview: Overview, tissue: NDArray[np.bool_], profile: StainModel) -> Iterator[tuple[int, int]]:
    """Cells of the overview in the middle of each window."""
    places = np.flatnonzero(tissue & overview.read)
    if not len(places):
        return
    width = overview.shape[1]
    drawn = np.random.default_rng(_SEED).choice(places, min(_ANYWHERE, len(places)), replace=False)
    yield from ((int(place) // width, int(place) % width) for place in drawn)
    places, amount = _brownest(overview.rgb.reshape(-1, 3), places, profile, 200 * _BROWNEST)
    apart = max(1, ceil(_SIDE_UM / (overview.cell_px0[0] * overview.spacing.x_um)))
    taken: set[tuple[int, int]] = set()
    order = np.argsort(-amount, kind="stable")
    for place in places[order].tolist():
        row, column = place // width, place % width
        square = (row // apart, column // apart)
        if square not in taken:
            taken.add(square)
            yield row, column
        if len(taken) == _BROWNEST:
            return


def _brownest(
    rgb: NDArray[np.uint8], places: NDArray[np.intp], profile: StainModel, enough: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Those of the places with most chromogen beyond haematoxylin, and how much: blue over brown blurs its colour."""
    haematoxylin, chromogen = dye_tables(profile)[:2].astype(np.float32)
    kept, amounts = places[:0], np.empty(0, np.float32)
    for first in range(0, len(places), _AT_ONCE):  # a large slide has tens of millions
        part = places[first : first + _AT_ONCE]
        pixels = rgb.take(part, axis=0)[None]  # five times as fast as an index
        amount = plane_of(pixels, chromogen) - np.maximum(plane_of(pixels, haematoxylin), 0)
        kept, amounts = np.append(kept, part), np.append(amounts, amount)
        if len(amounts) > enough:
            brown = amounts >= np.partition(amounts, -enough)[-enough]
            kept, amounts = kept[brown], amounts[brown]
    return kept, amounts


def _around(overview: Overview, row: int, column: int) -> Region:
    """A window around the middle of a cell, inside the slide."""
    x, y = overview.cell_px0
    half_x, half_y = (max(1, round(_SIDE_UM / 2 / um)) for um in (overview.spacing.x_um, overview.spacing.y_um))
    middle_x, middle_y = int((column + 0.5) * x), int((row + 0.5) * y)
    return Region(
        max(0, middle_x - half_x),
        max(0, middle_y - half_y),
        min(overview.width_px0, middle_x + half_x),
        min(overview.height_px0, middle_y + half_y),
    )
