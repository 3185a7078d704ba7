"""Training hyper-parameters of teacher and students."""

from __future__ import annotations

from dataclasses import dataclass

from kd_core.base.options import Options, boolean, choice, integer, number, text

OPTIMISERS = ("adam", "adamw", "sgd")
CONSTANT, COSINE, STEPS, ONE_CYCLE = "constant", "cosine", "steps", "one-cycle"
LAST, BEST = "last", "best"


@dataclass(frozen=True)
class BaseRecipe(Options):
    """Hyper-parameters of any network; :mod:`kd_core.training.optim` computes the learning rate from them."""

    epochs: int = integer(40, 1, 10_000, "Passes over the training examples.")
    batch_size: int = integer(64, 1, 65_536, "Examples per optimiser step.")
    learning_rate: float = number(0.003, 1e-6, 1.0, "Optimiser step size.", step=0.0005, live=True, log=True)
    optimiser: str = choice(
        "adam", OPTIMISERS, "Adam (betas 0.9, 0.999), AdamW (decoupled weight decay) or SGD (momentum 0.9)."
    )
    weight_decay: float = number(
        0.0, 0.0, 1.0, "Decay of every weight towards zero; 5e-4 is common with SGD.", step=0.0001, log=True
    )
    schedule: str = choice(
        CONSTANT, (CONSTANT, COSINE, STEPS, ONE_CYCLE),
        "Learning rate over time: constant; falling to 0 along a cosine; multiplied by a factor at each milestone; or "
        "one cycle up and down.",
    )  # fmt: skip
    rate_warm_up: float = number(
        0.0,
        0.0,
        0.5,
        "Fraction of the steps in which the learning rate first rises linearly.",
        step=0.05,
        label="Warm-up",
    )
    milestones: str = text(
        "62.5-75-87.5",
        40,
        "Where the schedule “steps” lowers the learning rate, in percent of the training, joined by dashes.",
    )
    lowered_to: float = number(0.1, 0.001, 1.0, "Factor on the learning rate at each milestone.", step=0.05)
    clip: float = number(
        0.0, 0.0, 1000.0, "Largest gradient norm; 0 clips nothing.", step=0.5, label="Gradient clipping"
    )
    ema: float = number(
        0.0, 0.0, 0.9999,
        "Decay of an exponential moving average of the weights, which is then evaluated and kept; 0 for none.",
        step=0.01, label="Weight averaging (EMA)",
    )  # fmt: skip
    patience: int = integer(
        0, 0, 10_000, "Evaluations without a better validation accuracy, for every network of the phase, after which "
        "training ends early; 0: never.",
        label="Early-stopping patience",
    )  # fmt: skip
    keep: str = choice(
        LAST, (LAST, BEST), "Weights to keep at the end: the last ones, or the best on the validation set.",
        label="Checkpoint",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        fractions = self.milestone_fractions
        if self.schedule == STEPS and not (fractions and all(0 < fraction < 1 for fraction in fractions)):
            raise ValueError(
                f'milestones = "{self.milestones}": choose numbers between 0 and 100, joined by dashes, as 50-75.'
            )

    @property
    def milestone_fractions(self) -> tuple[float, ...]:
        """The milestones as fractions of the training; empty if they are not numbers."""
        try:
            return tuple(sorted(float(part) / 100 for part in self.milestones.split("-")))
        except ValueError:
            return ()


@dataclass(frozen=True)
class Recipe(BaseRecipe):
    """Hyper-parameters of student and baseline, which take the same steps."""

    smoothing = 0.0  # for a student, label smoothing is a method to choose


@dataclass(frozen=True)
class TeacherRecipe(BaseRecipe):
    """Hyper-parameters of the teacher, which is trained once and then cached."""

    epochs: int = integer(20, 0, 10_000, "Passes over the training set; 0 leaves the weights as they are.")
    smoothing: float = number(
        0.0, 0.0, 0.9,
        "Fraction of each label that is spread over all classes. A teacher trained with it tells a student less about "
        "the wrong classes (Müller et al. 2019).",
        step=0.05, label="Label smoothing",
    )  # fmt: skip
    seed: int = integer(0, 0, 2**31 - 1, "Determines the initial weights and the data order of the teacher.")
    view: str = choice(
        "full", ("full", "student"), "The full training set without label noise, or the student’s training data.",
        label="Teacher’s training data",
    )  # fmt: skip
    weights: str = text(
        "", 32, "Uploaded weights to start the teacher from; empty: random initial weights.", label="Uploaded weights"
    )


@dataclass(frozen=True)
class RunOptions(Options):
    """Options of the run as a whole."""

    seed: int = integer(
        0, 0, 2**31 - 1,
        "Determines the labelled examples, the label noise, the initial weights and the data order. "
        "The teacher has a seed of its own.",
    )  # fmt: skip
    control: bool = boolean(
        True, "Also train the same student without a teacher: same initial weights, data, order and number of steps.",
        label="Train a baseline student",
    )  # fmt: skip
