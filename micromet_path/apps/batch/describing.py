"""What is said of each file of an archive: by the manifest, by its name, by earlier lists.

Where they contradict each other the slide fails, and stays with whom it may belong to: each case that is claimed for it
waits for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from micromet_path.apps.archive.listing import Listing
from micromet_path.errors import ConfigError
from micromet_path.parsing import short_name
from micromet_path.results.manifest import ManifestRow, SlideFacts, facts_of, facts_of_name

__all__ = ["Entry", "checked_facts", "described", "place_of", "with_problem"]


class Entry(NamedTuple):
    """A slide while the plan is made; and the line of the manifest that describes it, for several may."""

    path: Path
    values: Mapping[str, Any]
    problem: str | None = None
    line: int | None = None


def described(
    found: Sequence[Path], rows: Sequence[ManifestRow], home: Path, pattern: str | None, before: Listing
) -> list[Entry]:
    """Every file and every row of a manifest, with all that is known of it.

    Parameters
    ----------
    found : sequence of Path
    rows : sequence of ManifestRow
    home : Path
        Folder of the manifest, from which its paths count.
    pattern : str or None
        Reads the names of files.
    before : Listing
        What earlier runs listed.
    """
    given = _Matching(found, rows, home).entries()
    return [known for entry in given for known in _with_name(_inherited(entry, before), pattern)]


class _Matching:
    """Rows of a manifest and files of an archive."""

    def __init__(self, found: Sequence[Path], rows: Sequence[ManifestRow], home: Path):
        self._found, self._rows, self._home = found, rows, home
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in found:
            for name in {path.name, path.stem}:
                self._by_name[name].append(path)
        self._by_place = {place_of(path): path for path in found}

    def entries(self) -> list[Entry]:
        """Every file and every row: files in their order, then what only the manifest names.

        Of rows that contradict each other all stay, and fail: each case that is claimed for the slide waits for it.
        """
        rows_of: dict[Path, list[ManifestRow]] = defaultdict(list)
        unclear: list[Entry] = []
        mentioned: dict[Path, str] = {}
        for row in self._rows:
            paths = self._paths(row)
            if len(paths) == 1:
                rows_of[paths[0]].append(row)
                continue
            line = f"line {row.line} of the manifest may mean any of {len(paths)} files named {short_name(row.slide)}"
            mentioned |= dict.fromkeys(paths, f"{line}; write the path")
            unclear.append(Entry(paths[0], row.facts, mentioned[paths[0]], row.line))
        everything = dict.fromkeys([*self._found, *rows_of])
        entries = [entry for path in everything for entry in self._of(path, rows_of.get(path, []), mentioned.get(path))]
        return [*entries, *unclear]

    def _paths(self, row: ManifestRow) -> list[Path]:
        path = self._home / row.slide
        known = self._by_place.get(place_of(path))
        if known is not None:
            return [known]
        named = self._by_name.get(row.slide, [])
        # A folder of that name may be the data of a MIRAX slide, and is none itself.
        return named if named and not (_is_there(path) and not path.is_dir()) else [path]

    @staticmethod
    def _of(path: Path, rows: Sequence[ManifestRow], problem: str | None) -> list[Entry]:
        told = {str((sorted(row.facts.items()), row.problem)): row for row in reversed(rows)}
        once = sorted(told.values(), key=lambda row: row.line)  # the same row twice says nothing new
        if len(once) > 1:
            lines = " and ".join(str(row.line) for row in once)
            problem = f"{path.name}: the manifest describes this slide in lines {lines}; keep one"
        return [Entry(path, row.facts, problem or row.problem, row.line) for row in once] or [Entry(path, {}, problem)]


def place_of(path: Path) -> str:
    """Where a file lies, whatever folder the program was started in."""
    return str(path.absolute())


def _is_there(path: Path) -> bool:
    """Whether there is such a path; a name that no disk takes is the name of nothing."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _inherited(entry: Entry, before: Listing) -> Entry:
    """A slide of which this manifest says nothing is what the last one said: no row is no statement."""
    if entry.values or entry.line is not None or entry.problem is not None:
        return entry
    lain = before.at(place_of(entry.path))
    return entry._replace(values=lain[0].facts.stated()) if len(lain) == 1 else entry


def _with_name(entry: Entry, pattern: str | None) -> list[Entry]:
    """What the name says beside what the manifest does; where they differ nobody knows which is right.

    Of two accessions both cases wait for the slide.
    """
    said = dict(facts_of_name(entry.path.name, pattern) or {})
    said.pop("slide_id", None)
    known = entry._replace(values={**said, **entry.values})
    for name, value in said.items():
        stated = entry.values.get(name, value)
        if stated != value:
            what = f"{name} is {short_name(value)} by its name and {short_name(stated)} in the manifest"
            known = with_problem(known, f"{entry.path.name}: {what}; correct one of them")
    if known.problem is None:
        try:
            facts_of(known.values, entry.path.name)
        except ConfigError as error:
            known = with_problem(known, str(error))
    if said.get("accession", known.values.get("accession")) == known.values.get("accession"):
        return [known]
    return [known, known._replace(values={**known.values, **said}, line=None)]


def with_problem(entry: Entry, problem: str | None) -> Entry:
    """The same slide with why it fails, unless that is known already."""
    return entry if problem is None or entry.problem is not None else entry._replace(problem=problem)


def checked_facts(entry: Entry) -> SlideFacts:
    """What is known of a slide; of one that fails each fact that can be used, so that its case waits for it."""
    if entry.problem is None:
        return facts_of(entry.values, entry.path.name)
    known = {}
    for name, value in entry.values.items():
        with suppress(ConfigError):
            facts_of({name: value}, entry.path.name)
            known[name] = value
    return facts_of(known, entry.path.name)
