"""Button that starts a sweep over every method that applies to a configuration."""

from __future__ import annotations

import functools

import streamlit as st

from kd_core.base import devices
from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from pages.ui.app.actions import action_button, actions


def compare_methods(config: RunConfig) -> None:
    """Draw the button; nothing if there are fewer than two methods to compare. The Sweep page opens with the sweep."""
    sweep = method_sweep(config)
    if sweep is None:
        return
    count = len(sweep.cells)
    is_pressed = action_button(
        "Which method is best here?", icon=":material/leaderboard:", key="compare methods",
        disabled=bool(devices.device_error(config.compute.device)),
        help=f"Trains the {count} methods that apply with {len(sweep.seeds)} seeds each: {sweep.count} runs on one "
        "teacher. Each method has its default options. The best by validation is then confirmed on the test set.",
    )  # fmt: skip
    if is_pressed:
        sweep_id = actions().start_sweep(sweep)
        st.switch_page("pages/sweep.py", query_params={**config.differences(), "sweep": sweep_id})


@functools.lru_cache(maxsize=64)  # a page asks for it each time it is drawn
def method_sweep(config: RunConfig) -> Sweep | None:
    """Return the sweep over all methods, with five seeds from the configuration's on; None for fewer than two."""
    try:
        sweep = Sweep.over_methods(config, range(config.seed, config.seed + DEFAULT_SEEDS))
    except ValueError:
        return None
    return sweep if len(sweep.cells) > 1 else None
