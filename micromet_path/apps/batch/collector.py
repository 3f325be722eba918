"""The one that hands out jobs, tries again what may pass, and records what came of each slide."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from micromet_path.apps.archive.cases import CaseBoard
from micromet_path.apps.archive.database import ArchiveDatabase
from micromet_path.apps.archive.listing import ListedSlide
from micromet_path.apps.archive.reindex import in_chunks, reindex
from micromet_path.apps.archive.rows import case_rows, run_row, slide_rows
from micromet_path.apps.archive.runs import RunRecord, run_numbers
from micromet_path.apps.batch.engines import Engine
from micromet_path.apps.batch.job import Job, Outcome
from micromet_path.apps.batch.limits import read_note
from micromet_path.apps.batch.plan import PlannedSlide
from micromet_path.errors import MicrometError, ResultError
from micromet_path.results.encode import as_text
from micromet_path.results.failures import Failure, failure_of, write_failure

__all__ = ["Collector", "Settled", "Tally"]

_MOST_ATTEMPTS = 3
_PAUSES_SECONDS = (2.0, 10.0)
_TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Settled:
    """A slide of which is known what became of it."""

    slide: PlannedSlide
    outcome: Outcome

    @property
    def is_failed(self) -> bool:
        """Whether it has no result that counts."""
        return self.outcome.state in ("failed", "failed_before")


@dataclass(slots=True)
class Tally:
    """What became of all slides so far.

    Parameters
    ----------
    listed : int
    counts : Counter
        By state: ``done``, ``reused``, ``failed``, ``skipped``.
    outcomes : dict
        By slide id.
    """

    listed: int
    counts: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def add(self, settled: Settled) -> None:
        """Count one."""
        self.counts["failed" if settled.is_failed else settled.outcome.state] += 1
        self.outcomes[settled.slide.slide_id] = settled.outcome

    def as_counts(self) -> dict[str, int]:
        """By name; the first is the sum of the others when all is done."""
        return {"listed": self.listed, **{name: self.counts[name] for name in ("done", "reused", "failed", "skipped")}}


class Collector:
    """Runs a list of slides.

    Parameters
    ----------
    out : Path
    engine : Engine
    job_of : callable
        Makes the job of a slide.
    database : ArchiveDatabase or None
        Shards write none.
    board : CaseBoard or None
    heard : callable
        Told of each slide that is settled.
    complain : callable
        Told of what did not go as it should and stops nothing.
    """

    def __init__(
        self,
        out: Path,
        engine: Engine,
        job_of: Callable[[PlannedSlide], Job],
        database: ArchiveDatabase | None,
        board: CaseBoard | None,
        heard: Callable[[Settled], object],
        complain: Callable[[str], object],
    ):
        self._out, self._engine, self._job_of = out, engine, job_of
        self._database, self._board = database, board
        self._heard, self._complain = heard, complain
        self._running: dict[Future[Outcome], tuple[PlannedSlide, Job]] = {}
        self._later: list[tuple[float, int, PlannedSlide, Job]] = []
        self._order = count()
        self.is_database_behind = False
        self.n_cases_failed = 0
        self.tally = Tally(0)

    def begin(self, record: RunRecord) -> None:
        """Write that a run begins; a database that is new, or missed what an earlier run did, is made again first."""

        def write(database: ArchiveDatabase) -> None:
            was_left = database.begin_run(record.number)
            known = {row["number"] for row in database.records("runs")}
            earlier = {number for number in run_numbers(self._out) if number < record.number}
            if database.is_new or was_left or not earlier <= known:
                reindex(self._out, database)
            database.put_run(run_row(record))

        self._in_database(write)

    def announce(self, listed: Sequence[ListedSlide]) -> None:
        """Write what is known of slides before the first is looked at, and of cases that are described otherwise."""
        for chunk in in_chunks(listed):
            rows = [slide_rows(self._out, one) for one in chunk]
            self._in_database(partial(ArchiveDatabase.put_slides, rows=rows))
        if self._board is None:
            return
        for name in self._board.withdraw():
            self._complain(f"case {name} has no slide any more and is withdrawn")
        self._in_database(partial(ArchiveDatabase.keep_cases, case_ids=self._board.case_ids))
        for case_id in filter(self._board.is_staged, self._board.case_ids):
            self._stage(case_id)

    def run(self, slides: Sequence[PlannedSlide]) -> Tally:
        """Do every slide of a list."""
        self.tally = Tally(len(slides))
        rest = self._jobs(slides)
        self._fill(rest)
        while self._running or self._later:
            for settled in self._next(rest):
                self._record(settled)
        return self.tally

    def _jobs(self, slides: Sequence[PlannedSlide]) -> Iterator[tuple[PlannedSlide, Job]]:
        """Jobs in order; what is settled without any is recorded on the way."""
        for slide in slides:
            if slide.is_skipped:
                self.tally.counts["skipped"] += 1
                continue
            if slide.problem is not None:
                outcome = Outcome(slide.slide_id, "failed", failure=Failure(as_text(slide.problem), "input", "plan"))
                self._record(Settled(slide, outcome))
                continue
            yield slide, self._job_of(slide)

    def _fill(self, rest: Iterator[tuple[PlannedSlide, Job]]) -> None:
        """Give every free worker something to do."""
        while len(self._running) < self._engine.capacity:
            if self._later and self._later[0][0] <= time.monotonic():
                _, _, slide, job = heapq.heappop(self._later)
            else:
                following = next(rest, None)
                if following is None:
                    return
                slide, job = following
            self._running[self._engine.submit(job)] = slide, job

    def _next(self, rest: Iterator[tuple[PlannedSlide, Job]]) -> list[Settled]:
        """Wait until something is over; workers are given new jobs before its outcome is recorded."""
        if not self._running:
            time.sleep(max(0.0, min(_TICK_SECONDS, self._later[0][0] - time.monotonic())))
            self._fill(rest)
            return []
        over, _ = wait(self._running, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
        self._engine.end_overdue()
        ended = []
        for future in over:
            slide, job = self._running.pop(future)
            self._engine.settled(future)
            ended.append((slide, job, future))
        settled = [one for one in (self._judged(*each) for each in ended) if one is not None]
        self._fill(rest)
        return settled

    def _judged(self, slide: PlannedSlide, job: Job, future: Future[Outcome]) -> Settled | None:
        """What a job came to; None where it is tried again."""
        try:
            error = future.exception()
        except CancelledError as gone:
            raise ResultError("the scheduler of the cluster went away; start it and the batch again") from gone
        if error is not None:
            return self._after_death(slide, job, error)
        outcome = future.result()
        failure = outcome.failure
        if outcome.state == "failed" and failure is not None and failure.may_pass and job.attempt < _MOST_ATTEMPTS:
            self._try_again(slide, job, _PAUSES_SECONDS[job.attempt - 1])
            return None
        return Settled(slide, outcome)

    def _after_death(self, slide: PlannedSlide, job: Job, error: BaseException) -> Settled | None:
        """A process died with a slide in hand: of the slide, if it says so or it happens twice."""
        deaths = read_note(job.note)
        is_new_to_it = deaths is None or (not deaths.trace and job.attempt < 2)
        if is_new_to_it and job.attempt < _MOST_ATTEMPTS:
            self._try_again(slide, job, 0.0)
            return None
        with suppress(OSError):
            job.note.unlink()
        name = as_text(job.path.name)
        failure = failure_of(error, "start", job.path) if deaths is None else deaths.failure(name, job.limits)
        return Settled(slide, Outcome(slide.slide_id, "failed", failure=replace(failure, attempts=job.attempt)))

    def _try_again(self, slide: PlannedSlide, job: Job, pause: float) -> None:
        again = replace(job, attempt=job.attempt + 1)
        heapq.heappush(self._later, (time.monotonic() + pause, next(self._order), slide, again))

    def _record(self, settled: Settled) -> None:
        """Write what became of a slide, and of its case where that was the last."""
        slide, outcome = settled.slide, settled.outcome
        listed, failure = listed_of(slide), outcome.failure
        if failure is not None and outcome.state == "failed":
            try:
                write_failure(self._out / slide.slide_id, slide.slide_id, slide.path.name, failure)
            except OSError as error:
                self._complain(f"{slide.slide_id}: that it failed cannot be written: {error.strerror or error}")
        self.tally.add(settled)
        self._in_database(lambda database: database.put_slides([slide_rows(self._out, listed, failure)]))
        if self._board is not None:
            for case_id in self._board.settle(listed, outcome.fingerprint, failure is not None):
                self._stage(case_id)
        self._heard(settled)

    def _stage(self, case_id: str) -> None:
        """Stage a case; one that cannot be staged is told, and stops nothing."""
        if self._board is None:
            return
        try:
            rows = case_rows(self._board.stage(case_id))
        except (MicrometError, OSError) as error:
            self.n_cases_failed += 1
            why = getattr(error, "strerror", None) or error
            self._complain(f"case {case_id} cannot be written: {why}; what is there of it counts no more")
            return
        if rows.case["status"] == "failed":
            self.n_cases_failed += 1
            self._complain(f"case {case_id} cannot be staged: {rows.case['problem']}")
        self._in_database(lambda database: database.put_case(rows))

    def _in_database(self, write: Callable[[ArchiveDatabase], object]) -> None:
        """Write to the database; where that fails the folders still hold everything, and one line says so."""
        if self._database is None or self.is_database_behind:
            return
        try:
            write(self._database)
        except (MicrometError, OSError) as error:
            self.is_database_behind = True
            self._complain(f"{error}; the run goes on without it, and `micromet archive reindex` makes it again")


def listed_of(slide: PlannedSlide) -> ListedSlide:
    """A planned slide as the archive lists it."""
    return ListedSlide(slide.slide_id, str(slide.path.absolute()), slide.facts, slide.duplicate_of)
