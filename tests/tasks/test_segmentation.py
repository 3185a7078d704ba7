"""Segmentation, in which every pixel is a row."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import jaccard_score
from torch import Tensor
from torch.nn import functional as F

from kd_core.base.events import Finished, Step
from kd_core.base.registry import find_plugin, plugins
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.datasets import load
from kd_core.datasets.scenes import CLASSES, Scenes
from kd_core.methods import mlkd
from kd_core.models import Model
from kd_core.nn.hooks import feature_shapes
from kd_core.schemes import comparison_of
from kd_core.tasks.segmentation import PIXEL, Segmentation, boundary_recall, class_ious
from kd_core.training.evaluation import evaluate_on_test
from kd_core.training.loop import PhaseCache, Trainer
from tools.testing.networks import outputs_for

DENSE = [name for name, cls in plugins("models").items() if cls.outputs == PIXEL]  # type: ignore[attr-defined]
SMALL = Scenes(count=24)
QUICK = {
    "dataset": "scenes", "dataset_count": "24", "teacher_width": "4", "teacher_epochs": "1", "epochs": "2",
    "labelled": "6", "batch_size": "4",
}  # fmt: skip
CACHE: PhaseCache = {}  # one teacher for the runs of every loss


def quick(**settings: str) -> RunConfig:
    return from_flat(QUICK | settings)


def random_maps() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 5, generator=generator)
    return rows, torch.randint(0, 4, (500,), generator=generator)


def test_the_score_is_the_mean_of_the_jaccard_indices_of_the_classes_that_occur() -> None:
    rows, labels = random_maps()
    rows[:, 4] -= 100  # the fifth class is neither a label nor a prediction
    expected = jaccard_score(labels, rows.argmax(1), average="macro")
    assert Segmentation().score(rows, labels) == pytest.approx(expected)
    by_class = class_ious(rows.argmax(1), labels, 5)
    assert by_class[:4].tolist() == pytest.approx(jaccard_score(labels, rows.argmax(1), average=None).tolist())
    assert by_class[4].isnan()


def test_of_a_shifted_square_the_boundary_is_recalled_up_to_one_pixel() -> None:
    masks = torch.zeros(1, 12, 12, dtype=torch.long)
    masks[:, 3:8, 3:8] = 1
    assert boundary_recall(masks, masks) == 1
    assert boundary_recall(masks.roll(1, 2), masks) == 1
    assert 0 < boundary_recall(masks.roll(3, 2), masks) < 1
    assert boundary_recall(torch.zeros_like(masks), masks) == 0
    assert boundary_recall(masks, torch.zeros_like(masks)) == 1  # nothing to be found


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("size", [(32, 32), (17, 30)])
def test_a_network_has_logits_for_every_pixel_of_images_of_any_size(name: str, size: tuple[int, int]) -> None:
    model = find_plugin("models", name)()
    assert isinstance(model, Model)
    network = model.build((3, *size), 5)
    assert network(torch.randn(2, 3, *size)).shape == (2, *size, 5)
    shapes = feature_shapes(model, (3, *size), 5)
    assert shapes["logits map"] == (5, *size)
    assert not {"logits map", "logits"} & set(model.stages(shapes))


def test_scenes_are_the_same_at_every_call_and_more_of_them_change_none() -> None:
    data, more = SMALL.load(), Scenes(count=30).load()
    first, second = (one.pixels(one.train.inputs[:24]) for one in (data, more))
    assert torch.equal(first, second)
    assert torch.equal(data.train.labels, more.train.labels[:24])
    assert torch.equal(data.pixels(data.test.inputs), more.pixels(more.test.inputs))
    other = Scenes(count=24, draw=1).load()
    assert not torch.equal(other.pixels(other.train.inputs), first)
    for split in data.splits.values():
        assert split.labels.unique().tolist() == list(range(len(CLASSES)))


def test_without_noise_an_object_differs_from_the_grey_ground_where_its_mask_says() -> None:
    data = Scenes(count=24, noise=0.0).load()
    pixels = data.pixels(data.train.inputs).float()
    saturation = pixels.amax(1) - pixels.amin(1)
    inside, outside = (F.max_pool2d(-side.float()[:, None], 5, 1, 2)[:, 0] == -1 for side in
                       (data.train.labels > 0, data.train.labels == 0))  # fmt: skip
    assert saturation[inside].mean() > 10 * saturation[outside].mean()


def test_the_test_metrics_leave_pixels_without_a_label_out() -> None:
    data = load(SMALL)
    network = find_plugin("models", "unet")(width=2).build(data.shape, len(data.classes))
    metrics = evaluate_on_test({0: {"student": network}}, data, "none")[0]["student"]
    network.eval()
    with torch.no_grad():
        predicted = network(data.test.inputs).argmax(-1)
    masks = data.test.labels.clone()
    assert metrics["pixel_accuracy"] == pytest.approx((predicted == masks).double().mean().item())
    masks[:, :16] = -1
    half = Segmentation().test_metrics(network, None, _with_masks(data, masks), outputs_for(data))
    assert half["pixel_accuracy"] == pytest.approx((predicted == masks)[:, 16:].double().mean().item())


def _with_masks(data: object, masks: Tensor) -> object:
    from dataclasses import replace

    return replace(data, test=replace(data.test, labels=masks))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_run_has_a_verdict_on_the_mean_iou_and_the_loss_of_the_labelled_pixels() -> None:
    config = quick(method="soft_targets", alpha="0.5", scheme="unlabelled")
    events = list(Trainer(config))
    assert isinstance(events[-1], Finished)
    assert events[-1].outcome == "completed"
    assert comparison_of(config).on == "mean IoU on the test set"
    test = events[-1].test["student"]
    assert {"pixel_accuracy", "boundary_recall"} <= test.keys()
    assert test["examples"] == 0
    steps = [event for event in events if isinstance(event, Step) and "student" in event.parts]
    hard = [parts[0] for step in steps for parts in (step.parts["student"]["CE"],)]
    assert 0.0 in hard  # a batch of images without masks
    assert max(hard) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        *("channel_wise", "attention", "similarity", "hints", "dist", "mlkd", "review"),
        *("pixel_similarity", "cross_image", "intra_class"),
    ],
)
def test_a_student_learns_by_losses_on_pixels_on_maps_and_on_images(method: str) -> None:
    events = list(Trainer(quick(method=method, epochs="1"), cache=CACHE))
    assert isinstance(events[-1], Finished)
    assert events[-1].outcome == "completed"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"method": "relational"}, "needs networks that end in a linear layer on an embedding"),
        ({"method": "one_for_all"}, "segmentation has no class per example"),
        ({"method": "reused_classifier"}, "cannot be cut into first and last layers"),
        ({"student": "cnn"}, "a CNN has an output per example, and segmentation needs one per pixel"),
        ({"dataset": "digits", "student": "unet"}, "has an output per pixel, and classification needs one per example"),
        ({"wrong": "0.2"}, "can be neither wrong nor left out"),
        ({"flip": "true"}, "the labels of these images belong to places in them"),
        ({"scheme": "unlabelled", "confidence": "0.5"}, "confidence = 0.5"),
        ({"scheme": "merge"}, "needs examples of one class each"),
    ],
)  # fmt: skip
def test_what_pixels_do_not_allow_is_refused_in_a_sentence(settings: dict[str, str], sentence: str) -> None:
    _, errors = read_flat({"dataset": "scenes", **settings})
    assert sentence in " ".join(errors)


def test_the_correlation_of_many_rows_is_that_of_their_products(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(60, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    student.requires_grad_()
    values = []
    for most in (100, 10):
        monkeypatch.setattr(mlkd, "MAX_COMPARED", most)
        value = mlkd.batch_correlation(student, teacher, [2, 4])
        values.append(torch.cat([value[None], torch.autograd.grad(value, student)[0].flatten()]))
    torch.testing.assert_close(values[1], values[0], rtol=1e-9, atol=1e-12)


def test_the_input_of_a_pixel_is_its_image_with_a_frame_around_it() -> None:
    inputs = torch.arange(2 * 3 * 8 * 10).reshape(2, 3, 8, 10).float()
    (framed,) = Segmentation().row_inputs(inputs, torch.tensor([80 + 3 * 10 + 4]))
    changed = (framed != inputs[1]).any(0)
    assert not changed[3, 4]
    rows, columns = torch.where(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 5, 2, 6)
    assert Segmentation().row_name(80 + 3 * 10 + 4, inputs.shape[1:]) == "image 2, pixel in row 4, column 5"
    corner = Segmentation().row_inputs(inputs, torch.tensor([0]))
    assert corner.shape == (1, 3, 8, 10)
