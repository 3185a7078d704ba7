"""The data on the form: what there is, where it comes from, how it gets here, and what the student is shown of it."""

from __future__ import annotations

import functools
import zlib
from typing import Any

import streamlit as st

from kd_core.analysis import thumbnails
from kd_core.base.options import options_of, parse_options
from kd_core.base.registry import find_plugin, plugins
from kd_core.config.augmentation import Augmentation
from kd_core.config.label_subset import LabelSubset
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, Dataset, forget, load
from kd_core.files import uploads
from kd_core.files.archive import format_bytes
from kd_core.runs import downloads
from kd_core.training.evaluation import extent
from pages.ui import feed
from pages.ui.app import auth, settings
from pages.ui.app.actions import action_button, actions, toast_errors
from pages.ui.app.errors import catch_errors, show_refusals
from pages.ui.run import live_view
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys, options, partial_rerun

SAMPLES = 10
UPLOAD = "upload"
FAMILIES = ("images", "points", "your own")  # in the order of the list
POLL_SECONDS = 0.5


def show(config: RunConfig, data: Data, refused: list[str]) -> None:
    """The whole card; ``config`` has other data while the chosen ones are not here."""
    chosen = selected_dataset()
    options.plugin_select("dataset", "datasets", "Data", titles=titles())
    if chosen.summary:
        st.caption(chosen.summary)
    is_shown = config.dataset == chosen
    if chosen.name == UPLOAD:
        upload_controls(chosen, is_shown=is_shown)
    elif chosen.download_size and not chosen.is_available():
        st.fragment(
            catch_errors(download_controls), run_every=POLL_SECONDS if _is_busy(chosen) else None, key="fetching"
        )(chosen)
    if is_shown or not (chosen.download_size or chosen.name == UPLOAD):
        show_refusals(refused, {"dataset", *(f"dataset_{name}" for name in options_of(type(chosen)))})
    if is_shown:
        _samples(config, data)
        show_refusals(refused, {*options_of(LabelSubset), *options_of(Augmentation)})
        partial_rerun.draw_with_outputs(
            lambda: options.options(LabelSubset, classes=data.classes), "teachers_part", "students_part"
        )
        if not data.is_planar:
            with st.expander("Augmentation"):
                st.caption("Teacher, student and baseline see the same view of every image.")
                options.options(Augmentation)
    with st.expander("Options and source"):
        shown = tuple(name for name in options_of(type(chosen)) if name != "id")
        if shown:
            options.options(type(chosen), "dataset_", only=shown)
        if is_shown:
            st.caption(f"{len(data.train):,} train, {len(data.validation):,} validation, {len(data.test):,} test.")
        if facts := provenance(chosen):
            st.caption(facts)


def selected_dataset() -> Dataset:
    """The data set that the settings name, whether or not it is here."""
    texts = st.session_state["settings"]
    cls = find_plugin("datasets", texts["dataset"])
    try:
        dataset = cls(**parse_options(cls, texts, "dataset_")[0])
    except ValueError:  # options that do not go together; the form says which
        dataset = cls()
    assert isinstance(dataset, Dataset)
    return dataset


def titles() -> dict[str, str]:
    """Every data set by name: what is here, and what must be fetched, with its size."""
    found: dict[str, str] = {}
    classes = plugins("datasets")
    made = {name: cls() for name, cls in classes.items()}

    def place(name: str) -> tuple[bool, int, str]:
        dataset = made[name]
        assert isinstance(dataset, Dataset)
        return (
            bool(dataset.download_size),
            FAMILIES.index(dataset.family) if dataset.family in FAMILIES else 9,
            dataset.title,
        )

    for name in sorted(made, key=place):
        dataset = made[name]
        assert isinstance(dataset, Dataset)
        is_away = bool(dataset.download_size) and not dataset.is_available()
        found[name] = f"{dataset.title} · {format_bytes(dataset.download_size)} to fetch" if is_away else dataset.title
    return found


def provenance(dataset: Dataset) -> str:
    """Where the data come from, and under which terms."""
    facts = {"Source": dataset.source, "Licence": dataset.licence}
    return " ".join(f"{name}: {escape_markdown(text)}." for name, text in facts.items() if text)


# -- from the network ---------------------------------------------------------------------------------------------


def _is_busy(dataset: Dataset) -> bool:
    errand = downloads.latest(dataset)
    return errand is not None and not errand.is_over


def download_controls(dataset: Dataset) -> None:
    """What would be fetched, before anything is; then how far it is."""
    errand = downloads.latest(dataset)
    if errand is not None and not errand.is_over:
        share = errand.done / errand.total if errand.total else 0.0
        of = f" of {format_bytes(errand.total)}" if errand.total else ""
        st.progress(min(1.0, share), f"{escape_markdown(errand.what or 'Connecting')}: {format_bytes(errand.done)}{of}")
        action_button("Stop", key="stop fetching", on_click=_stop, args=(dataset,))
        return
    if dataset.is_available():  # it has just come
        st.rerun()
    if errand is not None and errand.refusal:
        st.error(escape_markdown(errand.refusal))
    st.info(f"Not on this machine yet. {provenance(dataset)}")
    if action_button(
        f"Fetch {format_bytes(dataset.download_size)}", icon=":material/download:", type="primary", key="fetch",
        on_click=partial_rerun.full_rerun,
        help="Fetched once and checked against the published checksum; what breaks off goes on where it stopped.",
    ):  # fmt: skip
        actions().download(dataset)
        st.rerun()


@toast_errors
def _stop(dataset: Dataset) -> None:
    actions().stop_download(dataset)


# -- from the user ------------------------------------------------------------------------------------------------


def upload_controls(dataset: Dataset, *, is_shown: bool) -> None:
    """A file to upload, and the files that were."""
    known = {upload.id: upload for upload in uploads.list_all()}
    current = str(dataset.values()["id"])
    if known:
        names, shown = ["", *known], current if current in known else ""
        st.selectbox(
            "Your uploads", names, names.index(shown), key=keys.key("uploads", shown), on_change=_choose_upload,
            format_func=lambda key: _called(known[key]) if key else "choose one, or upload another",
        )  # fmt: skip
    if not auth.may_act():
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
            "Check and keep it", type="primary", key="keep upload", on_click=partial_rerun.full_rerun
        ):
            with st.spinner("Checking every example …"):
                try:
                    kept = actions().add_upload(file.name, file, int(pixels), colour)
                except ValueError as error:
                    st.error(escape_markdown(str(error)))
                    return
            settings.set_dataset(UPLOAD, id=kept.id)
            st.rerun()
    if is_shown and st.button(
        "Forget this upload", icon=":material/delete:", key="forget upload", on_click=partial_rerun.full_rerun
    ):
        actions().remove_upload(current)
        forget(dataset)
        settings.set_dataset(UPLOAD)
        st.rerun()


def _called(upload: uploads.Upload) -> str:
    return f"{upload.name} · {len(upload):,} examples, {len(upload.classes)} classes"


def _choose_upload() -> None:
    settings.set_dataset(UPLOAD, id=keys.current_value("uploads"))


# -- what is shown ------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _sources(dataset: Dataset) -> list[str]:
    count = min(SAMPLES, len(load(dataset).validation))
    return [one.src for one in thumbnails.of_validation(dataset, range(count)) if one.src]


def _samples(config: RunConfig, data: Data) -> None:
    """A few images as they are written; points as the student is shown them, wrong labels marked."""
    if data.is_planar:
        with st.container(width=260):
            _preview()
        return
    st.image(_sources(config.dataset), width=28 if max(load(config.dataset).shape[1:]) <= 32 else 48)


def _previewed(config: RunConfig) -> dict[str, Any]:
    data = load(config.dataset)
    return {"classes": list(data.classes), "extent": extent(data), "points": live_view.points(config)}


@partial_rerun.figure(_previewed)
def _preview(said: dict[str, Any]) -> None:
    feed.mount(
        "surfaces", f"preview {zlib.crc32(repr(said).encode())}", [], key="preview", roles=["student"], live=False,
        titles={"student": "What the student is shown"}, captions={}, **said,
    )  # fmt: skip
