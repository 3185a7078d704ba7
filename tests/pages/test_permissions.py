"""Permissions of presenters and viewers, whatever a browser sends."""

from __future__ import annotations

import ast
import functools
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
from pages.ui.app.auth import _is_local  # before a fixture replaces it
from pages.ui.app.login_throttle import LoginThrottle
from pages.ui.run import live_controls
from tools.testing.waiting import wait, wait_for_end

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
ROOT = Path(__file__).parents[2]
QUICK = {"dataset": "moons", "epochs": "4", "teacher_epochs": "1"}
LONG = from_flat({**QUICK, "epochs": "2000"})
PASSWORD = "correct horse"
VIEWING, PRESENTING = "View only.", "You are presenting."


@pytest.fixture
def require_password(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that sets a password, which makes every session a viewer's."""
    return lambda: monkeypatch.setenv(auth.PASSWORD, PASSWORD)


def button(app: AppTest, label: str):
    return next(element for element in app.button if element.label == label)


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.info, app.toast)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def framed(app: AppTest) -> AppTest:
    """Run the page inside its frame, which ``AppTest.switch_page`` leaves out."""
    app.session_state["is_framed"] = False
    return app.run()


@pytest.fixture
def forged_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable every button, as a browser can that sends clicks on disabled ones."""
    button = st.button
    monkeypatch.setattr(st, "button", lambda *args, **kwargs: button(*args, **kwargs | {"disabled": False}))


def log_in(app: AppTest, password: str) -> None:
    app.text_input(key="presenter password").set_value(password)
    button(app, "Log in").click().run()


def test_without_a_password_a_local_session_may_act_and_sees_no_login(open_page: Open) -> None:
    app = open_page("distill", **QUICK)
    assert not button(app, "Start training").disabled
    assert PRESENTING not in texts(app)
    assert VIEWING not in texts(app)


def test_a_viewer_sees_every_page_and_the_reason_why_the_start_button_is_disabled(
    open_page: Open, shared: RunManager, require_password: Callable[[], None]
) -> None:
    run = shared.start(from_flat(QUICK))
    assert wait_for_end(shared, run) == "completed"
    require_password()
    for page in ("distill", "temperature", "inspect", "compare", "experiments"):
        app = framed(open_page(page, run=run))
        assert VIEWING in texts(app)
    app = open_page("distill", **QUICK)
    start = button(app, "Start training")
    assert start.disabled
    assert start.help == auth.VIEWER_MESSAGE


def test_a_forged_click_of_a_viewer_starts_nothing(
    open_page: Open, shared: RunManager, require_password: Callable[[], None], forged_clicks: None
) -> None:
    require_password()
    app = open_page("distill", **QUICK)
    button(app, "Start training").click().run()
    assert shared.store.runs() == []
    assert auth.VIEWER_MESSAGE in texts(app)


def test_the_password_makes_a_presenter_and_logging_out_a_viewer(
    open_page: Open, shared: RunManager, require_password: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_password()
    monkeypatch.setattr(live_controls, "WATCH_SECONDS", 25.0)  # the run outlives the test
    app = framed(open_page("distill", **QUICK))
    log_in(app, "wrong")
    assert "The password is wrong." in texts(app)
    assert button(app, "Start training").disabled
    log_in(app, PASSWORD)
    assert PRESENTING in texts(app)
    assert PASSWORD not in str(app.session_state)
    app.session_state["is_framed"] = True
    button(app, "Start training").click().run()
    assert len(shared.store.runs()) == 1
    framed(app)
    button(app, "Log out").click().run()
    assert VIEWING in texts(app)
    app.session_state["is_framed"] = True
    button(app, "Set up another run").click().run()
    assert button(app, "Start training").disabled


def test_after_wrong_passwords_even_the_right_one_has_to_wait(
    open_page: Open, require_password: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(auth, "_throttle", LoginThrottle(lambda: clock[0]))
    require_password()
    app = framed(open_page("experiments"))
    for _ in range(3):
        log_in(app, "wrong")
    log_in(app, PASSWORD)
    assert "Too many wrong passwords. Try again in 1 s." in texts(app)
    assert VIEWING in texts(app)
    clock[0] += 1.0
    log_in(app, PASSWORD)
    assert PRESENTING in texts(app)


@pytest.mark.parametrize("forged", ["x", True, 1, "presenter", [], {"pass": True}])
def test_no_session_value_but_the_secret_of_this_process_makes_a_presenter(
    open_page: Open, require_password: Callable[[], None], forged: Any
) -> None:
    require_password()
    app = framed(open_page("experiments"))
    app.session_state["pass"] = forged
    app.run()
    assert VIEWING in texts(app)


def test_a_session_that_has_just_become_a_viewers_controls_nothing(
    open_page: Open, shared: RunManager, require_password: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    toasts: list[str] = []
    monkeypatch.setattr(st, "toast", lambda text, **_: toasts.append(text.replace("\\", "")))
    run = shared.start(LONG, pace=0.05)
    wait(lambda: shared.status(run).done > 0)
    pages = [open_page("distill", run=run) for _ in range(4)]
    require_password()  # the widgets are still on the pages and enabled
    button(pages[0], "Pause").click().run()
    button(pages[1], "Stop and keep").click().run()
    pages[2].button_group(key=f"pace of {run}").set_value("Slow motion").run()
    button(pages[3], "Pin").click().run()
    assert toasts == [auth.VIEWER_MESSAGE] * 4
    assert shared.status(run).state == "training"
    assert shared.status(run).pace == 0.05
    assert not shared.store.run(run).annotations.is_pinned
    shared.stop(run)


@pytest.mark.parametrize("action", ["adjust", "delete", "resume_from_checkpoint", "start", "keep_upload"])
def test_a_viewer_gets_no_action_at_all(shared: RunManager, require_password: Callable[[], None], action: str) -> None:
    require_password()
    with pytest.raises(NotAllowedError):
        getattr(actions(), action)


@pytest.mark.usefixtures("home")
def test_a_viewer_can_neither_upload_nor_delete_uploads_nor_download(
    open_page: Open, require_password: Callable[[], None], monkeypatch: pytest.MonkeyPatch, forged_clicks: None
) -> None:
    started: list[str] = []
    monkeypatch.setattr(downloads, "start", lambda dataset: started.append(dataset.name))
    app = open_page("distill", dataset="kmnist")
    require_password()
    next(element for element in app.button if element.label.startswith("Download")).click().run()
    assert started == []
    assert auth.VIEWER_MESSAGE in texts(app)
    points = "\n".join(f"{at},{at % 7},{'ab'[at % 2]}" for at in range(40)).encode()
    with pytest.MonkeyPatch.context() as before:
        before.delenv(auth.PASSWORD)
        app = open_page("distill", dataset="upload")
        app.button(key="import").click().run()
        app.file_uploader(key="upload").set_value(("points.csv", points, "text/csv")).run()
    app.button(key="keep upload").click().run()
    assert uploads.list_all() == []
    assert not [one for one in open_page("distill", dataset="upload").button if one.key == "import"]


@pytest.mark.slow
def test_a_viewer_does_not_restart_a_demonstration_that_was_stopped(
    open_page: Open, shared: RunManager, require_password: Callable[[], None]
) -> None:
    require_password()
    open_page("start")  # starts automatically once per server, also for a viewer
    wait(lambda: len(shared.store.runs()) == 5)
    for row in shared.store.runs():
        shared.stop(row.id)
    for row in shared.store.runs():
        wait_for_end(shared, row.id)
    open_page("start")
    assert len(shared.store.runs()) == 5


def test_a_run_beyond_the_quota_of_epochs_is_refused_on_the_page(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLERY_MAX_EPOCHS", "10")
    app = open_page("distill", **QUICK | {"epochs": "30"})
    button(app, "Start training").click().run()
    assert "31 epochs" in texts(app)
    assert "at most 10" in texts(app)
    assert shared.store.runs() == []


def test_a_run_beyond_the_quota_of_waiting_runs_is_refused_on_the_page(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLERY_MAX_QUEUED", "1")
    training = shared.start(LONG, pace=0.05)
    app = open_page("distill", **QUICK)
    button(app, "Start training").click().run()
    app = open_page("distill", **QUICK)
    button(app, "Start training").click().run()
    assert "at most 1 may wait" in texts(app)
    assert len(shared.store.runs()) == 2
    shared.stop(training)


# -- roles of sessions ----------------------------------------------------------------------------------------------


FROM_A_BROWSER = {
    "Connection": "keep-alive, Upgrade", "Pragma": "no-cache", "Cache-Control": "no-cache", "User-Agent": "Mozilla/5.0",
    "Accept": "*/*", "Accept-Language": "en", "Accept-Encoding": "gzip, br", "Upgrade": "websocket", "Cookie": "a=b",
    "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Extensions": "permessage-deflate",
    "Sec-WebSocket-Protocol": "streamlit", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "websocket", "DNT": "1",
    "Sec-Fetch-Site": "same-origin", "Sec-GPC": "1", "Priority": "u=4", "Referer": "http://localhost:8501/",
    "X-Requested-With": "org.example.browser",
}  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "address", "is_local"),
    [
        ({"Host": "127.0.0.1:8501"}, None, True),
        ({"Host": "localhost:8501"}, None, True),
        ({"Host": "[::1]:8501"}, None, True),
        ({"Host": "LOCALHOST"}, None, True),
        ({"Host": "192.168.1.7:8501"}, "192.168.1.9", False),
        ({"Host": "localhost:8501"}, "192.168.1.9", False),  # a forged host name does not change the address
        ({"Host": "evil.example:8501"}, None, False),  # DNS rebinding
        ({"Host": "localhost.evil.example"}, None, False),
        ({"Host": "localhost@evil.example"}, None, False),
        ({"Host": "[::1"}, None, False),
        ({"Host": "localhost", "X-Forwarded-For": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "Forwarded": "for=203.0.113.5"}, None, False),
        ({"Host": "localhost", "via": "1.1 proxy"}, None, False),
        ({"Host": "localhost", "CF-Connecting-IP": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "True-Client-Ip": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "X-Client-IP": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "X-Cluster-Client-Ip": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "X-Forwarded-Proto": "https"}, None, False),
        ({"Host": "localhost", "X-ProxyUser-Ip": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "X-Envoy-External-Address": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "Fly-Client-IP": "203.0.113.5"}, None, False),
        ({"Host": "localhost", "X-Amzn-Trace-Id": "Root=1"}, None, False),
        ({"Host": "localhost", "X-Request-Id": "7"}, None, False),
        ({"Host": "localhost:8501", "Origin": "https://lab.example.org"}, None, False),  # a proxy that adds nothing
        ({"Host": "localhost:8501", "Origin": "null"}, None, False),
        ({"Host": "localhost:8501", "Origin": "http://localhost:8501", **FROM_A_BROWSER}, None, True),
    ],
)
def test_without_a_password_only_browsers_on_this_machine_are_presenters(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], address: str | None, is_local: bool
) -> None:
    context = SimpleNamespace(headers=headers, ip_address=address)
    monkeypatch.setattr(auth, "st", SimpleNamespace(context=context))
    assert _is_local() is is_local


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
def test_with_an_identity_provider_the_listed_addresses_are_presenters(
    monkeypatch: pytest.MonkeyPatch, user: dict[str, Any], role: str
) -> None:
    monkeypatch.setenv(auth.PRESENTERS, "ada@example.org, grace@example.org,")
    monkeypatch.setattr(auth, "secret", {"auth": {"redirect_uri": "…"}}.get)
    monkeypatch.setattr(auth, "st", SimpleNamespace(user=user, session_state={}))
    assert auth.role() == role


# -- every change goes through the actions --------------------------------------------------------------------------

ACTIONS = ROOT / "pages" / "ui" / "app" / "actions.py"
READ_ONLY = {
    "status",
    "refusal",
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
ALLOWED = ("actions()", "st", "thread", "sweep_eta.get_estimator()")  # st.stop and the like change no run
AMBIGUOUS = {"step"}  # an attribute of many other objects


@functools.cache
def changing_methods() -> set[str]:
    """Return the methods of RunManager that are not known to only read, so that new ones are included."""
    return {name for name in vars(RunManager) if not name.startswith("_")} - READ_ONLY


@functools.cache
def writing_methods() -> set[str]:
    """Return the methods of the store, the annotations and the trash that open a transaction or call such a method."""
    sources = {
        member.__name__: inspect.getsource(member)
        for cls in (Store, AnnotationStore, Trash)
        for member in vars(cls).values()
        if inspect.isfunction(member)
    }
    direct = {name for name, source in sources.items() if "_transaction()" in source}
    return direct | {name for name, source in sources.items() if any(f"self.{other}(" in source for other in direct)}


def unchecked_changes(path: Path) -> list[str]:
    """Return the places where a page changes something without going through the actions."""
    places = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        owner, name = ast.unparse(node.value), node.attr
        is_manager = owner in ("runs", "shared", "manager.get_manager()")
        is_change = name in changing_methods() and owner not in ALLOWED and (is_manager or name not in AMBIGUOUS)
        is_write = name in writing_methods() and owner.rsplit(".", 1)[-1] in ("store", "annotation_store", "trash")
        if is_change or is_write or name in MODULES.get(owner, ()):
            places.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    return places


def test_the_methods_that_change_and_write_are_recognised() -> None:
    commands = {"pause", "resume", "step", "stop", "set_pace", "adjust"}
    assert commands | {"start", "start_sweep", "resume_from_checkpoint"} <= changing_methods()
    assert {
        "add",
        "append_batches",
        "set_state",
        "transition",
        "rewind",
        "pin",
        "delete",
        "restore",
    } <= writing_methods()
    assert not {"run", "runs", "events", "rewinds"} & writing_methods()


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")), ids=lambda path: path.name)
def test_every_change_that_a_page_makes_goes_through_the_actions(path: Path) -> None:
    assert path == ACTIONS or unchecked_changes(path) == []


@pytest.mark.parametrize(
    "line",
    [
        "manager.get_manager().start(config)", "manager.get_manager().step(run)", "other.pause(run)", "x = shared.stop",
        "uploads.remove(key)", "downloads.start(dataset)",
        "manager.get_manager().store.add(a, b, c)", "store.set_state(a, b)",
        "shared.trash.delete(run)", "manager.get_manager().annotation_store.pin(run)",
    ],
)  # fmt: skip
def test_a_change_without_a_permission_check_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(line, encoding="utf-8")
    assert len(unchecked_changes(tmp_path / "page.py")) == 1
