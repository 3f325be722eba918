"""Drawing one strip of tiles from the layout, alone and in any order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from micromet_path.apps.samples import kernels
from micromet_path.apps.samples.layout import Focus, Layout
from micromet_path.apps.samples.profiles import second_stain_of
from micromet_path.apps.samples.textures import DAB, EOSIN, Stains, Textures, stains, textures
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


@dataclass(frozen=True, slots=True)
class _Block:
    """Stain amounts of a region with its margin."""

    region: Region
    haem: Bytes
    second: Bytes
    neutral: Bytes


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
        Boxes of the foci.
    wash : int
        Amount of the second stain everywhere in tissue; 0 on H-DAB slides.
    """

    layout: Layout
    textures: Textures
    stains: Stains
    boxes: NDArray[np.int64]
    wash: int

    def strip(self, region: Region) -> Bytes:
        """RGB tiles of shape (N, side, side, 3) of a region one tile high and N tiles wide."""
        grown = region.grown(MARGIN_PX)
        block = _Block(grown, *(np.zeros(grown.shape, np.uint8) for _ in range(3)))
        self._paint_tissue(block)
        foci = self._touching(grown)
        for focus in foci:
            _paint_focus(block, focus, self.textures)
        if foci:
            soft = np.empty_like(block.second)
            kernels.softened(block.second, soft)
            block.second[:] = soft
        for patch in self.layout.patches:
            if not grown.intersection(Region(*patch.bbox_px0)).is_empty:
                kernels.paint_specks(block.haem, block.second, block.neutral, grown.x0, grown.y0, patch.specks)
        return self._developed(block, region.height)

    def _paint_tissue(self, block: _Block) -> None:
        """Ground and nuclei of the node."""
        spec, tissue, region = self.layout.spec, self.layout.tissue, block.region
        step = max(4, round(SURVEY_UM / spec.spacing_um))
        # The lattice is anchored to the slide, so that every strip interpolates between the same points, and
        # reaches as far as a nucleus may lie whose rim is still inside.
        seen = region.grown(self.textures.stamps.shape[1])
        x0, y0 = seen.x0 // step * step, seen.y0 // step * step
        fields = np.empty((4, (seen.y1 - y0) // step + 2, (seen.x1 - x0) // step + 2))
        place = (x0 * spec.spacing_um, y0 * spec.spacing_um, step * spec.spacing_um)
        survey(tissue.centre_um, tissue.radius_um, tissue.slope, spec.seed, *place, fields)
        if fields[0].max() < -10.0:
            return
        tone = fields[2] / 0.005
        offset = (region.x0 - x0, region.y0 - y0)
        kernels.paint_ground(
            block.haem, block.second, region.x0, region.y0, offset, fields[0], tone, step,
            self.textures.ground, self.textures.ragged, spec.spacing_um, self.wash,
        )  # fmt: skip
        kernels.paint_nuclei(
            block.haem, region.x0, region.y0, offset, fields, step,
            self.textures.stamps, self.textures.stamp_px, LYMPHOCYTE_PITCH_UM / spec.spacing_um, spec.seed + 5,
        )  # fmt: skip

    def _touching(self, region: Region) -> list[Focus]:
        """Foci whose boxes meet a region."""
        x0, y0, x1, y1 = self.boxes.T
        near = (x0 < region.x1) & (x1 > region.x0) & (y0 < region.y1) & (y1 > region.y0)
        return [self.layout.foci[index] for index in np.flatnonzero(near)]

    def _developed(self, block: _Block, side: int) -> Bytes:
        """Light through the block, cut into tiles."""
        columns = (block.region.width - 2 * MARGIN_PX) // side
        tiles = np.empty((columns, side, side, 3), np.uint8)
        kernels.develop(
            block.haem, block.second, block.neutral, MARGIN_PX, block.region.x0, block.region.y0,
            self.textures.grain, self.stains.absorbance, self.stains.light, tiles,
        )  # fmt: skip
        return tiles


def painter(layout: Layout) -> Painter:
    """Prepare textures and tables for a layout."""
    second = second_stain_of(layout.spec)
    return Painter(
        layout=layout,
        textures=textures(layout.spec.seed, layout.spec.spacing_um),
        stains=stains(EOSIN if second == "eosin" else DAB),
        boxes=np.array([focus.mask.bbox for focus in layout.foci], np.int64).reshape(-1, 4),
        wash=WASH if second == "eosin" else 0,
    )


def _paint_focus(block: _Block, focus: Focus, textures: Textures) -> None:
    """Brown cytoplasm, then the nuclei it leaves unstained."""
    mask, region = focus.mask, block.region
    first, last = np.searchsorted(mask.row, (region.y0, region.y1))
    x0, y0, _, _ = mask.bbox
    kernels.paint_spans(
        block.haem, block.second, region.x0, region.y0,
        mask.row[first:last], mask.start[first:last], mask.stop[first:last],
        textures.cytoplasm, focus.level, 37 * y0, 53 * x0,
    )  # fmt: skip
    if len(focus.nuclei):
        reach = focus.nuclei[:, 2].max() + 2
        first, last = np.searchsorted(focus.nuclei[:, 1], (region.y0 - reach, region.y1 + reach))
        kernels.paint_ellipses(
            block.haem, block.second, region.x0, region.y0, focus.nuclei[first:last], textures.ground
        )
