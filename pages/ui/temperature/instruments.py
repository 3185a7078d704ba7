"""Browser components of the Temperature page, with the data of each and the options that each may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.analysis.examples import thumbnails
from kd_core.analysis.replay import TAUGHT, Replay, WeightSnapshot
from kd_core.base.metrics import BINS
from kd_core.base.options import option_label, options_of
from kd_core.tasks import CHARACTERS
from pages.ui.components import component, feed
from pages.ui.temperature.settings import IMAGE, TemperatureOptions, url
from pages.ui.widgets.text import glossary

TEMPERATURE = options_of(TemperatureOptions)["temperature"]
TERMS = (
    "logit",
    "temperature",
    "softmax",
    "soft target",
    "entropy",
    "nats",
    "KL divergence",
)  # of the softened outputs
CELL = "cell"  # the only state of a component that may become empty again


@dataclass(frozen=True)
class Instruments:
    """The components of one run at one snapshot. They share their data in the browser."""

    replay: Replay
    snapshot: WeightSnapshot
    options: TemperatureOptions

    @property
    def data_key(self) -> str:
        """Name of the shared data in the browser, which starts empty under another name."""
        return f"{self.replay.run.id} {self.replay.rewinds} {self.replay.visible_split}"

    @property
    def classes(self) -> list[str]:
        """Names of the classes of the data set."""
        return list(self.replay.data.classes)

    def mount(self, name: str, handlers: dict[str, Callable[[Any], None]] | None = None, **payload: Any) -> None:
        """Show one component. ``handlers`` are called with the new value of a state, by the state's name."""
        key = f"{name} of {self.replay.run.id}"
        callbacks = {f"on_{state}_change": _callback(key, state, act) for state, act in (handlers or {}).items()}
        mounted = component(name)
        mounted(key=key, data={"store": self.data_key, **payload}, **callbacks)

    def dock(self) -> None:
        """Show the temperature slider and send the logits of this snapshot, unless the browser has them already."""
        sent: list[int] = st.session_state.setdefault("snapshots sent", {}).setdefault(self.data_key, [])
        if self.snapshot.number not in sent:
            sent.append(self.snapshot.number)
        key = f"dock of {self.replay.run.id}"
        feed.mount(
            "dock", self.data_key, _Frames(self.replay, sent), key=key, store=self.data_key,
            **self.replay.browser_examples,
            split=self.replay.visible_split, snapshot=self.snapshot.number,
            temperature=self.options.temperature, temperatures=[TEMPERATURE.low, TEMPERATURE.high],
            on_temperature_change=_callback(key, "temperature", lambda value: url.update(temperature=float(value))),
        )  # fmt: skip

    def gallery(self) -> None:
        """Show the chosen example, and the others to choose from."""
        image = self.options.image if self.options.image >= 0 else self.replay.most_informative(self.snapshot)
        self.mount(
            "gallery", image=image, large=self.large_picture(image), show=self.options.show,
            **{"class": self.options.of_class},
            handlers={
                "image": lambda value: url.update(image=int(value)),
                "show": lambda value: url.update(show=value),
                "class": lambda value: url.update(of_class=value),
            },
        )  # fmt: skip

    def large_picture(self, image: int) -> dict[str, Any] | None:
        """Return a picture of an example with all its pixels, where the sprite sheet has fewer, or of a text."""
        data = self.replay.data
        is_text = data.task.inputs == CHARACTERS  # which is sharp at any size, but not as part of a sheet
        if not is_text and (not data.has_images or max(data.shape[1:]) <= thumbnails.THUMB):
            return None
        inputs = self.replay.splits[self.replay.visible_split].inputs
        return {"index": image, "src": thumbnails.of_input(data, inputs[image : image + 1])}

    def softened(self, custom: dict[str, Any] | None) -> None:
        """Show the softened outputs for the chosen example, or for a ``custom`` input, drawn or typed as logits."""
        classes = custom["classes"] if custom else self.classes
        pair = [self.options.first, self.options.second]
        self.mount(
            "softened", custom=custom, log=self.options.log, network=self.options.network,
            terms={name: glossary.definition(name) for name in TERMS},
            pair=[classes.index(name) for name in pair] if set(pair) <= set(classes) else None,
            handlers={
                "log": lambda value: url.update(log=bool(value)),
                "network": lambda value: url.update(network=value),
                "pair": lambda value: url.update(first=classes[value[0]], second=classes[value[1]]),
            },
        )  # fmt: skip

    def gradients(self) -> None:
        """Show the gradients of the loss by temperature, with and without the factor T²."""
        handlers = {"alpha": lambda value: url.update(alpha=float(value))}
        self.mount("gradients", handlers, alpha=self.options.alpha, split=TAUGHT)

    def class_similarity(self) -> None:
        """Show the mean softened probabilities by true class."""
        classes, cell = self.classes, [self.options.true_class, self.options.answered]
        self.mount(
            "dark_knowledge", diagonal=self.options.diagonal, log=self.options.map_log,
            difference=self.options.difference,
            cell=[classes.index(name) for name in cell] if set(cell) <= set(classes) else None,
            handlers={
                "diagonal": lambda value: url.update(diagonal=bool(value)),
                CELL: lambda value: url.update(**_cell_options(value, classes)),
                "log": lambda value: url.update(map_log=bool(value)),
                "difference": lambda value: url.update(difference=value),
                "image": lambda value: url.update(image=int(value), source=IMAGE),
            },
        )  # fmt: skip

    def calibration(self) -> None:
        """Show confidence against accuracy, and the temperature that fits best."""
        temperatures = self.replay.best_temperatures(self.snapshot, TEMPERATURE.low, TEMPERATURE.high)
        best = {role: {"temperature": temperature} for role, temperature in temperatures.items()}
        self.mount("calibration", bins=BINS, best=best)

    def sources(self) -> None:
        """Show soft targets without a teacher beside the teacher's."""
        names = ("smoothing", "correct_probability")
        options = [
            {"name": name, "label": option_label(name, option), "low": option.low, "high": option.high,
             "step": option.step, "value": getattr(self.options, name)}
            for name, option in options_of(TemperatureOptions).items() if name in names
        ]  # fmt: skip
        handlers = {name: _number_handler(name) for name in names}
        handlers["log"] = lambda value: url.update(targets_log=bool(value))
        self.mount("target_sources", handlers, options=options, log=self.options.targets_log)


class _Frames(Sequence[dict[str, Any]]):
    """Payloads of the snapshots with these numbers, each computed when it is read. Most have been sent before."""

    def __init__(self, replay: Replay, numbers: list[int]) -> None:
        self._replay, self._numbers = replay, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        snapshot = self._replay.snapshot(self._numbers[index])
        return self._replay.browser_payload(snapshot, is_first=index == 0)


def _number_handler(name: str) -> Callable[[Any], None]:
    return lambda value: url.update(**{name: float(value)})


def _cell_options(cell: list[int] | None, classes: list[str]) -> dict[str, str]:
    true, answered = (classes[cell[0]], classes[cell[1]]) if cell else ("none", "none")
    return {"true_class": true, "answered": answered}


def _callback(key: str, state: str, handler: Callable[[Any], None]) -> Callable[[], None]:
    def callback() -> None:
        value = getattr(st.session_state.get(key), state, None)
        if value is not None or state == CELL:
            handler(value)

    return callback
