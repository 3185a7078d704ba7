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
from pages.ui.widgets import projector
from pages.ui.widgets.text.escape import escape_markdown

PARAMETER = "room"
MEMBER = "room member"  # key in the session of its identifier in the room that it has joined
OWN = "own room"  # key in the session of the room that it presents
REVISION = "room revision"  # key in the session of the revision with which the page was drawn
TOUCHED = "room touched"  # key in the session of the time of the last touch, by the browser's clock
INVITING = "inviting to the room"  # key in the session, set until the link to join is shown
POLL_SECONDS = 0.5
QR_PIXELS = 540  # fills the height of a screen of 720


def show(page: str) -> None:
    """Draw the bar of the room that this session presents or is a member of, if any."""
    with st.container(key="classroom"):  # also without a room, so that nothing below changes its place
        if (room := own_room()) is not None:
            turn.begin_page()
            st.session_state[REVISION] = room.revision
            with st.container(border=True, key="classroom-bar"):
                st.fragment(catch_errors(_presenter), run_every=POLL_SECONDS, key="presenter's room")(room, page)
        elif key := _joined():
            st.session_state[REVISION] = _revision(rooms.find(key))
            with st.container(border=True, key="classroom-bar"):
                _identify(key)
                st.fragment(catch_errors(_member), run_every=POLL_SECONDS, key="member's room")(key, page)


def followed_room() -> Room | None:
    """Return the room whose presenter this session follows."""
    return _joined_room() if member() and _follows() else None


def member() -> str:
    """Return the identifier of this session in the room that it has joined; "" without one."""
    return str(st.session_state.get(MEMBER) or "")


def current_room() -> Room | None:
    """Return the room that this session presents or is a member of."""
    return own_room() or _joined_room()


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
    st.session_state[projector.PARAMETER] = True  # whoever has a class has a projector; the switch turns it off


# -- presenter ----------------------------------------------------------------------------------------------------


def _presenter(room: Room, page: str) -> None:
    if turn.is_pending() or room.revision != st.session_state.get(REVISION):
        st.rerun()
    room.show(page, page_parameters())
    with st.container(horizontal=True, vertical_alignment="center"):
        address = _address(room, page)
        st.button(
            f"Room {room.key}", icon=":material/qr_code:", key="room link", help="Show the link to join",
            on_click=_invite,
        )  # fmt: skip
        if st.session_state.pop(INVITING, False):
            _invitation(address)
        st.caption(f"{room.count} joined", width="content")
        clock = component("room_clock")
        clock(
            key=turn.CLOCK, data={"seconds": room.seconds, "hasKeys": True}, width="content",
            on_turned_change=turn.record,
        )  # fmt: skip
        together.control(room)
        if room.sweep:
            st.page_link("pages/sweep.py", label="Open on Sweep", query_params={"sweep": room.sweep}, width="content")
        st.button("Close the room", type="tertiary", key="close room", on_click=_close, args=(room.key,))
    polls.control(room)
    together.class_map(room)


def _invite() -> None:
    """Note that the link is wanted, since the value of a button is lost while the page is still being drawn."""
    st.session_state[INVITING] = True


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
    for name in (PARAMETER, MEMBER, "room followed"):
        st.session_state.pop(name, None)
    st.query_params.pop(PARAMETER, None)


def _identify(key: str) -> None:
    """Join the room as the member that this browser was before, if it was one."""
    mounted = component("room_member")
    stored = getattr(st.session_state.get("room identity"), "stored", None)
    room = rooms.find(key)
    if stored and room is not None and not member():
        try:
            st.session_state[MEMBER] = room.join("" if stored == "none" else str(stored))
        except ValueError as error:  # the room is full
            st.caption(escape_markdown(str(error)))
    mounted(
        key="room identity", on_stored_change=lambda: None, on_touched_change=_stop_following, height=1,
        data={
            "room": key, "member": member(),
            "isFollowing": _follows(),
        },
    )  # fmt: skip


def _joined_room() -> Room | None:
    return rooms.find(str(st.session_state.get(PARAMETER) or ""))


def _revision(room: Room | None) -> int:
    return room.revision if room is not None else 0


def _follows() -> bool:
    return bool(st.session_state.get("is following", True))


def _stop_following() -> None:
    touched = getattr(st.session_state.get("room identity"), "touched", None)
    if touched and touched != st.session_state.get(TOUCHED):
        st.session_state[TOUCHED] = touched
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
    if room.revision != st.session_state.get(REVISION):
        st.rerun()
    follows = _follows()
    with st.container(horizontal=True, vertical_alignment="center"):
        if not room.has_presenter:
            st.caption("The presenter has left. Wait for her, or go on alone.", width="content")
            st.button("Go on alone", key="leave room", on_click=_leave)
        elif follows:
            st.caption("Following the presenter", width="content")
        else:
            st.button("Follow again", icon=":material/sync:", key="follow again", on_click=_follow_again)
    if one := member():
        polls.ballot(room, one)
        together.choice(room, one)
        together.class_map(room, one)
    if follows and room.has_presenter and room.view.number != st.session_state.get("room followed"):
        st.session_state["room followed"] = room.view.number
        if room.view.page:
            parameters = {**dict(room.view.parameters), PARAMETER: key, "autoplay": "0"}
            if page != room.view.page or dict(room.view.parameters) != page_parameters():
                st.switch_page(f"pages/{room.view.page}.py", query_params=parameters)
