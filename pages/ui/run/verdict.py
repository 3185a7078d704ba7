"""The verdict on the screen: the sentence, the numbers behind it, what each network saw, and more seeds on request."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.verdict import Verdict, verdict
from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.plan import STUDENT, TEACHER, dependencies
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.runs import manager
from kd_core.schemes import comparison_of, plan_of
from kd_core.store.store import Run
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.components.palette import ROLES, Theme
from pages.ui.run.frames import RunFrames, run_frames
from pages.ui.text import plan, roles
from pages.ui.text.durations import queue_position
from pages.ui.text.escape import escape_markdown

UNEQUAL = (
    "What is compared here is not trained side by side, so a run that was stopped or changed by hand compares unequal "
    "trainings. Let it run to its end."
)
NOTHING = "nothing itself"  # of networks made of others
ICONS = {"gain": ":material/trending_up:", "loss": ":material/trending_down:"}


def family_verdict(row: Run) -> tuple[Verdict | None, list[Run]]:
    """The verdict over all finished seeds of a run's family, and the family itself, unfinished ones included.

    A run that was stopped, failed or changed by hand stands for itself alone.
    """
    if row.state != manager.COMPLETED or was_changed(row):
        if row.test and not roles.in_same_phase(row.config):
            return Verdict("alone", UNEQUAL), []
        return (verdict([row.test], comparison_of(row.config)) if row.test else None), []
    family = manager.get_manager().store.siblings(row.family)
    tests = [run.test for run in family if run.test and run.state == manager.COMPLETED]
    return verdict(tests, comparison_of(row.config)), family


def was_changed(row: Run) -> bool:
    """Somebody turned a live option while it trained."""
    return manager.get_manager().store.was_adjusted(row.id)


def show_verdict(row: Run) -> None:
    """The sentence, with what each network saw. Its icon goes up or down with the student, never red or green."""
    found, _ = family_verdict(row)
    if found is not None:
        with st.container(border=True, key="verdict"):
            st.markdown(f"{ICONS.get(found.outcome, ':material/balance:')} **{found.sentence}**")
            st.caption(f"{training_data_sentence(row)} {what_it_took(row.config)}")


def training_data_sentence(row: Run) -> str:
    """What every comparison must be read with."""
    prepared, names = run_frames(row.id).prepared, roles.titles(row.config)
    clauses: dict[str, list[str]] = {}
    for network in prepared.networks if prepared else []:
        clauses.setdefault(network.saw, []).append(roles.in_sentence(network.role, names))
    return " ".join(f"{_listed(names)} saw {clause}." for clause, names in clauses.items() if clause != NOTHING)


def what_it_took(config: RunConfig) -> str:
    """Where more was trained than one teacher and one student: which networks, and how many for the other side."""
    of, phases, names = config.scheme.comparison, plan_of(config), roles.titles(config)
    trained = [own.role for phase in phases for own in phase.learners if not own.trunk[0]]
    if not {of.role, of.control} <= {own.role for phase in phases for own in phase.networks}:
        return ""
    mine, other = dependencies(phases, of.role), dependencies(phases, of.control) & set(trained)
    counted = [role for role in dict.fromkeys(trained) if role in mine or role not in other]
    if len(set(counted) - {TEACHER}) <= len(other):
        return ""
    said = plan.join_roles([roles.in_sentence(role, names) for role in counted])
    return f"{len(counted)} trainings in all: {said}; {_the(of.control, names)} alone took {len(other)}."


def _the(role: str, names: dict[str, str]) -> str:
    said = roles.in_sentence(role, names)
    return f"the {said}" if said == role else said


def _listed(names: list[str]) -> str:
    said = plan.join_roles(names)
    return f"The {said}" if len(names) == 1 and said in roles.STANDARD_ROLES else said[:1].upper() + said[1:]


def more_seeds(row: Run) -> None:
    """A button that runs more seeds, or how far they are."""
    found, family = family_verdict(row)
    if was_changed(row):
        st.caption("This run was changed by hand while it trained, so other seeds cannot be compared with it.")
    active = [run for run in family if run.state in manager.ACTIVE]
    if active:
        st.fragment(catch_errors(_wait), run_every=1.0, key=f"luck {row.family}")(row, len(active))
    elif family and found and found.outcome != "alone":
        missing = missing_seeds(row, family)
        label = "Is it luck?" if len(missing) < DEFAULT_SEEDS else f"Is it luck? Ask {len(missing)} more seeds"
        if action_button(label, icon=":material/casino:", key="luck", help=_help(row, len(missing))):
            actions().start_sweep(Sweep.over_seeds(row.config, missing))
            st.rerun()


def missing_seeds(row: Run, family: list[Run]) -> list[int]:
    """The seeds to run so that the family has :data:`DEFAULT_SEEDS`, or that many more if it has."""
    known = {run.seed for run in family if run.state == manager.COMPLETED}
    count = DEFAULT_SEEDS - len(known) if len(known) < DEFAULT_SEEDS else DEFAULT_SEEDS
    fresh = (seed for seed in range(len(known) + count + row.seed + 1) if seed not in known)
    return [next(fresh) for _ in range(count)]


def _help(row: Run, count: int) -> str:
    is_kept = any(phase.is_kept for phase in plan_of(row.config)) and row.config.teacher_recipe.view == "full"
    return (
        f"Runs {count} more seeds at full speed: other labelled examples, other wrong labels, other initial weights, "
        "another order." + (" The teacher stays the same." if is_kept else "")
    )


def _wait(row: Run, before: int) -> None:
    shared = manager.get_manager()
    active = [run for run in shared.store.siblings(row.family) if run.state in manager.ACTIVE]
    if len(active) < before:
        st.rerun()
    # Seeds that are trained together are one thing to wait for.
    found = [one for name in {run.sweep or run.id for run in active} if (one := shared.status(name))]
    done, total = (sum(part) for part in zip(*((one.done, max(1, one.total)) for one in found), strict=True))
    said = f"Asking {len(active)} other seeds."
    if all(one.state == manager.QUEUED for one in found):
        said += f" {queue_position(min(found, key=lambda one: one.ahead))}"
    st.progress(min(1.0, done / total), said)


def table(row: Run, shown: RunFrames) -> None:
    """Every network with what it saw, what it costs and what the test split says of it."""
    if row.test is None or shown.prepared is None:
        return
    import pandas as pd  # takes half a second to load, and the start page has no table

    rows, names = [], roles.titles(row.config)
    partial = {own.role: own.classes for own in roles.learners(row.config) if own.classes}
    classes = shown.prepared.classes
    is_made = any(network.saw == NOTHING for network in shown.prepared.networks)  # what it is made of is a long name
    for network in shown.prepared.networks:
        test = row.test.get(network.role)
        if test:
            rows.append(
                {
                    "": f"{ROLES.get(roles.kind(network), ROLES['student'])['glyph']} {names[network.role]}"
                    + " *" * (network.role in partial),
                    "network": network.model,
                    "parameters": network.parameters,
                    "kFLOPs": f"{network.flops / 1000:,.1f}",
                    "size": f"{network.size / 1000:,.1f} kB",
                    "test accuracy": f"{test['accuracy']:.1%}",
                    **(
                        {f"of class {row.config.labels.omitted}": f"{test['omitted']:.1%}"} if "omitted" in test else {}
                    ),
                    "agrees with teacher": f"{test['agreement']:.1%}" if "agreement" in test else "–",
                    "loss (nats)": f"{test['loss']:.3f}",
                    "calibration error": f"{test['calibration_error']:.1%}",
                }
            )
    shown_columns = [
        name
        for name in dict.fromkeys(name for one in rows for name in one)
        if any(one.get(name, "–") != "–" for one in rows)
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=shown_columns), hide_index=True, alt="Test results of every network of this run.",
        column_config={"network": st.column_config.TextColumn(width="medium" if is_made else None)},
    )  # fmt: skip
    if partial:
        known = [f"{plan.join_names([classes[at] for at in own])} for {role}" for role, own in partial.items()]
        st.caption(f"\\* Tested on the classes that it can tell alone: {escape_markdown(plan.join_names(known))}.")
    st.caption(training_data_sentence(row))
    exits(row, shown)


def beside_the_line(heights: Sequence[float]) -> list[str]:
    """Where the labels of the points of a line stand so that it does not cross them: away from their neighbours."""
    neighbours = [[*heights[max(0, at - 1) : at], *heights[at + 1 : at + 2]] or [own] for at, own in enumerate(heights)]
    is_below = [own < sum(others) / len(others) for own, others in zip(heights, neighbours, strict=True)]
    return ["bottom center" if below else "top center" for below in is_below]


def exits(row: Run, shown: RunFrames) -> None:
    """Where networks share their first layers: what each way out of them is worth, against what it costs."""
    shared = {own.role for own in roles.learners(row.config) if own.trunk[0] and STUDENT in own.teachers}
    if row.test is None or shown.prepared is None or not shared:
        return
    ways = [own for own in shown.prepared.networks if own.role in {*shared, STUDENT} and own.role in row.test]
    ways.sort(key=lambda own: own.flops)
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    looks = [roles.styles(row.config)[own.role] for own in ways]
    heights = [100 * row.test[own.role]["accuracy"] for own in ways]
    figure = go.Figure(
        go.Scatter(
            x=[own.flops / 1000 for own in ways],
            y=heights,
            text=[roles.title(own.role) if own.role in shared else "Deepest exit" for own in ways],
            mode="lines+markers+text",
            textposition=beside_the_line(heights),
            cliponaxis=False,
            line={"color": ROLES["baseline"][theme], "width": 1.25},  # of no network: it only leads the eye
            marker={"size": 10, "symbol": [look["symbol"] for look in looks], "color": [look[theme] for look in looks]},
            hovertemplate="%{text}: %{y:.1f} % for %{x:,.1f} kFLOPs<extra></extra>",
        )
    )
    low, high = min(heights), max(heights)
    room = 0.2 * (high - low) + 1  # for the labels
    figure.update_layout(
        xaxis_title="kFLOPs for one example", yaxis_title="test accuracy, %", height=320, margin={"t": 24, "b": 0},
        yaxis={"range": [low - room, high + room], "automargin": True},
    )  # fmt: skip
    st.subheader("Leave early, and pay less")
    said = "; ".join(
        f"{own.role} {row.test[own.role]['accuracy']:.1%} at {own.flops / 1000:,.1f} kFLOPs" for own in ways
    )
    st.plotly_chart(
        figure, key="exits", config={"displayModeBar": False}, width="stretch", alt=f"Accuracy by cost: {said}."
    )
