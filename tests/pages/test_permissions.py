"""A viewer sees everything and starts nothing, whatever the browser sends."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.files import uploads
from kd_core.runs import downloads
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import AnnotationStore
from kd_core.store.store import Store
from kd_core.store.trash import Trash
from pages.ui.app import auth
from pages.ui.app.actions import NotAllowedError, actions
from pages.ui.app.auth import _is_here  # before any test replaces it
from pages.ui.app.login_throttle import LoginThrottle
from tools.testing.waiting import wait, wait_for_end

Open = Callable[..., AppTest]
ROOT = Path(__file__).parents[2]
QUICK = {"dataset": "moons", "epochs": "4", "teacher_epochs": "1"}
LONG = from_flat({**QUICK, "epochs": "2000"})
WORD = "correct horse"


@pytest.fixture
def close_the_room(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on there is a password, and nobody has given it."""
    return lambda: monkeypatch.setenv(auth.PASSWORD, WORD)


def button(app: AppTest, label: str):
    return next(found for found in app.button if found.label == label)


def said(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.info, app.toast)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def framed(app: AppTest) -> AppTest:
    """With its frame, which the test's way to another page leaves out."""
    app.session_state["is_framed"] = False
    return app.run()


@pytest.fixture
def forged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No button is ever disabled: what a browser shows keeps nobody from sending a click."""
    real = st.button
    monkeypatch.setattr(st, "button", lambda *given, **named: real(*given, **named | {"disabled": False}))


def log_in(app: AppTest, word: str) -> None:
    app.text_input(key="presenter password").set_value(word)
    next(found for found in app.button if found.label == "Log in").click().run()


def test_alone_at_ones_machine_nothing_asks_who_one_is(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", **QUICK)
    assert not button(app, "Start training").disabled
    assert "presenting" not in said(app)
    assert "watching" not in said(app)


def test_a_viewer_may_look_at_everything_and_is_told_why_nothing_starts(
    open_page: Open, shared: RunManager, close_the_room: Callable[[], None]
) -> None:
    run = shared.start(from_flat(QUICK))
    assert wait_for_end(shared, run) == "completed"
    close_the_room()
    for page in ("distill", "temperature", "inspect", "compare", "experiments"):
        app = framed(open_page(page, autoplay="0", run=run))
        assert "You are watching" in said(app)
    app = open_page("distill", autoplay="0", **QUICK)
    start = button(app, "Start training")
    assert start.disabled
    assert start.help == auth.VIEWER_MESSAGE


def test_the_click_on_a_button_that_a_viewer_cannot_press_comes_to_nothing(
    open_page: Open, shared: RunManager, close_the_room: Callable[[], None], forged: None
) -> None:
    close_the_room()
    app = open_page("distill", autoplay="0", **QUICK)
    button(app, "Start training").click().run()
    assert shared.store.runs() == []
    assert auth.VIEWER_MESSAGE in said(app)


def test_a_password_makes_a_presenter_and_logging_out_a_viewer(
    open_page: Open, shared: RunManager, close_the_room: Callable[[], None]
) -> None:
    close_the_room()
    app = framed(open_page("distill", autoplay="0", **QUICK))
    log_in(app, "wrong")
    assert "That is not the password." in said(app)
    assert button(app, "Start training").disabled
    log_in(app, WORD)
    assert "You are presenting." in said(app)
    assert WORD not in str(app.session_state)
    app.session_state["is_framed"] = True
    button(app, "Start training").click().run()
    assert len(shared.store.runs()) == 1
    framed(app)
    button(app, "Log out").click().run()
    assert "You are watching" in said(app)
    assert button(app, "Start training").disabled


def test_guessing_is_slowed_down_and_then_even_the_password_waits(
    open_page: Open, close_the_room: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(auth, "_attempts", LoginThrottle(lambda: clock[0]))
    close_the_room()
    app = framed(open_page("experiments"))
    for _ in range(3):
        log_in(app, "wrong")
    log_in(app, WORD)
    assert "Too many wrong passwords. Try again in 1 s." in said(app)
    assert "You are watching" in said(app)
    clock[0] += 1.0
    log_in(app, WORD)
    assert "You are presenting." in said(app)


@pytest.mark.parametrize("forged", ["x", True, 1, "presenter", [], {"pass": True}])
def test_no_value_in_a_session_but_the_secret_of_this_process_is_a_pass(
    open_page: Open, close_the_room: Callable[[], None], forged: Any
) -> None:
    close_the_room()
    app = framed(open_page("experiments"))
    app.session_state["pass"] = forged
    app.run()
    assert "You are watching" in said(app)


def test_who_was_a_presenter_a_moment_ago_steers_nothing(
    open_page: Open, shared: RunManager, close_the_room: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    toasts: list[str] = []
    monkeypatch.setattr(st, "toast", lambda said, **_: toasts.append(said.replace("\\", "")))
    run = shared.start(LONG, pace=0.05)
    wait(lambda: shared.status(run).done > 0)
    pages = [open_page("distill", run=run) for _ in range(4)]
    close_the_room()  # the widgets are still there, and all of them work
    button(pages[0], "Pause").click().run()
    button(pages[1], "Stop and keep").click().run()
    pages[2].button_group(key=f"pace of {run}").set_value("Slow motion").run()
    button(pages[3], "Pin").click().run()
    assert toasts == [auth.VIEWER_MESSAGE] * 4
    assert shared.status(run).state == "training"
    assert shared.status(run).pace == 0.05
    assert not shared.store.run(run).annotations.is_pinned
    shared.stop(run)


@pytest.mark.parametrize("what", ["adjust", "delete", "resume_from_checkpoint", "start", "add_upload"])
def test_the_gate_is_closed_before_it_is_asked_for_what(
    shared: RunManager, close_the_room: Callable[[], None], what: str
) -> None:
    close_the_room()
    with pytest.raises(NotAllowedError, match="Only a presenter can start, change or delete"):
        getattr(actions(), what)


@pytest.mark.usefixtures("home")
def test_a_viewer_neither_uploads_nor_forgets_nor_fetches(
    open_page: Open, close_the_room: Callable[[], None], monkeypatch: pytest.MonkeyPatch, forged: None
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(downloads, "start", lambda dataset: begun.append(dataset.name))
    app = open_page("distill", autoplay="0", dataset="kmnist")
    close_the_room()
    next(found for found in app.button if found.label.startswith("Fetch")).click().run()
    assert begun == []
    assert auth.VIEWER_MESSAGE in said(app)
    points = "\n".join(f"{at},{at % 7},{'ab'[at % 2]}" for at in range(40)).encode()
    with pytest.MonkeyPatch.context() as before:
        before.delenv(auth.PASSWORD)
        app = open_page("distill", autoplay="0", dataset="upload")
        app.file_uploader(key="upload").set_value(("points.csv", points, "text/csv")).run()
    button(app, "Check and keep it").click().run()
    assert uploads.list_all() == []
    assert not open_page("distill", autoplay="0", dataset="upload").file_uploader


def test_a_viewer_begins_no_run_that_somebody_stopped(
    open_page: Open, shared: RunManager, close_the_room: Callable[[], None]
) -> None:
    close_the_room()
    open_page("start")  # by itself, once per server, whoever comes first
    wait(lambda: len(shared.store.runs()) == 5)
    for row in shared.store.runs():
        shared.stop(row.id)
        wait_for_end(shared, row.id)
    open_page("start")
    assert len(shared.store.runs()) == 5


def test_the_limits_of_a_room_are_said_where_one_starts(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLERY_MAX_EPOCHS", "10")
    app = open_page("distill", autoplay="0", **QUICK | {"epochs": "30"})
    button(app, "Start training").click().run()
    assert "This run takes 31 epochs in all, and 10 are allowed here: choose fewer." in said(app)
    assert shared.store.runs() == []


def test_one_session_queues_no_more_than_it_may(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLERY_MAX_QUEUED", "1")
    held = shared.start(LONG, pace=0.05)
    app = open_page("distill", autoplay="0", **QUICK)
    button(app, "Start training").click().run()
    app = open_page("distill", autoplay="0", **QUICK)
    button(app, "Start training").click().run()
    assert "1 of your runs wait already, and 1 may: let one begin, or stop one of them." in said(app)
    assert len(shared.store.runs()) == 2
    shared.stop(held)


# -- who is who -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "address", "is_here"),
    [
        ({"Host": "127.0.0.1:8501"}, None, True),
        ({"Host": "localhost:8501"}, None, True),
        ({"Host": "[::1]:8501"}, None, True),
        ({"Host": "LOCALHOST"}, None, True),
        ({"Host": "192.168.1.7:8501"}, "192.168.1.9", False),
        ({"Host": "localhost:8501"}, "192.168.1.9", False),  # who lies about the name still has another address
        ({"Host": "evil.example:8501"}, None, False),  # a page whose name now leads to this machine
        ({"Host": "localhost.evil.example"}, None, False),
        ({"Host": "localhost@evil.example"}, None, False),
        ({"Host": "[::1"}, None, False),
        ({"Host": "localhost", "X-Forwarded-For": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "Forwarded": "for=203.0.113.5"}, None, False),
    ],
)
def test_without_a_password_only_who_sits_at_this_machine_may_act(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], address: str | None, is_here: bool
) -> None:
    context = SimpleNamespace(headers=headers, ip_address=address)
    monkeypatch.setattr(auth, "st", SimpleNamespace(context=context))
    assert _is_here() is is_here


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ({"is_logged_in": True, "email": "Ada@example.org", "email_verified": True}, "presenter"),
        ({"is_logged_in": True, "email": "grace@example.org"}, "presenter"),
        ({"is_logged_in": True, "email": "ada@example.org", "email_verified": False}, "viewer"),
        ({"is_logged_in": True, "email": "eve@example.org"}, "viewer"),
        ({"is_logged_in": True}, "viewer"),
        ({"is_logged_in": False, "email": "ada@example.org"}, "viewer"),
        ({}, "viewer"),
    ],
)
def test_with_logins_those_who_are_listed_are_presenters(
    monkeypatch: pytest.MonkeyPatch, user: dict[str, Any], role: str
) -> None:
    monkeypatch.setenv(auth.PRESENTERS, "ada@example.org, grace@example.org,")
    monkeypatch.setattr(auth, "secret", {"auth": {"redirect_uri": "…"}}.get)
    monkeypatch.setattr(auth, "st", SimpleNamespace(user=user, session_state={}))
    assert auth.role() == role


# -- the one gate ---------------------------------------------------------------------------------------------------

GATE = ROOT / "pages" / "ui" / "app" / "actions.py"
READING = {
    "status",
    "preferred",
    "close",
    "waiting_count",
    "folder",
    "store",
    "teacher_cache",
    "trash",
    "annotation_store",
}
MODULES = {"uploads": {"add", "remove"}, "weights": {"add", "remove"}, "downloads": {"start", "stop"}}
ALLOWED = ("actions()", "st", "loading", "sweep_eta.get_estimator()")  # st.stop and the like change no run
AMBIGUOUS = {"step"}  # what many other things have, too


def acts() -> set[str]:
    """Whatever of Runs is not known to read only: what is added tomorrow is among them."""
    return {name for name in vars(RunManager) if not name.startswith("_")} - READING


def writes() -> set[str]:
    """Whatever of the store, of the labels and of the bin opens a transaction."""
    methods = [
        each for cls in (Store, AnnotationStore, Trash) for each in vars(cls).values() if inspect.isfunction(each)
    ]
    return {method.__name__ for method in methods if "_transaction()" in inspect.getsource(method)}


def around(path: Path) -> list[str]:
    """Places where a page changes something and does not ask the gate."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        whose, name = ast.unparse(node.value), node.attr
        is_of_runs = whose in ("shared", "manager.get_manager()")
        is_act = name in acts() and whose not in ALLOWED and (is_of_runs or name not in AMBIGUOUS)
        is_written = name in writes() and whose.rsplit(".", 1)[-1] in ("store", "annotation_store", "trash")
        if is_act or is_written or name in MODULES.get(whose, ()):
            found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    return found


def test_the_gate_knows_what_acts_and_what_writes() -> None:
    commands = {"pause", "resume", "step", "stop", "set_pace", "adjust"}
    assert commands | {"start", "start_sweep", "resume_from_checkpoint"} <= acts()
    assert {"add", "append_batches", "set_state", "transition", "rewind", "pin", "delete", "restore"} <= writes()
    assert not {"run", "runs", "events", "rewinds"} & writes()


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")), ids=lambda path: path.name)
def test_whatever_a_page_changes_passes_the_gate(path: Path) -> None:
    assert path == GATE or around(path) == []


@pytest.mark.parametrize(
    "line",
    [
        "manager.get_manager().start(config)", "manager.get_manager().step(run)", "mine.pause(run)", "x = shared.stop",
        "uploads.remove(key)", "downloads.start(dataset)",
        "manager.get_manager().store.add(a, b, c)", "store.set_state(a, b)",
        "shared.trash.delete(run)", "manager.get_manager().annotation_store.pin(run)",
    ],
)  # fmt: skip
def test_a_way_around_the_gate_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(line, encoding="utf-8")
    assert len(around(tmp_path / "page.py")) == 1
