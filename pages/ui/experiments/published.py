"""Tables of published benchmarks, one per paper, and the card of one with its numbers and links to Distill."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import streamlit as st

from kd_core.base import marks
from kd_core.base.registry import find_plugin
from kd_core.config import presets
from kd_core.config.comparison import TestMetrics
from kd_core.config.presets import Preset, Publication, PublishedNumber
from kd_core.runs import manager
from pages.ui.app import shell
from pages.ui.experiments.settings import ExperimentsOptions, bind, url
from pages.ui.widgets import keys, tables
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.search import matches


@functools.cache
def _family(preset: str, variant: str) -> str:
    return presets.family(presets.config(presets.find(preset), variant))


def finished(preset: Preset, variant: str) -> list[TestMetrics]:
    """Return the test results of completed runs with exactly these settings, one per seed."""
    family = manager.get_manager().store.siblings(_family(preset.name, variant))
    return [run.test for run in family if run.test and run.state == manager.COMPLETED]


def show(options: ExperimentsOptions) -> None:
    """Draw the search, one table for each paper, and the chosen experiment below its table."""
    st.markdown(
        "The reported numbers of papers, their settings to repeat or to change, and how they differ here. Each needs a "
        "download, and most take long: 240 epochs of CIFAR-100 take hours to days on a CPU. Without a GPU, begin with "
        "MNIST."
    )
    words = st.text_input(
        "Search published benchmarks", options.paper, **bind("paper", options.paper), icon=":material/search:",
        placeholder="CRD, ResNet, MNIST, ...",
    )  # fmt: skip
    count = 0
    for source, every in presets.sources():
        members = [preset for preset in every if matches(words, *_texts(preset))]
        count += len(members)
        if members:
            _paper(source, members, options.preset)
    if not count:
        st.info("No published benchmark has all of these words.")


def unknown_preset(name: str) -> None:
    """Draw an error for a link to an experiment that there is not."""
    if name and name not in {preset.name for preset in presets.all_presets()}:
        st.error(f"There is no experiment called “{escape_markdown(name)}”. All experiments are listed below.")


def _paper(source: Publication, members: Sequence[Preset], chosen: str) -> None:
    """Draw the table of one paper, and the choice of an experiment."""
    st.subheader(source.title, anchor=False)
    st.caption(f"{source.authors} {source.year}, {source.where}")
    st.markdown(source.about)
    rows = [
        {"experiment": preset.title, "published": preset.short, "variants": len(preset.variants) or 1,
         "data": find_plugin("datasets", preset.settings["dataset"]).title}
        for preset in members
    ]  # fmt: skip
    tables.table(rows, alt=f"Published experiments of {source.authors} {source.year}.")
    names = [preset.name for preset in members]
    titles = {preset.name: preset.title for preset in members}
    # One choice for each paper, of which the URL has the last.
    selected = st.selectbox(
        f"Open an experiment of {source.authors} {source.year}", names,
        index=names.index(chosen) if chosen in names else None, format_func=titles.__getitem__,
        placeholder="Numbers, differences, and the link to Distill", on_change=_choose, args=(source.title,),
        key=keys.key(f"experiments {source.title}", chosen if chosen in names else None),
    )  # fmt: skip
    if selected:
        card(presets.find(selected))


def _choose(source: str) -> None:
    url.update(preset=keys.current_value(f"experiments {source}") or "")


def card(preset: Preset) -> None:
    """Draw an experiment with its numbers, its differences from the source and its links to Distill."""
    distill = shell.page("distill")
    with st.container(border=True):
        st.markdown(f"**{preset.title}.** {preset.idea}")
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


def _texts(preset: Preset) -> tuple[str, ...]:
    source = preset.source
    titles = (text for variant in preset.variants for text in (variant.name, variant.title))
    data = preset.settings["dataset"]
    return (preset.name, preset.title, preset.idea, source.title, source.authors, str(source.year), data, *titles)


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
            *(f"| {what} | {value.replace(' ', marks.SPACE)} | {measured} |" for what, value, measured in rows),
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
