"""The page of an archive: what was found, positives first, what needs a person, and how the stain kept.

It is made from rows of the database and loads nothing; its links lead to the pages of slides and cases beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from micromet_path.clinical.wording import percent
from micromet_path.model import Category
from micromet_path.results.page import css, fill_template
from micromet_path.results.palette import COLOURS, NAMES, interval_mm, length_mm

__all__ = ["ArchiveContent", "render_archive"]

_MOST_ROWS = 500
_WIDTH, _HEIGHT, _MARGIN = 820, 150, 44
_MOST_RUN_NAMES = 24
_CHARTS = (
    ("chromogen_strength_od", "Chromogen, cores of what is stained (OD)"),
    ("counterstain_strength_od", "Counterstain, darker nuclei (OD)"),
    ("white", "Light of clear glass (mean of R, G, B)"),
)

_LOOK_CLOSER = {
    "borderline": "borderline",
    "near_limit": "near a limit",
    "contiguity_sensitive": "depends on the gap",
    "reviewed": "reviewed",
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ArchiveContent:
    """Rows of the database, by column.

    Parameters
    ----------
    slides, failures, cases, runs : sequence of mapping
        Of the tables of these names.
    worklist, borderline, not_assessable, rescan_list : sequence of mapping
        Of the views of these names.
    """

    slides: Sequence[Row]
    failures: Sequence[Row]
    cases: Sequence[Row]
    runs: Sequence[Row]
    worklist: Sequence[Row]
    borderline: Sequence[Row]
    not_assessable: Sequence[Row]
    rescan_list: Sequence[Row]


def render_archive(content: ArchiveContent) -> str:
    """Make the page.

    Parameters
    ----------
    content : ArchiveContent

    Returns
    -------
    str
        HTML; every text of the archive is escaped.
    """
    superseded = [row for row in content.slides if row["superseded_by"] is not None]
    counting = [
        row
        for row in content.slides
        if row["state"] == "done" and row["superseded_by"] is None and row["role"] == "patient"
    ]
    return fill_template(
        "archive.html.j2",
        counts=_counts(counting),
        states=Counter(row["state"] for row in content.slides),
        n_listed=len(content.slides),
        n_counting=len(counting),
        positives=[_finding(row) for row in content.worklist[:_MOST_ROWS]],
        borderline=[_finding(row) for row in content.borderline[:_MOST_ROWS]],
        not_assessable=[
            {**row, "link": _link(row["slide_id"]), "why": _without_codes(row["reasons"] or "")}
            for row in content.not_assessable[:_MOST_ROWS]
        ],
        failures=content.failures[:_MOST_ROWS],
        rescans=[
            {**row, "coverage": _share(row["coverage"]), "in_focus": _share(row["in_focus"])}
            for row in content.rescan_list[:_MOST_ROWS]
        ],
        cases=[_case(row) for row in content.cases[:_MOST_ROWS]],
        superseded=[{**row, "link": _link(row["slide_id"])} for row in superseded[:_MOST_ROWS]],
        duplicates=[row for row in content.slides if row["state"] == "duplicate"][:_MOST_ROWS],
        more={
            name: max(0, len(getattr(content, name)) - _MOST_ROWS)
            for name in ("worklist", "borderline", "not_assessable", "failures", "rescan_list", "cases")
        },
        charts=_charts(content.slides),
        coverage=_coverage(counting),
        run=content.runs[-1] if content.runs else None,
        n_runs=len(content.runs),
    )


def _link(slide_id: str) -> str:
    return f"{quote(slide_id)}/report.html"


def _without_codes(reasons: str) -> str:
    """Reasons as sentences: each is a code and a sentence."""
    return "; ".join(reason.partition(": ")[2] or reason for reason in reasons.splitlines())


def _case(row: Row) -> dict[str, Any]:
    told = (row["warnings"] or "").replace(" ", ", ").replace("_", " ")
    return {**row, "link": f"cases/{quote(row['folder'])}/case.html", "told": told}


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _counts(counting: Sequence[Row]) -> list[dict[str, Any]]:
    """Slides by category, the worst first."""
    found = Counter(row["category"] for row in counting)
    order = [
        Category.MACROMETASTASIS,
        Category.MICROMETASTASIS,
        Category.ITC,
        Category.NEGATIVE,
        Category.NOT_ASSESSABLE,
    ]
    return [{"name": NAMES[one], "colour": css(COLOURS[one]), "count": found[one.value]} for one in order]


def _finding(row: Row) -> dict[str, Any]:
    category, size = Category(row["category"]), row["max_diameter_um"]
    low, high = row["diameter_low_um"], row["diameter_high_um"]
    return {
        **row,
        "link": _link(row["slide_id"]),
        "look": ", ".join(words for name, words in _LOOK_CLOSER.items() if row.get(name)),
        "called": NAMES[category],
        "colour": css(COLOURS[category]),
        "size": "" if size is None else length_mm(size, bool(row["size_is_minimum"])),
        "interval": "" if low is None or high is None else interval_mm(low, high),
    }


def _coverage(counting: Sequence[Row]) -> str:
    """How much of the tissue was read, over all slides."""
    known = [(row["coverage"], row["tissue_area_mm2"]) for row in counting if row["coverage"] is not None]
    area = sum(size for _, size in known)
    if not area:
        return "No tissue was read."
    read = sum(share * size for share, size in known) / area
    return f"{percent(read)} of {area:.0f} mm2 of tissue on {len(known)} slides was read."


def _charts(slides: Sequence[Row]) -> list[dict[str, Any]]:
    """A chart each of chromogen, counterstain and light by stain run: a dot a slide, a bar a run."""
    done = [row for row in slides if row["state"] == "done"]
    first: dict[str, str] = {}
    for row in done:
        run = row["stain_run"] or ""
        first[run] = min(first.get(run, "9"), row["scan_time"] or "9")
    runs = sorted(first, key=lambda run: (first[run], run))
    return [chart for chart in (_chart(title, name, done, runs) for name, title in _CHARTS) if chart["dots"]]


def _chart(title: str, name: str, done: Sequence[Row], runs: Sequence[str]) -> dict[str, Any]:
    place = {run: index for index, run in enumerate(runs)}
    points = [(place[row["stain_run"] or ""], value) for row in done if (value := _value(row, name)) is not None]
    values = [value for _, value in points] or [0.0]
    low, high = min(values), max(values)
    pad = max(0.15 * (high - low), 0.02 * abs(high), 1e-3)
    low, high = low - pad, high + pad

    def x(index: float) -> float:
        return round(_MARGIN + (index + 0.5) * (_WIDTH - _MARGIN - 8) / max(1, len(runs)), 1)

    def y(value: float) -> float:
        return round(8 + (high - value) / (high - low) * (_HEIGHT - 16), 1)

    means: dict[int, list[float]] = {}
    for index, value in points:
        means.setdefault(index, []).append(value)
    half = 0.3 * (_WIDTH - _MARGIN) / max(1, len(runs))
    digits = 0 if high > 20 else 2
    return {
        "title": title,
        "width": _WIDTH,
        "height": _HEIGHT + (18 if 1 < len(runs) <= _MOST_RUN_NAMES else 0),
        "base": _HEIGHT - 4,
        "left": _MARGIN,
        "dots": [{"x": x(index), "y": y(value)} for index, value in points],
        "means": [
            {"x0": round(x(index) - half, 1), "x1": round(x(index) + half, 1), "y": y(sum(of) / len(of))}
            for index, of in means.items()
        ],
        "ticks": [
            {"y": y(value), "text": f"{value:.{digits}f}"} for value in (low + pad, (low + high) / 2, high - pad)
        ],
        "names": [
            {"x": x(index), "text": run or "not stated"}
            for index, run in enumerate(runs)
            if 1 < len(runs) <= _MOST_RUN_NAMES
        ],
    }


def _value(row: Row, name: str) -> float | None:
    if name == "white":
        light = [row[f"white_{colour}"] for colour in "rgb"]
        return None if None in light else sum(light) / 3
    value: float | None = row[name]
    return value
