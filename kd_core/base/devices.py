"""Where to train: the graphics cards that torch can use, else the processor."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

CPU = "cpu"
AUTO = "auto"


@dataclass(frozen=True)
class Device:
    """One that torch can use here. ``free`` and ``memory`` in bytes, 0 where nobody says."""

    name: str  # as torch writes it: "cuda:0"
    title: str
    free: int = 0
    memory: int = 0

    def memory_in_words(self) -> str:
        """As "130.1 of 139.8 GiB free"."""
        return f"{self.free / 2**30:.1f} of {self.memory / 2**30:.1f} GiB free"


def list_devices() -> list[Device]:
    """Every device, the fastest kind first."""
    found = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, memory = torch.cuda.mem_get_info(number)
            found.append(Device(f"cuda:{number}", torch.cuda.get_device_name(number), free, memory))
    if torch.mps.is_available():
        memory = int(torch.mps.recommended_max_memory())
        found.append(Device("mps", "Apple GPU", memory - int(torch.mps.driver_allocated_memory()), memory))
    return [*found, _processor()]


def device_names() -> list[str]:
    """Of the devices that a run may be given."""
    cards = [f"cuda:{number}" for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    return [*cards, *(["mps"] if torch.mps.is_available() else []), CPU]


def device_error(name: str, offered: Sequence[str] | None = None) -> str:
    """Why no run can be trained there, as a sentence; empty if one can. ``offered``: by default all
    :func:`device_names`."""
    allowed = (AUTO, *(device_names() if offered is None else offered))
    return "" if name in allowed else f"device = {name}: this machine offers {', '.join(allowed)}."


def default_devices() -> list[str]:
    """The devices that take runs which leave the choice open; DISTILLERY_DEVICE in the environment overrules it.

    Raises ValueError for a device that this machine or this torch does not have.
    """
    wanted = os.environ.get("DISTILLERY_DEVICE", "").strip()
    wanted = "cuda:0" if wanted == "cuda" else wanted
    if wanted and wanted not in device_names():
        raise ValueError(f"DISTILLERY_DEVICE = {wanted}: this machine offers {', '.join(device_names())}.")
    if wanted:
        return [wanted]
    return [name for name in device_names() if name != CPU] or [CPU]


def resolve(name: str) -> str:
    """A device for a run that asks for ``name``. Raises ValueError."""
    if name == AUTO:
        return default_devices()[0]
    if said := device_error(name):
        raise ValueError(said)
    return name


def free_memory(device: torch.device) -> float:
    """Bytes that are free there; infinite for the processor, where the data are in any case."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return float("inf")


def _processor() -> Device:
    try:
        page, free, all_pages = (os.sysconf(key) for key in ("SC_PAGE_SIZE", "SC_AVPHYS_PAGES", "SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        page = free = all_pages = 0  # not every system says
    return Device(CPU, f"processor, {platform.machine()}", page * free, page * all_pages)


WORTH = 200e6  # operations from which on a second thread saves time


@contextmanager
def limit_threads(work: float = 0.0) -> Iterator[None]:
    """As many threads as ``work``, in floating-point operations of one forward pass, is worth.

    Small networks train fastest on one thread, and do not collapse beside a busy neighbour.
    """
    before = torch.get_num_threads()
    if work < WORTH:
        torch.set_num_threads(1)  # holds for the calling thread alone
    try:
        yield
    finally:
        torch.set_num_threads(before)
