"""The data folder, held for the time of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kd_core.api.stored import open_manager
from kd_core.base.errors import StorageError
from kd_core.runs.manager import RunManager

IN_USE = (
    "Start the run in the app instead, or go on with --ephemeral, which stores nothing, or with another folder: "
    "DISTILLERY_DATA=FOLDER distillery ..."
)


@contextmanager
def held_folder() -> Iterator[RunManager]:
    """Hold the data folder and run what is started in it.

    Raises:
        RuntimeError: where the app or another terminal holds it; the message says how to go on.
        StorageError: where it cannot be written to.
    """
    with ExitStack() as stack:
        try:
            manager = stack.enter_context(open_manager())
        except StorageError:
            raise
        except ValueError as error:
            raise RuntimeError(f"{error} {IN_USE}") from error
        yield manager
