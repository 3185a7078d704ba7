"""Who teaches whom, before anything is trained: a drawing of the plan, phase by phase, and the same as a table."""

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
from pages.ui.text import roles
from pages.ui.text.plan import is_frozen, join_names, needs_labels, teaching_clause


def show(drawn: dict[str, Any], rows: list[dict[str, str]]) -> None:
    """The drawing of :func:`facts`, and below it the :func:`table`, folded."""
    component("plan_diagram")(key="arrangement", data=drawn)
    with st.expander("Table of phases and networks"):
        st.table(rows, border="horizontal", hide_index=True)


@functools.lru_cache(maxsize=64)
def table(config: RunConfig) -> list[dict[str, str]]:
    """One row for every network of every phase."""
    data, phases = load(config.dataset), plan_of(config)
    rows = []
    for number, phase in enumerate(phases, start=1):
        named = f"{number} · {phase.name}"
        for own in phase.learners:
            model = f"{own.model.label()} after {own.trunk[1]} of {own.trunk[0]}" if own.trunk[0] else own.model.label()
            goes_on = f"; goes on from {own.begins_with}" if own.begins_with else ""
            by = teaching_clause(own) or "the labels alone"
            rows.append((named, own.role, model, by + goes_on, describe_examples(phase, own, data)))
        rows += [
            (named, own.role, f"{own.how}: {join_names(own.sources)}", "–", "nothing itself") for own in phase.derived
        ]
    return [dict(zip(("phase", "network", "what it is", "learns from", "sees"), row, strict=True)) for row in rows]


@functools.lru_cache(maxsize=64)
def facts(config: RunConfig) -> dict[str, Any]:
    """What the drawing shows, as plain data."""
    drawn = PlanGraph(config)
    columns = [dataclasses.asdict(column) for column in drawn.columns]
    return {"columns": columns, "edges": drawn.edges, "sentence": sentence(config), "looks": roles.styles(config)}


def sentence(config: RunConfig) -> str:
    """The whole plan, for who cannot see the drawing."""
    data, phases = load(config.dataset), plan_of(config)
    said = [f"{config.scheme.title}."]
    for number, phase in enumerate(phases, start=1):
        clauses = []
        for own in phase.learners:
            by = teaching_clause(own)
            uses_labels = needs_labels(own, phases, data) and not phase.view.is_blind
            whom = (f"labels and {by}" if uses_labels else f"{by}, without labels") if by else "labels alone"
            frozen = ", then is frozen" if is_frozen(own.role, phases, number) else ""
            goes_on = f", going on from {own.begins_with}" if own.begins_with else ""
            base = f", sharing {own.trunk[0]} up to {own.trunk[1]}" if own.trunk[0] else ""
            clauses.append(f"{own.role} ({own.model.label()}) learns from {whom}{base}{goes_on}{frozen}")
        clauses += [f"{own.role} is made of {join_names(own.sources)} ({own.how})" for own in phase.derived]
        said.append(f"Phase {number}: {'; '.join(clauses)}.")
    return " ".join(said)
