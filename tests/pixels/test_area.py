"""The analysed part of a slide: pixels whose centre is inside, whatever the block."""

import numpy as np
import pytest
import shapely
from numpy.testing import assert_array_equal

from micromet_path.geometry import Region, TileGrid
from micromet_path.pixels.area import Area

WHOLE = Region(0, 0, 60, 40)


def ring(*points):
    return tuple((float(x), float(y)) for x, y in points)


def square(x0, y0, x1, y1):
    return ring((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def any_ring(rng):
    """A star around a point, with corners off the pixel centres."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 12)))
    radius = rng.uniform(3, 30, len(angles))
    x, y = rng.uniform(0, 60), rng.uniform(0, 40)
    return ring(*zip(x + radius * np.cos(angles), y + radius * np.sin(angles), strict=True))


def inside_by_shapely(polygons, region):
    x, y = np.meshgrid(np.arange(region.x0, region.x1) + 0.5, np.arange(region.y0, region.y1) + 0.5)
    covered = np.zeros(region.shape, bool)
    for outer, *holes in polygons:
        part = shapely.contains_xy(shapely.Polygon(outer), x, y)
        for hole in holes:
            part &= ~shapely.contains_xy(shapely.Polygon(hole), x, y)
        covered |= part
    return covered


def mask_of(area, region, shape=None):
    shape = region.shape if shape is None else shape
    mask = area.mask(region, shape)
    return np.ones(shape, bool) if mask is None else mask


@pytest.mark.parametrize("seed", range(20), ids="seed{}".format)
def test_the_mask_is_that_of_shapely(seed):
    rng = np.random.default_rng(seed)
    inside = tuple((any_ring(rng), any_ring(rng))[: rng.integers(1, 3)] for _ in range(rng.integers(0, 3)))
    outside = tuple((any_ring(rng),) for _ in range(rng.integers(0, 3)))

    mask = mask_of(Area(inside, outside), WHOLE)

    expected = inside_by_shapely(inside, WHOLE) if inside else np.ones(WHOLE.shape, bool)
    assert_array_equal(mask, expected & ~inside_by_shapely(outside, WHOLE))


@pytest.mark.parametrize("tile_px", [7, 16, 33])
@pytest.mark.parametrize("seed", range(6), ids="seed{}".format)
def test_blocks_together_are_the_whole(seed, tile_px):
    rng = np.random.default_rng(seed)
    area = Area(inside=((any_ring(rng),), (any_ring(rng),)), outside=((any_ring(rng),),))
    tiled = np.zeros(WHOLE.shape, bool)
    for tile in TileGrid(60, 40, tile_px, tile_px):
        tiled[tile.y0 : tile.y1, tile.x0 : tile.x1] = mask_of(area, tile)
    assert_array_equal(tiled, mask_of(area, WHOLE))


def test_a_coarser_grid_asks_for_the_centres_of_its_cells():
    area = Area(inside=((square(0, 0, 31, 20),),))
    mask = mask_of(area, WHOLE, (4, 6))  # cells of 10 x 10; that from column 30 has its centre at 35
    assert_array_equal(mask, np.outer([True, True, False, False], [True] * 3 + [False] * 3))


def test_everything_needs_no_mask():
    assert Area().is_whole
    assert Area().mask(WHOLE, WHOLE.shape) is None
    assert Area(inside=((square(-5, -5, 100, 100),),)).mask(WHOLE, WHOLE.shape) is None
    assert Area(outside=((square(500, 500, 600, 600),),)).mask(WHOLE, WHOLE.shape) is None


def test_nothing_is_inside_a_polygon_elsewhere():
    assert not mask_of(Area(inside=((square(500, 500, 600, 600),),)), WHOLE).any()
    assert not mask_of(Area(outside=((square(-5, -5, 100, 100),),)), WHOLE).any()


def test_a_hole_is_left_out_and_outside_wins():
    holed = Area(inside=((square(0, 0, 40, 40), square(10, 10, 20, 20)),))
    assert mask_of(holed, WHOLE).sum() == 40 * 40 - 100
    both = Area(inside=((square(0, 0, 40, 40),),), outside=((square(30, 0, 60, 40),),))
    assert mask_of(both, WHOLE).sum() == 30 * 40
