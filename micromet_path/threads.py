"""Threads where there are several, and none where one was asked for: who runs many processes wants no more of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["threads"]

_Made = TypeVar("_Made")


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
