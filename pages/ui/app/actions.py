"""The one way from a page to anything that changes something: runs, uploads, weights, what is fetched or measured.

Whether a session may act is asked at the moment of acting, whatever its page showed: a browser can send what it likes,
also the click on a button that is not there.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any, BinaryIO

import streamlit as st

from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.datasets import Dataset
from kd_core.files import uploads
from kd_core.models import Model
from kd_core.nn import weights
from kd_core.runs import downloads, manager
from kd_core.runs.manager import RunManager
from kd_core.schemes import plan_of
from kd_core.store.annotations import Annotations
from pages.ui.app import auth
from pages.ui.app.quotas import Quotas
from pages.ui.text.escape import escape_markdown

log = logging.getLogger(__name__)


WISHES = ("pause", "resume", "step", "stop")


class NotAllowedError(ValueError):
    """A viewer asked for what only presenters may do."""


class Actions:
    """What a session does that may act. Everything raises ValueError with a sentence where it is refused."""

    def __init__(self, shared: RunManager, owner: str, limits: Quotas) -> None:
        self._runs, self._owner, self._limits = shared, owner, limits

    # -- runs --------------------------------------------------------------------------------------------------------

    def start(self, config: RunConfig, pace: float = 0.0) -> str:
        """As :meth:`RunManager.start`, within the limits of a session."""
        self._afford(config)
        return self._runs.start(config, pace, self._owner)

    def start_sweep(self, sweep: Sweep) -> str:
        """As :meth:`RunManager.start_sweep`, within the limits of a session."""
        self._limits.check_sweep(sweep.count)
        self._afford(sweep.base)
        return self._runs.start_sweep(sweep, self._owner)

    def resume_from_checkpoint(self, run: str) -> None:
        """As :meth:`RunManager.resume_from_checkpoint`, within the limits of a session."""
        self._limits.check_queue(self._runs.waiting_count(self._owner))
        self._limits.check_disk(self._runs.folder)
        self._runs.resume_from_checkpoint(run, self._owner)

    def pause(self, run: str) -> None:
        """As :meth:`RunManager.pause`."""
        self._runs.pause(run)

    def resume(self, run: str) -> None:
        """As :meth:`RunManager.resume`."""
        self._runs.resume(run)

    def step(self, run: str) -> None:
        """As :meth:`RunManager.step`."""
        self._runs.step(run)

    def stop(self, run: str) -> None:
        """As :meth:`RunManager.stop`."""
        self._runs.stop(run)

    def set_pace(self, run: str, seconds: float) -> None:
        """As :meth:`RunManager.set_pace`."""
        self._runs.set_pace(run, seconds)

    def adjust(self, run: str, **options: float | str) -> None:
        """As :meth:`RunManager.adjust`."""
        self._runs.adjust(run, **options)

    # -- data and weights --------------------------------------------------------------------------------------------

    def add_upload(self, name: str, file: BinaryIO, pixels: int, colour: str) -> uploads.Upload:
        """As :func:`uploads.add`, within the limits."""
        self._afford_file(file.seek(0, 2))
        return uploads.add(name, file, pixels, colour)

    def remove_upload(self, key: str) -> None:
        """As :func:`uploads.remove`."""
        uploads.remove(key)

    def add_weights(self, name: str, blob: bytes, model: Model, shape: tuple[int, ...], classes: int) -> str:
        """As :func:`weights.add`, within the limits."""
        self._afford_file(len(blob))
        return weights.add(name, blob, model, shape, classes)

    def download(self, dataset: Dataset) -> None:
        """As :func:`errands.begin`."""
        self._limits.check_disk(self._runs.folder)
        downloads.start(dataset)

    def stop_download(self, dataset: Dataset) -> None:
        """As :func:`errands.stop`."""
        downloads.stop(dataset)

    # -- what is said of runs, and the bin ---------------------------------------------------------------------------

    def label(self, run: str, labels: Annotations) -> None:
        """As :meth:`AnnotationStore.write`."""
        self._runs.annotation_store.write(run, labels)

    def pin(self, run: str, *, is_pinned: bool) -> None:
        """As :meth:`AnnotationStore.pin`."""
        self._runs.annotation_store.pin(run, is_pinned=is_pinned)

    def delete(self, run: str) -> None:
        """As :meth:`Trash.delete`."""
        self._runs.trash.delete(run)

    def restore(self, run: str) -> None:
        """As :meth:`Trash.restore`."""
        self._runs.trash.restore(run)

    def do(self, act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Whatever else changes something, and has no limit of its own."""
        return act(*given, **named)

    def _afford(self, config: RunConfig) -> None:
        self._limits.check_epochs(sum(phase.recipe.epochs for phase in plan_of(config)))
        self._limits.check_queue(self._runs.waiting_count(self._owner))
        self._limits.check_disk(self._runs.folder)

    def _afford_file(self, size: int) -> None:
        self._limits.check_upload(size)
        self._limits.check_disk(self._runs.folder)


def actions() -> Actions:
    """For the session whose script runs. Raises WatchingError for a viewer's."""
    if not auth.may_act():
        raise NotAllowedError(auth.VIEWER_MESSAGE)
    return Actions(manager.get_manager(), auth.session(), auth.limits())


def start_automatically(config: RunConfig, pace: float = 0.0) -> str:
    """Starts what every server begins by itself, once, whoever opens it first."""
    return manager.get_manager().start(config, pace)


def action_button(label: str, **look: Any) -> bool:
    """A button of :func:`st.button` that acts: a viewer sees it, cannot press it, and is told why."""
    if not auth.may_act():
        look |= {"disabled": True, "help": auth.VIEWER_MESSAGE}
    return st.button(label, **look)


def toast_errors(act: Callable[..., Any]) -> Callable[..., Any]:
    """``act`` as a callback of a widget, where nothing can be drawn yet: a refusal is said in passing."""

    def callback(*given: Any, **named: Any) -> None:
        try:
            act(*given, **named)
        except ValueError as error:
            st.toast(escape_markdown(str(error)), icon=":material/block:", duration="long")
        except Exception:
            number = secrets.token_hex(4)
            log.exception("error %s in %s", number, getattr(act, "__qualname__", act))
            st.toast(f"Something went wrong. The server’s log says more under {number}.", icon=":material/error:")

    return callback


@toast_errors
def send_command(command: str, run: str) -> None:
    """One of :data:`WISHES` as the callback of a button."""
    assert command in WISHES
    getattr(actions(), command)(run)
