"""What the report shows: the overview, a crop of each of the largest clusters, the ten brownest things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.hull import ragged_diameters
from micromet_path.model import BrownThing, ClusterMeasures, Clusters, Picture
from micromet_path.pipeline.judging import describe_cluster
from micromet_path.pixels.fragments import BROWNEST, JoinedPieces, ragged_rows
from micromet_path.pixels.stain import OD_SCALE
from micromet_path.slides.base import Slide

__all__ = ["GALLERY_SIZE", "describe_brownest", "find_brownest", "take_pictures"]

GALLERY_SIZE = 24
_OVERVIEW_SIDE_PX = 1280
_CROP_SIDE_PX = 512
_LEAST_CROP_UM = 100.0


def find_brownest(
    clusters: ClusterMeasures, pieces: JoinedPieces, piece_of_fragment: NDArray[np.int64], spacing: PixelSpacing
) -> tuple[BrownThing, ...]:
    """The ten things with most chromogen in all, whether they count or not; clusters by number alone as yet.

    Parameters
    ----------
    clusters : ClusterMeasures
    pieces : JoinedPieces
        Everything stained, the dropped included.
    piece_of_fragment : ndarray of shape (F,), int64
    spacing : PixelSpacing
    """
    inside = np.zeros(len(pieces), bool)
    inside[piece_of_fragment[clusters.cluster_of_fragment >= 0]] = True
    total = np.where(inside, 0, pieces.sums[:, 7])
    loose = [row for row in np.argsort(-total, kind="stable")[:BROWNEST].tolist() if not inside[row]]
    chosen = np.zeros(len(pieces), bool)
    chosen[loose] = True
    points, offsets = ragged_rows(pieces.hull_px, pieces.hull_offsets, chosen)
    diameters = dict(
        zip(
            np.flatnonzero(chosen).tolist(),
            ragged_diameters(points, offsets, spacing.x_um, spacing.y_um).tolist(),
            strict=True,
        )
    )
    amount = clusters.mean_dab_od * clusters.area_um2
    things = [(float(amount[row]), 0, row) for row in np.argsort(-amount, kind="stable")[:BROWNEST].tolist()]
    things += [(float(total[row]) / OD_SCALE * spacing.pixel_area_um2, 1, row) for row in loose]
    things.sort(key=lambda thing: (-thing[0], thing[1], thing[2]))
    return tuple(
        _of_cluster(rank, clusters, row) if kind == 0 else _of_piece(rank, pieces, row, diameters[row])
        for rank, (_, kind, row) in enumerate(things[:BROWNEST], start=1)
    )


def describe_brownest(brownest: tuple[BrownThing, ...], clusters: Clusters) -> tuple[BrownThing, ...]:
    """The same with what the clusters among them were judged to be."""
    return tuple(
        thing if thing.cluster_id is None else replace(thing, what=describe_cluster(clusters, thing.cluster_id - 1))
        for thing in brownest
    )


def _of_cluster(rank: int, clusters: ClusterMeasures, row: int) -> BrownThing:
    """A cluster as a brown thing, before it is judged."""
    x0, y0, x1, y1 = clusters.bbox_px0[row].tolist()
    return BrownThing(
        rank=rank,
        bbox_px0=(x0, y0, x1, y1),
        max_diameter_um=float(clusters.max_diameter_um[row]),
        max_dab_od=float(clusters.max_dab_od[row]),
        cluster_id=row + 1,
        what="",
    )


def _of_piece(rank: int, pieces: JoinedPieces, row: int, diameter_um: float) -> BrownThing:
    """A dropped piece as a brown thing."""
    x0, y0, x1, y1 = pieces.bbox_px0[row].tolist()
    reason = "below the smallest area" if pieces.sums[row, 9] else "without a strong pixel"
    return BrownThing(
        rank=rank,
        bbox_px0=(x0, y0, x1, y1),
        max_diameter_um=diameter_um,
        max_dab_od=float(pieces.max_dab[row]) / OD_SCALE,
        cluster_id=None,
        what=f"dropped: {reason}",
    )


def take_pictures(slide: Slide, clusters: ClusterMeasures, brownest: tuple[BrownThing, ...]) -> tuple[Picture, ...]:
    """Pixels for the report, without any drawing on them."""
    return tuple(_picture(slide, *wanted) for wanted in _wanted(slide, clusters, brownest))


def _wanted(
    slide: Slide, clusters: ClusterMeasures, brownest: tuple[BrownThing, ...]
) -> Iterator[tuple[str, Region, PixelSpacing]]:
    """Name, region and scale of each picture."""
    info = slide.info
    size_um = max(info.width_px0 * info.spacing.x_um, info.height_px0 * info.spacing.y_um)
    scale = max(size_um / _OVERVIEW_SIDE_PX, info.spacing.x_um, info.spacing.y_um)
    yield "overview", info.region, PixelSpacing(scale, scale)
    largest = range(min(GALLERY_SIZE, len(clusters)))
    boxes = [(f"cluster-{row + 1:04d}", clusters.bbox_px0[row].tolist()) for row in largest]
    in_gallery = set(range(1, len(boxes) + 1))
    boxes += [
        (f"brown-{thing.rank:02d}", list(thing.bbox_px0)) for thing in brownest if thing.cluster_id not in in_gallery
    ]
    for name, box in boxes:
        yield name, *_crop(info.spacing, box)


def _crop(native: PixelSpacing, box: list[int]) -> tuple[Region, PixelSpacing]:
    """A square around a box with room on all sides, and the scale at which it is a picture of fair size."""
    x0, y0, x1, y1 = box
    longest_um = max((x1 - x0) * native.x_um, (y1 - y0) * native.y_um)
    side_um = max(_LEAST_CROP_UM, 1.5 * longest_um)
    half_x, half_y = round(side_um / native.x_um / 2), round(side_um / native.y_um / 2)
    centre_x, centre_y = (x0 + x1) // 2, (y0 + y1) // 2
    region = Region(centre_x - half_x, centre_y - half_y, centre_x + half_x, centre_y + half_y)
    scale = max(side_um / _CROP_SIDE_PX, native.x_um, native.y_um)
    return region, PixelSpacing(scale, scale)


def _picture(slide: Slide, name: str, region: Region, spacing: PixelSpacing) -> Picture:
    """Pixels of a region that may reach over the slide's border; white where nothing can be read."""
    native = slide.info.spacing
    rows = max(1, round(region.height * native.y_um / spacing.y_um))
    columns = max(1, round(region.width * native.x_um / spacing.x_um))
    rgb = np.full((rows, columns, 3), 255, np.uint8)
    inside = region.intersection(slide.info.region)
    if inside.is_empty:
        return Picture.of(name, region, rgb)
    try:
        part = slide.read(inside, spacing).rgb
    except UnreadableSlideError:
        return Picture.of(name, region, rgb)
    top = min(rows - 1, round((inside.y0 - region.y0) * native.y_um / spacing.y_um))
    left = min(columns - 1, round((inside.x0 - region.x0) * native.x_um / spacing.x_um))
    part = part[: rows - top, : columns - left]
    rgb[top : top + part.shape[0], left : left + part.shape[1]] = part
    return Picture.of(name, region, rgb)
