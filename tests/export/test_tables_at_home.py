"""Rows of an uploaded table, predicted without this package from the file as it was uploaded."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import kd_core as kd
from kd_core.datasets import load
from kd_core.export.network import graphs
from kd_core.files import uploads
from tests.export.test_take_home import predict

CHANCE = np.random.default_rng(0)


def flowers() -> str:
    """Numbers with missing cells, words, and a column that counts up."""
    lines = ["id,length,colour,width,species"]
    for number in range(90):
        kind = number % 3
        width = "" if number % 17 == 0 else f"{CHANCE.normal(kind, 1):.2f}"
        colour = ("red", "blue", "green")[(kind + number % 2) % 3]
        lines.append(f"{number},{CHANCE.normal(kind, 0.3):.3f},{colour},{width},{('iris', 'rose', 'lily')[kind]}")
    return "\n".join(lines)


def points() -> str:
    rows = [f"{CHANCE.normal(5 + k % 2, 1):.4f};{CHANCE.normal(20 * (k % 2), 4):.4f};{'ab'[k % 2]}" for k in range(60)]
    return "\n".join(["x;y;label", *rows])


def pixels() -> str:
    """Pictures of 8 × 8 pixels from 0 to 1."""
    rows = [[str(k % 2), *(f"{v:.3f}" for v in CHANCE.uniform(0, 0.5 + 0.5 * (k % 2), 64))] for k in range(60)]
    return "\n".join(",".join(row) for row in [["y", *(f"p{place}" for place in range(64))], *rows])


def remarks() -> str:
    """Texts with commas and quotation marks, each with a class."""
    rows = [f'{"yn"[k % 2]},"{"good" if k % 2 else "bad"} number {k}, said ""{k * k}"" of them"' for k in range(60)]
    return "\n".join(["mood,remark", *rows])


@pytest.mark.parametrize("table", [flowers, points, pixels, remarks])
def test_every_row_of_the_uploaded_file_gets_the_answer_of_the_engine(
    table: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(graphs, "ONNX_PACKAGES", ("left_out",))  # it takes seconds, and is tested elsewhere
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "data"))
    file = tmp_path / "table.csv"
    file.write_text(table(), encoding="utf-8")
    upload = uploads.add("table.csv", file.read_bytes())
    result = kd.distill(dataset="upload", dataset_id=upload.id, epochs=1, teacher_epochs=1)
    with zipfile.ZipFile(result.export(out=tmp_path / "student.zip")) as archive:
        archive.extractall(tmp_path)
    answers = [list(answer["probabilities"].values()) for answer in predict(tmp_path, capsys, str(file))]
    # The upload shuffles its rows, so both sides are sorted.
    inputs = torch.cat([split.inputs for split in load(result.config.dataset).splits.values()])
    expected = result.student(inputs).double().softmax(1).tolist()
    assert np.allclose(sorted(answers), sorted(expected), atol=1e-5)
    assert len(answers) == len(upload)


def houses() -> str:
    rows = [
        f"{CHANCE.normal(100, 30):.1f},{('old', 'new')[k % 2]},{1e5 + 2e4 * CHANCE.normal():.0f}.5" for k in range(60)
    ]
    return "\n".join(["area,state,price", *rows])


def meals() -> str:
    rows = [
        f"{CHANCE.normal():.3f},{CHANCE.normal():.3f},{CHANCE.normal():.3f},{'sweet|salty' if k % 3 else 'sweet'}"
        if k % 2
        else f"{CHANCE.normal():.3f},{CHANCE.normal():.3f},{CHANCE.normal():.3f},{'bitter' if k % 3 else 'salty'}"
        for k in range(60)
    ]
    return "\n".join(["a,b,c,tags", *rows])


def lots() -> str:
    """Texts with a number each."""
    rows = [f'"lot {k}, said to be {"old" if k % 2 else "new"}",{1e5 + 2e4 * CHANCE.normal():.0f}.5' for k in range(60)]
    return "\n".join(["remark,price", *rows])


def dishes() -> str:
    """Texts with several labels each."""
    tags = ("sweet|salty", "bitter", "sweet", "salty")
    rows = [f'"dish {k}, which was {tags[k % 4]}, they said",{tags[k % 4]}' for k in range(60)]
    return "\n".join(["remark,tags", *rows])


@pytest.mark.parametrize("table", [houses, meals, lots, dishes])
def test_several_labels_and_numbers_are_predicted_at_home(
    table: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(graphs, "ONNX_PACKAGES", ("left_out",))
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "data"))
    file = tmp_path / "table.csv"
    file.write_text(table(), encoding="utf-8")
    upload = uploads.add("table.csv", file.read_bytes(), label=("price",) if table in (houses, lots) else ())
    result = kd.distill(dataset="upload", dataset_id=upload.id, epochs=1, teacher_epochs=1)
    with zipfile.ZipFile(result.export(out=tmp_path / "student.zip")) as archive:
        archive.extractall(tmp_path)
    data = load(result.config.dataset)
    outputs = result.student(torch.cat([split.inputs for split in data.splits.values()])).double()
    answers = predict(tmp_path, capsys, str(file))
    if table in (houses, lots):
        prices = [answer["numbers"]["price"] for answer in answers]
        expected = (outputs[:, 0] * data.label_scale[0] + data.label_centre[0]).tolist()
        assert 5e4 < min(prices) < max(prices) < 1.5e5
        assert np.allclose(sorted(prices), sorted(expected), rtol=1e-5)
    else:
        assert data.classes == ("bitter", "salty", "sweet")
        rows = [list(answer["probabilities"].values()) for answer in answers]
        assert np.allclose(sorted(rows), sorted(outputs.sigmoid().tolist()), atol=1e-5)
        for answer in answers:
            assert set(answer["classes"]) == {name for name, p in answer["probabilities"].items() if p > 0.5}
