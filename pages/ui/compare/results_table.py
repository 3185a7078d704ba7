"""The compared runs beside each other: the settings that differ, and what every network can do and costs."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kd_core.analysis import comparison, latency
from kd_core.analysis.comparison import NetworkResult
from kd_core.base.options import option_label, options_of
from kd_core.base.registry import find_plugin
from kd_core.config.run import OPTION_GROUPS, PLUGIN_FIELDS, RunConfig
from kd_core.runs import manager
from kd_core.store.queries import RunQueries
from kd_core.store.store import Run
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.browser.palette import ROLES
from pages.ui.compare.run_table import FACET_TITLES
from pages.ui.text import roles
from pages.ui.widgets.tables import download, table


def differences(rows: dict[str, Run], called: dict[str, str]) -> None:
    """The settings in which the compared runs differ, and those alone."""
    configs = {called[each]: row.available_config for each, row in rows.items() if row.available_config}
    if len(configs) < 2:
        st.caption("With two or more runs, the settings in which they differ stand here.")
        return
    found = comparison.differences(configs)
    if not found:
        st.info("These runs have the same settings, their seed included. They should give the same numbers.")
        return
    labels: dict[str, str] = {}
    for config in configs.values():
        labels = _labels(config) | labels
    lines = [
        {"setting": labels.get(name, name), **{key: _in_words(name, text) for key, text in own.items()}}
        for name, own in found.items()
    ]
    same = len(next(iter(configs.values())).flat()) - len(found)
    table(lines, alt=f"The {len(lines)} settings that differ.", setting=st.column_config.TextColumn(pinned=True))
    differ = "1 setting differs" if len(lines) == 1 else f"{len(lines)} settings differ"
    st.caption(f"{differ}, the other {max(0, same)} are the same.")
    download(lambda: [{"setting": name, **own} for name, own in found.items()], "differences")


def _in_words(name: str, text: str) -> str:
    """What a flat setting is, as the form says it."""
    group = next((group for member, group, _ in PLUGIN_FIELDS if member == name), "")
    return find_plugin(group, text).title if group else {"": "–", "true": "yes", "false": "no"}.get(text, text)


def _labels(config: RunConfig) -> dict[str, str]:
    """What the flat settings of a run are called on the screen."""
    found = {}
    for member, _, prefix in PLUGIN_FIELDS:
        found[member] = FACET_TITLES.get(member, member.capitalize())
        for name, option in options_of(type(getattr(config, member))).items():
            found[prefix + name] = (
                f"{found[member]}: {option_label(name, option)}" if prefix else option_label(name, option)
            )
    for _, kind, prefix in OPTION_GROUPS:
        role = "Teacher: " if prefix else ""
        for name, option in options_of(kind).items():
            found[prefix + name] = f"{role}{option_label(name, option)}"
    return found


def network_results(ledger: RunQueries, rows: dict[str, Run]) -> list[tuple[Run, NetworkResult]]:
    """Every judged network of the compared runs."""
    found = []
    for each, row in rows.items():
        prepared = ledger.prepared(each)
        found += [(row, own) for own in comparison.network_results(row, prepared.networks if prepared else [])]
    return found


def results_table(found: list[tuple[Run, NetworkResult]], called: dict[str, str]) -> None:
    """Teacher, students and baseline of every run in one table."""
    if not found:
        st.info("None of these runs has come to its test split yet.")
        return
    watch = latency.get_latency_meter(manager.get_manager().folder)
    lines = [_line(own, called[row.id], watch.measurements()) for row, own in found]
    kept = [name for name in lines[0] if any(line[name] is not None for line in lines)]
    number = st.column_config.NumberColumn
    table(
        [{name: line[name] for name in kept} for line in lines],
        alt=f"Test results and costs of {len(lines)} networks.",
        **{
            "network": st.column_config.TextColumn(pinned=True),
            "test accuracy, %": number(format="%.2f"),
            "agrees with teacher, %": number(format="%.2f"),
            "NLL, nats": number(format="%.3f", help="Negative log-likelihood of the test labels; less is better."),
            "ECE, %": number(format="%.2f", help="Expected calibration error: how far it is from as sure as right."),
            "parameters": number(format="localized"),
            "kFLOPs": number(format="%.1f", help="Thousand operations for one example; a multiply-add counts two."),
            "file, kB": number(format="%.1f", help="All weights as float32."),
            **{name: number(format="%.3f") for name in kept if name.endswith(" ms")},
        },
    )
    download(lambda: lines, "networks")
    _ask(found, called)


def _line(own: NetworkResult, letter: str, times: dict[str, list[latency.Latency]]) -> dict[str, Any]:
    network = own.network
    look = ROLES[roles.kind(network)] if roles.kind(network) in ROLES else ROLES["student"]
    line: dict[str, Any] = {
        "network": f"{letter} {look['glyph']} {network.role}",
        "layers": network.model,
        "test accuracy, %": 100 * own.accuracy,
        "agrees with teacher, %": None if own.agreement is None else 100 * own.agreement,
        "NLL, nats": own.loss,
        "ECE, %": 100 * own.calibration_error,
        "parameters": network.parameters,
        "kFLOPs": network.flops / 1000,
        "file, kB": network.size / 1000,
    }
    known = {time.batch: time for time in times.get(latency.latency_key(network), [])}
    for batch in latency.BATCHES:
        time = known.get(batch)
        what = "one example" if batch == 1 else f"{batch} examples"
        line[f"{what}, ms"] = None if time is None else 1000 * time.median
        line[f"{what}, p95, ms"] = None if time is None else 1000 * time.p95
    return line


def _ask(found: list[tuple[Run, NetworkResult]], called: dict[str, str]) -> None:
    """The button that measures latency, how far that is, and what could not be measured."""
    watch = latency.get_latency_meter(manager.get_manager().folder)
    known = watch.measurements()
    missing = {
        latency.latency_key(own.network): (row, own)
        for row, own in found
        if latency.latency_key(own.network) not in known and not watch.failure(latency.latency_key(own.network))
    }
    if watch.waiting:
        st.fragment(catch_errors(_wait), run_every=0.5, key="latency")()
    elif missing:
        label = f"Measure latency here ({len(missing)} network{'s' if len(missing) > 1 else ''})"
        if action_button(
            label, icon=":material/timer:", key="measure", help="A second or two for each kind of network."
        ):
            for row, own in missing.values():
                actions().do(watch.request, row.config_json, own.network)
            st.rerun()
    for row, own in found:
        if why := watch.failure(latency.latency_key(own.network)):
            st.caption(f"{called[row.id]} {own.network.role}: no latency. {why}")
    if len(missing) < len(found):
        busy = manager.get_manager().store.in_state(*manager.ACTIVE)
        st.caption(
            "Latency is one forward pass on this machine’s processor with one thread, after a warm-up: the median, and "
            "the time that 95 % of the passes stay below. Networks of the same layers share one measurement."
            + (" Something trains here now, which makes new measurements slower." if busy else "")
        )


def _wait() -> None:
    waiting = latency.get_latency_meter(manager.get_manager().folder).waiting
    if not waiting:
        st.rerun()
    st.caption(f"Measuring: {waiting} still to come.")
