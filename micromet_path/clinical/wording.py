"""Sentences of a finding: the headline, and the fixed wording of a negative.

Everything that is decided is decided in `classify`; here it is only said. Numbers are printed so that
they never stand on the wrong side of a limit: 0.2004 mm, not "0.20 mm", is a micrometastasis, and
99.96 % read is "99.9 %".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import floor, pi, sqrt

from micromet_path.clinical.policy import DEFAULTS, SENSITIVE_GAPS_UM, ClassifyParams
from micromet_path.model import Audit, Category, Dropped, Finding, GapFinding, Quality

__all__ = [
    "Facts",
    "Uncounted",
    "headline",
    "how_read",
    "interval",
    "millimetres",
    "percent",
    "readable",
    "square_millimetres",
]

_MOST_DECIMALS = 4  # a tenth of a micron: no scanner resolves more
_WORDS = {
    Category.NOT_ASSESSABLE: "not assessable",
    Category.NEGATIVE: "negative",
    Category.ITC: "ITC",
    Category.MICROMETASTASIS: "micrometastasis",
    Category.MACROMETASTASIS: "macrometastasis",
}


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A cluster that the counting policy set aside; `reason` is the flag that did it."""

    cluster_id: int
    reason: str
    max_diameter_um: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What a headline is made from.

    Parameters
    ----------
    finding : Finding
        Complete but for its headline.
    quality : Quality
    params : ClassifyParams
    gap_um : float
        Gap at which the clusters were cut.
    uncounted : tuple of Uncounted
        Clusters set aside on the patient's tissue, largest first.
    n_on_other_tissue : int
        Clusters on control or excluded pieces.
    doubts : tuple of str
        Flags that make the largest counted cluster doubtful.
    specks : Dropped
        Everything that was removed before it was measured.
    smallest_area_um2 : float
        Smallest area that counts.
    """

    finding: Finding
    quality: Quality
    params: ClassifyParams
    gap_um: float
    uncounted: tuple[Uncounted, ...]
    n_on_other_tissue: int
    doubts: tuple[str, ...]
    specks: Dropped
    smallest_area_um2: float


def headline(facts: Facts) -> str:
    """Say the finding in a few sentences; a negative gets its fixed wording."""
    if facts.finding.category is Category.NOT_ASSESSABLE:
        return " ".join(_not_assessable(facts))
    if facts.finding.category is Category.NEGATIVE:
        return " ".join(_negative(facts))
    return " ".join(_positive(facts))


def millimetres(size_um: float, limits_um: tuple[float, ...] = DEFAULTS.size_limits_um, decimals: int = 2) -> str:
    """Print a length in mm on the right side of every limit, without the unit.

    Parameters
    ----------
    size_um : float
        Length in microns, >= 0.
    limits_um : tuple of float
        A size at a limit belongs below it; decimals are added until the printed number agrees.
    decimals : int
        Decimals to begin with; a length that would print as zero gets more.

    Examples
    --------
    >>> [millimetres(size) for size in (1234.0, 200.0, 200.4, 204.9, 6.0, 3.0)]
    ['1.23', '0.20', '0.2004', '0.205', '0.01', '0.003']
    >>> millimetres(200.0000001)
    'just above 0.20'
    """
    exact = Decimal(repr(float(size_um)))
    for places in range(decimals, _MOST_DECIMALS + 1):
        printed = (exact / 1000).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        on_its_side = all((printed * 1000 <= Decimal(repr(float(limit)))) == (size_um <= limit) for limit in limits_um)
        if on_its_side and (printed > 0 or size_um == 0):
            return str(printed)
    passed = [limit for limit in limits_um if limit < size_um]
    if not passed:
        return f"below {10.0**-_MOST_DECIMALS:.{_MOST_DECIMALS}f}"
    return f"just above {max(passed) / 1000:.{decimals}f}"


def interval(low_um: float, high_um: float, limits_um: tuple[float, ...] = DEFAULTS.size_limits_um) -> str:
    """Print a size interval in mm without the unit, with a third decimal where two would print one number twice.

    Examples
    --------
    >>> interval(178.0, 190.0), interval(41.2, 44.1)
    ('0.18-0.19', '0.041-0.044')
    """
    low, high = (millimetres(end, limits_um) for end in (low_um, high_um))
    if low == high:
        low, high = (millimetres(end, limits_um, 3) for end in (low_um, high_um))
    return f"{low}-{high}"


def readable(flag: str) -> str:
    """Print a flag as words.

    Examples
    --------
    >>> readable("tissue_edge")
    'tissue-edge'
    """
    return flag.replace("_", "-")


def percent(share: float, decimals: int = 1) -> str:
    """Print a share as per cent, rounded down: 100 % is only said of the whole.

    Examples
    --------
    >>> percent(0.9999), percent(0.29, decimals=0), percent(1.0)
    ('99.9 %', '29 %', '100 %')
    """
    if share >= 1:
        return "100 %"
    exact = Decimal(repr(float(share))) * 100
    return f"{float(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR)):g} %"


def square_millimetres(area_mm2: float) -> str:
    """Print an area with one decimal, small ones with two digits.

    Examples
    --------
    >>> [square_millimetres(area) for area in (41.23, 0.0123, 0.0)]
    ['41.2 mm2', '0.012 mm2', '0 mm2']
    """
    if area_mm2 >= 1:
        return f"{area_mm2:.1f} mm2"
    if area_mm2 >= 1e-4:
        return f"{area_mm2:.2g} mm2"
    return "below 0.0001 mm2" if area_mm2 > 0 else "0 mm2"


def how_read(mode: str, audit: Audit | None) -> str:
    """Say which part of level 0 was decoded, and what speaks for leaving out the rest.

    Examples
    --------
    >>> how_read("full", None)
    'every tile decoded'
    >>> how_read("candidates", Audit(cells=1000, decoded=200, passed_over=850, audited=300, missed=0))
    '20 % of the tiles decoded, chosen at a lower level; 300 of the others held nothing (at most 1 % can, 95 % sure)'
    """
    if audit is None:
        return "every tile decoded"
    if mode == "full":
        return "every tile decoded, because a lower level could not be relied on"
    decoded = f"{percent(audit.decoded / audit.cells, 0)} of the tiles decoded, chosen at a lower level"
    bound = audit.missed_share_bound
    sure = "" if not bound else f" (at most {_at_most(bound)} can, 95 % sure)"
    return f"{decoded}; {audit.audited} of the others held nothing{sure}"


def _at_most(share: float) -> str:
    """A bound as per cent, rounded up."""
    exact = Decimal(repr(share)) * 100
    return f"{float(exact.quantize(Decimal('0.1'), ROUND_CEILING)):g} %"


def _positive(facts: Facts) -> Iterator[str]:
    """Class and size, then every reservation."""
    finding = facts.finding
    gaps = [_if_one(gap, facts.params) for gap in _higher_gaps(finding)]
    yield "; ".join([_class_and_size(facts, paired=bool(gaps)), *gaps, *_dispersed(facts)]) + "."
    if _raised_by_cells(finding):
        yield f"Gap {facts.gap_um:g} um."
    elif "near_200_cells" in finding.flags and finding.estimated_cells is not None:
        limit = f"{facts.params.cell_limit:g}-cell guideline"
        yield f"{_about_cells(facts)} in one profile, near the {limit}: class by size."
    yield from _near_a_limit(facts)
    yield from _reservations(facts)
    yield from _needs_a_look(facts)


def _class_and_size(facts: Facts, paired: bool) -> str:
    """Begin the headline; a pair of classes is said without the interval, as one can read only so much."""
    finding, params = facts.finding, facts.params
    size = f"{_at_least(finding)}{_size(finding.max_diameter_um, params)}"
    if _raised_by_cells(finding):
        return (
            f"{_capital(_WORDS[finding.category_by_size])} by size ({size}). {_about_cells(facts)} in one profile: "
            f"{_WORDS[finding.category]} by the {params.cell_limit:g}-cell guideline, if confirmed as tumour"
        )
    name = _capital(_WORDS[finding.category])
    if paired or finding.diameter_interval_um is None:
        return f"{name}, {size} contiguous (gap {facts.gap_um:g} um)"
    return f"{name}, {size} ({_interval(finding, params)}), gap {facts.gap_um:g} um"


def _higher_gaps(finding: Finding) -> Iterator[GapFinding]:
    """The smallest gap at which each class above the finding's appears."""
    if not finding.contiguity_sensitive:
        return
    rank = finding.category.rank
    for gap in sorted(finding.by_gap, key=lambda entry: entry.gap_um):
        if SENSITIVE_GAPS_UM[0] <= gap.gap_um <= SENSITIVE_GAPS_UM[1] and gap.category.rank > rank:
            rank = gap.category.rank
            yield gap


def _if_one(gap: GapFinding, params: ClassifyParams) -> str:
    """Say what the finding is when farther foci are one."""
    small = gap.max_diameter_um is not None and gap.max_diameter_um <= params.itc_limit_um
    by_cells = " by cells" if small and gap.category is Category.MICROMETASTASIS else ""
    size = _size(gap.max_diameter_um, params)
    return f"{_WORDS[gap.category]}{by_cells}, {size}, if foci up to {gap.gap_um:g} um apart are one"


def _dispersed(facts: Facts) -> Iterator[str]:
    """Say that contiguity does not describe the pattern; the extent is never called a size."""
    finding = facts.finding
    if "diffuse_pattern" in finding.flags and finding.scatter_extent_um is not None:
        extent = millimetres(finding.scatter_extent_um, facts.params.size_limits_um, decimals=1)
        yield f"dispersed pattern over {extent} mm"
        yield "contiguity cannot size this"
        yield "a pathologist decides between micro- and macrometastasis"


def _near_a_limit(facts: Facts) -> Iterator[str]:
    """Say that the class hangs on the size's uncertainty, or nearly."""
    finding, params = facts.finding, facts.params
    if finding.max_diameter_um is None or finding.diameter_interval_um is None:
        return
    low, high = finding.diameter_interval_um
    if finding.borderline:
        spanned = " and ".join(f"{limit / 1000:g}" for limit in params.size_limits_um if low <= limit < high)
        yield f"Borderline: the interval {_interval(finding, params)} mm spans the limit of {spanned} mm."
    elif finding.near_limit:
        size = finding.max_diameter_um
        nearest = min(params.size_limits_um, key=lambda limit: abs(limit - size) / limit)
        yield f"Near the limit of {nearest / 1000:g} mm."


def _reservations(facts: Facts) -> Iterator[str]:
    """Say what makes the finding doubtful or a minimum."""
    finding, why = facts.finding, f" ({', '.join(readable(name) for name in facts.doubts)})" if facts.doubts else ""
    if "doubtful_only" in finding.flags:
        yield f"Doubtful: nothing counted is free of a reason for doubt{why}."
    elif facts.doubts:
        yield f"The largest cluster is doubtful{why}."
    partial = [reason for reason in finding.assessable.reasons if reason.startswith(("incomplete:", "out_of_focus:"))]
    others = [reason for reason in finding.assessable.reasons if reason not in partial]
    if partial:
        yield f"Seen in part, so at least this: {_without_codes(partial)}."
    if others:
        yield f"With a reservation: {_without_codes(others)}."
    yield from _limited(facts)


def _limited(facts: Facts) -> Iterator[str]:
    """Say that somebody chose what was analysed."""
    if facts.quality.is_area_limited:
        yield "Only the chosen part of the slide was analysed."


def _needs_a_look(facts: Facts) -> Iterator[str]:
    """Name the one uncounted cluster that is too large to pass over."""
    if "uncounted_large" in facts.finding.flags and facts.uncounted:
        largest = facts.uncounted[0]
        size, why = _size(largest.max_diameter_um, facts.params), readable(largest.reason)
        yield f"One not counted cluster of {size} ({why}, cluster {largest.cluster_id}) needs a look."


def _not_assessable(facts: Facts) -> Iterator[str]:
    """Say why, and what was seen nevertheless; in the dark, or in another stain, nothing was seen."""
    finding = facts.finding
    codes = {reason.partition(":")[0] for reason in finding.assessable.reasons}
    yield f"Not assessable: {_without_codes(finding.assessable.reasons)}."
    if "no_light" in codes:
        return
    if finding.n_clusters:
        are = "1 cluster is" if finding.n_clusters == 1 else f"{finding.n_clusters} clusters are"
        yield f"{are} listed but not judged."
    elif "no_tissue" not in codes:
        yield "No keratin-positive candidate counted in what could be read."
    if "not_h_dab" not in codes:
        yield from _only_at_larger_gaps(facts)
        yield from _needs_a_look(facts)


def _negative(facts: Facts) -> Iterator[str]:
    """The fixed wording: what was read, what would have been seen, what was not counted or not looked at."""
    quality = facts.quality
    large = "".join(_needs_a_look(facts))
    yield f"No counted candidate, but o{large[1:]}" if large else "No keratin-positive candidate counted."
    yield from _only_at_larger_gaps(facts)
    yield from _limited(facts)
    read = "not measured" if quality.coverage is None else f"{percent(quality.coverage)} of the detected tissue"
    focus = "focus not measured" if quality.in_focus is None else f"{percent(quality.in_focus, 0)} in focus"
    yield f"Read: {read} ({square_millimetres(quality.tissue_area_mm2)}), {focus}."
    if quality.audit is not None and not quality.unreadable_tiles and not quality.audit.missed:
        yield f"{_capital(how_read('candidates', quality.audit))}."
    diameter_um = round(2 * sqrt(facts.smallest_area_um2 / pi))
    yield f"Smallest countable object {facts.smallest_area_um2:g} um2 ({diameter_um} um)."
    yield f"Not counted: {', '.join(_not_counted(facts)) or 'nothing'}."
    yield _control(quality)
    yield f"Antibody: {quality.antibody or 'not stated'}."
    yield "Unscanned glass and deeper levels were not examined."


def _control(quality: Quality) -> str:
    """What vouches for the stain: without a control and without any stain nothing does."""
    stated = quality.control_result or "not stated"
    if quality.control_result or quality.control_on_slide or quality.shows_chromogen:
        return f"Control: {stated}."
    return f"Control: {stated}, and nothing on the slide is stained: whether the stain worked, only a control can tell."


def _only_at_larger_gaps(facts: Facts) -> Iterator[str]:
    """Say that specks which are nothing apart would be something together."""
    for gap in _higher_gaps(facts.finding):
        yield f"{_capital(_if_one(gap, facts.params))}."


def _not_counted(facts: Facts) -> Iterator[str]:
    """What was set aside, by reason; the largest of a kind is told."""
    largest_um = max((one.max_diameter_um for one in facts.uncounted), default=0.0)
    if facts.specks.n:
        specks = "1 speck" if facts.specks.n == 1 else f"{facts.specks.n} specks"
        speck_um = facts.specks.largest_um
        yield f"{specks} (largest {_size(speck_um, facts.params)})" if speck_um and speck_um > largest_um else specks
    for reason in dict.fromkeys(one.reason for one in facts.uncounted):
        alike = [one.max_diameter_um for one in facts.uncounted if one.reason == reason]
        yield f"{len(alike)} {readable(reason)} (largest {_size(max(alike), facts.params)}, shown)"
    if facts.n_on_other_tissue:
        yield f"{facts.n_on_other_tissue} on control or excluded tissue"


def _raised_by_cells(finding: Finding) -> bool:
    """Whether the number of cells, not the size, made the class."""
    return finding.estimated_cells is not None and finding.category_by_cells.rank > finding.category_by_size.rank


def _about_cells(facts: Facts) -> str:
    """The estimate with its interval; one solid cluster is not dispersed."""
    cells = facts.finding.estimated_cells
    if cells is None:
        return "An unknown number of cells"
    limit = facts.params.cell_limit
    value, low, high = (_whole_cells(number, limit) for number in (cells.value, cells.low, cells.high))
    return f"About {value} ({low}-{high}) {'dispersed ' if facts.finding.n_clusters > 1 else ''}cells"


def _whole_cells(cells: float, limit: float) -> int:
    """Round to whole cells without falling back onto the limit."""
    rounded = round(cells)
    return floor(cells) + 1 if rounded <= limit < cells else rounded


def _without_codes(reasons: Iterable[str]) -> str:
    """Reasons as words."""
    return "; ".join(reason.partition(": ")[2] for reason in reasons)


def _size(size_um: float | None, params: ClassifyParams) -> str:
    """A size with its unit."""
    return "size unknown" if size_um is None else f"{millimetres(size_um, params.size_limits_um)} mm"


def _interval(finding: Finding, params: ClassifyParams) -> str:
    """Both ends of the finding's size interval, without the unit."""
    ends = finding.diameter_interval_um
    return "" if ends is None else interval(*ends, params.size_limits_um)


def _at_least(finding: Finding) -> str:
    """Mark a size that is a minimum."""
    return ">= " if finding.size_is_minimum else ""


def _capital(words: str) -> str:
    """The words with a first capital, the others left alone."""
    return words[:1].upper() + words[1:]
