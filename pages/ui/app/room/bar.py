"""Bars of a room at the top of every page, the presenter's and a member's."""

from __future__ import annotations

import functools
import io

import streamlit as st

from pages.ui.app import auth
from pages.ui.app.errors import catch_errors, toast_errors
from pages.ui.app.room import polls, together, turn
from pages.ui.app.room.rooms import Room, rooms
from pages.ui.app.url_state import page_parameters
from pages.ui.components import component
from pages.ui.widgets.text.escape import escape_markdown

PARAMETER = "room"
OWN = "own room"  # key in the session of the room that it presents
POLL_SECONDS = 1.0
QR_PIXELS = 540  # fills the height of a screen of 720


def show(page: str) -> None:
    """Draw the bar of the room that this session presents or is a member of, if any."""
    with st.container(key="classroom"):  # also without a room, so that nothing below changes its place
        if (room := own_room()) is not None:
            turn.begin_page()
            with st.container(border=True, key="classroom-bar"):
                st.fragment(catch_errors(_presenter), run_every=POLL_SECONDS, key="presenter's room")(room, page)
        elif key := _joined():
            with st.container(border=True, key="classroom-bar"):
                _identify(key)
                st.fragment(catch_errors(_member), run_every=POLL_SECONDS, key="member's room")(key, page)


def own_room() -> Room | None:
    """Return the room that this session presents."""
    room = rooms.find(str(st.session_state.get(OWN) or ""))
    return room if room is not None and auth.may_act() else None


def open_button() -> None:
    """Draw the button that opens a room, for whoever may present."""
    if auth.may_act() and own_room() is None and not _joined():
        st.button("Open a room", key="open room", on_click=_open, help="For a class whose phones follow this screen.")


@toast_errors
def _open() -> None:
    st.session_state[OWN] = rooms.open().key


# -- presenter ----------------------------------------------------------------------------------------------------


def _presenter(room: Room, page: str) -> None:
    if sweep := together.started_sweep():
        st.switch_page("pages/sweep.py", query_params={"sweep": sweep})
    if turn.is_pending():
        st.rerun()
    room.show(page, page_parameters())
    with st.container(horizontal=True, vertical_alignment="center"):
        address = _address(room, page)
        if st.button(f"Room {room.key}", icon=":material/qr_code:", key="room link", help="Show the link to join"):
            _invitation(address)
        st.caption(f"{room.count} joined", width="content")
        clock = component("room_clock")
        clock(
            key=turn.CLOCK, data={"seconds": room.seconds, "hasKeys": True}, width="content",
            on_turned_change=turn.record,
        )  # fmt: skip
        together.control(room)
        st.button("Close the room", type="tertiary", key="close room", on_click=_close, args=(room.key,))
    polls.control(room)


def _close(key: str) -> None:
    rooms.close(key)
    st.session_state.pop(OWN, None)


def _address(room: Room, page: str) -> str:
    """Return the address under which the presenter's browser has the app, which a proxy may give a path and https."""
    host = st.context.headers.get("Host", "127.0.0.1:8501")
    url = (st.context.url or f"http://{host}").removesuffix(f"/{page}").rstrip("/")
    return f"{url}/?{PARAMETER}={room.key}"


@st.dialog("Join with your phone", width="large")
def _invitation(address: str) -> None:
    """Show the address and its QR code, large enough for the last row."""
    if "localhost" in address or "127.0.0.1" in address:
        st.warning(
            "Phones cannot reach this address. Start the app with `STREAMLIT_SERVER_ADDRESS=0.0.0.0` and open it under "
            "the address of this machine in the network."
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="large"):
        st.image(_qr_code(address), width=QR_PIXELS, alt=f"QR code of {address}")
        st.markdown(f"# {escape_markdown(address.partition('://')[2])}", width="content")


@functools.lru_cache(maxsize=64)
def _qr_code(address: str) -> bytes:
    import segno  # for presenters alone

    picture = io.BytesIO()
    segno.make(address, error="m", micro=False).save(picture, kind="png", scale=24, border=2)
    return picture.getvalue()


# -- member -------------------------------------------------------------------------------------------------------


def _joined() -> str:
    """Return the key of the room in the link with which the session was opened; "" without one."""
    if PARAMETER in st.query_params:
        st.session_state[PARAMETER] = st.query_params[PARAMETER]
    key = str(st.session_state.get(PARAMETER) or "")
    if key:
        st.query_params[PARAMETER] = key
    return key


def _closed() -> None:
    st.caption("This room is closed. The app works without it.")
    st.button("Go on alone", key="leave room", on_click=_leave)


def _leave() -> None:
    for name in (PARAMETER, "room member", "room followed"):
        st.session_state.pop(name, None)
    st.query_params.pop(PARAMETER, None)


def _identify(key: str) -> None:
    """Join the room as the member that this browser was before, if it was one."""
    mounted = component("room_member")
    stored = getattr(st.session_state.get("room identity"), "stored", None)
    room = rooms.find(key)
    if stored and room is not None and not st.session_state.get("room member"):
        st.session_state["room member"] = room.join("" if stored == "none" else str(stored))
    mounted(
        key="room identity", on_stored_change=lambda: None, on_touched_change=_stop_following, height=1,
        data={
            "room": key, "member": st.session_state.get("room member", ""),
            "isFollowing": st.session_state.get("is following", True),
        },
    )  # fmt: skip


def _stop_following() -> None:
    st.session_state["is following"] = False


def _follow_again() -> None:
    st.session_state["is following"] = True
    st.session_state.pop("room followed", None)


def _member(key: str, page: str) -> None:
    room = rooms.find(key)
    if PARAMETER not in st.session_state:  # its owner has just left
        st.rerun()
    if room is None:
        _closed()
        return
    is_following = st.session_state.setdefault("is following", True)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not room.has_presenter:
            st.caption("The presenter has left. You can go on alone.", width="content")
        elif is_following:
            st.caption("Following the presenter", width="content")
        else:
            st.button("Follow again", icon=":material/sync:", key="follow again", on_click=_follow_again)
    member = str(st.session_state.get("room member") or "")
    if member:
        polls.ballot(room, member)
        together.choice(room, member)
    if is_following and room.has_presenter and room.view.number != st.session_state.get("room followed"):
        st.session_state["room followed"] = room.view.number
        if room.view.page:
            parameters = {**dict(room.view.parameters), PARAMETER: key, "autoplay": "0"}
            if page != room.view.page or dict(room.view.parameters) != page_parameters():
                st.switch_page(f"pages/{room.view.page}.py", query_params=parameters)
