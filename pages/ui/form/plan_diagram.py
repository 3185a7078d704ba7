"""Diagram and table of the plan of a run, phase by phase."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import streamlit as st

from kd_core.config.plan import describe_examples
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.schemes import plan_of
from pages.ui.components import component
from pages.ui.form.plan_graph import PlanGraph
from pages.ui.widgets.text import roles
from pages.ui.widgets.text.plan import is_frozen, join_names, needs_labels, network_label, teaching_clause


def show(diagram: dict[str, Any], rows: list[dict[str, str]]) -> None:
    """Draw the diagram of :func:`facts` and an expander with the rows of :func:`table`."""
    component("plan_diagram")(key="scheme_diagram", data=diagram)
    with st.expander("Table of phases and networks"):
        st.table(rows, border="horizontal", hide_index=True)


@functools.lru_cache(maxsize=64)
def table(config: RunConfig) -> list[dict[str, str]]:
    """Return one table row for every network of every phase."""
    data, phases = load(config.dataset), plan_of(config)
    rows = []
    for number, phase in enumerate(phases, start=1):
        title = f"{number} · {phase.name}"
        for learner in phase.learners:
            trunk, layer = learner.trunk
            model = f"{learner.model.label()} after {layer} of {trunk}" if trunk else network_label(learner)
            if not phase.recipe.epochs:
                rows.append((title, learner.role, model, "–", "not trained"))
                continue
            teaching = teaching_clause(learner) or "labels only"
            teaching += f"; starts from {learner.begins_with}" if learner.begins_with else ""
            rows.append((title, learner.role, model, teaching, describe_examples(phase, learner, data)))
        for derived in phase.derived:
            rows.append((title, derived.role, f"{derived.how}: {join_names(derived.sources)}", "–", "not trained"))
    columns = ("phase", "network", "model", "learns from", "training data")
    return [dict(zip(columns, row, strict=True)) for row in rows]


@functools.lru_cache(maxsize=64)
def facts(config: RunConfig) -> dict[str, Any]:
    """Return the content of the diagram as plain values for the browser."""
    graph = PlanGraph(config)
    columns = [dataclasses.asdict(column) for column in graph.columns]
    return {"columns": columns, "edges": graph.edges, "sentence": sentence(config), "styles": roles.styles(config)}


def sentence(config: RunConfig) -> str:
    """Return the plan in sentences, as the text alternative of the diagram."""
    data, phases = load(config.dataset), plan_of(config)
    sentences = [f"{config.scheme.title}."]
    for number, phase in enumerate(phases, start=1):
        clauses = []
        for learner in phase.learners:
            if not phase.recipe.epochs:
                clauses.append(f"{learner.role} ({network_label(learner)}) is not trained")
                continue
            teaching = teaching_clause(learner)
            source = "labels only"
            if teaching:
                uses_labels = needs_labels(learner, phases, data) and not phase.view.is_blind
                source = f"labels and {teaching}" if uses_labels else f"{teaching}, without labels"
            trunk, layer = learner.trunk
            clause = f"{learner.role} ({network_label(learner)}) learns from {source}"
            clause += f", sharing {trunk} up to {layer}" if trunk else ""
            clause += f", starting from {learner.begins_with}" if learner.begins_with else ""
            clause += ", then is frozen" if is_frozen(learner.role, phases, number) else ""
            clauses.append(clause)
        for derived in phase.derived:
            clauses.append(f"{derived.role} is made of {join_names(derived.sources)} ({derived.how})")
        sentences.append(f"Phase {number}: {'; '.join(clauses)}.")
    return " ".join(sentences)
