"""What is known of a slide after it was drawn, analysed and compared: rows of the written tables."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Failure", "FalseRow", "FocusRow", "NodeRow", "SlideOutcome", "SlideRow"]


@dataclass(frozen=True, slots=True)
class FocusRow:
    """One focus of the truth, which may be several drawn ones joined at the default gap, and what became of it.

    Parameters
    ----------
    slide, profile : str
    spacing_um : float
        The coarser side of a pixel.
    focus_ids : str
        In the truth, separated by blanks.
    kind, pattern : str
        As the truth calls them; several are joined by a plus sign.
    dab_od : float or None
        Density that it was drawn with.
    is_dots : bool
        A dot pattern: it has to be found, but has no size to be compared.
    is_judged : bool
        Ought to be found: not on control tissue, in focus, on a slide that can show it.
    x_px0, y_px0 : int
        Middle of its box.
    relation : str
        ``one``, ``split``, ``merged`` or ``missed``; see `Matching.relation`.
    n_parts : int
        Counted clusters that belong to it.
    missed_because : str
        What lies in its place.
    cluster_id : int or None
        Of the cluster that holds it, like all that follows.
    """

    slide: str
    profile: str
    spacing_um: float
    focus_ids: str
    kind: str
    pattern: str
    dab_od: float | None
    is_dots: bool
    is_judged: bool
    is_on_control: bool
    x_px0: int
    y_px0: int
    n_cells: int
    truth_um: float
    truth_category: str
    relation: str
    n_parts: int
    missed_because: str = ""
    cluster_id: int | None = None
    counting: str = ""
    found_um: float | None = None
    low_um: float | None = None
    high_um: float | None = None
    found_category: str = ""
    borderline: bool | None = None
    cells: float | None = None
    cells_low: float | None = None
    cells_high: float | None = None
    flags: str = ""

    @property
    def is_found(self) -> bool:
        """Whether a counted cluster holds it."""
        return self.cluster_id is not None

    @property
    def error_um(self) -> float:
        """Found less true maximum diameter; only of a focus that was found."""
        if self.found_um is None:
            raise ValueError(f"focus {self.focus_ids} of {self.slide} was not found and has no size")
        return self.found_um - self.truth_um


@dataclass(frozen=True, slots=True)
class FalseRow:
    """A counted cluster that is no focus.

    Parameters
    ----------
    mimic : str
        Kind of the mimic on which it lies, or ``none``.
    counting : str
        ``counted``: nothing warned of it; ``doubtful``: a flag did.
    """

    slide: str
    profile: str
    cluster_id: int
    mimic: str
    counting: str
    found_um: float
    found_category: str
    area_um2: float
    mean_dab_od: float
    x_px0: int
    y_px0: int
    flags: str


@dataclass(frozen=True, slots=True)
class SlideRow:
    """A slide as a whole.

    Parameters
    ----------
    scene, look : str
        Profile and look that it was drawn with.
    is_unclear : bool
        Tumour is there and all of it out of focus, so that calling it and refusing are both right.
    truth_category : str
        By size, and by the cells of one section.
    truth_cells : int
        Cells on the piece of tissue that has most of them.
    n_foci, n_missed : int
        Foci that ought to be found, and those of them that were not.
    n_control, n_control_counted : int
        Foci on control tissue, and counted clusters there.
    reasons : str
        Codes of why it is not, or only in part, assessable.
    """

    slide: str
    profile: str
    scene: str
    look: str
    seed: int
    side_px: int
    mpp_x: float
    mpp_y: float
    is_negative_batch: bool
    is_unclear: bool
    truth_category: str
    truth_um: float | None
    truth_cells: int
    found_category: str
    found_um: float | None
    n_foci: int
    n_missed: int
    n_false_unflagged: int
    n_false_flagged: int
    n_control: int
    n_control_counted: int
    in_focus_truth: float | None
    in_focus_found: float | None
    reasons: str
    flags: str
    seconds: float


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node on a slide: all pieces that are cuts of it."""

    slide: str
    profile: str
    node: str
    truth_category: str
    found_category: str


@dataclass(frozen=True, slots=True)
class SlideOutcome:
    """All rows of one slide."""

    slide: SlideRow
    foci: tuple[FocusRow, ...]
    false: tuple[FalseRow, ...]
    nodes: tuple[NodeRow, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A slide that could not be drawn or analysed, and why."""

    slide: str
    profile: str
    because: str
