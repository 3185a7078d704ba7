"""Dialog that says what a user's file holds, lets that be changed, and keeps it as a data set."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from typing import Any

import streamlit as st

from kd_core.base.options import shorten
from kd_core.files.uploads.understanding import COLOURS, KINDS, LISTED, Choices, Understanding, form_of, target_of
from pages.ui.app import settings
from pages.ui.app.actions import actions
from pages.ui.app.errors import catch_errors
from pages.ui.widgets import tables
from pages.ui.widgets.text.escape import escape_markdown

OPEN = "import dialog"  # key of the session
MAX_UNDERSTOOD = 2  # files whose examples stay in memory while their choices are changed
FORMATS = (
    "A ZIP with one folder of images, or of text files, per class, perhaps inside of folders train, val and test; or "
    "with images and a table of their labels or numbers (CSV, JSON); or with images and their boxes (COCO, YOLO, "
    "Pascal VOC); or with folders images and masks, whose files have the same names. Or a table with a label column "
    "(CSV, TSV, Excel, Parquet, Feather, JSON, NumPy) of numbers and words, of pixels, or of texts, each with a class, "
    "several labels or a number. Or a text for a language model. Nothing is stored before you press Keep."
)
TAKEN_AS = {
    "auto": "What it looks like", "classification": "Examples with one class each",
    "language": "Running text, for a language model",
}  # fmt: skip
LABELS = {
    "auto": "What it looks like", "table": "Those of the table", "images": "The names of the folders",
}  # fmt: skip
TITLES = {"train": "Training", "validation": "Validation", "test": "Test"}
MAX_COLUMNS = 30  # of the table of the first rows

_understood: OrderedDict[tuple[str, Choices], Understanding] = OrderedDict()
_lock = threading.Lock()


class PastedText(io.BytesIO):
    """A text as a file with the attributes of an uploaded one that this dialog uses."""

    name = "pasted text.txt"

    def __init__(self, text: str) -> None:
        super().__init__(text.encode("utf-8", "replace"))
        self.file_id = hashlib.blake2b(self.getvalue(), digest_size=8).hexdigest()


def is_open() -> bool:
    """Return whether the dialog is open."""
    return bool(st.session_state.get(OPEN))


def button() -> None:
    """Draw the button that opens the dialog."""
    if st.button("Import your data", icon=":material/upload_file:", key="import", type="primary"):
        st.session_state[OPEN] = True
        st.rerun()


def _close() -> None:
    st.session_state[OPEN] = False


@st.dialog("Import your data", width="large", on_dismiss=_close)
@catch_errors
def show() -> None:
    """Draw the dialog."""
    file: Any = st.file_uploader("File", key="upload", label_visibility="collapsed")
    if file is None:
        st.caption(FORMATS)
        if not (text := st.text_area("Or paste a text", key="pasted text", height=120)):
            return
        file = PastedText(text)
    if not file.name.lower().endswith(".zip"):
        st.selectbox("Take it as", TAKEN_AS, key=_key(file, "as"), format_func=TAKEN_AS.__getitem__)
    names: dict[str, str] = st.session_state.setdefault(_key(file, "names"), {})
    choices, problem = _choices(file, names), ""
    try:
        with st.spinner("Reading every example …"):
            understood = _inspect(file, choices)
    except ValueError as error:
        previous = _latest(file)
        if previous is None:
            raise
        # With these choices the file is refused; what it was before is drawn so that they can be changed back.
        understood, problem = previous, str(error)
        names = st.session_state[_key(file, "names")] = dict(previous.choices.names)
        st.error(escape_markdown(problem))
    st.markdown(f"**{escape_markdown(understood.headline)}**")
    has_files = any(column.role == "image" for column in understood.columns)
    if has_files or (not understood.columns and form_of(understood.kind) in ("images", "boxes", "masks")):
        _files(file, understood)
    if understood.columns:
        _columns(file, understood)
    if understood.obstacle and not understood.left_out:
        st.warning(escape_markdown(understood.obstacle[:1].upper() + understood.obstacle[1:]))
    if understood.classes:
        _classes(file, understood, names)
    for sentence in understood.findings:
        st.caption(escape_markdown(sentence))
    _left_out(file, understood)
    if understood.normalisation:
        st.caption(f"Normalisation: {escape_markdown(understood.normalisation)}")
    if st.button("Keep", type="primary", key="keep upload", disabled=bool(understood.obstacle or problem)):
        upload = actions().keep_upload(understood)
        with _lock:
            _understood.clear()  # its examples are on the disk now
        _close()
        settings.set_dataset(upload.dataset, id=upload.id)
        st.rerun()


def _key(file: Any, name: str) -> str:
    """Return the key of a widget that belongs to one file."""
    return f"import {name} {file.file_id}"


def _choices(file: Any, names: dict[str, str]) -> Choices:
    """Return what has been chosen for a file so far."""
    chosen = {name: st.session_state.get(_key(file, name)) for name in ("label", "ignore", "pixels", "colour", "kind")}
    values: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    is_classes = st.session_state.get(_key(file, "task"), False)
    leave_out = st.session_state.get(_key(file, "leave out"), False)
    task = "classification" if is_classes else st.session_state.get(_key(file, "as"), "auto")
    return Choices(names=tuple(sorted(names.items())), task=task, leave_out=leave_out, **values)


def _inspect(file: Any, choices: Choices) -> Understanding:
    """Return what a file holds; the last answers are kept, since every change of a widget asks again."""
    key = (file.file_id, choices)
    with _lock:
        understood = _understood.get(key)
    understood = understood or actions().inspect_upload(file.name, file, choices)
    with _lock:
        _understood[key] = understood
        _understood.move_to_end(key)
        while len(_understood) > MAX_UNDERSTOOD:
            _understood.popitem(last=False)
    return understood


def _latest(file: Any) -> Understanding | None:
    """Return what was understood of a file before its choices were changed."""
    with _lock:
        return next((one for (key, _), one in reversed(_understood.items()) if key == file.file_id), None)


def _files(file: Any, understood: Understanding) -> None:
    """Draw the choices of image files, whose labels may be in a table beside them."""
    left, right = st.columns(2, gap="medium")
    choices = understood.choices
    left.number_input("Size in pixels", 8, 224, choices.pixels, step=8, key=_key(file, "pixels"))
    _colour(right, file, understood)
    if choices.kind != "auto" or understood.columns or any("kind=table" in note for note in understood.notes):
        st.selectbox(
            "Labels are", LABELS, list(LABELS).index(choices.kind), key=_key(file, "kind"),
            format_func=LABELS.__getitem__,
        )  # fmt: skip


def _columns(file: Any, understood: Understanding) -> None:
    """Draw the choices of columns and the first rows of a table."""
    left, right = st.columns(2, gap="medium")
    label, names = understood.label, [column.name for column in understood.columns]
    options: list[tuple[str, ...]] = [(name,) for name in names]
    options += [label] if label not in options else []
    left.selectbox(
        "Label column", options, options.index(label), key=_key(file, "label"),
        format_func=", ".join, help="The column with the class, the labels or the number of each row.",
    )  # fmt: skip
    form = form_of(understood.kind)
    if not any(column.role == "image" for column in understood.columns):
        candidates = [name for name in names if name not in label]
        right.multiselect(
            "Ignored columns", candidates, list(understood.ignored), key=_key(file, "ignore"),
            help="Columns that are no inputs, such as row numbers.",
        )  # fmt: skip
        has_text = any(column.detail.startswith("text") for column in understood.columns)
        if form in ("images", "text") or understood.choices.kind != "auto" or has_text:
            left.selectbox("Rows are", KINDS, KINDS.index(understood.choices.kind), key=_key(file, "kind"))
        if form == "images":
            _colour(right, file, understood)
    if target_of(understood.kind) or st.session_state.get(_key(file, "task"), False):
        st.checkbox("Take the values of the label as classes", key=_key(file, "task"))
    details = {
        column.name: column.role + (f": {column.detail}" if column.detail else "") for column in understood.columns
    }
    rows = [{"Row": "Role", **details}] + [
        {"Row": str(number), **dict(zip(details, row, strict=True))}
        for number, row in enumerate(understood.rows, start=1)
    ]
    visible = list(details)[:MAX_COLUMNS]
    tables.table(
        [{name: row[name] for name in ["Row", *visible]} for row in rows],
        alt="Roles of the columns, and the first rows.",
    )
    if len(details) > len(visible):
        st.caption(f"{len(details) - len(visible):,} more columns.")


def _colour(place: Any, file: Any, understood: Understanding) -> None:
    place.selectbox(
        "Colour", COLOURS, COLOURS.index(understood.choices.colour), key=_key(file, "colour"),
        help="auto: greyscale if all images are grey.",
    )  # fmt: skip


def _classes(file: Any, understood: Understanding, names: dict[str, str]) -> None:
    """Draw the classes with their numbers of examples, their names to be changed, and some images."""
    import pandas as pd  # takes half a second to import

    written = {new: old for old, new in names.items()}
    rows = [
        {"In the file": written.get(name, name), "Class": name}
        | {TITLES[split]: counts[number] for split, counts in understood.counts.items()}
        for number, name in enumerate(understood.classes)
    ]
    fixed = [column for column in rows[0] if column != "Class"]
    edited = st.data_editor(
        pd.DataFrame(rows), hide_index=True, disabled=fixed, key=f"{_key(file, 'classes')} {understood.choices.names}",
    )  # fmt: skip
    changed = {str(old): str(new).strip() for old, new in zip(edited["In the file"], edited["Class"], strict=True)}
    changed = {old: new for old, new in changed.items() if new and new != old}
    if changed != {old: new for old, new in names.items() if old in set(edited["In the file"])}:
        st.session_state[_key(file, "names")] = names | changed
        st.rerun(scope="fragment")
    st.caption(
        " ".join(
            f"{TITLES[split]}: {count:,}, {'given' if split in understood.given_splits else 'drawn'}."
            for split, count in understood.examples.items()
        )
    )
    if understood.thumbnails:
        labels, pictures = zip(*understood.thumbnails, strict=True)
        st.image(
            list(pictures),
            [shorten(label, 12) for label in labels],
            width=64,
            alt=[f"Image with the label {label}" for label in labels],
        )


def _left_out(file: Any, understood: Understanding) -> None:
    """Draw what cannot be used, with its reasons, and the agreement to leave it out."""
    left_out = understood.left_out
    if not left_out:
        return
    with st.container(border=True):
        st.markdown("**Cannot be used**")
        more = [f"and {len(left_out) - LISTED:,} more"] if len(left_out) > LISTED else []
        st.markdown(
            "\n".join(f"- {escape_markdown(line)}" for line in [one.reason for one in left_out[:LISTED]] + more)
        )
        tables.download(lambda: [vars(one) for one in left_out], "left out")
        st.checkbox("Leave these out", key=_key(file, "leave out"))
