"""Uploads and downloads on the form, and the settings of training and device."""

import io
import zipfile
from dataclasses import replace

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from kd_core.base.registry import find_plugin
from kd_core.config.run import from_flat
from kd_core.datasets.mnist import Mnist
from kd_core.files import uploads
from kd_core.runs import downloads
from kd_core.runs.manager import RunManager
from kd_core.training.learner import NetworkTrainer
from pages.ui.form import data_card
from tests.files.uploads import test_boxes, test_masks
from tests.pages.test_distill import Open, button, finish, texts
from tools.testing.dataset_files import PUBLISHED
from tools.testing.http_server import Host
from tools.testing.waiting import wait
from tools.testing.widgets import named, open_settings


def image_archive() -> bytes:
    """Return a ZIP file of two classes, eight dark and eight light squares."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, base in (("dark", 20), ("light", 200)):
            for number in range(8):
                image = io.BytesIO()
                Image.new("L", (20, 20), base + number).save(image, "PNG")
                archive.writestr(f"{name}/{number}.png", image.getvalue())
    return buffer.getvalue()


def open_import(open_page: Open, file: tuple[str, bytes, str]) -> AppTest:
    """Return the Distill page with the import dialog open and a file chosen."""
    app = open_page("distill", dataset="upload")
    app.button(key="import").click().run()
    return app.file_uploader(key="upload").set_value(file).run()


@pytest.mark.usefixtures("home")
def test_the_label_column_the_ignored_columns_and_what_is_left_out_can_be_changed_before_keeping(
    open_page: Open,
) -> None:
    rows = [
        f"{number},{number % 7}.5,{number % 5},{'ab'[number % 2]},{'uv'[number % 3 > 1]},t{number}"
        for number in range(40)
    ]
    table = "\n".join(["id,width,height,species,place,title", *rows, "40,wide,1,a,u,t"]).encode()
    app = open_import(open_page, ("flowers.csv", table, "text/csv"))
    assert named(app, "selectbox", _widget(app, "label")).value == ("species",)
    assert named(app, "multiselect", _widget(app, "ignore")).value == ["id", "title"]
    assert '"wide" is not a number' in texts(app).replace("\\", "")
    assert app.button(key="keep upload").disabled
    named(app, "checkbox", _widget(app, "leave out")).check().run()
    named(app, "selectbox", _widget(app, "label")).select(("title",)).run()
    assert "each class needs at least 5 examples" in app.error[0].value
    assert app.button(key="keep upload").disabled
    named(app, "selectbox", _widget(app, "label")).select(("place",)).run()
    app.button(key="keep upload").click().run()
    assert not app.error
    (upload,) = uploads.list_all()
    assert upload.classes == ("u", "v")
    assert [column.name for column in upload.inputs] == ["width", "height", "species"]


def _widget(app: AppTest, name: str) -> str:
    """Return the key of a widget of the import dialog, which ends with the id of the file."""
    kinds = ("selectbox", "multiselect", "checkbox")
    return next(one.key for kind in kinds for one in app.get(kind) if one.key and one.key.startswith(f"import {name} "))


@pytest.mark.usefixtures("home")
def test_a_data_set_to_download_shows_its_source_and_is_downloaded_by_one_click(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host()
    published = PUBLISHED["mnist"](host.url)
    host.files |= published.files
    for cls, attribute, value in published.patches:
        monkeypatch.setattr(cls, attribute, value)
    app = open_page("distill", dataset="mnist")
    assert "LeCun, Cortes & Burges, 1998" in texts(app).replace("\\", "")
    assert "Licence: CC BY" in texts(app).replace("\\", "")
    assert button(app, "Start training").disabled
    button(app, "Download 12 MB").click().run()
    wait(lambda: downloads.latest(Mnist()).is_over)
    host.close()
    app.run()
    assert not app.error
    assert not button(app, "Start training").disabled
    assert " training, " in texts(open_settings(app, "Data"))


@pytest.mark.usefixtures("home")
@pytest.mark.slow
def test_a_failed_download_names_the_data_sets_that_need_none(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for cls, attribute, value in PUBLISHED["kmnist"]("http://127.0.0.1:9").patches:
        monkeypatch.setattr(cls, attribute, value)
    app = open_page("distill", dataset="kmnist")
    next(element for element in app.button if element.label.startswith("Download")).click().run()
    wait(lambda: downloads.latest(find_plugin("datasets", "kmnist")()).is_over)
    app.run()
    assert "kmnist" in app.error[0].value.lower()
    app.selectbox(key="set dataset").select("digits").run()
    assert not app.error


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_an_uploaded_archive_of_class_folders_becomes_a_data_set_that_can_be_trained_on(
    open_page: Open, shared: RunManager
) -> None:
    app = open_import(open_page, ("squares.zip", image_archive(), "application/zip"))
    assert "16 images with one class each, 2 classes" in texts(app)
    assert uploads.list_all() == []
    app.button(key="keep upload").click().run()
    assert not app.error
    (upload,) = uploads.list_all()
    assert upload.name == "squares.zip"
    assert app.query_params["dataset_id"] == [upload.id] or app.query_params["dataset_id"] == upload.id
    named(app, "number_input", "set epochs").set_value(2).run()
    button(app, "Start training").click().run()
    finish(shared, 1)
    assert shared.store.runs()[0].config.student.name == "cnn"  # recommended for images
    app = open_page("distill", dataset="upload", dataset_id=upload.id)
    open_settings(app, "Data").button(key="import").click().run()
    assert app.file_uploader(key="upload")
    app = open_page("distill", dataset="upload", dataset_id=upload.id)
    open_settings(app, "Data").button(key="forget upload").click().run()
    assert uploads.list_all() == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("broken.zip", b"PK\x03\x04 and no more", "broken.zip: "),
        ("weights.pt", b"\x80\x02}q\x00.", "weights.pt: "),
        ("one.csv", b"x,y,label\n1,2,a\n", "one.csv: "),
    ],
)
def test_an_unusable_file_is_refused_by_name_and_not_stored(
    open_page: Open, name: str, content: bytes, fragment: str
) -> None:
    app = open_import(open_page, (name, content, "text/plain"))
    assert fragment in app.error[0].value.replace("\\", "")
    assert uploads.list_all() == []


def test_a_run_out_of_memory_can_be_repeated_with_smaller_batches_by_one_click(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    forward = NetworkTrainer.forward

    def limited_forward(self: NetworkTrainer, batch: object, step: int) -> None:
        if self.role == "student" and len(batch.rows) > 5:
            raise torch.OutOfMemoryError
        forward(self, batch, step)

    monkeypatch.setattr(NetworkTrainer, "forward", limited_forward)
    app = open_page(
        "distill",
        dataset="moons",
        epochs="2",
        teacher_epochs="1",
        batch_size="16",
        student_activation="tanh",
    )  # the step that is replaced is not taken by a plain MLP
    button(app, "Start training").click().run()
    wait(lambda: shared.store.in_state("failed"))
    app.run()
    button(app, "Train again with batch size 4").click().run()
    finish(shared, 1)
    first, again = sorted(shared.store.runs(), key=lambda row: row.created)
    assert again.config.recipe == replace(first.config.recipe, batch_size=4)


@pytest.mark.slow
def test_milestones_appear_with_their_schedule_and_label_smoothing_of_the_teacher_with_a_warning(
    open_page: Open,
) -> None:
    app = open_settings(open_page("distill"), "Student")
    assert not [box for box in app.text_input if box.key == "all milestones"]
    app.selectbox(key="all schedule").select("steps").run()
    app.text_input(key="all milestones").set_value("50-nine").run()
    assert ["join" in error.value for error in app.error] == [True, True]  # on the page and in the dialog
    app.text_input(key="all milestones").set_value("50-90").run()
    assert not app.error
    open_settings(app, "Teacher").number_input(key="all teacher_smoothing").set_value(0.1).run()
    assert "teaches worse" in app.warning[0].value


def test_an_unavailable_device_is_refused_by_name_and_disables_the_start(open_page: Open) -> None:
    app = open_page("distill", device="cuda:7")
    assert "“Device” = cuda:7" in app.error[0].value.replace("\\", "")
    assert button(app, "Start training").disabled


@pytest.mark.slow
def test_a_link_gives_the_same_run_as_its_parameters(open_page: Open) -> None:
    link = {"dataset": "glyphs", "dataset_count": "106", "labelled": "3"}
    app = open_page("distill", **link)
    assert not app.error
    open_settings(app, "Data")
    assert app.slider(key="all wrong").value == from_flat(link).labels.wrong


@pytest.mark.usefixtures("home")
def test_a_pasted_text_becomes_the_data_of_a_language_model(open_page: Open) -> None:
    app = open_page("distill", dataset="own_text")
    app.button(key="import").click().run()
    app.text_area(key="pasted text").set_value("One, two, three: it is a rhyme.\n" * 60).run()
    assert "Text file in UTF-8: 1,920 characters on 60 lines" in texts(app).replace("\\", "")
    app.button(key="keep upload").click().run()
    assert not app.exception
    (upload,) = uploads.list_all()
    assert (upload.dataset, len(upload)) == ("own_text", 1920)
    assert app.query_params["dataset"] in ("own_text", ["own_text"])
    assert "Texts of the validation set" in texts(app)


@pytest.mark.usefixtures("home")
def test_a_table_can_be_taken_as_running_text_and_a_text_that_is_none_is_refused(open_page: Open) -> None:
    rows = "\n".join(f'"remark number {number}, like the others",{"ab"[number % 2]}' for number in range(60))
    app = open_import(open_page, ("remarks.csv", f"remark,mood\n{rows}".encode(), "text/csv"))
    assert "60 texts with one class each" in texts(app)
    named(app, "selectbox", _widget(app, "as")).select("language").run()
    assert "Text file in UTF-8" in texts(app).replace("\\", "")
    named(app, "selectbox", _widget(app, "as")).select("classification").run()
    assert "60 texts with one class each" in texts(app)


def tagged_images(label: str, values: list[object]) -> bytes:
    """Return a ZIP of 24 squares with a table of their labels."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        lines = [f"image,{label}"]
        for number in range(24):
            image = io.BytesIO()
            Image.new("L", (20, 20), 10 * number).save(image, "PNG")
            archive.writestr(f"images/{number}.png", image.getvalue())
            lines.append(f"{number}.png,{values[number % len(values)]}")
        archive.writestr("labels.csv", "\n".join(lines))
    return buffer.getvalue()


@pytest.mark.usefixtures("home")
def test_images_with_a_table_of_labels_show_their_labels_and_may_take_another_column(open_page: Open) -> None:
    rows: list[object] = [
        f"{['cat|dog', 'cat', 'dog', 'owl|cat', 'owl'][number % 5]},{number / 8}" for number in range(24)
    ]
    rows[2] = "dog,tall"
    content = tagged_images("labels,height", rows)
    app = open_import(open_page, ("tagged.zip", content, "application/zip"))
    assert "24 images with any number of labels each, 3 classes" in texts(app)
    assert named(app, "selectbox", _widget(app, "label")).value == ("labels",)
    named(app, "selectbox", _widget(app, "label")).select(("height",)).run()
    assert "images with a number each, which is to be predicted" in texts(app)
    assert '"labels.csv", line 4, column 3: "tall" is not a number' in texts(app).replace("\\", "")
    assert app.button(key="keep upload").disabled
    named(app, "selectbox", _widget(app, "label")).select(("labels",)).run()
    app.button(key="keep upload").click().run()
    assert not app.exception
    (upload,) = uploads.list_all()
    assert (upload.kind, upload.classes) == ("multi-label images", ("cat", "dog", "owl"))
    assert "Images of the validation set with their labels" in texts(app)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("content", "reason", "kind"),
    [
        (
            test_masks.packed(test_masks.pairs() | {"data/masks/3.png": test_masks.png(test_masks.mask(3)[:-1])}),
            "has 16 × 15 pixels, and its image 16 × 16",
            "masks",
        ),
        (test_boxes.packed(test_boxes.coco(test_boxes.COCO_FAULTS[0][1])), "has no area", "boxes"),
        (test_boxes.packed(test_boxes.yolo("7 0.5 0.5 0.1 0.1\n")), "there are names of 2", "boxes"),
        (test_boxes.packed(test_boxes.voc()), "", "boxes"),
    ],
    ids=["masks", "coco", "yolo", "voc"],
)
def test_masks_and_boxes_of_every_format_are_imported_and_what_is_wrong_is_left_out_by_consent(
    open_page: Open, content: bytes, reason: str, kind: str
) -> None:
    app = open_import(open_page, ("mine.zip", content, "application/zip"))
    assert reason in texts(app)
    assert app.button(key="keep upload").disabled == bool(reason)
    if reason:
        named(app, "checkbox", _widget(app, "leave out")).check().run()
    app.button(key="keep upload").click().run()
    assert not app.error
    assert not app.exception
    (upload,) = uploads.list_all()
    assert kind in upload.kind


@pytest.mark.usefixtures("home")
def test_images_with_numbers_are_shown_with_them_in_their_unit(open_page: Open) -> None:
    upload = uploads.add("heights.zip", tagged_images("height", [f"{number / 8}" for number in range(24)]))
    labels = [label for _, label in data_card._images(find_plugin("datasets", "upload")(id=upload.id))]  # type: ignore[call-arg, arg-type]
    assert labels
    assert {float(label) * 8 for label in labels} <= set(range(24))
    app = open_page("distill", dataset="upload", dataset_id=upload.id)
    assert not app.exception
    assert (
        "heights.zip · 24 examples, each with a number"
        in open_settings(app, "Data")
        .selectbox(key=next(box.key for box in app.selectbox if box.key and "uploads" in box.key))
        .options
    )


@pytest.mark.usefixtures("home")
def test_texts_with_several_labels_are_shown_with_them(open_page: Open) -> None:
    rows = [f'"remark number {number}, like all the others",{["a|b", "a", "b"][number % 3]}' for number in range(60)]
    upload = uploads.add("remarks.csv", "\n".join(["remark,labels", *rows]).encode())
    app = open_page("distill", dataset="upload", dataset_id=upload.id)
    assert not app.exception
    assert "**a, b** remark number" in texts(app)
