"""Arrangements, one file each: WHO teaches whom, and when. A scheme is a plan; the training loop carries it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from kd_core.catalogue import Member
from kd_core.config import Recipe, RunConfig, TeacherRecipe
from kd_core.datasets import Data, Dataset
from kd_core.methods import Method
from kd_core.models import Model
from kd_core.pairs import Pair
from kd_core.views import Labels

TEACHER, STUDENT, BASELINE = "teacher", "student", "baseline"


@dataclass(frozen=True)
class Learner:
    """One network that learns during a phase. Without a method it learns from the labels alone."""

    role: str
    model: Model
    seed: int  # of its initial weights
    method: Method | None = None
    teacher: str = ""  # the role it learns from, trained in an earlier phase


@dataclass(frozen=True)
class Phase:
    """Learners that train side by side: the same examples in the same order, one optimiser each."""

    name: str
    learners: tuple[Learner, ...]
    recipe: Recipe | TeacherRecipe
    view: Labels
    view_seed: int  # which examples are shown
    order_seed: int  # in which order
    is_kept: bool = False  # its result depends on nothing but itself: train once, keep for other runs


def pair_of(learner: Learner, phases: Sequence[Phase], data: Data) -> Pair | None:
    """The learner and its teacher as its method sees them; None if it has neither."""
    if learner.method is None:
        return None
    models = {own.role: own.model for phase in phases for own in phase.learners}
    return Pair(learner.model, models[learner.teacher], data.shape, len(data.classes))


def build(learner: Learner, phases: Sequence[Phase], data: Data) -> nn.Module:
    """The learner's network as it is trained, used and stored, initialised from torch's global generator."""
    pair = pair_of(learner, phases, data)
    if learner.method is None or pair is None:
        return learner.model.build(data.shape, len(data.classes))
    return learner.method.build(pair)


class Scheme(Member):
    """Base of all arrangements."""

    def phases(self, config: RunConfig) -> tuple[Phase, ...]:
        """The plan for a configuration. Raises ValueError for a combination that makes no sense."""
        raise NotImplementedError


def teacher_phase(config: RunConfig) -> Phase:
    """The teacher on the full and clean training split, unless told to see what the student sees."""
    recipe = config.teacher_recipe
    view, view_seed = config.teacher_view
    return Phase(
        "teacher",
        (Learner(TEACHER, config.teacher, recipe.seed),),
        recipe,
        view,
        view_seed,
        recipe.seed,
        is_kept=True,
    )


def what_determines(dataset: Dataset, phase: Phase, device: str) -> str:
    """Everything that the result of a kept phase depends on, as text: the key under which it is kept."""
    learners = [(own.role, own.model.to_dict(), own.seed) for own in phase.learners]
    shown = (phase.view.values(), phase.view_seed, phase.order_seed)
    return repr((dataset.to_dict(), learners, phase.recipe.values(), shown, device, torch.__version__))
