"""The instruments of the Temperature page on one bench: what is sent to each, and what each of them may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from kd_core.analysis import thumbnails
from kd_core.analysis.replay import TAUGHT, Replay, WeightSnapshot
from kd_core.base.metrics import BINS
from kd_core.base.options import option_label, options_of
from pages.ui import feed
from pages.ui.browser import component
from pages.ui.temperature.settings import IMAGE, TemperatureOptions
from pages.ui.temperature.url_state import update_url

HANDLE = options_of(TemperatureOptions)["temperature"]


@dataclass(frozen=True)
class Instruments:
    """One run at one moment, seen through a lens."""

    replay: Replay
    moment: WeightSnapshot
    options: TemperatureOptions

    @property
    def cache_key(self) -> str:
        """Another name is another bench: the browser forgets what it was sent."""
        return f"{self.replay.run.id} {self.replay.rewinds} {self.replay.visible_split}"

    @property
    def classes(self) -> list[str]:
        return list(self.replay.data.classes)

    def mount(self, name: str, handlers: dict[str, Callable[[Any], None]] | None = None, **payload: Any) -> None:
        """Shows one instrument. ``handlers`` are the states it may tell, each with what is to be done about it."""
        key = f"{name} of {self.replay.run.id}"
        callbacks = {f"on_{state}_change": _heard(key, state, act) for state, act in (handlers or {}).items()}
        mounted: Any = component(name)
        mounted(key=key, data={"bench": self.cache_key, **payload}, **callbacks)

    # -- the instruments ---------------------------------------------------------------------------------------------

    def dock(self) -> None:
        """The temperature, and everything the other instruments draw from; moments are sent when first asked for."""
        sent: list[int] = st.session_state.setdefault("moments sent", {}).setdefault(self.cache_key, [])
        if self.moment.number not in sent:
            sent.append(self.moment.number)
        frames = _Frames(self.cache_key, self.replay, sent)
        key = f"dock of {self.replay.run.id}"
        feed.mount(
            "dock", self.cache_key, frames, key=key, bench=self.cache_key, **_heavy(self.cache_key, self.replay),
            shown=self.replay.visible_split, moment=self.moment.number,
            temperature=self.options.temperature, temperatures=[HANDLE.low, HANDLE.high],
            on_temperature_change=_heard(key, "temperature", lambda value: update_url(temperature=float(value))),
        )  # fmt: skip

    def gallery(self) -> None:
        """The examples to choose from."""
        image = (
            self.options.image if self.options.image >= 0 else _telling(self.cache_key, self.replay, self.moment.number)
        )
        self.mount(
            "gallery", image=image, show=self.options.show, **{"class": self.options.of_class},
            handlers={
                "image": lambda value: update_url(image=int(value)),
                "show": lambda value: update_url(show=value),
                "class": lambda value: update_url(of_class=value),
            },
        )  # fmt: skip

    def soft_labels(self, given: dict[str, Any] | None) -> None:
        """The answers to the chosen example, or to one that was ``given``: drawn, or typed as logits."""
        classes = given["classes"] if given else self.classes
        pair = [self.options.first, self.options.second]
        self.mount(
            "softened", given=given, log=self.options.log,
            pair=[classes.index(name) for name in pair] if set(pair) <= set(classes) else None,
            handlers={
                "log": lambda value: update_url(log=bool(value)),
                "pair": lambda value: update_url(first=classes[value[0]], second=classes[value[1]]),
            },
        )  # fmt: skip

    def gradients(self) -> None:
        """Why the loss carries a T²."""
        says = {"alpha": lambda value: update_url(alpha=float(value))}
        self.mount("gradients", says, alpha=self.options.alpha, split=TAUGHT)

    def class_similarity(self) -> None:
        """Who is taken for whom."""
        classes, cell = self.classes, [self.options.true_class, self.options.answered]
        self.mount(
            "knowledge", diagonal=self.options.diagonal, log=self.options.map_log, difference=self.options.difference,
            cell=[classes.index(name) for name in cell] if set(cell) <= set(classes) else None,
            handlers={
                "diagonal": lambda value: update_url(diagonal=bool(value)),
                "cell": lambda value: update_url(**_cell(value, classes)),
                "log": lambda value: update_url(map_log=bool(value)),
                "difference": lambda value: update_url(difference=value),
                "image": lambda value: update_url(image=int(value), source=IMAGE),
            },
        )  # fmt: skip

    def calibration(self) -> None:
        """How sure, how right, and the temperature that would make both the same."""
        found = _best(self.cache_key, self.replay, self.moment.number)
        best = {role: {"temperature": temperature} for role, temperature in found.items()}
        self.mount("calibration", bins=BINS, best=best)

    def sources(self) -> None:
        """Soft targets without a teacher, beside the teacher's."""
        names = ("smoothing", "correct_probability")
        options = [
            {"name": name, "label": option_label(name, option), "low": option.low, "high": option.high,
             "step": option.step, "value": getattr(self.options, name)}
            for name, option in options_of(TemperatureOptions).items() if name in names
        ]  # fmt: skip
        says = {name: _setting(name) for name in names} | {"log": lambda value: update_url(targets_log=bool(value))}
        self.mount("sources", says, options=options, log=self.options.targets_log)


class _Frames(Sequence[dict[str, Any]]):
    """The frames of these moments, each made when it is asked for: most have been sent before."""

    def __init__(self, bench: str, recall: Replay, numbers: list[int]) -> None:
        self.bench, self.recall, self.numbers = bench, recall, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: Any) -> Any:
        places = range(len(self))[place]
        if isinstance(places, int):
            return _frame(self.bench, self.recall, self.numbers[places], not places)
        return [self[one] for one in places]


def _setting(name: str) -> Callable[[Any], None]:
    return lambda value: update_url(**{name: float(value)})


def _cell(value: list[int] | None, classes: list[str]) -> dict[str, str]:
    true, answered = (classes[value[0]], classes[value[1]]) if value else ("none", "none")
    return {"true_class": true, "answered": answered}


def _heard(key: str, state: str, act: Callable[[Any], None]) -> Callable[[], None]:
    def callback() -> None:
        value = getattr(st.session_state.get(key), state, None)
        if value is not None or state == "cell":
            act(value)

    return callback


@st.cache_data(max_entries=64, show_spinner=False)
def _frame(bench: str, _recall: Replay, number: int, is_first: bool) -> dict[str, Any]:  # noqa: ARG001
    return _recall.browser_payload(_recall.snapshot(number), is_first)


@st.cache_data(max_entries=64, show_spinner=False)
def _best(bench: str, _recall: Replay, number: int) -> dict[str, float]:  # noqa: ARG001
    return _recall.best_temperatures(_recall.snapshot(number), HANDLE.low, HANDLE.high)


@st.cache_data(max_entries=64, show_spinner=False)
def _telling(bench: str, _recall: Replay, number: int) -> int:  # noqa: ARG001
    return _recall.most_informative(_recall.snapshot(number))


@st.cache_data(max_entries=8, show_spinner=False)
def _heavy(bench: str, _recall: Replay) -> dict[str, Any]:  # noqa: ARG001
    """What does not change with the moment: it travels once."""
    splits = {
        name: {"labels": split.labels.tolist(), "rows": _recall.rows(name) if name != TAUGHT else []}
        for name, split in _recall.splits.items()
    }
    inputs = _recall.splits[_recall.visible_split].inputs
    places: dict[str, Any]
    if _recall.data.is_planar:
        places = {"sheet": None, "points": [[round(x, 4), round(y, 4)] for x, y in inputs.tolist()]}
    else:
        places = {"sheet": asdict(thumbnails.sheet(_recall.data, inputs)), "points": None}
    return {"classes": list(_recall.data.classes), "splits": splits, **places}
