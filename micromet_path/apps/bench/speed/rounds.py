"""Rounds: everything once, then everything again, so that what else the machine does meets all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from statistics import median

from micromet_path.apps.bench.speed.jobs import Sample
from micromet_path.apps.bench.speed.process import Missing

__all__ = ["Measurement", "Run", "run_rounds"]


@dataclass(frozen=True, slots=True)
class Run:
    """Something that is measured once a round.

    Parameters
    ----------
    name : str
    measure : callable
        Gives a sample, or says why there is none; then it is not tried again.
    repeated_below_s : float
        What took longer is not repeated.
    """

    name: str
    measure: Callable[[], Sample | Missing]
    repeated_below_s: float = inf


@dataclass(frozen=True, slots=True)
class Measurement:
    """Samples of one run, a round each; or why there are none."""

    name: str
    samples: tuple[Sample, ...]
    missing: str = ""

    @property
    def wall_s(self) -> float:
        """Median, inside."""
        return median(sample.wall_s for sample in self.samples)

    @property
    def cpu_s(self) -> float:
        """Median, inside."""
        return median(sample.cpu_s for sample in self.samples)

    @property
    def outside_wall_s(self) -> float:
        """Median, of the whole process."""
        return median(sample.outside_wall_s for sample in self.samples)

    @property
    def outside_cpu_s(self) -> float:
        """Median, of the whole process."""
        return median(sample.outside_cpu_s for sample in self.samples)

    @property
    def peak_mib(self) -> float | None:
        """Median of the peaks; None where the system does not tell."""
        peaks = [sample.peak_bytes for sample in self.samples if sample.peak_bytes is not None]
        return median(peaks) / 2**20 if peaks else None

    def fact(self, name: str) -> object:
        """What the last sample told; None where it told nothing of the kind."""
        return self.samples[-1].facts.get(name) if self.samples else None


def run_rounds(
    runs: Sequence[Run], repeats: int, progress: Callable[[int, int], None] | None = None
) -> dict[str, Measurement]:
    """Measure every run once a round, in their order.

    Parameters
    ----------
    runs : sequence of Run
    repeats : int
        Rounds, >= 1.
    progress : callable, optional
        Called with (measurements done, measurements in all).
    """
    samples: dict[str, list[Sample]] = {run.name: [] for run in runs}
    missing: dict[str, str] = {}
    for number in range(repeats):
        for place, run in enumerate(runs):
            if run.name not in missing and _is_wanted(run, samples[run.name]):
                outcome = run.measure()
                if isinstance(outcome, Missing):
                    missing[run.name] = outcome.because
                else:
                    samples[run.name].append(outcome)
            if progress is not None:
                progress(number * len(runs) + place + 1, repeats * len(runs))
    return {run.name: Measurement(run.name, tuple(samples[run.name]), missing.get(run.name, "")) for run in runs}


def _is_wanted(run: Run, samples: Sequence[Sample]) -> bool:
    return not samples or samples[0].outside_wall_s < run.repeated_below_s
