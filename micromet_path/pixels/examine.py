"""The second look: what a candidate is made of at level 0, and which flags that raises.

`pixels.evidence` measures one candidate in a crop, `flags_of` turns the measures into strengths, `examine` does
both. A strength is 0 to 1 and graded; 0.5 and more decides. Flags explain and order, they never delete, and
a false alarm on tumour is worse than a mimic that goes without its flag: every flag asks for several
independent signs at once and takes the weakest. The cheap signs are asked first; once one is missing, the dear ones
are not measured at all.
"""

from __future__ import annotations

from micromet_path.pixels.evidence import Evidence, View
from micromet_path.pixels.examine_params import ExamineParams, Signs, all_of, ramp, weakest
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
    "granular",
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
    return flags_of(Evidence(view, model, params), params)


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
        "granular": _granular(found, params),
        "plasma_like": _plasma(found, params),
        "edge_haze": _haze(found, params),
    }
    return {name: strengths[name] for name in FLAGS}


@weakest
def _pigment(found: Evidence, params: ExamineParams) -> Signs:
    """Black: neutral, and by more residual than brown over blue can have."""
    yield ramp(found.area_um2, params.colour_um2)
    yield ramp(found.hue.neutral_share, params.neutral_share)
    yield ramp(found.hue.residual - found.slide_hue.residual, params.neutral_residual)


@weakest
def _pigment_hue(found: Evidence, params: ExamineParams) -> Signs:
    """Another brown than the slide's, or more blue than brown, on densities that could be measured."""
    yield ramp(found.area_um2, params.colour_um2)
    yield ramp(found.hue.unsaturated_share, params.measurable)
    doubt = params.white_error / max(found.chromogen_od, params.white_error) if found.slide_hue.is_own else 0.0
    off_hue = off_hue_strength(found.hue.residual - doubt, found.hue.haematoxylin + doubt, found.slide_hue, params)
    yield off_hue if off_hue >= 1.0 else max(off_hue, _bluish(found, params))


@weakest
def _bluish(found: Evidence, params: ExamineParams) -> Signs:
    """Blue or grey rather than brown, nearly all of it: black grains too small for their colour, dark nuclei."""
    yield ramp(found.hue.haematoxylin, params.bluish_haematoxylin)
    yield ramp(found.beside.nuclear_share_inside, params.bluish_share)
    yield max(ramp(found.dyes_together, params.bluish_together), ramp(found.hue.neutral_share, params.bluish_neutral))


@weakest
def _blur(found: Evidence, params: ExamineParams) -> Signs:
    """Rims far softer than the optics that show the nuclei beside it."""
    yield ramp(found.rim_width_um, params.rim_width_um)
    optics_um = max(found.around_width_um or 0.0, _SHARP_OPTICS_UM)
    yield ramp(found.rim_width_um / optics_um, params.rim_ratio)


def _ink(found: Evidence, params: ExamineParams) -> float:
    """A colour that the dyes cannot make; or broad, dark, without structure, and black or another brown."""
    return max(ramp(found.hue.off_wedge_share, params.off_wedge_share), _uniform(found, params))


@weakest
def _uniform(found: Evidence, params: ExamineParams) -> Signs:
    """Broad, dark, without structure, and black or another brown; on glass, grey is black enough."""
    yield max(_pigment(found, params), _pigment_hue(found, params), _grey_on_glass(found, params))
    yield ramp(found.density_od, params.ink_od)
    yield ramp(found.around.deep_area_um2, params.broad_um2)
    yield ramp(found.around.contrast, params.ink_contrast)


@weakest
def _grey_on_glass(found: Evidence, params: ExamineParams) -> Signs:
    """Neutral, and hardly any tissue beside it: a line of a pen, whatever the slide's chromogen is like."""
    yield ramp(found.hue.neutral_share, params.neutral_share)
    yield ramp(found.around.glass_share, params.pen_glass)


def _fold(found: Evidence, params: ExamineParams) -> float:
    """Tissue that lies double: both dyes with it, or a veil of chromogen over it."""
    return max(_doubled(found, params), _veil(found, params))


@weakest
def _doubled(found: Evidence, params: ExamineParams) -> Signs:
    """Both dyes doubled against the tissue around, without a change of colour."""
    yield ramp(found.chromogen_high_od, params.fold_od)
    facts = found.around
    if facts.haematoxylin_ratio is None or facts.chromogen_ratio is None:
        yield 0.0
        return
    yield ramp(facts.haematoxylin_ratio, params.fold_density)
    yield ramp(facts.haematoxylin_ratio, params.fold_excess)
    yield ramp(facts.brownness_excess, params.fold_brownness)
    yield ramp(facts.chromogen_ratio, params.fold_chromogen)


@weakest
def _veil(found: Evidence, params: ExamineParams) -> Signs:
    """A band of even chromogen over more nuclei than the tissue has: the fold held reagent back."""
    yield ramp(found.view.elongation, params.veil_band)
    yield ramp(found.area_um2, params.veil_um2)
    yield ramp(found.chromogen_high_od, params.veil_od)
    yield ramp(found.around.contrast, params.veil_contrast)
    yield ramp(found.around.haematoxylin_ratio or 0.0, params.veil_blue)
    yield ramp(found.beside.nuclear_share_inside, params.veil_nuclei)
    yield ramp(found.darkest_cell_od / found.chromogen_high_od, params.haze_darkest)


@weakest
def _stellate(found: Evidence, params: ExamineParams) -> Signs:
    """Branching strokes without a body: thin throughout, in part and over other cells, of many branches, or a net."""
    strokes = found.strokes
    yield ramp(strokes.enclosed_ratio, params.enclosed)
    yield max(kind(found, params) for kind in (_thin, _partly_thin, _branched, _net))
    yield ramp(strokes.length_um, params.process_length_um)


@weakest
def _thin(found: Evidence, params: ExamineParams) -> Signs:
    """Strokes throughout, weak to moderate."""
    yield ramp(found.chromogen_od, params.moderate_od)
    yield ramp(found.chromogen_high_od, params.form_od)
    yield ramp(found.strokes.thin_share, params.thin_share)
    yield ramp(found.strokes.compactness, params.branching)


@weakest
def _partly_thin(found: Evidence, params: ExamineParams) -> Signs:
    """Strokes in part, as weak, that leave the nuclei of the tissue where they are, as what runs between them does."""
    yield ramp(found.chromogen_od, params.moderate_od)
    yield ramp(found.strokes.thin_share, params.partly_thin)
    yield ramp(found.strokes.compactness, params.partly_branching)
    ratio, around_od = found.around.haematoxylin_ratio, found.around.haematoxylin_around_od
    if ratio is None or around_od is None:
        yield 0.0
        return
    seeming = params.seeming_blue * found.chromogen_od / max(around_od, 0.02)
    yield ramp(ratio - seeming, params.overlay)
    yield ramp(around_od, params.overlay_around_od)


@weakest
def _branched(found: Evidence, params: ExamineParams) -> Signs:
    """Strokes in part, and a long outline, be they rather strong: neither files of cells nor torn membranes."""
    yield min(ramp(found.chromogen_od, params.branched_od), ramp(found.chromogen_od, params.branched_faint_od))
    yield ramp(found.strokes.thin_share, params.partly_thin)
    yield ramp(found.strokes.compactness, params.branched)


@weakest
def _net(found: Evidence, params: ExamineParams) -> Signs:
    """Strokes that cross each other and other cells: wider where they do, and of a longer outline than tumour has."""
    yield ramp(found.chromogen_od, params.moderate_od)
    yield ramp(found.chromogen_high_od, params.form_od)
    yield ramp(found.strokes.thin_share, params.net_thin)
    yield ramp(found.strokes.compactness, params.net_branching)
    yield ramp(found.strokes.width_um, params.net_width_um)
    yield ramp(found.around.haematoxylin_ratio or 0.0, params.net_overlay)


@weakest
def _precipitate(found: Evidence, params: ExamineParams) -> Signs:
    """Several dense sharp flecks smaller than cells that do not care where the nuclei are."""
    yield ramp(found.chromogen_high_od, params.fleck_od)
    yield ramp(found.strokes.largest_um2, params.fleck_area_um2)
    yield ramp(found.strokes.n_parts, params.fleck_count)
    yield ramp(found.strokes.size_spread, params.fleck_spread)
    yield ramp(found.rim_width_um, params.fleck_rim_um)
    yield ramp(found.beside.nuclear_share_around, params.fleck_room)
    yield ramp(found.beside.relation, params.fleck_nuclei)


@weakest
def _granular(found: Evidence, params: ExamineParams) -> Signs:
    """Coarse granules, as many as fill cells: haemosiderin in macrophages, when it is as brown as the chromogen."""
    yield ramp(found.area_um2, params.granular_um2)
    yield ramp(found.area_um2, params.granular_most_um2)
    yield ramp(found.strokes.largest_um2, params.granular_part_um2)
    yield ramp(found.granularity.roundness, params.granular_round)
    yield ramp(found.granularity.depth, params.granular_depth)


@weakest
def _plasma(found: Evidence, params: ExamineParams) -> Signs:
    """One small cell of moderate stain and a single nucleus: a cap on one side of it, or weak beside a small one."""
    high_od = found.chromogen_high_od
    yield ramp(high_od, params.moderate_od)
    yield ramp(found.area_um2, params.plasma_area_um2)
    facts = found.beside
    if facts.nucleus_um2 is None:
        yield 0.0
        return
    yield ramp(found.area_um2 + facts.nucleus_um2, params.plasma_area_um2)
    yield ramp(found.area_um2 / facts.nucleus_um2, params.plasma_stain)
    yield ramp(facts.rival, params.plasma_rival)
    lymphoid = all_of(
        ramp(facts.nucleus_um2, params.lymphoid_um2),
        ramp(facts.one_sided, params.eccentric),
        ramp(high_od, params.lymphoid_od),
    )
    yield max(lymphoid, _cap(found, params))


@weakest
def _cap(found: Evidence, params: ExamineParams) -> Signs:
    """Stain on one side of a nucleus."""
    yield ramp(found.chromogen_high_od, params.form_od)
    yield ramp(found.beside.one_sided, params.one_sided)
    yield ramp(found.strokes.compactness, params.plasma_cap)


@weakest
def _haze(found: Evidence, params: ExamineParams) -> Signs:
    """A deposit without cells and without rims: a broad one, a strip or a dried rim at the border, a patch."""
    yield max(kind(found, params) for kind in (_broad, _strip, _dried, _patch))
    yield ramp(found.darkest_cell_od / found.chromogen_high_od, params.haze_darkest)


@weakest
def _broad(found: Evidence, params: ExamineParams) -> Signs:
    """A broad sheet, the more surely the nearer to glass it is darker."""
    yield ramp(found.area_um2, params.haze_area_um2)
    yield ramp(found.chromogen_high_od, params.haze_od)
    facts = found.around
    yield ramp(facts.rim_drop or 0.0, params.haze_drop)
    yield ramp(facts.contrast, params.haze_contrast)
    towards_glass = 0.0 if facts.glass_gradient is None else ramp(facts.glass_gradient, params.haze_glass)
    yield params.haze_without_glass + (1 - params.haze_without_glass) * towards_glass


@weakest
def _strip(found: Evidence, params: ExamineParams) -> Signs:
    """A strip at the border of the tissue."""
    yield float(found.is_at_border)
    yield ramp(found.area_um2, params.haze_area_um2)
    yield ramp(found.chromogen_high_od, params.border_od)
    yield ramp(found.around.rim_drop or 0.0, params.border_drop)
    yield ramp(found.around.contrast, params.border_contrast)


@weakest
def _dried(found: Evidence, params: ExamineParams) -> Signs:
    """A rim at the border that is darker, and darker towards glass: there the section dried."""
    yield float(found.is_at_border)
    yield ramp(found.area_um2, params.haze_area_um2)
    yield ramp(found.chromogen_high_od, params.dried_od)
    yield 0.0 if found.around.rim_drop is None else ramp(found.around.rim_drop, params.dried_drop)
    yield ramp(found.around.contrast, params.border_contrast)
    yield 0.0 if found.around.glass_gradient is None else ramp(found.around.glass_gradient, params.dried_glass)


@weakest
def _patch(found: Evidence, params: ExamineParams) -> Signs:
    """A patch of background hardly browner than what is around."""
    yield ramp(found.chromogen_high_od, params.patch_od)
    if found.around.chromogen_ratio is None:
        yield 0.0
        return
    yield ramp(found.around.chromogen_ratio, params.patch_chromogen)
    yield ramp(found.around.rim_drop or 0.0, params.patch_drop)


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
