"""Why a slide failed: what kind, whether it may pass, and that it says nothing of the machine."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from micromet_path.errors import UnreadableSlideError
from micromet_path.results.failures import Failure, failure_of, forget_failure, read_failure, write_failure

SLIDE = Path("/home/somebody/slides/a.svs")


def raised(error, cause=None):
    try:
        raise error from cause
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "kind", "may_pass"),
    [
        (raised(UnreadableSlideError("a.svs is damaged")), "input", False),
        (raised(UnreadableSlideError("a.svs cannot be read"), OSError(errno.EIO, "Input/output error")), "io", True),
        (raised(OSError(errno.ESTALE, "Stale file handle")), "io", True),
        (raised(OSError(errno.ENOSPC, "No space left on device")), "io", False),
        (raised(PermissionError(errno.EACCES, "Permission denied")), "io", False),
        (raised(OSError(errno.ENAMETOOLONG, "File name too long")), "input", False),
        (raised(MemoryError()), "memory", False),
        (raised(ValueError("two\nlines"), MemoryError()), "memory", False),
        (raised(RuntimeError("can't start new thread")), "memory", False),
        (raised(RuntimeError("reentrant call")), "defect", False),
        (raised(ZeroDivisionError("division by zero")), "defect", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_kinds(error, kind, may_pass):
    failure = failure_of(error, "scan", SLIDE)
    assert (failure.kind, failure.may_pass, failure.phase) == (kind, may_pass, "scan")
    assert "\n" not in failure.line
    assert type(error).__name__ in failure.trace


def test_no_place_of_the_machine_is_told():
    error = raised(UnreadableSlideError(f"{SLIDE} does not exist, nor {SLIDE.parent}/b.svs"))
    failure = failure_of(error, "open", SLIDE)
    assert failure.line == "a.svs does not exist, nor b.svs"
    assert "somebody" not in failure.trace
    assert str(Path(__file__).parent.parent.parent) not in failure.trace


def test_what_is_final():
    same = ("fp", "settings")
    failure = Failure("a line", "input", "open", "", *same)
    limits = {"time": 60.0, "memory": 1024.0}
    assert failure.is_final_for(*same, limits)
    assert not failure.is_final_for("other", "settings", limits)
    assert not failure.is_final_for("fp", "other", limits)
    assert not replace(failure, kind="io").is_final_for(*same, limits)
    assert replace(failure, kind="time", limit=60.0).is_final_for(*same, limits)
    assert not replace(failure, kind="time", limit=30.0).is_final_for(*same, limits)
    assert not replace(failure, kind="memory", limit=512.0).is_final_for(*same, limits)
    assert replace(failure, kind="crash", trace="Segmentation fault").is_final_for(*same, limits)
    assert not replace(failure, kind="crash").is_final_for(*same, limits)  # killed by somebody


def test_it_is_written_read_and_forgotten(tmp_path):
    folder = tmp_path / "a"
    failure = Failure("µ is a character", "time", "scan", "trace", "fp", "settings", 2, False, 60.0)
    write_failure(folder, "a", os.fsdecode(b"M\xfcller.svs"), failure)
    assert read_failure(folder) == failure
    assert [path.name for path in folder.iterdir()] == ["failed.json"]
    forget_failure(folder)
    assert read_failure(folder) is None


def test_a_damaged_record_is_a_failure_too(tmp_path):
    (tmp_path / "failed.json").write_text("{")
    failure = read_failure(tmp_path)
    assert failure is not None
    assert failure.kind == "io"
