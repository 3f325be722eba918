"""Records to files and back: everything a result folder holds.

``store`` reads and writes the source (``result.json`` and the Parquet files beside it), `folders` puts
a folder in place whole; ``tables``, ``qupath``, ``draw`` and ``report`` make the files for other
programs and for people. `write_result` and `rebuild` are the two ways in.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from micromet_path.geometry import Region
from micromet_path.model import Analysis, BrownThing, Picture, Runs
from micromet_path.results.folders import recover, writing
from micromet_path.results.qupath import Origin
from micromet_path.results.store import (
    SOURCE_FILES,
    find_reusable,
    read_pictures,
    read_runs,
    read_source,
    result_schema,
    to_json,
    write_source,
)
from micromet_path.results.sums import write_sums
from micromet_path.threads import threads

if TYPE_CHECKING:
    from PIL import Image

    from micromet_path.results.shapes import ClusterShapes

__all__ = [
    "SOURCE_FILES",
    "Origin",
    "ResultOptions",
    "find_reusable",
    "read_pictures",
    "read_runs",
    "read_source",
    "rebuild",
    "recover",
    "result_schema",
    "to_json",
    "write_derived",
    "write_result",
    "write_source",
    "writing",
]


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """How the derived files are made; none of it changes what was measured.

    Parameters
    ----------
    origin : {"auto", "level0", "bounds"}
        Where ``clusters.geojson`` counts from, see `qupath.origin_px0`.
    vertex_limit : int
        Outlines with more points are simplified by one pixel in ``clusters.geojson``.
    gallery_size : int
        Crops of the largest clusters.
    workers : int
        Threads that draw and write.
    """

    origin: Origin = "auto"
    vertex_limit: int = 2000
    gallery_size: int = 24
    workers: int = 2


DEFAULTS = ResultOptions()


@dataclass(frozen=True, slots=True)
class _Content:
    """What the derived files are made from, where they go, and how they are made."""

    folder: Path
    analysis: Analysis
    runs: Runs
    pictures: tuple[Picture, ...]
    options: ResultOptions


def write_result(
    folder: Path, analysis: Analysis, runs: Runs, pictures: tuple[Picture, ...], options: ResultOptions = DEFAULTS
) -> None:
    """Write all files of a result.

    Parameters
    ----------
    folder : Path
        Existing and empty; `writing` makes one and puts it in place.
    analysis : Analysis
    runs : Runs
    pictures : tuple of Picture
    options : ResultOptions
    """
    with threads(options.workers, most=2) as pool:
        source = pool.submit(write_source, folder, analysis, runs, pictures)
        _derive(pool, _Content(folder, analysis, runs, pictures, options))
        source.result()
    write_sums(folder)


def rebuild(folder: Path, options: ResultOptions = DEFAULTS) -> Analysis:
    """Make the derived files of a stored result again, without the slide.

    Parameters
    ----------
    folder : Path
        A result folder. Its source files are not touched.
    options : ResultOptions

    Returns
    -------
    Analysis
        What was read.

    Raises
    ------
    ResultError
        If there is no such folder, or it is incomplete, damaged or of another schema.
    """
    folder = Path(folder)
    analysis = read_source(folder)
    write_derived(folder, analysis, read_runs(folder), read_pictures(folder), options)
    return analysis


def write_derived(
    folder: Path, analysis: Analysis, runs: Runs, pictures: tuple[Picture, ...], options: ResultOptions = DEFAULTS
) -> None:
    """Write tables, GeoJSON, overview, gallery and report, and the SHA-256 of every file.

    Parameters
    ----------
    folder : Path
    analysis : Analysis
    runs : Runs
    pictures : tuple of Picture
    options : ResultOptions
    """
    with threads(options.workers, most=2) as pool:
        _derive(pool, _Content(folder, analysis, runs, pictures, options))
    write_sums(folder)


def _derive(pool: Executor, content: _Content) -> None:
    """Write everything but the source and the sums: drawing leaves the interpreter free for the text files."""
    from micromet_path.results import qupath, report, shapes, tables

    folder, analysis, options = content.folder, content.analysis, content.options
    brownest = _draw_brownest(pool, content)
    traced = shapes.trace_clusters(analysis.clusters, content.runs)
    overview, gallery = _draw(pool, content, traced)
    qupath.write_geojson(
        folder / "clusters.geojson", analysis, traced, origin=options.origin, vertex_limit=options.vertex_limit
    )
    tables.write_clusters_csv(folder / "clusters.csv", analysis.clusters)
    tables.write_clusters_parquet(folder / "clusters.parquet", analysis.clusters)
    page = report.render_report(
        analysis,
        None if overview is None else overview.result(),
        {row: source.result() for row, source in gallery.items()},
        {rank: source.result() for rank, source in brownest.items()},
    )
    (folder / "report.html").write_text(page, encoding="utf-8", newline="\n")


def _draw_brownest(pool: Executor, content: _Content) -> dict[int, Future[str]]:
    """Draw the brownest things for the page, each on the closest picture that holds all of it, if any does."""
    from micromet_path.results import draw
    from micromet_path.results.page import data_uri

    def frame(picture: Picture, thing: BrownThing) -> str:
        return data_uri(draw.framed(picture, thing.bbox_px0))

    shown = {}
    for thing in content.analysis.brownest:
        box = Region(*thing.bbox_px0)
        holding = [one for one in content.pictures if one.name != "overview" and one.region.intersection(box) == box]
        if holding:
            closest = min(holding, key=lambda one: one.region.width * one.region.height)
            shown[thing.rank] = pool.submit(frame, closest, thing)
    return shown


def _draw(
    pool: Executor, content: _Content, traced: ClusterShapes
) -> tuple[Future[str] | None, dict[int, Future[str]]]:
    """Draw and write overview and gallery, and give what the page shows of them; an earlier gallery goes."""
    from micromet_path.results import draw
    from micromet_path.results.page import data_uri

    folder, analysis, pictures = content.folder, content.analysis, content.pictures

    def overview(picture: Picture) -> str:
        image = draw.overview(analysis, traced, picture)
        _save_png(image, folder / "overview.png")
        return data_uri(image)

    def crop(picture: Picture, row: int) -> str:
        image = draw.crop(analysis, traced, picture, row)
        _save_png(image, gallery / f"{row + 1:04d}.png")
        return data_uri(image.crop((0, 0, draw.CROP_PX, draw.CROP_PX)))  # the page has captions of its own

    gallery = folder / "gallery"
    gallery.mkdir(exist_ok=True)
    for old in gallery.glob("[0-9]*.png"):
        old.unlink()
    whole = [pool.submit(overview, picture) for picture in pictures if picture.name == "overview"]
    shown = ((row, _picture_of(analysis, row, pictures)) for row in range(len(analysis.clusters)))
    largest = islice(shown, content.options.gallery_size)
    crops = {row: pool.submit(crop, picture, row) for row, picture in largest if picture is not None}
    return (whole[0] if whole else None), crops


def _picture_of(analysis: Analysis, row: int, pictures: tuple[Picture, ...]) -> Picture | None:
    """The closest picture that holds a whole cluster; cut at another gap, clusters have no pictures of their own."""
    box = Region(*analysis.clusters.bbox_px0[row].tolist())
    holding = [
        picture
        for picture in pictures
        if picture.name.startswith("cluster-") and picture.region.intersection(box) == box
    ]
    own = f"cluster-{row + 1:04d}"
    return min(holding, key=lambda picture: (picture.name != own, picture.region.width), default=None)


def _save_png(image: Image.Image, path: Path) -> None:
    """Write a picture of tissue: it has no repeats, and looking for them, or for the best filter, only takes time."""
    import imagecodecs  # half the time of Pillow's encoder, which tries every filter
    import numpy as np

    how = imagecodecs.PNG
    path.write_bytes(
        imagecodecs.png_encode(np.asarray(image), level=1, strategy=how.STRATEGY.RLE, filter=how.FILTER.UP)
    )
