"""Cells of a leucocyte's size in numbers: of one cell its size says little, much of a slide that shows hardly another.

Peroxidase that was not blocked stains eosinophils and mast cells, plasma cells take up antibody. One by one they may
be small carcinoma cells, and so they stay in the finding; where most of the separate things that are stained are as
small they are doubtful. So are dispersed carcinoma cells of some 12 um and less, as lobular carcinoma may have, and
larger ones that stain in part: area alone is asked.
"""

from __future__ import annotations

from math import fsum

import numpy as np
from numpy.typing import NDArray

from micromet_path.pixels.examine_params import ExamineParams, all_of, ramp, ramps

__all__ = ["leucocyte_like"]


def leucocyte_like(
    areas_um2: NDArray[np.float64], is_excluded: NDArray[np.bool_], params: ExamineParams
) -> NDArray[np.float64]:
    """Strengths of ``leucocyte_like`` of all candidates of a slide: those as large as a few leucocytes, in numbers.

    Parameters
    ----------
    areas_um2 : ndarray of shape (N,)
        Stained or filled area of each candidate, whichever is larger.
    is_excluded : ndarray of shape (N,), bool
        What does not count for another reason, and says nothing of the rest.
    params : ExamineParams

    Examples
    --------
    >>> eosinophils, focus = np.full(30, 70.0), np.array([900.0])
    >>> leucocyte_like(np.append(eosinophils, focus), np.zeros(31, bool), ExamineParams())[[0, -1]].tolist()
    [1.0, 0.0]
    >>> leucocyte_like(eosinophils[:3], np.zeros(3, bool), ExamineParams()).tolist()
    [0.0, 0.0, 0.0]
    """
    heard_um2 = areas_um2[~is_excluded]
    small = fsum(ramps(heard_um2, params.leucocyte_um2))  # the same to the bit in whatever order threads deliver
    share = small / max(1, len(heard_um2))
    in_numbers = all_of(ramp(small, params.leucocyte_count), ramp(share, params.leucocyte_share))
    return np.minimum(in_numbers, ramps(areas_um2, params.leucocyte_group_um2))
