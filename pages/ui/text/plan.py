"""The plan of a run in words: who learns from whom, through what, and from which examples."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence

from kd_core.config.plan import (
    BASELINE,
    LOSSES,
    STUDENT,
    TEACHER,
    DerivedPlan,
    LearnerPlan,
    PhasePlan,
    describe_examples,
    find_by_role,
    kind_of,
    pairs_of,
)
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, load
from kd_core.methods import LABELS, Method
from kd_core.models import Model
from kd_core.nn.pairs import Pair
from kd_core.schemes import plan_of
from pages.ui.text import roles

MOST = 4  # names in a list
LABEL_TERM = re.compile(r"^\S+ \\cdot \\mathrm\{CE\}(\(\\text\{labels\}\))?( \+ |$)")  # comes first in every loss


def needs_labels(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> bool:
    """Whether its loss depends on the labels of the examples at all."""
    if learner.method is None:
        return True
    weights = learner.method.weights
    matches = learner.method.matches(pairs_of(learner, phases, data)[0])
    return bool(weights.labels or (weights.term and any(match.teacher == LABELS for match in matches)))


def is_frozen(role: str, phases: Sequence[PhasePlan], start: int = 0) -> bool:
    """Whether it teaches, itself or as a part of what is made of it, in one of the phases from ``start`` on."""
    made = [own for phase in phases for own in phase.derived if role in own.sources]
    is_asked = any(role in own.teachers for phase in phases[start:] for own in phase.learners)
    return is_asked or any(is_frozen(own.role, phases, start) for own in made)


def teaching_clause(learner: LearnerPlan) -> str:
    """By whom and through which method, as the end of a sentence; empty if by the labels alone."""
    if learner.method is None:
        return ""
    through = f"through {learner.method.title}"
    if not learner.method.uses_teacher:
        return f"nobody else, {through}"
    through += f", {combination_text(learner)}" if len(learner.teachers) > 1 else ""
    return f"{'its own later layers' if learner.is_self_taught else join_names(learner.teachers)}, {through}"


def combination_text(learner: LearnerPlan) -> str:
    """How several teachers become one: "mean of probabilities, weights 2 : 1 : 1"."""
    return f"mean of {learner.combine}{weights_text(learner.weights)}"


def weights_text(shares: Sequence[float]) -> str:
    """Weights of teachers where they are not equal, as an addition."""
    said = "\u00a0:\u00a0".join(f"{share:g}" for share in shares)  # on one line
    return f", weights {said}" if len(set(shares)) > 1 else ""


def join_names(names: Sequence[str]) -> str:
    """Several roles in a few words: "teacher 1 … 8"; "student and peer 2"."""
    stems = [re.fullmatch(r"(.*?) ?(\d+)", name) for name in names]
    if len(names) > 2 and all(stems) and len({found[1] for found in stems if found}) == 1:
        return f"{names[0]} … {names[-1].rsplit(' ', 1)[-1]}"
    if len(names) > MOST:
        return f"{names[0]}, {names[1]} … {names[-1]}"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def compared_learner(config: RunConfig) -> LearnerPlan:
    """The one whose lessons stand for the chosen method: the verdict's, or else the first that is taught by it."""
    taught = [own for phase in plan_of(config) for own in phase.learners if own.method is not None]
    return min(taught, key=lambda own: (own.method != config.method, own.role != config.scheme.comparison.role))


def compared_pair(config: RunConfig) -> Pair:
    """Whose places the chosen method matches."""
    return pairs_of(compared_learner(config), plan_of(config), load(config.dataset))[0]


def is_blind(config: RunConfig) -> bool:
    """Whether that one is shown no label at all."""
    own = compared_learner(config)
    return any(phase.view.is_blind for phase in plan_of(config) if own in phase.learners)


def formula(config: RunConfig, method: Method) -> str:
    """The loss of that one in LaTeX with its numbers: who teaches whom by their names, and no term for labels that
    nobody gives it. ``method`` may be one that is being chosen, and need not go with the rest."""
    own, said = compared_learner(config), method.to_latex()
    if is_blind(config):
        start, _, terms = said.partition(" = ")
        said = f"{start} = {LABEL_TERM.sub('', terms) or '0'}"
    teacher = "later layers"
    if not own.is_self_taught:
        teacher = join_names(own.teachers)
        if len(own.teachers) > 1:
            teacher = f"{'each of' if own.combine == LOSSES else 'mean of'} {teacher}"
    alike = {each.role for phase in plan_of(config) for each in phase.learners if _alike(each) == _alike(own)}
    pupil = own.role if len(alike) == 1 else _stem(own.role)  # "exit", where every exit has such a loss
    names = {TEACHER: teacher, STUDENT: pupil}
    return re.sub(r"(?<=\\text\{)(teacher|student)\b", lambda found: names[found[0]], said)


def describe_networks(config: RunConfig) -> str:
    """Who takes part, and as what: "teacher CNN 16×2 · student MLP 64"; baselines only where they teach."""
    phases, names = plan_of(config), roles.titles(config)
    shown: dict[str, list[str]] = {}
    everyone = {own.role: own for phase in phases for own in phase.learners}
    for own in sorted(everyone.values(), key=lambda own: kind_of(own) != TEACHER):
        if kind_of(own) == BASELINE and not is_frozen(own.role, phases):
            continue
        label = own.model.label()
        shown.setdefault("" if own.role.startswith(label) else label, []).append(roles.in_sentence(own.role, names))
    return " · ".join(f"{join_roles(who)} {label}".strip() for label, who in shown.items())


def join_roles(names: Sequence[str]) -> str:
    """Roles of several kinds in a few words: "teacher 1 … 3, student and student’s student"."""
    groups = [list(group) for _, group in itertools.groupby(names, _stem)]
    return join_names([name for group in groups for name in ([join_names(group)] if len(group) > 2 else group)])


def _stem(role: str) -> str:
    return re.sub(r" ?\d+$", "", role)


def _alike(own: LearnerPlan) -> tuple[Method | None, tuple[str, ...], str]:
    """What learners have in common whose losses differ in nothing but whom they are of."""
    return own.method, own.teachers, _stem(own.role)


def teacher_of(config: RunConfig) -> tuple[LearnerPlan | DerivedPlan, bool]:
    """The first teacher of that one, and whether it learns at the same time."""
    own, phases = compared_learner(config), plan_of(config)
    together = next(phase for phase in phases if own in phase.learners)
    role = own.teachers[0]
    return find_by_role(phases, role), any(other.role == role for other in together.learners)


@functools.lru_cache(maxsize=256)
def network_notes(config: RunConfig) -> dict[str, str]:
    """What becomes of the networks that were chosen as teacher and as student, as sentences."""
    data = load(config.dataset)
    return {
        TEACHER: _part(config, TEACHER, config.teacher, data),
        STUDENT: _part(config, STUDENT, config.student, data),
    }


def _part(config: RunConfig, card: str, model: Model, data: Data) -> str:
    places = [(phase, own) for phase in plan_of(config) for own in phase.learners if own.model is model]
    if not places:
        return "Plays no part in this arrangement."
    names = list(dict.fromkeys(own.role for _, own in places))
    phase, own = next((place for place in places if place[1].role == card), places[0])
    here = "" if own.role == card else f"Here it is {join_names(names)}. "
    others = (
        join_names(tuple(f"the {role}" if role in (TEACHER, STUDENT, BASELINE) else role for role in own.teachers))
        if own.teachers and not own.is_self_taught
        else ""
    )
    by = f", and from {others}" if others else ", and from its own later layers" if own.is_self_taught else ""
    return f"{here}Learns from {describe_examples(phase, own, data)}{by}." + (
        " Trained once, then kept for other runs." if phase.is_kept else ""
    )
