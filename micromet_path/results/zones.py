"""GeoJSON outlines that say which part of a slide is analysed, as QuPath exports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from micromet_path.errors import ConfigError
from micromet_path.pixels.area import Area, Polygon

__all__ = ["read_area"]


def read_area(region: str | Path | None = None, exclude: str | Path | None = None) -> Area:
    """Area from GeoJSON files in level-0 pixels.

    Parameters
    ----------
    region : path, optional
        Only what lies inside these polygons is analysed.
    exclude : path, optional
        What lies inside these polygons is left out.

    Raises
    ------
    ConfigError
        If a file is no GeoJSON, or holds no polygon.
    """
    return Area(
        inside=() if region is None else _polygons(Path(region)),
        outside=() if exclude is None else _polygons(Path(exclude)),
    )


def _polygons(path: Path) -> tuple[Polygon, ...]:
    """Every polygon of a file: a geometry, a feature, or a collection of them."""
    from shapely.errors import ShapelyError
    from shapely.geometry import shape
    from shapely.validation import explain_validity

    try:
        geometries = _geometries(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path.name} cannot be read as GeoJSON: {error}") from error
    polygons = []
    for geometry in geometries:
        try:
            outline = shape(geometry)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, ShapelyError) as error:
            raise ConfigError(f"{path.name} holds a geometry that cannot be read: {error}") from error
        if outline.geom_type not in ("Polygon", "MultiPolygon") or outline.is_empty:
            continue
        if not outline.is_valid:
            raise ConfigError(
                f"{path.name} holds an outline that is not valid ({explain_validity(outline)}); "
                "draw it so that it never crosses itself"
            )
        polygons += [_rings(part) for part in getattr(outline, "geoms", [outline])]
    if not polygons:
        raise ConfigError(f"{path.name} holds no polygon; expected GeoJSON with Polygon or MultiPolygon outlines")
    return tuple(polygons)


def _geometries(content: Any) -> list[Any]:
    """Geometries of any kind of GeoJSON object."""
    if isinstance(content, list):  # QuPath's older exports are a bare list of features
        return [geometry for item in content for geometry in _geometries(item)]
    if not isinstance(content, dict):
        return []
    kind = content.get("type")
    if kind == "FeatureCollection":
        return _geometries(content.get("features", []))
    if kind == "Feature":
        return _geometries(content.get("geometry"))
    if kind == "GeometryCollection":
        return _geometries(content.get("geometries", []))
    return [content] if "coordinates" in content else []


def _rings(polygon: Any) -> Polygon:
    """Outer ring and holes of a shapely polygon."""
    rings = [polygon.exterior, *polygon.interiors]
    return tuple(tuple((float(point[0]), float(point[1])) for point in ring.coords) for ring in rings)
