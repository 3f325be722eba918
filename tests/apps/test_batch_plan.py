"""What a run is to do: slides found once, what is known of them, and what cannot be right."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from micromet_path.apps.batch.discovery import find_slides
from micromet_path.apps.batch.plan import make_plan
from micromet_path.config import Config
from micromet_path.errors import ConfigError, MissingSlideError
from micromet_path.results.manifest import SlideFacts, manifest_as_markdown

NAMING = Config.from_dict({"naming": {"pattern": r"(?P<accession>\d\d-\d{4})_(?P<block>[A-Z]\d+)"}})


@pytest.fixture
def archive(tmp_path):
    """A place for slides; what they hold tells them apart, nothing is read of it."""

    class Archive:
        root = tmp_path / "archive"
        heard: list[str] = []  # noqa: RUF012

        def hear(self, folder: str, why: str) -> None:
            self.heard.append(f"{folder}: {why}")

        def add(self, name: str, content: str | None = None) -> Path:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name if content is None else content)
            return path

        def manifest(self, text: str) -> Path:
            return self.add("manifest.csv", text)

        def plan(self, manifest=None, config=None, archives=None):
            self.heard = []
            given = [str(self.root)] if archives is None else archives
            return make_plan(given, manifest, config or Config(), tmp_path / "out", self.heard.append)

        def found(self, *archives: str) -> list[str]:
            paths = find_slides(archives or [str(self.root)], tmp_path / "archive" / "out", self.hear)
            return [path.relative_to(self.root).as_posix() for path in paths]

    return Archive()


def by_id(plan):
    return {slide.slide_id: slide for slide in plan.slides}


# -- what is a slide -----------------------------------------------------------------------------


def test_slides_are_found_at_any_depth_by_their_ending(archive):
    for name in ("b.svs", "2026/march/a.ndpi", "2026/c.TIF", "notes.txt", "2026/.hidden.svs", ".thumbs/d.svs"):
        archive.add(name)
    assert archive.found() == ["2026/c.TIF", "2026/march/a.ndpi", "b.svs"]


def test_companions_and_chunks_are_no_slides(archive):
    archive.add("m.mrxs")
    archive.add("m/Data0000.dat")
    archive.add("m/preview.tif")
    archive.add("image.ome.zarr/zarr.json", "{}")
    archive.add("image.ome.zarr/0/c/0/0/0.tif")
    assert archive.found() == ["image.ome.zarr", "m.mrxs"]


def test_a_dicom_series_is_one_slide(archive):
    def instance(series: str) -> str:
        study, uid = "1.2.3.40", f"{series:\0<4}"
        tags = f"\x20\0\x0d\0UI\x08\0{study}\x20\0\x0e\0UI{chr(len(uid))}\0{uid}"
        return "\0" * 128 + "DICM" + tags

    archive.add("s/level0.dcm", instance("1.2"))
    archive.add("s/level1.dcm", instance("1.2") + "more")
    archive.add("s/other.dcm", instance("1.3"))
    assert archive.found() == ["s/level0.dcm", "s/other.dcm"]


def test_results_in_the_archive_are_left_alone(archive):
    archive.add("a.svs")
    archive.add("out/a/labels.tif")
    assert archive.found() == ["a.svs"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_a_circle_end(archive):
    archive.add("2026/a.svs")
    (archive.root / "2026" / "again").symlink_to(archive.root, target_is_directory=True)
    (archive.root / "self").symlink_to("self")
    assert archive.found() == ["2026/a.svs"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_told(archive):
    archive.add("a.svs")
    locked = archive.add("secret/b.svs").parent
    locked.chmod(0)
    try:
        assert archive.found() == ["a.svs"]
    finally:
        locked.chmod(0o700)
    assert archive.heard == [f"{locked}: Permission denied"]


def test_patterns_and_single_files(archive):
    archive.add("a.svs")
    archive.add("b/c.svs")
    archive.add("odd.image")
    assert archive.found(str(archive.root / "**" / "*.svs"), str(archive.root / "odd.image")) == [
        "a.svs", "b/c.svs", "odd.image",
    ]  # fmt: skip
    assert archive.found(str(archive.root), str(archive.root / "a.svs")) == ["a.svs", "b/c.svs"]


def test_nothing_to_do_is_said(archive):
    archive.root.mkdir()
    with pytest.raises(MissingSlideError, match=r"no slide in .*expected files that end in \.bif"):
        archive.found()
    with pytest.raises(MissingSlideError, match="does not exist"):
        archive.found(str(archive.root / "missing"))
    with pytest.raises(MissingSlideError, match="nothing matches"):
        archive.found(str(archive.root / "*.svs"))


# -- what is known of it -------------------------------------------------------------------------


def test_a_manifest_names_slides_by_name_stem_or_path(archive):
    for name in ("a.svs", "x/b.svs", "x/c.svs"):
        archive.add(name)
    table = archive.manifest("slide,accession,pieces,mpp\na.svs,26-1,1 2,\nb,26-2,all,0.25\nx/c.svs,26-3,,0.25;0.26\n")
    slides = by_id(archive.plan(table))
    assert [slides[name].facts.accession for name in "abc"] == ["26-1", "26-2", "26-3"]
    assert (slides["a"].facts.pieces, slides["b"].facts.pieces) == ((1, 2), "all")
    assert slides["c"].facts.spacing.y_um == 0.26


def test_a_mirax_slide_is_meant_by_its_stem(archive):
    archive.add("a.mrxs")
    archive.add("a/Data0000.dat")
    slides = archive.plan(archive.manifest("slide,accession\na,26-1\n")).slides
    assert [(slide.path.name, slide.facts.accession) for slide in slides] == [("a.mrxs", "26-1")]


def test_a_manifest_alone_is_a_list(archive):
    archive.add("a.svs")
    plan = archive.plan(archive.manifest("slide;accession\na.svs;1\ngone.svs;1\n"), archives=[])
    assert [slide.path.name for slide in plan.slides] == ["a.svs", "gone.svs"]  # that it is gone its analysis says


def test_names_say_what_the_laboratory_lets_them(archive):
    archive.add("26-0012_A3_x.svs")
    archive.add("odd.svs")
    slides = by_id(archive.plan(config=NAMING))
    assert (slides["26-0012_A3_x"].facts.accession, slides["26-0012_A3_x"].facts.block) == ("26-0012", "A3")
    assert slides["odd"].facts == SlideFacts()


def test_a_name_and_the_manifest_that_differ_fail_the_slide_alone(archive):
    archive.add("26-0012_A3.svs")
    archive.add("26-0013_A1.svs")
    table = archive.manifest("slide,accession\n26-0012_A3,26-0099\n26-0013_A1,26-0013\n")
    slides = {}
    for slide in archive.plan(table, NAMING).slides:
        slides.setdefault(slide.path.stem, []).append(slide)
    assert "accession is 26-0012 by its name and 26-0099 in the manifest" in slides["26-0012_A3"][0].problem
    assert [slide.facts.accession for slide in slides["26-0012_A3"]] == ["26-0099", "26-0012"]  # both cases wait for it
    assert all(slide.problem for slide in slides["26-0012_A3"])
    assert [slide.problem for slide in slides["26-0013_A1"]] == [None]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a.svs,passed?,,26-1", "control_result"),
        ("a.svs,,yesterday,26-1", "scan_time must be a date and time"),
        ("a.svs,,2026-03-01,26-1,more", "found 5 cells, expected 4"),
    ],
)
def test_a_row_that_cannot_be_used_fails_its_slide(archive, row, problem):
    archive.add("a.svs")
    archive.add("b.svs")
    table = archive.manifest(f"slide,control_result,scan_time,accession\n{row}\nb.svs,passed,2026-03-01,26-2\n")
    if "more" in row:  # whose row it is nobody knows
        with pytest.raises(ConfigError, match=problem):
            archive.plan(table)
        return
    slides = by_id(archive.plan(table))
    assert "manifest.csv, line 2" in slides["a"].problem
    assert problem in slides["a"].problem
    assert slides["a"].facts.accession == "26-1"
    assert slides["b"].problem is None


def test_rows_that_may_mean_several_slides_fail_these_and_every_case_that_claims_them(archive):
    for name in ("x/a.svs", "y/a.svs", "b.svs"):
        archive.add(name)
    table = archive.manifest("slide,accession\na.svs,1\nb.svs,2\nb,3\n")
    slides = archive.plan(table).slides
    assert all(slide.problem for slide in slides)
    assert sorted(slide.facts.accession or "" for slide in slides) == ["", "", "1", "2", "3"]
    assert len({slide.slide_id for slide in slides}) == 5
    assert "may mean any of 2 files" in next(slide.problem for slide in slides if slide.path.name == "a.svs")
    assert "in lines 3 and 4; keep one" in next(slide.problem for slide in slides if slide.path.name == "b.svs")


def test_wrong_headers_are_refused(archive):
    archive.add("a.svs")
    for text, message in (
        ("slide,clon\na,x\n", "unknown column 'clon'; did you mean clone?"),
        ("accession\n1\n", "no column slide"),
        ("slide\n", "holds no slide below its header"),
    ):
        with pytest.raises(ConfigError, match=message):
            archive.plan(archive.manifest(text))
    with pytest.raises(ConfigError, match="cannot be read"):
        archive.plan(archive.root / "missing.csv")


def test_the_columns_are_documented():
    text = manifest_as_markdown()
    for name in SlideFacts.__dataclass_fields__:
        assert f"| `{name}` |" in text


# -- identity ------------------------------------------------------------------------------------


def test_ids_are_unique_and_no_folder_of_the_archive(archive):
    for name in ("x/a.svs", "y/a.svs", "cases.svs", "runs.svs", "A.tif"):
        archive.add(name)
    ids = [slide.slide_id for slide in archive.plan().slides]
    assert len({name.casefold() for name in ids}) == 5
    assert not {"cases", "runs"} & set(ids)
    again = [slide.slide_id for slide in archive.plan().slides]
    assert again == ids


def test_the_same_content_is_one_slide_with_a_warning(archive):
    archive.add("a.svs", "the same")
    archive.add("z.svs", "the same")
    archive.add("other.svs", "the sAme")
    table = archive.manifest("slide,accession\nz.svs,1\n")
    plan = archive.plan(table)
    assert {slide.slide_id: slide.duplicate_of for slide in plan.slides if slide.duplicate_of} == {"z-copy-0": "z"}
    assert "is the same slide as" in plan.warnings[0]
    assert [slide.path.name for slide in plan.slides if slide.is_skipped] == ["a.svs"]


def test_the_same_content_under_two_cases_is_nobodys(archive):
    archive.add("a.svs", "the same")
    archive.add("b.svs", "the same")
    plan = archive.plan(archive.manifest("slide,accession\na,1\nb,2\n"))
    assert all("stated to be different slides" in slide.problem for slide in plan.slides)
    assert [slide.facts.accession for slide in plan.slides] == ["1", "2"]
    assert not plan.warnings


def test_the_same_row_twice_says_nothing_new(archive):
    archive.add("a.svs")
    plan = archive.plan(archive.manifest("slide,accession\na,1\na,1\n"))
    assert [(slide.slide_id, slide.problem) for slide in plan.slides] == [("a", None)]


def test_a_failed_control_is_that_of_its_run(archive):
    for name in "abcd":
        archive.add(f"{name}.svs")
    table = archive.manifest(
        "slide,stain_run,control_result,role,clone\n"
        "a,R1,failed,control,\nb,R1,passed,,AE1/AE3\nc,R2,passed,control,\nd,R2,,,\n"
    )
    plan = archive.plan(table)
    laboratory = {name: plan.config_for(slide, Config()).laboratory for name, slide in by_id(plan).items()}
    assert {name: of.control_result for name, of in laboratory.items()} == {
        "a": "failed", "b": "failed", "c": "passed", "d": "passed",
    }  # fmt: skip
    assert laboratory["b"].antibody == "AE1/AE3"


def test_rescans_name_slides_of_the_archive(archive):
    for name in ("a.svs", "a_2.svs", "b.svs"):
        archive.add(name)
    plan = archive.plan(archive.manifest("slide,rescan_of\na_2,a.svs\nb,missing.svs\n"))
    assert by_id(plan)["a_2"].facts.rescan_of == "a"
    assert by_id(plan)["b"].facts.rescan_of is None
    assert "re-scan of missing.svs, which is not in this archive" in plan.warnings[0]


def test_shards_are_the_list(archive):
    for number in range(7):
        archive.add(f"{number}.svs")
    plan = archive.plan()
    shards = [plan.shard(number, 3) for number in (1, 2, 3)]
    assert sorted(slide.slide_id for shard in shards for slide in shard) == [str(number) for number in range(7)]
    assert {len(shard) for shard in shards} == {2, 3}
