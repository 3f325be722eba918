"""An analysis in the colours that the scanner meant: what it measures, what it records, what it refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile

import micromet_path as mp
from micromet_path.api import analyze_into
from micromet_path.config import Config, ScanParams
from micromet_path.pipeline import Task, analyze_slide
from micromet_path.results.store import result_schema
from micromet_path.slides import open_slide
from tests.apps.conftest import is_one_line
from tests.profiles import MARKER, matrix_profile, swapped_profile
from tests.test_pipeline import assert_same, assert_same_outcome

TO_SRGB = Config(scan=ScanParams(icc="to_srgb"))
TO_SRGB_TOML = '[scan]\nicc = "to_srgb"\n'
SWAPPED = swapped_profile()


def written(path: Path, rgb: np.ndarray, profile: bytes | None) -> Path:
    """A pyramid without loss at 0.5 um, with a lower level of 2 um."""
    height, width = rgb.shape[:2]
    lower = rgb.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    options: dict[str, Any] = {"tile": (256, 256), "compression": "deflate", "photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        for level, pixels in enumerate((rgb, lower)):
            writer.write(
                np.ascontiguousarray(pixels),
                resolution=(20000 / 4**level, 20000 / 4**level),
                resolutionunit=3,
                subfiletype=level,
                iccprofile=profile,
                **options,
            )
    return path


@pytest.fixture(scope="module")
def rgb(drawn: Callable[[str], Any]) -> np.ndarray:
    """A slide with isolated tumour cells."""
    pixels: np.ndarray = tifffile.imread(drawn("itc").slide, key=0)
    return pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("colours")


@pytest.fixture(scope="module")
def plain(folder: Path, rgb: np.ndarray) -> Path:
    return written(folder / "plain.tif", rgb, None)


@pytest.fixture(scope="module")
def swapped(folder: Path, rgb: np.ndarray) -> Path:
    """Red and blue changed for each other, and the profile that says so."""
    return written(folder / "swapped.tif", rgb[..., ::-1], SWAPPED)


@pytest.fixture(scope="module")
def result(swapped: Path, folder: Path) -> mp.SlideResult:
    return analyze_into(folder / "out", swapped, TO_SRGB)


def outcome(path: Path, config: Config, workers: int = 1) -> Any:
    """The analysis of a slide under one name: samples are drawn by it, whatever the file is."""
    with open_slide(path) as slide:
        made = analyze_slide(slide, config, Task("slide", "0" * 64, workers=workers))
    return replace(made, analysis=replace(made.analysis, slide=replace(made.analysis.slide, name="slide.tif")))


# -- what is measured ----------------------------------------------------------------------------


def test_a_scanner_s_own_colours_are_measured_as_those_of_any_other(result: mp.SlideResult, plain: Path) -> None:
    """Were one picture of the slide not transformed, blue nuclei would be brown in it."""
    judge = mp.analyze(plain)
    assert result.finding.category is judge.finding.category is mp.Category.ITC
    assert len(result.clusters) == len(judge.clusters)
    for name in ("max_diameter_um", "mean_rgb", "mean_dab_od", "cells"):
        np.testing.assert_allclose(getattr(result.clusters, name), getattr(judge.clusters, name), rtol=0.02)
    np.testing.assert_allclose(result.scan.white, judge.scan.white, atol=1)
    np.testing.assert_allclose(result.scan.stain_vectors, judge.scan.stain_vectors, atol=0.01)
    assert result.pictures.keys() == judge.pictures.keys()
    for name, picture in result.pictures.items():
        assert np.abs(picture.rgb.astype(int) - judge.pictures[name].rgb).mean() < 1, name


def test_as_stored_such_a_slide_is_none_of_this_stain(swapped: Path) -> None:
    found = mp.analyze(swapped)
    assert found.finding.category is not mp.Category.ITC
    assert (found.scan.colour, found.scan.icc_sha256) == ("as stored", None)


@pytest.mark.parametrize("mode", ["full", "auto"])
def test_candidates_and_tiles_are_seen_in_the_same_colours(swapped: Path, mode: Any) -> None:
    scan = ScanParams(icc="to_srgb", mode=mode, full_below_px=0, least_audited=0, candidate_spacing_um=2.0)
    whole = outcome(swapped, TO_SRGB).analysis
    found = outcome(swapped, replace(TO_SRGB, scan=scan)).analysis
    assert found.scan.mode == {"full": "full", "auto": "candidates"}[mode]
    assert_same(found.clusters, whole.clusters)


@pytest.mark.parametrize("profile", [SWAPPED, b"no profile at all", matrix_profile()], ids=["swapped", "junk", "srgb"])
def test_ignored_is_as_if_there_were_none(folder: Path, rgb: np.ndarray, plain: Path, profile: bytes) -> None:
    path = written(folder / "ignored.tif", rgb, profile)
    assert_same_outcome(outcome(path, Config()), outcome(plain, Config()))


def test_without_a_profile_only_the_warning_differs(plain: Path) -> None:
    told, untold = outcome(plain, TO_SRGB), outcome(plain, Config())
    (warning,) = set(told.analysis.slide.warnings) - set(untold.analysis.slide.warnings)
    assert "embeds no ICC profile" in warning
    quiet = replace(told.analysis, slide=untold.analysis.slide)
    assert_same_outcome(replace(told, analysis=quiet), untold)


def test_threads_change_nothing(swapped: Path) -> None:
    assert_same_outcome(outcome(swapped, TO_SRGB, workers=2), outcome(swapped, TO_SRGB))


def test_an_open_slide_is_left_as_it_was(swapped: Path, rgb: np.ndarray) -> None:
    with open_slide(swapped) as slide:
        mp.analyze(slide, TO_SRGB)
        np.testing.assert_array_equal(slide.read(slide.info.region).rgb, rgb[..., ::-1])


# -- what is recorded ----------------------------------------------------------------------------


def test_the_result_says_which_colours_were_measured(result: mp.SlideResult) -> None:
    assert result.folder is not None
    content = json.loads((result.folder / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, result_schema())
    assert content["scan"]["colour"] == "sRGB from the embedded profile"
    assert content["scan"]["icc_sha256"] == hashlib.sha256(SWAPPED).hexdigest()
    assert content["provenance"]["config"]["scan"]["icc"] == "to_srgb"
    assert_same(mp.load_result(result.folder).scan, result.scan)
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert f"sRGB from the embedded profile (SHA-256 {hashlib.sha256(SWAPPED).hexdigest()[:12]})" in page


def test_results_of_before_were_measured_as_stored(result: mp.SlideResult) -> None:
    from micromet_path.results.decode import from_json
    from micromet_path.results.encode import to_json

    content = to_json(result.analysis)
    for key in ("colour", "icc_sha256"):
        del content["scan"][key]
    jsonschema.validate(content, result_schema())
    analysis = result.analysis
    before = from_json(content, analysis.fragments, analysis.clusters.cluster_of_fragment, analysis.tree)
    assert (before.scan.colour, before.scan.icc_sha256) == ("as stored", None)


def test_no_file_holds_the_text_of_the_profile(result: mp.SlideResult) -> None:
    """Pictures may carry a profile, and columns are compressed: both are looked into."""
    assert MARKER.encode("utf-16-be") in SWAPPED
    assert result.folder is not None
    files = [path for path in sorted(result.folder.rglob("*")) if path.is_file()]
    assert {path.suffix for path in files} >= {".json", ".html", ".png", ".parquet", ".csv", ".geojson"}
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".parquet":
            columns = pq.read_table(path).to_pydict()
            content += repr(columns).encode()
            content += b"".join(cell for column in columns.values() for cell in column if isinstance(cell, bytes))
        for text in (MARKER.encode(), MARKER.encode("utf-16-be"), MARKER.encode("utf-16-le"), b"iCCP", b"ICC_PROFILE"):
            assert text not in content, f"{path.name} holds {text!r}"


def test_the_setting_is_part_of_the_fingerprint_as_any_other() -> None:
    assert TO_SRGB.fingerprint != Config().fingerprint
    assert Config.from_dict({"scan": {"icc": "ignore"}}).fingerprint == Config().fingerprint
    assert Config().to_dict()["scan"]["icc"] == "ignore"
    with pytest.raises(mp.MicrometError, match=r"scan\.icc: .*'ignore' or 'to_srgb'"):
        Config.from_dict({"scan": {"icc": "srgb"}})


def test_a_result_in_other_colours_is_not_taken_for_this_one(folder: Path, plain: Path) -> None:
    out = folder / "twice"
    assert not analyze_into(out, plain).was_reused
    assert not analyze_into(out, plain, TO_SRGB).was_reused
    assert analyze_into(out, plain, TO_SRGB).was_reused


# -- from the command line -----------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(TO_SRGB_TOML, encoding="utf-8")
    return path


def test_a_missing_profile_is_told(micromet: Callable[..., Any], settings: Path, tmp_path: Path, plain: Path) -> None:
    ran = micromet("analyze", plain, "-o", tmp_path / "out", "-c", settings)
    assert ran.status == 0
    assert "embeds no ICC profile" in " ".join((ran.out + ran.err).split())
    content = json.loads((tmp_path / "out" / "plain" / "result.json").read_text(encoding="utf-8"))
    assert any("embeds no ICC profile" in warning for warning in content["slide"]["warnings"])
    assert content["scan"]["colour"] == "as stored"


@pytest.mark.parametrize(
    "profile", [SWAPPED[:-40], b"junk" * 99, matrix_profile(space=b"CMYK")], ids=["cut", "junk", "CMYK"]
)
def test_a_profile_that_cannot_be_used_leaves_one_line_and_no_folder(
    micromet: Callable[..., Any], settings: Path, tmp_path: Path, rgb: np.ndarray, profile: bytes
) -> None:
    path = written(tmp_path / "broken.tif", rgb, profile)
    ran = micromet("analyze", path, "-o", tmp_path / "out", "-c", settings)
    assert ran.status == 1
    assert is_one_line(ran.err), ran.err
    assert "broken.tif embeds an ICC profile of" in ran.err
    assert 'icc = "ignore"' in ran.err
    assert MARKER not in ran.err
    assert not list((tmp_path / "out").glob("**/*"))
