"""How the networks of a run are called and drawn: roles by colour, kinds by marker and line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kd_core.base import events
from kd_core.config.plan import BASELINE, STUDENT, TEACHER, LearnerPlan, kind_of
from kd_core.config.run import RunConfig
from kd_core.schemes import plan_of
from pages.ui.components import palette

STANDARD_ROLES = (TEACHER, STUDENT, BASELINE)


def kind(network: events.Network) -> str:
    """Teacher, student or baseline."""
    return network.kind if network.kind in STANDARD_ROLES else network.role


def title(role: str) -> str:
    """As a heading: "Peer 2"; the usual three have names of their own."""
    return palette.ROLES[role]["name"] if role in palette.ROLES else role[:1].upper() + role[1:]


def titles(config: RunConfig) -> dict[str, str]:
    """Every role of a run as a heading. A baseline that goes on to teach is called by its phase, too."""
    phases = plan_of(config)
    asked = {role for phase in phases for own in phase.learners for role in own.teachers}
    return {
        own.role: f"{title(phase.name)} (baseline)" if own.role == BASELINE and BASELINE in asked else title(own.role)
        for phase in phases
        for own in phase.networks
    }


def in_sentence(role: str, names: dict[str, str]) -> str:
    """A role within a sentence, where :func:`titles` gives it another name than its own."""
    name = names.get(role, role)
    return role if name == title(role) else name[:1].lower() + name[1:]


def styles(config: RunConfig) -> dict[str, dict[str, Any]]:
    """How each role of a run is drawn, for the browser: the usual three as ever, the others by colours of their own.

    Students choose their colours first, so that no teacher has the same one, however many teachers there are.
    """
    kinds = {own.role: kind_of(own) for phase in plan_of(config) for own in phase.networks}
    more = [role for role in kinds if role not in palette.ROLES]
    more.sort(key=lambda role: (STUDENT, TEACHER, BASELINE).index(kinds[role]))
    students = sum(kinds[role] == STUDENT for role in more)
    found: dict[str, dict[str, Any]] = {}
    for role, name in titles(config).items():
        found[role] = {**palette.ROLES[role if role in palette.ROLES else kinds[role]], "name": name}
        if role in more:
            found[role] |= {
                theme: of[_place(more.index(role), students, len(of))] for theme, of in palette.EXTRA_COLOURS.items()
            }
    return found


def _place(number: int, reserved: int, count: int) -> int:
    """Which of ``count`` colours; the first ones are ``reserved`` and given out once, as long as there are others."""
    if number < count or reserved >= count:
        return number % count
    return reserved + (number - reserved) % (count - reserved)


def learners(config: RunConfig) -> list[LearnerPlan]:
    """Every network that learns, once, in the order in which they begin."""
    found: dict[str, LearnerPlan] = {}
    for phase in plan_of(config):
        for learner in phase.learners:
            found.setdefault(learner.role, learner)
    return list(found.values())


def taught_learners(config: RunConfig) -> list[LearnerPlan]:
    """Those who are taught by somebody, the one that the verdict speaks of first."""
    taught = [learner for learner in learners(config) if learner.teachers]
    return sorted(taught, key=lambda learner: learner.role != config.scheme.comparison.role)


def reference_teacher(config: RunConfig) -> str:
    """The teacher of the first who is taught, if it was trained before: the followed examples are chosen by it."""
    before: set[str] = set()
    for phase in plan_of(config):
        taught = [learner for learner in phase.learners if learner.teachers]
        if taught:
            found = TEACHER if len(taught[0].teachers) > 1 else taught[0].teachers[0]
            return found if found in before else ""
        before |= {own.role for own in phase.networks}
    return ""


def source(config: RunConfig, role: str) -> str:
    """Whose look the parts of a loss have that do not come from the labels: the one teacher's, or that of them all."""
    learner = next(own for own in learners(config) if own.role == role)
    return learner.teachers[0] if len(learner.teachers) == 1 else TEACHER


def in_same_phase(config: RunConfig) -> bool:
    """Whether the two that the verdict speaks of learn in the same phase, and so end and change together."""
    of = config.scheme.comparison
    made = {derived.role: derived.sources for phase in plan_of(config) for derived in phase.derived}
    wanted = {*made.get(of.role, (of.role,)), *made.get(of.control, (of.control,))}
    return any(wanted <= {own.role for own in phase.learners} for phase in plan_of(config))


def role_map(config: RunConfig, role: str, available: Sequence[str]) -> dict[str, str]:
    """Who plays teacher, student and baseline beside the pupil ``role``, among the roles that ``available``
    something."""
    learner = next(own for own in learners(config) if own.role == role)
    teachers = [own for own in (*learner.teachers, TEACHER) if own in available and own != role]
    found = {STUDENT: role}
    if teachers:
        found[TEACHER] = TEACHER if len(learner.teachers) > 1 and TEACHER in available else teachers[0]
    if BASELINE in available and BASELINE not in found.values():
        found[BASELINE] = BASELINE
    return found
