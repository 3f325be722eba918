"""Staging: from nodes to pN, from T, N and M to stage groups, with reasons.

Each rule is a pure function that can be called on its own. T and N are written ``"T1c"``, ``"N1mi"``,
``"N0(i+)"``; a prefix (p, yp, c) may stand before them and says who looked and when: after treatment some have
no stage group, and a stage of one kind is never made from values of another. Without a prefix they are of the kind
that is asked for. Rules are restated from public summaries of the AJCC Cancer Staging Manual, 8th edition (2017), and
carry versions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from micromet_path.clinical.case import Node, Procedure, parse_node, parse_procedure
from micromet_path.clinical.groups import anatomic_group, prognostic_group
from micromet_path.clinical.nodes import judge_node, node_category
from micromet_path.clinical.pn import PN, assign_pn
from micromet_path.clinical.reasons import Caution
from micromet_path.clinical.tnm import m_value, n_group, n_value, prefix_of, t_from_size, t_value
from micromet_path.errors import ConfigError
from micromet_path.model import Category
from micromet_path.parsing import is_number, short, short_name

_KINDS = {"clinical": (("", "c"), "cT and cN"), "pathological": (("", "p", "yp"), "pT and pN")}
_PREFIXES_OF_M = ("", "c", "p")  # that M1 is proven by a biopsy makes no stage pathological

__all__ = [
    "PN",
    "anatomic_stage",
    "camelyon17_stage",
    "node_category",
    "osna_class",
    "pathologic_n",
    "prognostic_stage",
    "t_from_size",
]


def pathologic_n(
    nodes: Sequence[Node | Mapping[str, Any]], procedure: Procedure | Mapping[str, Any] | None = None
) -> PN:
    """Assign pN to nodes that are described by category or by size and cells.

    Parameters
    ----------
    nodes : sequence of Node or mapping
        As in a case file; those described by slides must be analysed first, see `casework.stage_case`.
    procedure : Procedure or mapping, optional

    Returns
    -------
    PN
        ``str(...)`` prints it with its suffixes.

    Raises
    ------
    ConfigError
        Naming the field that is not allowed.

    Examples
    --------
    >>> nodes = [{"category": "macrometastasis"}] + [{"category": "micrometastasis"}] * 3
    >>> str(pathologic_n(nodes, {"sentinel": True}))
    'pN2a(sn)'
    >>> str(pathologic_n([{"size_mm": 0.9, "sentinel": True}], {"sentinel": True, "nodes_removed": 6}))
    'pN1mi'
    """
    nodes = _listed(nodes, "nodes")
    parsed = [parse_node(node, number) for number, node in enumerate(nodes, start=1)]
    named = next((node for node in parsed if node.slides), None)
    if named is not None:
        raise ConfigError(f"node {named.node_id} is described by slides; stage the case to have them read")
    findings = [judge_node(node) for node in parsed]
    assigned = assign_pn([finding.fact(finding.category) for finding in findings], parse_procedure(procedure))
    return replace(assigned, cautions=(*assigned.cautions, *_repeated(nodes)))


def _repeated(nodes: Sequence[Node | Mapping[str, Any]]) -> Iterator[Caution]:
    """Nodes listed more than once: a case refuses them; here each line is a node, and that is said."""
    names = Counter(node.node_id if isinstance(node, Node) else node.get("node_id") for node in nodes)
    for name, times in names.items():
        if name is not None and times > 1:
            yield Caution("node_repeated", f"node {name} is listed {times} times and counts as {times} nodes")


def anatomic_stage(t: str, n: str, m: str) -> str | None:
    """Anatomic stage group, None where none is defined.

    After treatment (ypT, ypN) T0 or Tis with N0 has none; M1 is stage IV whatever T and N are.

    Raises
    ------
    ConfigError
        If one of them is no category, or T is of after treatment and N of before it, or the reverse.

    Examples
    --------
    >>> anatomic_stage("T1c", "N1mi", "M0"), anatomic_stage("T2", "N1mi", "M0"), anatomic_stage("Tis", "N1mi", "M0")
    ('IB', 'IIB', None)
    >>> anatomic_stage("Tis", "N0", "M0"), anatomic_stage("ypTis", "ypN0", "M0")
    ('0', None)
    """
    group = anatomic_group(t_value(t), n_value(n), m_value(m))
    is_empty = t_value(t) in ("T0", "Tis") and n_group(n) == "N0" and group != "IV"
    return None if _is_treated(t, n) and is_empty else group


def _listed(values: Any, name: str) -> list[Any]:
    try:
        return list(values)
    except TypeError as error:
        raise ConfigError(f"{name} must be a list, found {short(values)}") from error


def _is_treated(t: str, n: str) -> bool:
    """Whether T and N are of after treatment, by a prefix of one or of both."""
    prefixes = {prefix_of(t), prefix_of(n)} - {""}
    treated = {prefix for prefix in prefixes if prefix.startswith("y")}
    if treated and len(prefixes) > 1:
        raise ConfigError(f"{short(t)} and {short(n)} are of different kinds; T and N are of the same time")
    return bool(treated)


def prognostic_stage(
    kind: str,
    t: str,
    n: str,
    m: str,
    grade: int | None,
    her2: str,
    er: str,
    pr: str,
    oncotype_score: int | None = None,
) -> str | None:
    """Clinical or pathological prognostic stage, None where no group is defined or a fact is unknown.

    Parameters
    ----------
    kind : {"clinical", "pathological"}
    t, n, m : str
        Of that kind: a clinical stage needs cT, cN and cM, a pathological one pT and pN. After treatment (ypT,
        ypN) there is no pathological prognostic stage.
    grade : {1, 2, 3} or None
    her2, er, pr : str
        ``"positive"``, ``"negative"`` or ``"unknown"``; HER2 also ``"equivocal-after-ish"``.
    oncotype_score : int or None

    Raises
    ------
    ConfigError
        If a value is not allowed.

    Examples
    --------
    >>> prognostic_stage("pathological", "T2", "N0", "M0", 3, "negative", "positive", "negative", oncotype_score=10)
    'IA'
    >>> prognostic_stage("pathological", "T2", "N0", "M0", 3, "unknown", "positive", "negative") is None
    True
    """
    tnm = (t_value(t), n_value(n), m_value(m))
    group = prognostic_group(kind, tnm, grade, (her2, er, pr), oncotype_score)
    prefixes, expected = _KINDS[kind]
    wrong = next((value for value in (t, n) if prefix_of(value) not in prefixes), None)
    if wrong is not None or prefix_of(m) not in _PREFIXES_OF_M:
        raise ConfigError(f"{short(wrong or m)} is of another kind; a {kind} prognostic stage needs {expected}")
    return None if _is_treated(t, n) else group


def camelyon17_stage(categories: Sequence[Category | str]) -> str:
    """Stage of a patient by the rules of the CAMELYON17 challenge: coarser than AJCC, five slides a patient.

    Parameters
    ----------
    categories : sequence of Category
        One a node; `Category.NOT_ASSESSABLE` is refused.

    Raises
    ------
    ConfigError
        Without a category, or with one that is not of a node.

    Examples
    --------
    >>> camelyon17_stage([Category.NEGATIVE, Category.ITC, Category.MICROMETASTASIS])
    'pN1mi'
    """
    listed = _listed(categories, "categories")
    try:
        values = [Category(category) for category in listed]
    except ValueError as error:
        found = short_name(str(error))
        raise ConfigError(f"{found}; allowed are negative, itc, micrometastasis, macrometastasis") from error
    if not values or Category.NOT_ASSESSABLE in values:
        raise ConfigError("the CAMELYON17 stage needs a category for each node")
    n_positive = sum(value in (Category.MICROMETASTASIS, Category.MACROMETASTASIS) for value in values)
    if Category.MACROMETASTASIS in values:
        return "pN2" if n_positive >= 4 else "pN1"
    if n_positive:
        return "pN1mi"
    return "pN0(i+)" if Category.ITC in values else "pN0"


def osna_class(copies_per_ul: float) -> str:
    """Class of a node by one-step nucleic acid amplification: ``"negative"``, ``"+"`` or ``"++"``.

    Raises
    ------
    ConfigError
        If the number of copies is negative or no number.

    Examples
    --------
    >>> [osna_class(copies) for copies in (249, 250, 5000, 5001)]
    ['negative', '+', '+', '++']
    """
    if not is_number(copies_per_ul) or not 0 <= copies_per_ul < inf:
        raise ConfigError(f"copies must be a number, 0 or more; found {short(copies_per_ul)}")
    if copies_per_ul < 250:
        return "negative"
    return "+" if copies_per_ul <= 5000 else "++"
