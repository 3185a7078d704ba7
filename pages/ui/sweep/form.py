"""Form of a new sweep, with two axes, their values, the number of seeds, the expected duration and Start."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from kd_core.base import devices
from kd_core.config.plan import kind_of
from kd_core.config.run import RunConfig
from kd_core.config.sweep import MAX_RUNS, Sweep, titles
from kd_core.datasets import load
from kd_core.runs import manager
from kd_core.runs.sweeps import sweep_eta
from kd_core.runs.sweeps.sweep_eta import FinishedSweep
from kd_core.schemes import plan_of
from kd_core.training.vectorized.compatibility import split_into_groups
from pages.ui.app import auth
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.app.settings import with_labels
from pages.ui.run.result.method_sweep import compare_methods
from pages.ui.sweep.settings import ACROSS, DOWN, NONE, SweepForm, open_sweep, url
from pages.ui.widgets import keys
from pages.ui.widgets.text import plan
from pages.ui.widgets.text.escape import escape_markdown

POLL = 0.5  # seconds between two checks of a running time trial
RECENT = 20  # finished sweeps that an estimate may come from


def form(content: SweepForm) -> None:
    """Draw all widgets and what would be trained; start the sweep when the button is pressed."""
    base = content.base
    describe_base(base)
    names = titles(base)
    for index, (axis, heading) in enumerate(((ACROSS, "x-axis"), (DOWN, "y-axis"))):
        _axis_widgets(content, index, axis, heading, names)
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
    with left:
        st.number_input(
            "Seeds per cell", 1, 100, content.options.seeds, key=keys.key("survey seeds", content.options.seeds),
            on_change=lambda: url.update(seeds=int(keys.current_value("survey seeds"))),
            help="The same run with other random examples, initial weights and data order. At least three seeds are "
            "needed to show a spread.",
        )  # fmt: skip
    left_out: list[str] = []
    try:
        sweep, left_out = content.sweep()
        sweep_eta.total_steps(sweep)
    except ValueError as error:
        st.error(escape_markdown(with_labels(str(error).splitlines()[0], names)))
        sweep = None
    with right, st.container(horizontal=True):
        is_pressed = action_button(
            "Start the sweep", type="primary", icon=":material/play_arrow:", key="start sweep", shortcut="Ctrl+Enter",
            disabled=sweep is None or bool(devices.device_error(base.compute.device)),
        )  # fmt: skip
        compare_methods(base)
    if sweep is None:
        return
    if is_pressed:
        sweep_eta.get_estimator().stop()
        open_sweep(actions().start_sweep(sweep), base)
        st.rerun()
    st.markdown(f"{_size_text(sweep)} {_networks_text(sweep)}")
    if left_out:
        with st.expander(f"Left out, because they do not apply ({len(left_out)})", icon=":material/info:"):
            st.markdown("\n".join(f"- {escape_markdown(sentence)}" for sentence in left_out))
    _expected_duration(sweep)


def describe_base(base: RunConfig) -> None:
    """Draw what every run trains, and the link that changes it."""
    description, link = st.columns([4, 1], gap="medium", vertical_alignment="center")
    description.markdown(
        f"Every run trains **{escape_markdown(base.dataset.title)}** ({base.labels.in_words(load(base.dataset))}) · "
        f"**{escape_markdown(plan.describe_networks(base))}** · **{escape_markdown(base.method.title)}**, with "
        f"the options below varied."
    )
    link.page_link(
        "pages/distill.py", label="Change this in Distill", icon=":material/tune:", query_params=base.differences()
    )


def format_duration(seconds: float) -> str:
    """Return a duration in one unit, as "4 s", "2 min", "3.0 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _axis_widgets(content: SweepForm, index: int, axis: str, heading: str, names: Mapping[str, str]) -> None:
    option, other = content.axes[index], content.axes[1 - index]
    choices = [name for name in names if name == option or name != other]
    choices += [NONE] if axis == DOWN else []
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
    with left:
        st.selectbox(
            f"{heading}: option", choices, choices.index(option),
            key=keys.key(f"survey {axis}", option), on_change=_write_axis, args=(axis,),
            format_func=lambda name: names.get(name, "No second option"),
        )  # fmt: skip
    with right:
        current = f" Distill has {content.base.flat()[option]} now." if option != NONE else ""
        st.text_input(
            f"{heading}: values", content.values[index], key=keys.key(f"survey {axis}_values", content.values[index]),
            on_change=_write_values, args=(axis,),
            disabled=option == NONE, placeholder="The map has one row" if axis == DOWN else "",
            help="Separated by commas, with a point as the decimal mark. The map keeps this order. For data, networks, "
            f"method and scheme, “all” stands for all that apply.{current}",
        )  # fmt: skip


def _size_text(sweep: Sweep) -> str:
    lengths = " × ".join(str(len(axis.values)) for axis in sweep.axes)
    count = len(sweep.cells)
    cells = f"{lengths} = {count:,} cells" if len(sweep.axes) > 1 else _with_noun(count, "cell")
    runs = f"{_with_noun(len(sweep.seeds), 'seed')} = {_with_noun(sweep.count, 'run')}"
    return f"**{cells} × {runs}** of at most {MAX_RUNS:,}."


def _networks_text(sweep: Sweep) -> str:
    phases = plan_of(sweep.base)
    trained = dict.fromkeys(learner.role for phase in phases if not phase.is_kept for learner in phase.learners)
    cached = [learner for phase in phases if phase.is_kept for learner in phase.learners]
    teachers = [learner.role for learner in cached if kind_of(learner) == "teacher"]
    shared = f"; all runs share one {plan.join_roles(teachers)}" if len(teachers) == 1 else ""
    if shared and any(axis.option.startswith(("teacher", "dataset", "scheme")) for axis in sweep.axes):
        shared = "; runs with the same teacher settings share one teacher"
    return f"Each run trains {plan.join_roles(list(trained))}{shared}."


@st.cache_data(max_entries=64, show_spinner=False)
def _group_sizes(sweep_json: str) -> list[int]:
    sweep = Sweep.from_json(sweep_json)
    return [len(group) for group in split_into_groups(sweep.configs())]


def _expected_duration(sweep: Sweep) -> None:
    """Draw the expected duration and its source, or start a time trial."""
    sizes = _group_sizes(sweep.to_json())
    how = (
        f"The runs are trained in {_with_noun(len(sizes), 'group')} of runs that share each step."
        if max(sizes) > 1
        else "The runs are trained one after the other."
    )
    seconds, source = _estimate(sweep)
    if seconds is not None:
        st.caption(f"{how} Expected: **about {format_duration(seconds)}**, {source}")
        return
    if not auth.may_act():  # a time trial is training
        st.caption(how)
    elif manager.get_manager().store.in_state(*manager.ACTIVE):
        st.caption(f"{how} A time estimate appears once training is idle.")
    elif sweep_eta.get_estimator().request(sweep, devices.resolve(sweep.base.compute.device)):
        st.caption(f"{how} Measuring the time in a 1 s trial …")
        st.fragment(catch_errors(_wait_for_trial), run_every=POLL, key="rehearsal")(sweep)
    else:
        st.caption(f"{how} The time could not be measured here.")


def _estimate(sweep: Sweep) -> tuple[float | None, str]:
    """Return the expected seconds, or None before a trial, and where the number comes from."""
    finished = []
    for row in manager.get_manager().store.sweeps(RECENT):
        if row.state == manager.COMPLETED and row.seconds > 0:
            try:
                finished.append(FinishedSweep(row.sweep, row.seconds))
            except ValueError:  # it needs, say, a data set that this installation does not have
                continue
    seconds = sweep_eta.estimate_from_past(sweep, finished)
    if seconds is not None:
        return seconds, "at the pace of a similar sweep that ended here."
    return sweep_eta.get_estimator().seconds(sweep), "measured by a 1 s trial; teacher training is extra."


def _wait_for_trial(sweep: Sweep) -> None:
    if not sweep_eta.get_estimator().request(sweep, devices.resolve(sweep.base.compute.device)):
        st.rerun()


def _with_noun(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _write_axis(axis: str) -> None:
    # Both are written, because the default of the other axis depends on this one.
    both = {name: keys.current_value(f"survey {name}") for name in (ACROSS, DOWN)}
    url.update(**both, **{f"{axis}_values": ""})


def _write_values(axis: str) -> None:
    url.update(**{f"{axis}_values": keys.current_value(f"survey {axis}_values")})
