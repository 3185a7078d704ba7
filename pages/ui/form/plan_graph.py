"""The plan of a run as columns of networks and lines between them, ready to be drawn."""

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
from pages.ui.text import plan, roles
from pages.ui.text.plan import MOST, is_frozen, join_names, teaching_clause

MOST_COLUMNS = 5  # a longer chain is a stack in the middle
BASE, MAIN, MADE, LAST = "base", "main", "made", "baseline"  # where in its column a network stands


@dataclass
class Node:
    """A network during one phase, or a stack of like ones."""

    id: str
    role: str
    kind: str
    look: str  # the role whose colour it has
    network: str = ""
    state: str = ""
    sees: str = ""
    taught: str = ""  # by whom and how
    lane: str = MAIN
    own: bool = False  # the method asks no other network
    stack: str = ""  # of what it is a stack


@dataclass
class Column:
    """What is trained before the next column begins; or what is made of it, or shared by it, beside it."""

    title: str = ""
    note: str = ""
    nodes: list[Node] = field(default_factory=list)


class PlanGraph:
    """Columns of networks and the lines between them; what would be too much to draw is stacked."""

    def __init__(self, config: RunConfig) -> None:
        self.data, self.phases, self.names = load(config.dataset), plan_of(config), roles.titles(config)
        self.edges: list[dict[str, Any]] = []
        self.latest: dict[str, str] = {}  # node of a role
        self.columns: list[Column] = []
        for group in _groups(self.phases):
            self._add(group)
        self._stack()

    def _add(self, group: list[int]) -> None:
        phases = [self.phases[number] for number in group]
        column = Column(_numbered(group), _note(phases))
        learners = [(phase, own) for phase in phases for own in phase.learners]
        learners.sort(key=lambda item: (kind_of(item[1]) == BASELINE, not item[1].trunk[0]))
        earlier = dict(self.latest)
        for number, (_, own) in enumerate(learners):
            self.latest[own.role] = f"{group[0]}.{number} {own.role}"
        column.nodes = [self._node(phase, own) for phase, own in learners]
        base = self._base([own for _, own in learners])
        self.columns += [Column("", "shared layers", base), column] if base else [column]
        for _, own in learners:
            if own.begins_with:
                self._edge("goes on", [earlier[own.begins_with]], own.role, "goes on")
            if own.method is not None and own.method.uses_teacher:
                self._edge("teaches", [self.latest[role] for role in own.teachers], own.role, _title(own))
        self._derive([own for phase in phases for own in phase.derived], column)

    def _derive(self, every: list[DerivedPlan], column: Column) -> None:
        beside = Column("", "")
        for own in every:
            self.latest[own.role] = f"{column.title} {own.role}"
            of = join_names([roles.in_sentence(role, self.names) for role in own.sources])
            what = f"{own.how}: {of}{plan.weights_text(own.weights)}"
            node = Node(self.latest[own.role], self.names[own.role], kind_of(own), own.role, what)
            is_asked = is_frozen(own.role, self.phases)
            node.state, node.lane = ("frozen", MAIN) if is_asked else ("made, not trained", MADE)
            (beside if is_asked else column).nodes.append(node)
            self._edge("made of", [self.latest[role] for role in own.sources], own.role, "")
        if beside.nodes:
            self.columns.append(beside)

    def _node(self, phase: PhasePlan, own: LearnerPlan) -> Node:
        is_asked = is_frozen(own.role, self.phases, self.phases.index(phase) + 1)
        return Node(
            self.latest[own.role], self.names[own.role], kind_of(own), own.role, own.model.label(),
            "learns, then frozen" if is_asked else "learns",
            self._shown(phase, own), teaching_clause(self._named(own)),
            LAST if kind_of(own) == BASELINE and not is_asked else MAIN,
            own.method is not None and not own.method.uses_teacher,
        )  # fmt: skip

    def _named(self, own: LearnerPlan) -> LearnerPlan:
        """With its teachers as they are called here."""
        teachers = tuple(role if role == own.role else roles.in_sentence(role, self.names) for role in own.teachers)
        return dataclasses.replace(own, teachers=teachers)

    def _base(self, learners: Sequence[LearnerPlan]) -> list[Node]:
        """The layers that several learners share, from the input to the end, and the lines to who goes on from them."""
        branches = [own for own in learners if own.trunk[0]]
        if not branches:
            return []
        owner = branches[0].trunk[0]
        taps = list(dict.fromkeys(own.trunk[1] for own in branches))
        nodes = [Node(f"{owner} {tap}", tap, STUDENT, owner, f"of {owner}", lane=BASE) for tap in taps]
        for own in branches:
            self._edge("shares", [f"{owner} {own.trunk[1]}"], own.role, "")
        for one, other in itertools.pairwise(nodes):
            self.edges.append({"kind": "shares", "from": [one.id], "to": other.id, "said": ""})
        self._edge("shares", [nodes[-1].id], owner, "")
        return nodes

    def _edge(self, what: str, start: list[str], role: str, said: str) -> None:
        self.edges.append({"kind": what, "from": start, "to": self.latest[role], "said": said})

    def _shown(self, phase: PhasePlan, own: LearnerPlan) -> str:
        """What it sees, in very few words."""
        view, data = phase.view, self.data
        count, labelled = view.count(data), min(view.count(data), view.labels.count(data))
        if view.is_blind:
            return f"{count:,} {data.noun}, no labels"
        if not plan.needs_labels(own, self.phases, data):
            return f"{count:,} {data.noun}, labels weigh 0"
        said = f"{labelled:,} labels"
        wrong = round(view.labels.wrong * labelled)
        said += f", {wrong:,} wrong" if wrong else ""
        if view.classes:
            names = [data.classes[number] for number in view.classes]
            said += f", {names[0]} … {names[-1]} only" if len(names) > 2 else f", {join_names(names)} only"
        said += f", no {view.labels.omitted}" if view.labels.omitted in data.classes else ""
        is_more = own.sees != LABELLED and count > labelled
        return said + (f" + {count - labelled:,} {data.noun} without" if is_more else "")

    def _stack(self) -> None:
        """Too many like networks of a column, and columns in the middle of a long chain, become stacks."""
        renamed: dict[str, str] = {}
        while len(self.columns) > MOST_COLUMNS:
            extra = len(self.columns) - MOST_COLUMNS
            middle = self.columns[2 : 3 + extra]
            titles = [column.title for column in middle]
            whole = Column(_span(titles), middle[0].note.split(" · ")[-1])
            places = list(zip(*(column.nodes for column in middle), strict=False))
            whole.nodes = [_one(list(place), renamed) for place in places]
            self.columns[2 : 3 + extra] = [whole]
        chained = set(renamed.values())
        mutual: dict[str, Node] = {}  # stacks of which it is not known whether they teach each other
        for column in self.columns:
            column.nodes = list(_stacked(column.nodes, renamed))
            mutual |= {node.id: node for node in column.nodes if node.stack and node.id not in chained}
        for edge in self.edges:
            is_own = edge["from"] == [edge["to"]]
            edge["to"] = renamed.get(edge["to"], edge["to"])
            start = dict.fromkeys(renamed.get(name, name) for name in edge["from"])
            if edge["to"] in start and not is_own and edge["kind"] == "teaches" and edge["to"] in mutual:
                mutual[edge["to"]].stack += " that teach each other"
                del mutual[edge["to"]]
            edge["from"] = [name for name in start if is_own or name != edge["to"]]
        kept = {repr(edge): edge for edge in self.edges if edge["from"]}
        self.edges = list(kept.values())


def _title(own: LearnerPlan) -> str:
    """What is written on the line to it: the method, and how several teachers speak as one."""
    assert own.method is not None
    if len(own.teachers) > 1:
        return f"{own.method.title}, {plan.combination_text(own)}"
    return own.method.title + ", from its own later layers" * own.is_self_taught


def _groups(phases: Sequence[PhasePlan]) -> Iterator[list[int]]:
    """Numbers of the phases, those together that need nothing of each other."""
    group: list[int] = []
    there: set[str] = set()
    for number, phase in enumerate(phases):
        needs = {role for own in phase.learners for role in (*own.teachers, own.begins_with, own.trunk[0])}
        if group and needs & there:
            yield group
            group, there = [], set()
        group.append(number)
        there |= {own.role for own in phase.learners} | {own.role for own in phase.derived}
    yield group


def _numbered(group: Sequence[int]) -> str:
    first, last = group[0] + 1, group[-1] + 1
    return f"Phase {first}" if first == last else f"Phases {first}–{last}"


def _note(phases: Sequence[PhasePlan]) -> str:
    first = phases[0]
    epochs = f"{first.recipe.epochs} epoch{'s' * (first.recipe.epochs != 1)}" + " each" * (len(phases) > 2)
    epochs += f" at most, until {100 * first.until:.0f} % are right" if first.until else ""
    epochs += ", the rate falling to 0" if first.recipe.schedule == COSINE else ""
    return f"{join_names([phase.name for phase in phases])} · {epochs}{', then kept' if first.is_kept else ''}"


def _span(titles: Sequence[str]) -> str:
    numbers = re.findall(r"\d+", f"{titles[0]} {titles[-1]}")
    return f"Phases {numbers[0]}–{numbers[-1]}"


def _one(nodes: list[Node], renamed: dict[str, str]) -> Node:
    """A stack of networks under the name of the first."""
    first = nodes[0]
    renamed.update({node.id: first.id for node in nodes})
    networks = list(dict.fromkeys(node.network for node in nodes))
    network = " … ".join(networks[:: max(1, len(networks) - 1)])
    return dataclasses.replace(
        first, role=_together([node.role for node in nodes]), network=network,
        stack=f"{len(nodes)} networks", taught="the one before" if first.taught else "",
    )  # fmt: skip


def _together(names: Sequence[str]) -> str:
    """Many names of one kind: "Teacher 1 … 8"."""
    return f"{names[0]}{', ' if len(names) == 2 else ' … '}{re.sub(r'^.*?(?=[0-9]*$)', '', names[-1])}"


def _stacked(nodes: Sequence[Node], renamed: dict[str, str]) -> Iterator[Node]:
    def like(node: Node) -> tuple[str, ...]:
        return re.sub(r"\d+", "", node.role), node.kind, node.network, node.lane

    for _, group in itertools.groupby(nodes, like):
        same = list(group)
        yield from [_one(same, renamed)] if len(same) > MOST else same
