"""Compiled steps on the page of a run."""

from kd_core.base.events import Switched
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from kd_core.training.loop import Trainer
from tests.pages.test_distill import QUICK, Open, texts
from tools.testing.widgets import open_settings


def test_a_run_shows_from_which_step_on_its_steps_were_compiled(open_page: Open, shared: RunManager) -> None:
    config = from_flat(QUICK)
    events = list(Trainer(config))
    place = next(number for number, event in enumerate(events) if getattr(event, "phase", "") == "students") + 2
    events.insert(place, Switched("students", 1200, "compiled"))
    shared.store.add("compiled", config, "completed")
    shared.store.append("compiled", 1, [(0.0, event) for event in events])
    assert "Compiled steps from step 1,201" in texts(open_page("distill", run="compiled"))


def test_compiled_steps_can_be_chosen_by_a_link_and_on_the_form(open_page: Open) -> None:
    app = open_page("distill", compiled="true")
    assert app.session_state["settings"]["compiled"] == "true"
    (box,) = [box for box in open_settings(app, "Device").checkbox if box.label == "Compiled steps"]
    assert box.value
