"""The dyes of a slide from windows of it: found again, refused where they cannot be trusted, told when they drift."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from micromet_path.errors import ConfigError
from micromet_path.pixels.dyes import (
    DyeEstimate,
    DyeParams,
    WindowDyes,
    degrees_between,
    estimate_dyes,
    model_for,
    params_for,
)
from micromet_path.pixels.stain import StainModel, StainParams, WhitePoint

HAEMATOXYLIN, DAB = (0.650, 0.704, 0.286), (0.268, 0.570, 0.776)
MELANIN, IRON, EOSIN = (0.46, 0.57, 0.68), (0.17, 0.44, 0.88), (0.072, 0.990, 0.105)
WHITE = WhitePoint((243.0, 240.0, 236.0), "slide")
PROFILE = StainModel.from_dyes(WHITE, HAEMATOXYLIN, DAB, "fixed")
SIDE_PX, PIXEL_UM2 = 96, 0.25


def window(seed, *things, noise=1.0):
    """Tissue haze with things on it: each a share of the pixels, a dye, and the range of its density."""
    rng = np.random.default_rng(seed)
    od = np.multiply.outer(rng.uniform(0.02, 0.08, (SIDE_PX, SIDE_PX)), np.asarray(HAEMATOXYLIN))
    where = rng.random((SIDE_PX, SIDE_PX))
    start = 0.0
    for share, dye, (low, high) in things:
        chosen = (where >= start) & (where < start + share)
        start += share
        od[chosen] += np.multiply.outer(rng.uniform(low, high, chosen.sum()), np.asarray(dye) / np.linalg.norm(dye))
    light = np.asarray(WHITE.rgb) * 10**-od + rng.normal(0, noise, od.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def nuclei(dye=HAEMATOXYLIN):
    return 0.4, dye, (0.4, 0.8)


def estimate(windows, params=None):
    params = params or DyeParams()
    return estimate_dyes([WindowDyes.of(rgb, PIXEL_UM2, PROFILE, params) for rgb in windows], PROFILE, params)


@pytest.mark.parametrize(
    ("haematoxylin", "chromogen"),
    [(HAEMATOXYLIN, DAB), ((0.57, 0.72, 0.39), (0.33, 0.58, 0.74)), ((0.72, 0.65, 0.25), (0.22, 0.54, 0.81))],
)
@pytest.mark.parametrize("strength", [0.35, 0.8, 1.3])
def test_dyes_of_another_laboratory_are_found(haematoxylin, chromogen, strength):
    brown = (0.2, chromogen, (0.8 * strength, 1.1 * strength))
    found = estimate([window(seed, nuclei(haematoxylin), brown) for seed in range(8)])
    assert degrees_between(found.haematoxylin, haematoxylin) < 1.5
    # Haze under the brown turns its colour towards blue, the more the weaker it is.
    assert degrees_between(found.chromogen, chromogen) < (4.0 if strength < 0.5 else 2.5)
    assert found.strength_od == pytest.approx(1.07 * strength, rel=0.12)
    assert_allclose(np.linalg.norm([found.haematoxylin, found.chromogen], axis=1), 1)
    assert model_for(PROFILE, found).source == "estimated"


def test_drift_is_told():
    drifted = estimate([window(seed, nuclei((0.57, 0.72, 0.39)), (0.1, DAB, (0.6, 0.9))) for seed in range(5)])
    assert [note for note in drifted.notes if "degrees from the profile" in note] == list(drifted.notes)
    assert len(drifted.notes) == 1
    assert estimate([window(seed, nuclei(), (0.1, DAB, (0.6, 0.9))) for seed in range(5)]).notes == ()


def test_a_slide_without_chromogen_keeps_that_of_the_profile():
    found = estimate([window(seed, nuclei()) for seed in range(8)])
    assert found.chromogen is None
    assert found.strength_od is None
    assert "0 of 8 windows" in found.notes[0]
    model = model_for(PROFILE, found)
    assert model.source == "estimated: haematoxylin"
    assert degrees_between(model.vectors[1], DAB) < 1e-6
    assert params_for(StainParams(), found, DyeParams()) == StainParams()


def test_a_slide_of_chromogen_alone_keeps_the_haematoxylin_of_the_profile():
    found = estimate([window(seed, (0.5, DAB, (0.5, 1.0))) for seed in range(8)])
    assert found.haematoxylin is None
    assert degrees_between(found.chromogen, DAB) < 2.5
    assert model_for(PROFILE, found).source == "estimated: chromogen"


def test_one_stained_cell_on_the_slide_defines_nothing():
    """One window of many: what is seen once may be dirt."""
    found = estimate([window(0, nuclei(), (0.05, DAB, (0.3, 0.4))), *(window(seed, nuclei()) for seed in range(1, 9))])
    assert found.chromogen is None
    assert found.strength_od is None


@pytest.mark.parametrize("pigment", [MELANIN, IRON, (1.0, 1.0, 1.0), EOSIN])
def test_what_is_no_chromogen_never_becomes_one(pigment):
    found = estimate([window(seed, nuclei(), (0.2, pigment, (0.5, 1.0))) for seed in range(8)])
    assert found.chromogen is None
    assert found.strength_od is None


def test_a_dye_of_another_hue_is_told_with_the_vector_that_settings_take():
    nickel = (0.45, 0.57, 0.69)
    found = estimate([window(seed, nuclei(), (0.2, nickel, (0.6, 0.9))) for seed in range(6)])
    (note,) = [note for note in found.notes if "the chromogen" in note]
    stated = [float(part) for part in note[note.index("[") + 1 : note.index("]")].split(",")]
    assert found.chromogen is None
    assert degrees_between(stated, nickel) < 4
    assert f"{degrees_between(stated, DAB):.0f} degrees off" in note


def test_a_single_window_of_another_hue_is_no_dye_of_another_hue():
    brown, other = (0.2, DAB, (0.6, 0.9)), (0.2, MELANIN, (0.6, 0.9))
    found = estimate([window(seed, nuclei(), what) for seed, what in enumerate((brown, brown, other))])
    assert any("2 of 3 windows show it" in note for note in found.notes)
    assert not any("another hue" in note for note in found.notes)


def test_a_few_windows_of_melanin_do_not_turn_the_chromogen():
    windows = [window(seed, nuclei(), (0.1, DAB, (0.5, 0.9))) for seed in range(6)]
    windows += [window(seed, nuclei(), (0.1, MELANIN, (0.5, 0.9))) for seed in range(6, 10)]
    assert degrees_between(estimate(windows).chromogen, DAB) < 2.5


def test_the_order_of_windows_changes_nothing():
    windows = [window(seed, nuclei(), (0.05 * (seed % 3), DAB, (0.3, 0.9))) for seed in range(9)]
    assert estimate(windows) == estimate(windows[::-1])


def test_no_window_at_all_gives_the_profile():
    found = estimate([])
    assert (found.haematoxylin, found.chromogen, found.strength_od) == (None, None, None)
    assert model_for(PROFILE, found).source == "fixed: estimate refused"


@pytest.mark.parametrize(("strength", "share"), [(None, 1.0), (1.2, 1.0), (0.5, 1.0), (0.4, 0.8), (0.2, 0.7)])
def test_thresholds_follow_a_weak_stain_as_far_as_they_may(strength, share):
    params = params_for(StainParams(), DyeEstimate(strength_od=strength), DyeParams())
    for name in ("threshold_low_od", "threshold_od", "threshold_high_od", "strong_od"):
        assert getattr(params, name) == pytest.approx(share * getattr(StainParams(), name))
    assert (params.white, params.haematoxylin) == (StainParams().white, StainParams().haematoxylin)


def test_background_does_not_lower_the_thresholds():
    weak = {"strength_od": 0.3}
    shares = [
        params_for(StainParams(), DyeEstimate(**weak, background_od=background), DyeParams()).threshold_od
        / StainParams().threshold_od
        for background in (0.0, 0.045, 0.0675, 0.09, 0.2)
    ]
    assert shares == pytest.approx([0.7, 0.7, 0.85, 1.0, 1.0])


def test_a_slide_of_background_alone_keeps_its_thresholds():
    """Brown all over, stronger in places: cores of that are no cells."""
    brown = ((0.5, DAB, (0.1, 0.14)), (0.25, DAB, (0.2, 0.4)), (0.25, HAEMATOXYLIN, (0.4, 0.8)))
    found = estimate([window(seed, *brown) for seed in range(8)])
    assert found.strength_od < 0.45
    assert found.background_od > 0.05
    assert params_for(StainParams(), found, DyeParams()) == StainParams()


def test_red_cells_are_not_taken_for_a_weak_stain():
    """They are in every window and have nearly the hue of the chromogen, which few windows show."""
    red_cells, tumour = (0.06, (0.22, 0.55, 0.81), (0.16, 0.26)), (0.06, (0.23, 0.46, 0.86), (0.6, 1.0))
    with_red_cells = [window(seed, nuclei(), red_cells) for seed in range(20)]
    alone = estimate(with_red_cells)
    assert alone.chromogen is None
    assert params_for(StainParams(), alone, DyeParams()) == StainParams()
    found = estimate(with_red_cells + [window(seed, nuclei(), red_cells, tumour) for seed in range(20, 23)])
    assert degrees_between(found.chromogen, tumour[1]) < 3.0
    assert found.strength_od > 0.5
    assert estimate(with_red_cells, DyeParams(faintest_core_od=0.0)).chromogen is not None
    assert "20 of 20 windows show only what is as faint as red cells" in " ".join(alone.notes)


def test_what_is_faint_is_not_blank_and_a_slide_without_blue_says_so():
    faint = estimate([window(seed, (0.3, DAB, (0.16, 0.26))) for seed in range(8)])
    assert (faint.is_blank, faint.shows_nuclei) == (False, False)
    purple = (0.45, 0.85, 0.25)  # too far to be the slide's haematoxylin, and nuclei all the same
    assert estimate([window(seed, (0.3, purple, (0.4, 0.8))) for seed in range(8)]).shows_nuclei
    assert estimate([]).shows_nuclei


def test_a_slide_of_weak_cells_on_clean_tissue_lowers_them():
    found = estimate([window(seed, nuclei(), (0.1, DAB, (0.25, 0.4))) for seed in range(8)])
    assert found.background_od < 0.03
    assert params_for(StainParams(), found, DyeParams()).threshold_od < StainParams().threshold_od


def test_windows_that_show_neither_dye_are_blank():
    assert estimate([window(seed) for seed in range(8)]).is_blank
    assert estimate([window(seed, (0.3, (1.0, 1.0, 1.0), (0.05, 0.12))) for seed in range(8)]).is_blank  # grey dust
    assert not estimate([window(seed, nuclei()) for seed in range(8)]).is_blank
    assert not estimate([]).is_blank


def test_haematoxylin_may_turn_further_than_the_chromogen():
    """A purple haematoxylin nine degrees off, which no pigment passes for."""
    purple = np.array(HAEMATOXYLIN) + (-0.06, 0.09, -0.10)
    found = estimate([window(seed, (0.3, purple, (0.4, 0.8)), (0.1, DAB, (0.5, 0.9))) for seed in range(6)])
    assert 8.0 < degrees_between(tuple(purple), HAEMATOXYLIN) < 12.0
    assert degrees_between(found.haematoxylin, tuple(purple)) < 2.0
    assert "haematoxylin lies" in " ".join(found.notes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"largest_turn_deg": 3.0},
        {"largest_blue_turn_deg": 3.0},
        {"background_share": (0.5, 0.2)},
        {"drift_deg": 0.0},
        {"largest_turn_deg": 40.0},
        {"least_windows": 0},
        {"least_area_um2": 0.0},
        {"faintest_core_od": -0.1},
        {"full_strength_od": 0.0},
        {"least_share": 0.1},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match="dyes: expected"):
        DyeParams(**wrong)
