"""A result folder is whole or not there."""

import os
import subprocess
import sys
import time

import pytest

from micromet_path.errors import ResultError
from micromet_path.results import folders
from micromet_path.results.folders import recover, writing


def write(target, text):
    with writing(target) as folder:
        (folder / "result.json").write_text(text)


def names(parent):
    return sorted(path.name for path in parent.iterdir())


@pytest.fixture
def dead_process():
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def unburied_process():
    """Number of a process that has ended and whose parent has not asked for it yet."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    process.stdout.read()
    time.sleep(0.2)
    yield process.pid
    process.stdout.close()
    process.wait()


def left_behind(parent, process, end, machine=None):
    path = parent / f".A.{machine or folders.machine_hash()}-{process}-0a1b2c3d.{end}"
    path.mkdir()
    (path / "result.json").write_text(end)
    return path


def test_new_and_replaced(tmp_path):
    write(tmp_path / "deep" / "A", "one")
    write(tmp_path / "deep" / "A", "two")
    assert (tmp_path / "deep" / "A" / "result.json").read_text() == "two"
    assert names(tmp_path / "deep") == ["A"]


def test_failure_leaves_what_was_there(tmp_path):
    write(tmp_path / "A", "one")
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "A") as folder:  # noqa: PT012
        (folder / "half").write_text("two")
        raise ZeroDivisionError
    assert (tmp_path / "A" / "result.json").read_text() == "one"
    assert names(tmp_path) == ["A"]


def test_failure_leaves_nothing_where_nothing_was(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing(tmp_path / "A"):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_rename_that_fails_brings_the_old_one_back(tmp_path, monkeypatch):
    write(tmp_path / "A", "one")
    rename = type(tmp_path).rename

    def failing(self, to):
        if self.suffix == ".new":
            raise PermissionError("in use")
        return rename(self, to)

    monkeypatch.setattr(type(tmp_path), "rename", failing)
    with pytest.raises(PermissionError):
        write(tmp_path / "A", "two")
    assert (tmp_path / "A" / "result.json").read_text() == "one"
    assert names(tmp_path) == ["A"]


def test_two_at_once_the_later_stays(tmp_path):
    with writing(tmp_path / "A") as first:
        (first / "result.json").write_text("first")
        write(tmp_path / "A", "second")
    assert (tmp_path / "A" / "result.json").read_text() == "first"
    assert names(tmp_path) == ["A"]


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "A").write_text("a file")
    with pytest.raises(ResultError, match="A is a file"), writing(tmp_path / "A"):
        pytest.fail("must not get here")


def test_recover_moves_the_old_one_back(tmp_path, dead_process):
    left_behind(tmp_path, dead_process, "old")
    left_behind(tmp_path, dead_process, "new")
    recover(tmp_path, "A")
    assert names(tmp_path) == ["A"]
    assert (tmp_path / "A" / "result.json").read_text() == "old"


def test_recover_deletes_the_old_one_that_has_a_successor(tmp_path, dead_process):
    write(tmp_path / "A", "one")
    left_behind(tmp_path, dead_process, "old")
    recover(tmp_path, "A")
    assert names(tmp_path) == ["A"]
    assert (tmp_path / "A" / "result.json").read_text() == "one"


def test_recover_spares_the_living_and_the_unknown(tmp_path):
    spared = [
        left_behind(tmp_path, os.getpid(), "new"),
        left_behind(tmp_path, 1, "old"),
        left_behind(tmp_path, 5, "new", machine="f00df00d"),
    ]
    (tmp_path / ".A.other.new").mkdir()
    (tmp_path / ".A.b.0123-4-5.new").mkdir()
    recover(tmp_path, "A")
    assert all(path.exists() for path in spared)
    assert len(names(tmp_path)) == 5


def test_recover_gives_up_on_another_machine_after_a_day(tmp_path):
    path = left_behind(tmp_path, 5, "new", machine="f00df00d")
    os.utime(path, (time.time() - 90_000,) * 2)
    recover(tmp_path, "A")
    assert names(tmp_path) == []


def test_recover_where_nothing_is(tmp_path):
    recover(tmp_path / "missing", "A")
    assert names(tmp_path) == []


def test_a_killed_process_loses_nothing(tmp_path):
    write(tmp_path / "A", "one")
    script = (
        "import sys, os; from pathlib import Path; from micromet_path.results.folders import writing\n"
        "with writing(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'result.json').write_text('two'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "A")], check=False, cwd=os.getcwd())
    assert len(names(tmp_path)) == 2
    recover(tmp_path, "A")
    assert names(tmp_path) == ["A"]
    assert (tmp_path / "A" / "result.json").read_text() == "one"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the state of a process cannot be told here")
def test_what_is_dead_and_not_buried_is_dead(tmp_path, unburied_process):
    left_behind(tmp_path, unburied_process, "new")
    recover(tmp_path, "A")
    assert names(tmp_path) == []
