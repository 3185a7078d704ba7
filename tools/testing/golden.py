"""Values and gradients that reference implementations gave for fixed inputs; see tests/goldens/README.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parents[2] / "tests" / "goldens"

Loss = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]


class Golden:
    """One file: inputs by draw, and loss and gradients by draw and variant."""

    def __init__(self, name: str) -> None:
        self.values = np.load(FOLDER / f"{name}.npz")

    def inputs(self, draw: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """The inputs of a draw; whatever may have a gradient has one."""
        start = f"{draw}__in__"
        found = {
            name.removeprefix(start): torch.from_numpy(self.values[name])
            for name in self.values
            if name.startswith(start)
        }
        return {name: value.to(dtype) if value.is_floating_point() else value for name, value in found.items()}

    def tensors(self, dtype: torch.dtype, start: str = "") -> dict[str, torch.Tensor]:
        """Every array whose name begins with ``start``, under the rest of it: weights of trained parts."""
        found = {
            name.removeprefix(start): torch.tensor(self.values[name])
            for name in self.values
            if name.startswith(start) and name != "meta_json"
        }
        return {name: value.to(dtype) if value.is_floating_point() else value for name, value in found.items()}

    def draws(self, variant: str) -> list[str]:
        """Those that have this variant."""
        return [name.split("__")[0] for name in self.values if name.endswith(f"__{variant}__loss")]

    def check(self, draw: str, variant: str, loss: Loss) -> None:
        """Value and every gradient in float64, and the value in float32."""
        inputs = self.inputs(draw, torch.float64)
        start = f"{draw}__{variant}__grad__"
        wanted = {name.removeprefix(start): self.values[name] for name in self.values if name.startswith(start)}
        for name in wanted:
            inputs[name].requires_grad_()
        value = loss(inputs)
        value.backward()
        np.testing.assert_allclose(value.item(), self.values[f"{draw}__{variant}__loss"], rtol=1e-9, atol=1e-12)
        for name, gradient in wanted.items():
            np.testing.assert_allclose(inputs[name].grad.numpy(), gradient, rtol=1e-9, atol=1e-12, err_msg=name)
        single = self.inputs(draw, torch.float32)
        for name in wanted:
            single[name].requires_grad_()
        value = loss(single)
        value.backward()
        np.testing.assert_allclose(value.item(), self.values[f"{draw}__{variant}__loss"], rtol=1e-4, atol=1e-5)
        for name, gradient in wanted.items():
            np.testing.assert_allclose(single[name].grad.numpy(), gradient, rtol=1e-4, atol=1e-5, err_msg=name)
