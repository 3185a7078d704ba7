"""Evaluation during training and on the test split; best weights."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.base.events import Event, Pinned, Probed, Surface, Validated
from kd_core.base.metrics import compute_metrics, fraction, nll, pack_mask
from kd_core.config.label_subset import NONE
from kd_core.config.plan import TEACHER
from kd_core.datasets import Data
from kd_core.nn.composite import ClassSubset, in_known_classes
from kd_core.nn.inference import can_predict, predict_logits
from kd_core.training.learner import NotFiniteError

PINNED = 10  # examples at most
GRID = 48  # points along each side of a decision surface
MARGIN = 0.08  # around the data, as a fraction of their extent


class Evaluator:
    """Evaluation of the networks of one phase on the validation split.

    What stays the same during the phase, the teacher's logits among it, is computed once.

    Args:
        phase: Name of the phase, for the events.
        data: The three splits.
        device: Where the networks are.
        teacher: Role and network whose predictions they are compared with, if any.
        pinned: Validation examples followed since an earlier phase; empty to choose them now; None in a phase without
            a teacher, which follows none.
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
        network = network if network is not None and can_predict(network, data.validation.inputs) else None
        self.teacher_logits = None if network is None else predict_logits(network, self.inputs).cpu()
        self._teacher_classes = None if self.teacher_logits is None else self.teacher_logits.argmax(1)
        self.is_first = pinned == []
        self.pinned = choose_pinned(self.teacher_logits, self.labels) if self.is_first else list(pinned or ())
        self.extent = extent(data) if data.is_planar else []
        self.grid = grid(self.extent).to(device) if data.is_planar else None
        self._pinned_rows = torch.tensor(self.pinned, dtype=torch.long)

    def evaluate(self, step: int, epoch: int, networks: Mapping[str, nn.Module]) -> list[Event]:
        """Return the events of one evaluation of the ``networks`` by role.

        They are Validated, Probed for the pinned examples, and Surface for 2-D data. Raises NotFiniteError.
        """
        position = (self.phase, step, epoch)
        networks = {role: network for role, network in networks.items() if can_predict(network, self.inputs)}
        logits = {role: predict_logits(network, self.inputs).cpu() for role, network in networks.items()}
        for role, network_logits in logits.items():
            if not math.isfinite(network_logits.sum().item()):
                raise NotFiniteError(role, "a logit on the validation set")
        accuracies: dict[str, float] = {}
        losses: dict[str, float] = {}
        agreements: dict[str, float] = {}
        for role, network_logits in logits.items():
            classes = network_logits.argmax(1)
            accuracies[role], losses[role] = self._accuracy_and_loss(networks[role], network_logits, classes)
            if self._teacher_classes is not None:
                agreements[role] = fraction(classes == self._teacher_classes)
        correct = {
            role: pack_mask(network_logits.argmax(1) == self.labels)
            for role, network_logits in logits.items()
            if not isinstance(networks[role], ClassSubset)
        }
        events: list[Event] = [Validated(*position, accuracies, losses, agreements, correct)]
        if self.pinned and networks:
            if step == 0:  # the teacher's logits do not change, so once is enough
                events += [Pinned(self.pinned, self.labels[self.pinned].tolist())] if self.is_first else []
                if self.teacher_logits is not None:
                    logits = {self.teacher: self.teacher_logits, **logits}
            events.append(Probed(*position, {role: rounded(logits[role][self._pinned_rows]) for role in logits}))
        if self.grid is not None and networks:
            drawn = {role: network for role, network in networks.items() if can_predict(network, self.grid)}
            surfaces = {role: surface(network, self.grid) for role, network in drawn.items()}
            events.append(Surface(*position, GRID, self.extent, surfaces))
        return events

    def _accuracy_and_loss(self, network: nn.Module, logits: Tensor, classes: Tensor) -> tuple[float, float]:
        """A network that knows only some classes is evaluated on the examples of these."""
        labels = self.labels
        if isinstance(network, ClassSubset):
            rows = in_known_classes(network, labels)
            logits, classes, labels = logits[rows], classes[rows], labels[rows]
        return fraction(classes == labels), nll(logits, labels)


def choose_pinned(teacher_logits: Tensor | None, labels: Tensor) -> list[int]:
    """Return one validation example for each of the first :data:`PINNED` classes.

    It is the one that the teacher classifies correctly with the lowest confidence, since its soft targets hold most
    beside the label. Where the teacher is never right, and without ``teacher_logits`` (N, K), it is the first.
    """
    if teacher_logits is None:
        teacher_logits = torch.zeros(len(labels), int(labels.max()) + 1)
    confidence, predicted = teacher_logits.softmax(1).max(1)
    pinned = []
    for label in range(min(teacher_logits.shape[1], PINNED)):
        members = (labels == label).nonzero().flatten()
        if len(members):
            score = torch.where(predicted[members] == label, confidence[members], torch.inf)
            pinned.append(int(members[score.argmin()]))
    return pinned


def extent(data: Data) -> list[float]:
    """Return [x low, x high, y low, y high] around all training points."""
    low, high = data.train.inputs.min(0).values, data.train.inputs.max(0).values
    margin = MARGIN * (high - low)
    (x_low, y_low), (x_high, y_high) = (low - margin).tolist(), (high + margin).tolist()
    return [round(edge, 4) for edge in (x_low, x_high, y_low, y_high)]


def grid(edges: list[float]) -> Tensor:
    """Return the points (GRID², 2) of a decision surface within ``edges``, row by row from the lowest y."""
    x_low, x_high, y_low, y_high = edges
    y, x = torch.meshgrid(
        torch.linspace(y_low, y_high, GRID), torch.linspace(x_low, x_high, GRID), indexing="ij"
    )  # fmt: skip
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def surface(network: nn.Module, points: Tensor) -> str:
    """Return the class probabilities at ``points`` as base64 of unsigned bytes, 255 for probability 1."""
    probabilities = predict_logits(network, points).softmax(1)
    return base64.b64encode((probabilities * 255).round().to(torch.uint8).cpu().numpy().tobytes()).decode()


def rounded(logits: Tensor) -> list[list[float]]:
    """Return logits as numbers with seven significant digits, which is all that float32 holds."""
    rows: list[list[float]] = logits.tolist()  # formatted row by row, which takes half as long as one by one
    return [[*map(float, ("%.7g " * len(row) % tuple(row)).split())] for row in rows]


def evaluate_on_test(networks: Mapping[str, nn.Module], data: Data, omitted: str) -> dict[str, dict[str, Any]]:
    """Return the test metrics of each network by role.

    ``omitted`` is the class held out from the students, or ``"none"``. A network that knows only some classes is
    evaluated on the examples of these.
    """
    split = data.test
    networks = {role: network for role, network in networks.items() if can_predict(network, split.inputs)}
    logits = {role: predict_logits(network, split.inputs).cpu() for role, network in networks.items()}
    omitted_class = None if omitted == NONE else data.classes.index(omitted)
    metrics = {}
    for role, network in networks.items():
        rows = in_known_classes(network, split.labels)
        labels = split.labels[rows]
        teacher = logits[TEACHER][rows] if TEACHER in logits and role != TEACHER else None
        has_omitted = omitted_class is not None and bool((labels == omitted_class).any())
        metrics[role] = compute_metrics(logits[role][rows], labels, teacher, omitted_class if has_omitted else None)
    return metrics


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights and buffers of a network."""
    return {name: value.clone() for name, value in network.state_dict().items()}


class WeightsCopy:
    """Copy of a network's weights that is taken repeatedly into the same memory.

    Allocating memory costs more than copying. ``weights`` are as from :func:`copy_weights`.
    """

    def __init__(self, network: nn.Module) -> None:
        self.weights = copy_weights(network)
        self._network = network

    def take(self) -> None:
        """Copy the present weights."""
        for name, value in self._network.state_dict().items():
            self.weights[name].copy_(value)


@dataclass
class BestWeights:
    """Weights with the best validation accuracy, and the number of evaluations since then."""

    accuracy: float = -1.0
    step: int = 0
    epoch: int = 0
    evaluations_since: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def update(self, accuracy: float, step: int, epoch: int, network: nn.Module) -> None:
        """Count an evaluation, and copy the weights of ``network`` if its accuracy is the best so far."""
        self.evaluations_since += 1
        if accuracy > self.accuracy:
            self.accuracy, self.step, self.epoch = accuracy, step, epoch
            self.evaluations_since, self.weights = 0, copy_weights(network)
