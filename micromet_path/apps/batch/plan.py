"""What a run is to do: every slide once, with its id, what is known of it, and why it cannot be done if so.

The plan follows from the files, the manifest and the configuration alone, so that every shard and every engine makes
the same one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from micromet_path.api import unique_slide_ids
from micromet_path.apps.archive.folders import RESERVED_NAMES
from micromet_path.apps.archive.listing import ListedSlide, Listing, read_listing
from micromet_path.apps.batch.describing import Entry, checked_facts, described, place_of, with_problem
from micromet_path.apps.batch.discovery import find_slides, walked_folders
from micromet_path.config import Config
from micromet_path.errors import MicrometError
from micromet_path.parsing import short_name
from micromet_path.results.manifest import SlideFacts, facts_of_name, read_manifest
from micromet_path.slides import slide_fingerprint

__all__ = ["Plan", "PlannedSlide", "make_plan"]


@dataclass(frozen=True, slots=True)
class PlannedSlide:
    """One slide of an archive.

    Parameters
    ----------
    slide_id : str
    path : Path
    facts : SlideFacts
    problem : str or None
        Why it fails before it is opened.
    duplicate_of : str or None
        Slide of the same content that stands for it.
    beside : tuple of str
        Ids of other slides that lay at the same path before.
    """

    slide_id: str
    path: Path
    facts: SlideFacts = field(default_factory=SlideFacts)
    problem: str | None = None
    duplicate_of: str | None = None
    beside: tuple[str, ...] = ()

    @property
    def is_skipped(self) -> bool:
        """Whether there is nothing to do for it."""
        return self.duplicate_of is not None or self.facts.role == "exclude"


@dataclass(frozen=True, slots=True)
class Plan:
    """All slides in their order, and what a person should know of the list.

    Parameters
    ----------
    slides : tuple of PlannedSlide
    warnings : tuple of str
    walked : tuple of str
        Folders that were looked through.
    unread : tuple of str
        Folders in them that could not be read: there may be slides in them that nobody knows of.
    control_of_run : mapping of str to str
        ``"failed"`` where any control of the stain run failed, ``"passed"`` where one is stated and none failed.
    """

    slides: tuple[PlannedSlide, ...]
    warnings: tuple[str, ...] = ()
    walked: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    control_of_run: Mapping[str, str] = field(default_factory=dict)

    def config_for(self, slide: PlannedSlide, config: Config) -> Config:
        """The configuration with what the laboratory knows of this slide."""
        facts, laboratory = slide.facts, config.laboratory
        control: Any = facts.control_result
        if facts.stain_run is not None and control != "failed":
            control = self.control_of_run.get(facts.stain_run, control)
        known = replace(
            laboratory,
            antibody=facts.clone or laboratory.antibody,
            control_result=control or laboratory.control_result,
        )
        return config if known == laboratory else replace(config, laboratory=known)

    def shard(self, number: int, count: int) -> tuple[PlannedSlide, ...]:
        """Every `count`-th slide, from the `number`-th on (from 1)."""
        return self.slides[number - 1 :: count]


def make_plan(
    archives: Sequence[str],
    manifest: Path | None,
    config: Config,
    out: Path,
    told: Callable[[str], object],
) -> Plan:
    """Find the slides of an archive and put together what is known of them.

    Parameters
    ----------
    archives : sequence of str
        See `find_slides`; may be empty where there is a manifest.
    manifest : Path or None
    config : Config
        Whose ``[naming] pattern`` reads the names.
    out : Path
        Folder of the results, which is no part of the archive.
    told : callable
        Hears of what could not be looked at.

    Raises
    ------
    MissingSlideError, ConfigError
        If there is nothing to do, or the manifest cannot be used.
    """
    rows = [] if manifest is None else read_manifest(manifest)
    unread: list[str] = []

    def not_read(folder: str, why: str) -> None:
        unread.append(str(Path(folder).absolute()))
        told(f"{folder} cannot be read ({why}); its slides are left out")

    found = find_slides(archives, out, not_read)
    before = read_listing(out)
    home = manifest.parent if manifest is not None else Path()
    named = described(found, rows, home, config.naming.pattern, before)
    first_of, conflicts = _duplicates(named)
    entries = [with_problem(entry, conflicts.get(number)) for number, entry in enumerate(named)]
    current = [one for one in before.slides() if not one.is_retired]
    slides = _beside_earlier(_identified(entries, first_of, config.naming.pattern), before, current)
    warnings = [
        f"{slides[one].path} is the same slide as {slides[of].path}; it is done once" for one, of in first_of.items()
    ]
    slides, unknown = _resolved_rescans(slides)
    places = {place_of(slide.path) for slide in slides}
    earlier = [one.facts for one in current if one.path not in places]
    controls = _controls([*earlier, *(slide.facts for slide in slides)])
    return Plan(tuple(slides), (*warnings, *unknown), tuple(walked_folders(archives)), tuple(unread), controls)


def _beside_earlier(slides: list[PlannedSlide], before: Listing, current: Sequence[ListedSlide]) -> list[PlannedSlide]:
    """The same slides, with other ids where these are those of other slides of earlier lists."""
    taken = {slide.slide_id.casefold(): slide for slide in current}
    renamed: dict[str, str] = {}
    made = []
    for slide in slides:
        place = place_of(slide.path)
        lain = [other for other in before.at(place) if _is_another(other, slide)]
        other = taken.get(slide.slide_id.casefold())
        is_taken = other is not None and (other in lain or (other.path != place and not _is_same(other, slide)))
        if is_taken:
            renamed[slide.slide_id] = f"{slide.slide_id[:180]}-{_content_of(slide.path)[:8]}"
        own = renamed.get(slide.slide_id, slide.slide_id)
        made.append(replace(slide, slide_id=own, beside=tuple(one.slide_id for one in lain)))
    return [replace(slide, duplicate_of=renamed.get(slide.duplicate_of or "", slide.duplicate_of)) for slide in made]


def _is_another(other: ListedSlide, slide: PlannedSlide) -> bool:
    """Whether what lay at a path before is another slide than what lies there now: another content of another case."""
    is_of_another_case = other.facts.accession is not None and other.facts.accession != slide.facts.accession
    return is_of_another_case and other.fingerprint is not None and not _is_same(other, slide)


def _is_same(other: ListedSlide, slide: PlannedSlide) -> bool:
    """Whether a slide of an earlier list has the content of this one, by what a run that ended said of it."""
    return other.fingerprint is not None and other.fingerprint.rpartition(":")[2] == _content_of(slide.path)


def _content_of(path: Path) -> str:
    """Digits of a slide's content; of its path where it cannot be read."""
    try:
        return slide_fingerprint(path).rpartition(":")[2]
    except (MicrometError, OSError, ValueError):
        return sha256(place_of(path).encode("utf-8", "surrogatepass")).hexdigest()


def _duplicates(entries: Sequence[Entry]) -> tuple[dict[int, int], dict[int, str]]:
    """Slides of the same content: which stands for which, and which cannot, as they are said to be of different cases.

    Only files of the same size are compared.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for number, entry in enumerate(entries):
        size = None if entry.problem is not None else _size_of(entry.path)
        if size is not None:
            by_size[size].append(number)
    by_content: dict[str, list[int]] = defaultdict(list)
    for number in (number for numbers in by_size.values() if len(numbers) > 1 for number in numbers):
        try:
            by_content[slide_fingerprint(entries[number].path)].append(number)
        except (MicrometError, OSError):
            continue  # its own analysis says why
    first_of: dict[int, int] = {}
    conflicts: dict[int, str] = {}
    for numbers in (sorted(numbers) for numbers in by_content.values() if len(numbers) > 1):
        stated = {(_key(entries[number].values)) for number in numbers if entries[number].values}
        if len(stated) > 1:
            names = " and ".join(entries[number].path.name for number in numbers)
            line = f"{names} have the same content and are stated to be different slides; find out which is which"
            conflicts |= dict.fromkeys(numbers, line)
        else:
            known = next((number for number in numbers if entries[number].values), numbers[0])
            first_of |= {number: known for number in numbers if number != known}
    return first_of, conflicts


def _size_of(path: Path) -> int | None:
    """Bytes of a file, -1 for a folder; None where it cannot be told, or is neither."""
    try:
        return -1 if path.is_dir() else path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        return None


def _key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values.get(name) for name in ("accession", "part", "block", "level", "node_id", "role"))


def _identified(entries: Sequence[Entry], first_of: Mapping[int, int], pattern: str | None) -> list[PlannedSlide]:
    """Slides with their ids; what has the content of another takes none of the ids away from it."""
    names = [(facts_of_name(entry.path.name, pattern) or {}).get("slide_id") or entry.path.stem for entry in entries]
    own = [number for number in range(len(entries)) if number not in first_of]
    ids = dict(
        zip(own, unique_slide_ids([entries[n].path for n in own], [names[n] for n in own], RESERVED_NAMES), strict=True)
    )
    twice = {name for name, count in Counter(ids.values()).items() if count > 1}
    for number in own:
        if ids[number] in twice:  # the same content, said to be of different cases
            ids[number] += f"-{_told_apart(entries[number])}"
    return [
        PlannedSlide(
            ids.get(number) or f"{ids[first_of[number]]}-copy-{number}",
            entry.path,
            checked_facts(entry),
            entry.problem,
            ids[first_of[number]] if number in first_of else None,
        )
        for number, entry in enumerate(entries)
    ]


def _told_apart(entry: Entry) -> str:
    place = f"{place_of(entry.path)} {entry.line}"
    return sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _resolved_rescans(slides: Sequence[PlannedSlide]) -> tuple[list[PlannedSlide], list[str]]:
    """The same slides with `rescan_of` as a slide id; and what names nothing."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for slide in slides:
        for name in (slide.slide_id, slide.path.name, slide.path.stem):
            by_name[name].add(slide.duplicate_of or slide.slide_id)
    resolved, warnings = [], []
    by_id = {slide.slide_id: slide for slide in slides}
    for slide in slides:
        of = slide.facts.rescan_of
        if of is None:
            resolved.append(slide)
            continue
        meant = by_name.get(Path(of).name, set()) - {slide.slide_id}
        first = by_id[next(iter(meant))] if len(meant) == 1 else None
        if first is None:
            why = "is not in this archive" if not meant else "may mean several slides"
            warnings.append(f"{slide.path.name} is a re-scan of {short_name(of)}, which {why}; nothing is superseded")
        elif unlike := _unlike(slide.facts, first.facts):
            line = f"{slide.path.name} is stated to be a re-scan of {first.path.name}, which is of another {unlike}"
            slide = replace(slide, problem=slide.problem or f"{line}; correct the manifest")
            first = None
        known = replace(slide.facts, rescan_of=None if first is None else first.slide_id)
        resolved.append(replace(slide, facts=known))
    return resolved, warnings


def _unlike(one: SlideFacts, other: SlideFacts) -> str | None:
    """A fact in which two scans of the same glass cannot differ."""
    for name in ("accession", "part", "block", "level", "node_id"):
        if None not in (both := (getattr(one, name), getattr(other, name))) and both[0] != both[1]:
            return name.removesuffix("_id")
    return "accession" if one.accession != other.accession else None


def _controls(facts: Iterable[SlideFacts]) -> dict[str, str]:
    """What the controls of each stain run say together, those of earlier lists among them."""
    results: dict[str, str] = {}
    for known in facts:
        run, result = known.stain_run, known.control_result
        if run is not None and result is not None and results.get(run) != "failed":
            results[run] = result
    return results
