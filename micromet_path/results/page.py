"""What every page shares: its template, signs as they are set in print, colours and pictures inside the page.

A page loads nothing and runs nothing: pictures are data URIs, and its content policy forbids the rest.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from io import BytesIO
from math import floor, isfinite
from typing import TYPE_CHECKING, Any

from micromet_path.model import CellEstimate
from micromet_path.results.palette import Rgb

if TYPE_CHECKING:
    from jinja2 import Template
    from PIL import Image

__all__ = ["cells_text", "css", "data_uri", "fill_template", "load_template", "typeset"]

_JPEG_QUALITY = 85
_GUIDELINE_CELLS = 200


def fill_template(name: str, **content: Any) -> str:
    """A page from one of the package's templates; every text in it is escaped."""
    return load_template(name).render(**content)


@cache
def load_template(name: str) -> Template:
    """One of the package's templates, compiled once a process."""
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    source = files("micromet_path.results").joinpath("templates", name).read_text(encoding="utf-8")
    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    page.filters["typeset"] = typeset
    return page.from_string(source)


def css(colour: Rgb) -> str:
    """A colour as style sheets name it."""
    return "rgb({}, {}, {})".format(*colour)


def typeset(text: str) -> str:
    """Signs as they are set in print, where they belong to a number.

    Examples
    --------
    >>> typeset(">= 0.11 mm, 15 um apart, 3.1 mm2")
    '≥ 0.11 mm, 15 µm apart, 3.1 mm²'
    """
    text = re.sub(r">= (?=\d)", "≥ ", text)
    text = re.sub(r"(?<=\d )um\b|(?<=copies/)uL\b", lambda unit: f"µ{unit[0][1:]}", text)
    return re.sub(r"(?<=\d mm)2\b", "²", text)


def cells_text(cells: CellEstimate, is_counted: bool = False) -> str:
    """A number of cells, with its interval where it is an estimate, never printed onto the guideline from above it.

    Examples
    --------
    >>> cells_text(CellEstimate(120.2, 78.0, 200.4)), cells_text(CellEstimate(140, 140, 140), is_counted=True)
    ('120 (78-201)', '140')
    """
    if not all(isfinite(number) for number in (cells.value, cells.low, cells.high)):
        return "unknown"
    value, low, high = (_whole(number) for number in (cells.value, cells.low, cells.high))
    return value if is_counted or value == high else f"{value} ({low}-{high})"


def _whole(cells: float) -> str:
    """Whole cells, on their side of the guideline."""
    if 0 < cells < 1:
        return "<1"
    rounded = round(cells)
    return str(floor(cells) + 1 if rounded <= _GUIDELINE_CELLS < cells else rounded)


def data_uri(image: Image.Image) -> str:
    """An image inside the page."""
    stream = BytesIO()
    image.save(stream, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{b64encode(stream.getvalue()).decode('ascii')}"
