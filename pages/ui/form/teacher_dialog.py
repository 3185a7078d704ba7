"""Dialog that says what a file with a teacher holds, measures it, lets that be changed, and keeps it."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import Any

import streamlit as st

from kd_core.api.teachers import settings_of
from kd_core.api.teachers.candidate import TeacherCandidate
from kd_core.api.teachers.checks import Advice, Measurement
from kd_core.api.teachers.reader import read_teacher
from kd_core.base.marks import percent
from kd_core.base.registry import make
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.files import teachers
from kd_core.files.teachers.provenance import provenance
from kd_core.nn import weights
from pages.ui.app import auth, settings
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.widgets import keys
from pages.ui.widgets.text.escape import escape_markdown

OPEN, OFFERED = "teacher dialog", "teacher dialog was offered"  # keys of the session
FROM_FILE = "teacher_file"
OWN = "own numbers"
NORMALISATIONS = {
    "dataset": "as the data are standardised here", "imagenet": "ImageNet’s mean and standard deviation",
    "none": "none: pixels from 0 to 1", OWN: "own mean and standard deviation",
}  # fmt: skip
FORMATS = (
    "Weights (.safetensors, .pt, .pth) with the names of this program, torchvision, timm or transformers; a "
    "torch.export program (.pt2); an ONNX file; the logits of every training example (.npy, .npz, CSV, Parquet); or a "
    "ZIP of a folder with config.json and weights. If weights are not recognised, choose the network and its sizes "
    "first, then come here from Advanced, Teacher. Nothing in the file is executed, and nothing is stored before you "
    "press Keep."
)
MAX_EXAMINED = 3  # files in memory

_examined: OrderedDict[Any, Any] = OrderedDict()
_lock = threading.Lock()


def is_missing() -> bool:
    """Return whether the settings name a teacher from a file, and no file yet."""
    texts = st.session_state["settings"]
    return bool(texts["teacher"] == FROM_FILE and not texts.get("teacher_id"))


def open_when_chosen() -> None:
    """Open the dialog once when a teacher from a file has just been chosen."""
    if not is_missing():
        st.session_state[OFFERED] = False
    elif not st.session_state.get(OFFERED):
        st.session_state[OFFERED] = st.session_state[OPEN] = True


def button(label: str = "Use a teacher from a file") -> None:
    """Draw the button that opens the dialog."""
    if st.button(label, icon=":material/upload_file:", key="import teacher"):
        st.session_state[OPEN] = True
        st.rerun()


def is_open() -> bool:
    """Return whether the dialog is open."""
    return bool(st.session_state.get(OPEN))


def _close() -> None:
    st.session_state[OPEN] = False


@st.dialog("Teacher from a file", width="large", on_dismiss=_close)
@catch_errors
def show(config: RunConfig) -> None:
    """Draw the dialog for the data of a run."""
    _stored(config)
    if not auth.may_act():
        st.caption("Only a presenter can import a teacher.")
        return
    file = st.file_uploader("File", key="teacher file", label_visibility="collapsed")
    if file is None:
        st.caption(FORMATS)
        return
    with st.spinner("Reading the file …"):
        candidate: TeacherCandidate = _remembered(
            (file.file_id, config.dataset, config.teacher), lambda: _read(file, config)
        )
    st.markdown(f"**{escape_markdown(candidate.network)}**, {len(candidate.data.classes)} classes.")
    candidate = _with_choices(file, candidate)
    with st.spinner("Measuring the teacher …"):
        key = (file.file_id, config.dataset, config.teacher, candidate.normalisation, candidate.order)
        measured, advice = _remembered(key, lambda: (candidate.measure(), candidate.advice()))
    _measurement(measured)
    for number, one in enumerate(advice[:2]):
        _advice(file, candidate, one, number)
    if st.button("Keep", type="primary", key="keep teacher", help="Store it, and let it teach without training it."):
        teacher_id, _ = actions().keep_teacher(candidate, measured, file.size)
        _use(settings_of(candidate.model, teacher_id))


def _read(file: Any, config: RunConfig) -> TeacherCandidate:
    default = None if config.teacher.is_imported else config.teacher
    return read_teacher(file.name, file.getvalue(), config.dataset, default=default)


def _remembered(key: Any, compute: Any) -> Any:
    """Return a result, which is kept since every change of a widget asks again."""
    with _lock:
        result = _examined.get(key)
    if result is None:
        result = compute()
    with _lock:
        _examined[key] = result
        _examined.move_to_end(key)
        while len(_examined) > 4 * MAX_EXAMINED:
            _examined.popitem(last=False)
    return result


def _with_choices(file: Any, candidate: TeacherCandidate) -> TeacherCandidate:
    """Draw the choices of normalisation and order of classes, and return the candidate with them."""
    left, right = st.columns(2, gap="medium")
    normalisation = candidate.normalisation
    if candidate.data.has_images and candidate.kind != teachers.LOGITS:
        named = normalisation if normalisation in NORMALISATIONS else OWN
        chosen = left.selectbox(
            "Trained with the normalisation", list(NORMALISATIONS), list(NORMALISATIONS).index(named),
            key=_key(file, "normalisation"), format_func=NORMALISATIONS.__getitem__,
        )  # fmt: skip
        if chosen == OWN:
            value = normalisation if named == OWN else "0.5/0.5"
            chosen = left.text_input("Mean/standard deviation", value, key=_key(file, "numbers"),
                                     help="By channel, with commas: 0.5,0.5,0.5/0.25,0.25,0.25")  # fmt: skip
        mean, std = (
            ", ".join(f"{value:.3g}" for value in values) for values in (candidate.data.mean, candidate.data.std)
        )
        left.caption(f"Here: mean {mean} and standard deviation {std} of pixels from 0 to 1.")
        normalisation = str(chosen)
    order = st.session_state.get(_key(file, "order"), candidate.order)
    names = candidate.data.classes
    outputs = [name for _, name in sorted(zip(order or range(len(names)), names, strict=True))]
    text = right.text_area(
        "Classes, in the order of its outputs", "\n".join(outputs), key=keys.key(_key(file, "classes"), str(order)),
        height=120, help="One name in each line.",
    )  # fmt: skip
    written = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return candidate.with_conventions(normalisation, written)


def _measurement(measured: Measurement) -> None:
    st.markdown(
        f"Accuracy **{percent(measured.accuracy)}** ({percent(measured.low)} to {percent(measured.high)}) on "
        f"{measured.examples:,} {measured.split} examples. Chance: {percent(measured.chance)}."
    )
    if measured.is_chance:
        st.warning("That is no better than chance. Check the normalisation and the order of the classes.")


def _advice(file: Any, candidate: TeacherCandidate, advice: Advice, number: int) -> None:
    """Draw what would be better, and the button that does it."""
    st.info(escape_markdown(advice.in_words(candidate.data.classes)))
    st.button("Use this", key=f"use advice {number}", on_click=_follow, args=(file, advice))


def _follow(file: Any, advice: Advice) -> None:
    if advice.normalisation:
        st.session_state[_key(file, "normalisation")] = advice.normalisation
    if advice.order:
        st.session_state[_key(file, "order")] = advice.order


def _key(file: Any, name: str) -> str:
    """Return the key of a widget that belongs to one file."""
    return f"teacher {name} {file.file_id}"


def _stored(config: RunConfig) -> None:
    """Draw the choice of a teacher that was imported before for such data."""
    data = load(config.dataset)
    shape, classes = data.shape, len(data.classes)
    titles: dict[str, str] = {}
    entries: list[weights.Weights | teachers.StoredTeacher] = [*weights.list_all(), *teachers.list_all()]
    for entry in entries:
        if (entry.shape, entry.classes) == (shape, classes):
            origin = provenance(entry.id)
            titles[entry.id] = origin.short() if origin else entry.name
    if titles:
        key = st.selectbox(
            "Imported before", ["", *titles], key="stored teacher",
            format_func=lambda key: titles[key] if key else "choose one, or give another file",
        )  # fmt: skip
        if key:
            st.caption(escape_markdown(origin.in_words() if (origin := provenance(key)) else ""))
            with st.container(horizontal=True):
                if st.button("Use it", type="primary", key="use stored teacher"):
                    of_family = weights.find(key)
                    _use(settings_of(make("models", json.loads(of_family.model)) if of_family else None, key))
                if action_button("Delete it", key="delete stored teacher"):
                    actions().remove_teacher(key)
                    st.rerun(scope="fragment")


def _use(texts: dict[str, str]) -> None:
    _close()
    settings.set_teacher(texts)
    st.rerun()
