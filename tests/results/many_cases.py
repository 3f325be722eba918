"""Tables of random cases, as a laboratory would export them, for tests and for measuring.

``python -m tests.results.many_cases FILE 100000`` writes one.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from micromet_path.results.case_columns import COLUMNS

WORDS = ("negative", "itc", "micrometastasis", "macrometastasis", "positive", "micro", "macro")


def write_table(path: Path, n_cases: int, seed: int = 0) -> Path:
    """A table of `n_cases` cases with 0 to 6 nodes each, three on average."""
    rng = Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in COLUMNS if column.of != "slide"])
        writer.writeheader()
        for number in range(n_cases):
            writer.writerows(rows_of(rng, f"{2020 + number % 5}-{number:06d}"))
    return path


def rows_of(rng: Random, case_id: str) -> Iterator[dict[str, Any]]:
    """The rows of one case: its own facts in the first, a node in each."""
    facts = {"case_id": case_id, **primary(rng), **procedure(rng)}
    facts["pt"] = rng.choice(("", "pT1c", "pT2", "T1b", "pTis", "ypT2" if facts["neoadjuvant"] == "yes" else "T3"))
    n_nodes = rng.choice((0, 1, 2, 3, 3, 4, 5, 6))
    for number in range(max(n_nodes, 1)):
        node = described(rng, number) if n_nodes else {}
        yield {**(facts if number == 0 else {"case_id": case_id}), **node}


def primary(rng: Random) -> dict[str, Any]:
    return {
        "primary_size_mm": rng.choice(("", f"{rng.uniform(0.5, 80):.1f}")),
        **rng.choice(({}, {"ct": "cT1c", "cn": "cN0", "cm": "cM0"}, {"ct": "cT2", "cn": "cN1"})),
        "grade": rng.choice(("", 1, 2, 3, "unknown")),
        **{name: rng.choice(("positive", "negative", "unknown", "")) for name in ("er", "pr", "her2")},
        "oncotype_score": rng.choice(("", "", rng.randrange(101))),
        "histology": rng.choice(("", "ductal", 'lobular, "classic"')),
        "surgery": rng.choice(("", "breast-conserving", "mastectomy")),
        "age": rng.choice(("", rng.randrange(25, 90))),
    }


def procedure(rng: Random) -> dict[str, Any]:
    return {
        "sentinel_procedure": rng.choice(("yes", "yes", "no", "")),
        "completion_dissection": rng.choice(("", "no", "yes")),
        "neoadjuvant": rng.choice(("", "no", "no", "yes")),
        "nodes_removed": rng.choice(("", rng.randrange(1, 12))),
        "extranodal_extension": rng.choice(("", "absent", "present", "1.5")),
    }


def described(rng: Random, number: int) -> dict[str, Any]:
    how = rng.choice(
        (
            {"category": rng.choice(WORDS)},
            {"size_mm": f"{rng.choice((0.05, 0.18, 0.2, 0.9, 2.0, 2.01)) * rng.choice((1, 1, 1.05)):.4f}"},
            {"size_mm": f"{rng.uniform(0.01, 0.3):.3f}", "cells": rng.randrange(1, 400)},
        )
    )
    return {
        "node_id": number + 1,
        "station": rng.choice(("",) * 8 + ("axillary-3", "internal-mammary", "intramammary")),
        "sentinel": rng.choice(("yes", "no", "")),
        "detected_by": rng.choice(("", "he", "ihc-only")),
        "osna_copies_per_ul": rng.choice(("",) * 5 + (rng.randrange(20000),)),
        "confirmed": rng.choice(("", "yes", "no")),
        **how,
    }


if __name__ == "__main__":
    write_table(Path(sys.argv[1]), int(sys.argv[2]))
