"""A case step by step: nodes, pN, T, M, stage groups, and what could change them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum

from micromet_path.clinical.case import Case, Primary, Procedure
from micromet_path.clinical.case_stage import CaseStage, Change, OsnaLoad, Status
from micromet_path.clinical.groups import (
    PrognosticTable,
    anatomic_group,
    is_low_oncotype,
    missing_facts,
    prognostic_group,
    shipped_table,
    table_version,
)
from micromet_path.clinical.nodes import NodeCounts, NodeFinding, SectionFinding, judge_node, node_category
from micromet_path.clinical.pn import AJCC, PN, PN_RULES_VERSION, NodeFact, assign_pn
from micromet_path.clinical.reasons import Caution, Reason
from micromet_path.clinical.staging import camelyon17_stage, osna_class
from micromet_path.clinical.tnm import m_value, n_group, n_value, t_from_size, t_group, t_value
from micromet_path.model import Category

__all__ = ["stage_case"]

_CAMELYON17 = "CAMELYON17 challenge (Bandi et al. 2019, IEEE Trans Med Imaging)"
_CAMELYON17_VERSION = "camelyon17/1"
_CAMELYON17_NODES = 5
_GAPS_OF_JUDGEMENT_UM = (7.0, 50.0)
_IV_TEXT = "IV, as M1"
_NOT_POSITIVE = ("NX", "N0", "N0(i+)", "N0(mol+)")


def stage_case(
    case: Case,
    sections: Mapping[str, Sequence[SectionFinding]] | None = None,
    table: PrognosticTable | None = None,
    problems: Sequence[str] = (),
    remarks: Sequence[Caution] = (),
) -> CaseStage:
    """Stage a case.

    Parameters
    ----------
    case : Case
    sections : mapping of str to sequence of SectionFinding, optional
        What the slides of each node show, by node id; for the nodes that name slides.
    table : PrognosticTable, optional
        A laboratory's own.
    problems : sequence of str, optional
        Why the case is not complete, besides what its nodes say.
    remarks : sequence of Caution, optional
        What a reader should know besides.

    Returns
    -------
    CaseStage
        The order of nodes, and of slides within them, changes nothing but the order of the reasons.
    """
    found = tuple(judge_node(node, (sections or {}).get(node.node_id, ())) for node in case.nodes)
    counts = _counts(case, found)
    problems = sorted({*(problem for finding in found for problem in finding.problems), *problems})
    if case.expected_slides and not case.nodes:
        problems.append(f"0 of {case.expected_slides} slides, and no node is listed")
    if counts.slides_expected is not None and (counts.slides_read or 0) < counts.slides_expected:
        problems = [f"{counts.slides_read} of {counts.slides_expected} slides", *problems]
    if case.rules == "camelyon17":
        stage = _camelyon17(case, found, counts, problems)
    else:
        stage = _ajcc(case, found, counts, problems, table or shipped_table())
    return replace(stage, cautions=(*stage.cautions, *remarks))


def _ajcc(
    case: Case, found: tuple[NodeFinding, ...], counts: NodeCounts, problems: list[str], table: PrognosticTable
) -> CaseStage:
    """Every step in order: nodes, pN, T, M, groups."""
    primary, procedure = case.primary, case.procedure
    assigned = assign_pn(_facts(found), procedure)
    t, t_reasons, t_warnings = _t_of(primary, procedure)
    m, m_reasons = _m_of(primary, procedure, found)
    pn, category, doubt = _settled(assigned, t, primary, procedure, problems)
    osna = _osna(case)
    n = None if category is None else n_value(category)
    anatomic, anatomic_reason = _anatomic(t, n, m, procedure)
    pathological, pathological_reason = _pathological(t, n, m, primary, procedure, table)
    clinical, clinical_reason = _clinical(primary, table)
    return CaseStage(
        case=case,
        status=_status(found, problems, category),
        pn=pn,
        pn_category=category,
        suffixes=assigned.suffixes if category is not None else (),
        t=t,
        m=m,
        anatomic_stage=anatomic,
        clinical_prognostic_stage=clinical,
        pathological_prognostic_stage=pathological,
        nodes=found,
        counts=counts,
        changes=() if category is None else tuple(_changes(found, procedure, assigned, is_complete=not problems)),
        osna=osna,
        grounds=(
            *(reason for finding in found for reason in finding.reasons),
            *(assigned.grounds if category is not None else ()),
            *t_reasons,
            *m_reasons,
            anatomic_reason,
            clinical_reason,
            pathological_reason,
        ),
        cautions=tuple(
            dict.fromkeys(
                (
                    *doubt,
                    *assigned.cautions,
                    *t_warnings,
                    *_case_warnings(case, found),
                    *_group_warnings(t, n, m, anatomic, procedure),
                    *(warning for finding in found for warning in finding.warnings),
                    *_osna_warnings(case, osna),
                )
            )
        ),
        rules_version=f"{PN_RULES_VERSION}, {table_version('anatomic_8th')}, {table.version}",
    )


def _facts(found: Sequence[NodeFinding]) -> list[NodeFact]:
    return [finding.fact(finding.category) for finding in found]


def _counts(case: Case, found: Sequence[NodeFinding]) -> NodeCounts:
    """Nodes and slides in numbers."""
    regional = [finding for finding in found if finding.node.station != "contralateral"]
    examined = [finding for finding in regional if finding.category is not None]
    by_category = {
        name: sum(finding.category in names for finding in examined)
        for name, names in (
            ("macro", ("macrometastasis", "positive")),
            ("micro", ("micrometastasis",)),
            ("itc", ("itc",)),
        )
    }
    sentinel = [finding for finding in examined if finding.node.sentinel]
    n_unstated = sum(finding.node.sentinel is None for finding in regional)
    is_unknown = bool(regional) and n_unstated == len(regional)
    named = {reference.result for node in case.nodes for reference in node.slides}
    unread = {one.fingerprint for finding in found for one in finding.sections if one.problem is not None}
    known = {one.fingerprint for finding in found for one in finding.sections}
    wanting = sum(max(0, len(finding.node.slides) - len(finding.sections)) for finding in found)
    return NodeCounts(
        listed=len(regional),
        examined=len(examined),
        with_macro=by_category["macro"],
        with_micro=by_category["micro"],
        with_itc=by_category["itc"],
        sentinel_examined=None if is_unknown else len(sentinel),
        sentinel_positive=None if is_unknown else sum(_is_positive(finding.category) for finding in sentinel),
        largest_mm=max((finding.size_mm for finding in examined if finding.size_mm), default=None),
        slides_expected=max(case.expected_slides or 0, len(known) + wanting) if named else None,
        slides_read=len(known - unread) if named else None,
        sentinel_not_stated=n_unstated,
    )


def _settled(
    assigned: PN, t: str | None, primary: Primary, procedure: Procedure, problems: Sequence[str]
) -> tuple[str, str | None, list[Caution]]:
    """PN as it is printed and its category, or why it cannot be assigned."""
    if procedure.needle_only and t is None:
        text = "cN, not pN: nodes sampled by needle, and no pT is stated"
        return text, None, [Caution("clinical_n", "(f) needs a pT; without it what the needle found is cN")]
    if primary.surgery == "none":
        text = "cN, not pN: the primary was not resected"
        return text, None, [Caution("clinical_n", "a sentinel biopsy without resection of the primary is cN")]
    doubt = []
    if t is None:
        doubt.append(
            Caution("pt_not_stated", "no pT is stated; pN supposes that the primary was resected, else it would be cN")
        )
    if not problems:
        return assigned.pn, assigned.pn_category, doubt
    doubt += [Caution("incomplete", problem) for problem in problems]
    if n_value(assigned.pn_category) in _NOT_POSITIVE:
        return f"pN not assigned yet: {'; '.join(problems)}", None, doubt
    doubt.append(Caution("at_least", "pN is a minimum, and so are the stage groups that rest on it"))
    return f"at least {assigned.pn}", assigned.pn_category, doubt


def _status(found: Sequence[NodeFinding], problems: Sequence[str], category: str | None) -> Status:
    if problems or category is None:
        return "incomplete"
    return "confirmed" if found and all(finding.is_confirmed for finding in found) else "suggested"


def _t_of(primary: Primary, procedure: Procedure) -> tuple[str | None, list[Reason], list[Caution]]:
    """Pathological T, stated or from the size."""
    prefix = "yp" if procedure.neoadjuvant else "p"
    by_size = None if primary.size_mm is None else t_from_size(primary.size_mm)
    if primary.pt is None:
        if by_size is None:
            return None, [], []
        text = f"{prefix}{by_size}, as the invasive primary measures {primary.size_mm:.12g} mm"
        return by_size, [Reason("T", text, "T by size", AJCC)], []
    t = t_value(primary.pt)
    warnings = []
    if by_size is not None and t_group(t) not in ("T4", "TX") and t not in (by_size, t_group(by_size)):
        warnings.append(
            Caution("t_unlike_size", f"pT is stated as {t}, {primary.size_mm:.12g} mm would be {by_size}; {t} is used")
        )
    return t, [Reason("T", f"{prefix}{t}, as stated", "T stated", "case file")], warnings


def _m_of(primary: Primary, procedure: Procedure, found: Sequence[NodeFinding]) -> tuple[str, list[Reason]]:
    """M: stated, or M1 by a contralateral node, or M0 where nothing is stated."""
    contralateral = min(
        (one.node.node_id for one in found if one.node.station == "contralateral" and _is_positive(one.category)),
        default=None,
    )
    if contralateral is not None:
        text = f"M1, as the contralateral node {contralateral} holds a metastasis"
        return "M1", [Reason("M", text, "M contralateral", AJCC)]
    stated = [m_value(text) for text in (primary.m, primary.cm) if text is not None]
    if procedure.neoadjuvant and "M1" in stated:
        return "M1", [Reason("M", "M1 before treatment stays M1", "M after treatment", AJCC)]
    if stated:
        return stated[0], [Reason("M", f"{stated[0]}, as stated", "M stated", "case file")]
    return "M0", [Reason("M", "M0, as no distant metastasis is stated", "M default", AJCC)]


def _is_positive(category: str | None) -> bool:
    return category not in (None, "negative", "itc")


def _anatomic(t: str | None, n: str | None, m: str, procedure: Procedure) -> tuple[str | None, Reason]:
    """Anatomic stage group and why."""
    about, rule = "anatomic stage", f"anatomic stage {table_version('anatomic_8th')}"
    if m == "M1":
        return "IV", Reason(about, _IV_TEXT, rule, AJCC)
    if t is None or n is None:
        return None, Reason(about, f"no group: {_lacking(t, n)}", rule, AJCC)
    if _is_complete_response(t, n, procedure):
        return None, Reason(about, f"no group: yp{t} yp{n} after treatment has none", rule, AJCC)
    stage = anatomic_group(t, n, m)
    text = f"no group is defined for {t} {n} {m}" if stage is None else f"{stage}, as {t} {n} {m}"
    return stage, Reason(about, text, rule, AJCC)


def _is_complete_response(t: str, n: str, procedure: Procedure) -> bool:
    """ypT0 or ypTis with ypN0: no residual invasive tumour, and no stage group, never 0."""
    return bool(procedure.neoadjuvant) and t in ("T0", "Tis") and n_group(n) == "N0"


def _pathological(
    t: str | None, n: str | None, m: str, primary: Primary, procedure: Procedure, table: PrognosticTable
) -> tuple[str | None, Reason]:
    """Pathological prognostic stage and why."""
    about, rule = "pathological prognostic stage", f"prognostic stage {table.version}"
    if procedure.neoadjuvant:
        return None, Reason(about, "none after neoadjuvant treatment", rule, AJCC)
    if m == "M1":
        return "IV", Reason(about, _IV_TEXT, rule, AJCC)
    if t is None or n is None:
        return None, Reason(about, f"none: {_lacking(t, n)}", rule, AJCC)
    stage = _prognostic("pathological", (t, n, m), primary, table)
    if is_low_oncotype(t, n, primary.her2, primary.er, primary.oncotype_score):
        text = f"IA, as {t} {n} M0, ER positive, HER2 negative, with an Oncotype DX score of {primary.oncotype_score}"
        return stage, Reason(about, text, "Oncotype DX below 11", AJCC)
    return stage, Reason(about, _prognostic_text(stage, (t, n, m), primary), rule, AJCC)


def _clinical(primary: Primary, table: PrognosticTable) -> tuple[str | None, Reason]:
    """Clinical prognostic stage and why: from cT, cN and cM alone, never from pT and pN."""
    about, rule = "clinical prognostic stage", f"prognostic stage {table.version}"
    if primary.ct is None or primary.cn is None or primary.cm is None:
        wanting = [
            name for name, value in (("cT", primary.ct), ("cN", primary.cn), ("cM", primary.cm)) if value is None
        ]
        text = f"none: needs cT and cN, and cM, from before treatment; {', '.join(wanting)} not stated"
        return None, Reason(about, text, rule, AJCC)
    tnm = (t_value(primary.ct), n_value(primary.cn), m_value(primary.cm))
    stage = _prognostic("clinical", tnm, primary, table)
    return stage, Reason(about, _prognostic_text(stage, tnm, primary, "c"), rule, AJCC)


def _prognostic(kind: str, tnm: tuple[str, str, str], primary: Primary, table: PrognosticTable) -> str | None:
    receptors = (primary.her2, primary.er, primary.pr)
    return prognostic_group(kind, tnm, primary.grade, receptors, primary.oncotype_score, table)


def _prognostic_text(stage: str | None, tnm: tuple[str, str, str], primary: Primary, prefix: str = "") -> str:
    """The cell of the table, or what is missing."""
    where = " ".join(f"{prefix}{value}" for value in tnm)
    if stage == "IV":
        return _IV_TEXT
    missing = missing_facts(primary.grade, primary.her2, primary.er, primary.pr)
    if anatomic_group(*tnm) is None:  # the groups of both schemes are defined for the same T and N
        return f"no group is defined for {where}"
    if stage is not None and missing:
        return f"{stage}, as {where}"
    if stage is not None:
        facts = f"grade {primary.grade}, HER2 {primary.her2}, ER {primary.er}, PR {primary.pr}"
        return f"{stage}, as {where}, {facts}"
    return f"none: {', '.join(missing)} not known"


def _lacking(t: str | None, n: str | None) -> str:
    wanting = [name for name, value in (("pT", t), ("pN", n)) if value is None]
    return f"{' and '.join(wanting)} not known"


def _case_warnings(case: Case, found: Sequence[NodeFinding]) -> Iterator[Caution]:
    """What is doubtful of the case as a whole."""
    unconfirmed = sorted(
        one.node.node_id for one in found if not one.is_confirmed and one.category not in (None, "negative")
    )
    if unconfirmed:
        yield Caution(
            "unconfirmed",
            f"suggested category: the finding in {_nodes(unconfirmed)} is not confirmed as tumour",
        )
    if case.expected_slides is not None and not any(node.slides for node in case.nodes):
        yield Caution(
            "slides_not_named", f"{case.expected_slides} slides are expected, but no node names slides; not checked"
        )
    primary = case.primary
    missing = missing_facts(primary.grade, primary.her2, primary.er, primary.pr)
    if missing and case.rules == "ajcc8-breast":
        text = f"{', '.join(missing)} not known: there may be no prognostic stage; the anatomic one stands"
        yield Caution("missing_fact", text)
    if case.procedure.neoadjuvant:
        yield Caution("no_rcb", "after treatment: sizes of nodal deposits are no measurement of residual cancer burden")
    if primary.m is not None and primary.cm is not None and m_value(primary.m) != m_value(primary.cm):
        yield Caution("m_unlike_cm", f"M is stated as {m_value(primary.m)} and cM as {m_value(primary.cm)}; look again")
    sized_by_program = [one for one in found if one.deciding is not None and not one.is_confirmed]
    if any(one.category not in (None, "negative") for one in sized_by_program):
        yield _unseen(case.procedure)
    if case.procedure.extranodal_extension not in (None, "absent", 0):  # 0 mm
        yield Caution("extranodal_extension", "extranodal extension is stated; it does not change pN by itself")


def _unseen(procedure: Procedure) -> Caution:
    """What belongs to a deposit, or not, that no picture of keratin shows."""
    fibrosis = (
        "fibrosis around a deposit does not belong to its size after treatment"
        if procedure.neoadjuvant
        else "contiguous fibrosis around a deposit belongs to its size"
    )
    return Caution(
        "not_seen_by_program",
        f"sizes are those of keratin-stained foci: {fibrosis}, and extranodal extension is not inferred; "
        "the program sees neither, a pathologist outlines what belongs to the deposit",
    )


def _nodes(names: Sequence[str]) -> str:
    """Nodes by name."""
    return f"node{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _group_warnings(
    t: str | None, n: str | None, m: str, anatomic: str | None, procedure: Procedure
) -> Iterator[Caution]:
    """A combination of T and N that has no group."""
    if t is None or n is None or m == "M1" or anatomic is not None:
        return
    if _is_complete_response(t, n, procedure):
        residual = "; isolated tumour cells are residual disease, not a complete response" if n == "N0(i+)" else ""
        yield Caution("no_group_after_treatment", f"yp{t} yp{n} has no stage group{residual}")
    else:
        yield Caution("undefined_combination", f"no stage group is defined for {t} {n} {m}")


def _changes(found: Sequence[NodeFinding], procedure: Procedure, assigned: PN, is_complete: bool) -> Iterator[Change]:
    """What pN would be if foci further apart were one, at either end of the intervals, and if everything counted."""
    for other, condition in _other_values(found, procedure, assigned):
        if is_complete:
            yield Change(other.pn, condition)
        elif n_value(other.pn_category) in _NOT_POSITIVE:
            yield Change("pN not assigned yet", condition)
        else:
            yield Change(f"at least {other.pn}", condition)


def _other_values(found: Sequence[NodeFinding], procedure: Procedure, assigned: PN) -> Iterator[tuple[PN, str]]:
    """Another pN, and the condition under which it holds."""
    before, stated = assigned.pn, _facts(found)
    for gap in sorted({gap for finding in found for gap in finding.by_gap}):
        if not _GAPS_OF_JUDGEMENT_UM[0] <= gap <= _GAPS_OF_JUDGEMENT_UM[1]:
            continue
        at_gap = [finding.fact(_worse(finding.category, finding.by_gap.get(gap))) for finding in found]
        other = assign_pn(at_gap, procedure)
        if other.pn != before:
            yield other, f"foci up to {gap:g} um apart count as one"
            before = other.pn
    conditions = {
        "sizes are at the lower end of their intervals": [finding.fact(_at_edge(finding, 0)) for finding in found],
        "sizes are at the upper end of their intervals": [finding.fact(_at_edge(finding, 1)) for finding in found],
        "everything that was not counted is tumour": [
            finding.fact(_worse(finding.category, finding.if_all_counted)) for finding in found
        ],
    }
    undetected = sorted(fact.node_id for fact in stated if _is_detection_unknown(fact))
    if undetected:
        conditions[f"{_nodes(undetected)} had been clinically detected"] = [
            replace(fact, clinically_detected=True) if _is_detection_unknown(fact) else fact for fact in stated
        ]
    for condition, facts in conditions.items():
        other = assigned if facts == stated else assign_pn(facts, procedure)
        if other.pn != assigned.pn:
            yield other, condition


def _is_detection_unknown(fact: NodeFact) -> bool:
    """Whether it matters, and is not stated, that a node was clinically detected."""
    is_mammary = fact.station == "internal-mammary" and _is_positive(fact.category)
    return is_mammary and fact.clinically_detected is None


def _worse(category: str | None, other: str | None) -> str | None:
    """The more severe of a node's category and what it could be."""
    if category is None or other is None or category == "positive":
        return category
    return max(category, other, key=lambda value: Category(value).rank)


def _at_edge(finding: NodeFinding, edge: int) -> str | None:
    """Category if the size that decides were at one end of its interval."""
    usable = [one.finding for one in finding.sections if one.problem is None]
    if finding.category is None or not usable:
        return finding.category
    at_edge = [
        one.category
        if one.diameter_interval_um is None
        else max(
            node_category(one.diameter_interval_um[edge] / 1000, None), one.category_by_cells, key=lambda it: it.rank
        )
        for one in usable
    ]
    return max(at_edge, key=lambda category: category.rank).value


def _osna(case: Case) -> OsnaLoad | None:
    measured = [(node.node_id, node.osna_copies_per_ul) for node in case.nodes if node.osna_copies_per_ul is not None]
    if not measured:
        return None
    return OsnaLoad(
        fsum(copies for _, copies in measured), tuple((name, osna_class(value)) for name, value in measured)
    )


def _osna_warnings(case: Case, osna: OsnaLoad | None) -> Iterator[Caution]:
    if osna is None:
        return
    yield Caution(
        "osna_beside_pn",
        f"total tumour load by OSNA {osna.total_copies_per_ul:.12g} copies/uL; it is kept beside pN and is not "
        "pN0(mol+). CK19-negative tumours are missed by it",
    )
    for node in case.nodes:
        if node.osna_copies_per_ul == 5000:
            yield Caution(
                "osna_at_limit", f"node {node.node_id}: exactly 5000 copies/uL; publications differ on its class"
            )


def _camelyon17(case: Case, found: tuple[NodeFinding, ...], counts: NodeCounts, problems: list[str]) -> CaseStage:
    """The rule book of the challenge: categories in, one of five stages out."""
    known = [Category(one.category) for one in found if one.category not in (None, "positive")]
    unsized = sorted(one.node.node_id for one in found if one.category == "positive")
    problems = problems + [f"node {name} is positive without a size" for name in unsized]
    stage = camelyon17_stage(known) if known else None
    is_negative = stage in (None, "pN0", "pN0(i+)")
    category = None if problems and is_negative else stage
    pn = category or f"pN not assigned yet: {'; '.join(problems) or 'no node is listed'}"
    cautions = [Caution("incomplete", problem) for problem in problems]
    if len(found) != _CAMELYON17_NODES:
        cautions.append(Caution("not_five_nodes", f"CAMELYON17 stages five nodes a patient, found {len(found)}"))
    cautions += [*_case_warnings(case, found), *(warning for one in found for warning in one.warnings)]
    reason = Reason("pN", f"{pn} by the counts of {len(known)} nodes", "CAMELYON17", _CAMELYON17)
    return CaseStage(
        case=case,
        status=_status(found, problems, category),
        pn=f"at least {pn}" if problems and category else pn,
        pn_category=category,
        suffixes=(),
        t=None,
        m="M0",
        anatomic_stage=None,
        clinical_prognostic_stage=None,
        pathological_prognostic_stage=None,
        nodes=found,
        counts=counts,
        changes=(),
        osna=_osna(case),
        grounds=(*(item for one in found for item in one.reasons), reason),
        cautions=tuple(dict.fromkeys(cautions)),
        rules_version=_CAMELYON17_VERSION,
    )
