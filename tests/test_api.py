"""What people hold in Python: analyse, look, recut, save, load."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

import micromet_path as mp
from micromet_path.api import analyze_into, rebuild, result_folders, unique_slide_ids
from micromet_path.errors import ConfigError, ImplausibleScaleError, MissingScaleError, MissingSlideError, ResultError
from micromet_path.model import GAPS_UM
from micromet_path.pixels.clusters import ClusterParams
from micromet_path.results import SOURCE_FILES, to_json
from micromet_path.results.palette import COLOURS
from tests.test_pipeline import assert_same

HALF = mp.PixelSpacing(0.5, 0.5)
SAMPLES = Path(__file__).parents[1] / "sample_slides"


def same_but_for_time(one: mp.SlideResult, two: mp.SlideResult) -> None:
    for name in ("slide", "scan", "quality", "pieces", "finding", "clusters", "fragments", "tree", "brownest"):
        assert_same(getattr(one.analysis, name), getattr(two.analysis, name), name)
    assert one.provenance.config_fingerprint == two.provenance.config_fingerprint
    assert_same(one.runs, two.runs, "runs")


@pytest.fixture(scope="module")
def path(drawn: Callable[[str], Any]) -> Path:
    slide: Path = drawn("itc").slide
    return slide


@pytest.fixture(scope="module")
def pixels(path: Path) -> np.ndarray:
    return tifffile.imread(path, key=0)


@pytest.fixture(scope="module")
def result(path: Path) -> mp.SlideResult:
    return mp.analyze(path)


# -- analyse -------------------------------------------------------------------------------------


def test_a_result_answers(result: mp.SlideResult, path: Path) -> None:
    assert result.finding.category is mp.Category.ITC
    assert result.finding.max_diameter_um == result.clusters.max_diameter_um[0]
    assert (result.slide.id, result.slide.name) == (path.stem, path.name)
    assert (result.slide.width_px0, result.slide.height_px0, result.slide.spacing) == (1024, 1024, HALF)
    assert result.scan.gap_um == 7.0
    assert result.scan.coverage == 1.0
    assert len(result.pieces) >= 1
    assert result.config == mp.Config()
    assert result.provenance.version == mp.__version__
    assert result.folder is None
    assert not result.was_reused
    assert set(result.pictures) >= {"overview", "cluster-0001"}


def test_a_path_may_be_text_and_a_slide_may_be_open(result: mp.SlideResult, path: Path) -> None:
    same_but_for_time(mp.analyze(str(path)), result)
    with mp.open_slide(path) as slide:
        opened = mp.analyze(slide)
    assert_same(opened.finding, result.finding)
    assert_same(opened.clusters, result.clusters)


def test_an_array_is_a_slide(result: mp.SlideResult, pixels: np.ndarray) -> None:
    """The tiles of an Aperio file and the array that tifffile decodes differ by a grey level at most."""
    array = mp.analyze(pixels, spacing=HALF)
    assert array.finding.category is result.finding.category
    assert array.finding.max_diameter_um == pytest.approx(result.finding.max_diameter_um, abs=1.5)
    assert array.slide.mpp_source == "given"
    same_but_for_time(mp.analyze(pixels.copy(order="F"), spacing=HALF), array)
    other = pixels.copy()
    other[0, 0] ^= 1
    assert mp.analyze(other, spacing=HALF).slide.fingerprint != array.slide.fingerprint


def test_x_and_y_may_differ_in_scale(pixels: np.ndarray) -> None:
    wide = mp.analyze(pixels, spacing=mp.PixelSpacing(0.5, 0.25))
    tall = mp.analyze(np.ascontiguousarray(pixels.transpose(1, 0, 2)), spacing=mp.PixelSpacing(0.25, 0.5))
    assert_array_equal(np.sort(wide.clusters.max_diameter_um), np.sort(tall.clusters.max_diameter_um))
    assert len(wide.clusters) == len(tall.clusters) > 0


def test_options_and_configuration(path: Path, result: mp.SlideResult, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    options = mp.AnalyzeOptions(workers=1, hash_all=True)
    done = mp.analyze(path, options=options, progress=lambda done, total: calls.append((done, total)), workers=2)
    assert calls
    assert calls[-1][0] == calls[-1][1]
    assert sorted(calls) == calls
    assert done.slide.fingerprint != result.slide.fingerprint
    assert_same(done.clusters, result.clusters)

    settings = tmp_path / "settings.toml"
    settings.write_text("[clusters]\ngap_um = 0\n")
    from_file = mp.analyze(path, settings)
    assert from_file.scan.gap_um == from_file.clusters.gap_um == 0.0
    same_but_for_time(from_file, mp.analyze(path, mp.load_config(settings)))
    assert from_file.config == mp.Config(clusters=ClusterParams(gap_um=0.0))
    assert from_file.provenance.config_fingerprint != result.provenance.config_fingerprint


def test_a_result_of_a_part_says_so(path: Path, tmp_path: Path) -> None:
    outline = tmp_path / "half.geojson"
    ring = [[0, 0], [1024, 0], [1024, 512], [0, 512], [0, 0]]
    outline.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    part = mp.analyze(path, region=outline)
    assert (part.clusters.bbox_px0[:, 3] <= 512).all()
    assert "area" in part.provenance.config
    assert part.config == mp.Config()
    part.at_gap(25.0)


# -- another gap ---------------------------------------------------------------------------------


@pytest.mark.parametrize("slide", ["itc", "micro"])
def test_cut_at_another_gap_equals_an_analysis_at_that_gap(slide: str) -> None:
    source = SAMPLES / f"{slide}.svs"
    first = mp.analyze(source)
    for gap_um in (0.0, 3.3, 7.0, 25.0, 100.0):
        direct = mp.analyze(source, mp.Config(clusters=ClusterParams(gap_um=gap_um)))
        recut = first.at_gap(gap_um)
        for name in ("finding", "clusters", "pieces", "scan"):
            assert_same(getattr(recut, name), getattr(direct, name), f"{gap_um} {name}")
        assert_same(recut.at_gap(7.0).analysis, first.analysis, f"{gap_um} and back")


def test_cut_at_another_gap_on_the_real_slide(shared: Path) -> None:
    source = shared / "slides" / "ihc-dab-1065626.svs"
    recut = mp.analyze(source).at_gap(25.0)
    direct = mp.analyze(source, mp.Config(clusters=ClusterParams(gap_um=25.0)))
    for name in ("finding", "clusters", "pieces", "scan"):
        assert_same(getattr(recut, name), getattr(direct, name), name)


def test_by_gap_is_what_cutting_there_gives(result: mp.SlideResult) -> None:
    assert [entry.gap_um for entry in result.finding.by_gap] == list(GAPS_UM)
    for entry in result.finding.by_gap:
        cut = result.at_gap(entry.gap_um).finding
        assert (cut.category, cut.max_diameter_um) == (entry.category, entry.max_diameter_um)
        assert_same(cut.by_gap, result.finding.by_gap)


@pytest.mark.parametrize("gap_um", [-1.0, 100.1, float("nan"), float("inf")])
def test_a_gap_that_the_tree_does_not_reach_is_refused(result: mp.SlideResult, gap_um: float) -> None:
    with pytest.raises(mp.MicrometError, match="gap"):
        result.at_gap(gap_um)


# -- saved and loaded ----------------------------------------------------------------------------


def test_a_saved_result_comes_back(result: mp.SlideResult, tmp_path: Path) -> None:
    saved = result.save(tmp_path / "deeper" / "itc")
    assert saved.folder == tmp_path / "deeper" / "itc"
    assert result.folder is None
    loaded = mp.load_result(saved.folder)
    assert_same(loaded.analysis, result.analysis)
    assert_same(loaded.runs, result.runs)
    assert loaded.pictures.keys() == result.pictures.keys()
    assert to_json(loaded.analysis) == to_json(result.analysis)
    assert_same(loaded.at_gap(25.0).clusters, result.at_gap(25.0).clusters)
    assert loaded.config == result.config


def test_saved_again_it_is_the_same_to_the_byte(result: mp.SlideResult, tmp_path: Path) -> None:
    first = mp.load_result(result.save(tmp_path / "first").folder or "")
    second = first.save(tmp_path / "second")
    assert second.folder is not None
    assert first.folder is not None
    names = {path.relative_to(first.folder) for path in first.folder.rglob("*") if path.is_file()}
    assert names == {path.relative_to(second.folder) for path in second.folder.rglob("*") if path.is_file()}
    for name in names - {Path("pictures.parquet"), Path("overview.png"), Path("report.html")}:
        if name.parts[0] != "gallery":  # JPEG loses a little each time it is written
            assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name


def test_saved_in_its_own_place(result: mp.SlideResult, tmp_path: Path) -> None:
    loaded = mp.load_result(result.save(tmp_path / "itc").folder or "")
    again = loaded.save(tmp_path / "itc")
    assert_same(mp.load_result(again.folder or "").analysis, result.analysis)
    assert [path.name for path in tmp_path.iterdir()] == ["itc"]


def test_a_recut_result_is_saved_at_its_gap(result: mp.SlideResult, tmp_path: Path) -> None:
    wide = result.at_gap(75.0)
    wide.save(tmp_path / "wide")
    loaded = mp.load_result(tmp_path / "wide")
    assert loaded.clusters.gap_um == 75.0
    assert_same(loaded.clusters, wide.clusters)
    assert_same(loaded.finding, wide.finding)
    assert_same(loaded.at_gap(7.0).clusters, result.clusters)


def test_load_results_by_id(path: Path, result: mp.SlideResult, tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "c"):
        analysis = replace(result.analysis, slide=replace(result.slide, id=name))
        replace(result, analysis=analysis).save(tmp_path / name)
    (tmp_path / "note.txt").touch()
    (tmp_path / "empty").mkdir()
    assert [one.slide.id for one in mp.load_results(tmp_path)] == ["a", "b", "c"]
    assert [one.slide.id for one in mp.load_results(tmp_path / "a")] == ["a"]
    assert [folder.name for folder in result_folders(tmp_path)] == ["a", "b", "c"]
    assert [folder.name for folder in rebuild(tmp_path)] == ["a", "b", "c"]


def test_analyze_into_takes_the_stored_result(path: Path, tmp_path: Path) -> None:
    first = analyze_into(tmp_path, path)
    again = analyze_into(tmp_path, str(path), mp.Config())
    assert (first.was_reused, again.was_reused) == (False, True)
    assert first.folder == again.folder == tmp_path / path.stem
    assert_same(again.analysis, first.analysis)
    assert analyze_into(tmp_path, path, slide_id="other").folder == tmp_path / "other"
    (tmp_path / path.stem / SOURCE_FILES[1]).unlink()
    assert not analyze_into(tmp_path, path).was_reused


# -- shown ---------------------------------------------------------------------------------------


def test_overlay_is_a_picture_with_outlines(result: mp.SlideResult) -> None:
    image = result.overlay()
    assert isinstance(image, Image.Image)
    assert image.mode == "RGB"
    height, width = result.pictures["overview"].rgb.shape[:2]
    assert image.width == width
    assert height < image.height < 1.2 * height, "words above and below"

    def outlined(picture: Image.Image) -> int:
        return int((np.asarray(picture) == COLOURS[mp.Category.ITC]).all(axis=2).sum())

    assert outlined(image) > outlined(mp.analyze(glass(), spacing=HALF).overlay()) + 50


def test_jupyter_shows_the_headline_and_escapes_names(result: mp.SlideResult) -> None:
    named = replace(result, analysis=replace(result.analysis, slide=replace(result.slide, name="<b>&.svs")))
    page = named._repr_html_()
    assert "&lt;b&gt;&amp;.svs" in page
    assert "<b>" not in page
    assert result.finding.headline in page
    assert "data:image/jpeg;base64," in page
    assert "Research use only" in page


def test_the_table_of_clusters(result: mp.SlideResult) -> None:
    table = result.clusters.to_dataframe()
    kinds = {name: "text" if kind.name in ("object", "str") else kind.name for name, kind in table.dtypes.items()}
    assert kinds == {
        "id": "int64",
        "piece_id": "int64",
        "category": "text",
        "counting": "text",
        "max_diameter_um": "float64",
        "diameter_low_um": "float64",
        "diameter_high_um": "float64",
        "size_is_minimum": "bool",
        "borderline": "bool",
        "near_limit": "bool",
        "min_bounding_circle_um": "float64",
        "area_um2": "float64",
        "area_filled_um2": "float64",
        "solidity": "float64",
        "n_fragments": "int64",
        "estimated_cells": "float64",
        "estimated_cells_low": "float64",
        "estimated_cells_high": "float64",
        "mean_dab_od": "float64",
        "max_dab_od": "float64",
        "centroid_x_px0": "float64",
        "centroid_y_px0": "float64",
        "bbox_x0_px0": "int64",
        "bbox_y0_px0": "int64",
        "bbox_x1_px0": "int64",
        "bbox_y1_px0": "int64",
        "axis_x0_px0": "int64",
        "axis_y0_px0": "int64",
        "axis_x1_px0": "int64",
        "axis_y1_px0": "int64",
        "rank_score": "float64",
        "flags": "text",
    }
    assert list(kinds) == list(result.clusters.to_columns())
    assert len(table) == len(result.clusters)
    assert table["id"].tolist() == list(range(1, len(table) + 1))
    assert table["max_diameter_um"].is_monotonic_decreasing
    axis = np.hypot(table["axis_x1_px0"] - table["axis_x0_px0"], table["axis_y1_px0"] - table["axis_y0_px0"])
    np.testing.assert_allclose(axis * 0.5, table["max_diameter_um"])


def test_the_table_is_the_one_in_the_files(result: mp.SlideResult, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "itc").folder or Path()
    table = result.clusters.to_dataframe()
    stored = pandas.read_parquet(folder / "clusters.parquet")
    assert list(stored) == list(table)
    text = pandas.read_csv(folder / "clusters.csv", keep_default_na=False)
    assert list(text) == list(table)
    for name in ("max_diameter_um", "bbox_x0_px0", "size_is_minimum", "category"):
        assert stored[name].tolist() == text[name].tolist() == table[name].tolist()


def test_an_empty_table_has_the_same_columns(result: mp.SlideResult) -> None:
    empty = mp.analyze(glass(), spacing=HALF)
    assert len(empty.clusters) == 0
    assert list(empty.clusters.to_dataframe()) == list(result.clusters.to_dataframe())
    assert empty.finding.category is mp.Category.NOT_ASSESSABLE
    assert empty._repr_html_()


# -- ids -----------------------------------------------------------------------------------------


def test_ids_of_different_stems_are_the_stems() -> None:
    assert unique_slide_ids(["in/a b.svs", "in/ä.ndpi", "in/c.d.tiff"]) == ["a b", "ä", "c.d"]
    assert unique_slide_ids([]) == []


def test_ids_do_not_depend_on_order(path: Path, tmp_path: Path) -> None:
    paths = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(folder / ("node.svs" if number else "NODE.svs"))
        paths[-1].write_bytes(path.read_bytes() + bytes([number]))
    ids = unique_slide_ids(paths)
    assert len({one.casefold() for one in ids}) == 3
    assert unique_slide_ids(paths[::-1]) == ids[::-1]
    assert unique_slide_ids([*paths, "other.svs"]) == [*ids, "other"]


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=300), max_size=6))
def test_any_name_gives_a_folder_of_its_own(names: list[str]) -> None:
    paths = [Path("nowhere") / str(number) / name for number, name in enumerate(names)]
    ids = unique_slide_ids(paths)
    assert len({one.casefold() for one in ids}) == len(names)
    for one in ids:
        assert 0 < len(one.encode("utf-8")) <= 200
        assert not one.startswith(".")
        assert one == one.rstrip(". ")
        assert not set('<>:"/\\|?*') & set(one)
        assert not any(ord(character) < 32 for character in one)


# -- errors --------------------------------------------------------------------------------------


def glass() -> np.ndarray:
    return np.full((300, 400, 3), 243, np.uint8)


def test_an_array_without_scale_is_refused() -> None:
    with pytest.raises(MissingScaleError, match="spacing="):
        mp.analyze(glass())
    with pytest.raises(ImplausibleScaleError, match=r"0\.1 to 2\.0"):
        mp.analyze(glass(), spacing=mp.PixelSpacing(5, 5))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.uint16),
        np.zeros((5, 5, 3), float),
        np.zeros((0, 5, 3), np.uint8),
    ],
    ids=lambda array: f"{array.shape} {array.dtype}",
)
def test_an_array_that_is_no_rgb_picture_is_refused(array: Any) -> None:
    with pytest.raises(mp.MicrometError):
        mp.analyze(array, spacing=HALF)


def test_what_is_missing_or_unknown_is_refused(path: Path, result: mp.SlideResult, tmp_path: Path) -> None:
    with pytest.raises(MissingSlideError, match="does not exist"):
        mp.analyze(tmp_path / "none.svs")
    with pytest.raises(FileNotFoundError):
        mp.analyze(tmp_path / "none.svs")
    with pytest.raises(ConfigError, match="no configuration file"):
        mp.analyze(path, tmp_path / "none.toml")
    with pytest.raises(TypeError, match="gap"):
        mp.analyze(path, gap=3)
    with pytest.raises(ResultError, match="no result folder"):
        mp.load_result(tmp_path / "none")
    with pytest.raises(ResultError, match="no folder"):
        mp.load_results(tmp_path / "none")
    with pytest.raises(ResultError, match="holds no result"):
        mp.load_results(tmp_path)
    with pytest.raises(ResultError, match="was not saved"):
        _ = mp.SlideResult(result.analysis).runs
    with pytest.raises(ResultError, match="was not saved"):
        mp.SlideResult(result.analysis).overlay()
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match="is a file"):
        result.save(tmp_path / "file")


@pytest.mark.parametrize("name", SOURCE_FILES)
def test_a_damaged_result_is_refused(result: mp.SlideResult, name: str, tmp_path: Path) -> None:
    result.save(tmp_path / "itc")
    whole = (tmp_path / "itc" / name).read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\0" * len(whole)):
        (tmp_path / "itc" / name).write_bytes(content)
        with pytest.raises(ResultError, match="analyse the slide again"):
            rebuild(tmp_path / "itc")
    (tmp_path / "itc" / name).unlink()
    with pytest.raises(ResultError, match=r"holds no (complete )?result"):
        rebuild(tmp_path / "itc")
