"""What each run was asked to do and what came of it: ``runs/0001.json``, schema ``micromet-run/1``.

Written once when the run begins and once when it ends; one that was killed says that it is running, and the folders
say the rest. Runs are numbered, for clocks may be moved back.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from micromet_path import __version__
from micromet_path.apps.archive.folders import RUNS_FOLDER
from micromet_path.errors import ResultError
from micromet_path.results.sums import sync_names

__all__ = ["RunRecord", "begin_run", "now", "read_runs", "run_numbers", "versions", "write_run"]

_SCHEMA = "micromet-run/1"
_LIBRARIES = ("numpy", "scipy", "scikit-image", "numba", "tifffile", "imagecodecs", "openslide-bin", "openslide-python")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run of a batch.

    Parameters
    ----------
    number : int
    started, finished : str or None
        ISO 8601 in UTC.
    state : {"running", "finished", "interrupted"}
    versions : mapping of str to str
        Of the program, the interpreter and the libraries that decide what is measured.
    config, config_fingerprint
        Of the run; what a manifest says of a slide comes on top.
    shard : (int, int) or None
    engine : str
    counts : mapping of str to int
        ``listed`` = ``done`` + ``reused`` + ``failed`` + ``skipped`` once the run is finished.
    slides : sequence of mapping
        Every slide of the list, that of all shards: ``slide_id``, ``path``, what is known of it, and what came of it.
    walked : sequence of str
        Folders that were looked through, to any depth.
    unread : sequence of str
        Folders in them that could not be read: slides in these are in no list.
    """

    number: int
    started: str
    state: str
    versions: Mapping[str, str]
    config: Mapping[str, Any]
    config_fingerprint: str
    engine: str
    shard: tuple[int, int] | None = None
    finished: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    slides: Sequence[Mapping[str, Any]] = ()
    walked: Sequence[str] = ()
    unread: Sequence[str] = ()


def versions() -> dict[str, str]:
    """Of the program, the interpreter and the libraries."""
    found = {"micromet_path": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def now() -> str:
    """The time as records state it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def begin_run(out: Path, record: RunRecord) -> RunRecord:
    """Write the record of a run that begins, under the next free number."""
    folder = out / RUNS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    number = max(map(_number, _records(out)), default=0) + 1
    while True:
        path = folder / f"{number:04d}.json"
        try:
            path.open("x").close()  # shards begin at the same time
        except FileExistsError:
            number += 1
            continue
        record = replace(record, number=number)
        write_run(out, record)
        return record


def write_run(out: Path, record: RunRecord) -> None:
    """Write a record in place of the one before, whole or not at all; one line a slide.

    ASCII, so that names whose bytes are no characters come back as they are.
    """
    content = {"schema": _SCHEMA, **asdict(record)}
    slides = content.pop("slides")
    path = out / RUNS_FOLDER / f"{record.number:04d}.json"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{json.dumps(content)[:-1]},\n")
            file.write('"slides": [\n')
            file.write(",\n".join(json.dumps(slide) for slide in slides))
            file.write("\n]}\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        with suppress(OSError):
            aside.unlink()
    sync_names(path.parent)


def read_runs(out: Path) -> Iterator[RunRecord]:
    """The records of all runs, the oldest first.

    Raises
    ------
    ResultError
        If one cannot be read.
    """
    for path in sorted(_records(out), key=_number):
        try:
            text = path.read_text(encoding="utf-8")
            if not text:  # begun at the moment in which the machine stopped
                continue
            content = json.loads(text)
            if content.pop("schema") != _SCHEMA:
                raise ResultError(f"{path.name} in {RUNS_FOLDER} is of another schema, expected {_SCHEMA}")
            shard = content.pop("shard")
            yield RunRecord(**content, shard=None if shard is None else (shard[0], shard[1]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ResultError(
                f"{RUNS_FOLDER}/{path.name} is damaged ({type(error).__name__}); restore it, or delete it and what it "
                "says of its slides is lost"
            ) from error


def run_numbers(out: Path) -> set[int]:
    """Numbers of all runs that have a record; none of them is read."""
    return {number for path in _records(out) if (number := _number(path)) and path.stat().st_size}


def _records(out: Path) -> Iterator[Path]:
    return (out / RUNS_FOLDER).glob("[0-9]*.json")


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdigit() else 0
