"""All stored runs as a table: search, filters, order, pages, and which of them are compared."""

from __future__ import annotations

import datetime
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import streamlit as st

from kd_core.base.registry import plugins
from kd_core.runs import manager
from kd_core.store.annotations import tag_key
from kd_core.store.queries import ORDERS as ORDERED
from kd_core.store.queries import PLUGIN_GROUPS, RunQueries, Search
from kd_core.store.store import Run
from pages.ui.compare.url_state import DEFAULT_COUNT, MAX_RUNS, CompareOptions, bind, compare, update_url
from pages.ui.run import trash
from pages.ui.text.escape import escape_markdown
from pages.ui.text.summaries import method_summary, run_title
from pages.ui.widgets import keys
from pages.ui.widgets.tables import download

ON_A_PAGE = 15
MOST_ROWS = 10_000  # of a CSV
BOX = 152  # pixels
LETTERS = "ABCDEFGH"
ORDER_TITLES = {
    "newest": "Newest first", "oldest": "Oldest first", "best": "Best student first", "gain": "Largest gain first",
    "baseline": "Best baseline first", "longest": "Longest first", "name": "By name", "data": "By data",
    "scheme": "By who teaches whom", "method": "By method", "student": "By student", "teacher": "By teacher",
    "seed": "By seed", "state": "By state",
}  # fmt: skip
# What a click on the header of a column orders all runs by.
COLUMNS = {
    "name": "name", "when": "newest", "data": "data", "who teaches whom": "scheme", "method": "method",
    "student": "student", "teacher": "teacher", "seed": "seed", "state": "state", "student %": "best",
    "baseline %": "baseline", "gain": "gain", "seconds": "longest",
}  # fmt: skip
SAID = ("pinned", "name", "tags")  # columns that are left out while nobody has said anything
FACET_TITLES = {"dataset": "Data", "method": "Method", "scheme": "Who teaches whom", "state": "State", "tag": "Tag"}


def letters(ids: Sequence[str]) -> dict[str, str]:
    """What the compared runs are called in charts and tables."""
    return dict(zip(ids, LETTERS, strict=False))


def default_runs(ledger: RunQueries, search: Search) -> list[str]:
    """What is compared before anything is chosen: the newest completed runs."""
    finished = Search(search.words, {**search.facets, "state": search.facets.get("state") or manager.COMPLETED})
    return [row.id for row in ledger.page(finished, 0, DEFAULT_COUNT)]


def filters(ledger: RunQueries, view: CompareOptions) -> None:
    """Search, a box for every facet, and the order."""
    st.text_input(
        "Search", view.find, **bind("find", view.find), icon=":material/search:",
        placeholder="Words from name, tags, note, data, networks, method, state; a seed; a run’s id",
    )  # fmt: skip
    choices = ledger.choices()
    tag = next((tag for tag in choices["tag"] if tag_key(tag) == tag_key(view.tag)), view.tag)
    view = view.with_values(tag=tag)
    with st.container(
        horizontal=True, gap="small", vertical_alignment="bottom"
    ):  # on a small screen two beside each other
        for facet, label in FACET_TITLES.items():
            current: str = getattr(view, facet)
            if facet == "tag" and not (current or choices["tag"]):
                continue
            known = {"": 0, **choices[facet]} | ({current: choices[facet].get(current, 0)} if current else {})
            st.selectbox(
                label, list(known), list(known).index(current), width=BOX, **bind(facet, current),
                format_func=functools.partial(_option, facet, known=known),
            )  # fmt: skip
        st.selectbox(
            "Order", list(ORDER_TITLES), list(ORDER_TITLES).index(view.order), width=BOX,
            format_func=lambda order: ORDER_TITLES[order],
            **bind("order", view.order),
        )  # fmt: skip
        st.checkbox("Reversed", view.reverse, **bind("reverse", view.reverse))


def table(ledger: RunQueries, view: CompareOptions, chosen: list[str]) -> None:
    """One page of the runs that were found, those compared ticked."""
    found = ledger.count(view.search)
    if not found:
        st.info("No run fits. Use fewer words, or take a filter away.")
        return
    pages = -(-found // ON_A_PAGE)
    page = min(view.page, pages)
    rows = ledger.page(view.search, (page - 1) * ON_A_PAGE, ON_A_PAGE)
    import pandas as pd  # takes half a second to load, and an empty store has no table

    called = letters(chosen)
    ids = [row.id for row in rows]
    # Ticks that were set elsewhere are shown by a new widget; those set here leave it, and the focus, alone.
    ticked = [each for each in ids if each in chosen]
    if st.session_state.get("ticked") != (ids, ticked):
        st.session_state["tables"] = st.session_state.get("tables", 0) + 1
        st.session_state["ticked"] = (ids, ticked)
    at = f"runs {hashlib.sha256(' '.join(ids).encode()).hexdigest()[:8]} {st.session_state['tables']}"
    lines = [_line(row, called.get(row.id, "")) for row in rows]
    unsaid = [name for name in SAID if not any(line[name] for line in lines)]
    st.dataframe(
        pd.DataFrame([{name: value for name, value in line.items() if name not in unsaid} for line in lines]),
        key=at, hide_index=True, row_height=36, selection_mode=("multi-row", "single-column"),
        on_select=lambda: _select(at, ids, chosen, view),
        selection_default={"selection": {"rows": [ids.index(each) for each in ticked]}},
        placeholder="–",
        alt=f"Stored runs, {len(rows)} of {found}; {len(chosen)} are compared. The box below changes that, too.",
        column_config=_columns(view),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"**{len(chosen)} of {ledger.count():,}** compared · {found:,} found · page {page} of {pages} · "
            "a column’s header orders all of them"
        )
        if pages > 1:
            st.button("Previous", icon=":material/chevron_left:", disabled=page == 1, on_click=_turn, args=(page - 1,))
            st.button("Next", icon=":material/chevron_right:", disabled=page == pages, on_click=_turn, args=(page + 1,))
        download(lambda: [_line(row, "") for row in ledger.page(view.search, 0, MOST_ROWS)], "runs")


def run_multiselect(ledger: RunQueries, view: CompareOptions, chosen: dict[str, Run]) -> None:
    """The compared runs by name: by keyboard and on small screens, too."""
    page = ledger.page(view.search, (max(1, view.page) - 1) * ON_A_PAGE, ON_A_PAGE)
    rows = {**chosen, **{row.id: row for row in page if row.id not in chosen}}
    called = letters(list(chosen))
    st.multiselect(
        f"Compared, {MAX_RUNS} at most",
        list(rows),
        list(chosen),
        key=keys.key("compare chosen", list(chosen)),
        format_func=lambda run: f"{called[run]} · {run_title(rows[run])}" if run in called else run_title(rows[run]),
        on_change=lambda: compare(keys.current_value("compare chosen")),
        placeholder="Choose runs, or tick them in the table",
    )
    if st.session_state.pop("too many", False):
        st.info(f"{MAX_RUNS} runs are the most that can be told apart. Take one away to add another.")


def run_notices(ids: Sequence[str], rows: dict[str, Run]) -> None:
    """A sentence for every run of a link that is not there, cannot be read, is not finished, or ended early."""
    called = letters([each for each in ids if each in rows])
    for each in ids:
        row = rows.get(each)
        if row is None:
            trash.show_missing(each)
        elif row.available_config is None:
            st.warning(
                f"Run {called[each]} ({escape_markdown(each)}) needs a method, a network or data that this "
                f"installation does "
                "not have, so it is left out."
            )
        elif row.state in manager.ACTIVE:
            st.info(
                f"Run {called[each]} is {row.state}: its curves end where it is now and go on as it learns. "
                "Test results follow at its end."
            )
        elif row.state != manager.COMPLETED:
            how = row.state if row.state == manager.FAILED else f"was {row.state}"
            st.info(f"Run {called[each]} {how} before its end, so it learned less than its settings say.")
    data = dict.fromkeys(row.available_config.dataset.title for row in rows.values() if row.available_config)
    if len(data) > 1:
        st.info(
            f"These runs learned from different data ({', '.join(data)}). An accuracy on one says nothing about an "
            "accuracy on another: compare gains and shapes, not heights."
        )


def _line(row: Run, letter: str) -> dict[str, Any]:
    """A run as one row, plain values."""
    config, test = row.available_config, row.test or {}
    student, baseline = (test.get(role, {}).get("accuracy") for role in ("student", "baseline"))
    return {
        "": letter,
        "pinned": "yes" if row.annotations.is_pinned else "",
        "name": row.annotations.name,
        "tags": ", ".join(row.annotations.tags),
        "when": datetime.datetime.fromtimestamp(row.created).strftime("%d %b %Y, %H:%M"),
        "data": config.dataset.title if config else "?",
        "who teaches whom": config.scheme.title if config else "?",
        "method": method_summary(config.method) if config else "?",
        "student": config.student.label() if config else "?",
        "teacher": config.teacher.label() if config else "?",
        "seed": row.seed,
        "state": row.state,
        "student %": None if student is None else 100 * student,
        "baseline %": None if baseline is None else 100 * baseline,
        "gain": None if student is None or baseline is None else round(100 * (student - baseline), 1),
        "seconds": row.seconds,
        "run": row.id,
    }


def _option(facet: str, value: str, known: dict[str, int]) -> str:
    if not value:
        return "All"
    cls = plugins(PLUGIN_GROUPS[facet]).get(value) if facet in PLUGIN_GROUPS else None
    return f"{cls.title if cls else value} ({known.get(value, 0):,})"


def _columns(view: CompareOptions) -> dict[str, Any]:
    """How the columns look; an arrow in the header of the one that all runs are ordered by."""
    of, number = st.column_config, st.column_config.NumberColumn
    looks: dict[str, Any] = {
        "": of.TextColumn(width=36),
        "pinned": of.TextColumn(width=60),
        "name": of.TextColumn(width=180),
        "student %": number(format="%.1f"),
        "baseline %": number(format="%.1f"),
        "seconds": number(format="%.0f"),
        "gain": number(format="%+.1f", help="Points above the baseline."),
    }
    what, way = ORDERED[view.order]
    arrow = "↑" if (way == "ASC") != view.reverse else "↓"
    for name, order in COLUMNS.items():
        if ORDERED[order][0] == what:
            looks[name] = {**looks.get(name, of.Column()), "label": f"{name} {arrow}"}
    return looks


def _select(at: str, ids: list[str], chosen: list[str], view: CompareOptions) -> None:
    """Rows are ticked; a column orders all runs by it, the second time the other way round."""
    selected = st.session_state[at]["selection"]
    if not selected["columns"]:
        _tick([ids[row] for row in selected["rows"]], ids, chosen)
        return
    st.session_state["ticked"] = None  # a new table, without the column selected
    order = COLUMNS.get(selected["columns"][0])
    if order is not None and ORDERED[order][0] == ORDERED[view.order][0]:
        update_url(reverse=not view.reverse)
    elif order is not None:
        update_url(order=order, reverse=False)


def _tick(ticked: list[str], ids: list[str], chosen: list[str]) -> None:
    kept = [each for each in chosen if each not in ids or each in ticked]
    wanted = kept + [each for each in ticked if each not in kept]
    st.session_state["ticked"] = (
        ids,
        [each for each in ids if each in wanted[:MAX_RUNS]] if len(wanted) <= MAX_RUNS else None,
    )
    compare(wanted)


def _turn(page: int) -> None:
    update_url(page=page)
