"""Which stain a tissue has, by its colours."""

import numpy as np
import pytest

from micromet_path.pixels.stain import StainModel
from micromet_path.pixels.stain_check import check_h_dab, shows_eosin
from tests.pixels.test_stain import DAB, HAEMATOXYLIN, WHITE, model_of, unit

EOSIN = (0.072, 0.990, 0.105)


def painted(*dyes, noise=1.5, seed=0):
    """Pixels of amounts of dye: pairs of (amount of shape (N,), vector)."""
    density = sum(np.outer(amount, unit(vector)) for amount, vector in dyes)
    light = np.array(WHITE.rgb) * 10**-density
    light += np.random.default_rng(seed).normal(0, noise, light.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def amounts(n=4000, seed=0, strongest=0.8):
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, strongest / 6, (2, n))


@pytest.mark.parametrize("brown_share", [0.0, 0.01, 0.3, 1.0])
def test_haematoxylin_and_dab_are_h_dab(brown_share):
    blue, brown = amounts()
    brown = np.where(np.random.default_rng(1).random(len(brown)) < brown_share, 3 * brown, 0.03)
    check = check_h_dab(painted((blue, HAEMATOXYLIN), (brown, DAB)), model_of())
    assert check.is_h_dab is True
    assert "haematoxylin and DAB" in check.note


def test_haematoxylin_and_eosin_are_not():
    blue, pink = amounts()
    check = check_h_dab(painted((blue, HAEMATOXYLIN), (pink + 0.15, EOSIN)), model_of())
    assert check.is_h_dab is False
    assert "pink" in check.note


def test_a_purple_haematoxylin_is_known_by_its_own_vector():
    blue, brown = amounts()
    purple = np.array((0.60, 0.77, 0.18))
    own = StainModel.from_dyes(model_of().white, tuple(purple), DAB, "estimated")
    tissue = painted((blue + 0.1, purple), (0.03 * brown, DAB))
    assert check_h_dab(tissue, model_of()).is_h_dab is False
    assert check_h_dab(tissue, model_of(), own).is_h_dab is True


def test_h_and_e_is_not_saved_by_its_own_purple_nuclei():
    blue, pink = amounts()
    nuclei = np.random.default_rng(2).random(len(blue)) < 0.5
    tissue = painted((np.where(nuclei, blue + 0.3, 0.05), HAEMATOXYLIN), (pink + 0.15, EOSIN))
    purple = np.array(HAEMATOXYLIN) + 0.3 * np.array(EOSIN)  # what is estimated of nuclei under eosin
    own = StainModel.from_dyes(model_of().white, tuple(purple), DAB, "estimated")
    assert check_h_dab(tissue, model_of(), own).is_h_dab is False


@pytest.mark.parametrize("dye", [(1.0, 0.1, 0.1), (0.9, 0.3, 0.9)])
def test_other_colours_are_not(dye):
    check = check_h_dab(painted((amounts()[0] + 0.2, dye)), model_of())
    assert check.is_h_dab is False
    assert "neither blue nor brown" in check.note


def test_too_little_tissue_tells_nothing():
    blue, brown = amounts(n=40)
    assert check_h_dab(painted((blue + 0.3, HAEMATOXYLIN), (brown, DAB)), model_of()).is_h_dab is None
    assert check_h_dab(np.empty((0, 3), np.uint8), model_of()).is_h_dab is None
    assert check_h_dab(np.full((5000, 3), 243, np.uint8), model_of()).is_h_dab is None


@pytest.mark.parametrize("share", [0.08, 0.3])
def test_eosin_beside_blue_nuclei_is_seen(share):
    blue, pink = amounts()
    fibres = np.random.default_rng(3).random(len(blue)) < share
    tissue = painted((np.where(fibres, 0.05, blue + 0.3), HAEMATOXYLIN), (np.where(fibres, pink + 0.3, 0.06), EOSIN))
    assert shows_eosin(tissue, model_of())


@pytest.mark.parametrize("share", [0.0, 0.08, 0.3])
def test_pink_collagen_red_ink_and_brown_are_no_eosin(share):
    blue, other = amounts()
    there = np.random.default_rng(4).random(len(blue)) < share
    for dye, weight in ((DAB, 3.0), ((0.4, 0.82, 0.42), 0.5)):  # the last is collagen of IHC, a little pink
        tissue = painted((np.where(there, 0.05, blue + 0.1), HAEMATOXYLIN), (np.where(there, weight * other, 0.0), dye))
        assert not shows_eosin(tissue, model_of())
    ink = np.where(there & (share < 0.2), 0.8, 0.0)
    assert not shows_eosin(painted((blue + 0.1, HAEMATOXYLIN), (ink, EOSIN)), model_of())
    assert not shows_eosin(np.full((500, 3), 243, np.uint8), model_of())
