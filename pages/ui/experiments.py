"""Card of one published experiment, with reported and measured numbers, differences and links to Distill."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import streamlit as st

from kd_core.config import presets
from kd_core.config.comparison import TestMetrics
from kd_core.config.presets import Preset, PublishedNumber
from kd_core.runs import manager
from pages.ui.app import shell

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


@functools.cache
def _family(preset: str, variant: str) -> str:
    return presets.family(presets.config(presets.find(preset), variant))


def finished(preset: Preset, variant: str) -> list[TestMetrics]:
    """Return the test results of completed runs with exactly these settings, one per seed."""
    family = manager.get_manager().store.siblings(_family(preset.name, variant))
    return [run.test for run in family if run.test and run.state == manager.COMPLETED]


def card(preset: Preset, *, is_open: bool) -> None:
    """Draw the experiment as an expander, one line high while it is closed."""
    distill = shell.page("distill")
    with st.expander(f"**{preset.title}** · {preset.short}", expanded=is_open):
        st.markdown(preset.idea)
        numbers, notes = st.columns([5, 6], gap="large")
        with numbers:
            st.markdown(table(preset))
        with notes:
            if not preset.is_comparable:
                st.markdown("**Not comparable:** the data differ from those of the source.")
            st.markdown("**Differences from the source**\n" + "\n".join(f"- {note}" for note in preset.notes))
            st.markdown(f"**Needs** {presets.needs(preset)}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if preset.variants:
                st.markdown("**Open in Distill:**", width="content")
            for variant in preset.variants or (preset.variant(),):
                st.page_link(
                    distill,
                    label=variant.title or "Open in Distill",
                    icon=":material/arrow_forward:",
                    help=f"Open in Distill: {preset.title}" + (f", {variant.title}" if variant.title else ""),
                    query_params=presets.config(preset, variant.name),
                )


def table(preset: Preset) -> str:
    """Return published and measured numbers, one row per number, as Markdown."""
    names = [variant.name for variant in preset.variants] or [""]
    tests = {name: finished(preset, name) for name in names}
    # Teacher and baseline are the same in every variant, so the first one that was run stands for all.
    first = next((results for results in tests.values() if results), [])
    rows = [(number.what, number.value, _measured(number, first)) for number in preset.published]
    for variant in preset.variants:
        rows += [
            (_row_title(variant.title, number), number.value, _measured(number, tests[variant.name]))
            for number in variant.published
        ]
    return "\n".join(
        [
            "| | Published | Measured here |",
            "|:--|--:|--:|",
            *(f"| {what} | {value.replace(' ', NO_BREAK_SPACE)} | {measured} |" for what, value, measured in rows),
        ]
    )


def _row_title(variant: str, number: PublishedNumber) -> str:
    return variant if number.what == variant else f"{variant}: {number.what[:1].lower()}{number.what[1:]}"


def _measured(number: PublishedNumber, tests: Sequence[TestMetrics]) -> str:
    if not number.role:
        return "no such network here"
    value = number.found(tests)
    if not value:
        return presets.NOT_RUN
    return f"**{value}**, {len(tests)} {'seed' if len(tests) == 1 else 'seeds'}"
