"""Floor plan of the packages, their imports, and the size of files and folders.

Everything is read from the folders: a new module needs no edit here.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "kd_core").rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))

# A package of kd_core imports only those before it.
PACKAGES = [
    *("base", "files", "tasks", "datasets", "models", "nn", "methods", "config", "schemes"),
    *("training", "store", "analysis", "export", "runs", "api", "cli"),
]
# Folders that grow by a file per choice.
PLUGINS = {"tasks", "datasets", "models", "methods", "schemes", "presets", "claims", "lessons"}
ENTRIES, LINES = 12, 400


@functools.cache
def imports(path: Path) -> set[str]:
    """Absolute names of everything a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def module(path: Path) -> str:
    """Dotted name; a package is called like its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def packages(names: set[str]) -> set[str]:
    """The packages of kd_core among some dotted names."""
    return {parts[1] for name in names if len(parts := name.split(".")) > 1 and parts[0] == "kd_core"} & set(PACKAGES)


def test_the_engine_imports_neither_screen_nor_pages() -> None:
    assert {module(path) for path in ENGINE if roots(path) & {"streamlit", "plotly", "pages"}} == set()


def test_a_package_imports_only_those_before_it() -> None:
    wrong = {
        f"{module(path)} imports {name}, which stands after {package}"
        for path in ENGINE
        for package in packages({module(path)})
        for name in imports(path)
        for other in packages({name})
        if is_after(other, package)
    }
    assert not wrong, "\n".join(sorted(wrong))


def is_after(package: str, other: str) -> bool:
    return PACKAGES.index(package) > PACKAGES.index(other)


def test_only_runs_imports_both_training_and_store() -> None:
    after_store = [path for path in ENGINE if packages({module(path)}) & {"store", "analysis"}]
    assert len(after_store) > 10
    assert [module(path) for path in after_store if "training" in packages(imports(path))] == []


def test_there_is_no_import_cycle() -> None:
    """Two modules of one package may not import each other either."""
    modules = {module(path): path for path in [*ENGINE, *PAGES]}
    graph = {name: sorted(imports(path) & set(modules) - {name}) for name, path in modules.items()}
    # A package is imported with each of its modules; that is not an import by name.
    graph = {name: [to for to in below if not name.startswith(f"{to}.")] for name, below in graph.items()}
    finished: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in finished:
            for below in graph[name]:
                visit(below, (*above, name))
            finished.add(name)

    for name in graph:
        visit(name, ())


def test_a_page_imports_no_torch_and_no_other_page() -> None:
    wrong = {
        f"{module(path)} imports {name}"
        for path in PAGES
        for name in imports(path)
        if name.split(".")[0] in ("torch", "torchvision")
        or (name.startswith("pages.") and not name.startswith("pages.ui"))
    }
    assert not wrong, "\n".join(sorted(wrong))


def test_no_file_is_too_long() -> None:
    lines = {module(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*ENGINE, *PAGES]}
    assert {name: count for name, count in lines.items() if count > LINES} == {}


FOLDERS = sorted(
    path
    for top in ("kd_core", "pages")
    for path in (ROOT / top).rglob("*")
    if path.is_dir() and path.name != "__pycache__"
)
UNCOUNTED = {"__init__.py", "__main__.py", "__pycache__", "py.typed"}


def test_no_folder_has_too_many_entries() -> None:
    """Folders of plug-ins may grow, and are not counted where they stand."""
    counts = {
        str(folder.relative_to(ROOT)): len({path.name for path in folder.iterdir()} - PLUGINS - UNCOUNTED)
        for folder in FOLDERS
        if folder.name not in PLUGINS
    }
    assert len(counts) > 30
    assert {folder: count for folder, count in counts.items() if count > ENTRIES} == {}


@pytest.mark.slow
def test_importing_the_engine_has_no_side_effect(tmp_path: Path) -> None:
    script = (
        "import torch; before = torch.get_rng_state(), torch.get_num_threads();"
        "import kd_core.runs.manager, kd_core.__main__, kd_core.api.sweep;"
        "assert torch.equal(before[0], torch.get_rng_state()) and before[1] == torch.get_num_threads();"
        "assert not torch.cuda.is_initialized()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
    assert not (ROOT / "kd_core" / "data").exists()
