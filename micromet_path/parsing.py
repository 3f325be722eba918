"""Tables of a file become frozen records, and what does not fit is refused by name.

One way for every file that a person writes: configuration and case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from difflib import get_close_matches
from functools import cache
from numbers import Real
from pathlib import PurePath
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from micromet_path.errors import ConfigError

__all__ = ["is_number", "parse_record", "short", "short_name"]

_Record = TypeVar("_Record")


def parse_record(
    record: type[_Record], content: Any, source: str, prepare: Callable[[Any], Any] = lambda content: content
) -> _Record:
    """Build a frozen record, and the records in it, from nested tables.

    Parameters
    ----------
    record : type
        A dataclass whose fields are scalars, literals, enumerations, records or tuples of these.
    content : mapping
        As a TOML or JSON file gives it.
    source : str
        What the content is from, for messages.
    prepare : callable, optional
        Makes the content what the record expects, once all its keys are known to be right.

    Raises
    ------
    ConfigError
        For an unknown key (naming the nearest known one), a wrong type or a value that is not allowed.
    """
    from pydantic import ValidationError  # slow to import: only where a file is read

    try:
        _refuse_unknown_keys(record, content, source)
        content = prepare(content)
        # Through JSON, whose strict reading takes a list for a tuple and a text for an enumeration,
        # and neither a text nor a truth value for a number.
        made: _Record = _adapter(record).validate_json(json.dumps(content, default=_as_text), strict=True)
    except RecursionError as error:
        raise ConfigError(f"{source}: nested too deeply; expected tables in lists in tables") from error
    except ConfigError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        _refuse_wrong_tables(record, content, source)  # where that is the reason, it says more than the checker
        if not isinstance(error, ValidationError):  # numbers with thousands of digits
            raise ConfigError(f"{source}: a value cannot be read: {short_name(str(error))}") from error
        raise _told(error, source) from error
    return made


def _as_text(value: Any) -> str:
    """The dates and times of TOML, and the paths that stand for their names."""
    if isinstance(value, date | time | PurePath):
        return str(value)
    raise TypeError(f"found an object of type {type(value).__name__}, expected text, numbers, lists and tables")


def _told(error: Any, source: str) -> ConfigError:
    """What a validation error says first, in one line."""
    first = error.errors()[0]
    where = _where(first["loc"])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):  # the records name the key and what they expected themselves
        place = f"{where}: " if "[" in where else ""
        return ConfigError(f"{source}: {place}{cause}")
    if first["type"] == "json_invalid":
        return ConfigError(f"{source}: nested too deeply, or not text: {first['msg']}")
    if first["type"] == "missing":
        return ConfigError(f"{source}: {where} is missing")
    # Where several forms are allowed there is an error for each of them.
    allowed = dict.fromkeys(str(other["msg"]) for other in error.errors() if _where(other["loc"]).startswith(where))
    return ConfigError(f"{source}: {where}: {', or '.join(allowed)}; found {short(first['input'])}")


_adapters: dict[Any, Any] = {}  # making one takes milliseconds, using it microseconds


def _adapter(record: Any) -> Any:
    """The checker of a record."""
    if record not in _adapters:
        from pydantic import TypeAdapter

        _adapters[record] = TypeAdapter(record)
    return _adapters[record]


def _where(location: tuple[int | str, ...]) -> str:
    """A place in nested tables as a person writes it: ``nodes[2].size_mm``, counted from 1.

    Pydantic adds the member of a union that it tried; no field is called like a type.
    """
    parts: list[str] = []
    for step in location:
        if isinstance(step, int):
            parts.append(f"[{step + 1}]")
        elif step.isidentifier() and step not in ("float", "int", "str", "bool", "tuple", "literal", "nullable"):
            parts.append(f".{step}" if parts else step)
    return "".join(parts)


def is_number(value: object) -> bool:
    """Whether a value is a real number, of Python or of numpy; a truth value is none.

    Examples
    --------
    >>> [is_number(value) for value in (1, 0.5, "1", True, None)]
    [True, True, False, False, False]
    """
    return isinstance(value, Real) and not isinstance(value, bool)


def short(value: Any) -> str:
    """A value in a message: one line of at most 80 characters, as Python writes it.

    Examples
    --------
    >>> short("0.9"), len(short("9" * 1000))
    ("'0.9'", 80)
    """
    try:
        text = repr(value).replace("\n", " ")
    except Exception:  # a number of too many digits, or an object that cannot tell of itself
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def short_name(value: Any) -> str:
    """The same without quotes around a text that can be printed, for the names of cases, nodes and keys."""
    if isinstance(value, str) and value.isprintable():
        return value if len(value) <= 80 else f"{value[:77]}..."
    return short(value).strip("'")


def _refuse_unknown_keys(record: Any, content: Any, source: str, prefix: str = "") -> None:
    """Raise for the first key that a record does not have."""
    if not isinstance(content, Mapping):
        return
    known = _hints(record)
    if not known.keys() >= content.keys():
        key = next(key for key in content if key not in known)
        near = get_close_matches(str(key), list(known), n=1, cutoff=0.4)
        advice = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        raise ConfigError(f"{source}: unknown key {prefix}{short_name(key)}; {advice}")
    for inner, value, place in _inner(record, content, prefix):
        _refuse_unknown_keys(inner, value, source, f"{place}.")


def _refuse_wrong_tables(record: Any, content: Any, source: str, prefix: str = "") -> None:
    """Raise where a table is expected and something else stands."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{source}: {prefix.rstrip('.') or 'the file'} must be a table, found {short(content)}")
    for inner, value, place in _inner(record, content, prefix):
        _refuse_wrong_tables(inner, value, source, f"{place}.")


def _inner(record: Any, content: Mapping[str, Any], prefix: str) -> Iterator[tuple[Any, Any, str]]:
    """Records that a record holds: their type, what stands there, and where."""
    for key, inner, is_many in _nested(record):
        if key not in content:
            continue
        value = content[key]
        if not is_many:
            yield inner, value, f"{prefix}{key}"
        elif isinstance(value, list | tuple):
            for number, entry in enumerate(value, start=1):
                yield inner, entry, f"{prefix}{key}[{number}]"


@cache
def _nested(record: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Fields of a record that hold records: their name, the record, and whether there are many."""
    found = ((key, _record_in(hint), get_origin(hint) is tuple) for key, hint in _hints(record).items())
    return tuple(field for field in found if field[1] is not None)


@cache
def _hints(record: Any) -> dict[str, Any]:
    """Types of a record's fields."""
    hints = get_type_hints(record)
    return {column.name: hints[column.name] for column in fields(record)}


def _record_in(hint: Any) -> Any:
    """The record that a field holds, alone or in a tuple; None where it holds none."""
    if is_dataclass(hint):
        return hint
    found = [part for part in get_args(hint) if part not in (NoneType, ...) and is_dataclass(part)]
    return found[0] if found and get_origin(hint) is tuple else None
