"""Selected cell of a sweep, with its validation results, its runs, and the test result once it is confirmed."""

from __future__ import annotations

import functools
from typing import Any

import streamlit as st

from kd_core.analysis.comparison import UNEQUAL
from kd_core.analysis.sweep_results import Cell, SweepResults, spread
from kd_core.analysis.verdict import verdict
from kd_core.base.marks import percent, points, unbroken
from kd_core.config.sweep import value_title
from kd_core.runs import manager
from kd_core.schemes import comparison_of, in_same_phase
from kd_core.store.store import Run
from pages.ui.run.result.verdict import ICONS
from pages.ui.sweep.heatmap import axis_title, cell_title, score_title
from pages.ui.sweep.settings import SweepOptions, cell_key, url
from pages.ui.widgets import keys
from pages.ui.widgets.text.escape import escape_markdown

MAX_LINKS = 8  # runs with a link each; Compare takes as many


def cell_picker(results: SweepResults, cell: Cell) -> None:
    """Draw the choice of a cell without a mouse, and a button that returns to the best one."""
    axes = results.sweep.axes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for index, axis in enumerate(axes):
            value = cell.values[index]
            st.selectbox(
                axis_title(results, index), axis.values, axis.values.index(value),
                key=keys.key(f"cell axis {index}", value), on_change=_write_cell, args=(len(axes),),
                format_func=functools.partial(value_title, axis.option),
            )  # fmt: skip
        if results.best is not None and cell is not results.best:
            st.button(
                "Back to the best", icon=":material/star:", key="to the best", on_click=lambda: url.update(cell="")
            )


def panel(results: SweepResults, cell: Cell, options: SweepOptions, *, is_active: bool) -> None:
    """Draw the numbers of a cell, links to its runs, and its test result."""
    st.subheader(f"Selected cell: {escape_markdown(cell_title(results, cell))}")
    if not cell.evaluated:
        st.caption("No results yet" + (": the runs of this cell failed." if cell.failed else "."))
        _links(cell)
        return
    accuracy_spread, gain_spread = spread(cell.accuracies), spread(cell.gains)
    first, second, third = st.columns(3, gap="medium")
    seeds = f"± {accuracy_spread:.1f} over {len(cell.evaluated)} seeds" if accuracy_spread is not None else "one seed"
    plain: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
    first.metric(f"Validation {score_title(results)}", percent((cell.mean or 0.0) / 100), seeds, **plain)
    if cell.control is not None:
        second.metric("Baseline", percent(cell.control / 100))
        spread_text = f"± {gain_spread:.1f}" if gain_spread is not None else None
        third.metric("Gain on validation", points(cell.gain or 0.0), spread_text, **plain)
    if cell is results.best and len(results.cells) > 1:
        st.caption(
            f"The best of {len(results.cells)} on the validation set: part of its lead is chance, because it was "
            "chosen for it. Check the choice on the untouched test set."
        )
    _links(cell)
    _test_result(results, cell, options, is_active=is_active)


def _links(cell: Cell) -> None:
    """Draw links to the runs of the cell on the pages Distill, Inspect and Compare."""
    if not cell.evaluations:
        return
    with st.container(horizontal=True, key="runs of the cell"):
        for evaluation in cell.evaluations[:MAX_LINKS]:
            accuracy = f" · {percent(evaluation.accuracy)}" if evaluation.accuracy is not None else ""
            failed = " · failed" if evaluation.state == manager.FAILED else ""
            st.page_link(
                "pages/distill.py", label=f"Open seed {evaluation.seed}{accuracy}{failed}", icon=":material/science:",
                query_params={"run": evaluation.run},
            )  # fmt: skip
        ended = [evaluation.run for evaluation in cell.evaluations if evaluation.state not in manager.ACTIVE]
        if ended:
            st.page_link("pages/inspect.py", label="Inspect the first run", icon=":material/frame_inspect:",
                         query_params={"run": ended[0]})  # fmt: skip
            st.page_link("pages/compare.py", label="Compare them", icon=":material/compare_arrows:",
                         query_params={"runs": ",".join(ended[:MAX_LINKS])})  # fmt: skip


def _test_result(results: SweepResults, cell: Cell, options: SweepOptions, *, is_active: bool) -> None:
    """Draw the test result of the confirmed cell, or the button that confirms one cell of the sweep."""
    by_key = {cell_key(other.values): other for other in results.cells}
    confirmed = by_key.get(options.confirmed) if options.confirmed else None
    if confirmed is None:
        is_pressed = st.button(
            "Confirm on test", icon=":material/verified:", key="confirm", disabled=is_active or not _tested_runs(cell),
            help="Shows the test accuracy of this cell, and of no other cell: taking the best of several would be a "
            "choice on the test set.",
        )  # fmt: skip
        if is_active:
            st.caption("The test set is used when the sweep has ended, for one cell, once.")
        elif is_pressed:
            url.update(confirmed=cell_key(cell.values), cell=cell_key(cell.values))
            st.rerun()
        return
    with st.container(border=True, key="test verdict"):
        st.markdown(f"**Test-set result: {escape_markdown(cell_title(results, confirmed))}**")
        runs = _tested_runs(confirmed)
        if runs:
            are_complete = all(run.state == manager.COMPLETED for run in runs)
            result = verdict([run.test for run in runs if run.test], comparison_of(runs[0].config))
            if are_complete or in_same_phase(runs[0].config):
                st.markdown(f"{ICONS.get(result.outcome, ':material/balance:')} {unbroken(result.sentence)}")
            else:
                st.markdown(UNEQUAL)
            if not are_complete:
                st.caption("Some of these runs were stopped before their end and evaluated as they were.")
        else:
            st.markdown("None of its runs has ended yet.")
        if confirmed is not cell:
            st.caption("The cell selected now is another one: the test set confirms one choice, it does not make it.")


def _tested_runs(cell: Cell) -> list[Run]:
    """Return the runs of the cell that were evaluated on the test set."""
    store = manager.get_manager().store
    ended = (manager.COMPLETED, manager.STOPPED)
    runs = [store.run(evaluation.run) for evaluation in cell.evaluations if evaluation.state in ended]
    return [run for run in runs if run is not None and run.test]


def _write_cell(axes: int) -> None:
    url.update(cell=cell_key(tuple(keys.current_value(f"cell axis {index}") for index in range(axes))))
