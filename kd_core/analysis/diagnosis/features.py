"""What a finished run shows of itself: the numbers that a diagnosis is made from, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional as F

from kd_core.analysis.diagnosis.curve_features import EVENTS, CurveFeatures, read_curve_features
from kd_core.analysis.replay import TAUGHT, Replay
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
class Softened:
    """A teacher's soft targets (n, K) on the examples that the student was shown.

    ``beside``: mean probability of all classes but the teacher's first. ``entropy``: mean, as a share of ln K.
    ``better``: the temperature among :data:`TEMPERATURES` whose entropy is closest to :data:`HALFWAY`.
    """

    temperature: float
    beside: float
    entropy: float
    better: float


@dataclass(frozen=True)
class Imitation:
    """The student on the examples that it was shown, at the end of training.

    ``agreement``: share on which its top class is the teacher's; ``unmatched``: on which it is neither the teacher's
    nor the label given. ``left``: KL from the teacher that is left, as a share of that of one answer to everything.
    """

    agreement: float
    unmatched: float
    left: float
    examples: int


@dataclass(frozen=True)
class RunFeatures:
    """Everything that :func:`kd_core.analysis.diagnosis.diagnose` looks at.

    ``tests`` are those of all finished seeds of the same configuration, ``seeds`` which they are. ``chance``: share of
    the commonest class among the test examples. ``teacher``: its role, "" where there is none that was trained before.
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
    soft_targets: Softened | None = None
    imitation: Imitation | None = None

    def mean(self, role: str, measure: str = "accuracy") -> float | None:
        """Of all seeds; None for a role that some of them lack."""
        found = [test[role][measure] for test in self.tests if measure in test.get(role, {})]
        return sum(found) / len(found) if found and len(found) == len(self.tests) else None

    @property
    def gain(self) -> float | None:
        """Of the student over its control, a share; None where there is nothing to compare."""
        mine, other = (
            self.mean(role, self.comparison.measure) for role in (self.comparison.role, self.comparison.control)
        )
        return None if mine is None or other is None else mine - other


def extract_features(
    config: RunConfig,
    events: Iterable[Event],
    tests: Mapping[int, TestMetrics],
    logits: Mapping[str, Tensor] | None = None,
    labels: Tensor | None = None,
) -> RunFeatures:
    """From what a run said and what its networks answer to the examples that the student was shown.

    ``tests`` by seed, this run's among them; ``logits`` (n, K) by role and ``labels`` (n,) as given, both of those
    examples, or None where no weights were kept. Raises ValueError without any test.
    """
    if not tests:
        raise ValueError("A diagnosis needs a finished run.")
    of, source, pupil = comparison_of(config), teacher_of(config), taught_learner(config)
    method = pupil.method if pupil and pupil.method else config.method
    course = read_curve_features(events, (of.role, of.control), method.teacher_free_parts)
    at = temperature_of(method) if pupil else None
    if at is not None and pupil and not pupil.is_fixed:
        at = course.changed.get("temperature", at)
    softened = imitation = None
    if logits and labels is not None and source in logits and of.role in logits:
        if at is not None:
            softened = soften(logits[source], at)
        imitation = imitate(logits[of.role], logits[source], labels, at or 1.0)
    counts = load(config.dataset).test.labels.bincount()
    return RunFeatures(
        config, tuple(tests.values()), tuple(tests), int(counts.max()) / int(counts.sum()), of, source,
        course.curves[of.role], course.curves[of.control], course.parameters, softened, imitation,
    )  # fmt: skip


def taught_learner(config: RunConfig) -> LearnerPlan | None:
    """The one that the verdict speaks of where a teacher was asked for it; None where it is made of others."""
    phases, of = plan_of(config), config.scheme.comparison
    found = [own for phase in phases for own in phase.learners if own.role == of.role and own.method is not None]
    return found[0] if found and found[0].method and found[0].method.uses_teacher else None


def teacher_of(config: RunConfig) -> str:
    """The role that taught it: a network of an earlier phase that tells all classes, or what such were made into."""
    pupil, phases = taught_learner(config), plan_of(config)
    if pupil is None or not pupil.teachers:
        return ""
    role = pupil.teachers[0] if len(pupil.teachers) == 1 else TEACHER
    known: set[str] = set()
    for phase in phases:
        if pupil in phase.learners:
            break
        known |= {own.role for own in phase.networks}
    if role not in known:
        return ""
    own = find_by_role(phases, role)
    return "" if isinstance(own, LearnerPlan) and own.classes else role


def temperature_of(method: Method) -> float | None:
    """At which the method softens logits by softmax; None where it does not."""
    values = method.values()
    if method.uses_teacher and (method.softens_targets or values.get("soft_weight")):
        return float(values["temperature"]) if "temperature" in values else None
    return None


def soften(teacher_logits: Tensor, temperature: float) -> Softened:
    """The soft targets that logits (n, K) give at a temperature."""
    beside = 1 - (teacher_logits.double() / temperature).softmax(1).max(1).values.mean().item()
    full = math.log(teacher_logits.shape[1])
    shares = {at: metrics.entropy(teacher_logits, at) / full for at in TEMPERATURES}
    better = min(shares, key=lambda at: abs(shares[at] - HALFWAY))
    return Softened(temperature, beside, metrics.entropy(teacher_logits, temperature) / full, better)


def imitate(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float) -> Imitation:
    """How well logits (n, K) follow the teacher's on the same examples with ``labels`` (n,) as given."""
    p = (teacher_logits.double() / temperature).softmax(1)
    log_q = F.log_softmax(student_logits.double() / temperature, dim=1)
    # Of all answers that are the same for every example, the mean of p is the closest to p.
    most = F.kl_div(p.mean(0).log().expand_as(p), p, reduction="batchmean").item()
    left = F.kl_div(log_q, p, reduction="batchmean").item()
    mine, other = student_logits.argmax(1), teacher_logits.argmax(1)
    neither = metrics.fraction((mine != other) & (mine != labels))
    return Imitation(metrics.fraction(mine == other), neither, left / most if most > 0 else math.nan, len(labels))


def features_of_run(store: Store, run: Run, siblings: Sequence[Run] = ()) -> RunFeatures:
    """The symptoms of a stored run; ``siblings`` are finished runs of other seeds. Raises ValueError for one that has
    not finished, or that this installation cannot read."""
    tests = {own.seed: own.test for own in (*siblings, run) if own.test}
    recall, logits, labels = Replay(store, run), None, None
    if recall.snapshots:
        wanted = {teacher_of(run.config), run.config.scheme.comparison.role}
        networks, split = recall.networks(recall.snapshot_at(-1)), recall.splits[TAUGHT]
        labels = split.labels
        with limit_threads():
            logits = {
                role: predict_logits(network, split.inputs) for role, network in networks.items() if role in wanted
            }
    said = (event for _, event in store.iter_events(run.id, kinds=EVENTS))
    return extract_features(run.config, said, tests, logits, labels)
