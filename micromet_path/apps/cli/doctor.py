"""``micromet doctor``: what is installed, which readers and decoders serve, and a test of the whole chain."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from micromet_path import __version__
from micromet_path.errors import MicrometError

__all__ = ["run"]

_LIBRARIES = (
    "numpy", "scipy", "scikit-image", "numba", "shapely", "openslide-python", "openslide-bin", "tifffile",
    "simplejpeg", "imagecodecs", "zarr", "pyarrow", "pandas", "pydantic", "pillow",
)  # fmt: skip


def run(as_json: bool) -> int:
    """Print what was found; 0 when the self-test passes."""
    findings = dict(_findings())
    if as_json:
        click.echo(json.dumps(findings, indent=2))
    else:
        width = max(map(len, findings))
        for name, value in findings.items():
            click.echo(f"{name:<{width}}  {value}")
    return 0 if findings["self-test"].startswith("passed") else 1


def _findings() -> Iterator[tuple[str, str]]:
    yield "micromet_path", __version__
    yield "python", f"{platform.python_version()} ({sys.implementation.name}, {platform.system()} {platform.machine()})"
    for library in _LIBRARIES:
        try:
            yield library, metadata.version(library)
        except metadata.PackageNotFoundError:
            yield library, "missing; install micromet_path again"
    yield "OpenSlide library", _openslide()
    yield "reader: TIFF, SVS", "own tiles through simplejpeg (JPEG) and imagecodecs (JPEG 2000, LZW, deflate)"
    yield "reader: NDPI, MRXS, DICOM, others", "OpenSlide"
    yield "reader: OME-Zarr 0.4 and 0.5", "zarr"
    yield "self-test", _self_test()
    yield "compiled code", _where_stored()
    yield "bytecode", _bytecode()


def _openslide() -> str:
    from micromet_path.slides import check_openslide

    try:
        return check_openslide()
    except MicrometError as error:
        return f"not usable: {error}"


def _where_stored() -> str:
    from micromet_path.kernels import where_stored

    folder = where_stored()
    if folder is None:
        return "stored nowhere, each run compiles it again; set NUMBA_CACHE_DIR to a folder that can be written to"
    return f"stored in {folder}"


def _bytecode() -> str:
    """Store Python's bytecode of every module, as installing a wheel does.

    An editable installation does so at the first import, and where ``PYTHONDONTWRITEBYTECODE`` is set, as it is in
    many containers, never: each run then compiles more than a hundred modules again.
    """
    from compileall import compile_dir

    folder = Path(__file__).resolve().parents[2]
    if not compile_dir(folder, quiet=2):
        return f"not stored, each run compiles it again; {folder} cannot be written to"
    return f"stored in {folder}"


def _self_test() -> str:
    """Draw a slide with a known focus, analyse it from the file as if it were a large one, and compare.

    That compiles every kernel, by all processors, so that the first slide of a user need not.
    """
    from micromet_path.api import analyze_into
    from micromet_path.apps.samples import SampleSpec, write_sample
    from micromet_path.config import Config, ScanParams

    started = time.perf_counter()
    with TemporaryDirectory() as folder:
        paths = write_sample(Path(folder), SampleSpec(profile="micro", side_px=4096, seed=0, spacing_um=0.25))
        truth = json.loads(paths.truth.read_text(encoding="utf-8"))["expected"]
        try:
            finding = analyze_into(
                Path(folder) / "out", paths.slide, Config(scan=ScanParams(full_below_px=0, least_audited=0))
            ).finding
        except MicrometError as error:
            return f"failed: {error}"
    size_um = finding.max_diameter_um or 0.0
    if finding.category.value != truth["category"] or abs(size_um - truth["max_diameter_um"]) > 2.0:
        return (
            f"failed: found {finding.category.value}, {size_um:.1f} um; "
            f"expected {truth['category']}, {truth['max_diameter_um']:.1f} um"
        )
    seconds = time.perf_counter() - started
    return (
        f"passed in {seconds:.1f} s: a drawn focus of {truth['max_diameter_um']:.1f} um was measured as {size_um:.1f}"
    )
