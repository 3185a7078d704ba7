"""What may help a student that did not win: one changed setting at a time, as flat settings with a label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kd_core.base.options import as_text, options_of
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.config.run import RunConfig, read_flat
from kd_core.datasets import load
from kd_core.schemes import plan_of

LONGER = 3  # times as many epochs: a choice; twice as many often still rise
EARLIER = (
    4  # the teacher is stopped after one epoch in so many: Cho & Hariharan 2019, section 4, stop it well before half
)
FEW = 5  # labelled examples per class: what the handwritten digits suggest, where a teacher is worth six points
NARROWER = 0.25  # of its widths, for a student that leaves room for a teacher


@dataclass(frozen=True)
class Remedy:
    """``label`` says what is changed, for a button; ``changes`` are flat settings. Empty: there is none to offer."""

    label: str = ""
    changes: dict[str, str] = field(default_factory=dict)


def first_fitting(config: RunConfig, remedies: Iterable[Remedy]) -> Remedy:
    """The first one that is a valid configuration and trains anything differently; an empty one if none does."""
    for remedy in remedies:
        try:
            if plan_of(config.with_flat(**remedy.changes)) != plan_of(config):
                return remedy
        except ValueError:  # not under this scheme, or for these data
            continue
    return Remedy()


def better_teacher(config: RunConfig) -> Iterator[Remedy]:
    """For one that knows too little: undo what holds it back, else train it longer."""
    now, usual = config.flat(), _usual(config)
    if now["teacher_view"] != "full":
        yield Remedy("Show the teacher all the data", {"teacher_view": "full"})
    if now.get("teacher_stop", "0") != "0":
        yield Remedy("Let the teacher finish", {"teacher_stop": "0"})
    if config.scheme.name == "defective":
        yield Remedy("Let the teacher finish", {"accuracy": "1"})
    epochs = config.teacher_recipe.epochs
    if epochs < int(usual["teacher_epochs"]):
        label = f"Train the teacher for {usual['teacher_epochs']} epochs"
        yield Remedy(label, {"teacher_epochs": usual["teacher_epochs"]})
    if config.teacher_recipe.learning_rate != float(usual["teacher_learning_rate"]):
        rate = usual["teacher_learning_rate"]
        yield Remedy(f"Train the teacher with learning rate {rate}", {"teacher_learning_rate": rate})
    yield from _longer("teacher_epochs", epochs, options_of(TeacherRecipe)["epochs"].high, "Train the teacher for")


def longer(config: RunConfig) -> Iterator[Remedy]:
    """More steps for student and baseline."""
    yield from _longer("epochs", config.recipe.epochs, options_of(Recipe)["epochs"].high, "Train both for")


def smaller_steps(config: RunConfig, times: float) -> Iterator[Remedy]:
    """A learning rate about ``times`` smaller."""
    rate = float(f"{config.recipe.learning_rate / times:.0e}")
    yield Remedy(f"Train with learning rate {rate:g}", {"learning_rate": as_text(rate)})
    if "alpha" in config.flat():
        alpha = f"{float(config.flat()['alpha']) / times:.2f}"
        yield Remedy(f"Train with teacher weight α = {alpha}", {"alpha": alpha})


def softened_at(temperature: float) -> Iterator[Remedy]:
    """Another temperature."""
    yield Remedy(f"Train with T = {temperature:g}", {"temperature": as_text(temperature)})


def smaller_gap(config: RunConfig) -> Iterator[Remedy]:
    """A teaching assistant, or a teacher stopped early: Mirzadeh et al. 2020; Cho & Hariharan 2019."""
    if config.flat().get("assistants") == "0":
        yield Remedy("Put an assistant between them", {"assistants": "1"})
    early = max(1, config.teacher_recipe.epochs // EARLIER)
    if config.flat().get("teacher_stop") == "0":
        yield Remedy(f"Stop the teacher at epoch {early}", {"teacher_stop": str(early)})


def more_room(config: RunConfig) -> Iterator[Remedy]:
    """Fewer labels, or a smaller student."""
    data = load(config.dataset)
    few = min(FEW * len(data.classes), int(_usual(config)["labelled"]) or len(data.train))
    if few < config.labels.count(data):
        yield Remedy(f"Train with {few} labelled {data.noun}", {"labelled": str(few)})
    small, now = config.student.scaled(NARROWER), config.flat()
    changes = {f"student_{name}": as_text(value) for name, value in small.values().items()}
    yield Remedy(f"Teach a smaller student: {small.label()}", {k: v for k, v in changes.items() if now.get(k) != v})


def another_seed(seeds: Sequence[int]) -> Iterator[Remedy]:
    """The smallest seed that has not been run."""
    fresh = next(seed for seed in range(len(seeds) + 1) if seed not in seeds)
    yield Remedy(f"Train once more with seed {fresh}", {"seed": str(fresh)})


def _longer(name: str, epochs: int, most: float, words: str) -> Iterator[Remedy]:
    more = min(int(most), max(1, epochs) * LONGER)
    yield Remedy(f"{words} {more:,} epochs", {name: str(more)})


def _usual(config: RunConfig) -> dict[str, str]:
    """What data set and scheme suggest."""
    flat = config.flat()
    of_data = {name: text for name, text in flat.items() if name.startswith("dataset")}
    return read_flat({**of_data, "scheme": flat["scheme"]})[0].flat()
