"""Trained teachers on disk, by what determines them: trained once, found by every later run."""

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
    """Key: everything that determines a phase, as text. Value: its networks, and the events it said."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def __getitem__(self, key: str) -> tuple[Checkpoint, list[Event]]:
        try:
            state = Checkpoint.read(self._path(key))
            said = [from_json(text) for text in state.values["events"]]
        except (OSError, ValueError, KeyError, TypeError):
            # A damaged file, or one of another version, costs the time to train again, and nothing else.
            raise KeyError(key) from None
        if state.values["key"] != key:
            raise KeyError(key)
        return state, said

    def __setitem__(self, key: str, value: tuple[Checkpoint, list[Event]]) -> None:
        state, said = value
        values = {**state.values, "key": key, "events": [to_json(event) for event in said]}
        try:
            Checkpoint(state.tensors, values).write(self._path(key))
        except OSError as error:  # costs the next run the time to train it again, and this one nothing
            log.warning("a trained teacher could not be kept: %s", error)

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        for path in sorted(self.folder.glob("*.safetensors")):
            with contextlib.suppress(OSError, ValueError, KeyError):  # a damaged file is as good as none
                yield Checkpoint.read(path).values["key"]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.safetensors"
