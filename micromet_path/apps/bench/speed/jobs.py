"""What one process of its own is asked to do, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from micromet_path.geometry import PixelSpacing, Region

__all__ = ["Job", "Kind", "Mode", "Sample"]

Kind = Literal["floor", "scan", "command", "reads"]
Mode = Literal["auto", "full"]


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement.

    Parameters
    ----------
    kind : {"floor", "scan", "command", "reads"}
        Decoding alone; from the file to linked fragments; the whole command with its files; single reads.
    slide : str
        Path of the slide.
    threads : int
    mode : {"auto", "full"}
        As ``[scan] mode`` of the configuration.
    spacing_um : (float, float) or None
        Given scale.
    warm_up : str or None
        Path of a small slide that is done first, so that compiled code is loaded; None for a cold process.
    boxes : tuple of (x0, y0, x1, y1)
        What is read, in level-0 pixels; of ``reads`` only.
    """

    kind: Kind
    slide: str
    threads: int
    mode: Mode = "auto"
    spacing_um: tuple[float, float] | None = None
    warm_up: str | None = None
    boxes: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def spacing(self) -> PixelSpacing | None:
        """The given scale."""
        return None if self.spacing_um is None else PixelSpacing(*self.spacing_um)

    @property
    def regions(self) -> list[Region]:
        """The boxes as regions."""
        return [Region(*box) for box in self.boxes]

    def to_json(self) -> str:
        """Text for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job of such a text."""
        content = json.loads(text)
        spacing = content.pop("spacing_um")
        boxes = tuple(tuple(box) for box in content.pop("boxes"))
        return cls(**content, spacing_um=None if spacing is None else tuple(spacing), boxes=boxes)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process took.

    Parameters
    ----------
    wall_s, cpu_s : float
        Inside: without the start of the interpreter, imports and the warm-up.
    peak_bytes : int or None
        Most memory that the process held, all of it counted.
    outside_wall_s, outside_cpu_s : float
        Of the process from its start to its end.
    facts : mapping
        What else it said: ``mode``, ``steps``, ``clusters``, ``floor``.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int | None
    outside_wall_s: float
    outside_cpu_s: float
    facts: Mapping[str, Any] = field(default_factory=dict)
