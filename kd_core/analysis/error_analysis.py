"""Confusion matrices, changed predictions, hard examples and embeddings of the networks of a run.

Pure functions of logits (N, K), predicted classes (N,) and labels (N,) come first, then a run at one epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.decomposition import PCA
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
# Groups of examples, the most telling ones of each first.
FIXED, BROKE = "fixed", "broke"  # the student is right and the baseline wrong; the other way round
FIXED_TEACHER, BROKE_TEACHER = "fixed_teacher", "broke_teacher"  # the same against the teacher
HARDEST, ALL_WRONG, DISPUTED, CELL = "hardest", "all_wrong", "disputed", "cell"
GROUPS = (FIXED, BROKE, FIXED_TEACHER, BROKE_TEACHER, HARDEST, ALL_WRONG, DISPUTED, CELL)
MAX_ROWS = 20_000  # pixels or cells, spread evenly over the split
HARD = 24  # size of the groups of the hardest and of the most disputed examples


def confusion(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the confusion matrix (K, K) as counts, rows are true classes and columns predicted ones."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def row_fractions(counts: Tensor) -> Tensor:
    """Return counts (K, K) as fractions of their row; NaN in the row of a class without examples."""
    return counts / counts.sum(1, keepdim=True)


def mcnemar_p_value(fixed: int, broke: int) -> float:
    """Return how often two equally good networks would differ as unevenly as ``fixed`` to ``broke``, either way.

    The exact test of McNemar, "Note on the sampling error of the difference between correlated proportions" (1947),
    two-sided. It is about these two networks on other examples, not about other seeds.
    """
    return float(binomtest(fixed, fixed + broke).pvalue) if fixed + broke else 1.0


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy (N,) of each example in nats."""
    return F.cross_entropy(logits.double(), labels, reduction="none")


def jensen_shannon(logits: Sequence[Tensor]) -> Tensor:
    """Return the Jensen-Shannon divergence (N,) in nats between the outputs of several networks for each example.

    It is 0 where all outputs are equal, and at most ln of the number of networks. Lin, "Divergence measures based on
    the Shannon entropy" (1991), section IV; scipy's function compares two distributions only.
    """
    probabilities = torch.stack([each.double().softmax(1) for each in logits])
    entropy_of_mean = torch.special.entr(probabilities.mean(0)).sum(-1)
    divergence: Tensor = entropy_of_mean - torch.special.entr(probabilities).sum(-1).mean(0)
    return divergence


def pca(features: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Return the first two principal components (N, 2) of features (N, D), and the variance fraction of each.

    Scikit-learn makes the largest weight of a component positive, so equal features always give the same picture.
    Features of one dimension get a second component of zeros.
    """
    count = min(2, *features.shape)
    array = features.double().cpu().numpy()
    with np.errstate(invalid="ignore", divide="ignore"):  # features without any variance
        model = PCA(count, svd_solver="full").fit(array)
    components = F.pad(torch.from_numpy(model.transform(array)), (0, 2 - count))
    fractions = np.nan_to_num(model.explained_variance_ratio_)
    return components, (float(fractions[0]), float(fractions[1]) if count > 1 else 0.0)


@dataclass(frozen=True)
class ErrorAnalysis:
    """Predictions of teacher, student and baseline on the examples of one split, or on its pixels or cells.

    ``logits`` (N, K) are by part, and a part without a network in this run is missing; the student never is. ``rows``
    are the positions of the examples among all ``total`` of the split that have a label, ``names`` say which they are
    in words, and ``noun`` what they are.
    """

    split: str
    classes: tuple[str, ...]
    labels: Tensor
    logits: Mapping[str, Tensor]
    rows: Sequence[int]
    total: int
    names: Sequence[str]
    noun: str = "examples"

    @property
    def parts(self) -> list[str]:
        """The parts that have logits; teacher, student, baseline in this order."""
        return [part for part in (TEACHER, STUDENT, BASELINE) if part in self.logits]

    def title(self, at: int) -> str:
        """Return the name of an example with that of the split, such as "test example 7"."""
        return f"{self.split} {self.names[at]}"

    def predicted(self, part: str) -> Tensor:
        """Return the predicted classes (N,) of a part."""
        return self.logits[part].argmax(1)

    def accuracy(self, part: str) -> float:
        """Return the fraction of the examples that a part classifies correctly."""
        return fraction(self._is_right(part))

    def counts(self, of: str) -> list[list[int]]:
        """Return the confusion matrix of a part, or the :data:`DIFFERENCE` student − baseline, as counts."""
        if of == DIFFERENCE:
            return (self._counts(STUDENT) - self._counts(BASELINE)).tolist()
        return self._counts(of).tolist()

    def fractions(self, of: str) -> list[list[float]]:
        """Return the same as fractions of the examples of the true class."""
        if of == DIFFERENCE:
            return (row_fractions(self._counts(STUDENT)) - row_fractions(self._counts(BASELINE))).tolist()
        return row_fractions(self._counts(of)).tolist()

    def recalls(self, part: str) -> list[float]:
        """Return the recall of each class; NaN for a class without examples."""
        return row_fractions(self._counts(part)).diagonal().tolist()

    def class_counts(self) -> list[int]:
        """Return the number of examples of each class."""
        return torch.bincount(self.labels, minlength=len(self.classes)).tolist()

    def examples(self, name: str, of: str = STUDENT, cell: tuple[int, int] | None = None) -> list[int]:
        """Return the positions of the examples of one of :data:`GROUPS`, the most telling ones first.

        A ``cell`` (true class, predicted class) is one ``of`` a part's confusion matrix; a cell of the difference has
        the examples that exactly one of student and baseline predicts so. A group is empty where a part that it
        compares is missing.
        """
        if name in (FIXED, BROKE, FIXED_TEACHER, BROKE_TEACHER):
            return self._changed(TEACHER if name.endswith(TEACHER) else BASELINE, name.startswith(FIXED))
        everything = torch.ones_like(self.labels, dtype=torch.bool)
        if name == HARDEST:
            return _ordered(everything, losses(self._finite(STUDENT), self.labels))[:HARD]
        if name == DISPUTED:
            return _ordered(everything, jensen_shannon([self._finite(part) for part in self.parts]))[:HARD]
        if name == ALL_WRONG:
            wrong = ~torch.stack([self._is_right(part) for part in self.parts]).any(0)
            return _ordered(wrong, losses(self._finite(STUDENT), self.labels))
        if cell is None or (of != DIFFERENCE and of not in self.logits):
            return []
        return self._cell(of, *cell)

    def softened(self, at: int, temperature: float = 1.0) -> dict[str, list[float]]:
        """Return the probabilities (K) of an example at a temperature, by part."""
        return {part: (self._finite(part)[at] / temperature).softmax(0).tolist() for part in self.parts}

    def predictions(self, at: int) -> dict[str, tuple[int, float]]:
        """Return the predicted class of an example and its probability, by part."""
        tops = {part: torch.tensor(probabilities).max(0) for part, probabilities in self.softened(at).items()}
        return {part: (int(top.indices), float(top.values)) for part, top in tops.items()}

    def example_logits(self, at: int) -> dict[str, list[float]]:
        """Return the logits (K) of an example, by part."""
        return {part: self._finite(part)[at].tolist() for part in self.parts}

    def _counts(self, part: str) -> Tensor:
        return confusion(self.predicted(part), self.labels, len(self.classes))

    def _is_right(self, part: str) -> Tensor:
        return self.predicted(part) == self.labels

    def _finite(self, part: str) -> Tensor:
        return self.logits[part].nan_to_num(0.0, LARGEST, -LARGEST)

    def _changed(self, reference: str, to_right: bool) -> list[int]:
        if reference not in self.logits:
            return []
        student, other = self._is_right(STUDENT), self._is_right(reference)
        gain = self._label_probability(STUDENT) - self._label_probability(reference)
        return _ordered(student & ~other, gain) if to_right else _ordered(other & ~student, -gain)

    def _label_probability(self, part: str) -> Tensor:
        return self._finite(part).double().softmax(1).gather(1, self.labels[:, None])[:, 0]

    def _cell(self, of: str, true: int, predicted: int) -> list[int]:
        parts = (STUDENT, BASELINE) if of == DIFFERENCE else (of,)
        if not set(parts) <= set(self.logits):
            return []
        by_one = torch.stack([self.predicted(part) == predicted for part in parts]).sum(0) == 1
        probability = self._finite(parts[0]).double().softmax(1)[:, predicted]
        return _ordered(by_one & (self.labels == true), probability)


def analyse(replay: Replay, snapshot: WeightSnapshot, roles: Mapping[str, str]) -> ErrorAnalysis:
    """Analyse a run at one of its snapshots; ``roles`` has the role that stands for each part.

    Raises ValueError where the student has not begun, and as :meth:`Replay.logits` does.
    """
    logits, name = replay.logits(snapshot), replay.visible_split
    if roles.get(STUDENT) not in logits:
        raise ValueError("This run ended before its student began, so there is nothing to compare. Train it again.")
    task, examples = replay.data.task, replay.splits[name]
    whole = replay.data.test if name == TEST else replay.data.validation
    labels = task.row_labels(examples.labels).cpu()
    has_label = task.is_labelled(task.row_labels(whole.labels).cpu())
    per_example = len(labels) // len(examples)
    places = (torch.tensor(replay.rows(name))[:, None] * per_example + torch.arange(per_example)).flatten()
    rows = task.is_labelled(labels).nonzero().flatten()
    if len(rows) > MAX_ROWS:
        rows = rows[torch.linspace(0, len(rows) - 1, MAX_ROWS).round().long()]
    by_part = {part: task.rows(logits[role][name].cpu())[rows] for part, role in roles.items() if role in logits}
    places = places[rows]
    numbers = (has_label.cumsum(0) - 1)[places].tolist()
    names = [task.row_name(place, replay.data.shape) for place in places.tolist()]
    total = int(has_label.sum())
    return ErrorAnalysis(name, replay.data.classes, labels[rows], by_part, numbers, total, names, task.row_noun)


@dataclass(frozen=True)
class Projection:
    """Embeddings of N examples in a plane.

    ``places`` (N, 2) are principal components, and ``width`` is the number of dimensions of the embedding.
    """

    places: list[list[float]]
    explained_variance_ratio: tuple[float, float]
    width: int


def embeddings(replay: Replay, snapshot: WeightSnapshot, roles: Mapping[str, str]) -> dict[str, Projection]:
    """Return the projected inputs of the last layer by part, for the examples of the visible split.

    A network without an embedding of its own (an average of others, a family that does not end in a linear layer) is
    left out.
    """
    networks, phases = replay.networks(snapshot), plan_of(replay.config)
    inputs = replay.splits[replay.visible_split].inputs
    projections = {}
    with limit_threads():
        for part, role in roles.items():
            path = embedding_path(find_by_role(phases, role), phases, replay.data) if role in networks else ""
            if path:
                _, features = predict_with_features(networks[role], inputs, {EMBEDDING: path})
                flat = features[EMBEDDING].flatten(1).nan_to_num(0.0, LARGEST, -LARGEST)
                places, ratio = pca(flat)
                projections[part] = Projection(places.tolist(), ratio, flat.shape[1])
    return projections


def embedding_path(network: LearnerPlan | DerivedPlan, phases: Sequence[PhasePlan], data: Data) -> str:
    """Return the module of a stored network that computes its embedding; empty if there is none."""
    if isinstance(network, DerivedPlan):
        if network.how != CORRECTED:
            return ""
        path = embedding_path(find_by_role(phases, network.sources[0]), phases, data)
        return f"network.{path}" if path else ""
    is_plain = not (network.is_self_taught or network.trunk[0] or network.classes)
    if network.method is not None and network.teachers and is_plain:
        return network.method.feature_layers(pairs_of(network, phases, data)[0]).get(EMBEDDING, "")
    path = network.model.feature_layers().get(EMBEDDING, "")
    prefix = "own." if network.trunk[0] else "network." if network.classes else ""
    return prefix + path if path else ""


def _ordered(is_member: Tensor, by: Tensor) -> list[int]:
    """Return the positions of the members (N,), the greatest ``by`` (N,) first; equal ones keep their order."""
    rows = is_member.nonzero().flatten()
    return rows[by[rows].argsort(descending=True, stable=True)].tolist()
