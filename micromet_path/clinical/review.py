"""What a reviewer decided on the clusters of a slide, and what the clusters count for after that.

A review record lies beside the result as ``review.json``::

    {"schema": "micromet-review/1", "slide_fingerprint": "...", "config_fingerprint": "...", "closed": true,
     "decisions": [{"cluster_id": 3, "decision": "rejected"},
                   {"cluster_id": 1, "decision": "size corrected", "max_diameter_um": 310.0,
                    "location": "subcapsular sinus"}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from micromet_path.clinical.counting import category_by_size
from micromet_path.clinical.policy import DEFAULTS, ClassifyParams
from micromet_path.clinical.reasons import Caution
from micromet_path.errors import ConfigError
from micromet_path.model import Clusters, Counting
from micromet_path.parsing import parse_record

__all__ = ["REJECTED", "Decision", "Review", "apply_review", "parse_review", "review_cautions"]

_LARGEST_UM = 100_000.0
_PLACES = {
    "capsular lymphatic": "in a capsular lymphatic",
    "afferent lymphatic": "in an afferent lymphatic",
    "perinodal": "outside the node",
}
_SIZE_FACTOR = 3.0  # a corrected size that differs more was perhaps meant in millimetres

REJECTED = -1
"""Piece of the clusters that a reviewer rejected: they lie on nobody's tissue any more."""

Location = Literal[
    "parenchyma",
    "subcapsular sinus",
    "capsular lymphatic",
    "afferent lymphatic",
    "perinodal",
    "inclusion",
]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one cluster.

    Parameters
    ----------
    cluster_id : int
    decision : {"accepted", "rejected", "size corrected"}
        A corrected size is accepted as tumour too.
    max_diameter_um : float or None
        The corrected size.
    location : str or None
        Where the focus lies in or beside the node.
    """

    cluster_id: int
    decision: Literal["accepted", "rejected", "size corrected"]
    max_diameter_um: float | None = None
    location: Location | None = None

    def __post_init__(self) -> None:
        is_corrected = self.decision == "size corrected"
        if is_corrected != (self.max_diameter_um is not None):
            raise ConfigError(f"cluster {self.cluster_id}: max_diameter_um belongs to the decision 'size corrected'")
        if self.max_diameter_um is not None and not 0 < self.max_diameter_um <= _LARGEST_UM:
            raise ConfigError(
                f"cluster {self.cluster_id}: max_diameter_um must be above 0 and at most {_LARGEST_UM:g} microns, "
                f"found {self.max_diameter_um:g}"
            )
        if self.location == "inclusion" and self.decision != "rejected":
            raise ConfigError(
                f"cluster {self.cluster_id}: an inclusion is benign; reject it, or state another location"
            )


@dataclass(frozen=True, slots=True)
class Review:
    """Decisions on the clusters of a slide.

    Parameters
    ----------
    slide_fingerprint, config_fingerprint : str
        Of the result that was reviewed; cluster ids mean nothing in another.
    decisions : tuple of Decision
    closed : bool
        Whether the reviewer is done with the slide.
    """

    schema: Literal["micromet-review/1"]
    slide_fingerprint: str
    config_fingerprint: str
    decisions: tuple[Decision, ...] = ()
    closed: bool = False

    def __post_init__(self) -> None:
        ids = [decision.cluster_id for decision in self.decisions]
        if len(set(ids)) < len(ids):
            raise ConfigError("decisions: a cluster is decided on twice; keep the last decision only")


def parse_review(content: Mapping[str, Any], source: str) -> Review:
    """The review that a file holds.

    Raises
    ------
    ConfigError
        Naming the field that is not allowed.
    """
    return parse_record(Review, content, source)


def apply_review(clusters: Clusters, review: Review, params: ClassifyParams = DEFAULTS) -> Clusters:
    """The clusters as the reviewer left them: rejected ones do not count, accepted ones do, sizes are corrected.

    Raises
    ------
    ConfigError
        If a decision names a cluster that there is not.
    """
    counting, category = clusters.counting.copy(), clusters.category.copy()
    size, low, high = (
        column.copy() for column in (clusters.max_diameter_um, clusters.diameter_low_um, clusters.diameter_high_um)
    )
    borderline, near_limit = clusters.borderline.copy(), clusters.near_limit.copy()
    minimum, piece_id = clusters.size_is_minimum.copy(), clusters.piece_id.copy()
    for decision in review.decisions:
        row = decision.cluster_id - 1
        if not 0 <= row < len(clusters):
            raise ConfigError(f"review.json decides on cluster {decision.cluster_id}; the result has {len(clusters)}")
        if decision.decision == "rejected":
            counting[row], piece_id[row] = Counting.NOT_COUNTED, REJECTED
        else:
            counting[row] = Counting.COUNTED
        if decision.max_diameter_um is not None:
            size[row] = low[row] = high[row] = decision.max_diameter_um
            category[row] = category_by_size(decision.max_diameter_um, params)
            borderline[row] = minimum[row] = False
            near_limit[row] = any(
                abs(size[row] - limit) <= params.near_limit_share * limit for limit in params.size_limits_um
            )
    return replace(
        clusters,
        piece_id=piece_id,
        counting=counting,
        category=category,
        max_diameter_um=size,
        diameter_low_um=low,
        diameter_high_um=high,
        borderline=borderline,
        near_limit=near_limit,
        size_is_minimum=minimum,
    )


def review_cautions(clusters: Clusters, review: Review, where: str) -> Iterator[Caution]:
    """What a reader should know of decisions: places that are not the node's parenchyma, sizes far from the measured.

    Parameters
    ----------
    clusters : Clusters
        As they were measured.
    review : Review
    where : str
        The slide, in words.
    """
    for decision in review.decisions:
        who = f"{where}: cluster {decision.cluster_id}"
        if decision.decision != "rejected" and decision.location not in (None, "parenchyma", "subcapsular sinus"):
            yield Caution(
                "location",
                f"{who} lies {_PLACES[str(decision.location)]}; whether it counts is a pathologist's decision",
            )
        measured = float(clusters.max_diameter_um[decision.cluster_id - 1])
        corrected = decision.max_diameter_um
        if corrected is not None and not 1 / _SIZE_FACTOR <= corrected / measured <= _SIZE_FACTOR:
            yield Caution(
                "size_far_from_measured", f"{who} was corrected to {corrected:g} um, measured were {measured:.1f} um"
            )
