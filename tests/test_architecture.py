"""The layers of the package, held by its own syntax trees (lazy imports count)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "micromet_path"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = [
    {"errors"},
    {"parsing", "threads", "kernels"},
    {"hull"},
    {"geometry"},
    {"model"},
    {"slides", "pixels", "clinical"},
    {"config"},
    {"pipeline"},
    {"results"},
    {"api"},
    {"apps"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

ONLY_IN = {
    "openslide": [
        "slides/",
        "apps/bench/speed/peer_script.py",
    ],  # the script runs alone, beside what it is measured with
    "tifffile": ["slides/", "apps/samples/"],
    "scipy": ["apps/"],  # importing it takes as long as reading a small slide
    "shapely": ["results/"],
    "zarr": ["slides/"],
    "pyarrow": ["results/", "api.py"],
    "jinja2": ["results/", "api.py"],
    "PIL": ["results/", "slides/", "api.py"],
    "pandas": ["model.py"],
    "pydantic": ["parsing.py"],
    "click": ["apps/cli/"],
    "rich": ["apps/cli/"],
    "sqlalchemy": ["apps/archive/"],
    "filelock": ["apps/batch/"],
    "distributed": ["apps/batch/"],
}
STEPS = {"scan", "fragments", "link", "clusters", "dots", "tissue", "area", "outline"}
ALLOWED_BETWEEN_STEPS = {("clusters", "link")}  # a cluster *is* a cut of the tree


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "micromet_path"


def imports(path: Path) -> list[str]:
    """Dotted names of everything a file imports, at any depth of its code."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            assert node.module is not None
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_the_layers_above(path):
    own = name_of(path).split("/")[0].removesuffix(".py")
    if own == "__init__":
        return  # the front door exports from everywhere, lazily
    for module in imports(path):
        if not module.startswith("micromet_path.") or module == "micromet_path.__version__":
            continue
        layer = layer_of(module)
        assert layer == own or RANK[layer] < RANK[own], f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_library_is_imported_only_where_it_belongs(path):
    name = name_of(path)
    for module in imports(path):
        places = ONLY_IN.get(module.split(".")[0], [""])
        is_typing_only = f"if TYPE_CHECKING:\n    import {module.split('.')[0]}" in path.read_text(encoding="utf-8")
        assert any(name.startswith(place) for place in places) or is_typing_only, f"{name} imports {module}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "pixels").glob("*.py")), ids=name_of)
def test_steps_never_import_steps(path):
    for module in imports(path):
        parts = module.split(".")
        if parts[:2] != ["micromet_path", "pixels"] or path.stem not in STEPS:
            continue
        if parts[2] in STEPS and parts[2] != path.stem:
            assert (path.stem, parts[2]) in ALLOWED_BETWEEN_STEPS, f"{name_of(path)} imports {module}"


def test_no_import_cycles():
    names = {name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in MODULES}
    graph = {}
    for name, path in names.items():
        own = [module for module in imports(path) if module.startswith("micromet_path.")]
        targets = {module.removeprefix("micromet_path.") for module in own}
        graph[name] = {t if t in names else t.rpartition(".")[0] for t in targets} & set(names) - {name, "__init__"}
    graph["__init__"] = set()
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        if name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_every_package_says_what_it_is_for():
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{name_of(path)} has no docstring"
