"""Joining over seams, sieving, and what looks like carbon."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Dropped
from micromet_path.pixels import scan as scanning
from micromet_path.pixels.fragments import (
    FragmentParams,
    dropped_in_all,
    is_pigment_like,
    join,
    sieve_block,
    sieve_joined,
)
from micromet_path.pixels.runs import join_runs
from micromet_path.pixels.scan import scan_block

EIGHT = np.ones((3, 3))
SPACING = PixelSpacing(0.5, 0.4)
BY_BLOCK = ("piece_offsets", "joined_of_piece")  # the only columns that may know of blocks


def joined(picture, blocks, tables, rows_a_band=1000):
    """Joined pieces and their runs."""
    scans = [part for block in blocks for part in picture.scan(block, tables, rows_a_band)]
    pieces = join(scans)
    return pieces, whole_runs(scans, pieces)


def whole_runs(scans, pieces):
    row, start, stop = (np.concatenate([getattr(scan, name) for scan in scans]) for name in ("row", "start", "stop"))
    of_run = [pieces.joined_of_piece[scan.piece + at] for scan, at in zip(scans, pieces.piece_offsets, strict=False)]
    joined_piece = np.concatenate(of_run).astype(np.int32)
    kept = joined_piece >= 0
    return join_runs(row[kept], start[kept], stop[kept], joined_piece[kept])


def sieved(picture, blocks, tables, params):
    """The same as the pipeline does it: sieved by block, joined, sieved again; and what was dropped."""
    parts = [sieve_block(part, SPACING, params) for block in blocks for part in picture.scan(block, tables)]
    scans, strong, weak = ([part[column] for part in parts] for column in range(3))
    pieces, more_strong, more_weak = sieve_joined(join(scans), SPACING, params)
    drops = dropped_in_all([*strong, more_strong]), dropped_in_all([*weak, more_weak])
    return pieces, whole_runs(scans, pieces), drops


def assert_same(one, two):
    for column in fields(one):
        if column.name not in BY_BLOCK:
            first, second = getattr(one, column.name), getattr(two, column.name)
            assert first.dtype == second.dtype, column.name
            assert_array_equal(first, second, err_msg=column.name)


@pytest.mark.parametrize("tile_px", [3, 7, 16, 33, "uneven"])
@pytest.mark.parametrize("seed", range(12), ids="seed{}".format)
def test_blocks_change_nothing(seed, tile_px, picture, tables, blocks_of):
    drawn = picture(seed, longest=90)
    whole, whole_runs_ = joined(drawn, [drawn.region], tables)

    pieces, runs = joined(drawn, blocks_of(drawn.region, tile_px, np.random.default_rng(seed)), tables)

    assert_same(pieces, whole)
    assert_same(runs, whole_runs_)


@pytest.mark.parametrize(("enough_runs", "rows_a_band"), [(1, 1), (1, 5), (30, 4), (200, 20)])
@pytest.mark.parametrize("seed", range(12), ids="seed{}".format)
def test_parts_of_a_block_change_nothing(seed, enough_runs, rows_a_band, picture, tables, monkeypatch):
    drawn = picture(seed, longest=90)
    whole, whole_runs_ = joined(drawn, [drawn.region], tables)

    monkeypatch.setattr(scanning, "_ENOUGH_RUNS", enough_runs)
    pieces, runs = joined(drawn, [drawn.region], tables, rows_a_band)

    assert_same(pieces, whole)
    assert_same(runs, whole_runs_)


def test_a_block_of_many_runs_comes_in_parts(picture, tables, monkeypatch):
    drawn = picture(3)
    monkeypatch.setattr(scanning, "_ENOUGH_RUNS", 1)
    assert len(drawn.scan(drawn.region, tables, 1)) == np.count_nonzero(drawn.low.any(axis=1))


@pytest.mark.parametrize("seed", range(8), ids="seed{}".format)
def test_joined_pieces_are_the_labels_of_the_picture(seed, picture, tables, blocks_of):
    drawn = picture(100 + seed)
    labels, n = ndimage.label(drawn.mid, EIGHT)

    pieces, runs = joined(drawn, blocks_of(drawn.region, 16, np.random.default_rng(seed)), tables)

    assert len(pieces) == n
    assert_array_equal(pieces.sums[:, 0], np.bincount(labels.ravel(), minlength=n + 1)[1:])
    assert_array_equal(labels[runs.row, runs.start] - 1, runs.fragment)
    low_labels, _ = ndimage.label(drawn.low, EIGHT)
    around = low_labels[pieces.first_px[:, 1], pieces.first_px[:, 0]]
    _, first_use, of_first_use = np.unique(around, return_index=True, return_inverse=True)
    assert_array_equal(pieces.low_component, np.argsort(np.argsort(first_use))[of_first_use])
    assert pieces.low_component.max() == len(pieces.low_hull_offsets) - 2


@pytest.mark.parametrize("tile_px", [3, 16, "uneven"])
@pytest.mark.parametrize("seed", range(12), ids="seed{}".format)
def test_what_is_dropped_does_not_depend_on_blocks(seed, tile_px, picture, tables, blocks_of):
    """Specks on a seam are kept until they are joined; afterwards nothing tells where the seam was."""
    drawn = picture(200 + seed)
    params = FragmentParams(dot_minimum_um2=float(np.random.default_rng(seed).choice([0.5, 2.0, 9.0])))
    whole, whole_runs_, whole_drops = sieved(drawn, [drawn.region], tables, params)

    pieces, runs, drops = sieved(drawn, blocks_of(drawn.region, tile_px, np.random.default_rng(seed)), tables, params)

    assert_same(pieces, whole)
    assert_same(runs, whole_runs_)
    assert drops == whole_drops
    everything = joined(drawn, [drawn.region], tables)[0]
    small = everything.sums[:, 0] * SPACING.pixel_area_um2 < params.dot_minimum_um2
    assert drops[0].n + drops[1].n == small.sum()
    assert drops[0].n == (small & (everything.sums[:, 9] > 0)).sum()
    assert len(pieces) == (~small).sum()
    assert whole.low_component.max(initial=-1) == len(whole.low_hull_offsets) - 2


def test_of_small_pigment_the_brownest_stay_and_all_is_counted(tables):
    rows, columns = np.mgrid[:200, :300]
    rgb = np.full((200, 300, 3), 244, np.uint8)
    places = [(20 + 40 * (k // 7), 20 + 40 * (k % 7)) for k in range(28)]
    for number, (row, column) in enumerate(places):
        rgb[np.hypot(rows - row, columns - column) < 2.2] = 20 + number  # 3.7 um2; carbon is black
    rgb[:3, 100:103] = 20  # on the border: it may go on
    (block,) = scan_block([(0, rgb)], Region(0, 0, 300, 200), tables)
    sieved, *drops = sieve_block(block, SPACING, FragmentParams())

    assert len(block.sums) == 29
    assert len(sieved.sums) == 11
    assert drops[0].n + drops[1].n == 18
    least = sorted(block.sums[:, 7])[-10]
    assert sum(sieved.sums[:, 7] >= least) == 10


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)])
@pytest.mark.parametrize("rising", [False, True])
def test_the_corner_between_four_blocks_joins(order, rising, colour, tables):
    rgb = np.full((8, 8, 3), 244, np.uint8)
    for x, y in ((3, 4), (4, 3)) if rising else ((3, 3), (4, 4)):
        rgb[y, x] = colour(0.0, 0.5)
    blocks = [Region(0, 0, 4, 4), Region(4, 0, 8, 4), Region(0, 4, 4, 8), Region(4, 4, 8, 8)]
    scans = [
        scan
        for b in (blocks[i] for i in order)
        for scan in scan_block([(0, np.ascontiguousarray(rgb[b.y0 : b.y1, b.x0 : b.x1]))], b, tables)
    ]
    assert [len(scan.stained) for scan in scans] == [1, 1]
    pieces = join(scans)
    assert len(pieces) == 1
    assert pieces.sums[0, 0] == 2
    assert pieces.bbox_px0.tolist() == [[3, 3, 5, 5]]


def test_nothing_joins_to_nothing(colour, tables):
    rgb = np.full((8, 8, 3), 244, np.uint8)
    assert not list(scan_block([(0, rgb)], Region(0, 0, 8, 8), tables))
    rgb[4, 4] = colour(0.0, 0.5)
    (speck,) = scan_block([(0, rgb)], Region(0, 0, 8, 8), tables)
    blank, *_ = sieve_block(speck, SPACING, FragmentParams())
    for blocks in ([], [blank], [blank, blank]):
        pieces = join(blocks)
        assert len(pieces) == 0
        assert pieces.low_hull_offsets.tolist() == [0]
        assert sieve_joined(pieces, SPACING, FragmentParams())[1:] == (Dropped(), Dropped())


def stain_sums(rgb, tables):
    (block,) = scan_block([(0, np.ascontiguousarray(rgb))], Region(0, 0, rgb.shape[1], rgb.shape[0]), tables)
    assert len(block.stained) == 1
    return block.sums[:, 6:9]


def patch(*colours):
    """A patch of colours in equal parts, with some noise of the camera."""
    rng = np.random.default_rng(0)
    rgb = np.stack([colours[k % len(colours)] for k in range(40)])[None].repeat(20, axis=0).astype(float)
    return np.clip(np.rint(rgb + rng.normal(0, 2, rgb.shape)), 0, 255).astype(np.uint8)


def grey(od):
    return np.full(3, 245 * 10**-od)


@pytest.mark.parametrize("od", [0.45, 0.7, 1.0, 1.5, 2.0])
def test_carbon_is_like_pigment(od, tables):
    assert is_pigment_like(stain_sums(patch(grey(od)), tables), FragmentParams()).all()


@pytest.mark.parametrize("dab_od", [0.3, 0.6, 1.0, 1.4, 1.8, 3.0])
@pytest.mark.parametrize("haematoxylin_od", [0.0, 0.1, 0.3, 0.6])
def test_dab_is_not_like_pigment_even_over_a_nucleus(dab_od, haematoxylin_od, tables, colour):
    """At 3.0 blue and green are black and the colour is that of saturated DAB."""
    rgb = patch(colour(haematoxylin_od, dab_od), colour(haematoxylin_od / 2, dab_od))
    assert not is_pigment_like(stain_sums(rgb, tables), FragmentParams()).any()


def test_brown_melanin_is_not_told_from_dab(tables):
    """A limit of the rule, kept here so that nobody believes otherwise."""
    assert not is_pigment_like(stain_sums(patch(np.array([110, 70, 45])), tables), FragmentParams()).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"link_minimum_um2": -1.0},
        {"dot_minimum_um2": 11.0},
        {"link_minimum_um2": 101.0},
        {"pigment_share": 0.0},
        {"pigment_share": 1.0},
        {"pigment_residual": 0.0},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match="fragments: expected"):
        FragmentParams(**wrong)


def test_drops_add_up_in_any_order():
    parts = [Dropped(2, 3.0), Dropped(), Dropped(1, 7.5)]
    assert dropped_in_all(parts) == dropped_in_all(parts[::-1]) == Dropped(3, 7.5)
    assert dropped_in_all([]) == Dropped(0, None)
