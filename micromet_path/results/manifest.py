"""What a laboratory knows of each slide of an archive: a table with one row a slide, or the slides' names.

The table is CSV as for cases: UTF-8, commas or semicolons between the cells, no line break in a cell. Only ``slide``
is required: the file's name, its stem, or its path from the table's own folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.parsing import parse_record, short_name
from micromet_path.results.table_columns import Column, TableForm, pieces, text
from micromet_path.results.table_rows import read_rows

__all__ = [
    "MANIFEST_TABLE",
    "ManifestRow",
    "SlideFacts",
    "facts_of",
    "facts_of_name",
    "manifest_as_markdown",
    "read_manifest",
]


@dataclass(frozen=True, slots=True)
class SlideFacts:
    """What is known of a slide besides its pixels; None where nothing is.

    Parameters
    ----------
    accession : str or None
        Names the case.
    part, block, level : str or None
        Specimen part, paraffin block, and depth of the section in it.
    node_id : str or None
        Names the node within the case; a slide without one belongs to no node.
    pieces : tuple of int, "all" or None
        Pieces of tissue on the slide that are the node.
    role : {"patient", "control", "exclude"}
        Control slides are analysed and belong to no case; excluded ones are left alone.
    stain, clone, chromogen, stain_run : str or None
    control_result : {"passed", "failed"} or None
        One failed control makes every slide of its stain run not assessable.
    scanner : str or None
    scan_time : str or None
        ISO 8601, such as 2026-03-01 or 2026-03-01T14:05.
    rescan_of : str or None
        The slide, named as in its own row, that was scanned again.
    mpp : str or None
        Microns per pixel, ``X`` or ``X,Y``, where the file states none or a wrong one.
    """

    accession: str | None = None
    part: str | None = None
    block: str | None = None
    level: str | None = None
    node_id: str | None = None
    pieces: Literal["all"] | tuple[int, ...] | None = None
    role: Literal["patient", "control", "exclude"] = "patient"
    stain: str | None = None
    clone: str | None = None
    chromogen: str | None = None
    stain_run: str | None = None
    control_result: Literal["passed", "failed"] | None = None
    scanner: str | None = None
    scan_time: str | None = None
    rescan_of: str | None = None
    mpp: str | None = None

    def __post_init__(self) -> None:
        _ = self.scan_week, self.spacing
        for name in ("accession", "node_id"):
            value = getattr(self, name)
            if value is not None and (not value.isprintable() or len(value) > 200):
                raise ConfigError(f"{name} must be one line of at most 200 characters, found {short_name(value)}")

    @property
    def scanned(self) -> datetime | None:
        """When the slide was scanned."""
        if self.scan_time is None:
            return None
        try:
            return datetime.fromisoformat(self.scan_time)
        except ValueError as error:
            raise ConfigError(
                f"scan_time must be a date and time such as 2026-03-01T14:05, found {short_name(self.scan_time)}"
            ) from error

    @property
    def scan_week(self) -> str | None:
        """ISO week of the scan: ``2026-W09``.

        Examples
        --------
        >>> SlideFacts(scan_time="2026-03-01").scan_week
        '2026-W09'
        """
        scanned = self.scanned
        return None if scanned is None else f"{scanned:%G-W%V}"

    @property
    def spacing(self) -> PixelSpacing | None:
        """The scale that overrules the file's."""
        if self.mpp is None:
            return None
        try:
            return PixelSpacing.parse(self.mpp.replace(";", ","))
        except ConfigError as error:
            raise ConfigError(f"mpp: {error}") from error

    def stated(self) -> dict[str, Any]:
        """What is known, by column, as plain data."""
        values = {column.name: getattr(self, column.name) for column in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None and (name, value) != ("role", "patient")
        }


class ManifestRow(NamedTuple):
    """A row of the table: its line, the slide it names, and what it says or why it cannot be used."""

    line: int
    slide: str
    facts: Mapping[str, Any]
    problem: str | None


def _column(name: str, meaning: str, read: Any = text) -> Column:
    return Column(name, "slide", name, read, meaning)


def _lower(cell: str) -> str:
    return cell.lower()


_COLUMNS = (
    _column("slide", "file name, its stem, or path from the folder of the table"),
    _column("accession", "names the case"),
    _column("part", "specimen part"),
    _column("block", "paraffin block"),
    _column("level", "depth of the section in the block"),
    _column("node_id", "names the node within the case; without one the slide belongs to no node"),
    _column("pieces", "pieces of tissue that are the node: `1 2` or `all`", pieces),
    _column("role", "`patient` (where empty), `control`, or `exclude`", _lower),
    _column("stain", "free text"),
    _column("clone", "of the cytokeratin antibody"),
    _column("chromogen", "free text"),
    _column("stain_run", "the run of the stainer; one failed control fails all its slides"),
    _column("control_result", "`passed`, `failed`", _lower),
    _column("scanner", "free text"),
    _column("scan_time", "ISO 8601: `2026-03-01`, `2026-03-01T14:05`"),
    _column("rescan_of", "the slide, named as in its own row, that was scanned again"),
    _column("mpp", "microns per pixel where the file states none: `0.25` or `0.2501;0.2499`"),
)

MANIFEST_TABLE = TableForm(
    columns={column.name: column for column in _COLUMNS},
    key="slide",
    of="the table",
    row="a slide",
    names=frozenset({"slide", "accession", "node_id"}),
)


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read a manifest.

    Parameters
    ----------
    path : path
        CSV with one row a slide.

    Returns
    -------
    list of ManifestRow
        A row that cannot be used says why: it fails its slide, not the others.

    Raises
    ------
    ConfigError
        If there is no such file, its header cannot be used, or a row does not say which slide it is of.
    """
    try:
        with path.open("rb") as file:
            rows = list(read_rows(file, path.name, MANIFEST_TABLE))
    except OSError as error:
        raise ConfigError(f"the manifest {path} cannot be read: {error.strerror or error}") from error
    if not rows:
        raise ConfigError(f"{path.name} holds no slide below its header; expected one row a slide")
    made = []
    for row in rows:
        values = dict(row.values)
        slide = values.pop("slide", None)
        if slide is None:  # whose row it is cannot be guessed, and a slide without its case is no small matter
            raise ConfigError(f"{path.name}, line {row.line}: {row.problem}")
        problem = row.problem or _problem_of(values)
        made.append(
            ManifestRow(
                row.line, slide, values, None if problem is None else f"{path.name}, line {row.line}: {problem}"
            )
        )
    return made


def facts_of(values: Mapping[str, Any], source: str) -> SlideFacts:
    """Checked facts.

    Raises
    ------
    ConfigError
        Naming the column, what was found and what is allowed.
    """
    return parse_record(SlideFacts, values, source)


def _problem_of(values: Mapping[str, Any]) -> str | None:
    try:
        facts_of(values, "row")
    except ConfigError as error:
        return str(error).removeprefix("row: ")
    return None


def facts_of_name(name: str, pattern: str | None) -> dict[str, str] | None:
    """What a slide's name says by the laboratory's pattern.

    Parameters
    ----------
    name : str
        Of the file, without its folder.
    pattern : str or None
        A regular expression whose named groups are columns of the manifest, or ``slide_id``.

    Returns
    -------
    dict or None
        None where the name does not match, or there is no pattern.

    Examples
    --------
    >>> facts_of_name("26-0012_A3_L2.svs", r"(?P<accession>[0-9-]+)_(?P<block>[A-Z][0-9]+)_L(?P<level>[0-9]+)")
    {'accession': '26-0012', 'block': 'A3', 'level': '2'}
    """
    match = None if pattern is None else re.match(pattern, name)
    return None if match is None else {key: value for key, value in match.groupdict().items() if value}


def manifest_as_markdown() -> str:
    """The columns as a table to read."""
    lines = ["| column | what |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{column.name}` | {column.meaning} |" for column in _COLUMNS)]) + "\n"
