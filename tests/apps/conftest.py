"""The command as its tests run it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from micromet_path.apps.cli import main
from micromet_path.apps.samples import SamplePaths
from tests.apps.batches import Archive

__all__ = ["Command", "Ran", "is_one_line"]


@dataclass(frozen=True)
class Ran:
    """What a command left: exit status, and the text on each stream."""

    status: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def micromet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["micromet", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            status = 0
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        return Ran(status, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def small_slides(drawn: Callable[[str], SamplePaths], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three small slides by the name of their profile."""
    folder = tmp_path_factory.mktemp("slides")
    return {name: Path(shutil.copy(drawn(name).slide, folder / f"{name}.svs")) for name in ("itc", "negative", "he")}


@pytest.fixture
def archive(small_slides: dict[str, Path], tmp_path: Path) -> Archive:
    """An empty archive."""
    return Archive(tmp_path, small_slides)


def is_one_line(text: str) -> bool:
    return text.startswith("micromet: ") and text.endswith("\n") and text.count("\n") == 1 and "Traceback" not in text
