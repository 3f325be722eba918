"""One run at a time on a folder of results; shards of one run beside each other.

A lock is the system's own and ends with its process, however that ends. Its holder is told by process and time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from micromet_path.errors import ResultError
from micromet_path.results.folders import machine_hash

__all__ = ["HIDDEN", "locked"]

HIDDEN = ".batch"
"""Folder in the results for what only a run itself needs."""

_WHOLE = "whole"
_WAIT_SECONDS = 3.0


@contextmanager
def locked(out: Path, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold a folder of results, or a shard of it, while the block runs.

    Parameters
    ----------
    out : Path
    shard : (int, int) or None
        Number and count.

    Raises
    ------
    ResultError
        If another run holds it, naming its process.
    OSError
        If nothing can be written there.
    """
    folder = out / HIDDEN
    folder.mkdir(parents=True, exist_ok=True)
    own = _WHOLE if shard is None else "shard-{}-of-{}".format(*shard)
    with ExitStack() as stack:
        _take(stack, folder, own, out)
        # Each takes its own first and looks at the others then: of two that start together one at least refuses.
        others = [_WHOLE] if shard is not None else sorted(path.stem for path in folder.glob("shard-*.lock"))
        for other in others:
            with ExitStack() as looking:
                _take(looking, folder, other, out, is_to_stay=False)
        yield


def _take(stack: ExitStack, folder: Path, name: str, out: Path, is_to_stay: bool = True) -> None:
    path = folder / f"{name}.lock"
    if not is_to_stay and not path.exists():
        return
    lock = FileLock(path)
    try:
        stack.enter_context(lock.acquire(timeout=_WAIT_SECONDS))  # others look at it for a moment
    except Timeout as error:
        raise ResultError(
            f"{out} is in use: {_holder(folder / f'{name}.holder')} runs a batch on it; wait until it ends, or name "
            "another folder with -o"
        ) from error
    if is_to_stay:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        content = {"process": os.getpid(), "machine": machine_hash(), "started": started, "what": name}
        (folder / f"{name}.holder").write_text(json.dumps(content), encoding="utf-8")


def _holder(path: Path) -> str:
    """Who holds a lock, as far as it says; machines are told apart and not named."""
    content = {}
    with suppress(OSError, ValueError):
        content = dict(json.loads(path.read_text(encoding="utf-8")))
    if not content:
        return "another process"
    place = "of this machine" if content.get("machine") == machine_hash() else "of another machine"
    return f"process {content.get('process')} {place} (since {content.get('started')}, {content.get('what')})"
