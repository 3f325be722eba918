"""The package and an independent reading of the same rules, side by side on random cases.

Neither imports the other. Where the two differ on purpose there is a ruling below: what it does to the second
reading's answer, and the rule it rests on. A ruling that no case needs, and a difference that no ruling
explains, both fail.
"""

from __future__ import annotations

import csv
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.resources import files
from itertools import combinations_with_replacement, product
from math import inf, nextafter
from typing import Any

import pytest

from micromet_path.clinical import staging
from micromet_path.clinical.case import STATIONS, parse_case
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.casework import stage_case
from micromet_path.clinical.tnm import M_VALUES, N_VALUES, T_VALUES
from micromet_path.model import Category
from tests.clinical import second_reading

CASES = int(os.environ.get("MICROMET_SECOND_READING_CASES", "20000"))
"""Every run of the suite compares this many; 100 000 take a minute or two."""

BLOCKS = 5
SEED = 2017
FIELDS = (
    *("pn", "pn_category", "suffixes", "t"),
    *("anatomic_stage", "clinical_prognostic_stage", "pathological_prognostic_stage", "warnings"),
)
WARNINGS = {
    "im_clinical_without_macro": "im-clinical-without-macro",
    "im_detection_unknown": "im-not-stated-as-sentinel",
    "pn_subcategory_undefined": "undefined-subcategory",
    "pn3a_fits_too": "pN3a-fits-too",
    "contralateral_is_m1": "contralateral-is-M1",
    "nodes_removed_unlike_listed": "nodes-removed-unlike-listed",
}
"""Codes of the package, and of the second reading, for the same warning; it has no others but ``not-assessable``."""


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    """The rows of the prognostic table, read without the package."""
    text = files("micromet_path.clinical").joinpath("tables", "prognostic_8th.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


# --- random cases ------------------------------------------------------------------------------------

SIZES_MM = (0.0, 0.05, 0.19, 0.2, 0.2000001, 0.21, 0.9, 1.99, 2.0, 2.0000001, 2.4, 12.0)
CELLS = (None, None, 0, 1, 130, 199, 200, 201, 260, 5000)
PRIMARY_MM = (0.4, 1.0, 1.01, 5.0, 5.01, 10.0, 10.01, 20.0, 20.01, 50.0, 50.01, 80.0)
MIXTURES = (
    ("negative", "itc"),
    ("micrometastasis",),
    ("negative", "itc", "micrometastasis"),
    ("micrometastasis", "macrometastasis"),
    ("negative", "itc", "micrometastasis", "macrometastasis", "positive"),
    ("negative", "itc", "micrometastasis", "macrometastasis", "positive", "not_assessable"),
)
PLACES = (
    ("axillary-1",),
    ("axillary-1", "axillary-2", "interpectoral", "intramammary", "axillary-fat-nodule"),
    ("axillary-1", "axillary-2", "intramammary", "internal-mammary"),
    ("axillary-1", "axillary-3", "internal-mammary"),
    ("axillary-1", "contralateral"),
    STATIONS,
)
YES_NO = (True, True, False, False, "unknown")


def facts(rng: random.Random, choices: Mapping[str, tuple[Any, ...]], share: float) -> dict[str, Any]:
    """One of the values of each key, and each key left out now and then."""
    return {key: rng.choice(values) for key, values in choices.items() if rng.random() < share}


def random_node(rng: random.Random, name: str, categories: tuple[str, ...], places: tuple[str, ...]) -> dict[str, Any]:
    node: dict[str, Any] = {"node_id": name, "station": rng.choice(places)}
    way = rng.random()
    if way < 0.6:
        node["category"] = rng.choice(categories)
    elif way < 0.99:
        node["size_mm"] = rng.choice(SIZES_MM) if rng.random() < 0.5 else 10 ** rng.uniform(-2, 1.2)
        node["cells"] = rng.choice(CELLS)
    node |= facts(rng, {"sentinel": YES_NO, "clinically_detected": YES_NO}, 0.5)
    node |= facts(rng, {"rt_pcr_positive": YES_NO, "osna_copies_per_ul": (100.0, 250.0, 5000.0, 9000.0)}, 0.15)
    return node


def random_case(rng: random.Random) -> dict[str, Any]:
    categories, places = rng.choice(MIXTURES), rng.choice(PLACES)
    number = rng.choice((0, 1, 1, 2, 3, 4, 5, 6, 9, 10, 12))
    receptors = ("positive", "negative", "positive", "negative", "unknown")
    primary = facts(
        rng,
        {
            "grade": (1, 2, 3, None),
            "er": receptors,
            "pr": receptors,
            "her2": (*receptors, "equivocal-after-ish"),
            "oncotype_score": (None, 0, 10, 11, 25),
        },
        0.95,
    )
    primary |= facts(rng, {"ct": T_VALUES, "cn": N_VALUES, "cm": (*M_VALUES[:2], *M_VALUES, "unknown")}, 0.8)
    primary |= facts(rng, {"m": ("M0", "cM0", "M0(i+)", "cM1", "pM1", "unknown")}, 0.2)
    primary |= facts(rng, {"surgery": ("breast-conserving", "mastectomy", "mastectomy", "none", "unknown")}, 0.4)
    procedure = facts(rng, {"sentinel": YES_NO, "completion_dissection": (True, False, False, False)}, 0.8)
    procedure |= facts(rng, {"neoadjuvant": (True, False, False, "unknown"), "needle_only": (True, False, False)}, 0.5)
    way = rng.random()
    if way < 0.6:
        prefix = "yp" if procedure.get("neoadjuvant") is True else "p"
        primary["pt"] = rng.choice(("", prefix)) + rng.choice(T_VALUES)
    elif way < 0.8:
        primary["size_mm"] = rng.choice(PRIMARY_MM)
    elif way < 0.9:
        primary["pt"] = "unknown"
    procedure |= facts(rng, {"nodes_removed": (number, number, 0, 1, 5, 6, 20)}, 0.4)
    return {
        "case_id": "random",
        "primary": primary,
        "procedure": procedure,
        "nodes": [random_node(rng, str(name), categories, places) for name in range(number)],
    }


# --- rulings -----------------------------------------------------------------------------------------

Answer = dict[str, Any]
Ruling = Callable[[Answer, Mapping[str, Any]], Answer]


def has_no_metastasis(answer: Answer) -> bool:
    category = answer["pn_category"]
    return category is not None and category.removeprefix("y").startswith("pN0")


def needle_confirms_a_metastasis(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """(f) says that a metastasis was confirmed by needle, so that it needs one."""
    return answer | {"suffixes": ()} if answer["suffixes"] == ("f",) and has_no_metastasis(answer) else answer


def nothing_examined_has_no_suffix(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """(sn) and (f) say how the examined nodes were obtained; of pNX there are none."""
    return answer | {"suffixes": ()} if (answer["pn_category"] or "").endswith("NX") else answer


def unresected_primary_is_clinical(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """Nodes without resection of the primary are cN; the case file can say so, and that outweighs a stated pT."""
    return without_pn(answer, case) if case["primary"].get("surgery") == "none" else answer


def unstated_t_is_doubt_not_refusal(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """A pT that is not stated is not a primary that is not resected: pN stands, with a warning (not so a needle's)."""
    if answer["t"] is not None or answer["pn_category"] is not None:
        return answer
    if case["procedure"].get("needle_only") is True or case["primary"].get("surgery") == "none":
        return answer
    nodes = case["nodes"]
    value, suffixes, _ = second_reading.pathologic_n(nodes, case["procedure"])
    if answer["is_incomplete"] and not second_reading._positive(second_reading._regional(nodes)):
        return answer
    return answer | {"pn_category": value, "suffixes": suffixes}


def any_t_n3(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """'Any T N3' is IIIC, and in the last bucket of the prognostic table: a stated TX, too."""
    changed = dict(answer)
    if answer["t"] == "TX" and "N3" in (answer["pn_category"] or "") and answer["m"] != "M1":
        changed |= stages(case, "T1", answer["pn_category"], answer["m"], answer["table"])
    primary = case["primary"]
    if primary.get("ct") == "TX" and str(primary.get("cn")).startswith("N3"):
        clinical = second_reading._clinical_of_case(answer["table"], {**primary, "ct": "T1"})
        changed["clinical_prognostic_stage"] = clinical
    return changed


def detection_not_stated_is_doubt(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """A positive internal mammary node whose detection is not stated may be one of row 3, and pN3b in row 2."""
    positive = second_reading._positive(case["nodes"])
    detected = [node.get("clinically_detected") for node in second_reading._at(positive, "internal-mammary")]
    is_decided = True in detected or bool(second_reading._at(positive, "supraclavicular"))
    if is_decided or all(stated is False for stated in detected):
        return answer
    return answer | {"warnings": answer["warnings"] | {"im-not-stated-as-sentinel"}}


def undefined_subcategory_is_printed_before_the_suffix(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """The suffix belongs to what was done, not to the registries' code."""
    if not answer["is_undefined"] or answer["pn_category"] is None:
        return answer
    category = answer["pn_category"]
    marks = ", " + "".join(f"({suffix})" for suffix in answer["suffixes"]) if answer["suffixes"] else ""
    return answer | {"pn": f"{category[:-1]}, subcategory undefined (registries: {category}){marks}"}


def incomplete_is_a_minimum(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """A case with a node that says nothing prints 'at least', or no pN."""
    if not answer["is_incomplete"] or answer["pn"] is None:
        return answer
    return answer | {"pn": f"at least {answer['pn']}"}


PREFIXED_T = "T carries no prefix: CaseStage.prefix tells it"
DECIDING: tuple[Ruling, ...] = (
    unresected_primary_is_clinical,
    unstated_t_is_doubt_not_refusal,
    needle_confirms_a_metastasis,
    nothing_examined_has_no_suffix,
    any_t_n3,
    detection_not_stated_is_doubt,
)
PRINTING: tuple[Ruling, ...] = (undefined_subcategory_is_printed_before_the_suffix, incomplete_is_a_minimum)


def without_pn(answer: Answer, case: Mapping[str, Any]) -> Answer:
    """The same case with no pN: nothing is left of its stages but what M1 decides."""
    return answer | {"pn_category": None, "suffixes": ()}


def stages(case: Mapping[str, Any], t: str, category: str | None, m: str, table: list[dict[str, str]]) -> Answer:
    """The second reading's stages of another T or pN."""
    n = "NX" if category is None else category[category.index("N") :]
    primary, neoadjuvant = case["primary"], case["procedure"].get("neoadjuvant") is True
    pathological = None
    if not neoadjuvant:
        markers = second_reading._markers(primary)
        score = primary.get("oncotype_score")
        pathological = second_reading.prognostic_stage(table, "pathological", t, n, m, *markers, score)
    return {
        "anatomic_stage": second_reading._anatomic_of_case(t, n, m, neoadjuvant),
        "pathological_prognostic_stage": pathological,
    }


def second_answer(table: list[dict[str, str]], case: Mapping[str, Any], used: Counter[str]) -> Answer:
    """What the second reading says, after the rulings; `used` counts the cases that each changed."""
    nodes, primary, procedure = case["nodes"], case["primary"], case["procedure"]
    answer: Answer = second_reading.case_stage(table, case)
    codes = second_reading.pathologic_n(nodes, procedure)[2]
    t = answer["t"]
    if t is not None:
        used[PREFIXED_T] += 1
    answer |= {
        "t": None if t is None else t[t.index("T") :],
        "m": second_reading._m_of_case(primary, nodes, procedure.get("neoadjuvant") is True),
        "table": table,
        "is_undefined": "undefined-subcategory" in codes,
        "is_incomplete": "not-assessable" in codes,
        "warnings": frozenset(codes - {"not-assessable"}),
    }
    for ruling in DECIDING:
        before, answer = answer, ruling(answer, case)
        if answer["pn_category"] != before["pn_category"]:
            answer |= stages(case, answer["t"] or "TX", answer["pn_category"], answer["m"], table)
        used[ruling.__name__] += answer != before
    category = answer["pn_category"]
    answer["pn"] = None if category is None else category + "".join(f"({suffix})" for suffix in answer["suffixes"])
    for ruling in PRINTING:
        before, answer = answer, ruling(answer, case)
        used[ruling.__name__] += answer != before
    return answer


def first_answer(stage: CaseStage) -> Answer:
    """What the package says, in the same words."""
    codes = {WARNINGS[caution.code] for caution in stage.cautions if caution.code in WARNINGS}
    return {
        **{name: getattr(stage, name) for name in FIELDS},
        "pn": None if stage.pn_category is None else stage.pn,
        "warnings": frozenset(codes),
    }


# --- side by side ------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", range(BLOCKS), ids="block{}".format)
def test_both_readings_agree_on_random_cases(table, block):
    used: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    told: Counter[str] = Counter()
    numbers = range(block * CASES // BLOCKS, (block + 1) * CASES // BLOCKS)
    for number in numbers:
        case = random_case(random.Random(SEED * 1_000_000 + number))
        first = first_answer(stage_case(parse_case(case)))
        second = second_answer(table, case, used)
        differing = {name: (first[name], second[name]) for name in FIELDS if first[name] != second[name]}
        assert not differing, f"case {number}: {differing} in {case}"
        compared.update(FIELDS)
        told.update(name for name in FIELDS if first[name])
    sys.stdout.write(
        f"{len(numbers)} cases, {compared.total()} fields agree; with a value {dict(told)}; {dict(used)}\n"
    )
    assert compared == dict.fromkeys(FIELDS, len(numbers))
    assert all(told[name] > len(numbers) / 50 for name in FIELDS), told
    rulings = {PREFIXED_T, *(ruling.__name__ for ruling in (*DECIDING, *PRINTING))}
    assert {name for name in rulings if used[name]} == rulings, f"a ruling that no case needs: {used}"


def test_both_readings_agree_on_every_node():
    sizes = (None, *SIZES_MM, nextafter(0.2, inf), nextafter(2.0, inf))
    for size_mm, cells in product(sizes, CELLS):
        assert staging.node_category(size_mm, cells).value == second_reading.node_category(size_mm, cells)


def test_both_readings_agree_on_every_t_by_size():
    for size_mm in (*PRIMARY_MM, *(nextafter(limit, inf) for limit in (1.0, 5.0, 10.0, 20.0, 50.0))):
        assert staging.t_from_size(size_mm) == second_reading.t_from_size(size_mm)


def test_both_readings_agree_on_every_anatomic_group():
    for t, n, m in product(T_VALUES, N_VALUES, M_VALUES):
        second = second_reading.anatomic_stage("T1" if t == "TX" and n.startswith("N3") else t, n, m)  # any T N3
        assert staging.anatomic_stage(t, n, m) == second


def test_both_readings_agree_on_every_prognostic_stage(table):
    receptors = ("positive", "negative", "unknown")
    grid = product(("Tis", "T0", "T1c", "T2", "T3", "T4b"), ("N0", "N1mi", "N1", "N2", "N3"), (1, 2, 3, None))
    markers = list(product((*receptors, "equivocal-after-ish"), receptors, receptors))
    for (t, n, grade), (her2, er, pr) in product(grid, markers):
        for kind, score in (("clinical", 10), ("pathological", 10), ("pathological", None)):
            facts = (kind, t, n, "M0", grade, her2, er, pr, score)
            assert staging.prognostic_stage(*facts) == second_reading.prognostic_stage(table, *facts), facts


def test_both_readings_agree_on_every_patient_of_the_challenge():
    labels = [label for label in Category if label is not Category.NOT_ASSESSABLE]
    for number in range(1, 7):
        for patient in combinations_with_replacement(labels, number):
            second = second_reading.camelyon17_stage([label.value for label in patient])
            assert staging.camelyon17_stage(patient) == second
