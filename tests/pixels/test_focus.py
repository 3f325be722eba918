"""Width of edges: against blurs that are known, whatever the stain, the compression and the scale."""

from functools import cache

import numpy as np
import pytest
import simplejpeg
from scipy.ndimage import gaussian_filter

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.pixels.focus import FocusParams, edge_width, sharpness
from micromet_path.pixels.focus_map import (
    draw_places,
    focus_map,
    grid_of_places,
    number_of_places,
    tissue_share,
)
from micromet_path.pixels.stain import WhitePoint
from micromet_path.pixels.tissue import Overview
from micromet_path.slides import open_slide

LIGHT = np.array([242.0, 243.0, 240.0])
WHITE = WhitePoint((242.0, 243.0, 240.0), "slide")
HAEMATOXYLIN, DAB = np.array([0.650, 0.704, 0.286]), np.array([0.268, 0.570, 0.776])
PARAMS = FocusParams()
BLURS_UM = (0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0)
SIDE_UM = 96.0


@cache
def node(seed, nuclei_per_mm2=9000.0, is_brown=False):
    """Amounts of two dyes in a picture of 96 um a side at 0.1 um: ellipses of 5 to 9 um on a pale ground."""
    rng = np.random.default_rng(seed)
    n, step = round(SIDE_UM / 0.1), 0.1
    blue = 0.08 + 0.02 * gaussian_filter(rng.standard_normal((n, n)), 20) * 20
    y, x = np.mgrid[:n, :n] * step
    for _ in range(round(nuclei_per_mm2 * SIDE_UM**2 / 1e6)):
        cx, cy = rng.uniform(0, SIDE_UM, 2)
        a, b, angle = rng.uniform(2.5, 4.5), rng.uniform(2.2, 3.6), rng.uniform(0, np.pi)
        box = np.s_[max(0, int(10 * (cy - 5))) : int(10 * (cy + 5)), max(0, int(10 * (cx - 5))) : int(10 * (cx + 5))]
        u = (x[box] - cx) * np.cos(angle) + (y[box] - cy) * np.sin(angle)
        v = (y[box] - cy) * np.cos(angle) - (x[box] - cx) * np.sin(angle)
        inside = (u / a) ** 2 + (v / b) ** 2 < 1
        blue[box] = np.maximum(blue[box], np.where(inside, rng.uniform(0.3, 0.6), 0.0))
    brown = np.where((y - x) % 40 < 18, 0.7, 0.0) * (blue < 0.2) if is_brown else np.zeros((n, n))
    return np.clip(blue, 0, None).astype(np.float32), brown.astype(np.float32)


def seen(amounts, blur_um, spacing, strength=1.0, quality=80, noise=0.0):
    """What a scanner makes of it: light is blurred, summed over pixels and compressed."""
    blue, brown = amounts
    density = blue[..., None] * HAEMATOXYLIN + brown[..., None] * DAB
    light = (LIGHT * 10 ** (-strength * density)).astype(np.float32)
    if blur_um:
        light = gaussian_filter(light, (blur_um / 0.1, blur_um / 0.1, 0), truncate=3)
    down, across = round(spacing.y_um / 0.1), round(spacing.x_um / 0.1)
    rows, columns = light.shape[0] // down, light.shape[1] // across
    light = light[: rows * down, : columns * across].reshape(rows, down, columns, across, 3).mean(axis=(1, 3))
    light = light + np.random.default_rng(1).normal(0, noise, light.shape)
    rgb = np.ascontiguousarray(np.clip(np.rint(light), 0, 255).astype(np.uint8))
    return simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(rgb, quality=quality, colorsubsampling="420"))


@pytest.mark.parametrize("quality", [50, 90])
def test_more_blur_is_wider_and_two_microns_are_out_of_focus(quality):
    spacing = PixelSpacing(0.5, 0.5)
    widths = [sharpness(seen(node(0), blur, spacing, quality=quality), spacing, WHITE) for blur in BLURS_UM]
    assert widths == sorted(widths)
    assert widths[3] <= PARAMS.largest_blur_um < widths[5]
    assert widths[0] < 0.5
    assert widths[2] == pytest.approx(0.6, abs=0.15)
    assert widths[6] > 1.7


@pytest.mark.parametrize(
    ("strength", "is_brown", "density", "noise"),
    [
        (0.5, False, 9000, 1.0),
        (1.8, False, 9000, 1.0),
        (1.0, True, 9000, 1.0),
        (1.0, False, 1500, 1.0),
        (1, False, 9000, 4),
    ],
    ids=["pale", "dark", "brown", "few nuclei", "noise"],
)
def test_stain_texture_and_noise_do_not_matter(strength, is_brown, density, noise):
    spacing = PixelSpacing(0.5, 0.5)

    def width(blur_um):
        return sharpness(seen(node(1, density, is_brown), blur_um, spacing, strength, noise=noise), spacing, WHITE)

    assert width(0.0) < 0.65
    assert width(0.8) == pytest.approx(0.8, abs=0.2)
    assert width(0.8) < PARAMS.largest_blur_um < width(2.0)
    assert width(3.0) > 1.5


@pytest.mark.parametrize(("x_um", "y_um"), [(0.2, 0.2), (0.3, 0.3), (0.5, 0.2), (1.0, 1.0)])
def test_the_scale_does_not_matter(x_um, y_um):
    spacing = PixelSpacing(x_um, y_um)
    sharp, blurred = (sharpness(seen(node(2), blur, spacing), spacing, WHITE) for blur in (0.7, 2.0))
    assert sharp == pytest.approx(0.7, abs=0.25)
    assert sharp <= PARAMS.largest_blur_um < blurred
    assert blurred == pytest.approx(1.6, abs=0.35)


def test_a_single_step_has_the_width_that_it_was_given():
    spacing = PixelSpacing(0.5, 0.5)
    steps = np.zeros((960, 960), np.float32)
    steps[:, 160:320] = steps[:, 480:640] = steps[:, 800:] = 0.4
    for blur_um in (0.5, 1.0, 1.5, 2.0):
        width = sharpness(seen((steps + 0.1, 0 * steps), blur_um, spacing, quality=95), spacing, WHITE)
        assert width == pytest.approx(1.25 * blur_um, rel=0.05, abs=0.05)


def test_blurring_in_one_direction_only_is_seen():
    spacing = PixelSpacing(0.5, 0.5)
    blue, brown = node(3)
    smeared = gaussian_filter(blue, (40, 0))
    assert sharpness(seen((smeared, brown), 0.6, spacing), spacing, WHITE) > sharpness(
        seen((blue, brown), 0.6, spacing), spacing, WHITE
    )


@pytest.mark.parametrize("level", [0.0, 0.15, 0.6])
def test_what_shows_nothing_has_no_width(level):
    even = np.full((960, 960), level, np.float32)
    shaded = even + np.linspace(0, 0.1, 960, dtype=np.float32)
    for blue in (even, shaded):
        picture = seen((blue, 0 * blue), 0.0, PixelSpacing(0.5, 0.5), quality=50, noise=2.0)
        assert sharpness(picture, PixelSpacing(0.5, 0.5), WHITE) is None
        width = edge_width(picture, PixelSpacing(0.5, 0.5), WHITE, PARAMS)
        assert np.isinf(width) if level else np.isnan(width) or np.isinf(width)


def test_cells_far_out_of_focus_are_no_bare_glass():
    spacing = PixelSpacing(0.5, 0.5)
    widths = [edge_width(seen(node(0), blur_um, spacing), spacing, WHITE, PARAMS) for blur_um in (8.0, 15.0)]
    assert min(widths) > 2


def test_glass_with_the_rim_of_a_section_has_no_width():
    blue = np.full((960, 960), 0.5, np.float32)
    blue[:, 480:] = 0
    blue = gaussian_filter(blue, 30)  # tilted, 3 um wide, as where a section was torn
    assert sharpness(seen((blue, 0 * blue), 0.0, PixelSpacing(0.5, 0.5)), PixelSpacing(0.5, 0.5), WHITE) is None


def test_small_or_coarse_pictures_tell_nothing():
    picture = seen(node(0), 0.0, PixelSpacing(0.5, 0.5))
    assert sharpness(picture[:40, :40], PixelSpacing(0.5, 0.5), WHITE) is None
    assert sharpness(picture[:3], PixelSpacing(0.5, 0.5), WHITE) is None
    assert sharpness(picture, PixelSpacing(1.6, 1.6), WHITE) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"largest_blur_um": 0.1},
        {"least_contrast": 0.0},
        {"window_um": 4.0},
        {"least_places": 0},
        {"least_places": 100, "most_places": 50},
        {"second_look": -1},
        {"reach_um": float("inf")},
        {"places_per_mm2": float("nan")},
    ],
)
def test_parameters_have_ranges(wrong):
    with pytest.raises(ConfigError, match="focus"):
        FocusParams(**wrong)


REAL = {
    "ihc-dab-1065626.svs": (Region(7600, 7000, 8624, 7512), PixelSpacing(0.5026, 0.5026)),
    "cmu-1-small-region.svs": (Region(700, 1700, 1724, 2724), PixelSpacing(0.499, 0.499)),
    "he-no-mpp.svs": (Region(1200, 1400, 2224, 2424), PixelSpacing(0.5, 0.5)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tissue_is_in_focus_until_it_is_blurred(shared, name):
    region, spacing = REAL[name]
    with open_slide(shared / "slides" / name, spacing=spacing) as slide:
        rgb = slide.read(region).rgb
    white = WhitePoint(tuple(np.percentile(rgb.reshape(-1, 3), 99.5, axis=0).clip(220).tolist()), "slide")
    wrong, n = 0, 0
    for blur_um in (0.0, 0.8, 2.0, 3.0):
        light = gaussian_filter(rgb.astype(np.float32), (blur_um / spacing.y_um, blur_um / spacing.x_um, 0))
        for at in TileGrid(region.width, region.height, 256, 256):
            tile = np.ascontiguousarray(np.rint(light[at.y0 : at.y1, at.x0 : at.x1]).astype(np.uint8))
            for quality in (50, 80):
                jpeg = simplejpeg.encode_jpeg(tile, quality=quality, colorsubsampling="420")
                width = sharpness(simplejpeg.decode_jpeg(jpeg), spacing, white)
                n += width is not None
                wrong += width is not None and (width <= PARAMS.largest_blur_um) != (blur_um < 1)
    assert n >= 40
    assert wrong <= 0.01 * n


def overview_of(tissue, cell_px0=32, spacing=None):
    rows, columns = tissue.shape
    rgb = np.full((rows, columns, 3), 240, np.uint8)
    read = np.ones(tissue.shape, bool)
    return Overview(rgb, read, columns * cell_px0, rows * cell_px0, spacing or PixelSpacing(0.25, 0.25))


def test_shares_of_places_add_up_to_the_tissue():
    rng = np.random.default_rng(0)
    tissue = gaussian_filter(rng.random((230, 317)), 6) > 0.5
    overview = overview_of(tissue)
    for side in (32, 512, 500, 37):
        grid = TileGrid(overview.width_px0, overview.height_px0, side, side)
        share = tissue_share(overview, tissue, grid)
        assert share.shape == (grid.rows, grid.columns)
        assert 0 <= share.min() <= share.max() <= 1
    grid = TileGrid(overview.width_px0, overview.height_px0, 512, 512)
    expected = [[tissue[overview.slices_of(grid[r, c])].mean() for c in range(grid.columns)] for r in range(grid.rows)]
    np.testing.assert_allclose(tissue_share(overview, tissue, grid), expected, atol=1e-6)
    overview.read[:, :100] = False
    assert tissue_share(overview, tissue, grid)[:, :6].max() == 0


def test_places_are_whole_tiles_where_they_can_be():
    for tile in (64, 128, 240, 256, 512, 1024, 4096):
        for mpp in (0.25, 0.5):
            grid = grid_of_places(TileGrid(50000, 40000, tile, tile), PixelSpacing(mpp, mpp))
            assert 80 <= grid.tile_width * mpp <= 176
            assert grid.tile_width % tile == 0 or tile % grid.tile_width == 0 or tile / grid.tile_width > 2


@pytest.mark.parametrize("n", [1, 7, 48, 96])
def test_parts_have_equal_areas_and_every_place_once(n):
    share = (gaussian_filter(np.random.default_rng(4).random((40, 60)), 3) > 0.5).astype(np.float32)
    parts = draw_places(share, n, np.random.default_rng(0))
    sizes = [len(part) for part in parts]
    assert len(parts) == n
    assert max(sizes) - min(sizes) <= 2
    together = np.concatenate(parts)
    assert len(np.unique(together, axis=0)) == len(together) == np.count_nonzero(share)
    again = draw_places(share, n, np.random.default_rng(0))
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))


def test_little_tissue_is_looked_at_all_the_same():
    share = np.zeros((9, 9), np.float32)
    assert draw_places(share, 48, np.random.default_rng(0)) == []
    share[4, 4] = 0.05
    assert [part.tolist() for part in draw_places(share, 48, np.random.default_rng(0))] == [[[4, 4]]]
    assert number_of_places(0.0, PARAMS) == 48


def test_the_map_is_that_of_the_nearest_place_and_the_share_is_by_area():
    spacing, grid = PixelSpacing(0.25, 0.5), TileGrid(512 * 12, 256 * 10, 512, 256)
    rng = np.random.default_rng(2)
    tissue = np.where(rng.random((10, 12)) < 0.7, rng.random((10, 12)), 0).astype(np.float32)
    places = rng.integers(0, (10, 12), (9, 2))
    blur = np.array([0.5, 2.0, np.nan, 1.0, 3.0, 0.2, np.nan, 1.9, 0.9])
    params = FocusParams(reach_um=400.0)
    focus = focus_map(places, blur, tissue, grid, spacing, params)
    good = total = 0.0
    for row, column in np.argwhere(tissue > 0):
        distance = np.hypot(*((places - (row, column)) * 128.0).T)
        distance[np.isnan(blur)] = np.inf
        if distance.min() > 400:
            assert np.isnan(focus.blur_um[row, column])
            continue
        assert focus.blur_um[row, column] in blur[distance == distance.min()].astype(np.float32)
        good += tissue[row, column] * (focus.blur_um[row, column] <= 1.2)
        total += tissue[row, column]
    assert np.isnan(focus.blur_um[tissue == 0]).all()
    assert focus.share == pytest.approx(good / total, abs=1e-6)
    assert focus.known_share == pytest.approx(total / tissue.sum(), abs=1e-6)
    assert 0 <= focus.low < focus.share < focus.high <= 1
    assert (focus.n_places, focus.n_measured) == (9, 7)
    states = focus.states
    assert (states == 0).sum() == (tissue == 0).sum()
    assert tissue[states == 1].sum() / tissue[(states == 1) | (states == 2)].sum() == pytest.approx(focus.share)


def test_where_nothing_could_be_measured_nothing_is_claimed():
    spacing, grid = PixelSpacing(0.25, 0.25), TileGrid(2048, 1024, 512, 512)
    tissue = np.ones((2, 4), np.float32)
    for places in (np.empty((0, 2), np.int64), np.array([[0, 1], [1, 3]])):
        focus = focus_map(places, np.full(len(places), np.nan), tissue, grid, spacing, PARAMS)
        assert (focus.share, focus.low, focus.high, focus.known_share) == (None, None, None, 0.0)
        assert (focus.states == 3).all()
    none = focus_map(np.empty((0, 2), np.int64), np.empty(0), 0 * tissue, grid, spacing, PARAMS)
    assert none.share is None
    assert (none.states == 0).all()


def test_tissue_without_an_edge_tells_nothing_unless_most_of_it_is_so():
    spacing, grid = PixelSpacing(0.25, 0.25), TileGrid(5120, 512, 512, 512)
    tissue, places = np.ones((1, 10), np.float32), np.argwhere(np.ones((1, 10)))
    few = focus_map(places, np.array([0.5] * 7 + [np.inf] * 3), tissue, grid, spacing, PARAMS)
    assert (few.share, few.n_measured) == (1.0, 7)
    most = focus_map(places, np.array([0.5] * 3 + [np.inf] * 7), tissue, grid, spacing, PARAMS)
    assert most.share == pytest.approx(0.3)
    bare = focus_map(places, np.array([0.5] * 3 + [np.nan] * 7), tissue, grid, spacing, PARAMS)
    assert bare.share == 1.0


def test_more_places_make_the_interval_narrower():
    spacing, params = PixelSpacing(0.25, 0.25), FocusParams(reach_um=1e6)
    widths = []
    for n in (10, 100, 900):
        grid = TileGrid(512 * 30, 512 * 30, 512, 512)
        places = np.argwhere(np.ones((30, 30)))[:: 900 // n]
        blur = np.where(np.arange(len(places)) % 10 == 0, 3.0, 0.5)
        focus = focus_map(places, blur, np.ones((30, 30), np.float32), grid, spacing, params)
        assert focus.low <= 0.9 <= focus.high
        widths.append(focus.high - focus.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[2] < 0.05


def test_the_map_lies_on_the_overview():
    tissue = np.ones((64, 96), bool)
    overview = overview_of(tissue)
    grid = TileGrid(overview.width_px0, overview.height_px0, 512, 512)
    share = tissue_share(overview, tissue, grid)
    blur = np.arange(grid.rows * grid.columns, dtype=float)
    places = np.argwhere(share > 0)
    focus = focus_map(places, blur, share, grid, overview.spacing, PARAMS)
    on = focus.on(overview)
    assert on.shape == overview.shape
    assert (on == np.kron(blur.reshape(grid.rows, grid.columns), np.ones((16, 16)))).all()
