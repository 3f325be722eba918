"""Stain without a nucleus: a deposit, or a cell whose ring of stain is only in part strong enough."""

import numpy as np
import pytest

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.anucleate import (
    ANUCLEATE_FLAGS,
    Bareness,
    anucleate_flags,
    in_numbers,
    may_be_bare,
    with_faint_stain,
)
from micromet_path.pixels.evidence import Evidence
from micromet_path.pixels.examine_params import ExamineParams
from micromet_path.pixels.nuclei import NucleiParams, tally_nuclei, view_of
from micromet_path.pixels.planes import chromogen_of
from micromet_path.pixels.stain import StainModel, StainParams, WhitePoint
from tests.pixels.test_examine import MODEL, Scene, grown

PARAMS = ExamineParams()
HALF = PixelSpacing(0.5, 0.5)


def bare(**facts):
    plain = {"area_um2": 60.0, "has_nucleus": False, "bare_share": 1.0, "rim_um": 0.8, "nuclear_share_around": 0.4}
    return Bareness(**{**plain, "high_od": 0.6, "darkest_od": 0.6, **facts})


def flags(**facts):
    return anucleate_flags(bare(**facts), PARAMS)


@pytest.mark.parametrize("seed", range(40))
def test_a_nucleus_clears_a_piece_of_every_flag(seed):
    rng = np.random.default_rng(seed)
    area, rim, around = rng.uniform(1, 1200), rng.uniform(0, 4), rng.uniform(0, 0.1)
    faint = {"darkest_od": rng.uniform(0.2, 0.7), "glass_share": rng.uniform(0, 1)}
    found = flags(area_um2=area, has_nucleus=True, rim_um=rim, nuclear_share_around=around, bare_share=0.4, **faint)
    assert found == dict.fromkeys(ANUCLEATE_FLAGS, 0.0)


@pytest.mark.parametrize("seed", range(40))
def test_no_flag_falls_when_its_evidence_grows(seed):
    rng = np.random.default_rng(seed)
    facts = {
        "area_um2": rng.uniform(20, 3000),
        "bare_share": rng.uniform(0, 1),
        "rim_um": rng.uniform(0, 3),
        "nuclear_share_around": rng.uniform(0.01, 0.05),
        "glass_share": rng.uniform(0, 0.6),
        "is_at_border": bool(rng.integers(2)),
        "deep_share": rng.uniform(0, 1),
    }
    before = flags(**facts)
    steps = {"bare_share": 0.1, "rim_um": -0.2, "nuclear_share_around": -0.01, "glass_share": 0.1, "deep_share": -0.1}
    for name, by in steps.items():
        after = flags(**{**facts, name: facts[name] + by})
        assert all(after[flag] >= before[flag] for flag in ANUCLEATE_FLAGS), name


def test_a_piece_without_a_nucleus_is_doubtful_and_with_none_around_a_deposit():
    assert flags(area_um2=150.0) == {**dict.fromkeys(ANUCLEATE_FLAGS, 0.0), "no_nuclei": 0.6}
    assert flags(area_um2=300.0, nuclear_share_around=0.0)["deposit"] == 1.0  # on bare glass


COAT = {"area_um2": 3000.0, "nuclear_share_around": 0.0, "glass_share": 0.6, "is_at_border": True, "deep_share": 0.0}
"""Marking ink along the border."""


@pytest.mark.parametrize("area_um2", [60.0, 700.0, 900.0, 1100.0, 3000.0])
def test_the_lack_of_any_nucleus_is_a_doubt_whatever_the_size(area_um2):
    assert flags(area_um2=area_um2)["no_nuclei"] >= 0.5


@pytest.mark.parametrize("facts", [{"area_um2": 150.0, "nuclear_share_around": 0.0}, COAT], ids=["grain", "coat"])
def test_on_a_slide_that_shows_no_nuclei_the_lack_of_them_is_a_doubt_and_no_more(facts):
    shown = flags(**facts)
    assert max(shown["deposit"], shown["ink"]) > 0.5
    assert flags(**facts, shows_nuclei=False) == {**shown, "deposit": 0.0, "ink": 0.0}


FAINT = {"darkest_od": 0.3, "strength_od": 1.0, "glass_share": 0.6}
"""A disc of haemoglobin in a vessel."""


def test_what_is_faint_has_no_nucleus_and_lies_in_a_lumen_looks_like_red_cells():
    assert flags(**FAINT)["red_cell_like"] == 1.0
    assert flags(**FAINT, area_um2=3000.0)["red_cell_like"] == 1.0  # a lake of them
    lake = {"area_um2": 3000.0, "has_nucleus": True, "bare_share": 0.9}
    assert flags(**FAINT, **lake)["red_cell_like"] == 1.0  # with a nucleus of the wall


@pytest.mark.parametrize(
    "other",
    [
        {"has_nucleus": True},  # small, and most of it bare
        {"has_nucleus": True, "bare_share": 0.5, "area_um2": 3000.0},
        {"nuclear_share_around": 0.0},  # where nuclei do not show
        {"darkest_od": 0.5},  # a tumour cell among them
        {"strength_od": 0.4},  # the slide's own chromogen is as weak
        {"glass_share": 0.0},  # in solid tissue
        {"glass_share": 0.0, "area_um2": 3000.0},
        {"rim_um": 2.6},
        {"area_um2": 40_000.0, "has_nucleus": True, "bare_share": 0.8},  # a sheet of haze
    ],
)
def test_whatever_speaks_against_red_cells_does_so_alone(other):
    assert flags(**{**FAINT, **other})["red_cell_like"] == 0.0


LAKE = {"area_um2": 6000.0, "darkest_od": 0.35, "strength_od": 0.35, "nuclei_beside": 0.1}
"""A vessel packed with red cells on a slide whose own stain is as faint."""


def test_a_faint_lake_without_any_nucleus_is_red_cells_though_it_fills_its_vessel():
    assert flags(**LAKE)["red_cell_like"] == 1.0
    assert flags(**{**LAKE, "area_um2": 40_000.0})["red_cell_like"] == 1.0


@pytest.mark.parametrize(
    "other",
    [
        {"has_nucleus": True, "bare_share": 0.9},
        {"area_um2": 3000.0},
        {"darkest_od": 0.45},
        {"nuclei_beside": 0.5},
        {"nuclear_share_around": 0.02},
        {"rim_um": 2.5},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_speaks_against_a_lake_does_so_alone(other):
    assert flags(**{**LAKE, **other})["red_cell_like"] == 0.0


def test_a_lake_may_be_bare_whatever_its_settings():
    lenient = ExamineParams(lake_bare=(0.2, 0.3))
    lake = bare(**LAKE, has_nucleus=True, bare_share=0.35)
    assert anucleate_flags(lake, lenient)["red_cell_like"] == 1.0
    assert may_be_bare(True, 0.35, lenient)
    assert not may_be_bare(True, 0.35, PARAMS)


@pytest.mark.parametrize("seed", range(20))
def test_small_pieces_look_like_red_cells_only_in_numbers(seed):
    rng = np.random.default_rng(seed)
    strengths, areas = rng.uniform(0, 1, 40), rng.uniform(20, 3000, 40)
    lonely = in_numbers(strengths[:3], areas[:3], PARAMS)
    assert (lonely <= strengths[:3]).all()
    assert (lonely[areas[:3] < PARAMS.bare_sheet_um2[0]] == 0).all()
    among = in_numbers(np.concatenate([strengths, np.ones(10)]), np.concatenate([areas, np.full(10, 50.0)]), PARAMS)
    np.testing.assert_array_equal(among[:40], strengths)


def test_where_rims_are_as_soft_as_nuclei_nothing_is_said():
    assert flags(rim_um=2.6, nuclear_share_around=0.0) == dict.fromkeys(ANUCLEATE_FLAGS, 0.0)


def test_a_bare_sheet_at_the_border_is_ink_unless_it_is_too_dark_to_show_nuclei():
    layer = {"area_um2": 3000.0, "is_at_border": True, "deep_share": 0.3}
    assert flags(**layer)["ink"] == 1.0
    assert flags(**{**layer, "is_at_border": False})["ink"] == 0.0
    assert flags(**layer, high_od=1.6)["ink"] == 0.0
    assert flags(**layer, has_nucleus=True, bare_share=0.3)["ink"] == 0.0
    assert flags(**{**layer, "area_um2": 150.0})["ink"] == 0.0


def test_what_is_thick_below_the_capsule_may_be_a_focus_that_hides_its_nuclei():
    focus = flags(area_um2=50_000.0, is_at_border=True, bare_share=0.9, glass_share=0.4, deep_share=0.8)
    assert (focus["ink"], focus["no_nuclei"]) == (0.0, 1.0)


def test_what_lies_on_glass_at_the_border_is_a_flake_of_ink_unless_it_holds_nuclei():
    outside = {"is_at_border": True, "glass_share": 0.5, "deep_share": 0.2}
    assert flags(area_um2=3000.0, bare_share=0.58, **outside)["ink"] == 1.0
    assert flags(area_um2=800.0, **outside)["ink"] == 1.0
    assert flags(area_um2=150.0, **outside)["ink"] == 0.0  # a cell of loose tissue
    assert flags(area_um2=3000.0, bare_share=0.40, **outside)["ink"] == 0.0
    assert flags(**{**outside, "glass_share": 0.25}, area_um2=800.0)["ink"] == 0.0  # tissue on its other side
    assert flags(**{**outside, "is_at_border": False}, area_um2=800.0)["ink"] == 0.0  # a tear within tissue
    assert flags(area_um2=3000.0, bare_share=0.58, high_od=1.6, **outside)["ink"] == 0.0  # nuclei could not show


def test_a_coat_too_dark_to_show_nuclei_is_ink_and_a_node_full_of_dark_tumour_is_not():
    coat = {"area_um2": 20_000.0, "high_od": 1.6, "is_at_border": True, "glass_share": 0.6, "deep_share": 0.15}
    assert flags(**coat, nuclear_share_around=0.0)["ink"] == 1.0
    assert flags(**coat, nuclear_share_around=0.1)["ink"] == 0.0  # lymphocytes beside it
    assert flags(**coat, bare_share=0.7, nuclear_share_around=0.0)["ink"] == 0.0  # some nuclei show
    assert flags(**{**coat, "deep_share": 0.95}, nuclear_share_around=0.0)["ink"] == 0.0
    assert flags(**{**coat, "glass_share": 0.2}, nuclear_share_around=0.0)["ink"] == 0.0
    assert flags(**{**coat, "is_at_border": False}, nuclear_share_around=0.0)["ink"] == 0.0


def test_a_large_sheet_must_show_nuclei():
    assert flags(area_um2=5000.0)["no_nuclei"] == 1.0
    assert flags(area_um2=5000.0, bare_share=0.3, has_nucleus=True)["no_nuclei"] == 0.0


def ring(level, gap_level, rng=None):
    """One cell whose ring is stained well on one side and faintly on the other, with a pale nucleus."""
    scene = Scene(rng or np.random.default_rng(5), 80)
    x, y = scene.centre
    body = scene.disc(x, y, 8.0, 0.03)
    scene.tissue(9.0, keep_out=grown(body, 1.0))
    scene.nucleus(x, y, 4.0, 0.45)
    rim = body & ~scene.disc(x, y, 6.2, 0.03)
    side = (scene.x - x) + 0.5 * (scene.y - y) > 3.0
    scene.stain(rim, np.where(side, level, gap_level), texture=0.0)
    return scene, grown(rim & side, 0.5)


@pytest.mark.parametrize("spacing_um", [0.25, 0.5])
def test_a_ring_that_is_faint_in_part_still_holds_its_nucleus(spacing_um):
    scene, strong = ring(0.45, 0.2)
    view = scene.view(strong, spacing_um=spacing_um)
    wider = with_faint_stain(chromogen_of(view.rgb, MODEL), view.stained, view.spacing)
    assert wider[view.stained].all()
    seen = view_of(view.rgb, MODEL, view.spacing, NucleiParams())
    alone, together = (tally_nuclei(seen, mask, NucleiParams()).possible for mask in (view.stained, wider))
    assert not alone
    assert together


def test_a_cap_without_a_ring_gains_no_nucleus():
    scene, strong = ring(0.45, 0.0)
    view = scene.view(strong, spacing_um=0.25)
    wider = with_faint_stain(chromogen_of(view.rgb, MODEL), view.stained, view.spacing)
    seen = view_of(view.rgb, MODEL, view.spacing, NucleiParams())
    assert not tally_nuclei(seen, wider, NucleiParams()).possible


def test_faint_stain_ends_a_cell_away():
    model = StainModel.from_dyes(
        WhitePoint((240.0, 240.0, 240.0), "slide"), StainParams().haematoxylin, StainParams().chromogen, "fixed"
    )
    rgb = np.full((120, 120, 3), (220, 200, 180), np.uint8)  # pale brown everywhere
    stained = np.zeros((120, 120), bool)
    stained[58:62, 58:62] = True
    wider = with_faint_stain(chromogen_of(rgb, model), stained, HALF)
    rows, columns = np.nonzero(wider)
    assert 12.0 <= (np.hypot(rows - 59.5, columns - 59.5).max() - 2.9 + 1) * 0.5 <= 13.0


@pytest.mark.parametrize("spacing_um", [0.25, 0.5])
def test_glass_next_to_a_stain_is_measured(spacing_um):
    """A disc in tissue has none; one on the edge has its share of the circle; one beside tissue is all on glass."""
    shares = {}
    for name, edge_um in (("in tissue", 0.0), ("on the edge", 45.0), ("on glass", 62.0)):
        scene = Scene(np.random.default_rng(3), 90.0)
        scene.tissue(ground=0.14, mask=scene.x > edge_um)
        disc = scene.disc(*scene.centre, 8.0, 0.03)
        scene.stain(disc, 0.6)
        view = scene.view(disc, spacing_um=spacing_um)
        shares[name] = Evidence(view, MODEL).around.glass_share
    assert shares["in tissue"] < 0.05
    assert 0.35 < shares["on the edge"] < 0.6
    assert shares["on glass"] > 0.9
