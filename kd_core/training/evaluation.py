"""Evaluation during training and on the test split; best weights."""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Event, Generated, Pinned, Predicted, Probed, Step, Surface, Validated, Written
from kd_core.base.metrics import LARGEST, compute_metrics, pack_mask
from kd_core.config.label_subset import NONE
from kd_core.config.plan import TEACHER
from kd_core.datasets import Data
from kd_core.nn.composite import ClassSubset, in_known_classes
from kd_core.nn.inference import can_predict, predict_logits
from kd_core.training.learner import NetworkTrainer

PINNED = 10  # examples at most
GRID = 48  # points along each side of a decision surface
MAX_SIDE, MAX_PICTURE_BYTES = 64, 40_000  # of generated images in an event
MARGIN = 0.08  # around the data, as a fraction of their extent


Networks = Mapping[int, Mapping[str, nn.Module]]  # by run and role; runs may share some of them


class Evaluator:
    """Evaluation of the networks of one phase on the validation split.

    What stays the same during the phase, the teachers' logits among it, is computed once.

    Args:
        phase: Name of the phase, for the events.
        data: The three splits.
        device: Where the networks are.
        teachers: By run, role and network whose predictions its networks are compared with, if any.
        pinned: By run, validation examples followed since an earlier phase; empty to choose them now. A run of which
            none are followed is missing.
    """

    def __init__(
        self,
        phase: str,
        data: Data,
        device: torch.device,
        teachers: Mapping[int, tuple[str, nn.Module]],
        pinned: Mapping[int, list[int]],
    ) -> None:
        self.phase, self.data = phase, data
        self._index = data.task.labelled_rows(data.validation.labels)
        self.labels = data.task.row_labels(data.validation.labels)[self._index]
        self.inputs = data.validation.inputs.to(device)
        self.teachers = {run: pair for run, pair in teachers.items() if can_predict(pair[1], data.validation.inputs)}
        self._teacher_logits: dict[nn.Module, Tensor] = {}
        for _, teacher in self.teachers.values():
            if teacher not in self._teacher_logits:
                self._teacher_logits[teacher] = self.rows(predict_logits(teacher, self.inputs).cpu())
        self._followed_labels: dict[int, int] = {}  # where these are not those of rows
        choices = {teacher: self._choose(logits) for teacher, logits in self._teacher_logits.items()}
        self.pinned = dict(pinned)
        self._newly_pinned = [run for run, rows in pinned.items() if not rows]
        for run in self._newly_pinned:
            has_teacher = run in self.teachers
            self.pinned[run] = choices[self.teachers[run][1]] if has_teacher else self._choose(None)
        self.extent = extent(data) if data.is_planar else []
        self.grid = grid(self.extent).to(device) if data.is_planar else None

    def _choose(self, teacher_logits: Tensor | None) -> list[int]:
        """Return the positions that are followed, among all rows unless the task says otherwise."""
        chosen = self.data.task.choose_followed(teacher_logits, self.labels, PINNED)
        if chosen is None:
            return choose_pinned(teacher_logits, self.labels)
        self._followed_labels |= chosen
        return [*chosen]

    def rows(self, outputs: Tensor) -> Tensor:
        """Return outputs (N, ..., K) for the validation split as logits (rows, K), of the rows with a label."""
        return self.data.task.rows(outputs)[self._index]

    def validate(
        self, step: int, epoch: int, networks: Networks, logits: Mapping[nn.Module, Tensor]
    ) -> dict[int, Validated]:
        """Return score, loss and agreement of the ``networks``, by run.

        ``logits`` (rows, K) are what :meth:`rows` returned; a network without any is left out.
        """
        scores = {network: self._score_and_loss(network, logits[network]) for network in logits}

        @functools.cache
        def agreement(network: nn.Module, teacher: nn.Module) -> float:
            return self.data.task.agreement(logits[network], self._teacher_logits[teacher])

        events = {}
        for run, by_role in networks.items():
            present = {role: network for role, network in by_role.items() if network in logits}
            _, teacher = self.teachers.get(run, ("", None))
            agreements = {} if teacher is None else {role: agreement(one, teacher) for role, one in present.items()}
            accuracies = {role: scores[network][0] for role, network in present.items()}
            losses = {role: scores[network][1] for role, network in present.items()}
            events[run] = Validated(self.phase, step, epoch, accuracies, losses, agreements)
        return events

    def correct(self, by_role: Mapping[str, nn.Module], logits: Mapping[nn.Module, Tensor]) -> dict[str, str]:
        """Return by role which examples are classified correctly, packed; not of a network that knows some classes.

        Empty where the score does not count examples.
        """
        if not self.data.task.counts_rows:
            return {}
        return {
            role: pack_mask(logits[network].max(1).indices == self.labels)
            for role, network in by_role.items()
            if network in logits and not isinstance(network, ClassSubset)
        }

    def details(
        self, step: int, epoch: int, networks: Networks, logits: Mapping[nn.Module, Tensor]
    ) -> dict[int, list[Event]]:
        """Return by run the logits of the pinned rows, decision surfaces of 2-D data, and what else the task shows."""
        position = (self.phase, step, epoch)

        @functools.cache
        def surface_of(network: nn.Module) -> str:
            assert self.grid is not None
            return surface(network, self.grid)

        events: dict[int, list[Event]] = {run: [] for run in networks}
        for run, by_role in networks.items():
            present = {role: network for role, network in by_role.items() if network in logits}
            if not present:
                continue
            if pinned := self.pinned.get(run):
                followed = self.data.task.followed
                probed = {role: rounded(followed(logits[network])[pinned]) for role, network in present.items()}
                if step == 0:  # the teacher's logits do not change, so once is enough
                    if run in self._newly_pinned:
                        labels = [self._followed_labels.get(row, int(self.labels[row])) for row in pinned]
                        events[run].append(Pinned(pinned, labels))
                    if run in self.teachers:
                        role, teacher = self.teachers[run]
                        probed = {role: rounded(followed(self._teacher_logits[teacher])[pinned]), **probed}
                events[run].append(Probed(*position, probed))
            if self.grid is not None:
                drawn = {role: network for role, network in present.items() if can_predict(network, self.grid)}
                surfaces = {role: surface_of(network) for role, network in drawn.items()}
                events[run].append(Surface(*position, GRID, self.extent, surfaces))
            events[run] += self.data.task.details(position, present, self.teachers.get(run), self.data)
        return events

    def _score_and_loss(self, network: nn.Module, logits: Tensor) -> tuple[float, float]:
        """A network that knows only some classes is evaluated on the examples of these."""
        labels, task = self.labels, self.data.task
        if isinstance(network, ClassSubset):
            rows = in_known_classes(network, labels)
            logits, labels = logits[rows], labels[rows]
        return task.score(logits, labels), task.loss(logits, labels)


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


def generated(position: tuple[str, int, int], trainers: Iterable[NetworkTrainer], data: Data) -> list[Event]:
    """Return the event with images that networks are trained on in the place of stored ones, if there are any.

    Large ones are scaled down. ``position`` is phase, step and epoch.
    """
    images, classes, shape = {}, {}, [0, 0, 0]
    for trainer in trainers:
        maker, role = trainer.learner.maker, trainer.role
        if maker is None or (pair := maker.pictures(trainer.memory)) is None:
            continue
        inputs, labels = pair
        if max(inputs.shape[2:]) > MAX_SIDE:
            inputs = F.adaptive_avg_pool2d(inputs, MAX_SIDE)
        pixels = data.pixels(inputs).cpu()
        count, *shape = pixels.shape
        pixels = pixels[: max(1, MAX_PICTURE_BYTES // (pixels.numel() // count))]
        images[role] = base64.b64encode(pixels.numpy().tobytes()).decode()
        classes[role] = labels[: len(pixels)].tolist()
    return [Generated(*position, shape, images, classes)] if images else []


def rounded(logits: Tensor) -> list[list[float]]:
    """Return logits as numbers with seven significant digits, which is all that float32 holds."""
    rows: list[list[float]] = logits.tolist()  # formatted row by row, which takes half as long as one by one
    return [[*map(float, ("%.7g " * len(row) % tuple(row)).split())] for row in rows]


def evaluate_on_test(networks: Networks, data: Data, omitted: str) -> dict[int, dict[str, dict[str, Any]]]:
    """Return the test metrics of each network by run and role.

    ``omitted`` is the class held out from the students, or ``"none"``. A network that knows only some classes is
    evaluated on the examples of these, and every network once, however many runs share it.
    """
    split, task = data.test, data.task
    index = task.labelled_rows(split.labels)
    all_labels = task.row_labels(split.labels)[index]
    omitted_class = None if omitted == NONE else data.classes.index(omitted)
    outputs = functools.cache(lambda network: predict_logits(network, split.inputs).cpu())
    logits = functools.cache(lambda network: task.rows(outputs(network))[index])

    @functools.cache
    def metrics(network: nn.Module, teacher: nn.Module | None, judge: nn.Module | None) -> dict[str, Any]:
        if not task.has_class_rows:
            return {**numbers(network, teacher), **task.test_metrics(network, judge, data, outputs)}
        rows = in_known_classes(network, all_labels)
        labels = all_labels[rows]
        teacher_logits = None if teacher is None else logits(teacher)[rows]
        has_omitted = omitted_class is not None and bool((labels == omitted_class).any())
        metrics = compute_metrics(
            logits(network)[rows], labels, teacher_logits, omitted_class if has_omitted else None,
            by_class=task.has_class_per_example,
        )  # fmt: skip
        if not task.counts_rows:  # no example has a score, so that only seeds are counted
            metrics = {**metrics, "accuracy": task.score(logits(network)[rows], labels), "examples": 0.0}
            del metrics["correct"]
        return {**metrics, **task.test_metrics(network, judge, data, outputs)}

    def numbers(network: nn.Module, teacher: nn.Module | None) -> dict[str, Any]:
        """Return the metrics of a network whose rows are no logits of classes."""
        rows = logits(network).nan_to_num(0.0, LARGEST, -LARGEST)
        metrics = {"accuracy": task.score(rows, all_labels), "loss": task.loss(rows, all_labels), "examples": 0.0}
        return metrics if teacher is None else {**metrics, "agreement": task.agreement(rows, logits(teacher))}

    by_run = {}
    for run, by_role in networks.items():
        present = {role: network for role, network in by_role.items() if can_predict(network, split.inputs)}
        teacher = present.get(TEACHER)
        by_run[run] = {
            role: metrics(one, None if role == TEACHER else teacher, teacher) for role, one in present.items()
        }
    return by_run


class TensorCopies:
    """Copies of tensors, taken repeatedly into the same memory, since allocation costs more than copying."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors, self._copies = tensors, [tensor.clone() for tensor in tensors]

    def take(self) -> None:
        """Copy the present values."""
        for tensor, copied in zip(self._tensors, self._copies, strict=True):
            copied.copy_(tensor)

    def restore(self) -> None:
        """Give the tensors the values of the last copy."""
        with torch.no_grad():
            for tensor, copied in zip(self._tensors, self._copies, strict=True):
                tensor.copy_(copied)


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Return whether no number in the floating-point ``tensors`` is infinite or not a number."""
    norm = nn.utils.get_total_norm([value for value in tensors if value.is_floating_point()])
    return bool(norm.isfinite())


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
            self.evaluations_since = 0
            self.weights = {name: value.clone() for name, value in network.state_dict().items()}


def without_details(new_events: Iterable[Event], last: Event | None) -> Iterator[Event]:
    """Leave out steps, and what networks predict but at the beginning and in the ``last`` evaluation."""
    details = Probed | Surface | Written | Predicted | Generated
    is_full = False
    for event in new_events:
        if isinstance(event, Validated):
            is_full = event.step == 0 or event is last
        if not isinstance(event, Step) and (is_full or not isinstance(event, details)):
            yield event
