"""The archive in a real PostgreSQL: the same contents as in SQLite, also when the server is restarted in the middle."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from micromet_path.apps.archive.database import open_database
from micromet_path.apps.archive.schema import TABLES, VIEWS
from tests.apps.batches import start, worker_of
from tests.apps.conftest import Command, is_one_line

pytest.importorskip("psycopg")
_FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if sys.platform == "linux" else []
BINARIES = next((folder for folder in reversed(_FOUND) if (folder / "initdb").is_file()), None)
if BINARIES is None:
    pytest.skip("PostgreSQL is not installed here (Debian: apt install postgresql)", allow_module_level=True)


class Server:
    """A server on a free port, of an ordinary user: PostgreSQL does not run as root."""

    def __init__(self, folder: Path):
        self._data = folder / "data"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = int(taken.getsockname()[1])
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:
            import pwd

            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._do("initdb", "-D", self._data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._data} -c fsync=off"
        self._do("pg_ctl", "-D", self._data, "-w", "-l", self._data / "log", "-o", options, "start")

    def stop(self) -> None:
        self._do("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def _do(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [str(BINARIES / program), *map(str, arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=60,
            **self._as,
        )


@pytest.fixture
def server():
    folder = Path(tempfile.mkdtemp(prefix="micromet-pg-"))  # an ordinary user may not enter pytest's own
    made = Server(folder)
    yield made
    try:
        made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def contents(out: Path, url: str | None) -> dict[str, list[dict[str, object]]]:
    database = open_database(out, url)
    try:
        found = {name: database.records(name) for name in (*TABLES, *VIEWS) if name != "meta"}
    finally:
        database.close()
    for run in found["runs"]:
        del run["started"], run["finished"]
    return {name: [{k: _plain(v) for k, v in row.items()} for row in rows] for name, rows in found.items()}


def _plain(value: object) -> object:
    """Averages of PostgreSQL may be decimals, and differ in the last bit with the order of the rows."""
    return round(float(value), 9) if isinstance(value, float) else value


def test_both_databases_hold_the_same(archive, server, micromet: Command):
    archive.add("a.svs")
    archive.add("b.svs", "he")
    archive.add("c.svs", "negative")
    (archive.root / "broken.svs").write_bytes(b"II*\0 no slide")
    table = archive.manifest(
        "slide,accession,node_id,pieces,stain_run,scan_time,clone\n"
        "a,1,1,all,R1,2026-03-01,AE1/AE3\nb,1,2,all,R1,2026-03-01,AE1/AE3\nc,2,1,all,R2,2026-03-09,\n"
    )
    arguments = ("batch", archive.root, "--manifest", table, "--workers", 1, "-q", "-o")
    assert micromet(*arguments, archive.out, "--database", server.url).status == 3
    other = archive.out.with_name("sqlite")
    assert micromet(*arguments, other).status == 3
    assert not list(archive.out.glob("archive.sqlite*"))
    assert contents(archive.out, server.url) == contents(other, None)
    before = contents(archive.out, server.url)
    assert micromet("archive", "reindex", archive.out, "--database", server.url).status == 0
    assert contents(archive.out, server.url) == before
    assert micromet("archive", "verify", archive.out, "--database", server.url).status == 0


def test_a_restart_in_the_middle_is_survived(archive, server, micromet: Command):
    for number in range(4):
        archive.add(f"{number}.svs")
    batch = start("batch", archive.root, "-o", archive.out, "--workers", 1, "--database", server.url, "--json")
    worker_of(archive.out / ".batch" / "notes" / "0001" / "1", batch, "phase glass")
    server.stop()
    again = threading.Timer(3.0, server.start)
    again.start()
    out, err = batch.communicate(timeout=180)
    again.join()
    assert batch.returncode == 0, err
    assert len(out.splitlines()) == 4
    assert micromet("archive", "verify", archive.out, "--database", server.url).status == 0


def test_a_server_that_is_not_there_is_told_at_once(archive, micromet: Command):
    archive.add("a.svs")
    url = "postgresql://tester:secret@127.0.0.1:1/postgres"
    ran = micromet("batch", archive.root, "-o", archive.out, "--database", url)
    assert ran.status == 1
    assert is_one_line(ran.err)
    assert "secret" not in ran.err
    ran = micromet("batch", archive.root, "-o", archive.out, "--database", "oracle://x")
    assert ran.status == 1
    assert is_one_line(ran.err)
