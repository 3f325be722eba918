"""A node: from all slides, sections and pieces it was seen on to one category.

The worst section decides. Nothing is added over sections, levels or slides: neither sizes nor cells
(AJCC Cancer Staging Manual, 8th edition, 2017; CAP Today, July 2003).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from micromet_path.clinical.case import Node
from micromet_path.clinical.pn import NodeFact
from micromet_path.clinical.reasons import Caution, Reason
from micromet_path.clinical.wording import millimetres
from micromet_path.errors import ConfigError
from micromet_path.model import Category, CellEstimate, Finding
from micromet_path.parsing import is_number, short

__all__ = ["FocusEvidence", "NodeCounts", "NodeFinding", "SectionFinding", "judge_node", "node_category"]

AJCC_NODES = "AJCC Cancer Staging Manual, 8th edition (2017), breast"
CAP_TODAY = "CAP Today Q&A, July 2003"

_LARGE_MM = 30.0
_ITC_MM, _MICRO_MM, _CELLS = 0.2, 2.0, 200
_NEAR_SHARE, _NEAR_CELLS_SHARE = 0.1, 0.2
_MIMICS = {
    "CAM5.2": "marks reticulum cells in most nodes (85 %), and plasma cells",
    "AE1/AE3": "marks reticulum cells in some nodes (2 of 20)",
    "panCK": "marks plasma cells in some nodes (10 %), and reticulum cells",
}


def node_category(size_mm: float | None, cells: int | None) -> Category:
    """Category of a node by its largest contiguous focus and the cells counted on one section.

    Parameters
    ----------
    size_mm : float or None
        Unrounded. None and 0: no focus was measured.
    cells : int or None
        Counted, not estimated. None and 0: none was counted.

    Returns
    -------
    Category
        ``size > 2.0 mm``: macrometastasis; else ``size > 0.2 mm`` or ``cells > 200``: micrometastasis; else
        a focus or a cell: ITC; else negative (AJCC Cancer Staging Manual, 8th edition, 2017).

    Raises
    ------
    ConfigError
        If one of them is negative or no number.

    Examples
    --------
    >>> [node_category(size, None).value for size in (2.01, 2.0, 0.2, None)]
    ['macrometastasis', 'micrometastasis', 'itc', 'negative']
    >>> node_category(0.2, 200).value, node_category(0.2, 201).value
    ('itc', 'micrometastasis')
    """
    size, count = 0.0 if size_mm is None else size_mm, 0 if cells is None else cells
    if not (is_number(size) and 0 <= size < inf and is_number(count) and 0 <= count < inf):
        raise ConfigError(
            f"a node's size and cells must be numbers, 0 or more; found {short(size)} mm and {short(count)} cells"
        )
    if size > _MICRO_MM:
        return Category.MACROMETASTASIS
    if size > _ITC_MM or count > _CELLS:
        return Category.MICROMETASTASIS
    return Category.ITC if size > 0 or count >= 1 else Category.NEGATIVE


@dataclass(frozen=True, slots=True)
class FocusEvidence:
    """The focus that decides a section: where it is and how it was measured.

    Parameters
    ----------
    cluster_id : int
        In the result of the slide.
    max_diameter_um : float
    axis_px0 : pair of (x, y)
        End points of the diameter, level-0 pixels.
    bbox_px0 : tuple of int
        x0, y0, x1, y1, half-open.
    flags : tuple of str
    decision : {"none", "accepted", "size corrected"}
        What a reviewer said of it.
    location : str or None
        Where a reviewer saw it: ``"parenchyma"``, ``"subcapsular sinus"`` ...
    """

    cluster_id: int
    max_diameter_um: float
    axis_px0: tuple[tuple[float, float], tuple[float, float]]
    bbox_px0: tuple[int, int, int, int]
    flags: tuple[str, ...] = ()
    decision: str = "none"
    location: str | None = None


@dataclass(frozen=True, slots=True)
class SectionFinding:
    """What one analysed slide says of one node.

    Parameters
    ----------
    result : str
        Id of the result.
    fingerprint : str
        Of the slide's content: the same slide under two names is one.
    slide_name : str
    pieces : tuple of int
        Pieces of tissue that belong to the node.
    finding : Finding
        Over these pieces alone.
    focus : FocusEvidence or None
    section, block, clone : str or None
    problem : str or None
        Why the slide says nothing of the node: not assessable, failed control, pieces not assigned.
    is_confirmed : bool
        Whether a reviewer closed the slide.
    folder : str or None
        Where the result is stored, for its pictures; no output tells it.
    """

    result: str
    fingerprint: str
    slide_name: str
    pieces: tuple[int, ...]
    finding: Finding
    focus: FocusEvidence | None = None
    section: str | None = None
    block: str | None = None
    clone: str | None = None
    problem: str | None = None
    is_confirmed: bool = False
    folder: str | None = None

    @property
    def label(self) -> str:
        """The slide, and the block and section where they are stated."""
        named = [f"block {self.block}"] if self.block else []
        named += [f"section {self.section}"] if self.section else []
        return f"slide {self.result}" + (f" ({', '.join(named)})" if named else "")


@dataclass(frozen=True, slots=True)
class NodeFinding:
    """A node with its category and what that rests on.

    Parameters
    ----------
    node : Node
        As the case states it.
    category : str or None
        A `Category` value, or ``"positive"`` where the size is not stated; None where nothing is known.
    size_mm : float or None
        Of the focus that decides.
    size_interval_mm : (float, float) or None
    cells : CellEstimate or None
        On the section that decides.
    by_gap : mapping of float to str
        Category when foci up to so many microns apart count as one; empty for typed nodes.
    if_all_counted : str or None
        Category if everything that the counting policy set aside counted.
    sections : tuple of SectionFinding
    deciding : SectionFinding or None
    is_confirmed : bool
        Whether a pathologist confirmed it.
    is_minimum : bool
        Whether a slide of the node says nothing, so that it may be worse.
    problems : tuple of str
        Why it is not complete.
    reasons : tuple of Reason
    warnings : tuple of Caution
    """

    node: Node
    category: str | None
    size_mm: float | None = None
    size_interval_mm: tuple[float, float] | None = None
    cells: CellEstimate | None = None
    by_gap: Mapping[float, str] = field(default_factory=dict)
    if_all_counted: str | None = None
    sections: tuple[SectionFinding, ...] = ()
    deciding: SectionFinding | None = None
    is_confirmed: bool = False
    is_minimum: bool = False
    problems: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Caution, ...] = ()

    def fact(self, category: str | None) -> NodeFact:
        """What the rules of pN ask, with this or another category."""
        node = self.node
        return NodeFact(
            node.node_id, node.station, category, node.sentinel, node.clinically_detected, node.rt_pcr_positive
        )


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """The nodes of a case in numbers; contralateral ones are left out.

    Parameters
    ----------
    listed, examined : int
    with_macro, with_micro, with_itc : int
        Nodes whose worst finding this is; a metastasis without a size counts as macro.
    sentinel_examined, sentinel_positive : int or None
        Of the nodes that are stated to be sentinel nodes; None where this is stated of no node.
    largest_mm : float or None
        Largest deposit that was measured, ITC included.
    slides_expected, slides_read : int or None
        Slides there should be, and those that could be assessed; None where no slide is named.
    sentinel_not_stated : int
        Nodes of which it is not stated whether they are sentinel nodes.
    """

    listed: int
    examined: int
    with_macro: int
    with_micro: int
    with_itc: int
    sentinel_examined: int | None
    sentinel_positive: int | None
    largest_mm: float | None
    slides_expected: int | None = None
    slides_read: int | None = None
    sentinel_not_stated: int = 0


def judge_node(node: Node, sections: Sequence[SectionFinding] = ()) -> NodeFinding:
    """Decide on a node from what the case states of it, or from what its slides show.

    Parameters
    ----------
    node : Node
    sections : sequence of SectionFinding
        One a slide, in any order.
    """
    if node.slides:
        return _from_sections(node, sections)
    if node.category is not None:
        return _from_word(node)
    if node.size_mm is not None or node.cells is not None:
        return _from_size(node)
    return NodeFinding(node, None, problems=(f"nothing is stated of node {node.node_id}",))


def _from_word(node: Node) -> NodeFinding:
    """The category is a pathologist's word."""
    if node.category == "not_assessable":
        return NodeFinding(node, None, problems=(f"node {node.node_id} is not assessable",))
    reason = Reason(f"node {node.node_id}", f"{node.category}, as stated", "node stated", "case file")
    return NodeFinding(
        node,
        node.category,
        is_confirmed=node.confirmed is True,
        reasons=(reason,),
        warnings=tuple(_detection_warnings(node, node.category)),
    )


def _from_size(node: Node) -> NodeFinding:
    """Size and cells were typed in."""
    category = node_category(node.size_mm, node.cells).value
    reason = Reason(
        f"node {node.node_id}", f"{category}, as {_rule(node.size_mm, node.cells)}", "node category", AJCC_NODES
    )
    return NodeFinding(
        node,
        category,
        size_mm=node.size_mm,
        cells=None if node.cells is None else CellEstimate(float(node.cells), float(node.cells), float(node.cells)),
        is_confirmed=node.confirmed is True,
        reasons=(reason,),
        warnings=(*_typed_warnings(node), *_detection_warnings(node, category)),
    )


def _rule(size_mm: float | None, cells: int | None) -> str:
    """The clause that decides, with its numbers."""
    if not size_mm and cells:
        counted = f"{cells} cell{'' if cells == 1 else 's'} were counted on a section, no size was measured"
        return f"{counted}; more than 200" if cells > _CELLS else f"{counted}; not above 200"
    size = "no focus was measured" if not size_mm else f"the largest focus is {millimetres(size_mm * 1000)} mm"
    count = "" if cells is None else f", with {cells} cells on a section"
    if size_mm and size_mm > _MICRO_MM:
        return f"{size}, above 2.0 mm"
    if size_mm and size_mm > _ITC_MM:
        return f"{size}, above 0.2 mm and not above 2.0 mm"
    if cells is not None and cells > _CELLS:
        return f"{size}{count}, more than 200"
    return f"{size}{count}, neither above 0.2 mm nor above 200 cells" if size_mm or cells else f"{size}{count}"


def _typed_warnings(node: Node) -> Iterator[Caution]:
    size, cells = node.size_mm, node.cells
    for limit in (_ITC_MM, _MICRO_MM):
        if size is not None and abs(size - limit) <= _NEAR_SHARE * limit + 1e-12:
            printed = millimetres(size * 1000)
            yield Caution("near_limit", f"node {node.node_id}: {printed} mm is within 10 % of the limit of {limit} mm")
    if size is not None and size > _LARGE_MM:
        yield Caution(
            "size_very_large", f"node {node.node_id}: {size:g} mm is very large for a node; was it in microns?"
        )
    is_small = size is None or size <= _ITC_MM
    if cells is not None and is_small and abs(cells - _CELLS) <= _NEAR_CELLS_SHARE * _CELLS:
        yield Caution("near_200_cells", f"node {node.node_id}: {cells} cells are within 20 % of the guideline of 200")


def _detection_warnings(node: Node, category: str | None) -> Iterator[Caution]:
    """What was found by immunohistochemistry alone is another thing in most studies."""
    if node.detected_by == "ihc-only" and category not in (None, "negative"):
        yield Caution(
            "ihc_only",
            f"node {node.node_id} was found by immunohistochemistry alone; staging takes it as it is, "
            "most trials counted only what haematoxylin and eosin showed",
        )


def _from_sections(node: Node, sections: Sequence[SectionFinding]) -> NodeFinding:
    """The worst assessable section decides."""
    ordered = tuple(sorted(sections, key=lambda one: (one.result, one.fingerprint, one.pieces)))
    usable = [one for one in ordered if one.problem is None]
    problems = tuple(_section_problems(node, ordered))
    if not usable:
        return NodeFinding(node, None, sections=ordered, problems=problems)
    worst = max(usable, key=lambda one: (one.finding.category.rank, one.finding.max_diameter_um or 0.0))
    category = worst.finding.category
    by_gap = {
        gap: max((_at_gap(one, gap) for one in usable), key=lambda value: value.rank).value
        for gap in sorted({row.gap_um for one in usable for row in one.finding.by_gap})
    }
    is_positive_so_far = category.rank > Category.NEGATIVE.rank
    finding = worst.finding
    return NodeFinding(
        node,
        category.value if is_positive_so_far or not problems else None,
        size_mm=None if finding.max_diameter_um is None else finding.max_diameter_um / 1000,
        size_interval_mm=_interval_mm(finding),
        cells=finding.estimated_cells,
        by_gap=by_gap,
        if_all_counted=max((one.finding.if_all_counted for one in usable), key=lambda value: value.rank).value,
        sections=ordered,
        deciding=worst,
        is_confirmed=node.confirmed is True or (node.confirmed is None and all(one.is_confirmed for one in ordered)),
        is_minimum=bool(problems) or finding.size_is_minimum or "incomplete" in finding.flags,
        problems=problems,
        reasons=(_section_reason(node, worst, len(usable)),),
        warnings=(*_section_warnings(node, usable), *_detection_warnings(node, category.value)),
    )


def _section_problems(node: Node, sections: Sequence[SectionFinding]) -> Iterator[str]:
    """Why the slides of a node do not tell all of it."""
    wanting = len(node.slides) - len(sections)
    if wanting > 0:
        yield f"node {node.node_id}: {wanting} of {len(node.slides)} slides not read"
    for one in sections:
        if one.problem is not None:
            yield f"{one.label}: {one.problem}"
        else:  # a positive is told although the slide was read in part only; it is the least there is
            yield from (f"{one.label}: {reason.partition(': ')[2]}" for reason in one.finding.assessable.reasons)


def _at_gap(section: SectionFinding, gap_um: float) -> Category:
    return next((row.category for row in section.finding.by_gap if row.gap_um == gap_um), section.finding.category)


def _interval_mm(finding: Finding) -> tuple[float, float] | None:
    if finding.diameter_interval_um is None:
        return None
    low, high = finding.diameter_interval_um
    return low / 1000, high / 1000


def _section_reason(node: Node, worst: SectionFinding, n_sections: int) -> Reason:
    """Which slide decides, and by what."""
    finding = worst.finding
    where = worst.label if n_sections == 1 else f"the worst of {n_sections} slides, {worst.label}"
    if finding.max_diameter_um is None:
        text = f"{finding.category.value}, as nothing counts on {where}"
    else:
        text = (
            f"{finding.category.value}, as the largest contiguous focus on {where} is "
            f"{millimetres(finding.max_diameter_um)} mm (cluster {finding.cluster_id})"
        )
        if finding.category_by_cells.rank > finding.category_by_size.rank and finding.estimated_cells is not None:
            cells = finding.estimated_cells
            text += (
                f" and one profile holds about {cells.value:.0f} ({cells.low:.0f}-{cells.high:.0f}) cells, "
                "more than 200 throughout"
            )
    return Reason(f"node {node.node_id}", text, "node worst section", f"{AJCC_NODES}; {CAP_TODAY}")


def _section_warnings(node: Node, usable: Sequence[SectionFinding]) -> Iterator[Caution]:
    """What the findings of the slides themselves doubt."""
    who = f"node {node.node_id}"
    for one in usable:
        finding, where = one.finding, f"{who}, {one.label}"
        if finding.borderline:
            yield Caution("borderline", f"{where}: a category limit lies inside the interval of the size")
        elif finding.near_limit:
            yield Caution("near_limit", f"{where}: the size is within 10 % of a category limit")
        if finding.contiguity_sensitive:
            rank = finding.category.rank
            higher = next(row for row in finding.by_gap if row.gap_um >= 7 and row.category.rank > rank)
            yield Caution(
                "contiguity_sensitive",
                f"{where}: {finding.category.value}, but {higher.category.value} if foci up to {higher.gap_um:g} um "
                "apart are one",
            )
        if finding.size_is_minimum and finding.category.rank > Category.NEGATIVE.rank:
            yield Caution(
                "size_is_minimum",
                f"{where}: the size is a minimum, as an edge of tissue or scan, or what was not read, may hide more",
            )
        cells = finding.estimated_cells
        if "near_200_cells" in finding.flags and cells is not None:
            yield Caution(
                "near_200_cells",
                f"{where}: about {cells.value:.0f} ({cells.low:.0f}-{cells.high:.0f}) cells, near the guideline of "
                "200; the class stays by size",
            )
        if "diffuse_pattern" in finding.flags and finding.scatter_extent_um is not None:
            yield Caution(
                "diffuse_pattern",
                f"{where}: dispersed pattern over {finding.scatter_extent_um / 1000:.1f} mm; contiguity cannot size "
                "this; a pathologist decides between micro- and macrometastasis",
            )
        if "uncounted_large" in finding.flags:
            yield Caution("uncounted_large", f"{where}: a large cluster was not counted; look at it")
        mimic = _mimic(one.clone)
        if mimic is not None and finding.category.rank > Category.NEGATIVE.rank:
            yield Caution("mimic_prone_clone", f"{where}: the antibody {one.clone} {mimic}; confirm as tumour")


def _mimic(clone: str | None) -> str | None:
    """What else a clone is known to mark."""
    if clone is None:
        return None
    return next((what for name, what in _MIMICS.items() if _letters(name) in _letters(clone)), None)


def _letters(name: str) -> str:
    """A name without the signs and spaces that laboratories write differently."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
