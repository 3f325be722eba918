"""The part of OME-XML that a slide needs: scale, channels, objective."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from micromet_path.slides.checks import Samples
from micromet_path.slides.scale import StatedScale, stated_scale

__all__ = ["OmeImage", "parse_ome"]

_LONGEST_XML = 64 * 2**20
_BITS = {"uint8": 8, "int8": 8, "uint16": 16, "int16": 16, "uint32": 32, "int32": 32, "float": 32, "double": 64}


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One image of an OME document."""

    scale: StatedScale | None
    samples: Samples
    objective_power: str | None


def parse_ome(xml: str | None, width: int, height: int) -> OmeImage | None:
    """The image of this size in an OME document; None where there is none to be trusted.

    Parameters
    ----------
    xml : str or None
    width, height : int
        Size of level 0 in pixels.
    """
    if not xml or len(xml) > _LONGEST_XML:
        return None
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    for image in root.findall("{*}Image"):
        pixels = image.find("{*}Pixels")
        if pixels is not None and (pixels.get("SizeX"), pixels.get("SizeY")) == (str(width), str(height)):
            return OmeImage(_scale_of(pixels), _samples_of(pixels), _objective_power(root, image))
    return None


def _scale_of(pixels: ElementTree.Element) -> StatedScale | None:
    # The OME schema's default unit is the micrometre.
    units = {pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XY"}
    x, y = pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeY")
    if len(units) == 1:
        return stated_scale(x, y, "ome", units.pop())
    x_only = stated_scale(x, x, "ome", pixels.get("PhysicalSizeXUnit", "µm"))
    y_only = stated_scale(y, y, "ome", pixels.get("PhysicalSizeYUnit", "µm"))
    return StatedScale(x_only.x_um, y_only.y_um, "ome") if x_only and y_only else None


def _samples_of(pixels: ElementTree.Element) -> Samples:
    """OME counts samples in SizeC; one channel of three samples is RGB, three channels of one are not."""
    channels = pixels.findall("{*}Channel")
    samples = [int(channel.get("SamplesPerPixel", "1")) for channel in channels]
    kind = pixels.get("Type", "uint8")
    total = int(pixels.get("SizeC", "3"))
    return Samples(
        channels=total,
        bits=_BITS.get(kind, 0),
        is_integer=kind.startswith("uint"),
        is_planar=total > 1 and bool(samples) and max(samples) == 1,
        has_alpha=samples == [4],
    )


def _objective_power(root: ElementTree.Element, image: ElementTree.Element) -> str | None:
    settings = image.find("{*}ObjectiveSettings")
    wanted = None if settings is None else settings.get("ID")
    for objective in root.iterfind("{*}Instrument/{*}Objective"):
        if wanted in (None, objective.get("ID")):
            return objective.get("NominalMagnification")
    return None
