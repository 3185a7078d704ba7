"""Contenders of the engine benchmark, one file each, and the installation of their libraries."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.support.workloads import WORKS, Work

CLOCK = "DISTILLERY_BENCH_CLOCK"  # environment variable; "processor" measures processor time
FOLDER = Path(__file__).parents[2] / "data" / "bench" / "peers"


def clock() -> float:
    """Return the time in seconds, of the wall clock or of the process."""
    return time.process_time() if os.environ.get(CLOCK) == "processor" else time.perf_counter()


@dataclass(frozen=True)
class Slice:
    """Timing of some epochs of training.

    Attributes:
        loss: Of the student at the last step.
        steps: Timed steps.
        seconds: Their duration.
        beginning: Seconds before the first timed step, if a contender has to set up each time.
        computed: Processor seconds of the training thread by purpose, if the contender knows them.
    """

    loss: float
    steps: int
    seconds: float
    beginning: float = 0.0
    computed: Mapping[str, float] = field(default_factory=dict)


class Contender(Protocol):
    """Library or loop that trains the student of a :class:`Work`."""

    def prepare(self, work: Work) -> None:
        """Reset the student to its initial weights."""

    def train(self, epochs: int) -> Slice:
        """Train for so many further epochs."""


@dataclass(frozen=True)
class Entry:
    """One row of the table; ``needs`` are installed into a folder of their own, without dependencies."""

    title: str
    module: str  # in this package, with a function contender(**options)
    options: tuple[tuple[str, object], ...] = ()
    needs: tuple[str, ...] = ()
    formula: str = "soft targets"
    tolerance: float = 1e-3  # of the loss, relative
    chooses_threads: bool = False
    works: tuple[str, ...] = tuple(WORKS)

    @property
    def folder(self) -> Path:
        return FOLDER / self.module

    @property
    def is_installed(self) -> bool:
        """Whether exactly the needed versions are installed."""
        marker = self.folder / "needs.txt"
        return not self.needs or (marker.exists() and marker.read_text(encoding="utf-8").split() == list(self.needs))

    def install(self) -> None:
        """Install the needed packages. Raises CalledProcessError."""
        if self.is_installed:
            return
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps", "--target"]
        subprocess.run([*command, str(self.folder), *self.needs], check=True)
        (self.folder / "needs.txt").write_text("\n".join(self.needs), encoding="utf-8")

    def make(self, **options: object) -> Contender:
        """Return the contender, with its library on the path of this process."""
        if self.needs:
            sys.path.append(str(self.folder))
        module = importlib.import_module(f"{__name__}.{self.module}")
        contender: Contender = module.contender(**dict(self.options), **options)
        return contender


def _ours(title: str, tolerance: float = 1e-3, works: Sequence[str] = tuple(WORKS), **options: object) -> Entry:
    return Entry(title, "ours", tuple(options.items()), tolerance=tolerance, chooses_threads=True, works=tuple(works))


STEPS, EVALUATIONS, REST = "steps", "evaluations", "rest"  # purposes of processor time
PLAIN, OURS, STEPS_ALONE = "plain", "ours", "steps-alone"
IMAGES = tuple(name for name in WORKS if name != "W1")  # works with a convolutional student
ENTRIES: dict[str, Entry] = {
    PLAIN: Entry("plain loop", "plain"),
    "torchdistill": Entry("torchdistill 1.1.5", "torchdistill", needs=("torchdistill==1.1.5", "pyyaml==6.0.3")),
    "kd-lib": Entry("KD_Lib 0.0.29", "kd_lib", needs=("KD_Lib==0.0.29", "tqdm==4.67.1"), formula="KD_Lib"),
    "lightning": Entry(
        "Lightning 2.6.6", "lightning",
        needs=("lightning==2.6.6", "lightning-utilities==0.15.2", "torchmetrics==1.8.2", "pyyaml==6.0.3",
               "tqdm==4.67.1"),
    ),
    "repdistiller": Entry("loop in RepDistiller's style", "repdistiller"),
    OURS: _ours("ours, everything on"),
    "ours-bare": _ours("ours, nothing recorded", is_recorded=False),
    "ours-compiled": _ours("ours, compiled", works=("W1",), settings={"compiled": "true"}),
    "ours-last": _ours("ours, channels last", works=IMAGES, settings={"channels_last": "true"}),
    "ours-16": _ours(
        "ours, bfloat16, channels last", 0.03, IMAGES, settings={"precision": "bfloat16", "channels_last": "true"}
    ),
}  # fmt: skip
HIDDEN: dict[str, Entry] = {STEPS_ALONE: _ours("ours, steps alone", is_recorded=False, is_evaluating=False)}


def soft_targets(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, alpha: float) -> Tensor:
    """Return (1 − α) CE + α T² KL in nats (Hinton, Vinyals & Dean 2015, section 2)."""
    softened = F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1)
    divergence = F.kl_div(*softened, reduction="batchmean", log_target=True)
    return (1 - alpha) * F.cross_entropy(student, labels) + alpha * temperature**2 * divergence


def squared_errors(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, alpha: float) -> Tensor:
    """Return the loss of KD_Lib, with the mean squared error of softened probabilities in the place of KL."""
    error = F.mse_loss((student / temperature).softmax(1), (teacher / temperature).softmax(1))
    return (1 - alpha) * F.cross_entropy(student, labels) + alpha * temperature**2 * error


FORMULAS: dict[str, Callable[[Tensor, Tensor, Tensor, float, float], Tensor]] = {
    "soft targets": soft_targets,
    "KD_Lib": squared_errors,
}


def thread_counts() -> list[int]:
    """Return one thread, and the default of torch."""
    return sorted({1, torch.get_num_threads()})
