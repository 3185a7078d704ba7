"""Plan of a run and formula of its loss as text."""

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
from kd_core.files.teachers.provenance import provenance
from kd_core.methods import LABELS, Method
from kd_core.models import Model
from kd_core.nn.pairs import Pair
from kd_core.schemes import plan_of
from pages.ui.widgets.text import roles
from pages.ui.widgets.text.escape import escape_markdown

MAX_NAMES = 4  # in a list
LABEL_TERM = re.compile(r"^\S+ \\cdot \\mathrm\{CE\}(\(\\text\{labels\}\))?( \+ |$)")  # comes first in every loss


def network_label(learner: LearnerPlan) -> str:
    """Return the name of a learner's network, with the file and the accuracy of an imported one."""
    origin = provenance(learner.imported) if learner.imported else None
    if origin is None:
        return learner.model.label()
    return origin.short() if learner.model.is_imported else f"{learner.model.label()} from {origin.short()}"


def needs_labels(learner: LearnerPlan, phases: Sequence[PhasePlan], data: Data) -> bool:
    """Whether the learner's loss depends on labels."""
    if learner.method is None:
        return True
    weights = learner.method.weights
    matches = learner.method.matches(pairs_of(learner, phases, data)[0])
    return bool(weights.labels or (weights.term and any(match.teacher == LABELS for match in matches)))


def is_frozen(role: str, phases: Sequence[PhasePlan], start: int = 0) -> bool:
    """Whether a network, or one derived from it, is a teacher in one of the phases from ``start`` on."""
    derived = [network for phase in phases for network in phase.derived if role in network.sources]
    teaches = any(role in learner.teachers for phase in phases[start:] for learner in phase.learners)
    return teaches or any(is_frozen(network.role, phases, start) for network in derived)


def teaching_clause(learner: LearnerPlan) -> str:
    """Return the learner's teachers and method as the end of a sentence, empty if it learns from labels only."""
    if learner.method is None:
        return ""
    through = f"through {learner.method.title}"
    if not learner.method.uses_teacher:
        return f"no teacher, {through}"
    through += f", {combination_text(learner)}" if len(learner.teachers) > 1 else ""
    return f"{'its own later layers' if learner.is_self_taught else join_names(learner.teachers)}, {through}"


def combination_text(learner: LearnerPlan) -> str:
    """Return how several teachers are combined, such as ``mean of probabilities, weights 2 : 1 : 1``."""
    return f"mean of {learner.combine}{weights_text(learner.weights)}"


def weights_text(teacher_weights: Sequence[float]) -> str:
    """Return the teachers' weights as the end of a list, empty if they are equal."""
    ratio = "\u00a0:\u00a0".join(f"{weight:g}" for weight in teacher_weights)  # without line breaks
    return f", weights {ratio}" if len(set(teacher_weights)) > 1 else ""


def join_names(names: Sequence[str]) -> str:
    """Return several roles in a short form, such as "teacher 1 … 8" or "student and peer 2"."""
    stems = [re.fullmatch(r"(.*?) ?(\d+)", name) for name in names]
    if len(names) > 2 and all(stems) and len({stem[1] for stem in stems if stem}) == 1:
        return f"{names[0]} … {names[-1].rsplit(' ', 1)[-1]}"
    if len(names) > MAX_NAMES:
        return f"{names[0]}, {names[1]} … {names[-1]}"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def compared_learner(config: RunConfig) -> LearnerPlan:
    """Return the learner that the formula and the feature diagram describe.

    Among learners with the chosen method it is the one that the result compares with its control, or else the first.
    """
    taught = [learner for phase in plan_of(config) for learner in phase.learners if learner.method is not None]
    role = config.scheme.comparison.role
    return min(taught, key=lambda learner: (learner.method != config.method, learner.role != role))


def compared_pair(config: RunConfig) -> Pair:
    """Return the student/teacher pair whose features the chosen method matches."""
    return pairs_of(compared_learner(config), plan_of(config), load(config.dataset))[0]


def is_blind(config: RunConfig) -> bool:
    """Whether :func:`compared_learner` is trained without labels."""
    learner = compared_learner(config)
    return any(phase.view.is_blind for phase in plan_of(config) if learner in phase.learners)


def formula(config: RunConfig, method: Method) -> str:
    """Return the loss of :func:`compared_learner` in LaTeX with its numbers.

    The networks have the names of their roles, and a learner without labels has no term for them.

    Args:
        config: the run.
        method: may differ from the run's while it is being chosen, and need not fit the other settings.
    """
    return formulas(config, [method])[0]


def formulas(config: RunConfig, methods: Sequence[Method]) -> list[str]:
    """Return :func:`formula` for several methods, such as one with different values of an option."""
    learner, texts = compared_learner(config), [method.to_latex() for method in methods]
    if is_blind(config):
        parts = [latex.partition(" = ") for latex in texts]
        texts = [f"{left} = {LABEL_TERM.sub('', terms) or '0'}" for left, _, terms in parts]
    if not config.dataset.task.has_class_rows:
        texts = [latex.replace(r"\mathrm{CE}", r"\mathrm{MSE}(\text{student}, \text{labels})") for latex in texts]
    teacher = "later layers"
    if not learner.is_self_taught:
        teacher = join_names(learner.teachers)
        if len(learner.teachers) > 1:
            teacher = f"{'each of' if learner.combine == LOSSES else 'mean of'} {teacher}"
    same_loss = {
        other.role for phase in plan_of(config) for other in phase.learners if _loss_key(other) == _loss_key(learner)
    }
    student = learner.role if len(same_loss) == 1 else _stem(learner.role)  # "exit" if all exits have this loss
    names = {TEACHER: teacher, STUDENT: student}
    role = re.compile(r"(?<=\\text\{)(teacher|student)\b")
    return [role.sub(lambda match: names[match[0]], latex) for latex in texts]


def in_lines(latex: str) -> str:
    """Return a formula with a line for each term, for a narrow column."""
    left, _, right = latex.partition(" = ")
    terms = right.split(" + ")
    if len(terms) == 1:
        return latex
    body = r" \\ &+ ".join(terms)
    return rf"\begin{{aligned}} {left} &= {body} \end{{aligned}}"


def describe_networks(config: RunConfig) -> str:
    """Return the networks of a run, such as "teacher CNN 16×2 · student MLP 64"; baselines only if they teach."""
    phases, names = plan_of(config), roles.titles(config)
    by_label: dict[str, list[str]] = {}
    learners = {learner.role: learner for phase in phases for learner in phase.learners}
    for learner in sorted(learners.values(), key=lambda learner: kind_of(learner) != TEACHER):
        if kind_of(learner) == BASELINE and not is_frozen(learner.role, phases):
            continue
        label = learner.model.label()
        group = by_label.setdefault("" if learner.role.startswith(label) else label, [])
        group.append(roles.in_sentence(learner.role, names))
    return " · ".join(f"{join_roles(group)} {label}".strip() for label, group in by_label.items())


def join_roles(names: Sequence[str]) -> str:
    """Return roles of several kinds in a short form, such as "teacher 1 … 3, student and student’s student"."""
    groups = [list(group) for _, group in itertools.groupby(names, _stem)]
    return join_names([name for group in groups for name in ([join_names(group)] if len(group) > 2 else group)])


def _stem(role: str) -> str:
    return re.sub(r" ?\d+$", "", role)


def _loss_key(learner: LearnerPlan) -> tuple[Method | None, tuple[str, ...], str]:
    """Return what is equal for learners whose losses differ only in the number in their role."""
    return learner.method, learner.teachers, _stem(learner.role)


def teacher_of(config: RunConfig) -> tuple[LearnerPlan | DerivedPlan, bool]:
    """Return the first teacher of :func:`compared_learner`, and whether both are trained in the same phase."""
    learner, phases = compared_learner(config), plan_of(config)
    phase = next(phase for phase in phases if learner in phase.learners)
    role = learner.teachers[0]
    return find_by_role(phases, role), any(other.role == role for other in phase.learners)


@functools.lru_cache(maxsize=256)
def network_notes(config: RunConfig) -> dict[str, str]:
    """Return for the chosen teacher and student what they learn from in the scheme, as sentences by role."""
    data = load(config.dataset)
    return {
        TEACHER: _network_note(config, TEACHER, config.teacher, data),
        STUDENT: _network_note(config, STUDENT, config.student, data),
    }


def _network_note(config: RunConfig, card: str, model: Model, data: Data) -> str:
    places = [(phase, learner) for phase in plan_of(config) for learner in phase.learners if learner.model is model]
    if not places:
        return "Not used in this scheme."
    names = list(dict.fromkeys(learner.role for _, learner in places))
    phase, learner = next((place for place in places if place[1].role == card), places[0])
    part = "" if learner.role == card else f"Used as {join_names(names)}. "
    if not phase.recipe.epochs:
        origin = provenance(learner.imported) if learner.imported else None
        start = f"Comes from {escape_markdown(origin.short())}," if origin is not None else "Keeps its initial weights,"
        return f"{part}{start} and is not trained."
    source = ""
    if learner.is_self_taught:
        source = ", and from its own later layers"
    elif learner.teachers:
        teachers = [f"the {role}" if role in roles.STANDARD_ROLES else role for role in learner.teachers]
        source = f", and from {join_names(teachers)}"
    cached = " Trained once, then cached for other runs." if phase.is_kept else ""
    return f"{part}Learns from {describe_examples(phase, learner, data)}{source}.{cached}"
