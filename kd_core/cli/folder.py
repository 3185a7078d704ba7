"""The data folder, held for the time of a command, and Ctrl-C during it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kd_core.api.stored import open_manager
from kd_core.base.devices import CLUSTER, CLUSTER_VARIABLE
from kd_core.base.errors import StorageError
from kd_core.runs.cluster.connection import check_address, check_installed
from kd_core.runs.cluster.executor import ClusterGoneError
from kd_core.runs.manager import RunManager

EPHEMERAL = "Or start the run in the app, or add --ephemeral, which stores nothing."


def choose_cluster(settings: dict[str, str], *, is_stored: bool = True) -> None:
    """Take ``on=ADDRESS`` out of settings, and let the run train on the Ray cluster there.

    Raises ValueError for anything but an address, without Ray, and where nothing is stored.
    """
    address = settings.pop("on", "")
    if address:
        check_address(address)
    if not is_stored and (address or settings.get("device") == CLUSTER):
        name = f"on = {address}" if address else f"device = {CLUSTER}"
        raise ValueError(f"{name}: what comes back from a cluster is stored: leave out --ephemeral.")
    if not address:
        return
    if settings.get("device", CLUSTER) != CLUSTER:
        raise ValueError(f"on = {address}: a cluster chooses the device itself: leave out device={settings['device']}.")
    try:
        check_installed()
    except ClusterGoneError as error:
        raise ValueError(f"on = {address}: {error}") from error
    os.environ[CLUSTER_VARIABLE] = address
    settings["device"] = CLUSTER


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
            manager = stack.enter_context(open_manager(what="a terminal"))
        except StorageError:
            raise
        except ValueError as error:
            raise RuntimeError(f"{error} {advice}") from error
        yield manager


def stop_or_interrupt(manager: RunManager, run: str, *, is_stopping: bool) -> None:
    """Answer a Ctrl-C, within its ``except`` clause. The first one stops a run or sweep, the second one is raised."""
    if is_stopping:
        print(f"Interrupted. Continue with: distillery resume {run}", file=sys.stderr)
        raise  # noqa: PLE0704  # the KeyboardInterrupt that the caller handles
    manager.stop(run)


def report_stopped(run: str) -> int:
    """Say how a stopped run or sweep is resumed; return the exit status of a program that Ctrl-C ended."""
    print(f"Stopped. Continue with: distillery resume {run}", file=sys.stderr)
    return 130
