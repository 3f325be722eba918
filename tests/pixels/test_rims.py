"""Dried rims, place by place: told from tumour at the border, and the same in whatever window they are seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.planes import chromogen_of, haematoxylin_of
from micromet_path.pixels.rims import CELL_PX, REACH_UM, RimParams, rim_cells, rim_strength, sum_cells
from micromet_path.pixels.stain import StainModel, WhitePoint
from tests.nodes import DAB, GLASS_UM, HAEMATOXYLIN, MPP, WHITE, Node

MODEL = StainModel.from_dyes(WhitePoint((float(WHITE),) * 3, "slide"), tuple(HAEMATOXYLIN), tuple(DAB), "fixed")
PICTURE = PixelSpacing(2 * MPP, 2 * MPP)
PITCH = PICTURE.downsampled(CELL_PX, CELL_PX)


def sums_of(node):
    rgb = node.rgb()
    halved = rgb.reshape(rgb.shape[0] // 2, 2, rgb.shape[1] // 2, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    rows, columns = (size // CELL_PX * CELL_PX for size in halved.shape[:2])
    return sum_cells(np.ascontiguousarray(halved[:rows, :columns]), MODEL, 0.2, 0.45, PICTURE)


def strength_of(node):
    return rim_strength(sums_of(node), PITCH, RimParams())


def in_cells(mask):
    side = 2 * CELL_PX
    rows, columns = (size // side for size in mask.shape)
    return mask[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3)) > 0.5


def test_sums_are_means_of_cells():
    rgb = np.random.default_rng(0).integers(20, 250, (12, 20, 3), np.uint8)
    stained, nuclear_stained, nuclear, blue_stained, blue, soft, squared, density = sum_cells(
        rgb, MODEL, 0.2, 0.3, PICTURE
    )
    chromogen, haematoxylin = chromogen_of(rgb, MODEL), haematoxylin_of(rgb, MODEL)
    cell = np.s_[4:8, 8:12]
    assert stained[1, 2] == (chromogen[cell] >= 0.2).mean()
    assert blue[1, 2] == pytest.approx(haematoxylin[cell].mean())
    assert blue_stained[1, 2] == pytest.approx((haematoxylin * (chromogen >= 0.2))[cell].mean())
    assert (nuclear_stained <= nuclear).all()
    assert (squared >= soft**2 - 1e-12).all()
    assert density[1, 2] == pytest.approx((-np.log10(rgb[cell] / WHITE)).clip(0).mean())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("width_um", "od"), [(30, 0.7), (45, 0.45), (70, 0.8)])
def test_brown_that_fades_over_the_nuclei_of_the_node_is_a_rim(width_um, od, seed):
    node = Node(seed=seed).with_rim(width_um, od)
    sums = sums_of(node)
    stained = sums[0] >= 0.5
    rim = rim_cells(rim_strength(sums, PITCH, RimParams()), 0.5, PITCH)
    assert rim[stained].mean() > 0.9
    assert not rim[in_cells(node.depth_um > 100)].any()


@pytest.mark.parametrize("od", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("across", [1, 2, 4, 12])
def test_tumour_at_the_glass_is_none(across, od):
    node = Node().with_nest(62, 150, across, 25, od)
    assert not rim_cells(strength_of(node), 0.5, PITCH).any()


@pytest.mark.parametrize("od", [0.3, 0.6])
def test_tumour_that_is_darker_towards_the_glass_is_none(od):
    node = Node().with_nest(56, 150, 10, 25, od)
    node.brown *= 1 + 0.5 * np.exp(-node.depth_um.clip(0) / 30)
    assert not rim_cells(strength_of(node), 0.5, PITCH).any()


def test_without_glass_nothing_is_a_rim():
    sums = sums_of(Node().with_rim())
    sums[7] = sums[7].clip(0.1)
    assert not rim_strength(sums, PITCH, RimParams()).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_window_with_enough_around_it_says_the_same(seed):
    rng = np.random.default_rng(seed)
    sums = sums_of(
        Node(width_um=900, height_um=1100, seed=seed).with_rim(rng.uniform(20, 80), 0.6).with_nest(70, 500, 4, 9)
    )
    whole = rim_strength(sums, PITCH, RimParams())
    margin = int(np.ceil(REACH_UM / PITCH.x_um))
    top, left = int(rng.integers(0, sums.shape[1] - 30)), int(rng.integers(0, sums.shape[2] - 30))
    bottom, right = top + 30, left + 30
    y0, x0 = max(0, top - margin), max(0, left - margin)
    part = rim_strength(np.ascontiguousarray(sums[:, y0 : bottom + margin, x0 : right + margin]), PITCH, RimParams())
    assert_allclose(part[top - y0 : bottom - y0, left - x0 : right - x0], whole[top:bottom, left:right], atol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_cells_of_rims_hold_no_weak_place_that_stands_alone(seed):
    strength = np.random.default_rng(seed).random((30, 30)) * 0.49
    assert not rim_cells(strength, 0.5, PITCH).any()
    strength[8:20, 8:20] = 0.6
    assert rim_cells(strength, 0.5, PITCH)[9:19, 9:19].all()


@pytest.mark.parametrize(
    "wrong", [{"smooth": (0.3, 0.3)}, {"least_um2": -1.0}, {"overlay_blue": (0.1, float("nan"))}], ids=str
)
def test_settings_that_say_nothing_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"rims.{next(iter(wrong))}"):
        RimParams(**wrong)


@pytest.mark.parametrize("nucleus_um", [2.5, 3.0])
def test_a_file_of_cells_along_the_glass_that_keratin_covers_is_left_for_the_most_part(nucleus_um):
    node = Node()
    for y_um in np.arange(120.0, 540.0, 14.0):
        x_um = GLASS_UM + 8 * np.sin(y_um / 60) + 1
        node.with_nest(x_um, y_um, 1, 1, 0.5)
        node._disc(x_um + 7, y_um + 7, nucleus_um, node.blue, 0.9)
        node._disc(x_um + 7, y_um + 7, nucleus_um, node.brown, 0.35)
    rim = rim_cells(strength_of(node), 0.5, PITCH)
    assert rim[in_cells(node.keratin)].mean() < 0.3  # by its nuclei alone all of it would be one
