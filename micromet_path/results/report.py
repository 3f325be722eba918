"""``report.html``: one self-contained page that says the finding first and its evidence after.

The page loads nothing and runs nothing: pictures are data URIs, and a content policy forbids the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from micromet_path.clinical.wording import how_read, percent, readable, square_millimetres
from micromet_path.model import Analysis, BrownThing, CellEstimate, Clusters, Counting, Dropped, Piece, Role
from micromet_path.results.encode import plain
from micromet_path.results.page import cells_text, css, fill_template, typeset
from micromet_path.results.palette import (
    COLOURS,
    NAMES,
    NOT_COUNTED,
    cluster_name,
    interval_mm,
    length_mm,
)

__all__ = ["TEMPLATE", "render_report"]

TEMPLATE = "report.html.j2"

_MOST_UNCOUNTED = 10
_COUNTING = {
    Counting.COUNTED: "counted",
    Counting.DOUBTFUL: "counted, doubtful",
    Counting.NOT_COUNTED: "not counted",
}


def render_report(
    analysis: Analysis, overview: str | None, gallery: Mapping[int, str], brownest: Mapping[int, str]
) -> str:
    """Make the page.

    Parameters
    ----------
    analysis : Analysis
    overview : str or None
        What `draw.overview` made, as `data_uri`.
    gallery : mapping of int to str
        Drawn crops by row of ``analysis.clusters``, likewise.
    brownest : mapping of int to str
        Pictures of the brownest things by rank, likewise.

    Returns
    -------
    str
        HTML; every text of the slide is escaped.
    """
    return fill_template(
        TEMPLATE,
        **_answer(analysis),
        overview=overview,
        gallery=[_gallery_item(analysis.clusters, row, source) for row, source in sorted(gallery.items())],
        by_gap=list(_by_gap(analysis)),
        uncounted=_uncounted(analysis),
        dropped=[
            _dropped(analysis.scan.below_area, "below the smallest area"),
            _dropped(analysis.scan.no_strong_pixel, "without a strong pixel"),
        ],
        brownest=[_brown_thing(thing, brownest.get(thing.rank)) for thing in analysis.brownest],
        pieces=[_piece(piece) for piece in analysis.pieces],
        facts=list(_facts(analysis)),
        settings=json.dumps(plain(analysis.provenance.config), indent=2, ensure_ascii=False),
    )


def _answer(analysis: Analysis) -> dict[str, Any]:
    """What stands at the top."""
    finding = analysis.finding
    has_size = finding.max_diameter_um is not None
    return {
        "slide": analysis.slide,
        "finding": finding,
        "category": NAMES[finding.category],
        "colour": css(COLOURS[finding.category]),
        "size": typeset(length_mm(finding.max_diameter_um, finding.size_is_minimum)) if has_size else None,
        "interval": interval_mm(*finding.diameter_interval_um) if finding.diameter_interval_um else None,
        "read": _read(analysis),
        "reasons": [reason.partition(": ")[2] or reason for reason in finding.assessable.reasons],
        "remarks": list(_remarks(analysis)),
        "n_all": len(analysis.clusters),
        "gap": f"{analysis.clusters.gap_um:g} µm",
        "extent": None if finding.scatter_extent_um is None else length_mm(finding.scatter_extent_um),
        "if_all_counted": NAMES[finding.if_all_counted],
    }


def _read(analysis: Analysis) -> str:
    """What part of the tissue was seen."""
    quality = analysis.quality
    area = typeset(square_millimetres(quality.tissue_area_mm2))
    if quality.coverage is None:
        return f"Tissue: {area}."
    focus = "focus not measured" if quality.in_focus is None else f"{percent(quality.in_focus, 0)} of it in focus"
    return f"{percent(quality.coverage)} of the detected tissue was read ({area}), {focus}."


def _remarks(analysis: Analysis) -> Iterator[str]:
    """Reservations that the numbers carry."""
    finding = analysis.finding
    if finding.borderline:
        yield "Borderline: a category limit lies inside the size interval."
    elif finding.near_limit:
        yield "The size is within 10 % of a category limit."
    if finding.size_is_minimum:
        yield "The size is a minimum: the cluster reaches a border beyond which nothing could be seen."
    if finding.flags:
        yield f"Flags: {', '.join(map(readable, finding.flags))}."


def _gallery_item(clusters: Clusters, row: int, source: str) -> dict[str, Any]:
    """One crop with its words."""
    counting = clusters.counting[row]
    piece = int(clusters.piece_id[row])
    cells = (float(kind[row]) for kind in (clusters.cells, clusters.cells_low, clusters.cells_high))
    return {
        "id": row + 1,
        "source": source,
        "colour": css(NOT_COUNTED if counting is Counting.NOT_COUNTED else COLOURS[clusters.category[row]]),
        "category": cluster_name(clusters.category[row], counting),
        "size": typeset(length_mm(float(clusters.max_diameter_um[row]), bool(clusters.size_is_minimum[row]))),
        "interval": interval_mm(float(clusters.diameter_low_um[row]), float(clusters.diameter_high_um[row])),
        "counting": _COUNTING[counting],
        "flags": ", ".join(map(readable, clusters.flags_of(row))),
        "cells": cells_text(CellEstimate(*cells)),
        "piece": f"piece {piece}" if piece else "on no piece",
    }


def _by_gap(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """Rows of the table of gaps."""
    for entry in analysis.finding.by_gap:
        size = "" if entry.max_diameter_um is None else length_mm(entry.max_diameter_um)
        yield {
            "gap": f"{entry.gap_um:g}",
            "category": NAMES[entry.category],
            "size": size,
            "used": entry.gap_um == analysis.clusters.gap_um,
        }


def _uncounted(analysis: Analysis) -> dict[str, Any]:
    """The largest clusters that do not enter the finding, and why."""
    clusters = analysis.clusters
    rows = np.flatnonzero(~clusters.is_counted).tolist()
    aside = {piece.id: piece.role for piece in analysis.pieces if piece.role in (Role.CONTROL, Role.EXCLUDE)}
    shown = []
    for row in rows[:_MOST_UNCOUNTED]:
        role = aside.get(int(clusters.piece_id[row]))
        reasons = ([] if role is None else [f"{role.value} tissue"]) + list(map(readable, clusters.flags_of(row)))
        shown.append(
            {
                "id": row + 1,
                "size": length_mm(float(clusters.max_diameter_um[row])),
                "category": NAMES[clusters.category[row]],
                "why": ", ".join(reasons) or "counting policy",
                "piece": int(clusters.piece_id[row]) or "none",
            }
        )
    return {"n": len(rows), "rows": shown}


def _dropped(dropped: Dropped, why: str) -> str:
    """How many a rule removed."""
    largest = "" if dropped.largest_um is None else f" (largest {length_mm(dropped.largest_um)})"
    return f"{dropped.n} {why}{largest}"


def _brown_thing(thing: BrownThing, source: str | None) -> dict[str, Any]:
    """A row of the table of the brownest things."""
    return {
        "rank": thing.rank,
        "what": thing.what,
        "size": length_mm(thing.max_diameter_um),
        "density": f"{thing.max_dab_od:.2f}",
        "source": source,
    }


def _piece(piece: Piece) -> dict[str, Any]:
    """A row of the table of pieces."""
    return {
        "id": piece.id,
        "role": piece.role.value,
        "area": typeset(square_millimetres(piece.area_mm2)),
        "category": "" if piece.category is None else NAMES[piece.category],
        "size": "" if piece.max_diameter_um is None else length_mm(piece.max_diameter_um),
        "cells": "" if piece.estimated_cells is None else cells_text(piece.estimated_cells),
        "cut": "yes" if piece.touches_scan_edge else "no",
    }


def _facts(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """What a reader needs to judge or repeat the measurement."""
    slide, scan, quality, made = analysis.slide, analysis.scan, analysis.quality, analysis.provenance
    yield "Scanner", slide.vendor or "not stated"
    yield "Scale", f"{slide.spacing.x_um:.4g} x {slide.spacing.y_um:.4g} µm per pixel ({slide.mpp_source})"
    size = f"{slide.width_px0} x {slide.height_px0} pixels"
    yield "Scan", f"{size}; {how_read(scan.mode, quality.audit)}; {scan.unreadable_tiles} unreadable tiles"
    yield "White point", f"{', '.join(f'{value:.0f}' for value in scan.white)} ({scan.white_source})"
    yield "Colours", scan.colour if scan.icc_sha256 is None else f"{scan.colour} (SHA-256 {scan.icc_sha256[:12]})"
    vectors = "; ".join(" ".join(f"{part:.3f}" for part in vector) for vector in scan.stain_vectors)
    yield "Stain vectors", f"{vectors} ({scan.stain_source})"
    if scan.chromogen_strength_od is not None:
        yield "Stain strength", f"{scan.chromogen_strength_od:.2f} OD in the cores of what is stained"
    if scan.counterstain_strength_od is not None:
        yield "Counterstain", f"{scan.counterstain_strength_od:.2f} OD in the darker nuclei"
    if scan.stain_notes:
        yield "Stain", "; ".join(scan.stain_notes)
    yield (
        "Threshold",
        (
            f"{scan.threshold_od:g} OD (interval {scan.threshold_low_od:g}-{scan.threshold_high_od:g}); "
            f"strong from {scan.strong_od:g} OD"
        ),
    )
    yield "Smallest cluster", f"{scan.smallest_area_um2:g} µm²"
    yield "Gap", f"{analysis.clusters.gap_um:g} µm"
    yield "Antibody", quality.antibody or "not stated"
    yield "Control", quality.control_result or "not stated"
    yield "Slide fingerprint", slide.fingerprint
    yield "Settings", made.config_fingerprint
    yield "Program", f"micromet_path {made.version}, {made.started}, {made.seconds:.1f} s"
