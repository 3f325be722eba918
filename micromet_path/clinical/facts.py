"""A staged case as the questions of `criteria` see it: what is known, within which bounds, and what is wanting.

What is unknown is not guessed: a node that was not read may hold anything, a node that is not stated to be a
sentinel node may be one, and removed nodes that are not listed may hold metastases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, nextafter

from micromet_path.clinical.case import AXILLARY_STATIONS
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.criteria import Among, Level, Nodes, NumberFact, WordFact
from micromet_path.clinical.groups import anatomic_group
from micromet_path.clinical.nodes import NodeFinding
from micromet_path.clinical.pn import assign_pn
from micromet_path.clinical.tnm import n_group, n_value, t_group

__all__ = ["CaseFacts", "Range"]

_LEVELS: Mapping[Level, int] = {"examined": 0, "itc": 1, "micrometastasis": 2, "macrometastasis": 3}
_NOT_EXAMINED, _WORST = -1, 3
_HOLDS: Mapping[str | None, tuple[int, int]] = {
    None: (_NOT_EXAMINED, _WORST),
    "negative": (0, 0),
    "itc": (1, 1),
    "micrometastasis": (2, 2),
    "positive": (2, _WORST),
    "macrometastasis": (_WORST, _WORST),
}
"""Least and most that a node of a category holds; a metastasis of unstated size may be either."""

_CATEGORIES = {_NOT_EXAMINED: None, 0: "negative", 1: "itc", 2: "micrometastasis", _WORST: "macrometastasis"}
_BEYOND = frozenset({"axillary-3", "internal-mammary", "supraclavicular"})
_AMONG: Mapping[Among, tuple[frozenset[str], bool]] = {
    "regional": (AXILLARY_STATIONS | _BEYOND, False),
    "axillary sentinel": (AXILLARY_STATIONS, True),
    "any sentinel": (AXILLARY_STATIONS | _BEYOND, True),
    "levels I-II": (AXILLARY_STATIONS, False),
    "levels I-III": (AXILLARY_STATIONS | {"axillary-3"}, False),
    "beyond II": (_BEYOND, False),
}
"""Stations, and whether only sentinel nodes count."""

_N_ORDER = ("N0", "N1mi", "N1", "N2", "N3")


@dataclass(frozen=True, slots=True)
class Range:
    """What is known of a number: its two ends, and the facts that would bring them together."""

    least: float
    most: float
    missing: tuple[str, ...] = ()

    def is_within(self, low: float, high: float) -> bool | None:
        """Whether the number lies from `low` to `high`, both included; None where it may or may not.

        Examples
        --------
        >>> [Range(1, most).is_within(1, 2) for most in (2, 3)], Range(3, 9).is_within(1, 2)
        ([True, None], False)
        """
        if low <= self.least and self.most <= high:
            return True
        return False if self.most < low or self.least > high else None


@dataclass(frozen=True, slots=True)
class _Node:
    """What is known of a node; None where a fact is not stated."""

    node_id: str
    station: str
    is_sentinel: bool | None
    on_he: bool | None
    least: int
    most: int

    @classmethod
    def of(cls, found: NodeFinding, stage: CaseStage, may_be_worse: bool) -> _Node:
        """Read a node of the case."""
        node = found.node
        least, most = _HOLDS[found.category]
        if_not_stated = False if stage.case.procedure.sentinel is False else None
        is_partly_read = found.is_minimum or len(found.sections) < len(node.slides)
        return cls(
            node_id=node.node_id,
            station=node.station,
            is_sentinel=if_not_stated if node.sentinel is None else node.sentinel,
            on_he=None if node.detected_by is None else node.detected_by == "he",
            least=least,
            most=_WORST if may_be_worse or is_partly_read else most,
        )

    def is_one(self, asked: Nodes, of_sentinel: bool) -> bool | None:
        """Whether it is a node of the kind that is asked for."""
        level = _LEVELS[asked.finding]
        parts = [
            True if self.least >= level else False if self.most < level else None,
            self.is_sentinel if of_sentinel else True,
            self.on_he if asked.on_he else True,
        ]
        return False if False in parts else None if None in parts else True

    def wanting(self, asked: Nodes, of_sentinel: bool) -> Iterator[str]:
        """What would tell."""
        if self.least < _LEVELS[asked.finding]:
            yield self.open_finding
        if of_sentinel and self.is_sentinel is None:
            yield f"whether node {self.node_id} is a sentinel node"
        if asked.on_he and self.on_he is None:
            yield f"whether the finding in node {self.node_id} was seen on H&E"

    @property
    def open_finding(self) -> str:
        """The name of what is not known of its finding."""
        is_metastasis = self.least == _LEVELS["micrometastasis"]
        return f"{'the size of the metastasis' if is_metastasis else 'the finding'} in node {self.node_id}"


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """A case, ready to be asked.

    Parameters
    ----------
    stage : CaseStage
    nodes : tuple of _Node
        By name; contralateral ones matter to M alone.
    n_unlisted : float
        Nodes that may be there besides; they may hold anything.
    why_unlisted : str
        What would tell of them.
    """

    stage: CaseStage
    nodes: tuple[_Node, ...]
    n_unlisted: float
    why_unlisted: str

    @classmethod
    def of(cls, stage: CaseStage) -> CaseFacts:
        """Read a staged case."""
        n_unlisted, why, may_be_worse = _unlisted(stage)
        nodes = [_Node.of(one, stage, may_be_worse) for one in stage.nodes]
        return cls(stage, tuple(sorted(nodes, key=lambda node: node.node_id)), n_unlisted, why)

    def word(self, fact: WordFact) -> str | None:
        """A stated fact; None where it is not stated."""
        return _WORDS[fact](self)

    def number(self, fact: NumberFact) -> Range:
        """A stated number, or what is known of it."""
        return _NUMBERS[fact](self) or Range(-inf, inf, (fact,))

    def count(self, asked: Nodes) -> Range:
        """The nodes that surely, and those that possibly, are of a kind."""
        stations, of_sentinel = _AMONG[asked.among]
        asked_of = [(node, node.is_one(asked, of_sentinel)) for node in self.nodes if node.station in stations]
        missing = [fact for node, is_one in asked_of if is_one is None for fact in node.wanting(asked, of_sentinel)]
        return Range(
            least=sum(is_one is True for _, is_one in asked_of),
            most=sum(is_one is not False for _, is_one in asked_of) + self.n_unlisted,
            missing=(*missing, *self._unlisted_text()),
        )

    def stage_groups(self) -> tuple[frozenset[str | None], tuple[str, ...]]:
        """Every anatomic stage group that T and the nodes leave possible, and what would tell between them.

        None among them stands for a pair of T and N for which there is no group.
        """
        t, m = self.stage.t, self.stage.m
        if m == "M1":
            return frozenset({"IV"}), ()
        if t is None:
            return frozenset({None}), ("pathological T",)
        groups = {n: anatomic_group(t, n, m) for n in self._possible_n()}
        undefined = [f"a stage group, as none is defined for {t} {n}" for n, group in groups.items() if group is None]
        open_findings = [node.open_finding for node in self.nodes if node.least < node.most]
        if_m1 = {"IV"} if self.word("M") is None else set()
        return frozenset({*groups.values(), *if_m1}), (*undefined, *open_findings, *self._unlisted_text())

    def _unlisted_text(self) -> tuple[str, ...]:
        return (self.why_unlisted,) if self.n_unlisted else ()

    def _possible_n(self) -> tuple[str, ...]:
        """N by the rules of pN for the least and the most that the nodes hold, and all between."""
        least = self._n_of({node.node_id: node.least for node in self.nodes})
        most = "NX" if self.n_unlisted else self._n_of({node.node_id: node.most for node in self.nodes})
        first = 0 if least == "NX" else _N_ORDER.index(least)
        last = len(_N_ORDER) - 1 if most == "NX" else _N_ORDER.index(most)
        return _N_ORDER[first : last + 1]

    def _n_of(self, holds: Mapping[str, int]) -> str:
        """N as the stage tables know it, if the nodes hold this."""
        facts = [one.fact(_CATEGORIES[holds[one.node.node_id]]) for one in self.stage.nodes]
        return n_group(n_value(assign_pn(facts, self.stage.case.procedure).pn_category))


def _unlisted(stage: CaseStage) -> tuple[float, str, bool]:
    """How many nodes may be there besides the listed ones, why, and whether the listed ones may be worse for it."""
    problems = _case_problems(stage)
    if problems:
        return inf, f"what keeps the case incomplete ({'; '.join(problems)})", True
    removed, listed = stage.case.procedure.nodes_removed, stage.counts.listed
    if not listed and removed is None:
        return inf, "the nodes, as none is listed", False
    return max(0, (removed or 0) - listed), "the nodes that were removed but are not listed", False


def _case_problems(stage: CaseStage) -> list[str]:
    """Why the case is not complete, where that is not known to concern one of its nodes alone."""
    counts = stage.counts
    of_nodes = {problem for found in stage.nodes for problem in found.problems}
    seen = {section.fingerprint for found in stage.nodes for section in found.sections}
    if len(seen) >= (counts.slides_expected or 0):  # each unread slide is a node's
        of_nodes.add(f"{counts.slides_read} of {counts.slides_expected} slides")
    incomplete = {caution.text for caution in stage.cautions if caution.code == "incomplete"}
    return sorted(incomplete - of_nodes)


def _m(facts: CaseFacts) -> str | None:
    """M; not known while a contralateral node may hold a metastasis that would make it M1."""
    level = _LEVELS["micrometastasis"]
    is_open = any(node.station == "contralateral" and node.least < level <= node.most for node in facts.nodes)
    return None if is_open and facts.stage.m != "M1" else facts.stage.m


def _clinical_t(facts: CaseFacts) -> str | None:
    stated = facts.stage.case.primary.ct
    return None if stated is None or t_group(stated) == "TX" else t_group(stated)


def _clinical_n(facts: CaseFacts) -> str | None:
    stated = facts.stage.case.primary.cn
    return None if stated is None or n_group(stated) == "NX" else n_group(stated)


def _resection(facts: CaseFacts) -> str | None:
    """Whether the primary was resected: stated, or implied by a pathological T."""
    surgery = facts.stage.case.primary.surgery
    if surgery == "none":
        return "not done"
    return None if surgery is None and facts.stage.t is None else "done"


def _removal(facts: CaseFacts) -> str | None:
    """Whether nodes were removed whole: stated, or implied by the procedure or by a sentinel node."""
    procedure = facts.stage.case.procedure
    if procedure.needle_only:
        return "by needle"
    implied = procedure.sentinel or procedure.completion_dissection or any(node.is_sentinel for node in facts.nodes)
    return "done" if implied or procedure.needle_only is False else None


def _extranodal(facts: CaseFacts) -> str | None:
    stated = facts.stage.case.procedure.extranodal_extension
    if stated is None or isinstance(stated, str):
        return stated
    return "present" if stated > 0 else "absent"


def _hormone_receptors(facts: CaseFacts) -> str | None:
    stated = {facts.stage.case.primary.er, facts.stage.case.primary.pr}
    if "positive" in stated:
        return "positive"
    return None if "unknown" in stated else "negative"


def _grade(facts: CaseFacts) -> str | None:
    grade = facts.stage.case.primary.grade
    return None if grade is None else str(grade)


def _of(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


_WORDS: Mapping[WordFact, Callable[[CaseFacts], str | None]] = {
    "clinical T": _clinical_t,
    "clinical N": _clinical_n,
    "pathological T": lambda facts: None if facts.stage.t == "TX" else facts.stage.t,
    "M": _m,
    "surgery of the breast": lambda facts: facts.stage.case.primary.surgery,
    "resection of the primary": _resection,
    "removal of the nodes": _removal,
    "whole-breast radiotherapy": lambda facts: _of(
        facts.stage.case.primary.whole_breast_radiotherapy, "given", "not given"
    ),
    "neoadjuvant treatment": lambda facts: _of(facts.stage.case.procedure.neoadjuvant, "given", "none"),
    "extranodal extension": _extranodal,
    "grade": _grade,
    "hormone receptors (ER, PR)": _hormone_receptors,
    "HER2": lambda facts: None if facts.stage.case.primary.her2 == "unknown" else facts.stage.case.primary.her2,
}

_SIZES_MM = {
    "T1mi": (0.0, 1.0),
    "T1a": (1.0, 5.0),
    "T1b": (5.0, 10.0),
    "T1c": (10.0, 20.0),
    "T1": (0.0, 20.0),
    "T2": (20.0, 50.0),
    "T3": (50.0, inf),
}
"""Above the first and up to the second; T4 is of any size."""


def _size(facts: CaseFacts) -> Range | None:
    """Size of the primary in mm, or what T says of it."""
    if facts.stage.case.primary.size_mm is not None:
        return _exactly(facts.stage.case.primary.size_mm)
    if facts.stage.t not in _SIZES_MM:
        return None
    above, most = _SIZES_MM[facts.stage.t]
    return Range(nextafter(above, inf), most, ("size of the primary",))


def _exactly(value: float | None) -> Range | None:
    return None if value is None else Range(value, value)


_NUMBERS: Mapping[NumberFact, Callable[[CaseFacts], Range | None]] = {
    "age": lambda facts: _exactly(facts.stage.case.primary.age),
    "size of the primary": _size,
    "Ki-67": lambda facts: _exactly(facts.stage.case.primary.ki67_percent),
    "Oncotype DX score": lambda facts: _exactly(facts.stage.case.primary.oncotype_score),
}
