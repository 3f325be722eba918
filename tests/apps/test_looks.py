"""Looks and scenes of sample slides: what they promise, measured on the drawn pixels by other means."""

from __future__ import annotations

import ast
import gzip
import json
from collections import Counter, defaultdict
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.spatial import cKDTree

from micromet_path.apps import samples
from micromet_path.apps.samples import LOOKS, PROFILES, SampleSpec, write_sample
from micromet_path.apps.samples.layout import Layout
from micromet_path.apps.samples.masks import SpanMask, rasterise
from micromet_path.apps.samples.render import Painter, painter
from micromet_path.apps.samples.scenes import SCENES
from micromet_path.apps.samples.truth import truth_of
from micromet_path.apps.samples.write import layout_of
from micromet_path.errors import ConfigError
from micromet_path.geometry import Region
from micromet_path.slides.opening import open_slide


@lru_cache
def layout_at(profile: str, side_px: int, spacing_um: float, seed: int = 0, **more: Any) -> Layout:
    return layout_of(SampleSpec(profile, side_px, seed, spacing_um, **more))


def seen_as(layout: Layout, look: str) -> Layout:
    """The same things with another look; that they lie where they lay is a test of its own."""
    return replace(layout, spec=replace(layout.spec, look=look))


def drawn(paint: Painter, box: tuple[int, int, int, int], tile_px: int = 64, width_tiles: int = 4) -> np.ndarray:
    """Pixels of a box, drawn in strips of some shape."""
    x0, y0 = (box[0] // tile_px * tile_px, box[1] // tile_px * tile_px)
    columns, rows = -(-(box[2] - x0) // tile_px), -(-(box[3] - y0) // tile_px)
    image = np.empty((rows * tile_px, columns * tile_px, 3), np.uint8)
    for row in range(rows):
        for first in range(0, columns, width_tiles):
            last = min(first + width_tiles, columns)
            y = y0 + row * tile_px
            strip = paint.strip(Region(x0 + first * tile_px, y, x0 + last * tile_px, y + tile_px))
            image[row * tile_px : (row + 1) * tile_px, first * tile_px : last * tile_px] = np.hstack(list(strip))
    return image[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]


def pixels(mask: SpanMask, box: tuple[int, int, int, int]) -> np.ndarray:
    """Boolean image of a mask over a box."""
    image = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
    for row, start, stop in zip(mask.row, mask.start, mask.stop, strict=True):
        image[row - box[1], start - box[0] : stop - box[0]] = True
    return image


def around(box: tuple[int, int, int, int], margin: int) -> tuple[int, int, int, int]:
    return box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin


def corner_points_um(focus: dict[str, Any], layout: Layout) -> np.ndarray:
    """Corners of the pixels at either end of each row of a mask."""
    mask = layout.foci[focus["id"] - 1].mask
    points = [np.column_stack((x, mask.row + down)) for x in (mask.start, mask.stop) for down in (0, 1)]
    return np.concatenate(points) * (layout.spec.spacing_um, layout.spec.spacing_of_rows_um)


def nearest_um(layout: Layout, foci: list[dict[str, Any]]) -> np.ndarray:
    """Distance of each focus to the nearest other one, by the corners of their pixels."""
    points = [corner_points_um(focus, layout) for focus in foci]
    owner = np.repeat(np.arange(len(points)), [len(some) for some in points])
    everything = np.concatenate(points)
    nearest = []
    for index, own in enumerate(points):
        near = (np.abs(everything - own[0]).max(axis=1) < 400) & (owner != index)
        nearest.append(cKDTree(everything[near]).query(own)[0].min())
    return np.array(nearest)


# -- what stays as it was -------------------------------------------------------------------------


def test_a_specification_without_a_look_is_the_default_look(tmp_path: Path) -> None:
    plain = SampleSpec("itc", 1024, 3, 0.5)
    full = SampleSpec("itc", 1024, 3, 0.5, look="default", spacing_y_um=0.5, outlines=None)
    first, second = write_sample(tmp_path / "a", plain), write_sample(tmp_path / "b", full)
    assert first.slide.name == second.slide.name == "itc-1024-seed3.svs"
    assert first.slide.read_bytes() == second.slide.read_bytes()
    assert first.truth.read_bytes() == second.truth.read_bytes()


def test_pixels_are_those_of_the_first_release() -> None:
    """Means over probes of a slide as they were before there were looks."""
    image = drawn(painter(layout_at("default", 2048, 0.5)), PROBE_BOX).astype(float)
    assert_allclose(image.mean(axis=(0, 1)), PROBE_MEAN, atol=1e-6)
    assert_array_equal(image[::97, ::89].astype(int).sum(axis=(0, 1)), PROBE_SUM)


PROBE_BOX = (512, 512, 1024, 1024)
PROBE_MEAN = (201.5744285583496, 197.381591796875, 217.56616592407227)
PROBE_SUM = (6897, 6730, 7639)


def test_the_generator_knows_nothing_of_the_detector() -> None:
    for path in Path(samples.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if "pixels" in name], path.name


# -- looks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS)
def test_how_the_slide_is_cut_changes_no_pixel(look: str) -> None:
    layout = seen_as(layout_at("mimics", 2400, 0.5, 2), look)
    paint = painter(layout)
    focus, mimic = layout.foci[0].mask.bbox, layout.mimics[0].bbox_px0
    for x, y in (focus[:2], mimic[:2]):
        box = (x - 20, y - 20, x + 76, y + 60)
        assert_array_equal(drawn(paint, box, 64, 9), drawn(paint, box, 112, 1))


@pytest.mark.parametrize("look", LOOKS)
def test_clear_glass_has_the_colour_of_the_look(look: str) -> None:
    layout = layout_at("empty", 4096, 0.5, look=look)
    middle = round(1000 / 0.5)  # of a camera field
    image = drawn(painter(layout), (middle - 16, middle - 16, middle + 16, middle + 16))
    assert_array_equal(np.median(image, axis=(0, 1)), LOOKS[look].white)


def test_grey_glass_is_darker_in_the_corners_of_its_fields() -> None:
    layout = layout_at("empty", 4096, 0.5, look="grey-glass")
    paint = painter(layout)
    light = [drawn(paint, (x, x, x + 32, x + 32)).mean() for x in (1984, 2984, 3984)]
    assert light[2] / light[0] == pytest.approx(0.88, abs=0.01)
    assert light[1] / light[0] == pytest.approx(0.97, abs=0.01)


@pytest.mark.parametrize("look", [name for name in LOOKS if name not in ("half-blurred", "out-of-focus", "thick")])
def test_foci_have_the_density_that_the_truth_says(look: str) -> None:
    """Unmixed by the two vectors of the truth, in the foci away from their margins."""
    layout = seen_as(layout_at("foci", 2048, 0.5, 5), look)
    truth, paint = truth_of(layout), painter(layout)
    vectors = np.array(list(truth["stain_vectors"].values()))
    middle = [f for f in truth["foci"] if f["kind"] in ("solid", "near_200")][:2]
    for focus in middle:
        box = tuple(focus["bbox_px0"])
        image = drawn(paint, box).astype(float)
        shade = 1 - LOOKS[look].shade / 2
        density = -np.log10(np.maximum(image, 1) / np.array(truth["white"]))
        amount = np.linalg.lstsq(vectors.T, density.reshape(-1, 3).T, rcond=None)[0][1].reshape(image.shape[:2])
        inside = ndimage.binary_erosion(pixels(layout.foci[focus["id"] - 1].mask, box), iterations=2)
        nuclei = layout.foci[focus["id"] - 1].nuclei
        places = np.argwhere(inside)[:, ::-1] + np.array(box[:2]) + 0.5
        away, index = cKDTree(nuclei[:, :2]).query(places)
        inside[inside] = away > nuclei[index, 2] + 3
        slack = 0.03 - np.log10(shade) + 0.06 * focus["dab_od"]
        assert amount[inside].mean() == pytest.approx(focus["dab_od"], abs=slack), focus


def test_looks_stain_as_much_as_they_say() -> None:
    densities = {
        look: [f["dab_od"] for f in truth_of(layout_at("foci", 2048, 0.5, 5, look=look))["foci"]]
        for look in ("default", "weak-dab", "pale-dab", "dark-dab", "failed-stain")
    }
    ranges = {"default": (0.7, 1.05), "weak-dab": (0.26, 0.46), "pale-dab": (0.37, 0.65), "dark-dab": (1.3, 1.95)}
    for look, (low, high) in ranges.items():
        assert low < min(densities[look]) < max(densities[look]) < high
    assert 0.3 < np.mean(densities["weak-dab"]) < 0.42
    assert 0.45 < np.mean(densities["pale-dab"]) < 0.6
    faint = np.array(densities["weak-dab"]) / densities["default"] / 0.45
    assert 0 < (faint < 0.92).mean() < 0.5
    assert set(densities["failed-stain"]) == {0.0}


def test_a_look_moves_nothing() -> None:
    wanted = ("centre_px0", "max_diameter_um", "area_um2", "n_cells", "kind")
    places = [
        [[focus[key] for key in wanted] for focus in truth_of(layout_at("foci", 2048, 0.5, 5, look=look))["foci"]]
        for look in ("default", "weak-dab", "thick", "aec")
    ]
    assert all(place == places[0] for place in places)


def test_counterstain_is_stronger_and_weaker() -> None:
    plain, density = layout_at("negative", 2048, 0.5), {}
    x, y = (round(middle / 0.5) for middle in plain.tissue.centre_um[0])
    for look in ("default", "strong-counterstain", "weak-counterstain"):
        image = drawn(painter(seen_as(plain, look)), (x, y, x + 256, y + 256)).astype(float)
        density[look] = -np.log10(image / np.array(LOOKS[look].white)).mean()
    assert density["strong-counterstain"] / density["default"] == pytest.approx(1.7, rel=0.06)
    assert density["weak-counterstain"] / density["default"] == pytest.approx(0.45, rel=0.08)


@pytest.mark.parametrize(("look", "sigma_um"), [("blurred", 0.6), ("out-of-focus", 5.0)])
def test_light_is_spread_as_intensity(look: str, sigma_um: float) -> None:
    """The sharp picture, filtered by another library, is the blurred one but for the grain."""
    box = (640, 640, 896, 896)
    wide = around(box, 40)
    sharp, blurred = (
        drawn(painter(seen_as(layout_at("foci", 2048, 0.5, 5), name)), wide).astype(float) for name in ("default", look)
    )
    expected = ndimage.gaussian_filter(sharp, (sigma_um / 0.5, sigma_um / 0.5, 0), truncate=4.0)
    inner = (slice(40, -40), slice(40, -40))
    away = ndimage.uniform_filter(blurred - expected, (5, 5, 0))[inner]
    assert np.abs(away).max() < 3.5
    assert sharp[inner].std() > 1.08 * blurred[inner].std()


@pytest.mark.parametrize("spacing_um", [0.25, 0.5])
def test_displaced_colours_lie_where_another_library_moves_them(
    spacing_um: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOOKS, "in-place", replace(LOOKS["displaced"], displaced_um=(0.0, 0.0)))
    wide = around((640, 640, 896, 896), 8)
    place, moved = (
        drawn(painter(seen_as(layout_at("foci", 2048, spacing_um, 5), name)), wide).astype(float)
        for name in ("in-place", "displaced")
    )
    inner = (slice(8, -8), slice(8, -8))
    for channel, side in enumerate((1, 0, -1)):
        x_um, y_um = LOOKS["displaced"].displaced_um
        by = (side * y_um / spacing_um, side * x_um / spacing_um)
        expected = ndimage.shift(place[..., channel], by, order=1, mode="nearest")
        away = ndimage.uniform_filter(moved[..., channel] - expected, 5)[inner]
        assert np.abs(away).max() < 3.5
        if side:
            unmoved = ndimage.uniform_filter(moved[..., channel] - place[..., channel], 5)[inner]
            assert np.abs(unmoved).max() > 2 * np.abs(away).max()


def test_half_a_slide_is_out_of_focus() -> None:
    for seed in (0, 1):
        plain = layout_at("foci", 3000, 0.5, seed)
        layout = seen_as(plain, "half-blurred")
        truth, sharp = truth_of(layout), painter(plain)
        paint, (x0, _, x1, _) = painter(layout), truth["sharp_box_px0"]
        detail = []
        for x in (300, 1000, 1400, 1600, 1900, 2600):
            box = (x, 1450, x + 96, 1546)
            edge = [np.abs(np.diff(drawn(p, box).astype(float)[..., 1], axis=1)).mean() for p in (paint, sharp)]
            detail.append(edge[0] / edge[1])
        detail = detail if seed == 0 else detail[::-1]
        assert detail[0] > 0.95
        assert detail[-1] < 0.35
        assert (x0, x1) == ((0, x1) if seed == 0 else (x0, 3000))
        assert 1200 < x1 - x0 < 1600
        assert 0.35 < truth["in_focus_share"] < 0.6
        for focus in truth["foci"]:
            assert focus["in_focus"] == (x0 <= focus["bbox_px0"][0] and focus["bbox_px0"][2] <= x1)


def test_a_thick_section_has_a_haze_around_its_foci() -> None:
    layout = seen_as(layout_at("foci", 2048, 0.5, 5), "thick")
    focus = max(layout.foci, key=lambda other: other.max_diameter_um)
    box = around(focus.mask.bbox, 60)
    away = ndimage.distance_transform_edt(~pixels(focus.mask, box)) * 0.5
    images = [drawn(painter(some), box).astype(float) for some in (layout, replace(layout, foci=()))]
    with_foci, without = (np.log10(image[..., 0] / image[..., 2]) for image in images)
    density = (with_foci - without) / (0.776 - 0.268)  # DAB takes so much more of blue than of red
    assert 0.04 < density[(away > 3) & (away < 7)].mean() < 0.1
    assert abs(density[away > 25].mean()) < 0.01


@pytest.mark.parametrize(
    ("profile", "look", "because"),
    [
        ("control", "failed-stain", "control tissue is not stained"),
        ("foci", "failed-stain", "nothing is stained"),
        ("foci", "out-of-focus", "out of focus"),
        ("negative", "half-blurred", "out of focus"),
        ("foci", "half-blurred", None),
        ("foci", "thick", None),
        ("he", "default", "not H-DAB"),
        ("empty", "default", "no tissue"),
    ],
)
def test_what_cannot_be_seen_is_not_assessable(profile: str, look: str, because: str | None) -> None:
    expected = truth_of(seen_as(layout_at(profile, 2048, 0.5, 5), look))["expected"]
    assert expected["not_assessable_because"] == because
    assert (expected["category"] == "not_assessable") == (because is not None)


# -- pixels that are not square -------------------------------------------------------------------


def test_a_slide_carries_both_spacings(tmp_path: Path) -> None:
    spec = SampleSpec("foci", 1536, 1, 0.5, spacing_y_um=0.4)
    paths = write_sample(tmp_path, spec)
    truth = json.loads(paths.truth.read_text(encoding="utf-8"))
    with open_slide(paths.slide) as slide:
        assert_allclose((slide.info.spacing.x_um, slide.info.spacing.y_um), (0.5, 0.4), rtol=1e-6)
    assert (truth["mpp_x"], truth["mpp_y"]) == (0.5, 0.4)
    assert truth["spacing"] == {"square": False, "stated_by": "tiff.resolution"}

    image = tifffile.imread(paths.slide, key=0).astype(int)
    brown = image[..., 0] > image[..., 2] + 30
    solid = [focus for focus in truth["foci"] if focus["kind"] in ("solid", "near_200", "micro")]
    assert len(solid) >= 3
    for focus in solid:
        x0, y0, x1, y1 = focus["bbox_px0"]
        labels, _ = ndimage.label(brown[y0 - 3 : y1 + 3, x0 - 3 : x1 + 3], np.ones((3, 3)))
        rows, columns = np.nonzero(labels == np.bincount(labels[labels > 0]).argmax())
        corners = np.concatenate([np.column_stack((columns + a, rows + b)) for a in (0, 1) for b in (0, 1)])
        points = np.unique(corners, axis=0) * (0.5, 0.4)
        size = max(np.ptp(points @ (np.cos(turn), np.sin(turn))) for turn in np.arange(0, np.pi, 0.01))
        assert size == pytest.approx(focus["max_diameter_um"], abs=2.0)
        assert len(rows) * 0.2 == pytest.approx(focus["area_um2"], rel=0.12)


def test_nuclei_are_round_whatever_the_shape_of_pixels() -> None:
    """Correlation of the texture along x and along y is the same in microns."""
    paint = painter(layout_at("negative", 2048, 0.4, spacing_y_um=0.8))
    planes = drawn(paint, (300, 500, 556, 756))[..., 0].astype(float)
    planes -= planes.mean()
    along_x = (planes[:, :-8] * planes[:, 8:]).mean() / planes.var()
    along_y = (planes[:-4] * planes[4:]).mean() / planes.var()
    assert along_x == pytest.approx(along_y, abs=0.08)
    assert (planes[:-8] * planes[8:]).mean() / planes.var() < along_y - 0.05


# -- scenes ---------------------------------------------------------------------------------------


def test_foci_are_many_and_of_all_sizes() -> None:
    counts = []
    for seed in range(2):
        foci = truth_of(layout_at("foci", 8192, 0.25, seed))["foci"]
        counts.append(len(foci))
        kinds = Counter(focus["kind"] for focus in foci)
        assert {"single_cell", "group", "solid", "near_200", "micro"} <= set(kinds)
        assert all(170 <= f["max_diameter_um"] <= 230.5 for f in foci if f["kind"] == "near_200")
    assert np.mean(counts) >= 48
    assert max(focus["n_cells"] for focus in foci) > 50


def test_cells_of_the_lobular_kind_are_scattered_over_more_than_two_millimetres() -> None:
    layout = layout_at("lobular", 5000, 0.5)
    truth = truth_of(layout)
    cells = [focus for focus in truth["foci"] if focus["kind"] == "lobular"]
    assert sum(focus["n_cells"] for focus in cells) > 200
    assert np.ptp([focus["centre_px0"][1] for focus in cells]) * 0.5 > 2000
    gaps = nearest_um(layout, cells)
    assert gaps.min() >= 19
    assert gaps.max() <= 60
    assert max(focus["max_diameter_um"] for focus in cells) < 90
    assert len({focus["family"] for focus in cells}) == 1
    assert truth["expected"]["category"] == "itc"


def test_desmoplastic_nests_lie_between_septa() -> None:
    layout = layout_at("desmoplastic", 4096, 0.5)
    families = defaultdict(list)
    for focus in truth_of(layout)["foci"]:
        if focus["kind"] == "desmoplastic":
            families[focus["family"]].append(focus)
    assert sum(len(nests) >= 3 for nests in families.values()) >= 2
    for nests in families.values():
        gaps = nearest_um(layout, nests)
        assert gaps.min() >= 15
        assert gaps.max() <= 40


def test_serial_cuts_show_the_same_nodes() -> None:
    layout = layout_at("serial", 4096, 0.5, 1)
    truth = truth_of(layout)
    pieces = {piece["id"]: piece for piece in truth["tissue"]["pieces"]}
    assert sorted((piece["node"], piece["cut"]) for piece in pieces.values()) == [
        (n, c) for n in (1, 2, 3) for c in (1, 2)
    ]
    for node in (1, 2, 3):
        first, second = (piece["area_mm2"] for piece in pieces.values() if piece["node"] == node)
        assert first == pytest.approx(second, rel=0.12)
    again = [focus for focus in truth["foci"] if focus["in_other_cut"]]
    assert len(again) >= 8
    for focus in again:
        other = truth["foci"][focus["in_other_cut"] - 1]
        own, its = pieces[focus["piece"]], pieces[other["piece"]]
        assert other["in_other_cut"] == focus["id"]
        assert own["node"] == its["node"]
        assert {own["cut"], its["cut"]} == {1, 2}
        assert focus["kind"] == other["kind"]
        assert focus["max_diameter_um"] == pytest.approx(other["max_diameter_um"], rel=0.13)
    assert {pieces[focus["piece"]]["node"] for focus in truth["foci"]} == {1, 2}


@pytest.mark.parametrize(("seed", "category"), [(0, "itc"), (1, "negative"), (2, "micrometastasis")])
def test_control_tissue_is_no_part_of_the_conclusion(seed: int, category: str) -> None:
    truth = truth_of(layout_at("control", 4096, 0.5, seed))
    x0, y0, x1, y1 = np.array(truth["control_zone_mm"]) * 1000 / 0.5
    inside = {
        focus["id"]
        for focus in truth["foci"]
        if x0 <= focus["bbox_px0"][0]
        and focus["bbox_px0"][2] <= x1
        and y0 <= focus["bbox_px0"][1]
        and focus["bbox_px0"][3] <= y1
    }
    assert inside == {focus["id"] for focus in truth["foci"] if focus["on_control"]}
    assert len(inside) >= 4
    assert min(focus["dab_od"] for focus in truth["foci"] if focus["on_control"]) > 0.8
    assert truth["expected"]["category"] == category
    assert not inside & {number for cluster in truth["expected"]["clusters"] for number in cluster["focus_ids"]}
    roles = {piece["role"]: piece["bbox_px0"] for piece in truth["tissue"]["pieces"]}
    assert roles["control"][0] >= x0 >= roles["patient"][2]


def test_membranous_cells_are_rings() -> None:
    layout = layout_at("membranous", 4096, 0.25)
    truth, paint = truth_of(layout), painter(layout)
    looked = [focus for focus in truth["foci"] if focus["kind"] in ("single_cell", "group", "solid")][::2]
    assert len(looked) >= 3
    for focus in looked:
        box = around(tuple(focus["bbox_px0"]), 4)
        image = drawn(paint, box).astype(int)
        brown = image[..., 0] > image[..., 2] + 30
        mask = pixels(layout.foci[focus["id"] - 1].mask, box)
        depth = ndimage.distance_transform_edt(mask) * 0.25
        assert brown[mask & (depth < 0.8)].mean() > 0.9
        assert not brown[~ndimage.binary_dilation(mask, iterations=2)].any()
        thick = 2 * np.percentile((ndimage.distance_transform_edt(brown) * 0.25)[brown], 99)
        assert 0.9 < thick < 3.6  # three membranes meet in a corner
        assert focus["area_um2"] < 0.6 * focus["area_filled_um2"]
        assert focus["pattern"] == "membranous"
        for x, y, *_ in layout.foci[focus["id"] - 1].nuclei:
            assert not brown[int(y) - box[1], int(x) - box[0]]


def test_dots_lie_beside_nuclei() -> None:
    layout = layout_at("dots", 4096, 0.25)
    truth, paint = truth_of(layout), painter(layout)
    patterns = [focus for focus in truth["foci"] if focus["kind"] == "dot_like"]
    assert len(patterns) >= 2
    assert truth["expected"]["dot_patterns"] == [focus["id"] for focus in patterns]
    assert {"single_cell", "group", "solid"} <= {focus["kind"] for focus in truth["foci"]}
    for focus in patterns:
        box = around(tuple(focus["bbox_px0"]), 4)
        image = drawn(paint, box).astype(int)
        labels, count = ndimage.label(image[..., 0] > image[..., 2] + 30, np.ones((3, 3)))
        assert count == focus["n_cells"] >= 10
        assert focus["max_diameter_um"] <= 100
        nuclei = layout.foci[focus["id"] - 1].nuclei
        for y, x in ndimage.center_of_mass(labels > 0, labels, range(1, count + 1)):
            away = np.hypot(nuclei[:, 0] - x - box[0], nuclei[:, 1] - y - box[1]) * 0.25
            assert away.min() < 8


def test_mimics_are_on_the_slide_and_in_the_truth() -> None:
    layout = layout_at("negative-mimics", 2048, 0.5)
    truth = truth_of(layout)
    assert not truth["foci"]
    assert truth["expected"]["category"] == "negative"
    assert len(truth["mimics"]) >= 5
    bare = painter(Layout(layout.spec, layout.tissue, (), ()))
    for mimic in truth["mimics"]:
        x0, y0, x1, y1 = mimic["bbox_px0"]
        box = (x0, y0, min(x1, x0 + 600), min(y1, y0 + 600))
        image, without = (drawn(paint, box).astype(int) for paint in (painter(layout), bare))
        assert np.abs(image - without).max() > 20, mimic
        assert not mimic["is_tumour"]


@pytest.mark.parametrize("profile", [name for name in SCENES if "mimics" not in name and "negative" not in name])
def test_things_of_scenes_stay_apart(profile: str) -> None:
    layout = layout_at(profile, 3000, 0.5, 2)
    foci = truth_of(layout)["foci"]
    points = [corner_points_um(focus, layout) for focus in foci]
    families = np.repeat([focus["family"] for focus in foci], [len(some) for some in points])
    everything = np.concatenate(points)
    assert layout.tissue.inside_um(everything).min() > 40
    for family in np.unique(families):
        tree = cKDTree(everything[families != family])
        assert tree.query(everything[families == family])[0].min() >= 120


def test_every_profile_has_a_place_in_the_docstring() -> None:
    for name in PROFILES:
        assert f"``{name}``" in (samples.__doc__ or "")


# -- real outlines --------------------------------------------------------------------------------


def square_outlines(path: Path) -> Path:
    """Crosses of several sizes: nothing that the generator draws by itself."""
    cross = np.array(
        [(1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1), (-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1)]
    )
    records = [
        {"slide": "a", "max_diameter_um": size, "outline_um": (cross * size / np.hypot(2, 6)).tolist()}
        for size in (20.0, 50.0, 90.0, 160.0, 300.0)
    ]
    path.write_bytes(gzip.compress(json.dumps(records).encode()))
    return path


def test_outlines_give_their_shapes(tmp_path: Path) -> None:
    outlines = square_outlines(tmp_path / "crosses.json.gz")
    layout = layout_of(SampleSpec("foci", 2048, 1, 0.5, outlines=outlines))
    truth = truth_of(layout)
    assert truth["outlines"] == "real"
    solid = [focus for focus in truth["foci"] if focus["kind"] in ("solid", "near_200")]
    assert len(solid) >= 4
    for focus in solid:
        # A cross of three by three fields, five of them filled: its area follows from its diameter.
        area = 5 * (2 * focus["max_diameter_um"] / np.hypot(2, 6)) ** 2
        assert focus["area_filled_um2"] == pytest.approx(area, rel=0.12)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(None, "cannot read the outlines", id="no-file"),
        pytest.param(b"[]", "not gzip-compressed", id="plain"),
        pytest.param(gzip.compress(b"{"), "does not hold outlines", id="no-json"),
        pytest.param(gzip.compress(b"[1, 2]"), "does not hold outlines", id="numbers"),
        pytest.param(gzip.compress(b'[{"outline_um": [[0, 0]]}]'), "does not hold outlines", id="no-diameter"),
        pytest.param(
            gzip.compress(b'[{"max_diameter_um": 50, "outline_um": [[0, 0], [1, 1]]}]'),
            "does not hold outlines",
            id="two-points",
        ),
        pytest.param(gzip.compress(b"[]"), "holds no outline", id="empty"),
        pytest.param(gzip.compress(b"[]" * 9)[:-12], "does not hold outlines", id="cut-short"),
    ],
)
def test_a_file_without_outlines_is_refused(content: bytes | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / "outlines.json.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=text) as caught:
        write_sample(tmp_path / "out", SampleSpec("foci", 2048, 0, 0.5, outlines=path))
    assert "\n" not in str(caught.value)


def test_real_outlines_become_foci_of_one_part(shared: Path) -> None:
    outlines = shared / "camelyon" / "lesion_outlines_001-070.json.gz"
    layout = layout_of(SampleSpec("foci", 3000, 4, 0.5, outlines=outlines))
    truth = truth_of(layout)
    solid = [focus for focus in truth["foci"] if focus["kind"] in ("solid", "near_200")]
    assert len(solid) >= 10
    for focus in solid:
        mask = layout.foci[focus["id"] - 1].mask
        image = pixels(mask, mask.bbox)
        assert ndimage.label(image, np.ones((3, 3)))[1] == 1
        assert focus["max_diameter_um"] > 30
        if focus["kind"] == "near_200":
            assert 150 < focus["max_diameter_um"] < 231


def test_a_mask_is_its_image() -> None:
    mask = rasterise([np.array([(3.0, 2.0), (17.0, 4.0), (12.0, 15.0), (9.0, 6.0)])])
    image, (left, top) = mask.image(margin=2)
    again = SpanMask.of(image, left, top)
    assert_array_equal(pixels(again, mask.bbox), pixels(mask, mask.bbox))
    assert image.sum() == mask.area_px
    assert not image[:2].any()
    assert not image[:, -2:].any()


# -- names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"look": "weakdab"}, "did you mean 'weak-dab'"),
        ({"look": "zzz"}, "expected one of default"),
        ({"spacing_y_um": 0.1}, "expected 0.2 to 1.0"),
        ({"profile": "lobuler"}, "did you mean 'lobular'"),
    ],
)
def test_a_wrong_specification_says_what_to_do(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        SampleSpec(**values)


def test_the_look_is_in_the_name() -> None:
    assert SampleSpec("foci", 2048, 3, look="weak-dab").stem == "foci-2048-seed3-weak-dab"
