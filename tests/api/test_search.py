"""Searches from Python and from the terminal."""

import json
import statistics
from pathlib import Path

import pytest
import torch

import kd_core as kd
from kd_core.__main__ import main
from kd_core.store.store import DATABASE, Store

pytest.importorskip("optuna")
pytestmark = pytest.mark.slow

QUICK = {"dataset": "moons", "epochs": 3, "teacher_epochs": 1, "labelled": 40}
WORDS = [f"{name}={value}" for name, value in QUICK.items()]


def test_a_search_without_a_store_returns_networks_and_leaves_nothing(tmp_path: Path) -> None:
    ended = kd.search(**QUICK, temperature="1..16", loss=["soft_targets", "logit_mse"], trials=7, seeds=2)
    assert len(ended.trials) == 7
    assert ended.best.accuracy == max(trial.accuracy for trial in ended.trials if trial.state == "completed")
    assert [run.config.seed for run in ended.confirmed] == [2, 3, 4, 5, 6]
    gains = [100 * (run.test["student"]["accuracy"] - run.test["baseline"]["accuracy"]) for run in ended.confirmed]
    assert ended.verdict.gain == pytest.approx(statistics.fmean(gains))
    assert ended.confirmed[0].student(torch.zeros(3, 2)).shape == (3, 2)
    assert "7 trials" in ended.reason
    table = ended.to_pandas()
    assert list(table["trial"]) == [1, 2, 3, 4, 5, 6, 7]
    assert set(table["method"]) <= {"soft_targets", "logit_mse"}
    assert not list(tmp_path.iterdir())


def test_a_stored_search_is_found_again(tmp_path: Path) -> None:
    ended = kd.search(**QUICK, alpha="0..1", trials=2, seeds=1, store=tmp_path)
    (row,) = Store(tmp_path / DATABASE).sweeps()
    assert row.search.trials == 2
    assert kd.load_run(ended.confirmed[0].id, tmp_path).test == ended.confirmed[0].test


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "nothing to search over"),
        ({"temperature": "3..3"}, "this range is empty"),
        ({"temperature": "1..3", "trials": 0}, "trials = 0"),
        ({"temperature": "1..3", "epohcs": 3}, "Did you mean epochs"),
        ({"temprature": "1..3"}, "Did you mean temperature"),
        ({"temperature": "1..3", "seeds": 0}, "seeds = 0"),
    ],
)
def test_what_cannot_be_searched_is_a_sentence(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kd.search(dataset="moons", **settings)


def test_without_optuna_the_import_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "optuna" else object())
    with pytest.raises(ImportError, match=r'pip install "distillery-lab\[search\]"'):
        kd.search(**QUICK, alpha="0..1")


def test_the_terminal_searches_lists_and_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    assert main(["search", *WORDS, "temperature=1..16", "trials=4", "seeds=1"]) == 0
    text = capsys.readouterr().out
    assert "  4. temperature=" in text
    assert "All of its 4 trials (4 completed) are over." in text
    assert "over 5 seeds" in text
    name = text.split()[1]
    assert main(["runs"]) == 0
    assert "search of temperature: moons" in capsys.readouterr().out
    assert main(["runs", "show", name, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert [trial["trial"] for trial in body["trials"]] == [1, 2, 3, 4]
    best = max(body["trials"], key=lambda trial: trial["validation_accuracy"])
    assert body["best"] == best["trial"]
    assert body["verdict"]["seeds"] == 5
    assert main(["resume", name]) == 2
    assert "Only an interrupted or stopped run can be resumed" in capsys.readouterr().err
    assert main(["runs", "delete", name]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to search over"),
        (["temperature=4..4"], "this range is empty"),
        (["temperature=1..4", "trials=x"], 'trials = "x": choose a whole number from 1 on'),
        (["tempature=1..4"], "Did you mean temperature"),
    ],
)
def test_the_terminal_refuses_with_a_sentence(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "dataset=moons", *words]) == 2
    assert message in capsys.readouterr().err
