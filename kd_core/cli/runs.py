"""Commands ``runs``, which lists, shows and deletes stored runs, and ``export`` and ``report``."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from typing import Any

from kd_core.api.search import summarise_search
from kd_core.api.stored import StoredRun, open_store
from kd_core.api.sweep import summarise
from kd_core.base.errors import StorageError
from kd_core.base.events import Prepared
from kd_core.base.marks import percent
from kd_core.base.paths import data_folder
from kd_core.base.registry import short_name
from kd_core.cli.folder import held_folder
from kd_core.cli.output import print_recalls, table
from kd_core.cli.parser import settings_of
from kd_core.cli.sweep import print_cells, print_search, search_as_json, sweep_as_json
from kd_core.runs.sweeps.search_results import collect_search
from kd_core.store.records import ACTIVE, Run, SweepRow
from kd_core.store.store import Store


def runs(arguments: Namespace) -> int:
    """List, show or delete stored runs."""
    if arguments.action == "list":
        return _list(arguments)
    if not arguments.run:
        raise ValueError(f"Which run? Write: distillery runs {arguments.action} RUN")
    return _delete(arguments.run) if arguments.action == "delete" else _show(arguments.run, as_json=arguments.json)


def _list(arguments: Namespace) -> int:
    try:
        store = open_store()
    except StorageError:
        raise
    except ValueError:
        print("[]" if arguments.json else f"Nothing is stored in {data_folder()} yet.")
        return 0
    rows: list[Run | SweepRow] = [*store.runs(arguments.limit), *store.sweeps(arguments.limit)]
    rows = sorted(rows, key=lambda row: row.created, reverse=True)[: arguments.limit]
    described = [_describe(row) for row in rows]
    if arguments.json:
        print(json.dumps(described, ensure_ascii=False))
        return 0
    header = ("id", "started", "state", "student", "baseline", "what")
    print(table(header, ([_text(row[column]) for column in header] for row in described)))
    return 0


def _describe(row: Run | SweepRow) -> dict[str, Any]:
    """Return one row of the list with accuracies on the test set in [0, 1], or None where there is none."""
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created))
    described: dict[str, Any] = {
        "id": row.id,
        "started": started,
        "state": row.state,
        "student": None,
        "baseline": None,
    }
    if isinstance(row, SweepRow):
        body = json.loads(row.sweep_json)
        varied = ", ".join(option for option, _ in body["axes"]) or "the seed"
        what = "search" if row.is_search else "sweep"
        return {**described, "what": f"{what} of {varied}: {_parts(body['base'])}", "name": row.annotations.name}
    accuracies = {role: metrics["accuracy"] for role, metrics in (row.test or {}).items()}
    described |= {role: accuracies.get(role) for role in ("student", "baseline")}
    what = f"{_parts(json.loads(row.config_json))}, seed {row.seed}"
    return {**described, "what": what, "name": row.annotations.name}


def _parts(config: dict[str, Any]) -> str:
    """Return the parts of a configuration in words, whether or not this installation has them."""
    parts = {part: body for part, body in config.items() if isinstance(body, dict) and "name" in body}
    names = {part: short_name(body["name"]) for part, body in parts.items()}
    scheme = "" if names["scheme"] == "offline" else f", {names['scheme']}"
    return f"{names['dataset']}, {names['teacher']} to {names['student']}, {names['method']}{scheme}"


def _text(value: object) -> str:
    return percent(value) if isinstance(value, float) else "" if value is None else str(value)


def _show(run: str, *, as_json: bool) -> int:
    store = open_store()
    row, sweep = store.run(run), store.sweep(run)
    if sweep is not None:
        return _show_sweep(store, sweep, as_json=as_json)
    if row is None:
        raise ValueError(f"There is no run {run}. “distillery runs” lists those that are stored.")
    stored = StoredRun(store, row)
    body = {
        **_describe(row),
        "seconds": row.seconds,
        "settings": stored.config.differences(),
        "test": stored.test,
        "verdict": stored.verdict.sentence,
    }
    if as_json:
        print(json.dumps(body, ensure_ascii=False))
        return 0
    print(f"{row.id}  {row.state}  {row.seconds:.0f} s  {body['started']}  {row.annotations.name}".rstrip())
    settings = {name: short_name(text) for name, text in stored.config.differences().items()}
    print("Settings: " + " ".join(f"{name}={text}" for name, text in settings.items()))
    prepared = next((event for event in stored.events if isinstance(event, Prepared)), None)
    lines = [
        [network.role, network.model, f"{network.parameters:,}", percent(stored.test[network.role]["accuracy"])]
        for network in (prepared.networks if prepared else [])
        if network.role in stored.test
    ]
    if lines:
        print(table(("network", "kind", "parameters", f"test {stored.config.dataset.task.score_title}"), lines))
        print_recalls(stored.test, prepared.classes if prepared else [])
    print(stored.verdict.sentence)
    return 0


def _show_sweep(store: Store, row: SweepRow, *, as_json: bool) -> int:
    if row.is_search:
        return _show_search(store, row, as_json=as_json)
    results = [StoredRun(store, run) for run in store.members(row.id)]
    summary = summarise(row.sweep, results)
    if as_json:
        print(json.dumps({**_describe(row), **sweep_as_json(summary)}, ensure_ascii=False))
        return 0
    print(f"{row.id}  {row.state}  {row.seconds:.0f} s  {_describe(row)['what']}")
    print_cells(row.sweep.base, summary)
    print(table(("run", "seed", "state"), ([one.id, str(one.config.seed), one.state] for one in results)))
    if summary.best is not None and summary.best.results:
        print(summary.best.verdict.sentence)
    return 0


def _show_search(store: Store, row: SweepRow, *, as_json: bool) -> int:
    results = collect_search(store, row)
    result = summarise_search(store, results)
    if as_json:
        print(json.dumps({**_describe(row), **search_as_json(result)}, ensure_ascii=False))
        return 0
    print(f"{row.id}  {row.state}  {row.seconds:.0f} s  {_describe(row)['what']}")
    print_search(results.search.base, result, as_json=False)
    return 0


def _delete(run: str) -> int:
    with held_folder("Or delete it in the app.") as manager:
        row = manager.store.run(run)
        if row is not None and row.sweep:
            raise ValueError(f"The run {run} is part of a sweep. Delete all of it: distillery runs delete {row.sweep}")
        count = manager.trash.delete(run).count
        manager.trash.empty(manager.folder)
    print(f"Deleted {run}" + (f" with its {count} runs." if count > 1 else "."))
    return 0


def export(arguments: Namespace) -> int:
    """Write a stored run, or one of its networks, to a file."""
    settings = settings_of(arguments.settings)
    if unknown := settings.keys() - {"to", "out", "role"}:
        raise ValueError(f"{min(unknown)}: write to=FORMAT, out=FILE or role=NETWORK.")
    return _write(arguments.run, settings.get("to", "zip"), settings.get("out", ""), settings.get("role", ""))


def report(arguments: Namespace) -> int:
    """Write the report of a stored run as one HTML file."""
    return _write(arguments.run, "html", arguments.file, "")


def _write(run: str, to: str, out: str, role: str) -> int:
    from kd_core.export import formats  # loads the data and drawing code

    store = open_store()
    stored = StoredRun(store, formats.find_run(store, run))
    path, exported = formats.write(store, run, to, out, role, lambda: stored.networks)
    print(f"{formats.find_format(to).title} in {path}" + (", marked as unfinished." if stored.state in ACTIVE else "."))
    for sentence in (*exported.notes, *exported.missing) if exported else ():
        print(sentence)
    return 0
