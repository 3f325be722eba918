"""What a finding says, word for word."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from micromet_path.clinical.classify import FindingInputs, find, judge
from micromet_path.clinical.wording import millimetres, percent, square_millimetres
from micromet_path.model import Category, Dropped, GapFinding, Piece, Quality, Role

NEGATIVE = (
    "No keratin-positive candidate counted. Read: 99.6 % of the detected tissue (41.2 mm2), 98 % in focus. Smallest "
    "countable object 25 um2 (6 um). Not counted: 14 specks, 2 pigment-like (largest 0.06 mm, shown). Control: not "
    "stated. Antibody: not stated. Unscanned glass and deeper levels were not examined."
)
READ = "Read: 99.6 % of the detected tissue (41.2 mm2), 98 % in focus. Smallest countable object 25 um2 (6 um)."
END = "Control: not stated. Antibody: not stated. Unscanned glass and deeper levels were not examined."
GOOD = Quality(tissue_area_mm2=41.23, coverage=0.9968, in_focus=0.985)
PIECES = (Piece(1, (0, 0, 9, 9), 41.0), Piece(2, (9, 0, 18, 9), 0.2, role=Role.CONTROL))
SPECKS = {"below_area": Dropped(12, 5.0), "no_strong_pixel": Dropped(2, 9.0)}


@pytest.fixture
def say(measures):
    """The headline of clusters; keywords are those of the builder, and of `FindingInputs` in `inputs`."""

    def headline(sizes_um, inputs=None, quality=GOOD, **columns):
        clusters = judge(measures(sizes_um, **columns), {2: Role.CONTROL})
        return find(FindingInputs(clusters=clusters, pieces=PIECES, quality=quality, **(inputs or {}))).headline

    return headline


# --- negative ----------------------------------------------------------------------------------------


def test_the_fixed_wording_of_a_negative(say):
    assert say([60.0, 40.0], SPECKS, flags={"pigment_like": [1.0, 0.8]}) == NEGATIVE


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        ({"in_focus": None}, "(41.2 mm2), focus not measured."),
        ({"coverage": 0.99999}, "Read: 99.9 % of the detected tissue"),
        ({"coverage": 1.0}, "Read: 100 % of the detected tissue"),
        ({"coverage": 0.98}, "Read: 98 % of the detected tissue"),
        ({"in_focus": 0.9999}, "99 % in focus."),
        ({"control_result": "passed", "antibody": "AE1/AE3"}, "Control: passed. Antibody: AE1/AE3."),
        ({"tissue_area_mm2": 0.0123}, "(0.012 mm2)"),
        (
            {"shows_chromogen": False},
            "Control: not stated, and nothing on the slide is stained: whether the stain worked, only a control can",
        ),
        ({"shows_chromogen": False, "control_result": "passed"}, "Control: passed. Antibody"),
        ({"shows_chromogen": False, "control_on_slide": "stained"}, "Control: not stated. Antibody"),
    ],
    ids=str,
)
def test_what_a_negative_rests_on(say, quality, words):
    assert words in say([], quality=replace(GOOD, **quality))


@pytest.mark.parametrize(
    ("inputs", "columns", "words"),
    [
        ({}, {}, "nothing"),
        ({"below_area": Dropped(1, 4.0)}, {}, "1 speck (largest 0.004 mm)"),
        ({"below_area": Dropped(3, None)}, {}, "3 specks"),
        (SPECKS, {"flags": {"ink": [1.0]}}, "14 specks, 1 ink (largest 0.06 mm, shown)"),
        (
            {"no_strong_pixel": Dropped(3, 90.0)},
            {"flags": {"off_tissue": [1.0]}},
            "3 specks (largest 0.09 mm), 1 off-tissue (largest 0.06 mm, shown)",
        ),
        ({}, {"piece_id": [2]}, "1 on control or excluded tissue"),
    ],
)
def test_nothing_vanishes_silently(say, inputs, columns, words):
    assert f"Not counted: {words}. {END}" in say([60.0] if columns else [], inputs, **columns)


def test_the_strongest_reason_is_named(say):
    words = say([60.0, 50.0], flags={"pigment_like": [0.6, 1.0], "ink": [0.9, 0.0]})
    assert "Not counted: 1 ink (largest 0.06 mm, shown), 1 pigment-like (largest 0.05 mm, shown)." in words


def test_no_bare_negative_beside_a_large_uncounted_cluster(say):
    assert say([310.0], flags={"pigment_like": [1.0]}) == (
        "No counted candidate, but one not counted cluster of 0.31 mm (pigment-like, cluster 1) needs a look. "
        f"{READ} Not counted: 1 pigment-like (largest 0.31 mm, shown). {END}"
    )


def test_a_negative_that_a_larger_gap_would_change(say):
    words = say([], {"by_gap": (GapFinding(7.0, Category.NEGATIVE, None), GapFinding(25.0, Category.ITC, 48.0))})
    assert words.startswith(
        "No keratin-positive candidate counted. ITC, 0.05 mm, if foci up to 25 um apart are one. Read: "
    )


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (
            {"is_h_dab": False, "stain_note": "looks like haematoxylin and eosin"},
            "the colours are not those of haematoxylin and DAB (looks like haematoxylin and eosin).",
        ),
        ({"control_result": "failed"}, "the control stain failed."),
        ({"coverage": 0.93199}, "93.1 % of the detected tissue was read, 98 % is needed."),
        ({"coverage": 0.97999}, "97.9 % of the detected tissue was read, 98 % is needed."),
        ({"unreadable_tiles": 3}, "3 stored tiles could not be decoded."),
        (
            {"coverage": 0.5, "in_focus": 0.5},
            "50 % of the detected tissue was read, 98 % is needed; 50 % of the tissue is in focus, 98 % is needed.",
        ),
    ],
    ids=str,
)
def test_not_assessable(say, quality, words):
    assert say([], quality=replace(GOOD, **quality)) == (
        f"Not assessable: {words} No keratin-positive candidate counted in what could be read."
    )


def test_not_assessable_with_clusters(say):
    words = say([300.0, 60.0], quality=replace(GOOD, control_result="failed"))
    assert words == "Not assessable: the control stain failed. 2 clusters are listed but not judged."


# --- positive ----------------------------------------------------------------------------------------

PAIR = (
    GapFinding(7.0, Category.ITC, 180.4),
    GapFinding(15.0, Category.ITC, 190.0),
    GapFinding(25.0, Category.MICROMETASTASIS, 312.0),
)


@pytest.mark.parametrize(
    ("sizes_um", "columns", "words"),
    [
        pytest.param(
            [1234.0],
            {"interval_um": [(1200.0, 1260.0)]},
            "Micrometastasis, 1.23 mm (1.20-1.26), gap 7 um.",
            id="plain",
        ),
        pytest.param(
            [1234.0],
            {"interval_um": [(1200.0, 1260.0)], "size_is_minimum": True},
            "Micrometastasis, >= 1.23 mm (1.20-1.26), gap 7 um.",
            id="minimum",
        ),
        pytest.param(
            [200.4],
            {"interval_um": [(198.0, 203.0)], "gap_um": 15.0},
            "Micrometastasis, 0.2004 mm (0.20-0.203), gap 15 um. "
            "Borderline: the interval 0.20-0.203 mm spans the limit of 0.2 mm.",
            id="borderline",
        ),
        pytest.param(
            [2150.0],
            {"interval_um": [(2100.0, 2200.0)]},
            "Macrometastasis, 2.15 mm (2.10-2.20), gap 7 um. Near the limit of 2 mm.",
            id="near a limit",
        ),
        pytest.param(
            [6.0],
            {"flags": {"weak": [1.0], "tissue_edge": [0.7]}},
            "ITC, 0.01 mm (0.006-0.006), gap 7 um. "
            "Doubtful: nothing counted is free of a reason for doubt (weak, tissue-edge).",
            id="doubtful only",
        ),
        pytest.param(
            [60.0, 50.0],
            {"flags": {"fold": [1.0, 0.0]}},
            "ITC, 0.06 mm (0.060-0.060), gap 7 um. The largest cluster is doubtful (fold).",
            id="doubtful largest",
        ),
        pytest.param(
            [310.0, 50.0],
            {"flags": {"pigment_like": [1.0, 0.0]}},
            "ITC, 0.05 mm (0.050-0.050), gap 7 um. "
            "One not counted cluster of 0.31 mm (pigment-like, cluster 1) needs a look.",
            id="large uncounted",
        ),
        pytest.param(
            [90.0, 60.0],
            {"cells": [(160, 130, 200), (100, 80, 130)]},
            "ITC by size (0.09 mm). About 260 (210-330) dispersed cells in one profile: micrometastasis by the "
            "200-cell guideline, if confirmed as tumour. Gap 7 um.",
            id="by cells",
        ),
        pytest.param(
            [150.0],
            {"cells": [(230.0, 200.4, 280.0)]},
            "ITC by size (0.15 mm). About 230 (201-280) cells in one profile: micrometastasis by the "
            "200-cell guideline, if confirmed as tumour. Gap 7 um.",
            id="by cells of one solid cluster",
        ),
        pytest.param(
            [150.0],
            {"cells": [(230.0, 190.0, 280.0)]},
            "ITC, 0.15 mm (0.150-0.150), gap 7 um. "
            "About 230 (190-280) cells in one profile, near the 200-cell guideline: class by size.",
            id="near 200 cells",
        ),
    ],
)
def test_positive(say, sizes_um, columns, words):
    assert say(sizes_um, **columns) == words


def test_a_pair_of_classes(say):
    pair = "ITC, 0.18 mm contiguous (gap 7 um); micrometastasis, 0.31 mm, if foci up to 25 um apart are one"
    assert say([179.0], {"by_gap": PAIR}) == f"{pair}."
    assert say([180.4], {"by_gap": PAIR}, interval_um=[(170.0, 201.0)]) == (
        f"{pair}. Borderline: the interval 0.17-0.201 mm spans the limit of 0.2 mm."
    )


def test_each_higher_class_is_told_once(say):
    gaps = (*PAIR, GapFinding(50.0, Category.MACROMETASTASIS, 2300.0), GapFinding(75.0, Category.MACROMETASTASIS, 9e3))
    assert say([90.0], {"by_gap": gaps}).endswith(
        "; micrometastasis, 0.31 mm, if foci up to 25 um apart are one"
        "; macrometastasis, 2.30 mm, if foci up to 50 um apart are one."
    )


def test_a_higher_class_by_cells_is_no_size(say):
    gaps = (GapFinding(15.0, Category.MICROMETASTASIS, 110.0),)
    assert "micrometastasis by cells, 0.11 mm, if foci up to 15 um apart are one." in say([90.0], {"by_gap": gaps})


@pytest.mark.parametrize(("extent_um", "printed"), [(4812.0, "4.8"), (2000.4, "2.0004"), (2040.0, "2.04")])
def test_dispersed(say, extent_um, printed):
    words = say([90.0, 80.0], {"scatter_extent_um": extent_um}, cells=130.0)
    assert words == (
        "ITC by size (0.09 mm). About 260 (260-260) dispersed cells in one profile: micrometastasis by the "
        f"200-cell guideline, if confirmed as tumour; dispersed pattern over {printed} mm; contiguity cannot size "
        "this; a pathologist decides between micro- and macrometastasis. Gap 7 um."
    )


def test_half_read(say):
    assert say([300.0], quality=replace(GOOD, coverage=0.9312)) == (
        "Micrometastasis, >= 0.30 mm (0.300-0.300), gap 7 um. "
        "Seen in part, so at least this: 93.1 % of the detected tissue was read, 98 % is needed."
    )


# --- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_um", "printed"),
    [
        (1234.0, "1.23"),
        (199.6, "0.20"),
        (200.0, "0.20"),
        (200.04, "just above 0.20"),
        (200.4, "0.2004"),
        (201.0, "0.201"),
        (204.9, "0.205"),
        (205.1, "0.21"),
        (1999.9, "2.00"),
        (2000.0, "2.00"),
        (2001.0, "2.001"),
        (np.nextafter(2000.0, np.inf), "just above 2.00"),
        (6.0, "0.01"),
        (4.0, "0.004"),
        (0.4, "0.0004"),
        (0.01, "below 0.0001"),
        (0.0, "0.00"),
        (123456.0, "123.46"),
    ],
)
def test_millimetres(size_um, printed):
    assert millimetres(size_um) == printed


@given(st.floats(0.1, 1e5))
@example(200.0)
@example(2000.0)
def test_a_printed_size_is_on_its_side_of_every_limit(size_um):
    printed = millimetres(size_um)
    for limit_um in (200.0, 2000.0):
        above = printed.startswith("just above") or Decimal(printed) * 1000 > limit_um
        if printed.startswith("just above") and Decimal(printed.removeprefix("just above ")) * 1000 != limit_um:
            continue
        assert above == (size_um > limit_um)


@given(st.floats(0, 1))
def test_a_share_is_never_rounded_up(share):
    for decimals in (0, 1):
        number = Decimal(percent(share, decimals).removesuffix(" %"))
        assert number <= Decimal(share) * 100 + Decimal("1e-12")
        assert number > Decimal(share) * 100 - Decimal(1).scaleb(-decimals) - Decimal("1e-12")


@pytest.mark.parametrize(
    ("area_mm2", "printed"),
    [(412.34, "412.3 mm2"), (1.0, "1.0 mm2"), (0.0123, "0.012 mm2"), (0.00001, "below 0.0001 mm2"), (0.0, "0 mm2")],
)
def test_square_millimetres(area_mm2, printed):
    assert square_millimetres(area_mm2) == printed


def test_nothing_is_said_of_what_lies_in_the_dark(say):
    quality = replace(GOOD, has_light=False)

    assert say([], quality=quality) == "Not assessable: the picture is black, nothing was illuminated."


def test_without_tissue_nothing_is_said_of_what_was_read(say):
    quality = replace(GOOD, tissue_area_mm2=0.0, coverage=None)

    assert say([], quality=quality) == "Not assessable: 0 mm2 of tissue was found, 0.01 mm2 is needed."
