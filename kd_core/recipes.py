"""How networks are trained: steps, rate, optimiser; for the student and its baseline, and for the teacher."""

from __future__ import annotations

from dataclasses import dataclass

from kd_core.options import Options, choice, number, switch, whole

OPTIMISERS = ("adam", "sgd")


@dataclass(frozen=True)
class Recipe(Options):
    """How student and baseline are trained: the same steps for both."""

    epochs: int = whole(40, 1, 10_000, "Passes over the student's training examples.")
    batch_size: int = whole(64, 1, 4096, "Examples per optimiser step.")
    learning_rate: float = number(
        0.003, 1e-6, 1.0, "Length of each step.", step=0.0005, live=True, log=True
    )  # fmt: skip
    optimiser: str = choice("adam", OPTIMISERS, "Adam (betas 0.9, 0.999) or SGD (momentum 0.9).")


@dataclass(frozen=True)
class TeacherRecipe(Options):
    """How the teacher is trained, on the full and clean training split. Done once, then kept."""

    epochs: int = whole(20, 1, 10_000, "Passes over the full training split.", label="Teacher's epochs")
    batch_size: int = whole(64, 1, 4096, "Examples per optimiser step.", label="Teacher's batch size")
    learning_rate: float = number(
        0.003, 1e-6, 1.0, "Length of each step.", step=0.0005, log=True, label="Teacher's learning rate"
    )  # fmt: skip
    optimiser: str = choice("adam", OPTIMISERS, "Adam or SGD with momentum 0.9.", label="Teacher's optimiser")
    seed: int = whole(0, 0, 2**31 - 1, "Initial weights and data order of the teacher.", label="Teacher's seed")
    view: str = choice(
        "full", ("full", "student"), "The full, clean training split, or exactly what the student is shown.",
        label="Teacher sees",
    )  # fmt: skip


@dataclass(frozen=True)
class Basics(Options):
    """What belongs to no part in particular."""

    seed: int = whole(
        0, 0, 2**31 - 1,
        "Picks the labelled examples, the wrong labels, the initial weights and the order of the batches. "
        "The teacher keeps its own seed.",
    )  # fmt: skip
    control: bool = switch(
        True, "Train the same student without a teacher beside it: same weights at the start, same data, same steps.",
        label="Baseline student beside it",
    )  # fmt: skip
