"""Case files: what is read, and the one line that says why something is not."""

from __future__ import annotations

import csv
import json
import time
import tomllib
import tracemalloc
from pathlib import Path
from random import Random

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micromet_path.clinical.case import Case, parse_case
from micromet_path.errors import ConfigError
from micromet_path.results import case_columns, case_files
from micromet_path.results.case_files import load_case, read_cases
from tests.results import case_file_schema
from tests.results.many_cases import rows_of, write_table

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path for path in (ROOT / "configs" / "cases").iterdir() if path.suffix in (".toml", ".json"))
TABLES = sorted((ROOT / "configs" / "cases").glob("*.csv"))
NODE = '"nodes": [{"node_id": "1", %s}]'


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def refusal(path):
    with pytest.raises(ConfigError) as raised:
        load_case(path)
    line = str(raised.value)
    assert "\n" not in line
    return line


# -- one case ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_read_is_of_the_schema_and_is_listed(path):
    case = load_case(path)
    content = tomllib.loads(path.read_text()) if path.suffix == ".toml" else json.loads(path.read_text())
    jsonschema.validate(content, case_files.case_file_schema())
    assert case == parse_case(content)
    assert case.nodes
    assert f"`{path.name}`" in (path.parent / "README.md").read_text()


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_every_example_of_a_table_is_read_and_listed(path):
    cases = list(read_cases(path))
    assert cases
    assert all(isinstance(case, Case) for case in cases)
    assert f"`{path.name}`" in (path.parent / "README.md").read_text()


def test_toml_and_json_say_the_same(tmp_path):
    toml = (
        'case_id = "A"\n[procedure]\nsentinel = true\n[[nodes]]\nnode_id = "1"\ncategory = "micro"\ncells = "unknown"\n'
    )
    nodes = '[{"node_id": "1", "category": "micro", "cells": null}]'
    as_json = '{"case_id": "A", "procedure": {"sentinel": true}, "nodes": ' + nodes + "}"
    case = load_case(written(tmp_path, "a.toml", toml))
    assert case == load_case(written(tmp_path, "b.JSON", as_json))
    assert case.nodes[0].category == "micrometastasis"


def test_a_byte_order_mark_is_no_damage(tmp_path):
    assert load_case(written(tmp_path, "a.toml", b'\xef\xbb\xbfcase_id = "A"\n')).case_id == "A"
    assert load_case(written(tmp_path, "a.json", b'\xef\xbb\xbf{"case_id": "\xc3\x84"}')).case_id == "Ä"


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
        NODE % '"size_mm": -0.1',
        "case.json: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found -0.1",
    ),
    "NaN": (
        NODE % '"size_mm": NaN',
        "case.json: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found nan",
    ),
    "NaN for a count": (
        NODE % '"cells": NaN',
        "case.json: nodes[1].cells: Input should be a valid integer; found nan",
    ),
    "infinity": (
        NODE % '"size_mm": Infinity',
        "case.json: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found inf",
    ),
    "microns": (
        NODE % '"size_mm": 250',
        "case.json: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found 250",
    ),
    "duplicate node": (
        '"nodes": [{"node_id": "1"}, {"node_id": "1"}]',
        "case.json: nodes: '1' is listed twice; list a node once, with all its slides",
    ),
    "described twice": (
        NODE % '"category": "itc", "size_mm": 0.1',
        "case.json: nodes[1]: node 1: found more than one of category, size_mm with cells, and slides; give one",
    ),
    "grade": ('"primary": {"grade": 4}', "case.json: primary.grade must be 1 to 3; found 4"),
    "a truth value for a number": (
        NODE % '"size_mm": true',
        "case.json: nodes[1].size_mm: Input should be a valid number; found True",
    ),
    "a word of no meaning": (
        '"procedure": {"extranodal_extension": "some"}',
        "case.json: procedure.extranodal_extension: Input should be 'absent' or 'present', "
        "or Input should be a valid number; found 'some'",
    ),
    "duplicate key": (
        '"primary": {"grade": 1, "grade": 3}',
        "case.json is not readable as JSON: the key 'grade' is given twice in one table",
    ),
    "list for a table": ('"primary": []', "case.json: primary must be a table, found []"),
    "cut off": (
        '"primary": {"grade": 1',
        "case.json is not readable as JSON: Expecting ',' delimiter: line 1 column 41 (char 40)",
    ),
}


@pytest.mark.parametrize(("content", "line"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_wrong_is_said_in_one_line(tmp_path, content, line):
    assert refusal(written(tmp_path, "case.json", '{"case_id": "A", ' + content + "}")) == line


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('case_id = "A"\ncase_id = "B"\n', "is not readable as TOML: Cannot overwrite a value (at line 2, column 14)"),
        ("case_id = A\n", "is not readable as TOML: Invalid value (at line 1, column 11)"),
        ("", ": case_id is missing"),
        ('case_id = "A"\n[[node]]\n', ": unknown key node; did you mean nodes?"),
        ('case_id = ""\n', ": case_id must be one line of 1 to 200 characters, found ''"),
        ("case_id = 12\n", ": case_id: Input should be a valid string; found 12"),
        (b'case_id = "\xe4"\n', "is not UTF-8 text (byte 0xe4 at 11); save it as UTF-8"),
        ("\ufeff".encode("utf-16"), "is not UTF-8 text (byte 0xff at 0); save it as UTF-8"),
    ],
)
def test_what_is_wrong_in_toml_is_said_in_one_line(tmp_path, content, line):
    assert refusal(written(tmp_path, "case.toml", content)) == f"case.toml{'' if line.startswith(':') else ' '}{line}"


def test_an_endless_number_is_refused(tmp_path):
    for digits in (400, 5000):
        content = '{"case_id": "A", "nodes": [{"node_id": "1", "cells": 1' + "0" * digits + "}]}"
        assert len(refusal(written(tmp_path, "case.json", content))) < 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 50_000_000, "case.json is larger than 2 MB; a case file holds one case, many cases go into a .csv"),
        (b"[" * 1_900_000, "case.json is nested too deeply; a case file has tables in lists in tables"),
        (b'{"primary":' * 170_000, "case.json is nested too deeply; a case file has tables in lists in tables"),
        (b'{"case_id": "A", "nodes": ' + b"[" * 400 + b"]" * 400 + b"}", "case.json: "),
        (b'{"case_id": "A", "' + b"x" * 1_900_000 + b'": 1}', "case.json: unknown key xxx"),
        (b"{" + b",".join(b'"%d": 1' % n for n in range(150_000)) + b', "7": 1}', "case.json is not readable as JSON"),
    ],
    ids=["50 MB of nesting", "2 MB of nesting", "tables", "a few hundred levels", "an endless key", "many keys"],
)
def test_what_is_huge_is_refused_quickly(tmp_path, content, reason):
    path = written(tmp_path, "case.json", content)
    started = time.perf_counter()
    line = refusal(path)
    assert time.perf_counter() - started < 5
    assert line.startswith(reason)
    assert len(line) < 300


@pytest.mark.parametrize(
    "content", ["a = " + "[" * 1_900_000, "a" + ".a" * 900_000 + " = 1", "[a" + ".a" * 900_000 + "]"]
)
def test_nested_toml_is_refused_quickly(tmp_path, content):
    started = time.perf_counter()
    line = refusal(written(tmp_path, "case.toml", content))
    assert time.perf_counter() - started < 10
    assert len(line) < 300


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "case.toml").mkdir()
    assert refusal(tmp_path / "case.toml") == f"{tmp_path}/case.toml is a folder, expected a case file"
    assert refusal(tmp_path / "none.json") == f"there is no case file {tmp_path}/none.json"
    assert (
        refusal(tmp_path / "case.yaml")
        == "case.yaml ends in '.yaml'; expected .toml or .json for one case, .csv for many"
    )
    assert refusal(tmp_path / "case") == "case has no suffix; expected .toml or .json for one case, .csv for many"
    assert refusal(tmp_path / "cases.csv") == "cases.csv is a table of cases, expected one case as .toml or .json"
    assert refusal(tmp_path) == f"{tmp_path} is a folder, expected a case file"
    assert "cannot be opened" in refusal(tmp_path / "nul\0.toml")
    for suffix in ("", ".toml", "." + "é" * 300):
        line = refusal("é" * 300 + suffix)
        assert "expected .toml or .json" in line or "cannot be opened: File name too long" in line
        assert len(line) < 300


def test_the_schema_of_case_files_is_what_the_records_give():
    advice = "python -m tests.results.case_file_schema writes it anew"
    assert case_files.case_file_schema() == case_file_schema.make(), advice
    jsonschema.Draft202012Validator.check_schema(case_files.case_file_schema())


@pytest.mark.parametrize(
    ("content", "is_valid"),
    [
        ({"case_id": "A"}, True),
        ({}, False),
        ({"case_id": "A", "node": []}, False),
        ({"case_id": "A", "primary": {"grade": "unknown", "er": "unknown", "surgery": None}}, True),
        ({"case_id": "A", "primary": {"grade": "two"}}, False),
        ({"case_id": "A", "nodes": [{"node_id": "1", "category": "micro"}]}, True),
        ({"case_id": "A", "nodes": [{"node_id": "1", "category": "large"}]}, False),
        ({"case_id": "A", "nodes": [{"node_id": "1", "station": "axillary-4"}]}, False),
        ({"case_id": "A", "nodes": [{"node_id": "1", "slides": [{"result": "r", "pieces": "all"}]}]}, True),
        ({"case_id": "A", "nodes": [{"node_id": "1", "slides": [{"pieces": [1]}]}]}, False),
        ({"case_id": "A", "procedure": {"extranodal_extension": 1.5, "sentinel": "unknown"}}, True),
    ],
)
def test_schema_and_records_agree(content, is_valid):
    assert jsonschema.Draft202012Validator(case_files.case_file_schema()).is_valid(content) is is_valid
    if is_valid:
        parse_case(content)
    else:
        with pytest.raises(ConfigError):
            parse_case(content)


def test_the_schema_says_what_fields_mean():
    schema = case_files.case_file_schema()
    assert schema["$defs"]["Primary"]["properties"]["grade"]["description"] == "Nottingham grade."


# -- many cases ----------------------------------------------------------------------------------


def cases_of(folder, text, name="cases.csv"):
    """Every case, and for each that cannot be used the line that says why."""
    entries = list(read_cases(written(folder, name, text)))
    assert all("\n" not in str(entry) for entry in entries if isinstance(entry, ConfigError))
    return [entry if isinstance(entry, Case) else str(entry) for entry in entries]


def header_refusal(folder, content):
    with pytest.raises(ConfigError) as raised:
        list(read_cases(written(folder, "cases.csv", content)))
    assert "\n" not in str(raised.value)
    return str(raised.value)


FULL = {
    "case_id": "0042",
    "rules": "camelyon17",
    "expected_slides": "3.0",
    "pt": "pT1c",
    "primary_size_mm": "14.5",
    "ct": "cT1",
    "cn": "cN0",
    "cm": "cM0",
    "m": "cM0",
    "histology": 'lobular, "classic"',
    "grade": "2",
    "er": "positive",
    "pr": "negative",
    "her2": "equivocal-after-ish",
    "oncotype_score": "11",
    "ki67_percent": "12.5",
    "surgery": "mastectomy",
    "whole_breast_radiotherapy": "NO",
    "age": "61",
    "sentinel_procedure": "Yes",
    "completion_dissection": "0",
    "nodes_removed": "4",
    "neoadjuvant": "false",
    "needle_only": "no",
    "extranodal_extension": "1.5",
    "node_id": "7",
    "station": "axillary-2",
    "sentinel": "TRUE",
    "clinically_detected": "1",
    "detected_by": "he",
    "osna_copies_per_ul": "1e3",
    "rt_pcr_positive": "yes",
    "confirmed": "no",
    "result": "out/slide 1",
    "pieces": "1 2",
    "section": "3",
    "block": "A",
    "clone": "AE1/AE3",
    "control_result": "passed",
}


def as_csv(rows, delimiter=","):
    lines = []

    class Lines:
        write = staticmethod(lines.append)

    writer = csv.DictWriter(Lines, list(dict.fromkeys(name for row in rows for name in row)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return "".join(lines)


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_column_reaches_its_field(tmp_path, delimiter, ending, mark):
    """The judge is the nested form, written by hand."""
    text = mark + as_csv([FULL], delimiter).replace("\r\n", ending)
    assert cases_of(tmp_path, text) == [
        parse_case(
            {
                "case_id": "0042",
                "rules": "camelyon17",
                "expected_slides": 3,
                "primary": {
                    "pt": "pT1c",
                    "size_mm": 14.5,
                    "ct": "cT1",
                    "cn": "cN0",
                    "cm": "cM0",
                    "m": "cM0",
                    "histology": 'lobular, "classic"',
                    "grade": 2,
                    "er": "positive",
                    "pr": "negative",
                    "her2": "equivocal-after-ish",
                    "oncotype_score": 11,
                    "ki67_percent": 12.5,
                    "surgery": "mastectomy",
                    "whole_breast_radiotherapy": False,
                    "age": 61,
                },
                "procedure": {
                    "sentinel": True,
                    "completion_dissection": False,
                    "nodes_removed": 4,
                    "neoadjuvant": False,
                    "needle_only": False,
                    "extranodal_extension": 1.5,
                },
                "nodes": [
                    {
                        "node_id": "7",
                        "station": "axillary-2",
                        "sentinel": True,
                        "clinically_detected": True,
                        "detected_by": "he",
                        "osna_copies_per_ul": 1000,
                        "rt_pcr_positive": True,
                        "confirmed": False,
                        "slides": [
                            {
                                "result": "out/slide 1",
                                "pieces": [1, 2],
                                "section": "3",
                                "block": "A",
                                "clone": "AE1/AE3",
                                "control_result": "passed",
                            }
                        ],
                    }
                ],
            }
        )
    ]
    typed = {"category", "size_mm", "cells"}  # exclude slides
    assert set(FULL) | typed == {column.name for column in case_columns.COLUMNS}


def test_a_node_by_category_or_by_size(tmp_path):
    first, second = cases_of(tmp_path, "case_id,category,size_mm,cells\nA,micro,,\nB,,0.18,201.0\n")
    assert first.nodes[0].category == "micrometastasis"
    assert (second.nodes[0].size_mm, second.nodes[0].cells) == (0.18, 201)


def test_rows_of_a_case_and_of_a_node(tmp_path):
    text = (
        "case_id,grade,er,node_id,sentinel,result,section\n"
        "A,2,positive,1,yes,s1,1\n"
        "A,,positive,2,,s2,\n"
        "A,2.0,unknown,1,,s3,2\n"
        "B,,,,,,\n"
        "C,1,,,,,\n"
        "C,,,x,,s4,\n"
        "C,,,y,,s5,\n"
    )
    a, b, c = cases_of(tmp_path, text)
    assert a.primary.grade == 2
    assert [(node.node_id, [slide.result for slide in node.slides]) for node in a.nodes] == [
        ("1", ["s1", "s3"]),
        ("2", ["s2"]),
    ]
    assert b == Case("B")
    assert [node.node_id for node in c.nodes] == ["x", "y"]


def test_nodes_without_names_are_numbered(tmp_path):
    (case,) = cases_of(tmp_path, "case_id,category\nA,itc\nA,negative\nA,itc\n")
    assert [(node.node_id, node.category) for node in case.nodes] == [("1", "itc"), ("2", "negative"), ("3", "itc")]


def test_unknown_and_empty_cells_and_rows_are_unknown(tmp_path):
    text = "case_id,grade,er,node_id,size_mm\n\nunknown,unknown,unknown,unknown, unknown \n,,,,\n   ,,,,\n\n"
    assert cases_of(tmp_path, text) == [parse_case({"case_id": "unknown", "nodes": [{"node_id": "unknown"}]})]


WRONG_ROWS = {
    "wrong type": ("A,1,small,,,", "line 3: case A: size_mm must be a number without unit, found 'small'"),
    "unit": ("A,1,0.9 mm,,,", "line 3: case A: size_mm must be a number without unit, found '0.9 mm'"),
    "decimal comma": (
        'A,1,"0,9",,,',
        "line 3: case A: size_mm must be a number without unit, found '0,9'; write a decimal point",
    ),
    "digits of Python": ("A,1,1_0,,,", "line 3: case A: size_mm must be a number without unit, found '1_0'"),
    "other digits": ("A,1,٣,,,", "line 3: case A: size_mm must be a number without unit, found '٣'"),
    "negative": ("A,1,-0.9,,,", "line 3: case A: node 1: size_mm must be 0 to 100, in millimetres; found -0.9"),
    "NaN": ("A,1,nan,,,", "line 3: case A: node 1: size_mm must be 0 to 100, in millimetres; found nan"),
    "microns": ("A,1,250,,,", "line 3: case A: node 1: size_mm must be 0 to 100, in millimetres; found 250"),
    "fraction": ("A,1,,1.5,,", "line 3: case A: cells: Input should be a valid integer; found 1.5"),
    "NaN for a count": ("A,1,,nan,,", "line 3: case A: cells: Input should be a valid integer; found nan"),
    "endless count": ("A,1,,1" + 400 * "0" + ",,", "line 3: case A: cells: Input should be a valid integer; found inf"),
    "yes or no": (
        "A,1,,,maybe,",
        "line 3: case A: sentinel must be one of true, false, yes, no, 1, 0, found 'maybe'",
    ),
    "category": (
        "A,1,,,,large",
        "line 3: case A: category: Input should be 'negative', 'itc', 'micro', 'macro', 'micrometastasis', "
        "'macrometastasis', 'positive' or 'not_assessable'; found 'large'",
    ),
    "described twice": (
        "A,1,0.9,,,itc",
        "line 3: case A: node 1: found more than one of category, size_mm with cells, and slides; give one",
    ),
    "not UTF-8": (b"A,1,0.9,,,it\xe7", "line 3: case A: not UTF-8 text (byte 0xe7 at 12)"),
    "endless name": (
        "A," + "1" * 201 + ",,,,",
        f"line 3: case A: node_id must be one line of 1 to 200 characters, found '{'1' * 40}'",
    ),
}


@pytest.mark.parametrize(("row", "line"), WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_a_wrong_row_fails_its_case_and_no_other(tmp_path, row, line):
    raw = row if isinstance(row, bytes) else row.encode()
    before, after = b"case_id,node_id,size_mm,cells,sentinel,category\nB,1,0.9,,yes,\n", b"\nA,2,0.1,,,\nC,1,,,,itc\n"
    b, a, c = cases_of(tmp_path, before + raw + after)
    assert a == f"cases.csv, {line}"
    assert (b.case_id, b.nodes[0].size_mm) == ("B", 0.9)
    assert (c.case_id, c.nodes[0].category) == ("C", "itc")


DAMAGED_ROWS = {
    "too few cells": ("A,1,0.9", "found 3 cells, expected 6 as in the header, in 'A,1,0.9'"),
    "too many cells": ("A,1,0.9,,,,", "found 7 cells, expected 6 as in the header, in 'A,1,0.9,,,,'"),
    "another separator": ("A;1;0.9;;;itc", "found 1 cells, expected 6 as in the header, in 'A;1;0.9;;;itc'"),
    "open quote": (
        'A,1,"0.9,,,',
        "a quote is not closed; a cell and its quotes end on their line, in 'A,1,\"0.9,,,'",
    ),
    "quote within a cell": (
        'A,1",0.9,,,',
        "a quote is not closed; a cell and its quotes end on their line, in 'A,1\",0.9,,,'",
    ),
    "text after a quote": (
        'A,1,"0.9"mm,,,',
        "',' expected after '\"'; a cell and its quotes end on their line, in 'A,1,\"0.9\"mm,,,'",
    ),
    "line break in a cell": (
        'A,"1\n1",,,,itc',
        "a cell goes on over 2 lines; a cell and its quotes end on their line, in 'A,\"1\\n1\",,,,itc'",
    ),
    "endless": ("A,1," + "0" * 200_000 + ",,,", f"longer than 100000 bytes, in 'A,1,{'0' * 36}'"),
    "a name that is not UTF-8": (b"\xc4,1,,,,itc", "not UTF-8 text (byte 0xc4 at 0)"),
    "no name": (",1,,,,itc", "no case_id; it stands in each row of a case"),
}


@pytest.mark.parametrize(("row", "problem"), DAMAGED_ROWS.values(), ids=DAMAGED_ROWS)
def test_a_damaged_row_may_be_of_the_case_before_or_after(tmp_path, row, problem):
    """Both fail, with a line each, for neither may be staged without it; no case is made up, and no other fails."""
    raw = row if isinstance(row, bytes) else row.encode()
    header = b"case_id,node_id,size_mm,cells,sentinel,category\n"
    entries = cases_of(tmp_path, header + b"A,1,,,,itc\nB,1,,,,itc\n" + raw + b"\nC,1,,,,itc\nD,1,,,,itc\n")
    a, *failed, d = entries
    assert (a.case_id, d.case_id) == ("A", "D")
    assert failed == [f"cases.csv, line 4: case {name}: {problem}; the row may be of this case" for name in "BC"]


@pytest.mark.parametrize(("row", "problem"), DAMAGED_ROWS.values(), ids=DAMAGED_ROWS)
def test_a_damaged_row_among_those_of_a_case_fails_that_case_alone(tmp_path, row, problem):
    raw = row if isinstance(row, bytes) else row.encode()
    header = b"case_id,node_id,size_mm,cells,sentinel,category\n"
    text = header + b"B,1,,,,itc\nA,1,,,,itc\n" + raw + b"\n" + raw + b"\nA,2,,,,itc\nC,1,,,,itc\n"
    b, a, c = cases_of(tmp_path, text)
    assert (b.case_id, c.case_id) == ("B", "C")
    assert a == f"cases.csv, line 4: case A: {problem}; the row may be of this case"


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("case_id,node_id,category\nA,1,negative\nA;2;macro\n", "A"),
        ('case_id,node_id,category\nA,1,negative\n"A,2,macro\n', "A"),
        ("node_id,category,case_id\n1,negative,P\n1,macro\n2,negative,A\n", "PA"),
        ("case_id,node_id,category\n1,1,negative\n2,macro\n2,1,negative\n", "12"),
        ('case_id,histology,node_id,category\nP,x,1,negative\n"A\nB",y,1,macro\n', "P"),
        ('case_id,histology,node_id,category\nP,x,1,negative\n"A\nB",y,1,macro\nB,y,2,negative\n', "PB"),
        ('case_id,category\nP,itc\n"A\nB,itc\nC,itc\nD,itc\nE",itc\nQ,itc\n', "PQ"),
        ('case_id,category\nP,itc\n"A,itc\nB,itc\nC,itc\nD,itc\n', "PB"),
        ('case_id,category\nP,itc\nA",itc\nB,itc\nC,itc\nD,itc\n"E,itc\n', "PBD"),
    ],
)
def test_no_case_is_staged_without_its_damaged_row_and_none_is_made_up(tmp_path, text, failed):
    entries = cases_of(tmp_path, text)
    told = [entry for entry in entries if isinstance(entry, str)]
    assert [entry.split(": ")[1] for entry in told] == [f"case {name}" for name in failed]
    assert {entry.case_id for entry in entries if isinstance(entry, Case)} <= set("PQBCD") - set(failed)


def test_damage_alone_is_told_without_a_case(tmp_path):
    assert cases_of(tmp_path, "case_id,category\nA\nB\n") == [
        "cases.csv, line 2: found 1 cells, expected 2 as in the header, in 'A'"
    ]


def test_an_open_quote_is_looked_after_in_bounded_memory(tmp_path):
    path = written(tmp_path, "cases.csv", 'case_id,category\n"A,itc\n' + "".join(f"{n},itc\n" for n in range(50_000)))
    tracemalloc.start()
    try:
        failed = [str(entry) for entry in read_cases(path) if isinstance(entry, ConfigError)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [line.split(": ")[1] for line in failed] == ["case 0"]
    assert peak < 8_000_000  # the names of the cases take most of it


@pytest.mark.parametrize(
    "rows",
    [
        "{0},1,maybe,,\n",
        "{0},1,,,\n{0},1,,,\n",
        "A,1,,,\nB,1,,,\nA,2,,,\n{0},1,,,\n{1},1,,,\n{0},1,,,\n",
        "A,{0},,itc,\nA,{0},,itc,\n",
        "A,{0},,itc,s1\nA,{0},,macro,s2\n",
        "A,1,,itc,\nA,2,,itc,{0}\n",
        "A,1,,{0},\n",
        "A,1,{0},,\n",
        "A,1,,itc,\n{0};2\nB,1,,itc,\n",
    ],
)
@pytest.mark.parametrize("column", ["result", "histology", "pt"])
def test_what_is_repeated_of_a_table_is_short(tmp_path, rows, column):
    entries = cases_of(
        tmp_path, f"case_id,node_id,sentinel,category,{column}\n" + rows.format("x" * 40_000, "y" * 40_000)
    )
    told = [entry for entry in entries if isinstance(entry, str)]
    assert told
    assert max(map(len, told)) < 400


WRONG_CASES = {
    "unequal": (
        "A,2,1,itc,\nA,3,2,,\n",
        "line 3: case A: grade is 3 here and 2 in line 2; leave it empty or state the same",
    ),
    "stated late": (
        "A,,1,itc,\nA,3,2,,\n",
        "line 3: case A: grade is 3 here and nothing in line 2; leave it empty or state the same",
    ),
    "node twice": (
        "A,,1,itc,\nA,,1,negative,\n",
        "line 3: case A: node 1 is listed twice; a further row of a node adds a slide",
    ),
    "node in two ways": (
        "A,,1,,s1\nA,,1,itc,s2\n",
        "line 3: case A: node 1: category is not as in the node's first row; leave it empty or state the same",
    ),
    "a node's rows contradict": (
        "A,,1,itc,\nA,,1,,s2\n",
        "line 2: case A: node 1: found more than one of category, size_mm with cells, and slides; give one",
    ),
    "row without node": (
        "A,,1,itc,\nA,,,,\n",
        "line 3: case A: no node is described; a case without nodes has one row",
    ),
    "node without name": (
        "A,,1,itc,\nA,,,negative,\n",
        "line 3: case A: no node_id; name each node of a case, or none",
    ),
    "primary": ("A,4,1,itc,\n", "line 2: case A: primary.grade must be 1 to 3; found 4"),
}


@pytest.mark.parametrize(("rows", "line"), WRONG_CASES.values(), ids=WRONG_CASES)
def test_rows_that_do_not_fit_together_fail_their_case(tmp_path, rows, line):
    wrong, right = cases_of(tmp_path, "case_id,grade,node_id,category,result\n" + rows + "Z,1,1,itc,\n")
    assert wrong == f"cases.csv, {line}"
    assert right.case_id == "Z"


def test_a_slide_is_blamed_by_its_own_line(tmp_path):
    rows = "A,1,s1,passed,all\nA,1,s2,fine,\nB,1,,passed,\nC,1,s,,x\nD,1,s,,1 1\n"
    text = "case_id,node_id,result,control_result,pieces\n" + rows
    assert cases_of(tmp_path, text) == [
        "cases.csv, line 3: case A: control_result: Input should be 'passed' or 'failed'; found 'fine'",
        "cases.csv, line 4: case B: result is missing",
        "cases.csv, line 5: case C: pieces must be 'all' or piece ids such as '1 2', found 'x'",
        "cases.csv, line 6: case D: pieces must be a list of different piece ids or 'all', found [1, 1]",
    ]


def test_rows_of_a_case_that_stand_apart_are_refused(tmp_path):
    entries = cases_of(tmp_path, "case_id,category\nA,itc\nB,itc\nA,macro\nA,macro\nC,itc\n")
    assert [entry if isinstance(entry, str) else entry.case_id for entry in entries] == [
        "A",
        "B",
        "cases.csv, line 4: case A has rows further up, which were read without these; "
        "the rows of a case stand together",
        "C",
    ]


def test_a_case_of_endless_rows_is_refused_and_not_kept(tmp_path):
    entries = cases_of(tmp_path, "case_id,category\n" + "A,itc\n" * 30_000 + "B,itc\n")
    assert entries[0] == "cases.csv, line 2: case A has more than 10000 rows"
    assert entries[1].case_id == "B"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("case_id,size\nA,1\n", "cases.csv, line 1: unknown column 'size'; did you mean size_mm?"),
        ("case_id,grade,grade\nA,1,1\n", "cases.csv, line 1: the column grade stands there twice"),
        ("case_id,\nA,\n", "cases.csv, line 1: a column has no name; name it or delete it"),
        ("grade\n1\n", "cases.csv, line 1: no column case_id; expected the names of columns, case_id among them"),
        ("", "cases.csv is empty; expected the names of columns, then one row a node"),
        ("\n", "cases.csv, line 1: no column case_id; expected the names of columns, case_id among them"),
        ("case_id,grade\n", "cases.csv holds no case below its header; expected one row a node"),
        ("case_id\tgrade\n", "cases.csv, line 1: unknown column 'case_id\\tgrade'; did you mean case_id?"),
        (
            'case_id,"grade\n',
            "cases.csv, line 1: unexpected end of data; expected the names of columns, with commas between",
        ),
        ("case_id".encode("utf-16"), "cases.csv is not UTF-8 text (byte 0xff at 0); save it as CSV in UTF-8"),
    ],
)
def test_a_table_without_a_usable_header_is_refused(tmp_path, content, line):
    assert header_refusal(tmp_path, content) == line


def test_a_table_of_old_mac_line_ends_is_refused(tmp_path):
    assert "new-line character" in header_refusal(tmp_path, b"case_id,grade\rA,1\r")


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no case file"):
        next(read_cases(tmp_path / "none.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match="is a folder, expected a case file"):
        next(read_cases(tmp_path / "folder.csv"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_stands_below_the_header_is_read_or_refused_in_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "cases.csv"
    path.write_bytes(b"case_id,node_id,size_mm,cells\n" + content)
    entries = []
    try:
        entries += read_cases(path)
    except ConfigError as error:
        entries.append(error)
    assert entries
    assert all(isinstance(entry, Case) or "\n" not in str(entry) for entry in entries)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_table_gives_its_cases_and_reads_as_nested_tables_do(tmp_path, seed):
    """Each case is read alone as well, where nothing beside it can matter."""
    path = write_table(tmp_path / "cases.csv", 30, seed)
    together = list(read_cases(path))
    assert len(together) == 30
    rng, alone = Random(seed), []
    for number in range(30):
        rows = list(rows_of(rng, f"{2020 + number % 5}-{number:06d}"))
        alone += cases_of(tmp_path, as_csv(rows), "one.csv")
        described = [row for row in rows if "node_id" in row]
        assert len(described) == len(alone[-1].nodes)
        for row, node in zip(described, alone[-1].nodes, strict=True):
            assert node.size_mm == (float(row["size_mm"]) if row.get("size_mm") else None)
            assert node.cells == row.get("cells")
    assert together == alone


def test_a_table_is_read_with_one_case_in_memory(tmp_path):
    path = write_table(tmp_path / "cases.csv", 2000)
    next(read_cases(path))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_cases(path)) == 2000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 500_000
    assert peak < 450_000  # kept, they take 2 MB


def test_the_columns_are_documented():
    readme = (ROOT / "configs" / "cases" / "README.md").read_text(encoding="utf-8")
    assert case_columns.columns_as_markdown() in readme
    assert len(case_columns.CASE_TABLE.columns) == len(case_columns.COLUMNS)


def test_every_field_of_a_case_has_a_column():
    """A field that is added to the records cannot be forgotten here."""
    schema = case_files.case_file_schema()
    records = {
        "case": set(schema["properties"]) - {"primary", "procedure", "nodes"},
        **{of: set(schema["$defs"][of.title()]["properties"]) for of in ("primary", "procedure")},
        "node": set(schema["$defs"]["Node"]["properties"]) - {"slides"},
        "slide": set(schema["$defs"]["SlideReference"]["properties"]),
    }
    found = {of: {column.key for column in case_columns.COLUMNS if column.of == of} for of in records}
    assert found == records
