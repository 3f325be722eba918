"""Tables of a file become frozen records, and what does not fit is refused by name.

One way for every file that a person writes: configuration and case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from micromet_path.errors import ConfigError

__all__ = ["parse_record"]

_Record = TypeVar("_Record")


def parse_record(record: type[_Record], content: Any, source: str) -> _Record:
    """Build a frozen record, and the records in it, from nested tables.

    Parameters
    ----------
    record : type
        A dataclass whose fields are scalars, literals, enumerations, records or tuples of these.
    content : mapping
        As a TOML or JSON file gives it.
    source : str
        What the content is from, for messages.

    Raises
    ------
    ConfigError
        For an unknown key (naming the nearest known one), a wrong type or a value that is not allowed.
    """
    _refuse_unknown_keys(record, content, source)
    from pydantic import ValidationError  # slow to import: only where a file is read

    try:
        # Through JSON, whose strict reading takes a list for a tuple and a text for an enumeration,
        # and neither a text nor a truth value for a number.
        made: _Record = _adapter(record).validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = _where(first["loc"])
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):  # the records name the key and what they expected themselves
            place = f"{where}: " if where and "[" in where else ""
            raise ConfigError(f"{source}: {place}{cause}") from error
        if first["type"] == "missing":
            raise ConfigError(f"{source}: {where} is missing") from error
        # Where several forms are allowed there is an error for each of them.
        allowed = dict.fromkeys(str(other["msg"]) for other in error.errors() if _where(other["loc"]).startswith(where))
        raise ConfigError(f"{source}: {where}: {', or '.join(allowed)}; found {_short(first['input'])}") from error
    return made


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


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse_unknown_keys(record: Any, content: Any, source: str, prefix: str = "") -> None:
    """Raise for the first key that a record does not have."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{source}: {prefix.rstrip('.') or 'the file'} must be a table, found {_short(content)}")
    known = _hints(record)
    for key, value in content.items():
        if key not in known:
            near = get_close_matches(str(key), list(known), n=1, cutoff=0.4)
            advice = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise ConfigError(f"{source}: unknown key {prefix}{_short(key)[1:-1]}; {advice}")
        inner = _record_in(known[key])
        if inner is None:
            continue
        if get_origin(known[key]) is not tuple:
            _refuse_unknown_keys(inner, value, source, f"{prefix}{key}.")
        elif isinstance(value, list):
            for number, entry in enumerate(value, start=1):
                _refuse_unknown_keys(inner, entry, source, f"{prefix}{key}[{number}].")


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
