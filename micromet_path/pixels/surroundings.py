"""A candidate in its place: what it is like at the scale of cells, the tissue and glass around, nuclei beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.label import labelled
from micromet_path.pixels.shape import bounding_box, closed, coarse, dilated, distance_um, perimeter_um, smoothed

__all__ = ["Around", "Beside", "around", "beside"]

Mask = NDArray[np.bool_]
Map = NDArray[np.float64]

_GLASS_OD = 0.05  # mean density below which nothing lies on the glass; the palest stroma has 0.07
_DEEP_UM = 10.0  # one large cell: what lies deeper inside shows no rim
_NEXT_UM = 6.0  # a lymphocyte: what lies next to a stain in tissue
_APART_UM = 4.0  # the blur of thick sections and of colour compression ends here
_NUCLEUS_UM2 = (16.0, 60.0)  # 4.5 to 8.7 um across


@dataclass(frozen=True, slots=True)
class Around:
    """Stain at the scale of cells, and the tissue around.

    Parameters
    ----------
    deep_area_um2 : float
        Area further than a large cell inside the stain (closed over 6 um).
    contrast : float
        Standard deviation of chromogen between 1 and 6 um over its mean, in the deep part; in all of the
        stain where nothing is deep.
    rim_drop : float or None
        Median share of its chromogen that the stain loses within 10 um across a rim towards tissue; None
        where no rim towards tissue is in view.
    glass_gradient : float or None
        Minus the correlation of chromogen with the distance from bare glass, in tissue; None without glass.
    glass_share : float
        Share of bare glass in what lies within 6 um of the stain.
    tissue_area_um2 : float
        Tissue beside the stain.
    chromogen_around_od, haematoxylin_around_od : float or None
        Mean density there.
    chromogen_ratio, haematoxylin_ratio : float or None
        Mean density in the stain over that.
    brownness_excess : float
        Chromogen's share of both dyes in the stain less that around; 1 where nothing is around.
    """

    deep_area_um2: float
    contrast: float
    rim_drop: float | None
    glass_gradient: float | None
    glass_share: float
    tissue_area_um2: float
    chromogen_around_od: float | None
    haematoxylin_around_od: float | None
    chromogen_ratio: float | None
    haematoxylin_ratio: float | None
    brownness_excess: float


def around(density: Map, haematoxylin: Map, chromogen: Map, stained: Mask, spacing: PixelSpacing) -> Around:
    """Measure the stain at the scale of cells and the tissue around it.

    Parameters
    ----------
    density : ndarray of shape (M, N)
        Sum over the three colours.
    haematoxylin, chromogen : ndarray of shape (M, N)
    stained : ndarray of shape (M, N), bool
    spacing : PixelSpacing
    """
    (density, pitch), *others = (coarse(values, spacing) for values in (density, haematoxylin, chromogen, stained))
    density, (haematoxylin, chromogen, share) = density / 3, (values for values, _ in others)
    sheet = closed(share >= 0.25, 6.0, pitch)
    tissue = (smoothed(density, 2.0, pitch) >= _GLASS_OD) & ~sheet
    apart = tissue & ~dilated(sheet, float(np.nextafter(_APART_UM, 0)), pitch)
    deep = sheet & ~dilated(~sheet, float(np.nextafter(_DEEP_UM, 0)), pitch)
    inside = deep if deep.any() else share > 0
    ratios = _ratios(haematoxylin, chromogen, share, apart, pitch)
    return Around(
        deep_area_um2=float(np.count_nonzero(deep)) * pitch.pixel_area_um2,
        contrast=_contrast(chromogen, inside, pitch),
        rim_drop=_rim_drop(chromogen, sheet, tissue, pitch),
        glass_gradient=_glass_gradient(chromogen, density, pitch),
        glass_share=_glass_share(density, share, pitch),
        tissue_area_um2=float(np.count_nonzero(apart)) * pitch.pixel_area_um2,
        chromogen_around_od=ratios[0],
        haematoxylin_around_od=ratios[1],
        chromogen_ratio=ratios[2],
        haematoxylin_ratio=ratios[3],
        brownness_excess=ratios[4],
    )


def _contrast(chromogen: Map, inside: Mask, pitch: PixelSpacing) -> float:
    """Variation at the scale of cells over the mean."""
    band = chromogen - smoothed(chromogen, 6.0, pitch)
    return float(band[inside].std() / max(float(chromogen[inside].mean()), 0.05))


def _rim_drop(chromogen: Map, sheet: Mask, tissue: Mask, pitch: PixelSpacing) -> float | None:
    """Loss of chromogen across rims towards tissue: a few microns inside against a few outside."""
    soft = smoothed(chromogen, 1.0, pitch)
    outer = tissue & dilated(sheet, 5.0, pitch)
    inner = sheet & dilated(outer, 5.0, pitch)
    if min(np.count_nonzero(outer), np.count_nonzero(inner)) * pitch.pixel_area_um2 < 50:
        return None
    return float(np.clip(1 - soft[outer].mean() / max(float(soft[inner].mean()), 0.05), 0.0, 1.0))


def _glass_gradient(chromogen: Map, density: Map, pitch: PixelSpacing) -> float | None:
    """Minus the correlation of chromogen with the distance from glass, within 150 um of it."""
    bare = smoothed(density, 3.0, pitch) < _GLASS_OD
    if np.count_nonzero(bare) * pitch.pixel_area_um2 < 500:
        return None
    away_um = distance_um(~bare, pitch)
    seen = (away_um > _APART_UM) & (away_um < 150)
    if np.count_nonzero(seen) * pitch.pixel_area_um2 < 1000:
        return None
    level, distance = smoothed(chromogen, 6.0, pitch)[seen], away_um[seen]
    level, distance = level - level.mean(), distance - distance.mean()
    spread = float(np.sqrt((level**2).sum() * (distance**2).sum()))
    return -float((level * distance).sum()) / spread if spread > 1e-9 else None


def _glass_share(density: Map, share: Map, pitch: PixelSpacing) -> float:
    """How much of what is next to the stain is bare glass, in gaps of the stain too; 0 where nothing is beside it."""
    stain = share >= 0.25
    beside = ~stain & dilated(stain, _NEXT_UM, pitch)
    bare = smoothed(density, 0.5, pitch) < _GLASS_OD
    return float(bare[beside].mean()) if beside.any() else 0.0


def _ratios(
    haematoxylin: Map, chromogen: Map, share: Map, apart: Mask, pitch: PixelSpacing
) -> tuple[float | None, float | None, float | None, float | None, float]:
    """Both dyes around, in the stain over around, and the excess of brown."""
    if np.count_nonzero(apart) * pitch.pixel_area_um2 < 300:
        return None, None, None, None, 1.0
    blue_out = max(float(haematoxylin[apart].mean()), 0.0)
    brown_out = max(float(chromogen[apart].mean()), 0.0)
    weight = share / share.sum()
    blue_in, brown_in = (max(float((dye * weight).sum()), 0.0) for dye in (haematoxylin, chromogen))
    excess = brown_in / max(brown_in + blue_in, 0.05) - brown_out / max(brown_out + blue_out, 0.05)
    return brown_out, blue_out, brown_in / max(brown_out, 0.02), blue_in / max(blue_out, 0.02), excess


@dataclass(frozen=True, slots=True)
class Beside:
    """Nuclei in and next to the stain.

    Parameters
    ----------
    nuclear_share_around : float
        Share of the view beside the stain that is nuclear.
    nuclear_share_inside : float
        Share of the stained pixels that is.
    relation : float
        Nuclear share within 2 um of the stain over that further away: 1 for no relation.
    nucleus_um2 : float or None
        Area of the nucleus that the stain touches most; None without one of plausible size and form.
    one_sided : float
        Length of the mean direction from that nucleus to the stain within 4 um of it.
    rival : float
        Contact with the nucleus touched second over the contact with it.
    """

    nuclear_share_around: float
    nuclear_share_inside: float
    relation: float
    nucleus_um2: float | None
    one_sided: float
    rival: float


def beside(haematoxylin: Map, stained: Mask, spacing: PixelSpacing) -> Beside:
    """Find nuclei as dense haematoxylin and measure how the stain lies to them.

    Parameters
    ----------
    haematoxylin : ndarray of shape (M, N)
    stained : ndarray of shape (M, N), bool
    spacing : PixelSpacing
    """
    soft = smoothed(haematoxylin, 0.7, spacing)
    free = ~stained
    level = max(0.15, 0.5 * float(np.quantile(soft[free], 0.98))) if free.any() else 0.15
    nuclei = soft >= level
    near, far = free & dilated(stained, 2.0, spacing), ~dilated(stained, _APART_UM, spacing)
    share_far = float(nuclei[far].mean()) if far.any() else 0.0
    share_near = float(nuclei[near].mean()) if near.any() else 0.0
    area_um2, one_sided, rival = None, 0.0, 1.0
    if np.count_nonzero(stained) * spacing.pixel_area_um2 <= 250:  # what is larger is no single small cell
        area_um2, one_sided, rival = _touched(nuclei & free, stained, spacing)
    return Beside(
        nuclear_share_around=share_far,
        nuclear_share_inside=float(nuclei[stained].mean()),
        relation=share_near / share_far if share_far > 0.02 else 1.0,
        nucleus_um2=area_um2,
        one_sided=one_sided,
        rival=rival,
    )


def _touched(nuclei: Mask, stained: Mask, spacing: PixelSpacing) -> tuple[float | None, float, float]:
    """Area of the nucleus with most contact, how one-sided the stain lies to it, and its rival's contact."""
    box = bounding_box(stained, 15.0, spacing)
    nuclei, stained = nuclei[box], stained[box]
    labels, pixels = labelled(nuclei, is_eight=False)
    contact = np.bincount(labels[nuclei & dilated(stained, 1.5, spacing)], minlength=len(pixels))
    contact[0] = 0
    if not contact.any():
        return None, 0.0, 1.0
    first = int(np.argmax(contact))
    nucleus = labels == first
    area_um2 = np.count_nonzero(nucleus) * spacing.pixel_area_um2
    roundness = 4 * np.pi * area_um2 / max(perimeter_um(nucleus, spacing), 1e-9) ** 2
    if not (_NUCLEUS_UM2[0] <= area_um2 <= _NUCLEUS_UM2[1] and roundness >= 0.6):
        return None, 0.0, 1.0
    cap = stained & dilated(nucleus, 4.0, spacing)
    rows, columns = np.nonzero(cap)
    centre = [axis.mean() for axis in np.nonzero(nucleus)]
    down, across = (rows - centre[0]) * spacing.y_um, (columns - centre[1]) * spacing.x_um
    length = np.maximum(np.hypot(down, across), 1e-9)
    one_sided = float(np.hypot((down / length).mean(), (across / length).mean())) if len(rows) else 0.0
    contact_first = contact[first]
    contact[first] = 0
    return area_um2, one_sided, float(contact.max() / contact_first)
