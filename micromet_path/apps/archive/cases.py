"""Cases staged as their slides complete: ``cases/<case>/``, complete or absent like a slide's folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from micromet_path import __version__
from micromet_path.api import stage, unique_slide_ids
from micromet_path.apps.archive.folders import CASES_FOLDER
from micromet_path.apps.archive.rows import ListedSlide
from micromet_path.apps.archive.superseding import ScanOfGlass, superseded_by
from micromet_path.clinical.case_stage import CaseStage
from micromet_path.results.failures import failure_of, write_failure
from micromet_path.results.folders import recover, writing
from micromet_path.results.reviews import REVIEW_FILE
from micromet_path.results.sums import FAILURE_FILE, SUMS_FILE, write_sums

__all__ = ["CaseBoard"]

_INPUTS = "inputs.json"
_NAMES = frozenset({"case.json", "case.csv", "case.html", "synoptic.txt", _INPUTS, SUMS_FILE, FAILURE_FILE})


class CaseBoard:
    """Which cases wait for which slides, and what becomes of a case when none is missing.

    Parameters
    ----------
    out : Path
    slides : iterable of ListedSlide
        The whole list, that of all shards.
    """

    def __init__(self, out: Path, slides: Iterable[ListedSlide]):
        self._out = out
        self._slides: dict[str, list[ListedSlide]] = defaultdict(list)
        for slide in slides:
            if slide.facts.accession is not None and slide.facts.role == "patient" and slide.duplicate_of is None:
                self._slides[slide.facts.accession].append(slide)
        self._waiting = {case_id: {slide.slide_id for slide in of} for case_id, of in self._slides.items()}
        names = unique_slide_ids(list(self._slides), list(self._slides))
        self._folders = dict(zip(self._slides, (out / CASES_FOLDER / name for name in names), strict=True))

    def settle(self, slide: ListedSlide) -> Path | None:
        """Hear that a slide is done, or failed for good; the folder of its case where that is complete now."""
        case_id = slide.facts.accession
        waiting = self._waiting.get(case_id) if case_id is not None else None
        if case_id is None or waiting is None:
            return None
        waiting.discard(slide.slide_id)
        if waiting:
            return None
        del self._waiting[case_id]
        return self._stage(case_id)

    def _stage(self, case_id: str) -> Path:
        """Stage a case into its folder, unless it is there with the same inputs."""
        folder, slides = self._folders[case_id], self._slides[case_id]
        recover(folder.parent, folder.name)
        content = self._case(case_id, slides)
        inputs = {"version": __version__, "case": content, "results": self._results(slides)}
        if not (folder / FAILURE_FILE).exists() and _same(folder / _INPUTS, inputs):
            return folder
        try:
            staged = stage(content, results=self._out)
        except Exception as error:  # a case that cannot be staged stops no other
            write_failure(folder, case_id, case_id, failure_of(error, "stage", case_id))
            return folder
        with writing(folder, _NAMES) as new:
            _write(new, staged, inputs)
        return folder

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
                }
                stated = {name: value for name, value in known.items() if value is not None}
                nodes[facts.node_id].append({"result": slide.slide_id, **stated})
        return {
            "case_id": case_id,
            "expected_slides": len(counting),
            "nodes": [{"node_id": node_id, "slides": of} for node_id, of in nodes.items()],
        }

    def _scan(self, slide: ListedSlide) -> ScanOfGlass:
        finding = self._finding(slide)
        is_assessable = finding is not None and bool(finding["assessable"]["ok"])
        return ScanOfGlass(
            slide.slide_id, slide.facts.rescan_of, slide.facts.scan_time, finding is not None, is_assessable
        )

    def _finding(self, slide: ListedSlide) -> Mapping[str, Any] | None:
        """Of a slide's result; None where its last analysis failed, whatever else is there."""
        folder = self._out / slide.slide_id
        if (folder / FAILURE_FILE).exists():
            return None
        try:
            finding: Mapping[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))["finding"]
        except (OSError, ValueError, KeyError):
            return None
        return finding

    def _results(self, slides: Sequence[ListedSlide]) -> dict[str, list[str | None]]:
        """What the case was staged from, to the byte."""
        files = ("result.json", REVIEW_FILE, FAILURE_FILE)
        return {slide.slide_id: [_digest(self._out / slide.slide_id / name) for name in files] for slide in slides}


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
