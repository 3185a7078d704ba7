"""Pages that show runs with data, networks and losses from Python, which the app's process does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

import kd_core as kd
from kd_core.base import registry
from kd_core.config.python_parts import store_python_parts
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

pytestmark = pytest.mark.slow

SEED = torch.Generator().manual_seed(0)
IMAGES = kd.Data.from_tensors(torch.randn(60, 1, 8, 8, generator=SEED), torch.arange(60) % 4)
FRAME = pd.DataFrame({
    "size": range(60), "colour": ["red", "blue", "green"] * 20, "weight": [n % 17 / 3 for n in range(60)]
})  # fmt: skip


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(256, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs).relu().flatten(1))


class Branching(Small):
    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits + 1 if float(logits.detach().sum()) > 0 else logits


@kd.loss
def squares(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    return (student_logits - teacher_logits).square().mean()


RUNS: dict[str, dict[str, Any]] = {
    "modules": {"dataset": IMAGES, "teacher": Small(), "student": Small(), "loss": squares},
    "features": {"dataset": IMAGES, "teacher": Small(), "student": Small, "loss": "attention"},
    "logits": {"dataset": IMAGES, "teacher": torch.zeros(44, 4), "student": "mlp"},
    "numbers": {"dataset": kd.Data.from_pandas(FRAME, label="weight")},
    "several texts": {"dataset": kd.Data.from_numpy([f"text number {n}" for n in range(60)], torch.eye(60, 3) * 1)},
}


@pytest.fixture
def start(shared: RunManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that trains a run and forgets its objects, as if another process had trained it."""
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))

    def call(**settings: Any) -> str:
        config = kd.RunConfig(**settings, epochs=2)
        store_python_parts(vars(config).values(), tmp_path)
        run = shared.start(config)
        assert wait_for_end(shared, run) == "completed"
        monkeypatch.setattr(registry, "_from_python", {})
        kd.RunConfig.from_json_unchecked.cache_clear()
        return run

    return call


@pytest.mark.parametrize("kind", RUNS)
def test_every_page_opens_a_run_from_python(
    start: Callable[..., str], open_page: Callable[..., AppTest], kind: str
) -> None:
    run = start(**RUNS[kind])
    of_classes = [("temperature", "run"), ("inspect", "run")] * (kind not in ("numbers", "several texts"))
    for page, name in (("distill", "run"), *of_classes, ("compare", "runs")):
        app = open_page(page, **{name: run, "autoplay": "0"})
        assert not app.error, (page, [error.value for error in app.error])


def test_what_cannot_be_computed_is_said(start: Callable[..., str], open_page: Callable[..., AppTest]) -> None:
    run = start(dataset=IMAGES, teacher="mlp", student=Branching())
    for page in ("temperature", "inspect"):
        (error,) = open_page(page, run=run).error
        assert "Branching was given from Python" in error.value
    assert not open_page("compare", runs=run).error
    distill = open_page("distill", run=run)
    assert not distill.error
    assert any("Branching was given from Python" in caption.value for caption in distill.caption)
