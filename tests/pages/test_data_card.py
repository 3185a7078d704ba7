"""One's own data and weights on the form, and data that must be fetched first."""

import io
import zipfile
from dataclasses import replace

import pytest
import safetensors.torch
from PIL import Image

from kd_core.base.registry import find_plugin
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.datasets.mnist import Mnist
from kd_core.files import uploads
from kd_core.nn import weights
from kd_core.runs import downloads
from kd_core.runs.manager import RunManager
from kd_core.training.learner import NetworkTrainer
from tests.pages.test_distill import Open, button, finish, texts
from tools.testing.dataset_files import PUBLISHED
from tools.testing.http_server import Host
from tools.testing.waiting import wait


def pictures() -> bytes:
    """A ZIP of two classes, eight dark and eight light squares."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, base in (("dark", 20), ("light", 200)):
            for number in range(8):
                image = io.BytesIO()
                Image.new("L", (20, 20), base + number).save(image, "PNG")
                archive.writestr(f"{name}/{number}.png", image.getvalue())
    return buffer.getvalue()


@pytest.mark.usefixtures("home")
def test_data_to_fetch_say_where_they_come_from_and_come_at_one_click(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host()
    published = PUBLISHED["mnist"](host.url)
    host.files |= published.files
    for cls, attribute, value in published.patches:
        monkeypatch.setattr(cls, attribute, value)
    app = open_page("distill", autoplay="0", dataset="mnist")
    assert "LeCun, Cortes & Burges, 1998" in texts(app).replace("\\", "")
    assert "Licence: CC BY" in texts(app).replace("\\", "")
    assert not [found for found in app.button if found.label == "Start training"]
    button(app, "Fetch 12 MB").click().run()
    wait(lambda: downloads.latest(Mnist()).is_over)
    host.close()
    app.run()
    assert not app.error
    assert button(app, "Start training")
    assert "train," in texts(app)


@pytest.mark.usefixtures("home")
def test_without_a_network_a_sentence_names_the_data_that_need_none(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cls, attribute, value in PUBLISHED["kmnist"]("http://127.0.0.1:9").patches:
        monkeypatch.setattr(cls, attribute, value)
    app = open_page("distill", autoplay="0", dataset="kmnist")
    next(found for found in app.button if found.label.startswith("Fetch")).click().run()
    wait(lambda: downloads.latest(find_plugin("datasets", "kmnist")()).is_over)
    app.run()
    assert "need none" in app.error[0].value
    app.selectbox(key="set dataset").select("digits").run()
    assert not app.error


@pytest.mark.usefixtures("home")
def test_an_archive_of_class_folders_becomes_data_that_a_student_learns_from(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill", autoplay="0", dataset="upload")
    app.file_uploader(key="upload").set_value(("squares.zip", pictures(), "application/zip")).run()
    button(app, "Check and keep it").click().run()
    assert not app.error
    (kept,) = uploads.list_all()
    assert kept.name == "squares.zip"
    assert app.query_params["dataset_id"] == [kept.id] or app.query_params["dataset_id"] == kept.id
    app.number_input(key="set epochs").set_value(2).run()
    app.run()  # a turn draws a part alone, and this page knows only what was drawn last
    button(app, "Start training").click().run()
    finish(shared, 1)
    assert shared.store.runs()[0].config.student.name == "cnn"  # what images suggest
    app = open_page("distill", autoplay="0", dataset="upload", dataset_id=kept.id)
    button(app, "Forget this upload").click().run()
    assert uploads.list_all() == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("broken.zip", b"PK\x03\x04 and no more", "broken.zip: "),
        ("weights.pt", b"\x80\x02}q\x00.", "weights.pt: "),
        ("one.csv", b"x,y,label\n1,2,a\n", "one.csv: "),
    ],
)
def test_a_file_that_cannot_be_used_is_answered_and_nothing_is_kept(
    open_page: Open, name: str, content: bytes, sentence: str
) -> None:
    app = open_page("distill", autoplay="0", dataset="upload")
    app.file_uploader(key="upload").set_value((name, content, "text/plain")).run()
    button(app, "Check and keep it").click().run()
    assert sentence in app.error[0].value.replace("\\", "")
    assert uploads.list_all() == []


@pytest.mark.usefixtures("home")
def test_uploaded_weights_become_a_teacher_that_is_not_trained(open_page: Open, shared: RunManager) -> None:
    config = from_flat({"dataset": "moons"})
    data = load(config.dataset)
    network = config.teacher.build(data.shape, len(data.classes))
    blob = safetensors.torch.save(network.state_dict())
    app = open_page("distill", autoplay="0", dataset="moons", epochs="2", teacher_epochs="0")
    app.file_uploader(key="weights file").set_value(("mine.safetensors", blob, "application/octet-stream")).run()
    button(app, "Check and keep them").click().run()
    assert not app.error
    (kept,) = weights.list_all()
    button(app, "Start training").click().run()
    finish(shared, 1)
    run = shared.store.runs()[0]
    assert run.config.teacher_recipe.weights == kept.id
    assert run.test is not None
    other = open_page("distill", autoplay="0", dataset="moons", teacher_widths="8", teacher_weights=kept.id)
    assert "no such weights of an MLP 8" in other.error[0].value.replace("\\", "")


def test_too_little_memory_is_answered_with_one_click(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    forward = NetworkTrainer.forward

    def cramped(self: NetworkTrainer, batch: object, step: int) -> None:
        if self.role == "student" and len(batch.rows) > 5:
            raise torch.OutOfMemoryError
        forward(self, batch, step)

    monkeypatch.setattr(NetworkTrainer, "forward", cramped)
    app = open_page("distill", autoplay="0", dataset="moons", epochs="2", teacher_epochs="1", batch_size="16")
    button(app, "Start training").click().run()
    wait(lambda: shared.store.in_state("failed"))
    app.run()
    assert "batches of 4 fit" in app.error[0].value.replace("\\", "")
    button(app, "Train again with batches of 4").click().run()
    finish(shared, 1)
    first, again = sorted(shared.store.runs(), key=lambda row: row.created)
    assert again.config.recipe == replace(first.config.recipe, batch_size=4)


def test_milestones_are_asked_for_where_the_schedule_has_some_and_a_smoothed_teacher_is_warned_of(
    open_page: Open,
) -> None:
    app = open_page("distill", autoplay="0")
    assert not [box for box in app.text_input if box.key == "set milestones"]
    app.selectbox(key="set schedule").select("steps").run()
    app.text_input(key="set milestones").set_value("50-nine").run()
    assert "join" in app.error[0].value
    app.text_input(key="set milestones").set_value("50-90").run()
    assert not app.error
    app.number_input(key="set teacher_smoothing").set_value(0.1).run()
    assert "teaches worse" in app.warning[0].value


def test_a_device_that_is_not_here_is_named_and_nothing_starts(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", device="cuda:7")
    assert "device = cuda:7: this machine offers auto" in app.error[0].value.replace("\\", "")
    assert button(app, "Start training").disabled


def test_a_link_is_the_run_that_it_names(open_page: Open) -> None:
    link = {"dataset": "glyphs", "dataset_count": "106", "labelled": "3"}
    app = open_page("distill", autoplay="0", **link)
    assert not app.error
    assert app.slider(key="set wrong").value == from_flat(link).labels.wrong
