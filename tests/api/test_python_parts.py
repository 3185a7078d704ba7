"""Runs with data, networks and losses from Python, as they are stored, resumed and shown."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kd_core as kd
from kd_core.__main__ import main
from kd_core.api.stored import open_manager
from kd_core.base import metrics, registry
from kd_core.base.events import Validated
from kd_core.base.seeds import use_seed
from kd_core.config.python_parts import store_python_parts
from kd_core.files import descriptions
from kd_core.runs import event_writer
from tools.testing.waiting import wait

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SEED = torch.Generator().manual_seed(0)
DATA = kd.Data.from_tensors(torch.randn(60, 1, 8, 8, generator=SEED), torch.arange(60) % 4)

OTHER = kd.Data.from_tensors(torch.randn(60, 1, 8, 8, generator=SEED), torch.arange(60) % 4)


class Small(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(64 * width, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs))


@kd.loss(weight=2.0)
def cosine(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    return 1 - torch.cosine_similarity(student_logits, teacher_logits).mean()


def small(width: int, seed: int = 0) -> Small:
    with use_seed(seed, "test"):
        return Small(width)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"dataset": DATA, "teacher": small(8), "student": small(4), "loss": cosine, "epochs": 4}


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function after which nothing that was given from Python is known, as in a new process."""

    def call() -> None:
        monkeypatch.setattr(registry, "_from_python", {})
        kd.RunConfig.from_json_unchecked.cache_clear()

    yield call
    kd.RunConfig.from_json_unchecked.cache_clear()


def test_a_module_trains_like_the_family_that_built_it() -> None:
    settings: dict[str, Any] = {"dataset": "moons", "epochs": 4, "teacher_epochs": 2, "labelled": 40, "seed": 3}
    family = kd.distill(student=kd.models.Mlp(widths=(8,)), **settings)
    with use_seed(3, "weights"):
        module = kd.models.Mlp(widths=(8,)).build((2,), 2)
    by_module = kd.distill(student=module, **settings)
    # Up to rounding, since the step of a family's MLP is vectorised.
    rows, expected = list(by_module.history), list(family.history)
    assert [row[:-1] for row in rows] == [row[:-1] for row in expected]
    assert [row.value for row in rows] == pytest.approx([row.value for row in expected], rel=1e-3, abs=1e-4)
    for role, values in by_module.test.items():
        assert values["accuracy"] == pytest.approx(family.test[role]["accuracy"], abs=0.002)  # four points of 2,000


def test_own_data_train_like_the_data_set_that_they_are() -> None:
    moons = kd.datasets.Moons().load()
    parts = [part for split in (moons.train, moons.validation, moons.test) for part in (split.inputs, split.labels)]
    config = kd.RunConfig(dataset="moons", epochs=4, teacher_epochs=2, labelled=40)
    from_tensors, built_in = kd.distill(config, dataset=kd.Data.from_tensors(*parts)), kd.distill(config)
    assert list(from_tensors.history) == list(built_in.history)
    assert from_tensors.test == built_in.test


def test_a_stored_run_has_the_numbers_of_one_that_is_not(settings: dict[str, Any], tmp_path: Path) -> None:
    stored, plain = kd.distill(**settings, store=tmp_path), kd.distill(**settings)
    assert list(stored.history) == list(plain.history)
    assert stored.test == plain.test
    for role, network in stored.networks.items():
        theirs = plain.networks[role].state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in network.state_dict().items())


def test_a_process_without_the_objects_shows_the_run(settings: dict[str, Any], tmp_path: Path, forget: Any) -> None:
    stored = kd.distill(**settings, store=tmp_path)
    inputs = DATA.test.inputs
    with torch.no_grad():
        logits = {role: network(inputs) for role, network in stored.networks.items()}
    forget()
    loaded = kd.load_run(stored.id, tmp_path)
    assert loaded.test == stored.test
    assert str(loaded.verdict) == str(stored.verdict)
    assert loaded.config.student.label() == "Small"
    assert loaded.config.pair.student_shapes["body"] == (4, 8, 8)
    assert loaded.config.method.to_latex() == stored.config.method.to_latex()
    with torch.no_grad():
        for role, network in loaded.networks.items():
            torch.testing.assert_close(network(inputs), logits[role])
    again = kd.load_run(stored.id, tmp_path, student=small(4), teacher=small(8))
    assert isinstance(again.student, Small)
    assert again.student.state_dict().keys() == stored.student.state_dict().keys()


def test_the_weights_of_the_student_are_read_by_its_own_class(settings: dict[str, Any], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    result = kd.distill(**settings)
    save_file(result.student.state_dict(), tmp_path / "student.safetensors")
    fresh = Small(4)
    fresh.load_state_dict(load_file(tmp_path / "student.safetensors"))
    with torch.no_grad():
        torch.testing.assert_close(fresh.eval()(DATA.test.inputs), result.student(DATA.test.inputs))


def test_a_network_that_cannot_be_traced_has_its_curves_and_a_sentence(tmp_path: Path, forget: Any) -> None:
    class Branching(Small):
        def forward(self, inputs: Tensor) -> Tensor:
            logits = super().forward(inputs)
            return logits + 1 if float(logits.detach().sum()) > 0 else logits

    stored = kd.distill(dataset=DATA, teacher="mlp", student=Branching(), epochs=2, store=tmp_path)
    forget()
    loaded = kd.load_run(stored.id, tmp_path)
    assert list(loaded.history) == list(stored.history)
    assert loaded.test == stored.test
    with pytest.raises(ValueError, match="Branching was given from Python"):
        _ = loaded.student
    with pytest.raises(ValueError, match="Pass it again in Python"):
        kd.Trainer(loaded.config)


def interrupted(settings: dict[str, Any], path: Path) -> list[Any]:
    """Save a trainer after its second epoch, and return the events that follow."""
    trainer = kd.Trainer(kd.RunConfig(**settings))
    for event in trainer:
        if isinstance(event, Validated) and event.phase == "students" and event.epoch == 2:
            break
    trainer.save(path)
    return list(trainer)


def test_a_saved_trainer_goes_on_with_the_same_objects(
    settings: dict[str, Any], tmp_path: Path, forget: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptions, "_folders", [])
    rest = interrupted(settings, tmp_path / "run")
    forget()
    with pytest.raises(ValueError, match=r"dataset: the run was trained with data.*as dataset="):
        kd.Trainer.load(tmp_path / "run")
    objects = {"dataset": DATA, "teacher": small(8, seed=5), "student": small(4, seed=6), "loss": cosine}
    resumed = kd.Trainer.load(tmp_path / "run", **objects)  # other weights, since those of the file are used
    assert list(resumed) == rest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student": small(5)}, "student: this is not what the run was trained with .*structure differs"),
        ({"teacher": small(4)}, "teacher: .*structure differs"),
        ({"loss": kd.loss(lambda student_logits: student_logits.mean())}, "loss: .*structure differs"),
        ({"dataset": OTHER}, "dataset: .*differs"),
        ({"scheme": "offline"}, "scheme: choose from dataset"),
    ],
)  # fmt: skip
def test_other_objects_are_refused(
    settings: dict[str, Any], tmp_path: Path, forget: Any, changes: dict[str, Any], message: str
) -> None:
    interrupted(settings, tmp_path / "run")
    forget()
    objects = {name: settings[name] for name in ("dataset", "teacher", "student", "loss")}
    with pytest.raises(ValueError, match=message):
        kd.Trainer.load(tmp_path / "run", **objects | changes)


def test_before_the_students_began_their_weights_must_be_the_same(
    settings: dict[str, Any], tmp_path: Path, forget: Any
) -> None:
    trainer = kd.Trainer(kd.RunConfig(**settings))
    next(iter(trainer))
    trainer.save(tmp_path / "run")
    rest = list(trainer)
    forget()
    objects = {name: settings[name] for name in ("dataset", "teacher", "student", "loss")}
    with pytest.raises(ValueError, match="student: it differs from what the training began with"):
        kd.Trainer.load(tmp_path / "run", **objects | {"student": small(4, seed=9)})
    forget()
    assert list(kd.Trainer.load(tmp_path / "run", **objects)) == rest


def test_another_process_resumes_an_interrupted_run(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process ends the run in the middle of the training, the other one has the modules alone."""
    monkeypatch.setattr(event_writer, "CHECKPOINT_SECONDS", 0.05)
    monkeypatch.setattr(event_writer, "CHECKPOINT_FRACTION", 1.0)
    monkeypatch.setattr(event_writer, "FLUSH_SECONDS", 0.02)
    config = kd.RunConfig(**settings)
    with open_manager(tmp_path) as manager:
        store_python_parts(vars(config).values(), manager.folder)
        run = manager.start(config, pace=0.2)
        wait(lambda: manager.store.count(run) >= 8)
    assert kd.load_run(run, tmp_path).state == "interrupted"
    script = f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from tests.api.test_python_parts import cosine, small
        import kd_core as kd
        run = kd.resume_run({run!r}, {str(tmp_path)!r}, teacher=small(8, seed=3), student=small(4, seed=4), loss=cosine)
        print(run.state, run.test["student"]["loss"], len(run.events))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    whole = kd.distill(**settings)
    assert done.stdout.split() == ["completed", str(whole.test["student"]["loss"]), str(len(whole.events))]


def test_a_run_from_python_is_not_trained_by_a_process_without_its_modules(
    settings: dict[str, Any], tmp_path: Path, forget: Any
) -> None:
    stored = kd.distill(**settings, store=tmp_path)
    forget()
    config = kd.load_run(stored.id, tmp_path).config
    with pytest.raises(RuntimeError, match="student: the network Small was given from Python"):
        kd.distill(config, seed=1, store=tmp_path)
    again = kd.distill(config, student="mlp", loss="soft_targets", store=tmp_path)  # the teacher is at hand
    assert again.test["teacher"]["loss"] == pytest.approx(stored.test["teacher"]["loss"], rel=1e-4)


def test_seeds_are_compared_from_python(settings: dict[str, Any], tmp_path: Path) -> None:
    plain = kd.compare_seeds(**settings | {"epochs": 2}, seeds=2)
    stored = kd.compare_seeds(**settings | {"epochs": 2}, seeds=2, store=tmp_path)
    assert [one.test for one in stored.results] == [one.test for one in plain.results]


def test_a_sweep_varies_modules_and_losses_from_python(settings: dict[str, Any], tmp_path: Path) -> None:
    fixed = {name: value for name, value in settings.items() if name not in ("student", "loss")} | {"epochs": 2}
    students, losses = [settings["student"], "mlp"], [settings["loss"], "soft_targets"]
    plain = kd.sweep(**fixed, student=students, loss=losses, seeds=1)
    stored = kd.sweep(**fixed, student=students, loss=losses, seeds=1, store=tmp_path)
    assert [cell.accuracy for cell in stored.cells] == [cell.accuracy for cell in plain.cells]
    alone = kd.distill(**fixed, student=students[1], loss=losses[0])
    (cell,) = [
        cell for cell in plain.cells if cell.values["student"] == "mlp" and cell.values["method"].startswith("python:")
    ]
    assert cell.config == alone.config
    assert cell.results[0].test["student"]["accuracy"] == alone.test["student"]["accuracy"]
    with pytest.raises(ValueError, match="teacher: a list holds networks by name"):
        kd.sweep(**settings | {"teacher": [settings["teacher"], "mlp"]})


def test_messages_name_an_object_and_not_its_digest(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {"dataset": "digits", "student": Small}
    with pytest.raises(ValueError, match=r"^student = Small: a Small .*\.$"):
        kd.RunConfig(**images)
    with pytest.raises(ValueError, match='loss = "gone": this was given from Python'):
        registry.find_plugin("methods", "python:gone:12345678", "loss")
    run = kd.distill(**settings | {"epochs": 1}, store=tmp_path)
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    for arguments in (["runs"], ["runs", "show", run.id]):
        assert main(arguments) == 0
        output = capsys.readouterr().out
        assert "cosine" in output
        assert "python:" not in output


def test_adapters_that_normalise_over_the_batch_are_refused_for_batches_of_one() -> None:
    layers = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    parts: dict[str, Any] = {"dataset": "digits", "student": nn.Sequential(*layers), "teacher": "cnn"}
    review, hints = kd.losses.Review(layers="2=stage 2"), kd.losses.Hints(layers="2=stage 2")
    with pytest.raises(ValueError, match=r"^batch_size = 1: the adapters of the method Knowledge review"):
        kd.RunConfig(**parts, loss=review, batch_size=1)
    with pytest.raises(ValueError, match=r"^labelled = 1: the adapters"):
        kd.RunConfig(**parts, loss=review, labelled=1)
    kd.RunConfig(**parts, loss=review, batch_size=2)
    kd.RunConfig(**parts, loss=hints, batch_size=1)  # no batch normalisation on a map of one place


@pytest.fixture
def own_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_metrics", {})


@pytest.mark.usefixtures("own_metric")
def test_a_metric_is_computed_on_the_test_set_and_stored(settings: dict[str, Any], tmp_path: Path) -> None:
    @kd.metric
    def wrong(logits: Tensor, labels: Tensor) -> Tensor:
        return (logits.argmax(1) != labels).double().mean()

    stored = kd.distill(**settings, store=tmp_path)
    for values in kd.load_run(stored.id, tmp_path).test.values():
        assert values["wrong"] == pytest.approx(1 - values["accuracy"])
    grid = kd.sweep(**settings, weight=[1.0, 2.0], seeds=1)
    assert all("wrong" in cell.results[0].test["student"] for cell in grid.cells)


@pytest.mark.usefixtures("own_metric")
def test_a_metric_that_fails_is_refused_before_the_training() -> None:
    @kd.metric
    def broken(logits: Tensor, labels: Tensor) -> Tensor:
        return logits - labels

    with pytest.raises(ValueError, match="broken: the metric must return a number"):
        kd.distill(dataset="moons")
    with pytest.raises(ValueError, match="accuracy: there is such a metric already"):
        kd.metric(metrics.accuracy)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": (torch.zeros(3, 2), torch.zeros(3))}, "dataset: a tuple was given; it must be a name"),
        ({"dataset": kd.datasets.Moons}, r"dataset: the class Moons was given; write Moons\(\)"),
        ({"dataset": kd.losses.Dkd()}, "dataset: a Dkd was given; it must be a name, an object of kd.datasets"),
        ({"loss": kd.losses.Dkd}, r"loss: the class Dkd was given; write Dkd\(\)"),
        ({"loss": 3}, "loss: an int was given; it must be a name, an object of kd.losses or a function"),
        ({"scheme": 3}, "scheme: an int was given"),
        ({"teacher": {}, "dataset": DATA}, "teacher: the logits of the training examples are not given"),
        ({"teacher": {"train": "abc"}, "dataset": DATA}, "teacher: the logits of the train examples must be numbers"),
        ({"config": "moons"}, "config: a str was given; it must be a kd.RunConfig"),
        ({"store": 3}, "store = 3: it must be True, False, or the path of a folder"),
    ],
)
def test_objects_of_another_kind_are_refused_with_what_is_allowed(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        kd.distill(**settings)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("seeds", [0, 10**9, 2.0, "12", None, True])
def test_a_number_of_seeds_that_cannot_be_is_refused(seeds: Any) -> None:
    with pytest.raises(ValueError, match=r"seeds = .*: choose a whole number from 1 to 2000, or a list of seeds"):
        kd.compare_seeds(dataset="moons", epochs=1, seeds=seeds)
