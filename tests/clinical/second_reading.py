"""A second reading of the staging rules, written apart from the package and only to judge it.

Nothing here imports the package or is imported by it. The rules are read once more from their text, in the order in
which the text gives them, as plain chains of conditions over plain dicts and strings, so that a randomised test can
put both readings side by side. Where the text leaves a choice, the comment at the line says what was decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]

# Level I-II with interpectoral and intramammary nodes; a tumour nodule in axillary fat counts as a node of the axilla.
AX = ("axillary-1", "axillary-2", "interpectoral", "intramammary", "axillary-fat-nodule")
STATIONS = (*AX, "axillary-3", "internal-mammary", "supraclavicular", "contralateral")

# "positive" is positive with the size not stated, which registries count like a macrometastasis.
MACRO_TYPE = ("macrometastasis", "positive")
POSITIVE = ("micrometastasis", *MACRO_TYPE)
CATEGORIES = ("negative", "itc", *POSITIVE, "not_assessable")


# --- one node --------------------------------------------------------------------------------------------------------


def node_category(size_mm: float | None, cells: int | None) -> str:
    """Category of one node from its largest contiguous focus and the cells on one section, both unrounded."""
    size = size_mm or 0.0
    count = cells or 0
    if size > 2.0:  # exactly 2.0 mm is still a micrometastasis
        return "macrometastasis"
    if size > 0.2 or count > 200:  # exactly 0.2 mm with exactly 200 cells is ITC
        return "micrometastasis"
    if size > 0.0 or count >= 1:  # a focus that has a size has at least one cell
        return "itc"
    return "negative"


def _category(node: Facts) -> str:
    category = node.get("category")
    size, cells = node.get("size_mm"), node.get("cells")
    measured = size is not None or cells is not None
    if category is not None and category not in CATEGORIES:
        raise ValueError(f"unknown category {category!r}")
    if category == "positive" and measured:  # the size is stated after all
        return node_category(size, cells)
    if category is not None:  # the pathologist's word goes before a measurement
        return str(category)
    if measured:
        return node_category(size, cells)
    return "not_assessable"  # nothing stated at all: a missing finding is never a negative node


def _station(node: Facts) -> str:
    station = node.get("station") or "axillary-1"
    if station == "unknown":  # read as axillary, with a warning
        return "axillary-1"
    if station not in STATIONS:
        raise ValueError(f"unknown station {station!r}")
    return str(station)


def _regional(nodes: Sequence[Facts]) -> list[Facts]:
    return [node for node in nodes if _station(node) != "contralateral"]  # contralateral nodes are M, not N


def _examined(nodes: Sequence[Facts]) -> list[Facts]:
    return [node for node in nodes if _category(node) != "not_assessable"]


def _positive(nodes: Sequence[Facts]) -> list[Facts]:
    return [node for node in nodes if _category(node) in POSITIVE]  # micro + macro; ITC is examined, not positive


def _at(nodes: Sequence[Facts], *stations: str) -> list[Facts]:
    return [node for node in nodes if _station(node) in stations]


# --- pN --------------------------------------------------------------------------------------------------------------


def pathologic_n(nodes: Sequence[Facts], procedure: Facts | None = None) -> tuple[str, tuple[str, ...], set[str]]:
    """Value ("pN1mi", "ypN0(i+)"), its ordered suffixes and short codes of what a reader must be warned of."""
    facts = procedure or {}
    value, warnings = _n_value(_regional(nodes))
    warnings |= _other_warnings(nodes, facts)
    prefix = "yp" if facts.get("neoadjuvant") is True else "p"  # unknown is read as primary surgery
    return prefix + value, _suffixes(nodes, facts), warnings


def _n_value(nodes: Sequence[Facts]) -> tuple[str, set[str]]:
    positive = _positive(nodes)
    ax = _at(positive, *AX)
    n = len(ax)
    macro = any(_category(node) in MACRO_TYPE for node in ax)
    # An internal mammary node with ITC only is not in `positive`: it makes neither kind of "im".
    # Whether it was detected clinically must be stated; unknown is "not".
    im = _at(positive, "internal-mammary")
    im_clinical = any(node.get("clinically_detected") is True for node in im)

    # Row 1: a positive supraclavicular node.
    if _at(positive, "supraclavicular"):
        return "N3c", set()
    # Row 2: a positive node of level III; together with clinically detected internal mammary nodes it is N3b.
    if _at(positive, "axillary-3"):
        return ("N3b" if im_clinical else "N3a"), set()
    # Row 3: internal mammary node detected clinically.
    if im_clinical:
        return _n_im_clinical(n, macro)
    # Row 4: internal mammary node found as a sentinel, not clinically.
    if im:
        return _n_im_sentinel(n, macro, im)
    # Row 5: axillary nodes positive, none with a macrometastasis, however many.
    if n >= 1 and not macro:
        return "N1mi", set()
    # Row 6: axillary nodes with at least one macrometastasis; the micrometastases then count too.
    if n >= 10:
        return "N3a", set()
    if n >= 4:
        return "N2a", set()
    if n >= 1:
        return "N1a", set()
    return _n_without_positive(_examined(nodes)), set()


def _n_im_clinical(n: int, macro: bool) -> tuple[str, set[str]]:
    if n == 0:
        return "N2b", set()
    return "N3b", (set() if macro else {"im-clinical-without-macro"})


def _n_im_sentinel(n: int, macro: bool, im: Sequence[Facts]) -> tuple[str, set[str]]:
    # Neither a sentinel nor detected clinically is in no row: taken here too, as "not clinically detected".
    warnings = set() if any(node.get("sentinel") is True for node in im) else {"im-not-stated-as-sentinel"}
    if n == 0:
        return "N1b", warnings
    if not macro:  # micrometastases only: no subcategory, not even with ten of them
        return "N1c", warnings | {"undefined-subcategory"}
    if n <= 3:
        return "N1c", warnings
    if n >= 10:
        return "N3b", warnings | {"pN3a-fits-too"}
    return "N3b", warnings


def _n_without_positive(examined: Sequence[Facts]) -> str:
    # Row 7: ITC in any regional node, which wins over a molecular finding.
    if any(_category(node) == "itc" for node in examined):
        return "N0(i+)"
    # Row 8: RT-PCR positive in an examined regional node. OSNA is not this assay and stays beside pN.
    if any(node.get("rt_pcr_positive") is True for node in examined):
        return "N0(mol+)"
    # Row 9: at least one regional node examined.
    if examined:
        return "N0"
    # Row 10: none examined.
    return "NX"


def _removed(nodes: Sequence[Facts], procedure: Facts) -> int:
    stated = procedure.get("nodes_removed")
    # Without a stated number: every listed regional node, assessable or not. "In all" is sentinel and other nodes of
    # this side together; a contralateral node is no part of N, so it does not count towards six.
    return len(_regional(nodes)) if stated is None else int(stated)


def _suffixes(nodes: Sequence[Facts], procedure: Facts) -> tuple[str, ...]:
    # (f): only a needle. It excludes (sn): with a sentinel node taken out it would not be the needle only.
    if procedure.get("needle_only") is True:
        return ("f",)
    # (sn): sentinel procedure, fewer than six removed, no completion dissection (not stated: none was done).
    if procedure.get("sentinel") is not True or procedure.get("completion_dissection") is True:
        return ()
    return ("sn",) if _removed(nodes, procedure) < 6 else ()


def _other_warnings(nodes: Sequence[Facts], procedure: Facts) -> set[str]:
    warnings = set()
    if len(_examined(nodes)) < len(nodes):
        warnings.add("not-assessable")
    if _positive(_at(nodes, "contralateral")):
        warnings.add("contralateral-is-M1")
    if _removed(nodes, procedure) != len(_regional(nodes)):
        warnings.add("nodes-removed-unlike-listed")
    return warnings


# --- stage groups ----------------------------------------------------------------------------------------------------


def t_from_size(size_mm: float) -> str:
    """T of an invasive primary by its size in mm, unrounded; Tis and T4 need more than a size."""
    if math.isnan(size_mm) or size_mm < 0:
        raise ValueError(f"not a size: {size_mm!r}")
    if size_mm == 0:  # no invasive tumour is no microinvasion
        return "T0"
    if size_mm <= 1:
        return "T1mi"
    if size_mm <= 5:
        return "T1a"
    if size_mm <= 10:
        return "T1b"
    if size_mm <= 20:
        return "T1c"
    if size_mm <= 50:
        return "T2"
    return "T3"


def _t_group(t: str) -> str:
    """Tis, T0, T1 (with T1mi, T1a-c), T2, T3, T4 (with T4a-d), or "" for TX and anything else."""
    if t.startswith("Tis"):
        return "Tis"
    return t[:2] if t[:2] in ("T0", "T1", "T2", "T3", "T4") else ""


def _n_group(n: str) -> str:
    """N0 (with (i+) and (mol+)), N1mi, N1, N2, N3, or "" for NX and anything else."""
    if n.startswith("N1mi"):
        return "N1mi"
    return n[:2] if n[:2] in ("N0", "N1", "N2", "N3") else ""


def anatomic_stage(t: str, n: str, m: str) -> str | None:
    """Anatomic stage group, or None where there is none."""
    tumour, node = _t_group(t), _n_group(n)
    # Any M1, whatever T and N are, also TX and NX.
    if m.startswith("M1"):
        return "IV"
    # M0(i+) is M0; an M that says nothing, and TX or NX, give no group.
    if not m.startswith("M0") or not tumour or not node:
        return None
    # Tis without nodes is 0, with any positive node nothing (this goes before "any T N3"); T0 N0 is nothing.
    if tumour == "Tis":
        return "0" if node == "N0" else None
    if tumour == "T0" and node == "N0":
        return None
    return _invasive_group(tumour, node)


def _invasive_group(tumour: str, node: str) -> str | None:
    # T1 N0.
    if tumour == "T1" and node == "N0":
        return "IA"
    # T0-1 N1mi: the only place where N1mi is IB.
    if tumour in ("T0", "T1") and node == "N1mi":
        return "IB"
    # T0-1 N1 and T2 N0.
    if (tumour in ("T0", "T1") and node == "N1") or (tumour == "T2" and node == "N0"):
        return "IIA"
    # T2 N1 with N1mi, and T3 N0.
    if (tumour == "T2" and node in ("N1mi", "N1")) or (tumour == "T3" and node == "N0"):
        return "IIB"
    # T3 N1 with N1mi, and T0-3 N2.
    if (tumour == "T3" and node in ("N1mi", "N1")) or (tumour in ("T0", "T1", "T2", "T3") and node == "N2"):
        return "IIIA"
    # T4 N0-2 with N1mi.
    if tumour == "T4" and node in ("N0", "N1mi", "N1", "N2"):
        return "IIIB"
    # Any T with N3.
    return "IIIC" if node == "N3" else None


def _bucket(tumour: str, node: str) -> str | None:
    # A: T1 N0 and T0-1 N1mi.
    if (tumour == "T1" and node == "N0") or (tumour in ("T0", "T1") and node == "N1mi"):
        return "A"
    # B: T0-1 N1 and T2 N0.
    if (tumour in ("T0", "T1") and node == "N1") or (tumour == "T2" and node == "N0"):
        return "B"
    # C: T2 N1 with N1mi, and T3 N0.
    if (tumour == "T2" and node in ("N1mi", "N1")) or (tumour == "T3" and node == "N0"):
        return "C"
    # D: T0-2 N2, T3 N1 with N1mi, and T3 N2.
    if (tumour in ("T0", "T1", "T2") and node == "N2") or (tumour == "T3" and node in ("N1mi", "N1", "N2")):
        return "D"
    # E: T4 N0-2 (N1mi lies between N0 and N2), and any T N3; Tis with nodes and TX have no group at all.
    if tumour == "T4" and node in ("N0", "N1mi", "N1", "N2"):
        return "E"
    return "E" if node == "N3" and tumour in ("T0", "T1", "T2", "T3", "T4") else None


def prognostic_stage(
    table: Sequence[Mapping[str, str]],
    kind: str,
    t: str,
    n: str,
    m: str,
    grade: int | str | None,
    her2: str | None,
    er: str | None,
    pr: str | None,
    oncotype_score: float | None = None,
) -> str | None:
    """Clinical or pathological prognostic stage from the table's rows, or None where there is none."""
    if kind not in ("clinical", "pathological"):
        raise ValueError(f"unknown kind {kind!r}")
    tumour, node = _t_group(t), _n_group(n)
    # Any M1 is IV and Tis N0 M0 is 0; neither asks for grade or receptors, so unknown ones do not matter.
    if m.startswith("M1"):
        return "IV"
    if not m.startswith("M0"):
        return None
    if tumour == "Tis" and node == "N0":
        return "0"
    bucket = _bucket(tumour, node)
    if bucket is None:
        return None
    receptor = "negative" if her2 == "equivocal-after-ish" else her2  # equivocal without ISH stays unknown
    # Low Oncotype DX score, pathological only: grade and PR are no part of this rule, so they may be unknown.
    if kind == "pathological" and _low_score(tumour, node, receptor, er, oncotype_score):
        return "IA"
    return _look_up(table, (kind, bucket, str(grade), receptor, er, pr))


def _low_score(tumour: str, node: str, her2: str | None, er: str | None, score: float | None) -> bool:
    # Score under 11, T1-2 N0 (M0 is known here), ER positive, HER2 negative; exactly 11 is not under 11.
    if score is None or score >= 11:
        return False
    return tumour in ("T1", "T2") and node == "N0" and er == "positive" and her2 == "negative"


def _look_up(table: Sequence[Mapping[str, str]], key: tuple[str | None, ...]) -> str | None:
    # An unknown grade, HER2, ER or PR is in no row: no prognostic stage.
    columns = ("kind", "bucket", "grade", "her2", "er", "pr")
    for row in table:
        if tuple(row[column] for column in columns) == key:
            return row["stage"]
    return None


# --- a case ----------------------------------------------------------------------------------------------------------


def _plain(value: Any, letter: str) -> str | None:
    """The category from its letter on ("ypT1c" and "T1c" are "T1c"), without (sn) and (f); None when not stated."""
    if not isinstance(value, str) or letter not in value:
        return None
    return value[value.index(letter) :].replace("(sn)", "").replace("(f)", "")


def _t_of_case(primary: Facts) -> str | None:
    stated = _plain(primary.get("pt"), "T")
    if stated is not None:
        return stated
    size = primary.get("size_mm")
    return None if size is None else t_from_size(size)


def _m_of_case(primary: Facts, nodes: Sequence[Facts], neoadjuvant: bool) -> str:
    found = [_plain(primary.get(key), "M") for key in ("m", "cm")]
    known = [m for m in found if m is not None and m != "MX"]
    # A positive contralateral node is M1.
    if _positive(_at(nodes, "contralateral")):
        return "M1"
    # M1 before neoadjuvant treatment stays, whatever is found afterwards.
    if neoadjuvant and "M1" in known:
        return "M1"
    # Otherwise M as stated, then the clinical one; unknown is clinical M0 by default.
    return known[0] if known else "M0"


def _pn_of_case(nodes: Sequence[Facts], procedure: Facts, t: str | None) -> tuple[str, tuple[str, ...]] | None:
    # A node that could not be assessed (on any side) and no positive regional one: nothing is assigned yet.
    if len(_examined(nodes)) < len(nodes) and not _positive(_regional(nodes)):
        return None
    # Without a pT, a needle or a sentinel biopsy (no completion dissection) gives a cN and no pN.
    needle = procedure.get("needle_only") is True
    sentinel = procedure.get("sentinel") is True and procedure.get("completion_dissection") is not True
    if t is None and (needle or sentinel):
        return None
    value, suffixes, _ = pathologic_n(nodes, procedure)
    return value, suffixes


def _printed(value: str, suffixes: tuple[str, ...], undefined: bool) -> str:
    full = value + "".join(f"({suffix})" for suffix in suffixes)
    if not undefined:
        return full
    # The suffix stands at the registries' value, the only one of the two that is a category.
    return f"{value.removesuffix('c')}, subcategory undefined (registries: {full})"


def _anatomic_of_case(t: str, n: str, m: str, neoadjuvant: bool) -> str | None:
    # ypT0 or ypTis with ypN0 (ITC or a molecular finding only is an N0, too) has no stage group, never 0.
    if neoadjuvant and not m.startswith("M1") and _t_group(t) in ("T0", "Tis") and _n_group(n) == "N0":
        return None
    return anatomic_stage(t, n, m)


def _clinical_of_case(table: Sequence[Mapping[str, str]], primary: Facts) -> str | None:
    # Needs cT, cN and cM, never pT and pN; it is settled before treatment and stays after a neoadjuvant one.
    t, n, m = (_plain(primary.get(key), letter) for key, letter in (("ct", "T"), ("cn", "N"), ("cm", "M")))
    if t is None or n is None or m is None:
        return None
    return prognostic_stage(table, "clinical", t, n, m, *_markers(primary))


def _markers(primary: Facts) -> tuple[int | str | None, str | None, str | None, str | None]:
    return primary.get("grade"), primary.get("her2"), primary.get("er"), primary.get("pr")


def case_stage(table: Sequence[Mapping[str, str]], case: Facts) -> dict[str, Any]:
    """Every category and stage of one case; None where the rules give none."""
    primary: Facts = case.get("primary") or {}
    procedure: Facts = case.get("procedure") or {}
    nodes: Sequence[Facts] = case.get("nodes") or []
    neoadjuvant = procedure.get("neoadjuvant") is True
    t = _t_of_case(primary)
    m = _m_of_case(primary, nodes, neoadjuvant)
    category, suffixes = _pn_of_case(nodes, procedure, t) or (None, ())
    undefined = "undefined-subcategory" in pathologic_n(nodes, procedure)[2]
    plain_t, plain_n = t or "TX", _plain(category, "N") or "NX"
    pathological = None  # none at all after neoadjuvant treatment, M1 included
    if not neoadjuvant:
        score = primary.get("oncotype_score")
        pathological = prognostic_stage(table, "pathological", plain_t, plain_n, m, *_markers(primary), score)
    return {
        "pn": None if category is None else _printed(category, suffixes, undefined),
        "pn_category": category,
        "suffixes": suffixes,
        "t": None if t is None else ("yp" if neoadjuvant else "p") + t,
        "anatomic_stage": _anatomic_of_case(plain_t, plain_n, m, neoadjuvant),
        "clinical_prognostic_stage": _clinical_of_case(table, primary),
        "pathological_prognostic_stage": pathological,
    }


# --- CAMELYON17 ------------------------------------------------------------------------------------------------------


def camelyon17_stage(categories: Sequence[str]) -> str:
    """Patient stage of the CAMELYON17 rule book from the labels of its node slides."""
    if not categories or any(label not in CATEGORIES[:4] for label in categories):
        raise ValueError(f"not node labels: {categories!r}")
    positives = sum(label in ("micrometastasis", "macrometastasis") for label in categories)
    macro = "macrometastasis" in categories
    # No positive node: ITC or nothing.
    if positives == 0:
        return "pN0(i+)" if "itc" in categories else "pN0"
    # Micrometastases only, however many.
    if not macro:
        return "pN1mi"
    # With a macrometastasis: one to three positive nodes, four or more.
    return "pN1" if positives <= 3 else "pN2"
