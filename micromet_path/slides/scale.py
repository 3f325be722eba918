"""Microns per pixel: which of a file's statements counts, and when none can.

A wrong scale changes the category of every focus, so nothing here is guessed: the file states the
scale, or the user gives it, and both must lie where a scanner's objective can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from micromet_path.errors import ImplausibleScaleError, MissingScaleError
from micromet_path.geometry import PixelSpacing

__all__ = [
    "LARGEST_UM",
    "SMALLEST_UM",
    "Scale",
    "StatedScale",
    "objective_warning",
    "resolution_scale",
    "settle_scale",
    "stated_scale",
]

SMALLEST_UM, LARGEST_UM = 0.1, 2.0
"""A 100x objective samples at about 0.1 um; above 2 um a single cell is no longer measurable."""

_DISAGREEMENT = 0.05
"""Relative difference from which two statements of a scale are told to the reader."""

_DEFAULT_DPI = (1, 36, 72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 240, 300, 360, 400, 600, 1200)
"""Resolutions that software writes when it knows none: they describe a screen or a printer."""

_UM_PER_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0}
"""TIFF 6.0, ResolutionUnit: 2 is the inch, 3 the centimetre; 1 has no absolute unit."""

_UM_PER_UNIT = {
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-3),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e4),
    **dict.fromkeys(("m", "meter", "metre"), 1e6),
    **dict.fromkeys(("å", "angstrom"), 1e-4),
    **dict.fromkeys(("pm", "picometer", "picometre"), 1e-6),
    **dict.fromkeys(("in", "inch"), 25_400.0),
}


@dataclass(frozen=True, slots=True)
class StatedScale:
    """Microns per pixel as one of the file's tags has it; not yet checked."""

    x_um: float
    y_um: float
    source: str

    @property
    def is_plausible(self) -> bool:
        """Whether both axes lie where an objective can be."""
        return all(SMALLEST_UM <= size <= LARGEST_UM for size in (self.x_um, self.y_um))

    def __str__(self) -> str:
        return f"{self.x_um:.4g} x {self.y_um:.4g} um per pixel"


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale that counts, where it came from, and what spoke against it."""

    spacing: PixelSpacing
    source: str
    warnings: tuple[str, ...] = ()


def stated_scale(x: object, y: object, source: str, unit: str | None = "um") -> StatedScale | None:
    """A statement from the text or numbers of a tag, or None where they say nothing.

    Parameters
    ----------
    x, y : object
        Numbers, or text with a decimal point or comma.
    source : str
        Name of the tag, for the records.
    unit : str or None
        Unit of both, as OME or SI write it. No unit, a pixel or a reference frame is no scale.
    """
    um = _UM_PER_UNIT.get((unit or "").strip().casefold())
    try:
        x_um, y_um = (float(str(value).strip().replace(",", ".")) for value in (x, y))
    except ValueError:
        return None
    if um is None or not all(isfinite(value) and value > 0 for value in (x_um, y_um)):
        return None
    return StatedScale(x_um * um, y_um * um, source)


def resolution_scale(x_per_unit: float, y_per_unit: float, unit: int) -> StatedScale | None:
    """What a TIFF's resolution tags say of the scale; None when they describe a screen.

    Parameters
    ----------
    x_per_unit, y_per_unit : float
        XResolution and YResolution.
    unit : int
        ResolutionUnit: 2 inch, 3 centimetre.

    Examples
    --------
    >>> print(resolution_scale(20_000, 20_000, 3))
    0.5 x 0.5 um per pixel
    >>> resolution_scale(72, 72, 2) is None
    True
    """
    um_per_unit = _UM_PER_RESOLUTION_UNIT.get(unit)
    if um_per_unit is None or not all(isfinite(value) and value > 0 for value in (x_per_unit, y_per_unit)):
        return None
    dpi = x_per_unit * 25_400.0 / um_per_unit
    if x_per_unit in (1, 10) or any(abs(dpi / default - 1) < 0.005 for default in _DEFAULT_DPI):
        return None
    return StatedScale(um_per_unit / x_per_unit, um_per_unit / y_per_unit, "tiff.resolution")


def settle_scale(name: str, stated: Sequence[StatedScale | None], given: PixelSpacing | None = None) -> Scale:
    """The scale that counts: the one given, else the first one stated.

    Parameters
    ----------
    name : str
        Of the slide, for messages.
    stated : sequence of StatedScale or None
        The file's own statements, the most trustworthy first.
    given : PixelSpacing, optional
        What the user says; it overrules the file, and a disagreement is told.

    Raises
    ------
    MissingScaleError
        If there is neither.
    ImplausibleScaleError
        If the scale is outside 0.1 to 2.0 um.

    Examples
    --------
    >>> settle_scale("a.svs", [StatedScale(0.25, 0.25, "aperio.MPP")]).source
    'aperio.MPP'
    """
    found = [scale for scale in stated if scale is not None]
    if given is not None:
        found.insert(0, StatedScale(given.x_um, given.y_um, "given"))
    if not found:
        raise MissingScaleError(f"{name} states no microns per pixel; pass --mpp with the scanner's value")
    first, *others = found
    if not first.is_plausible:
        raise ImplausibleScaleError(_implausible(name, first))
    warnings = [
        f"the scale used is {first} ({first.source}), but the file also states {other} ({other.source})"
        for other in others
        if _differ(first, other) and (given is not None or other.is_plausible)
    ]
    if max(first.x_um, first.y_um) > (1 + _DISAGREEMENT) * min(first.x_um, first.y_um):
        warnings.append(f"pixels are not square: {first} ({first.source})")
    return Scale(PixelSpacing(first.x_um, first.y_um), first.source, tuple(warnings))


def magnification(text: str | None) -> str | None:
    """The number in an objective's tag, and nothing else of it: people write names into tags.

    Examples
    --------
    >>> magnification("40x"), magnification("20,0"), magnification("40 SMITH^JOHN")
    ('40', '20', None)
    """
    try:
        power = float(str(text).strip().lower().rstrip("x").replace(",", "."))
    except ValueError:
        return None
    return f"{power:g}" if 0 < power < 1000 else None


def objective_warning(objective_power: str | None, spacing: PixelSpacing) -> str | None:
    """A sentence when the objective and the scale cannot both be right.

    Cameras and tube lenses differ, so that 40x is anything from 0.11 to 0.28 um: only a factor of
    two is told.
    """
    power = float(magnification(objective_power) or 0.0)
    usual_um = 10.0 / power if power > 0 else 0.0
    if not usual_um or 0.45 <= spacing.x_um / usual_um <= 1.9:
        return None
    return f"the objective is {power:g}x (usually about {usual_um:.3g} um per pixel), the scale {spacing.x_um:.3g} um"


def _differ(one: StatedScale, other: StatedScale) -> bool:
    ratios = (one.x_um / other.x_um, one.y_um / other.y_um)
    return any(abs(ratio - 1) > _DISAGREEMENT for ratio in ratios)


def _implausible(name: str, scale: StatedScale) -> str:
    expected = f"expected {SMALLEST_UM} to {LARGEST_UM}"
    if scale.source == "given":
        return f"given {scale} for {name}, {expected}; pass --mpp with the scanner's value"
    return (
        f"found {scale} in {name} ({scale.source}), {expected}; "
        "pass --mpp with the scanner's value if the file is wrong"
    )
