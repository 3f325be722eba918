"""Kernels: functions that numba compiles once on a machine and stores beside their source.

Compiling takes many times as long as a small slide, and the compiler works on one function at a time in a process. So
kernels that Python calls state the types it calls them with, and where none is stored yet, several processes share the
work before it is needed.

Run as a module (``python -m micromet_path.kernels MODULE...``) it compiles those modules' kernels, and ends when
nobody holds the other end of its input any more.
"""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, Literal

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys
from numba.core.sigutils import normalize_signature

__all__ = ["compile_stored", "kernel", "share_compiling", "where_stored"]

_FEW = 6
"""Kernels that are compiled as fast as another process starts."""

_MOST_PROCESSES = 8
"""Each takes some 200 MB, and no share is smaller than the largest module."""

_LONGEST_SECONDS = 300.0
"""A process that takes longer hangs; what it should have compiled is compiled when it is called."""

_Kernels = dict[str, tuple[Any, tuple[str, ...]]]

_called: dict[str, _Kernels] = {}
"""Kernels that other modules call, and the types they call them with, by module and name."""


class _Store(FunctionCache):
    """Numba's own store, which loads a kernel without what only compiling needs: a third of a second in a process."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is stored for these types; None where there is nothing, or it cannot be read."""
        rtsys.initialize(target_context)  # memory that kernels allocate
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


def kernel(
    *signatures: str, inline: Literal["never", "always"] = "never", fastmath: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function when it is first called, without the interpreter's lock, and store what came of it.

    Where no folder can be written to, nothing is stored, and every process compiles for itself.

    Parameters
    ----------
    *signatures : str
        Types of the arguments, in numba's short names, for each way in which Python, or a kernel of another module,
        calls it; none of what only the kernels beside it call.
    inline : {"never", "always"}
        Whether numba copies it into its callers, where the compiler below would not.
    fastmath : bool
        Whether sums may be taken in another order.
    """

    def declare(function: Callable[..., Any]) -> Any:
        # What is stored does not tell the options: after a change of these, delete ``__pycache__``.
        # Division as numpy's: by zero it is an infinity, and needs no code that raises.
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "inline": inline, "fastmath": fastmath}
        compiled = njit(**options)(function)
        if signatures:  # what only the kernels beside it call is stored within them
            with suppress(RuntimeError):  # of all that numba stores files in, nothing can be written to
                compiled._cache = _Store(function)  # type: ignore[no-untyped-call]
            _called.setdefault(function.__module__, {})[function.__qualname__] = compiled, signatures
        return compiled

    return declare


def where_stored() -> Path | None:
    """The folder below which compiled kernels are stored; None where there is none."""
    folders = {compiled.stats.cache_path for kernels in _called.values() for compiled, _ in kernels.values()}
    return None if None in folders or not folders else Path(os.path.commonpath(folders))


def compile_stored(modules: Sequence[str]) -> None:
    """Compile the kernels of some modules for the types that they state, or load what is stored of them."""
    for module in modules:
        import_module(module)
        for compiled, signatures in _called.get(module, {}).values():
            for signature in signatures:
                types, _ = normalize_signature(f"({signature},)")  # type: ignore[no-untyped-call]
                compiled.compile(types)


def share_compiling(modules: Sequence[str], workers: int) -> bool:
    """Where nearly nothing is stored yet, compile kernels in several processes, and store them; whether it was so.

    What the processes fail to store is compiled when it is called, as it would have been without them.

    Parameters
    ----------
    modules : sequence of str
        Modules, and packages of modules, whose kernels are wanted.
    workers : int
        Processes; with one there is nothing to share.
    """
    # A program with Python inside of it is not started again: it may do anything but compile.
    if workers < 2 or not sys.executable or getattr(sys, "frozen", False) or where_stored() is None:
        return False
    wanted = [kernels for name, kernels in _called.items() if any(f"{name}.".startswith(f"{m}.") for m in modules)]
    if sum(not _is_stored(compiled) for kernels in wanted for compiled, _ in kernels.values()) <= _FEW:
        return False
    names = list(_with_kernels(modules))
    # Two processes that store the same kernel for different types at one time could mix them up.
    lent = _lent(names)
    compile_stored(lent)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for share in _shares([name for name in names if name not in lent], min(workers, _MOST_PROCESSES)):
            with suppress(OSError):  # where no process can be started the others go on
                processes.append(_started(share))
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LONGEST_SECONDS)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return any(process.returncode == 0 for process in processes)


def _started(modules: Sequence[str]) -> subprocess.Popen[bytes]:
    """A process that compiles some modules of this very package, whatever is installed, in silence."""
    folder = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        # Nothing from the folder that the user is in: a module there may have any name.
        [sys.executable, "-P", "-m", __name__, *modules],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _with_kernels(modules: Sequence[str]) -> Iterator[str]:
    """The modules, and those of the packages among them, that have kernels which others call."""
    for name in modules:
        module = import_module(name)
        if name in _called:
            yield name
        folders = getattr(module, "__path__", ())
        yield from _with_kernels([f"{name}.{inner.name}" for inner in pkgutil.iter_modules(folders)])


def _lent(modules: Sequence[str]) -> list[str]:
    """Those of the modules of which kernels of another module call one."""
    lent = set()
    for name in modules:
        module = vars(import_module(name))
        for function in filter(None, map(_source, module.values())):
            called = (_source(module.get(other)) for other in function.__code__.co_names)
            lent |= {one.__module__ for one in called if one is not None and one.__module__ != function.__module__}
    return [name for name in modules if name in lent]


def _is_stored(compiled: Any) -> bool:
    """Whether something is stored of a kernel, whatever the types, by this Python and since its source changed."""
    code, folder = compiled.py_func.__code__, compiled.stats.cache_path
    if folder is None:
        return False
    python = f"py{sys.version_info.major}{sys.version_info.minor}{getattr(sys, 'abiflags', '')}"
    source = Path(code.co_filename)
    index = Path(folder) / f"{source.stem}.{code.co_qualname}-{code.co_firstlineno}.{python}.nbi"
    try:
        return index.stat().st_mtime >= source.stat().st_mtime
    except OSError:
        return False


def _shares(modules: Sequence[str], workers: int) -> list[list[str]]:
    """The modules as shares of about as much work, by the length of their kernels."""
    work = {module: sum(map(_length, vars(import_module(module)).values())) for module in modules}
    shares: list[list[str]] = [[] for _ in range(min(workers, len(modules)))]
    for module in sorted(modules, key=work.__getitem__, reverse=True):
        min(shares, key=lambda share: sum(work[other] for other in share)).append(module)
    return shares


def _length(value: object) -> int:
    """Length of a kernel's code; 0 of anything else."""
    function = _source(value)
    return 0 if function is None else len(function.__code__.co_code)


def _source(value: object) -> FunctionType | None:
    """The Python of a kernel; None of anything else."""
    function = getattr(value, "py_func", None)
    return function if isinstance(function, FunctionType) else None


def _end_with_parent() -> None:
    """End when the process that holds the other end of the input is gone."""
    while os.read(0, 1):  # not through ``sys.stdin``, whose lock would be held when the interpreter ends
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Under its own name: what runs as ``__main__`` is another module, of which no kernel knows.
    import_module("micromet_path.kernels").compile_stored(sys.argv[1:])
    os._exit(0)
