"""Validation and test evaluation of stacked runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Event, Pinned, Probed, Surface, Validated
from kd_core.base.metrics import compute_metrics, pack_mask
from kd_core.config.label_subset import NONE
from kd_core.config.plan import TEACHER
from kd_core.datasets import Data
from kd_core.nn.inference import predict_logits
from kd_core.training.evaluation import GRID, choose_pinned, extent, grid, rounded, surface
from kd_core.training.vectorized.multi_run.phase import StackedPhase


def match_fractions(predicted: Tensor, classes: Tensor) -> list[float]:
    """Return for each replica the fraction of examples whose ``predicted`` class (R, N) is the given one (N,)."""
    fractions: list[float] = (predicted == classes).double().mean(1).tolist()
    return fractions


def mean_nll(logits: Tensor, labels: Tensor) -> list[float]:
    """Return for each replica the mean negative log-likelihood in nats of ``labels`` (N,); logits are (R, K, N)."""
    expanded = labels.expand(len(logits), -1)
    means: list[float] = F.cross_entropy(logits.double(), expanded, reduction="none").mean(1).tolist()
    return means


class StackEvaluator:
    """Evaluation of one stacked phase on the validation split.

    ``pinned`` are the validation examples that each run follows; they are chosen here where a run has none.
    """

    def __init__(self, phase: StackedPhase, data: Data, pinned: dict[int, list[int]], runs: Iterable[int]) -> None:
        self.phase, self.data, self.pinned = phase, data, pinned
        self.labels = data.validation.labels
        self.inputs = data.validation.inputs.to(phase.device)
        self.teachers = [predict_logits(teacher, self.inputs).cpu() for teacher in phase.teachers]
        self._newly_pinned = set()  # runs
        choices = [choose_pinned(logits, self.labels) for logits in self.teachers]
        for run in runs:
            if run in phase.reference and run not in pinned:
                self._newly_pinned.add(run)
                pinned[run] = choices[phase.reference[run][1]]
        self.extent = extent(data) if data.is_planar else []

    def evaluate(self, runs: Iterable[int], *, is_full: bool) -> tuple[dict[int, list[Event]], set[int]]:
        """Return the events of each of the ``runs``, and the rows whose logits are not finite, which have none.

        ``is_full`` includes pinned examples and decision surfaces, as in the first and last evaluation of a phase.
        """
        phase = self.phase
        logits = phase.step.predict_logits(self.inputs).cpu()
        finite = logits.flatten(1).isfinite().all(1).tolist()
        classes, losses = logits.argmax(1), mean_nll(logits, self.labels)
        accuracies = match_fractions(classes, self.labels)
        is_last = phase.done == phase.steps
        correct = [pack_mask(row) for row in classes == self.labels] if is_last else []
        agreements = [match_fractions(classes, teacher.argmax(1)) for teacher in self.teachers]
        position = (phase.phase.name, phase.done, phase.done // phase.steps_per_epoch)
        events: dict[int, list[Event]] = {}
        surfaces: dict[int, str] = {}
        for run in runs:
            rows = {learner.role: phase.rows[run, learner.role] for learner in phase.phase.learners}
            if not all(finite[row] for row in rows.values()):
                continue
            teacher_role, teacher = phase.reference.get(run, ("", -1))
            events[run] = [
                Validated(
                    *position,
                    {role: accuracies[row] for role, row in rows.items()},
                    {role: losses[row] for role, row in rows.items()},
                    {} if teacher < 0 else {role: agreements[teacher][row] for role, row in rows.items()},
                    {role: correct[row] for role, row in rows.items()} if correct else {},
                )
            ]
            if is_full and (pinned := self.pinned.get(run)):
                probed = {role: rounded(logits[row][:, pinned].T) for role, row in rows.items()}
                if not phase.done:
                    if run in self._newly_pinned:
                        events[run].append(Pinned(pinned, self.labels[pinned].tolist()))
                    if teacher >= 0:
                        probed = {teacher_role: rounded(self.teachers[teacher][pinned]), **probed}
                events[run].append(Probed(*position, probed))
            if is_full and self.extent:
                for row in set(rows.values()) - surfaces.keys():
                    surfaces[row] = self._surface(row)
                by_role = {role: surfaces[row] for role, row in rows.items()}
                events[run].append(Surface(*position, GRID, self.extent, by_role))
        return events, {row for row, is_finite in enumerate(finite) if not is_finite}

    def _surface(self, row: int) -> str:
        self.phase.network.load_state_dict(self.phase.step.network_state(row))
        return surface(self.phase.network, grid(self.extent).to(self.phase.device))


class StackTester:
    """Evaluation on the test split at the end; every network is evaluated once, however many runs share it."""

    def __init__(self, data: Data, omitted: str) -> None:
        self.data = data
        self.omitted_class = None if omitted == NONE else data.classes.index(omitted)
        self._teacher_logits: dict[int, Tensor] = {}  # (N, K) by id of the network
        self._phase_logits: dict[int, Tensor] = {}  # (R, K, N) by id of the stacked phase
        self._metrics: dict[tuple[int, int, int], dict[str, Any]] = {}

    def metrics(
        self, teachers: Mapping[str, nn.Module], rows: Mapping[str, tuple[StackedPhase, int]]
    ) -> dict[str, dict[str, Any]]:
        """Return the test metrics of one run by role.

        ``teachers`` are its trained networks, ``rows`` the phase and the row of each of its students.
        """
        by_role = {}
        reference = -1
        for network in teachers.values():
            if id(network) not in self._teacher_logits:
                self._teacher_logits[id(network)] = predict_logits(network, self.data.test.inputs).cpu()
        if TEACHER in teachers:
            reference = id(teachers[TEACHER])
        for role, network in teachers.items():
            logits = self._teacher_logits[id(network)]
            by_role[role] = self._cached_metrics(id(network), -1, logits, reference if role != TEACHER else -1)
        for role, (phase, row) in rows.items():
            if id(phase) not in self._phase_logits:
                self._phase_logits[id(phase)] = phase.step.predict_logits(self.data.test.inputs).cpu()
            by_role[role] = self._cached_metrics(id(phase), row, self._phase_logits[id(phase)][row].T, reference)
        return by_role

    def forget(self) -> None:
        """Drop what is cached of the students, which are trained further; teachers stay the same."""
        self._phase_logits.clear()
        self._metrics = {key: metrics for key, metrics in self._metrics.items() if key[1] < 0}

    def _cached_metrics(self, owner: int, row: int, logits: Tensor, reference: int) -> dict[str, Any]:
        key = (owner, row, reference)
        if key not in self._metrics:
            labels = self.data.test.labels
            has_omitted = self.omitted_class is not None and bool((labels == self.omitted_class).any())
            teacher_logits = self._teacher_logits[reference] if reference >= 0 else None
            self._metrics[key] = compute_metrics(
                logits.contiguous(), labels, teacher_logits, self.omitted_class if has_omitted else None
            )
        return dict(self._metrics[key])
