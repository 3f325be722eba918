"""A staged case as a FHIR R4B ``Bundle`` of ``Observation`` resources, every one of them ``preliminary``.

The category of the nodes and the anatomic stage group name the profiles of mCODE STU4 (HL7, 2025). What a
receiver has to know:

- Only SNOMED CT, LOINC and UCUM codes that are certain are written, without displays, as their wording belongs
  to their owners. A value without such a code is text: ypN, T, M, the stage groups, extranodal extension. A strict
  check against the value sets of mCODE reports the two that stand under one of its profiles: ypN and the group.
- The text of a category is pN in full: it carries (sn) and (f), which no code of its own holds, pN1a(sn) excepted.
- While something is missing, what it can only raise is marked: pN and the stage groups that rest on it are "at least"
  in words and have no code, numbers of nodes and the largest deposit have the comparator ``>=``. Numbers that can fall
  as well, as a node turns out worse, have a note.
- The patient is an identifier alone (a logical reference), and so is no resource: nothing personal is written,
  and mCODE's demands on a patient (name, gender) are met where the patient is known. The tumour is a display.
- A number of sentinel nodes has the comparator, too, where it is not stated of each node whether it is one.
- Absent values are left out; pN and the stage groups say instead why they are absent.
- Ids follow from the case id and the kind of resource, so that a case staged again keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.nodes import NodeCounts
from micromet_path.clinical.synoptic import printed_group
from micromet_path.errors import ConfigError

__all__ = ["case_bundle"]

_Json = dict[str, Any]

_NAMESPACE = UUID("0d4c5a52-6f0e-5d0b-8a53-3c1f6e0a9b71")
_CASE_IDS = f"urn:uuid:{uuid5(_NAMESPACE, 'case id')}"
_SNOMED, _LOINC, _UCUM = "http://snomed.info/sct", "http://loinc.org", "http://unitsofmeasure.org"
_MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition"
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")

_PN_CODES = {
    "pNX": "1229945006",
    "pN0": "1229947003",
    "pN0(i+)": "1229949000",
    "pN0(mol+)": "1229950000",
    "pN1mi": "1229952008",
    "pN1a(sn)": "1229953003",
    "pN1a": "1229954009",
    "pN1b": "1229955005",
    "pN1c": "1229956006",
    "pN2a": "1229959004",
    "pN2b": "1229960009",
    "pN3a": "1229963006",
    "pN3b": "1229964000",
    "pN3c": "1229965004",
}
"""AJCC values of pN in SNOMED CT, by category and suffix; none is known for ypN."""

_SO_FAR = "So far: the case is incomplete, and what is missing can raise or lower this number."


@dataclass(frozen=True, slots=True)
class _Counted:
    """A number of nodes: the kind of its resource, its LOINC code, our words, where it is, and whether it can fall."""

    kind: str
    code: str
    text: str
    of: Callable[[NodeCounts], int | None]
    can_fall: bool = False
    is_of_sentinel: bool = False


_COUNTED = (
    _Counted("nodes-with-macrometastases", "85343-2", "Nodes with macrometastases", lambda c: c.with_macro),
    _Counted("nodes-with-micrometastases", "85344-0", "Nodes with micrometastases", lambda c: c.with_micro, True),
    _Counted("nodes-with-itc", "85352-3", "Nodes with isolated tumour cells only", lambda c: c.with_itc, True),
    _Counted(
        "sentinel-nodes-examined",
        "85347-3",
        "Sentinel nodes examined",
        lambda c: c.sentinel_examined,
        is_of_sentinel=True,
    ),
    _Counted(
        "sentinel-nodes-positive",
        "92832-5",
        "Sentinel nodes with metastasis",
        lambda c: c.sentinel_positive,
        is_of_sentinel=True,
    ),
    _Counted("nodes-examined", "92833-3", "Nodes examined", lambda c: c.examined),
    _Counted("nodes-positive", "92831-7", "Nodes with metastasis", lambda c: c.with_macro + c.with_micro),
)


def case_bundle(stage: CaseStage, issued: str | None = None) -> _Json:
    """The case as a FHIR R4B bundle of type ``collection``, ready for ``json.dumps``.

    Parameters
    ----------
    stage : CaseStage
    issued : str, optional
        When this is made available, with seconds and offset: ``"2025-01-31T12:00:00Z"``. No time is written
        without it, so that the same case gives the same bytes.

    Returns
    -------
    dict
        Of dicts, lists, texts and numbers.

    Raises
    ------
    ConfigError
        If `issued` is no such time.

    Examples
    --------
    >>> from micromet_path.clinical.case import parse_case
    >>> from micromet_path.clinical.casework import stage_case
    >>> nodes = [{"node_id": "1", "sentinel": True, "size_mm": 2.5}]
    >>> case = parse_case({"case_id": "A", "procedure": {"sentinel": True}, "nodes": nodes})
    >>> first = case_bundle(stage_case(case))["entry"][0]["resource"]
    >>> first["status"], first["valueCodeableConcept"]["text"], first["valueCodeableConcept"]["coding"][0]["code"]
    ('preliminary', 'pN1a(sn)', '1229953003')
    """
    times = {} if issued is None else {"issued": _instant(issued)}
    resources = [{**resource, **times} for resource in _resources(stage)]
    return {
        "resourceType": "Bundle",
        "id": _id(stage, "bundle"),
        "type": "collection",
        **({} if issued is None else {"timestamp": issued}),
        "entry": [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources],
    }


def _resources(stage: CaseStage) -> Iterator[_Json]:
    """All of them, what matters most first."""
    if stage.case.rules == "camelyon17":  # coarser categories of the same names: never the codes of the AJCC
        yield _camelyon17(stage)
    else:
        yield _regional_nodes(stage)
        yield from _tumour_and_metastases(stage)
        yield from _stage_groups(stage)
    yield from _counts(stage)
    yield from _beside_pn(stage)


def _regional_nodes(stage: CaseStage) -> _Json:
    """The category of the regional nodes: coded where a code is certain, never when it is not assigned."""
    if stage.pn_category is None:
        value = _absent(stage.pn)
    elif stage.is_minimum:  # a code would say that it is exactly this
        value = _concept(stage.pn)
    else:
        suffix = "".join(f"({suffix})" for suffix in stage.suffixes)
        code = _PN_CODES.get(stage.pn_category + suffix, _PN_CODES.get(stage.pn_category))
        value = _concept(stage.pn, code)
    return _observation(
        stage,
        "regional-nodes",
        _coded("pN category", _SNOMED, "371494008"),
        value,
        profile="mcode-tnm-regional-nodes-category",
        staging=_ajcc(),
        notes=(*_reasons(stage, "pN"), *stage.warnings),
    )


def _camelyon17(stage: CaseStage) -> _Json:
    """The category by the rules of the challenge, as text."""
    return _observation(
        stage,
        "regional-nodes",
        {"text": "Category of the regional nodes by the rules of the CAMELYON17 challenge"},
        _absent(stage.pn) if stage.pn_category is None else _concept(stage.pn),
        staging={"text": "CAMELYON17 challenge"},
        notes=(*_reasons(stage, "pN"), *stage.warnings),
    )


def _tumour_and_metastases(stage: CaseStage) -> Iterator[_Json]:
    """T, where it is known, and M; both as text."""
    if stage.t is not None:
        value, notes = _concept(f"{stage.prefix}{stage.t}"), _reasons(stage, "T")
        yield _observation(stage, "primary-tumour", {"text": "pT category"}, value, staging=_ajcc(), notes=notes)
    value, notes = _concept(stage.m), _reasons(stage, "M")
    yield _observation(stage, "distant-metastases", {"text": "M category"}, value, staging=_ajcc(), notes=notes)


def _stage_groups(stage: CaseStage) -> Iterator[_Json]:
    """The anatomic group under its profile, then the prognostic ones."""
    tnm = ("primary-tumour",) if stage.t is not None else ()
    pathological = (*tnm, "regional-nodes", "distant-metastases")
    after = ", after neoadjuvant treatment" if stage.prefix == "yp" else ""
    yield _observation(
        stage,
        "anatomic-stage",
        _coded(f"Anatomic stage group, 8th edition{after}", _SNOMED, "399588009"),
        _group(stage, "anatomic stage", printed_group(stage, "anatomic_stage")),
        profile="mcode-tnm-stage-group",
        staging=_ajcc(),
        members=pathological,
        notes=_reasons(stage, "anatomic stage"),
    )
    for kind, group, members in (
        (
            "clinical prognostic stage",
            printed_group(stage, "clinical_prognostic_stage"),
            (),
        ),  # from cT, cN and cM, not from pT and pN
        ("pathological prognostic stage", printed_group(stage, "pathological_prognostic_stage"), pathological),
    ):
        yield _observation(
            stage,
            kind.replace(" ", "-"),
            {"text": f"{kind.capitalize()} group, 8th edition"},
            _group(stage, kind, group),
            staging=_ajcc(),
            members=members,
            notes=_reasons(stage, kind),
        )


def _group(stage: CaseStage, about: str, group: str | None) -> _Json:
    """A stage group as text, or why there is none."""
    if group is not None:
        return _concept(group)
    return _absent("; ".join(reason.text for reason in stage.grounds if reason.about == about))


def _counts(stage: CaseStage) -> Iterator[_Json]:
    """Numbers of nodes, and the largest deposit where one was measured."""
    is_open = stage.status == "incomplete"
    for counted in _COUNTED:
        number = counted.of(stage.counts)
        if number is None:
            continue
        is_partly_stated = counted.is_of_sentinel and stage.counts.sentinel_not_stated > 0
        is_minimum = (is_open and not counted.can_fall) or is_partly_stated
        value = _quantity(number, "nodes", "1", is_minimum=is_minimum)
        notes = (_SO_FAR,) if is_open and counted.can_fall else ()
        yield _observation(stage, counted.kind, _coded(counted.text, _LOINC, counted.code), value, notes=notes)
    largest_mm = stage.counts.largest_mm
    if largest_mm is not None:
        code = _coded("Largest deposit", _LOINC, "85351-5")
        is_minimum = is_open or any(one.is_minimum or one.category == "positive" for one in stage.nodes)
        yield _observation(stage, "largest-deposit", code, _quantity(largest_mm, "mm", "mm", is_minimum=is_minimum))


def _beside_pn(stage: CaseStage) -> Iterator[_Json]:
    """What is stated and does not change pN: extranodal extension, and OSNA, which no code is listed for."""
    extension = stage.case.procedure.extranodal_extension
    if extension is not None:
        code = _coded("Extranodal extension", _LOINC, "85350-7")
        in_words = extension if isinstance(extension, str) else _extent(extension)
        yield _observation(stage, "extranodal-extension", code, _concept(in_words))
    if stage.osna is not None:
        yield _observation(
            stage,
            "osna-total-tumour-load",
            {"text": "Total tumour load by OSNA (CK19 mRNA), beside pN"},
            _quantity(stage.osna.total_copies_per_ul, "copies/uL", "{copies}/uL"),
            notes=[f"node {node}: {word}" for node, word in stage.osna.by_node],
        )


def _extent(extension_mm: float) -> str:
    return f"{'present' if extension_mm > 0 else 'absent'}, {extension_mm:g} mm"


def _observation(
    stage: CaseStage,
    kind: str,
    code: _Json,
    value: _Json,
    *,
    profile: str | None = None,
    staging: _Json | None = None,
    members: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> _Json:
    """One resource; `staging` is the method of what is said of the tumour, `members` are kinds of resources."""
    caution = (
        f"Research use only. Suggested by micromet_path, not a diagnosis; a pathologist decides. "
        f"Case: {stage.status}. Rules: {stage.rules_version}."
    )
    parts: _Json = {
        "resourceType": "Observation",
        "id": _id(stage, kind),
        "meta": {"profile": [f"{_MCODE}/{profile}"]} if profile is not None else None,
        "status": "preliminary",
        "code": code,
        "subject": {
            "type": "Patient",
            "identifier": {"type": {"text": "case id"}, "system": _CASE_IDS, "value": stage.case_id},
        },
        "focus": [{"type": "Condition", "display": "Primary breast cancer of this case"}] if staging else None,
        **value,
        "method": staging,
        "hasMember": [{"reference": f"urn:uuid:{_id(stage, member)}", "type": "Observation"} for member in members],
        "note": [{"text": text} for text in (caution, *notes)],
    }
    return {name: part for name, part in parts.items() if part}


def _ajcc() -> _Json:
    """The staging method."""
    return _coded("AJCC Cancer Staging Manual, 8th edition", _SNOMED, "897275008")


def _reasons(stage: CaseStage, about: str) -> list[str]:
    return [str(reason) for reason in stage.grounds if reason.about == about]


def _coded(text: str, system: str, code: str) -> _Json:
    return {"coding": [{"system": system, "code": code}], "text": text}


def _concept(text: str, snomed: str | None = None) -> _Json:
    """A value in words, and in SNOMED CT where a code is given."""
    return {"valueCodeableConcept": {"text": text} if snomed is None else _coded(text, _SNOMED, snomed)}


def _absent(why: str) -> _Json:
    return {"dataAbsentReason": {"text": why}}


def _quantity(value: float, unit: str, ucum: str, *, is_minimum: bool = False) -> _Json:
    comparator = {"comparator": ">="} if is_minimum else {}
    return {"valueQuantity": {"value": value, **comparator, "unit": unit, "system": _UCUM, "code": ucum}}


def _id(stage: CaseStage, kind: str) -> str:
    """The same for the same case and kind, whatever the case is staged as."""
    return str(uuid5(_NAMESPACE, f"{kind}/{stage.case_id}"))


def _instant(text: str) -> str:
    """The text, when it is a FHIR instant."""
    if _INSTANT.fullmatch(text):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return text
    raise ConfigError(f"issued must be a time with seconds and offset, such as 2025-01-31T12:00:00Z; found {text!r}")
