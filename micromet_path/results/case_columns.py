"""The columns of a table of cases: what each is of, how its cells are read, and what it means.

A cell that cannot be read is refused in words; whether a value is allowed is for the records of the case.
"""

from __future__ import annotations

from micromet_path.results.table_columns import Column, TableForm, number, pieces, text, whole, yes_or_no

__all__ = ["CASE_TABLE", "COLUMNS", "columns_as_markdown"]


def _extension(cell: str) -> str | float:
    return cell if cell in ("absent", "present") else number(cell)


COLUMNS = (
    Column("case_id", "case", "case_id", text, "name of the case, in each of its rows"),
    Column("rules", "case", "rules", text, "`ajcc8-breast` (where empty) or `camelyon17`"),
    Column("expected_slides", "case", "expected_slides", whole, "slides there should be"),
    Column("pt", "primary", "pt", text, "pathological T, such as `pT1c`"),
    Column("primary_size_mm", "primary", "size_mm", number, "invasive primary; gives T where `pt` is empty"),
    Column("ct", "primary", "ct", text, "clinical T before treatment"),
    Column("cn", "primary", "cn", text, "clinical N before treatment"),
    Column("cm", "primary", "cm", text, "clinical M before treatment"),
    Column("m", "primary", "m", text, "M; M0 where empty"),
    Column("histology", "primary", "histology", text, "free text"),
    Column("grade", "primary", "grade", whole, "Nottingham grade 1, 2, 3"),
    Column("er", "primary", "er", text, "`positive`, `negative`"),
    Column("pr", "primary", "pr", text, "`positive`, `negative`"),
    Column("her2", "primary", "her2", text, "`positive`, `negative`, `equivocal-after-ish`"),
    Column("oncotype_score", "primary", "oncotype_score", whole, "Oncotype DX recurrence score 0-100"),
    Column("ki67_percent", "primary", "ki67_percent", number, "0-100"),
    Column("surgery", "primary", "surgery", text, "of the primary: `breast-conserving`, `mastectomy`, `none`"),
    Column("whole_breast_radiotherapy", "primary", "whole_breast_radiotherapy", yes_or_no, "yes or no"),
    Column("age", "primary", "age", whole, "years"),
    Column("sentinel_procedure", "procedure", "sentinel", yes_or_no, "whether this is a sentinel procedure"),
    Column("completion_dissection", "procedure", "completion_dissection", yes_or_no, "yes or no"),
    Column("nodes_removed", "procedure", "nodes_removed", whole, "in all; the rows are counted where empty"),
    Column("neoadjuvant", "procedure", "neoadjuvant", yes_or_no, "systemic treatment before surgery"),
    Column("needle_only", "procedure", "needle_only", yes_or_no, "nodes were only sampled by needle"),
    Column("extranodal_extension", "procedure", "extranodal_extension", _extension, "`absent`, `present` or mm"),
    Column("node_id", "node", "node_id", text, "name of the node within the case"),
    Column("station", "node", "station", text, "`axillary-1` where empty; `unknown` is read as axillary and told"),
    Column("sentinel", "node", "sentinel", yes_or_no, "whether this is a sentinel node"),
    Column("clinically_detected", "node", "clinically_detected", yes_or_no, "yes or no"),
    Column("category", "node", "category", text, "`negative`, `itc`, `micro`, `macro`, `positive`, `not_assessable`"),
    Column("size_mm", "node", "size_mm", number, "largest contiguous focus of the worst section"),
    Column("cells", "node", "cells", whole, "tumour cells counted on that section"),
    Column("detected_by", "node", "detected_by", text, "`he`, `ihc-only`"),
    Column("osna_copies_per_ul", "node", "osna_copies_per_ul", number, "CK19 mRNA"),
    Column("rt_pcr_positive", "node", "rt_pcr_positive", yes_or_no, "yes or no"),
    Column("confirmed", "node", "confirmed", yes_or_no, "whether a pathologist confirmed the finding"),
    Column("result", "slide", "result", text, "folder of the slide's result, or its slide id"),
    Column("pieces", "slide", "pieces", pieces, "pieces of tissue that are the node: `1 2` or `all`"),
    Column("section", "slide", "section", text, "free text"),
    Column("block", "slide", "block", text, "free text"),
    Column("clone", "slide", "clone", text, "of the cytokeratin antibody"),
    Column("control_result", "slide", "control_result", text, "`passed`, `failed`"),
)
"""All columns of the table, in the order in which they are documented; a file has them in any order."""

CASE_TABLE = TableForm(
    columns={column.name: column for column in COLUMNS},
    key="case_id",
    of="a case",
    row="a node",
    names=frozenset({"case_id", "node_id", "result"}),
)


def columns_as_markdown() -> str:
    """The columns as a table to read."""
    lines = ["| column | of the | what |", "|---|---|---|"]
    lines += [f"| `{column.name}` | {column.of} | {column.meaning} |" for column in COLUMNS]
    return "\n".join(lines) + "\n"
