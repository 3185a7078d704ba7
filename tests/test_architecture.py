"""The arrows of the architecture: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "kd_core").rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))

# A module may import what stands in a lower layer; the same layer where there is no cycle.
LAYERS = [
    ["options", "events", "seeds", "control", "checkpoint", "devices", "folders", "unpacking", "trouble"],
    ["chain", "best", "memory", "interpreter", "claim", "status", "generations"],
    ["catalogue", "metrics", "line", "limits", "uploads", "fetching", "packing"],
    ["datasets", "models", "views", "footprint", "pictures", "verdict", "drawing", "taps", "recipes", "compute"],
    ["augmentation", "schedules", "optimisers"],
    ["pairs", "adaptors", "weights"],
    ["methods"],
    ["batches"],
    ["teaching", "order"],
    ["wholestep"],
    ["config", "matching", "council", "networks", "errands"],
    ["plan", "live"],
    ["objections"],
    ["schemes", "presets", "sweep"],
    ["instruction", "derivation", "axes", "atlas"],
    ["learning", "classroom", "preparation", "probes", "kept", "snapshots"],
    ["compiled", "fitting"],
    ["lesson", "judgement"],
    ["schema"],
    ["database"],
    ["labels"],
    ["training", "store", "rows"],
    ["stacking"],
    ["sweeping"],
    ["rehearsal"],
    ["journal", "custody", "endings", "recall", "ledger", "stopwatch", "contrast", "trash"],
    ["diagnosis", "courses", "inspection", "rounds", "recording"],
    ["runs", "__main__"],
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """Absolute names of everything a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def module(path: Path) -> str:
    return path.relative_to(ROOT / "kd_core").with_suffix("").parts[0]


@pytest.mark.parametrize("path", ENGINE, ids=str)
def test_the_engine_knows_no_screen(path: Path) -> None:
    assert not roots(path) & {"streamlit", "plotly", "pandas", "pages"}


@pytest.mark.parametrize("path", [path for path in ENGINE if path.name != "__init__.py"], ids=str)
def test_the_arrows_inside_the_engine_point_down(path: Path) -> None:
    here = module(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "kd_core" and len(parts) > 1 and parts[1] in LAYER:
            assert LAYER[parts[1]] <= LAYER[here], f"{here} imports {name}"


def test_there_is_no_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for path in ENGINE:
        names = {name.split(".")[1] for name in imports(path) if name.startswith("kd_core.")}
        graph.setdefault(module(path), set()).update(names & set(LAYER))
    finished: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in finished:
            for below in graph.get(name, set()) - {name}:
                visit(below, (*above, name))
            finished.add(name)

    for name in graph:
        visit(name, ())


def test_only_runs_knows_both_engine_and_store() -> None:
    both = [path for path in ENGINE if {"kd_core.training", "kd_core.store"} <= imports(path)]
    assert [path.name for path in both] == ["runs.py"]


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_imports_no_torch_and_no_other_page(path: Path) -> None:
    assert not roots(path) & {"torch", "torchvision"}
    others = {name for name in imports(path) if name.startswith("pages.") and not name.startswith("pages.ui")}
    assert not others


@pytest.mark.parametrize("path", [*ENGINE, *PAGES], ids=str)
def test_no_file_is_too_long_to_hold_in_mind(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_importing_the_engine_has_no_side_effect(tmp_path: Path) -> None:
    script = (
        "import torch; before = torch.get_rng_state(), torch.get_num_threads();"
        "import kd_core.runs, kd_core.__main__;"
        "assert torch.equal(before[0], torch.get_rng_state()) and before[1] == torch.get_num_threads();"
        "assert not torch.cuda.is_initialized()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
    assert not (ROOT / "kd_core" / "data").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=str)
def test_no_file_of_tests_is_empty(path: Path) -> None:
    assert path.read_text(encoding="utf-8").strip()  # one was once, by mistake, and nobody noticed
