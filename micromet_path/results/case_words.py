"""Words that every output of a staged case has in common."""

from __future__ import annotations

from typing import Literal

from micromet_path.clinical.case_stage import CaseStage

__all__ = ["GroupName", "printed_group"]

GroupName = Literal["anatomic_stage", "clinical_prognostic_stage", "pathological_prognostic_stage"]


def printed_group(stage: CaseStage, name: GroupName) -> str | None:
    """A stage group as it is printed: ``"at least IB"`` where it rests on a pN that is a minimum.

    The clinical prognostic stage rests on cT, cN and cM; IV is the highest group there is.

    Examples
    --------
    >>> from micromet_path.clinical.case import parse_case
    >>> from micromet_path.clinical.casework import stage_case
    >>> nodes = [{"node_id": "1", "size_mm": 0.9}, {"node_id": "2"}]
    >>> case = parse_case({"case_id": "A", "primary": {"pt": "pT1c"}, "nodes": nodes})
    >>> printed_group(stage_case(case), "anatomic_stage")
    'at least IB'
    """
    group: str | None = getattr(stage, name)
    if group in (None, "IV") or name == "clinical_prognostic_stage" or not stage.is_minimum:
        return group
    return f"at least {group}"
