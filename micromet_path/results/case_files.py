"""Case files in: one case as TOML or JSON, or many as a table with one row a node.

The table is CSV in UTF-8, comma or semicolon between the cells, a point in decimals, no line break in a
cell. Only ``case_id`` is required; `case_columns.COLUMNS` says what each of the others means, in five groups:

- *case*, *primary* and *procedure* are read from the first row of a case and may be empty, or the same, in
  the rows that follow;
- *node* describes a node. A row that fills none of them, and no slide, is a case without nodes. Where no row
  of a case has a ``node_id``, its nodes are called 1, 2, 3 in order;
- *slide* names an analysed slide on which the node is seen; further rows with the same ``node_id`` add slides.

An empty cell, or ``unknown``, is unknown. The rows of a case stand together, so that a table of any length
is read with the rows of one case in memory; only the names of the cases are kept. A row that cannot be used fails
its case; where it is not certain whose row it is, as cells are lost or a quote is not closed, it fails the cases
before and after it.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from micromet_path.clinical.case import Case, parse_case
from micromet_path.errors import ConfigError
from micromet_path.parsing import short, short_name
from micromet_path.results.case_columns import BY_NAME
from micromet_path.results.case_rows import Row, read_rows, undecodable
from micromet_path.results.packaged import packaged_schema

__all__ = ["case_file_schema", "load_case", "read_cases"]

_LARGEST_FILE = 2_000_000
_MOST_ROWS = 10_000
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){40}""")
_PLACE = re.compile(r"nodes\[\d+\](\.slides\[\d+\])?[.:] ?")  # a row needs no place in nested lists


def load_case(path: str | Path) -> Case:
    """Read the case that a TOML or JSON file describes.

    Parameters
    ----------
    path : path
        ``.toml`` or ``.json``, at most 2 MB of UTF-8; its form is `case_file_schema`.

    Raises
    ------
    ConfigError
        In one line: the file, what was found, and what is expected.
    """
    path = Path(path)
    readers: dict[str, Callable[[str], Any]] = {".toml": _toml, ".json": _json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(_no_case_file(path))
    text = _text_of(path)
    try:
        return parse_case(reader(text), path.name)
    except ConfigError:
        raise
    except RecursionError as error:
        raise ConfigError(f"{path.name} is nested too deeply; a case file has tables in lists in tables") from error
    except ValueError as error:
        raise ConfigError(f"{path.name} is not readable as {path.suffix[1:].upper()}: {error}") from error


def case_file_schema() -> dict[str, Any]:
    """Load the JSON Schema of case files, for editors that check while one writes.

    Examples
    --------
    >>> case_file_schema()["required"]
    ['case_id']
    """
    return packaged_schema("case_file.schema.json")


def _no_case_file(path: Path) -> str:
    """What a path is that does not end as the file of one case does."""
    if os.path.isdir(path):  # no error where the name is longer than a name can be
        return f"{path} is a folder, expected a case file"
    if path.suffix.lower() == ".csv":
        return f"{path.name} is a table of cases, expected one case as .toml or .json"
    found = f"ends in {short(path.suffix)}" if path.suffix else "has no suffix"
    return f"{short_name(path.name)} {found}; expected .toml or .json for one case, .csv for many"


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise ConfigError(f"there is no case file {path}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder, expected a case file") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{short_name(path.name)} cannot be opened: {why}") from error


def _text_of(path: Path) -> str:
    """Content of a file of reasonable size; the size is asked first, for a parser would read all of it."""
    with _opened(path) as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise ConfigError(f"{path.name} is larger than 2 MB; a case file holds one case, many cases go into a .csv")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name} is not UTF-8 text ({undecodable(error)}); save it as UTF-8") from error


def _toml(text: str) -> Any:
    """TOML without endless dotted keys, over which tomllib takes quadratic time: hours for 2 MB."""
    if _DOTTED.search(text):
        raise RecursionError
    return tomllib.loads(text)


def _json(text: str) -> Any:
    """JSON in which no key is given twice; of two values the second would win unseen."""
    return json.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key[:40]!r} is given twice in one table")
        content[key] = value
    return content


# -- many cases ----------------------------------------------------------------------------------


def read_cases(path: str | Path) -> Iterator[Case | ConfigError]:
    """Read a table of cases one by one, see the module for its columns.

    Parameters
    ----------
    path : path
        CSV with one row a node.

    Yields
    ------
    Case or ConfigError
        A row that cannot be used fails its case, or both that it may be of: the error, not raised, names the line.

    Raises
    ------
    ConfigError
        When the first case is asked for, if the file or its header cannot be used.
    """
    path = Path(path)
    with _opened(path) as file:
        seen: set[str] = set()
        is_empty = True
        for case_id, rows in _by_case(read_rows(file, path.name)):
            is_empty = False
            yield _case(case_id, rows, path.name, seen)
        if is_empty:
            raise ConfigError(f"{path.name} holds no case below its header; expected one row a node")


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


def _case(case_id: str | None, rows: Sequence[Row], name: str, seen: set[str]) -> Case | ConfigError:
    """The case of some rows, or why there is none."""
    place = f"{name}, line {rows[0].line}"
    is_apart = case_id in seen
    wrong = next((row for row in rows if row.problem is not None), None)
    if case_id is not None:
        seen.add(case_id)
    if is_apart:
        return ConfigError(
            f"{place}: case {short_name(case_id)} has rows further up, which were read without these; "
            "the rows of a case stand together"
        )
    if wrong is not None:
        whose = "" if case_id is None or wrong.case_id else "; the row may be of this case"
        return _error(name, wrong, case_id, f"{wrong.problem}{whose}")
    if len(rows) > _MOST_ROWS:
        return ConfigError(f"{place}: case {short_name(case_id)} has more than {_MOST_ROWS} rows")
    try:
        content = _content(rows, name)
    except ConfigError as error:
        return error
    try:
        return parse_case(content, place)
    except ConfigError as error:
        return _located(rows, name, str(error).removeprefix(f"{place}: "))


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
            column = BY_NAME[name_of_column]
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
