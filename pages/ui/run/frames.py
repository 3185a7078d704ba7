"""Frames for the browser components from the events of a run, shared by all of its viewers."""

from __future__ import annotations

import functools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kd_core.analysis.learning_curves import CurveThinner, TrainingAxis, steps_per_point
from kd_core.base.events import (
    Adjusted,
    Event,
    Failed,
    Generated,
    Pinned,
    Predicted,
    Prepared,
    Probed,
    Skipped,
    Step,
    Surface,
    Switched,
    Validated,
    Written,
)
from kd_core.base.marks import percent
from kd_core.base.registry import plugins
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.methods import LABEL_ERROR, Method
from kd_core.runs import manager
from kd_core.store.step_codec import StepBlock, encode_steps, read_block
from pages.ui.widgets.text import roles
from pages.ui.widgets.text.summaries import SYMBOLS, symbol

Frame = dict[str, Any]
Chunks = dict[str, tuple[list[float], list[float]]]  # new points (x, y) by curve

POINTS = 1000  # per curve at most; a point of a longer one is the mean of several steps
MAX_CACHED = 8  # runs whose frames stay in memory
WEIGHTED = ", weighted"  # end of a curve's key
DASHES = ("9px,5px", "3px,3px", "14px,4px,3px,4px", "2px,6px")  # loss parts from the teacher, distinct without colour


class RunFrames:
    """Frames of one run so far, one growing list per component, and the events that a page needs whole.

    ``rewinds``: how often the run had been set back to a checkpoint when these frames began.
    """

    def __init__(self, run: str, rewinds: int) -> None:
        self.run = run
        # The browser clears itself for a new name, since frames of the same number may differ after a rewind.
        self.name = f"{run} {secrets.token_hex(3)}"
        self.rewinds = rewinds
        self.evaluations: list[Frame] = []
        self.surfaces: list[Frame] = []
        self.bars: list[Frame] = []
        self.texts: list[Frame] = []
        self.curves: list[Frame] = []
        self.series: list[Frame] = []
        self.prepared: Prepared | None = None
        self.pinned: Pinned | None = None
        self.failed: Failed | None = None
        self.predicted: Predicted | None = None  # the last masks or boxes, with the truth and the teacher's
        self.generated: Generated | None = None  # the last images that were made for training
        self.extent: list[float] = []
        self.adjusted: list[Adjusted] = []
        self.switched: list[Switched] = []
        self.is_alone = True  # one distilled student, so the names of loss parts need no owner
        self._taught_roles: set[str] = set()  # that have a teacher
        self._main_role = STUDENT  # whose loss is drawn part by part
        self._label_part = "CE"  # name of the loss with the labels
        self._source = TEACHER  # the role whose colour parts from the teacher have
        self._titles: dict[str, str] = {}
        self._scopes: dict[str, str] = {}  # addition to the name of a network that knows some of the classes
        self._drawn_roles: set[str] = set()  # whose loss is drawn
        self._axis = TrainingAxis([])
        self._thinner = CurveThinner[str]()
        self._weighted: list[str] = []  # weighted curves so far
        self._latest_texts: dict[str, list[str]] = {}
        self._judged: set[str] = set()  # roles whose texts have the teacher's surprise
        self._teacher_accuracy: float | None = None  # until its level is drawn
        self._read = 0  # number of the last event
        self._lock = threading.Lock()

    def update(self) -> RunFrames:
        """Read the events stored since the last call."""
        with self._lock:
            chunks: Chunks = {}
            for number, event in manager.get_manager().store.iter_blocks(self.run, after=self._read):
                self._read = number
                if isinstance(event, StepBlock):
                    self._add_steps(event, chunks)
                else:
                    self._add_event(event, chunks)
            self.curves += [{"series": key, "x": x, "y": y} for key, (x, y) in chunks.items()]
        return self

    @property
    def main_title(self) -> str:
        """Title of the network whose loss is drawn part by part."""
        return self._title(self._main_role)

    def _add_event(self, event: Event, chunks: Chunks) -> None:
        match event:
            case Prepared():
                self.prepared = event
                self._axis = TrainingAxis(event.phases)
                self._drawn_roles = {one.role for one in event.networks if roles.kind(one) != TEACHER}
                self._name_networks()
            case Step():
                self._add_steps(read_block(encode_steps([event])), chunks)
            case Validated() if event.accuracy:  # empty for a teacher with logits of the training examples alone
                self._add_evaluation(event, chunks)
            case Pinned():
                self.pinned = event
            case Probed():
                self.bars.append({"evaluation": len(self.evaluations) - 1, "logits": event.logits})
            case Surface():
                self.extent = event.extent
                frame = {
                    "evaluation": len(self.evaluations) - 1,
                    "size": event.size,
                    "probabilities": event.probabilities,
                }
                self.surfaces.append(frame)
            case Written():
                self._add_texts(event)
            case Adjusted() | Skipped():
                self._add_marker(event)
            case Switched():
                self.switched.append(event)
            case Failed():
                self.failed = event
            case Predicted():
                before = self.predicted or event
                masks, boxes = before.masks | event.masks, before.boxes | event.boxes
                self.predicted = replace(event, masks=masks, boxes=boxes)
            case Generated():
                self.generated = event

    def _add_marker(self, event: Adjusted | Skipped) -> None:
        """Add a line across the curves with a text."""
        if isinstance(event, Adjusted):
            self.adjusted.append(event)
            text = f"{symbol(event.option)} {event.old:g} → {event.new:g}"
        else:
            text = f"update skipped at loss scale {event.scale:g}"
        x = self._latest_x(self._axis.phases[event.phase].roles, event)
        self.curves.append({"marker": x, "text": text, "kind": "adjusted"})

    def _add_texts(self, event: Written) -> None:
        """Add a frame with the texts that have changed; a trained teacher always writes the same."""
        changed = {role: texts for role, texts in event.texts.items() if self._latest_texts.get(role) != texts}
        # The same text gets its colours at the first evaluation of the students.
        changed |= {role: event.texts[role] for role in event.surprise.keys() - self._judged}
        self._latest_texts |= event.texts
        self._judged |= event.surprise.keys()
        surprise = {role: rows for role, rows in event.surprise.items() if role in changed}
        frame = {"evaluation": len(self.evaluations) - 1, "number": self._read, "beginning": event.beginning}
        self.texts.append(frame | {"temperatures": event.temperatures, "texts": changed, "surprise": surprise})

    def _name_networks(self) -> None:
        row = manager.get_manager().store.run(self.run)
        taught = roles.taught_learners(row.config) if row else []
        if row:
            self._titles = roles.titles(row.config)
            self._label_part = "CE" if row.config.dataset.task.has_class_rows else LABEL_ERROR
            partial = [learner for learner in roles.learners(row.config) if learner.classes]
            self._scopes = {learner.role: f", {len(learner.classes)} classes" for learner in partial}
        self._taught_roles = {learner.role for learner in taught}
        if row and taught:
            self._main_role = taught[0].role
            self._source = roles.source(row.config, self._main_role)
        self.is_alone = len(taught) < 2 and self._main_role == STUDENT

    def _title(self, role: str) -> str:
        return self._titles.get(role) or roles.title(role)

    def _latest_x(self, of_roles: Iterable[str], event: Adjusted | Skipped | Validated) -> float:
        """Return the epoch of the network that has trained longest."""
        return max(self._axis.epochs(role, event.phase, event.step) for role in of_roles)

    def _add_steps(self, block: StepBlock, chunks: Chunks) -> None:
        points: list[tuple[int, str, str, float]] = []  # index of the step, curve, role, mean
        for role in block.parts:
            if role not in self._drawn_roles:
                continue
            curves = self._part_values(role, block) if role == self._main_role else {}
            curves[f"{role} loss"] = block.loss(role)
            size = steps_per_point(self._axis.total_steps[role], POINTS)
            for key, values in curves.items():
                start = len(block) - len(values)
                means = self._thinner.add_all(key, values, size)
                points += [(start + index, key, role, mean) for index, mean in means]
        for index, key, role, mean in sorted(points, key=lambda point: point[0]):
            self._add_point(chunks, key, role, self._axis.epochs(role, block.phase, block.first + index), mean)

    def _part_values(self, role: str, block: StepBlock) -> dict[str, NDArray[np.float64]]:
        """Return raw and weighted values by curve; a part has no weighted curve until it has a weight."""
        names = block.parts[role]
        if len(names) < 2:
            return {}
        values = {f"{role} {name}": block.part(role, name)[0] for name in names}
        values |= {key: np.zeros(len(block)) for key in self._weighted}
        for name in names:
            weighted, key = block.part(role, name)[1], f"{role} {name}{WEIGHTED}"
            if key not in self._weighted and weighted.any():
                self._weighted.append(key)
                values[key] = weighted[weighted.nonzero()[0][0] :]
            elif key in self._weighted:
                values[key] = weighted
        return values

    def _add_evaluation(self, event: Validated, chunks: Chunks) -> None:
        if self._teacher_accuracy is not None and TEACHER not in event.accuracy:  # its training is over
            level = self._teacher_accuracy
            self.curves.append({"level": "teacher accuracy", "y": level, "text": f"teacher {percent(level)}"})
            self._teacher_accuracy = None
        label = f"{event.phase}, epoch {event.epoch} of {self._axis.phases[event.phase].epochs}"
        evaluation = {"x": self._latest_x(event.accuracy, event), "label": label}
        self.evaluations.append(evaluation | {"phase": event.phase, "accuracy": event.accuracy})
        for role, accuracy in event.accuracy.items():
            x = self._axis.epochs(role, event.phase, event.step)
            self._add_point(chunks, f"{role} accuracy", role, x, accuracy)
        self._teacher_accuracy = event.accuracy.get(TEACHER, self._teacher_accuracy)

    def _add_point(self, chunks: Chunks, key: str, role: str, x: float, y: float) -> None:
        if key not in {series["key"] for series in self.series}:
            self.series.append(self._series(key, role))
        xs, ys = chunks.setdefault(key, ([], []))
        xs.append(round(x, 4))
        ys.append(float(f"{y:.5g}"))

    def _series(self, key: str, role: str) -> Frame:
        """Return how a curve is drawn.

        The colour is that of the role, or of the source of a loss part. Raw and weighted parts share a dash. Where
        several students are distilled, the name of a part says whose it is.
        """
        curve = key.removeprefix(role + " ")
        title = "Baseline" if self._title(role) == roles.title(BASELINE) else self._title(role)
        if curve == "accuracy":
            return {"key": key, "panel": "accuracy", "name": title + self._scopes.get(role, ""), "role": role}
        owner = f"{title.split(' (')[0]}’s "
        if curve == "loss":
            name = owner + (self._label_part if role == BASELINE and role not in self._taught_roles else "loss")
            if role == self._main_role:
                name = "Weighted sum" if self.is_alone else f"{owner}weighted sum"
            return {"key": key, "panel": "loss", "name": name, "role": role}
        part = curve.removesuffix(WEIGHTED)
        name = part if self.is_alone else owner + part
        if part in SYMBOLS.values():  # an option that this method learns, and no part of the sum
            return {"key": key, "panel": "learned", "name": name, "role": role}
        style = {"role": "labels" if part in _parts_from_labels() else self._source, "style": "thin"}
        style["measure"] = "raw" if part == curve else "weighted"
        if style["role"] != "labels":
            dashed = dict.fromkeys([*(series["name"] for series in self.series if "dash" in series), name])
            style["dash"] = DASHES[list(dashed).index(name) % len(DASHES)]
        return {"key": key, "panel": "loss", "name": name, **style}


@functools.cache
def _parts_from_labels() -> frozenset[str]:
    """Return the loss parts that come from the labels; every other one comes from the teacher."""
    classes = (cls for cls in plugins("methods").values() if issubclass(cls, Method))
    return frozenset(part for cls in classes for part in cls.teacher_free_parts)


_cache: OrderedDict[str, RunFrames] = OrderedDict()
_cache_lock = threading.Lock()


def run_frames(run: str) -> RunFrames:
    """Return the up-to-date frames of a run. They begin anew when the run continues from a checkpoint."""
    with _cache_lock:
        rewinds = manager.get_manager().store.rewinds(run)
        frames = _cache.pop(run, None)
        if frames is None or frames.rewinds != rewinds:
            frames = RunFrames(run, rewinds)
        _cache[run] = frames
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
    return frames.update()
