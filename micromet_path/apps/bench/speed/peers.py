"""Other programs on the same slide and level, each in a process of an environment that holds it, or does not."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from micromet_path.apps.bench.speed.jobs import Sample
from micromet_path.apps.bench.speed.process import Missing, answer_of
from micromet_path.apps.bench.speed.rounds import Run
from micromet_path.apps.bench.speed.subjects import Subject
from micromet_path.config import Config
from micromet_path.errors import MicrometError

__all__ = ["OPENSLIDE_ALL", "OPENSLIDE_READS", "PEERS", "Peer", "PeerOptions", "openslide_run", "peer_runs"]

SCRIPT = Path(__file__).with_name("peer_script.py")

REPEATED_BELOW_S = 20.0
"""Peers that take longer run once: what the machine does beside is little against a ratio of 10 or more."""

_HED_SHARE = 6.0
"""`skimage.color.rgb2hed` divides by ln(1e-6): its values are a sixth of a decimal optical density."""

OPENSLIDE_READS = "OpenSlide, single reads"
OPENSLIDE_ALL = "OpenSlide, all of level 0"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program.

    Parameters
    ----------
    key : str
        Its name in `peer_script`.
    title : str
    largest_side_px : int or None
        Above that it takes more memory than machines have.
    """

    key: str
    title: str
    largest_side_px: int | None = None


PEERS = (
    Peer("histomicstk", "HistomicsTK, positive pixel count"),
    Peer("skimage-tiles", "scikit-image, tile by tile"),
    Peer("skimage-whole", "scikit-image, whole image", 10000),
    Peer("dask-image", "dask-image, label"),
    Peer("histolab", "histolab, DAB channel tile by tile"),
)


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """Where other programs are, and how long each may take."""

    python: str = sys.executable
    limit_s: float = 300.0

    def __post_init__(self) -> None:
        if not Path(self.python).is_file():
            raise MicrometError(f"there is no Python interpreter {self.python}; name the one of the peers' environment")


def peer_runs(subject: Subject, options: PeerOptions, threads: int) -> list[Run]:
    """All peers on a slide."""

    def run(peer: Peer) -> Run:
        return Run(peer.title, lambda: _measured(peer, subject, options, threads), REPEATED_BELOW_S)

    return [run(peer) for peer in PEERS]


def _measured(peer: Peer, subject: Subject, options: PeerOptions, threads: int) -> Sample | Missing:
    if peer.largest_side_px is not None and max(subject.width_px, subject.height_px) > peer.largest_side_px:
        return Missing(f"only up to {peer.largest_side_px} px a side")
    return _answer(peer.key, subject, options, threads)


def openslide_run(name: str, subject: Subject, threads: int) -> Run:
    """OpenSlide alone: single reads on one thread, or all of level 0 on some."""
    key = "openslide-reads" if name == OPENSLIDE_READS else "openslide-all"
    return Run(name, lambda: _answer(key, subject, PeerOptions(limit_s=3600.0), threads))


def _answer(key: str, subject: Subject, options: PeerOptions, threads: int) -> Sample | Missing:
    """What the script says; it runs isolated (-I), lest its folder's modules stand in for others of their names."""
    config = Config()
    settings = {
        "threads": threads,
        "boxes": subject.boxes,
        "hed_threshold": config.stain.threshold_od / _HED_SHARE,
        "smallest_um2": config.clusters.smallest_area_um2,
    }
    command = [options.python, "-I", str(SCRIPT), key, str(subject.path), json.dumps(settings)]
    return answer_of(command, threads, options.limit_s)
