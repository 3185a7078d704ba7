"""Diagram and table of which student features a method matches with which teacher features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.analysis.feature_matching import MatchRow, match_table
from kd_core.config.plan import STUDENT, TEACHER, DerivedPlan, LearnerPlan
from kd_core.config.run import RunConfig
from kd_core.methods import LABELS, LOGITS
from kd_core.nn.hooks import Shape, format_shape
from pages.ui.components import component
from pages.ui.widgets.text import plan

DISCARDED, KEPT = "discarded after training", "kept as part of the student"


def show(diagram: dict[str, Any], rows: list[dict[str, str]]) -> None:
    """Draw the diagram of :func:`facts` and an expander with the rows of :func:`table`."""
    component("feature_diagram")(key="matching", data=diagram)
    with st.expander("Table of features and adapters"):
        st.table(rows, border="horizontal", hide_index=True)


def drawing(config: RunConfig) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the arguments of :func:`show`."""
    rows = match_table(config.method, plan.compared_pair(config))
    return facts(config, rows), table(rows)


@dataclass(frozen=True)
class _Side:
    """Heading of one network in the diagram.

    A network without layers of its own, such as an ensemble, has its logits only (``has_features`` is False).
    """

    name: str
    note: str
    has_features: bool = True


def _sides(config: RunConfig) -> dict[str, _Side]:
    learner, (teacher, is_trained) = plan.compared_learner(config), plan.teacher_of(config)
    trunk, layer = learner.trunk
    student = _Side(_network_name(learner, STUDENT), f"continues after {layer}" if trunk else "learns", not trunk)
    if isinstance(teacher, DerivedPlan):
        name = f"{teacher.how}: {plan.join_names(teacher.sources)}"
        return {"student": student, "teacher": _Side(name, "frozen", has_features=False)}
    if learner.is_self_taught:
        return {"student": student, "teacher": _Side(learner.model.label(), "the same network")}
    note = "also learns" if is_trained else "frozen"
    note += f", one of {len(learner.teachers)}" if len(learner.teachers) > 1 else ""
    return {"student": student, "teacher": _Side(_network_name(teacher, TEACHER), note, not teacher.trunk[0])}


def _network_name(learner: LearnerPlan, default_role: str) -> str:
    label = learner.model.label()
    if learner.role == default_role:
        return label
    return learner.role if learner.role.startswith(label) else f"{learner.role}, {label}"


def table(rows: Sequence[MatchRow]) -> list[dict[str, str]]:
    """Return one table row for every matched pair of features."""
    return [
        {
            "student": _feature(row.student, row.student_shape),
            "adapter": _adapters(row) or "none",
            "adapter parameters": f"{row.learned:,}" if row.learned else "–",
            "teacher": _feature(row.teacher, row.teacher_shape),
        }
        for row in rows
    ]


def facts(config: RunConfig, rows: Sequence[MatchRow]) -> dict[str, Any]:
    """Return the content of the diagram as plain values for the browser."""
    pair, weights, sides = plan.compared_pair(config), config.method.weights, _sides(config)
    student_shapes, teacher_shapes = (
        shapes if sides[side].has_features else {LOGITS: shapes[LOGITS]}
        for side, shapes in (("student", pair.student_shapes), ("teacher", pair.teacher_shapes))
    )
    pairs = [(row.student, row.teacher) for row in rows]
    student_levels, teacher_levels = levels(list(student_shapes), list(teacher_shapes), pairs)
    links = [
        {
            "student": row.student,
            "teacher": row.teacher,
            "kind": "matched" if weights.term else "idle",
            "student_adapter": row.student_adapter,
            "teacher_adapter": row.teacher_adapter,
        }
        for row in rows
    ]
    if weights.soft_targets:
        links.append({"student": LOGITS, "teacher": LOGITS, "kind": "soft"})
    if weights.labels and not plan.is_blind(config):
        links.append({"student": LOGITS, "teacher": LABELS, "kind": "labels"})
    is_teacher_used = any(link["teacher"] != LABELS and link["kind"] != "idle" for link in links)
    learned = sum(row.learned for row in rows)
    fate, note = DISCARDED if config.method.discards_adapters else KEPT, sides["student"].note
    student, teacher = _layers(student_shapes, student_levels), _layers(teacher_shapes, teacher_levels)
    if not config.method.discards_adapters:  # the layers after the adapter are copied from the teacher
        last = rows[-1]
        note = f"learns up to {last.student}"
        student = [layer for layer in student if layer["level"] <= student_levels[last.student]]
        student += [layer | {"of": "teacher"} for layer in teacher if layer["level"] > teacher_levels[last.teacher]]
    return {
        "input": format_shape(pair.shape),
        "student": {"name": sides["student"].name, "note": note, "layers": student},
        "teacher": {
            "name": sides["teacher"].name,
            "note": sides["teacher"].note if is_teacher_used else "not used",
            "layers": teacher,
        },
        "between": f"Adapters with {learned:,} parameters, {fate}" if learned else "",
        "links": links,
        "sentence": _sentence(config, rows, links, fate),
    }


def levels(
    student: Sequence[str], teacher: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the level from 0 on which each layer of student and teacher is drawn.

    Matched layers share a level as far as the order of layers allows, then layers of the same name. All others are
    placed as late as possible.
    """
    same_name = [(layer, layer) for layer in student if layer in teacher]
    anchors: list[tuple[int, int]] = []  # positions of layers on the same level
    for student_layer, teacher_layer in [(LOGITS, LOGITS), *pairs, *same_name]:
        if student_layer in student and teacher_layer in teacher:
            anchor = (student.index(student_layer), teacher.index(teacher_layer))
            if all((anchor[0] - a) * (anchor[1] - b) > 0 for a, b in anchors):
                anchors.append(anchor)
    levels_of: tuple[dict[str, int], dict[str, int]] = ({}, {})
    level, start = 0, (0, 0)
    for anchor in sorted(anchors):
        level += max(anchor[0] - start[0], anchor[1] - start[1])
        for layers, end, first, result in zip((student, teacher), anchor, start, levels_of, strict=True):
            result.update({layers[index]: level - end + index for index in range(first, end + 1)})
        level, start = level + 1, (anchor[0] + 1, anchor[1] + 1)
    return levels_of


def _layers(shapes: Mapping[str, Shape], level: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"name": name, "level": level[name], "shape": format_shape(shape), "values": math.prod(shape)}
        for name, shape in shapes.items()
    ]


def _feature(name: str, shape: Shape) -> str:
    return f"{name} ({format_shape(shape)})" if shape else name


def _adapters(row: MatchRow) -> str:
    if not row.teacher_adapter:
        return row.student_adapter
    return f"student: {row.student_adapter}; teacher: {row.teacher_adapter}"


def _sentence(config: RunConfig, rows: Sequence[MatchRow], links: Sequence[dict[str, Any]], fate: str) -> str:
    """Return the diagram as a sentence, for its text alternative."""
    matched = [
        f"{_feature(row.student, row.student_shape)} of the student with {_feature(row.teacher, row.teacher_shape)}"
        + (" of the teacher" if row.teacher != LABELS else "")
        + (f" through {_adapters(row)}, {fate}" if _adapters(row) else "")
        for row in rows
    ]
    if any(link["kind"] == "soft" for link in links):
        matched.append("the softened logits of both")
    if any(link["kind"] == "labels" for link in links):
        matched.append("the student’s logits with the labels")
    return f"{config.method.title} matches " + "; ".join(matched) + "."
