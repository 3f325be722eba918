"""What windows of a candidate show: its nuclei, its flags, and whether the rest of it is like them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.policy import DECIDING_STRENGTH
from micromet_path.pipeline.windows import Candidate, Window
from micromet_path.pixels.anucleate import Bareness, anucleate_flags, may_be_bare, with_faint_stain
from micromet_path.pixels.evidence import Evidence
from micromet_path.pixels.examine import FLAGS, flags_of
from micromet_path.pixels.examine_params import ExamineParams, ramps
from micromet_path.pixels.nuclei import (
    NO_NUCLEI,
    CellCount,
    NucleiParams,
    NucleiTally,
    NucleiView,
    cells_of,
    tally_nuclei,
    view_of,
)
from micromet_path.pixels.stain import StainModel

__all__ = ["Context", "Judge", "Seen", "confirmed"]

P = TypeVar("P")

_CELLLESS = ("edge_haze", "red_cell_like")


@dataclass(frozen=True, slots=True)
class Context:
    """What lies around a candidate: a window in the middle of a large one shows nothing of it.

    Parameters
    ----------
    nuclear_share : float
        Of the view beside it that is nuclei, where that is most; 0 where nothing asked for it.
    nuclei_beside : float
        Nuclear share next to it over that further off, there.
    glass_share : float
        Largest share of bare glass in what lies next to it.
    """

    nuclear_share: float = 0.0
    nuclei_beside: float = 1.0
    glass_share: float = 0.0

    def and_of(self, nuclear_share: float, nuclei_beside: float, glass_share: float) -> Context:
        """With what further windows show."""
        nuclei = max((nuclear_share, nuclei_beside), (self.nuclear_share, self.nuclei_beside))
        return Context(*nuclei, max(self.glass_share, glass_share))


@dataclass(frozen=True, slots=True)
class Seen:
    """What was learnt of a candidate.

    Parameters
    ----------
    cells : CellCount
        Of all of it, extrapolated where a part was seen.
    flags : dict of str to float
        Strengths.
    share : float
        Of its stain that was seen.
    area_um2 : float
        Stained or filled area, whichever is larger; of all of it, taken from what was seen.
    fringes : ndarray of shape (K,) or None
        How sure each member is a fringe of colour.
    context : Context
    """

    cells: CellCount
    flags: dict[str, float]
    share: float
    area_um2: float
    fringes: NDArray[np.float64] | None
    context: Context

    def most_of(self, names: Sequence[str]) -> float:
        """The strongest of some flags."""
        return max((self.flags.get(name, 0.0) for name in names), default=0.0)

    def limited(self, names: Sequence[str], most: float) -> dict[str, float]:
        """The flags with no more than so much of some."""
        return {name: min(strength, most) if name in names else strength for name, strength in self.flags.items()}


@dataclass(frozen=True, slots=True)
class Judge:
    """Counts nuclei and weighs the evidence of a candidate.

    Parameters
    ----------
    model : StainModel
    nuclei : NucleiParams
    examine : ExamineParams
    strength_od : float
        Chromogen in the cores of what is stained on the slide.
    shows_nuclei : bool
        Whether any nucleus on the slide is clearly blue.
    pixel_um2 : float
        Area of a pixel of level 0.
    """

    model: StainModel
    nuclei: NucleiParams
    examine: ExamineParams
    strength_od: float
    shows_nuclei: bool
    pixel_um2: float

    def __call__(self, candidate: Candidate, windows: Sequence[Window], context: Context = Context()) -> Seen:
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
        area_um2, bare_share = filled_um2 / share, 1 - tally.shown_um2 / filled_um2
        has_nucleus = any(map(self._has_nucleus, tallies, views, found))
        if may_be_bare(has_nucleus, bare_share, self.examine):
            context = context.and_of(
                mean(lambda one: one.beside.nuclear_share_around),
                mean(lambda one: one.beside.relation),
                mean(lambda one: one.around.glass_share),
            )
            bare = Bareness(
                area_um2=area_um2,
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
                shows_nuclei=self.shows_nuclei,
            )
            for name, strength in anucleate_flags(bare, self.examine).items():
                flags[name] = max(flags.get(name, 0.0), strength)
        cells = _extrapolated(cells_of(tally, self.nuclei), share)
        return Seen(cells, flags, share, area_um2, self._fringes(windows), context)

    def _fringes(self, windows: Sequence[Window]) -> NDArray[np.float64] | None:
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


def confirmed(
    seen: Seen, further: Callable[[], Sequence[P]], look_at: Callable[[P], Seen | None], uncounting: Sequence[str]
) -> Seen:
    """What would not count for what was seen of it, as far as further windows do not show something else.

    What is told by its lack of cells is denied by one window that shows some: a nest may lie at its end. Ink and
    pigment vary along their length, and are denied by half of the windows.

    Parameters
    ----------
    seen : Seen
    further : callable
        Gives the places of further windows; asked only where they matter.
    look_at : callable
        Looks at one of them; None where it cannot be read.
    uncounting : sequence of str
        Flags that keep what has them out of the finding.
    """
    strength = seen.most_of(uncounting)
    if seen.share >= 1.0 or strength < DECIDING_STRENGTH:
        return seen
    lacks_cells = seen.most_of([name for name in _CELLLESS if name in uncounting]) >= strength
    places = further()
    least_denying = 1 if lacks_cells else ceil((1 + len(places)) / 2)
    share = seen.share
    denying: list[float] = []
    for position, place in enumerate(places):
        if len(denying) + len(places) - position < least_denying:
            break  # whatever the rest shows
        other = look_at(place)
        if other is None:
            continue
        share += other.share
        if (elsewhere := other.most_of(uncounting)) < DECIDING_STRENGTH:
            denying.append(elsewhere)
        if len(denying) >= least_denying:
            return replace(seen, share=share, flags={**seen.limited(uncounting, min(denying)), "mixed": strength})
    return replace(seen, share=share)


def _extrapolated(cells: CellCount, share: float) -> CellCount:
    """Cells of the whole of a candidate of which a share was seen; less sure, the more is taken from the seen."""
    if share >= 1.0:
        return cells
    doubt = 0.15 * (1 - share)
    low, high = cells.low / share * (1 - doubt), cells.high / share * (1 + doubt)
    return replace(cells, value=cells.value / share, low=low, high=high)
