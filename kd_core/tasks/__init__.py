"""Tasks, one file each; a task says what an example, a row of logits and an answer are.

Losses, schemes, verdicts and pages work on rows of logits (N, K) with labels (N,). The task decides what becomes a row,
an example of a classification or a position of a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Event
from kd_core.base.metrics import accuracy, agreement, nll
from kd_core.base.namespaces import class_names, plugin_class
from kd_core.base.registry import Plugin, plugins

NUMBERS, CHARACTERS = "numbers", "characters"  # what an input consists of
EXAMPLE, POSITION = "example", "position"  # what has a row of logits


class LabelledSplit(Protocol):
    """Examples with labels, as :class:`kd_core.datasets.Split`."""

    @property
    def inputs(self) -> Tensor: ...
    @property
    def labels(self) -> Tensor: ...


class SplitData(Protocol):
    """Three splits and the names of the classes, as :class:`kd_core.datasets.Data`."""

    @property
    def train(self) -> LabelledSplit: ...
    @property
    def validation(self) -> LabelledSplit: ...
    @property
    def test(self) -> LabelledSplit: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def true_labels(self) -> Tensor | None: ...
    @property
    def label_centre(self) -> Sequence[float]: ...
    @property
    def label_scale(self) -> Sequence[float]: ...


Outputs = Callable[[nn.Module], Tensor]


@dataclass(frozen=True)
class Measure:
    """Number that is measured on the test set.

    Attributes:
        name: Key among the test metrics of a network.
        title: On screen.
        unit: After a number on screen; "%" for a fraction, which is shown in percent.
        is_better_high: Whether a higher number is better; None where neither is.
        counts_examples: Whether it is the fraction of the test examples with some property, one by one.
        meaning: One sentence for a beginner.
    """

    name: str
    title: str
    unit: str = ""
    is_better_high: bool | None = True
    counts_examples: bool = False
    meaning: str = ""

    @property
    def factor(self) -> float:
        """What the stored number is multiplied by to be shown in its unit."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def decimals(self) -> int:
        """Digits after the decimal point of a number in its unit."""
        return 1 if self.unit == "%" else 2

    @property
    def unit_of_difference(self) -> str:
        """The unit of a difference of two numbers; 1 point is 1 %."""
        return "points" if self.unit == "%" else self.unit

    @property
    def column(self) -> str:
        """Head of a column of numbers in its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def format(self, value: float) -> str:
        """Return a stored number in its unit."""
        return f"{value * self.factor:.{self.decimals}f} {self.unit}".rstrip()


class Task(Plugin):
    """Base class of tasks."""

    inputs: ClassVar[str] = NUMBERS  # of which networks that take part must be made, see kd_core.models
    outputs: ClassVar[str] = EXAMPLE
    row_noun: ClassVar[str] = "examples"  # plural, of what has a row of logits
    example_noun: ClassVar[str] = ""  # plural, of the examples; empty where the shape of the data says it
    # Whether an example has one row of logits and one label, so that classes can be left out, and labels be wrong.
    has_class_per_example: ClassVar[bool] = False
    inspects_rows: ClassVar[bool] = False  # whether Inspect shows rows one by one where an example has several
    measures: ClassVar[tuple[Measure, ...]] = ()
    score_title: ClassVar[str] = "accuracy"  # of :meth:`score`, inside a sentence
    loss_title: ClassVar[str] = "loss, nats"  # of :meth:`loss`, inside a sentence
    row_score_title: ClassVar[str] = ""  # the same on the validation set, where :meth:`test_metrics` replaces it
    counts_rows: ClassVar[bool] = True  # whether the score is the fraction of rows with some property, one by one
    has_class_rows: ClassVar[bool] = True  # whether a row is logits of classes, which have a softmax and a temperature
    evaluations_per_epoch: ClassVar[int] = 1
    script: ClassVar[str] = ""  # of kd_core.export.network, with which a stranger uses a network; empty for none
    page: ClassVar[str] = ""  # of the app, which shows what its networks answer; empty for none
    hub_task: ClassVar[str] = ""  # by which Hugging Face knows it; empty where the inputs say it
    output_note: ClassVar[str] = ""  # what an output of a network is, a sentence for who takes one home
    answer_settings: ClassVar[Mapping[str, Any]] = {}  # what :attr:`script` must know of :meth:`decoded`
    is_stretched: ClassVar[bool] = False  # whether an image of a user is resized as a whole, and not cropped first
    default_method: ClassVar[str] = "soft_targets"  # where neither data set nor user name one
    can_write: ClassVar[bool] = False  # whether a network can make examples by itself, see :meth:`write_examples`

    @property
    def validation_score_title(self) -> str:
        """The title of the score on the validation set, inside a sentence."""
        return self.row_score_title or self.score_title

    def row_classes(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the classes of a row, given those of the data."""
        return tuple(classes)

    def rows(self, outputs: Tensor) -> Tensor:
        """Return outputs of a network (B, ..., K) as rows of logits (N, K)."""
        return outputs.flatten(0, -2)

    def row_labels(self, labels: Tensor) -> Tensor:
        """Return labels of examples (B, ...) as labels of rows (N,), -1 for none."""
        return labels.flatten()

    def labelled_rows(self, labels: Tensor) -> Tensor | slice:
        """Return which rows (N,) have a label, as an index."""
        has_label = self.is_labelled(self.row_labels(labels))
        return slice(None) if bool(has_label.all()) else has_label

    def is_labelled(self, labels: Tensor) -> Tensor:
        """Return which labels (N, ...), of rows or of examples, are there; a missing one is -1."""
        return labels >= 0

    def unlabelled_like(self, labels: Tensor, count: int) -> Tensor:
        """Return the labels (count, ...) of as many examples without any."""
        return torch.full((count, *labels.shape[1:]), -1, dtype=labels.dtype)

    def answers(self, rows: Tensor) -> Tensor:
        """Return what rows (N, K) say, in the form of labels (N,)."""
        return rows.argmax(1)

    def decoded(self, outputs: Tensor) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Return what outputs (B, ...) mean, tensors (B, ...) by name, which leave beside them; by default nothing."""
        return {}

    def row_inputs(self, inputs: Tensor, rows: Tensor) -> Tensor:
        """Return the input (N, ...) from which each of these rows (N,), counted as in :meth:`rows`, is predicted."""
        return inputs[rows]

    def row_name(self, row: int, shape: Sequence[int]) -> str:  # noqa: ARG002
        """Return which row, counted as in :meth:`rows`, of inputs of this shape it is, after the name of a split."""
        return f"example {row}"

    def followed(self, rows: Tensor) -> Tensor:
        """Return the logits (M, K) of what is followed during training, given all rows; by default the rows."""
        return rows

    def choose_followed(
        self,
        teacher_rows: Tensor | None,  # noqa: ARG002
        labels: Tensor,  # noqa: ARG002
        most: int,  # noqa: ARG002
    ) -> dict[int, int] | None:
        """Return positions in :meth:`followed`, at most so many, each with its class; None for a row of each class.

        ``labels`` are those of all rows, and so is what a teacher says, if there is one.
        """
        return None

    def score(self, rows: Tensor, labels: Tensor) -> float:
        """Return how good rows of logits (N, K) are for labels (N,), a fraction of which 1 is the best.

        Events and test metrics have it under the key ``accuracy``, and verdicts compare it.
        """
        return accuracy(rows, labels)

    def chance(self, labels: Tensor) -> float:
        """Return the score of rows that all give the commonest of the labels (N,)."""
        counts = labels.bincount(minlength=2)
        return self.score(F.one_hot(counts.argmax(), len(counts)).double().expand(len(labels), -1), labels)

    def loss(self, rows: Tensor, labels: Tensor) -> float:
        """Return the mean loss of rows of logits (N, K) with labels (N,), in nats."""
        return nll(rows, labels)

    def agreement(self, rows: Tensor, teacher_rows: Tensor) -> float:
        """Return the fraction of rows of logits (N, K) that agree with the teacher's."""
        return agreement(rows, teacher_rows)

    def further_losses(self, outputs: Tensor, labels: Tensor) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Return losses with the labels beside the cross-entropy of the rows, scalars by name.

        Every network minimises them with weight 1, whatever its teacher.

        Args:
            outputs: (B, ...), float32, as the network returns them.
            labels: (B, ...) of the examples, -1 everywhere for one without labels.
        """
        return {}

    def details(
        self,
        position: tuple[str, int, int],  # noqa: ARG002
        networks: Mapping[str, nn.Module],  # noqa: ARG002
        teacher: tuple[str, nn.Module] | None,  # noqa: ARG002
        data: SplitData,  # noqa: ARG002
    ) -> Iterable[Event]:
        """Return events that show answers of the networks by role, at a position (phase, step, epoch).

        ``teacher`` is the role and network that they are compared with, if there is one.
        """
        return ()

    def test_metrics(
        self,
        network: nn.Module,  # noqa: ARG002
        teacher: nn.Module | None,  # noqa: ARG002
        data: SplitData,  # noqa: ARG002
        outputs: Outputs,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Return what :attr:`measures` name, measured on the test set; those that need a teacher only with one.

        ``outputs`` returns those of a network for the test inputs (N, ...), float32, on the CPU.
        A score of whole examples, under the key ``accuracy``, takes the place of that of the rows.
        """
        return {}

    def label_text(self, label: Tensor, data: SplitData) -> str:  # noqa: ARG002
        """Return the label of an example for the screen; empty where it is not a few words."""
        return ""

    def text_of(self, inputs: Tensor, data: SplitData) -> list[str]:  # noqa: ARG002
        """Return inputs (N, L) of characters as texts; empty where an input is no text."""
        return []

    def write_examples(
        self, network: nn.Module, inputs: Tensor, classes: int, *, copies: int, seed: int, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Return inputs and labels of (copies · B) examples that a network writes, each from the beginning of an input.

        Only called where :attr:`can_write`.
        """
        raise NotImplementedError


def declared_measures() -> dict[str, Measure]:
    """Return the measures of all tasks by name."""
    tasks = [task for task in plugins("tasks").values() if issubclass(task, Task)]
    return {measure.name: measure for task in tasks for measure in task.measures}


def measure_of(name: str) -> Measure:
    """Return the measure of this name; one that no task declares is a fraction of the test examples."""
    return declared_measures().get(name) or Measure(name, name.capitalize(), "%", counts_examples=True)


def score_title(tasks: Iterable[Task], *, on_validation: bool = False) -> str:
    """Return the title of the score of these tasks, or "score" where they differ."""
    titles = {task.validation_score_title if on_validation else task.score_title for task in tasks}
    return titles.pop() if len(titles) == 1 else "score"


def __getattr__(name: str) -> Any:
    return plugin_class("tasks", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("tasks")]
