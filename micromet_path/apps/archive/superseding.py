"""Which scan of a glass counts: the newest that can be assessed; the others are superseded and shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

__all__ = ["ScanOfGlass", "superseded_by"]


class ScanOfGlass(NamedTuple):
    """A scan: of which it is a re-scan, when it was made, and whether it was read and could be assessed.

    One of which nothing is known yet is waited for, and never superseded.
    """

    slide_id: str
    rescan_of: str | None
    scan_time: str | None
    is_done: bool
    is_assessable: bool
    is_pending: bool = False


def superseded_by(scans: Iterable[ScanOfGlass]) -> dict[str, str]:
    """For each scan that another one stands for, which one that is.

    Parameters
    ----------
    scans : iterable of ScanOfGlass

    Returns
    -------
    dict of str to str
        Slide ids.

    Examples
    --------
    >>> blurred = ScanOfGlass("A", None, "2026-03-01", True, False)
    >>> again = ScanOfGlass("B", "A", "2026-03-02", True, True)
    >>> failed = ScanOfGlass("C", "B", "2026-03-03", False, False)
    >>> superseded_by([blurred, again, failed])
    {'A': 'B', 'C': 'B'}
    """
    by_id = {scan.slide_id: scan for scan in scans}
    glasses: dict[str, list[tuple[int, ScanOfGlass]]] = defaultdict(list)
    for scan in by_id.values():
        first, depth = _first_scan(scan, by_id)
        glasses[first].append((depth, scan))
    replaced: dict[str, str] = {}
    for group in glasses.values():
        if len(group) > 1:
            _, best = max(group, key=_merit)
            replaced |= {scan.slide_id: best.slide_id for _, scan in group if scan is not best and not scan.is_pending}
    return replaced


def _merit(place: tuple[int, ScanOfGlass]) -> tuple[bool, bool, datetime, int, str]:
    """What makes one scan count rather than another: whether it shows anything, then how new it is."""
    depth, scan = place
    return scan.is_assessable, scan.is_done, _when(scan), depth, scan.slide_id


def _first_scan(scan: ScanOfGlass, by_id: Mapping[str, ScanOfGlass]) -> tuple[str, int]:
    """The scan at the beginning of the chain, and how far it is; a chain that runs in a circle begins at its least."""
    seen = [scan.slide_id]
    while scan.rescan_of in by_id and scan.rescan_of is not None:
        if scan.rescan_of in seen:
            return min(seen[seen.index(scan.rescan_of) :]), len(seen)
        scan = by_id[scan.rescan_of]
        seen.append(scan.slide_id)
    return scan.slide_id, len(seen)


def _when(scan: ScanOfGlass) -> datetime:
    """When it was scanned; long ago where nothing is said, so that the chain decides."""
    if scan.scan_time is None:
        return datetime.min.replace(tzinfo=UTC)
    when = datetime.fromisoformat(scan.scan_time)
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
