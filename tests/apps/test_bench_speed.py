"""The benchmark of speed: rounds and ratios on made-up samples, single measurements, and the command from outside."""

from __future__ import annotations

import ast
import csv
import getpass
import importlib.util
import json
import platform
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from micromet_path.apps.bench.speed import peer_script, plans
from micromet_path.apps.bench.speed.asked import TARGETS
from micromet_path.apps.bench.speed.figures import (
    Measured,
    cpu,
    difference_of,
    growth_exponent,
    ratio_of,
    wall,
)
from micromet_path.apps.bench.speed.jobs import Job, Sample
from micromet_path.apps.bench.speed.peers import PEERS, SCRIPT, PeerOptions, peer_runs
from micromet_path.apps.bench.speed.process import Missing, answer_of
from micromet_path.apps.bench.speed.rounds import Measurement, Run, run_rounds
from micromet_path.apps.bench.speed.running import SpeedReport
from micromet_path.apps.bench.speed.subjects import Subject, bytes_needed, subject_of
from micromet_path.apps.bench.speed.tables import csv_text, markdown, plain, to_json
from micromet_path.apps.bench.speed.work import _decode_tiles, cluster_digest
from micromet_path.apps.bench.speed.worker import measure
from micromet_path.apps.samples import SamplePaths
from micromet_path.errors import MicrometError
from micromet_path.slides.tiff_layout import read_layout

STEPS = ["open", "glass", "scan", "gather", "link", "focus", "examine", "pictures", "judge", "files"]
TABLE = {"id": [1, 2], "max_diameter_um": [310.5, 90.0], "flags": ["", "fold"]}


def sample(wall_s: float, cpu_s: float = 0.0, **facts: Any) -> Sample:
    return Sample(wall_s, cpu_s or wall_s, 200 * 2**20, wall_s + 1.0, wall_s + 1.0, facts)


def measurement(name: str, *walls_s: float, **facts: Any) -> Measurement:
    return Measurement(name, tuple(sample(wall_s, **facts) for wall_s in walls_s))


# -- rounds --------------------------------------------------------------------------------------


def test_everything_is_measured_once_before_anything_is_measured_again() -> None:
    order: list[str] = []

    def run(name: str, outcome: Sample | Missing, **limits: float) -> Run:
        def take() -> Sample | Missing:
            order.append(name)
            return outcome

        return Run(name, take, **limits)

    runs = [
        run("a", sample(1.0)),
        run("slow", sample(9.0), repeated_below_s=5.0),
        run("none", Missing("no")),
        run("b", sample(2.0)),
    ]
    told: list[tuple[int, int]] = []
    taken = run_rounds(runs, 3, lambda done, total: told.append((done, total)))

    assert order == ["a", "slow", "none", "b", "a", "b", "a", "b"]
    assert told == [(done, 12) for done in range(1, 13)]
    assert {name: len(one.samples) for name, one in taken.items()} == {"a": 3, "slow": 1, "none": 0, "b": 3}
    assert taken["none"].missing == "no"


def test_a_measurement_is_the_median_of_its_rounds() -> None:
    one = measurement("x", 5.0, 1.0, 2.0, 90.0, 3.0)

    assert (one.wall_s, one.outside_wall_s, one.peak_mib) == (3.0, 4.0, 200.0)


def test_ratios_are_taken_within_a_round() -> None:
    """The machine was ten times slower in the last round, for both."""
    above, below = measurement("above", 2.0, 2.2, 20.0), measurement("below", 1.0, 1.0, 10.0)

    assert ratio_of(above, below, wall) == (2.0, 2.0, 2.2)
    assert ratio_of(measurement("once", 30.0), below, cpu) == (30.0, 30.0, 30.0)


@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.5])
def test_growth_is_that_of_what_grows(exponent: float) -> None:
    pixels = np.array([1e8, 4e8, 1.6e9, 3.6e9])
    cpu_s = 2.5 + 3e-9 * (pixels - 4e6) ** exponent * 1e9 ** (1 - exponent)

    assert growth_exponent(pixels.tolist(), cpu_s.tolist(), (4e6, 2.5)) == pytest.approx(exponent)
    assert growth_exponent(pixels.tolist(), cpu_s.tolist(), (4e6, 0.0)) < exponent


# -- figures -------------------------------------------------------------------------------------


def subject(side_px: int = 40000, profile: str = "default", reader: str = "tiff/jpeg") -> Subject:
    boxes = ((0, 0, 1000, 1000),)
    return Subject(Path("a.svs"), f"a-{side_px}.svs", side_px, side_px, reader, True, boxes, profile)


def measured(of: Subject, changes: Mapping[str, Measurement] | None = None) -> Measured:
    """Made-up samples of every measurement of a slide."""
    digest = cluster_digest(TABLE)
    command = {"mode": "candidates", "clusters": digest, "steps": [("open", 0.5, 0.5), ("files", 3.5, 3.0)]}
    taken = {
        plans.FLOOR: measurement(plans.FLOOR, 2.0, 4.0, floor="every tile"),
        plans.SCAN_FULL: measurement(plans.SCAN_FULL, 3.0, 6.0, mode="full"),
        plans.SCAN: measurement(plans.SCAN, 1.0, 2.0, mode="candidates"),
        plans.COLD: measurement(plans.COLD, 5.0, 9.0, **command),
        plans.WARM: measurement(plans.WARM, 4.0, 8.0, **command),
        plans.ONE_THREAD: measurement(plans.ONE_THREAD, 6.0, 12.0),
        plans.FULL_COMMAND: measurement(plans.FULL_COMMAND, 5.0, clusters=digest),
        **(changes or {}),
    }
    return Measured(of, taken)


def report_of(*slides: Measured, threads: int = 2) -> SpeedReport:
    names = (plans.IMPORT, plans.SMALL_COLD, plans.SMALL_WARM, plans.EMPTY_CACHE)
    small = Measured(subject(2000), {name: measurement(name, 0.1, 0.3) for name in names})
    return SpeedReport(threads, 2, {"processors": "2 of 2"}, slides, small)


def test_figures_are_ratios_and_only_asked_for_where_they_are_asked_for() -> None:
    def figures(of: Subject, threads: int = 2) -> dict[str, Any]:
        return {figure.name: figure for figure in report_of(measured(of), threads=threads).figures}

    asked = figures(subject(40000))
    assert asked["scan, candidates first / decode floor, wall"].value == 0.5
    assert asked["scan, candidates first / decode floor, wall"].is_met is True
    assert asked["scan, full / decode floor, wall"].is_met is False
    assert asked["two threads against one, scan, full"].value == 2.0
    assert figures(subject(20000))["scan, full / decode floor, wall"].is_met is None
    assert figures(subject(40000), threads=1)["scan, full / decode floor, wall"].is_met is None
    assert figures(subject(40000, profile=""))["scan, full / decode floor, wall"].is_met is None
    assert figures(subject(40000, profile="heavy"))["peak memory, whole command, heavy"].is_met is True


def test_other_clusters_are_told() -> None:
    other = cluster_digest({**TABLE, "max_diameter_um": [310.5, 90.5]})
    fewer = cluster_digest({name: column[:1] for name, column in TABLE.items()})
    differs = measured(subject(), {plans.FULL_COMMAND: measurement(plans.FULL_COMMAND, 5.0, clusters=other)})
    report = report_of(differs)
    figure = next(figure for figure in report.figures if figure.name == "clusters identical in both modes")

    assert difference_of(cluster_digest(TABLE), cluster_digest(dict(TABLE))) == ""
    assert difference_of(cluster_digest(TABLE), fewer) == "2 clusters against 1"
    assert (figure.value, figure.is_met, figure.note) == (0.0, False, "other values of max_diameter_um")
    assert "NO (other values of max_diameter_um)" in plain(report)
    assert to_json(report)["slides"][0]["clusters_identical"] is False
    assert to_json(report_of(measured(subject())))["slides"][0]["clusters_identical"] is True


def test_growth_is_over_drawn_slides_with_the_small_one_subtracted() -> None:
    def slide(side_px: int, cpu_s: float, peak: int) -> Measured:
        cold = Measurement(plans.COLD, (replace(sample(cpu_s), peak_bytes=peak),))
        return measured(
            subject(side_px),
            {plans.WARM: measurement(plans.WARM, cpu_s, clusters=cluster_digest(TABLE)), plans.COLD: cold},
        )

    start_s, a_pixel_s = 0.2, 1e-8
    slides = [slide(side, start_s + a_pixel_s * (side**2 - 2000**2), 10**8 * side) for side in (10000, 20000, 40000)]
    figures = {figure.name: figure for figure in report_of(*slides).figures}

    assert figures["growth of CPU time with pixels"].value == pytest.approx(1.0)
    assert figures["growth of peak memory, largest / smallest side"].value == pytest.approx(4.0)
    assert figures["growth of peak memory, largest / smallest side"].is_met is False
    for too_few in (slides[:1], [slides[0], slide(2000, start_s, 10**8), slide(1024, start_s, 10**8)]):
        assert "growth of CPU time with pixels" not in {figure.name for figure in report_of(*too_few).figures}


def test_every_figure_asked_for_is_one_that_can_come_out() -> None:
    """A figure renamed on one side alone would never again be asked for."""
    peers = {peer.title: measurement(peer.title, 50.0, 90.0) for peer in PEERS}
    reads = {
        plans.OWN_READS: measurement(plans.OWN_READS, 1.0, 2.0),
        "OpenSlide, single reads": measurement("OpenSlide, single reads", 8.0, 16.0),
        "OpenSlide, all of level 0": measurement("OpenSlide, all of level 0", 9.0, 9.0),
    }
    full = [measured(subject(side), {**peers, **reads}) for side in (10000, 40000)]
    made = {figure.name for figure in report_of(*full).figures}
    made |= {figure.name for figure in report_of(measured(subject(40000, profile="heavy"))).figures}

    assert set(TARGETS) <= made


def test_a_long_reason_stands_below_the_table() -> None:
    missing = {
        PEERS[0].title: Measurement(PEERS[0].title, (), "not installed"),
        PEERS[1].title: Measurement(PEERS[1].title, (), f"failed: {'no such thing, ' * 9}"),
    }
    report = report_of(measured(subject(), missing))
    lines = plain(report).splitlines()

    assert max(len(line) for line in lines if line.startswith("scikit-image")) < 120
    assert any(line.startswith(f"a-40000.svs, {PEERS[1].title}: failed: no such thing") for line in lines)
    assert [line for line in lines if line.startswith("HistomicsTK") and "not installed" in line]
    assert "not measured" in plain(report)


def test_tables_hold_the_same_in_every_form() -> None:
    report = report_of(measured(subject(20000)), measured(subject(40000)))
    rows = list(csv.DictReader(csv_text(report).splitlines()))
    ratio = next(
        row for row in rows if row["name"] == "scan, full / decode floor, wall" and row["slide"] == "a-40000.svs"
    )

    assert (ratio["value"], ratio["unit"], ratio["asked"], ratio["met"]) == (
        "1.5",
        "times",
        "<= 1.2 at 40000 px",
        "false",
    )
    assert next(row for row in rows if row["name"] == "decode floor: wall_s")["value"] == "3"
    assert "| scan, full / decode floor, wall | 1.50 | 1.50 | <= 1.2 at 40000 px | NO |" in markdown(report)
    steps = to_json(report)["slides"][0]["steps"]
    assert steps == [{"step": "open", "wall_s": 0.5, "cpu_s": 0.5}, {"step": "files", "wall_s": 3.5, "cpu_s": 3.0}]


# -- one measurement -----------------------------------------------------------------------------

Drawn = Callable[[str], SamplePaths]


def job(kind: Any, paths: SamplePaths, **options: Any) -> Job:
    return Job(kind, str(paths.slide), 2, **options)


def test_a_job_survives_the_way_to_another_process(drawn: Drawn) -> None:
    one = job("reads", drawn("itc"), spacing_um=(0.25, 0.5), boxes=((0, 0, 9, 9),), warm_up="small.svs", mode="full")

    assert Job.from_json(one.to_json()) == one


def test_the_floor_decodes_every_tile_once(drawn: Drawn) -> None:
    layout = read_layout(drawn("itc").slide)
    assert layout is not None
    seen: Counter[bytes] = Counter()
    level = replace(layout.levels[0], decode=lambda data, out: seen.update([data]))
    content = drawn("itc").slide.read_bytes()

    _decode_tiles(drawn("itc").slide, level, 2)

    places = zip(level.offsets.tolist(), level.sizes.tolist(), strict=True)
    assert seen == Counter(content[offset : offset + size] for offset, size in places)
    assert "jpeg tile" in measure(job("floor", drawn("itc")))["floor"]


def test_what_has_no_tiles_of_its_own_is_read_by_its_reader(drawn: Drawn, tmp_path: Path) -> None:
    Image.fromarray(np.full((300, 400, 3), 240, np.uint8)).save(tmp_path / "glass.png")
    answer = measure(Job("floor", str(tmp_path / "glass.png"), 1, spacing_um=(0.5, 0.5)))

    assert "level 0 in blocks of whole tiles through the reader" in answer["floor"]
    assert answer["wall_s"] > 0


def test_steps_of_the_command_are_all_of_it(drawn: Drawn) -> None:
    answer = measure(job("command", drawn("itc")))
    names, walls, _ = zip(*answer["steps"], strict=True)

    assert list(names) == STEPS
    assert min(walls) >= 0
    assert sum(walls) == pytest.approx(answer["wall_s"])
    assert answer["clusters"]["n"] >= 1


def test_a_scan_says_in_which_mode_it_ran(drawn: Drawn) -> None:
    modes = {mode: measure(job("scan", drawn("itc"), mode=mode))["mode"] for mode in ("auto", "full")}

    assert modes == {"auto": "full", "full": "full"}  # too small to be worth a look from afar


def test_samples_are_known_by_name_and_size(drawn: Drawn, tmp_path: Path) -> None:
    slide = drawn("itc").slide
    other = shutil.copy(slide, tmp_path / "itc-4096-seed0.svs")

    assert (subject_of(slide).profile, subject_of(Path(other)).profile) == ("itc", "")
    assert all(x1 <= 1024 and y1 <= 1024 for _, _, x1, y1 in subject_of(slide).boxes)


@pytest.mark.parametrize(
    ("program", "because"),
    [
        ("import time; time.sleep(60)", "not finished in 1 s"),
        ("raise ValueError('no such tile')", "ValueError: no such tile"),
        ('print(\'{"error": "not installed"}\')', "not installed"),
        ("import sys; sys.exit(7)", "it ended with status 7 and said nothing"),
    ],
)
def test_why_there_is_no_answer_is_said(program: str, because: str) -> None:
    assert answer_of([sys.executable, "-c", program], 1, limit_s=1.0 if "sleep" in program else 60.0) == Missing(
        because
    )


# -- other programs ------------------------------------------------------------------------------

SETTINGS = {"threads": 1, "boxes": [[0, 0, 512, 512]], "hed_threshold": 0.2 / 6, "smallest_um2": 25.0}


def test_the_script_of_the_peers_needs_nothing_of_ours() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]

    assert not [name for name in modules if name.startswith("micromet_path")]
    assert set(peer_script.WORK) >= {peer.key for peer in PEERS}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.key)
def test_what_is_not_installed_is_said(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, peer_script.WORK[peer.key][1][0].partition(".")[0], None)

    assert peer_script.measure(peer.key, "a.svs", SETTINGS) == {"error": "not installed"}


def test_what_is_installed_and_broken_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.measure", None)

    assert peer_script.measure("skimage-tiles", "a.svs", SETTINGS)["error"].startswith("cannot be imported: ")


def test_a_peer_finds_the_focus_and_one_that_fails_is_no_error(drawn: Drawn, tmp_path: Path) -> None:
    found = peer_script.measure("skimage-whole", str(drawn("itc").slide), SETTINGS)
    foci = json.loads(drawn("itc").truth.read_text(encoding="utf-8"))["foci"]
    (tmp_path / "broken.svs").write_bytes(b"none")

    assert 1 <= found["objects"] <= len(foci)
    assert min(abs(focus["max_diameter_um"] - found["largest_um"]) for focus in foci) < 3.0
    assert peer_script.measure("openslide-all", str(tmp_path / "broken.svs"), SETTINGS)["error"].startswith("failed: ")


def test_a_whole_picture_is_not_asked_for_where_no_machine_holds_it() -> None:
    whole = next(run for run in peer_runs(subject(20000), PeerOptions(), 1) if run.name == "scikit-image, whole image")

    assert whole.measure() == Missing("only up to 10000 px a side")


# -- the command ---------------------------------------------------------------------------------

KEYS = {"schema", "version", "threads", "repeats", "machine", "caption", "figures", "slides", "beside"}
SLIDE_KEYS = {
    "name", "width_px", "height_px", "reader", "profile", "mode", "floor", "clusters_identical", "clusters_difference",
    "measurements", "steps",
}  # fmt: skip


def test_a_small_slide_from_end_to_end(micromet: Any, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = micromet(
        "bench", "speed", drawn("itc").slide, "--repeats", 1, "--peers", "--no-empty-cache", "--json", "--out", out
    )
    content = json.loads(ran.out)

    assert (ran.status, ran.err) == (0, "")
    assert {path.name for path in out.iterdir()} == {"speed.json", "speed.csv", "speed.md"}
    assert json.loads((out / "speed.json").read_text(encoding="utf-8")) == content
    assert (set(content), content["schema"]) == (KEYS, "micromet-bench-speed/1")
    slide = content["slides"][0]
    assert set(slide) == SLIDE_KEYS
    assert (slide["mode"], slide["clusters_identical"]) == ("full", True)
    assert [row["step"] for row in slide["steps"]] == STEPS
    taken = {one["name"]: one for one in slide["measurements"]}
    assert all(taken[name]["n"] == 1 for name in (plans.FLOOR, plans.SCAN, plans.COLD, plans.WARM, plans.OWN_READS))
    assert taken[plans.COLD]["process_wall_s"] > taken[plans.COLD]["wall_s"] > taken[plans.FLOOR]["wall_s"] > 0
    if sys.platform == "linux":
        assert 50 < taken[plans.FLOOR]["peak_mib"] < taken[plans.WARM]["peak_mib"]
    absent = [
        peer for peer in PEERS if importlib.util.find_spec(peer_script.WORK[peer.key][1][0].split(".")[0]) is None
    ]
    assert all(taken[peer.title]["missing"] == "not installed" for peer in absent)
    assert taken["scikit-image, tile by tile"]["wall_s"] > 0
    told = ran.out + "".join(path.read_text(encoding="utf-8") for path in out.iterdir())
    assert not [word for word in (platform.node(), getpass.getuser(), str(tmp_path)) if len(word) > 4 and word in told]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("nowhere.svs",), 1, "nowhere.svs does not exist"),
        (("--side", "100"), 1, "too small"),
        (("--profile", "defualt"), 1, "did you mean 'default'"),
        (("--peers-python", "no-python"), 1, "there is no Python interpreter no-python"),
        (("--mpp", "0.5"), 2, "--mpp is the scale of given slides"),
        (("--repeats", "0"), 2, "--repeats"),
        (("--out", __file__), 1, "name a folder with --out"),
    ],
)
def test_what_cannot_be_done_is_told_before_the_work(
    micromet: Any, arguments: tuple[str, ...], status: int, words: str
) -> None:
    ran = micromet("bench", "speed", *arguments)

    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err
    assert status == 2 or ran.err.count("\n") == 1


def test_a_disk_without_room_is_told(micromet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=bytes_needed([60000]) - 1))

    ran = micromet("bench", "speed", "--side", 10000, "--side", 60000)

    assert ran.status == 1
    assert "needs about 1.6 GB" in ran.err
    assert ran.err.count("\n") == 1


def test_an_interpreter_that_is_none_is_refused() -> None:
    with pytest.raises(MicrometError, match="there is no Python interpreter"):
        PeerOptions("nowhere/python")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("No module named 'x' (/home/anna/env/lib/x/__init__.py)", "No module named 'x' (__init__.py)"),
        ("FileNotFoundError: '/data/2026/A-17.svs'", "FileNotFoundError: 'A-17.svs'"),
        ("C:\\Users\\anna\\slide.svs: not a slide", "slide.svs: not a slide"),
    ],
)
def test_why_a_program_failed_is_told_without_folders(said: str, told: str) -> None:
    script = f"import sys; sys.exit({said!r})"
    assert answer_of([sys.executable, "-c", script], 1) == Missing(told)
