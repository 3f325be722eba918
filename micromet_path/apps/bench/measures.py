"""From the rows of all slides to figures, each with its interval, and beside it what was asked for.

Each ``_*`` maker takes all outcomes and gives the measures of one question. What was asked stands in `ASKED`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.bench.asked import ALL, ASKED, Measure
from micromet_path.apps.bench.records import FocusRow, SlideOutcome
from micromet_path.apps.bench.statistics import Estimate, bootstrap_over_slides, cohen_kappa, proportion
from micromet_path.clinical.policy import DEFAULTS
from micromet_path.model import Category, Counting

__all__ = ["focus_confusion", "measure_all", "slide_confusion"]

SMALL_UM = 300.0
"""Below, an error of size is told in microns; from here on as a share."""

FINE_UM = 0.35
"""Pixels up to this are those of a scan at 0.25 um, coarser ones of a scan at 0.5 um."""

MARGIN_UM = {True: 3.0, False: 4.0}
"""How far from a limit a class has to be right, by whether the scan is fine."""

CELL_RANGE = (50, 500)
CELL_TOLERANCE = 0.2


Outcomes = Sequence[SlideOutcome]


def measure_all(outcomes: Outcomes) -> list[Measure]:
    """Every measure, those that something is asked of first, then the others, then by profile.

    Parameters
    ----------
    outcomes : sequence of SlideOutcome
    """
    makers: tuple[Callable[[Outcomes], Iterable[Measure]], ...] = (
        _sensitivities, _classes, _sizes, _intervals, _falses, _negatives, _controls, _cells, _agreements, _relations,
    )  # fmt: skip
    measures = [measure for maker in makers for measure in maker(outcomes)]
    measures.sort(key=lambda measure: measure.asked is None)
    return measures + [measure for name in _profiles(outcomes) for measure in _of_profile(name, outcomes)]


def _measure(name: str, estimate: Estimate, unit: str = "share", profile: str = ALL, note: str = "") -> Measure:
    """A line with what is asked of it; what is asked is asked of the pooled figure."""
    return Measure(name, profile, estimate, unit, ASKED.get(name) if profile == ALL else None, note)


# -- choosing foci -------------------------------------------------------------------------------


def _judged(outcomes: Outcomes) -> list[FocusRow]:
    """Foci that ought to be found."""
    return [row for outcome in outcomes for row in outcome.foci if row.is_judged]


def _sized(outcomes: Outcomes) -> list[FocusRow]:
    """Foci that were found and have a size to be compared."""
    return [row for row in _judged(outcomes) if row.is_found and not row.is_dots]


def _is_fine(row: FocusRow) -> bool:
    return row.spacing_um <= FINE_UM


def _share(rows: Iterable[FocusRow], holds: Callable[[FocusRow], bool | None]) -> Estimate:
    """Share of the rows of which something holds."""
    answers = [bool(holds(row)) for row in rows]
    return proportion(sum(answers), len(answers))


def _found(row: FocusRow) -> bool:
    return row.is_found


def _profiles(outcomes: Outcomes) -> list[str]:
    """Names of the profiles in the order of the slides."""
    return list(dict.fromkeys(outcome.slide.profile for outcome in outcomes))


def _only(profile: str, outcomes: Outcomes) -> list[SlideOutcome]:
    return [outcome for outcome in outcomes if outcome.slide.profile == profile]


# -- what is found -------------------------------------------------------------------------------


def _sensitivities(outcomes: Outcomes) -> Iterator[Measure]:
    """Foci found, by cells, size and class; and where it is worst."""
    rows = _judged(outcomes)
    several = [row for row in rows if row.n_cells >= 2]
    yield _measure("sensitivity, foci of 2 cells or more", _share(several, _found))
    yield _measure("sensitivity, single cells", _share([row for row in rows if row.n_cells == 1], _found))
    large = [row for row in rows if row.truth_um > DEFAULTS.itc_limit_um and not row.is_dots]
    yield _measure("sensitivity, foci above 200 um", _share(large, _found))
    yield _worst_profile(several)
    for category in (Category.ITC, Category.MICROMETASTASIS, Category.MACROMETASTASIS):
        of_class = [row for row in rows if row.truth_category == category and not row.is_dots]
        yield _measure(f"sensitivity, {category.value}", _share(of_class, _found))
    yield _measure("sensitivity, dot patterns", _share([row for row in rows if row.is_dots], _found))
    found = [row for row in rows if row.is_found]
    yield _measure("found foci that are marked doubtful", _share(found, lambda row: row.counting == Counting.DOUBTFUL))


def _worst_profile(rows: Sequence[FocusRow]) -> Measure:
    """The profile that finds the smallest share of its foci."""
    shares = {name: _share([row for row in rows if row.profile == name], _found)
              for name in dict.fromkeys(row.profile for row in rows)}  # fmt: skip
    name = min(shares, key=lambda name: shares[name].value, default="")
    worst = shares.get(name, proportion(0, 0))
    return _measure("sensitivity, foci of 2 cells or more, worst profile", worst, note=name)


def _relations(outcomes: Outcomes) -> Iterator[Measure]:
    """Foci taken apart, and foci taken as one."""
    rows = _sized(outcomes)
    for relation in ("split", "merged"):
        yield _measure(f"found foci that are {relation}", _share(rows, lambda row, what=relation: row.relation == what))  # type: ignore[misc]


# -- class and size ------------------------------------------------------------------------------


def _is_class_right(row: FocusRow) -> bool:
    return row.found_category == row.truth_category


def _is_off_limits(row: FocusRow) -> bool:
    """Whether the true size is so far from each limit that the class has to be right."""
    margin = MARGIN_UM[_is_fine(row)]
    return all(abs(row.truth_um - limit) > margin for limit in (DEFAULTS.itc_limit_um, DEFAULTS.micro_limit_um))


def _classes(outcomes: Outcomes) -> Iterator[Measure]:
    """Class of each focus by its size."""
    rows = _sized(outcomes)
    yield _measure("class right, away from the limits", _share(filter(_is_off_limits, rows), _is_class_right))
    yield _measure("class right or borderline", _share(rows, lambda row: _is_class_right(row) or row.borderline))
    yield _measure("class right, any focus", _share(rows, _is_class_right))


def _sizes(outcomes: Outcomes) -> Iterator[Measure]:
    """Error of the maximum diameter, apart for fine and coarse scans and for small and large foci."""
    for is_fine, scans in ((True, "0.25 um scans"), (False, "0.5 um scans")):
        for is_small, sizes in ((True, "below 300 um"), (False, "from 300 um")):
            errors = [_errors(outcome, is_fine, is_small) for outcome in outcomes]
            unit = "um" if is_small else "share"
            name = f"size error {sizes}, {scans}"
            yield _measure(f"{name}, median", bootstrap_over_slides(errors, _median_abs), unit)
            yield _measure(f"{name}, 95th percentile", bootstrap_over_slides(errors, _p95_abs), unit)
            yield _measure(f"{name}, signed median", bootstrap_over_slides(errors, _median), unit)


def _errors(outcome: SlideOutcome, is_fine: bool, is_small: bool) -> NDArray[np.float64]:
    """Signed errors of one slide: in microns of small foci, as a share of large ones."""
    rows = [row for row in _sized([outcome]) if _is_fine(row) == is_fine and (row.truth_um < SMALL_UM) == is_small]
    return np.array([row.error_um / (1.0 if is_small else row.truth_um) for row in rows])


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values))


def _median_abs(values: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(values)))


def _p95_abs(values: NDArray[np.float64]) -> float:
    return float(np.quantile(np.abs(values), 0.95))


def _intervals(outcomes: Outcomes) -> Iterator[Measure]:
    """Whether the size interval holds the truth."""

    def holds(row: FocusRow) -> bool:
        return _is_inside(row.truth_um, row.low_um, row.high_um)

    yield _measure("truth inside the size interval", _share(_sized(outcomes), holds))


def _is_inside(value: float, low: float | None, high: float | None) -> bool:
    """Whether an interval that may be absent holds a value."""
    return low is not None and high is not None and low <= value <= high


# -- what is no focus ----------------------------------------------------------------------------


def _falses(outcomes: Outcomes) -> Iterator[Measure]:
    """Counted clusters that are no focus: a slide, and by what they are."""
    yield _a_slide("false clusters a slide, not flagged", outcomes, Counting.COUNTED)
    yield _a_slide("false clusters a slide, flagged as doubtful", outcomes, Counting.DOUBTFUL)
    main = [outcome for outcome in outcomes if not outcome.slide.is_negative_batch]
    yield _a_slide("false clusters a slide, not flagged, without the negative batch", main, Counting.COUNTED)
    kinds = Counter((row.mimic, row.counting) for outcome in outcomes for row in outcome.false)
    for (mimic, counting), count in sorted(kinds.items()):
        words = "not flagged" if counting == Counting.COUNTED else "flagged as doubtful"
        yield _measure(f"false clusters on {mimic}, {words}", _count(count, len(outcomes)), "count")


def _count(count: int, n: int) -> Estimate:
    """A number that is no estimate of anything."""
    return Estimate(float(count), float("nan"), float("nan"), n)


def _a_slide(name: str, outcomes: Outcomes, counting: Counting) -> Measure:
    """Mean number of false clusters a slide."""
    counts = [np.array([sum(row.counting == counting for row in outcome.false)], float) for outcome in outcomes]
    return _measure(name, bootstrap_over_slides(counts, _mean), "a slide")


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _negatives(outcomes: Outcomes) -> Iterator[Measure]:
    """Slides without tumour, and slides that could not have shown it."""
    negative = [outcome for outcome in outcomes if outcome.slide.truth_category == Category.NEGATIVE]
    limit = DEFAULTS.itc_limit_um
    large = sum(any(row.found_um > limit for row in outcome.false) for outcome in negative)
    yield _measure("negative slides with a false finding above 200 um", proportion(large, len(negative)))
    positive = sum(Category(outcome.slide.found_category).rank > Category.NEGATIVE.rank for outcome in negative)
    yield _measure("negative slides called ITC or more", proportion(positive, len(negative)))
    lost = sum(outcome.slide.found_category == Category.NOT_ASSESSABLE for outcome in negative)
    yield _measure("negative slides called not assessable", proportion(lost, len(negative)))
    blind = [outcome for outcome in outcomes if outcome.slide.truth_category == Category.NOT_ASSESSABLE]
    called = sum(outcome.slide.found_category == Category.NEGATIVE for outcome in blind)
    yield _measure("not assessable slides called negative", proportion(called, len(blind)))


def _controls(outcomes: Outcomes) -> Iterator[Measure]:
    """Clusters on control tissue that enter the finding, of the foci that lie there."""
    slides = [outcome.slide for outcome in outcomes if outcome.slide.n_control]
    entered, n_foci = sum(slide.n_control_counted for slide in slides), sum(slide.n_control for slide in slides)
    yield _measure("control tissue in a finding", _count(entered, n_foci) if n_foci else proportion(0, 0), "count")


# -- cells and agreement -------------------------------------------------------------------------


def _cells(outcomes: Outcomes) -> Iterator[Measure]:
    """Estimated cells of foci about the 200-cell rule."""
    low, high = CELL_RANGE
    rows = [row for row in _sized(outcomes) if low <= row.n_cells <= high]

    def is_near(row: FocusRow) -> bool:
        return row.cells is not None and abs(row.cells - row.n_cells) <= CELL_TOLERANCE * row.n_cells

    def holds(row: FocusRow) -> bool:
        return _is_inside(row.n_cells, row.cells_low, row.cells_high)

    yield _measure("cells within 20 % of the truth", _share(rows, is_near))
    yield _measure("true cells inside the interval", _share(rows, holds))
    errors = [
        np.array([(row.cells or 0.0) / row.n_cells - 1.0 for row in _sized([outcome]) if low <= row.n_cells <= high])
        for outcome in outcomes
    ]
    yield _measure("error of cells, signed median", bootstrap_over_slides(errors, _median))


def _agreements(outcomes: Outcomes) -> Iterator[Measure]:
    """Category of slides and nodes; weighted kappas only of what both call assessable, for that is no step."""
    of_profiles = [outcome for outcome in outcomes if not outcome.slide.is_negative_batch]
    for name, ranks_of in (("slide category", _slide_ranks), ("node category", _node_ranks)):
        ranks = [ranks_of(outcome) for outcome in of_profiles]
        yield _measure(f"{name}, agreement", _agreement(ranks))
        yield from _kappas(name, ranks)
        # Half of the batch holds every kind of mimic at once, and what is doubtful counts: it is told apart.
        ranks = [ranks_of(outcome) for outcome in outcomes]
        yield _measure(f"{name}, agreement, with the negative batch", _agreement(ranks))
        yield _measure(f"{name}, kappa, with the negative batch", bootstrap_over_slides(ranks, _kappa), "kappa")


def _slide_ranks(outcome: SlideOutcome) -> NDArray[np.int64]:
    """The slide's pair; none where two answers are right."""
    slide = outcome.slide
    return _ranks([] if slide.is_unclear else [(slide.truth_category, slide.found_category)])


def _node_ranks(outcome: SlideOutcome) -> NDArray[np.int64]:
    """The pairs of its nodes."""
    return _ranks([(row.truth_category, row.found_category) for row in outcome.nodes])


def _ranks(pairs: Sequence[tuple[str, str]]) -> NDArray[np.int64]:
    """Categories in truth and as found, by rank; shape (N, 2)."""
    ranks = [(Category(truth).rank, Category(found).rank) for truth, found in pairs]
    return np.array(ranks, dtype=np.int64).reshape(-1, 2)


def _agreement(pairs: Sequence[NDArray[np.int64]]) -> Estimate:
    """Share of equal categories."""
    pooled = np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])
    return proportion(int((pooled[:, 0] == pooled[:, 1]).sum()), len(pooled))


def _kappas(name: str, pairs: Sequence[NDArray[np.int64]]) -> Iterator[Measure]:
    """Kappa of all categories, then weighted ones of those in their order."""
    yield _measure(f"{name}, kappa", bootstrap_over_slides(pairs, _kappa), "kappa")
    ordered = [values[(values > Category.NOT_ASSESSABLE.rank).all(axis=1)] for values in pairs]
    yield _measure(f"{name}, linearly weighted kappa", bootstrap_over_slides(ordered, _linear_kappa), "kappa")
    yield _measure(f"{name}, quadratically weighted kappa", bootstrap_over_slides(ordered, _quadratic_kappa), "kappa")


def _kappa(pairs: NDArray[np.int64]) -> float:
    return cohen_kappa(pairs[:, 0], pairs[:, 1], len(Category))


def _linear_kappa(pairs: NDArray[np.int64]) -> float:
    return cohen_kappa(pairs[:, 0], pairs[:, 1], len(Category), "linear")


def _quadratic_kappa(pairs: NDArray[np.int64]) -> float:
    return cohen_kappa(pairs[:, 0], pairs[:, 1], len(Category), "quadratic")


# -- by profile, and tables of classes -----------------------------------------------------------


def _of_profile(name: str, outcomes: Outcomes) -> Iterator[Measure]:
    """The main figures of one profile; those without anything to measure are left out."""
    own = _only(name, outcomes)
    judged, sized = _judged(own), _sized(own)
    errors = [np.array([row.error_um for row in _sized([outcome]) if row.truth_um < SMALL_UM]) for outcome in own]
    categories = [_slide_ranks(outcome) for outcome in own]
    unflagged = [np.array([outcome.slide.n_false_unflagged], float) for outcome in own]
    flagged = [np.array([outcome.slide.n_false_flagged], float) for outcome in own]
    several, single = ([row for row in judged if (row.n_cells >= 2) == is_several] for is_several in (True, False))
    for title, estimate, unit in (
        ("sensitivity, foci of 2 cells or more", _share(several, _found), "share"),
        ("sensitivity, single cells", _share(single, _found), "share"),
        ("class right, any focus", _share(sized, _is_class_right), "share"),
        ("size error below 300 um, median", bootstrap_over_slides(errors, _median_abs), "um"),
        ("size error below 300 um, 95th percentile", bootstrap_over_slides(errors, _p95_abs), "um"),
        ("false clusters a slide, not flagged", bootstrap_over_slides(unflagged, _mean), "a slide"),
        ("false clusters a slide, flagged as doubtful", bootstrap_over_slides(flagged, _mean), "a slide"),
        ("slide category, agreement", _agreement(categories), "share"),
    ):
        if estimate.n:
            yield _measure(title, estimate, unit, name)


def focus_confusion(outcomes: Outcomes) -> dict[str, dict[str, int]]:
    """Judged foci by true class and by class as found; ``missed`` where they were not."""
    columns = [Category.ITC.value, Category.MICROMETASTASIS.value, Category.MACROMETASTASIS.value, "missed"]
    table = {row: dict.fromkeys(columns, 0) for row in columns[:3]}
    for row in _judged(outcomes):
        if not row.is_dots:
            table[row.truth_category][row.found_category if row.is_found else "missed"] += 1
    return table


def slide_confusion(outcomes: Outcomes) -> dict[str, dict[str, int]]:
    """Slides by true category and by category as found; without those of which two answers are right."""
    names = [category.value for category in Category]
    table = {row: dict.fromkeys(names, 0) for row in names}
    for outcome in outcomes:
        if not outcome.slide.is_unclear:
            table[outcome.slide.truth_category][outcome.slide.found_category] += 1
    return table
