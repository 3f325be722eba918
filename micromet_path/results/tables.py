"""Clusters as tables: one row a cluster, largest first, units in the column names."""

from __future__ import annotations

import csv
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from micromet_path.model import Clusters
from micromet_path.results.arrow import to_table

__all__ = ["write_clusters_csv", "write_clusters_parquet"]


def write_clusters_csv(path: Path, clusters: Clusters) -> None:
    """Write ``clusters.csv`` with all digits; a cell is empty where there is no value.

    Parameters
    ----------
    path : Path
    clusters : Clusters
    """
    columns = _columns(clusters)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(map(_cell, values) for values in columns.values()), strict=True))


def write_clusters_parquet(path: Path, clusters: Clusters) -> None:
    """Write ``clusters.parquet``, the same table with its types."""
    import pyarrow.parquet as pq

    columns = clusters.to_columns()
    for name in ("category", "counting", "flags"):  # texts, also where there is no cluster to tell
        columns[name] = np.array(columns[name], dtype=object)
    pq.write_table(to_table(columns), path, compression="zstd", use_dictionary=False)


def _columns(clusters: Clusters) -> dict[str, list[Any]]:
    """The layout of `Clusters.to_columns` as Python values."""
    return {
        name: values.tolist() if isinstance(values, np.ndarray) else values
        for name, values in clusters.to_columns().items()
    }


def _cell(value: Any) -> Any:
    """A value as other programs read it: true, false, numbers with all digits, nothing for NaN."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if isinstance(value, float) and isnan(value) else value
