"""What is written is read back to the last bit, or refused with one sentence."""

import json
import os
from dataclasses import fields, is_dataclass, replace

import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from micromet_path.errors import ResultError
from micromet_path.geometry import Region
from micromet_path.model import Picture, Runs
from micromet_path.results import store


def assert_same(left, right, path="analysis"):
    """Equal to the last bit, dtypes of columns included."""
    assert type(left) is type(right), path
    if is_dataclass(left):
        for column in fields(left):
            assert_same(getattr(left, column.name), getattr(right, column.name), f"{path}.{column.name}")
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype, path
        assert left.shape == right.shape, path
        assert_array_equal(left, right, path)
    elif isinstance(left, dict):
        assert list(left) == list(right), path
        for key in left:
            assert_same(left[key], right[key], f"{path}[{key}]")
    elif isinstance(left, (tuple, list)):
        assert len(left) == len(right), path
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_same(one, other, f"{path}[{number}]")
    else:
        assert left == right, path


@pytest.fixture
def stored(made, tmp_path):
    store.write_source(tmp_path, made.analysis, made.runs, made.pictures)
    made.folder = tmp_path
    return made


def test_analysis_comes_back_to_the_last_bit(stored):
    assert_same(stored.analysis, store.read_source(stored.folder))


def test_runs_and_pictures_come_back(stored):
    assert_same(stored.runs, store.read_runs(stored.folder))
    back = store.read_pictures(stored.folder)
    assert_same(stored.pictures, back)


@pytest.mark.parametrize("shape", [(1, 1), (40, 61)])
def test_pictures_lose_little(shape):
    rng = np.random.default_rng(0)
    rgb = np.clip(180 + np.cumsum(rng.normal(0, 2, (*shape, 3)), axis=1), 0, 255).astype(np.uint8)
    kept = Picture.of("overview", Region(0, 0, 10, 10), rgb).rgb
    assert (kept.shape, kept.dtype) == (rgb.shape, np.uint8)
    assert np.abs(kept.astype(int) - rgb).mean() < 3


def test_json_is_of_the_schema(stored):
    text = (stored.folder / "result.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are no JSON
    schema = store.result_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    assert content == json.loads(json.dumps(store.to_json(stored.analysis)))
    contract = {
        "id", "piece_id", "category", "counting", "max_diameter_um", "diameter_interval_um", "min_bounding_circle_um",
        "borderline", "area_um2", "estimated_cells", "n_fragments", "centroid_px0", "bbox_px0", "axis_px0",
        "area_filled_um2", "mean_dab_od", "max_dab_od", "solidity", "rank_score", "flags",
    }  # fmt: skip
    assert all(contract <= set(cluster) for cluster in content["clusters"])
    assert [cluster["id"] for cluster in content["clusters"]] == list(range(1, len(content["clusters"]) + 1))


def test_schema_refuses_what_is_wrong(positive):
    validator = jsonschema.Draft202012Validator(store.result_schema())
    content = store.to_json(positive.analysis)
    assert validator.is_valid(json.loads(json.dumps(content)))
    assert not validator.is_valid({**content, "schema": "micromet-result/2"})
    assert not validator.is_valid({**content, "finding": {**content["finding"], "category": "large"}})
    assert not validator.is_valid({key: value for key, value in content.items() if key != "scan"})


def test_no_value_is_null_not_nan(positive, tmp_path):
    clusters = positive.analysis.clusters
    gone = clusters.mean_dab_od.copy()
    gone[3] = np.nan
    analysis = replace(positive.analysis, clusters=replace(clusters, mean_dab_od=gone))
    store.write_source(tmp_path, analysis, positive.runs, ())
    assert store.to_json(analysis)["clusters"][3]["mean_dab_od"] is None
    assert_same(analysis, store.read_source(tmp_path))


def test_names_in_every_script_and_with_bytes_that_are_none(positive, tmp_path):
    name = "Świętokrzyskie 切片 \udcff\n.svs"
    analysis = replace(positive.analysis, slide=replace(positive.analysis.slide, name=name))
    store.write_source(tmp_path, analysis, positive.runs, ())
    assert store.read_source(tmp_path).slide.name == "Świętokrzyskie 切片 \\udcff\n.svs"


def test_runs_of_some_fragments(stored, monkeypatch):
    monkeypatch.setattr(store.columns, "_RUNS_IN_A_GROUP", 64)
    store.write_source(stored.folder, stored.analysis, stored.runs, ())
    wanted = np.array([7, 3, 200])
    some = store.read_runs(stored.folder, wanted)
    kept = np.isin(stored.runs.fragment, wanted)
    assert_same(some, Runs(*(getattr(stored.runs, name)[kept] for name in ("row", "start", "stop", "fragment"))))
    assert len(store.read_runs(stored.folder, np.zeros(0, int))) == 0


def test_nothing_names_the_machine_or_folder(stored):
    import platform

    text = (stored.folder / "result.json").read_text(encoding="utf-8")
    assert str(stored.folder) not in text
    assert platform.node() not in text


def test_reusable_only_when_complete_and_the_same(positive, tmp_path):
    store.write_source(tmp_path, positive.analysis, positive.runs, positive.pictures)
    same = positive.analysis.slide.fingerprint, positive.analysis.provenance.config_fingerprint
    assert store.find_reusable(tmp_path, *same)
    assert not store.find_reusable(tmp_path, "other", same[1])
    assert not store.find_reusable(tmp_path, same[0], "other")
    assert not store.find_reusable(tmp_path / "missing", *same)
    whole = (tmp_path / "runs.parquet").read_bytes()
    (tmp_path / "runs.parquet").write_bytes(whole[:-20])
    assert not store.find_reusable(tmp_path, *same)
    (tmp_path / "runs.parquet").unlink()
    assert not store.find_reusable(tmp_path, *same)
    (tmp_path / "runs.parquet").write_bytes(whole)
    (tmp_path / "result.json").write_text("{", encoding="utf-8")
    assert not store.find_reusable(tmp_path, *same)


@pytest.mark.parametrize("name", store.SOURCE_FILES[:3])
def test_a_missing_file_is_named(positive, tmp_path, name):
    store.write_source(tmp_path, positive.analysis, positive.runs, ())
    (tmp_path / name).unlink()
    with pytest.raises(ResultError, match=f"no complete result .{name} missing.; analyse"):
        store.read_source(tmp_path)


@pytest.mark.parametrize("name", store.SOURCE_FILES[:3])
def test_a_damaged_file_is_refused(positive, tmp_path, name):
    store.write_source(tmp_path, positive.analysis, positive.runs, ())
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: os.path.getsize(path) // 2])
    with pytest.raises(ResultError, match="damaged result"):
        store.read_source(tmp_path)


def test_other_folders_are_refused(positive, tmp_path):
    with pytest.raises(ResultError, match="is no result folder"):
        store.read_source(tmp_path / "missing")
    with pytest.raises(ResultError, match=r"result.json, .*pictures.parquet missing"):
        store.read_source(tmp_path)
    (tmp_path / "result.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ResultError, match="not a result of micromet_path"):
        store.read_source(tmp_path)
    (tmp_path / "result.json").write_text('{"schema": "micromet-result/2"}', encoding="utf-8")
    with pytest.raises(ResultError, match="of schema micromet-result/2, expected micromet-result/1"):
        store.read_source(tmp_path)
