"""The digit that nobody showed (Hinton, Vinyals & Dean 2015, section 3)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

WITHOUT = {"dataset": "digits", "scheme": "missing_class", "omitted": "3", "labelled": "0", "epochs": "40"}

LESSON = Lesson(
    order=7,
    title="The digit that nobody showed",
    minutes=4,
    idea=(
        "The teacher knows all ten digits. The student’s images are those of nine digits: it never sees a single 3.",
        "It does get the teacher’s probabilities of its images, and in those the class 3 occurs, on every 8 and 5 a "
        "little. Afterwards the bias of class 3 is raised in both networks, as in the paper, since neither has a "
        "reason to answer 3 at all.",
    ),
    question="How many of the threes in the test set will the student recognise?",
    families={"without any 3": WITHOUT},
    points={
        "baseline": Point("no teacher", network("without any 3", "corrected baseline"), "baseline", is_given=True),
        "student": Point("taught", network("without any 3", "corrected student")),
    },
    difference=network("without any 3", "corrected student"),
    choices=(
        Choice(
            "Fewer than half of them.", Expectation(high=50),
            "Your student recognised {student} of the threes, the baseline {baseline}. Usually it is nearly all of "
            "them; with your seeds the teacher’s outputs on other digits said less about a 3.",
        ),
        Choice(
            "Half of them or more, but not nine of ten.", Expectation(50, 90),
            "Your student recognised {student} of the threes without having seen one, the baseline {baseline}. All it "
            "knows of a 3 is what makes an 8 or a 5 resemble one.",
        ),
        Choice(
            "Nine of ten or more.", Expectation(low=90),
            "Your student recognised {student} of the threes without having seen one, the baseline {baseline}. What "
            "makes an 8 or a 5 resemble a 3 is enough to recognise a 3.",
        ),
    ),
    expected=2,
    notice="The baseline had the same images and no soft targets.",
    change=Change(
        "Leave out another digit. Which one is the hardest to learn from hearsay?", "distill",
        {**WITHOUT, "omitted": "8"},
    ),
    measure="omitted",
    axis=("recognised threes, %", 0, 100),
    seeds=3,
)  # fmt: skip
