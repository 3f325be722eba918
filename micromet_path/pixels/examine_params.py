"""At what evidence a second look starts to doubt, and from where on it is sure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import wraps
from math import isfinite
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["ExamineParams", "Ramp", "Signs", "all_of", "check_values", "ramp", "ramps", "weakest"]

P = ParamSpec("P")

Signs = Iterator[float]
"""Strengths of the signs that a flag asks for at once."""

Ramp = tuple[float, float]
"""Where a strength is 0 and where it is 1; linear between, 0.5 half-way. The second may be the smaller one."""


@dataclass(frozen=True, slots=True)
class ExamineParams:
    """Ramps from evidence to the strength of a flag, each a pair: 0 at the first value, 1 at the second.

    All lengths are microns on the section and all densities decadic. The numbers come from optics, colour
    and the size of cells, not from a set of slides.

    Parameters
    ----------
    neutral_deg : Ramp
        Angle of a pixel's density from grey. Carbon absorbs all wavelengths alike (0 degrees), Ruifrok's
        DAB stands 21 degrees off, and DAB so dark that the camera saturates still 7.
    neutral_share : Ramp
        Share of the stain that is neutral; a black grain on a brown cell must not decide for the cell.
    neutral_residual : Ramp
        Residual over chromogen above the slide's own. Brown over blue may be grey too, but its residual is that
        of the two dyes; black has 0.27 over Ruifrok's, 0.07 to 0.2 more than real dyes.
    melanin_residual : Ramp
        Residual over chromogen *above* that of the slide's own DAB. Melanin absorbs as about the -2nd to
        -3.5th power of the wavelength (Jacques 1998), which is flatter between red and green than DAB:
        0.12 to 0.16 above Ruifrok's vector. The DAB of real slides lies 0.08 to 0.10 above that vector, so
        that without a hue of the slide 0.05 is taken for it and `unknown_hue` is added to both ends.
    own_residual : Ramp
        The same where the vectors are the slide's own. The brown cells of a real slide lie from 0.04 below to 0.025
        above; haemosiderin as drawn after its spectrum lies 0.05 above.
    white_error : float
        Density by which the white point may be off, which tells the more of a hue the weaker the stain is.
    golden_haematoxylin : Ramp
        Haematoxylin over chromogen *below* that of the slide's DAB, negative where red is hardly absorbed.
        Ferric pigment absorbs blue and green (-0.2 to -0.35); unsaturated DAB reaches -0.12.
    bluish_haematoxylin : Ramp
        Haematoxylin over chromogen of what is more blue than brown. Weak chromogen over the nuclei of a thick section
        reaches 0.9, cells of little cytoplasm 2.
    bluish_share : Ramp
        Share of the stain that is as blue as nuclei, for the same.
    bluish_together : Ramp
        Correlation of both dyes over the stain, for the same. A tumour cell is brown where it is not blue; in what is
        black both seem to rise and fall together.
    bluish_neutral : Ramp
        Share of the stain that is neutral, which tells as well: colours are out of step on some scanners.
    colour_um2 : Ramp
        Area of the stain from which its colour is believed: compression keeps colour in blocks of 16 pixels.
    unknown_hue : float
        Added to the ends of `melanin_residual` where the slide's own hue is not known.
    measurable : Ramp
        Share of the stain that the camera did not saturate; below it no hue is read.
    off_wedge : Ramp
        Residual over total density, either sign, of a pixel whose colour no mixture of the two dyes
        gives. Green ink has 0.6, red -0.4; grey 0.13; DAB of any laboratory less.
    off_wedge_share : Ramp
        Share of the stain with such a colour.
    rim_width_um : Ramp
        Width (standard deviation) of the sharpest edges of the stain. A 0.5 aperture and a section of
        4 um give 0.6 to 1 um; dust on the coverslip, 100 um above, or stain of another plane 3 um and more.
    rim_ratio : Ramp
        The same over the width of nuclear edges around: a scan that is soft everywhere blames no object.
    fold_density : Ramp
        Haematoxylin in the stain over that of the tissue around. Two layers have twice the dye.
    fold_excess : Ramp
        The same at its upper end, falling: no fold has four layers.
    fold_brownness : Ramp
        By how much the chromogen's share of both dyes exceeds that around. Layers add without a change of
        colour; what antibody bound to is browner than its surroundings by 0.4 and more.
    fold_chromogen : Ramp
        Chromogen in the stain over that of the tissue around, falling; it doubles as well.
    fold_od : Ramp
        90th percentile of chromogen, falling: a background that is not stained once reaches 0.4 twice.
    thin_share : Ramp
        Share of the (closed and filled) stain in strokes thinner than `stroke_um`.
    stroke_um : float
        Processes of dendritic and reticulum cells are 1 to 2 um thick; no cell body with a nucleus is thinner than 5.
    branching : Ramp
        Compactness ``4 pi area / perimeter**2`` of the largest part, falling. A disc has 1; four processes
        of 10 x 1.5 um have 0.12.
    partly_thin, partly_branching : Ramp
        The same two of what also leaves the haematoxylin of the tissue as it is (`overlay`), which no cell body does.
    branched, branched_od, branched_faint_od : Ramp
        ``4 pi area / perimeter**2`` and median chromogen, both falling, of what is thin in part (`partly_thin`): a body
        with five processes has 0.1. So has a file of fifteen cells, but nothing of that is thin; and so have torn
        membranes, on a real slide of 0.3 to 0.4 OD, which is why it must be more, rising.
    net_thin, net_branching, net_width_um, net_overlay : Ramp
        Thin share, ``4 pi area / perimeter**2`` and mean width, both falling, of processes that cross each other: nets
        have 0.02 to 0.05 at 4 to 7 um; tumour as ragged is 10 um wide and more, torn membranes of a real slide 0.11.
        And haematoxylin in them over that of the tissue around: nets have 0.75 and more, frayed tumour up to 0.7.
    enclosed : Ramp
        Area of holes over that of the form, falling: processes end freely, a membrane goes round.
    process_length_um : Ramp
        Area over stroke width: how long the strokes are in all. A torn membrane is shorter.
    form_od : Ramp
        90th percentile of chromogen from which a form is taken at its word: weak stain, cut near its
        threshold and compressed, frays into strokes that are not there.
    moderate_od : Ramp
        Median chromogen, falling: reticulum and plasma cells stain weakly to moderately.
    fleck_area_um2 : Ramp
        Area of the largest part, falling: precipitate is smaller than a carcinoma cell (120 um2 and more).
    fleck_count : Ramp
        Number of parts. One dark fleck may be a cell of which the knife took the rim; several are a habit.
    fleck_spread : Ramp
        Standard deviation of the logarithm of the parts' areas: precipitate is 1 to 20 um, dots of keratin
        are all 2 to 4 um across (0.4).
    fleck_od : Ramp
        90th percentile of chromogen: polymerised DAB is dense.
    fleck_rim_um : Ramp
        Rim width, falling: a grain has an edge, a cytoplasm fades.
    fleck_nuclei : Ramp
        Nuclear share within 2 um of the flecks over that of the tissue, falling: dots of keratin lie at
        nuclei, precipitate anywhere.
    fleck_room : Ramp
        Nuclear share of the tissue around, falling: where nuclei touch, chance cannot be told from relation.
    granular_um2, granular_most_um2 : Ramp
        Area of the stain, rising and falling: of less the grain of a scan looks the same, and macrophages lie by the
        handful.
    granular_part_um2 : Ramp
        Area of the largest part: granules that fill a cell run together, dots of keratin lie one in a cell.
    granular_round, granular_depth : Ramp
        Of its granules, as `Granularity`. Drawn haemosiderin has 0.20 to 0.26 and 0.09 to 0.19, drawn tumour up to 0.20
        and 0.07, and the stained cells of a real slide up to 0.20 and 0.11, but hardly any both.
    one_sided : Ramp
        Length of the mean direction from a nucleus to the stain within 4 um of it: 0 for a ring, 0.64 for half a ring.
    plasma_area_um2 : Ramp
        Area of stain and nucleus together, falling: a plasma cell is 8 to 15 um across, 12 as a rule.
    plasma_stain : Ramp
        Stain over nuclear area: the cytoplasm of a plasma cell is as large as its nucleus.
    plasma_cap : Ramp
        Compactness of the stain, falling: a cap is hollow where the nucleus lies, a whole cell is round.
    lymphoid_um2 : Ramp
        Area of the nucleus, falling: that of a lymphocyte or plasma cell is 5 to 6 um across, a carcinoma cell's 7
        and more.
    eccentric : Ramp
        As `one_sided`, for a small nucleus: it lies to one side.
    lymphoid_od : Ramp
        90th percentile of chromogen, falling: what antibody binds to in plasma cells is little.
    plasma_rival : Ramp
        Contact with the second nucleus over contact with the first, falling: a fleck between lymphocytes
        touches several.
    haze_area_um2 : Ramp
        Area of the stain: haze lies over several cells.
    haze_contrast : Ramp
        Variation of chromogen at the scale of cells (1 to 6 um) over its mean, falling. Nuclei that stay free
        of keratin, and membranes, give 0.25 and more; a deposit without cells gives noise.
    haze_od : Ramp
        95th percentile of chromogen, falling.
    haze_drop : Ramp
        By how much of itself the chromogen falls within 10 um across a rim towards tissue, falling. A cell ends
        within 2 um, drying fades over tens.
    haze_glass : Ramp
        Minus the correlation of chromogen with distance from bare glass.
    patch_chromogen, patch_od, patch_drop : Ramp
        Chromogen over that of the tissue around, its 90th percentile and the loss at rims, all falling, of a patch of
        uneven background: hardly stronger than what lies around, and without an edge anywhere. Weak cells on clean
        tissue have 10 times its chromogen and lose 0.6 and more.
    border_contrast, border_od, border_drop : Ramp
        The same three for what lies on the border of the tissue, where stain gathers in a strip too narrow for its
        inside to be told from its rims: less is asked of the contrast, more of the other two.
    dried_od, dried_drop, dried_glass : Ramp
        The 90th percentile, the loss at rims and the gradient towards glass of what may be stronger, but fades inwards
        as only what dried does: foci at the border lose 0.7 and more, or are no darker on that side.
    veil_band, veil_um2, veil_od, veil_contrast : Ramp
        Of a band of chromogen over tissue, as a fold holds back: its extent squared over its filled area, its area,
        its 90th percentile, falling, and its variation at the scale of cells over the mean, falling.
    veil_blue, veil_nuclei : Ramp
        Haematoxylin of it over that of the tissue around, and share of it that is nuclei: a fold shows those of two
        layers. Most tumour of that size has up to 0.6 and 0.2; bands of small dark nuclei under a film of weak stain
        reach 1.4 and 0.5, and are taken for folds.
    haze_darkest : Ramp
        What of a cell's size is darkest over the 90th percentile, falling, of all kinds of haze: up to 1.5, where the
        grain of a broad one is darkest; cells in it stand out by more.
    haze_without_glass : float
        Strength that haze can reach where no gradient towards glass is seen.
    fringe_share, fringe_left_um2 : Ramp
        Share of the stain of a fragment that is gone once the colours lie on each other, and area, falling, that stays
        stained: of crescents beside nuclei 0.9 and 3 um2, of weak cells among them 0.6, but 60 um2 and more.
    bare_share : Ramp
        Share of a sheet that shows no nucleus.
    bare_sheet_um2 : Ramp
        Area from which a section must show one: a sheet of seven to thirteen cells.
    clear_od : Ramp
        90th percentile of chromogen, falling, up to which nuclei show through it.
    flake_um2, flake_bare, flake_glass : Ramp
        Area of a stain on the border, share of it without a nucleus, and share of bare glass next to it, from which
        it is a flake of ink: a focus that reaches the border has tissue on its other side, and nuclei. A cell of loose
        tissue lies on glass as well, so less than a handful of cells is no flake.
    layer_deep : Ramp
        Share of a stain on the border that lies further than 10 um inside, falling, of a layer of ink (0.4 and less);
        of foci below the capsule from 0.1 mm on more than half does.
    coat_bare, coat_deep : Ramp
        Share of a stain without a nucleus, and, falling, further than 10 um inside, of a coat of ink; of a node full of
        tumour nearly all is.
    bare_rim_um : Ramp
        Rim width, falling: where a rim is as wide as a nucleus, none could be seen.
    bare_piece_um2 : Ramp
        Area, falling, of what may be a cell whose nucleus the section missed.
    bare_piece : float
        Strength that the lack of any nucleus can reach in what is no sheet.
    red_cell_od : Ramp
        Chromogen that as much as a small cell exceeds, falling: haemoglobin and what peroxidase is left in it reach
        0.35, the weakest chromogen that can be told from them has more. Nothing that faint hides a nucleus.
    red_cell_share : Ramp
        The same over that of the cores of what is stained on the slide, falling: as of `pale_share`.
    red_cell_glass : Ramp
        Share of bare glass in what lies next to it: a vessel or a sinus is open.
    red_cell_um2 : Ramp
        Area, falling: a broad faint sheet is haze.
    red_cell_nuclei : Ramp
        Share of the view beside it that is nuclei: where these do not show, the lack of them tells nothing.
    red_cell_count : Ramp
        Other candidates on the slide that look like them, for one that is too small to miss its nuclei.
    lake_um2, lake_bare, lake_od, lake_nuclei : Ramp
        Area, share of it without a nucleus, chromogen that as much as a small cell exceeds, falling, and nuclear share
        next to it over that further off, falling, of what is red cells for lack of nuclei alone: as much as 25 to 50
        tumour cells, through the stain of which nuclei would show, and beside which others lie as dense as anywhere.
    leucocyte_um2, leucocyte_least_um2 : Ramp
        Area of the hull of a cell, falling: a disc of 11 um is an eosinophil or a plasma cell. Most profiles of
        carcinoma cells are larger; those of small lobular cells, and what the knife grazed, are not. And the area from
        which it is a cell, not a speck.
    leucocyte_count, leucocyte_share : Ramp
        How many groups of fragments are that small, and which share of what is no speck: where tumour cells lie apart a
        few are cut so that they look small, half of them are not.
    leucocyte_group_um2 : Ramp
        Filled area, falling, of what may be some of them side by side.
    overlay : Ramp
        Haematoxylin in the stain over that of the tissue around. A cell pushes the nuclei of the node aside and
        its cytoplasm has none (0.1 to 0.6); processes between them leave them as they are (1).
    seeming_blue : float
        Haematoxylin that pure chromogen seems to hold, as a share of it: light from beside a dark grain makes its
        colour greyer. It is taken off before the ratio is judged.
    overlay_around_od : Ramp
        Haematoxylin around, for that ratio to mean anything.
    alone : Ramp
        Share of the view that is nuclei, falling, of what has none itself: carcinoma cells lie among others.
    broad_um2 : Ramp
        Area of the stain further than 10 um inside, for ink.
    ink_contrast : Ramp
        Variation at the scale of cells over the mean, falling: nothing lies inside ink.
    pen_glass : Ramp
        Share of bare glass next to what is neutral and ink for that.
    ink_od : Ramp
        Median density (mean of the three colours) of black or brown-black ink.
    pale_share : Ramp
        Mean chromogen over that of the cores of what is stained on the slide, falling: plasma and reticulum cells
        have a third of it, most carcinoma cells two thirds and more.
    usual_strength_od : float
        What is taken for the latter where the slide does not tell: few cells of it, or none, have some strength.
    pale_um2 : Ramp
        Area, falling, up to which that makes a cluster doubtful: a larger one shows more than its strength.
    bridge_um : Ramp
        Diameter from which a sheet may be one only by haze.
    bridge_od : Ramp
        Mean chromogen over the threshold, falling.
    bridge_strong : Ramp
        Share of strong pixels, falling.
    """

    neutral_deg: Ramp = (7.0, 4.0)
    neutral_share: Ramp = (0.35, 0.65)
    neutral_residual: Ramp = (0.03, 0.08)
    melanin_residual: Ramp = (0.04, 0.10)
    own_residual: Ramp = (0.025, 0.055)
    white_error: float = 0.005
    golden_haematoxylin: Ramp = (-0.12, -0.22)
    bluish_haematoxylin: Ramp = (1.0, 1.4)
    bluish_share: Ramp = (0.5, 0.7)
    bluish_together: Ramp = (0.2, 0.55)
    bluish_neutral: Ramp = (0.08, 0.20)
    colour_um2: Ramp = (8.0, 16.0)
    unknown_hue: float = 0.01
    measurable: Ramp = (0.1, 0.3)
    off_wedge: Ramp = (0.18, 0.30)
    off_wedge_share: Ramp = (0.30, 0.60)
    rim_width_um: Ramp = (1.8, 2.8)
    rim_ratio: Ramp = (1.5, 2.2)
    fold_density: Ramp = (1.3, 1.7)
    fold_excess: Ramp = (4.0, 3.0)
    fold_brownness: Ramp = (0.40, 0.20)
    fold_chromogen: Ramp = (5.0, 3.0)
    fold_od: Ramp = (0.75, 0.55)
    thin_share: Ramp = (0.40, 0.70)
    stroke_um: float = 2.5
    branching: Ramp = (0.25, 0.12)
    partly_thin: Ramp = (0.15, 0.35)
    partly_branching: Ramp = (0.35, 0.20)
    branched: Ramp = (0.24, 0.16)
    branched_od: Ramp = (1.05, 0.85)
    branched_faint_od: Ramp = (0.40, 0.50)
    net_thin: Ramp = (0.14, 0.22)
    net_branching: Ramp = (0.08, 0.05)
    net_width_um: Ramp = (10.0, 7.5)
    net_overlay: Ramp = (0.6, 0.8)
    enclosed: Ramp = (1.0, 0.5)
    process_length_um: Ramp = (15.0, 30.0)
    form_od: Ramp = (0.32, 0.42)
    moderate_od: Ramp = (0.9, 0.6)
    fleck_area_um2: Ramp = (150.0, 100.0)
    fleck_count: Ramp = (2.0, 4.0)
    fleck_spread: Ramp = (0.45, 0.70)
    fleck_od: Ramp = (0.6, 0.9)
    fleck_rim_um: Ramp = (1.4, 1.0)
    fleck_nuclei: Ramp = (2.2, 1.4)
    fleck_room: Ramp = (0.5, 0.3)
    granular_um2: Ramp = (60.0, 90.0)
    granular_most_um2: Ramp = (6000.0, 3000.0)
    granular_part_um2: Ramp = (25.0, 45.0)
    granular_round: Ramp = (0.185, 0.205)
    granular_depth: Ramp = (0.08, 0.105)
    one_sided: Ramp = (0.45, 0.75)
    plasma_area_um2: Ramp = (150.0, 110.0)
    plasma_stain: Ramp = (0.3, 0.7)
    plasma_cap: Ramp = (0.90, 0.80)
    lymphoid_um2: Ramp = (34.0, 26.0)
    eccentric: Ramp = (0.10, 0.25)
    lymphoid_od: Ramp = (0.60, 0.45)
    plasma_rival: Ramp = (0.8, 0.4)
    haze_area_um2: Ramp = (200.0, 500.0)
    haze_contrast: Ramp = (0.24, 0.15)
    haze_od: Ramp = (0.8, 0.5)
    haze_drop: Ramp = (0.72, 0.52)
    haze_glass: Ramp = (0.2, 0.6)
    dried_od: Ramp = (0.85, 0.65)
    dried_drop: Ramp = (0.72, 0.62)
    dried_glass: Ramp = (0.15, 0.30)
    veil_band: Ramp = (8.0, 14.0)
    veil_um2: Ramp = (1000.0, 2000.0)
    veil_od: Ramp = (0.75, 0.6)
    veil_contrast: Ramp = (0.34, 0.24)
    veil_blue: Ramp = (0.8, 1.1)
    veil_nuclei: Ramp = (0.35, 0.50)
    haze_darkest: Ramp = (2.0, 1.6)
    haze_without_glass: float = 0.75
    patch_chromogen: Ramp = (4.0, 3.0)
    patch_od: Ramp = (0.40, 0.34)
    patch_drop: Ramp = (0.58, 0.45)
    border_contrast: Ramp = (0.38, 0.28)
    border_od: Ramp = (0.50, 0.38)
    border_drop: Ramp = (0.64, 0.50)
    fringe_share: Ramp = (0.35, 0.6)
    fringe_left_um2: Ramp = (20.0, 10.0)
    bare_share: Ramp = (0.5, 0.7)
    bare_sheet_um2: Ramp = (800.0, 1600.0)
    clear_od: Ramp = (1.5, 1.1)
    flake_um2: Ramp = (400.0, 700.0)
    flake_bare: Ramp = (0.40, 0.55)
    flake_glass: Ramp = (0.30, 0.42)
    layer_deep: Ramp = (0.60, 0.45)
    coat_bare: Ramp = (0.75, 0.90)
    coat_deep: Ramp = (0.85, 0.65)
    bare_rim_um: Ramp = (2.5, 1.5)
    bare_piece_um2: Ramp = (900.0, 600.0)
    bare_piece: float = 0.6
    red_cell_od: Ramp = (0.42, 0.34)
    red_cell_share: Ramp = (0.70, 0.55)
    red_cell_glass: Ramp = (0.15, 0.30)
    red_cell_um2: Ramp = (30_000.0, 15_000.0)
    red_cell_nuclei: Ramp = (0.02, 0.06)
    red_cell_count: Ramp = (4.0, 10.0)
    lake_um2: Ramp = (3000.0, 6000.0)
    lake_bare: Ramp = (0.90, 0.97)
    lake_od: Ramp = (0.45, 0.35)
    lake_nuclei: Ramp = (0.50, 0.25)
    leucocyte_um2: Ramp = (125.0, 95.0)
    leucocyte_least_um2: Ramp = (30.0, 50.0)
    leucocyte_count: Ramp = (6.0, 12.0)
    leucocyte_share: Ramp = (0.45, 0.60)
    leucocyte_group_um2: Ramp = (500.0, 350.0)
    overlay: Ramp = (0.60, 0.90)
    seeming_blue: float = 0.12
    overlay_around_od: Ramp = (0.10, 0.20)
    alone: Ramp = (0.03, 0.005)
    broad_um2: Ramp = (600.0, 1800.0)
    ink_contrast: Ramp = (0.16, 0.08)
    pen_glass: Ramp = (0.5, 0.7)
    ink_od: Ramp = (0.5, 0.8)
    pale_share: Ramp = (0.50, 0.36)
    usual_strength_od: float = 0.8
    pale_um2: Ramp = (600.0, 400.0)
    bridge_um: Ramp = (1500.0, 2500.0)
    bridge_od: Ramp = (1.5, 1.2)
    bridge_strong: Ramp = (0.2, 0.05)

    def __post_init__(self) -> None:
        check_values(self, "examine")
        if not 0 < self.stroke_um <= 5:
            raise ConfigError(f"examine.stroke_um must lie above 0 and not above 5 um, found {self.stroke_um}")
        if not 0.1 <= self.usual_strength_od <= 3:
            raise ConfigError(f"examine.usual_strength_od must lie between 0.1 and 3, found {self.usual_strength_od}")
        for name in ("haze_without_glass", "bare_piece"):
            if getattr(self, name) > 1:
                raise ConfigError(f"examine.{name} must not exceed 1, found {getattr(self, name)}")

    def strength_of(self, told_od: float | None) -> float:
        """Chromogen in the cores of what is stained: what a slide tells, or the usual where it does not."""
        return self.usual_strength_od if told_od is None else told_od


def check_values(record: DataclassInstance, section: str) -> None:
    """Refuse a ramp that is none, and a number that is below 0 or not finite.

    Parameters
    ----------
    record : dataclass
        Of ramps and numbers.
    section : str
        Its name in the configuration.

    Raises
    ------
    ConfigError
        Naming the value.
    """
    for item in fields(record):
        value = getattr(record, item.name)
        if isinstance(value, tuple):
            if not (len(value) == 2 and all(map(isfinite, value)) and value[0] != value[1]):
                raise ConfigError(f"{section}.{item.name} must be two different finite values, found {value}")
        elif not (isfinite(value) and value >= 0):
            raise ConfigError(f"{section}.{item.name} must be a finite value of 0 or more, found {value}")


def ramp(value: float, ends: Ramp) -> float:
    """Strength of a value: 0 at the first end and beyond, 1 at the second and beyond, linear between.

    Examples
    --------
    >>> [ramp(width, (2.0, 4.0)) for width in (1.0, 3.0, 5.0)]
    [0.0, 0.5, 1.0]
    >>> ramp(0.5, (1.0, 0.0))
    0.5
    """
    start, end = ends
    return min(max((float(value) - start) / (end - start), 0.0), 1.0)


def ramps(values: NDArray[Any], ends: Ramp) -> NDArray[np.float64]:
    """Strength of each of many values, as `ramp` gives it.

    Examples
    --------
    >>> ramps(np.array([1.0, 3.0, 5.0]), (2.0, 4.0))
    array([0. , 0.5, 1. ])
    """
    start, end = ends
    return np.clip((values - start) / (end - start), 0.0, 1.0)


def all_of(*strengths: float) -> float:
    """What holds only when every condition does: the weakest one."""
    return min(strengths)


def weakest(signs: Callable[P, Signs]) -> Callable[P, float]:
    """Make a function that yields signs one that gives the weakest of them; after a 0 no further sign is asked for."""

    @wraps(signs)
    def strength(*args: P.args, **kwargs: P.kwargs) -> float:
        least = 1.0
        for sign in signs(*args, **kwargs):
            least = min(least, sign)
            if least <= 0.0:
                break
        return least

    return strength
