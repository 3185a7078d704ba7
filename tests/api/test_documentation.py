"""The examples of docs/python-api.md run in their order."""

import re
from pathlib import Path

import pytest

import kd_core as kd

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, names)
    output = capsys.readouterr().out
    assert "Did you mean temperature?" in output
    assert "over 3 seeds" in output
    assert {path.name for path in tmp_path.iterdir()} == {"run.safetensors", "lab"}


def test_the_page_names_everything_that_is_public() -> None:
    text = PAGE.read_text(encoding="utf-8")
    objects = {"History", "HistoryRow", "Result", "SeedComparison", "StoredRun", "SweepCell", "SweepResult"}
    assert {name for name in kd.__all__ if f"kd.{name}" not in text} <= objects | {"__version__", "list_presets"}
