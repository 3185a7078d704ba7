"""What the student fixed and broke, and the examples behind every count: as cards, and one of them close up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kd_core import pictures
from kd_core.inspection import (
    ALL_WRONG,
    BROKE,
    BROKE_TEACHER,
    CELL,
    DIFFERENCE,
    DISPUTED,
    FIXED,
    FIXED_TEACHER,
    HARDEST,
    Inspection,
    luck,
)
from kd_core.options import options_of
from kd_core.plan import BASELINE, STUDENT, TEACHER
from kd_core.probes import extent
from kd_core.recall import TEST
from pages.ui import tables, widget
from pages.ui.components import component, feed
from pages.ui.focus import Focus, look
from pages.ui.subject import Subject
from pages.ui.words import plain

SHOWN = 24  # cards
HANDLE = options_of(Focus)["temperature"]
IN_SIGHT = 20  # classes whose bars are seen without scrolling
SURE = 0.05  # what is rarer than that by luck is said to be no luck


def summary(subject: Subject) -> None:
    """Sentences: who is right how often, and where the student differs from baseline and teacher."""
    seen = subject.seen
    if len(seen.labels) < seen.total:
        st.caption(f"{len(seen.labels):,} of the {seen.total:,} {seen.split} examples, spread evenly over the split.")
    for reference, fixed, broke in ((BASELINE, FIXED, BROKE), (TEACHER, FIXED_TEACHER, BROKE_TEACHER)):
        if reference in seen.parts:
            with st.container(border=True, key=f"against {reference}"):
                counts = (len(subject.group(group, STUDENT, None)) for group in (fixed, broke))
                st.markdown(against(subject, reference, *counts))


def against(subject: Subject, reference: str, fixed: int, broke: int) -> str:
    """The comparison with one network in words, with what chance alone would do."""
    seen = subject.seen
    glyph, other = subject.look(reference)["glyph"], subject.title(reference).lower()
    lead = (
        f"**{subject.look(STUDENT)['glyph']} {subject.title(STUDENT)} fixed {fixed}, broke {broke}** of the "
        f"{len(seen.labels):,} answers of the {glyph} {other}: {subject.accuracy(STUDENT):.1%} against "
        f"{subject.accuracy(reference):.1%} right."
    )
    if not fixed + broke:
        return f"{lead} Both get the same examples right."
    chance = luck(fixed, broke)
    said = (
        "in less than one case in a thousand"
        if chance < 0.001
        else f"in {chance:.{0 if chance >= 0.1 else 1}%} of cases"
    )
    lead += f" Two equally good networks would differ this unevenly {said}"
    return f"{lead}." if chance < SURE else f"{lead}: these examples cannot tell them apart."


def examples(subject: Subject, focus: Focus) -> None:
    """The groups with their counts, the cards of the chosen one, and one card close up."""
    seen = subject.seen
    cell = focus.cell(seen.classes)
    groups = {name: subject.group(name, focus.of, cell) for name in _offered(subject)}
    wanted = focus.group if focus.group in groups else next(iter(groups))
    st.pills(
        "Show", list(groups), default=wanted, key=widget.key("group", wanted), required=True,
        format_func=lambda name: _label(subject, name, len(groups[name])),
        on_change=lambda: look(group=widget.shown("group"), example=-1),
    )  # fmt: skip
    found = groups[wanted]
    st.caption(_told(subject, focus, wanted, len(found)))
    shown = found[:SHOWN]
    if focus.example >= 0 and focus.example not in shown:  # a link, or a point of the embeddings
        shown = [focus.example, *shown[: SHOWN - 1]]
    chosen = focus.example if focus.example >= 0 else next(iter(shown), -1)
    _cards(subject, shown, chosen)
    if shown:
        tables.kept(
            f"{subject.name} {focus.of} {cell}", lambda: [_row(subject, at) for at in found], f"examples {wanted}",
            title="These examples as a table", alt="{count} examples with the answer of every network.",
        )  # fmt: skip
        st.subheader("One of them close up")
        _closeup(subject, focus, chosen)


def behind(subject: Subject, focus: Focus) -> list[int]:
    """The examples that are shown now."""
    found = subject.group(focus.group, focus.of, focus.cell(subject.seen.classes))[:SHOWN]
    return sorted({*found, focus.example} - {-1})


def _offered(subject: Subject) -> list[str]:
    parts = subject.seen.parts
    compared = [FIXED, BROKE] if BASELINE in parts else []
    compared += [FIXED_TEACHER, BROKE_TEACHER] if TEACHER in parts else []
    return [*compared, HARDEST, ALL_WRONG, *([DISPUTED] if len(parts) > 1 else []), CELL]


def _label(subject: Subject, name: str, count: int) -> str:
    titles = {part: plain(subject.title(part).lower()) for part in subject.seen.parts}
    said = {
        FIXED: "Fixed, against the {baseline}", BROKE: "Broke, against the {baseline}",
        FIXED_TEACHER: "Fixed, against the {teacher}", BROKE_TEACHER: "Broke, against the {teacher}",
        HARDEST: "Hardest", ALL_WRONG: "All wrong", DISPUTED: "Most disputed", CELL: "One cell",
    }[name].format(**titles)  # fmt: skip
    return f"{said} · {count}"


def _told(subject: Subject, focus: Focus, name: str, count: int) -> str:
    seen = subject.seen
    student = subject.title(STUDENT).lower()
    cell = focus.cell(seen.classes)
    if name == CELL and cell is None:
        return "Choose a cell of a matrix above: its examples appear here."
    if name == CELL:
        who = f"exactly one of {student} and {subject.title(BASELINE).lower()}" if focus.of == DIFFERENCE else (
            f"the {subject.title(focus.of).lower()}")  # fmt: skip
        said = f"Examples of {seen.classes[cell[0]]} that {who} answers as {seen.classes[cell[1]]}." if cell else ""
    else:
        other = {part: subject.title(part).lower() for part in seen.parts}
        said = {
            FIXED: f"The {student} is right and the {other.get(BASELINE)} is not.",
            BROKE: f"The {other.get(BASELINE)} is right and the {student} is not.",
            FIXED_TEACHER: f"The {student} is right and the {other.get(TEACHER)} is not.",
            BROKE_TEACHER: f"The {other.get(TEACHER)} is right and the {student} is not.",
            HARDEST: f"Where the loss of the {student} is highest.",
            ALL_WRONG: "Every network is wrong. A look at the label may be worth it.",
            DISPUTED: "Where the answers are farthest apart (Jensen-Shannon divergence at T = 1).",
        }[name]
    return plain(f"{said} {_how_many(count)}")


def _how_many(count: int) -> str:
    return f"The first {SHOWN} of {count} are shown." if count > SHOWN else ""


def _cards(subject: Subject, shown: list[int], chosen: int) -> None:
    key = f"cards of {subject.row.id}"
    data = subject.recall.data
    mounted: Any = component("example_cards")
    mounted(
        key=key,
        data={
            "cards": _faces(subject.name, subject, tuple(shown)), "chosen": chosen,
            "extent": extent(data) if data.is_planar else None,
            "names": {part: subject.title(part) for part in subject.seen.parts},
            "empty": f"There are no such {data.noun} in this run.",
        },
        on_chosen_change=_heard(key, "chosen", lambda value: look(example=int(value))),
    )  # fmt: skip


@st.cache_data(max_entries=32, show_spinner=False)
def _faces(name: str, _subject: Subject, shown: tuple[int, ...]) -> list[dict[str, Any]]:  # noqa: ARG001
    return [
        {"at": at, "src": picture.src, "x": picture.x, "y": picture.y, "true": _subject.seen.classes[picture.label],
         "said": [[part, _subject.seen.classes[top], share, top == picture.label]
                  for part, (top, share) in _subject.seen.said(at).items()]}
        for at, picture in zip(shown, _pictures(_subject, shown), strict=True)
    ]  # fmt: skip


def _pictures(subject: Subject, shown: tuple[int, ...]) -> list[pictures.Picture]:
    of = pictures.of_test if subject.seen.split == TEST else pictures.of_validation
    return of(subject.row.config.dataset, [subject.seen.rows[at] for at in shown])


def _row(subject: Subject, at: int) -> dict[str, Any]:
    seen = subject.seen
    row: dict[str, Any] = {f"{seen.split} example": seen.rows[at], "true class": seen.classes[int(seen.labels[at])]}
    for part, (top, share) in seen.said(at).items():
        row |= {subject.title(part): seen.classes[top], f"{subject.title(part)}, certainty": round(share, 4)}
    return row


def _closeup(subject: Subject, focus: Focus, at: int) -> None:
    """Mirrored bars of one example under a temperature handle."""
    seen = subject.seen
    (picture,) = _pictures(subject, (at,))
    key = f"close up of {subject.row.id}"
    order = subject.told(f"order {at}", lambda: _in_order(seen, at, picture.label))
    logits = subject.told(f"logits {at}", lambda: seen.own_logits(at))
    frame = {"moment": 0, "logits": {part: [[own[k] for k in order]] for part, own in logits.items()}}
    title = f"{seen.split.capitalize()} example {seen.rows[at]}, true class {seen.classes[picture.label]}"
    label = order.index(picture.label)
    feed.mount(
        "soft_targets", f"inspected {subject.name} {at}", [frame], key=key,
        classes=[seen.classes[k] for k in order], temperatures=[HANDLE.low, HANDLE.high], temperature=focus.temperature,
        roles=seen.parts, names={part: subject.title(part) for part in seen.parts}, image=0,
        images=[{"src": picture.src, "x": picture.x, "y": picture.y, "label": label, "title": title}],
        on_temperature_change=_heard(key, "temperature", lambda value: look(temperature=float(value))),
        on_image_change=lambda: None,
    )  # fmt: skip
    tables.numbers(
        _answers(subject, at, focus.temperature), f"soft labels of {seen.split} example {seen.rows[at]}",
        title="These soft labels as a table", alt="Logit and probability of every class by network.",
    )  # fmt: skip


def _answers(subject: Subject, at: int, temperature: float) -> list[dict[str, Any]]:
    seen = subject.seen
    logits, soft = seen.own_logits(at), seen.softened(at, temperature)
    return [
        {"class": name}
        | {f"{subject.title(part)}, logit": round(logits[part][k], 4) for part in seen.parts}
        | {f"{subject.title(part)}, probability at T = {temperature:g}": round(soft[part][k], 6) for part in seen.parts}
        for k, name in enumerate(seen.classes)
    ]


def _in_order(seen: Inspection, at: int, label: int) -> list[int]:
    """The classes as the data have them; of very many first the true one, then those that the networks find likeliest
    at T = 1, whatever T is: else what matters would be scrolled out of sight."""
    everyone = range(len(seen.classes))
    if len(everyone) <= IN_SIGHT:
        return list(everyone)
    shares = list(seen.softened(at).values())
    return sorted(everyone, key=lambda k: (k != label, -sum(own[k] for own in shares)))


def _heard(key: str, state: str, act: Callable[[Any], None]) -> Callable[[], None]:
    def callback() -> None:
        value = getattr(st.session_state.get(key), state, None)
        if value is not None:
            act(value)

    return callback
