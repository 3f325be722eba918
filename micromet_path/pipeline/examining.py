"""The second look: candidates are read again at level 0, their nuclei counted, their evidence weighed.

Candidates are the fragments that lie within a fixed gap of each other, whatever gap a result is cut at, so that
a recut needs no pixel: what is learnt of a candidate is shared out to its fragments, and any cluster
is a sum of fragments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.policy import DECIDING_STRENGTH
from micromet_path.config import Config, LookParams
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Fragments, Runs, Tree
from micromet_path.pipeline.glass import Glass
from micromet_path.pipeline.linking import Linked
from micromet_path.pixels.anucleate import (
    ANUCLEATE_FLAGS,
    Bareness,
    anucleate_flags,
    in_numbers,
    may_be_bare,
    with_faint_stain,
)
from micromet_path.pixels.evidence import SMALLEST_CELL_UM2, Evidence, View
from micromet_path.pixels.examine import FLAGS, flags_of
from micromet_path.pixels.examine_params import ExamineParams, ramps
from micromet_path.pixels.hue import OWN_HUE, SlideHue, slide_hue
from micromet_path.pixels.link import cut
from micromet_path.pixels.nuclei import (
    MARGIN_UM,
    NO_NUCLEI,
    CellCount,
    NucleiParams,
    NucleiTally,
    NucleiView,
    cells_of,
    exact_cells,
    tally_nuclei,
    view_of,
)
from micromet_path.pixels.planes import chromogen_of
from micromet_path.pixels.registration import StainLeft, stain_left
from micromet_path.pixels.shape import held_in_boxes, painted
from micromet_path.pixels.stain import StainModel
from micromet_path.slides.base import Slide
from micromet_path.threads import in_threads

__all__ = ["examine_candidates"]

_GAP_UM = 7.0  # one small lymphocyte, whatever gap a result is cut at
_WIDE_PX = 80_000  # of windows together, from which on numpy works longer than it takes to be called
_CELLLESS = ("edge_haze", "red_cell_like")
_TELLING_UM2 = 500.0  # of stain in a window: as much as haze must be, or less could speak against it
_WITH_OWN_CHROMOGEN = ("estimated", "estimated: chromogen")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Fragments within the gap of each other, with their runs, in which they are numbered from 0 on."""

    members: NDArray[np.int64]
    runs: Runs
    bbox_px0: tuple[int, int, int, int]
    is_at_margin: bool

    @property
    def area_px(self) -> int:
        """Stained pixels."""
        return int((self.runs.stop - self.runs.start).sum())


@dataclass(frozen=True, slots=True)
class _Window:
    """A part of a candidate at level 0: what is seen there, the part of it that counts, its pixels in level 0.

    Where the colours of a scan lie apart, also the stain of each member as it was found and as it is in register.
    """

    view: View
    core: tuple[slice, slice]
    px: int
    stain: StainLeft | None = None


@dataclass(frozen=True, slots=True)
class _Context:
    """What lies around a candidate: a window in the middle of a large one shows nothing of it.

    Where most of the tissue is nuclei: their share, and that next to the candidate over it; share of bare glass in what
    lies next to it. As where there is nothing, where nothing asked for them.
    """

    nuclear_share: float = 0.0
    nuclei_beside: float = 1.0
    glass_share: float = 0.0

    def and_of(self, nuclear_share: float, nuclei_beside: float, glass_share: float) -> _Context:
        """With what further windows show."""
        nuclei = max((nuclear_share, nuclei_beside), (self.nuclear_share, self.nuclei_beside))
        return _Context(*nuclei, max(self.glass_share, glass_share))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was learnt of a candidate, and the share of its stain in which that was seen."""

    cells: CellCount
    flags: dict[str, float]
    share: float
    fringes: NDArray[np.float64] | None
    context: _Context

    def most_of(self, names: Sequence[str]) -> float:
        """The strongest of some flags."""
        return max((self.flags.get(name, 0.0) for name in names), default=0.0)

    def limited(self, names: Sequence[str], most: float) -> dict[str, float]:
        """The flags with no more than so much of some."""
        return {name: min(strength, most) if name in names else strength for name, strength in self.flags.items()}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the windows of candidates; called from several threads, which decoders leave free."""

    slide: Slide
    look: LookParams
    hue: SlideHue
    glass: Glass

    def __call__(self, candidate: _Candidate) -> list[_Window]:
        """The windows that show some of a candidate; none where they cannot be read."""
        return self.at(candidate, _first_and_further(candidate, self.slide.info.spacing, self.look)[0])

    def further(self, candidate: _Candidate) -> list[Region]:
        """Where else to look at a candidate that is larger than what was seen of it."""
        return _first_and_further(candidate, self.slide.info.spacing, self.look)[1]

    def at(self, candidate: _Candidate, cores: Sequence[Region]) -> list[_Window]:
        """The windows in some places; none where they cannot be read."""
        try:
            return list(self._windows(candidate, cores))
        except UnreadableSlideError:
            return []

    def _windows(self, candidate: _Candidate, cores: Sequence[Region]) -> Iterator[_Window]:
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
                view = View(rgb, stained, spacing, self.hue, candidate.is_at_margin)
                yield _Window(view, _scaled_slices(core, region, steps), inside_px, stain)

    def _in_register(
        self, rgb: NDArray[np.uint8], stained: NDArray[np.bool_], candidate: _Candidate, region: Region
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
        native = self.slide.info.spacing
        x, y = (max(1, int(self.look.spacing_um / um + 0.01)) for um in (native.x_um, native.y_um))
        return x, y


@dataclass(frozen=True, slots=True)
class _Judge:
    """Counts nuclei and weighs the evidence of a candidate."""

    model: StainModel
    nuclei: NucleiParams
    examine: ExamineParams
    strength_od: float
    pixel_um2: float

    def __call__(self, candidate: _Candidate, windows: Sequence[_Window], context: _Context = _Context()) -> _Seen:
        """What the windows of a candidate, of which there is at least one, show together.

        What lies around it is what they show of that or, where it is more, what others have shown.
        """
        views = [view_of(one.view.rgb, self.model, one.view.spacing, self.nuclei) for one in windows]
        tallies = [
            tally_nuclei(view, window.view.stained, self.nuclei, window.core)
            for view, window in zip(views, windows, strict=True)
        ]
        found = [Evidence(window.view, self.model, self.examine) for window in windows]
        tally, seen_px = sum(tallies, NO_NUCLEI), sum(window.px for window in windows)
        weights = [window.px / seen_px for window in windows]
        share = seen_px / candidate.area_px

        def mean(measure: Callable[[Evidence], float]) -> float:
            return sum(weight * measure(one) for weight, one in zip(weights, found, strict=True))

        each = [flags_of(one, self.examine) for one in found]
        flags = {name: sum(weight * one[name] for weight, one in zip(weights, each, strict=True)) for name in FLAGS}
        filled_um2 = max(tally.shown_um2 + tally.hidden_um2, seen_px * self.pixel_um2)
        bare_share = 1 - tally.shown_um2 / filled_um2
        has_nucleus = any(map(self._has_nucleus, tallies, views, found))
        if may_be_bare(has_nucleus, bare_share, self.examine):
            context = context.and_of(
                mean(lambda one: one.beside.nuclear_share_around),
                mean(lambda one: one.beside.relation),
                mean(lambda one: one.around.glass_share),
            )
            bare = Bareness(
                area_um2=filled_um2 / share,
                has_nucleus=has_nucleus,
                bare_share=bare_share,
                rim_um=mean(lambda one: one.rim_width_um),
                nuclear_share_around=context.nuclear_share,
                nuclei_beside=context.nuclei_beside,
                high_od=mean(lambda one: one.chromogen_high_od),
                darkest_od=max(one.darkest_cell_od for one in found),
                strength_od=self.strength_od,
                is_at_border=candidate.is_at_margin,
                glass_share=context.glass_share,
                deep_share=mean(lambda one: min(1.0, one.around.deep_area_um2 / one.area_um2)),
            )
            for name, strength in anucleate_flags(bare, self.examine).items():
                flags[name] = max(flags.get(name, 0.0), strength)
        cells = _extrapolated(cells_of(tally, self.nuclei), share)
        return _Seen(cells, flags, share, self._fringes(windows), context)

    def _fringes(self, windows: Sequence[_Window]) -> NDArray[np.float64] | None:
        """How sure each member is a fringe: its stain is gone in register, and what is left is smaller than a cell."""
        stains = [window.stain for window in windows if window.stain is not None]
        if not stains:
            return None
        stain = sum(stains[1:], stains[0])
        gone = ramps(stain.share_gone, self.examine.fringe_share)
        return np.minimum(gone, ramps(stain.left_px * self.pixel_um2, self.examine.fringe_left_um2))

    def _has_nucleus(self, tally: NucleiTally, view: NucleiView, found: Evidence) -> bool:
        """Whether anything in a window may be a nucleus; in a small piece the paler stain about it closes the ring."""
        if tally.possible or found.area_um2 >= self.examine.bare_piece_um2[0]:
            return tally.possible > 0
        wider = with_faint_stain(found.chromogen, found.view.stained, found.view.spacing)
        return tally_nuclei(view, wider, self.nuclei).possible > 0


def examine_candidates(slide: Slide, glass: Glass, linked: Linked, config: Config, workers: int) -> Fragments:
    """The fragments with what a second look at level 0 tells of each.

    Parameters
    ----------
    slide : Slide
    glass : Glass
        Tells the dyes, and how strong the chromogen is in the cores of what is stained.
    linked : Linked
    config : Config
    workers : int
        Threads.
    """
    model, fragments, runs = glass.model, linked.fragments, linked.gathered.runs
    # Vectors estimated from the slide are its hue. Where they are the profile's, its fragments may tell; a slide
    # that shows pigment alone must not make it the measure of chromogen.
    hue = OWN_HUE if model.source in _WITH_OWN_CHROMOGEN else slide_hue(fragments.sum_stain, fragments.od_scale)
    read = _Reader(slide, config.look, hue, glass)
    strength_od = config.examine.strength_of(glass.dyes.strength_od)
    judge = _Judge(model, config.nuclei, config.examine, strength_od, slide.info.spacing.pixel_area_um2)
    cells = np.stack([fragments.cells, fragments.cells_low, fragments.cells_high])
    flags = {name: np.zeros(len(fragments)) for name in (*FLAGS, *ANUCLEATE_FLAGS, "fringe", "mixed")}
    red_cells: list[tuple[NDArray[np.int64], float, float]] = []

    def weigh(candidate: _Candidate, windows: Sequence[_Window]) -> _Seen:
        seen = judge(candidate, windows)
        if seen.share >= 1.0:
            return seen

        def look_at(core: Region) -> _Seen | None:
            found = read.at(candidate, [core])
            return judge(candidate, found, seen.context) if found else None

        others = [partial(look_at, core) for core in read.further(candidate)]
        return _confirmed(seen, others, config.classify.not_counted_flags)

    def look(candidate: _Candidate) -> tuple[_Candidate, list[_Window] | _Seen]:
        windows = read(candidate)
        return candidate, weigh(candidate, windows) if _is_wide(candidate, windows) else windows

    # Threads read ahead and judge what is large; the many small steps that a small candidate takes would only wait
    # for each other in several of them.
    for candidate, found in in_threads(look, _candidates(fragments, linked.tree, runs, config.look), workers):
        if not found:
            continue
        seen = found if isinstance(found, _Seen) else weigh(candidate, found)
        members = candidate.members
        area = fragments.area_px[members]
        share = area / area.sum()
        whole = np.array([[seen.cells.value], [seen.cells.low], [seen.cells.high]])
        cells[:, members] = exact_cells(whole * share)
        for name, strength in seen.flags.items():
            flags[name][members] = strength
        if seen.fringes is not None:
            flags["fringe"][members] = seen.fringes
        if (faint := seen.flags.get("red_cell_like", 0.0)) > 0:
            area_um2 = int(area.sum()) * judge.pixel_um2
            strong_um2 = int(fragments.strong_px[members].sum()) * judge.pixel_um2
            is_dark_unseen = min(strong_um2, area_um2 * (1 - seen.share)) > SMALLEST_CELL_UM2
            red_cells.append((members, 0.0 if is_dark_unseen else faint, area_um2))
    if red_cells:
        strengths, areas_um2 = np.array([facts for _, *facts in red_cells]).T
        for (members, *_), strength in zip(red_cells, in_numbers(strengths, areas_um2, config.examine), strict=True):
            flags["red_cell_like"][members] = strength
    return replace(fragments, cells=cells[0], cells_low=cells[1], cells_high=cells[2], flags=flags)


def _confirmed(seen: _Seen, others: Sequence[Callable[[], _Seen | None]], uncounting: Sequence[str]) -> _Seen:
    """What would not count for what was seen of it, as far as further windows do not show something else.

    What is told by its lack of cells is denied by one window that shows some: a nest may lie at its end. Ink and
    pigment vary along their length, and are denied by half of the windows.

    Parameters
    ----------
    seen : _Seen
    others : sequence of callable
        Each looks at one further window; None where it cannot be read.
    uncounting : sequence of str
        Flags that keep what has them out of the finding.
    """
    strength = seen.most_of(uncounting)
    if strength < DECIDING_STRENGTH:
        return seen
    lacks_cells = seen.most_of([name for name in _CELLLESS if name in uncounting]) >= strength
    least_denying = 1 if lacks_cells else ceil((1 + len(others)) / 2)
    share = seen.share
    denying: list[float] = []
    for position, look in enumerate(others):
        if len(denying) + len(others) - position < least_denying:
            break  # whatever the rest shows
        other = look()
        if other is None:
            continue
        share += other.share
        if (elsewhere := other.most_of(uncounting)) < DECIDING_STRENGTH:
            denying.append(elsewhere)
        if len(denying) >= least_denying:
            return replace(seen, share=share, flags={**seen.limited(uncounting, min(denying)), "mixed": strength})
    return replace(seen, share=share)


def _is_wide(candidate: _Candidate, windows: Sequence[_Window]) -> bool:
    """Whether it takes long: its windows are large, or are not all of it."""
    is_part = sum(window.px for window in windows) < candidate.area_px
    return is_part or sum(window.view.stained.size for window in windows) >= _WIDE_PX


def _candidates(fragments: Fragments, tree: Tree, runs: Runs, look: LookParams) -> Iterator[_Candidate]:
    """The largest candidates, each with its runs."""
    component = cut(tree, len(fragments), _GAP_UM)
    component = np.where(fragments.dot_group >= 0, -1, component)
    roots, inverse = np.unique(component, return_inverse=True)
    area = np.bincount(inverse, fragments.area_px, minlength=len(roots))
    area[roots < 0] = 0
    chosen = np.argsort(-area, kind="stable")[: look.most_candidates]
    order = np.argsort(inverse, kind="stable")
    begins = np.searchsorted(inverse[order], np.arange(len(roots) + 1))
    first_run = np.searchsorted(runs.fragment, np.arange(len(fragments) + 1))
    for group in chosen.tolist():
        if not area[group]:
            return
        members = np.sort(order[begins[group] : begins[group + 1]])
        rows = np.concatenate([np.arange(first_run[one], first_run[one + 1]) for one in members.tolist()])
        box = fragments.bbox_px0[members]
        x0, y0 = box[:, :2].min(axis=0).tolist()
        x1, y1 = box[:, 2:].max(axis=0).tolist()
        yield _Candidate(
            members,
            Runs(
                runs.row[rows],
                runs.start[rows],
                runs.stop[rows],
                np.searchsorted(members, runs.fragment[rows]).astype(np.int32),
            ),
            (x0, y0, x1, y1),
            bool(fragments.tissue_edge[members].any()),
        )


def _first_and_further(
    candidate: _Candidate, native: PixelSpacing, look: LookParams
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


def _extrapolated(cells: CellCount, share: float) -> CellCount:
    """Cells of the whole of a candidate of which a share was seen; less sure, the more is taken from the seen."""
    if share >= 1.0:
        return cells
    doubt = 0.15 * (1 - share)
    low, high = cells.low / share * (1 - doubt), cells.high / share * (1 + doubt)
    return replace(cells, value=cells.value / share, low=low, high=high)
