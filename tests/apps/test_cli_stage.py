"""`micromet stage` from outside: what stands on which stream, exit status, and which files are left behind."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import jsonschema
import pytest

from micromet_path.api import analyze_into
from micromet_path.api import stage as api_stage
from micromet_path.results.case_json import case_schema
from tests.apps.conftest import Command, Ran, is_one_line
from tests.results.many_cases import write_table

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "configs" / "cases"
MICRO = EXAMPLES / "sentinel-micrometastasis.toml"
TABLE = EXAMPLES / "many.csv"
VALIDATOR = jsonschema.Draft202012Validator(case_schema())
FORMS = ("--json", "--fhir", "--csv", "--synoptic")


@pytest.fixture
def micromet(micromet: Command) -> Command:
    """`micromet stage` in this process."""
    return partial(micromet, "stage")


def command(*arguments: object) -> list[str]:
    """`micromet stage` as a shell starts it."""
    code = "from micromet_path.apps.cli import main; main()"
    return [sys.executable, "-c", code, "stage", *map(str, arguments)]


def json_lines(text: str) -> list[dict[str, Any]]:
    contents = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    for content in contents:
        VALIDATOR.validate(content)
    return contents


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def written(path: Path, **content: Any) -> Path:
    path.write_text(json.dumps({"case_id": "A", **content}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of three analysed slides."""
    out = tmp_path_factory.mktemp("results")
    for name in ("micro", "itc", "negative"):
        analyze_into(out, ROOT / "sample_slides" / f"{name}.svs")
    return out


# -- a case --------------------------------------------------------------------------------------


def test_a_case_is_told_in_words(micromet: Callable[..., Ran]) -> None:
    ran = micromet(MICRO)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "example-1  pN1mi(sn)"
    staged = api_stage(MICRO)
    for reason in staged.reasons:
        assert f"  - {reason}" in lines
    for fact in (
        "status                         confirmed",
        "T, M                           pT1c, M0",
        "anatomic stage                 IB",
        "clinical prognostic stage      IA",
        "pathological prognostic stage  IA",
        "nodes                          2 of 2 examined: macrometastasis 0, micrometastasis 1, ITC 0",
        "sentinel nodes                 2 examined, 1 positive",
    ):
        assert any(line.startswith(fact) for line in lines), fact
    assert "research use only" in ran.out
    assert "read with caution" not in ran.out


def test_cautions_and_changes_are_told(micromet: Callable[..., Ran]) -> None:
    ran = micromet(EXAMPLES / "after-neoadjuvant.json")
    staged = api_stage(EXAMPLES / "after-neoadjuvant.json")
    assert staged.cautions
    for caution in staged.cautions:
        assert f"  - {caution}" in ran.out.splitlines()
    assert "OSNA                           180 copies/uL in all: node 2 negative" in ran.out


def test_a_rule_book_without_stages_tells_none(micromet: Callable[..., Ran]) -> None:
    ran = micromet(EXAMPLES / "camelyon17.toml")
    assert ran.out.startswith("patient_004  pN0(i+)\n")
    assert "prognostic" not in ran.out


def test_json_is_one_line_of_the_schema(micromet: Callable[..., Ran]) -> None:
    ran = micromet(MICRO, "--json")
    (content,) = json_lines(ran.out)
    assert (ran.status, ran.err, content["pn"], content["anatomic_stage"]) == (0, "", "pN1mi(sn)", "IB")
    assert "context" not in content
    assert ran.out.isascii()


def test_other_forms(micromet: Callable[..., Ran]) -> None:
    staged = api_stage(MICRO)
    assert micromet(MICRO, "--synoptic") == Ran(0, staged.synoptic() + "\n", "")
    (row,) = rows(micromet(MICRO, "--csv").out)
    assert (row["case_id"], row["pn"], row["pt"]) == ("example-1", "pN1mi(sn)", "pT1c")
    bundle = json.loads(micromet(MICRO, "--fhir").out)
    assert bundle["resourceType"] == "Bundle"
    assert {entry["resource"]["status"] for entry in bundle["entry"]} == {"preliminary"}


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_studies_only_for_those_who_ask(micromet: Callable[..., Ran], tmp_path: Path, form: str) -> None:
    page = tmp_path / "page.html"
    options = {"text": [], "json": ["--json"], "html": ["--html", page]}[form]

    def told(*more: str) -> str:
        out = micromet(MICRO, *options, *more).out
        return page.read_text(encoding="utf-8") if form == "html" else out

    assert "IBCSG 23-01" not in told()
    assert "IBCSG 23-01" in told("--context")


@pytest.mark.parametrize(
    ("stated", "words", "numbers", "comparator"),
    [
        ((None, None), "not stated", (None, None), None),
        ((True, None), "1 examined, 1 positive; not stated of 1", (1, 1), ">="),
        ((False, None), "0 examined, 0 positive; not stated of 1", (0, 0), ">="),
        ((True, False), "1 examined, 1 positive", (1, 1), None),
        ((), "0 examined, 0 positive", (0, 0), None),
    ],
)
def test_sentinel_nodes_that_are_not_stated_are_not_none(
    micromet: Callable[..., Ran], tmp_path: Path, stated: tuple[Any, ...], words: str, numbers: Any, comparator: Any
) -> None:
    """What is not known is not 0, in any form of output."""
    nodes = [{"node_id": str(n), "category": "macro", "sentinel": said} for n, said in enumerate(stated)]
    case = written(tmp_path / "case.json", primary={"pt": "T1"}, procedure={"sentinel": True}, nodes=nodes)
    assert f"sentinel nodes                 {words}\n" in micromet(case).out
    (content,) = json_lines(micromet(case, "--json").out)
    counts = content["counts"]
    assert (counts["sentinel_examined"], counts["sentinel_positive"]) == numbers
    (row,) = rows(micromet(case, "--csv").out)
    printed = tuple("" if number is None else str(number) for number in numbers)
    assert (row["sentinel_examined"], row["sentinel_positive"]) == printed
    told = [line for line in micromet(case, "--synoptic").out.splitlines() if line.startswith("Sentinel nodes")]
    assert ("not stated" in told[0]) == ("not stated" in words)
    entries = json.loads(micromet(case, "--fhir").out)["entry"]
    found = {code["code"]: one["resource"] for one in entries for code in one["resource"]["code"].get("coding", ())}
    quantities = [found[code]["valueQuantity"] for code in ("85347-3", "92832-5") if code in found]
    assert [one["value"] for one in quantities] == [number for number in numbers if number is not None]
    assert {one.get("comparator") for one in quantities} == (set() if None in numbers else {comparator})
    assert micromet(case, "--html", tmp_path / "case.html").status == 0
    page = (tmp_path / "case.html").read_text(encoding="utf-8")
    on_page = words.replace(" examined, ", ", ").replace(" positive", " of them positive")
    assert f"<dt>Sentinel nodes examined</dt><dd>{on_page}</dd>" in page


def test_a_table_of_ones_own_is_used(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    shipped = Path(sys.modules["micromet_path.clinical"].__file__ or "").parent / "tables" / "prognostic_8th.csv"
    text = shipped.read_text(encoding="utf-8")
    own = tmp_path / "ours-1.csv"
    own.write_text(text.replace(",IA\n", ",IIA\n"), encoding="utf-8")
    (content,) = json_lines(micromet(MICRO, "--json", "--prognostic-table", own).out)
    assert content["pathological_prognostic_stage"] == "IIA"
    assert "ours-1" in content["rules_version"]
    own.write_text(text.replace(",IA\n", ",stage 1\n"), encoding="utf-8")
    assert "stage must be one of 0, IA" in micromet(MICRO, "--json", "--prognostic-table", own).err
    own.write_text(text + "x" * 200_000, encoding="utf-8")
    ran = micromet(MICRO, "--prognostic-table", own)
    assert (ran.status, ran.out) == (1, "")
    assert is_one_line(ran.err)
    own.write_text(text.splitlines()[0], encoding="utf-8")
    ran = micromet(TABLE, MICRO, "--json", "--prognostic-table", own)
    assert (ran.status, ran.out) == (1, "")
    assert is_one_line(ran.err)
    assert "found 0 cells, expected 240" in ran.err


# -- a page --------------------------------------------------------------------------------------


def test_a_page_is_written_whole_and_replaced(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    page = tmp_path / "case.html"
    assert micromet(EXAMPLES / "internal-mammary.toml", "--html", page).status == 0
    before = page.read_text(encoding="utf-8")
    assert micromet(MICRO, "--html", page) == Ran(0, f"{page}\n", "")
    assert page.read_text(encoding="utf-8") != before
    text = page.read_text(encoding="utf-8")
    assert "pN1mi(sn)" in text
    assert text.startswith("<!")
    assert [path.name for path in tmp_path.iterdir()] == ["case.html"]


def test_a_case_that_fails_leaves_the_page_before(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    page = tmp_path / "case.html"
    assert micromet(MICRO, "--html", page).status == 0
    before = page.read_text(encoding="utf-8")
    ran = micromet(EXAMPLES / "analysed-slides.toml", "--html", page)
    assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)
    assert page.read_text(encoding="utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["case.html"]


def test_a_page_replaces_no_other_file(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<!DOCTYPE html>\n<title>the report of a slide</title>", encoding="utf-8")
    ran = micromet(MICRO, "--html", page)
    assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)
    assert "is no page of a case" in ran.err
    assert "the report of a slide" in page.read_text(encoding="utf-8")


def test_a_page_needs_a_place(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    for page, why in ((tmp_path / "none" / "a.html", "there is no folder"), (tmp_path, "is a folder")):
        ran = micromet(MICRO, "--html", page)
        assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)
        assert why in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_page_replaces_nothing_that_is_read(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    case = tmp_path / "victim.toml"
    case.write_text('case_id = "A"\n', encoding="utf-8")
    link = tmp_path / "page.html"
    link.symlink_to(case)
    shipped = Path(sys.modules["micromet_path.clinical"].__file__ or "").parent / "tables" / "prognostic_8th.csv"
    own = tmp_path / "own.csv"
    own.write_bytes(shipped.read_bytes())
    for page in (case, tmp_path / "." / "victim.toml", link, own):
        ran = micromet(case, "--html", page, "--prognostic-table", own)
        assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)
        assert f"--html {page} is the file " in ran.err
    assert case.read_text(encoding="utf-8") == 'case_id = "A"\n'
    assert own.read_bytes() == shipped.read_bytes()
    assert link.is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
def test_a_page_replaces_only_ordinary_files(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ran = micromet(MICRO, "--html", pipe)
    assert (ran.status, ran.out, ran.err) == (
        *(1, ""),
        f"micromet: {pipe} is no ordinary file; name another for the page\n",
    )
    assert pipe.is_fifo()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_page_goes_where_its_link_points(micromet: Callable[..., Ran], tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "case.html", tmp_path / "case.html"
    link.symlink_to(target)
    if is_there:
        assert micromet(MICRO, "--html", target).status == 0
    assert micromet(MICRO, "--html", link) == Ran(0, f"{link}\n", "")
    assert link.is_symlink()
    assert "pN1mi(sn)" in target.read_text(encoding="utf-8")
    link.unlink()
    link.symlink_to(link)
    ran = micromet(MICRO, "--html", link)
    assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder in which nobody can write")
def test_a_page_that_cannot_be_written_is_named_itself(micromet: Callable[..., Ran]) -> None:
    ran = micromet(MICRO, "--html", "/proc/case.html")
    assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)
    assert ran.err.startswith("micromet: /proc/case.html cannot be written: ")
    assert ".new" not in ran.err


def test_a_folder_and_an_empty_table_are_called_so(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    assert micromet(tmp_path).err == f"micromet: {tmp_path} is a folder, expected a case file\n"
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert micromet(empty).err.startswith("micromet: empty.csv is empty; ")


def test_a_minimum_is_one_in_its_groups_too(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    nodes = [{"node_id": "1", "size_mm": 0.9}, {"node_id": "2"}]
    facts = {"grade": 2, "er": "positive", "pr": "positive", "her2": "negative"}
    before = {"ct": "cT1c", "cn": "cN0", "cm": "cM0"}
    out = micromet(written(tmp_path / "a.json", primary={"pt": "pT1c", **facts, **before}, nodes=nodes)).out
    assert re.search(r"^anatomic stage +at least IB$", out, re.MULTILINE)
    assert re.search(r"^clinical prognostic stage +IA$", out, re.MULTILINE)
    assert re.search(r"^pathological prognostic stage +at least IA$", out, re.MULTILINE)


# -- several cases -------------------------------------------------------------------------------


def test_a_table_and_files_are_staged_in_order(micromet: Callable[..., Ran]) -> None:
    ran = micromet(TABLE, MICRO, "--json")
    assert [content["case_id"] for content in json_lines(ran.out)] == ["2024-001", "2024-002", "2024-003", "example-1"]
    assert (ran.status, ran.err) == (0, "")
    assert [row["pn"] for row in rows(micromet(TABLE, MICRO, "--csv").out)][::3] == ["pN1mi(sn)", "pN1mi(sn)"]
    assert micromet(TABLE).out.count("For research use only") == 3
    assert micromet(TABLE, "--synoptic").out.count("\n\nCase: ") == 2
    assert len(micromet(TABLE, "--fhir").out.splitlines()) == 3


def test_a_case_in_a_table_is_the_case_in_a_file(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    nodes = [{"node_id": "1", "sentinel": True, "size_mm": 0.9, "cells": 120}, {"node_id": "2", "category": "itc"}]
    single = written(tmp_path / "a.json", primary={"pt": "pT1c", "grade": 2}, procedure={"sentinel": True}, nodes=nodes)
    table = tmp_path / "a.csv"
    table.write_text(
        "case_id,pt,grade,sentinel_procedure,node_id,sentinel,size_mm,cells,category\n"
        "A,pT1c,2,yes,1,yes,0.9,120,\nA,,,,2,,,,itc\n"
    )
    for form in FORMS:
        assert micromet(single, form) == micromet(table, form)


def test_some_that_fail_do_not_stop_the_others(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    table.write_text("case_id,size_mm,grade,er\nA,0.9,,\nB,250,,\nC,0.1,,\n", encoding="utf-8")
    ran = micromet(tmp_path / "none.toml", table, MICRO, "--csv")
    assert ran.status == 3
    assert [row["case_id"] for row in rows(ran.out)] == ["A", "C", "example-1"]
    assert ran.err.splitlines() == [
        f"micromet: there is no case file {tmp_path}/none.toml",
        "micromet: cases.csv, line 3: case B: node 1: size_mm must be 0 to 100, in millimetres; found 250",
    ]


@pytest.mark.parametrize("form", [(), *((name,) for name in FORMS)])
def test_none_that_can_be_staged_is_a_failure(micromet: Callable[..., Ran], tmp_path: Path, form: tuple[str]) -> None:
    table = tmp_path / "cases.csv"
    table.write_text("case_id,size_mm\nA,-1\n", encoding="utf-8")
    ran = micromet(table, *form)
    assert ran.status == 1
    assert is_one_line(ran.err)
    assert ran.out == ""


def test_a_defect_costs_one_case(micromet: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(case: Any, *options: Any, **more: Any) -> Any:
        if getattr(case, "case_id", "") == "2024-002":
            raise RuntimeError("a defect")
        return api_stage(case, *options, **more)

    monkeypatch.setattr("micromet_path.apps.cli.stage.stage", broken)
    ran = micromet(TABLE, "--json")
    assert (ran.status, len(ran.out.splitlines())) == (3, 2)
    assert "RuntimeError: a defect" in ran.err
    assert "many.csv: case 2024-002: this is a defect of micromet_path" in ran.err


# -- what cannot be used -------------------------------------------------------------------------

NODE = '{"case_id": "A", "nodes": [{"node_id": "1", %s}]}'
MALFORMED = {
    "wrong type": (
        NODE % '"size_mm": "0.9"',
        "case.json: nodes[1].size_mm: Input should be a valid number; found '0.9'",
    ),
    "unknown key": (
        NODE % '"size": 0.9',
        "case.json: unknown key nodes[1].size; did you mean nodes[1].size_mm?",
    ),
    "negative size": (
        NODE % '"size_mm": -1',
        "case.json: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found -1",
    ),
    "NaN": (
        NODE % '"size_mm": NaN',
        "case.json: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found nan",
    ),
    "wrong unit": (
        NODE % '"size_mm": 250',
        "case.json: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found 250",
    ),
    "duplicate node": (
        NODE % '"category": "itc"}, {"node_id": "1"',
        "case.json: nodes: '1' is listed twice; list a node once, with all its slides",
    ),
    "50 MB of nesting": (
        "[" * 50_000_000,
        "case.json is larger than 2 MB; a case file holds one case, many cases go into a .csv",
    ),
    "no JSON": ("case", "case.json is not readable as JSON: Expecting value: line 1 column 1 (char 0)"),
}


@pytest.mark.parametrize(("content", "line"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_told_in_one_line(
    micromet: Callable[..., Ran], tmp_path: Path, content: str, line: str
) -> None:
    path = tmp_path / "case.json"
    path.write_text(content, encoding="utf-8")
    started = time.perf_counter()
    assert micromet(path) == Ran(1, "", f"micromet: {line}\n")
    assert time.perf_counter() - started < 5


def test_other_files_are_told_in_one_line(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    for name in ("case.yaml", "case", "none.csv", "none.toml", "two\nlines.toml"):
        ran = micromet(tmp_path / name)
        assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)


def test_a_result_that_is_not_there_is_told_in_one_line(
    micromet: Callable[..., Ran], results: Path, tmp_path: Path
) -> None:
    case = written(tmp_path / "case.json", nodes=[{"node_id": "1", "slides": [{"result": "macro"}]}])
    for more in ((), ("--results", results), ("--results", tmp_path / "none")):
        ran = micromet(case, *more)
        assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)
        assert ran.err.startswith("micromet: case.json: there is no result 'macro' (looked for ")


def test_a_result_of_a_slide_without_scale_is_told_in_one_line(
    micromet: Callable[..., Ran], results: Path, tmp_path: Path
) -> None:
    folder = copytree(results / "micro", tmp_path / "micro")
    stored = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    stored["slide"]["mpp_x"] = None
    (folder / "result.json").write_text(json.dumps(stored), encoding="utf-8")
    case = written(tmp_path / "case.json", nodes=[{"node_id": "1", "slides": [{"result": "micro"}]}])
    ran = micromet(case)
    assert (ran.status, ran.out, is_one_line(ran.err)) == (1, "", True)
    assert "case.json: " in ran.err
    assert "micro" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "CASE..."),
        ((MICRO, "--json", "--csv"), "--json and --csv exclude each other"),
        ((MICRO, "--fhir", "--html", "a.html"), "--fhir and --html exclude each other"),
        ((MICRO, "--csv", "--context"), "--context goes with the text, --json and --html"),
        ((MICRO, TABLE, "--html", "a.html"), "--html takes one case"),
        ((TABLE, "--html", "a.html"), "--html takes one case"),
        ((MICRO, "--xml"), "--xml"),
    ],
)
def test_usage(micromet: Callable[..., Ran], arguments: tuple[Any, ...], words: str) -> None:
    ran = micromet(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err


# -- analysed slides -----------------------------------------------------------------------------


def slides_case(path: Path, prefix: str = "") -> Path:
    micro, itc, negative = ({"result": f"{prefix}{name}", "pieces": "all"} for name in ("micro", "itc", "negative"))
    nodes = [
        {"node_id": "1", "slides": [{**micro, "block": "A\x1b[31m"}, itc]},
        {"node_id": "2", "slides": [negative]},
    ]
    return written(path, primary={"pt": "T1c"}, procedure={"sentinel": True}, nodes=nodes)


def test_slides_become_a_stage_with_its_evidence(micromet: Callable[..., Ran], results: Path, tmp_path: Path) -> None:
    case = slides_case(tmp_path / "case.json")
    ran = micromet(case, "--results", results, "--json")
    assert (ran.status, ran.err) == (0, "")
    (content,) = json_lines(ran.out)
    first = content["nodes"][0]
    assert (first["deciding"], first["category"]) == ("micro", "micrometastasis")
    stored = json.loads((results / "micro" / "result.json").read_text(encoding="utf-8"))
    focus = next(one["focus"] for one in first["evidence"] if one["result"] == "micro")
    assert focus["cluster_id"] == stored["finding"]["cluster_id"]
    assert focus["axis_px0"] == stored["clusters"][focus["cluster_id"] - 1]["axis_px0"]
    assert content["counts"]["slides_read"] == 3
    assert str(results) not in ran.out
    text = micromet(case, "--results", results).out
    assert "\x1b" not in text
    assert f"  - node 1, slide micro (block A\\x1b[31m): micrometastasis, cluster {focus['cluster_id']} from (" in text
    assert text.count("(decides)") == 2
    assert len(re.findall(r" to \(\d+, \d+\) px of level 0", text)) == 2
    assert not re.search(r"\bitc,|\bmicro ", text.replace("slide micro ", ""))
    assert "slides                         3 of 3 read" in text


def test_the_example_of_analysed_slides_is_one_of_the_sample_slides(
    micromet: Callable[..., Ran], results: Path
) -> None:
    (content,) = json_lines(micromet(EXAMPLES / "analysed-slides.toml", "--results", results, "--json").out)
    assert (content["pn"], content["t"], content["status"]) == ("pN1mi(sn)", "T1c", "suggested")
    assert [node["deciding"] for node in content["nodes"]] == ["micro", "negative", "negative"]
    assert "unassigned_piece" not in [warning["code"] for warning in content["warnings"]]


def test_results_are_named_from_the_files_own_folder(
    micromet: Callable[..., Ran], results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for profile in ("micro", "itc", "negative"):
        copytree(results / profile, tmp_path / "study" / "out" / profile)
    case = slides_case(tmp_path / "study" / "case.json", "out/")
    table = tmp_path / "study" / "cases.csv"
    table.write_text(
        "case_id,node_id,result,pieces\nA,1,out/micro,all\nA,1,out/itc,all\nA,2,out/negative,all\n", encoding="utf-8"
    )
    for place in (tmp_path, tmp_path / "study"):
        monkeypatch.chdir(place)
        for path in (case, table):
            (row,) = rows(micromet(os.path.relpath(path), "--csv").out)
            assert (row["pn_category"], row["slides_read"]) == ("pN1mi", "3")


def test_a_page_of_analysed_slides(micromet: Callable[..., Ran], results: Path, tmp_path: Path) -> None:
    page = tmp_path / "case.html"
    ran = micromet(slides_case(tmp_path / "case.json"), "--results", results, "--html", page)
    assert (ran.status, ran.err) == (0, "")
    text = page.read_text(encoding="utf-8")
    assert "data:image/" in text
    assert str(results) not in text


# -- many ----------------------------------------------------------------------------------------


def test_many_cases_are_staged_at_a_rate(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    """A case takes as long as reading and writing its answer as JSON five times: 100 000 in a minute or two.

    Processor time, and a ratio, as machines differ and other tests run beside.
    """
    table = write_table(tmp_path / "cases.csv", 2000)
    micromet(MICRO, "--json")  # imports
    started = time.process_time()
    ran = micromet(table, "--json")
    staged = time.process_time()
    assert (ran.status, ran.out.count("\n")) == (0, 2000)
    for line in ran.out.splitlines():
        json.dumps(json.loads(line))
    answers = time.process_time()
    assert staged - started < 10 * (answers - staged)
    for line in ran.out.splitlines()[::50]:
        json_lines(line)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
def test_cases_are_staged_while_the_table_is_still_being_written(tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    os.mkfifo(table)
    with subprocess.Popen(command(table, "--json"), stdout=subprocess.PIPE, text=True) as process:
        stop = threading.Timer(120, process.kill)
        stop.start()
        assert process.stdout is not None
        with table.open("w", encoding="utf-8") as file:
            file.write("case_id,category\n" + "".join(f"{number},itc\n" for number in range(500)))
            file.flush()
            first = process.stdout.readline()
            file.write("last,macro\n")
        others = process.stdout.read()
        stop.cancel()
    assert process.returncode == 0
    contents = json_lines(first + others)
    assert [content["case_id"] for content in contents] == [*map(str, range(500)), "last"]


def test_a_reader_who_has_enough_hears_nothing(tmp_path: Path) -> None:
    table = write_table(tmp_path / "cases.csv", 500)
    with subprocess.Popen(command(table, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        json_lines(process.stdout.readline().decode())
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command(MICRO, "--json"), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert is_one_line(done.stderr)
    assert "No space left" in done.stderr


def test_words_in_another_encoding(tmp_path: Path) -> None:
    case = written(tmp_path / "case.json", nodes=[{"node_id": "Knöten", "category": "itc"}])
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for form in ((), ("--synoptic",), ("--csv",), ("--json",)):
        done = subprocess.run(command(case, *form), env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.isascii()
