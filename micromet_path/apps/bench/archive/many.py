"""An archive of thousands of slides: whether the last one costs what the first did."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

from micromet_path.apps.bench.archive.damage import plain_tiff
from micromet_path.apps.bench.archive.figures import Figure
from micromet_path.apps.bench.archive.process import command, run

__all__ = ["many"]

_LIMIT_S = 7200.0
_PART = 10
_TINY_PX = 512


def many(folder: Path, count: int, told: Callable[[int, int], object]) -> list[Figure]:
    """Run so many tiny slides, with a manifest of cases, and look at each as it ends.

    Parameters
    ----------
    folder : Path
        Empty.
    count : int
    told : callable
        Called with (slides done, slides in all).
    """
    archive, out = folder / "archive", folder / "out"
    archive.mkdir()
    base = plain_tiff(_TINY_PX)
    table = folder / "manifest.csv"
    with table.open("w") as rows:
        rows.write("slide,accession,node_id,pieces,stain_run\n")
        for number in range(count):
            (archive / f"{number:05d}.tif").write_bytes(base + b"%08d" % number)
            rows.write(f"{number:05d}.tif,case-{number // 4},{number % 4},all,run-{number // 40}\n")
    arguments = ("batch", archive, "--manifest", table, "-o", out, "--workers", 2, "--json", "-q")
    ended, held = _watched(arguments, folder / "log", count, told)
    part = max(1, count // _PART)
    first, last = ((ended[stop - 1] - ended[start]) / (part - 1) for start, stop in ((0, part), (count - part, count)))
    begin = time.monotonic()
    again = run(*arguments, limit_s=_LIMIT_S)
    rerun = time.monotonic() - begin
    begin = time.monotonic()
    reindexed = run("archive", "reindex", out, limit_s=_LIMIT_S)
    reindex = time.monotonic() - begin
    is_whole = again.status == 0 and all(line["state"] == "reused" for line in again.lines) and reindexed.status == 0
    growth = median(held[-part:]) / median(held[part : 2 * part]) if held else float("nan")
    return [
        Figure(
            f"ms a slide, last tenth over first, {count} slides", f"{last / first:.2f}", "0.8 to 1.2",
            0.8 <= last / first <= 1.2, f"{1000 * first:.0f} ms and {1000 * last:.0f} ms",
        ),
        Figure(
            "memory of the collector, last tenth over second", f"{growth:.2f}", "<= 1.2", growth <= 1.2,
            f"{median(held[-part:]) / 2**20:.0f} MiB" if held else "not measured here",
        ),
        Figure(
            "a rerun finds every slide done", "yes" if is_whole else "no", "yes", is_whole,
            f"{1000 * rerun / count:.1f} ms a slide; reindex {1000 * reindex / count:.1f} ms",
        ),
    ]  # fmt: skip


def _watched(
    arguments: tuple[object, ...], log: Path, count: int, told: Callable[[int, int], object]
) -> tuple[list[float], list[int]]:
    """When each slide ended, and what the main process held then."""
    ended: list[float] = []
    held: list[int] = []
    with log.open("wb") as said, subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=said) as batch:
        assert batch.stdout is not None
        for line in batch.stdout:
            if "slide_id" in json.loads(line):
                ended.append(time.monotonic())
                with suppress(OSError, ValueError, IndexError):
                    pages = int(Path(f"/proc/{batch.pid}/statm").read_text().split()[1])
                    held.append(pages * 4096)
                if len(ended) % 100 == 0:
                    told(len(ended), count)
    if len(ended) != count or batch.returncode != 0:
        raise RuntimeError(
            f"{len(ended)} of {count} slides ended, exit status {batch.returncode}: {log.read_text()[-500:]}"
        )
    return ended, held
