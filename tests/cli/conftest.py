from pathlib import Path

import pytest

QUICK = ["dataset=moons", "epochs=2", "teacher_epochs=1", "labelled=40"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own for a test."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    return tmp_path
