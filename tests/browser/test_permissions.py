"""Permissions of presenters and viewers on a real server, whatever a browser sends."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kd_core.config.run import from_flat
from tests.browser.conftest import SHOTS, whole_picture
from tools.testing.app_server import Server
from tools.testing.websocket_client import Visitor

New = Callable[..., Page]
WORD = "open sesame"
FORM = "autoplay=0&dataset=moons&epochs=900&teacher_epochs=1&labelled=40"
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("room"), DISTILLERY_PRESENTER_PASSWORD=WORD)
    yield server
    server.end()
    assert "Traceback" not in server.said()


def log_in(visitor: Visitor, word: str = WORD) -> None:
    button = next(each for kind, each in visitor.elements if kind == "button" and each.form_id == "door")
    visitor.send(button.id, Password=word)


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_a_viewer_can_watch_a_run_by_its_link_but_send_nothing_that_changes_it(room: Server) -> None:
    with Visitor.at(room.port) as presenter, Visitor.at(room.port) as viewer:
        presenter.open("distill", FORM)
        log_in(presenter)
        presenter.press("Start training")
        wait_for(lambda: room.store().in_state("training"))
        run = room.store().in_state("training")[0].id
        presenter.open("distill", f"run={run}")
        buttons = {label: presenter.find("button", label).id for label in ("Pause", "Stop and keep", "Pin")}
        viewer.open("distill", f"run={run}")
        assert "View only." in viewer.said()
        assert not any(element.label in buttons for kind, element in viewer.elements if kind == "button")
        before = room.store().count(run)
        for widget in buttons.values():
            viewer.send(widget)  # the clicks of the presenter, from the viewer's session
        viewer.press("Start training")
        wait_for(lambda: room.store().count(run) > before)
        row = room.store().run(run)
        assert row.state == "training"
        assert not row.annotations.is_pinned
        assert len(room.store().runs()) == 1
        presenter.open("distill", f"run={run}")
        presenter.press("Stop and keep")
        wait_for(lambda: room.store().run(run).state == "stopped")


def test_uploads_of_viewers_are_rejected_and_those_of_presenters_accepted(room: Server) -> None:
    with Visitor.at(room.port) as visitor:
        visitor.open("experiments")
        assert visitor.upload("one", b"some bytes") == 403
        log_in(visitor)
        assert visitor.upload("one", b"some bytes") == 204
        visitor.press("Log out")
        assert visitor.upload("two", b"some bytes") == 403
    assert not list(room.folder.rglob("one"))


def test_wrong_passwords_delay_the_next_attempt(room: Server) -> None:
    with Visitor.at(room.port) as visitor:
        visitor.open("experiments")
        for _ in range(3):
            log_in(visitor, "guessed")
            assert "The password is wrong." in visitor.said()
        log_in(visitor)
        assert "Too many wrong passwords. Try again in 1 s." in visitor.said()
        time.sleep(1.1)
        log_in(visitor)
        assert "You are presenting." in visitor.said()


def test_without_a_password_a_page_under_a_foreign_host_name_is_a_viewers(server: Server) -> None:
    with Visitor.at(server.port) as owner:
        owner.open("experiments")
        assert "View only." not in owner.said()
    with Visitor.at(server.port, host="rebound.example") as stranger:
        stranger.open("distill", FORM)
        assert "View only." in stranger.said()
        assert stranger.find("button", "Start training").disabled
        assert stranger.upload("one", b"some bytes") == 403


def test_the_server_listens_on_this_machine_only_and_contacts_nobody(server: Server) -> None:
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    heard = {line.split()[1] for line in lines if line.split()[3] == "0A"}  # local address of those that listen
    assert {each for each in heard if each.endswith(f":{server.port:04X}")} == {f"0100007F:{server.port:04X}"}
    with pytest.raises(InvalidStatus):  # of another site's page
        connect(f"ws://127.0.0.1:{server.port}/_stcore/stream", origin="http://evil.example").__enter__()  # type: ignore[arg-type]
    wish = urllib.request.Request(f"{server.url}/_stcore/agent/interact", b"{}", {"Content-Type": "application/json"})
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(wish, timeout=10)
    assert b"does not serve the agent API" in refused.value.read()


def test_a_file_without_the_token_of_this_site_is_refused(server: Server) -> None:
    with Visitor.at(server.port) as visitor:
        visitor.open("experiments")
        assert visitor.upload("one", b"some bytes") == 204
        assert visitor.upload("one", b"some bytes", token="2|forged|forged|0") == 403


@pytest.mark.parametrize("theme", THEMES)
def test_a_presenter_can_log_in_on_a_phone(room: Server, new_page: New, theme: str) -> None:
    page = new_page(390, 844, color_scheme=theme)
    page.goto(f"{room.url}/distill?{FORM}")
    expect(page.get_by_text("View only.")).to_be_visible()
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    whole_picture(page, SHOTS / f"room-{theme}-390.png")
    page.get_by_role("button", name="Presenter? Log in").click()
    page.get_by_role("textbox", name="Password").fill(WORD)
    page.screenshot(path=SHOTS / f"room-{theme}-390-door.png")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text("You are presenting.")).to_be_visible()
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_link_of_a_run_shows_a_viewer_the_run_without_its_controls(room: Server, new_page: New) -> None:
    with Visitor.at(room.port) as presenter:
        presenter.open("distill", FORM)
        log_in(presenter)
        presenter.press("Start training")
        wait_for(lambda: room.store().in_state("training"))
        run = room.store().in_state("training")[0]
        assert run.config.dataset == from_flat({"dataset": "moons"}).dataset
        page = new_page()
        page.goto(f"{room.url}/distill?run={run.id}")
        expect(page.get_by_text("Training:")).to_be_visible()
        for name in ("Pause", "Stop and keep", "Pin"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
        presenter.open("distill", f"run={run.id}")
        presenter.press("Stop and keep")
        expect(page.get_by_text("Training:")).to_have_count(0)
