"""The page of a staged case: pN and stages, what speaks for caution, the nodes with their evidence, the reasons.

Like a slide's report it loads nothing and runs nothing: pictures are data URIs, and a content policy
forbids the rest. The same case gives the same page to the byte; it names no folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from micromet_path.clinical.case import Case
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.nodes import NodeFinding, SectionFinding
from micromet_path.clinical.reasons import Reason
from micromet_path.clinical.synoptic import GroupName, printed_group
from micromet_path.clinical.wording import readable
from micromet_path.model import Category
from micromet_path.results.draw import CROP_PX, HEADER_PX, LEGEND_PX
from micromet_path.results.page import cells_text, css, data_uri, fill_template
from micromet_path.results.palette import COLOURS, NAMES, interval_mm, length_mm

if TYPE_CHECKING:
    from PIL import Image

    from micromet_path.clinical.context import StudyMatch

__all__ = ["render_case"]

_SMALL_PX = 320

_STAGES: tuple[tuple[str, GroupName], ...] = (
    ("Anatomic stage", "anatomic_stage"),
    ("Clinical prognostic stage", "clinical_prognostic_stage"),
    ("Pathological prognostic stage", "pathological_prognostic_stage"),
)
_PRIMARY = {
    "histology": ("Histology", ""),
    "size_mm": ("Invasive size", " mm"),
    "pt": ("pT", ""),
    "ct": ("cT", ""),
    "cn": ("cN", ""),
    "cm": ("cM", ""),
    "m": ("M", ""),
    "grade": ("Grade", ""),
    "er": ("ER", ""),
    "pr": ("PR", ""),
    "her2": ("HER2", ""),
    "ki67_percent": ("Ki-67", " %"),
    "oncotype_score": ("Oncotype DX score", ""),
    "surgery": ("Surgery", ""),
    "whole_breast_radiotherapy": ("Whole-breast radiotherapy", ""),
    "age": ("Age", " years"),
}
_PROCEDURE = {
    "sentinel": ("Sentinel procedure", ""),
    "completion_dissection": ("Completion dissection", ""),
    "nodes_removed": ("Nodes removed", ""),
    "neoadjuvant": ("Systemic treatment before surgery", ""),
    "needle_only": ("Nodes sampled by needle only", ""),
    "extranodal_extension": ("Extranodal extension", " mm"),
}


def render_case(stage: CaseStage, context: Sequence[StudyMatch] = ()) -> str:
    """Make the page.

    Parameters
    ----------
    stage : CaseStage
        Pictures are taken from the folders that its sections name; nothing else is read.
    context : sequence of StudyMatch
        What is known of study populations; left out where empty.

    Returns
    -------
    str
        HTML; every text of the case is escaped.

    Examples
    --------
    >>> from micromet_path.clinical.case import parse_case
    >>> from micromet_path.clinical.casework import stage_case
    >>> case = parse_case({"case_id": "A", "nodes": [{"node_id": "1", "size_mm": 0.9}]})
    >>> "<title>Case A: pN1mi, suggested</title>" in render_case(stage_case(case))
    True
    """
    from micromet_path import __version__

    return fill_template(
        "case.html.j2",
        stage=stage,
        largest=None if not stage.counts.largest_mm else length_mm(stage.counts.largest_mm * 1000),
        **_answer(stage),
        staged=list(_staged(stage)),
        unchanged=_unchanged(stage),
        nodes=[_node(finding) for finding in stage.nodes],
        evidence=[_evidence(finding) for finding in stage.nodes if finding.sections],
        stated=list(_stated(stage.case)),
        not_stated=list(_not_stated(stage.case)),
        studies=list(context),
        version=__version__,
    )


def _answer(stage: CaseStage) -> dict[str, Any]:
    """What stands at the top: pN, or what keeps it from being assigned, and the rules by which it follows."""
    worst = max((_category(finding) for finding in stage.nodes), key=_rank, default=Category.NOT_ASSESSABLE)
    category = stage.pn_category
    value, _, hindrance = (stage.pn, "", "") if category is not None else stage.pn.partition(": ")
    return {
        "pn": value,
        "hindrance": hindrance,
        "pn_why": [] if category is None else [_beyond(category, one) for one in stage.grounds if one.about == "pN"],
        "colour": css(COLOURS[worst]),
        "is_camelyon17": stage.case.rules == "camelyon17",
    }


def _staged(stage: CaseStage) -> Iterator[dict[str, str]]:
    """T, M and the stage groups, each with the short why; another rule book than AJCC's has none of them."""
    if stage.case.rules != "ajcc8-breast":
        return
    why = {reason.about: reason for reason in stage.grounds}
    t = None if stage.t is None else stage.prefix + stage.t
    yield {
        "name": "T",
        "value": t or "not stated",
        "why": _beyond(t, why["T"]) if t else "neither pT nor the size of the primary",
    }
    yield {"name": "M", "value": stage.m, "why": _beyond(stage.m, why["M"])}
    for name, field in _STAGES:
        reason = why[name[0].lower() + name[1:]]
        none = "no group" if reason.text.startswith("no group") else "none"
        value = printed_group(stage, field)
        yield {"name": name, "value": value or none, "why": _beyond(getattr(stage, field) or none, reason)}


def _beyond(value: str, reason: Reason) -> str:
    """What a reason says besides the value that stands above it."""
    return reason.text.removeprefix(f"{value}, ").removeprefix(f"{value}: ")


def _unchanged(stage: CaseStage) -> str:
    """What to say where no change of pN is told."""
    if stage.pn_category is None:
        return "pN is not assigned."
    if stage.case.rules != "ajcc8-breast":
        return "Not worked out under these rules."
    if not any(finding.deciding for finding in stage.nodes):
        return "Not worked out: it needs analysed slides; typed findings have neither size intervals nor gaps."
    return (
        "None of these does: foci up to 50 um apart as one, sizes at either end of their intervals, "
        "and everything that was not counted as tumour."
    )


def _category(finding: NodeFinding) -> Category:
    """The category by whose colour a node is shown; a metastasis without a size is shown like a large one."""
    if finding.category is None:
        return Category.NOT_ASSESSABLE
    return Category.MACROMETASTASIS if finding.category == "positive" else Category(finding.category)


def _rank(category: Category) -> int:
    return category.rank


def _name(category: str | None) -> str:
    """A node's category in words."""
    if category is None:
        return "Not known"
    return "Positive, size not stated" if category == "positive" else NAMES[Category(category)]


def _called(finding: NodeFinding) -> str:
    """The same, as the least it is where that can be worse."""
    may_be_worse = finding.is_minimum and finding.category in ("itc", "micrometastasis")
    return f"{_name(finding.category)}{' or more' if may_be_worse else ''}"


def _node(finding: NodeFinding) -> dict[str, Any]:
    """A row of the table of nodes."""
    node, size = finding.node, finding.size_mm
    marks = [
        words
        for words, is_said in (
            ("sentinel", node.sentinel),
            ("clinically detected", node.clinically_detected),
            ("found by IHC alone", node.detected_by == "ihc-only"),
            ("RT-PCR positive", node.rt_pcr_positive),
        )
        if is_said
    ]
    return {
        "id": node.node_id,
        "station": node.station,
        "marks": ", ".join(marks),
        "category": _called(finding),
        "colour": css(COLOURS[_category(finding)]),
        "size": "" if not size else _millimetres(length_mm(size * 1000, finding.is_minimum)),
        "interval": "" if finding.size_interval_mm is None else _interval(finding.size_interval_mm),
        "cells": "" if finding.cells is None else cells_text(finding.cells, is_counted=finding.deciding is None),
        "seen_on": _seen_on(finding),
        "worst": finding.deciding.label if finding.deciding is not None and len(finding.sections) > 1 else "",
        "status": "not known" if finding.category is None else "confirmed" if finding.is_confirmed else "suggested",
    }


def _seen_on(finding: NodeFinding) -> str:
    """What a node's category comes from."""
    node = finding.node
    if node.slides or finding.sections:
        listed, read = max(len(node.slides), len(finding.sections)), _n_read(finding)
        slides = f"{listed} slide{'' if listed == 1 else 's'}"
        return slides if read == listed else f"{read} of {slides} read"
    if node.category is not None:
        return "category as stated"
    return "as typed in" if finding.category is not None else "nothing stated"


def _n_read(finding: NodeFinding) -> int:
    return sum(section.problem is None for section in finding.sections)


def _evidence(finding: NodeFinding) -> dict[str, Any]:
    """What a node that is seen on slides rests on."""
    deciding = finding.deciding
    size = "" if not finding.size_mm else f", {length_mm(finding.size_mm * 1000, finding.is_minimum)}"
    picture = None if deciding is None else _picture(deciding)
    is_only = len(finding.sections) == 1
    is_told = is_only and deciding is not None and (picture is None or picture["is_whole"])
    return {
        "id": finding.node.node_id,
        "category": _name(finding.category),
        "title": _called(finding) + size,
        "colour": css(COLOURS[_category(finding)]),
        "picture": picture,
        "facts": [] if deciding is None else list(_focus_facts(finding, deciding)),
        "gaps": list(_gaps(finding)),
        "if_all_counted": None if finding.if_all_counted is None else _name(finding.if_all_counted),
        "sections": []
        if is_told
        else [_section(section, is_worst=section == deciding and not is_only) for section in finding.sections],
        "problems": finding.problems,
    }


def _focus_facts(finding: NodeFinding, section: SectionFinding) -> Iterator[tuple[str, str]]:
    """Where the deciding focus is, how large, and what was said of it."""
    yield "Slide", section.result
    for name, value in (("Block", section.block), ("Section", section.section), ("Antibody", section.clone)):
        if value is not None:
            yield name, value
    yield "Pieces", ", ".join(map(str, section.pieces)) or "none"
    focus = section.focus
    if focus is None:
        yield "Focus", "none counted" if section.finding.max_diameter_um is None else "not kept"
        return
    yield "Focus", f"cluster {focus.cluster_id}"
    yield "Size", length_mm(focus.max_diameter_um, section.finding.size_is_minimum)
    if finding.size_interval_mm is not None:
        yield "Interval", f"{_interval(finding.size_interval_mm)} mm"
    yield "Flags", ", ".join(map(readable, focus.flags)) or "none"
    yield "Review", {"none": "not reviewed"}.get(focus.decision, focus.decision)
    if focus.location is not None:
        yield "Location", focus.location


def _gaps(finding: NodeFinding) -> Iterator[dict[str, Any]]:
    """Category by gap; neighbouring gaps that give the same one are told together."""
    for category, gaps in groupby(sorted(finding.by_gap), key=lambda gap: finding.by_gap[gap]):
        yield {
            "gaps": ", ".join(f"{gap:g}" for gap in gaps),
            "category": _name(category),
            "differs": category != finding.category,
        }


def _section(section: SectionFinding, is_worst: bool) -> dict[str, Any]:
    """A section in small."""
    finding = section.finding
    size = "" if finding.max_diameter_um is None else f", {length_mm(finding.max_diameter_um, finding.size_is_minimum)}"
    image = None if section.folder is None else _opened(Path(section.folder) / "overview.png")
    return {
        "label": _capital(section.label),
        "pieces": ", ".join(map(str, section.pieces)),
        "said": NAMES[finding.category] + size if section.problem is None else f"Says nothing: {section.problem}",
        "status": "confirmed" if section.is_confirmed else "not confirmed",
        "is_worst": is_worst,
        "source": None if image is None else data_uri(_shrunk(_tissue_of(image), _SMALL_PX)),
    }


def _picture(section: SectionFinding) -> dict[str, Any] | None:
    """The crop of the focus that decides; without one the whole slide, which says so."""
    if section.folder is None:
        return None
    folder, focus = Path(section.folder), section.focus
    crop = None if focus is None else _opened(folder / "gallery" / f"{focus.cluster_id:04d}.png")
    if crop is not None and focus is not None:
        is_corrected = focus.decision == "size corrected"
        note = " It is the line as measured; the reviewer corrected the size." if is_corrected else ""
        return {
            "is_whole": False,
            "source": data_uri(crop.crop((0, 0, CROP_PX, CROP_PX))),
            "alt": f"Cluster {focus.cluster_id} of slide {section.result} with its measured line",
            "note": f"The yellow line is the maximum diameter, the outline what was measured.{note}",
        }
    overview = _opened(folder / "overview.png")
    if overview is None:
        return None
    why = "Nothing is counted here" if focus is None else f"No crop of cluster {focus.cluster_id} is stored"
    return {
        "is_whole": True,
        "source": data_uri(_shrunk(_tissue_of(overview), CROP_PX)),
        "alt": f"Overview of slide {section.result}",
        "note": f"{why}: this is the whole slide, all its pieces included.",
    }


def _opened(path: Path) -> Image.Image | None:
    """A stored picture; None where it is missing or cannot be read, as the page is worth having without it."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError):  # Pillow calls a damaged PNG a syntax error
        return None


def _shrunk(image: Image.Image, longest_px: int) -> Image.Image:
    """The picture, made smaller where it is larger than this."""
    image.thumbnail((longest_px, longest_px))
    return image


def _tissue_of(overview: Image.Image) -> Image.Image:
    """An overview without the words above and below: in small they cannot be read, and they are of all pieces."""
    if overview.height <= HEADER_PX + LEGEND_PX:
        return overview
    return overview.crop((0, HEADER_PX, overview.width, overview.height - LEGEND_PX))


def _facts(case: Case) -> Iterator[tuple[str, Any, str]]:
    """Each fact of primary and procedure: its name, what is stated, the unit of a number."""
    for record, names in ((case.primary, _PRIMARY), (case.procedure, _PROCEDURE)):
        for field, (name, unit) in names.items():
            value = getattr(record, field)
            yield name, None if value == "unknown" else value, unit


def _stated(case: Case) -> Iterator[tuple[str, str]]:
    """The facts that the case file states."""
    for name, value, unit in _facts(case):
        if isinstance(value, bool):
            yield name, "yes" if value else "no"
        elif isinstance(value, int | float):
            yield name, f"{value:.12g}{unit}"
        elif value is not None:
            yield name, value


def _not_stated(case: Case) -> Iterator[str]:
    """Names of those that it does not state; another rule book than AJCC's asks for none."""
    return (name for name, value, _ in _facts(case) if value is None and case.rules == "ajcc8-breast")


def _interval(interval_of_mm: tuple[float, float]) -> str:
    """Both ends in millimetres, without the unit."""
    return _millimetres(interval_mm(interval_of_mm[0] * 1000, interval_of_mm[1] * 1000))


def _millimetres(length: str) -> str:
    """A length without its unit, for a column that has it in its head."""
    return length.removesuffix(" mm")


def _capital(words: str) -> str:
    """The words with a first capital."""
    return words[:1].upper() + words[1:]
