"""Networks, test metrics, history and verdict of one run."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from torch import nn

from kd_core.analysis.verdict import FAILED, Verdict, count_skipped, skipped_sentence, verdict
from kd_core.base.events import Event, Failed, Finished
from kd_core.config.comparison import TestMetrics
from kd_core.config.plan import TEACHER
from kd_core.config.run import RunConfig
from kd_core.export import formats
from kd_core.export.records import HistoryRow, history_rows
from kd_core.nn.inference import freeze
from kd_core.schemes import comparison_of
from kd_core.store.records import INTERRUPTED
from kd_core.store.store import DATABASE, Store

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


class History:
    """Curves of a run, row by row in the order of training.

    ``part`` is the name of a part of the training loss, times its weight, in nats; "loss", the sum of these parts; or
    "validation_accuracy", "validation_agreement" (fractions in [0, 1]) or "validation_loss" (nats). Steps count from 1
    in each phase. Runs that were trained together, as in a sweep, have validation rows only.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[HistoryRow]:
        return history_rows(self._events)

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a data frame. Raises ImportError without pandas."""
        return data_frame(list(self), HistoryRow._fields)


class Result:
    """One run and the networks that it trained.

    Attributes:
        config: what determined the run.
        events: everything that happened, in order; see :mod:`kd_core.base.events`.
        id: the id under which the run is stored; "" if it is not.
    """

    def __init__(
        self, config: RunConfig, events: Sequence[Event], networks: Mapping[str, nn.Module], run: str = ""
    ) -> None:
        self.config, self.id = config, run
        self._events, self._networks = events, networks

    @property
    def events(self) -> Sequence[Event]:
        return self._events

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Every network of the run by role, on the CPU, in eval mode and without gradients."""
        return {role: freeze(network.cpu()) for role, network in self._networks.items()}

    @property
    def student(self) -> nn.Module:
        """The distilled student. Raises ValueError if the run ended before there was one."""
        network = self.networks.get(comparison_of(self.config).role)
        if network is None:
            raise ValueError("This run has no student: it ended before one was trained, or kept no weights.")
        return network

    @property
    def teacher(self) -> nn.Module | None:
        """The teacher; None under a scheme that has no network of that role."""
        return self.networks.get(TEACHER)

    @property
    def baseline(self) -> nn.Module | None:
        """The same student trained without a teacher; None if ``control=False`` left it out."""
        return self.networks.get(comparison_of(self.config).control)

    @property
    def history(self) -> History:
        """Training and validation curves."""
        return History(self.events)

    @property
    def outcome(self) -> str:
        """State, "completed", "stopped" or "failed"; "" while the run has no end."""
        return self._finished.outcome if self._finished else ""

    @property
    def test(self) -> TestMetrics:
        """Metrics on the test set by role. Accuracy, agreement and calibration error are in [0, 1], loss in nats."""
        return self._finished.test if self._finished else {}

    @property
    def verdict(self) -> Verdict:
        """Student against baseline on the test set; printed, it is a sentence. A failed run has none.

        The sentence ends with the number of updates that were skipped at 16 bits, if there were any.
        """
        if self.outcome == "failed":
            return FAILED
        result = verdict([self.test], comparison_of(self.config))
        skipped = skipped_sentence(count_skipped(self.events))
        return replace(result, sentence=f"{result.sentence} {skipped}".rstrip())

    def export(self, to: str = "zip", out: str | Path | None = None, role: str = "") -> Path:
        """Write the run, or one of its networks, to a file; return the path.

        Args:
            to: "zip" for a network with everything that is needed to use it; "safetensors", "onnx" or "pt2" for the
                network alone; "code" or "notebook" for the run in plain PyTorch; "csv", "json" or "parquet" for its
                record; "html" for its report.
            out: path of the file, or a folder for it; by default the current one.
            role: of the network, "student", "teacher", "baseline" or another; by default the student that the verdict
                is about.

        Raises:
            ValueError: for an unknown format, network or folder, and for a network that is not a result since the run
                failed.
            ImportError: if the format needs a package that is not installed. What a ZIP lacks is logged.
        """
        with self._stored() as (store, run):
            path, exported = formats.write(store, run, to, out, role, lambda: self.networks)
        for sentence in exported.missing if exported else ():
            log.warning("%s", sentence)
        return path

    @contextmanager
    def _stored(self) -> Iterator[tuple[Store, str]]:
        """Give a store that holds the run, and its id there; the id of equal configurations is the same."""
        run = hashlib.sha256(self.config.to_json().encode()).hexdigest()[:10]
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            store = Store(Path(folder) / DATABASE)
            store.add(run, self.config, INTERRUPTED)
            store.append(run, 1, [(0.0, event) for event in self.events])
            store.set_state(run, self.outcome or INTERRUPTED)
            yield store, run

    @property
    def error(self) -> str:
        """The sentence with which the run failed; "" if it did not."""
        return next((event.message for event in self.events if isinstance(event, Failed)), "")

    @property
    def _finished(self) -> Finished | None:
        last = self.events[-1] if self.events else None
        return last if isinstance(last, Finished) else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id or 'not stored'}: {self.verdict}>"


def data_frame(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a data frame. Raises ImportError without pandas."""
    try:
        import pandas as pd
    except ImportError as error:
        message = "to_pandas() needs pandas, which is not installed: pip install pandas."
        raise ImportError(message) from error
    return pd.DataFrame(rows, columns=list(columns))
