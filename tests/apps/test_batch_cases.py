"""A slide that failed, is missing, or is described wrongly never lets its case look complete."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.batches import MICROMET, start
from tests.apps.conftest import Command, Ran, is_one_line

HELD = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
needs_modes = pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="needs setpriv and root")
NAMES = "[naming]\npattern = '(?P<accession>[0-9]+-[0-9]+)_(?P<node_id>[0-9]+)'\n"


def as_somebody(*arguments: object) -> Ran:
    """The command with the rights of an ordinary user."""
    command = [*HELD, *MICROMET, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def case_of(archive, case_id="26-1"):
    return next(row for row in archive.rows("cases") if row["case_id"] == case_id)


@pytest.fixture
def named(tmp_path):
    path = tmp_path / "names.toml"
    path.write_text(NAMES)
    return path


def test_a_run_over_a_part_knows_of_the_other(archive, named, micromet: Command):
    archive.add("week1/26-1_1.svs", "itc")
    archive.add("week2/26-1_2.svs", "negative")
    (archive.root / "week1.csv").write_text("slide,pieces\n26-1_1,all\n")
    (archive.root / "week2.csv").write_text("slide,pieces\n26-1_2,all\n")
    arguments = ("-o", archive.out, "-c", named, "--workers", 1, "-q", "--manifest")
    micromet("batch", archive.root / "week1", *arguments, archive.root / "week1.csv")
    assert case_of(archive)["pn"].startswith("pN0(i+)")
    micromet("batch", archive.root / "week2", *arguments, archive.root / "week2.csv")
    assert case_of(archive)["pn"].startswith("pN0(i+)")
    assert case_of(archive)["slides_expected"] == 2
    before = archive.rows("cases")
    assert micromet("archive", "verify", archive.out).status == 0
    assert micromet("archive", "reindex", archive.out).status == 0
    assert archive.rows("cases") == before


def test_a_shard_that_never_ran_is_waited_for(archive, named, micromet: Command):
    for number in range(3):
        archive.add(f"26-1_{number}.svs", "negative")
    table = archive.manifest("slide,pieces\n26-1_0,all\n26-1_1,all\n26-1_2,all\n")
    arguments = ("batch", archive.root, "-o", archive.out, "-c", named, "--manifest", table, "--workers", 1, "-q")
    micromet(*arguments, "--shard", "1/2")
    micromet("archive", "reindex", archive.out)
    assert (case_of(archive)["status"], case_of(archive)["slides_expected"]) == ("incomplete", 3)
    assert archive.state()["26-1_1"] == "pending"
    micromet(*arguments, "--shard", "2/2")
    micromet("archive", "reindex", archive.out)
    assert case_of(archive)["status"] == "suggested"


def test_shards_that_start_together_do_not_refuse_each_other(archive, micromet: Command):
    for number in range(4):
        archive.add(f"{number}.svs", "negative")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")  # its lock is looked at from now on
    shards = [start("batch", archive.root, "-o", archive.out, "--workers", 1, "--shard", f"{k}/4") for k in range(1, 5)]
    said = [shard.communicate(timeout=180) for shard in shards]
    assert [shard.returncode for shard in shards] == [0] * 4, said


def test_a_wrong_row_leaves_what_the_name_says(archive, named, micromet: Command):
    archive.add("26-1_1.svs", "negative")
    archive.add("26-1_2.svs", "negative")
    table = archive.manifest("slide,control_result\n26-1_2,pased\n")
    ran = micromet("batch", archive.root, "-o", archive.out, "-c", named, "--manifest", table, "--workers", 1, "-q")
    assert ran.status == 3
    assert (case_of(archive)["status"], case_of(archive)["slides_expected"]) == ("incomplete", 2)


def test_a_failed_control_is_heard_whatever_else_its_row_says(archive, micromet: Command):
    archive.add("control.svs", "itc")
    archive.add("a.svs", "negative")
    table = archive.manifest(
        "slide,stain_run,control_result,role,scan_time\ncontrol,R1,failed,control,03/01/2026\na,R1,,,\n"
    )
    micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    assert archive.rows("slides", slide_id="a")[0]["category"] == "not_assessable"


@needs_modes
def test_a_failure_that_cannot_be_written_counts_all_the_same(archive, named, micromet: Command):
    archive.add("26-1_1.svs", "negative")
    micromet("batch", archive.root, "-o", archive.out, "-c", named, "--workers", 1, "-q")
    (archive.root / "26-1_1.svs").write_bytes(b"II*\0 no slide")
    (archive.out / "26-1_1").chmod(0o500)
    ran = as_somebody("batch", archive.root, "-o", archive.out, "-c", named, "--workers", 1)
    (archive.out / "26-1_1").chmod(0o700)
    assert ran.status in (1, 3)
    assert "that it failed cannot be written" in ran.err
    assert case_of(archive)["status"] == "incomplete"
    assert archive.state() == {"26-1_1": "failed"}


@needs_modes
def test_a_folder_that_cannot_be_read_holds_all_cases_back(archive, named, micromet: Command):
    archive.add("a/26-1_1.svs", "negative")
    archive.add("b/26-1_2.svs", "negative")
    (archive.root / "b").chmod(0)
    ran = as_somebody("batch", archive.root, "-o", archive.out, "-c", named, "--workers", 1)
    (archive.root / "b").chmod(0o700)
    assert ran.status == 3
    assert "every case waits" in ran.err
    assert archive.state() == {"26-1_1": "done"}
    for _ in range(2):
        assert (case_of(archive)["status"], case_of(archive)["slides_expected"]) == ("incomplete", 2)
        assert micromet("archive", "verify", archive.out).status == 0
        micromet("archive", "reindex", archive.out)
    (archive.root / "b" / "26-1_2.svs").unlink()
    assert micromet("batch", archive.root, "-o", archive.out, "-c", named, "--workers", 1, "-q").status == 0
    assert case_of(archive)["slides_expected"] == 1  # it was read now, and there is nothing in it


def test_a_case_that_cannot_be_staged_is_told_and_the_old_one_counts_no_more(archive, micromet: Command):
    archive.add("a.svs", "negative")
    good = "slide,accession,node_id,pieces\na,26-1,1,all\n"
    arguments = ("batch", archive.root, "-o", archive.out, "--workers", 1, "-q", "--manifest")
    assert micromet(*arguments, archive.manifest(good)).status == 0
    ran = micromet(*arguments, archive.manifest(good.replace("all", "99")))
    assert ran.status == 3
    assert "case 26-1 cannot be staged" in ran.err
    assert (case_of(archive)["status"], case_of(archive)["pn"]) == ("failed", None)
    assert micromet("archive", "verify", archive.out).status == 1
    (archive.out / "cases" / "26-1" / ".DS_Store").write_bytes(b"a desktop was here")
    (archive.out / "a" / ".failed.json.999999").write_bytes(b"{")
    assert micromet(*arguments, archive.manifest(good)).status == 0
    assert case_of(archive)["status"] == "suggested"
    assert micromet("archive", "verify", archive.out).status == 0


def test_a_corrected_accession_withdraws_the_case_that_was_none(archive, micromet: Command):
    archive.add("a.svs", "negative")
    arguments = ("batch", archive.root, "-o", archive.out, "--workers", 1, "--manifest")
    micromet(*arguments, archive.manifest("slide,accession,node_id,pieces\na,26-9,1,all\n"))
    ran = micromet(*arguments, archive.manifest("slide,accession,node_id,pieces\na,26-10,1,all\n"))
    assert "case 26-9 has no slide any more and is withdrawn" in ran.err
    for _ in range(2):
        assert [row["case_id"] for row in archive.rows("cases")] == ["26-10"]
        assert [path.name for path in (archive.out / "cases").iterdir()] == ["26-10"]
        micromet("archive", "reindex", archive.out)


def test_a_file_that_goes_by_another_id_now_is_not_counted_twice(archive, named, micromet: Command):
    archive.add("a/26-1_1.svs", "itc")
    arguments = ("batch", archive.root, "-o", archive.out, "-c", named, "--workers", 1, "-q")
    micromet(*arguments)
    archive.add("b/26-1_1.svs", "negative")
    micromet(*arguments)
    for _ in range(2):
        assert archive.state()["26-1_1"] == "retired"
        assert len(archive.rows("worklist")) == 1
        assert case_of(archive)["slides_expected"] == 2
        assert micromet("archive", "verify", archive.out).status == 0
        micromet("archive", "reindex", archive.out)


def test_a_broken_slide_can_be_excluded(archive, micromet: Command):
    archive.root.mkdir()
    (archive.root / "a.svs").write_bytes(b"II*\0 no slide")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")
    table = archive.manifest("slide,role\na,exclude\n")
    assert micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q").status == 0
    assert archive.state() == {"a": "excluded"}


def test_a_slide_that_was_listed_once_is_waited_for(archive, named, micromet: Command):
    archive.add("26-1_1.svs", "negative")
    gone = archive.add("26-1_2.svs", "negative")
    arguments = ("batch", archive.root, "-o", archive.out, "-c", named, "--workers", 1, "-q")
    gone.write_bytes(b"II*\0 no slide")
    micromet(*arguments)
    gone.unlink()  # or its folder is not mounted
    micromet(*arguments)
    assert (case_of(archive)["status"], case_of(archive)["slides_expected"]) == ("incomplete", 2)


def test_a_rescan_of_another_cases_slide_fails(archive, micromet: Command):
    archive.add("a.svs", "itc")
    archive.add("b.svs", "negative")
    table = archive.manifest("slide,accession,node_id,pieces,rescan_of\na,26-1,1,all,\nb,26-2,1,all,a.svs\n")
    ran = micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1)
    assert ran.status == 3
    assert "which is of another accession" in ran.err
    assert [row["slide_id"] for row in archive.rows("worklist")] == ["a"]
    assert case_of(archive, "26-2")["status"] == "incomplete"


@pytest.mark.skipif(sys.platform != "linux", reason="names are characters there")
def test_names_and_results_that_are_none_of_ours_stop_nothing(archive, micromet: Command):
    archive.add("a.svs")
    os.rename(archive.root / "a.svs", os.fsencode(archive.root) + b"/M\xfcller.svs")
    archive.add("b.svs")
    (archive.root / "broken.svs").write_bytes(b"II*\0 no slide")
    os.rename(archive.root / "broken.svs", os.fsencode(archive.root) + b"/Fr\xe4nkel.svs")
    (archive.out / "b").mkdir(parents=True)
    (archive.out / "b" / "result.json").write_text("{}")
    table = archive.manifest(f"slide,accession\nb,26-\x001\n{'n' * 300}.svs,26-2\n")
    ran = micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    assert ran.status == 3, ran.err
    assert "Traceback" not in ran.err
    states = sorted(archive.state().values())
    assert states.count("failed") >= 2
    assert "done" in states
    again = archive.out.with_name("again")
    again.mkdir()
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")
    assert "Traceback" not in ran.err
    assert micromet("archive", "reindex", archive.out).status == 0
    assert micromet("archive", "verify", archive.out).status == 0


def test_a_database_of_others_is_left_alone(archive, tmp_path, micromet: Command):
    archive.add("a.svs", "negative")
    path = tmp_path / "laboratory.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE runs (number INTEGER)")
        database.execute("INSERT INTO runs VALUES (1)")
    database.close()
    url = f"sqlite:///{path}"
    for arguments in (("batch", archive.root, "-o", archive.out), ("archive", "reindex", archive.out)):
        archive.out.mkdir(exist_ok=True)
        ran = micromet(*arguments, "--database", url)
        assert ran.status == 1
        assert is_one_line(ran.err)
        assert "tables of another program (runs)" in ran.err
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT COUNT(*) FROM runs").fetchone() == (1,)
    database.close()


def test_one_database_holds_one_archive(archive, tmp_path, micromet: Command):
    archive.add("a.svs", "negative")
    url = f"sqlite:///{tmp_path / 'shared.sqlite'}"
    assert micromet("batch", archive.root, "-o", archive.out, "--database", url, "--workers", 1, "-q").status == 0
    other = archive.out.with_name("other")
    ran = micromet("batch", archive.root, "-o", other, "--database", url, "--workers", 1, "-q")
    assert ran.status == 1
    assert "holds another archive" in ran.err


def test_where_a_slide_lies_is_not_told(archive, micromet: Command):
    archive.root.mkdir()
    table = archive.manifest("slide\ngone.svs\n")
    micromet("batch", "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    for name in ("gone/failed.json", "summary.html"):
        assert str(archive.root) not in (archive.out / name).read_text()
    assert str(Path(archive.root)) not in archive.rows("failures")[0]["line"]


# -- what several runs say together --------------------------------------------------------------


def table_of(archive, name, text):
    path = archive.root / name
    path.write_text(text)
    return path


def test_another_slide_of_the_same_name_takes_no_result_away(archive, micromet: Command):
    """Each week's folder numbers its slides from 1, and so does a scanner's inbox."""
    arguments = ("-o", archive.out, "--workers", 1, "-q", "--manifest")
    archive.add("week1/001.svs", "itc")
    archive.add("week1/002.svs", "negative")
    first = table_of(archive, "1.csv", "slide,accession,node_id,pieces\n001,26-1,1,all\n002,26-1,2,all\n")
    micromet("batch", archive.root / "week1", *arguments, first)
    before = case_of(archive)["pn"]
    assert before.startswith("pN0(i+)")
    archive.add("week2/001.svs", "negative")
    second = table_of(archive, "2.csv", "slide,accession,node_id,pieces\n001,26-2,1,all\n")
    micromet("batch", archive.root / "week2", *arguments, second)
    (archive.root / "week1" / "001.svs").write_bytes((archive.root / "week2" / "001.svs").read_bytes() + b"other")
    third = table_of(archive, "3.csv", "slide,accession,node_id,pieces\n001,26-3,1,all\n")
    micromet("batch", archive.root / "week1" / "001.svs", *arguments, third)
    assert {row["case_id"]: row["slides_expected"] for row in archive.rows("cases")} == {
        "26-1": 2,
        "26-2": 1,
        "26-3": 1,
    }
    assert case_of(archive)["pn"] == before
    assert sorted(archive.state().values()) == ["done"] * 4
    assert micromet("archive", "verify", archive.out).status == 0


def test_no_row_is_no_statement(archive, micromet: Command):
    arguments = ("batch", archive.root, "-o", archive.out, "--workers", 1, "-q", "--manifest")
    archive.add("a.svs", "itc")
    micromet(*arguments, archive.manifest("slide,accession,node_id,pieces\na,26-1,1,all\n"))
    archive.add("b.svs", "negative")
    micromet(*arguments, archive.manifest("slide,accession,node_id,pieces\nb,26-1,2,all\n"))
    assert (case_of(archive)["slides_expected"], case_of(archive)["pn"][:7]) == (2, "pN0(i+)")


@pytest.mark.parametrize("order", ["control first", "control last"])
def test_a_failed_control_of_another_run_is_heard(archive, micromet: Command, order):
    archive.add("control/k.svs", "itc")
    archive.add("week/a.svs", "negative")
    k = table_of(archive, "k.csv", "slide,stain_run,control_result,role\nk,R1,failed,control\n")
    a = table_of(archive, "a.csv", "slide,accession,node_id,pieces,stain_run\na,26-1,1,all,R1\n")
    runs = [(archive.root / "control", k), (archive.root / "week", a)]
    for folder, table in runs if order == "control first" else reversed(runs):
        micromet("batch", folder, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    micromet("archive", "reindex", archive.out)
    assert (case_of(archive)["status"], case_of(archive)["pn_category"]) == ("incomplete", None)


def test_a_result_of_other_settings_is_none(archive, micromet: Command):
    for number in range(2):
        archive.add(f"{number}.svs", "negative")
    rows = "slide,accession,node_id,pieces,mpp\n0,26-1,1,all,{0}\n1,26-1,2,all,{0}\n"
    arguments = ("batch", archive.root, "-o", archive.out, "--workers", 1, "-q", "--manifest")
    micromet(*arguments, archive.manifest(rows.format("0.5")))
    assert case_of(archive)["status"] == "suggested"
    micromet(*arguments, archive.manifest(rows.format("0.25")), "--shard", "1/2")
    micromet("archive", "reindex", archive.out)
    assert case_of(archive)["status"] == "incomplete"
    assert archive.state() == {"0": "done", "1": "pending"}


def test_a_rescan_that_was_not_read_yet_is_waited_for(archive, micromet: Command):
    archive.add("a.svs", "negative")
    archive.add("b.svs", "itc")
    table = archive.manifest("slide,accession,node_id,pieces,rescan_of\na,26-1,1,all,\nb,26-1,1,all,a\n")
    arguments = ("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    micromet(*arguments, "--shard", "1/2")
    micromet("archive", "reindex", archive.out)
    assert case_of(archive)["status"] == "incomplete"
    micromet(*arguments, "--shard", "2/2")
    micromet("archive", "reindex", archive.out)
    assert case_of(archive)["pn"].startswith("pN0(i+)")


def test_the_same_content_in_two_runs_under_two_cases_is_nobodys(archive, micromet: Command):
    slide = archive.add("week1/a.svs", "negative")
    (archive.root / "week2").mkdir()
    shutil.copy(slide, archive.root / "week2" / "b.svs")
    for week, name, case_id in ((1, "a", "26-1"), (2, "b", "26-2")):
        table = table_of(archive, f"{week}.csv", f"slide,accession,node_id,pieces\n{name},{case_id},1,all\n")
        micromet("batch", archive.root / f"week{week}", "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    for _ in range(2):
        assert [row["status"] for row in archive.rows("cases")] == ["incomplete", "incomplete"]
        micromet("archive", "reindex", archive.out)


def test_a_copy_whose_original_is_excluded_is_waited_for(archive, micromet: Command):
    archive.add("y.svs", "negative")
    slide = archive.add("inbox/x.svs", "itc")
    (archive.root / "week1").mkdir()
    shutil.copy(slide, archive.root / "week1" / "z.svs")
    head = "slide,accession,node_id,pieces,role\n"
    table = table_of(archive, "1.csv", f"{head}x,26-1,1,all,\nz,26-1,1,all,\ny,26-1,2,all,\n")
    micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    assert case_of(archive)["slides_expected"] == 2
    table = table_of(archive, "2.csv", f"{head}x,26-1,1,all,exclude\n")
    micromet("batch", archive.root / "inbox", "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    assert (case_of(archive)["status"], case_of(archive)["slides_expected"]) == ("incomplete", 2)


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_a_database_that_missed_a_run_is_made_again(archive, micromet: Command):
    archive.add("week1/a.svs", "negative")
    archive.add("week2/b.svs", "itc")
    micromet("batch", archive.root / "week1", "-o", archive.out, "--workers", 1, "-q")
    micromet("batch", archive.root / "week2", "-o", archive.out, "--workers", 1, "-q", "--shard", "1/1")
    assert "b" not in archive.state()
    archive.add("week3/c.svs", "negative")
    micromet("batch", archive.root / "week3", "-o", archive.out, "--workers", 1, "-q")
    assert archive.state() == dict.fromkeys("abc", "done")
