"""Data-free distillation on images that are computed from the teacher (DeepInversion)."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.options import integer, number
from kd_core.base.seeds import generator
from kd_core.config.comparison import Comparison
from kd_core.config.plan import TEACHER, BatchMaker, LearnerPlan, MakerInputs, PhasePlan
from kd_core.config.run import RunConfig
from kd_core.config.validation import BATCH_NORMALISATION
from kd_core.datasets import Data, load
from kd_core.models import Model, with_article
from kd_core.schemes import Scheme, control_learners, student_learner, student_phase, teacher_phase

BATCH = 200  # images that are formed together, since the statistics of a batch are compared
SHOWN = 20  # of them
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam
WITH_DATA = "student with data"


def inversion_loss(
    teacher: nn.Module, images: Tensor, labels: Tensor, statistics_weight: float, variation_weight: float
) -> Tensor:
    r"""Return the loss of images (B, C, H, W) that the teacher shall take for examples of ``labels`` (B,), in nats.

    .. math:: \mathrm{CE}(T(x), y) + w \sum_l \left(\lVert \mu_l(x) - \hat\mu_l \rVert_2
        + \lVert \sigma_l^2(x) - \hat\sigma_l^2 \rVert_2\right) + v\,\mathrm{TV}(x)

    The sum runs over the layers of batch normalisation, whose running statistics are those of the teacher's training
    examples. Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion" (2020), equations 2-4.
    The total variation is the mean absolute difference of neighbouring pixels.
    """
    with _normalised_inputs(teacher) as recorded:
        loss = F.cross_entropy(teacher(images).float(), labels)
    for layer, features in recorded:
        dimensions = [axis for axis in range(features.dim()) if axis != 1]
        variance, mean = torch.var_mean(features.float(), dimensions, correction=0)
        loss = loss + statistics_weight * ((mean - layer.running_mean).norm() + (variance - layer.running_var).norm())
    if variation_weight:
        rows, columns = images.diff(dim=2).abs().mean(), images.diff(dim=3).abs().mean()
        loss = loss + variation_weight * (rows + columns)
    return loss


@contextmanager
def _normalised_inputs(network: nn.Module) -> Iterator[list[tuple[Any, Tensor]]]:
    """Record the inputs of all layers of batch normalisation during a forward pass."""
    recorded: list[tuple[Any, Tensor]] = []
    hooks = [
        module.register_forward_pre_hook(lambda layer, inputs: recorded.append((layer, inputs[0])))
        for module in network.modules()
        if isinstance(module, BATCH_NORMALISATION) and module.running_mean is not None
    ]
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class Noise(BatchMaker):
    """Gaussian noise, which the images begin as; pixels stay between ``low`` and ``high`` by channel."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def make(self, stored: MakerInputs) -> tuple[Tensor, Tensor]:
        return self.noise(stored.inputs, len(stored.inputs), stored.seed), torch.full_like(stored.labels, -1)

    def noise(self, like: Tensor, count: int, seed: int) -> Tensor:
        """Return ``count`` images of noise, on the device and with the layout of ``like`` (B, C, H, W)."""
        drawn = torch.randn(count, *like.shape[1:], generator=generator(seed, "noise"))
        return self.bounded(drawn.to(like.device))

    def bounded(self, images: Tensor) -> Tensor:
        """Return images (B, C, H, W) whose pixels are between black and white."""
        low, high = (torch.tensor(edge).to(images).reshape(-1, 1, 1) for edge in (self.low, self.high))
        return images.clamp(low, high)

    def in_words(self) -> str:
        return "images of noise, without labels"


@dataclass(frozen=True)
class MadeImages(Noise):
    """Images that form while the student is trained on them.

    Before each step of the student one iteration of Adam changes the batch of images that is being formed, until all
    batches have had their iterations. The student draws from all batches that were begun.
    """

    classes: int
    images: int
    iterations: int
    rate: float
    statistics: float
    variation: float

    def make(self, stored: MakerInputs) -> tuple[Tensor, Tensor]:
        memory, batches = stored.memory, -(-self.images // BATCH)
        if stored.step < batches * self.iterations:
            self._improve(stored, *divmod(stored.step, self.iterations))
        begun = min(batches, stored.step // self.iterations + 1)
        count = min(self.images, BATCH * begun)
        rows = torch.randint(count, (len(stored.inputs),), generator=generator(stored.seed, "rows")).tolist()
        inputs = torch.stack([memory[f"images {row // BATCH}"][row % BATCH] for row in rows])
        return inputs, torch.full_like(stored.labels, -1)

    def _improve(self, stored: MakerInputs, number: int, iteration: int) -> None:
        """Take one iteration of Adam on batch ``number``."""
        name, memory = f"images {number}", stored.memory
        if iteration == 0:
            begun = self.noise(stored.inputs, min(BATCH, self.images - BATCH * number), stored.seed)
            memory |= {name: begun, "first moment": torch.zeros_like(begun), "second moment": torch.zeros_like(begun)}
        with torch.enable_grad():
            images = memory[name].clone().requires_grad_(True)
            labels = self.labels_of(images)
            loss = inversion_loss(stored.networks[TEACHER], images, labels, self.statistics, self.variation)
            (gradient,) = torch.autograd.grad(loss, images)
        first = BETAS[0] * memory["first moment"] + (1 - BETAS[0]) * gradient
        second = BETAS[1] * memory["second moment"] + (1 - BETAS[1]) * gradient.square()
        mean, square = (one / (1 - beta ** (iteration + 1)) for one, beta in zip((first, second), BETAS, strict=True))
        changed = images.detach() - self.rate * mean / (square.sqrt() + EPSILON)
        memory.update({name: self.bounded(changed), "first moment": first, "second moment": second})

    def labels_of(self, images: Tensor) -> Tensor:
        """Return the classes (B,) of a batch of images, as many of each."""
        return torch.arange(len(images), device=images.device) % self.classes

    def pictures(self, memory: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
        if not memory:
            return None
        images = memory[f"images {sum(name.startswith('images') for name in memory) - 1}"][:SHOWN]
        return images, self.labels_of(images)

    def in_words(self) -> str:
        return f"{self.images:,} images made from the teacher, without labels"


@dataclass(frozen=True)
class DataFree(Scheme):
    title: ClassVar[str] = "Data-free (DeepInversion)"
    aliases: ClassVar[tuple[str, ...]] = ("DeepInversion",)
    summary: ClassVar[str] = (
        "Images are computed from the statistics of the teacher, and the student learns from these alone."
    )
    family: ClassVar[str] = "fewer labels"
    reads_class_labels: ClassVar[bool] = True  # images are made for one class each
    paper: ClassVar[str] = "Yin et al. 2020 (DeepInversion), section 3"
    comparison: ClassVar[Comparison] = Comparison(name="taught on made images", control_name="Taught on noise")

    images: int = integer(600, 10, 100_000, "Images that are made, as many of every class.", label="Images")
    iterations: int = integer(
        50, 1, 10_000, "Changes of each image, one before each step of the student. Images form in batches of 200.",
        label="Iterations per image",
    )  # fmt: skip
    image_rate: float = number(
        0.2, 0.001, 10.0, "Learning rate of the pixels.", step=0.05, label="Learning rate of the images", log=True
    )
    statistics: float = number(
        1.0, 0.0, 1000.0, "Weight of the distance to the means and variances in the teacher’s batch normalisation.",
        step=0.1, label="Weight of the statistics",
    )  # fmt: skip
    variation: float = number(
        0.0, 0.0, 100.0, "Weight of the total variation, which makes images smooth.", step=0.01,
        label="Weight of the total variation",
    )  # fmt: skip

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:
        return {"teacher": "resnet", "labelled": "0", "epochs": "30"} if len(data.shape) == 3 else {}

    def option_conflict(self, config: RunConfig) -> str:
        data, teacher = load(config.dataset), config.teacher
        if _has_batch_normalisation(teacher, data.shape, len(data.classes)):
            return ""
        return (
            f"teacher = {teacher.short_name}: images are made from the statistics of batch normalisation, and "
            f"{with_article(teacher.label())} has none. Choose a teacher with it, such as a ResNet."
        )

    def phases(self, config: RunConfig) -> tuple[PhasePlan, ...]:
        data = load(config.dataset)
        # Unscaled inputs have no known range.
        is_scaled = data.has_images and any(deviation != 1 for deviation in data.std)
        low: tuple[float, ...] = (-math.inf,)
        high: tuple[float, ...] = (math.inf,)
        if is_scaled:
            low, high = (
                tuple((edge - mean) / deviation for mean, deviation in zip(data.mean, data.std, strict=True))
                for edge in (0.0, 1.0)
            )
        made = MadeImages(
            low, high, len(data.classes), self.images, self.iterations, self.image_rate, self.statistics, self.variation
        )
        student = student_learner(config, TEACHER, maker=made)
        control = control_learners(config, method=config.method, teachers=(TEACHER,), maker=Noise(low, high))
        with_data = LearnerPlan(WITH_DATA, config.student, config.seed, config.method, (TEACHER,))
        view = replace(config.view, is_blind=True)
        return teacher_phase(config), student_phase(config, "students", student, *control, with_data, view=view)


@functools.lru_cache(maxsize=256)  # a form asks several times each time it is drawn
def _has_batch_normalisation(model: Model, shape: tuple[int, ...], classes: int) -> bool:
    with torch.device("meta"):
        return any(isinstance(module, BATCH_NORMALISATION) for module in model.build(shape, classes).modules())
