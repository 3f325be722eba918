"""Case files in: one case as TOML or JSON, or many as a table with one row a node.

The table is CSV in UTF-8, comma or semicolon between the cells, a point in decimals, no line break in a
cell. Only ``case_id`` is required; `case_columns.COLUMNS` says what each of the others means, in five groups:

- *case*, *primary* and *procedure* are read from the first row of a case and may be empty, or the same, in
  the rows that follow;
- *node* describes a node. A row that fills none of them, and no slide, is a case without nodes. Where no row
  of a case has a ``node_id``, its nodes are called 1, 2, 3 in order;
- *slide* names an analysed slide on which the node is seen; further rows with the same ``node_id`` add slides.

An empty cell, or ``unknown``, is unknown. The rows of a case stand together, so that a table of any length
is read with the rows of one case in memory; only the names of the cases are kept.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

from micromet_path.clinical.case import Case, parse_case
from micromet_path.errors import ConfigError
from micromet_path.results.case_columns import BY_NAME, Column
from micromet_path.results.packaged import packaged_schema

__all__ = ["case_file_schema", "load_case", "read_cases"]

_LARGEST_FILE = 2_000_000
_LONGEST_LINE = 100_000
_MOST_ROWS = 10_000
_NAMES = frozenset({"case_id", "node_id", "result"})  # here "unknown" is a name like any other
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
    if path.is_dir():
        return f"{path} is a folder, expected a case file"
    if path.suffix.lower() == ".csv":
        return f"{path.name} is a table of cases, expected one case as .toml or .json"
    found = f"ends in {path.suffix!r}" if path.suffix else "has no suffix"
    return f"{path.name} {found}; expected .toml or .json for one case, .csv for many"


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise ConfigError(f"there is no case file {path}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder, expected a case file") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _text_of(path: Path) -> str:
    """Content of a file of reasonable size; the size is asked first, for a parser would read all of it."""
    with _opened(path) as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise ConfigError(f"{path.name} is larger than 2 MB; a case file holds one case, many cases go into a .csv")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name} is not UTF-8 text ({_undecodable(error)}); save it as UTF-8") from error


def _undecodable(error: UnicodeDecodeError) -> str:
    return f"byte 0x{error.object[error.start]:02x} at {error.start}"


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


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table: what its cells say, by column; or why they cannot be read."""

    line: int
    values: Mapping[str, Any]
    problem: str | None = None

    @property
    def case_id(self) -> str | None:
        case_id: str | None = self.values.get("case_id")
        return case_id


def read_cases(path: str | Path) -> Iterator[Case | ConfigError]:
    """Read a table of cases one by one, see the module for its columns.

    Parameters
    ----------
    path : path
        CSV with one row a node.

    Yields
    ------
    Case or ConfigError
        A row that cannot be used fails its case: the error, not raised, names the line.

    Raises
    ------
    ConfigError
        When the first case is asked for, if the file or its header cannot be used.
    """
    path = Path(path)
    with _opened(path) as file:
        lines = _lines(file)
        header = next(lines, None)
        if header is None:
            raise ConfigError(f"{path.name} is empty; expected the names of columns, then one row a node")
        columns, delimiter = _header(header[1], path.name)
        seen: set[str] = set()
        for rows in _by_case(_row(number, raw, columns, delimiter) for number, raw in lines):
            yield _case(rows, path.name, seen)
        if not seen:
            raise ConfigError(f"{path.name} holds no case below its header; expected one row a node")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of one that is too long only the beginning, longer than any that is not."""
    number = 0
    while raw := file.readline(_LONGEST_LINE + 1):
        number += 1
        yield number, raw
        while len(raw) > _LONGEST_LINE and not raw.endswith(b"\n"):
            raw = file.readline(_LONGEST_LINE + 1)


def _header(raw: bytes, name: str) -> tuple[list[Column], str]:
    """Columns of the table in its own order, and what separates them."""
    try:
        text = raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 text ({_undecodable(error)}); save it as CSV in UTF-8") from error
    delimiter = ";" if ";" in text and "," not in text else ","
    try:
        names = [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, strict=True), [])]
    except csv.Error as error:
        raise ConfigError(f"{name}, line 1: {error}; expected the names of columns, with commas between") from error
    for column in names:
        if column not in BY_NAME:
            raise ConfigError(f"{name}, line 1: {_unknown(column)}")
        if names.count(column) > 1:
            raise ConfigError(f"{name}, line 1: the column {column} stands there twice")
    if "case_id" not in names:
        raise ConfigError(f"{name}, line 1: no column case_id; expected the names of columns, case_id among them")
    return [BY_NAME[column] for column in names], delimiter


def _unknown(column: str) -> str:
    if not column:
        return "a column has no name; name it or delete it"
    near = get_close_matches(column, list(BY_NAME), n=1, cutoff=0.4)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(BY_NAME)}"
    return f"unknown column {column[:40]!r}; {advice}"


def _row(number: int, raw: bytes, columns: Sequence[Column], delimiter: str) -> _Row | None:
    """One line on its own, so that an open quote costs its own row and no other; None for an empty one."""
    if len(raw) > _LONGEST_LINE:
        return _unreadable(number, raw, columns, delimiter, f"longer than {_LONGEST_LINE} bytes")
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
        cells = next(csv.reader((text,), delimiter=delimiter, strict=True), [])
    except UnicodeDecodeError as error:
        return _unreadable(number, raw, columns, delimiter, f"not UTF-8 text ({_undecodable(error)})")
    except csv.Error as error:
        return _unreadable(number, raw, columns, delimiter, f"{error}; a cell and its quotes end on their line")
    if len(cells) != len(columns):
        if not "".join(cells).strip():
            return None
        problem = f"found {len(cells)} cells, expected {len(columns)} as in the header"
        return _unreadable(number, raw, columns, delimiter, problem)
    values: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        if not cell:  # most of them
            continue
        stated = cell.strip()
        if stated and (stated != "unknown" or column.name in _NAMES):
            try:
                values[column.name] = column.read(stated)
            except ConfigError as error:
                return _unreadable(number, raw, columns, delimiter, f"{column.name} {error}")
    if not values and not "".join(cells).strip():
        return None
    return _Row(number, values, None if "case_id" in values else "no case_id; it stands in each row of a case")


def _unreadable(number: int, raw: bytes, columns: Sequence[Column], delimiter: str, problem: str) -> _Row:
    """A row that fails its case; whose it is, is read as well as can be."""
    lenient = raw[:_LONGEST_LINE].decode("utf-8", "replace").replace("\r", "").rstrip("\n")
    cells = next(csv.reader((lenient,), delimiter=delimiter), [])
    place = next(place for place, column in enumerate(columns) if column.name == "case_id")
    case_id = cells[place].strip() if place < len(cells) else ""
    return _Row(number, {"case_id": case_id} if case_id else {}, problem)


def _by_case(rows: Iterable[_Row | None]) -> Iterator[list[_Row]]:
    """Rows that follow each other and have one case_id; a row without one may be of the case before it."""
    group: list[_Row] = []
    for row in rows:
        if row is None:
            continue
        if group and row.case_id not in (None, group[0].case_id):
            yield group
            group = []
        if len(group) <= _MOST_ROWS:
            group.append(row)
    if group:
        yield group


def _case(rows: Sequence[_Row], name: str, seen: set[str]) -> Case | ConfigError:
    """The case of some rows, or why there is none."""
    case_id = rows[0].case_id
    place = f"{name}, line {rows[0].line}"
    is_apart = case_id in seen
    seen.add(case_id or "")
    if is_apart:
        return ConfigError(
            f"{place}: case {case_id} has rows further up, which were read without these; "
            "the rows of a case stand together"
        )
    if len(rows) > _MOST_ROWS:
        return ConfigError(f"{place}: case {case_id} has more than {_MOST_ROWS} rows")
    wrong = next((row for row in rows if row.problem is not None), None)
    if wrong is not None:
        return _error(name, wrong, case_id, wrong.problem or "")
    try:
        content = _content(rows, name)
    except ConfigError as error:
        return error
    try:
        return parse_case(content, place)
    except ConfigError as error:
        return _located(rows, name, str(error).removeprefix(f"{place}: "))


def _error(name: str, row: _Row, case_id: str | None, problem: str) -> ConfigError:
    whose = "" if case_id is None else f"case {case_id}: "
    return ConfigError(f"{name}, line {row.line}: {whose}{_PLACE.sub('', problem, count=1)}")


def _located(rows: Sequence[_Row], name: str, problem: str) -> ConfigError:
    """What the records refuse, with the first line that is refused on its own too; else with the case's first."""
    for row in rows:
        try:
            parse_case(_content([row], name), "row")
        except ConfigError as error:
            return _error(name, row, row.case_id, str(error).removeprefix("row: "))
    return _error(name, rows[0], rows[0].case_id, problem)


def _content(rows: Sequence[_Row], name: str) -> dict[str, Any]:
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


def _unlike(column: str, value: Any, first: _Row) -> str:
    before = first.values.get(column, "nothing")
    return f"{column} is {value} here and {before} in line {first.line}; leave it empty or state the same"


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
            return f"node {node_id} is listed twice; a further row of a node adds a slide"
        for key, value in node.items():
            if known.get(key) != value:
                return f"node {node_id}: {key} is not as in the node's first row; leave it empty or state the same"
    if slide:
        known.setdefault("slides", []).append(slide)
    return None
