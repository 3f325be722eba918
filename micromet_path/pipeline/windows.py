"""Candidates of the second look, and the windows of level 0 in which they are seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import LookParams
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Runs
from micromet_path.pipeline.glass import Glass
from micromet_path.pipeline.linking import Linked
from micromet_path.pixels.evidence import View
from micromet_path.pixels.groups import Groups
from micromet_path.pixels.hue import SlideHue
from micromet_path.pixels.nuclei import MARGIN_UM
from micromet_path.pixels.planes import chromogen_of
from micromet_path.pixels.registration import StainLeft, stain_left
from micromet_path.pixels.shape import held_in_boxes, painted
from micromet_path.slides.base import Slide

__all__ = ["Candidate", "Window", "WindowReader", "largest_candidates"]

_TELLING_UM2 = 500.0  # of stain in a window: as much as haze must be, or less could speak against it


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group of fragments that is looked at again.

    Parameters
    ----------
    group : int
        Its number.
    members : ndarray of shape (K,), int64
        The fragments, in their order.
    runs : Runs
        Theirs, in which they are numbered from 0 on.
    bbox_px0 : (int, int, int, int)
        Half-open box of all of them.
    is_at_margin : bool
        Whether one lies on the border of the tissue.
    elongation : float
        As of `Groups`.
    """

    group: int
    members: NDArray[np.int64]
    runs: Runs
    bbox_px0: tuple[int, int, int, int]
    is_at_margin: bool
    elongation: float

    @property
    def area_px(self) -> int:
        """Stained pixels."""
        return int((self.runs.stop - self.runs.start).sum())


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a candidate at level 0.

    Parameters
    ----------
    view : View
        What is seen there, with as much around it as nuclei and rims need.
    core : (slice, slice)
        Rows and columns of it that count.
    px : int
        Stained pixels of level 0 in them.
    stain : StainLeft or None
        Stain of each member as it was found and as it is in register, where the colours of a scan lie apart.
    """

    view: View
    core: tuple[slice, slice]
    px: int
    stain: StainLeft | None = None


@dataclass(frozen=True, slots=True)
class WindowReader:
    """Reads the windows of candidates; called from several threads, which decoders leave free.

    Parameters
    ----------
    slide : Slide
    look : LookParams
    hue : SlideHue
        The chromogen of the slide.
    glass : Glass
        Tells the dyes, and how the colours lie.
    """

    slide: Slide
    look: LookParams
    hue: SlideHue
    glass: Glass

    def __call__(self, candidate: Candidate) -> list[Window]:
        """The windows that show some of a candidate; none where they cannot be read."""
        return self.at(candidate, _first_and_further(candidate, self.slide.info.spacing, self.look)[0])

    def further(self, candidate: Candidate) -> list[Region]:
        """Where else to look at a candidate that is larger than what was seen of it."""
        return _first_and_further(candidate, self.slide.info.spacing, self.look)[1]

    def at(self, candidate: Candidate, cores: Sequence[Region]) -> list[Window]:
        """The windows in some places; none where they cannot be read."""
        try:
            return list(self._windows(candidate, cores))
        except UnreadableSlideError:
            return []

    def _windows(self, candidate: Candidate, cores: Sequence[Region]) -> Iterator[Window]:
        native, steps = self.slide.info.spacing, self._steps
        spacing = native.downsampled(*steps)
        margin = (ceil(MARGIN_UM / native.x_um), ceil(MARGIN_UM / native.y_um))
        for core in cores:
            region = _grown(core, margin, steps, self.slide.info.region)
            stained_px0 = painted(candidate.runs.row, candidate.runs.start, candidate.runs.stop, region)
            inside_px = int(np.count_nonzero(stained_px0[_slices(core, region)]))
            stained = _reduced(stained_px0, steps)
            if inside_px and stained.any():
                rgb, stain = self.slide.read(region, spacing).rgb, None
                if self.glass.register.is_undone:
                    rgb, stained, stain = self._in_register(rgb, stained, candidate, region)
                view = View(rgb, stained, spacing, self.hue, candidate.is_at_margin, candidate.elongation)
                yield Window(view, _scaled_slices(core, region, steps), inside_px, stain)

    def _in_register(
        self, rgb: NDArray[np.uint8], stained: NDArray[np.bool_], candidate: Candidate, region: Region
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_], StainLeft]:
        """A window with its colours in register, what is stained of it then, and the stain of each member before."""
        steps, least_od = self._steps, self.glass.stain_params.threshold_low_od
        moved = self.glass.register.in_steps(steps).applied(rgb)
        planes = chromogen_of(rgb, self.glass.model), chromogen_of(moved, self.glass.model)
        n, corner = len(candidate.members), (region.x0, region.y0)
        stain = stain_left(candidate.runs, n, corner, steps, planes, least_od)
        left = stained & (planes[1] >= least_od)
        return moved, left if left.any() else stained, stain

    @property
    def _steps(self) -> tuple[int, int]:
        """Pixels of level 0 along x and y that make one of a window."""
        return self.slide.info.spacing.steps_to(self.look.spacing_um)


def largest_candidates(groups: Groups, linked: Linked, look: LookParams) -> Iterator[Candidate]:
    """The largest groups, each with its runs, by falling area."""
    fragments, runs = linked.fragments, linked.gathered.runs
    order = np.argsort(groups.of_fragment, kind="stable")
    begins = np.searchsorted(groups.of_fragment[order], np.arange(len(groups) + 1))
    first_run = np.searchsorted(runs.fragment, np.arange(len(fragments) + 1))
    elongation = groups.elongation
    for group in np.argsort(-groups.area_px, kind="stable")[: look.most_candidates].tolist():
        members = np.sort(order[begins[group] : begins[group + 1]])
        rows = np.concatenate([np.arange(first_run[one], first_run[one + 1]) for one in members.tolist()])
        box = fragments.bbox_px0[members]
        x0, y0 = box[:, :2].min(axis=0).tolist()
        x1, y1 = box[:, 2:].max(axis=0).tolist()
        yield Candidate(
            group,
            members,
            Runs(
                runs.row[rows],
                runs.start[rows],
                runs.stop[rows],
                np.searchsorted(members, runs.fragment[rows]).astype(np.int32),
            ),
            (x0, y0, x1, y1),
            bool(fragments.tissue_edge[members].any()),
            float(elongation[group]),
        )


def _first_and_further(
    candidate: Candidate, native: PixelSpacing, look: LookParams
) -> tuple[list[Region], list[Region]]:
    """Windows of those that tile the candidate's box: first where much of its stain is, then wherever is enough."""
    x0, y0, x1, y1 = candidate.bbox_px0
    columns = max(1, ceil((x1 - x0) * native.x_um / look.window_um))
    rows = max(1, ceil((y1 - y0) * native.y_um / look.window_um))
    xs, ys = np.linspace(x0, x1, columns + 1).astype(int), np.linspace(y0, y1, rows + 1).astype(int)
    band = np.clip(np.searchsorted(ys, candidate.runs.row, side="right") - 1, 0, rows - 1)
    held = np.zeros((rows, columns), np.int64)
    for column in range(columns):  # a run may reach through several windows
        inside = np.minimum(candidate.runs.stop, xs[column + 1]) - np.maximum(candidate.runs.start, xs[column])
        held[:, column] = np.bincount(band, np.maximum(inside, 0), minlength=rows)
    first = _spread(np.flatnonzero(held.ravel() >= 0.3 * held.max()), look.most_windows)
    tells = held.ravel() * native.pixel_area_um2 >= _TELLING_UM2
    tells[first] = False
    further = _spread(np.flatnonzero(tells), look.most_confirming)

    def region(one: int) -> Region:
        row, column = divmod(one, columns)
        return Region(int(xs[column]), int(ys[row]), int(xs[column + 1]), int(ys[row + 1]))

    return [region(one) for one in first], [region(one) for one in further]


def _spread(places: NDArray[np.intp], most: int) -> list[int]:
    """So many of them at most, evenly thinned."""
    picks = np.unique(np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int))
    return [int(place) for place in places[picks]]


def _grown(core: Region, margin: tuple[int, int], steps: tuple[int, int], bounds: Region) -> Region:
    """A core with a margin as far as the slide goes, in whole pixels of a window."""
    region = Region(core.x0 - margin[0], core.y0 - margin[1], core.x1 + margin[0], core.y1 + margin[1])
    region = region.intersection(bounds)
    width, height = (max(step, size // step * step) for step, size in zip(steps, region.shape[::-1], strict=True))
    return Region(region.x0, region.y0, region.x0 + width, region.y0 + height).intersection(bounds)


def _reduced(mask: NDArray[np.bool_], steps: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask in pixels of a window: those of which half or more is stained."""
    across, down = steps
    rows, columns = max(1, mask.shape[0] // down), max(1, mask.shape[1] // across)
    return np.asarray(2 * held_in_boxes(mask[: rows * down, : columns * across], down, across) >= down * across)


def _slices(core: Region, region: Region) -> tuple[slice, slice]:
    """A core within the region that was read."""
    return slice(core.y0 - region.y0, core.y1 - region.y0), slice(core.x0 - region.x0, core.x1 - region.x0)


def _scaled_slices(core: Region, region: Region, steps: tuple[int, int]) -> tuple[slice, slice]:
    """The same in pixels of a window."""
    rows, columns = (
        slice(part.start // step, -(-part.stop // step))
        for part, step in zip(_slices(core, region), steps[::-1], strict=True)
    )
    return rows, columns
