"""Clusters from lists of diameters: what the clinical rules need, without a pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from micromet_path.model import ClusterMeasures

Measures = Callable[..., ClusterMeasures]


def make_measures(
    diameters_um: Sequence[float],
    *,
    piece_id: Sequence[int] | int = 1,
    interval_um: Sequence[tuple[float, float]] | None = None,
    cells: Sequence[tuple[float, float, float]] | float = 1.0,
    flags: Mapping[str, Sequence[float]] | None = None,
    size_is_minimum: Sequence[bool] | bool = False,
    gap_um: float = 7.0,
) -> ClusterMeasures:
    """Clusters of these diameters, largest first as the caller lists them.

    `cells` is (value, low, high) of each, or one certain number for all.
    """
    n = len(diameters_um)
    size_um = np.array(diameters_um, dtype=np.float64)
    low_um, high_um = np.array(interval_um, dtype=np.float64).T if interval_um else (size_um, size_um)
    value, low, high = (
        np.full((3, n), float(cells))
        if isinstance(cells, float | int)
        else np.array(cells, dtype=float).reshape(n, 3).T
    )
    ones, corners = np.ones(n), np.zeros((n, 4), dtype=np.int64)
    columns: dict[str, Any] = {
        "cluster_of_fragment": np.arange(n),
        "piece_id": np.broadcast_to(np.array(piece_id, dtype=np.int64), n).copy(),
        "n_fragments": np.ones(n, dtype=np.int64),
        "max_diameter_um": size_um,
        "diameter_low_um": low_um,
        "diameter_high_um": high_um,
        "axis_px0": np.zeros((n, 2, 2), dtype=np.int64),
        "min_bounding_circle_um": size_um,
        "area_um2": size_um**2,
        "area_filled_um2": size_um**2,
        "centroid_px0": np.zeros((n, 2)),
        "bbox_px0": corners,
        "mean_rgb": np.zeros((n, 3)),
        "mean_dab_od": ones,
        "max_dab_od": ones,
        "solidity": ones,
        "cells": value,
        "cells_low": low,
        "cells_high": high,
        "size_is_minimum": np.broadcast_to(np.array(size_is_minimum, dtype=bool), n).copy(),
        "rank_score": ones,
        "flags": {name: np.array(strength, dtype=np.float64) for name, strength in (flags or {}).items()},
    }
    return ClusterMeasures(gap_um=gap_um, **columns)


@pytest.fixture(scope="session")
def measures() -> Measures:
    """The builder of `ClusterMeasures` (session-wide, so that properties may use it)."""
    return make_measures
