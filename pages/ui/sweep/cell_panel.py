"""The chosen cell: what it reached on validation, its runs, and, once, what the test split says of it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kd_core.analysis.sweep_results import Cell, SweepResults, spread
from kd_core.analysis.verdict import verdict
from kd_core.runs import manager
from kd_core.schemes import comparison_of
from kd_core.store.store import Run
from pages.ui.run.verdict import ICONS, UNEQUAL
from pages.ui.sweep import url_state
from pages.ui.sweep.heatmap import GAIN, axis_title, cell_title, written
from pages.ui.sweep.url_state import SweepOptions
from pages.ui.text import roles
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys

LISTED = 8  # runs with links of their own; Compare takes as many


def cell_picker(atlas: SweepResults, chosen: Cell) -> None:
    """The choice of a cell without a mouse, and the way back to the best one."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for at, axis in enumerate(atlas.sweep.axes):
            value = chosen.values[at]
            st.selectbox(
                axis_title(atlas, at), axis.values, axis.values.index(value), key=keys.key(f"cell axis {at}", value),
                on_change=_picked, args=(len(atlas.sweep.axes),),
            )  # fmt: skip
        if atlas.best is not None and chosen is not atlas.best:
            st.button(
                "Back to the best",
                icon=":material/star:",
                key="to the best",
                on_click=lambda: url_state.update_url(cell=""),
            )


def panel(atlas: SweepResults, chosen: Cell, view: SweepOptions, *, is_active: bool) -> None:
    """Its numbers, its runs and the test."""
    st.subheader(f"The chosen cell: {escape_markdown(cell_title(atlas, chosen))}")
    if not chosen.evaluated:
        st.caption("Nothing is known of this cell" + (": its runs failed." if chosen.failed else " yet."))
        _links(chosen)
        return
    own, gain = spread(chosen.accuracies), spread(chosen.gains)
    first, second, third = st.columns(3, gap="medium")
    over = f"± {own:.1f} over {len(chosen.evaluated)} seeds" if own is not None else "one seed"
    plainly: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
    first.metric("Validation accuracy", f"{chosen.mean:.1f} %", over, **plainly)
    if chosen.control is not None:
        second.metric("Baseline", f"{chosen.control:.1f} %")
        points = f"± {gain:.1f}" if gain is not None else None
        third.metric("Gain on validation", f"{written(chosen.gain, GAIN)} points", points, **plainly)
    if chosen is atlas.best and len(atlas.cells) > 1:
        st.caption(
            f"The best of {len(atlas.cells)} on the validation split: part of its lead is luck, because it was chosen "
            "for it. The test split, which nothing here was chosen by, says how much is left."
        )
    _links(chosen)
    _test(atlas, chosen, view, is_active=is_active)


def _links(cell: Cell) -> None:
    """Its runs, in the lab and on the pages that look closer."""
    if not cell.evaluations:
        return
    with st.container(horizontal=True, key="runs of the cell"):
        for look in cell.evaluations[:LISTED]:
            reached = f" · {100 * look.accuracy:.1f} %" if look.accuracy is not None else ""
            failed = " · failed" if look.state == manager.FAILED else ""
            st.page_link(
                "pages/distill.py", label=f"Open seed {look.seed}{reached}{failed}", icon=":material/science:",
                query_params={"run": look.run},
            )  # fmt: skip
        ended = [look.run for look in cell.evaluations if look.state not in manager.ACTIVE]
        if ended:
            st.page_link("pages/inspect.py", label="Inspect the first", icon=":material/frame_inspect:",
                         query_params={"run": ended[0]})  # fmt: skip
            st.page_link("pages/compare.py", label="Compare them", icon=":material/compare_arrows:",
                         query_params={"runs": ",".join(ended[:LISTED])})  # fmt: skip


def _test(atlas: SweepResults, chosen: Cell, view: SweepOptions, *, is_active: bool) -> None:
    """The verdict on the confirmed cell, or the button that asks for it: one cell of a sweep, once."""
    confirmed = atlas.find(tuple(view.confirmed.split(","))) or next(
        (cell for cell in atlas.cells if view.confirmed and url_state.cell_key(cell.values) == view.confirmed), None
    )
    if confirmed is None:
        asked = st.button(
            "Confirm on test", icon=":material/verified:", key="confirm", disabled=is_active or not _ended(chosen),
            help="Shows the test accuracy of this cell, and of no other: who looks at several and takes the best one "
            "chooses on the test split.",
        )  # fmt: skip
        if is_active:
            st.caption("The test split is asked when the sweep has ended, for one cell, once.")
        elif asked:
            url_state.update_url(confirmed=url_state.cell_key(chosen.values), cell=url_state.cell_key(chosen.values))
            st.rerun()
        return
    with st.container(border=True, key="test verdict"):
        st.markdown(f"**On the test split, asked once: {escape_markdown(cell_title(atlas, confirmed))}**")
        found = _ended(confirmed)
        if found:
            tests = [run.test for run in found if run.test]
            is_whole = all(run.state == manager.COMPLETED for run in found)
            said = verdict(tests, comparison_of(found[0].config))
            if is_whole or roles.in_same_phase(found[0].config):
                st.markdown(f"{ICONS.get(said.outcome, ':material/balance:')} {said.sentence}")
            else:
                st.markdown(UNEQUAL)
            if not is_whole:
                st.caption("Some of these runs were stopped before their end, and were judged as they were.")
        else:
            st.markdown("None of its runs has ended yet.")
        if confirmed is not chosen:
            st.caption(
                "The cell chosen now was not asked about: the test split confirms one choice, it does not make it."
            )


def _ended(cell: Cell) -> list[Run]:
    """Its runs that were judged."""
    store = manager.get_manager().store
    found = [store.run(look.run) for look in cell.evaluations if look.state in (manager.COMPLETED, manager.STOPPED)]
    return [run for run in found if run is not None and run.test]


def _picked(axes: int) -> None:
    url_state.update_url(cell=url_state.cell_key(tuple(keys.current_value(f"cell axis {at}") for at in range(axes))))
