"""What is timed: each function does one kind of job and says what it saw; `worker` holds the watch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from micromet_path.api import AnalyzeOptions, analyze_into
from micromet_path.apps.bench.speed.jobs import Job
from micromet_path.config import Config
from micromet_path.geometry import Region, TileGrid
from micromet_path.pipeline.gathering import gather_fragments, linkable_runs
from micromet_path.pipeline.glass import look
from micromet_path.pipeline.reading import Buffers
from micromet_path.pipeline.scanning import scan_slide
from micromet_path.pixels.area import Area
from micromet_path.pixels.link import contiguity_tree
from micromet_path.pixels.stain import make_tables
from micromet_path.slides import Slide, TiffSlide, open_slide
from micromet_path.slides.tiff_layout import TiffLevel, read_layout
from micromet_path.slides.tiff_reader import PositionedFile
from micromet_path.threads import in_threads

__all__ = ["WORK", "cluster_digest", "config_of"]

Tell = Callable[[str], None]
"""Called with the name of a step that is done; the last one is the end of the job."""


def config_of(job: Job, is_warm_up: bool = False) -> Config:
    """Default settings in the mode of the job; a warm-up takes the path of large slides however small its own is."""
    scan = replace(Config().scan, mode=job.mode)
    return Config(scan=replace(scan, full_below_px=0, least_audited=0) if is_warm_up else scan)


# -- decoding alone ------------------------------------------------------------------------------


def decode(job: Job, config: Config, tell: Tell) -> dict[str, Any]:
    """Decode level 0 on the job's threads as the reader does, into reused buffers, and look at nothing."""
    path = Path(job.slide)
    with open_slide(path, job.spacing) as slide:
        is_tiff = isinstance(slide, TiffSlide)
        if not is_tiff:
            return _read_blocks(slide, job.threads, config, tell)
    layout = read_layout(path)
    assert layout is not None, "the reader has just read it"
    tell("open")
    _decode_tiles(path, layout.levels[0], job.threads)
    tell("decode")
    return {"floor": f"every stored {layout.levels[0].codec} tile through the reader's own decoder, nothing copied"}


def _decode_tiles(path: Path, level: TiffLevel, threads: int) -> None:
    """Every tile, row by row of tiles."""
    file, buffers, sizes, offsets = PositionedFile(path), Buffers(), level.sizes.tolist(), level.offsets.tolist()

    def row(first: int) -> None:
        out = buffers.of((level.tile_height, level.tile_width))
        for index in range(first, first + level.columns):
            if sizes[index]:
                level.decode(file.read_at(offsets[index], sizes[index]), out)

    for _ in in_threads(row, range(0, level.rows * level.columns, level.columns), threads):
        pass
    file.close()


def _read_blocks(slide: Slide, threads: int, config: Config, tell: Tell) -> dict[str, Any]:
    """Level 0 block by block through a reader that has no tiles to decode one by one."""
    buffers = Buffers()
    tell("open")

    def block(region: Region) -> None:
        slide.read(region, out=buffers.of(region.shape))

    # A quarter of a scan's block: a scan reads its blocks in bands, and one of these is held whole.
    for _ in in_threads(block, slide.tiles.strips(config.scan.block_px**2 // 4), threads):
        pass
    tell("decode")
    return {"floor": f"level 0 in blocks of whole tiles through the reader ({slide.info.reader})"}


# -- the scan and the command --------------------------------------------------------------------


def scan(job: Job, config: Config, tell: Tell) -> dict[str, Any]:
    """From the file to linked fragments: what the pipeline does up to there, and nothing that it does later."""
    area = Area()
    with open_slide(job.slide, job.spacing) as slide:
        tell("open")
        glass = look(slide, config, area, job.threads)
        tell("glass")
        tables = make_tables(glass.model, glass.stain_params)
        outcome = scan_slide(slide, tables, config, area, job.threads)
        tell("scan")
        gathered = gather_fragments(outcome, slide.info.spacing, config, glass.register)
        tell("gather")
        contiguity_tree(linkable_runs(gathered), len(gathered.fragments), slide.info.spacing)
        tell("link")
    return {"mode": outcome.mode}


def command(job: Job, config: Config, tell: Tell) -> dict[str, Any]:
    """What `micromet analyze` does with a slide, up to the last file."""
    with TemporaryDirectory(prefix="micromet-speed-") as folder:
        options = AnalyzeOptions(spacing=job.spacing, workers=job.threads, on_step=tell)
        result = analyze_into(folder, job.slide, config, options)
        tell("files")
        return {"mode": result.scan.mode, "clusters": cluster_digest(result.clusters.to_columns())}


def cluster_digest(columns: Mapping[str, Any]) -> dict[str, Any]:
    """A table of clusters as its length and a digest of each column: two are the same when all of it is.

    Examples
    --------
    >>> one, other = ({"id": [1, 2], "area_um2": [90.0, last]} for last in (30.0, 30.5))
    >>> cluster_digest(one) == cluster_digest(other)
    False
    """
    texts = {name: json.dumps(np.asarray(values).tolist(), default=str) for name, values in columns.items()}
    lengths = {len(values) for values in columns.values()}
    digests = {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}
    return {"n": max(lengths, default=0), "columns": digests}


# -- single reads --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """A box in columns one stored tile wide, which is how the scan reads: whole tiles decode in place."""

    tiles: TileGrid
    box: Region

    def __iter__(self) -> Iterator[Region]:
        for x0 in range(self.box.x0, self.box.x1, self.tiles.tile_width):
            yield Region(x0, self.box.y0, min(x0 + self.tiles.tile_width, self.box.x1), self.box.y1)


def reads(job: Job, config: Config, tell: Tell) -> dict[str, Any]:
    """Read boxes of whole tiles, one after the other."""
    buffers = Buffers()
    with open_slide(job.slide, job.spacing) as slide:
        tell("open")
        for box in job.regions:
            for column in _Columns(slide.tiles, box):
                slide.read(column, out=buffers.of(column.shape))
        tell("read")
    return {}


WORK: dict[str, Callable[[Job, Config, Tell], dict[str, Any]]] = {
    "floor": decode,
    "scan": scan,
    "command": command,
    "reads": reads,
}
"""The function of each kind of job."""
