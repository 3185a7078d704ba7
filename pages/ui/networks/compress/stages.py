"""Table of the stages of compression, each measured on the test set, and their accuracy against cost."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from kd_core.analysis.comparison import pareto_front
from kd_core.base.marks import SPACE, percent
from kd_core.export.compression.chain import AGAIN, PRUNED, TUNED, plan_stages
from kd_core.export.compression.int8 import STATIC
from kd_core.export.compression.onnx_export import NEEDS_PACKAGES, export_beside_training, has_packages
from kd_core.export.compression.stages import (
    INT8,
    WEIGHTS,
    PlannedStage,
    Stage,
    int8_file,
    int8_sentence,
    measure_stages,
)
from kd_core.export.compression.unpruned import Unpruned
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.actions import action_button
from pages.ui.components.palette import ROLES
from pages.ui.networks.compress.settings import COSTS, CompressOptions, bind, choose
from pages.ui.widgets.charts import BAR, GREY, annotate_points, axis, chart, theme
from pages.ui.widgets.tables import download, table
from pages.ui.widgets.text import roles

NAMES = {
    PRUNED: "Pruned", AGAIN: "Distilled again", TUNED: "Fine-tuned on labels",
}  # fmt: skip
TITLES = {"size": "File size, kB", "latency": "Latency here, ms (median, one example)", "nonzero": "Nonzero parameters"}
HEIGHT, BOTTOM = 410, 50  # pixels: the chart, its lower margin
KINDS = {TUNED: "baseline", "teacher": "teacher", "baseline": "baseline"}  # of the mark of a stage; else the student's


def planned_stages(
    unpruned: Unpruned, fraction: float, kind: str, second: Run | None, options: CompressOptions
) -> list[PlannedStage]:
    """Return the stages that were asked for. That of the pruned network alone is tested when somebody asks for it."""
    return plan_stages(
        manager.get_manager().store, unpruned, fraction, kind, second,
        is_pruned_tested=options.tested or second is not None, int8=options.int8 and has_packages(),
    )  # fmt: skip


def measured_stages(unpruned: Unpruned, planned: list[PlannedStage]) -> list[Stage]:
    """Return the measured stages, and show why one of them cannot be measured."""
    stages: list[Stage] = []
    with st.spinner("Measuring on the test set"):
        try:
            for stage in measure_stages(unpruned, planned, is_beside_training=True):
                stages.append(stage)
        except (ValueError, ImportError) as error:
            st.warning(str(error))
    return stages


def buttons(unpruned: Unpruned, planned: list[PlannedStage], fraction: float) -> None:
    """Draw the buttons that measure more stages, and the download of the int8 file."""
    names = {stage.name for stage in planned}
    if not has_packages():
        st.info(NEEDS_PACKAGES)
    with st.container(horizontal=True):
        if fraction and PRUNED not in names:
            action_button("Test the pruned network", key="test pruned", on_click=choose, kwargs={"tested": True})
        if has_packages() and not planned[-1].quantisation:
            action_button(
                "Quantise to int8", icon=":material/memory:", key="quantise", on_click=choose, kwargs={"int8": True}
            )
        if planned[-1].quantisation:

            def file() -> bytes:
                network = planned[-1].network()
                export_beside_training([network], unpruned.data.test.inputs)
                return int8_file(unpruned, STATIC, network)

            st.download_button(
                "int8 file", file, f"{unpruned.role}-{unpruned.run.id}-int8.onnx", icon=":material/download:",
                on_click="ignore",
                help="ONNX file with int8 weights, for onnxruntime: “input” (N, …) to “logits” (N, classes).",
            )  # fmt: skip


def stage_table(stages: list[Stage], unpruned: Unpruned, kind: str) -> None:
    """Draw one row per stage, and what the numbers mean."""
    task = unpruned.data.task
    score = f"{task.score_title}, %"
    rows = [
        {
            "no.": number, "stage": title(stage, unpruned), score: 100 * stage.accuracy,
            **({"95 % interval": " to ".join(percent(end) for end in stage.interval)} if task.counts_rows else {}),
            "agreement, %": 100 * stage.agreement, "parameters": stage.parameters,
            "nonzero": stage.nonzero, "file, kB": stage.size / 1000,
            "1 example, ms": 1e3 * stage.seconds["1"], "64 examples, ms": 1e3 * stage.seconds["64"],
            "computed by": stage.engine,
        }
        for number, stage in enumerate(stages, start=1)
    ]  # fmt: skip
    decimals = {score: 1, "agreement, %": 1, "file, kB": 1, "1 example, ms": 3, "64 examples, ms": 3}
    formats = {name: st.column_config.NumberColumn(format=f"%.{places}f") for name, places in decimals.items()}
    table(rows, alt=f"{task.score_title}, agreement, size and latency of every stage.", **formats)
    download(lambda: rows, "stages")
    notes = [int8_sentence(stages)]
    if kind == WEIGHTS and any(stage.nonzero < stage.parameters for stage in stages):
        notes.append("Zeros are stored and multiplied like other numbers: removing whole channels saves file and time.")
    notes.append(
        f"The {task.score_title} is that on the test set. Agreement is the fraction of its {task.row_noun} on which "
        "the top class is that of the unpruned network. Latency is a median on one thread of this machine."
    )
    st.caption(" ".join(filter(None, notes)))


def title(stage: Stage, unpruned: Unpruned) -> str:
    """Return the name of a stage on the screen."""
    if stage.name in NAMES:
        return NAMES[stage.name]
    name = roles.titles(unpruned.run.config).get(stage.name, stage.name)
    return f"{name} (unpruned)" if stage.name == unpruned.role else name


def pareto_chart(stages: list[Stage], unpruned: Unpruned, options: CompressOptions) -> None:
    """Draw the test score of every stage against a cost, and the Pareto front."""
    task = unpruned.data.task
    st.segmented_control(
        "Cost", list(COSTS), default=options.cost, required=True, format_func=lambda cost: TITLES[cost].split(",")[0],
        **bind("cost", options.cost),
    )  # fmt: skip
    points = [(_cost(stage, options.cost), 100 * stage.accuracy) for stage in stages]
    front = pareto_front(points)
    figure = go.Figure()
    figure.add_scatter(
        x=[points[index][0] for index in front], y=[points[index][1] for index in front], mode="lines",
        line={"color": GREY[theme()], "width": 1.25, "shape": "hv"}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for stage, (cost, accuracy) in zip(stages, points, strict=True):
        look, low, high = ROLES[KINDS.get(stage.name, "student")], *stage.interval
        figure.add_scatter(
            x=[cost], y=[accuracy], mode="markers", text=[title(stage, unpruned)], showlegend=False, cliponaxis=False,
            marker={"symbol": "diamond" if stage.name.startswith(INT8) else look["symbol"], "size": 11,
                    "color": look[theme()], "line": {"width": 2 if look["symbol"].endswith("open") else 0}},
            error_y={"type": "data", "symmetric": False, "array": [100 * high - accuracy],
                     "arrayminus": [accuracy - 100 * low], "thickness": 1, "width": 3},
            hovertemplate=f"%{{text}}: %{{y:.1f}}{SPACE}% for %{{x:.4g}}<extra></extra>",
        )  # fmt: skip
    ends = [100 * end for stage in stages for end in stage.interval]
    margin = 0.05 * (max(ends) - min(ends)) or 1.0  # scores without intervals may all be equal
    limits = min(ends) - margin, max(ends) + margin
    labels: dict[tuple[float, float], list[str]] = {}
    for number, point in enumerate(points, start=1):
        labels.setdefault(point, []).append(str(number))
    texts = {point: ", ".join(names) for point, names in labels.items()}
    annotate_points(figure, texts, limits, HEIGHT - BAR - BOTTOM)
    figure.update_layout(
        margin={"t": BAR, "b": BOTTOM, "l": 50, "r": 40},
        xaxis=axis(TITLES[options.cost], [cost for cost, _ in points], is_log=True),
        yaxis={"title": f"test {task.score_title}, %", "automargin": True, "range": limits},
    )  # fmt: skip
    names = "; ".join(f"{index + 1} {title(stages[index], unpruned)}" for index in front)
    alt = f"Test {task.score_title} by {TITLES[options.cost].lower()}. Pareto front: {names}."
    chart(figure, "stages", alt, height=HEIGHT)
    bars = " Bars are 95 % intervals over test examples." if task.counts_rows else ""
    st.caption(f"Numbers are those of the table. Pareto front: {names}.{bars}")


def _cost(stage: Stage, cost: str) -> float:
    return {"size": stage.size / 1000, "latency": 1e3 * stage.seconds["1"], "nonzero": float(stage.nonzero)}[cost]
