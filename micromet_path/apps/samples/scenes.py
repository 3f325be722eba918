"""Scenes: what is wished for on slides that show one way in which tumour, or what looks like it, lies."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log

import numpy as np

from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.apps.samples.wish import Wish

__all__ = ["SCENES", "mimic_kinds_of", "scene_wishes"]

UNIT_UM = 2048.0
"""Side of a slide on which a scene fits once."""
MACRO_SIDE_UM = 3600.0
"""Side from which a slide has room for a macrometastasis beside everything else."""
LAKES = 24
"""Vessels and sinuses full of red cells where a scene of them fits once."""


def scene_wishes(spec: SampleSpec) -> list[Wish]:
    """Wishes of a scene; sizes are drawn by the seed."""
    return SCENES[spec.profile](spec, np.random.default_rng([spec.seed, 8]))


def mimic_kinds_of(spec: SampleSpec) -> tuple[str, ...]:
    """Kinds of mimics that are wished for, each as often as there is room for a scene.

    Red cells lie all over a section or hardly at all, so that they have scenes of their own.
    """
    if spec.profile in ("blood", "negative-blood"):
        return ("red_cells",) * (LAKES * _copies(spec))
    if spec.profile not in ("mimics", "negative-mimics"):
        return ()
    from micromet_path.apps.samples.mimics import MIMIC_KINDS

    return tuple(kind for kind in MIMIC_KINDS if kind != "red_cells") * _copies(spec)


def _copies(spec: SampleSpec) -> int:
    """How often a scene fits."""
    return max(1, round((spec.side_um / UNIT_UM) ** 2))


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A length between two, each size class as likely."""
    return exp(rng.uniform(log(low), log(high)))


def _blob(rng: np.random.Generator, kind: str, length_um: float, pattern: str = "cytoplasmic") -> Wish:
    """A nest of a length."""
    return Wish(kind, "blob", length_um, length_um * float(rng.uniform(0.55, 0.85)), pattern=pattern)


def _cells(count: int, pattern: str = "cytoplasmic") -> list[Wish]:
    """Single cells."""
    return [Wish("single_cell", "cell", pattern=pattern)] * count


def _groups(rng: np.random.Generator, count: int, pattern: str = "cytoplasmic") -> list[Wish]:
    """Groups of 2 to 12 cells."""
    return [Wish("group", "group", n_cells=int(rng.integers(2, 13)), pattern=pattern) for _ in range(count)]


def _nests(rng: np.random.Generator, count: int, low: float, high: float, pattern: str = "cytoplasmic") -> list[Wish]:
    """Solid nests between two lengths."""
    return [_blob(rng, "solid", _uniform(rng, low, high), pattern) for _ in range(count)]


def _near_200(rng: np.random.Generator, count: int, pattern: str = "cytoplasmic") -> list[Wish]:
    """Nests about the limit of isolated tumour cells."""
    return [_blob(rng, "near_200", float(rng.uniform(170.0, 230.0)), pattern) for _ in range(count)]


def _pigment(spec: SampleSpec) -> list[Wish]:
    """A small box of grains."""
    return [Wish("pigment", "specks", min(160.0, 0.1 * spec.side_um))]


def _micro(rng: np.random.Generator, spec: SampleSpec) -> Wish:
    """A micrometastasis that leaves room for others."""
    length = min(_uniform(rng, 300.0, 1500.0), 0.2 * spec.side_um)
    return Wish("micro", "blob" if length < 700 else "ribbon", length, min(0.5 * length, 220.0))


def _foci(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """As many foci of all sizes as fit."""
    wishes = [Wish("macro", "ribbon", 2050.0 + 600.0 * rng.random(), 110.0)] if spec.side_um >= MACRO_SIDE_UM else []
    for _ in range(_copies(spec)):
        wishes += [_micro(rng, spec)]
        wishes += _nests(rng, 1, 200.0, 350.0) + _near_200(rng, 3) + _pigment(spec)
        wishes += _nests(rng, 10, 40.0, 190.0) + _groups(rng, 16) + _cells(32)
    return wishes


def _dots(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """Dots beside nuclei, over small ordinary foci."""
    wishes: list[Wish] = _nests(rng, 1, 40.0, 110.0) + _groups(rng, 2) + _cells(2)
    for _ in range(_copies(spec)):
        wishes += [
            Wish("dot_like", "perinuclear", float(rng.uniform(86.0, 97.0)), n_cells=int(rng.integers(10, 15)))
            for _ in range(6)
        ]
        wishes += _nests(rng, 4, 40.0, 110.0) + _groups(rng, 6) + _cells(8)
        wishes += [Wish("single_dot", "dots", 4.0)] * 2
    return wishes


def _membranous(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """Cells of which only the membrane is stained."""
    wishes = _nests(rng, 2, 45.0, 120.0, "membranous") + _groups(rng, 3, "membranous") + _cells(3, "membranous")
    for _ in range(_copies(spec)):
        wishes += _nests(rng, 1, 250.0, 330.0, "membranous") + _near_200(rng, 2, "membranous") + _pigment(spec)
        wishes += _nests(rng, 9, 45.0, 190.0, "membranous")
        wishes += _groups(rng, 14, "membranous") + _cells(12, "membranous")
    return wishes


def _lobular(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """Cells scattered one by one."""
    return [Wish("lobular", "lobular"), *_pigment(spec), *_groups(rng, 3)]


def _desmoplastic(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """Nests between septa of stroma."""
    wishes: list[Wish] = []
    for _ in range(_copies(spec)):
        for share in (0.34, 0.26, 0.2):
            length = min(share * spec.side_um, 900.0) * float(rng.uniform(0.8, 1.0))
            wishes.append(Wish("desmoplastic", "desmoplastic", length, length * float(rng.uniform(0.5, 0.75))))
        wishes += _pigment(spec) + _nests(rng, 3, 50.0, 150.0) + _groups(rng, 6) + _cells(8)
    return wishes


def _serial(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """A node with a micrometastasis, one with isolated cells, others without anything; see `pieces`."""
    length = min(_uniform(rng, 230.0, 900.0), 0.16 * spec.side_um)
    first = [
        _blob(rng, "micro" if length > 200 else "solid", length),
        *_nests(rng, 2, 40.0, 150.0),
        *_groups(rng, 3),
        *_cells(3),
    ]
    second = [*_nests(rng, 2, 40.0, 150.0), *_groups(rng, 3), *_cells(4)]
    return [
        *[wish.at("node 1") for wish in first],
        *[wish.at("node 2") for wish in second],
    ]


def _control(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """Strong foci on control tissue; the patient's are isolated cells, nothing, or a micrometastasis by the seed."""
    control = _nests(rng, 3, 60.0, 0.09 * spec.side_um + 60.0) + _groups(rng, 3) + _cells(3)
    patient = [
        _groups(rng, 5) + _cells(6) + _nests(rng, 3, 40.0, 150.0),
        [],
        [_micro(rng, spec), *_groups(rng, 4), *_cells(4)],
    ][spec.seed % 3]
    return [*[wish.at("control") for wish in control], *_pigment(spec), *patient]


def _mimics(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """Some foci among the mimics; fewer on a small slide, to leave them room."""
    part = min(1.0, (spec.side_um / UNIT_UM) ** 2)
    few, some = round(3 * part), max(1, round(5 * part))
    wishes: list[Wish] = []
    for _ in range(_copies(spec)):
        wishes += _near_200(rng, round(part)) + _nests(rng, few, 40.0, 170.0) + _groups(rng, some) + _cells(some)
    return wishes


def _blood(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """Few small foci, so that most of what is brown are red cells."""
    wishes: list[Wish] = []
    for _ in range(_copies(spec)):
        wishes += _nests(rng, 2, 40.0, 170.0) + _groups(rng, 4) + _cells(5)
    return wishes


def _none(spec: SampleSpec, rng: np.random.Generator) -> list[Wish]:
    """No foci."""
    return []


SCENES: dict[str, Callable[[SampleSpec, np.random.Generator], list[Wish]]] = {
    "foci": _foci,
    "dots": _dots,
    "membranous": _membranous,
    "lobular": _lobular,
    "desmoplastic": _desmoplastic,
    "serial": _serial,
    "control": _control,
    "mimics": _mimics,
    "negative-mimics": _none,
    "blood": _blood,
    "negative-blood": _none,
}
