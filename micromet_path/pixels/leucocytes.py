"""Cells of a leucocyte's size in numbers: of one cell its size says little, much of a slide that shows hardly another.

Peroxidase that was not blocked stains eosinophils and mast cells, plasma cells take up antibody. One by one they may
be small carcinoma cells, and so they stay in the finding; where most of the separate things that are stained are as
small they are doubtful. So are dispersed carcinoma cells of some 11 um and less, as lobular carcinoma may have, and
larger ones of which a cap is stained: size alone is asked.
"""

from __future__ import annotations

from math import fsum

import numpy as np
from numpy.typing import NDArray

from micromet_path.pixels.examine_params import ExamineParams, all_of, ramp, ramps

__all__ = ["leucocyte_like"]


def leucocyte_like(
    profile_um2: NDArray[np.float64],
    area_um2: NDArray[np.float64],
    is_heard: NDArray[np.bool_],
    params: ExamineParams,
) -> NDArray[np.float64]:
    """Strengths of ``leucocyte_like`` of all groups of a slide: those as large as a few leucocytes, in numbers.

    Parameters
    ----------
    profile_um2 : ndarray of shape (N,)
        What each spans, as a cell that is stained in part is larger than its stain.
    area_um2 : ndarray of shape (N,)
        What each fills: cells side by side span more.
    is_heard : ndarray of shape (N,), bool
        What speaks of the rest; neither what does not count for another reason, nor what is dropped.
    params : ExamineParams

    Examples
    --------
    >>> eosinophils, focus = np.full(30, 70.0), np.array([900.0])
    >>> areas = np.append(eosinophils, focus)
    >>> leucocyte_like(areas, areas, np.ones(31, bool), ExamineParams())[[0, -1]].tolist()
    [1.0, 0.0]
    >>> leucocyte_like(eosinophils[:3], eosinophils[:3], np.ones(3, bool), ExamineParams()).tolist()
    [0.0, 0.0, 0.0]
    """
    heard_um2 = profile_um2[is_heard]
    small_enough = ramps(heard_um2, params.leucocyte_um2)
    # The same to the bit in whatever order threads deliver. A speck is no cell, and neither small nor large.
    small = fsum(np.minimum(small_enough, ramps(heard_um2, params.leucocyte_least_um2)))
    large = fsum(1 - small_enough)
    share = small / (small + large) if small else 0.0
    in_numbers = all_of(ramp(small, params.leucocyte_count), ramp(share, params.leucocyte_share))
    return np.minimum(in_numbers, ramps(area_um2, params.leucocyte_group_um2))
