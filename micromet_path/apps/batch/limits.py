"""What one slide may take, held by the system and not by good will: a decoder that hangs listens to nobody.

Beside the slide's folder a note is kept while it is worked on: which phase it has reached, and, where the process
dies of a fault of its own or of time, where in the program. Whoever finds the note of a dead process knows both.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from micromet_path.results.failures import Failure, without_folders

__all__ = ["Limits", "Note", "held", "read_note"]

_PID, _PHASE, _SLIDE, _SETTINGS = "process ", "phase ", "slide ", "settings "
_STARTS = (_PID, _PHASE, _SLIDE, _SETTINGS)
_HUNG = "Timeout ("
_TRACE_LINES = 40


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one slide.

    Parameters
    ----------
    seconds : float
    memory_mib : int
        What its process may hold, libraries included; where the system can hold it to that (Linux, macOS).
    """

    seconds: float = 3600.0
    memory_mib: int = 4096

    @property
    def by_kind(self) -> dict[str, float]:
        """By the kind of failure that reaching one is."""
        return {"time": self.seconds, "memory": float(self.memory_mib)}


class Note:
    """The note of the slide in hand, open for the system to write into.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._write(f"{_PID}{os.getpid()}")
        self.phase = "start"

    def reach(self, phase: str) -> None:
        """Note that a phase begins."""
        self.phase = phase
        self._write(f"{_PHASE}{phase}")

    def identify(self, fingerprint: str, settings: str) -> None:
        """Note what is analysed, and with which settings."""
        self._write(f"{_SLIDE}{fingerprint}")
        self._write(f"{_SETTINGS}{settings}")

    def fileno(self) -> int:
        """For the system's own hand."""
        return self._file.fileno()

    def close(self) -> None:
        """The slide is done, well or not: nobody need know how far it came."""
        self._file.close()
        with suppress(OSError):
            self.path.unlink()

    def _write(self, line: str) -> None:
        self._file.write(f"{line}\n")
        self._file.flush()


@contextmanager
def held(limits: Limits, note: Note) -> Iterator[None]:
    """Hold the process to the limits while the block runs.

    Out of time it ends at once, wherever it is; out of memory, what asks for more gets a MemoryError. A fault in
    compiled code is written into the note before the process ends.
    """
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable(note.fileno())
    faulthandler.dump_traceback_later(limits.seconds, exit=True, file=note.fileno())
    try:
        with _memory_held(limits.memory_mib):
            yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        faulthandler.disable()
        if was_enabled:
            faulthandler.enable()


@contextmanager
def _memory_held(memory_mib: int) -> Iterator[None]:
    """Private memory alone is limited: a file that is mapped, or address space that is only reserved, takes none."""
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory_mib * 2**20
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


@dataclass(frozen=True, slots=True)
class Deaths:
    """What the note of a slide tells of processes that died with it in hand."""

    processes: tuple[int, ...] = ()
    phase: str = "start"
    trace: str = ""
    fingerprint: str | None = None
    config_fingerprint: str | None = None

    @property
    def is_out_of_time(self) -> bool:
        """Whether the last of them was ended for taking too long."""
        return self.trace.startswith(_HUNG)

    def failure(self, name: str, limits: Limits) -> Failure:
        """What to say of the slide."""
        if self.is_out_of_time:
            line = f"{name}: took longer than {limits.seconds:g} s; raise --time-limit or leave the slide out"
            return Failure(line, "time", self.phase, self.trace, *self._of_what, limit=limits.seconds)
        fault = next((line for line in self.trace.splitlines() if "error" in line.lower()), "killed from outside")
        line = (
            f"{name}: the process ended while it analysed this slide ({fault}); the file may be damaged so that a "
            "decoder fails, or the machine was short of memory"
        )
        return Failure(line, "crash", self.phase, self.trace, *self._of_what)

    @property
    def _of_what(self) -> tuple[str | None, str | None]:
        return self.fingerprint, self.config_fingerprint


def read_note(path: Path) -> Deaths | None:
    """What a note tells; None where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    told = {start: [line[len(start) :] for line in lines if line.startswith(start)] for start in _STARTS}
    last = max((index for index, line in enumerate(lines) if line.startswith(_PID)), default=0)
    trace = [line for line in lines[last + 1 :] if not line.startswith(_STARTS)]
    # A library that is just being imported may fill the beginning; where the program itself was matters more.
    own = [line for line in trace[_TRACE_LINES:] if __package__.partition(".")[0] in line]
    trace = trace[:_TRACE_LINES] + own[:_TRACE_LINES]
    return Deaths(
        tuple(int(number) for number in told[_PID] if number.isdigit()),
        told[_PHASE][-1] if told[_PHASE] else "start",
        without_folders("\n".join(trace).strip()),
        told[_SLIDE][-1] if told[_SLIDE] else None,
        told[_SETTINGS][-1] if told[_SETTINGS] else None,
    )
