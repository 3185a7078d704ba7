"""Knowledge or smoothing? (Yuan et al. 2020, section 4)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

FEW = {"dataset": "digits", "labelled": "50"}

LESSON = Lesson(
    order=8,
    title="Knowledge or smoothing?",
    minutes=4,
    idea=(
        "Perhaps soft targets help only because they are soft: a student that must not be sure overfits less. A "
        "virtual teacher tests that. It gives the right class 99 % and all others the same, without any network.",
        "It is as soft as a real teacher but knows nothing beyond the label.",
    ),
    question="How does a student of the virtual teacher compare with a student of the real one?",
    families={"virtual teacher": {**FEW, "method": "virtual_teacher"}, "real teacher": FEW},
    points={
        "baseline": Point("no teacher", network("real teacher", "baseline"), "baseline", is_given=True),
        "virtual": Point("virtual teacher", network("virtual teacher")),
        "real": Point("real teacher", network("real teacher")),
    },
    difference=network("virtual teacher") - network("real teacher"),
    choices=(
        Choice(
            "The virtual teacher does as well.", Expectation(low=-1),
            "Without a network: {virtual}; with a real teacher: {real}. With your seeds softness alone was enough."
            " Usually with 50 labels the real teacher leads by about five points.",
        ),
        Choice(
            "The real teacher leads a little, by 1 to 3 points.", Expectation(-3, -1),
            "Without a network: {virtual}; with a real teacher: {real}, {amount} more. What a teacher has learned from "
            "other images is worth something beyond softness; usually it is about five points.",
        ),
        Choice(
            "The real teacher leads by more than 3 points.", Expectation(high=-3),
            "Without a network: {virtual}, like the baseline with {baseline}; with a real teacher: {real}, "
            "{amount} more. Softness alone is worth little here. What helps is knowledge: which class resembles which.",
        ),
    ),
    expected=2,
    notice="Where is the virtual teacher, with the baseline or with the real teacher?",
    change=Change(
        "With all labels the answer is another one: train the virtual teacher on all 1,000.", "distill",
        {"dataset": "digits", "labelled": "0", "epochs": "40", "method": "virtual_teacher"},
    ),
    axis=("test accuracy, %", 60, 100),
)  # fmt: skip
