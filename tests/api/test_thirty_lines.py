"""The thirty lines that the library was designed after."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import kd_core as kd

NAMES = """
result = kd.distill(dataset="digits", labelled=50, teacher="cnn", student="mlp",
                    loss=kd.losses.SoftTargets(temperature=4, alpha=0.9), epochs=120, seed=0)
print(result.verdict)
result.student
result.history.to_pandas()
"""
OBJECTS = """
data = kd.Data.from_tensors(x_train, y_train, x_val, y_val, x_test, y_test, classes=names)
@kd.loss(weight=2.0)
def cosine(student_logits, teacher_logits):
    return 1 - torch.cosine_similarity(student_logits, teacher_logits).mean()
result = kd.distill(dataset=data, teacher=my_resnet, student=my_cnn, loss=cosine, control=True)
"""
LOOP = """
trainer = kd.Trainer(kd.RunConfig(dataset="moons", epochs=40))
for event in trainer:
    if isinstance(event, kd.events.Validated) and event.epoch == 20:
        trainer.adjust(temperature=2.0)
trainer.save("run.safetensors")
"""
MANY = """
grid = kd.sweep(dataset="digits", temperature=[1, 2, 4, 8], alpha=[0.5, 0.9], seeds=5)
print(grid.best, grid.to_pandas())
print(kd.compare_seeds(grid.best.config, seeds=5).verdict)
run = kd.load_run(run_id)
"""


@pytest.mark.slow
def test_names_of_parts_train_and_print(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"kd": kd}
    exec(NAMES.replace("epochs=120", "epochs=12, teacher_epochs=1"), names)
    assert capsys.readouterr().out.startswith("Baseline ")
    result = names["result"]
    assert isinstance(result, kd.Result)
    assert isinstance(result.student, nn.Module)
    assert not result.student.training


def test_own_networks_data_and_loss_train() -> None:
    random = torch.Generator().manual_seed(0)
    names: dict[str, object] = {"kd": kd, "torch": torch, "names": ["left", "right"]}
    for split in ("train", "val", "test"):
        names[f"x_{split}"] = x = torch.randn(200, 1, 8, 8, generator=random)
        names[f"y_{split}"] = (x[:, 0, 2, 2] > 0).long()
    torch.manual_seed(0)
    names["my_resnet"] = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
    names["my_cnn"] = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    exec(OBJECTS, names)
    result = names["result"]
    assert isinstance(result, kd.Result)
    assert result.test.keys() == {"teacher", "student", "baseline"}
    assert result.test["baseline"]["accuracy"] > 0.7


@pytest.mark.slow
def test_the_loop_is_a_generator_that_can_be_steered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"kd": kd}
    exec(LOOP, names)
    assert (tmp_path / "run.safetensors").is_file()
    trainer = names["trainer"]
    assert isinstance(trainer, kd.Trainer)
    assert trainer.live.values["temperature"] == 2.0


@pytest.mark.slow
def test_a_grid_is_swept_and_its_best_cell_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    stored = kd.distill(dataset="moons", epochs=1, store=True)
    names: dict[str, object] = {"kd": kd, "run_id": stored.id}
    exec(MANY.replace('"digits",', '"digits", epochs=3, teacher_epochs=1,'), names)
    assert "over 5 seeds" in capsys.readouterr().out
    grid = names["grid"]
    assert isinstance(grid, kd.SweepResult)
    assert len(grid.cells) == 8
