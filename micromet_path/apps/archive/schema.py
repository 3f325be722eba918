"""Tables of an archive's database, one set for SQLite and PostgreSQL, and the questions that it answers as views."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

__all__ = ["SCHEMA_VERSION", "TABLES", "VIEWS", "metadata"]

SCHEMA_VERSION = 1
"""Raised with any change of a table or a view. A database of another version is made again from the folders."""

metadata = MetaData()

_meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))

_runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started", String, nullable=False),
    Column("finished", String),
    Column("state", String, nullable=False, comment="running, finished, interrupted"),
    Column("version", String, nullable=False),
    Column("config_fingerprint", String, nullable=False),
    Column("engine", String, nullable=False),
    Column("shard", String),
    Column("n_listed", Integer),
    Column("n_done", Integer),
    Column("n_reused", Integer),
    Column("n_failed", Integer),
    Column("n_skipped", Integer),
)

_slides = Table(
    "slides",
    metadata,
    Column("slide_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False, comment="done, failed, pending, duplicate, excluded, retired"),
    Column("duplicate_of", String),
    Column("superseded_by", String, comment="a newer scan of the same glass counts instead"),
    # what the laboratory knows
    *(Column(name, String) for name in ("accession", "part", "block", "level", "node_id", "pieces")),
    Column("role", String, nullable=False),
    *(Column(name, String) for name in ("stain", "clone", "chromogen", "stain_run", "control_result", "scanner")),
    *(Column(name, String) for name in ("scan_time", "scan_week", "rescan_of")),
    # what was found
    Column("category", String),
    Column("assessable", Boolean),
    Column("reasons", Text, comment="why it is not assessable, or only in part"),
    Column("headline", Text),
    Column("max_diameter_um", Float),
    Column("diameter_low_um", Float),
    Column("diameter_high_um", Float),
    Column("borderline", Boolean),
    Column("near_limit", Boolean),
    Column("size_is_minimum", Boolean),
    Column("contiguity_sensitive", Boolean),
    Column("if_all_counted", String),
    *(Column(name, Integer) for name in ("n_clusters", "n_itc", "n_micro", "n_macro", "n_pieces")),
    Column("estimated_cells", Float),
    # how it was read
    *(Column(name, Float) for name in ("coverage", "in_focus", "tissue_area_mm2", "mpp_x", "mpp_y")),
    Column("mpp_source", String),
    Column("vendor", String),
    *(Column(name, Float) for name in ("white_r", "white_g", "white_b")),
    *(Column(name, Float) for name in ("chromogen_strength_od", "counterstain_strength_od", "threshold_od")),
    Column("warnings", Text),
    Column("fingerprint", String),
    Column("config_fingerprint", String),
    Column("version", String),
    Column("reviewed", Boolean, nullable=False),
    Index("slides_accession", "accession"),
    Index("slides_stain_run", "stain_run"),
)

_clusters = Table(
    "clusters",
    metadata,
    Column("slide_id", String, ForeignKey("slides.slide_id", ondelete="CASCADE"), primary_key=True),
    Column("cluster_id", Integer, primary_key=True, autoincrement=False),
    Column("piece_id", Integer),
    Column("category", String, nullable=False),
    Column("counting", String, nullable=False),
    Column("max_diameter_um", Float, nullable=False),
    Column("diameter_low_um", Float, nullable=False),
    Column("diameter_high_um", Float, nullable=False),
    Column("borderline", Boolean, nullable=False),
    Column("area_um2", Float, nullable=False),
    Column("estimated_cells", Float),
    Column("x_px0", Float, nullable=False),
    Column("y_px0", Float, nullable=False),
    Column("flags", Text, nullable=False),
)

_failures = Table(
    "failures",
    metadata,
    Column("slide_id", String, ForeignKey("slides.slide_id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String, nullable=False, comment="input, io, time, memory, crash, defect"),
    Column("phase", String, nullable=False),
    Column("line", Text, nullable=False),
    Column("trace", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
)

_cases = Table(
    "cases",
    metadata,
    Column("case_id", String, primary_key=True),
    Column("folder", String, nullable=False),
    Column("status", String, nullable=False, comment="incomplete, suggested, confirmed, failed"),
    Column("pn", String),
    Column("pn_category", String),
    Column("anatomic_stage", String),
    *(Column(name, Integer) for name in ("nodes_examined", "nodes_macro", "nodes_micro", "nodes_itc")),
    Column("largest_mm", Float),
    *(Column(name, Integer) for name in ("slides_expected", "slides_read")),
    Column("warnings", Text),
    Column("problem", Text),
)

_nodes = Table(
    "nodes",
    metadata,
    Column("case_id", String, ForeignKey("cases.case_id", ondelete="CASCADE"), primary_key=True),
    Column("node_id", String, primary_key=True),
    Column("category", String),
    Column("size_mm", Float),
    Column("n_slides", Integer, nullable=False),
)

TABLES = {table.name: table for table in (_meta, _runs, _slides, _clusters, _failures, _cases, _nodes)}

_COUNTS = "state = 'done' AND superseded_by IS NULL AND role = 'patient'"
_POSITIVE = "('itc', 'micrometastasis', 'macrometastasis')"

VIEWS = {
    "worklist": f"""
        SELECT slide_id, accession, node_id, block, category, max_diameter_um, diameter_low_um, diameter_high_um,
               size_is_minimum, borderline, near_limit, contiguity_sensitive, reviewed, headline
        FROM slides WHERE {_COUNTS} AND category IN {_POSITIVE}
        ORDER BY max_diameter_um DESC, slide_id""",
    "borderline": f"""
        SELECT slide_id, accession, node_id, category, max_diameter_um, diameter_low_um, diameter_high_um,
               size_is_minimum, headline
        FROM slides WHERE {_COUNTS} AND (borderline OR near_limit OR contiguity_sensitive)
        ORDER BY max_diameter_um DESC, slide_id""",
    "not_assessable": f"""
        SELECT slide_id, accession, node_id, stain_run, scanner, reasons
        FROM slides WHERE {_COUNTS} AND category = 'not_assessable' ORDER BY slide_id""",
    "rescan_list": f"""
        SELECT slide_id, accession, node_id, scanner, scan_time, coverage, in_focus,
               CASE WHEN coverage < 0.98 THEN 'read in part' WHEN in_focus < 0.98 THEN 'out of focus'
                    ELSE 'cannot be read' END AS why
        FROM slides WHERE (({_COUNTS}) AND (coverage < 0.98 OR in_focus < 0.98))
            OR (state = 'failed' AND superseded_by IS NULL AND slide_id IN
                (SELECT slide_id FROM failures WHERE kind IN ('input', 'crash')))
        ORDER BY slide_id""",
    "positives_by_week": f"""
        SELECT scan_week, COUNT(*) AS n_slides,
               SUM(CASE WHEN category = 'not_assessable' THEN 1 ELSE 0 END) AS n_not_assessable,
               SUM(CASE WHEN category = 'negative' THEN 1 ELSE 0 END) AS n_negative,
               SUM(CASE WHEN category = 'itc' THEN 1 ELSE 0 END) AS n_itc,
               SUM(CASE WHEN category = 'micrometastasis' THEN 1 ELSE 0 END) AS n_micrometastasis,
               SUM(CASE WHEN category = 'macrometastasis' THEN 1 ELSE 0 END) AS n_macrometastasis
        FROM slides WHERE {_COUNTS} GROUP BY scan_week
        ORDER BY scan_week IS NULL, scan_week""",
    "control_chart": """
        SELECT stain_run, clone, scanner, COUNT(*) AS n_slides, MIN(scan_time) AS first_scan,
               AVG(chromogen_strength_od) AS chromogen_strength_od,
               MIN(chromogen_strength_od) AS least_chromogen_strength_od,
               AVG(counterstain_strength_od) AS counterstain_strength_od,
               AVG(white_r) AS white_r, AVG(white_g) AS white_g, AVG(white_b) AS white_b,
               SUM(CASE WHEN category = 'not_assessable' THEN 1 ELSE 0 END) AS n_not_assessable,
               MAX(CASE WHEN control_result = 'failed' THEN 1 ELSE 0 END) AS control_failed
        FROM slides WHERE state = 'done' GROUP BY stain_run, clone, scanner
        ORDER BY MIN(scan_time) IS NULL, MIN(scan_time),
                 COALESCE(stain_run, ''), COALESCE(clone, ''), COALESCE(scanner, '')""",
}
"""Standing questions: what to look at, what to scan again, how the stain keeps."""
