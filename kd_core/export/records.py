"""Records of a run as CSV, parquet and JSON."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kd_core.analysis import comparison
from kd_core.base.events import Event, Finished, Step, Validated
from kd_core.files.csv_writer import to_csv
from kd_core.store.queries import RunQueries
from kd_core.store.store import Run, Store

PARQUET = "Parquet needs pyarrow and pandas: pip install pyarrow pandas."


class HistoryRow(NamedTuple):
    """One value of one network at one step; see :class:`kd_core.api.result.History`."""

    phase: str
    step: int
    role: str
    part: str
    value: float


def history_rows(events: Iterable[Event]) -> Iterator[HistoryRow]:
    """Yield the parts of the training loss, their sum and the evaluations on the validation set, in order."""
    for event in events:
        if isinstance(event, Step):
            for role, parts in event.parts.items():
                for part, (_, weighted) in parts.items():
                    yield HistoryRow(event.phase, event.step, role, part, weighted)
                yield HistoryRow(event.phase, event.step, role, "loss", event.loss[role])
        elif isinstance(event, Validated):
            for part in ("accuracy", "loss", "agreement"):
                for role, value in getattr(event, part).items():
                    yield HistoryRow(event.phase, event.step, role, f"validation_{part}", value)


def record_rows(store: Store, run: Run) -> list[dict[str, Any]]:
    """Return the history of a run and its test metrics as one table, with id, name and state of the run in each row."""
    about = {"run": run.id, "name": run.annotations.name, "state": run.state}
    rows: list[HistoryRow] = []
    for _, event in store.iter_events(run.id, kinds=("step", "validated", "finished")):
        rows += history_rows([event])
        if isinstance(event, Finished):
            rows += (
                HistoryRow(event.phase, event.step, role, f"test_{name}", float(value))
                for role, metrics in event.test.items()
                for name, value in metrics.items()
                if isinstance(value, int | float)
            )
    return [about | row._asdict() for row in rows]


def csv_record(store: Store, run: Run) -> bytes:
    """Return :func:`record_rows` as CSV."""
    return to_csv(record_rows(store, run))


def parquet_record(store: Store, run: Run) -> bytes:
    """Return :func:`record_rows` as parquet, with the configuration in its metadata. Raises ImportError."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(PARQUET) from error
    rows, buffer = record_rows(store, run), io.BytesIO()
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"distillery": json.dumps(json_summary(store, run))})
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def json_record(store: Store, run: Run) -> bytes:
    """Return the record of a run as JSON, with settings, networks, verdict, test metrics and history."""
    prepared = RunQueries(store).prepared(run.id)
    networks = [vars(network) for network in prepared.networks] if prepared else []
    rows = [row._asdict() for _, event in store.iter_events(run.id) for row in history_rows([event])]
    return as_json(json_summary(store, run) | {"networks": networks, "test": run.test or {}, "history": rows})


def json_summary(store: Store, run: Run) -> dict[str, Any]:
    """Return what determined a run and what came of it, as plain values."""
    verdict, _ = comparison.family_verdict(store, run)
    return {
        "run": run.id, "name": run.annotations.name, "note": run.annotations.note, "tags": list(run.annotations.tags),
        "state": run.state, "created": run.created, "seconds": run.seconds, "seed": run.seed,
        "settings": run.config.flat(), "config": json.loads(run.config_json),
        "verdict": None if verdict is None else {
            "outcome": verdict.outcome, "sentence": verdict.sentence, "gain": verdict.gain,
            "interval": verdict.interval, "p_value": verdict.p_value, "seeds": verdict.seeds,
        },
    }  # fmt: skip


def as_json(value: Any) -> bytes:
    """Return plain values as indented JSON; what is not finite becomes null, since strict JSON has no such numbers."""
    return (json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
