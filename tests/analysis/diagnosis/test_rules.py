"""Diagnosis rules on numbers built to show one reason each, and on numbers just short of it."""

from dataclasses import replace
from typing import Any

import pytest

from kd_core.analysis.diagnosis import Finding, RunFeatures, diagnose
from kd_core.analysis.diagnosis.curve_features import CurveFeatures
from kd_core.analysis.diagnosis.features import Imitation, SoftTargetFeatures
from kd_core.config.run import RunConfig, from_flat


def accuracies(teacher: float, student: float, baseline: float) -> dict[str, dict[str, float]]:
    by_role = {"teacher": teacher, "student": student, "baseline": baseline}
    return {role: {"accuracy": accuracy, "examples": 500.0} for role, accuracy in by_role.items()}


SETTLED = CurveFeatures((0.2, *[0.8] * 11), (2.0, 0.5, 0.2, 0.1), 0.0, 1.0)
# A clear loss without a visible reason: a good teacher, soft targets halfway, a student that follows.
QUIET = RunFeatures(
    from_flat({"dataset": "digits"}),
    (accuracies(0.99, 0.70, 0.85),),
    (0,),
    0.1,
    teacher="teacher",
    student=replace(SETTLED, loss=(16.0, 4.0, 1.0, 0.5), teacher_loss=15.0),
    control=SETTLED,
    parameters={"teacher": 10_000, "student": 1000, "baseline": 1000},
    soft_targets=SoftTargetFeatures(4.0, 0.26, 0.47, 4.0),
    imitation=Imitation(0.98, 0.01, 0.05, 50),
)


def with_settings(**flat: str) -> RunConfig:
    return from_flat({"dataset": "digits", **flat})


def names(features: RunFeatures) -> list[str]:
    return [finding.name for finding in diagnose(features)]


def only(features: RunFeatures, name: str) -> Finding:
    (result,) = [finding for finding in diagnose(features) if finding.name == name]
    return result


def changed(features: RunFeatures, finding: Finding) -> dict[str, str]:
    """What the remedy really changes, as the configuration reads it back."""
    before, after = features.config.flat(), features.config.with_flat(**finding.changes).flat()
    return {name: after[name] for name in after if after[name] != before[name]}


def test_numbers_without_a_reason_give_no_finding() -> None:
    assert diagnose(QUIET) == []


def test_numbers_that_are_predicted_and_a_test_set_of_one_class_are_diagnosed_as_well() -> None:
    config = from_flat({"dataset": "friedman"})
    losing = replace(QUIET, config=config, chance=0.0, tests=(accuracies(-0.1, -0.3, -0.2),), soft_targets=None)
    assert "Teacher -10.0 %" in only(losing, "teacher near chance").summary
    assert diagnose(replace(QUIET, chance=1.0, tests=(accuracies(1.0, 0.9, 1.0),)))


LARGE = replace(SETTLED, loss=(10.0, 30.0, 9.0, 9.0), teacher_loss=9.0, peak=4.0)
STUCK = Imitation(0.3, 0.7, 0.8, 50)
SMALL = Imitation(0.5, 0.4, 0.6, 50)
RISING = CurveFeatures(tuple(0.05 * step for step in range(1, 13)), (2.0, 1.5, 1.2, 1.0))

CASES: list[tuple[str, dict[str, Any], dict[str, str], tuple[str, ...]]] = [
    (
        "teacher near chance",
        {"tests": (accuracies(0.12, 0.60, 0.85),), "config": with_settings(teacher_epochs="1")},
        {"teacher_epochs": "20"},
        ("Teacher 12.0 %", "10.0 %"),
    ),
    (
        "teacher no better",
        {"tests": (accuracies(0.80, 0.70, 0.85),), "config": with_settings(teacher_view="student")},
        {"teacher_view": "full"},
        ("Teacher 80.0 %", "baseline 85.0 %"),
    ),
    (
        "soft targets one-hot",
        {"soft_targets": SoftTargetFeatures(1.0, 0.002, 0.01, 6.0), "config": with_settings(temperature="1")},
        {"temperature": "6"},
        ("T = 1", "0.2 %"),
    ),
    (
        "soft targets uniform",
        {"soft_targets": SoftTargetFeatures(20.0, 0.85, 0.99, 4.0), "config": with_settings(temperature="20")},
        {"temperature": "4"},
        ("T = 20", "99.0 %"),
    ),
    ("capacity gap", {"imitation": SMALL}, {"assistants": "1"}, ("10 times", "50.0 %", "60.0 %")),
    (
        "too few steps",
        {"student": RISING, "control": RISING, "config": with_settings(epochs="12")},
        {"epochs": "36"},
        ("15.0 points, the baseline’s by 15.0 points",),
    ),
    (
        "steps too large",
        {"student": LARGE, "imitation": STUCK, "config": with_settings(learning_rate="0.3")},
        {"learning_rate": "0.07"},
        ("4.0 times", "9.0 nats", "2.0"),
    ),
    (
        "labels suffice",
        {"tests": (accuracies(0.99, 0.93, 0.98),), "config": with_settings(labelled="0")},
        {"labelled": "50"},
        ("1,000 labelled images", "98.0 %", "99.0 %"),
    ),
    (
        "within noise",
        {"tests": (accuracies(0.99, 0.86, 0.85),)},
        {"seed": "1"},
        ("One seed: +1.0 points", "4.4 points"),
    ),
]


@pytest.mark.parametrize(("name", "numbers", "remedy", "texts"), CASES, ids=[case[0] for case in CASES])
def test_each_reason_is_found_alone_with_its_numbers_and_one_setting_to_change(
    name: str, numbers: dict[str, Any], remedy: dict[str, str], texts: tuple[str, ...]
) -> None:
    features = replace(QUIET, **numbers)
    finding = only(features, name)
    assert names(features) == [name]
    assert changed(features, finding) == remedy
    assert finding.remedy
    assert all(text in finding.summary for text in texts), finding.summary
    assert 0 < finding.strength <= 1


# Just on the other side of each threshold, everything else as where the rule applies.
SILENT: list[tuple[str, dict[str, Any]]] = [
    ("teacher near chance", {"tests": (accuracies(0.30, 0.60, 0.20),)}),
    ("teacher no better", {"tests": (accuracies(0.90, 0.70, 0.85),)}),
    ("soft targets one-hot", {"soft_targets": SoftTargetFeatures(1.0, 0.05, 0.10, 6.0)}),
    ("soft targets uniform", {"soft_targets": SoftTargetFeatures(12.0, 0.75, 0.95, 4.0)}),
    ("soft targets uniform", {"soft_targets": None}),
    ("capacity gap", {"imitation": Imitation(0.5, 0.05, 0.6, 50)}),  # it fits the labels, where these differ
    ("capacity gap", {"imitation": Imitation(0.85, 0.15, 0.1, 50)}),
    ("capacity gap", {"imitation": SMALL, "student": RISING}),  # not settled: it may still follow
    ("capacity gap", {"imitation": SMALL, "tests": (accuracies(0.40, 0.30, 0.35),)}),  # the teacher is not right
    ("capacity gap", {"imitation": SMALL, "parameters": {"teacher": 500, "student": 1000}}),
    ("too few steps", {"student": SETTLED, "control": RISING}),
    (
        "too few steps",
        {"student": CurveFeatures((0.7,) * 9 + (0.715,) * 3), "control": SETTLED},
    ),  # wins begin like this, too
    ("steps too large", {"student": LARGE}),  # the loss rose, and fell all the same
    ("steps too large", {"student": replace(SETTLED, teacher_loss=15.0), "imitation": STUCK}),  # the loss never rose
    (
        "steps too large",
        {"student": LARGE, "imitation": STUCK, "teacher": ""},
    ),  # networks that learn together may part at first
    ("labels suffice", {"tests": (accuracies(0.99, 0.93, 0.98),)}),  # 50 labels
    ("labels suffice", {"tests": (accuracies(0.80, 0.90, 0.95),), "config": with_settings(labelled="0")}),
    ("labels suffice", {"tests": (accuracies(0.99, 0.90, 0.95),), "config": with_settings(labelled="0")}),
    ("labels suffice", {"tests": (accuracies(0.99, 0.9, 0.98),), "config": with_settings(labelled="0", wrong="0.2")}),
    ("within noise", {"tests": (accuracies(0.99, 0.95, 0.85),)}),
    (
        "within noise",
        {"tests": (accuracies(0.99, 0.80, 0.85), accuracies(0.99, 0.81, 0.86), accuracies(0.99, 0.80, 0.86))},
    ),
]


@pytest.mark.parametrize(("name", "numbers"), SILENT)
def test_a_rule_does_not_apply_just_short_of_its_threshold(name: str, numbers: dict[str, Any]) -> None:
    assert name not in names(replace(QUIET, **numbers))


def test_several_seeds_that_disagree_are_noise_and_the_next_seed_is_new() -> None:
    gains = [0.02, -0.02, 0.01]
    features = replace(QUIET, tests=tuple(accuracies(0.99, 0.85 + gain, 0.85) for gain in gains), seeds=(0, 1, 3))
    finding = only(features, "within noise")
    # By hand: mean 0.333, standard deviation 2.082, t(2) = 4.303: 4.303 * 2.082 / sqrt(3) = 5.17. One example differs
    # with probability 0.85 * 0.15 * 2 = 0.255 or so: 1.965 * sqrt(0.255 / 500) = 4.4. In quadrature 6.8.
    assert "3 seeds: +0.3 points ± 6.8 points; noise on 500 test examples alone is up to 4.4" in finding.evidence
    assert finding.changes == {"seed": "2"}


def test_a_student_that_rises_alone_is_a_weaker_sign_than_both() -> None:
    both = only(replace(QUIET, student=RISING, control=RISING), "too few steps")
    alone = only(replace(QUIET, student=RISING), "too few steps")
    assert alone.strength == both.strength / 2
    assert "the baseline’s has settled" in alone.evidence


def test_a_learning_rate_too_large_for_both_is_not_attributed_to_the_teacher() -> None:
    features = replace(QUIET, student=LARGE, imitation=STUCK, control=replace(SETTLED, loss=(2.0, 2.5, 2.2, 2.0)))
    assert "with a teacher or without" in only(features, "steps too large").sentence
    assert "capacity gap" not in names(features)


def test_with_an_assistant_already_there_a_capacity_gap_suggests_an_earlier_teacher() -> None:
    features = replace(QUIET, imitation=SMALL, config=with_settings(assistants="1", teacher_epochs="40"))
    assert only(features, "capacity gap").changes == {"teacher_stop": "10"}


def test_a_remedy_that_would_change_nothing_is_not_offered() -> None:
    longest = with_settings(epochs="10000")
    finding = only(replace(QUIET, student=RISING, control=RISING, config=longest), "too few steps")
    assert not finding.changes
    assert not finding.remedy


def test_the_strongest_sign_comes_first_and_is_named_strong() -> None:
    features = replace(
        QUIET, imitation=Imitation(0.5, 0.4, 0.30, 50), soft_targets=SoftTargetFeatures(0.5, 0.0, 0.0, 4.0)
    )
    findings = diagnose(features)
    assert [finding.name for finding in findings] == ["soft targets one-hot", "capacity gap"]
    assert [finding.certainty for finding in findings] == ["a strong sign", "a weak sign"]


def test_many_skipped_updates_are_a_reason_that_float32_removes() -> None:
    config = with_settings(precision="float16")
    few = replace(QUIET, config=config, skipped=(3, 1200))
    assert "skipped updates" not in names(few)
    finding = only(replace(QUIET, config=config, skipped=(8, 20)), "skipped updates")
    assert "8 of 20 updates" in finding.evidence
    assert finding.certainty == "a strong sign"
    assert changed(few, finding) == {"precision": "float32"}
