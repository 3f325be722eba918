"""The case as a synoptic text, in the order of the CAP protocol's elements for regional lymph nodes."""

from __future__ import annotations

from typing import Protocol

from micromet_path.clinical.case import Case
from micromet_path.clinical.nodes import NodeCounts, NodeFinding

__all__ = ["Staged", "synoptic"]


class Staged(Protocol):
    """What the text is made from: the parts of a staged case."""

    @property
    def case(self) -> Case: ...
    @property
    def status(self) -> str: ...
    @property
    def pn(self) -> str: ...
    @property
    def t(self) -> str | None: ...
    @property
    def m(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def anatomic_stage(self) -> str | None: ...
    @property
    def clinical_prognostic_stage(self) -> str | None: ...
    @property
    def pathological_prognostic_stage(self) -> str | None: ...
    @property
    def nodes(self) -> tuple[NodeFinding, ...]: ...
    @property
    def counts(self) -> NodeCounts: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


def synoptic(stage: Staged) -> str:
    """A text to paste into a laboratory system."""
    return stage.pn
