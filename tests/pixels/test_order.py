"""Order by counting, against numpy's."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from micromet_path.pixels.order import order_by


def test_negative_keys_are_refused():
    with pytest.raises(ValueError, match="negative"):
        order_by(np.array([0, 1]), np.array([3, -1]))


@pytest.mark.parametrize("n_keys", [1, 2, 3])
@pytest.mark.parametrize("seed", range(15))
def test_the_order_is_that_of_a_stable_sort(seed, n_keys):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 300))
    kinds = [np.int32, np.int64, np.int16]
    keys = [rng.integers(0, rng.integers(1, 500), n).astype(kinds[k]) for k in range(n_keys)]
    assert_array_equal(order_by(*keys), np.lexsort(keys[::-1]))
