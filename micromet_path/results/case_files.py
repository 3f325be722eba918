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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from micromet_path.clinical.case import Case, parse_case
from micromet_path.errors import ConfigError
from micromet_path.parsing import short, short_name
from micromet_path.results.case_columns import CASE_TABLE
from micromet_path.results.case_of_rows import CaseRows, gathered
from micromet_path.results.packaged import packaged_schema
from micromet_path.results.table_rows import read_rows, undecodable

__all__ = ["case_file_schema", "load_case", "read_case_rows", "read_cases"]

_LARGEST_FILE = 2_000_000
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){40}""")


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
    for rows in read_case_rows(path):
        try:
            yield rows.check()
        except ConfigError as error:
            yield error


def read_case_rows(path: str | Path) -> Iterator[CaseRows]:
    """Read a table as `read_cases` does, but leave each case to be checked, which may be done elsewhere.

    Raises
    ------
    ConfigError
        When the first case is asked for, if the file or its header cannot be used.
    """
    path = Path(path)
    with _opened(path) as file:
        is_empty = True
        for rows in gathered(read_rows(file, path.name, CASE_TABLE), path.name):
            is_empty = False
            yield rows
        if is_empty:
            raise ConfigError(f"{path.name} holds no case below its header; expected one row a node")
