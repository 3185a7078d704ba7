"""Metrics of the server in the text format of Prometheus, on a port of their own that is closed by default."""

from __future__ import annotations

import logging
import os
import platform
import re
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from streamlit import runtime

from kd_core import __version__

log = logging.getLogger(__name__)

VARIABLE, LOOPBACK = "DISTILLERY_METRICS", "127.0.0.1"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_TIMEOUT = 5.0  # seconds
SESSIONS = "active_sessions"  # Streamlit's name for them
HELP = {
    "distillery_info": ("gauge", "Versions, as labels."),
    "distillery_runs": ("gauge", "Stored runs by state."),
    "distillery_events_written_total": ("counter", "Events written to the store by this process."),
    "distillery_sessions": ("gauge", "Open browser sessions."),
    "distillery_pages_total": ("counter", "Pages drawn, each rerun of a page included."),
    "distillery_page_seconds_total": ("counter", "Seconds that drawing them took."),
    "distillery_errors_total": ("counter", "Errors with an id in the log."),
    "distillery_logins_total": ("counter", "Attempts to log in as a presenter, by result."),
    "distillery_database_bytes": ("gauge", "Size of the database with its log."),
    "distillery_disk_free_bytes": ("gauge", "Free space of the disk with the data folder."),
    "process_cpu_seconds_total": ("counter", "User and system time of this process."),
    "process_resident_memory_bytes": ("gauge", "Resident memory of this process."),
    "process_threads": ("gauge", "Threads of Python."),
    "process_start_time_seconds": ("gauge", "Start of the app in this process, in seconds since 1970."),
}
Sample = tuple[str, dict[str, str], float]

_started = time.time()
_counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
_lock = threading.Lock()


def count(name: str, amount: float = 1.0, **labels: str) -> None:
    """Add to a counter of :data:`HELP`."""
    with _lock:
        _counts[name, tuple(sorted(labels.items()))] += amount  # type: ignore[assignment]  # a Counter takes any number


def text() -> str:
    """Return all metrics as of now."""
    lines: dict[str, list[str]] = {name: [] for name in HELP}
    for name, labels, value in samples():
        listed = ",".join(f'{label}="{_escape(content)}"' for label, content in labels.items())
        lines[name].append(f"{name}{f'{{{listed}}}' if listed else ''} {value:.17g}")
    blocks = [
        f"# HELP {name} {HELP[name][1]}\n# TYPE {name} {HELP[name][0]}\n" + "\n".join(samples_of)
        for name, samples_of in lines.items()
        if samples_of
    ]
    return "\n".join(blocks) + "\n"


def samples() -> Iterator[Sample]:
    """Yield name, labels and value of every metric."""
    yield "distillery_info", {"version": __version__, "python": platform.python_version()}, 1
    with _lock:
        counts = dict(_counts)
    yield from ((name, dict(labels), value) for (name, labels), value in counts.items())
    if runtime.exists():
        statistics = runtime.get_instance().stats_mgr.get_stats([SESSIONS])
        yield "distillery_sessions", {}, sum(getattr(one, "value", 0) for one in statistics.get(SESSIONS, ()))
    yield from _store()
    yield "process_cpu_seconds_total", {}, time.process_time()
    yield "process_threads", {}, threading.active_count()
    yield "process_start_time_seconds", {}, _started
    status = Path("/proc/self/status")
    if status.exists() and (resident := re.search(r"VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii"))):
        yield "process_resident_memory_bytes", {}, int(resident[1]) * 1024


def _store() -> Iterator[Sample]:
    from kd_core.runs import manager  # slow to import, and not needed before the first page
    from kd_core.store.backup import size_of

    runs = manager.opened_manager()
    if runs is None:
        return
    for state, number in runs.store.count_by_state().items():
        yield "distillery_runs", {"state": state}, number
    yield "distillery_events_written_total", {}, runs.store.events_written
    yield "distillery_database_bytes", {}, size_of(runs.store.path)
    yield "distillery_disk_free_bytes", {}, shutil.disk_usage(runs.folder).free


def _escape(content: str) -> str:
    return content.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT

    def do_GET(self) -> None:  # the name is that of the base class
        """Answer ``/metrics``, and nothing else."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        try:
            body = text().encode()
        except Exception:
            log.exception("the metrics cannot be read")
            self.send_error(500)
            return
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


def address(setting: str) -> tuple[str, int]:
    """Return the host and the port of a setting, by default on this machine alone. Raises ValueError."""
    host, _, port = setting.rpartition(":")
    host = host.strip("[]") or LOOPBACK
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f'{VARIABLE} = "{setting}": write a port such as 9464, or an address such as 0.0.0.0:9464.')
    return host, int(port)


def serve() -> ThreadingHTTPServer | None:
    """Serve the metrics where the environment variable DISTILLERY_METRICS says, in a thread.

    An address that cannot be used is reported in the log, and the app goes on without metrics.
    """
    setting = os.environ.get(VARIABLE, "").strip()
    if not setting:
        return None
    try:
        host, port = address(setting)
        server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
    except (ValueError, OSError) as error:
        log.error("no metrics are served: %s", error)  # the sentence says it all
        return None
    thread = threading.Thread(target=server.serve_forever, name="serving metrics", daemon=True)
    thread.start()
    log.info("metrics on http://%s:%s/metrics", host, port)
    return server
