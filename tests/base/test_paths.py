"""Location of the data folder."""

import sys
from pathlib import Path

import pytest

from kd_core.base import paths


def test_the_environment_names_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "lab"))
    assert paths.data_folder() == tmp_path / "lab"
    assert list(tmp_path.iterdir()) == []


def test_a_checkout_has_its_own_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTILLERY_DATA")
    assert paths.data_folder() == Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("platform", "variable", "below_home"),
    [
        ("linux", "XDG_DATA_HOME", ".local/share"),
        ("darwin", "", "Library/Application Support"),
        ("win32", "LOCALAPPDATA", "AppData/Local"),
    ],
)
def test_an_installed_package_uses_the_folder_of_the_system(
    platform: str, variable: str, below_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISTILLERY_DATA")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv(variable or "NOTHING", raising=False)
    assert paths.data_folder() == tmp_path / below_home / "distillery"
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "chosen"))
        assert paths.data_folder() == tmp_path / "chosen" / "distillery"
