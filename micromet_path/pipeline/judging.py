"""From fragments and their tree to clusters and the finding, at any gap; no pixel is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical import classify
from micromet_path.config import Config, fingerprint_of
from micromet_path.geometry import PixelSpacing
from micromet_path.model import (
    GAPS_UM,
    LINK_LIMIT_UM,
    Analysis,
    BrownThing,
    ClusterMeasures,
    Clusters,
    Counting,
    Dropped,
    Finding,
    Fragments,
    Piece,
    Quality,
    Tree,
)
from micromet_path.pixels import clusters
from micromet_path.pixels.examine import bridge_strength
from micromet_path.pixels.examine_params import ramps
from micromet_path.pixels.fragments import dropped_in_all
from micromet_path.slides.base import SlideInfo

__all__ = [
    "Evidence",
    "describe_cluster",
    "judge_clusters",
    "judge_pieces",
    "make_finding",
    "recut",
    "settings_fingerprint",
]

_FLOATER_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that clusters and a finding are made from.

    Parameters
    ----------
    fragments : Fragments
    tree : Tree
    pieces : tuple of Piece
        With their roles.
    quality : Quality
    dropped : tuple of Dropped
        Below the smallest area; without a strong pixel.
    spacing : PixelSpacing
    mpp_source : str
        A scale that was typed in is less sure than the scanner's.
    threshold_od : float
        Chromogen density from which a pixel was stained on this slide.
    strength_od : float or None
        Chromogen density of the cores of what is stained on this slide; None where too little is.
    """

    fragments: Fragments
    tree: Tree
    pieces: tuple[Piece, ...]
    quality: Quality
    dropped: tuple[Dropped, Dropped]
    spacing: PixelSpacing
    mpp_source: str
    threshold_od: float
    strength_od: float | None = None

    @classmethod
    def of(cls, analysis: Analysis) -> Evidence:
        """The evidence that a finished analysis holds."""
        return cls(
            fragments=analysis.fragments,
            tree=analysis.tree,
            pieces=analysis.pieces,
            quality=analysis.quality,
            dropped=(analysis.scan.below_area, analysis.scan.no_strong_pixel),
            spacing=analysis.slide.spacing,
            mpp_source=analysis.slide.mpp_source,
            threshold_od=analysis.scan.threshold_od,
            strength_od=analysis.scan.chromogen_strength_od,
        )


def judge_clusters(evidence: Evidence, gap_um: float, config: Config) -> Clusters:
    """Cut the tree at a gap, measure the clusters, and decide of each what it is called and whether it counts."""
    scale_share = config.clusters.scale_share(evidence.mpp_source)
    measures = clusters.measure(
        evidence.fragments, evidence.tree, gap_um, evidence.spacing, scale_share, config.clusters
    )
    flags = {
        **measures.flags,
        "floater": _floaters(measures, evidence),
        "haze_bridge": _bridges(measures, evidence, config),
        "weak": np.maximum(measures.flags["weak"], _pale(measures, evidence, config)),
    }
    measures = replace(measures, flags=flags)
    return classify.judge(measures, {piece.id: piece.role for piece in evidence.pieces}, config.classify)


def _floaters(measures: ClusterMeasures, evidence: Evidence) -> NDArray[np.float64]:
    """How likely each cluster came from another block: on a scrap of its own, a hundredth of the largest piece."""
    largest = max((piece.area_mm2 for piece in evidence.pieces), default=0.0)
    area_mm2 = np.full(1 + max((piece.id for piece in evidence.pieces), default=0), largest)  # 0: on no piece
    for piece in evidence.pieces:
        area_mm2[piece.id] = piece.area_mm2
    share = area_mm2[measures.piece_id] / max(largest, 1e-9)
    return np.asarray(np.clip(1.0 - 0.5 * share / _FLOATER_SHARE, 0.0, 1.0))


def _bridges(measures: ClusterMeasures, evidence: Evidence, config: Config) -> NDArray[np.float64]:
    """How likely each cluster is a sheet held together by haze."""
    fragments, row = evidence.fragments, measures.cluster_of_fragment
    is_in = row >= 0
    strong, area = (
        np.bincount(row[is_in], column[is_in], minlength=len(measures))
        for column in (fragments.strong_px, fragments.area_px)
    )
    start, end = config.examine.bridge_um
    strengths = np.zeros(len(measures))
    # Of thousands of clusters hardly any is a sheet; the others are none whatever else they are.
    for sheet in np.flatnonzero((measures.max_diameter_um - start) / (end - start) > 0).tolist():
        strengths[sheet] = bridge_strength(
            float(measures.max_diameter_um[sheet]),
            float(measures.mean_dab_od[sheet]),
            float(strong[sheet] / max(area[sheet], 1)),
            evidence.threshold_od,
            config.examine,
        )
    return strengths


def _pale(measures: ClusterMeasures, evidence: Evidence, config: Config) -> NDArray[np.float64]:
    """How sure each cluster is a few cells at most that stain far weaker than what else is stained on the slide.

    Or than what is stained as a rule, where nothing else on the slide shows some strength.
    """
    strength_od = config.examine.strength_of(evidence.strength_od)
    pale = ramps(measures.mean_dab_od / strength_od, config.examine.pale_share)
    return np.asarray(np.minimum(pale, ramps(measures.area_um2, config.examine.pale_um2)))


def judge_pieces(evidence: Evidence, measured: Clusters, config: Config) -> tuple[Piece, ...]:
    """Each piece with its own finding, as far as the slide supports one."""
    judged = classify.judge_pieces(evidence.pieces, measured, config.classify)
    return classify.withhold(judged, evidence.quality, config.classify)


def make_finding(evidence: Evidence, measured: Clusters, config: Config) -> Finding:
    """The finding of judged clusters, with what other gaps would give."""
    at_gap = {gap: judge_clusters(evidence, gap, config) for gap in (*GAPS_UM, LINK_LIMIT_UM) if gap != measured.gap_um}
    at_gap[measured.gap_um] = measured
    scattered = at_gap[LINK_LIMIT_UM]
    extents_um = scattered.max_diameter_um[scattered.is_counted]
    return classify.find(
        classify.FindingInputs(
            clusters=measured,
            pieces=evidence.pieces,
            quality=evidence.quality,
            by_gap=tuple(classify.summarise_gap(at_gap[gap], config.classify) for gap in GAPS_UM),
            scatter_extent_um=float(extents_um.max()) if len(extents_um) else None,
            below_area=evidence.dropped[0],
            no_strong_pixel=evidence.dropped[1],
            smallest_area_um2=config.clusters.smallest_area_um2,
            params=config.classify,
        )
    )


def recut(analysis: Analysis, config: Config, gap_um: float) -> Analysis:
    """The same slide with fragments up to another gap taken as one: what an analysis at that gap gives."""
    config = replace(config, clusters=replace(config.clusters, gap_um=gap_um))
    evidence = Evidence.of(analysis)
    small = clusters.below_area(evidence.fragments, evidence.tree, evidence.spacing, config.clusters)
    below_area = dropped_in_all([analysis.scan.below_link_area, small])
    evidence = replace(evidence, dropped=(below_area, analysis.scan.no_strong_pixel))
    measured = judge_clusters(evidence, gap_um, config)
    settings = {**analysis.provenance.config, **config.to_dict()}
    return replace(
        analysis,
        clusters=measured,
        finding=make_finding(evidence, measured, config),
        pieces=judge_pieces(evidence, measured, config),
        scan=replace(analysis.scan, gap_um=gap_um, below_area=below_area),
        brownest=tuple(_followed(thing, analysis.clusters, measured) for thing in analysis.brownest),
        provenance=replace(
            analysis.provenance, config=settings, config_fingerprint=settings_fingerprint(settings, evidence)
        ),
    )


def _followed(thing: BrownThing, before: Clusters, after: Clusters) -> BrownThing:
    """A brown thing under the number that its cluster has now."""
    if thing.cluster_id is None:
        return thing
    fragment = int(np.argmax(before.cluster_of_fragment == thing.cluster_id - 1))
    row = int(after.cluster_of_fragment[fragment])
    if row < 0:
        return replace(thing, cluster_id=None, what="dropped: below the smallest area")
    return replace(thing, cluster_id=row + 1, what=describe_cluster(after, row))


def describe_cluster(measured: Clusters, row: int) -> str:
    """A cluster and what became of it."""
    counting = {
        Counting.COUNTED: "counted",
        Counting.DOUBTFUL: "counted, doubtful",
        Counting.NOT_COUNTED: "not counted",
    }
    return f"cluster {row + 1}, {counting[measured.counting[row]]}"


def settings_fingerprint(settings: Mapping[str, Any], scale: Evidence | SlideInfo) -> str:
    """SHA-256 over all that decides a result besides the slide.

    Parameters
    ----------
    settings : mapping
        As recorded in the result, with the analysed area where it is not the whole slide.
    scale : Evidence or SlideInfo
        A scale that was given is part of it; the file's own is part of the slide.
    """
    source = scale.mpp_source if isinstance(scale, Evidence) else scale.spacing_source
    given = [scale.spacing.x_um, scale.spacing.y_um] if source == "given" else None
    return fingerprint_of(settings, given)
