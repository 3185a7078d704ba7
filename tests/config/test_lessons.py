"""Lessons, their outcomes and explanations, and those whose file is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kd_core.base import discovery
from kd_core.config.claims import Expectation, gain, network
from kd_core.config.lessons import Change, Choice, Lesson, Point, find, lessons
from kd_core.config.run import from_flat

LESSON = Lesson(
    order=99, title="Warm or cold", minutes=1, idea=("Idea.",), question="Which?",
    families={"warm": {"dataset": "moons"}, "cold": {"dataset": "moons", "temperature": "1"}},
    points={"warm": Point("warm", network("warm")), "first": Point("first", network("cold"), seed=0)},
    difference=network("warm") - network("cold"),
    choices=(
        Choice("Warm.", Expectation(low=1), "Warm {warm}, the first cold one {first}: {difference}."),
        Choice("Cold.", Expectation(high=1), "Cold, from {low} to {high}."),
    ),
    expected=0, notice="Look.", change=Change("Change.", "distill", {}), seeds=2,
)  # fmt: skip


def results(warm: tuple[float, float], cold: tuple[float, float], first: int = 7) -> dict:
    """Test metrics of both families for two seeds from ``first`` on."""
    return {
        family: {first + i: {"student": {"accuracy": value}} for i, value in enumerate(values)}
        for family, values in (("warm", warm), ("cold", cold))
    }


def test_the_mean_difference_in_points_decides_between_the_choices() -> None:
    assert LESSON.outcome(results((0.9, 0.8), (0.8, 0.8))) == 0
    assert LESSON.outcome(results((0.81, 0.8), (0.8, 0.8))) == 1
    assert replace(LESSON, is_spread=True).outcome(results((0.9, 0.8), (0.8, 0.8))) == 0  # from 0 to 10 points


def test_the_explanation_has_the_learners_own_numbers() -> None:
    explained = LESSON.explanation(results((0.9, 0.8), (0.75, 0.8))).replace("\u00a0", " ")
    assert explained == "Warm 85.0 %, the first cold one 75.0 %: +7.5 points."
    assert LESSON.explanation(results((0.8, 0.75), (0.8, 0.8))) == "Cold, from −5.0 to +0.0."


def test_a_point_is_the_mean_over_the_seeds_or_the_value_of_one() -> None:
    tests = results((0.9, 0.8), (0.7, 0.8))
    assert LESSON.values(LESSON.points["warm"], tests) == pytest.approx([90, 80])
    assert LESSON.values(LESSON.points["first"], tests) == pytest.approx([70])


def test_the_lessons_are_in_their_order_and_every_run_of_theirs_can_be_configured() -> None:
    every = lessons()
    orders = [lesson.order for lesson in every.values()]
    assert orders == sorted(set(orders))
    assert len(every) >= 10
    for lesson in every.values():
        assert 3 <= lesson.minutes <= 5
        for settings in lesson.families.values():
            assert from_flat(settings)
        assert from_flat(lesson.change.settings) if lesson.change.page == "distill" else True
        assert any(not point.is_given for point in lesson.points.values())


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Write a lesson into a folder of plug-ins."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    monkeypatch.setenv(discovery.VARIABLE, str(tmp_path))

    def write(code: str) -> None:
        (folder / "mine.py").write_text(code, encoding="utf-8")
        discovery.reload()

    yield write
    monkeypatch.undo()
    discovery.reload()


OWN = "from tests.config.test_lessons import LESSON, Choice, Expectation, Point, network, replace\n"


def test_a_lesson_in_the_plug_in_folder_is_the_last_one(write: Callable[[str], None]) -> None:
    write(OWN)
    assert list(lessons())[-1] == "mine"
    assert find("mine").title == "Warm or cold"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("X = 1", "it has no LESSON"),
        (OWN + "LESSON = replace(LESSON, expected=2)", "expected = 2 is no choice"),
        (OWN + "LESSON = replace(LESSON, choices=LESSON.choices[:1])", "its choices leave some outcomes out"),
        (OWN + "LESSON = replace(LESSON, difference=network('hot'))", "it names hot"),
        (
            OWN + "LESSON = replace(LESSON, choices=(Choice('A', Expectation(), '{hot}'),), expected=0)",
            "an explanation names hot",
        ),
        (
            OWN + "LESSON = replace(LESSON, seeds=1, points=LESSON.points | {'a': Point('', network('warm'), seed=1)})",
            "not trained",
        ),
        (OWN + "LESSON = replace(LESSON, families={'warm': {}, 'cold': {}})", "has no data set"),
        ("\n\n1 / 0", "line 3"),
    ],
)
def test_a_wrong_lesson_is_named_and_the_others_work(write: Callable[[str], None], code: str, reason: str) -> None:
    write(code)
    assert "mine" not in lessons()
    assert len(lessons()) >= 10
    (problem,) = discovery.problems()
    assert "mine.py is left out" in problem
    assert reason in problem


def test_an_unknown_lesson_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r'lesson = "nothing": choose one of soft_targets, temperature'):
        find("nothing")
    assert gain("warm").terms[1].weight == -1
    assert Expectation().high == math.inf
