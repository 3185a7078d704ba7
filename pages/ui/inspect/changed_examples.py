"""Examples that the student corrects or newly gets wrong, as cards, and one of them in detail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

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
from kd_core.analysis.examples import thumbnails
from kd_core.analysis.replay import TEST
from kd_core.base.marks import percent
from kd_core.base.options import options_of
from kd_core.config.plan import BASELINE, STUDENT, TEACHER
from kd_core.store.records import FAILED
from kd_core.training.evaluation import extent
from pages.ui.components import component, feed
from pages.ui.inspect.run_picker import InspectedRun
from pages.ui.inspect.settings import InspectOptions, url
from pages.ui.widgets import keys, tables
from pages.ui.widgets.text.escape import escape_markdown

MAX_CARDS = 24
TEMPERATURE = options_of(InspectOptions)["temperature"]
VISIBLE_CLASSES = 20  # bars that fit without scrolling
SIGNIFICANCE = 0.05


def summary(inspected: InspectedRun) -> None:
    """Draw the accuracies, and where the student differs from baseline and teacher."""
    analysis = inspected.analysis
    if len(analysis.labels) < analysis.total:
        count = f"{len(analysis.labels):,} of the {analysis.total:,} {analysis.split} {analysis.noun}"
        st.caption(f"{count}, spread evenly over the split.")
    for reference, fixed, broke in ((BASELINE, FIXED, BROKE), (TEACHER, FIXED_TEACHER, BROKE_TEACHER)):
        if reference in analysis.parts:
            with st.container(border=True, key=f"against {reference}"):
                counts = (len(inspected.group(group, STUDENT, None)) for group in (fixed, broke))
                st.markdown(comparison_sentence(inspected, reference, *counts))


def comparison_sentence(inspected: InspectedRun, reference: str, fixed: int, broke: int) -> str:
    """Return the comparison with one network in words, with McNemar's test of the difference."""
    analysis = inspected.analysis
    student, other = (
        f"{inspected.look(part)['glyph']} {inspected.title(part).lower()}" for part in (STUDENT, reference)
    )
    counts = (
        f"Of {len(analysis.labels):,} {analysis.split} {analysis.noun} the {student} **corrects {fixed} errors** of "
        f"the {other} and **adds {broke}**: accuracy {percent(inspected.accuracy(STUDENT))} against "
        f"{percent(inspected.accuracy(reference))}."
    )
    if not fixed + broke:
        return f"{counts} Both classify the same {analysis.noun} correctly."
    if inspected.row.state == FAILED:
        return f"{counts} The run failed before its end, so this says nothing about the method."
    if not inspected.replay.data.task.has_class_per_example:
        return f"{counts} Neighbouring {analysis.noun} depend on each other: no test of chance."
    p_value = mcnemar_p_value(fixed, broke)
    p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    conclusion = (
        "two equally good networks would rarely differ so unevenly"
        if p_value < SIGNIFICANCE
        else "two equally good networks could differ this much by chance"
    )
    return f"{counts} Exact McNemar test: {p_text}, {conclusion}."


def examples(inspected: InspectedRun, options: InspectOptions) -> None:
    """Draw the groups with their counts, the cards of the chosen one, and one example in detail."""
    cell = options.cell(inspected.analysis.classes)
    groups = {name: inspected.group(name, options.of, cell) for name in _groups_of(inspected)}
    group = options.group if options.group in groups else next(iter(groups))
    st.pills(
        "Show", list(groups), default=group, key=keys.key("group", group), required=True,
        format_func=lambda name: _group_title(inspected, name, len(groups[name])),
        on_change=lambda: url.update(group=keys.current_value("group"), example=-1),
    )  # fmt: skip
    members = groups[group]
    st.caption(_description(inspected, options, group, len(members)))
    cards = members[:MAX_CARDS]
    if options.example >= 0 and options.example not in cards:  # chosen by a link, or by a point of the embeddings
        cards = [options.example, *cards[: MAX_CARDS - 1]]
    chosen = options.example if options.example >= 0 else next(iter(cards), -1)
    _cards(inspected, cards, chosen)
    if cards:
        tables.numbers(
            lambda: [_table_row(inspected, index) for index in members], f"examples {group}",
            title="These examples as a table",
            alt="{count} examples with the prediction of every network.",
        )  # fmt: skip
        st.subheader("One example in detail")
        _detail(inspected, options, chosen)


def visible_examples(inspected: InspectedRun, options: InspectOptions) -> list[int]:
    """Return the positions of the examples on the cards."""
    members = inspected.group(options.group, options.of, options.cell(inspected.analysis.classes))[:MAX_CARDS]
    return sorted({*members, options.example} - {-1})


def _groups_of(inspected: InspectedRun) -> list[str]:
    parts = inspected.analysis.parts
    compared = [FIXED, BROKE] if BASELINE in parts else []
    compared += [FIXED_TEACHER, BROKE_TEACHER] if TEACHER in parts else []
    return [*compared, HARDEST, ALL_WRONG, *([DISPUTED] if len(parts) > 1 else []), CELL]


def _group_title(inspected: InspectedRun, name: str, count: int) -> str:
    titles = {part: escape_markdown(inspected.title(part).lower()) for part in inspected.analysis.parts}
    title = {
        FIXED: "Corrected, against the {baseline}", BROKE: "Newly wrong, against the {baseline}",
        FIXED_TEACHER: "Corrected, against the {teacher}", BROKE_TEACHER: "Newly wrong, against the {teacher}",
        HARDEST: "Highest loss", ALL_WRONG: "All wrong", DISPUTED: "Most disagreement", CELL: "One cell",
    }[name].format(**titles)  # fmt: skip
    return f"{title} · {count}"


def _description(inspected: InspectedRun, options: InspectOptions, group: str, count: int) -> str:
    analysis = inspected.analysis
    titles = {part: inspected.title(part).lower() for part in analysis.parts}
    student, baseline, teacher = titles[STUDENT], titles.get(BASELINE), titles.get(TEACHER)
    cell = options.cell(analysis.classes)
    if group == CELL and cell is None:
        return "Choose a cell of a matrix above. Its examples appear here."
    if cell and group == CELL:
        one_of_both = f"exactly one of {student} and {baseline}"
        network = one_of_both if options.of == DIFFERENCE else f"the {titles[options.of]}"
        true, predicted = (analysis.classes[k] for k in cell)
        sentence = f"{analysis.noun.capitalize()} of class {true} that {network} predicts as {predicted}."
    else:
        sentence = {
            FIXED: f"The {student} is right and the {baseline} is wrong.",
            BROKE: f"The {baseline} is right and the {student} is wrong.",
            FIXED_TEACHER: f"The {student} is right and the {teacher} is wrong.",
            BROKE_TEACHER: f"The {teacher} is right and the {student} is wrong.",
            HARDEST: f"Highest loss of the {student}.",
            ALL_WRONG: "Every network is wrong. The label itself may be wrong.",
            DISPUTED: "Largest Jensen-Shannon divergence between the predictions at T = 1.",
        }[group]
    more = f" The first {MAX_CARDS} of {count} are shown." if count > MAX_CARDS else ""
    return escape_markdown(sentence + more)


def _cards(inspected: InspectedRun, positions: list[int], chosen: int) -> None:
    key = f"cards of {inspected.row.id}"
    data = inspected.replay.data
    mounted = component("example_cards")
    mounted(
        key=key,
        data={
            "cards": inspected.cached(f"cards {positions}", lambda: _card_data(inspected, positions)), "chosen": chosen,
            "extent": extent(data) if data.is_planar else None,
            "names": {part: inspected.title(part) for part in inspected.analysis.parts},
            "empty": f"There are no such {data.noun} in this run.",
        },
        on_chosen_change=_callback(key, "chosen", lambda value: url.update(example=int(value))),
    )  # fmt: skip


def _card_data(inspected: InspectedRun, positions: list[int]) -> list[dict[str, Any]]:
    analysis = inspected.analysis
    return [
        {"position": position, "src": picture.src, "x": picture.x, "y": picture.y,
         "true": analysis.classes[picture.label],
         "predictions": [[part, analysis.classes[top], confidence, top == picture.label]
                         for part, (top, confidence) in analysis.predictions(position).items()]}
        for position, picture in zip(positions, _thumbnails(inspected, positions), strict=True)
    ]  # fmt: skip


def _thumbnails(inspected: InspectedRun, positions: list[int]) -> list[thumbnails.Thumbnail]:
    of_split = thumbnails.of_test if inspected.analysis.split == TEST else thumbnails.of_validation
    return of_split(inspected.row.config.dataset, [inspected.analysis.rows[position] for position in positions])


def _table_row(inspected: InspectedRun, position: int) -> dict[str, Any]:
    analysis = inspected.analysis
    row: dict[str, Any] = {
        "example": analysis.title(position),
        "true class": analysis.classes[int(analysis.labels[position])],
    }
    for part, (top, confidence) in analysis.predictions(position).items():
        title = inspected.title(part)
        row |= {title: analysis.classes[top], f"{title}, confidence": round(confidence, 4)}
    return row


def _detail(inspected: InspectedRun, options: InspectOptions, position: int) -> None:
    """Draw mirrored bars of one example with a temperature slider, and their numbers."""
    analysis = inspected.analysis
    (picture,) = _thumbnails(inspected, [position])
    key = f"close up of {inspected.row.id}"
    order = inspected.cached(f"order {position}", lambda: _class_order(analysis, position, picture.label))
    logits = inspected.cached(f"logits {position}", lambda: analysis.example_logits(position))
    frame = {"evaluation": 0, "logits": {part: [[values[k] for k in order]] for part, values in logits.items()}}
    name = analysis.title(position)
    image = {
        "src": picture.src, "x": picture.x, "y": picture.y, "label": order.index(picture.label),
        "title": f"{name.capitalize()}, true class {analysis.classes[picture.label]}",
    }  # fmt: skip
    feed.mount(
        "soft_targets", f"inspected {inspected.cache_key} {position}", [frame], key=key,
        classes=[analysis.classes[k] for k in order], temperatures=[TEMPERATURE.low, TEMPERATURE.high],
        temperature=options.temperature, roles=analysis.parts,
        names={part: inspected.title(part) for part in analysis.parts}, image=0, images=[image],
        on_temperature_change=_callback(key, "temperature", lambda value: url.update(temperature=float(value))),
        on_image_change=lambda: None,
    )  # fmt: skip
    tables.numbers(
        lambda: _probability_rows(inspected, position, options.temperature), f"soft targets of {name}",
        title="These probabilities as a table", alt="Logit and probability of every class by network.",
    )  # fmt: skip


def _probability_rows(inspected: InspectedRun, position: int, temperature: float) -> list[dict[str, Any]]:
    analysis = inspected.analysis
    logits, softened = analysis.example_logits(position), analysis.softened(position, temperature)
    titles = {part: inspected.title(part) for part in analysis.parts}
    return [
        {"class": name}
        | {f"{title}, logit": round(logits[part][k], 4) for part, title in titles.items()}
        | {
            f"{title}, probability at T = {temperature:g}": round(softened[part][k], 6)
            for part, title in titles.items()
        }
        for k, name in enumerate(analysis.classes)
    ]


def _class_order(analysis: ErrorAnalysis, position: int, label: int) -> list[int]:
    """Return the classes in the order of the data set, or by probability where there are too many to see at once.

    In the latter case the true class comes first, then the others by their probability at T = 1, for any T.
    """
    classes = range(len(analysis.classes))
    if len(classes) <= VISIBLE_CLASSES:
        return list(classes)
    probabilities = list(analysis.softened(position).values())
    return sorted(classes, key=lambda k: (k != label, -sum(values[k] for values in probabilities)))


def _callback(key: str, state: str, handler: Callable[[Any], None]) -> Callable[[], None]:
    def callback() -> None:
        value = getattr(st.session_state.get(key), state, None)
        if value is not None:
            handler(value)

    return callback
