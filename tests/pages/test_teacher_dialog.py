"""Dialog that imports a teacher from a file."""

import io

import numpy as np
import pytest
import safetensors.torch
import torch

from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.files import teachers
from kd_core.files.teachers.provenance import provenance
from kd_core.nn import weights
from kd_core.runs.manager import RunManager
from tests.pages.test_distill import Open, button, finish, texts
from tools.testing.widgets import open_settings

OCTETS = "application/octet-stream"


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_imported_weights_are_measured_and_become_a_teacher_that_is_not_trained(
    open_page: Open, shared: RunManager
) -> None:
    config = from_flat({"dataset": "moons"})
    data = load(config.dataset)
    network = config.teacher.build(data.shape, len(data.classes))
    blob = safetensors.torch.save(network.state_dict())
    app = open_page("distill", dataset="moons", epochs="2")
    open_settings(app, "Teacher").button(key="import teacher").click().run()
    app.file_uploader(key="teacher file").set_value(("mine.safetensors", blob, OCTETS)).run()
    correct = (network(data.validation.inputs).argmax(1) == data.validation.labels).double().mean()
    assert f"Accuracy **{100 * correct:.1f}" in texts(app)
    assert weights.list_all() == []
    app.button(key="keep teacher").click().run()
    assert not app.error
    (entry,) = weights.list_all()
    assert "from mine.safetensors" in texts(app).replace("\\", "")
    button(app, "Start training").click().run()
    finish(shared, 1)
    run = shared.store.runs()[0]
    assert (run.config.teacher_recipe.weights, run.config.teacher_recipe.epochs) == (entry.id, 0)
    assert run.test is not None
    other = open_page("distill", dataset="moons", epochs="3")
    open_settings(other, "Teacher").button(key="import teacher").click().run()
    other.selectbox(key="stored teacher").select(entry.id).run()
    other.button(key="use stored teacher").click().run()
    assert other.query_params["teacher_weights"] in (entry.id, [entry.id])
    other = open_page("distill", dataset="moons", teacher_widths="8", teacher_weights=entry.id)
    assert "MLP 8" in other.error[0].value.replace("\\", "")


@pytest.mark.usefixtures("home")
def test_a_better_order_of_classes_is_offered_and_used_by_one_click(open_page: Open) -> None:
    data = load(from_flat({"dataset": "moons"}).dataset)
    logits = torch.nn.functional.one_hot(1 - data.train.labels, 2).float().numpy()
    np.save(file := io.BytesIO(), logits)
    app = open_page("distill", dataset="moons")
    next(box for box in app.selectbox if box.label == "Teacher").select("teacher_file").run()
    assert button(app, "Start training").disabled
    app.file_uploader(key="teacher file").set_value(("logits.npy", file.getvalue(), OCTETS)).run()
    assert "no better than chance" in app.warning[0].value
    app.button(key="use advice 0").click().run()
    app.button(key="keep teacher").click().run()
    assert not app.error
    (entry,) = teachers.list_all()
    assert provenance(entry.id).accuracy == 1  # type: ignore[union-attr]
    assert app.query_params["teacher_id"] in (entry.id, [entry.id])


@pytest.mark.usefixtures("home")
def test_a_refused_file_is_named_and_not_stored(open_page: Open) -> None:
    app = open_page("distill", dataset="moons")
    next(box for box in app.selectbox if box.label == "Teacher").select("teacher_file").run()
    app.file_uploader(key="teacher file").set_value(("broken.pt2", b"PK\x03\x04 and no more", OCTETS)).run()
    assert "broken.pt2: " in app.error[-1].value.replace("\\", "")
    assert teachers.list_all() == weights.list_all() == []
