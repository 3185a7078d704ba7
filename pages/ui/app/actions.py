"""All actions of a page that change something, with permission and quota checks.

Permission is checked when the action is executed, whatever the page showed, since a browser can also send the click of
a button that is not on its page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import streamlit as st

from kd_core.api.teachers.candidate import TeacherCandidate
from kd_core.api.teachers.checks import Measurement
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.config.sweep.search import Search
from kd_core.datasets import Dataset
from kd_core.files import teachers, uploads
from kd_core.files.teachers.provenance import Provenance
from kd_core.nn import weights
from kd_core.runs import downloads, manager
from kd_core.runs.viewer import RunViewer
from kd_core.schemes import plan_of
from kd_core.store.annotations import Annotations
from pages.ui.app import auth
from pages.ui.app.errors import toast_errors
from pages.ui.app.quotas import Quotas, forget_size

COMMANDS = ("pause", "resume", "step", "stop")


class NotAllowedError(ValueError):
    """An action that only presenters may take, attempted by a viewer."""


class Actions:
    """Actions of one session that may act.

    Every method raises ValueError with a sentence if its action is refused, in particular by a quota.
    """

    def __init__(self, runs: RunViewer, owner: str, quotas: Quotas) -> None:
        self._runs, self._owner, self._quotas = runs, owner, quotas

    # -- runs --------------------------------------------------------------------------------------------------------

    def start(self, config: RunConfig, pace: float = 0.0) -> str:
        """Call :meth:`RunManager.start` within the quotas."""
        self._check_run(config)
        return self._runs.start(config, pace, self._owner)

    def start_sweep(self, sweep: Sweep) -> str:
        """Call :meth:`RunManager.start_sweep` within the quotas."""
        self._quotas.check_sweep(sweep.count)
        for cell in sweep.cells if self._quotas.epochs else []:
            self._check_epochs(sweep.config(cell))
        self._check_run(sweep.base)
        return self._runs.start_sweep(sweep, self._owner)

    def start_search(self, search: Search) -> str:
        """Call :meth:`RunManager.start_search` within the quotas."""
        self._quotas.check_sweep(search.count)
        for config in search.largest_configs() if self._quotas.epochs else []:
            self._check_epochs(config)
        self._check_run(search.base)
        return self._runs.start_search(search, self._owner)

    def resume_from_checkpoint(self, run: str) -> None:
        """Call :meth:`RunManager.resume_from_checkpoint` within the quotas."""
        self._quotas.check_queue(self._runs.waiting_count(self._owner))
        self._check_disk()
        self._runs.resume_from_checkpoint(run, self._owner)

    def pause(self, run: str) -> None:
        """Call :meth:`RunManager.pause`."""
        self._runs.pause(run)

    def resume(self, run: str) -> None:
        """Call :meth:`RunManager.resume`."""
        self._runs.resume(run)

    def step(self, run: str) -> None:
        """Call :meth:`RunManager.step`."""
        self._runs.step(run)

    def stop(self, run: str) -> None:
        """Call :meth:`RunManager.stop`."""
        self._runs.stop(run)

    def set_pace(self, run: str, seconds: float) -> None:
        """Call :meth:`RunManager.set_pace`."""
        self._runs.set_pace(run, seconds)

    def adjust(self, run: str, **options: float | str) -> None:
        """Call :meth:`RunManager.adjust`."""
        self._runs.adjust(run, **options)

    # -- data sets and weights ---------------------------------------------------------------------------------------

    def inspect_upload(self, name: str, file: BinaryIO, choices: uploads.Choices) -> uploads.Understanding:
        """Call :func:`uploads.inspect` within the quotas."""
        self._check_file(file.seek(0, 2))
        return uploads.inspect(name, file, choices)

    def keep_upload(self, understanding: uploads.Understanding) -> uploads.Upload:
        """Call :func:`uploads.keep` within the quotas."""
        self._check_disk()
        return uploads.keep(understanding)

    def remove_upload(self, key: str) -> None:
        """Call :func:`uploads.remove`."""
        uploads.remove(key)

    def keep_teacher(self, candidate: TeacherCandidate, measurement: Measurement, size: int) -> tuple[str, Provenance]:
        """Call :meth:`TeacherCandidate.keep` within the quotas for a file of ``size`` bytes."""
        self._check_file(size)
        return candidate.keep(measurement)

    def remove_teacher(self, key: str) -> None:
        """Delete imported weights or an imported teacher; stored runs keep the weights that they were trained with."""
        weights.remove(key)
        teachers.remove(key)

    def download(self, dataset: Dataset) -> None:
        """Call :func:`downloads.start` within the quotas."""
        self._check_disk()
        downloads.start(dataset)

    def stop_download(self, dataset: Dataset) -> None:
        """Call :func:`downloads.stop`."""
        downloads.stop(dataset)

    # -- annotations and trash ---------------------------------------------------------------------------------------

    def label(self, run: str, annotations: Annotations) -> None:
        """Call :meth:`AnnotationStore.write`."""
        self._runs.annotation_store.write(run, annotations)

    def pin(self, run: str, *, is_pinned: bool) -> None:
        """Call :meth:`AnnotationStore.pin`."""
        self._runs.annotation_store.pin(run, is_pinned=is_pinned)

    def delete(self, run: str) -> None:
        """Call :meth:`Trash.delete`."""
        self._runs.trash.delete(run)

    def restore(self, run: str) -> None:
        """Call :meth:`Trash.restore`."""
        self._runs.trash.restore(run)

    def do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function that changes something and has no quota."""
        return function(*args, **kwargs)

    def _check_run(self, config: RunConfig) -> None:
        self._check_epochs(config)
        self._quotas.check_queue(self._runs.waiting_count(self._owner))
        self._check_disk()

    def _check_epochs(self, config: RunConfig) -> None:
        self._quotas.check_epochs(sum(phase.recipe.epochs for phase in plan_of(config)))

    def _check_file(self, size: int) -> None:
        self._quotas.check_upload(size)
        self._check_disk()

    def _check_disk(self) -> None:
        """Check the size of the data folder. Deleted runs are removed for good before an action is refused."""
        try:
            self._quotas.check_disk(self._runs.folder)
        except ValueError:
            if not self._runs.trash.all():
                raise
            self._runs.empty_trash()
            forget_size(self._runs.folder)
            self._quotas.check_disk(self._runs.folder)


def actions() -> Actions:
    """Return the actions of the current session.

    Raises:
        NotAllowedError: for a viewer's session.
    """
    if not auth.may_act():
        raise NotAllowedError(auth.viewer_message())
    return Actions(manager.get_manager(), auth.session(), auth.limits())


def start_automatically(config: RunConfig, pace: float = 0.0) -> str:
    """Start a run that every server starts once by itself, whoever opens it first."""
    return manager.get_manager().start(config, pace)


def action_button(label: str, **options: Any) -> bool:
    """Draw an ``st.button`` that is disabled for viewers, with the reason as its help text."""
    if not auth.may_act():
        options |= {"disabled": True, "help": auth.viewer_message()}
    return st.button(label, **options)


@toast_errors
def send_command(command: str, run: str) -> None:
    """Send one of :data:`COMMANDS` to a run, as the callback of a button."""
    assert command in COMMANDS
    getattr(actions(), command)(run)
