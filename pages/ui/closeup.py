"""One input close up: an example, a drawing or logits typed by hand, and what every network answers to it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kd_core import pictures
from kd_core.drawing import network_input
from kd_core.lens import DRAWING, IMAGE, LOGITS, Lens
from kd_core.options import as_text, options_of
from kd_core.probes import extent
from pages.ui.bench import Bench
from pages.ui.lens import look
from pages.ui.words import plain

TYPED = ("teacher_logits", "student_logits")


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
        if st.session_state.get("source") != lens.source:
            st.session_state["source"] = lens.source
        st.segmented_control(
            "Input", list(names), key="source", format_func=lambda name: names[name], required=True,
            on_change=lambda: look(source=st.session_state["source"]),
        )  # fmt: skip
        given = {IMAGE: _example, DRAWING: _drawn, LOGITS: _typed}[lens.source](bench)
    with right:
        bench.softened(given)


def _example(bench: Bench) -> None:
    bench.gallery()


def _drawn(bench: Bench) -> dict[str, Any] | None:
    recall, drawing = bench.recall, bench.lens.drawing
    data, given, refused = recall.data, None, ""
    seen = None
    try:
        if drawing:
            inputs = network_input(data, drawing)
            seen = None if data.is_planar else pictures.of_input(data, inputs)
            title = f"The point ({drawing.replace(',', ', ')})" if data.is_planar else "Your drawing"
            given = _given(recall.answer(bench.moment, drawing), bench.classes, title)
        elif not data.is_planar and data.shape[0] != 1:
            refused = "These networks see colours: choose one of their images, a drawing is grey."
    except ValueError as error:
        refused = str(error)
    bench.mount(
        "pad", {"drawing": lambda value: look(drawing=str(value))},
        kind="plane" if data.is_planar else "image", drawing=drawing, seen=seen, refused=refused,
        extent=extent(data) if data.is_planar else None,
        pixels="" if data.is_planar else " × ".join(map(str, data.shape[:0:-1])) + " pixels",
    )  # fmt: skip
    return given or _given({}, bench.classes, "Nothing drawn yet")


def _typed(bench: Bench) -> dict[str, Any]:
    lens = bench.lens
    try:
        logits = lens.typed()
    except ValueError as error:
        st.error(plain(str(error)))
        logits = Lens().typed()
    for name in TYPED:
        st.session_state.setdefault(f"typed {name}", as_text(getattr(lens, name)))
        st.text_input(f"{name.split('_')[0].capitalize()}’s logits", key=f"typed {name}", on_change=_type)
    if refused := st.session_state.get("refused logits"):
        st.error(f"{plain(refused)} The bars still show the last logits that could be used.")
    st.caption("One number per class, with commas or spaces between them; as many for the student as for the teacher.")
    classes = [f"class {number + 1}" for number in range(len(logits["teacher"]))]
    return _given(logits, classes, "Your logits")


def _given(logits: dict[str, list[float]], classes: list[str], title: str) -> dict[str, Any]:
    return {"logits": logits, "classes": classes, "label": None, "title": title}


def _type() -> None:
    """Both boxes count together: whoever adds a class has to change both, one after the other."""
    texts = {name: st.session_state[f"typed {name}"] for name in TYPED}
    try:
        values = {name: options_of(Lens)[name].check(name, text) for name, text in texts.items()}
        Lens(**values).typed()
    except ValueError as error:
        st.session_state["refused logits"] = str(error)
        return
    st.session_state["refused logits"] = ""
    look(**values)
