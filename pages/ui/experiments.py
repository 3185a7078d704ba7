"""One published experiment on the screen: its numbers beside those of the runs stored here, and the way to the lab."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import streamlit as st

from kd_core.config import presets
from kd_core.config.comparison import TestMetrics
from kd_core.config.presets import Claim, Preset
from kd_core.runs import manager
from pages.ui.app import shell

UNBROKEN = "\N{NO-BREAK SPACE}"


@functools.cache
def _family(preset: str, variant: str) -> str:
    """Under which the store keeps its runs."""
    return presets.family(presets.config(presets.find(preset), variant))


def finished(preset: Preset, variant: str) -> list[TestMetrics]:
    """The test results of completed runs with exactly these settings, one per seed."""
    family = manager.get_manager().store.siblings(_family(preset.name, variant))
    return [run.test for run in family if run.test and run.state == manager.COMPLETED]


def card(preset: Preset, *, is_open: bool) -> None:
    """Closed it is one line, so that the page is a list."""
    lab = shell.page("distill")
    with st.expander(f"**{preset.title}** · {preset.short}", expanded=is_open):
        st.markdown(preset.idea)
        numbers, words = st.columns([5, 6], gap="large")
        with numbers:
            st.markdown(table(preset))
        with words:
            if not preset.is_comparable:
                st.markdown("**Not comparable:** the data here are others than in the source.")
            st.markdown("**What differs from the source**\n" + "\n".join(f"- {note}" for note in preset.notes))
            st.markdown(f"**Needs** {presets.needs(preset)}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if preset.variants:
                st.markdown("**Open in Distill:**", width="content")
            for variant in preset.variants or (preset.variant(),):
                st.page_link(
                    lab,
                    label=variant.title or "Open in Distill",
                    icon=":material/arrow_forward:",
                    help=f"Open in Distill: {preset.title}" + (f", {variant.title}" if variant.title else ""),
                    query_params=presets.config(preset, variant.name),
                )


def table(preset: Preset) -> str:
    """Published and measured numbers, row by row, as Markdown."""
    names = [variant.name for variant in preset.variants] or [""]
    tests = {name: finished(preset, name) for name in names}
    rows = [(claim.what, claim.value, _here(claim, _first(tests))) for claim in preset.claims]
    for variant in preset.variants:
        rows += [
            (_called(variant.title, claim), claim.value, _here(claim, tests[variant.name])) for claim in variant.claims
        ]
    return "\n".join(
        [
            "| | Published | Measured here |",
            "|:--|--:|--:|",
            *(f"| {what} | {value.replace(' ', UNBROKEN)} | {found} |" for what, value, found in rows),
        ]
    )


def _called(title: str, claim: Claim) -> str:
    return title if claim.what == title else f"{title}: {claim.what[:1].lower()}{claim.what[1:]}"


def _first(tests: dict[str, list[TestMetrics]]) -> list[TestMetrics]:
    """Teacher and baseline are the same in every variant that does not change what they see: the first that was run."""
    return next((found for found in tests.values() if found), [])


def _here(claim: Claim, tests: Sequence[TestMetrics]) -> str:
    if not claim.role:
        return "no network of ours"
    found = claim.found(tests)
    if not found:
        return presets.NOT_RUN
    return f"**{found}**, {len(tests)} {'seed' if len(tests) == 1 else 'seeds'}"
