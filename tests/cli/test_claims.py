"""The command ``claims``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kd_core.__main__ import main
from kd_core.base import discovery
from kd_core.config.claims import claims
from tools.testing.quick_claim import CODE


@pytest.fixture
def quick(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A claim of a second, in a folder of plug-ins."""
    (tmp_path / "plug-ins" / "claims").mkdir(parents=True)
    (tmp_path / "plug-ins" / "claims" / "quick.py").write_text(CODE, encoding="utf-8")
    monkeypatch.setenv(discovery.VARIABLE, str(tmp_path / "plug-ins"))
    discovery.reload()
    yield
    monkeypatch.undo()
    discovery.reload()


def test_every_claim_is_listed_with_its_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims"]) == 0
    output = capsys.readouterr().out
    for name, claim in claims().items():
        assert f"  {name} " in output
        assert claim.title in output
    assert "[holds]" in output
    assert "[does not hold]" in output


def test_the_list_as_json_has_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--json"]) == 0
    listed = {claim["name"]: claim for claim in json.loads(capsys.readouterr().out)}
    assert listed["few_labels"]["families"] == {"50 labels": {"dataset": "digits", "labelled": "50"}}
    assert listed["few_labels"]["outcome"] == "holds"
    assert listed["few_labels"]["measured"]["seeds"] == 10


@pytest.mark.usefixtures("quick")
def test_a_claim_is_tested_stored_and_not_trained_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "quick"]) == 0
    first = capsys.readouterr().out
    assert "It <b>helps</b>. (Doe 2026)" in first
    assert "Warm: student" in first
    assert "When it was written: Warm: student 80.0 %, baseline 78.0 %. Over 5 seeds +2.0 points" in first
    assert main(["runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1  # the sweep is one row
    assert main(["claims", "quick", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["claim"] == "quick"
    assert again["sentence"] in first
    assert main(["runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


@pytest.mark.usefixtures("quick")
def test_an_ephemeral_test_stores_nothing_and_gives_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "quick", "--ephemeral", "--json"]) == 0
    ephemeral = json.loads(capsys.readouterr().out)
    assert not list(folder.glob("*.sqlite"))
    assert main(["claims", "quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sentence"] == ephemeral["sentence"]


def test_an_unknown_claim_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "nothing"]) == 2
    assert "choose one of" in capsys.readouterr().err


def test_a_claim_whose_method_is_gone_is_refused(
    quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plug-ins" / "claims" / "gone.py"
    file.write_text(CODE.replace('"labelled"', '"method": "gone", "labelled"'), encoding="utf-8")
    discovery.reload()
    assert main(["claims", "gone"]) == 2
    assert 'methods = "gone": choose one of' in capsys.readouterr().err
