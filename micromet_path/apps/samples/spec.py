"""What to generate: the parameters of one sample slide, and the names of the profiles."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from micromet_path.apps.samples.looks import LOOKS
from micromet_path.errors import ConfigError

__all__ = ["PROFILES", "SamplePaths", "SampleSpec"]

PROFILES: tuple[str, ...] = (
    *("default", "negative", "itc", "micro", "macro", "heavy", "empty", "he"),
    *("foci", "dots", "membranous", "lobular", "desmoplastic", "serial", "control", "mimics", "negative-mimics"),
    *("blood", "negative-blood"),
)
"""Names of the profiles: what is on the glass."""

MIN_SIDE_PX = 1024
SPACING_RANGE_UM = (0.2, 1.0)
TILE_RANGE_PX = (64, 1024)


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """One sample slide; the same specification always gives the same slide.

    Parameters
    ----------
    profile : str
        One of `PROFILES`.
    side_px : int
        Width and height of the slide in level-0 pixels, >= 1024.
    seed : int
        Chooses among the slides of a profile, >= 0.
    spacing_um : float
        Microns per pixel, 0.2 to 1.0; scanners give 0.25 or 0.5.
    tile_px : int
        Side of a JPEG tile, a multiple of 16 (the TIFF rule) from 64 to 1024.
    quality : int
        JPEG quality, 1 to 100.
    look : str
        One of `LOOKS`: how it was stained and scanned.
    spacing_y_um : float, optional
        Microns between rows, where they are not those between columns.
    outlines : Path, optional
        File of real outlines (gzip JSON, a list of ``max_diameter_um`` and ``outline_um``) that solid
        foci take their shapes from, by the seed.

    Raises
    ------
    ConfigError
        If a value is not allowed; the text says what was found and what to do.

    Examples
    --------
    >>> SampleSpec(profile="itc", side_px=3072, seed=1).stem
    'itc-3072-seed1'
    """

    profile: str = "default"
    side_px: int = 10000
    seed: int = 0
    spacing_um: float = 0.25
    tile_px: int = 256
    quality: int = 80
    look: str = "default"
    spacing_y_um: float | None = None
    outlines: Path | None = None

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ConfigError(_unknown("profile", self.profile, PROFILES))
        if self.look not in LOOKS:
            raise ConfigError(_unknown("look", self.look, tuple(LOOKS)))
        if self.side_px < MIN_SIDE_PX:
            raise ConfigError(
                f"a sample slide of {self.side_px} px a side is too small, expected at least {MIN_SIDE_PX}; "
                f"pass a larger --side"
            )
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative; pass 0 or more")
        low, high = SPACING_RANGE_UM
        for spacing_um in (self.spacing_um, self.spacing_of_rows_um):
            if not (isfinite(spacing_um) and low <= spacing_um <= high):
                raise ConfigError(
                    f"spacing of {spacing_um} um per pixel, expected {low} to {high}; pass 0.25 (40x) or 0.5 (20x)"
                )
        low_px, high_px = TILE_RANGE_PX
        if self.tile_px % 16 or not low_px <= self.tile_px <= high_px:
            raise ConfigError(
                f"tiles of {self.tile_px} px, expected a multiple of 16 from {low_px} to {high_px}; pass 240 or 256"
            )
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"JPEG quality {self.quality}, expected 1 to 100; pass 80")

    @property
    def spacing_of_rows_um(self) -> float:
        """Microns between rows."""
        return self.spacing_um if self.spacing_y_um is None else self.spacing_y_um

    @property
    def aspect(self) -> float:
        """Height of a pixel in widths; 1 on most scanners."""
        return self.spacing_of_rows_um / self.spacing_um

    @property
    def pixel_area_um2(self) -> float:
        """Area of a pixel."""
        return self.spacing_um * self.spacing_of_rows_um

    @property
    def side_um(self) -> float:
        """Width or height of the slide in microns, whichever is less: tissue keeps within that square."""
        return self.side_px * min(self.spacing_um, self.spacing_of_rows_um)

    @property
    def stem(self) -> str:
        """Name of the files without their suffixes."""
        look = "" if self.look == "default" else f"-{self.look}"
        return f"{self.profile}-{self.side_px}-seed{self.seed}{look}"


@dataclass(frozen=True, slots=True)
class SamplePaths:
    """The two files of a sample.

    Parameters
    ----------
    slide : Path
        The pyramidal TIFF, ``<profile>-<side>-seed<seed>.svs``; the look follows the seed where it is not ``default``.
    truth : Path
        What is on it, ``<same stem>.truth.json``.
    """

    slide: Path
    truth: Path


def _unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """Sentence for a name that does not exist, with the nearest one that does."""
    nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"unknown sample {what} {name!r}, expected one of {', '.join(known)}{hint}"
