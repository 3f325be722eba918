"""What holds for every case: the functions are total, monotone where the rules are, and blind to order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise, product
from typing import Any

import pytest

from micromet_path.clinical.case import Procedure, parse_case
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.clinical.casework import stage_case
from micromet_path.clinical.counting import category_by_size
from micromet_path.clinical.groups import shipped_table
from micromet_path.clinical.nodes import SectionFinding
from micromet_path.clinical.pn import NodeFact, assign_pn
from micromet_path.clinical.staging import anatomic_stage, prognostic_stage
from micromet_path.clinical.tnm import M_VALUES, N_VALUES, T_VALUES
from micromet_path.model import GapFinding
from tests.clinical.test_second_reading import random_case
from tests.clinical.test_staging_rules import GROUPS, ITC, MACRO, MEMBERS_N, MEMBERS_T, MICRO, NEGATIVE, section

STAGES = ("0", "IA", "IB", "IIA", "IIB", "IIIA", "IIIB", "IIIC", "IV")
HER2, RECEPTOR = ("positive", "negative", "equivocal-after-ish", "unknown"), ("positive", "negative", "unknown")

HAS_GROUP = {
    (t, n)
    for t_group, n_group, stage in (group.values for group in GROUPS)
    if stage is not None
    for t, n in product(MEMBERS_T.get(t_group, (t_group,)), MEMBERS_N[n_group])
}
"""Pairs of T and N that have a group in the table written by hand."""


# --- total -------------------------------------------------------------------------------------------


def test_the_anatomic_stage_is_total():
    for t, n, m in product(T_VALUES, N_VALUES, M_VALUES):
        stage = anatomic_stage(t, n, m)
        assert stage in STAGES if m == "M1" or (t, n) in HAS_GROUP else stage is None, (t, n, m)
        assert (stage == "IV") == (m == "M1")


@pytest.mark.parametrize("score", [None, 10, 11])
@pytest.mark.parametrize("kind", ["clinical", "pathological"])
def test_the_prognostic_stage_is_total(kind, score):
    markers = list(product((1, 2, 3, None), HER2, RECEPTOR, RECEPTOR))
    stageless = 0
    for t, n, m in product(T_VALUES, N_VALUES, M_VALUES):
        always = m == "M1" or (t == "Tis" and n in MEMBERS_N["N0"])
        never = not always and (t, n) not in HAS_GROUP
        small = t[:2] in ("T1", "T2") and n in MEMBERS_N["N0"] and kind == "pathological" and score == 10
        for grade, her2, er, pr in markers:
            stage = prognostic_stage(kind, t, n, m, grade, her2, er, pr, oncotype_score=score)
            is_low = small and er == "positive" and her2 in ("negative", "equivocal-after-ish")
            is_known = grade is not None and "unknown" not in (her2, er, pr)
            if always or (not never and (is_low or is_known)):
                assert stage in STAGES, (t, n, m, grade, her2, er, pr)
            else:
                assert stage is None, (t, n, m, grade, her2, er, pr)
                stageless += 1
    assert stageless > 10_000


# --- monotone groups ---------------------------------------------------------------------------------


def assert_never_falls(stages: Sequence[str | None], about: Any) -> None:
    """Stages in this order never fall; where there is no group nothing is compared."""
    defined = [STAGES.index(stage) for stage in stages if stage is not None]
    assert defined == sorted(defined), (about, stages)


def test_the_anatomic_stage_never_falls_with_n_or_t():
    ordered_n = [n for members in MEMBERS_N.values() for n in members]
    ordered_t = [t for t in T_VALUES if t not in ("TX", "T1", "T4")]
    for t in T_VALUES:
        assert_never_falls([anatomic_stage(t, n, "M0") for n in ordered_n], t)
    for n in ordered_n:
        assert_never_falls([anatomic_stage(t, n, "M0") for t in ordered_t], n)


def test_the_prognostic_stage_never_falls_with_bucket_or_grade_nor_without_a_receptor():
    """The table is monotone in each of its columns, though nothing says that it must be."""
    cells = shipped_table().cells
    columns = (("clinical", "pathological"), "ABCDE", (1, 2, 3), *[("positive", "negative")] * 3)
    for axis in range(1, len(columns)):
        others = [(None,) if place == axis else values for place, values in enumerate(columns)]
        for key in product(*others):
            row = [(*key[:axis], value, *key[axis + 1 :]) for value in columns[axis]]
            assert_never_falls([cells[cell] for cell in row], key)


# --- monotone pN -------------------------------------------------------------------------------------

# More disease to the right. The letters of N1 are not in the order of the alphabet alone: N1mi is less than N1a,
# N1a and N1b are other places (axilla; internal mammary), N1c is both. ITC are cells, a molecular assay only traces.
# Within N3 the rules have no order of severity: a level III node is N3a whatever else there is but a clinically
# detected internal mammary node, though N3b may have been there before it (see the one exception below).
RANKS = (
    *("NX", "N0", "N0(mol+)", "N0(i+)", "N1mi", "N1a", "N1b", "N1c"),
    *("N2a", "N2b", "N3a", "N3b", "N3c"),
)
CATEGORIES = ("negative", "itc", "micrometastasis", "macrometastasis")
FACTS: dict[str, dict[str, Any]] = {
    "axillary": {"station": "axillary-1"},
    "level III": {"station": "axillary-3"},
    "supraclavicular": {"station": "supraclavicular"},
    "im sentinel": {"station": "internal-mammary", "sentinel": True},
    "im clinical": {"station": "internal-mammary", "clinically_detected": True},
    "axillary, RT-PCR": {"station": "axillary-2", "rt_pcr_positive": True},
}
Nodes = tuple[tuple[str, str], ...]


@cache
def n_of(nodes: Nodes) -> str:
    facts = [NodeFact(node_id="1", category=category, **FACTS[place]) for place, category in nodes]
    return assign_pn(facts, Procedure()).pn_category[1:]


def states() -> Iterator[Nodes]:
    """Up to eleven axillary nodes of two kinds, with every set of single nodes elsewhere, ITC and negative ones."""
    single = [
        *((place, "micrometastasis") for place in FACTS if place.startswith(("level", "supra", "im"))),
        *(("axillary", "itc"), ("im sentinel", "itc"), ("axillary, RT-PCR", "negative"), ("axillary", "negative")),
    ]
    for n_micro, n_macro in product(range(12), range(12)):
        if n_micro + n_macro < 12:
            axilla = [("axillary", "micrometastasis")] * n_micro + [("axillary", "macrometastasis")] * n_macro
            for number in range(4):
                for others in combinations(single, number):
                    yield tuple(sorted([*axilla, *others]))


def worsened(nodes: Nodes) -> Iterator[tuple[str, Nodes]]:
    """Every way to make it worse by one step: one node's category rises, or one positive node is added."""
    for place, category in set(nodes):
        rest = list(nodes)
        rest.remove((place, category))
        for higher in CATEGORIES[CATEGORIES.index(category) + 1 :]:
            yield place, tuple(sorted([*rest, (place, higher)]))
    for place in FACTS:
        for category in CATEGORIES[2:]:
            yield place, tuple(sorted([*nodes, (place, category)]))


def test_pn_never_falls_when_a_category_rises_or_a_positive_node_is_added():
    falls = set()
    compared = 0
    for nodes in states():
        before = n_of(nodes)
        for place, worse in worsened(nodes):
            after = n_of(worse)
            compared += 1
            if RANKS.index(after) < RANKS.index(before):
                falls.add((before, after, place))
    n_of.cache_clear()
    assert compared > 100_000
    # Four axillary nodes with an internal mammary sentinel node are N3b (row 4); a level III node asked for before
    # that (row 2) makes the same axilla N3a. Both are N3, and of one stage group.
    assert falls == {("N3b", "N3a", "level III")}


def test_the_one_fall_within_n3():
    axilla = (("axillary", "macrometastasis"),) * 4 + (("im sentinel", "micrometastasis"),)
    assert (n_of(axilla), n_of((*axilla, ("level III", "micrometastasis")))) == ("N3b", "N3a")


def rank_of(stage: CaseStage) -> int:
    """Rank of pN; a case without pN is below all."""
    return -1 if stage.pn_category is None else RANKS.index(stage.pn_category.removeprefix("y")[1:])


def made_worse(rng: random.Random, case: dict[str, Any]) -> dict[str, Any]:
    """The same case with a higher category in one node, or with a positive node more."""
    nodes = [dict(node) for node in case["nodes"]]
    typed = [node for node in nodes if node.get("category") in CATEGORIES[:3]]
    if typed and rng.random() < 0.6:
        node = rng.choice(typed)
        node["category"] = rng.choice(CATEGORIES[CATEGORIES.index(node["category"]) + 1 :])
    else:
        nodes.append({"node_id": "one more", "category": rng.choice(CATEGORIES[2:])})
    return {**case, "nodes": nodes}


@pytest.mark.parametrize("block", range(5), ids="seed{}".format)
def test_a_worse_case_is_never_staged_lower(block):
    rng = random.Random(block)
    compared = 0
    for _ in range(300):
        case = random_case(rng)
        before, after = (stage_case(parse_case(one)) for one in (case, made_worse(rng, case)))
        ranks = (rank_of(before), rank_of(after))
        assert ranks[0] <= ranks[1] or {before.pn_category, after.pn_category} <= {"pN3a", "pN3b", "ypN3a", "ypN3b"}
        assert_never_falls([before.anatomic_stage, after.anatomic_stage], case)
        if case["procedure"].get("neoadjuvant") is not True:
            score = case["primary"].get("oncotype_score") or 11
            if score > 10:
                assert_never_falls([one.pathological_prognostic_stage for one in (before, after)], case)
        assert before.clinical_prognostic_stage == after.clinical_prognostic_stage
        compared += ranks[0] < ranks[1]
    assert compared > 30


# --- order -------------------------------------------------------------------------------------------


def values(stage: CaseStage) -> tuple[Any, ...]:
    """What a program reads of a case."""
    return (
        *(stage.pn_category, stage.suffixes, stage.status, stage.t, stage.m, stage.counts),
        *(stage.anatomic_stage, stage.clinical_prognostic_stage, stage.pathological_prognostic_stage),
        {change.condition: change.pn for change in stage.changes},
        {(caution.code, stage.pn_category) for caution in stage.cautions},
        {node.node.node_id: (node.category, node.size_mm, node.cells, node.is_confirmed) for node in stage.nodes},
    )


def words(stage: CaseStage) -> tuple[Any, ...]:
    """What a person reads of it."""
    return (stage.pn, set(stage.warnings), set(stage.reasons), stage.osna and stage.osna.total_copies_per_ul)


SAID = pytest.mark.parametrize("what", [values, words])


def shuffled(rng: random.Random, entries: Sequence[Any]) -> list[Any]:
    return rng.sample(list(entries), len(entries))


@SAID
def test_the_order_of_nodes_changes_nothing(what: Callable[[CaseStage], tuple[Any, ...]]):
    rng = random.Random(17)
    several = 0
    for _ in range(400):
        case = random_case(rng)
        other = {**case, "nodes": shuffled(rng, case["nodes"])}
        for rules in ("ajcc8-breast", "camelyon17"):
            first, second = (stage_case(parse_case({**one, "rules": rules})) for one in (case, other))
            assert what(first) == what(second), case["nodes"]
        several += len({node.get("category") for node in case["nodes"]}) > 1
    assert several > 100


GAPS_UM = (0.0, 7.0, 25.0, 50.0)


def random_section(rng: random.Random, name: str) -> SectionFinding:
    """A slide with foci of every size, one in eight without an answer."""
    near = [rng.choice([200.0, 2000.0]) * rng.uniform(0.8, 1.2) for _ in range(rng.randrange(2))]
    sizes = sorted([*near, *(10 ** rng.uniform(0.5, 3.6) for _ in range(rng.randrange(3)))], reverse=True)
    found = [ITC, MICRO, MACRO] if sizes else [NEGATIVE]
    # more is contiguous at a larger gap, so that no category is lower there
    categories = sorted((rng.choice(found) for _ in range(4)), key=lambda category: category.rank)
    gaps = tuple(GapFinding(gap, category, None) for gap, category in zip(GAPS_UM, categories, strict=True))
    return section(
        name,
        sizes,
        interval_um=[(size * rng.uniform(0.6, 1), size * rng.uniform(1, 1.6)) for size in sizes] or None,
        cells=[(cells, cells * 0.8, cells * 1.3) for cells in (rng.choice([5.0, 120.0, 180.0, 260.0]) for _ in sizes)],
        flags={"pigment_like": [float(rng.random() < 0.2) for _ in sizes]},
        finding={"by_gap": gaps, "scatter_extent_um": rng.choice([None, 500.0, 4800.0])},
        clone=rng.choice([None, "AE1/AE3", "CAM5.2"]),
        problem="it could not be read" if rng.random() < 0.12 else None,
        is_confirmed=rng.random() < 0.5,
    )


def staged(slides: dict[str, list[SectionFinding]], **facts: Any) -> CaseStage:
    nodes = [{"node_id": name, "slides": [{"result": one.result} for one in found]} for name, found in slides.items()]
    return stage_case(parse_case({"case_id": "A", "primary": {"pt": "T1c"}, "nodes": nodes, **facts}), slides)


@pytest.fixture(params=range(60), ids="seed{}".format)
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


@pytest.fixture
def slides(rng: random.Random) -> dict[str, list[SectionFinding]]:
    """Up to four nodes on up to four slides each."""
    return {
        str(node): [random_section(rng, f"{node}{letter}") for letter in "abcd"[: rng.randint(1, 4)]]
        for node in range(rng.randint(1, 4))
    }


@SAID
def test_the_order_of_slides_changes_nothing(rng, slides, what):
    other = {name: shuffled(rng, found) for name, found in slides.items()}
    assert what(staged(slides)) == what(staged(other))


def test_a_slide_more_never_lowers_a_node(rng, slides):
    for name, found in slides.items():
        readable = {name: [replace(one, problem=None) for one in found]}
        more = {name: [*readable[name], random_section(rng, "more")]}
        before, after = staged(readable), staged({name: [replace(one, problem=None) for one in more[name]]})
        assert rank_of(before) <= rank_of(after)
        worst = max((one.finding.category for one in more[name]), key=lambda category: category.rank)
        assert after.nodes[0].category == worst.value


def test_a_slide_that_says_nothing_leaves_the_case_incomplete(rng, slides):
    unread = {**slides, "0": [*slides["0"], section("unread", problem="it could not be read")]}
    before, after = staged(slides), staged(unread)
    assert after.status == "incomplete"
    assert after.pn.startswith(("at least ", "pN not assigned yet: "))
    if after.pn_category is None:
        assert before.pn_category in (None, "pN0", "pN0(i+)")
        assert after.anatomic_stage is None
    else:
        assert rank_of(after) == rank_of(before) >= RANKS.index("N1mi")


def test_what_would_change_pn_is_another_pn(slides):
    for stage in (staged(slides), staged(slides, procedure={"sentinel": True})):
        for change in stage.changes:
            assert change.pn not in (stage.pn, stage.pn.removeprefix("at least "))
        told = [change.condition for change in stage.changes]
        assert len(set(told)) == len(told)


@pytest.mark.parametrize(("edge", "name"), [(0, "lower"), (1, "upper")], ids=["lower", "upper"])
def test_what_sizes_at_the_ends_of_their_intervals_would_change(slides, edge, name):
    facts = []
    for found in slides.values():
        usable = [one.finding for one in found if one.problem is None]
        at_edge = [
            max(category_by_size(one.diameter_interval_um[edge]), one.category_by_cells, key=lambda value: value.rank)
            if one.diameter_interval_um
            else one.category
            for one in usable
        ]
        worst = max(at_edge, key=lambda category: category.rank, default=None)
        facts.append(NodeFact("1", "axillary-1", None if worst is None else worst.value))
    stage = staged(slides)
    expected = assign_pn(facts, Procedure()).pn_category
    if stage.pn_category is None:
        assert stage.changes == ()
        return
    told = [change.pn for change in stage.changes if f"{name} end" in change.condition]
    if expected == stage.pn_category:
        assert told == []
    elif stage.status != "incomplete":
        assert told == [expected]
    else:  # what is left of a case with a slide that says nothing is the least there is
        assert told == ["pN not assigned yet" if expected in ("pNX", "pN0", "pN0(i+)") else f"at least {expected}"]


def test_ranks_hold_every_value_of_pn():
    assert set(RANKS) == set(N_VALUES) - {"N1", "N2", "N3"}
    assert all(before != after for before, after in pairwise(RANKS))
