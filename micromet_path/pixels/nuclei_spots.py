"""Spots of nuclear size in the stain: where blue has a larger share of the dye than around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.kernels import kernel
from micromet_path.pixels.label import labelled
from micromet_path.pixels.neighbours import pairs_within
from micromet_path.pixels.shape import between_pixels, closed, edged, filled, held_in_boxes, padded, smoothed
from micromet_path.pixels.stain import StainModel, dye_tables

__all__ = ["NucleiParams", "NucleiView", "Spots", "enclosed_spots", "filled_pieces", "reduced", "view_of"]

Mask = NDArray[np.bool_]
Plane = NDArray[np.float32]
Map = NDArray[np.float64]
Labels = NDArray[np.int32]
Points = NDArray[np.float64]

_GRID_UM = 1.0
"""Pixels are averaged to about this width: a nucleus is then 4 to 14 of them at any scanner's spacing."""
_PALE_OD = 0.15
"""Dye at which colour begins to mean something; glass, vacuoles and haze have less."""
_BRIDGE_UM = 2.8
"""Gaps in a cell's outline up to twice as wide are closed; where a lymphocyte fits (radius 3 um) nothing is."""
_STAINED_SHARE = 0.4
"""Share of a working pixel that is stained where it counts as stained: membranes are thinner than one."""
_DIP_UM, _DIP_SHARE = 0.8, 0.12
"""Smoothing before two spots are told apart by the dip between them, and its least depth as a share of contrast."""
_RAYS = 16
_RIM_UM = 2.0
"""Cytoplasm of a nucleus that bulges out of the stain lies this near, or stain is all around it farther off."""
_SURE_RADIUS_UM = 4.0
"""Smaller discs weigh less: fewer pixels average the grain of the stain and the blocks of a JPEG."""
_LEAST_HAEM_OD, _LEAST_HAEM_SHARE = 0.08, 0.5
"""Haematoxylin of a nucleus at least, and as a share of that of the cluster's darker ones."""


@dataclass(frozen=True, slots=True)
class NucleiParams:
    """What counts as a nucleus, and what a cell is taken to be where none shows.

    Parameters
    ----------
    smallest_um, largest_um : float
        Diameters of tumour nuclei, 4 to 14 um: pyknotic to large; a lymphocyte's is 6 to 7 um.
    least_contrast : float
        Least rise of the blue share from stain to nucleus (0 to 1).
    relative_contrast : float
        The same as a share of the contrast of the cluster's own clear nuclei.
    enclosed_share : float
        Share of directions in which a nucleus inside the filled outline meets stain within ``reach_um`` of its
        centre. One outside meets it as often within 2 um of its rim, or half as rarely misses it farther off:
        a lymphocyte in a notch between two cells does neither.
    reach_um : float
        Half the width of a large cell: stain may be on its membrane alone.
    hole_um2 : float
        Largest hole in the stain that may be a cell's unstained inside (membranous staining).
    cell_area_um2, cell_area_low_um2, cell_area_high_um2 : float
        Area of a cell in section where the cluster shows too few of its own: 123 um2 is 230 cells in a solid
        disc of 190 um, 80 and 250 um2 are cells 10 and 17 um apart.
    """

    smallest_um: float = 4.0
    largest_um: float = 14.0
    least_contrast: float = 0.08
    relative_contrast: float = 0.40
    enclosed_share: float = 0.60
    reach_um: float = 12.0
    hole_um2: float = 500.0
    cell_area_um2: float = 123.0
    cell_area_low_um2: float = 80.0
    cell_area_high_um2: float = 250.0

    def __post_init__(self) -> None:
        if not 2.0 <= self.smallest_um < self.largest_um <= 40.0:
            raise ConfigError(
                f"nuclei: expected 2 <= smallest_um < largest_um <= 40, found {self.smallest_um}, {self.largest_um}"
            )
        for name in ("least_contrast", "relative_contrast", "enclosed_share"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"nuclei.{name} must be a share above 0 and below 1, found {getattr(self, name)}")
        if not self.largest_um / 2 <= self.reach_um <= 20.0:
            raise ConfigError(f"nuclei.reach_um must lie between largest_um / 2 and 20, found {self.reach_um}")
        if not 0 <= self.hole_um2 <= 2000.0:
            raise ConfigError(f"nuclei.hole_um2 must lie between 0 and 2000, found {self.hole_um2}")
        if not 0 < self.cell_area_low_um2 <= self.cell_area_um2 <= self.cell_area_high_um2:
            raise ConfigError(
                "nuclei: expected 0 < cell_area_low_um2 <= cell_area_um2 <= cell_area_high_um2, found "
                f"{self.cell_area_low_um2}, {self.cell_area_um2}, {self.cell_area_high_um2}"
            )


@dataclass(frozen=True, slots=True)
class Spots:
    """Nuclei found: (row, column) on the working grid, contrast, and the filled piece that each lies in."""

    centres: Points
    contrast: NDArray[np.float64]
    radius_um: NDArray[np.float64]
    haem: NDArray[np.float64]
    piece: NDArray[np.int64]

    def where(self, chosen: Mask) -> Spots:
        """Those that are chosen."""
        return Spots(
            self.centres[chosen], self.contrast[chosen], self.radius_um[chosen], self.haem[chosen], self.piece[chosen]
        )


@dataclass(frozen=True, slots=True)
class NucleiView:
    """A window on the working grid, of pixels about 1 um wide, and what may be nuclei in it whatever is stained.

    Parameters
    ----------
    blue : ndarray of shape (M, N), float32
        Share of haematoxylin in the dye: 0 in brown and on glass, up to 0.8 in a dark nucleus.
    haem : ndarray of shape (M, N), float32
        Amount of haematoxylin.
    factor : tuple of int
        Rows and columns of the picture that make one.
    um : tuple of float
        Height and width of a pixel.
    spots : Spots
        Of nuclear size, strongest first; on no piece yet.
    """

    blue: Plane
    haem: Plane
    factor: tuple[int, int]
    um: tuple[float, float]
    spots: Spots

    @property
    def spacing(self) -> PixelSpacing:
        """The same with its names."""
        return PixelSpacing(x_um=self.um[1], y_um=self.um[0])


def view_of(rgb: NDArray[np.uint8], model: StainModel, spacing: PixelSpacing, params: NucleiParams) -> NucleiView:
    """Average the light to the working grid, as a coarser scanner would, unmix it, and find spots.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
    model : StainModel
    spacing : PixelSpacing
    params : NucleiParams
    """
    fy, fx = (max(1, round(_GRID_UM / um)) for um in (spacing.y_um, spacing.x_um))
    haematoxylin, chromogen = dye_tables(model)[:2].astype(np.float32)
    blue, haem = _averaged(rgb, fy, fx, haematoxylin, chromogen)
    um = (fy * spacing.y_um, fx * spacing.x_um)
    return NucleiView(blue, haem, (fy, fx), um, _spots(blue, haem, PixelSpacing(um[1], um[0]), params))


@kernel("u1[:,:,::1], i8, i8, f4[:,::1], f4[:,::1]")
def _averaged(rgb: Any, fy: Any, fx: Any, haematoxylin: Any, chromogen: Any) -> Any:
    """Mean light of boxes of pixels, unmixed: share of haematoxylin and its amount; the border's pixels go on."""
    height, width = rgb.shape[:2]
    rows, columns = (height + fy - 1) // fy, (width + fx - 1) // fx
    blue, haem = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32)
    pixels, none = np.float32(fy * fx), np.float32(0)
    for row in range(rows):
        for column in range(columns):
            light_r, light_g, light_b = 0, 0, 0
            for y in range(row * fy, (row + 1) * fy):
                for x in range(column * fx, (column + 1) * fx):
                    at_y, at_x = min(y, height - 1), min(x, width - 1)
                    light_r += rgb[at_y, at_x, 0]
                    light_g += rgb[at_y, at_x, 1]
                    light_b += rgb[at_y, at_x, 2]
            red = np.uint8(np.rint(np.float32(light_r) / pixels))
            green = np.uint8(np.rint(np.float32(light_g) / pixels))
            third = np.uint8(np.rint(np.float32(light_b) / pixels))
            stain = max(haematoxylin[0, red] + haematoxylin[1, green] + haematoxylin[2, third], none)
            brown = max(chromogen[0, red] + chromogen[1, green] + chromogen[2, third], none)
            haem[row, column] = stain
            blue[row, column] = stain / (stain + brown + np.float32(_PALE_OD))
    return blue, haem


def reduced(stained: Mask, view: NucleiView) -> Mask:
    """Stained pixels of the picture as those of the working grid."""
    fy, fx = view.factor
    rows, columns = stained.shape
    held = held_in_boxes(edged(stained, (0, -rows % fy), (0, -columns % fx)), fy, fx)
    return np.asarray(held.astype(np.float32) / np.float32(fy * fx) >= _STAINED_SHARE)


def filled_pieces(stained: Mask, view: NucleiView, params: NucleiParams) -> Labels:
    """Pieces of stain with gaps bridged and cell-sized holes filled, numbered from 1; 0 is outside."""
    reach = ceil(_BRIDGE_UM / min(view.um)) + 1
    stain = closed(padded(stained, reach), 2 * _BRIDGE_UM, view.spacing)[reach:-reach, reach:-reach]
    form = filled(stain, params.hole_um2, view.spacing)
    return labelled(form, is_eight=True)[0]


def enclosed_spots(view: NucleiView, pieces: Labels, params: NucleiParams) -> Spots:
    """Spots whose contrast is at least half the least, in or enclosed by the stain."""
    spots = replace(view.spots, piece=pieces[*view.spots.centres.astype(np.intp).T].astype(np.int64))
    return _without_doubles(_blue_enough(_enclosed(spots, view, pieces, params)), view)


def _spots(blue: Plane, haem: Plane, spacing: PixelSpacing, params: NucleiParams) -> Spots:
    """Spots of nuclear size, wherever they lie."""
    response, radius, smooth_haem = _responses(blue, haem, spacing, params)
    at, contrast = _peaks(response, spacing, params)
    return Spots(at.astype(np.float64), contrast, radius[*at.T], smooth_haem[*at.T], np.zeros(len(at), np.int64))


def _blue_enough(spots: Spots) -> Spots:
    """Without spots that are pale beside the others: gaps between cells have a share of blue but no dye."""
    if not len(spots.haem):
        return spots
    return spots.where(spots.haem >= max(_LEAST_HAEM_OD, _LEAST_HAEM_SHARE * float(np.quantile(spots.haem, 0.75))))


def _responses(blue: Plane, haem: Plane, spacing: PixelSpacing, params: NucleiParams) -> tuple[Map, Map, Map]:
    """Contrast of the best disc at every pixel, that disc's radius in microns, and haematoxylin around.

    A difference of Gaussians of widths s and sqrt(2) s answers a disc of radius 1.665 s with a quarter of its
    contrast, and smaller or larger ones with less.
    """
    radii = [params.smallest_um / 2 * sqrt(2.0)]
    while radii[-1] * sqrt(2.0) <= params.largest_um / 2 * 1.1:
        radii.append(radii[-1] * sqrt(2.0))
    widths = [radius / 1.665 for radius in (*radii, radii[-1] * sqrt(2.0))]
    smooth, before = blue.astype(np.float64), 0.0
    layers = []
    for width in widths:  # each from the one before: variances add
        step = sqrt(width**2 - before**2)
        smooth = smoothed(smooth, step, spacing)
        layers.append(smooth)
        before = width
    response, radius = np.full(blue.shape, -np.inf), np.zeros(blue.shape)
    for (fine, coarse), size in zip(pairwise(layers), radii, strict=True):
        _keep_better(fine, coarse, 4 * min(1.0, sqrt(size / _SURE_RADIUS_UM)), size, response, radius)
    return response, radius, smoothed(haem, widths[0], spacing)


@kernel("f8[:,::1], f8[:,::1], f8, f8, f8[:,::1], f8[:,::1]")
def _keep_better(fine: Any, coarse: Any, weight: Any, size: Any, response: Any, radius: Any) -> None:
    """Enter a disc's response and radius wherever it answers better than those before it."""
    rows, columns = response.shape
    for row in range(rows):
        for column in range(columns):
            answer = weight * (fine[row, column] - coarse[row, column])
            if answer > response[row, column]:
                response[row, column], radius[row, column] = answer, size


def _peaks(response: Map, spacing: PixelSpacing, params: NucleiParams) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Highest points of the response, at least a small nucleus apart; strongest first."""
    down, across = (max(1, round(params.smallest_um / 2 / um)) for um in (spacing.y_um, spacing.x_um))
    at = _highest(response, 0.5 * params.least_contrast, down, across)
    contrast = response[at[:, 0], at[:, 1]]
    order = np.argsort(-contrast, kind="stable")
    return at[order], contrast[order]


@kernel("f8[:,::1], f8, i8, i8")
def _highest(response: Any, least: Any, down: Any, across: Any) -> Any:
    """Pixels (row, column) of some height than which none is higher in a box around; few are high enough to look."""
    rows, columns = response.shape
    room, n = 0, 0
    for row in range(rows):
        for column in range(columns):
            room += response[row, column] >= least
    found = np.empty((room, 2), np.int64)
    for row in range(rows):
        for column in range(columns):
            height = response[row, column]
            is_highest = height >= least
            if is_highest:
                for r in range(max(row - down, 0), min(row + down + 1, rows)):
                    for c in range(max(column - across, 0), min(column + across + 1, columns)):
                        is_highest &= response[r, c] <= height
            if is_highest:
                found[n, 0], found[n, 1] = row, column
                n += 1
    return found[:n].copy()


def _enclosed(spots: Spots, view: NucleiView, pieces: Labels, params: NucleiParams) -> Spots:
    """Spots that meet stain, or a hole filled in it, in most directions; with the piece they belong to."""
    rays, steps = _rays(view, params)
    # Nearer than the spot's own rim nothing is said: the light of a lymphocyte beside the stain is mixed with it.
    # The scales found are a little small.
    near_um = 1.25 * spots.radius_um + _RIM_UM
    touched, around, met = _met(pieces, spots.centres.astype(np.intp), spots.radius_um, near_um, rays, steps)
    enclosed = np.where(
        spots.piece > 0,
        around >= params.enclosed_share,
        (touched >= params.enclosed_share) | (around >= (1 + params.enclosed_share) / 2),
    )
    return replace(spots, piece=np.where(spots.piece > 0, spots.piece, met)).where(enclosed)


@kernel("i4[:,::1], i8[:,::1], f8[::1], f8[::1], i8[:,:,::1], f8[::1]")
def _met(pieces: Any, centres: Any, from_um: Any, near_um: Any, rays: Any, steps: Any) -> Any:
    """Share of directions in which each spot meets a piece near it, and at all; and the highest number met."""
    n, n_rays = len(centres), len(rays)
    rows, columns = pieces.shape
    touched, around, met = np.zeros(n), np.zeros(n), np.zeros(n, np.int64)
    for i in range(n):
        for ray in range(n_rays):
            is_near, is_met = False, False
            for step in range(len(steps)):
                row, column = centres[i, 0] + rays[ray, step, 0], centres[i, 1] + rays[ray, step, 1]
                if steps[step] < from_um[i] or not (0 <= row < rows and 0 <= column < columns):
                    continue
                piece = pieces[row, column]
                if piece:
                    is_met = True
                    is_near |= steps[step] <= near_um[i]
                    met[i] = max(met[i], piece)
            touched[i] += is_near
            around[i] += is_met
    return touched / n_rays, around / n_rays, met


def _rays(view: NucleiView, params: NucleiParams) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pixels (row, column) from a centre outwards in all directions, (rays, steps, 2), and the length of each step."""
    angle = np.arange(_RAYS) * (2 * pi / _RAYS)
    steps = np.arange(1.0, params.reach_um + 0.5)
    ray = np.stack([np.outer(np.sin(angle), steps) / view.um[0], np.outer(np.cos(angle), steps) / view.um[1]], axis=-1)
    return np.rint(ray).astype(np.intp), steps


def _without_doubles(spots: Spots, view: NucleiView) -> Spots:
    """One spot a nucleus: a weaker one goes when it lies inside a stronger one, or no dip parts the two.

    Nuclei of one cluster are of one kind, so that two centres less than 1.4 typical radii apart are one's.
    """
    if len(spots.centres) < 2:
        return spots
    place, size = spots.centres * view.um, spots.radius_um
    typical = float(np.exp(np.average(np.log(size), weights=spots.contrast)))
    pairs = pairs_within(place, 2.0 * float(size.max()))  # the stronger first
    apart = np.hypot(*(place[pairs[:, 0]] - place[pairs[:, 1]]).T)
    larger = np.maximum(size[pairs[:, 0]], size[pairs[:, 1]])
    along = np.linspace(0, 1, 9)[:, None, None]
    points = spots.centres[pairs[:, 0]] * (1 - along) + spots.centres[pairs[:, 1]] * along
    profile = between_pixels(smoothed(view.blue, _DIP_UM, view.spacing), points)
    dip = np.minimum(profile[0], profile[-1]) - profile.min(axis=0)
    flat = dip < _DIP_SHARE * spots.contrast[pairs[:, 1]]
    same = (apart < np.maximum(larger, 1.4 * typical)) | ((apart < 2 * larger) & flat)
    kept = np.ones(len(place), bool)
    for first, second in pairs[same][np.lexsort(pairs[same].T[::-1])]:
        if kept[first]:
            kept[second] = False
    return spots.where(kept)
