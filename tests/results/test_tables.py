"""The tables other programs read: frozen columns, all digits."""

import csv

import numpy as np
import pyarrow.parquet as pq

from micromet_path.results.tables import write_clusters_csv, write_clusters_parquet

COLUMNS = [
    "id", "piece_id", "category", "counting", "max_diameter_um", "diameter_low_um", "diameter_high_um",
    "size_is_minimum", "borderline", "near_limit", "min_bounding_circle_um", "area_um2", "area_filled_um2", "solidity",
    "n_fragments", "estimated_cells", "estimated_cells_low", "estimated_cells_high", "mean_dab_od", "max_dab_od",
    "centroid_x_px0", "centroid_y_px0", "bbox_x0_px0", "bbox_y0_px0", "bbox_x1_px0", "bbox_y1_px0", "axis_x0_px0",
    "axis_y0_px0", "axis_x1_px0", "axis_y1_px0", "rank_score", "flags",
]  # fmt: skip


def test_csv_columns_are_frozen(made, tmp_path):
    write_clusters_csv(tmp_path / "a.csv", made.analysis.clusters)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
        assert b"\r" not in (tmp_path / "a.csv").read_bytes()
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    assert [float(row["max_diameter_um"]) for row in rows] == made.analysis.clusters.max_diameter_um.tolist()
    assert {row["borderline"] for row in rows} <= {"true", "false"}


def test_parquet_is_the_same_table(made, tmp_path):
    write_clusters_parquet(tmp_path / "a.parquet", made.analysis.clusters)
    table = pq.ParquetFile(tmp_path / "a.parquet").read()
    assert table.column_names == COLUMNS
    for name, values in made.analysis.clusters.to_columns().items():
        assert table.column(name).to_pylist() == np.asarray(values).tolist()
    assert str(table.schema.field("flags").type) == "string"
