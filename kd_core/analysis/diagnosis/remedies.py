"""Remedies for a student that did not win, each of which changes one setting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kd_core.base.options import as_text, options_of
from kd_core.config.compute import EXACT
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.config.run import RunConfig, read_flat
from kd_core.datasets import load
from kd_core.schemes import plan_of

LONGER = 3  # times as many epochs, chosen because curves often still rise after twice as many
EARLIER = 4  # divides the teacher's epochs; Cho & Hariharan 2019, section 4, stop it well before half
FEW = 5  # labelled examples per class, as on the digits by default, where a teacher is worth six points
NARROWER = 0.25  # of the student's widths, so that there is something to gain from a teacher


@dataclass(frozen=True)
class Remedy:
    """Flat settings to change and the label of a button; both are empty where there is nothing to offer."""

    label: str = ""
    changes: dict[str, str] = field(default_factory=dict)


def first_fitting(config: RunConfig, remedies: Iterable[Remedy]) -> Remedy:
    """Return the first remedy that is valid and changes the training; an empty one if none does."""
    for remedy in remedies:
        try:
            if plan_of(config.with_flat(**remedy.changes)) != plan_of(config):
                return remedy
        except ValueError:  # not under this scheme, or for these data
            continue
    return Remedy()


def better_teacher(config: RunConfig) -> Iterator[Remedy]:
    """Yield remedies for a weak teacher. Undo what holds it back, else train it longer."""
    now, defaults = config.flat(), _defaults(config)
    if now["teacher_view"] != "full":
        yield Remedy("Show the teacher all the data", {"teacher_view": "full"})
    changes = {name: text for name, text in config.scheme.full_teacher.items() if now.get(name, text) != text}
    if changes:
        yield Remedy("Let the teacher finish", changes)
    epochs = config.teacher_recipe.epochs
    if epochs < int(defaults["teacher_epochs"]):
        label = f"Train the teacher for {defaults['teacher_epochs']} epochs"
        yield Remedy(label, {"teacher_epochs": defaults["teacher_epochs"]})
    if config.teacher_recipe.learning_rate != float(defaults["teacher_learning_rate"]):
        rate = defaults["teacher_learning_rate"]
        yield Remedy(f"Train the teacher with learning rate {rate}", {"teacher_learning_rate": rate})
    yield from _longer("teacher_epochs", epochs, options_of(TeacherRecipe)["epochs"].high, "Train the teacher for")


def longer(config: RunConfig) -> Iterator[Remedy]:
    """Yield more epochs for student and baseline."""
    yield from _longer("epochs", config.recipe.epochs, options_of(Recipe)["epochs"].high, "Train both for")


def smaller_steps(config: RunConfig, factor: float) -> Iterator[Remedy]:
    """Yield a learning rate, or a teacher's weight, divided by about ``factor``."""
    rate = float(f"{config.recipe.learning_rate / factor:.0e}")
    yield Remedy(f"Train with learning rate {rate:g}", {"learning_rate": as_text(rate)})
    if "alpha" in config.flat():
        alpha = f"{float(config.flat()['alpha']) / factor:.2f}"
        yield Remedy(f"Train with teacher weight α = {alpha}", {"alpha": alpha})


def softened_at(temperature: float) -> Iterator[Remedy]:
    """Yield another temperature."""
    yield Remedy(f"Train with T = {temperature:g}", {"temperature": as_text(temperature)})


def exact() -> Remedy:
    """Return the computation without 16 bits, which is possible in any run."""
    return Remedy("Train in float32", {"precision": EXACT})


def smaller_gap(config: RunConfig) -> Iterator[Remedy]:
    """Yield a teaching assistant (Mirzadeh et al. 2020) or a teacher stopped early (Cho & Hariharan 2019)."""
    if config.flat().get("assistants") == "0":
        yield Remedy("Put an assistant between them", {"assistants": "1"})
    early = max(1, config.teacher_recipe.epochs // EARLIER)
    if config.flat().get("teacher_stop") == "0":
        yield Remedy(f"Stop the teacher at epoch {early}", {"teacher_stop": str(early)})


def more_room(config: RunConfig) -> Iterator[Remedy]:
    """Yield fewer labels or a smaller student."""
    data = load(config.dataset)
    few = min(FEW * len(data.classes), int(_defaults(config)["labelled"]) or len(data.train))
    if few < config.labels.count(data):
        yield Remedy(f"Train with {few} labelled {data.noun}", {"labelled": str(few)})
    small, now = config.student.scaled(NARROWER), config.flat()
    settings = {f"student_{name}": as_text(value) for name, value in small.values().items()}
    changes = {name: text for name, text in settings.items() if now.get(name) != text}
    yield Remedy(f"Train a smaller student: {small.label()}", changes)


def another_seed(seeds: Sequence[int]) -> Iterator[Remedy]:
    """Yield the smallest seed that has not been run."""
    unused = next(seed for seed in range(len(seeds) + 1) if seed not in seeds)
    yield Remedy(f"Train once more with seed {unused}", {"seed": str(unused)})


def _longer(name: str, epochs: int, most: float, label: str) -> Iterator[Remedy]:
    more = min(int(most), max(1, epochs) * LONGER)
    yield Remedy(f"{label} {more:,} epochs", {name: str(more)})


def _defaults(config: RunConfig) -> dict[str, str]:
    """Return the flat defaults under the configuration's data set and scheme."""
    flat = config.flat()
    dataset = {name: text for name, text in flat.items() if name.startswith("dataset")}
    return read_flat({**dataset, "scheme": flat["scheme"]})[0].flat()
