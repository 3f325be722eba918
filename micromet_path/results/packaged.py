"""Files that come with the package: JSON Schemas."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["packaged_schema"]


def packaged_schema(name: str) -> dict[str, Any]:
    """Load a JSON Schema that lies beside the writers.

    Examples
    --------
    >>> packaged_schema("result.schema.json")["title"]
    'micromet-result/1'
    """
    text = files("micromet_path.results").joinpath(name).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
