"""A staged case as text to read: the answer first, then the nodes, why, and what speaks for caution."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from micromet_path.apps.cli.words import printable
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.context import StudyMatch, context_text
from micromet_path.clinical.nodes import NodeCounts, NodeFinding, SectionFinding
from micromet_path.clinical.synoptic import printed_group
from micromet_path.clinical.wording import millimetres, readable
from micromet_path.results.case_json import RESEARCH_USE_ONLY
from micromet_path.results.palette import interval_mm

__all__ = ["print_case", "terminal"]

_WIDTH_OF_FILES = 160
_NAME_WIDTH = 31
_STATUS = {
    "incomplete": "incomplete: something is missing, see below",
    "suggested": "suggested: not every finding is confirmed by a pathologist",
    "confirmed": "confirmed: a pathologist confirmed every finding",
}


def terminal() -> Console:
    """Where the text goes: stdout; names of nodes and slides are never markup."""
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    return console


def print_case(screen: Console, stage: CaseStage, context: Sequence[StudyMatch] = ()) -> None:
    """Print a case."""
    screen.print(Text(f"{printable(stage.case_id)}  {printable(stage.pn)}", style="bold"))
    for name, text in _facts(stage):
        _wrapped(screen, f"{name:<{_NAME_WIDTH}}", text)
    if stage.nodes:
        screen.print(_nodes(stage.nodes))
    _list(screen, "evidence", (line for found in stage.nodes for line in _evidence(found)))
    _list(screen, "why", stage.reasons)
    _list(screen, "read with caution", (str(caution) for caution in stage.cautions))
    _list(screen, "what would change pN", (f"{change.pn} if {change.condition}" for change in stage.changes))
    if context:
        for line in context_text(context).splitlines():
            _wrapped(screen, "", line)
    screen.print(RESEARCH_USE_ONLY, style="dim")
    screen.print()


def _list(screen: Console, title: str, lines: Iterable[str]) -> None:
    """Sentences under a title; no title where there is none."""
    for number, line in enumerate(lines):
        if number == 0:
            screen.print(title, style="bold")
        _wrapped(screen, "  - ", line)


def _wrapped(screen: Console, begin: str, text: str) -> None:
    """A paragraph with its further lines indented; whole in a file, where nobody searches for half a line."""
    line = begin + printable(text)
    indent = " " * (len(begin) if begin else len(line) - len(line.lstrip()) + 2)
    if screen.is_terminal:
        line = fill(line, max(screen.width, 40), subsequent_indent=indent, break_on_hyphens=False)
    screen.print(Text(line), soft_wrap=True)


def _facts(stage: CaseStage) -> Iterator[tuple[str, str]]:
    yield "status", _STATUS[stage.status]
    if stage.case.rules == "ajcc8-breast":
        yield "T, M", f"{'T not stated' if stage.t is None else stage.prefix + stage.t}, {stage.m}"
        yield "anatomic stage", printed_group(stage, "anatomic_stage") or "none"
        yield "clinical prognostic stage", stage.clinical_prognostic_stage or "none"
        yield "pathological prognostic stage", printed_group(stage, "pathological_prognostic_stage") or "none"
    counts = stage.counts
    by_category = f"macrometastasis {counts.with_macro}, micrometastasis {counts.with_micro}, ITC {counts.with_itc}"
    yield "nodes", f"{counts.examined} of {counts.listed} examined: {by_category}"
    yield "sentinel nodes", _sentinel(counts)
    if counts.slides_expected is not None:
        yield "slides", f"{counts.slides_read} of {counts.slides_expected} read"
    if stage.osna is not None:
        by_node = ", ".join(f"node {node_id} {of_node}" for node_id, of_node in stage.osna.by_node)
        yield "OSNA", f"{stage.osna.total_copies_per_ul:g} copies/uL in all: {by_node}"
    yield "rules", stage.rules_version


def _sentinel(counts: NodeCounts) -> str:
    if counts.sentinel_examined is None:
        return "not stated"
    text = f"{counts.sentinel_examined} examined, {counts.sentinel_positive} positive"
    return f"{text}; not stated of {counts.sentinel_not_stated}" if counts.sentinel_not_stated else text


def _nodes(nodes: Sequence[NodeFinding]) -> Table:
    """One row a node; what does not fit the terminal is folded, never cut."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, collapse_padding=True)
    for title in ("node", "station", "sentinel", "category", "mm", "interval", "cells", "confirmed"):
        is_number = title in ("mm", "interval", "cells")
        table.add_column(title, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for found in nodes:
        table.add_row(
            printable(found.node.node_id),
            found.node.station,
            {True: "yes", False: "no", None: "-"}[found.node.sentinel],
            _category(found),
            _size(found),
            _interval(found),
            "" if found.cells is None else f"{found.cells.value:.0f}",
            "yes" if found.is_confirmed else "no",
        )
    return table


def _category(found: NodeFinding) -> str:
    """The category in a word, marked where it may be worse."""
    if found.category is None:
        return "not known"
    return f"at least {_word(found.category)}" if found.is_minimum else _word(found.category)


def _word(category: str) -> str:
    return "ITC" if category == "itc" else readable(category)


def _interval(found: NodeFinding) -> str:
    if found.size_interval_mm is None:
        return ""
    low, high = found.size_interval_mm
    return interval_mm(low * 1000, high * 1000).removesuffix(" mm")


def _size(found: NodeFinding) -> str:
    """The size in mm; where it was measured, from the microns it was measured in."""
    if found.deciding is not None and found.deciding.finding.max_diameter_um is not None:
        return millimetres(found.deciding.finding.max_diameter_um)
    return "" if found.size_mm is None else millimetres(found.size_mm * 1000)


def _evidence(found: NodeFinding) -> Iterator[str]:
    """What each slide says of the node."""
    for section in found.sections:
        decides = " (decides)" if section is found.deciding else ""
        yield f"node {found.node.node_id}, {section.label}: {_what(section)}{decides}"


def _what(section: SectionFinding) -> str:
    if section.problem is not None:
        return section.problem
    what = _word(section.finding.category.value)
    if section.focus is not None:
        (x0, y0), (x1, y1) = section.focus.axis_px0
        what += f", cluster {section.focus.cluster_id} from ({x0:.0f}, {y0:.0f}) to ({x1:.0f}, {y1:.0f}) px of level 0"
    return f"{what}, confirmed" if section.is_confirmed else what
