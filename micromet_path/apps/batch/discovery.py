"""Which files of an archive are slides: each once, whatever it is made of."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from micromet_path.errors import MissingSlideError
from micromet_path.slides.fingerprint import dicom_series_of

__all__ = ["find_slides", "walked_folders"]

_SLIDES = frozenset(
    (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".czi", ".dcm", ".zarr")
)


def find_slides(archives: Sequence[str], leave_out: Path, told: Callable[[str, str], object]) -> list[Path]:
    """Slides in folders, by patterns, or by name.

    Parameters
    ----------
    archives : sequence of str
        Folders, in which files are known by their ending; patterns; files, which are slides whatever their ending.
    leave_out : Path
        The folder that receives the results, which may lie in the archive.
    told : callable
        Hears of each folder that cannot be read, and why.

    Returns
    -------
    list of Path
        In the order of the archives, by name within each; a file that several of them hold once. Of a MIRAX slide or
        an OME-Zarr image there is one path, and one of a DICOM series.

    Raises
    ------
    MissingSlideError
        If an archive does not exist, a pattern matches nothing, or there is no slide at all.
    """
    found: list[Path] = []
    for archive in archives:
        for place in _places(archive):
            found += _in_folder(place, leave_out, told) if place.is_dir() and not _is_zarr(place) else [place]
    slides = list(_each_series_once(dict.fromkeys(found)))
    if archives and not slides:
        raise MissingSlideError(
            f"no slide in {', '.join(archives)}; expected files that end in {', '.join(sorted(_SLIDES))}"
        )
    return slides


def walked_folders(archives: Sequence[str]) -> list[str]:
    """Folders that `find_slides` looks through, absolute."""
    places = (place for archive in archives for place in _places(archive))
    return [str(place.absolute()) for place in places if place.is_dir() and not _is_zarr(place)]


def _places(archive: str) -> list[Path]:
    """A path, or what a pattern matches that the shell did not expand."""
    if os.path.lexists(archive) or not glob.has_magic(archive):
        if not os.path.lexists(archive):
            raise MissingSlideError(f"{archive} does not exist; check the name and whether the disk is mounted")
        return [Path(archive)]
    matches = sorted(glob.glob(archive, recursive=True))
    if not matches:
        raise MissingSlideError(f"nothing matches {archive}; check the pattern and the folder")
    chosen = [Path(match) for match in matches]
    # "archive/**" matches every file there is, and a wrong ending is no reason to fail.
    return [path for path in chosen if path.is_dir() or path.suffix.lower() in _SLIDES] or chosen


def _in_folder(root: Path, leave_out: Path, told: Callable[[str, str], object]) -> list[Path]:
    """Slides at any depth, by name; a folder that links lead to twice, or into itself, is walked once."""

    def unread(error: OSError) -> None:
        told(str(error.filename), error.strerror or str(error))

    walked = {_identity(leave_out)} if leave_out.is_dir() else set()
    slides: list[Path] = []
    for folder, folders, files in os.walk(root, onerror=unread, followlinks=True):
        here = Path(folder)
        identity = _identity(here)
        if identity in walked:
            folders.clear()
            continue
        walked.add(identity)
        images = [here / name for name in folders if _is_zarr(here / name)]
        companions = {Path(name).stem for name in files if name.lower().endswith(".mrxs")}
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and here / name not in images and name not in companions
        )
        slides += images + [here / name for name in files if _is_named_as_slide(name)]
    return sorted(slides)


def _is_named_as_slide(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in _SLIDES


def _is_zarr(folder: Path) -> bool:
    """Whether a folder is an image rather than a place for images."""
    return folder.suffix.lower() == ".zarr" and folder.is_dir()


def _identity(folder: Path) -> tuple[int, int]:
    """What a folder is, whichever way leads to it."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _each_series_once(paths: Iterable[Path]) -> Iterator[Path]:
    """Of the files of a DICOM series in one folder the first."""
    seen: set[tuple[Path, bytes]] = set()
    for path in paths:
        series = dicom_series_of(path) if path.suffix.lower() == ".dcm" else None
        if series is not None:
            if (path.parent, series) in seen:
                continue
            seen.add((path.parent, series))
        yield path
