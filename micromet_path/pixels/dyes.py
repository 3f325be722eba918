"""The dyes of one slide, from small windows of it: their colours, and how strong the chromogen is.

Stains differ from laboratory to laboratory and from run to run; the colour of haematoxylin decides how much of a
dark blue nucleus is taken for brown, the strength of the chromogen where the margin of a focus lies. A slide
rarely shows enough of everything, so each fact is estimated for itself, must agree between windows, must lie near
the profile, and is the profile's otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError
from micromet_path.pixels.planes import chromogen_of, haematoxylin_of
from micromet_path.pixels.stain import StainModel, StainParams, Vector, density_tables

__all__ = ["DyeEstimate", "DyeParams", "WindowDyes", "degrees_between", "estimate_dyes", "model_for", "params_for"]

_SATURATED_OD = 1.7  # beyond it a scanner's eight bits, and the light that strays, say little of a colour
_PALE_OD = 0.15
_NUCLEUS_OD = 0.25
_STEP = 3  # every third row and column: medians need no more


@dataclass(frozen=True, slots=True)
class DyeParams:
    """When a slide is believed on its own dyes; section ``[dyes]`` of the configuration.

    Parameters
    ----------
    largest_turn_deg : float
        An estimated chromogen further than this from the profile's is not used: melanin and haemosiderin lie 12
        degrees from DAB, over tissue 9; laboratories within some 7 of each other.
    largest_blue_turn_deg : float
        The same of haematoxylin, which every window shows and which nothing passes for: the nearest, black, lies 19
        degrees off.
    drift_deg : float
        A turn beyond this is told as drift.
    least_windows : int
        Windows that must show a dye, so that no single speck of dirt defines it.
    least_area_um2 : float
        Area of a dye in a window; a cell has some 150.
    faintest_core_od : float
        Chromogen density of the cores in a window that says something of the chromogen: in a weak stain they have 0.36
        and more, while red cells, background and stained glass, which are all that is brown in most windows where
        tumour is sparse, have 0.31 at most. They would set its hue and lower its threshold.
    full_strength_od : float
        Chromogen density of cores at which the thresholds are those of the profile.
    least_share : float
        Thresholds are never lowered below this share of the profile's, however weak the stain.
    background_share : (float, float)
        Chromogen of the tissue at large over that of the cores: up to the first, thresholds follow the stain; from
        the second on they stay, for what looks like a weak stain may be background.
    """

    largest_turn_deg: float = 8.0
    largest_blue_turn_deg: float = 12.0
    drift_deg: float = 5.0
    least_windows: int = 3
    least_area_um2: float = 60.0
    faintest_core_od: float = 0.33
    full_strength_od: float = 0.5
    least_share: float = 0.7
    background_share: tuple[float, float] = (0.15, 0.30)

    def __post_init__(self) -> None:
        for largest in (self.largest_turn_deg, self.largest_blue_turn_deg):
            if not 0 < self.drift_deg <= largest <= 20:
                raise ConfigError(
                    "dyes: expected 0 < drift_deg <= largest_turn_deg, largest_blue_turn_deg <= 20, found "
                    f"{self.drift_deg:g} and {largest:g}"
                )
        if not 0 <= self.background_share[0] < self.background_share[1] <= 1:
            raise ConfigError(
                f"dyes: expected 0 <= first < second <= 1 of background_share, found {self.background_share}"
            )
        if self.least_windows < 1 or not 0 < self.least_area_um2 <= 10_000:
            raise ConfigError(
                "dyes: expected least_windows of 1 or more and least_area_um2 above 0, to 10000, found "
                f"{self.least_windows} and {self.least_area_um2:g}"
            )
        if not 0 <= self.faintest_core_od <= 1:
            raise ConfigError(f"dyes: expected faintest_core_od from 0 to 1, found {self.faintest_core_od:g}")
        if not (0.1 <= self.full_strength_od <= 2 and 0.4 <= self.least_share <= 1):
            raise ConfigError(
                "dyes: expected full_strength_od from 0.1 to 2 and least_share from 0.4 to 1, found "
                f"{self.full_strength_od:g} and {self.least_share:g}"
            )


@dataclass(frozen=True, slots=True)
class DyeEstimate:
    """What a slide says of its dyes; None where it says too little, or something that cannot be.

    Parameters
    ----------
    haematoxylin, chromogen : tuple of float or None
        Unit vectors of absorbance in red, green and blue.
    strength_od : float or None
        Chromogen density of the cores of what is stained: the median over windows of their 90th percentiles.
    background_od : float
        Chromogen density of the tissue at large: the lower quartile over windows of their medians.
    is_blank : bool
        Whether there were windows and none showed anything of either dye's colour.
    counterstain_od : float or None
        Haematoxylin density of the darker nuclei: the median over windows of their 90th percentiles, by the profile's
        vectors, so that it can be compared from slide to slide.
    shows_nuclei : bool
        Whether any window showed something as blue as a nucleus, of whatever hue; True where there were none.
    notes : tuple of str
        Why a fact is the profile's, and what has drifted from it.
    """

    haematoxylin: Vector | None = None
    chromogen: Vector | None = None
    strength_od: float | None = None
    notes: tuple[str, ...] = ()
    background_od: float = 0.0
    is_blank: bool = False
    counterstain_od: float | None = None
    shows_nuclei: bool = True


@dataclass(frozen=True, slots=True)
class WindowDyes:
    """What one window says of the dyes.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Every third row and column of it.
    blue, brown : tuple of float or None
        The vectors of haematoxylin and chromogen that it gives.
    nuclear_od : float
        Haematoxylin density of its darker nuclei.
    is_faint : bool
        Whether its brown is too faint to tell the chromogen of the slide.
    """

    rgb: NDArray[np.uint8]
    blue: Vector | None
    brown: Vector | None
    nuclear_od: float
    is_faint: bool

    @classmethod
    def of(cls, rgb: NDArray[np.uint8], pixel_area_um2: float, profile: StainModel, params: DyeParams) -> WindowDyes:
        """Measure a window.

        Parameters
        ----------
        rgb : ndarray of shape (M, N, 3), dtype uint8
        pixel_area_um2 : float
        profile : StainModel
            White of the slide, vectors of the laboratory.
        params : DyeParams
        """
        least_px = max(8, round(params.least_area_um2 / pixel_area_um2 / _STEP**2))
        rgb = np.ascontiguousarray(rgb[::_STEP, ::_STEP])
        haematoxylin, chromogen = haematoxylin_of(rgb, profile).ravel(), chromogen_of(rgb, profile).ravel()
        tables = density_tables(profile.white.rgb)
        od = np.stack([table[levels] for table, levels in zip(tables, rgb.reshape(-1, 3).T, strict=True)])
        # What is clearly a nucleus, and not too dark to tell its colour.
        is_clear = od.max(axis=0) < _SATURATED_OD
        is_blue = is_clear & (haematoxylin > _NUCLEUS_OD) & (chromogen < 0.4 * haematoxylin)
        nuclear_od = float(np.percentile(haematoxylin[is_blue], 90)) if is_blue.any() else 0.0
        # Haematoxylin is the darker half of it.
        blue = _median_direction(od[:, is_blue], haematoxylin[is_blue], least_px)
        # Chromogen: of what is clearly stained, the half that holds least haematoxylin.
        is_brown = is_clear & (chromogen > _PALE_OD) & (haematoxylin < 0.5 * chromogen)
        brown = _median_direction(od[:, is_brown], -haematoxylin[is_brown] / chromogen[is_brown], least_px)
        core_od = float(np.percentile(chromogen[is_brown], 90)) if is_brown.any() else 0.0
        return cls(rgb, blue, brown, nuclear_od, is_faint=core_od < params.faintest_core_od)


def _median_direction(od: NDArray[np.float64], merit: NDArray[np.float64], least_px: int) -> Vector | None:
    """Median direction of the better half of some densities, (3, N); None of too few."""
    if od.shape[1] < least_px:
        return None
    chosen = od[:, merit >= np.median(merit)]
    vector = np.median(chosen / np.linalg.norm(chosen, axis=0), axis=1)
    red, green, blue = (float(part) for part in vector / np.linalg.norm(vector))
    return red, green, blue


def estimate_dyes(windows: Iterable[WindowDyes], profile: StainModel, params: DyeParams) -> DyeEstimate:
    """Estimate the dyes of a slide.

    Parameters
    ----------
    windows : iterable of WindowDyes
        Parts of the slide that show tissue, in any order: some anywhere, some where it is brownest.
    profile : StainModel
        White of the slide, vectors of the laboratory.
    params : DyeParams

    Notes
    -----
    Haematoxylin absorbs red most and the chromogen blue (DAB) or green and blue (AEC, Fast Red): the two are told
    apart by the profile's own unmixing, pixel by pixel, and only what is clearly one of them is used. The darkest
    nuclei give haematoxylin, free of what lies over paler ones; the cores that hold least haematoxylin give the
    chromogen. Each window gives one vector, and the median over windows decides.
    """
    seen = list(windows)
    blue = [window.blue for window in seen]
    brown = [None if window.is_faint else window.brown for window in seen]
    limits = (params.largest_blue_turn_deg, params.largest_turn_deg)
    haematoxylin, blue_notes = _agreed("haematoxylin", blue, profile.vectors[0], limits[0], params)
    chromogen, brown_notes = _agreed("the chromogen", brown, profile.vectors[1], limits[1], params)
    near_blue, near = (
        [_is_near(vector, profile.vectors[dye], limits[dye]) for vector in found]
        for dye, found in enumerate((blue, brown))
    )
    brownish = [_is_near(window.brown, profile.vectors[1], limits[1]) for window in seen]  # however faint
    is_blank = bool(seen) and not any((*near_blue, *brownish))
    if chromogen is None and sum(brownish) - sum(near) >= params.least_windows:
        faint = f"{sum(brownish) - sum(near)} of {len(seen)} windows show only what is as faint as red cells"
        brown_notes = [f"the chromogen could not be estimated ({faint}); the profile's colour is used"]
    nuclei = [window.nuclear_od for window, is_near in zip(seen, near_blue, strict=True) if is_near]
    estimate = DyeEstimate(
        haematoxylin,
        chromogen,
        None,
        (*blue_notes, *brown_notes),
        is_blank=is_blank,
        counterstain_od=float(np.median(nuclei)) if nuclei else None,
        shows_nuclei=not seen or any(vector is not None for vector in blue),
    )
    if sum(near) < params.least_windows:
        return estimate
    model = model_for(profile, estimate)
    amounts = [chromogen_of(window.rgb, model) for window in seen]
    cores = [
        np.percentile(amount[amount > _PALE_OD], 90)
        for amount, is_near in zip(amounts, near, strict=True)
        if is_near and np.any(amount > _PALE_OD)
    ]
    background = float(np.quantile([np.median(amount) for amount in amounts], 0.25))
    return replace(estimate, strength_od=float(np.median(cores)) if cores else None, background_od=max(0.0, background))


def model_for(profile: StainModel, estimate: DyeEstimate) -> StainModel:
    """The stain model of a slide: what was estimated, and the profile's where nothing was."""
    used = [name for name in ("haematoxylin", "chromogen") if getattr(estimate, name) is not None]
    source = {0: "fixed: estimate refused", 1: f"estimated: {used[0] if used else ''}", 2: "estimated"}[len(used)]
    return StainModel.from_dyes(
        profile.white, estimate.haematoxylin or profile.vectors[0], estimate.chromogen or profile.vectors[1], source
    )


def params_for(params: StainParams, estimate: DyeEstimate, dyes: DyeParams) -> StainParams:
    """Thresholds for a slide of this strength: the profile's, lowered together where the stain is weak.

    The margin of a focus lies where light has fallen half-way to that of its core: near the profile's 0.2 for a core
    of 0.5 to 0.6 OD, at 0.15 for one of 0.4. At the same number a weak stain would lose its margins, and single
    cells. Above full strength nothing changes: weaker foci may lie beside the strong ones.

    Examples
    --------
    >>> weak = params_for(StainParams(), DyeEstimate(strength_od=0.4), DyeParams())
    >>> round(weak.threshold_od, 3), round(weak.strong_od, 3)
    (0.16, 0.28)
    """
    if estimate.strength_od is None:
        return params
    share = float(np.clip(estimate.strength_od / dyes.full_strength_od, dyes.least_share, 1.0))
    doubt = float(np.interp(estimate.background_od / max(estimate.strength_od, 1e-6), dyes.background_share, (0, 1)))
    share += (1 - share) * doubt
    names = ("threshold_low_od", "threshold_od", "threshold_high_od", "strong_od")
    return replace(params, **{name: getattr(params, name) * share for name in names})


def degrees_between(first: Vector, second: Vector) -> float:
    """Angle between two vectors."""
    one, two = (np.asarray(vector) / np.linalg.norm(vector) for vector in (first, second))
    return float(np.degrees(np.arccos(np.clip(one @ two, -1.0, 1.0))))


def _is_near(vector: Vector | None, profile: Vector, largest_deg: float) -> bool:
    return vector is not None and degrees_between(vector, profile) <= largest_deg


def _other_hue(far: Sequence[Vector], profile: Vector, params: DyeParams) -> str | None:
    """What to say where enough windows show another hue: it may be the laboratory's own dye, or pigment."""
    if len(far) < params.least_windows:
        return None
    middle = np.median(far, axis=0)
    parts = (middle / np.linalg.norm(middle)).tolist()
    vector = ", ".join(f"{part:.2f}" for part in parts)
    turn = degrees_between((parts[0], parts[1], parts[2]), profile)
    return f"what is seen has another hue, {turn:.0f} degrees off: if it is the dye and no pigment, state [{vector}]"


def _agreed(
    name: str, found: Sequence[Vector | None], profile: Vector, largest_deg: float, params: DyeParams
) -> tuple[Vector | None, list[str]]:
    """The vector on which windows agree, None where the profile's is better; and what to say of it."""
    seen = [vector for vector in found if vector is not None]
    near = [vector for vector in seen if _is_near(vector, profile, largest_deg)]
    if len(near) < params.least_windows:
        far = [vector for vector in seen if not _is_near(vector, profile, largest_deg)]
        why = _other_hue(far, profile, params) or f"{len(near)} of {len(found)} windows show it"
        return None, [f"{name} could not be estimated ({why}); the profile's colour is used"]
    middle = np.median(near, axis=0)
    red, green, blue = (float(part) for part in middle / np.linalg.norm(middle))
    vector = (red, green, blue)
    turn = degrees_between(vector, profile)
    drift = [f"{name} lies {turn:.0f} degrees from the profile's"] if turn > params.drift_deg else []
    return vector, drift
