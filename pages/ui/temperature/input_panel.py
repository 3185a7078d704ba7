"""Input of the Temperature page, as an example, a drawing or typed logits, and every network's answer to it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kd_core.analysis.examples import thumbnails
from kd_core.analysis.examples.drawing import drawing_refusal, network_input, point
from kd_core.base.options import as_text, options_of
from kd_core.training.evaluation import extent
from pages.ui.temperature.instruments import Instruments
from pages.ui.temperature.settings import DRAWING, IMAGE, LOGIT_FIELDS, LOGITS, TemperatureOptions, url
from pages.ui.widgets import keys
from pages.ui.widgets.text.escape import escape_markdown


def input_panel(instruments: Instruments) -> None:
    """Draw the choice of the input beside what the networks make of it."""
    source, data = instruments.options.source, instruments.replay.data
    titles = {IMAGE: "Example", DRAWING: "Place" if data.is_planar else "Draw", LOGITS: "Logits"}
    left, right = st.columns([5, 17], gap="medium")
    with left:
        st.segmented_control(
            "Input", list(titles), default=source, key=keys.key("source", source), required=True,
            format_func=lambda name: titles[name], on_change=lambda: url.update(source=keys.current_value("source")),
            label_visibility="collapsed",
        )  # fmt: skip
        custom = {IMAGE: _example, DRAWING: _drawing, LOGITS: _typed_logits}[source](instruments)
    with right:
        instruments.softened(custom)


def _example(instruments: Instruments) -> None:
    instruments.gallery()


def _drawing(instruments: Instruments) -> dict[str, Any]:
    replay, drawing = instruments.replay, instruments.options.drawing
    data, preview, error = replay.data, None, drawing_refusal(replay.data)
    custom = _custom_input({}, instruments.classes, "No point placed yet" if data.is_planar else "Nothing drawn yet")
    try:
        if drawing:
            inputs = network_input(data, drawing)
            preview = None if data.is_planar else thumbnails.of_input(data, inputs)
            place = point(drawing) if data.is_planar else None
            title = "The point ({:.4g}, {:.4g})".format(*place) if place else "Your drawing"
            logits = replay.predict_drawing(instruments.snapshot, drawing)
            custom = _custom_input(logits, instruments.classes, title) | {"src": preview, "point": place}
    except ValueError as invalid:
        error = str(invalid)
    instruments.mount(
        "drawing_pad", {"drawing": lambda value: url.update(drawing=str(value))},
        kind="plane" if data.is_planar else "image", drawing=drawing, preview=preview, error=error,
        extent=extent(data) if data.is_planar else None,
        pixels="" if data.is_planar else " × ".join(map(str, data.shape[:0:-1])) + " pixels",
    )  # fmt: skip
    return custom


def _typed_logits(instruments: Instruments) -> dict[str, Any]:
    options = instruments.options
    try:
        logits = options.typed_logits()
    except ValueError as error:
        st.error(escape_markdown(str(error)))
        logits = TemperatureOptions().typed_logits()
    for name in LOGIT_FIELDS:
        text = _box_text(f"typed {name}", as_text(getattr(options, name)))
        label = f"{name.split('_')[0].capitalize()}’s logits"
        st.text_input(label, text, key=keys.key(f"typed {name}", text), on_change=_write_logits)
    try:
        _parse_boxes()
    except ValueError as error:
        st.error(f"{escape_markdown(str(error))} The bars still show the last valid logits.")
    st.markdown("One number per class, separated by commas or spaces; equally many for both networks.")
    classes = [f"class {number + 1}" for number in range(len(logits["teacher"]))]
    return _custom_input(logits, classes, "Your logits")


def _custom_input(logits: dict[str, list[float]], classes: list[str], title: str) -> dict[str, Any]:
    return {"logits": logits, "classes": classes, "label": None, "title": title}


def _box_text(name: str, text: str) -> str:
    """Return the content of a box, ``text`` of the URL whenever that changes, else what was typed, valid or not."""
    if st.session_state.get(f"URL of {name}") == text:
        return str(keys.current_value(name, text))
    st.session_state[f"URL of {name}"] = text
    return text


def _parse_boxes() -> dict[str, Any]:
    """Return the logits of both boxes. Raises ValueError.

    They are valid only together: to add a class both have to change, one after the other.
    """
    declared = options_of(TemperatureOptions)
    values = {name: declared[name].check(name, keys.current_value(f"typed {name}")) for name in LOGIT_FIELDS}
    TemperatureOptions(**values).typed_logits()
    return values


def _write_logits() -> None:
    try:
        url.update(**_parse_boxes())
    except ValueError:
        return  # the page shows the error beside the boxes
