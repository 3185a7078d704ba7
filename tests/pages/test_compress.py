"""Tests of the Compress page without a browser."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.marks import percent
from kd_core.config.run import from_flat
from kd_core.export.compression import stages
from kd_core.export.compression.stages import WEIGHTS, pruning_curve
from kd_core.export.compression.unpruned import open_unpruned
from kd_core.runs.manager import RunManager
from pages.ui.networks.compress import stages as page_stages
from tools.testing.waiting import wait_for_end

Open = Callable[..., AppTest]
DIGITS = {"dataset": "digits", "labelled": "0", "epochs": "3", "teacher": "mlp", "teacher_epochs": "2",
          "student_widths": "16"}  # fmt: skip


@pytest.fixture
def digits(shared: RunManager, monkeypatch: pytest.MonkeyPatch) -> str:
    """A completed run; networks are measured by PyTorch, which takes less time than an ONNX file."""
    for module in (stages, page_stages):
        monkeypatch.setattr(module, "has_packages", lambda: False)
    run = shared.start(from_flat(DIGITS))
    assert wait_for_end(shared, run, 60) == "completed"
    return run


def rows(app: AppTest) -> dict[str, float]:
    """Accuracy by stage, of the table."""
    table = app.dataframe[-1].value
    return dict(zip(table["stage"], table["accuracy, %"], strict=True))


def test_the_slider_says_the_validation_accuracy_and_a_link_restores_it(
    open_page: Open, shared: RunManager, digits: str
) -> None:
    app = open_page("compress", run=digits, kind=WEIGHTS, fraction="0.9")
    assert not app.error
    curve = dict(pruning_curve(open_unpruned(shared.store, shared.store.run(digits), "student"), WEIGHTS))
    slider = app.select_slider[0]
    assert slider.options[18] == f"{percent(0.9, 0)}: accuracy {percent(curve[0.9])}"
    assert slider.value == 0.9
    assert f"**{percent(curve[0.9])}** accuracy on the validation set" in "".join(text.value for text in app.markdown)
    slider.set_value(0.25).run()
    assert "0.25" in app.query_params["fraction"]
    assert list(rows(app)) == ["Teacher", "Student (unpruned)"]


def test_distilling_again_adds_its_control_and_keeps_both(open_page: Open, shared: RunManager, digits: str) -> None:
    app = open_page("compress", run=digits, kind=WEIGHTS, fraction="0.9")
    app.button(key="distil again").click().run()
    second = next(row.id for row in shared.store.runs(5) if row.config.student.name == "pruned")
    wait_for_end(shared, second, 60)
    app.run()
    test = shared.store.run(second).test
    accuracies = rows(app)
    assert accuracies["Distilled again"] == pytest.approx(100 * test["student"]["accuracy"])
    assert accuracies["Fine-tuned on labels"] == pytest.approx(100 * test["baseline"]["accuracy"])
    assert accuracies["Pruned"] < accuracies["Distilled again"]
    assert not [button for button in app.button if button.label == "Distil again"]
    assert "Zeros are stored" in "".join(text.value for text in app.caption)
    assert len(app.get("plotly_chart")) == 2


def test_without_the_optional_packages_sentences_say_what_to_install_and_weights_are_pruned(
    open_page: Open, digits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    missing = {"torch_pruning", "onnxruntime", "onnx", "onnxscript"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in missing else find(name, *more))
    app = open_page("compress", run=digits)
    assert not app.error
    texts = "".join(info.value for info in app.info)
    assert "distillery-lab[compress]" in texts
    assert "distillery-lab[export]" in texts
    app.button(key="test pruned").click().run()
    assert list(rows(app)) == ["Teacher", "Student (unpruned)", "Pruned"]


def test_another_network_can_be_chosen_and_an_unknown_setting_is_reported(open_page: Open, digits: str) -> None:
    app = open_page("compress", run=digits, role="baseline", kind="rows")
    assert "kind = " in app.error[0].value
    assert "Baseline student (unpruned)" in rows(app)


def test_without_runs_the_page_says_where_to_train_one(open_page: Open) -> None:
    app = open_page("compress", autoplay="0")
    assert "No finished run is stored here yet" in app.info[0].value
