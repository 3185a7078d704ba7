"""Card of the form that chooses, downloads, uploads and previews the data set."""

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
from pages.ui.app import auth, settings
from pages.ui.app.actions import action_button, actions, toast_errors
from pages.ui.app.errors import catch_errors, show_refusals
from pages.ui.components import feed
from pages.ui.run import live_view
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys, options, partial_rerun

SAMPLES = 10
UPLOAD = "upload"
FAMILIES = ("images", "points", "your own")  # in the order of the select box
POLL_SECONDS = 0.5


def show(config: RunConfig, data: Data, refused: list[str]) -> None:
    """Draw the card.

    Args:
        config: the run, which has another data set while the chosen one is not available.
        data: of the run's data set.
        refused: messages about settings.
    """
    chosen = selected_dataset()
    options.plugin_select("dataset", "datasets", "Data", titles=titles())
    if chosen.summary:
        st.caption(chosen.summary)
    is_available = config.dataset == chosen
    if chosen.name == UPLOAD:
        upload_controls(chosen, is_available=is_available)
    elif chosen.download_size and not chosen.is_available():
        run_every = POLL_SECONDS if _is_downloading(chosen) else None
        st.fragment(catch_errors(download_controls), run_every=run_every, key="download controls")(chosen)
    if is_available or not (chosen.download_size or chosen.name == UPLOAD):
        show_refusals(refused, {"dataset", *(f"dataset_{name}" for name in options_of(type(chosen)))})
    if is_available:
        _samples(config, data)
        show_refusals(refused, {*options_of(LabelSubset), *options_of(Augmentation)})
        partial_rerun.draw_with_outputs(
            lambda: options.options(LabelSubset, classes=data.classes), "teacher_summary", "student_summary"
        )
        if data.has_images:
            with st.expander("Augmentation"):
                st.caption("Teacher, student and baseline get the same augmented view of every image.")
                options.options(Augmentation)
    with st.expander("Options and source"):
        names = tuple(name for name in options_of(type(chosen)) if name != "id")
        if names:
            options.options(type(chosen), "dataset_", only=names)
        if is_available:
            sizes = f"{len(data.train):,} training, {len(data.validation):,} validation, {len(data.test):,} test"
            st.caption(f"{sizes} examples.")
        if facts := provenance(chosen):
            st.caption(facts)


def selected_dataset() -> Dataset:
    """Return the data set that the settings name, available or not."""
    texts = st.session_state["settings"]
    cls = find_plugin("datasets", texts["dataset"])
    try:
        dataset = cls(**parse_options(cls, texts, "dataset_")[0])
    except ValueError:  # options that do not fit together, which the form reports
        dataset = cls()
    assert isinstance(dataset, Dataset)
    return dataset


def titles() -> dict[str, str]:
    """Return the title of every data set by name, with the download size of those that are not available."""
    datasets = {name: cls() for name, cls in plugins("datasets").items()}

    def order(item: tuple[str, Any]) -> tuple[bool, int, str]:
        dataset = item[1]
        family = FAMILIES.index(dataset.family) if dataset.family in FAMILIES else len(FAMILIES)
        return bool(dataset.download_size), family, dataset.title

    labels: dict[str, str] = {}
    for name, dataset in sorted(datasets.items(), key=order):
        assert isinstance(dataset, Dataset)
        needs_download = bool(dataset.download_size) and not dataset.is_available()
        size = f" · {format_bytes(dataset.download_size)} to download" if needs_download else ""
        labels[name] = dataset.title + size
    return labels


def provenance(dataset: Dataset) -> str:
    """Return the source and licence of a data set as Markdown, as far as it declares them."""
    facts = {"Source": dataset.source, "Licence": dataset.licence}
    return " ".join(f"{title}: {escape_markdown(text)}." for title, text in facts.items() if text)


# -- download -----------------------------------------------------------------------------------------------------


def _is_downloading(dataset: Dataset) -> bool:
    download = downloads.latest(dataset)
    return download is not None and not download.is_over


def download_controls(dataset: Dataset) -> None:
    """Draw the size, source and licence with a download button, or the progress of the download."""
    download = downloads.latest(dataset)
    if download is not None and not download.is_over:
        fraction = download.done / download.total if download.total else 0.0
        total = f" of {format_bytes(download.total)}" if download.total else ""
        file = escape_markdown(download.file or "Connecting")
        st.progress(min(1.0, fraction), f"{file}: {format_bytes(download.done)}{total}")
        action_button("Stop", key="stop download", on_click=_stop, args=(dataset,))
        return
    if dataset.is_available():  # the download has just ended
        st.rerun()
    if download is not None and download.error:
        st.error(escape_markdown(download.error))
    st.info(f"Not on this machine yet. {provenance(dataset)}")
    if action_button(
        f"Download {format_bytes(dataset.download_size)}", icon=":material/download:", type="primary", key="download",
        on_click=partial_rerun.full_rerun,
        help="Downloaded once and verified by its checksum. An interrupted download resumes where it stopped.",
    ):  # fmt: skip
        actions().download(dataset)
        st.rerun()


@toast_errors
def _stop(dataset: Dataset) -> None:
    actions().stop_download(dataset)


# -- upload -------------------------------------------------------------------------------------------------------


def upload_controls(dataset: Dataset, *, is_available: bool) -> None:
    """Draw the choice of an uploaded data set and the form that uploads another."""
    stored = {upload.id: upload for upload in uploads.list_all()}
    current = str(dataset.values()["id"])
    if stored:
        ids, value = ["", *stored], current if current in stored else ""
        st.selectbox(
            "Your uploads", ids, ids.index(value), key=keys.key("uploads", value), on_change=_choose_upload,
            format_func=lambda key: _upload_title(stored[key]) if key else "choose one, or upload another",
        )  # fmt: skip
    if not auth.may_act():
        st.caption("Only a presenter can upload or delete a file.")
        return
    with st.expander("Upload a file", expanded=not is_available):
        st.caption(
            "A ZIP with one folder of images per class; a CSV of points (x, y, label); or a CSV of pixels (label, then "
            "pixel values from 0 to 255). At least five examples per class. The file is checked, converted and stored "
            "on this machine."
        )
        pixels = st.number_input("Image size in pixels, for images in a ZIP", 8, 224, uploads.PIXELS, step=8)
        colour = st.selectbox("Colour", uploads.COLOURS, help="auto: greyscale if all images are grey.")
        file = st.file_uploader("File", key="upload", label_visibility="collapsed")
        if file is not None and st.button(
            "Import", type="primary", key="keep upload", on_click=partial_rerun.full_rerun
        ):
            with st.spinner("Checking every example …"):
                try:
                    upload = actions().add_upload(file.name, file, int(pixels), colour)
                except ValueError as error:
                    st.error(escape_markdown(str(error)))
                    return
            settings.set_dataset(UPLOAD, id=upload.id)
            st.rerun()
    if is_available and st.button(
        "Delete this upload", icon=":material/delete:", key="forget upload", on_click=partial_rerun.full_rerun
    ):
        actions().remove_upload(current)
        forget(dataset)
        settings.set_dataset(UPLOAD)
        st.rerun()


def _upload_title(upload: uploads.Upload) -> str:
    return f"{upload.name} · {len(upload):,} examples, {len(upload.classes)} classes"


def _choose_upload() -> None:
    settings.set_dataset(UPLOAD, id=keys.current_value("uploads"))


# -- preview ------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _image_urls(dataset: Dataset) -> list[str]:
    count = min(SAMPLES, len(load(dataset).validation))
    return [thumbnail.src for thumbnail in thumbnails.of_validation(dataset, range(count)) if thumbnail.src]


def _samples(config: RunConfig, data: Data) -> None:
    """Draw some validation images, or the student's training points with wrong labels marked."""
    if data.is_planar:
        with st.container(width=260):
            _scatter_plot()
        return
    if not data.has_images:
        st.caption(f"An example is {' × '.join(map(str, data.shape))} numbers.")
        return
    st.image(_image_urls(config.dataset), width=28 if max(load(config.dataset).shape[1:]) <= 32 else 48)


def _plot_data(config: RunConfig) -> dict[str, Any]:
    data = load(config.dataset)
    return {"classes": list(data.classes), "extent": extent(data), "points": live_view.points(config)}


@partial_rerun.figure(_plot_data)
def _scatter_plot(plot: dict[str, Any]) -> None:
    feed.mount(
        "decision_surfaces", f"preview {zlib.crc32(repr(plot).encode())}", [], key="preview",
        roles=["student"], live=False,
        titles={"student": "The student’s training data"}, captions={}, **plot,
    )  # fmt: skip
