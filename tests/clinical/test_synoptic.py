"""The synoptic text: a fixed form, numbers that agree with the staged case, nothing claimed that is not known."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micromet_path.clinical.case import parse_case
from micromet_path.clinical.casework import stage_case
from micromet_path.clinical.classify import FindingInputs, find, judge
from micromet_path.clinical.nodes import SectionFinding
from micromet_path.clinical.synoptic import synoptic
from micromet_path.model import Piece, Quality

EXAMPLE = {
    "case_id": "B-17",
    "primary": {
        "pt": "T2",
        "ct": "T2",
        "cn": "N0",
        "cm": "M0",
        "grade": 2,
        "er": "positive",
        "pr": "positive",
        "her2": "negative",
    },
    "procedure": {"sentinel": True, "neoadjuvant": False, "extranodal_extension": "absent"},
    "nodes": [
        {"node_id": "1", "size_mm": 0.2004, "sentinel": True, "confirmed": True},
        {"node_id": "2", "cells": 40, "size_mm": 0.05, "sentinel": True, "confirmed": True},
        {"node_id": "3", "category": "negative", "sentinel": False, "confirmed": True},
    ],
}
EXAMPLE_TEXT = """\
Case: B-17
Rules: ajcc8-breast (pn-ajcc8-breast/1, anatomic-8/1, prognostic-8/1)
Regional lymph node status: metastasis in 1 of 3 nodes examined
Nodes with macrometastases: 0
Nodes with micrometastases: 1
Nodes with isolated tumour cells only: 1
Size of largest deposit: 0.2004 mm
Extranodal extension: absent
Lymph nodes examined: 3
Sentinel nodes examined: 2 (1 with metastasis)
pN: pN1mi(sn)
Prefix: p (no neoadjuvant treatment)
pT: pT2
M: M0
Anatomic stage: IIB
Clinical prognostic stage: IB
Pathological prognostic stage: IB
Status: confirmed; the listed findings are confirmed by a pathologist
Note: research use only; a suggestion by software, not a medical report; a pathologist decides
Read with caution:
- node 1: 0.2004 mm is within 10 % of the limit of 0.2 mm (near_limit)"""

AJCC_ELEMENTS = [
    "Case",
    "Rules",
    "Regional lymph node status",
    "Nodes with macrometastases",
    "Nodes with micrometastases",
    "Nodes with isolated tumour cells only",
    "Size of largest deposit",
    "Extranodal extension",
    "Lymph nodes examined",
    "Sentinel nodes examined",
    "pN",
    "Prefix",
    "pT",
    "M",
    "Anatomic stage",
    "Clinical prognostic stage",
    "Pathological prognostic stage",
    "Status",
    "Note",
]
CAMELYON_ELEMENTS = [
    name
    for name in AJCC_ELEMENTS
    if name not in ("Extranodal extension", "Sentinel nodes examined", "Prefix", "pT", "M") and "stage" not in name
]


def staged(sections=None, **content):
    return stage_case(parse_case({"case_id": "A", **content}), sections)


def elements(stage):
    """The elements of the text by name, without the warnings."""
    body = synoptic(stage).partition("\nRead with caution:")[0]
    return dict(line.split(": ", 1) for line in body.splitlines())


def cautions(stage):
    return synoptic(stage).partition("\nRead with caution:\n")[2].splitlines()


def first_number(text):
    return int(re.match(r"\d+", text)[0])


# --- the form ----------------------------------------------------------------------------------------


def test_a_case_word_for_word():
    assert synoptic(stage_case(parse_case(EXAMPLE))) == EXAMPLE_TEXT


def test_a_staged_case_prints_itself():
    stage = stage_case(parse_case(EXAMPLE))
    assert stage.synoptic() == synoptic(stage)


@pytest.mark.parametrize(
    ("rules", "names"), [("ajcc8-breast", AJCC_ELEMENTS), ("camelyon17", CAMELYON_ELEMENTS)], ids=str
)
def test_elements_and_their_order(rules, names):
    stage = staged(rules=rules, nodes=[{"node_id": str(i), "category": "negative"} for i in range(5)])
    assert list(elements(stage)) == names


def test_every_warning_is_one_line_at_the_end():
    stage = staged(nodes=[{"node_id": "1", "size_mm": 0.21, "detected_by": "ihc-only"}])
    assert stage.warnings
    assert cautions(stage) == [f"- {warning}" for warning in stage.warnings]


def test_without_warnings_there_is_no_block_of_them():
    nodes = [{"node_id": str(i), "category": "negative"} for i in range(5)]
    assert "caution" not in synoptic(staged(rules="camelyon17", nodes=nodes))


def test_names_in_other_alphabets_stay_told_apart():
    one, other = (synoptic(staged(case_id=name, nodes=[])).splitlines()[0] for name in ("Müller", "Möller"))
    assert one.isascii()
    assert one == "Case: M\\xfcller"
    assert one != other


# --- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "size"),
    [
        ([{"size_mm": 0.2}], "0.20 mm"),
        ([{"size_mm": math.nextafter(0.2, 1)}], "just above 0.20 mm"),
        ([{"size_mm": 2.0}], "2.00 mm"),
        ([{"size_mm": 2.004}], "2.004 mm"),
        ([{"size_mm": math.nextafter(2.0, 3)}], "just above 2.00 mm"),
        ([{"size_mm": 0.9}, {"size_mm": 4.44}, {"size_mm": 0.1}], "4.44 mm"),
        ([{"size_mm": 0.9}, {"category": "negative"}], "0.90 mm"),
        ([{"category": "negative"}], "not applicable"),
        ([{"category": "macrometastasis"}], "not stated"),
        ([{"cells": 300}], "not stated"),
        ([{"size_mm": 0.9}, {"category": "macrometastasis"}], ">= 0.90 mm (no size is stated in 1 node with tumour)"),
        ([{"size_mm": 0.9}, {"category": "not_assessable"}], ">= 0.90 mm"),
        ([{"category": "not_assessable"}], "not stated"),
        ([{"size_mm": 0.9}, {"size_mm": 9.0, "station": "contralateral"}], "0.90 mm"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_size_of_the_largest_deposit(nodes, size):
    listed = [{"node_id": str(number), **node} for number, node in enumerate(nodes)]
    assert elements(staged(nodes=listed))["Size of largest deposit"] == size


@pytest.fixture
def section(measures):
    """A slide on which one cluster of this size was found; keywords are those of the section."""

    def make(size_um, result="s1", size_is_minimum=False, **columns):
        clusters = judge(measures([size_um], size_is_minimum=size_is_minimum), {})
        pieces, quality = (Piece(1, (0, 0, 9, 9), 41.0),), Quality(tissue_area_mm2=41.0, coverage=1.0, in_focus=1.0)
        finding = find(FindingInputs(clusters=clusters, pieces=pieces, quality=quality))
        return SectionFinding(
            result=result, fingerprint=result, slide_name=result, pieces=(1,), finding=finding, **columns
        )

    return make


ON_SLIDES = [{"node_id": "1", "slides": [{"result": "s1"}]}]


@pytest.mark.parametrize(
    ("size_um", "printed"),
    [
        (200.0, "0.20 mm"),
        (math.nextafter(200.0, 300.0), "just above 0.20 mm"),
        (2000.0, "2.00 mm"),
        (math.nextafter(2000.0, 3000.0), "just above 2.00 mm"),
    ],
    ids=repr,
)
def test_a_measured_size_is_printed_on_the_side_of_its_category(section, size_um, printed):
    stage = staged({"1": [section(size_um)]}, nodes=ON_SLIDES)
    assert elements(stage)["Size of largest deposit"] == printed


def test_a_cut_off_cluster_is_a_minimum(section):
    stage = staged({"1": [section(900.0, size_is_minimum=True)]}, nodes=ON_SLIDES)
    assert elements(stage)["Size of largest deposit"] == ">= 0.90 mm"


def test_a_slide_that_says_nothing_makes_a_minimum(section):
    nodes = [{"node_id": "1", "slides": [{"result": "s1"}, {"result": "s2"}]}]
    stage = staged({"1": [section(900.0), section(900.0, "s2", problem="failed control")]}, nodes=nodes)
    lines = elements(stage)
    assert lines["Size of largest deposit"] == ">= 0.90 mm"
    assert lines["Regional lymph node status"] == "metastasis in at least 1 of 1 node examined"
    assert lines["Nodes with micrometastases"] == "1 so far"


# --- what is not known -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [
        ({}, "Extranodal extension", "not stated"),
        ({"procedure": {"extranodal_extension": "present"}}, "Extranodal extension", "present"),
        ({"procedure": {"extranodal_extension": 1.5}}, "Extranodal extension", "present, 1.50 mm"),
        ({"procedure": {"extranodal_extension": 0.0}}, "Extranodal extension", "absent"),
        ({}, "pT", "not stated"),
        ({"primary": {"size_mm": 12}}, "pT", "pT1c"),
        ({"primary": {"pt": "Tis"}, "procedure": {"neoadjuvant": True}}, "pT", "ypTis"),
        ({}, "Prefix", "p (neoadjuvant treatment not stated)"),
        ({"procedure": {"neoadjuvant": False}}, "Prefix", "p (no neoadjuvant treatment)"),
        ({"procedure": {"neoadjuvant": True}}, "Prefix", "yp (after neoadjuvant treatment)"),
        ({}, "M", "M0 (nothing else is stated)"),
        ({"primary": {"cm": "M0"}}, "M", "M0"),
        ({"primary": {"m": "M1"}}, "M", "M1"),
        ({}, "Anatomic stage", "no group: pT not known"),
        ({"primary": {"pt": "T0"}}, "Anatomic stage", "no group is defined for T0 N0 M0"),
        ({"primary": {"m": "M1"}}, "Anatomic stage", "IV"),
        (
            {"primary": {"ct": "T1"}},
            "Clinical prognostic stage",
            "no group: needs cT and cN, and cM, from before treatment; cN, cM not stated",
        ),
        (
            {"primary": {"pt": "T1", "grade": 2, "er": "positive", "pr": "positive"}},
            "Pathological prognostic stage",
            "no group: HER2 not known",
        ),
        (
            {"procedure": {"neoadjuvant": True}},
            "Pathological prognostic stage",
            "no group: none after neoadjuvant treatment",
        ),
        ({}, "Sentinel nodes examined", "not stated"),
        ({"procedure": {"nodes_removed": 4}}, "Lymph nodes examined", "1 (4 removed)"),
    ],
    ids=str,
)
def test_a_fact_that_is_or_is_not_stated(content, name, value):
    stage = staged(nodes=[{"node_id": "1", "category": "negative"}], **content)
    assert elements(stage)[name] == value


def test_sentinel_nodes_that_are_stated_in_part():
    nodes = [{"node_id": "1", "category": "negative", "sentinel": True}, {"node_id": "2", "category": "negative"}]
    assert elements(staged(nodes=nodes))["Sentinel nodes examined"] == "1 (not stated of 1 node)"


def test_a_metastasis_of_unstated_size_is_told():
    nodes = [{"node_id": "1", "category": "positive"}, {"node_id": "2", "category": "macro"}]
    assert elements(staged(nodes=nodes))["Nodes with macrometastases"] == "2 (1 of unstated size)"


@pytest.mark.parametrize(
    ("nodes", "status"),
    [
        ([], "no node examined"),
        (["negative"], "no tumour cells in 1 node examined"),
        (["itc", "negative"], "isolated tumour cells only, in 1 of 2 nodes examined"),
        (["itc", "micro", "macro"], "metastasis in 2 of 3 nodes examined"),
        (["negative", "not_assessable"], "not settled, see pN"),
        (["itc", "not_assessable"], "isolated tumour cells in 1 node so far; not settled, see pN"),
        (["micro", "not_assessable"], "metastasis in at least 1 of 1 node examined"),
    ],
    ids=str,
)
def test_node_status(nodes, status):
    listed = [{"node_id": str(number), "category": word} for number, word in enumerate(nodes)]
    assert elements(staged(nodes=listed))["Regional lymph node status"] == status


def test_stage_groups_that_rest_on_a_minimum_say_so():
    nodes = [{"node_id": "1", "category": "macro"}, {"node_id": "2", "category": "not_assessable"}]
    facts = {"grade": 2, "er": "positive", "pr": "positive", "her2": "negative"}
    primary = {"pt": "T1", "ct": "T1", "cn": "N0", "cm": "M0", **facts}
    lines = elements(staged(nodes=nodes, primary=primary))
    assert lines["Anatomic stage"] == "at least IIA"
    assert lines["Pathological prognostic stage"].startswith("at least ")
    assert not lines["Clinical prognostic stage"].startswith("at least")  # it does not rest on pN
    assert elements(staged(nodes=nodes, primary={**primary, "m": "M1"}))["Anatomic stage"] == "IV"


@pytest.mark.parametrize("status", ["suggested", "confirmed", "incomplete"])
def test_status_and_what_the_text_is(status):
    lines = elements(replace(stage_case(parse_case(EXAMPLE)), status=status))
    assert lines["Status"].startswith(f"{status}; ")
    assert "research use only" in lines["Note"]
    assert "not a medical report" in lines["Note"]


# --- over many cases ---------------------------------------------------------------------------------

WORDS = ["negative", "itc", "micrometastasis", "macrometastasis", "positive", "not_assessable"]
STATIONS = ["axillary-1", "axillary-3", "intramammary", "internal-mammary", "supraclavicular", "contralateral"]
described = st.one_of(
    st.fixed_dictionaries({"category": st.sampled_from(WORDS)}),
    st.fixed_dictionaries({"size_mm": st.floats(0, 100)}, optional={"cells": st.integers(0, 500)}),
)
node_facts = st.fixed_dictionaries(
    {"station": st.sampled_from(STATIONS)},
    optional={"sentinel": st.booleans(), "confirmed": st.booleans(), "osna_copies_per_ul": st.floats(0, 1e4)},
)
nodes = st.lists(st.builds(lambda what, facts: {**what, **facts}, described, node_facts), max_size=6).map(
    lambda listed: [{"node_id": f"n{number}", **node} for number, node in enumerate(listed)]
)
procedures = st.fixed_dictionaries(
    {},
    optional={
        "sentinel": st.booleans(),
        "neoadjuvant": st.booleans(),
        "needle_only": st.booleans(),
        "nodes_removed": st.integers(0, 9),
        "extranodal_extension": st.one_of(st.sampled_from(["absent", "present"]), st.floats(0, 100)),
    },
)
primaries = st.fixed_dictionaries(
    {},
    optional={
        "pt": st.sampled_from(["TX", "T0", "Tis", "T1c", "T2", "T3", "T4d"]),
        "m": st.sampled_from(["M0", "M0(i+)", "M1"]),
        "surgery": st.sampled_from(["breast-conserving", "none"]),
        "grade": st.sampled_from([1, 2, 3]),
    },
)
cases = st.fixed_dictionaries(
    {
        "case_id": st.just("A"),
        "rules": st.sampled_from(["ajcc8-breast", "camelyon17"]),
        "nodes": nodes,
        "procedure": procedures,
        "primary": primaries,
    }
)


@given(cases)
@settings(max_examples=200, deadline=None)
def test_any_case_is_printed_and_agrees_with_its_counts(content):
    stage = stage_case(parse_case(content))
    lines = elements(stage)
    counts = stage.counts
    assert list(lines) == (AJCC_ELEMENTS if content["rules"] == "ajcc8-breast" else CAMELYON_ELEMENTS)
    assert synoptic(stage).isascii()
    assert all(line == line.strip() and line for line in synoptic(stage).splitlines())
    assert first_number(lines["Nodes with macrometastases"]) == counts.with_macro
    assert first_number(lines["Nodes with micrometastases"]) == counts.with_micro
    assert first_number(lines["Nodes with isolated tumour cells only"]) == counts.with_itc
    assert first_number(lines["Lymph nodes examined"]) == counts.examined
    if lines.get("Sentinel nodes examined", "not stated") != "not stated":
        assert first_number(lines["Sentinel nodes examined"]) == counts.sentinel_examined
    assert lines["pN"] == stage.pn


@given(cases)
@settings(max_examples=200, deadline=None)
def test_a_negative_is_only_claimed_when_it_is_assigned(content):
    stage = stage_case(parse_case(content))
    lines = elements(stage)
    if stage.pn_category is None:
        assert not any("pN0" in value or "no tumour cells" in value for value in lines.values())
        assert lines["Size of largest deposit"] != "not applicable"
    if counts_positive(stage):
        assert lines["Regional lymph node status"].startswith("metastasis in ")


def counts_positive(stage):
    return stage.counts.with_macro + stage.counts.with_micro > 0


@given(cases)
@settings(max_examples=200, deadline=None)
def test_the_printed_size_stands_on_its_side_of_the_limits(content):
    stage = stage_case(parse_case(content))
    printed = elements(stage)["Size of largest deposit"]
    if stage.counts.largest_mm is None:
        assert printed in ("not applicable", "not stated")
        return
    number = float(re.search(r"\d+\.\d+", printed)[0])
    for limit in (0.2, 2.0):
        if "just above" not in printed and "below" not in printed:
            assert (number <= limit) == (stage.counts.largest_mm <= limit)
    assert number == pytest.approx(stage.counts.largest_mm, abs=0.0051)


@given(cases, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_elements_do_not_depend_on_the_order_of_the_nodes(content, random):
    shuffled = random.sample(content["nodes"], len(content["nodes"]))
    in_order, out_of_order = (
        elements(stage_case(parse_case({**content, "nodes": listed}))) for listed in (content["nodes"], shuffled)
    )
    for lines in (in_order, out_of_order):  # problems are told in the order of the nodes
        if "not assigned" in lines["pN"]:
            del lines["pN"]
    assert in_order == out_of_order
