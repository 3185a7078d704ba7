"""The instruments of the Temperature page on one bench: what is sent to each, and what each of them may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from kd_core import pictures
from kd_core.metrics import BINS
from kd_core.options import in_words, options_of
from kd_core.recall import TAUGHT, Moment, Recall
from pages.ui.address import look
from pages.ui.components import component, feed
from pages.ui.lens import IMAGE, Lens

HANDLE = options_of(Lens)["temperature"]


@dataclass(frozen=True)
class Bench:
    """One run at one moment, seen through a lens."""

    recall: Recall
    moment: Moment
    lens: Lens

    @property
    def name(self) -> str:
        """Another name is another bench: the browser forgets what it was sent."""
        return f"{self.recall.run.id} {self.recall.rewinds} {self.recall.shown}"

    @property
    def classes(self) -> list[str]:
        return list(self.recall.data.classes)

    def mount(self, name: str, says: dict[str, Callable[[Any], None]] | None = None, **payload: Any) -> None:
        """Shows one instrument. ``says`` are the states it may tell, each with what is to be done about it."""
        key = f"{name} of {self.recall.run.id}"
        callbacks = {f"on_{state}_change": _heard(key, state, act) for state, act in (says or {}).items()}
        mounted: Any = component(name)
        mounted(key=key, data={"bench": self.name, **payload}, **callbacks)

    # -- the instruments ---------------------------------------------------------------------------------------------

    def dock(self) -> None:
        """The temperature, and everything the other instruments draw from; moments are sent when first asked for."""
        sent: list[int] = st.session_state.setdefault("moments sent", {}).setdefault(self.name, [])
        if self.moment.number not in sent:
            sent.append(self.moment.number)
        frames = _Frames(self.name, self.recall, sent)
        key = f"dock of {self.recall.run.id}"
        feed.mount(
            "dock", self.name, frames, key=key, bench=self.name, **_heavy(self.name, self.recall),
            shown=self.recall.shown, moment=self.moment.number,
            temperature=self.lens.temperature, temperatures=[HANDLE.low, HANDLE.high],
            on_temperature_change=_heard(key, "temperature", lambda value: look(temperature=float(value))),
        )  # fmt: skip

    def gallery(self) -> None:
        """The examples to choose from."""
        image = self.lens.image if self.lens.image >= 0 else _telling(self.name, self.recall, self.moment.number)
        self.mount(
            "gallery", image=image, show=self.lens.show, **{"class": self.lens.of_class},
            says={
                "image": lambda value: look(image=int(value)),
                "show": lambda value: look(show=value),
                "class": lambda value: look(of_class=value),
            },
        )  # fmt: skip

    def softened(self, given: dict[str, Any] | None) -> None:
        """The answers to the chosen example, or to one that was ``given``: drawn, or typed as logits."""
        classes = given["classes"] if given else self.classes
        pair = [self.lens.first, self.lens.second]
        self.mount(
            "softened", given=given, log=self.lens.log,
            pair=[classes.index(name) for name in pair] if set(pair) <= set(classes) else None,
            says={
                "log": lambda value: look(log=bool(value)),
                "pair": lambda value: look(first=classes[value[0]], second=classes[value[1]]),
            },
        )  # fmt: skip

    def gradients(self) -> None:
        """Why the loss carries a T²."""
        says = {"alpha": lambda value: look(alpha=float(value))}
        self.mount("gradients", says, alpha=self.lens.alpha, split=TAUGHT)

    def knowledge(self) -> None:
        """Who is taken for whom."""
        classes, cell = self.classes, [self.lens.true_class, self.lens.answered]
        self.mount(
            "dark_knowledge", diagonal=self.lens.diagonal, log=self.lens.map_log, difference=self.lens.difference,
            cell=[classes.index(name) for name in cell] if set(cell) <= set(classes) else None,
            says={
                "diagonal": lambda value: look(diagonal=bool(value)),
                "cell": lambda value: look(**_cell(value, classes)),
                "log": lambda value: look(map_log=bool(value)),
                "difference": lambda value: look(difference=value),
                "image": lambda value: look(image=int(value), source=IMAGE),
            },
        )  # fmt: skip

    def calibration(self) -> None:
        """How sure, how right, and the temperature that would make both the same."""
        found = _best(self.name, self.recall, self.moment.number)
        best = {role: {"temperature": temperature} for role, temperature in found.items()}
        self.mount("calibration", bins=BINS, best=best)

    def sources(self) -> None:
        """Soft targets without a teacher, beside the teacher's."""
        names = ("smoothing", "correct_probability")
        options = [
            {"name": name, "label": in_words(name, option), "low": option.low, "high": option.high,
             "step": option.step, "value": getattr(self.lens, name)}
            for name, option in options_of(Lens).items() if name in names
        ]  # fmt: skip
        says = {name: _setting(name) for name in names} | {"log": lambda value: look(targets_log=bool(value))}
        self.mount("target_sources", says, options=options, log=self.lens.targets_log)


class _Frames(Sequence[dict[str, Any]]):
    """The frames of these moments, each made when it is asked for: most have been sent before."""

    def __init__(self, bench: str, recall: Recall, numbers: list[int]) -> None:
        self.bench, self.recall, self.numbers = bench, recall, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: Any) -> Any:
        places = range(len(self))[place]
        if isinstance(places, int):
            return _frame(self.bench, self.recall, self.numbers[places], not places)
        return [self[one] for one in places]


def _setting(name: str) -> Callable[[Any], None]:
    return lambda value: look(**{name: float(value)})


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
def _frame(bench: str, _recall: Recall, number: int, is_first: bool) -> dict[str, Any]:  # noqa: ARG001
    return _recall.frame(_recall.moment(number), is_first)


@st.cache_data(max_entries=64, show_spinner=False)
def _best(bench: str, _recall: Recall, number: int) -> dict[str, float]:  # noqa: ARG001
    return _recall.best(_recall.moment(number), HANDLE.low, HANDLE.high)


@st.cache_data(max_entries=64, show_spinner=False)
def _telling(bench: str, _recall: Recall, number: int) -> int:  # noqa: ARG001
    return _recall.telling(_recall.moment(number))


@st.cache_data(max_entries=8, show_spinner=False)
def _heavy(bench: str, _recall: Recall) -> dict[str, Any]:  # noqa: ARG001
    """What does not change with the moment: it travels once."""
    splits = {
        name: {"labels": split.labels.tolist(), "rows": _recall.rows(name) if name != TAUGHT else []}
        for name, split in _recall.splits.items()
    }
    inputs = _recall.splits[_recall.shown].inputs
    places: dict[str, Any]
    if _recall.data.is_planar:
        places = {"sheet": None, "points": [[round(x, 4), round(y, 4)] for x, y in inputs.tolist()]}
    else:
        places = {"sheet": asdict(pictures.sheet(_recall.data, inputs)), "points": None}
    return {"classes": list(_recall.data.classes), "splits": splits, **places}
