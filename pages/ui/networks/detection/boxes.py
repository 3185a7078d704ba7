"""Images with the boxes of the networks of a run, and what they find on the whole test set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kd_core.analysis.examples.boxes import scenes
from kd_core.analysis.replay import open_replay
from kd_core.base.marks import percent
from kd_core.methods import TEMPERATURE_RANGE
from kd_core.runs import manager
from kd_core.store.records import COMPLETED
from kd_core.store.store import Run
from kd_core.tasks._boxes import BIN
from pages.ui.app.cache import cached
from pages.ui.components import component, on_change
from pages.ui.networks.detection.settings import DetectionOptions, url
from pages.ui.run import live_view
from pages.ui.widgets import tables
from pages.ui.widgets.text import roles

IMAGES = 8  # in the gallery


def one_line(row: Run) -> None:
    """Draw in one sentence how much of the test set the networks of a finished run find."""
    if row.state != COMPLETED or row.test is None:
        return
    names, networks = roles.titles(row.config), roles.drawn_networks(row.config, list(row.test)).values()
    clauses = [f"{names[role]} {percent(row.test[role]['ap50'])}" for role in networks if "ap50" in row.test[role]]
    st.markdown(
        f"**AP50 on the test set: {', '.join(clauses)}.** It is near 100 % where every object has one box of its class "
        "that overlaps it by half, and those boxes have the highest scores."
    )  # fmt: skip


def show(row: Run, options: DetectionOptions) -> None:
    """Draw the images with the boxes of every network, or when they will appear."""
    replay = open_replay(manager.get_manager().store, row)
    replay.refresh()
    snapshot = replay.snapshots[-1] if replay.snapshots else None
    if snapshot is None:
        st.info("The boxes appear with the first epoch of the student, which begins when the teacher is trained.")
        return
    live_view.hidden_heading("Boxes")
    networks = replay.networks(snapshot)
    parts = roles.drawn_networks(row.config, list(networks))
    split = replay.splits[replay.visible_split]
    images = cached(
        f"boxes {row.id} {replay.rewinds} {snapshot.number} {replay.visible_split}",
        lambda: scenes({part: networks[role] for part, role in parts.items()}, split, replay.data, IMAGES),
    )
    names = {part: roles.titles(row.config)[role] for part, role in parts.items()}
    handlers: dict[str, Callable[[Any], None]] = {
        "temperature": lambda value: url.update(temperature=float(value)),
        "threshold": lambda value: url.update(threshold=float(value)),
        "place": lambda value: url.update(image=int(value["image"]), cell=int(value["cell"])),
    }
    key = f"boxes of {row.id}"
    mounted: Any = component("detected_boxes")
    mounted(
        key=key,
        data={
            "images": images, "classes": list(replay.data.classes[:-1]), "roles": list(parts), "networks": parts,
            "names": names, "styles": roles.styles(row.config), "pixels": replay.data.shape[-1], "bin": BIN,
            "temperature": options.temperature, "temperatures": list(TEMPERATURE_RANGE),
            "threshold": {"name": "threshold", "value": options.threshold, "low": 0.05, "high": 0.99, "step": 0.01},
            "image": options.image, "cell": options.cell,
        },
        **on_change(key, handlers),
    )  # fmt: skip
    tables.numbers(
        lambda: [
            {"image": image["number"], "network": names.get(part, "truth"), "class": replay.data.classes[box["class"]],
             "score": box["score"], **dict(zip(("left", "top", "right", "bottom"), box["box"], strict=True))}
            for image in images for part, boxes in {"truth": image["truth"], **image["found"]}.items() for box in boxes
        ],
        "boxes", title="All boxes",
        alt="Every box in these images; sides are fractions of the image from its left and top edge.",
    )  # fmt: skip
