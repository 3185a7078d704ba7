"""Names, colours and markers of the networks of a run."""

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
    """Return the kind of a network, one of :data:`STANDARD_ROLES`."""
    return network.kind if network.kind in STANDARD_ROLES else network.role


def title(role: str) -> str:
    """Return the name of a role as a heading, such as "Peer 2"."""
    return palette.ROLES[role]["name"] if role in palette.ROLES else role[:1].upper() + role[1:]


def titles(config: RunConfig) -> dict[str, str]:
    """Return the heading of every role of a run; a baseline that later teaches is named by its phase."""
    phases = plan_of(config)
    teachers = {role for phase in phases for learner in phase.learners for role in learner.teachers}
    headings = {}
    for phase in phases:
        for network in phase.networks:
            is_teacher = network.role == BASELINE and BASELINE in teachers
            headings[network.role] = f"{title(phase.name)} (baseline)" if is_teacher else title(network.role)
    return headings


def in_sentence(role: str, names: dict[str, str]) -> str:
    """Return a role's name within a sentence, where ``names`` are the headings of :func:`titles`."""
    name = names.get(role, role)
    return role if name == title(role) else name[:1].lower() + name[1:]


def styles(config: RunConfig) -> dict[str, dict[str, Any]]:
    """Return the name, marker, dash and colours of every role of a run, for the browser.

    Teacher, student and baseline always look the same; further roles get extra colours. Students are coloured first, so
    that no teacher has a student's colour, however many teachers there are.
    """
    kinds = {network.role: kind_of(network) for phase in plan_of(config) for network in phase.networks}
    extra = [role for role in kinds if role not in palette.ROLES]
    extra.sort(key=lambda role: (STUDENT, TEACHER, BASELINE).index(kinds[role]))
    students = sum(kinds[role] == STUDENT for role in extra)
    looks: dict[str, dict[str, Any]] = {}
    for role, name in titles(config).items():
        looks[role] = {**palette.ROLES[role if role in palette.ROLES else kinds[role]], "name": name}
        if role in extra:
            looks[role] |= {
                theme: colours[_colour_index(extra.index(role), students, len(colours))]
                for theme, colours in palette.EXTRA_COLOURS.items()
            }
    return looks


def _colour_index(number: int, reserved: int, count: int) -> int:
    """Return one of ``count`` colours; the first ``reserved`` are used once, as long as there are others to reuse."""
    if number < count or reserved >= count:
        return number % count
    return reserved + (number - reserved) % (count - reserved)


def learners(config: RunConfig) -> list[LearnerPlan]:
    """Return the learners of a run, each once, in the order of their first phases."""
    first: dict[str, LearnerPlan] = {}
    for phase in plan_of(config):
        for learner in phase.learners:
            first.setdefault(learner.role, learner)
    return list(first.values())


def taught_learners(config: RunConfig) -> list[LearnerPlan]:
    """Return the learners that have a teacher, the one that the result is about first."""
    taught = [learner for learner in learners(config) if learner.teachers]
    return sorted(taught, key=lambda learner: learner.role != config.scheme.comparison.role)


def reference_teacher(config: RunConfig) -> str:
    """Return the role by whose outputs the followed examples are chosen.

    It is the first taught learner's teacher, or an empty string if that was not trained in an earlier phase.
    """
    earlier: set[str] = set()
    for phase in plan_of(config):
        taught = [learner for learner in phase.learners if learner.teachers]
        if taught:
            teacher = TEACHER if len(taught[0].teachers) > 1 else taught[0].teachers[0]
            return teacher if teacher in earlier else ""
        earlier |= {network.role for network in phase.networks}
    return ""


def source(config: RunConfig, role: str) -> str:
    """Return the role whose colour the parts of a learner's loss have that do not come from labels."""
    learner = next(learner for learner in learners(config) if learner.role == role)
    return learner.teachers[0] if len(learner.teachers) == 1 else TEACHER


def role_map(config: RunConfig, role: str, available: Sequence[str]) -> dict[str, str]:
    """Return the roles that are drawn as teacher, student and baseline when ``role`` is drawn as student.

    Args:
        config: the run.
        role: a learner.
        available: the roles whose outputs can be drawn.
    """
    learner = next(learner for learner in learners(config) if learner.role == role)
    teachers = [teacher for teacher in (*learner.teachers, TEACHER) if teacher in available and teacher != role]
    parts = {STUDENT: role}
    if teachers:
        parts[TEACHER] = TEACHER if len(learner.teachers) > 1 and TEACHER in available else teachers[0]
    if BASELINE in available and BASELINE not in parts.values():
        parts[BASELINE] = BASELINE
    return parts


def drawn_networks(config: RunConfig, available: Sequence[str]) -> dict[str, str]:
    """Return the available roles by the part that each is drawn as, teacher first, with the first student as student.

    Without anybody who is taught, every network is drawn as itself.
    """
    taught = taught_learners(config)
    parts = role_map(config, taught[0].role, available) if taught else {role: role for role in available}
    return {part: parts[part] for part in (TEACHER, STUDENT, BASELINE) if parts.get(part) in available}
