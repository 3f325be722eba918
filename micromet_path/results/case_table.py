"""Staged cases as a table: one row a case, the columns frozen, for laboratory systems that take CSV.

Later versions may add columns at the end, never change or move one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable

from micromet_path import __version__
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.synoptic import printed_group

__all__ = ["CASE_COLUMNS", "case_line", "case_row", "case_table_as_markdown", "header_line", "inert"]

_Cell = Callable[[CaseStage], object]

_COLUMNS: tuple[tuple[str, str, _Cell], ...] = (
    ("case_id", "as its file names it; with `'` before a first `=`, `+`, `-` or `@`", lambda s: inert(s.case_id)),
    ("status", "`incomplete`, `suggested` or `confirmed`", lambda s: s.status),
    ("pn", "as it is printed: `pN1mi(sn)`, or why it is not assigned", lambda s: s.pn),
    ("pn_category", "without suffixes: `pN1mi`; empty while it is not assigned", lambda s: s.pn_category),
    ("suffixes", "`sn` or `f`", lambda s: ";".join(s.suffixes)),
    ("pt", "T with its prefix: `pT1c`, `ypT1c`", lambda s: None if s.t is None else s.prefix + s.t),
    ("m", "`M0`, `M0(i+)`, `M1`", lambda s: s.m),
    ("anatomic_stage", "`IA`, `at least IA`; empty where there is no group", lambda s: _anatomic(s)),
    ("clinical_prognostic_stage", "empty where a fact is missing", lambda s: s.clinical_prognostic_stage),
    ("pathological_prognostic_stage", "empty where a fact is missing", lambda s: _pathological(s)),
    ("nodes_examined", "contralateral nodes are left out, as in all counts", lambda s: s.counts.examined),
    ("nodes_macro", "with a macrometastasis, or a metastasis without a size", lambda s: s.counts.with_macro),
    ("nodes_micro", "with a micrometastasis at most", lambda s: s.counts.with_micro),
    ("nodes_itc", "with isolated tumour cells at most", lambda s: s.counts.with_itc),
    ("sentinel_examined", "sentinel nodes examined; empty where no node says", lambda s: s.counts.sentinel_examined),
    ("sentinel_positive", "of them with a micro- or macrometastasis", lambda s: s.counts.sentinel_positive),
    ("largest_mm", "largest deposit that was measured", lambda s: s.counts.largest_mm),
    ("slides_expected", "slides there should be; empty where no slide is named", lambda s: s.counts.slides_expected),
    ("slides_read", "slides that could be assessed", lambda s: s.counts.slides_read),
    ("warnings", "codes, with `;` between", lambda s: ";".join(dict.fromkeys(c.code for c in s.cautions))),
    ("would_change", "`pN1mi if ...`, with `; ` between", lambda s: _changes(s)),
    ("rules_version", "versions of rules and tables", lambda s: s.rules_version),
    ("program_version", "of micromet_path", lambda s: __version__),
)  # fmt: skip

CASE_COLUMNS: tuple[str, ...] = tuple(name for name, _, _ in _COLUMNS)
"""Names of the columns, in order; what each means: `case_table_as_markdown`."""


def case_row(stage: CaseStage) -> dict[str, str]:
    """The row of a case, by column; empty where there is no value.

    Examples
    --------
    >>> from micromet_path.clinical.case import parse_case
    >>> from micromet_path.clinical.casework import stage_case
    >>> row = case_row(stage_case(parse_case({"case_id": "A", "nodes": [{"node_id": "1", "size_mm": 0.9}]})))
    >>> row["pn"], row["nodes_micro"], row["largest_mm"], row["pt"]
    ('pN1mi', '1', '0.9', '')
    """
    return {name: _printed(of(stage)) for name, _, of in _COLUMNS}


def header_line() -> str:
    """The names of the columns as a line of CSV."""
    return _line(CASE_COLUMNS)


def case_line(stage: CaseStage) -> str:
    """The row of a case as a line of CSV."""
    return _line(case_row(stage).values())


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def case_table_as_markdown() -> str:
    """The columns as a table to read."""
    lines = ["| column | what |", "|---|---|", *(f"| `{name}` | {meaning} |" for name, meaning, _ in _COLUMNS)]
    return "\n".join(lines) + "\n"


def _anatomic(stage: CaseStage) -> str | None:
    return printed_group(stage, "anatomic_stage")


def _pathological(stage: CaseStage) -> str | None:
    return printed_group(stage, "pathological_prognostic_stage")


def inert(name: str) -> str:
    """A name that a spreadsheet shows; it would compute one that begins like a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name


def _changes(stage: CaseStage) -> str:
    """What would change pN."""
    return "; ".join(f"{change.pn} if {change.condition}" for change in stage.changes)


def _printed(value: object) -> str:
    """A cell: numbers with all their digits, nothing for None."""
    return "" if value is None else str(value)
