"""Steps of one lesson, from the idea over the prediction and the runs to the explanation."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

import streamlit as st

from kd_core.base.marks import unbroken
from kd_core.config.lessons import Lesson, lessons
from kd_core.export.report.lesson import Answers, handout
from kd_core.runs import manager
from kd_core.runs.questions.family_runs import Tests
from kd_core.runs.questions.lesson_runs import LessonRuns, missing_sentence, stored_lesson_runs
from pages.ui.app import auth
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors, toast_errors
from pages.ui.app.room import polls
from pages.ui.app.room.bar import current_room, followed_room, member, own_room
from pages.ui.app.room.rooms import Chart
from pages.ui.components import component
from pages.ui.learn import lesson_list
from pages.ui.learn.settings import LearnOptions, marks_text, open_lesson, url
from pages.ui.widgets.explanation import explanation
from pages.ui.widgets.text.escape import escape_markdown

POLL_SECONDS = 0.5
SEEDS = 100_000  # from which the first seed of a learner is drawn


def show(lesson: Lesson, options: LearnOptions) -> None:
    """Draw the lesson as far as it has come."""
    number = list(lessons()).index(lesson.name) + 1
    if not options.locked:
        st.button("All lessons", icon=":material/arrow_back:", type="tertiary", on_click=open_lesson, args=("",))
    st.header(f"{number}. {escape_markdown(lesson.title)}", anchor=False)
    explanation(f"idea of {lesson.name}", *lesson.idea)
    runs = _runs(lesson, options)
    if runs is None:
        _begin(lesson)
    elif not runs.is_complete:
        st.fragment(catch_errors(_training), run_every=POLL_SECONDS, key=f"training {lesson.name}")(lesson, options)
    else:
        _steps(lesson, options, runs)


def _runs(lesson: Lesson, options: LearnOptions) -> LessonRuns | None:
    """Return the learner's runs; None before she has any."""
    return None if options.seed < 0 else stored_lesson_runs(manager.get_manager().store, lesson, options.seed)


def _steps(lesson: Lesson, options: LearnOptions, runs: LessonRuns) -> None:
    has_predicted = options.guess >= 0
    if lesson.compression is None:
        results = runs.tests()
    else:
        with st.spinner("Measuring the compressed networks"):
            results = runs.tests(is_beside_training=True)
    with st.container(border=True):
        st.markdown(f"**{escape_markdown(lesson.question)}**")
        with st.container(key="classroom-chart"):  # whose touch does not keep a phone from following
            _chart(lesson, options, results, has_predicted)
        if not has_predicted:
            _predict(lesson, options)
    if has_predicted:
        _observe(lesson, options, results, runs)


def _begin(lesson: Lesson) -> None:
    if missing := missing_sentence(lesson):
        st.info(escape_markdown(missing))
    action_button(
        "Train the networks of this lesson", icon=":material/play_arrow:", type="primary", key="begin lesson",
        on_click=_start, args=(lesson,), disabled=bool(missing),
        help=f"{lesson.run_count} runs with seeds of your own, in the background. Their results are shown after your "
        "prediction.",
    )  # fmt: skip


@toast_errors
def _start(lesson: Lesson, first: int = -1) -> None:
    """Queue what is missing of the learner's runs."""
    seed = secrets.randbelow(SEEDS) if first < 0 else first
    runs = stored_lesson_runs(manager.get_manager().store, lesson, seed)
    runs.queue(actions().start_sweep, actions().start)
    url.update(seed=seed)


def _training(lesson: Lesson, options: LearnOptions) -> None:
    """Draw the progress, or why there is none. Repeated until all runs are complete."""
    runs = _runs(lesson, options)
    if runs is not None and runs.is_second_due and auth.may_act():
        _start(lesson, options.seed)
        runs = _runs(lesson, options)
    if runs is None or runs.is_complete:
        st.rerun()
    if runs.jobs:
        statuses = [status for job in runs.jobs if (status := manager.get_manager().status(job))]
        training = sum(status.done / status.total for status in statuses if status.total)
        fraction = min(1.0, runs.fraction_done + training / runs.job_count)
        st.progress(fraction, f"Training {lesson.run_count} runs, {runs.done} of them complete.")
        return
    if runs.failed:
        st.error(f"{runs.failed} of {lesson.run_count} runs failed. The server’s log says why.")
    else:
        st.info(f"{runs.done} of {lesson.run_count} runs are stored here.")
    action_button(
        "Train the others", icon=":material/play_arrow:", key="continue lesson", on_click=_start,
        args=(lesson, options.seed),
    )  # fmt: skip


def _chart(lesson: Lesson, options: LearnOptions, results: Tests, has_predicted: bool) -> None:
    title, low, high = lesson.axis
    points = [
        {
            "key": key,
            "label": unbroken(point.label),
            "role": point.role,
            "isGiven": point.is_given,
            # What is to be predicted reaches the browser afterwards.
            "values": lesson.values(point, results) if point.is_given or has_predicted else [],
        }
        for key, point in lesson.points.items()
    ]
    key = _chart_key(lesson, options.seed)
    mounted = component("prediction_chart")
    mounted(
        key=key, on_predictions_change=lambda: None,
        data={
            "points": points, "stage": "result" if has_predicted else "predict",
            "predictions": _prediction(lesson, options)[1], "classMarks": polls.class_marks(current_room(), key),
            "axis": {"title": title, "low": low, "high": high, "unit": "%" if "%" in title else "points"},
        },
    )  # fmt: skip


def _prediction(lesson: Lesson, options: LearnOptions) -> tuple[int, dict[str, float]]:
    """Return the predicted choice and values. Whoever follows a presenter sees what she has answered herself."""
    if (room := followed_room()) is not None:
        return polls.member_answer(room, member(), _chart_key(lesson, options.seed))
    return options.guess, options.predictions


def _chart_key(lesson: Lesson, seed: int) -> str:
    return f"chart of {lesson.name} {seed}"


def _predict(lesson: Lesson, options: LearnOptions) -> None:
    texts = [choice.text for choice in lesson.choices]
    if (room := own_room()) is not None:
        open_points = tuple(key for key, point in lesson.points.items() if not point.is_given)
        chart = Chart(_chart_key(lesson, options.seed), open_points, *lesson.axis[1:])
        polls.ask_button(room, lesson.question, texts, chart)
    elif followed_room() is not None:
        st.caption("Mark what you expect. The presenter asks for your answer at the top, and shows what happens.")
        return
    guess = st.radio("What will happen?", range(len(texts)), None, format_func=texts.__getitem__, key="guess")
    st.button(
        "Lock my prediction", icon=":material/lock:", type="primary", disabled=guess is None, on_click=_lock,
        args=(lesson, options.seed),
    )  # fmt: skip


def _lock(lesson: Lesson, seed: int) -> None:
    state = st.session_state.get(_chart_key(lesson, seed))
    predictions = getattr(state, "predictions", None) or {}
    allowed = {key: float(value) for key, value in predictions.items() if key in lesson.points}
    url.update(guess=st.session_state["guess"], marks=marks_text(allowed))


def _observe(lesson: Lesson, options: LearnOptions, results: Tests, runs: LessonRuns) -> None:
    texts = [choice.text for choice in lesson.choices]
    st.markdown(escape_markdown(lesson.notice))
    if options.saw < 0:
        saw = st.radio("What did you see?", range(len(texts)), None, format_func=texts.__getitem__, key="saw")
        st.button(
            "That is what I saw", type="primary", disabled=saw is None,
            on_click=lambda: url.update(saw=st.session_state["saw"]),
        )  # fmt: skip
        return
    outcome = lesson.outcome(results)
    if (room := own_room()) is not None:
        room.settle(_chart_key(lesson, options.seed), outcome)
    seen = "You read the chart correctly" if options.saw == outcome else "Look at the chart again"
    guess, _ = _prediction(lesson, options)
    predicted = "It is as you predicted." if guess == outcome else "It is not what you predicted." if guess >= 0 else ""
    surprise = "" if outcome == lesson.expected else " This is not what usually happens."
    with st.container(border=True):
        happened = texts[outcome][:1].lower() + texts[outcome][1:]
        st.markdown(f"**{seen}: {escape_markdown(happened)}** {predicted}{surprise}")
        explanation(f"why {lesson.name} {options.seed}", lesson.explanation(results))
    lesson_list.complete(lesson.name)
    guess, predictions = _prediction(lesson, options)
    answers = Answers(guess, options.saw, predictions)
    st.download_button(
        "Handout", lambda: handout(lesson, results, runs.runs, answers), f"lesson-{lesson.name}.html", "text/html",
        icon=":material/description:", on_click="ignore",
        help="One HTML file with the question, the prediction, the numbers of these runs and the explanation. It opens "
        "without a network.",
    )  # fmt: skip
    if options.locked:
        return
    st.markdown(f"**Change one thing.** {escape_markdown(lesson.change.text)}")
    with st.container(horizontal=True):
        link = f"{lesson.change.page}?{urlencode(lesson.change.settings)}".rstrip("?")
        st.link_button(f"Open in {lesson.change.page.capitalize()}", link, icon=":material/tune:")
        st.button("Again with other seeds", icon=":material/casino:", on_click=open_lesson, args=(lesson.name,))
        names = list(lessons())
        following = names[names.index(lesson.name) + 1 :][:1]
        if following:
            st.button(
                f"Next: {lessons()[following[0]].title}", icon=":material/arrow_forward:", type="primary",
                on_click=open_lesson, args=(following[0],),
            )  # fmt: skip
