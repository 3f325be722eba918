"""Review records beside results: ``review.json``."""

from __future__ import annotations

import json
from pathlib import Path

from micromet_path.clinical.review import Review, parse_review
from micromet_path.errors import ResultError

__all__ = ["REVIEW_FILE", "read_review"]

REVIEW_FILE = "review.json"


def read_review(folder: Path) -> Review | None:
    """The review that a result folder carries, None where there is none.

    Raises
    ------
    ResultError
        If the file cannot be read.
    ConfigError
        If it says something that is not allowed.
    """
    path = folder / REVIEW_FILE
    source = f"{folder.name}/{REVIEW_FILE}"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{source} is not a readable review record ({type(error).__name__}); restore it") from error
    return parse_review(content, source)
