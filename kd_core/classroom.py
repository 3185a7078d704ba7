"""Who teaches a learner during a phase, through what, and from which examples it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kd_core.config.plan import ALL, LABELLED, LOSSES, Phase, pairs_of
from kd_core.datasets import Data
from kd_core.instruction import Instruction, Source
from kd_core.learning import Learning
from kd_core.teaching import Teaching


def instructions(
    own: Learning, phases: Sequence[Phase], data: Data, teachers: Mapping[str, nn.Module | Learning]
) -> list[Instruction]:
    """One for all teachers together, or one for each where their losses are averaged."""
    learner = own.learner
    if learner.method is None or not learner.teachers:
        return []
    pairs = pairs_of(learner, phases, data)
    weights = learner.weights or tuple(1.0 for _ in learner.teachers)
    apart = learner.combine == LOSSES and len(learner.teachers) > 1
    groups = [(role,) for role in learner.teachers] if apart else [learner.teachers]
    found = []
    for number, roles in enumerate(groups):
        share = weights[number] / sum(weights) if apart else 1.0
        instruction = Instruction(learner.method, pairs[number], own.labels, seed=learner.seed, weight=share)
        instruction.combine, instruction.weights = learner.combine, weights
        instruction.sources = [_source(teachers[role], own, instruction.teacher_paths) for role in roles]
        found.append(instruction)
    return found


def _source(teacher: nn.Module | Learning, own: Learning, paths: dict[str, str]) -> Source:
    if isinstance(teacher, Learning):
        teacher.paths |= paths
        return teacher
    return Teaching(teacher, own.examples, paths, own.compute)


def pool(own: Learning) -> Tensor:
    """Positions of the examples that a learner sees among those shown."""
    everything = torch.arange(len(own.labels), device=own.labels.device)
    learner = own.learner
    if learner.sees == ALL:
        return everything
    is_labelled = own.labels >= 0
    if learner.sees == LABELLED:
        return everything[is_labelled]
    return everything[is_labelled | sure(own, learner.confidence, learner.is_balanced)]


def sure(own: Learning, confidence: float, is_balanced: bool) -> Tensor:
    """(N,) whether the teacher is that sure of an example; ``is_balanced``: of every class only the surest ones, as
    many as a class has on average. Xie et al., "Self-training with Noisy Student improves ImageNet classification"
    (2020), section 2."""
    teacher = own.instructions[0].sources[0]
    assert isinstance(teacher, Teaching), "only a trained teacher can be sure before the first step"
    certainty, answer = teacher.clean().softmax(1).max(1)
    kept = certainty >= confidence
    found = set(answer[kept].tolist())
    if is_balanced and found:
        most = -(-int(kept.sum()) // len(found))
        for label in found:
            members = (kept & (answer == label)).nonzero().flatten()
            kept[members[certainty[members].argsort(descending=True)][most:]] = False
    return kept
