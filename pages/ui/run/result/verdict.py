"""Result of a run with the table of its networks, and the repetition with more seeds."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis import comparison
from kd_core.analysis.verdict import (
    SKIPPED_EVENTS,
    Counts,
    Verdict,
    count_skipped,
    recall_table,
    skipped_sentence,
)
from kd_core.base import marks
from kd_core.base.metrics import added_metrics
from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.compute import HALF
from kd_core.config.plan import STUDENT, TEACHER, dependencies
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.runs import manager
from kd_core.schemes import plan_of
from kd_core.store.store import Run
from kd_core.tasks import declared_measures
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.components.palette import ROLES, Theme
from pages.ui.run.frames import RunFrames, run_frames
from pages.ui.widgets.text import plan, roles
from pages.ui.widgets.text.durations import queue_position
from pages.ui.widgets.text.escape import escape_markdown

NOTHING = "nothing itself"  # the training data of a derived network in stored events
ADDED = " (own)"  # end of the column of a metric from Python, which no other column has
ICONS = {"gain": ":material/trending_up:", "loss": ":material/trending_down:"}


def family_verdict(row: Run) -> tuple[Verdict | None, list[Run]]:
    """Return the result over all completed seeds of a run's family, and the family with its unfinished runs.

    A run that was stopped or changed by hand is evaluated alone, and its family is empty. A failed run has no result.
    """
    return comparison.family_verdict(manager.get_manager().store, row)


def was_changed(row: Run) -> bool:
    """Whether a live option was changed during training."""
    return manager.get_manager().store.was_adjusted(row.id)


def show_verdict(row: Run, *, is_short: bool = False) -> None:
    """Draw the result sentence; its icon goes up or down, never red or green.

    The long form also says what each network was trained on.
    """
    result, _ = family_verdict(row)
    if result is not None:
        with st.container(border=not is_short, key="verdict"):
            st.markdown(f"{ICONS.get(result.outcome, ':material/balance:')} **{marks.unbroken(result.sentence)}**")
            skipped = skipped_sentence(skipped_counts(row))
            data = "" if is_short else f"{training_data_sentence(row)} {training_count_sentence(row.config)} "
            if data or skipped:
                st.caption(f"{data}{skipped}")


def skipped_counts(row: Run) -> Counts:
    """Return how many updates each phase of a run skipped; only float16 gradients overflow."""
    if row.config.compute.precision != HALF:
        return {}
    events = manager.get_manager().store.iter_events(row.id, kinds=SKIPPED_EVENTS)
    return count_skipped(event for _, event in events)


def training_data_sentence(row: Run) -> str:
    """Return what each network was trained on, in one sentence per kind of training data."""
    prepared, names = run_frames(row.id).prepared, roles.titles(row.config)
    trained_on: dict[str, list[str]] = {}
    for network in prepared.networks if prepared else []:
        trained_on.setdefault(network.saw, []).append(roles.in_sentence(network.role, names))
    sentences = []
    for examples, networks in trained_on.items():
        if examples != NOTHING:
            subject = plan.join_roles(networks)
            is_standard = len(networks) == 1 and subject in roles.STANDARD_ROLES
            subject = f"The {subject}" if is_standard else subject[:1].upper() + subject[1:]
            is_plural = len(networks) > 1
            sentences.append(f"{subject} {'were' if is_plural else 'was'} trained on {examples}.")
    return " ".join(sentences)


def training_count_sentence(config: RunConfig) -> str:
    """Return how many networks were trained for each side of the comparison, empty for one teacher and one student."""
    comparison, phases, names = config.scheme.comparison, plan_of(config), roles.titles(config)
    trained = [learner.role for phase in phases for learner in phase.learners if not learner.trunk[0]]
    if not {comparison.role, comparison.control} <= {network.role for phase in phases for network in phase.networks}:
        return ""
    needed = dependencies(phases, comparison.role)
    for_control = dependencies(phases, comparison.control) & set(trained)
    counted = [role for role in dict.fromkeys(trained) if role in needed or role not in for_control]
    if len(set(counted) - {TEACHER}) <= len(for_control):
        return ""
    networks = plan.join_roles([roles.in_sentence(role, names) for role in counted])
    control = roles.in_sentence(comparison.control, names)
    control = f"the {control}" if control == comparison.control else control
    return f"{len(counted)} networks were trained: {networks}; {control} alone needs {len(for_control)}."


def more_seeds(row: Run) -> None:
    """Draw a button that repeats the run with more seeds, or their progress."""
    result, family = family_verdict(row)
    if was_changed(row):
        st.caption("Options of this run were changed during training, so it cannot be compared with other seeds.")
    active = [run for run in family if run.state in manager.ACTIVE]
    if active:
        st.fragment(catch_errors(_seed_progress), run_every=1.0, key=f"seeds {row.family}")(row, len(active))
    elif family and result and result.outcome != "alone":
        missing = missing_seeds(row, family)
        label = f"Repeat with {len(missing)} more seed{'s' * (len(missing) > 1)}"
        if action_button(label, icon=":material/casino:", key="luck", help=_help(row, len(missing))):
            actions().start_sweep(Sweep.over_seeds(row.config, missing))
            st.rerun()


def missing_seeds(row: Run, family: list[Run]) -> list[int]:
    """Return the seeds that the family lacks to have :data:`DEFAULT_SEEDS`, or that many new ones if it has them."""
    completed = {run.seed for run in family if run.state == manager.COMPLETED}
    count = DEFAULT_SEEDS - len(completed) if len(completed) < DEFAULT_SEEDS else DEFAULT_SEEDS
    unused = (seed for seed in range(len(completed) + count + row.seed + 1) if seed not in completed)
    return [next(unused) for _ in range(count)]


def _help(row: Run, count: int) -> str:
    has_cached_teacher = any(phase.is_kept for phase in plan_of(row.config))
    is_same_teacher = has_cached_teacher and row.config.teacher_recipe.view == "full"
    return (
        f"Trains {count} more seed{'s' * (count > 1)} at full speed. The seed determines the labelled examples, the "
        "label noise, the initial weights and the data order."
        + (" The teacher stays the same." if is_same_teacher else "")
    )


def _seed_progress(row: Run, previous: int) -> None:
    runs = manager.get_manager()
    active = [run for run in runs.store.siblings(row.family) if run.state in manager.ACTIVE]
    if len(active) < previous:
        st.rerun()
    # Seeds that are trained together as a sweep have one status.
    statuses = [status for name in {run.sweep or run.id for run in active} if (status := runs.status(name))]
    done, total = sum(status.done for status in statuses), sum(max(1, status.total) for status in statuses)
    text = f"Training {len(active)} more seed{'s' * (len(active) > 1)}."
    if all(status.state == manager.QUEUED for status in statuses):
        text += f" {queue_position(min(statuses, key=lambda status: status.ahead))}"
    st.progress(min(1.0, done / total), text)


def table(row: Run, frames: RunFrames) -> None:
    """Draw the cost and test results of every network, and below it their training data."""
    if row.test is None or frames.prepared is None:
        return
    import pandas as pd  # takes half a second to import, and the start page has no table

    rows, names = [], roles.titles(row.config)
    partial = {learner.role: learner.classes for learner in roles.learners(row.config) if learner.classes}
    classes, networks, measures = frames.prepared.classes, frames.prepared.networks, declared_measures()
    for network in networks:
        test = row.test.get(network.role)
        if not test:
            continue
        glyph = ROLES.get(roles.kind(network), ROLES["student"])["glyph"]
        titles = {"balanced_accuracy": "balanced accuracy", "omitted": f"recall of {row.config.labels.omitted}"}
        others = {title: marks.percent(test[name]) for name, title in titles.items() if name in test}
        rows.append(
            {
                "role": f"{glyph} {names[network.role]}" + " *" * (network.role in partial),
                "network": network.model,
                "parameters": network.parameters,
                "kFLOPs": f"{network.flops / 1000:,.1f}",
                "size": f"{network.size / 1000:,.1f} kB",
                f"test {row.config.dataset.task.score_title}": marks.percent(test["accuracy"]),
                **others,
                "agreement with teacher": marks.percent(test["agreement"]) if "agreement" in test else "–",
                row.config.dataset.task.loss_title: f"{test['loss']:.3f}",
                **(
                    {"calibration error": marks.percent(error)}
                    if (error := test.get("calibration_error")) is not None
                    else {}
                ),
                **{
                    measures[name].title if name in measures else f"{name}{ADDED}": (
                        measures[name].format(value) if name in measures else f"{value:.4g}"
                    )
                    for name, value in added_metrics(test).items()
                },
            }
        )
    columns = [
        column
        for column in dict.fromkeys(column for cells in rows for column in cells)
        if any(cells.get(column, "–") != "–" for cells in rows)
    ]
    has_derived = any(network.saw == NOTHING for network in networks)  # whose names list all of their sources
    st.dataframe(
        pd.DataFrame(rows, columns=columns), hide_index=True, alt="Test results of every network of this run.",
        column_config={"network": st.column_config.TextColumn(width="medium" if has_derived else None)},
    )  # fmt: skip
    if partial:
        tested = [
            f"{plan.join_names([classes[number] for number in numbers])} for {role}"
            for role, numbers in partial.items()
        ]
        st.caption(
            f"\\* Tested only on the classes that it was trained on: {escape_markdown(plan.join_names(tested))}."
        )
    st.caption(training_data_sentence(row))
    recalls(row, classes)
    exits(row, frames)


def recalls(row: Run, classes: Sequence[str]) -> None:
    """Draw the recall of every class where the classes differ so much in size that accuracy alone misleads."""
    by_class = recall_table(row.test or {}, classes)
    if by_class:
        import pandas as pd

        names = roles.titles(row.config)
        lines = [
            {"class": name, **{names.get(role, role): f"{marks.percent(recall)}" for role, recall in by_role.items()}}
            for name, by_role in by_class.items()
        ]
        st.subheader("Recall per class")
        st.caption("The classes differ much in size, so the accuracy is mostly that of the largest ones.")
        st.dataframe(pd.DataFrame(lines), hide_index=True, alt="Recall of each class by network.")


def label_positions(heights: Sequence[float]) -> list[str]:
    """Return for each point of a line chart on which side its label does not cross the line."""
    positions = []
    for index, height in enumerate(heights):
        neighbours = [*heights[max(0, index - 1) : index], *heights[index + 1 : index + 2]] or [height]
        positions.append("bottom center" if height < sum(neighbours) / len(neighbours) else "top center")
    return positions


def exits(row: Run, frames: RunFrames) -> None:
    """Draw the accuracy of each exit of a multi-exit network against its cost."""
    early = {learner.role for learner in roles.learners(row.config) if learner.trunk[0] and STUDENT in learner.teachers}
    if row.test is None or frames.prepared is None or not early:
        return
    networks = [
        network
        for network in frames.prepared.networks
        if network.role in {*early, STUDENT} and network.role in row.test
    ]
    networks.sort(key=lambda network: network.flops)
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    looks = [roles.styles(row.config)[network.role] for network in networks]
    accuracies = [100 * row.test[network.role]["accuracy"] for network in networks]
    figure = go.Figure(
        go.Scatter(
            x=[network.flops / 1000 for network in networks],
            y=accuracies,
            text=[roles.title(network.role) if network.role in early else "Deepest exit" for network in networks],
            mode="lines+markers+text",
            textposition=label_positions(accuracies),
            cliponaxis=False,
            line={"color": ROLES["baseline"][theme], "width": 1.25},  # grey, since it belongs to no network
            marker={"size": 10, "symbol": [look["symbol"] for look in looks], "color": [look[theme] for look in looks]},
            hovertemplate="%{text}: %{y:.1f} % for %{x:,.1f} kFLOPs<extra></extra>",
        )
    )
    low, high = min(accuracies), max(accuracies)
    margin = 0.2 * (high - low) + 1  # for the labels
    figure.update_layout(
        xaxis_title="kFLOPs per example", yaxis_title="test accuracy, %", height=320, margin={"t": 24, "b": 0},
        yaxis={"range": [low - margin, high + margin], "automargin": True},
    )  # fmt: skip
    st.subheader("Accuracy and cost of early exits")
    points = "; ".join(
        f"{network.role} {marks.percent(row.test[network.role]['accuracy'])} at {network.flops / 1000:,.1f} kFLOPs"
        for network in networks
    )
    st.plotly_chart(
        figure, key="exits", config={"displayModeBar": False}, width="stretch", alt=f"Accuracy by cost: {points}."
    )
