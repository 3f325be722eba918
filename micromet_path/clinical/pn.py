"""pN: from the categories of the nodes to the pathological category of the regional nodes.

The rules are rows of one table, asked in order; the first that holds decides. Positive nodes are those
with a micro- or macrometastasis; isolated tumour cells make a node examined, not positive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from micromet_path.clinical.case import AXILLARY_STATIONS, Procedure
from micromet_path.clinical.reasons import Caution, Reason

__all__ = ["PN", "PN_RULES_VERSION", "NodeFact", "assign_pn"]

PN_RULES_VERSION = "pn-ajcc8-breast/1"
AJCC = "AJCC Cancer Staging Manual, 8th edition (2017), breast"

_MACRO = frozenset({"macrometastasis", "positive"})
_POSITIVE = frozenset({"micrometastasis", "macrometastasis", "positive"})
_MOST_SENTINEL_NODES = 5


@dataclass(frozen=True, slots=True)
class NodeFact:
    """What the rules ask of a node; `category` is None where it is not known."""

    node_id: str
    station: str
    category: str | None
    sentinel: bool | None = None
    clinically_detected: bool | None = None
    rt_pcr_positive: bool | None = None


@dataclass(frozen=True, slots=True)
class PN:
    """The category of the regional nodes.

    Parameters
    ----------
    pn : str
        As it is printed: ``"pN1mi(sn)"``.
    pn_category : str
        Without suffixes: ``"pN1mi"``, ``"ypN0(i+)"``.
    suffixes : tuple of str
        ``"sn"`` or ``"f"``.
    grounds : tuple of Reason
        `reasons` has them as text.
    cautions : tuple of Caution
        `warnings` has them as text.
    """

    pn: str
    pn_category: str
    suffixes: tuple[str, ...] = ()
    grounds: tuple[Reason, ...] = ()
    cautions: tuple[Caution, ...] = ()

    def __str__(self) -> str:
        return self.pn

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why: facts, rule and source."""
        return tuple(str(reason) for reason in self.grounds)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks for caution."""
        return tuple(str(caution) for caution in self.cautions)


@dataclass(frozen=True, slots=True)
class _Counts:
    """The nodes, counted as the rules ask for them."""

    examined: int
    itc: int
    molecular: int
    axillary_micro: int
    axillary_macro: int
    level_3: int
    supraclavicular: int
    im_clinical: int
    im_other: int
    im_not_stated: bool
    im_detection_unknown: bool

    @property
    def n(self) -> int:
        """Positive axillary nodes."""
        return self.axillary_micro + self.axillary_macro

    @property
    def has_macro(self) -> bool:
        """Whether any of them holds a macrometastasis."""
        return self.axillary_macro > 0

    @property
    def axilla(self) -> str:
        """The positive axillary nodes in words."""
        if not self.n:
            return "no positive axillary node"
        nodes = f"{self.n} positive axillary node{'' if self.n == 1 else 's'}"
        return f"{nodes} ({self.axillary_macro} macro, {self.axillary_micro} micro)"


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table: when it holds, what follows, and what to say."""

    name: str
    holds: Callable[[_Counts], bool]
    value: str
    text: Callable[[_Counts], str]
    warnings: Callable[[_Counts], Iterator[Caution]] = lambda counts: iter(())


def _macro_wanting(counts: _Counts) -> Iterator[Caution]:
    if not counts.has_macro:
        yield Caution(
            "im_clinical_without_macro",
            "pN3b rests on a clinically detected internal mammary node; no axillary node holds a macrometastasis",
        )


def _detection_unstated(counts: _Counts) -> Iterator[Caution]:
    if counts.im_not_stated:
        yield Caution(
            "im_detection_unknown",
            "a positive internal mammary node is neither stated to be a sentinel node nor clinically detected; "
            "it is read as found by sentinel biopsy",
        )
    elif counts.im_detection_unknown:
        yield Caution(
            "im_detection_unknown",
            "whether a positive internal mammary sentinel node was clinically detected is not stated; "
            "it is read as not detected",
        )


def _undefined(counts: _Counts) -> Iterator[Caution]:
    yield Caution(
        "pn_subcategory_undefined",
        "micrometastases in axillary nodes with a positive internal mammary sentinel node have no subcategory in the "
        "8th edition; registries code pN1c",
    )
    yield from _detection_unstated(counts)


def _n3a_fits(counts: _Counts) -> Iterator[Caution]:
    if counts.n >= 10:
        yield Caution("pn3a_fits_too", "with ten or more positive axillary nodes pN3a fits as well as pN3b")
    yield from _detection_unstated(counts)


def _n3b_fits(counts: _Counts) -> Iterator[Caution]:
    if counts.im_detection_unknown:  # stated to be detected it would be pN3b
        yield from _detection_unstated(counts)
    if counts.im_other and counts.has_macro and counts.n >= 4:
        yield Caution(
            "pn3b_fits_too",
            f"with {counts.axilla} and a positive internal mammary sentinel node pN3b fits as well as pN3a",
        )


_TABLE = (
    _Row(
        "pN row 1",
        lambda c: c.supraclavicular > 0,
        "N3c",
        lambda c: "a supraclavicular node holds a metastasis",
    ),
    _Row(
        "pN row 2",
        lambda c: c.level_3 > 0 and c.im_clinical > 0,
        "N3b",
        lambda c: "a level III node and a clinically detected internal mammary node hold metastases",
    ),
    _Row("pN row 2", lambda c: c.level_3 > 0, "N3a", lambda c: "a level III node holds a metastasis", _n3b_fits),
    _Row(
        "pN row 3",
        lambda c: c.im_clinical > 0 and c.n == 0,
        "N2b",
        lambda c: f"a clinically detected internal mammary node holds a metastasis; {c.axilla}",
    ),
    _Row(
        "pN row 3",
        lambda c: c.im_clinical > 0,
        "N3b",
        lambda c: f"a clinically detected internal mammary node holds a metastasis, with {c.axilla}",
        _macro_wanting,
    ),
    _Row(
        "pN row 4",
        lambda c: c.im_other > 0 and c.n == 0,
        "N1b",
        lambda c: f"an internal mammary sentinel node holds a metastasis; {c.axilla}",
        _detection_unstated,
    ),
    _Row(
        "pN row 4",
        lambda c: c.im_other > 0 and not c.has_macro,
        "N1c",
        lambda c: f"an internal mammary sentinel node holds a metastasis, with {c.axilla}: no subcategory is defined",
        _undefined,
    ),
    _Row(
        "pN row 4",
        lambda c: c.im_other > 0 and c.n <= 3,
        "N1c",
        lambda c: f"an internal mammary sentinel node holds a metastasis, with {c.axilla}",
        _detection_unstated,
    ),
    _Row(
        "pN row 4",
        lambda c: c.im_other > 0,
        "N3b",
        lambda c: f"an internal mammary sentinel node holds a metastasis, with {c.axilla}",
        _n3a_fits,
    ),
    _Row(
        "pN row 5",
        lambda c: c.n >= 1 and not c.has_macro,
        "N1mi",
        lambda c: f"{c.axilla}: only micrometastases, however many nodes",
    ),
    _Row("pN row 6", lambda c: c.n >= 10, "N3a", lambda c: f"{c.axilla}: ten or more, at least one macrometastasis"),
    _Row("pN row 6", lambda c: c.n >= 4, "N2a", lambda c: f"{c.axilla}: four to nine, at least one macrometastasis"),
    _Row("pN row 6", lambda c: c.n >= 1, "N1a", lambda c: f"{c.axilla}: one to three, at least one macrometastasis"),
    _Row(
        "pN row 7",
        lambda c: c.itc > 0,
        "N0(i+)",
        lambda c: f"no positive node; isolated tumour cells in {c.itc} of {c.examined} examined",
    ),
    _Row(
        "pN row 8",
        lambda c: c.molecular > 0,
        "N0(mol+)",
        lambda c: f"no tumour cells in {c.examined} examined; a molecular assay is positive",
    ),
    _Row("pN row 9", lambda c: c.examined > 0, "N0", lambda c: f"no tumour cells in {c.examined} examined"),
    _Row("pN row 10", lambda c: True, "NX", lambda c: "no regional node was examined"),
)


def assign_pn(nodes: Sequence[NodeFact], procedure: Procedure) -> PN:
    """Assign pN to nodes whose categories are known; those that are not play no part.

    Parameters
    ----------
    nodes : sequence of NodeFact
        In any order.
    procedure : Procedure

    Returns
    -------
    PN
    """
    regional = [node for node in nodes if node.station != "contralateral"]
    counts = _count(regional)
    row = next(row for row in _TABLE if row.holds(counts))
    prefix = "yp" if procedure.neoadjuvant else "p"
    category = prefix + row.value
    suffixes, why = _suffixes(row.value, len(regional), procedure)
    warnings = [*row.warnings(counts), *_warnings(nodes, regional, procedure)]
    shown = category
    is_undefined = any(warning.code == "pn_subcategory_undefined" for warning in warnings)
    if is_undefined:
        shown = f"{prefix}N1, subcategory undefined (registries: {category})"
    marks = "".join(f"({suffix})" for suffix in suffixes)
    return PN(
        pn=f"{shown}, {marks}" if is_undefined and marks else shown + marks,
        pn_category=category,
        suffixes=suffixes,
        grounds=(Reason("pN", f"{category}, as {row.text(counts)}", row.name, AJCC), *why),
        cautions=tuple(warnings),
    )


def _count(regional: Sequence[NodeFact]) -> _Counts:
    examined = [node for node in regional if node.category not in (None, "not_assessable")]
    positive = [node for node in examined if node.category in _POSITIVE]
    axillary = [node for node in positive if node.station in AXILLARY_STATIONS]
    mammary = [node for node in positive if node.station == "internal-mammary"]
    clinical = [node for node in mammary if node.clinically_detected]
    n_macro = sum(node.category in _MACRO for node in axillary)
    return _Counts(
        examined=len(examined),
        itc=sum(node.category == "itc" for node in examined),
        molecular=sum(node.rt_pcr_positive is True for node in examined),
        axillary_micro=len(axillary) - n_macro,
        axillary_macro=n_macro,
        level_3=sum(node.station == "axillary-3" for node in positive),
        supraclavicular=sum(node.station == "supraclavicular" for node in positive),
        im_clinical=len(clinical),
        im_other=len(mammary) - len(clinical),
        im_not_stated=not any(node.sentinel for node in mammary),
        im_detection_unknown=any(node.clinically_detected is None for node in mammary),
    )


def _suffixes(value: str, n_listed: int, procedure: Procedure) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
    """(f) or (sn), and why; neither where no node was examined."""
    if value == "NX":
        return (), ()
    if procedure.needle_only:
        if value.startswith("N0"):
            return (), ()
        return ("f",), (Reason("pN", "(f), as the metastasis is confirmed only by needle", "pN suffix f", AJCC),)
    if not procedure.sentinel:
        return (), ()
    removed = n_listed if procedure.nodes_removed is None else procedure.nodes_removed
    if procedure.completion_dissection:
        return (), (Reason("pN", "no (sn), as a completion dissection was done", "pN suffix sn", AJCC),)
    if removed > _MOST_SENTINEL_NODES:
        return (), (Reason("pN", f"no (sn), as {removed} nodes were removed, six or more", "pN suffix sn", AJCC),)
    text = f"(sn), as a sentinel procedure removed {removed} node{'' if removed == 1 else 's'}, fewer than six"
    return ("sn",), (Reason("pN", text, "pN suffix sn", AJCC),)


def _warnings(nodes: Sequence[NodeFact], regional: Sequence[NodeFact], procedure: Procedure) -> Iterator[Caution]:
    for node in nodes:
        if node.station == "contralateral" and node.category in _POSITIVE:
            yield Caution("contralateral_is_m1", f"node {node.node_id} is contralateral: its metastasis is M1, not N")
        if node.category in (None, "not_assessable"):
            yield Caution("not_assessable", f"node {node.node_id} is not known; it is not among those examined")
        if node.category == "positive":
            yield Caution(
                "size_not_stated",
                f"node {node.node_id} is positive without a size; it counts like a macrometastasis, as in registries",
            )
    if procedure.nodes_removed is not None and procedure.nodes_removed != len(regional):
        yield Caution(
            "nodes_removed_unlike_listed",
            f"nodes removed: {procedure.nodes_removed}, listed: {len(regional)}",
        )
    unknown = sorted(node.node_id for node in regional if node.station == "unknown")
    if unknown:
        named = f"node{'' if len(unknown) == 1 else 's'} {', '.join(unknown)}"
        yield Caution("station_unknown", f"the station of {named} is not known; it is read as axillary level I or II")
    if procedure.needle_only and regional and not any(node.category in _POSITIVE for node in regional):
        yield Caution(
            "needle_only_negative", "nodes were sampled by needle only; a needle does not show that a node is free"
        )
    if procedure.sentinel is None and any(node.sentinel for node in regional):
        yield Caution(
            "sentinel_procedure_not_stated",
            "sentinel nodes are listed, but not whether this was a sentinel procedure; (sn) is not added",
        )
