"""From samples to figures: ratios within a round, memory, and growth over slides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Any

import numpy as np

from micromet_path.apps.bench.speed import plans
from micromet_path.apps.bench.speed.asked import TARGETS, Figure, Unit
from micromet_path.apps.bench.speed.jobs import Sample
from micromet_path.apps.bench.speed.peers import OPENSLIDE_ALL, OPENSLIDE_READS, PEERS
from micromet_path.apps.bench.speed.rounds import Measurement
from micromet_path.apps.bench.speed.subjects import Subject

__all__ = ["Measured", "difference_of", "figures_of", "growth_exponent", "ratio_of"]

Measurements = Mapping[str, Measurement]
Value = Callable[[Sample], float]

_HEAVY_MEMORY = "peak memory, whole command, heavy"


@dataclass(frozen=True, slots=True)
class Measured:
    """A slide and all that was measured on it."""

    subject: Subject
    measurements: Measurements

    @property
    def side_px(self) -> int | None:
        """Of a drawn slide of the default profile, on which figures are asked; None of others."""
        return self.subject.width_px if self.subject.profile == "default" else None

    @property
    def mode(self) -> str:
        """What the default mode came down to on this slide."""
        return str(self.measurements[plans.SCAN].fact("mode"))

    @property
    def difference(self) -> str:
        """In what the clusters of the two modes differ; empty where they are identical."""
        both = (self.measurements[name].fact("clusters") for name in (plans.WARM, plans.FULL_COMMAND))
        return difference_of(*both)


def wall(sample: Sample) -> float:
    """Seconds inside."""
    return sample.wall_s


def cpu(sample: Sample) -> float:
    """CPU seconds inside."""
    return sample.cpu_s


def difference_of(first: Any, second: Any) -> str:
    """In what two digests of cluster tables differ, in words; empty where they are the same.

    Examples
    --------
    >>> difference_of({"n": 1, "columns": {"id": "a"}}, {"n": 1, "columns": {"id": "b"}})
    'other values of id'
    """
    if first["n"] != second["n"]:
        return f"{first['n']} clusters against {second['n']}"
    names = {**first["columns"], **second["columns"]}
    other = [name for name in names if first["columns"].get(name) != second["columns"].get(name)]
    return f"other values of {', '.join(other)}" if other else ""


def ratio_of(above: Measurement, below: Measurement, value: Value) -> tuple[float, float, float]:
    """Median, smallest and largest ratio of samples of the same round; what ran once is compared with the median."""
    if len(above.samples) == len(below.samples):
        pairs = zip(map(value, above.samples), map(value, below.samples), strict=True)
    else:
        usual = median(map(value, below.samples))
        pairs = ((value(sample), usual) for sample in above.samples)  # type: ignore[assignment]
    ratios = [numerator / max(denominator, 1e-9) for numerator, denominator in pairs]
    return median(ratios), min(ratios), max(ratios)


def growth_exponent(pixels: Sequence[float], cpu_s: Sequence[float], start: tuple[float, float]) -> float:
    """Exponent k of ``cpu - cpu0 = a (pixels - pixels0) ** k``, by least squares on logarithms.

    Parameters
    ----------
    pixels, cpu_s : sequence of float
        Of two slides or more.
    start : (float, float)
        Pixels and CPU seconds of a slide that is nearly nothing: what does not grow is in them.

    Examples
    --------
    >>> round(growth_exponent([11, 101, 1001], [2.1, 3.0, 12.0], (1, 2.0)), 3)
    1.0
    """
    more_px = [log(count - start[0]) for count in pixels]
    more_s = [log(max(seconds - start[1], 1e-3)) for seconds in cpu_s]
    return float(np.polyfit(more_px, more_s, 1)[0])


def figures_of(slides: Sequence[Measured], beside: Measured, threads: int) -> list[Figure]:
    """Every figure of a run, ratios first.

    Parameters
    ----------
    slides : sequence of Measured
    beside : Measured
        The small slide, with what does not depend on a slide.
    threads : int
    """
    made = [figure for slide in slides for figure in (*_ratios(slide, threads), *_memory(slide, threads))]
    names = dict.fromkeys(figure.name for figure in made)
    return [*(figure for name in names for figure in made if figure.name == name), *_of_run(slides, beside, threads)]


def _figure(
    name: str, slide: Measured | None, threads: int, value: Any, unit: Unit = "times", note: str = ""
) -> Figure:
    """A figure with its target; `value` may be a number, or three with the ends of its range."""
    middle, low, high = value if isinstance(value, tuple) else (value, None, None)
    target, side_px = TARGETS.get(name), None
    if slide is not None:
        side_px = slide.subject.width_px if name == _HEAVY_MEMORY else slide.side_px
    is_asked = target is not None and target.applies(side_px, threads)
    return Figure(name, "" if slide is None else slide.subject.name, middle, low, high, unit, target, is_asked, note)


def _ratios(slide: Measured, threads: int) -> Iterator[Figure]:
    """Against decoding alone, between modes, readers and threads, and against peers."""
    taken = slide.measurements
    not_chosen = "" if slide.mode == "candidates" else f"ran in mode {slide.mode}"
    for name, note in ((plans.SCAN, not_chosen), (plans.SCAN_FULL, ""), (plans.WARM, "")):
        for word, value in (("wall", wall), ("CPU", cpu)):
            ratio = ratio_of(taken[name], taken[plans.FLOOR], value)
            yield _figure(f"{name} / {plans.FLOOR}, {word}", slide, threads, ratio, note=note)
    cold = [sample.outside_wall_s for sample in taken[plans.COLD].samples]
    floor = taken[plans.FLOOR].wall_s
    ratios = [seconds / max(floor, 1e-9) for seconds in cold]
    value_of_cold = (median(ratios), min(ratios), max(ratios))
    yield _figure(f"{plans.COLD} (process) / {plans.FLOOR}, wall", slide, threads, value_of_cold)
    name = "clusters identical in both modes"
    identical = None if not_chosen and not slide.difference else float(not slide.difference)
    yield _figure(name, slide, threads, identical, "yes", slide.difference or not_chosen)
    yield from _readers(slide, threads)
    if plans.ONE_THREAD in taken:
        ratio = ratio_of(taken[plans.ONE_THREAD], taken[plans.SCAN_FULL], wall)
        name = "two" if threads == 2 else str(threads)
        yield _figure(f"{name} threads against one, {plans.SCAN_FULL}", slide, threads, ratio)
    yield from _peers(slide, threads)


def _readers(slide: Measured, threads: int) -> Iterator[Figure]:
    """Our reader against OpenSlide, where both read the slide."""
    taken = slide.measurements
    if OPENSLIDE_READS in taken:
        codec, other = slide.subject.reader.rpartition("/")[2], taken[OPENSLIDE_READS]
        name = f"own reader ({codec}) / OpenSlide, Mpx per CPU second"
        if other.missing:
            yield _figure(name, slide, threads, None, note=f"OpenSlide: {other.missing}")
        else:
            yield _figure(name, slide, threads, ratio_of(other, taken[plans.OWN_READS], cpu))
    if OPENSLIDE_ALL in taken and taken[OPENSLIDE_ALL].samples:
        name = "scan, candidates first / OpenSlide reading level 0, wall"
        yield _figure(name, slide, threads, ratio_of(taken[plans.SCAN], taken[OPENSLIDE_ALL], wall))


def _peers(slide: Measured, threads: int) -> Iterator[Figure]:
    """Other programs against our whole command, warm: neither with its imports."""
    for peer in PEERS:
        measurement = slide.measurements.get(peer.title)
        if measurement is None:
            continue
        name = f"{peer.title} / whole command"
        if measurement.missing:
            yield _figure(name, slide, threads, None, note=measurement.missing)
        else:
            note = "one run" if len(measurement.samples) == 1 else ""
            ratio = ratio_of(measurement, slide.measurements[plans.WARM], wall)
            yield _figure(name, slide, threads, ratio, note=note)


def _memory(slide: Measured, threads: int) -> Iterator[Figure]:
    name = _HEAVY_MEMORY if slide.subject.profile == "heavy" else "peak memory, whole command"
    yield _figure(name, slide, threads, slide.measurements[plans.COLD].peak_mib, "MiB")


def _of_run(slides: Sequence[Measured], beside: Measured, threads: int) -> Iterator[Figure]:
    """Growth over drawn slides of one profile, and what does not depend on the slide."""
    larger = [one for one in slides if one.subject.profile and one.subject.pixels > beside.subject.pixels]
    drawn, taken = sorted(larger, key=lambda slide: slide.subject.pixels), beside.measurements
    if len({slide.subject.pixels for slide in drawn}) > 1 and len({slide.subject.profile for slide in drawn}) == 1:
        start = (beside.subject.pixels, taken[plans.SMALL_WARM].cpu_s)
        pixels, warm = ([s.subject.pixels for s in drawn], [s.measurements[plans.WARM] for s in drawn])
        exponent = growth_exponent(pixels, [one.cpu_s for one in warm], start)
        yield _figure("growth of CPU time with pixels", None, threads, exponent, "exponent")
        peaks = [slide.measurements[plans.COLD].peak_mib for slide in (drawn[0], drawn[-1])]
        if peaks[0] is not None and peaks[1] is not None:
            name = "growth of peak memory, largest / smallest side"
            yield _figure(name, None, threads, peaks[1] / peaks[0])
    cold = taken[plans.SMALL_COLD].outside_wall_s
    yield _figure("small slide, fresh process", None, threads, cold, "s")
    if plans.EMPTY_CACHE in taken:
        more = taken[plans.EMPTY_CACHE].outside_wall_s - cold
        yield _figure("kernels not compiled yet, more", None, threads, more, "s", "one run")
    yield _figure("import micromet_path", None, threads, taken[plans.IMPORT].wall_s, "s")
