"""From the files of an archive to the rows of its database: one way, for a run as for `reindex`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micromet_path.apps.archive.listing import ListedSlide
from micromet_path.apps.archive.runs import RunRecord
from micromet_path.errors import ResultError
from micromet_path.parsing import short
from micromet_path.results.encode import as_text
from micromet_path.results.failures import Failure, read_failure
from micromet_path.results.reviews import REVIEW_FILE
from micromet_path.results.sums import FAILURE_FILE

__all__ = ["CaseRows", "SlideRows", "case_rows", "run_row", "slide_rows"]

_FACTS = (
    "accession", "part", "block", "level", "node_id", "stain", "clone", "chromogen", "stain_run", "control_result",
    "scanner", "scan_time", "rescan_of",
)  # fmt: skip


_UNTOLD = {
    "kind": "io",
    "phase": "write",
    "line": "its last analysis failed, which could not be written into its folder; run the batch again",
    "trace": "",
    "attempts": 1,
}


@dataclass(frozen=True, slots=True)
class SlideRows:
    """What the database says of a slide."""

    slide: dict[str, Any]
    clusters: list[dict[str, Any]]
    failure: dict[str, Any] | None


def slide_rows(out: Path, listed: ListedSlide, failure: Failure | None = None) -> SlideRows:
    """Rows of a slide, from its folder.

    Parameters
    ----------
    out : Path
    listed : ListedSlide
    failure : Failure or None
        Of a slide that failed and whose folder could not be told.
    """
    facts, folder = listed.facts, out / listed.slide_id
    pieces = facts.pieces
    row: dict[str, Any] = {
        **{name: getattr(facts, name) for name in _FACTS},
        "slide_id": listed.slide_id,
        "name": listed.name,
        "duplicate_of": listed.duplicate_of,
        "role": facts.role,
        "pieces": " ".join(map(str, pieces)) if isinstance(pieces, tuple) else pieces,
        "scan_week": facts.scan_week,
        "reviewed": (folder / REVIEW_FILE).is_file(),
    }
    clusters: list[dict[str, Any]] = []
    failed: dict[str, Any] | None = None
    if listed.is_retired:
        row |= {"state": "retired"}
    elif listed.duplicate_of is not None:
        row |= {"state": "duplicate"}
    elif facts.role == "exclude":
        row |= {"state": "excluded"}
    elif (failure := failure or read_failure(folder)) is not None:
        known = {"fingerprint": failure.fingerprint, "config_fingerprint": failure.config_fingerprint}
        told = {name: getattr(failure, name) for name in ("kind", "phase", "line", "trace", "attempts")}
        row |= {**known, "state": "failed"}
        failed = {"slide_id": listed.slide_id, **told}
    elif (found := _result(folder)) is None or listed.settings not in (None, found[0]["config_fingerprint"]):
        row |= {"state": "pending"}
    elif listed.has_failed and listed.fingerprint != found[0]["fingerprint"]:
        row |= {"state": "failed"}  # and could not say so in its folder: the result there is of something else
        failed = {"slide_id": listed.slide_id, **_UNTOLD}
    else:
        columns, clusters = found
        row |= {**columns, "state": "done"}
        clusters = [{"slide_id": listed.slide_id, **cluster} for cluster in clusters]
    return SlideRows(_storable(row), clusters, None if failed is None else _storable(failed))


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """Texts that every database takes: file names may hold bytes that are no characters, cells may hold a zero."""
    return {
        name: as_text(value).replace("\0", "\\0") if isinstance(value, str) else value for name, value in row.items()
    }


def _result(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """Columns and clusters of a stored result; None where there is none, or it is none of ours."""
    try:
        content: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        return _found(content), [_cluster(cluster) for cluster in content["clusters"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


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


def _cluster(cluster: Mapping[str, Any]) -> dict[str, Any]:
    low, high = cluster["diameter_interval_um"]
    x, y = cluster["centroid_px0"]
    cells = cluster["estimated_cells"]
    return {
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
