"""What is matched where, before anything is trained: a drawing of both networks, and the same as a table."""

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
from pages.ui.browser import component
from pages.ui.text import plan as planning

LEFT, STAYS = "left behind when the student goes", "staying with the student"


def show(drawn: dict[str, Any], rows: list[dict[str, str]]) -> None:
    """The drawing of :func:`facts`, and below it the :func:`table`, folded."""
    component("matching")(key="matching", data=drawn)
    with st.expander("Table of taps and adaptors"):
        st.table(rows, border="horizontal", hide_index=True)


def drawing(config: RunConfig) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What :func:`show` draws."""
    rows = match_table(config.method, planning.compared_pair(config))
    return facts(config, rows), table(rows)


@dataclass(frozen=True)
class _Side:
    """What is said above one network; of some only the answers can be compared, whatever they are made of."""

    name: str
    note: str
    is_whole: bool = True


def _sides(config: RunConfig) -> dict[str, _Side]:
    own, (teacher, is_live) = planning.compared_learner(config), planning.teacher_of(config)
    name = _called(own, STUDENT)
    student = _Side(name, "learns" if not own.trunk[0] else f"goes on after {own.trunk[1]}", not own.trunk[0])
    if isinstance(teacher, DerivedPlan):
        return {
            "student": student,
            "teacher": _Side(f"{teacher.how}: {planning.join_names(teacher.sources)}", "frozen", is_whole=False),
        }
    if own.is_self_taught:
        return {"student": student, "teacher": _Side(own.model.label(), "the same network")}
    note = "learns, too" if is_live else "frozen"
    note += f", one of {len(own.teachers)}" if len(own.teachers) > 1 else ""
    return {"student": student, "teacher": _Side(_called(teacher, TEACHER), note, not teacher.trunk[0])}


def _called(own: LearnerPlan, usual: str) -> str:
    label = own.model.label()
    return label if own.role == usual else own.role if own.role.startswith(label) else f"{own.role}, {label}"


def table(rows: Sequence[MatchRow]) -> list[dict[str, str]]:
    """One row for every pair of places."""
    return [
        {
            "student": _place(row.student, row.student_shape),
            "adaptor": _adaptors(row) or "compared as they are",
            "parameters learned": f"{row.learned:,}" if row.learned else "–",
            "teacher": _place(row.teacher, row.teacher_shape),
        }
        for row in rows
    ]


def facts(config: RunConfig, rows: Sequence[MatchRow]) -> dict[str, Any]:
    """What the drawing shows, as plain data."""
    pair, weights, sides = planning.compared_pair(config), config.method.weights, _sides(config)
    mine, its = (taps if sides[side].is_whole else {LOGITS: taps[LOGITS]}
                 for side, taps in (("student", pair.student_shapes), ("teacher", pair.teacher_shapes)))  # fmt: skip
    level = levels(list(mine), list(its), [(row.student, row.teacher) for row in rows])
    adaptors = [{"student_adaptor": row.student_adaptor, "teacher_adaptor": row.teacher_adaptor} for row in rows]
    kind = "matched" if weights.term else "idle"
    links = [
        {"student": r.student, "teacher": r.teacher, "kind": kind} | a for r, a in zip(rows, adaptors, strict=True)
    ]
    if weights.soft_targets:
        links.append({"student": LOGITS, "teacher": LOGITS, "kind": "soft"})
    if weights.labels and not planning.is_blind(config):
        links.append({"student": LOGITS, "teacher": LABELS, "kind": "labels"})
    is_asked = any(link["teacher"] != LABELS and link["kind"] != "idle" for link in links)
    learned = sum(row.learned for row in rows)
    goes, note = LEFT if config.method.discards_adapters else STAYS, sides["student"].note
    student, teacher = _taps(mine, level[0]), _taps(its, level[1])
    if not config.method.discards_adapters:  # what comes after the adaptors is the teacher's, in the student too
        note, last = f"learns up to {rows[-1].student}", level[0][rows[-1].student]
        student = [tap for tap in student if tap["level"] <= last]
        student += [tap | {"of": "teacher"} for tap in teacher if tap["level"] > level[1][rows[-1].teacher]]
    return {
        "input": format_shape(pair.shape),
        "student": {"name": sides["student"].name, "note": note, "taps": student},
        "teacher": {
            "name": sides["teacher"].name,
            "note": sides["teacher"].note if is_asked else "not asked",
            "taps": teacher,
        },
        "between": f"Adaptors with {learned:,} parameters, {goes}" if learned else "",
        "links": links,
        "sentence": _sentence(config, rows, links, goes),
    }


def levels(
    student: Sequence[str], teacher: Sequence[str], joined: Sequence[tuple[str, str]]
) -> tuple[dict[str, int], dict[str, int]]:
    """On which level each tap is drawn, from 0: joined taps beside each other as far as the order of layers allows,
    then taps of the same name; the others as late as they can be."""
    same = [(tap, tap) for tap in student if tap in teacher]
    anchors: list[tuple[int, int]] = []
    for mine, its in [(LOGITS, LOGITS), *joined, *same]:
        if mine in student and its in teacher:
            place = (student.index(mine), teacher.index(its))
            if all((place[0] - a) * (place[1] - b) > 0 for a, b in anchors):
                anchors.append(place)
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    level, done = 0, (0, 0)
    for place in sorted(anchors):
        level += max(place[0] - done[0], place[1] - done[1])
        for taps, at, start, known in zip((student, teacher), place, done, found, strict=True):
            known.update({taps[tap]: level - at + tap for tap in range(start, at + 1)})
        level, done = level + 1, (place[0] + 1, place[1] + 1)
    return found


def _taps(taps: Mapping[str, Shape], level: Mapping[str, int]) -> list[dict[str, Any]]:
    sizes = {tap: {"shape": format_shape(shape), "values": math.prod(shape)} for tap, shape in taps.items()}
    return [{"name": tap, "level": level[tap]} | size for tap, size in sizes.items()]


def _place(tap: str, shape: Shape) -> str:
    return f"{tap} ({format_shape(shape)})" if shape else tap


def _adaptors(row: MatchRow) -> str:
    both = [f"{side}: {words}" for side, words in (("student", row.student_adaptor), ("teacher", row.teacher_adaptor))]
    return row.student_adaptor if not row.teacher_adaptor else "; ".join(both)


def _sentence(config: RunConfig, rows: Sequence[MatchRow], links: Sequence[dict[str, Any]], goes: str) -> str:
    joined = [
        f"{_place(row.student, row.student_shape)} of the student with {_place(row.teacher, row.teacher_shape)}"
        + (" of the teacher" if row.teacher != LABELS else "")
        + (f" through {_adaptors(row)}, {goes}" if _adaptors(row) else "")
        for row in rows
    ]
    joined += ["the logits of both, softened"] * any(link["kind"] == "soft" for link in links)
    joined += ["the student’s logits with the labels"] * any(link["kind"] == "labels" for link in links)
    return f"{config.method.title}. Matched are: " + "; ".join(joined) + "."
