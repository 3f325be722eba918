"""The FHIR bundle of a case, judged by fhir.resources and by a copy of the vocabulary that is agreed on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from micromet_path.clinical.case import STATIONS, parse_case
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.casework import stage_case
from micromet_path.clinical.tnm import N_VALUES, T_VALUES
from micromet_path.errors import ConfigError
from micromet_path.results.fhir import case_bundle

# The list that was agreed on, word for word.
VOCABULARY = """
LOINC: 85343-2 nodes with macromets, 85344-0 micromets, 85352-3 ITC, 85351-5 largest deposit, 85350-7 extranodal
extension, 85347-3 sentinel examined, 92832-5 sentinel with metastasis, 92833-3 examined, 92831-7 with metastasis.
SNOMED CT: pN observable 371494008, AJCC 8 method 897275008; pNX 1229945006, pN0 1229947003, pN0(i+) 1229949000,
pN0(mol+) 1229950000, pN1mi 1229952008, pN1a(sn) 1229953003, pN1a 1229954009, pN1b 1229955005, pN1c 1229956006, pN2a
1229959004, pN2b 1229960009, pN3a 1229963006, pN3b 1229964000, pN3c 1229965004; stage group 399588009.
"""
LOINC = {name: code for code, name in re.findall(r"(\d{5}-\d) ([^,.]+?)\s*[,.]", VOCABULARY.replace("\n", " "))}
SNOMED = set(re.findall(r"\b\d{9,10}\b", VOCABULARY))
PN_CODES = dict(re.findall(r"(pN[\w()+]+)\s+(\d{10})", VOCABULARY))
ALLOWED = {
    "http://loinc.org": set(LOINC.values()),
    "http://snomed.info/sct": SNOMED,
    "http://unitsofmeasure.org": {"1", "mm", "{copies}/uL"},
}


def test_the_vocabulary_was_read_whole():
    assert len(LOINC) == 9
    assert len(PN_CODES) == 14
    assert len(SNOMED) == 14 + 3


def staged(case_id: str = "A", **content: Any) -> CaseStage:
    return stage_case(parse_case({"case_id": case_id, **content}))


def observations(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"]]


def within(part: Any) -> Iterator[dict[str, Any]]:
    """Every table at any depth."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from within(inner)


def with_code(bundle: dict[str, Any], code: str) -> dict[str, Any] | None:
    """The one observation of this code, or None."""
    found = [one for one in observations(bundle) if one["code"].get("coding", [{}])[0].get("code") == code]
    assert len(found) <= 1
    return found[0] if found else None


def with_text(bundle: dict[str, Any], start: str) -> dict[str, Any] | None:
    found = [one for one in observations(bundle) if one["code"]["text"].startswith(start)]
    assert len(found) <= 1
    return found[0] if found else None


def regional_nodes(bundle: dict[str, Any]) -> dict[str, Any]:
    found = with_code(bundle, "371494008")
    assert found is not None
    return found


def sometimes(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


TRUTH = sometimes(st.booleans())
WORD = st.sampled_from(["negative", "itc", "micrometastasis", "macrometastasis", "positive", "not_assessable"])
KNOWN = st.fixed_dictionaries({"category": WORD}) | st.fixed_dictionaries(
    {"size_mm": sometimes(st.sampled_from([0, 0.2, 2.0, 1e-5]) | st.floats(0, 40)), "cells": st.integers(0, 400)}
)
UNKNOWN = st.fixed_dictionaries({"slides": st.just([{"result": "out/a", "pieces": "all"}])}) | st.just({})
FACTS = st.fixed_dictionaries(
    {
        "station": st.sampled_from(("axillary-1", "axillary-2", *STATIONS)),
        "sentinel": TRUTH,
        "clinically_detected": TRUTH,
        "rt_pcr_positive": TRUTH,
        "confirmed": TRUTH,
        "osna_copies_per_ul": sometimes(st.sampled_from([0, 249, 5000]) | st.floats(0, 1e6)),
        "detected_by": st.sampled_from(["he", "ihc-only", "unknown"]),
    }
)
PRIMARY = st.fixed_dictionaries(
    {
        "pt": sometimes(st.sampled_from(T_VALUES)),
        "size_mm": sometimes(st.floats(0.1, 100)),
        "ct": sometimes(st.sampled_from(T_VALUES)),
        "cn": sometimes(st.sampled_from(N_VALUES)),
        "cm": sometimes(st.sampled_from(["cM0", "cM0(i+)", "M1"])),
        "m": sometimes(st.sampled_from(["M0", "M0(i+)", "pM1"])),
        "grade": sometimes(st.integers(1, 3)),
        "er": st.sampled_from(["positive", "negative", "unknown"]),
        "pr": st.sampled_from(["positive", "negative", "unknown"]),
        "her2": st.sampled_from(["positive", "negative", "equivocal-after-ish", "unknown"]),
        "oncotype_score": sometimes(st.integers(0, 100)),
        "surgery": st.sampled_from([None, "mastectomy", "breast-conserving", "none"]),
    }
)
PROCEDURE = st.fixed_dictionaries(
    {
        "sentinel": TRUTH,
        "completion_dissection": TRUTH,
        "nodes_removed": sometimes(st.integers(0, 20)),
        "neoadjuvant": TRUTH,
        "needle_only": TRUTH,
        "extranodal_extension": st.sampled_from([None, "absent", "present", 0, 1.5]),
    }
)
NAME = st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable() and text.strip())


@st.composite
def cases(draw: st.DrawFn) -> CaseStage:
    """Any case: with gaps, contradictions and names that nobody would give."""
    knowledge = draw(st.sampled_from([KNOWN, KNOWN, KNOWN | UNKNOWN]))
    described = draw(st.lists(st.tuples(FACTS, knowledge), max_size=13))
    return staged(
        draw(NAME),
        rules=draw(st.sampled_from(["ajcc8-breast"] * 4 + ["camelyon17"])),
        expected_slides=draw(sometimes(st.integers(0, 6))),
        primary=draw(PRIMARY),
        procedure=draw(PROCEDURE),
        nodes=[{"node_id": str(number), **facts, **known} for number, (facts, known) in enumerate(described)],
    )


MANY = settings(max_examples=120, deadline=None)


@MANY
@given(cases())
def test_the_structure_is_fhir_r4b_and_reading_it_loses_nothing(stage):
    bundle = case_bundle(stage)

    read = Bundle.model_validate_json(json.dumps(bundle))

    assert json.loads(read.model_dump_json()) == bundle


@MANY
@given(cases())
def test_every_code_is_on_the_agreed_list(stage):
    for part in within(case_bundle(stage)):
        if "system" in part and "code" in part:
            assert part["code"] in ALLOWED[part["system"]]
        else:
            assert not isinstance(part.get("code"), str)
            assert "display" not in part or part.keys() == {"type", "display"}


@MANY
@given(cases())
def test_everything_is_preliminary_suggested_and_about_a_case_id_alone(stage):
    for one in observations(case_bundle(stage)):
        assert one["resourceType"] == "Observation"
        assert one["status"] == "preliminary"
        assert one["note"][0]["text"].startswith("Research use only. Suggested")
        assert f"Case: {stage.status}." in one["note"][0]["text"]
        assert one["subject"].keys() == {"type", "identifier"}
        assert one["subject"]["identifier"]["value"] == stage.case_id


@MANY
@given(cases())
def test_references_lead_to_entries_and_ids_are_their_own(stage):
    bundle = case_bundle(stage)
    addresses = [entry["fullUrl"] for entry in bundle["entry"]]

    assert addresses == [f"urn:uuid:{one['id']}" for one in observations(bundle)]
    assert len({*addresses, bundle["id"]}) == len(addresses) + 1
    for part in within(bundle):
        if "reference" in part:
            assert part["reference"] in addresses


@MANY
@given(cases())
def test_a_value_or_the_reason_for_its_absence_never_both(stage):
    for one in observations(case_bundle(stage)):
        values = [key for key in one if key.startswith("value") or key == "dataAbsentReason"]
        assert len(values) == 1
        assert all(part["text"].strip() for part in within(one) if "text" in part)


@MANY
@given(cases())
def test_counts_are_those_of_the_stage(stage):
    bundle, counts = case_bundle(stage), stage.counts
    expected = {
        "nodes with macromets": counts.with_macro,
        "micromets": counts.with_micro,
        "ITC": counts.with_itc,
        "sentinel examined": counts.sentinel_examined,
        "sentinel with metastasis": counts.sentinel_positive,
        "examined": counts.examined,
        "with metastasis": counts.with_macro + counts.with_micro,
    }
    assert expected.keys() == LOINC.keys() - {"largest deposit", "extranodal extension"}
    for name, number in expected.items():
        found = with_code(bundle, LOINC[name])
        if number is None:
            assert found is None
            continue
        assert found is not None
        assert found["valueQuantity"]["value"] == number
        assert found["valueQuantity"]["code"] == "1"
        is_open, can_fall = stage.status == "incomplete", name in ("micromets", "ITC")
        is_minimum = (is_open and not can_fall) or ("sentinel" in name and counts.sentinel_not_stated > 0)
        assert found["valueQuantity"].get("comparator") == (">=" if is_minimum else None)
        assert any(note["text"].startswith("So far") for note in found["note"]) == (is_open and can_fall)

    largest = with_code(bundle, LOINC["largest deposit"])
    assert (largest and largest["valueQuantity"]["value"]) == counts.largest_mm
    assert largest is None or largest["valueQuantity"]["code"] == "mm"


@MANY
@given(cases())
def test_pn_is_said_as_it_is_printed_and_coded_only_where_a_code_is_listed(stage):
    nodes = observations(case_bundle(stage))[0]
    if stage.pn_category is None:
        assert nodes["dataAbsentReason"] == {"text": stage.pn}
        return

    value = nodes["valueCodeableConcept"]
    assert value["text"] == stage.pn
    if stage.case.rules == "camelyon17" or stage.prefix == "yp" or stage.pn.startswith("at least"):
        assert "coding" not in value
    else:
        own = stage.pn_category + "".join(f"({suffix})" for suffix in stage.suffixes)
        listed = PN_CODES[own] if own in PN_CODES else PN_CODES[stage.pn_category]
        assert value["coding"] == [{"system": "http://snomed.info/sct", "code": listed}]


@MANY
@given(cases())
def test_stage_groups_are_those_of_the_stage_or_say_why_there_is_none(stage):
    bundle = case_bundle(stage)
    for found, about, group in (
        (with_code(bundle, "399588009"), "anatomic stage", stage.anatomic_stage),
        (with_text(bundle, "Clinical prognostic"), "clinical prognostic stage", stage.clinical_prognostic_stage),
        (
            with_text(bundle, "Pathological prognostic"),
            "pathological prognostic stage",
            stage.pathological_prognostic_stage,
        ),
    ):
        if stage.case.rules == "camelyon17":
            assert found is None
        elif group is None:
            assert f"{about}: {found['dataAbsentReason']['text']} [" in found["note"][1]["text"]
        else:
            is_minimum = stage.pn.startswith("at least") and group != "IV" and not about.startswith("clinical")
            assert found["valueCodeableConcept"] == {"text": f"at least {group}" if is_minimum else group}


def test_what_can_only_grow_is_a_minimum_to_fhir_too():
    nodes = [{"node_id": "1", "sentinel": True, "size_mm": 2.5}, {"node_id": "2", "sentinel": True}]
    bundle = case_bundle(staged(primary={"pt": "T1c"}, procedure={"sentinel": True}, nodes=nodes))
    Bundle.model_validate(bundle)
    for name in ("nodes with macromets", "with metastasis", "sentinel examined", "largest deposit"):
        assert with_code(bundle, LOINC[name])["valueQuantity"]["comparator"] == ">="
    assert "coding" not in regional_nodes(bundle)["valueCodeableConcept"]
    assert with_code(bundle, "399588009")["valueCodeableConcept"] == {"text": "at least IIA"}
    whole = case_bundle(staged(primary={"pt": "T1c"}, procedure={"sentinel": True}, nodes=nodes[:1]))
    assert not any("comparator" in part for part in within(whole))


@MANY
@given(cases())
def test_the_same_case_gives_the_same_bytes_and_its_ids_outlive_its_stage(stage):
    again = staged(stage.case_id, rules=stage.case.rules)
    text = json.dumps(case_bundle(stage))

    assert json.dumps(case_bundle(stage_case(stage.case))) == text
    assert case_bundle(again)["id"] == case_bundle(stage)["id"]
    assert observations(case_bundle(again))[0]["id"] == observations(case_bundle(stage))[0]["id"]
    assert case_bundle(staged(stage.case_id + "x"))["id"] != case_bundle(stage)["id"]


NODE = {"node_id": "1", "sentinel": True}
MACRO, MICRO, ITC = ({**NODE, "size_mm": size} for size in (2.5, 0.9, 0.1))


def test_ids_stay_as_they_were():
    bundle = case_bundle(staged())
    assert bundle["id"] == "2a12185d-e425-50b8-92dd-97bd60cce3de"
    assert regional_nodes(bundle)["id"] == "8037e2d7-6b0a-5d9d-b920-d933898eeae2"


def test_bytes_do_not_depend_on_the_process():
    program = (
        "import json; from micromet_path.clinical.case import parse_case;"
        "from micromet_path.clinical.casework import stage_case; from micromet_path.results.fhir import case_bundle;"
        "print(json.dumps(case_bundle(stage_case(parse_case({'case_id': 'A', 'nodes':"
        " [{'node_id': '1', 'size_mm': 0.9}]})))))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = json.dumps(case_bundle(staged(nodes=[{"node_id": "1", "size_mm": 0.9}])))
    assert texts == {here + "\n"}


def test_profiles_and_method_are_those_of_mcode():
    bundle = case_bundle(staged(primary={"pt": "pT1c"}, nodes=[MICRO]))
    profiles = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
    group = with_code(bundle, "399588009")
    assert group is not None
    assert regional_nodes(bundle)["meta"] == {"profile": [f"{profiles}mcode-tnm-regional-nodes-category"]}
    assert group["meta"] == {"profile": [f"{profiles}mcode-tnm-stage-group"]}
    assert sum("meta" in one for one in observations(bundle)) == 2
    for one in (regional_nodes(bundle), group):
        assert one["method"]["coding"] == [{"system": "http://snomed.info/sct", "code": "897275008"}]
        assert one["focus"][0]["type"] == "Condition"


def test_a_stage_group_names_its_t_n_and_m():
    bundle = case_bundle(staged(primary={"pt": "pT1c"}, nodes=[MICRO]))
    texts = {entry["fullUrl"]: entry["resource"]["valueCodeableConcept"]["text"] for entry in bundle["entry"][:3]}
    group = with_code(bundle, "399588009")
    assert group is not None
    assert [texts[member["reference"]] for member in group["hasMember"]] == ["pT1c", "pN1mi", "M0"]
    assert group["valueCodeableConcept"] == {"text": "IB"}
    clinical = with_text(bundle, "Clinical prognostic")
    assert clinical is not None
    assert "hasMember" not in clinical


@pytest.mark.parametrize(
    ("nodes", "procedure", "text", "code"),
    [
        ([MACRO], {"sentinel": True}, "pN1a(sn)", "1229953003"),
        ([MACRO], {}, "pN1a", "1229954009"),
        ([MACRO], {"needle_only": True}, "pN1a(f)", "1229954009"),
        ([MICRO], {"sentinel": True}, "pN1mi(sn)", "1229952008"),
        ([ITC], {"sentinel": True}, "pN0(i+)(sn)", "1229949000"),
        ([MACRO, {"node_id": "2"}], {"sentinel": True}, "at least pN1a(sn)", None),
        ([MACRO], {"sentinel": True, "neoadjuvant": True}, "ypN1a(sn)", None),
        ([], {"neoadjuvant": True}, "ypNX", None),
        (
            [MICRO, {"node_id": "2", "station": "internal-mammary", "sentinel": True, "size_mm": 0.9}],
            {"sentinel": True},
            "pN1, subcategory undefined (registries: pN1c), (sn)",
            "1229956006",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_code_does_not_hold_stands_beside_it(nodes, procedure, text, code):
    value = regional_nodes(case_bundle(staged(primary={"pt": "T2"}, procedure=procedure, nodes=nodes)))[
        "valueCodeableConcept"
    ]
    assert value["text"] == text
    assert [one["code"] for one in value.get("coding", [])] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"nodes": [{"node_id": "1", "category": "not_assessable"}]}, "pN not assigned yet: node 1 is not assessable"),
        ({"primary": {"surgery": "none"}, "nodes": [MACRO]}, "cN, not pN: the primary was not resected"),
        (
            {"procedure": {"needle_only": True}, "nodes": [MACRO]},
            "cN, not pN: nodes sampled by needle, and no pT is stated",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_not_assigned_has_no_pn_code(content, text):
    bundle = case_bundle(staged(**content))
    assert regional_nodes(bundle)["dataAbsentReason"] == {"text": text}
    assert not set(PN_CODES.values()) & {part.get("code") for part in within(bundle) if "system" in part}


def test_after_treatment_t_and_the_group_say_so():
    procedure = {"neoadjuvant": True}
    bundle = case_bundle(staged(primary={"pt": "T1c"}, procedure=procedure, nodes=[MACRO]))
    tumour, group = with_text(bundle, "pT category"), with_code(bundle, "399588009")
    assert tumour is not None
    assert group is not None
    assert tumour["valueCodeableConcept"] == {"text": "ypT1c"}
    assert group["code"]["text"].endswith("after neoadjuvant treatment")
    assert group["valueCodeableConcept"] == {"text": "IIA"}


def test_what_has_a_staging_method_is_about_the_tumour_and_nothing_else_is():
    nodes = [{**MICRO, "osna_copies_per_ul": 6000}]
    bundle = case_bundle(staged(primary={"pt": "T1c"}, procedure={"extranodal_extension": 1}, nodes=nodes))
    assert [("method" in one, "focus" in one) for one in observations(bundle)] == [(True, True)] * 6 + [
        (False, False)
    ] * 10


def test_every_category_of_the_ajcc_that_can_be_assigned_has_its_code():
    macro = {"category": "macrometastasis"}
    found = {
        regional_nodes(case_bundle(staged(nodes=[{"node_id": str(n), **node} for n, node in enumerate(nodes)])))[
            "valueCodeableConcept"
        ]["coding"][0]["code"]
        for nodes in (
            [],
            [{"category": "negative"}],
            [{"category": "itc"}],
            [{"category": "negative", "rt_pcr_positive": True}],
            [{"category": "micrometastasis"}],
            [macro],
            [{**macro, "station": "internal-mammary", "sentinel": True}],
            [macro, {**macro, "station": "internal-mammary", "sentinel": True}],
            [macro] * 4,
            [{**macro, "station": "internal-mammary", "clinically_detected": True}],
            [macro] * 10,
            [macro, {**macro, "station": "internal-mammary", "clinically_detected": True}],
            [{**macro, "station": "supraclavicular"}],
        )
    }
    assert found == set(PN_CODES.values()) - {PN_CODES["pN1a(sn)"]}


def test_the_challenge_is_never_coded_as_the_ajcc():
    bundle = case_bundle(staged(rules="camelyon17", nodes=[MICRO]))
    assert observations(bundle)[0]["valueCodeableConcept"] == {"text": "pN1mi"}
    assert not any(part.get("system") == "http://snomed.info/sct" for part in within(bundle))
    assert not any("meta" in one for one in observations(bundle))


@pytest.mark.parametrize(
    ("stated", "text"),
    [("absent", "absent"), ("present", "present"), (1.5, "present, 1.5 mm"), (0, "absent, 0 mm"), (None, None)],
)
def test_extranodal_extension_is_what_was_stated(stated, text):
    found = with_code(case_bundle(staged(procedure={"extranodal_extension": stated})), LOINC["extranodal extension"])
    assert (found and found["valueCodeableConcept"]) == (None if text is None else {"text": text})


def test_osna_stands_beside_pn_and_is_not_mol_plus():
    nodes = [
        {"node_id": "1", "category": "negative", "osna_copies_per_ul": 6000},
        {"node_id": "2", "category": "negative", "osna_copies_per_ul": 300.5},
    ]
    bundle = case_bundle(staged(nodes=nodes))
    osna = with_text(bundle, "Total tumour load by OSNA")
    assert osna is not None
    assert osna["code"].keys() == {"text"}
    assert (osna["valueQuantity"]["value"], osna["valueQuantity"]["unit"]) == (6300.5, "copies/uL")
    assert [note["text"] for note in osna["note"][1:]] == ["node 1: ++", "node 2: +"]
    assert regional_nodes(bundle)["valueCodeableConcept"]["coding"][0]["code"] == PN_CODES["pN0"]
    assert with_text(case_bundle(staged(nodes=[MICRO])), "Total tumour load by OSNA") is None


def test_reasons_and_cautions_of_pn_go_with_it():
    stage = staged(procedure={"sentinel": True}, nodes=[{**MICRO, "size_mm": 1.95}])
    texts = [note["text"] for note in regional_nodes(case_bundle(stage))["note"][1:]]
    assert texts[-len(stage.warnings) :] == list(stage.warnings)
    assert any("near_limit" in text for text in texts)
    assert [text for text in texts if text.startswith("pN: ")] == [
        reason for reason in stage.reasons if reason.startswith("pN: ")
    ]


def test_no_time_unless_one_is_given():
    stage = staged(nodes=[MICRO])
    assert "timestamp" not in case_bundle(stage)
    assert not any("issued" in one for one in observations(case_bundle(stage)))

    issued = "2025-01-31T12:00:00.5+01:00"
    bundle = case_bundle(stage, issued)
    assert {bundle["timestamp"], *(one["issued"] for one in observations(bundle))} == {issued}
    Bundle.model_validate(bundle)


@pytest.mark.parametrize(
    "issued",
    [
        "",
        "today",
        "2025-01-31",
        "2025-01-31T12:00Z",
        "2025-01-31T12:00:00",
        "2025-02-30T12:00:00Z",
        "２025-01-31T12:00:00Z",
    ],
)
def test_a_time_that_is_no_instant_is_refused_in_one_line(issued):
    with pytest.raises(ConfigError, match="issued must be a time with seconds and offset") as caught:
        case_bundle(staged(), issued)
    assert "\n" not in str(caught.value)


def test_nothing_of_the_patient_is_written_but_the_case_id():
    stage = staged(
        primary={"age": 87, "histology": "lobular-of-nobody", "ki67_percent": 33.25, "pt": "T1c"}, nodes=[MICRO]
    )
    text = json.dumps(case_bundle(stage))
    assert not any(secret in text for secret in ("lobular-of-nobody", "33.25", "birthDate", "gender", '"Patient/'))
    assert all(one["subject"]["identifier"]["value"] == "A" for one in observations(case_bundle(stage)))
