"""The benchmark of speed: how far from decoding alone, which is the physical limit, a slide is analysed.

Everything is measured in a process of its own, so that its peak memory is its own, and in rounds (first A, B, C once
each, then again), so that what else the machine does meets all of them alike. Ratios are taken within a round; they,
not seconds, are what can be compared.

What runs in those processes: `worker` does one `jobs.Job` and prints what it took, with `work` (decoding alone, the
scan, the whole command, single reads) and `usage` (seconds and memory of a process); `peer_script` does the same with
other programs and OpenSlide, in whatever environment holds them, without this package.

What starts them: `process` runs one and waits; `subjects` opens the slides that are given, or draws them; `plans` says
what is measured on a slide, `peers` with which other programs; `rounds` interleaves; `running` does all of it. What
comes of it: `figures` makes ratios and growth of the samples, `asked` holds what the project asks of itself, `tables`
and `write` print and store.
"""

__all__ = ["DEFAULT_SIDES", "DEFAULT_THREADS", "LEAST_REPEATS"]

DEFAULT_SIDES = (10000, 20000, 40000)
"""Pixels a side of the slides that are drawn: a biopsy, a small and a usual section."""

DEFAULT_THREADS = 2
"""The figures asked for are those of two threads."""

LEAST_REPEATS = 5
"""Rounds by default: fewer say little where others use the machine too."""
