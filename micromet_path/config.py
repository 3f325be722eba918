"""The parameter records of all steps as one record, and that record as a TOML file.

The file maps onto the records one to one: a table for each step, a key for each field. What a file
leaves out keeps its default; what it says wrongly is refused by name.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal

from micromet_path.clinical.policy import ClassifyParams
from micromet_path.errors import ConfigError
from micromet_path.model import Role
from micromet_path.parsing import parse_record
from micromet_path.pixels.clusters import ClusterParams
from micromet_path.pixels.dots import DotParams
from micromet_path.pixels.dyes import DyeParams
from micromet_path.pixels.examine_params import ExamineParams
from micromet_path.pixels.focus import FocusParams
from micromet_path.pixels.fragments import FragmentParams
from micromet_path.pixels.nuclei import NucleiParams
from micromet_path.pixels.rims import RimParams
from micromet_path.pixels.stain import StainParams
from micromet_path.pixels.tissue import TissueParams

__all__ = [
    "CONFIG_VERSION",
    "Config",
    "Laboratory",
    "LookParams",
    "NamingParams",
    "ScanParams",
    "Zone",
    "fingerprint_of",
    "load_config",
]

_NAMED = frozenset({
    "slide_id", "accession", "part", "block", "level", "node_id", "stain", "clone", "chromogen", "stain_run", "scanner",
    "scan_time",
})  # fmt: skip

CONFIG_VERSION = "micromet-config/3"
"""Raised whenever the same settings measure something else than before; part of every fingerprint."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What the laboratory knows of the run and the picture cannot show.

    Parameters
    ----------
    antibody : str or None
        Clone of the cytokeratin antibody; it sets how likely a mimic is.
    control_result : {"passed", "failed"} or None
        A failed control makes the slide not assessable.
    """

    antibody: str | None = None
    control_result: Literal["passed", "failed"] | None = None


@dataclass(frozen=True, slots=True)
class NamingParams:
    """What the names of an archive's slides say; it changes no measurement.

    Parameters
    ----------
    pattern : str or None
        A regular expression that begins where the file's name does. Its named groups are columns of a manifest, or
        ``slide_id``: what the result's folder is called.
    """

    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.pattern is None:
            return
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except re.error as error:
            raise ConfigError(f"naming.pattern is no regular expression: {error}") from error
        if not groups or groups - _NAMED:
            raise ConfigError(
                f"naming.pattern must have named groups among {', '.join(sorted(_NAMED))}, found "
                f"{', '.join(sorted(groups)) or 'none'}"
            )


@dataclass(frozen=True, slots=True)
class Zone:
    """A rectangle of the glass whose tissue has a role, for instance where control tissue is mounted.

    Parameters
    ----------
    role : Role
    x0_mm, y0_mm, x1_mm, y1_mm : float
        From the top left corner of the scan.
    """

    role: Role
    x0_mm: float
    y0_mm: float
    x1_mm: float
    y1_mm: float

    def __post_init__(self) -> None:
        if not (0 <= self.x0_mm < self.x1_mm < inf and 0 <= self.y0_mm < self.y1_mm < inf):
            raise ConfigError(
                "zones: expected 0 <= x0_mm < x1_mm and 0 <= y0_mm < y1_mm, found "
                f"{self.x0_mm}, {self.y0_mm}, {self.x1_mm}, {self.y1_mm}"
            )


@dataclass(frozen=True, slots=True)
class ScanParams:
    """How level 0 is walked.

    Parameters
    ----------
    block_px : int
        What one job reads is a strip of whole stored tiles with the area of a square of this side.
    mode : {"auto", "full"}
        Full decodes every tile of level 0. Auto decodes those in which a lower level shows chromogen,
        and a sample of the others; anything of weight in the sample, and every tile is decoded after all.
    candidate_spacing_um : float
        A level must be at least this fine to choose tiles: a cell covers ten pixels.
    candidate_share, candidate_alone : float
        Shares of ``stain.threshold_od`` at which three touching pixels of that level are a reason to look, and one
        alone. Noise and the blue of nuclei come as single pixels, anything that can link as several.
    audit_share : float
        Share of the tiles passed over that is decoded all the same.
    least_audited : int
        Tiles that the sample holds at least, where there are so many: none of 100 bounds what is missed by 3 %.
    full_below_px : int
        Slides with fewer pixels are decoded in full; so are those of fewer than four tiles for each of `least_audited`.
    most_runs : int
        Stained stretches of rows that are held at most; each takes some 150 bytes before the end. A slide with more is
        refused: it shows a pattern, or its threshold lies in its background.
    icc : {"ignore", "to_srgb"}
        What becomes of the ICC profile that a scanner embeds: nothing, or every pixel is transformed to sRGB by it
        before anything is measured.
    """

    block_px: int = 4096
    mode: Literal["auto", "full"] = "auto"
    candidate_spacing_um: float = 1.1
    candidate_share: float = 0.6
    candidate_alone: float = 0.9
    audit_share: float = 0.02
    least_audited: int = 100
    full_below_px: int = 50_000_000
    most_runs: int = 20_000_000
    icc: Literal["ignore", "to_srgb"] = "ignore"

    def __post_init__(self) -> None:
        if not 16 <= self.block_px <= 8192:
            raise ConfigError(f"scan.block_px must lie between 16 and 8192, found {self.block_px}")
        if not 0 < self.candidate_spacing_um <= 2:
            raise ConfigError(f"scan.candidate_spacing_um must lie in (0, 2], found {self.candidate_spacing_um}")
        for name in ("candidate_share", "candidate_alone", "audit_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"scan.{name} must lie in (0, 1], found {getattr(self, name)}")
        for name in ("least_audited", "full_below_px", "most_runs"):
            if getattr(self, name) < 0:
                raise ConfigError(f"scan.{name} must be 0 or more, found {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class LookParams:
    """How much of the slide is looked at again; section ``[look]`` of the configuration.

    Parameters
    ----------
    most_candidates : int
        The largest so many are looked at; what is known of the others is their sums.
    spacing_um : float
        Pixels of level 0 are averaged, a whole number of them along each axis, as long as they stay below this: nuclei,
        rims and processes of cells show at 0.5 um.
    window_um : float
        Side of a window; larger candidates are seen in several.
    most_windows : int
        Of one candidate, spread evenly over it; the rest is taken to be like them.
    most_confirming : int
        Further ones, of what would not count for what these show: all of them must agree on haze and red cells, half
        on the rest.
    """

    most_candidates: int = 2000
    spacing_um: float = 0.5
    window_um: float = 250.0
    most_windows: int = 1
    most_confirming: int = 8

    def __post_init__(self) -> None:
        if min(self.most_candidates, self.most_confirming) < 0 or self.most_windows < 1:
            raise ConfigError(
                "look: expected most_candidates and most_confirming of 0 or more and most_windows of 1 or more, found "
                f"{self.most_candidates}, {self.most_confirming} and {self.most_windows}"
            )
        if not (0 < self.spacing_um <= 1 and 50 <= self.window_um <= 2000):
            raise ConfigError(
                "look: expected spacing_um above 0 and not above 1, and window_um from 50 to 2000, found "
                f"{self.spacing_um:g} and {self.window_um:g}"
            )


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of an analysis."""

    tissue: TissueParams = field(default_factory=TissueParams)
    stain: StainParams = field(default_factory=StainParams)
    dyes: DyeParams = field(default_factory=DyeParams)
    scan: ScanParams = field(default_factory=ScanParams)
    fragments: FragmentParams = field(default_factory=FragmentParams)
    dots: DotParams = field(default_factory=DotParams)
    clusters: ClusterParams = field(default_factory=ClusterParams)
    focus: FocusParams = field(default_factory=FocusParams)
    rims: RimParams = field(default_factory=RimParams)
    look: LookParams = field(default_factory=LookParams)
    nuclei: NucleiParams = field(default_factory=NucleiParams)
    examine: ExamineParams = field(default_factory=ExamineParams)
    classify: ClassifyParams = field(default_factory=ClassifyParams)
    laboratory: Laboratory = field(default_factory=Laboratory)
    naming: NamingParams = field(default_factory=NamingParams)
    zones: tuple[Zone, ...] = ()

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], source: str = "configuration") -> Config:
        """Build a configuration from nested tables.

        Raises
        ------
        ConfigError
            For an unknown key (naming the nearest known one), a wrong type or a value out of range.

        Examples
        --------
        >>> Config.from_dict({"clusters": {"gap_um": 15}}).clusters.gap_um
        15.0
        >>> Config.from_dict({"clusters": {"gap": 15}})
        Traceback (most recent call last):
            ...
        micromet_path.errors.ConfigError: configuration: unknown key clusters.gap; did you mean clusters.gap_um?
        """
        return parse_record(cls, settings, source)

    def to_dict(self) -> dict[str, Any]:
        """Nested tables of plain values, defaults included."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def to_toml(self) -> str:
        """The TOML file that gives this configuration; what is not set is left out."""
        tables = self.to_dict()
        zones = tables.pop("zones")
        parts = [_toml_table(f"[{name}]", table) for name, table in tables.items()]
        return "\n".join(parts + [_toml_table("[[zones]]", zone) for zone in zones])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every setting that can change a result."""
        return fingerprint_of(self.to_dict())


def fingerprint_of(settings: Mapping[str, Any], given_um: Sequence[float] | None = None) -> str:
    """SHA-256 over recorded settings, and over a scale that was given.

    The size of a job decides nothing, nor what slides are called.
    """
    scan = {name: value for name, value in settings["scan"].items() if name != "block_px"}
    decisive = {**{name: value for name, value in settings.items() if name != "naming"}, "scan": scan}
    parts = [CONFIG_VERSION, decisive] if given_um is None else [CONFIG_VERSION, decisive, list(given_um)]
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def load_config(path: str | Path | None = None) -> Config:
    """Read a configuration file; the defaults without one.

    Raises
    ------
    ConfigError
        When the file is missing, is not TOML, or says something that is not allowed.
    """
    if path is None:
        return Config()
    path = Path(path)
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no configuration file {path}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name} is not a readable TOML file: {error}") from error
    return Config.from_dict(settings, path.name)


def _toml_table(header: str, table: Mapping[str, Any]) -> str:
    """One table as TOML text; JSON writes the same scalars and arrays."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items() if value is not None]
    return "\n".join([header, *lines, ""])
