"""Plan of a run as a graph of networks in columns, for the diagram in the browser."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kd_core.config.plan import BASELINE, LABELLED, STUDENT, DerivedPlan, LearnerPlan, PhasePlan, kind_of
from kd_core.config.recipe import COSINE
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.schemes import plan_of
from pages.ui.widgets.text import plan, roles
from pages.ui.widgets.text.plan import MAX_NAMES, is_frozen, join_names, teaching_clause

MAX_COLUMNS = 5  # the middle of a longer chain becomes one column
BASE, MAIN, MADE, LAST = "base", "main", "made", "baseline"  # lanes of a column


@dataclass
class Node:
    """Network during one phase, or a stack of similar networks."""

    id: str
    role: str
    kind: str
    style_role: str  # the role whose colour it has
    network: str = ""
    state: str = ""
    data: str = ""
    teaching: str = ""  # its teachers and method
    lane: str = MAIN
    self_taught: bool = False  # whether its method uses no teacher
    stack: str = ""  # a description, if it is a stack


@dataclass
class Column:
    """Networks that are trained before those of the next column, or derived from or shared by those beside them."""

    title: str = ""
    note: str = ""
    nodes: list[Node] = field(default_factory=list)


class PlanGraph:
    """Columns of networks and the edges between them; similar networks are stacked where there are many.

    ``edges`` are dictionaries for the browser: the kind ("teaches", "continues", "combines", "shares"), the ids of the
    nodes that the edge comes ``from`` and goes ``to``, and its ``label``.
    """

    def __init__(self, config: RunConfig) -> None:
        self.data, self.phases, self.names = load(config.dataset), plan_of(config), roles.titles(config)
        self.edges: list[dict[str, Any]] = []
        self.latest: dict[str, str] = {}  # id of the latest node, by role
        self.columns: list[Column] = []
        for group in _groups(self.phases):
            self._add(group)
        self._stack_middle_columns()

    def _add(self, group: list[int]) -> None:
        phases = [self.phases[number] for number in group]
        column = Column(_column_title(group), _column_note(phases))
        learners = [(phase, learner) for phase in phases for learner in phase.learners]
        learners.sort(key=lambda item: (kind_of(item[1]) == BASELINE, not item[1].trunk[0]))
        earlier = dict(self.latest)
        for number, (_, learner) in enumerate(learners):
            self.latest[learner.role] = f"{group[0]}.{number} {learner.role}"
        column.nodes = [self._node(phase, learner) for phase, learner in learners]
        trunk = self._trunk([learner for _, learner in learners])
        self.columns += [Column("", "shared layers", trunk), column] if trunk else [column]
        for _, learner in learners:
            if learner.begins_with:
                self._edge("continues", [earlier[learner.begins_with]], learner.role, "same weights")
            if learner.average_of:
                self._edge("combines", [self.latest[learner.average_of]], learner.role, "moving average")
            if learner.method is not None and learner.method.uses_teacher:
                teachers = [self.latest[role] for role in learner.teachers]
                self._edge("teaches", teachers, learner.role, _edge_label(learner))
        self._derive([derived for phase in phases for derived in phase.derived], column)

    def _derive(self, plans: list[DerivedPlan], column: Column) -> None:
        """Add derived networks that teach in a column of their own, and the others to ``column``."""
        teachers = Column("", "")
        for derived in plans:
            self.latest[derived.role] = f"{column.title} {derived.role}"
            sources = join_names([roles.in_sentence(role, self.names) for role in derived.sources])
            network = f"{derived.how}: {sources}{plan.weights_text(derived.weights)}"
            node = Node(self.latest[derived.role], self.names[derived.role], kind_of(derived), derived.role, network)
            teaches = is_frozen(derived.role, self.phases)
            node.state, node.lane = ("frozen", MAIN) if teaches else ("not trained", MADE)
            (teachers if teaches else column).nodes.append(node)
            self._edge("combines", [self.latest[role] for role in derived.sources], derived.role, "")
        if teachers.nodes:
            self.columns.append(teachers)

    def _node(self, phase: PhasePlan, learner: LearnerPlan) -> Node:
        teaches = is_frozen(learner.role, self.phases, self.phases.index(phase) + 1)
        teachers = tuple(
            role if role == learner.role else roles.in_sentence(role, self.names) for role in learner.teachers
        )
        return Node(
            id=self.latest[learner.role],
            role=self.names[learner.role],
            kind=kind_of(learner),
            style_role=learner.role,
            network=plan.network_label(learner),
            state="averages weights" if learner.average_of else _state(phase, teaches=teaches),
            data=self._training_data(phase, learner) if phase.recipe.epochs else "not trained",
            teaching=teaching_clause(dataclasses.replace(learner, teachers=teachers)),
            lane=MADE if learner.average_of else LAST if kind_of(learner) == BASELINE and not teaches else MAIN,
            self_taught=learner.method is not None and not learner.method.uses_teacher,
        )

    def _trunk(self, learners: Sequence[LearnerPlan]) -> list[Node]:
        """Return the layers that several learners share, from input to output, and add the edges to the learners."""
        branches = [learner for learner in learners if learner.trunk[0]]
        if not branches:
            return []
        owner = branches[0].trunk[0]
        layers = list(dict.fromkeys(learner.trunk[1] for learner in branches))
        nodes = [Node(f"{owner} {layer}", layer, STUDENT, owner, f"of {owner}", lane=BASE) for layer in layers]
        for learner in branches:
            self._edge("shares", [f"{owner} {learner.trunk[1]}"], learner.role, "")
        for node, following in itertools.pairwise(nodes):
            self.edges.append({"kind": "shares", "from": [node.id], "to": following.id, "label": ""})
        self._edge("shares", [nodes[-1].id], owner, "")
        return nodes

    def _edge(self, kind: str, start: list[str], role: str, label: str) -> None:
        self.edges.append({"kind": kind, "from": start, "to": self.latest[role], "label": label})

    def _training_data(self, phase: PhasePlan, learner: LearnerPlan) -> str:
        """Return a learner's training data in very few words."""
        view, data = phase.view, self.data
        if learner.average_of:
            return "not trained"
        if learner.maker is not None:
            return learner.maker.in_words()
        count, labelled = view.count(data), min(view.count(data), view.labels.count(data))
        if view.is_blind:
            return f"{count:,} {data.noun}, no labels"
        if not plan.needs_labels(learner, self.phases, data):
            return f"{count:,} {data.noun}, label weight 0"
        text = f"{labelled:,} labels"
        wrong = round(view.labels.wrong * labelled)
        text += f", {wrong:,} wrong" if wrong else ""
        if view.classes:
            names = [data.classes[number] for number in view.classes]
            text += f", {names[0]} … {names[-1]} only" if len(names) > 2 else f", {join_names(names)} only"
        text += f", no {view.labels.omitted}" if view.labels.omitted in data.classes else ""
        uses_unlabelled = learner.sees != LABELLED and count > labelled
        return text + (f" + {count - labelled:,} unlabelled {data.noun}" if uses_unlabelled else "")

    def _stack_middle_columns(self) -> None:
        """Merge the middle columns of a long chain, and many similar networks of a column, into stacks."""
        merged: dict[str, str] = {}  # id of a node -> id of its stack
        if len(self.columns) > MAX_COLUMNS:
            end = 3 + len(self.columns) - MAX_COLUMNS
            middle = self.columns[2:end]
            stacks = zip(*(column.nodes for column in middle), strict=False)
            title = _title_range([column.title for column in middle])
            nodes = [_stack(list(stack), merged) for stack in stacks]
            self.columns[2:end] = [Column(title, middle[0].note.split(" · ")[-1], nodes)]
        chains = set(merged.values())
        mutual: dict[str, Node] = {}  # stacks whose members may teach each other
        for column in self.columns:
            column.nodes = list(_stack_similar(column.nodes, merged))
            mutual |= {node.id: node for node in column.nodes if node.stack and node.id not in chains}
        for edge in self.edges:
            is_loop = edge["from"] == [edge["to"]]
            edge["to"] = merged.get(edge["to"], edge["to"])
            start = dict.fromkeys(merged.get(node, node) for node in edge["from"])
            if edge["to"] in start and not is_loop and edge["kind"] == "teaches" and edge["to"] in mutual:
                mutual.pop(edge["to"]).stack += " that teach each other"
            edge["from"] = [node for node in start if is_loop or node != edge["to"]]
        unique = {repr(edge): edge for edge in self.edges if edge["from"]}
        self.edges = list(unique.values())


def _state(phase: PhasePlan, *, teaches: bool) -> str:
    if not phase.recipe.epochs:
        return "frozen" if teaches else "as it is"
    return "learns, then frozen" if teaches else "learns"


def _edge_label(learner: LearnerPlan) -> str:
    """Return the learner's method, and how several teachers are combined."""
    assert learner.method is not None
    if len(learner.teachers) > 1:
        return f"{learner.method.title}, {plan.combination_text(learner)}"
    return learner.method.title + ", from its own later layers" * learner.is_self_taught


def _groups(phases: Sequence[PhasePlan]) -> Iterator[list[int]]:
    """Yield the numbers of consecutive phases that do not depend on each other."""
    group: list[int] = []
    roles_of_group: set[str] = set()
    for number, phase in enumerate(phases):
        needs = {
            role for learner in phase.learners for role in (*learner.teachers, learner.begins_with, learner.trunk[0])
        }
        if group and needs & roles_of_group:
            yield group
            group, roles_of_group = [], set()
        group.append(number)
        roles_of_group |= {network.role for network in phase.networks}
    yield group


def _column_title(group: Sequence[int]) -> str:
    first, last = group[0] + 1, group[-1] + 1
    return f"Phase {first}" if first == last else f"Phases {first}–{last}"


def _column_note(phases: Sequence[PhasePlan]) -> str:
    first = phases[0]
    epochs = f"{first.recipe.epochs} epoch{'s' * (first.recipe.epochs != 1)}" + " each" * (len(phases) > 2)
    epochs += f" at most, until {100 * first.until:.0f} % accuracy" if first.until else ""
    epochs += ", cosine learning rate" if first.recipe.schedule == COSINE else ""
    return f"{join_names([phase.name for phase in phases])} · {epochs}{', then cached' if first.is_kept else ''}"


def _title_range(titles: Sequence[str]) -> str:
    numbers = re.findall(r"\d+", f"{titles[0]} {titles[-1]}")
    return f"Phases {numbers[0]}–{numbers[-1]}"


def _stack(nodes: list[Node], merged: dict[str, str]) -> Node:
    """Merge nodes into a stack with the id of the first, and record this in ``merged``."""
    first = nodes[0]
    merged.update({node.id: first.id for node in nodes})
    networks = list(dict.fromkeys(node.network for node in nodes))
    network = " … ".join(networks[:: max(1, len(networks) - 1)])
    return dataclasses.replace(
        first, role=_role_range([node.role for node in nodes]), network=network,
        stack=f"{len(nodes)} networks", teaching="the previous one" if first.teaching else "",
    )  # fmt: skip


def _role_range(names: Sequence[str]) -> str:
    """Return many roles of one kind in a short form, such as "Teacher 1 … 8"."""
    return f"{names[0]}{', ' if len(names) == 2 else ' … '}{re.sub(r'^.*?(?=[0-9]*$)', '', names[-1])}"


def _stack_similar(nodes: Sequence[Node], merged: dict[str, str]) -> Iterator[Node]:
    def kind(node: Node) -> tuple[str, ...]:
        return re.sub(r"\d+", "", node.role), node.kind, node.network, node.lane

    for _, group in itertools.groupby(nodes, kind):
        similar = list(group)
        yield from [_stack(similar, merged)] if len(similar) > MAX_NAMES else similar
