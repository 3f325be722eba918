"""The columns of a table of cases: what each is of, how its cells are read, and what it means.

A cell that cannot be read is refused in words; whether a value is allowed is for the records of the case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from micromet_path.errors import ConfigError

__all__ = ["BY_NAME", "COLUMNS", "Column", "columns_as_markdown"]


def _text(cell: str) -> str:
    return cell


def _number(cell: str) -> float:
    """A number as any program writes it; NaN and infinity are for the records to refuse, by name."""
    try:
        value = float(cell)
    except ValueError:
        value = None
    if value is None or "_" in cell or not cell.isascii():
        advice = "; write a decimal point" if "," in cell else ""
        raise ConfigError(f"must be a number without unit, found {cell[:40]!r}{advice}")
    return value


def _whole(cell: str) -> int | float:
    """A whole number, written 3 or 3.0; others are for the records to refuse."""
    value = _number(cell)
    return int(value) if value.is_integer() else value


def _yes_no(cell: str) -> bool:
    word = cell.lower()
    if word not in _YES_NO:
        raise ConfigError(f"must be one of {', '.join(_YES_NO)}, found {cell[:40]!r}")
    return _YES_NO[word]


def _extension(cell: str) -> str | float:
    return cell if cell in ("absent", "present") else _number(cell)


def _pieces(cell: str) -> str | list[int]:
    ids = cell.replace(";", " ").replace(",", " ").split()
    if cell != "all" and not all(name.isascii() and name.isdigit() and len(name) < 10 for name in ids):
        raise ConfigError(f"must be 'all' or piece ids such as '1 2', found {cell[:40]!r}")
    return cell if cell == "all" else [int(name) for name in ids]


_YES_NO = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class Column(NamedTuple):
    """A column of the table: its name, what it is of, the field there, how a cell is read, what it means."""

    name: str
    of: str
    key: str
    read: Callable[[str], Any]
    meaning: str


COLUMNS = (
    Column("case_id", "case", "case_id", _text, "name of the case, in each of its rows"),
    Column("rules", "case", "rules", _text, "`ajcc8-breast` (where empty) or `camelyon17`"),
    Column("expected_slides", "case", "expected_slides", _whole, "slides there should be"),
    Column("pt", "primary", "pt", _text, "pathological T, such as `pT1c`"),
    Column("primary_size_mm", "primary", "size_mm", _number, "invasive primary; gives T where `pt` is empty"),
    Column("ct", "primary", "ct", _text, "clinical T before treatment"),
    Column("cn", "primary", "cn", _text, "clinical N before treatment"),
    Column("cm", "primary", "cm", _text, "clinical M before treatment"),
    Column("m", "primary", "m", _text, "M; M0 where empty"),
    Column("histology", "primary", "histology", _text, "free text"),
    Column("grade", "primary", "grade", _whole, "Nottingham grade 1, 2, 3"),
    Column("er", "primary", "er", _text, "`positive`, `negative`"),
    Column("pr", "primary", "pr", _text, "`positive`, `negative`"),
    Column("her2", "primary", "her2", _text, "`positive`, `negative`, `equivocal-after-ish`"),
    Column("oncotype_score", "primary", "oncotype_score", _whole, "Oncotype DX recurrence score 0-100"),
    Column("ki67_percent", "primary", "ki67_percent", _number, "0-100"),
    Column("surgery", "primary", "surgery", _text, "of the primary: `breast-conserving`, `mastectomy`, `none`"),
    Column("whole_breast_radiotherapy", "primary", "whole_breast_radiotherapy", _yes_no, "yes or no"),
    Column("age", "primary", "age", _whole, "years"),
    Column("sentinel_procedure", "procedure", "sentinel", _yes_no, "whether this is a sentinel procedure"),
    Column("completion_dissection", "procedure", "completion_dissection", _yes_no, "yes or no"),
    Column("nodes_removed", "procedure", "nodes_removed", _whole, "in all; the rows are counted where empty"),
    Column("neoadjuvant", "procedure", "neoadjuvant", _yes_no, "systemic treatment before surgery"),
    Column("needle_only", "procedure", "needle_only", _yes_no, "nodes were only sampled by needle"),
    Column("extranodal_extension", "procedure", "extranodal_extension", _extension, "`absent`, `present` or mm"),
    Column("node_id", "node", "node_id", _text, "name of the node within the case"),
    Column("station", "node", "station", _text, "`axillary-1` where empty; `unknown` is read as axillary and told"),
    Column("sentinel", "node", "sentinel", _yes_no, "whether this is a sentinel node"),
    Column("clinically_detected", "node", "clinically_detected", _yes_no, "yes or no"),
    Column("category", "node", "category", _text, "`negative`, `itc`, `micro`, `macro`, `positive`, `not_assessable`"),
    Column("size_mm", "node", "size_mm", _number, "largest contiguous focus of the worst section"),
    Column("cells", "node", "cells", _whole, "tumour cells counted on that section"),
    Column("detected_by", "node", "detected_by", _text, "`he`, `ihc-only`"),
    Column("osna_copies_per_ul", "node", "osna_copies_per_ul", _number, "CK19 mRNA"),
    Column("rt_pcr_positive", "node", "rt_pcr_positive", _yes_no, "yes or no"),
    Column("confirmed", "node", "confirmed", _yes_no, "whether a pathologist confirmed the finding"),
    Column("result", "slide", "result", _text, "folder of the slide's result, or its slide id"),
    Column("pieces", "slide", "pieces", _pieces, "pieces of tissue that are the node: `1 2` or `all`"),
    Column("section", "slide", "section", _text, "free text"),
    Column("block", "slide", "block", _text, "free text"),
    Column("clone", "slide", "clone", _text, "of the cytokeratin antibody"),
    Column("control_result", "slide", "control_result", _text, "`passed`, `failed`"),
)
"""All columns of the table, in the order in which they are documented; a file has them in any order."""

BY_NAME = {column.name: column for column in COLUMNS}


def columns_as_markdown() -> str:
    """The columns as a table to read."""
    lines = ["| column | of the | what |", "|---|---|---|"]
    lines += [f"| `{column.name}` | {column.of} | {column.meaning} |" for column in COLUMNS]
    return "\n".join(lines) + "\n"
