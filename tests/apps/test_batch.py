"""A batch as a laboratory meets it: what is done, what fails, what breaks, and what is true at the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from micromet_path.apps.archive.schema import TABLES, VIEWS
from micromet_path.apps.bench.archive.compare import contents
from micromet_path.results.sums import check_sums
from tests.apps.batches import MICROMET, start, worker_of
from tests.apps.conftest import Command, Ran, is_one_line

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and links as POSIX has them")


# -- what is done --------------------------------------------------------------------------------


def test_an_archive_end_to_end(archive, micromet: Command):
    for name, profile in (("a.svs", "itc"), ("2026/b.svs", "negative"), ("2026/c.svs", "he")):
        archive.add(name, profile)
    (archive.root / "broken.svs").write_bytes(b"II*\0 no slide")
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert ran.status == 3
    lines = {line["slide_id"]: line for line in map(json.loads, ran.out.splitlines())}
    assert lines["a"]["finding"]["category"] == "itc"
    assert lines["c"]["finding"]["category"] == "not_assessable"
    assert lines["broken"]["failure"]["kind"] == "input"
    assert archive.state() == {"a": "done", "b": "done", "c": "done", "broken": "failed"}
    failed = json.loads((archive.out / "broken" / "failed.json").read_text())
    assert failed["schema"] == "micromet-failure/1"
    assert failed["phase"] == "open"
    assert "\n" not in failed["line"]
    assert "UnsupportedSlideError" in failed["trace"] or "UnreadableSlideError" in failed["trace"]
    assert str(Path.home()) not in failed["trace"]
    assert [row["slide_id"] for row in archive.rows("worklist")] == ["a"]
    assert [row["slide_id"] for row in archive.rows("not_assessable")] == ["c"]
    assert archive.rows("rescan_list")[0]["why"] == "cannot be read"
    assert check_sums(archive.out / "a") == []
    assert "2026" not in (archive.out / "a" / "result.json").read_text().split('"provenance"')[0]
    page = (archive.out / "summary.html").read_text()
    assert page.index("Positive, largest first") < page.index("a/report.html") < page.index('id="unassessable"')
    assert micromet("archive", "verify", archive.out).status == 0
    status = json.loads(micromet("archive", "status", archive.out, "--json").out)
    assert status["slides"] == {"done": 3, "failed": 1}
    assert status["latest_run"]["n_listed"] == 4 == status["latest_run"]["n_done"] + status["latest_run"]["n_failed"]


def test_a_rerun_does_what_is_missing_or_stale_and_nothing_else(archive, micromet: Command):
    for name in ("a.svs", "b.svs"):
        archive.add(name)
    (archive.root / "broken.svs").write_bytes(b"II*\0 no slide")
    assert micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q").status == 3

    def written():
        return {path.parent.name: path.stat().st_mtime_ns for path in archive.out.glob("[!r]*/*.json")}

    before = written()
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert written() == before
    assert [json.loads(line)["state"] for line in ran.out.splitlines()] == ["reused", "reused", "failed_before"]
    assert "--retry-failed does" in ran.err

    shutil.rmtree(archive.out / "a")
    archive.add("b.svs", "negative")
    shutil.copy(archive.add("c.svs"), archive.root / "broken.svs")
    (archive.root / "c.svs").unlink()
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert ran.status == 0
    assert [json.loads(line)["state"] for line in ran.out.splitlines()] == ["done", "done", "done"]
    assert not list(archive.out.rglob("failed.json"))
    assert micromet("archive", "verify", archive.out).status == 0


def test_settings_that_change_make_results_stale(archive, micromet: Command, tmp_path):
    archive.add("a.svs")
    settings = tmp_path / "gap.toml"
    settings.write_text("[clusters]\ngap_um = 15\n")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json", "-c", settings)
    assert json.loads(ran.out)["state"] == "done"
    settings.write_text("[clusters]\ngap_um = 15\n[naming]\npattern = '(?P<accession>a)'\n")
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json", "-c", settings)
    assert json.loads(ran.out)["state"] == "reused"


def test_retry_failed_tries_again(archive, micromet: Command):
    archive.root.mkdir()
    (archive.root / "broken.svs").write_bytes(b"II*\0 no slide")
    arguments = ("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert micromet(*arguments).status == 1
    ran = micromet(*arguments, "--retry-failed")
    assert json.loads(ran.out)["state"] == "failed"


def test_a_dry_run_writes_nothing(archive, micromet: Command):
    archive.add("a.svs")
    shutil.copy(archive.root / "a.svs", archive.root / "b.svs")
    ran = micromet("batch", archive.root, "-o", archive.out, "--dry-run", "--json")
    assert [json.loads(line)["duplicate_of"] for line in ran.out.splitlines()] == [None, "a"]
    ran = micromet("batch", archive.root, "-o", archive.out, "--dry-run")
    assert "Nothing was written" in ran.err
    assert not archive.out.exists()


# -- cases ---------------------------------------------------------------------------------------


def test_cases_are_staged_from_a_manifest(archive, micromet: Command):
    archive.add("a1.svs", "itc")
    archive.add("a2.svs", "negative")
    archive.add("b1.svs", "negative")
    archive.add("c1.svs", "itc")
    (archive.root / "b2.svs").write_bytes(b"II*\0 no slide")
    table = archive.manifest(
        "slide,accession,node_id,pieces,level,clone\n"
        "a1,26-1,1,all,1,AE1/AE3\na2,26-1,2,all,1,AE1/AE3\nb1,26-2,1,all,1,\nb2,26-2,1,all,2,\nc1,26-3,,all,,\n"
    )
    assert micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q").status == 3
    cases = {row["case_id"]: row for row in archive.rows("cases")}
    assert cases["26-1"]["pn"].startswith("pN0(i+)")
    assert (cases["26-1"]["slides_expected"], cases["26-1"]["slides_read"]) == (2, 2)
    assert (cases["26-2"]["status"], cases["26-2"]["pn_category"]) == ("incomplete", None)
    assert cases["26-3"]["status"] == "incomplete"  # its slide belongs to no node
    assert [row["node_id"] for row in archive.rows("nodes", case_id="26-1")] == ["1", "2"]
    for name in ("case.json", "case.csv", "case.html", "synoptic.txt"):
        assert (archive.out / "cases" / "26-1" / name).stat().st_size
    assert check_sums(archive.out / "cases" / "26-1") == []

    before = (archive.out / "cases" / "26-1" / "case.json").stat().st_mtime_ns
    micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    assert (archive.out / "cases" / "26-1" / "case.json").stat().st_mtime_ns == before


def test_a_case_waits_for_a_slide_whose_row_is_wrong(archive, micromet: Command):
    archive.add("a.svs", "negative")
    archive.add("b.svs", "negative")
    table = archive.manifest("slide,accession,node_id,pieces,control_result\na,1,1,all,passed\nb,1,2,all,fialed\n")
    assert micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q").status == 3
    (case,) = archive.rows("cases")
    assert (case["status"], case["pn_category"], case["slides_expected"]) == ("incomplete", None, 2)


def test_the_newest_assessable_scan_counts(archive, micromet: Command):
    archive.add("a.svs", "he")
    archive.add("a2.svs", "negative")
    archive.add("a3.svs", "he")
    table = archive.manifest(
        "slide,accession,node_id,pieces,scan_time,rescan_of\n"
        "a,1,1,all,2026-03-01,\na2,1,1,all,2026-03-02,a\na3,1,1,all,2026-03-03,a2\n"
    )
    micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    assert {row["slide_id"]: row["superseded_by"] for row in archive.rows("slides")} == {
        "a": "a2", "a2": None, "a3": "a2",
    }  # fmt: skip
    assert archive.rows("cases")[0]["slides_expected"] == 1
    assert archive.rows("positives_by_week") == [
        {
            "scan_week": "2026-W10", "n_slides": 1, "n_not_assessable": 0, "n_negative": 1, "n_itc": 0,
            "n_micrometastasis": 0, "n_macrometastasis": 0,
        }
    ]  # fmt: skip


def test_slides_of_a_run_whose_control_failed_are_not_assessable(archive, micromet: Command):
    archive.add("control.svs", "itc")
    archive.add("a.svs", "negative")
    archive.add("b.svs", "negative")
    table = archive.manifest("slide,stain_run,control_result,role\ncontrol,R1,failed,control\na,R1,,\nb,R2,,\n")
    micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    found = {row["slide_id"]: row["category"] for row in archive.rows("slides")}
    assert (found["a"], found["b"]) == ("not_assessable", "negative")
    assert {row["stain_run"]: row["control_failed"] for row in archive.rows("control_chart")} == {"R1": 1, "R2": 0}


# -- the database is what the folders are --------------------------------------------------------


def test_reindex_gives_what_the_run_wrote(archive, micromet: Command):
    archive.add("a.svs")
    archive.add("b.svs", "negative")
    shutil.copy(archive.root / "a.svs", archive.root / "z.svs")
    (archive.root / "broken.svs").write_bytes(b"II*\0 no slide")
    table = archive.manifest("slide,accession,node_id,role\na,1,1,\nb,1,2,exclude\n")
    micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "-q")
    before = {name: archive.rows(name) for name in (*TABLES, *VIEWS)}
    assert {row["state"] for row in before["slides"]} == {"done", "failed", "excluded", "duplicate"}
    for name in archive.out.glob("archive.sqlite*"):
        name.unlink()
    assert is_one_line(micromet("archive", "status", archive.out).err)
    assert micromet("archive", "reindex", archive.out).status == 0
    assert {name: archive.rows(name) for name in (*TABLES, *VIEWS)} == before


def test_verify_names_what_has_changed(archive, micromet: Command):
    archive.add("a.svs")
    archive.add("b.svs")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")
    (archive.out / "a" / "clusters.csv").write_text("forged")
    with sqlite3.connect(archive.out / "archive.sqlite") as database:
        database.execute("UPDATE slides SET category = 'negative' WHERE slide_id = 'b'")
    database.close()
    ran = micromet("archive", "verify", archive.out)
    assert ran.status == 1
    assert "a: clusters.csv has changed" in ran.out
    assert "database, slides: b is not as in its folder" in ran.out


def test_export_writes_every_table_and_view(archive, micromet: Command, tmp_path):
    archive.add("=a.svs")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")
    ran = micromet("archive", "export", archive.out, "--to", tmp_path / "tables")
    names = {Path(line).stem for line in ran.out.splitlines()}
    assert names == {*TABLES, *VIEWS} - {"meta"}
    assert (tmp_path / "tables" / "worklist.csv").read_text().splitlines()[1].startswith("'=a,")


def test_a_database_of_another_version_is_made_again_or_refused(archive, micromet: Command):
    archive.add("a.svs")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")

    def pretend(version: str) -> None:
        with sqlite3.connect(archive.out / "archive.sqlite") as database:
            database.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", [version])
        database.close()

    pretend("0")
    assert micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q").status == 0
    assert len(archive.rows("runs")) == 2
    pretend("99")
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")
    assert ran.status == 1
    assert "made by a later version" in ran.err


# -- shards --------------------------------------------------------------------------------------


def test_shards_and_reindex_come_to_the_same(archive, micromet: Command):
    for number in range(3):
        archive.add(f"{number}.svs")
    table = archive.manifest("slide,accession,node_id,pieces\n0,1,1,all\n1,1,2,all\n2,2,1,all\n")
    arguments = ("batch", archive.root, "--manifest", table, "--workers", 1, "-q", "-o")
    assert micromet(*arguments, archive.out).status == 0
    whole = contents(archive.out)
    other = archive.out.with_name("sharded")
    for shard in ("1/2", "2/2"):
        assert micromet(*arguments, other, "--shard", shard).status == 0
    assert not list(other.glob("archive.sqlite"))
    assert micromet("archive", "reindex", other).status == 0
    assert contents(other) == whole
    assert micromet("archive", "verify", other).status == 0
    assert micromet("batch", archive.root, "-o", other, "--shard", "3/2").status == 2


# -- what breaks ---------------------------------------------------------------------------------


@needs_posix
def test_a_fault_in_compiled_code_costs_its_slide(archive):
    archive.add("a.svs")
    archive.add("b.svs")
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    os.kill(worker_of(archive.out / ".batch" / "notes" / "0001" / "a", batch, "phase glass"), signal.SIGSEGV)
    out, err = batch.communicate(timeout=120)
    assert batch.returncode == 3, err
    lines = {line["slide_id"]: line for line in map(json.loads, out.splitlines())}
    assert (lines["a"]["failure"]["kind"], lines["b"]["state"]) == ("crash", "done")
    failed = json.loads((archive.out / "a" / "failed.json").read_text())
    assert "Segmentation fault" in failed["line"]
    assert failed["phase"] not in ("start", "identify")
    assert failed["fingerprint"].startswith("micromet-fp1:")
    assert "analyze_slide" in failed["trace"]


@needs_posix
def test_a_worker_that_is_killed_once_is_forgiven(archive):
    archive.add("a.svs")
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    os.kill(worker_of(archive.out / ".batch" / "notes" / "0001" / "a", batch, "phase glass"), signal.SIGKILL)
    out, err = batch.communicate(timeout=120)
    assert batch.returncode == 0, err
    assert json.loads(out)["state"] == "done"
    assert not list((archive.out / ".batch" / "notes").glob("*/*"))


@needs_posix
def test_a_slide_that_never_ends_is_ended(archive):
    archive.add("b.svs")
    (archive.root / "a.ome.zarr").mkdir()
    os.mkfifo(archive.root / "a.ome.zarr" / "zarr.json")  # opening it waits for a writer that never comes
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1, "--json", "--time-limit", 5)
    out, err = batch.communicate(timeout=120)
    assert batch.returncode == 3, err
    lines = {line["slide_id"]: line for line in map(json.loads, out.splitlines())}
    assert lines["a.ome"]["failure"]["kind"] == "time"
    assert "took longer than 5 s" in lines["a.ome"]["failure"]["line"]
    assert str(Path.home()) not in (archive.out / "a.ome" / "failed.json").read_text()
    assert lines["b"]["state"] == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_slide_that_wants_too_much_memory_is_refused_it(archive):
    archive.add("a.svs")
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1, "--json", "--memory-limit", 256)
    out, err = batch.communicate(timeout=120)
    assert batch.returncode == 1, err
    failure = json.loads(out)["failure"]
    assert failure["kind"] in ("memory", "crash"), failure
    assert failure["line"].count("\n") == 0


@needs_posix
@pytest.mark.parametrize("victim", ["main", "worker", "group"])
def test_a_run_that_is_killed_is_finished_by_the_next(archive, victim, micromet: Command):
    for number in range(3):
        archive.add(f"{number}.svs")
    table = archive.manifest("slide,accession,node_id,pieces\n0,1,1,all\n1,1,2,all\n2,2,1,all\n")
    arguments = ("batch", archive.root, "--manifest", table, "--workers", 1, "-o")
    batch = start(*arguments, archive.out)
    worker = worker_of(archive.out / ".batch" / "notes" / "0001" / "1", batch, "phase glass")
    if victim == "group":
        os.killpg(batch.pid, signal.SIGKILL)
    else:
        os.kill(batch.pid if victim == "main" else worker, signal.SIGKILL)
    batch.communicate(timeout=120)
    first = (archive.out / "0" / "result.json").stat().st_mtime_ns
    assert micromet(*arguments, archive.out, "-q").status == 0
    assert (archive.out / "0" / "result.json").stat().st_mtime_ns == first
    assert micromet("archive", "verify", archive.out).status == 0
    undisturbed = archive.out.with_name("undisturbed")
    assert micromet(*arguments, undisturbed, "-q").status == 0
    assert contents(archive.out) == contents(undisturbed)


@needs_posix
def test_a_run_that_is_asked_to_end_says_so(archive):
    for number in range(3):
        archive.add(f"{number}.svs")
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1)
    worker_of(archive.out / ".batch" / "notes" / "0001" / "1", batch, "phase glass")
    batch.send_signal(signal.SIGTERM)
    _, err = batch.communicate(timeout=60)
    assert batch.returncode == 130
    assert "stopped" in err
    assert archive.rows("runs")[0]["state"] == "interrupted"
    assert archive.state()["2"] == "pending"


@needs_posix
def test_a_second_batch_names_the_holder_of_the_lock(archive, micromet: Command):
    archive.add("a.svs")
    (archive.root / "wait.zarr").mkdir()
    os.mkfifo(archive.root / "wait.zarr" / "zarr.json")
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1, "--time-limit", 20)
    worker_of(archive.out / ".batch" / "notes" / "0001" / "wait", batch)
    for arguments in ((), ("--shard", "1/2")):
        ran = micromet("batch", archive.root, "-o", archive.out, *arguments)
        assert ran.status == 1
        assert is_one_line(ran.err)
        assert f"process {batch.pid} of this machine" in ran.err
    os.killpg(batch.pid, signal.SIGKILL)
    batch.communicate()
    shutil.rmtree(archive.root / "wait.zarr")
    assert micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q").status == 0


@needs_posix
def test_what_is_no_file_is_refused_at_once(archive, micromet: Command):
    archive.root.mkdir()
    os.mkfifo(archive.root / "pipe.svs")
    (archive.root / "zero.svs").symlink_to("/dev/zero")
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert ran.status == 1
    for line in map(json.loads, ran.out.splitlines()):
        assert "is a pipe or a device" in line["failure"]["line"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here gives an I/O error")
def test_what_may_pass_is_tried_three_times(archive, micromet: Command, monkeypatch):
    monkeypatch.setattr("micromet_path.apps.batch.collector._PAUSES_SECONDS", (0.1, 0.2))
    archive.add("b.svs")
    (archive.root / "a.svs").symlink_to("/proc/self/mem")  # its first byte cannot be read: EIO
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert ran.status == 3
    lines = {line["slide_id"]: line for line in map(json.loads, ran.out.splitlines())}
    assert lines["a"]["failure"]["kind"] == "io"
    assert archive.rows("failures")[0]["attempts"] == 3
    (archive.root / "a.svs").unlink()
    archive.add("a.svs")
    assert micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q").status == 0


def test_a_slide_that_goes_away_costs_itself(archive, micromet: Command):
    archive.add("a.svs")
    archive.add("b.svs")
    table = archive.manifest("slide\na.svs\nb.svs\ngone.svs\n")
    ran = micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "--json")
    lines = {line["slide_id"]: line for line in map(json.loads, ran.out.splitlines())}
    assert "does not exist" in lines["gone"]["failure"]["line"]
    archive.add("gone.svs")
    ran = micromet("batch", archive.root, "-o", archive.out, "--manifest", table, "--workers", 1, "--json")
    assert {line["slide_id"]: line["state"] for line in map(json.loads, ran.out.splitlines())}["gone"] == "done"


@needs_posix
def test_a_slide_that_is_deleted_during_the_run_costs_itself(archive):
    archive.add("a.svs")
    gone = archive.add("b.svs")
    archive.add("c.svs")
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    worker_of(archive.out / ".batch" / "notes" / "0001" / "a", batch, "phase glass")
    gone.unlink()
    out, err = batch.communicate(timeout=120)
    assert batch.returncode == 3, err
    lines = {line["slide_id"]: line for line in map(json.loads, out.splitlines())}
    assert (lines["a"]["state"], lines["c"]["state"]) == ("done", "done")
    assert "b.svs does not exist" in lines["b"]["failure"]["line"]


def test_names_of_any_kind(archive, micromet: Command):
    names = ["Größe µ 切片.svs", f"{'n' * 190}.svs", "a b'c\"d.svs", "-rf.svs", "%20.svs"]
    for name in names:
        archive.add(name)
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert ran.status == 0, ran.err
    assert len(archive.rows("worklist")) == len(names)
    assert micromet("archive", "verify", archive.out).status == 0


def test_a_clock_that_moves_back_changes_nothing(archive, micromet: Command, monkeypatch):
    from datetime import UTC, datetime, timedelta

    from micromet_path.apps.archive import runs

    archive.add("a.svs")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q")
    past = (datetime.now(UTC) - timedelta(days=400)).isoformat(timespec="seconds")
    monkeypatch.setattr("micromet_path.apps.batch.running.now", lambda: past)
    table = archive.manifest("slide,accession\na,26-1\n")
    micromet("batch", archive.root, "-o", archive.out, "--workers", 1, "-q", "--manifest", table)
    assert [run.number for run in runs.read_runs(archive.out)] == [1, 2]
    assert runs.run_numbers(archive.out) == {1, 2}
    assert archive.rows("slides")[0]["accession"] == "26-1"  # the later run, whatever its clock says
    micromet("archive", "reindex", archive.out)
    assert archive.rows("slides")[0]["accession"] == "26-1"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small disk needs root and Linux")
def test_a_full_disk_is_told_and_the_rest_is_done_later(archive, micromet: Command, tmp_path):
    for number in range(4):
        archive.add(f"{number}.svs")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        ran = micromet("batch", archive.root, "-o", small / "out", "--workers", 1, "--json")
        assert ran.status in (1, 3)
        assert "Traceback" not in ran.err
        assert "No space left on device" in ran.err
        states = [json.loads(line)["state"] for line in ran.out.splitlines()]
        assert len(states) == 4
        assert "failed" in states
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True, capture_output=True)
        assert micromet("batch", archive.root, "-o", small / "out", "--workers", 1, "-q").status == 0
        assert micromet("archive", "verify", small / "out").status == 0
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False, capture_output=True)


@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="to be held to modes needs setpriv")
def test_what_may_not_be_read_or_written_is_told(archive):
    archive.add("secret.svs").chmod(0)
    archive.add("open.svs")
    archive.out.mkdir(mode=0o500)
    held = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")

    def run(*arguments: object) -> Ran:
        command = [*held, *MICROMET, *map(str, arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    ran = run("batch", archive.root, "-o", archive.out, "--workers", 1)
    assert ran.status == 1
    assert is_one_line(ran.err)
    assert "cannot be written" in ran.err
    archive.out.chmod(0o700)
    ran = run("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    lines = {line["slide_id"]: line for line in map(json.loads, ran.out.splitlines())}
    assert ran.status == 3, ran.err
    assert "Permission denied" in lines["secret"]["failure"]["line"]
    assert lines["open"]["state"] == "done"
    (archive.root / "secret.svs").chmod(0o600)  # nothing in it changed, and yet it is tried again
    ran = run("batch", archive.root, "-o", archive.out, "--workers", 1, "--json")
    assert {line["slide_id"]: line["state"] for line in map(json.loads, ran.out.splitlines())} == {
        "open": "reused", "secret": "done",
    }  # fmt: skip


def test_patient_data_stays_in_the_slide(shared, archive, micromet: Command):
    slide = shared / "slides" / "cmu-1-small-region.svs"
    if not slide.is_file():
        pytest.skip("cmu-1-small-region.svs is not here")
    archive.root.mkdir()
    shutil.copy(slide, archive.root)
    ran = micromet("batch", archive.root, "-o", archive.out, "--workers", 1)
    secrets = [b"b414003d", b"12/29/09", b"09:59:15", b"CPAPERIOCS", b"1004486", b"AperioLabel"]
    assert any(secret in slide.read_bytes() for secret in secrets)
    for path in archive.out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret in content], path
    assert not [secret for secret in secrets if secret.decode() in ran.out + ran.err]
