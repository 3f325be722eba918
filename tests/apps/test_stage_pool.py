"""Tables of cases in several processes: what is said does not tell of them, and none of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest

from micromet_path.apps.cli import stage, stage_pool
from micromet_path.results.case_files import read_case_rows
from micromet_path.results.case_of_rows import CaseRows
from tests.apps.conftest import Command, Ran, is_one_line
from tests.results.many_cases import write_table

ROOT = Path(__file__).resolve().parents[2]
MICRO = ROOT / "configs" / "cases" / "sentinel-micrometastasis.toml"
SHARED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started without
from micromet_path.apps.cli import main, stage, stage_pool
stage._ALONE, stage_pool._CHUNK, stage.default_workers = 50, 100, lambda: 2
main()
"""
FORMS = [(), ("--json", "--context"), ("--fhir",), ("--csv",), ("--synoptic",)]


@pytest.fixture
def micromet(micromet: Command) -> Command:
    """`micromet stage` in this process."""
    return partial(micromet, "stage")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many processes share a table, and that small ones are shared as well."""

    def share(workers: int) -> None:
        monkeypatch.setattr(stage, "_ALONE", 50)
        monkeypatch.setattr(stage_pool, "_CHUNK", 100)
        monkeypatch.setattr(stage, "default_workers", lambda: workers)

    return share


@pytest.fixture
def alone(shared: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors, and a process that is started is an error."""
    shared(2)
    monkeypatch.setattr(stage_pool, "get_context", lambda method: pytest.fail("a process is started"))


def damaged_table(path: Path, n_cases: int) -> Path:
    """A table in which each twentieth line or so is wrong, in one of six ways."""
    lines = write_table(path, n_cases).read_bytes().splitlines(keepends=True)
    for number in range(7, len(lines), 19):
        case_id, comma, rest = lines[number].partition(b",")
        lines[number] = (
            case_id + b",only two cells\n",
            case_id + b'"' + comma + rest,
            b"," + rest,
            case_id + b"\xff" + comma + rest,
            case_id + comma + b"another" + rest,
            lines[5],
        )[number % 6]
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0] if form else "text")
def test_several_processes_say_what_one_says(
    micromet: Callable[..., Ran], shared: Callable[[int], None], tmp_path: Path, form: tuple[str, ...]
) -> None:
    tables = [damaged_table(tmp_path / "a.csv", 120), write_table(tmp_path / "b.csv", 30, seed=1)]
    arguments = (tables[0], tmp_path / "none.toml", MICRO, tables[1], tmp_path / "none.csv", *form)
    shared(1)
    expected = micromet(*arguments)
    shared(2)
    assert micromet(*arguments) == expected
    assert expected.status == 3
    assert len(expected.err.splitlines()) > 12
    assert active_children() == []


def test_a_defect_in_another_process_is_told_in_full(
    micromet: Callable[..., Ran], shared: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_defects(path: Path) -> Iterator[CaseRows]:
        for number, rows in enumerate(read_case_rows(path)):
            yield rows if number % 70 != 69 else rows._replace(rows=[])

    monkeypatch.setattr(stage, "read_case_rows", with_defects)
    table = write_table(tmp_path / "cases.csv", 210)
    shared(1)
    expected = micromet(table, "--csv")
    shared(2)
    assert micromet(table, "--csv") == expected
    assert (expected.status, expected.out.count("\n")) == (3, 208)
    assert expected.err.count("\nIndexError: ") == expected.err.count("this is a defect of micromet_path") == 3


def test_a_process_that_dies_takes_no_case_with_it(
    micromet: Callable[..., Ran], shared: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_deaths(form: str, texts: Iterable[str]) -> None:
        for number, text in enumerate(texts):
            if number == 60:
                killed.extend(active_children())
                for process in killed:
                    process.kill()
            sys.stdout.write(text)

    killed: list[object] = []
    table = damaged_table(tmp_path / "cases.csv", 350)
    shared(1)
    expected = micromet(table, "--json")
    shared(2)
    monkeypatch.setattr(stage, "print_texts", with_deaths)
    ran = micromet(table, "--json")
    assert len(killed) == 2
    assert (ran.status, ran.out) == (expected.status, expected.out)
    told = [line for line in ran.err.splitlines(keepends=True) if line not in expected.err]
    (line,) = told
    assert (
        line
        == "micromet: a process that stages cases could not start, or ended early; its cases are staged all the same\n"
    )
    assert ran.err.replace(told[0], "") == expected.err


def test_the_processes_that_are_left_do_the_work_of_one_that_dies() -> None:
    """Each item tells which process did it; one of two is killed, and this one does what it had in hand."""
    done = []
    items = ["(__import__('time').sleep(0.0005), __import__('os').getpid())[1]"] * 12_000
    for number, pid in enumerate(stage_pool.in_order(eval, items, lambda item: 1, workers=2, alone=10)):
        done.append(pid)
        if number == 10:
            (killed, left) = active_children()
            killed.kill()
    own = done.count(os.getpid())
    assert len(done) == len(items)
    assert set(done) <= {os.getpid(), killed.pid, left.pid}
    assert 10 <= own <= 2010  # what it had in hand, and perhaps the one that was sent to it
    assert done.count(left.pid) > 7000


def test_a_process_that_cannot_start_is_not_missed(
    micromet: Callable[..., Ran], shared: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: object) -> None:
        raise BlockingIOError("no more processes")

    table = write_table(tmp_path / "cases.csv", 200)
    shared(1)
    expected = micromet(table, "--csv")
    shared(2)
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", refuse)
    ran = micromet(table, "--csv")
    assert (ran.status, ran.out) == (0, expected.out)
    assert is_one_line(ran.err)


@pytest.mark.usefixtures("alone")
def test_no_process_is_started_for_little(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    assert micromet(write_table(tmp_path / "cases.csv", 50), "--csv").status == 0
    assert micromet(*[MICRO] * 60, "--csv").out.count("\n") == 61


@pytest.mark.usefixtures("alone")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
def test_a_pipe_is_told_as_it_comes(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    content = write_table(tmp_path / "cases.csv", 100).read_bytes()
    os.mkfifo(tmp_path / "pipe.csv")
    writer = threading.Thread(target=(tmp_path / "pipe.csv").write_bytes, args=(content,))
    writer.start()
    assert micromet(tmp_path / "pipe.csv", "--csv").out.count("\n") == 101
    writer.join()


def test_what_the_work_raises_is_raised(shared: Callable[[int], None]) -> None:
    shared(2)
    done = stage_pool.in_order(abs, [-1, -2, "no number"], lambda item: 100, workers=2, alone=1)
    assert [next(done), next(done)] == [1, 2]
    with pytest.raises(TypeError):
        next(done)
    assert active_children() == []


# -- ends ----------------------------------------------------------------------------------------

posix = pytest.mark.skipif(not hasattr(os, "killpg"), reason="groups of processes are of POSIX")


def started(table: Path) -> subprocess.Popen[bytes]:
    """`micromet stage` of a table in several processes, in a group of their own, with some cases staged."""
    command = [sys.executable, "-c", SHARED, "stage", str(table), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def read(process: subprocess.Popen[bytes], n_lines: int) -> None:
    assert process.stdout is not None
    for _ in range(n_lines):
        assert process.stdout.readline()


def is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def assert_ended(process: subprocess.Popen[bytes], status: int, err: bytes) -> None:
    """None of the group is left, soon."""
    assert process.stderr is not None
    assert process.stdout is not None
    until = time.monotonic() + 20
    try:
        assert process.wait(20) == status
        while is_running(process.pid):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert process.stderr.read() == err
    finally:
        process.stdout.close()
        process.stderr.close()


@posix
def test_a_reader_who_has_enough_ends_all(tmp_path: Path) -> None:
    process = started(write_table(tmp_path / "cases.csv", 500))
    read(process, 100)
    assert process.stdout is not None
    process.stdout.close()
    assert_ended(process, 1, b"")


@posix
@pytest.mark.parametrize("n_lines", [45, 100], ids=["while processes start", "while they work"])
def test_ctrl_c_ends_all(tmp_path: Path, n_lines: int) -> None:
    process = started(write_table(tmp_path / "cases.csv", 500))
    read(process, n_lines)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    assert_ended(process, 130, b"\nmicromet: stopped\n")


@posix
def test_processes_do_not_outlive_their_parent(tmp_path: Path) -> None:
    process = started(write_table(tmp_path / "cases.csv", 500))
    read(process, 100)
    process.kill()
    assert_ended(process, -signal.SIGKILL, b"")


def test_a_script_that_each_process_runs_again_prints_once(micromet: Callable[..., Ran], tmp_path: Path) -> None:
    """Spawned processes run the main script, which here does not ask whether it is the main one."""
    table = write_table(tmp_path / "cases.csv", 200)
    script = tmp_path / "script.py"
    script.write_text(SHARED, encoding="utf-8")
    done = subprocess.run([sys.executable, script, "stage", table, "--csv"], capture_output=True, text=True, check=True)
    assert done.stdout == micromet(table, "--csv").out
    assert is_one_line(done.stderr)
