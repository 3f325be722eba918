"""Small slides in any number: a few are drawn, and copies are told apart by bytes that no reader looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from micromet_path.apps.samples import SampleSpec, write_sample

__all__ = ["bases", "copies"]

_PROFILES = ("itc", "negative", "he", "empty")
_SIDE_PX = 1024
_SPACING_UM = 0.5


def bases(folder: Path, profiles: Sequence[str] = _PROFILES) -> list[Path]:
    """Draw one small slide of each profile."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_sample(folder, SampleSpec(profile, _SIDE_PX, 1, _SPACING_UM)).slide for profile in profiles]


def copies(sources: Sequence[Path], folder: Path, count: int) -> Iterator[Path]:
    """Write so many slides, each of another content."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = [source.read_bytes() for source in sources]
    for number in range(count):
        path = folder / f"slide-{number:05d}.svs"
        path.write_bytes(contents[number % len(contents)] + b"%08d" % number)
        yield path
