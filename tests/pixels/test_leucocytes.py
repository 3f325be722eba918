import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micromet_path.pixels.examine_params import ExamineParams
from micromet_path.pixels.leucocytes import leucocyte_like

PARAMS = ExamineParams()
AREAS = st.lists(st.floats(25.0, 800.0), max_size=60).map(np.array)
SMALL, LARGE = 60.0, 200.0


def of(areas, excluded=()):
    areas = areas.astype(float)
    return leucocyte_like(areas, areas, ~np.isin(np.arange(len(areas)), excluded), PARAMS)


@given(AREAS, st.randoms())
def test_the_order_of_candidates_does_not_matter(areas, random):
    order = np.array(random.sample(range(len(areas)), len(areas)), int)
    np.testing.assert_array_equal(of(areas[order]), of(areas)[order])  # threads deliver in any


@given(AREAS)
def test_more_small_ones_never_lower_and_more_large_ones_never_raise_it(areas):
    found, n = of(areas), len(areas)
    assert (of(np.append(areas, np.full(5, SMALL)))[:n] >= found - 1e-9).all()
    assert (of(np.append(areas, np.full(5, LARGE)))[:n] <= found + 1e-9).all()


@given(AREAS, st.lists(st.floats(25.0, 800.0), max_size=40).map(np.array))
def test_what_does_not_count_says_nothing_of_the_rest(areas, others):
    together = of(np.append(areas, others), range(len(areas), len(areas) + len(others)))
    np.testing.assert_array_equal(together[: len(areas)], of(areas))


@pytest.mark.parametrize(
    ("small", "large", "is_doubted"), [(20, 0, True), (5, 0, False), (20, 10, True), (20, 30, False), (0, 40, False)]
)
def test_small_cells_are_doubted_where_they_are_many_and_most(small, large, is_doubted):
    strengths = of(np.repeat([SMALL, LARGE, 700.0], [small, large, 1]))
    assert ((strengths[:-1] >= 0.5) == is_doubted).all()
    assert strengths[-1] == 0.0  # larger than some of them side by side


@pytest.mark.parametrize("seed", range(5))
def test_threads_may_deliver_candidates_in_any_order(seed):
    rng = np.random.default_rng(seed)
    areas = np.append(rng.uniform(96, 109, 10), rng.uniform(111, 124, 8))
    assert 0 < of(areas)[0] < 1  # each is small in part, and so is their share
    for order in (rng.permutation(18) for _ in range(100)):
        np.testing.assert_array_equal(of(areas[order]), of(areas)[order])


@given(AREAS)
def test_specks_say_nothing_of_the_rest(areas):
    found = of(np.append(areas, np.full(40, PARAMS.leucocyte_least_um2[0])))
    np.testing.assert_array_equal(found[: len(areas)], of(areas))


@pytest.mark.parametrize(("speck_um2", "is_doubted"), [(26.0, False), (60.0, True)])
def test_it_takes_cells_not_specks_to_doubt_a_cell(speck_um2, is_doubted):
    assert (of(np.append(np.full(40, speck_um2), LARGE))[-1] >= 0.5) == is_doubted


@pytest.mark.parametrize(("group_um2", "is_doubted"), [(210.0, True), (410.0, True), (440.0, False), (600.0, False)])
def test_a_few_side_by_side_are_doubted_with_them_and_more_are_not(group_um2, is_doubted):
    assert (of(np.append(np.full(20, SMALL), group_um2))[-1] >= 0.5) == is_doubted


def test_a_cell_stained_in_part_is_as_large_as_what_it_spans():
    stain = np.full(30, 50.0)
    everyone = np.ones(30, bool)
    assert (leucocyte_like(stain, stain, everyone, PARAMS) == 1.0).all()
    assert (leucocyte_like(stain + 110.0, stain, everyone, PARAMS) == 0.0).all()
