"""The ZIP of a network, as somebody uses it who does not have this package."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from kd_core.api.stored import load_run
from kd_core.config.run import from_flat
from kd_core.datasets import load, standardise
from kd_core.export import formats, packages
from kd_core.export.network import graphs
from kd_core.files.uploads import decode
from kd_core.nn import weights
from kd_core.runs.manager import RunManager
from kd_core.tasks._boxes import detect
from tools.testing.networks import DETECTORS
from tools.testing.waiting import wait_for_end

pytestmark = pytest.mark.slow

# What pip installs for torch, safetensors and Pillow.
INSTALLED = (
    "torch", "torchgen", "functorch", "safetensors", "PIL", "pillow.libs", "typing_extensions.py", "filelock", "fsspec",
    "jinja2", "markupsafe", "mpmath", "networkx", "sympy", "setuptools",
)  # fmt: skip
RUN = "import runpy, sys; sys.path[:0] = sys.argv[1:2]; del sys.argv[:2]; runpy.run_path(sys.argv[0], None, '__main__')"

# One process for several folders, since importing torch takes seconds.
WRITE_IN_EACH = """
import os, runpy, sys
site, *folders = sys.argv[1:]
sys.path.insert(0, site)
for folder in folders:
    os.chdir(folder)
    sys.modules.pop("model", None)
    sys.argv = ["write.py", "the ", "--characters", "200"]
    try:
        runpy.run_path("write.py", None, "__main__")
    except SystemExit as end:
        assert not end.code
    print(end="\\0", flush=True)
"""

Unpack = Callable[..., Path]


@pytest.fixture(scope="module")
def unpack(lab: RunManager, tmp_path_factory: pytest.TempPathFactory) -> Unpack:
    made: dict[tuple[str, str], Path] = {}

    def unpacked(run: str, role: str = "", *, with_onnx: bool = True) -> Path:
        """Return the folder of a ZIP, made once; an ONNX file, which takes seconds, is needed by few tests."""
        if (run, role) not in made:
            folder = tmp_path_factory.mktemp("home")
            with pytest.MonkeyPatch.context() as patch:
                if not with_onnx:
                    patch.setattr(graphs, "ONNX_PACKAGES", ("onnx_that_nobody_has",))
                content = formats.export(lab.store, run, role).content
            zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
            made[run, role] = folder
        return made[run, role]

    return unpacked


def module_of(folder: Path, name: str = "predict") -> ModuleType:
    sys.modules.pop("model", None)  # of another folder
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def predict(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Run predict.py in this process, and return its answers."""
    assert module_of(folder).main([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def probabilities(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(inputs).double().softmax(1)


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder of packages that has torch, safetensors and Pillow, and nothing of this one."""
    site, folder = Path(torch.__file__).parents[1], tmp_path / "site-packages"
    folder.mkdir()
    for name in INSTALLED:
        if (site / name).exists():
            (folder / name).symlink_to(site / name)
    return folder


def test_a_stranger_predicts_photographs_like_the_engine(
    lab: RunManager, photo_run: str, photographs: Path, unpack: Unpack, stranger: Path
) -> None:
    home, pictures = unpack(photo_run), sorted(photographs.glob("*/0[0-3].png"))
    command = [sys.executable, "-I", "-S", "-c", RUN, str(stranger), "predict.py", *map(str, pictures), "--json"]
    result = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    stored = load_run(photo_run, lab.folder)
    data = load(stored.config.dataset)
    squares = [decode.decode(path.read_bytes(), path.name, 16)[0] for path in pictures]
    inputs = standardise(torch.from_numpy(decode.stack_images(squares, "colour")), data.mean, data.std)
    expected = probabilities(stored.student, inputs)
    assert [answer["class"] for answer in answers] == [data.classes[place] for place in expected.argmax(1)]
    for answer, row in zip(answers, expected, strict=True):
        assert list(answer["probabilities"]) == list(data.classes)
        assert list(answer["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-5)


def test_without_model_py_the_program_of_torch_export_answers(
    photo_run: str, photographs: Path, unpack: Unpack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, folder = Path(shutil.copytree(unpack(photo_run), tmp_path / "home")), str(photographs / "wood")
    before = predict(home, capsys, folder)
    (home / "model.py").unlink(missing_ok=True)
    after = predict(home, capsys, folder)
    assert len(after) == 24
    for one, other in zip(before, after, strict=True):
        assert list(one["probabilities"].values()) == pytest.approx(list(other["probabilities"].values()), abs=1e-5)


def pictures_of_all_kinds() -> dict[str, bytes]:
    chance = np.random.default_rng(1)
    colour = chance.integers(0, 256, (90, 61, 3), dtype=np.uint8)
    deep = chance.integers(0, 65536, (20, 31), dtype=np.uint16)
    alpha = np.dstack([colour, chance.integers(0, 256, (90, 61), dtype=np.uint8)])
    exif = Image.Exif()
    exif[decode.ORIENTATION_TAG] = 6
    images: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "colour.png": (Image.fromarray(colour), {}),
        "large.jpg": (Image.fromarray(colour.repeat(8, 0).repeat(8, 1)), {"quality": 90}),
        "turned.jpg": (Image.fromarray(colour), {"exif": exif}),
        "grey.png": (Image.fromarray(colour[..., 0]), {}),
        "palette.gif": (Image.fromarray(colour).quantize(16), {}),
        "transparent.png": (Image.fromarray(alpha), {}),
        "deep.png": (Image.fromarray(deep), {}),
        "bits.png": (Image.fromarray(colour[..., 0] > 99), {}),
        "exact.png": (Image.fromarray(colour[:16, :16]), {}),
    }
    blobs = {}
    for name, (image, options) in images.items():
        file = io.BytesIO()
        image.save(file, {"jpg": "JPEG"}.get(name[-3:], name[-3:].upper()), **options)
        blobs[name] = file.getvalue()
    return blobs


@pytest.mark.parametrize("colours", ["colour", "grey"])
def test_predict_py_prepares_every_picture_as_the_training_did(
    colours: str, photo_run: str, unpack: Unpack, tmp_path: Path
) -> None:
    home = unpack(photo_run)
    inputs = json.loads((home / "config.json").read_text())["inputs"]
    if colours == "grey":
        inputs |= {"channels": 1, "mean": [0.4], "std": [0.2]}
    module = module_of(home)
    for name, blob in pictures_of_all_kinds().items():
        path = tmp_path / name
        path.write_bytes(blob)
        square = decode.stack_images([decode.decode(blob, name, 16)[0]], colours)
        expected = standardise(torch.from_numpy(square), inputs["mean"], inputs["std"])[0]
        assert torch.equal(module.picture_input(path, inputs), expected), name


def test_grey_is_rounded_as_in_training_for_every_colour(photo_run: str, unpack: Unpack) -> None:
    """A sum of 0.299 R, 0.587 G and 0.114 B ends in exactly .5 for one colour in a thousand."""
    levels = np.arange(256, dtype=np.uint8)
    luma = torch.tensor(module_of(unpack(photo_run)).LUMA)
    for red in range(0, 256, 15):
        colours = np.stack(np.broadcast_arrays(np.uint8(red), levels[:, None], levels[None, :]), axis=-1)
        grey = ((torch.from_numpy(colours.copy()).int() * luma).sum(-1) + 500) // 1000
        assert np.array_equal(grey.numpy(), decode.to_grey(colours))


def test_points_come_as_numbers_and_as_a_table(
    lab: RunManager, point_run: str, unpack: Unpack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, points = unpack(point_run), torch.tensor([[0.5, -1.25], [-1.0, 0.75]])
    table = tmp_path / "points.csv"
    table.write_text("x,y,label\n0.5,-1.25,A\n-1,0.75,B\n")
    german = tmp_path / "german.csv"
    german.write_text("0,5;-1,25\n-1;0,75\n")
    expected = probabilities(load_run(point_run, lab.folder).student, points).tolist()
    for arguments in (["0.5,-1.25", "-1.0,0.75"], [str(table)], [str(german)]):
        answers = predict(home, capsys, *arguments)
        assert [list(answer["probabilities"].values()) for answer in answers] == [
            pytest.approx(row, abs=1e-5) for row in expected
        ]


def test_what_predict_py_cannot_read_is_one_sentence(
    point_run: str, unpack: Unpack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "words.csv"
    table.write_text("x,y\n1,two\n")
    module = module_of(unpack(point_run))
    for argument, part in (("missing.png", "no such file"), (str(table), "“two” in the column y is no number")):
        assert module.main([argument]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert part in line


def test_pt2_answers_like_the_student_on_all_test_examples(lab: RunManager, photo_run: str) -> None:
    content = formats.export(lab.store, photo_run, to="pt2").content
    stored = load_run(photo_run, lab.folder)
    inputs = load(stored.config.dataset).test.inputs
    answers = torch.export.load(io.BytesIO(content)).module()(inputs)
    assert torch.allclose(answers, stored.student(inputs), atol=1e-5, rtol=0)


def test_onnx_answers_like_the_student_on_all_test_examples(lab: RunManager, photo_run: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    exported = formats.export(lab.store, photo_run, to="onnx")
    stored = load_run(photo_run, lab.folder)
    inputs = load(stored.config.dataset).test.inputs
    session = onnxruntime.InferenceSession(exported.content, providers=["CPUExecutionProvider"])
    for rows in (inputs, inputs[:1]):
        answers = torch.from_numpy(session.run(["logits"], {"input": rows.numpy()})[0])
        expected = stored.student(rows)
        assert torch.allclose(answers, expected, atol=1e-4, rtol=0)
        assert torch.equal(answers.argmax(1), expected.argmax(1))
    assert f"all {len(inputs)} test examples" in exported.notes[0]
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["=mc2", "sky | sea", "wood"]


def test_the_zip_says_how_closely_its_files_agree(photo_run: str, unpack: Unpack) -> None:
    home = unpack(photo_run)
    metrics = json.loads((home / "metrics.json").read_text())
    assert metrics["compared_on"] == "test"
    assert {"student.pt2", "model.py"} <= set(metrics["parity"])
    for name, parity in metrics["parity"].items():
        assert parity["largest_difference"] <= 1e-4, name
        assert parity["same_top_class"] == 1.0, name
        assert f"`{name}`" in (home / "README.md").read_text(encoding="utf-8")
    assert set(metrics["recall_by_class"]) == {"=mc2", "sky | sea", "wood"}


def test_the_card_has_metadata_that_yaml_reads(lab: RunManager, photo_run: str, unpack: Unpack) -> None:
    yaml = pytest.importorskip("yaml")
    text = (unpack(photo_run) / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    metadata = yaml.safe_load(front)
    run = lab.store.run(photo_run)
    (result,) = metadata["model-index"][0]["results"]
    assert result["metrics"][0] == {
        "type": "accuracy", "name": "Test accuracy", "value": run.test["student"]["accuracy"],
    }  # fmt: skip
    assert metadata["pipeline_tag"] == "image-classification"
    assert "that of your pictures" in metadata["license_name"]
    for part in ("## Results", "## Recall by class", "## Data", "## Training", "## Limits", "95 % interval", "Seed: 0"):
        assert part in body
    assert "sky \\| sea" in body  # a bar would end the cell of the table


def test_nothing_in_the_zip_names_this_machine(photo_run: str, unpack: Unpack) -> None:
    here = str(Path(graphs.__file__).parents[3]).encode()
    for path in filter(Path.is_file, unpack(photo_run).iterdir()):
        assert here not in path.read_bytes(), path.name


def test_teacher_and_baseline_leave_like_the_student(lab: RunManager, point_run: str) -> None:
    stored = load_run(point_run, lab.folder)
    for role in ("teacher", "baseline"):
        exported = formats.export(lab.store, point_run, role, "safetensors")
        assert exported.name == f"{role}-{point_run}.safetensors"
        state, expected = safetensors.torch.load(exported.content), stored.networks[role].state_dict()
        assert all(torch.equal(value, state.pop(name)) for name, value in expected.items())
        assert not state
    with zipfile.ZipFile(io.BytesIO(formats.export(lab.store, point_run, "teacher").content)) as archive:
        assert {"teacher.pt2", "model.safetensors"} <= set(archive.namelist())
        assert "**teacher**" in archive.read("README.md").decode()


def test_an_exported_student_comes_back_as_a_teacher(lab: RunManager, photo_run: str) -> None:
    blob = formats.export(lab.store, photo_run, to="safetensors").content
    config = lab.store.run(photo_run).config
    data = load(config.dataset)
    key = weights.add("student.safetensors", blob, config.student, data.shape, len(data.classes))
    state = load_run(photo_run, lab.folder).student.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in weights.load(key).items())
    again = config.with_flat(
        teacher="cnn", teacher_width=4, teacher_depth=2, teacher_weights=key, teacher_epochs=0, epochs=1
    )
    assert again.teacher == config.student


def test_without_the_optional_packages_the_rest_is_made(
    lab: RunManager, point_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "ONNX_PACKAGES", ("onnx_that_nobody_has",))
    exported = formats.export(lab.store, point_run)
    (sentence,) = [each for each in exported.missing if "onnx" in each]
    assert 'pip install "distillery-lab[export]"' in sentence
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        assert {"model.safetensors", "student.pt2", "predict.py", "README.md"} <= set(archive.namelist())
        assert "student.onnx" not in archive.namelist()
        assert "onnx\\_that\\_nobody\\_has" in archive.read("README.md").decode()
    assert packages.missing_packages("X", ("torch",), "torch") == ""


@pytest.mark.slow
def test_from_photographs_and_a_torchvision_teacher_to_predictions(
    photographs: Path, stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The teacher is trained, and the photographs are read for it, by torchvision alone."""
    import torchvision
    from torchvision.transforms import v2

    import kd_core as kd

    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DISTILLERY_FOLDERS", str(tmp_path))
    root = tmp_path / "photographs"
    for picture in sorted(photographs.glob("*/*.png")):
        number = int(picture.stem)
        folder = root / ("test" if number < 4 else "val" if number < 12 else "train") / picture.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder)
    read = v2.Compose([
        v2.Resize(32), v2.CenterCrop(32), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])  # fmt: skip

    def examples(split: str) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = list(torchvision.datasets.ImageFolder(root / split, read))
        return torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])

    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=3)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    inputs, labels = examples("train")
    for _ in range(2):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), labels).backward()
        optimiser.step()
    torch.save(network.state_dict(), tmp_path / "resnet18.pt")
    inputs, labels = examples("val")
    with torch.no_grad():
        outside = (network.eval()(inputs).argmax(1) == labels).double().mean().item()

    data = {"dataset": "folder", "dataset_path": str(root), "dataset_pixels": "32"}
    dataset = kd.datasets.Folder(path=str(root), pixels=32)
    teacher = kd.Teacher.from_file(tmp_path / "resnet18.pt", dataset, normalisation="imagenet")
    assert teacher.provenance.accuracy == pytest.approx(outside, abs=0.001)
    result = kd.distill(**data, student="cnn", student_width=4, student_depth=2, epochs=1, **teacher.settings)
    assert result.teacher is not None
    monkeypatch.setattr(graphs, "ONNX_PACKAGES", ("onnx_that_nobody_has",))  # which takes seconds, and is not read here
    result.export(to="zip", out=tmp_path / "student.zip")
    zipfile.ZipFile(tmp_path / "student.zip").extractall(tmp_path / "home")
    photograph = photographs / "wood" / "00.png"
    command = [sys.executable, "-I", "-S", "-c", RUN, str(stranger), "predict.py", str(photograph), "--json"]
    done = subprocess.run(command, cwd=tmp_path / "home", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    square = decode.stack_images([decode.decode(photograph.read_bytes(), "00.png", 32)[0]], "colour")
    loaded = load(result.config.dataset)
    expected = probabilities(result.student, standardise(torch.from_numpy(square), loaded.mean, loaded.std))[0]
    answer = json.loads(done.stdout)
    assert list(answer["probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-5)


def trained(lab: RunManager, settings: dict[str, str]) -> str:
    run = lab.start(from_flat({"epochs": "1", "teacher_epochs": "1", **settings}))
    assert wait_for_end(lab, run, 120) == "completed"
    return run


@pytest.fixture(scope="module")
def box_run(lab: RunManager) -> str:
    return trained(lab, {**DETECTORS, "teacher_epochs": "5"})


@pytest.fixture(scope="module")
def mask_run(lab: RunManager) -> str:
    return trained(lab, {"dataset": "scenes", "dataset_count": "20", "teacher_width": "4", "student_width": "4"})


def write_pictures(lab: RunManager, run: str, folder: Path, count: int) -> list[str]:
    """Write test images as files, of which predict.py makes the inputs of the network again."""
    data = load(lab.store.run(run).config.dataset)
    files = []
    for number, pixels in enumerate(data.pixels(data.test.inputs[:count])):
        image = Image.fromarray(pixels.permute(1, 2, 0).squeeze(-1).numpy())
        image.save(folder / f"{number}.png")
        files.append(str(folder / f"{number}.png"))
    return files


def test_a_detector_leaves_with_decoded_boxes(
    lab: RunManager, box_run: str, unpack: Unpack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = unpack(box_run, "teacher", with_onnx=False)
    answers = predict(home, capsys, *write_pictures(lab, box_run, tmp_path, 20), "--score", "0.05")
    data, network = load(lab.store.run(box_run).config.dataset), load_run(box_run, lab.folder).networks["teacher"]
    expected = detect(network(data.test.inputs[:20]))  # by torchvision's NMS
    assert sum(len(each.scores) for each in expected) > 20
    for answer, detections in zip(answers, expected, strict=True):
        objects = answer["objects"]
        assert [each["class"] for each in objects] == [data.classes[number] for number in detections.classes]
        assert [each["score"] for each in objects] == pytest.approx(detections.scores.tolist(), abs=1e-4)
        assert np.array([each["box"] for each in objects]) == pytest.approx(detections.boxes.numpy(), abs=1e-4)
    assert "predict.py photo.jpg" in (home / "README.md").read_text(encoding="utf-8")


def test_a_segmentation_leaves_with_masks(
    lab: RunManager, mask_run: str, unpack: Unpack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_pictures(lab, mask_run, tmp_path, 3)
    answers = predict(unpack(mask_run, with_onnx=False), capsys, *files, "--masks", str(tmp_path / "masks"))
    data, network = load(lab.store.run(mask_run).config.dataset), load_run(mask_run, lab.folder).student
    for answer, expected in zip(answers, network(data.test.inputs[:3]).argmax(-1), strict=True):
        assert np.array_equal(np.asarray(Image.open(answer["mask"])), expected.numpy())
        assert answer["fractions"][data.classes[0]] == pytest.approx(float((expected == 0).double().mean()))


def test_a_card_names_the_task_and_its_measures(lab: RunManager, box_run: str, unpack: Unpack) -> None:
    yaml = pytest.importorskip("yaml")
    number_run = trained(lab, {"dataset": "friedman"})
    for run, role, task, names in (
        (box_run, "teacher", "object-detection", {"ap50": "Test AP50", "loss": "Test loss, nats"}),
        (
            number_run,
            "",
            "tabular-regression",
            {"r²": "Test R²", "loss": "Test mean squared error", "rmse": "Test RMSE, sd"},
        ),
    ):
        card = (unpack(run, role, with_onnx=False) / "README.md").read_text(encoding="utf-8")
        metadata = yaml.safe_load(card.split("---\n", 2)[1])
        (result,) = metadata["model-index"][0]["results"]
        assert metadata["pipeline_tag"] == result["task"]["type"] == task
        assert names.items() <= {each["type"]: each["name"] for each in result["metrics"]}.items()


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_onnx_decodes_like_the_task(lab: RunManager, kind: str, request: pytest.FixtureRequest) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    run = request.getfixturevalue({"boxes": "box_run", "masks": "mask_run"}[kind])
    exported = formats.export(lab.store, run, "teacher", to="onnx")
    data, network = load(lab.store.run(run).config.dataset), load_run(run, lab.folder).networks["teacher"]
    inputs = data.test.inputs[:7]
    session = onnxruntime.InferenceSession(exported.content, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    answers = dict(zip(names, map(torch.from_numpy, session.run(names, {"input": inputs.numpy()})), strict=True))
    outputs = network(inputs)
    torch.testing.assert_close(answers["logits"], outputs, atol=1e-4, rtol=0)
    if kind == "masks":
        assert names == ["logits", "mask"]
        assert (answers["mask"] == outputs.argmax(-1)).double().mean() > 0.999
    else:
        assert names == ["logits", "boxes", "scores", "classes"]
        # The boxes from the formula: every side at the mean of its bins, counted from the centre of the cell.
        sides = outputs[..., -4 * 17 :].unflatten(-1, (4, 17)).softmax(-1) @ torch.arange(17.0) * (0.54 / 16)
        centre = (torch.stack(torch.meshgrid(torch.arange(12), torch.arange(12), indexing="xy"), -1) + 0.5) / 12
        centre = centre.flatten(0, 1)
        corners = torch.cat([centre - sides[..., :2], centre + sides[..., 2:]], -1).clamp(0, 1)
        torch.testing.assert_close(answers["boxes"], corners, atol=1e-4, rtol=0)
        probabilities = outputs[..., : -4 * 17].softmax(-1)[..., :-1]
        torch.testing.assert_close(answers["scores"], probabilities.amax(-1), atol=1e-4, rtol=0)
        assert (answers["classes"] == probabilities.argmax(-1)).double().mean() > 0.999
    assert f"all {len(data.test)} test examples" in exported.notes[0]
    assert f"its {', '.join(names[1:])} " in exported.notes[0]


@pytest.fixture(scope="module")
def text_run(lab: RunManager) -> str:
    settings = {
        "dataset": "python_docs", "labelled": "40", "epochs": "1", "teacher_epochs": "1", "teacher": "gru",
        "teacher_hidden": "16", "teacher_view": "student", "student": "char_mlp", "student_hidden": "16",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd_core.tasks.language.SAMPLES", 8)  # texts that each network is judged by
        patch.setattr("kd_core.tasks.language.SAMPLED", 8)
        patch.setattr("kd_core.tasks.language.WRITTEN", 8)
        run = lab.start(from_flat(settings))
        assert wait_for_end(lab, run, 120) == "completed"
    return run


def test_language_models_leave_with_a_script_that_continues_a_text(
    unpack: Unpack, lab: RunManager, text_run: str, stranger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = {role: unpack(text_run, role, with_onnx=False) for role in ("student", "teacher")}
    command = [sys.executable, "-I", "-S", "-c", WRITE_IN_EACH, str(stranger), *map(str, folders.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for (role, folder), text in zip(folders.items(), done.stdout.split("\0"), strict=False):
        assert "write.py" in (folder / "README.md").read_text()
        assert not (folder / "predict.py").exists()
        texts, module = {(): text}, module_of(folder, "write")
        for arguments in (("--seed", "1"), ("--temperature", "0"), ("--temperature", "0", "--seed", "1")):
            assert module.main(["the ", "--characters", "200", *arguments]) == 0
            texts[arguments] = capsys.readouterr().out
        assert all(text.startswith("the ") and len(text) == 205 for text in texts.values())
        assert texts[()] != texts["--seed", "1"]
        greedy, again = texts["--temperature", "0"], texts["--temperature", "0", "--seed", "1"]
        assert greedy == again
        run = load_run(text_run, lab.folder)
        network, classes = run.networks[role], list(load(run.config.dataset).classes)
        alphabet = json.loads((folder / "config.json").read_text())["inputs"]["alphabet"]
        assert len(alphabet) == len(classes)
        numbers = torch.tensor([[alphabet.index(character) for character in greedy[:20]]], dtype=torch.float32)
        likeliest = network(numbers)[0].argmax(1)  # of all positions at once, not one by one
        assert "".join(alphabet[k] for k in likeliest[3:19]) == greedy[4:20]


def test_what_write_py_cannot_continue_is_one_sentence(
    unpack: Unpack, text_run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = module_of(unpack(text_run, "student", with_onnx=False), "write")
    for beginning, words in (("", "empty"), ("€", "'€'")):
        assert module.main([beginning]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
