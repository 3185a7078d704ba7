"""Cache of trained teachers on disk, by everything that determines their training."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from kd_core.base.events import Event, from_json, to_json
from kd_core.files.checkpoint import Checkpoint

log = logging.getLogger(__name__)


class TeacherCache(MutableMapping[str, tuple[Checkpoint, list[Event]]]):
    """Mapping from everything that determines a phase, as text, to its networks and events."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def __getitem__(self, key: str) -> tuple[Checkpoint, list[Event]]:
        try:
            state = Checkpoint.read(self._path(key))
            events = [from_json(text) for text in state.values["events"]]
        except (OSError, ValueError, KeyError, TypeError):
            # After a damaged file or one of another version the teacher is trained again.
            raise KeyError(key) from None
        if state.values["key"] != key:
            raise KeyError(key)
        return state, events

    def __setitem__(self, key: str, value: tuple[Checkpoint, list[Event]]) -> None:
        state, events = value
        values = {**state.values, "key": key, "events": [to_json(event) for event in events]}
        try:
            Checkpoint(state.tensors, values).write(self._path(key))
        except OSError as error:  # this run goes on; the next one trains the teacher again
            log.warning("a trained teacher could not be stored: %s", error)

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        for path in sorted(self.folder.glob("*.safetensors")):
            with contextlib.suppress(OSError, ValueError, KeyError):  # damaged files are skipped
                yield Checkpoint.read(path).values["key"]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.safetensors"
