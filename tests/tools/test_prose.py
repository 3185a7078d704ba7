"""The check of prose finds what CONTRIBUTING.md rules out, and nothing else."""

from pathlib import Path

import pytest

from tools import prose


@pytest.mark.parametrize(
    ("line", "better"),
    [
        ("# the slope of the loss", "gradient"),
        ("# taps of a network", "feature layer"),
        ('"""Soft labels."""', "soft targets"),
        ("found = 1", "say what it holds"),
        ("def run(said): ...", "say what it holds"),
        ('"""Cache: what was trained."""', "colon"),
    ],
)
def test_what_is_ruled_out_is_found(line: str, better: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(line, encoding="utf-8")
    assert [better in finding for finding in prose.findings(tmp_path / "module.py")] == [True]


@pytest.mark.parametrize(
    "line",
    ['"""Cache of trained teachers."""', "gradient = 1", "# staple food", '"""Return :class:`Run` of ``a: b``."""'],
)
def test_plain_words_pass(line: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(line, encoding="utf-8")
    assert list(prose.findings(tmp_path / "module.py")) == []
