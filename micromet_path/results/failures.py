"""Why a slide has no result: ``failed.json`` in its folder, schema ``micromet-failure/1``."""

from __future__ import annotations

import errno
import json
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from micromet_path import __version__
from micromet_path.errors import MicrometError
from micromet_path.results.encode import as_text
from micromet_path.results.sums import FAILURE_FILE, sync_names

__all__ = ["Failure", "FailureKind", "failure_of", "forget_failure", "read_failure", "without_folders", "write_failure"]

FailureKind = Literal["input", "io", "time", "memory", "crash", "defect"]
"""``input``: the slide cannot be used; ``io``: a disk or a network share did not do as it was told, and may another
time; ``time``, ``memory``: a limit was reached; ``crash``: the process ended; ``defect``: of the program."""

_SCHEMA = "micromet-failure/1"
_WORTH_WAITING = frozenset(
    getattr(errno, name)
    for name in (
        "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EINTR", "EBUSY", "ENOLCK", "ENETDOWN", "ENETUNREACH", "ENETRESET",
        "ECONNRESET", "ECONNABORTED", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO", "EMFILE", "ENFILE",
    )
    if hasattr(errno, name)
)  # fmt: skip
_MAY_PASS = _WORTH_WAITING | {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "ENOENT", "ENODEV", "ENXIO")
    if hasattr(errno, name)
}
_NO_THREAD = "can't start new thread"
_PACKAGES = ("site-packages", "dist-packages", "micromet_path")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the analysis of a slide ended without a result.

    Parameters
    ----------
    line : str
        What was found, what was expected, what to do; one line.
    kind : FailureKind
    phase : str
        Step of the analysis in which it happened.
    trace : str
        Where in the program; without folders of the machine.
    fingerprint, config_fingerprint : str or None
        Of what could not be analysed, and with which settings; None where that could not be told.
    attempts : int
    may_pass : bool
        Whether it is worth trying again within seconds.
    limit : float or None
        Seconds or MiB that were too few.
    """

    line: str
    kind: FailureKind
    phase: str
    trace: str = ""
    fingerprint: str | None = None
    config_fingerprint: str | None = None
    attempts: int = 1
    may_pass: bool = False
    limit: float | None = None

    def is_final_for(self, fingerprint: str, config_fingerprint: str, limits: Mapping[str, float]) -> bool:
        """Whether the same slide with the same settings would fail again, as far as can be told.

        Parameters
        ----------
        fingerprint, config_fingerprint : str
        limits : mapping of str to float
            What it may take now, by kind of failure: ``time`` in seconds, ``memory`` in MiB.
        """
        if (self.fingerprint, self.config_fingerprint) != (fingerprint, config_fingerprint):
            return False
        if self.kind in limits:
            return self.limit is not None and limits[self.kind] <= self.limit
        is_killed = self.kind == "crash" and not self.trace  # from outside, which says nothing of the slide
        return self.kind != "io" and not is_killed


def failure_of(error: BaseException, phase: str, path: Path) -> Failure:
    """What an exception means for a slide.

    Parameters
    ----------
    error : BaseException
    phase : str
    path : Path
        Of the slide; messages name its file and not where it lies.
    """
    name = as_text(path.name)
    trace = _without_place(_trace(error), path)
    number = next((one.errno for one in _causes(error) if isinstance(one, OSError) and one.errno in _MAY_PASS), None)
    if any(map(_is_for_want_of_memory, _causes(error))):
        line = f"{name}: more memory is needed than one slide may take; raise --memory-limit or leave the slide out"
        return Failure(line, "memory", phase, trace)
    if isinstance(error, MicrometError):
        line = _without_place(str(error), path)
        return Failure(line, "input" if number is None else "io", phase, trace, may_pass=number in _WORTH_WAITING)
    if isinstance(error, OSError):
        line = f"{name}: {error.strerror or error}; nothing was written for it"
        return Failure(line, "io" if number is not None else "input", phase, trace, may_pass=number in _WORTH_WAITING)
    said = _without_place(_first_line(error), path)
    line = f"{name}: this is a defect of micromet_path ({type(error).__name__}: {said}); please report it"
    return Failure(line, "defect", phase, trace)


def _is_for_want_of_memory(error: BaseException) -> bool:
    """A thread needs room for its stack; where there is none Python has no kind of error of its own for it."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD)


def write_failure(folder: Path, slide_id: str, name: str, failure: Failure) -> None:
    """Say in a slide's folder why it failed; what else is there is older, and stays for what it is worth.

    Raises
    ------
    OSError
        If it cannot be written; nothing is half-written then.
    """
    slide = {"id": slide_id, "name": as_text(name)}
    content = {"schema": _SCHEMA, "slide": slide, "version": __version__, **asdict(failure)}
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{FAILURE_FILE}.{os.getpid()}"
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(folder / FAILURE_FILE)
    finally:
        with suppress(OSError):
            aside.unlink()
        with suppress(OSError):
            folder.rmdir()  # where nothing could be written into it
    sync_names(folder)


def read_failure(folder: Path) -> Failure | None:
    """Why the last analysis failed; None where it did not. A record that cannot be read says nothing."""
    try:
        content = json.loads((folder / FAILURE_FILE).read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            return None
        for key in ("schema", "slide", "version"):
            del content[key]
        return replace(Failure("", "defect", ""), **content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return Failure(f"{folder.name}/{FAILURE_FILE} cannot be read", "io", "")


def forget_failure(folder: Path) -> None:
    """Take the record away: the slide's result is good after all."""
    with suppress(FileNotFoundError):
        (folder / FAILURE_FILE).unlink()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and what it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _without_place(text: str, path: Path) -> str:
    """One line of characters that names the file alone."""
    text = text.replace(str(path), path.name)
    if len(path.parent.parts) > 1:
        text = text.replace(f"{path.parent}{os.sep}", "")
    return as_text(text)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:200]


def _trace(error: BaseException) -> str:
    """Where in the program; a file's path from its package on, for the rest tells of this machine."""
    lines = []
    for one in reversed(list(_causes(error))):
        frames = traceback.extract_tb(one.__traceback__)
        lines += [f"{_place(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
        lines.append(f"{type(one).__name__}: {_first_line(one)}")
    return "\n".join(lines)


def without_folders(trace: str) -> str:
    """What the system wrote of a process that died, with the paths of files from their package on."""
    return re.sub(r'File "([^"]+)"', lambda found: f'File "{_place(found[1])}"', trace)


def _place(path: str) -> str:
    parts = Path(path).parts
    starts = [index for index, part in enumerate(parts) if part in _PACKAGES]
    return "/".join(parts[starts[-1] :] if starts else parts[-2:])
