"""The source of a result: what is stored so that everything else can be made again without the slide.

``result.json`` holds the records, ``fragments.parquet`` and ``tree.parquet`` what recutting at
another gap needs, ``runs.parquet`` the pixels of the outlines, ``pictures.parquet`` pixels of tissue
for overview, gallery and report (never the slide's paper label).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import MicrometError, ResultError
from micromet_path.model import Analysis, Picture, Runs
from micromet_path.results import columns
from micromet_path.results.decode import from_json
from micromet_path.results.encode import SCHEMA, to_json
from micromet_path.results.folders import recover, writing
from micromet_path.results.packaged import packaged_schema

__all__ = [
    "SCHEMA",
    "SOURCE_FILES",
    "find_reusable",
    "read_pictures",
    "read_runs",
    "read_source",
    "recover",
    "result_schema",
    "to_json",
    "write_source",
    "writing",
]

SOURCE_FILES = ("result.json", "fragments.parquet", "tree.parquet", "runs.parquet", "pictures.parquet")
_LISTS = ("pieces", "clusters", "brownest")


def write_source(folder: Path, analysis: Analysis, runs: Runs, pictures: tuple[Picture, ...]) -> None:
    """Write the five files that are the source of a result.

    Parameters
    ----------
    folder : Path
        Existing folder; see `writing`.
    analysis : Analysis
    runs : Runs
        Of all kept fragments.
    pictures : tuple of Picture
    """
    columns.write_runs(folder / "runs.parquet", runs)
    columns.write_tree(folder / "tree.parquet", analysis.tree)
    columns.write_fragments(
        folder / "fragments.parquet",
        analysis.fragments,
        analysis.clusters.cluster_of_fragment,
        analysis.slide.spacing,
    )
    columns.write_pictures(folder / "pictures.parquet", pictures)
    # Last, so that a folder with a result.json is complete.
    with (folder / "result.json").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_lines(to_json(analysis)))


def _lines(content: dict[str, Any]) -> Iterator[str]:
    """JSON with one line a key and one line a row: it can be read, searched and compared by line."""
    opening = "{"
    for key, value in content.items():
        yield f'{opening}\n"{key}": '
        opening = ","
        if key in _LISTS and value:
            yield "[\n" + ",\n".join(map(_compact, value)) + "\n]"
        else:
            yield _compact(value)
    yield "\n}\n"


def _compact(value: Any) -> str:
    """JSON without NaN, which is no JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def read_source(folder: Path) -> Analysis:
    """Read a result back.

    Parameters
    ----------
    folder : Path
        A folder that `micromet analyze` wrote.

    Returns
    -------
    Analysis
        Equal to what was written, to the last bit.

    Raises
    ------
    ResultError
        If there is no such folder, or it is incomplete, damaged or of another schema.
    """
    folder = Path(folder)
    with _readable(folder):
        content = _content(folder)
        fragments, cluster_of_fragment = columns.read_fragments(folder / "fragments.parquet")
        return from_json(content, fragments, cluster_of_fragment, columns.read_tree(folder / "tree.parquet"))


def read_runs(folder: Path, fragments: NDArray[np.integer] | None = None) -> Runs:
    """Read the runs of stained pixels.

    Parameters
    ----------
    folder : Path
    fragments : ndarray of integer, optional
        Fragments whose runs are wanted; all where it is not given.

    Returns
    -------
    Runs

    Raises
    ------
    ResultError
        As `read_source`.
    """
    with _readable(Path(folder)):
        return columns.read_runs(Path(folder) / "runs.parquet", fragments)


def read_pictures(folder: Path) -> tuple[Picture, ...]:
    """Read the pictures kept for overview, gallery and report.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    tuple of Picture

    Raises
    ------
    ResultError
        As `read_source`.
    """
    with _readable(Path(folder)):
        return columns.read_pictures(Path(folder) / "pictures.parquet")


def find_reusable(folder: Path, fingerprint: str, config_fingerprint: str) -> bool:
    """Tell whether a folder holds a complete result of the same slide and the same settings.

    Parameters
    ----------
    folder : Path
        May be missing.
    fingerprint : str
        Of the slide.
    config_fingerprint : str
        Of the configuration.

    Returns
    -------
    bool
    """
    folder = Path(folder)
    try:
        content = _content(folder)
        return (
            content["slide"]["fingerprint"] == fingerprint
            and content["provenance"]["config_fingerprint"] == config_fingerprint
            and all(_is_whole(folder / name) for name in SOURCE_FILES if name.endswith(".parquet"))
        )
    except (OSError, ValueError, KeyError, TypeError, ResultError):
        return False


def _is_whole(path: Path) -> bool:
    """Whether a Parquet file has its end; one that was cut off has not."""
    with path.open("rb") as file:
        begin = file.read(4)
        file.seek(-4, 2)
        return begin == file.read(4) == b"PAR1"


def result_schema() -> dict[str, Any]:
    """Load the JSON Schema of ``result.json``.

    Examples
    --------
    >>> result_schema()["title"]
    'micromet-result/1'
    """
    return packaged_schema("result.schema.json")


def _content(folder: Path) -> dict[str, Any]:
    """Content of ``result.json``, if it is one of ours."""
    content = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        found = f"of schema {schema}" if schema else "not a result of micromet_path"
        raise ResultError(f"{folder.name}/result.json is {found}, expected {SCHEMA}; analyse the slide again")
    return dict(content)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Say in one sentence what is wrong with a folder."""
    if not folder.is_dir():
        raise ResultError(f"{folder} is no result folder; give one that micromet analyze wrote")
    again = "analyse the slide again"
    try:
        yield
    except MicrometError:
        raise
    except FileNotFoundError as error:
        missing = ", ".join(name for name in SOURCE_FILES if not (folder / name).is_file())
        raise ResultError(f"{folder} holds no complete result ({missing} missing); {again}") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ResultError(f"{folder} holds a damaged result ({reason}); {again}") from error
