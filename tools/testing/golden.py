"""Losses and gradients of reference implementations for fixed inputs (see tests/goldens/README.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parents[2] / "tests" / "goldens"

Loss = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]


class Golden:
    """One file of golden values, with inputs by draw, and the loss and its gradients by draw and variant."""

    def __init__(self, name: str) -> None:
        self.values = np.load(FOLDER / f"{name}.npz")

    def inputs(self, draw: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Return the inputs of a draw by name. Integers, such as labels, keep their type."""
        return self.tensors(dtype, f"{draw}__in__")

    def tensors(self, dtype: torch.dtype, start: str = "") -> dict[str, torch.Tensor]:
        """Return the arrays whose names begin with ``start``, by the rest of the name."""
        tensors = {
            name.removeprefix(start): torch.tensor(self.values[name])
            for name in self.values
            if name.startswith(start) and name != "meta_json"
        }
        return {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}

    def draws(self, variant: str) -> list[str]:
        """Return the names of the draws that have this variant."""
        return [name.split("__")[0] for name in self.values if name.endswith(f"__{variant}__loss")]

    def check(self, draw: str, variant: str, loss: Loss) -> None:
        """Assert that a loss and all its gradients agree, in float64 to nine digits and in float32 to four."""
        start = f"{draw}__{variant}__grad__"
        gradients = {name.removeprefix(start): self.values[name] for name in self.values if name.startswith(start)}
        for dtype, rtol, atol in ((torch.float64, 1e-9, 1e-12), (torch.float32, 1e-4, 1e-5)):
            inputs = self.inputs(draw, dtype)
            for name in gradients:
                inputs[name].requires_grad_()
            value = loss(inputs)
            value.backward()
            np.testing.assert_allclose(value.item(), self.values[f"{draw}__{variant}__loss"], rtol, atol)
            for name, gradient in gradients.items():
                np.testing.assert_allclose(inputs[name].grad.numpy(), gradient, rtol, atol, err_msg=name)
