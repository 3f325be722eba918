"""What is decided of the whole slide before any tile is looked at: white, dyes, tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from micromet_path.config import Config
from micromet_path.geometry import Region
from micromet_path.model import Quality
from micromet_path.pipeline.dyeing import measure_windows
from micromet_path.pipeline.reading import read_overview
from micromet_path.pixels import dyes, stain, tissue
from micromet_path.pixels.area import Area
from micromet_path.pixels.registration import IN_REGISTER, Register
from micromet_path.pixels.stain_check import PINK, StainCheck, check_h_dab, shows_eosin
from micromet_path.slides.base import Slide
from micromet_path.slides.checks import check_brightfield

__all__ = ["Glass", "look", "rate"]

_DIM = 64  # of 255: no lamp was on


@dataclass(frozen=True, slots=True)
class Glass:
    """A slide seen from afar.

    Parameters
    ----------
    overview : Overview
    lost : ndarray of shape (M, N), bool
        Where neither the overview nor level 0 could be read.
    tissue : ndarray of shape (M, N), bool
    plain_tissue : ndarray of shape (M, N), bool
        Without pieces that are pens, dust or edges of the coverslip, which say nothing of dyes and focus.
    model : StainModel
    stain_params : StainParams
        Thresholds that hold for the slide.
    dyes : DyeEstimate
        What the slide itself says of its dyes.
    register : Register
        How its colours lie on each other.
    check : StainCheck
    unscanned : ndarray of shape (M, N), bool
        Cells that were asked for and that the scanner did not record.
    is_area_limited : bool
        Whether only a part of the slide was asked for.
    """

    overview: tissue.Overview
    lost: NDArray[np.bool_]
    tissue: NDArray[np.bool_]
    plain_tissue: NDArray[np.bool_]
    model: stain.StainModel
    stain_params: stain.StainParams
    dyes: dyes.DyeEstimate
    register: Register
    check: StainCheck
    unscanned: NDArray[np.bool_]
    is_area_limited: bool

    def without(self, unread: Sequence[Region]) -> Glass:
        """The same after some regions of level 0 turned out to be unreadable."""
        missed = np.zeros_like(self.lost)
        for region in unread:
            missed[self.overview.slices_of(region)] = True
        seen = self.overview.read
        return replace(self, lost=missed & ~seen, overview=replace(self.overview, read=seen & ~missed))


def look(slide: Slide, config: Config, area: Area, workers: int = 1) -> Glass:
    """Read the overview and decide white point, stain model and tissue from it.

    Raises
    ------
    UnsupportedSlideError
        If the picture is no brightfield slide.
    """
    info = slide.info
    spacing = config.tissue.overview_spacing(info.width_px0 * info.spacing.x_um, info.height_px0 * info.spacing.y_um)
    overview = read_overview(slide, spacing, workers)
    check_brightfield(overview.rgb, info, overview.read)
    # The light is that of the whole slide: a chosen part may show no glass, and tissue would pass for it.
    white = stain.find_white(overview.rgb, overview.read, config.stain.white)
    asked = area.mask(info.region, overview.shape)
    unscanned = ~overview.read if asked is None else ~overview.read & asked
    if asked is not None:
        overview = replace(overview, read=overview.read & asked)
    mask = tissue.find_tissue(overview, white, config.tissue)
    params = config.stain
    profile = stain.StainModel.from_dyes(white, params.haematoxylin, params.chromogen, "fixed")
    plain = tissue.without_foreign(mask, overview, white, config.tissue)
    register, windows = measure_windows(slide, overview, plain, profile, config.dyes, workers)
    estimate = dyes.estimate_dyes(windows, profile, config.dyes)
    # The scan finds stain with the colours as they lie: how strong it is in register says nothing of its margins.
    is_followed = params.thresholds == "normalised" and register == IN_REGISTER
    check = _checked(stain.thinned(overview.rgb, mask), profile, estimate, config)
    return Glass(
        overview=overview,
        lost=np.zeros_like(mask),
        tissue=mask,
        plain_tissue=plain,
        model=dyes.model_for(profile, estimate) if params.vectors == "estimated" else profile,
        stain_params=dyes.params_for(params, estimate, config.dyes) if is_followed else params,
        dyes=estimate,
        register=register,
        check=check,
        unscanned=unscanned,
        is_area_limited=asked is not None,
    )


def _checked(
    tissue_rgb: NDArray[np.uint8], profile: stain.StainModel, estimate: dyes.DyeEstimate, config: Config
) -> StainCheck:
    """Whether the tissue has the colours of H-DAB, by the slide's own dyes where they can be believed."""
    has_chromogen = estimate.chromogen is not None
    own, is_believed = None, False
    if estimate.haematoxylin is not None:
        own = dyes.model_for(profile, estimate)
        # Beside a chromogen a far turn is a purple haematoxylin; alone it may be the nuclei of H&E.
        turn = dyes.degrees_between(estimate.haematoxylin, profile.vectors[0])
        is_believed = has_chromogen or turn <= config.dyes.largest_turn_deg
    check = check_h_dab(tissue_rgb, profile, own if is_believed else None)
    if check == PINK and has_chromogen and not estimate.shows_nuclei:
        # A pale purple counterstain on a brown background is as pink, and only faded H&E has nuclei as pale: what is
        # found may stand.
        return StainCheck(None, "no nucleus on it is clearly blue, though it shows the chromogen")
    if not check.is_h_dab:
        return check
    if estimate.is_blank:
        return StainCheck(False, "nothing on it has the colour of a nucleus or of the chromogen")
    if not estimate.shows_nuclei:
        return StainCheck(None, "no nucleus on it is clearly blue")
    if own is not None and not has_chromogen and shows_eosin(tissue_rgb, own):
        return PINK
    return check


def rate(slide: Slide, glass: Glass, stained: NDArray[np.bool_], unreadable_tiles: int, config: Config) -> Quality:
    """Whether the slide could have shown tumour: the facts.

    Parameters
    ----------
    stained : ndarray of shape (M, N), bool
        Cells of the overview with stain on tissue; they are tissue whatever the overview says.
    """
    overview = glass.overview
    found = glass.tissue | stained
    # Where neither the overview nor level 0 could be read there may be tissue: count it as missed.
    # So does what the scanner left out inside the tissue.
    expected = found | glass.lost | (tissue.fill_enclosed(found) & glass.unscanned)
    n_expected = np.count_nonzero(expected)
    is_lit = any(bool(((colour >= _DIM) & overview.read).any()) for colour in np.moveaxis(overview.rgb, -1, 0))
    return Quality(
        tissue_area_mm2=float(np.count_nonzero(found) * overview.cell_area_mm2),
        coverage=float(np.count_nonzero(found & overview.read) / n_expected) if n_expected else None,
        has_light=is_lit or not overview.read.any(),
        is_h_dab=glass.check.is_h_dab,
        stain_note=glass.check.note,
        unreadable_tiles=unreadable_tiles,
        is_truncated=slide.info.is_truncated,
        is_white_assumed=glass.model.white.source == "assumed",
        is_area_limited=glass.is_area_limited,
        control_result=config.laboratory.control_result,
        antibody=config.laboratory.antibody,
    )
