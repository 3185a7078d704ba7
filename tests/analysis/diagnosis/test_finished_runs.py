"""Real runs that lose for a reason, and what is said of them."""

from collections.abc import Iterator

import pytest

from kd_core.analysis.diagnosis import Finding, diagnose, features_of_run
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunManager]:
    """One for all, so that the digits' teacher is trained once."""
    runs = RunManager(tmp_path_factory.mktemp("lab"))
    yield runs
    runs.close()


def diagnosed(runs: RunManager, **flat: str) -> dict[str, Finding]:
    run = runs.start(from_flat(flat))
    assert wait_for_end(runs, run, 60) == "completed"
    row = runs.store.run(run)
    assert row is not None
    return {finding.name: finding for finding in diagnose(features_of_run(runs.store, row))}


def test_a_teacher_that_learned_nothing_is_the_reason(lab: RunManager) -> None:
    found = diagnosed(lab, dataset="digits", teacher_epochs="0", epochs="60")
    assert next(iter(found)) == "teacher near chance"
    assert found["teacher near chance"].changes == {"teacher_epochs": "20"}


def test_a_low_temperature_hides_what_the_teacher_finds_similar(lab: RunManager) -> None:
    found = diagnosed(lab, dataset="digits", temperature="0.5")
    assert next(iter(found)) == "soft targets one-hot"
    assert found["soft targets one-hot"].changes == {"temperature": "4"}


def test_a_high_temperature_makes_all_classes_alike(lab: RunManager) -> None:
    found = diagnosed(lab, dataset="digits", temperature="20")
    assert list(found) == ["soft targets uniform"]
    assert found["soft targets uniform"].changes == {"temperature": "4"}


def test_a_teacher_that_knows_less_than_the_student_would_find_out_is_the_reason(lab: RunManager) -> None:
    found = diagnosed(lab, dataset="digits", teacher_epochs="1", labelled="0", epochs="40")
    assert list(found) == ["teacher no better"]
    assert found["teacher no better"].changes == {"teacher_epochs": "20"}


def test_steps_that_only_the_teacher_makes_too_large_are_blamed_on_its_weight(lab: RunManager) -> None:
    flat = {"dataset": "digits", "labelled": "0", "epochs": "20", "optimiser": "sgd", "learning_rate": "0.3"}
    found = diagnosed(lab, **flat)
    assert list(found) == ["steps too large"]
    assert "and not for the baseline" in found["steps too large"].sentence
    run = lab.start(from_flat(flat).with_flat(**found["steps too large"].changes))
    wait_for_end(lab, run, 60)
    test = lab.store.run(run).test
    assert test["student"]["accuracy"] > test["baseline"]["accuracy"] > 0.9  # the remedy is one


def test_a_student_that_is_too_small_is_the_reason(lab: RunManager) -> None:
    found = diagnosed(lab, dataset="digits", student_widths="4", labelled="0", epochs="40")
    assert list(found) == ["capacity gap"]
    assert found["capacity gap"].changes == {"assistants": "1"}


def test_a_training_that_ended_early_is_the_reason(lab: RunManager) -> None:
    found = diagnosed(lab, dataset="digits", labelled="0", epochs="10", learning_rate="0.0003")
    assert list(found) == ["too few steps"]
    assert found["too few steps"].changes == {"epochs": "30"}


def test_with_all_the_labels_there_is_nothing_left_to_gain(lab: RunManager) -> None:
    found = diagnosed(lab, dataset="digits", labelled="0", epochs="40")
    assert set(found) == {"labels suffice", "within luck"}
    assert found["labels suffice"].changes == {"labelled": "50"}


@pytest.mark.parametrize("dataset", ["digits", "moons"])
def test_nothing_is_wrong_with_the_usual_settings(lab: RunManager, dataset: str) -> None:
    assert diagnosed(lab, dataset=dataset) == {}


@pytest.mark.parametrize("scheme", ["mutual", "rocket"])
def test_where_no_teacher_was_there_before_none_is_blamed(lab: RunManager, scheme: str) -> None:
    found = diagnosed(lab, dataset="digits", scheme=scheme, epochs="4", teacher_epochs="1")
    assert set(found) <= {"too few steps", "within luck"}
