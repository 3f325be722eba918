"""The second look: candidates are read again at level 0, their nuclei counted, their evidence weighed.

Candidates are the fragments that lie within a fixed gap of each other, whatever gap a result is cut at, so that
a recut needs no pixel: what is learnt of a candidate is shared out to its fragments, and any cluster
is a sum of fragments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config, LookParams
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Fragments, Runs, Tree
from micromet_path.pipeline.reading import in_threads
from micromet_path.pixels.anucleate import ANUCLEATE_FLAGS, Bareness, anucleate_flags, with_faint_stain
from micromet_path.pixels.evidence import View, evidence
from micromet_path.pixels.examine import FLAGS, flags_of
from micromet_path.pixels.examine_params import ExamineParams
from micromet_path.pixels.hue import SlideHue, slide_hue
from micromet_path.pixels.link import cut
from micromet_path.pixels.nuclei import (
    MARGIN_UM,
    CellCount,
    NucleiParams,
    NucleiTally,
    cells_of,
    exact_cells,
    tally_nuclei,
)
from micromet_path.pixels.stain import StainModel
from micromet_path.slides.base import Slide

__all__ = ["examine_candidates"]

_GAP_UM = 7.0  # one small lymphocyte, whatever gap a result is cut at
_OWN_HUE = SlideHue(haematoxylin=0.0, residual=0.0, is_known=True)
_WITH_OWN_CHROMOGEN = ("estimated", "estimated: chromogen")
_OF_ALL = ("rim_um", "around", "glass", "deep", "high_od", "nucleus")  # facts of windows that are judged together
_COARSE_UM = 0.5  # nuclei and processes of cells show at this scale; larger candidates are read at it


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Fragments within the gap of each other, with their runs."""

    members: NDArray[np.int64]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    bbox_px0: tuple[int, int, int, int]
    is_at_margin: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was learnt of a candidate."""

    members: NDArray[np.int64]
    cells: CellCount
    flags: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Eye:
    """Reads windows of candidates; called from several threads."""

    slide: Slide
    model: StainModel
    nuclei: NucleiParams
    examine: ExamineParams
    look: LookParams
    hue: SlideHue

    def __call__(self, candidate: _Candidate) -> _Seen | None:
        """What the windows of a candidate show; None where they cannot be read."""
        tally, flags, seen_px = NucleiTally(np.empty((0, 2))), dict.fromkeys((*FLAGS, *_OF_ALL), 0.0), 0
        native, spacing = self.slide.info.spacing, self._spacing(candidate)
        margin_x, margin_y = (ceil(MARGIN_UM / um) for um in (native.x_um, native.y_um))
        for core in _cores(candidate, native, self.look):
            grown = Region(core.x0 - margin_x, core.y0 - margin_y, core.x1 + margin_x, core.y1 + margin_y)
            region = grown.intersection(self.slide.info.region)
            stained_px0 = _mask(candidate, region)
            inside_px = int(np.count_nonzero(stained_px0[_slices(core, region)]))
            if not inside_px:
                continue
            try:
                rgb = self.slide.read(region, spacing).rgb
            except UnreadableSlideError:
                return None
            stained = _reduced(stained_px0, rgb.shape[:2])
            if not stained.any():
                continue
            actual = PixelSpacing(region.width * native.x_um / rgb.shape[1], region.height * native.y_um / rgb.shape[0])
            window = _scaled_slices(core, region, rgb.shape[:2])
            view = View(rgb, stained, actual, self.hue, candidate.is_at_margin)
            here = tally_nuclei(rgb, stained, self.model, actual, self.nuclei, window)
            tally = tally + here
            for name, strength in self._facts(view, bool(here.possible)).items():
                flags[name] += strength * inside_px
            seen_px += inside_px
        if not seen_px:
            return None
        return self._summed(candidate, tally, {name: total / seen_px for name, total in flags.items()}, seen_px)

    def _facts(self, view: View, has_nucleus: bool) -> dict[str, float]:
        """Strengths of one window, and what only all of them together can be judged by."""
        found = evidence(view, self.model, self.examine)
        if not has_nucleus and found.strokes.area_um2 < self.examine.bare_piece_um2[0]:
            wider = with_faint_stain(view.rgb, view.stained, self.model, view.spacing)
            has_nucleus = tally_nuclei(view.rgb, wider, self.model, view.spacing, self.nuclei).possible > 0
        return {
            **flags_of(found, self.examine),
            "rim_um": found.rim_width_um,
            "around": found.beside.nuclear_share_around,
            "glass": found.around.glass_share,
            "deep": min(1.0, found.around.deep_area_um2 / found.strokes.area_um2),
            "high_od": found.chromogen_high_od,
            "nucleus": float(has_nucleus),
        }

    def _summed(self, candidate: _Candidate, tally: NucleiTally, facts: dict[str, float], seen_px: int) -> _Seen:
        """Cells and flags of the whole candidate from means over its windows."""
        cells = cells_of(tally, self.nuclei)
        area_px = int((candidate.stop - candidate.start).sum())
        seen_um2, factor = seen_px * self.slide.info.spacing.pixel_area_um2, area_px / seen_px
        filled_um2 = max(tally.shown_um2 + tally.hidden_um2, seen_um2)
        rim_um, around, glass, deep, high_od, nucleus = (facts.pop(name) for name in _OF_ALL)
        bare = Bareness(
            area_um2=filled_um2 * factor,
            has_nucleus=nucleus > 0,
            bare_share=1 - tally.shown_um2 / filled_um2,
            rim_um=rim_um,
            nuclear_share_around=around,
            high_od=high_od,
            is_at_border=candidate.is_at_margin,
            glass_share=glass,
            deep_share=deep,
        )
        for name, strength in anucleate_flags(bare, self.examine).items():
            facts[name] = max(facts.get(name, 0.0), strength)
        return _Seen(candidate.members, _extrapolated(cells, factor), facts)

    def _spacing(self, candidate: _Candidate) -> PixelSpacing:
        """Level 0 for what is small, a scale at which nuclei still show for the rest."""
        native = self.slide.info.spacing
        x0, y0, x1, y1 = candidate.bbox_px0
        if max((x1 - x0) * native.x_um, (y1 - y0) * native.y_um) <= self.look.fine_um:
            return native
        return PixelSpacing(max(native.x_um, _COARSE_UM), max(native.y_um, _COARSE_UM))


def examine_candidates(
    slide: Slide,
    model: StainModel,
    fragments: Fragments,
    tree: Tree,
    runs: Runs,
    config: Config,
    workers: int,
) -> Fragments:
    """The fragments with what a second look at level 0 tells of each.

    Parameters
    ----------
    slide : Slide
    model : StainModel
    fragments : Fragments
    tree : Tree
    runs : Runs
        Of the fragments.
    config : Config
    workers : int
        Threads.
    """
    # Vectors estimated from the slide are its hue. Where they are the profile's, its fragments may tell; a slide
    # that shows pigment alone must not make it the measure of chromogen.
    hue = _OWN_HUE if model.source in _WITH_OWN_CHROMOGEN else slide_hue(fragments.sum_stain, fragments.od_scale)
    eye = _Eye(slide, model, config.nuclei, config.examine, config.look, hue)
    candidates = list(_candidates(fragments, tree, runs, config.look))
    cells = np.stack([fragments.cells, fragments.cells_low, fragments.cells_high])
    flags = {name: np.zeros(len(fragments)) for name in (*FLAGS, *ANUCLEATE_FLAGS)}
    for seen in in_threads(eye, candidates, workers):
        if seen is None:
            continue
        area = fragments.area_px[seen.members]
        share = area / area.sum()
        whole = np.array([[seen.cells.value], [seen.cells.low], [seen.cells.high]])
        cells[:, seen.members] = exact_cells(whole * share)
        for name, strength in seen.flags.items():
            flags[name][seen.members] = strength
    return replace(fragments, cells=cells[0], cells_low=cells[1], cells_high=cells[2], flags=flags)


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
            runs.row[rows],
            runs.start[rows],
            runs.stop[rows],
            (x0, y0, x1, y1),
            bool(fragments.tissue_edge[members].any()),
        )


def _cores(candidate: _Candidate, native: PixelSpacing, look: LookParams) -> Sequence[Region]:
    """Windows that tile the candidate's box, evenly thinned to a few that hold stain."""
    x0, y0, x1, y1 = candidate.bbox_px0
    columns = max(1, ceil((x1 - x0) * native.x_um / look.window_um))
    rows = max(1, ceil((y1 - y0) * native.y_um / look.window_um))
    xs, ys = np.linspace(x0, x1, columns + 1).astype(int), np.linspace(y0, y1, rows + 1).astype(int)
    band = np.clip(np.searchsorted(ys, candidate.row, side="right") - 1, 0, rows - 1)
    held = np.zeros((rows, columns), np.int64)
    for column in range(columns):  # a run may reach through several windows
        inside = np.minimum(candidate.stop, xs[column + 1]) - np.maximum(candidate.start, xs[column])
        held[:, column] = np.bincount(band, np.maximum(inside, 0), minlength=rows)
    full = np.flatnonzero(held.ravel() >= 0.3 * held.max())
    picks = full[np.unique(np.linspace(0, len(full) - 1, min(len(full), look.most_windows)).round().astype(int))]
    return [
        Region(int(xs[one % columns]), int(ys[one // columns]), int(xs[one % columns + 1]), int(ys[one // columns + 1]))
        for one in picks.tolist()
    ]


def _mask(candidate: _Candidate, region: Region) -> NDArray[np.bool_]:
    """Stained pixels of the candidate in a region of level 0."""
    mask = np.zeros((region.height, region.width), bool)
    chosen = (candidate.row >= region.y0) & (candidate.row < region.y1)
    chosen &= (candidate.start < region.x1) & (candidate.stop > region.x0)
    rows = (candidate.row[chosen] - region.y0).tolist()
    starts = np.maximum(candidate.start[chosen] - region.x0, 0).tolist()
    stops = np.minimum(candidate.stop[chosen] - region.x0, region.width).tolist()
    for row, start, stop in zip(rows, starts, stops, strict=True):
        mask[row, start:stop] = True
    return mask


def _reduced(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask at the shape of a coarser picture: pixels of which half or more is stained."""
    if mask.shape == tuple(shape):
        return mask
    rows, columns = (
        np.minimum(np.arange(size) * target // size, target - 1) for size, target in zip(mask.shape, shape, strict=True)
    )
    flat = (rows[:, None] * shape[1] + columns[None, :]).ravel()
    stained = np.bincount(flat, mask.ravel(), minlength=shape[0] * shape[1])
    total = np.bincount(flat, minlength=shape[0] * shape[1])
    return np.asarray((2 * stained >= np.maximum(total, 1)).reshape(shape))


def _slices(core: Region, region: Region) -> tuple[slice, slice]:
    """A core within the region that was read."""
    return slice(core.y0 - region.y0, core.y1 - region.y0), slice(core.x0 - region.x0, core.x1 - region.x0)


def _scaled_slices(core: Region, region: Region, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The same in a picture of that region at another scale."""
    at = _slices(core, region)
    rows, columns = (
        slice(part.start * size // whole, -(-part.stop * size // whole))
        for part, size, whole in zip(at, shape, region.shape, strict=True)
    )
    return rows, columns


def _extrapolated(cells: CellCount, factor: float) -> CellCount:
    """Cells of the whole of a candidate of which a part was seen; less sure, the more is taken from the seen."""
    if factor <= 1.0:
        return cells
    doubt = 0.15 * (1 - 1 / factor)
    value = cells.value * factor
    return replace(cells, value=value, low=cells.low * factor * (1 - doubt), high=cells.high * factor * (1 + doubt))
