"""Real outlines of tumour foci, read from a file, as shapes for drawn ones.

The file is gzip-compressed JSON: a list of records with ``max_diameter_um`` and ``outline_um``, the
vertices (x, y) in microns around the centre, as pathologists drew them.
"""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples.masks import SpanMask, rasterise
from micromet_path.errors import ConfigError

__all__ = ["cleaned", "like", "load"]

Floats = NDArray[np.float64]

LEAST_UM = 30.0
LEAST_AREA_UM2 = 250.0
"""Smaller ones are slips of the pen, not lesions."""
ALIKE = (0.6, 1.6)
"""Outlines of so many times a length may be scaled to it: the margin keeps its grain."""
LIMB_UM = 1.6
"""Half the width that a limb of an outline has at least: no cell is thinner than 3 um."""


@lru_cache(maxsize=4)
def load(path: Path) -> tuple[tuple[float, Floats], ...]:
    """Diameter and vertices of each outline that can be a focus, smallest first.

    Raises
    ------
    ConfigError
        If the file cannot be read or is of another layout.
    """
    layout = "expected gzip-compressed JSON, a list of records with max_diameter_um and outline_um"
    try:
        records = json.loads(gzip.decompress(path.read_bytes()))
        found = [(float(record["max_diameter_um"]), _vertices(record["outline_um"])) for record in records]
    except OSError as error:
        reason = "it is not gzip-compressed" if isinstance(error, gzip.BadGzipFile) else error.strerror or "unreadable"
        raise ConfigError(f"cannot read the outlines in {path} ({reason}); {layout}") from error
    except (EOFError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} does not hold outlines; {layout}") from error
    kept = [(size, outline) for size, outline in found if size >= LEAST_UM and _area(outline) >= LEAST_AREA_UM2]
    if not kept:
        raise ConfigError(f"{path} holds no outline of {LEAST_UM:g} um or more; {layout}")
    return tuple(sorted(kept, key=lambda pair: pair[0]))


def like(rng: np.random.Generator, known: tuple[tuple[float, Floats], ...], length_um: float) -> Floats:
    """One of the outlines of about a length, around the origin; the nearest in size where there is none."""
    sizes = np.array([size for size, _ in known])
    low, high = ALIKE
    alike = np.flatnonzero((sizes >= low * length_um) & (sizes <= high * length_um))
    index = int(rng.choice(alike)) if len(alike) else int(np.abs(sizes - length_um).argmin())
    size, outline = known[index]
    return outline * (length_um / size)


def cleaned(outline: Floats, spacing_um: tuple[float, float]) -> SpanMask | None:
    """Largest connected part of an outline's pixels, without limbs that no cell fits; None when nothing stays."""
    from scipy import ndimage

    mask = rasterise([outline])
    if len(mask.row) == 0:
        return None
    image, (left, top) = mask.image(margin=2)
    outside = ndimage.distance_transform_edt(image, sampling=spacing_um[::-1])
    core = outside > LIMB_UM
    if not core.any():
        return None
    kept = ndimage.distance_transform_edt(~core, sampling=spacing_um[::-1]) <= LIMB_UM
    labels, count = ndimage.label(kept & image, np.ones((3, 3)))
    if count > 1:
        kept = labels == np.bincount(labels[labels > 0]).argmax()
    return SpanMask.of(kept & image, left, top)


def _vertices(points: Any) -> Floats:
    """Vertices of one outline."""
    outline = np.asarray(points, np.float64)
    if outline.ndim != 2 or outline.shape[1] != 2 or len(outline) < 3 or not np.isfinite(outline).all():
        raise ValueError("an outline is a list of three or more pairs of numbers")
    return outline


def _area(outline: Floats) -> float:
    """Area of a polygon."""
    x, y = outline.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
