"""What a case file may say, and the one line that tells what is wrong with it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from micromet_path.clinical import case as records
from micromet_path.clinical.case import Case, Node, Primary, Procedure, SlideReference, parse_case, parse_node
from micromet_path.clinical.staging import pathologic_n
from micromet_path.clinical.tnm import M_VALUES, N_VALUES, T_VALUES, m_value, n_value, t_value
from micromet_path.errors import ConfigError

NODE = {"node_id": "1"}
SLIDE = {"result": "slide-1"}
NAN, INFINITY = float("nan"), float("inf")

FULL: dict[str, Any] = {
    "case_id": "2024-17",
    "rules": "ajcc8-breast",
    "expected_slides": 3,
    "primary": {
        "pt": "pT1c", "size_mm": 18, "ct": "cT2", "cn": "cN0", "cm": "cM0", "m": "cM0", "histology": "ductal",
        "grade": 2, "er": "positive", "pr": "negative", "her2": "equivocal-after-ish", "oncotype_score": 11,
        "ki67_percent": 12.5, "surgery": "mastectomy", "whole_breast_radiotherapy": False, "age": 61,
    },
    "procedure": {
        "sentinel": True, "completion_dissection": False, "nodes_removed": 3, "neoadjuvant": False,
        "needle_only": False, "extranodal_extension": 0.5,
    },
    "nodes": [
        {
            "node_id": "SLN 1", "station": "axillary-1", "sentinel": True, "clinically_detected": False,
            "slides": [
                {"result": "a", "pieces": [1, 3], "section": 2, "block": "A1", "clone": "AE1/AE3"},
                {"result": "b", "pieces": "all", "section": "3", "control_result": "passed"},
            ],
            "detected_by": "ihc-only", "osna_copies_per_ul": 250, "rt_pcr_positive": True, "confirmed": False,
        },
        {"node_id": "SLN 2", "size_mm": 0.19, "cells": 230},
        {"node_id": "SLN 3", "category": "macro"},
    ],
}  # fmt: skip


def case(**facts: Any) -> dict[str, Any]:
    return {"case_id": "A", **facts}


def nodes(**facts: Any) -> dict[str, Any]:
    return case(nodes=[{**NODE, **facts}])


def slides(**facts: Any) -> dict[str, Any]:
    return nodes(slides=[{**SLIDE, **facts}])


def primary(**facts: Any) -> dict[str, Any]:
    return case(primary=facts)


def procedure(**facts: Any) -> dict[str, Any]:
    return case(procedure=facts)


def refused(content: Any) -> str:
    """What is said of it: one line for a person."""
    with pytest.raises(ConfigError) as caught:
        parse_case(content)
    said = str(caught.value)
    assert said == said.strip()
    assert said.isprintable()
    assert said.startswith("case")
    assert not said.startswith("case: :")
    assert len(said) < 600
    return said


# --- what is allowed ---------------------------------------------------------------------------------


def test_everything_that_a_case_may_say():
    parsed = parse_case(FULL, "here")
    assert (parsed.case_id, parsed.expected_slides, parsed.primary.grade, parsed.primary.size_mm) == (
        "2024-17",
        3,
        2,
        18,
    )
    first, second, third = parsed.nodes
    assert first.slides[0] == SlideReference("a", (1, 3), 2, "A1", "AE1/AE3")
    assert first.slides[1] == SlideReference("b", "all", "3", control_result="passed")
    assert (second.size_mm, second.cells, third.category) == (0.19, 230, "macrometastasis")
    assert parsed.procedure == Procedure(True, False, 3, False, False, 0.5)
    for record, content in ((Case, FULL), (Primary, FULL["primary"]), (Procedure, FULL["procedure"])):
        assert set(content) == {column.name for column in fields(record)}
    assert {key for node in FULL["nodes"] for key in node} == {column.name for column in fields(Node)}


def test_a_record_is_taken_as_it_is():
    parsed = parse_case(FULL)
    assert parse_case(parsed) is parsed
    assert parse_node(parsed.nodes[0]) is parsed.nodes[0]


def test_tables_of_any_kind_are_read_and_left_alone():
    content = json.loads(json.dumps(FULL))
    parsed = parse_case(content)
    assert content == FULL
    tuples = {**FULL, "nodes": tuple(FULL["nodes"])}
    assert parse_case(tuples) == parsed


def test_a_case_needs_nothing_but_its_name():
    assert parse_case({"case_id": "A"}) == Case("A")
    assert parse_case({"case_id": "A", "nodes": [{"node_id": "1"}]}).nodes == (Node("1"),)


OPTIONAL = [
    *((("primary",), key) for key in FULL["primary"]),
    *((("procedure",), key) for key in FULL["procedure"]),
    *((("nodes", 0), key) for key in FULL["nodes"][0] if key not in ("node_id", "station")),
    *((("nodes", 1), key) for key in ("size_mm", "cells")),
    (("nodes", 2), "category"),
    *((("nodes", 0, "slides", 0), key) for key in FULL["nodes"][0]["slides"][0] if key != "result"),
    (("nodes", 0, "slides", 1), "control_result"),
    *(((), key) for key in FULL if key != "case_id"),
]


def test_a_station_that_is_unknown_is_kept_and_one_that_is_left_out_is_axillary():
    nodes = [{"node_id": "1", "station": "unknown"}, {"node_id": "2", "station": None}, {"node_id": "3"}]
    assert [node.station for node in parse_case({"case_id": "A", "nodes": nodes}).nodes] == [
        "unknown",
        "axillary-1",
        "axillary-1",
    ]


@pytest.mark.parametrize("stated", ["unknown", None])
@pytest.mark.parametrize(("place", "key"), OPTIONAL, ids=lambda part: ".".join(map(str, part)) if part else "case")
def test_unknown_is_a_value_everywhere_and_is_what_is_left_out(place, key, stated):
    unknown, left_out = json.loads(json.dumps(FULL)), json.loads(json.dumps(FULL))
    for content in (unknown, left_out):
        table = content
        for step in place:
            table = table[step]
        assert key in table
        if content is unknown:
            table[key] = stated
        else:
            del table[key]
    assert parse_case(unknown) == parse_case(left_out)
    if key not in ("rules", "station"):  # there the default is what the full case says
        assert parse_case(unknown) != parse_case(FULL)


@pytest.mark.parametrize("key", ["case_id", "node_id", "result"])
def test_a_name_may_be_the_word_unknown(key):
    content = {**FULL, "nodes": [{"node_id": "1", "slides": [{"result": "r"}]}]}
    table = {"case_id": content, "node_id": content["nodes"][0], "result": content["nodes"][0]["slides"][0]}[key]
    table[key] = "unknown"
    parsed = parse_case(content)
    named = {"case_id": parsed, "node_id": parsed.nodes[0], "result": parsed.nodes[0].slides[0]}[key]
    assert getattr(named, key) == "unknown"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (nodes(size_mm=0), 0.0),
        (nodes(size_mm=-0.0), 0.0),
        (nodes(size_mm=100), 100.0),
        (nodes(size_mm=5e-324), 5e-324),
    ],
    ids=str,
)
def test_limits_of_a_size_are_inside(content, value):
    assert parse_case(content).nodes[0].size_mm == value


@pytest.mark.parametrize(
    ("short", "long"), [("micro", "micrometastasis"), ("macro", "macrometastasis"), ("itc", "itc"), ("positive",) * 2]
)
def test_short_words_for_categories(short, long):
    assert parse_case(nodes(category=short)).nodes[0].category == long
    assert records.Node("1", category=short) == records.Node("1", category=long)


class TwoLines:
    def __repr__(self):
        return "two\nlines"


@pytest.mark.parametrize("value", [object(), TwoLines(), b"A", {1, 2}, 1j, np.array(["A"]), lambda: "A"], ids=type)
@pytest.mark.parametrize(
    "place", [lambda value: value, lambda value: case(case_id=value), lambda value: nodes(er=value)]
)
def test_what_no_file_can_hold_is_refused_in_one_line(place, value):
    with pytest.raises(ConfigError) as raised:
        parse_case(place(value))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


def test_dates_of_toml_and_paths_are_their_text():
    content = tomllib.loads("case_id = 2024-05-01\n[primary]\nhistology = 07:30:00\n")
    read = parse_case(content | {"nodes": [{"node_id": "1", "slides": [{"result": Path("out") / "a"}]}]})
    assert (read.case_id, read.primary.histology) == ("2024-05-01", "07:30:00")
    assert read.nodes[0].slides[0].result == str(Path("out") / "a")


@pytest.mark.parametrize(
    "content",
    [
        primary(pt="x" * 90_000),
        primary(pt=" " * 90_000 + "cT1"),
        primary(m="pM0" + "x" * 90_000),
        case(primary={"pt": "ypT1" + " " * 90_000}),
        nodes(category="x" * 90_000),
    ],
)
def test_what_is_repeated_is_short(content):
    with pytest.raises(ConfigError) as raised:
        parse_case(content)
    assert len(str(raised.value)) < 400


def test_literals_are_those_that_the_rules_know():
    assert set(records.STATIONS) == set(get_args(records.Station))
    assert set(records.STATIONS) > records.AXILLARY_STATIONS


# --- what is refused ---------------------------------------------------------------------------------

REFUSED = [
    # wrong type
    ("no table", [], "the file must be a table, found []"),
    ("nothing", None, "the file must be a table, found None"),
    ("a text", "case", "the file must be a table, found 'case'"),
    ("a list for a table", case(primary=[]), "primary must be a table, found []"),
    ("a text for a table", case(procedure="sentinel"), "procedure must be a table, found 'sentinel'"),
    ("a table for a list", case(nodes={"1": {}}), "nodes: Input should be a valid array; found {'1': {}}"),
    ("a number for a node", case(nodes=[NODE, 2]), "nodes[2] must be a table, found 2"),
    ("a list for a node", case(nodes=[[]]), "nodes[1] must be a table, found []"),
    ("a text for slides", nodes(slides="a"), "nodes[1].slides: Input should be a valid array; found 'a'"),
    ("a text for a slide", nodes(slides=[SLIDE, "a"]), "nodes[1].slides[2] must be a table, found 'a'"),
    ("text for a number", nodes(size_mm="0.9"), "nodes[1].size_mm: Input should be a valid number; found '0.9'"),
    ("text with a unit", nodes(size_mm="0.9 mm"), "nodes[1].size_mm: Input should be a valid number; found '0.9 mm'"),
    ("truth for a number", nodes(size_mm=True), "nodes[1].size_mm: Input should be a valid number; found True"),
    ("truth for a count", nodes(cells=True), "nodes[1].cells: Input should be a valid integer; found True"),
    ("truth for a grade", primary(grade=True), "primary.grade: Input should be a valid integer; found True"),
    ("truth for an extent", procedure(extranodal_extension=True), "procedure.extranodal_extension: "),
    ("truth for a section", slides(section=False), "nodes[1].slides[1].section: "),
    ("fractions of cells", nodes(cells=0.5), "nodes[1].cells: Input should be a valid integer; found 0.5"),
    ("a number for truth", procedure(sentinel=1), "procedure.sentinel: Input should be a valid boolean; found 1"),
    ("text for truth", procedure(sentinel="yes"), "procedure.sentinel: Input should be a valid boolean; found 'yes'"),
    ("a number for a name", case(nodes=[{"node_id": 7}]), "nodes[1].node_id: Input should be a valid string; found 7"),
    ("a list for a number", nodes(size_mm=[0.9]), "nodes[1].size_mm: Input should be a valid number; found [0.9]"),
    ("a table for text", primary(pt={"T": 1}), "primary.pt: Input should be a valid string; found {'T': 1}"),
    ("no such pieces", slides(pieces="some"), "nodes[1].slides[1].pieces: "),
    ("text among pieces", slides(pieces=[1, "2"]), "nodes[1].slides[1].pieces"),
    ("fractions of pieces", slides(pieces=[1.5]), "nodes[1].slides[1].pieces"),
    ("no pieces", slides(pieces=[]), "nodes[1].slides[1]: pieces must be a list of different piece ids or 'all'"),
    ("a piece twice", slides(pieces=[2, 2]), "nodes[1].slides[1]: pieces must be a list of different piece ids"),
    # unknown key
    ("unknown key", case(primry={"grade": 1}), "unknown key primry; did you mean primary?"),
    ("unknown key of the primary", primary(her_2="positive"), "unknown key primary.her_2; did you mean primary.her2?"),
    ("unknown key of a node", nodes(size_um=190), "unknown key nodes[1].size_um; did you mean nodes[1].size_mm?"),
    ("unknown key of a slide", slides(piece=1), "unknown key nodes[1].slides[1].piece; did you mean nodes[1]."),
    ("a key like no other", case(qqqqqqq=1), "unknown key qqqqqqq; known are case_id, expected_slides, nodes"),
    ("an endless key", case(**{"q" * 10_000: 1}), "unknown key qqqq"),
    ("a key of two lines", case(**{"a\nb": 1}), "unknown key a\\nb"),
    # numbers
    ("negative size", nodes(size_mm=-0.1), "nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found -0.1"),
    ("NaN", nodes(size_mm=NAN), "nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found nan"),
    ("infinity", nodes(size_mm=INFINITY), "nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found inf"),
    ("too large for a float", nodes(size_mm=10**400), "nodes[1]: node 1: size_mm must be 0 to 100"),
    ("microns", nodes(size_mm=250), "nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found 250"),
    ("microns of the primary", primary(size_mm=18000), "primary.size_mm must be above 0 to 300, in millimetres"),
    ("no primary", primary(size_mm=0), "primary.size_mm must be above 0 to 300, in millimetres; found 0"),
    ("NaN primary", primary(size_mm=NAN), "primary.size_mm must be above 0 to 300, in millimetres; found nan"),
    ("negative cells", nodes(cells=-1), "nodes[1]: node 1: cells must be 0 to 1e+07; found -1"),
    ("negative copies", nodes(osna_copies_per_ul=-1), "nodes[1]: node 1: osna_copies_per_ul must be 0 to"),
    ("NaN copies", nodes(osna_copies_per_ul=NAN), "nodes[1]: node 1: osna_copies_per_ul must be 0 to"),
    ("grade 4", primary(grade=4), "primary.grade must be 1 to 3; found 4"),
    ("grade 0", primary(grade=0), "primary.grade must be 1 to 3; found 0"),
    ("grade in words", primary(grade="II"), "primary.grade: Input should be a valid integer; found 'II'"),
    ("score 101", primary(oncotype_score=101), "primary.oncotype_score must be 0 to 100; found 101"),
    ("negative score", primary(oncotype_score=-1), "primary.oncotype_score must be 0 to 100; found -1"),
    ("Ki-67 over all", primary(ki67_percent=100.1), "primary.ki67_percent must be 0 to 100; found 100.1"),
    ("Ki-67 NaN", primary(ki67_percent=NAN), "primary.ki67_percent must be 0 to 100; found nan"),
    ("age 131", primary(age=131), "primary.age must be 0 to 130, in years; found 131"),
    ("negative nodes", procedure(nodes_removed=-1), "procedure.nodes_removed must be 0 to 200; found -1"),
    ("201 nodes", procedure(nodes_removed=201), "procedure.nodes_removed must be 0 to 200; found 201"),
    ("negative extent", procedure(extranodal_extension=-1), "procedure.extranodal_extension must be 0 to 100, in mill"),
    ("NaN extent", procedure(extranodal_extension=NAN), "procedure.extranodal_extension must be 0 to 100, in mill"),
    ("negative slides", case(expected_slides=-1), "expected_slides must be 0 to 10000; found -1"),
    # words
    ("no such rules", case(rules="ajcc7"), "rules: Input should be 'ajcc8-breast' or 'camelyon17'; found 'ajcc7'"),
    ("HER2 equivocal", primary(her2="equivocal"), "primary.her2: Input should be 'positive', 'negative', 'equiv"),
    ("ER equivocal", primary(er="equivocal-after-ish"), "primary.er: Input should be 'positive', 'negative'"),
    ("no such T", primary(pt="pT5"), "primary.pt: 'pT5' is no T category; allowed are TX, T0, Tis, T1mi"),
    ("N for T", primary(ct="cN0"), "primary.ct: 'cN0' is no T category"),
    ("no such N", primary(cn="cN4"), "primary.cn: 'cN4' is no N category; allowed are NX, N0"),
    ("no such M", primary(cm="cM2"), "primary.cm: 'cM2' is no M category; allowed are M0"),
    ("pM0", primary(m="pM0"), "primary.m: 'pM0' does not exist: that nothing is found elsewhere is clinical"),
    ("pM0 as clinical M", primary(cm="pM0"), "primary.cm: 'pM0' does not exist"),
    ("empty T", primary(pt=""), "primary.pt: '' is no T category"),
    ("no such surgery", primary(surgery="lumpectomy"), "primary.surgery: Input should be 'breast-conserving'"),
    ("no such station", nodes(station="axilla"), "nodes[1].station: Input should be 'axillary-1', 'axillary-2'"),
    ("no such category", nodes(category="pN1mi"), "nodes[1].category: Input should be 'negative', 'itc'"),
    ("no such detection", nodes(detected_by="pcr"), "nodes[1].detected_by: Input should be 'he' or 'ihc-only'"),
    ("no such control", slides(control_result="ok"), "nodes[1].slides[1].control_result: Input should be 'passed'"),
    # names
    ("no name", {}, "case_id is missing"),
    ("no node name", case(nodes=[{}]), "nodes[1].node_id is missing"),
    ("no result", nodes(slides=[{}]), "nodes[1].slides[1].result is missing"),
    ("null for a name", {"case_id": None}, "case_id: Input should be a valid string; found None"),
    ("an empty name", {"case_id": ""}, "case_id must be one line of 1 to 200 characters, found ''"),
    ("a blank name", {"case_id": " \t"}, "case_id must be one line of 1 to 200 characters, found ' \\t'"),
    ("a name of two lines", {"case_id": "A\nB"}, "case_id must be one line of 1 to 200 characters, found 'A\\nB'"),
    ("a long name", {"case_id": "A" * 201}, "case_id must be one line of 1 to 200 characters, found 'AAAA"),
    ("a name that turns the line", {"case_id": "A\u202eB"}, "case_id must be one line of 1 to 200 characters"),
    ("an empty node name", case(nodes=[{"node_id": ""}]), "nodes[1]: node_id must be one line of 1 to 200 characters"),
    ("an empty result", nodes(slides=[{"result": ""}]), "nodes[1].slides[1]: result must be one line of 1 to 200"),
    # together
    ("a node twice", case(nodes=[NODE, {"node_id": "2"}, NODE]), "nodes: '1' is listed twice; list a node once"),
    ("category with size", nodes(category="itc", size_mm=0.1), "nodes[1]: node 1: found more than one of category"),
    ("category with cells", nodes(category="itc", cells=5), "nodes[1]: node 1: found more than one of category"),
    ("slides with category", nodes(category="itc", slides=[SLIDE]), "nodes[1]: node 1: found more than one of"),
    ("size with slides", nodes(size_mm=0.1, slides=[SLIDE]), "nodes[1]: node 1: found more than one of category"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), [entry[1:] for entry in REFUSED], ids=[entry[0] for entry in REFUSED])
def test_one_line_names_the_field(content, says):
    assert refused(content).startswith(f"case: {says}")


@pytest.mark.parametrize(
    ("field", "content"),
    [
        ("nodes_removed", procedure(nodes_removed=10**400)),
        ("cells", nodes(cells=10**400)),
        ("expected_slides", case(expected_slides=10**400)),
        ("extranodal_extension", procedure(extranodal_extension=10**400)),
        ("age", primary(age=-(10**400))),
    ],
)
def test_a_whole_number_too_large_for_a_float_is_out_of_range(field, content):
    assert f"{field} must be" in refused(content)


def test_a_number_of_more_digits_than_are_converted_is_refused():
    refused(primary(age=10**5000))


def nested(depth: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"nodes": value}
    return value


@pytest.mark.parametrize("kind", ["list", "table"])
@pytest.mark.parametrize("depth", [10, 150, 300, 5000])
@pytest.mark.parametrize("key", ["case_id", "nodes", "primary", "rules"])
def test_endless_nesting_is_refused(key, depth, kind):
    refused({"case_id": "A", key: nested(depth, kind)})


@pytest.mark.parametrize("text", ["\ud800", "A\udcff"])
def test_text_that_is_no_unicode_is_refused(text):
    for content in ({"case_id": text}, primary(histology=text), nodes(station=text), case(**{text: 1})):
        refused(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"case_id": "A", 1: 2}, "unknown key 1; "),
        ({"case_id": "A", None: 2}, "unknown key None; "),
        (case(primary={(1, 2): 3}), "unknown key primary.(1, 2); "),
        (primary(histology={(1, 2): 3}), ""),
    ],
    ids=str,
)
def test_a_key_that_is_no_text_is_refused(content, says):
    assert says in refused(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(case(nope="unknown"), id="case"),
        pytest.param(primary(her_2="unknown"), id="primary"),
        pytest.param(nodes(statoin=None), id="node"),
        pytest.param(slides(clones="unknown"), id="slide"),
    ],
)
def test_a_key_that_there_is_not_is_refused_though_its_value_is_unknown(content):
    assert "unknown key" in refused(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(primary(ct="pT2"), id="pT for cT"),
        pytest.param(primary(cn="ypN1a(sn)"), id="ypN for cN"),
        pytest.param(primary(ct="ycT1"), id="after treatment, for before it"),
        pytest.param(primary(pt="cT2"), id="cT for pT"),
    ],
)
def test_a_category_of_another_kind_is_refused(content):
    assert refused(content).startswith(f"case: primary.{next(iter(content['primary']))}: ")


@pytest.mark.parametrize("text", ["pM0(m)", "pM0(sn)", "pM0 (i+)"])
def test_pm0_with_a_suffix_does_not_exist_either(text):
    assert "primary.m: " in refused(primary(m=text))


# --- T, N and M --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "values"), [(t_value, T_VALUES), (n_value, N_VALUES), (m_value, M_VALUES)], ids=["T", "N", "M"]
)
def test_a_category_is_read_with_and_without_its_prefix(read, values):
    for value in values:
        for prefix in ("", "c", "r", "yc", *(("p", "yp") if value not in ("M0", "M0(i+)") else ())):
            assert read(f" {prefix}{value} ") == value
            assert read(f"{prefix}{value[0]}{value[1:].upper()}") == value
        for wrong in (f"x{value}", f"{value}x", value[1:], f"{value}{value}"):
            with pytest.raises(ConfigError, match=r"is no . category; allowed are "):
                read(wrong)


@pytest.mark.parametrize("suffix", ["(sn)", "(f)"])
def test_the_suffix_of_n_is_left_out(suffix):
    for value in N_VALUES:
        assert n_value(f"pN{value[1:]}{suffix}") == value


# --- one node, one procedure -------------------------------------------------------------------------


def test_nodes_of_a_list_need_no_name():
    assert [parse_node({}, number).node_id for number in (1, 2)] == ["1", "2"]
    assert parse_node({"node_id": "SLN"}, 1).node_id == "SLN"


@pytest.mark.parametrize(
    ("listed", "procedure", "says"),
    [
        ([{"category": "itc"}, {"size_mm": 250}], None, r"^node 2: .*size_mm must be 0 to 100, in millimetres"),
        ([{"category": "itc"}, 5], None, r"^node 2: the file must be a table|^node 2: .*must be a table"),
        ([{"slides": [{"result": "a"}]}], None, r"^node 1 is described by slides; stage the case"),
        ([], {"sentinal": True}, r"^procedure: unknown key sentinal; did you mean sentinel\?"),
        ([], {"nodes_removed": -1}, r"^procedure: .*nodes_removed must be 0 to 200; found -1"),
        ([], [], r"^procedure: .*must be a table, found \[\]"),
    ],
)  # fmt: skip
def test_what_is_refused_in_a_list_of_nodes(listed, procedure, says):
    with pytest.raises(ConfigError, match=says):
        pathologic_n(listed, procedure)


# --- anything ----------------------------------------------------------------------------------------

KEYS = sorted({*FULL, *FULL["primary"], *FULL["procedure"], *(key for node in FULL["nodes"] for key in node), *SLIDE})
WORDS = ["unknown", "micro", "positive", "pT1c", "cN0", "pM0", "all", "axillary-1", "present", "camelyon17", "", "\n"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(WORDS),
    st.sampled_from([0, 1, 2, 0.19, 200, 250, -1, 10**400]),
)
JSON_LIKE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=6)), inner, max_size=5),
    ),
    max_leaves=20,
)


def one_in(values: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A table of the right keys, most of them with a right value."""
    strategies = {key: st.one_of(st.just(value), st.just(value), SCALARS, JSON_LIKE) for key, value in values.items()}
    return st.fixed_dictionaries({}, optional=strategies)


NODES = st.lists(st.one_of(*(one_in(node) for node in FULL["nodes"]), JSON_LIKE), max_size=3)
NEARLY = st.fixed_dictionaries(
    {"case_id": st.one_of(st.just("A"), SCALARS)},
    optional={
        "primary": st.one_of(one_in(FULL["primary"]), JSON_LIKE),
        "procedure": st.one_of(one_in(FULL["procedure"]), JSON_LIKE),
        "nodes": st.one_of(NODES, JSON_LIKE),
        "expected_slides": SCALARS,
        "rules": st.one_of(st.just("camelyon17"), SCALARS),
    },
)


def is_read_or_refused(content: Any) -> None:
    """A record, or one line."""
    try:
        parsed = parse_case(content, "x.toml")
    except ConfigError as error:
        said = str(error)
        assert said.startswith("x.toml")
        assert ": :" not in said[:10]
        assert said.isprintable()
    else:
        assert isinstance(parsed, Case)


@settings(max_examples=400, deadline=None)
@given(JSON_LIKE)
@example({"case_id": {}})
def test_garbage_is_refused_in_one_line(content):
    is_read_or_refused(content)


@settings(max_examples=600, deadline=None)
@given(NEARLY)
@example({"case_id": "A", "nodes": [{"node_id": "1", "cells": 10**400}]})
def test_a_case_with_something_wrong_is_read_or_refused_in_one_line(content):
    is_read_or_refused(content)
