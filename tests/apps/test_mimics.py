"""Mimics: drawn where they belong, of the size and colour they should have, and the same in any block."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage
from scipy.spatial import ConvexHull, cKDTree

from micromet_path.apps.samples import SampleSpec, mimic_kernels, mimics
from micromet_path.apps.samples.looks import DAB, HAEMATOXYLIN
from micromet_path.apps.samples.mimic_parts import BUILDERS
from micromet_path.apps.samples.mimics import MIMIC_KINDS, Mimic, ink_colour, paint_mimic, place_mimics
from micromet_path.apps.samples.places import APART_UM, free_map
from micromet_path.apps.samples.planes import (
    CHROMOGEN,
    COLOURS,
    HAEM,
    HAEMOSIDERIN,
    INK,
    MELANIN,
    N_PLANES,
    NEUTRAL,
    UNIT_OD,
)
from micromet_path.apps.samples.tissue import Tissue, tissue_of

SIDE_UM = 4096.0
SAMPLES = Path(mimics.__file__).parent
GLASS_KINDS = ("precipitate_off_tissue", "ink", "dust")
BLACK, BLUE, GREEN, BROWN = 0, 1, 2, 3
"""Seeds, named by the ink of their slides."""


@dataclass(frozen=True)
class Slide:
    spec: SampleSpec
    tissue: Tissue
    mimics: tuple[Mimic, ...]

    def of(self, kind: str) -> Mimic:
        return next(mimic for mimic in self.mimics if mimic.kind == kind)


@lru_cache
def slide(seed: int = BROWN, spacing_um: float = 0.5, profile: str = "negative") -> Slide:
    spec = SampleSpec(profile, int(SIDE_UM / spacing_um), seed, spacing_um)
    tissue = tissue_of(spec)
    rng = np.random.default_rng([seed, 10])
    return Slide(spec, tissue, place_mimics(rng, spec, tissue, free_map(tissue, SIDE_UM), MIMIC_KINDS))


def depth_um(on: Slide, box: tuple[int, int, int, int]) -> np.ndarray:
    """Distance inside the smooth margin of every pixel of a box."""
    x0, y0, x1, y1 = box
    rows, columns = np.indices((y1 - y0, x1 - x0)).reshape(2, -1)
    um = (on.spec.spacing_um, on.spec.spacing_of_rows_um)
    return on.tissue.inside_um((np.column_stack((columns + x0, rows + y0)) + 0.5) * um).reshape(y1 - y0, x1 - x0)


def tissue_planes(on: Slide, box: tuple[int, int, int, int]) -> np.ndarray:
    """An even ground of haematoxylin where tissue is."""
    planes = np.zeros((N_PLANES, box[3] - box[1], box[2] - box[0]), np.uint8)
    planes[HAEM] = 24 * (depth_um(on, box) > 0)
    return planes


def painted(on: Slide, mimic: Mimic, grown: int = 0) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int, int]]:
    """Planes without and with a mimic, over its box."""
    box = tuple(edge + sign * grown for edge, sign in zip(mimic.bbox_px0, (-1, -1, 1, 1), strict=True))
    before = tissue_planes(on, box)
    after = before.copy()
    paint_mimic(mimic, after, box[0], box[1], on.spec)
    return before, after, box


def middle_of(mimic: Mimic, side: int) -> tuple[int, int, int, int]:
    """A part of the box around something of the mimic."""
    x, y = mimic.parts.cover[len(mimic.parts.cover) // 2] / 0.5
    return int(x) - side // 2, int(y) - side // 2, int(x) - side // 2 + side, int(y) - side // 2 + side


def extent_px(mask: np.ndarray) -> float:
    points = np.argwhere(mask).astype(float)
    hull = points[ConvexHull(points).vertices]
    return float(np.hypot(*(hull[:, None] - hull[None]).transpose(2, 0, 1)).max()) + 1


def degrees(first: np.ndarray, second: np.ndarray) -> float:
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def developed(planes: np.ndarray, spec: SampleSpec) -> np.ndarray:
    """Grey levels by the law of Lambert and Beer, as a camera gives them."""
    vectors = {HAEM: HAEMATOXYLIN, CHROMOGEN: DAB, **COLOURS, INK: ink_colour(spec)}
    density = planes[NEUTRAL, ..., None] * UNIT_OD * np.ones(3)
    for plane, vector in vectors.items():
        density = density + planes[plane, ..., None] * UNIT_OD * np.array(vector) / np.linalg.norm(vector)
    return np.rint(243 * 10**-density).astype(np.uint8)


def added_density(on: Slide, mimic: Mimic) -> np.ndarray:
    """Absorbance in red, green and blue that a mimic adds, where it is dense but not black: (N, 3)."""
    before, after, _ = painted(on, mimic)
    light = developed(after, on.spec).astype(float)
    density = -np.log10(np.maximum(light, 1) / developed(before, on.spec))
    return density[(np.linalg.norm(density, axis=2) > 0.2) & (light.min(axis=2) > 15)]


@pytest.mark.parametrize("kind", MIMIC_KINDS)
def test_every_kind_finds_room_and_paints(kind):
    before, after, _ = painted(slide(), slide().of(kind))

    assert (before != after).any()


@pytest.mark.parametrize("kind", MIMIC_KINDS)
@pytest.mark.parametrize("shape", [(64, 700), (311, 97)])
def test_blocks_of_any_shape_give_the_same_pixels(kind, shape):
    mimic, side = slide().of(kind), 700
    x0, y0, x1, y1 = middle_of(mimic, side)
    whole = tissue_planes(slide(), (x0, y0, x1, y1))
    pieces = whole.copy()
    paint_mimic(mimic, whole, x0, y0, slide().spec)

    for top in range(0, side, shape[0]):
        for left in range(0, side, shape[1]):
            part = pieces[:, top : top + shape[0], left : left + shape[1]]
            paint_mimic(mimic, part, x0 + left, y0 + top, slide().spec)

    assert_array_equal(pieces, whole)
    assert (whole != tissue_planes(slide(), (x0, y0, x1, y1))).any()


@pytest.mark.parametrize("seed", [BLUE, BROWN])
@pytest.mark.parametrize("kind", MIMIC_KINDS)
def test_nothing_is_painted_outside_the_box_and_the_box_is_no_larger_than_needed(kind, seed):
    on = slide(seed, 1.0)
    mimic = on.of(kind)
    before, after, _ = painted(on, mimic, grown=60)
    changed = (before != after).any(axis=0)
    inside = np.zeros_like(changed)
    inside[60:-60, 60:-60] = True

    assert not (changed & ~inside).any()
    for axis in (0, 1):
        held = np.flatnonzero(changed.any(axis=axis))
        assert held[-1] - held[0] > 0.8 * (changed.shape[1 - axis] - 120)


SIZES = {
    "carbon": (10, 25.1),
    "melanin": (15, 25.1),
    "haemosiderin": (15, 30.1),
    "precipitate": (8, 20.1),
    "precipitate_off_tissue": (8, 20.1),
    "reticulum": (30, 70),
    "plasma_cells": (9, 14.1),
    "dust": (10, 301),
}


@pytest.mark.parametrize("kind", SIZES)
def test_members_have_the_sizes_of_their_kind(kind):
    drawn = [BUILDERS[kind](np.random.default_rng(seed)) for seed in range(10)]
    low, high = SIZES[kind]

    assert all(low <= parts.largest_um <= high for parts in drawn)
    assert len({parts.n for parts in drawn}) > 3


@pytest.mark.parametrize("kind", ["edge_effect", "fold", "ink"])
@pytest.mark.parametrize("seed", [GREEN, BROWN])
def test_structures_are_as_long_as_they_say(kind, seed):
    on = slide(seed, 1.0)
    mimic = on.of(kind)
    before, after, _ = painted(on, mimic)
    added = after.astype(int) - before
    strong = added[INK] if kind == "ink" else added[CHROMOGEN] if kind == "edge_effect" else added[HAEM]

    assert mimic.n == 1
    assert extent_px(strong > 12) == pytest.approx(mimic.largest_um, rel=0.15, abs=30)


@pytest.mark.parametrize("kind", ["edge_effect", "fold", "ink", "precipitate", "reticulum"])
def test_some_are_larger_than_an_isolated_cluster_may_be(kind):
    boxes = [slide(seed, 1.0).of(kind).bbox_px0 for seed in (BLUE, BROWN)]

    assert max(np.hypot(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes) > 200


def test_the_largest_fleck_measures_what_was_stated():
    on = slide(BLUE)
    mimic = on.of("precipitate_off_tissue")
    _, after, _ = painted(on, mimic)
    labels, count = ndimage.label(after[CHROMOGEN] > 50, np.ones((3, 3)))
    boxes = ndimage.find_objects(labels)
    longest = max(
        extent_px(labels[box] == index + 1)
        for index, box in enumerate(boxes)
        if min(box[0].stop - box[0].start, box[1].stop - box[1].start) > 4
    )

    assert longest * 0.5 > 0.8 * mimic.largest_um
    assert 0.5 * mimic.n < count < 1.2 * mimic.n  # some overlap, some fall apart


@pytest.mark.parametrize("seed", [BLUE, BROWN])
def test_things_lie_on_tissue_or_on_glass_as_they_say(seed):
    on = slide(seed)
    for mimic in (mimic for mimic in on.mimics if mimic.kind not in ("edge_effect", "ink")):
        before, after, box = painted(on, mimic)
        depth = depth_um(on, box)[(before != after).any(axis=0)]
        assert mimic.on_tissue or mimic.kind in GLASS_KINDS
        assert depth.min() > 0 if mimic.on_tissue else depth.max() < -8


@pytest.mark.parametrize("seed", [GREEN, BROWN])
def test_an_edge_effect_is_strongest_at_the_margin_and_fades_inwards(seed):
    on = slide(seed, 1.0)
    mimic = on.of("edge_effect")
    before, after, box = painted(on, mimic)
    depth, brown = depth_um(on, box), after[CHROMOGEN]
    rim = brown[(depth > 0) & (depth < 6)]

    assert mimic.on_tissue
    assert not brown[depth <= 0].any()
    assert depth[brown > 0].max() < 125
    assert 0.2 < rim.max() * UNIT_OD < 0.56
    assert rim.mean() > 2 * brown[(depth > 40) & (depth < 80)].mean()
    assert_array_equal(np.delete(after, CHROMOGEN, axis=0), np.delete(before, CHROMOGEN, axis=0))


def test_brown_ink_coats_the_outside_of_the_margin():
    on = slide(BROWN, 1.0)
    before, after, box = painted(on, on.of("ink"))
    depth = depth_um(on, box)[(before != after).any(axis=0)]

    assert depth.min() > -70
    assert depth.max() < 40
    assert (depth < 0).mean() > 0.5


@pytest.mark.parametrize("seed", [BLUE, GREEN])
def test_a_pen_stroke_is_broad_soft_and_unlike_tissue_on_glass(seed):
    on = slide(seed, 1.0)
    mimic = on.of("ink")
    _, after, box = painted(on, mimic)
    core = after[INK] > 40
    width = 2 * ndimage.distance_transform_edt(core).max()
    steps = np.abs(np.diff(after[INK].astype(int), axis=1))

    assert 200 < width < 1100
    assert steps.max() < 24  # soft: no step from one pixel to the next
    assert mimic.on_tissue == bool((depth_um(on, box)[core] > 0).any())


@pytest.mark.parametrize(
    ("kind", "vector"),
    [
        ("carbon", (1.0, 1.0, 1.0)),
        ("melanin", COLOURS[MELANIN]),
        ("haemosiderin", COLOURS[HAEMOSIDERIN]),
        ("precipitate", DAB),
        ("precipitate_off_tissue", DAB),
        ("edge_effect", DAB),
    ],
)
def test_pigments_have_their_colour_in_the_light(kind, vector):
    colour = np.median(added_density(slide(), slide().of(kind)), axis=0)

    assert degrees(colour, np.array(vector)) < 3


@pytest.mark.parametrize("seed", [BLUE, GREEN])
def test_ink_has_the_colour_of_its_slide(seed):
    colour = np.median(added_density(slide(seed, 1.0), slide(seed, 1.0).of("ink")), axis=0)

    assert degrees(colour, np.array(ink_colour(slide(seed).spec))) < 3


def test_four_slides_have_four_inks_and_only_the_brown_one_is_like_dab():
    colours = [np.array(ink_colour(SampleSpec(seed=seed))) for seed in range(4)]

    assert len({tuple(colour) for colour in colours}) == 4
    assert [degrees(colour, np.array(DAB)) < 8 for colour in colours] == [False, False, False, True]


def test_dust_is_grey_with_a_touch_of_brown_and_has_no_sharp_edge():
    on = slide()
    before, after, _ = painted(on, on.of("dust"))
    brown = after[CHROMOGEN][after[NEUTRAL] > 20].astype(float)

    assert 0.02 < np.mean(brown) / np.mean(after[NEUTRAL][after[NEUTRAL] > 20]) < 0.35
    assert np.abs(np.diff(after[NEUTRAL].astype(int), axis=1)).max() < 40
    assert_array_equal(after[HAEM], before[HAEM])


def test_a_fold_about_doubles_the_haematoxylin_of_a_node():
    on = slide()
    mimic = on.of("fold")
    box = middle_of(mimic, 600)
    planes = np.zeros((N_PLANES, 600, 600), np.uint8)
    planes[HAEM] = 24
    rng = np.random.default_rng(0)
    sites = (np.indices((60, 60)).reshape(2, -1).T * 7.0 + rng.uniform(-2, 2, (3600, 2)))[rng.random(3600) < 0.78]
    round_cells = np.column_stack(
        (sites + np.array(box[:2]) * 0.5, np.tile((3.1, 2.9, 0.0, 100.0, 1.0, 0.2), (len(sites), 1)))
    )
    mimic_kernels.paint_grains(planes, *box[:2], 0.5, 0.5, np.column_stack((np.zeros(len(sites)), round_cells)))
    single = planes.copy()
    paint_mimic(mimic, planes, *box[:2], on.spec)
    band = planes[NEUTRAL] > 0.3 * planes[NEUTRAL].max()

    assert 1.6 < planes[HAEM][band].mean() / single[HAEM][band].mean() < 2.5
    assert 0.0 < planes[CHROMOGEN].max() * UNIT_OD < 0.3
    assert 0.08 < planes[NEUTRAL].max() * UNIT_OD < 0.31


def test_plasma_cells_have_one_nucleus_pushed_aside_and_stain_on_the_other_side():
    parts = BUILDERS["plasma_cells"](np.random.default_rng(4))
    cell = parts.cells[:1].copy()
    cell[0, :2], cell[0, 4] = (20.0, 20.0), 0.0  # lying along x
    planes = np.full((N_PLANES, 160, 160), 20, np.uint8)
    planes[1:] = 0
    mimic_kernels.paint_cells(planes, 0, 0, 0.25, 0.25, cell)
    nucleus = planes[HAEM] > 50
    stained = planes[CHROMOGEN] > 0.5 * planes[CHROMOGEN].max()

    assert ndimage.label(nucleus)[1] == 1
    assert 4.6 < 2 * np.sqrt(nucleus.sum() / np.pi) * 0.25 < 6.4
    assert 0.24 < planes[CHROMOGEN].max() * UNIT_OD < 0.51
    assert np.argwhere(nucleus)[:, 1].mean() - np.argwhere(stained)[:, 1].mean() > 3 / 0.25


def test_reticulum_cells_are_thin_and_branched():
    planes = np.zeros((N_PLANES, 1600, 1600), np.uint8)
    parts = BUILDERS["reticulum"](np.random.default_rng(2)).moved(np.array([200.0, 200.0]))
    mimic_kernels.paint_strokes(planes, 0, 0, 0.25, 0.25, parts.strokes)
    stained = planes[CHROMOGEN] > 0.5 * parts.strokes[:, 7].min()
    thickness = 2 * ndimage.distance_transform_edt(stained).max() * 0.25
    labels, _ = ndimage.label(stained, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    solidity = sizes.max() / ConvexHull(np.argwhere(labels == sizes.argmax() + 1)).volume

    assert thickness < 5.0  # where processes meet; each is below 2 um
    assert parts.strokes[:, [3, 6]].max() <= 0.9
    assert parts.strokes[:, [3, 6]].min() >= 0.35
    assert solidity < 0.35


def test_the_same_seed_gives_the_same_and_another_seed_gives_another():
    first, again, other = slide(BLUE), slide.__wrapped__(BLUE), slide(GREEN)

    assert [m.bbox_px0 for m in first.mimics] == [m.bbox_px0 for m in again.mimics]
    assert [m.bbox_px0 for m in first.mimics] != [m.bbox_px0 for m in other.mimics]
    for kind in ("carbon", "precipitate", "edge_effect"):
        assert_array_equal(painted(first, first.of(kind))[1], painted(again, again.of(kind))[1])


def test_mimics_keep_apart_and_from_what_was_there_before():
    spec = SampleSpec("negative", 8192, 5, 0.5)
    tissue = tissue_of(spec)
    places = free_map(tissue, SIDE_UM)
    there = np.array([places.anywhere(np.random.default_rng(seed)) for seed in range(6)])
    places.take(there)

    covers = [there] + [
        m.parts.cover for m in place_mimics(np.random.default_rng(1), spec, tissue, places, MIMIC_KINDS * 2)
    ]

    assert len(covers) > 14
    for index, cover in enumerate(covers):
        others = np.concatenate(covers[:index] + covers[index + 1 :])
        assert cKDTree(others).query(cover)[0].min() > APART_UM - 16
        deep = cover[tissue.inside_um(cover) > 80]
        assert not places.free[tuple((deep[:, ::-1] // 16).astype(int).T)].any()


def test_no_room_gives_no_mimic():
    bare = slide(BLUE, profile="empty")

    assert [mimic.kind for mimic in bare.mimics if mimic.kind not in GLASS_KINDS] == []
    assert {"precipitate_off_tissue", "ink"} <= {mimic.kind for mimic in bare.mimics}
    assert not any(mimic.on_tissue for mimic in bare.mimics)


def test_pixels_that_are_not_square_leave_the_shape_in_microns():
    on = slide(BLUE, 0.25)
    mimic = on.of("haemosiderin")
    tall = replace(on.spec, spacing_y_um=0.5)
    x0, y0, x1, y1 = mimic.bbox_px0
    square, high = (
        np.zeros((N_PLANES, y1 - y0, x1 - x0), np.uint8),
        np.zeros((N_PLANES, (y1 - y0) // 2 + 1, x1 - x0), np.uint8),
    )
    paint_mimic(mimic, square, x0, y0, on.spec)
    paint_mimic(replace(mimic, bbox_px0=(x0, y0 // 2, x1, y1 // 2 + 1)), high, x0, y0 // 2, tall)

    columns = [np.flatnonzero((planes[HAEMOSIDERIN] > 60).any(axis=0)) for planes in (square, high)]
    rows = [np.flatnonzero((planes[HAEMOSIDERIN] > 60).any(axis=1)) for planes in (square, high)]
    assert abs(np.ptp(columns[0]) - np.ptp(columns[1])) <= 3
    assert abs(np.ptp(rows[0]) - 2 * np.ptp(rows[1])) <= 5
    assert (square[HAEMOSIDERIN] > 60).sum() == pytest.approx(2 * (high[HAEMOSIDERIN] > 60).sum(), rel=0.06)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("mimic*.py")), ids=lambda path: path.name)
def test_mimics_know_nothing_of_the_code_that_looks_for_them(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not any(name.startswith("micromet_path.pixels") for name in names)
