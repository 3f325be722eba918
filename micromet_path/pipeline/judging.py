"""From fragments and their tree to clusters and the finding, at any gap; no pixel is needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from micromet_path.clinical import classify
from micromet_path.config import Config
from micromet_path.geometry import PixelSpacing
from micromet_path.model import (
    GAPS_UM,
    LINK_LIMIT_UM,
    Analysis,
    Clusters,
    Dropped,
    Finding,
    Fragments,
    Piece,
    Quality,
    Tree,
)
from micromet_path.pixels import clusters

__all__ = ["Evidence", "judge_clusters", "judge_pieces", "make_finding", "recut"]


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
    """

    fragments: Fragments
    tree: Tree
    pieces: tuple[Piece, ...]
    quality: Quality
    dropped: tuple[Dropped, Dropped]
    spacing: PixelSpacing
    mpp_source: str

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
        )


def judge_clusters(evidence: Evidence, gap_um: float, config: Config) -> Clusters:
    """Cut the tree at a gap, measure the clusters, and decide of each what it is called and whether it counts."""
    params = config.clusters
    scale_share = params.scale_uncertainty_given if evidence.mpp_source == "given" else params.scale_uncertainty
    measures = clusters.measure(evidence.fragments, evidence.tree, gap_um, evidence.spacing, scale_share, params)
    return classify.judge(measures, {piece.id: piece.role for piece in evidence.pieces}, config.classify)


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
    """The same slide with fragments up to another gap taken as one."""
    evidence = Evidence.of(analysis)
    measured = judge_clusters(evidence, gap_um, config)
    return replace(
        analysis,
        clusters=measured,
        finding=make_finding(evidence, measured, config),
        pieces=judge_pieces(evidence, measured, config),
        scan=replace(analysis.scan, gap_um=gap_um),
    )
