"""Outlines of clusters, traced once for every file that shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from micromet_path.model import Clusters, Runs

if TYPE_CHECKING:
    from micromet_path.pixels.outline import Outlines

__all__ = ["cluster_outlines"]

_RUNS_AT_ONCE = 1 << 18


def cluster_outlines(clusters: Clusters, runs: Runs) -> Iterator[tuple[NDArray[np.int64], Outlines]]:
    """Trace the outlines of all clusters, many small ones or one large one at a time.

    Parameters
    ----------
    clusters : Clusters
    runs : Runs

    Yields
    ------
    rows, outlines
        Rows of `clusters` and their outlines; together they are all rows, in order.
    """
    from micromet_path.pixels.outline import trace_outlines  # compiled: only where something is drawn

    cluster = clusters.cluster_of_fragment[runs.fragment] if len(runs) else np.zeros(0, np.int64)
    order = np.argsort(cluster, kind="stable")
    bounds = np.searchsorted(cluster[order], np.arange(len(clusters) + 1))
    first = 0
    while first < len(clusters):
        last = int(np.searchsorted(bounds, bounds[first] + _RUNS_AT_ONCE, side="right")) - 1
        last = min(max(last, first + 1), len(clusters))
        mine = order[bounds[first] : bounds[last]]
        group = cluster[mine] - first
        yield (
            np.arange(first, last),
            trace_outlines(runs.row[mine], runs.start[mine], runs.stop[mine], group, last - first),
        )
        first = last
