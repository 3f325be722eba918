"""A plausible analysis made from a boolean image, with nothing of the pipeline: every column adds up."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from micromet_path import hull
from micromet_path.clinical.wording import millimetres
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import (
    GAPS_UM,
    Analysis,
    Assessable,
    Audit,
    BrownThing,
    Category,
    CellEstimate,
    ClusterMeasures,
    Clusters,
    Counting,
    Dropped,
    Finding,
    Fragments,
    GapFinding,
    Picture,
    Piece,
    Provenance,
    Quality,
    Role,
    Runs,
    ScanSummary,
    SlideRecord,
    Tree,
)

EIGHT = np.ones((3, 3), int)
SPACING = PixelSpacing(0.5, 0.52)
FLAGS = ("weak", "pigment_like", "tissue_edge", "off_tissue", "blur", "fold")


def runs_of(mask):
    """Rows, starts and stops of the runs of a boolean image."""
    change = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(change == 1)
    return row, start, np.nonzero(change == -1)[1]


def labelled(mask):
    """8-connected labels 0..F-1 in the order of the first pixel, -1 for background."""
    return ndimage.label(mask, EIGHT)[0] - 1


def corner_sets(label, row, start, stop):
    """Pixel corners of the runs with the label of each."""
    of_run = label[row, start]
    x = np.concatenate([start, stop, start, stop])
    y = np.concatenate([row, row, row + 1, row + 1])
    return np.stack([x, y], axis=1).astype(np.int64), np.tile(of_run, 4).astype(np.int64)


def hulls(mask_label, mask, n):
    row, start, stop = runs_of(mask)
    return hull.ragged_hulls(*corner_sets(mask_label, row, start, stop), n)


def make_fragments(mask, offset, rng):
    """Fragments and runs of an image whose corner lies at `offset` of the slide."""
    label = labelled(mask)
    n = label.max() + 1
    index = np.arange(n)
    row, start, stop = runs_of(mask)
    of_run = label[row, start]
    order = np.lexsort((start, row, of_run))
    boxes = ndimage.find_objects(label + 1)
    pixels = np.stack(np.nonzero(mask), axis=1)
    sets = label[mask]
    area = np.bincount(sets, minlength=n)
    strong = np.minimum(area, rng.integers(0, 40, n))
    hull_px, hull_offsets = hulls(label, mask, n)
    core = ndimage.binary_erosion(mask, EIGHT)
    high_px, high_offsets = hulls(np.where(core, label, -1), core, n)
    low = ndimage.binary_dilation(mask, iterations=2)
    low_label = labelled(low)
    low_px, low_offsets = hulls(low_label, low, low_label.max() + 1)
    first = np.array([pixels[sets == i][0][::-1] for i in index], np.int64).reshape(n, 2)
    shift = np.array(offset)
    filled = [int(ndimage.binary_fill_holes(label[box] == i).sum()) for i, box in enumerate(boxes)]
    fragments = Fragments(
        od_scale=4096,
        first_px=first + shift,
        bbox_px0=np.array([[b[1].start, b[0].start, b[1].stop, b[0].stop] for b in boxes], np.int64).reshape(n, 4)
        + np.tile(shift, 2),
        area_px=area,
        filled_px=np.array(filled, np.int64),
        strong_px=strong,
        sum_xy_px=np.stack([np.bincount(sets, pixels[:, k] + shift[1 - k], n) for k in (1, 0)], axis=1).astype(int),
        sum_rgb=area[:, None] * rng.integers(40, 160, (n, 3)),
        sum_stain=area[:, None] * rng.integers(100, 3000, (n, 3)),
        max_dab=rng.integers(2000, 6000, n),
        hull_px=hull_px + shift,
        hull_offsets=hull_offsets,
        high_hull_px=high_px + shift,
        high_hull_offsets=high_offsets,
        low_component=low_label[first[:, 1], first[:, 0]].astype(np.int64),
        low_hull_px=low_px + shift,
        low_hull_offsets=low_offsets,
        enclosed_by=np.full(n, -1),
        weak=strong == 0,
        pigment_like=rng.random(n) < 0.05,
        scan_edge=rng.random(n) < 0.02,
        tissue_edge=rng.random(n) < 0.05,
        off_tissue=rng.random(n) < 0.02,
        dot_group=np.full(n, -1),
        piece=rng.integers(0, 3, n),
        cells=area / 500,
        cells_low=area / 800,
        cells_high=area / 300,
        flags={"blur": np.linspace(0, 0.3, n), "stellate": np.zeros(n)},
    )
    runs = Runs(
        *(np.ascontiguousarray(column[order], dtype=np.int32)
          for column in (row + shift[1], start + shift[0], stop + shift[0], of_run))
    )  # fmt: skip
    return fragments, runs


def measure(fragments, parents, rng, gap_um=7.0):
    """Clusters from the fragments' parents (fragment -> any cluster key)."""
    keys, group = np.unique(parents, return_inverse=True)
    n = len(keys)
    fragment_of_point = np.repeat(np.arange(len(fragments)), np.diff(fragments.hull_offsets))
    cluster_hulls, offsets = hull.ragged_hulls(fragments.hull_px, group[fragment_of_point], n)
    diameter, axis, circle, hull_area = hull.ragged_measures(cluster_hulls, offsets, SPACING.x_um, SPACING.y_um)
    box = np.full((n, 4), 0)
    for i in range(n):
        mine = fragments.bbox_px0[group == i]
        box[i] = [*mine[:, :2].min(axis=0), *mine[:, 2:].max(axis=0)]
    add = lambda values: np.bincount(group, values, n)  # noqa: E731
    first = np.array([fragments.first_px[group == i][0] for i in range(n)], np.int64).reshape(n, 2)
    order = np.lexsort((first[:, 0], first[:, 1], -diameter))
    row_of = np.argsort(order)
    area_px = add(fragments.area_px)
    cells = area_px * SPACING.pixel_area_um2 / 120
    flags = {name: np.round(rng.random(n) * (rng.random(n) < 0.15), 3) for name in FLAGS}
    for name in ("pigment_like", "off_tissue"):
        flags[name][order[:1]] = 0  # the largest counts
    sums = np.stack([add(fragments.sum_xy_px[:, k]) for k in (0, 1)], axis=1)
    rgb = np.stack([add(fragments.sum_rgb[:, k]) for k in range(3)], axis=1)
    return ClusterMeasures(
        gap_um=gap_um,
        cluster_of_fragment=row_of[group],
        piece_id=np.array([fragments.piece[group == i][0] for i in order], np.int64),
        n_fragments=add(np.ones(len(group))).astype(np.int64)[order],
        max_diameter_um=diameter[order],
        diameter_low_um=diameter[order] * 0.97,
        diameter_high_um=diameter[order] * 1.04 + 0.3,
        axis_px0=axis[order],
        min_bounding_circle_um=circle[order],
        area_um2=(area_px * SPACING.pixel_area_um2)[order],
        area_filled_um2=(add(fragments.filled_px) * SPACING.pixel_area_um2)[order],
        centroid_px0=(sums / area_px[:, None] + 0.5)[order],
        bbox_px0=box[order],
        mean_rgb=(rgb / area_px[:, None])[order],
        mean_dab_od=(add(fragments.sum_stain[:, 1]) / area_px / fragments.od_scale)[order],
        max_dab_od=np.array([fragments.max_dab[group == i].max() / fragments.od_scale for i in order], float),
        solidity=(area_px * SPACING.pixel_area_um2 / hull_area)[order],
        cells=cells[order],
        cells_low=cells[order] * 0.5,
        cells_high=cells[order] * 2,
        size_is_minimum=rng.random(n) < 0.05,
        rank_score=rng.random(n),
        flags={name: strength[order] for name, strength in flags.items()},
    )


def category_of(diameter_um):
    if diameter_um > 2000:
        return Category.MACROMETASTASIS
    return Category.MICROMETASTASIS if diameter_um > 200 else Category.ITC


def judge(measures):
    not_counted = (measures.flags["pigment_like"] > 0) | (measures.flags["off_tissue"] > 0)
    doubtful = (measures.flags["weak"] > 0) | (measures.flags["fold"] > 0)
    counting = np.where(
        not_counted, Counting.NOT_COUNTED, np.where(doubtful, Counting.DOUBTFUL, Counting.COUNTED)
    ).astype(object)
    diameter = measures.max_diameter_um
    return Clusters.judged(
        measures,
        category=np.array([category_of(value) for value in diameter], dtype=object),
        counting=np.array([Counting(value) for value in counting], dtype=object),
        borderline=(measures.diameter_low_um <= 200) & (measures.diameter_high_um > 200),
        near_limit=np.abs(diameter - 200) < 20,
    )


def make_finding(clusters, category=None):
    counted = np.flatnonzero(clusters.is_counted)
    if category is None:
        category = clusters.category[counted[0]] if len(counted) else Category.NEGATIVE
    has_size = category.rank > 1 and len(counted) > 0
    largest = int(counted[0]) if has_size else None
    diameter = float(clusters.max_diameter_um[largest]) if has_size else None
    n = [int((clusters.category[counted] == name).sum()) for name in list(Category)[2:]]
    reasons = ("no_tissue: no tissue was found",) if category is Category.NOT_ASSESSABLE else ()
    return Finding(
        category=category,
        assessable=Assessable(not reasons, reasons),
        max_diameter_um=diameter,
        diameter_interval_um=(diameter * 0.97, diameter * 1.04) if has_size else None,
        borderline=False,
        near_limit=False,
        size_is_minimum=False,
        cluster_id=largest + 1 if has_size else None,
        category_by_size=category,
        category_by_cells=category,
        n_clusters=sum(n),
        n_itc=n[0],
        n_micro=n[1],
        n_macro=n[2],
        estimated_cells=CellEstimate(220.0, 110.0, 440.0) if has_size else None,
        by_gap=tuple(
            GapFinding(gap, category, diameter * (1 + gap / 100) if has_size else None) for gap in GAPS_UM
        ),
        contiguity_sensitive=has_size,
        if_all_counted=clusters.category[0] if len(clusters) else category,
        scatter_extent_um=812.5 if has_size else None,
        headline=f"{category.value}, {millimetres(diameter)} mm contiguous (gap 7 um)." if has_size
        else "No keratin-positive candidate counted. Read: 99.6 % of the detected tissue (41.2 mm2), 98 % in focus.",
        flags=("uncounted_large",) if has_size else (),
    )  # fmt: skip


def paint(mask, rng, factor=1):
    """A pale section with blue nuclei where nothing is stained, and brown where the mask is."""
    rows, columns = mask.shape
    noise = ndimage.gaussian_filter(rng.random((rows // 2 + 1, columns // 2 + 1)), 2).repeat(2, 0).repeat(2, 1)
    nuclei = noise[:rows, :columns] > np.quantile(noise, 0.72)
    rgb = np.full((rows, columns, 3), (233, 228, 236), float)
    rgb[nuclei] = (146, 150, 198)
    rgb[mask] = (122, 78, 42)
    rgb += rng.normal(0, 9, (rows, columns, 1))
    soft = np.stack([ndimage.gaussian_filter(rgb[..., c], 0.8) for c in range(3)], axis=-1)
    return np.clip(soft[::factor, ::factor], 0, 255).astype(np.uint8)


def picture_of(name, region, image, offset, factor=1):
    """Pixels of a region of the slide, white where the image does not reach."""
    rows, columns = region.shape
    out = np.full((rows, columns, 3), 255, np.uint8)
    y, x = region.y0 - offset[1], region.x0 - offset[0]
    top, left = max(0, -y), max(0, -x)
    part = image[max(0, y) : max(0, y + rows), max(0, x) : max(0, x + columns)]
    out[top : top + part.shape[0], left : left + part.shape[1]] = part
    return Picture.of(name, region, np.ascontiguousarray(out[::factor, ::factor]))


def build(mask, offset=(3000, 2000), seed=0, category=None, name="sentinel node 3.svs"):
    """Analysis, runs and pictures of a boolean image."""
    rng = np.random.default_rng(seed)
    rows, columns = mask.shape
    fragments, runs = make_fragments(mask, offset, rng)
    near = labelled(ndimage.binary_dilation(mask, iterations=6))
    parents = near[fragments.first_px[:, 1] - offset[1], fragments.first_px[:, 0] - offset[0]]
    clusters = judge(measure(fragments, parents, rng))
    image = paint(mask, rng)
    whole = Region(offset[0], offset[1], offset[0] + columns, offset[1] + rows)
    factor = max(1, max(rows, columns) // 1200)
    pictures = [picture_of("overview", whole.grown(60), image, offset, factor)]
    for row in range(min(24, len(clusters))):
        box = Region(*clusters.bbox_px0[row].tolist())
        side = max(box.width, box.height) * 3 // 2 + 60
        x, y = (box.x0 + box.x1 - side) // 2, (box.y0 + box.y1 - side) // 2
        factor = max(1, side // 420)
        pictures.append(picture_of(f"cluster-{row + 1:04d}", Region(x, y, x + side, y + side), image, offset, factor))
    brownest = []
    for rank, row in enumerate(range(min(10, len(clusters))), start=1):
        box = tuple(clusters.bbox_px0[row].tolist())
        region = Region(*box).grown(40)
        pictures.append(picture_of(f"brown-{rank:02d}", region, image, offset, max(1, region.width // 200)))
        brownest.append(
            BrownThing(rank, box, float(clusters.max_diameter_um[row]), float(clusters.max_dab_od[row]), row + 1,
                       f"cluster {row + 1}, {clusters.counting[row].value.replace('_', ' ')}")
        )  # fmt: skip
    edges = np.arange(1, len(fragments))
    gaps = np.sort(rng.uniform(0.5, 100, len(edges)))
    analysis = Analysis(
        slide=SlideRecord(
            "sentinel node 3", name, offset[0] + columns + 500, offset[1] + rows + 500, SPACING, "openslide.mpp",
            "aperio", "v1:" + "ab12" * 16, "openslide", Region(100, 50, offset[0] + columns, offset[1] + rows),
            (("openslide.objective-power", "20"),), ("The scale differs along x and y.",),
        ),
        scan=ScanSummary(
            0.996, 0.98, 41.23, (243.0, 242.5, 240.1), "measured",
            ((0.65, 0.7, 0.29), (0.27, 0.57, 0.78), (0.6, -0.6, 0.5)),
            "estimated", (0.64, 0.71, 0.29), (0.28, 0.56, 0.78), 0.83, ("the chromogen lies 6 degrees off",),
            0.25, 0.2, 0.3, 0.5, (0.5, 0.52), 7.0, 25.0, "candidates", 2, (Region(40, 60, 120, 140),),
            Dropped(14, 5.9), Dropped(3, None),
        ),
        quality=Quality(41.23, 0.996, 0.98, False, True, "a note", 2, True, control_result="passed",
                        antibody="AE1/AE3", audit=Audit(1000, 200, 850, 300, 0), in_focus_interval=(0.93, 1.0),
                        control_on_slide="stained"),
        pieces=(
            Piece(1, (whole.x0, whole.y0, whole.x0 + columns // 2, whole.y1), 21.0, Role.PATIENT, True,
                  Category.MICROMETASTASIS, 310.25, CellEstimate(310.0, 150.0, 620.0)),
            Piece(2, (whole.x0 + columns // 2 + 20, whole.y0, whole.x1, whole.y1), 20.23, Role.CONTROL),
        ),
        finding=make_finding(clusters, category),
        clusters=clusters,
        fragments=fragments,
        tree=Tree(edges - 1, edges, gaps),
        brownest=tuple(brownest),
        provenance=Provenance(
            "0.1.0", {"scan": {"threshold_od": 0.25, "gap_um": 7.0}, "zones": []}, "c0ffee" * 10,
            "2024-05-06T07:08:09+00:00",
            12.25,
        ),
    )  # fmt: skip
    return SimpleNamespace(analysis=analysis, runs=runs, pictures=tuple(pictures), mask=mask, offset=offset)


def blobs(seed, shape=(420, 640), sigma=3.0, share=0.08):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.random(shape), sigma)
    return field > np.quantile(field, 1 - share)


@pytest.fixture(scope="session")
def positive():
    """Foci of many sizes, some fragmented, with holes."""
    mask = blobs(5)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    nest = (((x - 300) / 260) ** 2 + ((y - 200) / 120) ** 2 < 1) & ~blobs(9, sigma=4, share=0.3)
    return build(mask | nest)


@pytest.fixture(scope="session")
def negative():
    return build(np.zeros((60, 80), bool))


@pytest.fixture(scope="session")
def not_assessable():
    made = build(blobs(2, (200, 200)), category=Category.NOT_ASSESSABLE)
    made.analysis = replace(
        made.analysis,
        scan=replace(
            made.analysis.scan,
            coverage=None,
            in_focus=None,
            estimated_haematoxylin=None,
            estimated_chromogen=None,
            chromogen_strength_od=None,
            counterstain_strength_od=0.61,
        ),
        quality=Quality(0.0, None, None, True, None),
        pieces=(),
    )
    return made


@pytest.fixture(params=["positive", "negative", "not_assessable"])
def made(request):
    return request.getfixturevalue(request.param)
