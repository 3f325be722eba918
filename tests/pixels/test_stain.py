"""Light to dye: QuPath's numbers, the tables against the formula, white, and what stain it is."""

from contextlib import suppress
from itertools import product
from math import log10, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from micromet_path.errors import ConfigError
from micromet_path.pixels.stain import (
    BOUND_UNIT,
    FIELD_BITS,
    OD_SCALE,
    StainModel,
    StainParams,
    WhitePoint,
    find_white,
    make_tables,
    optical_density,
    unmix,
)

HAEMATOXYLIN, DAB = (0.650, 0.704, 0.286), (0.268, 0.570, 0.776)
WHITE = WhitePoint((245.0, 244.0, 246.0), "slide")


def model_of(white=WHITE, haematoxylin=HAEMATOXYLIN, chromogen=DAB):
    return StainModel.from_dyes(white, haematoxylin, chromogen, "fixed")


def unit(vector):
    length = sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def by_hand(rgb, white):
    """Amounts of haematoxylin, DAB and residual of one colour, in plain Python as Ruifrok wrote it (2001).

    Cramer's rule on ``od = h * H + d * D + r * R`` with unit vectors and R along H x D.
    """
    od = [max(0.0, -log10(max(light, 1) / light0)) for light, light0 in zip(rgb, white, strict=True)]
    h, d = unit(HAEMATOXYLIN), unit(DAB)
    r = unit([h[1] * d[2] - h[2] * d[1], h[2] * d[0] - h[0] * d[2], h[0] * d[1] - h[1] * d[0]])

    def determinant(a, b, c):
        return (
            a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
        )

    whole = determinant(h, d, r)
    return [determinant(od, d, r) / whole, determinant(h, od, r) / whole, determinant(h, d, od) / whole]


# Optical density and unmixing


@pytest.mark.parametrize(
    ("light", "white", "od"),
    [
        (25, 250.0, 1.0),
        (250, 250.0, 0.0),
        (255, 250.0, 0.0),  # brighter than white is white
        (1, 250.0, 2.397940),
        (0, 250.0, 2.397940),  # black reads as light 1
        (128, 255.0, 0.299330),
        (100, 240.0, 0.380211),
    ],
)
def test_optical_density_is_that_of_qupath(light, white, od):
    assert optical_density(np.full(3, light, np.uint8), (white,) * 3) == pytest.approx([od] * 3, abs=1e-6)


@pytest.mark.parametrize(
    ("rgb", "dyes"),
    [
        ((255, 255, 255), (0.0, 0.0, 0.0)),
        ((140, 100, 60), (0.014364, 0.778122, 0.066682)),
        ((90, 90, 150), (0.641212, 0.046544, 0.036168)),
        ((0, 0, 0), (2.328373, 2.028508, 0.548701)),
    ],
)
def test_unmixing_gives_known_numbers(rgb, dyes):
    """White 255 and the H-DAB vectors of QuPath, which normalises them and completes them by a cross product."""
    model = model_of(WhitePoint((255.0, 255.0, 255.0), "config"))
    amounts = unmix(optical_density(np.array(rgb, np.uint8), model.white.rgb), model)
    assert_allclose(amounts, dyes, atol=1e-6)
    assert_allclose(amounts, by_hand(rgb, model.white.rgb), atol=1e-12)


def test_unmixing_agrees_with_cramers_rule():
    rng = np.random.default_rng(0)
    for _ in range(300):
        rgb, white = rng.integers(0, 256, 3), tuple(rng.uniform(200, 255, 3).tolist())
        amounts = unmix(optical_density(rgb.astype(np.uint8), white), model_of(WhitePoint(white, "config")))
        assert_allclose(amounts, by_hand(rgb.tolist(), white), atol=1e-6)


def test_mixing_is_the_inverse_of_unmixing():
    model = model_of()
    amounts = np.random.default_rng(0).uniform(-1, 2, (100, 3))
    assert_allclose(unmix(amounts @ np.array(model.vectors), model), amounts, atol=1e-12)


def test_vectors_are_normalised_and_the_third_is_across():
    vectors = np.array(model_of(haematoxylin=(6.5, 7.04, 2.86)).vectors)
    assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    assert_allclose(vectors[2] @ vectors[:2].T, 0, atol=1e-12)
    assert_allclose(vectors, np.array(model_of().vectors))


def test_parallel_dyes_cannot_be_told_apart():
    with pytest.raises(ConfigError, match="nearly parallel"):
        model_of(chromogen=(0.66, 0.70, 0.29))


# Tables


@pytest.mark.parametrize("seed", range(40))
def test_three_dyes_fit_side_by_side_into_one_number(seed):
    """Down to dyes that can hardly be told apart, and for light of any level."""
    rng = np.random.default_rng(seed)
    haematoxylin = rng.uniform(0.05, 1, 3)
    chromogen = rng.uniform(0, 1, 3)
    for share in np.linspace(0, 1, 41):  # towards one another, as far as it is allowed
        nearer = share * haematoxylin + (1 - share) * chromogen
        with suppress(ConfigError):
            tables = make_tables(model_of(haematoxylin=haematoxylin, chromogen=nearer), StainParams())
    order = (1, 0, 2)  # chromogen lowest
    rgb = rng.integers(0, 256, size=(2000, 3))
    rgb[:8] = np.array(list(product((0, 255), repeat=3)))
    packed = sum(tables.packed[channel, rgb[:, channel]] for channel in range(3))
    dyes = sum(tables.dyes[:, channel, rgb[:, channel]].astype(np.int64) for channel in range(3))
    for place, dye in enumerate(order):
        field = (packed >> place * FIELD_BITS) & ((1 << FIELD_BITS) - 1)
        assert_array_equal(field - tables.field_zero[dye], dyes[dye])


MODELS = [
    model_of(),
    model_of(WhitePoint((210.0, 222.0, 235.0), "slide")),
    model_of(haematoxylin=(0.55, 0.76, 0.35), chromogen=(0.35, 0.55, 0.76)),
    model_of(haematoxylin=(0.80, 0.57, 0.17), chromogen=(0.22, 0.45, 0.86)),
    model_of(chromogen=(0.21, 0.85, 0.47)),  # AEC
]
THRESHOLDS = [
    StainParams(),
    StainParams(threshold_low_od=0.01, threshold_od=0.02, threshold_high_od=0.03, strong_od=0.04),
    StainParams(threshold_low_od=1.0, threshold_od=1.1, threshold_high_od=1.2, strong_od=2.3),
]


@pytest.mark.parametrize("model", MODELS)
def test_tables_agree_with_the_formula(model):
    tables = make_tables(model, StainParams())
    rgb = np.random.default_rng(0).integers(0, 256, (200_000, 3), dtype=np.uint8)
    looked_up = sum(tables.dyes[:, channel, rgb[:, channel]] for channel in range(3)).T / OD_SCALE
    assert_allclose(looked_up, unmix(optical_density(rgb, model.white.rgb), model), atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("params", THRESHOLDS)
def test_no_stained_colour_is_rejected(model, params):
    """All red, all blue, and the green that stains most: rejected by the bound only when not stained."""
    tables = make_tables(model, params)
    red_dab, green_dab, blue_dab = tables.dyes[1].astype(np.int64)
    most = red_dab[:, None] + green_dab.max() + blue_dab[None, :]

    slope, offset = tables.blue_line.astype(np.int64)
    reach = slope * np.arange(256)[:, None] + offset - BOUND_UNIT * np.arange(256)[None, :]

    assert np.all(reach[most >= tables.low] >= 0)
    assert reach.min() >= -(2**15)  # the scan computes it in 16 bits
    assert reach.max() < 2**15


def test_the_bound_rejects_glass_and_pale_tissue():
    tables = make_tables(model_of(), StainParams())
    slope, offset = tables.blue_line.astype(int)
    for red, _, blue in ((245, 244, 246), (225, 215, 230), (190, 170, 200)):
        assert slope * red + offset < BOUND_UNIT * blue


def test_thresholds_round_up():
    tables = make_tables(model_of(), StainParams())
    assert [tables.low, tables.mid, tables.high, tables.strong] == [5243, 6554, 8192, 11469]


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold_od": 0.30},  # above the high one
        {"threshold_low_od": 0.20},
        {"threshold_low_od": 0.0},
        {"strong_od": 2.4},
        {"threshold_od": float("nan")},
        {"chromogen": (0.3, float("nan"), 0.7)},
        {"strong_od": 0.2},
        {"white": (255.0, 255.0, 256.0)},
        {"white": (20.0, 255.0, 255.0)},
        {"haematoxylin": (0.0, 0.0, 0.0)},
        {"chromogen": (0.3, -0.1, 0.7)},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match="stain"):
        StainParams(**wrong)


# White


def glass_and_tissue(glass, tissue, share, seed=0):
    """A noisy overview, this share of it glass."""
    rng = np.random.default_rng(seed)
    is_glass = rng.random((120, 150)) < share
    spread = np.where(is_glass, 1.0, 6.0)[..., None]
    rgb = np.where(is_glass[..., None], glass, tissue) + rng.normal(0, 1, (120, 150, 3)) * spread
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("glass", [(250, 247, 238), (246, 246, 246), (205, 207, 210), (228, 233, 240)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_white_is_the_glass_and_not_the_pale_tissue(glass, share):
    tissue = np.array(glass) - (28, 34, 22)
    white = find_white(glass_and_tissue(glass, tissue, share), None, None)
    assert white.source == "slide"
    assert_allclose(white.rgb, glass, atol=1.0)


def test_white_that_is_given_wins():
    rgb = glass_and_tissue((240, 240, 240), (200, 190, 205), 0.5)
    assert find_white(rgb, None, (250.0, 251.0, 252.0)) == WhitePoint((250.0, 251.0, 252.0), "config")
    assert find_white(rgb, None, [250, 251, 252]) == WhitePoint((250.0, 251.0, 252.0), "config")


@pytest.mark.parametrize("colour", [(30, 30, 30), (150, 60, 90), (250, 180, 250)])
def test_without_glass_white_is_assumed(colour):
    rgb = np.full((50, 50, 3), colour, np.uint8)
    assert find_white(rgb, None, None) == WhitePoint((245.0, 245.0, 245.0), "assumed")


def test_what_was_not_scanned_is_not_glass():
    rgb = glass_and_tissue((225, 226, 228), (190, 180, 195), 0.3)
    scanned = np.ones(rgb.shape[:2], bool)
    rgb[:, :60], scanned[:, :60] = 255, False
    assert_allclose(find_white(rgb, scanned, None).rgb, (225, 226, 228), atol=1.0)
    assert find_white(rgb, np.zeros_like(scanned), None).source == "assumed"


def test_a_look_up_is_a_whole_number():
    tables = make_tables(model_of(), StainParams())
    assert tables.dyes.dtype == np.int32
    assert tables.dyes.shape == (3, 3, 256)
    assert_array_equal(tables.dyes[:, :, 246:], 0)
