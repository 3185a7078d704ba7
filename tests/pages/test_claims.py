"""List of the claims on the Experiments page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base import discovery
from kd_core.config.claims import OUTCOMES, claims, find
from kd_core.runs.manager import RunManager
from kd_core.runs.questions.claim_runs import stored_runs
from pages.ui.app import auth
from pages.ui.experiments.claims import MARKS, NOT_TESTED
from tools.testing.quick_claim import CODE
from tools.testing.waiting import wait_for_end

Open = Callable[..., AppTest]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Write a claim into a folder of plug-ins."""
    folder = tmp_path / "plug-ins" / "claims"
    folder.mkdir(parents=True)
    monkeypatch.setenv(discovery.VARIABLE, str(folder.parent))

    def write(name: str, code: str) -> None:
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
        discovery.reload()

    yield write
    monkeypatch.undo()
    discovery.reload()


def row(app: AppTest, text: str) -> str:
    """Return the text of the row with this text."""
    bodies = [unescape(re.sub(r"<[^>]+>", " ", element.proto.body)) for element in app.get("html")]
    (body,) = [body for body in bodies if text in body]
    return body


def test_every_claim_has_a_row_with_what_was_measured_and_a_button(open_page: Open) -> None:
    app = open_page("experiments")  # else the start page trains one of the claims
    for name, claim in claims().items():
        cells = row(app, claim.title)
        assert claim.source in cells
        assert NOT_TESTED in cells
        if claim.outcome:
            assert f"{MARKS[claim.outcome]} {OUTCOMES[claim.outcome]}" in cells
        assert app.button(key=f"test {name}").label == "Test here"
    assert not app.error


def test_a_search_finds_the_claims_with_all_of_its_words(open_page: Open) -> None:
    app = open_page("experiments", find="hinton TEMPERATURE tiny")
    tests = [button.key for button in app.button if button.key.startswith("test ") and button.key != "test all"]
    assert tests == ["test higher_temperature"]
    app.text_input[0].set_value("no such words").run()
    assert [info.value for info in app.info] == ["No claim has all of these words."]
    assert app.query_params["find"] == "no such words"


def test_a_button_trains_a_claim_and_its_verdict_stays(
    open_page: Open, shared: RunManager, write: Callable[[str, str], None]
) -> None:
    write("quick", CODE)
    app = open_page("experiments", find="quick")
    assert NOT_TESTED in row(app, "Because.")
    app.button(key="test quick").click().run()
    (sweep,) = shared.store.sweeps()
    assert sweep.sweep.seeds == (0, 1, 2, 3, 4)
    assert wait_for_end(shared, sweep.id, 60) == "completed"
    judgement = stored_runs(shared.store, find("quick")).judgement
    assert judgement is not None
    app = open_page("experiments", find="quick")
    cells = row(app, "Because.")
    assert f"{MARKS[judgement.outcome]} {OUTCOMES[judgement.outcome]}" in cells
    assert NOT_TESTED not in cells
    assert "test quick" not in [button.key for button in app.button]


def test_a_claim_shows_its_progress_and_can_be_stopped_and_continued(
    open_page: Open, shared: RunManager, write: Callable[[str, str], None]
) -> None:
    write("slow", CODE.replace('"epochs": "2"', '"epochs": "10000"'))
    app = open_page("experiments", find="slow")
    app.button(key="test slow").click().run()
    assert re.search("Training|Waiting", row(app, "Because."))
    app.button(key="stop slow").click().run()
    (sweep,) = shared.store.sweeps()
    assert wait_for_end(shared, sweep.id, 60) == "stopped"
    app = open_page("experiments", find="slow")
    assert app.button(key="test slow").label == "Test here"


def test_a_viewer_reads_the_claims_and_cannot_test_them(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "may_act", lambda: False)
    app = open_page("experiments")
    assert app.button(key="test few_labels").disabled
    assert app.button(key="test all").disabled


def test_text_of_a_claim_is_shown_literally(open_page: Open, write: Callable[[str, str], None]) -> None:
    write("quick", CODE)
    app = open_page("experiments", find="quick")
    (body,) = [element.proto.body for element in app.get("html") if "Because." in element.proto.body]
    assert "It &lt;b&gt;helps&lt;/b&gt;." in body


def test_a_claim_whose_method_is_gone_says_so_and_the_others_work(
    open_page: Open, write: Callable[[str, str], None]
) -> None:
    write("gone", CODE.replace('"labelled"', '"method": "gone", "labelled"'))
    app = open_page("experiments")
    assert 'Cannot be tested here: methods = "gone": choose one of' in row(app, "Because.")
    assert app.button(key="test few_labels")
    assert "test gone" not in [button.key for button in app.button]


def test_a_link_opens_the_claim_that_it_names(open_page: Open) -> None:
    app = open_page("experiments", claim="few_labels")
    opened = [element.proto.body for element in app.get("html") if "<details open>" in element.proto.body]
    assert len(opened) == 1
    assert claims()["few_labels"].title in opened[0]
    (error,) = open_page("experiments", claim="<b>odd</b>").error
    assert "There is no claim called" in error.value


def test_the_settings_of_a_claim_link_to_distill(open_page: Open) -> None:
    app = open_page("experiments", find="many_labels")
    (body,) = [element.proto.body for element in app.get("html") if "many labels." in element.proto.body]
    links = re.findall(r'href="([^"]+)"', body)
    assert links == ["distill?dataset=digits&amp;labelled=50", "distill?dataset=digits&amp;labelled=0&amp;epochs=40"]
