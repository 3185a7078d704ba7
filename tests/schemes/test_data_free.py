"""Images are computed from a teacher, and a student learns from these alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kd_core.analysis.examples import thumbnails
from kd_core.base.events import Event, Finished, Generated, Prepared, Step
from kd_core.config.plan import MakerInputs
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.datasets import load
from kd_core.export.code import left_out
from kd_core.schemes.data_free import MadeImages, inversion_loss
from kd_core.training.loop import PhaseCache, Trainer

CACHE: PhaseCache = {}


def config_of(**flat: str) -> RunConfig:
    quick = {"epochs": "2", "teacher_epochs": "2", "images": "40", "iterations": "12"}
    return from_flat({"dataset": "digits", "scheme": "data_free", **quick, **flat})


@pytest.fixture
def teacher() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    network(torch.randn(50, 1, 8, 8))  # running statistics other than 0 and 1
    return network.eval().requires_grad_(False)


def test_the_loss_of_the_images_is_cross_entropy_statistics_and_variation(teacher: nn.Sequential) -> None:
    images, labels = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3
    before, layer = teacher[0](images).double(), teacher[1]
    assert isinstance(layer, nn.BatchNorm2d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean, variance = before.mean((0, 2, 3)), before.var((0, 2, 3), correction=0)
    distance = ((mean - layer.running_mean) ** 2).sum().sqrt() + ((variance - layer.running_var) ** 2).sum().sqrt()
    variation = (images[:, :, 1:] - images[:, :, :-1]).abs().mean() + (images[..., 1:] - images[..., :-1]).abs().mean()
    expected = F.cross_entropy(teacher(images), labels) + 2 * distance + 0.5 * variation
    torch.testing.assert_close(inversion_loss(teacher, images, labels, 2.0, 0.5), expected.float())
    assert not layer._forward_pre_hooks


def test_a_batch_of_images_takes_the_steps_of_torchs_adam(teacher: nn.Module) -> None:
    maker = MadeImages((-9.0,), (9.0,), classes=3, images=10, iterations=5, rate=0.1, statistics=1.0, variation=0.0)
    memory: dict[str, torch.Tensor] = {}
    stored = (torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.long), {"teacher": teacher}, memory)
    images = maker.noise(stored[0], 10, 100).requires_grad_(True)
    optimiser = torch.optim.Adam([images], lr=0.1)
    for step in range(7):
        with torch.no_grad():
            inputs, labels = maker.make(MakerInputs(*stored, step, 100 + step))
        assert inputs.shape == (4, 1, 8, 8)
        assert (labels == -1).all()
        if step < 5:  # then all images are made
            optimiser.zero_grad()
            inversion_loss(teacher, images, torch.arange(10) % 3, 1.0, 0.0).backward()
            optimiser.step()
        torch.testing.assert_close(memory["images 0"], images.detach(), rtol=1e-4, atol=1e-5)
    begin, end = (inversion_loss(teacher, one, torch.arange(10) % 3, 1.0, 0.0) for one in (
        maker.noise(stored[0], 10, 100), memory["images 0"]))  # fmt: skip
    assert end < begin


def run(config: RunConfig) -> list[Event]:
    return list(Trainer(config, cache=CACHE))


@pytest.mark.slow
def test_the_student_depends_on_no_image_of_the_data() -> None:
    """Other real images change the network that is trained on them, and neither student nor baseline."""
    first, second = (run(config_of(omitted=omitted, teacher_view="full")) for omitted in ("none", "3"))
    losses = [[event.loss for event in events if isinstance(event, Step) and "student" in event.loss]
              for events in (first, second)]  # fmt: skip
    steps = min(map(len, losses))
    assert steps > 20
    for role, is_equal in (("student", True), ("baseline", True), ("student with data", False)):
        curves = [[loss[role] for loss in one[: steps // 2 - 1]] for one in losses]
        assert (curves[0] == curves[1]) == is_equal, role


@pytest.mark.slow
def test_images_are_shown_while_they_form_and_stay_within_black_and_white() -> None:
    config = config_of(images="30", iterations="20")
    events = run(config)
    generated = [event for event in events if isinstance(event, Generated)]
    assert [event.epoch for event in generated] == [1, 2]
    assert generated[0].images != generated[1].images
    assert generated[0].shape == [1, 8, 8]
    assert generated[0].classes["student"] == [*range(10), *range(10)]
    pictures = thumbnails.of_generated(load(config.dataset), generated[1], "student")
    assert len(pictures) == 20
    assert pictures[0][0].startswith("data:image/png;base64,")
    assert pictures[12][1] == "2"
    training = Trainer(config, cache=CACHE)
    for event in training:
        if isinstance(event, Generated):
            break
    assert training._phase_trainer is not None
    memory = training._phase_trainer.trainers[0].memory["images 0"]
    data = load(config.dataset)
    assert float(memory.min()) >= -data.mean[0] / data.std[0] - 1e-6
    assert float(memory.max()) <= (1 - data.mean[0]) / data.std[0] + 1e-6


def test_all_students_take_equally_many_steps_and_their_examples_are_named() -> None:
    events = run(config_of())
    assert isinstance(events[0], Prepared)
    assert isinstance(events[-1], Finished)
    saw = {network.role: network.saw for network in events[0].networks}
    assert saw["student"] == "40 images made from the teacher, without labels"
    assert saw["baseline"] == "images of noise, without labels"
    assert saw["student with data"] == "1,000 images without labels"
    steps = [event for event in events if isinstance(event, Step) and event.phase == "students"]
    assert {tuple(step.loss) for step in steps} == {("student", "baseline", "student with data")}
    assert all(step.parts["baseline"]["CE"][0] == 0 for step in steps)


@pytest.mark.parametrize("teacher", ["cnn", "mlp"])
def test_a_teacher_without_batch_normalisation_is_refused_before_the_start(teacher: str) -> None:
    _, errors = read_flat({"dataset": "digits", "scheme": "data_free", "teacher": teacher})
    assert len(errors) == 1
    assert errors[0].startswith(f"teacher = {teacher}: images are made from the statistics of batch normalisation")
    assert not read_flat({"dataset": "digits", "scheme": "data_free", "teacher": "cnn",
                          "teacher_normalisation": "batch"})[1]  # fmt: skip
    assert len(read_flat({"dataset": "moons", "scheme": "data_free"})[1]) == 1


def test_a_method_that_remembers_single_examples_is_refused() -> None:
    _, errors = read_flat({"dataset": "digits", "scheme": "data_free", "method": "contrastive", "student": "cnn"})
    assert len(errors) == 1
    assert "remembers its training examples" in errors[0]


def test_the_script_says_that_it_is_trained_on_stored_images() -> None:
    assert any("is trained on 40 images made from the teacher" in sentence for sentence in left_out(config_of()))
