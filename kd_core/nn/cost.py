"""What a network costs before it is trained: parameters, FLOPs, size, and the time of one forward pass here."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kd_core.base.seeds import use_seed

WARM_UP, FEWEST = 5, 3  # passes that do not count, and passes at least
PATIENCE = 0.3  # seconds


@dataclass(frozen=True)
class NetworkCost:
    """``flops`` of one example's forward pass (a multiply-add counts as two); ``size`` in bytes of float32 weights."""

    parameters: int
    flops: int
    size: int


def measure(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> NetworkCost:
    """Counted on the meta device: nothing is allocated and no random number is drawn."""
    with torch.device("meta"):
        network = build().eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(1, *shape))
    # Buffers such as running means are part of the file, though nothing learns them.
    stored = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    return NetworkCost(sum(p.numel() for p in network.parameters()), counter.get_total_flops(), stored)


def latency(build: Callable[[], nn.Module], shape: tuple[int, ...], batch: int = 1, repeats: int = 40) -> float:
    """Median seconds of one forward pass of ``batch`` examples: see :func:`pass_times`."""
    return statistics.median(pass_times(build, shape, batch, repeats))


def pass_times(
    build: Callable[[], nn.Module], shape: tuple[int, ...], batch: int = 1, repeats: int = 40
) -> list[float]:
    """Seconds of each forward pass of ``batch`` examples on this machine's CPU, one thread, after a warm-up.

    ``repeats`` passes, or as many as :data:`PATIENCE` allows.
    """
    with use_seed(0, "latency"):
        network = build().eval()
    inputs = torch.zeros(batch, *shape)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for this thread alone
    try:
        with torch.inference_mode():
            times: list[float] = []
            while len(times) < WARM_UP + repeats and (len(times) < FEWEST or sum(times) < PATIENCE):
                start = time.perf_counter()
                network(inputs)
                times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return times[min(WARM_UP, len(times) - 1) :]
