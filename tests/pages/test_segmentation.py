"""Tests of the Segmentation page, and of other pages for a run of images with masks, without a browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import jaccard_score
from streamlit.testing.v1 import AppTest

from kd_core.analysis import error_analysis
from kd_core.analysis.examples import pixels
from kd_core.analysis.replay import open_replay
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.export.compression import stages
from kd_core.export.compression.unpruned import open_unpruned
from kd_core.models._pruning import prune
from kd_core.runs.manager import RunManager
from kd_core.store.records import COMPLETED
from pages.ui.networks.compress import stages as page_stages
from tests.pages.conftest import show_on_pages
from tools.testing.waiting import wait_for_end
from tools.testing.widgets import open_tables

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
TINY = {
    "dataset": "scenes", "dataset_count": "24", "teacher_width": "4", "teacher_epochs": "1", "student_width": "2",
    "epochs": "2", "labelled": "8", "batch_size": "4",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(lab: RunManager) -> str:
    run = lab.start(from_flat(TINY))
    assert wait_for_end(lab, run, 120) == COMPLETED
    return run


@pytest.fixture
def shared(lab: RunManager, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    show_on_pages(lab, monkeypatch)
    return lab


def texts_of(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.info, *app.error, *app.caption])


def test_without_a_run_one_button_trains_on_scenes(open_page: Open, shared: RunManager) -> None:
    app = open_page("segmentation")
    app.button(key="first run").click().run()
    row = shared.store.runs(1)[0]
    assert row.config == from_flat({"dataset": "scenes"})
    assert app.query_params["run"] == row.id
    shared.stop(row.id)


def test_a_finished_run_has_its_scores_and_the_maps_of_an_image(open_page: Open, run: str) -> None:
    app = open_page("segmentation", run=run, image="3")
    assert not app.error
    assert not app.exception
    assert "Mean IoU on the test set: Teacher" in texts_of(app)
    assert "Image 4 of 40 of the test set" in texts_of(app)
    assert len(open_tables(app).dataframe[0].value) == 40


def test_the_maps_are_the_outputs_of_the_stored_networks(shared: RunManager, run: str) -> None:
    row = shared.store.run(run)
    assert row is not None
    replay = open_replay(shared.store, row)
    snapshot = replay.snapshot_at(-1)
    maps = pixels.pixel_maps(replay, snapshot, 5, ["student"])
    logits = np.frombuffer(base64.b64decode(maps["logits"]["student"]), np.float32).reshape(32, 32, 6)
    network = replay.networks(snapshot)["student"]
    expected = network(replay.data.test.inputs[5:6])[0].detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    mask = np.frombuffer(base64.b64decode(maps["mask"]), np.uint8).reshape(32, 32)
    assert (mask == replay.data.test.labels[5].numpy()).all()


def test_a_run_of_classes_is_refused_in_a_sentence(open_page: Open, shared: RunManager) -> None:
    other = shared.start(from_flat({"dataset": "moons", "epochs": "1"}))
    wait_for_end(shared, other, 60)
    assert "give no class to pixels" in open_page("segmentation", run=other).info[0].value


def test_temperature_is_about_one_class_per_example_and_says_so(open_page: Open, run: str) -> None:
    app = open_page("temperature", run=run)
    assert "Segmentation has no class per example" in texts_of(app)
    assert not app.exception


def test_inspect_counts_pixels_and_names_them(open_page: Open, shared: RunManager, run: str) -> None:
    row = shared.store.run(run)
    assert row is not None
    app = open_page("inspect", run=run, group="hardest")
    texts = texts_of(app)
    assert f"20,000 of the {load(row.config.dataset).test.labels.numel():,} test pixels" in texts
    assert "Of 20,000 test pixels the" in texts
    assert "McNemar" not in texts  # neighbours are alike
    replay = open_replay(shared.store, row)
    analysis = error_analysis.analyse(replay, replay.snapshot_at(-1), {"student": "student"})
    at = analysis.examples("hardest")[0]
    image, y, x = map(int, re.findall(r"\d+", analysis.title(at)))
    logits = replay.networks(replay.snapshot_at(-1))["student"](replay.data.test.inputs[image - 1 : image])
    assert analysis.example_logits(at)["student"] == pytest.approx(logits[0, y - 1, x - 1].tolist(), abs=1e-5)
    assert analysis.labels[at] == replay.data.test.labels[image - 1, y - 1, x - 1]


def test_compress_prunes_by_the_mean_iou(
    open_page: Open, shared: RunManager, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stages, page_stages):
        monkeypatch.setattr(module, "has_packages", lambda: False)  # PyTorch measures in less time
    app = open_page("compress", run=run, fraction="0.5")
    assert not app.error
    unpruned = open_unpruned(shared.store, shared.store.run(run), "student")
    network = prune(unpruned.network, 0.5, "channels", unpruned.data.train.inputs)
    validation = unpruned.data.validation
    masks = network(validation.inputs).argmax(-1)
    expected = jaccard_score(validation.labels.flatten(), masks.flatten(), average=None, zero_division=0).mean()
    assert dict(stages.pruning_curve(unpruned, "channels"))[0.5] == pytest.approx(expected)
    assert "mean IoU, %" in app.dataframe[-1].value.columns
    charts = [str(element.proto) for element in app.get("plotly_chart")]
    assert any("Validation mean IoU by the fraction of channels removed" in chart for chart in charts)


@pytest.mark.parametrize(("page", "name"), [("distill", "run"), ("compare", "runs"), ("sweep", "")])
def test_the_other_pages_show_the_run(open_page: Open, run: str, page: str, name: str) -> None:
    app = open_page(page, **({name: run} if name else {"dataset": "scenes"}))
    assert not app.exception
    assert not [one.value for one in app.error]


def test_distill_draws_the_last_masks_of_all_networks_beside_the_truth(open_page: Open, run: str) -> None:
    html = " ".join(str(element.proto) for element in open_page("distill", run=run).get("html"))
    for name in ("Image", "Truth", "Teacher", "Student", "Baseline student"):
        assert f'alt=\\"{name}: ' in html
