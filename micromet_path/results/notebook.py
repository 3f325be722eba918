"""How a result shows itself in Jupyter."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from micromet_path.model import Analysis

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["summary_html"]

_WIDTH_PX = 640


def summary_html(analysis: Analysis, overview: Image.Image) -> str:
    """Finding, scale and overview as a small piece of HTML.

    Parameters
    ----------
    analysis : Analysis
    overview : Image
        As `draw.overview` made it.
    """
    small = overview.convert("RGB")
    small.thumbnail((_WIDTH_PX, 2 * _WIDTH_PX))
    data = BytesIO()
    small.save(data, "JPEG", quality=88)
    slide, scan = analysis.slide, analysis.scan
    facts = (
        f"{slide.width_px0} x {slide.height_px0} px at {slide.spacing.x_um:.4g} x {slide.spacing.y_um:.4g} um "
        f"per pixel ({slide.mpp_source}); gap {scan.gap_um:g} um, DAB from {scan.threshold_od:g} OD"
    )
    return (
        f"<div><p><strong>{escape(slide.name)}</strong><br>{escape(analysis.finding.headline)}</p>"
        f"<p><small>{escape(facts)}<br>Research use only; a pathologist decides.</small></p>"
        f'<img alt="Overview of the slide with its clusters" '
        f'src="data:image/jpeg;base64,{b64encode(data.getvalue()).decode()}"></div>'
    )
