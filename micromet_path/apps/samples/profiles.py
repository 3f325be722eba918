"""What each profile wishes for: kinds, sizes and numbers of foci, before anything is placed."""

from __future__ import annotations

from collections.abc import Callable

from micromet_path.apps.samples.looks import LOOKS
from micromet_path.apps.samples.scenes import SCENES, scene_wishes
from micromet_path.apps.samples.spec import SampleSpec
from micromet_path.apps.samples.wish import Wish

__all__ = ["STAINED_SHARE", "Wish", "second_stain_of", "wishes_of"]

FULL_SIDE_UM = 5000.0
"""Side of a slide on which the whole default set fits once."""

STAINED_SHARE = 0.0275
"""Most of a default slide that is stained; larger wishes are left out when it is reached."""


def second_stain_of(spec: SampleSpec) -> str:
    """The stain beside haematoxylin: ``eosin``, or the chromogen of the look."""
    return "eosin" if spec.profile == "he" else LOOKS[spec.look].chromogen_name


def wishes_of(spec: SampleSpec) -> tuple[Wish, ...]:
    """Wishes of a profile, in the order in which they are to be placed."""
    makers: dict[str, Callable[[SampleSpec], list[Wish]]] = {
        "default": _default,
        "heavy": _heavy,
        "itc": _itc,
        "macro": _macro,
        "micro": _micro,
        "negative": _negative,
    }
    if spec.profile in SCENES:
        return tuple(scene_wishes(spec))
    maker = makers.get(spec.profile)
    return tuple(maker(spec)) if maker else ()


def _default(spec: SampleSpec) -> list[Wish]:
    """The whole set, repeated as the area grows and cut to what a small slide can hold."""
    copies = max(1, round((spec.side_um / FULL_SIDE_UM) ** 2))
    large: list[Wish] = []
    small: list[Wish] = []
    for copy in range(copies):
        large += _large(copy)
        small += _small() if copy == 0 else _small()[::3]
    budget = STAINED_SHARE * spec.side_um**2
    small_kept = _within(budget * 0.45, small)
    large_kept = _within(budget - sum(wish.area_um2 for wish in small_kept), [w for w in large if _fits(spec, w)])
    return large_kept + _pigment(spec, copies + 1) + small_kept


def _large(copy: int) -> list[Wish]:
    """Foci from 250 um up; further copies reach farther."""
    wishes = [
        Wish("macro", "ribbon", 2300.0 + 450.0 * (copy % 4), 100.0 + 20.0 * (copy % 4)),
        Wish("near_2000", "ribbon", 2010.0, 70.0),
        Wish("near_2000", "ribbon", 1990.0, 70.0),
        Wish("micro", "ribbon", 900.0, 125.0),
        Wish("micro", "blob", 640.0, 150.0),
        Wish("micro", "blob", 420.0, 170.0),
        Wish("micro", "blob", 250.0, 160.0),
    ]
    return wishes if copy < 4 else wishes[3:]


def _small() -> list[Wish]:
    """Foci up to 210 um and everything that is there to be tricky."""
    limits = [Wish("near_200", "blob", length, 95.0) for length in (202.0, 198.0, 210.0, 190.0)]
    pairs = [Wish("pair", "pair", 60.0, 45.0, gap_um=gap) for gap in (3.0, 5.0, 10.0, 30.0)]
    groups = [Wish("group", "group", n_cells=count) for count in (2, 3, 5, 8, 12, 4, 2)]
    cells = [Wish("single_cell", "cell") for _ in range(8)]
    return [
        Wish("corner", "blob", 120.0, 80.0, anchor="corner"),
        Wish("single_cell", "cell"),
        Wish("group", "group", n_cells=3),
        *limits[:2],
        *pairs,
        Wish("offgrid", "blob", 150.0, 100.0, anchor="offgrid"),
        Wish("seam", "blob", 100.0, 60.0, anchor="seam"),
        Wish("corner", "group", n_cells=7, anchor="corner"),
        Wish("chain", "chain", n_cells=5, gap_um=4.5),
        Wish("dot_like", "dots", 90.0, n_cells=13),
        Wish("single_dot", "dots", 4.0, n_cells=1),
        *limits[2:],
        *groups,
        *cells,
        Wish("solid", "blob", 70.0, 55.0),
        Wish("solid", "blob", 110.0, 80.0),
        Wish("seam", "cell", anchor="seam"),
        Wish("single_dot", "dots", 4.0, n_cells=1),
    ]


def _negative(spec: SampleSpec) -> list[Wish]:
    """Tissue with pigment and nothing else."""
    return _pigment(spec, 1)


def _itc(spec: SampleSpec) -> list[Wish]:
    """Nothing above 200 um, fewer than 200 cells."""
    groups = [Wish("group", "group", n_cells=count) for count in (2, 3, 4, 6, 9)]
    cells = [Wish("single_cell", "cell") for _ in range(8)]
    return [
        Wish("near_200", "blob", 190.0, 75.0),
        Wish("corner", "group", n_cells=5, anchor="corner"),
        Wish("chain", "chain", n_cells=4, gap_um=4.5),
        *_pigment(spec, 1),
        *groups,
        *cells,
    ]


def _micro(spec: SampleSpec) -> list[Wish]:
    """Largest from 200 um to 2000 um."""
    length = min(640.0, 0.28 * spec.side_um)
    rest = [wish for wish in _itc(spec) if wish.kind != "near_200"]
    return [Wish("micro", "blob", length, 0.3 * length), Wish("near_200", "blob", 230.0, 90.0), *rest]


def _macro(spec: SampleSpec) -> list[Wish]:
    """One of more than 2000 um."""
    length = min(max(2080.0, 0.46 * spec.side_um), 4000.0)
    rest = [wish for wish in _itc(spec) if wish.kind != "near_200"]
    return [Wish("macro", "ribbon", length, 0.11 * length), Wish("micro", "blob", 320.0, 130.0), *rest]


def _heavy(spec: SampleSpec) -> list[Wish]:
    """About 20 % of the tissue is solid tumour."""
    shares = ((0.46, 0.34), (0.17, 0.75), (0.17, 0.7), (0.08, 0.8))
    solid = [Wish("solid", "blob", share * spec.side_um, share * aspect * spec.side_um) for share, aspect in shares]
    cells = [Wish("single_cell", "cell") for _ in range(6)]
    return [*solid, *_pigment(spec, 1), *[Wish("group", "group", n_cells=count) for count in (3, 6, 10)], *cells]


def _pigment(spec: SampleSpec, count: int) -> list[Wish]:
    """Boxes of pigment grains, 500 a mm2."""
    side_um = min(500.0, 0.12 * spec.side_um)
    return [Wish("pigment", "specks", side_um)] * count


def _fits(spec: SampleSpec, wish: Wish) -> bool:
    """Whether a piece of tissue can hold something that long."""
    return wish.length_um < 0.8 * spec.side_um


def _within(budget_um2: float, wishes: list[Wish]) -> list[Wish]:
    """Wishes, in order, as long as their area fits."""
    kept: list[Wish] = []
    for wish in wishes:
        if wish.area_um2 <= budget_um2:
            budget_um2 -= wish.area_um2
            kept.append(wish)
    return kept
