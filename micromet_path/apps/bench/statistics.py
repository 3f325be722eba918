"""How sure a figure is: intervals of proportions, of statistics over slides, and agreement beyond chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESAMPLES", "Estimate", "bootstrap_over_slides", "cohen_kappa", "proportion"]

CONFIDENCE = 0.95
RESAMPLES = 1000

Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % confidence interval, and from how many it comes; NaN where there is none.

    Examples
    --------
    >>> Estimate(0.5, 0.25, 0.75, 12).n
    12
    """

    value: float
    low: float
    high: float
    n: int


NOTHING = Estimate(nan, nan, nan, 0)


def proportion(successes: int, n: int) -> Estimate:
    """Share of successes with Wilson's score interval (Wilson 1927), without continuity correction.

    Examples
    --------
    >>> share = proportion(0, 100)
    >>> share.value, round(share.high, 4)
    (0.0, 0.037)
    """
    if n == 0:
        return NOTHING
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n)


def bootstrap_over_slides(
    slides: Sequence[NDArray[Any]], statistic: Callable[[NDArray[Any]], float], seed: int = 0
) -> Estimate:
    """A statistic of pooled values, with the percentile interval of a bootstrap that draws whole slides.

    Foci of one slide share stain, scanner and texture, so that they are no independent draws: slides are
    (the cluster bootstrap, Davison and Hinkley 1997, section 3.8).

    Parameters
    ----------
    slides : sequence of ndarray of shape (N_i, ...)
        Values of each slide; slides may have none.
    statistic : callable
        From the pooled values, shape (sum of N_i, ...), to a number; NaN where it is not defined.
    seed : int
        The same seed gives the same interval.

    Returns
    -------
    Estimate
        Without an interval when all values are of one slide, which says nothing of how slides differ.

    Examples
    --------
    >>> bootstrap_over_slides([np.full(3, 2.0), np.full(5, 2.0)], np.median)
    Estimate(value=2.0, low=2.0, high=2.0, n=8)
    """
    held = [np.asarray(values) for values in slides if len(values)]
    if not held:
        return NOTHING
    pooled = np.concatenate(held)
    if len(held) == 1:
        return Estimate(float(statistic(pooled)), nan, nan, len(pooled))
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(held), size=len(held))
        drawn.append(float(statistic(np.concatenate([held[index] for index in chosen]))))
    low, high = _percentiles(np.array(drawn))
    return Estimate(float(statistic(pooled)), low, high, len(pooled))


def _percentiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the interval; resamples in which the statistic is not defined say nothing."""
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) == 0:
        return nan, nan
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def cohen_kappa(
    first: NDArray[np.int64], second: NDArray[np.int64], n_classes: int, weights: Weights = "none"
) -> float:
    """Agreement of two sets of judgements beyond chance (Cohen 1960; weighted, Cohen 1968).

    Parameters
    ----------
    first, second : ndarray of shape (N,), int64
        Classes 0 to n_classes - 1; for weights in their order.
    n_classes : int
    weights : {"none", "linear", "quadratic"}
        How much a disagreement weighs: all the same, by steps, or by squared steps.

    Returns
    -------
    kappa : float
        At most 1; NaN where both only ever name one and the same class, for then chance explains everything.

    Examples
    --------
    >>> float(cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), 2))
    0.5
    """
    if len(first) == 0:
        return nan
    table = np.zeros((n_classes, n_classes))
    np.add.at(table, (first, second), 1.0)
    by_chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(first)
    steps = np.abs(np.subtract.outer(np.arange(n_classes), np.arange(n_classes)))
    cost = {"none": steps > 0, "linear": steps, "quadratic": steps**2}[weights].astype(float)
    expected = float((cost * by_chance).sum())
    return 1.0 - float((cost * table).sum()) / expected if expected > 0 else nan
