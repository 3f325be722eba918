"""A batch, start to end: plan, lock, run, record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from micromet_path.api import AnalyzeOptions, compile_kernels, settings_key
from micromet_path.apps.archive.cases import CaseBoard
from micromet_path.apps.archive.database import ArchiveDatabase, open_database
from micromet_path.apps.archive.folders import is_settled, slide_folders
from micromet_path.apps.archive.listing import ListedSlide, read_listing
from micromet_path.apps.archive.reindex import refresh_superseded
from micromet_path.apps.archive.rows import run_row
from micromet_path.apps.archive.runs import RunRecord, begin_run, now, versions, write_run
from micromet_path.apps.archive.summary import write_summary
from micromet_path.apps.batch.collector import Collector, Settled, Tally, listed_of
from micromet_path.apps.batch.engines import ClusterEngine, Engine, LocalEngine
from micromet_path.apps.batch.job import Job
from micromet_path.apps.batch.limits import Limits
from micromet_path.apps.batch.locking import HIDDEN, locked
from micromet_path.apps.batch.plan import Plan, PlannedSlide
from micromet_path.config import Config
from micromet_path.errors import MicrometError, ResultError
from micromet_path.results.folders import leftovers, recover
from micromet_path.results.sums import SUMS_FILE, digest_of

__all__ = ["BatchRequest", "BatchResult", "job_for", "run_batch"]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """How a batch is run.

    Parameters
    ----------
    out : Path
    config : Config
    workers : int
        Processes of this machine.
    scheduler : str or None
        Address of a dask cluster that does the work instead.
    shard : (int, int) or None
        Number and count: this run does every `count`-th slide and writes no database.
    retry_failed : bool
    database : str or None
        URL; SQLite in `out` without.
    hash_all : bool
    limits : Limits
    """

    out: Path
    config: Config
    workers: int = 1
    scheduler: str | None = None
    shard: tuple[int, int] | None = None
    retry_failed: bool = False
    database: str | None = None
    hash_all: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch came to.

    Parameters
    ----------
    tally : Tally
    record : RunRecord
    is_database_behind : bool
    are_cases_whole : bool
        Whether every case that was to be staged was, and every folder could be read.
    summary : Path or None
    """

    tally: Tally
    record: RunRecord
    is_database_behind: bool
    are_cases_whole: bool
    summary: Path | None


def run_batch(
    request: BatchRequest, plan: Plan, heard: Callable[[Settled], object], complain: Callable[[str], object]
) -> BatchResult:
    """Run every slide of a plan, or of a shard of it.

    Parameters
    ----------
    request : BatchRequest
    plan : Plan
    heard : callable
        Told of each slide that is settled.
    complain : callable
        Told of what did not go as it should and stops nothing.

    Raises
    ------
    ResultError
        If another run holds the folder, or it cannot be written.
    ConfigError
        If the cluster or the database cannot be used.
    """
    slides = plan.slides if request.shard is None else plan.shard(*request.shard)
    with _locked(request):
        _tidy(request.out)
        if request.shard is None:  # shards leave each other alone
            shutil.rmtree(_notes(request.out), ignore_errors=True)
        with _database(request) as database, _engine(request) as engine:
            record = begin_run(request.out, _record(request, engine, plan))
            listing = read_listing(request.out)
            listed = listing.slides(slide_folders(request.out))
            board = None
            if request.shard is None:
                in_work = {slide.slide_id for slide in slides if not slide.is_skipped}
                board = CaseBoard(request.out, listed, listing.unread, in_work)
            if listing.unread:
                complain("while a folder cannot be read every case waits: slides of it may be there")
            notes = _notes(request.out) / f"{record.number:04d}"
            make_job = partial(job_for, request, plan, notes)
            collector = Collector(request.out, engine, make_job, database, board, heard, complain)
            try:
                lists = _to_announce(request.out, listed, plan), slides
                result = _run(request, collector, record, lists, database, complain)
            finally:  # in order, if not to the end: nobody died of a slide
                shutil.rmtree(notes, ignore_errors=True)
        _tidy(request.out)  # workers of a run that was killed may have outlived it by a moment
        return result


def job_for(request: BatchRequest, plan: Plan, notes: Path, slide: PlannedSlide) -> Job:
    """What a worker is asked to do for a slide. Paths are absolute, for it may work from another folder."""
    out = request.out.absolute()
    return Job(
        path=slide.path.absolute(),
        slide_id=slide.slide_id,
        out=out,
        note=notes.absolute() / slide.slide_id,
        config=plan.config_for(slide, request.config),
        spacing=slide.facts.spacing,
        hash_all=request.hash_all,
        limits=request.limits,
        retry_failed=request.retry_failed,
    )


def _run(
    request: BatchRequest,
    collector: Collector,
    record: RunRecord,
    lists: tuple[Sequence[ListedSlide], Sequence[PlannedSlide]],
    database: ArchiveDatabase | None,
    complain: Callable[[str], object],
) -> BatchResult:
    """Run what is to be done, and write down how it ended however it did."""
    listed, slides = lists
    state = "interrupted"
    summary = None
    try:
        if database is not None:
            collector.begin(record)
        collector.announce(listed)
        collector.run(slides)
        state = "finished"
    finally:
        with suppress(OSError):
            record = _ended(request.out, record, state, collector)
        if database is not None:
            try:
                database.put_run(run_row(record))
                if state == "finished" and not collector.is_database_behind:
                    refresh_superseded(database)
                    summary = write_summary(request.out, database)
                if not collector.is_database_behind:
                    database.end_run()
            except (MicrometError, OSError) as error:
                collector.is_database_behind = True
                complain(f"{error}; `micromet archive reindex` makes database and summary again")
            if collector.is_database_behind:
                with suppress(MicrometError):
                    database.distrust()
    is_whole = not collector.n_cases_failed and not record.unread
    return BatchResult(collector.tally, record, collector.is_database_behind, is_whole, summary)


def _to_announce(out: Path, listed: Sequence[ListedSlide], plan: Plan) -> list[ListedSlide]:
    """Slides of which something is new before they are looked at; of the others the database says what is so."""
    planned = {slide.slide_id: slide for slide in plan.slides}
    return [
        one
        for one in listed
        if one.is_retired
        or (one.slide_id in planned and (planned[one.slide_id].is_skipped or not is_settled(out, one.slide_id)))
    ]


def _notes(out: Path) -> Path:
    """Folder of the notes of slides in work, a folder a run."""
    return out / HIDDEN / "notes"


def _record(request: BatchRequest, engine: Engine, plan: Plan) -> RunRecord:
    return RunRecord(
        number=0,
        started=now(),
        state="running",
        versions=versions(),
        config=request.config.to_dict(),
        config_fingerprint=request.config.fingerprint,
        engine=engine.name,
        shard=request.shard,
        slides=_entries(request, plan),
        walked=plan.walked,
        unread=plan.unread,
    )


def _entries(request: BatchRequest, plan: Plan) -> list[dict[str, Any]]:
    """Lines of the record: every slide of the plan, and the settings with which its result is one."""
    keys: dict[tuple[Any, ...], str] = {}

    def settings(slide: PlannedSlide) -> str:
        config, spacing = plan.config_for(slide, request.config), slide.facts.spacing
        known = (config.laboratory, spacing)
        if known not in keys:  # a laboratory has few of them, and to hash all settings takes a millisecond
            keys[known] = settings_key(config, AnalyzeOptions(spacing=spacing))
        return keys[known]

    return [replace(listed_of(slide), settings=settings(slide)).entry(slide.beside) for slide in plan.slides]


def _ended(out: Path, record: RunRecord, state: str, collector: Collector) -> RunRecord:
    """The record with what came of each slide; the SHA-256 of its list of files is that of all of them."""
    outcomes = collector.tally.outcomes

    def entry(before: Mapping[str, Any]) -> dict[str, Any]:
        outcome = outcomes.get(before["slide_id"])
        if outcome is None:
            return dict(before)
        sums = None
        with suppress(OSError):
            sums = digest_of(out / before["slide_id"] / SUMS_FILE)
        is_kept = outcome.failure is None
        return {
            **before,
            "state": outcome.state,
            "fingerprint": outcome.fingerprint,
            "seconds": round(outcome.seconds, 3),
            "sums_sha256": sums if is_kept else None,
        }

    ended = replace(
        record,
        state=state,
        finished=now(),
        counts=collector.tally.as_counts(),
        slides=[entry(before) for before in record.slides],
    )
    write_run(out, ended)
    return ended


@contextmanager
def _locked(request: BatchRequest) -> Iterator[None]:
    if request.out.exists() and not request.out.is_dir():
        raise ResultError(f"{request.out} is a file; name a folder with -o")
    try:
        with locked(request.out, request.shard):
            yield
    except PermissionError as error:
        raise ResultError(f"{request.out} cannot be written ({error.strerror}); choose another -o") from error


@contextmanager
def _database(request: BatchRequest) -> Iterator[ArchiveDatabase | None]:
    """The database of the archive; shards have none, for one process alone may write it."""
    if request.shard is not None:
        yield None
        return
    database = open_database(request.out, request.database)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _engine(request: BatchRequest) -> Iterator[Engine]:
    if request.scheduler is None:
        compile_kernels(request.workers)  # or each worker would compile them for itself
        engine: Engine = LocalEngine(request.workers)
    else:
        engine = ClusterEngine(request.scheduler)
    is_urgent = True
    try:
        yield engine
        is_urgent = False
    finally:
        engine.close(is_urgent)


def _tidy(out: Path) -> None:
    """What runs that were killed left half-written."""
    for name in leftovers(out):
        recover(out, name)
