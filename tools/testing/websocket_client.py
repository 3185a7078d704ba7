"""A visitor without a browser: Streamlit's own messages over its websocket, also those that no browser would send."""

from __future__ import annotations

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

PATIENCE = 30.0  # seconds
LARGEST = 1 << 26  # bytes of a message


class Visitor:
    """One session on a server at ``port``; what was last drawn is in ``elements``."""

    def __init__(self, port: int, socket: ClientConnection, cookies: str) -> None:
        self.port, self._socket, self._cookies = port, socket, cookies
        self.session, self._hash = "", ""
        self.elements: list[Any] = []
        self.places: dict[tuple[int, ...], str] = {}  # on the page: which fragment drew there, "" for none
        self.errors: list[str] = []
        self.fragments: dict[str, str] = {}  # that draw a widget, by its id; "" for none
        self.timers: dict[str, tuple[float, float]] = {}  # of fragments: seconds between draws, and when the next is
        self.query = ""

    @classmethod
    @contextmanager
    def at(cls, port: int, host: str = "127.0.0.1") -> Iterator[Self]:
        """``host``: the name by which the browser knows the server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=PATIENCE) as answer:
            cookies = (answer.headers.get("Set-Cookie") or "").split(";")[0]
        with connect(
            f"ws://{host}:{port}/_stcore/stream", sock=create_connection(("127.0.0.1", port)),
            subprotocols=["streamlit"], max_size=LARGEST, origin=f"http://{host}:{port}",  # type: ignore[list-item]
            additional_headers={"Cookie": cookies}, open_timeout=PATIENCE,
        ) as socket:  # fmt: skip
            yield cls(port, socket, cookies)

    def open(self, page: str, query: str = "") -> float:
        """Goes to a page; the seconds until it is drawn."""
        self._hash, self.query, self.timers = "", query, {}
        return self._run(page_name=page)

    def press(self, label: str, **typed: str) -> float:
        """Presses the button of that label, disabled or not, with what was ``typed`` into text fields of these labels;
        the seconds until the answer is drawn."""
        return self.send(self.find("button", label).id, **typed)

    def send(self, pressed: str, **typed: str) -> float:
        """The same by the id of a widget, which need not be there."""
        message = BackMsg()
        for label, text in typed.items():
            message.rerun_script.widget_states.widgets.add(id=self.find("text_input", label).id, string_value=text)
        message.rerun_script.widget_states.widgets.add(id=pressed, trigger_value=True)
        return self._run(message)

    def turn(self, label: str, value: float) -> float:
        """Moves the slider or the number of that label; the seconds until the answer is drawn, which ``elements`` holds
        alone then."""
        kind = next(kind for kind, each in self.elements if kind in ("slider", "number_input") and each.label == label)
        widget = self.find(kind, label).id
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add(id=widget)
        if kind == "slider":
            state.double_array_value.data.append(value)
        else:
            state.int_value = int(value)
        self.elements = []
        return self._run(message, fragment_id=self.fragments[widget])

    def tick(self) -> None:
        """Draws again whatever is drawn again by itself, as far as it is due."""
        for fragment, (pause, due) in list(self.timers.items()):
            if time.monotonic() >= due:
                self.timers[fragment] = pause, time.monotonic() + pause
                self._run(fragment_id=fragment, is_auto_rerun=True)

    def find(self, kind: str, label: str) -> Any:
        found = [each for own, each in self.elements if own == kind and each.label == label]
        assert found, f"no {kind} {label!r} among {[each.label for own, each in self.elements if own == kind]}"
        return found[-1]

    def said(self) -> str:
        """All text that was drawn."""
        return "\n".join(getattr(each, "body", "") for _, each in self.elements).replace("\\", "")

    def upload(self, name: str, content: bytes, token: str = "") -> int:
        """Sends a file as the field for files does, by default with the ``token`` of this site; the HTTP status."""
        token = token or self._cookies.partition("=")[2]
        edge = "edge-of-a-part"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/_stcore/upload_file/{self.session}/{name}",
            head.encode() + content + f"\r\n--{edge}--\r\n".encode(),
            {
                "Content-Type": f"multipart/form-data; boundary={edge}", "X-Xsrftoken": token, "Cookie": self._cookies
            },
            method="PUT",
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    def _run(self, message: BackMsg | None = None, **state: Any) -> float:
        message = message or BackMsg()
        wish = message.rerun_script
        wish.query_string, wish.page_script_hash = self.query, self._hash
        for name, value in state.items():
            setattr(wish, name, value)
        wish.context_info.timezone, wish.context_info.locale = "UTC", "en"
        if not wish.fragment_id:
            self.elements, self.places = [], {}
        begun = time.monotonic()
        self._socket.send(message.SerializeToString())
        while not self._take(ForwardMsg.FromString(self._socket.recv(PATIENCE))):  # type: ignore[arg-type]
            assert time.monotonic() - begun < PATIENCE, "the script does not end"
        return time.monotonic() - begun

    def _take(self, message: ForwardMsg) -> bool:
        """Whether the script is over, and none follows at once."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._hash = message.new_session.page_script_hash or self._hash
            self.session = message.new_session.initialize.session_id or self.session
        elif kind == "navigation":
            self._hash = message.navigation.page_script_hash or self._hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            pause = message.auto_rerun.interval
            self.timers.setdefault(message.auto_rerun.fragment_id, (pause, time.monotonic() + pause))
        if kind == "delta":
            self.places[tuple(message.metadata.delta_path)] = message.delta.fragment_id
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            own = element.WhichOneof("type")
            self.elements.append((own, getattr(element, own)))
            self.fragments[getattr(getattr(element, own), "id", "")] = message.delta.fragment_id
            if own == "exception" or (own == "alert" and "Something went wrong" in element.alert.body):
                self.errors.append(str(getattr(element, own)))
        # A script that begins anew (st.rerun) says so in the way in which it ends.
        return kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
