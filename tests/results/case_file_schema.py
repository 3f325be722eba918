"""The JSON Schema of case files, made from the records that read them.

``python -m tests.results.case_file_schema`` writes it anew after the records have changed; a test holds the
shipped file equal to it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import micromet_path.results
from micromet_path.clinical import case

SHIPPED = Path(micromet_path.results.__file__).with_name("case_file.schema.json")


def make() -> dict[str, Any]:
    made = TypeAdapter(case.Case).json_schema()
    records = {name: record_schema(getattr(case, name), record) for name, record in made.pop("$defs").items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **record_schema(case.Case, made),
        "title": "micromet case file",
        "$defs": records,
    }


def record_schema(record: type, made: dict[str, Any]) -> dict[str, Any]:
    meanings = described(record)
    return {
        "type": "object",
        "description": (record.__doc__ or "").splitlines()[0],
        "properties": {
            name: {**field_schema(name, schema), **({"description": meanings[name]} if name in meanings else {})}
            for name, schema in made["properties"].items()
        },
        "required": made.get("required", []),
        "additionalProperties": False,
    }


def field_schema(name: str, made: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing, and with ``"unknown"`` for each fact that may be left out."""
    schema = {key: value for key, value in made.items() if key not in ("title", "default")}
    if made.get("default") not in (None, [], "unknown") and not isinstance(made["default"], dict):
        schema["default"] = made["default"]
    forms = [plain(form) for form in schema.pop("anyOf", [])]
    if not forms:
        return plain(schema)
    if not any(form == {"type": "string"} for form in forms):
        forms.append({"const": "unknown"})
    return {"anyOf": forms, **schema}


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """An enumeration needs no type; what else there is stays."""
    return {key: value for key, value in schema.items() if not (key == "type" and "enum" in schema)}


def described(record: type) -> dict[str, str]:
    """Meaning of each field, from the parameters of the docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (record.__doc__ or "").partition("----------\n")[2].splitlines():
        if head := re.match(r" {4}(\w+(?:, \w+)*) : ", line):
            names = head[1].split(", ")
        elif line.strip():
            for name in names:
                found[name] = f"{found[name]} {line.strip()}" if name in found else line.strip()
    return found


if __name__ == "__main__":
    SHIPPED.write_text(json.dumps(make(), indent=2) + "\n", encoding="utf-8", newline="\n")
