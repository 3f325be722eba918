"""Cells of stained clusters, judged by scenes drawn here: packed cells with known nuclei, and lymphocytes around."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.nuclei import (
    MARGIN_UM,
    CellCount,
    NucleiParams,
    NucleiTally,
    cells_of,
    count_cells,
    tally_nuclei,
    view_of,
)
from micromet_path.pixels.stain import StainModel, WhitePoint, optical_density, unmix

Floats = NDArray[np.float64]

PARAMS = NucleiParams()
WHITE = WhitePoint((243.0, 244.0, 242.0), "slide")
MODEL = StainModel.from_dyes(WHITE, (0.650, 0.704, 0.286), (0.268, 0.570, 0.776), "fixed")
DYES = np.array([[0.63, 0.71, 0.30], [0.29, 0.56, 0.77]])  # of the "laboratory": not those of the model
DYES /= np.linalg.norm(DYES, axis=1, keepdims=True)


@dataclass(frozen=True)
class Scene:
    """What is drawn; lengths in microns, amounts in optical density."""

    n_cells: int = 120
    nuclear_radius: float = 4.5
    pitch: float = 15.0
    dab: float = 0.8
    haem: float = 0.45
    cover: float = 0.0  # chromogen over and under the nuclei
    blur: float = 0.4
    quality: int = 80
    hidden: float = 0.0  # share of the nuclei, on one side of the nest, that cannot be seen
    membranous: bool = False
    spacing: tuple[float, float] = (0.5, 0.5)  # x, y
    seed: int = 0


@dataclass(frozen=True)
class Drawn:
    """A picture with its stained pixels and the places of the tumour nuclei, in microns (x, y)."""

    rgb: NDArray[np.uint8]
    stained: NDArray[np.bool_]
    spacing: PixelSpacing
    nuclei: Floats


def packed(rng: np.random.Generator, n_cells: int, pitch: float) -> Floats:
    """Centres of cells grown together: a shaken lattice, the members nearest to the middle of a lobed nest."""
    half = int(np.sqrt(n_cells)) + 4
    row, column = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1)
    places = np.column_stack([(column + row % 2 / 2) * pitch, row * pitch * np.sqrt(3) / 2])
    places += rng.normal(0, 0.09 * pitch, places.shape) + rng.uniform(-pitch, pitch, 2)
    angle, lobes = np.arctan2(places[:, 1], places[:, 0]), rng.uniform(0, 2 * np.pi, 3)
    reach = 1 + 0.15 * sum(np.sin(k * angle + lobes[k - 2]) for k in (2, 3, 4))
    return places[np.argsort(np.hypot(*(places / (1, rng.uniform(0.6, 1.0))).T) / reach)[:n_cells]]


def grains(rng: np.random.Generator, shape: tuple[int, int], size_px: float) -> Floats:
    """Smooth noise of unit spread."""
    noise = gaussian_filter(rng.normal(size=shape), size_px)
    return noise / noise.std()


def ellipses(
    rng: np.random.Generator, pixels: Floats, centres: Floats, radius: Floats
) -> tuple[Floats, NDArray[np.intp]]:
    """Depth of each pixel inside the nearest of some nuclei (1 in the middle, 0 at the rim), and which one."""
    away, nearest = cKDTree(centres).query(pixels, distance_upper_bound=2.2 * radius.max())
    nearest = np.where(np.isfinite(away), nearest, 0)
    turn, stretch = rng.uniform(0, np.pi, len(centres))[nearest], rng.uniform(1.0, 1.3, len(centres))[nearest]
    dx, dy = (pixels - centres[nearest]).T
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / stretch**0.5
    v = (dy * np.cos(turn) - dx * np.sin(turn)) * stretch**0.5
    return np.where(np.isfinite(away), 1 - np.hypot(u, v) / radius[nearest], -9.0), nearest


def amounts(scene: Scene, rng: np.random.Generator, pixels: Floats, shape: tuple[int, int], centres: Floats) -> Floats:
    """Haematoxylin and chromogen of every pixel, shape (M, N, 2)."""
    um = scene.spacing[0]
    haem = 0.05 + 0.02 * grains(rng, shape, 2 / um).ravel()
    dab = 0.02 + 0.01 * grains(rng, shape, 4 / um).ravel()
    cell_at = 7.5 * np.column_stack(
        [g.ravel() for g in np.mgrid[0 : pixels[:, 0].max() / 7.5, 0 : pixels[:, 1].max() / 7.5]]
    )
    cell_at = (cell_at + rng.uniform(-1.5, 1.5, cell_at.shape))[rng.random(len(cell_at)) < 0.7]
    cell_at = cell_at[cKDTree(centres).query(cell_at)[0] > 0.62 * scene.pitch + 2.0]  # they lie beside it, not under it
    depth, which = ellipses(rng, pixels, cell_at, rng.uniform(2.8, 3.6, len(cell_at)))
    ink = rng.uniform(0.45, 0.8, len(cell_at))[which]
    haem = np.where(depth > 0, ink * (1 + 0.15 * grains(rng, shape, 0.5 / um).ravel()), haem)

    away, mine = cKDTree(centres).query(pixels, k=2)
    body = away[:, 0] < 0.60 * scene.pitch * (1 + 0.08 * grains(rng, shape, 3 / um).ravel())
    level = scene.dab * np.exp(rng.normal(0, 0.2, len(centres)))[mine[:, 0]]
    texture = np.maximum(1 + 0.15 * grains(rng, shape, 0.8 / um).ravel(), 0.2)
    if scene.membranous:
        rim = np.minimum((away[:, 1] - away[:, 0]) / 2, 0.60 * scene.pitch - away[:, 0])
        level = level * (0.12 + np.exp(-((rim / 1.2) ** 2)))
    dab = np.where(body, level * texture, dab)
    haem = np.where(body, 0.06 + 0.02 * grains(rng, shape, 1 / um).ravel(), haem)

    radius = scene.nuclear_radius * np.exp(rng.normal(0, 0.10, len(centres)))
    depth, which = ellipses(rng, pixels, centres + rng.normal(0, 0.06 * scene.pitch, centres.shape), radius)
    visible = np.argsort(np.argsort(centres @ (0.8, 0.6))) >= round(scene.hidden * len(centres))
    nucleus = (depth > 0) & body & visible[which]
    chromatin = 1 + 0.2 * grains(rng, shape, 0.7 / um).ravel() + 0.3 * (depth < 0.2)
    haem = np.where(nucleus, scene.haem * np.exp(rng.normal(0, 0.15, len(centres)))[which] * chromatin, haem)
    dab = np.where(nucleus, scene.cover * texture + 0.02, dab)
    return np.maximum(np.column_stack([haem, dab]), 0).reshape(*shape, 2)


def draw(scene: Scene) -> Drawn:
    """Light through the scene: blurred, with noise, and kept as a JPEG."""
    rng = np.random.default_rng([scene.seed, scene.n_cells])
    centres = packed(rng, scene.n_cells, scene.pitch)
    margin = 0.6 * scene.pitch + 15
    centres += margin - centres.min(axis=0)
    x_um, y_um = scene.spacing
    columns, rows = (np.ceil((centres.max(axis=0) + margin) / scene.spacing)).astype(int)
    y, x = np.indices((rows, columns))
    pixels = np.column_stack([(x.ravel() + 0.5) * x_um, (y.ravel() + 0.5) * y_um])
    density = amounts(scene, rng, pixels, (rows, columns), centres) @ DYES
    light = np.asarray(WHITE.rgb) * 10**-density
    optics = (max(scene.blur, 0.15) / y_um, max(scene.blur, 0.15) / x_um, 0)
    light = gaussian_filter(light, optics) + rng.normal(0, 1.5, light.shape)
    return kept(np.clip(np.rint(light), 0, 255).astype(np.uint8), scene.quality, PixelSpacing(x_um, y_um), centres)


def kept(rgb: NDArray[np.uint8], quality: int, spacing: PixelSpacing, nuclei: Floats) -> Drawn:
    """The picture as a JPEG of a quality, and its stained pixels."""
    stream = BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality)
    rgb = np.asarray(Image.open(stream))
    stained = unmix(optical_density(rgb, MODEL.white.rgb), MODEL)[..., 1] > 0.2
    return Drawn(rgb, stained, spacing, nuclei)


def halved(drawn: Drawn, quality: int = 80) -> Drawn:
    """The same scene from a scanner with pixels twice as wide."""
    rows, columns = (side // 2 * 2 for side in drawn.stained.shape)
    light = drawn.rgb[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, 3).mean(axis=(1, 3))
    return kept(np.rint(light).astype(np.uint8), quality, drawn.spacing.downsampled(2), drawn.nuclei)


def count(drawn: Drawn, params: NucleiParams = PARAMS) -> CellCount:
    return count_cells(drawn.rgb, drawn.stained, MODEL, drawn.spacing, params)


def tallied(drawn: Drawn, rows: slice, columns: slice, margin_px: int) -> NucleiTally:
    """Tally of a core seen through a window of its own."""
    shape = drawn.stained.shape
    window = tuple(
        slice(max(0, part.start - margin_px), min(side, part.stop + margin_px))
        for part, side in zip((rows, columns), shape, strict=True)
    )
    core = tuple(
        slice(part.start - seen.start, min(part.stop, side) - seen.start)
        for part, seen, side in zip((rows, columns), window, shape, strict=True)
    )
    view = view_of(drawn.rgb[window], MODEL, drawn.spacing, PARAMS)
    return tally_nuclei(view, drawn.stained[window], PARAMS, (core[0], core[1]))


LOOKS = {
    "plain": {},
    "small nuclei, close": {"nuclear_radius": 3.0, "pitch": 12.0},
    "small nuclei, apart": {"nuclear_radius": 3.0, "pitch": 20.0},
    "nuclei touch": {"nuclear_radius": 6.0, "pitch": 15.0},
    "large cells": {"nuclear_radius": 6.5, "pitch": 22.0},
    "pale": {"dab": 0.32, "haem": 0.3},
    "pale and covered": {"dab": 0.35, "cover": 0.3, "haem": 0.3},
    "dark and covered": {"dab": 1.5, "cover": 0.5, "haem": 0.3},
    "little counterstain": {"haem": 0.2},
    "little counterstain, covered": {"haem": 0.2, "cover": 0.4},
    "much counterstain, covered": {"haem": 0.7, "cover": 0.2},
    "blurred, JPEG 50": {"blur": 0.8, "quality": 50},
    "sharp, JPEG 90": {"blur": 0.0, "quality": 90},
    "membranous": {"membranous": True},
    "membranous, large": {"membranous": True, "pitch": 20.0},
    "half hidden": {"dab": 1.3, "hidden": 0.5},
}


FINE = ("plain", "nuclei touch", "dark and covered", "membranous")


@pytest.mark.parametrize(
    ("look", "spacing"), [*((look, (0.5, 0.5)) for look in LOOKS), *((look, (0.25, 0.26)) for look in FINE)]
)
def test_cells_of_a_nest_are_counted_within_a_sixth_and_the_interval_holds_the_truth(look, spacing):
    scene = Scene(n_cells=60, spacing=spacing, seed=len(look), **LOOKS[look])

    cells = count(draw(scene))

    assert cells.value == pytest.approx(scene.n_cells, rel=1 / 6)
    assert cells.low <= scene.n_cells <= cells.high
    assert cells.high < 1.7 * scene.n_cells


@pytest.mark.parametrize("n_cells", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("seed", range(3), ids="seed{}".format)
def test_small_groups_are_counted_to_a_cell(n_cells, seed):
    cells = count(draw(Scene(n_cells=n_cells, pitch=17, seed=seed)))

    assert cells.value == pytest.approx(n_cells, abs=1.2)  # one, and a little margin of stain
    assert cells.low <= n_cells <= cells.high


def test_nine_of_ten_nests_of_random_look_are_within_a_fifth():
    rng = np.random.default_rng(41)
    errors, held = [], []
    for seed in range(16):
        pitch = rng.uniform(12, 20)
        dab = rng.uniform(0.35, 1.5)
        scene = Scene(
            n_cells=int(rng.integers(50, 110)),
            pitch=pitch,
            nuclear_radius=rng.uniform(3.0, min(6.5, 0.38 * pitch)),
            dab=dab,
            haem=rng.uniform(0.25, 0.7),
            cover=rng.choice([0.0, rng.uniform(0, min(0.5, 0.7 * dab))]),
            blur=rng.uniform(0, 0.8),
            quality=int(rng.integers(50, 91)),
            seed=seed,
        )
        cells = count(draw(scene))
        errors.append(abs(cells.value / scene.n_cells - 1))
        held.append(cells.low <= scene.n_cells <= cells.high)

    assert np.mean(np.array(errors) <= 0.2) >= 0.9
    assert np.median(errors) <= 0.05
    assert np.mean(held) >= 0.9


def test_a_clear_count_of_260_is_above_200():
    cells = count(draw(Scene(n_cells=260)))

    assert 200 < cells.low < 260 < cells.high < 320


def test_two_scanners_agree():
    fine = draw(Scene(n_cells=100, spacing=(0.25, 0.25), seed=3))

    assert count(halved(fine)).value == pytest.approx(count(fine).value, rel=0.04)


@pytest.mark.parametrize("turn", ["transposed", "mirrored"])
def test_the_count_belongs_to_the_nest_and_not_to_its_place(turn):
    drawn = draw(Scene(n_cells=80, seed=5))
    order = {"transposed": (1, 0), "mirrored": (0, 1)}[turn]
    step = {"transposed": 1, "mirrored": -1}[turn]
    turned = replace(
        drawn,
        rgb=np.ascontiguousarray(drawn.rgb.transpose(*order, 2)[::step]),
        stained=np.ascontiguousarray(drawn.stained.transpose(order)[::step]),
    )

    assert count(turned).value == pytest.approx(count(drawn).value, rel=0.04)


def test_counted_places_are_tumour_nuclei_and_no_lymphocytes():
    drawn = draw(Scene(n_cells=120, seed=2))
    tally = tally_nuclei(view_of(drawn.rgb, MODEL, drawn.spacing, PARAMS), drawn.stained, PARAMS)

    away, _ = cKDTree(drawn.nuclei).query(tally.centres_um)

    assert np.mean(away < 3.5) > 0.97


def test_lymphocytes_beside_one_stained_cell_are_not_its_cells():
    drawn = draw(Scene(n_cells=1, pitch=20, seed=4))

    assert count(drawn).counted == 1


@pytest.mark.parametrize("side_px", [160, 256])
def test_windows_add_up(side_px):
    drawn = draw(Scene(n_cells=250, seed=7, hidden=0.3, dab=1.2))
    rows, columns = drawn.stained.shape
    tallies = [
        tallied(drawn, slice(top, top + side_px), slice(left, left + side_px), round(MARGIN_UM / 0.5))
        for top in range(0, rows, side_px)
        for left in range(0, columns, side_px)
    ]
    whole = tally_nuclei(view_of(drawn.rgb, MODEL, drawn.spacing, PARAMS), drawn.stained, PARAMS)

    total = sum(tallies[1:], tallies[0])

    assert total.seen == pytest.approx(whole.seen, rel=0.06)  # each window has its own clear nuclei
    assert total.shown_um2 + total.hidden_um2 == pytest.approx(whole.shown_um2 + whole.hidden_um2, rel=0.03)
    assert cells_of(total, PARAMS).value == pytest.approx(cells_of(whole, PARAMS).value, rel=0.06)


def test_a_solid_sheet_without_nuclei_is_extrapolated_by_area():
    drawn = draw(Scene(n_cells=60, pitch=12, dab=1.2, hidden=1.0))

    cells = count(drawn)

    assert cells.solid_share > 0.8
    assert cells.low <= 60 <= cells.high


@pytest.mark.parametrize("side_um", [1, 5, 14])
def test_a_stained_cell_without_a_nucleus_is_one_cell(side_um):
    rgb = np.full((80, 80, 3), 243, np.uint8)
    stained = np.zeros((80, 80), bool)
    stained[30 : 30 + 2 * side_um, 30 : 30 + 2 * side_um] = True
    rgb[stained] = (140, 90, 60)

    cells = count_cells(rgb, stained, MODEL, PixelSpacing(0.5, 0.5), PARAMS)

    assert cells.counted == 0
    assert cells.low <= cells.value <= cells.high
    assert cells.value == pytest.approx(1.0, abs=0.2)


def test_nothing_stained_is_still_the_one_cell_that_the_cluster_has():
    rgb = np.full((9, 7, 3), 243, np.uint8)

    cells = count_cells(rgb, np.zeros((9, 7), bool), MODEL, PixelSpacing(0.5, 0.5), PARAMS)

    assert cells == CellCount(1.0, 1.0, 1.0, 0, 0.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("smallest_um", 15.0), ("least_contrast", 0.0), ("enclosed_share", 1.0), ("reach_um", 3.0), ("hole_um2", -1.0)],
)
def test_a_parameter_out_of_range_is_told(name, value):
    with pytest.raises(ConfigError, match=r"nuclei.*" + name):
        NucleiParams(**{name: value})


def test_cell_areas_must_rise():
    with pytest.raises(ConfigError, match="cell_area_low_um2"):
        NucleiParams(cell_area_low_um2=200.0)
