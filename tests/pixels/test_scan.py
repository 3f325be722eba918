"""Runs, pieces, sums and hulls of one block against scipy's labels and plain pixels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from micromet_path import hull
from micromet_path.geometry import Region
from micromet_path.pixels.scan import scan_block
from micromet_path.pixels.stain import OD_SCALE, optical_density, unmix

EIGHT = np.ones((3, 3))
FAR = Region(70_000, 50_000, 0, 0)


@pytest.fixture(params=range(25), ids="seed{}".format)
def scanned(request, picture, tables):
    """A picture, and its scan as a block somewhere on a slide."""
    drawn = picture(request.param)
    height, width = drawn.mid.shape
    (block,) = scan_block([(0, drawn.rgb)], Region(FAR.x0, FAR.y0, FAR.x0 + width, FAR.y0 + height), tables)
    return drawn, block


def mask_of(row, start, stop, shape):
    mask = np.zeros(shape, bool)
    for r, first, last in zip(row - FAR.y0, start - FAR.x0, stop - FAR.x0, strict=True):
        assert not mask[r, first:last].any()
        mask[r, first:last] = True
    return mask


def corner_hull(mask):
    y, x = np.nonzero(mask)
    corners = [np.column_stack([x + right + FAR.x0, y + below + FAR.y0]) for right in (0, 1) for below in (0, 1)]
    return hull.convex_hull(np.concatenate(corners).astype(np.int64))


def ragged(points, offsets, row):
    return points[offsets[row] : offsets[row + 1]]


def test_runs_are_the_pixels_at_the_threshold(scanned):
    drawn, block = scanned
    assert_array_equal(mask_of(block.row, block.start, block.stop, drawn.mid.shape), drawn.mid)
    assert np.all(np.diff(block.row.astype(np.int64) * 1_000_000 + block.start) > 0)
    touching = (block.row[1:] == block.row[:-1]) & (block.start[1:] == block.stop[:-1])
    assert not touching.any()


def test_pieces_are_eight_connected(scanned):
    drawn, block = scanned
    labels, n = ndimage.label(drawn.mid, EIGHT)
    assert len(block.stained) == len(block.sums) == n
    assert len(block.lenient) == ndimage.label(drawn.low, EIGHT)[1]
    of_run = labels[block.row - FAR.y0, block.start - FAR.x0] - 1
    assert_array_equal(of_run, block.piece)  # both number by the first pixel


def test_sums_are_those_of_the_pixels(scanned, tables):
    drawn, block = scanned
    labels, n = ndimage.label(drawn.mid, EIGHT)
    y, x = np.nonzero(drawn.mid)
    piece, rgb = labels[y, x] - 1, drawn.rgb[y, x].astype(np.int64)
    dyes = sum(tables.dyes[:, channel, rgb[:, channel]] for channel in range(3)).astype(np.int64)
    per_pixel = [np.ones(len(x), int), x + FAR.x0, y + FAR.y0, *rgb.T, *dyes, drawn.strong[y, x]]

    expected = np.zeros((n, 10), np.int64)
    for column, values in enumerate(per_pixel):
        np.add.at(expected[:, column], piece, values)
    strongest = np.zeros(n, np.int64)
    np.maximum.at(strongest, piece, dyes[1])

    assert_array_equal(block.sums, expected)
    assert_array_equal(block.max_dab, strongest)


def test_places_and_hulls_are_those_of_the_pixels(scanned):
    drawn, block = scanned
    labels, n = ndimage.label(drawn.mid, EIGHT)
    low_labels, _ = ndimage.label(drawn.low, EIGHT)
    for k in range(0, n, max(1, n // 15)):
        here = labels == k + 1
        y, x = np.nonzero(here)
        assert block.first_px[k].tolist() == [x[0] + FAR.x0, y[0] + FAR.y0]
        box = [x.min() + FAR.x0, y.min() + FAR.y0, x.max() + 1 + FAR.x0, y.max() + 1 + FAR.y0]
        assert block.bbox_px0[k].tolist() == box
        points = ragged(block.stained.hull_px, block.stained.hull_offsets, k)
        assert_array_equal(hull.convex_hull(points), corner_hull(here))
        points = ragged(block.high_hull_px, block.high_hull_offsets, k)
        if (here & drawn.high).any():
            assert_array_equal(hull.convex_hull(points), corner_hull(here & drawn.high))
        else:
            assert len(points) == 0
        around = low_labels == low_labels[y[0], x[0]]
        points = ragged(block.lenient.hull_px, block.lenient.hull_offsets, block.lenient_of[k])
        assert_array_equal(hull.convex_hull(points), corner_hull(around))


def test_seam_runs_are_those_at_the_border(scanned):
    drawn, block = scanned
    height, width = drawn.mid.shape
    border = np.zeros_like(drawn.mid)
    border[[0, -1]], border[:, [0, -1]] = True, True
    for mask, pieces in ((drawn.mid, block.stained), (drawn.low, block.lenient)):
        seam = mask_of(pieces.seam_row, pieces.seam_start, pieces.seam_stop, mask.shape)
        assert np.all(seam[mask & border])
        at_border = np.isin(pieces.seam_row - FAR.y0, [0, height - 1])
        at_border |= (pieces.seam_start == FAR.x0) | (pieces.seam_stop == FAR.x0 + width)
        assert at_border.all()


@pytest.mark.parametrize("width", [1, 127, 128, 129, 256, 300])
def test_a_row_is_rejected_in_parts_without_losing_a_pixel(width, tables, colour):
    """Stretches of 128 columns are tested at once; a run may begin, end or pass at any of their borders."""
    for first, last in ((0, width), (width - 1, width), (width // 2, width), (0, width // 2 + 1)):
        rgb = np.full((1, width, 3), 244, np.uint8)
        rgb[0, first:last] = colour(0.0, 0.5)
        (block,) = scan_block([(0, rgb)], Region(0, 0, width, 1), tables)
        assert (block.start.tolist(), block.stop.tolist()) == ([first], [last])


def test_a_pixel_at_the_threshold_is_stained(tables):
    """Every colour: stained is what the tables say, and the tables say what the float formula says."""
    rgb = np.random.default_rng(0).integers(0, 256, size=(1, 400_000, 3), dtype=np.uint8)
    (block,) = scan_block([(0, rgb)], Region(0, 0, rgb.shape[1], 1), tables)
    stained = np.zeros(rgb.shape[1], bool)
    for first, last in zip(block.start, block.stop, strict=True):
        stained[first:last] = True
    dab = sum(tables.dyes[1, channel, rgb[0, :, channel]] for channel in range(3))
    assert_array_equal(stained, dab >= tables.mid)


def test_densities_in_sums_are_those_of_the_float_reference(scanned, model):
    drawn, block = scanned
    reference = unmix(optical_density(drawn.rgb[drawn.mid], model.white.rgb), model).sum(axis=0)
    assert_allclose(block.sums[:, 6:9].sum(axis=0) / OD_SCALE, reference, atol=1e-4 * drawn.mid.sum())


@pytest.mark.parametrize("width", [4111, 4112, 4113, 8224, 8225, 30_000])
@pytest.mark.parametrize("colour", [(255, 120, 60), (0, 0, 0), (120, 90, 60)], ids=["light", "black", "brown"])
def test_sums_of_a_run_as_wide_as_a_strip(width, colour, tables):
    """Sums of colours stand side by side in one number, for as many pixels as fit."""
    rgb = np.full((1, width, 3), colour, np.uint8)
    rgb[0, ::7, 1] += 1
    (block,) = scan_block([(0, rgb)], Region(0, 0, width, 1), tables)
    dyes = sum(tables.dyes[:, channel, rgb[0, :, channel]] for channel in range(3)).astype(np.int64)
    assert (block.start.tolist(), block.stop.tolist()) == ([0], [width])
    assert_array_equal(block.sums[0, 3:9], [*rgb[0].astype(np.int64).sum(axis=0), *dyes.sum(axis=1)])
    assert block.max_dab[0] == dyes[1].max()


def test_clean_glass_has_no_pieces(tables):
    assert not list(scan_block([(0, np.full((40, 300, 3), 244, np.uint8))], Region(0, 0, 300, 40), tables))
