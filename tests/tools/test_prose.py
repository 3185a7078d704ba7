"""Tests of the check of names, docstrings and words."""

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
def test_a_banned_word_name_or_docstring_is_reported_with_a_better_one(line: str, better: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(line, encoding="utf-8")
    assert [better in finding for finding in prose.findings(tmp_path / "module.py")] == [True]


@pytest.mark.parametrize(
    "line",
    ['"""Cache of trained teachers."""', "gradient = 1", "# staple food", '"""Return :class:`Run` of ``a: b``."""'],
)
def test_plain_words_are_not_reported(line: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(line, encoding="utf-8")
    assert list(prose.findings(tmp_path / "module.py")) == []
