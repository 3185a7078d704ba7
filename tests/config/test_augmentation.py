"""Augmentation of training images."""

import pytest
import torch

from kd_core.base.events import Step
from kd_core.config.augmentation import Augmentation
from kd_core.config.run import from_flat, read_flat
from kd_core.datasets import Data, Split, load
from kd_core.datasets.digits import Digits
from kd_core.methods import label_part
from kd_core.nn.inference import predict_logits
from kd_core.training.data import Examples
from kd_core.training.loop import Trainer


@pytest.fixture
def data() -> Data:
    return load(Digits())


def pixels_of(data: Data, augmentation: Augmentation, seed: int) -> torch.Tensor:
    return data.pixels(augmentation.transform(data.train.inputs[:64], data, seed))[:, 0].int()


def test_each_image_is_cropped_at_a_place_of_its_own_from_black_padding(data: Data) -> None:
    before, after = data.pixels(data.train.inputs[:64])[:, 0].int(), pixels_of(data, Augmentation(crop=2), 1)
    places = set()
    for image, piece in zip(before, after, strict=True):
        padded = torch.zeros(12, 12, dtype=torch.int)
        padded[2:10, 2:10] = image
        matches = [(y, x) for y in range(5) for x in range(5) if torch.equal(padded[y : y + 8, x : x + 8], piece)]
        assert matches
        places.add(matches[0])
    assert len(places) > 15


def test_about_half_of_the_images_are_flipped(data: Data) -> None:
    before, after = data.pixels(data.train.inputs[:64])[:, 0].int(), pixels_of(data, Augmentation(flip=True), 1)
    is_mirrored = [torch.equal(image.flip(-1), other) for image, other in zip(before, after, strict=True)]
    is_same = [torch.equal(image, other) for image, other in zip(before, after, strict=True)]
    assert all(one or other for one, other in zip(is_mirrored, is_same, strict=True))
    assert 16 < sum(is_mirrored) < 48


@pytest.mark.parametrize(
    "augmentation", [Augmentation(crop=2), Augmentation(flip=True), Augmentation(randaugment=9)], ids=str
)
def test_augmentation_depends_on_its_seed_and_not_on_the_global_generator(
    data: Data, augmentation: Augmentation
) -> None:
    one = pixels_of(data, augmentation, 5)
    before = torch.get_rng_state()
    torch.manual_seed(99)
    assert torch.equal(one, pixels_of(data, augmentation, 5))
    torch.set_rng_state(before)
    assert not torch.equal(one, pixels_of(data, augmentation, 6))
    assert not torch.equal(one, data.pixels(data.train.inputs[:64])[:, 0].int())


def test_mixup_blends_two_images_and_keeps_both_labels(data: Data) -> None:
    examples = Examples(data.train, data, torch.device("cpu"), Augmentation(mixup=1.0))
    batch = examples.batch(torch.arange(32), 3)
    partners, weight = Augmentation(mixup=1.0).blend(32, 3)
    assert batch.mixed is not None
    assert 0.5 <= weight <= 1
    images = data.train.inputs[:32]
    torch.testing.assert_close(batch.inputs, weight * images + (1 - weight) * images[partners])
    assert torch.equal(batch.mixed.labels, data.train.labels[:32][partners])
    logits = torch.randn(32, 10)
    target = torch.zeros(32, 10)
    target[torch.arange(32), batch.labels] += weight
    target[torch.arange(32), batch.mixed.labels] += 1 - weight
    expected = -(target * logits.log_softmax(1)).sum(1).mean()  # cross-entropy with the blended distribution
    torch.testing.assert_close(label_part(logits, batch.labels, mixed=batch.mixed).value, expected)


def test_the_teacher_is_evaluated_on_the_augmented_inputs_of_the_student() -> None:
    config = from_flat({"dataset": "digits", "epochs": "1", "teacher_epochs": "1", "crop": "2", "mixup": "1"})
    training = Trainer(config)
    for event in training:
        if isinstance(event, Step) and event.phase == "students":
            break
    phase_trainer = training._phase_trainer
    assert phase_trainer is not None
    teacher = phase_trainer.trainers[0].criteria[0].teachers[0]
    logits_by_seed = []
    for seed in (1, 2):
        batch = phase_trainer.trainers[0].examples.batch(torch.arange(5), seed)
        logits, _ = teacher.outputs(batch)
        torch.testing.assert_close(logits, predict_logits(training.networks["teacher"], batch.inputs))
        logits_by_seed.append(logits)
    assert not torch.equal(*logits_by_seed)


def test_student_and_baseline_have_the_same_augmented_inputs() -> None:
    config = from_flat({"dataset": "digits", "epochs": "2", "teacher_epochs": "1", "crop": "2", "alpha": "0"})
    for event in Trainer(config):
        if isinstance(event, Step) and event.phase == "students":
            assert event.loss["student"] == event.loss["baseline"]  # alpha = 0 leaves the labels alone


def test_augmentation_that_does_not_fit_the_data_is_refused() -> None:
    _, errors = read_flat({"dataset": "moons", "flip": "true"})
    assert len(errors) == 1
    assert errors[0].startswith("flip = true: these data are points")
    _, errors = read_flat({"dataset": "digits", "crop": "9"})
    assert errors == ["crop = 9: the images have 8 × 8 pixels; choose at most 8."]
    assert read_flat({"dataset": "moons", "mixup": "0.4"})[1] == []


def test_streamed_examples_give_the_same_events_as_resident_ones(monkeypatch: pytest.MonkeyPatch, data: Data) -> None:
    config = from_flat({"dataset": "digits", "epochs": "2", "teacher_epochs": "2"})
    resident = list(Trainer(config))
    monkeypatch.setattr("kd_core.training.data.free_memory", lambda _: 1000.0)
    assert not Examples(Split(data.train.inputs, data.train.labels), data, torch.device("cpu")).is_resident
    assert list(Trainer(config)) == resident
