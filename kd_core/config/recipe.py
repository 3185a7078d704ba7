"""How networks are trained: steps, rate, optimiser; for the student and its baseline, and for the teacher."""

from __future__ import annotations

from dataclasses import dataclass

from kd_core.base.options import Options, boolean, choice, integer, number, text

OPTIMISERS = ("adam", "adamw", "sgd")
CONSTANT, COSINE, STEPS, ONE_CYCLE = "constant", "cosine", "steps", "one-cycle"
LAST, BEST = "last", "best"


@dataclass(frozen=True)
class BaseRecipe(Options):
    """What every network's training has; see :mod:`kd_core.training.optim` for the rate."""

    epochs: int = integer(40, 1, 10_000, "Passes over the training examples.")
    batch_size: int = integer(64, 1, 65_536, "Examples per optimiser step.")
    learning_rate: float = number(0.003, 1e-6, 1.0, "Length of each step.", step=0.0005, live=True, log=True)
    optimiser: str = choice(
        "adam", OPTIMISERS, "Adam (betas 0.9, 0.999), AdamW (its decay apart from the gradient) or SGD (momentum 0.9)."
    )
    weight_decay: float = number(
        0.0, 0.0, 1.0, "Pull of every weight towards zero; 5e-4 is usual with SGD.", step=0.0001, log=True
    )
    schedule: str = choice(
        CONSTANT, (CONSTANT, COSINE, STEPS, ONE_CYCLE),
        "How the learning rate goes on: the same throughout; down to 0 along a cosine; smaller at the milestones; or "
        "up and down again.",
    )  # fmt: skip
    rate_warm_up: float = number(
        0.0, 0.0, 0.5, "Share of the steps in which the rate first rises to its full size.", step=0.05, label="Warm-up"
    )
    milestones: str = text(
        "62.5-75-87.5", 40, "Where the schedule “steps” lowers the rate: per cent of the training, joined by dashes."
    )
    lowered_to: float = number(0.1, 0.001, 1.0, "What is left of the rate after each milestone.", step=0.05)
    clip: float = number(0.0, 0.0, 1000.0, "Longest gradient allowed; 0 allows any.", step=0.5, label="Clip gradients")
    ema: float = number(
        0.0, 0.0, 0.9999,
        "Moving average of the weights, which is then what is tested and kept: the share that stays at each step. "
        "0 for none.",
        step=0.01, label="Average of the weights",
    )  # fmt: skip
    patience: int = integer(
        0, 0, 10_000, "Evaluations without a better validation accuracy after which the training ends early, once "
        "every network of the phase has waited so long; 0: never.",
        label="Stop early after",
    )  # fmt: skip
    keep: str = choice(
        LAST, (LAST, BEST), "Which weights are kept at the end: the last ones, or the best on the validation split."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.milestone_fractions
        if self.schedule == STEPS and not (shares and all(0 < share < 1 for share in shares)):
            raise ValueError(
                f'milestones = "{self.milestones}": choose numbers between 0 and 100, joined by dashes, as 50-75.'
            )

    @property
    def milestone_fractions(self) -> tuple[float, ...]:
        """The milestones as shares of the training; empty if they are no numbers."""
        try:
            return tuple(sorted(float(part) / 100 for part in self.milestones.split("-")))
        except ValueError:
            return ()


@dataclass(frozen=True)
class Recipe(BaseRecipe):
    """How student and baseline are trained: the same steps for both."""

    smoothing = 0.0  # a student's labels are smoothed by a method of that name, in sight


@dataclass(frozen=True)
class TeacherRecipe(BaseRecipe):
    """How the teacher is trained, on the full and clean training split. Done once, then kept."""

    epochs: int = integer(20, 0, 10_000, "Passes over the full training split; 0 takes the weights as they are.")
    smoothing: float = number(
        0.0, 0.0, 0.9,
        "Share of each label that is spread over all classes. A teacher trained so tells its student less about the "
        "wrong classes (Müller et al. 2019).",
        step=0.05, label="Label smoothing",
    )  # fmt: skip
    seed: int = integer(0, 0, 2**31 - 1, "Initial weights and data order of the teacher.")
    view: str = choice(
        "full", ("full", "student"), "The full, clean training split, or exactly what the student is shown.",
        label="Teacher sees",
    )  # fmt: skip
    weights: str = text(
        "", 32, "Uploaded weights that the teacher starts from; empty: new ones.", label="Uploaded weights"
    )


@dataclass(frozen=True)
class RunOptions(Options):
    """What belongs to no part in particular."""

    seed: int = integer(
        0, 0, 2**31 - 1,
        "Picks the labelled examples, the wrong labels, the initial weights and the order of the batches. "
        "The teacher keeps its own seed.",
    )  # fmt: skip
    control: bool = boolean(
        True, "Train the same student without a teacher beside it: same weights at the start, same data, same steps.",
        label="Baseline student beside it",
    )  # fmt: skip
