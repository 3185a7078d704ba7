"""Maps of the networks of a run for one image, with the places where they are wrong and where they are unsure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kd_core.analysis.examples import pixels
from kd_core.analysis.replay import TEST, open_replay
from kd_core.base.marks import percent
from kd_core.config.plan import BASELINE, STUDENT
from kd_core.runs import manager
from kd_core.store.store import Run
from pages.ui.app.cache import cached
from pages.ui.components import component, on_change
from pages.ui.networks.segmentation.settings import TEMPERATURES, url
from pages.ui.run import live_view
from pages.ui.run.run_picker import epoch_picker
from pages.ui.widgets import tables
from pages.ui.widgets.text import roles

WAITING = "No weights of this run are stored yet. The first maps appear when the teacher is trained."


def result(row: Run) -> None:
    """Draw in one sentence how the networks of a finished run score on the test set."""
    networks = roles.drawn_networks(row.config, list(row.test or {}))
    if row.test is None or not networks:
        return
    titles = roles.titles(row.config)
    numbers = ", ".join(f"{titles[role]} {percent(row.test[role]['accuracy'])}" for role in networks.values())
    st.markdown(f"**Mean IoU on the test set: {numbers}.**")


def maps(row: Run, *, is_active: bool) -> None:
    """Draw the picker of the images, the maps of all networks, and their numbers."""
    live_view.hidden_heading("Maps")
    store = manager.get_manager().store
    replay = open_replay(store, row)
    if not replay.snapshots:
        st.markdown(WAITING)
        return
    options = url.reset_unfit(*url.read(), {})
    snapshot = replay.snapshot_at(options.epoch)
    networks, titles = roles.drawn_networks(row.config, replay.roles(snapshot)), roles.titles(row.config)
    version = f"{row.id} {replay.rewinds} {replay.visible_split} {snapshot.number}"
    scores = cached(f"scores of {version}", lambda: pixels.scores(replay, snapshot, list(networks.values())))
    count = len(next(iter(scores.values())))
    image = options.image
    if not 0 <= image < count:
        image = pixels.most_telling(scores, networks.get(STUDENT, ""), networks.get(BASELINE, ""))
    payload: dict[str, Any] = cached(
        f"maps of {version} {image}",
        lambda: pixels.pixel_maps(replay, snapshot, image, list(networks.values())),
    )
    sheet = cached(f"images of {row.id} {replay.visible_split}", lambda: pixels.choices(replay))
    fields = {
        **payload, "logits": {part: payload["logits"][role] for part, role in networks.items()},
        "roles": list(networks), "networks": networks, "names": {part: titles[one] for part, one in networks.items()},
        "styles": roles.styles(row.config), "classes": list(replay.data.classes), "sheet": sheet, "image": image,
        "scores": {part: scores[role][image] for part, role in networks.items()},
        "temperature": options.temperature, "temperatures": list(TEMPERATURES),
    }  # fmt: skip
    key = f"maps of {row.id}"
    handlers: dict[str, Callable[[Any], None]] = {
        "temperature": lambda value: url.update(temperature=value), "image": lambda value: url.update(image=value),
    }  # fmt: skip
    mounted: Any = component("segmentation_maps")
    mounted(key=key, data=fields, **on_change(key, handlers))
    on = "test" if replay.visible_split == TEST else "validation"
    st.caption(
        f"Image {image + 1} of {count} of the {on} set. Beside each network: its mean IoU on this image alone, over "
        "the classes that its mask or the prediction has. Uncertainty is the entropy of softmax(logits / T) at every "
        "pixel: dark where a network is sure, bright where all classes are alike."
    )
    epoch_picker(replay, snapshot, url, is_active)
    tables.numbers(
        lambda: [
            {"image": number + 1} | {f"{titles[role]}, mean IoU in %": 100 * scores[role][number] for role in scores}
            for number in range(count)
        ],
        "images", alt="Mean IoU of every network on every image.", title="All images",
    )  # fmt: skip
