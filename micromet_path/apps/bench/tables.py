"""The written tables: CSV for programs, Markdown and plain lines for people, one object as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any

from micromet_path import __version__
from micromet_path.apps.bench import FIRST_SEED
from micromet_path.apps.bench.asked import ALL, Asked, Measure
from micromet_path.apps.bench.measures import focus_confusion, measure_all, slide_confusion
from micromet_path.apps.bench.records import Failure, FalseRow, FocusRow, NodeRow, SlideOutcome, SlideRow

__all__ = ["SCHEMA", "Report", "aligned", "csv_files", "markdown", "markdown_table", "plain", "to_json"]

SCHEMA = "micromet-bench-accuracy/1"

_UNITS = {"share": 100.0}
"""Shares are printed as per cent."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run.

    Parameters
    ----------
    seed : int
        Of its first slide.
    outcomes : tuple of SlideOutcome
    failures : tuple of Failure
    left_out : tuple of str
        Profiles for which there were too few slides.
    measures : tuple of Measure
    """

    seed: int
    outcomes: tuple[SlideOutcome, ...]
    failures: tuple[Failure, ...]
    left_out: tuple[str, ...]
    measures: tuple[Measure, ...]

    @classmethod
    def of(
        cls, seed: int, outcomes: Sequence[SlideOutcome], failures: Sequence[Failure], left_out: Sequence[str]
    ) -> Report:
        """The report with its measures made."""
        return cls(seed, tuple(outcomes), tuple(failures), tuple(left_out), tuple(measure_all(outcomes)))

    @property
    def asked(self) -> list[Measure]:
        """Pooled measures that something is asked of."""
        return [measure for measure in self.measures if measure.asked is not None]

    @property
    def _kind_of_seeds(self) -> str:
        """Whether slides like these were looked at when settings were chosen."""
        return "settings were chosen on others" if self.seed >= FIRST_SEED else "for development: not to be reported"

    @property
    def caption(self) -> str:
        """What the figures are, and what they are not."""
        negatives = sum(outcome.slide.truth_category == "negative" for outcome in self.outcomes)
        foci = sum(row.is_judged for outcome in self.outcomes for row in outcome.foci)
        return (
            f"Synthetic slides, drawn by the program itself: {len(self.outcomes)} slides ({negatives} without tumour), "
            f"{foci} foci, seeds from {self.seed} on ({self._kind_of_seeds}); version {__version__}. "
            "In brackets 95 % confidence intervals: Wilson's for shares, a bootstrap over slides for the rest. "
            "These figures are no evidence of clinical performance."
        )


# -- numbers as text -----------------------------------------------------------------------------


def _number(value: float, unit: str) -> str:
    """A figure with the digits that its unit is worth."""
    if not isfinite(value):
        return "-"
    if unit == "share":
        return f"{100 * value:.2f} %"
    return {"um": f"{value:.2f} um", "kappa": f"{value:.3f}", "count": f"{value:.0f}"}.get(unit, f"{value:.2f}")


def _interval(measure: Measure) -> str:
    """The confidence interval in brackets; nothing where there is none."""
    estimate = measure.estimate
    if not (isfinite(estimate.low) and isfinite(estimate.high)):
        return ""
    low, high = (
        _number(end, measure.unit).removesuffix(" %").removesuffix(" um") for end in (estimate.low, estimate.high)
    )
    return f"[{low}, {high}]"


def _asked(asked: Asked | None, unit: str) -> str:
    if asked is None:
        return ""
    limit = 100 * asked.limit if unit == "share" else asked.limit
    ending = {"share": " %", "um": " um"}.get(unit, "")
    return f"{'>=' if asked.at_least else '<='} {limit:g}{ending}"


def _verdict(measure: Measure) -> str:
    """Whether it is met, in a word."""
    if measure.asked is None:
        return ""
    return {True: "yes", False: "NO", None: "not measured"}[measure.is_met]


def _name(measure: Measure) -> str:
    return f"{measure.name} ({measure.note})" if measure.note else measure.name


# -- forms ---------------------------------------------------------------------------------------


def csv_files(report: Report) -> dict[str, str]:
    """Text of each CSV file by its name."""
    outcomes = report.outcomes
    return {
        "accuracy.csv": _csv([measure.to_dict() for measure in report.measures]),
        "foci.csv": _rows(FocusRow, (row for outcome in outcomes for row in outcome.foci)),
        "false.csv": _rows(FalseRow, (row for outcome in outcomes for row in outcome.false)),
        "slides.csv": _rows(SlideRow, (outcome.slide for outcome in outcomes)),
        "nodes.csv": _rows(NodeRow, (row for outcome in outcomes for row in outcome.nodes)),
    }


def _rows(kind: type[Any], rows: Iterable[Any]) -> str:
    """Rows of one kind with their field names as header, also where there are none."""
    return _csv([asdict(row) for row in rows], [column.name for column in fields(kind)])


def _csv(rows: Sequence[Mapping[str, Any]], header: Sequence[str] | None = None) -> str:
    """Comma separated text; absent values are empty, numbers have at most six digits that count."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header or list(rows[0]))
    for row in rows:
        writer.writerow([_cell(value) for value in row.values()])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value


def markdown(report: Report) -> str:
    """The tables for a page: what was asked, the other figures, classes, and profiles."""
    pooled = [measure for measure in report.measures if measure.profile == ALL and measure.asked is None]
    parts = [
        "# Accuracy on synthetic slides",
        report.caption,
        markdown_table(["figure", "value", "95 % interval", "asked", "met", "n"], map(_line, report.asked)),
        *_warnings(report),
        "## Other figures",
        markdown_table(["figure", "value", "95 % interval", "n"], (_line(m)[:3] + _line(m)[5:] for m in pooled)),
        "## Foci by class (rows: truth)",
        _confusion(focus_confusion(report.outcomes)),
        "## Slides by category (rows: truth)",
        _confusion(slide_confusion(report.outcomes)),
        "## By profile",
        _by_profile(report),
    ]
    return "\n\n".join(parts) + "\n"


def _line(measure: Measure) -> list[str]:
    """Cells of one measure."""
    return [
        _name(measure), _number(measure.estimate.value, measure.unit), _interval(measure),
        _asked(measure.asked, measure.unit), _verdict(measure), str(measure.estimate.n),
    ]  # fmt: skip


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lines for a terminal, with columns as wide as their longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _confusion(table: Mapping[str, Mapping[str, int]]) -> str:
    columns = list(next(iter(table.values())))
    return markdown_table(
        ["", *columns], ([name, *(str(count) for count in row.values())] for name, row in table.items())
    )


def _by_profile(report: Report) -> str:
    """One line a profile, one column a figure."""
    own = [measure for measure in report.measures if measure.profile != ALL]
    figures = list(dict.fromkeys(measure.name for measure in own))
    cells = {(m.profile, m.name): _number(m.estimate.value, m.unit) for m in own}
    profiles = list(dict.fromkeys(measure.profile for measure in own))
    rows = ([profile, *(cells.get((profile, figure), "") for figure in figures)] for profile in profiles)
    return markdown_table(["profile", *figures], rows)


def _warnings(report: Report) -> list[str]:
    """What keeps the figures from being the whole suite's."""
    lines = []
    if report.left_out:
        lines.append(f"Left out for want of slides: {', '.join(report.left_out)}.")
    lines += [f"Failed: {failure.slide}: {failure.because}" for failure in report.failures]
    return lines


def plain(report: Report) -> str:
    """The lines for a terminal: what was asked and whether it is met."""
    lines = [[_name(m), *_line(m)[1:]] for m in report.asked]
    header = ["figure", "value", "95 % interval", "asked", "met", "n"]
    missed = sum(measure.is_met is False for measure in report.asked)
    unmeasured = sum(measure.is_met is None for measure in report.asked)
    verdict = f"{len(lines) - missed - unmeasured} of {len(lines)} figures are as asked, {missed} are not"
    verdict += f", {unmeasured} could not be measured." if unmeasured else "."
    return "\n".join([aligned([header, *lines]), "", verdict, *_warnings(report), report.caption])


def to_json(report: Report) -> dict[str, Any]:
    """All measures as one object; absent values are None."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "caption": report.caption,
        "seed": report.seed,
        "n_slides": len(report.outcomes),
        "n_foci": sum(row.is_judged for outcome in report.outcomes for row in outcome.foci),
        "measures": [measure.to_dict() for measure in report.measures],
        "foci_by_class": focus_confusion(report.outcomes),
        "slides_by_category": slide_confusion(report.outcomes),
        "left_out": list(report.left_out),
        "failed": [asdict(failure) for failure in report.failures],
    }
