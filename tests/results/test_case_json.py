"""Cases out as JSON: of the schema, nothing but JSON, and nothing of the machine."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import jsonschema
import pytest

from micromet_path.clinical.case import parse_case
from micromet_path.clinical.casework import stage_case
from micromet_path.clinical.nodes import FocusEvidence, SectionFinding
from micromet_path.model import Assessable, Category, CellEstimate, Finding, GapFinding
from micromet_path.results.case_files import read_cases
from micromet_path.results.case_json import case_schema, encode_case
from tests.results.many_cases import write_table

VALIDATOR = jsonschema.Draft202012Validator(case_schema())


def as_json(stage, context=()):
    """What another program reads: NaN and Infinity are no JSON."""
    text = json.dumps(encode_case(stage, context), allow_nan=False)
    content = json.loads(text, parse_constant=pytest.fail)
    VALIDATOR.validate(content)
    return content


def staged(content, sections=None):
    return stage_case(parse_case(content), sections)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(case_schema())


@pytest.mark.parametrize("seed", range(5))
def test_random_cases_are_of_the_schema(tmp_path, seed):
    for case in read_cases(write_table(tmp_path / "cases.csv", 100, seed)):
        stage = stage_case(case)
        content = as_json(stage)
        assert (content["pn"], content["status"], content["case_id"]) == (stage.pn, stage.status, case.case_id)
        said = [f"{one['about']}: {one['text']} [{one['rule']}; {one['source']}]" for one in content["reasons"]]
        assert tuple(said) == stage.reasons
        assert [node["category"] for node in content["nodes"]] == [node.category for node in stage.nodes]


@pytest.mark.parametrize("seed", range(3))
def test_the_facts_give_the_case_again(tmp_path, seed):
    for case in read_cases(write_table(tmp_path / "cases.csv", 100, seed)):
        assert parse_case(as_json(stage_case(case))["facts"]) == case


def test_a_minimum_says_so_beside_its_groups():
    nodes = [{"node_id": "1", "size_mm": 0.9}, {"node_id": "2"}]
    content = as_json(staged({"case_id": "A", "primary": {"pt": "pT1c"}, "nodes": nodes}))
    assert (content["is_minimum"], content["pn"], content["anatomic_stage"]) == (True, "at least pN1mi", "IB")
    content = as_json(staged({"case_id": "A", "primary": {"pt": "pT1c"}, "nodes": nodes[:1]}))
    assert (content["is_minimum"], content["anatomic_stage"]) == (False, "IB")
    assert not VALIDATOR.is_valid({key: value for key, value in content.items() if key != "is_minimum"})


@pytest.mark.parametrize("rules", ["ajcc8-breast", "camelyon17"])
def test_a_case_of_which_nothing_is_known(rules):
    content = as_json(staged({"case_id": "A", "rules": rules}))
    for key in ("t", "anatomic_stage", "clinical_prognostic_stage", "pathological_prognostic_stage", "osna"):
        assert content[key] is None
    assert content["nodes"] == []
    assert content["counts"]["largest_mm"] is None
    assert "pathologist decides" in content["research_use_only"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "micromet-case/2"),
        ("status", "final"),
        ("pn", None),
        ("anatomic_stage", "V"),
        ("nodes", [{}]),
        ("warnings", ["text"]),
        ("facts", {}),
    ],
)
def test_the_schema_refuses_what_is_wrong(key, value):
    content = encode_case(staged({"case_id": "A"}))
    assert VALIDATOR.is_valid(content)
    assert not VALIDATOR.is_valid({**content, key: value})
    assert not VALIDATOR.is_valid({name: entry for name, entry in content.items() if name != key})
    assert VALIDATOR.is_valid({**content, "later": 1})


def found(category, size_um, **more):
    """What a slide shows; the judge of it is not asked here."""
    return Finding(
        category=category,
        assessable=Assessable(True),
        max_diameter_um=size_um,
        diameter_interval_um=None if size_um is None else (size_um - 10, size_um + 10),
        borderline=False,
        near_limit=False,
        size_is_minimum=False,
        cluster_id=None if size_um is None else 3,
        category_by_size=category,
        category_by_cells=Category.NEGATIVE,
        n_clusters=1,
        n_itc=1,
        n_micro=0,
        n_macro=0,
        estimated_cells=CellEstimate(150.0, 120.0, 190.0),
        by_gap=(GapFinding(7.0, category, size_um), GapFinding(25.0, Category.MICROMETASTASIS, 300.0)),
        contiguity_sensitive=True,
        if_all_counted=Category.MICROMETASTASIS,
        scatter_extent_um=None,
        headline="",
        **more,
    )


SECTION = SectionFinding(
    result="itc",
    fingerprint="sha256:1",
    slide_name="itc.svs",
    pieces=(1, 2),
    finding=found(Category.ITC, 180.0),
    focus=FocusEvidence(
        3, 180.0, ((10.0, 20.5), (300.0, 20.0)), (10, 20, 301, 40), ("weak",), "accepted", "parenchyma"
    ),
    section="2",
    block="A1",
    clone="AE1/AE3",
    folder="/home/somebody/results/itc",
)
SLIDES = [{"result": "/home/somebody/results/itc", "pieces": [1, 2]}, {"result": "C:\\Users\\somebody\\out\\deep"}]


def case_on_slides():
    other = replace(
        SECTION, result="deep", fingerprint="sha256:2", focus=None, problem="not assessable: no tissue", block=None
    )
    return staged(
        {"case_id": "A", "nodes": [{"node_id": "1", "slides": SLIDES}, {"node_id": "2", "osna_copies_per_ul": 5000}]},
        {"1": [SECTION, other]},
    )


def test_the_evidence_of_a_node():
    content = as_json(case_on_slides())
    node = content["nodes"][0]
    assert (node["deciding"], node["category"], node["size_mm"]) == ("itc", "itc", 0.18)
    assert node["size_interval_mm"] == [0.17, 0.19]
    assert node["cells"] == {"value": 150.0, "low": 120.0, "high": 190.0}
    assert node["by_gap"] == [{"gap_um": 7.0, "category": "itc"}, {"gap_um": 25.0, "category": "micrometastasis"}]
    assert node["is_minimum"] is True
    deep, itc = node["evidence"]
    assert (deep["focus"], deep["problem"]) == (None, "not assessable: no tissue")
    assert itc == {
        "result": "itc",
        "fingerprint": "sha256:1",
        "slide_name": "itc.svs",
        "pieces": [1, 2],
        "section": "2",
        "block": "A1",
        "clone": "AE1/AE3",
        "category": "itc",
        "max_diameter_um": 180.0,
        "problem": None,
        "is_confirmed": False,
        "focus": {
            "cluster_id": 3,
            "max_diameter_um": 180.0,
            "axis_px0": [[10.0, 20.5], [300.0, 20.0]],
            "bbox_px0": [10, 20, 301, 40],
            "flags": ["weak"],
            "decision": "accepted",
            "location": "parenchyma",
        },
    }
    assert content["osna"] == {"total_copies_per_ul": 5000, "by_node": [{"node_id": "2", "class": "+"}]}


def test_what_would_change_pn_is_told():
    changed = staged({"case_id": "A", "nodes": [{"node_id": "1", "slides": SLIDES[:1]}]}, {"1": [SECTION]})
    assert {"pn": "pN1mi", "condition": "foci up to 25 um apart count as one"} in as_json(changed)["changes"]


def test_no_folder_is_told():
    stage = case_on_slides()
    text = json.dumps(encode_case(stage))
    assert "somebody" not in text
    names = [slide["result"] for slide in as_json(stage)["facts"]["nodes"][0]["slides"]]
    assert names == ["itc", "deep"]


@pytest.mark.parametrize(
    ("named", "told"), [("out/a/", "a"), ("a", "a"), ("..", ".."), ("./a/..", "a"), ("D:\\x\\b", "b")]
)
def test_a_result_is_told_by_its_name(named, told):
    stage = staged({"case_id": "A", "nodes": [{"node_id": "1", "slides": [{"result": named}]}]})
    assert as_json(stage)["facts"]["nodes"][0]["slides"][0]["result"] == told


def test_studies_only_for_those_who_ask():
    from micromet_path.clinical.context import match_studies

    stage = staged({"case_id": "A", "nodes": [{"node_id": str(Random(0).random()), "category": "micro"}]})
    assert "context" not in as_json(stage)
    matches = match_studies(stage)
    told = as_json(stage, matches)["context"]
    assert [one["study"] for one in told] == [match.study for match in matches]
    assert [one["missing"] for one in told] == [list(match.missing) for match in matches]
    assert all(one["citation"] for one in told)
