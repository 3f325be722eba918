"""What each cluster is called, and whether it counts: the counting policy."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.policy import DECIDING_STRENGTH, DEFAULTS, ClassifyParams
from micromet_path.model import Category, ClusterMeasures, Clusters, Counting, Role

__all__ = ["NOT_THE_PATIENT", "category_by_size", "deciding_flags", "judge", "strength_of"]

NOT_THE_PATIENT = (Role.CONTROL, Role.EXCLUDE)
"""Roles of pieces on which nothing counts."""

_SIZES = (Category.ITC, Category.MICROMETASTASIS, Category.MACROMETASTASIS)


def category_by_size(max_diameter_um: float, params: ClassifyParams = DEFAULTS) -> Category:
    """Call one focus by its unrounded size; a size at a limit belongs to the smaller class (AJCC 8, 2017).

    Raises
    ------
    ValueError
        If the diameter is not above 0.

    Examples
    --------
    >>> [category_by_size(size).value for size in (200.0, 200.1, 2000.0, 2000.1)]
    ['itc', 'micrometastasis', 'micrometastasis', 'macrometastasis']
    """
    if not max_diameter_um > 0:
        raise ValueError(f"a focus has a diameter above 0 um, found {max_diameter_um}")
    return _SIZES[bisect_left(params.size_limits_um, max_diameter_um)]


def judge(measures: ClusterMeasures, roles: Mapping[int, Role], params: ClassifyParams = DEFAULTS) -> Clusters:
    """Decide of each cluster what it is called and whether it counts.

    Parameters
    ----------
    measures : ClusterMeasures
    roles : mapping of int to Role
        Role of each piece by its id; pieces that are not named are `Role.UNKNOWN`.
    params : ClassifyParams

    Returns
    -------
    Clusters
        Not counted are clusters on control and excluded pieces, then those with one of
        `not_counted_flags`; what is left is doubtful with one of `doubtful_flags`, else counted.
        A flag decides at a strength of `DECIDING_STRENGTH`. `borderline` when both sides of a limit lie in the
        closed size interval: ``low <= limit < high``, because the limit itself belongs below.
    """
    low, size, high = measures.diameter_low_um, measures.max_diameter_um, measures.diameter_high_um
    borderline, near_limit = np.zeros((2, len(measures)), dtype=bool)
    for limit in params.size_limits_um:
        borderline |= (low <= limit) & (limit < high)
        near_limit |= np.abs(size - limit) <= params.near_limit_share * limit
    elsewhere = np.array([roles.get(int(piece)) in NOT_THE_PATIENT for piece in measures.piece_id], dtype=bool)
    counting = np.empty(len(measures), dtype=object)
    counting[:] = [Counting.COUNTED] * len(measures)  # numpy.full would turn the enumeration into plain text
    counting[_decided_by(measures, params.doubtful_flags)] = Counting.DOUBTFUL
    counting[elsewhere | _decided_by(measures, params.not_counted_flags)] = Counting.NOT_COUNTED
    category = np.empty(len(measures), dtype=object)
    category[:] = [category_by_size(float(diameter), params) for diameter in size]
    return Clusters.judged(measures, category=category, counting=counting, borderline=borderline, near_limit=near_limit)


def _decided_by(measures: ClusterMeasures, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Clusters with one of the flags at a strength that decides."""
    return np.array([name is not None for name in deciding_flags(measures, names)], dtype=bool)


def deciding_flags(measures: ClusterMeasures, names: tuple[str, ...]) -> list[str | None]:
    """The strongest deciding flag of each cluster, of equals the one named first."""
    strongest = np.full(len(measures), -1, dtype=np.int64)
    best = np.full(len(measures), np.nextafter(DECIDING_STRENGTH, 0.0))
    for position, name in enumerate(names):
        strength = strength_of(measures, name)
        strongest[strength > best] = position
        best = np.maximum(best, strength)
    return [None if position < 0 else names[position] for position in strongest]


def strength_of(measures: ClusterMeasures, name: str) -> NDArray[np.float64]:
    """Strength of a flag; a dot pattern consists of what is sub-cellular, one by one."""
    absent = np.zeros(len(measures))
    strength = measures.flags.get(name, absent)
    if name == "sub_cellular":
        return np.where(measures.flags.get("dot_pattern", absent) >= DECIDING_STRENGTH, 0.0, strength)
    return strength
