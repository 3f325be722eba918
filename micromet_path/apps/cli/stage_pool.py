"""Work on many items in their order, by several processes from where there are enough to be worth it.

Each process stands at the end of a pipe of its own, and a thread waits at the other end. So nothing is shared that a
process which dies could leave locked: its pipe breaks, and what it had in hand is done here. A process whose parent
dies reads the end of its pipe and leaves as well.
"""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing import current_process, get_context, resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock
from typing import Any, Generic, TypeVar

from micromet_path.apps.cli.words import complain

__all__ = ["in_order", "leave_if_run_again"]

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")

_NAME = "micromet stage"
_CHUNK = 1000  # nodes: a fifth of a second of work, and a few megabytes of text


def in_order(
    work: Callable[[_Item], _Done], items: Iterable[_Item], size: Callable[[_Item], int], workers: int, alone: int
) -> Generator[_Done, None, None]:
    """What `work` makes of each item, in order; never more than a few chunks of items are read ahead.

    Close the iterator to end the processes where not everything is asked for.

    Parameters
    ----------
    work : callable
        Items, results and itself can be pickled. What it raises is raised here.
    items : iterable
    size : callable
        Of an item, where the others of a table are about 1 to 10.
    workers : int
        Processes; with fewer than two there is only this one, as in a daemon, which may have none.
    alone : int
        Items that are done here first: to start processes takes longer.
    """
    rest = iter(items)
    yield from map(work, islice(rest, alone) if workers > 1 and not current_process().daemon else rest)
    for first in rest:  # if there is another, nothing is left after it
        yield from _divided(work, _chunks(chain([first], rest), size), workers)


def leave_if_run_again() -> None:
    """End a process of ours that runs the program instead: spawned processes run the main script again.

    They do where it lacks ``if __name__ == "__main__"``, and each would print the table once more.
    """
    if current_process().name == _NAME:
        sys.exit(1)


def _chunks(items: Iterable[_Item], size: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """Items that travel together: many, as each journey costs, but of limited size, as some are held."""
    chunk: list[_Item] = []
    held = 0
    for item in items:
        chunk.append(item)
        held += size(item)
        if held >= _CHUNK:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _divided(work: Callable[[_Item], _Done], chunks: Iterable[list[_Item]], workers: int) -> Iterator[_Done]:
    """Results of the chunks in their order; each process has one in hand and one that waits."""
    with _helpers(work, workers) as helpers:
        waiting: deque[tuple[list[_Item], Future[list[_Done]]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, helpers.ask(chunk)))
            if len(waiting) > 2 * workers:
                yield from helpers.answer(*waiting.popleft())
        while waiting:
            yield from helpers.answer(*waiting.popleft())


class _Helpers(Generic[_Item, _Done]):
    """Processes that are asked, and answered for where they cannot."""

    def __init__(self, work: Callable[[_Item], _Done], pipes: Iterable[Connection], threads: ThreadPoolExecutor):
        self._work = work
        self._threads = threads
        self._is_whole = True
        self._idle: SimpleQueue[Connection | None] = SimpleQueue()  # None when no process is left
        alive: list[Connection | None] = list(pipes)
        self._lock, self._n_alive = Lock(), len(alive)
        for pipe in alive or [None]:
            self._idle.put(pipe)

    def ask(self, chunk: list[_Item]) -> Future[list[_Done]]:
        return self._threads.submit(self._asked, chunk)

    def answer(self, chunk: list[_Item], asked: Future[list[_Done]]) -> list[_Done]:
        try:
            return asked.result()
        except (EOFError, OSError):
            if self._is_whole:
                complain(
                    "a process that stages cases could not start, or ended early; its cases are staged all the same"
                )
            self._is_whole = False
            return list(map(self._work, chunk))

    def _asked(self, chunk: list[_Item]) -> list[_Done]:
        pipe = self._idle.get()  # there is one for each thread, unless a process is lost: then others are waited for
        if pipe is None:
            self._idle.put(None)
            raise EOFError
        try:
            pipe.send((self._work, chunk))
            done: list[_Done] = pipe.recv()
        except (EOFError, OSError):
            self._lose()
            raise
        except BaseException:
            self._idle.put(pipe)
            raise
        self._idle.put(pipe)
        return done

    def _lose(self) -> None:
        """One process less; who waits for the last one is told."""
        with self._lock:
            self._n_alive -= 1
            if not self._n_alive:
                self._idle.put(None)


@contextmanager
def _helpers(work: Callable[[_Item], _Done], workers: int) -> Iterator[_Helpers[_Item, _Done]]:
    """Processes, each waited for by a thread, that end with the block whatever ends it."""
    # Spawned rather than forked: threads of compiled code do not survive a fork, and Windows has none.
    context = get_context("spawn")
    started: list[tuple[Any, Connection]] = []
    threads = ThreadPoolExecutor(workers, thread_name_prefix=_NAME)
    try:
        with suppress(OSError), _interrupts_held():  # where no more processes may be started
            for _ in range(workers):
                own, others = context.Pipe()
                process = context.Process(target=_help, args=(others,), name=_NAME, daemon=True)
                process.start()
                others.close()
                started.append((process, own))
        yield _Helpers(work, [pipe for _, pipe in started], threads)
    finally:
        for process, _ in started:
            process.terminate()  # in the middle of a chunk nobody wants any more
        threads.shutdown(cancel_futures=True)
        for process, pipe in started:
            process.join()
            pipe.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C goes to all processes of a terminal, and only the first is to answer it: those that start keep it held."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # as the first process would; afterwards it lets go of interrupts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _help(pipe: Connection) -> None:
    """Do what comes through the pipe until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows cannot hold it
    with suppress(EOFError, OSError):
        while True:
            work, chunk = pipe.recv()
            pipe.send([work(item) for item in chunk])
