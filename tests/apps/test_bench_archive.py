"""The benchmark that breaks archives: its damages are damages, and its figures hold in the small."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from micromet_path.apps.bench.archive.corrupted import corrupted
from micromet_path.apps.bench.archive.damage import KINDS, bomb, damaged, plain_tiff
from micromet_path.apps.bench.archive.kills import kills
from micromet_path.apps.bench.archive.many import many
from micromet_path.slides import open_slide
from tests.apps.conftest import Command


def unheard(done: int, total: int) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_damages_are_seeded_and_do_damage(kind, seed, drawn):
    for data in (plain_tiff(), drawn("itc").slide.read_bytes()):
        made = damaged(data, kind, seed)
        assert made == damaged(data, kind, seed)
        assert made != damaged(data, kind, seed + 1)
        assert made[: len(data)] != data


def test_the_undamaged_slide_is_one(tmp_path):
    path = tmp_path / "plain.tif"
    path.write_bytes(plain_tiff(512))
    with open_slide(path) as slide:
        assert (slide.info.width_px0, slide.info.spacing.x_um) == (512, 0.5)
        assert (slide.read(slide.info.bounds_px0).rgb == 0xF2).all()


def test_directories_in_a_circle_end(tmp_path, drawn):
    path = tmp_path / "ring.svs"
    said = []
    for seed in range(4):
        path.write_bytes(damaged(drawn("itc").slide.read_bytes(), "directories in a circle", seed))
        with open_slide(path) as slide:
            said += slide.info.warnings
    assert "the directories of the file run in a circle: lower levels may be missing" in said


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path, micromet: Command):
    (tmp_path / "bomb.tif").write_bytes(bomb(300 << 20, 3))
    ran = micromet("batch", tmp_path / "bomb.tif", "-o", tmp_path / "out", "--workers", 1, "--json")
    assert json.loads(ran.out)["finding"]["category"] == "not_assessable"


def test_damaged_slides_end_as_results_or_failures(tmp_path):
    ended, memory, _ = corrupted(tmp_path, 2 * len(KINDS), 500, unheard)
    assert ended.is_met, ended
    assert memory.is_met, memory


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_killed_runs_are_finished(tmp_path):
    (whole,) = kills(tmp_path, 3, 500, unheard)
    assert whole.is_met, whole


def test_many_slides_are_done_and_found_again(tmp_path):
    _, _, again = many(tmp_path, 100, unheard)
    assert again.is_met, again


def test_the_command_prints_and_writes(tmp_path):
    asked = ["--case", "throughput", "--slides", "10", "--out", str(tmp_path), "-q", "--json"]
    script = [sys.executable, "-c", "from micromet_path.apps.cli.script import run; run()", "bench", "archive", *asked]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=True)
    figures = json.loads(done.stdout)
    assert figures[0]["asked"] == ">= 1.8"
    assert (tmp_path / "archive.md").read_text().count("\n") == len(figures) + 2
