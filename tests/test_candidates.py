"""Level 0 decoded where a lower level shows chromogen gives what decoding all of it gives, or all of it is decoded."""

from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import simplejpeg
import tifffile
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter

from micromet_path.config import Config, LookParams, ScanParams
from micromet_path.geometry import Region, TileGrid
from micromet_path.model import Audit
from micromet_path.pipeline import Task, analyze_slide
from micromet_path.pipeline.candidates import blocks_of, cells_of, draw_audit
from micromet_path.pixels.candidates import Hint, mark_cells
from micromet_path.pixels.clusters import ClusterParams
from micromet_path.pixels.stain import StainModel, StainParams, WhitePoint, make_tables
from micromet_path.slides import open_slide
from tests.slides.conftest import aperio, write_tiff
from tests.test_pipeline import BLACK, DAB, HAEMATOXYLIN, WHITE, assert_same, painted

SIDE, TILE, FACTOR = 2048, 128, 4
# Flat boxes of brown have no nuclei: the second look, which would say so, has tests of its own.
HELD = Config(
    stain=StainParams(white=WHITE, vectors="fixed", thresholds="fixed"),
    scan=ScanParams(full_below_px=0, least_audited=0),
    look=LookParams(most_candidates=0),
)
FULL = replace(HELD, scan=ScanParams(mode="full"))


@cache
def section(seed, is_stained=True):
    """Tissue at 0.25 um with foci, single weak cells, dots, specks; some on the corners of tiles."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    tissue = (np.abs(x - SIDE / 2) < 0.45 * SIDE) & (np.abs(y - SIDE / 2) < 0.42 * SIDE)
    nuclei = np.where(tissue, 0.05 + 0.25 * (gaussian_filter(rng.random((SIDE, SIDE)), 6) > 0.52), 0.0)
    brown, black = np.zeros((2, SIDE, SIDE))

    def spot(where, centre, radius, od):
        cx, cy = centre
        left, top = max(0, int(cx - radius) - 1), max(0, int(cy - radius) - 1)
        box = np.s_[top : int(cy + radius) + 2, left : int(cx + radius) + 2]
        inside = (x[box] - cx) ** 2 + (y[box] - cy) ** 2 < radius**2
        where[box][inside] = od

    places = rng.uniform((0.12 * SIDE, 0.15 * SIDE), (0.4 * SIDE, 0.85 * SIDE), (40, 2))  # the right half stays free
    for centre in places[:3]:
        for _ in range(12):  # a focus of cells
            spot(brown, centre + rng.normal(0, 40, 2), rng.uniform(15, 30), rng.uniform(0.4, 1.0))
    for centre in places[3:8]:  # single cells, weak ones among them
        spot(brown, centre, 24, rng.uniform(0.24, 0.5))
    for corner in rng.integers((3, 3), (7, SIDE // TILE - 3), (3, 2)) * TILE:  # a cell where four tiles meet
        spot(brown, corner + rng.uniform(-2, 2, 2), 18, 0.5)
    for _ in range(14):  # dots of keratin, 2 to 4 um across
        spot(brown, places[8] + rng.normal(0, 60, 2), rng.uniform(4, 8), 0.7)
    for centre in places[10:30]:
        spot(black, centre, rng.uniform(1, 6), 1.2)
    if not is_stained:
        return painted((nuclei, HAEMATOXYLIN))
    return painted((nuclei, HAEMATOXYLIN), (gaussian_filter(brown, 1.0), DAB), (black, BLACK))


def reduced(rgb, how):
    """A lower level as one writer or another makes it."""
    image, size = Image.fromarray(rgb), (SIDE // FACTOR, SIDE // FACTOR)
    if how == "box":
        return np.asarray(image.reduce(FACTOR))
    if how == "nearest":
        return rgb[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]
    if how == "lanczos":
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    if how == "off by a pixel":
        return np.roll(np.asarray(image.reduce(FACTOR)), (1, -1), axis=(0, 1))
    if how == "jpeg":
        small = np.ascontiguousarray(np.asarray(image.reduce(FACTOR)))
        return simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(small, quality=60, colorsubsampling="420"))
    raise ValueError(how)


@contextmanager
def pyramid(folder, rgb, lower):
    """The slide of two levels at 0.25 um."""
    path = folder / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        for level, pixels in enumerate((rgb, lower)):
            writer.write(
                np.ascontiguousarray(pixels),
                tile=(TILE, TILE),
                compression="deflate",
                compressionargs={"level": 1},
                photometric="rgb",
                resolution=(40000, 40000) if level == 0 else None,
                resolutionunit="CENTIMETER" if level == 0 else None,
                subfiletype=min(level, 1),
                metadata=None,
            )
    with open_slide(path) as slide:
        yield slide


def analyze(slide, config, **task):
    return analyze_slide(slide, config, Task("slide", "0" * 64, **task))


def assert_same_finding(some, every):
    """All but how it was read: specks smaller than a dot are counted where tiles were decoded."""
    for name in ("clusters", "fragments", "tree", "pieces"):
        assert_same(getattr(some.analysis, name), getattr(every.analysis, name), name)
    assert_same(replace(some.analysis.finding, headline=""), replace(every.analysis.finding, headline=""), "finding")
    assert_same(some.runs, every.runs, "runs")


@pytest.mark.parametrize("how", ["box", "nearest", "lanczos", "off by a pixel", "jpeg"])
@pytest.mark.parametrize("seed", range(3))
def test_candidates_give_what_the_full_pass_gives(tmp_path, seed, how):
    rgb = section(seed)
    with pyramid(tmp_path, rgb, reduced(rgb, how)) as slide:
        some, every = analyze(slide, HELD), analyze(slide, FULL)

    assert_same_finding(some, every)
    audit = some.analysis.quality.audit
    assert some.analysis.scan.mode == "candidates"
    assert audit.missed == 0
    assert audit.decoded < 0.9 * audit.cells
    assert every.analysis.scan.mode == "full"
    assert every.analysis.quality.audit is None


@pytest.mark.parametrize("codec", ["jpeg2000-rgb", "jpeg2000-ycbcr"])
@pytest.mark.parametrize("seed", range(3))
def test_a_slide_of_one_level_gives_its_candidates_by_coarse_wavelets(tmp_path, seed, codec):
    rgb = section(seed)
    path = write_tiff(tmp_path / "slide.svs", [rgb], codec, TILE, aperio(rgb, TILE))
    with open_slide(path) as slide:
        assert [level.downsample_x for level in slide.info.levels] == [1.0, 2.0, 4.0]
        some, every = analyze(slide, HELD), analyze(slide, FULL)

    assert_same_finding(some, every)
    assert some.analysis.scan.mode == "candidates"
    assert some.analysis.quality.audit.decoded < 0.9 * some.analysis.quality.audit.cells
    assert some.analysis.quality.audit.missed == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_level_of_half_the_size_is_small_enough(tmp_path, seed):
    rgb = section(seed)
    with pyramid(tmp_path, rgb, np.asarray(Image.fromarray(rgb).reduce(2))) as slide:
        some, every = analyze(slide, HELD), analyze(slide, FULL)

    assert_same_finding(some, every)
    assert some.analysis.scan.mode == "candidates"


@pytest.mark.parametrize("seed", range(3))
def test_threads_and_size_of_jobs_change_nothing(tmp_path, seed):
    rgb = section(seed)
    with pyramid(tmp_path, rgb, reduced(rgb, "box")) as slide:
        one = analyze(slide, HELD)
        two = analyze(slide, replace(HELD, scan=replace(HELD.scan, block_px=200)), workers=2)

    assert_same_finding(two, one)
    assert_same(two.analysis.quality, one.analysis.quality)
    assert_same(two.analysis.scan, one.analysis.scan)


def test_level_that_lies_is_caught_and_everything_is_decoded(tmp_path):
    rgb = section(0)
    watchful = replace(HELD, scan=replace(HELD.scan, audit_share=0.3))
    with pyramid(tmp_path, rgb, reduced(section(0, is_stained=False), "box")) as slide:
        some, every = analyze(slide, watchful), analyze(slide, FULL)

    assert_same_finding(some, every)
    assert some.analysis.scan.mode == "full"
    assert some.analysis.quality.audit.missed > 0
    assert some.analysis.finding.n_clusters > 0


def test_focus_is_followed_into_tiles_that_were_passed_over(tmp_path):
    nuclei, brown = np.zeros((2, SIDE, SIDE))
    nuclei[300:1750, 300:1750] = 0.1
    turns = np.linspace(0, 6 * np.pi, 60_000)
    x, y = (1024 + 100 * turns / np.pi * f(turns) for f in (np.cos, np.sin))
    for step in range(6):
        brown[y.astype(int) + step, x.astype(int)] = 0.8
    rgb = painted((nuclei, HAEMATOXYLIN), (brown, DAB))
    lower = reduced(painted((nuclei, HAEMATOXYLIN)), "box").copy()
    shown = np.s_[240:272, 240:272]  # a lower level that shows the middle of the spiral and nothing else
    lower[shown] = reduced(rgb, "box")[shown]
    with pyramid(tmp_path, rgb, lower) as slide:
        some, every = analyze(slide, HELD), analyze(slide, FULL)

    assert_same_finding(some, every)
    assert some.analysis.scan.mode == "candidates"
    assert len(some.analysis.fragments) == 1
    assert some.analysis.finding.max_diameter_um > 200


@pytest.mark.parametrize(("apart_px", "gap_um"), [(8, 7.0), (84, 25.0)], ids=["one focus", "one at a larger gap"])
def test_a_thread_that_no_lower_level_shows_is_found_beside_a_focus(tmp_path, apart_px, gap_um):
    nuclei, brown = np.zeros((2, SIDE, SIDE))
    nuclei[300:1750, 300:1750] = 0.1
    brown[1000:1040, 310:1020] = 0.8
    brown[1020, 1020 + apart_px : 1220 + apart_px] = 0.5  # a quarter of a micron wide, beyond the border at 1024
    rgb = painted((nuclei, HAEMATOXYLIN), (brown, DAB))
    with pyramid(tmp_path, rgb, reduced(rgb, "box")) as slide:
        some, every = analyze(slide, HELD), analyze(slide, FULL)

    assert_same_finding(some, every)
    assert some.analysis.quality.audit.missed > 0  # and so the lower level is not relied on
    assert some.analysis.scan.mode == "full"
    at_gap = {row.gap_um: row.category.value for row in some.analysis.finding.by_gap}
    assert at_gap[gap_um] == "micrometastasis"


@pytest.mark.parametrize("gap_um", [0.0, 7.0, 40.0])
def test_everything_within_the_gap_is_decoded_however_wide_it_is(tmp_path, gap_um):
    nuclei, brown = np.zeros((2, SIDE, SIDE))
    nuclei[300:1750, 300:1750] = 0.1
    brown[1000:1040, 310:990] = 0.8
    brown[1020, 1028:1228] = brown[1020, 1388:1588] = 0.5  # 9.5 um from the focus and 40 um from each other
    rgb = painted((nuclei, HAEMATOXYLIN), (brown, DAB))
    configs = (replace(config, clusters=ClusterParams(gap_um=gap_um)) for config in (HELD, FULL))
    with pyramid(tmp_path, rgb, reduced(rgb, "box")) as slide:
        some, every = (analyze(slide, config) for config in configs)

    assert_same_finding(some, every)
    assert some.analysis.quality.audit.missed > 0


def test_damage_in_a_candidate_is_told_by_a_full_pass(tmp_path):
    rgb = section(1)
    with pyramid(tmp_path, rgb, reduced(rgb, "box")) as slide:
        chosen = analyze(slide, HELD).analysis.clusters.bbox_px0[0]
        column, row = chosen[:2] // TILE
    path = tmp_path / "slide.tif"
    with tifffile.TiffFile(path) as tiff:
        number = int(row * (SIDE // TILE) + column)
        offset, size = tiff.pages[0].dataoffsets[number], tiff.pages[0].databytecounts[number]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * size)
    with open_slide(path) as slide:
        analysis = analyze(slide, HELD).analysis

    assert analysis.scan.mode == "full"
    assert analysis.scan.unreadable_tiles == 1


@pytest.mark.parametrize("seed", range(20))
def test_marked_cells_are_those_around_every_clear_pixel_and_every_faint_one_among_others(seed):
    rng = np.random.default_rng(seed)
    rgb = rng.integers(170, 256, (*rng.integers(20, 60, 2), 3)).astype(np.uint8)
    assert_marked(rgb, rng, is_dense=True)


@pytest.mark.parametrize("width", [127, 128, 129, 256, 300])
@pytest.mark.parametrize("seed", range(12))
def test_marked_cells_are_those_around_a_run_that_ends_anywhere(seed, width):
    """Stretches of 128 columns are told from glass at once; runs end within, at their borders and at the picture's."""
    rng = np.random.default_rng(seed)
    rgb = np.full((int(rng.integers(3, 20)), width, 3), 244, np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        row, stop = rng.integers(0, len(rgb)), rng.choice([*rng.integers(1, width, 3), 127, min(128, width), width])
        rgb[row, max(0, stop - int(rng.integers(1, 150))) : stop] = (150, 100, 60)
    assert_marked(rgb, rng, is_dense=False)


def assert_marked(rgb, rng, is_dense):
    """Compare with every pixel's own cells."""
    params = StainParams()
    model = StainModel.from_dyes(WhitePoint((245.0,) * 3, "slide"), params.haematoxylin, params.chromogen, "fixed")
    tables = make_tables(model, params)
    hint = Hint.of(tables, 1.0, 1.3)
    step = int(rng.integers(2, 6))
    x0, y0 = (rng.integers(0, 20, 2) * step).tolist()
    region = Region(x0, y0, x0 + rgb.shape[1] * step, y0 + rgb.shape[0] * step)
    cells = TileGrid(region.x1 + 7, region.y1 + 3, *rng.integers(10, 50, 2).tolist())
    marked = np.zeros((cells.rows, cells.columns), bool)

    mark_cells(rgb, region, hint, cells, marked)

    expected = np.zeros_like(marked)
    dab = sum(tables.dyes[1, channel][rgb[..., channel]] for channel in range(3))
    touching = convolve((dab >= hint.faint).astype(int), np.ones((3, 3), int), mode="nearest")
    reason = (dab >= hint.clear) | ((dab >= hint.faint) & (touching >= 3))
    assert reason.any()
    assert not is_dense or reason.sum() < (dab >= hint.faint).sum()
    for row, column in np.argwhere(reason).tolist():
        near = Region(x0 + (column - 1) * step, y0 + (row - 1) * step, x0 + (column + 2) * step, y0 + (row + 2) * step)
        for at in np.ndindex(marked.shape):
            expected[at] |= not cells[at].intersection(near).is_empty
    np.testing.assert_array_equal(marked, expected)


@pytest.mark.parametrize("seed", range(20))
def test_blocks_hold_the_wanted_cells_once_and_no_other(seed):
    rng = np.random.default_rng(seed)
    cells = TileGrid(*rng.integers(100, 900, 2).tolist(), *rng.integers(20, 90, 2).tolist())
    wanted = rng.random((cells.rows, cells.columns)) < rng.uniform(0.05, 0.9)
    read = np.zeros((cells.height, cells.width), int)

    for block in blocks_of(wanted, cells, int(rng.integers(1, 200_000))):
        region = block.region
        for first, last in block.bands:
            read[region.y0 + first : region.y0 + last, region.x0 : region.x1] += 1

    expected = np.zeros_like(read)
    for at in np.argwhere(wanted).tolist():
        cell = cells[tuple(at)]
        expected[cell.y0 : cell.y1, cell.x0 : cell.x1] = 1
    np.testing.assert_array_equal(read, expected)


def test_audit_is_a_sample_of_what_was_passed_over():
    chosen = np.random.default_rng(0).random((40, 50)) < 0.2
    one, two, other = (draw_audit(chosen, ScanParams(least_audited=0), seed) for seed in (1, 1, 2))

    assert one.sum() == np.ceil(0.02 * (~chosen).sum())
    assert not (one & chosen).any()
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert draw_audit(np.ones((3, 3), bool), ScanParams(), 0).sum() == 0
    assert draw_audit(chosen, ScanParams(), 0).sum() == 100
    assert draw_audit(chosen[:3], ScanParams(least_audited=1000), 0).sum() == (~chosen[:3]).sum()


@pytest.mark.parametrize(
    ("audit", "bound"),
    [
        (Audit(cells=1000, decoded=300, passed_over=800, audited=100, missed=0), 0.03),
        (Audit(cells=10, decoded=3, passed_over=9, audited=1, missed=0), 1.0),
        (Audit(cells=10, decoded=10, passed_over=4, audited=4, missed=0), 0.0),
        (Audit(cells=10, decoded=10, passed_over=0, audited=0, missed=0), None),
        (Audit(cells=10, decoded=10, passed_over=9, audited=3, missed=1), None),
    ],
)
def test_bound_of_an_audit(audit, bound):
    assert audit.missed_share_bound == bound


def test_small_slides_and_slides_without_a_fine_lower_level_are_decoded_in_full(tmp_path):
    rgb = section(2)
    with pyramid(tmp_path, rgb, reduced(rgb, "box")) as slide:
        assert cells_of(slide).tile_width == 2 * TILE
        small = analyze(slide, replace(HELD, scan=ScanParams(full_below_px=SIDE**2 + 1)))
        coarse = analyze(slide, replace(HELD, scan=replace(HELD.scan, candidate_spacing_um=0.99)))
        most_audited = len(cells_of(slide)) // 4
        of_few_tiles, of_enough = (
            analyze(slide, replace(HELD, scan=replace(HELD.scan, least_audited=most_audited + one_more)))
            for one_more in (1, 0)
        )
    assert of_enough.analysis.scan.mode == "candidates"
    for outcome in (small, coarse, of_few_tiles):
        assert outcome.analysis.scan.mode == "full"
        assert outcome.analysis.quality.audit is None
