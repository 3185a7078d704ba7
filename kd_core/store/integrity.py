"""What is found in a data folder at the start: checkpoints that no run knows of, and runs whose checkpoint is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kd_core.files.checkpoint import PART_SUFFIX
from kd_core.store.records import ACTIVE, COMPLETED, INTERRUPTED, STOPPED
from kd_core.store.store import Store

log = logging.getLogger(__name__)

PLACES = {"runs": "run", "sweeps": "sweep"}  # folders of artefacts
SHOWN = 5  # names in a sentence


@dataclass(frozen=True)
class IntegrityReport:
    """Ids of runs and sweeps. ``interrupted``: they can go on; ``lost``: stopped ones, and ``bare``: completed ones,
    whose checkpoint is gone; ``orphans``: folders that belong to none."""

    interrupted: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """What is to be said about it; nothing about what is as it should be. Interrupted runs are none of it."""
        said = {
            "The checkpoint of {} is no longer in the data folder: who goes on begins anew.": self.lost,
            "The checkpoint of {} is no longer in the data folder; its results are complete.": self.bare,
            "The data folder holds files of {}, which no stored run knows of. You may remove them.": self.orphans,
        }
        return [words.format(_named(ids)) for words, ids in said.items() if ids]


def check_integrity(folder: Path, store: Store) -> IntegrityReport:
    """Compares artefacts with rows; removes what was being written when the last process ended, and nothing else."""
    for part in [*folder.glob(f"*/*{PART_SUFFIX}"), *folder.glob(f"*/*/*{PART_SUFFIX}")]:
        if part.relative_to(folder).parts[0] in (*PLACES, "teachers"):
            part.unlink(missing_ok=True)
    # What still counts as active was so when the last process ended, and its row could not be written yet.
    known = {run: INTERRUPTED if state in ACTIVE else state for run, state in store.states().items()}
    there = {path.parent.name for place in PLACES for path in folder.glob(f"{place}/*/checkpoint*.safetensors")}
    kept = {path.name for place in PLACES for path in folder.glob(f"{place}/*") if path.is_dir()}

    def without(state: str) -> tuple[str, ...]:
        return tuple(run for run, own in known.items() if own == state and run not in there)

    found = IntegrityReport(
        interrupted=tuple(run for run, own in known.items() if own == INTERRUPTED),
        lost=without(STOPPED), bare=without(COMPLETED), orphans=tuple(sorted(kept - set(known))),
    )  # fmt: skip
    for sentence in found.sentences:
        log.warning("%s", sentence)
    return found


def _named(ids: Iterable[str]) -> str:
    named = list(ids)
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return ("run " if len(named) == 1 else "the runs ") + ", ".join(named[:SHOWN]) + more
