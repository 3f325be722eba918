"""The list of an archive: every slide that any run listed, as the last one did that came by its file.

A slide that was listed once is waited for until a list excludes it: that its file is gone, or its folder was not
mounted, must not make its case complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from micromet_path.apps.archive.folders import slide_folders
from micromet_path.apps.archive.runs import read_runs
from micromet_path.results.encode import as_text
from micromet_path.results.manifest import SlideFacts, facts_of

__all__ = ["ListedSlide", "Listing", "read_listing"]


@dataclass(frozen=True, slots=True)
class ListedSlide:
    """A slide as a run's list has it.

    Parameters
    ----------
    slide_id : str
    name : str
        Of the file, without its folder.
    facts : SlideFacts
    duplicate_of : str or None
    is_retired : bool
        Whether the file goes by another id now, or is described otherwise: the folder of this one counts no more.
    """

    slide_id: str
    name: str
    facts: SlideFacts = field(default_factory=SlideFacts)
    duplicate_of: str | None = None
    is_retired: bool = False

    def entry(self, path: Path) -> dict[str, Any]:
        """The line of a run's record, from which a `Listing` makes the same again."""
        return {
            "slide_id": self.slide_id,
            "path": str(path.absolute()),
            "duplicate_of": self.duplicate_of,
            "facts": self.facts.stated(),
        }


class Listing:
    """Lists of several runs put together, the oldest first."""

    def __init__(self) -> None:
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._retired: dict[str, Mapping[str, Any]] = {}
        self._ids_at: dict[str, set[str]] = {}

    def add(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add the list of a run: what it says of a file replaces all that was said of it."""
        for path in {entry["path"] for entry in entries}:
            for slide_id in self._ids_at.pop(path, ()):
                self._retired[slide_id] = self._entries.pop(slide_id)
        for entry in entries:
            slide_id = entry["slide_id"]
            before = self._entries.pop(slide_id, None)
            if before is not None:  # the same id for another file: its folder is that one's now
                self._ids_at.get(before["path"], set()).discard(slide_id)
            self._retired.pop(slide_id, None)
            self._entries[slide_id] = entry
            self._ids_at.setdefault(entry["path"], set()).add(slide_id)

    def slides(self, folders: Iterable[str] = ()) -> list[ListedSlide]:
        """Every slide, then folders that no run listed, then what is retired."""
        known = {*self._entries, *self._retired}
        beside = [ListedSlide(name, name) for name in folders if name not in known]
        listed = [_listed(entry) for entry in self._entries.values()]
        return [*listed, *beside, *(_listed(entry, is_retired=True) for entry in self._retired.values())]


def read_listing(out: Path, further: Sequence[Mapping[str, Any]] = ()) -> list[ListedSlide]:
    """The list of an archive, with that of a run which begins.

    Parameters
    ----------
    out : Path
    further : sequence of mapping
        Lines of `ListedSlide.entry`.
    """
    listing = Listing()
    for run in read_runs(out):
        listing.add(run.slides)
    listing.add(further)
    return listing.slides(slide_folders(out))


def _listed(entry: Mapping[str, Any], is_retired: bool = False) -> ListedSlide:
    facts = facts_of(entry["facts"], f"slide {entry['slide_id']}")
    name = as_text(Path(entry["path"]).name)
    return ListedSlide(entry["slide_id"], name, facts, entry["duplicate_of"], is_retired)
