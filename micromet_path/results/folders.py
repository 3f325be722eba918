"""Result folders that are whole or not there: written aside, then renamed.

Beside ``OUT/A`` stand, for as long as it takes, ``OUT/.A.<owner>.new`` (being written) and
``OUT/.A.<owner>.old`` (the result before). The owner is told by machine (as a hash), process and a
random part, so that several machines may write into one folder, and what a dead process left behind
can be told from what a living one is about to rename.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from micromet_path.errors import ResultError
from micromet_path.results.reviews import REVIEW_FILE
from micromet_path.results.sums import FAILURE_FILE, SUMS_FILE, is_litter, sync, sync_names

__all__ = ["RESULT_NAMES", "leftovers", "machine_hash", "recover", "require_replaceable", "writing"]

_GIVEN_UP_SECONDS = 24 * 3600.0
_TRIES = 8
RESULT_NAMES = frozenset({
    "result.json", "fragments.parquet", "tree.parquet", "runs.parquet", "pictures.parquet", "clusters.csv",
    "clusters.parquet", "clusters.geojson", "overview.png", "gallery", "report.html", REVIEW_FILE, SUMS_FILE,
    FAILURE_FILE,
})  # fmt: skip
"""What the folder of a slide may hold; one with anything else in it is not replaced."""

_LEFT = re.compile(r"\.(?P<name>.+)\.[0-9a-zA-Z]+-[0-9]+-[0-9a-zA-Z]+\.(?:new|old)")


@contextmanager
def writing(target: Path, names: Collection[str] = RESULT_NAMES) -> Iterator[Path]:
    """Write a result folder aside and put it in place when complete and on the disk.

    Parameters
    ----------
    target : Path
        Folder to make or to replace; its parents are made.
    names : collection of str
        What a folder of this kind may hold.

    Yields
    ------
    Path
        An empty folder beside it. When the block ends it becomes `target`, and what was there before
        is deleted, but for a review record, which nobody can make again; when the block raises, it is deleted
        and `target` stays as it was.

    Raises
    ------
    ResultError
        If `target` is no result folder, or cannot be replaced.
    """
    target = Path(target)
    require_replaceable(target, names)
    target.parent.mkdir(parents=True, exist_ok=True)
    owner = f"{machine_hash()}-{os.getpid()}-{secrets.token_hex(4)}"
    new = target.with_name(f".{target.name}.{owner}.new")
    new.mkdir()
    try:
        yield new
        with suppress(FileNotFoundError):
            shutil.copy2(target / REVIEW_FILE, new / REVIEW_FILE)
        sync(new)
        _swap(new, target, owner)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def require_replaceable(target: Path, names: Collection[str] = RESULT_NAMES) -> None:
    """Refuse to write where something stands that is not a result, for writing a result replaces the folder.

    Raises
    ------
    ResultError
        If `target` is a file, or a folder with anything in it that no result has: it may be a slide's own data.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise ResultError(f"{target.name} is a file where a result folder is to be written; choose another -o")
    foreign = sorted(entry.name for entry in target.iterdir() if entry.name not in names and not is_litter(entry.name))
    if foreign:
        raise ResultError(
            f"the folder {target.name} would be replaced by a result but holds {foreign[0]}, which is no part of one; "
            "move it away or choose another -o"
        )


def _swap(new: Path, target: Path, owner: str) -> None:
    """Put the new folder in place; whoever else writes the same result meanwhile is older than ours."""
    for attempt in range(_TRIES):
        old = target.with_name(f".{target.name}.{owner}{attempt}.old")
        with suppress(FileNotFoundError):
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if not target.exists():
                if old.exists():
                    old.rename(target)
                raise
            shutil.rmtree(old, ignore_errors=True)
            continue
        sync_names(target.parent)
        shutil.rmtree(old, ignore_errors=True)
        return
    raise ResultError(f"{target.name} is being written by other processes; let one of them do it")


def recover(parent: Path, slide_id: str) -> None:
    """Tidy up after a process that was stopped while it wrote the result of a slide.

    A result that was moved aside and has no successor is moved back; half-written folders are deleted.
    What may belong to a living process is left alone.

    Parameters
    ----------
    parent : Path
        Folder that holds the results.
    slide_id : str
        Name of the result's folder.
    """
    target = Path(parent) / slide_id
    left = [path for path in _beside(Path(parent), slide_id) if _is_dead(path, slide_id)]
    for path in left:
        if path.suffix == ".old" and not target.exists():
            with suppress(OSError):
                path.rename(target)
    for path in left:
        shutil.rmtree(path, ignore_errors=True)


def leftovers(parent: Path) -> set[str]:
    """Names of the results of which something was left half-written, or moved aside, in a folder."""
    with os.scandir(parent) as entries:
        found = (_LEFT.fullmatch(entry.name) for entry in entries)
        return {match["name"] for match in found if match is not None}


def _beside(parent: Path, slide_id: str) -> list[Path]:
    """Folders in the making and moved aside, the newest first."""
    if not parent.is_dir():
        return []
    prefix = f".{slide_id}."
    with os.scandir(parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(prefix)]
    found = [parent / name for name in names if name.endswith((".new", ".old")) and _owner(name, slide_id)]
    return sorted(found, key=_changed, reverse=True)


def _owner(name: str, slide_id: str) -> list[str]:
    """Machine, process and random part in a folder's name; empty when it is none of ours."""
    parts = name[len(slide_id) + 2 : -4].split("-")
    is_ours = len(parts) == 3 and parts[1].isdigit() and all(part.isalnum() for part in parts)
    return parts if is_ours else []


def _is_dead(path: Path, slide_id: str) -> bool:
    """Whether nobody can still be working on a folder."""
    machine, process, _ = _owner(path.name, slide_id)
    if machine == machine_hash() and os.name == "posix":
        # Elsewhere signal 0 is no question but a signal, so there only the time tells.
        return not _is_running(int(process))
    return time.time() - _changed(path) > _GIVEN_UP_SECONDS


def _is_running(process: int) -> bool:
    """Whether this machine has such a process."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    # One that nobody has asked for its end, as in containers without an init, is there by name alone.
    with suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return True


def _changed(path: Path) -> float:
    """When a folder last changed; long ago if it is gone by now."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def machine_hash() -> str:
    """A machine told from others without naming it."""
    return sha256(platform.node().encode()).hexdigest()[:8]
