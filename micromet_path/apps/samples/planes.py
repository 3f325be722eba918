"""The dyes and pigments of a drawn slide: one plane of amounts each, and the colour it has in light.

Amounts are bytes, one unit being 0.005 of density along the unit vector of a colour (of carbon and
shade: in every channel). The slide's look scales haematoxylin and chromogen as a whole on their way
into light, so that painters need not know it.
"""

from __future__ import annotations

__all__ = ["BLOOD", "CHROMOGEN", "COLOURS", "HAEM", "HAEMOSIDERIN", "INK", "MELANIN", "NEUTRAL", "N_PLANES", "UNIT_OD"]

UNIT_OD = 0.005

HAEM, CHROMOGEN, NEUTRAL, MELANIN, HAEMOSIDERIN, INK, BLOOD = range(7)
"""Rows of a block of planes, shape (N_PLANES, rows, columns): haematoxylin, DAB (or eosin), carbon and shade ..."""
N_PLANES = 7

COLOURS = {
    MELANIN: (0.46, 0.57, 0.68),  # brown-black: absorbs blue most, but red nearly as much
    HAEMOSIDERIN: (0.17, 0.44, 0.88),  # golden brown: hardly any red
    BLOOD: (0.21, 0.53, 0.82),  # haemoglobin with what peroxidase is left in it: a pale DAB, a little more orange
}
"""Absorbance of the pigments in red, green and blue; that of the dyes and of ink depends on the slide's look."""
