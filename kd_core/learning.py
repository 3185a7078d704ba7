"""One network that learns: its weights, its optimiser, its method, and the prepared answers of its teacher."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kd_core.config import Recipe, TeacherRecipe
from kd_core.datasets import Data, Split
from kd_core.methods import Part, Signals, label_part, total
from kd_core.options import options_of
from kd_core.schemes import Learner
from kd_core.seeds import initialising

CHUNK = 4096  # examples per forward pass where nothing is learned


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks this small train fastest on one thread, and do not collapse beside a busy neighbour."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # holds for the calling thread alone
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class NotFiniteError(ArithmeticError):
    """A part of the loss is infinite or not a number; nothing was updated."""

    def __init__(self, role: str, part: str) -> None:
        super().__init__(f"{part} of the {role} is not finite")
        self.role, self.part = role, part


def answers(network: nn.Module, inputs: Tensor) -> Tensor:
    """Logits (N, K) of a network in eval mode, float32, without gradient. Its mode is as before afterwards."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(chunk).float() for chunk in torch.split(inputs, CHUNK)])
    network.train(was_training)
    return logits


def freeze(network: nn.Module) -> nn.Module:
    """The one place where a network becomes a teacher: eval mode, no gradients."""
    return network.eval().requires_grad_(False)


class Learning:
    """A learner at work on the examples it is shown (``shown``, on the device)."""

    def __init__(
        self, learner: Learner, recipe: Recipe | TeacherRecipe, data: Data, shown: Split, teacher: nn.Module | None
    ) -> None:
        self.role, self.learner, self.method = learner.role, learner, learner.method
        self.inputs, self.labels = shown.inputs, shown.labels
        with initialising(learner.seed, "weights"):
            network = learner.model.build(data.shape, len(data.classes))
        self.network = network.to(self.inputs.device).train()
        parameters = self.network.parameters()
        self.optimiser: torch.optim.Optimizer = (
            torch.optim.Adam(parameters, recipe.learning_rate, fused=True)
            if recipe.optimiser == "adam"
            else torch.optim.SGD(parameters, recipe.learning_rate, momentum=0.9, fused=True)
        )
        # The views are fixed, so the teacher answers once for the whole phase. It sees exactly what the student sees.
        self.teacher_logits = answers(teacher, self.inputs) if teacher else None

    def parts(self, rows: Tensor) -> list[Part]:
        """The loss of the examples ``rows``, in float32 and with gradient."""
        logits, labels = self.network(self.inputs[rows]).float(), self.labels[rows]
        if self.method is None or self.teacher_logits is None:
            return [label_part(logits, labels)]
        return self.method.parts(Signals(logits, labels, self.teacher_logits[rows]))

    def numbers(self, parts: list[Part]) -> tuple[dict[str, list[float]], float]:
        """Raw and weighted value of each part, and their sum. Raises NotFiniteError."""
        values = torch.stack([part.value.detach() for part in parts] + [total(parts).detach()]).tolist()
        for part, value in zip(parts, values, strict=False):
            if not math.isfinite(value):
                raise NotFiniteError(self.role, part.name)
        if not math.isfinite(values[-1]):
            raise NotFiniteError(self.role, "the sum of the parts")
        return {p.name: [v, v * p.weight] for p, v in zip(parts, values, strict=False)}, values[-1]

    def differentiate(self, parts: list[Part]) -> None:
        """The gradient of the sum of the parts. Raises NotFiniteError; no weight is touched."""
        self.optimiser.zero_grad(set_to_none=True)
        total(parts).backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        if not nn.utils.get_total_norm(gradients).isfinite():
            raise NotFiniteError(self.role, "the gradient")

    def update(self) -> None:
        """One optimiser step down the gradient."""
        self.optimiser.step()

    def apply(self, live: Mapping[str, float]) -> None:
        """Puts live options into force: those of the method, and the learning rate."""
        if self.method is not None:
            own = {name: value for name, value in live.items() if name in options_of(type(self.method))}
            self.method = self.method.with_values(**own)
        if "learning_rate" in live:
            for group in self.optimiser.param_groups:
                group["lr"] = live["learning_rate"]

    def optimiser_tensors(self) -> dict[str, Tensor]:
        """The optimiser's state under flat names: "3/exp_avg" belongs to the fourth parameter."""
        state = self.optimiser.state_dict()["state"]
        return {f"{i}/{name}": value for i, entries in state.items() for name, value in entries.items()
                if isinstance(value, Tensor)}  # fmt: skip

    def load_optimiser_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """What :meth:`optimiser_tensors` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        for flat, value in tensors.items():
            index, name = flat.split("/")
            state.setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
