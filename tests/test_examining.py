"""The second look: what it adds belongs to fragments, whatever the gap, the order and the number of threads."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

import micromet_path as mp
from micromet_path.config import LookParams
from micromet_path.errors import ConfigError
from micromet_path.model import Counting
from micromet_path.pipeline import examining
from micromet_path.pipeline.judging import recut
from micromet_path.pipeline.weighing import Context, Seen, confirmed
from micromet_path.pixels.nuclei import CellCount
from tests.test_pipeline import HALF, HELD, analyze, assert_same, crowded, section

BY_AREA = replace(HELD, look=LookParams(most_candidates=0))
CELL_UM2 = HELD.nuclei.cell_area_um2


def test_without_a_second_look_cells_come_from_the_area():
    canvas = section().with_brown(section().disc(450, 300, 40))
    clusters = analyze(canvas.rgb(), BY_AREA).analysis.clusters
    assert clusters.cells[0] == pytest.approx(clusters.area_filled_um2[0] / CELL_UM2)
    assert clusters.cells_low[0] < clusters.cells[0] < clusters.cells_high[0]


def test_a_sheet_without_a_nucleus_says_so_and_a_nest_with_nuclei_does_not():
    slide = mp.analyze("sample_slides/micro.svs")
    assert "no_nuclei" not in slide.clusters.flags_of(0)
    rgb = np.full((500, 700, 3), 243, np.uint8)
    rows, columns = np.mgrid[:500, :700]
    rgb[50:450, 50:650] = (205, 200, 222)
    sheet = np.hypot(rows - 250, columns - 350) < 110
    rgb[sheet] = (150, 105, 70)
    assert analyze(rgb).analysis.clusters.flags_of(0)["no_nuclei"] >= 0.5


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_change_nothing(workers):
    rgb = crowded(3)
    assert_same(analyze(rgb, workers=workers).analysis.fragments, analyze(rgb).analysis.fragments)


@pytest.mark.parametrize("wide_px", [0, 1 << 40], ids=["all in threads", "none in threads"])
def test_where_a_candidate_is_judged_changes_nothing(monkeypatch, wide_px):
    rgb = crowded(3)
    alone = analyze(rgb).analysis.fragments
    monkeypatch.setattr(examining, "_WIDE_PX", wide_px)
    assert_same(analyze(rgb, workers=2).analysis.fragments, alone)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_rotation_changes_what_is_seen_by_little(quarters):
    rgb = crowded(1)
    before = analyze(rgb).analysis.clusters
    after = analyze(np.ascontiguousarray(np.rot90(rgb, quarters))).analysis.clusters
    assert len(before) == len(after)
    assert np.sort(after.cells).sum() == pytest.approx(np.sort(before.cells).sum(), rel=0.1)


def test_a_recut_adds_up_what_fragments_know():
    outcome = analyze(crowded(0))
    fragments = outcome.analysis.fragments
    cut = recut(outcome.analysis, HELD, 50.0).clusters
    member = cut.cluster_of_fragment
    for row in range(len(cut)):
        own = member == row
        assert cut.cells[row] == pytest.approx(max(1.0, fragments.cells[own].sum()))
        for name, strength in fragments.flags.items():
            if name not in ("pigment_like", "pigment_hue"):
                expected = np.average(strength[own], weights=fragments.area_px[own])
                assert cut.flags[name][row] == pytest.approx(min(1.0, expected), abs=1e-9)


def test_what_is_learnt_of_a_candidate_is_shared_out_by_area():
    fragments = analyze(crowded(0)).analysis.fragments
    assert np.all((fragments.cells_low <= fragments.cells + 1e-12) & (fragments.cells <= fragments.cells_high + 1e-12))
    assert np.all(fragments.cells > 0)
    for strength in fragments.flags.values():
        assert_array_equal(strength.shape, (len(fragments),))
        assert np.all((strength >= 0) & (strength <= 1 + 1e-9))


def test_only_the_largest_are_looked_at():
    rgb = crowded(0)
    one = analyze(rgb, replace(HELD, look=LookParams(most_candidates=1))).analysis.fragments
    none = analyze(rgb, BY_AREA).analysis.fragments
    looked_at = np.flatnonzero(one.cells != none.cells)
    assert 0 < len(looked_at) < len(one)
    assert one.area_px[looked_at].sum() == one.area_px[looked_at[0] : looked_at[-1] + 1][looked_at - looked_at[0]].sum()


def test_a_large_candidate_is_seen_in_windows_and_taken_to_be_like_them():
    canvas = section(width=2400)
    canvas.with_brown(canvas.box(200, 250, 2200, 330))
    few = analyze(canvas.rgb(), replace(HELD, look=LookParams(most_windows=2, window_um=100.0))).analysis.clusters
    many = analyze(canvas.rgb(), replace(HELD, look=LookParams(most_windows=50, window_um=100.0))).analysis.clusters
    assert_allclose(few.cells, many.cells, rtol=0.25)
    assert few.cells_high[0] - few.cells_low[0] > many.cells_high[0] - many.cells_low[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"most_candidates": -1},
        {"most_windows": 0},
        {"most_confirming": -1},
        {"spacing_um": 0.0},
        {"spacing_um": 1.5},
        {"window_um": 1e5},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match="look: expected"):
        LookParams(**wrong)


def test_scale_is_that_of_the_slide():
    canvas = section()
    canvas.with_brown(canvas.disc(450, 300, 40))
    small = analyze(canvas.rgb(), BY_AREA).analysis.clusters.cells[0]
    large = analyze(canvas.rgb(), BY_AREA, mp.PixelSpacing(1.0, 1.0)).analysis.clusters.cells[0]
    assert large == pytest.approx(4 * small)
    assert HALF.x_um == 0.5


def lake_of_red_cells(tumour_at=None):
    """A vessel 0.32 mm long full of pale discs; a group of tumour cells among them, if anywhere."""
    canvas = section(height=400, width=900)
    canvas.tissue &= ~canvas.box(110, 160, 790, 240)
    rng = np.random.default_rng(0)
    for x in range(130, 770, 12):
        for y in range(176, 230, 12):
            canvas.with_brown(canvas.disc(x + rng.uniform(-2, 2), y + rng.uniform(-2, 2), 6.5), 0.28)
    if tumour_at is not None:
        canvas.with_brown(canvas.disc(tumour_at, 200, 24), 0.7)
    return canvas.rgb()


def wide_lake_of_red_cells():
    """A vessel of 0.75 x 0.5 mm: a window in its middle shows nothing of what lies around."""
    canvas = section(height=1320, width=1720)
    canvas.tissue &= ~canvas.box(110, 160, 1610, 1160)
    discs = np.hypot(canvas.x % 12 - 6, canvas.y % 12 - 6) < 6.5
    return canvas.with_brown(discs & canvas.box(116, 166, 1604, 1154), 0.28).rgb()


def largest(rgb):
    clusters = analyze(rgb).analysis.clusters
    row = int(np.argmax(clusters.area_um2))
    return clusters.counting[row], clusters.flags["red_cell_like"][row]


@pytest.mark.parametrize("draw", [lake_of_red_cells, wide_lake_of_red_cells])
def test_a_lake_of_red_cells_is_not_counted(draw):
    assert largest(draw()) == (Counting.NOT_COUNTED, 1.0)


@pytest.mark.parametrize("x", range(180, 760, 96))
def test_tumour_in_a_lake_counts_wherever_in_it_the_second_look_falls(x):
    counting, red_cell_like = largest(lake_of_red_cells(x))
    assert counting is not Counting.NOT_COUNTED
    assert red_cell_like < 0.5


def with_nest(canvas, x):
    """Twenty strong cells, each a ring about its nucleus."""
    rows, columns = np.divmod(np.arange(20), 5)
    for dx, dy in zip(17 * (columns - 2), 17 * (rows - 1.5), strict=True):
        canvas.with_brown(canvas.disc(x + dx, 260 + dy, 8) & ~canvas.disc(x + dx, 260 + dy, 4), 0.8)
    return canvas


def band_of_haze(nest_at=None, width_px=80):
    """A patch of uneven background 0.9 mm long without an edge; a nest of twenty strong cells in it, if anywhere."""
    canvas = section(height=640, width=2000)
    band = canvas.box(160, 260 - width_px / 2, 1840, 260 + width_px / 2)
    canvas.brown = 0.34 * gaussian_filter(band.astype(float), 18)
    return (canvas if nest_at is None else with_nest(canvas, nest_at)).rgb()


def haze_of(rgb):
    clusters = analyze(rgb).analysis.clusters
    row = int(np.argmax(clusters.area_um2))
    return clusters.counting[row], clusters.flags["edge_haze"][row] >= 0.5, clusters.flags["mixed"][row] >= 0.5


@pytest.mark.parametrize("width_px", [80, 160, 240])
def test_a_long_patch_of_haze_is_not_counted(width_px):
    assert haze_of(band_of_haze(width_px=width_px)) == (Counting.NOT_COUNTED, True, False)


@pytest.mark.parametrize("width_px", [80, 160, 240])
@pytest.mark.parametrize("x", range(220, 1800, 260))
def test_a_nest_in_a_long_patch_of_haze_counts_wherever_it_lies_and_its_size_is_in_doubt(x, width_px):
    counting, is_haze, is_mixed = haze_of(band_of_haze(x, width_px))
    assert not is_haze
    assert is_mixed == (x > 580)  # beyond the first window
    assert counting is Counting.DOUBTFUL or (counting is Counting.COUNTED and not is_mixed)


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_change_nothing_of_what_takes_several_windows(workers):
    for rgb in (band_of_haze(740), lake_of_red_cells(500)):
        assert_same(analyze(rgb, workers=workers).analysis.fragments, analyze(rgb).analysis.fragments)


def seen(share, **flags):
    return Seen(CellCount(1.0, 1.0, 1.0, 1, 0.0), flags, share, 1000.0, None, Context())


UNCOUNTING = HELD.classify.not_counted_flags


CONFIRMING = [
    # what the first window shows, what the others show, whether it is left out
    (("edge_haze", 0.9), [("edge_haze", 0.6), ("ink", 0.7)], True),  # of one kind or another
    (("edge_haze", 0.9), [("edge_haze", 0.8), ("edge_haze", 0.4)], False),
    (("red_cell_like", 0.9), [("red_cell_like", 0.8), ("no_nuclei", 1.0)], False),
    (("ink", 0.9), [("ink", 0.8), ("no_nuclei", 1.0)], True),  # two thirds of it
    (("ink", 0.9), [("plasma_like", 1.0), ("no_nuclei", 1.0)], False),
    (("no_nuclei", 0.9), [("no_nuclei", 0.9), ("no_nuclei", 0.9)], False),  # counts anyway
]


@pytest.mark.parametrize(("first", "others", "is_left_out"), CONFIRMING)
def test_what_is_larger_than_a_window_is_left_out_if_the_others_agree(first, others, is_left_out):
    windows = [seen(0.3, **dict([one])) for one in others]
    found = confirmed(seen(0.3, **dict([first])), lambda: windows, lambda window: window, UNCOUNTING)
    assert (found.most_of(UNCOUNTING) >= 0.5) == is_left_out
    assert ("mixed" in found.flags) == (not is_left_out and first[0] in UNCOUNTING)


def test_a_window_that_cannot_be_read_says_nothing():
    found = confirmed(seen(0.3, edge_haze=0.9), lambda: [0], lambda _: None, UNCOUNTING)
    assert found.flags == {"edge_haze": 0.9}


def test_no_more_is_read_than_can_decide():
    asked = []

    def look_at(place):
        asked.append(place)
        return seen(0.1, ink=1.0)

    def further():
        return range(8)

    assert confirmed(seen(0.1, ink=1.0), further, look_at, UNCOUNTING).share == pytest.approx(0.5)
    assert len(asked) == 4  # five of nine agree
    asked.clear()
    confirmed(seen(0.1, edge_haze=0.4), further, look_at, UNCOUNTING)
    assert not asked  # it counts anyway


def test_further_windows_show_what_a_tail_holds():
    # The tail holds a tenth of what a window of the band does.
    canvas = section(height=500, width=2400)
    band = canvas.box(160, 200, 1300, 320) | canvas.box(160, 248, 2240, 272)
    canvas.brown = 0.34 * gaussian_filter(band.astype(float), 10)
    counting, is_haze, _ = haze_of(with_nest(canvas, 2150).rgb())
    assert counting is not Counting.NOT_COUNTED
    assert not is_haze
