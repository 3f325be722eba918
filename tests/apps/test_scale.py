"""Slides of few tiles, and the benchmark that draws them: large ones and patterns."""

import json
from dataclasses import replace

import numpy as np
import openslide
import pytest
import tifffile

from micromet_path.apps.bench import scale
from micromet_path.apps.samples.mosaic import TILE_PX, Mosaic, write_mosaic
from micromet_path.config import Config
from micromet_path.errors import OverstainedSlideError
from micromet_path.pipeline import Task, analyze_slide
from micromet_path.slides import open_slide


@pytest.fixture
def smooth():
    """Tiles that JPEG keeps: each a slope of its own."""
    slope = np.linspace(60, 230, TILE_PX)[:, None, None]
    tiles = [np.broadcast_to(slope * shade, (TILE_PX, TILE_PX, 3)) for shade in (1, 0.8, 0.6)]
    return np.stack(tiles).round().astype(np.uint8)


def laid_out(mosaic):
    rows, columns = mosaic.places.shape
    return mosaic.tiles[mosaic.places].swapaxes(1, 2).reshape(rows * TILE_PX, columns * TILE_PX, 3)


def test_a_mosaic_reads_as_its_tiles_by_every_reader(tmp_path, smooth):
    mosaic = Mosaic(smooth, np.random.default_rng(0).integers(0, 3, (8, 12)))
    path = tmp_path / "mosaic.tif"
    write_mosaic(path, mosaic, spacing_um=0.25)

    expected = laid_out(mosaic).astype(int)
    with open_slide(path) as slide:
        ours = slide.read(slide.info.region).rgb
        assert (slide.info.spacing.x_um, slide.info.spacing.y_um) == pytest.approx((0.25, 0.25), rel=1e-3)
        assert [level.downsample_x for level in slide.info.levels] == [1.0, 4.0]
    assert np.abs(ours - expected).max() <= 8
    np.testing.assert_array_equal(ours, tifffile.imread(path, level=0))
    with openslide.OpenSlide(path) as other:
        np.testing.assert_array_equal(ours, np.asarray(other.read_region((0, 0), 0, other.dimensions).convert("RGB")))


def test_tiles_are_stored_once(tmp_path, smooth):
    path, side = tmp_path / "mosaic.tif", 64
    write_mosaic(path, Mosaic(smooth, np.add.outer(np.arange(side) % 2, np.arange(side) % 2)))
    tables = 16 * side * side * (1 + 1 / 16 + 1 / 256)
    assert path.stat().st_size - tables < 50_000 < 16 * side * side  # a stream of each tile would take megabytes


def test_the_level_below_is_the_box_mean(smooth):
    mosaic = Mosaic(smooth, np.random.default_rng(1).integers(0, 3, (8, 4)))
    whole = laid_out(mosaic)
    mean = whole.reshape(2 * TILE_PX, 4, TILE_PX, 4, 3).mean(axis=(1, 3))
    assert np.abs(laid_out(mosaic.reduced()) - mean).max() <= 0.5


@pytest.mark.parametrize("name", list(scale.CASES))
def test_every_case_is_analysed_in_little_memory(tmp_path, name):
    path = tmp_path / "slide.tif"
    write_mosaic(path, scale.mosaic_of(name, 6000))
    config = replace(Config(), scan=replace(Config().scan, full_below_px=0))
    with open_slide(path) as slide:
        analysis = analyze_slide(slide, config, Task("slide", "0" * 64, workers=2)).analysis

    finding = analysis.finding
    expected = {"tissue with one focus": ("micrometastasis", 1), "specks of pigment": ("negative", 0)}
    category, n_clusters = expected.get(name, ("macrometastasis", 1))
    assert (finding.category.value, finding.n_clusters) == (category, n_clusters)
    if name == "tissue with one focus":
        assert finding.max_diameter_um == pytest.approx(2 * 8 * TILE_PX * 0.25, abs=2)
        assert analysis.scan.mode == "candidates"


def test_a_pattern_beyond_the_limit_is_refused_with_the_setting_that_raises_it(tmp_path):
    path = tmp_path / "board.tif"
    write_mosaic(path, scale.mosaic_of("checkerboard of stain", 6000))
    config = replace(Config(), scan=replace(Config().scan, most_runs=100_000))
    with open_slide(path) as slide, pytest.raises(OverstainedSlideError) as refusal:
        analyze_slide(slide, config, Task("slide", "0" * 64))
    text = str(refusal.value)
    assert text.startswith("board.tif: more than 100,000 stained runs")
    assert "[scan] most_runs" in text
    assert "\n" not in text


def test_the_command(micromet, tmp_path):
    out = tmp_path / "out"
    ran = micromet("bench", "scale", "--case", "one winding focus", "--side", 6000, "--json", "--out", out, "-q")
    content = json.loads(ran.out)

    assert (ran.status, ran.err) == (0, "")
    assert json.loads((out / "scale.json").read_text(encoding="utf-8")) == content
    (row,) = content["slides"]
    assert (row["slide"], row["answer"]) == ("one winding focus", "1 cluster")
    assert row["wall_s"] > 0
    assert "one winding focus" in (out / "scale.md").read_text(encoding="utf-8")


def test_an_unknown_case_is_named(micromet):
    ran = micromet("bench", "scale", "--case", "mud")
    assert ran.status == 2
    assert "no case 'mud'" in ran.err
