"""Slides that several tests look at: small drawn ones with their truth, and real ones where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from micromet_path.apps.samples import SamplePaths, SampleSpec, write_sample

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real slides, where the project's neighbour folder is there."""
    if not (SHARED / "slides").is_dir():
        pytest.skip("real slides (shared/data beside the repository) are not here")
    return SHARED


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SamplePaths]:
    """A slide of 1024 pixels at 0.5 um by its profile, drawn once."""
    made: dict[str, SamplePaths] = {}

    def draw(profile: str) -> SamplePaths:
        if profile not in made:
            made[profile] = write_sample(tmp_path_factory.mktemp("drawn"), SampleSpec(profile, 1024, 0, 0.5))
        return made[profile]

    return draw
