"""Handouts of lessons as HTML files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kd_core.config.run import from_flat
from kd_core.export.report.lesson import Answers, handout
from kd_core.store.store import Store
from tests.config.test_lessons import LESSON, results
from tests.export.test_report import Outline


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "distillery.sqlite")
    store.add("0123456789", from_flat({"dataset": "moons", "epochs": "3"}), "completed")
    return store


def test_a_handout_has_the_prediction_the_learners_numbers_and_the_explanation(store: Store) -> None:
    tests = results((0.9, 0.8), (0.8, 0.75))
    outline = Outline(handout(LESSON, tests, store.runs(), Answers(1, 0, {"warm": 70.0})))
    text = outline.text.replace("\u00a0", " ")
    assert "Predicted: Cold." in text
    assert "Happened: Warm." in text
    assert "Seen:" not in text  # the same as what happened
    assert LESSON.explanation(tests).replace("\u00a0", " ") in text
    assert "70.085.090.0, 80.0" in text  # predicted, mean, each seed
    assert "0123456789" in text
    picture = next(attributes for tag, attributes in outline.tags if tag == "svg")
    assert "warm: 85.0, predicted 70.0" in picture["aria-label"]


def test_a_handout_without_answers_says_what_happened_and_loads_nothing(store: Store) -> None:
    outline = Outline(handout(LESSON, results((0.8, 0.75), (0.8, 0.8)), store.runs(), Answers()))
    assert "Predicted" not in outline.text.replace("predicted", "")
    assert "not what usually happens" in outline.text
    assert not [attributes for _, attributes in outline.tags if {"src", "href"} & attributes.keys()]
