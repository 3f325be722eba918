"""The overview of a slide and the crops of its largest clusters, drawn for a pathologist's eye.

Colours tell the category (Okabe and Ito 2008), dashes and grey what is not counted, numbers the
clusters. The tissue under a mark stays visible: lines are thin, words stand beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.wording import readable
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Analysis, Category, Clusters, Counting, Picture, Piece, Role
from micromet_path.results.canvas import BLACK, DARK, WHITE, Marks, Scaled, dashed, font, scale_bar, shortened, words
from micromet_path.results.palette import (
    AXIS,
    COLOURS,
    NAMES,
    NOT_COUNTED,
    Rgb,
    cluster_name,
    interval_mm,
    length_mm,
)
from micromet_path.results.shapes import ClusterShapes

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]

__all__ = ["CROP_PX", "HEADER_PX", "LEGEND_PX", "crop", "framed", "overview"]

NUMBERED = 24
"""Clusters that are large enough in the ranking to carry their number on the overview."""

_LEAST_SIDE_PX = 800
_LEAST_WIDTH_PX = 900
HEADER_PX, LEGEND_PX = 64, 62
_RING_PX, _SMALL_RING_PX = 11.0, 5.0
CROP_PX = 512
"""Side of the tissue in a crop; its caption stands below."""

_CAPTION_PX = 66
_BROWN_PX = 240
_SMALLEST_HOLE_PX, _SMALLEST_PART_PX = 18.0, 2.0
_NUMBER_SIZE = 19
_FAINT: Rgb = (95, 95, 95)
_BLURRED: Rgb = (120, 60, 170)


def overview(analysis: Analysis, shapes: ClusterShapes, picture: Picture) -> Image.Image:
    """Draw the slide with its clusters, pieces, a legend and a scale bar.

    Parameters
    ----------
    analysis : Analysis
    shapes : ClusterShapes
        Of its clusters.
    picture : Picture
        The one named ``overview``.

    Returns
    -------
    Image
        Largest clusters with their numbers; those too small to be seen in a ring.
    """
    from PIL import Image, ImageDraw

    tissue = _enlarged(picture.rgb)
    place = Scaled(picture.region, tissue.size)
    _tint_blurred(tissue, analysis.scan.out_of_focus_px0, place)
    taken = _draw_pieces(tissue, analysis.pieces, place)
    marks = Marks(tissue.size)
    numbers = _mark_clusters(marks, analysis.clusters, shapes, place)
    marks.lay_over(tissue)
    draw = ImageDraw.Draw(tissue)
    _number_clusters(draw, tissue.size, numbers, taken)
    spacing = _spacing_of(place, analysis.slide.spacing)
    scale_bar(draw, (10, tissue.height - 10), max(90.0, tissue.width / 6), spacing)
    width = max(tissue.width, _LEAST_WIDTH_PX)
    sheet = Image.new("RGB", (width, HEADER_PX + tissue.height + LEGEND_PX), WHITE)
    sheet.paste(tissue, ((width - tissue.width) // 2, HEADER_PX))
    draw = ImageDraw.Draw(sheet)
    _head(draw, analysis, width)
    _legend(draw, analysis, sheet.size)
    return sheet


def crop(analysis: Analysis, shapes: ClusterShapes, picture: Picture, row: int) -> Image.Image:
    """Draw one cluster with its outline, its measured line and a caption.

    Parameters
    ----------
    analysis : Analysis
    shapes : ClusterShapes
    picture : Picture
        Of this cluster.
    row : int
        Row of ``analysis.clusters``.
    """
    from PIL import Image, ImageDraw

    clusters = analysis.clusters
    tissue = Image.fromarray(np.ascontiguousarray(picture.rgb))
    if tissue.size != (CROP_PX, CROP_PX):
        tissue = tissue.resize((CROP_PX, CROP_PX), Image.Resampling.BICUBIC)
    place = Scaled(picture.region, tissue.size)
    marks = Marks(tissue.size)
    _outline(marks, clusters, shapes, place, row)
    axis = place(clusters.axis_px0[row])
    size = length_mm(float(clusters.max_diameter_um[row]), bool(clusters.size_is_minimum[row]))
    _measured_line(marks, axis)
    marks.lay_over(tissue)
    _label_line(tissue, axis, size)
    spacing = _spacing_of(place, analysis.slide.spacing)
    scale_bar(ImageDraw.Draw(tissue), (8, CROP_PX - 8), CROP_PX / 4, spacing)
    sheet = Image.new("RGB", (CROP_PX, CROP_PX + _CAPTION_PX), WHITE)
    sheet.paste(tissue, (0, 0))
    _caption(ImageDraw.Draw(sheet), clusters, row, size)
    return sheet


def framed(picture: Picture, bbox_px0: tuple[int, int, int, int]) -> Image.Image:
    """Draw a small picture with a frame around the thing it is about.

    Parameters
    ----------
    picture : Picture
    bbox_px0 : tuple of int
        Of the thing.
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture.rgb))
    factor = _BROWN_PX / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    image = image.resize(size, Image.Resampling.BICUBIC)
    place, marks = Scaled(picture.region, size), Marks(size)
    x0, y0, x1, y1 = place(np.array(bbox_px0).reshape(2, 2)).ravel() + (-3, -3, 3, 3)
    marks.line(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]), BLACK, width=1.0)
    marks.lay_over(image)
    return image


def _enlarged(rgb: NDArray[np.uint8]) -> Image.Image:
    """The picture, enlarged where it is too small to draw on."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(rgb))
    factor = max(1.0, _LEAST_SIDE_PX / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def _spacing_of(place: Scaled, spacing: PixelSpacing) -> PixelSpacing:
    """Scale of an image that shows a part of the slide."""
    across, down = place.factors.tolist()
    return PixelSpacing(spacing.x_um / across, spacing.y_um / down)


def _draw_pieces(image: Image.Image, pieces: tuple[Piece, ...], place: Scaled) -> list[Box]:
    """A faint frame around each piece, hatched where it stays out of the finding; returns where names stand."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image, "RGBA")
    names: list[Box] = []
    for piece in pieces:
        x0, y0, x1, y1 = place(np.array(piece.bbox_px0).reshape(2, 2)).ravel().tolist()
        if piece.role in (Role.CONTROL, Role.EXCLUDE):
            _hatch(draw, (x0, y0, x1, y1))
        draw.rectangle((x0, y0, x1, y1), outline=(*_FAINT, 130))
        role = "" if piece.role is Role.UNKNOWN else f" ({piece.role.value})"
        text_y = y0 - 21 if y0 > 24 else y0 + 4
        name = f"Piece {piece.id}{role}"
        words(draw, (x0 + 3, text_y), name, 16, _FAINT, halo=2)
        names.append((x0 + 3, text_y, x0 + 3 + font(16).getlength(name), text_y + 18))
    return names


def _tint_blurred(image: Image.Image, regions: tuple[Region, ...], place: Scaled) -> None:
    """A violet veil over tissue that is out of focus; the legend names it."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image, "RGBA")
    for region in regions:
        corners = np.array([[region.x0, region.y0], [region.x1, region.y1]], float)
        x0, y0, x1, y1 = np.rint(place(corners)).ravel().tolist()
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), fill=(*_BLURRED, 70))


def _hatch(draw: Any, box: Box) -> None:
    """Slanted lines inside a box."""
    x0, y0, x1, y1 = box
    for shift in np.arange(x0 - (y1 - y0), x1, 14.0).tolist():
        first, last = max(shift, x0), min(shift + y1 - y0, x1)
        draw.line((first, y0 + first - shift, last, y0 + last - shift), fill=(*_FAINT, 70))


def _colour_of(clusters: Clusters, row: int) -> tuple[Rgb, bool]:
    """Colour of a cluster, and whether it is dashed."""
    if clusters.counting[row] is Counting.NOT_COUNTED:
        return NOT_COUNTED, True
    return COLOURS[clusters.category[row]], False


def _mark_clusters(
    marks: Marks, clusters: Clusters, shapes: ClusterShapes, place: Scaled
) -> list[tuple[int, Rgb, NDArray[np.float64]]]:
    """Outline what can be seen, ring what cannot, the smallest first; where the numbers go."""
    boxes = place(clusters.bbox_px0.reshape(-1, 2)).reshape(-1, 4)
    extent = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) if len(boxes) else np.zeros(0)
    numbers = []
    for row in range(len(clusters) - 1, -1, -1):
        colour, is_dashed = _colour_of(clusters, row)
        centre, box = (boxes[row, :2] + boxes[row, 2:]) / 2, boxes[row]
        if extent[row] >= 2 * _RING_PX:
            _outline(marks, clusters, shapes, place, row)
            # Beside the upper end of the measured line: a corner of a large box may be far from the cluster.
            ends = place(clusters.axis_px0[row])
            end = ends[int(np.argmin(ends[:, 1]))]
            box = np.concatenate([end - 4, end + 4])
        else:
            radius = _RING_PX if row < NUMBERED else _SMALL_RING_PX
            marks.circle(centre, radius, colour, is_dashed)
            box = np.concatenate([centre - radius, centre + radius])
        if row < NUMBERED:
            numbers.append((row + 1, colour, box))
    return numbers[::-1]


def _outline(marks: Marks, clusters: Clusters, shapes: ClusterShapes, place: Scaled, row: int) -> None:
    """Draw a cluster's rings, holes only where they are large enough not to hide the tissue."""
    points, offsets, is_hole = shapes.of(row)
    if not len(points):
        return
    colour, is_dashed = _colour_of(clusters, row)
    begins = offsets[:-1]
    extent = (np.maximum.reduceat(points, begins) - np.minimum.reduceat(points, begins)) * place.factors
    longest = extent.max(axis=1)
    marks.dots(place(points[begins[~is_hole & (longest < _SMALLEST_PART_PX)]]), colour)
    for ring in np.flatnonzero(longest >= np.where(is_hole, _SMALLEST_HOLE_PX, _SMALLEST_PART_PX)).tolist():
        at = np.rint(2 * place(points[offsets[ring] : offsets[ring + 1]])) / 2
        is_new = (at != np.roll(at, 1, axis=0)).any(axis=1)
        line = at[is_new]
        closed = np.concatenate([line, line[:1]])
        for stretch in dashed(closed) if is_dashed else [closed]:
            marks.line(stretch, colour)


def _number_clusters(
    draw: Any, size: tuple[int, int], numbers: list[tuple[int, Rgb, NDArray[np.float64]]], taken: list[Box]
) -> None:
    """Print numbers beside their clusters where there is room; the largest choose first."""
    taken = list(taken)
    for number, colour, box in numbers:
        text, (x0, y0, x1, y1) = str(number), box.tolist()
        width, height = font(_NUMBER_SIZE).getlength(text) + 4, _NUMBER_SIZE + 2.0
        corners = [(x1 + 1, y0 - height), (x1 + 1, y1), (x0 - width, y0 - height), (x0 - width, y1)]
        corners += [(x1 + 3, (y0 + y1 - height) / 2), (x0 - width - 3, (y0 + y1 - height) / 2)]
        places = [(x, y, x + width, y + height) for x, y in corners]
        inside = [at for at in places if at[0] >= 0 and at[1] >= 0 and at[2] <= size[0] and at[3] <= size[1]]
        free = [at for at in inside if not any(_overlap(at, other) for other in taken)]
        at = (free or inside or places)[0]
        taken.append(at)
        words(draw, (at[0] + 2, at[1]), text, _NUMBER_SIZE, colour, halo=2)


def _overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share a point."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _head(draw: Any, analysis: Analysis, width: int) -> None:
    """Name of the slide, and the finding."""
    finding = analysis.finding
    words(draw, (12, 8), shortened(analysis.slide.name, 22, width - 260), 22)
    words(draw, (width - 12, 12), "Research use only", 15, _FAINT, anchor="ra")
    said = NAMES[finding.category]
    if finding.max_diameter_um is not None:
        said += f", {length_mm(finding.max_diameter_um, finding.size_is_minimum)}"
    suggested = f"Suggested category: {said}"
    words(draw, (12, 37), shortened(suggested, 17, width - 24), 17, COLOURS[finding.category])


def _legend(draw: Any, analysis: Analysis, size: tuple[int, int]) -> None:
    """What the colours mean, with numbers of clusters."""
    clusters = analysis.clusters
    counted = clusters.is_counted
    entries: list[tuple[str, Rgb, bool]] = []
    for category in (Category.MACROMETASTASIS, Category.MICROMETASTASIS, Category.ITC):
        n = int(sum(clusters.category[row] is category for row in np.flatnonzero(counted)))
        entries.append((f"{NAMES[category]}: {n}", COLOURS[category], False))
    entries.append((f"Not counted: {int((~counted).sum())}", NOT_COUNTED, True))
    if analysis.scan.out_of_focus_px0:
        entries.append(("Out of focus", _BLURRED, False))
    x, y = 12.0, size[1] - LEGEND_PX + 20.0
    for text, colour, is_dashed in entries:
        for start in range(0, 30, 10) if is_dashed else (0,):
            draw.line((x + start, y, x + start + (5 if is_dashed else 28), y), fill=colour, width=3)
        words(draw, (x + 36, y), text, 16, anchor="lm")
        x += 36 + font(16).getlength(text) + 26
    n_numbered = min(NUMBERED, len(clusters))
    numbered = "the only cluster" if len(clusters) == 1 else f"the {n_numbered} largest clusters"
    note = f"Numbers: {numbered}. Rings mark clusters too small to be seen here."
    words(draw, (12, y + 16), note if len(clusters) else "No clusters.", 14, _FAINT)


def _measured_line(marks: Marks, axis: NDArray[np.float64]) -> None:
    """The maximum diameter with ticks at its ends."""
    along = axis[1] - axis[0]
    tick = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9) * 8
    for line in (axis, *(np.stack([end - tick, end + tick]) for end in axis)):
        marks.line(line, AXIS, border=BLACK)


def _label_line(image: Image.Image, axis: NDArray[np.float64], text: str) -> None:
    """The length beyond the end that has more room, so that no tissue of the cluster is hidden."""
    from PIL import ImageDraw

    along = axis[1] - axis[0]
    unit = along / max(float(np.hypot(*along)), 1e-9)
    reach = np.array([font(18).getlength(text) + 12, 26.0]) / 2
    distance = float(reach @ np.abs(unit)) + 10
    size = np.array(image.size)
    places = [axis[0] - unit * distance, axis[1] + unit * distance]
    room = [min(*(at - reach), *(size - at - reach)) for at in places]
    # The corner with the scale bar is taken.
    room = [space - size[0] * (at[0] < 220 and at[1] > size[1] - 70) for space, at in zip(room, places, strict=True)]
    x, y = np.clip(places[int(np.argmax(room))], reach + 2, size - reach - 2).tolist()
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((x - reach[0], y - reach[1], x + reach[0], y + reach[1]), 4, fill=(20, 20, 20))
    words(draw, (x, y), text, 18, AXIS, anchor="mm")


def _caption(draw: Any, clusters: Clusters, row: int, size: str) -> None:
    """Number, category and size; below, interval, counting and flags."""
    colour, _ = _colour_of(clusters, row)
    draw.rectangle((0, CROP_PX, 10, CROP_PX + _CAPTION_PX), fill=colour)
    counting = clusters.counting[row]
    title = f"{row + 1}   {cluster_name(clusters.category[row], counting)}, {size}"
    words(draw, (20, CROP_PX + 9), shortened(title, 21, CROP_PX - 30), 21)
    said = {Counting.COUNTED: "; counted", Counting.DOUBTFUL: "; counted, doubtful", Counting.NOT_COUNTED: ""}
    flags = ", ".join(readable(flag) for flag in clusters.flags_of(row))
    between = interval_mm(float(clusters.diameter_low_um[row]), float(clusters.diameter_high_um[row]))
    below = f"{between}{said[counting]}{': ' if flags else ''}{flags}"
    words(draw, (20, CROP_PX + 38), shortened(below, 16, CROP_PX - 30), 16, DARK)
