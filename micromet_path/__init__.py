"""Finds, measures and classifies cytokeratin-positive foci in whole-slide images of sentinel lymph nodes.

For research use only: it suggests, a pathologist decides. ::

    import micromet_path as mp
    result = mp.analyze("slide.svs")
    result.finding.category, result.finding.max_diameter_um
    result.clusters.to_dataframe()

The map of the package, from the inside out; a module imports only what stands above it:

``errors``     what is raised on purpose, drawn as a tree
``geometry``   pixels become microns (``hull`` holds its compiled kernels)
``model``      the frozen records that travel between steps; read this first
``slides``     files in, RGB out
``pixels``     arrays in, arrays out: tissue, stain, scan, link, outlines
``clinical``   records in, records out: class, counting policy, nodes, staging, wording
``config``     the parameters of all steps as one TOML file
``pipeline``   the only place where steps meet
``results``    records to files and back: JSON, Parquet, GeoJSON, report
``api``        what people hold
``apps``       the command line, the sample slides
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from micromet_path.api import AnalyzeOptions, SlideResult, analyze, load_result, load_results, stage
    from micromet_path.clinical.case_stage import CaseStage
    from micromet_path.config import Config, load_config
    from micromet_path.errors import MicrometError
    from micromet_path.geometry import PixelSpacing, Region
    from micromet_path.model import Category, Clusters
    from micromet_path.slides.opening import open_slide

_HOME = {
    "AnalyzeOptions": "api",
    "CaseStage": "clinical.case_stage",
    "Category": "model",
    "Clusters": "model",
    "Config": "config",
    "MicrometError": "errors",
    "PixelSpacing": "geometry",
    "Region": "geometry",
    "SlideResult": "api",
    "analyze": "api",
    "load_config": "config",
    "load_result": "api",
    "load_results": "api",
    "open_slide": "slides.opening",
    "stage": "api",
}

__all__ = [
    "AnalyzeOptions",
    "CaseStage",
    "Category",
    "Clusters",
    "Config",
    "MicrometError",
    "PixelSpacing",
    "Region",
    "SlideResult",
    "__version__",
    "analyze",
    "load_config",
    "load_result",
    "load_results",
    "open_slide",
    "stage",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562): numba and pixels load only when needed."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
