"""OME-Zarr images, 0.4 (zarr v2) and 0.5 (zarr v3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import SlideError, UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, Region, TileGrid
from micromet_path.slides.base import SlideInfo
from micromet_path.slides.checks import Samples, require_brightfield
from micromet_path.slides.messages import one_line
from micromet_path.slides.pyramid import PyramidSlide, levels_of_sizes
from micromet_path.slides.scale import StatedScale, settle_scale, stated_scale

__all__ = ["ZarrSlide", "open_zarr"]

_DARK_FILL = 64
"""A fill value below this cannot be glass, so a chunk that is absent was not scanned."""


@dataclass(frozen=True, slots=True, eq=False)
class _Axes:
    """Places of the axes; time and depth, where present, have length 1."""

    names: tuple[str, ...]

    def of(self, values: Sequence[Any], name: str, default: Any = 1) -> Any:
        return values[self.names.index(name)] if name in self.names else default


def open_zarr(path: Path, spacing: PixelSpacing | None = None) -> ZarrSlide:
    """Open the folder of an OME-Zarr image.

    Raises
    ------
    UnsupportedSlideError
        If there is no multiscale RGB image of 8 bits in it.
    UnreadableSlideError
        If its metadata are damaged.
    """
    import zarr

    try:
        group, image = _image_group(zarr.open_group(path, mode="r"), path.name)
        axes = _Axes(tuple(str(axis["name"]) for axis in image["axes"]))
        arrays = [group[str(dataset["path"])] for dataset in image["datasets"]]
        for array in arrays:
            _require_rgb(path.name, axes, array)
        return ZarrSlide(path, axes, arrays, _scale_of(image, axes), spacing)
    except SlideError:
        raise
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OSError, RuntimeError) as error:
        raise UnreadableSlideError(f"{path.name} is damaged: its OME-Zarr metadata cannot be read") from error


class ZarrSlide(PyramidSlide):
    """An OME-Zarr image. Use `open_zarr`.

    Parameters
    ----------
    path : Path
    axes : _Axes
    arrays : list of zarr.Array
        Level 0 first.
    stated : StatedScale or None
    spacing : PixelSpacing, optional
        Overrules the file's scale.
    """

    def __init__(
        self, path: Path, axes: _Axes, arrays: list[Any], stated: StatedScale | None, spacing: PixelSpacing | None
    ) -> None:
        sizes = [(int(axes.of(array.shape, "x")), int(axes.of(array.shape, "y"))) for array in arrays]
        (width, height), chunk = sizes[0], arrays[0].chunks
        scale = settle_scale(path.name, [stated], spacing)
        info = SlideInfo(
            name=path.name,
            width_px0=width,
            height_px0=height,
            spacing=scale.spacing,
            spacing_source=scale.source,
            vendor="ome-zarr",
            reader=f"zarr/v{arrays[0].metadata.zarr_format}",
            levels=levels_of_sizes(sizes),
            bounds_px0=Region(0, 0, width, height),
            warnings=scale.warnings,
        )
        tile_width, tile_height = min(int(axes.of(chunk, "x")), width), min(int(axes.of(chunk, "y")), height)
        super().__init__(info, TileGrid(width, height, tile_width, tile_height))
        self._path = path
        self._axes = axes
        self._arrays = arrays

    def _fill(self, level: int, box: Region, out: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        array, axes = self._arrays[level], self._axes
        place = {"y": slice(box.y0, box.y1), "x": slice(box.x0, box.x1), "c": slice(None)}
        try:
            pixels = np.asarray(array[tuple(place.get(name, 0) for name in axes.names)])
        except (ValueError, RuntimeError, OSError, KeyError, TypeError) as error:
            raise UnreadableSlideError(
                f"{self._info.name}: x {box.x0}-{box.x1}, y {box.y0}-{box.y1} of level {level} "
                f"cannot be decoded ({one_line(error)})"
            ) from error
        kept = [name for name in axes.names if name in place]
        out[...] = pixels.transpose([kept.index(name) for name in ("y", "x", "c")])
        return self._mask_absent(array, box, out)

    def _mask_absent(self, array: Any, box: Region, out: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        """Paint chunks that were never written white, and say so."""
        if int(array.fill_value or 0) >= _DARK_FILL:
            return None
        outer = array.shards or array.chunks
        grid_width, grid_height = int(self._axes.of(outer, "x")), int(self._axes.of(outer, "y"))
        scanned: NDArray[np.bool_] | None = None
        for row in range(box.y0 // grid_height, -(-box.y1 // grid_height)):
            for column in range(box.x0 // grid_width, -(-box.x1 // grid_width)):
                if self._is_written(array, row, column):
                    continue
                scanned = np.ones(box.shape, np.bool_) if scanned is None else scanned
                rows = slice(max(0, row * grid_height - box.y0), (row + 1) * grid_height - box.y0)
                columns = slice(max(0, column * grid_width - box.x0), (column + 1) * grid_width - box.x0)
                scanned[rows, columns] = False
                out[rows, columns] = 255
        return scanned

    def _is_written(self, array: Any, row: int, column: int) -> bool:
        """Whether any colour of a chunk is in the store."""
        outer = array.shards or array.chunks
        colours = -(-3 // int(self._axes.of(outer, "c")))
        for colour in range(colours):
            place = {"y": row, "x": column, "c": colour}
            key = array.metadata.encode_chunk_key(tuple(place.get(name, 0) for name in self._axes.names))
            if (self._path / array.path / key).exists():
                return True
        return False


def _image_group(root: Any, name: str) -> tuple[Any, Mapping[str, Any]]:
    """The group that holds the pyramid, and its first multiscale record."""
    group = root
    for _ in range(2):
        attributes = dict(group.attrs)
        ome = attributes.get("ome", attributes)
        if ome.get("multiscales"):
            image = ome["multiscales"][0]
            if "image-label" in ome:
                raise UnsupportedSlideError(f"{name} is a label image; name the image it belongs to")
            return group, image
        if "bioformats2raw.layout" not in ome or "0" not in group:
            break
        group = group["0"]  # the first series is the slide
    raise UnsupportedSlideError(f"{name} holds no OME-Zarr image (no multiscales in its metadata)")


def _require_rgb(name: str, axes: _Axes, array: Any) -> None:
    if not {"x", "y", "c"} <= set(axes.names) or len(axes.names) != array.ndim:
        raise UnsupportedSlideError(f"{name} has the axes {', '.join(axes.names)}; expected c, y and x with 3 channels")
    if any(axes.of(array.shape, other) != 1 for other in axes.names if other not in "xyc"):
        raise UnsupportedSlideError(f"{name} is a stack of shape {tuple(array.shape)}; expected one plane")
    kind = array.dtype
    require_brightfield(name, Samples(int(axes.of(array.shape, "c")), kind.itemsize * 8, kind.kind == "u"))


def _scale_of(image: Mapping[str, Any], axes: _Axes) -> StatedScale | None:
    """Microns per pixel of level 0: its own scale, times that of the whole pyramid."""
    records = (image["datasets"][0], image)
    x = y = 1.0
    found = False
    for record in records:
        for step in record.get("coordinateTransformations") or ():
            if step.get("type") == "scale":
                x, y = x * float(axes.of(step["scale"], "x")), y * float(axes.of(step["scale"], "y"))
                found = True
    units = {str(axis["name"]): axis.get("unit") for axis in image["axes"]}
    in_x, in_y = (stated_scale(value, value, "ome-zarr", units.get(name)) for name, value in (("x", x), ("y", y)))
    return StatedScale(in_x.x_um, in_y.y_um, "ome-zarr") if found and in_x and in_y else None
