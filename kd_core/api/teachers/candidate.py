"""File with a teacher as it was understood, measured with its conventions, and stored."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.api.teachers.checks import (
    MAX_EXAMPLES,
    Advice,
    Measurement,
    advise,
    advise_on_table,
    in_order,
    limit,
    measure,
)
from kd_core.datasets import Data
from kd_core.files import teachers
from kd_core.files.limits import RefusedError, quoted
from kd_core.files.teachers.provenance import Provenance
from kd_core.models import Model
from kd_core.models._normalisation import DATASET, NAMED, parse_normalisation, with_conversion
from kd_core.models._python_modules import FunctionNetwork
from kd_core.models.teacher_file import file_function
from kd_core.nn import weights
from kd_core.nn.inference import freeze, predict_logits
from kd_core.nn.weights.names import reorder_head

WEIGHTS = "weights"  # kind beside those of kd_core.files.teachers
FORMATS = {
    WEIGHTS: "weights", teachers.PROGRAM: "torch.export program", teachers.ONNX: "ONNX", teachers.LOGITS: "logits",
}  # fmt: skip


@dataclass(frozen=True)
class TeacherCandidate:
    """A file as it was understood, and not stored yet.

    Attributes:
        name: Name of the file.
        digest: SHA-256 of the file, hexadecimal.
        kind: "weights", "program", "onnx" or "logits".
        data: The data that it is to be used with.
        dataset: Their title.
        model: Network of the weights; None for a file that computes by itself.
        content: State of the network, or what is stored of the file.
        classes: Names of its classes, if the file has them.
        normalisation: That the file states, else that of the data set.
        order: For every class of the data the number of the output, as the names say; empty if it is the same.
    """

    name: str
    digest: str
    kind: str
    data: Data = field(repr=False)
    dataset: str
    model: Model | None
    content: Mapping[str, Tensor] = field(repr=False)
    classes: tuple[str, ...] = ()
    normalisation: str = DATASET
    order: tuple[int, ...] = ()

    @property
    def network(self) -> str:
        """What computes the logits, in words."""
        return self.model.label() if self.model is not None else FORMATS[self.kind]

    def with_conventions(
        self,
        normalisation: str | None = None,
        classes: Sequence[str] | None = None,
        order: Sequence[int] | None = None,
    ) -> TeacherCandidate:
        """Return the candidate with another normalisation, or another order of its classes.

        Args:
            normalisation: "dataset", "imagenet", "none" (pixels from 0 to 1), or numbers such as "0.5/0.25".
            classes: Names of its outputs from the first to the last.
            order: For every class of the data the number of its output, from 0 on.

        Raises:
            ValueError: for anything else.
        """
        chosen = self.normalisation if normalisation is None else normalisation.strip().lower()
        if chosen != DATASET and (self.kind == teachers.LOGITS or not self.data.has_images):
            raise ValueError(f'normalisation = "{chosen}": it is that of images, and here it has no effect.')
        parse_normalisation(chosen, self.data.shape[0])
        if classes is not None and order is not None:
            raise ValueError("classes and order say the same in two ways: give one of them.")
        chosen_order = self.order if classes is None else class_order(classes, self.data.classes)
        if order is not None:
            chosen_order = checked_order(order, len(self.data.classes))
        return replace(self, normalisation=chosen, order=chosen_order)

    def measure(self) -> Measurement:
        """Return the accuracy on the validation set; on the training set for a table that has no other logits."""
        if self.kind == teachers.LOGITS:
            split, name = self._table_split()
            return measure(in_order(self.content["logits"][self._table_rows(name)], self.order), split, name)
        split = self.data.validation
        logits = predict_logits(self.build(self.normalisation, self.order), split.inputs[: limit(split, MAX_EXAMPLES)])
        return measure(logits, split, "validation")

    def advice(self) -> list[Advice]:
        """Return other normalisations and orders with a significantly higher accuracy, the best first."""
        if self.kind == teachers.LOGITS:
            split, name = self._table_split()
            return advise_on_table(self.content["logits"][self._table_rows(name)], split, self.order)
        others = NAMED if self.data.has_images and self._converts else ()
        return advise(
            lambda normalisation: functools.partial(predict_logits, self.build(normalisation, ())),
            self.data, (self.normalisation, self.order), others,
        )  # fmt: skip

    def build(self, normalisation: str, order: tuple[int, ...]) -> nn.Module:
        """Return the network, frozen, on inputs as in the data."""
        shape, classes = self.data.shape, len(self.data.classes)
        network: nn.Module
        if self.model is None:
            compute = file_function(self.kind, teachers.as_bytes(self.content["file"]), order)
            network = nn.Sequential(FunctionNetwork(compute))
        else:
            with torch.device("meta"):  # draws no random number, which could change a run that trains
                network = self.model.without_pretrained().build(shape, classes)
            network.load_state_dict(reorder_head(self.content, order), assign=True)
        expected = parse_normalisation(normalisation, shape[0]) if self.data.has_images else None
        return freeze(with_conversion(network, self.data, expected))

    def keep(self, measurement: Measurement | None = None) -> tuple[str, Provenance]:
        """Store the teacher and return its id and its provenance. Raises ValueError if there is no room.

        Args:
            measurement: Of :meth:`measure`, if it is known.
        """
        measured = measurement or self.measure()
        note = Provenance(
            self.name, self.digest, FORMATS[self.kind], time.strftime("%Y-%m-%dT%H:%M:%S%z"), self.network,
            self.dataset, self.normalisation, self.order, measured.accuracy, (measured.low, measured.high),
            measured.examples, measured.split,
        )  # fmt: skip
        shape, classes = self.data.shape, len(self.data.classes)
        try:
            if self.model is not None:
                key = weights.put(self.content, self.model, shape, classes, name=self.name, provenance=note)
            else:
                content = dict(self.content)
                if self.kind == teachers.LOGITS:
                    content["logits"] = in_order(content["logits"], self.order).contiguous()
                key = teachers.put(self.kind, content, shape, classes, note)
        except RefusedError as error:
            raise ValueError(f"{self.name}: {error}") from error
        return key, note

    @property
    def _converts(self) -> bool:
        """Whether the inputs can be converted before the first layer."""
        return self.model is None or isinstance(self._meta_network, nn.Sequential)

    @property
    def _meta_network(self) -> nn.Module:
        assert self.model is not None
        with torch.device("meta"):
            return self.model.without_pretrained().build(self.data.shape, len(self.data.classes))

    def _table_split(self) -> tuple[Any, str]:
        has_validation = len(self.content["logits"]) >= len(self.data.train) + len(self.data.validation)
        return (self.data.validation, "validation") if has_validation else (self.data.train, "train")

    def _table_rows(self, split: str) -> slice:
        first = len(self.data.train)
        return slice(first, first + len(self.data.validation)) if split == "validation" else slice(0, first)


def has_names(names: Sequence[str], classes: Sequence[str]) -> bool:
    """Return whether names are those of the classes in any order, whatever their case."""
    return sorted(_plain(name) for name in names) == sorted(_plain(name) for name in classes)


def _plain(name: str) -> str:
    return " ".join(str(name).casefold().replace("_", " ").split())


def class_order(names: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
    """Return for every class the number of the output, from names of the outputs; empty if it is the same.

    Raises ValueError.
    """
    if not has_names(names, classes):
        raise ValueError(
            f"classes = {quoted(', '.join(names))}: give the names of these {len(classes)} classes in the order of the "
            f"outputs ({quoted(', '.join(classes))})."
        )
    plain = [_plain(name) for name in names]
    return checked_order([plain.index(_plain(name)) for name in classes], len(classes))


def checked_order(order: Sequence[int], count: int) -> tuple[int, ...]:
    """Return the numbers of the outputs of ``count`` classes, empty for 0, 1, 2 and so on. Raises ValueError."""
    if sorted(order) != list(range(count)):
        numbers = quoted(", ".join(map(str, order)))
        raise ValueError(f"order = {numbers}: give each of the numbers from 0 to {count - 1} once.")
    return () if list(order) == list(range(count)) else tuple(order)
