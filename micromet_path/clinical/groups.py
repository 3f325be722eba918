"""Stage groups: anatomic, and prognostic with grade and receptors, by tables that carry their version."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from micromet_path.clinical.tnm import m_value, n_group, t_group
from micromet_path.errors import ConfigError
from micromet_path.parsing import is_number, short, short_name

__all__ = [
    "PrognosticTable",
    "anatomic_group",
    "is_low_oncotype",
    "missing_facts",
    "prognostic_group",
    "shipped_table",
    "table_version",
]

_KINDS = ("clinical", "pathological")
_RECEPTOR = {"positive": "positive", "negative": "negative", "equivocal-after-ish": "negative", "unknown": None}
_ONCOTYPE_LIMIT = 11
_STAGES = ("0", "IA", "IB", "IIA", "IIB", "IIIA", "IIIB", "IIIC", "IV")
_COLUMNS = ("kind", "bucket", "grade", "her2", "er", "pr", "stage")
_LARGEST_TABLE = 1_000_000
_Key = tuple[str, str, int, str, str, str]


@dataclass(frozen=True, slots=True)
class PrognosticTable:
    """The 240 cells of the prognostic stage, and which version of them this is."""

    version: str
    cells: Mapping[_Key, str]

    @classmethod
    def read(cls, path: Path) -> PrognosticTable:
        """A laboratory's own table: the columns of the shipped one, all 240 cells.

        Raises
        ------
        ConfigError
            If it cannot be read, or a cell is missing, repeated, of no known kind, or holds no stage group.
        """
        name = short_name(path.name)
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST_TABLE + 1)
            if len(raw) > _LARGEST_TABLE:
                raise ConfigError(f"{name} is no prognostic table: larger than 1 MB, for 240 cells")
            cells = _cells(raw.decode("utf-8-sig"), name)
        except (OSError, UnicodeDecodeError) as error:
            why = "there is no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None)
            raise ConfigError(f"{name} is no readable prognostic table: {why or 'not UTF-8 text'}") from error
        except csv.Error as error:
            raise ConfigError(f"{name} is no readable prognostic table: {error}") from error
        content = hashlib.sha256(repr(sorted(cells.items())).encode()).hexdigest()[:12]
        return cls(f"{path.stem} (SHA-256 of its cells {content})", cells)


def _cells(text: str, name: str) -> dict[_Key, str]:
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise ConfigError(f"{name}: expected the columns {', '.join(_COLUMNS)}, found {short(reader.fieldnames)}")
    cells: dict[_Key, str] = {}
    for number, row in enumerate(reader, start=2):
        key = _key(row, f"{name}, line {number}")
        if key in cells:
            raise ConfigError(f"{name}, line {number}: the cell {', '.join(map(str, key))} stands there twice")
        if row["stage"] not in _STAGES:
            raise ConfigError(
                f"{name}, line {number}: stage must be one of {', '.join(_STAGES)}; found {short(row['stage'])}"
            )
        cells[key] = row["stage"]
    if len(cells) != 240:
        raise ConfigError(
            f"{name}: found {len(cells)} cells, expected 240: 2 kinds x 5 buckets x 3 grades x 8 receptors"
        )
    return cells


def _key(row: Mapping[str, str | None], place: str) -> _Key:
    allowed = {
        "kind": _KINDS,
        "bucket": tuple("ABCDE"),
        "grade": tuple("123"),
        **dict.fromkeys(("her2", "er", "pr"), ("positive", "negative")),
    }
    for column, values in allowed.items():
        if row[column] not in values:
            raise ConfigError(f"{place}: {column} must be one of {', '.join(values)}; found {short(row[column])}")
    return (
        str(row["kind"]),
        str(row["bucket"]),
        int(str(row["grade"])),
        str(row["her2"]),
        str(row["er"]),
        str(row["pr"]),
    )


def _text(name: str) -> str:
    """A file of the shipped tables."""
    return files("micromet_path.clinical").joinpath("tables", name).read_text(encoding="utf-8")


@cache
def shipped_table() -> PrognosticTable:
    """The table that comes with the package."""
    text = _text("prognostic_8th.csv")
    return PrognosticTable(table_version("prognostic_8th"), _cells(text, "prognostic_8th.csv"))


@cache
def table_version(name: str) -> str:
    """Version of one of the shipped tables, as its provenance states it."""
    provenance = tomllib.loads(_text("PROVENANCE.toml"))
    return str(provenance[name]["version"])


@cache
def _pairs(name: str) -> Mapping[tuple[str, str], str]:
    """A shipped table from T and N groups to a value."""
    rows = csv.reader(
        files("micromet_path.clinical")
        .joinpath("tables")
        .joinpath(f"{name}.csv")
        .read_text(encoding="utf-8")
        .splitlines()[1:]
    )
    return {(t, n): value for t, n, value in rows}


@cache
def anatomic_group(t: str, n: str, m: str) -> str | None:
    """Anatomic stage group, None where none is defined; M1 is stage IV whatever T and N are.

    Raises
    ------
    ConfigError
        If one of them is no category.
    """
    t, n, m = t_group(t), n_group(n), m_value(m)
    return "IV" if m == "M1" else _pairs("anatomic_8th").get((t, n))


def prognostic_group(
    kind: str,
    tnm: tuple[str, str, str],
    grade: int | None,
    receptors: tuple[str, str, str],
    oncotype_score: int | None = None,
    table: PrognosticTable | None = None,
) -> str | None:
    """Clinical or pathological prognostic stage; None where no group is defined or a fact is missing.

    Parameters
    ----------
    kind : {"clinical", "pathological"}
    tnm : (str, str, str)
    grade : {1, 2, 3} or None
    receptors : (str, str, str)
        HER2, ER, PR: ``"positive"``, ``"negative"``, ``"unknown"``; HER2 also ``"equivocal-after-ish"``,
        which is negative here.
    oncotype_score : int or None
        A score below 11 gives IA in T1-2 N0 M0, ER positive, HER2 negative; pathological stage only.
    table : PrognosticTable, optional
        The shipped one by default.

    Raises
    ------
    ConfigError
        If a value is not allowed.
    """
    t, n, m = t_group(tnm[0]), n_group(tnm[1]), m_value(tnm[2])
    if kind not in _KINDS:
        raise ConfigError(f"the prognostic stage is clinical or pathological, found {short(kind)}")
    if oncotype_score is not None and not (is_number(oncotype_score) and 0 <= oncotype_score <= 100):
        raise ConfigError(f"the Oncotype DX score must be 0 to 100, found {short(oncotype_score)}")
    if grade is not None and not (is_number(grade) and grade in (1, 2, 3)):
        raise ConfigError(f"grade must be 1, 2, 3 or unknown, found {short(grade)}")
    her2, er, pr = (_receptor(name, value) for name, value in zip(("her2", "er", "pr"), receptors, strict=True))
    if m == "M1":
        return "IV"
    if (t, n) == ("Tis", "N0"):
        return "0"
    bucket = _pairs("buckets_8th").get((t, n))
    if bucket is None:
        return None
    if kind == "pathological" and is_low_oncotype(t, n, receptors[0], receptors[1], oncotype_score):
        return "IA"
    if grade is None or her2 is None or er is None or pr is None:
        return None
    return (table or shipped_table()).cells[kind, bucket, grade, her2, er, pr]


def is_low_oncotype(t: str, n: str, her2: str, er: str, score: int | None) -> bool:
    """Whether a low recurrence score decides: T1-2 N0 (M0), ER positive, HER2 negative, below 11."""
    return (
        score is not None
        and score < _ONCOTYPE_LIMIT
        and t_group(t) in ("T1", "T2")
        and n_group(n) == "N0"
        and (_RECEPTOR[her2], er) == ("negative", "positive")
    )


def missing_facts(grade: int | None, her2: str, er: str, pr: str) -> list[str]:
    """Which of the facts that the prognostic stage needs are not known."""
    known = {"grade": grade, "HER2": _RECEPTOR.get(her2), "ER": _RECEPTOR.get(er), "PR": _RECEPTOR.get(pr)}
    return [name for name, value in known.items() if value is None]


def _receptor(name: str, value: str) -> str | None:
    if not isinstance(value, str) or value not in _RECEPTOR or (value == "equivocal-after-ish" and name != "her2"):
        raise ConfigError(f"{name} must be positive, negative or unknown, found {short(value)}")
    return _RECEPTOR[value]
