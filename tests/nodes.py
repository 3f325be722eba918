"""Drawn lymph nodes with dense nuclei, rims that dried over them, and tumour at their border, at half a micron."""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

MPP = 0.5
WHITE = 244
HAEMATOXYLIN, DAB = np.array([0.62, 0.66, 0.42]), np.array([0.27, 0.57, 0.78])
GLASS_UM = 60.0


@dataclass
class Node:
    """A node that fills the picture but for glass along its left side, whose border winds a little."""

    width_um: float = 500.0
    height_um: float = 700.0
    seed: int = 0
    nuclei_um: float = 3.0  # radius
    spacing_um: float = 7.5
    keratin: np.ndarray = field(init=False)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        rows, columns = (round(um / MPP) for um in (self.height_um, self.width_um))
        y, x = np.mgrid[:rows, :columns]
        self.y_um, self.x_um = (y + 0.5) * MPP, (x + 0.5) * MPP
        self.depth_um = self.x_um - GLASS_UM - 8 * np.sin(self.y_um / 60.0)
        self.tissue = self.depth_um > 0
        self.blue = 0.06 * self.tissue
        self.brown = np.zeros((rows, columns))
        self.keratin = np.zeros((rows, columns), bool)
        pitch = self.spacing_um
        centres = np.stack(np.mgrid[0 : self.height_um : pitch, 0 : self.width_um : pitch], axis=-1).reshape(-1, 2)
        for cy, cx in centres + self.rng.normal(0, 1.3, centres.shape):
            self._disc(cx, cy, self.nuclei_um * self.rng.uniform(0.85, 1.1), self.blue, self.rng.uniform(0.7, 1.1))
        self.blue[~self.tissue] = 0

    def _disc(self, x_um, y_um, radius_um, plane, value):
        near = self._near(x_um, y_um, radius_um)
        plane[near][np.hypot(self.x_um[near] - x_um, self.y_um[near] - y_um) < radius_um] = value

    def _near(self, x_um, y_um, reach_um):
        """Rows and columns about a place: what is drawn cell by cell must not pass over the whole picture."""
        reach, row, column = int(reach_um / MPP) + 2, int(y_um / MPP), int(x_um / MPP)
        return np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]

    def with_rim(self, width_um=45.0, od=0.6, y_um=(-np.inf, np.inf)):
        """Brown that fades from the glass inwards over what is there."""
        fades = od * np.exp(-2.0 * self.depth_um.clip(0) / width_um)
        uneven = 1 + 0.15 * ndimage.gaussian_filter(self.rng.normal(size=self.brown.shape), 12 / MPP) * 40
        here = self.tissue & (self.y_um >= y_um[0]) & (self.y_um < y_um[1])
        self.brown[here] += (fades * uneven.clip(0.7, 1.3))[here]
        return self

    def with_nest(self, x_um, y_um, across, down, od=0.6, cell_um=14.0):
        """Tumour cells side by side in a grid from a corner on, each with a pale nucleus of its own."""
        for row in range(down):
            for column in range(across):
                cx, cy = x_um + (column + 0.5) * cell_um, y_um + (row + 0.5) * cell_um
                near = self._near(cx, cy, cell_um / 2)
                away_x, away_y, tissue = self.x_um[near] - cx, self.y_um[near] - cy, self.tissue[near]
                cell = (abs(away_x) <= cell_um / 2) & (abs(away_y) <= cell_um / 2) & tissue
                nucleus = (np.hypot(away_x, away_y) < 0.28 * cell_um) & tissue
                self.brown[near][cell] = od * self.rng.uniform(0.8, 1.2)
                self.brown[near][nucleus] = 0.0
                self.blue[near][cell], self.blue[near][nucleus] = 0.04, 0.45
                self.keratin[near] |= cell
        return self

    def rgb(self):
        """What a scanner makes of it."""
        density = self.blue[..., None] * HAEMATOXYLIN + self.brown[..., None] * DAB
        light = WHITE * 10 ** -ndimage.gaussian_filter(density, (0.8, 0.8, 0))
        return np.clip(np.rint(light + self.rng.normal(0, 1.2, light.shape)), 0, 255).astype(np.uint8)
