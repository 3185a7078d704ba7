"""File of measurements that are made once for the weights of a run."""

from __future__ import annotations

import json
import os
import threading
import uuid
from pathlib import Path
from typing import Any

_lock = threading.Lock()  # of all files, since sessions share a process and write seldom


class MeasurementCache:
    """JSON file of values by key. A file that is missing or damaged holds nothing, and measuring again is quick."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or ``default``."""
        return self._read().get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Store a value that JSON can hold; a full disk costs the cache alone."""
        with _lock:
            body = self._read() | {key: value}
            part = self.path.with_name(f".{uuid.uuid4().hex}.part")
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                part.write_text(json.dumps(body), encoding="utf-8")
                os.replace(part, self.path)  # noqa: PTH105
            except OSError:
                part.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            body = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return body if isinstance(body, dict) else {}
