"""Kernels are compiled for the types that they state, by several processes where nothing is stored, and only then."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micromet_path import kernels

SAMPLES = Path(__file__).resolve().parents[1] / "sample_slides"
MODULES = [
    "micromet_path.pixels.order",
    "micromet_path.pixels.tissue",
    "micromet_path.pixels.runs",
    "micromet_path.pixels.union",
]


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


def test_a_process_loads_what_is_stored_without_what_only_compiling_needs():
    code = """
import sys
from tempfile import TemporaryDirectory
from micromet_path import api, kernels
with TemporaryDirectory() as folder:
    for path in sys.argv[1:]:
        assert api.analyze_into(folder, path).finding.n_clusters
called = [compiled for module in kernels._called.values() for compiled, _ in module.values()]
print(sum(len(compiled.signatures) for compiled in called) > 30)
print(sum(sum(compiled.stats.cache_misses.values()) for compiled in called))
slow = {"numba.np.arraymath", "numba.np.linalg", "scipy.linalg", "scipy.ndimage", "scipy.spatial"}
print(sorted(slow & set(sys.modules)))
"""
    slides = [str(SAMPLES / f"{name}.svs") for name in ("itc", "macro")]
    run_python(code, *slides)  # the first may have to compile
    assert run_python(code, *slides).split("\n")[:3] == ["True", "0", "[]"]


def test_processes_share_what_nobody_has_compiled_and_store_it(tmp_path):
    code = """
import sys
from importlib import import_module
from micromet_path import kernels
kernels._FEW = 2
for module in sys.argv[1:]:
    import_module(module)
print(kernels.share_compiling(sys.argv[1:], 1), kernels.share_compiling(sys.argv[1:], 2))
called = [compiled for module in sys.argv[1:] for compiled, _ in kernels._called[module].values()]
print(all(kernels._is_stored(compiled) for compiled in called))
print(kernels.share_compiling(sys.argv[1:], 2))
kernels.compile_stored(sys.argv[1:])
shared = [compiled for compiled in called if not compiled.py_func.__module__.endswith(".union")]
print(sum(sum(compiled.stats.cache_misses.values()) for compiled in shared))
"""
    told = run_python(code, *MODULES, NUMBA_CACHE_DIR=str(tmp_path))
    assert told.split("\n")[:4] == ["False True", "True", "False", "0"]


def test_where_nothing_can_be_stored_every_process_compiles_for_itself(monkeypatch):
    def nowhere(function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(kernels, "_Store", nowhere)
    monkeypatch.setattr(kernels, "_called", {})

    @kernels.kernel("f8")
    def half(value):
        return value / 2.0

    assert half(3.0) == 1.5
    assert kernels.where_stored() is None
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    assert not kernels.share_compiling([__name__], 2)


def test_a_division_by_zero_is_what_numpy_makes_of_it():
    @kernels.kernel()
    def ratio(above, below):
        return above / below

    assert ratio(1.0, 0.0) == np.inf


def nothing_is_stored(monkeypatch):
    """As on a machine where nothing was compiled; what the caller compiles first takes no time here."""
    for module in MODULES:
        import_module(module)
    monkeypatch.setattr(kernels, "_is_stored", lambda compiled: False)
    monkeypatch.setattr(kernels, "_FEW", 2)
    monkeypatch.setattr(kernels, "compile_stored", lambda modules: None)


def test_where_no_process_can_be_started_the_work_is_left_to_the_caller(monkeypatch):
    def refused(*_, **__):
        raise OSError("no more processes")

    nothing_is_stored(monkeypatch)
    monkeypatch.setattr(subprocess, "Popen", refused)
    assert not kernels.share_compiling(MODULES, 2)


@pytest.mark.parametrize(("name", "value"), [("frozen", True), ("executable", None), ("executable", "")])
def test_a_program_with_python_inside_starts_no_copies_of_itself(monkeypatch, name, value):
    nothing_is_stored(monkeypatch)
    monkeypatch.setattr(sys, name, value, raising=False)
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    assert not kernels.share_compiling(MODULES, 2)


def sleeping(started):
    popen = subprocess.Popen

    def sleeper(command, **options):
        started.append(popen([sys.executable, "-c", "import time; time.sleep(60)"], **options))
        return started[-1]

    return sleeper


def test_a_process_that_hangs_is_not_waited_for(monkeypatch):
    nothing_is_stored(monkeypatch)
    started = []
    monkeypatch.setattr(subprocess, "Popen", sleeping(started))
    monkeypatch.setattr(kernels, "_LONGEST_SECONDS", 0.3)
    assert not kernels.share_compiling(MODULES, 2)
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def test_an_interrupt_ends_the_processes(monkeypatch):
    class Waited:
        returncode = None
        is_killed = False

        def wait(self, timeout):
            raise KeyboardInterrupt

        def kill(self):
            self.is_killed = True

        def communicate(self):
            self.returncode = -9

    nothing_is_stored(monkeypatch)
    started = []
    monkeypatch.setattr(kernels, "_started", lambda modules: started.append(Waited()) or started[-1])
    with pytest.raises(KeyboardInterrupt):
        kernels.share_compiling(MODULES, 2)
    assert [(process.is_killed, process.returncode) for process in started] == [(True, -9)] * 2


def test_a_process_ends_with_the_one_that_started_it():
    process = subprocess.Popen(
        [sys.executable, "-m", "micromet_path.kernels", *kernels._with_kernels(["micromet_path.pixels"])],
        stdin=subprocess.PIPE,
        env={**os.environ, "NUMBA_CACHE_DIR": os.devnull + "/none"},
    )
    process.stdin.close()  # as when its parent is gone
    assert process.wait(60) == 1


def test_what_was_compiled_before_the_source_changed_is_not_stored(tmp_path, monkeypatch):
    source = tmp_path / "twice.py"
    source.write_text("from micromet_path.kernels import kernel\n\n\n@kernel('i8')\ndef twice(n):\n    return 2 * n\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(kernels, "_called", {})
    twice = import_module("twice").twice
    assert not kernels._is_stored(twice)
    kernels.compile_stored(["twice"])
    assert kernels._is_stored(twice)
    assert kernels.where_stored() == Path(twice.stats.cache_path)
    later = source.stat().st_mtime + 60
    os.utime(source, (later, later))
    assert not kernels._is_stored(twice)


def test_kernels_that_others_call_state_their_types_too():
    """Else two processes could compile and store one for different types at the same time."""
    names = list(kernels._with_kernels(["micromet_path.hull", "micromet_path.pixels"]))
    lent = kernels._lent(names)
    assert {"micromet_path.pixels.union", "micromet_path.pixels.search"} <= set(lent)
    told = run_python(
        """
import sys
from micromet_path import kernels
names = list(kernels._with_kernels(["micromet_path.hull", "micromet_path.pixels"]))
lent = kernels._lent(names)
kernels.compile_stored(lent)
known = lambda: {
    (name, key): len(compiled.signatures) for name in lent for key, (compiled, _) in kernels._called[name].items()
}
before = known()
kernels.compile_stored(names)
print(known() == before, len(before) >= 4)
"""
    )
    assert told.strip() == "True True"


def test_an_analysis_by_several_threads_and_a_batch_have_their_kernels_compiled_first(monkeypatch):
    from micromet_path import api
    from micromet_path.apps.batch import running

    asked = []
    monkeypatch.setattr(api, "share_compiling", lambda modules, workers: asked.append((modules, workers)))
    glass = np.full((256, 256, 3), 243, np.uint8)
    api.analyze(glass, spacing=api.PixelSpacing(0.5, 0.5), workers=3)
    assert asked == [(("micromet_path.hull", "micromet_path.pixels"), 3)]
    monkeypatch.setattr(running, "compile_kernels", asked.append)
    monkeypatch.setattr(running, "LocalEngine", lambda workers: SimpleNamespace(close=lambda is_urgent: None))
    with running._engine(SimpleNamespace(scheduler=None, workers=5)):
        assert asked[1:] == [5]


@given(workers=st.integers(1, 9), chosen=st.sets(st.sampled_from(MODULES), min_size=1))
def test_shares_hold_every_module_once(workers, chosen):
    shares = kernels._shares(sorted(chosen), workers)
    assert sorted(module for share in shares for module in share) == sorted(chosen)
    assert all(shares)
    assert len(shares) == min(workers, len(chosen))
