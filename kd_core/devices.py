"""Where to train: the graphics card if torch can use one, else the processor."""

from __future__ import annotations

import os

import torch


def best() -> str:
    """Torch's name of the device for new runs; DISTILLERY_DEVICE in the environment overrules the choice.

    Raises ValueError for a device that this machine or this torch does not have.
    """
    wanted = os.environ.get("DISTILLERY_DEVICE", "").strip()
    if not wanted:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError):
        raise ValueError(f"DISTILLERY_DEVICE = {wanted}: this machine offers {', '.join(offered())}.") from None
    return wanted


def offered() -> list[str]:
    """Every kind of device that torch can use here."""
    found = [name for name, module in (("cuda", torch.cuda), ("mps", torch.mps)) if module.is_available()]
    return [*found, "cpu"]
