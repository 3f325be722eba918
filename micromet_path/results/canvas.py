"""Marks on pictures: lines that are seen on brown, blue and white alike, words, scale bars.

Marks are drawn into masks of twice the size and laid over the picture once, so that edges are smooth
and a thousand clusters cost no more than one.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from functools import cache
from math import floor, inf, log10
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, Region
from micromet_path.results.palette import Rgb

if TYPE_CHECKING:
    from PIL import Image, ImageFont

__all__ = [
    "BLACK",
    "DARK",
    "WHITE",
    "Marks",
    "Scaled",
    "dashed",
    "font",
    "printable",
    "scale_bar",
    "shortened",
    "words",
]

Points = NDArray[np.floating] | NDArray[np.integer]

DARK: Rgb = (33, 33, 33)
WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (0, 0, 0)
_OVERSAMPLED = 2
_BORDER, _STROKE = 0, 1
_MARGIN = 8
_FOUR_PIXELS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])


class Scaled:
    """A picture's place on the slide: level-0 points to points of an image that shows it."""

    def __init__(self, region: Region, size: tuple[int, int]) -> None:
        self._corner = np.array([region.x0, region.y0])
        self.factors = np.array([size[0] / max(region.width, 1), size[1] / max(region.height, 1)])

    def __call__(self, points_px0: Points) -> NDArray[np.float64]:
        """Points (x, y) on the image."""
        placed: NDArray[np.float64] = (points_px0 - self._corner) * self.factors
        return placed


class Marks:
    """Strokes collected by colour, laid over an image at once by `lay_over`.

    Each stroke has a border, which is what keeps it apart from stain of its own colour.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._layers: defaultdict[tuple[int, Rgb], _Layer] = defaultdict(_Layer)

    def line(self, points: Points, colour: Rgb, width: float = 1.5, border: Rgb = WHITE) -> None:
        """A line through (N, 2) points, with a border of one pixel."""
        fine = np.asarray(points, np.float64) * _OVERSAMPLED
        self._layers[_BORDER, border].add_line(fine, round((width + 2) * _OVERSAMPLED))
        self._layers[_STROKE, colour].add_line(fine, round(width * _OVERSAMPLED))

    def dots(self, points: Points, colour: Rgb) -> None:
        """Points that are too small for an outline."""
        if len(points):
            self._layers[_STROKE, colour].add_dots(np.asarray(points, np.float64) * _OVERSAMPLED)

    def circle(self, centre: Points, radius: float, colour: Rgb, is_dashed: bool = False) -> None:
        """A ring, dashed or not."""
        (x, y), reach = (np.asarray(centre) * _OVERSAMPLED).tolist(), radius * _OVERSAMPLED
        wide = reach + _OVERSAMPLED
        self._layers[_BORDER, WHITE].add_ring((x - wide, y - wide, x + wide, y + wide), 3.5, is_dashed)
        self._layers[_STROKE, colour].add_ring((x - reach, y - reach, x + reach, y + reach), 1.5, is_dashed)

    def lay_over(self, image: Image.Image) -> None:
        """Put the strokes on an image of the size given: all borders first, one mask at a time."""
        from PIL import Image, ImageDraw

        for (_, colour), layer in sorted(self._layers.items(), key=lambda item: item[0]):
            x0, y0, x1, y1 = (value / _OVERSAMPLED for value in layer.reach)
            left, top = max(0, int(x0) - _MARGIN), max(0, int(y0) - _MARGIN)
            right, bottom = min(image.width, int(x1) + _MARGIN), min(image.height, int(y1) + _MARGIN)
            if left >= right or top >= bottom:
                continue
            mask = Image.new("L", (self._size[0] * _OVERSAMPLED, self._size[1] * _OVERSAMPLED))
            layer.draw_on(ImageDraw.Draw(mask))
            box = (left * _OVERSAMPLED, top * _OVERSAMPLED, right * _OVERSAMPLED, bottom * _OVERSAMPLED)
            image.paste(colour, (left, top, right, bottom), mask.reduce(_OVERSAMPLED, box))


class _Layer:
    """Strokes of one colour on the finer grid of masks, as plain numbers: a slide may have a hundred thousand."""

    def __init__(self) -> None:
        self.reach = [inf, inf, -inf, -inf]
        self._lines: list[tuple[Points, int]] = []
        self._dots: list[Points] = []
        self._rings: defaultdict[tuple[float, bool], array[float]] = defaultdict(lambda: array("d"))

    def add_line(self, points: NDArray[np.float64], width: int) -> None:
        self._reach_to_all(points)
        self._lines.append((points, width))

    def add_dots(self, points: NDArray[np.float64]) -> None:
        self._reach_to_all(points)
        self._dots.append(points)

    def add_ring(self, box: tuple[float, float, float, float], width: float, is_dashed: bool) -> None:
        self._reach_to(*box)
        self._rings[width, is_dashed].extend(box)

    def _reach_to_all(self, points: NDArray[np.float64]) -> None:
        self._reach_to(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())

    def _reach_to(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """What is drawn on is remembered, the rest need not be laid over."""
        reach = self.reach
        reach[:] = min(reach[0], x0), min(reach[1], y0), max(reach[2], x1), max(reach[3], y1)

    def draw_on(self, draw: Any) -> None:
        """Draw everything."""
        for points, width in self._lines:
            draw.line(points.ravel().tolist(), fill=255, width=width)
        for points in self._dots:
            draw.point((points[:, None] + _FOUR_PIXELS).ravel().tolist(), fill=255)
        for (ring_width, is_dashed), boxes in self._rings.items():
            starts, length = (range(0, 360, 60), 36) if is_dashed else (range(1), 360)
            for first in range(0, len(boxes), 4):
                box = boxes[first : first + 4].tolist()
                for start in starts:
                    draw.arc(box, start, start + length, fill=255, width=round(ring_width * _OVERSAMPLED))


def dashed(points: NDArray[np.float64], dash: float = 6.0) -> list[NDArray[np.float64]]:
    """Stretches of a line with gaps between them.

    Parameters
    ----------
    points : ndarray of shape (N, 2)
    dash : float
        Length of a stretch; a gap is as long.

    Examples
    --------
    >>> [stretch[[0, -1], 0].tolist() for stretch in dashed(np.array([[0.0, 0.0], [18.0, 0.0]]))]
    [[0.0, 6.0], [12.0, 18.0]]
    """
    if len(points) < 2:
        return []
    steps = np.hypot(*np.diff(points, axis=0).T)
    pieces = np.maximum(1, np.ceil(steps / (dash / 2)).astype(int))
    at = np.repeat(np.arange(len(steps)), pieces)
    share = (np.arange(len(at)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[at]
    fine = np.concatenate([points[at] + share[:, None] * (points[at + 1] - points[at]), points[-1:]])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(fine, axis=0).T))])
    number = (length[:-1] / dash + 1e-9).astype(int)
    cuts = np.flatnonzero(np.diff(number)) + 1
    return [
        fine[first : last + 1]
        for first, last in zip([0, *cuts], [*cuts, len(number)], strict=True)
        if number[first] % 2 == 0
    ]


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow, so that pictures look alike on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def printable(text: str) -> str:
    """Text in the characters the font has; accents are dropped, other scripts become question marks.

    Examples
    --------
    >>> printable("Śrem 切片.svs")
    'Srem ??.svs'
    """
    plain = "".join(character for character in normalize("NFKD", text) if not 0x300 <= ord(character) < 0x370)
    return "".join(character if " " <= character <= "~" else "?" for character in plain)


def shortened(text: str, size: int, width: float) -> str:
    """Text cut so that it fits a width."""
    face = font(size)
    text = printable(text)
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


def words(
    draw: Any, at: tuple[float, float], text: str, size: int, colour: Rgb = DARK, anchor: str = "la", halo: int = 0
) -> None:
    """Print text, with a halo where it stands on tissue."""
    draw.text(at, printable(text), font=font(size), fill=colour, anchor=anchor, stroke_width=halo, stroke_fill=WHITE)


def scale_bar(draw: Any, corner: tuple[float, float], width: float, spacing: PixelSpacing) -> None:
    """Draw a scale bar up from a lower left corner.

    Parameters
    ----------
    draw : ImageDraw
    corner : (x, y)
    width : float
        Most pixels it may take.
    spacing : PixelSpacing
        Of the image drawn on.
    """
    length_um = _round_length(width * spacing.x_um)
    length = length_um / spacing.x_um
    text = f"{length_um:g} um" if length_um < 100 else f"{length_um / 1000:g} mm"
    x, y = corner
    size = 15
    across = max(length, font(size).getlength(text))
    draw.rectangle((x, y - 34, x + across + 16, y), fill=WHITE, outline=(150, 150, 150))
    left = x + 8 + (across - length) / 2
    draw.line((left, y - 8, left + length, y - 8), fill=DARK, width=3)
    for end in (left, left + length):
        draw.line((end, y - 12, end, y - 4), fill=DARK, width=1)
    words(draw, (x + 8 + across / 2, y - 14), text, size, anchor="md")


def _round_length(most_um: float) -> float:
    """1, 2 or 5 times a power of ten, at most as long as given.

    Examples
    --------
    >>> [_round_length(most) for most in (1.0, 49.0, 730.0)]
    [1.0, 20.0, 500.0]
    """
    power = 10.0 ** floor(log10(max(most_um, 1e-9)))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most_um * (1 + 1e-9))
