"""Polls of a room, as the presenter and a member see them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from pages.ui.app.errors import toast_errors
from pages.ui.app.room.rooms import Chart, Poll, Room
from pages.ui.widgets.text.escape import escape_markdown


def ask_button(room: Room, question: str, choices: Sequence[str], chart: Chart) -> None:
    """Draw the button that puts a question of the page to the class."""
    st.button(
        "Ask the class", icon=":material/how_to_vote:", key="ask the class", on_click=_ask,
        args=(room, question, choices, chart), help="Everybody in the room can answer once. You reveal the answers.",
    )  # fmt: skip


def _ask(room: Room, question: str, choices: Sequence[str], chart: Chart) -> None:
    room.ask(question, choices, chart)


def class_marks(room: Room | None, chart: str) -> dict[str, list[float]]:
    """Return what the class has marked on the chart with this key, by column, once its answers are revealed."""
    poll = room.poll if room is not None else None
    return poll.marks_by_point() if poll is not None and poll.is_revealed and poll.chart.key == chart else {}


def member_answer(room: Room | None, member: str, chart: str) -> tuple[int, dict[str, float]]:
    """Return the choice and the marks of a member in the poll about a chart; -1 and none where it has not answered."""
    poll = room.poll if room is not None else None
    if poll is None or poll.chart.key != chart:
        return -1, {}
    return poll.votes.get(member, -1), poll.marks.get(member, {})


def control(room: Room) -> None:
    """Draw the number of answers with a button to reveal them, or the answers."""
    poll = room.poll
    if poll is None:
        return
    _question(poll, f" {len(poll.votes)} of {room.count} have answered.")
    if poll.is_revealed:
        _bars(poll)
    else:
        st.button("Reveal the answers", icon=":material/bar_chart:", key="reveal", on_click=room.reveal)


def ballot(room: Room, member: str) -> None:
    """Draw the question with its choices, what became of the answer, or the answers of all."""
    poll = room.poll
    if poll is None:
        return
    _question(poll)
    if poll.is_revealed:
        _bars(poll, poll.votes.get(member))
        return
    if member in poll.votes:
        st.caption(f"Your answer: {escape_markdown(poll.choices[poll.votes[member]])}")
        return
    if poll.chart.points:
        st.caption("You can first mark on the chart what you expect. Then choose:")
    for number, choice in enumerate(poll.choices):
        st.button(
            choice, key=f"vote {poll.number} {number}", width="stretch", on_click=_vote,
            args=(room, member, poll.number, number, poll.chart.key),
        )  # fmt: skip


def _question(poll: Poll, more: str = "") -> None:
    st.markdown(f"**{escape_markdown(poll.question)}**{more}")


@toast_errors
def _vote(room: Room, member: str, poll: int, choice: int, chart: str) -> None:
    state = st.session_state.get(chart) if chart else None
    room.answer(member, poll, choice, getattr(state, "predictions", None))


def _bars(poll: Poll, answer: int | None = None) -> None:
    counts = poll.counts()
    total = max(1, sum(counts))
    rows = "".join(
        f"<tr><th scope='row' style='text-align:left;font-weight:{600 if answer == number else 400}'>{escape(choice)}"
        f"{' (yours)' * (answer == number)}{' ✓ happened' * (poll.outcome == number)}</th>"
        "<td style='width:50%'><div style='background:currentColor;"
        f"opacity:.35;height:1.2em;width:{100 * count / total:.0f}%;min-width:1px'></div></td>"
        f"<td style='text-align:right'>{count}</td></tr>"
        for number, (choice, count) in enumerate(zip(poll.choices, counts, strict=True))
    )
    late = f"<caption style='text-align:left'>{len(poll.late)} came too late.</caption>" if poll.late else ""
    st.html(f"<table style='width:100%;border-spacing:8px 4px;border-collapse:separate'>{late}{rows}</table>")
