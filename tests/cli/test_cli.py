import json

import pytest

from kd_core.__main__ import main
from kd_core.base.events import to_json
from kd_core.base.registry import GROUPS, plugins
from kd_core.config.run import from_flat
from kd_core.training.loop import Trainer

QUICK = ["--epochs", "2", "--teacher-epochs", "1"]


def test_train_prints_every_event_as_a_line_of_json_and_the_test_accuracies_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = ["--dataset", "digits", "--teacher", "cnn", "--student", "mlp", "--temperature", "4"]
    chosen += ["--alpha", "0.9", "--seed", "0", "--json"]
    assert main(["train", *chosen, *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    config = from_flat({"epochs": "2", "teacher_epochs": "1"})
    assert lines == [to_json(event) for event in Trainer(config)]
    last = json.loads(lines[-1])
    assert last["event"] == "finished"
    assert set(last["test_accuracy"]) == {"teacher", "student", "baseline"}


def test_train_in_words_ends_with_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--dataset", "moons", *QUICK]) == 0
    assert "One seed" in capsys.readouterr().out


def test_a_refused_setting_is_answered_on_stderr_and_nothing_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--temperature", "0", "--alpha", "3", "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        'temperature = "0": choose a number from 0.5 to 20.',
        'alpha = "3": choose a number from 0 to 1.',
    ]


def test_list_describes_every_choice_with_options_family_and_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {group: [choice["name"] for choice in listed[group]] for group in GROUPS} == {
        group: list(plugins(group)) for group in GROUPS
    }
    soft = next(choice for choice in listed["methods"] if choice["name"] == "soft_targets")
    assert soft["family"] == "response"
    assert "Hinton" in soft["paper"]
    assert soft["options"]["temperature"]["default"] == "4"


def test_list_in_words_names_every_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for group in GROUPS for name in plugins(group))


def test_luck_asks_five_seeds_with_one_teacher_and_gives_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["luck", "--dataset", "moons", *QUICK, "--seed", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["tests"]) == ["3", "4", "5", "6", "7"]
    assert len({test["teacher"]["accuracy"] for test in found["tests"].values()}) == 1
    gains = [100 * (test["student"]["accuracy"] - test["baseline"]["accuracy"]) for test in found["tests"].values()]
    assert found["verdict"]["gain"] == pytest.approx(sum(gains) / 5)
    assert "over 5 seeds" in found["verdict"]["sentence"]
