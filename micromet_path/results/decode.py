"""The content of ``result.json`` as records again; the counterpart of `encode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import (
    Analysis,
    Assessable,
    Audit,
    BrownThing,
    Category,
    CellEstimate,
    Clusters,
    Counting,
    Dropped,
    Finding,
    Fragments,
    GapFinding,
    Piece,
    Provenance,
    Quality,
    Role,
    ScanSummary,
    SlideRecord,
    Tree,
)

__all__ = ["from_json"]

Json = Mapping[str, Any]


def from_json(content: Json, fragments: Fragments, cluster_of_fragment: NDArray[np.int64], tree: Tree) -> Analysis:
    """Put an analysis together from ``result.json`` and the columns stored beside it.

    Parameters
    ----------
    content : mapping
        As `encode.to_json` made it.
    fragments, cluster_of_fragment, tree
        As ``fragments.parquet`` and ``tree.parquet`` hold them.

    Returns
    -------
    Analysis

    Raises
    ------
    KeyError, TypeError, ValueError
        If the content is not of the schema.
    """
    return Analysis(
        slide=_slide(content["slide"]),
        scan=_scan(content["scan"]),
        quality=_quality(content["quality"]),
        pieces=tuple(_piece(piece) for piece in content["pieces"]),
        finding=_finding(content["finding"]),
        clusters=_clusters(content["clusters"], content["clustering"], cluster_of_fragment),
        fragments=fragments,
        tree=tree,
        brownest=tuple(_brown_thing(thing) for thing in content["brownest"]),
        provenance=Provenance(**_known(Provenance, content["provenance"])),
    )


def _known(record: Any, content: Json) -> dict[str, Any]:
    """The keys that a record has: a later version may have written more."""
    return {column.name: content[column.name] for column in fields(record) if column.name in content}


def _slide(slide: Json) -> SlideRecord:
    """What is known of the slide."""
    same = ("id", "name", "width_px0", "height_px0", "mpp_source", "vendor", "fingerprint", "reader")
    return SlideRecord(
        **{key: slide[key] for key in same},
        spacing=PixelSpacing(slide["mpp_x"], slide["mpp_y"]),
        bounds_px0=None if slide["bounds_px0"] is None else Region(*slide["bounds_px0"]),
        properties=tuple((name, value) for name, value in slide["properties"]),
        warnings=tuple(slide["warnings"]),
    )


def _quality(quality: Json) -> Quality:
    """The facts that made the slide assessable or not."""
    audit = quality["audit"]
    interval = quality["in_focus_interval"]
    return Quality(
        **{
            **_known(Quality, quality),
            "audit": None if audit is None else Audit(**_known(Audit, audit)),
            "in_focus_interval": None if interval is None else (interval[0], interval[1]),
        }
    )


def _scan(scan: Json) -> ScanSummary:
    """How the slide was read."""
    changed = {
        "white",
        "stain_vectors",
        "estimated_haematoxylin",
        "estimated_chromogen",
        "stain_notes",
        "spacing_um",
        "out_of_focus_px0",
    }
    red, green, blue = scan["white"]
    x_um, y_um = scan["spacing_um"]
    return ScanSummary(
        **{key: value for key, value in _known(ScanSummary, scan).items() if key not in changed},
        white=(red, green, blue),
        stain_vectors=_vectors(scan["stain_vectors"]),
        estimated_haematoxylin=_vector(scan["estimated_haematoxylin"]),
        estimated_chromogen=_vector(scan["estimated_chromogen"]),
        stain_notes=tuple(scan["stain_notes"]),
        out_of_focus_px0=tuple(Region(*box) for box in scan["out_of_focus_px0"]),
        spacing_um=(x_um, y_um),
        below_area=Dropped(**_known(Dropped, scan["dropped"]["below_area"])),
        below_link_area=Dropped(**_known(Dropped, scan["dropped"]["below_link_area"])),
        no_strong_pixel=Dropped(**_known(Dropped, scan["dropped"]["no_strong_pixel"])),
    )


def _brown_thing(thing: Json) -> BrownThing:
    """One of the ten brownest."""
    x0, y0, x1, y1 = thing["bbox_px0"]
    return BrownThing(**{**_known(BrownThing, thing), "bbox_px0": (x0, y0, x1, y1)})


def _vectors(vectors: Sequence[Sequence[float]]) -> tuple[tuple[float, float, float], ...]:
    """Rows of a stain matrix."""
    return tuple((red, green, blue) for red, green, blue in vectors)


def _vector(vector: Sequence[float] | None) -> tuple[float, float, float] | None:
    """Absorbance of a dye."""
    return None if vector is None else _vectors([vector])[0]


def _piece(piece: Json) -> Piece:
    """A piece of tissue with its own finding."""
    return Piece(
        id=piece["id"],
        bbox_px0=tuple(piece["bbox_px0"]),
        area_mm2=piece["area_mm2"],
        role=Role(piece["role"]),
        touches_scan_edge=piece["touches_scan_edge"],
        category=None if piece["category"] is None else Category(piece["category"]),
        max_diameter_um=piece["max_diameter_um"],
        estimated_cells=_cells(piece["estimated_cells"]),
    )


def _finding(finding: Json) -> Finding:
    """The answer for the slide."""
    same = (
        "max_diameter_um", "borderline", "near_limit", "size_is_minimum", "cluster_id", "n_clusters", "n_itc",
        "n_micro", "n_macro", "contiguity_sensitive", "scatter_extent_um", "headline",
    )  # fmt: skip
    interval = finding["diameter_interval_um"]
    return Finding(
        **{key: finding[key] for key in same},
        category=Category(finding["category"]),
        assessable=Assessable(finding["assessable"]["ok"], tuple(finding["assessable"]["reasons"])),
        diameter_interval_um=None if interval is None else (interval[0], interval[1]),
        category_by_size=Category(finding["category_by"]["size"]),
        category_by_cells=Category(finding["category_by"]["cells"]),
        estimated_cells=_cells(finding["estimated_cells"]),
        by_gap=tuple(
            GapFinding(entry["gap_um"], Category(entry["category"]), entry["max_diameter_um"])
            for entry in finding["by_gap"]
        ),
        if_all_counted=Category(finding["if_all_counted"]),
        flags=tuple(finding["flags"]),
    )


def _cells(cells: Json | None) -> CellEstimate | None:
    """An estimate with its interval."""
    return None if cells is None else CellEstimate(cells["value"], cells["low"], cells["high"])


def _clusters(rows: Sequence[Json], clustering: Json, cluster_of_fragment: NDArray[np.int64]) -> Clusters:
    """The table's columns; what is null in a row is NaN in a column."""
    measured = (
        "max_diameter_um", "min_bounding_circle_um", "area_um2", "area_filled_um2", "mean_dab_od", "max_dab_od",
        "solidity", "rank_score",
    )  # fmt: skip
    floats: dict[str, Any] = {name: _floats([row[name] for row in rows]) for name in measured}
    booleans: dict[str, Any] = {name: _booleans(rows, name) for name in ("size_is_minimum", "borderline", "near_limit")}
    cells = _floats([[row["estimated_cells"][key] for key in ("value", "low", "high")] for row in rows], 3)
    interval = _floats([row["diameter_interval_um"] for row in rows], 2)
    return Clusters(
        gap_um=clustering["gap_um"],
        cluster_of_fragment=cluster_of_fragment,
        piece_id=_integers([row["piece_id"] or 0 for row in rows]),
        n_fragments=_integers([row["n_fragments"] for row in rows]),
        **floats,
        diameter_low_um=interval[:, 0],
        diameter_high_um=interval[:, 1],
        axis_px0=_integers([row["axis_px0"] for row in rows], 2, 2),
        centroid_px0=_floats([row["centroid_px0"] for row in rows], 2),
        bbox_px0=_integers([row["bbox_px0"] for row in rows], 4),
        mean_rgb=_floats([row["mean_rgb"] for row in rows], 3),
        cells=cells[:, 0],
        cells_low=cells[:, 1],
        cells_high=cells[:, 2],
        **booleans,
        flags=_flags(rows, clustering["flag_names"]),
        category=np.array([Category(row["category"]) for row in rows], dtype=object),
        counting=np.array([Counting(row["counting"]) for row in rows], dtype=object),
    )


def _flags(rows: Sequence[Json], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Strength of each flag, 0 where a cluster does not carry it."""
    flags = {name: np.zeros(len(rows)) for name in names}
    for number, row in enumerate(rows):
        for flag in row["flags"]:
            flags[flag["name"]][number] = flag["strength"]
    return flags


def _floats(values: Sequence[Any], *width: int) -> NDArray[np.float64]:
    """A column, or several side by side, of floats."""
    return np.array(values, dtype=np.float64).reshape(len(values), *width)


def _integers(values: Sequence[Any], *width: int) -> NDArray[np.int64]:
    """A column, or several side by side, of integers."""
    return np.array(values, dtype=np.int64).reshape(len(values), *width)


def _booleans(rows: Sequence[Json], name: str) -> NDArray[np.bool_]:
    """A column of yes and no."""
    return np.array([row[name] for row in rows], dtype=bool)
