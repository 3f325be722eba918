"""The GeoJSON against a checker of its own: RFC 7946, QuPath's rules, and the area of the pixels."""

import json
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import pytest
import shapely

from micromet_path.geometry import Region
from micromet_path.results.qupath import origin_px0, write_geojson
from micromet_path.results.shapes import trace_clusters

TOP = {"type", "features"}
PROPERTIES = {"objectType", "name", "classification", "isLocked", "measurements", "metadata"}


def written(made, path, **options):
    shapes = trace_clusters(made.analysis.clusters, made.runs)
    write_geojson(path / "clusters.geojson", made.analysis, shapes, **options)
    data = (path / "clusters.geojson").read_bytes()
    return json.loads(data.decode("utf-8"), parse_constant=pytest.fail)


def check_ring(ring, is_outer):
    assert len(ring) >= 4
    assert ring[0] == ring[-1]
    assert all(len(point) == 2 and all(isinstance(value, int) for value in point) for point in ring)
    assert shapely.LinearRing(ring).is_simple
    assert shapely.LinearRing(ring).is_ccw is is_outer


def check_geometry(geometry):
    """A geometry that JTS takes as it is."""
    kind, coordinates = geometry["type"], geometry["coordinates"]
    assert set(geometry) == {"type", "coordinates"}
    if kind == "LineString":
        assert len(coordinates) == 2
        assert coordinates[0] != coordinates[1]
        return
    polygons = [coordinates] if kind == "Polygon" else coordinates
    assert kind == "Polygon" or len(polygons) > 1
    for polygon in polygons:
        for number, ring in enumerate(polygon):
            check_ring(ring, is_outer=number == 0)
    shape = shapely.geometry.shape(geometry)
    assert shape.is_valid, shapely.is_valid_reason(shape)


def check(collection):
    assert set(collection) == TOP
    assert collection["type"] == "FeatureCollection"
    ids = [feature["id"] for feature in collection["features"]]
    assert len(set(ids)) == len(ids)
    for feature in collection["features"]:
        assert set(feature) == {"type", "id", "geometry", "properties"}
        assert UUID(feature["id"]).version == 5
        check_geometry(feature["geometry"])
        properties = feature["properties"]
        assert set(properties) == PROPERTIES
        assert properties["objectType"] in {"annotation", "detection"}
        assert set(properties["classification"]) == {"name", "color"}
        colour = properties["classification"]["color"]
        assert len(colour) == 3
        assert all(0 <= channel <= 255 and isinstance(channel, int) for channel in colour)
        assert all(type(value) in (int, float) or value == "NaN" for value in properties["measurements"].values())
        assert all(type(value) is str for value in properties["metadata"].values())


def shapes_of(collection):
    return {
        int(feature["properties"]["metadata"]["cluster"]): feature
        for feature in collection["features"]
        if feature["geometry"]["type"] != "LineString"
    }


@pytest.mark.parametrize("vertex_limit", [2000, 50, 10**9])
def test_strict(made, tmp_path, vertex_limit):
    collection = written(made, tmp_path, vertex_limit=vertex_limit)
    check(collection)
    assert len(shapes_of(collection)) == len(made.analysis.clusters)


def test_exact_area_is_the_stained_area(positive, tmp_path):
    clusters, spacing = positive.analysis.clusters, positive.analysis.slide.spacing
    shapes = shapes_of(written(positive, tmp_path, vertex_limit=10**9))
    for number, feature in shapes.items():
        assert feature["properties"]["metadata"]["outline"] == "exact"
        area = shapely.geometry.shape(feature["geometry"]).area * spacing.pixel_area_um2
        assert area == pytest.approx(clusters.area_um2[number - 1], rel=1e-12)


def test_simplified_says_so_and_stays_near(positive, tmp_path):
    exact = shapes_of(written(positive, tmp_path, vertex_limit=10**9))
    simple = shapes_of(written(positive, tmp_path, vertex_limit=50))
    changed = [n for n, feature in simple.items() if feature["properties"]["metadata"]["outline"] == "simplified 1 px"]
    assert changed
    for number in changed:
        before, after = (shapely.geometry.shape(kind[number]["geometry"]) for kind in (exact, simple))
        assert shapely.get_num_coordinates(after) < shapely.get_num_coordinates(before)
        assert after.difference(before.buffer(1.01)).area < 1e-6
    assert all(simple[number]["geometry"] == exact[number]["geometry"] for number in exact if number not in changed)


def test_classes_and_kinds(positive, tmp_path):
    clusters = positive.analysis.clusters
    for number, feature in shapes_of(written(positive, tmp_path)).items():
        category, counting = clusters.category[number - 1].value, clusters.counting[number - 1].value
        properties = feature["properties"]
        assert properties["objectType"] == ("detection" if category == "itc" else "annotation")
        assert properties["classification"]["name"].startswith("Not counted: ") == (counting == "not_counted")
        assert properties["measurements"]["Maximum diameter µm"] == clusters.max_diameter_um[number - 1]


def test_measured_lines(positive, tmp_path):
    clusters = positive.analysis.clusters
    features = written(positive, tmp_path, origin="level0")["features"]
    lines = [feature for feature in features if feature["geometry"]["type"] == "LineString"]
    assert len(lines) == min(50, len(clusters))
    assert [line["geometry"]["coordinates"] for line in lines] == clusters.axis_px0[:50].tolist()
    assert lines[0]["properties"]["name"] == "Cluster 1: 0.29 mm"


def test_ids_stay_and_belong_to_the_slide(positive, tmp_path):
    once, again = (written(positive, tmp_path)["features"][0]["id"] for _ in range(2))
    slide = replace(positive.analysis.slide, fingerprint="v1:other")
    other = SimpleNamespace(analysis=replace(positive.analysis, slide=slide), runs=positive.runs)
    assert once == again
    assert once != written(other, tmp_path)["features"][0]["id"]


def test_nan_is_a_string(positive, tmp_path):
    clusters = positive.analysis.clusters
    analysis = replace(positive.analysis, clusters=replace(clusters, solidity=np.full(len(clusters), np.nan)))
    write_geojson(tmp_path / "a", analysis, trace_clusters(clusters, positive.runs))
    first = json.loads((tmp_path / "a").read_text(encoding="utf-8"))["features"][0]
    assert first["properties"]["measurements"]["Solidity"] == "NaN"


def test_origin(positive, tmp_path):
    slide = positive.analysis.slide
    corner = {origin: box_of(written(positive, tmp_path, origin=origin)) for origin in ("auto", "level0", "bounds")}
    assert corner["level0"] == tuple(positive.analysis.clusters.bbox_px0[0])
    assert corner["auto"] == corner["bounds"] == tuple(np.subtract(corner["level0"], (100, 50, 100, 50)))
    whole = replace(slide, bounds_px0=Region(0, 0, slide.width_px0, slide.height_px0))
    assert origin_px0(whole, "auto") == (0, 0)
    assert origin_px0(replace(slide, bounds_px0=None), "bounds") == (0, 0)


def box_of(collection):
    return shapely.geometry.shape(shapes_of(collection)[1]["geometry"]).bounds
