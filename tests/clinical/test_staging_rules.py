"""The rules of staging, one test a rule; the id names the rule, and its source where it has one of its own.

Without another name a rule is the AJCC Cancer Staging Manual's, 8th edition (2017), breast.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import product
from math import inf, nextafter
from pathlib import Path
from typing import Any

import pytest

from micromet_path.clinical.case import parse_case
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.casework import stage_case
from micromet_path.clinical.groups import PrognosticTable, shipped_table
from micromet_path.clinical.nodes import FocusEvidence, SectionFinding
from micromet_path.clinical.staging import (
    anatomic_stage,
    camelyon17_stage,
    node_category,
    osna_class,
    pathologic_n,
    prognostic_stage,
    t_from_size,
)
from micromet_path.errors import ConfigError
from micromet_path.model import CellEstimate, Finding, GapFinding, Role
from tests.clinical.conftest import make_measures
from tests.clinical.test_classify import GOOD, ITC, MACRO, MICRO, NEGATIVE, finding_of, piece

Facts = dict[str, Any]


def codes(answer: Any) -> set[str]:
    """Codes of the warnings."""
    return {caution.code for caution in answer.cautions}


def case_of(nodes: Sequence[Facts] = (), **facts: Any) -> CaseStage:
    """A staged case; nodes without a name are numbered."""
    named = [{"node_id": str(number), **node} for number, node in enumerate(nodes, start=1)]
    return stage_case(parse_case({"case_id": "A", "nodes": named, **facts}))


def section(name: str, sizes_um: Sequence[float] = (), **measured: Any) -> SectionFinding:
    """A slide of one node; `finding` has the keywords of `finding_of`, the rest those of `make_measures`."""
    finding = measured.pop("finding", {})
    said = {key: measured.pop(key) for key in ("problem", "clone", "is_confirmed") if key in measured}
    made: Finding = finding_of(make_measures(list(sizes_um), **measured), **finding)
    return SectionFinding(name, f"print of {name}", f"{name}.svs", (1,), made, **said)


def from_slides(*nodes: Sequence[SectionFinding], **facts: Any) -> CaseStage:
    """A staged case of which each node was seen on slides."""
    sections = {str(number): list(found) for number, found in enumerate(nodes, start=1)}
    listed = [
        {"node_id": name, "slides": [{"result": one.result} for one in found]} for name, found in sections.items()
    ]
    return stage_case(parse_case({"case_id": "A", "nodes": listed, **facts}), sections)


RESECTED = {"pt": "T1c"}


def rule(identity: str, *values: Any) -> Any:
    return pytest.param(*values, id=identity)


# --- a node ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_mm", "cells", "category"),
    [
        rule("above 2.0 mm is a macrometastasis", nextafter(2.0, inf), None, MACRO),
        rule("exactly 2.0 mm is a micrometastasis", 2.0, None, MICRO),
        rule("a macrometastasis needs no cells", 12.0, 0, MACRO),
        rule("cells never make a macrometastasis", 2.0, 1_000_000, MICRO),
        rule("above 0.2 mm is a micrometastasis", nextafter(0.2, inf), None, MICRO),
        rule("above 0.2 mm is a micrometastasis, with few cells too", 0.3, 5, MICRO),
        rule("exactly 0.2 mm is ITC", 0.2, None, ITC),
        rule("exactly 0.2 mm with exactly 200 cells is ITC", 0.2, 200, ITC),
        rule("exactly 0.2 mm with 201 cells is a micrometastasis", 0.2, 201, MICRO),
        rule("201 cells without a size are a micrometastasis", None, 201, MICRO),
        rule("200 cells without a size are ITC", None, 200, ITC),
        rule("one cell is ITC", None, 1, ITC),
        rule("one cell without an extent is ITC", 0.0, 1, ITC),
        rule("the smallest focus is ITC", 5e-324, None, ITC),
        rule("no cell is negative", 0.0, 0, NEGATIVE),
        rule("nothing measured is negative", None, None, NEGATIVE),
        rule("2.4 mm is never rounded down to a micrometastasis", 2.4, None, MACRO),
        rule("0.24 mm is never rounded down to ITC", 0.24, None, MICRO),
        rule("CAP Today Q&A 2003-07: 0.9 mm, the largest of three foci, is a micrometastasis", 0.9, None, MICRO),
    ],
)
def test_category_of_a_node(size_mm, cells, category):
    assert node_category(size_mm, cells) is category
    if size_mm is not None or cells is not None:
        staged = case_of([{"size_mm": size_mm, "cells": cells}])
        assert staged.nodes[0].category == category.value
        assert staged.nodes[0].reasons[0].text.startswith(f"{category.value}, as ")


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"size_mm": 2.4}, r"2\.40? mm, above 2\.0 mm$"),
        ({"size_mm": 0.9, "cells": 500}, r"0\.90? mm, above 0\.2 mm and not above 2\.0 mm$"),
        ({"size_mm": 0.1, "cells": 201}, r"0\.10? mm, with 201 cells on a section, more than 200$"),
        (
            {"size_mm": 0.1, "cells": 200},
            r"0\.10? mm, with 200 cells on a section, neither above 0\.2 mm nor above 200",
        ),
        ({"size_mm": 0.1}, r"0\.10? mm, neither above 0\.2 mm nor above 200 cells$"),
        ({"cells": 5}, r"5 cells were counted on a section, no size was measured; not above 200$"),
        ({"size_mm": 0.0}, r"negative, as no focus was measured$"),
    ],
    ids=str,
)
def test_the_reason_of_a_typed_node_is_the_clause_that_decides(node, says):
    reason = case_of([node]).nodes[0].reasons[0]
    assert re.search(says, reason.text), reason.text
    assert (reason.about, reason.rule) == ("node 1", "node category")


@pytest.mark.parametrize("size_mm", [0.2000001, 0.2001, 2.000001, 2.0001, 2.004])
def test_a_size_is_never_printed_on_the_other_side_of_a_limit(size_mm):
    staged = case_of([{"size_mm": size_mm}])
    told = [staged.nodes[0].reasons[0].text, *(text for text in staged.warnings if "near_limit" in text)]
    limit = "2.0" if size_mm > 1 else "0.2"
    assert len(told) == 2
    for text in told:
        printed = re.search(r"(just above )?([\d.]+) mm", text)
        assert printed[1] or float(printed[2]) > float(limit), text


@pytest.mark.parametrize(
    ("size_mm", "near"),
    [(0.179, None), (0.18, "0.18"), (0.2, "0.20"), (0.22, "0.22"), (0.221, None)]
    + [(1.79, None), (1.8, "1.80"), (2.0, "2.00"), (2.2, "2.20"), (2.21, None)],
)
def test_near_a_limit_two_decimals_are_printed(size_mm, near):
    said = [caution.text for caution in case_of([{"size_mm": size_mm}]).cautions if caution.code == "near_limit"]
    assert len(said) == (near is not None)
    assert all(f"{near} mm is within 10 %" in text for text in said)


@pytest.mark.parametrize(
    ("node", "near"),
    [
        rule("159 cells are not near 200", {"cells": 159}, False),
        rule("160 cells are within 20 % of 200", {"cells": 160}, True),
        rule("240 cells are within 20 % of 200", {"cells": 240}, True),
        rule("241 cells are not near 200", {"cells": 241}, False),
        rule("200 is a guideline where size says ITC", {"cells": 201, "size_mm": 0.2}, True),
        rule("200 says nothing where size says micrometastasis", {"cells": 201, "size_mm": 0.21}, False),
    ],
)
def test_near_200_cells(node, near):
    assert ("near_200_cells" in codes(case_of([node]))) == near


@pytest.mark.parametrize(
    ("slides", "category"),
    [
        rule("130 and 130 cells on two sections are ITC", [([90.0], 130.0), ([80.0], 130.0)], ITC),
        rule("260 dispersed cells in one section are a micrometastasis", [([90.0, 80.0], 130.0)], MICRO),
        rule("sizes on two sections are not added", [([1500.0], 1.0), ([1500.0], 1.0)], MICRO),
        rule("the worst section decides", [([90.0], 1.0), ([], 1.0), ([2100.0], 1.0), ([300.0], 1.0)], MACRO),
        rule("CAP Today Q&A 2003-07: 0.9, 0.7 and 0.6 mm are a micrometastasis", [([900, 700, 600], 1.0)], MICRO),
        rule("CAP Today Q&A 2003-07: three foci of 0.1 mm are ITC", [([100, 100, 100], 1.0)], ITC),
        rule("nothing on any section is negative", [([], 1.0), ([], 1.0)], NEGATIVE),
    ],
)
def test_sections_of_one_node(slides, category):
    staged = from_slides([section(f"s{i}", sizes, cells=cells) for i, (sizes, cells) in enumerate(slides)])
    assert staged.nodes[0].category == category.value
    assert staged.counts.listed == staged.counts.examined == 1
    assert staged.counts.slides_read == len(slides)


def test_the_evidence_of_the_worst_section_is_kept():
    focus = FocusEvidence(1, 2100.0, ((0.0, 0.0), (8400.0, 0.0)), (0, 0, 8400, 40), location="perinodal")
    worst = replace(section("s2", [2100.0]), focus=focus, block="B", section="3")
    found = from_slides([section("s1", [90.0]), worst]).nodes[0]
    assert found.deciding is worst
    assert found.deciding.focus is focus
    assert (found.size_mm, found.size_interval_mm) == (2.1, (2.1, 2.1))
    assert "the worst of 2 slides, slide s2 (block B, section 3) is 2.10 mm (cluster 1)" in found.reasons[0].text
    assert "focus on slide s1 is 0.09 mm (cluster 1)" in from_slides([section("s1", [90.0])]).nodes[0].reasons[0].text


@pytest.mark.parametrize(
    ("cells", "category", "near"),
    [
        rule("a 190 um disc of 230 estimated cells, 190-270, stays ITC", (230.0, 190.0, 270.0), ITC, True),
        rule("an interval from exactly 200 does not raise the class", (230.0, 200.0, 270.0), ITC, True),
        rule("an interval above 200 raises the class", (260.0, 210.0, 330.0), MICRO, False),
        rule("an interval above 200, the estimate near it", (230.0, 201.0, 260.0), MICRO, True),
        rule("an interval up to exactly 200 is near it", (150.0, 120.0, 200.0), ITC, True),
        rule("an interval below 200", (150.0, 120.0, 190.0), ITC, False),
    ],
)
def test_estimated_cells_raise_the_class_only_when_the_whole_interval_does(cells, category, near):
    staged = from_slides([section("s1", [190.0], cells=[cells])], primary=RESECTED)
    found = staged.nodes[0]
    assert found.category == category.value
    assert staged.pn == ("pN0(i+)" if category is ITC else "pN1mi")
    assert (found.deciding.finding.category_by_size, found.deciding.finding.category_by_cells) == (ITC, category)
    assert ("near_200_cells" in codes(staged)) == near
    by_cells = f"about {cells[0]:.0f} ({cells[1]:.0f}-{cells[2]:.0f}) cells, more than 200 throughout"
    assert (by_cells in found.reasons[0].text) == (category is MICRO)


def test_a_typed_count_decides_where_an_estimate_does_not():
    assert case_of([{"size_mm": 0.19, "cells": 230}]).pn_category == "pN1mi"


@pytest.mark.parametrize(
    ("cells", "extent_um", "diffuse"),
    [
        rule("CAP Today Q&A 2003-07: 260 cells over 4.8 mm", 260.0, 4800.0, True),
        rule("over exactly 2.0 mm it is not diffuse", 260.0, 2000.0, False),
        rule("with 200 cells it is not diffuse", 200.0, 4800.0, False),
    ],
)
def test_a_diffuse_pattern_is_left_to_the_pathologist(cells, extent_um, diffuse):
    staged = from_slides([section("s1", [90.0], cells=cells, finding={"scatter_extent_um": extent_um})])
    said = [caution.text for caution in staged.cautions if caution.code == "diffuse_pattern"]
    assert len(said) == diffuse
    assert all("dispersed pattern over 4.8 mm; contiguity cannot size this" in text for text in said)
    assert all("a pathologist decides between micro- and macrometastasis" in text for text in said)
    assert staged.counts.largest_mm == 0.09  # the extent is never a size
    assert staged.nodes[0].category != MACRO.value


def test_cells_of_mimics_and_of_other_pieces_are_not_counted():
    pigment = section("s1", [90.0, 80.0], cells=130.0, flags={"pigment_like": [0.0, 1.0]})
    pieces = section("s2", [90.0, 80.0], cells=130.0, piece_id=[1, 2], finding={"pieces": (piece(1), piece(2))})
    control = section(
        "s3", [90.0, 80.0], cells=130.0, piece_id=[1, 2], finding={"pieces": (piece(1), piece(2, Role.CONTROL))}
    )
    for one in (pigment, pieces, control):
        assert from_slides([one]).nodes[0].category == ITC.value


@pytest.mark.parametrize("extent", ["present", 3.5])
def test_extranodal_extension_does_not_change_pn(extent):
    nodes = [{"category": "micro"}]
    plain, extended = (
        case_of(nodes, procedure={} if fact is None else {"extranodal_extension": fact}) for fact in (None, extent)
    )
    assert extended.pn == plain.pn == "pN1mi"
    assert codes(extended) - codes(plain) == {"extranodal_extension"}
    assert codes(case_of(nodes, procedure={"extranodal_extension": 0.0})) == codes(plain)
    assert "extranodal_extension" not in codes(case_of(nodes, procedure={"extranodal_extension": "absent"}))


@pytest.mark.parametrize(
    ("confirmed", "status"),
    [
        ([True, True], "confirmed"),
        ([True, None], "suggested"),
        ([True, False], "suggested"),
        ([None, None], "suggested"),
    ],
)
def test_an_unconfirmed_finding_gives_a_suggested_category(confirmed, status):
    staged = case_of([{"category": "itc", "confirmed": fact} for fact in confirmed])
    assert (staged.status, staged.pn) == (status, "pN0(i+)")
    assert ("unconfirmed" in codes(staged)) == (status == "suggested")
    unconfirmed = [str(number) for number, fact in enumerate(confirmed, start=1) if not fact]
    names = f"node{'s' if len(unconfirmed) > 1 else ''} {', '.join(unconfirmed)} "
    assert all(names in caution.text for caution in staged.cautions if caution.code == "unconfirmed")


@pytest.mark.parametrize(
    "node", [{"category": "macro"}, {"size_mm": 2.4}, {"cells": 5}, {"category": "negative"}], ids=str
)
def test_a_typed_node_is_confirmed_where_the_case_says_so(node):
    assert [case_of([{**node, "confirmed": fact}]).status for fact in (True, False, None)] == [
        *("confirmed", "suggested", "suggested"),
    ]


def test_typed_measurements_are_kept():
    found = case_of([{"size_mm": 0.19, "cells": 230}, {"size_mm": 0.3}, {"category": "itc"}]).nodes
    assert [node.size_mm for node in found] == [0.19, 0.3, None]
    assert [node.cells for node in found] == [CellEstimate(230.0, 230.0, 230.0), None, None]


@pytest.mark.parametrize(
    ("closed", "stated", "status"),
    [
        rule("a closed review confirms", [True, True], "unknown", "confirmed"),
        rule("one open slide of a node leaves it suggested", [True, False], "unknown", "suggested"),
        rule("the case file confirms", [False, False], True, "confirmed"),
        rule("the case file outweighs a closed review", [True, True], False, "suggested"),
    ],
)
def test_who_confirms_a_slide(closed, stated, status):
    slides = [section(f"s{number}", [90.0], is_confirmed=fact) for number, fact in enumerate(closed)]
    node = {"node_id": "1", "confirmed": stated, "slides": [{"result": one.result} for one in slides]}
    assert stage_case(parse_case({"case_id": "A", "nodes": [node]}), {"1": slides}).status == status


FAILED = "it could not be read"


@pytest.mark.parametrize(
    ("others_um", "problem", "pn"),
    [
        rule("one of six slides failed, the rest negative", [], FAILED, "pN not assigned yet: 5 of 6 slides; slide s5"),
        rule("one of six slides failed, the rest ITC", [90.0], FAILED, "pN not assigned yet: 5 of 6 slides; slide s5"),
        rule("one of six slides failed, a micrometastasis on the rest", [300.0], FAILED, "at least pN1mi"),
        rule("one of six slides failed, a macrometastasis on the rest", [2100.0], FAILED, "at least pN1a"),
        rule("two pieces without a map", [], "node assignment not stated", "pN not assigned yet: 5 of 6 slides"),
        rule("a failed control", [90.0], "its control failed", "pN not assigned yet: 5 of 6 slides"),
    ],
)
@pytest.mark.parametrize("is_one_node", [True, False], ids=["one node", "six nodes"])
def test_a_case_is_not_negative_while_a_slide_says_nothing(others_um, problem, pn, is_one_node):
    slides = [section(f"s{number}", others_um) for number in range(5)]
    slides.append(section("s5", problem=problem))
    staged = from_slides(*([slides] if is_one_node else [[one] for one in slides]), primary=RESECTED)
    expected = pn.replace("pN1a", "pN2a") if not is_one_node else pn  # five nodes with a macrometastasis
    assert staged.pn.startswith(expected)
    assert staged.status == "incomplete"
    assert (staged.counts.slides_read, staged.counts.slides_expected) == (5, 6)
    assert "incomplete" in codes(staged)
    assert problem in staged.warnings[0] + staged.warnings[1]
    last = staged.nodes[-1]
    assert (last.category is None) == (not is_one_node or not others_um)
    assert last.is_minimum == is_one_node
    if not pn.startswith("at least"):
        assert (staged.pn_category, staged.suffixes, staged.anatomic_stage) == (None, (), None)


def test_a_slide_that_is_expected_and_not_listed_is_missing():
    slides = [section(f"s{number}") for number in range(5)]
    assert from_slides(slides, expected_slides=6).pn == "pN not assigned yet: 5 of 6 slides"
    assert from_slides(slides, expected_slides=5).pn == "pN0"
    assert "slides_not_named" in codes(case_of([{"category": "negative"}], expected_slides=6))


def test_a_slide_that_is_listed_and_was_not_read_is_missing():
    case = parse_case({"case_id": "A", "nodes": [{"node_id": "1", "slides": [{"result": "a"}, {"result": "b"}]}]})
    for sections in ({"1": [section("a")]}, {"1": [section("a", [90.0])]}, {}, None):
        staged = stage_case(case, sections)
        assert staged.pn.startswith("pN not assigned yet: ")
        assert (staged.pn_category, staged.status) == (None, "incomplete")
    staged = stage_case(case, {"1": [section("a", [900.0])]})
    assert (staged.pn, staged.status) == ("at least pN1mi", "incomplete")


@pytest.mark.parametrize(
    ("known", "pn"),
    [
        ("negative", "pN not assigned yet: node 2 is not assessable"),
        ("itc", "pN not assigned yet: node 2 is not assessable"),
        ("micro", "at least pN1mi(sn)"),
        ("positive", "at least pN1a(sn)"),
    ],
)
def test_a_node_that_is_not_assessable(known, pn):
    staged = case_of([{"category": known}, {"category": "not_assessable"}], procedure={"sentinel": True})
    assert (staged.pn, staged.status) == (pn, "incomplete")


def test_a_node_of_which_nothing_is_stated_is_not_negative():
    assert case_of([{"category": "negative"}, {}]).pn == "pN not assigned yet: nothing is stated of node 2"


@pytest.mark.parametrize("quality", [{"coverage": 0.9}, {"in_focus": 0.5}], ids=["incomplete", "out of focus"])
@pytest.mark.parametrize(("size_um", "pn"), [(90.0, "pN not assigned yet: "), (300.0, "at least pN1mi")])
def test_what_a_slide_shows_that_was_read_in_part_is_the_least_there_is(quality, size_um, pn):
    slide = section("a", [size_um], finding={"quality": replace(GOOD, **quality)}, is_confirmed=True)
    staged = from_slides([slide], primary=RESECTED)
    assert staged.pn.startswith(pn)
    assert staged.status == "incomplete"


def test_a_node_that_says_nothing_is_told_where_pn_is_asked_for_alone():
    for unsaid in ({"category": "not_assessable"}, {}):
        assert "not_assessable" in codes(pathologic_n([{"category": "negative"}, unsaid]))


@pytest.mark.parametrize("facts", [{}, {"expected_slides": 3}], ids=["nothing expected", "three slides expected"])
def test_a_case_without_a_node_is_not_confirmed(facts):
    staged = case_of(**facts)
    assert staged.pn_category in (None, "pNX")
    assert staged.status != "confirmed"


@pytest.mark.parametrize("number", [float("nan"), -1.0])
def test_what_is_no_number_is_never_negative(number):
    for refused in (
        lambda: node_category(number, None),
        lambda: node_category(0.1, number),
        lambda: osna_class(number),
    ):
        with pytest.raises(ConfigError, match="0 or more"):
            refused()


@pytest.mark.parametrize("removed", [1, 3])
def test_other_nodes_removed_than_listed_is_a_warning(removed):
    nodes = [{"category": "negative"}] * 2
    assert "nodes_removed_unlike_listed" in codes(case_of(nodes, procedure={"nodes_removed": removed}))
    assert "nodes_removed_unlike_listed" not in codes(case_of(nodes, procedure={"nodes_removed": 2}))


def test_foci_further_apart_may_be_one():
    by_gap = tuple(GapFinding(gap, ITC if gap < 25 else MICRO, 310.0) for gap in (0.0, 7.0, 15.0, 25.0, 50.0, 75.0))
    staged = from_slides([section("s1", [180.0], finding={"by_gap": by_gap})], primary=RESECTED)
    assert "pN0(i+) -> pN1mi if foci up to 25 um apart count as one (would_change)" in staged.warnings


@pytest.mark.parametrize(
    ("gap_um", "changes"),
    [(0.0, False), (6.9, False), (7.0, True), (25.0, True), (50.0, True), (50.1, False), (75.0, False)],
)
def test_gaps_of_which_contiguity_is_a_matter_of_judgement(gap_um, changes):
    by_gap = (GapFinding(gap_um, MICRO, 310.0),)
    staged = from_slides([section("s1", [180.0], finding={"by_gap": by_gap})], primary=RESECTED)
    assert [change.pn for change in staged.changes] == (["pN1mi"] if changes else [])


def test_what_would_change_an_incomplete_case_is_a_minimum_too():
    by_gap = (GapFinding(25.0, MACRO, 2100.0),)
    unread = section("s2", problem="it could not be read")
    positive, not_assigned = (
        from_slides([section("s1", [size], finding={"by_gap": by_gap}), unread], primary=RESECTED)
        for size in (300.0, 150.0)
    )
    assert positive.pn == "at least pN1mi"
    assert [change.pn for change in positive.changes] == ["at least pN1a"]
    assert "at_least" in codes(positive)
    assert not_assigned.pn_category is None
    assert "at_least" not in codes(not_assigned)


def test_a_category_that_contiguity_decides_is_told_where_pn_stays_as_well():
    by_gap = tuple(GapFinding(gap, ITC if gap < 25 else MICRO, 310.0) for gap in (0.0, 7.0, 15.0, 25.0, 50.0, 75.0))
    sensitive = section("s1", [180.0], finding={"by_gap": by_gap})
    staged = from_slides([sensitive], [section("s2", [2100.0])], primary=RESECTED)
    assert (staged.pn, staged.changes) == ("pN1a", ())
    said = [caution.text for caution in staged.cautions if caution.code == "contiguity_sensitive"]
    assert len(said) == 1
    assert "itc" in said[0].lower()
    assert "micrometastasis if foci up to 25 um apart" in said[0]


@pytest.mark.parametrize(
    ("confirmed", "procedure", "told"),
    [
        rule(
            "primary surgery: fibrosis belongs to the size", False, {}, "fibrosis around a deposit belongs to its size"
        ),
        rule(
            "after treatment it does not", False, {"neoadjuvant": True}, "does not belong to its size after treatment"
        ),
        rule("a reviewer has sized what was found", True, {}, None),
    ],
)
def test_what_the_program_cannot_see_is_said_with_the_case(confirmed, procedure, told):
    staged = from_slides([section("a", [900.0], is_confirmed=confirmed)], primary={"pt": "pT1c"}, procedure=procedure)
    said = [caution.text for caution in staged.cautions if caution.code == "not_seen_by_program"]
    assert [told in text and "extranodal extension is not inferred" in text for text in said] == [True] * (
        told is not None
    )


def test_a_size_at_an_edge_is_a_minimum():
    at_edge, inside = (section("s1", [300.0], size_is_minimum=is_minimum) for is_minimum in (True, False))
    for slide, is_minimum in ((at_edge, True), (inside, False)):
        staged = from_slides([slide], primary=RESECTED)
        assert ("size_is_minimum" in codes(staged)) == staged.nodes[0].is_minimum == is_minimum


@pytest.mark.parametrize(("size_um", "near"), [(179.0, False), (181.0, True), (2199.0, True), (2201.0, False)])
def test_a_measured_size_near_a_limit(size_um, near):
    assert ("near_limit" in codes(from_slides([section("s1", [size_um])]))) == near


def test_a_size_whose_interval_holds_a_limit_may_be_the_other_class():
    staged = from_slides([section("s1", [195.0], interval_um=[(180.0, 210.0)])], primary=RESECTED)
    assert "borderline" in codes(staged)
    assert [str(change.pn) for change in staged.changes] == ["pN1mi"]
    assert "upper end" in staged.changes[0].condition


def test_what_is_not_counted_may_be_tumour():
    staged = from_slides([section("s1", [900.0], flags={"pigment_like": [1.0]})], primary=RESECTED)
    assert staged.pn == "pN0"
    assert "uncounted_large" in codes(staged)
    assert [(change.pn, change.condition) for change in staged.changes] == [
        ("pN1mi", "everything that was not counted is tumour")
    ]


@pytest.mark.parametrize(
    ("clone", "prone"), [("CAM5.2", True), ("cam 5.2", True), ("AE1/AE3", True), ("panCK", True), ("MNF116", False)]
)
def test_a_clone_that_marks_mimics(clone, prone):
    assert ("mimic_prone_clone" in codes(from_slides([section("s1", [90.0], clone=clone)]))) == prone
    assert "mimic_prone_clone" not in codes(from_slides([section("s1", clone=clone)]))


@pytest.mark.parametrize(("category", "warned"), [("itc", True), ("micro", True), ("negative", False)])
def test_what_was_found_by_immunohistochemistry_alone(category, warned):
    staged = case_of([{"category": category, "detected_by": "ihc-only"}])
    assert ("ihc_only" in codes(staged)) == warned
    assert staged.pn_category == case_of([{"category": category}]).pn_category


# --- pN ----------------------------------------------------------------------------------------------


def many(category: str, number: int = 1, station: str = "axillary-1", **facts: Any) -> list[Facts]:
    return [{"category": category, "station": station, **facts}] * number


FOUND_IM = {"station": "internal-mammary", "sentinel": True}  # whether clinically detected is not stated
SENTINEL_IM = {**FOUND_IM, "clinically_detected": False}
FOUND = many("micro", 1, **FOUND_IM)
CLINICAL_IM = {"station": "internal-mammary", "clinically_detected": True}
LEVEL_3_AND_IM = many("micro", 1, **SENTINEL_IM) + many("macro", 1, "axillary-3")
PN = [
    rule("row 1: a supraclavicular micrometastasis is pN3c", many("micro", 1, "supraclavicular"), "pN3c"),
    rule("row 1: a supraclavicular macrometastasis is pN3c", many("macro", 1, "supraclavicular"), "pN3c"),
    rule("row 1 goes before row 2", many("macro", 1, "supraclavicular") + many("macro", 1, "axillary-3"), "pN3c"),
    rule("row 1: supraclavicular ITC are nothing", many("itc", 1, "supraclavicular"), "pN0(i+)"),
    rule("row 2: a level III micrometastasis is pN3a", many("micro", 1, "axillary-3"), "pN3a"),
    rule(
        "row 2: level III with a clinically detected internal mammary node is pN3b",
        many("micro", 1, "axillary-3") + many("micro", 1, **CLINICAL_IM),
        "pN3b",
    ),
    rule(
        "row 2: level III with an internal mammary sentinel node is pN3a",
        many("micro", 1, "axillary-3") + many("micro", 1, **SENTINEL_IM),
        "pN3a",
    ),
    rule("row 2: level III ITC are nothing", many("itc", 1, "axillary-3") + many("micro"), "pN1mi"),
    rule("row 3: clinical internal mammary alone is pN2b", many("micro", 1, **CLINICAL_IM), "pN2b"),
    rule("row 3: with one axillary node it is pN3b", many("macro", 1, **CLINICAL_IM) + many("macro"), "pN3b"),
    rule("row 3: with axillary ITC alone it is pN2b", many("macro", 1, **CLINICAL_IM) + many("itc"), "pN2b"),
    rule(
        "row 3: a clinically detected sentinel node is clinical",
        many("micro", 1, "internal-mammary", sentinel=True, clinically_detected=True),
        "pN2b",
    ),
    rule("row 3: one of two is enough", many("micro", 1, **SENTINEL_IM) + many("micro", 1, **CLINICAL_IM), "pN2b"),
    rule("row 3: clinically detected and negative is nothing", many("negative", 1, **CLINICAL_IM), "pN0"),
    rule("row 4: internal mammary sentinel alone is pN1b", many("micro", 1, **SENTINEL_IM), "pN1b"),
    rule("row 4: a macrometastasis there alone is pN1b, too", many("macro", 1, **SENTINEL_IM), "pN1b"),
    rule("row 4: with axillary ITC alone it is pN1b", many("macro", 1, **SENTINEL_IM) + many("itc", 3), "pN1b"),
    rule("row 4: with one axillary macro it is pN1c", many("micro", 1, **SENTINEL_IM) + many("macro"), "pN1c"),
    rule(
        "row 4: with three axillary nodes, one of them macro, it is pN1c",
        many("micro", 1, **SENTINEL_IM) + many("macro") + many("micro", 2),
        "pN1c",
    ),
    rule(
        "row 4: with four axillary nodes, one of them macro, it is pN3b",
        many("micro", 1, **SENTINEL_IM) + many("macro") + many("micro", 3),
        "pN3b",
    ),
    rule("row 4: with ten axillary macro it is pN3b", many("micro", 1, **SENTINEL_IM) + many("macro", 10), "pN3b"),
    rule(
        "row 4: a macro in the internal mammary node alone is no axillary macro",
        many("macro", 1, **SENTINEL_IM) + many("micro", 4),
        "pN1, subcategory undefined (registries: pN1c)",
    ),
    rule(
        "row 4: with axillary micro alone it is undefined",
        many("micro", 1, **SENTINEL_IM) + many("micro"),
        "pN1, subcategory undefined (registries: pN1c)",
    ),
    rule(
        "row 4: with ten axillary micro it is undefined, too",
        many("micro", 1, **SENTINEL_IM) + many("micro", 10),
        "pN1, subcategory undefined (registries: pN1c)",
    ),
    rule("row 4: internal mammary ITC are nothing", many("itc", 1, **SENTINEL_IM) + many("macro"), "pN1a"),
    rule("row 5: one micrometastasis is pN1mi", many("micro"), "pN1mi"),
    rule("row 5: ten micrometastases are still pN1mi", many("micro", 10), "pN1mi"),
    rule("row 5: size not stated further than micrometastasis", many("micrometastasis"), "pN1mi"),
    rule("row 6: one macro is pN1a", many("macro"), "pN1a"),
    rule("row 6: three macro are pN1a", many("macro", 3), "pN1a"),
    rule("row 6: four macro are pN2a", many("macro", 4), "pN2a"),
    rule("row 6: one macro and two micro are pN1a", many("macro") + many("micro", 2), "pN1a"),
    rule("row 6: one macro and three micro are pN2a", many("macro") + many("micro", 3), "pN2a"),
    rule("row 6: nine macro are pN2a", many("macro", 9), "pN2a"),
    rule("row 6: ten macro are pN3a", many("macro", 10), "pN3a"),
    rule("row 6: one macro and nine micro are pN3a", many("macro") + many("micro", 9), "pN3a"),
    rule("row 6: ITC are not counted", many("macro", 3) + many("itc", 9), "pN1a"),
    rule("row 6: positive without a size counts as macro", many("positive"), "pN1a"),
    rule("row 6: positive without a size and three micro are pN2a", many("positive") + many("micro", 3), "pN2a"),
    rule("row 7: ITC are pN0(i+)", many("itc") + many("negative", 4), "pN0(i+)"),
    rule("row 7: ITC in ten nodes are pN0(i+)", many("itc", 10), "pN0(i+)"),
    rule("row 7: ITC win over RT-PCR", many("itc", 1, rt_pcr_positive=True), "pN0(i+)"),
    rule("row 7: and in another node", many("itc") + many("negative", 1, rt_pcr_positive=True), "pN0(i+)"),
    rule("row 8: RT-PCR alone is pN0(mol+)", many("negative", 1, rt_pcr_positive=True), "pN0(mol+)"),
    rule("row 8: a negative assay is nothing", many("negative", 1, rt_pcr_positive=False), "pN0"),
    rule("row 8: OSNA is no RT-PCR", many("negative", 1, osna_copies_per_ul=9000.0), "pN0"),
    rule("row 9: one negative node is pN0, not pNX", many("negative"), "pN0"),
    rule("row 9: a negative supraclavicular node is an examined node", many("negative", 1, "supraclavicular"), "pN0"),
    rule("row 10: no node is pNX", [], "pNX"),
    rule("row 10: a contralateral node alone is pNX", many("macro", 1, "contralateral"), "pNX"),
    rule("intramammary nodes are axillary", many("macro", 4, "intramammary"), "pN2a"),
    rule("interpectoral nodes are axillary", many("macro", 3) + many("micro", 1, "interpectoral"), "pN2a"),
    rule("level II nodes are axillary", many("micro", 1, "axillary-2"), "pN1mi"),
    rule("a nodule in axillary fat is a node", many("macro", 3) + many("macro", 1, "axillary-fat-nodule"), "pN2a"),
    rule("contralateral nodes are not N", many("micro") + many("macro", 9, "contralateral"), "pN1mi"),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "pn"), PN)
def test_pn(nodes, pn):
    assigned = pathologic_n(nodes)
    assert str(assigned) == assigned.pn == pn
    assert assigned.suffixes == ()
    category = "pN1c" if "undefined" in pn else pn
    assert assigned.pn_category == category
    assert assigned.reasons[0].startswith(f"pN: {category}, as ")
    assert "AJCC Cancer Staging Manual, 8th edition (2017)" in assigned.reasons[0]

    after = pathologic_n(nodes, {"neoadjuvant": True})
    assert (after.pn, after.pn_category) == (pn.replace("pN", "ypN"), f"y{category}")
    staged = case_of(nodes, primary=RESECTED)
    assert (staged.pn, staged.pn_category) == (pn, category)


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        (many("macro") + many("micro", 3), "pN2a, as 4 positive axillary nodes (1 macro, 3 micro): four to nine"),
        (many("micro"), "pN1mi, as 1 positive axillary node (0 macro, 1 micro): only micrometastases"),
        (
            many("micro", 1, **SENTINEL_IM),
            "pN1b, as an internal mammary sentinel node holds a metastasis; no positive ",
        ),
        (many("itc", 2) + many("negative"), "pN0(i+), as no positive node; isolated tumour cells in 2 of 3 examined"),
    ],
    ids=["macro", "micro", "internal mammary", "ITC"],
)
def test_the_reason_tells_the_counts(nodes, says):
    assert pathologic_n(nodes).reasons[0].startswith(f"pN: {says}")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        rule("row 3: micro alone", many("macro", 1, **CLINICAL_IM) + many("micro"), {"im_clinical_without_macro"}),
        rule("row 3: a macro in the axilla", many("macro", 1, **CLINICAL_IM) + many("macro"), set()),
        rule("row 3: nothing in the axilla", many("macro", 1, **CLINICAL_IM), set()),
        rule("row 4: undefined", many("micro", 1, **SENTINEL_IM) + many("micro"), {"pn_subcategory_undefined"}),
        rule("row 4: ten fit pN3a, too", many("micro", 1, **SENTINEL_IM) + many("macro", 10), {"pn3a_fits_too"}),
        rule("row 4: nine axillary do not", many("micro", 1, **SENTINEL_IM) + many("macro", 9), set()),
        rule("row 4: neither sentinel nor clinical", many("micro", 1, "internal-mammary"), {"im_detection_unknown"}),
        rule("row 4: detection not stated", FOUND, {"im_detection_unknown"}),
        rule("row 4: of one of two", FOUND + many("micro", 1, **SENTINEL_IM), {"im_detection_unknown"}),
        rule("row 4: detection of ITC plays no part", many("itc", 1, **FOUND_IM) + many("macro"), set()),
        rule("row 3: detection of another is stated", FOUND + many("macro", 1, **CLINICAL_IM), set()),
        rule("row 2: detection not stated", FOUND + many("macro", 1, "axillary-3"), {"im_detection_unknown"}),
        rule("row 1: detection plays no part", FOUND + many("macro", 1, "supraclavicular"), set()),
        rule("row 2: pN3b fits, too", LEVEL_3_AND_IM + many("macro", 4), {"pn3b_fits_too"}),
        rule("row 2: three do not", LEVEL_3_AND_IM + many("macro", 3), set()),
        rule("a station that is not known is axillary", many("micro", 2, "unknown"), {"station_unknown"}),
        rule("contralateral metastasis is M1", many("micro", 1, "contralateral"), {"contralateral_is_m1"}),
        rule("contralateral ITC are not", many("itc", 1, "contralateral"), set()),
        rule("registries count a size that is not stated as macro", many("positive"), {"size_not_stated"}),
    ],
)  # fmt: skip
def test_what_pn_warns_of(nodes, expected):
    assert codes(pathologic_n(nodes, {"sentinel": True})) == expected
    assert expected <= codes(case_of(nodes))


@pytest.mark.parametrize(
    ("nodes", "pn", "change"),
    [
        rule("row 4 to row 3", FOUND, "pN1b", "pN2b"),
        rule("row 4 with axillary nodes to row 3", FOUND + many("macro"), "pN1c", "pN3b"),
        rule("neither sentinel nor clinical", many("micro", 1, "internal-mammary"), "pN1b", "pN2b"),
        rule("row 2", FOUND + many("macro", 1, "axillary-3"), "pN3a", "pN3b"),
        rule("stated", many("micro", 1, **SENTINEL_IM), "pN1b", None),
        rule("ITC", many("itc", 1, **FOUND_IM), "pN0(i+)", None),
        rule("row 1", FOUND + many("macro", 1, "supraclavicular"), "pN3c", None),
    ],
)
def test_what_clinical_detection_would_change(nodes, pn, change):
    staged = case_of(nodes, primary=RESECTED)
    assert staged.pn == pn
    expected = [] if change is None else [(change, "node 1 had been clinically detected")]
    assert [(one.pn, one.condition) for one in staged.changes] == expected


def test_a_needle_does_not_show_that_a_node_is_free():
    for category, warned in (("negative", True), ("itc", True), ("micro", False)):
        assigned = pathologic_n(many(category), {"needle_only": True})
        assert ("needle_only_negative" in codes(assigned)) is warned


def test_a_node_that_is_listed_twice_counts_twice_and_is_told():
    node = {"node_id": "SLN 1", "category": "macro"}
    assigned = pathologic_n([node] * 4)
    assert assigned.pn == "pN2a"
    assert codes(assigned) == {"node_repeated"}
    assert "SLN 1 is listed 4 times" in assigned.warnings[0]
    assert codes(pathologic_n([{"category": "macro"}] * 4)) == set()


def after(number: int, **facts: Any) -> tuple[list[Facts], Facts]:
    """A sentinel procedure with so many negative nodes."""
    return many("negative", number), {"sentinel": True, **facts}


def contralateral_too() -> tuple[list[Facts], Facts]:
    """Five nodes removed, and two of the other side."""
    return many("micro", 5) + many("negative", 2, "contralateral"), {"sentinel": True}


@pytest.mark.parametrize(
    ("nodes", "procedure", "suffixes"),
    [
        rule("(sn): one node", *after(1), ("sn",)),
        rule("(sn): five nodes removed", *after(5), ("sn",)),
        rule("(sn): six nodes removed, none", *after(6), ()),
        rule("(sn): five stated", *after(2, nodes_removed=5), ("sn",)),
        rule("(sn): six stated, none", *after(2, nodes_removed=6), ()),
        rule("(sn): completion dissection, none", *after(2, completion_dissection=True), ()),
        rule("(sn): no completion dissection", *after(2, completion_dissection=False), ("sn",)),
        rule("(sn): no sentinel procedure, none", many("negative"), {"sentinel": False}, ()),
        rule("(sn): sentinel procedure unknown, none", many("negative", 1, sentinel=True), {"sentinel": "unknown"}, ()),
        rule("(sn): contralateral nodes do not count", *contralateral_too(), ("sn",)),
        rule("(sn): nothing examined, none", [], {"sentinel": True}, ()),
        rule("(sn) stays after neoadjuvant treatment", *after(2, neoadjuvant=True), ("sn",)),
        rule("(f): a metastasis confirmed only by needle", many("positive"), {"needle_only": True}, ("f",)),
        rule("(f): a micrometastasis, too", many("micro"), {"needle_only": True}, ("f",)),
        rule("(f): nothing to confirm, none", many("itc"), {"needle_only": True}, ()),
        rule("(f) and not (sn)", many("micro"), {"needle_only": True, "sentinel": True}, ("f",)),
    ],
)  # fmt: skip
def test_suffixes(nodes, procedure, suffixes):
    assigned = pathologic_n(nodes, procedure)
    assert assigned.suffixes == suffixes
    assert assigned.pn == assigned.pn_category + "".join(f"({suffix})" for suffix in suffixes)
    staged = case_of(nodes, procedure=procedure, primary=RESECTED)
    assert (staged.pn, staged.suffixes) == (assigned.pn, suffixes)


@pytest.mark.parametrize(
    ("procedure", "says"),
    [
        ({"sentinel": True}, "(sn), as a sentinel procedure removed 1 node, fewer than six"),
        ({"sentinel": True, "nodes_removed": 5}, "(sn), as a sentinel procedure removed 5 nodes, fewer than six"),
        ({"sentinel": True, "nodes_removed": 6}, "no (sn), as 6 nodes were removed, six or more"),
        ({"sentinel": True, "completion_dissection": True}, "no (sn), as a completion dissection was done"),
        ({"needle_only": True}, "(f), as the metastasis is confirmed only by needle"),
    ],
    ids=str,
)
def test_the_reason_of_a_suffix(procedure, says):
    reason = pathologic_n(many("micro"), procedure).grounds[1]
    assert (reason.about, reason.text) == ("pN", says)
    assert reason.rule == ("pN suffix f" if "needle" in says else "pN suffix sn")


def test_sentinel_nodes_without_a_stated_procedure_are_a_warning():
    assert codes(pathologic_n(many("negative", 1, sentinel=True))) == {"sentinel_procedure_not_stated"}
    assert not codes(pathologic_n(many("negative", 1, sentinel=True), {"sentinel": True}))


def test_the_suffix_stands_after_an_undefined_subcategory():
    assigned = pathologic_n(many("micro", 1, **SENTINEL_IM) + many("micro"), {"sentinel": True})
    assert assigned.pn == "pN1, subcategory undefined (registries: pN1c), (sn)"
    assert (assigned.pn_category, assigned.suffixes) == ("pN1c", ("sn",))


@pytest.mark.parametrize(
    ("primary", "procedure", "pn"),
    [
        rule("needle only without a pT is cN", {}, {"needle_only": True}, None),
        rule("needle only with a pT is pN(f)", {"pt": "pT2"}, {"needle_only": True}, "pN1a(f)"),
        rule("needle only with the size of the primary is pN(f)", {"size_mm": 21.0}, {"needle_only": True}, "pN1a(f)"),
        rule("a sentinel biopsy without resection of the primary is cN", {"surgery": "none"}, {"sentinel": True}, None),
        rule("a sentinel biopsy with a pT is pN(sn)", {"pt": "pT2"}, {"sentinel": True}, "pN1a(sn)"),
    ],
)
def test_pn_needs_a_resected_primary(primary, procedure, pn):
    staged = case_of(many("macro"), primary=primary, procedure=procedure)
    if pn is None:
        assert staged.pn.startswith("cN, not pN: ")
        assert (staged.pn_category, staged.suffixes, staged.anatomic_stage) == (None, (), None)
        assert (staged.status, "clinical_n" in codes(staged)) == ("incomplete", True)
    else:
        assert staged.pn == pn
        assert "clinical_n" not in codes(staged)


def test_pn_without_a_stated_pt_is_doubtful():
    assert "pt_not_stated" in codes(case_of(many("macro")))
    assert "pt_not_stated" not in codes(case_of(many("macro"), primary={"pt": "TX"}))


# --- after neoadjuvant treatment, molecular assays ---------------------------------------------------

KNOWN = {"grade": 3, "er": "positive", "pr": "positive", "her2": "negative"}
TREATED = {"neoadjuvant": True}


@pytest.mark.parametrize(
    ("pt", "nodes", "facts", "pn", "stage"),
    [
        rule("ypT0 ypN0 has no stage group", "ypT0", many("negative"), {}, "ypN0", None),
        rule("ypTis ypN0 has none, and never 0", "ypTis", many("negative"), {}, "ypN0", None),
        rule("ypTis ypN0(i+) has none", "ypTis", many("itc"), {}, "ypN0(i+)", None),
        rule("ypT1c ypN0 is IA", "ypT1c", many("negative"), {}, "ypN0", "IA"),
        rule("ypT0 ypN1mi is IB", "ypT0", many("micro"), {}, "ypN1mi", "IB"),
        rule("M1 before treatment stays IV", "ypT0", many("negative"), {"cm": "cM1", "m": "cM0"}, "ypN0", "IV"),
    ],
)
def test_after_neoadjuvant_treatment(pt, nodes, facts, pn, stage):
    staged = case_of(nodes, primary={"pt": pt, **KNOWN, **facts}, procedure=TREATED)
    assert (staged.pn, staged.prefix, staged.anatomic_stage) == (pn, "yp", stage)
    assert staged.pathological_prognostic_stage is None
    assert any("none after neoadjuvant treatment" in reason for reason in staged.reasons)
    assert ("no_group_after_treatment" in codes(staged)) == (stage is None)


def test_itc_after_neoadjuvant_treatment_are_residual_disease():
    for category, is_residual in (("itc", True), ("negative", False)):
        said = " ".join(case_of(many(category), primary={"pt": "ypT0"}, procedure=TREATED).warnings)
        assert ("residual disease, not a complete response" in said) == is_residual


def test_m1_of_primary_surgery_is_the_stated_one():
    assert case_of(many("negative"), primary={"pt": "pT1c", "cm": "cM1", "m": "cM0"}).m == "M0"


@pytest.mark.parametrize(
    ("copies", "name"),
    [(0, "negative"), (249.9, "negative"), (250, "+"), (5000, "+"), (nextafter(5000.0, inf), "++"), (1e6, "++")],
)
def test_osna_classes(copies, name):
    assert osna_class(copies) == name
    staged = case_of(many("negative", 1, osna_copies_per_ul=copies))
    assert staged.osna.by_node == (("1", name),)
    assert ("osna_at_limit" in codes(staged)) == (copies == 5000)


def test_total_tumour_load_is_summed_and_kept_beside_pn():
    nodes = [
        *many("negative", 1, osna_copies_per_ul=300.0),
        *many("negative", 1, osna_copies_per_ul=6000.0),
        *many("negative"),
    ]
    staged = case_of(nodes)
    assert (staged.pn_category, staged.osna.total_copies_per_ul) == ("pN0", 6300.0)
    assert staged.osna.by_node == (("1", "+"), ("2", "++"))
    assert any("CK19-negative tumours are missed" in warning for warning in staged.warnings)
    assert case_of(many("negative")).osna is None


# --- T, M and the anatomic groups --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_mm", "t"),
    [
        *((0.1, "T1mi"), (1.0, "T1mi"), (nextafter(1.0, inf), "T1a"), (5.0, "T1a"), (nextafter(5.0, inf), "T1b")),
        *((10.0, "T1b"), (nextafter(10.0, inf), "T1c"), (20.0, "T1c"), (nextafter(20.0, inf), "T2")),
        *((50.0, "T2"), (nextafter(50.0, inf), "T3"), (300.0, "T3")),
    ],
)
def test_t_by_size(size_mm, t):
    assert t_from_size(size_mm) == t
    assert case_of(primary={"size_mm": size_mm}).t == t


@pytest.mark.parametrize("size_mm", [0.0, -1.0, float("nan"), inf])
def test_an_invasive_primary_has_a_size(size_mm):
    with pytest.raises(ConfigError, match="above 0 mm"):
        t_from_size(size_mm)


@pytest.mark.parametrize(
    ("primary", "t", "doubtful"),
    [
        rule("T as stated", {"pt": "pT2"}, "T2", False),
        rule("T as stated fits the size", {"pt": "pT1c", "size_mm": 18.0}, "T1c", False),
        rule("T1 holds T1c", {"pt": "T1", "size_mm": 18.0}, "T1", False),
        rule("T4 is by extension, not by size", {"pt": "T4b", "size_mm": 18.0}, "T4b", False),
        rule("T as stated goes before the size", {"pt": "pT2", "size_mm": 18.0}, "T2", True),
        rule("T1 does not hold 21 mm", {"pt": "T1", "size_mm": 21.0}, "T1", True),
        rule("an invasive primary is not Tis", {"pt": "Tis", "size_mm": 21.0}, "Tis", True),
        rule("neither stated", {}, None, False),
    ],
)
def test_t_of_a_case(primary, t, doubtful):
    staged = case_of(many("negative"), primary=primary)
    assert staged.t == t
    treated = case_of(many("negative"), primary=primary, procedure=TREATED)
    for prefix, reasons in (("p", staged.reasons), ("yp", treated.reasons)):
        said = [reason for reason in reasons if reason.startswith("T: ")]
        assert len(said) == (t is not None)
        assert all(reason.startswith(f"T: {prefix}{t}, as ") for reason in said)
    assert ("t_unlike_size" in codes(staged)) == doubtful


@pytest.mark.parametrize("stated", [{}, {"neoadjuvant": False}, {"neoadjuvant": "unknown"}], ids=str)
def test_a_t_after_treatment_without_a_treatment_is_refused(stated):
    with pytest.raises(ConfigError, match=r"^case: primary\.pt 'ypT1c' .*neoadjuvant"):
        case_of(many("negative"), primary={"pt": "ypT1c", **KNOWN}, procedure=stated)


@pytest.mark.parametrize(
    ("primary", "nodes", "m", "stage"),
    [
        rule("M not stated is M0", {}, [], "M0", "IA"),
        rule("M0(i+) is M0", {"m": "cM0(i+)"}, [], "M0(i+)", "IA"),
        rule("M1 is IV", {"m": "pM1"}, [], "M1", "IV"),
        rule("cM1 where no other M is stated", {"cm": "cM1"}, [], "M1", "IV"),
        rule("a contralateral micrometastasis is M1", {}, many("micro", 1, "contralateral"), "M1", "IV"),
        rule("and goes before a stated M0", {"m": "cM0"}, many("macro", 1, "contralateral"), "M1", "IV"),
        rule("contralateral ITC are not M1", {}, many("itc", 1, "contralateral"), "M0", "IA"),
    ],
)
def test_m_of_a_case(primary, nodes, m, stage):
    staged = case_of([*many("negative"), *nodes], primary={**RESECTED, **primary})
    assert (staged.m, staged.anatomic_stage) == (m, stage)


@pytest.mark.parametrize("text", ["pM0", "ypM0", "pM0(i+)", "MX", "cMX"])
def test_there_is_no_pm0_and_no_mx(text):
    with pytest.raises(ConfigError, match=r"does not exist|is no M category"):
        anatomic_stage("T1c", "N0", text)
    with pytest.raises(ConfigError, match=r"^case: primary\.m: "):
        case_of(primary={"m": text})


# By hand from the published groups: rows T, columns N0, N1mi, N1, N2, N3; "-" has none.
ANATOMIC = """
    Tis   0     -     -     -     -
    T0    -     IB    IIA   IIIA  IIIC
    T1    IA    IB    IIA   IIIA  IIIC
    T2    IIA   IIB   IIB   IIIA  IIIC
    T3    IIB   IIIA  IIIA  IIIA  IIIC
    T4    IIIB  IIIB  IIIB  IIIB  IIIC
    TX    -     -     -     -     IIIC
"""
MEMBERS_T = {"T1": ("T1", "T1mi", "T1a", "T1b", "T1c"), "T4": ("T4", "T4a", "T4b", "T4c", "T4d")}
MEMBERS_N = {
    "N0": ("N0", "N0(i+)", "N0(mol+)"),
    "N1mi": ("N1mi",),
    "N1": ("N1", "N1a", "N1b", "N1c"),
    "N2": ("N2", "N2a", "N2b"),
    "N3": ("N3", "N3a", "N3b", "N3c"),
}
GROUPS = [
    rule(f"{row.split()[0]} {column}", row.split()[0], column, None if stage == "-" else stage)
    for row in ANATOMIC.strip().splitlines()
    for column, stage in zip(MEMBERS_N, row.split()[1:], strict=True)
]


@pytest.mark.parametrize(("t_group", "n_group", "stage"), GROUPS)
def test_anatomic_stage_group(t_group, n_group, stage):
    for t, n in product(MEMBERS_T.get(t_group, (t_group,)), MEMBERS_N[n_group]):
        assert anatomic_stage(t, n, "M0") == stage
        assert anatomic_stage(f"p{t}", f"p{n}(sn)", "cM0(i+)") == stage
        assert anatomic_stage(t, n, "M1") == "IV"
        assert anatomic_stage(t, "NX", "M0") is None


@pytest.mark.parametrize(
    ("pt", "nodes", "stage"),
    [
        rule("N1mi is IB with T1", "T1mi", many("micro", 10), "IB"),
        rule("T2 N1mi is IIB", "T2", many("micro"), "IIB"),
        rule("T3 N1mi is IIIA", "T3", many("micro"), "IIIA"),
        rule("N0(i+) is N0", "T1c", many("itc"), "IA"),
        rule("N0(mol+) is N0", "T2", many("negative", 1, rt_pcr_positive=True), "IIA"),
        rule("Tis N1mi has no group", "Tis", many("micro"), None),
        rule("Tis N3 has no group", "Tis", many("macro", 10), None),
        rule("T0 N0 has no group", "T0", many("negative"), None),
        rule("T1 NX has no group", "T1c", [], None),
    ],
)
def test_undefined_is_no_group_with_a_warning(pt, nodes, stage):
    staged = case_of(nodes, primary={"pt": pt})
    assert staged.anatomic_stage == stage
    assert ("undefined_combination" in codes(staged)) == (stage is None)
    said = f"anatomic stage: {stage}, as" if stage else "anatomic stage: no group is defined for"
    assert any(reason.startswith(said) for reason in staged.reasons)


def test_no_t_is_no_group():
    staged = case_of(many("micro"))
    assert staged.anatomic_stage is None
    assert any("no group: pT not known" in reason for reason in staged.reasons)


# --- prognostic stage --------------------------------------------------------------------------------

BUCKETS = {
    "A": ("T1 N0", "T0 N1mi", "T1 N1mi"),
    "B": ("T0 N1", "T1 N1", "T2 N0"),
    "C": ("T2 N1", "T2 N1mi", "T3 N0"),
    "D": ("T0 N2", "T1 N2", "T2 N2", "T3 N1", "T3 N1mi", "T3 N2"),
    "E": ("T4 N0", "T4 N1mi", "T4 N1", "T4 N2", "T0 N3", "T1 N3", "T2 N3", "T3 N3", "T4 N3", "TX N3"),
}
COLUMNS = ("kind", "bucket", "grade", "her2", "er", "pr")
PACKAGED = files("micromet_path.clinical").joinpath("tables", "prognostic_8th.csv").read_text(encoding="utf-8")
CELLS = list(csv.DictReader(PACKAGED.splitlines()))


def test_the_prognostic_table_has_every_cell_once():
    keys = {tuple(cell[column] for column in COLUMNS) for cell in CELLS}
    known = ("positive", "negative")
    assert keys == set(product(("clinical", "pathological"), "ABCDE", "123", known, known, known))
    assert len(CELLS) == len(keys) == 240


def test_the_packaged_table_has_the_facts_of_the_checked_one(shared):
    checked = shared / "staging" / "prognostic_8th.csv"
    if not checked.is_file():
        pytest.skip("the checked prognostic table (shared/data/staging) is not here")

    def facts(text: str) -> list[tuple[str, ...]]:
        return sorted(tuple(row[column] for column in (*COLUMNS, "stage")) for row in csv.DictReader(text.splitlines()))

    assert facts(PACKAGED) == facts(checked.read_text(encoding="utf-8"))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: " ".join(cell[column] for column in COLUMNS))
def test_prognostic_stage(cell):
    kind, grade, receptors = cell["kind"], int(cell["grade"]), (cell["her2"], cell["er"], cell["pr"])
    for pair in BUCKETS[cell["bucket"]]:
        t_group, n_group = pair.split()
        for t, n in product(MEMBERS_T.get(t_group, (t_group,)), MEMBERS_N[n_group]):
            assert prognostic_stage(kind, t, n, "M0", grade, *receptors) == cell["stage"]
            assert prognostic_stage(kind, t, n, "M1", grade, *receptors) == "IV"


def test_the_buckets_hold_every_pair_that_has_an_anatomic_group():
    pairs = {pair for members in BUCKETS.values() for pair in members}
    grouped = {f"{t} {n}" for t, n, stage in (group.values for group in GROUPS) if stage is not None}
    assert pairs == grouped - {"Tis N0"}
    assert sum(map(len, BUCKETS.values())) == len(pairs)


LUMINAL = ("negative", "positive", "negative")  # HER2, ER, PR


@pytest.mark.parametrize(
    ("t", "n", "facts", "score", "kind", "stage"),
    [
        rule("a score of 10 is IA", "T2", "N0", LUMINAL, 10, "pathological", "IA"),
        rule("a score of 0 is IA", "T1mi", "N0", LUMINAL, 0, "pathological", "IA"),
        rule("a score of 11 changes nothing", "T2", "N0", LUMINAL, 11, "pathological", None),
        rule("of pathological stage only", "T2", "N0", LUMINAL, 10, "clinical", None),
        rule("T3 is not T1-2", "T3", "N0", LUMINAL, 10, "pathological", None),
        rule("N1 is not N0", "T2", "N1", LUMINAL, 10, "pathological", None),
        rule("N1mi is not N0", "T1c", "N1mi", LUMINAL, 10, "pathological", None),
        rule("N0(i+) is N0", "T2", "N0(i+)", LUMINAL, 10, "pathological", "IA"),
        rule("HER2 positive", "T2", "N0", ("positive", "positive", "negative"), 10, "pathological", None),
        rule("ER negative", "T2", "N0", ("negative", "negative", "negative"), 10, "pathological", None),
        rule("HER2 equivocal", "T2", "N0", ("equivocal-after-ish", "positive", "negative"), 10, "pathological", "IA"),
    ],
)  # fmt: skip
def test_oncotype_score(t, n, facts, score, kind, stage):
    plain = prognostic_stage(kind, t, n, "M0", 3, *facts)
    assert prognostic_stage(kind, t, n, "M0", 3, *facts, oncotype_score=score) == (stage or plain)
    assert stage is None or score != 10 or plain != "IA", "the score must change something to show anything"
    assert prognostic_stage(kind, t, n, "M1", 3, *facts, oncotype_score=score) == "IV"


@pytest.mark.parametrize("her2", ["negative", "equivocal-after-ish"])
def test_a_low_score_needs_neither_grade_nor_pr(her2):
    facts = {"pt": "T2", "er": "positive", "her2": her2, "oncotype_score": 10}
    staged = case_of(many("negative"), primary=facts)
    assert staged.pathological_prognostic_stage == "IA"
    assert any("with an Oncotype DX score of 10" in reason for reason in staged.reasons)


def test_a_score_that_does_not_decide_is_no_reason():
    facts = {"pt": "T1c", "er": "positive", "pr": "positive", "grade": 1, "oncotype_score": 10}
    staged = case_of(many("negative"), primary={**facts, "her2": "positive"})
    assert staged.pathological_prognostic_stage == "IA"
    assert not any("Oncotype" in reason for reason in staged.reasons)


@pytest.mark.parametrize("missing", ["grade", "er", "pr", "her2"])
def test_an_unknown_fact_gives_the_anatomic_stage_alone(missing):
    clinical = {"ct": "cT2", "cn": "cN0", "cm": "cM0"}
    staged = case_of(many("negative"), primary={"pt": "T2", **clinical, **KNOWN, missing: "unknown"})
    assert (staged.pathological_prognostic_stage, staged.clinical_prognostic_stage) == (None, None)
    assert staged.anatomic_stage == "IIA"
    name = missing if missing == "grade" else missing.upper()
    assert sum(f"none: {name} not known" in reason for reason in staged.reasons) == 2


def test_her2_equivocal_after_in_situ_hybridisation_is_negative():
    for grade, er, pr in product((1, 2, 3), ("positive", "negative"), ("positive", "negative")):
        equivocal, negative = (
            prognostic_stage("clinical", "T2", "N1", "M0", grade, her2, er, pr)
            for her2 in ("equivocal-after-ish", "negative")
        )
        assert equivocal == negative is not None
        assert prognostic_stage("clinical", "T2", "N1", "M0", grade, "unknown", er, pr) is None


@pytest.mark.parametrize("missing", ["ct", "cn", "cm"])
def test_the_clinical_stage_needs_ct_cn_and_cm(missing):
    clinical = {"ct": "cT2", "cn": "cN1", "cm": "cM0"}
    known = {"pt": "T1c", **KNOWN}
    staged = case_of(many("negative"), primary={**known, **clinical})
    assert staged.clinical_prognostic_stage == prognostic_stage(
        "clinical", "T2", "N1", "M0", 3, "negative", "positive", "positive"
    )
    assert staged.clinical_prognostic_stage != staged.pathological_prognostic_stage
    without = case_of(many("negative"), primary={**known, **clinical, missing: "unknown"})
    assert without.clinical_prognostic_stage is None
    assert without.pathological_prognostic_stage == staged.pathological_prognostic_stage
    assert any("needs cT and cN" in reason for reason in without.reasons)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "anatomic"}, "is clinical or pathological, found 'anatomic'"),
        ({"t": "T5"}, "'T5' is no T category"),
        ({"n": "N1mic"}, "'N1mic' is no N category"),
        ({"m": "pM0"}, "'pM0' does not exist"),
        ({"grade": 4}, "grade must be 1, 2, 3 or unknown, found 4"),
        ({"grade": "2"}, "grade must be 1, 2, 3 or unknown, found '2'"),
        ({"her2": "equivocal"}, "her2 must be positive, negative or unknown, found 'equivocal'"),
        ({"er": "equivocal-after-ish"}, "er must be positive, negative or unknown, found 'equivocal-after-ish'"),
        ({"pr": "2+"}, "pr must be positive, negative or unknown, found '2\\+'"),
    ],
    ids=str,
)
def test_a_value_that_is_not_allowed_is_named(values, says):
    right: Facts = {"kind": "clinical", "t": "T2", "n": "N0", "m": "M1", "grade": 2}
    right |= {"her2": "negative", "er": "positive", "pr": "positive"}
    assert prognostic_stage(**right) == "IV"
    with pytest.raises(ConfigError, match=says):
        prognostic_stage(**(right | values))


def test_tis_without_nodes_is_stage_0_and_m1_is_iv_whatever_is_unknown():
    for kind in ("clinical", "pathological"):
        assert prognostic_stage(kind, "Tis", "N0", "M0", None, "unknown", "unknown", "unknown") == "0"
        assert prognostic_stage(kind, "TX", "NX", "M1", None, "unknown", "unknown", "unknown") == "IV"
    staged = case_of(many("negative"), primary={"pt": "pTis"})
    assert (staged.anatomic_stage, staged.pathological_prognostic_stage) == ("0", "0")
    assert sum("stage: 0, as Tis N0 M0 [" in reason for reason in staged.reasons) == 2
    staged = case_of(many("negative"), primary={"m": "pM1"})
    assert (staged.anatomic_stage, staged.pathological_prognostic_stage) == ("IV", "IV")
    assert sum("stage: IV, as M1" in reason for reason in staged.reasons) == 2


@pytest.mark.parametrize(
    ("primary", "says"),
    [
        ({"pt": "pT2", **KNOWN}, "IIB, as T2 N1 M0, grade 3, HER2 negative, ER positive, PR positive"),
        ({"pt": "pT2", **KNOWN, "her2": "unknown"}, "none: HER2 not known"),
        ({"pt": "pTis", **KNOWN}, "no group is defined for Tis N1"),
        (KNOWN, "none: pT not known"),
    ],
    ids=["cell", "missing", "undefined", "no T"],
)
def test_the_reason_of_the_pathological_prognostic_stage(primary, says):
    staged = case_of(many("positive"), primary=primary)
    found = says.replace("IIB", str(staged.pathological_prognostic_stage)).replace("N1", "N1a")
    assert any(reason.startswith(f"pathological prognostic stage: {found}") for reason in staged.reasons)


def test_a_laboratory_may_replace_the_table(tmp_path: Path):
    own = tmp_path / "own-8.csv"
    own.write_text(PACKAGED.replace(",IA\n", ",IB\n"), encoding="utf-8")
    case = parse_case(
        {"case_id": "A", "primary": {**RESECTED, **KNOWN}, "nodes": [{"node_id": "1", "category": "negative"}]}
    )
    shipped, replaced = stage_case(case), stage_case(case, table=PrognosticTable.read(own))
    assert (shipped.pathological_prognostic_stage, replaced.pathological_prognostic_stage) == ("IA", "IB")
    assert shipped_table().version in shipped.rules_version
    assert "own-8 (SHA-256" in replaced.rules_version


LINES = PACKAGED.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        rule("a missing cell", "".join(LINES[:-1]), "found 239 cells, expected 240"),
        rule("a repeated cell", "".join([*LINES, LINES[-1]]), "stands there twice"),
        rule("an unknown value", PACKAGED.replace("clinical,A,1,", "clinical,F,1,"), "bucket must be one of A, B, C"),
        rule("other columns", PACKAGED.replace("her2", "HER2", 1), "expected the columns kind, bucket"),
        rule("no stage", PACKAGED.replace(",IA\n", ",\n", 1), "stage must be one of 0, IA"),
        rule("nothing", "", "expected the columns"),
        rule("an endless cell", PACKAGED + "x" * 200_000, "field larger than field limit"),
        rule("an endless name", "x" * 100_000 + PACKAGED, "expected the columns"),
        rule("an endless stage", PACKAGED.replace(",IA\n", f",{'x' * 90_000}\n", 1), "stage must be one of 0, IA"),
        rule("an endless grade", PACKAGED.replace("A,1,", f"A,{'1' * 90_000},", 1), "grade must be one of 1, 2, 3"),
        rule("an endless file", PACKAGED * 1000, "larger than 1 MB, for 240 cells"),
    ],
)
def test_a_replaced_table_is_whole(tmp_path: Path, text, says):
    own = tmp_path / "own.csv"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^own\.csv.*{says}") as raised:
        PrognosticTable.read(own)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


# --- CAMELYON17 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "stage"),
    [
        rule("nothing in five nodes is pN0", [NEGATIVE] * 5, "pN0"),
        rule("ITC are pN0(i+)", [NEGATIVE] * 4 + [ITC], "pN0(i+)"),
        rule("micro without macro is pN1mi", [NEGATIVE] * 3 + [ITC, MICRO], "pN1mi"),
        rule("five micro are pN1mi", [MICRO] * 5, "pN1mi"),
        rule("one macro is pN1", [NEGATIVE] * 4 + [MACRO], "pN1"),
        rule("a macro and two micro are pN1", [ITC] * 2 + [MICRO] * 2 + [MACRO], "pN1"),
        rule("a macro and three micro are pN2", [ITC] + [MICRO] * 3 + [MACRO], "pN2"),
        rule("four macro are pN2", [NEGATIVE] + [MACRO] * 4, "pN2"),
    ],
)
def test_camelyon17(labels, stage):
    assert camelyon17_stage(labels) == stage
    assert camelyon17_stage([label.value for label in reversed(labels)]) == stage
    staged = case_of([{"category": label.value} for label in labels], rules="camelyon17", primary=RESECTED)
    assert (staged.pn, staged.pn_category, staged.anatomic_stage) == (stage, stage, None)
    assert staged.rules_version == "camelyon17/1"
    assert f"pN: {stage} by the counts of 5 nodes" in staged.reasons[-1]
    assert "not_five_nodes" not in codes(staged)


@pytest.mark.parametrize(
    ("labels", "pn"),
    [
        rule("four nodes and one that says nothing", ["itc"] * 4 + ["not_assessable"], None),
        rule("micro and one that says nothing", ["micro"] * 4 + ["not_assessable"], "at least pN1mi"),
        rule("positive without a size is no label", ["negative"] * 4 + ["positive"], None),
    ],
)
def test_camelyon17_incomplete(labels, pn):
    staged = case_of([{"category": label} for label in labels], rules="camelyon17")
    assert staged.status == "incomplete"
    assert staged.pn == pn or (pn is None and staged.pn.startswith("pN not assigned yet: node 5 is "))


def test_camelyon17_stages_five_nodes():
    assert "not_five_nodes" in codes(case_of(many("negative", 4), rules="camelyon17"))
    with pytest.raises(ConfigError, match="needs a category for each node"):
        camelyon17_stage([])
    with pytest.raises(ConfigError, match="allowed are negative, itc"):
        camelyon17_stage(["positive"])
    assert case_of(rules="camelyon17").pn == "pN not assigned yet: no node is listed"


# --- told with the answer ----------------------------------------------------------------------------


def test_a_case_as_a_whole():
    staged = from_slides(
        [section("a", [900.0, 700.0, 600.0], is_confirmed=True), section("b", is_confirmed=True)],
        [section("c", is_confirmed=True)],
        primary={"pt": "pT1c", **KNOWN},
        procedure={"sentinel": True, "nodes_removed": 2},
        expected_slides=3,
    )
    assert (staged.pn, staged.pn_category, staged.suffixes, staged.t, staged.m) == (
        "pN1mi(sn)",
        "pN1mi",
        ("sn",),
        "T1c",
        "M0",
    )
    assert (staged.status, staged.anatomic_stage, staged.warnings) == ("confirmed", "IB", ())
    assert staged.pathological_prognostic_stage == "IA"
    assert [reason.about for reason in staged.grounds] == [
        *("node 1", "node 2", "pN", "pN", "T", "M"),
        *("anatomic stage", "clinical prognostic stage", "pathological prognostic stage"),
    ]
    assert "pn-ajcc8-breast/1" in staged.rules_version
    counts = staged.counts
    assert (counts.listed, counts.examined, counts.with_macro, counts.with_micro, counts.with_itc) == (2, 2, 0, 1, 0)
    assert (counts.largest_mm, counts.slides_read, counts.slides_expected) == (0.9, 3, 3)


def test_nodes_are_counted_by_their_worst_finding():
    nodes = [
        *(many("macro", 2, sentinel=True) + many("positive", 1, "internal-mammary") + many("micro", 3, sentinel=True)),
        *(many("itc", 1, sentinel=True) + many("negative", 2) + many("macro", 4, "contralateral")),
    ]
    counts = case_of(nodes).counts
    assert (counts.listed, counts.examined, counts.with_macro, counts.with_micro, counts.with_itc) == (9, 9, 3, 3, 1)
    assert (counts.sentinel_examined, counts.sentinel_positive) == (6, 5)
    assert (counts.slides_expected, counts.slides_read, counts.largest_mm) == (None, None, None)
