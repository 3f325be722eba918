"""Dried rims cut from what they touch: the parts are exact, nothing is lost, and a nest has its own size."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

import micromet_path as mp
from micromet_path.config import Config
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import Region, TileGrid
from micromet_path.model import Counting
from micromet_path.pipeline import trimming
from micromet_path.pixels import fragments as pieces_of
from micromet_path.pixels.rims import RimParams
from micromet_path.pixels.shape import painted
from micromet_path.slides import ArraySlide
from tests.nodes import MPP, Node
from tests.test_pipeline import HALF, HELD, analyze, assert_same, crowded

NO_RIMS = RimParams(least_um2=1e9, long_um=1e9)
WHITE_SHEET = Region(0, 0, 960, 800)


def counted(analysis):
    clusters = analysis.clusters
    return [row for row in range(len(clusters)) if clusters.counting[row] is not Counting.NOT_COUNTED]


def largest_counted_um(analysis):
    return max((float(analysis.clusters.max_diameter_um[row]) for row in counted(analysis)), default=0.0)


def analyzed(node, rims=None, **task):
    return analyze(node.rgb(), Config(rims=rims or RimParams()), **task).analysis


def random_rims(seed, share=0.4):
    """Blotches of cells, in windows of some size, as if they were rims."""
    rng = np.random.default_rng(seed)
    windows = TileGrid(960, 800, 256, 256)
    masks = {
        (row, column): ndimage.gaussian_filter(rng.random((32, 32)), 2) > 0.5
        for row in range(4)
        for column in range(4)
        if rng.random() < share + 0.3
    }
    return trimming._Raster(windows, (8, 8), masks)


def mask_of(runs, kept, shape):
    own = kept[runs.fragment]
    return painted(runs.row[own], runs.start[own], runs.stop[own], Region(0, 0, shape[1], shape[0]))


@pytest.mark.parametrize("seed", range(6))
def test_parts_are_the_pixels_on_either_side(monkeypatch, seed):
    rgb, rims = crowded(seed % 3), random_rims(seed)
    before = analyze(rgb, replace(HELD, rims=NO_RIMS))
    monkeypatch.setattr(trimming, "_find_rims", lambda *_: rims)
    after = analyze(rgb)
    covered = rims.covers(WHITE_SHEET)

    # Every fragment that is left lies on one side, but for what is less than a cell.
    fragments, runs = after.analysis.fragments, after.runs
    order = np.lexsort((fragments.first_px[:, 0], fragments.first_px[:, 1]))
    assert_array_equal(order, np.arange(len(fragments)))
    is_rim = fragments.flags["edge_haze"] == 1.0
    assert is_rim.any()
    assert not is_rim.all()
    for row in range(len(fragments)):
        own = mask_of(runs, np.arange(len(fragments)) == row, rgb.shape)
        rows, columns = np.nonzero(own)
        assert own.sum() == fragments.area_px[row]
        assert_array_equal(fragments.sum_xy_px[row], [columns.sum(), rows.sum()])
        assert_array_equal(fragments.sum_rgb[row], rgb[own].sum(axis=0))
        assert_array_equal(fragments.bbox_px0[row], [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert ndimage.label(own, np.ones((3, 3)))[1] == 1
        inside_um2, outside_um2 = (np.count_nonzero(own & side) * MPP**2 for side in (covered, ~covered))
        assert min(inside_um2, outside_um2) < 60
        area_um2 = inside_um2 + outside_um2
        if is_rim[row]:
            assert inside_um2 >= 0.75 * area_um2 or area_um2 < 60
        else:
            assert inside_um2 < 0.75 * area_um2

    # Nothing is lost but crumbs, and nothing is counted twice.
    everything = [mask_of(one.runs, np.ones(len(one.analysis.fragments), bool), rgb.shape) for one in (before, after)]
    assert not (everything[1] & ~everything[0]).any()
    assert fragments.area_px.sum() == everything[1].sum()
    lost, n_lost = ndimage.label(everything[0] & ~everything[1], np.ones((3, 3)))
    assert (np.bincount(lost.ravel())[1:] * MPP**2 < 100).all(), n_lost


def test_rims_bridge_nothing_and_do_not_count(monkeypatch):
    monkeypatch.setattr(trimming, "_find_rims", lambda *_: random_rims(1))
    analysis = analyze(crowded(1)).analysis
    rims = np.flatnonzero(analysis.fragments.flags["edge_haze"] == 1.0)
    assert len(rims)
    assert not np.isin(analysis.tree.first, rims).any()
    assert not np.isin(analysis.tree.second, rims).any()
    clusters = analysis.clusters.cluster_of_fragment[rims]
    assert all(analysis.clusters.counting[row] is Counting.NOT_COUNTED for row in clusters[clusters >= 0])


@pytest.mark.parametrize("seed", range(3))
def test_a_table_that_was_parted_is_whole_again(monkeypatch, seed):
    tables = []
    monkeypatch.setattr(trimming, "_find_rims", lambda _slide, _glass, *_: None)
    original = trimming.trim_rims

    def keep(*args):
        tables.append(args[3][0].pieces)
        return original(*args)

    monkeypatch.setattr("micromet_path.pipeline.flow.trim_rims", keep)
    analyze(crowded(seed))
    (table,) = tables
    kept = np.random.default_rng(seed).random(len(table)) < 0.5
    whole, number = pieces_of.merged([pieces_of.picked(table, kept), pieces_of.picked(table, ~kept)])
    assert_array_equal(number, np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)]))
    for name in ("first_px", "bbox_px0", "sums", "max_dab", "hull_px", "hull_offsets", "high_hull_px"):
        assert_array_equal(getattr(whole, name), getattr(table, name))
    # A component at the lower threshold may hold pieces of both: each table has it, so it stands twice.
    for row in range(len(table)):
        hulls = [
            one.low_hull_px[
                one.low_hull_offsets[one.low_component[row]] : one.low_hull_offsets[one.low_component[row] + 1]
            ]
            for one in (whole, table)
        ]
        assert_array_equal(*hulls)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("window", [32, 64])
def test_windows_and_threads_change_nothing(monkeypatch, window, workers):
    node = Node(seed=2).with_rim().with_nest(66, 300, 4, 5)
    once = analyzed(node)
    node = Node(seed=2).with_rim().with_nest(66, 300, 4, 5)
    monkeypatch.setattr(trimming, "_WINDOW", window)
    assert_same(analyzed(node, workers=workers).fragments, once.fragments)


@pytest.mark.parametrize("od", [0.45, 0.8])
def test_a_rim_alone_is_no_metastasis(od):
    without = analyzed(Node().with_rim(od=od), NO_RIMS)
    assert largest_counted_um(without) > 200 or without.finding.category is mp.Category.NEGATIVE
    analysis = analyzed(Node().with_rim(od=od))
    assert largest_counted_um(analysis) < 60
    assert "not counted" in analysis.finding.headline


@pytest.mark.parametrize("place_um", [(66, 300), (90, 200), (72, 30)], ids=["within", "touching", "at its end"])
def test_a_nest_in_a_rim_has_its_own_size(place_um):
    node = Node(seed=1).with_rim(y_um=(80, 700) if place_um[1] == 30 else (-np.inf, np.inf)).with_nest(*place_um, 4, 5)
    rows, columns = np.nonzero(node.keratin)
    truth_um = np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1) * MPP
    without, analysis = analyzed(node, NO_RIMS), analyzed(node)
    assert without.finding.max_diameter_um > 400
    assert truth_um - 15 < largest_counted_um(analysis) < truth_um + 60
    assert analysis.finding.category is mp.Category.ITC


@pytest.mark.parametrize("od", [0.28, 0.6])
@pytest.mark.parametrize("across", [1, 3, 10])
def test_tumour_at_the_glass_is_left_as_it_is(across, od):
    pictures = [Node(seed=3).with_nest(62, 150, across, 25, od) for _ in range(2)]
    with_rule, without = (analyzed(node, rims) for node, rims in zip(pictures, (None, NO_RIMS), strict=True))
    assert_same(with_rule.fragments, without.fragments)


def test_an_unreadable_place_is_no_rim(monkeypatch):
    def refuse(*_):
        raise UnreadableSlideError("damaged")

    monkeypatch.setattr(trimming, "sum_cells", refuse)
    assert largest_counted_um(analyzed(Node().with_rim())) > 400


def test_pixels_of_two_sizes_make_cells_of_one():
    node = Node(seed=1).with_rim().with_nest(66, 300, 4, 5)
    rgb = np.ascontiguousarray(np.repeat(node.rgb(), 2, axis=0))
    analysis = analyze(rgb, Config(), mp.PixelSpacing(MPP, MPP / 2)).analysis
    square = analyzed(Node(seed=1).with_rim().with_nest(66, 300, 4, 5))
    assert largest_counted_um(analysis) == pytest.approx(largest_counted_um(square), abs=3)


def test_a_strip_narrower_than_a_cell_has_no_rim():
    rgb = Node().with_rim().rgb()[:, 120:126]
    rgb = np.ascontiguousarray(rgb)
    with_rule, without = (analyze(rgb, Config(rims=rims)).analysis for rims in (RimParams(), NO_RIMS))
    assert_same(with_rule.fragments, without.fragments)


def test_what_cannot_be_read_again_is_left_as_it_was(monkeypatch):
    node = Node(seed=1).with_rim().with_nest(66, 300, 4, 5)
    left = analyzed(node, NO_RIMS)
    original = trimming.scan_slide
    monkeypatch.setattr(
        trimming, "scan_slide", lambda *args, **more: replace(original(*args, **more), unread=(Region(0, 0, 8, 8),))
    )
    assert_same(analyzed(Node(seed=1).with_rim().with_nest(66, 300, 4, 5)).fragments, left.fragments)


@pytest.mark.parametrize("tile_px", [32, 96])
def test_tiles_change_nothing_of_the_parts(tile_px):
    slides = [
        ArraySlide(Node(seed=2).with_rim().with_nest(66, 300, 4, 5).rgb(), HALF, tile_px=side)
        for side in (tile_px, 1408)
    ]
    one, two = (analyze(slide, Config()).analysis.fragments for slide in slides)
    assert one.flags["mixed"].any()
    assert_same(one, two)
