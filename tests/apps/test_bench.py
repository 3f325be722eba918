"""The benchmark of accuracy: what is matched, how figures are made, and the command from outside."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import isnan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from micromet_path.api import SlideResult, analyze
from micromet_path.apps.bench import DEFAULT_SLIDES, FIRST_SEED
from micromet_path.apps.bench.asked import ALL, ASKED, Measure
from micromet_path.apps.bench.judge import compare
from micromet_path.apps.bench.matching import COVERED_SHARE, OWN_SHARE, Matching, Spans, match, overlap_of
from micromet_path.apps.bench.measures import focus_confusion, measure_all, slide_confusion
from micromet_path.apps.bench.records import FalseRow, FocusRow, NodeRow, SlideOutcome, SlideRow
from micromet_path.apps.bench.running import masks_of
from micromet_path.apps.bench.sides import Subject
from micromet_path.apps.bench.statistics import bootstrap_over_slides, cohen_kappa, proportion
from micromet_path.apps.bench.suite import NEGATIVE_BATCH, PROFILES, Request, plan
from micromet_path.apps.bench.tables import Report, csv_files, markdown, plain, to_json
from micromet_path.apps.cli.main import main
from micromet_path.apps.samples import SamplePaths, SampleSpec
from micromet_path.errors import ConfigError

# -- matching ------------------------------------------------------------------------------------


def spans_of(labels: np.ndarray) -> Spans:
    """Runs of equal labels, row by row; -1 is nothing. Runs are shuffled: their order means nothing."""
    runs = []
    for row, line in enumerate(labels):
        edges = [0, *(np.flatnonzero(np.diff(line)) + 1), len(line)]
        runs += [(row, start, stop, line[start]) for start, stop in pairwise(edges) if line[start] >= 0]
    runs = np.random.default_rng(0).permutation(np.array(runs, dtype=np.int64).reshape(-1, 4))
    return Spans(*runs.T)


def blobs(rng: np.random.Generator, n_labels: int) -> np.ndarray:
    """Labels in patches of some size, and nothing between."""
    coarse = rng.integers(-2, n_labels, size=(9, 11))
    return np.maximum(np.kron(coarse, np.ones((4, 3), np.int64)), -1)


def matched(truth: np.ndarray, found: np.ndarray) -> Matching:
    first, second = spans_of(truth), spans_of(found)
    sizes = [first.area_px(int(truth.max()) + 1), second.area_px(int(found.max()) + 1)]
    return match(overlap_of(first, second), *sizes)


def drawing(*rows: str) -> np.ndarray:
    """Labels from digits; a blank is nothing."""
    return np.array([[-1 if sign == " " else int(sign) for sign in row] for row in rows])


@pytest.mark.parametrize("seed", range(20))
def test_shared_pixels_are_those_that_both_label(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = blobs(rng, 5), np.roll(blobs(rng, 7), rng.integers(0, 3), axis=1)

    overlap = overlap_of(spans_of(truth), spans_of(found))

    both = (truth >= 0) & (found >= 0)
    counted = Counter(zip(truth[both].tolist(), found[both].tolist(), strict=True))
    pairs = zip(overlap.first.tolist(), overlap.second.tolist(), strict=True)
    assert dict(zip(pairs, overlap.pixels.tolist(), strict=True)) == counted


@pytest.mark.parametrize("seed", range(20))
def test_matching_is_what_loops_over_pixels_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = blobs(rng, 6), np.roll(blobs(rng, 40), rng.integers(0, 3), axis=0)

    matching = matched(truth, found)

    for focus in range(int(truth.max()) + 1):
        shared = Counter(found[truth == focus].tolist())
        size = (truth == focus).sum()
        own = [
            thing for thing, n in shared.items()
            if thing >= 0 and (n >= COVERED_SHARE * size or n >= OWN_SHARE * (found == thing).sum())
        ]  # fmt: skip
        assert sorted(matching.parts[focus]) == sorted(own)
        covered = sum(shared[thing] for thing in own)
        assert (matching.holder[focus] >= 0) == (size > 0 and covered >= COVERED_SHARE * size)
        if matching.holder[focus] >= 0:
            assert shared[int(matching.holder[focus])] == max(shared[thing] for thing in own)
        for thing in range(int(found.max()) + 1):
            assert (focus in matching.focus_of[thing]) == (thing in own)


@pytest.mark.parametrize(
    ("truth", "found", "relations", "n_false"),
    [
        pytest.param("000 111", "000 111", ["one", "one"], 0, id="each its own"),
        pytest.param("000 111", "000    ", ["one", "missed"], 0, id="missed"),
        pytest.param("00000  ", "00 11  ", ["split"], 0, id="split"),
        pytest.param("000 111", "0000000", ["merged", "merged"], 0, id="merged"),
        pytest.param("000    ", "000  11", ["one"], 1, id="false beside a focus"),
        pytest.param("       ", "000  11", [], 2, id="nothing is there"),
        pytest.param("000 111", "       ", ["missed", "missed"], 0, id="nothing is found"),
        pytest.param("0" * 30, "0" + " " * 29, ["missed"], 0, id="a crumb does not stand for it"),
        pytest.param("0" * 30 + " ", "0" + " " * 9 + "1" * 20 + " ", ["split"], 0, id="a crumb is a part"),
        pytest.param("0" * 20 + " " * 20, " " * 19 + "0" * 21, ["missed"], 1, id="a sheet that only touches"),
    ],
)
def test_drawn_cases(truth: str, found: str, relations: list[str], n_false: int) -> None:
    matching = matched(drawing(truth), drawing(found))

    assert [matching.relation(focus) for focus in range(len(relations))] == relations
    assert matching.is_false.sum() == n_false


# -- statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        pytest.param(81, 263, 0.2553, 0.3662, id="Newcombe 1998, table I"),
        pytest.param(15, 148, 0.0624, 0.1605, id="Newcombe 1998, second row"),
        pytest.param(0, 20, 0.0, 0.1611, id="Newcombe 1998, none of 20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="Newcombe 1998, 1 of 29"),
    ],
)
def test_wilson_intervals_are_the_published_ones(successes: int, n: int, low: float, high: float) -> None:
    share = proportion(successes, n)

    assert (share.value, share.n) == (successes / n, n)
    assert (share.low, share.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (7, 7), (3, 17), (1999, 2000)])
def test_wilson_intervals_follow_the_formula(successes: int, n: int) -> None:
    z, share = 1.959963984540054, successes / n
    middle, half = share + z**2 / (2 * n), z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))

    found = proportion(successes, n)

    assert (found.low, found.high) == pytest.approx(
        [(middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)]
    )


def test_a_share_of_nothing_is_no_number() -> None:
    assert isnan(proportion(0, 0).value)


def from_table(table: list[list[int]]) -> np.ndarray:
    """Pairs of judgements that give a table."""
    return np.array([(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]).T


def test_kappa_of_a_known_table() -> None:
    assert cohen_kappa(*from_table([[20, 5], [10, 15]]), 2) == pytest.approx(0.4)  # 0.7 agree, 0.5 by chance
    assert cohen_kappa(*from_table([[45, 15], [25, 15]]), 2) == pytest.approx(6 / 46)  # 0.60 and 0.54
    assert cohen_kappa(*from_table([[25, 35], [5, 35]]), 2) == pytest.approx(7 / 27)  # 0.60 and 0.46


@pytest.mark.parametrize("seed", range(10))
def test_weighted_kappas_are_ratios_of_mean_distances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 5, 40)
    second = np.where(rng.random(40) < 0.6, first, rng.integers(0, 5, 40))
    apart = np.abs(first - second).astype(float)
    of_all_pairs = np.abs(np.subtract.outer(first, second)).astype(float)

    for weights, power in (("linear", 1), ("quadratic", 2)):
        expected = 1 - (apart**power).mean() / (of_all_pairs**power).mean()
        assert cohen_kappa(first, second, 5, weights) == pytest.approx(expected)
    assert cohen_kappa(first, second, 5) == pytest.approx(1 - (apart > 0).mean() / (of_all_pairs > 0).mean())
    assert cohen_kappa(first, first, 5, "quadratic") == 1


def test_kappa_of_one_class_is_not_defined() -> None:
    assert isnan(cohen_kappa(np.zeros(9, int), np.zeros(9, int), 2))


def test_a_bootstrap_draws_slides_and_not_foci() -> None:
    """Slides that are all alike inside: the interval is that of four values, however many foci each has."""
    slides = [np.full(200, value) for value in (0.0, 0.0, 0.0, 1.0)]
    values = np.concatenate(slides)

    of_slides = bootstrap_over_slides(slides, np.mean)
    of_foci = bootstrap_over_slides([np.array([value]) for value in values], np.mean)

    assert (of_slides.value, of_slides.n) == (0.25, 800)
    assert (of_slides.low, of_slides.high) == (0.0, 0.75)
    assert of_foci.high - of_foci.low < 0.1
    assert bootstrap_over_slides(slides, np.mean) == of_slides


# -- the suite -----------------------------------------------------------------------------------


def test_the_default_plan_is_as_large_as_promised() -> None:
    slides = plan(Request()).slides
    batch = [slide for slide in slides if slide.is_negative_batch]
    main_part = [slide for slide in slides if not slide.is_negative_batch]

    assert len(main_part) == DEFAULT_SLIDES >= 2 * len(PROFILES)
    assert len(batch) >= 100
    assert {slide.profile for slide in batch} == {NEGATIVE_BATCH}
    assert {slide.spec.profile for slide in batch} == {"negative", "negative-mimics"}
    assert {slide.spec.spacing_um for slide in batch} == {0.25, 0.5}
    assert min(Counter(slide.profile for slide in main_part).values()) >= 2


def test_every_slide_has_a_seed_of_its_own_from_the_first_on() -> None:
    slides = plan(Request(slides=200)).slides

    assert len({slide.spec.seed for slide in slides}) == len(slides)
    assert len({slide.name for slide in slides}) == len(slides)
    assert min(slide.spec.seed for slide in slides) == FIRST_SEED >= 1000


def test_the_suite_differs_in_all_that_laboratories_differ_in() -> None:
    names = [profile.name for profile in PROFILES]

    assert len(set(names)) == len(names)
    assert {profile.x_um for profile in PROFILES} == {0.25, 0.5}
    assert {profile.y_um for profile in PROFILES} >= {0.26}
    assert min(profile.quality for profile in PROFILES) == 50
    assert len({profile.look for profile in PROFILES}) >= 10
    assert all(len(profile.words) > 5 for profile in PROFILES)


def test_too_few_slides_leave_profiles_out_and_say_which() -> None:
    made = plan(Request(slides=3))

    assert [slide.profile for slide in made.slides if not slide.is_negative_batch] == [p.name for p in PROFILES[:3]]
    assert made.left_out == tuple(profile.name for profile in PROFILES[3:])


def test_a_profile_alone_draws_the_same_slides() -> None:
    alone = plan(Request(slides=2, profiles=("control",))).slides
    among = [slide for slide in plan(Request(slides=2 * len(PROFILES))).slides if slide.profile == "control"]

    assert list(alone) == among


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"slides": 0}, "at least 1"),
        ({"seed": -1}, "negative"),
        ({"profiles": ("weak-dap",)}, "did you mean 'weak-dab'"),
        ({"outlines": Path("nowhere.json.gz")}, "nowhere.json.gz"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Request(**values)


# -- one slide -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A drawn slide, its analysis and its truth."""

    subject: Subject
    result: SlideResult

    def outcome(self, **changes: Any) -> SlideOutcome:
        """Compared, after changes of the truth or its masks."""
        return compare(replace(self.subject, **changes), self.result.analysis, self.result.runs)


@pytest.fixture(scope="module")
def itc(drawn: Callable[[str], SamplePaths]) -> Judged:
    paths = drawn("itc")
    truth = json.loads(paths.truth.read_text(encoding="utf-8"))
    masks = masks_of(SampleSpec("itc", 1024, 0, 0.5), truth)
    return Judged(Subject("itc-0", "itc", False, truth, masks), analyze(paths.slide, workers=1))


def test_a_slide_without_trouble_is_found_whole(itc: Judged) -> None:
    outcome = itc.outcome()

    assert len(outcome.foci) == len(itc.subject.truth["expected"]["clusters"]) >= 3
    assert {row.relation for row in outcome.foci} == {"one"}
    assert all(row.is_judged and row.found_category == "itc" and abs(row.error_um) < 3 for row in outcome.foci)
    assert outcome.false == ()
    assert (outcome.slide.n_missed, outcome.slide.truth_category, outcome.slide.found_category) == (0, "itc", "itc")
    assert {(node.truth_category, node.found_category) for node in outcome.nodes} <= {("itc", "itc"), ("negative",) * 2}


def without_first(truth: dict[str, Any]) -> dict[str, Any]:
    """The truth without its largest cluster."""
    expected = {**truth["expected"], "clusters": truth["expected"]["clusters"][1:]}
    return {**truth, "expected": expected}


def test_what_the_truth_does_not_hold_is_false(itc: Judged) -> None:
    outcome = itc.outcome(truth=without_first(dict(itc.subject.truth)))

    (false,) = outcome.false
    largest = itc.subject.truth["expected"]["clusters"][0]
    assert false.found_um == pytest.approx(largest["max_diameter_um"], abs=3)
    assert (false.counting, outcome.slide.n_false_unflagged) == ("counted", 1)


def test_a_false_cluster_is_told_by_the_mimic_it_lies_on(itc: Judged) -> None:
    truth = without_first(dict(itc.subject.truth))
    lost = set(itc.subject.truth["expected"]["clusters"][0]["focus_ids"])
    box = next(focus["bbox_px0"] for focus in truth["foci"] if focus["id"] in lost)
    far = [box[0] + 5000, box[1], box[2] + 5000, box[3]]
    foci = [focus for focus in truth["foci"] if focus["id"] not in lost]
    mimics = [{"kind": "fold", "bbox_px0": far}, {"kind": "melanin", "bbox_px0": box}]

    assert [row.mimic for row in itc.outcome(truth={**truth, "foci": foci, "mimics": mimics}).false] == ["melanin"]
    assert [row.mimic for row in itc.outcome(truth={**truth, "foci": foci, "mimics": mimics[:1]}).false] == ["none"]


def test_a_focus_where_nothing_is_stained_is_missed(itc: Judged) -> None:
    masks = list(itc.subject.masks)
    for number in itc.subject.truth["expected"]["clusters"][0]["focus_ids"]:
        masks[number - 1] = replace(masks[number - 1], row=masks[number - 1].row + 5000)

    outcome = itc.outcome(masks=masks)

    assert (outcome.foci[0].relation, outcome.foci[0].missed_because) == ("missed", "no stained fragment")
    assert (outcome.slide.n_missed, len(outcome.false)) == (1, 1)


def test_what_cannot_be_seen_is_not_asked_for(itc: Judged) -> None:
    truth = dict(itc.subject.truth)
    blind = {**truth, "expected": {**truth["expected"], "category": "not_assessable"}}

    blurred = [
        {**focus, "in_focus": focus["id"] != truth["expected"]["clusters"][0]["focus_ids"][0]}
        for focus in truth["foci"]
    ]

    assert [row.is_judged for row in itc.outcome(truth={**truth, "foci": blurred}).foci] == [False, True, True]
    assert not any(row.is_judged for row in itc.outcome(truth=blind).foci)
    assert itc.outcome(truth=blind).slide.n_foci == 0


def test_more_than_200_cells_of_a_section_are_a_micrometastasis(itc: Judged) -> None:
    truth = dict(itc.subject.truth)
    first, *others = truth["expected"]["clusters"]
    home = next(focus["piece"] for focus in truth["foci"] if focus["id"] == first["focus_ids"][0])

    for n_cells, category in ((200, "itc"), (201, "micrometastasis")):
        clusters = [{**first, "n_cells": n_cells}, *({**other, "n_cells": 0} for other in others)]
        outcome = itc.outcome(truth={**truth, "expected": {**truth["expected"], "clusters": clusters}})
        node = next(row for row in outcome.nodes if row.node == f"piece {home}")

        assert (outcome.slide.truth_category, outcome.slide.truth_cells) == (category, n_cells)
        assert node.truth_category == category


def test_tumour_out_of_focus_all_over_may_be_called_or_refused(itc: Judged) -> None:
    truth = dict(itc.subject.truth)
    blind = {**truth, "expected": {**truth["expected"], "category": "not_assessable"}}
    unstained = {**blind, "foci": [{**focus, "dab_od": 0.0} for focus in truth["foci"]]}

    assert itc.outcome(truth=blind).slide.is_unclear
    assert not itc.outcome(truth=unstained).slide.is_unclear
    assert not itc.outcome().slide.is_unclear
    assert figure([itc.outcome(truth=blind)], "slide category, agreement").estimate.n == 0
    assert figure([itc.outcome(truth=unstained)], "slide category, agreement").estimate.value == 0


def test_control_tissue_that_is_counted_is_told_and_is_not_false(itc: Judged) -> None:
    truth = dict(itc.subject.truth)
    truth["foci"] = [{**focus, "on_control": True} for focus in truth["foci"]]
    truth["expected"] = {**truth["expected"], "clusters": [], "category": "negative"}

    outcome = itc.outcome(truth={**truth, "control_zone_mm": [0.0, 0.0, 1.0, 1.0]})

    assert outcome.false == ()
    assert outcome.slide.n_control == len(truth["foci"])
    assert outcome.slide.n_control_counted == itc.result.clusters.is_counted.sum()
    assert not any(row.is_judged for row in outcome.foci)


# -- measures ------------------------------------------------------------------------------------

FOCUS = FocusRow(
    slide="a-1", profile="a", spacing_um=0.25, focus_ids="1", kind="group", pattern="", dab_od=None, is_dots=False,
    is_judged=True, is_on_control=False, x_px0=0, y_px0=0, n_cells=5, truth_um=60.0, truth_category="itc",
    relation="one", n_parts=1, cluster_id=1, counting="counted", found_um=60.5, low_um=59.0, high_um=61.0,
    found_category="itc", borderline=False, cells=5.0, cells_low=4.0, cells_high=8.0,
)  # fmt: skip
MISSED = replace(FOCUS, relation="missed", n_parts=0, cluster_id=None, counting="", found_um=None, found_category="")
SLIDE = SlideRow(
    slide="a-1", profile="a", scene="foci", look="default", seed=1, side_px=1024, mpp_x=0.25, mpp_y=0.25,
    is_negative_batch=False, is_unclear=False, truth_category="itc", truth_um=60.0, truth_cells=5,
    found_category="itc", found_um=60.5, n_foci=1,
    n_missed=0, n_false_unflagged=0, n_false_flagged=0, n_control=0, n_control_counted=0, in_focus_truth=None,
    in_focus_found=None, reasons="", flags="", seconds=1.0,
)  # fmt: skip
FALSE = FalseRow("a-1", "a", 1, "fold", "counted", 50.0, "itc", 300.0, 0.4, 1, 2, "")


def outcome_of(*foci: FocusRow, false: tuple[FalseRow, ...] = (), nodes: tuple[NodeRow, ...] = (), **slide: Any) -> Any:
    """Rows of one slide."""
    return SlideOutcome(replace(SLIDE, **slide), tuple(foci), false, nodes)


@cache
def measured(outcomes: tuple[SlideOutcome, ...]) -> list[Measure]:
    return measure_all(outcomes)


def figure(outcomes: list[SlideOutcome], name: str, profile: str = ALL) -> Measure:
    """The one measure of a name."""
    (found,) = [one for one in measured(tuple(outcomes)) if (one.name, one.profile) == (name, profile)]
    return found


def value(outcomes: list[SlideOutcome], name: str, profile: str = ALL) -> tuple[float, int]:
    """Figure and number of one measure."""
    estimate = figure(outcomes, name, profile).estimate
    return round(estimate.value, 6), estimate.n


def test_all_that_is_asked_is_measured_and_in_order() -> None:
    measures = measure_all([outcome_of(FOCUS)])

    assert {measure.name for measure in measures if measure.asked} == set(ASKED)
    first = [measure.asked is not None for measure in measures]
    assert first == sorted(first, reverse=True)
    assert len({(measure.name, measure.profile) for measure in measures}) == len(measures)


def test_sensitivity_counts_what_ought_to_be_found() -> None:
    single, dots = replace(MISSED, n_cells=1), replace(MISSED, is_dots=True, n_cells=12)
    blurred, large = replace(MISSED, is_judged=False), replace(FOCUS, truth_um=201.0, truth_category="micrometastasis")
    outcomes = [outcome_of(FOCUS, FOCUS, MISSED, single, dots, blurred, large)]

    assert value(outcomes, "sensitivity, foci of 2 cells or more") == (0.6, 5)
    assert value(outcomes, "sensitivity, single cells") == (0.0, 1)
    assert value(outcomes, "sensitivity, foci above 200 um") == (1.0, 1)
    assert value(outcomes, "sensitivity, dot patterns") == (0.0, 1)
    assert value(outcomes, "sensitivity, itc") == (0.5, 4)
    assert focus_confusion(outcomes)["itc"] == {"itc": 2, "micrometastasis": 0, "macrometastasis": 0, "missed": 2}


def test_the_worst_profile_is_named() -> None:
    bad = replace(FOCUS, profile="b"), replace(MISSED, profile="b")
    worst = figure(
        [outcome_of(FOCUS), outcome_of(*bad, profile="b")], "sensitivity, foci of 2 cells or more, worst profile"
    )

    assert (worst.estimate.value, worst.note, worst.is_met) == (0.5, "b", False)


@pytest.mark.parametrize(
    ("spacing_um", "truth_um", "is_asked"),
    [(0.25, 203.0, False), (0.25, 203.1, True), (0.5, 203.1, False), (0.5, 204.1, True), (0.25, 1997.5, False)],
)
def test_a_class_near_a_limit_is_not_asked_for(spacing_um: float, truth_um: float, is_asked: bool) -> None:
    wrong = replace(FOCUS, spacing_um=spacing_um, truth_um=truth_um, truth_category="micrometastasis", borderline=True)
    outcomes = [outcome_of(wrong)]

    assert value(outcomes, "class right or borderline") == (1.0, 1)
    assert figure(outcomes, "class right, away from the limits").estimate.n == int(is_asked)
    assert value(outcomes, "class right, any focus") == (0.0, 1)


def test_errors_of_size_are_apart_by_scan_and_size() -> None:
    large = replace(FOCUS, truth_um=400.0, found_um=396.0)
    coarse = replace(FOCUS, spacing_um=0.5, found_um=58.0)
    outcomes = [outcome_of(FOCUS, replace(FOCUS, found_um=59.9), large), outcome_of(coarse)]

    assert value(outcomes, "size error below 300 um, 0.25 um scans, median") == (0.3, 2)
    assert value(outcomes, "size error below 300 um, 0.25 um scans, signed median") == (0.2, 2)
    assert value(outcomes, "size error from 300 um, 0.25 um scans, median") == (0.01, 1)
    assert value(outcomes, "size error below 300 um, 0.5 um scans, 95th percentile") == (2.0, 1)
    assert figure(outcomes, "size error from 300 um, 0.5 um scans, median").is_met is None


def test_intervals_and_cells() -> None:
    outside = replace(FOCUS, low_um=60.1)
    low, high = (
        replace(FOCUS, n_cells=100, cells=cells, cells_low=0.9 * cells, cells_high=1.1 * cells)
        for cells in (80.0, 121.0)
    )
    outcomes = [outcome_of(FOCUS, outside, low, high, replace(FOCUS, n_cells=501))]

    assert value(outcomes, "truth inside the size interval") == (0.8, 5)
    assert value(outcomes, "cells within 20 % of the truth") == (0.5, 2)
    assert value(outcomes, "true cells inside the interval") == (0.0, 2)
    assert value(outcomes, "error of cells, signed median") == (0.005, 2)


def test_false_clusters_are_told_by_flag_mimic_and_size() -> None:
    doubtful = replace(FALSE, counting="doubtful", found_um=250.0)
    clean = outcome_of(truth_category="negative", found_category="negative")
    outcomes = [outcome_of(false=(FALSE, FALSE, doubtful), truth_category="negative", found_category="itc"), clean]

    assert value(outcomes, "false clusters a slide, not flagged") == (1.0, 2)
    assert value(outcomes, "false clusters a slide, flagged as doubtful") == (0.5, 2)
    assert value(outcomes, "false clusters on fold, not flagged") == (2.0, 2)
    assert value(outcomes, "negative slides with a false finding above 200 um") == (0.5, 2)
    assert value(outcomes, "negative slides called ITC or more") == (0.5, 2)


def test_slides_that_show_nothing_must_not_be_called_negative() -> None:
    blind = [
        outcome_of(truth_category="not_assessable", found_category=found) for found in ("negative", "not_assessable")
    ]

    assert value(blind, "not assessable slides called negative") == (0.5, 2)
    assert slide_confusion(blind)["not_assessable"]["negative"] == 1
    assert figure(blind, "not assessable slides called negative").is_met is False


def test_control_tissue_is_measured_where_there_is_some() -> None:
    assert value([outcome_of(n_control=4, n_control_counted=1), outcome_of()], "control tissue in a finding") == (
        1.0,
        4,
    )
    assert figure([outcome_of()], "control tissue in a finding").is_met is None


def test_agreement_of_slides_and_nodes() -> None:
    nodes = (NodeRow("a-1", "a", "1", "itc", "itc"), NodeRow("a-1", "a", "2", "negative", "itc"))
    outcomes = [outcome_of(nodes=nodes), outcome_of(truth_category="negative", found_category="negative")]

    assert value(outcomes, "slide category, kappa") == (1.0, 2)
    batch = outcome_of(is_negative_batch=True, truth_category="negative", found_category="itc")
    assert value([*outcomes, batch], "slide category, kappa") == (1.0, 2)
    assert value([*outcomes, batch], "slide category, agreement, with the negative batch") == (pytest.approx(2 / 3), 3)
    assert value([*outcomes, batch], "slide category, kappa, with the negative batch")[0] == pytest.approx(0.4)
    assert value(outcomes, "node category, agreement") == (0.5, 2)
    assert value(outcomes, "node category, kappa") == (0.0, 2)


def test_tables_tell_what_is_met_and_what_the_figures_are_not() -> None:
    report = Report.of(FIRST_SEED, [outcome_of(FOCUS, MISSED)], [], ["empty"])
    rows = list(csv.DictReader(csv_files(report)["accuracy.csv"].splitlines()))

    assert {"measure", "profile", "value", "low", "high", "asked", "met", "n"} <= set(rows[0])
    assert rows[0]["measure"] == "sensitivity, foci of 2 cells or more"
    assert (rows[0]["value"], rows[0]["met"], rows[0]["n"]) == ("0.5", "false", "2")
    for text in (markdown(report), plain(report), to_json(report)["caption"]):
        assert "no evidence of clinical performance" in text
        assert f"seeds from {FIRST_SEED} on (settings were chosen on others)" in text
        assert "for development" not in text
    assert "for development: not to be reported" in plain(replace(report, seed=FIRST_SEED - 1))
    assert "| sensitivity, foci of 2 cells or more | 50.00 % |" in markdown(report)
    assert "Left out for want of slides: empty." in plain(report)
    assert len(list(csv.DictReader(csv_files(report)["foci.csv"].splitlines()))) == 2


# -- the command ---------------------------------------------------------------------------------

FILES = {"accuracy.csv", "accuracy.md", "accuracy.png", "foci.csv", "false.csv", "slides.csv", "nodes.csv"}
TINY = ("--profile", "scanner-050", "--profile", "negative", "--profile", "he", "--slides", "3", "--side", "1536")


@pytest.fixture
def micromet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: exit status and the two streams."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["micromet", "bench", "accuracy", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as leave:
            main()
        return int(leave.value.code or 0), *capfd.readouterr()

    return run


def test_tiny_slides_from_end_to_end(micromet: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    status, out, _ = micromet(*TINY, "--workers", 1, "--out", tmp_path / "one", "--json")
    content = json.loads(out)
    again = micromet(*TINY, "--workers", 2, "--out", tmp_path / "two", "--keep")

    assert (status, again[0]) == (0, 0)
    assert {path.name for path in (tmp_path / "one").iterdir()} == FILES
    assert {path.name for path in (tmp_path / "two").iterdir()} == FILES | {"slides"}
    for name in ("accuracy.csv", "foci.csv", "false.csv", "nodes.csv", "accuracy.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert (content["n_slides"], content["failed"]) == (3, [])
    assert content["n_foci"] >= 3
    assert {measure["measure"] for measure in content["measures"]} >= set(ASKED)
    assert "figures are as asked" in again[1]
    assert len(list((tmp_path / "two" / "slides").glob("*.svs"))) == 3
    slides = csv.DictReader((tmp_path / "one" / "slides.csv").read_text(encoding="utf-8").splitlines())
    found = {row["slide"]: row["found_category"] for row in slides}
    assert [found[name] for name in found if name.startswith("he")] == ["not_assessable"]


def test_without_matplotlib_the_tables_are_written_and_one_line_says_so(
    micromet: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)

    status, _, err = micromet("--profile", "empty", "--slides", 1, "--side", 1024, "--out", tmp_path)

    assert status == 0
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"accuracy.png"}
    assert err.count("\n") == 1
    assert "matplotlib" in err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--profile", "weak-dap"), 1, "did you mean 'weak-dab'"),
        (("--keep",), 2, "--keep needs --out"),
        (("--slides", "0"), 2, "--slides"),
        (("--side", "100"), 1, "too small"),
    ],
)
def test_what_cannot_be_done_is_told(
    micromet: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], status: int, words: str
) -> None:
    found, out, err = micromet(*arguments)

    assert (found, out) == (status, "")
    assert words in err


def test_a_file_where_the_folder_is_to_be_is_told_before_the_work(
    micromet: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")

    status, _, err = micromet("--out", tmp_path / "out")

    assert status == 1
    assert "name a folder" in err
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_slides_that_fail_do_not_stop_the_others(micromet: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Outlines that cannot be read are needed where foci are drawn, and not on bare glass."""
    (tmp_path / "outlines.json.gz").write_bytes(b"none")
    chosen = ("--profile", "scanner-050", "--profile", "empty", "--slides", 2, "--side", 1024, "--workers", 1)

    status, out, err = micromet(*chosen, "--outlines", tmp_path / "outlines.json.gz")

    assert status == 3
    assert err.startswith("micromet: scanner-050-")
    assert err.count("\n") == 1
    assert "Failed: scanner-050-" in out


def test_spans_keep_their_pixels() -> None:
    spans = spans_of(drawing("00 11", "0   2"))

    assert_array_equal(spans.area_px(4), [3, 2, 1, 0])
