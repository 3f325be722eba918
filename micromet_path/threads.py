"""Threads where there are several, and none where one was asked for: who runs many processes wants no more of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

__all__ = ["in_threads", "threads"]

_Made = TypeVar("_Made")
_Job = TypeVar("_Job")


def threads(workers: int, most: int | None = None) -> Executor:
    """An executor of so many threads; of one, it does each piece of work at once, in the thread that asks.

    Parameters
    ----------
    workers : int
        That may be used.
    most : int, optional
        That are of use.

    Examples
    --------
    >>> with threads(1) as pool:
    ...     pool.submit(abs, -3).result()
    3
    """
    if workers <= 1:
        return _Here()
    return ThreadPoolExecutor(workers if most is None else min(workers, most), thread_name_prefix="micromet")


class _Here(Executor):
    """Does what it is given before it answers."""

    def submit(self, fn: Callable[..., _Made], /, *args: Any, **kwargs: Any) -> Future[_Made]:
        """Do it, and answer with what came of it."""
        future: Future[_Made] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # an interrupt is nobody's outcome
            future.set_exception(error)
        return future


def in_threads(work: Callable[[_Job], _Made], jobs: Iterable[_Job], workers: int) -> Iterator[_Made]:
    """Results as they come, never more than a few jobs ahead of the reader of this iterator."""
    if workers <= 1:
        yield from map(work, jobs)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="micromet") as pool:
        pending: set[Future[_Made]] = set()
        try:
            for job in jobs:
                if len(pending) >= 2 * workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
                pending.add(pool.submit(work, job))
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in pending:
                future.cancel()
