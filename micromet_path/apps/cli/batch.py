"""``micromet batch``: an archive of slides, and what came of it."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from micromet_path.apps.batch.collector import Settled
from micromet_path.apps.batch.limits import Limits
from micromet_path.apps.batch.plan import Plan, make_plan
from micromet_path.apps.batch.running import BatchRequest, BatchResult, run_batch
from micromet_path.apps.cli.console import console
from micromet_path.apps.cli.words import complain, printable
from micromet_path.config import load_config
from micromet_path.errors import ConfigError

__all__ = ["BatchCommand", "run"]

_QUIET_SECONDS = 30.0  # between two lines where there is no terminal
_MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class BatchCommand:
    """What the command line asked for."""

    archives: tuple[str, ...]
    out: Path
    config: Path | None
    manifest: Path | None
    workers: int
    scheduler: str | None
    shard: tuple[int, int] | None
    retry_failed: bool
    database: str | None
    hash_mode: str
    seconds: float
    memory_mib: int
    dry_run: bool
    as_json: bool
    quiet: bool


def run(command: BatchCommand) -> int:
    """Run the batch; the exit status."""
    if not command.archives and command.manifest is None:
        raise ConfigError("nothing to do; name folders or slides, or a --manifest")
    config = load_config(command.config)
    plan = make_plan(command.archives, command.manifest, config, command.out, complain)
    for warning in plan.warnings:
        complain(warning)
    if command.dry_run:
        _show_plan(command, plan)
        return 0
    request = BatchRequest(
        out=command.out,
        config=config,
        workers=command.workers,
        scheduler=command.scheduler,
        shard=command.shard,
        retry_failed=command.retry_failed,
        database=command.database,
        hash_all=command.hash_mode == "full",
        limits=Limits(command.seconds, command.memory_mib),
    )
    n_slides = len(plan.slides) if command.shard is None else len(plan.shard(*command.shard))
    with _ended_by_signals(), _watching(n_slides, command) as heard:
        result = run_batch(request, plan, heard, complain)
    if not command.quiet:
        _show_result(command, result)
    counts = result.tally.counts
    if not counts["failed"]:
        return 3 if result.is_database_behind or not result.are_cases_whole else 0
    return 3 if counts["done"] + counts["reused"] + counts["skipped"] else 1


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A scheduler of jobs asks a run to end as a terminal does: what is recorded then is the same."""

    def end(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _watching(n_slides: int, command: BatchCommand) -> Iterator[Callable[[Settled], None]]:
    """What is told while slides are done: a bar on a terminal, a line now and then elsewhere, JSON where asked for."""
    terminal = console()
    begin = time.monotonic()
    seen: Counter[str] = Counter()
    latest = [begin]
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn(),
    )  # fmt: skip
    is_shown = terminal.is_terminal and not command.quiet
    with Progress(*columns, console=terminal, transient=True, disable=not is_shown) as bar:
        task = bar.add_task("slides", total=n_slides, rate="")

        def heard(settled: Settled) -> None:
            failure = settled.outcome.failure
            seen["failed" if settled.is_failed else settled.outcome.state] += 1
            if command.as_json:
                click.echo(json.dumps(_line(command.out, settled)))
            if failure is not None and settled.outcome.state == "failed" and not command.quiet:
                bar.console.print(f"micromet: {printable(failure.line)}", soft_wrap=True)
            done, now = seen.total(), time.monotonic()
            rate = f"{60 * done / max(now - begin, 1e-6):.1f} a minute, {seen['failed']} failed"
            bar.update(task, advance=1, rate=rate)
            if not is_shown and not command.quiet and now - latest[0] >= _QUIET_SECONDS:
                latest[0] = now
                left = (n_slides - done) * (now - begin) / done
                terminal.print(f"{done} of {n_slides} slides, {rate}, {left / 60:.0f} minutes left", soft_wrap=True)

        yield heard


def _line(out: Path, settled: Settled) -> dict[str, Any]:
    """A settled slide for machines."""
    outcome = settled.outcome
    line: dict[str, Any] = {
        "slide_id": settled.slide.slide_id,
        "state": outcome.state,
        "seconds": round(outcome.seconds, 3),
        "fingerprint": outcome.fingerprint,
    }
    if outcome.failure is not None:
        return {**line, "failure": {"kind": outcome.failure.kind, "line": outcome.failure.line}}
    with suppress(OSError, ValueError, KeyError):
        content = json.loads((out / settled.slide.slide_id / "result.json").read_text(encoding="utf-8"))
        line["finding"] = {name: content["finding"][name] for name in ("category", "max_diameter_um", "headline")}
    return line


def _show_plan(command: BatchCommand, plan: Plan) -> None:
    """What would be done, for people or for machines; no slide is opened."""
    slides = plan.slides if command.shard is None else plan.shard(*command.shard)
    if command.as_json:
        for slide in slides:
            content = {
                "slide_id": slide.slide_id,
                "path": str(slide.path),
                "accession": slide.facts.accession,
                "duplicate_of": slide.duplicate_of,
                "problem": slide.problem,
                "skipped": slide.is_skipped,
            }
            click.echo(json.dumps(content))
        return
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title in ("slide id", "case", "node", "file", ""):
        table.add_column(title, overflow="fold")
    for slide in slides:
        note = slide.problem or (f"the same as {slide.duplicate_of}" if slide.duplicate_of else "")
        note = note or ("excluded" if slide.is_skipped else "")
        cells = (
            slide.slide_id,
            slide.facts.accession or "unassigned",
            slide.facts.node_id or "",
            str(slide.path),
            note,
        )
        table.add_row(*(printable(cell) for cell in cells))
    terminal = console()
    terminal.print(table)
    n_skipped = sum(slide.is_skipped for slide in slides)
    n_failing = sum(slide.problem is not None for slide in slides)
    terminal.print(f"{len(slides)} slides: {n_skipped} would be skipped, {n_failing} would fail. Nothing was written.")


def _show_result(command: BatchCommand, result: BatchResult) -> None:
    """The table at the end."""
    terminal = console()
    counts = result.tally.as_counts()
    table = Table.grid(padding=(0, 2))
    for name, words in (
        ("listed", "slides in the list"),
        ("done", "analysed"),
        ("reused", "as before, with the same settings"),
        ("failed", "failed"),
        ("skipped", "excluded, or the same content as another"),
    ):
        table.add_row(str(counts[name]), words)
    terminal.print(table)
    failed = [(name, outcome.failure) for name, outcome in result.tally.outcomes.items() if outcome.failure is not None]
    if failed:
        listing = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for title in ("failed", "in", "why"):
            listing.add_column(title, overflow="fold")
        for name, failure in failed[:_MOST_FAILURES]:
            listing.add_row(printable(name), failure.phase, printable(failure.line))
        if len(failed) > _MOST_FAILURES:
            listing.caption = f"{len(failed) - _MOST_FAILURES} more are in the summary and in the table failures"
        terminal.print(listing)
        if any(outcome.state == "failed_before" for outcome in result.tally.outcomes.values()):
            terminal.print("What failed before and is the same now was not tried again; --retry-failed does.")
    if result.summary is not None:
        terminal.print(f"summary       {result.summary}", soft_wrap=True)
    if command.shard is not None:
        terminal.print("A shard writes no database: when all are done, run `micromet archive reindex` on the folder.")
    terminal.print("For research use only. A suggestion, not a diagnosis: a pathologist decides.", style="dim")
