"""Stain without a nucleus: a sheet that should show some, a piece of which a section may miss it, deposits, red cells.

A keratin-positive scrap without a nucleus is no tumour cell to a pathologist, yet a section may miss the nucleus of
a cell, and keratin may be dots beside it. So the lack of one makes a small piece doubtful; it is a deposit only where
no nucleus lies around it either, on a slide that shows some elsewhere. It looks like red cells where it is so faint
that a nucleus would show, far fainter than the chromogen of the slide, and lies in a lumen, or is a lake of its own.
Red cells come in numbers: a few small pieces of such looks may be anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.examine_params import ExamineParams, all_of, ramp, ramps
from micromet_path.pixels.shape import bounding_box, dilated, smoothed

__all__ = ["ANUCLEATE_FLAGS", "Bareness", "anucleate_flags", "in_numbers", "may_be_bare", "with_faint_stain"]

ANUCLEATE_FLAGS = ("no_nuclei", "deposit", "ink", "red_cell_like")

_FAINT_SHARE = 0.35  # of its own density: what a membrane keeps where the section cuts it steeply
_FAINTEST_OD = 0.08  # the grain of compressed nuclei reaches it
_FAINT_SMOOTH_UM = 0.5
_FAINT_REACH_UM = 12.0  # across a large cell


@dataclass(frozen=True, slots=True)
class Bareness:
    """What a whole candidate shows of nuclei.

    Parameters
    ----------
    area_um2 : float
        Stained or filled area, whichever is larger; taken from the windows that were looked at.
    has_nucleus : bool
        Whether anything in it may be one.
    bare_share : float
        Share of the filled area that shows none.
    rim_um : float
        Width of the stain's edges.
    nuclear_share_around : float
        Share of the tissue in view that is nuclei.
    high_od : float
        90th percentile of chromogen.
    darkest_od : float
        Chromogen that as much as a small cell of it exceeds, wherever in it that is.
    strength_od : float
        Chromogen in the cores of what is stained on the slide.
    is_at_border : bool
        Whether it lies on the border of the tissue.
    glass_share : float
        Share of bare glass in what lies next to it.
    nuclei_beside : float
        Nuclear share next to it over that further away.
    deep_share : float
        Share of it that lies further than a large cell inside.
    shows_nuclei : bool
        Whether the slide shows nuclei that are clearly blue.
    """

    area_um2: float
    has_nucleus: bool
    bare_share: float
    rim_um: float
    nuclear_share_around: float
    high_od: float = 0.0
    darkest_od: float = 0.0
    strength_od: float = 1.0
    is_at_border: bool = False
    glass_share: float = 0.0
    nuclei_beside: float = 1.0
    deep_share: float = 1.0
    shows_nuclei: bool = True


def with_faint_stain(
    chromogen: NDArray[np.float64], stained: NDArray[np.bool_], spacing: PixelSpacing
) -> NDArray[np.bool_]:
    """The stain of a small candidate and the paler stain about it, which may close the ring around a nucleus.

    Parameters
    ----------
    chromogen : ndarray of shape (M, N)
        Density.
    stained : ndarray of shape (M, N), bool
        At least one pixel.
    spacing : PixelSpacing
    """
    level = max(_FAINTEST_OD, _FAINT_SHARE * float(np.median(chromogen[stained])))
    near = bounding_box(stained, _FAINT_REACH_UM + 3 * _FAINT_SMOOTH_UM, spacing)
    faint = smoothed(chromogen[near], _FAINT_SMOOTH_UM, spacing) >= level
    wider = stained.copy()
    wider[near] |= faint & dilated(stained[near], _FAINT_REACH_UM, spacing)
    return wider


def may_be_bare(has_nucleus: bool, bare_share: float, params: ExamineParams) -> bool:
    """Whether `anucleate_flags` can be anything but 0, whatever the rest of what is asked: mostly it is not.

    Parameters
    ----------
    has_nucleus, bare_share
        As in `Bareness`.
    params : ExamineParams
    """
    sheets = (params.bare_share, params.flake_bare, params.coat_bare, params.lake_bare)
    return not has_nucleus or bare_share > min(start for start, _ in sheets)


def anucleate_flags(bare: Bareness, params: ExamineParams) -> dict[str, float]:
    """Strength of each of `ANUCLEATE_FLAGS`.

    ``no_nuclei`` is a sheet that should show some, or less surely what shows none at all; ``deposit`` a small piece of
    that beside which no nucleus lies either; ``red_cell_like`` is faint throughout, lies in a lumen and shows none,
    or hardly any where it is broad, though others do nearby, or is a lake: too large and too faint for tumour cells of
    which none shows a nucleus, with none at its wall, though it fill its vessel and the slide's own stain be as faint;
    ``ink`` is what
    marking ink leaves on the border: a layer through which nuclei would show, or a smaller and less bare one that lies
    on glass for the most part; what is thick there may be a focus below the capsule whose chromogen hides its nuclei.
    Where it is too dark to show any, it is ink if it is a coat: thin, with no nucleus around it either. On a slide
    whose counterstain shows none, the lack of nuclei makes nothing a deposit or ink.

    Examples
    --------
    >>> scrap = Bareness(60.0, has_nucleus=False, bare_share=1.0, rim_um=0.8, nuclear_share_around=0.4, darkest_od=0.7)
    >>> anucleate_flags(scrap, ExamineParams())
    {'no_nuclei': 0.6, 'deposit': 0.0, 'ink': 0.0, 'red_cell_like': 0.0}
    """
    sharp = ramp(bare.rim_um, params.bare_rim_um)
    sheet_area = ramp(bare.area_um2, params.bare_sheet_um2)
    sheet = all_of(sharp, sheet_area, ramp(bare.bare_share, params.bare_share))
    none = 0.0 if bare.has_nucleus else sharp
    piece = all_of(none, ramp(bare.area_um2, params.bare_piece_um2))
    flake = all_of(
        sharp,
        ramp(bare.bare_share, params.flake_bare),
        ramp(bare.glass_share, params.flake_glass),
        ramp(bare.area_um2, params.flake_um2),
    )
    alone = ramp(bare.nuclear_share_around, params.alone)
    coat = all_of(
        alone,
        ramp(bare.bare_share, params.coat_bare),
        ramp(bare.deep_share, params.coat_deep),
        ramp(bare.glass_share, params.flake_glass),
    )
    red_cells = all_of(
        sharp,
        1.0 if not bare.has_nucleus else all_of(ramp(bare.bare_share, params.bare_share), sheet_area),
        ramp(bare.nuclear_share_around, params.red_cell_nuclei),
        ramp(bare.darkest_od, params.red_cell_od),
        ramp(bare.darkest_od / bare.strength_od, params.red_cell_share),
        ramp(bare.area_um2, params.red_cell_um2),
        ramp(bare.glass_share, params.red_cell_glass),
    )
    lake = all_of(
        sharp,
        ramp(bare.bare_share, params.lake_bare),
        ramp(bare.area_um2, params.lake_um2),
        ramp(bare.nuclear_share_around, params.red_cell_nuclei),
        ramp(bare.darkest_od, params.lake_od),
        ramp(bare.nuclei_beside, params.lake_nuclei),
    )
    layer = all_of(ramp(bare.high_od, params.clear_od), ramp(bare.deep_share, params.layer_deep))
    tells = float(bare.shows_nuclei)
    return {
        "no_nuclei": max(sheet, params.bare_piece * none),
        "deposit": all_of(piece, alone, tells),
        "ink": all_of(max(sheet, flake), max(layer, coat), float(bare.is_at_border), tells),
        "red_cell_like": max(red_cells, lake),
    }


def in_numbers(
    strengths: NDArray[np.float64], areas_um2: NDArray[np.float64], params: ExamineParams
) -> NDArray[np.float64]:
    """Strengths of ``red_cell_like`` of all candidates of a slide; small ones need others of their kind.

    Parameters
    ----------
    strengths, areas_um2 : ndarray of shape (N,)
        Of each candidate, as it looks by itself.
    params : ExamineParams

    Examples
    --------
    >>> in_numbers(np.ones(2), np.array([60.0, 5000.0]), ExamineParams()).tolist()
    [0.0, 1.0]
    >>> float(in_numbers(np.ones(20), np.full(20, 60.0), ExamineParams()).min())
    1.0
    """
    is_alike = strengths >= 0.5
    alike = ramps(np.count_nonzero(is_alike) - is_alike, params.red_cell_count)
    sheets = ramps(areas_um2, params.bare_sheet_um2)
    return np.asarray(np.minimum(strengths, np.maximum(sheets, alike)))
