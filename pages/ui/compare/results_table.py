"""Settings in which the compared runs differ, and the test results and costs of every network, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from kd_core.analysis import comparison, latency
from kd_core.analysis.comparison import NetworkResult
from kd_core.analysis.verdict import skipped_by_role
from kd_core.base.events import Adjusted
from kd_core.base.options import as_text, option_label, options_of
from kd_core.base.registry import find_plugin
from kd_core.config.run import OPTION_GROUPS, PLUGIN_FIELDS, RunConfig
from kd_core.runs import manager
from kd_core.store.queries import RunQueries
from kd_core.store.store import Run
from kd_core.tasks import declared_measures, score_title
from pages.ui.app.actions import action_button, actions
from pages.ui.app.errors import catch_errors
from pages.ui.compare.run_table import FACET_TITLES
from pages.ui.components.palette import ROLES
from pages.ui.run.result.verdict import ADDED, skipped_counts
from pages.ui.widgets.tables import download, table
from pages.ui.widgets.text import roles

NLL = "NLL, nats"
ADDED_HELP = "Metric added by kd.metric in Python."
Results = list[tuple[Run, NetworkResult]]


def differences(rows: dict[str, Run], letters: dict[str, str]) -> None:
    """Draw the settings in which the compared runs differ, changes by hand among them."""
    configs = {letters[run]: row.available_config for run, row in rows.items() if row.available_config}
    if len(configs) < 2:
        st.caption("Choose two or more runs to see the settings in which they differ.")
        return
    changes = {letters[run]: changes_by_hand(run) for run in rows}
    differing = comparison.differences(configs)
    flats = {letter: config.flat() for letter, config in configs.items()}
    for name in dict.fromkeys(name for by_name in changes.values() for name in by_name):
        texts = {letter: changes[letter].get(name) or flat.get(name, "") for letter, flat in flats.items()}
        if len(set(texts.values())) > 1:
            differing[name] = texts
    if not differing:
        st.info("These runs have the same settings, including the seed. They should give the same numbers.")
        return
    labels: dict[str, str] = {}
    for config in configs.values():
        labels = _setting_labels(config) | labels
    lines = [
        {"setting": labels.get(name, name), **{letter: _value_text(name, text) for letter, text in texts.items()}}
        for name, texts in differing.items()
    ]
    equal = max(0, len(next(iter(configs.values())).flat()) - len(differing))
    table(lines, alt=f"The {len(lines)} settings that differ.", setting=st.column_config.TextColumn(pinned=True))
    count = "1 setting differs" if len(lines) == 1 else f"{len(lines)} settings differ"
    st.caption(f"{count}, the other {equal} are equal.")
    download(lambda: [{"setting": name, **texts} for name, texts in differing.items()], "differences")


def changes_by_hand(run: str) -> dict[str, str]:
    """Return the values of every option that was changed while a run trained, such as "4 → 6 at step 120, by hand"."""
    texts: dict[str, str] = {}
    for _, event in manager.get_manager().store.iter_events(run, kinds=("adjusted",)):
        assert isinstance(event, Adjusted)
        before = texts.get(event.option, as_text(event.old))
        texts[event.option] = f"{before} → {as_text(event.new)} at step {event.step:,}"
    return {name: f"{text}, by hand" for name, text in texts.items()}


def network_results(queries: RunQueries, rows: dict[str, Run]) -> Results:
    """Return the test results of every network of the compared runs."""
    results = []
    for run, row in rows.items():
        prepared = queries.prepared(run)
        if prepared is None:
            continue
        counts = skipped_counts(row)
        skipped = skipped_by_role(counts, prepared.phases) if counts else {}
        results += [(row, result) for result in comparison.network_results(row, prepared.networks, skipped)]
    return results


def score_of(rows: Iterable[Run], *, on_validation: bool = False) -> str:
    """Return what the tasks of these runs call their score, inside a sentence."""
    configs = [row.available_config for row in rows]
    return score_title((config.dataset.task for config in configs if config), on_validation=on_validation)


def _loss(row: Run) -> str:
    """Return the title of the loss of a run's networks."""
    config = row.available_config
    return NLL if config is None or config.dataset.task.has_class_rows else config.dataset.task.loss_title


def results_table(results: Results, letters: dict[str, str]) -> None:
    """Draw teacher, students and baseline of every run in one table."""
    if not results:
        st.info("None of these runs has been evaluated on the test set yet.")
        return
    times = latency.get_latency_meter(manager.get_manager().folder).measurements()
    score = f"test {score_of(row for row, _ in results)}, %"
    losses = {row.id: _loss(row) for row, _ in results}
    lines = [
        _table_row(result, letters[row.id], times, {"score": score, "loss": losses[row.id]}) for row, result in results
    ]
    names = dict.fromkeys(name for line in lines for name in line)
    columns = [name for name in names if any(line.get(name) is not None for line in lines)]
    number = st.column_config.NumberColumn
    table(
        [{name: line.get(name) for name in columns} for line in lines],
        alt=f"Test results and costs of {len(lines)} networks.",
        **{
            "network": st.column_config.TextColumn(pinned=True),
            score: number(format="%.2f"),
            "balanced accuracy, %": number(format="%.2f", help="Mean of the recalls of all classes."),
            "lowest recall, %": number(format="%.2f", help="Recall of the class that is recognised least."),
            "agrees with teacher, %": number(format="%.2f"),
            NLL: number(format="%.3f", help="Negative log-likelihood of the test labels; lower is better."),
            **{
                title: number(format="%.3f", help="Of the standardised test labels; lower is better.")
                for title in losses.values()
                if title != NLL
            },
            "ECE, %": number(
                format="%.2f", help="Expected calibration error: mean gap between confidence and accuracy."
            ),
            "skipped updates": number(format="localized", help="At 16 bits, for all networks of a phase alike."),
            "parameters": number(format="localized"),
            "kFLOPs": number(format="%.1f", help="Thousand operations per example; a multiply-add counts as two."),
            "file, kB": number(format="%.1f", help="All weights as float32."),
            **{name: number(format="%.3f") for name in columns if name.endswith(" ms")},
            **{name: number(format="%.4g", help=ADDED_HELP) for name in columns if name.endswith(ADDED)},
            **{one.column: number(format="%.2f", help=one.meaning) for one in declared_measures().values()},
        },
    )
    download(lambda: lines, "networks")
    _latency(results, letters)


def _value_text(name: str, text: str) -> str:
    """Return the value of a setting as the form shows it."""
    group = next((group for member, group, _ in PLUGIN_FIELDS if member == name), "")
    return find_plugin(group, text).title if group else {"": "–", "true": "yes", "false": "no"}.get(text, text)


def _setting_labels(config: RunConfig) -> dict[str, str]:
    labels = {}
    for member, _, prefix in PLUGIN_FIELDS:
        labels[member] = FACET_TITLES.get(member, member.capitalize())
        owner = f"{labels[member]}: " if prefix else ""
        for name, option in options_of(type(getattr(config, member))).items():
            labels[prefix + name] = f"{owner}{option_label(name, option)}"
    for _, kind, prefix in OPTION_GROUPS:
        owner = "Teacher: " if prefix else ""
        for name, option in options_of(kind).items():
            labels[prefix + name] = f"{owner}{option_label(name, option)}"
    return labels


def _table_row(
    result: NetworkResult, letter: str, times: dict[str, list[latency.Latency]], titles: Mapping[str, str]
) -> dict[str, Any]:
    network, measures = result.network, declared_measures()
    look = ROLES.get(roles.kind(network), ROLES["student"])
    row: dict[str, Any] = {
        "network": f"{letter} {look['glyph']} {network.role}",
        "layers": network.model,
        titles["score"]: 100 * result.accuracy,
        "balanced accuracy, %": None if result.balanced_accuracy is None else 100 * result.balanced_accuracy,
        "lowest recall, %": None if result.lowest_recall is None else 100 * result.lowest_recall,
        "agrees with teacher, %": None if result.agreement is None else 100 * result.agreement,
        titles["loss"]: result.loss,
        "ECE, %": None if result.calibration_error is None else 100 * result.calibration_error,
        **{
            measures[name].column if name in measures else f"{name}{ADDED}": (
                measures[name].factor * value if name in measures else value
            )
            for name, value in result.added.items()
        },
        "skipped updates": result.skipped,
        "parameters": network.parameters,
        "kFLOPs": network.flops / 1000,
        "file, kB": network.size / 1000,
    }
    by_batch = {time.batch: time for time in times.get(latency.latency_key(network), [])}
    for batch in latency.BATCHES:
        time = by_batch.get(batch)
        examples = "one example" if batch == 1 else f"{batch} examples"
        row[f"{examples}, ms"] = None if time is None else 1000 * time.median
        row[f"{examples}, p95, ms"] = None if time is None else 1000 * time.p95
    return row


def _latency(results: Results, letters: dict[str, str]) -> None:
    """Draw the button that measures latency, its progress, and what could not be measured."""
    meter = latency.get_latency_meter(manager.get_manager().folder)
    times = meter.measurements()
    keys = [latency.latency_key(result.network) for _, result in results]
    missing = {
        key: (row, result)
        for key, (row, result) in zip(keys, results, strict=True)
        if key not in times and not meter.failure(key)
    }
    if meter.waiting:
        st.fragment(catch_errors(_wait), run_every=0.5, key="latency")()
    elif missing:
        label = f"Measure latency here ({len(missing)} network{'s' if len(missing) > 1 else ''})"
        if action_button(label, icon=":material/timer:", key="measure", help="One or two seconds per architecture."):
            for row, result in missing.values():
                actions().do(meter.request, row.config_json, result.network)
            st.rerun()
    for key, (row, result) in zip(keys, results, strict=True):
        if reason := meter.failure(key):
            st.caption(f"{letters[row.id]} {result.network.role}: no latency. {reason}")
    if len(missing) < len(results):
        is_training = manager.get_manager().store.in_state(*manager.ACTIVE)
        st.caption(
            "Latency is the time of a forward pass on one thread of this machine’s processor, after a warm-up: the "
            "median and the 95th percentile. Networks of the same architecture share one measurement."
            + (" A run is training now, which slows new measurements down." if is_training else "")
        )


def _wait() -> None:
    waiting = latency.get_latency_meter(manager.get_manager().folder).waiting
    if not waiting:
        st.rerun()
    st.caption(f"Measuring: {waiting} to go.")
