"""Kernels are compiled for the types that they state, by several processes where nothing is stored, and only then."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micromet_path import kernels

SAMPLES = Path(__file__).resolve().parents[1] / "sample_slides"
MODULES = ["micromet_path.pixels.order", "micromet_path.pixels.tissue", "micromet_path.pixels.link"]


def run_python(code, *arguments, **environment):
    """A process of its own: what this one has compiled, and for which types, its tests decided."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_analysis_compiles_nothing_that_is_not_stated():
    told = run_python(
        """
import sys
from tempfile import TemporaryDirectory
from numba.core.dispatcher import Dispatcher
from micromet_path import api, kernels
kernels.compile_stored(list(kernels._with_kernels(["micromet_path.hull", "micromet_path.pixels"])))
def known():
    return {
        (name, key): len(value.signatures)
        for name, module in sys.modules.items() if name.startswith("micromet_path")
        for key, value in vars(module).items() if isinstance(value, Dispatcher)
    }
before = known()
assert len(before) > 50
with TemporaryDirectory() as folder:
    for path in sys.argv[1:]:
        assert api.analyze_into(folder, path).finding.n_clusters
print([key for key, n in known().items() if n != before[key]])
""",
        *(str(SAMPLES / f"{name}.svs") for name in ("itc", "macro")),
    )
    assert told.strip() == "[]"


def test_processes_share_what_nobody_has_compiled_and_store_it(tmp_path):
    code = """
import sys
from importlib import import_module
from micromet_path import kernels
kernels._FEW = 2
for module in sys.argv[1:]:
    import_module(module)
print(kernels.share_compiling(sys.argv[1:], 1), kernels.share_compiling(sys.argv[1:], 2))
print(all(kernels._is_stored(compiled) for module in sys.argv[1:] for compiled, _ in kernels._called[module]))
print(kernels.share_compiling(sys.argv[1:], 2))
kernels.compile_stored(sys.argv[1:])
called = [compiled for module in sys.argv[1:] for compiled, _ in kernels._called[module]]
print(sum(sum(compiled.stats.cache_misses.values()) for compiled in called))
"""
    told = run_python(code, *MODULES, NUMBA_CACHE_DIR=str(tmp_path))
    assert told.split("\n")[:4] == ["False True", "True", "False", "0"]


def test_where_nothing_can_be_stored_every_process_compiles_for_itself(monkeypatch):
    njit = kernels.njit

    def nowhere(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(kernels, "njit", nowhere)
    monkeypatch.setattr(kernels, "_called", {})

    @kernels.kernel("f8")
    def half(value):
        return value / 2.0

    assert half(3.0) == 1.5
    assert kernels.where_stored() is None
    assert not kernels.share_compiling([__name__], 2)


def test_a_division_by_zero_is_what_numpy_makes_of_it():
    @kernels.kernel()
    def ratio(above, below):
        return above / below

    assert ratio(1.0, 0.0) == np.inf


def test_where_no_process_can_be_started_the_work_is_left_to_the_caller(monkeypatch):
    def refused(*_, **__):
        raise OSError("no more processes")

    for module in MODULES:
        import_module(module)
    monkeypatch.setattr(kernels, "_is_stored", lambda compiled: False)
    monkeypatch.setattr(subprocess, "Popen", refused)
    assert not kernels.share_compiling(MODULES, 2)


def test_a_frozen_program_starts_no_copies_of_itself(monkeypatch):
    monkeypatch.setattr(kernels, "_is_stored", lambda compiled: False)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    assert not kernels.share_compiling(MODULES, 2)


@given(workers=st.integers(1, 9), chosen=st.sets(st.sampled_from(MODULES), min_size=1))
def test_shares_hold_every_module_once(workers, chosen):
    shares = kernels._shares(sorted(chosen), workers)
    assert sorted(module for share in shares for module in share) == sorted(chosen)
    assert all(shares)
    assert len(shares) == min(workers, len(chosen))
