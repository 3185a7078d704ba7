"""What the student fixed and broke, and the examples behind every count: as cards, and one of them close up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kd_core.analysis import thumbnails
from kd_core.analysis.error_analysis import (
    ALL_WRONG,
    BROKE,
    BROKE_TEACHER,
    CELL,
    DIFFERENCE,
    DISPUTED,
    FIXED,
    FIXED_TEACHER,
    HARDEST,
    ErrorAnalysis,
    mcnemar_p_value,
)
from kd_core.analysis.replay import TEST
from kd_core.base.options import options_of
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.training.evaluation import extent
from pages.ui import feed
from pages.ui.browser import component
from pages.ui.inspect.run_picker import InspectedRun
from pages.ui.inspect.url_state import InspectOptions, update_url
from pages.ui.text.escape import escape_markdown
from pages.ui.widgets import keys, tables

SHOWN = 24  # cards
HANDLE = options_of(InspectOptions)["temperature"]
IN_SIGHT = 20  # classes whose bars are seen without scrolling
SURE = 0.05  # what is rarer than that by luck is said to be no luck


def summary(subject: InspectedRun) -> None:
    """Sentences: who is right how often, and where the student differs from baseline and teacher."""
    seen = subject.inspection
    if len(seen.labels) < seen.total:
        st.caption(f"{len(seen.labels):,} of the {seen.total:,} {seen.split} examples, spread evenly over the split.")
    for reference, fixed, broke in ((BASELINE, FIXED, BROKE), (TEACHER, FIXED_TEACHER, BROKE_TEACHER)):
        if reference in seen.parts:
            with st.container(border=True, key=f"against {reference}"):
                counts = (len(subject.group(group, STUDENT, None)) for group in (fixed, broke))
                st.markdown(comparison_sentence(subject, reference, *counts))


def comparison_sentence(subject: InspectedRun, reference: str, fixed: int, broke: int) -> str:
    """The comparison with one network in words, with what chance alone would do."""
    seen = subject.inspection
    glyph, other = subject.look(reference)["glyph"], subject.title(reference).lower()
    lead = (
        f"**{subject.look(STUDENT)['glyph']} {subject.title(STUDENT)} fixed {fixed}, broke {broke}** of the "
        f"{len(seen.labels):,} answers of the {glyph} {other}: {subject.accuracy(STUDENT):.1%} against "
        f"{subject.accuracy(reference):.1%} right."
    )
    if not fixed + broke:
        return f"{lead} Both get the same examples right."
    chance = mcnemar_p_value(fixed, broke)
    said = (
        "in less than one case in a thousand"
        if chance < 0.001
        else f"in {chance:.{0 if chance >= 0.1 else 1}%} of cases"
    )
    lead += f" Two equally good networks would differ this unevenly {said}"
    return f"{lead}." if chance < SURE else f"{lead}: these examples cannot tell them apart."


def examples(subject: InspectedRun, focus: InspectOptions) -> None:
    """The groups with their counts, the cards of the chosen one, and one card close up."""
    seen = subject.inspection
    cell = focus.cell(seen.classes)
    groups = {name: subject.group(name, focus.of, cell) for name in _offered(subject)}
    wanted = focus.group if focus.group in groups else next(iter(groups))
    st.pills(
        "Show", list(groups), default=wanted, key=keys.key("group", wanted), required=True,
        format_func=lambda name: _label(subject, name, len(groups[name])),
        on_change=lambda: update_url(group=keys.current_value("group"), example=-1),
    )  # fmt: skip
    found = groups[wanted]
    st.caption(_told(subject, focus, wanted, len(found)))
    shown = found[:SHOWN]
    if focus.example >= 0 and focus.example not in shown:  # a link, or a point of the embeddings
        shown = [focus.example, *shown[: SHOWN - 1]]
    chosen = focus.example if focus.example >= 0 else next(iter(shown), -1)
    _cards(subject, shown, chosen)
    if shown:
        tables.cached_numbers(
            f"{subject.cache_key} {focus.of} {cell}", lambda: [_row(subject, at) for at in found], f"examples {wanted}",
            title="These examples as a table", alt="{count} examples with the answer of every network.",
        )  # fmt: skip
        st.subheader("One of them close up")
        _closeup(subject, focus, chosen)


def visible_examples(subject: InspectedRun, focus: InspectOptions) -> list[int]:
    """The examples that are shown now."""
    found = subject.group(focus.group, focus.of, focus.cell(subject.inspection.classes))[:SHOWN]
    return sorted({*found, focus.example} - {-1})


def _offered(subject: InspectedRun) -> list[str]:
    parts = subject.inspection.parts
    compared = [FIXED, BROKE] if BASELINE in parts else []
    compared += [FIXED_TEACHER, BROKE_TEACHER] if TEACHER in parts else []
    return [*compared, HARDEST, ALL_WRONG, *([DISPUTED] if len(parts) > 1 else []), CELL]


def _label(subject: InspectedRun, name: str, count: int) -> str:
    titles = {part: escape_markdown(subject.title(part).lower()) for part in subject.inspection.parts}
    said = {
        FIXED: "Fixed, against the {baseline}", BROKE: "Broke, against the {baseline}",
        FIXED_TEACHER: "Fixed, against the {teacher}", BROKE_TEACHER: "Broke, against the {teacher}",
        HARDEST: "Hardest", ALL_WRONG: "All wrong", DISPUTED: "Most disputed", CELL: "One cell",
    }[name].format(**titles)  # fmt: skip
    return f"{said} · {count}"


def _told(subject: InspectedRun, focus: InspectOptions, name: str, count: int) -> str:
    seen = subject.inspection
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
    return escape_markdown(f"{said} {_how_many(count)}")


def _how_many(count: int) -> str:
    return f"The first {SHOWN} of {count} are shown." if count > SHOWN else ""


def _cards(subject: InspectedRun, shown: list[int], chosen: int) -> None:
    key = f"cards of {subject.row.id}"
    data = subject.replay.data
    mounted: Any = component("cards")
    mounted(
        key=key,
        data={
            "cards": _faces(subject.cache_key, subject, tuple(shown)), "chosen": chosen,
            "extent": extent(data) if data.is_planar else None,
            "names": {part: subject.title(part) for part in subject.inspection.parts},
            "empty": f"There are no such {data.noun} in this run.",
        },
        on_chosen_change=_heard(key, "chosen", lambda value: update_url(example=int(value))),
    )  # fmt: skip


@st.cache_data(max_entries=32, show_spinner=False)
def _faces(name: str, _subject: InspectedRun, shown: tuple[int, ...]) -> list[dict[str, Any]]:  # noqa: ARG001
    return [
        {"at": at, "src": picture.src, "x": picture.x, "y": picture.y,
         "true": _subject.inspection.classes[picture.label],
         "said": [[part, _subject.inspection.classes[top], share, top == picture.label]
                  for part, (top, share) in _subject.inspection.predictions(at).items()]}
        for at, picture in zip(shown, _pictures(_subject, shown), strict=True)
    ]  # fmt: skip


def _pictures(subject: InspectedRun, shown: tuple[int, ...]) -> list[thumbnails.Thumbnail]:
    of = thumbnails.of_test if subject.inspection.split == TEST else thumbnails.of_validation
    return of(subject.row.config.dataset, [subject.inspection.rows[at] for at in shown])


def _row(subject: InspectedRun, at: int) -> dict[str, Any]:
    seen = subject.inspection
    row: dict[str, Any] = {f"{seen.split} example": seen.rows[at], "true class": seen.classes[int(seen.labels[at])]}
    for part, (top, share) in seen.predictions(at).items():
        row |= {subject.title(part): seen.classes[top], f"{subject.title(part)}, certainty": round(share, 4)}
    return row


def _closeup(subject: InspectedRun, focus: InspectOptions, at: int) -> None:
    """Mirrored bars of one example under a temperature handle."""
    seen = subject.inspection
    (picture,) = _pictures(subject, (at,))
    key = f"close up of {subject.row.id}"
    order = subject.cached(f"order {at}", lambda: _in_order(seen, at, picture.label))
    logits = subject.cached(f"logits {at}", lambda: seen.example_logits(at))
    frame = {"moment": 0, "logits": {part: [[own[k] for k in order]] for part, own in logits.items()}}
    title = f"{seen.split.capitalize()} example {seen.rows[at]}, true class {seen.classes[picture.label]}"
    label = order.index(picture.label)
    feed.mount(
        "bars", f"inspected {subject.cache_key} {at}", [frame], key=key,
        classes=[seen.classes[k] for k in order], temperatures=[HANDLE.low, HANDLE.high], temperature=focus.temperature,
        roles=seen.parts, names={part: subject.title(part) for part in seen.parts}, image=0,
        images=[{"src": picture.src, "x": picture.x, "y": picture.y, "label": label, "title": title}],
        on_temperature_change=_heard(key, "temperature", lambda value: update_url(temperature=float(value))),
        on_image_change=lambda: None,
    )  # fmt: skip
    tables.numbers(
        _answers(subject, at, focus.temperature), f"soft labels of {seen.split} example {seen.rows[at]}",
        title="These soft labels as a table", alt="Logit and probability of every class by network.",
    )  # fmt: skip


def _answers(subject: InspectedRun, at: int, temperature: float) -> list[dict[str, Any]]:
    seen = subject.inspection
    logits, soft = seen.example_logits(at), seen.softened(at, temperature)
    return [
        {"class": name}
        | {f"{subject.title(part)}, logit": round(logits[part][k], 4) for part in seen.parts}
        | {f"{subject.title(part)}, probability at T = {temperature:g}": round(soft[part][k], 6) for part in seen.parts}
        for k, name in enumerate(seen.classes)
    ]


def _in_order(seen: ErrorAnalysis, at: int, label: int) -> list[int]:
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
