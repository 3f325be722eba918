"""Where jobs run: processes of this machine, or the workers of a dask cluster, behind one interface.

Each local process has an executor of its own, so that one that dies breaks nothing that another waits for, and the
job that it had in hand is the only one in question.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any, Protocol

from micromet_path import __version__
from micromet_path.api import load_writers
from micromet_path.apps.batch.job import Job, Outcome, run_job
from micromet_path.apps.process import settle
from micromet_path.errors import ConfigError, ResultError

__all__ = ["ClusterEngine", "Engine", "LocalEngine"]

_GRACE_SECONDS = 60.0  # beyond the limit that a process keeps itself
_WAIT_FOR_WORKERS_SECONDS = 60
_NO_WORKER_SECONDS = 600.0


class Engine(Protocol):
    """What runs jobs."""

    name: str

    @property
    def capacity(self) -> int:
        """Jobs that may be handed out at once: one a worker."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Hand a job out; the future raises where its process died."""

    def settled(self, future: Future[Outcome]) -> None:
        """Hear that a job is over, well or not."""

    def end_overdue(self) -> None:
        """End processes that did not keep their limit of time themselves."""

    def close(self, is_urgent: bool) -> None:
        """End all workers; at once where it is urgent."""


class LocalEngine:
    """Processes of this machine.

    Parameters
    ----------
    workers : int
    """

    name = "local"

    def __init__(self, workers: int):
        self._free = [_Slot() for _ in range(workers)]
        self._busy: dict[Future[Outcome], tuple[_Slot, float]] = {}
        self.capacity = workers

    def submit(self, job: Job) -> Future[Outcome]:
        """Hand a job to a free process; there must be one."""
        slot = self._free.pop()
        future = slot.submit(job)
        self._busy[future] = slot, time.monotonic() + job.limits.seconds + _GRACE_SECONDS
        return future

    def settled(self, future: Future[Outcome]) -> None:
        """Take a worker back whose job is over; a dead one is replaced when it is needed."""
        slot, _ = self._busy.pop(future)
        if isinstance(future.exception(), BrokenExecutor):
            slot.renew()
        self._free.append(slot)

    def end_overdue(self) -> None:
        """End processes that were stopped, or wait for a disk that does not answer."""
        now = time.monotonic()
        for slot, latest in self._busy.values():
            if now > latest:
                slot.kill()

    def close(self, is_urgent: bool) -> None:
        """End all processes; idle ones have nothing left to say."""
        for slot in [*self._free, *(slot for slot, _ in self._busy.values())]:
            slot.close(is_urgent)


class _Slot:
    """One process, and the executor that hands it its jobs."""

    def __init__(self) -> None:
        self._executor = self._started()

    @staticmethod
    def _started() -> ProcessPoolExecutor:
        """A process that gets ready while nobody waits for it yet."""
        # Spawned rather than forked: threads of compiled code do not survive a fork, and Windows has none.
        executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_prepare)
        executor.submit(os.getpid)
        return executor

    def submit(self, job: Job) -> Future[Outcome]:
        """Hand the process a job."""
        try:
            return self._executor.submit(run_job, job)
        except BrokenExecutor as error:  # died between two jobs
            broken: Future[Outcome] = Future()
            broken.set_exception(error)
            return broken

    def renew(self) -> None:
        """Start another process in place of one that died."""
        self._executor.shutdown(wait=False)
        self._executor = self._started()

    def kill(self) -> None:
        """End the process without asking it."""
        # By the executor's own table: one that hangs while it starts has not told its number yet.
        for process in list((getattr(self._executor, "_processes", None) or {}).values()):
            process.kill()

    def close(self, is_urgent: bool) -> None:
        """End the process, whether it is ready by now or not."""
        self.kill()
        self._executor.shutdown(wait=not is_urgent, cancel_futures=True)


def _prepare() -> None:
    """What a worker does first: it leaves interrupts to its parent, and ends with it however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settle()
    load_writers()
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()


def _end_with(wait: Callable[[], object]) -> None:
    wait()
    os._exit(1)  # half a folder is tidied up by the next run; a slide done for nobody is work done twice


class ClusterEngine:
    """Workers of a dask cluster, which see the slides and the results under the same paths as this machine.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://head:8786``.
    """

    name = "dask"

    def __init__(self, address: str):
        try:
            from distributed import Client
        except ImportError as error:
            raise ConfigError(
                "--scheduler needs dask.distributed; install micromet-path with the extra [cluster]"
            ) from error
        try:
            self._client: Any = Client(address, timeout=_WAIT_FOR_WORKERS_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=_WAIT_FOR_WORKERS_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise ConfigError(f"no scheduler with workers answers at {address}: {error}; start them first") from error
        self._executor: Any = self._client.get_executor(pure=False, retries=0)
        self._seen = time.monotonic()
        self._check()

    def _check(self) -> None:
        """Workers with one thread each, of this version: limits are those of a process, results those of a version."""
        threads = self._client.nthreads()
        if any(count != 1 for count in threads.values()):
            raise ConfigError(
                "workers of the cluster have several threads; start them with --nthreads 1, and more of them"
            )
        versions = set(self._client.run(_version).values())
        if versions != {__version__}:
            raise ConfigError(
                f"workers of the cluster have micromet_path {', '.join(sorted(versions))}, expected {__version__}; "
                "install the same version everywhere"
            )

    @property
    def capacity(self) -> int:
        """Workers that are there now: others may join, and one that dies is not counted on."""
        return max(1, self._n_workers())

    def submit(self, job: Job) -> Future[Outcome]:
        """Hand a job to the scheduler."""
        future: Future[Outcome] = self._executor.submit(run_job, job)
        return future

    def settled(self, future: Future[Outcome]) -> None:
        """Nothing to do: the cluster looks after its workers."""

    def end_overdue(self) -> None:
        """End the run where there has been no worker for a while; each keeps its limits itself, and its nanny looks on.

        Raises
        ------
        ResultError
            If nobody is left to do anything.
        """
        if self._n_workers():
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _NO_WORKER_SECONDS:
            raise ResultError(
                f"the cluster has had no worker for {_NO_WORKER_SECONDS:.0f} s; start some, and the batch again"
            )

    def _n_workers(self) -> int:
        try:
            return len(self._client.nthreads())
        except Exception as error:  # of any kind: the connection is closed
            raise ResultError("the scheduler of the cluster went away; start it and the batch again") from error

    def close(self, is_urgent: bool) -> None:
        """Let go of the cluster, which stays; what is still asked for is not wanted any more."""
        self._executor.shutdown(wait=not is_urgent)
        self._client.close()


def _version() -> str:
    return __version__
