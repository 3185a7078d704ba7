"""Why a plan makes no sense: networks that do not fit their inputs, methods that do not fit their networks."""

from __future__ import annotations

from collections.abc import Sequence

from kd_core.config.plan import (
    LOSSES,
    PROBABILITIES,
    DerivedPlan,
    LearnerPlan,
    PhasePlan,
    find_by_role,
    model_of,
    pairs_of,
)
from kd_core.datasets import Data
from kd_core.models import with_article
from kd_core.nn import weights
from kd_core.nn.hooks import feature_shapes, format_shape


def learner_refusal(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> str:
    """Why a learner cannot be built or taught, as a sentence."""
    shape = data.shape
    if learner.trunk[0]:
        owner = model_of(phases, learner.trunk[0])
        taps = feature_shapes(owner, shape, len(data.classes))
        if learner.trunk[1] not in taps:
            return f"student = {owner.name}: this scheme branches off inside the student, which shows no layers there."
        shape = taps[learner.trunk[1]]
    if refusal := learner.model.unsupported_reason(shape):
        given = f", and it is given {format_shape(shape)} by the student’s first layers" if learner.trunk[0] else ""
        return f"{learner.role} = {learner.model.name}: {with_article(learner.model.title)} {refusal}{given}."
    if learner.uploaded and learner.uploaded not in _fitting(learner, data):
        return (
            f"teacher_weights = {learner.uploaded}: no such weights of {with_article(learner.model.label())} for these "
            "data were uploaded here. Upload them again, or leave the choice empty."
        )
    return _of_method(learner, phases, data) if learner.method is not None else ""


def _fitting(learner: LearnerPlan, data: Data) -> list[str]:
    if learner.classes:  # of a network that knows some of the classes only
        return []
    return [found.id for found in weights.find_matching(learner.model, data.shape, len(data.classes))]


def _of_method(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> str:  # noqa: PLR0911
    method = learner.method
    assert method is not None
    called = f"method = {method.name}: {method.title}"
    pairs = pairs_of(learner, phases, data)
    for pair in pairs:
        if refusal := method.unsupported_reason(pair):
            return f"{called} {refusal}."
    reads = any(match.teacher in pairs[0].teacher.feature_layers() for match in method.matches(pairs[0]))
    if learner.is_self_taught and not reads:
        return (
            f"{called} compares answers, and a network's answers equal its own. Choose one that compares feature maps."
        )
    involved = [learner, *(find_by_role(phases, teacher) for teacher in learner.teachers)]
    if reads and any(isinstance(own, DerivedPlan) or own.trunk[0] or own.classes for own in involved):
        return f"{called} compares features, and under this scheme the networks have only answers in common."
    if reads and len(learner.teachers) > 1 and learner.combine != LOSSES:
        return f"{called} compares features, and those of several teachers have no average. Choose combine = losses."
    if not method.discards_adapters and any(
        own.begins_with == learner.role and own.method != method for phase in phases for own in phase.learners
    ):
        return f"{called} makes another network of the student, which cannot go on without it. Choose fine_tune = 0."
    if method.per_class_probabilities and len(learner.teachers) > 1 and learner.combine == PROBABILITIES:
        return (
            f"{called} asks for a yes or no to each class, and averages of softmax have none. Choose combine = logits."
        )
    if not method.discards_adapters:
        alone = next(phase for phase in phases if learner in phase.learners)
        pupils = [own for phase in phases for own in phase.learners if learner.role in own.teachers]
        is_live = any(own.role in learner.teachers for own in alone.learners)
        if is_live or pupils or len(learner.teachers) > 1 or learner.begins_with:
            return f"{called} takes over the last layers of one trained teacher, which this scheme does not have."
    return ""
