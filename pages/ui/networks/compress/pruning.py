"""Choice of the network and of what is removed, with the validation accuracy at every fraction."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from kd_core.base.marks import percent, points
from kd_core.export.compression import stages
from kd_core.export.compression.unpruned import Unpruned, open_unpruned, roles_of
from kd_core.models._pruning import NEEDS_PACKAGE
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.components import palette
from pages.ui.networks.compress.settings import CompressOptions, bind
from pages.ui.run import run_picker
from pages.ui.widgets.charts import GREY, cached_chart, small_figure, theme
from pages.ui.widgets.tables import numbers
from pages.ui.widgets.text import roles

KINDS = {stages.CHANNELS: "Whole channels", stages.WEIGHTS: "Single weights"}


def network(row: Run, options: CompressOptions) -> Unpruned | None:
    """Draw the select boxes of run and network; return the network, or None after saying why there is none."""
    store = manager.get_manager().store
    available, titles = roles_of(store, row), roles.titles(row.config)
    columns = st.columns([3, 1], gap="large")
    with columns[0]:
        run_picker.run_picker(row)
    if not available:
        st.info("No network of this run can be compressed: each shares layers with another. Choose another run.")
        return None
    role = options.role if options.role in available else available[0]
    columns[1].selectbox(
        "Network", available, available.index(role), format_func=lambda name: titles.get(name, name),
        **bind("role", role),
    )  # fmt: skip
    return open_unpruned(store, row, role)


def kind(options: CompressOptions) -> str:
    """Draw the choice of what is removed; return it, or the other kind where a package is missing."""
    missing = [name for name in KINDS if not stages.can_prune(name)]
    if missing:
        st.info(NEEDS_PACKAGE)
    offered = [name for name in KINDS if name not in missing]
    chosen = options.kind if options.kind in offered else offered[0]
    st.segmented_control(
        "Remove", offered, default=chosen, required=True, format_func=lambda name: KINDS[name],
        help="Whole channels make the layers smaller. Single weights become zeros, stored like other numbers.",
        **bind("kind", chosen),
    )  # fmt: skip
    return chosen


def fraction(unpruned: Unpruned, chosen_kind: str, options: CompressOptions) -> float:
    """Draw the slider, which says the validation accuracy at every fraction; return the fraction."""
    title = unpruned.data.task.validation_score_title
    with st.spinner(f"Measuring the {title} at every fraction"):
        curve = dict(stages.pruning_curve(unpruned, chosen_kind))
    if len(curve) < 2:
        st.info("Nothing of this network can be removed. Choose another network, or the other kind.")
        return 0.0
    value = min(curve, key=lambda step: abs(step - options.fraction))
    st.select_slider(
        "Fraction removed", list(curve), value,
        format_func=lambda step: f"{percent(step, 0)}: {title} {percent(curve[step])}",
        help=f"The {title} is that on the validation set before any further training.", **bind("fraction", value),
    )  # fmt: skip
    loss = 100 * (curve[value] - curve[0.0])
    st.markdown(
        f"Without {percent(value, 0)} of its {chosen_kind} the network has **{percent(curve[value])}** {title} "
        f"on the validation set, {points(loss)} against {percent(curve[0.0])} unpruned."
        if value
        else f"The unpruned network has **{percent(curve[0.0])}** {title} on the validation set."
    )
    return value


def curve_chart(unpruned: Unpruned, chosen_kind: str, value: float) -> None:
    """Draw the validation score by the fraction removed, with a mark at the chosen one."""
    score = unpruned.data.task.validation_score_title
    curve, look = dict(stages.pruning_curve(unpruned, chosen_kind)), palette.ROLES["student"]
    if value not in curve:
        return

    def build() -> go.Figure:
        figure = small_figure(
            go.Scatter(
                x=[100 * step for step in curve], y=[100 * accuracy for accuracy in curve.values()],
                mode="lines+markers", line={"color": look[theme()], "width": 2}, marker={"size": 6}, showlegend=False,
                hovertemplate="%{x:.0f} % removed: %{y:.1f} %<extra></extra>",
            ),
            go.Scatter(
                x=[100 * value], y=[100 * curve[value]], mode="markers", showlegend=False, hoverinfo="skip",
                marker={"size": 14, "color": look[theme()], "symbol": "circle"},
            ),
        )  # fmt: skip
        figure.add_hline(y=100 * curve[0.0], line={"color": GREY[theme()], "dash": "dot", "width": 1.25})
        figure.update_xaxes(title=f"{chosen_kind.capitalize()} removed, %")
        figure.update_yaxes(title=f"validation {score}, %")
        return figure

    cached_chart(
        f"pruning {unpruned.run.id} {unpruned.key(chosen_kind, value)}", build, "pruning",
        f"Validation {score} by the fraction of {chosen_kind} removed, before further training: "
        f"{percent(curve[0.0])} unpruned, {percent(curve[value])} at {percent(value, 0)}.",
        height=380,
    )  # fmt: skip
    numbers(
        lambda: [
            {f"{chosen_kind} removed, %": 100 * step, f"validation {score}, %": 100 * measured}
            for step, measured in curve.items()
        ],
        f"pruning {chosen_kind}", alt=f"Validation {score} by the fraction removed.",
    )  # fmt: skip
