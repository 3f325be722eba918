"""A batch on a dask cluster of separate processes: the same results, also when a worker dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from micromet_path.apps.bench.archive.compare import contents
from tests.apps.batches import start, worker_of
from tests.apps.conftest import Command, is_one_line

pytest.importorskip("distributed")
DASK = (sys.executable, "-m", "distributed.cli.dask_scheduler"), (sys.executable, "-m", "distributed.cli.dask_worker")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Cluster:
    """A scheduler and two workers on loopback."""

    def __init__(self, folder: Path, threads: int = 1):
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        port = self.address.rpartition(":")[2]
        self._start(*DASK[0], "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    break
            time.sleep(0.1)
        for number in range(2):
            local = folder / f"worker{number}"
            arguments = ("--nthreads", str(threads), "--no-dashboard", "--local-directory", str(local))
            self._start(*DASK[1], self.address, *arguments)

    def _start(self, *command: str) -> None:
        log = (self._folder / f"{len(self._processes)}.log").open("wb")
        self._processes.append(
            subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=self._folder)
        )
        log.close()

    def close(self) -> None:
        for process in reversed(self._processes):
            os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def cluster(tmp_path):
    made = []

    def make(threads: int = 1) -> Cluster:
        folder = tmp_path / "cluster"
        folder.mkdir()
        made.append(Cluster(folder, threads))
        return made[0]

    yield make
    for one in made:
        one.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_a_cluster_that_loses_a_worker_comes_to_the_same(archive, cluster, micromet: Command):
    for number in range(5):
        archive.add(f"{number}.svs")
    (archive.root / "broken.svs").write_bytes(b"II*\0 no slide")
    table = archive.manifest("slide,accession,node_id,pieces\n0,1,1,all\n1,1,2,all\n2,2,1,all\nbroken,3,1,all\n")
    arguments = ("batch", archive.root, "--manifest", table, "-o")
    address = cluster().address
    batch = start(*arguments, archive.out, "--scheduler", address, "--json")
    os.kill(worker_of(archive.out / ".batch" / "notes" / "0001" / "1", batch, "phase glass"), signal.SIGKILL)
    out, err = batch.communicate(timeout=180)
    assert batch.returncode == 3, err
    states = {line["slide_id"]: line["state"] for line in map(json.loads, out.splitlines())}
    assert states == {**dict.fromkeys("01234", "done"), "broken": "failed"}
    assert archive.rows("runs")[0]["engine"] == "dask"
    local = archive.out.with_name("local")
    assert micromet(*arguments, local, "--workers", 1, "-q").status == 3
    assert contents(archive.out) == contents(local)
    assert micromet("archive", "verify", archive.out).status == 0


def test_workers_with_several_threads_are_refused(archive, cluster, micromet: Command):
    archive.add("a.svs")
    ran = micromet("batch", archive.root, "-o", archive.out, "--scheduler", cluster(threads=2).address)
    assert ran.status == 1
    assert "--nthreads 1" in ran.err
    assert not list(archive.out.glob("a"))


def test_a_scheduler_that_is_not_there_is_told(archive, micromet: Command, monkeypatch):
    monkeypatch.setattr("micromet_path.apps.batch.engines._WAIT_FOR_WORKERS_SECONDS", 1)
    archive.add("a.svs")
    ran = micromet("batch", archive.root, "-o", archive.out, "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert ran.status == 1
    assert is_one_line(ran.err)
    assert "no scheduler with workers answers" in ran.err
    shutil.rmtree(archive.out)
