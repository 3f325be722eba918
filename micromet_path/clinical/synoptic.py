"""The case as a synoptic text, in the order of the CAP protocol's elements for regional lymph nodes.

One line an element, ``Element: value``, in ASCII and always in the same order, so that it can be pasted
into a laboratory system or read by a script. Nothing is decided here. Element names are facts of the
College of American Pathologists' protocol; the sentences are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from micromet_path.clinical.case import Case, RuleBook
from micromet_path.clinical.nodes import NodeCounts, NodeFinding
from micromet_path.clinical.reasons import Reason
from micromet_path.clinical.wording import millimetres

__all__ = ["GroupName", "Staged", "printed_group", "synoptic"]

GroupName = Literal["anatomic_stage", "clinical_prognostic_stage", "pathological_prognostic_stage"]

_NOT_STATED = "not stated"
_NOTE = "research use only; a suggestion by software, not a medical report; a pathologist decides"
_STATUS = {
    "suggested": "suggested; not every finding is confirmed by a pathologist",
    "confirmed": "confirmed; the listed findings are confirmed by a pathologist",
    "incomplete": "incomplete; something was not read or is not stated, so this can still change",
}
_PREFIX = {
    None: "neoadjuvant treatment not stated",
    False: "no neoadjuvant treatment",
    True: "after neoadjuvant treatment",
}
_TUMOUR = frozenset({"itc", "micrometastasis", "macrometastasis", "positive"})


class Staged(Protocol):
    """What the text is made from: the parts of a staged case."""

    @property
    def case(self) -> Case:
        """The case as its file states it."""
        ...

    @property
    def status(self) -> str:
        """``"incomplete"``, ``"suggested"`` or ``"confirmed"``."""
        ...

    @property
    def pn(self) -> str:
        """The category of the regional nodes as it is printed, or why there is none."""
        ...

    @property
    def pn_category(self) -> str | None:
        """The category without suffixes; None while it is not assigned."""
        ...

    @property
    def is_minimum(self) -> bool:
        """Whether pN, and the groups that rest on it, are the least that there can be."""
        ...

    @property
    def t(self) -> str | None:
        """Pathological T without its prefix."""
        ...

    @property
    def m(self) -> str:
        """M without a prefix."""
        ...

    @property
    def prefix(self) -> str:
        """``"p"`` or ``"yp"``."""
        ...

    @property
    def anatomic_stage(self) -> str | None:
        """Anatomic stage group."""
        ...

    @property
    def clinical_prognostic_stage(self) -> str | None:
        """Prognostic stage from the facts before surgery."""
        ...

    @property
    def pathological_prognostic_stage(self) -> str | None:
        """Prognostic stage from the facts after surgery."""
        ...

    @property
    def nodes(self) -> tuple[NodeFinding, ...]:
        """Every node with its category."""
        ...

    @property
    def counts(self) -> NodeCounts:
        """The nodes in numbers."""
        ...

    @property
    def grounds(self) -> tuple[Reason, ...]:
        """Why everything is as it is."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks for caution, as text."""
        ...

    @property
    def rules_version(self) -> str:
        """Versions of the rules and tables used."""
        ...


@dataclass(frozen=True, slots=True)
class _Element:
    """A line: its name, its value, and the rule books in which it means something."""

    name: str
    value: Callable[[Staged], str]
    books: tuple[RuleBook, ...] = ("ajcc8-breast", "camelyon17")


_AJCC: tuple[RuleBook, ...] = ("ajcc8-breast",)


def synoptic(stage: Staged) -> str:
    """Print a staged case to paste into a laboratory system.

    Parameters
    ----------
    stage : Staged

    Returns
    -------
    str
        Lines ``Element: value`` in a fixed order, then the warnings, one a line. ASCII: any other character
        of a name is written as its escape. What the case does not state is ``not stated``.
    """
    lines = [f"{line.name}: {line.value(stage)}" for line in _ELEMENTS if stage.case.rules in line.books]
    if stage.warnings:
        lines += ["Read with caution:", *(f"- {warning}" for warning in stage.warnings)]
    return "\n".join(lines).encode("ascii", "backslashreplace").decode("ascii")


def printed_group(stage: Staged, name: GroupName) -> str | None:
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


def _node_status(stage: Staged) -> str:
    """What the nodes show in a few words; a negative is only said of an assigned pN."""
    counts = stage.counts
    n_positive = counts.with_macro + counts.with_micro
    examined = _of_nodes(counts.examined)
    if n_positive:
        return f"metastasis in {'at least ' if stage.status == 'incomplete' else ''}{n_positive} of {examined} examined"
    if stage.pn_category is None:
        seen = f"isolated tumour cells in {_of_nodes(counts.with_itc)} so far; " if counts.with_itc else ""
        return f"{seen}not settled, see pN"
    if counts.with_itc:
        return f"isolated tumour cells only, in {counts.with_itc} of {examined} examined"
    return f"no tumour cells in {examined} examined" if counts.examined else "no node examined"


def _of_nodes(number: int) -> str:
    return f"{number} node{'' if number == 1 else 's'}"


def _count(stage: Staged, number: int, remark: str = "") -> str:
    """A number of nodes, marked while it can still grow."""
    return f"{number}{' so far' if stage.status == 'incomplete' else ''}{f' ({remark})' if remark else ''}"


def _with_macro(stage: Staged) -> str:
    n_unsized = sum(one.category == "positive" for one in _regional(stage))
    return _count(stage, stage.counts.with_macro, f"{n_unsized} of unstated size" if n_unsized else "")


def _largest(stage: Staged) -> str:
    """The largest deposit in mm, a minimum where something larger may be there."""
    known = [one for one in _regional(stage) if one.category in _TUMOUR]
    sizes_mm = [one.size_mm for one in known if one.size_mm]
    if not sizes_mm:
        nothing_there = not known and stage.pn_category is not None
        return "not applicable" if nothing_there else _NOT_STATED
    n_unsized = len(known) - len(sizes_mm)
    is_minimum = bool(n_unsized) or stage.status == "incomplete" or any(one.is_minimum for one in known)
    remark = f" (no size is stated in {_of_nodes(n_unsized)} with tumour)" if n_unsized else ""
    return f"{'>= ' if is_minimum else ''}{millimetres(max(sizes_mm) * 1000)} mm{remark}"


def _regional(stage: Staged) -> Iterator[NodeFinding]:
    return (one for one in stage.nodes if one.node.station != "contralateral")


def _extranodal(stage: Staged) -> str:
    stated = stage.case.procedure.extranodal_extension
    if stated is None:
        return _NOT_STATED
    if isinstance(stated, str):
        return stated
    return f"present, {millimetres(stated * 1000)} mm" if stated > 0 else "absent"


def _examined(stage: Staged) -> str:
    counts, removed = stage.counts, stage.case.procedure.nodes_removed
    remarks = [f"{counts.listed} listed"] if counts.listed != counts.examined else []
    remarks += [f"{removed} removed"] if removed is not None and removed != counts.examined else []
    return _count(stage, counts.examined, ", ".join(remarks))


def _sentinel_examined(stage: Staged) -> str:
    counts = stage.counts
    if counts.sentinel_examined is None:
        return _NOT_STATED
    remarks = [f"{counts.sentinel_positive} with metastasis"] if counts.sentinel_positive else []
    remarks += [f"not stated of {_of_nodes(counts.sentinel_not_stated)}"] if counts.sentinel_not_stated else []
    return _count(stage, counts.sentinel_examined, ", ".join(remarks))


def _m(stage: Staged) -> str:
    primary = stage.case.primary
    is_default = stage.m == "M0" and primary.m is None and primary.cm is None
    return "M0 (nothing else is stated)" if is_default else stage.m


def _group(about: str, name: GroupName) -> Callable[[Staged], str]:
    """A stage group, or why there is none."""

    def line(stage: Staged) -> str:
        group = printed_group(stage, name)
        if group is not None:
            return group
        why = next((reason.text for reason in stage.grounds if reason.about == about), _NOT_STATED)
        return why if why.startswith("no group") else f"no group: {why.removeprefix('none: ')}"

    return line


_ELEMENTS = (
    _Element("Case", lambda stage: stage.case.case_id),
    _Element("Rules", lambda stage: f"{stage.case.rules} ({stage.rules_version})"),
    _Element("Regional lymph node status", _node_status),
    _Element("Nodes with macrometastases", _with_macro),
    _Element("Nodes with micrometastases", lambda stage: _count(stage, stage.counts.with_micro)),
    _Element("Nodes with isolated tumour cells only", lambda stage: _count(stage, stage.counts.with_itc)),
    _Element("Size of largest deposit", _largest),
    _Element("Extranodal extension", _extranodal, _AJCC),
    _Element("Lymph nodes examined", _examined),
    _Element("Sentinel nodes examined", _sentinel_examined, _AJCC),
    _Element("pN", lambda stage: stage.pn),
    _Element("Prefix", lambda stage: f"{stage.prefix} ({_PREFIX[stage.case.procedure.neoadjuvant]})", _AJCC),
    _Element("pT", lambda stage: _NOT_STATED if stage.t is None else f"{stage.prefix}{stage.t}", _AJCC),
    _Element("M", _m, _AJCC),
    _Element("Anatomic stage", _group("anatomic stage", "anatomic_stage"), _AJCC),
    _Element("Clinical prognostic stage", _group("clinical prognostic stage", "clinical_prognostic_stage"), _AJCC),
    _Element(
        "Pathological prognostic stage", _group("pathological prognostic stage", "pathological_prognostic_stage"), _AJCC
    ),
    _Element("Status", lambda stage: _STATUS[stage.status]),
    _Element("Note", lambda stage: _NOTE),
)
