"""Where the networks of a run agree and where not: confusions, changed answers, hard examples, embeddings.

Pure functions of logits (N, K), answers (N,) and labels (N,) first, then one run at one moment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.analysis.replay import TEST, Replay, WeightSnapshot
from kd_core.base.devices import limit_threads
from kd_core.base.metrics import LARGEST, fraction
from kd_core.config.plan import (
    BASELINE,
    CORRECTED,
    STUDENT,
    TEACHER,
    DerivedPlan,
    LearnerPlan,
    PhasePlan,
    find_by_role,
    pairs_of,
)
from kd_core.datasets import Data
from kd_core.nn.hooks import EMBEDDING
from kd_core.nn.inference import predict_with_features
from kd_core.schemes import plan_of

DIFFERENCE = "difference"  # of two confusion matrices: student − baseline
# Groups of examples, each in an order that puts what is worth seeing first.
FIXED, BROKE = "fixed", "broke"  # the student is right and the baseline is not; the other way round
FIXED_TEACHER, BROKE_TEACHER = "fixed_teacher", "broke_teacher"  # the same against the teacher
HARDEST, ALL_WRONG, DISPUTED, CELL = "hardest", "all_wrong", "disputed", "cell"
GROUPS = (FIXED, BROKE, FIXED_TEACHER, BROKE_TEACHER, HARDEST, ALL_WRONG, DISPUTED, CELL)
HARD = 24  # examples that count as the hardest, and as the most disputed


def confusion(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Counts (K, K): row the true class, column the answer."""
    return torch.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)


def of_row(counts: Tensor) -> Tensor:
    """Counts (K, K) as shares of their row; NaN in the row of a class without examples."""
    return counts / counts.sum(1, keepdim=True)


def mcnemar_p_value(fixed: int, broke: int) -> float:
    """How often two equally good networks would differ as unevenly as ``fixed`` to ``broke``, in either direction.

    The exact test of McNemar, "Note on the sampling error of the difference between correlated proportions" (1947):
    two-sided binomial with probability 1/2. It speaks of these two networks on other examples, not of other seeds.
    """
    count, least = fixed + broke, min(fixed, broke)
    uneven: int = sum(math.comb(count, k) for k in range(least + 1))
    return min(1.0, float(2 * uneven / (1 << count)))


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy (N,) in nats of each example."""
    return F.cross_entropy(logits.double(), labels, reduction="none")


def jensen_shannon(logits: Sequence[Tensor]) -> Tensor:
    """Jensen-Shannon divergence (N,) in nats between the answers of several networks to each example: 0 where all say
    the same, at most ln of their number. Lin, "Divergence measures based on the Shannon entropy" (1991), section IV."""
    shares = torch.stack([own.double().softmax(1) for own in logits])
    return _entropy(shares.mean(0)) - _entropy(shares).mean(0)


def pca(features: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Features (N, D) in the plane (N, 2) that keeps most of their variance, and the share that each axis keeps.

    Principal component analysis (Pearson 1901). The sign of an axis is arbitrary: the largest weight of a feature is
    made positive, so that the same features always give the same picture. Features of one dimension get a second axis
    of zeros.
    """
    centred = features.double() - features.double().mean(0)
    _, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    axes, variances = axes[:2], sizes.square()
    axes = axes * torch.where(axes.gather(1, axes.abs().argmax(1, keepdim=True)) < 0, -1.0, 1.0)
    places = F.pad(centred @ axes.T, (0, 2 - len(axes)))
    total = float(variances.sum())
    kept = [float(one) / total if total else 0.0 for one in variances[:2]]
    return places, (kept[0], kept[1] if len(kept) > 1 else 0.0)


@dataclass(frozen=True)
class ErrorAnalysis:
    """What teacher, student and baseline answer to the examples of one split; ``logits`` (N, K) by part.

    A part that nobody plays in this run is missing; the student never is. ``rows`` are the positions of the examples
    in the whole split, which has ``total`` of them.
    """

    split: str
    classes: tuple[str, ...]
    labels: Tensor
    logits: Mapping[str, Tensor]
    rows: Sequence[int]
    total: int

    @property
    def parts(self) -> list[str]:
        """Who is there, in the usual order."""
        return [part for part in (TEACHER, STUDENT, BASELINE) if part in self.logits]

    def answers(self, part: str) -> Tensor:
        """The top classes (N,)."""
        return self.logits[part].argmax(1)

    def accuracy(self, part: str) -> float:
        """Share of the examples that it gets right."""
        return fraction(self._is_right(part))

    def counts(self, of: str) -> list[list[int]]:
        """The confusion matrix of a part, or the :data:`DIFFERENCE` student − baseline."""
        if of == DIFFERENCE:
            return (self._counts(STUDENT) - self._counts(BASELINE)).tolist()
        return self._counts(of).tolist()

    def shares(self, of: str) -> list[list[float]]:
        """The same as shares of the true class's examples."""
        if of == DIFFERENCE:
            return (of_row(self._counts(STUDENT)) - of_row(self._counts(BASELINE))).tolist()
        return of_row(self._counts(of)).tolist()

    def recalls(self, part: str) -> list[float]:
        """Share of each class's examples that it gets right; NaN of a class without any."""
        return of_row(self._counts(part)).diagonal().tolist()

    def examples_of(self) -> list[int]:
        """How many there are of each class."""
        return torch.bincount(self.labels, minlength=len(self.classes)).tolist()

    def examples(self, name: str, of: str = STUDENT, cell: tuple[int, int] | None = None) -> list[int]:
        """Positions of the examples of one of :data:`GROUPS`, those first that say most.

        A ``cell`` (true class, answer) is one ``of`` a part's matrix; of the difference, the examples that exactly one
        of student and baseline answers so. Without those who would be compared a group is empty.
        """
        if name in (FIXED, BROKE, FIXED_TEACHER, BROKE_TEACHER):
            return self._changed(TEACHER if name.endswith(TEACHER) else BASELINE, name.startswith(FIXED))
        everyone = torch.ones_like(self.labels, dtype=torch.bool)
        if name == HARDEST:
            return _ordered(everyone, losses(self._finite(STUDENT), self.labels))[:HARD]
        if name == DISPUTED:
            return _ordered(everyone, jensen_shannon([self._finite(part) for part in self.parts]))[:HARD]
        if name == ALL_WRONG:
            wrong = ~torch.stack([self._is_right(part) for part in self.parts]).any(0)
            return _ordered(wrong, losses(self._finite(STUDENT), self.labels))
        if cell is None or (of != DIFFERENCE and of not in self.logits):
            return []
        return self._cell(of, *cell)

    def softened(self, at: int, temperature: float = 1.0) -> dict[str, list[float]]:
        """Probabilities (K) of an example, by part."""
        return {part: (self._finite(part)[at] / temperature).softmax(0).tolist() for part in self.parts}

    def predictions(self, at: int) -> dict[str, tuple[int, float]]:
        """Top class of an example and its probability, by part."""
        found = {part: torch.tensor(own).max(0) for part, own in self.softened(at).items()}
        return {part: (int(top.indices), float(top.values)) for part, top in found.items()}

    def own_logits(self, at: int) -> dict[str, list[float]]:
        """Logits (K) of an example, by part."""
        return {part: self._finite(part)[at].tolist() for part in self.parts}

    def _counts(self, part: str) -> Tensor:
        return confusion(self.answers(part), self.labels, len(self.classes))

    def _is_right(self, part: str) -> Tensor:
        return self.answers(part) == self.labels

    def _finite(self, part: str) -> Tensor:
        return self.logits[part].nan_to_num(0.0, LARGEST, -LARGEST)

    def _changed(self, reference: str, to_right: bool) -> list[int]:
        if reference not in self.logits:
            return []
        mine, other = self._is_right(STUDENT), self._is_right(reference)
        known = self._of_label(STUDENT) - self._of_label(reference)
        return _ordered(mine & ~other, known) if to_right else _ordered(other & ~mine, -known)

    def _of_label(self, part: str) -> Tensor:
        return self._finite(part).double().softmax(1).gather(1, self.labels[:, None])[:, 0]

    def _cell(self, of: str, true: int, answered: int) -> list[int]:
        parts = (STUDENT, BASELINE) if of == DIFFERENCE else (of,)
        if not set(parts) <= set(self.logits):
            return []
        is_so = torch.stack([self.answers(part) == answered for part in parts]).sum(0) == 1
        surest = self._finite(parts[0]).double().softmax(1)[:, answered]
        return _ordered(is_so & (self.labels == true), surest)


def analyse(recall: Replay, moment: WeightSnapshot, cast: Mapping[str, str]) -> ErrorAnalysis:
    """A run at one of its moments; ``cast`` says which role plays teacher, student and baseline.

    Raises ValueError where the student has not begun, and as :meth:`Replay.logits` does.
    """
    logits, name = recall.logits(moment), recall.visible_split
    if cast.get(STUDENT) not in logits:
        raise ValueError("This run ended before its student began, so there is nobody to compare. Train it again.")
    split = recall.splits[name]
    whole = recall.data.test if name == TEST else recall.data.validation
    own = {part: logits[role][name].cpu() for part, role in cast.items() if role in logits}
    return ErrorAnalysis(name, recall.data.classes, split.labels.cpu(), own, recall.rows(name), len(whole))


@dataclass(frozen=True)
class Projection:
    """Embeddings of N examples in a plane: ``places`` (N, 2), the share of the variance that each axis keeps, and the
    number of dimensions that there were."""

    places: list[list[float]]
    kept: tuple[float, float]
    width: int


def embeddings(recall: Replay, moment: WeightSnapshot, cast: Mapping[str, str]) -> dict[str, Projection]:
    """By part, what the networks make of the examples of the shown split before their last layer. A network without
    an embedding of its own (an average of others, a family that does not end in a linear layer) is left out."""
    networks, phases = recall.networks(moment), plan_of(recall.config)
    inputs = recall.splits[recall.visible_split].inputs
    found = {}
    with limit_threads():
        for part, role in cast.items():
            path = embedding_path(find_by_role(phases, role), phases, recall.data) if role in networks else ""
            if path:
                _, features = predict_with_features(networks[role], inputs, {EMBEDDING: path})
                flat = features[EMBEDDING].flatten(1).nan_to_num(0.0, LARGEST, -LARGEST)
                places, kept = pca(flat)
                found[part] = Projection(places.tolist(), kept, flat.shape[1])
    return found


def embedding_path(own: LearnerPlan | DerivedPlan, phases: Sequence[PhasePlan], data: Data) -> str:
    """The module of a stored network that gives its embedding; empty if there is none."""
    if isinstance(own, DerivedPlan):
        path = embedding_path(find_by_role(phases, own.sources[0]), phases, data) if own.how == CORRECTED else ""
        return f"network.{path}" if path else ""
    if own.method is not None and own.teachers and not (own.is_self_taught or own.trunk[0] or own.classes):
        return own.method.feature_layers(pairs_of(own, phases, data)[0]).get(EMBEDDING, "")
    path = own.model.feature_layers().get(EMBEDDING, "")
    within = "own." if own.trunk[0] else "network." if own.classes else ""
    return within + path if path else ""


def _ordered(is_in: Tensor, by: Tensor) -> list[int]:
    """Positions of the members (N,), the greatest ``by`` (N,) first; equals stay as they stand."""
    rows = is_in.nonzero().flatten()
    return rows[by[rows].argsort(descending=True, stable=True)].tolist()


def _entropy(shares: Tensor) -> Tensor:
    found: Tensor = -torch.special.xlogy(shares, shares).sum(-1)
    return found
