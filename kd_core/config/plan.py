"""The plan of a run: phases, the learners in them, who teaches whom, and how their networks are built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from kd_core.config.label_subset import TrainSubset
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.datasets import Data, Dataset
from kd_core.methods import Method
from kd_core.models import Model
from kd_core.nn.composite import ClassSubset, with_trunk
from kd_core.nn.hooks import feature_shapes
from kd_core.nn.pairs import Pair, SelfPair

TEACHER, STUDENT, BASELINE = "teacher", "student", "baseline"  # roles, and what kind of network a role is
PROBABILITIES, LOGITS, LOSSES = "probabilities", "logits", "losses"  # what is averaged of several teachers
# How a network is made of others.
AVERAGE, MEAN_LOGITS, JOINED, RAW, CORRECTED = "average", "mean of logits", "joined", "joined as they are", "corrected"
ALL, LABELLED, SURE = "all", "labelled", "sure"  # examples


@dataclass(frozen=True)
class LearnerPlan:
    """One network that learns during a phase. Without a method it learns from the labels alone.

    Its ``teachers`` are roles: of an earlier phase, then they are frozen; of the same phase, then they answer as they
    are at that step; its own role, then its later layers teach its earlier ones.
    """

    role: str
    model: Model
    seed: int  # of its initial weights
    method: Method | None = None
    teachers: tuple[str, ...] = ()
    combine: str = PROBABILITIES  # how several teachers become one
    weights: tuple[float, ...] = ()  # of the teachers; equal if empty
    kind: str = ""  # teacher, student or baseline; of the role if empty
    begins_with: str = ""  # role whose weights it takes over
    uploaded: str = ""  # weights that it starts from; see kd_core.nn.weights
    trunk: tuple[str, str] = ("", "")  # (role, tap): it shares that network up to there, its model is what follows
    classes: tuple[int, ...] = ()  # the only ones that it can tell; empty: all
    sees: str = ALL  # which of the examples shown: all, the labelled ones, or those of which its teacher is sure
    confidence: float = 0.0  # of the teacher, from which on it is sure
    is_balanced: bool = False  # as many sure examples of every class
    is_fixed: bool = False  # its method is part of the scheme and keeps its options, whatever is changed by hand
    noise: float = 0.0  # standard deviation of what is added to its inputs

    @property
    def is_self_taught(self) -> bool:
        return self.teachers == (self.role,)


@dataclass(frozen=True)
class DerivedPlan:
    """A network that nobody trains: made of trained ones when its phase ends.

    By the average of their probabilities or logits; joined, where they know different classes; or corrected: the
    logit of the ``omitted`` class is raised until it is answered as often as it occurs in the validation split.
    """

    role: str
    sources: tuple[str, ...]
    how: str
    weights: tuple[float, ...] = ()
    kind: str = STUDENT
    omitted: int = -1

    def in_words(self) -> str:
        """In the place of a family's name."""
        return f"{self.how}: {', '.join(self.sources)}"


@dataclass(frozen=True)
class PhasePlan:
    """Learners that train side by side: the same examples in the same order, one optimiser each."""

    name: str
    learners: tuple[LearnerPlan, ...]
    recipe: Recipe | TeacherRecipe
    view: TrainSubset
    order_seed: int
    is_kept: bool = False  # its result depends on nothing but itself: train once, keep for other runs
    until: float = 0.0  # it ends earlier when every learner is right on that share of the validation split
    derived: tuple[DerivedPlan, ...] = ()

    @property
    def networks(self) -> tuple[LearnerPlan | DerivedPlan, ...]:
        """Who learns, then what is made of them."""
        return (*self.learners, *self.derived)


def kind_of(own: LearnerPlan | DerivedPlan) -> str:
    """Teacher, student or baseline: as the scheme says, else by its role."""
    return own.kind or (own.role if own.role in (TEACHER, STUDENT, BASELINE) else STUDENT)


def describe_examples(phase: PhasePlan, learner: LearnerPlan, data: Data) -> str:
    """What a learner is shown, as a clause."""
    clause = phase.view.labels.in_words(data) if learner.sees == LABELLED else phase.view.in_words(data)
    if learner.sees == SURE and learner.confidence:
        clause += f" of which its teacher is at least {100 * learner.confidence:.0f} % sure"
    clause += ", as many of every class" if learner.is_balanced else ""
    return clause + (f", with noise of {learner.noise:g}" if learner.noise else "")


def find_by_role(phases: Iterable[PhasePlan], role: str) -> LearnerPlan | DerivedPlan:
    """The first one of a role: later ones of the same role have the same network."""
    return next(own for phase in phases for own in phase.networks if own.role == role)


def dependencies(phases: Sequence[PhasePlan], role: str) -> set[str]:
    """Every role that had to be trained for it, itself included: its teachers, what it goes on from or is made of."""
    own = find_by_role(phases, role)
    found = {role} if isinstance(own, LearnerPlan) else set()
    waiting = [*own.sources] if isinstance(own, DerivedPlan) else [role]
    while waiting:
        now = find_by_role(phases, waiting.pop())
        more = (
            now.sources
            if isinstance(now, DerivedPlan)
            else {now.role, *now.teachers, now.begins_with, now.trunk[0]} - {""}
        )
        waiting += [each for each in more if each not in found]
        found |= {each for each in more if isinstance(find_by_role(phases, each), LearnerPlan)}
    return found


def model_of(phases: Sequence[PhasePlan], role: str) -> Model:
    """The family of a role; of a derived network that of its first member."""
    found = find_by_role(phases, role)
    return found.model if isinstance(found, LearnerPlan) else model_of(phases, found.sources[0])


def pairs_of(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> tuple[Pair, ...]:
    """The learner and each of its teachers as its method sees them."""
    shape, classes = data.shape, len(data.classes)
    if learner.is_self_taught:
        return (SelfPair(learner.model, learner.model, shape, classes),)
    return tuple(Pair(learner.model, model_of(phases, teacher), shape, classes) for teacher in learner.teachers)


def build(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> nn.Module:
    """The learner's network as it is trained, used and stored, initialised from torch's global generator."""
    shape, classes = data.shape, len(data.classes)
    if learner.trunk[0]:
        role, tap = learner.trunk
        owner = model_of(phases, role)
        body, _ = owner.split(owner.build(shape, classes), tap)
        return with_trunk(body, learner.model.build(feature_shapes(owner, shape, classes)[tap], classes))
    if learner.classes:
        return ClassSubset(learner.model.build(shape, len(learner.classes)), learner.classes, classes)
    if learner.method is None or learner.is_self_taught:
        return learner.model.build(shape, classes)
    return learner.method.build(pairs_of(learner, phases, data)[0])


def cache_key(dataset: Dataset, phase: PhasePlan, ways: str) -> str:
    """Everything that the result of a kept phase depends on, as text: the key under which it is kept.
    ``ways``: how it is shown and computed."""
    learners = [
        (own.role, own.model.to_dict(), own.seed, own.classes, own.begins_with, own.uploaded, own.trunk)
        for own in phase.learners
    ]
    shown = (phase.view.labels.values(), phase.view.seed, phase.view.classes, phase.order_seed, phase.until)
    return repr((dataset.to_dict(), learners, phase.recipe.values(), shown, ways, torch.__version__))


MAX_EVALUATIONS = 200  # evaluations of a phase at most, besides the one before it begins


def steps_per_epoch(phase: PhasePlan, data: Data) -> int:
    """Optimiser steps of one pass over what the phase is shown; the last batch may be smaller."""
    return -(-phase.view.count(data) // phase.recipe.batch_size)


def epochs_per_evaluation(phase: PhasePlan) -> int:
    """Epochs between two evaluations: 1, or as many as keep a long phase at :data:`MAX_EVALUATIONS` of them."""
    return max(1, -(-phase.recipe.epochs // MAX_EVALUATIONS))
