"""The data folder, held for the time of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kd_core.api.stored import open_manager
from kd_core.base.errors import StorageError
from kd_core.runs.manager import RunManager

EPHEMERAL = "Or start the run in the app, or add --ephemeral, which stores nothing."


@contextmanager
def held_folder(advice: str = EPHEMERAL) -> Iterator[RunManager]:
    """Hold the data folder and run what is started in it.

    Args:
        advice: a sentence for the case that the folder is in use.

    Raises:
        RuntimeError: where the app or another terminal holds it.
        StorageError: where it cannot be written to.
    """
    with ExitStack() as stack:
        try:
            manager = stack.enter_context(open_manager())
        except StorageError:
            raise
        except ValueError as error:
            raise RuntimeError(f"{error} {advice}") from error
        yield manager
