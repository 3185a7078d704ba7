"""Start-up check of a data folder for orphaned files and for runs without a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kd_core.files.checkpoint import PART_SUFFIX
from kd_core.store.records import ACTIVE, COMPLETED, INTERRUPTED, STOPPED
from kd_core.store.store import Store

log = logging.getLogger(__name__)

ARTEFACT_FOLDERS = ("runs", "sweeps")
MAX_LISTED = 5  # ids in a sentence


@dataclass(frozen=True)
class IntegrityReport:
    """Ids of runs and sweeps for which rows and files do not match."""

    interrupted: tuple[str, ...] = ()  # can be resumed
    stopped_without_checkpoint: tuple[str, ...] = ()
    completed_without_checkpoint: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()  # folders without a row

    @property
    def sentences(self) -> list[str]:
        """Warnings for the user; interrupted runs are normal and need none."""
        warnings = {
            "The checkpoint of {} is no longer in the data folder: resuming starts from the beginning.":
                self.stopped_without_checkpoint,
            "The checkpoint of {} is no longer in the data folder; the results are complete.":
                self.completed_without_checkpoint,
            "The data folder holds files of {}, which no stored run knows of. You may remove them.": self.orphans,
        }  # fmt: skip
        return [text.format(_list_runs(ids)) for text, ids in warnings.items() if ids]


def check_integrity(folder: Path, store: Store) -> IntegrityReport:
    """Compare files with rows; remove the unfinished files of the last process, and nothing else."""
    for part in [*folder.glob(f"*/*{PART_SUFFIX}"), *folder.glob(f"*/*/**/*{PART_SUFFIX}")]:
        if part.relative_to(folder).parts[0] in (*ARTEFACT_FOLDERS, "teachers"):
            part.unlink(missing_ok=True)
    # A run that is still active was active when the last process ended and could not update its row.
    states = {run: INTERRUPTED if state in ACTIVE else state for run, state in store.states().items()}
    with_checkpoint = {
        path.parent.name for kind in ARTEFACT_FOLDERS for path in folder.glob(f"{kind}/*/checkpoint*.safetensors")
    }
    with_folder = {path.name for kind in ARTEFACT_FOLDERS for path in folder.glob(f"{kind}/*") if path.is_dir()}

    exempt = with_checkpoint | store.searches()  # a search goes on from its stored trials

    def without_checkpoint(wanted: str) -> tuple[str, ...]:
        return tuple(run for run, state in states.items() if state == wanted and run not in exempt)

    report = IntegrityReport(
        interrupted=tuple(run for run, state in states.items() if state == INTERRUPTED),
        stopped_without_checkpoint=without_checkpoint(STOPPED),
        completed_without_checkpoint=without_checkpoint(COMPLETED),
        orphans=tuple(sorted(with_folder - set(states))),
    )
    for sentence in report.sentences:
        log.warning("%s", sentence)
    return report


def _list_runs(ids: Iterable[str]) -> str:
    runs = list(ids)
    more = f" and {len(runs) - MAX_LISTED} more" if len(runs) > MAX_LISTED else ""
    return ("run " if len(runs) == 1 else "the runs ") + ", ".join(runs[:MAX_LISTED]) + more
