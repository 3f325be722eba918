"""From the files of an archive to the rows of its database: one way, for a run as for `reindex`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from micromet_path.apps.archive.runs import RunRecord
from micromet_path.errors import ResultError
from micromet_path.parsing import short
from micromet_path.results.failures import read_failure
from micromet_path.results.manifest import SlideFacts, facts_of
from micromet_path.results.reviews import REVIEW_FILE
from micromet_path.results.sums import FAILURE_FILE

__all__ = ["CaseRows", "ListedSlide", "SlideRows", "case_rows", "listed_slides", "run_row", "slide_rows"]

_FACTS = (
    "accession", "part", "block", "level", "node_id", "stain", "clone", "chromogen", "stain_run", "control_result",
    "scanner", "scan_time", "rescan_of",
)  # fmt: skip


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
    """

    slide_id: str
    name: str
    facts: SlideFacts = field(default_factory=SlideFacts)
    duplicate_of: str | None = None

    def entry(self, path: Path) -> dict[str, Any]:
        """The line of a run's record, from which `of_entry` makes the same again."""
        return {
            "slide_id": self.slide_id,
            "path": str(path),
            "duplicate_of": self.duplicate_of,
            "facts": self.facts.stated(),
        }

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any]) -> ListedSlide:
        """From the line of a run's record."""
        facts = facts_of(entry["facts"], f"slide {entry['slide_id']}")
        return cls(entry["slide_id"], Path(entry["path"]).name, facts, entry["duplicate_of"])


def listed_slides(runs: Iterable[RunRecord], folders: Iterable[str]) -> dict[str, ListedSlide]:
    """Every slide that a run listed, as the last one did that did; then folders that none lists."""
    listed: dict[str, ListedSlide] = {}
    for run in runs:
        for entry in run.slides:
            listed[entry["slide_id"]] = ListedSlide.of_entry(entry)
    return {**listed, **{name: ListedSlide(name, name) for name in folders if name not in listed}}


@dataclass(frozen=True, slots=True)
class SlideRows:
    """What the database says of a slide."""

    slide: dict[str, Any]
    clusters: list[dict[str, Any]]
    failure: dict[str, Any] | None


def slide_rows(out: Path, listed: ListedSlide) -> SlideRows:
    """Rows of a slide, from its folder.

    Parameters
    ----------
    out : Path
    listed : ListedSlide
    """
    facts, folder = listed.facts, out / listed.slide_id
    row: dict[str, Any] = {name: getattr(facts, name) for name in _FACTS}
    pieces = facts.pieces
    row |= {
        "slide_id": listed.slide_id,
        "name": listed.name,
        "duplicate_of": listed.duplicate_of,
        "role": facts.role,
        "pieces": " ".join(map(str, pieces)) if isinstance(pieces, tuple) else pieces,
        "scan_week": facts.scan_week,
        "reviewed": (folder / REVIEW_FILE).is_file(),
    }
    if listed.duplicate_of is not None:
        return SlideRows({**row, "state": "duplicate"}, [], None)
    failure = read_failure(folder)
    if failure is not None:
        known = {"fingerprint": failure.fingerprint, "config_fingerprint": failure.config_fingerprint}
        told = {name: getattr(failure, name) for name in ("kind", "phase", "line", "trace", "attempts")}
        return SlideRows({**row, **known, "state": "failed"}, [], {"slide_id": listed.slide_id, **told})
    if facts.role == "exclude":
        return SlideRows({**row, "state": "excluded"}, [], None)
    result = _result(folder)
    if result is None:
        return SlideRows({**row, "state": "pending"}, [], None)
    clusters = [_cluster(listed.slide_id, cluster) for cluster in result["clusters"]]
    return SlideRows({**row, **_found(result), "state": "done"}, clusters, None)


def _result(folder: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def _found(result: Mapping[str, Any]) -> dict[str, Any]:
    """Columns that come from ``result.json``."""
    slide, scan, finding, provenance = (result[name] for name in ("slide", "scan", "finding", "provenance"))
    low, high = finding["diameter_interval_um"] or (None, None)
    white = scan["white"]
    cells = finding["estimated_cells"]
    return {
        "name": slide["name"],
        **{
            name: finding[name]
            for name in (
                "category", "headline", "max_diameter_um", "borderline", "near_limit", "size_is_minimum",
                "contiguity_sensitive", "if_all_counted", "n_clusters", "n_itc", "n_micro", "n_macro",
            )
        },
        "assessable": finding["assessable"]["ok"],
        "reasons": "\n".join(finding["assessable"]["reasons"]) or None,
        "diameter_low_um": low,
        "diameter_high_um": high,
        "n_pieces": len(result["pieces"]),
        "estimated_cells": None if cells is None else cells["value"],
        **{name: scan[name] for name in ("coverage", "in_focus", "tissue_area_mm2", "threshold_od")},
        "chromogen_strength_od": scan["chromogen_strength_od"],
        "counterstain_strength_od": scan.get("counterstain_strength_od"),
        "white_r": white[0],
        "white_g": white[1],
        "white_b": white[2],
        **{name: slide[name] for name in ("mpp_x", "mpp_y", "mpp_source", "vendor", "fingerprint")},
        "warnings": "\n".join(slide["warnings"]) or None,
        "config_fingerprint": provenance["config_fingerprint"],
        "version": provenance["version"],
    }  # fmt: skip


def _cluster(slide_id: str, cluster: Mapping[str, Any]) -> dict[str, Any]:
    low, high = cluster["diameter_interval_um"]
    x, y = cluster["centroid_px0"]
    cells = cluster["estimated_cells"]
    return {
        "slide_id": slide_id,
        "cluster_id": cluster["id"],
        **{
            name: cluster[name]
            for name in ("piece_id", "category", "counting", "max_diameter_um", "borderline", "area_um2")
        },
        "diameter_low_um": low,
        "diameter_high_um": high,
        "estimated_cells": cells["value"] if isinstance(cells, Mapping) else cells,
        "x_px0": x,
        "y_px0": y,
        "flags": " ".join(flag["name"] for flag in cluster["flags"]),
    }


@dataclass(frozen=True, slots=True)
class CaseRows:
    """What the database says of a case."""

    case: dict[str, Any]
    nodes: list[dict[str, Any]]


def case_rows(folder: Path) -> CaseRows:
    """Rows of a case, from its folder: ``case.json``, or word of why it could not be staged.

    Raises
    ------
    ResultError
        If there is neither.
    """
    try:
        failed = folder / FAILURE_FILE
        if failed.is_file():
            content = json.loads(failed.read_text(encoding="utf-8"))
            row = {
                "case_id": content["slide"]["id"],
                "folder": folder.name,
                "status": "failed",
                "problem": content["line"],
            }
            return CaseRows(row, [])
        content = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        counts, case_id = content["counts"], content["case_id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(f"cases/{folder.name} cannot be read ({short(str(error))}); run the batch again") from error
    row = {
        "case_id": case_id,
        "folder": folder.name,
        **{name: content[name] for name in ("status", "pn", "pn_category", "anatomic_stage")},
        "nodes_examined": counts["examined"],
        "nodes_macro": counts["with_macro"],
        "nodes_micro": counts["with_micro"],
        "nodes_itc": counts["with_itc"],
        **{name: counts[name] for name in ("largest_mm", "slides_expected", "slides_read")},
        "warnings": " ".join(dict.fromkeys(warning["code"] for warning in content["warnings"])) or None,
    }
    nodes = [
        {
            "case_id": case_id,
            "node_id": node["node_id"],
            "category": node["category"],
            "size_mm": node["size_mm"],
            "n_slides": len(node["evidence"]),
        }
        for node in content["nodes"]
    ]
    return CaseRows(row, nodes)


def run_row(run: RunRecord) -> dict[str, Any]:
    """The row of a run."""
    return {
        **{
            name: getattr(run, name)
            for name in ("number", "started", "finished", "state", "config_fingerprint", "engine")
        },
        "version": run.versions["micromet_path"],
        "shard": None if run.shard is None else "{}/{}".format(*run.shard),
        **{f"n_{name}": run.counts.get(name) for name in ("listed", "done", "reused", "failed", "skipped")},
    }
