"""A staged case as the plain data that ``micromet stage --json`` prints, schema ``micromet-case/1``.

Absent values are null, never 0 or NaN. Results are named, not located: no folder of the machine is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import cache
from operator import attrgetter
from typing import Any

from micromet_path import __version__
from micromet_path.clinical.case import Case, SlideReference
from micromet_path.clinical.case_stage import CaseStage, OsnaLoad
from micromet_path.clinical.context import StudyMatch
from micromet_path.clinical.nodes import FocusEvidence, NodeFinding, SectionFinding
from micromet_path.results.encode import plain
from micromet_path.results.packaged import packaged_schema

__all__ = ["CASE_SCHEMA", "RESEARCH_USE_ONLY", "case_schema", "encode_case"]

CASE_SCHEMA = "micromet-case/1"
"""What the JSON of a case calls itself; keys may be added within /1."""

RESEARCH_USE_ONLY = "For research use only. A suggestion, not a diagnosis: a pathologist decides."


def encode_case(stage: CaseStage, context: Sequence[StudyMatch] = ()) -> dict[str, Any]:
    """Turn a staged case into plain data.

    Parameters
    ----------
    stage : CaseStage
    context : sequence of StudyMatch
        Studies to tell beside it; without them there is no key ``context``.

    Returns
    -------
    dict
        Strings, finite numbers, booleans, None, lists and dicts, as `case_schema` says.

    Examples
    --------
    >>> from micromet_path.clinical.case import parse_case
    >>> from micromet_path.clinical.casework import stage_case
    >>> case = parse_case({"case_id": "A", "nodes": [{"node_id": "1", "size_mm": 0.9}]})
    >>> encoded = encode_case(stage_case(case))
    >>> encoded["pn"], encoded["nodes"][0]["category"], encoded["t"]
    ('pN1mi', 'micrometastasis', None)
    """
    content = {
        "schema": CASE_SCHEMA,
        "case_id": stage.case.case_id,
        "rules": stage.case.rules,
        "rules_version": stage.rules_version,
        "program_version": __version__,
        "status": stage.status,
        "pn": stage.pn,
        "pn_category": stage.pn_category,
        "suffixes": list(stage.suffixes),
        "is_minimum": stage.is_minimum,
        "t": stage.t,
        "m": stage.m,
        "anatomic_stage": stage.anatomic_stage,
        "clinical_prognostic_stage": stage.clinical_prognostic_stage,
        "pathological_prognostic_stage": stage.pathological_prognostic_stage,
        "reasons": [_record(reason) for reason in stage.grounds],
        "warnings": [_record(caution) for caution in stage.cautions],
        "changes": [_record(change) for change in stage.changes],
        "counts": _record(stage.counts),
        "osna": _osna(stage.osna),
        "nodes": [_node(node) for node in stage.nodes],
        "facts": _facts(stage.case),
    }
    if context:
        content["context"] = [plain(asdict(match)) for match in context]
    content["research_use_only"] = RESEARCH_USE_ONLY
    return content


def case_schema() -> dict[str, Any]:
    """Load the JSON Schema of what `encode_case` gives.

    Examples
    --------
    >>> case_schema()["title"]
    'micromet-case/1'
    """
    return packaged_schema("case.schema.json")


@cache
def _columns(kind: Any) -> tuple[tuple[str, ...], attrgetter[Any]]:
    """Names of a record's fields, and what reads them all at once."""
    names = tuple(column.name for column in fields(kind))
    return names, attrgetter(*names)


def _record(record: Any) -> dict[str, Any]:
    """A flat record by its own names: in a stream of cases `asdict`, which copies deeply, costs a fifth of the time."""
    kind: Any = type(record)
    names, values = _columns(kind)
    return dict(zip(names, values(record), strict=True))


def _osna(load: OsnaLoad | None) -> dict[str, Any] | None:
    if load is None:
        return None
    by_node = [{"node_id": node_id, "class": of_node} for node_id, of_node in load.by_node]
    return {"total_copies_per_ul": load.total_copies_per_ul, "by_node": by_node}


def _node(found: NodeFinding) -> dict[str, Any]:
    """A node and what its category rests on."""
    return {
        "node_id": found.node.node_id,
        "station": found.node.station,
        "sentinel": found.node.sentinel,
        "category": found.category,
        "size_mm": found.size_mm,
        "size_interval_mm": None if found.size_interval_mm is None else list(found.size_interval_mm),
        "cells": None if found.cells is None else _record(found.cells),
        "by_gap": [{"gap_um": gap, "category": category} for gap, category in found.by_gap.items()],
        "if_all_counted": found.if_all_counted,
        "is_confirmed": found.is_confirmed,
        "is_minimum": found.is_minimum,
        "problems": list(found.problems),
        "evidence": [_evidence(section) for section in found.sections],
        "deciding": None if found.deciding is None else found.deciding.result,
    }


def _evidence(section: SectionFinding) -> dict[str, Any]:
    """What one slide says of the node."""
    return {
        "result": section.result,
        "fingerprint": section.fingerprint,
        "slide_name": section.slide_name,
        "pieces": list(section.pieces),
        "section": section.section,
        "block": section.block,
        "clone": section.clone,
        "category": section.finding.category.value,
        "max_diameter_um": plain(section.finding.max_diameter_um),
        "problem": section.problem,
        "is_confirmed": section.is_confirmed,
        "focus": None if section.focus is None else _focus(section.focus),
    }


def _focus(focus: FocusEvidence) -> dict[str, Any]:
    """Where the focus that decides lies, and how it was measured."""
    return {
        "cluster_id": focus.cluster_id,
        "max_diameter_um": focus.max_diameter_um,
        "axis_px0": [list(point) for point in focus.axis_px0],
        "bbox_px0": list(focus.bbox_px0),
        "flags": list(focus.flags),
        "decision": focus.decision,
        "location": focus.location,
    }


def _facts(case: Case) -> dict[str, Any]:
    """What the case file states, field by field; what it leaves out is null, or ``"unknown"``."""
    return {
        "case_id": case.case_id,
        "rules": case.rules,
        "expected_slides": case.expected_slides,
        "primary": _record(case.primary),
        "procedure": _record(case.procedure),
        "nodes": [{**_record(node), "slides": [_slide(slide) for slide in node.slides]} for node in case.nodes],
    }


def _slide(slide: SlideReference) -> dict[str, Any]:
    """A slide as it is named, without the folders above it."""
    pieces = list(slide.pieces) if isinstance(slide.pieces, tuple) else slide.pieces
    return {**_record(slide), "result": _name_of(slide.result), "pieces": pieces}


def _name_of(result: str) -> str:
    """The last part of a path, whichever system wrote it."""
    return next((part for part in reversed(re.split(r"[/\\]", result)) if part not in ("", ".", "..")), result)
