"""The form of the Sweep page: two options and their values, the seeds, what that costs, and the start button."""

from __future__ import annotations

import streamlit as st

from kd_core.base import devices
from kd_core.config import sweep as axes
from kd_core.config.plan import kind_of
from kd_core.config.sweep import MAX_RUNS, Sweep
from kd_core.datasets import load
from kd_core.runs import manager, sweep_eta
from kd_core.runs.sweep_eta import FinishedSweep
from kd_core.runs.sweep_groups import split_into_groups
from kd_core.schemes import plan_of
from pages.ui.app import auth
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.sweep import url_state
from pages.ui.sweep.url_state import ACROSS, DOWN, NONE, SweepForm
from pages.ui.text import plan
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys

POLL = 0.5  # seconds, while it is tried out how long the sweep would take
RECENT = 20  # sweeps whose pace is looked at


def form(wish: SweepForm) -> None:
    """Draws all widgets, says what would be trained, and starts it when asked to."""
    base = wish.base
    about, change = st.columns([4, 1], gap="medium", vertical_alignment="center")
    about.markdown(
        f"Every cell trains **{escape_markdown(base.dataset.title)}** ({base.labels.in_words(load(base.dataset))}) · "
        f"**{escape_markdown(plan.describe_networks(base))}** · **{escape_markdown(base.method.title)}**, with "
        f"the options below varied."
    )
    change.page_link(
        "pages/distill.py", label="Change this in Distill", icon=":material/tune:", query_params=base.differences()
    )
    titles = axes.titles(base)
    for at, (name, heading) in enumerate(((ACROSS, "Across"), (DOWN, "Down"))):
        left, right = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
        others = [other for other in titles if other == wish.chosen[at] or other != wish.chosen[1 - at]]
        offered = [*others, NONE] if name == DOWN else others
        with left:
            st.selectbox(
                f"{heading}: option", offered, offered.index(wish.chosen[at]),
                key=keys.key(f"survey {name}", wish.chosen[at]), on_change=_chosen, args=(name,),
                format_func=lambda flat: titles.get(flat, "No second option"),
            )  # fmt: skip
        with right:
            st.text_input(
                f"{heading}: values", wish.typed[at], key=keys.key(f"survey {name}_values", wish.typed[at]),
                on_change=_typed, args=(name,),
                disabled=wish.chosen[at] == NONE, placeholder="The map has one row" if name == DOWN else "",
                help="With commas between them; the map keeps your order. The point is the decimal mark."
                + (f" Now {base.flat()[wish.chosen[at]]} in Distill." if wish.chosen[at] != NONE else ""),
            )  # fmt: skip
    counted, press = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
    with counted:
        st.number_input(
            "Seeds of every cell", 1, 100, wish.view.seeds, key=keys.key("survey seeds", wish.view.seeds),
            on_change=lambda: url_state.update_url(seeds=int(keys.current_value("survey seeds"))),
            help="The same run again with other examples, weights and order. Three is the least that shows a spread.",
        )  # fmt: skip
    try:
        sweep = wish.sweep()
        sweep_eta.total_steps(sweep)
    except ValueError as error:
        st.error(escape_markdown(url_state.in_titles(str(error).splitlines()[0], titles)))
        sweep = None
    with press:
        pressed = action_button(
            "Start the sweep", type="primary", icon=":material/play_arrow:", key="start sweep", shortcut="Ctrl+Enter",
            disabled=sweep is None or bool(devices.device_error(base.compute.device)),
        )  # fmt: skip
    if sweep is None:
        return
    if pressed:
        sweep_eta.get_estimator().stop()
        url_state.show(actions().start_sweep(sweep), base)
        st.rerun()
    st.markdown(f"{_counted(sweep)} {_trained(sweep)}")
    _expected(sweep)


def _counted(sweep: Sweep) -> str:
    sizes = " × ".join(str(len(axis.values)) for axis in sweep.axes)
    cells = f"{sizes} = {len(sweep.cells):,} cells" if len(sweep.axes) > 1 else _many(len(sweep.cells), "cell")
    return f"**{cells} × {_many(len(sweep.seeds), 'seed')} = {_many(sweep.count, 'run')}** of at most {MAX_RUNS:,}."


def _trained(sweep: Sweep) -> str:
    phases = plan_of(sweep.base)
    each = list(dict.fromkeys(own.role for phase in phases if not phase.is_kept for own in phase.learners))
    kept = [own.role for phase in phases if phase.is_kept for own in phase.learners if kind_of(own) == "teacher"]
    taught = f", taught by one {plan.join_roles(kept)} for all" if len(kept) == 1 else ""
    return f"Each run trains {plan.join_roles(each)}{taught}."


@st.cache_data(max_entries=64, show_spinner=False)
def _stacks(text: str) -> tuple[int, int]:
    """Groups that are trained together, and the size of the largest."""
    sweep = Sweep.from_json(text)
    found = split_into_groups({str(number): config for number, config in enumerate(sweep.configs())})
    return len(found), max(len(group) for group in found)


def _expected(sweep: Sweep) -> None:
    """About how long it takes, and where that is known from."""
    groups, largest = _stacks(sweep.to_json())
    how = (
        f"They are trained as {'one stack' if groups == 1 else _many(groups, 'stack')}."
        if largest > 1
        else "These settings are trained one run after the other."
    )
    found, source = _known(sweep)
    if found is not None:
        st.caption(f"{how} Expected: **about {format_duration(found)}**, {source}")
        return
    shared = manager.get_manager()
    if not auth.may_act():  # trying out is training
        st.caption(how)
    elif shared.store.in_state(*manager.ACTIVE):
        st.caption(f"{how} How long it takes is tried out here as soon as nothing else trains.")
    elif sweep_eta.get_estimator().request(sweep, devices.resolve(sweep.base.compute.device)):
        st.caption(f"{how} How long it takes is being tried out for a second …")
        st.fragment(catch_errors(_wait), run_every=POLL, key="rehearsal")(sweep)
    else:
        st.caption(f"{how} How long it takes could not be tried out here.")


def _known(sweep: Sweep) -> tuple[float | None, str]:
    past = [
        row for row in manager.get_manager().store.sweeps(RECENT) if row.state == manager.COMPLETED and row.seconds > 0
    ]
    readable = []
    for row in past:
        try:
            readable.append(FinishedSweep(row.sweep, row.seconds))
        except ValueError:  # of a data set that has gone, say
            continue
    found = sweep_eta.estimate_from_past(sweep, readable)
    if found is not None:
        return found, "at the pace of a like sweep that ended here."
    return (
        sweep_eta.get_estimator().seconds(sweep),
        "from a second of this training that was tried out just now. A teacher that was never trained here comes on "
        "top.",
    )


def _wait(sweep: Sweep) -> None:
    if not sweep_eta.get_estimator().request(sweep, devices.resolve(sweep.base.compute.device)):
        st.rerun()


def format_duration(seconds: float) -> str:
    """As one says it: "4 s", "2 min", "3 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _chosen(name: str) -> None:
    # Both are named: what is usual for the other one depends on this one.
    both = {each: keys.current_value(f"survey {each}") for each in (ACROSS, DOWN)}
    url_state.update_url(**both, **{f"{name}_values": ""})


def _typed(name: str) -> None:
    url_state.update_url(**{f"{name}_values": keys.current_value(f"survey {name}_values")})
