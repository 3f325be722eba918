"""The order in which an analysis happens.

::

    overview -> white point, stain model, tissue
             -> [block: stained runs with their sums]*      in threads, in any order
             -> fragments -> dot patterns, contiguity tree
             -> pieces of tissue, places and borders of the fragments
             -> clusters at the configured gap and at the others -> finding
             -> pictures for the report
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path import __version__
from micromet_path.clinical import classify
from micromet_path.config import Config, Zone
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import (
    GAPS_UM,
    LINK_LIMIT_UM,
    Analysis,
    Clusters,
    Dropped,
    Finding,
    Fragments,
    Picture,
    Piece,
    Provenance,
    Quality,
    Runs,
    ScanSummary,
    SlideRecord,
    Tree,
)
from micromet_path.pipeline.gathering import Gathered, gather_fragments, linkable_runs
from micromet_path.pipeline.pictures import find_brownest, take_pictures
from micromet_path.pipeline.reading import Progress, read_overview, scan_slide
from micromet_path.pixels import clusters, stain, tissue
from micromet_path.pixels.area import Area
from micromet_path.pixels.fragments import dropped_in_all
from micromet_path.pixels.link import contiguity_tree
from micromet_path.slides.base import Slide
from micromet_path.slides.checks import check_brightfield

__all__ = ["Outcome", "Task", "analyze_slide", "finding_at", "recut", "settings_fingerprint", "slide_record"]


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done with a slide besides the configuration.

    Parameters
    ----------
    slide_id : str
        Name of the result.
    fingerprint : str
        Of the slide's content.
    area : Area
        What is analysed; everything by default.
    workers : int
        Threads.
    blocks : tuple of Region or None
        Blocks to walk; whole stored tiles by default.
    """

    slide_id: str
    fingerprint: str
    area: Area = field(default_factory=Area)
    workers: int = 1
    blocks: tuple[Region, ...] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an analysis gives: the records, the stained runs, and the pictures of the report."""

    analysis: Analysis
    runs: Runs
    pictures: tuple[Picture, ...]


def analyze_slide(slide: Slide, config: Config, task: Task, progress: Progress | None = None) -> Outcome:
    """Analyse a slide.

    Parameters
    ----------
    slide : Slide
    config : Config
    task : Task
    progress : callable, optional
        Called with (blocks done, blocks in all).

    Raises
    ------
    UnsupportedSlideError
        If the picture is no brightfield slide.
    UnreadableSlideError
        If no tile can be decoded.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    spacing = slide.info.spacing
    overview = _take_overview(slide, config, task.area)
    check_brightfield(overview.rgb, slide.info, overview.read)
    white = stain.find_white(overview.rgb, overview.read, config.stain.white)
    tissue_mask = tissue.find_tissue(overview, white, config.tissue)
    model, estimated = _stain_model(overview.rgb[tissue_mask], white, config)
    check = stain.check_h_dab(overview.rgb[tissue_mask], model)
    scan = scan_slide(
        slide, stain.make_tables(model, config.stain), config, task.area, task.workers, progress, task.blocks
    )
    seen = overview.read
    unread = np.zeros_like(seen)
    for region in scan.unread:
        unread[overview.slices_of(region)] = True
    overview = replace(overview, read=seen & ~unread)

    gathered = gather_fragments(scan, spacing, config)
    fragments, stained = _found_on_glass(gathered, overview, tissue_mask, config)
    labels, pieces = tissue.find_pieces(overview, tissue_mask, stained, config.tissue)
    pieces = _with_roles(pieces, labels, overview, config.zones)
    fragments = _placed(fragments, overview, (tissue_mask | stained, labels))
    tree = contiguity_tree(linkable_runs(fragments, gathered.runs), len(fragments), spacing)

    # Where neither the overview nor level 0 could be read there may be tissue: it counts as tissue that was missed.
    expected = tissue_mask | stained | (unread & ~seen)
    quality = _quality(overview, tissue_mask | stained, expected, check, config)
    quality = replace(quality, unreadable_tiles=len(scan.unread), is_truncated=slide.info.is_truncated)
    scale_share = _scale_share(slide.info.spacing_source, config)
    roles = {piece.id: piece.role for piece in pieces}
    measured = classify.judge(
        clusters.measure(fragments, tree, config.clusters.gap_um, spacing, scale_share, config.clusters),
        roles,
        config.classify,
    )
    below_area = dropped_in_all([gathered.below_area, clusters.below_area(fragments, tree, spacing, config.clusters)])
    drops = (below_area, gathered.no_strong_pixel)
    summary = _summary(model, estimated, quality, spacing, config, drops)
    parts = _Parts(fragments, tree, pieces, quality, summary, spacing, scale_share)
    finding = finding_at(parts, measured, config)
    pieces = classify.withhold(classify.judge_pieces(pieces, measured, config.classify), quality, config.classify)
    brownest = find_brownest(measured, scan.pieces, gathered.piece_of_fragment, spacing)
    pictures = take_pictures(slide, measured, brownest, task.workers)
    analysis = Analysis(
        slide=slide_record(slide, task),
        scan=summary,
        quality=quality,
        pieces=pieces,
        finding=finding,
        clusters=measured,
        fragments=fragments,
        tree=tree,
        brownest=brownest,
        provenance=Provenance(
            version=__version__,
            config=_settings(config, task.area),
            config_fingerprint=settings_fingerprint(config, slide, task.area),
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - clock, 3),
        ),
    )
    return Outcome(analysis, gathered.runs, pictures)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a finding needs besides the clusters."""

    fragments: Fragments
    tree: Tree
    pieces: tuple[Piece, ...]
    quality: Quality
    scan: ScanSummary
    spacing: PixelSpacing
    scale_share: float


def finding_at(parts: _Parts | Analysis, measured: Clusters, config: Config) -> Finding:
    """The finding of judged clusters; cut at the other gaps from the same tree, without any pixel."""
    if isinstance(parts, Analysis):
        share = _scale_share(parts.slide.mpp_source, config)
        parts = _Parts(parts.fragments, parts.tree, parts.pieces, parts.quality, parts.scan, parts.slide.spacing, share)
    roles = {piece.id: piece.role for piece in parts.pieces}

    def judged(gap_um: float) -> Clusters:
        if gap_um == measured.gap_um:
            return measured
        measures = clusters.measure(
            parts.fragments, parts.tree, gap_um, parts.spacing, parts.scale_share, config.clusters
        )
        return classify.judge(measures, roles, config.classify)

    scatter = judged(LINK_LIMIT_UM)
    return classify.find(
        classify.FindingInputs(
            clusters=measured,
            pieces=parts.pieces,
            quality=parts.quality,
            by_gap=tuple(classify.summarise_gap(judged(gap), config.classify) for gap in GAPS_UM),
            scatter_extent_um=float(scatter.max_diameter_um[scatter.is_counted].max())
            if scatter.is_counted.any()
            else None,
            below_area=parts.scan.below_area,
            no_strong_pixel=parts.scan.no_strong_pixel,
            smallest_area_um2=config.clusters.smallest_area_um2,
            params=config.classify,
        )
    )


def recut(analysis: Analysis, config: Config, gap_um: float) -> Analysis:
    """The same slide with fragments up to another gap taken as one; no pixel is read again."""
    share = _scale_share(analysis.slide.mpp_source, config)
    roles = {piece.id: piece.role for piece in analysis.pieces}
    measured = classify.judge(
        clusters.measure(analysis.fragments, analysis.tree, gap_um, analysis.slide.spacing, share, config.clusters),
        roles,
        config.classify,
    )
    pieces = classify.judge_pieces(analysis.pieces, measured, config.classify)
    return replace(
        analysis,
        clusters=measured,
        finding=finding_at(analysis, measured, config),
        pieces=classify.withhold(pieces, analysis.quality, config.classify),
        scan=replace(analysis.scan, gap_um=gap_um),
    )


def settings_fingerprint(config: Config, slide: Slide, area: Area) -> str:
    """SHA-256 over all that decides a result besides the slide: settings, analysed area, a scale that was given."""
    info = slide.info
    given = [info.spacing.x_um, info.spacing.y_um] if info.spacing_source == "given" else None
    if given is None and area.is_whole:
        return config.fingerprint
    return hashlib.sha256(json.dumps([config.fingerprint, given, area.inside, area.outside]).encode()).hexdigest()


def slide_record(slide: Slide, task: Task) -> SlideRecord:
    """What the result says of the slide."""
    info = slide.info
    return SlideRecord(
        id=task.slide_id,
        name=info.name,
        width_px0=info.width_px0,
        height_px0=info.height_px0,
        spacing=info.spacing,
        mpp_source=info.spacing_source,
        vendor=info.vendor,
        fingerprint=task.fingerprint,
        reader=info.reader,
        bounds_px0=info.bounds_px0,
        properties=info.properties,
        warnings=info.warnings,
    )


def _take_overview(slide: Slide, config: Config, area: Area) -> tissue.Overview:
    """The overview at the scale that the configuration asks for, never finer than level 0."""
    info = slide.info
    wanted = config.tissue.overview_spacing(info.width_px0 * info.spacing.x_um, info.height_px0 * info.spacing.y_um)
    return read_overview(slide, wanted, area)


def _stain_model(
    tissue_rgb: NDArray[np.uint8], white: stain.WhitePoint, config: Config
) -> tuple[stain.StainModel, tuple[stain.Vector, stain.Vector] | None]:
    """The model that decides, and the vectors estimated from the slide where it allows an estimate."""
    params = config.stain
    estimated = stain.estimate_vectors(tissue_rgb, white)
    if params.vectors == "fixed":
        return stain.StainModel.from_dyes(white, params.haematoxylin, params.chromogen, "fixed"), estimated
    if estimated is None:
        source = "fixed: estimate refused"
        return stain.StainModel.from_dyes(white, params.haematoxylin, params.chromogen, source), None
    return stain.StainModel.from_dyes(white, *estimated, "estimated"), estimated


def _found_on_glass(
    gathered: Gathered, overview: tissue.Overview, tissue_mask: NDArray[np.bool_], config: Config
) -> tuple[Fragments, NDArray[np.bool_]]:
    """Fragments with those marked that lie on bare glass; and the cells that the others stain."""
    fragments, runs = gathered.fragments, gathered.runs
    maps = (tissue_mask, tissue.mark_runs(overview, runs))
    hulls = (fragments.hull_px, fragments.hull_offsets)
    off_tissue = tissue.is_off_tissue(overview, maps, hulls, _centres(fragments), config.tissue)
    on_tissue = ~off_tissue[runs.fragment]
    stained = tissue.mark_runs(
        overview, Runs(runs.row[on_tissue], runs.start[on_tissue], runs.stop[on_tissue], runs.fragment[on_tissue])
    )
    return replace(fragments, off_tissue=off_tissue), stained


def _placed(
    fragments: Fragments, overview: tissue.Overview, maps: tuple[NDArray[np.bool_], NDArray[np.int32]]
) -> Fragments:
    """Fragments with their piece and the borders they touch."""
    hulls = (fragments.hull_px, fragments.hull_offsets)
    places = tissue.place_fragments(overview, maps, hulls, _centres(fragments))
    return replace(
        fragments,
        piece=places.piece,
        scan_edge=places.scan_edge,
        tissue_edge=places.tissue_edge & ~fragments.off_tissue,
    )


def _centres(fragments: Fragments) -> NDArray[np.float64]:
    """Centroids (x, y) in level-0 pixels."""
    return np.asarray(fragments.sum_xy_px / np.maximum(fragments.area_px, 1)[:, None] + 0.5)


def _with_roles(
    pieces: tuple[Piece, ...], labels: NDArray[np.int32], overview: tissue.Overview, zones: tuple[Zone, ...]
) -> tuple[Piece, ...]:
    """Give a piece the role of the zone in which more than half of it lies; the last such zone wins."""
    cells = np.bincount(labels.ravel(), minlength=len(pieces) + 1)
    for zone in zones:
        corners_um = np.array([[zone.x0_mm, zone.y0_mm], [zone.x1_mm, zone.y1_mm]]) * 1000.0
        (x0, y0), (x1, y1) = np.rint(overview.spacing.to_px(corners_um)).astype(int).tolist()
        inside = np.bincount(labels[overview.slices_of(Region(x0, y0, x1, y1))].ravel(), minlength=len(cells))
        pieces = tuple(
            replace(piece, role=zone.role) if 2 * inside[piece.id] > cells[piece.id] else piece for piece in pieces
        )
    return pieces


def _quality(
    overview: tissue.Overview,
    tissue_mask: NDArray[np.bool_],
    expected: NDArray[np.bool_],
    check: stain.StainCheck,
    config: Config,
) -> Quality:
    """Whether the slide could have shown tumour."""
    n_expected = np.count_nonzero(expected)
    seen = overview.rgb[overview.read]
    return Quality(
        tissue_area_mm2=float(np.count_nonzero(tissue_mask) * overview.cell_area_mm2),
        coverage=float(np.count_nonzero(tissue_mask & overview.read) / n_expected) if n_expected else None,
        has_light=bool(seen.size == 0 or seen.max() >= 64),
        is_h_dab=check.is_h_dab,
        stain_note=check.note,
        control_result=config.laboratory.control_result,
        antibody=config.laboratory.antibody,
    )


def _summary(
    model: stain.StainModel,
    estimated: tuple[stain.Vector, stain.Vector] | None,
    quality: Quality,
    spacing: PixelSpacing,
    config: Config,
    drops: tuple[Dropped, Dropped],
) -> ScanSummary:
    """How the slide was read."""
    return ScanSummary(
        coverage=quality.coverage,
        in_focus=quality.in_focus,
        tissue_area_mm2=quality.tissue_area_mm2,
        white=model.white.rgb,
        white_source=model.white.source,
        stain_vectors=model.vectors,
        stain_source=model.source,
        estimated_vectors=estimated,
        threshold_od=config.stain.threshold_od,
        threshold_low_od=config.stain.threshold_low_od,
        threshold_high_od=config.stain.threshold_high_od,
        strong_od=config.stain.strong_od,
        spacing_um=(spacing.x_um, spacing.y_um),
        gap_um=config.clusters.gap_um,
        smallest_area_um2=config.clusters.smallest_area_um2,
        mode="full",
        unreadable_tiles=quality.unreadable_tiles,
        below_area=drops[0],
        no_strong_pixel=drops[1],
    )


def _scale_share(mpp_source: str, config: Config) -> float:
    """How far the scale may be off, as a share."""
    given = mpp_source == "given"
    return config.clusters.scale_uncertainty_given if given else config.clusters.scale_uncertainty


def _settings(config: Config, area: Area) -> Mapping[str, Any]:
    """The configuration as it is recorded, with the analysed area where it is not the whole slide."""
    settings = config.to_dict()
    return settings if area.is_whole else {**settings, "area": {"inside": area.inside, "outside": area.outside}}
