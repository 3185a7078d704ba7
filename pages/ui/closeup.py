"""One input close up: an example, a drawing or logits typed by hand, and what every network answers to it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kd_core import pictures
from kd_core.drawing import network_input, point, refusal
from kd_core.options import as_text, options_of
from kd_core.probes import extent
from pages.ui import widget
from pages.ui.address import TYPED, look
from pages.ui.bench import Bench
from pages.ui.lens import DRAWING, IMAGE, LOGITS, Lens
from pages.ui.words import plain


def closeup(bench: Bench) -> None:
    """Draws the ways to an input beside the answers to it."""
    lens = bench.lens
    data = bench.recall.data
    names = {
        IMAGE: f"{bench.recall.shown.capitalize()} {data.noun}",
        DRAWING: "Place a point" if data.is_planar else "Draw one",
        LOGITS: "Type logits",
    }
    left, right = st.columns([5, 7], gap="large")
    with left:
        st.segmented_control(
            "Input", list(names), default=lens.source, key=widget.key("source", lens.source), required=True,
            format_func=lambda name: names[name], on_change=lambda: look(source=widget.shown("source")),
        )  # fmt: skip
        given = {IMAGE: _example, DRAWING: _drawn, LOGITS: _typed}[lens.source](bench)
    with right:
        bench.softened(given)


def _example(bench: Bench) -> None:
    bench.gallery()


def _drawn(bench: Bench) -> dict[str, Any] | None:
    recall, drawing = bench.recall, bench.lens.drawing
    data, given, seen, refused = recall.data, None, None, refusal(recall.data)
    try:
        if drawing:
            inputs = network_input(data, drawing)
            seen = None if data.is_planar else pictures.of_input(data, inputs)
            title = "The point ({:.4g}, {:.4g})".format(*point(drawing)) if data.is_planar else "Your drawing"
            given = _given(recall.answer(bench.moment, drawing), bench.classes, title)
    except ValueError as error:
        refused = str(error)
    bench.mount(
        "drawing_pad", {"drawing": lambda value: look(drawing=str(value))},
        kind="plane" if data.is_planar else "image", drawing=drawing, seen=seen, refused=refused,
        extent=extent(data) if data.is_planar else None,
        pixels="" if data.is_planar else " × ".join(map(str, data.shape[:0:-1])) + " pixels",
    )  # fmt: skip
    return given or _given({}, bench.classes, "No point placed yet" if data.is_planar else "Nothing drawn yet")


def _typed(bench: Bench) -> dict[str, Any]:
    lens = bench.lens
    try:
        logits = lens.typed()
    except ValueError as error:
        st.error(plain(str(error)))
        logits = Lens().typed()
    for name in TYPED:
        text = _followed(f"typed {name}", as_text(getattr(lens, name)))
        label = f"{name.split('_')[0].capitalize()}’s logits"
        st.text_input(label, text, key=widget.key(f"typed {name}", text), on_change=_type)
    try:
        _as_typed()
    except ValueError as error:
        st.error(f"{plain(str(error))} The bars still show the last logits that could be used.")
    st.caption("One number per class, with commas or spaces between them; as many for the student as for the teacher.")
    classes = [f"class {number + 1}" for number in range(len(logits["teacher"]))]
    return _given(logits, classes, "Your logits")


def _given(logits: dict[str, list[float]], classes: list[str], title: str) -> dict[str, Any]:
    return {"logits": logits, "classes": classes, "label": None, "title": title}


def _followed(name: str, text: str) -> str:
    """The box shows what the address says whenever that changes; till then, what was typed, right or wrong."""
    if st.session_state.get(f"address of {name}") == text:
        return str(widget.shown(name, text))
    st.session_state[f"address of {name}"] = text
    return text


def _as_typed() -> dict[str, Any]:
    """Both boxes count together: whoever adds a class has to change both, one after the other. Raises ValueError."""
    values = {name: options_of(Lens)[name].check(name, widget.shown(f"typed {name}")) for name in TYPED}
    Lens(**values).typed()
    return values


def _type() -> None:
    try:
        look(**_as_typed())
    except ValueError:
        return  # the page says so, beside the boxes
