"""Rows of a table that people fill in: from the bytes of a file to what the cells of each line say.

Each line is read on its own, so that damage costs as few cases as it can. Whose row a damaged line was is not
guessed: a cell that is lost, or a quote that is not closed, may have moved the name of the case.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, BinaryIO, NamedTuple

from micromet_path.errors import ConfigError
from micromet_path.parsing import short
from micromet_path.results.table_columns import Column, TableForm

__all__ = ["Row", "read_rows", "undecodable"]

_LONGEST_LINE, _BEGINNING = 100_000, 40


class Row(NamedTuple):
    """A row of the table; a tuple, for it travels to other processes in half the time of a dataclass.

    Parameters
    ----------
    line : int
        Its line, or the first of them, from 1.
    values : mapping of str to object
        What its cells say, by column; empty ones are left out.
    problem : str or None
        Why it cannot be used.
    """

    line: int
    values: Mapping[str, Any]
    problem: str | None = None

    @property
    def case_id(self) -> str | None:
        """The case that it is surely of; None where that is not known."""
        case_id: str | None = self.values.get("case_id")
        return case_id


def read_rows(file: BinaryIO, name: str, form: TableForm) -> Iterator[Row]:
    """Read the rows below the header of a table one by one; empty ones are left out.

    Parameters
    ----------
    file : binary file
    name : str
        Of the file, for messages.
    form : TableForm

    Raises
    ------
    ConfigError
        When the first row is asked for, if the header cannot be used.
    """
    lines = _lines(file)
    header = next(lines, None)
    if header is None:
        raise ConfigError(f"{name} is empty; expected the names of columns, then one row {form.row}")
    columns, delimiter = _header(header[1], name, form)
    for number, raw in _joined(lines, delimiter):
        row = _row(number, raw, columns, delimiter, form)
        if row is not None:
            yield row


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of one that is too long only the beginning, longer than any that is not."""
    number = 0
    while raw := file.readline(_LONGEST_LINE + 1):
        number += 1
        yield number, raw
        while len(raw) > _LONGEST_LINE and not raw.endswith(b"\n"):
            raw = file.readline(_LONGEST_LINE + 1)


def _joined(lines: Iterable[tuple[int, bytes]], delimiter: str) -> Iterator[tuple[int, bytes]]:
    """The same lines, but as one those over which a cell in quotes goes on: none of them is a row of its own."""
    held: list[tuple[int, bytes]] = []
    n_held = 0
    for number, raw in lines:
        is_odd = raw.count(b'"') % 2 == 1  # a quote opens or closes that has no partner on the line
        if not held and not is_odd:
            yield number, raw
            continue
        if is_odd and held:
            together = b"".join(line for _, line in held) + raw
            if _is_one_row(together, delimiter):
                yield held[0][0], together
                held, n_held = [], 0
                continue
            yield from held
            held, n_held = [], 0
        held.append((number, raw))
        n_held += len(raw)
        if n_held > _LONGEST_LINE:
            yield from held
            held, n_held = [], 0
    yield from held


def _is_one_row(raw: bytes, delimiter: str) -> bool:
    """Whether some lines are one row by the rules of CSV."""
    try:
        rows = list(csv.reader((raw.decode("utf-8", "replace"),), delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return len(rows) == 1


def _header(raw: bytes, name: str, form: TableForm) -> tuple[list[Column], str]:
    """Columns of the table in its own order, and what separates them."""
    try:
        text = raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 text ({undecodable(error)}); save it as CSV in UTF-8") from error
    delimiter = ";" if ";" in text and "," not in text else ","
    try:
        names = [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, strict=True), [])]
    except csv.Error as error:
        raise ConfigError(f"{name}, line 1: {error}; expected the names of columns, with commas between") from error
    for column in names:
        if column not in form.columns:
            raise ConfigError(f"{name}, line 1: {_unknown(column, form)}")
        if names.count(column) > 1:
            raise ConfigError(f"{name}, line 1: the column {column} stands there twice")
    if form.key not in names:
        raise ConfigError(f"{name}, line 1: no column {form.key}; expected the names of columns, {form.key} among them")
    return [form.columns[column] for column in names], delimiter


def _unknown(column: str, form: TableForm) -> str:
    if not column:
        return "a column has no name; name it or delete it"
    near = get_close_matches(column, list(form.columns), n=1, cutoff=0.4)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(form.columns)}"
    return f"unknown column {column[:40]!r}; {advice}"


def _row(number: int, raw: bytes, columns: Sequence[Column], delimiter: str, form: TableForm) -> Row | None:
    """One line; None for an empty one."""
    try:
        text, undecoded = raw.decode("utf-8"), None
    except UnicodeDecodeError as error:
        text, undecoded = raw.decode("utf-8", "replace"), f"not UTF-8 text ({undecodable(error)})"
    try:
        cells = _cells(text.rstrip("\r\n"), len(columns), delimiter)
    except ConfigError as error:
        beginning = short(text[:_BEGINNING].rstrip("\r\n"))
        return Row(number, {}, f"{undecoded or error}, in {beginning}")
    values: dict[str, Any] = {}
    problem = undecoded
    for column, cell in zip(columns, cells, strict=False):
        if not cell:  # most of them
            continue
        stated = cell.strip()
        if stated and (stated != "unknown" or column.name in form.names):
            try:
                values[column.name] = column.read(stated)
            except ConfigError as error:
                problem = problem or f"{column.name} {error}"
    if not values and not "".join(cells).strip():
        return None
    if undecoded and "\N{REPLACEMENT CHARACTER}" in values.get(form.key, ""):
        del values[form.key]
    if form.key not in values:
        problem = problem or f"no {form.key}; it stands in each row of {form.of}"
    return Row(number, values, problem)


def _cells(text: str, n_columns: int, delimiter: str) -> list[str]:
    """Cells of a line, as many as there are columns or none at all.

    Raises
    ------
    ConfigError
        Where cells may have moved, or be lost.
    """
    if len(text) > _LONGEST_LINE:
        raise ConfigError(f"longer than {_LONGEST_LINE} bytes")
    if text.count('"') % 2:
        raise ConfigError("a quote is not closed; a cell and its quotes end on their line")
    if "\n" in text:
        n_lines = text.count("\n") + 1
        raise ConfigError(f"a cell goes on over {n_lines} lines; a cell and its quotes end on their line")
    try:
        cells = next(csv.reader((text,), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise ConfigError(f"{error}; a cell and its quotes end on their line") from error
    if len(cells) == n_columns:
        return cells
    if "".join(cells).strip():
        raise ConfigError(f"found {len(cells)} cells, expected {n_columns} as in the header")
    return []


def undecodable(error: UnicodeDecodeError) -> str:
    """The byte that is no UTF-8, and where it stands."""
    return f"byte 0x{error.object[error.start]:02x} at {error.start}"
