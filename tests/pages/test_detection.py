"""Tests of the Detection page without a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from streamlit.testing.v1 import AppTest

from kd_core.analysis.examples.boxes import choose_images, found_objects, scenes
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.datasets.shapes import Shapes
from kd_core.export.compression import stages
from kd_core.models.detector import Detector
from kd_core.runs.manager import RunManager
from kd_core.store.records import COMPLETED
from kd_core.tasks._boxes import BINS, Detections
from pages.ui.networks.compress import stages as page_stages
from tests.pages.conftest import show_on_pages
from tools.testing.waiting import wait_for_end
from tools.testing.widgets import open_tables

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
TINY = {
    "dataset": "shapes",
    "dataset_count": "100",
    "teacher_epochs": "1",
    "epochs": "1",
    "teacher_width": "4",
    "student_width": "4",
}


@pytest.fixture(scope="module")
def run(lab: RunManager) -> str:
    run = lab.start(from_flat(TINY))
    assert wait_for_end(lab, run, 200) == COMPLETED
    return run


@pytest.fixture
def shared(lab: RunManager, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    show_on_pages(lab, monkeypatch)
    return lab


def objects(*boxes: tuple[float, float, float, float], score: float = 0.9) -> Detections:
    return Detections(
        torch.tensor(boxes).reshape(-1, 4), torch.zeros(len(boxes), dtype=torch.long), torch.full((len(boxes),), score)
    )


def test_without_a_run_one_button_trains_a_small_detector(open_page: Open, shared: RunManager) -> None:
    app = open_page("detection")
    app.button(key="first run").click().run()
    run = shared.store.runs(1)[0]
    assert run.config == from_flat({"dataset": "shapes"})
    assert app.query_params["run"] == run.id
    shared.stop(run.id)


def test_a_finished_run_has_a_sentence_and_a_table_of_its_boxes(open_page: Open, run: str) -> None:
    app = open_page("detection", run=run)
    assert [each.value for each in app.error] == []
    assert any("AP50 on the test set: Teacher" in element.value for element in app.markdown)
    assert "truth" in open_tables(app).dataframe[0].value["network"].tolist()


def test_a_run_without_boxes_is_refused_in_a_sentence(open_page: Open, shared: RunManager) -> None:
    other = shared.start(from_flat({"dataset": "moons", "epochs": "1"}))
    wait_for_end(shared, other, 60)
    assert "find no objects" in open_page("detection", run=other).info[0].value


def test_images_in_which_the_student_missed_most_of_what_the_teacher_found_come_first() -> None:
    one, two = (0.0, 0.0, 0.3, 0.3), (0.5, 0.5, 0.9, 0.9)
    truth = [objects(one), objects(one, two), objects(two)]
    teacher = [objects(one), objects(one, two), objects(two, score=0.4)]
    student = [objects(one), objects(), objects()]
    assert choose_images({"teacher": teacher, "student": student}, truth, 2) == [1, 0]
    assert choose_images({"student": student}, truth, 2) == [0, 1]
    assert found_objects(objects((0.0, 0.0, 0.3, 0.14)), objects(one)) == []


def test_every_box_in_an_image_has_the_sides_of_all_networks_at_its_cell() -> None:
    data = load(Shapes(count=100))
    torch.manual_seed(0)
    networks = {part: Detector(4).build(data.shape, 5) for part in ("teacher", "student")}
    for scene in scenes(networks, data.test, data, 3):
        cells = [box["cell"] for boxes in (scene["truth"], *scene["found"].values()) for box in boxes]
        assert scene["truth"]
        assert set(cells) == scene["sides"].keys()
        for by_part in scene["sides"].values():
            assert by_part.keys() == networks.keys()
            assert [len(side) for side in by_part["student"]] == [BINS] * 4


@pytest.mark.parametrize("page", ["distill", "compare", "inspect", "temperature", "compress"])
def test_other_pages_show_a_run_of_detectors_or_say_why_they_cannot(
    open_page: Open, run: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stages, page_stages):
        monkeypatch.setattr(module, "has_packages", lambda: False)  # PyTorch measures in less time
    app = open_page(page, **{"runs" if page == "compare" else "run": run})
    assert not app.exception
    sentences = [each.value for each in (*app.info, *app.error)]
    expected = {"temperature": "Detection has no class per example", "compress": "int8 needs onnx"}
    assert [sentence.startswith(expected[page]) for sentence in sentences] == [True] * (page in expected)


def test_distill_draws_the_last_boxes_of_all_networks_on_the_image(open_page: Open, shared: RunManager) -> None:
    run = shared.start(from_flat(TINY))
    assert wait_for_end(shared, run, 200) == COMPLETED
    html = " ".join(str(element.proto) for element in open_page("distill", run=run).get("html"))
    for name in ("Truth", "Teacher", "Student", "Baseline student"):
        assert f'alt=\\"{name}: ' in html
