"""Columns of the tables that people fill in: how a cell is read, and what a table of a kind may hold.

A cell that cannot be read is refused in words; whether a value is allowed is for the records that it goes into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from micromet_path.errors import ConfigError

__all__ = ["Column", "TableForm", "number", "pieces", "text", "whole", "yes_or_no"]


def text(cell: str) -> str:
    """The cell as it stands."""
    return cell


def number(cell: str) -> float:
    """A number as any program writes it; NaN and infinity are for the records to refuse, by name."""
    try:
        value = float(cell)
    except ValueError:
        value = None
    if value is None or "_" in cell or not cell.isascii():
        advice = "; write a decimal point" if "," in cell else ""
        raise ConfigError(f"must be a number without unit, found {cell[:40]!r}{advice}")
    return value


def whole(cell: str) -> int | float:
    """A whole number, written 3 or 3.0; others are for the records to refuse."""
    value = number(cell)
    return int(value) if value.is_integer() else value


def yes_or_no(cell: str) -> bool:
    """Yes and no as people and programs write them."""
    word = cell.lower()
    if word not in _WORDS:
        raise ConfigError(f"must be one of {', '.join(_WORDS)}, found {cell[:40]!r}")
    return _WORDS[word]


def pieces(cell: str) -> str | list[int]:
    """Ids of pieces of tissue, or all of them."""
    ids = cell.replace(";", " ").replace(",", " ").split()
    if cell != "all" and not all(name.isascii() and name.isdigit() and len(name) < 10 for name in ids):
        raise ConfigError(f"must be 'all' or piece ids such as '1 2', found {cell[:40]!r}")
    return cell if cell == "all" else [int(name) for name in ids]


_WORDS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class Column(NamedTuple):
    """A column of the table: its name, what it is of, the field there, how a cell is read, what it means."""

    name: str
    of: str
    key: str
    read: Callable[[str], Any]
    meaning: str


class TableForm(NamedTuple):
    """A kind of table.

    Parameters
    ----------
    columns : mapping of str to Column
        What it may hold.
    key : str
        The column without which a row belongs to nothing.
    of, row : str
        What the key is the name of, and what a row is, for messages: ``"a case"``, ``"a node"``.
    names : frozenset of str
        Columns in which "unknown" is a name like any other.
    """

    columns: Mapping[str, Column]
    key: str
    of: str
    row: str
    names: frozenset[str]
