"""Cases staged as their slides complete: ``cases/<case>/``, complete or absent like a slide's folder."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from micromet_path import __version__
from micromet_path.api import stage, unique_slide_ids
from micromet_path.apps.archive.folders import CASES_FOLDER, case_folders
from micromet_path.apps.archive.listing import ListedSlide
from micromet_path.apps.archive.rows import slide_rows
from micromet_path.apps.archive.superseding import ScanOfGlass, superseded_by
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.results.failures import failure_of, write_failure
from micromet_path.results.folders import recover, writing
from micromet_path.results.reviews import REVIEW_FILE
from micromet_path.results.sums import FAILURE_FILE, SUMS_FILE, check_sums, write_sums

__all__ = ["CaseBoard"]

_INPUTS = "inputs.json"
_NAMES = frozenset({"case.json", "case.csv", "case.html", "synoptic.txt", _INPUTS, SUMS_FILE, FAILURE_FILE})


class CaseBoard:
    """Which cases wait for which slides, and what becomes of a case when the last of them is settled.

    Parameters
    ----------
    out : Path
    slides : iterable of ListedSlide
        The list of the whole archive: what an earlier run, or another shard, was to do is waited for as well.
    unread : collection of str
        Folders that could not be read. While there are any, every case waits for a slide more than are known.
    in_work : collection of str
        Ids of slides that this run settles.
    """

    def __init__(
        self, out: Path, slides: Iterable[ListedSlide], unread: Collection[str] = (), in_work: Collection[str] = ()
    ):
        self._out = out
        self._n_unknown = 1 if unread else 0
        self._slides: dict[str, list[ListedSlide]] = defaultdict(list)
        self._failed: set[str] = set()
        self._done: set[str] = set()
        self._cases_of: dict[str, set[str]] = defaultdict(set)
        active = {slide.slide_id: slide for slide in slides if not slide.is_retired}
        for slide in active.values():
            case_id = slide.facts.accession
            if case_id is not None and slide.facts.role == "patient" and not _is_stood_for(slide, active):
                self._slides[case_id].append(slide)
                if slide.fingerprint is not None:
                    self._cases_of[slide.fingerprint].add(case_id)
        self._bad_runs = {
            slide.facts.stain_run for slide in active.values() if slide.facts.control_result == "failed"
        } - {None}
        waiting = {case_id: {slide.slide_id for slide in of} & set(in_work) for case_id, of in self._slides.items()}
        self._waiting = {case_id: ids for case_id, ids in waiting.items() if ids}
        names = unique_slide_ids(list(self._slides), list(self._slides))
        self._folders = dict(zip(self._slides, (out / CASES_FOLDER / name for name in names), strict=True))

    @property
    def case_ids(self) -> list[str]:
        """All cases that have a slide."""
        return list(self._slides)

    def settle(self, slide: ListedSlide, fingerprint: str | None, is_failed: bool) -> list[str]:
        """Hear that a slide is done, or failed for good: the cases that are to be staged now.

        These are its own, where none of its slides is in work any more, and others that claim the same content.
        """
        case_id = slide.facts.accession
        (self._failed if is_failed else self._done).add(slide.slide_id)
        if case_id is None or case_id not in self._slides:
            return []
        others: set[str] = set()
        if fingerprint is not None and slide.facts.role == "patient" and case_id not in self._cases_of[fingerprint]:
            self._cases_of[fingerprint].add(case_id)
            others = {other for other in self._cases_of[fingerprint] - {case_id} if other not in self._waiting}
        waiting = self._waiting.get(case_id, set())
        waiting.discard(slide.slide_id)
        if waiting:
            return sorted(others)
        was_waiting = self._waiting.pop(case_id, None) is not None
        return [*([case_id] if was_waiting else []), *sorted(others)]

    def withdraw(self) -> list[str]:
        """Take away the folders of cases that have no slide any more, as another accession is stated now."""
        known = set(self._folders.values())
        gone = [folder for folder in case_folders(self._out) if folder not in known and _is_ours(folder)]
        for folder in gone:
            aside = folder.with_name(f".{folder.name}.withdrawn")
            with suppress(OSError):  # open in a spreadsheet, or somebody else's: no row tells of it any more
                folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        return [folder.name for folder in gone]

    def is_staged(self, case_id: str) -> bool:
        """Whether there is a folder of a case."""
        return self._folders[case_id].is_dir()

    def stage(self, case_id: str) -> Path:
        """Stage a case into its folder, unless it is there with the same inputs.

        Slides without a result are missing from it; then it is incomplete.

        Raises
        ------
        OSError
            If not even that it could not be staged can be written.
        """
        folder = self._folders[case_id]
        try:
            recover(folder.parent, folder.name)
            inputs = self._inputs(case_id)
            if self._is_of(folder, inputs):
                return folder
            staged = stage(inputs["case"], results=self._out)
            with writing(folder, _NAMES) as new:
                _write(new, staged, inputs)
        except Exception as error:  # a case that cannot be staged stops no other, and an older one counts no more
            write_failure(folder, case_id, case_id, failure_of(error, "stage", folder))
        return folder

    def is_current(self, case_id: str) -> bool:
        """Whether the folder of a case holds what its slides say now, to the byte."""
        return self._is_of(self._folders[case_id], self._inputs(case_id))

    @staticmethod
    def _is_of(folder: Path, inputs: Mapping[str, Any]) -> bool:
        return not (folder / FAILURE_FILE).exists() and _same(folder / _INPUTS, inputs) and not check_sums(folder)

    def _inputs(self, case_id: str) -> dict[str, Any]:
        """All that decides what a case is staged as."""
        slides = self._slides[case_id]
        return {"version": __version__, "case": self._case(case_id, slides), "results": self._results(slides)}

    def _case(self, case_id: str, slides: Sequence[ListedSlide]) -> dict[str, Any]:
        """The case as a case file has it: the scans that count, by node; what belongs to no node is missing from it."""
        replaced = superseded_by(self._scan(slide) for slide in slides)
        counting = [slide for slide in slides if slide.slide_id not in replaced]
        nodes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for slide in counting:
            facts = slide.facts
            if facts.node_id is not None and self._finding(slide) is not None:
                known = {
                    "pieces": list(facts.pieces) if isinstance(facts.pieces, tuple) else facts.pieces,
                    "section": facts.level,
                    "block": " ".join(name for name in (facts.part, facts.block) if name) or None,
                    "clone": facts.clone,
                    "control_result": "failed" if facts.stain_run in self._bad_runs else None,
                }
                stated = {name: value for name, value in known.items() if value is not None}
                nodes[facts.node_id].append({"result": slide.slide_id, **stated})
        return {
            "case_id": case_id,
            "expected_slides": len(counting) + self._n_unknown,
            "nodes": [{"node_id": node_id, "slides": of} for node_id, of in nodes.items()],
        }

    def _scan(self, slide: ListedSlide) -> ScanOfGlass:
        finding = self._finding(slide)
        is_assessable = finding is not None and bool(finding["assessable"]["ok"])
        is_unheard = finding is None and slide.slide_id not in self._failed
        is_pending = is_unheard and slide_rows(self._out, slide).slide["state"] == "pending"
        return ScanOfGlass(
            slide.slide_id, slide.facts.rescan_of, slide.facts.scan_time, finding is not None, is_assessable, is_pending
        )

    def _finding(self, slide: ListedSlide) -> Mapping[str, Any] | None:
        """Of a slide's result; None where it does not count: it failed, is of other settings, or of two cases."""
        folder = self._out / slide.slide_id
        if slide.slide_id in self._failed or slide.duplicate_of is not None or (folder / FAILURE_FILE).exists():
            return None
        try:
            content = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            finding: Mapping[str, Any] = content["finding"]
            _ = finding["assessable"]["ok"]
            fingerprint = content["slide"]["fingerprint"]
            is_other = slide.settings not in (None, content["provenance"]["config_fingerprint"])
        except (OSError, ValueError, LookupError, TypeError):
            return None
        is_claimed_twice = len(self._cases_of.get(fingerprint, ())) > 1
        has_failed = slide.has_failed and slide.fingerprint != fingerprint and slide.slide_id not in self._done
        return None if is_other or is_claimed_twice or has_failed else finding

    def _results(self, slides: Sequence[ListedSlide]) -> dict[str, list[str | None]]:
        """What the case was staged from, to the byte."""
        files = ("result.json", REVIEW_FILE, FAILURE_FILE)
        return {slide.slide_id: [_digest(self._out / slide.slide_id / name) for name in files] for slide in slides}


def _is_stood_for(slide: ListedSlide, active: Mapping[str, ListedSlide]) -> bool:
    """Whether a copy is spoken for by a slide that is listed, counts, and is of no other case."""
    first = None if slide.duplicate_of is None else active.get(slide.duplicate_of)
    if first is None or first.facts.role != "patient":
        return False
    return first.facts.accession == slide.facts.accession


def _is_ours(folder: Path) -> bool:
    return (folder / _INPUTS).is_file() or (folder / FAILURE_FILE).is_file()


def _same(path: Path, inputs: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(inputs)))
    except (OSError, ValueError):
        return False


def _digest(path: Path) -> str | None:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _write(folder: Path, staged: CaseStage, inputs: Mapping[str, Any]) -> None:
    """Every form of a case, for people and for machines."""
    from micromet_path.results.case_json import encode_case
    from micromet_path.results.case_page import render_case
    from micromet_path.results.case_table import case_line, header_line

    texts = {
        "case.json": json.dumps(encode_case(staged), ensure_ascii=False, indent=1) + "\n",
        "case.csv": header_line() + case_line(staged),
        "case.html": render_case(staged),
        "synoptic.txt": staged.synoptic() + "\n",
        _INPUTS: json.dumps(inputs, ensure_ascii=False, indent=1) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    write_sums(folder)
