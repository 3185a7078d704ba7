"""Available devices, resolution of "auto", and free memory."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

CPU = "cpu"
AUTO = "auto"
CLUSTER = "cluster"  # workers elsewhere, at the address in the environment variable below
CLUSTER_VARIABLE = "DISTILLERY_RAY"


@dataclass(frozen=True)
class Device:
    """Device that torch can use on this machine."""

    name: str  # as torch writes it: "cuda:0"
    title: str
    free: int = 0  # bytes; 0 where the system does not report it
    memory: int = 0  # bytes in all; 0 likewise

    def memory_in_words(self) -> str:
        """Return the free memory as text, for example "130.1 of 139.8 GiB free"."""
        return f"{self.free / 2**30:.1f} of {self.memory / 2**30:.1f} GiB free"


def list_devices() -> list[Device]:
    """Return every device with its memory, GPUs first."""
    devices = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, memory = torch.cuda.mem_get_info(number)
            devices.append(Device(f"cuda:{number}", torch.cuda.get_device_name(number), free, memory))
    if torch.mps.is_available():
        memory = int(torch.mps.recommended_max_memory())
        devices.append(Device("mps", "Apple GPU", memory - int(torch.mps.driver_allocated_memory()), memory))
    return [*devices, _cpu()]


def device_names() -> list[str]:
    """Return the names of the devices that a run may use, GPUs first and a cluster last."""
    cluster = [CLUSTER] if os.environ.get(CLUSTER_VARIABLE, "").strip() else []
    return [*_local_names(), *cluster]


def _local_names() -> list[str]:
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    return [*gpus, *(["mps"] if torch.mps.is_available() else []), CPU]


def device_error(name: str, offered: Sequence[str] | None = None) -> str:
    """Return why no run can be trained on the device ``name``, as a sentence; "" if one can.

    Args:
        name: A device, or "auto".
        offered: The devices to choose from; all :func:`device_names` by default.
    """
    allowed = list(dict.fromkeys((AUTO, *(device_names() if offered is None else offered))))
    if name in allowed:
        return ""
    how = f" A cluster is named by {CLUSTER_VARIABLE}." if name == CLUSTER else ""
    return f"device = {name}: this machine offers {', '.join(allowed)}.{how}"


def numbered(name: str) -> str:
    """Return a device by the name that :func:`device_names` has for it; torch takes "cuda" for the first GPU."""
    return "cuda:0" if name == "cuda" else name


def default_devices() -> list[str]:
    """Return the devices for runs with "auto", all GPUs or else the CPU, unless DISTILLERY_DEVICE names one.

    Raises:
        ValueError: DISTILLERY_DEVICE is not a device of this machine.
    """
    name = os.environ.get("DISTILLERY_DEVICE", "").strip()
    name = numbered(name)
    if name and name not in _local_names():
        raise ValueError(f"DISTILLERY_DEVICE = {name}: this machine offers {', '.join(_local_names())}.")
    if name:
        return [name]
    return [gpu for gpu in _local_names() if gpu != CPU] or [CPU]


def resolve(name: str) -> str:
    """Return the device of this machine for a run with the setting ``name``, the default one for a cluster.

    Raises ValueError if this machine does not have it.
    """
    if name in (AUTO, CLUSTER):
        return default_devices()[0]
    if error := device_error(name):
        raise ValueError(error)
    return name


def free_memory(device: torch.device) -> float:
    """Return the free memory of a GPU in bytes; infinite for the CPU, which holds the data in any case."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return float("inf")


def _cpu() -> Device:
    try:
        page, free, all_pages = (os.sysconf(key) for key in ("SC_PAGE_SIZE", "SC_AVPHYS_PAGES", "SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        page = free = all_pages = 0  # not every system reports them
    return Device(CPU, f"processor, {platform.machine()}", page * free, page * all_pages)


MULTITHREADING_FLOPS = 200e6  # from which on a second thread saves time


@contextmanager
def limit_threads(work: float = 0.0) -> Iterator[None]:
    """Use one thread of torch if ``work``, the FLOPs of one forward pass, is too small for several.

    Small networks train fastest on one thread, and are not slowed down as much by other busy processes.
    """
    before = torch.get_num_threads()
    if work < MULTITHREADING_FLOPS:
        torch.set_num_threads(1)  # holds for the calling thread alone
    try:
        yield
    finally:
        torch.set_num_threads(before)
