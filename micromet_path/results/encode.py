"""An analysis as the plain data of ``result.json``; `decode` is the way back.

Absent values are null, never 0 or NaN. Floats keep all their digits, so that what is read back is
equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import Enum
from math import isfinite
from typing import Any

from micromet_path.geometry import Region
from micromet_path.model import (
    Analysis,
    BrownThing,
    CellEstimate,
    Clusters,
    Dropped,
    Finding,
    Piece,
    Provenance,
    Quality,
    ScanSummary,
    SlideRecord,
)

__all__ = ["SCHEMA", "as_text", "to_json"]

SCHEMA = "micromet-result/1"
"""What ``result.json`` calls itself; keys may be added within /1."""


def to_json(analysis: Analysis) -> dict[str, Any]:
    """Turn an analysis into the content of ``result.json``.

    Parameters
    ----------
    analysis : Analysis

    Returns
    -------
    dict
        Strings, finite numbers, booleans, None, lists and dicts; without the columns that
        ``fragments.parquet`` and ``tree.parquet`` hold.
    """
    return {
        "schema": SCHEMA,
        "slide": _slide(analysis.slide),
        "scan": _scan(analysis.scan),
        "quality": _quality(analysis.quality),
        "pieces": [_piece(piece) for piece in analysis.pieces],
        "finding": _finding(analysis.finding),
        "clustering": {"gap_um": analysis.clusters.gap_um, "flag_names": list(analysis.clusters.flags)},
        "clusters": _clusters(analysis.clusters),
        "brownest": [_brown_thing(thing) for thing in analysis.brownest],
        "provenance": _provenance(analysis.provenance),
    }


def _slide(slide: SlideRecord) -> dict[str, Any]:
    """What is known of the slide."""
    return {
        "id": as_text(slide.id),
        "name": as_text(slide.name),
        "width_px0": slide.width_px0,
        "height_px0": slide.height_px0,
        "mpp_x": slide.spacing.x_um,
        "mpp_y": slide.spacing.y_um,
        "mpp_source": slide.mpp_source,
        "vendor": slide.vendor,
        "fingerprint": slide.fingerprint,
        "reader": slide.reader,
        "bounds_px0": _box(slide.bounds_px0),
        "properties": [[as_text(name), as_text(value)] for name, value in slide.properties],
        "warnings": [as_text(warning) for warning in slide.warnings],
    }


def _scan(scan: ScanSummary) -> dict[str, Any]:
    """How the slide was read."""
    return {
        "coverage": _number(scan.coverage),
        "in_focus": _number(scan.in_focus),
        "tissue_area_mm2": scan.tissue_area_mm2,
        "white": list(scan.white),
        "white_source": scan.white_source,
        "stain_vectors": [list(vector) for vector in scan.stain_vectors],
        "stain_source": scan.stain_source,
        "estimated_haematoxylin": _vector(scan.estimated_haematoxylin),
        "estimated_chromogen": _vector(scan.estimated_chromogen),
        "chromogen_strength_od": _number(scan.chromogen_strength_od),
        "counterstain_strength_od": _number(scan.counterstain_strength_od),
        "stain_notes": [as_text(note) for note in scan.stain_notes],
        "threshold_od": scan.threshold_od,
        "threshold_low_od": scan.threshold_low_od,
        "threshold_high_od": scan.threshold_high_od,
        "strong_od": scan.strong_od,
        "spacing_um": list(scan.spacing_um),
        "gap_um": scan.gap_um,
        "smallest_area_um2": scan.smallest_area_um2,
        "mode": scan.mode,
        "colour": scan.colour,
        "icc_sha256": scan.icc_sha256,
        "out_of_focus_px0": [_box(region) for region in scan.out_of_focus_px0],
        "unreadable_tiles": scan.unreadable_tiles,
        "dropped": {
            "below_area": _dropped(scan.below_area),
            "below_link_area": _dropped(scan.below_link_area),
            "no_strong_pixel": _dropped(scan.no_strong_pixel),
        },
    }


def _vector(vector: tuple[float, float, float] | None) -> list[float] | None:
    """Absorbance of a dye."""
    return None if vector is None else list(vector)


def _dropped(dropped: Dropped) -> dict[str, Any]:
    """How many a rule removed, and the largest of them."""
    return {"n": dropped.n, "largest_um": _number(dropped.largest_um)}


def _quality(quality: Quality) -> dict[str, Any]:
    """The facts that made the slide assessable or not."""
    facts = {name: plain(value) for name, value in asdict(quality).items()}
    if quality.audit is not None:
        facts["audit"]["missed_share_bound"] = _number(quality.audit.missed_share_bound)
    return facts


def _piece(piece: Piece) -> dict[str, Any]:
    """A piece of tissue with its own finding."""
    return {
        "id": piece.id,
        "bbox_px0": list(piece.bbox_px0),
        "area_mm2": piece.area_mm2,
        "role": piece.role.value,
        "category": None if piece.category is None else piece.category.value,
        "max_diameter_um": _number(piece.max_diameter_um),
        "estimated_cells": _cells(piece.estimated_cells),
        "touches_scan_edge": piece.touches_scan_edge,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """The answer for the slide."""
    return {
        "category": finding.category.value,
        "assessable": {"ok": finding.assessable.ok, "reasons": list(finding.assessable.reasons)},
        "max_diameter_um": _number(finding.max_diameter_um),
        "diameter_interval_um": None if finding.diameter_interval_um is None else list(finding.diameter_interval_um),
        "borderline": finding.borderline,
        "near_limit": finding.near_limit,
        "size_is_minimum": finding.size_is_minimum,
        "cluster_id": finding.cluster_id,
        "category_by": {"size": finding.category_by_size.value, "cells": finding.category_by_cells.value},
        "n_clusters": finding.n_clusters,
        "n_itc": finding.n_itc,
        "n_micro": finding.n_micro,
        "n_macro": finding.n_macro,
        "estimated_cells": _cells(finding.estimated_cells),
        "by_gap": [
            {
                "gap_um": entry.gap_um,
                "category": entry.category.value,
                "max_diameter_um": _number(entry.max_diameter_um),
            }
            for entry in finding.by_gap
        ],
        "contiguity_sensitive": finding.contiguity_sensitive,
        "if_all_counted": finding.if_all_counted.value,
        "scatter_extent_um": _number(finding.scatter_extent_um),
        "headline": finding.headline,
        "flags": list(finding.flags),
    }


def _clusters(clusters: Clusters) -> list[dict[str, Any]]:
    """One object a cluster; columns become Python numbers at once, which is much faster than one by one."""
    flags = [clusters.flags_of(row) for row in range(len(clusters))]
    rows: Iterable[tuple[Any, ...]] = zip(
        clusters.piece_id.tolist(),
        clusters.category,
        clusters.counting,
        clusters.max_diameter_um.tolist(),
        zip(clusters.diameter_low_um.tolist(), clusters.diameter_high_um.tolist(), strict=True),
        clusters.min_bounding_circle_um.tolist(),
        zip(clusters.borderline.tolist(), clusters.near_limit.tolist(), clusters.size_is_minimum.tolist(), strict=True),
        zip(clusters.area_um2.tolist(), clusters.area_filled_um2.tolist(), strict=True),
        zip(clusters.cells.tolist(), clusters.cells_low.tolist(), clusters.cells_high.tolist(), strict=True),
        clusters.n_fragments.tolist(),
        zip(clusters.centroid_px0.tolist(), clusters.bbox_px0.tolist(), clusters.axis_px0.tolist(), strict=True),
        zip(clusters.mean_dab_od.tolist(), clusters.max_dab_od.tolist(), clusters.mean_rgb.tolist(), strict=True),
        zip(clusters.solidity.tolist(), clusters.rank_score.tolist(), strict=True),
        flags,
        strict=True,
    )
    return [_cluster(number, *row) for number, row in enumerate(rows, start=1)]


def _cluster(
    number: int, piece_id: int, category: Any, counting: Any, diameter: float, interval: Any, circle: float,
    doubts: Any, areas: Any, cells: Any, n_fragments: int, places: Any, colours: Any, shape: Any, flags: Any,
) -> dict[str, Any]:  # fmt: skip
    """One row of the table in the order in which a person reads it."""
    return {
        "id": number,
        "piece_id": piece_id or None,
        "category": category.value,
        "counting": counting.value,
        "max_diameter_um": _number(diameter),
        "diameter_interval_um": _numbers(interval),
        "min_bounding_circle_um": _number(circle),
        "borderline": doubts[0],
        "near_limit": doubts[1],
        "size_is_minimum": doubts[2],
        "area_um2": _number(areas[0]),
        "area_filled_um2": _number(areas[1]),
        "estimated_cells": dict(zip(("value", "low", "high"), _numbers(cells), strict=True)),
        "n_fragments": n_fragments,
        "centroid_px0": _numbers(places[0]),
        "bbox_px0": places[1],
        "axis_px0": places[2],
        "mean_dab_od": _number(colours[0]),
        "max_dab_od": _number(colours[1]),
        "mean_rgb": _numbers(colours[2]),
        "solidity": _number(shape[0]),
        "rank_score": _number(shape[1]),
        "flags": [{"name": name, "strength": strength} for name, strength in flags.items()],
    }


def _brown_thing(thing: BrownThing) -> dict[str, Any]:
    """One of the ten brownest."""
    return {
        "rank": thing.rank,
        "bbox_px0": list(thing.bbox_px0),
        "max_diameter_um": _number(thing.max_diameter_um),
        "max_dab_od": _number(thing.max_dab_od),
        "cluster_id": thing.cluster_id,
        "what": thing.what,
    }


def _provenance(provenance: Provenance) -> dict[str, Any]:
    """Which program and settings."""
    return {
        "version": provenance.version,
        "config": plain(provenance.config),
        "config_fingerprint": provenance.config_fingerprint,
        "started": provenance.started,
        "seconds": provenance.seconds,
    }


def plain(value: Any) -> Any:
    """Reduce a nested setting to what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return _number(value) if isinstance(value, float) else value


def _cells(cells: CellEstimate | None) -> dict[str, float] | None:
    """An estimate with its interval."""
    return None if cells is None else {"value": cells.value, "low": cells.low, "high": cells.high}


def _box(region: Region | None) -> list[int] | None:
    """A half-open region as x0, y0, x1, y1."""
    return None if region is None else [region.x0, region.y0, region.x1, region.y1]


def _number(value: float | None) -> float | None:
    """The number, or None where there is none."""
    return value if value is not None and isfinite(value) else None


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Each number, or None."""
    return [_number(value) for value in values]


def as_text(text: str) -> str:
    """Text that UTF-8 can hold: file names may contain bytes that are no characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
