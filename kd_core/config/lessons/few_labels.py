"""Few labels (Hinton, Vinyals & Dean 2015, section 6)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, gain
from kd_core.config.lessons import Change, Choice, Lesson, Point

LESSON = Lesson(
    order=4,
    title="Few labels",
    minutes=4,
    idea=(
        "When is a teacher worth most? The gain of a student is its lead over the baseline, the same network on the "
        "same data with as many updates and without a teacher.",
        "Here the same student learns from 20, 50, 200 or all 1,000 labelled digits. The teacher has always seen "
        "all of them.",
    ),
    question="How does the gain change from 20 labels to 1,000? Draw it.",
    families={
        "20 labels": {"dataset": "digits", "labelled": "20"},
        "50 labels": {"dataset": "digits", "labelled": "50"},
        "200 labels": {"dataset": "digits", "labelled": "200"},
        "1,000 labels": {"dataset": "digits", "labelled": "0", "epochs": "40"},
    },
    points={
        "twenty": Point("20 labels", gain("20 labels")),
        "fifty": Point("50 labels", gain("50 labels")),
        "many": Point("200 labels", gain("200 labels")),
        "every": Point("all 1,000", gain("1,000 labels")),
    },
    difference=gain("50 labels") - gain("1,000 labels"),
    choices=(
        Choice(
            "The gain shrinks with more labels.", Expectation(low=1),
            "With 50 labels the teacher was worth {fifty}, with 1,000 only {every}. What the labels already say, a "
            "teacher cannot add. That is why distillation matters most where labels are rare.",
        ),
        Choice(
            "The gain stays about the same.", Expectation(-1, 1),
            "With 50 labels the teacher was worth {fifty}, with 1,000 {every}, nearly the same. Usually the gain with "
            "few labels is four points larger; the spread over seeds is as large as that.",
        ),
        Choice(
            "The gain grows with more labels.", Expectation(high=-1),
            "With 50 labels the teacher was worth {fifty}, with 1,000 {every}. That is unusual: your 50 labelled "
            "images were a good choice, and the baseline learned much from them.",
        ),
    ),
    expected=0,
    notice="Zero means that the teacher was worth nothing. How near does the last column come to it?",
    change=Change(
        "Add wrong labels to the student’s 50: does the teacher help more or less?", "distill",
        {"dataset": "digits", "labelled": "50", "wrong": "0.3"},
    ),
    axis=("gain over the baseline, points", -5, 20),
    seeds=3,
)  # fmt: skip
