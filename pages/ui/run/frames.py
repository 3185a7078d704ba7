"""A run's events as frames for the browser components. Every viewer of a run shares one reel; it only ever grows."""

from __future__ import annotations

import functools
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from kd_core.base.events import Adjusted, Event, Failed, Pinned, Prepared, Probed, Step, Surface, Switched, Validated
from kd_core.base.registry import plugins
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.methods import Method
from kd_core.runs import manager
from pages.ui.text import roles
from pages.ui.text.summaries import SYMBOLS, symbol

Frame = dict[str, Any]

POINTS = 1000  # per curve at most; a longer phase sends the mean of several steps
LATEST = 8  # reels kept in memory
WEIGHTED = ", weighted"  # end of a curve's key
DASHES = ("9px,5px", "3px,3px", "14px,4px,3px,4px", "2px,6px")  # parts from the teacher, told apart without colour


@dataclass(frozen=True)
class _PhaseScale:
    """A phase as its curves need it: steps per point, steps per epoch, and by role the epochs learned before it."""

    every: int
    steps_per_epoch: int
    starts: dict[str, int]  # of those whose loss is drawn


class RunFrames:
    """The frames of one run so far, one list per component, and the facts that a page wants to say."""

    def __init__(self, run: str, rewinds: int) -> None:
        self.run = run
        # Frame 7 of one reel need not be frame 7 of another of the same run. The browser clears itself for a new name.
        self.name = f"{run} {secrets.token_hex(3)}"
        self.rewinds = rewinds
        self.moments: list[Frame] = []
        self.surfaces: list[Frame] = []
        self.bars: list[Frame] = []
        self.curves: list[Frame] = []
        self.series: list[Frame] = []
        self.prepared: Prepared | None = None
        self.pinned: Pinned | None = None
        self.failed: Failed | None = None
        self.extent: list[float] = []
        self.adjusted: list[Adjusted] = []
        self.switched: list[Switched] = []
        self._kinds: dict[str, str] = {}
        self._main = ""
        self._names: dict[str, str] = {}
        self._scopes: dict[str, str] = {}  # of whom the accuracy is one of some classes alone
        self._source = TEACHER
        self.is_alone = True  # it alone is taught, so nobody needs to be told whose the parts are
        self._taught: float | None = None  # the teacher's accuracy so far
        self._read = 0
        self._waiting: dict[str, list[float]] = {}  # by curve, of the steps not yet a point: their sum and their number
        self._weighted: dict[str, float] = {}  # 0 for every weighted curve so far
        self._courses: dict[str, _PhaseScale] = {}
        self._lock = threading.Lock()

    def update(self) -> RunFrames:
        """Reads what the run has said since the last call."""
        with self._lock:
            store = manager.get_manager().store
            chunks: dict[str, tuple[list[float], list[float]]] = {}
            for number, event in store.iter_events(self.run, after=self._read):
                self._read = number
                self._take(event, chunks)
            self.curves += [{"series": key, "x": x, "y": y} for key, (x, y) in chunks.items()]
        return self

    def _take(self, event: Event, chunks: dict[str, tuple[list[float], list[float]]]) -> None:
        match event:
            case Prepared():
                self.prepared = event
                self._kinds = {network.role: roles.kind(network) for network in event.networks}
                self._compare()
            case Step():
                self._step(event, chunks)
            case Validated():
                self._validated(event, chunks)
            case Pinned():
                self.pinned = event
            case Probed():
                self.bars.append({"moment": len(self.moments) - 1, "logits": event.logits})
            case Surface():
                self.extent = event.extent
                frame = {"moment": len(self.moments) - 1, "size": event.size, "probabilities": event.probabilities}
                self.surfaces.append(frame)
            case Adjusted():
                self.adjusted.append(event)
                text = f"{symbol(event.option)} {event.old:g} → {event.new:g}"
                phase = self._phase(event.phase)
                start = max(self._start(role, phase) for role in phase.roles)
                place = start + event.step / phase.steps_per_epoch
                self.curves.append({"marker": place, "text": text, "kind": "adjusted"})
            case Switched():
                self.switched.append(event)
            case Failed():
                self.failed = event

    def _phase(self, name: str) -> Any:
        assert self.prepared is not None
        return next(phase for phase in self.prepared.phases if phase.name == name)

    def _start(self, role: str, phase: Any) -> int:
        """Epochs that a network had learned before a phase in which it goes on."""
        assert self.prepared is not None
        earlier = self.prepared.phases[: self.prepared.phases.index(phase)]
        return sum(one.epochs for one in earlier if role in one.roles)

    def _compare(self) -> None:
        """The pupil that the verdict speaks of, whose loss is drawn part by part, and what everybody is called."""
        row = manager.get_manager().store.run(self.run)
        taught = roles.taught_learners(row.config) if row else []
        self._main = taught[0].role if taught else STUDENT
        if row:
            self._names = roles.titles(row.config)
            own_classes = [own for own in roles.learners(row.config) if own.classes]
            self._scopes = {own.role: f", {len(own.classes)} classes" for own in own_classes}
            self._source = roles.source(row.config, self._main) if taught else TEACHER
        self.is_alone = len(taught) < 2 and self._main == STUDENT

    @property
    def main_title(self) -> str:
        """As a heading, whose loss is drawn part by part."""
        return self._named(self._main or STUDENT)

    def _named(self, role: str) -> str:
        return self._names.get(role) or roles.title(role)

    def _step(self, event: Step, chunks: dict[str, tuple[list[float], list[float]]]) -> None:
        course = self._courses.get(event.phase) or self._course(event.phase)
        for role, parts in event.parts.items():
            if role not in course.starts:
                continue
            values = self._parts(role, parts) if role == self._main else {}
            values[f"{role} loss"] = event.loss[role]
            for key, value in values.items():
                waiting = self._waiting.get(key) or self._waiting.setdefault(key, [0.0, 0])
                waiting[0] += value
                waiting[1] += 1
                if waiting[1] >= course.every:
                    x = course.starts[role] + event.step / course.steps_per_epoch
                    self._point(chunks, key, role, x, waiting[0] / waiting[1])
                    waiting[:] = [0.0, 0]

    def _course(self, name: str) -> _PhaseScale:
        """Found once for each phase: a long run is read step by step."""
        phase = self._phase(name)
        every = -(-phase.epochs * phase.steps_per_epoch // POINTS)
        drawn = [role for role, kind in self._kinds.items() if kind != TEACHER]
        starts = {role: self._start(role, phase) for role in drawn}
        return self._courses.setdefault(name, _PhaseScale(every, phase.steps_per_epoch, starts))

    def _parts(self, role: str, parts: dict[str, list[float]]) -> dict[str, float]:
        """Raw and weighted values by curve; a part has no weighted curve until it has a weight."""
        if len(parts) < 2:
            return {}
        found = {f"{role} {name}": value for name, (value, _) in parts.items()} | self._weighted
        for name, (_, value) in parts.items():
            key = f"{role} {name}{WEIGHTED}"
            if value or key in self._weighted:
                found[key] = value
                self._weighted[key] = 0.0
        return found

    def _validated(self, event: Validated, chunks: dict[str, tuple[list[float], list[float]]]) -> None:
        phase = self._phase(event.phase)
        label = f"{event.phase}, epoch {event.epoch} of {phase.epochs}"
        if self._taught is not None and TEACHER not in event.accuracy:  # it has learned all that it will
            self.curves.append({"level": "teacher accuracy", "y": self._taught, "text": f"teacher {self._taught:.1%}"})
            self._taught = None
        place = event.step / phase.steps_per_epoch
        x = max(self._start(role, phase) for role in event.accuracy) + place
        self.moments.append({"x": x, "label": label, "phase": event.phase, "accuracy": event.accuracy})
        for role, share in event.accuracy.items():
            self._point(chunks, f"{role} accuracy", role, self._start(role, phase) + place, share)
            if role == TEACHER:
                self._taught = share

    def _point(
        self, chunks: dict[str, tuple[list[float], list[float]]], key: str, role: str, x: float, y: float
    ) -> None:
        if key not in {known["key"] for known in self.series}:
            self.series.append(self._series(key, role))
        xs, ys = chunks.setdefault(key, ([], []))
        xs.append(round(x, 4))
        ys.append(float(f"{y:.5g}"))

    def _series(self, key: str, role: str) -> Frame:
        """How one curve is drawn: roles by colour and dash, the loss parts by where they come from.

        Parts say whose they are wherever others are taught, too. Raw and weighted share a dash.
        """
        what = key.removeprefix(role + " ")
        name = "Baseline" if self._named(role) == roles.title(BASELINE) else self._named(role)
        if what == "accuracy":
            return {"key": key, "panel": "accuracy", "name": name + self._scopes.get(role, ""), "role": role}
        whose = f"{name.split(' (')[0]}’s "
        if what == "loss":
            said = whose + ("CE" if role == BASELINE else "loss")
            if role == self._main:
                said = "Weighted sum" if self.is_alone else f"{whose}weighted sum"
            return {"key": key, "panel": "loss", "name": said, "role": role}
        part = what.removesuffix(WEIGHTED)
        said = part if self.is_alone else whose + part
        if part in SYMBOLS.values():  # an option that this method learns, and no part of the sum
            return {"key": key, "panel": "learned", "name": said, "role": role}
        look = {"role": "labels" if part in _from_labels() else self._source, "style": "thin"}
        look["measure"] = "raw" if part == what else "weighted"
        if look["role"] != "labels":
            drawn = [one["name"] for one in self.series if "dash" in one]
            earlier = list(dict.fromkeys([*drawn, said]))
            look["dash"] = DASHES[earlier.index(said) % len(DASHES)]
        return {"key": key, "panel": "loss", "name": said, **look}


@functools.cache
def _from_labels() -> frozenset[str]:
    """Parts of a loss that come from the labels; every other one comes from the teacher."""
    classes = (cls for cls in plugins("methods").values() if issubclass(cls, Method))
    return frozenset(part for cls in classes for part in cls.teacher_free_parts)


_reels: OrderedDict[str, RunFrames] = OrderedDict()
_lock = threading.Lock()


def run_frames(run: str) -> RunFrames:
    """The up-to-date reel of a run."""
    with _lock:
        rewinds = manager.get_manager().store.rewinds(run)
        found = _reels.pop(run, None)
        if found is None or found.rewinds != rewinds:  # it goes on from a checkpoint: its end is said again
            found = RunFrames(run, rewinds)
        _reels[run] = found
        while len(_reels) > LATEST:
            _reels.popitem(last=False)
    return found.update()
