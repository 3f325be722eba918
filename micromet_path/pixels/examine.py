"""The second look: what a candidate is made of at level 0, and which flags that raises.

`pixels.evidence` measures one candidate in a crop, `flags_of` turns the measures into strengths, `examine` does
both. A strength is 0 to 1 and graded; 0.5 and more decides. Flags explain and order, they never delete, and
a false alarm on tumour is worse than a mimic that goes without its flag: every flag asks for several
independent signs at once and takes the weakest.
"""

from __future__ import annotations

from micromet_path.pixels.evidence import Evidence, View, evidence
from micromet_path.pixels.examine_params import ExamineParams, all_of, ramp
from micromet_path.pixels.hue import off_hue_strength
from micromet_path.pixels.stain import StainModel

__all__ = ["FLAGS", "bridge_strength", "examine", "flags_of"]

FLAGS = (
    "pigment_like",
    "pigment_hue",
    "blur",
    "ink",
    "fold",
    "stellate",
    "precipitate",
    "plasma_like",
    "edge_haze",
)
"""Every flag that a second look gives a strength."""

_SHARP_OPTICS_UM = 0.9  # width of edges in a sharp scan, where nothing around tells


def examine(view: View, model: StainModel, params: ExamineParams) -> dict[str, float]:
    """Strength of each of `FLAGS` for one candidate, 0 to 1; 0.5 and more decides.

    Parameters
    ----------
    view : View
    model : StainModel
    params : ExamineParams

    Examples
    --------
    A black disc on glass is carbon or dirt, not chromogen:

    >>> import numpy as np
    >>> from micromet_path.geometry import PixelSpacing
    >>> from micromet_path.pixels.stain import StainParams, WhitePoint
    >>> model = StainModel.from_dyes(
    ...     WhitePoint((240.0, 240.0, 240.0), "slide"), StainParams().haematoxylin, StainParams().chromogen, "fixed"
    ... )
    >>> rows, columns = np.mgrid[:40, :40]
    >>> disc = np.hypot(rows - 20, columns - 20) < 10
    >>> rgb = np.where(disc[..., None], 40, 240).astype(np.uint8).repeat(3, axis=2)
    >>> examine(View(rgb, disc, PixelSpacing(0.5, 0.5)), model, ExamineParams())["pigment_like"]
    1.0
    """
    return flags_of(evidence(view, model, params), params)


def flags_of(found: Evidence, params: ExamineParams) -> dict[str, float]:
    """Strengths of all flags from the evidence alone."""
    strengths = {
        "pigment_like": _pigment(found, params),
        "pigment_hue": _pigment_hue(found, params),
        "blur": _blur(found, params),
        "ink": _ink(found, params),
        "fold": _fold(found, params),
        "stellate": _stellate(found, params),
        "precipitate": _precipitate(found, params),
        "plasma_like": _plasma(found, params),
        "edge_haze": _haze(found, params),
    }
    return {name: strengths[name] for name in FLAGS}


def _pigment(found: Evidence, params: ExamineParams) -> float:
    """Black: neutral, and by more residual than brown over blue can have."""
    excess = found.hue.residual - found.slide_hue.residual
    return all_of(
        ramp(found.hue.neutral_share, params.neutral_share),
        ramp(excess, params.neutral_residual),
        ramp(found.strokes.area_um2, params.colour_um2),
    )


def _pigment_hue(found: Evidence, params: ExamineParams) -> float:
    """Another brown than the slide's, on densities that could be measured."""
    return all_of(
        off_hue_strength(found.hue.residual, found.hue.haematoxylin, found.slide_hue, params),
        ramp(found.hue.unsaturated_share, params.measurable),
        ramp(found.strokes.area_um2, params.colour_um2),
    )


def _blur(found: Evidence, params: ExamineParams) -> float:
    """Rims far softer than the optics that show the nuclei beside it."""
    optics_um = max(found.around_width_um or 0.0, _SHARP_OPTICS_UM)
    return all_of(ramp(found.rim_width_um, params.rim_width_um), ramp(found.rim_width_um / optics_um, params.rim_ratio))


def _ink(found: Evidence, params: ExamineParams) -> float:
    """A colour that the dyes cannot make; or broad, dark, without structure, and black or another brown."""
    black = max(_pigment(found, params), _pigment_hue(found, params))
    uniform = all_of(
        black,
        ramp(found.around.deep_area_um2, params.broad_um2),
        ramp(found.around.contrast, params.ink_contrast),
        ramp(found.density_od, params.ink_od),
    )
    return max(ramp(found.hue.off_wedge_share, params.off_wedge_share), uniform)


def _fold(found: Evidence, params: ExamineParams) -> float:
    """Both dyes doubled against the tissue around, without a change of colour."""
    facts = found.around
    if facts.haematoxylin_ratio is None or facts.chromogen_ratio is None:
        return 0.0
    return all_of(
        ramp(facts.haematoxylin_ratio, params.fold_density),
        ramp(facts.haematoxylin_ratio, params.fold_excess),
        ramp(facts.brownness_excess, params.fold_brownness),
        ramp(facts.chromogen_ratio, params.fold_chromogen),
        ramp(found.chromogen_high_od, params.fold_od),
    )


def _stellate(found: Evidence, params: ExamineParams) -> float:
    """Branching strokes without a body, weak to moderate: thin throughout, or thin in part and over other cells."""
    strokes = found.strokes
    thin = all_of(
        ramp(strokes.thin_share, params.thin_share),
        ramp(strokes.compactness, params.branching),
        ramp(found.chromogen_high_od, params.form_od),
    )
    between = all_of(
        ramp(strokes.thin_share, params.partly_thin),
        ramp(strokes.compactness, params.partly_branching),
        _between_nuclei(found, params),
    )
    return all_of(
        max(thin, between),
        ramp(strokes.enclosed_ratio, params.enclosed),
        ramp(strokes.length_um, params.process_length_um),
        ramp(found.chromogen_od, params.moderate_od),
    )


def _between_nuclei(found: Evidence, params: ExamineParams) -> float:
    """Stain that leaves the nuclei of the tissue where they are, as what runs between them does."""
    ratio, around_od = found.around.haematoxylin_ratio, found.around.haematoxylin_around_od
    if ratio is None or around_od is None:
        return 0.0
    seeming = params.seeming_blue * found.chromogen_od / max(around_od, 0.02)
    return all_of(ramp(ratio - seeming, params.overlay), ramp(around_od, params.overlay_around_od))


def _precipitate(found: Evidence, params: ExamineParams) -> float:
    """Several dense sharp flecks smaller than cells that do not care where the nuclei are."""
    return all_of(
        ramp(found.strokes.largest_um2, params.fleck_area_um2),
        ramp(found.strokes.n_parts, params.fleck_count),
        ramp(found.strokes.size_spread, params.fleck_spread),
        ramp(found.chromogen_high_od, params.fleck_od),
        ramp(found.rim_width_um, params.fleck_rim_um),
        ramp(found.beside.nuclear_share_around, params.fleck_room),
        ramp(found.beside.relation, params.fleck_nuclei),
    )


def _plasma(found: Evidence, params: ExamineParams) -> float:
    """One small cell of moderate stain and a single nucleus: a cap on one side of it, or weak beside a small one."""
    facts, high_od = found.beside, found.chromogen_high_od
    if facts.nucleus_um2 is None:
        return 0.0
    cap = all_of(
        ramp(facts.one_sided, params.one_sided),
        ramp(found.strokes.compactness, params.plasma_cap),
        ramp(high_od, params.form_od),
    )
    lymphoid = all_of(
        ramp(facts.nucleus_um2, params.lymphoid_um2),
        ramp(facts.one_sided, params.eccentric),
        ramp(high_od, params.lymphoid_od),
    )
    return all_of(
        max(cap, lymphoid),
        ramp(found.strokes.area_um2 + facts.nucleus_um2, params.plasma_area_um2),
        ramp(found.strokes.area_um2 / facts.nucleus_um2, params.plasma_stain),
        ramp(facts.rival, params.plasma_rival),
        ramp(high_od, params.moderate_od),
    )


def _haze(found: Evidence, params: ExamineParams) -> float:
    """A weak deposit without cells and without rims: a broad one, a strip at the border, a patch of background."""
    facts, high_od = found.around, found.chromogen_high_od
    drop = 0.0 if facts.rim_drop is None else facts.rim_drop
    towards_glass = 0.0 if facts.glass_gradient is None else ramp(facts.glass_gradient, params.haze_glass)
    limit = params.haze_without_glass + (1 - params.haze_without_glass) * towards_glass
    broad, border = (
        all_of(
            place,
            ramp(found.strokes.area_um2, params.haze_area_um2),
            ramp(drop, drops),
            ramp(facts.contrast, contrasts),
            ramp(high_od, ods),
        )
        for place, drops, contrasts, ods in (
            (limit, params.haze_drop, params.haze_contrast, params.haze_od),
            (float(found.is_at_border), params.border_drop, params.border_contrast, params.border_od),
        )
    )
    patch = 0.0
    if facts.chromogen_ratio is not None:
        patch = all_of(
            ramp(facts.chromogen_ratio, params.patch_chromogen),
            ramp(drop, params.patch_drop),
            ramp(high_od, params.patch_od),
        )
    return max(broad, border, patch)


def bridge_strength(
    diameter_um: float, mean_od: float, strong_share: float, threshold_od: float, params: ExamineParams
) -> float:
    """How likely a large sheet is one piece only by haze near the threshold, from the sums of its fragments.

    Parameters
    ----------
    diameter_um : float
        Of the cluster.
    mean_od : float
        Mean chromogen of its stained pixels.
    strong_share : float
        Share of its pixels that are strong.
    threshold_od : float
        From which a pixel is stained.
    params : ExamineParams

    Notes
    -----
    Sums average over a fragment: a sheet that is haze throughout is seen, two solid tumours joined by a
    narrow bridge are not; for those the size at the higher threshold, the lower end of the size interval, tells.

    Examples
    --------
    >>> bridge_strength(3000.0, 0.23, 0.01, 0.20, ExamineParams())
    1.0
    >>> bridge_strength(3000.0, 0.55, 0.60, 0.20, ExamineParams())
    0.0
    """
    return all_of(
        ramp(diameter_um, params.bridge_um),
        ramp(mean_od / threshold_od, params.bridge_od),
        ramp(strong_share, params.bridge_strong),
    )
