"""``python -I peer_script.py NAME SLIDE SETTINGS``: let another program work on a slide, and print what it took.

It runs by itself, without micromet_path, in whatever environment holds the program. Each does what its users would
do to find stained objects on level 0 and to measure the largest; HistomicsTK only counts pixels.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TILE_PX = 2048

Settings = dict[str, Any]
Work = Callable[[str, Settings], dict[str, Any]]


def tiles_of(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width and height of the tiles of a raster."""
    for y in range(0, height, TILE_PX):
        for x in range(0, width, TILE_PX):
            yield x, y, min(TILE_PX, width - x), min(TILE_PX, height - y)


def rgb_of(slide: Any, x: int, y: int, width: int, height: int) -> Any:
    """Pixels of level 0."""
    import numpy as np

    return np.asarray(slide.read_region((x, y), 0, (width, height)))[..., :3]


def openslide_reads(path: str, settings: Settings) -> dict[str, Any]:
    """Read boxes one after the other; what comes of it is thrown away."""
    from openslide import OpenSlide

    with OpenSlide(path) as slide:
        for x0, y0, x1, y1 in settings["boxes"]:
            slide.read_region((x0, y0), 0, (x1 - x0, y1 - y0))
    return {}


def openslide_all(path: str, settings: Settings) -> dict[str, Any]:
    """Read all of level 0 in blocks of 1024 on some threads."""
    from openslide import OpenSlide

    with OpenSlide(path) as slide, ThreadPoolExecutor(settings["threads"]) as pool:
        width, height = slide.dimensions
        places = [(x, y) for y in range(0, height, 1024) for x in range(0, width, 1024)]

        def read(place: tuple[int, int]) -> None:
            slide.read_region(place, 0, (min(1024, width - place[0]), min(1024, height - place[1])))

        for _ in pool.map(read, places):
            pass
    return {}


def histomicstk(path: str, settings: Settings) -> dict[str, Any]:
    """Positive pixels of the slide; tile by tile where large_image cannot open it."""
    import dask
    import large_image
    from histomicstk.segmentation import positive_pixel_count as counting

    brown = counting.Parameters(0.05, 0.15, 0.05, 0.95, 0.65, 0.35, 0.05)
    with dask.config.set(num_workers=settings["threads"]):
        try:
            totals = counting.count_slide(path, brown)[0]
        except large_image.exceptions.TileSourceError:
            return _histomicstk_by_tile(path, counting, brown)
    return {"stained_px": int(totals.NumberWeakPositive + totals.NumberPositive + totals.NumberStrongPositive)}


def _histomicstk_by_tile(path: str, counting: Any, brown: Any) -> dict[str, Any]:
    from openslide import OpenSlide

    stained = 0
    with OpenSlide(path) as slide:
        for tile in tiles_of(*slide.dimensions):
            totals = counting.count_image(rgb_of(slide, *tile), brown)[0]
            stained += int(totals.NumberWeakPositive + totals.NumberPositive + totals.NumberStrongPositive)
    return {"stained_px": stained}


def _objects(rgb: Any, scale_um: float, settings: Settings) -> tuple[int, float]:
    """Stained objects of a picture from the smallest area on, and the largest diameter of them."""
    from skimage.color import rgb2hed
    from skimage.measure import label, regionprops

    stained = rgb2hed(rgb)[..., 2] > settings["hed_threshold"]
    objects = regionprops(label(stained, connectivity=2))  # type: ignore[no-untyped-call]
    large = [one for one in objects if one.area * scale_um**2 >= settings["smallest_um2"]]
    return len(large), max((one.feret_diameter_max * scale_um for one in large), default=0.0)


def _scale_um(slide: Any) -> float:
    return float(slide.properties.get("openslide.mpp-x", 0.25))


def skimage_tiles(path: str, settings: Settings) -> dict[str, Any]:
    """A loop over tiles; what a seam cuts is two objects."""
    from openslide import OpenSlide

    n, largest_um = 0, 0.0
    with OpenSlide(path) as slide:
        for tile in tiles_of(*slide.dimensions):
            found, size_um = _objects(rgb_of(slide, *tile), _scale_um(slide), settings)
            n, largest_um = n + found, max(largest_um, size_um)
    return {"objects": n, "largest_um": largest_um}


def skimage_whole(path: str, settings: Settings) -> dict[str, Any]:
    """The slide as one picture."""
    import numpy as np
    from openslide import OpenSlide

    with OpenSlide(path) as slide:
        width, height = slide.dimensions
        rgb = np.empty((height, width, 3), np.uint8)
        for x, y, columns, rows in tiles_of(width, height):
            rgb[y : y + rows, x : x + columns] = rgb_of(slide, x, y, columns, rows)
        n, largest_um = _objects(rgb, _scale_um(slide), settings)
    return {"objects": n, "largest_um": largest_um}


def dask_image(path: str, settings: Settings) -> dict[str, Any]:
    """Objects of the slide as a lazy array."""
    import dask
    import dask.array as da
    import numpy as np
    from dask_image.ndmeasure import label
    from openslide import OpenSlide
    from skimage.color import rgb2hed

    with OpenSlide(path) as slide:

        def stained(x: int, y: int, width: int, height: int) -> Any:
            return rgb2hed(rgb_of(slide, x, y, width, height))[..., 2] > settings["hed_threshold"]

        rows: dict[int, list[Any]] = {}
        for x, y, width, height in tiles_of(*slide.dimensions):
            lazy = dask.delayed(stained)(x, y, width, height)
            rows.setdefault(y, []).append(da.from_delayed(lazy, (height, width), dtype=bool))
        _, n = label(da.block(list(rows.values())), structure=np.ones((3, 3)))
        with dask.config.set(num_workers=settings["threads"]):
            return {"objects": int(n.compute())}


def histolab(path: str, settings: Settings) -> dict[str, Any]:
    """A loop over tiles with its filter for the dyes; objects by scipy, for it has none of its own."""
    import numpy as np
    from histolab.filters.image_filters import RgbToHed
    from histolab.slide import Slide
    from histolab.types import CoordinatePair
    from scipy import ndimage

    n, dyes = 0, RgbToHed()
    with tempfile.TemporaryDirectory() as folder:
        slide = Slide(path, folder)
        columns, rows = slide.dimensions
        for x, y, width, height in tiles_of(columns - 1, rows - 1):  # a box that ends at the border is refused
            box = CoordinatePair(x, y, x + width, y + height)
            image = slide.extract_tile(box, tile_size=(width, height), level=0).image.convert("RGB")
            hed = np.asarray(dyes(image))
            n += int(ndimage.label(hed[..., 2] > settings["hed_threshold"], structure=np.ones((3, 3)))[1])
    return {"objects": n}


WORK: dict[str, tuple[Work, tuple[str, ...]]] = {
    "openslide-reads": (openslide_reads, ("openslide",)),
    "openslide-all": (openslide_all, ("openslide",)),
    "histomicstk": (histomicstk, ("histomicstk.segmentation.positive_pixel_count", "dask")),
    "skimage-tiles": (skimage_tiles, ("skimage.color", "skimage.measure", "openslide")),
    "skimage-whole": (skimage_whole, ("skimage.color", "skimage.measure", "openslide")),
    "dask-image": (dask_image, ("dask_image.ndmeasure", "skimage.color", "skimage.measure", "openslide")),
    "histolab": (histolab, ("histolab.slide", "histolab.filters.image_filters", "scipy.ndimage")),
}
"""What does the work, and what it imports: loaded before the watch runs."""


def cpu_s() -> float:
    """CPU seconds of this process and its children so far."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def peak_bytes() -> int | None:
    """Most memory that this process has held; None where the system does not say."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next((1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:")), None)
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def warm_up(settings: Settings) -> None:
    """Let scikit-image load what it loads when something is first asked of it."""
    import numpy as np

    picture = np.full((64, 64, 3), 240, np.uint8)
    picture[16:48, 16:48] = 120, 70, 30
    _objects(picture, 1.0, settings)


def measure(name: str, path: str, settings: Settings) -> dict[str, Any]:
    """What a program took, or why it did not come to that."""
    work, modules = WORK[name]
    if any(importlib.util.find_spec(module.partition(".")[0]) is None for module in modules):
        return {"error": "not installed"}
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError as error:
        return {"error": f"cannot be imported: {error}"}
    if "skimage.measure" in modules:
        warm_up(settings)
    wall, cpu = time.perf_counter(), cpu_s()
    try:
        facts = work(path, settings)
    except Exception as error:  # whatever another program raises is told, and ends nothing else
        return {"error": " ".join(f"failed: {type(error).__name__}: {error}".split())[:200]}
    return {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu, "peak_bytes": peak_bytes(), **facts}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))) + "\n")
