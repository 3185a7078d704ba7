"""What is looked at while a network learns: the validation split, a few pinned examples, the plane of 2-D data."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from kd_core.base.events import Event, Pinned, Probed, Surface, Validated
from kd_core.base.metrics import compute_metrics, fraction, nll
from kd_core.config.label_subset import NONE
from kd_core.config.plan import TEACHER
from kd_core.datasets import Data
from kd_core.nn.composite import ClassSubset, in_known_classes
from kd_core.nn.inference import predict_logits
from kd_core.training.learner import NotFiniteError

PINNED = 10  # examples at most
GRID = 48  # points along each side of a decision surface
MARGIN = 0.08  # of the data's extent, around it


class Evaluator:
    """Looks at the learning networks of one phase. What cannot change during it is computed once, here.

    ``teacher``: role and network that they are compared with. ``pinned``: the examples followed since an earlier
    phase; empty to choose them now; None if nobody is taught yet, and there are no soft targets to be seen.
    """

    def __init__(
        self,
        phase: str,
        data: Data,
        device: torch.device,
        teacher: tuple[str, nn.Module] | None,
        pinned: Sequence[int] | None,
    ) -> None:
        self.phase, self.labels = phase, data.validation.labels
        self.inputs = data.validation.inputs.to(device)
        self.teacher, network = teacher or ("", None)
        self.teacher_logits = None if network is None else predict_logits(network, self.inputs).cpu()
        self._told = None if self.teacher_logits is None else self.teacher_logits.argmax(1)
        self.is_first = pinned == []
        self.pinned = choose_pinned(self.teacher_logits, self.labels) if self.is_first else list(pinned or ())
        self.extent = extent(data) if data.is_planar else []
        self.grid = grid(self.extent).to(device) if data.is_planar else None
        self._followed = torch.tensor(self.pinned, dtype=torch.long)

    def evaluate(self, step: int, epoch: int, networks: Mapping[str, nn.Module]) -> list[Event]:
        """The validation split, the pinned examples and the plane, as the ``networks`` by role see them now.

        Raises NotFiniteError.
        """
        place = (self.phase, step, epoch)
        logits = {role: predict_logits(network, self.inputs).cpu() for role, network in networks.items()}
        for role, own in logits.items():
            if not math.isfinite(own.sum().item()):
                raise NotFiniteError(role, "an answer on the validation split")
        teacher = self.teacher_logits
        accuracies: dict[str, float] = {}
        losses: dict[str, float] = {}
        agreed: dict[str, float] = {}
        for role, own in logits.items():
            top = own.argmax(1)
            accuracies[role], losses[role] = self._judged(networks[role], own, top)
            if self._told is not None:
                agreed[role] = fraction(top == self._told)
        said: list[Event] = [Validated(*place, accuracies, losses, agreed)]
        if self.pinned:
            if step == 0:  # the teacher's answers stay what they are, so once is enough
                said += [Pinned(self.pinned, self.labels[self.pinned].tolist())] if self.is_first else []
                logits = logits if teacher is None else {self.teacher: teacher, **logits}
            said.append(Probed(*place, {role: rounded(own[self._followed]) for role, own in logits.items()}))
        if self.grid is not None:
            shares = {role: surface(network, self.grid) for role, network in networks.items()}
            said.append(Surface(*place, GRID, self.extent, shares))
        return said

    def _judged(self, network: nn.Module, logits: Tensor, top: Tensor) -> tuple[float, float]:
        """Accuracy and loss; a network for some of the classes is judged by their examples alone."""
        labels = self.labels
        if isinstance(network, ClassSubset):
            rows = in_known_classes(network, labels)
            logits, top, labels = logits[rows], top[rows], labels[rows]
        return fraction(top == labels), nll(logits, labels)


def choose_pinned(teacher_logits: Tensor | None, labels: Tensor) -> list[int]:
    """One validation example per class, up to :data:`PINNED`: the one that the teacher gets right with least certainty.

    There the soft targets have most to say. A class that the teacher never gets right shows its first example, and so
    does every class without a trained teacher.
    """
    if teacher_logits is None:
        teacher_logits = torch.zeros(len(labels), int(labels.max()) + 1)
    confidence, answer = teacher_logits.softmax(1).max(1)
    chosen = []
    for label in range(min(teacher_logits.shape[1], PINNED)):
        members = (labels == label).nonzero().flatten()
        if len(members):
            doubt = torch.where(answer[members] == label, confidence[members], torch.inf)
            chosen.append(int(members[doubt.argmin()]))
    return chosen


def extent(data: Data) -> list[float]:
    """[x low, x high, y low, y high] around all training points."""
    low, high = data.train.inputs.min(0).values, data.train.inputs.max(0).values
    margin = MARGIN * (high - low)
    (x_low, y_low), (x_high, y_high) = (low - margin).tolist(), (high + margin).tolist()
    return [round(edge, 4) for edge in (x_low, x_high, y_low, y_high)]


def grid(edges: list[float]) -> Tensor:
    """The points (GRID², 2) of the decision surface within ``edges``, row by row from the lowest y."""
    x_low, x_high, y_low, y_high = edges
    y, x = torch.meshgrid(
        torch.linspace(y_low, y_high, GRID), torch.linspace(x_low, x_high, GRID), indexing="ij"
    )  # fmt: skip
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def surface(network: nn.Module, points: Tensor) -> str:
    """Class probabilities at ``points`` as base64 of unsigned bytes, 255 meaning certainty."""
    shares = predict_logits(network, points).softmax(1)
    return base64.b64encode((shares * 255).round().to(torch.uint8).cpu().numpy().tobytes()).decode()


def rounded(logits: Tensor) -> list[list[float]]:
    """Logits as plain numbers with seven significant digits: all that float32 holds."""
    return [[float(f"{value:.7g}") for value in row] for row in logits.tolist()]


def evaluate_on_test(networks: Mapping[str, nn.Module], data: Data, omitted: str) -> dict[str, dict[str, float]]:
    """What the test split says of each network, by role; ``omitted`` is the class that the students never saw.

    A network for some of the classes is judged by their examples alone: of the others it cannot say anything.
    """
    split = data.test
    logits = {role: predict_logits(network, split.inputs).cpu() for role, network in networks.items()}
    missing = None if omitted == NONE else data.classes.index(omitted)
    found = {}
    for role, network in networks.items():
        rows = in_known_classes(network, split.labels)
        teacher = logits[TEACHER][rows] if TEACHER in logits and role != TEACHER else None
        is_asked = missing is not None and bool((split.labels[rows] == missing).any())
        found[role] = compute_metrics(logits[role][rows], split.labels[rows], teacher, missing if is_asked else None)
    return found


def copy_of(network: nn.Module) -> dict[str, Tensor]:
    """Its weights and buffers as they are now."""
    return {name: value.clone() for name, value in network.state_dict().items()}


class WeightsCopy:
    """A copy of a network's weights that is taken again and again, in the same memory: asking for memory costs more
    than copying. ``weights`` as :func:`copy_of` gives them."""

    def __init__(self, network: nn.Module) -> None:
        self.weights = copy_of(network)
        # The variables themselves: compiled steps give them other memory.
        self._variables = [*network.state_dict(keep_vars=True).values()]

    def take(self) -> None:
        """Makes it the weights of this moment."""
        with torch.no_grad():
            torch._foreach_copy_([*self.weights.values()], self._variables)


@dataclass
class BestWeights:
    """By its accuracy on the validation split."""

    accuracy: float = -1.0
    step: int = 0
    epoch: int = 0
    evaluations_since: int = 0  # looks since then
    weights: dict[str, Tensor] = field(default_factory=dict)

    def update(self, accuracy: float, step: int, epoch: int, network: nn.Module) -> None:
        """With the network as it is now."""
        self.evaluations_since += 1
        if accuracy > self.accuracy:
            self.accuracy, self.step, self.epoch, self.evaluations_since, self.weights = (
                accuracy,
                step,
                epoch,
                0,
                copy_of(network),
            )
