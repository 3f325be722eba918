"""The second look: candidates are read again at level 0, their nuclei counted, their evidence weighed.

What is learnt of a candidate is shared out to its fragments, and any cluster is a sum of fragments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.counting import NOT_THE_PATIENT
from micromet_path.clinical.policy import DECIDING_STRENGTH
from micromet_path.config import Config
from micromet_path.geometry import Region
from micromet_path.model import Fragments
from micromet_path.pipeline.glass import Glass
from micromet_path.pipeline.linking import Linked
from micromet_path.pipeline.weighing import Judge, Seen, confirmed
from micromet_path.pipeline.windows import Candidate, Window, WindowReader, largest_candidates
from micromet_path.pixels.anucleate import ANUCLEATE_FLAGS, in_numbers
from micromet_path.pixels.evidence import SMALLEST_CELL_UM2
from micromet_path.pixels.examine import FLAGS
from micromet_path.pixels.groups import Groups, group_fragments
from micromet_path.pixels.hue import OWN_HUE, slide_hue
from micromet_path.pixels.leucocytes import leucocyte_like
from micromet_path.pixels.nuclei import exact_cells
from micromet_path.slides.base import Slide
from micromet_path.threads import in_threads

__all__ = ["examine_candidates"]

_WIDE_PX = 80_000  # of windows together, from which on numpy works longer than it takes to be called
_BY_COMPANY = ("fringe", "leucocyte_like", "mixed")  # flags that hang on more than a candidate's own looks
_WITH_OWN_CHROMOGEN = ("estimated", "estimated: chromogen")


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
    model, fragments = glass.model, linked.fragments
    # Vectors estimated from the slide are its hue. Where they are the profile's, its fragments may tell; a slide
    # that shows pigment alone must not make it the measure of chromogen.
    hue = OWN_HUE if model.source in _WITH_OWN_CHROMOGEN else slide_hue(fragments.sum_stain, fragments.od_scale)
    read = WindowReader(slide, config.look, hue, glass)
    strength_od = config.examine.strength_of(glass.dyes.strength_od)
    shows_nuclei, pixel_um2 = glass.dyes.shows_nuclei, slide.info.spacing.pixel_area_um2
    judge = Judge(model, config.nuclei, config.examine, strength_od, shows_nuclei, pixel_um2)
    cells = np.stack([fragments.cells, fragments.cells_low, fragments.cells_high])
    flags = {name: np.zeros(len(fragments)) for name in (*FLAGS, *ANUCLEATE_FLAGS, *_BY_COMPANY)}
    flags["edge_haze"][linked.gathered.rim] = 1.0
    flags["mixed"][linked.gathered.trimmed] = 1.0
    red_cells: list[tuple[NDArray[np.int64], float, float]] = []
    is_known = (fragments.dot_group >= 0) | linked.gathered.rim
    groups = group_fragments(fragments, linked.tree, is_known, slide.info.spacing)
    profile_um2, filled_um2 = groups.hull_um2.copy(), groups.filled_um2.copy()

    def weigh(candidate: Candidate, windows: Sequence[Window]) -> Seen:
        seen = judge(candidate, windows)

        def look_at(core: Region) -> Seen | None:
            found = read.at(candidate, [core])
            return judge(candidate, found, seen.context) if found else None

        return confirmed(seen, partial(read.further, candidate), look_at, config.classify.not_counted_flags)

    def look(candidate: Candidate) -> tuple[Candidate, list[Window] | Seen]:
        windows = read(candidate)
        return candidate, weigh(candidate, windows) if windows and _is_wide(candidate, windows) else windows

    # Threads read ahead and judge what is large; the many small steps that a small candidate takes would only wait
    # for each other in several of them.
    for candidate, found in in_threads(look, largest_candidates(groups, linked, config.look), workers):
        if not found:
            continue
        seen = found if isinstance(found, Seen) else weigh(candidate, found)
        members = candidate.members
        area = fragments.area_px[members]
        share = area / area.sum()
        whole = np.array([[seen.cells.value], [seen.cells.low], [seen.cells.high]])
        cells[:, members] = exact_cells(whole * share)
        for name, strength in seen.flags.items():
            flags[name][members] = strength
        for told_um2 in (profile_um2, filled_um2):  # with nuclei that the stain does not close in
            told_um2[candidate.group] = max(told_um2[candidate.group], seen.area_um2)
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
    is_heard = _speaks_of_the_patient(flags, linked, groups, config) & (
        groups.area_px * judge.pixel_um2 >= config.clusters.smallest_area_um2
    )
    grouped = groups.of_fragment >= 0
    strengths = leucocyte_like(profile_um2, filled_um2, is_heard, config.examine)
    flags["leucocyte_like"][grouped] = strengths[groups.of_fragment[grouped]]
    return replace(fragments, cells=cells[0], cells_low=cells[1], cells_high=cells[2], flags=flags)


def _speaks_of_the_patient(
    flags: dict[str, NDArray[np.float64]], linked: Linked, groups: Groups, config: Config
) -> NDArray[np.bool_]:
    """Whether more than half of each group lies on the patient's tissue and counts, by all flags that are known.

    A role that is given by hand later is not known here.
    """
    fragments, uncounting = linked.fragments, config.classify.not_counted_flags
    controls = [piece.id for piece in linked.pieces if piece.role in NOT_THE_PATIENT]
    is_out = fragments.off_tissue | np.isin(fragments.piece, controls)
    for name in set(uncounting) & set(flags):
        is_out = is_out | (flags[name] >= DECIDING_STRENGTH)
    return groups.share_of(fragments, is_out) < 0.5


def _is_wide(candidate: Candidate, windows: Sequence[Window]) -> bool:
    """Whether it takes long: its windows are large, or are not all of it."""
    is_part = sum(window.px for window in windows) < candidate.area_px
    return is_part or sum(window.view.stained.size for window in windows) >= _WIDE_PX
