"""One slide: what the program found, beside what is known to be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from micromet_path.apps.bench.records import FalseRow, FocusRow, NodeRow, SlideOutcome, SlideRow
from micromet_path.apps.bench.sides import Box, Comparison, Subject, Unit, area_of, holds, home_of, rank_of, shared_area
from micromet_path.model import Analysis, Category, Clusters, Counting, Role, Runs

__all__ = ["compare"]


def compare(subject: Subject, analysis: Analysis, runs: Runs) -> SlideOutcome:
    """Say of each focus what became of it, and of each counted cluster whether it is one.

    Parameters
    ----------
    subject : Subject
    analysis : Analysis
        What the program found on the slide.
    runs : Runs
        Its stained pixels.
    """
    both = Comparison(subject, analysis, runs)
    foci = tuple(_focus_row(both, index) for index in range(len(both.units)))
    false = tuple(_false_rows(both))
    return SlideOutcome(_slide_row(both, foci, false), foci, false, tuple(_node_rows(both)))


# -- foci ----------------------------------------------------------------------------------------


def _focus_row(both: Comparison, index: int) -> FocusRow:
    """What became of one unit."""
    unit, matching = both.units[index], both.matching
    kinds = sorted({both.foci[number]["kind"] for number in unit.focus_ids})
    patterns = sorted({str(both.foci[number].get("pattern") or "") for number in unit.focus_ids} - {""})
    densities = [both.foci[number].get("dab_od") for number in unit.focus_ids]
    box = both.box_of(unit)
    return FocusRow(
        slide=both.subject.name,
        profile=both.subject.profile,
        spacing_um=both.subject.spacing_um,
        focus_ids=" ".join(map(str, unit.focus_ids)),
        kind="+".join(kinds),
        pattern="+".join(patterns),
        dab_od=next((float(density) for density in densities if density is not None), None),
        is_dots=unit.is_dots,
        is_judged=both.is_judged(unit),
        is_on_control=both.is_on_control(unit),
        x_px0=(box[0] + box[2]) // 2,
        y_px0=(box[1] + box[3]) // 2,
        n_cells=unit.n_cells,
        truth_um=unit.max_diameter_um,
        truth_category=unit.category,
        relation=matching.relation(index),
        n_parts=len(matching.parts[index]),
        missed_because="" if matching.holder[index] >= 0 else _why_missed(both, index),
        **_found_columns(both.clusters, int(matching.holder[index])),
    )


def _found_columns(clusters: Clusters, row: int) -> dict[str, Any]:
    """Columns about the cluster that holds a focus; empty where there is none."""
    if row < 0:
        return {}
    return {
        "cluster_id": row + 1,
        "counting": clusters.counting[row].value,
        "found_um": float(clusters.max_diameter_um[row]),
        "low_um": float(clusters.diameter_low_um[row]),
        "high_um": float(clusters.diameter_high_um[row]),
        "found_category": clusters.category[row].value,
        "borderline": bool(clusters.borderline[row]),
        "cells": float(clusters.cells[row]),
        "cells_low": float(clusters.cells_low[row]),
        "cells_high": float(clusters.cells_high[row]),
        "flags": _flags(clusters, row),
    }


def _flags(clusters: Clusters, row: int) -> str:
    """Flags of a cluster with their strengths."""
    return " ".join(f"{name}={strength:.2f}" for name, strength in clusters.flags_of(row).items())


def _why_missed(both: Comparison, index: int) -> str:
    """What lies where a focus was not found."""
    here = both.overlap.first == index
    if not here.any():
        return "no stained fragment"
    row = int(both.overlap.second[here][np.argmax(both.overlap.pixels[here])])
    if row == len(both.clusters):
        return "below the smallest area"
    if both.clusters.counting[row] is Counting.NOT_COUNTED:
        return f"not counted: {_flags(both.clusters, row)}"
    return "a part too small to stand for it"


# -- what is counted and is no focus -------------------------------------------------------------


def _false_rows(both: Comparison) -> list[FalseRow]:
    """Counted clusters that lie on no unit, and not where control tissue is.

    Where nothing could be seen and the program says so, its clusters are no finding and none of them is false.
    """
    if not both.subject.is_assessable and not both.analysis.finding.assessable.ok:
        return []
    clusters, rows = both.clusters, []
    is_false = both.matching.is_false[: len(clusters)] & clusters.is_counted
    for row in np.flatnonzero(is_false):
        x, y = clusters.centroid_px0[row]
        if both.control_box is not None and holds(both.control_box, (x, y, x, y)):
            continue
        rows.append(
            FalseRow(
                slide=both.subject.name,
                profile=both.subject.profile,
                cluster_id=int(row) + 1,
                mimic=_mimic_at(both, clusters.bbox_px0[row].tolist()),
                counting=clusters.counting[row].value,
                found_um=float(clusters.max_diameter_um[row]),
                found_category=clusters.category[row].value,
                area_um2=float(clusters.area_um2[row]),
                mean_dab_od=float(clusters.mean_dab_od[row]),
                x_px0=round(float(x)),
                y_px0=round(float(y)),
                flags=_flags(clusters, int(row)),
            )
        )
    return rows


def _mimic_at(both: Comparison, box: Box) -> str:
    """Kind of the mimic whose box shares most with a cluster's; ``none`` where it has nothing to stand for."""
    truth = both.subject.truth
    in_units = {number for unit in both.units for number in unit.focus_ids}
    specks = [focus for number, focus in both.foci.items() if number not in in_units]
    things = [*truth.get("mimics", ()), *truth.get("patches", ()), *specks]
    shared = [shared_area(thing["bbox_px0"], box) / max(area_of(thing["bbox_px0"]), 1) ** 0.5 for thing in things]
    if not shared or max(shared) <= 0:
        return "none"
    return str(things[int(np.argmax(shared))]["kind"])


# -- slide and nodes -----------------------------------------------------------------------------


def _slide_row(both: Comparison, foci: Sequence[FocusRow], false: Sequence[FalseRow]) -> SlideRow:
    """The slide as a whole."""
    truth, finding = both.subject.truth, both.analysis.finding
    return SlideRow(
        slide=both.subject.name,
        profile=both.subject.profile,
        scene=truth["profile"],
        look=truth.get("look", "default"),
        seed=truth["seed"],
        side_px=truth["side_px"],
        mpp_x=truth["mpp_x"],
        mpp_y=truth["mpp_y"],
        is_negative_batch=both.subject.is_negative_batch,
        is_unclear=both.is_unclear,
        truth_category=both.truth_category.value,
        truth_um=truth["expected"]["max_diameter_um"],
        truth_cells=both.most_cells(both.patient_units),
        found_category=finding.category.value,
        found_um=finding.max_diameter_um,
        n_foci=sum(row.is_judged for row in foci),
        n_missed=sum(row.is_judged and not row.is_found for row in foci),
        n_false_unflagged=sum(row.counting == Counting.COUNTED for row in false),
        n_false_flagged=sum(row.counting == Counting.DOUBTFUL for row in false),
        n_control=sum(row.is_on_control for row in foci),
        n_control_counted=_n_control_counted(both, foci),
        in_focus_truth=truth.get("in_focus_share"),
        in_focus_found=both.analysis.scan.in_focus,
        reasons=" ".join(reason.partition(":")[0] for reason in finding.assessable.reasons),
        flags=" ".join(finding.flags),
        seconds=round(both.analysis.provenance.seconds, 2),
    )


def _n_control_counted(both: Comparison, foci: Sequence[FocusRow]) -> int:
    """Counted clusters on control tissue: on its foci, or anywhere in its zone."""
    rows = {row.cluster_id for row in foci if row.is_on_control and row.is_found}
    if both.control_box is not None:
        x, y = both.clusters.centroid_px0.T
        x0, y0, x1, y1 = both.control_box
        inside = both.clusters.is_counted & (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        rows |= {int(row) + 1 for row in np.flatnonzero(inside)}
    return len(rows)


def _node_rows(both: Comparison) -> list[NodeRow]:
    """Category of each node: the worst of its pieces, in truth and as the program's pieces say."""
    if not both.subject.is_assessable or not both.analysis.finding.assessable.ok:
        return []
    pieces = [piece for piece in both.subject.truth["tissue"]["pieces"] if piece.get("role") != Role.CONTROL]
    held: dict[str, list[Unit]] = {_node_of(piece): [] for piece in pieces}
    for unit in both.patient_units:
        home = both.piece_of(unit, pieces)
        if home is not None:
            held[_node_of(home)].append(unit)
    truth = {node: both.category_of(units) for node, units in held.items()}
    found = dict.fromkeys(truth, Category.NEGATIVE)
    for piece in both.analysis.pieces:
        home = home_of(pieces, piece.bbox_px0)
        if home is not None and piece.category is not None and piece.role not in (Role.CONTROL, Role.EXCLUDE):
            found[_node_of(home)] = max(found[_node_of(home)], piece.category, key=rank_of)
    return [
        NodeRow(both.subject.name, both.subject.profile, node, truth[node].value, found[node].value) for node in truth
    ]


def _node_of(piece: Mapping[str, Any]) -> str:
    """Name of the node that a piece is a cut of; a piece that names none is one of its own."""
    return str(piece.get("node") or f"piece {piece['id']}")
