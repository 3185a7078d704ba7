"""Temperature of a language model that writes (Ackley, Hinton & Sejnowski 1985; sampling as in every chatbot)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

FAMILY = "language"
SMALL = {
    "dataset": "python_docs", "labelled": "2000", "epochs": "2", "teacher_hidden": "128", "teacher_epochs": "2",
    "control": "false",
}  # fmt: skip

LESSON = Lesson(
    order=11,
    title="A language model’s temperature",
    minutes=4,
    idea=(
        "A language model gives every character that may come next a probability, draws one, and goes on from there. "
        "Yours reads six characters at a time, and learned from a larger model what may follow.",
        "Its temperature is the one that you know: logits are divided by T before softmax. Here T acts when the model "
        "writes, not when it learns. At T = 1 it draws from what it has learned.",
    ),
    question="The same model writes at T = 0.5. How many of its words are real, and how many are different? Draw it.",
    families={FAMILY: SMALL},
    points={
        "real": Point("real, T = 1", network(FAMILY, measure="real_words"), is_given=True),
        "real_cold": Point("real, T = 0.5", network(FAMILY, measure="real_words_cold")),
        "different": Point("different, T = 1", network(FAMILY, measure="distinct_words"), is_given=True),
        "different_cold": Point("different, T = 0.5", network(FAMILY, measure="distinct_words_cold")),
    },
    difference=network(FAMILY, measure="real_words_cold") - network(FAMILY, measure="real_words"),
    choices=(
        Choice(
            "More of its words are real.", Expectation(low=3),
            "At T = 1 {real} of its words were real, at T = 0.5 {real_cold}: {difference}. Halving T doubles the "
            "differences between logits, so what is likely is drawn more often and the rest hardly ever. The price: "
            "{different} of all words were different before, {different_cold} now. It plays safe and repeats itself.",
        ),
        Choice(
            "About as many are real.", Expectation(-3, 3),
            "At T = 1 {real} of its words were real, at T = 0.5 {real_cold}: {difference}. Usually many more are, "
            "since likely characters are drawn more often; with your seeds the model had learned too little.",
        ),
        Choice(
            "Fewer are real.", Expectation(high=-3),
            "At T = 1 {real} of its words were real, at T = 0.5 {real_cold}: {difference}. That is unusual: it happens "
            "where a model repeats a few characters that form no word.",
        ),
    ),
    expected=0,
    notice="Compare both pairs of columns: one number rises where the other falls.",
    change=Change("Move T while three networks write, and see which characters surprise the teacher.", "language", {}),
    axis=("of the words that it writes, %", 0, 100),
    seeds=2,
)  # fmt: skip
