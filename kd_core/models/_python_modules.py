"""Modules around what is given from Python and is no module with weights."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

EXAMPLES = 4  # of the batch with which a forward pass is traced
KEY_BYTES = 16  # of a digest of one example


class FunctionNetwork(nn.Module):
    """Module without weights that calls a function of inputs (B, ...), which returns logits (B, K)."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function
        self.nothing = nn.Parameter(torch.zeros(0))  # an optimiser needs a parameter, and evaluation its device

    def __deepcopy__(self, _: object) -> FunctionNetwork:
        return type(self)(self.function)

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            outputs = self.function(inputs)
        return torch.as_tensor(outputs).to(inputs.device, torch.float32)

    def covers(self, inputs: Tensor) -> bool:
        """Return whether there are logits for all these inputs (N, ...); only a table may lack some."""
        return not isinstance(self.function, LogitTable) or self.function.covers(inputs)


class ExportedNetwork(nn.Module):
    """Forward pass in eval mode of a network that was given to another process, with the names of its weights.

    It cannot be trained.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.program = torch.export.load(path)
        self.network = self.program.module()

    def __deepcopy__(self, _: object) -> ExportedNetwork:
        copied = object.__new__(type(self))
        nn.Module.__init__(copied)
        copied.program, copied.network = self.program, copy.deepcopy(self.network)
        return copied

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        return self

    def state_dict(self, *arguments: Any, **more: Any) -> Any:
        return self.network.state_dict(*arguments, **more)

    def load_state_dict(self, *arguments: Any, **more: Any) -> Any:
        return self.network.load_state_dict(*arguments, **more)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs)
        return logits


def export_forward(sample: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """Write the forward pass in eval mode, of any batch size, to a file. Raises what torch raises if it cannot."""
    program = torch.export.export(
        copy.deepcopy(sample).eval(), (torch.zeros(EXAMPLES, *shape),),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    torch.export.save(program, path)


class LogitTable:
    """Function of examples whose logits are given. It finds an example by its exact numbers; others get NaN.

    Args:
        keys: Keys (N, 16) uint8 of the examples; see :func:`example_keys`.
        logits: Their logits (N, K).
    """

    def __init__(self, keys: Tensor, logits: Tensor) -> None:
        self.logits = logits
        self.rows: dict[bytes, int] = {}
        for number, key in enumerate(keys.numpy()):
            self.rows.setdefault(key.tobytes(), number)

    def __call__(self, inputs: Tensor) -> Tensor:
        numbers = torch.tensor([self.rows.get(key.tobytes(), -1) for key in example_keys(inputs).numpy()])
        return torch.where(numbers[:, None] < 0, torch.nan, self.logits[numbers])

    def covers(self, inputs: Tensor) -> bool:
        """Return whether there are logits for all these inputs (N, ...)."""
        return all(key.tobytes() in self.rows for key in example_keys(inputs).numpy())


def example_keys(inputs: Tensor) -> Tensor:
    """Return a digest (N, 16) uint8 of every example (N, ...), of its exact numbers."""
    rows = inputs.detach().cpu().contiguous().numpy()
    digests = [hashlib.blake2b(row.tobytes(), digest_size=KEY_BYTES).digest() for row in rows]
    return torch.from_numpy(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, KEY_BYTES).copy())
