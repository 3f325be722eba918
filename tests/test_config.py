"""The configuration: what a file says is what is used, and what it says wrongly is refused by name."""

import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from micromet_path.config import Config, Laboratory, ScanParams, Zone, load_config
from micromet_path.errors import ConfigError
from micromet_path.model import Role

PRESETS = [path for path in sorted((Path(__file__).parents[1] / "configs").glob("*.toml")) if "case" not in path.stem]
EVERYTHING = Config.from_dict(
    {
        "tissue": {"spacing_um": 4.0},
        "stain": {"white": [250.0, 251.5, 249.0], "vectors": "fixed", "threshold_od": 0.22},
        "scan": {"block_px": 512},
        "fragments": {"link_minimum_um2": 12.5},
        "dots": {"minimum_count": 12},
        "clusters": {"gap_um": 15},
        "classify": {"doubtful_flags": ["weak", "fold"]},
        "laboratory": {"antibody": 'AE1/AE3 "x" \u03b2', "control_result": "passed"},
        "zones": [
            {"role": "control", "x0_mm": 0.0, "y0_mm": 0.0, "x1_mm": 5.5, "y1_mm": 24.0},
            {"role": "exclude", "x0_mm": 1, "y0_mm": 1, "x1_mm": 2, "y1_mm": 2},
        ],
    }
)


@pytest.mark.parametrize("config", [Config(), EVERYTHING], ids=["default", "everything"])
def test_toml_and_back(config, tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert load_config(path) == config
    assert load_config(str(path)).fingerprint == config.fingerprint
    assert Config.from_dict(config.to_dict()) == config


def test_the_file_has_a_table_for_each_step_and_leaves_out_what_is_not_set():
    tables = tomllib.loads(Config().to_toml())
    assert list(tables) == [column.name for column in fields(Config) if column.name != "zones"]
    assert "white" not in tables["stain"]
    assert tables["laboratory"] == {}
    assert len(tomllib.loads(EVERYTHING.to_toml())["zones"]) == 2


def test_what_a_file_leaves_out_keeps_its_default(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text("[clusters]\ngap_um = 15\n")
    assert load_config(path) == Config(clusters=replace(Config().clusters, gap_um=15.0))
    path.write_text("")
    assert load_config(path) == load_config() == Config()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clusters": {"gap": 15}}, "unknown key clusters.gap; did you mean clusters.gap_um?"),
        ({"cluster": {}}, "unknown key cluster; did you mean clusters?"),
        ({"stain": {"treshold_od": 0.2}}, "unknown key stain.treshold_od; did you mean stain.threshold_od?"),
        ({"zones": [{"rol": "control"}]}, "unknown key zones[1].rol; did you mean zones[1].role?"),
        ({"dots": {"zzz": 1}}, "unknown key dots.zzz; known are crumb_um, gap_um, largest_um2, link_um"),
        ({"scan": 5}, "scan must be a table, found 5"),
        ({"zones": ["control"]}, "zones[1] must be a table, found 'control'"),
    ],
)
def test_unknown_keys_name_the_nearest(settings, message):
    with pytest.raises(ConfigError, match=r"^lab\.toml: ") as caught:
        Config.from_dict(settings, "lab.toml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clusters": {"gap_um": "wide"}}, "clusters.gap_um: .*number.*found 'wide'"),
        ({"clusters": {"gap_um": [7]}}, "clusters.gap_um"),
        ({"dots": {"minimum_count": 9.5}}, "dots.minimum_count"),
        ({"stain": {"vectors": "guessed"}}, "stain.vectors: .*'estimated' or 'fixed'"),
        ({"stain": {"white": [240, 240]}}, "stain.white"),
        ({"laboratory": {"control_result": "perhaps"}}, "laboratory.control_result"),
        ({"zones": [{"role": "nowhere", "x0_mm": 0, "y0_mm": 0, "x1_mm": 1, "y1_mm": 1}]}, r"zones\[1\].role"),
        ({"zones": [{"role": "control"}]}, r"zones\[1\].x0_mm is missing"),
        ({"zones": {"role": "control"}}, "zones"),
    ],
)
def test_wrong_types_are_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message):
        Config.from_dict(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clusters": {"gap_um": 101}}, "clusters.gap_um must lie between 0 and 100, found 101"),
        ({"clusters": {"gap_um": float("nan")}}, "clusters.gap_um"),
        ({"stain": {"threshold_od": 0.3}}, "stain thresholds must rise"),
        ({"scan": {"block_px": 15}}, "scan.block_px must lie between 16 and 8192, found 15"),
        ({"scan": {"block_px": 8193}}, "scan.block_px"),
        ({"classify": {"itc_limit_um": 3000}}, r"\[classify\] needs 0 < itc_limit_um < micro_limit_um"),
        ({"fragments": {"link_minimum_um2": 1}}, "fragments: expected"),
        ({"dots": {"minimum_count": 1}}, "dots: expected"),
        ({"tissue": {"spacing_um": 100}}, "tissue: expected"),
        (
            {"zones": [{"role": "control", "x0_mm": 2, "y0_mm": 0, "x1_mm": 1, "y1_mm": 1}]},
            "zones: expected 0 <= x0_mm < x1",
        ),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Config.from_dict(settings, "lab.toml")
    assert str(caught.value).startswith("lab.toml: ")


def test_a_missing_or_damaged_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no configuration file .*none\.toml"):
        load_config(tmp_path / "none.toml")
    path = tmp_path / "lab.toml"
    for content in (b"[clusters\n", b"\xff\xfe\x00", b"gap_um = \n"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"lab\.toml is not a readable TOML file"):
            load_config(path)
    with pytest.raises(ConfigError, match="not a readable TOML file"):
        load_config(tmp_path)


def test_a_byte_order_mark_is_no_damage(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_bytes(b"\xef\xbb\xbf[clusters]\ngap_um = 15.0\n")
    assert load_config(path).clusters.gap_um == 15


# Fingerprint

ANOTHER = {
    "stain.haematoxylin": (0.60, 0.74, 0.30),
    "stain.chromogen": (0.30, 0.57, 0.76),
    "stain.vectors": "fixed",
    "stain.thresholds": "fixed",
    "stain.white": (250.0, 250.0, 250.0),
    "laboratory.antibody": "AE1/AE3",
    "laboratory.control_result": "passed",
    "classify.not_counted_flags": ("ink",),
    "classify.doubtful_flags": ("weak",),
    "tissue.largest_side_px": 2048,
}


def settings():
    """Every setting of every step but those of the scan; names of slides are no step."""
    default = Config()
    return [
        f"{step.name}.{setting.name}"
        for step in fields(Config)
        if step.name not in ("scan", "naming") and is_dataclass(getattr(default, step.name))
        for setting in fields(getattr(default, step.name))
    ]


def a_little_off(value):
    if isinstance(value, tuple):
        return (value[0], value[1] * 1.001)
    if isinstance(value, int):
        return value + 1
    return value * 1.001 if value * 1.001 <= 1 or value > 1 else value * 0.999


def with_another(name):
    step, setting = name.split(".")
    record = getattr(Config(), step)
    value = ANOTHER.get(name)
    if value is None:
        value = a_little_off(getattr(record, setting))
    return replace(Config(), **{step: replace(record, **{setting: value})})


@pytest.mark.parametrize("name", settings())
def test_each_setting_changes_the_fingerprint(name):
    assert with_another(name).fingerprint != Config().fingerprint


def test_no_two_settings_have_one_fingerprint():
    fingerprints = {with_another(name).fingerprint for name in settings()}
    assert len(fingerprints) == len(settings())


def test_what_slides_are_called_is_no_part_of_the_fingerprint():
    named = Config.from_dict({"naming": {"pattern": "(?P<accession>[0-9]+)-"}})
    assert named.fingerprint == Config().fingerprint
    assert Config.from_dict(named.to_dict()) == named


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<accession>", "naming.pattern is no regular expression"),
        ("[0-9]+", "naming.pattern must have named groups among .*, found none"),
        ("(?P<patient>.*)", "found patient"),
    ],
)
def test_a_pattern_of_names_that_says_nothing_is_refused(pattern, message):
    with pytest.raises(ConfigError, match=message):
        Config.from_dict({"naming": {"pattern": pattern}})


def test_how_it_is_walked_is_no_part_of_the_fingerprint():
    assert replace(Config(), scan=ScanParams(block_px=512)).fingerprint == Config().fingerprint


def test_zones_and_their_order_are_part_of_the_fingerprint():
    one, two = Zone(Role.CONTROL, 0, 0, 1, 1), Zone(Role.EXCLUDE, 0, 0, 2, 2)
    made = [Config(zones=zones).fingerprint for zones in ((), (one,), (one, two), (two, one))]
    assert len(set(made)) == 4


def test_the_same_settings_have_the_same_fingerprint():
    assert Config.from_dict({"clusters": {"gap_um": 7}}).fingerprint == Config().fingerprint
    assert Config(laboratory=Laboratory()).fingerprint == Config().fingerprint
    assert len(Config().fingerprint) == 64


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_the_configurations_that_are_shipped_load(path):
    assert Config.from_dict(load_config(path).to_dict()) == load_config(path)
