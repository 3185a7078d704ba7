"""Log of the server on stderr, as text or as one JSON object per line."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from typing import Any

log = logging.getLogger(__name__)

VARIABLE, TEXT, JSON = "DISTILLERY_LOG", "text", "json"
# Attributes of every record; all others were given by ``extra`` and are fields of the JSON object.
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}
# A name that somebody else chose must not look like another line of the log.
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, 0x85, 0x2028, 0x2029)}


class TextFormatter(logging.Formatter):
    """Formatter of one line per record, with its traceback indented below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name is logging's
        return super().formatMessage(record).translate(CONTROL)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"  {line.translate(CONTROL)}" for line in super().formatException(ei).split("\n"))


class JsonFormatter(logging.Formatter):
    """Formatter of one JSON object per record, with the fields that ``extra`` added, such as the id of a run."""

    def format(self, record: logging.LogRecord) -> str:
        milliseconds = f"{int(record.msecs):03d}"
        body: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{milliseconds}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        body |= {name: value for name, value in vars(record).items() if name not in STANDARD and name not in body}
        if record.exc_info:
            body["traceback"] = self.formatException(record.exc_info)
        return json.dumps(body, ensure_ascii=True, default=str)


def configure() -> None:
    """Send the log of everything in this process to stderr, as the environment variable DISTILLERY_LOG says."""
    requested = os.environ.get(VARIABLE, "").strip().lower() or TEXT
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if requested == JSON else TextFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    for name in ("kd_core", "pages"):
        logging.getLogger(name).setLevel(logging.INFO)
    if requested == JSON:
        _redirect(handler)
    elif requested != TEXT:
        log.warning("%s = %s: choose %s or %s", VARIABLE, requested, TEXT, JSON)


def _redirect(handler: logging.Handler) -> None:
    """Send to the log what others print, Streamlit's lines, warnings and exceptions that nothing caught."""
    from streamlit import cli_util
    from streamlit import logger as streamlit_loggers

    def set_handler(logger: logging.Logger) -> None:
        for other in [other for other in logger.handlers if other is not handler]:
            logger.removeHandler(other)
        logger.addHandler(handler)

    streamlit_loggers.setup_formatter = set_handler  # of loggers that are made later
    streamlit_loggers.update_formatter()
    logging.captureWarnings(True)
    cli_util.print_to_cli = lambda message, **_: log.info("%s", message.strip()) if message.strip() else None

    def uncaught(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        log.critical("uncaught exception", exc_info=(kind, error, traceback))

    def uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    sys.excepthook, threading.excepthook = uncaught, uncaught_in_thread
