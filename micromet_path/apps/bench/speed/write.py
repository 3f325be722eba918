"""The files of a run, each written aside and put in place whole."""

from __future__ import annotations

import json
from pathlib import Path

from micromet_path.apps.bench.speed.running import SpeedReport
from micromet_path.apps.bench.speed.tables import csv_text, markdown, to_json
from micromet_path.apps.bench.write import write_texts

__all__ = ["write_speed"]


def write_speed(folder: Path, report: SpeedReport) -> None:
    """Write ``speed.json``, ``speed.csv`` and ``speed.md`` into a folder that `write.prepare` has made."""
    content = json.dumps(to_json(report), allow_nan=False, indent=1) + "\n"
    write_texts(folder, {"speed.json": content, "speed.csv": csv_text(report), "speed.md": markdown(report)})
