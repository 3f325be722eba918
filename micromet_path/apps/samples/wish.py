"""One thing that a slide is to hold, before it has a place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi

__all__ = ["Wish"]


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing to place, or one family of things.

    Parameters
    ----------
    kind : str
        Name in the truth.
    form : str
        ``blob``, ``ribbon``, ``group``, ``cell``, ``pair``, ``chain``, ``dots``, ``perinuclear`` (dots
        beside nuclei), ``desmoplastic``, ``lobular`` or ``specks``.
    length_um : float
        Maximum diameter to reach (blob, ribbon, each of a pair), extent (dots) or side of the box
        (specks); 0 where the cells decide.
    width_um : float
        Of blobs and ribbons.
    n_cells : int
        Of groups and chains; dots.
    gap_um : float
        Between neighbours of a pair or chain.
    anchor : str
        ``free``, ``corner`` (on the corner of four tiles), ``seam`` (on the seam of two) or
        ``offgrid`` (its box begins at a prime column and row).
    pattern : str
        How its cells stain: ``cytoplasmic`` or ``membranous`` (blobs, groups and cells).
    where : str
        Tissue it must lie on: ``patient`` (any but control), ``control``, or ``node 1`` (its first cut).
    """

    kind: str
    form: str
    length_um: float = 0.0
    width_um: float = 0.0
    n_cells: int = 1
    gap_um: float = 0.0
    anchor: str = "free"
    pattern: str = "cytoplasmic"
    where: str = "patient"

    @property
    def strong(self) -> bool:
        """Whether it stains as strongly as control tissue is chosen to."""
        return self.where == "control"

    def at(self, where: str) -> Wish:
        """The same elsewhere."""
        return replace(self, where=where)

    @property
    def area_um2(self) -> float:
        """Rough stained area."""
        if self.form in ("blob", "ribbon", "pair"):
            return self.length_um * self.width_um * (2 if self.form == "pair" else 1) * pi / 4 * 0.85
        return 0.0 if self.form in ("dots", "perinuclear", "specks") else 220.0 * self.n_cells
