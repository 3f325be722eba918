"""Of the scans of a glass one counts, whatever is said of them and in whatever order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from micromet_path.apps.archive.superseding import ScanOfGlass, superseded_by

NAMES = [f"s{number}" for number in range(8)]
STATES = st.sampled_from([(True, True, False), (True, False, False), (False, False, False), (False, False, True)])
TIMES = st.one_of(st.none(), st.sampled_from(["2026-03-01", "2026-03-01T10:00", "2026-03-02T08:00+02:00"]))
SCANS = st.lists(
    st.builds(
        lambda name, of, when, state: ScanOfGlass(name, of, when, *state),
        st.sampled_from(NAMES),
        st.one_of(st.none(), st.sampled_from(NAMES)),
        TIMES,
        STATES,
    ),
    unique_by=lambda scan: scan.slide_id,
)


def glasses(scans):
    """Connected by re-scans: sets of ids, found by merging until nothing changes."""
    groups = [{scan.slide_id} for scan in scans]
    for scan in scans:
        if scan.rescan_of in {other.slide_id for other in scans}:
            both = [group for group in groups if group & {scan.slide_id, scan.rescan_of}]
            groups = [group for group in groups if group not in both] + [set().union(*both)]
    return groups


@given(SCANS)
def test_one_scan_of_each_glass_counts_and_it_is_the_best(scans):
    replaced = superseded_by(scans)
    by_id = {scan.slide_id: scan for scan in scans}
    for group in glasses(scans):
        waiting = {name for name in group if by_id[name].is_pending}
        counting = group - set(replaced) - waiting
        assert not waiting & set(replaced)  # of which nothing is known yet
        assert len(counting) <= 1
        assert len({replaced[name] for name in group & set(replaced)}) <= 1
        assert counting or waiting
        assert any(by_id[name].is_assessable for name in counting) or not any(by_id[n].is_assessable for n in group)


@given(SCANS, st.randoms())
def test_the_order_of_the_list_decides_nothing(scans, rng: random.Random):
    shuffled = list(scans)
    rng.shuffle(shuffled)
    assert superseded_by(shuffled) == superseded_by(scans)


def test_the_newest_counts_and_without_times_the_end_of_the_chain():
    first, second, third = (
        ScanOfGlass(name, of, None, True, True) for name, of in (("a", None), ("b", "a"), ("c", "b"))
    )
    assert superseded_by([first, second, third]) == {"a": "c", "b": "c"}
    dated = [
        first._replace(scan_time="2026-03-05"),
        second._replace(scan_time="2026-03-01"),
        third._replace(scan_time="2026-03-02"),
    ]
    assert superseded_by(dated) == {"b": "a", "c": "a"}
