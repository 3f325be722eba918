"""From the rows of a table to its cases: which rows are one case, and what they say together.

To part the two is what lets another process do the second, which takes longer: the rows of a case are plain data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from micromet_path.clinical.case import Case, parse_case
from micromet_path.errors import ConfigError
from micromet_path.parsing import short_name
from micromet_path.results.case_columns import CASE_TABLE
from micromet_path.results.table_rows import Row

__all__ = ["CaseRows", "gathered"]

_MOST_ROWS = 10_000
_PLACE = re.compile(r"nodes\[\d+\](\.slides\[\d+\])?[.:] ?")  # a row needs no place in nested lists


class CaseRows(NamedTuple):
    """The rows of a case, read and not yet checked.

    Parameters
    ----------
    name : str
        Of the table, for messages.
    case_id : str or None
        None where no row says.
    rows : sequence of Row
        At least one; of a case with too many, the first.
    is_apart : bool
        Whether the case has other rows further up.
    """

    name: str
    case_id: str | None
    rows: Sequence[Row]
    is_apart: bool

    def check(self) -> Case:
        """The case that they describe.

        Raises
        ------
        ConfigError
            Naming the line, and the case where it is known.
        """
        name, case_id, rows = self.name, self.case_id, self.rows
        place = f"{name}, line {rows[0].line}"
        if self.is_apart:
            raise ConfigError(
                f"{place}: case {short_name(case_id)} has rows further up, which were read without these; "
                "the rows of a case stand together"
            )
        wrong = next((row for row in rows if row.problem is not None), None)
        if wrong is not None:
            whose = "" if case_id is None or wrong.case_id else "; the row may be of this case"
            raise _error(name, wrong, case_id, f"{wrong.problem}{whose}")
        if len(rows) > _MOST_ROWS:
            raise ConfigError(f"{place}: case {short_name(case_id)} has more than {_MOST_ROWS} rows")
        content = _content(rows, name)
        try:
            return parse_case(content, place)
        except ConfigError as error:
            raise _located(rows, name, str(error).removeprefix(f"{place}: ")) from error


def gathered(rows: Iterable[Row], name: str) -> Iterator[CaseRows]:
    """The rows of each case; of those that were, only the names are kept."""
    seen: set[str] = set()
    for case_id, group in _by_case(rows):
        yield CaseRows(name, case_id, group, case_id in seen)
        if case_id is not None:
            seen.add(case_id)


def _by_case(rows: Iterable[Row]) -> Iterator[tuple[str | None, list[Row]]]:
    """Rows that follow each other and have one case_id; a row without one belongs to the cases on both sides."""
    case_id: str | None = None
    group: list[Row] = []
    stray: Row | None = None
    for row in rows:
        if row.case_id is None:
            if stray is not None:  # one of them tells enough
                continue
            stray = row
        elif case_id is None or row.case_id == case_id:
            case_id, stray = row.case_id, None
        else:
            yield case_id, group
            case_id, group, stray = row.case_id, ([] if stray is None else [stray]), None
        if len(group) <= _MOST_ROWS:
            group.append(row)
    if group:
        yield case_id, group


def _error(name: str, row: Row, case_id: str | None, problem: str) -> ConfigError:
    whose = "" if case_id is None else f"case {short_name(case_id)}: "
    return ConfigError(f"{name}, line {row.line}: {whose}{_PLACE.sub('', problem, count=1)}")


def _located(rows: Sequence[Row], name: str, problem: str) -> ConfigError:
    """What the records refuse, with the first line that is refused on its own too; else with the case's first."""
    for row in rows:
        try:
            parse_case(_content([row], name), "row")
        except ConfigError as error:
            return _error(name, row, row.case_id, str(error).removeprefix("row: "))
    return _error(name, rows[0], rows[0].case_id, problem)


def _content(rows: Sequence[Row], name: str) -> dict[str, Any]:
    """The nested tables of a case, as a case file has them.

    Raises
    ------
    ConfigError
        Where rows contradict each other, with the line.
    """
    first = rows[0]
    content: dict[str, Any] = {"primary": {}, "procedure": {}}
    nodes: dict[str, dict[str, Any]] = {}
    is_named = any("node_id" in row.values for row in rows)
    for row in rows:
        node: dict[str, Any] = {}
        slide: dict[str, Any] = {}
        parts = {"case": content, "node": node, "slide": slide, **{of: content[of] for of in ("primary", "procedure")}}
        problem = None
        for name_of_column, value in row.values.items():
            column = CASE_TABLE.columns[name_of_column]
            if row is first or column.of in ("node", "slide"):
                parts[column.of][column.key] = value
            elif first.values.get(column.name) != value:
                problem = _unlike(column.name, value, first)
        if problem is None and (node or slide):
            problem = _add_node(nodes, node, slide, is_named)
        elif problem is None and row is not first:
            problem = "no node is described; a case without nodes has one row"
        if problem is not None:
            raise _error(name, row, first.case_id, problem)
    content["nodes"] = list(nodes.values())
    return content


def _unlike(column: str, value: Any, first: Row) -> str:
    before = first.values.get(column, "nothing")
    return (
        f"{column} is {short_name(value)} here and {short_name(before)} in line {first.line}; "
        "leave it empty or state the same"
    )


def _add_node(
    nodes: dict[str, dict[str, Any]], node: dict[str, Any], slide: dict[str, Any], is_named: bool
) -> str | None:
    """Add a node, or a slide to one that is known; what is wrong with that, if anything."""
    if is_named and "node_id" not in node:
        return "no node_id; name each node of a case, or none"
    node_id = node.setdefault("node_id", str(len(nodes) + 1))
    known = nodes.setdefault(node_id, node)
    if known is not node:
        if not slide:
            return f"node {short_name(node_id)} is listed twice; a further row of a node adds a slide"
        for key, value in node.items():
            if known.get(key) != value:
                problem = f"{key} is not as in the node's first row; leave it empty or state the same"
                return f"node {short_name(node_id)}: {problem}"
    if slide:
        known.setdefault("slides", []).append(slide)
    return None
