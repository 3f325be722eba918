"""Kernels: functions that numba compiles once on a machine and stores beside their source.

Compiling takes many times as long as a small slide, and the compiler works on one function at a time in a process. So
kernels that Python calls state the types it calls them with, and where none is stored yet, several processes share the
work before it is needed.

Run as a module (``python -m micromet_path.kernels MODULE...``) it compiles those modules' kernels.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from numba import njit
from numba.core.sigutils import normalize_signature

__all__ = ["compile_stored", "kernel", "share_compiling", "where_stored"]

_FEW = 6
"""Kernels that are compiled as fast as another process starts."""

_called: dict[str, list[tuple[Any, tuple[str, ...]]]] = {}
"""Kernels that Python calls, and the types it calls them with, by module."""


def kernel(
    *signatures: str, inline: Literal["never", "always"] = "never", fastmath: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function when it is first called, without the interpreter's lock, and store what came of it.

    Where no folder can be written to, nothing is stored, and every process compiles for itself.

    Parameters
    ----------
    *signatures : str
        Types of the arguments, in numba's short names, for each way in which Python calls it; none of what only other
        kernels call.
    inline : {"never", "always"}
        Whether numba copies it into its callers, where the compiler below would not.
    fastmath : bool
        Whether sums may be taken in another order.
    """

    def declare(function: Callable[..., Any]) -> Any:
        # Division as numpy's: by zero it is an infinity, and needs no code that raises.
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "inline": inline, "fastmath": fastmath}
        try:
            compiled = njit(cache=True, **options)(function)
        except RuntimeError:  # of all that numba stores files in, nothing can be written to
            compiled = njit(**options)(function)
        if signatures:
            _called.setdefault(function.__module__, []).append((compiled, signatures))
        return compiled

    return declare


def where_stored() -> Path | None:
    """A folder in which compiled kernels are stored; None where there is none."""
    paths = [compiled.stats.cache_path for kernels in _called.values() for compiled, _ in kernels]
    return Path(paths[0]) if paths and paths[0] is not None else None


def compile_stored(modules: Sequence[str]) -> None:
    """Compile the kernels of some modules for the types that they state, or load what is stored of them."""
    for module in modules:
        import_module(module)
        for compiled, signatures in _called.get(module, ()):
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
    if workers < 2 or getattr(sys, "frozen", False) or where_stored() is None:
        return False
    wanted = [kernels for name, kernels in _called.items() if any(f"{name}.".startswith(f"{m}.") for m in modules)]
    if sum(not _is_stored(compiled) for kernels in wanted for compiled, _ in kernels) <= _FEW:
        return False
    shares = _shares(list(_with_kernels(modules)), workers)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        # Nothing from the folder that the user is in: a module there may have any name.
        processes.extend(_in_silence([sys.executable, "-P", "-m", __name__, *share]) for share in shares)
        for process in processes:
            process.wait()
    except OSError:  # no process can be started
        return False
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return True


def _in_silence(command: list[str]) -> subprocess.Popen[bytes]:
    """A process that nobody hears."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _with_kernels(modules: Sequence[str]) -> Iterator[str]:
    """The modules, and those of the packages among them, that have kernels which Python calls."""
    for name in modules:
        module = import_module(name)
        if name in _called:
            yield name
        folders = getattr(module, "__path__", ())
        yield from _with_kernels([f"{name}.{inner.name}" for inner in pkgutil.iter_modules(folders)])


def _is_stored(compiled: Any) -> bool:
    """Whether something is stored of a kernel, whatever the types."""
    code = compiled.py_func.__code__
    name = f"{Path(code.co_filename).stem}.{code.co_qualname}-{code.co_firstlineno}.*.nbi"
    return compiled.stats.cache_path is not None and any(Path(compiled.stats.cache_path).glob(name))


def _shares(modules: Sequence[str], workers: int) -> list[list[str]]:
    """The modules as shares of about as much work, by the length of their kernels."""
    work = {module: sum(_length(value) for value in vars(import_module(module)).values()) for module in modules}
    shares: list[list[str]] = [[] for _ in range(min(workers, len(modules)))]
    for module in sorted(modules, key=work.__getitem__, reverse=True):
        min(shares, key=lambda share: sum(work[other] for other in share)).append(module)
    return shares


def _length(value: object) -> int:
    """Length of a kernel's code; 0 of anything else."""
    function = getattr(value, "py_func", None)
    return 0 if function is None else len(function.__code__.co_code)


if __name__ == "__main__":
    # Under its own name: what runs as ``__main__`` is another module, of which no kernel knows.
    import_module("micromet_path.kernels").compile_stored(sys.argv[1:])
