"""Learn page, from the prediction to the explanation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base import discovery
from kd_core.config.lessons import find, lessons
from kd_core.runs.manager import RunManager
from kd_core.runs.questions import lesson_runs
from kd_core.runs.questions.family_runs import stored_family_runs
from pages.ui.app import auth
from pages.ui.learn.settings import LearnOptions, marks_text
from tools.testing.waiting import wait

Open = Callable[..., AppTest]
QUICK = """
from kd_core.config.claims import Expectation, gain, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

LESSON = Lesson(
    order=0, title="<b>Quick</b>", minutes=3, idea=("An idea about the teacher.",), question="Who wins?",
    families={"moons": {"dataset": "moons", "epochs": "2", "teacher_epochs": "1", "labelled": "40"}},
    points={
        "baseline": Point("alone", network("moons", "baseline"), "baseline", is_given=True),
        "student": Point("taught", network("moons")),
    },
    difference=gain("moons"),
    choices=(
        Choice("It gets better.", Expectation(low=0), "Better, {student} instead of {baseline}."),
        Choice("It gets worse.", Expectation(high=0), "Worse, {student} instead of {baseline}."),
    ),
    expected=0, notice="Look at both.", change=Change("Change T.", "distill", {"dataset": "moons"}), seeds=2,
)
"""


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "plug-ins" / "lessons"
    folder.mkdir(parents=True)
    (folder / "quick.py").write_text(QUICK, encoding="utf-8")
    monkeypatch.setenv(discovery.VARIABLE, str(folder.parent))
    discovery.reload()
    yield
    monkeypatch.undo()
    discovery.reload()


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for kind in (app.markdown, app.info, app.error) for element in kind).replace(
        "\\", ""
    )


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_every_lesson_is_listed_and_the_first_one_is_proposed(open_page: Open) -> None:
    app = open_page("learn")
    buttons = [button for button in app.button if button.key and button.key.startswith("lesson ")]
    assert [button.key.removeprefix("lesson ") for button in buttons] == list(lessons())
    assert [button.proto.type for button in buttons] == ["primary", *["secondary"] * (len(buttons) - 1)]


@pytest.mark.usefixtures("quick")
def test_a_lesson_goes_from_training_to_an_explanation_in_the_learners_numbers(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("learn", lesson="quick")
    press(app, "Train the networks of this lesson")
    seed = int(app.query_params["seed"][0] if isinstance(app.query_params["seed"], list) else app.query_params["seed"])
    lesson = find("quick")
    wait(lambda: stored_family_runs(shared.store, lesson.families, lesson.seed_numbers(seed)).is_complete, 60)
    app.run()
    assert "What did you see?" not in [radio.label for radio in app.radio]
    lock = next(button for button in app.button if button.label == "Lock my prediction")
    assert lock.disabled
    app.radio(key="guess").set_value(1).run()
    press(app, "Lock my prediction")
    outcome = lesson.outcome(stored_family_runs(shared.store, lesson.families, lesson.seed_numbers(seed)).tests)
    app.radio(key="saw").set_value(outcome).run()
    press(app, "That is what I saw")
    assert "You read the chart correctly" in texts(app)
    assert ("as you predicted" if outcome == 1 else "not what you predicted") in texts(app)
    assert ("not what usually happens" in texts(app)) == (outcome == 1)
    assert "Change T." in texts(app)
    assert [button.label for button in app.get("download_button")] == ["Handout"]
    assert not app.error


@pytest.mark.usefixtures("quick")
def test_a_locked_lesson_leads_to_no_other_page(open_page: Open) -> None:
    app = open_page("learn", lesson="quick", locked="true")
    assert [button.label for button in app.button if "lesson" in button.label.lower()] == [
        "Train the networks of this lesson"
    ]


@pytest.mark.usefixtures("quick")
def test_a_viewer_cannot_train_and_reads_why(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "may_act", lambda: False)
    app = open_page("learn", lesson="quick")
    assert next(button for button in app.button if button.label.startswith("Train")).disabled


def test_an_unknown_lesson_is_said_and_the_list_is_shown(open_page: Open) -> None:
    app = open_page("learn", lesson="nothing")
    assert "There is no lesson called nothing" in app.error[0].value
    assert any(button.label == "Begin" for button in app.button)


@pytest.mark.usefixtures("quick")
def test_a_lesson_whose_packages_are_missing_says_what_to_install(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesson_runs, "PACKAGES", ("no_such_package",))
    app = open_page("learn", lesson="out_of_the_lab")
    assert "needs no_such_package: pip install" in app.info[0].value.replace("\\", "")
    assert next(button for button in app.button if button.label.startswith("Train")).disabled


@pytest.mark.parametrize(("code", "reason"), [("\n\nLESSON = 1 / 0", "line 3"), ("LESSON = 1", "it has no LESSON")])
def test_a_wrong_lesson_is_named_on_the_page_and_the_others_can_be_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Open, code: str, reason: str
) -> None:
    (tmp_path / "wrong" / "lessons").mkdir(parents=True)
    (tmp_path / "wrong" / "lessons" / "torn.py").write_text(code, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setenv(discovery.VARIABLE, str(tmp_path / "wrong"))
        discovery.reload()
        app = open_page("learn")
        sentences = " ".join(caption.value.replace("\\", "") for caption in app.caption)
        assert "torn.py is left out" in sentences
        assert reason in sentences
        assert len([button for button in app.button if button.label == "Begin"]) == len(lessons()) >= 11
    discovery.reload()


def test_predictions_are_read_from_the_link_as_far_as_they_are_numbers() -> None:
    options = LearnOptions(marks="soft:87.5,top:nan,x:y,,alone:80")
    assert options.predictions == {"soft": 87.5, "alone": 80}
    assert LearnOptions(marks=marks_text(options.predictions)).predictions == options.predictions
