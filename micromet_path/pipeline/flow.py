"""The order in which an analysis happens.

::

    overview -> white point, stain model, tissue
             -> candidate cells, by a lower level
             -> [block: stained runs with their sums]*      in threads, in any order
             -> fragments, dried rims cut off -> dot patterns, contiguity tree; meanwhile focus, on a sample of places
             -> pieces of tissue, places and borders of the fragments
             -> a second look at the candidates: nuclei, flags; meanwhile pictures for the report
             -> clusters at the configured gap and at the others -> finding
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path import __version__
from micromet_path.clinical.policy import DECIDING_STRENGTH
from micromet_path.config import Config
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import (
    Analysis,
    BrownThing,
    ClusterMeasures,
    Dropped,
    Fragments,
    Picture,
    Piece,
    Provenance,
    Role,
    Runs,
    ScanSummary,
    SlideRecord,
)
from micromet_path.pipeline.examining import examine_candidates
from micromet_path.pipeline.focusing import blurred_regions, measure_focus
from micromet_path.pipeline.gathering import gather_fragments
from micromet_path.pipeline.glass import Glass, look, rate
from micromet_path.pipeline.judging import Evidence, judge_clusters, judge_pieces, make_finding, settings_fingerprint
from micromet_path.pipeline.linking import Linked, link_again, link_fragments
from micromet_path.pipeline.pictures import describe_brownest, find_brownest, take_pictures
from micromet_path.pipeline.scanning import Progress, ScanOutcome, scan_slide
from micromet_path.pipeline.trimming import trim_rims
from micromet_path.pixels import clusters, stain
from micromet_path.pixels.area import Area
from micromet_path.pixels.focus_map import Focus
from micromet_path.pixels.fragments import dropped_in_all
from micromet_path.slides.base import Slide
from micromet_path.slides.colour import in_srgb
from micromet_path.threads import threads

__all__ = ["Outcome", "StepDone", "Task", "analyze_slide", "settings_of", "slide_record"]

StepDone = Callable[[str], None]
"""Called with the name of a step when it is done, from the thread that called the analysis."""


def _unheard(step: str) -> None:
    """Nobody wants to know."""


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
    on_step : callable
        Told of every step that is done; ``"open"`` comes first, when the slide is there.
    """

    slide_id: str
    fingerprint: str
    area: Area = field(default_factory=Area)
    workers: int = 1
    blocks: tuple[Region, ...] | None = None
    on_step: StepDone = _unheard


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
        If the picture is no brightfield slide, or its ICC profile, where one is asked for, not of RGB.
    UnreadableSlideError
        If no tile can be decoded, or that profile is damaged.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    slide = in_srgb(slide) if config.scan.icc == "to_srgb" else slide
    spacing, seed = slide.info.spacing, _seed(task)
    task.on_step("open")
    glass = look(slide, config, task.area, task.workers)
    task.on_step("glass")
    tables = stain.make_tables(glass.model, glass.stain_params)
    scan = scan_slide(slide, tables, config, task.area, task.workers, progress, task.blocks, seed)
    glass = glass.without(scan.unread)
    task.on_step("scan")
    with threads(task.workers, most=1) as pool:  # the one asks the slide, the other what was found on it
        focus_to_be = pool.submit(measure_focus, slide, glass, config.focus, task.workers, seed)
        gathered = gather_fragments(scan, spacing, config, glass.register)
        scan, gathered = trim_rims(slide, glass, tables, (scan, gathered), config, task.area, task.workers)
        scan = scan.without_runs()
        task.on_step("gather")
        linked = link_fragments(gathered, glass, config)
        task.on_step("link")
        focus = focus_to_be.result()
    task.on_step("focus")
    placed, brownest = _placed(linked, scan, slide, config)
    # Where clusters lie is known, what they are is not yet. A single worker takes the pictures first.
    with threads(task.workers, most=1) as pool:
        pictures_to_be = pool.submit(take_pictures, slide, placed, brownest)
        first_tree = linked.tree
        linked = link_again(linked, examine_candidates(slide, glass, linked, config, task.workers), spacing)
        task.on_step("examine")
        pictures = pictures_to_be.result()
    if linked.tree is not first_tree:  # parts of the clusters that they were, and so on their pictures
        _, brownest = _placed(linked, scan, slide, config)
    task.on_step("pictures")
    evidence = _evidence(slide, glass, scan, linked, focus, config)
    settings = settings_of(config, task.area)
    measured = judge_clusters(evidence, config.clusters.gap_um, config)
    finding = make_finding(evidence, measured, config)
    task.on_step("judge")
    analysis = Analysis(
        slide=slide_record(slide, task),
        scan=replace(
            _summary(glass, evidence, scan, gathered.below_area, config),
            out_of_focus_px0=blurred_regions(focus),
            colour=slide.info.colour,
            icc_sha256=slide.info.icc_sha256,
        ),
        quality=evidence.quality,
        pieces=judge_pieces(evidence, measured, config),
        finding=finding,
        clusters=measured,
        fragments=evidence.fragments,
        tree=evidence.tree,
        brownest=describe_brownest(brownest, measured),
        provenance=Provenance(
            version=__version__,
            config=settings,
            config_fingerprint=settings_fingerprint(settings, slide.info),
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - clock, 3),
        ),
    )
    return Outcome(analysis, gathered.runs, pictures)


def _seed(task: Task) -> int:
    """Seed of the audit and of the places where focus is measured: the same slide gives the same samples."""
    return int.from_bytes(hashlib.sha256(task.fingerprint.encode()).digest()[:8], "big")


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


def _placed(
    linked: Linked, scan: ScanOutcome, slide: Slide, config: Config
) -> tuple[ClusterMeasures, tuple[BrownThing, ...]]:
    """Clusters at the configured gap, and the brownest things of the slide."""
    info = slide.info
    scale_share = config.clusters.scale_share(info.spacing_source)
    placed = clusters.measure(
        linked.fragments, linked.tree, config.clusters.gap_um, info.spacing, scale_share, config.clusters
    )
    return placed, find_brownest(placed, scan.pieces, linked.gathered.piece_of_fragment, info.spacing)


def _evidence(slide: Slide, glass: Glass, scan: ScanOutcome, linked: Linked, focus: Focus, config: Config) -> Evidence:
    """All that the finding is made from."""
    fragments, spacing = linked.fragments, slide.info.spacing
    return Evidence(
        fragments=fragments,
        tree=linked.tree,
        pieces=linked.pieces,
        quality=replace(
            rate(slide, glass, linked.stained, len(scan.unread), config),
            in_focus=focus.share,
            in_focus_interval=None if focus.low is None or focus.high is None else (focus.low, focus.high),
            control_on_slide=_control_on_slide(fragments, linked.pieces, spacing, config),
            shows_chromogen=bool(_is_chromogen(fragments).any()),
            audit=scan.audit,
        ),
        dropped=_dropped(linked, spacing, config),
        spacing=spacing,
        mpp_source=slide.info.spacing_source,
        threshold_od=glass.stain_params.threshold_od,
        strength_od=glass.dyes.strength_od,
    )


def _is_chromogen(fragments: Fragments) -> NDArray[np.bool_]:
    """Which fragments show that the stain worked."""
    return ~fragments.weak & ~fragments.pigment_like & ~(fragments.flags["red_cell_like"] >= DECIDING_STRENGTH)


def _control_on_slide(
    fragments: Fragments, pieces: tuple[Piece, ...], spacing: PixelSpacing, config: Config
) -> str | None:
    """Whether control tissue on the slide is stained; None where there is none."""
    controls = [piece.id for piece in pieces if piece.role is Role.CONTROL]
    if not controls:
        return None
    is_cell = fragments.area_px * spacing.pixel_area_um2 >= config.clusters.smallest_area_um2
    is_stained = is_cell & _is_chromogen(fragments) & np.isin(fragments.piece, controls)
    return "stained" if is_stained.any() else "unstained"


def _dropped(linked: Linked, spacing: PixelSpacing, config: Config) -> tuple[Dropped, Dropped]:
    """What the smallest area and the want of a strong pixel removed, as fragments and as clusters."""
    small_clusters = clusters.below_area(linked.fragments, linked.tree, spacing, config.clusters)
    return dropped_in_all([linked.gathered.below_area, small_clusters]), linked.gathered.no_strong_pixel


def _summary(
    glass: Glass, evidence: Evidence, scan: ScanOutcome, below_link_area: Dropped, config: Config
) -> ScanSummary:
    """How the slide was read."""
    model, quality, spacing = glass.model, evidence.quality, evidence.spacing
    return ScanSummary(
        coverage=quality.coverage,
        in_focus=quality.in_focus,
        tissue_area_mm2=quality.tissue_area_mm2,
        white=model.white.rgb,
        white_source=model.white.source,
        stain_vectors=model.vectors,
        stain_source=model.source,
        estimated_haematoxylin=glass.dyes.haematoxylin,
        estimated_chromogen=glass.dyes.chromogen,
        chromogen_strength_od=glass.dyes.strength_od,
        counterstain_strength_od=glass.dyes.counterstain_od,
        stain_notes=(*glass.dyes.notes, *glass.register.notes(spacing)),
        threshold_od=glass.stain_params.threshold_od,
        threshold_low_od=glass.stain_params.threshold_low_od,
        threshold_high_od=glass.stain_params.threshold_high_od,
        strong_od=glass.stain_params.strong_od,
        spacing_um=(spacing.x_um, spacing.y_um),
        gap_um=config.clusters.gap_um,
        smallest_area_um2=config.clusters.smallest_area_um2,
        mode=scan.mode,
        unreadable_tiles=quality.unreadable_tiles,
        below_area=evidence.dropped[0],
        below_link_area=below_link_area,
        no_strong_pixel=evidence.dropped[1],
    )


def settings_of(config: Config, area: Area) -> Mapping[str, Any]:
    """The configuration as it is recorded, with the analysed area where it is not the whole slide."""
    settings = config.to_dict()
    if area.is_whole:
        return settings
    inside, outside = (
        [[list(map(list, ring)) for ring in polygon] for polygon in part] for part in (area.inside, area.outside)
    )
    return {**settings, "area": {"inside": inside, "outside": outside}}
