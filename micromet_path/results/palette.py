"""Names and colours of categories; the colours are Okabe and Ito's (2008), told apart by colour-blind eyes."""

from __future__ import annotations

from micromet_path.clinical.wording import interval, millimetres
from micromet_path.model import Category, Counting

__all__ = ["AXIS", "COLOURS", "NAMES", "NOT_COUNTED", "Rgb", "cluster_name", "interval_mm", "length_mm"]

Rgb = tuple[int, int, int]

COLOURS: dict[Category, Rgb] = {
    Category.MACROMETASTASIS: (213, 94, 0),
    Category.MICROMETASTASIS: (0, 114, 178),
    Category.ITC: (0, 158, 115),
    Category.NEGATIVE: (90, 90, 90),
    Category.NOT_ASSESSABLE: (90, 90, 90),
}
NOT_COUNTED: Rgb = (70, 70, 70)
AXIS: Rgb = (240, 228, 66)

NAMES: dict[Category, str] = {
    Category.MACROMETASTASIS: "Macrometastasis",
    Category.MICROMETASTASIS: "Micrometastasis",
    Category.ITC: "Isolated tumour cells",
    Category.NEGATIVE: "Negative",
    Category.NOT_ASSESSABLE: "Not assessable",
}


def cluster_name(category: Category, counting: Counting) -> str:
    """What a cluster is called: one that is not counted is not called by a category.

    Examples
    --------
    >>> cluster_name(Category.ITC, Counting.DOUBTFUL), cluster_name(Category.ITC, Counting.NOT_COUNTED)
    ('Isolated tumour cells', 'Not counted')
    """
    return "Not counted" if counting is Counting.NOT_COUNTED else NAMES[category]


def length_mm(size_um: float | None, is_minimum: bool = False) -> str:
    """Print a length in millimetres, never on the wrong side of a limit.

    Examples
    --------
    >>> length_mm(183.2), length_mm(200.4), length_mm(2310.0, is_minimum=True), length_mm(None)
    ('0.18 mm', '0.2004 mm', '>= 2.31 mm', 'size unknown')
    """
    if size_um is None:
        return "size unknown"
    return f"{'>= ' if is_minimum else ''}{millimetres(size_um)} mm"


def interval_mm(low_um: float, high_um: float) -> str:
    """Print a size interval, with more decimals where two would print one number twice.

    Examples
    --------
    >>> interval_mm(178.0, 190.0), interval_mm(41.2, 44.1)
    ('0.18-0.19 mm', '0.041-0.044 mm')
    """
    return f"{interval(low_um, high_um)} mm"
