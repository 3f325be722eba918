"""What makes a slide the same slide: a hash of its content, not of its name.

Hashing 3 GB takes longer than measuring them, so that by default fixed blocks are sampled: a
changed byte outside of them is unseen (``full=True`` sees it). Size and structure are always in.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import MissingSlideError, UnreadableSlideError
from micromet_path.slides.base import Slide

__all__ = ["array_fingerprint", "dicom_series_of", "pixels_fingerprint", "slide_fingerprint"]

_VERSION = "micromet-fp1"
_END_BYTES = 256 * 1024
_SAMPLE_BYTES = 16 * 1024
_SAMPLES = 64
_WHOLE_BELOW = 2 * _END_BYTES + _SAMPLES * _SAMPLE_BYTES
_CHUNK_FILES = 64
_COPY_BYTES = 2**20
_STRIP_PX = 4_000_000

_ZARR_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")

_SERIES_TAG = re.compile(
    rb"\x20\x00\x0d\x00UI..[0-9.\0 ]{0,64}\x20\x00\x0e\x00UI(..)([0-9.]{1,64})",
    re.DOTALL,
)
"""StudyInstanceUID (0020,000D) followed at once by SeriesInstanceUID (0020,000E) in explicit
little-endian DICOM: the pair of the file itself, not one of a reference to other images."""

_DICOM_HEAD_BYTES = 256 * 1024


def slide_fingerprint(path: str | Path, full: bool = False) -> str:
    """Identity of a slide's content: same bytes under another name, same fingerprint.

    Parameters
    ----------
    path : str or Path
        Slide file or OME-Zarr folder; companions (the folder of a MIRAX slide, the DICOM files of
        the same series) are found from it. Any file of a DICOM series gives the same answer.
    full : bool, default False
        Hash every byte instead of fixed samples.

    Returns
    -------
    str
        ``"micromet-fp1:"`` (``"micromet-fp1-full:"``) and 64 hexadecimal digits.

    Raises
    ------
    MissingSlideError, UnreadableSlideError
        If a file is not there or cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise MissingSlideError(f"{path} does not exist; check the name and whether the disk is mounted")
    if not (path.is_file() or path.is_dir()):  # a device may never end
        raise UnreadableSlideError(f"{path.name} is a pipe or a device; expected a slide file")
    digest = hashlib.sha256()
    try:
        for name, part in sorted(_parts(path, full)):
            digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
            digest.update(part)
    except OSError as error:
        raise UnreadableSlideError(f"{path.name} cannot be read: {error.strerror or error}") from error
    return f"{_VERSION}{'-full' if full else ''}:{digest.hexdigest()}"


def pixels_fingerprint(slide: Slide) -> str:
    """Identity of an open slide by its pixels, strip by strip: for slides of which no file is known.

    Tiles that cannot be decoded count as such, so that a damaged slide has an identity as well.
    """
    digest = hashlib.sha256(f"{slide.info.width_px0}x{slide.info.height_px0}".encode())
    for region in slide.tiles.strips(_STRIP_PX):
        try:
            digest.update(slide.read(region).rgb.tobytes())
        except UnreadableSlideError:
            digest.update(b"unreadable")
    return f"{_VERSION}-pixels:{digest.hexdigest()}"


def array_fingerprint(pixels: NDArray[Any]) -> str:
    """Identity of an array: its shape, type and bytes.

    Examples
    --------
    >>> array_fingerprint(np.zeros((2, 2, 3), np.uint8))[:13]
    'micromet-fp1:'
    """
    digest = hashlib.sha256(f"array {pixels.dtype.str} {pixels.shape}\0".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return f"{_VERSION}:{digest.hexdigest()}"


def dicom_series_of(path: Path) -> bytes | None:
    """Which DICOM series a file is of; None for anything else, and for what cannot be read."""
    try:
        return _series_of(path) if path.is_file() else None
    except OSError:
        return None


def _parts(path: Path, full: bool) -> Iterator[tuple[str, bytes]]:
    """(relative name, digest) of everything that belongs to a slide; the slide itself has no name."""
    if path.is_dir():
        yield from _zarr_parts(path, full)
        return
    if path.suffix.lower() == ".dcm":
        # OpenSlide reads the whole series from any of its files, whatever their names.
        yield from (("", _file_digest(file, full)) for file in _dicom_series(path))
        return
    yield "", _file_digest(path, full)
    for companion in _companions(path):
        yield companion.relative_to(path.parent).as_posix().replace(path.stem, "", 1), _file_digest(companion, full)


def _companions(path: Path) -> list[Path]:
    """Files beside a slide without which it is not whole."""
    if path.suffix.lower() == ".mrxs":
        return sorted(file for file in path.with_suffix("").rglob("*") if file.is_file())
    if path.suffix.lower() in (".vms", ".vmu"):
        lines = path.read_text("latin-1").splitlines()
        named = {line.split("=", 1)[1].strip() for line in lines if "=" in line}
        return sorted(path.parent / name for name in named if name and (path.parent / name).is_file())
    return []


def _dicom_series(path: Path) -> list[Path]:
    series = _series_of(path)
    if series is None:
        return [path]
    return [file for file in path.parent.iterdir() if file.is_file() and (file == path or _series_of(file) == series)]


def _series_of(path: Path) -> bytes | None:
    """Series of a DICOM file; None for anything else."""
    with path.open("rb") as file:
        head = file.read(_DICOM_HEAD_BYTES)
    found = _SERIES_TAG.search(head) if head[128:132] == b"DICM" else None
    return found[2][: int.from_bytes(found[1], "little")] if found else None


def _zarr_parts(root: Path, full: bool) -> Iterator[tuple[str, bytes]]:
    """Metadata whole; names and sizes of all chunks, the content of some. Labels are not the slide."""
    chunks: list[str] = []
    sizes = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not (Path(folder) == root and name == "labels"))
        for file in sorted(files):
            name = (Path(folder) / file).relative_to(root).as_posix()
            if file in _ZARR_METADATA:
                yield name, _file_digest(root / name, full=True)
            else:
                chunks.append(name)
                sizes.update(f"{name}\0{(root / name).stat().st_size}\0".encode("utf-8", "surrogateescape"))
    yield "\0sizes", sizes.digest()
    for index in range(len(chunks)) if full else _spread(len(chunks), _CHUNK_FILES):
        yield chunks[index], _file_digest(root / chunks[index], full)


def _file_digest(path: Path, full: bool) -> bytes:
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}\0".encode())
    with path.open("rb") as file:
        if full or size <= _WHOLE_BELOW:
            _hash_rest(file.read, digest.update)
        else:
            for start, length in _blocks(size):
                file.seek(start)
                digest.update(file.read(length))
    return digest.digest()


def _hash_rest(read: Callable[[int], bytes], update: Callable[[bytes], object]) -> None:
    while block := read(_COPY_BYTES):
        update(block)


def _blocks(size: int) -> Iterator[tuple[int, int]]:
    """Both ends, where headers and directories are, and blocks evenly between them."""
    yield 0, _END_BYTES
    for start in _spread(size - 2 * _END_BYTES - _SAMPLE_BYTES, _SAMPLES):
        yield _END_BYTES + start, _SAMPLE_BYTES
    yield size - _END_BYTES, _END_BYTES


def _spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` numbers evenly over ``range(count)``, first and last included."""
    if count <= wanted:
        return list(range(count))
    return [index * (count - 1) // (wanted - 1) for index in range(wanted)]
