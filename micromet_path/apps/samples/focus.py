"""A stained thing as it will be drawn: its exact mask, where in it the stain lies, its nuclei."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.kernels import count_ellipses
from micromet_path.apps.samples.masks import SpanMask, max_diameter_um, rasterise
from micromet_path.apps.samples.outlines import cleaned
from micromet_path.apps.samples.profiles import Wish
from micromet_path.apps.samples.spec import SampleSpec

__all__ = ["Bed", "Focus", "bed_of", "focus_of"]

Floats = NDArray[np.float64]

NUCLEUS_PITCH_UM = 16.5
NUCLEUS_RIM_UM = 1.6
"""Cytoplasm that surrounds each nucleus at least."""
DAB_LEVELS = (150, 195)
"""Mean amount of DAB of a focus in units of 0.005: 0.75 to 0.98; its cells vary around that."""
STRONG_LEVELS = (190, 215)
"""Of control tissue, which is chosen because it stains well."""
MEMBRANE_UM = (1.1, 1.9)
"""Thickness of stained membranes, one for all cells of a focus."""
SPINDLE_PITCH_UM = 19.0


@dataclass(frozen=True, slots=True)
class Focus:
    """A stained thing with its exact mask.

    Parameters
    ----------
    kind : str
        What it is there to show.
    family : int
        Foci of one family were placed together; all others are `APART_UM` or more away.
    mask : SpanMask
        Intended stained pixels, with what is unstained inside filled.
    nuclei : ndarray of shape (N, 6)
        Unstained nuclei: x, y in pixels, half axes in widths of a pixel, angle, haematoxylin units.
    n_cells : int
        Cells it stands for.
    max_diameter_um : float
        Largest distance between pixel corners of the mask.
    level : int
        Mean amount of DAB.
    pattern : str
        How its cells stain: ``cytoplasmic``, ``membranous`` or ``dot_like``.
    stain : SpanMask, optional
        Where the stain lies when that is not the mask without its nuclei.
    on_control : bool
        Whether it lies on control tissue.
    serial : int, optional
        Number that a focus shares with the same one in the next cut of its node.
    """

    kind: str
    family: int
    mask: SpanMask
    nuclei: Floats
    n_cells: int
    max_diameter_um: float
    level: int
    pattern: str = "cytoplasmic"
    stain: SpanMask | None = None
    on_control: bool = False
    serial: int | None = None

    def stained_px(self, aspect: float) -> int:
        """Pixels of the mask that are stained."""
        if self.stain is not None:
            return self.stain.area_px
        return self.mask.area_px - int(count_ellipses(self.nuclei, aspect))


@dataclass(frozen=True, slots=True)
class Bed:
    """Pale fibrous stroma that foci lie in: a mask, and slender nuclei as a `Focus` has them."""

    mask: SpanMask
    nuclei: Floats


def focus_of(rng: np.random.Generator, spec: SampleSpec, wish: Wish, family: int, outline: list[Floats]) -> Focus:
    """Mask, nuclei and size of a placed outline, in level-0 pixels."""
    mask, stain = _mask(spec, wish, outline), None
    if wish.form in ("blob", "ribbon", "pair", "desmoplastic"):
        nuclei = _nuclei(rng, mask, _lattice(rng, mask, spec), spec, (4.0, 5.4))
        n_cells = max(1, len(nuclei))
    elif wish.form == "dots":
        nuclei, n_cells = np.empty((0, 6)), len(outline)
    elif wish.form == "perinuclear":
        nuclei, n_cells, stain = _beside(rng, outline, spec), len(outline), mask
    else:
        centres = np.array([polygon.mean(axis=0) for polygon in outline])
        nuclei = _nuclei(rng, mask, centres, spec, (3.0, 4.0))
        n_cells = len(outline)
    if wish.pattern == "membranous":
        cells = nuclei[:, :2] if wish.form == "blob" else centres
        stain = _membranes(mask, cells, float(rng.uniform(*MEMBRANE_UM)), spec)
    size = max_diameter_um(mask, spec.spacing_um, spec.aspect)
    level = int(rng.integers(*(STRONG_LEVELS if wish.strong else DAB_LEVELS)))
    return Focus(wish.kind, family, mask, nuclei, n_cells, size, level, wish.pattern, stain, wish.where == "control")


def bed_of(rng: np.random.Generator, spec: SampleSpec, outline: list[Floats]) -> Bed:
    """Stroma inside an outline, its spindle nuclei along one direction."""
    mask = rasterise(outline)
    places = _lattice(rng, mask, spec, SPINDLE_PITCH_UM)
    places = places[mask.contains(places)]
    half = rng.uniform(5.0, 8.0, len(places)) / spec.spacing_um
    narrow = half * rng.uniform(0.16, 0.28, len(places))
    angle = rng.uniform(0, pi) + rng.normal(0, 0.5, len(places))
    nuclei = np.column_stack((places, half, narrow, angle, rng.uniform(65, 95, len(places))))
    return Bed(mask, nuclei[np.argsort(nuclei[:, 1], kind="stable")])


def _mask(spec: SampleSpec, wish: Wish, outline: list[Floats]) -> SpanMask:
    """Pixels of an outline; of a real one without its spikes."""
    if spec.outlines is not None and wish.form == "blob":
        mask = cleaned(outline[0], (spec.spacing_um, spec.spacing_of_rows_um))
        if mask is not None:
            return mask
    return rasterise(outline)


def _lattice(rng: np.random.Generator, mask: SpanMask, spec: SampleSpec, pitch_um: float = NUCLEUS_PITCH_UM) -> Floats:
    """Jittered places for nuclei over the box of a mask, a cell apart, in pixels."""
    x0, y0, x1, y1 = mask.bbox
    pitch, pitch_y = pitch_um / spec.spacing_um, pitch_um / spec.spacing_of_rows_um
    rows, columns = np.indices((int((y1 - y0) / pitch_y / 0.87) + 2, int((x1 - x0) / pitch) + 2)).reshape(2, -1)
    places = np.column_stack(((columns + rows % 2 / 2) * pitch + x0, rows * pitch_y * 0.87 + y0))
    pitches = np.array([pitch, pitch_y])
    return np.asarray(places + rng.uniform(-0.16, 0.16, places.shape) * pitches - rng.uniform(0, 1, 2) * pitches)


def _nuclei(
    rng: np.random.Generator, mask: SpanMask, places: Floats, spec: SampleSpec, radius_um: tuple[float, float]
) -> Floats:
    """Nuclei at those places that leave cytoplasm all around."""
    half = rng.uniform(*radius_um, len(places)) / spec.spacing_um
    narrow = half * rng.uniform(0.75, 1.0, len(places))
    angle, ink = rng.uniform(0, pi, len(places)), rng.uniform(80, 112, len(places))
    kept = np.ones(len(places), bool)
    for turn in np.arange(0, 2 * pi, pi / 6):
        ring = places + (half + NUCLEUS_RIM_UM / spec.spacing_um)[:, None] * (np.cos(turn), np.sin(turn) / spec.aspect)
        kept &= mask.contains(ring)
    nuclei = np.column_stack((places, half, narrow, angle, ink))[kept]
    return nuclei[np.argsort(nuclei[:, 1], kind="stable")]


def _beside(rng: np.random.Generator, dots: list[Floats], spec: SampleSpec) -> Floats:
    """One nucleus at the side of each dot, not touching it."""
    centres = np.array([dot.mean(axis=0) for dot in dots])
    radius = np.array([np.ptp(dot[:, 0]) for dot in dots]) / 2
    half = rng.uniform(3.5, 4.5, len(dots)) / spec.spacing_um
    turn = rng.uniform(0, 2 * pi, len(dots))
    away = half + 1.15 * radius + 0.6 / spec.spacing_um
    places = centres + away[:, None] * np.column_stack((np.cos(turn), np.sin(turn) / spec.aspect))
    narrow = half * rng.uniform(0.8, 1.0, len(dots))
    nuclei = np.column_stack((places, half, narrow, rng.uniform(0, pi, len(dots)), rng.uniform(70, 100, len(dots))))
    return nuclei[np.argsort(nuclei[:, 1], kind="stable")]


def _membranes(mask: SpanMask, cells: Floats, thick_um: float, spec: SampleSpec) -> SpanMask:
    """Pixels of a mask that are nearer to the border of their cell than a membrane is thick.

    A pixel belongs to the nearest centre; between cells the membrane is shared, so that each has half of it.
    """
    from scipy import ndimage
    from scipy.spatial import cKDTree

    spacing = np.array([spec.spacing_um, spec.spacing_of_rows_um])
    image, (left, top) = mask.image(margin=1)
    stained = image & (ndimage.distance_transform_edt(image, sampling=spacing[::-1]) <= thick_um)
    rows, columns = np.nonzero(image & ~stained)
    if len(cells) > 1 and len(rows):
        places = (np.column_stack((columns + left, rows + top)) + 0.5) * spacing
        centres = cells * spacing
        away, index = (np.asarray(found) for found in cKDTree(centres).query(places, k=2))
        apart = np.hypot(*(centres[index[:, 0]] - centres[index[:, 1]]).T)
        border = (away[:, 1] ** 2 - away[:, 0] ** 2) / (2 * apart)
        stained[rows, columns] = border <= thick_um / 2
    return SpanMask.of(stained, left, top)
