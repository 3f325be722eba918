"""What `import micromet_path` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import micromet_path


def test_public_names():
    assert sorted(micromet_path.__all__) == [
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
    for name in micromet_path.__all__:
        assert getattr(micromet_path, name) is not None
    assert dir(micromet_path) == sorted(micromet_path.__all__)


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running some code."""
    program = f"{code}\nimport sys; print('MODULES', *sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.rsplit("MODULES", 1)[1].split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_after("import micromet_path") & {"numpy", "numba", "pandas", "zarr", "openslide", "scipy"}


def test_importing_the_package_is_quick():
    program = "import time; t = time.perf_counter(); import micromet_path; print(time.perf_counter() - t)"
    seconds = min(
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert seconds < 0.3


def test_analyzing_loads_no_library_it_does_not_need(tmp_path):
    """The path of `micromet analyze`, up to and including the files it writes."""
    code = (
        "from pathlib import Path\n"
        "from micromet_path.api import analyze_into\n"
        f"analyze_into({str(tmp_path)!r}, Path('sample_slides') / 'negative.svs')"
    )
    assert not loaded_after(code) & {"pandas", "zarr", "matplotlib", "IPython"}
