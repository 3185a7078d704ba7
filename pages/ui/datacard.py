"""The data on the form: what there is, where it comes from, how it gets here, and what the student is shown of it."""

from __future__ import annotations

import functools
import zlib
from typing import Any

import streamlit as st

from kd_core import errands, pictures, uploads
from kd_core.augmentation import Augmentation
from kd_core.catalogue import find, members
from kd_core.config import RunConfig
from kd_core.datasets import Data, Dataset, forget, load
from kd_core.options import options_of, read
from kd_core.probes import extent
from kd_core.unpacking import amount
from kd_core.views import Labels
from pages.ui import answers, controls, live, room, settings, widget
from pages.ui.acting import acting, button, heard
from pages.ui.components import feed
from pages.ui.errors import beside, spared
from pages.ui.words import plain

SAMPLES = 10
UPLOAD = "upload"
FAMILIES = ("images", "points", "your own")  # in the order of the list
POLL_SECONDS = 0.5


def show(config: RunConfig, data: Data, refused: list[str]) -> None:
    """The whole card; ``config`` has other data while the chosen ones are not here."""
    chosen = named()
    controls.member("dataset", "datasets", "Data", titles=titles())
    st.caption(chosen.idea)
    is_shown = config.dataset == chosen
    if chosen.name == UPLOAD:
        bring(chosen, is_shown=is_shown)
    elif chosen.size and not chosen.is_here():
        st.fragment(spared(fetching), run_every=POLL_SECONDS if _is_busy(chosen) else None, key="fetching")(chosen)
    if is_shown or not (chosen.size or chosen.name == UPLOAD):
        beside(refused, {"dataset", *(f"dataset_{name}" for name in options_of(type(chosen)))})
    if is_shown:
        _samples(config, data)
        beside(refused, {*options_of(Labels), *options_of(Augmentation)})
        answers.owning(lambda: controls.options(Labels, classes=data.classes), "teachers_part", "students_part")
        if not data.is_planar:
            with st.expander("Augmentation"):
                st.caption("Teacher, student and baseline see the same view of every image.")
                controls.options(Augmentation)
    with st.expander("Options and source"):
        shown = tuple(name for name in options_of(type(chosen)) if name != "id")
        if shown:
            controls.options(type(chosen), "dataset_", only=shown)
        if is_shown:
            st.caption(f"{len(data.train):,} train, {len(data.validation):,} validation, {len(data.test):,} test.")
        st.caption(provenance(chosen))


def named() -> Dataset:
    """The data set that the settings name, whether or not it is here."""
    texts = st.session_state["settings"]
    cls = find("datasets", texts["dataset"])
    try:
        dataset = cls(**read(cls, texts, "dataset_")[0])
    except ValueError:  # options that do not go together; the form says which
        dataset = cls()
    assert isinstance(dataset, Dataset)
    return dataset


def titles() -> dict[str, str]:
    """Every data set by name: what is here, and what must be fetched, with its size."""
    found: dict[str, str] = {}
    classes = members("datasets")
    made = {name: cls() for name, cls in classes.items()}

    def place(name: str) -> tuple[bool, int, str]:
        dataset = made[name]
        assert isinstance(dataset, Dataset)
        return bool(dataset.size), FAMILIES.index(dataset.family) if dataset.family in FAMILIES else 9, dataset.title

    for name in sorted(made, key=place):
        dataset = made[name]
        assert isinstance(dataset, Dataset)
        is_away = bool(dataset.size) and not dataset.is_here()
        found[name] = f"{dataset.title} · {amount(dataset.size)} to fetch" if is_away else dataset.title
    return found


def provenance(dataset: Dataset) -> str:
    """Where the data come from, and under which terms."""
    return f"Source: {plain(dataset.source)}. Licence: {plain(dataset.licence)}."


# -- from the network ---------------------------------------------------------------------------------------------


def _is_busy(dataset: Dataset) -> bool:
    errand = errands.of(dataset)
    return errand is not None and not errand.is_over


def fetching(dataset: Dataset) -> None:
    """What would be fetched, before anything is; then how far it is."""
    errand = errands.of(dataset)
    if errand is not None and not errand.is_over:
        share = errand.done / errand.total if errand.total else 0.0
        of = f" of {amount(errand.total)}" if errand.total else ""
        st.progress(min(1.0, share), f"{plain(errand.what or 'Connecting')}: {amount(errand.done)}{of}")
        button("Stop", key="stop fetching", on_click=_stop, args=(dataset,))
        return
    if dataset.is_here():  # it has just come
        st.rerun()
    if errand is not None and errand.refusal:
        st.error(plain(errand.refusal))
    st.info(f"Not on this machine yet. {provenance(dataset)}")
    if button(
        f"Fetch {amount(dataset.size)}", icon=":material/download:", type="primary", key="fetch",
        on_click=answers.whole,
        help="Fetched once and checked against the published checksum; what breaks off goes on where it stopped.",
    ):  # fmt: skip
        acting().fetch(dataset)
        st.rerun()


@heard
def _stop(dataset: Dataset) -> None:
    acting().stop_fetching(dataset)


# -- from the user ------------------------------------------------------------------------------------------------


def bring(dataset: Dataset, *, is_shown: bool) -> None:
    """A file to upload, and the files that were."""
    known = {upload.id: upload for upload in uploads.listed()}
    current = str(dataset.values()["id"])
    if known:
        names, shown = ["", *known], current if current in known else ""
        st.selectbox(
            "Your uploads", names, names.index(shown), key=widget.key("uploads", shown), on_change=_choose_upload,
            format_func=lambda key: _called(known[key]) if key else "choose one, or upload another",
        )  # fmt: skip
    if not room.may_act():
        st.caption("Only a presenter can upload a file, or forget one.")
        return
    with st.expander("Upload a file", expanded=not is_shown):
        st.caption(
            "A ZIP with one folder of images per class; a CSV of points (x, y, label); or a CSV of pixels (label, then "
            "the pixels from 0 to 255). It is checked, converted and kept on this machine; at least five examples per "
            "class."
        )
        pixels = st.number_input("Pixels per side, for images in a ZIP", 8, 224, uploads.PIXELS, step=8)
        colour = st.selectbox("Colours", uploads.COLOURS, help="auto: grey if all images are grey.")
        file = st.file_uploader("File", key="upload", label_visibility="collapsed")
        if file is not None and st.button(
            "Check and keep it", type="primary", key="keep upload", on_click=answers.whole
        ):
            with st.spinner("Checking every example …"):
                try:
                    kept = acting().keep_upload(file.name, file, int(pixels), colour)
                except ValueError as error:
                    st.error(plain(str(error)))
                    return
            settings.choose_data(UPLOAD, id=kept.id)
            st.rerun()
    if is_shown and st.button(
        "Forget this upload", icon=":material/delete:", key="forget upload", on_click=answers.whole
    ):
        acting().remove_upload(current)
        forget(dataset)
        settings.choose_data(UPLOAD)
        st.rerun()


def _called(upload: uploads.Upload) -> str:
    return f"{upload.name} · {len(upload):,} examples, {len(upload.classes)} classes"


def _choose_upload() -> None:
    settings.choose_data(UPLOAD, id=widget.shown("uploads"))


# -- what is shown ------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _sources(dataset: Dataset) -> list[str]:
    count = min(SAMPLES, len(load(dataset).validation))
    return [one.src for one in pictures.of_validation(dataset, range(count)) if one.src]


def _samples(config: RunConfig, data: Data) -> None:
    """A few images as they are written; points as the student is shown them, wrong labels marked."""
    if data.is_planar:
        with st.container(width=260):
            _preview()
        return
    st.image(_sources(config.dataset), width=28 if max(load(config.dataset).shape[1:]) <= 32 else 48)


def _previewed(config: RunConfig) -> dict[str, Any]:
    data = load(config.dataset)
    return {"classes": list(data.classes), "extent": extent(data), "points": live.points(config)}


@answers.picture(_previewed)
def _preview(said: dict[str, Any]) -> None:
    feed.mount(
        "decision_surfaces", f"preview {zlib.crc32(repr(said).encode())}", [], key="preview", roles=["student"],
        live=False, titles={"student": "What the student is shown"}, captions={}, **said,
    )  # fmt: skip
