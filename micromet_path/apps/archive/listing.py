"""The list of an archive: every slide that any run listed, as the last one did that came by its file.

A slide that was listed once is waited for until a list excludes it: that its file is gone, or its folder was not
mounted, must not make its case complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from micromet_path.apps.archive.runs import RunRecord, read_runs
from micromet_path.results.encode import as_text
from micromet_path.results.manifest import SlideFacts, facts_of

__all__ = ["ListedSlide", "Listing", "read_listing"]


@dataclass(frozen=True, slots=True)
class ListedSlide:
    """A slide as a run's list has it.

    Parameters
    ----------
    slide_id : str
    path : str
        Absolute; empty where no run listed it.
    facts : SlideFacts
    duplicate_of : str or None
    settings : str or None
        Fingerprint of the settings with which it is to be analysed; a result of others is none.
    fingerprint : str or None
        Of its content, where a run that ended said so.
    has_failed : bool
        Whether the last run that ended said so.
    is_retired : bool
        Whether the file goes by another id now: the folder of this one counts no more.
    """

    slide_id: str
    path: str = ""
    facts: SlideFacts = field(default_factory=SlideFacts)
    duplicate_of: str | None = None
    settings: str | None = None
    fingerprint: str | None = None
    has_failed: bool = False
    is_retired: bool = False

    @property
    def name(self) -> str:
        """Of the file, without its folder."""
        return as_text(Path(self.path).name) or self.slide_id

    def entry(self, beside: Sequence[str] = ()) -> dict[str, Any]:
        """The line of a run's record, from which a `Listing` makes the same again.

        Parameters
        ----------
        beside : sequence of str
            Ids of other slides that lay at the same path before, and are none of its own.
        """
        return {
            "slide_id": self.slide_id,
            "path": self.path,
            "duplicate_of": self.duplicate_of,
            "settings": self.settings,
            "facts": self.facts.stated(),
            **({"beside": list(beside)} if beside else {}),
        }


class Listing:
    """Lists of several runs put together, the oldest first.

    Attributes
    ----------
    unread : set of str
        Folders that the last run that looked there could not read: there may be slides in them that nobody knows of.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._retired: dict[str, Mapping[str, Any]] = {}
        self._ids_at: dict[str, set[str]] = {}
        self.unread: set[str] = set()

    def add(self, run: RunRecord) -> None:
        """Add the list of a run: what it says of a file replaces all that was said of it."""
        places = {entry["path"] for entry in run.slides}
        read = {folder for folder in self.unread if any(_is_in(folder, root) for root in run.walked)}
        self.unread = (self.unread - read) | set(run.unread)
        kept = {slide_id for entry in run.slides for slide_id in entry.get("beside", ())}
        for path in places:
            for slide_id in self._ids_at.get(path, set()) - kept:
                self._retired[slide_id] = self._entries.pop(slide_id)
            self._ids_at[path] = self._ids_at.get(path, set()) & kept
        for entry in run.slides:
            slide_id = entry["slide_id"]
            before = self._entries.pop(slide_id, None)
            if before is not None:  # the same slide in another place
                self._ids_at.get(before["path"], set()).discard(slide_id)
            earlier = self._retired.pop(slide_id, before) or {}
            known = {name: earlier[name] for name in ("state", "fingerprint") if name in earlier}
            self._entries[slide_id] = {**known, **entry}
            self._ids_at.setdefault(entry["path"], set()).add(slide_id)

    def at(self, path: str) -> list[ListedSlide]:
        """Slides that lie at a path, as the last list says."""
        return [_listed(self._entries[slide_id]) for slide_id in sorted(self._ids_at.get(path, ()))]

    def get(self, slide_id: str) -> ListedSlide | None:
        """The slide of an id."""
        entry = self._entries.get(slide_id)
        return None if entry is None else _listed(entry)

    def slides(self, folders: Iterable[str] = ()) -> list[ListedSlide]:
        """Every slide, then folders that no run listed, then what is retired."""
        known = {*self._entries, *self._retired}
        beside = [ListedSlide(name) for name in folders if name not in known]
        listed = [_listed(entry) for entry in self._entries.values()]
        return [*listed, *beside, *(_listed(entry, is_retired=True) for entry in self._retired.values())]


def read_listing(out: Path) -> Listing:
    """The list of an archive, by the records of its runs."""
    listing = Listing()
    for run in read_runs(out):
        listing.add(run)
    return listing


def _is_in(folder: str, root: str) -> bool:
    return Path(folder).is_relative_to(root)


def _listed(entry: Mapping[str, Any], is_retired: bool = False) -> ListedSlide:
    return ListedSlide(
        slide_id=entry["slide_id"],
        path=entry["path"],
        facts=facts_of(entry["facts"], f"slide {entry['slide_id']}"),
        duplicate_of=entry["duplicate_of"],
        settings=entry.get("settings"),
        fingerprint=entry.get("fingerprint"),
        has_failed=str(entry.get("state", "")).startswith("failed"),
        is_retired=is_retired,
    )
