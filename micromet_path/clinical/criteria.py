"""What a study can ask of a case: questions as data, so that a table of studies can be read and audited.

`context` answers them with met, not met or unknown. None of them asks for a category of the nodes as it is
printed: they ask how many nodes hold what, and which words and numbers are stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

__all__ = [
    "AllOf",
    "Among",
    "AnyOf",
    "Criterion",
    "Group",
    "Level",
    "Nodes",
    "NotInFile",
    "Number",
    "NumberFact",
    "Question",
    "Word",
    "WordFact",
]

Among: TypeAlias = Literal["regional", "axillary sentinel", "any sentinel", "levels I-II", "levels I-III", "beyond II"]
Level: TypeAlias = Literal["examined", "itc", "micrometastasis", "macrometastasis"]
WordFact: TypeAlias = Literal[
    "clinical T",
    "clinical N",
    "pathological T",
    "M",
    "surgery of the breast",
    "resection of the primary",
    "removal of the nodes",
    "whole-breast radiotherapy",
    "neoadjuvant treatment",
    "extranodal extension",
    "grade",
    "hormone receptors (ER, PR)",
    "HER2",
]
NumberFact: TypeAlias = Literal["age", "size of the primary", "Ki-67", "Oncotype DX score"]


@dataclass(frozen=True, slots=True)
class Nodes:
    """Whether `low` to `high` nodes of a kind hold at least a finding.

    Parameters
    ----------
    among : Among
        Which nodes; contralateral ones are in none.
    finding : Level
        The least that a node must hold; ``"examined"`` asks for no tumour.
    low, high : float
        Both included.
    on_he : bool
        Whether only what haematoxylin and eosin showed counts.
    """

    among: Among
    finding: Level
    low: float = 0
    high: float = inf
    on_he: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """Whether a stated fact is one of `met`; a value of `leaves_open` decides nothing and names what would."""

    fact: WordFact
    met: tuple[str, ...]
    leaves_open: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """Whether a stated number lies within `low` to `high`, both included."""

    fact: NumberFact
    low: float = 0
    high: float = inf


@dataclass(frozen=True, slots=True)
class Group:
    """Whether the anatomic stage group, by T and the counts of nodes, is one of these."""

    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotInFile:
    """A fact for which a case file has no place, so that it is never known."""

    fact: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Met where one of its parts is."""

    parts: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Met where all of its parts are."""

    parts: tuple[Question, ...]


Question: TypeAlias = Nodes | Word | Number | Group | NotInFile | AnyOf | AllOf


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a study asked of its participants, in words and as a question about a case."""

    text: str
    asks: Question
