"""Bounds of the memory and time that a viewer's link can take."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core import datasets
from kd_core.base.registry import find_plugin, plugins
from kd_core.config.run import from_flat
from kd_core.datasets.glyphs import Glyphs
from kd_core.nn import cost
from kd_core.runs.manager import RunManager
from pages.ui.app import auth, settings
from pages.ui.form import form

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
LARGE = {"dataset": "glyphs", "dataset_count": "60000"}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Glyphs]:
    """The large data sets that were loaded, with small ones in their place."""
    large: list[Glyphs] = []
    load = Glyphs.load

    def record(dataset: Glyphs) -> datasets.Data:
        if dataset.count > 6000:
            large.append(dataset)
        return load(Glyphs(count=200))

    monkeypatch.setattr(Glyphs, "load", record)
    monkeypatch.setattr(datasets, "_cache", type(datasets._cache)())
    return large


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in (*app.error, *app.caption, *app.markdown)).replace("\\", "")


@pytest.mark.parametrize("page", ["distill", "sweep"])
def test_a_link_to_a_large_data_set_is_refused_for_a_viewer_and_loaded_for_a_presenter(
    open_page: Open, loaded: list[Glyphs], monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(auth.PASSWORD, "correct horse battery")
        app = open_page(page, **LARGE)
        assert "only a presenter may load" in texts(app)
        assert loaded == []
    app = open_page(page, **LARGE)
    assert "only a presenter" not in texts(app)
    assert {dataset.count for dataset in loaded} == {60000}


def test_a_viewer_sees_large_data_that_are_in_memory_or_that_a_stored_run_has(
    loaded: list[Glyphs], shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "may_act", lambda: False)
    config = from_flat({**LARGE, "labelled": "100"})
    assert settings.data_refusal(LARGE) == ""  # in memory
    datasets.forget(config.dataset)
    assert "201 MB" in settings.data_refusal(LARGE)
    shared.store.add("a", config, "completed")
    assert settings.data_refusal(LARGE) == ""
    assert "only a presenter" in settings.data_refusal({**LARGE, "dataset_draw": "1"})


def test_an_estimate_of_the_size_is_close_to_what_is_loaded() -> None:
    for dataset in (Glyphs(count=300), Glyphs(count=1000, pixels="32")):
        assert 0.5 < dataset.loaded_bytes / dataset.load().nbytes < 2 or dataset.loaded_bytes < settings.VIEWER_BYTES


def test_every_data_set_that_is_downloaded_is_large() -> None:
    for name in plugins("datasets"):
        dataset = find_plugin("datasets", name)()
        assert isinstance(dataset, datasets.Dataset)
        assert not dataset.download_size or dataset.loaded_bytes > settings.VIEWER_BYTES, name


def test_a_viewer_does_not_make_the_server_build_a_large_network(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []
    monkeypatch.setattr(cost, "latency", lambda build, _: built.append(build) or 0.001)
    form._latency.cache_clear()
    large = from_flat({"dataset": "digits", "student": "mlp", "student_widths": "4096-4096"})
    small = from_flat({"dataset": "digits", "student": "mlp", "student_widths": "64"})
    monkeypatch.setattr(auth, "may_act", lambda: False)
    assert form._network_cost(large.student, large.dataset).endswith("kB.")
    assert built == []
    assert "ms per example" in form._network_cost(small.student, small.dataset)
    monkeypatch.setattr(auth, "may_act", lambda: True)
    assert "ms per example" in form._network_cost(large.student, large.dataset)
    assert len(built) == 2
