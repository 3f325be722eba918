"""Why something is as it is: what a conclusion rests on, and what speaks for caution."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Caution", "Reason"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A step on the way to a conclusion.

    Parameters
    ----------
    about : str
        What is concluded on: ``"pN"``, ``"node 2"``, ``"T"``, ``"anatomic stage"`` ...
    text : str
        The facts and what follows from them.
    rule : str
        Name of the rule, stable within a version of the rules.
    source : str
        Where the rule is published.
    """

    about: str
    text: str
    rule: str
    source: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text} [{self.rule}; {self.source}]"


@dataclass(frozen=True, slots=True)
class Caution:
    """Something a reader must know before he relies on a conclusion; `code` is stable."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.text} ({self.code})"
