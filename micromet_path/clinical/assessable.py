"""Whether a slide could have shown tumour: if not it is not assessable, never negative."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isnan

from micromet_path.clinical.policy import DEFAULTS, ClassifyParams
from micromet_path.clinical.wording import percent, square_millimetres
from micromet_path.model import Assessable, Category, GapFinding, Piece, Quality

__all__ = ["Sight", "assess", "codes_of", "sight_of", "withhold"]


def assess(quality: Quality, would_be_positive: bool, params: ClassifyParams = DEFAULTS) -> Assessable:
    """Decide whether the slide could have shown tumour.

    Parameters
    ----------
    quality : Quality
    would_be_positive : bool
        Whether something was counted. What was found stays found when the rest was not read or is
        blurred, so ``incomplete`` and ``out_of_focus`` block a negative only.
    params : ClassifyParams

    Returns
    -------
    Assessable
        `reasons` are ``code: sentence``. Of a positive slide that is assessable they hold what makes its
        finding a minimum.

    Examples
    --------
    >>> assess(Quality(tissue_area_mm2=40.0, coverage=0.9), would_be_positive=False)
    Assessable(ok=False, reasons=('incomplete: 90 % of the detected tissue was read, 98 % is needed',))
    """
    blocking = tuple(_blocking(quality, params))
    without_tissue = any(reason.startswith("no_tissue:") for reason in blocking)  # no share of nothing
    limiting = () if without_tissue else tuple(_limiting(quality, params))
    return Assessable(not blocking and (would_be_positive or not limiting), blocking + limiting)


def withhold(pieces: tuple[Piece, ...], quality: Quality, params: ClassifyParams = DEFAULTS) -> tuple[Piece, ...]:
    """Make judged pieces not assessable where the slide as a whole could not show tumour.

    A piece of a slide that was half read is not negative, even where another piece is positive.
    """
    sight = sight_of(quality, params)
    return tuple(
        piece
        if piece.category is None or sight.of(piece.category) is piece.category
        else replace(piece, category=Category.NOT_ASSESSABLE, max_diameter_um=None)
        for piece in pieces
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """How far a slide can be believed: `blind`, not at all; `partial`, all but a negative."""

    blind: bool
    partial: bool

    def of(self, category: Category) -> Category:
        """The category as far as the slide supports it."""
        unsupported = self.blind or (self.partial and category is Category.NEGATIVE)
        return Category.NOT_ASSESSABLE if unsupported else category

    def of_gap(self, gap: GapFinding) -> GapFinding:
        """The same for another gap; without a category there is no size."""
        category = self.of(gap.category)
        return gap if category is gap.category else replace(gap, category=category, max_diameter_um=None)


def sight_of(quality: Quality, params: ClassifyParams = DEFAULTS) -> Sight:
    """How far a slide of this quality can be believed."""
    return Sight(blind=not assess(quality, True, params).ok, partial=not assess(quality, False, params).ok)


def codes_of(assessable: Assessable) -> tuple[str, ...]:
    """The reasons without their sentences."""
    return tuple(reason.partition(":")[0] for reason in assessable.reasons)


def _blocking(quality: Quality, params: ClassifyParams) -> Iterator[str]:
    """Reasons for which nothing on the slide can be believed."""
    if not quality.has_light:
        yield "no_light: the picture is black, nothing was illuminated"
    if not quality.tissue_area_mm2 >= params.minimum_tissue_mm2:
        found, needed = square_millimetres(quality.tissue_area_mm2), square_millimetres(params.minimum_tissue_mm2)
        yield f"no_tissue: {found} of tissue was found, {needed} is needed"
    if quality.is_h_dab is False:
        note = f" ({quality.stain_note})" if quality.stain_note else ""
        yield f"not_h_dab: the colours are not those of haematoxylin and DAB{note}"
    if quality.control_result == "failed":
        yield "control_failed: the control stain failed"
    elif quality.control_on_slide == "unstained":
        yield "control_failed: the control tissue on the slide shows no stain"


def _limiting(quality: Quality, params: ClassifyParams) -> Iterator[str]:
    """Reasons for which what was found is the least there is."""
    needed = percent(params.minimum_coverage)
    if quality.coverage is None or isnan(quality.coverage):
        yield f"incomplete: it is not known how much of the tissue was read, {needed} is needed"
    elif quality.coverage < params.minimum_coverage:
        yield f"incomplete: {percent(quality.coverage)} of the detected tissue was read, {needed} is needed"
    elif quality.unreadable_tiles:
        tiles = "1 stored tile" if quality.unreadable_tiles == 1 else f"{quality.unreadable_tiles} stored tiles"
        yield f"incomplete: {tiles} could not be decoded"
    elif quality.is_truncated:
        yield "incomplete: the file is cut short, and what its lost end held is not known"
    if quality.is_h_dab is None:
        note = f" ({quality.stain_note})" if quality.stain_note else ""
        yield f"stain_unknown: it cannot be told whether the tissue was stained with haematoxylin and DAB{note}"
    if quality.is_white_assumed:
        yield "white_unknown: no clear glass was found and the light was assumed; give its colour as [stain] white"
    if quality.in_focus is not None and quality.in_focus < params.minimum_in_focus:
        needed = percent(params.minimum_in_focus)
        yield f"out_of_focus: {percent(quality.in_focus)} of the tissue is in focus, {needed} is needed"
