"""Batches as tests run them: in processes of their own, and what they leave."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from micromet_path.apps.archive.database import open_database

__all__ = ["MICROMET", "Archive", "start", "worker_of"]

MICROMET = (sys.executable, "-c", "from micromet_path.apps.cli.script import run; run()")


class Archive:
    """A folder of small slides, and one for what a batch makes of them.

    Parameters
    ----------
    folder : Path
    slides : mapping of str to Path
        By profile.
    """

    def __init__(self, folder: Path, slides: dict[str, Path]):
        self.root, self.out = folder / "archive", folder / "out"
        self._slides = slides

    def add(self, name: str, profile: str = "itc") -> Path:
        """Put a slide there, told apart by bytes that no reader looks at."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._slides[profile].read_bytes() + name.encode())
        return path

    def manifest(self, text: str) -> Path:
        """Write a manifest beside the slides."""
        path = self.root / "manifest.csv"
        path.write_text(text)
        return path

    def rows(self, name: str, **where: object) -> list[dict[str, Any]]:
        """Rows of a table or view of the database."""
        database = open_database(self.out)
        try:
            return [row for row in database.records(name) if all(row[key] == value for key, value in where.items())]
        finally:
            database.close()

    def state(self) -> dict[str, str]:
        """State of each slide."""
        return {row["slide_id"]: row["state"] for row in self.rows("slides")}


def start(*arguments: object, **more) -> subprocess.Popen[str]:
    """A batch as a process of its own, in a group of its own."""
    return subprocess.Popen(
        [*MICROMET, *map(str, arguments)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def worker_of(note: Path, batch: subprocess.Popen[str], phase: str = "") -> int:
    """The process that has a slide in hand, as soon as it has reached a phase."""
    until = time.monotonic() + 60
    while time.monotonic() < until and batch.poll() is None:
        try:
            text = note.read_text()
        except OSError:
            text = ""
        if text.endswith("\n") and phase in text:
            return int(text.splitlines()[0].split()[-1])
        time.sleep(0.002)
    raise AssertionError(batch.communicate(timeout=60))
