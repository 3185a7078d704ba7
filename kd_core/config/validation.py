"""Checks that networks fit their inputs and methods their networks, and names that options may not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from kd_core.base.options import Option, options_of
from kd_core.base.registry import plugins
from kd_core.config.plan import (
    LOSSES,
    PROBABILITIES,
    DerivedPlan,
    LearnerPlan,
    PhasePlan,
    build,
    find_by_role,
    model_of,
    pairs_of,
)
from kd_core.config.run import OPTION_GROUPS, PLUGIN_FIELDS
from kd_core.datasets import Data
from kd_core.methods import LossInputs, Method
from kd_core.models import with_article
from kd_core.nn import weights
from kd_core.nn.hooks import feature_shapes, format_shape
from kd_core.nn.pairs import Pair

BATCH_NORMALISATION = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
# Parameters of a page's link beside the settings of a run.
RESERVED_NAMES = {
    *("projector", "room"),
    *("run", "autoplay", "log", "embed", "embed_options"),
    *("sweep", "across", "across_values", "down", "down_values", "seeds", "cell", "confirmed", "mode", "space"),
    *("trials", "trial_patience"),
}


def learner_refusal(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> str:
    """Return why a learner cannot be built or trained, as a sentence; empty if it can."""
    shape = data.shape
    if learner.trunk[0]:
        owner = model_of(phases, learner.trunk[0])
        shapes = feature_shapes(owner, shape, len(data.classes))
        if learner.trunk[1] not in shapes:
            return f"student = {owner.short_name}: this scheme needs a student with named layers; choose another one."
        shape = shapes[learner.trunk[1]]
    recipe = next(phase.recipe for phase in phases if learner in phase.learners)
    is_split = any(other.trunk[0] == learner.role for phase in phases for other in phase.learners)
    count = len(learner.classes or data.classes)
    if reason := learner.model.refusal(shape, count, is_trained=recipe.epochs > 0, is_split=is_split):
        origin = f", and its input is {format_shape(shape)} from the student’s first layers" if learner.trunk[0] else ""
        return f"{learner.role} = {learner.model.short_name}: {with_article(learner.model.title)} {reason}{origin}."
    if learner.uploaded and learner.uploaded not in _matching_weights(learner, data):
        return (
            f"teacher_weights = {learner.uploaded}: there are no such uploaded weights of "
            f"{with_article(learner.model.label())} for these data. Upload them again, or leave the option empty."
        )
    if not data.task.has_class_rows and recipe.smoothing:
        return (
            f"teacher_smoothing = {recipe.smoothing:g}: {data.task.title.lower()} has no classes over which labels "
            "could be spread. Choose 0."
        )
    reason = _method_reason(learner, phases, data) if learner.method is not None else ""
    return reason or _single_example_reason(learner, phases, data)


def _single_example_reason(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> str:
    """Return why a network cannot be trained on batches of one example, as a sentence; empty if it need not or can.

    A batch of one has no variance where batch normalisation follows a map of 1 × 1 or a vector.
    """
    for phase in phases:
        recipe, count = phase.recipe, phase.view.count(data)
        if learner not in phase.learners or not recipe.epochs or min(recipe.batch_size, count) != 1:
            continue
        prefix = f"batch_size = {recipe.batch_size}" if recipe.batch_size == 1 else f"labelled = {count}"
        try:
            with torch.device("meta"):
                network = build(learner, phases, data).to("meta").train()  # a module from Python is on the CPU
                network(torch.zeros(1, *data.shape))
        except ValueError:
            return (
                f"{prefix}: the {learner.role} ({learner.model.label()}) normalises over the batch, and a batch of one "
                "example has no variance. Choose at least 2, or a network without batch normalisation."
            )
        if learner.method is not None and not all(
            _takes_single_example(learner.method, pair) for pair in pairs_of(learner, phases, data)
        ):
            return (
                f"{prefix}: the adapters of the method {learner.method.title} normalise over the batch, and a batch of "
                "one example has no variance. Choose at least 2, or another method."
            )
    return ""


def _takes_single_example(method: Method, pair: Pair) -> bool:
    """Return whether the adapters of a method take a batch of one example; those without batch normalisation do."""
    labels = torch.zeros(1, dtype=torch.long)
    adapters, matches = method.adapters(pair, labels).train(), method.matches(pair)
    if not any(isinstance(module, BATCH_NORMALISATION) for module in adapters.modules()):
        return True
    logits = torch.zeros(1, pair.classes)
    student, teacher = (
        {layer: torch.zeros(1, *shape) for layer, shape in shapes.items()}
        for shapes in (pair.student_shapes, pair.teacher_shapes)
    )
    try:
        method.parts(LossInputs(logits, labels, logits, 0, student, teacher, matches, adapters))
    except ValueError:
        return False
    return True


def _matching_weights(learner: LearnerPlan, data: Data) -> list[str]:
    """Return the ids of uploaded weights; none fit a network that knows only some of the classes."""
    if learner.classes:
        return []
    return [entry.id for entry in weights.find_matching(learner.model, data.shape, len(data.classes))]


def _method_reason(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> str:  # noqa: PLR0911
    method = learner.method
    assert method is not None
    prefix = f"method = {method.short_name}: {method.title}"
    if reason := _task_reason(method, data):
        return f"{prefix} {reason}."
    pairs = pairs_of(learner, phases, data)
    for pair in pairs:
        if reason := method.unsupported_reason(pair):
            return f"{prefix} {reason}."
    if method.remembers_examples and learner.maker is not None:
        return f"{prefix} remembers its training examples, and here they are made anew. Choose another method."
    reads_features = any(match.teacher in method.teacher_layers(pairs[0]) for match in method.matches(pairs[0]))
    if learner.is_self_taught and not reads_features:
        return f"{prefix} compares logits, and here teacher and student are one network. Choose one for feature maps."
    networks = [learner, *(find_by_role(phases, teacher) for teacher in learner.teachers)]
    if reads_features and any(
        isinstance(network, DerivedPlan) or network.trunk[0] or network.classes for network in networks
    ):
        return f"{prefix} compares features, but the networks of this scheme have only logits in common."
    if reads_features and len(learner.teachers) > 1 and learner.combine != LOSSES:
        return f"{prefix} compares features, and those of several teachers cannot be averaged. Choose combine = losses."
    if method.changes_student and any(
        learner.role in (other.begins_with, other.average_of) and other.method != method
        for phase in phases
        for other in phase.learners
    ):
        return f"{prefix} changes the student network, which cannot be trained on or averaged without it."
    if method.per_class_probabilities and len(learner.teachers) > 1 and learner.combine == PROBABILITIES:
        return (
            f"{prefix} asks for a yes or no to each class, and averages of softmax have none. Choose combine = logits."
        )
    if not method.discards_adapters:
        own_phase = next(phase for phase in phases if learner in phase.learners)
        is_teacher_in_phase = any(other.role in learner.teachers for other in own_phase.learners)
        is_teacher = any(learner.role in other.teachers for phase in phases for other in phase.learners)
        if is_teacher_in_phase or is_teacher or len(learner.teachers) > 1 or learner.begins_with:
            return f"{prefix} takes over the last layers of one trained teacher, which this scheme does not have."
    return ""


def _task_reason(method: Method, data: Data) -> str:
    """Return why a method cannot serve a task, as the end of a sentence; empty if it can."""
    task, title = data.task, data.task.title.lower()
    reason = ""
    if not task.has_class_rows:
        reason = _numbers_reason(method, title)
    elif not method.takes_classes:
        reason = f"compares predicted numbers, and {title} has classes. Choose another method"
    elif method.needs_class_per_example and not task.has_class_per_example:
        reason = f"classifies examples by layers of its own, and {title} has no class per example"
    elif method.needs_several_classes and data.has_answers:
        reason = f"compares several classes with each other, and in {title} each is a yes or no"
    return reason


def _numbers_reason(method: Method, title: str) -> str:
    """Return why a method cannot serve a task of this title that predicts numbers."""
    if not method.takes_numbers:
        return (
            f"compares classes, and {title} has none, so that there are neither probabilities nor a temperature. "
            f"Choose {' or '.join(_methods_of_numbers())}, or a method that compares features, such as hints"
        )
    if method.weights.soft_targets:
        return f"is combined with soft targets, and {title} has no classes. Choose soft_weight = 0"
    return ""


def _methods_of_numbers() -> list[str]:
    """Return the methods that compare predicted numbers themselves."""
    return [
        name
        for name, cls in plugins("methods", outside=False).items()
        if issubclass(cls, Method) and cls.takes_numbers and cls.family == "response"
    ]


def all_options() -> Iterator[tuple[str, str, Option]]:
    """Yield (flat name, title of what it belongs to, declaration) of every option of every plug-in."""
    for _, group, prefix in PLUGIN_FIELDS:
        for cls in plugins(group).values():
            yield from ((prefix + key, cls.title, option) for key, option in options_of(cls).items())
    for name, group_class, prefix in OPTION_GROUPS:
        yield from ((prefix + key, name, option) for key, option in options_of(group_class).items())


def taken_names(group: str) -> set[str]:
    """Return the names that a plug-in's option in ``group`` may not have, since the flat name has another meaning."""
    flat = {prefix + option for _, kind, prefix in OPTION_GROUPS for option in options_of(kind)}
    flat |= RESERVED_NAMES | {name for name, *_ in PLUGIN_FIELDS}
    prefixes = {prefix for _, field_group, prefix in PLUGIN_FIELDS if field_group == group}
    names = {name.removeprefix(prefix) for prefix in prefixes for name in flat if name.startswith(prefix)}
    for other in {"methods", "schemes"} - {group} if "" in prefixes else ():
        names |= {option for cls in plugins(other, outside=False).values() for option in options_of(cls)}
    return names
