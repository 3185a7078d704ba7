"""One network that learns: its weights, its optimiser, what it is taught, and its answers of the step at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kd_core.batches import Batch, Examples
from kd_core.compute import Compute
from kd_core.instruction import Instruction
from kd_core.methods import Part, label_part, total
from kd_core.options import options_of
from kd_core.plan import Learner
from kd_core.recipes import Recipe, TeacherRecipe
from kd_core.seeds import derive, generator
from kd_core.taps import tapped

MOMENTUM = 0.9  # of SGD
SMALLEST_SCALE = 1.0  # of gradients of 16 bits: below it they are not finite by themselves
WORTH = 200e6  # operations from which on a second thread saves time


@contextmanager
def threads(work: float = 0.0) -> Iterator[None]:
    """As many threads as ``work``, in floating-point operations of one forward pass, is worth.

    Small networks train fastest on one thread, and do not collapse beside a busy neighbour.
    """
    before = torch.get_num_threads()
    if work < WORTH:
        torch.set_num_threads(1)  # holds for the calling thread alone
    try:
        yield
    finally:
        torch.set_num_threads(before)


class NotFiniteError(ArithmeticError):
    """A part of the loss is infinite or not a number; nothing was updated."""

    def __init__(self, role: str, part: str) -> None:
        super().__init__(f"{part} of the {role} is not finite")
        self.role, self.part = role, part


class Learning:
    """A learner at work on the ``examples`` shown to it; ``network`` is already on their device.

    What ``others`` own of the network's weights is theirs to update.
    """

    def __init__(
        self,
        learner: Learner,
        network: nn.Module,
        recipe: Recipe | TeacherRecipe,
        examples: Examples,
        *,
        others: set[Tensor],
        compute: Compute,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.role, self.learner, self.method = learner.role, learner, learner.method
        self.examples, self.labels, self.compute = examples, examples.labels, compute
        self.network = network.train()
        self.recipe, self._others = recipe, others
        self.rate = recipe.learning_rate
        self.scaler = scaler  # of the whole phase: networks may share layers, and then gradients
        self.average = _average(network, recipe.ema)
        self.instructions: list[Instruction] = []
        self.paths: dict[str, str] = {}  # taps that are read at every step
        self.logits = torch.empty(0)
        self.features: dict[str, Tensor] = {}

    def prepare(self, instructions: list[Instruction]) -> None:
        """What it is taught, and the optimiser of all that it learns."""
        self.instructions = instructions
        for instruction in instructions:
            self.paths |= instruction.paths
            instruction.adaptors.to(self.examples.device).train()
        common: dict[str, Any] = {"lr": self.rate, "weight_decay": self.recipe.weight_decay, "fused": True}
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        if self.recipe.optimiser == "sgd":
            common["momentum"] = MOMENTUM
        self.optimiser: torch.optim.Optimizer = kinds[self.recipe.optimiser](self.learned(), **common)

    @property
    def shown(self) -> nn.Module:
        """The network that is tested and kept: the one that learns, or the moving average of its weights."""
        return self.network if self.average is None else self.average.module

    def forward(self, batch: Batch, step: int) -> None:
        """Answers to a batch, with gradient."""
        inputs = batch.inputs
        if self.learner.noise:
            chance = generator(self.learner.seed, "noise", step)
            inputs = inputs + self.learner.noise * torch.randn(inputs.shape, generator=chance).to(inputs.device)
        with tapped(self.network, self.paths) as seen, self.compute.autocast(self.examples.device):
            self.logits = self.network(inputs).float()
        self.features = {tap: features.float() for tap, features in seen.items()}

    def of(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """What it teaches others at this step: its answers to the same batch, without gradient."""
        return self.logits.detach(), {tap: features.detach() for tap, features in self.features.items()}

    def parts(self, batch: Batch, step: int, epoch: int) -> list[Part]:
        """The loss after :meth:`forward`, in float32."""
        if self.method is None or not self.instructions:
            return [label_part(self.logits, batch.labels, mixed=batch.mixed, smoothing=self.recipe.smoothing)]
        seed = derive(self.learner.seed, "method", step)
        said = [
            self.method.parts(own.signals(self.logits, self.features, batch, epoch=epoch, seed=seed))
            for own in self.instructions
        ]
        shares = [own.weight for own in self.instructions]
        return [_mean(parts, shares) for parts in zip(*said, strict=True)] if len(said) > 1 else said[0]

    def numbers(self, parts: list[Part]) -> tuple[dict[str, list[float]], float]:
        """Raw and weighted value of each part, and their sum. Raises NotFiniteError."""
        values = torch.stack([part.value.detach() for part in parts] + [total(parts).detach()]).tolist()
        for part, value in zip(parts, values, strict=False):
            if not math.isfinite(value):
                raise NotFiniteError(self.role, part.name)
        if not math.isfinite(values[-1]):
            raise NotFiniteError(self.role, "the sum of the parts")
        return {p.name: [v, v * p.weight] for p, v in zip(parts, values, strict=False)}, values[-1]

    def forget(self) -> None:
        """The gradients of the last step."""
        self.optimiser.zero_grad(set_to_none=True)

    def differentiate(self, parts: list[Part]) -> None:
        """Adds the gradient of the sum of the parts."""
        self.scaler.scale(total(parts)).backward()  # type: ignore[no-untyped-call]

    def limit(self) -> None:
        """Checks and clips the gradient, once everybody who adds to it has. Raises NotFiniteError; no weight is
        touched."""
        self.scaler.unscale_(self.optimiser)
        learned = self.learned()
        norm = nn.utils.get_total_norm([p.grad for p in learned if p.grad is not None])
        # A scaler skips such a step and tries a smaller scale; at the smallest there is nothing left to try.
        if not norm.isfinite() and (not self.scaler.is_enabled() or self.scaler.get_scale() < SMALLEST_SCALE):
            raise NotFiniteError(self.role, "the gradient")
        if self.recipe.clip:
            nn.utils.clip_grads_with_norm_(learned, self.recipe.clip, norm)

    def update(self) -> None:
        """One optimiser step down the gradient."""
        self.scaler.step(self.optimiser)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def apply(self, live: Mapping[str, float]) -> None:
        """Puts live options into force: those of the method, and the learning rate."""
        if self.method is not None and not self.learner.is_fixed:
            own = {name: value for name, value in live.items() if name in options_of(type(self.method))}
            self.method = self.method.with_values(**own)
            for instruction in self.instructions:
                instruction.method = self.method
        if "learning_rate" in live:
            self.rate = live["learning_rate"]  # the next step sets it

    def set_rate(self, share: float) -> None:
        """Sets the learning rate to that share of the chosen one."""
        for group in self.optimiser.param_groups:
            group["lr"] = share * self.rate

    def learned(self) -> list[nn.Parameter]:
        """What the optimiser changes: the student's weights, then those of the adaptors."""
        modules = (self.network, *(own.adaptors for own in self.instructions))
        return [p for module in modules for p in module.parameters() if p.requires_grad and p not in self._others]

    def average_tensors(self) -> dict[str, Tensor]:
        """Beside the network that is shown: the weights that learn, and how often they were averaged."""
        if self.average is None:
            return {}
        return {"count": self.average.n_averaged, **{f"own/{k}": v for k, v in self.network.state_dict().items()}}

    def load_average_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`average_tensors` gave."""
        if self.average is not None:
            self.average.n_averaged.copy_(tensors["count"])
            own = {name.removeprefix("own/"): value for name, value in tensors.items() if name != "count"}
            self.network.load_state_dict(own)

    def optimiser_tensors(self) -> dict[str, Tensor]:
        """The optimiser's state under flat names: "3/exp_avg" belongs to the fourth parameter."""
        state = self.optimiser.state_dict()["state"]
        return {f"{i}/{name}": value for i, entries in state.items() for name, value in entries.items()
                if isinstance(value, Tensor)}  # fmt: skip

    def load_optimiser_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`optimiser_tensors` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        learned = self.learned()
        for flat, value in tensors.items():
            index, name = flat.split("/")
            weight = learned[int(index)]
            # In the layout of its weight: a fused optimiser walks through both alike.
            laid = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
            state.setdefault(int(index), {})[name] = laid
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})

    def adaptor_tensors(self) -> dict[str, Tensor]:
        """The adaptors' state; with several teachers under the number of each."""
        if len(self.instructions) == 1:
            return self.instructions[0].adaptors.state_dict()
        return {
            f"{number}/{name}": value
            for number, own in enumerate(self.instructions)
            for name, value in own.adaptors.state_dict().items()
        }

    def load_adaptor_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`adaptor_tensors` gave."""
        for number, own in enumerate(self.instructions):
            start = "" if len(self.instructions) == 1 else f"{number}/"
            found = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
            own.adaptors.load_state_dict(found)


def _average(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    how = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=how, use_buffers=True).requires_grad_(False)


def _mean(parts: tuple[Part, ...], shares: list[float]) -> Part:
    """One part of several teachers, its value weighted by theirs."""
    value = sum((part.value * share for part, share in zip(parts, shares, strict=True)), torch.zeros(()))
    return Part(parts[0].name, parts[0].weight, value)
