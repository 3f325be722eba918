"""What people see: a progress bar and the table of a finding, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from micromet_path.apps.cli.words import printable
from micromet_path.clinical.wording import millimetres, percent, readable
from micromet_path.model import Analysis, Category, Clusters, Counting, Finding
from micromet_path.results.palette import interval_mm

__all__ = ["console", "print_result", "progress_bar"]

_SHOWN_CLUSTERS = 8
_NAMES = {
    Category.NOT_ASSESSABLE: "not assessable",
    Category.NEGATIVE: "negative",
    Category.ITC: "isolated tumour cells (ITC)",
    Category.MICROMETASTASIS: "micrometastasis",
    Category.MACROMETASTASIS: "macrometastasis",
}
_SHORT = {Category.ITC: "ITC", Category.MICROMETASTASIS: "micro", Category.MACROMETASTASIS: "macro"}


def console() -> Console:
    """The terminal, for words and progress; what files and slides are called is never markup."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def progress_bar(title: str, shown: bool = True) -> Iterator[Callable[[int, int], None] | None]:
    """A bar that takes (done, in all); it leaves no trace, and shows nothing where there is no terminal."""
    terminal = console()
    if not shown or not terminal.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=terminal, transient=True) as bar:
        task = bar.add_task(printable(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_result(analysis: Analysis, folder: Path, was_reused: bool) -> None:
    """Headline, finding, the largest clusters, and where the files are."""
    terminal = console()
    terminal.print()
    terminal.print(Text.assemble((printable(analysis.slide.name), "bold"), f"  {_NAMES[analysis.finding.category]}"))
    terminal.print(analysis.finding.headline)
    if was_reused:
        terminal.print("This is the stored result: the slide was analysed before with the same settings.")
    terminal.print(_facts(analysis))
    if len(analysis.clusters):
        terminal.print(_clusters(analysis.clusters))
    for name in ("report.html", "overview.png"):
        terminal.print(f"{name:<13} {folder / name}", soft_wrap=True)
    terminal.print("For research use only. A suggestion, not a diagnosis: a pathologist decides.", style="dim")


def _facts(analysis: Analysis) -> Table:
    """What could be judged, and on which settings."""
    finding, scan, slide = analysis.finding, analysis.scan, analysis.slide
    table = Table.grid(padding=(0, 2))
    table.add_row("assessable", _assessable(finding))
    if finding.max_diameter_um is not None and finding.diameter_interval_um is not None:
        size = f"{'>= ' if finding.size_is_minimum else ''}{millimetres(finding.max_diameter_um)} mm"
        table.add_row("largest focus", f"{size} ({interval_mm(*finding.diameter_interval_um)})")
    if finding.assessable.ok:
        counts = f"{finding.n_macro} macro, {finding.n_micro} micro, {finding.n_itc} ITC-sized"
        table.add_row("counted", f"{finding.n_clusters} clusters: {counts}")
    read = "nothing" if scan.coverage is None else f"{percent(scan.coverage)} of {scan.tissue_area_mm2:.2f} mm2 tissue"
    table.add_row("read", read)
    table.add_row(
        "scale",
        f"{slide.spacing.x_um:.4g} x {slide.spacing.y_um:.4g} um per pixel ({slide.mpp_source}); {slide.vendor}",
    )
    table.add_row(
        "settings",
        f"gap {scan.gap_um:g} um, DAB from {scan.threshold_od:g} OD; {analysis.provenance.config_fingerprint[:12]}",
    )
    for warning in slide.warnings:
        table.add_row("warning", warning)
    return table


def _assessable(finding: Finding) -> str:
    """Yes, no or in part; the reasons stand in the headline."""
    if not finding.assessable.ok:
        return "no"
    return "in part" if finding.assessable.reasons else "yes"


def _clusters(clusters: Clusters) -> Table:
    """The largest clusters."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title, justify in (
        ("id", "right"),
        ("mm", "right"),
        ("interval", "right"),
        ("size class", "left"),
        ("counts", "left"),
        ("at x, y", "right"),
        ("flags", "left"),
    ):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for row in range(min(len(clusters), _SHOWN_CLUSTERS)):
        x, y = clusters.centroid_px0[row]
        counting: Counting = clusters.counting[row]
        table.add_row(
            str(row + 1),
            millimetres(float(clusters.max_diameter_um[row])),
            interval_mm(float(clusters.diameter_low_um[row]), float(clusters.diameter_high_um[row])).removesuffix(
                " mm"
            ),
            "-" if counting is Counting.NOT_COUNTED else _SHORT[clusters.category[row]],
            counting.value.replace("_", " "),
            f"{x:.0f}, {y:.0f}",
            ", ".join(readable(name) for name in clusters.flags_of(row)),
        )
    if len(clusters) > _SHOWN_CLUSTERS:
        table.caption = f"{len(clusters) - _SHOWN_CLUSTERS} smaller ones are in the report and in clusters.csv"
    return table
