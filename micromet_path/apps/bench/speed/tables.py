"""The figures in print: plain lines for a terminal, Markdown for a page, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from statistics import median
from typing import Any

from micromet_path import __version__
from micromet_path.apps.bench.speed import plans
from micromet_path.apps.bench.speed.asked import Figure
from micromet_path.apps.bench.speed.figures import Measured
from micromet_path.apps.bench.speed.rounds import Measurement
from micromet_path.apps.bench.speed.running import SpeedReport
from micromet_path.apps.bench.tables import aligned, markdown_table

__all__ = ["SCHEMA", "csv_text", "markdown", "plain", "steps_of", "to_json"]

SCHEMA = "micromet-bench-speed/1"

_ROOM = 40
"""Characters of a reason that stands in a column."""

Table = tuple[str, list[list[str]]]
"""A title, and rows of cells of which the first is the header."""


# -- what is in the tables -----------------------------------------------------------------------


def tables(report: SpeedReport) -> list[Table]:
    """All tables of a run."""
    small = f"start, and a small slide of {report.beside.subject.width_px} px: what it took (medians)"
    return [
        ("figures", _figure_rows(report)),
        *((f"{slide.subject.name}: what it took (medians)", _measurement_rows(slide)) for slide in report.slides),
        (small, _measurement_rows(report.beside)),
        *((f"{slide.subject.name}: the whole command, warm, by step", _step_rows(slide)) for slide in report.slides),
    ]


def _figure_rows(report: SpeedReport) -> list[list[str]]:
    """One row a figure, one column a slide."""
    names = [slide.subject.name for slide in report.slides]
    rows = [["figure", *names, "asked", "met"]]
    for name, group in groupby(report.figures, key=lambda figure: figure.name):
        figures = list(group)
        cells = {figure.slide: _value(figure) for figure in figures}
        # What belongs to no slide stands in the last column: growth is that of the largest against the others.
        values = [cells.get(slide, "") for slide in names[:-1]] + [cells.get("", cells.get(names[-1], ""))]
        target = figures[0].target
        rows.append([name, *values, "" if target is None else target.text(figures[0].unit), _verdict(figures)])
    return rows


def _value(figure: Figure) -> str:
    """A figure with its range over the rounds, and what is to be said of it."""
    if figure.value is None:
        return _short(figure.note)
    if figure.unit == "yes":
        text = "yes" if figure.value else "NO"
    else:
        text = f"{figure.value:{'.0f' if figure.unit == 'MiB' else '.1f' if figure.value >= 10 else '.2f'}}"
        text += {"MiB": " MiB", "s": " s"}.get(figure.unit, "")
    if figure.low is not None and figure.high is not None and figure.low < figure.high:
        text += f" [{figure.low:.3g}, {figure.high:.3g}]"
    return f"{text} ({figure.note})" if figure.note else text


def _verdict(figures: Sequence[Figure]) -> str:
    """Whether a figure is as asked on all slides on which it is asked; empty where on none."""
    verdicts = [figure.is_met for figure in figures if figure.is_asked]
    if not verdicts:
        return ""
    if False in verdicts:
        return "NO"
    return "yes" if True in verdicts else "not measured"


def _measurement_rows(slide: Measured) -> list[list[str]]:
    rows = [["measurement", "n", "wall s", "CPU s", "process s", "Mpx/s", "Mpx/CPU s", "peak MiB"]]
    for measurement in slide.measurements.values():
        if measurement.missing:
            rows.append([measurement.name, "0", _short(measurement.missing), "", "", "", "", ""])
            continue
        mpx = _megapixels(slide, measurement)
        peak = measurement.peak_mib
        rows.append([
            measurement.name, str(len(measurement.samples)), f"{measurement.wall_s:.3f}", f"{measurement.cpu_s:.3f}",
            f"{measurement.outside_wall_s:.2f}", _rate(mpx, measurement.wall_s), _rate(mpx, measurement.cpu_s),
            "" if peak is None else f"{peak:.0f}",
        ])  # fmt: skip
    return rows


def _short(reason: str) -> str:
    """Why there is no number, as far as a column has room; `_reasons` tells all of it."""
    return reason if len(reason) <= _ROOM else "failed, see below"


def _reasons(report: SpeedReport) -> list[str]:
    """What has no room in a column."""
    return [
        f"{slide.subject.name}, {measurement.name}: {measurement.missing}."
        for slide in report.slides
        for measurement in slide.measurements.values()
        if len(measurement.missing) > _ROOM
    ]


def _megapixels(slide: Measured, measurement: Measurement) -> float:
    """Of level 0 that a measurement answers for."""
    if measurement.name == plans.IMPORT:
        return 0.0
    return (slide.subject.box_pixels if "single reads" in measurement.name else slide.subject.pixels) / 1e6


def _rate(megapixels: float, seconds: float) -> str:
    return f"{megapixels / seconds:.0f}" if megapixels and seconds > 0 else ""


def steps_of(measurement: Measurement) -> list[tuple[str, float, float]]:
    """Steps with their median wall and CPU seconds, in the order in which they are done."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for sample in measurement.samples:
        for name, wall_s, cpu_s in sample.facts.get("steps", ()):
            rows.setdefault(name, []).append((wall_s, cpu_s))
    return [(name, *(median(column) for column in zip(*values, strict=True))) for name, values in rows.items()]


def _step_rows(slide: Measured) -> list[list[str]]:
    steps = steps_of(slide.measurements[plans.WARM])
    floor, total = slide.measurements[plans.FLOOR].wall_s, sum(wall_s for _, wall_s, _ in steps)
    rows = [["step", "wall s", "CPU s", "share of wall", "decode floors"]]
    for name, wall_s, cpu_s in [*steps, ("all", total, sum(cpu_s for _, _, cpu_s in steps))]:
        share = f"{100 * wall_s / max(total, 1e-9):.0f} %"
        rows.append([name, f"{wall_s:.3f}", f"{cpu_s:.3f}", share, f"{wall_s / max(floor, 1e-9):.2f}"])
    return rows


# -- words ---------------------------------------------------------------------------------------


def caption(report: SpeedReport) -> str:
    """How the figures came about."""
    facts = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    return (
        f"micromet_path {__version__}, {report.threads} threads, {report.repeats} interleaved rounds, each measurement "
        "in a process of its own. Seconds are inside: without start, imports and loading compiled code; a process is "
        "from its start to its end. Ratios are medians of those within a round, in brackets the smallest and largest. "
        f"Peak memory is all that a process holds, libraries included. Machine: {facts}."
    )


def _floors(report: SpeedReport) -> list[str]:
    return [
        f"Decode floor of {slide.subject.name}: {slide.measurements[plans.FLOOR].fact('floor')}."
        for slide in report.slides
    ]


def summary(report: SpeedReport) -> str:
    """How many of the figures that are asked for in this run are as asked."""
    verdicts = [figure.is_met for figure in report.figures if figure.is_asked]
    met, missed = verdicts.count(True), verdicts.count(False)
    text = f"{met} of {len(verdicts)} figures that are asked for under these conditions are as asked, {missed} are not"
    unmeasured = len(verdicts) - met - missed
    return text + (f", {unmeasured} could not be measured." if unmeasured else ".")


def plain(report: SpeedReport) -> str:
    """The lines for a terminal."""
    parts = [f"{title}\n{aligned(rows)}" for title, rows in tables(report)]
    parts.insert(1, summary(report))
    return "\n\n".join([*parts, *_reasons(report), *_floors(report), caption(report)])


def markdown(report: SpeedReport) -> str:
    """The tables for a page."""
    parts = ["# Speed"]
    for title, (header, *rows) in tables(report):
        parts += [f"## {title}", markdown_table(header, rows)]
    return "\n\n".join([*parts, summary(report), *_reasons(report), *_floors(report), caption(report)]) + "\n"


# -- for programs --------------------------------------------------------------------------------


def _figure_dict(figure: Figure) -> dict[str, Any]:
    values = {key: value for key, value in asdict(figure).items() if key not in ("target", "is_asked", "note")}
    target = None if figure.target is None else figure.target.text(figure.unit)
    return {**values, "asked": target, "is_asked_here": figure.is_asked, "met": figure.is_met, "note": figure.note}


def _measurement_dict(measurement: Measurement) -> dict[str, Any]:
    names: dict[str, Callable[[Measurement], float | None]] = {
        "wall_s": lambda m: m.wall_s,
        "cpu_s": lambda m: m.cpu_s,
        "process_wall_s": lambda m: m.outside_wall_s,
        "process_cpu_s": lambda m: m.outside_cpu_s,
        "peak_mib": lambda m: m.peak_mib,
    }
    values = {name: value(measurement) if measurement.samples else None for name, value in names.items()}
    return {"name": measurement.name, "n": len(measurement.samples), **values, "missing": measurement.missing or None}


def to_json(report: SpeedReport) -> dict[str, Any]:
    """All of a run as one object; absent values are None."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "threads": report.threads,
        "repeats": report.repeats,
        "machine": report.machine,
        "caption": caption(report),
        "figures": [_figure_dict(figure) for figure in report.figures],
        "slides": [_slide_dict(slide) for slide in report.slides],
        "beside": [_measurement_dict(measurement) for measurement in report.beside.measurements.values()],
    }


def _slide_dict(slide: Measured) -> dict[str, Any]:
    subject, taken = slide.subject, slide.measurements
    return {
        "name": subject.name,
        "width_px": subject.width_px,
        "height_px": subject.height_px,
        "reader": subject.reader,
        "profile": subject.profile or None,
        "mode": slide.mode,
        "floor": taken[plans.FLOOR].fact("floor"),
        "clusters_identical": not slide.difference,
        "clusters_difference": slide.difference or None,
        "measurements": [_measurement_dict(measurement) for measurement in taken.values()],
        "steps": [dict(zip(("step", "wall_s", "cpu_s"), row, strict=True)) for row in steps_of(taken[plans.WARM])],
    }


def csv_text(report: SpeedReport) -> str:
    """One row a figure, then one a measured quantity, in the same columns."""
    rows = [_figure_dict(figure) for figure in report.figures]
    rows += _quantities(report)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _quantities(report: SpeedReport) -> Iterable[dict[str, Any]]:
    for slide in (*report.slides, report.beside):
        for measurement in slide.measurements.values():
            values = _measurement_dict(measurement)
            for name, unit in (("wall_s", "s"), ("cpu_s", "CPU s"), ("process_wall_s", "s"), ("peak_mib", "MiB")):
                where = {"name": f"{measurement.name}: {name}", "slide": slide.subject.name, "unit": unit}
                yield {**where, "value": values[name], "note": measurement.missing}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
