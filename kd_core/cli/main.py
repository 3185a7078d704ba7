"""Entry point of the command line, which turns every error into a sentence and an exit status."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from kd_core.cli.parser import parse

REFUSED, FAILED, INTERRUPTED, BROKEN_PIPE = 2, 1, 130, 141  # the last two are 128 plus the number of the signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0, or 1 if it failed, 2 if its arguments or settings were refused, 130 after Ctrl-C, 141 if the reader of its
        output went away.
    """
    try:
        command, namespace = parse(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as end:
        return int(end.code or 0)
    _configure_streams()
    module, function = command.target.split(":")
    try:
        run = getattr(importlib.import_module(f"kd_core.cli.{module}"), function)
        status = int(run(namespace))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # else Python reports the broken pipe when it exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        return _report(error)
    return status


def _report(error: Exception) -> int:
    """Print an error as a sentence; return the exit status."""
    from kd_core.base.errors import StorageError

    logging.getLogger(__name__).debug("the command failed", exc_info=True)
    is_expected = isinstance(error, ValueError | RuntimeError | ImportError)
    print(error if is_expected else f"Unexpected error: {type(error).__name__}: {error}", file=sys.stderr)
    return REFUSED if isinstance(error, ValueError) and not isinstance(error, StorageError) else FAILED


class _Sentences(logging.Formatter):
    def formatException(  # noqa: N802  # the name is logging's
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return f"{ei[0].__name__}: {ei[1]}" if ei[0] else ""


def _configure_streams() -> None:
    # Python has None in place of a stream that the caller has closed.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal may lack a minus sign or an arrow
    engine = logging.getLogger("kd_core")
    if not engine.handlers:  # without one Python prints warnings with their tracebacks
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)
        handler.setFormatter(_Sentences("%(message)s"))
        engine.addHandler(handler)
