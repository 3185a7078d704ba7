"""Download, upload, preview and facts of the data set."""

from __future__ import annotations

import functools
import zlib
from typing import Any

import streamlit as st

from kd_core.analysis.examples import thumbnails
from kd_core.base.options import parse_options, shorten
from kd_core.base.registry import find_plugin, plugins
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, Dataset, forget, load
from kd_core.files import uploads
from kd_core.files.archive import format_bytes
from kd_core.files.uploads.understanding import REGRESSION, target_of
from kd_core.runs import downloads
from kd_core.training.evaluation import extent
from pages.ui.app import auth, settings
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors, toast_errors
from pages.ui.components import feed
from pages.ui.form import import_dialog
from pages.ui.run import live_view
from pages.ui.widgets import keys
from pages.ui.widgets.text.escape import escape_markdown

SAMPLES = 10
MAX_LINE = 100  # characters of a text
FAMILIES = ("images", "points", "your own")  # in the order of the select box
POLL_SECONDS = 0.5


def is_available(config: RunConfig) -> bool:
    """Whether the run of the settings has the chosen data set, which another replaces while it is not available."""
    return config.dataset == selected_dataset()


def is_missing() -> bool:
    """Whether the chosen data set has to be downloaded or uploaded first."""
    chosen = selected_dataset()
    return (bool(chosen.download_size) or chosen.is_uploaded) and not chosen.is_available()


def obtain() -> None:
    """Draw what makes the chosen data set available, which has to be downloaded or uploaded."""
    chosen = selected_dataset()
    if chosen.is_uploaded:
        upload_controls(chosen, is_available=False)
    elif is_missing():
        run_every = POLL_SECONDS if _is_downloading(chosen) else None
        st.fragment(catch_errors(download_controls), run_every=run_every, key="download controls")(chosen)


def facts(config: RunConfig) -> None:
    """Draw the sizes of the splits, the source and the licence of the data set, and the uploads."""
    chosen = selected_dataset()
    if config.dataset != chosen:
        st.caption(f"{escape_markdown(chosen.summary)} {provenance(chosen)}")
        return
    data = load(chosen)
    sizes = f"{len(data.train):,} training, {len(data.validation):,} validation, {len(data.test):,} test examples."
    st.caption(f"{escape_markdown(chosen.summary)} {sizes} {provenance(chosen)}")
    for note in data.notes:
        st.caption(escape_markdown(note))
    if data.has_images:
        st.caption("Augmentation gives teacher, student and baseline the same view of every image.")
    if chosen.is_uploaded:
        upload_controls(chosen, is_available=True)


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
        help="Downloaded once and verified by its checksum. An interrupted download resumes where it stopped.",
    ):  # fmt: skip
        actions().download(dataset)
        st.rerun()


@toast_errors
def _stop(dataset: Dataset) -> None:
    actions().stop_download(dataset)


# -- upload -------------------------------------------------------------------------------------------------------


def upload_controls(dataset: Dataset, *, is_available: bool) -> None:
    """Draw the choice of an uploaded data set and the button that imports another."""
    stored = {upload.id: upload for upload in uploads.list_all()}
    current = str(dataset.values()["id"])
    if stored:
        ids, value = ["", *stored], current if current in stored else ""
        st.selectbox(
            "Your uploads", ids, ids.index(value), key=keys.key("uploads", value), on_change=_choose_upload,
            format_func=lambda key: _upload_title(stored[key]) if key else "choose one, or import another",
        )  # fmt: skip
    if not auth.may_act():
        st.caption("Only a presenter can upload or delete a file.")
        return
    import_dialog.button()
    if not is_available:
        st.caption(f"Training can start once a file is imported. {import_dialog.FORMATS}")
    if is_available and st.button("Delete this upload", icon=":material/delete:", key="forget upload"):
        actions().remove_upload(current)
        forget(dataset)
        settings.set_dataset(dataset.name)
        st.rerun()


def _upload_title(upload: uploads.Upload) -> str:
    if not upload.classes:
        return f"{upload.name} · {len(upload):,} characters of text"
    is_number = target_of(upload.kind) == REGRESSION
    contents = "each with a number" if is_number else f"{len(upload.classes)} classes"
    return f"{upload.name} · {len(upload):,} examples, {contents}"


def _choose_upload() -> None:
    key = keys.current_value("uploads")
    upload = uploads.find(key)
    settings.set_dataset(upload.dataset if upload else selected_dataset().name, id=key)


# -- preview ------------------------------------------------------------------------------------------------------


def preview(config: RunConfig) -> None:
    """Draw some validation images with their labels, or the student's training points with wrong labels marked."""
    data, summary = load(config.dataset), escape_markdown(config.dataset.summary)
    if data.is_planar:
        st.caption(summary)
        plot = _plot_data(config)
        feed.mount(
            "decision_surfaces", f"preview {zlib.crc32(repr(plot).encode())}", [], key="preview",
            roles=["student"], live=False, titles={"student": "The student’s training data"}, captions={}, **plot,
        )  # fmt: skip
    elif data.has_images:
        st.caption(f"{summary} Images of the validation set with their labels:")
        sources, labels = zip(*_images(config.dataset), strict=True)
        st.image(list(sources), list(labels), width=56, alt=[f"Image with the label {label}" for label in labels])
    elif lines := _lines(data):
        st.caption(f"{summary} Texts of the validation set:")
        st.markdown("\n".join(f"- {line}" for line in lines))
    else:
        st.caption(f"{summary} An example is {' × '.join(map(str, data.shape))} numbers.")


def _lines(data: Data) -> list[str]:
    """Return some validation texts as Markdown, after their labels if they have any; empty for other data."""
    split, step = data.validation, -(-len(data.validation) // SAMPLES)
    texts = [" ".join(text.split()) for text in data.task.text_of(split.inputs[::step], data)]
    lines = [escape_markdown(shorten(text, MAX_LINE)) for text in texts]
    labels = [data.task.label_text(label, data) for label in split.labels[::step]]
    return [
        f"**{escape_markdown(label)}** {line}" if label else line for label, line in zip(labels, lines, strict=False)
    ]


@functools.lru_cache(maxsize=64)
def _images(dataset: Dataset) -> list[tuple[str, str]]:
    """Return the picture and the class name of the first validation images."""
    data = load(dataset)
    thumbs = thumbnails.of_validation(dataset, range(min(SAMPLES, len(data.validation))))
    labels = [data.task.label_text(label, data) for label in data.validation.labels[:SAMPLES]]
    return [
        (one.src, label or (data.classes[one.label] if one.label >= 0 else ""))
        for one, label in zip(thumbs, labels, strict=False) if one.src
    ]  # fmt: skip


@functools.lru_cache(maxsize=16)
def _plot_data(config: RunConfig) -> dict[str, Any]:
    data = load(config.dataset)
    return {"classes": list(data.classes), "extent": extent(data), "points": live_view.points(config)}
