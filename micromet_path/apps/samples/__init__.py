"""Sample slides with known truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from micromet_path.apps.samples.spec import PROFILES, SamplePaths, SampleSpec

__all__ = ["PROFILES", "SamplePaths", "SampleSpec", "write_sample"]


def write_sample(folder: Path, spec: SampleSpec, progress: Callable[[int, int], None] | None = None) -> SamplePaths:
    """Generate one slide and its truth."""
    from micromet_path.apps.samples.write import write  # compiled code and encoders: only where a slide is drawn

    return write(Path(folder), spec, progress)
