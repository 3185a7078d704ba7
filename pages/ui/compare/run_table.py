"""Table of all stored runs, with search, filters, order, pages, and the choice of the compared runs.

The runs of a sweep are one row until it is opened.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from kd_core.base.registry import plugins
from kd_core.runs import manager
from kd_core.store.annotations import tag_key
from kd_core.store.queries import ORDERS, PLUGIN_GROUPS, RunQueries, Search
from kd_core.store.store import Run, SweepRow
from pages.ui.app import startup_notices
from pages.ui.compare.settings import MAX_RUNS, CompareOptions, bind, compare, update_url
from pages.ui.run import trash
from pages.ui.text.escape import escape_markdown
from pages.ui.text.summaries import describe_sweep, method_summary, run_title
from pages.ui.widgets import keys
from pages.ui.widgets.tables import download

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
FACET_TITLES = {"dataset": "Data", "method": "Method", "scheme": "Distillation scheme", "state": "State", "tag": "Tag"}


def letters_of(ids: Sequence[str]) -> dict[str, str]:
    """Return the letter of every compared run in charts and tables."""
    return dict(zip(ids, LETTERS, strict=False))


def default_runs(queries: RunQueries, search: Search) -> list[str]:
    """Return the ids of the newest completed runs, which are compared before any is chosen."""
    facets = {**search.facets, "state": search.facets.get("state") or manager.COMPLETED}
    completed = Search(search.words, facets, sweep=search.sweep)
    return [row.id for row in queries.page(completed, 0, DEFAULT_COUNT)]


def filters(queries: RunQueries, options: CompareOptions) -> None:
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
        _sweep_filter(options)
        st.checkbox("Reversed", options.reverse, **bind("reverse", options.reverse))


def table(queries: RunQueries, options: CompareOptions, stored: Mapping[str, Run]) -> None:
    """Draw one page of the matching runs and sweeps, with the compared runs ticked."""
    count = queries.count(options.search)
    if not count:
        st.info("No run matches. Use fewer words, or remove a filter.")
        return
    chosen = list(stored)
    pages = -(-queries.count_rows(options.search) // PAGE_SIZE)
    page = min(options.page, pages)
    counted = queries.rows(options.search, (page - 1) * PAGE_SIZE, PAGE_SIZE)
    rows = [row for row, _ in counted]
    sweeps = {row.id: row.sweep for row, size in counted if size > 1}  # rows that stand for a sweep
    import pandas as pd  # takes half a second to load, and an empty store has no table

    letters = letters_of(chosen)
    ids = [row.id for row in rows]
    # Ticks that were set elsewhere need a new widget; those set here keep the widget and the focus.
    ticked = [run for run in ids if run in chosen and run not in sweeps]
    if st.session_state.get("ticked") != (ids, ticked):
        st.session_state["tables"] = st.session_state.get("tables", 0) + 1
        st.session_state["ticked"] = (ids, ticked)
    key = f"runs {hashlib.sha256(' '.join(ids).encode()).hexdigest()[:8]} {st.session_state['tables']}"
    lines = [
        _sweep_row(
            row, size, " ".join(letters[run] for run in chosen if stored[run].sweep == row.sweep and run in letters)
        )
        if size > 1
        else _table_row(row, letters.get(row.id, ""))
        for row, size in counted
    ]
    empty = [name for name in OPTIONAL_COLUMNS if not any(line[name] for line in lines)]
    st.dataframe(
        pd.DataFrame([{name: value for name, value in line.items() if name not in empty} for line in lines]),
        key=key, hide_index=True, row_height=36, selection_mode=("multi-row", "single-column"),
        on_select=lambda: _apply_selection(key, ids, chosen, options, sweeps),
        selection_default={"selection": {"rows": [ids.index(run) for run in ticked]}},
        placeholder="–",
        alt=f"Stored runs and sweeps, {len(rows)} rows for {count} runs; {len(chosen)} are compared. The box below "
        "changes that, too.",
        column_config=_column_config(options),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"**{len(chosen)} of {queries.count():,}** compared · {count:,} match · page {page} of {pages} · "
            "click a column’s header to order all runs by it" + " · tick a sweep to list its runs" * bool(sweeps)
        )
        if pages > 1:
            st.button(
                "Previous", icon=":material/chevron_left:", disabled=page == 1,
                on_click=lambda: update_url(page=page - 1),
            )  # fmt: skip
            st.button(
                "Next", icon=":material/chevron_right:", disabled=page == pages,
                on_click=lambda: update_url(page=page + 1),
            )  # fmt: skip
        download(lambda: [_table_row(row, "") for row in queries.page(options.search, 0, MAX_CSV_ROWS)], "runs")


def run_multiselect(queries: RunQueries, options: CompareOptions, chosen: dict[str, Run]) -> None:
    """Draw the compared runs by name, for the keyboard and for small screens."""
    page = queries.rows(options.search, (max(1, options.page) - 1) * PAGE_SIZE, PAGE_SIZE)
    rows = {**chosen, **{row.id: row for row, size in page if size == 1 and row.id not in chosen}}
    letters = letters_of(list(chosen))
    titles = {run: run_title(row) for run, row in rows.items()}
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
        elif row.state != manager.COMPLETED:
            state = row.state if row.state == manager.FAILED else f"was {row.state}"
            st.info(f"Run {letters[run]} {state} before its end, so it was trained for less than its settings say.")
    data = dict.fromkeys(row.available_config.dataset.title for row in rows.values() if row.available_config)
    if len(data) > 1:
        st.info(
            f"These runs use different data ({', '.join(data)}). Accuracies on different data are not comparable: "
            "compare gains and the shapes of the curves."
        )


def _table_row(row: Run, letter: str) -> dict[str, Any]:
    """Return a run as one row of plain values."""
    config, test = row.available_config, row.test or {}
    student, baseline = (test.get(role, {}).get("accuracy") for role in ("student", "baseline"))
    gain = None if student is None or baseline is None or row.state == manager.FAILED else 100 * (student - baseline)
    return {
        "": letter,
        "pinned": "yes" if row.annotations.is_pinned else "",
        "name": row.annotations.name,
        "tags": ", ".join(row.annotations.tags),
        "when": datetime.datetime.fromtimestamp(row.created).strftime("%d %b %Y, %H:%M"),
        "data": config.dataset.title if config else "?",
        "distillation scheme": config.scheme.title if config else "?",
        "method": method_summary(config.method) if config else "?",
        "student": config.student.label() if config else "?",
        "teacher": config.teacher.label() if config else "?",
        "seed": row.seed,
        "state": row.state,
        "student %": None if student is None else 100 * student,
        "baseline %": None if baseline is None else 100 * baseline,
        "gain": None if gain is None else round(gain, 1),
        "seconds": row.seconds,
        "run": row.id,
    }


def _sweep_row(row: Run, size: int, letters: str) -> dict[str, Any]:
    """Return a sweep as one row of plain values; test results belong to its runs alone."""
    sweep = manager.get_manager().store.sweep(row.sweep)
    if sweep is None:
        return _table_row(row, letters)
    numbers = dict.fromkeys(("seed", "student %", "baseline %", "gain"))
    name = sweep.annotations.name or f"Sweep: {_sweep_title(sweep)}"
    return {
        **_table_row(row, letters), **numbers, "name": f"{name} ({size:,} runs)",
        "tags": ", ".join(sweep.annotations.tags), "state": sweep.state, "seconds": sweep.seconds, "run": sweep.id,
    }  # fmt: skip


def _sweep_filter(options: CompareOptions) -> None:
    """Draw the choice of a sweep, whose runs are then listed one by one."""
    store = manager.get_manager().store
    sweeps = {sweep.id: sweep for sweep in store.sweeps(MAX_SWEEPS)}
    if options.sweep and (current := store.sweep(options.sweep)):
        sweeps[current.id] = current
    if not sweeps and not options.sweep:
        return
    labels = {"": "One row each"} | {
        key: f"{datetime.datetime.fromtimestamp(sweep.created):%d %b, %H:%M} · {_sweep_title(sweep)}"
        for key, sweep in sweeps.items()
    }
    labels.setdefault(options.sweep, "Not stored here")
    st.selectbox(
        "Sweeps", list(labels), list(labels).index(options.sweep), width=BOX_WIDTH, format_func=labels.__getitem__,
        **bind("sweep", options.sweep),
    )  # fmt: skip


def _sweep_title(row: SweepRow) -> str:
    try:
        return describe_sweep(row)
    except ValueError:  # it needs something that this installation does not have
        return row.id


def _facet_text(facet: str, value: str, counts: dict[str, int]) -> str:
    if not value:
        return "All"
    cls = plugins(PLUGIN_GROUPS[facet]).get(value) if facet in PLUGIN_GROUPS else None
    return f"{cls.title if cls else value} ({counts.get(value, 0):,})"


def _column_config(options: CompareOptions) -> dict[str, Any]:
    """Return the format of the columns, with an arrow in the header of the one that orders the runs."""
    columns, number = st.column_config, st.column_config.NumberColumn
    config: dict[str, Any] = {
        "": columns.TextColumn(width=36),
        "pinned": columns.TextColumn(width=60),
        "name": columns.TextColumn(width=180),
        "student %": number(format="%.1f"),
        "baseline %": number(format="%.1f"),
        "seconds": number(format="%.0f"),
        "gain": number(format="%+.1f", help="Points above the baseline."),
    }
    sort_key, direction = ORDERS[options.order]
    arrow = "↑" if (direction == "ASC") != options.reverse else "↓"
    for name, order in COLUMN_ORDERS.items():
        if ORDERS[order][0] == sort_key:
            config[name] = {**config.get(name, columns.Column()), "label": f"{name} {arrow}"}
    return config


def _apply_selection(
    key: str, ids: list[str], chosen: list[str], options: CompareOptions, sweeps: Mapping[str, str]
) -> None:
    """Compare the ticked rows, or order all runs by the selected column; a second click reverses the order.

    A ticked row that stands for a sweep opens it.
    """
    selected = st.session_state[key]["selection"]
    opened = [sweeps[ids[row]] for row in selected["rows"] if ids[row] in sweeps]
    if opened:
        update_url(sweep=opened[0])
        return
    if not selected["columns"]:
        _tick([ids[row] for row in selected["rows"]], ids, chosen)
        return
    st.session_state["ticked"] = None  # draws a new table without the selected column
    order = COLUMN_ORDERS.get(selected["columns"][0])
    if order is not None and ORDERS[order][0] == ORDERS[options.order][0]:
        update_url(reverse=not options.reverse)
    elif order is not None:
        update_url(order=order, reverse=False)


def _tick(ticked: list[str], ids: list[str], chosen: list[str]) -> None:
    remaining = [run for run in chosen if run not in ids or run in ticked]
    runs = remaining + [run for run in ticked if run not in remaining]
    # With too many ticks the table is drawn anew, without the last ones.
    visible = [run for run in ids if run in runs] if len(runs) <= MAX_RUNS else None
    st.session_state["ticked"] = (ids, visible)
    compare(runs)
