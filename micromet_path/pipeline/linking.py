"""Fragments linked and in their places: the contiguity tree, the pieces of tissue they lie on, and borders."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from micromet_path.clinical.policy import DECIDING_STRENGTH
from micromet_path.config import Config, Zone
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Fragments, Piece, Tree
from micromet_path.pipeline.gathering import Gathered, linkable_runs
from micromet_path.pipeline.glass import Glass
from micromet_path.pixels import tissue
from micromet_path.pixels.link import contiguity_tree
from micromet_path.pixels.runs import runs_of

__all__ = ["Linked", "link_again", "link_fragments"]


@dataclass(frozen=True, slots=True)
class Linked:
    """What was found on a slide.

    Parameters
    ----------
    gathered : Gathered
        The fragments' runs, and what takes no part.
    tree : Tree
        How the fragments link.
    fragments : Fragments
        In their places.
    stained : ndarray of shape (M, N), bool
        Cells of the overview that hold stain on tissue.
    pieces : tuple of Piece
        Of tissue, with their roles.
    """

    gathered: Gathered
    tree: Tree
    fragments: Fragments
    stained: NDArray[np.bool_]
    pieces: tuple[Piece, ...]


def link_again(linked: Linked, fragments: Fragments, spacing: PixelSpacing) -> Linked:
    """The same after a second look at the fragments; by another tree where it tells fringes, which bridge nothing."""
    fringe, linked = fragments.flags["fringe"] >= DECIDING_STRENGTH, replace(linked, fragments=fragments)
    if not fringe.any():
        return linked
    tree = contiguity_tree(linkable_runs(linked.gathered, fringe), len(fragments), spacing)
    return replace(linked, tree=tree)


def link_fragments(gathered: Gathered, glass: Glass, config: Config) -> Linked:
    """Link fragments, and find their places and the pieces of tissue with their roles."""
    fragments, runs, overview = gathered.fragments, gathered.runs, glass.overview
    tree = contiguity_tree(linkable_runs(gathered), len(fragments), overview.spacing)
    hulls = (fragments.hull_px, fragments.hull_offsets)
    centres = fragments.sum_xy_px / np.maximum(fragments.area_px, 1)[:, None] + 0.5
    maps = (glass.tissue, tissue.mark_runs(overview, runs))
    off_tissue = tissue.is_off_tissue(overview, maps, hulls, centres, config.tissue)
    stained = tissue.mark_runs(overview, runs_of(runs, ~off_tissue))
    labels, pieces = tissue.find_pieces(overview, glass.tissue, stained, config.tissue)
    places = tissue.place_fragments(overview, (glass.tissue | stained, labels), hulls, centres)
    fragments = replace(
        fragments,
        piece=places.piece,
        scan_edge=places.scan_edge,
        tissue_edge=places.tissue_edge & ~off_tissue,
        off_tissue=off_tissue,
    )
    return Linked(gathered, tree, fragments, stained, _with_roles(pieces, labels, overview, config.zones))


def _with_roles(
    pieces: tuple[Piece, ...], labels: NDArray[np.int32], overview: tissue.Overview, zones: tuple[Zone, ...]
) -> tuple[Piece, ...]:
    """Give a piece the role of the zone in which more than half of it lies; the last such zone wins."""
    if not zones:
        return pieces
    cells = tissue.cells_of_pieces(labels, len(pieces))
    for zone in zones:
        corners_um = np.array([[zone.x0_mm, zone.y0_mm], [zone.x1_mm, zone.y1_mm]]) * 1000.0
        (x0, y0), (x1, y1) = np.rint(overview.spacing.to_px(corners_um)).astype(int).tolist()
        inside = tissue.cells_of_pieces(labels[overview.slices_of(Region(x0, y0, x1, y1))], len(pieces))
        pieces = tuple(
            replace(piece, role=zone.role) if 2 * inside[piece.id] > cells[piece.id] else piece for piece in pieces
        )
    return pieces
