"""One network that learns: its weights, its adaptors, its optimiser, its method, and its teacher at work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kd_core.config import Recipe, TeacherRecipe
from kd_core.datasets import Data, Split
from kd_core.methods import Match, Part, Signals, label_part, total
from kd_core.options import options_of
from kd_core.schemes import Learner, Phase, build, pair_of
from kd_core.seeds import derive, initialising
from kd_core.taps import only, tapped
from kd_core.teaching import Teaching


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


class Learning:
    """A learner at work on the examples ``shown`` to it, on the device, with a trained ``teacher`` or without."""

    def __init__(
        self,
        learner: Learner,
        recipe: Recipe | TeacherRecipe,
        shown: Split,
        *,
        phases: Sequence[Phase],
        data: Data,
        teacher: nn.Module | None,
    ) -> None:
        self.role, self.learner, self.method = learner.role, learner, learner.method
        self.inputs, self.labels = shown.inputs, shown.labels
        with initialising(learner.seed, "weights"):
            network = build(learner, phases, data)
        self.adaptors = nn.ModuleDict()
        self.teaching: Teaching | None = None
        self.matches: tuple[Match, ...] = ()
        self.paths: dict[str, str] = {}
        pair = pair_of(learner, phases, data)
        if self.method is not None and pair is not None and teacher is not None:
            self.method.begin(pair, network, teacher)
            self.matches = self.method.matches(pair)
            self.paths = only(self.method.taps(pair), [match.student for match in self.matches])
            with initialising(learner.seed, "adaptors"):
                self.adaptors = self.method.adaptors(pair, shown.labels.cpu())
            paths = only(pair.teacher.taps(), [match.teacher for match in self.matches])
            self.teaching = Teaching(teacher, self.inputs, paths)
        self.network = network.to(self.inputs.device).train()
        self.adaptors.to(self.inputs.device).train()
        self.optimiser: torch.optim.Optimizer = (
            torch.optim.Adam(self._learned(), recipe.learning_rate, fused=True)
            if recipe.optimiser == "adam"
            else torch.optim.SGD(self._learned(), recipe.learning_rate, momentum=0.9, fused=True)
        )

    def parts(self, rows: Tensor, step: int, epoch: int) -> list[Part]:
        """The loss of the examples ``rows`` after that many steps and epochs, in float32 and with gradient."""
        with tapped(self.network, self.paths) as seen:
            logits, labels = self.network(self.inputs[rows]).float(), self.labels[rows]
        if self.method is None or self.teaching is None:
            return [label_part(logits, labels)]
        teacher_logits, teacher_features = self.teaching.of(rows)
        return self.method.parts(
            Signals(
                logits,
                labels,
                teacher_logits,
                epoch,
                {tap: features.float() for tap, features in seen.items()},
                teacher_features,
                self.matches,
                self.adaptors,
                rows,
                derive(self.learner.seed, "method", step),
            )
        )

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
        gradients = [p.grad for p in self._learned() if p.grad is not None]
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

    def _learned(self) -> list[nn.Parameter]:
        """What the optimiser changes: the student's weights, then those of the adaptors."""
        return [p for module in (self.network, self.adaptors) for p in module.parameters() if p.requires_grad]

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
