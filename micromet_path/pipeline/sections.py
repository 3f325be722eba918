"""From analysed slides to nodes: which pieces of tissue belong to which node, and what they show of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from micromet_path.clinical import classify
from micromet_path.clinical.case import Case, Node, SlideReference
from micromet_path.clinical.counting import NOT_THE_PATIENT
from micromet_path.clinical.nodes import FocusEvidence, SectionFinding
from micromet_path.clinical.reasons import Caution
from micromet_path.clinical.review import REJECTED, Review, apply_review, review_cautions
from micromet_path.config import Config
from micromet_path.errors import ConfigError
from micromet_path.model import Analysis, Category, Clusters, Finding, Piece, Role
from micromet_path.pipeline.judging import Evidence, make_finding

__all__ = ["AnalysedSlide", "NodeEvidence", "find_sections"]

NO_PIECE = 0
"""Piece of the clusters that lie on none."""


@dataclass(frozen=True, slots=True)
class AnalysedSlide:
    """A slide that a case refers to.

    Parameters
    ----------
    analysis : Analysis
    config : Config
        That made it.
    review : Review or None
        What a reviewer decided on it.
    folder : str
        Where the result is stored.
    """

    analysis: Analysis
    config: Config
    review: Review | None
    folder: str

    @property
    def patient_pieces(self) -> tuple[int, ...]:
        """Pieces that may belong to a node."""
        return tuple(piece.id for piece in self.analysis.pieces if piece.role not in NOT_THE_PATIENT)


@dataclass(frozen=True, slots=True)
class NodeEvidence:
    """What the slides of a case show.

    Parameters
    ----------
    sections : mapping of str to list of SectionFinding
        By node.
    problems : tuple of str
        Why the case is not complete although each slide of it may be.
    remarks : tuple of Caution
        What a reader should know besides.
    """

    sections: Mapping[str, list[SectionFinding]]
    problems: tuple[str, ...] = ()
    remarks: tuple[Caution, ...] = ()


def find_sections(case: Case, slides: Mapping[str, AnalysedSlide]) -> NodeEvidence:
    """Assign pieces to nodes and make the finding of each.

    Parameters
    ----------
    case : Case
    slides : mapping of str to AnalysedSlide
        By the name that the case uses.

    Raises
    ------
    ConfigError
        If a piece does not exist, is not the patient's, or belongs to two nodes.
    """
    assigned = _assign(case, slides)
    sections: dict[str, list[SectionFinding]] = defaultdict(list)
    for node, number, reference in _references(case):
        sections[node.node_id].append(_section(slides[reference.result], reference, assigned[node.node_id, number]))
    problems, remarks = _unassigned(case, slides, assigned)
    return NodeEvidence(sections, tuple(problems), (*remarks, *_repeated(slides)))


_Assignment = Mapping[tuple[str, int], tuple[int, ...] | None]


def _references(case: Case) -> Iterator[tuple[Node, int, SlideReference]]:
    """Every slide that a node names, with its number among them."""
    return ((node, number, one) for node in case.nodes for number, one in enumerate(node.slides))


def _assign(case: Case, slides: Mapping[str, AnalysedSlide]) -> _Assignment:
    """Pieces of each reference of each node; None where the case does not say which of several."""
    assigned: dict[tuple[str, int], tuple[int, ...] | None] = {}
    owner: dict[tuple[str, int], str] = {}
    for node, number, reference in _references(case):
        slide = slides[reference.result]
        pieces = _pieces_of(slide, reference, node.node_id)
        assigned[node.node_id, number] = pieces
        for piece in pieces or ():
            key = (slide.analysis.slide.fingerprint, piece)
            if owner.setdefault(key, node.node_id) != node.node_id:
                raise ConfigError(
                    f"piece {piece} of slide {slide.analysis.slide.id} is assigned to the nodes {owner[key]} and "
                    f"{node.node_id}; a piece belongs to one node"
                )
    return assigned


def _pieces_of(slide: AnalysedSlide, reference: SlideReference, node_id: str) -> tuple[int, ...] | None:
    """The pieces that a reference means."""
    if reference.pieces == "all" or (reference.pieces is None and len(slide.patient_pieces) <= 1):
        return slide.patient_pieces
    if reference.pieces is None:
        return None
    roles = {piece.id: piece.role for piece in slide.analysis.pieces}
    for piece in reference.pieces:
        if piece not in roles:
            known = f"1 to {len(roles)}" if roles else "none"
            raise ConfigError(
                f"node {node_id}: slide {slide.analysis.slide.id} has no piece {piece}; its pieces are {known}"
            )
        if roles[piece] in NOT_THE_PATIENT:
            raise ConfigError(
                f"node {node_id}: piece {piece} of slide {slide.analysis.slide.id} is {roles[piece].value} tissue"
            )
    return tuple(sorted(reference.pieces))


def _section(slide: AnalysedSlide, reference: SlideReference, pieces: tuple[int, ...] | None) -> SectionFinding:
    """What the slide says of the pieces."""
    analysis = slide.analysis
    problem = _problem(slide, reference, pieces)
    clusters, finding = analysis.clusters, analysis.finding
    if pieces is not None and problem is None:
        clusters, finding = _restricted(slide, pieces)
        if finding.category is Category.NOT_ASSESSABLE:
            problem = "not assessable: " + "; ".join(
                reason.partition(": ")[2] or reason for reason in finding.assessable.reasons
            )
    return SectionFinding(
        result=analysis.slide.id,
        fingerprint=analysis.slide.fingerprint,
        slide_name=analysis.slide.name,
        pieces=pieces or (),
        finding=finding,
        focus=None if problem else _focus(slide, clusters, finding),
        section=None if reference.section is None else str(reference.section),
        block=None if reference.block is None else str(reference.block),
        clone=reference.clone or analysis.quality.antibody,
        problem=problem,
        is_confirmed=problem is None and _is_confirmed(slide, finding),
        folder=slide.folder,
    )


def _problem(slide: AnalysedSlide, reference: SlideReference, pieces: tuple[int, ...] | None) -> str | None:
    """Why the slide says nothing of the node."""
    if reference.control_result == "failed":
        return "its control failed"
    if pieces is None:
        return f"node assignment not stated: the slide holds {len(slide.patient_pieces)} pieces of tissue"
    return "its review.json is of another result; review this one" if _is_stale(slide) else None


def _is_stale(slide: AnalysedSlide) -> bool:
    """Whether the review beside a result is of another one: cluster ids mean nothing then."""
    review, analysis = slide.review, slide.analysis
    return review is not None and (review.slide_fingerprint, review.config_fingerprint) != (
        analysis.slide.fingerprint,
        analysis.provenance.config_fingerprint,
    )


def _is_confirmed(slide: AnalysedSlide, finding: Finding) -> bool:
    """Whether a reviewer closed the slide, and decided on the focus that the finding rests on."""
    if slide.review is None or not slide.review.closed:
        return False
    return finding.cluster_id is None or any(one.cluster_id == finding.cluster_id for one in slide.review.decisions)


def _restricted(slide: AnalysedSlide, pieces: tuple[int, ...]) -> tuple[Clusters, Finding]:
    """Clusters and finding when only these pieces are the node's, after what a reviewer decided."""
    analysis, config = slide.analysis, slide.config
    others = set(slide.patient_pieces) - set(pieces)
    is_reviewed = slide.review is not None and bool(slide.review.decisions)
    if not others and not is_reviewed:
        return analysis.clusters, analysis.finding
    evidence = Evidence.of(analysis)
    evidence = replace(
        evidence,
        pieces=tuple(replace(piece, role=Role.EXCLUDE) if piece.id in others else piece for piece in evidence.pieces),
    )
    roles = {piece.id: piece.role for piece in evidence.pieces}
    if others:
        roles[NO_PIECE] = Role.EXCLUDE  # of several nodes, none can claim it
    clusters = classify.judge(analysis.clusters, roles, config.classify)
    if slide.review is None or not is_reviewed:
        return clusters, make_finding(evidence, clusters, config)
    review = _on_pieces(slide.review, clusters, {*others, *((NO_PIECE,) if others else ())})
    reviewed = apply_review(clusters, review, config.classify)
    # Where every focus has its decision, what is contiguous is the reviewer's word; other gaps say nothing more.
    decided = {decision.cluster_id for decision in review.decisions}
    is_settled = decided >= {row + 1 for row in np.flatnonzero(clusters.is_counted).tolist()}
    before = None if is_settled else make_finding(evidence, clusters, config)
    rejected = Piece(REJECTED, (0, 0, 0, 0), 0.0, Role.EXCLUDE)
    inputs = classify.FindingInputs(
        clusters=reviewed,
        pieces=(*evidence.pieces, rejected),
        quality=evidence.quality,
        by_gap=() if before is None else before.by_gap,
        scatter_extent_um=None if before is None else before.scatter_extent_um,
        below_area=evidence.dropped[0],
        no_strong_pixel=evidence.dropped[1],
        smallest_area_um2=config.clusters.smallest_area_um2,
        params=config.classify,
    )
    return reviewed, classify.find(inputs)


def _on_pieces(review: Review, clusters: Clusters, others: set[int]) -> Review:
    """The decisions that do not concern another node's pieces: an accepted cluster there counts there."""
    elsewhere = {row + 1 for row, piece in enumerate(clusters.piece_id.tolist()) if piece in others}
    kept = tuple(decision for decision in review.decisions if decision.cluster_id not in elsewhere)
    return replace(review, decisions=kept)


def _focus(slide: AnalysedSlide, clusters: Clusters, finding: Finding) -> FocusEvidence | None:
    """The cluster that decides, with what a reviewer said of it."""
    if finding.cluster_id is None:
        return None
    row = finding.cluster_id - 1
    decision = next(
        (one for one in (slide.review.decisions if slide.review else ()) if one.cluster_id == finding.cluster_id), None
    )
    (x0, y0), (x1, y1) = np.asarray(clusters.axis_px0[row], float).tolist()
    left, top, right, bottom = clusters.bbox_px0[row].tolist()
    return FocusEvidence(
        cluster_id=finding.cluster_id,
        max_diameter_um=float(clusters.max_diameter_um[row]),
        axis_px0=((x0, y0), (x1, y1)),
        bbox_px0=(left, top, right, bottom),
        flags=tuple(clusters.flags_of(row)),
        decision="none" if decision is None else decision.decision,
        location=None if decision is None else decision.location,
    )


def _unassigned(
    case: Case, slides: Mapping[str, AnalysedSlide], assigned: _Assignment
) -> tuple[list[str], list[Caution]]:
    """What of a mapped slide no node has: a problem where something counts on it, else a remark."""
    taken: dict[str, set[int]] = defaultdict(set)
    is_unmapped: set[str] = set()
    for node, number, reference in _references(case):
        fingerprint = slides[reference.result].analysis.slide.fingerprint
        pieces = assigned[node.node_id, number]
        taken[fingerprint].update(pieces or ())
        if pieces is None:
            is_unmapped.add(fingerprint)
    problems: list[str] = []
    remarks: list[Caution] = []
    for fingerprint, slide in {slide.analysis.slide.fingerprint: slide for slide in slides.values()}.items():
        if fingerprint in is_unmapped:
            continue
        name, clusters = slide.analysis.slide.id, _reviewed(slide)
        left = {*slide.patient_pieces} - taken[fingerprint]
        for piece in classify.judge_pieces(slide.analysis.pieces, clusters, slide.config.classify):
            if piece.id not in left:
                continue
            text = f"piece {piece.id} of slide {name} is assigned to no node"
            if piece.category is not None and piece.category.rank > Category.NEGATIVE.rank:
                problems.append(f"{text}, and {piece.category.value} was found on it")
            else:
                remarks.append(Caution("unassigned_piece", text))
        astray = np.flatnonzero(clusters.is_counted & (clusters.piece_id == NO_PIECE)).tolist()
        if astray and not _is_whole(case, slides, assigned, fingerprint):
            problems.append(
                f"cluster {astray[0] + 1} of slide {name} lies on no piece; say in a review whose it is not"
            )
        if slide.review is not None and slide.review.decisions:
            remarks += review_cautions(slide.analysis.clusters, slide.review, f"slide {name}")
    return problems, remarks


def _reviewed(slide: AnalysedSlide) -> Clusters:
    """The clusters of a slide as a reviewer left them."""
    clusters = slide.analysis.clusters
    if slide.review is None or _is_stale(slide):
        return clusters
    return apply_review(clusters, slide.review, slide.config.classify)


def _is_whole(case: Case, slides: Mapping[str, AnalysedSlide], assigned: _Assignment, fingerprint: str) -> bool:
    """Whether one reference has all of a slide's tissue."""
    return any(
        slides[reference.result].analysis.slide.fingerprint == fingerprint
        and set(assigned[node.node_id, number] or ()) == set(slides[reference.result].patient_pieces)
        for node, number, reference in _references(case)
    )


def _repeated(slides: Mapping[str, AnalysedSlide]) -> Iterator[Caution]:
    """Say which names mean one and the same slide."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, slide in slides.items():
        names[slide.analysis.slide.fingerprint].append(name)
    for same in names.values():
        if len(same) > 1:
            called = sorted({Path(name).name for name in same})
            text = f"slide {called[0]} is named twice" if len(called) == 1 else f"{' and '.join(called)} are one slide"
            yield Caution("repeated_slide", f"{text}; it counts once")
