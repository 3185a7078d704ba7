"""What the engine says while it works: frozen dataclasses of plain numbers, in the order they happened.

Events carry no clock time, no path and no device, so that the same configuration gives the same events, number for
number. Whoever stores them adds the time. Accuracies, agreements and calibration errors are shares in [0, 1]; losses
and entropies are in nats. A *role* is the name of a network in the run: "teacher", "student", "baseline".

A run is a sequence of phases ("teacher", then "students"). Steps and epochs count from 1 inside their phase;
epoch 0 is the state before the first step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Event:
    """Base of all events. ``kind`` is the class's name in lower case, as stored and printed."""

    @property
    def kind(self) -> str:
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Network:
    """One network of a run: its size and the data that it will see."""

    role: str
    model: str  # the model's title with its options, for example "MLP 64"
    parameters: int
    flops: int  # forward pass of one example
    size: int  # bytes of the float32 weights
    saw: str  # one clause: "50 labelled images, 20 % of the labels wrong"
    kind: str = ""  # "teacher", "student" or "baseline"; by its role where it is empty


@dataclass(frozen=True)
class PhaseInfo:
    """One stretch of training: these roles learn at the same time, batch by batch."""

    name: str
    roles: list[str]
    epochs: int
    steps_per_epoch: int


@dataclass(frozen=True)
class Prepared(Event):
    """The data and the networks are ready; nothing has been learned yet."""

    classes: list[str]
    splits: dict[str, int]  # examples per split, as the data set gives them
    networks: list[Network]
    phases: list[PhaseInfo]


@dataclass(frozen=True)
class Step(Event):
    """One optimiser update of every learning role. ``parts[role][name]`` is [raw, weighted] in nats."""

    phase: str
    step: int
    epoch: int
    parts: dict[str, dict[str, list[float]]]
    loss: dict[str, float]  # the sum of the weighted parts: what was minimised
    learning_rate: float


@dataclass(frozen=True)
class Validated(Event):
    """Every learning role on the validation split, after an epoch (and once before the first step)."""

    phase: str
    step: int
    epoch: int
    accuracy: dict[str, float]
    loss: dict[str, float]  # cross-entropy with the true labels
    agreement: dict[str, float]  # with the teacher; absent in a phase without one


@dataclass(frozen=True)
class Pinned(Event):
    """The validation examples whose logits are followed: positions in the split and their true classes."""

    indices: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Probed(Event):
    """Logits of the pinned examples, ``logits[role]`` of shape (pinned, classes)."""

    phase: str
    step: int
    epoch: int
    logits: dict[str, list[list[float]]]


@dataclass(frozen=True)
class Surface(Event):
    """Class probabilities on a square grid over 2-D data (T = 1).

    ``probabilities[role]`` is base64 of ``size * size * classes`` unsigned bytes (255 = probability 1), row by row from
    the lowest y; ``extent`` is [x low, x high, y low, y high].
    """

    phase: str
    step: int
    epoch: int
    size: int
    extent: list[float]
    probabilities: dict[str, str]


@dataclass(frozen=True)
class Adjusted(Event):
    """A live control was changed by hand before step ``step + 1`` of the phase."""

    phase: str
    step: int
    option: str
    old: float
    new: float


@dataclass(frozen=True)
class Switched(Event):
    """From step ``step + 1`` of the phase on steps are computed another way: "compiled", or "eager" again."""

    phase: str
    step: int
    path: str


@dataclass(frozen=True)
class Restored(Event):
    """At the end of a phase these roles went back to the weights of their best ``epochs``; a look at them follows."""

    phase: str
    step: int
    epochs: dict[str, int]


@dataclass(frozen=True)
class Failed(Event):
    """A loss stopped being finite, or the device had too little memory. The weights before this step are kept."""

    phase: str
    step: int
    role: str
    part: str
    message: str
    batch_size: int = 0  # that would have fitted, where the device was too small; else 0


@dataclass(frozen=True)
class Finished(Event):
    """The end of every run, stopped and failed ones included. The test split was touched here, once."""

    outcome: str  # "completed", "stopped" or "failed"
    phase: str
    step: int
    test_accuracy: dict[str, float]
    test: dict[str, dict[str, float]]  # role: accuracy, loss, calibration_error, entropy, agreement, examples


EVENT_CLASSES: dict[str, type[Event]] = {
    kind.__name__.lower(): kind
    for kind in (Prepared, Step, Validated, Pinned, Probed, Surface, Adjusted, Switched, Restored, Failed, Finished)
}

FIELD_NAMES = {name: frozenset(field.name for field in fields(kind)) for name, kind in EVENT_CLASSES.items()}


_JSON = json.JSONEncoder(default=vars, allow_nan=False, separators=(",", ":"))


def to_json(event: Event) -> str:
    """One line of strict JSON, the kind first. Raises ValueError for a number that is not finite."""
    return _JSON.encode({"event": event.kind, **vars(event)})


def from_json(text: str) -> Event:
    """The event that :func:`to_json` wrote. Raises ValueError for an unknown kind."""
    body: dict[str, Any] = json.loads(text)
    kind = body.pop("event", None)
    if kind not in EVENT_CLASSES:
        raise ValueError(f"event = {kind!r}: choose one of {', '.join(EVENT_CLASSES)}")
    if kind == "prepared":
        body["networks"] = [Network(**network) for network in body["networks"]]
        body["phases"] = [PhaseInfo(**phase) for phase in body["phases"]]
    known = FIELD_NAMES[kind]
    # A newer version may have said more than this one knows; the rest is still true.
    return EVENT_CLASSES[kind](**{name: value for name, value in body.items() if name in known})
