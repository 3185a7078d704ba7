"""Diagnoses of real runs that lose for a reason."""

from collections.abc import Iterator

import pytest

from kd_core.analysis.diagnosis import Finding, diagnose, features_of_run
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunManager]:
    """A manager for all tests, so that the digits' teacher is trained once."""
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
    findings = diagnosed(lab, dataset="digits", teacher_epochs="0", epochs="60")
    assert next(iter(findings)) == "teacher near chance"
    assert findings["teacher near chance"].changes == {"teacher_epochs": "20"}


def test_a_low_temperature_makes_soft_targets_one_hot(lab: RunManager) -> None:
    findings = diagnosed(lab, dataset="digits", temperature="0.5")
    assert next(iter(findings)) == "soft targets one-hot"
    assert findings["soft targets one-hot"].changes == {"temperature": "4"}


def test_a_high_temperature_makes_soft_targets_uniform(lab: RunManager) -> None:
    findings = diagnosed(lab, dataset="digits", temperature="20")
    assert list(findings) == ["soft targets uniform"]
    assert findings["soft targets uniform"].changes == {"temperature": "4"}


def test_a_teacher_worse_than_the_baseline_is_the_reason(lab: RunManager) -> None:
    findings = diagnosed(lab, dataset="digits", teacher_epochs="1", labelled="0", epochs="40")
    assert list(findings) == ["teacher no better"]
    assert findings["teacher no better"].changes == {"teacher_epochs": "20"}


def test_steps_that_only_the_teacher_makes_too_large_are_attributed_to_its_weight(lab: RunManager) -> None:
    flat = {"dataset": "digits", "labelled": "0", "epochs": "20", "optimiser": "sgd", "learning_rate": "0.3"}
    findings = diagnosed(lab, **flat)
    assert list(findings) == ["steps too large"]
    assert "not for the baseline" in findings["steps too large"].sentence
    run = lab.start(from_flat(flat).with_flat(**findings["steps too large"].changes))
    wait_for_end(lab, run, 60)
    test = lab.store.run(run).test
    assert test["student"]["accuracy"] > test["baseline"]["accuracy"] > 0.9  # the remedy helps


def test_a_student_that_is_too_small_is_the_reason(lab: RunManager) -> None:
    findings = diagnosed(lab, dataset="digits", student_widths="4", labelled="0", epochs="40")
    assert list(findings) == ["capacity gap"]
    assert findings["capacity gap"].changes == {"assistants": "1"}


def test_a_training_that_ended_too_early_is_the_reason(lab: RunManager) -> None:
    findings = diagnosed(lab, dataset="digits", labelled="0", epochs="10", learning_rate="0.0003")
    assert list(findings) == ["too few steps"]
    assert findings["too few steps"].changes == {"epochs": "30"}


def test_with_all_the_labels_there_is_nothing_left_to_gain(lab: RunManager) -> None:
    findings = diagnosed(lab, dataset="digits", labelled="0", epochs="40")
    assert set(findings) == {"labels suffice", "within noise"}
    assert findings["labels suffice"].changes == {"labelled": "50"}


@pytest.mark.parametrize("dataset", ["digits", "moons"])
def test_the_default_settings_give_no_finding(lab: RunManager, dataset: str) -> None:
    assert diagnosed(lab, dataset=dataset) == {}


@pytest.mark.parametrize("scheme", ["mutual", "rocket"])
def test_without_a_teacher_of_an_earlier_phase_no_teacher_is_the_reason(lab: RunManager, scheme: str) -> None:
    findings = diagnosed(lab, dataset="digits", scheme=scheme, epochs="4", teacher_epochs="1")
    assert set(findings) <= {"too few steps", "within noise"}
