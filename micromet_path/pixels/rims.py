"""Dried rims: brown that lies over tissue near bare glass and fades away from it, with no cells of its own.

Where a section dries, or reagent is held back under its border, chromogen is laid down over whatever is there: along
the border, around holes and tears. Three things tell it from tumour that reaches the glass, place by place. The brown
falls with the distance from glass, in the tissue as a whole. It falls within what is stained too, where a file of cells
is as dark on its inner side. And it either leaves the nuclei of the tissue as dense as they are beside it, where tumour
brings its own and pushes the others aside; or it is smooth, where a sheet of cells shows their outlines and nuclei.
What holds all nuclei of the tissue need not fall within: it may be as dark throughout.

What it cannot tell is tumour over which a strong rim dried: that is left out with the rim, and named with it.

A picture is reduced to cells of some 4 um first; all that is asked of a place is asked of the cells around it, so that
no window in which it is looked at changes the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.examine_params import Ramp, check_values, ramps
from micromet_path.pixels.planes import chromogen_of, density_of, haematoxylin_of
from micromet_path.pixels.shape import closed, dilated, distance_um, opened, smoothed
from micromet_path.pixels.stain import StainModel

__all__ = [
    "CELL_PX",
    "DEEPEST_UM",
    "GLASS_OD",
    "PICTURE_UM",
    "REACH_UM",
    "CellSums",
    "RimParams",
    "rim_cells",
    "rim_strength",
    "sum_cells",
]

Mask = NDArray[np.bool_]
Map = NDArray[np.float64]
CellSums = NDArray[np.float64]
"""(8, M, N): means over each cell, see `sum_cells`."""

PICTURE_UM = 1.0
"""Spacing of the picture that is reduced: nuclei show at it."""

CELL_PX = 4
"""Pixels of that picture along the side of a cell."""

DEEPEST_UM = 120.0
"""A rim is rarely wider; what lies deeper is not told by its distance from glass."""

GLASS_OD = 0.05
"""Mean density below which nothing lies on the glass, as in `surroundings`: the palest stroma has 0.07."""

_PLACE_UM = 16.0  # around a place: some twenty lymphocytes, or a nest of a few cells
_FALL_UM = 40.0  # around a place in which the fall is sought: rims are 10 to 80 um wide
_GRAIN_UM = 6.0  # within this brown varies by cells, not by depth
REACH_UM = DEEPEST_UM + 3 * _FALL_UM + 140.0
"""How far what is said of a place depends on what lies around it."""

_GLASS_SOFT_UM = 3.0
_GLASS_RADIUS_UM = 8.0  # a crack or an open capillary is no glass from which a section dries
_EDGE_UM = 4.0  # the light of the border itself
_SHEET = 0.25  # of a cell that is stained
_HELD = 0.01  # stained share around a place below which nothing is said of it
_SPECKLE_UM = 20.0  # what is left within a rim, narrower than this, is one with it
_THIN_UM = 6.0
_GOES_ON, _GOES_ON_UM = 0.6, 40.0  # of the deciding strength, so far from where that is reached


@dataclass(frozen=True, slots=True)
class RimParams:
    """When brown near glass is a dried rim; ramps as in `examine_params`, section ``[rims]`` of the configuration.

    Parameters
    ----------
    towards_glass : Ramp
        Minus the correlation of chromogen with distance from glass, in all tissue around. Tumour at the border has from
        -0.6 to 0.3, since it ends at the glass and not in it; single small nests there reach 0.6.
    within : Ramp
        The same in what is stained alone, close by: a file of cells along the glass has -0.1 to 0.05.
    overlay_nuclei : Ramp
        Nuclear share of what is stained over that of the tissue beside it. Keratin leaves out the nucleus of
        a thin section: 0.02 to 0.2.
    overlay_blue : Ramp
        Mean haematoxylin of what is stained over that beside it, likewise.
    full_overlay_nuclei, full_overlay_blue : Ramp
        Both of what need not fall within the stain: all nuclei of the tissue are there.
    nuclei_beside : Ramp
        Nuclear share of the tissue beside, for both to mean anything.
    smooth : Ramp
        Variation of chromogen at the scale of cells over its mean, falling, of what has no nuclei to tell by.
    smooth_towards_glass : Ramp
        As ``towards_glass``, for the same.
    smooth_nuclei : Ramp
        As ``overlay_nuclei``, for the same where nuclei lie beside it: pale or soft tumour is smooth too.
    least_um2 : float
        Stain close together from which it is looked at.
    least_blue : float
        Haematoxylin over chromogen of a fragment that is looked at: most tumour has less.
    long_um, narrow_um : float
        Half as much is enough of one that is as long, and on the whole as narrow or narrower: its area over its length.
    """

    towards_glass: Ramp = (0.3, 0.5)
    within: Ramp = (0.0, 0.2)
    overlay_nuclei: Ramp = (0.14, 0.26)
    overlay_blue: Ramp = (0.32, 0.44)
    full_overlay_nuclei: Ramp = (0.45, 0.65)
    full_overlay_blue: Ramp = (0.55, 0.75)
    nuclei_beside: Ramp = (0.08, 0.16)
    smooth: Ramp = (0.40, 0.28)
    smooth_towards_glass: Ramp = (0.5, 0.7)
    smooth_nuclei: Ramp = (0.10, 0.25)
    least_um2: float = 300.0
    least_blue: float = 0.2
    long_um: float = 300.0
    narrow_um: float = 150.0

    def __post_init__(self) -> None:
        check_values(self, "rims")


def sum_cells(
    rgb: NDArray[np.uint8], model: StainModel, threshold_od: float, nuclear_od: float, spacing: PixelSpacing
) -> CellSums:
    """Reduce a picture to cells of `CELL_PX` pixels.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Whole cells, at about `PICTURE_UM`.
    model : StainModel
    threshold_od : float
        Chromogen from which a pixel is stained.
    nuclear_od : float
        Haematoxylin from which it is nuclear.
    spacing : PixelSpacing

    Returns
    -------
    ndarray of shape (8, M / CELL_PX, N / CELL_PX)
        Means over each cell of: stained, nuclear and stained, nuclear, haematoxylin of what is stained, haematoxylin,
        chromogen, its square, density.
    """
    chromogen, haematoxylin = chromogen_of(rgb, model), haematoxylin_of(rgb, model)
    stained = chromogen >= threshold_od
    nuclear = smoothed(haematoxylin, 0.7, spacing) >= nuclear_od
    soft = smoothed(chromogen, 1.0, spacing)
    planes = (
        stained,
        nuclear & stained,
        nuclear,
        haematoxylin * stained,
        haematoxylin,
        soft,
        soft * soft,
        density_of(rgb, model) / 3,
    )
    return np.stack([_cell_means(plane) for plane in planes])


def _cell_means(plane: NDArray[Any]) -> Map:
    """Means of whole cells: rows are added first, along memory, which takes a fifth of numpy's mean of both axes."""
    rows, columns = plane.shape
    lines = plane.reshape(rows // CELL_PX, CELL_PX, columns).sum(axis=1)
    return np.asarray(sum(lines[:, first::CELL_PX] for first in range(CELL_PX)) / CELL_PX**2)


def rim_strength(sums: CellSums, pitch: PixelSpacing, params: RimParams) -> Map:
    """How sure each cell lies in a dried rim, 0 to 1; 0 where nothing around is stained.

    Parameters
    ----------
    sums : ndarray of shape (8, M, N)
        Of `sum_cells`.
    pitch : PixelSpacing
        Of the cells.
    params : RimParams
    """
    density = sums[7]
    bare = opened(smoothed(density, _GLASS_SOFT_UM, pitch) < GLASS_OD, _GLASS_RADIUS_UM, pitch)
    if not bare.any():
        return np.zeros_like(density)
    away_um = np.minimum(distance_um(~bare, pitch), DEEPEST_UM)
    tissue = (density >= GLASS_OD) & (away_um > _EDGE_UM)
    towards_glass = -_correlation(sums[5], away_um, tissue.astype(float), _FALL_UM, pitch)
    falls = ramps(towards_glass, params.towards_glass)
    falls[(away_um >= DEEPEST_UM) | (smoothed(sums[0], _PLACE_UM, pitch) < _HELD)] = 0.0
    if not falls.any():  # most tissue near glass: what follows takes twice as long as what was done
        return np.zeros_like(density)
    sheet = np.where(sums[0] >= _SHEET, sums[0], 0.0)
    within = -_correlation(sums[5], away_um, sheet, _PLACE_UM, pitch)
    nuclei, blue, beside = _overlay(sums, pitch)
    tells = ramps(beside, params.nuclei_beside)
    full = np.minimum(ramps(nuclei, params.full_overlay_nuclei), ramps(blue, params.full_overlay_blue))
    part = np.minimum(ramps(nuclei, params.overlay_nuclei), ramps(blue, params.overlay_blue))
    smooth = ramps(_contrast(sums, away_um, pitch), params.smooth)
    smooth = np.minimum(smooth, ramps(towards_glass, params.smooth_towards_glass))
    smooth = np.minimum(smooth, np.maximum(1 - tells, ramps(nuclei, params.smooth_nuclei)))
    fading = np.minimum(ramps(within, params.within), np.maximum(np.minimum(part, tells), smooth))
    return np.minimum(np.maximum(fading, np.minimum(full, tells)), falls)


def rim_cells(strength: Map, deciding: float, pitch: PixelSpacing) -> Mask:
    """Cells of rims: those of a deciding strength, and somewhat weaker ones near them.

    What is narrow between them belongs to them, and what is narrow itself is none.
    """
    seeds = opened(strength >= deciding, _THIN_UM, pitch)
    grown = seeds | (dilated(seeds, _GOES_ON_UM, pitch) & (strength >= _GOES_ON * deciding))
    return opened(closed(grown, _SPECKLE_UM, pitch), _THIN_UM, pitch)


def _correlation(values: Map, away_um: Map, weight: Map, sigma_um: float, pitch: PixelSpacing) -> Map:
    """Of values with distance from glass, around each place; only what is less deep than can be told counts."""
    weight = weight * (away_um < DEEPEST_UM)
    total = smoothed(weight, sigma_um, pitch) + 1e-6

    def mean(plane: Map) -> Map:
        return smoothed(weight * plane, sigma_um, pitch) / total

    value, away = mean(values), mean(away_um)
    spread = (mean(values * values) - value**2).clip(1e-6) * (mean(away_um * away_um) - away**2).clip(0.1)
    return np.asarray((mean(values * away_um) - value * away) / np.sqrt(spread))


def _overlay(sums: CellSums, pitch: PixelSpacing) -> tuple[Map, Map, Map]:
    """Nuclear share and mean haematoxylin of what is stained over those of what is beside it, and the share there."""
    stained, nuclear_stained, nuclear, blue_stained, blue, _, _, density = sums
    tissue = density >= GLASS_OD

    def around(plane: Map) -> Map:
        return smoothed(plane, _PLACE_UM, pitch)

    held, free = around(stained) + 1e-6, around(np.where(tissue, 1 - stained, 0.0)) + 1e-6
    nuclei_beside = around(np.where(tissue, nuclear - nuclear_stained, 0.0)) / free
    blue_beside = around(np.where(tissue, blue - blue_stained, 0.0)) / free
    return (
        around(nuclear_stained) / held / nuclei_beside.clip(0.02),
        around(blue_stained) / held / blue_beside.clip(0.05),
        nuclei_beside,
    )


def _contrast(sums: CellSums, away_um: Map, pitch: PixelSpacing) -> Map:
    """Variation of chromogen at the scale of cells over its mean, in the sheet around, but for what depth explains."""
    chromogen, squared, sheet = sums[5], sums[6], (sums[0] >= _SHEET).astype(float)
    near = smoothed(sheet, _GRAIN_UM, pitch) + 1e-6

    def mean(plane: Map) -> Map:
        return smoothed(sheet * plane, _GRAIN_UM, pitch) / near

    level, depth = mean(chromogen), mean(away_um)
    by_depth = (mean(chromogen * away_um) - level * depth) ** 2 / (mean(away_um * away_um) - depth**2).clip(0.3)
    variance = (mean(squared) - level**2 - by_depth).clip(0.0)
    total = smoothed(sheet, _PLACE_UM, pitch) + 1e-6
    around = smoothed(sheet * chromogen, _PLACE_UM, pitch) / total
    return np.asarray(np.sqrt(smoothed(sheet * variance, _PLACE_UM, pitch) / total) / around.clip(0.05))
