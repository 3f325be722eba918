"""A batch as a process of its own, as a shell starts it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Ran", "command", "run", "started"]

_MICROMET = (sys.executable, "-c", "from micromet_path.apps.cli.script import run; run()")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to: exit status, seconds, lines of JSON, and what it said."""

    status: int
    seconds: float
    lines: list[dict[str, Any]]
    said: str


def command(*arguments: object) -> list[str]:
    """The command line of a verb."""
    return [*_MICROMET, *map(str, arguments)]


def run(*arguments: object, limit_s: float) -> Ran:
    """Run a verb to its end.

    Raises
    ------
    subprocess.TimeoutExpired
        If it takes longer than `limit_s`.
    """
    begin = time.monotonic()
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=limit_s, check=False)
    return Ran(done.returncode, time.monotonic() - begin, _lines(done.stdout), done.stderr)


@contextmanager
def started(arguments: Sequence[object], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a verb in a group of processes of its own, which is gone when the block ends."""
    with log.open("ab") as file:
        process = subprocess.Popen(command(*arguments), stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
