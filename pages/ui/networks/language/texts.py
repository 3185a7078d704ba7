"""Texts that the networks of a run write, the distributions at one place of them, and a beginning typed by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.analysis.replay import Replay, WeightSnapshot, open_replay
from kd_core.analysis.writing.continuation import continue_text, next_character_logits
from kd_core.base.options import option_label
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.runs import manager
from kd_core.store.store import Run
from kd_core.tasks._text import VISIBLE
from pages.ui.app.cache import cached
from pages.ui.components import component, feed, on_change
from pages.ui.networks.language.settings import LanguageOptions, declared, url, write_place
from pages.ui.run import live_view
from pages.ui.run.frames import RunFrames
from pages.ui.widgets import keys, tables
from pages.ui.widgets.text import roles
from pages.ui.widgets.text.escape import escape_markdown

ORDER = (TEACHER, STUDENT, BASELINE)
NOT_STORED = (
    "The weights of this evaluation are not stored, since a teacher is stored at its end alone. Move the slider of the "
    "evaluations further."
)


@dataclass(frozen=True)
class Writers:
    """Networks of one run that write, with their names and looks."""

    row: Run
    frames: RunFrames
    options: LanguageOptions

    @property
    def networks(self) -> dict[str, str]:
        """The role of the run by the part that it is drawn as, teacher first."""
        available = sorted({role for frame in self.frames.texts for role in frame["texts"]})
        taught = roles.taught_learners(self.row.config)
        if not taught:
            return {part: part for part in ORDER if part in available}
        parts = roles.role_map(self.row.config, taught[0].role, [*available, *self._later])
        return {part: parts[part] for part in ORDER if part in parts}

    @property
    def _later(self) -> list[str]:
        return [learner.role for learner in roles.learners(self.row.config)]

    @property
    def names(self) -> dict[str, str]:
        """Heading by part."""
        titles = roles.titles(self.row.config)
        return {part: titles[role] for part, role in self.networks.items()}

    @property
    def payload(self) -> dict[str, Any]:
        """Fields that all components of the page have."""
        option = declared("temperature")
        return {
            "roles": list(self.networks), "networks": self.networks, "names": self.names,
            "styles": roles.styles(self.row.config), "view": f"language {self.row.id}",
            "temperature": self.options.temperature, "temperatures": [option.low, option.high],
        }  # fmt: skip

    @property
    def frame(self) -> dict[str, Any] | None:
        """The texts of the chosen evaluation, or None before the first."""
        chosen = self.options.evaluation
        before = [frame for frame in self.frames.texts if chosen < 0 or frame["evaluation"] <= chosen]
        return next(reversed(before or self.frames.texts[:1]), None)

    def replay(self) -> tuple[Replay, WeightSnapshot | None]:
        """Return the stored networks and their snapshot at the chosen evaluation, if one is stored."""
        replay = open_replay(manager.get_manager().store, self.row)
        frame = self.frame
        return replay, replay.snapshot_before(frame["number"]) if frame else None


def texts(writers: Writers, *, is_active: bool) -> None:
    """Draw what the networks write, and the slider of the evaluations."""
    run = writers.row.id
    live_view.hidden_heading("Texts")
    names = roles.titles(writers.row.config)
    waiting = "It begins to learn when the teacher is trained."
    _mount(
        "written_texts", writers.frames.name, writers.frames.texts, f"texts of {run}",
        {"temperature": lambda value: url.update(temperature=float(value)), "place": write_place},
        **writers.payload, after=writers.options.after,
        empty=dict.fromkeys(writers.networks, waiting) | {TEACHER: f"{names.get(TEACHER, 'It')} has not begun."},
    )  # fmt: skip
    if writers.frames.evaluations:
        _mount(
            "epoch_slider", writers.frames.name, writers.frames.evaluations, f"evaluations of {run}",
            {"evaluation": lambda value: url.update(evaluation=int(value))},
            live=is_active, autoplay=False, evaluation=writers.options.evaluation,
        )  # fmt: skip
    frame = writers.frame
    if frame is not None:
        tables.numbers(
            lambda: [
                {"T": temperature, "network": name, "text": frame["beginning"] + text}
                for part, name in writers.names.items()
                for temperature, text in zip(frame["temperatures"], _latest(writers, part), strict=False)
            ],
            "texts", alt="The texts of every network at every temperature.", title="All texts",
        )  # fmt: skip


def _latest(writers: Writers, part: str) -> list[str]:
    """Return the texts of a part at the chosen evaluation; a frame has those that changed alone."""
    role, chosen = writers.networks[part], writers.options.evaluation
    for frame in reversed(writers.frames.texts):
        if role in frame["texts"] and (chosen < 0 or frame["evaluation"] <= chosen):
            return list(frame["texts"][role])
    return []


def next_character(writers: Writers) -> None:
    """Draw the next-character distributions after the text that was chosen."""
    options = writers.options
    st.header("What could come next", anchor=False)
    after = options.after
    if not after:
        frame = writers.frame
        if frame is None:
            return
        after = frame["beginning"]
        st.markdown("Click a character above, or choose it with the arrow keys and Enter, to see what else was likely.")
    replay, snapshot = writers.replay()
    if snapshot is None:
        st.info(NOT_STORED)
        return
    classes = list(replay.data.classes)
    logits = cached(
        f"next {writers.row.id} {replay.rewinds} {snapshot.number} {after}",
        lambda: next_character_logits(replay, snapshot, after),
    )
    written = VISIBLE.get(options.next, options.next)
    sampling = [
        {"name": name, "label": option_label(name, declared(name)), "value": getattr(options, name),
         "low": declared(name).low, "high": len(classes) if name == "top_k" else declared(name).high,
         "step": declared(name).step or 1}
        for name in ("top_k", "top_p")
    ]  # fmt: skip
    _mount_once(
        "next_character", f"next character of {writers.row.id}",
        {
            "temperature": lambda value: url.update(temperature=float(value)),
            "top_k": lambda value: url.update(top_k=int(value)),
            "top_p": lambda value: url.update(top_p=float(value)),
        },
        **writers.payload, classes=classes, after=after, sampling=sampling,
        logits={part: logits[role] for part, role in writers.networks.items() if role in logits},
        next=classes.index(written) if written in classes and options.after else None,
    )  # fmt: skip
    st.caption(
        "Left the teacher, right the student, below it the baseline. T is applied first, then top-k, then top-p; what "
        "remains is renormalised."
    )


def beginning(writers: Writers) -> None:
    """Draw a box for a beginning, and how every network continues it."""
    st.header("Your beginning", anchor=False)
    value = writers.options.beginning
    st.text_input(
        "Beginning", value, max_chars=200, key=keys.key("beginning", value), placeholder="the file",
        help="Press Enter, and all networks continue your text at every temperature.",
        on_change=lambda: url.update(beginning=keys.current_value("beginning")),
    )  # fmt: skip
    if not value:
        return
    replay, snapshot = writers.replay()
    if snapshot is None:
        st.info(NOT_STORED)
        return
    key = f"{writers.row.id} {replay.rewinds} {snapshot.number} {value}"
    networks = writers.networks
    try:
        written = cached(
            f"continued {key}",
            lambda: continue_text(replay, snapshot, value, list(networks.values()), networks.get(TEACHER, "")),
        )
    except ValueError as error:
        st.error(escape_markdown(str(error)))
        return
    _mount(
        "written_texts", key, [{"evaluation": 0, **written}], f"continued of {writers.row.id}",
        {"temperature": lambda value: url.update(temperature=float(value)), "place": write_place},
        **writers.payload, after=writers.options.after,
        empty=dict.fromkeys(networks, "It is not trained yet at this evaluation."),
    )  # fmt: skip


def _mount(
    name: str,
    run: str,
    frames: list[dict[str, Any]],
    key: str,
    handlers: Mapping[str, Callable[[Any], None]],
    **payload: Any,
) -> None:
    feed.mount(name, run, frames, key=key, **payload, **on_change(key, handlers))


def _mount_once(name: str, key: str, handlers: Mapping[str, Callable[[Any], None]], **payload: Any) -> None:
    mounted: Any = component(name)
    mounted(key=key, data=payload, **on_change(key, handlers))
