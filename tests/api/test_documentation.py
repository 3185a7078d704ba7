"""The examples of the page and of the notebook on the Python interface run in their order."""

import json
import re
from pathlib import Path

import pytest

import kd_core as kd
from kd_core.base import metrics

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
PAGE, NOTEBOOK = DOCS / "python-api.md", DOCS / "own-things.ipynb"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metrics, "_metrics", {})
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, names)
    output = capsys.readouterr().out
    assert "Did you mean temperature?" in output
    assert "over 3 seeds" in output
    exported = {"student.zip", "teacher.safetensors", "history.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {"run.safetensors", "own.safetensors", "lab"} | exported


def test_the_example_of_the_page_on_exports_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "data"))
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "take-home.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(block, {})
    assert {path.name for path in tmp_path.iterdir()} == {"student.safetensors", "data"}


def test_every_cell_of_the_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metrics, "_metrics", {})
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec("".join(cell["source"]).replace("epochs=150", "epochs=20"), names)
    output = capsys.readouterr().out
    assert "a Pair returns a tuple" in output  # the refusal of a module that returns a tuple
    assert "over 3 seeds" in output
    assert {path.name for path in tmp_path.iterdir()} == {"student.safetensors", "lab"}


def test_the_page_names_everything_that_is_public() -> None:
    text = PAGE.read_text(encoding="utf-8")
    objects = {"History", "HistoryRow", "Result", "SeedComparison", "StoredRun", "SweepCell", "SweepResult"}
    objects |= {"SearchResult", "SearchTrial"}
    assert {name for name in kd.__all__ if f"kd.{name}" not in text} <= objects | {"__version__", "list_presets"}
