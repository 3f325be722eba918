"""Outlines of clusters, traced once for every file that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from micromet_path.model import Clusters, Runs

if TYPE_CHECKING:
    from micromet_path.pixels.outline import Outlines

__all__ = ["ClusterShapes", "trace_clusters"]

_RUNS_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class ClusterShapes:
    """Exact outlines of all clusters in batches of consecutive rows.

    Parameters
    ----------
    first_rows : ndarray of shape (B + 1,), int64
        Row of `Clusters` each batch begins with, and their number.
    batches : tuple of Outlines
        Group ``g`` of batch ``b`` is the cluster in row ``first_rows[b] + g``.
    """

    first_rows: NDArray[np.int64]
    batches: tuple[Outlines, ...]

    def of(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]:
        """Points of one cluster's rings, where each ring begins (and the last ends), and which rings are holes."""
        batch = int(np.searchsorted(self.first_rows, row, side="right")) - 1
        outlines = self.batches[batch]
        group = row - self.first_rows[batch]
        shells = outlines.ring_offsets[outlines.polygon_offsets[group] : outlines.polygon_offsets[group + 1] + 1]
        offsets = outlines.point_offsets[shells[0] : shells[-1] + 1]
        is_hole = np.ones(len(offsets) - 1, dtype=bool)
        is_hole[shells[:-1] - shells[0]] = False
        return outlines.points_px[offsets[0] : offsets[-1]], offsets - offsets[0], is_hole


def trace_clusters(clusters: Clusters, runs: Runs) -> ClusterShapes:
    """Trace the outlines of all clusters, many small ones or one large one at a time.

    Parameters
    ----------
    clusters : Clusters
    runs : Runs
        At least those of the fragments that clusters hold.

    Returns
    -------
    ClusterShapes
    """
    # Compiled: only where something is drawn.
    from micromet_path.pixels.order import order_by
    from micromet_path.pixels.outline import trace_outlines

    cluster = clusters.cluster_of_fragment.astype(np.int32)[runs.fragment] if len(runs) else np.zeros(0, np.int32)
    order = order_by(cluster + 1)  # -1 is none
    bounds = np.searchsorted(cluster[order], np.arange(len(clusters) + 1))
    first_rows, batches = [0], []
    while (first := first_rows[-1]) < len(clusters):
        last = int(np.searchsorted(bounds, bounds[first] + _RUNS_AT_ONCE, side="right")) - 1
        last = min(max(last, first + 1), len(clusters))
        mine = order[bounds[first] : bounds[last]]
        batches.append(
            trace_outlines(runs.row[mine], runs.start[mine], runs.stop[mine], cluster[mine] - first, last - first)
        )
        first_rows.append(last)
    return ClusterShapes(np.array(first_rows), tuple(batches))
