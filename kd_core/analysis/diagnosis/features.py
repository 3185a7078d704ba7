"""Numbers of a finished run that the rules of the diagnosis read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor
from torch.nn import functional as F

from kd_core.analysis.diagnosis.curve_features import EVENTS, CurveFeatures, read_curve_features
from kd_core.analysis.replay import TAUGHT, Replay
from kd_core.analysis.verdict import SKIPPED_EVENTS, Counts, count_skipped
from kd_core.base import metrics
from kd_core.base.devices import limit_threads
from kd_core.base.events import Event
from kd_core.config.comparison import Comparison, TestMetrics
from kd_core.config.plan import TEACHER, LearnerPlan, find_by_role
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.methods import Method
from kd_core.nn.inference import predict_logits
from kd_core.schemes import comparison_of, plan_of
from kd_core.store.store import Run, Store

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 20.0)  # to choose another one from
HALFWAY = 0.5  # of the entropy that uniform soft targets have: as far from one-hot as from uniform


@dataclass(frozen=True)
class SoftTargetFeatures:
    """A teacher's soft targets (N, K) on the student's training examples.

    Attributes:
        temperature: Temperature of these soft targets.
        other_classes: Mean probability of all classes but the teacher's top class.
        entropy: Mean entropy as a fraction of ln K.
        suggested_temperature: That of :data:`TEMPERATURES` whose entropy is closest to :data:`HALFWAY`.
    """

    temperature: float
    other_classes: float
    entropy: float
    suggested_temperature: float


@dataclass(frozen=True)
class Imitation:
    """The student on its training examples at the end of training.

    Attributes:
        agreement: Fraction of the examples on which its top class is the teacher's.
        unmatched: Fraction on which its top class is neither the teacher's nor the label.
        remaining: KL divergence from the teacher as a fraction of that of the best constant output.
        examples: Number of these examples.
    """

    agreement: float
    unmatched: float
    remaining: float
    examples: int


@dataclass(frozen=True)
class RunFeatures:
    """Everything that the rules read of a run.

    Attributes:
        config: The run's configuration.
        tests: Test metrics of all finished seeds of the configuration.
        seeds: These seeds.
        chance: Score on the test set of giving the commonest label to every example.
        comparison: Which networks the verdict compares.
        teacher: Role of the teacher; "" without one that was trained before the student.
        student: Curves of the distilled student.
        control: Curves of the network that it is compared with.
        parameters: Parameter counts by role.
        soft_targets: None where no logits are softened, or no weights are stored.
        imitation: None where no weights are stored.
        skipped: Updates of the student's phase that were skipped at 16 bits, and all of its updates.
    """

    config: RunConfig
    tests: tuple[TestMetrics, ...]
    seeds: tuple[int, ...]
    chance: float
    comparison: Comparison = field(default_factory=Comparison)
    teacher: str = ""
    student: CurveFeatures = field(default_factory=CurveFeatures)
    control: CurveFeatures = field(default_factory=CurveFeatures)
    parameters: Mapping[str, int] = field(default_factory=dict)
    soft_targets: SoftTargetFeatures | None = None
    imitation: Imitation | None = None
    skipped: tuple[int, int] = (0, 0)

    def mean(self, role: str, measure: str = "accuracy") -> float | None:
        """Return the mean of a test metric over the seeds; None for a role that some of them lack."""
        values = [test[role][measure] for test in self.tests if measure in test.get(role, {})]
        return sum(values) / len(values) if values and len(values) == len(self.tests) else None

    @property
    def gain(self) -> float | None:
        """Student minus control, a fraction; None where there is nothing to compare."""
        student = self.mean(self.comparison.role, self.comparison.measure)
        control = self.mean(self.comparison.control, self.comparison.measure)
        return None if student is None or control is None else student - control


def extract_features(
    config: RunConfig,
    events: Iterable[Event],
    tests: Mapping[int, TestMetrics],
    logits: Mapping[str, Tensor] | None = None,
    labels: Tensor | None = None,
    *,
    skipped: Counts = MappingProxyType({}),
) -> RunFeatures:
    """Return the features of a run.

    Args:
        config: The run's configuration.
        events: At least the run's events of the kinds in :data:`curve_features.EVENTS`.
        tests: Test metrics by seed, those of this run among them.
        logits: Logits (N, K) by role on the student's training examples; None where there are no classes, or no weights
            are stored.
        labels: Labels (N,) of these examples as the student was given them.
        skipped: Skipped updates by phase.

    Raises:
        ValueError: There are no test metrics.
    """
    if not tests:
        raise ValueError("A diagnosis needs a finished run.")
    comparison, teacher, student = comparison_of(config), teacher_of(config), taught_learner(config)
    method = student.method if student and student.method else config.method
    curves = read_curve_features(events, (comparison.role, comparison.control), method.teacher_free_parts)
    temperature = temperature_of(method) if student else None
    if temperature is not None and student and not student.is_fixed:
        temperature = curves.changed.get("temperature", temperature)
    soft_targets = imitation = None
    if logits and labels is not None and teacher in logits and comparison.role in logits:
        if temperature is not None:
            soft_targets = soft_target_features(logits[teacher], temperature)
        imitation = imitation_features(logits[comparison.role], logits[teacher], labels, temperature or 1.0)
    data = load(config.dataset)
    test_labels = data.task.row_labels(data.test.labels)[data.task.labelled_rows(data.test.labels)]
    return RunFeatures(
        config, tuple(tests.values()), tuple(tests), data.task.chance(test_labels), comparison, teacher,
        curves.curves[comparison.role], curves.curves[comparison.control], curves.parameters, soft_targets, imitation,
        _skipped_of(comparison.role, config, skipped),
    )  # fmt: skip


def _skipped_of(role: str, config: RunConfig, skipped: Counts) -> tuple[int, int]:
    """Return the skipped and all updates of the phases in which a network was trained."""
    phases = [phase.name for phase in plan_of(config) if role in {learner.role for learner in phase.learners}]
    counts = [skipped[name] for name in phases if name in skipped]
    return sum(count for count, _ in counts), sum(steps for _, steps in counts)


def taught_learner(config: RunConfig) -> LearnerPlan | None:
    """Return the learner whose gain the verdict reports, if it learns from a teacher; None where it has no method."""
    role = config.scheme.comparison.role
    for phase in plan_of(config):
        for learner in phase.learners:
            if learner.role == role and learner.method is not None:
                return learner if learner.method.uses_teacher else None
    return None


def teacher_of(config: RunConfig) -> str:
    """Return the role of the student's teacher; "" without a network of an earlier phase that knows all classes.

    Several teachers count as the network that they were combined into.
    """
    student, phases = taught_learner(config), plan_of(config)
    if student is None or not student.teachers:
        return ""
    role = student.teachers[0] if len(student.teachers) == 1 else TEACHER
    earlier: set[str] = set()
    for phase in phases:
        if student in phase.learners:
            break
        earlier |= {network.role for network in phase.networks}
    if role not in earlier:
        return ""
    network = find_by_role(phases, role)
    return "" if isinstance(network, LearnerPlan) and network.classes else role


def temperature_of(method: Method) -> float | None:
    """Return the temperature at which a method softens logits by softmax; None where it does not."""
    values = method.values()
    if method.uses_teacher and (method.softens_targets or values.get("soft_weight")):
        return float(values["temperature"]) if "temperature" in values else None
    return None


def soft_target_features(teacher_logits: Tensor, temperature: float) -> SoftTargetFeatures:
    """Return the features of the soft targets that logits (N, K) give at a temperature."""
    other_classes = 1 - (teacher_logits.double() / temperature).softmax(1).max(1).values.mean().item()
    maximum = math.log(teacher_logits.shape[1])
    entropies = {each: metrics.entropy(teacher_logits, each) / maximum for each in TEMPERATURES}
    suggested = min(entropies, key=lambda each: abs(entropies[each] - HALFWAY))
    entropy = metrics.entropy(teacher_logits, temperature) / maximum
    return SoftTargetFeatures(temperature, other_classes, entropy, suggested)


def imitation_features(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Imitation:
    """Return how well logits (N, K) match the teacher's on the same examples with ``labels`` (N,) as given."""
    p = (teacher_logits.double() / temperature).softmax(1)
    log_q = F.log_softmax(student_logits.double() / temperature, dim=1)
    # Of all outputs that are the same for every example, the mean of p is the closest to p.
    constant = F.kl_div(p.mean(0).log().expand_as(p), p, reduction="batchmean").item()
    divergence = F.kl_div(log_q, p, reduction="batchmean").item()
    student, teacher = student_logits.argmax(1), teacher_logits.argmax(1)
    unmatched = metrics.fraction((student != teacher) & (student != labels))
    remaining = divergence / constant if constant > 0 else math.nan
    return Imitation(metrics.fraction(student == teacher), unmatched, remaining, len(labels))


def features_of_run(store: Store, run: Run, siblings: Sequence[Run] = ()) -> RunFeatures:
    """Return the features of a stored run; ``siblings`` are finished runs of other seeds.

    Raises ValueError for a run that has not finished, or that this installation cannot read.
    """
    tests = {each.seed: each.test for each in (*siblings, run) if each.test}
    replay, logits, labels = Replay(store, run), None, None
    if replay.snapshots and replay.data.task.has_class_rows:
        roles = {teacher_of(run.config), run.config.scheme.comparison.role}
        networks, split = replay.networks(replay.snapshot_at(-1)), replay.splits[TAUGHT]
        task = replay.data.task
        index = task.labelled_rows(split.labels)
        labels = task.row_labels(split.labels)[index]
        with limit_threads():
            logits = {
                role: task.rows(predict_logits(network, split.inputs))[index]
                for role, network in networks.items()
                if role in roles
            }
    events = (event for _, event in store.iter_events(run.id, kinds=EVENTS))
    skipped = count_skipped(event for _, event in store.iter_events(run.id, kinds=SKIPPED_EVENTS))
    return extract_features(run.config, events, tests, logits, labels, skipped=skipped)
