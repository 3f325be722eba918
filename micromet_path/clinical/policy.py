"""The numbers and lists by which a finding is made: limits of the classes, and what counts."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite

from micromet_path.errors import ConfigError

__all__ = ["DECIDING_STRENGTH", "DEFAULTS", "SENSITIVE_GAPS_UM", "ClassifyParams"]

DECIDING_STRENGTH = 0.5
"""A flag at this strength or above decides whether a cluster counts; a weaker one only explains."""

SENSITIVE_GAPS_UM = (7.0, 50.0)
"""A higher class at a gap in this range, both ends included, makes a finding sensitive to contiguity."""


KNOWN_FLAGS = frozenset(
    {
        "blur",
        "deposit",
        "dot_pattern",
        "edge_haze",
        "floater",
        "fold",
        "fringe",
        "granular",
        "haze_bridge",
        "ink",
        "leucocyte_like",
        "mixed",
        "no_nuclei",
        "off_tissue",
        "pigment_hue",
        "pigment_like",
        "plasma_like",
        "precipitate",
        "red_cell_like",
        "scan_edge",
        "stellate",
        "sub_cellular",
        "tissue_edge",
        "weak",
    }
)
"""Every flag that a cluster can carry, of this version or of the counting policy's vocabulary."""


@dataclass(frozen=True, slots=True)
class ClassifyParams:
    """Limits and counting policy; section ``[classify]`` of the configuration.

    Parameters
    ----------
    itc_limit_um, micro_limit_um : float
        Largest isolated tumour cells and largest micrometastasis, each still inside its class (AJCC 8, 2017).
    near_limit_share : float
        A size this near to a limit, as a share of the limit, is marked.
    cell_limit : float
        More cells than this in one profile are a micrometastasis (AJCC 8, 2017: a guideline).
    near_cells_share : float
        An estimate this near to the cell limit, as a share of it, is marked.
    diffuse_extent_um : float
        Dispersed cells, more than `cell_limit`, over more than this are marked as a diffuse pattern, after
        the College of American Pathologists' answer on lobular involvement (CAP Today, July 2003). Our number.
    minimum_coverage, minimum_in_focus : float
        Share of the tissue that a negative must have read and in focus. Our numbers.
    minimum_tissue_mm2 : float
        Less tissue than this cannot be assessed. Our number: a square of 0.1 mm is a crumb, not a section.
    not_counted_flags, doubtful_flags : tuple of str
        Flags that keep a cluster out of the finding, and flags that make it doubtful. ``sub_cellular`` does
        not keep out what is gathered in a ``dot_pattern``.

    Raises
    ------
    ConfigError
        If a limit is not above 0, the limits are out of order, a share is outside 0..1, or a flag is in both lists.
    """

    itc_limit_um: float = 200.0
    micro_limit_um: float = 2000.0
    near_limit_share: float = 0.10
    cell_limit: float = 200.0
    near_cells_share: float = 0.20
    diffuse_extent_um: float = 2000.0
    minimum_coverage: float = 0.98
    minimum_in_focus: float = 0.98
    minimum_tissue_mm2: float = 0.01
    not_counted_flags: tuple[str, ...] = (
        "pigment_like",
        "pigment_hue",
        "off_tissue",
        "ink",
        "sub_cellular",
        "edge_haze",
        "deposit",
        "red_cell_like",
        "fringe",
    )
    doubtful_flags: tuple[str, ...] = (
        "weak",
        "fold",
        "tissue_edge",
        "blur",
        "floater",
        "stellate",
        "dot_pattern",
        "haze_bridge",
        "mixed",
        "precipitate",
        "granular",
        "plasma_like",
        "leucocyte_like",
        "no_nuclei",
    )

    def __post_init__(self) -> None:
        if not 0 < self.itc_limit_um < self.micro_limit_um < float("inf"):
            raise ConfigError(
                "[classify] needs 0 < itc_limit_um < micro_limit_um, "
                f"found {self.itc_limit_um:g} and {self.micro_limit_um:g}"
            )
        for name in ("cell_limit", "diffuse_extent_um", "minimum_tissue_mm2"):
            if not (isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ConfigError(f"[classify] {name} must be above 0, found {getattr(self, name)}")
        for name in ("near_limit_share", "near_cells_share", "minimum_coverage", "minimum_in_focus"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"[classify] {name} is a share from 0 to 1, found {getattr(self, name)}")
        for name in (*self.not_counted_flags, *self.doubtful_flags):
            if name not in KNOWN_FLAGS:
                near = get_close_matches(name, sorted(KNOWN_FLAGS), n=1, cutoff=0.0)[0]
                raise ConfigError(f"[classify] there is no flag {name}; did you mean {near}?")
        if both := set(self.not_counted_flags) & set(self.doubtful_flags):
            raise ConfigError(
                f"[classify] {', '.join(sorted(both))} is in not_counted_flags and in doubtful_flags; keep it in one"
            )

    @property
    def size_limits_um(self) -> tuple[float, float]:
        """Both category limits of size."""
        return self.itc_limit_um, self.micro_limit_um


DEFAULTS = ClassifyParams()
"""The policy without a configuration."""
