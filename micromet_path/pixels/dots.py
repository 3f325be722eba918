"""Dot patterns: many sub-cellular dots close together, as perinuclear keratin makes them.

Dot-like keratin is 2 to 4 um across, smaller than anything that counts alone. Ten or more such dots
within 100 um are gathered as one candidate, apart from the contiguity tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.errors import ConfigError
from micromet_path.pixels.neighbours import count_within, pairs_within
from micromet_path.pixels.union import joined

__all__ = ["DotParams", "gather_dots", "is_crumb"]


@dataclass(frozen=True, slots=True)
class DotParams:
    """When dots make a pattern.

    Parameters
    ----------
    minimum_count : int
        Dots needed.
    window_um : float
        Diameter of the circle that must hold them.
    link_um : float
        Dots of a pattern are chained up to this distance between their centres.
    gap_um : float
        A dot with cell-sized stain within this distance is part of that; fixed, so that the same dots are gathered
        whatever gap clusters are cut at.
    crumb_um : float
        A dot this near to a fragment of cell size is a crumb of that cell's stain, not a dot of its own.
    largest_um2 : float
        Largest piece of a chain of dots: two of 6 um that touch. Where dots lie closer than `gap_um` the chain is
        larger than a cell, and is still no cell.
    strong_od : float
        Mean density of a dot: perinuclear dots are dense, specks at the edge of weak stain are not.
    pale_od : float
        The same of a dot that is too small to link, where the colours of the scan are not seen to lie apart: the
        crescents beside nuclei are as dense. Larger ones may be what shows of weakly stained cells. At most
        ``strong_od``.
    """

    minimum_count: int = 10
    window_um: float = 100.0
    link_um: float = 35.0
    gap_um: float = 7.0
    crumb_um: float = 25.0
    largest_um2: float = 60.0
    strong_od: float = 0.45
    pale_od: float = 0.34

    def __post_init__(self) -> None:
        if not (self.minimum_count >= 2 and 0 < self.link_um <= self.window_um):
            raise ConfigError(
                "dots: expected minimum_count of 2 or more and 0 < link_um <= window_um, found "
                f"{self.minimum_count}, {self.link_um}, {self.window_um}"
            )
        if not all(value >= 0 for value in (self.crumb_um, self.largest_um2)):
            raise ConfigError(
                f"dots: expected crumb_um and largest_um2 of 0 or more, found {self.crumb_um}, {self.largest_um2}"
            )
        if not 0 <= self.pale_od <= self.strong_od:
            raise ConfigError(f"dots: expected 0 <= pale_od <= strong_od, found {self.pale_od}, {self.strong_od}")


def gather_dots(centre_um: NDArray[np.float64], params: DotParams) -> NDArray[np.int64]:
    """Group of each dot.

    Parameters
    ----------
    centre_um : ndarray of shape (D, 2)

    Returns
    -------
    group : ndarray of shape (D,), int64
        0, 1, ... in the order of their first dot; -1 for a dot that belongs to no pattern.

    Examples
    --------
    >>> twelve = np.column_stack([np.arange(12) * 8.0, np.zeros(12)])
    >>> gather_dots(np.vstack([twelve, [[500.0, 0.0]]]), DotParams())
    array([ 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, -1])
    """
    group = np.full(len(centre_um), -1, np.int64)
    if len(centre_um) < params.minimum_count:
        return group
    radius = params.window_um / 2
    # The middle of a circle that holds enough need not be a dot: half-way between two of them is tried as well.
    first, second = pairs_within(centre_um, params.window_um).T
    middle_um = np.concatenate([centre_um, (centre_um[first] + centre_um[second]) / 2])
    middle_um = middle_um[count_within(centre_um, middle_um, radius) >= params.minimum_count]
    if not len(middle_um):
        return group
    members = np.flatnonzero(count_within(middle_um, centre_um, radius))
    pairs = pairs_within(centre_um[members], params.link_um)
    _, component = joined(np.arange(len(members)), *np.ascontiguousarray(pairs.T))
    is_large = np.bincount(component, minlength=len(members)) >= params.minimum_count
    group[members] = np.where(is_large, np.cumsum(is_large) - 1, -1)[component]  # the first dot stands for its group
    return group


def is_crumb(centre_um: NDArray[np.float64], cells_um: NDArray[np.float64], params: DotParams) -> NDArray[np.bool_]:
    """Dots that lie beside a fragment of cell size.

    Parameters
    ----------
    centre_um : ndarray of shape (D, 2)
    cells_um : ndarray of shape (P, 2)
        Points on the fragments that are cells.
    """
    return np.asarray(count_within(cells_um, centre_um, params.crumb_um) > 0)
