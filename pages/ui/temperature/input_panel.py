"""One input close up: an example, a drawing or logits typed by hand, and what every network answers to it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kd_core.analysis import thumbnails
from kd_core.analysis.drawing import drawing_refusal, network_input, point
from kd_core.base.options import as_text, options_of
from kd_core.training.evaluation import extent
from pages.ui.temperature.instruments import Instruments
from pages.ui.temperature.settings import DRAWING, IMAGE, LOGITS, TemperatureOptions
from pages.ui.temperature.url_state import LOGIT_FIELDS, update_url
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys


def input_panel(bench: Instruments) -> None:
    """Draws the ways to an input beside the answers to it."""
    lens = bench.options
    data = bench.replay.data
    names = {
        IMAGE: f"{bench.replay.visible_split.capitalize()} {data.noun}",
        DRAWING: "Place a point" if data.is_planar else "Draw one",
        LOGITS: "Type logits",
    }
    left, right = st.columns([5, 7], gap="large")
    with left:
        st.segmented_control(
            "Input", list(names), default=lens.source, key=keys.key("source", lens.source), required=True,
            format_func=lambda name: names[name], on_change=lambda: update_url(source=keys.current_value("source")),
        )  # fmt: skip
        given = {IMAGE: _example, DRAWING: _drawn, LOGITS: _typed}[lens.source](bench)
    with right:
        bench.soft_labels(given)


def _example(bench: Instruments) -> None:
    bench.gallery()


def _drawn(bench: Instruments) -> dict[str, Any] | None:
    recall, drawing = bench.replay, bench.options.drawing
    data, given, seen, refused = recall.data, None, None, drawing_refusal(recall.data)
    try:
        if drawing:
            inputs = network_input(data, drawing)
            seen = None if data.is_planar else thumbnails.of_input(data, inputs)
            title = "The point ({:.4g}, {:.4g})".format(*point(drawing)) if data.is_planar else "Your drawing"
            given = _given(recall.predict_drawing(bench.moment, drawing), bench.classes, title)
    except ValueError as error:
        refused = str(error)
    bench.mount(
        "pad", {"drawing": lambda value: update_url(drawing=str(value))},
        kind="plane" if data.is_planar else "image", drawing=drawing, seen=seen, refused=refused,
        extent=extent(data) if data.is_planar else None,
        pixels="" if data.is_planar else " × ".join(map(str, data.shape[:0:-1])) + " pixels",
    )  # fmt: skip
    return given or _given({}, bench.classes, "No point placed yet" if data.is_planar else "Nothing drawn yet")


def _typed(bench: Instruments) -> dict[str, Any]:
    lens = bench.options
    try:
        logits = lens.typed()
    except ValueError as error:
        st.error(escape_markdown(str(error)))
        logits = TemperatureOptions().typed()
    for name in LOGIT_FIELDS:
        text = _followed(f"typed {name}", as_text(getattr(lens, name)))
        label = f"{name.split('_')[0].capitalize()}’s logits"
        st.text_input(label, text, key=keys.key(f"typed {name}", text), on_change=_type)
    try:
        _as_typed()
    except ValueError as error:
        st.error(f"{escape_markdown(str(error))} The bars still show the last logits that could be used.")
    st.caption("One number per class, with commas or spaces between them; as many for the student as for the teacher.")
    classes = [f"class {number + 1}" for number in range(len(logits["teacher"]))]
    return _given(logits, classes, "Your logits")


def _given(logits: dict[str, list[float]], classes: list[str], title: str) -> dict[str, Any]:
    return {"logits": logits, "classes": classes, "label": None, "title": title}


def _followed(name: str, text: str) -> str:
    """The box shows what the address says whenever that changes; till then, what was typed, right or wrong."""
    if st.session_state.get(f"address of {name}") == text:
        return str(keys.current_value(name, text))
    st.session_state[f"address of {name}"] = text
    return text


def _as_typed() -> dict[str, Any]:
    """Both boxes count together: whoever adds a class has to change both, one after the other. Raises ValueError."""
    values = {
        name: options_of(TemperatureOptions)[name].check(name, keys.current_value(f"typed {name}"))
        for name in LOGIT_FIELDS
    }
    TemperatureOptions(**values).typed()
    return values


def _type() -> None:
    try:
        update_url(**_as_typed())
    except ValueError:
        return  # the page says so, beside the boxes
