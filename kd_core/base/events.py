"""Event dataclasses yielded by the training loop, and their JSON form.

Events carry no clock time, no path and no device, so that the same configuration gives the same events, number for
number. The store adds the time. Accuracies, agreements and calibration errors are fractions in [0, 1]; losses and
entropies are in nats. An accuracy is the score of the task, whatever its title, see :meth:`kd_core.tasks.Task.score`.
A *role* is the name of a network in the run: "teacher", "student", "baseline".

A run is a sequence of phases ("teacher", then "students"). Steps and epochs count from 1 inside their phase;
epoch 0 is the state before the first step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Event:
    """Base class of all events."""

    @property
    def kind(self) -> str:
        """The class name in lower case, as stored and printed."""
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Network:
    """Size, cost and training data of one network of a run."""

    role: str
    model: str  # the model's title with its options, for example "MLP 64"
    parameters: int
    flops: int  # forward pass of one example
    size: int  # bytes of the float32 weights
    saw: str  # its training data as one clause: "50 labelled images, 20 % label noise"
    kind: str = ""  # "teacher", "student" or "baseline"; the role where it is empty


@dataclass(frozen=True)
class PhaseInfo:
    """One phase of training, in which these roles are trained side by side on the same batches."""

    name: str
    roles: list[str]
    epochs: int
    steps_per_epoch: int


@dataclass(frozen=True)
class Prepared(Event):
    """Data and networks before the first step of training."""

    classes: list[str]
    splits: dict[str, int]  # examples per split of the data set
    networks: list[Network]
    phases: list[PhaseInfo]


@dataclass(frozen=True)
class Step(Event):
    """One optimiser update of every role of the phase."""

    phase: str
    step: int
    epoch: int
    parts: dict[str, dict[str, list[float]]]  # by role and name of the part: [raw, weighted], in nats
    loss: dict[str, float]  # sum of the weighted parts, which the optimiser minimises
    learning_rate: float


@dataclass(frozen=True)
class Validated(Event):
    """Evaluation of every role of the phase on the validation set, after an epoch and once before the first step.

    The last one of a phase has which examples were ``correct``, since a paired comparison of two networks needs it.
    """

    phase: str
    step: int
    epoch: int
    accuracy: dict[str, float]
    loss: dict[str, float]  # cross-entropy with the true labels
    agreement: dict[str, float]  # with the teacher; empty in a phase without one
    # By role, as packed by metrics.pack_mask(); not of a network that knows only some of the classes.
    correct: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pinned(Event):
    """Validation examples whose logits are recorded, as positions in the split with their true classes."""

    indices: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Probed(Event):
    """Logits of the pinned examples."""

    phase: str
    step: int
    epoch: int
    logits: dict[str, list[list[float]]]  # by role: (pinned examples, classes)


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
class Written(Event):
    """Texts that the networks of a language model write after the same beginning, at several temperatures.

    ``surprise`` has -log2 p of each of their characters by the teacher, in bits; it is empty without a teacher.
    """

    phase: str
    step: int
    epoch: int
    beginning: str
    temperatures: list[float]
    texts: dict[str, list[str]]  # by role, one per temperature
    surprise: dict[str, list[list[float]]]


@dataclass(frozen=True)
class Predicted(Event):
    """Masks or boxes that networks predict for one validation image.

    ``masks[role]`` is base64 of the classes of ``size`` pixels (height, width), one unsigned byte each, 255 for none.
    ``boxes[role]`` are a class, a score and the corners x0 y0 x1 y1 as fractions of the image's sides. The truth has
    the role "labels"; like a teacher, it is there at step 0 alone.
    """

    phase: str
    step: int
    epoch: int
    image: int  # position in the split
    size: list[int]
    masks: dict[str, str]
    boxes: dict[str, list[list[float]]]


@dataclass(frozen=True)
class Generated(Event):
    """Some of the images that networks are trained on in the place of stored ones, as they are at this step.

    ``images[role]`` is base64 of (n, channels, height, width) unsigned bytes, 0 black and 255 white, of the ``shape``
    without n; ``classes[role]`` are the classes that they are made for.
    """

    phase: str
    step: int
    epoch: int
    shape: list[int]
    images: dict[str, str]
    classes: dict[str, list[int]]


@dataclass(frozen=True)
class Adjusted(Event):
    """Change of an option by hand before step ``step + 1`` of the phase."""

    phase: str
    step: int
    option: str
    old: float
    new: float


@dataclass(frozen=True)
class Switched(Event):
    """Switch to another implementation of the training step from step ``step + 1`` of the phase on."""

    phase: str
    step: int
    path: str  # "compiled" or "eager"


@dataclass(frozen=True)
class Skipped(Event):
    """Step at which a float16 gradient overflowed, so that no network of the phase was updated."""

    phase: str
    step: int
    scale: float  # of the loss, at which it overflowed; the next step is taken at a smaller one


@dataclass(frozen=True)
class Restored(Event):
    """Return to the best weights of some roles at the end of a phase; their evaluation follows."""

    phase: str
    step: int
    epochs: dict[str, int]  # by role: the epoch of its best weights


@dataclass(frozen=True)
class Failed(Event):
    """Failure of a step by a loss that is not finite or by too little memory; the weights before it are kept."""

    phase: str
    step: int
    role: str
    part: str
    message: str
    batch_size: int = 0  # one that fits into the memory of the device, where that was too small; else 0


@dataclass(frozen=True)
class Finished(Event):
    """End of a run, also of a stopped or failed one, with the only evaluation on the test set."""

    outcome: str  # "completed", "stopped", "failed", or "pruned" in a search
    phase: str
    step: int
    test_accuracy: dict[str, float]
    test: dict[str, dict[str, Any]]  # by role: metrics.compute_metrics()


EVENT_CLASSES: dict[str, type[Event]] = {
    cls.__name__.lower(): cls
    for cls in (
        Prepared,
        Step,
        Validated,
        Pinned,
        Probed,
        Surface,
        Written,
        Predicted,
        Generated,
        Adjusted,
        Switched,
        Skipped,
        Restored,
        Failed,
        Finished,
    )
}

FIELD_NAMES = {kind: frozenset(each.name for each in fields(cls)) for kind, cls in EVENT_CLASSES.items()}

_JSON = json.JSONEncoder(default=vars, allow_nan=False, separators=(",", ":"))


def to_json(event: Event) -> str:
    """Return an event as one line of strict JSON, the kind first. Raises ValueError for a number that is not finite."""
    body = {"event": event.kind, **vars(event)}
    if not body.get("correct", True):  # of most evaluations
        del body["correct"]
    return _JSON.encode(body)


def from_json(text: str) -> Event:
    """Return the event that :func:`to_json` wrote. Raises ValueError for an unknown kind."""
    body: dict[str, Any] = json.loads(text)
    kind = body.pop("event", None)
    if kind not in EVENT_CLASSES:
        raise ValueError(f"event = {kind!r}: choose one of {', '.join(EVENT_CLASSES)}")
    if kind == "prepared":
        body["networks"] = [Network(**network) for network in body["networks"]]
        body["phases"] = [PhaseInfo(**phase) for phase in body["phases"]]
    # A newer version may have added fields; those that this version has keep their meaning.
    return EVENT_CLASSES[kind](**{name: value for name, value in body.items() if name in FIELD_NAMES[kind]})
