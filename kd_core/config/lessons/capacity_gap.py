"""Capacity gap (Cho & Hariharan 2019; Mirzadeh et al. 2020, section 3)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

TINY = {"dataset": "digits", "labelled": "50", "student_widths": "8"}

LESSON = Lesson(
    order=6,
    title="Bigger is not always better",
    minutes=4,
    idea=(
        "A better teacher should teach better. Two teachers are at hand: a convolutional network, and a network with "
        "16 hidden units. Both have learned from all 1,000 digits.",
        "The student is tiny: 8 hidden units. It has 50 labelled images, as its baseline.",
    ),
    question="From which teacher does the tiny student learn more?",
    families={"CNN teaches": TINY, "MLP of 16 units teaches": {**TINY, "teacher": "mlp", "teacher_widths": "16"}},
    points={
        "cnn": Point("CNN", network("CNN teaches", "teacher"), "teacher", is_given=True),
        "mlp": Point("MLP 16", network("MLP of 16 units teaches", "teacher"), "teacher", is_given=True),
        "of_cnn": Point("student of CNN", network("CNN teaches")),
        "of_mlp": Point("student of MLP", network("MLP of 16 units teaches")),
    },
    difference=network("CNN teaches") - network("MLP of 16 units teaches"),
    choices=(
        Choice(
            "From the better one, the CNN.", Expectation(low=1),
            "The teachers reached {cnn} and {mlp}, your students {of_cnn} and {of_mlp}: the better teacher taught "
            "better, as one would expect. Usually it is the other way round with a student as small as this.",
        ),
        Choice(
            "From both the same.", Expectation(-1, 1),
            "The teachers reached {cnn} and {mlp}, your students {of_cnn} and {of_mlp}: the better teacher was worth "
            "no more. A teacher’s accuracy does not say how well it can be imitated.",
        ),
        Choice(
            "From the smaller one.", Expectation(high=-1),
            "The teachers reached {cnn} and {mlp}, your students {of_cnn} and {of_mlp}. The CNN makes distinctions "
            "that 8 hidden units cannot imitate; the smaller teacher says what a small network can say. This is "
            "called the capacity gap.",
        ),
    ),
    expected=2,
    notice="The order of the teachers and the order of their students: are they the same?",
    change=Change(
        "Put an assistant of middle size between the CNN and the tiny student.", "distill",
        {**TINY, "assistants": "1"},
    ),
    axis=("test accuracy, %", 40, 100),
)  # fmt: skip
