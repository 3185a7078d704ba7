"""Teachers from files, what is understood, measured and kept of them, and that they teach."""

from __future__ import annotations

import importlib.util
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import kd_core as kd
from kd_core.api.teachers import as_dataset
from kd_core.api.teachers.reader import read_teacher
from kd_core.base.metrics import accuracy
from kd_core.datasets import load
from kd_core.export.report import report
from kd_core.files import teachers
from kd_core.files.teachers.provenance import provenance
from kd_core.models._normalisation import IMAGENET_MEAN, IMAGENET_STD
from kd_core.models.cnn import Cnn
from kd_core.models.zoo import TorchvisionModel
from kd_core.nn import weights
from kd_core.store.store import DATABASE, Store
from tools.testing.limited_process import in_this_process

DIGITS = as_dataset("digits")
DATA = load(DIGITS)
ORDER = (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)  # output of every class
OUTPUTS = [str(ORDER.index(output)) for output in range(10)]  # the class of every output
NETWORK = Cnn(width=8, normalisation="none")  # with it, other numbers at the input would hardly matter
GREY = sum(IMAGENET_MEAN) / 3, sum(IMAGENET_STD) / 3
has_onnx = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))


__all__ = ["in_this_process"]
pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def pixels(inputs: Tensor) -> Tensor:
    """Return inputs as pixels in [0, 1]."""
    return inputs * DATA.std[0] + DATA.mean[0]


def outside(inputs: Tensor) -> Tensor:
    """Return inputs with the normalisation of ImageNet, as the network was trained elsewhere."""
    return (pixels(inputs) - GREY[0]) / GREY[1]


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """Return a CNN that was trained elsewhere, with another normalisation and another order of the classes."""
    torch.manual_seed(0)
    network = NETWORK.build(DATA.shape, 10)
    optimiser = torch.optim.Adam(network.parameters(), 0.005)
    inputs, labels = outside(DATA.train.inputs), torch.tensor(ORDER)[DATA.train.labels]
    for _ in range(6):
        for rows in torch.randperm(len(labels)).split(64):
            optimiser.zero_grad()
            F.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            optimiser.step()
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def accuracy_outside(trained: nn.Module) -> float:
    return accuracy(trained(outside(DATA.validation.inputs)), torch.tensor(ORDER)[DATA.validation.labels])


def saved(content: Any) -> bytes:
    torch.save(content, file := io.BytesIO())
    return file.getvalue()


def program(network: nn.Module) -> bytes:
    batch = torch.export.Dim("batch", min=1, max=4096)
    exported = torch.export.export(network, (torch.zeros(4, *DATA.shape),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, file := io.BytesIO())
    return file.getvalue()


def in_onnx(network: nn.Module, path: Path) -> bytes:
    torch.onnx.export(
        network, (torch.zeros(2, *DATA.shape),), dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["input"], output_names=["logits"], verbose=False,
    ).save(path)  # fmt: skip
    return path.read_bytes()


@pytest.mark.parametrize(
    "wrap",
    [
        safetensors.torch.save,
        lambda state: saved({"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 9}),
        lambda state: safetensors.torch.save({f"_orig_mod.model.{key}": value for key, value in state.items()}),
    ],
    ids=["safetensors", "pt of DataParallel", "compiled"],
)
@pytest.mark.slow
def test_torchvisions_own_resnet_is_recognised_and_gives_the_same_logits(wrap: Callable[[Any], bytes]) -> None:
    import torchvision

    torch.manual_seed(0)
    original = torchvision.models.resnet18(num_classes=10)
    original.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    for module in original.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    blob = wrap(original.state_dict())
    data = load(as_dataset("glyphs"))  # images of 28 × 28, which a ResNet-18 takes
    original.fc = nn.Linear(512, len(data.classes))
    blob = wrap(original.state_dict())
    candidate = read_teacher("r.pt", blob, as_dataset("glyphs"))
    assert candidate.model == TorchvisionModel(network="resnet18")
    inputs = data.validation.inputs[:8]
    with torch.no_grad():
        expected = original.eval()(inputs)
    assert (candidate.build("dataset", ())(inputs) - expected).abs().max() < 1e-5


@pytest.mark.slow
def test_normalisation_and_order_of_a_network_from_elsewhere_are_found_and_give_the_same_accuracy(
    trained: nn.Module, accuracy_outside: float
) -> None:
    candidate = read_teacher("mine.safetensors", weights.export(trained), DIGITS, NETWORK)
    before = candidate.measure()
    assert before.accuracy < 0.5
    best = candidate.advice()[0]
    assert (best.normalisation, best.order) == ("imagenet", ORDER)
    assert best.in_words(DATA.classes).startswith("With the normalisation “imagenet” and with its classes in another")
    right = candidate.with_conventions("imagenet", OUTPUTS)
    assert right.order == ORDER
    measured = right.measure()
    assert abs(measured.accuracy - accuracy_outside) < 0.001
    assert measured.low < measured.accuracy < measured.high
    assert right.advice() == []
    key, note = right.keep(measured)
    assert provenance(key) == note
    assert (note.file, note.normalisation, note.order, note.examples) == ("mine.safetensors", "imagenet", ORDER, 297)


def test_kept_weights_teach_with_features_and_are_as_accurate_as_outside(
    trained: nn.Module, accuracy_outside: float, tmp_path: Path
) -> None:
    (tmp_path / "mine.pt").write_bytes(saved(trained.state_dict()))
    teacher = kd.Teacher.from_file(tmp_path / "mine.pt", "digits", NETWORK, normalisation="imagenet", order=ORDER)
    assert teacher.advice == ()
    assert f"accuracy {100 * accuracy_outside:.1f} %" in str(teacher)
    result = kd.distill(dataset="digits", labelled=50, student="cnn", student_width=4, loss="attention", epochs=1,
                        store=tmp_path / "home", **teacher.settings)  # fmt: skip
    logits = result.networks["teacher"](DATA.validation.inputs)
    assert abs(accuracy(logits, DATA.validation.labels) - accuracy_outside) < 0.001
    # The teacher of the run can leave and come back, with its normalisation.
    back = read_teacher("back.safetensors", weights.export(result.networks["teacher"]), DIGITS, NETWORK)
    assert back.normalisation.startswith("0.449")
    assert torch.allclose(back.build(back.normalisation, ())(DATA.validation.inputs), logits, atol=1e-4)
    again = kd.load_run(result.id, tmp_path / "home")
    store = Store(tmp_path / "home" / DATABASE)
    assert "imported on" in report(store, store.run(result.id))
    assert torch.allclose(again.networks["teacher"](DATA.validation.inputs), logits, atol=1e-5)


def files(kind: str, network: nn.Module, path: Path) -> bytes:
    return program(network) if kind == "mine.pt2" else in_onnx(network, path / "x.onnx")


@pytest.mark.filterwarnings("ignore:.*isinstance.*LeafSpec:FutureWarning")  # of torch's ONNX exporter
@pytest.mark.parametrize(
    "name",
    ["mine.pt2", pytest.param("mine.onnx", marks=pytest.mark.skipif(not has_onnx, reason="onnx is not installed"))],
)
@pytest.mark.slow
def test_a_program_teaches_with_soft_targets_as_accurate_as_outside(
    trained: nn.Module, accuracy_outside: float, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(files(name, trained, tmp_path))
    teacher = kd.Teacher.from_file(tmp_path / name, "digits", normalisation="imagenet", classes=OUTPUTS)
    assert teacher.settings["teacher_id"] == teacher.id
    assert teacher.provenance.accuracy == pytest.approx(accuracy_outside, abs=0.001)
    result = kd.distill(dataset="digits", labelled=50, student="mlp", epochs=2, **teacher.settings)
    expected = accuracy(trained(outside(DATA.test.inputs)), torch.tensor(ORDER)[DATA.test.labels])
    assert result.test["teacher"]["accuracy"] == pytest.approx(expected, abs=0.001)
    with pytest.raises(ValueError, match="cannot be trained: choose 0 epochs"):
        kd.RunConfig(dataset="digits", **{**teacher.settings, "teacher_epochs": "1"})


def test_logits_by_name_teach_and_other_data_are_refused(trained: nn.Module, tmp_path: Path) -> None:
    logits = trained(outside(DATA.train.inputs)).numpy()
    np.savez(tmp_path / "logits.npz", train=logits, classes=np.array(OUTPUTS))
    named = read_teacher(tmp_path / "logits.npz", None, DIGITS)
    assert named.order == ORDER
    np.savez(tmp_path / "names.npz", train=logits, classes=np.array([f"number {name}" for name in OUTPUTS]))
    with pytest.raises(ValueError, match='none is called "0"'):
        kd.Teacher.from_file(tmp_path / "names.npz", "digits")
    np.save(tmp_path / "logits.npy", logits)
    teacher = kd.Teacher.from_file(tmp_path / "logits.npy", "digits", order=ORDER)
    assert teacher.provenance.split == "train"
    assert teacher.provenance.accuracy > 0.9  # type: ignore[operator]
    result = kd.distill(dataset="digits", labelled=50, student="mlp", epochs=2, **teacher.settings)
    assert result.outcome == "completed"
    with pytest.raises(ValueError, match="has logits for other examples"):
        kd.RunConfig(dataset=kd.Data.from_tensors(DATA.train.inputs + 1, DATA.train.labels), **teacher.settings)
    with pytest.raises(ValueError, match="augmentation"):
        kd.RunConfig(dataset="digits", mixup=0.5, **teacher.settings)


def test_a_better_order_of_a_table_is_found_without_validation_logits(trained: nn.Module, tmp_path: Path) -> None:
    np.save(tmp_path / "logits.npy", trained(outside(DATA.train.inputs)).numpy())
    candidate = read_teacher(tmp_path / "logits.npy", None, DIGITS)
    assert candidate.advice()[0].order == ORDER
    assert candidate.with_conventions(order=ORDER).advice() == []
    with pytest.raises(ValueError, match="has no effect"):
        candidate.with_conventions("imagenet")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "sentence"),
    [
        ("short.npy", lambda: np.zeros((5, 10), np.float32), "5 rows for 1,000 train examples"),
        ("wide.npy", lambda: np.zeros((1000, 11), np.float32), "11 columns for 10 classes"),
        ("notes.txt", lambda: None, "its kind is not known: give weights"),
        ("mine.safetensors", lambda: NETWORK.build(DATA.shape, 7), "has 7 classes, and these data have 10"),
        ("other.safetensors", lambda: nn.Linear(3, 3), "not recognised"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_nothing_is_stored(
    home: Path, tmp_path: Path, name: str, make: Callable[[], Any], sentence: str
) -> None:
    content = make()
    if isinstance(content, np.ndarray):
        np.save(tmp_path / name, content)
    elif content is None:
        (tmp_path / name).write_bytes(b"hello")
    else:
        (tmp_path / name).write_bytes(weights.export(content))
    with pytest.raises(ValueError, match=sentence) as refusal:
        kd.Teacher.from_file(tmp_path / name, "digits")
    assert str(refusal.value).startswith(f"{name}: ")
    assert teachers.list_all() == weights.list_all() == []
    assert not list(home.rglob("*.safetensors"))


@pytest.mark.slow
def test_a_folder_of_the_hub_states_network_classes_and_normalisation(tmp_path: Path) -> None:
    data = load(as_dataset("glyphs"))
    network = TorchvisionModel(network="resnet18").build(data.shape, len(data.classes)).eval()
    names = TorchvisionModel(network="resnet18").foreign_names(data.shape, len(data.classes))[0]
    folder = tmp_path / "resnet"
    folder.mkdir()
    state = {names[key]: value for key, value in network.state_dict().items()}
    safetensors.torch.save_file(state, folder / "model.safetensors")
    labels = dict(enumerate(reversed(data.classes)))
    config = {"architecture": "resnet18", "pretrained_cfg": {"mean": [0.5], "std": [0.25]}, "id2label": labels}
    (folder / "config.json").write_text(json.dumps(config))
    with zipfile.ZipFile(tmp_path / "resnet.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"resnet/{path.name}")
    assert read_teacher(tmp_path / "resnet.zip", None, as_dataset("glyphs")).order
    candidate = read_teacher(folder, None, as_dataset("glyphs"))
    assert candidate.normalisation == "0.5/0.25"
    assert candidate.order == tuple(reversed(range(len(data.classes))))
    inputs = data.validation.inputs[:4]
    converted = (inputs * data.std[0] + data.mean[0] - 0.5) / 0.25
    with torch.no_grad():
        expected = network(converted).flip(1)
    assert torch.allclose(candidate.build(candidate.normalisation, candidate.order)(inputs), expected, atol=1e-4)
    mean, std = [*data.mean], [*data.std]
    config = {
        "architecture": {"name": "zoo", "network": "resnet18", "label": "ResNet-18"},
        "inputs": {"mean": mean, "std": std},
    }
    (folder / "config.json").write_text(json.dumps(config))
    assert read_teacher(folder, None, as_dataset("glyphs")).normalisation == "dataset"
    (folder / "config.json").write_text('{"model_type": "swin"}')
    with pytest.raises(ValueError, match='network "swin" is not known here'):
        read_teacher(folder, None, as_dataset("glyphs"))
