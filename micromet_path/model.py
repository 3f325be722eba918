"""The records that travel between the steps. Read this first.

All are frozen and hold data only. Many small things of one kind are one record of equally long
numpy columns (`Fragments`, `ClusterMeasures`, `Clusters`, `Tree`); the row is the identity.

::

    Fragments --Tree--> ClusterMeasures --judged--> Clusters --+
    TissueMap ------------------------> Piece(s) --------------+--> Finding --> Analysis
    ScanSummary, Quality --------------------------------------+

Coordinates are level-0 pixels (``px0``), lengths microns (``um``); see `geometry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import PixelSpacing, Region

if TYPE_CHECKING:
    import pandas

__all__ = [
    "GAPS_UM",
    "LINK_LIMIT_UM",
    "Analysis",
    "Assessable",
    "Audit",
    "BlockScan",
    "BrownThing",
    "Category",
    "CellEstimate",
    "ClusterMeasures",
    "Clusters",
    "Counting",
    "Dropped",
    "Finding",
    "Fragments",
    "GapFinding",
    "Picture",
    "Piece",
    "Pieces",
    "Provenance",
    "Quality",
    "Role",
    "Runs",
    "ScanSummary",
    "SlideRecord",
    "Tree",
]

_JPEG_QUALITY = 92

LINK_LIMIT_UM = 100.0
"""The contiguity tree holds gaps up to this; clusters cannot be cut at a larger one."""

GAPS_UM = (0.0, 7.0, 15.0, 25.0, 50.0, 75.0)
"""Gaps at which every result carries its finding."""


class Category(StrEnum):
    """What a slide, a piece or a cluster is called; `rank` puts them in order of severity."""

    NOT_ASSESSABLE = "not_assessable"
    NEGATIVE = "negative"
    ITC = "itc"
    MICROMETASTASIS = "micrometastasis"
    MACROMETASTASIS = "macrometastasis"

    @property
    def rank(self) -> int:
        """0 for not assessable, 1 for negative ... 4 for macrometastasis."""
        return list(Category).index(self)


class Counting(StrEnum):
    """Whether a cluster enters the finding. `DOUBTFUL` does, and says so."""

    COUNTED = "counted"
    DOUBTFUL = "doubtful"
    NOT_COUNTED = "not_counted"


class Role(StrEnum):
    """What a piece of tissue is on the slide for."""

    PATIENT = "patient"
    CONTROL = "control"
    EXCLUDE = "exclude"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Pieces:
    """Connected runs of one block at one threshold, before they are joined across seams.

    Parameters
    ----------
    hull_px, hull_offsets : ndarray of shape (P, 2) and (N + 1,), int64
        Corner points that hold each piece's hull, ragged.
    seam_row, seam_start, seam_stop, seam_piece : ndarray of shape (S,), int32
        Runs that touch the border of the block.
    """

    hull_px: NDArray[np.int64]
    hull_offsets: NDArray[np.int64]
    seam_row: NDArray[np.int32]
    seam_start: NDArray[np.int32]
    seam_stop: NDArray[np.int32]
    seam_piece: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.hull_offsets) - 1


@dataclass(frozen=True, slots=True)
class BlockScan:
    """What a block of the slide yields: pieces with their sums, and their runs. All in level-0 pixels.

    Parameters
    ----------
    stained : Pieces
        At the configured threshold.
    lenient : Pieces
        At the lower threshold.
    high_hull_px, high_hull_offsets
        Hull points of each stained piece's pixels above the higher threshold, ragged.
    lenient_of : ndarray of shape (N,), int64
        Lenient piece that holds each stained piece.
    first_px : ndarray of shape (N, 2), int64
        Leftmost pixel (x, y) of the topmost row.
    bbox_px0 : ndarray of shape (N, 4), int64
    sums : ndarray of shape (N, 10), int64
        Pixels, columns, rows, red, green, blue, haematoxylin, chromogen, residual, strong pixels.
    max_dab : ndarray of shape (N,), int64
    row, start, stop, piece : ndarray of shape (R,), int32
        Runs of the stained pieces.
    """

    stained: Pieces
    lenient: Pieces
    high_hull_px: NDArray[np.int64]
    high_hull_offsets: NDArray[np.int64]
    lenient_of: NDArray[np.int64]
    first_px: NDArray[np.int64]
    bbox_px0: NDArray[np.int64]
    sums: NDArray[np.int64]
    max_dab: NDArray[np.int64]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    piece: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Runs:
    """Horizontal runs of stained pixels, sorted by (fragment, row, start); never empty, never touching.

    Parameters
    ----------
    row, start, stop : ndarray of shape (R,), dtype int32
        Pixels ``[row, start:stop]`` of level 0.
    fragment : ndarray of shape (R,), dtype int32
        Row of `Fragments`.
    """

    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    fragment: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Fragments:
    """8-connected pieces of stained pixels, sorted by their first pixel (row, then column).

    All pixel sums are integers, so that they are the same whatever order tiles came in. Densities are
    summed in units of 1 / `od_scale`.

    Parameters
    ----------
    od_scale : int
        Fixed-point unit of the density sums.
    first_px : ndarray of shape (F, 2), int64
        First pixel (x, y): the leftmost of the topmost row.
    bbox_px0 : ndarray of shape (F, 4), int64
        x0, y0, x1, y1, half-open.
    area_px, filled_px, strong_px : ndarray of shape (F,), int64
        Stained pixels; with holes filled; above the strong threshold.
    sum_xy_px : ndarray of shape (F, 2), int64
        Sums of pixel columns and rows (indices, not centres).
    sum_rgb : ndarray of shape (F, 3), int64
    sum_stain : ndarray of shape (F, 3), int64
        Haematoxylin, chromogen and residual density.
    max_dab : ndarray of shape (F,), int64
        Strongest chromogen density, same unit.
    hull_px, hull_offsets : ndarray of shape (P, 2) and (F + 1,), int64
        Convex hulls of the pixel corners, ragged.
    high_hull_px, high_hull_offsets
        The same for the pixels above the higher threshold; empty where there is none.
    low_component : ndarray of shape (F,), int64
        Component at the lower threshold that holds the fragment: row of ``low_hull_offsets``.
    low_hull_px, low_hull_offsets
        Hulls of the components at the lower threshold that hold a kept fragment.
    enclosed_by : ndarray of shape (F,), int64
        Fragment in whose hole this one lies, -1 for none.
    weak, pigment_like, scan_edge, tissue_edge, off_tissue : ndarray of shape (F,), bool
        No strong pixel; colour of carbon rather than of DAB; at the border of what was scanned;
        at a tissue border; surrounded by bare glass.
    dot_group : ndarray of shape (F,), int64
        Dot pattern the fragment is gathered in, -1 for none; these take no part in the tree.
    piece : ndarray of shape (F,), int64
        Piece of tissue, 1..n; 0 where there is none.
    cells, cells_low, cells_high : ndarray of shape (F,), float64
        Its share of the tumour cells of the candidate it belongs to, by its area, with the interval.
    flags : mapping of str to ndarray of shape (F,), float64
        Strength of each flag that the second look gave to its candidate; 0 where there was none.
    """

    od_scale: int
    first_px: NDArray[np.int64]
    bbox_px0: NDArray[np.int64]
    area_px: NDArray[np.int64]
    filled_px: NDArray[np.int64]
    strong_px: NDArray[np.int64]
    sum_xy_px: NDArray[np.int64]
    sum_rgb: NDArray[np.int64]
    sum_stain: NDArray[np.int64]
    max_dab: NDArray[np.int64]
    hull_px: NDArray[np.int64]
    hull_offsets: NDArray[np.int64]
    high_hull_px: NDArray[np.int64]
    high_hull_offsets: NDArray[np.int64]
    low_component: NDArray[np.int64]
    low_hull_px: NDArray[np.int64]
    low_hull_offsets: NDArray[np.int64]
    enclosed_by: NDArray[np.int64]
    weak: NDArray[np.bool_]
    pigment_like: NDArray[np.bool_]
    scan_edge: NDArray[np.bool_]
    tissue_edge: NDArray[np.bool_]
    off_tissue: NDArray[np.bool_]
    dot_group: NDArray[np.int64]
    piece: NDArray[np.int64]
    cells: NDArray[np.float64]
    cells_low: NDArray[np.float64]
    cells_high: NDArray[np.float64]
    flags: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.area_px)


@dataclass(frozen=True, slots=True)
class Tree:
    """Contiguity tree: the minimum spanning forest of the gaps between fragments, smallest gap first.

    Parameters
    ----------
    first, second : ndarray of shape (E,), int64
        Fragments that an edge joins, first < second.
    gap_um : ndarray of shape (E,), float64
        Distance between their nearest pixel edges, 0 < gap <= 100.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    gap_um: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.gap_um)


@dataclass(frozen=True, slots=True)
class ClusterMeasures:
    """What is measured of each cluster, largest first; ties by first pixel. The id of row i is i + 1.

    Parameters
    ----------
    gap_um : float
        Fragments up to this far apart were taken as one.
    cluster_of_fragment : ndarray of shape (F,), int64
        Row of this table for each fragment, -1 for fragments in clusters below the smallest area.
    piece_id : ndarray of shape (C,), int64
        0 where the cluster lies on no piece.
    n_fragments : ndarray of shape (C,), int64
    max_diameter_um : ndarray of shape (C,), float64
        Maximum Feret diameter between pixel corners.
    diameter_low_um, diameter_high_um : ndarray of shape (C,), float64
        Size interval; ``low <= max_diameter_um <= high``.
    axis_px0 : ndarray of shape (C, 2, 2), int64
        End points (x, y) of the diameter.
    min_bounding_circle_um : ndarray of shape (C,), float64
        Diameter of the smallest enclosing circle, QuPath's "Max diameter".
    area_um2, area_filled_um2 : ndarray of shape (C,), float64
        Stained, and with holes filled.
    centroid_px0 : ndarray of shape (C, 2), float64
        Mean of the stained pixels' centres (x, y).
    bbox_px0 : ndarray of shape (C, 4), int64
    mean_rgb : ndarray of shape (C, 3), float64
    mean_dab_od, max_dab_od : ndarray of shape (C,), float64
    solidity : ndarray of shape (C,), float64
        Stained area over hull area.
    cells, cells_low, cells_high : ndarray of shape (C,), float64
        Estimated tumour cells with their interval.
    size_is_minimum : ndarray of shape (C,), bool
        The cluster touches a border beyond which nothing could be seen.
    rank_score : ndarray of shape (C,), float64
        Orders clusters for the eye; never printed as a number.
    flags : mapping of str to ndarray of shape (C,), float64
        Strength of each reason for doubt, 0 for absent, at most 1.
    """

    gap_um: float
    cluster_of_fragment: NDArray[np.int64]
    piece_id: NDArray[np.int64]
    n_fragments: NDArray[np.int64]
    max_diameter_um: NDArray[np.float64]
    diameter_low_um: NDArray[np.float64]
    diameter_high_um: NDArray[np.float64]
    axis_px0: NDArray[np.int64]
    min_bounding_circle_um: NDArray[np.float64]
    area_um2: NDArray[np.float64]
    area_filled_um2: NDArray[np.float64]
    centroid_px0: NDArray[np.float64]
    bbox_px0: NDArray[np.int64]
    mean_rgb: NDArray[np.float64]
    mean_dab_od: NDArray[np.float64]
    max_dab_od: NDArray[np.float64]
    solidity: NDArray[np.float64]
    cells: NDArray[np.float64]
    cells_low: NDArray[np.float64]
    cells_high: NDArray[np.float64]
    size_is_minimum: NDArray[np.bool_]
    rank_score: NDArray[np.float64]
    flags: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.max_diameter_um)

    def flags_of(self, row: int) -> dict[str, float]:
        """Flags of one cluster with their strengths, strongest first, then by name."""
        found = {name: float(strength[row]) for name, strength in self.flags.items() if strength[row] > 0}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True)
class Clusters(ClusterMeasures):
    """Measured clusters with what was decided of each.

    Parameters
    ----------
    category : ndarray of shape (C,), object (`Category`)
        By size alone.
    counting : ndarray of shape (C,), object (`Counting`)
    borderline, near_limit : ndarray of shape (C,), bool
        A category limit lies inside the size interval; the size is within 10 % of a limit.
    """

    category: NDArray[np.object_]
    counting: NDArray[np.object_]
    borderline: NDArray[np.bool_]
    near_limit: NDArray[np.bool_]

    @classmethod
    def judged(cls, measures: ClusterMeasures, **decided: Any) -> Clusters:
        """Measures and decisions as one table."""
        return cls(**{column.name: getattr(measures, column.name) for column in fields(ClusterMeasures)}, **decided)

    @property
    def is_counted(self) -> NDArray[np.bool_]:
        """Clusters that enter the finding, the doubtful ones included."""
        return np.array([value is not Counting.NOT_COUNTED for value in self.counting], dtype=bool)

    def to_columns(self) -> dict[str, NDArray[Any] | list[Any]]:
        """Flat columns with units in their names: the one layout of CSV, Parquet and data frames."""
        flag_names = [";".join(self.flags_of(row)) for row in range(len(self))]
        return {
            "id": np.arange(1, len(self) + 1),
            "piece_id": self.piece_id,
            "category": [value.value for value in self.category],
            "counting": [value.value for value in self.counting],
            "max_diameter_um": self.max_diameter_um,
            "diameter_low_um": self.diameter_low_um,
            "diameter_high_um": self.diameter_high_um,
            "size_is_minimum": self.size_is_minimum,
            "borderline": self.borderline,
            "near_limit": self.near_limit,
            "min_bounding_circle_um": self.min_bounding_circle_um,
            "area_um2": self.area_um2,
            "area_filled_um2": self.area_filled_um2,
            "solidity": self.solidity,
            "n_fragments": self.n_fragments,
            "estimated_cells": self.cells,
            "estimated_cells_low": self.cells_low,
            "estimated_cells_high": self.cells_high,
            "mean_dab_od": self.mean_dab_od,
            "max_dab_od": self.max_dab_od,
            "centroid_x_px0": self.centroid_px0[:, 0],
            "centroid_y_px0": self.centroid_px0[:, 1],
            "bbox_x0_px0": self.bbox_px0[:, 0],
            "bbox_y0_px0": self.bbox_px0[:, 1],
            "bbox_x1_px0": self.bbox_px0[:, 2],
            "bbox_y1_px0": self.bbox_px0[:, 3],
            "axis_x0_px0": self.axis_px0[:, 0, 0],
            "axis_y0_px0": self.axis_px0[:, 0, 1],
            "axis_x1_px0": self.axis_px0[:, 1, 0],
            "axis_y1_px0": self.axis_px0[:, 1, 1],
            "rank_score": self.rank_score,
            "flags": flag_names,
        }

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a cluster, largest first, units in the column names."""
        import pandas  # slow to import: only for those who ask for a table

        return pandas.DataFrame(self.to_columns())


@dataclass(frozen=True, slots=True)
class CellEstimate:
    """Estimated tumour cells with an interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A connected piece of tissue, with its own finding.

    `category` and what follows are None where the role keeps the piece out of the finding.
    """

    id: int
    bbox_px0: tuple[int, int, int, int]
    area_mm2: float
    role: Role = Role.UNKNOWN
    touches_scan_edge: bool = False
    category: Category | None = None
    max_diameter_um: float | None = None
    estimated_cells: CellEstimate | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Fragments or clusters that a rule removed before measuring: how many, and the largest of them."""

    n: int = 0
    largest_um: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """How much of level 0 was decoded when a lower level chose the places, and what a sample of the rest held.

    Parameters
    ----------
    cells : int
        Places in all; each is a stored tile, or some small ones side by side.
    decoded : int
        Those that were decoded, the audited ones included.
    passed_over : int
        Those in which the lower level showed nothing.
    audited : int
        Of these, drawn at random and decoded all the same.
    missed : int
        Things that could take part in a finding and lie outside the places that the lower level chose: in the sample,
        or near something that was found.
    """

    cells: int
    decoded: int
    passed_over: int
    audited: int
    missed: int

    @property
    def missed_share_bound(self) -> float | None:
        """Share of the passed-over places that may hold something, 95 % confidence, when none of the sample did.

        The rule of three: none among n bounds the share by 3 / n (Hanley and Lippman-Hand 1983).
        """
        if self.missed or not self.audited:
            return None
        return 0.0 if self.audited == self.passed_over else min(1.0, 3 / self.audited)


@dataclass(frozen=True, slots=True)
class Quality:
    """Whether the slide could have shown tumour at all: facts, judged by `clinical.classify`.

    Parameters
    ----------
    tissue_area_mm2 : float
        Detected tissue inside the analysed region.
    coverage : float or None
        Share of that tissue that was read; None without tissue.
    in_focus : float or None
        Share of the tissue in focus, pens and dust on glass left out; None where too little structure was there to
        tell.
    in_focus_interval : (float, float) or None
        As far as a sample of places can tell (95 %).
    has_light : bool
        False when the picture is black: nothing was illuminated.
    is_h_dab : bool or None
        Whether the colours are those of haematoxylin and DAB; None where there is too little to tell.
    stain_note : str
        What the check of the stain saw, in words.
    unreadable_tiles : int
        Stored tiles that could not be decoded.
    is_truncated : bool
        Whether the slide's file is cut short.
    is_white_assumed : bool
        Whether no clear glass was found to measure the light on.
    is_area_limited : bool
        Whether only a part of the slide was asked for.
    control_result : str or None
        ``"passed"``, ``"failed"`` or None where not stated.
    control_on_slide : str or None
        ``"stained"`` or ``"unstained"``: what the control tissue on the slide shows; None where there is none.
    shows_chromogen : bool
        Whether anything on the slide is stained at all, be it what does not count; black pigment is no stain.
    antibody : str or None
    audit : Audit or None
        What was left undecoded and what a sample of it held; None where no lower level was asked.
    """

    tissue_area_mm2: float
    coverage: float | None
    in_focus: float | None = None
    has_light: bool = True
    is_h_dab: bool | None = True
    stain_note: str = ""
    unreadable_tiles: int = 0
    is_truncated: bool = False
    is_white_assumed: bool = False
    is_area_limited: bool = False
    control_result: str | None = None
    antibody: str | None = None
    audit: Audit | None = None
    in_focus_interval: tuple[float, float] | None = None
    control_on_slide: str | None = None
    shows_chromogen: bool = True


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """How the slide was read: what a result needs so that it can be understood and repeated.

    `below_area` counts all that the smallest area removed at `gap_um`; `below_link_area` is the part of it that no
    gap changes, because it was too small to link. `chromogen_strength_od` is the density of the cores of what is
    stained, `counterstain_strength_od` that of the darker nuclei; None where too little shows. `stain_notes` tell
    what of the stain was not estimated, or has drifted from the profile. `out_of_focus_px0` are the places where
    tissue is blurred, as far as a sample tells. `mode` is ``"full"`` or ``"candidates"``. `colour` says whether
    pixels were measured ``"as stored"`` or as ``"sRGB from the embedded profile"``, whose bytes have the SHA-256
    `icc_sha256`.
    """

    coverage: float | None
    in_focus: float | None
    tissue_area_mm2: float
    white: tuple[float, float, float]
    white_source: str
    stain_vectors: tuple[tuple[float, float, float], ...]
    stain_source: str
    estimated_haematoxylin: tuple[float, float, float] | None
    estimated_chromogen: tuple[float, float, float] | None
    chromogen_strength_od: float | None
    stain_notes: tuple[str, ...]
    threshold_od: float
    threshold_low_od: float
    threshold_high_od: float
    strong_od: float
    spacing_um: tuple[float, float]
    gap_um: float
    smallest_area_um2: float
    mode: str
    unreadable_tiles: int
    out_of_focus_px0: tuple[Region, ...] = ()
    below_area: Dropped = field(default_factory=Dropped)
    no_strong_pixel: Dropped = field(default_factory=Dropped)
    below_link_area: Dropped = field(default_factory=Dropped)
    counterstain_strength_od: float | None = None
    colour: str = "as stored"
    icc_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Assessable:
    """Whether the slide could show tumour, and if not why: ``code: sentence`` each."""

    ok: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GapFinding:
    """Category and largest diameter when foci up to `gap_um` apart count as one."""

    gap_um: float
    category: Category
    max_diameter_um: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for a slide. Field by field the ``finding`` of ``result.json``."""

    category: Category
    assessable: Assessable
    max_diameter_um: float | None
    diameter_interval_um: tuple[float, float] | None
    borderline: bool
    near_limit: bool
    size_is_minimum: bool
    cluster_id: int | None
    category_by_size: Category
    category_by_cells: Category
    n_clusters: int
    n_itc: int
    n_micro: int
    n_macro: int
    estimated_cells: CellEstimate | None
    by_gap: tuple[GapFinding, ...]
    contiguity_sensitive: bool
    if_all_counted: Category
    scatter_extent_um: float | None
    headline: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlideRecord:
    """What a result says of its slide."""

    id: str
    name: str
    width_px0: int
    height_px0: int
    spacing: PixelSpacing
    mpp_source: str
    vendor: str
    fingerprint: str
    reader: str = ""
    bounds_px0: Region | None = None
    properties: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which program and settings made a result, when, and how long it took."""

    version: str
    config: Mapping[str, Any]
    config_fingerprint: str
    started: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BrownThing:
    """One of the ten brownest things of a slide, counted or not; they are always shown.

    `what` says what became of it: ``"cluster 3, counted"``, ``"dropped: below the smallest area"``.
    """

    rank: int
    bbox_px0: tuple[int, int, int, int]
    max_diameter_um: float
    max_dab_od: float
    cluster_id: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels kept for the report, without any drawing on them.

    `name` is ``"overview"``, ``"cluster-0001"`` (by cluster id) or ``"brown-01"`` (by rank, where no picture of
    a cluster shows it); `region` is what the picture shows of level 0 and may reach over the slide's border
    (white there); `jpeg` holds the pixels as they are stored, so that what is drawn on them today and from a stored
    result is the same.
    """

    name: str
    region: Region
    jpeg: bytes

    @classmethod
    def of(cls, name: str, region: Region, rgb: NDArray[np.uint8]) -> Picture:
        """A picture of pixels, (M, N, 3); without colour subsampling no edge of stain is lost."""
        import simplejpeg

        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), _JPEG_QUALITY, "RGB", "444")
        return cls(name, region, jpeg)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """Its pixels, decoded each time."""
        import simplejpeg

        return np.asarray(simplejpeg.decode_jpeg(self.jpeg, "RGB"))


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything one analysis of one slide found; what is stored and what files are made from."""

    slide: SlideRecord
    scan: ScanSummary
    quality: Quality
    pieces: tuple[Piece, ...]
    finding: Finding
    clusters: Clusters
    fragments: Fragments
    tree: Tree
    brownest: tuple[BrownThing, ...]
    provenance: Provenance
