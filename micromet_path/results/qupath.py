"""Clusters as ``clusters.geojson`` for QuPath 0.6 and later.

One FeatureCollection: an annotation (a detection for isolated tumour cells) per cluster, and the
measured line of the larger ones. Rings follow the right-hand rule of RFC 7946 in the coordinates as
given: outer rings turn counter-clockwise in a plane with y upwards, so clockwise on the screen, where y
points down.

QuPath crops a slide to the bounds that OpenSlide reports and counts from their corner, so where a
slide has such bounds the outlines are counted from there (``auto``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from micromet_path.model import Analysis, Category, Counting, SlideRecord
from micromet_path.results.palette import AXIS, COLOURS, NAMES, NOT_COUNTED, length_mm
from micromet_path.results.shapes import ClusterShapes

__all__ = ["Origin", "origin_px0", "write_geojson"]

Origin = Literal["auto", "level0", "bounds"]

_NAMESPACE = UUID("6d1c5f0e-7f0b-5a3c-9d2e-0b8f4a1c2e37")
_MOST_AXES_OF_SMALL = 50
_TOLERANCE_PX = 1.0
_MEASUREMENTS = {
    "Maximum diameter µm": "max_diameter_um",
    "Maximum diameter low µm": "diameter_low_um",
    "Maximum diameter high µm": "diameter_high_um",
    "Minimum bounding circle µm": "min_bounding_circle_um",
    "Stained area µm^2": "area_um2",
    "Filled area µm^2": "area_filled_um2",
    "Estimated cells": "cells",
    "DAB mean OD": "mean_dab_od",
    "DAB max OD": "max_dab_od",
    "Solidity": "solidity",
    "Fragments": "n_fragments",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the coordinates are counted from, and how that is said."""

    x: int
    y: int
    origin: str


def origin_px0(slide: SlideRecord, origin: Origin) -> tuple[int, int]:
    """Level-0 pixel that becomes (0, 0) in QuPath.

    Parameters
    ----------
    slide : SlideRecord
    origin : {"auto", "level0", "bounds"}
        ``auto`` counts as QuPath opens the slide: from the corner of its bounds where it has any.

    Examples
    --------
    >>> from micromet_path.geometry import PixelSpacing, Region
    >>> slide = SlideRecord("a", "a.mrxs", 900, 900, PixelSpacing(1, 1), "given", "", "", "", Region(40, 30, 800, 700))
    >>> origin_px0(slide, "auto"), origin_px0(slide, "level0")
    ((40, 30), (0, 0))
    """
    place = _place(slide, origin)
    return place.x, place.y


def _place(slide: SlideRecord, origin: Origin) -> _Place:
    """Corner and name of the origin that is used."""
    bounds = slide.bounds_px0
    if origin == "level0" or bounds is None:
        return _Place(0, 0, "level0")
    return _Place(bounds.x0, bounds.y0, "bounds")


def write_geojson(
    path: Path, analysis: Analysis, shapes: ClusterShapes, origin: Origin = "auto", vertex_limit: int = 2000
) -> None:
    """Write clusters and their measured lines.

    Parameters
    ----------
    path : Path
    analysis : Analysis
    shapes : ClusterShapes
    origin : {"auto", "level0", "bounds"}
        Where coordinates are counted from, see `origin_px0`.
    vertex_limit : int
        Outlines with more points are simplified by one pixel; the others are exact.
    """
    place = _place(analysis.slide, origin)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        opening = '{"type": "FeatureCollection", "features": [\n'
        for feature in _features(analysis, shapes, place, vertex_limit):
            file.write(opening)
            file.write(feature)
            opening = ",\n"
        file.write("\n]}\n" if opening == ",\n" else opening + "]}\n")


def _features(analysis: Analysis, shapes: ClusterShapes, place: _Place, vertex_limit: int) -> Iterator[str]:
    """Outlines cluster by cluster, then the measured lines, which QuPath then draws on top."""
    from micromet_path.pixels.simplify import simplify_outlines

    columns = _columns(analysis)
    for first, exact in zip(shapes.first_rows.tolist(), shapes.batches, strict=False):
        is_large = exact.n_points() > vertex_limit
        outlines = simplify_outlines(exact, is_large, _TOLERANCE_PX) if is_large.any() else exact
        rings = _ring_texts(outlines.points_px, outlines.point_offsets, place)
        for group in range(len(exact)):
            polygons = _polygon_texts(rings, outlines.ring_offsets, outlines.polygon_offsets[group : group + 2])
            if polygons:
                yield _cluster(analysis, columns, first + group, polygons, place, is_simplified=bool(is_large[group]))
    for row, category in enumerate(analysis.clusters.category):
        if row < _MOST_AXES_OF_SMALL or category is not Category.ITC:
            yield _axis(analysis, row, place)


def _columns(analysis: Analysis) -> dict[str, list[float]]:
    """Measurements as lists of Python numbers."""
    return {name: getattr(analysis.clusters, column).tolist() for name, column in _MEASUREMENTS.items()}


def _ring_texts(points: NDArray[np.int32], offsets: NDArray[np.int64], place: _Place) -> list[str]:
    """All rings as JSON, each with its first point repeated; a million small lists would take far longer."""
    flat = (points - np.array([place.x, place.y], np.int32)).ravel()
    texts = []
    for first, last in pairwise((2 * offsets).tolist()):
        numbers = flat[first:last].tolist()  # ring by ring: Python numbers take ten times the room
        numbers += numbers[:2]
        texts.append(f"[{('[%d, %d], ' * (len(numbers) // 2))[:-2]}]" % tuple(numbers))
    return texts


def _polygon_texts(rings: list[str], ring_offsets: NDArray[np.int64], polygons: NDArray[np.int64]) -> list[str]:
    """Polygons of one cluster as JSON."""
    bounds = ring_offsets[polygons[0] : polygons[1] + 1].tolist()
    return [f"[{', '.join(rings[first:last])}]" for first, last in pairwise(bounds)]


def _cluster(
    analysis: Analysis,
    columns: dict[str, list[float]],
    row: int,
    polygons: list[str],
    place: _Place,
    is_simplified: bool,
) -> str:
    """Feature of one cluster."""
    clusters = analysis.clusters
    category, counting = clusters.category[row], clusters.counting[row]
    is_one = len(polygons) == 1
    return _feature(
        f"{analysis.slide.fingerprint}/{row + 1}",
        "Polygon" if is_one else "MultiPolygon",
        polygons[0] if is_one else f"[{', '.join(polygons)}]",
        {
            "objectType": "detection" if category is Category.ITC else "annotation",
            "name": f"Cluster {row + 1}",
            "classification": _classification(category, counting),
            "isLocked": True,
            "measurements": {name: values[row] if isfinite(values[row]) else "NaN" for name, values in columns.items()},
            "metadata": {
                "cluster": str(row + 1),
                "category": category.value,
                "counting": counting.value,
                "flags": "; ".join(clusters.flags_of(row)),
                "outline": "simplified 1 px" if is_simplified else "exact",
                "origin": place.origin,
                "note": "research use only",
            },
        },
    )


def _axis(analysis: Analysis, row: int, place: _Place) -> str:
    """Feature of the line whose length is a cluster's maximum diameter."""
    clusters = analysis.clusters
    axis = (clusters.axis_px0[row] - (place.x, place.y)).tolist()
    size_um = float(clusters.max_diameter_um[row])
    return _feature(
        f"{analysis.slide.fingerprint}/{row + 1}/axis",
        "LineString",
        json.dumps(axis),
        {
            "objectType": "annotation",
            "name": f"Cluster {row + 1}: {length_mm(size_um, bool(clusters.size_is_minimum[row]))}",
            "classification": {"name": "Maximum diameter", "color": list(AXIS)},
            "isLocked": True,
            "measurements": {"Maximum diameter µm": size_um},
            "metadata": {"cluster": str(row + 1), "origin": place.origin},
        },
    )


def _classification(category: Category, counting: Counting) -> dict[str, Any]:
    """Name and colour; QuPath shows "Not counted: X" as a class derived from "Not counted"."""
    if counting is Counting.NOT_COUNTED:
        return {"name": f"Not counted: {NAMES[category]}", "color": list(NOT_COUNTED)}
    return {"name": NAMES[category], "color": list(COLOURS[category])}


def _feature(identity: str, kind: str, coordinates: str, properties: dict[str, Any]) -> str:
    """One line of JSON; the same slide and cluster get the same id, so that a second import matches."""
    told = json.dumps(properties, ensure_ascii=False, allow_nan=False)
    return (
        f'{{"type": "Feature", "id": "{uuid5(_NAMESPACE, identity)}", '
        f'"geometry": {{"type": "{kind}", "coordinates": {coordinates}}}, "properties": {told}}}'
    )
