"""The answer for a case: pN, T, M and stage groups, each with its reasons, and what could change them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from micromet_path.clinical.case import Case
from micromet_path.clinical.nodes import NodeCounts, NodeFinding
from micromet_path.clinical.reasons import Caution, Reason
from micromet_path.clinical.synoptic import synoptic

__all__ = ["CaseStage", "Change", "OsnaLoad"]

Status = Literal["incomplete", "suggested", "confirmed"]


@dataclass(frozen=True, slots=True)
class Change:
    """What pN would be under another condition."""

    pn: str
    condition: str


@dataclass(frozen=True, slots=True)
class OsnaLoad:
    """OSNA, kept beside pN: copies of CK19 mRNA per microlitre.

    Parameters
    ----------
    total_copies_per_ul : float
        Total tumour load, the one quantity that is summed over nodes.
    by_node : tuple of (str, str)
        Node and its class: ``"negative"``, ``"+"``, ``"++"``.
    """

    total_copies_per_ul: float
    by_node: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CaseStage:
    """What a case is staged as. A suggestion: a pathologist decides.

    Parameters
    ----------
    case : Case
    status : {"incomplete", "suggested", "confirmed"}
    pn : str
        As it is printed: ``"pN1mi(sn)"``, ``"at least pN1a"``, ``"pN not assigned yet: 5 of 6 slides"``.
    pn_category : str or None
        Without suffixes: ``"pN1mi"``; None while it is not assigned.
    suffixes : tuple of str
    t : str or None
        Pathological T without its prefix, ``"T1c"``; None where not known.
    m : str
    anatomic_stage, clinical_prognostic_stage, pathological_prognostic_stage : str or None
        ``"IB"``; None where no group is defined or a fact is missing, which `reasons` say.
    nodes : tuple of NodeFinding
    counts : NodeCounts
    changes : tuple of Change
        What would change pN.
    osna : OsnaLoad or None
    grounds : tuple of Reason
        In the order in which they are needed; `reasons` has them as text.
    cautions : tuple of Caution
        `warnings` has them as text.
    rules_version : str
        Versions of the rules and tables used.
    """

    case: Case
    status: Status
    pn: str
    pn_category: str | None
    suffixes: tuple[str, ...]
    t: str | None
    m: str
    anatomic_stage: str | None
    clinical_prognostic_stage: str | None
    pathological_prognostic_stage: str | None
    nodes: tuple[NodeFinding, ...]
    counts: NodeCounts
    changes: tuple[Change, ...]
    osna: OsnaLoad | None
    grounds: tuple[Reason, ...]
    cautions: tuple[Caution, ...]
    rules_version: str

    @property
    def case_id(self) -> str:
        """As the case file names it."""
        return self.case.case_id

    @property
    def prefix(self) -> str:
        """``"yp"`` after neoadjuvant treatment, else ``"p"``."""
        return "yp" if self.case.procedure.neoadjuvant else "p"

    @property
    def is_minimum(self) -> bool:
        """Whether pN, and the groups that rest on it, are the least that there can be."""
        return self.pn.startswith("at least ")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why: facts, rule and source, in order."""
        return tuple(str(reason) for reason in self.grounds)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks for caution, and what would change pN."""
        changes = (f"{self.pn} -> {change.pn} if {change.condition} (would_change)" for change in self.changes)
        return (*(str(caution) for caution in self.cautions), *changes)

    def synoptic(self) -> str:
        """A text in the order of a synoptic report, to paste."""
        return synoptic(self)
