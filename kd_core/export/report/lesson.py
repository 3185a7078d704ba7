"""Handout of a lesson, with the learner's prediction, the results of her runs and the explanation, as one HTML file."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from kd_core import __version__
from kd_core.base import marks
from kd_core.base.marks import ROLES
from kd_core.config.lessons import Lesson, Results
from kd_core.export.report import page, table
from kd_core.export.report.charts import Column, column_chart
from kd_core.store.records import Run

PREDICTION = "◇"


@dataclass(frozen=True)
class Answers:
    """What a learner has answered; -1 for nothing."""

    guess: int = -1
    saw: int = -1
    predictions: Mapping[str, float] = field(default_factory=dict)  # by point


def handout(lesson: Lesson, results: Results, runs: Sequence[Run], answers: Answers) -> str:
    """Return the handout as HTML. ``results`` are the test metrics of ``runs``, by family and seed."""
    texts = [choice.text for choice in lesson.choices]
    outcome = lesson.outcome(results)
    sections = [
        f"<h1>{escape(lesson.title)}</h1>", *(f"<p>{escape(paragraph)}</p>" for paragraph in lesson.idea),
        f"<h2>Question</h2><p>{escape(lesson.question)}</p>",
        _list("Predicted", answers.guess, texts), f"<h2>Results</h2>{_chart(lesson, results, answers)}",
        _list("Happened", outcome, texts), _list("Seen", answers.saw, texts) if answers.saw != outcome else "",
        "" if outcome == lesson.expected else "<p>This is not what usually happens.</p>",
        f'<p class="verdict">{escape(lesson.explanation(results))}</p>',
        f"<h2>Numbers</h2>{_numbers(lesson, results, answers)}",
        f"<h2>Change one thing</h2><p>{escape(lesson.change.text)}</p>",
        f"<h2>Runs</h2>{_runs(lesson, runs)}{_origin(runs)}",
    ]  # fmt: skip
    return page(f"Lesson: {lesson.title}", sections, _colours())


def _list(title: str, choice: int, texts: Sequence[str]) -> str:
    return f"<p><strong>{title}:</strong> {escape(texts[choice])}</p>" if 0 <= choice < len(texts) else ""


def _chart(lesson: Lesson, results: Results, answers: Answers) -> str:
    columns = [
        Column(point.label, point.role, lesson.values(point, results), answers.predictions.get(key))
        for key, point in lesson.points.items()
    ]
    title, low, high = lesson.axis
    seeds = "Small dots are single seeds." if lesson.seeds > 1 else ""
    legend = f"{PREDICTION} is what was predicted. {seeds}" if answers.predictions else seeds
    return (
        f"<figure>{column_chart(columns, title, low, high)}<figcaption>{escape(title.capitalize())}. {legend}"
        "</figcaption></figure>"
    )


def _numbers(lesson: Lesson, results: Results, answers: Answers) -> str:
    rows = []
    for key, point in lesson.points.items():
        values = lesson.values(point, results)
        predicted = answers.predictions.get(key)
        rows.append([
            point.label, "–" if predicted is None else _number(predicted), _number(statistics.fmean(values)),
            ", ".join(_number(value) for value in values),
        ])  # fmt: skip
    return table(("", "predicted", "mean", "each seed"), rows, 1, f"Numbers of the chart, {lesson.axis[0]}")


def _number(value: float) -> str:
    return f"{value:.1f}".replace("-", marks.MINUS)


def _runs(lesson: Lesson, runs: Sequence[Run]) -> str:
    rows = [
        [run.id, str(run.seed), ", ".join(f"{name} = {text}" for name, text in run.config.differences().items())]
        for run in runs
    ]
    note = ""
    if lesson.compression is not None:
        note = (
            f"<p>Of each student {marks.percent(lesson.compression.fraction, 0)} of the {lesson.compression.kind} were "
            "removed, the rest was distilled again from it, and the result stored in int8.</p>"
        )
    return note + table(("run", "seed", "settings that differ from the default"), rows, 3, "Runs")


def _origin(runs: Sequence[Run]) -> str:
    import torch

    datasets = {run.config.dataset.title: run.config.dataset for run in runs}
    sources = "".join(
        f"<p>{escape(title)}: {escape(data.source or 'source not stated')}. "
        f"Licence: {escape(data.licence or 'not stated')}.</p>"
        for title, data in datasets.items()
    )
    versions = f"Distillery {__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}"
    return f'{sources}<p class="muted">Written by {versions}, {time.strftime("%d %b %Y, %H:%M")}.</p>'


def _colours() -> str:
    """Return the style of the colour of every role in both themes."""
    light, dark = (
        "".join(f".role-{role} {{ --colour: {look[theme]} }}" for role, look in ROLES.items())
        for theme in ("light", "dark")
    )
    return f"{light}@media (prefers-color-scheme: dark) {{ {dark} }}"
