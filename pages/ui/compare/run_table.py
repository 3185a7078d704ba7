"""Table of all stored runs, with search, filters, order, pages, and the choice of the compared runs.

The runs of a sweep are one row, and so are those that differ in their seed alone, until it is opened.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from kd_core.base.registry import plugins
from kd_core.runs import manager
from kd_core.store.annotations import tag_key
from kd_core.store.queries import ORDERS, PLUGIN_GROUPS, RunGroup, RunQueries, Search
from kd_core.store.store import Run, SweepRow
from pages.ui.app import startup_notices
from pages.ui.compare import run_rows
from pages.ui.compare.settings import MAX_RUNS, CompareOptions, bind, compare, update_url
from pages.ui.run import trash
from pages.ui.widgets import keys
from pages.ui.widgets.tables import download
from pages.ui.widgets.text.escape import escape_markdown
from pages.ui.widgets.text.summaries import run_title

DEFAULT_COUNT = 6  # runs compared before any is chosen
MAX_SWEEPS = 30  # newest ones in the box of sweeps
PAGE_SIZE = 15
MAX_CSV_ROWS = 10_000
BOX_WIDTH = 152  # pixels
LETTERS = "ABCDEFGH"
ORDER_TITLES = {
    "newest": "Newest first", "oldest": "Oldest first", "best": "Best student first", "gain": "Largest gain first",
    "baseline": "Best baseline first", "longest": "Longest first", "name": "By name", "data": "By data",
    "scheme": "By distillation scheme", "method": "By method", "student": "By student", "teacher": "By teacher",
    "seed": "By seed", "state": "By state",
}  # fmt: skip
# The order that a click on the header of a column selects.
COLUMN_ORDERS = {
    "name": "name", "when": "newest", "data": "data", "distillation scheme": "scheme", "method": "method",
    "student": "student", "teacher": "teacher", "seed": "seed", "state": "state", "student %": "best",
    "baseline %": "baseline", "gain": "gain", "seconds": "longest",
}  # fmt: skip
OPTIONAL_COLUMNS = ("pinned", "name", "tags")  # left out while they are empty
# What fits on a screen of 1280 pixels.
FIRST_COLUMNS = (
    "letter", "pinned", "name", "data", "method", "seed", "student %", "baseline %", "gain", "state", "when",
)  # fmt: skip
FACET_TITLES = {"dataset": "Data", "method": "Method", "scheme": "Distillation scheme", "state": "State", "tag": "Tag"}


def letters_of(ids: Sequence[str]) -> dict[str, str]:
    """Return the letter of every compared run in charts and tables."""
    return dict(zip(ids, LETTERS, strict=False))


def default_runs(queries: RunQueries, search: Search) -> list[str]:
    """Return the ids of the runs that are compared before any is chosen, see :meth:`RunQueries.comparable`."""
    return [row.id for row in queries.comparable(search, DEFAULT_COUNT)]


class TablePage(NamedTuple):
    """Rows of one page of the table."""

    groups: list[RunGroup]
    number: int  # of the page, from 1
    last: int  # number of the last page


def table_page(queries: RunQueries, options: CompareOptions) -> TablePage:
    """Return the rows of the chosen page, or of the last one."""
    count = max(1, -(-queries.count_rows(options.search) // PAGE_SIZE))
    number = min(options.page, count)
    return TablePage(queries.rows(options.search, (number - 1) * PAGE_SIZE, PAGE_SIZE), number, count)


def filters(queries: RunQueries, options: CompareOptions, page: TablePage) -> None:
    """Draw the search box, a filter per facet, and the order."""
    st.text_input(
        "Search", options.find, **bind("find", options.find), icon=":material/search:",
        placeholder="Words from name, tags, note, data, networks, method, state; a seed; a run’s id",
    )  # fmt: skip
    counts = queries.choices()
    tag = next((tag for tag in counts["tag"] if tag_key(tag) == tag_key(options.tag)), options.tag)
    options = options.with_values(tag=tag)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):  # two side by side on a small screen
        for facet, label in FACET_TITLES.items():
            value: str = getattr(options, facet)
            if facet == "tag" and not (value or counts["tag"]):
                continue
            choices = {"": 0, **counts[facet]} | ({value: counts[facet].get(value, 0)} if value else {})
            st.selectbox(
                label, list(choices), list(choices).index(value), width=BOX_WIDTH, **bind(facet, value),
                format_func=functools.partial(_facet_text, facet, counts=choices),
            )  # fmt: skip
        st.selectbox(
            "Order", list(ORDER_TITLES), list(ORDER_TITLES).index(options.order), width=BOX_WIDTH,
            format_func=lambda order: ORDER_TITLES[order], **bind("order", options.order),
        )  # fmt: skip
        _group_filter(queries, options, page)
        st.checkbox("Reversed", options.reverse, **bind("reverse", options.reverse))


def table(queries: RunQueries, options: CompareOptions, stored: Mapping[str, Run], page: TablePage) -> None:
    """Draw one page of the matching runs and sweeps, with the compared runs ticked."""
    count = queries.count(options.search)
    if not count:
        st.info("No run matches. Use fewer words, or remove a filter.")
        return
    chosen = list(stored)
    groups = page.groups
    import pandas as pd  # takes half a second to load, and an empty store has no table

    letters = letters_of(chosen)
    ids = [group.run.id for group in groups]
    members = _chosen_by_row(queries, groups, chosen)
    # Ticks that were set elsewhere need a new widget; those set here keep the widget and the focus.
    ticked = [group.run.id for group in groups if members[group.run.id] and not run_rows.is_sweep(group)]
    if st.session_state.get("ticked") != (ids, ticked):
        st.session_state["tables"] = st.session_state.get("tables", 0) + 1
        st.session_state["ticked"] = (ids, ticked)
    key = f"runs {hashlib.sha256(' '.join(ids).encode()).hexdigest()[:8]} {st.session_state['tables']}"
    lines = [
        run_rows.group_row(group, " ".join(letters[run] for run in members[group.run.id] if run in letters))
        for group in groups
    ]
    empty = [name for name in OPTIONAL_COLUMNS if not any(line[name] for line in lines)]
    st.dataframe(
        pd.DataFrame([{name: value for name, value in line.items() if name not in empty} for line in lines]),
        key=key, hide_index=True, row_height=36, selection_mode=("multi-row", "single-column"),
        on_select=lambda: _apply_selection(key, groups, members, chosen, options),
        selection_default={"selection": {"rows": [ids.index(run) for run in ticked]}},
        placeholder="–", column_order=None if options.all_columns else FIRST_COLUMNS,
        alt=f"Stored runs and sweeps, {len(groups)} rows for {count} runs; {len(chosen)} are compared. The box below "
        "changes that, too.",
        column_config=_column_config(options),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"**{len(chosen)} of {queries.count():,}** compared · {count:,} match · "
            f"page {page.number} of {page.last} · click a column’s header to order all runs by it"
            + " · tick a sweep to list its runs"
            * any(run_rows.is_sweep(group) for group in groups)
        )
        st.checkbox("All columns", options.all_columns, **bind("all_columns", options.all_columns))
        if page.last > 1:
            st.button(
                "Previous", icon=":material/chevron_left:", disabled=page.number == 1,
                on_click=lambda: update_url(page=page.number - 1),
            )  # fmt: skip
            st.button(
                "Next", icon=":material/chevron_right:", disabled=page.number == page.last,
                on_click=lambda: update_url(page=page.number + 1),
            )  # fmt: skip
        download(lambda: [run_rows.table_row(row, "") for row in queries.page(options.search, 0, MAX_CSV_ROWS)], "runs")


def run_multiselect(queries: RunQueries, chosen: dict[str, Run], page: TablePage) -> None:
    """Draw the compared runs by name, for the keyboard and for small screens."""
    members = _chosen_by_row(queries, page.groups, list(chosen))
    groups = [group for group in page.groups if not run_rows.is_sweep(group) and not members[group.run.id]]
    rows = chosen | {run.id: run for run in map(run_rows.representative, groups)}
    letters = letters_of(list(chosen))
    titles = {run: _title(row) for run, row in rows.items()}
    titles |= {run: f"{letter} · {titles[run]}" for run, letter in letters.items()}
    st.multiselect(
        f"Compared, at most {MAX_RUNS}", list(rows), list(chosen), key=keys.key("compare chosen", list(chosen)),
        format_func=lambda run: titles[run], on_change=lambda: compare(keys.current_value("compare chosen")),
        placeholder="Choose runs, or tick them in the table",
    )  # fmt: skip
    if st.session_state.pop("too many", False):
        st.info(f"At most {MAX_RUNS} runs can be compared. Remove one to add another.")


def run_notices(ids: Sequence[str], rows: dict[str, Run]) -> None:
    """Draw a sentence for every run that is missing, cannot be read, is active, or ended early."""
    letters = letters_of([run for run in ids if run in rows])
    for run in ids:
        row = rows.get(run)
        if row is None:
            trash.show_missing(run)
            continue
        startup_notices.follow_notice(run, f"Run {letters[run]}: ")
        if row.available_config is None:
            st.warning(
                f"Run {letters[run]} ({escape_markdown(run)}) needs a method, a network or data that this "
                "installation does not have, so it is left out."
            )
        elif row.state in manager.ACTIVE:
            st.info(
                f"Run {letters[run]} is {row.state}: its curves grow while it trains. Test results follow at its end."
            )
        elif row.state == manager.COMPLETED and manager.get_manager().store.was_adjusted(run):
            st.info(
                f"Options of run {letters[run]} were changed by hand while it trained, so it counts in no mean and no "
                "verdict over seeds."
            )
        elif row.state != manager.COMPLETED:
            state = row.state if row.state == manager.FAILED else f"was {row.state}"
            st.info(f"Run {letters[run]} {state} before its end, so it was trained for less than its settings say.")
    data = dict.fromkeys(row.available_config.dataset.title for row in rows.values() if row.available_config)
    if len(data) > 1:
        st.info(
            f"These runs use different data ({', '.join(data)}). Accuracies on different data are not comparable: "
            "compare gains and the shapes of the curves."
        )


def _chosen_by_row(queries: RunQueries, groups: Sequence[RunGroup], chosen: Sequence[str]) -> dict[str, list[str]]:
    """Return the compared runs that each row stands for, by the first run of the row."""
    keys = queries.group_keys(chosen)
    return {group.run.id: [run for run in chosen if group.key in (run, keys.get(run))] for group in groups}


def _title(row: Run) -> str:
    return run_title(row) + " · changed by hand" * manager.get_manager().store.was_adjusted(row.id)


def _group_filter(queries: RunQueries, options: CompareOptions, page: TablePage) -> None:
    """Draw the choice of a sweep, or of a run with several seeds, whose runs are then listed one by one."""
    store = manager.get_manager().store
    sweeps = {sweep.id: sweep for sweep in store.sweeps(MAX_SWEEPS) if _has_axes(sweep)}
    if options.sweep and (current := store.sweep(options.sweep)):
        sweeps[current.id] = current
    groups = page.groups
    if options.sweep or options.seeds:
        groups = table_page(queries, options.with_values(sweep="", seeds="")).groups
    seeds = {group.run.id: group.run for group in groups if group.size > 1 and not group.sweep}
    if options.seeds and (run := store.run(options.seeds)):
        seeds = {run.id: run} | {other.id: other for other in seeds.values() if other.family != run.family}
    if not (sweeps or seeds or options.sweep or options.seeds):
        return
    labels = {("", ""): "One row each"}
    labels |= {("", run): f"Seeds of {run_title(row).rsplit(' · ', 1)[0]}" for run, row in seeds.items()}
    labels |= {
        (
            key,
            "",
        ): f"Sweep of {datetime.datetime.fromtimestamp(sweep.created):%d %b, %H:%M} · {run_rows.sweep_title(sweep)}"
        for key, sweep in sweeps.items()
    }
    chosen = (options.sweep, "" if options.sweep else options.seeds)
    labels.setdefault(chosen, "Not stored here")

    def write() -> None:
        sweep, run = keys.current_value("compare group") or ("", "")
        update_url(sweep=sweep, seeds=run)

    st.selectbox(
        "Sweeps and seeds", list(labels), list(labels).index(chosen), width=BOX_WIDTH, format_func=labels.__getitem__,
        key=keys.key("compare group", chosen), on_change=write,
        help="The runs of a sweep, and those that differ in their seed alone, are one row. Choose one to list them.",
    )  # fmt: skip


def _has_axes(row: SweepRow) -> bool:
    return not row.is_readable or bool(row.plan.axes)


def _facet_text(facet: str, value: str, counts: dict[str, int]) -> str:
    if not value:
        return "All"
    cls = plugins(PLUGIN_GROUPS[facet]).get(value) if facet in PLUGIN_GROUPS else None
    return f"{cls.title if cls else value} ({counts.get(value, 0):,})"


def _column_config(options: CompareOptions) -> dict[str, Any]:
    """Return the format of the columns, with an arrow in the header of the one that orders the runs."""
    columns, number = st.column_config, st.column_config.NumberColumn
    config: dict[str, Any] = {
        "letter": columns.TextColumn(width=56),
        "pinned": columns.TextColumn(width=60),
        "name": columns.TextColumn(width=180),
        "method": columns.TextColumn(width=190),
        "when": columns.TextColumn(width=140),
        "seed": columns.TextColumn(width=72),
        "student %": number(format="%.1f", width=92),
        "baseline %": number(format="%.1f", width=98),
        "seconds": number(format="%.0f"),
        "gain": number(format="%+.1f", width=66, help="Points above the baseline."),
    }
    sort_key, direction = ORDERS[options.order]
    arrow = "↑" if (direction == "ASC") != options.reverse else "↓"
    for name, order in COLUMN_ORDERS.items():
        if ORDERS[order][0] == sort_key:
            config[name] = {**config.get(name, columns.Column()), "label": f"{name} {arrow}"}
    return config


def _apply_selection(
    key: str,
    groups: Sequence[RunGroup],
    members: Mapping[str, list[str]],
    chosen: list[str],
    options: CompareOptions,
) -> None:
    """Compare the ticked rows, or order all runs by the selected column; a second click reverses the order.

    A ticked row that stands for a sweep opens it.
    """
    selected = st.session_state[key]["selection"]
    ticked = [group for row, group in enumerate(groups) if row in selected["rows"]]
    if opened := [group.sweep for group in ticked if run_rows.is_sweep(group)]:
        update_url(sweep=opened[0], seeds="")
        return
    if not selected["columns"]:
        _tick(ticked, groups, members, chosen)
        return
    st.session_state["ticked"] = None  # draws a new table without the selected column
    order = COLUMN_ORDERS.get(selected["columns"][0])
    if order is not None and ORDERS[order][0] == ORDERS[options.order][0]:
        update_url(reverse=not options.reverse)
    elif order is not None:
        update_url(order=order, reverse=False)


def _tick(
    ticked: Sequence[RunGroup], groups: Sequence[RunGroup], members: Mapping[str, list[str]], chosen: list[str]
) -> None:
    ids = [group.run.id for group in ticked]
    removed = {
        run
        for group in groups
        if group.run.id not in ids and not run_rows.is_sweep(group)
        for run in members[group.run.id]
    }
    runs = [run for run in chosen if run not in removed]
    runs += [run_rows.representative(group).id for group in ticked if not members[group.run.id]]
    # With too many ticks the table is drawn anew, without the last ones.
    page = [group.run.id for group in groups]
    st.session_state["ticked"] = (page, [run for run in page if run in ids] if len(runs) <= MAX_RUNS else None)
    compare(runs)
