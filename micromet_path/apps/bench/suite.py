"""Which slides the benchmark draws: one entry for each way in which laboratories and sections differ.

Each profile varies one thing and leaves the rest as it is, so that a figure that falls says why. Seeds start
at `FIRST_SEED`; every number and threshold of the program was set on real pictures and on slides of smaller seeds,
so that nothing was chosen by looking at the slides of the reported table.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from micromet_path.apps.bench import DEFAULT_SLIDES, FIRST_SEED
from micromet_path.apps.samples import SampleSpec
from micromet_path.errors import ConfigError

__all__ = ["NEGATIVE_BATCH", "PROFILES", "BenchProfile", "BenchSlide", "Plan", "Request", "plan"]

NEGATIVES_A_SLIDE = 100 / DEFAULT_SLIDES
"""Slides of the negative batch for each other one: a hundred in a run of the default size."""

SEEDS_A_TURN = 101
"""Seeds between two slides of a profile: more than there are profiles, and prime, for scenes go by remainders."""

NEGATIVE_SIDE_PX = 3072
NEGATIVE_BATCH = "negative-batch"

AEC = {"stain": {"chromogen": [0.2743, 0.6796, 0.6803]}}
FAST_RED = {"stain": {"chromogen": [0.21393921, 0.85112669, 0.47794022]}}
"""Optical density vectors of the chromogens as ImageJ's Colour Deconvolution has them (Landini et al. 2021)."""


@dataclass(frozen=True, slots=True)
class BenchProfile:
    """One way in which slides differ.

    Parameters
    ----------
    name : str
    words : str
        What differs, for people.
    scenes : tuple of str
        Profiles of the sample generator, taken in turn.
    look : str
        Stain, optics and section, as the generator calls them.
    x_um, y_um : float
        Microns per pixel.
    quality : int
        Of the JPEG tiles.
    side_um : float
        Of the slide.
    settings : mapping
        What the laboratory tells the program: its chromogen, say. Everything else is default.
    """

    name: str
    words: str
    scenes: tuple[str, ...] = ("foci",)
    look: str = "default"
    x_um: float = 0.25
    y_um: float | None = None
    quality: int = 80
    side_um: float = 2048.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def spec(self, seed: int, turn: int, side_px: int | None = None, outlines: Path | None = None) -> SampleSpec:
        """What to draw as the slide number `turn` of this profile.

        Parameters
        ----------
        seed : int
        turn : int
            0 for the first slide of the profile.
        side_px : int, optional
            Instead of the profile's own.
        outlines : Path, optional
            Real outlines for the foci.
        """
        return SampleSpec(
            profile=self.scenes[turn % len(self.scenes)],
            side_px=side_px or ceil(self.side_um / self.x_um / 256) * 256,
            seed=seed,
            spacing_um=self.x_um,
            quality=self.quality,
            look=self.look,
            spacing_y_um=self.y_um,
            outlines=outlines,
        )


_VISIBLE = ("foci", "negative")
"""Scenes of slides out of focus: with tumour, and without."""

PROFILES: tuple[BenchProfile, ...] = (
    BenchProfile("scanner-025", "scanner with 0.25 um pixels"),
    BenchProfile("scanner-050", "scanner with 0.5 um pixels", x_um=0.5, side_um=3072.0),
    BenchProfile("unequal-xy", "pixels of 0.25 x 0.26 um", y_um=0.26),
    BenchProfile("weak-dab", "weak DAB", look="weak-dab"),
    BenchProfile("pale-dab", "pale DAB", look="pale-dab"),
    BenchProfile("dark-dab", "very dark DAB", look="dark-dab"),
    BenchProfile("strong-counterstain", "strong haematoxylin", look="strong-counterstain"),
    BenchProfile("weak-counterstain", "weak haematoxylin", look="weak-counterstain"),
    BenchProfile("warm-glass", "yellowish light", look="warm-glass"),
    BenchProfile("cold-glass", "bluish light", look="cold-glass"),
    BenchProfile("grey-glass", "dim light", look="grey-glass"),
    BenchProfile("jpeg-50", "JPEG quality 50", quality=50),
    BenchProfile("blurred", "slightly out of focus", look="blurred"),
    BenchProfile("displaced", "red and blue of the scan a pixel apart", x_um=0.5, side_um=3072.0, look="displaced"),
    BenchProfile("thick", "thick section", look="thick"),
    BenchProfile("other-stain", "other vectors of haematoxylin and DAB", look="other-stain"),
    BenchProfile("large", "metastases of more than 2 mm", ("foci", "default", "macro"), x_um=0.5, side_um=4096.0),
    BenchProfile("large-025", "the same with 0.25 um pixels", side_um=3648.0),
    BenchProfile("dots", "dot-like perinuclear keratin", ("dots",)),
    BenchProfile("membranous", "membranous keratin", ("membranous",)),
    BenchProfile("lobular", "dispersed single cells over more than 2 mm", ("lobular",), side_um=3072.0),
    BenchProfile("desmoplastic", "nests parted by septa of 15 to 40 um", ("desmoplastic",)),
    BenchProfile("serial", "several nodes and serial cuts", ("serial",), x_um=0.5, side_um=3072.0),
    BenchProfile("control", "control tissue beside the node", ("control",)),
    BenchProfile("mimics", "tumour beside what looks like it", ("mimics",)),
    BenchProfile("aec", "AEC as the chromogen", look="aec", settings=AEC),
    BenchProfile("fast-red", "Fast Red as the chromogen", look="fast-red", settings=FAST_RED),
    BenchProfile("negative", "no tumour", ("negative",)),
    BenchProfile("negative-displaced", "no tumour, red and blue apart", ("negative",), x_um=0.5, look="displaced"),
    BenchProfile("negative-mimics", "no tumour, and what looks like it", ("negative-mimics",)),
    BenchProfile("failed-stain", "nothing is stained, control tissue neither", ("control",), look="failed-stain"),
    BenchProfile("half-blurred", "half of the scan out of focus", _VISIBLE, look="half-blurred"),
    BenchProfile("out-of-focus", "all of the scan out of focus", _VISIBLE, look="out-of-focus"),
    BenchProfile("he", "haematoxylin and eosin", ("he",)),
    BenchProfile("empty", "bare glass", ("empty",)),
    BenchProfile("blood", "few small foci among red cells", ("blood",)),
    BenchProfile("negative-blood", "no tumour, red cells all over", ("negative-blood",)),
)
"""All profiles; the slides of a run are drawn from them in turn.

A failed stain is drawn with control tissue: without any, it cannot be told from a slide without tumour.
"""

_NEGATIVE_LOOKS = ("default", "strong-counterstain", "weak-counterstain", "warm-glass", "grey-glass", "thick")
_NEGATIVE_SPACINGS = (0.25, 0.5)
_NEGATIVE_SCENES = ("negative-mimics", "negative")


@dataclass(frozen=True, slots=True)
class BenchSlide:
    """One slide of a run.

    Parameters
    ----------
    profile : str
        Of the benchmark.
    spec : SampleSpec
    settings : mapping
        Of the program.
    is_negative_batch : bool
        Whether it is one of the many small slides without tumour.
    """

    profile: str
    spec: SampleSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_negative_batch: bool = False

    @property
    def name(self) -> str:
        """Unique in a run."""
        return f"{self.profile}-{self.spec.seed}"


@dataclass(frozen=True, slots=True)
class Request:
    """What a run was asked for.

    Parameters
    ----------
    slides : int
        Besides the negative batch, which grows with it.
    seed : int
        Of the first slide.
    profiles : tuple of str
        Only these, without a negative batch; all of them where empty.
    side_px : int or None
        Of all slides, instead of each profile's own.
    outlines : Path or None
        Real outlines for the foci.
    """

    slides: int = DEFAULT_SLIDES
    seed: int = FIRST_SEED
    profiles: tuple[str, ...] = ()
    side_px: int | None = None
    outlines: Path | None = None

    def __post_init__(self) -> None:
        if self.slides < 1:
            raise ConfigError(f"a benchmark of {self.slides} slides, expected at least 1")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative; pass 0 or more")
        if self.outlines is not None and not self.outlines.is_file():
            raise ConfigError(f"there is no file of outlines {self.outlines}")
        known = [profile.name for profile in PROFILES]
        for name in self.profiles:
            if name not in known:
                nearest = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                raise ConfigError(f"unknown bench profile {name!r}, expected some of {', '.join(known)}{hint}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The slides of a run in their order, and the profiles for which there were too few slides."""

    slides: tuple[BenchSlide, ...]
    left_out: tuple[str, ...]


def plan(request: Request) -> Plan:
    """Deal the slides out over the profiles, one each before any gets a second.

    A slide's seed depends on its profile and turn alone, so that a run over few profiles draws the same ones.
    """
    chosen = [(index, profile) for index, profile in enumerate(PROFILES)
              if profile.name in request.profiles or not request.profiles]  # fmt: skip
    slides = []
    for number in range(request.slides):
        turn, place = divmod(number, len(chosen))
        index, profile = chosen[place]
        seed = request.seed + turn * SEEDS_A_TURN + index
        spec = profile.spec(seed, turn, request.side_px, request.outlines)
        slides.append(BenchSlide(profile.name, spec, profile.settings))
    left_out = tuple(profile.name for _, profile in chosen[request.slides :])
    if not request.profiles:
        slides += _negatives(request)
    return Plan(tuple(slides), left_out)


def _negatives(request: Request) -> Sequence[BenchSlide]:
    """Small slides without tumour, with and without mimics, under several stains and both scanners."""
    count = round(request.slides * NEGATIVES_A_SLIDE)
    first_seed = request.seed + ceil(request.slides / len(PROFILES)) * SEEDS_A_TURN
    slides = []
    for number in range(count):
        profile = BenchProfile(
            NEGATIVE_BATCH,
            "no tumour",
            (_NEGATIVE_SCENES[number % 2],),
            look=_NEGATIVE_LOOKS[number // 4 % len(_NEGATIVE_LOOKS)],
            x_um=_NEGATIVE_SPACINGS[number // 2 % 2],
        )
        spec = profile.spec(first_seed + number, 0, request.side_px or NEGATIVE_SIDE_PX)
        slides.append(BenchSlide(NEGATIVE_BATCH, spec, is_negative_batch=True))
    return slides
