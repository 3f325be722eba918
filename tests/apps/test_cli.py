"""The command from outside: exit status, what stands on which stream, and which files are left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from html import escape
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from micromet_path import __version__, kernels
from micromet_path.config import Config
from micromet_path.results import SOURCE_FILES, result_schema
from tests.apps.conftest import Command, Ran, is_one_line

VALIDATOR = jsonschema.Draft202012Validator(result_schema())
FILES = {
    *SOURCE_FILES,
    "clusters.csv",
    "clusters.geojson",
    "clusters.parquet",
    "gallery",
    "overview.png",
    "report.html",
    "SHA256SUMS",
}


def in_new_process(*arguments: object, **environment: str) -> Ran:
    """The command as a shell starts it."""
    command = "from micromet_path.apps.cli.script import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", command, *map(os.fspath, map(str, arguments))],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def is_empty(folder: Path) -> bool:
    return not folder.exists() or not any(folder.iterdir())


def copied(slide: Path, name: Path) -> Path:
    name.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(slide, name)
    return name


def stored(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return content


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def itc(drawn: Callable[[str], Any]) -> Path:
    path: Path = drawn("itc").slide
    return path


@pytest.fixture(scope="session")
def negative(drawn: Callable[[str], Any]) -> Path:
    path: Path = drawn("negative").slide
    return path


# -- a slide -------------------------------------------------------------------------------------


def test_a_slide_becomes_one_folder(micromet: Command, itc: Path, tmp_path: Path) -> None:
    ran = micromet("analyze", itc, "-o", tmp_path / "out")
    assert (ran.status, ran.out) == (0, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [itc.stem]
    assert {path.name for path in (tmp_path / "out" / itc.stem).iterdir()} == FILES
    finding = stored(tmp_path / "out" / itc.stem)["finding"]
    for words in (itc.name, "isolated tumour cells (ITC)", "For research use only", finding["headline"].split(",")[0]):
        assert words in ran.err
    assert str(tmp_path / "out" / itc.stem / "report.html") in ran.err


def test_the_command_in_a_process_of_its_own(itc: Path, negative: Path, tmp_path: Path) -> None:
    """Exit status 3, JSON lines only on stdout, words only on stderr, and no bar where there is no terminal."""
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"II*\0" + b"\xff" * 500)
    ran = in_new_process("analyze", itc, broken, negative, "-o", tmp_path / "out", "--json", "--quiet")
    assert ran.status == 3
    assert is_one_line(ran.err)
    assert "broken.svs" in ran.err
    results = [json.loads(line) for line in ran.out.splitlines()]
    assert [result["slide"]["name"] for result in results] == [itc.name, negative.name]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([itc.stem, negative.stem])


def test_json_is_of_the_schema_and_what_was_stored(
    micromet: Command, itc: Path, negative: Path, tmp_path: Path
) -> None:
    ran = micromet("analyze", itc, negative, "-o", tmp_path, "--json")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert len(lines) == 2
    for line, slide in zip(lines, (itc, negative), strict=True):
        result = json.loads(line, parse_constant=pytest.fail)
        VALIDATOR.validate(result)
        assert result == stored(tmp_path / slide.stem)
    assert "For research use only" in ran.err


def test_json_survives_an_output_that_is_not_unicode(negative: Path, tmp_path: Path) -> None:
    """As on Windows, where a pipe speaks cp1252."""
    slide = copied(negative, tmp_path / "fall 😐.svs")
    ran = in_new_process("analyze", slide, "-o", tmp_path / "out", "--json", "-q", PYTHONIOENCODING="cp1252")
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out)["slide"]["name"] == slide.name
    ran = in_new_process("report", tmp_path / "out", PYTHONIOENCODING="cp1252")
    assert (ran.status, ran.err) == (0, "")


def test_quiet_says_nothing(micromet: Command, negative: Path, tmp_path: Path) -> None:
    assert micromet("analyze", negative, "-o", tmp_path, "-q") == Ran(0, "", "")


# -- refusals ------------------------------------------------------------------------------------


def missing(folder: Path) -> Path:
    return folder / "missing.svs"


def directory(folder: Path) -> Path:
    (folder / "directory.svs").mkdir()
    return folder / "directory.svs"


def empty(folder: Path) -> Path:
    (folder / "empty.svs").touch()
    return folder / "empty.svs"


def noise(folder: Path) -> Path:
    (folder / "noise.svs").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder / "noise.svs"


def tiff_noise(folder: Path) -> Path:
    (folder / "tiff.svs").write_bytes(b"II*\0\x08\0\0\0" + np.random.default_rng(1).bytes(5000))
    return folder / "tiff.svs"


def png(folder: Path) -> Path:
    Image.new("RGB", (300, 200), (240, 240, 240)).save(folder / "png.svs", "PNG")
    return folder / "png.svs"


def not_utf8(folder: Path) -> Path:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/b\xe9ton.svs"))
    path.write_bytes(b"no slide")
    return path


MADE = (missing, directory, empty, noise, tiff_noise, png, not_utf8)
SHARED_REFUSED = {
    "reject/boxes.tiff": "--mpp",
    "reject/unopenable.tiff": "compression",
    "reject/unreadable.svs": "damaged",
    "reject/vsi-ets-test-jpg2k.vsi": "OME-TIFF",
    "slides/fluorescence DAPI 2 (387).ndpi": "dark background",
    "slides/he-node-29um.dcm": "28.97",
    "slides/he-no-mpp.svs": "--mpp",
}


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_what_is_no_slide_is_refused(micromet: Command, make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    ran = micromet("analyze", path, "-o", tmp_path / "out")
    assert (ran.status, ran.out) == (1, "")
    assert is_one_line(ran.err)
    assert path.name.encode("utf-8", "backslashreplace").decode() in ran.err
    assert is_empty(tmp_path / "out")


@pytest.mark.parametrize(("name", "says"), SHARED_REFUSED.items(), ids=SHARED_REFUSED)
def test_a_real_file_that_cannot_be_used_is_refused(
    micromet: Command, shared: Path, name: str, says: str, tmp_path: Path
) -> None:
    ran = micromet("analyze", shared / name, "-o", tmp_path / "out")
    assert (ran.status, ran.out) == (1, "")
    assert is_one_line(ran.err)
    assert Path(name).name in ran.err
    assert says in ran.err
    assert is_empty(tmp_path / "out")


def test_every_file_in_reject_is_refused(shared: Path) -> None:
    assert {f"reject/{path.name}" for path in (shared / "reject").iterdir()} <= set(SHARED_REFUSED)


def test_libraries_add_no_line_of_their_own(shared: Path, tmp_path: Path) -> None:
    """In a process of its own nothing catches what decoders and loggers write."""
    refused = [make(tmp_path) for make in MADE if make is not not_utf8] + [shared / name for name in SHARED_REFUSED]
    ran = in_new_process("analyze", *refused, "-o", tmp_path / "out")
    assert (ran.status, ran.out) == (1, "")
    lines = ran.err.splitlines()
    assert len(lines) == len(refused)
    for line, path in zip(lines, refused, strict=True):
        assert line.startswith("micromet: ")
        assert path.name in line
    assert is_empty(tmp_path / "out")


def test_a_slide_without_scale_is_read_with_a_given_one(micromet: Command, shared: Path, tmp_path: Path) -> None:
    ran = micromet("analyze", shared / "slides" / "he-no-mpp.svs", "--mpp", "0.5", "-o", tmp_path)
    assert ran.status == 0
    result = stored(tmp_path / "he-no-mpp")
    assert result["slide"]["mpp_source"] == "given"
    assert result["finding"]["category"] == "not_assessable"
    assert result["finding"]["assessable"]["reasons"][0].startswith("not_h_dab")


@pytest.mark.parametrize("name", ["boxes_0.dcm", "boxes_1.dcm", "😐.svs"])
def test_tiny_slides_are_read(micromet: Command, shared: Path, name: str, tmp_path: Path) -> None:
    ran = micromet("analyze", shared / "tiny" / name, "-o", tmp_path)
    assert ran.status == 0
    assert "not assessable" in ran.err
    finding = stored(tmp_path / Path(name).stem)["finding"]
    assert finding["category"] == "not_assessable"
    assert [reason.partition(":")[0] for reason in finding["assessable"]["reasons"]] == ["no_tissue"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 2),
        (("nothing",), 2),
        (("analyze",), 2),
        (("analyze", "a.svs"), 2),
        (("analyze", "a.svs", "-o", "out", "--mpp", "small"), 2),
        (("analyze", "a.svs", "-o", "out", "--mpp", "0"), 2),
        (("analyze", "a.svs", "-o", "out", "--mpp", "0.5,0.5,0.5"), 2),
        (("analyze", "a.svs", "-o", "out", "--mpp", "nan"), 2),
        (("analyze", "a.svs", "-o", "out", "--workers", "0"), 2),
        (("analyze", "a.svs", "-o", "out", "--origin", "middle"), 2),
        (("report",), 2),
        (("--help",), 0),
        (("analyze", "--help"), 0),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, tuple) else str(value),
)
def test_usage(
    micromet: Command, arguments: tuple[str, ...], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = micromet(*arguments)
    assert ran.status == status
    assert "Usage: " in ran.err + ran.out
    assert "Traceback" not in ran.err
    assert bool(ran.out) == (status == 0)
    assert is_empty(tmp_path)


def test_version(micromet: Command) -> None:
    ran = micromet("--version")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == f"micromet, version {__version__}\n"


@pytest.mark.parametrize("mpp", ["0.05", "7", "0.5,3"])
def test_an_implausible_scale_is_refused(micromet: Command, negative: Path, mpp: str, tmp_path: Path) -> None:
    ran = micromet("analyze", negative, "--mpp", mpp, "-o", tmp_path / "out")
    assert ran.status == 1
    assert is_one_line(ran.err)
    assert "0.1 to 2.0" in ran.err
    assert is_empty(tmp_path / "out")


def test_the_out_folder_must_be_one(micromet: Command, negative: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    ran = micromet("analyze", negative, "-o", out)
    assert ran.status == 1
    assert is_one_line(ran.err)
    assert out.read_text() == "mine"


# -- several slides ------------------------------------------------------------------------------


def test_one_that_fails_does_not_stop_the_others(micromet: Command, itc: Path, negative: Path, tmp_path: Path) -> None:
    ran = micromet("analyze", itc, tmp_path / "missing.svs", negative, "-o", tmp_path / "out", "-q")
    assert ran.status == 3
    assert is_one_line(ran.err)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([itc.stem, negative.stem])


def test_a_pattern_is_expanded(micromet: Command, itc: Path, negative: Path, tmp_path: Path) -> None:
    for name, slide in (("one.svs", itc), ("deeper/two.svs", negative), ("deeper/three.tiff", negative)):
        copied(slide, tmp_path / "in" / name)
    ran = micromet("analyze", tmp_path / "in" / "**" / "*.svs", "-o", tmp_path / "out", "-q")
    assert ran == Ran(0, "", "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "two"]


def test_a_pattern_without_a_file_is_refused(micromet: Command, tmp_path: Path) -> None:
    ran = micromet("analyze", tmp_path / "*.svs", "-o", tmp_path / "out")
    assert ran.status == 1
    assert is_one_line(ran.err)
    assert "pattern" in ran.err


def test_slides_of_one_stem_get_folders_of_their_own(
    micromet: Command, itc: Path, negative: Path, tmp_path: Path
) -> None:
    first, second = copied(itc, tmp_path / "a" / "node.svs"), copied(negative, tmp_path / "b" / "Node.tiff")
    assert micromet("analyze", first, second, "-o", tmp_path / "out", "-q").status == 0
    results = sorted((tmp_path / "out").iterdir())
    assert len({path.name.casefold() for path in results}) == 2
    assert all(path.name.casefold().startswith("node-") for path in results)
    assert {stored(path)["finding"]["category"] for path in results} == {"itc", "negative"}
    assert all(stored(path)["slide"]["id"] == path.name for path in results)


def test_a_missing_namesake_costs_only_itself(micromet: Command, negative: Path, tmp_path: Path) -> None:
    ran = micromet("analyze", negative, tmp_path / negative.name, "-o", tmp_path / "out", "-q")
    assert ran.status == 3
    assert is_one_line(ran.err)
    assert "does not exist" in ran.err
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name.startswith(f"{negative.stem}-")


def test_a_slide_named_twice_is_done_once(micromet: Command, negative: Path, tmp_path: Path) -> None:
    ran = micromet("analyze", negative, negative, "-o", tmp_path, "--json")
    assert ran.status == 0
    assert len(ran.out.splitlines()) == 1


# -- names ---------------------------------------------------------------------------------------

NAMES = {
    "spaces": "node 2 (block A).svs",
    "unicode": "Lymphknoten-é-😐-リンパ節.svs",
    "long": "n" * 240 + ".svs",
    "long-in-bytes": "é" * 120 + ".svs",
    "console-markup": "[bold]x[red]y[link=file:x]z.svs",
    "html": "<script>alert('x')&amp;<b>.svs",
    "dots": "...svs",
    "hidden": ".node.svs",
    "newline": "two\nlines\x1b[31m.svs",
    "option": "-o.svs",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_name(micromet: Command, negative: Path, name: str, tmp_path: Path) -> None:
    slide = copied(negative, tmp_path / "in" / name)
    ran = micromet("analyze", "-o", tmp_path / "out", "--json", "--", slide)
    assert ran.status == 0, ran.err
    (folder,) = (tmp_path / "out").iterdir()
    assert len(os.fsencode(folder.name)) <= 200
    assert not folder.name.startswith(".")
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads(ran.out)["slide"]["name"] == name
    shown = "".join(ran.err.partition("  negative")[0].split())  # the console breaks lines
    assert shown == name.replace(" ", "").replace("\n", r"\n").replace("\x1b", r"\x1b")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    if name.isprintable():
        assert escape(name, quote=False) in page.replace("&#39;", "'").replace("&#34;", '"')
    ran = micromet("report", tmp_path / "out")
    assert (ran.status, ran.err) == (0, "")


def test_a_name_that_is_no_unicode(micromet: Command, negative: Path, tmp_path: Path) -> None:
    slide = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe9ton.svs"))
    copied(negative, slide)
    ran = micromet("analyze", slide, "-o", tmp_path / "out", "--json")
    assert ran.status == 0, ran.err
    (folder,) = (tmp_path / "out").iterdir()
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads(ran.out)["slide"]["name"] == "b\\udce9ton.svs"
    assert micromet("report", tmp_path / "out").status == 0


# -- a second run --------------------------------------------------------------------------------


def test_a_second_run_takes_the_stored_result(micromet: Command, itc: Path, tmp_path: Path) -> None:
    assert micromet("analyze", itc, "-o", tmp_path, "-q").status == 0
    before = contents(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    ran = micromet("analyze", itc, "-o", tmp_path, "--workers", "1", "--json")
    assert ran.status == 0
    assert "stored result" in ran.err
    assert json.loads(ran.out) == stored(tmp_path / itc.stem)
    assert contents(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


def test_another_configuration_or_scale_replaces_the_result(micromet: Command, itc: Path, tmp_path: Path) -> None:
    settings = tmp_path / "wide.toml"
    settings.write_text("[clusters]\ngap_um = 25\n")
    region = tmp_path / "region.json"
    region.write_text(json.dumps(polygon(0, 0, 1024, 512)))
    seen, sizes = set(), {}
    for name, options in {
        "plain": (),
        "config": ("-c", settings),
        "scale": ("--mpp", "0.25"),
        "same scale, but given": ("--mpp", "0.5"),
        "region": ("--region", region),
        "exclude": ("--exclude", region),
    }.items():
        ran = micromet("analyze", itc, "-o", tmp_path / "out", *options)
        assert ran.status == 0, name
        assert "stored result" not in ran.err, name
        result = stored(tmp_path / "out" / itc.stem)
        seen.add(result["provenance"]["config_fingerprint"])
        sizes[name] = result["finding"]["max_diameter_um"]
        ran = micromet("analyze", itc, "-o", tmp_path / "out", *options)
        assert "stored result" in ran.err, name
    assert len(seen) == 6
    assert sizes["scale"] == pytest.approx(sizes["plain"] / 2)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [itc.stem]


def test_a_changed_slide_replaces_the_result(micromet: Command, itc: Path, negative: Path, tmp_path: Path) -> None:
    slide = copied(itc, tmp_path / "node.svs")
    assert micromet("analyze", slide, "-o", tmp_path / "out", "-q").status == 0
    copied(negative, slide)
    ran = micromet("analyze", slide, "-o", tmp_path / "out")
    assert "stored result" not in ran.err
    assert stored(tmp_path / "out" / "node")["finding"]["category"] == "negative"


@pytest.mark.parametrize("name", SOURCE_FILES)
def test_a_damaged_result_is_made_again(micromet: Command, negative: Path, name: str, tmp_path: Path) -> None:
    assert micromet("analyze", negative, "-o", tmp_path, "-q").status == 0
    path = tmp_path / negative.stem / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ran = micromet("analyze", negative, "-o", tmp_path)
    assert ran.status == 0
    assert "stored result" not in ran.err
    assert {path.name for path in (tmp_path / negative.stem).iterdir()} == FILES


# -- part of a slide -----------------------------------------------------------------------------


def polygon(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]}


def test_region_and_exclude_divide_the_clusters(micromet: Command, itc: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.toml"
    held.write_text("[stain]\nwhite = [242.0, 241.0, 237.0]\n")
    assert micromet("analyze", itc, "-o", tmp_path / "whole", "-q", "-c", held).status == 0
    whole = stored(tmp_path / "whole" / itc.stem)["clusters"]
    x0, y0, x1, y1 = whole[0]["bbox_px0"]
    outline = tmp_path / "outline.geojson"
    feature = {"type": "Feature", "properties": {}, "geometry": polygon(x0 - 6, y0 - 6, x1 + 6, y1 + 6)}
    outline.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert micromet("analyze", itc, "-o", tmp_path / "in", "-q", "-c", held, "--region", outline).status == 0
    assert micromet("analyze", itc, "-o", tmp_path / "ex", "-q", "-c", held, "--exclude", outline).status == 0
    inside, outside = (stored(tmp_path / name / itc.stem)["clusters"] for name in ("in", "ex"))
    assert [cluster["bbox_px0"] for cluster in inside] == [whole[0]["bbox_px0"]]
    assert [cluster["bbox_px0"] for cluster in outside] == [cluster["bbox_px0"] for cluster in whole[1:]]


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


BAD_OUTLINES = {
    "no JSON": ("outline", "cannot be read as GeoJSON"),
    "empty": ("", "cannot be read as GeoJSON"),
    "nested": (nested(100_000), "cannot be read as GeoJSON"),
    "no GeoJSON": ('{"a": 1}', "holds no polygon"),
    "number": ("3", "holds no polygon"),
    "no polygon": ('{"type": "Point", "coordinates": [1, 2]}', "holds no polygon"),
    "empty polygon": ('{"type": "Polygon", "coordinates": []}', "holds no polygon"),
    "unknown kind": ('{"type": "Circle", "coordinates": [1, 2]}', "cannot be read"),
    "two corners": ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}', "cannot be read"),
    "words": ('{"type": "Polygon", "coordinates": [["a", "b", "c", "d"]]}', "cannot be read"),
    "self-crossing": ('{"type": "Polygon", "coordinates": [[[0,0],[9,9],[9,0],[0,9],[0,0]]]}', "crosses itself"),
    "hole outside": (
        '{"type": "Polygon", "coordinates": [[[0,0],[9,0],[9,9],[0,0]], [[20,20],[30,20],[30,30],[20,20]]]}',
        "not valid",
    ),
}


@pytest.mark.parametrize("option", ["--region", "--exclude"])
@pytest.mark.parametrize(("text", "says"), BAD_OUTLINES.values(), ids=BAD_OUTLINES)
def test_an_outline_that_is_none_is_refused(
    micromet: Command, negative: Path, option: str, text: str, says: str, tmp_path: Path
) -> None:
    outline = tmp_path / "outline.geojson"
    outline.write_text(text)
    ran = micromet("analyze", negative, tmp_path / "second.svs", option, outline, "-o", tmp_path / "out")
    assert ran.status == 1
    assert is_one_line(ran.err), "said once, not once a slide"
    assert "outline.geojson" in ran.err
    assert says in ran.err
    assert is_empty(tmp_path / "out")


def test_an_outline_that_is_missing_is_refused(micromet: Command, negative: Path, tmp_path: Path) -> None:
    ran = micromet("analyze", negative, "--region", tmp_path / "none.geojson", "-o", tmp_path / "out")
    assert ran.status == 1
    assert is_one_line(ran.err)


def test_an_outline_beside_the_slide_leaves_nothing(micromet: Command, negative: Path, tmp_path: Path) -> None:
    outline = tmp_path / "outline.geojson"
    outline.write_text(json.dumps(polygon(5000, 5000, 6000, 6000)))
    assert micromet("analyze", negative, "--region", outline, "-o", tmp_path / "out", "-q").status == 0
    assert stored(tmp_path / "out" / negative.stem)["finding"]["category"] == "not_assessable"


# -- settings ------------------------------------------------------------------------------------


def test_what_lies_in_a_control_zone_never_enters_the_finding(micromet: Command, itc: Path, tmp_path: Path) -> None:
    settings = tmp_path / "zone.toml"
    settings.write_text('[[zones]]\nrole = "control"\nx0_mm = 0.0\ny0_mm = 0.0\nx1_mm = 9.0\ny1_mm = 9.0\n')
    assert micromet("analyze", itc, "-c", settings, "-o", tmp_path / "out", "-q").status == 0
    result = stored(tmp_path / "out" / itc.stem)
    assert {piece["role"] for piece in result["pieces"]} == {"control"}
    assert {cluster["counting"] for cluster in result["clusters"]} == {"not_counted"}
    assert result["finding"]["category"] == "not_assessable"
    assert result["finding"]["n_clusters"] == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[clusters]\ngap = 7\n", "did you mean clusters.gap_um?"),
        ("[cluster]\ngap_um = 7\n", "did you mean clusters?"),
        ("[[zones]]\nrole = 'control'\nx0 = 1\n", "did you mean zones[1].x0_mm?"),
        ("[clusters]\ngap_um = 'wide'\n", "clusters.gap_um"),
        ("[clusters]\ngap_um = -1\n", "gap_um"),
        ("clusters = 3\n", "must be a table"),
        ("this is no TOML\n", "not a readable TOML file"),
    ],
)
def test_wrong_settings_are_named(micromet: Command, negative: Path, text: str, says: str, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(text)
    for command in (("config", settings), ("analyze", negative, "-c", settings, "-o", tmp_path / "out")):
        ran = micromet(*command)
        assert (ran.status, ran.out) == (1, "")
        assert is_one_line(ran.err)
        assert "settings.toml" in ran.err
        assert says in ran.err
    assert is_empty(tmp_path / "out")


def test_config_prints_what_it_reads(micromet: Command, tmp_path: Path) -> None:
    printed = micromet("config").out
    assert printed.startswith(f"# fingerprint {Config().fingerprint}\n")
    settings = tmp_path / "settings.toml"
    settings.write_text(printed)
    assert micromet("config", settings) == Ran(0, printed, "")
    as_json = json.loads(micromet("config", settings, "--json").out)
    assert as_json == {"fingerprint": Config().fingerprint, **Config().to_dict()}


# -- the other verbs -----------------------------------------------------------------------------


def test_report_makes_the_same_files_again(micromet: Command, itc: Path, negative: Path, tmp_path: Path) -> None:
    assert micromet("analyze", itc, negative, "-o", tmp_path, "-q").status == 0
    before = contents(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in SOURCE_FILES:
            path.unlink()
    ran = micromet("report", tmp_path)
    assert (ran.status, ran.err) == (0, "")
    pages = [tmp_path / slide.stem / "report.html" for slide in sorted((itc, negative), key=lambda path: path.name)]
    assert ran.out.splitlines() == [str(page) for page in pages]
    assert contents(tmp_path) == before

    shutil.rmtree(tmp_path / itc.stem / "gallery")
    assert micromet("report", tmp_path / itc.stem).out.splitlines() == [str(tmp_path / itc.stem / "report.html")]
    assert contents(tmp_path) == before


def test_report_does_the_others_when_one_is_damaged(
    micromet: Command, itc: Path, negative: Path, tmp_path: Path
) -> None:
    assert micromet("analyze", itc, negative, "-o", tmp_path, "-q").status == 0
    (tmp_path / itc.stem / "tree.parquet").write_bytes(b"")
    (tmp_path / negative.stem / "report.html").unlink()
    ran = micromet("report", tmp_path)
    assert ran.status == 3
    assert is_one_line(ran.err)
    assert itc.stem in ran.err
    assert ran.out.splitlines() == [str(tmp_path / negative.stem / "report.html")]
    assert micromet("report", tmp_path / itc.stem).status == 1


def test_report_of_nothing_is_refused(micromet: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "result.json").write_text("{")
    for path in (tmp_path / "missing", tmp_path / "file", tmp_path / "damaged"):
        ran = micromet("report", path)
        assert (ran.status, ran.out) == (1, "")
        assert is_one_line(ran.err)


def test_samples_draws_a_slide_and_its_truth(micromet: Command, tmp_path: Path) -> None:
    ran = micromet("samples", tmp_path, "--profile", "negative", "--side", "1024", "--spacing", "0.5", "--seed", "7")
    assert (ran.status, ran.err) == (0, "")
    slide, truth = map(Path, ran.out.splitlines())
    assert sorted(tmp_path.iterdir()) == sorted([slide, truth])
    assert json.loads(truth.read_text())["expected"]["category"] == "negative"


@pytest.mark.parametrize(
    "arguments",
    [("--profile", "nothing"), ("--side", "10"), ("--spacing", "-1"), ("--spacing", "nan"), ("--seed", "-1")],
)
def test_samples_refuses_what_it_cannot_draw(micromet: Command, arguments: tuple[str, ...], tmp_path: Path) -> None:
    ran = micromet("samples", tmp_path / "out", *arguments)
    assert (ran.status, ran.out) == (1, "")
    assert is_one_line(ran.err)
    assert is_empty(tmp_path / "out")


def test_a_folder_that_cannot_be_written_costs_one_line(micromet: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = micromet("samples", tmp_path / "file" / "out", "--side", "1024", "--profile", "empty")
    assert ran.status == 1
    assert is_one_line(ran.err)


def test_doctor_passes(micromet: Command) -> None:
    ran = micromet("doctor", "--json")
    assert (ran.status, ran.err) == (0, "")
    findings = json.loads(ran.out)
    assert findings["self-test"].startswith("passed")
    assert findings["compiled code"].startswith("stored in")
    assert findings["bytecode"].startswith("stored in")
    assert Path(cache_from_source(kernels.__file__)).is_file()
    assert findings["micromet_path"] == __version__
    assert not any("missing" in value or "not usable" in value for value in findings.values())
