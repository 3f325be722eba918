"""An analysis from pixels to finding: the answer belongs to the slide, and says what it could not see."""

from dataclasses import fields, is_dataclass, replace
from functools import cache

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from scipy.ndimage import gaussian_filter

from micromet_path.apps.samples import SampleSpec, write_sample
from micromet_path.config import Config, Laboratory, LookParams, ScanParams, Zone
from micromet_path.errors import UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, TileGrid
from micromet_path.model import Category, Counting, Role
from micromet_path.pipeline import Task, analyze_slide, recut
from micromet_path.pipeline.judging import Evidence, judge_clusters
from micromet_path.pixels.area import Area
from micromet_path.pixels.registration import Register
from micromet_path.pixels.stain import StainParams
from micromet_path.slides import ArraySlide, open_slide

WHITE = (245.0, 243.0, 246.0)
HALF = PixelSpacing(0.5, 0.5)
HAEMATOXYLIN, DAB, EOSIN, BLACK = (
    np.array(dye) / np.linalg.norm(dye)
    for dye in ((0.650, 0.704, 0.286), (0.268, 0.570, 0.776), (0.072, 0.990, 0.105), (1.0, 1.0, 1.0))
)
HELD = Config(stain=StainParams(white=WHITE, vectors="fixed", thresholds="fixed"))


def painted(*dyes):
    """RGB of amounts of dye: pairs of (amount of shape (M, N), vector)."""
    density = sum(amount[..., None] * vector for amount, vector in dyes)
    return np.clip(np.rint(WHITE * 10**-density), 0, 255).astype(np.uint8)


class Canvas:
    """Pale nuclei-dotted tissue on glass, and brown things put on it in pixels."""

    def __init__(self, height=640, width=800, seed=0):
        self.shape = height, width
        self.y, self.x = np.mgrid[:height, :width] + 0.5
        texture = gaussian_filter(np.random.default_rng(seed).random(self.shape), 3)
        self.nuclei = 0.05 + 0.25 * (texture > 0.53)
        self.tissue = np.zeros(self.shape, bool)
        self.brown, self.black = np.zeros((2, *self.shape))

    def box(self, x0, y0, x1, y1):
        return (self.x > x0) & (self.x < x1) & (self.y > y0) & (self.y < y1)

    def disc(self, x, y, radius):
        return (self.x - x) ** 2 + (self.y - y) ** 2 < radius**2

    def with_tissue(self, where):
        self.tissue |= where
        return self

    def with_brown(self, where, od=0.7):
        self.brown[where] = od
        return self

    def with_black(self, where, od=1.4):
        self.black[where] = od
        return self

    def rgb(self, dye=DAB):
        blue = np.where(self.tissue, self.nuclei, 0.0)
        return painted((blue, HAEMATOXYLIN), (self.brown, dye), (self.black, BLACK))


def section(**size):
    """One piece of tissue well inside the glass."""
    canvas = Canvas(**size)
    height, width = canvas.shape
    return canvas.with_tissue(canvas.box(80, 80, width - 80, height - 80))


@cache
def crowded(seed):
    """Foci, specks, haze, rings and ink of every size: 960 x 800 pixels."""
    rng = np.random.default_rng(seed)
    canvas = Canvas(height=800, width=960, seed=seed)
    canvas.with_tissue(gaussian_filter(rng.random(canvas.shape), 60) > 0.4985)
    field = gaussian_filter(rng.random(canvas.shape), rng.choice([2, 4, 8]))
    brown = (field - np.quantile(field, rng.uniform(0.85, 0.97))) / np.ptp(field) * 8
    specks = gaussian_filter((rng.random(canvas.shape) < 0.0006).astype(float), 1.2) * 5
    canvas.brown = np.clip(np.maximum(brown, specks), 0, 1.2)
    canvas.with_black(canvas.disc(*rng.uniform(100, 700, 2), 20))
    return canvas.rgb()


def analyze(rgb, config=HELD, spacing=HALF, **task):
    slide = rgb if not isinstance(rgb, np.ndarray) else ArraySlide(rgb, spacing)
    return analyze_slide(slide, config, Task("slide", "0" * 64, **task))


def assert_same(one, two, where=""):
    """Equal to the bit, records and columns alike."""
    if is_dataclass(one):
        for column in fields(one):
            assert_same(getattr(one, column.name), getattr(two, column.name), f"{where}.{column.name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype, where
        assert_array_equal(one, two, err_msg=where)
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same(one[key], two[key], f"{where}.{key}")
    else:
        assert one == two, where


def without_focus(analysis):
    """How the slide was read, and what that says of it, apart from its focus."""
    return (
        replace(analysis.scan, in_focus=None, out_of_focus_px0=()),
        replace(analysis.quality, in_focus=None, in_focus_interval=None),
    )


def assert_same_outcome(one, two):
    for name in ("finding", "clusters", "fragments", "tree", "pieces", "brownest", "slide"):
        assert_same(getattr(one.analysis, name), getattr(two.analysis, name), name)
    # Focus is measured on a sample of stored tiles: another grid is another sample.
    for one_about, two_about in zip(without_focus(one.analysis), without_focus(two.analysis), strict=True):
        assert_same(one_about, two_about, "about")
    assert_same(one.runs, two.runs, "runs")


@pytest.fixture(scope="module", params=range(3), ids="seed{}".format)
def scene(request):
    """A picture and its analysis in one block."""
    rgb = crowded(request.param)
    whole = analyze(ArraySlide(rgb, HALF, tile_px=1024))
    assert len(whole.analysis.fragments) > 30
    assert len(whole.analysis.tree) > 5
    return rgb, whole


@pytest.mark.parametrize("tile_px", [64, 256, 333])
def test_tile_size_changes_nothing(scene, tile_px):
    rgb, whole = scene
    config = replace(HELD, scan=ScanParams(block_px=tile_px))

    tiled = analyze(ArraySlide(rgb, HALF, tile_px=tile_px), config)

    assert_same_outcome(tiled, whole)


@pytest.mark.parametrize("band_px", [1 << 12, 1 << 14, 1 << 16])
def test_size_of_bands_changes_nothing(scene, band_px, monkeypatch):
    rgb, whole = scene
    monkeypatch.setattr("micromet_path.pipeline.reading._BAND_PX", band_px)

    assert_same_outcome(analyze(ArraySlide(rgb, HALF, tile_px=64)), whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_order_of_blocks_and_threads_change_nothing(scene, workers):
    rgb, whole = scene
    blocks = list(TileGrid(960, 800, 101, 67))
    np.random.default_rng(workers).shuffle(blocks)

    assert_same_outcome(analyze(rgb, workers=workers, blocks=tuple(blocks)), whole)


def sizes(outcome):
    """All that a mirror must leave alone, cluster by cluster in an order of its own."""
    table = outcome.analysis.clusters.to_dataframe()
    kept = ["max_diameter_um", "diameter_low_um", "diameter_high_um", "area_um2", "area_filled_um2", "solidity"]
    kept += ["n_fragments", "estimated_cells", "mean_dab_od", "max_dab_od", "counting", "category", "borderline"]
    kept += ["near_limit", "size_is_minimum", "flags"]
    return table[kept].sort_values(kept).reset_index(drop=True)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_mirrors_and_rotations_change_no_size(seed, mirrored, quarters):
    rgb, spacing = crowded(seed), PixelSpacing(0.5, 0.4)
    turned = np.ascontiguousarray(np.rot90(rgb[:, ::-1] if mirrored else rgb, quarters))
    swapped = PixelSpacing(spacing.y_um, spacing.x_um) if quarters % 2 else spacing

    # What a second look adds is weighed, not counted: it agrees to some digits, in a test of its own. So does what
    # is weak against the slide's strength, which a sample of windows tells.
    never = replace(HELD.examine, pale_share=(1e-6, 1e-7))
    config = replace(HELD, look=LookParams(most_candidates=0), examine=never)

    before, after = analyze(rgb, config, spacing), analyze(turned, config, swapped)

    assert_same(after.analysis.finding, before.analysis.finding)
    assert sizes(after).equals(sizes(before))
    assert_array_equal(after.analysis.tree.gap_um, before.analysis.tree.gap_um)
    circles = [np.sort(outcome.analysis.clusters.min_bounding_circle_um) for outcome in (before, after)]
    np.testing.assert_allclose(*circles, rtol=1e-9)


@pytest.mark.parametrize("gap_um", [0.0, 25.0, 100.0])
def test_a_recut_is_an_analysis_at_that_gap(gap_um):
    rgb = crowded(0)

    cut = recut(analyze(rgb).analysis, HELD, gap_um)

    fresh = analyze(rgb, replace(HELD, clusters=replace(HELD.clusters, gap_um=gap_um))).analysis
    assert len(fresh.fragments) > 100
    for name in ("clusters", "pieces", "finding", "scan"):
        assert_same(getattr(cut, name), getattr(fresh, name))


def test_the_finding_at_each_gap_is_in_the_finding(scene):
    _, whole = scene
    sizes_um = [gap.max_diameter_um for gap in whole.analysis.finding.by_gap]
    assert sizes_um == sorted(sizes_um)
    for gap in whole.analysis.finding.by_gap:
        assert recut(whole.analysis, HELD, gap.gap_um).finding.max_diameter_um == gap.max_diameter_um


def test_progress_counts_blocks():
    seen = []
    analyze_slide(
        ArraySlide(section().rgb(), HALF, tile_px=256),
        replace(HELD, scan=ScanParams(block_px=256)),
        Task("a", "b", workers=2),
        lambda done, total: seen.append((done, total)),
    )
    assert seen == [(n, 12) for n in range(1, 13)]


# What the finding says


def test_clean_tissue_is_negative():
    finding = analyze(section().rgb()).analysis.finding
    assert finding.category is Category.NEGATIVE
    assert finding.assessable.ok
    assert finding.max_diameter_um is None
    assert finding.cluster_id is None
    assert finding.n_clusters == 0


@pytest.mark.parametrize(
    ("sides_px", "spacing", "category"),
    [
        ((240, 320), HALF, Category.ITC),  # 120 and 160 um: exactly 200
        ((241, 320), HALF, Category.MICROMETASTASIS),
        ((600, 800), PixelSpacing(2.0, 2.0), Category.MICROMETASTASIS),  # exactly 2000
        ((601, 800), PixelSpacing(2.0, 2.0), Category.MACROMETASTASIS),
    ],
)
def test_a_size_at_the_limit_belongs_below(sides_px, spacing, category):
    width, height = sides_px
    canvas = section(width=width + 400, height=height + 400)
    rgb = canvas.with_brown(canvas.box(200, 200, 200 + width, 200 + height)).rgb()

    finding = analyze(rgb, spacing=spacing).analysis.finding

    assert finding.max_diameter_um == np.hypot(width * spacing.x_um, height * spacing.y_um)
    assert finding.category_by_size is category
    assert finding.borderline
    assert finding.near_limit


@pytest.mark.parametrize("spacing", [PixelSpacing(0.5, 0.5), PixelSpacing(0.25, 0.5)])
def test_the_interval_holds_the_size_and_what_was_typed_in_is_less_sure(spacing):
    canvas = section()
    clusters = analyze(canvas.with_brown(canvas.disc(400, 300, 90)).rgb(), spacing=spacing).analysis.clusters
    pixel_um = 2 * max(spacing.x_um, spacing.y_um)
    # An array's scale is always given: 3 %.
    np.testing.assert_allclose(clusters.diameter_low_um, clusters.max_diameter_um * 0.97 - pixel_um)
    np.testing.assert_allclose(clusters.diameter_high_um, clusters.max_diameter_um * 1.03 + pixel_um)


def test_two_foci_apart_become_one_at_a_wider_gap():
    canvas = section()
    canvas.with_brown(canvas.box(200, 300, 450, 330)).with_brown(canvas.box(490, 300, 690, 330))

    finding = analyze(canvas.rgb()).analysis.finding  # 20 um apart

    assert finding.n_clusters == 2
    assert finding.category is Category.ITC
    assert [gap.category.value for gap in finding.by_gap] == ["itc"] * 3 + ["micrometastasis"] * 3
    assert finding.by_gap[3].max_diameter_um == pytest.approx(np.hypot(245, 15))
    assert finding.contiguity_sensitive
    assert finding.scatter_extent_um == finding.by_gap[-1].max_diameter_um


# Things that count otherwise


def flags_and_counting(outcome, row=0):
    clusters = outcome.analysis.clusters
    # Flat boxes of brown have no nuclei; what says so has tests of its own.
    return set(clusters.flags_of(row)) - {"no_nuclei"}, clusters.counting[row]


def dots(canvas, n, od=0.8):
    """Dots of 3 um across on a lattice 10 um apart."""
    for k in range(n):
        canvas.with_brown(canvas.disc(300 + 20 * (k % 4), 300 + 20 * (k // 4), 3.0), od)
    return canvas.rgb()


def test_twelve_dots_are_one_pattern():
    outcome = analyze(dots(section(), 12))
    assert flags_and_counting(outcome) == ({"dot_pattern"}, Counting.DOUBTFUL)
    assert outcome.analysis.clusters.n_fragments.tolist() == [12]
    assert outcome.analysis.finding.category is Category.ITC
    assert outcome.analysis.scan.below_area.n == 0


def soft_dots(od):
    """Twelve dots whose strongest pixels are strong, whatever they are on the whole."""
    canvas = section()
    dots(canvas, 12, od)
    canvas.brown = gaussian_filter(canvas.brown, 1.2)
    return canvas.rgb()


@pytest.mark.parametrize(("od", "pale_od", "is_pattern"), [(0.42, 0.34, True), (0.45, 0.34, False), (0.45, 0.0, True)])
def test_pale_dots_are_a_pattern_from_a_mean_density_on(od, pale_od, is_pattern):
    rgb = dots(section(), 12, od) if od == 0.42 else soft_dots(od)
    clusters = analyze(rgb, replace(HELD, dots=replace(HELD.dots, pale_od=pale_od))).analysis.clusters
    assert len(clusters) == is_pattern
    assert (clusters.mean_dab_od < HELD.dots.strong_od).all()
    assert (clusters.flags["dot_pattern"] == 1).all()


def test_pale_dots_are_no_pattern_where_colours_lie_apart(monkeypatch):
    rgb = dots(section(), 12, 0.42)
    apart = Register((0.4, 0.0), (-0.4, 0.0))
    monkeypatch.setattr("micromet_path.pipeline.glass.measure_windows", lambda *_: (apart, []))
    analysis = analyze(rgb).analysis
    assert len(analysis.clusters) == 0
    assert analysis.scan.below_area.n == 12


def test_dots_that_link_up_in_chains_are_one_pattern():
    canvas = section()
    for k in range(24):  # pairs 5 um apart, so that each chain alone is as large as a cell
        x, y = 300 + 24 * (k // 2 % 4) + 11 * (k % 2), 300 + 22 * (k // 8)
        canvas.with_brown(canvas.disc(x, y, 3.6), 0.8)
    clusters = analyze(canvas.rgb()).analysis.clusters
    assert len(clusters) == 1
    assert clusters.flags_of(0)["dot_pattern"] == 1.0
    assert clusters.max_diameter_um[0] > 40


def test_nine_dots_are_dropped_and_told():
    analysis = analyze(dots(section(), 9)).analysis
    assert len(analysis.clusters) == 0
    assert analysis.finding.category is Category.NEGATIVE
    assert analysis.scan.below_area.n == 9
    assert analysis.scan.below_area.largest_um == pytest.approx(3.0, abs=0.71)


def test_dots_beside_a_cell_are_its_crumbs():
    canvas = section()
    canvas.with_brown(canvas.disc(330, 370, 15))
    analysis = analyze(dots(canvas, 12)).analysis
    assert analysis.clusters.n_fragments.tolist() == [1]
    assert analysis.scan.below_area.n == 12


def test_black_dots_make_no_pattern():
    canvas = section()
    for k in range(12):
        canvas.with_black(canvas.disc(300 + 20 * (k % 4), 300 + 20 * (k // 4), 3.0))
    analysis = analyze(canvas.rgb()).analysis
    assert not analysis.clusters.is_counted.any()
    assert analysis.finding.category is Category.NEGATIVE


@pytest.mark.parametrize("counts", [True, False])
def test_haze_stays_only_when_it_is_large(counts):
    canvas = section()
    side = 22 if counts else 18  # 121 and 81 um2
    outcome = analyze(canvas.with_brown(canvas.box(300, 300, 300 + side, 300 + side), 0.28).rgb())
    if counts:
        assert flags_and_counting(outcome) == ({"weak"}, Counting.DOUBTFUL)
        assert outcome.analysis.finding.flags == ("doubtful_only",)
    else:
        assert len(outcome.analysis.clusters) == 0
        assert outcome.analysis.scan.no_strong_pixel.n == 1
        assert outcome.analysis.scan.no_strong_pixel.largest_um == pytest.approx(9 * np.sqrt(2))


def test_pigment_is_shown_and_not_counted():
    canvas = section()
    outcome = analyze(canvas.with_black(canvas.box(300, 300, 500, 320)).rgb())
    assert flags_and_counting(outcome) == ({"pigment_like"}, Counting.NOT_COUNTED)
    assert outcome.analysis.finding.category is Category.NEGATIVE
    assert outcome.analysis.finding.if_all_counted is Category.ITC
    assert outcome.analysis.brownest[0].what == "cluster 1, not counted"


def test_pigment_as_large_as_a_metastasis_forbids_a_bare_negative():
    canvas = section()
    finding = analyze(canvas.with_black(canvas.box(250, 300, 690, 320)).rgb()).analysis.finding
    assert finding.category is Category.NEGATIVE
    assert "uncounted_large" in finding.flags
    assert "0.22 mm (pigment-like, cluster 1) needs a look" in finding.headline


def test_pigment_never_bridges():
    canvas = section()
    canvas.with_brown(canvas.box(200, 300, 300, 320)).with_brown(canvas.box(420, 300, 520, 320))
    canvas.with_black(canvas.box(304, 300, 416, 320))
    clusters = analyze(canvas.rgb()).analysis.clusters
    assert clusters.is_counted.sum() == 2
    assert clusters.max_diameter_um[clusters.is_counted].max() < 52


def test_a_speck_on_bare_glass_is_off_tissue():
    canvas = section(width=1000).with_tissue(np.bool_(False))
    canvas.tissue &= canvas.x < 600
    outcome = analyze(canvas.with_brown(canvas.disc(850, 300, 12)).rgb())
    assert flags_and_counting(outcome) == ({"deposit", "off_tissue"}, Counting.NOT_COUNTED)
    assert outcome.analysis.finding.category is Category.NEGATIVE


def test_a_focus_at_the_border_of_the_scan_is_at_least_so_large():
    canvas = section()
    canvas.with_tissue(canvas.box(0, 80, 200, 560))
    outcome = analyze(canvas.with_brown(canvas.box(0, 300, 300, 320)).rgb())
    finding = outcome.analysis.finding
    assert "scan_edge" in outcome.analysis.clusters.flags_of(0)
    assert outcome.analysis.pieces[0].touches_scan_edge
    assert finding.size_is_minimum
    assert finding.headline.startswith("ITC, >= 0.15 mm")


def test_the_brownest_things_are_listed_whether_they_count_or_not():
    canvas = section()
    canvas.with_brown(canvas.box(300, 300, 400, 320)).with_black(canvas.box(300, 400, 340, 420))
    canvas.with_brown(canvas.disc(600, 300, 3))
    brownest = analyze(canvas.rgb()).analysis.brownest
    assert [thing.what for thing in brownest] == [
        "cluster 1, counted",
        "cluster 2, not counted",
        "dropped: below the smallest area",
    ]
    assert [thing.rank for thing in brownest] == [1, 2, 3]


# Where is looked


def two_pieces():
    """Patient tissue on the left, a control with a large brown disc on the right."""
    canvas = Canvas(width=1100)
    canvas.with_tissue(canvas.box(80, 80, 560, 560)).with_tissue(canvas.box(700, 80, 1020, 560))
    return canvas.with_brown(canvas.disc(860, 300, 100), 0.8)


CONTROL = replace(HELD, zones=(Zone(Role.CONTROL, 0.34, 0.0, 0.55, 0.32),))


def test_a_control_never_enters_the_finding():
    analysis = analyze(two_pieces().rgb(), CONTROL).analysis
    assert [piece.role for piece in analysis.pieces] == [Role.UNKNOWN, Role.CONTROL]
    assert [piece.category for piece in analysis.pieces] == [Category.NEGATIVE, None]
    assert analysis.clusters.counting.tolist() == [Counting.NOT_COUNTED]
    assert analysis.finding.category is Category.NEGATIVE
    assert analysis.finding.if_all_counted is Category.NEGATIVE
    assert "uncounted_large" not in analysis.finding.flags


def test_a_focus_beside_a_larger_control_is_the_finding():
    canvas = two_pieces()
    canvas.with_brown(canvas.box(200, 300, 260, 320))
    finding = analyze(canvas.rgb(), CONTROL).analysis.finding
    assert finding.max_diameter_um == pytest.approx(np.hypot(30, 10))
    assert finding.cluster_id == 2
    assert finding.n_clusters == 1
    assert analyze(canvas.rgb()).analysis.finding.n_clusters == 2  # without the zone both count


def test_only_control_tissue_is_not_assessable():
    everything = replace(HELD, zones=(Zone(Role.CONTROL, 0.0, 0.0, 1.0, 1.0),))
    finding = analyze(two_pieces().rgb(), everything).analysis.finding
    assert finding.category is Category.NOT_ASSESSABLE
    assert finding.assessable.reasons[0].startswith("no_tissue")


def ring(x0, y0, x1, y1):
    return (((x0, y0), (x1, y0), (x1, y1), (x0, y1)),)


def test_only_the_area_is_analysed():
    canvas = section()
    rgb = canvas.with_brown(canvas.box(200, 300, 300, 320)).with_brown(canvas.box(500, 300, 540, 320)).rgb()

    inside = analyze(rgb, area=Area(inside=(ring(400, 100, 720, 560),))).analysis
    outside = analyze(rgb, area=Area(outside=(ring(80, 80, 400, 560),))).analysis

    for analysis in (inside, outside):
        assert analysis.clusters.max_diameter_um.tolist() == [pytest.approx(np.hypot(20, 10))]
        assert not analysis.finding.size_is_minimum
        assert analysis.finding.category is Category.ITC
        assert "area" in analysis.provenance.config
    whole = analyze(rgb).analysis
    assert inside.quality.tissue_area_mm2 == pytest.approx(whole.quality.tissue_area_mm2 / 2, rel=0.05)


def test_a_focus_that_the_area_cuts_is_at_least_so_large():
    canvas = section()
    rgb = canvas.with_brown(canvas.box(200, 300, 500, 320)).rgb()
    analysis = analyze(rgb, area=Area(inside=(ring(400, 100, 720, 560),))).analysis
    assert analysis.clusters.bbox_px0.tolist() == [[400, 300, 500, 320]]
    assert analysis.finding.size_is_minimum


# What cannot be assessed


def reasons(rgb, config=None):
    finding = analyze(rgb, config or Config()).analysis.finding
    assert finding.category is Category.NOT_ASSESSABLE
    assert finding.max_diameter_um is None
    assert not finding.assessable.ok
    return [reason.partition(":")[0] for reason in finding.assessable.reasons]


def test_empty_glass_shows_nothing():
    assert "no_tissue" in reasons(np.full((300, 400, 3), 244, np.uint8))


def test_a_black_picture_has_no_light():
    assert "no_light" in reasons(np.zeros((300, 400, 3), np.uint8))


def nodes_and_red_cells(n_tumour_cells, seed=0):
    """A node of blue nuclei with lakes of red cells, and tumour cells of a yellowish DAB: the picture, and where."""
    rng = np.random.default_rng(seed)
    canvas = section(height=1400, width=1600)
    blue, red, brown = np.where(canvas.tissue, 0.03, 0.0), np.zeros(canvas.shape), np.zeros(canvas.shape)

    def discs(plane, n, x, y, spread, radius, amount):
        for _ in range(n):
            at_x, at_y = x + rng.uniform(-spread, spread), y + rng.uniform(-spread, spread)
            rows, columns = (slice(int(at - radius), int(at + radius + 2)) for at in (at_y, at_x))
            near = (canvas.x[rows, columns] - at_x) ** 2 + (canvas.y[rows, columns] - at_y) ** 2 < radius**2
            plane[rows, columns] = np.where(near, amount * rng.uniform(0.9, 1.1), plane[rows, columns])

    for x in range(110, 1500, 22):
        for y in range(110, 1300, 22):
            discs(blue, 1, x, y, 4, 6, 0.55)
    for x in range(250, 1400, 200):
        for y in range(250, 1200, 200):
            discs(red, 60, x, y, 50, 7, 0.22)
    places = np.array([(350.0, 350.0), (950.0, 550.0), (1150.0, 950.0), (550.0, 750.0)])[:n_tumour_cells]
    for x, y in places:
        discs(brown, 1, x, y, 0, 16, 0.8)
        discs(brown, 1, x, y, 0, 6, 0.1)
        discs(blue, 1, x, y, 0, 6, 0.5)
    red, blue = np.where(brown > 0, 0.0, red), np.where((brown > 0.3) | (red > 0), 0.02, blue)
    return painted((blue, HAEMATOXYLIN), (red, (0.22, 0.55, 0.81)), (brown, (0.23, 0.46, 0.86))), places


def test_a_few_tumour_cells_among_red_cells_are_found():
    rgb, places = nodes_and_red_cells(2)
    clusters = analyze(rgb, Config()).analysis.clusters
    for x, y in places:
        apart = np.hypot(*(clusters.centroid_px0 - (x, y)).T)
        nearest = int(np.argmin(apart))
        assert apart[nearest] < 8
        assert clusters.is_counted[nearest]


def test_red_cells_alone_are_never_counted_without_a_doubt():
    rgb, _ = nodes_and_red_cells(0)
    outcome = analyze(rgb, Config()).analysis
    assert outcome.scan.threshold_od == Config().stain.threshold_od
    assert not (outcome.clusters.counting == "counted").any()


def test_red_cells_in_vessels_are_not_counted(tmp_path):
    slide = write_sample(tmp_path, SampleSpec("negative-blood", 3072, 1, 0.5)).slide
    outcome = analyze(tifffile.imread(slide, key=0), Config()).analysis
    assert len(outcome.clusters) > 5
    assert not outcome.clusters.is_counted.any()
    assert (outcome.clusters.flags["red_cell_like"] >= 0.5).mean() > 0.8
    assert outcome.finding.category is Category.NEGATIVE


def test_a_fold_that_held_reagent_back_is_counted_with_a_doubt_and_named():
    canvas = section(height=1000, width=1000)
    rng, blue = np.random.default_rng(3), np.zeros(canvas.shape)

    def layer(plane):
        for x, y in rng.uniform(60, 940, (2800, 2)):
            rows, columns = (slice(int(at) - 7, int(at) + 8) for at in (y, x))
            near = (canvas.x[rows, columns] - x) ** 2 + (canvas.y[rows, columns] - y) ** 2 < 6.0**2
            plane[rows, columns][near] = 0.5

    layer(blue)
    second = np.zeros(canvas.shape)
    layer(second)
    in_fold = np.abs(canvas.x - 500 + 20 * np.sin(canvas.y / 120)) < 35
    blue = np.where(canvas.tissue, 0.04 + blue + in_fold * (0.04 + second), 0.0)
    brown = np.where(canvas.tissue, np.where(in_fold, 0.38, 0.03), 0.0)
    outcome = analyze(painted((blue, HAEMATOXYLIN), (brown, DAB)), Config()).analysis
    largest = int(outcome.clusters.max_diameter_um.argmax())
    assert outcome.clusters.max_diameter_um[largest] > 300
    assert outcome.clusters.counting[largest] is Counting.DOUBTFUL
    assert outcome.finding.category is Category.MICROMETASTASIS
    assert "fold" in outcome.finding.headline


def test_a_slide_without_one_blue_nucleus_is_not_negative():
    canvas = section()
    canvas.nuclei *= 0.6
    assert reasons(canvas.rgb()) == ["stain_unknown"]


@pytest.mark.parametrize(
    ("nuclei_od", "background", "is_stained", "category", "reason"),
    [
        (0.12, (0.30, 0.68, 0.67), True, "itc", "stain_unknown"),
        (0.18, (0.30, 0.68, 0.67), True, "itc", "stain_unknown"),
        (0.18, (0.30, 0.68, 0.67), False, "not_assessable", "not_h_dab"),
        (0.50, EOSIN, True, "not_assessable", "not_h_dab"),
    ],
    ids=["cells on a pale tissue", "on a less pale one", "a pale tissue alone", "pigment on H&E"],
)
def test_cells_beside_a_pale_purple_counterstain_count_with_a_reservation(
    nuclei_od, background, is_stained, category, reason
):
    canvas = section()
    nuclei = nuclei_od * (canvas.nuclei > 0.1) * canvas.tissue
    for x, y in ((200, 200), (600, 200), (200, 450), (600, 450), (400, 330)) if is_stained else ():
        nucleus = canvas.disc(x, y, 8)
        canvas.with_brown(canvas.disc(x, y, 16) & ~nucleus)
        nuclei[nucleus] = nuclei_od
    brown = gaussian_filter(canvas.brown, 1.0)
    rgb = painted((nuclei, np.array((0.60, 0.77, 0.18))), (0.1 * canvas.tissue, np.array(background)), (brown, DAB))

    finding = analyze(rgb, Config()).analysis.finding

    assert finding.category.value == category
    assert reason in [text.partition(":")[0] for text in finding.assessable.reasons]


@pytest.mark.parametrize("nuclei_od", [0.1, 0.5])
def test_a_deposit_is_told_by_lack_of_nuclei_only_where_the_slide_shows_some(nuclei_od):
    canvas = section()
    nuclei = np.where(canvas.x < 300, nuclei_od * (canvas.nuclei > 0.1), 0.06) * canvas.tissue
    for x, y in ((520, 200), (650, 200), (520, 450), (650, 450), (600, 330)):
        canvas.with_brown(canvas.disc(x, y, 8))
    rgb = painted((nuclei, HAEMATOXYLIN), (canvas.brown, DAB))

    clusters = analyze(rgb, Config()).analysis.clusters

    assert len(clusters) == 5
    assert (clusters.flags["deposit"] > 0.5).all() == (nuclei_od > 0.25)
    assert set(clusters.counting) == {Counting.NOT_COUNTED if nuclei_od > 0.25 else Counting.DOUBTFUL}


def test_pink_tissue_is_not_h_dab():
    canvas = section()
    assert reasons(canvas.with_brown(canvas.tissue, 0.35).rgb(EOSIN)) == ["not_h_dab"]


def test_a_failed_control_withholds_the_finding():
    canvas = section()
    rgb = canvas.with_brown(canvas.box(200, 300, 300, 320)).rgb()
    failed = replace(HELD, laboratory=Laboratory(control_result="failed"))
    assert reasons(rgb, failed) == ["control_failed"]


def test_fluorescence_is_refused():
    glowing = np.zeros((300, 400, 3), np.uint8)
    glowing[100:140, 100:200, 2] = 220
    with pytest.raises(UnsupportedSlideError, match="dark background"):
        analyze(glowing)


def damaged(path, rgb, tiles, tile_px=64):
    """A TIFF of which some tiles hold garbage; tiles are numbered row by row."""
    tifffile.imwrite(
        path,
        rgb,
        tile=(tile_px, tile_px),
        compression="deflate",
        photometric="rgb",
        resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
        metadata=None,
    )
    with tifffile.TiffFile(path) as tiff:
        places = list(zip(tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts, strict=True))
    with path.open("r+b") as file:
        for number in range(len(places)) if tiles is ... else tiles:
            file.seek(places[number][0])
            file.write(b"\xff" * places[number][1])
    return open_slide(path)


def test_a_damaged_tile_forbids_a_negative(tmp_path):
    with damaged(tmp_path / "a.tif", section().rgb(), [30, 31, 32]) as slide:
        analysis = analyze(slide).analysis
    assert analysis.finding.category is Category.NOT_ASSESSABLE
    assert [reason.partition(":")[0] for reason in analysis.finding.assessable.reasons] == ["incomplete"]
    assert 0.9 < analysis.scan.coverage < 1
    assert analysis.scan.unreadable_tiles == 3


def test_a_finding_beside_damage_is_at_least_that(tmp_path):
    canvas = section()
    rgb = canvas.with_brown(canvas.box(500, 400, 600, 420)).rgb()
    with damaged(tmp_path / "a.tif", rgb, [30, 31, 32]) as slide:
        finding = analyze(slide).analysis.finding
    assert finding.category is Category.ITC
    assert finding.assessable.ok
    assert finding.size_is_minimum
    assert finding.max_diameter_um == pytest.approx(np.hypot(50, 10))
    assert "incomplete" in finding.flags
    assert finding.headline.startswith("ITC, >= 0.05 mm")


def test_a_focus_cut_by_damage_is_a_minimum(tmp_path):
    canvas = section()
    rgb = canvas.with_brown(canvas.box(200, 200, 500, 220)).rgb()
    with damaged(tmp_path / "a.tif", rgb, [13 * 3 + 5]) as slide:  # columns 320 to 384 of rows 192 to 256
        analysis = analyze(slide, replace(HELD, clusters=replace(HELD.clusters, gap_um=0.0))).analysis
    assert analysis.clusters.bbox_px0[:, [0, 2]].tolist() == [[200, 320], [384, 500]]
    assert analysis.clusters.size_is_minimum.all()
    assert all("scan_edge" in analysis.clusters.flags_of(row) for row in range(2))


def test_damage_outside_the_area_is_nothing_to_tell(tmp_path):
    with damaged(tmp_path / "a.tif", section().rgb(), [13 * 3 + 9]) as slide:
        analysis = analyze(slide, area=Area(inside=(ring(64, 64, 448, 600),))).analysis
        assert analysis.finding.category is Category.NEGATIVE
        assert analysis.scan.coverage == 1
        assert analysis.scan.unreadable_tiles == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_damage_looks_the_same_in_every_block_size(tmp_path, workers):
    canvas = section()
    rgb = canvas.with_brown(canvas.box(200, 200, 500, 220)).rgb()
    with damaged(tmp_path / "a.tif", rgb, [13 * 3 + 5, 70]) as slide:
        whole = analyze(slide)
        tiled = analyze(slide, replace(HELD, scan=ScanParams(block_px=64)), workers=workers)
    assert_same_outcome(tiled, whole)


def test_a_slide_of_which_nothing_can_be_read_is_an_error(tmp_path):
    with (
        damaged(tmp_path / "a.tif", section().rgb(), ...) as slide,
        pytest.raises(UnreadableSlideError, match="none of its 130 tiles"),
    ):
        analyze(slide)


def test_half_a_file_is_half_a_slide(tmp_path):
    path = tmp_path / "a.tif"
    damaged(path, section().rgb(), []).close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_slide(path) as slide:
        analysis = analyze(slide).analysis
    assert analysis.finding.category is Category.NOT_ASSESSABLE
    assert analysis.scan.coverage < 0.6


def test_the_pictures_are_made_even_of_a_damaged_slide(tmp_path):
    canvas = section()
    rgb = canvas.with_brown(canvas.box(200, 200, 500, 220)).rgb()
    with damaged(tmp_path / "a.tif", rgb, [13 * 3 + 5]) as slide:
        outcome = analyze(slide)
    assert [picture.name for picture in outcome.pictures][:2] == ["overview", "cluster-0001"]
    assert all(picture.rgb.dtype == np.uint8 for picture in outcome.pictures)


def test_white_padding_is_no_glass():
    """Stitching gaps of exact white made glass look like tissue, and an empty slide negative."""
    rgb = Canvas().rgb()
    rgb = np.clip(rgb.astype(int) - 10, 0, 255).astype(np.uint8)
    rgb[:, :120] = 255
    outcome = analyze(rgb, Config())
    assert outcome.analysis.scan.white == (235.0, 233.0, 236.0)
    assert reasons(rgb, Config()) == ["no_tissue"]


def test_tissue_without_colour_is_no_negative():
    canvas = section()
    canvas.nuclei = np.full(canvas.shape, 0.06)
    assert "stain_unknown" in reasons(canvas.rgb())


def test_dust_on_bare_glass_is_no_tissue_that_was_stained():
    canvas = section().with_tissue(np.bool_(False))
    canvas.nuclei = np.zeros(canvas.shape)
    rgb = canvas.rgb().astype(float)
    for x, y in ((250, 200), (500, 380), (350, 520)):  # grey, soft and a tenth of a millimetre across
        rgb *= 1 - 0.45 * np.exp(-(np.hypot(canvas.x - x, canvas.y - y)[..., None] ** 2) / (2 * 60.0**2))
    assert "not_h_dab" in reasons(np.rint(rgb).astype(np.uint8))


def test_an_assumed_light_is_no_ground_for_a_negative():
    tissue_everywhere = Canvas().with_tissue(np.ones((640, 800), bool))
    tissue_everywhere.nuclei += 0.35
    outcome = analyze(tissue_everywhere.rgb(), Config())
    assert outcome.analysis.scan.white_source == "assumed"
    assert "white_unknown" in reasons(tissue_everywhere.rgb(), Config())


def test_a_hole_in_the_scan_inside_the_tissue_is_missed_tissue():
    canvas = section()
    scanned = ~canvas.box(300, 200, 500, 400)
    slide = ArraySlide(canvas.rgb(), HALF, scanned=scanned)
    finding = analyze(slide).analysis.finding
    assert finding.category is Category.NOT_ASSESSABLE
    assert finding.assessable.reasons[0].startswith("incomplete")


def test_a_chosen_part_says_that_it_is_one():
    canvas = section()
    area = Area(inside=(ring(100, 100, 400, 500),))
    finding = analyze(canvas.rgb(), area=area).analysis.finding
    assert finding.category is Category.NEGATIVE
    assert finding.flags == ("area_limited",)
    assert "Only the chosen part of the slide was analysed." in finding.headline


def test_a_crumb_of_the_patient_beside_a_control_is_no_negative():
    canvas = Canvas()
    canvas.with_tissue(canvas.box(60, 60, 300, 580) | canvas.box(600, 300, 720, 410))
    canvas.with_brown(canvas.disc(180, 300, 12))
    config = replace(HELD, zones=(Zone(Role.CONTROL, 0.0, 0.0, 0.16, 0.32),))
    analysis = analyze(canvas.rgb(), config).analysis
    assert [piece.role for piece in analysis.pieces] == [Role.CONTROL, Role.UNKNOWN]
    assert analysis.finding.category is Category.NOT_ASSESSABLE
    assert analysis.finding.assessable.reasons[0].startswith("no_tissue")


@pytest.mark.parametrize(("stained", "result"), [(True, "stained"), (False, "unstained")])
def test_control_tissue_on_the_slide_must_be_stained(stained, result):
    canvas = Canvas()
    canvas.with_tissue(canvas.box(60, 60, 300, 580) | canvas.box(440, 60, 740, 580))
    if stained:
        canvas.with_brown(canvas.disc(180, 300, 12))
    config = replace(HELD, zones=(Zone(Role.CONTROL, 0.0, 0.0, 0.16, 0.32),))
    analysis = analyze(canvas.rgb(), config).analysis
    assert analysis.quality.control_on_slide == result
    assert analysis.finding.category is (Category.NEGATIVE if stained else Category.NOT_ASSESSABLE)
    if not stained:
        reasons = ("control_failed: the control tissue on the slide shows no stain",)
        assert analysis.finding.assessable.reasons == reasons
    assert analyze(canvas.rgb()).analysis.quality.control_on_slide is None


@pytest.mark.parametrize(("strength_od", "is_weak"), [(None, False), (0.5, False), (0.8, False), (1.8, True)])
def test_a_few_cells_far_weaker_than_the_rest_of_the_slide_are_doubtful(strength_od, is_weak):
    canvas = section()
    canvas.with_brown(canvas.disc(250, 300, 12), 0.5).with_brown(canvas.disc(550, 300, 50), 0.5)
    evidence = replace(Evidence.of(analyze(canvas.rgb()).analysis), strength_od=strength_od)
    judged = judge_clusters(evidence, 7.0, HELD)
    large, small = np.argmax(judged.area_um2), np.argmin(judged.area_um2)
    assert (judged.flags_of(small).get("weak", 0.0) >= 0.5) == is_weak
    assert "weak" not in judged.flags_of(large)


def test_a_slide_on_which_nothing_is_stained_says_so():
    blank, speck = analyze(section().rgb()).analysis, section()
    assert not blank.quality.shows_chromogen
    assert "whether the stain worked, only a control can tell" in blank.finding.headline
    assert analyze(speck.with_brown(speck.disc(400, 300, 12)).rgb()).analysis.quality.shows_chromogen


def test_a_recut_goes_under_its_own_settings():
    """A stored recut must not pass for an analysis with the default settings."""
    outcome = analyze(crowded(0))
    there = recut(outcome.analysis, HELD, 25.0)
    again = recut(there, HELD, HELD.clusters.gap_um)
    assert there.provenance.config["clusters"]["gap_um"] == 25.0
    assert there.provenance.config_fingerprint != outcome.analysis.provenance.config_fingerprint
    assert again.provenance.config_fingerprint == outcome.analysis.provenance.config_fingerprint
    # What is brownest keeps its pictures; only the numbers of clusters follow the gap.
    assert_same(replace(again, brownest=()), replace(outcome.analysis, brownest=()))
