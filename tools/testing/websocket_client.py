"""Client of Streamlit's websocket, which can also send messages that no browser would send."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from typing import Any, Self
from urllib.error import HTTPError

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

TIMEOUT = 30.0  # seconds
MAX_MESSAGE_BYTES = 1 << 26
BOUNDARY = "boundary-of-the-parts"


class Visitor:
    """One session on a server. Methods that run the script return the seconds until it has ended.

    Attributes:
        elements: kind and content of everything that the last run of the script has drawn.
        fragments_by_path: by its place on the page, the fragment that has drawn an element; "" for none.
        fragments_by_widget: by the id of a widget, the fragment that draws it; "" for none.
        timers: of fragments that are drawn again by themselves, the seconds between two draws and the time of the next.
        errors: messages of exceptions that the page has shown.
        page: Streamlit's key of the page that is open.
        query: the part of the page's address after the question mark.
    """

    def __init__(self, port: int, socket: ClientConnection, cookies: str) -> None:
        self.port, self._socket, self._cookies = port, socket, cookies
        self.session, self.page = "", ""
        self.elements: list[tuple[str, Any]] = []
        self.fragments_by_path: dict[tuple[int, ...], str] = {}
        self.fragments_by_widget: dict[str, str] = {}
        self.timers: dict[str, tuple[float, float]] = {}
        self.errors: list[str] = []
        self.query = ""

    @classmethod
    @contextmanager
    def at(cls, port: int, host: str = "127.0.0.1") -> Iterator[Self]:
        """Connect to a server on this machine. ``host`` is the name by which the browser would know the server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=TIMEOUT) as response:
            cookies = (response.headers.get("Set-Cookie") or "").split(";")[0]
        with connect(
            f"ws://{host}:{port}/_stcore/stream", sock=create_connection(("127.0.0.1", port)),
            subprotocols=["streamlit"], max_size=MAX_MESSAGE_BYTES, origin=f"http://{host}:{port}",  # type: ignore[list-item]
            additional_headers={"Cookie": cookies}, open_timeout=TIMEOUT,
        ) as socket:  # fmt: skip
            yield cls(port, socket, cookies)

    def open(self, page: str, query: str = "") -> float:
        """Open a page."""
        self.page, self.query = "", query
        return self._run(page_name=page)

    def press(self, label: str, **texts: str) -> float:
        """Press the button of that label, even if it is disabled, with ``texts`` in the text fields of these labels."""
        return self.press_widget(self.find("button", label).id, **texts)

    def press_widget(self, widget: str, **texts: str) -> float:
        """Press the button of that id, which need not be on the page."""
        message = BackMsg()
        for label, text in texts.items():
            message.rerun_script.widget_states.widgets.add(id=self.find("text_input", label).id, string_value=text)
        message.rerun_script.widget_states.widgets.add(id=widget, trigger_value=True)
        return self._run(message)

    def change(self, label: str, value: float | str) -> float:
        """Set the slider or the number field of that label, a slider of choices to the text of one.

        Afterwards ``elements`` holds only what was drawn again.
        """
        kinds = ("slider", "number_input")
        kind = next(kind for kind, element in self.elements if kind in kinds and element.label == label)
        widget = self.find(kind, label).id
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add(id=widget)
        if isinstance(value, str):
            state.string_array_value.data.append(value)
        elif kind == "slider":
            state.double_array_value.data.append(value)
        else:
            state.int_value = int(value)
        self.elements = []
        return self._run(message, fragment_id=self.fragments_by_widget[widget])

    def forge(self, widget: str, field: str, value: Any) -> float:
        """Send a value for the widget of that id in any field of the message."""
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add(id=widget)
        if isinstance(value, list):
            getattr(state, field).data.extend(value)
        else:
            setattr(state, field, value)
        return self._run(message)

    def set_component(self, name: str, **values: Any) -> float:
        """Send the state of a browser component, as its script does by ``setStateValue``."""
        return self.forge(self.component(name).id, "json_value", json.dumps(values))

    def component(self, name: str) -> Any:
        """Return the last element of a browser component. Raises AssertionError if there is none."""
        kind = "bidi_component"
        every = [element for element_kind, element in self.elements if element_kind == kind]
        matching = [element for element in every if element.component_name == f"distillery_{name}"]
        assert matching, f"no component {name} among {[element.component_name for element in every]}"
        return matching[-1]

    def run_due_fragments(self) -> None:
        """Draw again the fragments whose timers are due."""
        for fragment, (interval, due) in list(self.timers.items()):
            # A fragment may lead to another page, which has other fragments.
            if time.monotonic() >= due and fragment in self.timers:
                self.timers[fragment] = interval, time.monotonic() + interval
                self._run(fragment_id=fragment, is_auto_rerun=True)

    def find(self, kind: str, label: str) -> Any:
        """Return the last element of a kind and a label. Raises AssertionError if there is none."""
        elements = [element for element_kind, element in self.elements if element_kind == kind]
        matching = [element for element in elements if element.label == label]
        assert matching, f"no {kind} {label!r} among {[element.label for element in elements]}"
        return matching[-1]

    def text(self) -> str:
        """Return all text among ``elements``, without the backslashes of Markdown."""
        return "\n".join(getattr(element, "body", "") for _, element in self.elements).replace("\\", "")

    def upload(self, name: str, content: bytes, token: str = "") -> int:
        """Send a file as the upload widget does and return the HTTP status. By default ``token`` is the site's own."""
        token = token or self._cookies.partition("=")[2]
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/_stcore/upload_file/{self.session}/{name}",
            head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode(),
            {
                "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "X-Xsrftoken": token,
                "Cookie": self._cookies,
            },
            method="PUT",
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return int(response.status)
        except HTTPError as error:
            return error.code

    def _run(self, message: BackMsg | None = None, **fields: Any) -> float:
        message = message or BackMsg()
        rerun = message.rerun_script
        rerun.query_string, rerun.page_script_hash = self.query, self.page
        for name, value in fields.items():
            setattr(rerun, name, value)
        rerun.context_info.timezone, rerun.context_info.locale = "UTC", "en"
        if not rerun.fragment_id:
            self._forget_page()
        begun = time.monotonic()
        self._socket.send(message.SerializeToString())
        while not self._process(ForwardMsg.FromString(self._socket.recv(TIMEOUT))):  # type: ignore[arg-type]
            assert time.monotonic() - begun < TIMEOUT, "the script does not end"
        return time.monotonic() - begun

    def _process(self, message: ForwardMsg) -> bool:
        """Record a message and return whether it ends the run of the script."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.page = message.new_session.page_script_hash or self.page
            self.session = message.new_session.initialize.session_id or self.session
        elif kind == "navigation":
            self.page = message.navigation.page_script_hash or self.page
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            interval = message.auto_rerun.interval
            self.timers.setdefault(message.auto_rerun.fragment_id, (interval, time.monotonic() + interval))
        elif kind == "delta":
            self._record_delta(message)
        if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._forget_page()  # st.rerun or st.switch_page: the whole script runs once more
            return False
        return kind == "script_finished"

    def _forget_page(self) -> None:
        self.elements, self.fragments_by_path, self.timers = [], {}, {}

    def _record_delta(self, message: ForwardMsg) -> None:
        self.fragments_by_path[tuple(message.metadata.delta_path)] = message.delta.fragment_id
        if message.delta.WhichOneof("type") != "new_element":
            return
        kind = message.delta.new_element.WhichOneof("type")
        element = getattr(message.delta.new_element, kind)
        self.elements.append((kind, element))
        self.fragments_by_widget[getattr(element, "id", "")] = message.delta.fragment_id
        if kind == "exception" or (kind == "alert" and "Something went wrong" in element.body):
            self.errors.append(str(element))
