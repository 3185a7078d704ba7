"""How the networks of a run are called and drawn: roles by colour, kinds by marker and line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kd_core import events
from kd_core.config import RunConfig
from kd_core.plan import BASELINE, STUDENT, TEACHER, Learner, kind_of
from kd_core.schemes import plan_of
from pages.ui.browser import palette

USUAL = (TEACHER, STUDENT, BASELINE)


def kind(network: events.Network) -> str:
    """Teacher, student or baseline."""
    return network.kind if network.kind in USUAL else network.role


def title(role: str) -> str:
    """As a heading: "Peer 2"; the usual three have names of their own."""
    return palette.ROLES[role]["name"] if role in palette.ROLES else role[:1].upper() + role[1:]


def looks(config: RunConfig) -> dict[str, dict[str, Any]]:
    """How each role is drawn, for the browser; those with a look of their own already are left out."""
    found: dict[str, dict[str, Any]] = {}
    for phase in plan_of(config):
        for own in phase.everyone:
            if own.role not in palette.ROLES and own.role not in found:
                look: dict[str, Any] = {**palette.ROLES[kind_of(own)], "name": title(own.role)}
                found[own.role] = look | {theme: of[len(found) % len(of)] for theme, of in palette.MORE.items()}
    return found


def learners(config: RunConfig) -> list[Learner]:
    """Every network that learns, once, in the order in which they begin."""
    found: dict[str, Learner] = {}
    for phase in plan_of(config):
        for learner in phase.learners:
            found.setdefault(learner.role, learner)
    return list(found.values())


def pupils(config: RunConfig) -> list[Learner]:
    """Those who are taught by somebody, the one that the verdict speaks of first."""
    taught = [learner for learner in learners(config) if learner.teachers]
    return sorted(taught, key=lambda learner: learner.role != config.scheme.compares.role)


def is_led(config: RunConfig) -> bool:
    """Whether the first who is taught has a teacher that was trained before."""
    before: set[str] = set()
    for phase in plan_of(config):
        taught = [learner for learner in phase.learners if learner.teachers]
        if taught:
            return taught[0].teachers[0] in before
        before |= {own.role for own in phase.learners} | {own.role for own in phase.derived}
    return False


def is_side_by_side(config: RunConfig) -> bool:
    """Whether the two that the verdict speaks of learn in the same phase, and so end and change together."""
    of = config.scheme.compares
    made = {derived.role: derived.of for phase in plan_of(config) for derived in phase.derived}
    wanted = {*made.get(of.role, (of.role,)), *made.get(of.control, (of.control,))}
    return any(wanted <= {own.role for own in phase.learners} for phase in plan_of(config))


def cast(config: RunConfig, role: str, said: Sequence[str]) -> dict[str, str]:
    """Who plays teacher, student and baseline beside the pupil ``role``, among the roles that ``said`` something."""
    learner = next(own for own in learners(config) if own.role == role)
    teachers = [own for own in (*learner.teachers, TEACHER) if own in said and own != role]
    found = {STUDENT: role}
    if teachers:
        found[TEACHER] = TEACHER if len(learner.teachers) > 1 and TEACHER in said else teachers[0]
    if BASELINE in said and BASELINE not in found.values():
        found[BASELINE] = BASELINE
    return found
