"""Every rule speaks of numbers built to show its reason, and is silent about those that do not."""

from dataclasses import replace
from typing import Any

import pytest

from kd_core.analysis.diagnosis import Finding, RunFeatures, diagnose
from kd_core.analysis.diagnosis.curve_features import CurveFeatures
from kd_core.analysis.diagnosis.features import Imitation, Softened
from kd_core.config.run import RunConfig, from_flat


def accuracies(teacher: float, student: float, baseline: float) -> dict[str, dict[str, float]]:
    shares = {"teacher": teacher, "student": student, "baseline": baseline}
    return {role: {"accuracy": share, "examples": 500.0} for role, share in shares.items()}


SETTLED = CurveFeatures((0.2, *[0.8] * 11), (2.0, 0.5, 0.2, 0.1), 0.0, 1.0)
# A loss by far, of which the numbers say nothing: a good teacher, soft targets halfway, a student that follows.
QUIET = RunFeatures(
    from_flat({"dataset": "digits"}),
    (accuracies(0.99, 0.70, 0.85),),
    (0,),
    0.1,
    teacher="teacher",
    student=replace(SETTLED, loss=(16.0, 4.0, 1.0, 0.5), pull=15.0),
    control=SETTLED,
    parameters={"teacher": 10_000, "student": 1000, "baseline": 1000},
    soft_targets=Softened(4.0, 0.26, 0.47, 4.0),
    imitation=Imitation(0.98, 0.01, 0.05, 50),
)


def with_settings(**flat: str) -> RunConfig:
    return from_flat({"dataset": "digits", **flat})


def names(shown: RunFeatures) -> list[str]:
    return [finding.name for finding in diagnose(shown)]


def only(shown: RunFeatures, name: str) -> Finding:
    (found,) = [finding for finding in diagnose(shown) if finding.name == name]
    return found


def changed(shown: RunFeatures, finding: Finding) -> dict[str, str]:
    """What the remedy really changes, as the configuration reads it back."""
    before, after = shown.config.flat(), shown.config.with_flat(**finding.changes).flat()
    return {name: after[name] for name in after if after[name] != before[name]}


def test_nothing_is_said_where_the_numbers_show_nothing() -> None:
    assert diagnose(QUIET) == []


LARGE = replace(SETTLED, loss=(10.0, 30.0, 9.0, 9.0), pull=9.0, peak=4.0)
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
        {"softened": Softened(1.0, 0.002, 0.01, 6.0), "config": with_settings(temperature="1")},
        {"temperature": "6"},
        ("T = 1", "0.2 %"),
    ),
    (
        "soft targets uniform",
        {"softened": Softened(20.0, 0.85, 0.99, 4.0), "config": with_settings(temperature="20")},
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
    ("within luck", {"tests": (accuracies(0.99, 0.86, 0.85),)}, {"seed": "1"}, ("One seed: +1.0 points", "4.5 points")),
]


@pytest.mark.parametrize(("name", "numbers", "remedy", "said"), CASES, ids=[case[0] for case in CASES])
def test_a_reason_that_the_numbers_show_is_found_alone_with_them_and_one_setting_to_change(
    name: str, numbers: dict[str, Any], remedy: dict[str, str], said: tuple[str, ...]
) -> None:
    shown = replace(QUIET, **numbers)
    found = only(shown, name)
    assert names(shown) == [name]
    assert changed(shown, found) == remedy
    assert found.remedy
    assert all(text in found.said for text in said), found.said
    assert 0 < found.strength <= 1


# Just on the other side of each threshold, everything else as where the rule speaks.
SILENT: list[tuple[str, dict[str, Any]]] = [
    ("teacher near chance", {"tests": (accuracies(0.30, 0.60, 0.20),)}),
    ("teacher no better", {"tests": (accuracies(0.90, 0.70, 0.85),)}),
    ("soft targets one-hot", {"softened": Softened(1.0, 0.05, 0.10, 6.0)}),
    ("soft targets uniform", {"softened": Softened(12.0, 0.75, 0.95, 4.0)}),
    ("soft targets uniform", {"softened": None}),
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
    ("steps too large", {"student": LARGE}),  # it leapt, and came down all the same
    ("steps too large", {"student": replace(SETTLED, pull=15.0), "imitation": STUCK}),  # it never leapt
    ("steps too large", {"student": LARGE, "imitation": STUCK, "teacher": ""}),  # who learn together may part at first
    ("labels suffice", {"tests": (accuracies(0.99, 0.93, 0.98),)}),  # 50 labels
    ("labels suffice", {"tests": (accuracies(0.80, 0.90, 0.95),), "config": with_settings(labelled="0")}),
    ("labels suffice", {"tests": (accuracies(0.99, 0.90, 0.95),), "config": with_settings(labelled="0")}),
    ("labels suffice", {"tests": (accuracies(0.99, 0.9, 0.98),), "config": with_settings(labelled="0", wrong="0.2")}),
    ("within luck", {"tests": (accuracies(0.99, 0.95, 0.85),)}),
    (
        "within luck",
        {"tests": (accuracies(0.99, 0.80, 0.85), accuracies(0.99, 0.81, 0.86), accuracies(0.99, 0.80, 0.86))},
    ),
]


@pytest.mark.parametrize(("name", "numbers"), SILENT)
def test_a_rule_is_silent_where_the_numbers_do_not_show_its_reason(name: str, numbers: dict[str, Any]) -> None:
    assert name not in names(replace(QUIET, **numbers))


def test_several_seeds_that_disagree_are_luck_and_the_next_seed_is_new() -> None:
    gains = [0.02, -0.02, 0.01]
    shown = replace(QUIET, tests=tuple(accuracies(0.99, 0.85 + gain, 0.85) for gain in gains), seeds=(0, 1, 3))
    found = only(shown, "within luck")
    # By hand: mean 0.333, standard deviation 2.082, t(2) = 4.303: 4.303 * 2.082 / sqrt(3) = 5.17.
    assert "3 seeds: +0.3 points give or take 5.2 points" in found.evidence
    assert found.changes == {"seed": "2"}


def test_a_student_that_rises_alone_is_a_weaker_sign_than_both() -> None:
    both = only(replace(QUIET, student=RISING, control=RISING), "too few steps")
    alone = only(replace(QUIET, student=RISING), "too few steps")
    assert alone.strength == both.strength / 2
    assert "the baseline’s has settled" in alone.evidence


def test_a_rate_that_is_too_large_for_both_is_not_blamed_on_the_teacher() -> None:
    shown = replace(QUIET, student=LARGE, imitation=STUCK, control=replace(SETTLED, loss=(2.0, 2.5, 2.2, 2.0)))
    assert "with a teacher or without" in only(shown, "steps too large").sentence
    assert "capacity gap" not in names(shown)


def test_a_gap_with_an_assistant_already_in_it_is_met_by_an_earlier_teacher() -> None:
    shown = replace(QUIET, imitation=SMALL, config=with_settings(assistants="1", teacher_epochs="40"))
    assert only(shown, "capacity gap").changes == {"teacher_stop": "10"}


def test_a_remedy_that_would_change_nothing_is_not_offered() -> None:
    longest = with_settings(epochs="10000")
    found = only(replace(QUIET, student=RISING, control=RISING, config=longest), "too few steps")
    assert not found.changes
    assert not found.remedy


def test_the_strongest_sign_comes_first_and_is_called_so() -> None:
    shown = replace(QUIET, imitation=Imitation(0.5, 0.4, 0.30, 50), softened=Softened(0.5, 0.0, 0.0, 4.0))
    found = diagnose(shown)
    assert [finding.name for finding in found] == ["soft targets one-hot", "capacity gap"]
    assert [finding.certainty for finding in found] == ["a strong sign", "a weak sign"]
