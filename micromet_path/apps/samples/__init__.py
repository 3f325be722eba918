"""Sample slides: keratin-stained lymph nodes drawn by the yard, with the truth beside them.

`write_sample` streams a pyramidal JPEG TIFF as Aperio scanners write it, and a ``truth.json``. The
same `SampleSpec` always gives the same bytes, memory does not grow with the side, and nothing here
is shared with the code that analyses slides: sizes in the truth are measured on the masks that
were meant, before any light passes through them.

Profiles: ``default`` (three pieces of tissue on about 45 % of the glass, 1 to 3 % stained, every
kind of focus below that the side has room for), ``negative``, ``itc``, ``micro``, ``macro`` (named
after the finding), ``heavy`` (about 20 % of the tissue is solid tumour), ``empty`` (glass and
dust), ``he`` (haematoxylin and eosin, not to be assessed).

Scenes are profiles that show one thing, repeated as the slide grows: ``foci`` (as many of all sizes
as fit, for statistics: 45 or more on 8192 px at 0.25 um); ``dots`` (dots beside nuclei, and small
ordinary foci); ``membranous`` (a ring 1 to 2 um thick around each cell, everything inside unstained);
``lobular`` (more than 200 cells, single or in short files, 20 to 60 um apart over 2 mm where there
is room); ``desmoplastic`` (nests between septa of 15 to 40 um of stroma); ``serial`` (two or three
nodes with two cuts each: the same outline and nearly the same foci); ``control`` (control tissue with
strong foci in a zone at the right edge; by the seed modulo 3 the patient has isolated cells, nothing,
or a micrometastasis); ``mimics`` and ``negative-mimics`` (what looks like tumour, with and without
foci); ``blood`` and ``negative-blood`` (red cells in vessels and sinuses all over the section, with few
small foci and without any).

Looks are stains, glasses and optics, the same for any profile: see `LOOKS`. A look moves nothing:
the foci of a seed lie where they lie with the look ``default``.

Modules, in the order of the work: `spec` what is asked for; `looks` how it is stained and seen;
`tissue` where tissue lies; `shapes`, `families` and `outlines` outlines (drawn or real); `masks`
pixels of outlines and their sizes; `wish`, `profiles` and `scenes` which foci are wished for;
`places`, `focus` and `layout` where they go and what they are; `specks` pigment and dust; `mimics`
what else is no tumour; `planes`, `textures`, `kernels`, `optics` and `render` dyes and light; `svs`
the file; `expected` and `truth` the document; `write` all of it together.

Notes
-----
``truth.json``, version ``micromet-truth/1``; coordinates are level-0 pixels, boxes half-open
``[x0, y0, x1, y1]``, a pixel's centre is at +0.5, absent values are null, keys may be added:

``version, profile, look, seed, side_px, mpp_x, mpp_y, tile_px, jpeg_quality``
    What was asked for.
``spacing``
    ``square`` (whether mpp_x and mpp_y are the same) and ``stated_by``: ``aperio.MPP``, or
    ``tiff.resolution`` where the description has no room for two.
``outlines``
    ``drawn``, or ``real`` where solid foci have outlines from a file.
``white``
    RGB of clear glass, in the middle of a camera field.
``stain_vectors``
    Unit vectors of ``haematoxylin`` and ``dab`` (``aec`` or ``fast_red`` by the look, ``eosin`` for
    profile he) in optical density (red, green, blue), ``-log10(I / white)``.
``in_focus_share``, ``sharp_box_px0``
    Share of the tissue where light is spread by less than 1.5 um, and where that is on a slide of
    which half is (null on others).
``control_zone_mm``
    ``[x0, y0, x1, y1]`` of the part of the glass for control tissue, or null.
``tissue``
    ``pieces[{id, bbox_px0, area_mm2, role, node, cut}]`` by their smooth outlines (the drawn margin
    strays by up to 10 um), ``role`` ``patient`` or ``control``, ``node`` and ``cut`` from 1 on
    profile serial and null on others; ``share_of_slide``; ``stained_share_of_slide`` and
    ``stained_share_of_tissue`` (unstained nuclei do not count); ``tumour_share_of_tissue`` (they do).
``foci[]``
    ``id`` (1..n); ``kind`` (below); ``pattern`` (``cytoplasmic``, ``membranous`` or ``dot_like``);
    ``is_tumour``; ``on_control``; ``piece``, the id of the tissue it lies on; ``n_cells``;
    ``max_diameter_um``, the largest distance between pixel corners of the intended mask; ``area_um2``
    of what is stained and ``area_filled_um2`` with what is not inside; ``dab_od``, mean density of
    the chromogen over what is stained, before the lens; ``in_focus``; ``centre_px0`` of the filled
    mask; ``bbox_px0``; ``family``, a number
    shared by foci that were placed together; for pairs ``partner`` (an id) and ``gap_um``, the
    distance between the nearest pixel edges of the two masks as drawn; ``in_other_cut``, the id of the
    same focus in the other cut of its node, or null; ``crosses``: ``corner``
    when the mask covers the corner of four tiles, ``seam`` when it lies on more than one tile
    otherwise, or ``none``.
``patches[]``
    Boxes of grains that are not tumour: ``kind`` (``pigment``, or ``dust`` on profile empty),
    ``is_tumour`` false, ``bbox_px0``, ``count``, ``largest_um``. Pigment is grey to brown-black, 500
    grains a mm2, mostly 1 to 4 um and some of 5 to 8 um.
``mimics[]``
    ``kind``, ``is_tumour`` false, ``bbox_px0``, ``n`` members, ``largest_um`` of them, ``on_tissue``.
``expected``
    Without control tissue: ``category`` (``not_assessable`` for empty and he, without any chromogen,
    and where no focus is in focus and some tissue is not; then ``not_assessable_because``);
    ``gap_um`` (7); ``max_diameter_um`` of the largest cluster; ``clusters[{focus_ids,
    max_diameter_um, n_cells, category}]``, foci joined at that gap, largest first;
    ``dot_patterns``, ids of the foci that are only dots; ``n_cells`` of all foci; ``by_gap[{gap_um,
    n_clusters, max_diameter_um, category}]`` at 0, 7, 15, 25, 50 and 75 um. Dots are in no cluster.

Kinds of foci: ``single_cell``; ``group`` (cells grown together); ``chain`` (cells in a row 4.5 um
apart, one focus each); ``pair`` (two nests 3, 5, 10 or 30 um apart); ``solid``, ``micro``, ``macro``
(nests by size); ``near_200`` and ``near_2000`` (sizes about the limits of the categories);
``corner`` and ``seam`` (on tile seams); ``offgrid`` (its box begins at a prime column and row, so on
the grid of no tile size); ``dot_like`` (ten or more dots of 2 to 4 um within 100 um, one cell each);
``single_dot`` (one such dot: sub-cellular); ``lobular`` and ``desmoplastic`` (members of those
scenes). Things of different families are 120 um or more apart, and 30 um or more from the tissue
margin. With the look default a stained pixel is DAB-brown at a density of 0.5 to 1.2; what is not
stained stays below 0.2 after JPEG compression at quality 80.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     paths = write_sample(Path(folder), SampleSpec(profile="empty", side_px=1024))
...     paths.slide.name, paths.truth.name
('empty-1024-seed0.svs', 'empty-1024-seed0.truth.json')
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from micromet_path.apps.samples.looks import LOOKS
from micromet_path.apps.samples.spec import PROFILES, SamplePaths, SampleSpec

__all__ = ["LOOKS", "PROFILES", "SamplePaths", "SampleSpec", "write_sample"]


def write_sample(folder: Path, spec: SampleSpec, progress: Callable[[int, int], None] | None = None) -> SamplePaths:
    """Generate one slide and its truth.

    Parameters
    ----------
    folder : Path
        Where the two files go; made when absent. Both are written aside and renamed when complete.
    spec : SampleSpec
        What to generate.
    progress : callable, optional
        Called with the strips that are done and their total, from the calling thread.

    Returns
    -------
    SamplePaths
        The slide, ``<profile>-<side>-seed<seed>[-<look>].svs``, and its truth, ``<same stem>.truth.json``.

    Raises
    ------
    ConfigError
        If ``folder`` is a file, or the slide is too small for what the profile promises.
    """
    from micromet_path.apps.samples.write import write  # compiled code and encoders: only where a slide is drawn

    return write(Path(folder), spec, progress)
