"""Cells as small as leucocytes: doubted where they are many and most of what is stained on the patient's tissue."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import label

from micromet_path.config import Config, LookParams, Zone
from micromet_path.geometry import PixelSpacing
from micromet_path.model import Role
from micromet_path.pipeline.examining import _speaks_of_the_patient
from micromet_path.pixels.groups import group_fragments
from micromet_path.pixels.link import contiguity_tree
from tests.pixels.conftest import runs_of_labels
from tests.pixels.test_clusters import EIGHT, fragments_of
from tests.test_pipeline import DAB, HAEMATOXYLIN, Canvas, analyze, painted

LEUCOCYTE_UM, TUMOUR_CELL_UM = 9.5, 15.0
GRID = [(x, y) for x in range(160, 1000, 160) for y in range(160, 800, 160)][:24]
APART = [(1360, 200), (1500, 320), (1420, 480), (1560, 640)]


class Stained(Canvas):
    """Tissue with single cells on it; places in pixels of half a micron."""

    def __init__(self, *boxes):
        super().__init__(height=900, width=max(box[2] for box in boxes) + 80)
        for box in boxes:
            self.with_tissue(self.box(*box))
        self.blue = np.where(self.tissue, self.nuclei, 0.0)

    def with_cell(self, x, y, diameter_um, membrane_um=None):
        """A cell with its nucleus, or where only the membrane is stained one whose nucleus the section missed."""
        body = self.disc(x, y, diameter_um)
        if membrane_um is None:
            nucleus = self.disc(x, y, 0.45 * diameter_um)
            self.brown[body], self.brown[nucleus], self.blue[nucleus] = 0.7, 0.05, 0.5
        else:
            self.blue[body] = 0.05
            self.brown[body & ~self.disc(x, y, diameter_um - 2 * membrane_um)] = 0.7
        return self

    def analysed(self, config=None):
        return analyze(painted((self.blue, HAEMATOXYLIN), (self.brown, DAB)), config or Config()).analysis


def is_doubted(analysis, places):
    """Of each place, whether what lies there has a leucocyte's size in numbers."""
    clusters = analysis.clusters
    apart = np.hypot(*np.moveaxis(clusters.centroid_px0[:, None] - np.array(places), -1, 0))
    assert (apart.min(axis=0) < 8).all()
    return clusters.flags["leucocyte_like"][apart.argmin(axis=0)] >= 0.5


def one_node():
    return Stained((80, 80, 1120, 820))


@pytest.mark.parametrize(("diameter_um", "is_small"), [(LEUCOCYTE_UM, True), (TUMOUR_CELL_UM, False)])
def test_many_stained_cells_are_doubtful_where_they_are_as_small_as_leucocytes(diameter_um, is_small):
    node, nest = one_node(), (1040.0, 760.0)
    for place in GRID:
        node.with_cell(*place, diameter_um)
    node.with_brown(node.disc(*nest, 35))
    for angle in np.linspace(0, 2 * np.pi, 7):
        node.with_cell(nest[0] + 22 * np.cos(angle), nest[1] + 22 * np.sin(angle), diameter_um)
    analysis = node.analysed()
    assert len(analysis.clusters) == len(GRID) + 1
    assert (is_doubted(analysis, GRID) == is_small).all()
    assert not is_doubted(analysis, [nest])[0]
    counting = sorted(map(str, analysis.clusters.counting))
    assert counting == ["counted"] + ["doubtful" if is_small else "counted"] * len(GRID)


@pytest.mark.parametrize("most_candidates", [0, 5, 2000])
def test_how_many_are_looked_at_again_changes_nothing(most_candidates):
    node = one_node()
    for place in GRID:
        node.with_cell(*place, LEUCOCYTE_UM)
    config = replace(Config(), look=LookParams(most_candidates=most_candidates))
    assert is_doubted(node.analysed(config), GRID).all()


def test_a_ring_of_membrane_is_as_large_as_the_cell_that_it_encloses():
    node = one_node()
    for place in GRID:
        node.with_cell(*place, 16.0, membrane_um=1.5)
    analysis = node.analysed()
    assert analysis.clusters.area_um2.max() < 90  # as little stain as a small cell has
    assert not is_doubted(analysis, GRID).any()


@pytest.mark.parametrize("zones", [(), (Zone(Role.CONTROL, 0.0, 0.0, 0.58, 0.45),)], ids=["patient", "control"])
def test_small_cells_of_control_tissue_say_nothing_of_the_patients(zones):
    nodes = Stained((80, 80, 1120, 820), (1240, 80, 1680, 820))
    for place in [*GRID, *APART]:
        nodes.with_cell(*place, LEUCOCYTE_UM)
    analysis = nodes.analysed(replace(Config(), zones=zones))
    assert len(analysis.pieces) == 2
    assert (is_doubted(analysis, APART) == (not zones)).all()


def test_small_things_on_glass_say_nothing_of_what_is_on_tissue():
    node = Stained((1240, 80, 1680, 820))
    for place in [*GRID, *APART]:
        node.with_cell(*place, LEUCOCYTE_UM)
    analysis = node.analysed()
    assert (analysis.clusters.flags["off_tissue"] >= 0.5).sum() == len(GRID)
    assert not is_doubted(analysis, APART).any()


@pytest.mark.parametrize(("width", "speaks"), [(4, True), (40, False)])
def test_a_group_is_heard_unless_most_of_it_does_not_count(width, speaks):
    mask = np.zeros((30, 80), bool)
    mask[5:25, 2:22], mask[5:25, 26 : 26 + width] = True, True
    labels, n = label(mask, EIGHT)
    runs, spacing = runs_of_labels(labels), PixelSpacing(0.5, 0.5)
    fragments = fragments_of(labels, runs)
    groups = group_fragments(fragments, contiguity_tree(runs, n, spacing), np.zeros(n, bool), spacing)
    linked = SimpleNamespace(fragments=fragments, pieces=())
    flags = {"fringe": np.array([0.0, 0.9]), "fold": np.ones(2)}
    assert _speaks_of_the_patient(flags, linked, groups, Config()).tolist() == [speaks]
