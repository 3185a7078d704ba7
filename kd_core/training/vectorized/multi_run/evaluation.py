"""What a cohort answers, for all of its runs at once: on the validation split while it learns, on the test split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Event, Pinned, Probed, Surface, Validated
from kd_core.base.metrics import compute_metrics
from kd_core.config.label_subset import NONE
from kd_core.config.plan import TEACHER
from kd_core.datasets import Data
from kd_core.nn.inference import predict_logits
from kd_core.training.evaluation import GRID, choose_pinned, extent, grid, rounded, surface
from kd_core.training.vectorized.multi_run.phase import StackedPhase


def match_fractions(top: Tensor, classes: Tensor) -> list[float]:
    """Of each replica: the share of examples whose top class (R, N) is the given one (N,)."""
    found: list[float] = (top == classes).double().mean(1).tolist()
    return found


def mean_nll(logits: Tensor, labels: Tensor) -> list[float]:
    """Of each replica: the negative log-likelihood of the labels (N,) in nats, mean over the examples; logits
    (R, K, N)."""
    every = labels.expand(len(logits), -1)
    found: list[float] = F.cross_entropy(logits.double(), every, reduction="none").mean(1).tolist()
    return found


class StackEvaluator:
    """Looks at a ``cohort``; ``pinned`` are the validation examples that each run follows, chosen here at need."""

    def __init__(self, cohort: StackedPhase, data: Data, pinned: dict[int, list[int]], runs: Iterable[int]) -> None:
        self.cohort, self.data, self.pinned = cohort, data, pinned
        self.labels = data.validation.labels
        self.inputs = data.validation.inputs.to(cohort.device)
        self.teachers = [predict_logits(teacher, self.inputs).cpu() for teacher in cohort.teachers]
        self.is_first = set()
        chosen = [choose_pinned(logits, self.labels) for logits in self.teachers]
        for run in runs:
            if run in cohort.reference and run not in pinned:
                self.is_first.add(run)
                pinned[run] = chosen[cohort.reference[run][1]]
        self.extent = extent(data) if data.is_planar else []

    def evaluate(self, runs: Iterable[int], *, is_full: bool) -> tuple[dict[int, list[Event]], set[int]]:
        """The events of each of the ``runs``, and the rows whose answers are not finite, of which nothing is said.

        ``is_full``: with the pinned examples and the plane, as at the first look and the last.
        """
        cohort = self.cohort
        logits = cohort.step.predict_logits(self.inputs).cpu()
        finite = logits.flatten(1).isfinite().all(1).tolist()
        top, lost = logits.argmax(1), mean_nll(logits, self.labels)
        right = match_fractions(top, self.labels)
        agreed = [match_fractions(top, teacher.argmax(1)) for teacher in self.teachers]
        place = (cohort.phase.name, cohort.done, cohort.done // cohort.steps_per_epoch)
        said: dict[int, list[Event]] = {}
        planes: dict[int, str] = {}
        for run in runs:
            rows = {own.role: cohort.rows[run, own.role] for own in cohort.phase.learners}
            if not all(finite[row] for row in rows.values()):
                continue
            role, teacher = cohort.reference.get(run, ("", -1))
            said[run] = [
                Validated(
                    *place,
                    {own: right[row] for own, row in rows.items()},
                    {own: lost[row] for own, row in rows.items()},
                    {} if teacher < 0 else {own: agreed[teacher][row] for own, row in rows.items()},
                )
            ]
            if is_full and (pinned := self.pinned.get(run)):
                shown = {own: rounded(logits[row][:, pinned].T) for own, row in rows.items()}
                if not cohort.done:
                    said[run] += [Pinned(pinned, self.labels[pinned].tolist())] if run in self.is_first else []
                    if teacher >= 0:
                        shown = {role: rounded(self.teachers[teacher][pinned]), **shown}
                said[run].append(Probed(*place, shown))
            if is_full and self.extent:
                for row in set(rows.values()) - planes.keys():
                    planes[row] = self._plane(row)
                said[run].append(Surface(*place, GRID, self.extent, {own: planes[row] for own, row in rows.items()}))
        return said, {row for row, is_finite in enumerate(finite) if not is_finite}

    def _plane(self, row: int) -> str:
        self.cohort.network.load_state_dict(self.cohort.step.state(row))
        return surface(self.cohort.network, grid(self.extent).to(self.cohort.device))


class StackTester:
    """The test split, touched at the end: every network is asked once, however many runs share it."""

    def __init__(self, data: Data, omitted: str) -> None:
        self.data = data
        self.missing = None if omitted == NONE else data.classes.index(omitted)
        self._asked: dict[int, Tensor] = {}  # logits (N, K) of teachers
        self._answered: dict[int, Tensor] = {}  # logits (R, K, N) of cohorts
        self._judged: dict[tuple[int, int, int], dict[str, float]] = {}

    def metrics(
        self, teachers: Mapping[str, nn.Module], rows: Mapping[str, tuple[StackedPhase, int]]
    ) -> dict[str, dict[str, float]]:
        """Return test metrics of one run: its trained teachers, then its students by their place."""
        found = {}
        by_teacher = -1
        for network in teachers.values():
            if id(network) not in self._asked:
                self._asked[id(network)] = predict_logits(network, self.data.test.inputs).cpu()
        if TEACHER in teachers:
            by_teacher = id(teachers[TEACHER])
        for role, network in teachers.items():
            found[role] = self._judge(id(network), -1, self._asked[id(network)], by_teacher if role != TEACHER else -1)
        for role, (cohort, row) in rows.items():
            if id(cohort) not in self._answered:
                self._answered[id(cohort)] = cohort.step.predict_logits(self.data.test.inputs).cpu()
            found[role] = self._judge(id(cohort), row, self._answered[id(cohort)][row].T, by_teacher)
        return found

    def forget(self) -> None:
        """The answers of cohorts, which go on learning."""
        self._answered.clear()
        self._judged = {key: value for key, value in self._judged.items() if key[1] < 0}

    def _judge(self, owner: int, row: int, logits: Tensor, teacher: int) -> dict[str, float]:
        key = (owner, row, teacher)
        if key not in self._judged:
            labels = self.data.test.labels
            is_asked = self.missing is not None and bool((labels == self.missing).any())
            reference = self._asked[teacher] if teacher >= 0 else None
            self._judged[key] = compute_metrics(
                logits.contiguous(), labels, reference, self.missing if is_asked else None
            )
        return dict(self._judged[key])
