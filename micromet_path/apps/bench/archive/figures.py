"""A figure of the benchmark of archives, and how figures are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from micromet_path.apps.bench.tables import aligned, markdown_table

__all__ = ["Figure", "markdown", "plain", "to_json"]

_HEADER = ("figure", "found", "asked", "met", "note")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what was found, what is asked, whether it is met (None where nothing is asked), and what else."""

    name: str
    found: str
    asked: str = ""
    is_met: bool | None = None
    note: str = ""


def plain(figures: Sequence[Figure]) -> str:
    """Text for a terminal."""
    return aligned([_HEADER, *map(_cells, figures)])


def markdown(figures: Sequence[Figure]) -> str:
    """The same as Markdown."""
    return markdown_table(_HEADER, map(_cells, figures))


def to_json(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [asdict(figure) for figure in figures]


def _cells(figure: Figure) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[figure.is_met]
    return figure.name, figure.found, figure.asked, met, figure.note
