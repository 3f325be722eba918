"""SHA-256 of every file of a folder, in the form that ``sha256sum -c SHA256SUMS`` checks.

What comes into a folder afterwards, a review record or word of a failure, is not listed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

from micromet_path.results.reviews import REVIEW_FILE
from micromet_path.threads import in_threads

__all__ = ["FAILURE_FILE", "SUMS_FILE", "check_sums", "digest_of", "is_litter", "sync", "sync_names", "write_sums"]

SUMS_FILE = "SHA256SUMS"
FAILURE_FILE = "failed.json"
"""Says in a slide's folder why its last analysis failed; whatever else the folder holds is older."""

_NOT_LISTED = {SUMS_FILE, REVIEW_FILE, FAILURE_FILE}
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}
_SYNCED_AT_ONCE = 8


def write_sums(folder: Path) -> None:
    """List every file of a folder with its SHA-256, in ``SHA256SUMS``.

    Parameters
    ----------
    folder : Path
    """
    lines = [f"{digest_of(folder / name)}  {name}\n" for name in _files(folder)]
    with (folder / SUMS_FILE).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def check_sums(folder: Path) -> list[str]:
    """What is not as ``SHA256SUMS`` says: one sentence a file, none where all is well.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of str
    """
    try:
        text = (folder / SUMS_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return [f"{SUMS_FILE} is missing"]
    except (OSError, UnicodeDecodeError) as error:
        return [f"{SUMS_FILE} cannot be read ({type(error).__name__})"]
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}
    return list(_differences(folder, listed))


def _differences(folder: Path, listed: dict[str, str]) -> Iterator[str]:
    present = set(_files(folder))
    for name in sorted(listed.keys() | present):
        if name not in present:
            yield f"{name} is missing"
        elif name not in listed:
            yield f"{name} is not listed in {SUMS_FILE}"
        else:
            try:
                found = digest_of(folder / name)
            except OSError as error:
                yield f"{name} cannot be read ({error.strerror or error})"
                continue
            if found != listed[name]:
                yield f"{name} has changed"


def is_litter(name: str) -> bool:
    """Whether a file is what a desktop leaves where somebody looked, or a process that was killed."""
    return name in _LITTER or name.startswith((f".{FAILURE_FILE}.", "._"))


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sync(folder: Path) -> None:
    """Wait until all files of a folder, and their names, are on the disk: a rename is no promise of that.

    Several at once, by threads that only wait, since a file system's journal takes them together; one after the other
    each waits for a turn of its own, and forty of them for a tenth of a second.
    """
    for _ in in_threads(_sync_one, [folder / name for name in _files(folder, listed_only=False)], _SYNCED_AT_ONCE):
        pass
    for parent in {folder, *((folder / name).parent for name in _files(folder))}:
        sync_names(parent)


def sync_names(folder: Path) -> None:
    """Wait until what a folder's files are called is on the disk."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        _sync_one(folder)


def _sync_one(path: Path) -> None:
    # Windows syncs only what is open for writing.
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path, listed_only: bool = True) -> Iterator[str]:
    """Names of the files in a folder and its folders, sorted, with ``/`` between."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    for name in names:
        if not (listed_only and (name in _NOT_LISTED or is_litter(name.rpartition("/")[2]))):
            yield name
