"""The archive's database: SQLite beside the results, or PostgreSQL by its URL. One writer, the collector of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from micromet_path.apps.archive.folders import archive_id
from micromet_path.apps.archive.rows import CaseRows, SlideRows
from micromet_path.apps.archive.schema import SCHEMA_VERSION, TABLES, VIEWS, metadata
from micromet_path.errors import ConfigError, ResultError

__all__ = ["DATABASE_FILE", "ArchiveDatabase", "open_database"]

DATABASE_FILE = "archive.sqlite"

_Made = TypeVar("_Made")

_VERSION, _FILLING, _ARCHIVE, _RUN = "schema_version", "is_being_filled", "archive_id", "run_in_work"

_PATIENCE_SECONDS = 300.0  # a server is restarted within that, or it is no restart
_LONGEST_PAUSE_SECONDS = 5.0
_BUSY_MS = 30_000


class ArchiveDatabase:
    """What an archive's database holds and how it changes; each change is one transaction, and may be made twice.

    Parameters
    ----------
    engine : Engine
    patience : float
        Seconds for which a server that is gone is waited for.
    """

    def __init__(self, engine: Engine, patience: float = _PATIENCE_SECONDS):
        self._engine = engine
        self._patience = patience
        self.is_new = False

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    # -- changes -----------------------------------------------------------------------------------

    def put_slides(self, rows: Iterable[SlideRows]) -> None:
        """Write slides with their clusters and failures, in place of what is there of them."""
        written = list(rows)
        ids = [one.slide["slide_id"] for one in written]
        slides, clusters, failures = TABLES["slides"], TABLES["clusters"], TABLES["failures"]

        def change(connection: Connection) -> None:
            known = connection.execute(
                select(slides.c.slide_id, slides.c.superseded_by).where(slides.c.slide_id.in_(ids))
            )
            superseded = {row[0]: row[1] for row in known}
            for table in (clusters, failures, slides):
                connection.execute(table.delete().where(table.c.slide_id.in_(ids)))
            blank = dict.fromkeys(slides.c.keys())
            every: list[tuple[Table, list[dict[str, Any]]]] = [
                (
                    slides,
                    [{**blank, "superseded_by": superseded.get(one.slide["slide_id"]), **one.slide} for one in written],
                ),
                (clusters, [cluster for one in written for cluster in one.clusters]),
                (failures, [one.failure for one in written if one.failure is not None]),
            ]
            for table, lines in every:
                if lines:
                    connection.execute(table.insert(), lines)

        self._change(change)

    def put_case(self, rows: CaseRows) -> None:
        """Write a case with its nodes, in place of what is there of it."""
        cases, nodes = TABLES["cases"], TABLES["nodes"]

        def change(connection: Connection) -> None:
            for table in (nodes, cases):
                connection.execute(table.delete().where(table.c.case_id == rows.case["case_id"]))
            connection.execute(cases.insert(), {**dict.fromkeys(cases.c.keys()), **rows.case})
            if rows.nodes:
                connection.execute(nodes.insert(), rows.nodes)

        self._change(change)

    def put_run(self, row: Mapping[str, Any]) -> None:
        """Write a run in place of what is there of it."""
        runs = TABLES["runs"]

        def change(connection: Connection) -> None:
            connection.execute(runs.delete().where(runs.c.number == row["number"]))
            connection.execute(runs.insert(), dict(row))

        self._change(change)

    def keep_cases(self, case_ids: Collection[str]) -> None:
        """Take away every case but these."""
        cases, nodes = TABLES["cases"], TABLES["nodes"]
        kept = set(case_ids)

        def change(connection: Connection) -> None:
            for (case_id,) in connection.execute(select(cases.c.case_id)).all():
                if case_id not in kept:
                    for table in (nodes, cases):
                        connection.execute(table.delete().where(table.c.case_id == case_id))

        self._change(change)

    def mark_superseded(self, superseded: Mapping[str, str]) -> None:
        """Say of each slide which other scan of the same glass counts instead."""
        slides = TABLES["slides"]

        def change(connection: Connection) -> None:
            found = connection.execute(select(slides.c.slide_id, slides.c.superseded_by)).all()
            for slide_id, before in found:
                if superseded.get(slide_id) != before:
                    where = slides.c.slide_id == slide_id
                    connection.execute(slides.update().where(where).values(superseded_by=superseded.get(slide_id)))

        self._change(change)

    @contextmanager
    def filled_anew(self) -> Iterator[None]:
        """Take every row away, to be written again while the block runs; the database is not trusted before it ends."""

        def change(connection: Connection) -> None:
            for table in reversed(metadata.sorted_tables):
                if table is not TABLES["meta"]:
                    connection.execute(table.delete())

        self.distrust()
        self._change(change)
        yield
        self._change(lambda connection: _say(connection, _FILLING, None))
        self.is_new = False

    def begin_run(self, number: int) -> bool:
        """Note that a run begins; whether the one before ended without saying so."""

        def change(connection: Connection) -> bool:
            was_left = _says(connection, _RUN) is not None
            _say(connection, _RUN, str(number))
            return was_left

        return self._change(change)

    def end_run(self) -> None:
        """Note that the run has ended, and that all that it did is here."""
        self._change(lambda connection: _say(connection, _RUN, None))

    def distrust(self) -> None:
        """Say that it does not hold what the folders do: whoever opens it next makes it again."""
        self._change(lambda connection: _say(connection, _FILLING, "yes"))

    # -- questions ---------------------------------------------------------------------------------

    def rows(self, name: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and rows of a table, by its key, or of a view, as it is ordered."""

        def ask(connection: Connection) -> tuple[list[str], list[tuple[Any, ...]]]:
            table = TABLES.get(name)
            if table is None and name not in VIEWS:
                raise ConfigError(f"there is no table or view {name}; there are {', '.join([*TABLES, *VIEWS])}")
            asked = text(f"SELECT * FROM {name}") if table is None else select(table).order_by(*table.primary_key)
            found = connection.execute(asked)
            return list(found.keys()), [tuple(row) for row in found]

        return self._change(ask)

    def cluster_counts(self) -> list[tuple[str, int]]:
        """Clusters of each slide that has any."""
        clusters = TABLES["clusters"]
        asked = select(clusters.c.slide_id, func.count()).group_by(clusters.c.slide_id).order_by(clusters.c.slide_id)
        return self._change(lambda connection: [(row[0], row[1]) for row in connection.execute(asked)])

    def records(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table or a view by column."""
        columns, rows = self.rows(name)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    # -- what is beneath ---------------------------------------------------------------------------

    def prepare(self, archive_id: str) -> None:
        """Make tables and views where there are none; `is_new` says afterwards that they are empty.

        Parameters
        ----------
        archive_id : str
            Of the archive that it is to hold, and no other.

        Raises
        ------
        ResultError
            If a later version of the program made them, another program did, or they hold another archive.
        """

        def change(connection: Connection) -> bool:
            found = _version(connection)
            if found is not None and found > SCHEMA_VERSION:
                raise ResultError(
                    f"{self.name} was made by a later version of micromet_path (schema {found}, expected "
                    f"{SCHEMA_VERSION}); update the program"
                )
            if found is None and (others := set(inspect(connection).get_table_names()) & set(TABLES)):
                raise ResultError(
                    f"{self.name} has tables of another program ({', '.join(sorted(others))}); name one of its own"
                )
            if found is not None and _says(connection, _ARCHIVE) not in (None, archive_id):
                raise ResultError(f"{self.name} holds another archive; one database holds one, so name another")
            if found == SCHEMA_VERSION:
                return _says(connection, _FILLING) is not None
            for view in VIEWS:
                connection.execute(text(f"DROP VIEW IF EXISTS {view}"))
            if found is not None:  # nothing is in it that the folders do not hold
                metadata.drop_all(connection)
            metadata.create_all(connection)
            for view, asked in VIEWS.items():
                connection.execute(text(f"CREATE VIEW {view} AS {asked}"))
            for key, value in {_VERSION: str(SCHEMA_VERSION), _FILLING: "yes", _ARCHIVE: archive_id}.items():
                _say(connection, key, value)
            return True

        self.is_new = self._change(change)

    def _change(self, work: Callable[[Connection], _Made]) -> _Made:
        """Do something in one transaction; where the server went away, once more when it is back.

        Raises
        ------
        ResultError
            If it cannot be done.
        """
        begin = time.monotonic()
        pause = 0.2
        while True:
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                is_gone = error.connection_invalidated or self._cannot_connect(error)
                if not is_gone or time.monotonic() - begin > self._patience:
                    raise ResultError(f"the database {self.name} failed: {_first_line(error)}") from error
                self._engine.dispose()
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            except SQLAlchemyError as error:
                raise ResultError(f"the database {self.name} failed: {_first_line(error)}") from error

    def _cannot_connect(self, error: DBAPIError) -> bool:
        """Whether a server does not answer, or not yet; a file that cannot be opened is no server."""
        if self._engine.dialect.name == "sqlite" or self.is_first:
            return False
        return type(error.orig).__name__ in ("OperationalError", "AdminShutdown", "CannotConnectNow", "InterfaceError")

    is_first = False
    """Whether nothing was said to the server yet: then a wrong address is no restart."""


def open_database(out: Path, url: str | None = None, patience: float = _PATIENCE_SECONDS) -> ArchiveDatabase:
    """Open the database of an archive, and make it where there is none.

    Parameters
    ----------
    out : Path
        Folder of the results.
    url : str or None
        As SQLAlchemy writes it, such as ``postgresql://user@host/archive``; ``archive.sqlite`` in the folder without.
    patience : float
        Seconds for which a server that is gone is waited for.

    Raises
    ------
    ConfigError
        If the URL cannot be used.
    ResultError
        If the database cannot be opened or written, or is of a later version, another program or another archive.
    """
    if url is None:
        out.mkdir(parents=True, exist_ok=True)
    engine = _engine(f"sqlite:///{(out / DATABASE_FILE).absolute()}" if url is None else url)
    database = ArchiveDatabase(engine, patience)
    database.is_first = True
    database.prepare(archive_id(out))
    database.is_first = False
    return database


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ConfigError(
                f"the database is {parsed.get_backend_name()}; expected postgresql://... or sqlite:///..."
            )
        engine = create_engine(parsed, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error}; install micromet-path with the extra [postgresql]") from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigError(f"the database URL cannot be used: {_first_line(error)}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """Readers do not stop the writer, a row has its parent, and what is committed survives the process."""
    for setting in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = NORMAL", f"busy_timeout = {_BUSY_MS}"):
        connection.execute(f"PRAGMA {setting}")


def _version(connection: Connection) -> int | None:
    """Of the tables; None where there are none."""
    if not inspect(connection).has_table("meta"):
        return None
    found = _says(connection, _VERSION)
    return int(found) if found is not None and found.isdigit() else 0


def _says(connection: Connection, key: str) -> str | None:
    meta = TABLES["meta"]
    found: str | None = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()
    return found


def _say(connection: Connection, key: str, value: str | None) -> None:
    """Keep one fact in place of what was kept by its name; with None, none."""
    meta = TABLES["meta"]
    connection.execute(meta.delete().where(meta.c.key == key))
    if value is not None:
        connection.execute(meta.insert(), {"key": key, "value": value})


def _first_line(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    return next(iter(str(original).splitlines()), type(error).__name__)
