"""Parameters, FLOPs, file size and latency of a network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kd_core.base.seeds import use_seed

WARM_UP, MIN_PASSES = 5, 3  # passes that are not counted, and passes at least
MAX_SECONDS = 0.3


@dataclass(frozen=True)
class NetworkCost:
    """Cost of a network, with ``flops`` of one example's forward pass (a multiply-add is two) and ``size`` in bytes."""

    parameters: int
    flops: int
    size: int


def measure(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> NetworkCost:
    """Count on the meta device, without allocating memory or drawing random numbers; ``shape`` is that of one input.

    A network that was given from Python computes on the CPU.
    """
    with torch.device("meta"):
        network = build().eval()
    device = next((parameter.device for parameter in network.parameters()), torch.device("meta"))
    with torch.device(device), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape))
    # Buffers such as running means are not learned, but are part of the file.
    stored = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    return NetworkCost(sum(p.numel() for p in network.parameters()), counter.get_total_flops(), stored)


def latency(build: Callable[[], nn.Module], shape: tuple[int, ...], batch: int = 1, repeats: int = 40) -> float:
    """Return the median seconds of one forward pass of ``batch`` examples; see :func:`pass_times`."""
    return statistics.median(pass_times(build, shape, batch, repeats))


def pass_times(
    build: Callable[[], nn.Module], shape: tuple[int, ...], batch: int = 1, repeats: int = 40
) -> list[float]:
    """Return the seconds of each forward pass of ``batch`` examples on one CPU thread, after a warm-up.

    These are ``repeats`` passes, or as many as :data:`MAX_SECONDS` allows.
    """
    with use_seed(0, "latency"):
        network = build().eval()
    inputs = torch.zeros(batch, *shape)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for this thread alone
    try:
        with torch.inference_mode():
            times: list[float] = []
            while len(times) < WARM_UP + repeats and (len(times) < MIN_PASSES or sum(times) < MAX_SECONDS):
                start = time.perf_counter()
                network(inputs)
                times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return times[min(WARM_UP, len(times) - 1) :]
