"""Imported teachers that are no network of this package, such as programs, ONNX files and tables of logits."""

from __future__ import annotations

import functools
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from kd_core.base.options import text
from kd_core.base.paths import NotAvailableError
from kd_core.files import teachers
from kd_core.files.teachers import onnx_file, program
from kd_core.models import Model
from kd_core.models._normalisation import parse_normalisation
from kd_core.models._python_modules import FunctionNetwork, LogitTable

Function = Callable[[Tensor], Tensor]  # from inputs (B, ...) to logits (B, K)

MISSING = "is in a file that is not on this machine: import it beside the choice of the teacher"


@dataclass(frozen=True)
class TeacherFile(Model):
    """Teacher in a file that computes logits by itself, or has them for the examples of one data set.

    It has no named layers and cannot be trained.
    """

    title: ClassVar[str] = "teacher from a file"
    summary: ClassVar[str] = "A program (.pt2), an ONNX file, or the logits of every training example."
    family: ClassVar[str] = "your own"
    is_imported: ClassVar[bool] = True
    can_train: ClassVar[bool] = False
    can_be_stacked: ClassVar[bool] = False  # nothing is known of its forward pass

    id: str = text("", 32, "Id of the imported teacher.", label="Imported teacher")

    @property
    def is_at_hand(self) -> bool:  # type: ignore[override]  # of a class of networks it is known beforehand
        """Whether the file is on this machine."""
        return self._stored is not None

    @property
    def takes_new_inputs(self) -> bool:  # type: ignore[override]
        """Whether it computes its logits, and has no table of them."""
        return self._stored is None or self._stored.kind != teachers.LOGITS

    @property
    def _stored(self) -> teachers.StoredTeacher | None:
        return teachers.find(self.id)

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Return the network, which computes on the CPU. Raises NotAvailableError if the file is missing."""
        if reason := self.refusal(shape, classes):
            raise NotAvailableError(f"The teacher {reason}.")
        with torch.device("cpu"):  # the caller may be counting parameters on the meta device
            network = FunctionNetwork(function_of(self.id))
            return nn.Sequential(OrderedDict(network=network)) if self.takes_new_inputs else network

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        stored = self._stored
        if stored is None:
            return MISSING
        if stored.shape != tuple(shape):
            return f"was imported for inputs of shape {stored.shape}, and these data have {tuple(shape)}"
        return "has logits for other examples than these" if self.id in _uncovered else ""

    def refusal(self, shape: tuple[int, ...], classes: int, *, is_trained: bool = False, is_split: bool = False) -> str:
        if reason := self.unsupported_reason(shape):
            return reason
        stored = self._stored
        if stored is not None and stored.classes != classes:
            return f"was imported for {stored.classes} classes, and there are {classes}"
        if is_split:
            return "cannot be cut into first and last layers, as this needs"
        return "cannot be trained: choose 0 epochs for it" if is_trained else ""

    def probe(self, inputs: Tensor) -> None:
        """Find out whether a table has logits for these examples; a few of them are looked up."""
        if self.takes_new_inputs:
            return
        table = function_of(self.id)
        assert isinstance(table, LogitTable)
        (_uncovered.discard if table.covers(inputs[:4]) and table.covers(inputs[-4:]) else _uncovered.add)(self.id)

    def layer_shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:  # noqa: ARG002
        stored = self._stored
        return {"logits": (stored.classes,)} if stored is not None else {}

    def expected_input(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        stored = self._stored
        return None if stored is None else parse_normalisation(stored.normalisation, channels)

    def scaled(self, factor: float) -> Self:
        if factor < 1:
            raise ValueError(f"{self.label()} is a file, and there is no smaller network of its kind.")
        return self

    def label(self) -> str:
        """Return the name of the file without characters that would format a text."""
        stored = self._stored
        return re.sub(r"[^\w.+() -]", "_", stored.name) if stored is not None else self.title


_uncovered: set[str] = set()  # ids of tables that have no logits for the data that were probed last
_lock = threading.Lock()


def function_of(key: str) -> Function:
    """Return the function from inputs (B, ...) to logits (B, K) of an imported teacher. Raises ValueError."""
    with _lock:  # two threads would read a large file twice
        return _function_of(key)


@functools.lru_cache(maxsize=4)
def _function_of(key: str) -> Function:
    stored, content = teachers.find(key), teachers.tensors(key)
    assert stored is not None
    if stored.kind == teachers.LOGITS:
        return LogitTable(content["keys"], content["logits"])
    return file_function(stored.kind, teachers.as_bytes(content["file"]), stored.order)


def file_function(kind: str, blob: bytes, order: tuple[int, ...] = ()) -> Function:
    """Return the function that a checked program or ONNX file computes, its outputs in the ``order`` of the classes."""
    with torch.device("cpu"):
        compute: Function = program.load(blob) if kind == teachers.PROGRAM else onnx_file.OnnxFunction(blob)
    columns = list(order)

    def function(inputs: Tensor) -> Tensor:
        with torch.device("cpu"):
            logits = compute(inputs.detach().cpu())
        return logits[:, columns] if columns else logits

    return function
