"""Coverage picture of the Language page, with a mark for every way to distil the networks of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.writing.coverage import NetworkMeasures, differences, in_one_line, measures_of, ways
from kd_core.base.marks import unbroken
from kd_core.config.comparison import DEFAULT_SEEDS, TestMetrics
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.runs import manager
from kd_core.runs.questions.family_runs import FamilyRuns, stored_family_runs
from kd_core.schemes import comparison_of
from kd_core.store.records import COMPLETED, family_of
from kd_core.store.store import Run
from kd_core.tasks import Measure
from pages.ui.app.actions import action_button, actions, send_command
from pages.ui.app.errors import catch_errors, toast_errors
from pages.ui.components.palette import ROLES
from pages.ui.run.result.verdict import family_verdict
from pages.ui.widgets import charts, tables
from pages.ui.widgets.charts import theme
from pages.ui.widgets.explanation import explanation
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import method_summary

X, Y = "sample_entropy", "teacher_bits"
HEIGHT, BELOW = 440, 70  # of the picture and of what is below its plot, pixels
POLL_SECONDS = 1.0
SEEDS = (1, DEFAULT_SEEDS, 10)  # that a button offers one after another; ten tell apart what five leave open
NAMES = {TEACHER: "Teacher", BASELINE: "Baseline"}


def one_line(row: Run) -> None:
    """Draw in one sentence how the student of a finished run writes beside the baseline."""
    if row.state != COMPLETED or row.test is None:
        return
    _, family = family_verdict(row)
    tests = [run.test for run in family if run.state == COMPLETED and run.test] or [row.test]
    if sentence := in_one_line(tests, comparison_of(row.config)):
        seeds = f" Mean of {len(tests)} seeds." if len(tests) > 1 else ""
        st.markdown(f"**{unbroken(escape_markdown(sentence))}**{seeds}")


def show(row: Run) -> None:
    """Draw the coverage picture, its table, and the buttons that train what is missing."""
    st.header("Covering or seeking", anchor=False)
    explanation(
        "text of coverage",
        "Forward KL asks the student to find likely all that the teacher finds likely (mode covering). Reverse KL asks "
        "it to write only what the teacher finds likely (mode seeking).",
    )
    is_active = bool(_runs(row, SEEDS[-1]).jobs)
    poll = POLL_SECONDS if is_active else None
    st.fragment(catch_errors(_draw), run_every=poll, key=f"coverage {row.id}")(row, is_active)


def _draw(row: Run, was_active: bool) -> None:
    runs = _runs(row, SEEDS[-1])
    if bool(runs.jobs) != was_active:
        st.rerun()
    networks = _measured(row, runs)
    measures = row.config.dataset.task.measures
    if any({X, Y} <= network.values.keys() for network in networks):
        _picture(networks, measures)
        _differences(runs, measures)
        _table(networks, measures)
    else:
        st.markdown("A mark appears here when a run has finished.")
    _buttons(row, runs)


def _runs(row: Run, seeds: int) -> FamilyRuns:
    """Return the stored runs of every way, with the run's seed and as many others."""
    families = {name: _settings(config.flat()) for name, config in ways(row.config).items()}
    return stored_family_runs(manager.get_manager().store, families, _seeds(row, seeds))


def _seeds(row: Run, count: int) -> list[int]:
    others = [seed for seed in range(count + 1) if seed != row.seed]
    return [row.seed, *others][:count]


def _settings(flat: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in flat.items() if name != "seed"}


def _measured(row: Run, runs: FamilyRuns) -> list[NetworkMeasures]:
    """Return the measures of the students of every way, then of the control and the teacher."""
    names = [measure.name for measure in row.config.dataset.task.measures]
    tests = {way: list(by_seed.values()) for way, by_seed in runs.tests.items()}
    of_row = [run for run in manager.get_manager().store.siblings(row.family) if run.state == COMPLETED and run.test]
    if row.family not in {family_of(config) for config in ways(row.config).values()}:
        tests[f"This run: {method_summary(row.config.method)}"] = [run.test for run in of_row if run.test]
    students = [measures_of(way, STUDENT, of_way, names) for way, of_way in tests.items()]
    controls = [measures_of(NAMES[role], role, _once_per_seed(runs, of_row), names) for role in (BASELINE, TEACHER)]
    return [network for network in (*students, *controls) if network]


def _once_per_seed(runs: FamilyRuns, others: Sequence[Run]) -> list[TestMetrics]:
    """Return the tests of one run per seed, since the control of a seed is the same in every way."""
    by_seed: dict[int, TestMetrics] = {run.seed: run.test for run in others if run.test}
    for of_way in runs.tests.values():
        by_seed = {**of_way, **by_seed}
    return list(by_seed.values())


def _picture(networks: Sequence[NetworkMeasures], measures: Sequence[Measure]) -> None:
    titles = {measure.name: f"{measure.title}, {measure.unit}" for measure in measures}
    figure: go.Figure = charts.small_figure()
    networks = [network for network in networks if {X, Y} <= network.values.keys()]
    xs, ys = ([network.means[name] for network in networks] for name in (X, Y))
    (left, right), (low, high) = _range(xs), _range(ys)
    pixels = HEIGHT - charts.BAR - BELOW
    shifts = charts.label_shifts([(y - low) / (high - low) for y in ys], pixels)
    for x, y, shift in zip(xs, ys, shifts, strict=True):  # below all marks
        figure.add_scatter(
            x=[x, right], y=[y, y + shift * (high - low) / pixels], mode="lines", showlegend=False, hoverinfo="skip",
            line={"color": charts.GREY[theme()], "width": 0.5},
        )  # fmt: skip
    for network, x, y, shift in zip(networks, xs, ys, shifts, strict=True):
        look = ROLES[network.role]
        is_open = look["symbol"].endswith("open")
        marker = {"symbol": look["symbol"], "color": look[theme()], "line": {"width": 2 if is_open else 0}}
        error_x, error_y = (
            {"array": [network.spreads.get(name, 0.0)], "color": look[theme()], "thickness": 1.2, "width": 4}
            for name in (X, Y)
        )
        name = charts.escape_html(network.way)
        figure.add_scatter(
            x=[x], y=[y], mode="markers", showlegend=False, cliponaxis=False, marker={**marker, "size": 12},
            error_x=error_x, error_y=error_y, hovertemplate=f"{name}: %{{x:.2f}}, %{{y:.2f}}<extra></extra>",
        )  # fmt: skip
        figure.add_annotation(
            x=1, xref="paper", y=y, yshift=shift, text=name.partition(":")[0], showarrow=False, xanchor="left"
        )
    figure.update_xaxes(title=f"{titles[X]}<br>← seeking modes · covering modes →", range=[left, right])
    figure.update_yaxes(title=f"{titles[Y]}<br>← likely text · unlikely text →", range=[low, high])
    longest = max(len(annotation.text) for annotation in figure.layout.annotations)
    figure.update_layout(margin={"t": charts.BAR, "b": BELOW, "l": 70, "r": 10 + 6 * longest})
    points = "; ".join(f"{network.way} {network.means[X]:.2f} and {network.means[Y]:.2f}" for network in networks)
    charts.chart(figure, "coverage", f"{titles[X]}, and {titles[Y].lower()}: {points}.", height=HEIGHT)


def _range(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    margin = max(0.2, 0.18 * (high - low))
    return [low - margin, high + margin]


def _differences(runs: FamilyRuns, measures: Sequence[Measure]) -> None:
    """Draw how far the ways differ that the literature compares, from two seeds on."""
    if lines := [f"- {sentence}" for sentence in differences(runs.tests, measures)]:
        st.markdown("\n".join(["Differences, with 95 % intervals over the seeds:", "", *lines]))


def _table(networks: Sequence[NetworkMeasures], measures: Sequence[Measure]) -> None:
    tables.numbers(
        lambda: [
            {"trained by": network.way, "role": network.role, "seeds": network.seeds}
            | network.means
            | {f"{name} sd": spread for name, spread in network.spreads.items()}
            for network in networks
        ],
        "coverage", title="All measures as a table",
        table_rows=lambda: [
            {"trained by": network.way, "seeds": network.seeds}
            | {measure.title: _cell(network, measure) for measure in measures}
            for network in networks
        ],
        alt="Every measure of every network, mean and standard deviation over seeds.",
    )  # fmt: skip
    st.caption("Mean ± standard deviation over seeds. " + " ".join(f"{one.title}: {one.meaning}" for one in measures))


def _cell(network: NetworkMeasures, measure: Measure) -> str:
    if measure.name not in network.values:
        return "–"
    mean, spread = network.means[measure.name], network.spreads.get(measure.name)
    if spread is None:
        return measure.format(mean)
    number, _, unit = measure.format(mean).partition(" ")
    return f"{number} ± {measure.format(spread).split(' ')[0]} {unit}".rstrip()


def _buttons(row: Run, runs: FamilyRuns) -> None:
    """Draw the progress of what trains, or a button that trains what is missing, first with the seed of the run."""
    if jobs := [job for job in runs.jobs if job != row.id]:
        done = sum(len(tests) for tests in runs.tests.values())
        count = done + runs.active
        st.progress(done / count, f"Training the other divergences: {done} of {count} runs")
        action_button("Stop", icon=":material/stop:", key="stop coverage", on_click=_stop, args=(jobs,))
        return
    stages = ((before, count, _runs(row, count)) for before, count in pairwise((0, *SEEDS)))
    stage = next((stage for stage in stages if not stage[-1].is_complete), None)
    if stage is None:
        return
    before, count, some = stage
    if not before:
        action_button(
            "Train the other divergences", icon=":material/playlist_play:", key="train coverage", on_click=_start,
            args=(row.id, count), help=f"{', '.join(some.families)}: every one with the teacher, the data and the "
            "number of updates of this run, in the background, about 10 seconds each.",
        )  # fmt: skip
    else:
        missing = sum(len(seeds) for seeds in some.missing.values())
        action_button(
            f"Repeat with {count - before} more seeds", icon=":material/casino:", key="repeat coverage",
            on_click=_start, args=(row.id, count), help=f"Trains {missing} runs in the background.",
        )  # fmt: skip


@toast_errors
def _start(run: str, seeds: int) -> None:
    row = manager.get_manager().store.run(run)
    assert row is not None
    for sweep in _runs(row, seeds).sweeps():
        actions().start_sweep(sweep)


def _stop(jobs: Sequence[str]) -> None:
    for job in jobs:
        send_command("stop", job)
