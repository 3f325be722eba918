"""What a laboratory knows of a case: the case file, as records.

Every fact may be left out or given as ``"unknown"``; what is unknown is never guessed, and what follows
from its absence is said. A node is described in one of three ways: by its category, by size and cells
typed by hand, or by the analysed slides it was seen on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from micromet_path.clinical.tnm import m_value, n_value, prefix_of, t_value
from micromet_path.errors import ConfigError
from micromet_path.parsing import parse_record, short

__all__ = [
    "AXILLARY_STATIONS",
    "Case",
    "Node",
    "Primary",
    "Procedure",
    "RuleBook",
    "SlideReference",
    "Station",
    "parse_case",
    "parse_node",
    "parse_procedure",
]

RuleBook = Literal["ajcc8-breast", "camelyon17"]
Station = Literal[
    "axillary-1",
    "axillary-2",
    "axillary-3",
    "interpectoral",
    "intramammary",
    "axillary-fat-nodule",
    "internal-mammary",
    "supraclavicular",
    "contralateral",
    "unknown",
]
NodeWord = Literal[
    "negative", "itc", "micro", "macro", "micrometastasis", "macrometastasis", "positive", "not_assessable"
]
Receptor = Literal["positive", "negative", "unknown"]
Her2 = Literal["positive", "negative", "equivocal-after-ish", "unknown"]

AXILLARY_STATIONS = frozenset(
    {"axillary-1", "axillary-2", "interpectoral", "intramammary", "axillary-fat-nodule", "unknown"}
)
"""Levels I and II; intramammary nodes are axillary, internal mammary ones are not. One that is stated to be unknown
counts among them, with a warning."""

_LARGEST_NODE_MM = 100.0  # 250 is a size in microns
_LARGEST_PRIMARY_MM = 300.0
_TNM_FIELDS = (
    ("pt", t_value, ("", "p", "yp")),
    ("ct", t_value, ("", "c")),
    ("cn", n_value, ("", "c")),
    ("cm", m_value, ("", "c", "p")),
    ("m", m_value, ("", "c", "p")),
)
_IN_FULL = {"micro": "micrometastasis", "macro": "macrometastasis"}
_NAMES = {"case_id", "node_id", "result"}
_PLAIN = frozenset({str, float, int, bool})  # most of a file; to ask for a mapping takes longer


@dataclass(frozen=True, slots=True)
class Primary:
    """The primary tumour and the patient's facts.

    Parameters
    ----------
    pt : str or None
        Pathological T such as ``"T1c"`` (a prefix is allowed).
    size_mm : float or None
        Largest diameter of the invasive primary; gives T where `pt` is not stated.
    ct, cn, cm : str or None
        Clinical T, N and M before treatment; the clinical prognostic stage needs all three.
    m : str or None
        M; M0 when not stated.
    grade : {1, 2, 3} or None
        Nottingham grade.
    er, pr : {"positive", "negative", "unknown"}
    her2 : {"positive", "negative", "equivocal-after-ish", "unknown"}
        Equivocal only after in-situ hybridisation; immunohistochemistry 2+ alone is unknown.
    oncotype_score : int or None
        Oncotype DX recurrence score, 0-100.
    ki67_percent : float or None
    histology : str or None
    surgery : {"breast-conserving", "mastectomy", "none"} or None
        ``"none"``: the primary was not resected, so that a sentinel biopsy is clinical (cN).
    whole_breast_radiotherapy : bool or None
    age : int or None
        Years.
    """

    pt: str | None = None
    size_mm: float | None = None
    ct: str | None = None
    cn: str | None = None
    cm: str | None = None
    m: str | None = None
    grade: int | None = None
    er: Receptor = "unknown"
    pr: Receptor = "unknown"
    her2: Her2 = "unknown"
    oncotype_score: int | None = None
    ki67_percent: float | None = None
    histology: str | None = None
    surgery: Literal["breast-conserving", "mastectomy", "none"] | None = None
    whole_breast_radiotherapy: bool | None = None
    age: int | None = None

    def __post_init__(self) -> None:
        for name, check, prefixes in _TNM_FIELDS:
            text = getattr(self, name)
            if text is not None:
                _naming(f"primary.{name}", check, text)
                if prefix_of(text) not in prefixes:
                    allowed = " or ".join(prefix for prefix in prefixes if prefix)
                    raise ConfigError(
                        f"primary.{name}: {short(text)} is of another kind; write {allowed} before it, or nothing"
                    )
        _within("primary.size_mm", self.size_mm, 0, _LARGEST_PRIMARY_MM, "in millimetres", is_low_allowed=False)
        _within("primary.grade", self.grade, 1, 3)
        _within("primary.oncotype_score", self.oncotype_score, 0, 100)
        _within("primary.ki67_percent", self.ki67_percent, 0, 100)
        _within("primary.age", self.age, 0, 130, "in years")


@dataclass(frozen=True, slots=True)
class Procedure:
    """What was done to the lymph nodes.

    Parameters
    ----------
    sentinel : bool or None
        Whether this is a sentinel node procedure.
    completion_dissection : bool or None
    nodes_removed : int or None
        In all; the listed nodes are counted where it is not stated.
    neoadjuvant : bool or None
        Whether systemic treatment came before surgery.
    needle_only : bool or None
        Whether the nodes were only sampled by needle.
    extranodal_extension : {"absent", "present"}, float or None
        A number is its extent in mm.
    """

    sentinel: bool | None = None
    completion_dissection: bool | None = None
    nodes_removed: int | None = None
    neoadjuvant: bool | None = None
    needle_only: bool | None = None
    extranodal_extension: Literal["absent", "present"] | float | None = None

    def __post_init__(self) -> None:
        _within("procedure.nodes_removed", self.nodes_removed, 0, 200)
        if isinstance(self.extranodal_extension, float | int):
            _within("procedure.extranodal_extension", self.extranodal_extension, 0, _LARGEST_NODE_MM, "in millimetres")


@dataclass(frozen=True, slots=True)
class SlideReference:
    """An analysed slide on which a node is seen.

    Parameters
    ----------
    result : str
        Folder of the result, from the case file's own folder; or its slide id in the folder given with
        ``--results``.
    pieces : tuple of int, "all" or None
        Pieces of tissue on the slide that belong to the node. Needed where the slide holds several.
    section, block : str or None
    clone : str or None
        Of the cytokeratin antibody; it sets which mimics to expect.
    control_result : {"passed", "failed"} or None
        A failed control makes the slide not assessable.
    """

    result: str
    pieces: Literal["all"] | tuple[int, ...] | None = None
    section: str | int | None = None
    block: str | int | None = None
    clone: str | None = None
    control_result: Literal["passed", "failed"] | None = None

    def __post_init__(self) -> None:
        _require_text("result", self.result)
        if isinstance(self.pieces, tuple) and (not self.pieces or len(set(self.pieces)) < len(self.pieces)):
            raise ConfigError(f"pieces must be a list of different piece ids or 'all', found {list(self.pieces)}")


@dataclass(frozen=True, slots=True)
class Node:
    """A lymph node.

    Parameters
    ----------
    node_id : str
    station : Station
        Where it lay; axillary level I where nothing is said.
    sentinel, clinically_detected : bool or None
    category : str or None
        What a pathologist says; ``"positive"`` is a metastasis whose size is not stated. ``"micro"`` and
        ``"macro"`` are kept in full.
    size_mm, cells : float, int or None
        Largest contiguous focus of the worst section in millimetres, and tumour cells on that section.
    slides : tuple of SlideReference
    detected_by : {"he", "ihc-only"} or None
    osna_copies_per_ul : float or None
        CK19 mRNA by one-step nucleic acid amplification; reported beside pN.
    rt_pcr_positive : bool or None
    confirmed : bool or None
        Whether a pathologist confirmed the finding.
    """

    node_id: str
    station: Station = "axillary-1"
    sentinel: bool | None = None
    clinically_detected: bool | None = None
    category: NodeWord | None = None
    size_mm: float | None = None
    cells: int | None = None
    slides: tuple[SlideReference, ...] = ()
    detected_by: Literal["he", "ihc-only"] | None = None
    osna_copies_per_ul: float | None = None
    rt_pcr_positive: bool | None = None
    confirmed: bool | None = None

    def __post_init__(self) -> None:
        _require_text("node_id", self.node_id)
        if self.category in _IN_FULL:
            object.__setattr__(self, "category", _IN_FULL[self.category])
        _within(f"node {self.node_id}: size_mm", self.size_mm, 0, _LARGEST_NODE_MM, "in millimetres")
        _within(f"node {self.node_id}: cells", self.cells, 0, 10_000_000)
        _within(f"node {self.node_id}: osna_copies_per_ul", self.osna_copies_per_ul, 0, 1e12)
        given = [self.category is not None, self.size_mm is not None or self.cells is not None, bool(self.slides)]
        if sum(given) > 1:
            raise ConfigError(
                f"node {self.node_id}: found more than one of category, size_mm with cells, and slides; give one"
            )


@dataclass(frozen=True, slots=True)
class Case:
    """A patient's case, as the case file states it.

    Parameters
    ----------
    case_id : str
    rules : {"ajcc8-breast", "camelyon17"}
    expected_slides : int or None
        Slides there should be; with fewer the category is not assigned.
    primary : Primary
    procedure : Procedure
    nodes : tuple of Node
    """

    case_id: str
    rules: RuleBook = "ajcc8-breast"
    expected_slides: int | None = None
    primary: Primary = field(default_factory=Primary)
    procedure: Procedure = field(default_factory=Procedure)
    nodes: tuple[Node, ...] = ()

    def __post_init__(self) -> None:
        _require_text("case_id", self.case_id)
        _within("expected_slides", self.expected_slides, 0, 10_000)
        pt = self.primary.pt
        if pt is not None and prefix_of(pt) == "yp" and not self.procedure.neoadjuvant:
            raise ConfigError(
                f"primary.pt {short(pt)} is after treatment; state procedure.neoadjuvant = true, or write pT"
            )
        seen: set[str] = set()
        for node in self.nodes:
            if node.node_id in seen:
                raise ConfigError(f"nodes: {node.node_id!r} is listed twice; list a node once, with all its slides")
            seen.add(node.node_id)


def parse_case(content: Mapping[str, Any] | Case, source: str = "case") -> Case:
    """The case that nested tables describe.

    Raises
    ------
    ConfigError
        Naming the field, what was found and what is allowed.

    Examples
    --------
    >>> parse_case({"case_id": "A", "nodes": [{"node_id": "1", "size_mm": 0.9}]}).nodes[0].size_mm
    0.9
    >>> parse_case({"case_id": "A", "nodes": [{"node_id": "1", "size_mm": 250}]})
    Traceback (most recent call last):
        ...
    micromet_path.errors.ConfigError: case: nodes[1]: node 1: size_mm must be 0 to 100, in millimetres; found 250
    """
    return content if isinstance(content, Case) else parse_record(Case, content, source, _without_unknown)


def parse_node(content: Mapping[str, Any] | Node, number: int = 1) -> Node:
    """One node; a missing `node_id` becomes its number."""
    if isinstance(content, Node):
        return content
    if isinstance(content, Mapping):
        content = {"node_id": str(number), **content}
    return parse_record(Node, content, f"node {number}", _without_unknown)


def parse_procedure(content: Mapping[str, Any] | Procedure | None) -> Procedure:
    """What was done; nothing is known of it when None."""
    if isinstance(content, Procedure):
        return content
    return parse_record(Procedure, {} if content is None else content, "procedure", _without_unknown)


def _without_unknown(content: Any) -> Any:
    """The same tables without what is stated to be unknown; a station that is unknown stays, to be told."""
    if type(content) in _PLAIN:
        return content
    if isinstance(content, Mapping):
        return {
            key: value if type(value) in _PLAIN else _without_unknown(value)
            for key, value in content.items()
            if key in _NAMES or not (value is None or (value == "unknown" and key != "station"))
        }
    if isinstance(content, list | tuple):
        return [_without_unknown(entry) for entry in content]
    return content


def _naming(name: str, check: Any, text: str) -> None:
    """Run a check whose error does not know the field."""
    try:
        check(text)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def _within(
    name: str, value: float | None, low: float, high: float, unit: str = "", is_low_allowed: bool = True
) -> None:
    """Refuse a number out of range, or none at all (NaN)."""
    if value is None or (low <= value <= high and (is_low_allowed or value > low)):
        return
    from_low = f"{low:g}" if is_low_allowed else f"above {low:g}"
    found = f"{value:g}" if isinstance(value, float) or abs(value) < 1e15 else "a number of many digits"
    raise ConfigError(f"{name} must be {from_low} to {high:g}{f', {unit}' if unit else ''}; found {found}")


def _require_text(name: str, text: str) -> None:
    """Refuse a name that is empty, endless or not one line."""
    if not text.strip() or len(text) > 200 or not text.isprintable():
        raise ConfigError(f"{name} must be one line of 1 to 200 characters, found {text[:40]!r}")


STATIONS: tuple[str, ...] = get_args(Station)
