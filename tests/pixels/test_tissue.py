"""Where tissue is, and what borders a fragment touches."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Role
from micromet_path.pixels.stain import WhitePoint
from micromet_path.pixels.tissue import (
    Overview,
    TissueParams,
    find_pieces,
    find_tissue,
    is_off_tissue,
    mark_runs,
    place_fragments,
    without_foreign,
)

WHITE = WhitePoint((245.0, 244.0, 246.0), "slide")
PARAMS = TissueParams()
NAN = float("nan")
CELL_PX = 16  # 8 um at 0.5 um


def coloured(*layers, shape=(80, 100), seed=0):
    """An overview of 8 um cells, with the noise of JPEG: dyes of a colour and a mean density where each mask says."""
    od = np.zeros((*shape, 3))
    for mask, colour, density in layers:
        od += mask[..., None] * (3 * density / np.sum(colour) * np.array(colour))
    light = WHITE.rgb * 10**-od + np.random.default_rng(seed).normal(0, 1.5, od.shape)
    rgb = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return Overview(rgb, np.ones(shape, bool), shape[1] * CELL_PX, shape[0] * CELL_PX, PixelSpacing(0.5, 0.5))


def overview_of(tissue, od=0.2, read=None, seed=0):
    """An overview with grey tissue of a mean absorbance."""
    overview = coloured((tissue, (1, 1, 1), od), shape=tissue.shape, seed=seed)
    return overview if read is None else replace(overview, read=read)


def box(x0, y0, x1, y1, shape=(80, 100)):
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


# The map


@pytest.mark.parametrize("od", [0.035, 0.05, 0.1, 0.5, 1.5])
def test_tissue_is_found_however_pale(od):
    tissue = box(20, 20, 80, 60)
    found = find_tissue(overview_of(tissue, od), WHITE, PARAMS)
    assert found[ndimage.binary_erosion(tissue)].all()
    assert not found[~ndimage.binary_dilation(tissue, iterations=3)].any()


def test_glass_is_not_tissue():
    found = find_tissue(overview_of(box(0, 0, 0, 0)), WHITE, PARAMS)
    assert not found.any()


def test_small_gaps_belong_to_tissue_and_large_ones_do_not():
    tissue = box(10, 10, 90, 70)
    crack, lumen, hole = box(30, 10, 32, 70), box(40, 40, 50, 50), box(55, 20, 85, 60)
    found = find_tissue(overview_of(tissue & ~crack & ~lumen & ~hole), WHITE, PARAMS)
    assert found[crack].all()
    assert found[lumen].all()  # 0.0064 mm2
    assert not found[hole].all()  # 0.077 mm2


def test_glass_in_a_corner_of_the_scan_is_no_hole():
    """Tissue that cuts a corner off leaves a small piece of glass, which reaches the border of the picture."""
    y, x = np.mgrid[:80, :100]
    found = find_tissue(overview_of((x + y > 15) & (x + y < 60)), WHITE, PARAMS)
    assert not found[x + y < 10].any()


def test_what_was_not_read_is_not_called_tissue():
    tissue, read = box(20, 20, 80, 60), ~box(50, 0, 100, 80)
    found = find_tissue(overview_of(tissue, read=read), WHITE, PARAMS)
    assert not found[~read].any()
    assert found[tissue & read].mean() > 0.95


# What says nothing of focus and dyes although it absorbs

HAEMATOXYLIN, DAB = (0.650, 0.704, 0.286), (0.268, 0.570, 0.776)
FOREIGN = {"black pen": (1, 1, 1), "green pen": (0.91, 0.25, 0.33), "blue pen": (0.84, 0.53, 0.12)}


def own_tissue(*layers):
    overview = coloured(*layers)
    return without_foreign(find_tissue(overview, WHITE, PARAMS), overview, WHITE, PARAMS)


@pytest.mark.parametrize("colour", FOREIGN.values(), ids=FOREIGN)
def test_a_pen_line_beside_tissue_is_left_out(colour):
    tissue, pen = box(40, 10, 90, 70), box(15, 5, 25, 75)
    found = own_tissue((tissue, HAEMATOXYLIN, 0.2), (pen, colour, 0.9))
    assert not found[pen].any()
    assert found[tissue].all()


def test_dust_is_left_out_and_a_small_piece_of_tissue_is_not():
    dust, scrap = box(10, 10, 18, 18), box(60, 40, 68, 48)
    node = box(10, 50, 50, 75)
    found = own_tissue((dust, (1, 1, 1), 0.3), (scrap | node, HAEMATOXYLIN, 0.2))
    assert not found[dust].any()
    assert found[scrap | node].all()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_lies_on_tissue_is_asked_of_focus(seed):
    """A film of dirt may hide that the section below it is out of focus, and a node may be full of carbon."""
    rng = np.random.default_rng(seed)
    node, dirt = box(10, 10, 90, 70), np.zeros((80, 100), bool)
    for _ in range(int(rng.integers(1, 12))):
        x, y = rng.integers(10, [80, 60])
        dirt |= box(x, y, x + rng.integers(4, 20), y + rng.integers(4, 20))
    found = own_tissue((node, HAEMATOXYLIN, 0.2), (dirt & node, (1, 1, 1), rng.uniform(0.2, 0.9)))
    assert found[node].all()


@pytest.mark.parametrize("density", [0.2, 0.6, 1.2])
def test_tumour_of_brown_over_blue_is_tissue(density):
    node, focus = box(10, 10, 90, 70), box(30, 20, 60, 50)
    assert own_tissue((node, HAEMATOXYLIN, 0.25), (focus, DAB, density))[node].all()


def test_a_section_of_grey_haematoxylin_is_tissue():
    node, other = box(10, 10, 60, 70), box(70, 20, 95, 60)
    assert own_tissue((node | other, (0.58, 0.6, 0.55), 0.3))[node | other].all()


# Pieces


def test_pieces_are_numbered_with_their_boxes_and_areas():
    tissue = box(10, 10, 40, 70) | box(60, 5, 90, 35)
    overview = overview_of(tissue)
    labels, pieces = find_pieces(overview, tissue, np.zeros_like(tissue), PARAMS)
    assert [piece.id for piece in pieces] == [1, 2]
    assert {piece.role for piece in pieces} == {Role.UNKNOWN}
    assert pieces[0].bbox_px0 == (60 * 16, 5 * 16, 90 * 16, 35 * 16)
    assert pieces[1].area_mm2 == pytest.approx(30 * 60 * 64e-6)
    assert not any(piece.touches_scan_edge for piece in pieces)
    assert_array_equal(np.unique(labels[tissue]), [1, 2])
    assert not labels[~tissue].any()


def test_a_piece_at_the_border_of_the_scan_says_so():
    tissue = box(0, 10, 20, 30) | box(40, 40, 60, 60) | box(70, 10, 85, 30)
    read = ~box(85, 0, 100, 80)
    _, pieces = find_pieces(overview_of(tissue, read=read), tissue, np.zeros_like(tissue), PARAMS)
    assert [piece.touches_scan_edge for piece in pieces] == [True, True, False]


def test_debris_is_no_piece_unless_something_stained_lies_on_it():
    debris, stained_debris, bare = box(10, 10, 14, 14), box(40, 40, 44, 44), box(70, 70, 72, 72)
    tissue = debris | stained_debris
    stained = box(41, 41, 43, 43) | bare
    labels, pieces = find_pieces(overview_of(tissue), tissue, stained, PARAMS)
    assert len(pieces) == 1
    assert labels[stained_debris].all()
    assert not labels[bare].any()  # a stained speck on bare glass brought no cells of its own


def test_stained_cells_join_the_piece_they_touch():
    tissue, stained = box(10, 10, 40, 40), box(40, 20, 50, 22)
    labels, pieces = find_pieces(overview_of(tissue), tissue, stained, PARAMS)
    assert len(pieces) == 1
    assert labels[stained].all()


@pytest.mark.parametrize("seed", range(6), ids="seed{}".format)
def test_marked_cells_are_those_with_a_stained_pixel(seed, runs_of):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.random((rng.integers(30, 200), rng.integers(30, 200))), rng.choice([0, 2, 6]))
    mask = field > np.quantile(field, rng.uniform(0.7, 0.99))
    height, width = mask.shape
    cells = (int(rng.integers(3, 15)), int(rng.integers(3, 15)))
    overview = Overview(np.zeros((*cells, 3), np.uint8), np.ones(cells, bool), width, height, PixelSpacing(0.5, 0.5))
    y, x = np.nonzero(mask)
    expected = np.zeros(cells, bool)
    expected[((y + 0.5) * cells[0] / height).astype(int), ((x + 0.5) * cells[1] / width).astype(int)] = True
    assert_array_equal(mark_runs(overview, runs_of(mask.astype(int))), expected)


# Places of fragments


def placed(tissue, *boxes_px, read=None, others=()):
    """Places of fragments that are boxes (x0, y0, x1, y1) in level-0 pixels; others are stained too."""
    overview = overview_of(tissue, read=read)
    corners = np.array([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in boxes_px], np.int64)
    corners = corners.reshape(-1, 4, 2)
    centres = corners.mean(axis=1)
    hulls = corners.reshape(-1, 2), np.arange(len(boxes_px) + 1) * 4

    off_tissue = is_off_tissue(
        overview, (tissue, stained_cells(overview, (*boxes_px, *others))), hulls, centres, PARAMS
    )

    on_tissue = [box_px for box_px, is_off in zip(boxes_px, off_tissue, strict=True) if not is_off]
    stained = stained_cells(overview, (*on_tissue, *others))
    labels, _ = find_pieces(overview, tissue, stained, PARAMS)
    places = place_fragments(overview, (tissue | stained, labels), hulls, centres)
    return SimpleNamespace(
        piece=places.piece, scan_edge=places.scan_edge, tissue_edge=places.tissue_edge, off_tissue=off_tissue
    )


def stained_cells(overview, boxes_px):
    stained = np.zeros(overview.shape, bool)
    for box_px in boxes_px:
        stained[overview.slices_of(Region(*box_px))] = True
    return stained


def speck(column, row, side_px=12):
    """A fragment in the middle of a cell."""
    x, y = column * CELL_PX + 2, row * CELL_PX + 2
    return x, y, x + side_px, y + side_px


def test_a_fragment_lies_on_the_piece_under_its_centre():
    tissue = box(10, 10, 40, 70) | box(60, 5, 90, 35)
    places = placed(tissue, speck(20, 40), speck(70, 20), speck(50, 75))
    assert places.piece.tolist() == [2, 1, 0]


def test_a_fragment_inside_touches_nothing():
    places = placed(box(10, 10, 90, 70), speck(50, 40), (600, 500, 900, 700))
    assert not (places.scan_edge | places.tissue_edge | places.off_tissue).any()


def test_a_fragment_at_the_margin_touches_it():
    tissue = box(10, 10, 90, 70)
    places = placed(tissue, speck(10, 40), speck(50, 69), speck(50, 40), (160, 400, 700, 500))
    assert places.tissue_edge.tolist() == [True, True, False, True]
    assert not places.off_tissue.any()


def test_a_hole_in_tissue_is_no_margin():
    tissue = box(10, 10, 90, 70) & ~box(40, 30, 70, 50)
    assert not placed(tissue, speck(39, 40)).tissue_edge.any()


@pytest.mark.parametrize("at", [(0, 40, 30, 60), (40, 0, 60, 30), (1580, 40, 1600, 60), (40, 1260, 60, 1280)])
def test_a_fragment_at_the_border_of_the_scan_says_so(at):
    assert placed(np.ones((80, 100), bool), at, speck(50, 40)).scan_edge.tolist() == [True, False]


def test_a_fragment_that_is_near_the_border_of_the_scan_but_not_on_it_does_not():
    """Its cell of the overview is the outermost, and that was read."""
    assert not placed(np.ones((80, 100), bool), (4, 644, 12, 652)).scan_edge.any()


def test_a_fragment_beside_what_was_not_read_says_so():
    read = ~box(50, 0, 100, 80)
    places = placed(np.ones((80, 100), bool), speck(49, 40), speck(47, 40), read=read)
    assert places.scan_edge.tolist() == [True, False]


def test_a_speck_on_glass_is_off_tissue_and_a_cell_on_tissue_is_not():
    tissue = box(10, 10, 50, 70)
    places = placed(tissue, speck(80, 40), speck(30, 40), speck(49, 40))
    assert places.off_tissue.tolist() == [True, False, False]
    assert places.piece.tolist() == [0, 1, 1]


def test_a_large_focus_is_never_off_tissue():
    """Larger than the ring: it may be all that is left of its tissue."""
    assert not placed(box(10, 10, 30, 70), (1200, 400, 1400, 800)).off_tissue.any()


def test_a_cell_among_stained_cells_is_not_off_tissue():
    """Where nearly everything around is stained, the little glass between tells nothing."""
    around = [(x, y, x + 160, y + 160) for x in range(960, 1440, 160) for y in range(480, 960, 160)]
    assert not placed(box(10, 10, 30, 70), speck(75, 45), others=around).off_tissue.any()


def test_nothing_has_no_places():
    places = placed(box(10, 10, 50, 70))
    assert len(places.piece) == len(places.scan_edge) == 0


# Settings and the grid


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing_um": 0.5},
        {"spacing_um": 65.0},
        {"largest_side_px": 100},
        {"minimum_od": 0.0},
        {"minimum_od": NAN},
        {"ring_um": -1.0},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match="tissue"):
        TissueParams(**wrong)


def test_the_overview_of_a_large_slide_is_coarser():
    assert PARAMS.overview_spacing(1000, 1000) == PixelSpacing(8, 8)
    assert PARAMS.overview_spacing(81_920, 40_000) == PixelSpacing(20, 20)


def test_cells_and_regions_agree():
    overview = Overview(np.zeros((7, 9, 3), np.uint8), np.ones((7, 9), bool), 100, 50, PixelSpacing(0.5, 0.4))
    rng = np.random.default_rng(0)
    for _ in range(100):
        x, y = rng.integers(0, 100), rng.integers(0, 50)
        row, column = (int(cell[0]) for cell in overview.cells_of(np.array([[x + 0.5, y + 0.5]])))
        rows, columns = overview.slices_of(Region(x, y, x + 1, y + 1))
        assert rows.start <= row < rows.stop
        assert columns.start <= column < columns.stop
    assert [int(cell[0]) for cell in overview.cells_of(np.array([[100, 50]]))] == [6, 8]
    assert overview.cell_area_mm2 * 63 == pytest.approx(100 * 50 * 0.2e-6)
