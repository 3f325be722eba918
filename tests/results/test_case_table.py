"""Cases out as a table: the columns never change, and a row says what the case says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from micromet_path import __version__
from micromet_path.clinical.case import parse_case
from micromet_path.clinical.casework import stage_case
from micromet_path.results.case_files import read_cases
from micromet_path.results.case_table import CASE_COLUMNS, case_line, case_row, case_table_as_markdown, header_line
from tests.results.many_cases import write_table

CASES = Path(__file__).resolve().parents[2] / "configs" / "cases"


def staged(**content):
    return stage_case(parse_case({"case_id": "A", **content}))


def written(stages):
    return header_line() + "".join(map(case_line, stages))


def test_the_columns_are_frozen():
    """Laboratory systems read them by place: add at the end, change none."""
    assert CASE_COLUMNS[:23] == (
        *("case_id", "status", "pn", "pn_category", "suffixes", "pt", "m", "anatomic_stage"),
        *("clinical_prognostic_stage", "pathological_prognostic_stage", "nodes_examined", "nodes_macro"),
        *("nodes_micro", "nodes_itc", "sentinel_examined", "sentinel_positive", "largest_mm", "slides_expected"),
        *("slides_read", "warnings", "would_change", "rules_version", "program_version"),
    )


def test_the_columns_are_documented():
    readme = (CASES / "README.md").read_text(encoding="utf-8")
    assert case_table_as_markdown() in readme
    assert all(f"| `{name}` | " in readme for name in CASE_COLUMNS)


def test_a_row():
    row = case_row(
        staged(
            primary={"pt": "pT1c", "grade": 2, "er": "positive", "pr": "positive", "her2": "negative"},
            procedure={"sentinel": True},
            nodes=[
                {"node_id": "1", "sentinel": True, "size_mm": 0.9},
                {"node_id": "2", "sentinel": True, "size_mm": 0.18, "confirmed": True},
                {"node_id": "3", "station": "contralateral", "category": "negative"},
            ],
        )
    )
    assert row == {
        "case_id": "A",
        "status": "suggested",
        "pn": "pN1mi(sn)",
        "pn_category": "pN1mi",
        "suffixes": "sn",
        "pt": "pT1c",
        "m": "M0",
        "anatomic_stage": "IB",
        "clinical_prognostic_stage": "",
        "pathological_prognostic_stage": "IA",
        "nodes_examined": "2",
        "nodes_macro": "0",
        "nodes_micro": "1",
        "nodes_itc": "1",
        "sentinel_examined": "2",
        "sentinel_positive": "1",
        "largest_mm": "0.9",
        "slides_expected": "",
        "slides_read": "",
        "warnings": "unconfirmed;near_limit",
        "would_change": "",
        "rules_version": row["rules_version"],
        "program_version": __version__,
    }
    assert row["rules_version"].startswith("pn-ajcc8-breast/1, ")


def test_the_prefix_of_t_is_that_of_n():
    row = case_row(
        staged(primary={"pt": "T2"}, procedure={"neoadjuvant": True}, nodes=[{"node_id": "1", "category": "itc"}])
    )
    assert (row["pt"], row["pn"]) == ("ypT2", "ypN0(i+)")
    assert case_row(staged())["pt"] == ""


@pytest.mark.parametrize("seed", range(3))
def test_a_table_is_read_back_row_by_row(tmp_path, seed):
    stages = [stage_case(case) for case in read_cases(write_table(tmp_path / "cases.csv", 100, seed))]
    text = written(stages)
    assert text.count("\n") == 101
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert rows == [case_row(stage) for stage in stages]
    for row, stage in zip(rows, stages, strict=True):
        assert list(row) == list(CASE_COLUMNS)
        assert row["pn"] == stage.pn
        assert (float(row["largest_mm"]) if row["largest_mm"] else None) == stage.counts.largest_mm
        assert set(row["warnings"].split(";")) - {""} == {caution.code for caution in stage.cautions}


FACTS = {"grade": 2, "er": "positive", "pr": "positive", "her2": "negative"}
OPEN = [{"node_id": "1", "size_mm": 0.9}, {"node_id": "2"}]


def test_groups_that_rest_on_a_minimum_are_one_too():
    before = {"ct": "cT1c", "cn": "cN0", "cm": "cM0"}
    row = case_row(staged(primary={"pt": "pT1c", **before, **FACTS}, nodes=OPEN))
    assert row["pn"] == "at least pN1mi"
    groups = [row[f"{kind}_stage"] for kind in ("anatomic", "clinical_prognostic", "pathological_prognostic")]
    assert groups == ["at least IB", "IA", "at least IA"]
    row = case_row(staged(primary={"pt": "pT1c", "m": "M1", **FACTS}, nodes=OPEN))
    assert (row["anatomic_stage"], row["pathological_prognostic_stage"]) == ("IV", "IV")


@pytest.mark.parametrize("name", ["=1+1", "+A", "-A", "@SUM(A1)"])
def test_no_spreadsheet_computes_a_case_id(name):
    (row,) = csv.DictReader(io.StringIO(written([staged(case_id=name)]), newline=""), strict=True)
    assert row["case_id"] == f"'{name}"
    assert case_row(staged(case_id=f"A{name}"))["case_id"] == f"A{name}"
