"""Drawing one strip of tiles from the layout, alone and in any order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples import kernels
from micromet_path.apps.samples.focus import Bed, Focus
from micromet_path.apps.samples.layout import Layout
from micromet_path.apps.samples.looks import LOOKS
from micromet_path.apps.samples.masks import SpanMask
from micromet_path.apps.samples.optics import Optics, haze, optics_of
from micromet_path.apps.samples.planes import CHROMOGEN, HAEM, N_PLANES, NEUTRAL
from micromet_path.apps.samples.profiles import second_stain_of
from micromet_path.apps.samples.textures import Stains, Textures, stains, textures
from micromet_path.apps.samples.tissue import survey
from micromet_path.geometry import Region

__all__ = ["Painter", "painter"]

Bytes = NDArray[np.uint8]

MARGIN_PX = 4
"""Drawn around a strip, so that softening at its border is the same as inside."""
SURVEY_UM = 4.0
"""Step of the lattice on which the tissue's architecture is looked up."""
LYMPHOCYTE_PITCH_UM = 7.0
WASH = 34
"""Eosin of the ground between nuclei, in units."""
NO_INK = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class _Block:
    """Amounts of a region with its margin, shape (N_PLANES, rows, columns)."""

    region: Region
    planes: Bytes


@dataclass(frozen=True, slots=True)
class Painter:
    """Draws strips of a slide; several threads may use one.

    Parameters
    ----------
    layout : Layout
        What is on the slide.
    textures : Textures
        Its periodic textures.
    stains : Stains
        Its tables from stain amounts to light.
    boxes : ndarray of shape (F, 4), int64
        Boxes of the foci with their nuclei.
    wash : int
        Amount of the second stain everywhere in tissue; 0 on slides with a chromogen.
    optics : Optics or None
        Where light does not pass straight.
    """

    layout: Layout
    textures: Textures
    stains: Stains
    boxes: NDArray[np.int64]
    wash: int
    optics: Optics | None

    def strip(self, region: Region) -> Bytes:
        """RGB tiles of shape (N, side, side, 3) of a region one tile high and N tiles wide."""
        margin = MARGIN_PX + (self.optics.margin_px if self.optics else 0)
        grown = region.grown(margin)
        block = _Block(grown, np.zeros((N_PLANES, *grown.shape), np.uint8))
        second_layer = self._paint_tissue(block)
        self._paint_foci(block)
        self._paint_rest(block)
        tiles = np.empty((region.width // region.height, region.height, region.height, 3), np.uint8)
        more = [plane for plane in range(NEUTRAL + 1, N_PLANES) if self.layout.mimics and block.planes[plane].any()]
        if self.optics is None:
            kernels.develop(
                block.planes, margin, grown.x0, grown.y0, self.textures.grain,
                self.stains.absorbance, np.array(more, np.int64), self.stains.light, tiles,
            )  # fmt: skip
        else:
            used = (HAEM, CHROMOGEN, NEUTRAL, *more)
            self.optics.image(
                block.planes, used, self.stains.absorbance, second_layer,
                self.textures.grain, margin, (region.x0, region.y0), tiles,
            )  # fmt: skip
        return tiles

    def _paint_tissue(self, block: _Block) -> Bytes | None:
        """Ground and nuclei of the node; the nuclei of a second layer are returned, in a thick section."""
        spec, tissue, region = self.layout.spec, self.layout.tissue, block.region
        step = max(4, round(SURVEY_UM / spec.spacing_um))
        thick = self.optics is not None and self.optics.look.thick
        above = np.zeros(region.shape, np.uint8) if thick else None
        # The lattice is anchored to the slide, so that every strip interpolates between the same points, and
        # reaches as far as a nucleus may lie whose rim is still inside.
        seen = region.grown(self.textures.stamps.shape[1])
        x0, y0 = seen.x0 // step * step, seen.y0 // step * step
        fields = np.empty((4, (seen.y1 - y0) // step + 2, (seen.x1 - x0) // step + 2))
        spacing, spacing_y = spec.spacing_um, spec.spacing_of_rows_um
        place = (x0 * spacing, y0 * spacing_y, step * spacing, step * spacing_y)
        survey(tissue.centre_um, tissue.radius_um, tissue.slope, spec.seed, *place, fields)
        if fields[0].max() < -10.0:
            return above
        tone = fields[2] / 0.005
        offset = (region.x0 - x0, region.y0 - y0)
        kernels.paint_ground(
            block.planes[HAEM], block.planes[CHROMOGEN], region.x0, region.y0, offset, fields[0], tone, step,
            self.textures.ground, self.textures.ragged, spec.spacing_um, self.wash,
        )  # fmt: skip
        for layer, seed in ((block.planes[HAEM], spec.seed + 5), (above, spec.seed + 905)):
            if layer is not None:
                kernels.paint_nuclei(
                    layer, region.x0, region.y0, offset, fields, step, self.textures.stamps, self.textures.stamp_px,
                    LYMPHOCYTE_PITCH_UM / spacing, spec.aspect, seed,
                )  # fmt: skip
        return above

    def _paint_foci(self, block: _Block) -> None:
        """Stroma and foci, and what their stain does around them."""
        spec, chromogen = self.layout.spec, block.planes[CHROMOGEN]
        for bed in self.layout.beds:
            if not block.region.intersection(Region(*bed.mask.bbox)).is_empty:
                _paint_bed(block, bed, self.textures, spec.aspect)
        foci = self._touching(block.region)
        for focus in foci:
            _paint_focus(block, focus, self.textures, spec.aspect)
        if foci:
            if self.optics is not None and self.optics.look.thick:
                haze(chromogen, (spec.spacing_um, spec.spacing_of_rows_um))
            soft = np.empty_like(chromogen)
            kernels.softened(chromogen, soft)
            chromogen[:] = soft

    def _paint_rest(self, block: _Block) -> None:
        """Grains, and what else is no tumour."""
        region, planes = block.region, block.planes
        for patch in self.layout.patches:
            if not region.intersection(Region(*patch.bbox_px0)).is_empty:
                kernels.paint_specks(
                    planes[CHROMOGEN], planes[NEUTRAL], region.x0, region.y0, patch.specks, self.layout.spec.aspect
                )
        if self.layout.mimics:
            from micromet_path.apps.samples.mimics import paint_mimic

            for mimic in self.layout.mimics:
                if not region.intersection(Region(*mimic.bbox_px0)).is_empty:
                    paint_mimic(mimic, planes, region.x0, region.y0, self.layout.spec)

    def _touching(self, region: Region) -> list[Focus]:
        """Foci whose boxes meet a region."""
        x0, y0, x1, y1 = self.boxes.T
        near = (x0 < region.x1) & (x1 > region.x0) & (y0 < region.y1) & (y1 > region.y0)
        return [self.layout.foci[index] for index in np.flatnonzero(near)]


def painter(layout: Layout) -> Painter:
    """Prepare textures and tables for a layout."""
    spec, look = layout.spec, LOOKS[layout.spec.look]
    with_eosin = second_stain_of(spec) == "eosin"
    ink = NO_INK
    if layout.mimics:
        from micromet_path.apps.samples.mimics import ink_colour

        ink = ink_colour(spec)
    return Painter(
        layout=layout,
        textures=textures(spec.seed, spec.spacing_um, spec.spacing_of_rows_um),
        stains=stains(look, ink, with_eosin),
        boxes=np.array([_box(focus, spec.aspect) for focus in layout.foci], np.int64).reshape(-1, 4),
        wash=WASH if with_eosin else 0,
        optics=None if look.is_plain else optics_of(spec),
    )


def _box(focus: Focus, aspect: float) -> tuple[int, int, int, int]:
    """Box of a focus and its nuclei, some of which may lie beside the mask."""
    x0, y0, x1, y1 = focus.mask.bbox
    if focus.stain is None or not len(focus.nuclei):
        return x0, y0, x1, y1
    reach = focus.nuclei[:, 2].max() + 2
    low, high = focus.nuclei[:, :2].min(axis=0), focus.nuclei[:, :2].max(axis=0)
    return (
        min(x0, int(low[0] - reach)), min(y0, int(low[1] - reach / aspect)),
        max(x1, int(high[0] + reach) + 1), max(y1, int(high[1] + reach / aspect) + 1),
    )  # fmt: skip


def _paint_focus(block: _Block, focus: Focus, textures: Textures, aspect: float) -> None:
    """Brown cytoplasm or membranes, then the nuclei left unstained."""
    if focus.stain is None:
        _paint_mask(block, focus.mask, focus.mask, focus.level, textures)
    else:
        _paint_mask(block, focus.mask, focus.mask, 0, textures)
        _paint_mask(block, focus.stain, focus.mask, focus.level, textures)
    _paint_nuclei(block, focus.nuclei, textures, aspect)


def _paint_bed(block: _Block, bed: Bed, textures: Textures, aspect: float) -> None:
    """Pale stroma and its slender nuclei."""
    _paint_mask(block, bed.mask, bed.mask, 0, textures)
    _paint_nuclei(block, bed.nuclei, textures, aspect)


def _paint_mask(block: _Block, mask: SpanMask, whole: SpanMask, level: int, textures: Textures) -> None:
    """Cytoplasm in the spans of a mask; its texture goes with the whole it is a part of."""
    region = block.region
    first, last = np.searchsorted(mask.row, (region.y0, region.y1))
    x0, y0, _, _ = whole.bbox
    kernels.paint_spans(
        block.planes[HAEM], block.planes[CHROMOGEN], region.x0, region.y0,
        mask.row[first:last], mask.start[first:last], mask.stop[first:last],
        textures.cytoplasm, level, 37 * y0, 53 * x0,
    )  # fmt: skip


def _paint_nuclei(block: _Block, nuclei: NDArray[np.float64], textures: Textures, aspect: float) -> None:
    """Those nuclei, sorted by row, that may reach into the block."""
    if len(nuclei):
        region = block.region
        reach = nuclei[:, 2].max() / aspect + 2
        first, last = np.searchsorted(nuclei[:, 1], (region.y0 - reach, region.y1 + reach))
        kernels.paint_ellipses(
            block.planes[HAEM], block.planes[CHROMOGEN], region.x0, region.y0,
            nuclei[first:last], textures.ground, aspect,
        )  # fmt: skip
