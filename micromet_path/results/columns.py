"""Fragments, tree, runs and pictures as Parquet tables.

A pair of coordinates becomes two columns, a hull two list columns. Nothing is rounded: what is read
back is equal to the last bit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Fragments, Picture, Runs, Tree
from micromet_path.results.arrow import list_column, to_table

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "read_fragments",
    "read_pictures",
    "read_runs",
    "read_tree",
    "write_fragments",
    "write_pictures",
    "write_runs",
    "write_tree",
]

FRAGMENTS_SCHEMA = "micromet-fragments/2"
_METADATA_KEY = b"micromet"
_RUNS_IN_A_GROUP = 1 << 17

_SEVERAL = {
    "first_px": ("first_x_px0", "first_y_px0"),
    "bbox_px0": ("bbox_x0_px0", "bbox_y0_px0", "bbox_x1_px0", "bbox_y1_px0"),
    "sum_xy_px": ("sum_x_px", "sum_y_px"),
    "sum_rgb": ("sum_red", "sum_green", "sum_blue"),
    "sum_stain": ("sum_haematoxylin", "sum_chromogen", "sum_residual"),
}
_SINGLE = (
    "area_px", "filled_px", "strong_px", "max_dab", "low_component", "enclosed_by", "weak", "pigment_like",
    "scan_edge", "tissue_edge", "off_tissue", "dot_group", "piece", "cells", "cells_low", "cells_high",
)  # fmt: skip
_FLAG = "flag_"


def write_fragments(
    path: Path, fragments: Fragments, cluster_of_fragment: NDArray[np.int64], spacing: PixelSpacing
) -> None:
    """Write one row a fragment.

    `cluster_id` is the cluster that holds the fragment, 0 for none. Hulls at the lower threshold
    belong to components that may hold several fragments: each stands in the row of the first.
    """
    columns: dict[str, Any] = {"cluster_id": cluster_of_fragment + 1}
    for name, parts in _SEVERAL.items():
        columns |= dict(zip(parts, np.asarray(getattr(fragments, name)).T, strict=True))
    columns |= {name: getattr(fragments, name) for name in _SINGLE}
    columns |= {_FLAG + name: strength for name, strength in fragments.flags.items()}
    columns |= _hull_columns("hull", fragments.hull_px, fragments.hull_offsets)
    columns |= _hull_columns("high_hull", fragments.high_hull_px, fragments.high_hull_offsets)
    columns |= _low_hull_columns(fragments)
    about = {
        "schema": FRAGMENTS_SCHEMA,
        "od_scale": fragments.od_scale,
        "mpp_x": spacing.x_um,
        "mpp_y": spacing.y_um,
        "low_components": len(fragments.low_hull_offsets) - 1,
    }
    _write(path, to_table(columns).replace_schema_metadata({_METADATA_KEY: json.dumps(about).encode()}))


def read_fragments(path: Path) -> tuple[Fragments, NDArray[np.int64]]:
    """Read fragments and the cluster (row, -1 for none) of each."""
    table = _read(path)
    about = json.loads((table.schema.metadata or {})[_METADATA_KEY])
    if about["schema"] != FRAGMENTS_SCHEMA:
        raise ValueError(f"{path.name} is {about['schema']}, expected {FRAGMENTS_SCHEMA}")
    hull_px, hull_offsets = _ragged(table, "hull")
    high_hull_px, high_hull_offsets = _ragged(table, "high_hull")
    low_component = _numbers(table, "low_component")
    low_hull_px, low_hull_offsets = _low_hulls(table, low_component, about["low_components"])
    fragments = Fragments(
        od_scale=about["od_scale"],
        **{name: np.stack([_numbers(table, part) for part in parts], axis=1) for name, parts in _SEVERAL.items()},
        **{name: _numbers(table, name) for name in _SINGLE},
        flags={
            name.removeprefix(_FLAG): _numbers(table, name) for name in table.column_names if name.startswith(_FLAG)
        },
        hull_px=hull_px,
        hull_offsets=hull_offsets,
        high_hull_px=high_hull_px,
        high_hull_offsets=high_hull_offsets,
        low_hull_px=low_hull_px,
        low_hull_offsets=low_hull_offsets,
    )
    return fragments, _numbers(table, "cluster_id") - 1


def _hull_columns(name: str, points: NDArray[np.int64], offsets: NDArray[np.int64]) -> dict[str, Any]:
    """Two list columns of ragged points."""
    return {f"{name}_{axis}_px0": list_column(points[:, column], offsets) for column, axis in enumerate("xy")}


def _low_hull_columns(fragments: Fragments) -> dict[str, Any]:
    """List columns with a component's hull in the row of the first fragment it holds, nothing elsewhere."""
    component, offsets = fragments.low_component, fragments.low_hull_offsets
    length = np.zeros(len(fragments), dtype=np.int64)
    held, first = np.unique(component, return_index=True)
    held, first = held[held >= 0], first[held >= 0]
    length[first] = np.diff(offsets)[held]
    starts = np.zeros(len(fragments), dtype=np.int64)
    starts[first] = offsets[held]
    at = np.concatenate([[0], np.cumsum(length)])
    source = np.arange(at[-1]) + np.repeat(starts - at[:-1], length)
    return _hull_columns("low_hull", fragments.low_hull_px[source], at)


def _low_hulls(table: Any, component: NDArray[np.int64], n_components: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Hulls by component from the rows they were stored in."""
    points, offsets = _ragged(table, "low_hull")
    holds = np.flatnonzero(np.diff(offsets))
    holds = holds[np.argsort(component[holds], kind="stable")]
    length = np.zeros(n_components, dtype=np.int64)
    length[component[holds]] = np.diff(offsets)[holds]
    at = np.concatenate([[0], np.cumsum(length)])
    source = np.arange(at[-1]) + np.repeat(offsets[holds] - at[:-1][component[holds]], np.diff(offsets)[holds])
    return points[source], at


def _ragged(table: Any, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Points and offsets of two list columns."""
    x, y = (table.column(f"{name}_{axis}_px0").combine_chunks() for axis in "xy")
    points = np.stack([x.flatten().to_numpy(zero_copy_only=False), y.flatten().to_numpy(zero_copy_only=False)], axis=1)
    lengths = x.value_lengths().to_numpy(zero_copy_only=False)
    return points.astype(np.int64), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def write_tree(path: Path, tree: Tree) -> None:
    """Write one row an edge of the contiguity tree, smallest gap first."""
    _write(path, to_table({"first": tree.first, "second": tree.second, "gap_um": tree.gap_um}))


def read_tree(path: Path) -> Tree:
    """Read the contiguity tree."""
    table = _read(path)
    return Tree(*(_numbers(table, name) for name in ("first", "second", "gap_um")))


def write_runs(path: Path, runs: Runs) -> None:
    """Write runs in the order of their fragments, so that some fragments can be read without the others."""
    import pyarrow.parquet as pq

    names = ["row", "start", "stop", "fragment"]
    pq.write_table(
        to_table({name: getattr(runs, name) for name in names}),
        path,
        compression="zstd",
        row_group_size=_RUNS_IN_A_GROUP,
        use_dictionary=False,
        column_encoding=dict.fromkeys(names, "DELTA_BINARY_PACKED"),
    )


def read_runs(path: Path, fragments: NDArray[np.integer] | None = None) -> Runs:
    """Read all runs, or those of some fragments; groups of rows without any of these are passed over."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if fragments is None:
            table = file.read()
        else:
            wanted = np.unique(fragments)
            parts = [_rows_of(file, group, wanted) for group in range(file.num_row_groups)]
            table = pa.concat_tables([file.schema_arrow.empty_table(), *parts])
    return Runs(*(_numbers(table, name) for name in ("row", "start", "stop", "fragment")))


def _rows_of(file: Any, group: int, wanted: NDArray[np.integer]) -> pyarrow.Table:
    """Rows of one group that belong to wanted fragments."""
    held = file.metadata.row_group(group).column(3).statistics
    first, last = np.searchsorted(wanted, [held.min, held.max + 1]) if held is not None else (0, 0)
    if first == last:
        return file.schema_arrow.empty_table()
    table = file.read_row_group(group)
    return table.filter(np.isin(_numbers(table, "fragment"), wanted[first:last]))


def write_pictures(path: Path, pictures: tuple[Picture, ...]) -> None:
    """Write one row a picture."""
    regions = [picture.region for picture in pictures]
    columns: dict[str, Any] = {"name": [picture.name for picture in pictures]}
    for side in ("x0", "y0", "x1", "y1"):
        columns[f"{side}_px0"] = np.array([getattr(region, side) for region in regions], np.int64)
    columns["jpeg"] = [picture.jpeg for picture in pictures]
    _write(path, to_table(columns))


def read_pictures(path: Path) -> tuple[Picture, ...]:
    """Read the pictures."""
    return tuple(
        Picture(row["name"], Region(*(row[f"{side}_px0"] for side in ("x0", "y0", "x1", "y1"))), row["jpeg"])
        for row in _read(path).to_pylist()
    )


def _write(path: Path, table: pyarrow.Table) -> None:
    """Write a table, compressed."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", use_dictionary=False)  # looking for repeats takes 30 MB


def _read(path: Path) -> Any:
    """Read a table; as a file of its own, not as a data set, which takes longer to import than to read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read()


def _numbers(table: Any, name: str) -> NDArray[Any]:
    """A column as an array that may be written to."""
    return np.array(table.column(name).to_numpy())
