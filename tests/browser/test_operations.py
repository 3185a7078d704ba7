"""Tests of what operators of a server rely on, its stop, log, metrics, path behind a proxy and logins."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Page, expect

from kd_core.cli.operations.app import SILENT
from pages.ui.app import login_throttle
from pages.ui.app.shell import PAGES, TASK_PAGES
from tools.testing.app_server import Server
from tools.testing.waiting import wait
from tools.testing.websocket_client import Visitor

New = Callable[..., Page]
Start = Callable[..., Server]
PASSWORD = "correct horse battery"
LONG = "autoplay=0&dataset=moons&epochs=900&teacher_epochs=1&labelled=40"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(visitor: Visitor, server: Server) -> str:
    """Start a long run and return its id once it trains."""
    visitor.open("distill", LONG)
    visitor.press("Start training")
    wait(lambda: server.store().in_state("training"))
    return server.store().in_state("training")[0].id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_a_checkpoint_and_a_database_that_is_complete_without_its_log(
    tmp_path: Path, start_server: Start, number: signal.Signals
) -> None:
    server = start_server()
    with Visitor.at(server.port) as visitor:
        run = start(visitor, server)
        wait(lambda: server.store().count(run) > 50)
    begun = time.monotonic()
    assert server.stop(number) == 0
    assert time.monotonic() - begun < 10
    log = tmp_path / "distillery.sqlite-wal"
    assert not log.exists() or not log.stat().st_size
    assert list((tmp_path / "runs" / run).glob("checkpoint*.safetensors"))
    shutil.copy(tmp_path / "distillery.sqlite", tmp_path / "alone.sqlite")
    with closing(sqlite3.connect(tmp_path / "alone.sqlite")) as db:
        assert db.execute("SELECT state FROM runs WHERE id = ?", (run,)).fetchone() == ("interrupted",)
        assert db.execute("SELECT sum(count) FROM events WHERE run = ?", (run,)).fetchone()[0] > 50


def test_log_and_metrics_tell_what_happened(start_server: Start) -> None:
    port = free_port()
    server = start_server(
        DISTILLERY_LOG="json", DISTILLERY_METRICS=str(port), DISTILLERY_PRESENTER_PASSWORD=PASSWORD,
        **SILENT,
    )  # fmt: skip
    with Visitor.at(server.port) as visitor:
        visitor.open("experiments")
        visitor.press("Log in", Password="wrong")
        visitor.press("Log in", Password=PASSWORD)
        run = start(visitor, server)
        wait(lambda: server.store().count(run) > 50)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            metrics = read_metrics(response.read().decode())
        with pytest.raises(HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/other", timeout=10)
    assert metrics['distillery_runs{state="training"}'] == 1
    assert metrics["distillery_sessions"] == 1
    assert metrics["distillery_events_written_total"] > 50
    assert metrics['distillery_logins_total{result="wrong"}'] == 1
    assert metrics['distillery_logins_total{result="accepted"}'] == 1
    assert metrics['distillery_pages_total{page="experiments"}'] >= 3
    assert 0 < metrics['distillery_page_seconds_total{page="distill"}'] < 60
    assert metrics["process_resident_memory_bytes"] > 1e8
    assert metrics["distillery_database_bytes"] > 10_000
    addresses = {line.split()[1] for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]}
    assert f"0100007F:{port:04X}" in addresses
    assert f"00000000:{port:04X}" not in addresses

    server.stop()
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    states = [line["state"] for line in lines if line.get("run") == run]
    assert states == ["queued", "training", "interrupted"]
    assert [line["result"] for line in lines if line.get("event") == "login"] == ["wrong", "accepted"]
    assert PASSWORD not in server.log_text()


def read_metrics(text: str) -> dict[str, float]:
    """Read Prometheus' text format by its grammar, past the project."""
    name = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
    sample = re.compile(rf'({name}(?:\{{(?:{name}="(?:[^"\\]|\\.)*",?)*\}})?) (\S+)')
    types = dict(re.findall(rf"^# TYPE ({name}) (gauge|counter)$", text, re.MULTILINE))
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = sample.fullmatch(line)
            assert match, line
            assert match[1].partition("{")[0] in types, line
            values[match[1]] = float(match[2])
    return values


def test_a_port_for_metrics_that_is_taken_is_reported_and_the_app_goes_on(start_server: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start_server(DISTILLERY_METRICS=str(taken.getsockname()[1]))
        with Visitor.at(server.port) as visitor:
            visitor.open("experiments")
            assert not visitor.errors
        server.stop()
    assert "no metrics are served" in server.log_text()


def test_below_a_path_every_page_component_and_link_works(start_server: Start, new_page: New) -> None:
    server, page = start_server(STREAMLIT_SERVER_BASE_URL_PATH="lab/kd"), new_page()
    assert server.url.endswith("/lab/kd")
    failed: list[str] = []
    page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
    page.on("requestfailed", lambda request: "ABORTED" in request.failure or failed.append(request.url))
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if "/lab/kd" not in request.url else None)
    page.goto(f"{server.url}/?autoplay=0")
    for name, title in (*PAGES[1:], *TASK_PAGES):
        if (name, title) in TASK_PAGES:
            page.get_by_role("link", name="Tasks", exact=True).first.click()
            page.get_by_role("link", name=f"Open {title}").click()
        else:
            page.get_by_role("link", name=title, exact=True).first.click()
        expect(page).to_have_title(f"{title} · Distillery")
        expect(page).to_have_url(re.compile(rf"^{re.escape(server.url)}/{name}($|\?)"))
    page.goto(f"{server.url}/distill?autoplay=0")
    expect(page.get_by_text("learns from").first).to_be_visible()
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()  # a component of ours
    page.get_by_role("button", name="Open a room").click()
    page.get_by_role("button", name=re.compile(r"^Room \w")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img")).to_be_visible()
    expect(dialog).to_contain_text(re.compile(r"room=\w+"))
    link = re.search(r"\S+room=\w+", dialog.inner_text())[0]
    assert f"http://{link}".startswith(f"{server.url}/?room=")
    member = new_page()
    member.goto(f"http://{link}&autoplay=0")
    expect(member.get_by_text("Following the presenter")).to_be_visible()
    expect(member).to_have_url(re.compile(r"/lab/kd/distill\?"))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Copy link").click()
    assert [url for url in failed if "/_stcore/" not in url] == []  # by which Streamlit finds the path of the server
    assert [url for url in outside if url.startswith("http")] == []
    server.stop()
    assert "Traceback" not in server.log_text()


def test_while_a_viewer_guesses_passwords_a_presenter_logs_in_at_the_first_attempt(start_server: Start) -> None:
    server = start_server(DISTILLERY_PRESENTER_PASSWORD=PASSWORD)
    for guesser in range(-(-login_throttle.ADDRESS_FREE // login_throttle.FREE)):  # a new session after three guesses
        with Visitor.at(server.port) as visitor:
            visitor.open("experiments")
            for guess in range(login_throttle.FREE):
                visitor.press("Log in", Password=f"{guesser} {guess}")
    with Visitor.at(server.port) as guesser, Visitor.at(server.port) as presenter:
        guesser.open("experiments")
        guesser.press("Log in", Password="one more")
        presenter.open("experiments")
        presenter.press("Log in", Password=PASSWORD)
        assert "You are presenting." in presenter.text()
    server.stop()


FORGED = {
    "selectbox": [("string_value", "=evil")],
    "button_group": [("string_value", "=evil"), ("bool_value", True)],
    "number_input": [("double_value", float("nan")), ("int_value", -(2**62))],
    "slider": [("double_array_value", [float("nan")])],
    "text_input": [("string_value", "x" * 100_000)],
    "bidi_component": [("json_value", "[5]"), ("json_value", "no JSON")],
}


def test_values_that_no_browser_sends_are_refused_in_a_sentence_and_logged_once(start_server: Start) -> None:
    server = start_server(DISTILLERY_LOG="json", **SILENT)
    with Visitor.at(server.port) as visitor:
        visitor.open("experiments")
        visitor.open("distill", "autoplay=0")
        widgets = {(kind, element.id) for kind, element in visitor.elements if kind in FORGED}
    assert {kind for kind, _ in widgets} >= {"selectbox", "slider", "number_input", "button_group"}
    reported = 0
    for kind, widget in sorted(widgets):
        for field, value in FORGED[kind]:
            with Visitor.at(server.port) as visitor:
                visitor.open("distill", "autoplay=0")
                visitor.forge(widget, field, value)
                assert not [element for kind, element in visitor.elements if kind == "exception"]
                reported += len(visitor.errors)
                reported += sum(
                    "Something went wrong" in element.body for kind, element in visitor.elements if kind == "toast"
                )
    with Visitor.at(server.port) as visitor:
        visitor.open("distill", "autoplay=0")
        assert not visitor.errors
    server.stop()
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    assert sum(line.get("event") == "error" for line in lines) == reported
