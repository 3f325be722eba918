"""The rules of a category, of counting and of what may be called negative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micromet_path.clinical.classify import (
    ClassifyParams,
    FindingInputs,
    assess,
    category_by_size,
    find,
    judge,
    judge_pieces,
    summarise_gap,
    withhold,
)
from micromet_path.errors import ConfigError
from micromet_path.model import Category, CellEstimate, Counting, Finding, GapFinding, Piece, Quality, Role

NOT_ASSESSABLE, NEGATIVE, ITC, MICRO, MACRO = Category
GOOD = Quality(tissue_area_mm2=41.2, coverage=0.996, in_focus=0.99)
PARAMS = ClassifyParams()


def piece(number: int, role: Role = Role.UNKNOWN) -> Piece:
    return Piece(id=number, bbox_px0=(0, 0, 10, 10), area_mm2=40.0, role=role)


ONE_PIECE = (piece(1),)


def finding_of(table, *, pieces=ONE_PIECE, quality=GOOD, params=PARAMS, **rest) -> Finding:
    clusters = judge(table, {one.id: one.role for one in pieces}, params)
    judged = judge_pieces(tuple(pieces), clusters, params)
    return find(FindingInputs(clusters=clusters, pieces=judged, quality=quality, params=params, **rest))


# --- sizes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_um", "category"),
    [
        pytest.param(1e-9, ITC, id="AJCC-8: any cell is ITC"),
        pytest.param(200.0, ITC, id="AJCC-8: not greater than 0.2 mm is ITC"),
        pytest.param(np.nextafter(200.0, np.inf), MICRO, id="AJCC-8: greater than 0.2 mm is micro"),
        pytest.param(2000.0, MICRO, id="AJCC-8: none greater than 2.0 mm is micro"),
        pytest.param(np.nextafter(2000.0, np.inf), MACRO, id="AJCC-8: greater than 2.0 mm is macro"),
        pytest.param(2400.0, MACRO, id="AJCC-8: node sizes are never rounded to whole millimetres"),
        pytest.param(1e6, MACRO, id="AJCC-8: no upper limit"),
    ],
)
def test_unrounded_size_decides(size_um, category):
    assert category_by_size(size_um) is category


@pytest.mark.parametrize("size_um", [0.0, -1.0, float("nan")])
def test_a_focus_has_a_size(size_um):
    with pytest.raises(ValueError, match="above 0 um"):
        category_by_size(size_um)


@given(st.lists(st.floats(0.01, 1e5), min_size=2).map(sorted))
def test_larger_is_never_a_lower_category(sizes_um):
    ranks = [category_by_size(size).rank for size in sizes_um]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("sizes_um", "category"),
    [
        pytest.param([900, 700, 600], MICRO, id="CAP Today Q&A 2003-07: sizes are not added"),
        pytest.param([100, 100, 100], ITC, id="CAP Today Q&A 2003-07: three ITC clusters are ITC"),
    ],
)
def test_the_largest_focus_decides(measures, sizes_um, category):
    assert finding_of(measures(sizes_um)).category is category


@pytest.mark.parametrize(
    ("interval_um", "borderline"),
    [
        ((190.0, 200.0), False),
        ((190.0, np.nextafter(200.0, np.inf)), True),
        ((200.0, 210.0), True),
        ((np.nextafter(200.0, np.inf), 210.0), False),
        ((200.0, 200.0), False),
        ((1990.0, 2010.0), True),
    ],
    ids=str,
)
def test_borderline_means_that_both_classes_are_possible(measures, interval_um, borderline):
    low, high = interval_um
    clusters = judge(measures([(low + high) / 2], interval_um=[interval_um]), {})
    assert clusters.borderline.tolist() == [borderline]
    assert borderline == (category_by_size(low) is not category_by_size(high))


@pytest.mark.parametrize(
    ("size_um", "near"),
    [(179.9, False), (180.0, True), (220.0, True), (220.1, False), (1800.0, True), (2200.0, True), (2200.1, False)],
)
def test_near_a_limit(measures, size_um, near):
    assert judge(measures([size_um]), {}).near_limit.tolist() == [near]


# --- counting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "counting"),
    [
        ({}, Counting.COUNTED),
        ({"weak": 0.49}, Counting.COUNTED),
        ({"weak": 0.5}, Counting.DOUBTFUL),
        ({"pigment_like": 0.49, "fold": 1.0}, Counting.DOUBTFUL),
        ({"pigment_like": 0.5, "fold": 1.0}, Counting.NOT_COUNTED),
        ({"sub_cellular": 1.0}, Counting.NOT_COUNTED),
        ({"sub_cellular": 1.0, "dot_pattern": 1.0}, Counting.DOUBTFUL),
        ({"sub_cellular": 1.0, "dot_pattern": 0.4}, Counting.NOT_COUNTED),
        ({"dot_pattern": 1.0, "ink": 1.0}, Counting.NOT_COUNTED),
        ({"unheard_of": 1.0}, Counting.COUNTED),
    ],
    ids=str,
)
def test_counting_policy(measures, flags, counting):
    table = measures([50.0], flags={name: [strength] for name, strength in flags.items()})
    assert judge(table, {}).counting.tolist() == [counting]


def test_policy_is_configured(measures):
    params = ClassifyParams(not_counted_flags=("fold",), doubtful_flags=("pigment_like",))
    table = measures([50.0, 40.0], flags={"fold": [1.0, 0.0], "pigment_like": [0.0, 1.0]})
    assert judge(table, {}, params).counting.tolist() == [Counting.NOT_COUNTED, Counting.DOUBTFUL]


@pytest.mark.parametrize("role", Role)
def test_control_and_excluded_tissue_is_not_counted(measures, role):
    pieces = (piece(1), piece(2, role))
    finding = finding_of(measures([3000.0, 50.0], piece_id=[2, 1]), pieces=pieces)
    is_patients = role in (Role.PATIENT, Role.UNKNOWN)
    assert finding.category is (MACRO if is_patients else ITC)
    assert finding.cluster_id == (1 if is_patients else 2)
    assert finding.if_all_counted is finding.category
    assert "uncounted_large" not in finding.flags


def test_a_slide_of_control_tissue_alone_is_not_negative(measures):
    finding = finding_of(measures([900.0]), pieces=(piece(1, Role.CONTROL), piece(2, Role.EXCLUDE)))
    assert finding.category is NOT_ASSESSABLE
    assert finding.assessable.reasons[0].startswith("no_tissue: ")


@pytest.mark.parametrize(
    ("sizes_um", "aside", "flagged"),
    [
        pytest.param([200.0], [1.0], False, id="uncounted at the limit, nothing counted"),
        pytest.param([200.1], [1.0], True, id="uncounted over the limit, nothing counted"),
        pytest.param([60.0, 50.0], [1.0, 0.0], True, id="uncounted larger than the finding"),
        pytest.param([60.0, 50.0], [0.0, 1.0], False, id="uncounted smaller than the finding"),
        pytest.param([900.0, 300.0], [0.0, 1.0], True, id="uncounted over the limit, finding larger"),
    ],
)
def test_a_large_uncounted_cluster_is_named(measures, sizes_um, aside, flagged):
    finding = finding_of(measures(sizes_um, flags={"pigment_like": aside}))
    assert ("uncounted_large" in finding.flags) == flagged
    assert ("needs a look" in finding.headline) == flagged


def test_what_if_everything_counted(measures):
    finding = finding_of(measures([2500.0, 90.0], flags={"ink": [0.9, 0.0]}))
    assert (finding.category, finding.if_all_counted) == (ITC, MACRO)
    assert (finding.cluster_id, finding.max_diameter_um, finding.n_clusters) == (2, 90.0, 1)


def test_numbers_are_of_counted_clusters(measures):
    table = measures([2500.0, 900.0, 800.0, 90.0, 80.0], flags={"ink": [0, 0, 1, 0, 1], "weak": [0, 1, 0, 0, 0]})
    finding = finding_of(table)
    assert (finding.n_clusters, finding.n_itc, finding.n_micro, finding.n_macro) == (3, 1, 1, 1)


@pytest.mark.parametrize(("weak", "only"), [([1, 1], True), ([1, 0], False), ([0, 0], False)])
def test_only_doubtful_clusters(measures, weak, only):
    assert ("doubtful_only" in finding_of(measures([90.0, 80.0], flags={"weak": weak})).flags) == only


# --- cells -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "category", "near"),
    [
        pytest.param((260, 210, 330), MICRO, False, id="AJCC-8: more than 200 cells in one section is micro"),
        pytest.param((201, 201, 201), MICRO, True, id="AJCC-8: 201 counted cells are micro"),
        pytest.param((200, 200, 200), ITC, True, id="AJCC-8: exactly 200 cells are ITC"),
        pytest.param((230, 190, 280), ITC, True, id="an interval around 200 does not raise"),
        pytest.param((230, 200, 280), ITC, True, id="an interval from 200 does not raise"),
        pytest.param((100, 50, 200), ITC, True, id="an interval up to 200 is near"),
        pytest.param((165, 160, 170), ITC, True, id="AJCC-8: 200 is a guideline, near within 20 %"),
        pytest.param((100, 50, 150), ITC, False, id="few cells"),
    ],
)
def test_two_hundred_cells(measures, cells, category, near):
    finding = finding_of(measures([90.0], cells=[cells]))
    assert finding.category is category
    assert (finding.category_by_size, finding.category_by_cells) == (ITC, category)
    assert ("near_200_cells" in finding.flags) == near


def test_cells_never_make_a_macrometastasis_and_never_lower_a_class(measures):
    assert finding_of(measures([90.0], cells=1e6)).category is MICRO
    assert finding_of(measures([2500.0], cells=2)).category is MACRO


def test_near_200_cells_matters_only_where_size_says_itc(measures):
    assert "near_200_cells" not in finding_of(measures([300.0], cells=[(200, 150, 250)])).flags


@pytest.mark.parametrize(
    ("piece_id", "category"),
    [
        pytest.param([1, 1], MICRO, id="AJCC-8: 260 dispersed cells in one section are micro"),
        pytest.param([1, 2], ITC, id="AJCC-8: 130 + 130 cells on two sections are ITC"),
        pytest.param([0, 0], ITC, id="what lies on no piece is not added"),
    ],
)
def test_cells_are_those_of_one_profile(measures, piece_id, category):
    finding = finding_of(measures([90.0, 80.0], piece_id=piece_id, cells=130.0), pieces=(piece(1), piece(2)))
    assert finding.category is category
    assert finding.estimated_cells is not None
    assert finding.estimated_cells.value == (260.0 if category is MICRO else 130.0)


def test_mimics_are_not_counted_as_cells(measures):
    finding = finding_of(measures([90.0, 80.0], cells=130.0, flags={"pigment_like": [0.0, 1.0]}))
    assert finding.category is ITC
    assert finding.estimated_cells == CellEstimate(130.0, 130.0, 130.0)
    assert finding.if_all_counted is MICRO


def test_the_deciding_profile_is_reported(measures):
    table = measures([90.0, 80.0], piece_id=[1, 2], cells=[(300, 150, 400), (250, 220, 280)])
    finding = finding_of(table, pieces=(piece(1), piece(2)))
    assert (finding.category, finding.estimated_cells) == (MICRO, CellEstimate(250.0, 220.0, 280.0))


@pytest.mark.parametrize(
    ("size_um", "cells", "extent_um", "diffuse"),
    [
        (90.0, 260.0, 4800.0, True),
        (90.0, 260.0, 2000.0, False),
        (90.0, 200.0, 4800.0, False),
        (1900.0, 5000.0, 2100.0, True),
        (2500.0, 5000.0, 4800.0, False),
        (90.0, 260.0, None, False),
    ],
)
def test_diffuse_pattern(measures, size_um, cells, extent_um, diffuse):
    finding = finding_of(measures([size_um], cells=cells), scatter_extent_um=extent_um)
    assert ("diffuse_pattern" in finding.flags) == diffuse
    assert finding.scatter_extent_um == extent_um


# --- pieces ------------------------------------------------------------------------------------------


def test_each_piece_has_its_own_finding(measures):
    pieces = tuple(piece(number, role) for number, role in enumerate(Role, start=1))
    table = measures([900.0, 300.0, 90.0, 80.0], piece_id=[2, 3, 1, 1], cells=130.0)
    clusters = judge(table, {one.id: one.role for one in pieces})

    patient, control, exclude, unknown = judge_pieces(pieces, clusters)

    assert (patient.category, patient.max_diameter_um) == (MICRO, 90.0)
    assert patient.estimated_cells == CellEstimate(260.0, 260.0, 260.0)
    assert (unknown.category, unknown.max_diameter_um, unknown.estimated_cells) == (NEGATIVE, None, None)
    for kept_out in (control, exclude):
        assert (kept_out.category, kept_out.max_diameter_um, kept_out.estimated_cells) == (None, None, None)


@pytest.mark.parametrize(
    ("quality", "categories"),
    [
        (GOOD, (MICRO, NEGATIVE, None)),
        (replace(GOOD, coverage=0.5), (MICRO, NOT_ASSESSABLE, None)),
        (replace(GOOD, is_h_dab=False), (NOT_ASSESSABLE, NOT_ASSESSABLE, None)),
    ],
    ids=["read", "half read", "not H-DAB"],
)
def test_a_piece_is_not_negative_where_the_slide_could_not_show_it(measures, quality, categories):
    pieces = (piece(1), piece(2), piece(3, Role.CONTROL))
    clusters = judge(measures([900.0]), {3: Role.CONTROL})
    seen = withhold(judge_pieces(pieces, clusters), quality)
    assert tuple(one.category for one in seen) == categories
    assert all(one.max_diameter_um is None for one in seen if one.category in (NOT_ASSESSABLE, None))


# --- assessable --------------------------------------------------------------------------------------

BLOCKS_EVERYTHING = {
    "no_light": {"has_light": False},
    "no_tissue": {"tissue_area_mm2": 0.0099, "coverage": None},
    "not_h_dab": {"is_h_dab": False, "stain_note": "red and blue"},
    "control_failed": {"control_result": "failed"},
}
BLOCKS_A_NEGATIVE = {
    "incomplete": {"coverage": np.nextafter(0.98, 0)},
    "incomplete, one tile": {"unreadable_tiles": 1},
    "incomplete, unknown": {"coverage": None},
    "incomplete, not a number": {"coverage": float("nan")},
    "out_of_focus": {"in_focus": 0.9},
    "stain_unknown": {"is_h_dab": None},
    "white_unknown": {"is_white_assumed": True},
    "incomplete, cut short": {"is_truncated": True},
}
BLOCKS_NOTHING = {
    "good": {},
    "limits": {"tissue_area_mm2": 0.01, "coverage": 0.98, "in_focus": 0.98},
    "focus not measured": {"in_focus": None},
    "control passed": {"control_result": "passed"},
}
MATRIX = [
    *(pytest.param(facts, False, False, id=f"{name}") for name, facts in BLOCKS_EVERYTHING.items()),
    *(pytest.param(facts, False, True, id=f"{name}") for name, facts in BLOCKS_A_NEGATIVE.items()),
    *(pytest.param(facts, True, True, id=f"{name}") for name, facts in BLOCKS_NOTHING.items()),
]


@pytest.mark.parametrize(("facts", "negative_ok", "positive_ok"), MATRIX)
def test_assessability(measures, facts, negative_ok, positive_ok):
    quality = replace(GOOD, **facts)
    assert assess(quality, would_be_positive=False).ok == negative_ok
    assert assess(quality, would_be_positive=True).ok == positive_ok
    assert finding_of(measures([]), quality=quality).category is (NEGATIVE if negative_ok else NOT_ASSESSABLE)
    assert finding_of(measures([300.0]), quality=quality).category is (MICRO if positive_ok else NOT_ASSESSABLE)


@pytest.mark.parametrize("name", [*BLOCKS_EVERYTHING, *BLOCKS_A_NEGATIVE])
def test_reasons_begin_with_their_code(name):
    facts = (BLOCKS_EVERYTHING | BLOCKS_A_NEGATIVE)[name]
    for positive in (False, True):
        (reason,) = assess(replace(GOOD, **facts), positive).reasons
        code, _, sentence = reason.partition(": ")
        assert code == name.partition(",")[0]
        assert len(sentence) > 10
        assert "nan" not in sentence


def test_all_reasons_are_told():
    quality = replace(GOOD, has_light=False, is_h_dab=False, control_result="failed", coverage=0.5, in_focus=0.5)
    codes = [reason.partition(":")[0] for reason in assess(quality, True).reasons]
    assert codes == ["no_light", "not_h_dab", "control_failed", "incomplete", "out_of_focus"]


@pytest.mark.parametrize("facts", BLOCKS_EVERYTHING.values(), ids=BLOCKS_EVERYTHING)
def test_what_cannot_be_assessed_has_no_size_and_no_category(measures, facts):
    gaps = (GapFinding(7.0, MICRO, 300.0), GapFinding(50.0, MACRO, 2100.0))
    finding = finding_of(measures([300.0]), quality=replace(GOOD, **facts), by_gap=gaps)
    assert (finding.max_diameter_um, finding.diameter_interval_um, finding.cluster_id) == (None, None, None)
    assert {finding.category_by_size, finding.category_by_cells, finding.if_all_counted} == {NOT_ASSESSABLE}
    assert finding.by_gap == (GapFinding(7.0, NOT_ASSESSABLE, None), GapFinding(50.0, NOT_ASSESSABLE, None))
    assert (finding.n_clusters, finding.contiguity_sensitive, finding.flags) == (
        1,
        False,
        tuple(code for code in ("incomplete",) if "coverage" in facts and "tissue_area_mm2" not in facts),
    )


def test_a_positive_of_a_half_read_slide_is_a_minimum(measures):
    finding = finding_of(measures([300.0]), quality=replace(GOOD, coverage=0.9))
    assert (finding.category, finding.size_is_minimum) == (MICRO, True)
    assert "incomplete" in finding.flags
    assert finding_of(measures([300.0])).size_is_minimum is False


def test_a_size_at_an_edge_is_a_minimum(measures):
    table = measures([300.0, 200.0], size_is_minimum=[True, False])
    assert finding_of(table).size_is_minimum
    assert not finding_of(replace(table, size_is_minimum=table.size_is_minimum[::-1])).size_is_minimum


# --- gaps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap_um", "category", "sensitive"),
    [
        (0.0, MICRO, False),
        (6.9, MICRO, False),
        (7.0, MICRO, True),
        (25.0, MICRO, True),
        (50.0, MACRO, True),
        (50.1, MACRO, False),
        (25.0, ITC, False),
        (25.0, NEGATIVE, False),
    ],
)
def test_contiguity_sensitive(measures, gap_um, category, sensitive):
    finding = finding_of(measures([90.0]), by_gap=(GapFinding(gap_um, category, 250.0),))
    assert finding.contiguity_sensitive == sensitive
    assert ("contiguity_sensitive" in finding.flags) == sensitive


def test_a_gap_is_summarised_like_a_finding(measures):
    table = measures([900.0, 90.0, 80.0], gap_um=25.0, flags={"ink": [1, 0, 0]}, cells=130.0)
    assert summarise_gap(judge(table, {})) == GapFinding(25.0, MICRO, 90.0)
    assert summarise_gap(judge(measures([]), {})) == GapFinding(7.0, NEGATIVE, None)


# --- properties --------------------------------------------------------------------------------------


@pytest.fixture(params=range(40), ids="seed{}".format)
def random_inputs(request, measures) -> FindingInputs:
    """Clusters of every size, certainty and doubt, on pieces of every role."""
    rng = np.random.default_rng(request.param)
    n = int(rng.integers(0, 12))
    sizes_um = np.sort(10 ** rng.uniform(0, 4, n))[::-1]
    low, high = rng.uniform(0.7, 1, n), rng.uniform(1, 1.4, n)
    cells = rng.uniform(1, 150, n)
    names = (*PARAMS.not_counted_flags, *PARAMS.doubtful_flags)
    table = measures(
        sizes_um,
        piece_id=rng.integers(0, 5, n),
        interval_um=list(zip(sizes_um * low, sizes_um * high, strict=True)),
        cells=list(zip(cells, cells * low, cells * high, strict=True)),
        flags={name: np.where(rng.random(n) < 0.15, rng.random(n), 0) for name in names},
        size_is_minimum=rng.random(n) < 0.2,
    )
    pieces = tuple(piece(number, list(Role)[rng.integers(4)]) for number in range(1, 5))
    clusters = judge(table, {one.id: one.role for one in pieces})
    gaps = tuple(GapFinding(gap, [ITC, MICRO, MACRO][rng.integers(3)], 250.0) for gap in (0.0, 7.0, 25.0, 75.0))
    return FindingInputs(
        clusters=clusters,
        pieces=judge_pieces(pieces, clusters),
        quality=replace(
            GOOD, coverage=float(rng.choice([0.9, 0.99, 1.0])), in_focus=[None, 0.5, 0.99][rng.integers(3)]
        ),
        by_gap=gaps,
        scatter_extent_um=float(rng.choice([100.0, 2500.0])),
    )


def test_borderline_agrees_with_trying_both_ends(random_inputs):
    clusters = random_inputs.clusters
    for row in range(len(clusters)):
        low, high = float(clusters.diameter_low_um[row]), float(clusters.diameter_high_um[row])
        assert clusters.borderline[row] == (category_by_size(low) is not category_by_size(high))


def test_counting_everything_never_lowers_the_category(random_inputs):
    finding = find(random_inputs)
    assert finding.if_all_counted.rank >= finding.category.rank
    assert finding.category.rank >= max(finding.category_by_size.rank, finding.category_by_cells.rank)


def test_what_is_not_counted_changes_nothing(random_inputs, measures):
    clusters = random_inputs.clusters
    swollen = np.where(clusters.is_counted, 1.0, 3.0)
    other = replace(clusters, cells=clusters.cells * swollen, cells_low=clusters.cells_low * swollen)
    kept, changed = find(random_inputs), find(replace(random_inputs, clusters=other))
    for name in ("category", "max_diameter_um", "cluster_id", "estimated_cells", "n_clusters", "n_itc"):
        assert getattr(kept, name) == getattr(changed, name)
    assert summarise_gap(clusters) == summarise_gap(other)


def test_the_slide_is_as_bad_as_its_worst_piece(random_inputs):
    finding = find(replace(random_inputs, quality=GOOD))
    pieces = [one.category for one in random_inputs.pieces if one.category is not None]
    if finding.category is NOT_ASSESSABLE:
        assert not pieces
        return
    on_none = random_inputs.clusters.is_counted & (random_inputs.clusters.piece_id == 0)
    pieces += list(random_inputs.clusters.category[on_none])
    assert finding.category is max(pieces, key=lambda category: category.rank)


def test_the_finding_points_at_its_cluster(random_inputs):
    finding, clusters = find(random_inputs), random_inputs.clusters
    if finding.cluster_id is None:
        assert finding.max_diameter_um is None
        assert finding.category in (NEGATIVE, NOT_ASSESSABLE)
        return
    row = finding.cluster_id - 1
    assert clusters.is_counted[row]
    assert finding.max_diameter_um == clusters.max_diameter_um[clusters.is_counted].max()
    assert finding.diameter_interval_um is not None
    assert finding.diameter_interval_um[0] <= finding.max_diameter_um <= finding.diameter_interval_um[1]


def test_headlines_are_for_people(random_inputs):
    for quality in (random_inputs.quality, GOOD, replace(GOOD, is_h_dab=False)):
        words = find(replace(random_inputs, quality=quality)).headline
        assert words.endswith(".")
        assert ".." not in words
        assert "  " not in words
        for machine_word in ("nan", "None", "inf ", "_"):
            assert machine_word not in words


@settings(max_examples=50)
@given(st.lists(st.floats(1, 5000), min_size=1, max_size=6).map(lambda sizes: sorted(sizes, reverse=True)))
def test_growing_a_cluster_never_lowers_the_finding(measures, sizes_um):
    larger = [sizes_um[0] * 1.5, *sizes_um[1:]]
    assert finding_of(measures(larger)).category.rank >= finding_of(measures(sizes_um)).category.rank


# --- configuration -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"itc_limit_um": 0.0}, "itc_limit_um < micro_limit_um"),
        ({"itc_limit_um": 2000.0}, "itc_limit_um < micro_limit_um"),
        ({"micro_limit_um": float("nan")}, "itc_limit_um < micro_limit_um"),
        ({"cell_limit": -1.0}, "cell_limit must be above 0"),
        ({"diffuse_extent_um": float("inf")}, "diffuse_extent_um must be above 0"),
        ({"minimum_coverage": 98.0}, "share from 0 to 1"),
        ({"near_limit_share": -0.1}, "share from 0 to 1"),
        ({"doubtful_flags": ("ink", "weak")}, "ink is in not_counted_flags and in doubtful_flags"),
    ],
    ids=str,
)
def test_impossible_limits_are_refused(values, says):
    with pytest.raises(ConfigError, match=says):
        ClassifyParams(**values)


def test_limits_are_configured(measures):
    params = ClassifyParams(itc_limit_um=100.0, micro_limit_um=1000.0, cell_limit=50.0)
    assert finding_of(measures([150.0]), params=params).category is MICRO
    assert finding_of(measures([90.0], cells=60.0), params=params).category is MICRO
