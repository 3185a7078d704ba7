"""Permissions of presenters and viewers on a real server, whatever a browser sends."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kd_core.config.run import from_flat
from kd_core.store.records import Run
from tests.browser.conftest import SHOTS, expect_to_fit, whole_picture
from tools.testing.app_server import Server
from tools.testing.drawn_page import wait_until_drawn
from tools.testing.waiting import wait
from tools.testing.websocket_client import Visitor

New = Callable[..., Page]
PASSWORD = "open sesame"
FORM = "autoplay=0&dataset=moons&epochs=900&teacher_epochs=1&labelled=40"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("room"), DISTILLERY_PRESENTER_PASSWORD=PASSWORD)
    yield server
    server.stop()
    assert "Traceback" not in server.log_text()


def log_in(visitor: Visitor, password: str = PASSWORD) -> None:
    visitor.press("Log in", Password=password)


def start(presenter: Visitor, server: Server) -> Run:
    """Start a run that does not end before the test does, and return it once it trains."""
    presenter.forge(presenter.find("button_group", "Pace").id, "string_array_value", ["Slow motion"])
    presenter.press("Start training")
    wait(lambda: server.store().in_state("training"))
    return server.store().in_state("training")[0]


def test_a_viewer_can_watch_a_run_by_its_link_but_send_nothing_that_changes_it(room: Server) -> None:
    with Visitor.at(room.port) as presenter, Visitor.at(room.port) as viewer:
        presenter.open("distill", FORM)
        log_in(presenter)
        run = start(presenter, room).id
        presenter.open("distill", f"run={run}")
        buttons = {label: presenter.find("button", label).id for label in ("Pause", "Stop and keep", "Pin")}
        viewer.open("distill", f"run={run}")
        assert "View only." in viewer.text()
        assert not any(element.label in buttons for kind, element in viewer.elements if kind == "button")
        before = room.store().count(run)
        for widget in buttons.values():
            viewer.press_widget(widget)  # the clicks of the presenter, from the viewer's session
        viewer.open("distill", FORM)
        viewer.press("Start training")
        wait(lambda: room.store().count(run) > before)
        row = room.store().run(run)
        assert row.state == "training"
        assert not row.annotations.is_pinned
        assert len(room.store().runs()) == 1
        presenter.open("distill", f"run={run}")
        presenter.press("Stop and keep")
        wait(lambda: room.store().run(run).state == "stopped")


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
            assert "The password is wrong." in visitor.text()

        def text_after(password: str) -> str:
            log_in(visitor, password)
            return visitor.text()

        # A busy machine takes longer than the first delays, which grow.
        wait(lambda: "Too many wrong passwords. Try again in " in text_after("guessed"))
        wait(lambda: "You are presenting." in text_after(PASSWORD))


def test_without_a_password_a_page_under_a_foreign_host_name_is_a_viewers(server: Server) -> None:
    with Visitor.at(server.port) as owner:
        owner.open("experiments")
        assert "View only." not in owner.text()
    with Visitor.at(server.port, host="rebound.example") as stranger:
        stranger.open("distill", FORM)
        assert "View only." in stranger.text()
        assert stranger.find("button", "Start training").disabled
        assert stranger.upload("one", b"some bytes") == 403


def test_the_server_listens_on_this_machine_only_and_contacts_nobody(server: Server) -> None:
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    listening = {line.split()[1] for line in lines if line.split()[3] == "0A"}  # local addresses
    port = f":{server.port:04X}"
    assert {address for address in listening if address.endswith(port)} == {f"0100007F{port}"}
    with pytest.raises(InvalidStatus):  # a page of another site
        connect(f"ws://127.0.0.1:{server.port}/_stcore/stream", origin="http://evil.example").__enter__()  # type: ignore[arg-type]
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/_stcore/agent/interact", b"{}", headers)
    with pytest.raises(HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert b"does not serve the agent API" in error.value.read()


def test_a_file_without_the_token_of_this_site_is_refused(server: Server) -> None:
    with Visitor.at(server.port) as visitor:
        visitor.open("experiments")
        assert visitor.upload("one", b"some bytes") == 204
        assert visitor.upload("one", b"some bytes", token="2|forged|forged|0") == 403


def test_a_presenter_can_log_in_on_a_phone(room: Server, new_page: New) -> None:
    page = new_page(390, 844, color_scheme="dark")
    page.goto(f"{room.url}/distill?{FORM}")
    expect(page.get_by_text("View only.")).to_be_visible()
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    expect(page.get_by_role("button", name="Start training")).to_be_in_viewport(ratio=1)
    whole_picture(page, SHOTS / "room-dark-390.png")
    page.get_by_role("button", name="Presenter? Log in").click()
    wait_until_drawn(page)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.screenshot(path=SHOTS / "room-dark-390-door.png")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text("You are presenting.")).to_be_visible()
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    expect_to_fit(page, 390)


def test_the_link_of_a_run_shows_a_viewer_the_run_without_its_controls(room: Server, new_page: New) -> None:
    with Visitor.at(room.port) as presenter:
        presenter.open("distill", FORM)
        log_in(presenter)
        run = start(presenter, room)
        assert run.config.dataset == from_flat({"dataset": "moons"}).dataset
        page = new_page()
        page.goto(f"{room.url}/distill?run={run.id}")
        expect(page.get_by_text("Training:")).to_be_visible()
        for name in ("Pause", "Stop and keep", "Pin"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
        presenter.open("distill", f"run={run.id}")
        presenter.press("Stop and keep")
        expect(page.get_by_text("Training:")).to_have_count(0)
